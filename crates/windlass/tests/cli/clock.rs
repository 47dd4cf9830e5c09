//! A wall clock that jumps, under the real command. Debian's libfaketime answers it and every process it starts from a file
//! that the test rewrites; the monotonic clock goes on as it is, as when a person or a time server sets the clock.

use crate::sealed::{Project, RELEASE, Running, Said, skipped, wait_for};
use rustix::process::Signal;
use std::{
    io::BufRead as _,
    path::PathBuf,
    process::{Command, Stdio},
    time::Instant,
};

/// Where Debian keeps it; `None`: not installed, which `./test` does.
fn library() -> Option<PathBuf> {
    let found = std::fs::read_dir("/usr/lib").unwrap().flatten();
    let library = found.map(|dir| dir.path().join("faketime/libfaketimeMT.so.1")).find(|path| path.exists());
    if library.is_none() {
        skipped("a clock that jumps: apt-get install faketime");
    }
    library
}

/// A project whose clock the test sets.
struct Jumpy {
    project: Project,
    library: PathBuf,
}

impl Jumpy {
    fn new(release: &str) -> Option<Self> {
        let jumpy = Self { library: library()?, project: Project::new(release) };
        jumpy.set("+0");
        Some(jumpy)
    }

    /// From here on the wall clock is off by this, also for what runs.
    fn set(&self, offset: &str) {
        // Never half a file, which would be another time.
        self.project.write(".clock.new", offset);
        std::fs::rename(self.project.path(".clock.new"), self.project.path(".clock")).unwrap();
    }

    fn start(&self, args: &[&str]) -> Running {
        Running::start(self.command(args))
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = self.project.command(args);
        command
            .env("LD_PRELOAD", &self.library)
            .env("FAKETIME_TIMESTAMP_FILE", self.project.path(".clock"))
            .env("FAKETIME_NO_CACHE", "1")
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
            .env("FAKETIME_DISABLE_SHM", "1")
            .env("NO_FAKE_STAT", "1");
        command
    }

    fn run(&self, args: &[&str]) -> Said {
        self.start(args).end()
    }

    fn exists(&self, name: &str) -> bool {
        self.project.path(name).exists()
    }
}

const JUMPS: [&str; 5] = ["+3650d", "-3650d", "+2h", "-40d", "+0"];

#[test]
fn a_deadline_is_neither_cut_nor_stretched_by_a_jump() {
    let step = |within: &str| {
        format!(
            "---\nrelease: 2.1.0\n---\n```sh {{#check on=app readonly within={within} timeout=5m}}\n\
             echo x >> tries; [ -e go ]\n```\n"
        )
    };
    let Some(jumpy) = Jumpy::new(&step("5m")) else { return };
    let run = jumpy.start(&["apply", "release.md", "--yes"]);
    let tries = || std::fs::read(jumpy.project.path("tries")).map_or(0, |tries| tries.len());
    wait_for("a try", || tries() > 0);
    for jump in ["+3650d", "-3650d"] {
        let before = tries();
        jumpy.set(jump);
        wait_for("another try after the jump", || tries() > before);
    }
    jumpy.project.write("go", "");
    run.end().code(0);

    std::fs::remove_file(jumpy.project.path("go")).unwrap();
    jumpy.project.write("release.md", step("2s"));
    let (begun, before) = (Instant::now(), tries());
    let run = jumpy.start(&["apply", "release.md", "--yes"]);
    wait_for("a try", || tries() > before);
    jumpy.set("-3650d");
    run.end().code(1);
    assert!(begun.elapsed().as_secs() < 50, "it waited for the clock to come back");
}

#[test]
fn a_step_with_after_waits_for_the_clock_and_a_person_and_then_never_again() {
    let later = "```sh {#later on=app after=1h}\nmkdir later\n```\n";
    let Some(jumpy) = Jumpy::new(&format!("{RELEASE}{later}")) else { return };
    jumpy.run(&["apply", "release.md", "--yes"]).code(3).says(&["later/1"]);
    for jump in ["-3650d", "+59m", "+2h", "-1h"] {
        jumpy.set(jump);
        jumpy.run(&["resume"]).code(3).says(&["later/1"]);
        assert!(!jumpy.exists("later"), "{jump}");
    }
    jumpy.run(&["confirm", "later/1"]).code(2);
    assert!(!jumpy.exists("later"), "the clock is back: it is too early again");
    jumpy.set("+2h");
    jumpy.run(&["confirm", "later/1"]).code(0);
    assert!(jumpy.exists("later"));
}

#[test]
fn the_lease_is_kept_and_taken_over_whatever_the_clock_says() {
    let wait = "```sh {#wait on=app readonly}\n: > waiting\nuntil [ -e go ]; do sleep 0.05; done\n```\n";
    let release = RELEASE.replace("```sh {#mark", &format!("{wait}```sh {{#mark"));
    let Some(jumpy) = Jumpy::new(&release) else { return };
    let run = jumpy.start(&["apply", "release.md", "--yes"]);
    wait_for("the step", || jumpy.exists("waiting"));
    for jump in JUMPS {
        jumpy.set(jump);
        jumpy.run(&["resume"]).code(4).says(&["holds the lease since"]);
        // A second one whose own clock is right.
        jumpy.project.run(&["resume"]).code(4).says(&["holds the lease since"]);
    }
    jumpy.set("+3650d");
    run.signal(Signal::KILL);
    assert_eq!(run.end().code, None);
    jumpy.set("-3650d");
    jumpy.project.write("go", "");
    jumpy.run(&["resume"]).code(0).says(&["took over from"]);
    assert!(jumpy.project.world().contains("spec-v1/2.txt") && jumpy.exists("marker.txt"));
}

#[test]
fn the_newest_run_is_the_last_one_started_also_when_its_clock_is_behind() {
    let Some(jumpy) = Jumpy::new(RELEASE) else { return };
    let before = jumpy.project.world();
    jumpy.run(&["apply", "release.md", "--yes"]).code(0);
    let first = jumpy.project.world();
    let second = "---\nrelease: 2.2.0\n---\n```sql {#add on=db}\nINSERT INTO record (id, name) VALUES (3, '丙');\n```\n";
    jumpy.project.write("second.md", second);
    jumpy.set("-3650d");
    jumpy.run(&["apply", "second.md", "--yes"]).code(0);
    assert_ne!(jumpy.project.world(), first);
    for command in [&["status"][..], &["show"], &["record"]] {
        assert!(jumpy.run(command).code(0).stdout.contains("2.2.0"), "{command:?}");
    }
    jumpy.set("-7300d");
    jumpy.run(&["rollback", "--yes"]).code(0);
    assert_eq!(jumpy.project.world(), first);
    jumpy.set("+3650d");
    jumpy.run(&["rollback", "--yes"]).code(0);
    assert_eq!(jumpy.project.world(), before);
}

/// openssl's own server, with a certificate for 30 days; it ends with this.
struct Secure(std::process::Child, u16);

impl Secure {
    fn new(authority: &windlass_lab::Authority) -> Self {
        let (certificate, key) = authority.server();
        let mut openssl = Command::new("openssl");
        openssl
            .args(["s_server", "-accept", "127.0.0.1:0", "-www", "-cert"])
            .arg(certificate)
            .arg("-key")
            .arg(key);
        openssl.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut server = openssl.spawn().unwrap();
        let mut lines = std::io::BufReader::new(server.stdout.as_mut().unwrap()).lines();
        let port = lines.find_map(|line| line.unwrap().strip_prefix("ACCEPT 127.0.0.1:")?.parse().ok());
        Self(server, port.unwrap())
    }
}

impl Drop for Secure {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

#[test]
fn a_certificate_that_ends_soon_is_told_before_a_release() {
    let restart = "---\nrelease: 2.1.0\n---\n```sh {#restart on=app}\nwindlass service restart web\n```\n";
    let Some(jumpy) = Jumpy::new(restart) else { return };
    let authority = windlass_lab::Authority::new(jumpy.project.path("").as_path(), "IP:127.0.0.1");
    let secure = Secure::new(&authority);
    let service = format!(
        "[service.web]\non = \"app\"\nrun = [\"./web\"]\nhealth = \"https://127.0.0.1:{}/\"\n",
        secure.1
    );
    jumpy.project.write("windlass.toml", format!("{}\n{service}", jumpy.project.read("windlass.toml")));
    let plan = || {
        let mut command = jumpy.command(&["plan", "release.md"]);
        command.env("SSL_CERT_FILE", authority.certificate());
        let plan = Running::start(command).end().stdout;
        plan.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let today = plan();
    assert!(today.contains("health ok web answers"), "{today}");
    // 25 days and 10 hours.
    jumpy.set("+610h");
    let late = plan();
    assert!(late.contains("health warning the certificate of web ends in 4 days"), "{late}");
}
