//! Copies on real servers: the same as the live database, apart from it, and gone again whatever happens.

use super::*;
use crate::backup::tool::Tool;
use crate::testing::{argument, controller, folder, wait_until};
use std::collections::BTreeSet;
use windlass_lab::{Database, Flavor, server};

const POSTGRES: &str = "CREATE SCHEMA app; CREATE TYPE app.state AS ENUM ('new', 'done'); \
    CREATE TABLE app.parent (id int PRIMARY KEY, name text); \
    CREATE TABLE app.child (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, parent int REFERENCES app.parent, s app.state DEFAULT 'new', n float8); \
    CREATE VIEW app.v AS SELECT * FROM app.child; \
    INSERT INTO app.parent SELECT i, '名' || i FROM generate_series(1, 40) i; \
    INSERT INTO app.child (parent, n) SELECT i, i / 3.0 FROM generate_series(1, 40) i; ";
const MYSQL: &str = "CREATE TABLE parent (id INT PRIMARY KEY, name VARCHAR(40)); \
    CREATE TABLE child (id INT AUTO_INCREMENT PRIMARY KEY, parent INT, f FLOAT, b BLOB, FOREIGN KEY (parent) REFERENCES parent (id)); \
    CREATE VIEW v AS SELECT * FROM child; CREATE TRIGGER tr BEFORE INSERT ON child FOR EACH ROW SET NEW.f = NEW.f + 0; \
    INSERT INTO parent VALUES (1, '一'), (2, '二'), (3, '三'), (4, '四'), (5, '五'); \
    INSERT INTO child (parent, f, b) VALUES (1, 0.1, x'00ff'), (2, 1e30, NULL), (5, 2, ''), (NULL, 3, '');";

fn flavors() -> Vec<Flavor> {
    let lab = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/lab/sid/usr");
    let there = |flavor: &Flavor| match flavor {
        Flavor::Postgres15 | Flavor::Mariadb => true,
        Flavor::PostgresNewer => lab.join("lib/postgresql/18/bin/postgres").exists(),
        Flavor::Mysql => lab.join("sbin/mysqld").exists(),
    };
    Flavor::ALL.into_iter().filter(there).collect()
}

/// A live database with a schema of its own, and its definitions and rows as the server's own dump has them.
struct Live {
    database: Database,
    flavor: Flavor,
    folder: tempfile::TempDir,
    said: std::sync::Mutex<Vec<String>>,
}

impl Live {
    fn new(flavor: Flavor) -> Self {
        let database = server(flavor).database();
        database.run(if flavor.is_postgres() { POSTGRES } else { MYSQL });
        Self { database, flavor, folder: folder(), said: Default::default() }
    }

    fn source(&self) -> Source {
        Source::new(&self.database.url(), self.folder.path()).unwrap()
    }

    fn make(&self, change: impl FnOnce(&mut Order<'_>)) -> Result<Scratch, Failure> {
        let source = self.source();
        let tools = server(self.flavor).bin().unwrap();
        let mut order = Order {
            source: &source,
            backup: None,
            server: None,
            is_private: false,
            sample: None,
            is_empty: false,
            tools: Some(&tools),
            folder: self.folder.path(),
            progress: &|line| self.said.lock().unwrap().push(line.to_owned()),
        };
        change(&mut order);
        make(&order)
    }

    /// Names of copies on the server.
    fn copies(&self) -> String {
        self.database.run(match self.flavor.is_postgres() {
            true => "SELECT datname FROM pg_database WHERE datname LIKE 'windlass\\_copy\\_%'",
            false => "SELECT schema_name FROM information_schema.schemata WHERE schema_name LIKE 'windlass\\_copy\\_%'",
        })
    }

    fn rows(&self) -> &'static str {
        if self.flavor.is_postgres() { "app.child" } else { "child" }
    }
}

/// Runs a statement in a copy with the lab's client.
async fn run(live: &Live, scratch: &Scratch, sql: &str) {
    let cx = scratch.context();
    let mut unit = crate::testing::unit("s/1", crate::testing::sql(sql, None));
    if let windlass_plan::Action::Sql { target, .. } = &mut unit.action {
        TARGET.clone_into(target);
    }
    unit.undo.class = windlass_plan::Class::None;
    unit.undo.by = windlass_plan::UndoBy::Nobody;
    let driver: Box<dyn windlass_driver::Driver> = match live.flavor.is_postgres() {
        true => Box::new(crate::postgres::PostgresDriver::new()),
        false => Box::new(crate::mysql::MysqlDriver::new()),
    };
    driver.apply(&cx, &unit, &windlass_driver::Capsule::default()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_holds_what_the_live_one_does_and_is_apart_from_it() {
    for flavor in flavors() {
        let live = Live::new(flavor);
        let scratch = live.make(|_| ()).unwrap();
        let table = live.rows();
        let first = scratch.picture().await.unwrap();
        let again = scratch.picture().await.unwrap();
        assert_eq!(first.compare(&again, &BTreeSet::new()).lines, Vec::<String>::new(), "{flavor:?}");
        let count: u64 = live.database.run(&format!("SELECT count(*) FROM {table}")).parse().unwrap();
        assert_eq!(first.tables.as_ref().unwrap()[table].rows, count);

        let before = live.database.run(&format!("SELECT * FROM {table} ORDER BY 1"));
        run(&live, &scratch, &format!("UPDATE {table} SET parent = 1 WHERE id = 2")).await;
        assert_eq!(live.database.run(&format!("SELECT * FROM {table} ORDER BY 1")), before);
        let found = first.compare(&scratch.picture().await.unwrap(), &BTreeSet::new());
        assert_eq!(found.verdict, Verdict::Different);
        let text = found.lines.join("\n");
        assert!(text.contains("parent is `1`, was `2`"), "{text}");

        let folder = scratch.folder().to_owned();
        assert!(live.copies().contains(scratch.name()));
        let name = scratch.name().to_owned();
        scratch.remove().unwrap();
        assert!(!live.copies().contains(&name) && !folder.exists(), "{flavor:?}");
    }
}

#[test]
fn a_copy_goes_when_its_process_is_killed_and_what_a_dead_machine_left_is_named() {
    const NAME: &str =
        "scratch::tests::a_copy_goes_when_its_process_is_killed_and_what_a_dead_machine_left_is_named";
    if let Some(argument) = argument() {
        let (url, rest) = argument.split_once(' ').unwrap();
        let (tools, folder) = rest.split_once(' ').unwrap();
        let source = Source::new(url, Path::new(folder)).unwrap();
        let (tools, folder) = (Path::new(tools), Path::new(folder));
        let order = Order {
            source: &source,
            backup: None,
            server: None,
            is_private: false,
            sample: None,
            is_empty: false,
            tools: Some(tools),
            folder,
            progress: &|_| (),
        };
        let scratch = make(&order).unwrap();
        std::fs::write(folder.join("ready"), scratch.name()).unwrap();
        loop {
            std::thread::park();
        }
    }
    for flavor in flavors() {
        let live = Live::new(flavor);
        let tools = server(flavor).bin().unwrap();
        let words = format!("{} {} {}", live.database.url(), tools.display(), live.folder.path().display());
        let mut child = controller(NAME, &words);
        wait_until("the copy is made", || live.folder.path().join("ready").exists());
        wait_until("its name is written", || {
            std::fs::read_to_string(live.folder.path().join("ready")).is_ok_and(|name| !name.is_empty())
        });
        let name = std::fs::read_to_string(live.folder.path().join("ready")).unwrap();
        assert!(live.copies().contains(&name), "{flavor:?}");
        child.kill().unwrap();
        child.wait().unwrap();
        wait_until("the copy is dropped", || !live.copies().contains(&name));
        wait_until("its folder is removed", || !live.folder.path().join(&name).exists());

        // A machine that lost its power left these.
        live.database.run("CREATE DATABASE windlass_copy_1_1_1");
        std::fs::create_dir(live.folder.path().join("windlass_copy_1_1_1")).unwrap();
        std::fs::write(live.folder.path().join("windlass_copy_1_1_1/lock"), "").unwrap();
        live.make(|_| ()).unwrap().remove().unwrap();
        let said = live.said.lock().unwrap().join("\n");
        // The database may have been found by another test.
        assert!(said.contains("/windlass_copy_1_1_1, left behind by an earlier run, was removed"), "{said}");
        assert!(!live.copies().contains("windlass_copy_1_1_1"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_server_has_the_copy_under_its_own_name_and_ends_with_it() {
    for flavor in flavors() {
        let live = Live::new(flavor);
        // As a live server keeps them; one that starts removes all that it finds in its folder of temporary files.
        let others = tempfile::Builder::new().prefix("#sql-temptable-").suffix(".MAI").tempfile().unwrap();
        let scratch = live.make(|order| order.is_private = true).unwrap();
        assert!(others.path().exists(), "{flavor:?}: temporary tables of other servers are gone");
        assert_eq!(scratch.name(), live.database.name());
        let beside = live.make(|_| ()).unwrap();
        let (one, other) = (scratch.picture().await.unwrap(), beside.picture().await.unwrap());
        assert_eq!(one.tables, other.tables, "{flavor:?}");
        let url = scratch.url().to_owned();
        let socket = url
            .split("host=")
            .last()
            .unwrap()
            .split("socket=")
            .last()
            .unwrap()
            .split('&')
            .next()
            .unwrap()
            .to_owned();
        let folder = percent_path(&socket);
        let home = if folder.is_dir() { folder.clone() } else { folder.parent().unwrap().to_owned() };
        let pid = std::fs::read_to_string(home.join("server.pid")).unwrap();
        scratch.remove().unwrap();
        wait_until("the server ends", || !Path::new("/proc").join(pid.trim()).exists());
        assert!(!folder.exists(), "{}", folder.display());
    }
}

fn percent_path(text: &str) -> PathBuf {
    PathBuf::from(text.replace("%2F", "/"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sample_keeps_foreign_keys() {
    for flavor in flavors() {
        let live = Live::new(flavor);
        let scratch = live.make(|order| order.sample = Some(4)).unwrap();
        let tables = scratch.picture().await.unwrap().tables.unwrap();
        let table = live.rows();
        let parent = table.replace("child", "parent");
        assert_eq!(tables[&parent].rows, 4, "{flavor:?}");
        // MySQL: the child of parent 5 is left out.
        let expected = if flavor.is_postgres() { 4 } else { 3 };
        assert_eq!(tables[table].rows, expected, "{flavor:?}");
        assert!(scratch.notes().iter().any(|note| note.contains("sample")), "{:?}", scratch.notes());
    }
}

/// The number that the next row gets, and what sequences say, are those of the live database.
#[tokio::test(flavor = "multi_thread")]
async fn a_copy_goes_on_counting_where_the_live_one_does() {
    for flavor in flavors() {
        let live = Live::new(flavor);
        let (count, next, fresh) = if flavor.is_postgres() {
            live.database.run(
                "CREATE SEQUENCE app.free START 5; CREATE SEQUENCE app.\"Fresh\" START 9; CREATE SEQUENCE app.reset; \
                 SELECT nextval('app.free'), setval('app.reset', 300, false), setval('app.child_id_seq', 899)",
            );
            let count = "INSERT INTO app.child (parent) VALUES (1) RETURNING id";
            let others =
                "SELECT concat_ws(' ', nextval('app.free'), nextval('app.\"Fresh\"'), nextval('app.reset'))";
            (count, others, "6 9 300")
        } else {
            live.database.run("ALTER TABLE child AUTO_INCREMENT = 900");
            ("INSERT INTO child (parent) VALUES (1); SELECT LAST_INSERT_ID()", "SELECT 1", "1")
        };
        for sample in [None, Some(4)] {
            let scratch = live.make(|order| order.sample = sample).unwrap();
            let place = Source::new(scratch.url(), live.folder.path()).unwrap();
            let copy = Tool::new(&place, server(flavor).bin().as_deref()).unwrap();
            let ask = |sql: &str| copy.ask(Some(scratch.name()), sql).unwrap();
            assert_eq!(ask(count), "900", "{flavor:?} {sample:?}");
            assert_eq!(ask(next), fresh, "{flavor:?} {sample:?}");
            scratch.remove().unwrap();
        }
    }
}

/// No copy is made of a database with these definitions, in which `{}` is its name; the words that say why.
fn refused(flavor: Flavor, definitions: &str, is_private: bool) -> String {
    let live = Live::new(flavor);
    live.database.run(&definitions.replace("{}", live.database.name()));
    let Err(failure) = live.make(|order| order.is_private = is_private) else { panic!("{definitions}") };
    // Other tests make copies on the same server, and take them away again.
    let there = live.copies();
    wait_until("no copy stays", || !there.lines().any(|name| live.copies().lines().any(|left| left == name)));
    failure.message
}

#[test]
fn a_copy_whose_own_triggers_reach_the_live_one_is_refused() {
    for (flavor, definitions, is_private, why) in [
        (
            Flavor::Mariadb,
            "CREATE TRIGGER out_ AFTER INSERT ON parent FOR EACH ROW INSERT INTO `{}`.child (parent) VALUES (NEW.id)",
            false,
            "trigger out_ names the database",
        ),
        (
            Flavor::Mariadb,
            "CREATE PROCEDURE p(db TEXT) EXECUTE IMMEDIATE CONCAT('DELETE FROM ', db, '.child')",
            false,
            "procedure p: EXECUTE runs a text",
        ),
        (
            Flavor::Mariadb,
            "CREATE TABLE a (n INT) ENGINE=MyISAM; CREATE TABLE m (n INT) ENGINE=MERGE UNION=(a)",
            true,
            "the table m (MRG_MyISAM)",
        ),
        (
            Flavor::Postgres15,
            "CREATE FUNCTION app.g() RETURNS void LANGUAGE plpgsql AS $$ BEGIN GRANT pg_monitor TO CURRENT_USER; END $$",
            false,
            "function app.g(): GRANT of a role",
        ),
        (
            Flavor::Postgres15,
            "CREATE FUNCTION app.f() RETURNS void LANGUAGE plpgsql AS $$ BEGIN COPY app.child TO '/tmp/x'; END $$",
            false,
            "function app.f()",
        ),
    ] {
        let said = refused(flavor, definitions, is_private);
        assert!(said.contains(why), "{said}");
    }
}

#[test]
fn no_two_processes_give_one_name() {
    // Behind the second nothing tells of the process or of a count.
    let names: BTreeSet<String> = (0..1000).map(|_| new_name(PREFIX)).collect();
    assert_eq!(names.len(), 1000);
    for name in names {
        let random = name.rsplit('_').next().unwrap();
        assert!(random.len() == 16 && u64::from_str_radix(random, 16).is_ok() && name.len() < 64, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sqlite_file_is_copied_while_others_write_it() {
    let folder = folder();
    let path = folder.path().join("app.db");
    let open = rusqlite::Connection::open(&path).unwrap();
    open.execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE t (a, b); INSERT INTO t VALUES (1, 'x')")
        .unwrap();
    let source = Source::new("sqlite:app.db", folder.path()).unwrap();
    let scratches = folder.path().join("scratch");
    let order = Order {
        source: &source,
        backup: None,
        server: None,
        is_private: false,
        sample: None,
        is_empty: false,
        tools: None,
        folder: &scratches,
        progress: &|_| (),
    };
    let scratch = make(&order).unwrap();
    open.execute_batch("INSERT INTO t VALUES (2, 'y')").unwrap();
    let picture = scratch.picture().await.unwrap();
    assert_eq!(picture.rows_all(), 1);
    rusqlite::Connection::open(scratch.name()).unwrap().execute_batch("UPDATE t SET b = 7.0").unwrap();
    let found = picture.compare(&scratch.picture().await.unwrap(), &BTreeSet::new());
    assert!(found.lines.join("\n").contains("b is `7.0 real`, was `'x'`"), "{:?}", found.lines);
    let refused = make(&Order { is_private: true, ..order });
    assert!(refused.is_err());
    scratch.remove().unwrap();
    assert_eq!(std::fs::read_dir(&scratches).unwrap().count(), 0);
}
