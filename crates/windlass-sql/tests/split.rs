//! Splitting by hand-made scripts of each dialect, by generated scripts that SQLite itself splits as well, and by
//! damaged scripts.

mod random;

use random::Random;
use rusqlite::fallible_iterator::FallibleIterator as _;
use windlass_sql::Dialect::{self, Mysql, Postgresql, Sqlite};
use windlass_sql::{Problem, split};

fn texts(script: &str, dialect: Dialect) -> Vec<&str> {
    let (statements, problems) = split(script, dialect);
    assert_eq!(problems, [], "{script}");
    statements.iter().map(|statement| statement.span.of(script)).collect()
}

fn rules(script: &str, dialect: Dialect) -> Vec<(&'static str, String)> {
    let (_, problems) = split(script, dialect);
    problems.iter().map(|problem| (problem.rule, problem.span.of(script).to_owned())).collect()
}

fn rule(rule: &'static str, at: &str) -> Vec<(&'static str, String)> {
    vec![(rule, at.to_owned())]
}

#[test]
fn comments_and_terminators_are_not_part_of_a_statement() {
    for dialect in [Sqlite, Postgresql, Mysql] {
        let script =
            "\u{feff}-- 一\n/* ; */ SELECT 1 /* in */ + 2 -- after\n;;\n\nSELECT ';', \"a;b\" ; -- end";
        assert_eq!(texts(script, dialect), ["SELECT 1 /* in */ + 2", "SELECT ';', \"a;b\""], "{dialect:?}");
        assert_eq!(texts(" \n-- only\n", dialect), [""; 0]);
        assert_eq!(texts("SELECT 'it''s;';SELECT '数据；'", dialect), ["SELECT 'it''s;'", "SELECT '数据；'"]);
    }
}

#[test]
fn postgresql() {
    for (script, expected) in [
        ("DO $$ BEGIN a; END$$; SELECT 1", vec!["DO $$ BEGIN a; END$$", "SELECT 1"]),
        ("SELECT $a$ ; $b$ ; $a$; x", vec!["SELECT $a$ ; $b$ ; $a$", "x"]),
        ("SELECT a$$; SELECT $1; y$$", vec!["SELECT a$$", "SELECT $1", "y$$"]),
        ("SELECT 1$$;$$; x", vec!["SELECT 1$$;$$", "x"]),
        ("SELECT E'\\';', 'a\\'; x", vec!["SELECT E'\\';', 'a\\'", "x"]),
        ("SELECT E'a'\n  'b\\';' ; x", vec!["SELECT E'a'\n  'b\\';'", "x"]),
        ("SELECT e'a' '\\'; x", vec!["SELECT e'a' '\\'", "x"]),
        ("SELECT /* a /* ; */ ; */ 1; x", vec!["SELECT /* a /* ; */ ; */ 1", "x"]),
        (
            "CREATE RULE r AS ON INSERT TO t DO (a; b); x",
            vec!["CREATE RULE r AS ON INSERT TO t DO (a; b)", "x"],
        ),
        (
            "CREATE OR REPLACE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE WHEN a THEN 1 END; SELECT 2; END; x",
            vec![
                "CREATE OR REPLACE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE WHEN a THEN 1 END; SELECT 2; END",
                "x",
            ],
        ),
        ("BEGIN; SELECT 1; END; x", vec!["BEGIN", "SELECT 1", "END", "x"]),
        ("SELECT a[1], 5--3;\n; x", vec!["SELECT a[1], 5", "x"]),
    ] {
        assert_eq!(texts(script, Postgresql), expected, "{script}");
    }
    let script = "COPY t (a) FROM stdin;\n1;\t'x\n\\N\n\\.\nSELECT 1;\nCOPY t TO STDOUT;";
    assert_eq!(texts(script, Postgresql), ["COPY t (a) FROM stdin", "SELECT 1", "COPY t TO STDOUT"]);
    let (statements, _) = split(script, Postgresql);
    assert_eq!(statements[0].data.map(|data| data.of(script)), Some("1;\t'x\n\\N\n"));
    assert_eq!(statements[1].data, None);
}

#[test]
fn mysql() {
    for (script, expected) in [
        ("SELECT 'a\\';', \"b\\\";\"; x", vec!["SELECT 'a\\';', \"b\\\";\"", "x"]),
        ("SELECT `a;``b`; # c;\nx", vec!["SELECT `a;``b`", "x"]),
        ("SELECT 5--3; -- c;\nx", vec!["SELECT 5--3", "x"]),
        ("/*!40101 SET NAMES utf8 */; x", vec!["/*!40101 SET NAMES utf8 */", "x"]),
        ("/* no */ /*!50003 CREATE*/ /*M!100100 x */ y; z", vec!["/*!50003 CREATE*/ /*M!100100 x */ y", "z"]),
        ("SELECT /*+ hint; */ 1; x", vec!["SELECT /*+ hint; */ 1", "x"]),
        ("SELECT /* /* ; */ 1; x", vec!["SELECT /* /* ; */ 1", "x"]),
        (
            "DELIMITER $$\nCREATE TRIGGER t BEGIN a; END$$\nSELECT 1$$ delimiter ;\nx; y",
            vec!["CREATE TRIGGER t BEGIN a; END", "SELECT 1", "x", "y"],
        ),
        ("  delimiter //\nSELECT 1;//\nDELIMITER ;\nx;", vec!["SELECT 1;", "x"]),
        ("DELIMITER ;;\n/*!50003 CREATE*/ a; b */;;\nDELIMITER ;\n", vec!["/*!50003 CREATE*/ a; b */"]),
    ] {
        assert_eq!(texts(script, Mysql), expected, "{script}");
    }
}

#[test]
fn sqlite() {
    let trigger = "CREATE TEMP TRIGGER t AFTER INSERT ON a BEGIN\n  UPDATE b SET c = CASE WHEN 1 THEN 2 END;\n\
                   SELECT 1 /* ; */; -- x\n END";
    let script = format!("{trigger};\nSELECT 2");
    assert_eq!(texts(&script, Sqlite), [trigger, "SELECT 2"]);
    assert_eq!(texts("SELECT [a;b], `c;d`; x", Sqlite), ["SELECT [a;b], `c;d`", "x"]);
    assert_eq!(texts("SELECT 'a\\'; x", Sqlite), ["SELECT 'a\\'", "x"]);
    assert_eq!(texts("BEGIN; SELECT 1; END; x", Sqlite), ["BEGIN", "SELECT 1", "END", "x"]);
    assert_eq!(texts("SELECT t\n.a; x", Sqlite), ["SELECT t\n.a", "x"]);
}

#[test]
fn what_is_never_closed() {
    for (dialect, script, at) in [
        (Sqlite, "SELECT 1; SELECT 'a;\nb", "'"),
        (Sqlite, "SELECT \"a;", "\""),
        (Sqlite, "SELECT [a;", "["),
        (Sqlite, "SELECT 1; /* x ;", "/*"),
        (Sqlite, "CREATE TRIGGER t BEGIN SELECT 1; x", "CREATE"),
        (Postgresql, "SELECT $a$ x $b$", "$"),
        (Postgresql, "SELECT E'\\'", "E"),
        (Postgresql, "/* /* */", "/*"),
        (Postgresql, "SELECT (1; SELECT 2;", "("),
        (Postgresql, "CREATE FUNCTION f() BEGIN ATOMIC a; b", "CREATE"),
        (Mysql, "SELECT `a", "`"),
        (Mysql, "SELECT 'a\\'", "'"),
        (Mysql, "/*!50003 a; b", "/*!50003"),
    ] {
        assert_eq!(rules(script, dialect), rule("sql-unterminated", at), "{script}");
    }
}

#[test]
fn commands_of_client_programs() {
    for (dialect, script, at) in [
        (Sqlite, ".import a.csv t\nSELECT 1;", ".import a.csv t"),
        (Sqlite, ".bail off\nSELECT 1;", ".bail off"),
        (Postgresql, "\\connect biz\nSELECT 1;", "\\connect biz"),
        (Postgresql, "\\set n 1\nSELECT :n;", "\\set n 1"),
        (Postgresql, "\\set ON_ERROR_STOP off\nSELECT 1;", "\\set ON_ERROR_STOP off"),
        (Postgresql, "\\echo `rm x`\nSELECT 1;", "\\echo `rm x`"),
        (Postgresql, "\\timing \\i a.sql\nSELECT 1;", "\\timing \\i a.sql"),
        (Postgresql, "SELECT 1 \\gexec\nSELECT 2", "\\gexec"),
        (Mysql, "SELECT 1\\G\nSELECT 2", "\\G"),
        (Mysql, "source a.sql\nSELECT 1", "source a.sql"),
    ] {
        assert_eq!(rules(script, dialect), rule("sql-client-command", at), "{script}");
        assert!(!split(script, dialect).0.is_empty(), "{script}: the statements are still read");
    }
}

#[test]
fn lines_that_only_change_what_a_client_shows_are_passed_over() {
    for (dialect, script) in [
        (Sqlite, ".bail on\n.mode csv\n.headers on\nSELECT 1;\n.print done\n"),
        (
            Postgresql,
            "\\restrict abc\n\\set ON_ERROR_STOP on\n\\timing\nSELECT 1;\n\\echo done\n\\unrestrict abc\n",
        ),
    ] {
        assert_eq!(rules(script, dialect), [], "{script}");
        assert_eq!(texts(script, dialect), ["SELECT 1"], "{script}");
    }
    // In the middle of a statement it is one of the client.
    assert_eq!(rules("SELECT 1 \\x\n", Postgresql), rule("sql-client-command", "\\x"));
}

#[test]
fn delimiters_and_data_that_are_not_what_they_seem() {
    for script in ["DELIMITER\nSELECT 1", "DELIMITER 12345678901234567\nSELECT 1", "DELIMITER \\\nSELECT 1"] {
        assert_eq!(rules(script, Mysql)[0].0, "sql-delimiter", "{script}");
    }
    assert_eq!(rules("SELECT 1\nDELIMITER //\nx//", Mysql), rule("sql-delimiter", "SELECT 1"));
    assert_eq!(rules("CREATE TRIGGER t BEGIN a; END;", Mysql), rule("sql-delimiter", ";"));
    assert_eq!(rules("CREATE TABLE event (begin INT); x;", Mysql), []);
    assert_eq!(rules("COPY t FROM stdin; 1\n\\.\n", Postgresql)[0], ("sql-copy-data", "1".to_owned()));
    assert_eq!(rules("COPY t FROM stdin;\n1\n2\n", Postgresql), rule("sql-copy-data", "COPY t FROM stdin"));
}

#[test]
fn problems_are_bounded() {
    let (_, problems) = split(&"\\gexec\n".repeat(10_000), Postgresql);
    assert_eq!(problems.len(), 201);
    assert!(problems[200].message.starts_with("9800 more"), "{}", problems[200].message);
}

#[test]
fn repetition_takes_linear_time() {
    // With quadratic time this would not end.
    for piece in [
        "'",
        "$a$ ",
        "$a",
        "/*",
        "E'",
        "(",
        "a;",
        "CREATE TRIGGER x ",
        "COPY t FROM stdin;\n",
        "--\n",
        "[",
        "\n ",
    ] {
        for dialect in [Sqlite, Postgresql, Mysql] {
            let _ = split(&piece.repeat(400_000 / piece.len()), dialect);
        }
    }
}

/// Statements that SQLite can prepare against an empty database, with everything a splitter can stumble over.
fn sqlite_script(random: &mut Random) -> String {
    const STATEMENTS: [&str; 14] = [
        "SELECT 1",
        "SELECT 'a;''b', \"x;\"\"y\" FROM (SELECT 1 AS \"x;\"\"y\")",
        "SELECT 1 AS [c;d], 2 AS `e;``f`",
        "CREATE TABLE t(a, [b;c] TEXT DEFAULT ';')",
        "CREATE TRIGGER tr AFTER INSERT ON k BEGIN UPDATE k SET a = CASE WHEN 1 THEN ';' END; DELETE FROM k; END",
        "CREATE TEMP TRIGGER IF NOT EXISTS \"t;\" BEFORE DELETE ON k BEGIN SELECT 'END;'; /* END; */ SELECT 2; -- ;\n END",
        "create /* ; */ trigger\ntr2 update of a on k when new.a begin insert into k values (1); end",
        "INSERT INTO k VALUES ('数据；'), (x'00')",
        "BEGIN",
        "END",
        "EXPLAIN SELECT ';'",
        "SELECT 5--3;\n",
        "VALUES (1), (/* -- */ 2)",
        "PRAGMA user_version",
    ];
    const GLUE: [&str; 7] = [";", ";\n", " ; -- c;'\n", ";/* ; ' */", ";;", "\n;\n", "; "];
    let mut script = String::new();
    for _ in 0..1 + random.below(6) {
        script.push_str(random.pick(&STATEMENTS));
        script.push_str(random.pick(&GLUE));
    }
    script
}

#[test]
fn sqlite_itself_splits_the_same_way() {
    const SEED: u64 = 1;
    let connection = rusqlite::Connection::open_in_memory().unwrap();
    connection.execute_batch("CREATE TABLE k(a)").unwrap();
    for seed in SEED..SEED + 3_000 {
        let script = sqlite_script(&mut Random(seed));
        let mut expected = Vec::new();
        let mut batch = rusqlite::Batch::new(&connection, &script);
        while let Some(statement) =
            batch.next().unwrap_or_else(|error| panic!("seed {seed}: {error}: {script}"))
        {
            // SQLite keeps what stands around a statement; ours cuts it, and SQLite must read the same either way.
            expected.push(statement.expanded_sql().unwrap_or_default());
        }
        let ours: Vec<&str> = texts(&script, Sqlite);
        assert_eq!(ours.len(), expected.len(), "seed {seed}: {script:?}\n{ours:#?}\n{expected:#?}");
        for (our, its) in ours.iter().zip(&expected) {
            assert!(its.contains(our), "seed {seed}: {its:?} does not hold {our:?}");
        }
    }
}

fn check(script: &str, dialect: Dialect, seed: u64) {
    let (statements, problems) = split(script, dialect);
    let mut last = 0;
    let mut gaps = Vec::new();
    for statement in &statements {
        let span = statement.span;
        assert!(span.start >= last && span.end > span.start, "seed {seed}: order: {script:?}");
        let text =
            script.get(span.start..span.end).unwrap_or_else(|| panic!("seed {seed}: {span:?} {script:?}"));
        assert_eq!(text.trim_start(), text, "seed {seed}: no blanks before it");
        // A quote that is never closed reaches to the end.
        assert!(!problems.is_empty() || text.trim_end() == text, "seed {seed}: no blanks behind it");
        gaps.push(&script[last..span.start]);
        last = statement.data.map_or(span.end, |data| data.end);
        assert!(script.is_char_boundary(last), "seed {seed}");
    }
    gaps.push(&script[last..]);
    for Problem { span, message, help, .. } in &problems {
        assert!(
            script.get(span.start..span.end).is_some() && !message.is_empty() && !help.is_empty(),
            "seed {seed}"
        );
    }
    // Nothing but comments, blanks and terminators is left out. With problems, client commands are left out too.
    if problems.is_empty() && !script.to_ascii_lowercase().contains("delimiter") {
        for gap in gaps {
            let gap = if gap.trim_start().starts_with("\\.") { &gap.trim_start()[2..] } else { gap };
            assert_eq!(split(gap, dialect).0, [], "seed {seed}: {gap:?} was left out of {script:?}");
        }
    }
}

const SCRIPTS: [&str; 3] = [
    "CREATE TABLE t (a);\n-- c\nCREATE TRIGGER x AFTER INSERT ON t BEGIN SELECT 'a;'; END;\n.mode csv\nSELECT [b], `c` /* d */;",
    "DO $$ BEGIN a; END$$;\nSELECT E'\\'', $1 /* a /* b */ */;\nCREATE FUNCTION f() BEGIN ATOMIC a; END;\nCOPY t FROM stdin;\n1\n\\.\n\\q\n数据;",
    "DELIMITER $$\nCREATE TRIGGER t BEGIN a; END$$\nDELIMITER ;\n/*!50003 SET x */; SELECT `a`, \"b\\\"\" # c\n; -- d\nUPDATE t SET 数据 = '；' WHERE a;",
];

#[test]
fn damaged_scripts() {
    const SEED: u64 = 1;
    const JUNK: [&str; 20] = [
        "'", "\"", "`", "$", "$$", "/*", "*/", "/*!", "--", "#", ";", "\\", "(", ")", "\n", "E'", "数",
        "END", "BEGIN", "[",
    ];
    for seed in SEED..SEED + 15_000 {
        let random = &mut Random(seed);
        let mut characters: Vec<char> = random.pick(&SCRIPTS).chars().collect();
        for _ in 0..1 + random.below(5) {
            let from = random.below(characters.len() + 1);
            let to = (from + random.below(10)).min(characters.len());
            match random.below(3) {
                0 => drop(characters.drain(from..to)),
                1 => drop(characters.splice(from..from, random.pick(&JUNK).chars())),
                _ => {
                    let copy: Vec<char> = characters[from..to].to_vec();
                    let at = random.below(characters.len() + 1);
                    characters.splice(at..at, copy);
                }
            }
        }
        let script: String = characters.into_iter().collect();
        for dialect in [Sqlite, Postgresql, Mysql] {
            check(&script, dialect, seed);
        }
    }
}
