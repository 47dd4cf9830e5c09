//! The fine undo: rows are put back one by one, and what others have written stays.

use super::*;
use windlass_driver::OnConflict;

pub(super) fn exact(id: &str, statement: &str) -> Unit {
    let unit = sql(id, statement);
    Unit { undo: Undo { class: Class::Exact, ..unit.undo }, ..unit }
}

async fn undo(world: &World, id: &str, on_conflict: OnConflict) -> Result<Done, Failure> {
    let unit = world.unit(id);
    let cx = Context { on_conflict, ..world.cx(&unit) };
    world.driver.undo(&cx, &unit, &Capsule::default(), None).await
}

fn conflicts(world: &World) -> String {
    fs::read_to_string(world.folder.join(".work/s-1/conflicts.csv")).unwrap()
}

/// Tables of all kinds that SQLite has.
const TABLES: &str = "
    CREATE TABLE plain (a, b, c);
    INSERT INTO plain VALUES (1, 'x', NULL), (1, 'x', NULL), (2.5, x'00ff', 'y');
    CREATE TABLE \"odd name\"\"\" (\"rowid\" TEXT, \"a b\" REAL, \"größe\" INT, UNIQUE (\"rowid\" COLLATE NOCASE));
    INSERT INTO \"odd name\"\"\" VALUES ('A', 3, 4), (NULL, 1, 2), (NULL, 1, 2);
    CREATE TABLE counted (id INTEGER PRIMARY KEY AUTOINCREMENT, v UNIQUE);
    INSERT INTO counted (v) VALUES ('one'), ('two'), ('three'); DELETE FROM counted WHERE v = 'three';
    CREATE TABLE made (id INTEGER PRIMARY KEY, n INT, double INT AS (n * 2) STORED, half AS (n / 2.0));
    INSERT INTO made (n) VALUES (1), (2), (3);
    CREATE TABLE strict (k TEXT, n INTEGER, PRIMARY KEY (k, n)) STRICT, WITHOUT ROWID;
    INSERT INTO strict VALUES ('a', 1), ('a', 2), ('b', 1);
    CREATE TABLE replaced (id INTEGER PRIMARY KEY ON CONFLICT REPLACE, u UNIQUE ON CONFLICT REPLACE, t);
    INSERT INTO replaced VALUES (1, 'one', 'x'), (2, 'two', 'y'), (3, 'three', 'z');
    CREATE TABLE noted (id INTEGER PRIMARY KEY, v, changed INT DEFAULT 0);
    CREATE TABLE log (at INTEGER PRIMARY KEY, what);
    CREATE TRIGGER noted_up AFTER UPDATE OF v ON noted BEGIN
        UPDATE noted SET changed = changed + 1 WHERE id = NEW.id;
        INSERT INTO log (what) VALUES (OLD.v || '>' || NEW.v);
    END;
    CREATE TRIGGER noted_del AFTER DELETE ON noted BEGIN INSERT INTO log (what) VALUES ('del'); END;
    INSERT INTO noted (v) VALUES ('p'), ('q');
    CREATE VIEW seen AS SELECT id, v FROM noted;
    CREATE TRIGGER seen_in INSTEAD OF INSERT ON seen BEGIN
        INSERT INTO noted (id, v) VALUES (NEW.id, NEW.v);
        UPDATE plain SET c = NEW.v;
    END;
    ALTER TABLE plain ADD COLUMN late TEXT DEFAULT 'späť';
    INSERT INTO plain (a) VALUES ('new');";

/// Every kind of change of rows, on every kind of table.
const CHANGES: [&str; 33] = [
    "UPDATE plain SET c = a",
    "UPDATE plain SET late = NULL WHERE a = 1",
    "DELETE FROM plain",
    "DELETE FROM plain WHERE rowid = 2",
    "INSERT INTO plain SELECT * FROM plain",
    "UPDATE plain SET rowid = rowid + 10",
    "UPDATE \"odd name\"\"\" SET \"a b\" = \"a b\" / 3, \"größe\" = 'text'",
    "UPDATE \"odd name\"\"\" SET \"rowid\" = lower(\"rowid\")",
    "DELETE FROM \"odd name\"\"\" WHERE _rowid_ > 1",
    "INSERT INTO counted (v) VALUES ('x'), ('y')",
    "DELETE FROM counted",
    "UPDATE counted SET id = id + 1 WHERE v = 'two'",
    "UPDATE counted SET id = -id",
    "INSERT INTO counted (v) VALUES ('one'), ('four') ON CONFLICT (v) DO UPDATE SET v = v || '!'",
    "INSERT OR IGNORE INTO counted (v) VALUES ('one'), ('five')",
    "UPDATE made SET n = n + 1",
    "INSERT INTO made (n) VALUES (7)",
    "DELETE FROM made WHERE double = 4",
    "UPDATE strict SET n = n + 10",
    "UPDATE strict SET k = 'z' WHERE k = 'b'",
    "DELETE FROM strict WHERE k = 'a'",
    "INSERT INTO strict VALUES ('c', 1)",
    "REPLACE INTO replaced VALUES (1, 'two', 'new')",
    "INSERT INTO replaced VALUES (9, 'one', 'new')",
    "UPDATE replaced SET u = 'one' WHERE id = 3",
    "UPDATE replaced SET id = 1 WHERE id = 3",
    "UPDATE noted SET v = v || v",
    "DELETE FROM noted",
    "INSERT INTO seen VALUES (7, 'seven')",
    "WITH n AS (SELECT id FROM noted) UPDATE noted SET v = 'w' FROM n WHERE n.id = noted.id RETURNING id",
    "UPDATE booking SET seats = 2 * seats WHERE who <> 'nobody'",
    "UPDATE note SET k = v, v = k",
    "PRAGMA user_version = 7",
];

#[tokio::test]
async fn every_change_of_rows_is_put_back_exactly() {
    for mode in ["wal", "delete"] {
        let units: Vec<Unit> =
            CHANGES.iter().enumerate().map(|(n, change)| exact(&format!("s/{n}"), change)).collect();
        let world = World::new(mode, &units);
        world.exec(TABLES);
        let mut prints = vec![];
        // Each alone, then all of them one upon the other.
        for (n, change) in CHANGES.iter().enumerate() {
            let before = world.print();
            assert_eq!(world.int("SELECT max(rowid) FROM plain"), 4);
            world.go(&format!("s/{n}")).await;
            let renumbered = change.contains("rowid = rowid");
            assert!(renumbered || world.print() != before, "{change}: it changes something");
            assert!(!renumbered || world.int("SELECT max(rowid) FROM plain") == 14);
            let done = world.undo(&format!("s/{n}")).await.unwrap();
            assert_eq!(before.differences(&world.print()), [""; 0], "{mode}: {change}: {done:?}");
            assert_eq!(done.facts["conflicts"], 0, "{change}");
        }
        for n in 0..CHANGES.len() {
            prints.push(world.print());
            world.go(&format!("s/{n}")).await;
        }
        for n in (0..CHANGES.len()).rev() {
            world.undo(&format!("s/{n}")).await.unwrap();
            let found = prints[n].differences(&world.print());
            assert_eq!(found, [""; 0], "{mode}: {}", CHANGES[n]);
            assert!(matches!(world.inspect(&format!("s/{n}"), Way::Undo).await, Found::Applied(_)));
        }
        let files = files_of(&world.folder.join(".work"));
        assert_eq!(files, 0, "small changes leave no files");
    }
}

fn files_of(folder: &Path) -> usize {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| if entry.path().is_dir() { files_of(&entry.path()) } else { 1 }).sum()
}

/// A statement, what others write then, what must be there after the undo (one booking for each condition), the conflicts.
type Case = (&'static str, &'static str, &'static [&'static str], &'static str);

const CASES: [Case; 9] = [
    (
        "UPDATE booking SET seats = 9",
        "UPDATE booking SET seats = 5 WHERE id = 1; UPDATE booking SET who = 'Bob' WHERE id = 2; DELETE FROM booking \
             WHERE id = 3; INSERT INTO booking (id, who, seats) VALUES (4, 'new', 9)",
        &["id = 1 AND seats = 5", "id = 2 AND who = 'Bob' AND seats = 2", "id = 4 AND seats = 9"],
        "booking,id=3,seats,,9,\r\nbooking,id=1,seats,1,9,5\r\n",
    ),
    (
        "DELETE FROM booking WHERE id < 3",
        "INSERT INTO booking (id, who) VALUES (2, 'new')",
        &["id = 1", "id = 2 AND who = 'new'"],
        "booking,id=2,\"\",\"id=2, who=Bo, seats=2\",,\"id=2, who=new, seats=NULL\"\r\n",
    ),
    (
        "INSERT INTO booking (who) VALUES ('a'), ('b')",
        "UPDATE booking SET seats = 1 WHERE who = 'b'",
        &["id = 5 AND seats = 1"],
        "booking,id=5,seats,,,1\r\n",
    ),
    ("INSERT INTO booking (who) VALUES ('a'), ('b')", "DELETE FROM booking WHERE who = 'b'", &[], ""),
    (
        "UPDATE booking SET id = id + 10",
        "INSERT INTO booking (id, who) VALUES (1, 'new')",
        &["id = 1 AND who = 'new'", "id = 11 AND seats = 1", "id = 2"],
        "booking,id=11,id,1,11,11\r\n",
    ),
    (
        "UPDATE booking SET seats = 4 WHERE id = 2",
        "UPDATE booking SET seats = 2 WHERE id = 2",
        &["id = 2 AND seats = 2"],
        "booking,id=2,seats,2,4,2\r\n",
    ),
    (
        "UPDATE plain SET c = 'w'",
        "UPDATE plain SET a = 9 WHERE rowid = 1",
        &["id = 1"],
        "plain,rowid=1,a,1,1,9\r\n",
    ),
    (
        "UPDATE counted SET v = 'w' WHERE id = 1",
        "INSERT INTO counted (v) VALUES ('one')",
        &[],
        "counted,id=1,v,one,w,w\r\n",
    ),
    ("PRAGMA user_version = 3", "PRAGMA user_version = 4", &[], ""),
];

#[tokio::test]
async fn what_others_wrote_stays_and_is_listed() {
    for (statement, write, kept, listed) in CASES {
        for policy in [OnConflict::Keep, OnConflict::Ask] {
            let world = World::new("wal", &[exact("s/1", statement)]);
            world.exec(TABLES);
            world.go("s/1").await;
            world.exec(write);
            let before = world.print();
            if policy == OnConflict::Ask && !listed.is_empty() {
                let failure = undo(&world, "s/1", policy).await.unwrap_err();
                assert_eq!((failure.effect, failure.retry), (Effect::None, false));
                assert!(failure.hints[0].contains("--on-conflict=keep"), "{failure:?}");
                assert_eq!(world.print(), before, "{statement}");
                assert_eq!(world.inspect("s/1", Way::Undo).await, Found::NotApplied);
            } else {
                let done = undo(&world, "s/1", policy).await.unwrap();
                for condition in kept {
                    let found = world.int(&format!("SELECT count(*) FROM booking WHERE {condition}"));
                    assert_eq!(found, 1, "{statement}: {condition}");
                }
                assert_eq!(done.facts["conflicts"], listed.matches("\r\n").count(), "{statement}");
                let found = world.inspect("s/1", Way::Undo).await;
                let Found::Applied(found) = found else { panic!("{found:?}") };
                assert_eq!(found.effects.len(), usize::from(!listed.is_empty()), "told after a crash too");
            }
            if !listed.is_empty() {
                assert_eq!(
                    conflicts(&world),
                    format!("table,key,column,before,wrote,now\r\n{listed}"),
                    "{statement}"
                );
            }
        }
    }
}

#[tokio::test]
async fn force_puts_back_what_others_have_changed_and_lists_it() {
    let world = World::new("wal", &[exact("s/1", "UPDATE booking SET seats = 9")]);
    let before = world.print();
    world.go("s/1").await;
    world.exec("UPDATE booking SET seats = 5 WHERE id = 1");
    undo(&world, "s/1", OnConflict::Force).await.unwrap();
    assert_eq!(world.print(), before);

    let world = World::new("wal", &[exact("s/1", "DELETE FROM booking")]);
    let before = world.print();
    world.go("s/1").await;
    world.exec("INSERT INTO booking (id, who) VALUES (2, 'new')");
    undo(&world, "s/1", OnConflict::Force).await.unwrap();
    assert_eq!(world.print(), before);
}

/// Rows that were renumbered are not taken for others.
#[tokio::test]
async fn rows_renumbered_by_vacuum_are_found_by_their_key_or_left_alone() {
    let units = [exact("s/1", "UPDATE keyed SET v = 0"), exact("s/2", "UPDATE bare SET v = 0")];
    let world = World::new("wal", &units);
    world.exec(
        "CREATE TABLE keyed (k TEXT PRIMARY KEY, v); INSERT INTO keyed VALUES ('a', 1), ('b', 2), ('c', 3);
         CREATE TABLE bare (k, v); INSERT INTO bare VALUES ('a', 1), ('b', 2), ('c', 3);
         DELETE FROM keyed WHERE k = 'a'; DELETE FROM bare WHERE k = 'a'",
    );
    world.go("s/1").await;
    world.go("s/2").await;
    world.exec("VACUUM");
    assert_eq!(world.int("SELECT min(rowid) FROM bare"), 1, "renumbered");
    let done = world.undo("s/2").await.unwrap();
    assert_eq!(done.facts["rows"], 0, "{done:?}");
    assert_eq!(world.int("SELECT sum(v) FROM bare"), 0);
    let done = world.undo("s/1").await.unwrap();
    assert_eq!(done.facts, json!({ "rows": 2, "conflicts": 0 }));
    assert_eq!(world.int("SELECT v FROM keyed WHERE k = 'c'"), 3);
}

#[tokio::test]
async fn many_rows_go_through_a_file_that_is_checked() {
    let many = "INSERT INTO booking (who, seats) WITH RECURSIVE n(i) AS \
                (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) SELECT 'n' || i, i FROM n";
    let world = World::new("wal", &[exact("s/1", many), exact("s/2", "UPDATE booking SET seats = -seats")]);
    let start = world.print();
    world.go("s/1").await;
    let middle = world.print();
    world.go("s/2").await;
    world.undo("s/2").await.unwrap();
    assert_eq!(world.print(), middle);
    let file = world.folder.join(".work/s-1/rows.images");
    let mut bytes = fs::read(&file).unwrap();
    bytes[5000] ^= 1;
    fs::write(&file, &bytes).unwrap();
    let failure = world.undo("s/1").await.unwrap_err();
    assert_eq!(failure.effect, Effect::None);
    assert!(failure.message.contains("was changed"), "{}", failure.message);
    assert_eq!(world.print(), middle);
    bytes[5000] ^= 1;
    fs::write(&file, &bytes).unwrap();
    world.undo("s/1").await.unwrap();
    assert_eq!(world.print(), start);
}

/// What cannot be saved row by row falls back to a copy, and that is put back only while nobody has written.
#[tokio::test]
async fn what_cannot_be_fine_is_undone_by_a_copy() {
    let setup = "CREATE VIRTUAL TABLE words USING fts5 (w); INSERT INTO words VALUES ('one two');
         CREATE TABLE t (id INTEGER PRIMARY KEY, v); INSERT INTO t VALUES (1, 'a');
         CREATE TABLE gone (id); CREATE TRIGGER t_del AFTER DELETE ON t BEGIN INSERT INTO gone VALUES (OLD.id); END;
         CREATE TABLE hidden (rowid, _rowid_, oid); INSERT INTO hidden VALUES (1, 2, 3)";
    for statement in
        ["INSERT INTO words VALUES ('three')", "REPLACE INTO t VALUES (1, 'b')", "UPDATE hidden SET oid = 4"]
    {
        let world = World::new("wal", &[exact("s/1", statement)]);
        world.exec(setup);
        let before = world.print();
        world.go("s/1").await;
        assert_eq!(world.int("SELECT count(*) FROM gone"), 0, "no trigger sees more than without Windlass");
        world.undo("s/1").await.unwrap();
        assert_eq!(world.print(), before, "{statement}");
        world.go("s/1").await;
        world.exec("INSERT INTO booking (who) VALUES ('since')");
        let failure = world.undo("s/1").await.unwrap_err();
        assert!(failure.message.contains("written by others"), "{statement}: {}", failure.message);
    }
}

/// What others wrote to a table of the release is set aside by its undo; a copy from before does not have it.
#[tokio::test]
async fn what_was_set_aside_for_others_is_not_lost_with_a_copy_put_back() {
    let units = [
        exact("s/1", "UPDATE OR REPLACE t SET id = 1"),
        exact("s/2", "CREATE TABLE \"mä de\" (k TEXT PRIMARY KEY COLLATE NOCASE, n REAL, m AS (n * 2))"),
        exact("s/3", "ALTER TABLE booking ADD COLUMN paid"),
        exact("s/4", "DROP TABLE note"),
    ];
    for mode in MODES {
        let world = World::new(mode, &units);
        world.exec(
            "CREATE TABLE t (id INTEGER PRIMARY KEY, v); INSERT INTO t VALUES (1, 'a'), (2, 'b');
             CREATE TRIGGER t_del AFTER DELETE ON t BEGIN SELECT 1; END",
        );
        let (before, start) = (world.print(), world.unit("s/4"));
        // From an earlier release; its number is taken in the copy.
        world.exec("CREATE TABLE windlass_aside_1 (old)");
        for id in ["s/1", "s/2", "s/3"] {
            world.go(id).await;
        }
        world.exec(
            "DROP TABLE windlass_aside_1; INSERT INTO \"mä de\" (rowid, k, n) VALUES (7, 'of others', 1.5)",
        );
        world.exec("UPDATE booking SET paid = 'yes' WHERE id = 2");
        for id in ["s/3", "s/2", "s/1"] {
            world.undo(id).await.unwrap();
        }
        assert_eq!(before.differences(&world.print()), [""; 0], "{mode}");
        let held = |name: &str, condition: &str| {
            let sql = format!("SELECT stored FROM windlass_aside WHERE name = '{name}' AND why = 'undone'");
            let stored: String = world.db().query_row(&sql, [], |row| row.get(0)).unwrap();
            world.int(&format!("SELECT count(*) FROM {stored} WHERE {condition}"))
        };
        assert_eq!(held("mä de", "rowid = 7 AND k = 'OF OTHERS' AND m = 3.0"), 1, "{mode}");
        assert_eq!(held("booking.paid", "k0 = 2 AND v = 'yes'"), 1, "{mode}");
        assert_eq!(
            world.int("SELECT count(*) FROM windlass_aside_1"),
            0,
            "{mode}: the old one is still there"
        );
        assert!(!world.cx(&start).workspace.with_file_name("s-1").join("restore.db").exists());
        // Nothing stands in the way of the next release.
        world.go("s/4").await;
        world.undo("s/4").await.unwrap();
        assert_eq!(before.differences(&world.print()), [""; 0], "{mode}");
    }
}

/// Rows made again would move the counter of `AUTOINCREMENT` on, also where the statement left it alone.
#[tokio::test]
async fn counters_are_what_they_were_before_and_those_of_others_stay() {
    let units = [
        exact("s/1", "DELETE FROM counted"),
        exact("s/2", "UPDATE counted SET id = 2"),
        exact("s/3", "ALTER TABLE counted DROP COLUMN w"),
    ];
    let world = World::new("wal", &units);
    let seq = || world.int("SELECT seq FROM sqlite_sequence WHERE name = 'counted'");
    world.exec(
        "CREATE TABLE counted (id INTEGER PRIMARY KEY AUTOINCREMENT, v); INSERT INTO counted VALUES (9, 'a');
         UPDATE sqlite_sequence SET seq = 4 WHERE name = 'counted'",
    );
    for id in ["s/1", "s/2"] {
        world.go(id).await;
        world.undo(id).await.unwrap();
        assert_eq!(seq(), 4, "{id}");
    }
    // A table without rows is built anew.
    world.exec("ALTER TABLE counted ADD COLUMN w; DELETE FROM counted; DELETE FROM sqlite_sequence");
    world.go("s/3").await;
    world.undo("s/3").await.unwrap();
    assert_eq!(world.int("SELECT count(*) FROM sqlite_sequence"), 0);
    world.exec("INSERT INTO counted VALUES (3, 'a', NULL); UPDATE sqlite_sequence SET seq = 4");
    world.go("s/1").await;
    world.exec("INSERT INTO counted (v) VALUES ('since'); DELETE FROM counted");
    world.undo("s/1").await.unwrap();
    assert_eq!(seq(), 5);
}

/// The copy of an earlier try holds the same rows, and a ledger that is no longer true.
#[tokio::test]
async fn a_copy_with_another_ledger_is_made_anew() {
    let units = [
        exact("s/1", "ALTER TABLE booking DROP COLUMN seats"),
        exact("s/2", "UPDATE OR REPLACE t SET id = 1"),
    ];
    let world = World::new("wal", &units);
    world.exec(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, v); INSERT INTO t VALUES (1, 'a'), (2, 'b');
         CREATE TRIGGER t_del AFTER DELETE ON t BEGIN SELECT 1; END",
    );
    let before = world.print();
    for _ in 0..2 {
        world.go("s/1").await;
        world.go("s/2").await;
        world.undo("s/2").await.unwrap();
        world.undo("s/1").await.unwrap();
        assert_eq!(before.differences(&world.print()), [""; 0]);
        // What the column holds will be set aside under another number.
        world.exec("CREATE TABLE IF NOT EXISTS windlass_aside_1 (v)");
    }
}

#[tokio::test]
async fn a_schema_changed_since_is_a_clean_failure_with_a_way_out() {
    let world = World::new("wal", &[exact("s/1", "UPDATE booking SET seats = 1")]);
    world.go("s/1").await;
    world.exec("ALTER TABLE booking RENAME COLUMN seats TO places");
    let before = world.print();
    let failure = world.undo("s/1").await.unwrap_err();
    assert_eq!(failure.effect, Effect::None);
    assert!(failure.message.contains("no such column: seats"), "{}", failure.message);
    assert_eq!(world.print(), before);
    world.exec("ALTER TABLE booking RENAME COLUMN places TO seats");
    world.undo("s/1").await.unwrap();
}

#[tokio::test]
async fn a_full_disk_of_the_workspace_is_a_clean_failure() {
    let Some(disk) = crate::testing::SmallDisk::mount("sqlite: a_full_disk_of_the_workspace") else { return };
    let many = "INSERT INTO booking (who) WITH RECURSIVE n(i) AS \
                (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000) SELECT 'n' || i FROM n";
    let world = World::new("wal", &[exact("s/1", many)]);
    let start = world.print();
    let unit = world.unit("s/1");
    let cx = Context { workspace: disk.0.path().join("w"), ..world.cx(&unit) };
    let failure = world.driver.apply(&cx, &unit, &Capsule::default()).await.unwrap_err();
    assert_eq!((failure.effect, failure.retry), (Effect::None, true), "{}", failure.message);
    assert!(failure.message.contains("cannot be saved"), "{}", failure.message);
    assert_eq!(world.print(), start);
    assert_eq!(files_of(disk.0.path()), 0, "nothing left over");
    world.go("s/1").await;
    world.undo("s/1").await.unwrap();
    assert_eq!(world.print(), start);
}

/// A row that others refer to is not taken away, nor what it refers to; one that was replaced is.
#[tokio::test]
async fn rows_that_others_built_upon_are_kept_and_listed() {
    let setup = "CREATE TABLE a (id INTEGER PRIMARY KEY, code TEXT COLLATE NOCASE UNIQUE, up INT REFERENCES a ON DELETE CASCADE);
        CREATE TABLE b (id INTEGER PRIMARY KEY, code TEXT REFERENCES a (code) ON DELETE CASCADE);
        CREATE TABLE k (x INT, y INT, PRIMARY KEY (x, y)) WITHOUT ROWID;
        CREATE TABLE c (x INT, y INT, FOREIGN KEY (x, y) REFERENCES k ON DELETE SET NULL);
        INSERT INTO a VALUES (1, 'one', NULL); INSERT INTO b VALUES (1, 'ONE');";
    let tree = "INSERT INTO a VALUES (10, 'ten', 12), (11, 'eleven', 10), (12, 'twelve', NULL), (13, 'self', 13), (14, 'x', 1)";
    for (statement, others, left, count) in [
        (tree, "SELECT 1", "1", 0),
        (tree, "INSERT INTO a VALUES (99, 'z', 11)", "1 10 11 12 99", 3),
        (tree, "INSERT INTO b VALUES (2, 'SELF')", "1 13", 1),
        (tree, "UPDATE a SET code = 'mine' WHERE id = 11", "1 10 11 12", 3),
        ("REPLACE INTO a VALUES (1, 'one', 1)", "SELECT 1", "1", 0),
        ("INSERT INTO k VALUES (1, 2), (2, 3)", "INSERT INTO c VALUES (2, 3), (NULL, 2)", "1", 1),
    ] {
        for force in [OnConflict::Keep, OnConflict::Force] {
            if force == OnConflict::Force && others.starts_with("UPDATE") {
                continue;
            }
            let world = World::new("wal", &[exact("s/1", statement)]);
            world.db().execute_batch(setup).unwrap();
            world.go("s/1").await;
            world.db().execute_batch(&format!("PRAGMA foreign_keys = ON; {others}")).unwrap();
            let done = undo(&world, "s/1", force).await.unwrap();
            let ids = "SELECT group_concat(id, ' ' ORDER BY id) FROM a";
            let ids: String = world.db().query_row(ids, [], |row| row.get(0)).unwrap();
            assert_eq!(ids, left, "{statement}; {others}: {done:?}");
            assert_eq!(done.facts["conflicts"], count, "{statement}; {others}: {done:?}");
            assert_eq!(world.int("SELECT count(*) FROM pragma_foreign_key_check"), 0, "{others}");
            assert_eq!(world.int("SELECT up IS NULL FROM a WHERE id = 1"), 1, "replaced, and back");
            if others.contains("INTO c") {
                assert_eq!(world.int("SELECT x FROM k"), 2);
                assert!(conflicts(&world).contains("rows of c refer to it"), "{}", conflicts(&world));
            }
        }
    }
}
