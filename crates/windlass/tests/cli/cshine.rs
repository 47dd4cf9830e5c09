//! `examples/cshine`: the update of a service by git, pip, PostgreSQL and systemd, its way back, and one that does not start.

use crate::sealed::Project;
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};
use windlass_lab::{Database, Flavor, Machine, server};

/// The example has windows, as its runbook says; the test runs at any hour.
const ANY_HOUR: &str = "a test, at any hour";

/// A package without anything but its version, for a folder that pip finds it in.
const WHEEL: &str = r#"
import sys, zipfile
version, folder = sys.argv[1:]
info = f"greet-{version}.dist-info"
files = {
    "greet.py": f"VERSION = '{version}'\n",
    f"{info}/METADATA": f"Metadata-Version: 2.1\nName: greet\nVersion: {version}\n",
    f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
}
with zipfile.ZipFile(f"{folder}/greet-{version}-py3-none-any.whl", "w") as wheel:
    for name, text in files.items():
        wheel.writestr(name, text)
    wheel.writestr(f"{info}/RECORD", "".join(f"{name},,\n" for name in files))
"#;

struct World {
    machine: Machine,
    project: Project,
    database: Database,
}

fn example() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().join("examples/cshine")
}

impl World {
    /// Version 0.2.5 runs.
    fn new() -> Self {
        let (machine, project) = (Machine::start("cshine"), Project::empty());
        let database = server(Flavor::Postgres15).database();
        database.run("CREATE TABLE meetings (id int PRIMARY KEY); INSERT INTO meetings VALUES (1), (2)");
        project.write(
            "windlass.toml",
            format!(
                "[target.app]\nhosts = [\"cshine@cshine\"]\ndir = \"/home/cshine/Cshine/backend\"\nssh_config = \"{}\"\n\
                 [target.db]\nurl = \"{}\"\n",
                machine.config().display(),
                database.url()
            ),
        );
        fs::copy(example().join("RELEASE-0.2.6.md"), project.path("release.md")).unwrap();
        machine.run(
            "useradd --create-home --shell /bin/bash cshine; usermod --password '*' cshine\n\
             echo 'cshine ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/cshine\n\
             mkdir /srv/wheels /srv/origin; chown cshine /srv/wheels /srv/origin\n\
             printf '[global]\\nno-index = true\\nfind-links = /srv/wheels\\n' >/etc/pip.conf\n\
             su cshine -c 'git init -q --bare -b main /srv/origin'",
        );
        fs::create_dir(project.path("wheels")).unwrap();
        let world = Self { machine, project, database };
        for version in ["1.0", "2.0"] {
            let mut python = Command::new("python3");
            python.args(["-c", WHEEL, version]).arg(world.project.path("wheels"));
            assert!(python.status().unwrap().success());
            let name = format!("greet-{version}-py3-none-any.whl");
            let mut tee = world.machine.command();
            tee.args(["tee", &format!("/srv/wheels/{name}")]).stdout(std::process::Stdio::null());
            tee.stdin(fs::File::open(world.project.path(&format!("wheels/{name}"))).unwrap());
            assert!(tee.status().unwrap().success());
        }
        fs::create_dir(world.project.path("Cshine")).unwrap();
        world.git(&["init", "-q", "-b", "main"]);
        world.push("0.2.5", "greet==1.0", "");
        world.machine.run(
            "su cshine -c 'cd && git clone -q /srv/origin Cshine && cd Cshine/backend && python3 -m venv venv && venv/bin/pip install -q -r requirements.txt'\n\
             cp /home/cshine/Cshine/backend/deploy/cshine-api.service /etc/systemd/system/\n\
             systemctl daemon-reload; systemctl start cshine-api; until curl -sf http://127.0.0.1:8000/health; do sleep 0.02; done",
        );
        world
    }

    fn git(&self, words: &[&str]) {
        let mut git = Command::new("git");
        git.args(["-c", "user.name=t", "-c", "user.email=t@t"])
            .args(words)
            .current_dir(self.project.path("Cshine"));
        git.env("GIT_SSH_COMMAND", format!("ssh -F {}", self.machine.config().display()));
        assert!(git.status().unwrap().success(), "{words:?}");
    }

    /// The team pushes the example's code as this version, with this list of packages and more code in front.
    fn push(&self, version: &str, packages: &str, front: &str) {
        let (from, to) = (example().join("backend"), self.project.path("Cshine/backend"));
        fs::create_dir_all(to.join("deploy")).unwrap();
        for name in [".gitignore", "deploy/cshine-api.service"] {
            fs::copy(from.join(name), to.join(name)).unwrap();
        }
        let code = fs::read_to_string(from.join("main.py")).unwrap().replace("0.2.6", version);
        fs::write(to.join("main.py"), format!("{front}{code}")).unwrap();
        fs::write(to.join("requirements.txt"), format!("{packages}\n")).unwrap();
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "-m", version]);
        self.git(&["push", "-q", "cshine@cshine:/srv/origin", "main"]);
    }

    /// What the service says, the code and packages on disk, the columns of the database.
    fn state(&self) -> String {
        let see = "until curl -sf http://127.0.0.1:8000/health; do sleep 0.02; done; echo; cd /home/cshine/Cshine/backend\n\
                   su cshine -c 'git status --porcelain; git log -1 --format=%s; venv/bin/pip freeze'";
        let columns = "SELECT string_agg(column_name, ',' ORDER BY ordinal_position) FROM information_schema.columns WHERE table_name = 'meetings'";
        format!("{}\n{}", self.machine.run(see), self.database.run(columns))
    }
}

/// As it stands, with its own configuration.
#[test]
fn the_example_is_right() {
    let project = Project::empty();
    for name in ["windlass.toml", "RELEASE-0.2.6.md"] {
        fs::copy(example().join(name), project.path(name)).unwrap();
    }
    project.run(&["check", "RELEASE-0.2.6.md"]).code(0);
}

#[test]
fn the_update_of_the_guide_goes_there_and_back() {
    let world = World::new();
    let before = "{\"version\": \"0.2.5\", \"greet\": \"1.0\"}\n0.2.5\ngreet==1.0\nid";
    assert_eq!(world.state(), before);
    world.push("0.2.6", "greet==2.0", "");
    let plan = world.project.run(&["plan", "release.md"]).code(0);
    assert!(plan.stdout.contains("1 commit, 2 files"), "{}", plan.stdout);
    world.project.run(&["apply", "release.md", "--yes", "--break-glass", ANY_HOUR]).code(0);
    let after = "{\"version\": \"0.2.6\", \"greet\": \"2.0\"}\n0.2.6\ngreet==2.0\nid,summary_kind";
    assert_eq!(world.state(), after);
    world.project.run(&["rollback", "--yes"]).code(0);
    assert_eq!(world.state(), before);

    // It does not start: the packages that it needs are not in its list.
    world.push("0.2.6", "greet==2.0", "import not_there\n");
    let said = world.project.run(&["apply", "release.md", "--yes", "--break-glass", ANY_HOUR]).code(1);
    assert!(
        said.stderr.contains("not_there") && said.stderr.contains("failed and undone"),
        "{}",
        said.stderr
    );
    assert_eq!(world.state(), before);

    let killed = world.project.run(&[
        "apply",
        "release.md",
        "--yes",
        "--break-glass",
        ANY_HOUR,
        "--fault",
        "crash-after:dependencies/1",
    ]);
    assert_eq!(killed.code, None, "{}", killed.stderr);
    world.project.run(&["rollback", "--yes"]).code(0);
    assert_eq!(world.state(), before);
}
