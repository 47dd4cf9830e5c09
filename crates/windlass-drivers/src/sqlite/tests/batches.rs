//! Statements in batches: cut off anywhere, gone on with or taken back, compared with the plain statement.
//! `WINDLASS_SQLITE_BATCH_SEED=n` replays one of the generated ones.

use super::super::SqliteDriver;
use crate::testing::{self, Random, context, folder, hasty, plan, unit, wait_until};
use rusqlite::Connection;
use std::{path::Path, sync::Arc, time::Duration};
use windlass_driver::{Capsule, Context, Driver as _, Effect, Found, OnConflict, Stopping};
use windlass_plan::{Target, Throttle, Unit, UrlKind, Value, Way};

/// Generated ones in an ordinary run.
const SEEDS: u64 = 60;

fn batched(statement: &str, rows: u64, throttle: Throttle) -> Unit {
    let mut action = testing::sql(statement, None);
    testing::in_batches(&mut action, rows, throttle);
    unit("s/1", action)
}

/// Where a unit runs.
fn world(folder: &Path, unit: &Unit) -> Context {
    let (mut cx, _) = context(folder, unit);
    let target = Target::Url { url: Value::Plain("sqlite:app.db".into()), kind: UrlKind::Sqlite };
    cx.plan = Arc::new(plan(std::slice::from_ref(unit), &[("db", target)]));
    cx
}

fn db(folder: &Path) -> Connection {
    let db = Connection::open(folder.join("app.db")).unwrap();
    db.busy_timeout(Duration::from_secs(30)).unwrap();
    db
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

fn value(db: &Connection, sql: &str) -> i64 {
    db.query_row(sql, [], |row| row.get(0)).unwrap()
}

/// Keys of many kinds; each with an expression that makes it of a number `g`.
const KEYS: [(&str, &str, &str); 8] = [
    ("id INTEGER PRIMARY KEY", "id", "g * 7 % 1000 - 300"),
    ("id TEXT COLLATE NOCASE NOT NULL PRIMARY KEY", "id", "char(60 + g % 60) || '''' || g"),
    ("id TEXT NOT NULL, UNIQUE (id COLLATE NOCASE)", "id", "CASE g % 2 WHEN 0 THEN 'a' ELSE 'Zä' END || g"),
    (
        "id NOT NULL UNIQUE",
        "id",
        "CASE g % 4 WHEN 0 THEN g WHEN 1 THEN 'v' || g WHEN 2 THEN x'00ff' || g ELSE g / 3.0 END",
    ),
    ("id REAL NOT NULL UNIQUE", "id", "g / 3.0"),
    ("a, id BLOB, PRIMARY KEY (a, id)) WITHOUT ROWID; CREATE TABLE spare (x", "a, id", "g % 4, x'ff' || g"),
    ("a INT NOT NULL, id INT NOT NULL, PRIMARY KEY (a DESC, id)", "a, id", "g % 4, g"),
    ("id INTEGER PRIMARY KEY AUTOINCREMENT", "id", "g"),
];

const STATEMENTS: [&str; 7] = [
    "UPDATE t SET n = n + 1",
    "UPDATE t SET n = n * 2, v = v || 'x' WHERE n % 3 = 0 OR v IS NULL",
    "UPDATE t AS x SET v = x.v || (SELECT max(o.w) FROM o WHERE o.w <= x.n) WHERE x.n > 5 -- all of them",
    "UPDATE t SET at = datetime('now') WHERE at < CURRENT_TIMESTAMP",
    "DELETE FROM t WHERE n % 2 = 0",
    "DELETE FROM t",
    "UPDATE t SET n = 1 WHERE 0",
];

/// Runs the unit to its end, cut off in all ways. Gives how often it was.
fn through(folder: &Path, unit: &Unit, random: &mut Random, way: Way) -> Result<u32, String> {
    let mut cuts = 0;
    for _ in 0..200 {
        let cx = world(folder, unit);
        let wait = Duration::from_micros(random.below(20_000) as u64);
        let kind = if cuts > 20 { 9 } else { random.below(10) };
        let result = if kind < 5 {
            // The controller is killed.
            let way = if way == Way::Forward { "forward" } else { "undo" };
            let text = serde_json::to_string(&(folder, unit, way)).unwrap();
            let mut controller = testing::controller("sqlite::tests::batches::a_controller", &text);
            let mark = folder.join("begun");
            wait_until("a controller", || mark.exists() || controller.try_wait().unwrap().is_some());
            std::thread::sleep(wait);
            let _ = controller.kill();
            controller.wait().unwrap();
            let _ = std::fs::remove_file(mark);
            cuts += 1;
            let way = if way == "forward" { Way::Forward } else { Way::Undo };
            match runtime().block_on(SqliteDriver::new().inspect(&cx, unit, &Capsule::default(), way)) {
                Found::Applied(_) => return Ok(cuts),
                Found::NotApplied => continue,
                Found::Failed(failure) if failure.retry && failure.effect == Effect::Partial => continue,
                found => return Err(format!("inspect says {found:?}")),
            }
        } else {
            let stopping: Stopping = cx.stopping.clone();
            let stops = kind < 8;
            runtime().block_on(async {
                let stop = async {
                    tokio::time::sleep(wait).await;
                    if stops {
                        stopping.stop();
                    }
                };
                tokio::join!(act(&cx, unit, way), stop).0
            })
        };
        match result {
            Ok(_) => return Ok(cuts),
            Err(failure) if failure.retry => cuts += 1,
            Err(failure) => return Err(format!("{failure:?}")),
        }
    }
    Err("it came to no end".to_owned())
}

async fn act(cx: &Context, unit: &Unit, way: Way) -> Result<windlass_driver::Done, windlass_driver::Failure> {
    let driver = SqliteDriver::new();
    match way {
        Way::Forward => {
            driver.capture(cx, unit).await?;
            driver.apply(cx, unit, &Capsule::default()).await
        }
        Way::Undo => driver.undo(cx, unit, &Capsule::default(), None).await,
    }
}

/// Runs a unit; [`through`] kills it.
#[test]
fn a_controller() {
    let Some(text) = testing::argument() else { return };
    let (folder, unit, way): (std::path::PathBuf, Unit, String) = serde_json::from_str(&text).unwrap();
    let cx = world(&folder, &unit);
    std::fs::write(folder.join("begun"), "").unwrap();
    let way = if way == "forward" { Way::Forward } else { Way::Undo };
    let _ = runtime().block_on(act(&cx, &unit, way));
}

fn generated(seed: u64) -> Result<(), String> {
    let mut random = Random::new(seed);
    let (columns, key, values) = KEYS[random.below(KEYS.len())];
    let statement = STATEMENTS[random.below(STATEMENTS.len())];
    let rows = random.below(90);
    let folder = folder();
    let live = db(folder.path());
    live.execute_batch(&format!(
        "CREATE TABLE o (w INT); INSERT INTO o VALUES (0), (9), (20);
         CREATE TABLE t (n INT DEFAULT 3, v TEXT, at TEXT, {columns}
         );
         WITH RECURSIVE s(g) AS (SELECT 1 UNION ALL SELECT g + 1 FROM s WHERE g < {rows})
         INSERT INTO t (n, v, at, {key}) SELECT g * {} % 47, CASE WHEN g % 5 > 0 THEN 'v' || g END, '2026-01-01', {values} FROM s WHERE g \
         <= {rows};
         CREATE TABLE plain AS SELECT * FROM t; CREATE TABLE first AS SELECT * FROM t;",
        random.below(40) + 1
    ))
    .unwrap();
    if random.below(2) == 0 {
        live.execute_batch("PRAGMA journal_mode = WAL").unwrap();
    }
    let unit = batched(statement, random.below(12) as u64 + 1, hasty());
    let cuts = through(folder.path(), &unit, &mut random, Way::Forward)?;
    let differ = |a: &str, b: &str, but: &str| {
        let at = if statement.contains("now") && but.is_empty() { "at > '2026-02-01'" } else { "at" };
        let list = format!("{key}, n, v, {at}");
        value(
            &live,
            &format!("SELECT count(*) FROM (SELECT {list} FROM {a} EXCEPT SELECT {list} FROM {b}) {but}"),
        )
    };
    let run = statement.replacen(" t ", " plain ", 1).replace("FROM t", "FROM plain");
    live.execute_batch(&run).map_err(|error| format!("{run}: {error}"))?;
    if differ("t", "plain", "") + differ("plain", "t", "") > 0 {
        return Err(format!("{statement} ({cuts} cuts) is not as the plain one"));
    }
    if value(&live, "SELECT count(DISTINCT at) FROM t WHERE at > '2026-02-01'") > 1 {
        return Err("the time is not that of one statement".to_owned());
    }
    if random.below(2) == 0 && !statement.starts_with("DELETE") {
        live.execute_batch("UPDATE t SET n = n + 1000, v = 'theirs', at = '2027-01-01' WHERE n % 4 = 1")
            .unwrap();
    }
    through(folder.path(), &unit, &mut random, Way::Undo)?;
    let (lost, more) = (differ("t", "first", "WHERE v IS NOT 'theirs'"), {
        value(&live, "SELECT (SELECT count(*) FROM t) - (SELECT count(*) FROM first)")
    });
    let theirs =
        value(&live, "SELECT count(*) FROM t WHERE v = 'theirs' AND (n < 1000 OR at <> '2027-01-01')");
    if (lost, more, theirs) != (0, 0, 0) {
        return Err(format!(
            "{statement}: {lost} rows are not as before, {more} more, {theirs} of others spoiled"
        ));
    }
    match value(
        &live,
        "SELECT (SELECT count(*) FROM windlass_ledger) + (SELECT count(*) FROM windlass_batch)",
    ) {
        0 => Ok(()),
        left => Err(format!("{left} rows are left behind")),
    }
}

#[test]
fn generated_batches_are_as_the_plain_statement_wherever_they_are_cut() {
    let chosen = testing::chosen("WINDLASS_SQLITE_BATCH_SEED").and_then(|seed| seed.parse().ok());
    for seed in chosen.map_or(0..SEEDS, |seed| seed..seed + 1) {
        if let Err(why) = generated(seed) {
            panic!("WINDLASS_SQLITE_BATCH_SEED={seed} replays it: {why}");
        }
    }
}

const TABLE: &str = "CREATE TABLE t (id INTEGER PRIMARY KEY, n INT NOT NULL, v TEXT); WITH RECURSIVE s(g) AS (SELECT 1 UNION ALL SELECT g \
                     + 1 FROM s WHERE g < 900) INSERT INTO t SELECT g, 0, 'v' FROM s; CREATE VIEW w AS SELECT * FROM t;";

/// What the text does not tell, the schema does.
#[test]
fn what_the_schema_knows_is_refused_before_anything_runs() {
    let folder = folder();
    db(folder.path())
        .execute_batch(&format!(
            "{TABLE} CREATE TABLE bare (n INT); CREATE TABLE loose (id TEXT PRIMARY KEY, n INT); CREATE TABLE loud (id INTEGER PRIMARY \
             KEY, n INT); CREATE TRIGGER shout AFTER UPDATE ON loud BEGIN DELETE FROM t; END;"
        ))
        .unwrap();
    for (statement, why) in [
        ("UPDATE t SET id = id + 1", "by which its batches go"),
        ("UPDATE t SET rowid = rowid + 1", "by which its batches go"),
        ("UPDATE t SET n = 1 WHERE random() % 2", "random() may answer something else"),
        ("UPDATE t SET n = (SELECT max(n) FROM w)", "no plain table"),
        ("UPDATE bare SET n = 1", "no primary key"),
        ("UPDATE loose SET n = 1", "may hold NULL"),
        ("UPDATE loud SET n = 1", "trigger shout"),
        ("UPDATE w SET n = 1", "no table"),
        ("UPDATE OR REPLACE t SET n = 1", "OR leaves rows out"),
    ] {
        let unit = batched(statement, 10, hasty());
        let cx = world(folder.path(), &unit);
        let failure = runtime().block_on(act(&cx, &unit, Way::Forward)).unwrap_err();
        assert!(failure.message.contains(why) && failure.effect == Effect::None, "{statement}: {failure:?}");
        let survey = runtime().block_on(SqliteDriver::new().survey(&cx, &unit)).unwrap();
        assert!(survey.problems.iter().any(|problem| problem.contains(why)), "{statement}: {survey:?}");
    }
}

/// An error in the middle, a wait without end, conflicts that a person wants to be asked about.
#[test]
fn errors_waits_and_conflicts_are_as_on_servers() {
    let folder = folder();
    let live = db(folder.path());
    live.execute_batch(TABLE).unwrap();
    let run = |cx: &Context, unit: &Unit, way: Way| runtime().block_on(act(cx, unit, way));
    let unit = batched("UPDATE t SET n = CASE id WHEN 700 THEN NULL ELSE 5 END", 100, hasty());
    let cx = world(folder.path(), &unit);
    let failure = run(&cx, &unit, Way::Forward).unwrap_err();
    assert_eq!(failure.effect, Effect::Partial);
    assert!(failure.message.contains("6 batches with 600 rows are committed"), "{failure:?}");
    let undone = run(&cx, &unit, Way::Undo).unwrap();
    assert_eq!((undone.facts["rows"].as_u64(), value(&live, "SELECT sum(n) FROM t")), (Some(600), 0));

    let query = Some("SELECT count(*) FROM t WHERE n = 1".to_owned());
    let unit =
        batched("UPDATE t SET n = n + 1", 100, Throttle { wait_while: query, wait_ms_max: 200, ..hasty() });
    let failure = run(&world(folder.path(), &unit), &unit, Way::Forward).unwrap_err();
    assert!(failure.person && failure.message.contains("`wait_while` says so"), "{failure:?}");
    assert_eq!(value(&live, "SELECT sum(n) FROM t"), 100, "its own first batch made it wait");
    let unit = batched("UPDATE t SET n = n + 1", 100, hasty());
    let mut cx = world(folder.path(), &unit);
    assert_eq!(run(&cx, &unit, Way::Forward).unwrap().facts["rows"], 900);
    assert_eq!(value(&live, "SELECT sum(n) FROM t"), 900);
    live.execute_batch("UPDATE t SET n = 77 WHERE id IN (5, 505, 805)").unwrap();
    cx.on_conflict = OnConflict::Ask;
    let failure = run(&cx, &unit, Way::Undo).unwrap_err();
    assert!(failure.message.contains("3 values were written to since"), "{failure:?}");
    assert_eq!(value(&live, "SELECT count(*) FROM t WHERE n = 1"), 897);
    cx.on_conflict = OnConflict::Keep;
    let undone = run(&cx, &unit, Way::Undo).unwrap();
    assert_eq!((undone.facts["rows"].as_u64(), undone.facts["conflicts"].as_u64()), (Some(897), Some(3)));
    let list = std::fs::read_to_string(cx.workspace.join("conflicts.csv")).unwrap();
    assert_eq!(list.lines().count(), 4, "{list}");
    assert_eq!(value(&live, "SELECT sum(n) FROM t"), 3 * 77);
}
