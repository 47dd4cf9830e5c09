mod backups;
mod batches;
mod copies;
mod fine;
mod live;
mod processes;
mod programs;
mod schema;
mod ties;
mod together;

use super::*;
use crate::testing::{context, controller, plan, unit, wait_until};
use rusqlite::Connection;
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use windlass_driver::Effect;
use windlass_plan::{Plan, Secret, Target, Undo, UnitId, UrlKind, Value};

/// A folder with a database, a plan over it, and a driver.
struct World {
    folder: PathBuf,
    plan: Arc<Plan>,
    facts: Arc<BTreeMap<UnitId, serde_json::Value>>,
    driver: SqliteDriver,
    _keep: Option<tempfile::TempDir>,
}

fn sql(id: &str, statement: &str) -> Unit {
    let action = crate::testing::sql(statement, None);
    let undo = Undo { class: Class::Restore, how: String::new(), by: UndoBy::Driver };
    Unit { undo, ..unit(id, action) }
}

fn with_rows(unit: Unit, count: u64) -> Unit {
    let Action::Sql { statement, .. } = unit.action else { panic!() };
    Unit { action: crate::testing::sql(&statement, Some(count)), ..unit }
}

fn undone_by(unit: Unit, by: UndoBy) -> Unit {
    Unit { undo: Undo { by, ..unit.undo }, ..unit }
}

fn backup(id: &str, file: &str) -> Unit {
    unit(id, Action::Backup { target: "db".into(), file: file.into(), dir: Some("out".into()), dump: None })
}

impl World {
    /// `app.db` with three bookings, in the journal mode.
    fn new(mode: &str, units: &[Unit]) -> Self {
        let keep = crate::testing::folder();
        let folder = keep.path().to_owned();
        fs::create_dir(folder.join("out")).unwrap();
        let db = Connection::open(folder.join("app.db")).unwrap();
        db.execute_batch(&format!("PRAGMA journal_mode = {mode}")).unwrap();
        db.execute_batch(
            "CREATE TABLE booking (id INTEGER PRIMARY KEY, who TEXT NOT NULL, seats INTEGER);
             CREATE INDEX booking_who ON booking (who);
             CREATE TABLE note (k TEXT PRIMARY KEY, v BLOB) WITHOUT ROWID;
             INSERT INTO booking (who, seats) VALUES ('安娜', 1), ('Bo', 2), ('Çelik', NULL);
             INSERT INTO note VALUES ('a', x'00ff'), ('b', 1.5);",
        )
        .unwrap();
        Self { _keep: Some(keep), ..Self::at(&folder, units) }
    }

    /// One that was made before.
    fn at(folder: &Path, units: &[Unit]) -> Self {
        let url = Value::Plain("sqlite:app.db".into());
        let plan = plan(units, &[("db", Target::Url { url, kind: UrlKind::Sqlite })]);
        Self {
            folder: folder.to_owned(),
            plan: Arc::new(plan),
            facts: Arc::default(),
            driver: SqliteDriver::new(),
            _keep: None,
        }
    }

    fn cx(&self, unit: &Unit) -> Context {
        Context { plan: self.plan.clone(), facts: self.facts.clone(), ..context(&self.folder, unit).0 }
    }

    fn unit(&self, id: &str) -> Unit {
        self.plan.unit(&UnitId(id.into())).unwrap().1.clone()
    }

    async fn capture(&self, id: &str) -> Result<Capsule, Failure> {
        let unit = self.unit(id);
        self.driver.capture(&self.cx(&unit), &unit).await
    }

    async fn apply(&self, id: &str) -> Result<Done, Failure> {
        let unit = self.unit(id);
        self.driver.apply(&self.cx(&unit), &unit, &Capsule::default()).await
    }

    /// Capture and apply.
    async fn go(&self, id: &str) -> Done {
        self.capture(id).await.unwrap();
        self.apply(id).await.unwrap()
    }

    async fn undo(&self, id: &str) -> Result<Done, Failure> {
        let unit = self.unit(id);
        self.driver.undo(&self.cx(&unit), &unit, &Capsule::default(), None).await
    }

    async fn inspect(&self, id: &str, way: Way) -> Found {
        let unit = self.unit(id);
        self.driver.inspect(&self.cx(&unit), &unit, &Capsule::default(), way).await
    }

    async fn survey(&self, id: &str) -> Survey {
        let unit = self.unit(id);
        self.driver.survey(&self.cx(&unit), &unit).await.unwrap()
    }

    fn db(&self) -> Connection {
        let db = Connection::open(self.folder.join("app.db")).unwrap();
        db.busy_timeout(Duration::from_secs(10)).unwrap();
        db
    }

    fn exec(&self, sql: &str) {
        self.db().execute_batch(sql).unwrap();
    }

    fn print(&self) -> Fingerprint {
        fingerprint(&self.folder.join("app.db")).unwrap()
    }

    fn int(&self, sql: &str) -> i64 {
        self.db().query_row(sql, [], |row| row.get(0)).unwrap()
    }
}

fn two_steps() -> Vec<Unit> {
    vec![
        sql("one/1", "ALTER TABLE booking ADD COLUMN paid INTEGER NOT NULL DEFAULT 0"),
        sql("one/2", "UPDATE booking SET paid = 1 WHERE seats IS NOT NULL"),
        sql("two/1", "CREATE TABLE invoice (id INTEGER PRIMARY KEY, booking INTEGER)"),
        sql("two/2", "INSERT INTO invoice (booking) SELECT id FROM booking WHERE paid"),
        sql("two/3", "DROP TABLE note"),
    ]
}

const MODES: [&str; 3] = ["wal", "delete", "truncate"];

#[tokio::test]
async fn applies_once_with_its_ledger_row() {
    let world = World::new("wal", &[sql("s/1", "UPDATE booking SET seats = seats + 1 WHERE seats > 0")]);
    assert_eq!(world.inspect("s/1", Way::Forward).await, Found::NotApplied);
    let done = world.go("s/1").await;
    assert!(done.changed);
    assert_eq!(done.facts, json!({ "rows": 2 }));
    let again = world.apply("s/1").await.unwrap();
    assert!(!again.changed, "never twice");
    assert_eq!(world.int("SELECT sum(seats) FROM booking"), 5);
    let row: (String, String, u32, String) = world
        .db()
        .query_row("SELECT run, unit, attempt, way FROM windlass_ledger", [], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        })
        .unwrap();
    assert_eq!(row, ("20260102-030405-abcd".into(), "s/1".into(), 1, "forward".into()));
    let Found::Applied(found) = world.inspect("s/1", Way::Forward).await else { panic!() };
    assert_eq!(found, done);
}

#[tokio::test]
async fn a_wrong_count_of_rows_is_rolled_back() {
    let world = World::new("wal", &[with_rows(sql("s/1", "DELETE FROM booking WHERE id < 3"), 115)]);
    let before = world.print();
    world.capture("s/1").await.unwrap();
    let failure = world.apply("s/1").await.unwrap_err();
    assert_eq!(failure.effect, Effect::None);
    assert!(failure.message.contains("changed 2 rows where `rows=115` expects 115"), "{}", failure.message);
    assert_eq!(world.print(), before);
    assert_eq!(world.inspect("s/1", Way::Forward).await, Found::NotApplied);
}

#[tokio::test]
async fn errors_say_where() {
    let cases = [
        ("UPDATE booking SET who = nosuch", "line 10, column 26, character 26", "no such column: nosuch"),
        ("-- 数据\nUPDATE booking SETT who = 1", "line 11, character 22 of the statement", "syntax error"),
        ("INSERT INTO booking (id, who) VALUES (1, 'x')", "line 10, column 1", "UNIQUE constraint failed"),
        ("UPDATE booking SET id=1; DROP TABLE note", "line 10", "Multiple statements"),
    ];
    for (statement, place, message) in cases {
        let world = World::new("wal", &[sql("s/1", statement)]);
        let before = world.print();
        let failure = world.apply("s/1").await.unwrap_err();
        assert_eq!((failure.effect, failure.retry), (Effect::None, false));
        assert!(failure.message.contains(place) && failure.message.contains(message), "{}", failure.message);
        assert_eq!(world.print(), before);
        assert_eq!(world.inspect("s/1", Way::Forward).await, Found::NotApplied);
    }
}

#[tokio::test]
async fn what_would_break_the_transaction_is_refused() {
    for statement in [
        "COMMIT",
        "BEGIN",
        "SAVEPOINT x",
        "ATTACH 'other.db' AS o",
        "PRAGMA journal_mode = DELETE",
        "PRAGMA foreign_keys = ON",
        "DELETE FROM windlass_ledger",
        "DROP TABLE windlass_ledger",
        "VACUUM",
    ] {
        let world = World::new("wal", &[sql("s/1", "PRAGMA user_version = 7"), sql("s/2", statement)]);
        world.go("s/1").await;
        assert_eq!(world.int("PRAGMA user_version"), 7);
        let failure = world.apply("s/2").await.unwrap_err();
        assert_eq!(failure.effect, Effect::None, "{statement}");
        assert_eq!(world.inspect("s/2", Way::Forward).await, Found::NotApplied, "{statement}");
        assert!(matches!(world.inspect("s/1", Way::Forward).await, Found::Applied(_)));
    }
    let off = World::new("wal", &[sql("s/1", "PRAGMA foreign_keys = OFF")]);
    off.go("s/1").await;
}

#[tokio::test]
async fn a_locked_database_is_clean_worth_a_retry_and_names_the_holder() {
    let world = World::new("delete", &[sql("s/1", "DELETE FROM booking")]);
    let argument = format!("hold\n{}", world.folder.display());
    let mut other = controller("sqlite::tests::processes::controller_process", &argument);
    wait_until("the lock", || world.folder.join("held").exists());
    let unit = world.unit("s/1");
    let cx = Context { timeout_ms: Some(200), ..world.cx(&unit) };
    let failure = world.driver.apply(&cx, &unit, &Capsule::default()).await.unwrap_err();
    other.kill().unwrap();
    other.wait().unwrap();
    assert_eq!((failure.effect, failure.retry), (Effect::None, true), "{}", failure.message);
    assert!(failure.hints[0].contains(&format!("(process {})", other.id())), "{:?}", failure.hints);
    world.go("s/1").await;
}

const ENDLESS: &str = "INSERT INTO booking (who) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n";

#[tokio::test]
async fn a_person_who_stops_stops_the_statement() {
    let world = World::new("wal", &[sql("s/1", ENDLESS)]);
    let before = world.print();
    let unit = world.unit("s/1");
    let cx = world.cx(&unit);
    let (stopping, file) = (cx.stopping.clone(), world.folder.join("app.db"));
    let person = std::thread::spawn(move || {
        let db = Connection::open(file).unwrap();
        db.busy_timeout(Duration::ZERO).unwrap();
        let is_running = || db.execute_batch("BEGIN IMMEDIATE; ROLLBACK").is_err();
        wait_until("the statement", is_running);
        stopping.stop();
    });
    let failure = world.driver.apply(&cx, &unit, &Capsule::default()).await.unwrap_err();
    person.join().unwrap();
    assert_eq!((failure.effect, failure.retry), (Effect::None, true), "{failure:?}");
    assert!(failure.message.contains("stopped, as asked"), "{failure:?}");
    assert_eq!(world.print(), before);
}

#[tokio::test]
async fn a_statement_that_takes_too_long_is_rolled_back() {
    let world = World::new("wal", &[sql("s/1", ENDLESS)]);
    let before = world.print();
    let unit = world.unit("s/1");
    let cx = Context { timeout_ms: Some(100), ..world.cx(&unit) };
    let failure = world.driver.apply(&cx, &unit, &Capsule::default()).await.unwrap_err();
    assert_eq!(failure.effect, Effect::None);
    assert!(failure.message.contains("did not finish"), "{}", failure.message);
    assert_eq!(world.print(), before);
}

#[tokio::test]
async fn a_query_shows_its_rows() {
    let units = [
        with_rows(sql("s/1", "SELECT id, who, seats FROM booking ORDER BY id"), 3),
        with_rows(sql("s/2", "SELECT 1"), 2),
        sql(
            "s/3",
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60) SELECT i FROM n",
        ),
    ];
    let world = World::new("wal", &units);
    let done = world.apply("s/1").await.unwrap();
    assert!(!done.changed);
    let expected = "id  who    seats\n1   安娜   1\n2   Bo     2\n3   Çelik  NULL\n(3 rows)\n";
    assert_eq!(done.output, expected);
    assert!(world.apply("s/2").await.unwrap_err().message.contains("1 rows where `rows=2`"));
    assert!(world.apply("s/3").await.unwrap().output.ends_with("50\n… 10 more rows\n(60 rows)\n"));
    assert_eq!(world.int("SELECT count(*) FROM sqlite_schema WHERE name = 'windlass_ledger'"), 0);
}

#[tokio::test]
async fn survey_counts_and_checks() {
    let units = [
        sql("s/1", "CREATE TABLE seat (id INTEGER PRIMARY KEY, booking INTEGER)"),
        sql("s/2", "INSERT INTO seat (booking) SELECT id FROM booking"),
        sql("s/3", "UPDATE booking SET nosuch = 1"),
        sql("s/4", "UPDATE seat SET booking = 0"),
    ];
    let world = World::new("wal", &units);
    let before = world.print();
    assert_eq!(world.survey("s/1").await.problems, [""; 0]);
    assert_eq!(world.survey("s/2").await.problems, [""; 0], "checked against the table of s/1");
    let third = world.survey("s/3").await;
    assert!(third.problems[0].contains("no such column: nosuch"), "{third:?}");
    assert!(third.effects[0].contains("journal mode wal"), "{third:?}");
    assert!(world.survey("s/4").await.effects[1].contains("not checked"));
    let count = World::new("wal", &[sql("s/1", "UPDATE booking SET who = ''")]).survey("s/1").await;
    assert_eq!(count.effects[1], "table booking: 3 rows now");
    assert_eq!(world.print(), before);
}

#[tokio::test]
async fn what_is_missing_is_said() {
    let world = World::new("wal", &[sql("s/1", "DELETE FROM booking")]);
    fs::rename(world.folder.join("app.db"), world.folder.join("away.db")).unwrap();
    assert!(world.survey("s/1").await.problems[0].contains("does not exist"));
    let failure = world.apply("s/1").await.unwrap_err();
    assert_eq!(failure.effect, Effect::None);
    assert!(!world.folder.join("app.db").exists(), "never created by mistake");
    assert!(matches!(world.inspect("s/1", Way::Forward).await, Found::Unknown(_)));
    fs::write(world.folder.join("app.db"), "this is no database at all, but long enough to be read as one")
        .unwrap();
    assert!(matches!(world.inspect("s/1", Way::Forward).await, Found::Unknown(_)));
    assert!(world.apply("s/1").await.unwrap_err().message.contains("not a database"));
}

#[tokio::test]
async fn a_full_disk_is_a_clean_failure() {
    for mode in MODES {
        let Some(disk) = crate::testing::SmallDisk::mount("sqlite: a_full_disk_is_a_clean_failure") else {
            return;
        };
        let blob = "INSERT INTO note VALUES ('big', zeroblob(2000000))";
        let units =
            [undone_by(sql("s/1", blob), UndoBy::Nobody), sql("t/1", "DELETE FROM note"), backup("b/1", "x")];
        let made = World::new(mode, &units);
        fs::create_dir(disk.0.path().join("out")).unwrap();
        drop(made.db().query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())));
        fs::copy(made.folder.join("app.db"), disk.0.path().join("app.db")).unwrap();
        let world = World::at(disk.0.path(), &units);
        let start = world.print();
        let failure = world.apply("s/1").await.unwrap_err();
        assert_eq!((failure.effect, failure.retry), (Effect::None, true), "{mode}: {}", failure.message);
        assert!(failure.message.contains("disk is full"), "{mode}: {}", failure.message);
        assert_eq!(world.print(), start, "{mode}");
        assert_eq!(world.inspect("s/1", Way::Forward).await, Found::NotApplied, "{mode}");
        // Less room than a copy takes.
        let free = rustix::fs::statvfs(disk.0.path()).unwrap();
        let fill = usize::try_from(free.f_bavail * free.f_frsize).unwrap() - 8192;
        fs::write(disk.0.path().join("fill"), vec![1; fill]).unwrap();
        for failure in [world.capture("t/1").await.unwrap_err(), world.apply("b/1").await.unwrap_err()] {
            assert_eq!((failure.effect, failure.retry), (Effect::None, true), "{mode}: {}", failure.message);
            let full = ["free", "disk is full"].iter().any(|text| failure.message.contains(text));
            assert!(full, "{mode}: {}", failure.message);
        }
        assert_eq!(fs::read_dir(disk.0.path().join("out")).unwrap().count(), 0, "{mode}: nothing left over");
        fs::remove_file(disk.0.path().join("fill")).unwrap();
        assert_eq!(world.print(), start, "{mode}");
    }
}

#[test]
fn urls() {
    let unit = sql("s/1", "SELECT 1");
    let path = |value: Value| {
        let mut cx = context(Path::new("/base"), &unit).0;
        cx.plan = Arc::new(plan(&[], &[("db", Target::Url { url: value, kind: UrlKind::Sqlite })]));
        Job::new(&cx, &unit, "db", &Keeper::default())
            .map(|job| job.database.display().to_string())
            .map_err(|failure| failure.message)
    };
    assert_eq!(path(Value::Plain("sqlite:app.db".into())).unwrap(), "/base/app.db");
    assert_eq!(path(Value::Plain("sqlite://app.db".into())).unwrap(), "/base/app.db");
    assert_eq!(path(Value::Plain("sqlite:///srv/app.db".into())).unwrap(), "/srv/app.db");
    assert_eq!(path(Value::Secret(Secret::Env("sqlite:/s.db".into()))).unwrap(), "/s.db");
    for bad in ["sqlite:", "sqlite::memory:", "sqlite:a.db?mode=ro", "/a.db"] {
        assert!(path(Value::Plain(bad.into())).is_err(), "{bad}");
    }
    let missing = path(Value::Secret(Secret::File("f".into()))).unwrap_err();
    assert!(missing.contains("not in this test"), "{missing}");
}

#[test]
fn fingerprint_sees_content_and_nothing_else() {
    let world = World::new("wal", &[]);
    let before = world.print();
    world.exec("VACUUM; PRAGMA journal_mode = DELETE; ANALYZE; CREATE TABLE windlass_ledger (x)");
    assert_eq!(world.print(), before);
    for change in [
        "UPDATE booking SET who = 'Anna' WHERE id = 1",
        "UPDATE note SET v = 2.5 WHERE k = 'b'",
        "UPDATE note SET k = 'c' WHERE k = 'b'",
        "CREATE VIEW v AS SELECT 1",
        "DROP INDEX booking_who",
        "CREATE TABLE hidden (rowid TEXT, _rowid_ TEXT, oid TEXT); INSERT INTO hidden VALUES (1, 2, 3)",
        "CREATE TABLE counted (id INTEGER PRIMARY KEY AUTOINCREMENT)",
        "INSERT INTO counted DEFAULT VALUES; DELETE FROM counted",
    ] {
        let last = world.print();
        world.exec(change);
        assert_ne!(world.print(), last, "{change}");
        assert_ne!(world.print().sha256(), last.sha256(), "{change}");
        assert!(!last.differences(&world.print()).is_empty(), "{change}");
    }
    assert!(fingerprint(Path::new("/no/such")).unwrap_err().to_string().contains("/no/such"));
}
