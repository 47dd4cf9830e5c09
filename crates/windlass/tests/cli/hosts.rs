//! Releases on several hosts of a real sshd: one version everywhere, whatever dies.

use crate::sealed::{Project, wait_for};
use windlass_lab::Sshd;

const HOSTS: u8 = 3;

/// What the hosts show: each has a file of its own in one folder, since they are one machine.
pub struct Fleet {
    pub sshd: Sshd,
    pub project: Project,
    hosts: u8,
}

impl Fleet {
    fn new(steps: &str) -> Self {
        Self::of(HOSTS, steps)
    }

    pub fn of(hosts: u8, steps: &str) -> Self {
        Self::with_path(hosts, |_| true, steps)
    }

    /// The same, where only some hosts have the programs of the test, which go before those of the machine.
    pub fn with_path(hosts: u8, has: impl Fn(u8) -> bool, steps: &str) -> Self {
        let (project, count) = (Project::empty(), hosts);
        let bin =
            |host| if has(host) { format!("{}:", project.path("bin").display()) } else { String::new() };
        let sshd = Sshd::start_with(hosts, |host| {
            vec![("PATH", format!("{}/usr/local/bin:/usr/bin:/bin", bin(host)))]
        });
        let hosts: Vec<_> = (1..=count).map(|host| format!("\"{}\"", sshd.host(host))).collect();
        let (dir, ssh) = (project.path("srv"), sshd.config());
        std::fs::create_dir(&dir).unwrap();
        project.write(
            "windlass.toml",
            format!(
                "[target.app]\nhosts = [{}]\ndir = \"{}\"\nssh_config = \"{}\"\n",
                hosts.join(", "),
                dir.display(),
                ssh.display()
            ),
        );
        project.write("release.md", format!("---\nrelease: 2\n---\n# 2\n\n{steps}"));
        Self { sshd, project, hosts: count }
    }

    /// The file `name` of each host.
    pub fn files(&self, name: &str) -> Vec<String> {
        (1..=self.hosts)
            .map(|host| {
                let path = self.project.path(&format!("srv/{name}.{}", self.sshd.host(host)));
                std::fs::read_to_string(path).unwrap_or_default()
            })
            .collect()
    }
}

/// The third word of `SSH_CONNECTION` is the address that was connected to.
pub const HERE: &str = "set -- $SSH_CONNECTION; here=$3";

#[test]
fn a_host_that_fails_takes_all_back() {
    let fleet = Fleet::new(&format!(
        "```sh {{#switch on=app serial=1}}\n{HERE}; echo 2 >version.$here; echo in >>order; sleep 0.05; echo out >>order\n```\n\
         ```sh {{#back undoes=switch}}\n{HERE}; rm -f version.$here\n```\n\
         ```sh {{#check on=app readonly}}\n{HERE}; [ $here != 127.0.0.3 ]\n```\n"
    ));
    let plan = fleet.project.run(&["plan", "release.md"]).code(0);
    for host in 1..=HOSTS {
        assert!(plan.stdout.contains(&fleet.sshd.host(host)), "{}", plan.stdout);
    }
    let said = fleet.project.run(&["apply", "release.md", "--yes"]).code(1);
    said.says(&["on 127.0.0.3", "ended with exit status 1", "failed and undone"]);
    assert_eq!(fleet.files("version"), ["", "", ""]);
    assert_eq!(fleet.project.read("srv/order"), "in\nout\n".repeat(3), "one host at a time");
}

/// Host by host: the undo is not run where the step never began.
#[test]
fn a_host_that_was_not_begun_is_not_undone() {
    let fleet = Fleet::new(&format!(
        "```sh {{#switch on=app serial=1}}\n{HERE}; echo 2 >version.$here; [ $here != 127.0.0.2 ]\n```\n\
         ```sh {{#back undoes=switch}}\n{HERE}; echo back >>back.$here; rm -f version.$here\n```\n"
    ));
    fleet.project.run(&["apply", "release.md", "--yes"]).code(1).says(&["failed and undone"]);
    assert_eq!(fleet.files("version"), ["", "", ""]);
    assert_eq!(fleet.files("back"), ["back\n", "back\n", ""]);
}

#[test]
fn a_killed_controller_leaves_lines_that_the_next_one_finds() {
    let fleet = Fleet::new(&format!(
        "```sh {{#switch on=app irreversible}}\n{HERE}; echo begun >>state.$here\n\
         until [ -e go ]; do sleep 0.02; done\necho done >>state.$here\n```\n"
    ));
    let running = fleet.project.start(&["apply", "release.md", "--yes"]);
    wait_for("all hosts", || fleet.files("state").iter().all(|state| state == "begun\n"));
    running.signal(rustix::process::Signal::KILL);
    running.end();
    fleet.project.write("srv/go", "");
    fleet.project.run(&["resume"]).code(0);
    assert_eq!(fleet.files("state"), ["begun\ndone\n"; 3], "each ran once");
}

#[test]
fn killed_at_every_unit_all_hosts_have_one_version() {
    let steps = format!(
        "```sh {{#one on=app}}\n{HERE}; echo 2 >one.$here\n```\n```sh {{#one-back undoes=one}}\n{HERE}; rm -f one.$here\n```\n\
         ```sh {{#two on=app}}\n{HERE}; echo 2 >two.$here\n```\n```sh {{#two-back undoes=two}}\n{HERE}; rm -f two.$here\n```\n"
    );
    for unit in ["one/1@127.0.0.1", "one/1@127.0.0.3", "two/1@127.0.0.2"] {
        for (fault, verb, wanted) in [
            ("crash-before", "resume", "2\n"),
            ("crash-after", "resume", "2\n"),
            ("crash-after", "rollback", ""),
        ] {
            let fleet = Fleet::new(&steps);
            let fault = format!("{fault}:{unit}");
            let killed = fleet.project.run(&["apply", "release.md", "--yes", "--fault", &fault]);
            assert_eq!(killed.code, None, "{fault} kills: {}", killed.stderr);
            let args: &[&str] = if verb == "resume" { &["resume"] } else { &["rollback", "--yes"] };
            fleet.project.run(args).code(0);
            for name in ["one", "two"] {
                assert_eq!(fleet.files(name), [wanted; 3], "{fault}, {verb}");
            }
        }
    }
}

/// All hosts are one machine, so that the second one finds the file of the first: as if somebody had changed it by hand.
#[test]
fn a_changed_file_goes_back_on_all_hosts() {
    let fleet = Fleet::new(&format!(
        "```sh {{#own on=app serial=1}}\nmkdir -p conf\n```\n\
         ```diff {{#config on=app serial=1}}\n--- app.env\n-VERSION=1\n+VERSION=2\n```\n\
         ```sh {{#check on=app readonly}}\n{HERE}; [ $here != 127.0.0.3 ]\n```\n"
    ));
    fleet.project.write("srv/app.env", "A=1\nVERSION=1\n");
    let said = fleet.project.run(&["apply", "release.md", "--yes"]).code(1);
    said.says(&["it seems to be applied already", "failed and undone"]);
    assert_eq!(fleet.project.read("srv/app.env"), "A=1\nVERSION=1\n");
    assert!(!fleet.project.path("srv/conf").exists());
}

#[test]
fn an_unknown_host_stops_before_anything_runs() {
    let fleet = Fleet::new(&format!("```sh {{#a on=app irreversible}}\n{HERE}; echo 2 >a.$here\n```\n"));
    fleet.sshd.forget_keys();
    let said = fleet.project.run(&["apply", "release.md", "--yes"]).code(4);
    assert!(said.stderr.contains("no connection to 127.0.0.1"), "{}", said.stderr);
    assert_eq!(fleet.files("a"), ["", "", ""]);
}
