//! Bad input and a bad world, through the real command: clear words, the right exit code, nothing lost.
//!
//! | case | test |
//! |---|---|
//! | malformed front matter, unknown keys, duplicate ids, missing targets, cyclic `undoes`, not UTF-8, NUL | here |
//! | 100 MB, pipes, devices, folders | `check::pipes_devices_folders_and_nothing_are_refused_at_once` |
//! | a journal with a broken chain, a newer format, another file | `journal` |
//! | a full disk while journaling | here; `windlass-journal`: `disk` at every append |
//! | a folder that cannot be written | here; `journal::where_nothing_can_be_written_nothing_starts` |
//! | a service that never gets healthy | here; `windlass-drivers`: `strategies`, `proxied` under load |
//! | a port already taken | here; `windlass-drivers`: `supervisor`, `windlass-proxy`: `listen` |
//! | a clock that jumps | `clock`; `windlass-sim`: wall clocks jump in its scenarios (`scenario.rs`), by seed |

use crate::sealed::{CONFIG, Project, RELEASE, skipped, wait_for};
use std::{fs, net::TcpListener, process::Command};

#[test]
fn a_bad_document_is_refused_with_place_and_words_and_nothing_starts() {
    let step = "```sh {#a on=app undoes=b}\n./a\n```\n```sh {#b on=app undoes=a}\n./b\n```\n";
    let text = |from: &str, to: &str| RELEASE.replace(from, to).into_bytes();
    let cases: [(Vec<u8>, &str, &str); 10] = [
        (text("from: 2.0.9", "from: [2.0.9"), "front-yaml", "release.md:"),
        (text("---\nrelease", "release"), "front-missing", "release.md:1:1"),
        (text("release: 2.1.0", "release 2.1.0"), "front-", "release.md:2"),
        (text("from: 2.0.9", "form: 2.0.9"), "front-key", "release.md:3:1"),
        (text("rows=2", "row=2"), "unknown-attribute", "release.md:25:"),
        (text("#verify", "#mark"), "id-duplicate", "release.md:25:"),
        (text("{#mark on=app}", "{#mark on=web}"), "unknown-target", "release.md:17:"),
        (format!("---\nrelease: 1\n---\n{step}").into_bytes(), "undo-cycle", "release.md:4:"),
        (b"---\nrelease: 1\n---\n# \xB7\xA2\xB2\xBC\n".to_vec(), "not-utf8", "line 4"),
        (b"---\nrelease: 1\n---\na\0b\n".to_vec(), "nul-byte", "line 4"),
    ];
    let project = Project::new(RELEASE);
    let world = project.world();
    for (document, rule, place) in cases {
        project.write("release.md", &document);
        for command in [&["check"][..], &["plan"], &["apply", "--yes"]] {
            let said = project.run(&[command, &["release.md"]].concat()).code(2).says(&[rule, place]);
            assert_eq!(said.stdout, "", "{rule}");
        }
    }
    assert_eq!(project.world(), world);
    assert!(!project.path(".windlass").exists());
}

/// A small file system; taken away at the end. `None` without the right to mount.
pub struct Small(std::path::PathBuf);

impl Small {
    pub fn mount(at: std::path::PathBuf) -> Option<Self> {
        fs::create_dir_all(&at).unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=2m", "tmpfs"]).arg(&at);
        let mounted = mount.output().is_ok_and(|out| out.status.success());
        if !mounted {
            skipped("a full disk, a read-only folder: no right to mount; run as root");
        }
        mounted.then_some(Self(at))
    }

    fn remount(&self, how: &str) {
        let mut mount = Command::new("mount");
        mount.arg("-o").arg(format!("remount,{how}")).arg(&self.0);
        assert!(mount.status().unwrap().success(), "{how}");
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).output();
    }
}

#[test]
fn a_disk_that_is_full_stops_the_run_and_it_goes_on_when_there_is_space() {
    let wait = "```sh {#wait on=app readonly}\n: > waiting\nuntil [ -e go ]; do sleep 0.05; done\n```\n";
    let project = Project::new(&RELEASE.replace("```sh {#mark", &format!("{wait}```sh {{#mark")));
    let Some(_small) = Small::mount(project.path(".windlass")) else { return };
    let run = project.start(&["apply", "--yes", "release.md"]);
    wait_for("the step", || project.path("waiting").exists());
    // The last byte has to go, too.
    let mut ballast = fs::File::create(project.path(".windlass/ballast")).unwrap();
    for size in [64 * 1024, 1] {
        while std::io::Write::write(&mut ballast, &vec![0; size]).is_ok_and(|n| n > 0) {}
    }
    project.write("go", "");
    run.end().code(3).says(&["no space", "windlass resume"]);
    assert!(!project.path("marker.txt").exists());
    drop(ballast);
    fs::remove_file(project.path(".windlass/ballast")).unwrap();
    project.run(&["resume"]).code(0);
    assert!(project.path("marker.txt").exists() && project.world().contains("spec-v1/2.txt"));
}

#[test]
fn on_a_read_only_file_system_nothing_starts_and_what_is_there_can_be_read() {
    let project = Project::new(RELEASE);
    let Some(state) = Small::mount(project.path(".windlass")) else { return };
    let before = project.world();
    state.remount("ro");
    project
        .run(&["apply", "--yes", "release.md"])
        .code(4)
        .says(&["cannot be written", "nothing was started"]);
    assert_eq!(project.world(), before);
    state.remount("rw");
    project.run(&["apply", "--yes", "release.md"]).code(0);
    let after = project.world();
    state.remount("ro");
    project.run(&["rollback", "--yes"]).code(4).says(&["cannot be written"]);
    assert_eq!(project.world(), after);
    for command in [&["status"][..], &["runs"], &["show"], &["record"]] {
        assert!(project.run(command).code(0).stdout.contains("2.1.0"), "{command:?}");
    }
    state.remount("rw");
    project.run(&["rollback", "--yes"]).code(0);
    assert_eq!(project.world(), before);
}

fn service(run: &str, health: &str) -> String {
    format!(
        "{CONFIG}\n[service.web]\non = \"app\"\nrun = {run}\nhealth = \"{health}\"\nstable = \"0\"\nstart_within = \"1s\"\n"
    )
}

const START: &str = "---\nrelease: 2.1.0\n---\n```sh {#mark on=app}\nmkdir new\n```\n```sh {#start on=app}\nwindlass \
                     service start web\n```\n";

#[test]
fn a_service_that_never_gets_healthy_is_stopped_and_the_release_goes_back() {
    let project = Project::new(START);
    project.write("windlass.toml", service("[\"sleep\", \"600\"]", "http://127.0.0.1:{port}/"));
    project.run(&["apply", "--yes", "release.md"]).code(1).says(&["web", "healthy", "going back"]);
    assert!(!project.path("new").exists());
    let status = project.run(&["service", "status", "web"]).code(0);
    assert!(!status.stdout.contains("pid"), "nothing is left running: {}", status.stdout);
}

#[test]
fn a_port_that_is_taken_is_named_and_the_release_goes_back() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let project = Project::new(START);
    project.write("web.conf", "version = 1\n");
    let windlass = env!("CARGO_BIN_EXE_windlass");
    let run = format!(
        "[\"{windlass}\", \"demo-service\", \"--database\", \"app.db\", \"--config\", \"web.conf\", \"--port\", \"{port}\"]"
    );
    project.write("windlass.toml", service(&run, &format!("http://127.0.0.1:{port}/")));
    let said = project.run(&["apply", "--yes", "release.md"]);
    assert!(matches!(said.code, Some(1 | 4)), "{said:?}");
    said.says(&["in use"]);
    assert!(!project.path("new").exists());
}
