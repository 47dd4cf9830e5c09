//! `examples/orion`: the same document on staging and in production, with writes held, a check that fails, a kill, and a way back that
//! loses no row.

use crate::{
    proxy::serve_service,
    sealed::{Project, Running, Said},
};
use rustix::process::Signal;
use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
};
use windlass_lab::{Database, Flavor, server};

const DOCUMENT: &str = "DEPLOY_活动_20251120.md";
const TABLES: &str = "SELECT string_agg(table_schema || '.' || table_name, ' ' ORDER BY 1) FROM information_schema.tables WHERE \
                      table_name IN ('activities', 'activity_tokens', 'viewer_entries') AND table_schema = 'public'";

fn example() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().join("examples/orion")
}

/// The folder of the team with the example in it, a server for each environment, and version 0.2.0 on both.
struct World {
    project: Project,
    port: u16,
    production: Database,
    staging: Database,
    /// Of the application; one server has both databases.
    role: String,
}

impl World {
    fn new(role: &str) -> Self {
        let project = Project::empty();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let database = || server(Flavor::Postgres15).database();
        let world =
            Self { project, port, production: database(), staging: database(), role: role.to_owned() };
        let here = world.project.path("srv").display().to_string();
        for file in ["windlass.toml", "windlass.staging.toml", "windlass.production.toml", DOCUMENT] {
            world.take(file, &[("/srv/orion", &here)]);
        }
        for file in ["releases/orion-0.2.0.py", "releases/orion-0.3.0.py"] {
            let text = fs::read_to_string(example().join(file)).unwrap();
            world.project.write(&format!("srv/{file}"), text);
        }
        world.project.write("srv/server.py", world.project.read("srv/releases/orion-0.2.0.py"));
        world.project.write("srv/guests.txt", "first\n");
        world.project.write("db.password", "geheim-7\n");
        world.server_of(&world.production);
        world
    }

    /// The server is one of this environment: how its service reaches the database stands in a file of the server, in no document.
    fn server_of(&self, database: &Database) {
        let url = database.url();
        let to = url.trim_start_matches("postgres://").split_once('@').unwrap().1;
        self.project.write("srv/database.conf", format!("postgres://{}@{to}", self.role));
    }

    /// A file of the example as it stands there, but for what is of this machine and any hour.
    fn take(&self, name: &str, other: &[(&str, &str)]) {
        let mut text = fs::read_to_string(example().join(name)).unwrap();
        let port = format!("127.0.0.1:{}", self.port);
        let secret = self.project.path("db.password").display().to_string();
        for (theirs, ours) in [
            ("127.0.0.1:8080", port.as_str()),
            ("0.0.0.0:8080", port.as_str()),
            ("/etc/orion/db.password", secret.as_str()),
            ("orion_app WITH", &format!("{} WITH", self.role)),
            ("TO orion_app", &format!("TO {}", self.role)),
            ("window = [\"Tue-Thu 01:00-05:00\"]", "window = [\"Mon-Sun 00:00-24:00\"]"),
            ("freeze = [\"holiday:CN\", \"holiday-eve:CN\"]\n", ""),
        ]
        .iter()
        .chain(other)
        {
            text = text.replace(theirs, ours);
        }
        self.project.write(name, text);
    }

    fn run(&self, args: &[&str]) -> Said {
        self.start(args).end_within(2 * crate::sealed::PATIENCE)
    }

    fn start(&self, args: &[&str]) -> Running {
        let mut command = self.project.command(args);
        command.env("DATABASE_URL", self.production.url()).env("STAGING_DATABASE_URL", self.staging.url());
        let path = std::env::var_os("PATH").unwrap();
        command.env("PATH", path);
        Running::start(command)
    }

    fn apply(&self, environment: &str, more: &[&str]) -> Said {
        // A backup is not overwritten: whoever tries again has put the one of before elsewhere.
        drop(fs::remove_file(self.project.path("before-0.3.0.sql")));
        let args = ["apply", DOCUMENT, "--env", environment, "--yes", "--confirm", "all"];
        self.run(&[&args[..], more].concat())
    }

    fn ask(&self, method: &str, path: &str, body: &str) -> (u16, String) {
        let url = format!("http://127.0.0.1:{}{path}", self.port);
        let said = Command::new("curl")
            .args(["-s", "-m", "20", "-X", method, "--data", body, "-w", "\n%{http_code}", &url])
            .output()
            .unwrap();
        let text = String::from_utf8(said.stdout).unwrap();
        let (body, code) = text.rsplit_once('\n').unwrap();
        (code.parse().unwrap(), body.to_owned())
    }

    /// Version that serves, its program, tables and role in production.
    fn state(&self) -> Vec<String> {
        let version = self.ask("GET", "/health", "").1.split(',').next().unwrap().to_owned();
        let database = &self.production;
        let roles = format!("SELECT count(*) FROM pg_roles WHERE rolname = '{}'", self.role);
        vec![version, self.project.read("srv/server.py"), database.run(TABLES), database.run(&roles)]
    }
}

/// What is running is stopped, whatever became of the test.
struct Serving<'a>(&'a World, Option<Running>);

impl<'a> Serving<'a> {
    fn start(world: &'a World) -> Self {
        let (proxy, _) = serve_service(&world.project, "orion");
        world.run(&["service", "start", "orion", "--version", "0.2.0"]).code(0);
        Self(world, Some(proxy))
    }
}

impl Drop for Serving<'_> {
    fn drop(&mut self) {
        self.0.run(&["service", "stop", "orion"]);
        if let Some(proxy) = self.1.take() {
            proxy.signal(Signal::TERM);
            proxy.end();
        }
    }
}

/// Reads and writes until told to end: how many of each were answered, and what of it with another code than it may be.
fn load(port: u16, end: Arc<AtomicBool>) -> JoinHandle<(usize, usize, Vec<String>)> {
    use std::io::{Read as _, Write as _};
    std::thread::spawn(move || {
        let (mut reads, mut refused, mut wrong) = (0, 0, Vec::new());
        let ask = |method: &str| {
            let mut text = String::new();
            let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
            let head = format!(
                "{method} /guests HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            );
            stream.write_all(head.as_bytes()).unwrap();
            stream.read_to_string(&mut text).unwrap();
            text.lines().next().unwrap_or_default().to_owned()
        };
        while !end.load(Ordering::Relaxed) {
            let read = ask("GET");
            reads += 1;
            if !read.contains(" 200 ") {
                wrong.push(read);
            }
            let write = ask("POST");
            match write.split(' ').nth(1) {
                Some("201") => {}
                Some("503") => refused += 1,
                _ => wrong.push(write),
            }
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        (reads, refused, wrong)
    })
}

#[test]
fn staging_then_production_with_writes_held_and_back_without_losing_a_row() {
    let world = World::new("orion_app_1");
    let _serving = Serving::start(&world);
    let before = world.state();

    // What was not done on staging does not begin in production.
    world.apply("production", &[]).code(4).says(&["staging", "--env staging"]);
    assert_eq!(world.state(), before);
    world.server_of(&world.staging);
    world.apply("staging", &[]).code(0);
    // From here on the server is that of production, where nothing of it is there yet.
    world.run(&["service", "stop", "orion"]).code(0);
    world.server_of(&world.production);
    world.staging.run(&format!("DROP OWNED BY {0}; DROP ROLE {0}", world.role));
    world.project.write("srv/server.py", world.project.read("srv/releases/orion-0.2.0.py"));
    world.run(&["service", "start", "orion", "--version", "0.2.0"]).code(0);
    assert_eq!(world.state(), before);

    let ticket = world.run(&["ticket", DOCUMENT, "--env", "production"]).code(0).stdout;
    for part in ["CREATE TABLE activities", "orion_app_1", "503"] {
        assert!(ticket.contains(part), "no {part} in\n{ticket}");
    }
    assert!(!ticket.contains("geheim-7"), "{ticket}");

    // Users read all the time; writes are refused for a while, and none is lost.
    let end = Arc::<AtomicBool>::default();
    let clients = load(world.port, end.clone());
    world.apply("production", &[]).code(0);
    end.store(true, Ordering::Relaxed);
    let (reads, refused, wrong) = clients.join().unwrap();
    assert_eq!(wrong, Vec::<String>::new(), "of {reads} reads");
    assert!(reads > 10 && refused > 0, "{reads} reads, {refused} writes refused");
    assert!(world.state()[0].contains("0.3.0"), "{:?}", world.state());
    for file in world.project.state_files() {
        let text = String::from_utf8_lossy(&fs::read(&file).unwrap()).into_owned();
        assert!(!text.contains("geheim-7"), "a password in {}", file.display());
    }

    // The role may do what the service needs, and no more.
    let (code, said) = world.ask("POST", "/api/activities", "发布会");
    assert_eq!(code, 201, "{said}");
    assert_eq!(world.ask("GET", "/api/activities", ""), (200, "[\"发布会\"]".to_owned()));
    let narrow =
        "SELECT rolsuper OR rolcreatedb OR rolcreaterole FROM pg_roles WHERE rolname = 'orion_app_1'";
    assert_eq!(world.production.run(narrow), "f");

    // The way back: the service of before, and the row of the user is set aside, not dropped.
    world.run(&["rollback", "--yes"]);
    assert_eq!(world.state()[0], before[0]);
    assert_eq!(world.production.run(TABLES), "");
    let aside = "SELECT table_schema || '.' || table_name FROM information_schema.tables WHERE table_schema LIKE 'windlass_aside%' \
                 AND table_name = 'activities'";
    let kept = world.production.run(aside);
    assert_eq!(world.production.run(&format!("SELECT title FROM {kept}")), "发布会");
}

#[test]
fn a_check_that_fails_and_a_controller_that_is_killed_go_back_and_on() {
    let world = World::new("orion_app_2");
    let _serving = Serving::start(&world);
    // Staging is another matter here.
    let config = world.project.read("windlass.production.toml").replace("after = \"staging\"\n", "");
    world.project.write("windlass.production.toml", config);
    let before = world.state();

    let document = world.project.read(DOCUMENT);
    world.project.write(DOCUMENT, document.replace("== \"0.3.0\"", "== \"0.3.1\""));
    world.apply("production", &[]).code(1).says(&["health", "failed and undone"]);
    assert_eq!(world.state(), before);
    assert_eq!(world.ask("POST", "/guests", "").0, 201, "writes pass again");

    world.project.write(DOCUMENT, document);
    for fault in ["crash-before:tables/3", "crash-after:restart/1"] {
        let killed = world.apply("production", &["--fault", fault]);
        assert_eq!(killed.code, None, "{fault}: {}", killed.stderr);
        assert_eq!(world.ask("POST", "/guests", "").0, 503, "{fault}: still held");
        world.run(&["resume", "--confirm", "all"]).code(0);
        assert!(world.state()[0].contains("0.3.0"), "{fault}: {:?}", world.state());
        world.run(&["rollback", "--yes"]).code(0);
        assert_eq!(world.state(), before, "{fault}");
    }
    world.run(&["record", "--append", "UPDATE_LOG.md"]).code(0);
    assert!(world.project.read("UPDATE_LOG.md").contains("已回滚"));
}

/// As it stands, with its own configuration.
#[test]
fn the_document_is_right() {
    let project = Project::empty();
    for name in ["windlass.toml", "windlass.staging.toml", "windlass.production.toml", DOCUMENT] {
        fs::copy(example().join(name), project.path(name)).unwrap();
    }
    for environment in ["staging", "production"] {
        let said = project.run(&["check", DOCUMENT, "--env", environment]).code(0);
        assert!(!said.stderr.contains("warning"), "{}", said.stderr);
    }
}
