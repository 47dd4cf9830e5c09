//! Releases of a service of systemd on two machines: one version everywhere, in memory too.

use crate::sealed::{Project, two_machines};
use windlass_lab::Machine;

struct Fleet {
    machines: [Machine; 2],
    project: Project,
}

impl Fleet {
    /// Version 1 of a service runs, whose process says what it was started from.
    fn new() -> Self {
        let (machines, project) = two_machines();
        for machine in &machines {
            machine.run(
                "mkdir /srv/app; echo 1 >/srv/app/version; chown -R deploy /srv/app\n\
                 cat >/etc/systemd/system/app.service <<'END'\n[Unit]\nStartLimitIntervalSec=0\n[Service]\n\
                 ExecStart=/bin/sh -c 'read v </srv/app/version; [ $v != broken ] || exit 3; echo $v >/run/serves; exec sleep 10000'\nEND\n\
                 systemctl daemon-reload; systemctl start app; until [ -s /run/serves ]; do sleep 0.01; done",
            );
        }
        Self { machines, project }
    }

    fn release(&self, version: &str, more: &str) {
        self.project.write(
            "release.md",
            format!(
                "---\nrelease: {version}\n---\n# {version}\n\n```sh {{#write on=app}}\ncp version before; echo {version} >version\n```\n\
                 ```sh {{#back undoes=write}}\n[ ! -e before ] || mv before version\n```\n\
                 ```sh {{#restart on=app}}\nsudo systemctl restart app\nsudo systemctl is-active app\n```\n{more}"
            ),
        );
    }

    /// The version on disk and in memory of both.
    fn versions(&self) -> Vec<String> {
        let see = "cat /srv/app/version /run/serves; systemctl is-active app";
        self.machines.iter().map(|machine| machine.run(see).replace('\n', " ")).collect()
    }
}

#[test]
fn a_check_that_fails_takes_files_and_processes_back() {
    let fleet = Fleet::new();
    fleet.release("2", "");
    let plan = fleet.project.run(&["plan", "release.md"]).code(0);
    for said in [
        "app.service on deploy@web2: active (running), process",
        "note for the way back how app.service runs",
    ] {
        assert!(
            plan.stdout.split_whitespace().collect::<Vec<_>>().join(" ").contains(said),
            "{}",
            plan.stdout
        );
    }
    fleet.project.run(&["apply", "release.md", "--yes"]).code(0);
    assert_eq!(fleet.versions(), ["2 2 active"; 2]);
    fleet.release("3", "```sh {#check on=app readonly}\n[ $(hostname) != web2 ]\n```\n");
    let said = fleet.project.run(&["apply", "release.md", "--yes"]).code(1);
    said.says(&["failed and undone"]);
    assert_eq!(fleet.versions(), ["2 2 active"; 2]);
    fleet.release("broken", "");
    let said = fleet.project.run(&["apply", "release.md", "--yes"]).code(1);
    assert!(said.stderr.contains("was started, but is failed (failed) (exit-code)"), "{}", said.stderr);
    assert_eq!(fleet.versions(), ["2 2 active"; 2], "what did not start went back and runs");
}

#[test]
fn killed_at_the_restart_all_machines_have_one_version() {
    let fleet = Fleet::new();
    fleet.release("2", "");
    for (fault, verb, wanted) in [
        ("crash-before:restart/1@deploy@web2", "rollback", "1 1 active"),
        ("crash-after:restart/1@deploy@web1", "rollback", "1 1 active"),
        ("crash-after:restart/1@deploy@web2", "resume", "2 2 active"),
    ] {
        let killed = fleet.project.run(&["apply", "release.md", "--yes", "--fault", fault]);
        assert_eq!(killed.code, None, "{fault} kills: {}", killed.stderr);
        let args: &[&str] = if verb == "resume" { &["resume"] } else { &["rollback", "--yes"] };
        fleet.project.run(args).code(0);
        assert_eq!(fleet.versions(), [wanted; 2], "{fault}, {verb}");
    }
}
