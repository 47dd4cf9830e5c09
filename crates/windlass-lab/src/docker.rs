//! A container engine with compose and a registry: its own socket, data and network names, nothing of the machine's.

use crate::process::{Running, Watchdog, command, free_port, run, spawn, wait_until};
use std::{
    fs,
    io::Write as _,
    net::TcpStream,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

/// Which docker compose a person calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compose {
    /// `docker-compose` 1.29 of Debian 12.
    V1,
    /// `docker compose`, the plugin, 2.x.
    V2,
}

impl Compose {
    /// Both, for tests that run once for each.
    pub const ALL: [Self; 2] = [Self::V1, Self::V2];

    /// How the command is typed.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::V1 => "docker-compose",
            Self::V2 => "docker compose",
        }
    }
}

/// A running engine with a registry beside it. What it started ends with the test process: it lives in a space of process
/// ids and mounts of its own, whose first process is killed.
pub struct Docker {
    folder: PathBuf,
    registry_port: u16,
    // Dropped before the watchdog, which removes the folder.
    _running: Vec<Running>,
    _watchdog: Watchdog,
}

/// What is in an image of a service that answers over HTTP.
const SERVE: &str = r#"["httpd","-f","-p","8080","-h","/www"]"#;

/// The engine that all tests of this process share, started at first use. A test takes names of its own
/// ([`Docker::name`]). `None`: no container can run on this machine, so the test is passed over, which is said aloud; it
/// fails where `WINDLASS_NEEDS_DOCKER` is set.
#[must_use]
pub fn docker() -> Option<&'static Docker> {
    static ONE: OnceLock<Result<Docker, String>> = OnceLock::new();
    match ONE.get_or_init(Docker::start) {
        Ok(docker) => Some(docker),
        Err(why) => {
            assert!(std::env::var_os("WINDLASS_NEEDS_DOCKER").is_none(), "no container engine: {why}");
            // The harness would keep what a test that passes prints.
            let words = format!("SKIPPED: no container engine can run here: {why}\n");
            std::io::stderr().lock().write_all(words.as_bytes()).expect("standard error can be written");
            None
        }
    }
}

impl Docker {
    fn start() -> Result<Self, String> {
        let folder = tempfile::Builder::new().prefix("lab-docker-").tempdir().expect("a temporary folder");
        let folder = folder.keep();
        let watchdog = Watchdog::over(&folder);
        for (name, text) in [("after", include_str!("docker_after.sh")), ("config.json", "{}")] {
            fs::write(folder.join(name), text).expect("the folder can be written");
        }
        commands(&folder);
        let (registry_port, registry) = registry(&folder);
        let mut engine = spawn(&engine(&folder), &folder, "engine");
        let mut docker = Self { folder, registry_port, _running: vec![registry], _watchdog: watchdog };
        let mut ended = false;
        wait_until("the container engine answers", || {
            ended = engine.has_ended();
            ended || docker.command(&["version"]).output().is_ok_and(|out| out.status.success())
        });
        let log = fs::read_to_string(docker.folder.join("engine.log")).unwrap_or_default();
        if ended {
            let last: Vec<_> = log.lines().rev().take(3).collect();
            return Err(format!("dockerd ended: {}", last.join(" / ")));
        }
        docker._running.push(engine);
        // An engine that answers may still be unable to start anything.
        let tried = docker.image("lab/try", "1", &[]);
        let out = docker.command(&["run", "--rm", "--stop-signal", "KILL", &tried, "true"]).output();
        match out {
            Ok(out) if out.status.success() => Ok(docker),
            Ok(out) => Err(format!("no container starts: {}", String::from_utf8_lossy(&out.stderr))),
            Err(error) => Err(format!("docker cannot be started: {error}")),
        }
    }

    /// What a command needs in its environment to work with this engine.
    #[must_use]
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        let bin = self.folder.join("bin");
        vec![
            ("DOCKER_HOST", format!("unix://{}", self.folder.join("docker.sock").display())),
            ("DOCKER_CONFIG", self.folder.display().to_string()),
            ("PATH", format!("{}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", bin.display())),
        ]
    }

    /// `docker` with these arguments.
    #[must_use]
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = command(self.folder.join("bin/docker"));
        command.envs(self.environment()).args(args);
        command
    }

    /// Runs `docker` with these arguments; what it printed. Panics when it fails.
    pub fn run(&self, args: &[&str]) -> String {
        run(&mut self.command(args)).trim_end().to_owned()
    }

    /// A name that no other test of this engine has.
    #[must_use]
    pub fn name(&self, prefix: &str) -> String {
        use std::sync::atomic::{AtomicU32, Ordering};
        static NUMBER: AtomicU32 = AtomicU32::new(1);
        format!("{prefix}{}", NUMBER.fetch_add(1, Ordering::Relaxed))
    }

    /// An image in the registry, and not in the engine: `busybox` with these files, which serves `/www` on port 8080. Made
    /// again under the same version it is another one, as of a tag that was moved. The name to pull it by.
    pub fn image(&self, name: &str, version: &str, files: &[(&str, &str)]) -> String {
        let root = tempfile::tempdir_in(&self.folder).expect("the folder can be written");
        tree(root.path(), files);
        let tag = format!("127.0.0.1:{}/{name}:{version}", self.registry_port);
        let archive = root.path().join("image.tar");
        run(command("tar")
            .args(["--owner=0", "--group=0", "-cf"])
            .arg(&archive)
            .arg("-C")
            .arg(root.path())
            .args(["bin", "www", "tmp"]));
        let change = format!("CMD {SERVE}");
        self.run(&["import", "--change", &change, &archive.display().to_string(), &tag]);
        self.run(&["push", "--quiet", &tag]);
        self.run(&["rmi", &tag]);
        tag
    }
}

/// The files of an image.
fn tree(root: &Path, files: &[(&str, &str)]) {
    for folder in ["bin", "www", "tmp"] {
        fs::create_dir(root.join(folder)).expect("a new folder");
    }
    fs::copy("/bin/busybox", root.join("bin/busybox")).expect("lab: no busybox-static; run lab/install");
    for name in ["sh", "httpd", "sleep", "echo", "cat", "true", "false", "env", "touch", "test"] {
        symlink("busybox", root.join("bin").join(name)).expect("a new link");
    }
    for (path, text) in files {
        let path = root.join(path);
        fs::create_dir_all(path.parent().expect("a file of the image")).expect("a new folder");
        let mut file = fs::File::create(path).expect("a new file");
        file.write_all(text.as_bytes()).expect("room on the disk");
    }
}

/// `docker`, `docker-compose` and the plugin, each of a known place.
fn commands(folder: &Path) {
    let lab = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/lab/compose/docker-compose");
    fs::create_dir_all(folder.join("cli-plugins")).expect("a new folder");
    fs::create_dir(folder.join("bin")).expect("a new folder");
    for (from, to) in [
        (lab.as_path(), "cli-plugins/docker-compose"),
        (Path::new("/usr/bin/docker"), "bin/docker"),
        (Path::new("/usr/bin/docker-compose"), "bin/docker-compose"),
    ] {
        assert!(from.exists(), "lab: no {}; run lab/install", from.display());
        symlink(from, folder.join(to)).expect("a new link");
    }
}

/// A registry that answers.
fn registry(folder: &Path) -> (u16, Running) {
    loop {
        let port = free_port();
        let config = folder.join("registry.yml");
        let text = format!(
            "version: 0.1\nlog: {{level: warn}}\nstorage:\n  delete: {{enabled: true}}\n  filesystem: {{rootdirectory: {}}}\n\
             http:\n  addr: 127.0.0.1:{port}\n",
            folder.join("registry").display()
        );
        fs::write(&config, text).expect("the folder can be written");
        let mut server = command("/usr/bin/docker-registry");
        server.arg("serve").arg(&config);
        let mut running = spawn(&server, folder, "registry");
        let mut ended = false;
        wait_until("the registry answers", || {
            ended = running.has_ended();
            ended || TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
        if !ended {
            return (port, running);
        }
    }
}

/// The engine in a space of process ids and mounts of its own. The shell in front reaps what the engine leaves. Its
/// cgroups have the name of the folder, so that they can be removed. No rules of a packet filter are made: ports are
/// forwarded by a program of the engine.
fn engine(folder: &Path) -> Command {
    let name = folder.file_name().expect("a folder has a name").to_string_lossy().into_owned();
    let at = |name: &str| folder.join(name).display().to_string();
    let mut engine = command("unshare");
    engine.args([
        "--mount",
        "--pid",
        "--fork",
        "--kill-child",
        "--mount-proc",
        "/bin/sh",
        "-c",
        "\"$@\" & wait",
        "sh",
    ]);
    engine.args(["/usr/sbin/dockerd", "--iptables=false", "--ip6tables=false", "--bridge=none"]);
    engine.args(["--exec-opt", "native.cgroupdriver=cgroupfs", "--cgroup-parent", &name]);
    engine.args(["--host", &format!("unix://{}", at("docker.sock"))]);
    engine.args(["--data-root", &at("data"), "--exec-root", &at("exec"), "--pidfile", &at("dockerd.id")]);
    engine
}
