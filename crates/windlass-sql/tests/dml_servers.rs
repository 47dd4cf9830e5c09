//! The parts of statements on rows, proven by PostgreSQL and MariaDB: what `dml` says the condition is must choose as many
//! rows as the statement changes; also for statements that were damaged at random, as long as the server accepts them.

mod random;

use random::Random;
use windlass_lab::{Flavor, server};
use windlass_sql::Dialect::{self, Mysql, Postgresql};
use windlass_sql::{DmlKind, Span, dml, quote};

/// What each part of a statement may be.
struct Grammar {
    withs: &'static [&'static str],
    updates: &'static [&'static str],
    deletes: &'static [&'static str],
    targets: &'static [&'static str],
    aliases: &'static [&'static str],
    sets: &'static [&'static str],
    froms: &'static [&'static str],
    filters: &'static [&'static str],
    tails: &'static [&'static str],
}

const POSTGRESQL: Grammar = Grammar {
    withs: &[
        "",
        "",
        "WITH w AS (SELECT id FROM u WHERE a > 1)",
        "WITH RECURSIVE w(id) AS (SELECT 1 UNION SELECT id + 2 FROM w WHERE id < 9), \"v;\" AS NOT MATERIALIZED (SELECT 'WHERE' x)",
    ],
    updates: &["UPDATE", "update", "UPDATE ONLY"],
    deletes: &["DELETE FROM", "delete from only"],
    targets: &["t", "public.t", "\"t\"", "T", "public . t", "t *", "t /* AS /* x */ */"],
    aliases: &["", "AS k", "k", "AS \"set\""],
    sets: &[
        "a = 1",
        "b = E'SET \\' WHERE y', a = a + 1",
        "(a, b) = (SELECT 1, 'x' WHERE true)",
        "\"where\" = CASE WHEN a > 1 THEN 1 ELSE 2 END",
        "f = a IS DISTINCT FROM 2",
        "a = (SELECT max(a) FROM u WHERE u.b = 'FROM')",
        "c[1] = 5, b = $$WHERE ' $$",
        "a = extract(year FROM now())::int",
        "b = substring('WHERE' FROM 2), f = false",
    ],
    froms: &["", "", "FROM (SELECT 1 AS one WHERE true) o", "FROM (VALUES (1)) AS \"from\"(x)"],
    filters: &[
        "",
        "WHERE a = 1",
        "WHERE id IN (SELECT id FROM u WHERE a = 2)",
        "WHERE f OR b LIKE '%1%' -- RETURNING\n",
        "WHERE a IS DISTINCT FROM 2 AND id > 3",
        "where/**/(id % 4) = 1",
        "WHERE \"where\" BETWEEN 1 AND 3",
        "WHERE c = ARRAY[1, 2] OR c[1] = 3",
        "WHERE b ~ $x$^x[12]$x$",
    ],
    tails: &["", "", "RETURNING id, a AS \"from\"", "returning *"],
};

const MARIADB: Grammar = Grammar {
    withs: &[""],
    updates: &["UPDATE", "update LOW_PRIORITY", "UPDATE IGNORE"],
    deletes: &["DELETE FROM", "DELETE QUICK IGNORE FROM"],
    targets: &["t", "`t`", "t /* AS x */", "# a\nt"],
    aliases: &["", "AS k", "k", "AS `set`"],
    sets: &[
        "a = a + 1000",
        "b = 'SET \\' WHERE y', a = a + 1000",
        "`where` = `where` + 1000 + CASE WHEN a > 1 THEN 1 ELSE 2 END",
        "a = 1000 + id, b = \"WHERE \\\" x\"",
        "a = a + 1000 -- WHERE\n",
    ],
    froms: &[""],
    filters: &[
        "",
        "WHERE a = 1",
        "WHERE id IN (SELECT id FROM u WHERE a = 2)",
        "WHERE f OR b LIKE '%1%' -- LIMIT\n",
        "WHERE NOT a <=> 2 AND id > 3",
        "where/**/(id % 4) = 1",
        "WHERE `where` BETWEEN 1 AND 3",
        "WHERE b = \"x1\" OR b = 'it''s'",
    ],
    tails: &["", "", "ORDER BY id LIMIT 3", "LIMIT 2", "ORDER BY b DESC"],
};

fn statement(grammar: &Grammar, random: &mut Random) -> String {
    const GLUE: [&str; 4] = [" ", "\n", " /* ; */ ", "\t"];
    let pieces = if random.below(3) > 0 {
        vec![
            random.pick(grammar.withs),
            random.pick(grammar.updates),
            random.pick(grammar.targets),
            random.pick(grammar.aliases),
            "SET",
            random.pick(grammar.sets),
            random.pick(grammar.froms),
            random.pick(grammar.filters),
            random.pick(grammar.tails),
        ]
    } else {
        vec![
            random.pick(grammar.withs),
            random.pick(grammar.deletes),
            random.pick(grammar.targets),
            random.pick(grammar.aliases),
            random.pick(grammar.filters),
            random.pick(grammar.tails),
        ]
    };
    let mut text = String::new();
    for piece in pieces.into_iter().filter(|piece| !piece.is_empty()) {
        if !text.is_empty() {
            text.push_str(random.pick(&GLUE));
        }
        text.push_str(piece);
    }
    text
}

fn damage(text: &str, random: &mut Random) -> String {
    const JUNK: [&str; 18] = [
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
        "u",
        "ONLY",
        "NOT",
        ".",
        "LIMIT 1",
        "= 1",
        "IGNORE",
        "USING",
    ];
    let mut words: Vec<&str> = text.split_inclusive([' ', '\n', ',', '=']).collect();
    for _ in 0..1 + random.below(2) {
        let (at, other) = (random.below(words.len()), random.below(words.len()));
        match random.below(3) {
            0 if words.len() > 1 => drop(words.remove(at)),
            1 => words.insert(at, random.pick(&JUNK)),
            _ => words.swap(at, other),
        }
    }
    words.join(" ")
}

/// A query for as many rows as the parts of the statement say it changes; `None`: it is not understood.
fn predicted(text: &str, dialect: Dialect) -> Option<String> {
    let parts = dml(text, dialect)?;
    if !matches!(parts.kind, DmlKind::Update | DmlKind::Delete) || parts.multi_table {
        return None;
    }
    let of = |span: Option<Span>| span.map(|span| span.of(text));
    let mut query = of(parts.with).unwrap_or_default().to_owned();
    query += "\nSELECT count(*) FROM (SELECT 1 AS one FROM ";
    query += if parts.only { "ONLY " } else { "" };
    query += &parts.table.quoted(dialect);
    if let Some(alias) = &parts.alias {
        query += &format!(" AS {}", quote(alias, dialect));
    }
    if let Some(from) = of(parts.from) {
        query += &format!(", {from}\n");
    }
    if let Some(filter) = of(parts.filter) {
        query += &format!(" WHERE ({filter}\n)");
    }
    query += &format!(" {}\n) AS counted", of(parts.order_limit).unwrap_or_default());
    Some(query)
}

/// Statements by seed: the seed, the statement, the query that counts its rows.
fn statements(
    grammar: &Grammar,
    dialect: Dialect,
    seeds: std::ops::Range<u64>,
) -> Vec<(u64, String, String)> {
    let mut found = Vec::new();
    for seed in seeds {
        let mut text = statement(grammar, &mut Random(seed));
        if seed % 3 == 0 {
            let query = predicted(&text, dialect)
                .unwrap_or_else(|| panic!("seed {seed}: {text:?} is not understood"));
            found.push((seed, text, query));
        } else {
            text = damage(&text, &mut Random(seed + 1_000_000));
            found.extend(predicted(&text, dialect).map(|query| (seed, text, query)));
        }
    }
    found
}

/// What the server says: the seed, the rows that the statement changed, the rows that the query counted. A refusal is -1.
fn judge(answer: &str, statements: &[(u64, String, String)], accepted_min: usize) {
    let mut accepted = 0;
    let mut lines = 0;
    for line in answer.lines().filter_map(|line| line.strip_prefix("row ")) {
        let numbers: Vec<i64> = line.split(' ').map(|number| number.parse().unwrap_or(-2)).collect();
        let [index, changed, counted] = numbers[..] else { panic!("{line}") };
        let (seed, text, query) = &statements[usize::try_from(index).unwrap_or_default()];
        lines += 1;
        if changed >= 0 {
            assert_eq!(changed, counted, "seed {seed}: {text:?}\ncounted by {query:?}");
            accepted += 1;
        }
    }
    assert_eq!(lines, statements.len(), "{answer}");
    assert!(accepted >= accepted_min, "the test must meet statements that are still right: {accepted}");
}

#[test]
fn the_condition_chooses_the_rows_that_postgresql_changes() {
    let found = statements(&POSTGRESQL, Postgresql, 1..3_000);
    let mut script = String::from(
        "CREATE TABLE t (id int PRIMARY KEY, a int, b text, \"where\" int, c int[], f bool);
         CREATE TABLE u (id int PRIMARY KEY, a int, b text);
         INSERT INTO t SELECT i, i % 3, 'x' || i, i % 2, ARRAY[i, 2], i % 2 = 0 FROM generate_series(1, 12) i;
         INSERT INTO u SELECT id, a + 1, b FROM t WHERE id % 2 = 1;
         CREATE TABLE result (i int, changed bigint, counted bigint);\n",
    );
    for (index, (_, text, query)) in found.iter().enumerate() {
        script += &format!(
            "DO $do$ DECLARE n bigint := -1; m bigint := -1; BEGIN
               BEGIN EXECUTE $q${text}$q$; GET DIAGNOSTICS n = ROW_COUNT; RAISE EXCEPTION USING ERRCODE = 'ZZ001';
               EXCEPTION WHEN SQLSTATE 'ZZ001' THEN NULL; WHEN OTHERS THEN n := -1; END;
               BEGIN EXECUTE $q${query}$q$ INTO m; EXCEPTION WHEN OTHERS THEN m := -1; END;
               INSERT INTO result VALUES ({index}, n, m); END $do$;\n"
        );
    }
    script += "SELECT 'row ' || i || ' ' || changed || ' ' || counted FROM result ORDER BY i;";
    judge(&server(Flavor::Postgres15).database().run(&script), &found, 900);
}

#[test]
fn the_condition_chooses_the_rows_that_mariadb_changes() {
    let found = statements(&MARIADB, Mysql, 1..2_000);
    let mut script = String::from(
        "SET NAMES utf8mb4;
         CREATE TABLE t (id INT PRIMARY KEY, a INT, b TEXT, `where` INT, f BOOL) ENGINE=InnoDB;
         CREATE TABLE u (id INT PRIMARY KEY, a INT, b TEXT) ENGINE=InnoDB;
         INSERT INTO t SELECT seq, seq % 3, CONCAT('x', seq), seq % 2, seq % 2 = 0 FROM seq_1_to_12;
         INSERT INTO u SELECT id, a + 1, b FROM t WHERE id % 2;
         CREATE TRIGGER updated BEFORE UPDATE ON t FOR EACH ROW SET @hits = @hits + 1;
         CREATE TRIGGER deleted BEFORE DELETE ON t FOR EACH ROW SET @hits = @hits + 1;\nDELIMITER //\n",
    );
    // Triggers count the rows that are met: `ROW_COUNT()` leaves out those that stay the same.
    let text_of = |text: &str| format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"));
    for (index, (_, text, query)) in found.iter().enumerate() {
        let query = query.replacen("SELECT count(*)", "SELECT count(*) INTO @m", 1);
        script += &format!(
            "BEGIN NOT ATOMIC DECLARE CONTINUE HANDLER FOR SQLEXCEPTION SET @bad = 1;
               SET @bad = 0, @hits = 0, @n = -1, @m = -1; START TRANSACTION; EXECUTE IMMEDIATE {}; SET @n = @hits;
               IF @bad THEN SET @n = -1; END IF; ROLLBACK; EXECUTE IMMEDIATE {};
               SELECT CONCAT('row {index} ', @n, ' ', @m); END//\n",
            text_of(text),
            text_of(&query)
        );
    }
    judge(&server(Flavor::Mariadb).database().run(&script), &found, 500);
}
