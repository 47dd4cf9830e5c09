//! Lines of `docker compose exec` on databases that run in containers: typed steps where the target's URL leads into the container,
//! the line itself where it does not.

use crate::sealed::{Project, Said, wait_for};
use windlass_lab::{Compose, Docker, docker};

/// What a container needs to run the programs of this machine.
const PROGRAMS: &str = "['/usr:/usr:ro', '/lib:/lib:ro', '/lib64:/lib64:ro', '/etc/passwd:/etc/passwd:ro']";
const POSTGRES: &str = "mkdir /tmp/data && chown nobody /tmp/data && setpriv --reuid=nobody --clear-groups initdb -U postgres --auth=trust \
    --no-sync -D /tmp/data && echo host all all all trust >> /tmp/data/pg_hba.conf && exec setpriv --reuid=nobody --clear-groups postgres -D \
    /tmp/data -F -c listen_addresses=* -k /tmp/data";

/// A project whose database `shop` is in the container `db`, reached from here by a port.
struct Scene {
    docker: &'static Docker,
    compose: Compose,
    project: Project,
    name: String,
}

impl Scene {
    fn new(docker: &'static Docker, compose: Compose) -> Self {
        let name = docker.name("exec");
        let image = docker.image(&name, "1", &[]);
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let scene = Self { docker, compose, project: Project::empty(), name };
        scene.project.write(
            "docker-compose.yml",
            format!(
                "version: '3.7'\nservices:\n  db:\n    image: {image}\n    command: [sh, -c, \"{POSTGRES}\"]\n    stop_signal: SIGKILL\n    \
                 environment: ['PATH=/usr/lib/postgresql/15/bin:/usr/bin:/bin', PGHOST=/tmp/data, PGUSER=postgres]\n    \
                 ports: ['127.0.0.1:{port}:5432']\n    volumes: {PROGRAMS}\n"
            ),
        );
        scene.project.write(
            "windlass.toml",
            format!("[target.app]\ndir = \".\"\n\n[target.db]\nurl = \"postgres://postgres@127.0.0.1:{port}/shop\"\n"),
        );
        scene.line("up -d").unwrap();
        wait_for("the database", || {
            let made = scene.line("exec -T db createdb shop");
            let logs = || scene.line("logs db").unwrap_or_default();
            assert!(made.is_ok() || !scene.line("ps -q db").unwrap().is_empty(), "{made:?}\n{}", logs());
            made.is_ok()
        });
        scene.sql("CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'a'), (2, 'b')");
        scene
    }

    /// A line of compose by hand: what it prints.
    fn line(&self, words: &str) -> Result<String, String> {
        let mut shell = std::process::Command::new("/bin/sh");
        shell.args(["-c", &format!("{} {words}", self.compose.words())]).current_dir(self.project.path("."));
        let out = shell.env_clear().envs(self.environment()).output().unwrap();
        if !out.status.success() {
            return Err(String::from_utf8_lossy(&out.stderr).into_owned());
        }
        Ok(String::from_utf8(out.stdout).unwrap())
    }

    fn sql(&self, sql: &str) -> String {
        self.line(&format!("exec -T db psql -XAtq -v ON_ERROR_STOP=1 -d shop -c \"{sql}\"")).unwrap()
    }

    fn environment(&self) -> Vec<(&'static str, String)> {
        let mut environment = self.docker.environment();
        environment.push(("COMPOSE_PROJECT_NAME", self.name.clone()));
        environment
    }

    fn run(&self, args: &[&str]) -> Said {
        let mut command = self.project.command(args);
        command.envs(self.environment());
        crate::sealed::Running::start(command).end_within(3 * crate::sealed::PATIENCE)
    }

    fn release(&self, fences: &str) {
        self.project
            .write("release.md", format!("---\nrelease: 2.1.0\nfrom: 2.0.9\n---\n# 2.1.0\n\n{fences}"));
    }

    fn rows(&self) -> String {
        self.sql("SELECT t::text FROM t ORDER BY 1")
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.line("down -v").unwrap();
        }
    }
}

#[test]
fn a_line_into_a_container_is_a_typed_step_or_runs_as_it_is() {
    let Some(docker) = docker() else { return };
    let scene = Scene::new(docker, Compose::V2);
    let compose = scene.compose.words();
    let before = scene.rows();
    scene
        .project
        .write("up.sql", "UPDATE t SET v = v || '; 数据';\nALTER TABLE t ADD COLUMN n int DEFAULT 7;\n");

    // The fence says which database it is, and the URL leads there: ledger, rows as they were, way back.
    scene.release(&format!(
        "```sh {{#up on=db}}\n{compose} exec -T db psql -v ON_ERROR_STOP=1 -U postgres shop < up.sql\n{compose} exec db psql -d shop -c \
         \"DELETE FROM t WHERE id = 1\"\n```\n"
    ));
    let plan = scene.run(&["plan", "release.md"]).code(0).stdout;
    assert!(plan.contains("db: UPDATE t SET v"), "{plan}");
    let killed = scene.run(&["apply", "release.md", "--yes", "--fault", "crash-after:up/2"]);
    assert_eq!(killed.code, None, "{killed:?}");
    scene.run(&["resume"]).code(0);
    assert_eq!(scene.rows(), "(2,\"b; 数据\",7)\n");
    scene.run(&["rollback", "--yes"]).code(0);
    assert_eq!(scene.rows(), before);

    // Without a target for it the line stays a line, and says how it is undone.
    scene.release(&format!(
        "```sh {{#up on=app}}\n{compose} exec -T db psql -U postgres shop < up.sql\n```\n"
    ));
    let said = scene.run(&["check", "release.md"]).code(2);
    assert!(said.stderr.contains("which server the container runs"), "{}", said.stderr);
    scene.release(&format!(
        "```sh {{#up on=app}}\n{compose} exec -T db psql -v ON_ERROR_STOP=1 -U postgres shop < up.sql\n```\n```sh {{#back on=app \
         undoes=up}}\n{compose} exec -T db psql -v ON_ERROR_STOP=1 -U postgres shop -c \"UPDATE t SET v = left(v, 1)\" -c 'ALTER TABLE t DROP \
         COLUMN n'\n```\n"
    ));
    scene.run(&["apply", "release.md", "--yes"]).code(0);
    assert_eq!(scene.rows(), "(1,\"a; 数据\",7)\n(2,\"b; 数据\",7)\n");
    scene.run(&["rollback", "--yes"]).code(0);
    assert_eq!(scene.rows(), before);
}
