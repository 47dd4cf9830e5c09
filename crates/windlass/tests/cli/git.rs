//! Releases by git on two machines: one commit everywhere, or the one from before.

use crate::sealed::{Project, two_machines};
use std::process::Command;
use windlass_lab::Machine;

struct Fleet {
    machines: [Machine; 2],
    project: Project,
}

impl Fleet {
    /// Commit `1` is checked out on both, and a service runs from it.
    fn new() -> Self {
        let (machines, project) = two_machines();
        std::fs::create_dir(project.path("work")).unwrap();
        let fleet = Self { machines, project };
        fleet.git(&["init", "-q", "-b", "main"]);
        for machine in &fleet.machines {
            machine.run(
                "mkdir /srv/app /srv/origin; chown deploy /srv/app /srv/origin\n\
                 su deploy -c 'git init -q --bare -b main /srv/origin'\n\
                 cat >/etc/systemd/system/app.service <<'END'\n[Unit]\nStartLimitIntervalSec=0\n[Service]\n\
                 ExecStart=/bin/sh -c 'read v </srv/app/docs/version; echo $v >/run/serves; exec sleep 10000'\nEND\n\
                 systemctl daemon-reload",
            );
        }
        fleet.push("1");
        for machine in &fleet.machines {
            machine.run(
                "su deploy -c 'git clone -q /srv/origin /srv/app'; systemctl start app\n\
                 until [ -s /run/serves ]; do sleep 0.01; done",
            );
        }
        fleet
    }

    fn git(&self, words: &[&str]) -> String {
        let mut git = Command::new("git");
        git.args(["-c", "user.name=t", "-c", "user.email=t@t"])
            .args(words)
            .current_dir(self.project.path("work"));
        git.env("GIT_SSH_COMMAND", format!("ssh -F {}", self.project.path("ssh_config").display()));
        let output = git.output().unwrap();
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Somebody pushes a version, on its branch and as a tag; its commit.
    fn push(&self, version: &str) -> String {
        std::fs::create_dir_all(self.project.path("work/docs")).unwrap();
        self.project.write("work/docs/version", format!("{version}\n"));
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "-m", version]);
        self.git(&["tag", &format!("v{version}")]);
        for host in ["web1", "web2"] {
            self.git(&["push", "-q", "--tags", &format!("deploy@{host}:/srv/origin"), "main"]);
        }
        self.git(&["rev-parse", "HEAD"])
    }

    fn release(&self, version: &str, lines: &str, more: &str) {
        self.project.write(
            "release.md",
            format!(
                "---\nrelease: {version}\n---\n# {version}\n\n```sh {{#code on=app}}\n{lines}\n```\n\
                 ```sh {{#restart on=app}}\nsudo systemctl restart app\n```\n{more}"
            ),
        );
    }

    /// Branch, commit and changes on disk, and what runs, on both.
    fn versions(&self) -> Vec<String> {
        let see = "cd /srv/app; su deploy -c 'git branch --show-current; git log -1 --format=%s; git status --porcelain'; cat /run/serves";
        self.machines.iter().map(|machine| machine.run(see).replace('\n', " ")).collect()
    }
}

#[test]
fn all_hosts_get_one_commit_or_keep_theirs() {
    let fleet = Fleet::new();
    let tip = fleet.push("2");
    fleet.release("2", "cd docs\ngit fetch origin\ngit pull --ff-only", "");
    let plan = fleet.project.run(&["plan", "release.md"]).code(0);
    let said = plan.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    for words in [
        format!("is {}: what all hosts get", &tip[..12]),
        format!("on deploy@web2: main at {}", &fleet.git(&["rev-parse", "v1"])[..12]),
        format!("-> main at {}: 1 commit, 1 file", &tip[..12]),
    ] {
        assert!(said.contains(&words), "no {words}\n{}", plan.stdout);
    }
    assert_eq!(fleet.versions(), ["main 1 1"; 2], "a plan changes nothing");
    fleet.project.run(&["apply", "release.md", "--yes"]).code(0);
    assert_eq!(fleet.versions(), ["main 2 2"; 2]);

    // A check that fails.
    fleet.push("3");
    let check = "```sh {#check on=app readonly}\n[ $(hostname) != web2 ]\n```\n";
    fleet.release("3", "git fetch --tags\ngit checkout v3", check);
    fleet.project.run(&["apply", "release.md", "--yes"]).code(1).says(&["failed and undone"]);
    assert_eq!(fleet.versions(), ["main 2 2"; 2], "also the branch");

    // One host of two cannot.
    fleet.release("3", "git pull origin main", "");
    fleet.machines[1].run("mv /srv/origin /srv/away");
    let said = fleet.project.run(&["apply", "release.md", "--yes"]);
    assert_ne!(said.code, Some(0));
    assert!(said.stderr.contains("/srv/origin"), "{}", said.stderr);
    fleet.machines[1].run("mv /srv/away /srv/origin");
    assert_eq!(fleet.versions(), ["main 2 2"; 2]);

    // Somebody has edited a file on one of them.
    fleet.machines[1].run("echo hot >/srv/app/docs/version");
    let said = fleet.project.run(&["apply", "release.md", "--yes"]);
    assert_ne!(said.code, Some(0));
    assert!(said.stderr.contains("files were changed: docs/version"), "{}", said.stderr);
    assert_eq!(fleet.versions(), ["main 2 2", "main 2  M docs/version 2"]);
    fleet.machines[1].run("su deploy -c 'git -C /srv/app checkout -q -- docs'");

    // A controller that dies.
    for (fault, verb, wanted) in [
        ("crash-before:code/1@deploy@web2", "rollback", "main 2 2"),
        ("crash-after:code/1@deploy@web1", "resume", "main 3 3"),
    ] {
        let killed = fleet.project.run(&["apply", "release.md", "--yes", "--fault", fault]);
        assert_eq!(killed.code, None, "{fault} kills: {}", killed.stderr);
        let args: &[&str] = if verb == "resume" { &["resume"] } else { &["rollback", "--yes"] };
        fleet.project.run(args).code(0);
        assert_eq!(fleet.versions(), [wanted; 2], "{fault}, {verb}");
    }
    fleet.project.run(&["rollback", "--yes"]).code(0);
    assert_eq!(fleet.versions(), ["main 2 2"; 2]);
}
