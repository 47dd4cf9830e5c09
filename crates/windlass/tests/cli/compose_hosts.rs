//! Releases of a project of docker compose on two hosts of a real sshd: one version on both, whatever dies.

use crate::sealed::{Project, Running, Said, wait_for};
use windlass_lab::{Compose, Docker, Sshd, docker};

/// The hosts are one machine with one engine and one folder; what tells their projects apart is the environment of a login.
struct Fleet {
    docker: &'static Docker,
    compose: Compose,
    sshd: Sshd,
    project: Project,
    /// Of the projects of compose.
    names: [String; 2],
    /// Without its tag.
    image: String,
}

impl Fleet {
    /// 2.0.9 runs on both hosts; the document is of 2.1.0.
    fn new(docker: &'static Docker, compose: Compose) -> Self {
        let names = [docker.name("one"), docker.name("two")];
        let image = docker.image(&names[0], "2.0.9", &[("www/version", "2.0.9")]);
        docker.image(&names[0], "2.1.0", &[("www/version", "2.1.0")]);
        let image = image.trim_end_matches(":2.0.9").to_owned();
        let sshd = Sshd::start_with(2, |number| {
            let mut environment = docker.environment();
            environment.push(("COMPOSE_PROJECT_NAME", names[usize::from(number) - 1].clone()));
            environment.push(("HOST_NUMBER", number.to_string()));
            environment
        });
        let project = Project::empty();
        let fleet = Self { docker, compose, sshd, project, names, image };
        let (dir, config) = (fleet.project.path("srv"), fleet.sshd.config());
        fleet.project.write(
            "windlass.toml",
            format!(
                "[target.app]\nhosts = [\"{}\", \"{}\"]\ndir = \"{}\"\nssh_config = \"{}\"\n",
                fleet.sshd.host(1),
                fleet.sshd.host(2),
                dir.display(),
                config.display()
            ),
        );
        let words = compose.words();
        fleet.project.write(
            "release.md",
            format!(
                "---\nrelease: 2.1.0\nfrom: 2.0.9\n---\n## 2.1.0后端发布文档\n\n### 停机\n\n```sh {{#down on=app}}\n{words} down\n```\n\n\
                 ### 发布\n\n```sh {{#up on=app}}\n{words} pull\n{words} up -d\ndocker ps -a\n```\n"
            ),
        );
        fleet.edit("2.0.9", "exec sleep 1000");
        for number in [1, 2] {
            fleet.line(number, "pull -q");
            fleet.line(number, "up -d");
        }
        fleet
    }

    /// The compose file as the team edits it before a release.
    fn edit(&self, version: &str, command: &str) {
        self.project.write(
            "srv/docker-compose.yml",
            format!(
                "version: '3.7'\nservices:\n  web:\n    image: {}:{version}\n    stop_grace_period: 2s\n    \
                 command: [sh, -c, '{command}']\n    environment: [\"RELEASE={version}\"]\n",
                self.image
            ),
        );
    }

    /// A line of compose by hand, on one host.
    fn line(&self, number: u8, words: &str) {
        let line = format!("cd {} && {} {words}", self.project.path("srv").display(), self.compose.words());
        let out = self.sshd.ssh(number).arg(line).output().unwrap();
        assert!(out.status.success(), "{words}: {}", String::from_utf8_lossy(&out.stderr));
    }

    fn ids(&self, number: u8) -> String {
        let name = &self.names[usize::from(number) - 1];
        self.docker.run(&["ps", "-aq", "--filter", &format!("label=com.docker.compose.project={name}")])
    }

    /// Name, image, environment and state of the container of each host.
    fn containers(&self) -> Vec<String> {
        let format = "{{.Name}} {{.Image}} {{.Config.Image}} {{.Config.Env}} {{.State.Status}}";
        [1, 2].map(|number| self.docker.run(&["inspect", "--format", format, &self.ids(number)])).to_vec()
    }

    fn start(&self, args: &[&str]) -> Running {
        Running::start(self.project.command(args))
    }

    fn run(&self, args: &[&str]) -> Said {
        end(self.start(args))
    }

    /// Starts a release and waits until both hosts take their containers away, which lasts two seconds.
    fn start_to_stop(&self) -> Running {
        let running = self.start(&["apply", "release.md", "--yes"]);
        wait_for("both hosts stop", || {
            let runs = std::fs::read_dir(self.sshd.state().join("windlass")).into_iter().flatten().flatten();
            let claim = |host| format!("down,1@{}/attempt-1/claim", self.sshd.host(host));
            runs.into_iter().any(|run| {
                // A run that was taken back is of before.
                let begun = |host| run.path().join(claim(host)).symlink_metadata().is_ok();
                let over = run.path().join(format!("up,1@{}", self.sshd.host(1))).exists();
                begun(1) && begun(2) && !over
            })
        });
        running
    }

    fn is_released(&self) {
        for one in self.containers() {
            assert!(one.contains(":2.1.0 ") && one.contains("RELEASE=2.1.0"), "{one}");
            assert!(one.ends_with("running"), "{one}");
        }
    }
}

/// Version 1 takes a second only to start.
fn end(running: Running) -> Said {
    running.end_within(3 * crate::sealed::PATIENCE)
}

fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

impl Drop for Fleet {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            for number in [1, 2] {
                self.line(number, "down -v");
            }
        }
    }
}

#[test]
fn a_host_that_cannot_start_takes_both_back_to_the_same_images() {
    let Some(docker) = docker() else { return };
    let fleet = Fleet::new(docker, Compose::V1);
    let before = fleet.containers();
    fleet.edit("2.1.0", "[ ${HOST_NUMBER} = 1 ] && exec sleep 1000");
    let said = fleet.run(&["apply", "release.md", "--yes"]).code(1);
    let text = words(&said.stderr);
    for wanted in ["on 127.0.0.2", "ended with exit status 1", "docker logs", "failed and undone"] {
        assert!(text.contains(wanted), "no {wanted:?} in\n{}", said.stderr);
    }
    assert_eq!(fleet.containers(), before);
}

#[test]
fn neither_a_cut_link_nor_a_killed_controller_loses_a_line() {
    let Some(docker) = docker() else { return };
    let fleet = Fleet::new(docker, Compose::V2);
    let before = fleet.containers();
    fleet.edit("2.1.0", "exec sleep 1000");
    let plan = fleet.run(&["plan", "release.md"]).code(0);
    for name in &fleet.names {
        let said = format!("removed: {name}-web-1");
        assert!(words(&plan.stdout).contains(&said), "no {said:?} in\n{}", plan.stdout);
    }
    assert_eq!(fleet.containers(), before, "a plan changes nothing");
    let running = fleet.start_to_stop();
    fleet.sshd.kill();
    fleet.sshd.restart();
    end(running).code(0);
    fleet.is_released();
    fleet.run(&["rollback", "--yes"]).code(0);
    assert_eq!(fleet.containers(), before);
    // What was put back is compose's own again.
    let ids = fleet.ids(1);
    fleet.edit("2.0.9", "exec sleep 1000");
    fleet.line(1, "up -d");
    assert_eq!(fleet.ids(1), ids, "compose finds nothing to do");

    fleet.edit("2.1.0", "exec sleep 1000");
    let running = fleet.start_to_stop();
    running.signal(rustix::process::Signal::KILL);
    fleet.sshd.kill();
    running.end();
    fleet.sshd.restart();
    fleet.run(&["resume"]).code(0);
    fleet.is_released();
}

/// One fence, two lines: where an image cannot be had, no host has begun to replace its containers.
#[test]
fn no_host_is_switched_before_all_have_their_images() {
    let Some(docker) = docker() else { return };
    let fleet = Fleet::new(docker, Compose::V2);
    let before = [fleet.ids(1), fleet.ids(2)];
    // The tag is there for the first host only.
    docker.image(&fleet.names[0], "2.1.1", &[("www/version", "2.1.1")]);
    fleet.edit("2.1.${HOST_NUMBER}", "exec sleep 1000");
    let words = fleet.compose.words();
    fleet.project.write(
        "release.md",
        format!("---\nrelease: 2.1\n---\n# 2.1\n\n```sh {{#up on=app}}\n{words} pull\n{words} up -d\n```\n"),
    );
    let said = fleet.run(&["apply", "release.md", "--yes"]).code(1);
    said.says(&["on 127.0.0.2"]);
    assert_eq!([fleet.ids(1), fleet.ids(2)], before);

    docker.image(&fleet.names[0], "2.1.2", &[("www/version", "2.1.2")]);
    fleet.run(&["apply", "release.md", "--yes"]).code(0);
    let shown = fleet.run(&["show"]).code(0).stdout;
    assert!(shown.contains("up: switched on 2 hosts within "), "{shown}");
    fleet.run(&["rollback", "--yes"]).code(0);
}
