//! What a statement means for the version before, and statements damaged at random.

use windlass_sql::Compatibility::{Breaking, Contract, Expand, Neutral};
use windlass_sql::Dialect::{self, Mysql, Postgresql, Sqlite};
use windlass_sql::{
    Change, ColumnType, Ddl, Judged, Live, LiveColumn, LiveIndex, LiveTable, ObjectName, Product, Server,
    column_type, compatibility, ddl, is_free_change, judge, postgres_locks, predict,
};

#[test]
fn expand_contract_breaking() {
    for (dialect, statement, expected) in [
        (Postgresql, "CREATE TABLE t (a int)", Expand),
        (Postgresql, "ALTER TABLE t ADD a int", Expand),
        (Postgresql, "ALTER TABLE t ADD a int NOT NULL DEFAULT 1", Expand),
        (Postgresql, "ALTER TABLE t ADD a bigserial", Expand),
        (Postgresql, "ALTER TABLE t ADD a int NOT NULL", Breaking),
        (Mysql, "ALTER TABLE t ADD a int NOT NULL DEFAULT NULL", Breaking),
        (Postgresql, "ALTER TABLE t ADD a int, DROP b", Contract),
        (Postgresql, "ALTER TABLE t ADD a int, RENAME b TO c", Breaking),
        (Postgresql, "ALTER TABLE t RENAME TO u", Breaking),
        (Mysql, "RENAME TABLE t TO u", Breaking),
        (Mysql, "ALTER TABLE t CHANGE a b INT", Breaking),
        (Mysql, "ALTER TABLE t MODIFY a INT NOT NULL", Contract),
        (Mysql, "ALTER TABLE t MODIFY a INT", Neutral),
        (Mysql, "ALTER TABLE t COMMENT 'x', ADD INDEX k (a)", Neutral),
        (Postgresql, "ALTER TABLE t ALTER a TYPE bigint", Breaking),
        (Postgresql, "ALTER TABLE t ALTER a SET NOT NULL", Contract),
        (Postgresql, "ALTER TABLE t ALTER a DROP NOT NULL", Expand),
        (Postgresql, "ALTER TABLE t ADD CHECK (a > 0) NOT VALID", Contract),
        (Postgresql, "ALTER TABLE t DROP CONSTRAINT c", Expand),
        (Postgresql, "DROP TABLE t", Contract),
        (Postgresql, "DROP VIEW v", Contract),
        (Postgresql, "DROP INDEX i", Neutral),
        (Sqlite, "CREATE UNIQUE INDEX i ON t (a)", Contract),
        (Sqlite, "CREATE INDEX i ON t (a)", Neutral),
        (Postgresql, "ALTER TYPE e ADD VALUE 'x'", Expand),
        (Postgresql, "ALTER TYPE e RENAME VALUE 'x' TO 'y'", Breaking),
        (Postgresql, "ALTER SCHEMA a RENAME TO b", Breaking),
        (Postgresql, "UPDATE t SET a = 1", Neutral),
        (Postgresql, "what is this", Neutral),
    ] {
        assert_eq!(compatibility(statement, dialect), expected, "{statement}");
    }
}

#[test]
fn the_catalog_decides_what_is_taken_away() {
    let column = |name: &str, kind: &str, not_null: bool| LiveColumn {
        name: name.to_owned(),
        kind: column_type(kind, Mysql),
        not_null,
        ..LiveColumn::default()
    };
    let code = LiveIndex { columns: vec!["code".into()], unique: true, usable: true, ..LiveIndex::default() };
    let table = LiveTable {
        name: ObjectName { parts: vec!["t".into()] },
        columns: vec![
            column("short", "varchar(10)", false),
            column("code", "varchar(10)", true),
            column("n", "int(11)", false),
            column("state", "enum('a','b')", false),
        ],
        indexes: vec![code],
        ..LiveTable::default()
    };
    let mut live = Live { tables: vec![table], ..Live::default() };
    // Without the catalog, whether that is certain, and with it.
    for (dialect, change, offline, certain, with) in [
        (Postgresql, "ALTER short TYPE varchar(20)", Breaking, false, Expand),
        (Postgresql, "ALTER short TYPE varchar(5)", Breaking, false, Breaking),
        (Postgresql, "ALTER n TYPE bigint", Breaking, false, Breaking),
        (Postgresql, "ALTER code SET NOT NULL", Contract, false, Neutral),
        (Postgresql, "ALTER short SET NOT NULL", Contract, false, Contract),
        (Postgresql, "ADD UNIQUE (code, n)", Contract, false, Neutral),
        (Postgresql, "ADD UNIQUE (n)", Contract, false, Contract),
        (Postgresql, "ADD CONSTRAINT u UNIQUE USING INDEX i", Neutral, true, Neutral),
        (Postgresql, "DROP short, ALTER n TYPE bigint", Breaking, false, Breaking),
        (Postgresql, "RENAME short TO long", Breaking, true, Breaking),
        (Mysql, "MODIFY short VARCHAR(20)", Neutral, false, Expand),
        (Mysql, "MODIFY short VARCHAR(5)", Neutral, false, Breaking),
        (Mysql, "MODIFY code VARCHAR(10) NOT NULL", Contract, false, Neutral),
        (Mysql, "MODIFY n INT", Neutral, false, Neutral),
        (Mysql, "MODIFY n INT UNSIGNED", Neutral, false, Breaking),
        (Mysql, "MODIFY n INT NOT NULL", Contract, false, Contract),
        (Mysql, "MODIFY state ENUM('a','b','c')", Neutral, false, Expand),
        (Mysql, "MODIFY state ENUM('b','a')", Neutral, false, Breaking),
        (Mysql, "ADD x INT NOT NULL", Breaking, true, Breaking),
    ] {
        let ddl = ddl(&format!("ALTER TABLE t {change}"), dialect).unwrap();
        assert_eq!(judge(&ddl, None), Judged { meaning: offline, certain }, "{change}");
        assert_eq!(judge(&ddl, Some(&live)), Judged { meaning: with, certain: true }, "{change}");
    }
    let index = ddl("CREATE UNIQUE INDEX i ON t (n, code)", Mysql).unwrap();
    assert_eq!(judge(&index, Some(&live)).meaning, Neutral, "the code alone is unique");
    live.settings.insert("sql_mode".into(), "NO_ENGINE_SUBSTITUTION".into());
    let add = ddl("ALTER TABLE t ADD x INT NOT NULL", Mysql).unwrap();
    assert_eq!(judge(&add, Some(&live)).meaning, Expand, "without strict mode a zero is filled in");
}

#[test]
fn types_that_change_for_free() {
    let kind = |text: &str| match ddl(&format!("ALTER TABLE t ALTER a TYPE {text}"), Postgresql) {
        Some(Ddl::AlterTable(alter)) => match alter.changes.into_iter().next() {
            Some(Change::SetType { kind, .. }) => kind,
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    };
    let free = |from: &str, to: &str| {
        let (from, to): (ColumnType, ColumnType) = (kind(from), kind(to));
        is_free_change(&from, &to)
    };
    for (from, to) in [
        ("varchar(5)", "character varying(9)"),
        ("varchar(5)", "text"),
        ("text", "varchar"),
        ("varchar", "text"),
        ("numeric(5,2)", "numeric(7,2)"),
        ("numeric(5)", "numeric"),
        ("int", "int4"),
        ("timestamptz", "timestamp with time zone"),
    ] {
        assert!(free(from, to), "{from} to {to}");
    }
    for (from, to) in [
        ("varchar(9)", "varchar(5)"),
        ("varchar", "varchar(5)"),
        ("text", "varchar(5)"),
        ("int", "bigint"),
        ("numeric(5,2)", "numeric(7,3)"),
        ("numeric", "numeric(5)"),
        ("text", "text[]"),
        ("char(5)", "varchar(9)"),
    ] {
        assert!(!free(from, to), "{from} to {to}");
    }
}

#[test]
fn older_mysql_is_predicted_by_its_manual() {
    let clauses = |change: &str, version| {
        let found = ddl(&format!("ALTER TABLE t {change}"), Mysql).unwrap();
        let server = Server { product: Product::Mysql, version };
        predict(&found, server, None)
            .map_or_else(|| "unknown".to_owned(), |found| found.clauses(Product::Mysql))
    };
    for (change, v8_0_11, v8_0_30) in [
        ("ADD a INT", "ALGORITHM=INPLACE, LOCK=NONE", "ALGORITHM=INSTANT"),
        ("ADD a INT FIRST", "ALGORITHM=INPLACE, LOCK=NONE", "ALGORITHM=INSTANT"),
        ("DROP a", "ALGORITHM=INPLACE, LOCK=NONE", "ALGORITHM=INSTANT"),
        ("RENAME COLUMN a TO b", "ALGORITHM=INPLACE, LOCK=NONE", "ALGORITHM=INSTANT"),
        ("ALTER a SET DEFAULT 1", "ALGORITHM=INSTANT", "ALGORITHM=INSTANT"),
        ("ADD INDEX i (a)", "ALGORITHM=INPLACE, LOCK=NONE", "ALGORITHM=INPLACE, LOCK=NONE"),
        ("ADD FULLTEXT i (a)", "ALGORITHM=INPLACE, LOCK=SHARED", "ALGORITHM=INPLACE, LOCK=SHARED"),
        ("DROP PRIMARY KEY", "ALGORITHM=COPY, LOCK=SHARED", "ALGORITHM=COPY, LOCK=SHARED"),
        (
            "ADD a INT, DROP PRIMARY KEY, ADD PRIMARY KEY (b)",
            "ALGORITHM=INPLACE, LOCK=NONE",
            "ALGORITHM=INPLACE, LOCK=NONE",
        ),
        ("PARTITION BY HASH (a)", "ALGORITHM=COPY, LOCK=SHARED", "ALGORITHM=COPY, LOCK=SHARED"),
        ("MODIFY a BIGINT", "unknown", "unknown"),
    ] {
        assert_eq!(
            (clauses(change, (8, 0, 11)), clauses(change, (8, 0, 30))),
            (v8_0_11.into(), v8_0_30.into()),
            "{change}"
        );
    }
}

fn below(state: &mut u64, bound: usize) -> usize {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    ((z ^ (z >> 31)) % bound as u64) as usize
}

fn read_all(text: &str, dialect: Dialect) {
    let Some(found) = ddl(text, dialect) else { return };
    let server = Server { product: Product::Mysql, version: (9, 0, 0) };
    let _ = (postgres_locks(&found, None), predict(&found, server, None), compatibility(text, dialect));
}

#[test]
fn damaged_statements() {
    const STATEMENTS: [&str; 4] = [
        "ALTER TABLE ONLY a.b ADD CONSTRAINT c FOREIGN KEY (d) REFERENCES e (f) ON DELETE CASCADE NOT VALID , DROP COLUMN g",
        "ALTER TABLE `a` ADD COLUMN `b` ENUM ( 'x' , 'y' ) NOT NULL DEFAULT ( uuid ( ) ) AFTER `c` , ALGORITHM = INPLACE",
        "CREATE TABLE t ( a int PRIMARY KEY , b numeric ( 8 , 2 ) DEFAULT - 1 , UNIQUE KEY k ( a ( 5 ) ) ) ENGINE = InnoDB",
        "CREATE UNIQUE INDEX CONCURRENTLY i ON t USING btree ( a , lower ( b ) ) WHERE c",
    ];
    const SEED: u64 = 1;
    for seed in SEED..SEED + 6_000 {
        let mut state = seed;
        let mut words: Vec<&str> = STATEMENTS[below(&mut state, 4)].split(' ').collect();
        for _ in 0..1 + below(&mut state, 5) {
            let (at, other) = (below(&mut state, words.len()), below(&mut state, words.len()));
            match below(&mut state, 3) {
                0 if words.len() > 1 => drop(words.remove(at)),
                1 => words.insert(at, words[other]),
                _ => words.swap(at, other),
            }
        }
        let text = words.join(" ");
        for dialect in [Sqlite, Postgresql, Mysql] {
            read_all(&text, dialect);
        }
    }
}

#[test]
fn repetition_takes_linear_time() {
    // With quadratic time this would not end.
    const HEADS: [&str; 5] =
        ["ALTER TABLE t ", "CREATE TABLE t (", "CREATE DOMAIN d AS int ", "CREATE ", "DROP TABLE "];
    const PIECES: [&str; 14] = [
        "ADD a int, ",
        "a int, ",
        "CHECK ",
        "DEFAULT 1 ",
        "CONSTRAINT a ",
        "UNIQUE ",
        "(",
        "a.",
        "a, ",
        "TEMP ",
        "DEFINER = ",
        "REFERENCES a ",
        "ON DELETE SET ",
        "ENGINE=a ",
    ];
    for head in HEADS {
        for piece in PIECES {
            let text = format!("{head}{}", piece.repeat(50_000 / piece.len()));
            for dialect in [Sqlite, Postgresql, Mysql] {
                read_all(&text, dialect);
                read_all(&format!("{text})"), dialect);
            }
        }
    }
}
