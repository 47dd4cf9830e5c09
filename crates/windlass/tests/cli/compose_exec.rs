//! Lines of `docker compose exec` on databases that run in containers: typed steps where the target's URL leads into the container,
//! the line itself where it does not.

use crate::sealed::{Project, Said, wait_for};
use windlass_lab::{Compose, Docker, docker};

/// What a container needs to run the programs of this machine.
const PROGRAMS: &str = "['/usr:/usr:ro', '/lib:/lib:ro', '/lib64:/lib64:ro', '/etc/passwd:/etc/passwd:ro']";
const POSTGRES: &str = "mkdir /tmp/data && chown nobody /tmp/data && setpriv --reuid=nobody --clear-groups initdb -U postgres --auth=trust \
    --no-sync -D /tmp/data && echo host all all all trust >> /tmp/data/pg_hba.conf && exec setpriv --reuid=nobody --clear-groups postgres -D \
    /tmp/data -F -c listen_addresses=* -k /tmp/data";

/// Its clients find it by `MYSQL_UNIX_PORT`.
const MARIADB: &str = "cd /tmp && mariadb-install-db --no-defaults --user=root --datadir=/tmp/data --force --skip-name-resolve --skip-test-db \
    --auth-root-authentication-method=normal >/tmp/log 2>&1 && { echo 'CREATE USER root;'; echo 'GRANT ALL ON *.* TO root WITH GRANT OPTION;'; \
    echo 'CREATE DATABASE shop CHARACTER SET utf8mb4;'; } > /tmp/init.sql && exec mariadbd --no-defaults --user=root --datadir=/tmp/data --socket=/tmp/m.sock --port=3306 \
    --bind-address=0.0.0.0 --skip-name-resolve --init-file=/tmp/init.sql";

/// A server that runs in a container: its command, what is in its environment, its port.
struct Engine {
    command: &'static str,
    environment: &'static str,
    port: u16,
    url: &'static str,
    /// Makes the database, or sees that it is there.
    make: &'static str,
    /// The client, that takes statements as its next argument.
    client: &'static str,
}

const OF_POSTGRES: Engine = Engine {
    command: POSTGRES,
    environment: "['PATH=/usr/lib/postgresql/15/bin:/usr/bin:/bin', PGHOST=/tmp/data, PGUSER=postgres]",
    port: 5432,
    url: "postgres://postgres",
    make: "createdb shop",
    client: "psql -XAtq -v ON_ERROR_STOP=1 -d shop -c",
};

const OF_MARIADB: Engine = Engine {
    command: MARIADB,
    environment: "['PATH=/usr/sbin:/usr/bin:/sbin:/bin', MYSQL_UNIX_PORT=/tmp/m.sock]",
    port: 3306,
    url: "mysql://root",
    make: "mariadb -uroot shop -e 'SELECT 1'",
    client: "mariadb -uroot --default-character-set=utf8mb4 -N shop -e",
};

/// A project whose database `shop` is in the container `db`, reached from here by a port.
struct Scene {
    docker: &'static Docker,
    compose: Compose,
    project: Project,
    name: String,
    engine: Engine,
}

impl Scene {
    fn new(docker: &'static Docker, compose: Compose, engine: Engine) -> Self {
        let name = docker.name("exec");
        let image = docker.image(&name, "1", &[]);
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let scene = Self { docker, compose, project: Project::empty(), name, engine };
        let Engine { command, environment, port: inside, url, make, .. } = &scene.engine;
        scene.project.write(
            "docker-compose.yml",
            format!(
                "version: '3.7'\nservices:\n  db:\n    image: {image}\n    command: [sh, -c, \"{command}\"]\n    stop_signal: SIGKILL\n    \
                 environment: {environment}\n    \
                 ports: ['127.0.0.1:{port}:{inside}']\n    volumes: {PROGRAMS}\n"
            ),
        );
        scene.project.write(
            "windlass.toml",
            format!("[target.app]\ndir = \".\"\n\n[target.db]\nurl = \"{url}@127.0.0.1:{port}/shop\"\n"),
        );
        scene.line("up -d").unwrap();
        wait_for("the database", || {
            let made = scene.line(&format!("exec -T db {make}"));
            let logs = || scene.line("logs db").unwrap_or_default();
            assert!(made.is_ok() || !scene.line("ps -q db").unwrap().is_empty(), "{made:?}\n{}", logs());
            made.is_ok()
        });
        scene.sql(
            "CREATE TABLE t (id int PRIMARY KEY, v varchar(50)); INSERT INTO t VALUES (1, 'a'), (2, 'b')",
        );
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
        self.line(&format!("exec -T db {} \"{sql}\"", self.engine.client)).unwrap()
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
    let scene = Scene::new(docker, Compose::V2, OF_POSTGRES);
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

#[test]
fn lines_of_both_names_of_the_client_of_mariadb_are_typed_steps() {
    let Some(docker) = docker() else { return };
    let scene = Scene::new(docker, Compose::V2, OF_MARIADB);
    let compose = scene.compose.words();
    let rows = || scene.sql("SELECT * FROM t ORDER BY 1");
    let before = rows();
    let up = "UPDATE t SET v = CONCAT(v, '; 数据');\nALTER TABLE t ADD COLUMN n int DEFAULT 7;\n";
    scene.project.write("up.sql", up);
    scene.release(&format!(
        "```sh {{#up on=db}}\n{compose} exec -T db mysql -u root shop < up.sql\n{compose} exec -T db mariadb -uroot shop -e \"DELETE FROM t \
         WHERE id = 1\"\n```\n"
    ));
    let plan = scene.run(&["plan", "release.md"]).code(0).stdout;
    assert!(plan.contains("db: UPDATE t SET v") && plan.contains("db: DELETE FROM t"), "{plan}");
    let killed = scene.run(&["apply", "release.md", "--yes", "--fault", "crash-after:up/2"]);
    assert_eq!(killed.code, None, "{killed:?}");
    scene.run(&["resume"]).code(0);
    assert_eq!(rows(), "2\tb; 数据\t7\n");
    scene.run(&["rollback", "--yes"]).code(0);
    assert_eq!(rows(), before);

    // Whose server the container runs is not said: the line stays a line.
    scene.release(&format!("```sh {{#up on=app}}\n{compose} exec -T db mysql -uroot shop < up.sql\n```\n"));
    let said = scene.run(&["check", "release.md"]).code(2);
    assert!(said.stderr.contains("which server the container runs"), "{}", said.stderr);
}
