//! What is looked at on real hosts before anything runs. All hosts are one machine: a program of the test in front of that of the
//! machine says of which host it is asked by `SSH_CONNECTION`.

use crate::hosts::Fleet;
use std::os::unix::fs::PermissionsExt as _;

/// A program that is found before that of the machine, on all hosts.
fn program(fleet: &Fleet, name: &str, text: &str) {
    std::fs::create_dir_all(fleet.project.path("bin")).unwrap();
    fleet
        .project
        .write(&format!("bin/{name}"), format!("#!/bin/sh\nset -- $SSH_CONNECTION; here=$3\n{text}"));
    let mode = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(fleet.project.path(&format!("bin/{name}")), mode).unwrap();
}

/// A step that leaves a file on each host, so that one sees whether anything ran; then `line`.
fn release(line: &str) -> Fleet {
    let ran = "```sh {#ran on=app irreversible}\n: >ran\n```\n";
    Fleet::of(2, &format!("{ran}```sh {{#next on=app irreversible}}\n{line}\n```\n"))
}

fn ran(fleet: &Fleet) -> bool {
    fleet.project.path("srv/ran").exists()
}

/// The row of `what` of the plan's table, as it is when spaces are one.
#[track_caller]
fn row(fleet: &Fleet, words: &str) {
    let plan = fleet.project.run(&["plan", "release.md"]).code(0).stdout;
    let table = plan.split("Pre-flight").nth(1).unwrap_or_else(|| panic!("no heading:\n{plan}"));
    let table = table.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(table.contains(words), "no {words:?} in:\n{plan}");
}

#[test]
fn a_program_that_one_host_lacks_is_named_before_anything_ran() {
    let fleet = release("echo a\nwindlass-tool --go");
    program(&fleet, "windlass-tool", "exit 0");
    row(&fleet, "127.0.0.2 connection ok it answers");
    fleet.project.run(&["apply", "release.md", "--yes"]).code(0);

    // Only the first host has it: the folder of the second one is not in its PATH.
    let fleet = Fleet::with_path(
        2,
        |host| host == 1,
        "```sh {#ran on=app irreversible}\n: >ran\nwindlass-tool --go\n```\n",
    );
    program(&fleet, "windlass-tool", "exit 0");
    row(&fleet, "error line 8 needs windlass-tool, which is not in the PATH there");
    let said = fleet.project.run(&["apply", "release.md", "--yes"]).code(4);
    said.says(&[
        "127.0.0.2: programs: line 8 needs windlass-tool",
        "nothing was started",
        "--despite-problems",
    ]);
    assert!(!ran(&fleet), "nothing ran on the host that has it either");
}

#[test]
fn what_a_line_before_may_install_is_not_known() {
    let fleet = release("./install.sh\nwindlass-tool");
    std::fs::create_dir_all(fleet.project.path("bin")).unwrap();
    let tool = fleet.project.path("bin/windlass-tool");
    let tool = tool.display();
    fleet
        .project
        .write("srv/install.sh", format!("#!/bin/sh\nprintf '#!/bin/sh\\n' >{tool}; chmod +x {tool}\n"));
    let mode = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(fleet.project.path("srv/install.sh"), mode).unwrap();
    row(&fleet, "unknown line 11 needs windlass-tool, which is not in the PATH there; line 10 may make it");
    fleet.project.run(&["apply", "release.md", "--yes"]).code(0);
}

#[test]
fn a_script_that_is_not_there_is_named() {
    // A line that writes a file may make it; one that only reads does not.
    let line = "/opt/windlass-no-such/deploy.sh";
    row(&release(line), "unknown line 10 needs /opt/windlass-no-such/deploy.sh,");
    let step = format!("```sh {{#next on=app irreversible}}\ncat /dev/null\n{line}\n```\n");
    let said = Fleet::of(2, &step).project.run(&["apply", "release.md", "--yes"]).code(4);
    said.says(&["line 8 needs /opt/windlass-no-such/deploy.sh", "nothing was started"]);
}

#[test]
fn sudo_that_asks_for_a_password_is_said() {
    let fleet = release("sudo systemctl status x");
    program(&fleet, "sudo", "[ $here = 127.0.0.1 ]\n");
    row(&fleet, "127.0.0.1 connection ok");
    row(&fleet, "sudo error line 10 needs it, and it asks for a password");
    let said = fleet.project.run(&["apply", "release.md", "--yes"]).code(4);
    said.says(&["127.0.0.2: sudo: line 10 needs it", "nothing was started"]);
    assert!(!ran(&fleet));
}

#[test]
fn a_clock_that_is_wrong_is_a_warning() {
    let fleet = release("echo a");
    let date = "if [ $here = 127.0.0.2 ]; then echo $(($(/bin/date +%s) + 7200)); else /bin/date +%s; fi";
    program(&fleet, "date", date);
    row(&fleet, "clock ok within 30 s of this machine 127.0.0.2");
    row(&fleet, "clock warning 7");
    fleet
        .project
        .run(&["apply", "release.md", "--yes"])
        .code(0)
        .says(&["Pre-flight", "s ahead of this machine"]);
}

#[test]
fn a_host_that_is_away_is_an_error() {
    let fleet = release("echo a");
    fleet.sshd.kill();
    row(&fleet, "127.0.0.1 connection error no connection to 127.0.0.1");
    fleet
        .project
        .run(&["apply", "release.md", "--yes"])
        .code(4)
        .says(&["127.0.0.2: connection: no connection"]);
    fleet.sshd.restart();
    fleet.project.run(&["apply", "release.md", "--yes"]).code(0).says(&["Pre-flight: ok (2 hosts)"]);
}

#[test]
fn a_full_disk_is_an_error() {
    let full = |lines: &str| {
        format!(
            "```sh {{#ran on=app irreversible}}\n{lines}\n```\n```sh {{#next on=app irreversible}}\ntouch ran\n```\n"
        )
    };
    let fleet = Fleet::of(2, &full("touch ran"));
    let Some(_small) = crate::bad_input::Small::mount(fleet.project.path("srv")) else { return };
    row(&fleet, "warning");
    let mut ballast = std::fs::File::create(fleet.project.path("srv/ballast")).unwrap();
    while std::io::Write::write(&mut ballast, &vec![0; 64 * 1024]).is_ok_and(|n| n > 0) {}
    row(&fleet, "disk error");
    let said = fleet.project.run(&["apply", "release.md", "--yes"]).code(4);
    said.says(&["disk: ", "(working folder): the disk is full", "nothing was started"]);
    assert!(!ran(&fleet));

    // A line may well begin with making room.
    fleet.project.write(
        "release.md",
        fleet.project.read("release.md").replacen("touch ran", "truncate -s 0 ballast", 1),
    );
    row(&fleet, "disk warning");
    fleet.project.run(&["apply", "release.md", "--yes"]).code(0).says(&["may make room"]);
}

/// A service that answers with this status line, for as long as this is kept.
fn answering(status: &'static str) -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let _ = std::io::Read::read(&mut stream, &mut [0; 4096]);
            let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            let _ = std::io::Write::write_all(&mut stream, answer.as_bytes());
        }
    });
    port
}

#[test]
fn a_service_that_is_not_well_before_is_said() {
    let project = crate::sealed::Project::empty();
    let config = |name: &str, answer| {
        let port = answering(answer);
        format!(
            "[service.{name}]\non = \"app\"\nrun = [\"./{name}\"]\nhealth = \"http://127.0.0.1:{port}/{name}\"\n"
        )
    };
    let services = [
        config("a", "200 OK"),
        config("b", "503 Service Unavailable"),
        config("c", "302 Found\r\nLocation: /in"),
    ];
    project.write("windlass.toml", format!("[target.app]\ndir = \".\"\n{}", services.concat()));
    let lines = "windlass service restart a\nwindlass service restart b\nwindlass service restart c";
    project.write(
        "release.md",
        format!("---\nrelease: 2.0.0\n---\n# B\n\n```sh {{#all on=app}}\n{lines}\n```\n"),
    );
    let plan = project.run(&["plan", "release.md"]).stdout;
    let table = plan.split("Pre-flight").nth(1).unwrap_or_else(|| panic!("no heading:\n{plan}"));
    let table = table.split_whitespace().collect::<Vec<_>>().join(" ");
    for words in [
        "health ok a answers",
        "health warning b answers 503 Service Unavailable at http://127.0.0.1:",
        "health warning c answers 302 Found to /in at http://127.0.0.1:",
    ] {
        assert!(table.contains(words), "no {words:?} in:\n{plan}");
    }
}
