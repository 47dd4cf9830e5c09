//! Statements on definitions and their way back.

use super::{fine::exact, *};

/// A schema with all that a change can pull along.
const SCHEMA: &str = "
    CREATE TABLE guest (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL COLLATE NOCASE, age INT DEFAULT (1 + 1), -- years
        email TEXT, CHECK (age > 0));
    CREATE UNIQUE INDEX guest_email ON guest (lower(email)) WHERE email IS NOT NULL;
    CREATE INDEX guest_name ON guest (name DESC);
    CREATE TABLE stay (guest INT REFERENCES guest (id) ON DELETE CASCADE, room TEXT, night DATE, price NUMERIC,
        total AS (price * 2), note, PRIMARY KEY (guest, room)) WITHOUT ROWID;
    CREATE TABLE loose (a, b, c); CREATE TABLE \"odd \"\"t\" (\"k k\" TEXT PRIMARY KEY, v, w);
    CREATE VIEW guests AS SELECT g.name, s.room FROM guest g JOIN stay s ON s.guest = g.id;
    CREATE TRIGGER guest_del AFTER DELETE ON guest BEGIN DELETE FROM stay WHERE guest = OLD.id; END;
    CREATE TRIGGER guest_up AFTER UPDATE OF age ON guest BEGIN UPDATE guest SET email = NULL WHERE id = NEW.id; END;
    CREATE TRIGGER stay_in AFTER INSERT ON stay BEGIN UPDATE guest SET age = age + 1 WHERE id = NEW.guest; END;
    CREATE VIRTUAL TABLE words USING fts5 (w, x); INSERT INTO words VALUES ('one two', 'three');
    INSERT INTO guest (name, age, email) VALUES ('Anna', 30, 'a@x'), ('Bo', 2.5, NULL), ('Çelik', 7, 'ç');
    DELETE FROM guest WHERE id = 3; INSERT INTO stay (guest, room, price, note) VALUES (1, 'r1', 9.5, x'00'), (2, 'r2', 7, 'n');
    INSERT INTO loose VALUES (1, 'x', 2), (1, 'x', 3), (NULL, NULL, 4); DELETE FROM loose WHERE c = 2;
    INSERT INTO \"odd \"\"t\" VALUES ('b', 1, 2), ('a', NULL, 3), (NULL, 5, 6), (NULL, 7, 8);";

const CHANGES: [&str; 40] = [
    "CREATE TABLE fresh (id INTEGER PRIMARY KEY AUTOINCREMENT, v)",
    "CREATE TABLE IF NOT EXISTS made AS SELECT * FROM guest",
    "CREATE INDEX loose_a ON loose (a, b COLLATE NOCASE)",
    "CREATE VIEW v2 AS SELECT * FROM guests",
    "CREATE TRIGGER t2 BEFORE INSERT ON loose BEGIN SELECT raise(ABORT, 'no') WHERE NEW.a = 9; END",
    "CREATE VIRTUAL TABLE more USING fts5 (w)",
    "CREATE VIRTUAL TABLE boxes USING rtree (id, x0, x1)",
    "DROP TABLE guest",
    "DROP TABLE stay",
    "DROP TABLE loose",
    "DROP TABLE words",
    "DROP TABLE \"odd \"\"t\"",
    "DROP INDEX guest_email",
    "DROP VIEW guests",
    "DROP TRIGGER guest_del",
    "ALTER TABLE guest RENAME TO visitor",
    "ALTER TABLE stay RENAME TO \"night stay\"",
    "ALTER TABLE words RENAME TO words2",
    "ALTER TABLE guest RENAME COLUMN name TO \"full name\"",
    "ALTER TABLE guest RENAME COLUMN id TO number",
    "ALTER TABLE stay RENAME COLUMN room TO chamber",
    "ALTER TABLE \"odd \"\"t\" RENAME COLUMN \"k k\" TO k",
    "ALTER TABLE guest ADD COLUMN town TEXT NOT NULL DEFAULT 'Köln' /* why */",
    "ALTER TABLE guest ADD COLUMN boss INT REFERENCES guest (id)",
    "ALTER TABLE stay ADD COLUMN half AS (price / 2)",
    "ALTER TABLE loose ADD COLUMN d",
    "ALTER TABLE guest ADD COLUMN plus CHECK (plus > 0)",
    "ALTER TABLE stay DROP COLUMN note",
    "ALTER TABLE stay DROP COLUMN total",
    "ALTER TABLE stay DROP COLUMN night",
    "ALTER TABLE loose DROP COLUMN b",
    "ALTER TABLE loose DROP COLUMN a",
    "ALTER TABLE \"odd \"\"t\" DROP COLUMN w",
    "ALTER TABLE \"odd \"\"t\" DROP v",
    "CREATE TABLE IF NOT EXISTS guest (x)",
    "DROP TABLE IF EXISTS nosuch",
    "ALTER TABLE booking DROP COLUMN seats",
    "ALTER TABLE note DROP COLUMN v",
    "ALTER TABLE note RENAME COLUMN k TO key",
    "DROP TABLE booking",
];

/// The text of every definition and the rows with their row ids.
fn picture(world: &World) -> Vec<String> {
    let db = world.db();
    let list = |sql: &str| -> Vec<String> {
        let mut statement = db.prepare(sql).unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
    };
    let mut lines = list(
        "SELECT type || ' ' || tbl_name || ' ' || coalesce(sql, name) FROM sqlite_schema \
         WHERE tbl_name NOT LIKE 'windlass%' AND name <> 'sqlite_sequence' ORDER BY type, name",
    );
    let tables = list(
        "SELECT name FROM pragma_table_list WHERE type = 'table' AND NOT wr AND name NOT LIKE 'sqlite%' AND name NOT LIKE 'windlass%' ORDER BY name",
    );
    for table in tables {
        lines.extend(list(&format!(
            "SELECT '{table} ' || rowid FROM \"{}\" ORDER BY rowid",
            table.replace('"', "\"\"")
        )));
    }
    lines.extend(list("SELECT 'check ' || integrity_check FROM pragma_integrity_check"));
    lines
}

#[tokio::test]
async fn every_change_of_definitions_comes_back_to_the_letter() {
    for mode in ["wal", "delete"] {
        let units: Vec<Unit> =
            CHANGES.iter().enumerate().map(|(n, change)| exact(&format!("s/{n}"), change)).collect();
        let world = World::new(mode, &units);
        world.exec(SCHEMA);
        for (n, change) in CHANGES.iter().enumerate() {
            let id = format!("s/{n}");
            let (before, lines) = (world.print(), picture(&world));
            world.go(&id).await;
            let nothing = change.contains(" IF ") && !change.contains("made");
            assert_eq!(world.print() == before, nothing, "{change}");
            let way: Option<String> =
                world.db().query_row("SELECT undo FROM windlass_ledger", [], |row| row.get(0)).unwrap();
            assert!(way.as_ref().unwrap().starts_with("{\"fine\""), "{change}: {way:?}");
            // A connection of the service, which has read the schema in between.
            let service = world.db();
            let _: i64 =
                service.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).unwrap();
            let done = world.undo(&id).await.unwrap();
            assert_eq!(before.differences(&world.print()), [""; 0], "{mode}: {change}: {done:?}");
            assert_eq!(picture(&world), lines, "{mode}: {change}");
            let _: i64 = service.query_row("SELECT count(*) FROM note", [], |row| row.get(0)).unwrap();
            if world.int("SELECT count(*) FROM sqlite_schema WHERE name = 'windlass_aside'") > 0 {
                // A table made with rows is set aside when it goes: nothing says that they can be made again.
                let left = world.int("SELECT count(*) FROM windlass_aside WHERE name <> 'made'");
                assert_eq!(left, 0, "{change}");
            }
        }
    }
}

#[tokio::test]
async fn statements_one_upon_the_other_come_back_newest_first() {
    let script = [
        // The twelve steps as a team writes them.
        "CREATE TABLE new_guest (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, born INT)",
        "INSERT INTO new_guest (id, name, born) SELECT id, name, 2000 - age FROM guest",
        "DROP VIEW guests",
        "DROP TRIGGER stay_in",
        "DROP TABLE guest",
        "ALTER TABLE new_guest RENAME TO guest",
        "CREATE INDEX guest_name ON guest (name)",
        "CREATE VIEW guests AS SELECT name, born FROM guest",
        "INSERT INTO guest (name, born) VALUES ('Dora', 1990)",
        "UPDATE guest SET born = born + 1",
        "ALTER TABLE guest RENAME COLUMN born TO year",
        "ALTER TABLE guest ADD COLUMN town DEFAULT 'x'",
        "UPDATE guest SET town = name WHERE id = 1",
        "DROP VIEW guests",
        "ALTER TABLE guest DROP COLUMN year",
        "DELETE FROM guest WHERE id = 2",
        "DROP TABLE guest",
        "ALTER TABLE booking RENAME TO guest",
        "UPDATE guest SET seats = 1",
        "DROP TABLE words",
        "CREATE TABLE words (w)",
        "INSERT INTO words VALUES (1)",
    ];
    let units: Vec<Unit> = script.iter().enumerate().map(|(n, sql)| exact(&format!("s/{n}"), sql)).collect();
    let world = World::new("wal", &units);
    world.exec(SCHEMA);
    let mut pictures = vec![];
    for n in 0..script.len() {
        pictures.push((world.print(), picture(&world)));
        world.go(&format!("s/{n}")).await;
    }
    for n in (0..script.len()).rev() {
        world.undo(&format!("s/{n}")).await.unwrap();
        assert_eq!(pictures[n].0.differences(&world.print()), [""; 0], "{}", script[n]);
        assert_eq!(pictures[n].1, picture(&world), "{}", script[n]);
    }
    assert_eq!(world.int("SELECT count(*) FROM windlass_aside"), 0, "all of it came back");
    assert_eq!(world.int("SELECT count(*) FROM words WHERE words MATCH 'two'"), 1);
}

/// A statement, what others do then, and a query that must give 1 after the undo.
const KEPT: [(&str, &str, &str); 9] = [
    ("CREATE TABLE fresh (v)", "INSERT INTO fresh VALUES (1)", "SELECT count(*) FROM windlass_aside_1"),
    (
        "CREATE TABLE fresh (v)",
        "CREATE INDEX fresh_v ON fresh (v)",
        "SELECT count(*) FROM windlass_aside WHERE name = 'fresh' AND parts LIKE 'CREATE INDEX%' AND why = 'undone'",
    ),
    (
        "ALTER TABLE booking ADD COLUMN paid INT DEFAULT 0",
        "UPDATE booking SET paid = 5 WHERE id = 2",
        "SELECT count(*) FROM windlass_aside_1 WHERE k0 = 2 AND v = 5",
    ),
    (
        "ALTER TABLE booking DROP COLUMN seats",
        "INSERT INTO booking VALUES (9, 'new'); DELETE FROM booking WHERE id = 1; UPDATE booking SET who = 'B' WHERE id = 2",
        "SELECT count(*) = 3 AND sum(seats) = 2 AND max(id) = 9 FROM booking WHERE who <> 'Bo'",
    ),
    (
        "ALTER TABLE booking RENAME TO reservation",
        "INSERT INTO reservation (who) VALUES ('new'); CREATE VIEW all_of AS SELECT who FROM reservation",
        "SELECT count(*) = 4 FROM all_of",
    ),
    (
        "ALTER TABLE booking RENAME COLUMN who TO guest",
        "CREATE INDEX late ON booking (guest, seats)",
        "SELECT count(*) FROM sqlite_schema WHERE name = 'late' AND sql LIKE '%(\"who\", seats)'",
    ),
    ("CREATE INDEX i ON booking (seats)", "DROP INDEX i", "SELECT count(*) = 3 FROM booking"),
    (
        "DROP INDEX booking_who",
        "INSERT INTO booking (who) VALUES ('new')",
        "SELECT count(*) FROM booking INDEXED BY booking_who WHERE who = 'new'",
    ),
    (
        "CREATE VIEW v AS SELECT 1 AS one",
        "INSERT INTO booking (who) VALUES ('x')",
        "SELECT count(*) = 4 FROM booking",
    ),
];

#[tokio::test]
async fn what_others_did_since_is_kept() {
    for (statement, write, query) in KEPT {
        let world = World::new("wal", &[exact("s/1", statement)]);
        world.go("s/1").await;
        world.exec(write);
        world.undo("s/1").await.unwrap();
        assert_eq!(world.int(query), 1, "{statement}");
        assert_eq!(world.int("SELECT count(*) FROM pragma_integrity_check WHERE integrity_check = 'ok'"), 1);
    }
}

/// A statement, what others do then, and why the undo is refused.
const REFUSED: [(&str, &str, &str); 7] = [
    ("DROP TABLE booking", "CREATE TABLE booking (x)", "there is another table booking by now"),
    ("DROP VIEW v0", "CREATE VIEW v0 AS SELECT 2", "view v0 was made anew since"),
    ("CREATE VIEW v AS SELECT 1", "DROP VIEW v; CREATE VIEW v AS SELECT 2", "view v was changed since"),
    (
        "ALTER TABLE booking DROP COLUMN seats",
        "ALTER TABLE booking ADD COLUMN town",
        "table booking was altered since",
    ),
    ("ALTER TABLE booking RENAME TO b", "CREATE TABLE booking (x)", "there is another table booking by now"),
    (
        "ALTER TABLE booking ADD COLUMN paid",
        "CREATE INDEX i ON booking (paid)",
        "error in index i after drop column",
    ),
    ("DROP TABLE note", "DROP TABLE windlass_aside_1", "no longer there"),
];

#[tokio::test]
async fn an_undo_that_would_take_from_others_is_refused_with_the_reason() {
    for (statement, write, why) in REFUSED {
        let world = World::new("wal", &[exact("s/1", statement)]);
        world.exec("CREATE VIEW v0 AS SELECT 1");
        world.go("s/1").await;
        world.exec(write);
        let before = world.print();
        let undone = world.undo("s/1").await;
        let failure = undone.expect_err(statement);
        assert_eq!((failure.effect, failure.retry), (Effect::None, false), "{statement}");
        assert!(failure.message.contains(why), "{statement}: {}", failure.message);
        assert_eq!(world.print(), before, "{statement}");
        assert_eq!(world.inspect("s/1", Way::Undo).await, Found::NotApplied);
    }
}

/// A large table is not built anew under the lock only to prove that it can be.
#[tokio::test]
async fn a_large_table_is_altered_and_comes_back() {
    let world =
        World::new("wal", &[exact("s/1", "ALTER TABLE booking DROP COLUMN seats"), exact("s/2", "ANALYZE")]);
    world.exec(
        "INSERT INTO booking (who, seats) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60000) \
         SELECT 'n' || i, i FROM n",
    );
    let before = world.print();
    world.go("s/1").await;
    world.go("s/2").await;
    assert_eq!(world.int("SELECT count(*) FROM windlass_aside"), 1);
    world.undo("s/2").await.unwrap();
    let done = world.undo("s/1").await.unwrap();
    assert_eq!(before.differences(&world.print()), [""; 0], "{done:?}");
}

#[tokio::test]
async fn what_was_set_aside_is_listed_and_dropped_for_good() {
    let units = [exact("s/1", "DROP TABLE note"), exact("s/2", "ALTER TABLE booking DROP COLUMN seats")];
    let world = World::new("wal", &units);
    let list = crate::sqlite::asides("sqlite:app.db", &world.folder).unwrap();
    assert_eq!(list.list().unwrap(), []);
    world.go("s/1").await;
    world.go("s/2").await;
    world
        .exec("UPDATE windlass_aside SET at = strftime('%Y-%m-%dT%H:%M:%SZ', 'now', '-1 hour') WHERE id = 1");
    let found = list.list().unwrap();
    let names: Vec<_> =
        found.iter().map(|a| (a.kind.as_str(), a.name.as_str(), a.why.as_str(), a.rows)).collect();
    assert_eq!(names, [("table", "note", "dropped", 2), ("column", "booking.seats", "dropped", 3)]);
    assert!((3600..3700).contains(&found[0].age_s) && found[1].age_s < 100, "{found:?}");
    list.drop_for_good(&found[0]).unwrap();
    assert_eq!(list.list().unwrap(), found[1..]);
    assert_eq!(world.int("SELECT count(*) FROM sqlite_schema WHERE name = 'windlass_aside_1'"), 0);
    world.undo("s/2").await.unwrap();
    let failure = world.undo("s/1").await.unwrap_err();
    assert!(failure.message.contains("no longer there (`windlass prune`?)"), "{}", failure.message);
    assert!(crate::sqlite::asides("sqlite:nosuch.db", &world.folder).is_err());
}

#[tokio::test]
async fn a_survey_shows_the_way_back_as_sql_and_changes_nothing() {
    let units = [
        exact("s/1", "CREATE TABLE seat (id INTEGER PRIMARY KEY)"),
        exact("s/2", "ALTER TABLE seat ADD COLUMN row"),
        exact("s/3", "DROP TABLE note"),
        exact("s/4", "ALTER TABLE booking DROP COLUMN seats"),
        exact("s/5", "UPDATE booking SET who = 'x'"),
        exact("s/6", "INSERT INTO words VALUES ('x')"),
    ];
    let world = World::new("wal", &units);
    world.exec("CREATE VIRTUAL TABLE words USING fts5 (w)");
    let before = world.print();
    for (id, lines) in [
        ("s/1", &["undo: DROP TABLE \"seat\" -- set aside instead if it has rows by then"][..]),
        ("s/2", &["undo: ALTER TABLE \"seat\" DROP COLUMN \"row\" -- values written since are set aside"]),
        (
            "s/3",
            &[
                "note is set aside until `windlass prune`",
                "undo: -- \"note\" comes back from where it was set aside, with 0 indexes and triggers",
                "table note: 2 rows now",
            ],
        ),
        (
            "s/4",
            &[
                "booking.seats is set aside until `windlass prune`",
                "undo: -- \"booking\" is built anew with column \"seats\", whose values were set aside",
                "table booking: 3 rows now",
            ],
        ),
        (
            "s/5",
            &[
                "undo: rows of booking are put back where they still hold what this wrote",
                "table booking: 3 rows now",
            ],
        ),
    ] {
        let survey = world.survey(id).await;
        assert_eq!(survey.problems, [""; 0], "{id}");
        assert_eq!(survey.effects[1..], *lines, "{id}");
    }
    assert!(world.survey("s/6").await.effects[1].starts_with("undo: by a copy of the whole database"));
    assert_eq!(world.print(), before);
    assert_eq!(world.int("SELECT count(*) FROM sqlite_schema WHERE name LIKE 'windlass%'"), 0);
}
