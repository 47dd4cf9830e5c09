//! Folders of every tool, and anything at all.

use super::*;
use windlass_sql::Dialect;

const DIALECTS: [Dialect; 3] = [Dialect::Sqlite, Dialect::Postgresql, Dialect::Mysql];

fn files(list: &[(&str, &str)]) -> Vec<SourceFile> {
    list.iter()
        .map(|(name, text)| SourceFile { name: (*name).into(), line: 1, text: (*text).into() })
        .collect()
}

fn read(list: &[(&str, &str)]) -> Folder {
    let files = files(list);
    let tools = detect(&files);
    read_folder(&files, tools[0], Dialect::Sqlite)
}

fn versions(folder: &Folder) -> Vec<&str> {
    folder.migrations.iter().map(|migration| migration.version.as_str()).collect()
}

fn rules(findings: &[FolderFinding]) -> Vec<&str> {
    findings.iter().map(|finding| finding.rule.as_str()).collect()
}

fn downs(folder: &Folder) -> String {
    let letter = |migration: &Migration| match migration.down {
        Down::Missing => 'm',
        Down::Empty(_) => 'e',
        Down::Script(_) => 's',
    };
    folder.migrations.iter().map(letter).collect()
}

#[test]
fn each_tool_is_known_by_its_names_or_marks() {
    for (list, tools) in [
        (vec![("000001_a.up.sql", "")], vec![Tool::GolangMigrate]),
        (vec![("20240101000000_a.up.sql", "")], vec![Tool::Sqlx, Tool::GolangMigrate]),
        (vec![("20240101000000_a.sql", "SELECT 1")], vec![Tool::Sqlx, Tool::Plain]),
        (vec![("20240101000000_a.sql", "-- migrate:up\n")], vec![Tool::Dbmate]),
        (vec![("1_a.sql", "-- +goose Up\n")], vec![Tool::Goose]),
        (vec![("a.sql", "\n--liquibase formatted sql\n")], vec![Tool::Liquibase]),
        (vec![("2024-01-01-000000_a/up.sql", "")], vec![Tool::Diesel]),
        (vec![("sub/V1_2__a.sql", "")], vec![Tool::Flyway]),
        (vec![("R__views.sql", "")], vec![Tool::Flyway]),
        (vec![("001_a.sql", "")], vec![Tool::Plain]),
        (vec![("readme.md", "")], vec![]),
    ] {
        assert_eq!(detect(&files(&list)), tools, "{list:?}");
    }
}

#[test]
fn numbers_order_as_numbers_and_downs_find_their_ups() {
    let folder = read(&[
        ("10_c.up.sql", "CREATE TABLE c (x);"),
        ("9_b.up.sql", "CREATE TABLE b (x);"),
        ("000001_a.up.sql", "CREATE TABLE a (x);"),
        ("000001_a.down.sql", "DROP TABLE a;"),
        ("9_b.down.sql", "-- nothing\n"),
        ("11_d.down.sql", "DROP TABLE d;"),
        ("notes.sql", "SELECT 1"),
    ]);
    assert_eq!(versions(&folder), ["1", "9", "10"]);
    assert_eq!(downs(&folder), "sem");
    assert_eq!(rules(&folder.findings), ["migration-without-up", "migration-name"]);
}

#[test]
fn two_files_of_one_version_are_an_error() {
    for list in [
        [("1_a.up.sql", ""), ("01_b.up.sql", "")],
        [("V1__a.sql", ""), ("V1.0__b.sql", "")],
        [("20240101000000_a.sql", "-- migrate:up\n"), ("20240101000000_b.sql", "-- migrate:up\n")],
    ] {
        assert!(rules(&read(&list).findings).contains(&"migration-duplicate"), "{list:?}");
    }
}

#[test]
fn sections_of_dbmate_keep_their_lines() {
    let text =
        "-- a note\n-- migrate:up transaction:false\nCREATE TABLE a (x);\n\n-- migrate:down\nDROP TABLE a;\n";
    let folder = read(&[("20240101000000_make_a.sql", text)]);
    let migration = &folder.migrations[0];
    assert_eq!((migration.name.as_str(), migration.up.line), ("make a", 3));
    assert_eq!(statements(&migration.up, Dialect::Sqlite), [(3, "CREATE TABLE a (x)".to_owned())]);
    let Down::Script(down) = &migration.down else { panic!("{:?}", migration.down) };
    assert_eq!(statements(down, Dialect::Sqlite), [(6, "DROP TABLE a".to_owned())]);
    let wrong = read(&[
        ("1_a.sql", "CREATE TABLE z (x);\n-- migrate:up\n"),
        ("2_b.sql", "-- migrate:down\n-- migrate:up\n"),
    ]);
    assert_eq!(rules(&wrong.findings), ["migration-section", "migration-section"]);
}

#[test]
fn bodies_of_goose_stay_whole_in_every_dialect() {
    let text = "-- +goose Up\n-- +goose StatementBegin\nCREATE TRIGGER t AFTER INSERT ON a FOR EACH ROW BEGIN\n\
                UPDATE a SET x = 1; UPDATE a SET y = 2;\nEND;\n-- +goose StatementEnd\nSELECT 1;\n\
                -- +goose Down\nDROP TRIGGER t;\n";
    for dialect in [Dialect::Sqlite, Dialect::Mysql] {
        let folder = read_folder(&files(&[("1_a.sql", text)]), Tool::Goose, dialect);
        assert_eq!(folder.findings, [], "{dialect:?}");
        let up = statements(&folder.migrations[0].up, dialect);
        assert_eq!(up.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [3, 7], "{dialect:?} {up:?}");
        assert!(up[0].1.contains("y = 2"), "{up:?}");
    }
    let open = read(&[
        ("1_a.sql", "-- +goose Up\n-- +goose StatementBegin\nSELECT 1;\n-- +goose ENVSUB ON\n"),
        ("2_b.go", ""),
    ]);
    assert_eq!(rules(&open.findings), ["migration-section", "migration-section", "migration-in-go"]);
}

#[test]
fn changesets_of_liquibase() {
    let text = "--liquibase formatted sql\n\n--changeset ann:1 labels:x\nCREATE TABLE a (x);\n--rollback DROP TABLE a;\n\
                --changeset bob:2 dbms:postgresql\nCREATE TABLE b (x);\n--changeset ann:3\nCREATE TABLE c (x);\n--rollback empty\n\
                --changeset ann:4\nCREATE TABLE d (x);\n/* liquibase rollback\nDROP TABLE d;\n*/\n--changeset ann:5\nSELECT 1;\n";
    let folder = read(&[("a.sql", text)]);
    assert_eq!(versions(&folder), ["ann:1", "ann:3", "ann:4", "ann:5"], "bob's is for another database");
    assert_eq!(downs(&folder), "sesm");
    let Down::Script(down) = &folder.migrations[0].down else { panic!() };
    assert_eq!(statements(down, Dialect::Sqlite), [(5, "DROP TABLE a".to_owned())]);
    let Down::Script(down) = &folder.migrations[2].down else { panic!() };
    assert_eq!(statements(down, Dialect::Sqlite), [(14, "DROP TABLE d".to_owned())]);
    let unread = read(&[(
        "a.sql",
        "--liquibase formatted sql\n--changeset a:1\n--preconditions onFail:HALT\nSELECT 1;\n--changeset x\n",
    )]);
    assert_eq!(rules(&unread.findings), ["migration-section", "migration-section"]);
}

#[test]
fn flyway_orders_by_parts_and_repeats_last() {
    let folder = read(&[
        ("R__views.sql", "CREATE VIEW v AS SELECT 1;"),
        ("V1_10__c.sql", ""),
        ("V1_2__b.sql", ""),
        ("V1__a.sql", ""),
        ("U1__a.sql", "DROP TABLE a;"),
        ("V2__d.sql", "INSERT INTO t VALUES ('${x}');"),
        ("B1__base.sql", ""),
    ]);
    assert_eq!(versions(&folder), ["1", "1.2", "1.10", "2", "views"]);
    assert_eq!(downs(&folder), "smmmm");
    assert_eq!(rules(&folder.findings), ["migration-baseline", "migration-placeholder"]);
}

fn applied(tool: Tool, folder: &Folder, rows: &[&[&str]]) -> Applied {
    let rows: Vec<Vec<Option<String>>> = rows
        .iter()
        .map(|row| row.iter().map(|cell| (*cell != "NULL").then(|| (*cell).to_owned())).collect())
        .collect();
    Table { tool, dialect: Dialect::Sqlite }.read(folder, &rows, &[])
}

fn states(folder: &Folder, rows: &[&[&str]]) -> Vec<(String, &'static str)> {
    let survey = survey(folder, &applied(folder.tool, folder, rows));
    survey.rows.iter().map(|row| (row.version.clone(), row.state.word())).collect()
}

#[test]
fn what_the_tables_say() {
    let is = |version: &str, word: &'static str| (version.to_owned(), word);
    let golang = read(&[("1_a.up.sql", ""), ("2_b.up.sql", ""), ("3_c.up.sql", "")]);
    assert_eq!(states(&golang, &[&["2", "0"]]), [is("1", "applied"), is("2", "applied"), is("3", "pending")]);
    assert_eq!(states(&golang, &[&["2", "1"]])[1], is("2", "dirty"));
    assert_eq!(states(&golang, &[&["-1", "0"]])[0], is("1", "pending"));

    let dbmate = read(&[
        ("1_a.sql", "-- migrate:up\n"),
        ("2_b.sql", "-- migrate:up\n"),
        ("4_d.sql", "-- migrate:up\n"),
    ]);
    let found = states(&dbmate, &[&["2"], &["3"]]);
    assert_eq!(
        found,
        [is("1", "out of order"), is("2", "applied"), is("3", "file missing"), is("4", "pending")]
    );

    let flyway = read(&[("V1__a.sql", "SELECT 1;"), ("V2__b.sql", "SELECT 2;"), ("R__v.sql", "SELECT 3;")]);
    let sum = flyway.migrations[0].checksum.clone().unwrap();
    let one = ["1", "a", "SQL", &sum, "2024", "1", "1"];
    let again = ["NULL", "v", "SQL", "17", "2024", "1", "2"];
    assert_eq!(
        states(&flyway, &[&one, &again]),
        [is("1", "applied"), is("2", "pending"), is("v", "changed")]
    );
    let undone = ["1", "a", "UNDO_SQL", "NULL", "2024", "1", "3"];
    assert_eq!(states(&flyway, &[&one, &undone])[0], is("1", "pending"));
    let failed = ["1", "a", "SQL", &sum, "2024", "0", "1"];
    assert_eq!(states(&flyway, &[&failed])[0], is("1", "dirty"));
    let base = ["1", "<< Flyway Baseline >>", "BASELINE", "NULL", "2024", "1", "1"];
    assert_eq!(states(&flyway, &[&base])[..2], [is("1", "baseline"), is("2", "pending")]);

    let sqlx = read(&[("20240101000000_a.sql", "SELECT 1;")]);
    let sum = sqlx.migrations[0].checksum.clone().unwrap().to_lowercase();
    assert_eq!(states(&sqlx, &[&["20240101000000", "a", "t", "1", &sum]])[0].1, "applied");
    assert_eq!(states(&sqlx, &[&["20240101000000", "a", "t", "1", "00"]])[0].1, "edited");

    let goose = read(&[("1_a.sql", "-- +goose Up\n")]);
    assert_eq!(states(&goose, &[&["0", "1", "t"], &["1", "1", "t"]])[0].1, "applied");
    assert_eq!(states(&goose, &[&["1", "1", "t"], &["1", "0", "t"]])[0].1, "pending", "the last row counts");
}

#[test]
fn the_paths_of_liquibase_may_begin_with_other_folders() {
    let folder = read(&[(
        "a.sql",
        "--liquibase formatted sql\n--changeset ann:1\nSELECT 1;\n--changeset ann:2\nSELECT 1;\n",
    )]);
    let applied = applied(
        Tool::Liquibase,
        &folder,
        &[
            &["ann", "1", "db/changelog/a.sql", "t", "7", "EXECUTED"],
            &["x", "9", "m.xml", "t", "8", "EXECUTED"],
        ],
    );
    assert_eq!((applied.rows.len(), applied.rank, applied.prefix.as_str()), (1, 8, "db/changelog/"));
    let row = Table { tool: Tool::Liquibase, dialect: Dialect::Postgresql }.done(
        &folder.migrations[1],
        &applied,
        0,
    );
    assert!(row[0].contains("'db/changelog/a.sql'") && row[0].contains(", 9, 'EXECUTED'"), "{row:?}");
}

#[test]
fn what_is_asked_for() {
    let folder = read(&[("1_a.up.sql", ""), ("2_b.up.sql", ""), ("3_c.up.sql", ""), ("4_d.up.sql", "")]);
    let survey = survey(&folder, &applied(Tool::GolangMigrate, &folder, &[&["2", "0"]]));
    let asked = |to: Option<&str>, count| Asked { to: to.map(str::to_owned), count, out_of_order: false };
    assert_eq!(up(&folder, &survey, &asked(None, None)).unwrap(), [2, 3]);
    assert_eq!(up(&folder, &survey, &asked(Some("003"), None)).unwrap(), [2]);
    assert_eq!(up(&folder, &survey, &asked(None, Some(1))).unwrap(), [2]);
    assert_eq!(down(&folder, &survey, &asked(None, None)).unwrap(), [1]);
    assert_eq!(down(&folder, &survey, &asked(Some("0"), None)).unwrap(), [1, 0]);
    assert_eq!(up(&folder, &survey, &asked(Some("9"), None)).unwrap_err().rule, "migration-unknown");
}

#[test]
fn a_tail_may_be_edited_and_what_ran_may_not() {
    let ran = ["CREATE TABLE a (x)".to_owned(), "INSERT INTO a VALUES ('1')".to_owned()];
    let script = |text: &str| Script::sql("a.sql", 1, text);
    let now = |text: &str| statements(&script(text), Dialect::Sqlite);
    assert_eq!(edits(&ran, &now("CREATE TABLE a (x);\nINSERT INTO a VALUES ('1');\nSELECT 'new';")), []);
    assert_eq!(
        edits(&ran, &now("CREATE TABLE a\n  (x);INSERT INTO a VALUES ('1');")),
        [],
        "blanks are no edit"
    );
    let found = edits(&ran, &now("CREATE TABLE a (x);\nINSERT INTO a VALUES ('2');"));
    assert_eq!((found[0].statement, found[0].line), (2, 2));
    assert_eq!(edits(&ran, &now("CREATE TABLE a (x);"))[0].now, None);
    let rest = drift::without_first(
        &script("CREATE TABLE a (x);\nINSERT INTO a VALUES ('é');\nSELECT 3;"),
        2,
        Dialect::Sqlite,
    );
    assert_eq!(statements(&rest, Dialect::Sqlite), [(3, "SELECT 3".to_owned())]);
}

/// A small generator, so that a failing seed replays.
struct Random(u64);

impl Random {
    fn next(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % below
    }
}

/// Any folder: no panic, versions unique unless said, scripts are parts of their files, and what is drafted parses.
#[test]
fn anything_is_read_and_drafted() {
    const NAMES: [&str; 12] = [
        "1_a.up.sql",
        "1_a.down.sql",
        "02_b.up.sql",
        "V1__a.sql",
        "V1_1__b.sql",
        "U1__a.sql",
        "R__r.sql",
        "20240101000000_a.sql",
        "2024-01-01-000000_x/up.sql",
        "2024-01-01-000000_x/down.sql",
        "plain 数据.sql",
        "3_c.sql",
    ];
    const PIECES: [&str; 22] = [
        "-- migrate:up\n",
        "-- migrate:down\n",
        "-- +goose Up\n",
        "-- +goose Down\n",
        "-- +goose StatementBegin\n",
        "-- +goose StatementEnd\n",
        "--liquibase formatted sql\n",
        "--changeset a:1\n",
        "--changeset b:2 endDelimiter:// dbms:!x\n",
        "--rollback DROP TABLE a;\n",
        "--rollback empty\n",
        "/* liquibase rollback\n",
        "*/\n",
        "CREATE TABLE a (x);\n",
        "INSERT INTO a VALUES ('é;');",
        "BEGIN;",
        "\r\n",
        "'",
        "$$",
        "DELIMITER //\n",
        "\u{FEFF}",
        "SET x = 1;\n",
    ];
    let range = seed().map_or(0..400_u64, |seed| seed..seed + 1);
    for seed in range {
        let mut random = Random(seed);
        let mut list: Vec<SourceFile> = (0..random.next(6))
            .map(|_| SourceFile {
                name: NAMES[random.next(NAMES.len())].to_owned(),
                line: 1,
                text: (0..random.next(12)).map(|_| PIECES[random.next(PIECES.len())]).collect(),
            })
            .collect();
        list.sort_by(|a, b| a.name.cmp(&b.name));
        list.dedup_by(|a, b| a.name == b.name);
        let dialect = DIALECTS[random.next(3)];
        let _ = detect(&list);
        for tool in Tool::ALL {
            let folder = read_folder(&list, tool, dialect);
            check(seed, &folder, &list, dialect);
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a failing seed is replayed by a variable")]
fn seed() -> Option<u64> {
    std::env::var("WINDLASS_SEED").ok()?.parse().ok()
}

fn check(seed: u64, folder: &Folder, list: &[SourceFile], dialect: Dialect) {
    let replay = format!(
        "WINDLASS_SEED={seed} cargo test -p windlass-plan anything_is_read ({} {dialect:?})",
        folder.tool
    );
    for migration in &folder.migrations {
        let file = list.iter().find(|file| file.name == migration.up.file).expect(&replay);
        assert!(migration.up.line <= file.text.lines().count() + 2, "{replay}");
        let again = drift::without_first(&migration.up, 1, dialect);
        assert_eq!(again.text.matches('\n').count(), migration.up.text.matches('\n').count(), "{replay}");
    }
    let applied = Applied::default();
    let found = survey(folder, &applied);
    assert!(found.rows.iter().all(|row| row.state == RowState::Pending), "{replay}");
    let all = |by_script| -> Vec<Chosen> {
        (0..folder.migrations.len())
            .map(|migration| Chosen { migration, ran: 0, by_script, irreversible: false })
            .collect()
    };
    for (way, by_script) in [(Way::Up, true), (Way::Up, false), (Way::Down, false)] {
        let drafted = draft(folder, &applied, way, &all(by_script), ("db", "m", dialect));
        let parsed = windlass_document::parse(drafted.document.as_bytes());
        let wrong: Vec<_> =
            parsed.findings.iter().filter(|f| f.severity == windlass_document::Severity::Error).collect();
        assert!(wrong.is_empty(), "{replay}\n{wrong:?}\n{}", drafted.document);
        assert_eq!(parsed.document.steps.len(), drafted.steps.len(), "{replay}");
    }
}
