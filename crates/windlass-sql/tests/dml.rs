//! The parts of statements on rows, proven by SQLite itself: what `dml` says the condition is must choose the rows that
//! the statement changes; also for statements that were damaged at random, as long as SQLite still accepts them.

mod random;

use Dialect::{Mysql, Postgresql, Sqlite};
use random::Random;
use rusqlite::Connection;
use windlass_sql::{Dialect, DmlKind, Place, dml, identifier, keywords, literal, qualified_names, quote};

fn database() -> rusqlite::Result<Connection> {
    let connection = Connection::open_in_memory()?;
    connection.execute_batch(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a, b, \"where\", [set from]);
             CREATE TABLE u (id INTEGER PRIMARY KEY, a, b, returning_a);
             WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 12)
             INSERT INTO t SELECT i, i % 3, 'x' || i, i % 2, i % 5 FROM n;
             INSERT INTO u SELECT id, a + 1, b, 1 FROM t WHERE id % 2;",
    )?;
    Ok(connection)
}

/// A statement with what its words may hide behind: comments, quotes, nested queries.
fn statement(random: &mut Random) -> String {
    const WITHS: [&str; 4] = [
        "",
        "",
        "WITH w AS (SELECT id FROM u WHERE a > 1)",
        "WITH RECURSIVE w(id) AS (SELECT 1 UNION SELECT id + 2 FROM w WHERE id < 9), \"v;\" AS (SELECT 'WHERE' x)",
    ];
    const TARGETS: [&str; 6] = ["t", "main.t", "\"t\"", "[t]", "main . `t`", "t /* AS x */"];
    const ALIASES: [&str; 4] = ["", "", "AS k", "AS \"set\""];
    const SETS: [&str; 6] = [
        "a = 1",
        "b = 'SET x WHERE y', a = a + 1",
        "(a, b) = (SELECT 1, 'x' WHERE 1)",
        "[set from] = CASE WHEN a THEN 1 ELSE 2 END",
        "\"where\" = a IS DISTINCT FROM 2",
        "a = (SELECT max(a) FROM u WHERE u.b = 'FROM'), b = (1, 2) < (a, 3)",
    ];
    const FROMS: [&str; 3] = ["", "", "FROM (SELECT 1 AS one WHERE 1)"];
    const FILTERS: [&str; 8] = [
        "",
        "WHERE a = 1",
        "WHERE id IN (SELECT id FROM u WHERE a = 2)",
        "WHERE \"where\" OR b LIKE '%1%' -- RETURNING",
        "WHERE a IS DISTINCT FROM 2 AND id > 3",
        "where/**/(id % 4) = 1",
        "WHERE [set from] BETWEEN 1 AND 3",
        "WHERE EXISTS (WITH z AS (SELECT 1) SELECT * FROM z WHERE id > 5)",
    ];
    const RETURNINGS: [&str; 4] = ["", "", "RETURNING id, a AS \"from\"", "returning *"];
    const GLUE: [&str; 5] = [" ", "\n", " /* ; */ ", "\t", " -- WHERE ' \n"];
    let update = random.below(3) > 0;
    let pieces = if update {
        vec![
            random.pick(&WITHS),
            random.pick(&["UPDATE", "update", "UPDATE OR IGNORE", "UPDATE OR ABORT"]),
            random.pick(&TARGETS),
            random.pick(&ALIASES),
            "SET",
            random.pick(&SETS),
            random.pick(&FROMS),
            random.pick(&FILTERS),
            random.pick(&RETURNINGS),
        ]
    } else {
        vec![
            random.pick(&WITHS),
            "DELETE FROM",
            random.pick(&TARGETS),
            random.pick(&ALIASES),
            random.pick(&FILTERS),
            random.pick(&RETURNINGS),
        ]
    };
    let mut text = String::new();
    for piece in pieces.into_iter().filter(|piece| !piece.is_empty()) {
        if !text.is_empty() {
            text.push_str(random.pick(&GLUE));
        }
        text.push_str(piece);
        // A comment to the end of the line must not swallow the rest.
        if piece.contains("--") {
            text.push('\n');
        }
    }
    text
}

/// Runs it and takes it back: the rows that it changed, by what they were before and by key. `None`: not accepted.
fn changed(connection: &Connection, text: &str) -> Option<u64> {
    connection.execute_batch("SAVEPOINT s").ok()?;
    let run = || -> rusqlite::Result<()> {
        let mut statement = connection.prepare(text)?;
        let mut rows = statement.query([])?;
        while rows.next()?.is_some() {}
        Ok(())
    };
    let result = run();
    let count = connection.changes();
    connection.execute_batch("ROLLBACK TO s; RELEASE s").expect("what was run is taken back");
    result.ok().map(|()| count)
}

/// As many rows as the parts of the statement say it changes.
fn predicted(connection: &Connection, text: &str) -> Option<u64> {
    let parts = dml(text, Sqlite)?;
    let of = |span: Option<windlass_sql::Span>| span.map(|span| span.of(text).to_owned());
    assert!(parts.order_limit.is_none());
    let mut query = of(parts.with).unwrap_or_default();
    query += " SELECT count(*) FROM ";
    query += &parts.table.quoted(Sqlite);
    if let Some(alias) = &parts.alias {
        query += &format!(" AS {}", quote(alias, Sqlite));
    }
    if let Some(from) = of(parts.from) {
        query += &format!(", {from}\n");
    }
    if let Some(filter) = of(parts.filter) {
        query += &format!(" WHERE ({filter}\n)");
    }
    let count = connection.query_row(&query, [], |row| row.get::<_, i64>(0));
    Some(count.unwrap_or_else(|error| panic!("{error}: {query:?} from {text:?}")).cast_unsigned())
}

fn compare(connection: &Connection, text: &str, seed: u64) -> Option<()> {
    let changed = changed(connection, text)?;
    let parts = dml(text, Sqlite)?;
    if !matches!(parts.kind, DmlKind::Update | DmlKind::Delete) || parts.order_limit.is_some() {
        return None;
    }
    let predicted = predicted(connection, text)?;
    assert_eq!(predicted, changed, "seed {seed}: {text:?}\n{parts:?}");
    let filter = parts.filter.map(|span| span.of(text)).unwrap_or_default();
    assert_eq!(filter, filter.trim(), "seed {seed}");
    Some(())
}

#[test]
fn the_condition_chooses_the_rows_that_sqlite_changes() {
    const SEED: u64 = 1;
    let connection = database().unwrap();
    for seed in SEED..SEED + 2_000 {
        let text = statement(&mut Random(seed));
        compare(&connection, &text, seed)
            .unwrap_or_else(|| panic!("seed {seed}: {text:?} is not understood"));
    }
}

#[test]
fn a_damaged_statement_that_sqlite_accepts_is_read_right_or_not_at_all() {
    const SEED: u64 = 1;
    const JUNK: [&str; 22] = [
        "WHERE",
        "SET",
        "FROM",
        "AS",
        ",",
        "(",
        ")",
        "RETURNING",
        "id",
        "a",
        "'",
        "/*",
        "--",
        "u",
        "ONLY",
        "NOT",
        "OR",
        ".",
        "\"",
        "LIMIT 1",
        "= 1",
        "WITH",
    ];
    let connection = database().unwrap();
    let mut understood = 0;
    for seed in SEED..SEED + 8_000 {
        let random = &mut Random(seed);
        let text = statement(random);
        let mut words: Vec<&str> = text.split_inclusive([' ', '\n', ',', '=']).collect();
        for _ in 0..1 + random.below(3) {
            let at = random.below(words.len());
            match random.below(3) {
                0 => drop(words.remove(at)),
                1 => words.insert(at, random.pick(&JUNK)),
                _ => {
                    let other = random.below(words.len());
                    words.swap(at, other);
                }
            }
            if words.is_empty() {
                break;
            }
        }
        let glue = random.pick(&["", " "]);
        let text = words.join(glue);
        understood += usize::from(compare(&connection, &text, seed).is_some());
        // The other dialects read it without a panic.
        for dialect in [Postgresql, Mysql] {
            let _ = (dml(&text, dialect), qualified_names(&text, dialect), keywords(&text, dialect, 3));
        }
    }
    assert!(understood > 500, "the test must meet statements that are still right: {understood}");
}

#[test]
fn repetition_takes_linear_time() {
    // With quadratic time this would not end.
    const HEADS: [&str; 6] = [
        "UPDATE t SET ",
        "DELETE FROM t WHERE ",
        "INSERT INTO t SELECT ",
        "UPDATE a JOIN ",
        "WITH ",
        "MERGE INTO t USING s ON ",
    ];
    const PIECES: [&str; 16] = [
        "a = 1, ",
        "(",
        "a.",
        "ON CONFLICT (",
        "ON CONFLICT DO NOTHING ",
        "a JOIN ",
        "WHERE ",
        "x AS (a), ",
        "RETURNING ",
        "CASE ",
        "WHEN MATCHED THEN DELETE ",
        "FROM ",
        "IS DISTINCT FROM ",
        "ON DUPLICATE ",
        "a, ",
        "[1]",
    ];
    for head in HEADS {
        for piece in PIECES {
            let text = format!("{head}{}", piece.repeat(50_000 / piece.len()));
            for dialect in [Sqlite, Postgresql, Mysql] {
                let _ = (dml(&text, dialect), qualified_names(&text, dialect));
            }
        }
    }
    let many: String = (0..40_000).map(|i| format!("c{i} = 1, ")).collect();
    assert_eq!(
        dml(&format!("UPDATE t SET {many}d = 1"), Postgresql),
        None,
        "more columns than a table can have"
    );
}

#[test]
fn names_and_literals_mean_what_they_hold() {
    let connection = Connection::open_in_memory().unwrap();
    for text in ["", "a", "it's", "a\"b", "a\\'b", "数据；", "a\0b", "--", "`"] {
        let expression = literal(text, Sqlite).unwrap();
        let read: String =
            connection.query_row(&format!("SELECT {expression}"), [], |row| row.get(0)).unwrap();
        assert_eq!(read, text, "{expression}");
        if !text.contains('\0') && !text.is_empty() {
            let name = quote(text, Sqlite);
            assert_eq!(identifier(&name, Sqlite), text);
            let statement = connection.prepare(&format!("SELECT 1 AS {name}")).unwrap();
            assert_eq!(statement.column_names().collect::<Vec<_>>(), [text]);
        }
    }
    assert_eq!(literal("a\\'b", Postgresql).as_deref(), Some("E'a\\\\''b'"));
    assert_eq!(literal("a'b", Postgresql).as_deref(), Some("'a''b'"));
    assert_eq!(literal("a\0", Postgresql), None);
    assert_eq!(literal("a\\", Mysql).as_deref(), Some("_utf8mb4 x'615c'"));
    assert_eq!(quote("a`b", Mysql), "`a``b`");
    assert_eq!(
        (identifier("AbÄ", Postgresql), identifier("\"Ab\"", Postgresql)),
        ("abÄ".into(), "Ab".into())
    );
    assert_eq!(identifier("Ab", Mysql), "Ab");
}

/// Each dotted name with its place: `r` relation, `f` routine, `e` expression.
fn dotted(text: &str, dialect: Dialect) -> Vec<String> {
    qualified_names(text, dialect)
        .into_iter()
        .map(|found| {
            let place = match found.place {
                Place::Relation => 'r',
                Place::Routine => 'f',
                Place::Expression => 'e',
            };
            assert_eq!(
                format!("{}{}", found.qualifier.of(text), &text[found.qualifier.end..found.span.end]),
                found.span.of(text)
            );
            assert!(
                found.name.parts.len() > 1 && found.qualifier.of(text).trim_end().ends_with('.'),
                "{text}"
            );
            format!("{place}:{}", found.name)
        })
        .collect()
}

#[test]
fn qualified() {
    for (dialect, text, expected) in [
        (
            Postgresql,
            "SELECT a.b, 1.5, t.* FROM S.t a JOIN \"S\".u ON a.b = s.u.c, s.v WHERE s.f(a.x) > 1e5.2",
            "e:a.b r:s.t r:S.u e:a.b e:s.u.c r:s.v f:s.f e:a.x",
        ),
        (
            Postgresql,
            "UPDATE ONLY s.t SET a = extract(year FROM t.b) FROM s.u, s.w WHERE x IS DISTINCT FROM t.c",
            "r:s.t e:t.b r:s.u r:s.w e:t.c",
        ),
        (
            Postgresql,
            "WITH x AS (DELETE FROM s.a USING s.b WHERE a.i = b.i RETURNING a.j) INSERT INTO s.c (d) SELECT x.j FROM x",
            "r:s.a r:s.b e:a.i e:b.i e:a.j r:s.c e:x.j",
        ),
        (
            Postgresql,
            "CREATE TABLE IF NOT EXISTS s.t (a int REFERENCES s.u (b), c s.e, LIKE s.v)",
            "r:s.t r:s.u e:s.e r:s.v",
        ),
        (Postgresql, "CREATE INDEX CONCURRENTLY i ON ONLY s.t (s.f(a))", "r:s.t f:s.f"),
        (Postgresql, "ALTER TABLE ONLY s.t ADD CONSTRAINT c FOREIGN KEY (a) REFERENCES s.u", "r:s.t r:s.u"),
        (Postgresql, "DROP TABLE IF EXISTS s.t, s.u CASCADE", "r:s.t r:s.u"),
        (Postgresql, "TRUNCATE s.t, s.u", "r:s.t r:s.u"),
        (Postgresql, "COMMENT ON COLUMN s.t.c IS 's.x'", "r:s.t.c"),
        (Postgresql, "CREATE TRIGGER g BEFORE UPDATE OF a ON s.t EXECUTE FUNCTION s.f()", "r:s.t r:s.f"),
        (Postgresql, "DELETE FROM s.t -- s.x\n WHERE a.b /* s.y */", "r:s.t e:a.b"),
        (Mysql, "UPDATE d.t a, `d`.u SET a.x = d.u.y", "r:d.t r:d.u e:a.x e:d.u.y"),
        (Mysql, "DELETE a.* FROM d.t a", "r:d.t"),
        (Sqlite, "INSERT INTO main.t SELECT * FROM (temp.u JOIN main.v)", "r:main.t r:temp.u r:main.v"),
    ] {
        let expected: Vec<_> = expected.split(' ').collect();
        assert_eq!(dotted(text, dialect), expected, "{text}");
    }
    assert_eq!(qualified_names("SELECT a FROM t", Sqlite), []);
    assert_eq!(keywords("/* x */ alter Table t ADD (", Mysql, 9), ["ALTER", "TABLE", "T", "ADD"]);
    assert_eq!(keywords("/*!40101 SET a */", Mysql, 1), ["SET"]);
}
