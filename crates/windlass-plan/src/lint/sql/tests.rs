use super::*;
use crate::lint::tests::findings;
use Dialect::{Mysql as M, Postgresql as P, Sqlite as S};
use std::collections::BTreeSet;
use windlass_sql::{ColumnType, LiveColumn, LiveIndex, LiveTable};

/// The rules that a script triggers, each with the index of its statement.
fn rules_with(script: &str, dialect: Dialect, live: Option<&Live>) -> Vec<(&'static str, usize)> {
    let found = lint_sql(&example(script, dialect), live);
    found.into_iter().map(|finding| (finding.rule, finding.statement)).collect()
}

fn rules(script: &str, dialect: Dialect) -> Vec<(&'static str, usize)> {
    rules_with(script, dialect, None)
}

#[test]
fn every_rule_is_complete_and_its_examples_are_true() {
    let mut names: BTreeSet<_> = crate::RULES.iter().map(|rule| rule.name).collect();
    names.extend(windlass_document::RULES.iter().map(|rule| rule.name));
    for rule in SQL_RULES {
        assert!(names.insert(rule.name), "{} is listed once", rule.name);
        assert!(rule.name.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'), "{}", rule.name);
        assert!(!rule.summary.ends_with('.') && !rule.why.ends_with('.'), "{}", rule.name);
        let bad = shown(rule);
        assert!(
            bad.iter().any(|finding| finding.rule == rule.name),
            "the bad example of {}: {bad:#?}",
            rule.name
        );
        // A table that is too large has to be said in both ways.
        let other = bad.iter().find(|finding| finding.rule != rule.name && rule.name != "table-too-big");
        assert_eq!(other, None, "the bad example of {} shows only it", rule.name);
        assert!(
            bad.iter().all(|finding| !finding.help.is_empty() && !finding.help.ends_with('.')),
            "{}",
            rule.name
        );
        let live = rule.live.map(|live| live());
        let good = lint_sql(&example(rule.good, rule.dialects[0]), live.as_ref());
        assert_eq!(good, [], "the good example of {} is clean", rule.name);
        for dialect in [P, M, S] {
            let other = lint_sql(&example(rule.bad, dialect), live.as_ref());
            let speaks = rule.dialects.contains(&dialect);
            assert!(
                speaks || other.iter().all(|finding| finding.rule != rule.name),
                "{} in {dialect:?}",
                rule.name
            );
        }
    }
}

#[test]
fn a_table_that_is_small_or_made_by_the_release_is_no_noise() {
    for rule in SQL_RULES.iter().filter(|rule| rule.live.is_none()) {
        let sized = [
            "index-blocks-writes",
            "foreign-key-validates",
            "check-validates",
            "unique-builds-index",
            "primary-key-builds-index",
            "exclusion-locks",
            "set-not-null-scans",
            "volatile-default",
            "numbered-column-rewrites",
            "type-change-rewrites",
            "several-alters",
            "unbatched-backfill",
            "alter-copies",
            "alter-rebuilds",
            "expression-default-copies",
            "index-dropped-untried",
            "maintenance-locks",
        ];
        if !sized.contains(&rule.name) {
            continue;
        }
        let table = |name: &str, rows, bytes| LiveTable {
            name: table_name(name),
            rows: Some(rows),
            bytes: Some(bytes),
            ..LiveTable::default()
        };
        let small = |rows| Live {
            tables: ["orders", "users", "booking"].map(|name| table(name, rows, 1 << 20)).to_vec(),
            ..Live::default()
        };
        let fires = |live: &Live| {
            rules_with(rule.bad, rule.dialects[0], Some(live)).iter().any(|(name, _)| *name == rule.name)
        };
        assert!(!fires(&small(10)), "{}: ten rows are no noise", rule.name);
        assert!(fires(&small(30_000_000)), "{}: many rows are", rule.name);
        let made =
            format!("CREATE TABLE orders (id bigint);CREATE TABLE booking (room bigint);\n{}", rule.bad);
        let found = rules(&made, rule.dialects[0]);
        assert!(
            found.iter().all(|(name, _)| *name != rule.name),
            "{}: nobody uses a new table: {found:?}",
            rule.name
        );
    }
}

#[test]
fn the_catalog_decides_what_the_text_cannot() {
    let column = |name: &str, kind: &str, arguments: &[&str]| LiveColumn {
        name: name.to_owned(),
        kind: ColumnType {
            name: kind.to_owned(),
            arguments: arguments.iter().map(|text| (*text).to_owned()).collect(),
            ..ColumnType::default()
        },
        ..LiveColumn::default()
    };
    let index = |name: &str, usable| LiveIndex {
        name: name.to_owned(),
        columns: vec!["user_id".to_owned()],
        usable,
        ..LiveIndex::default()
    };
    let mut proven = column("proven", "text", &[]);
    proven.proven_not_null = true;
    let table = LiveTable {
        name: table_name("orders"),
        rows: Some(5_000_000),
        columns: vec![column("short", "varchar", &["10"]), column("state", "enum", &["'a'", "'b'"]), proven],
        indexes: vec![index("good", true), index("broken", false)],
        ..LiveTable::default()
    };
    let live = Live { tables: vec![table], ..Live::default() };
    let found = |script: &str, dialect| rules_with(script, dialect, Some(&live));
    assert_eq!(found("ALTER TABLE orders ALTER short TYPE varchar(20)", P), []);
    assert_eq!(found("ALTER TABLE orders ALTER short TYPE varchar(5)", P), [("type-change-rewrites", 0)]);
    assert_eq!(found("ALTER TABLE orders ALTER proven SET NOT NULL", P), []);
    assert_eq!(found("ALTER TABLE orders ADD FOREIGN KEY (user_id) REFERENCES u NOT VALID", P), []);
    assert_eq!(
        found("ALTER TABLE orders ADD FOREIGN KEY (state) REFERENCES u NOT VALID", P),
        [("foreign-key-without-index", 0)]
    );
    let invalid = lint_sql(
        &example("CREATE INDEX CONCURRENTLY IF NOT EXISTS broken ON orders (user_id)", P),
        Some(&live),
    );
    assert!(invalid.iter().any(|finding| finding.message.contains("is there and INVALID")), "{invalid:#?}");
    assert_eq!(found("ALTER TABLE orders MODIFY state ENUM('a','b','c')", M), []);
    assert_eq!(
        found("ALTER TABLE orders MODIFY state ENUM('b','c')", M),
        [("alter-copies", 0), ("enum-members", 0)]
    );
    assert_eq!(found("ALTER TABLE orders DROP INDEX broken", M), [], "it is invisible already");
    assert_eq!(found("UPDATE orders SET short = 'x'", P), [("unbatched-backfill", 0), ("no-key", 0)]);
    let batched = [SqlText { text: "UPDATE orders SET short = 'x'", dialect: P, batch: true }];
    assert!(lint_sql(&batched, Some(&live)).iter().all(|finding| finding.rule != "unbatched-backfill"));
}

#[test]
fn versions_of_servers_count() {
    let on = |product, version| Live { server: Some(Server { product, version }), ..Live::default() };
    let found = |script: &str, live: &Live| rules_with(script, M, Some(live));
    let add = "ALTER TABLE t ADD COLUMN a INT AFTER b";
    assert_eq!(found(add, &on(Product::Mysql, (8, 0, 20))), [("alter-rebuilds", 0)]);
    assert_eq!(found(add, &on(Product::Mysql, (8, 0, 29))), []);
    assert_eq!(found(add, &on(Product::Mariadb, (10, 11, 0))), []);
    let inline = "CREATE TABLE t (a INT REFERENCES u (id))";
    assert_eq!(found(inline, &on(Product::Mysql, (8, 4, 0))), [("inline-references", 0)]);
    assert_eq!(found(inline, &on(Product::Mysql, (9, 1, 0))), []);
    assert_eq!(found(inline, &on(Product::Mariadb, (10, 11, 0))), []);
}

#[test]
fn statements_of_real_runbooks_are_mostly_fine() {
    let mysql = "ALTER TABLE `record` ADD COLUMN `s3_key` VARCHAR(50) COMMENT 's3的key' AFTER `transaction_number`;\n\
                 UPDATE `record` SET `s3_key` = CONCAT('spec-v1/', record_id, '.txt') WHERE record_id >= '100000';\n\
                 ALTER TABLE organization_admin RENAME legacy_organization_admin;\n\
                 ALTER TABLE sem_record DROP KEY idx_to_address;";
    assert_eq!(rules(mysql, M), [("unbatched-backfill", 1), ("index-dropped-untried", 3)]);
    let postgresql =
        "update associations set variant = payload->'body'->>'imageUrl' where schema = 'https://a/b.json'";
    assert_eq!(rules(postgresql, P), []);
    assert_eq!(rules("ALTER TABLE a ADD COLUMN b TEXT; UPDATE a SET b = 1; CREATE INDEX i ON a (b)", S), []);
}

#[test]
fn a_release_shows_them_at_their_statements() {
    let toml = "[target.app]\ndir = \".\"\n[target.pg]\nurl = \"postgres://app@localhost/shop\"\n";
    let text = "```sql {on=pg}\nCREATE TABLE n (id bigint PRIMARY KEY);\nCREATE INDEX n_i ON n (id);\nCREATE INDEX \
                            o_i ON orders (id);\n```\n- [ ] fine\n";
    let found = findings(text, toml);
    let ours: Vec<_> = found
        .iter()
        .filter(|(finding, _)| SQL_RULES.iter().any(|rule| rule.name == finding.rule))
        .map(|(finding, marked)| (finding.rule.as_str(), marked.as_str()))
        .collect();
    assert_eq!(ours, [("index-blocks-writes", "CREATE INDEX o_i ON orders (id)")]);
}

#[test]
fn the_page_says_what_the_rules_say() {
    let page = crate::rules_markdown();
    for rule in SQL_RULES {
        assert!(page.contains(&format!("\n## {}\n", rule.name)), "{}", rule.name);
        let first = &shown(rule)[0];
        assert!(page.contains(&first.message) && page.contains(&first.help), "{}", rule.name);
    }
}

#[test]
fn many_statements_take_linear_time() {
    // With quadratic time this would not end.
    for piece in
        ["ALTER TABLE t ADD COLUMN a INT NOT NULL;\n", "UPDATE t SET a = 1;\n", "CREATE INDEX i ON t (a);\n"]
    {
        for dialect in [P, M, S] {
            let _ = rules(&piece.repeat(4_000), dialect);
        }
    }
}

#[test]
fn what_is_there_is_compared_with_what_is_wanted() {
    let live = exists_otherwise::RULE.live.map(|live| live()).unwrap();
    let said = |script: &str| -> Vec<String> {
        let found = lint_sql(&example(script, P), Some(&live)).into_iter();
        found.filter(|found| found.rule == exists_otherwise::RULE.name).map(|found| found.message).collect()
    };
    assert_eq!(
        said("CREATE TABLE IF NOT EXISTS coupons (id int PRIMARY KEY, code text, left_over int)"),
        ["`coupons` is there already, with another shape: `id` is bigint, not int; \
          `code` is character varying(32), not text; `left_over` is not there"]
    );
    assert_eq!(said("ALTER TABLE coupons ADD COLUMN IF NOT EXISTS code varchar(99)").len(), 1);
    // A column that comes later, one that is dropped first, another table.
    for script in [
        "CREATE TABLE IF NOT EXISTS coupons (id bigint, code varchar(32), n int); ALTER TABLE coupons ADD COLUMN n int",
        "ALTER TABLE coupons DROP COLUMN code, ADD COLUMN code text",
        "ALTER TABLE coupons DROP COLUMN code; ALTER TABLE coupons ADD COLUMN code text",
        "CREATE TABLE IF NOT EXISTS others (id int, code text)",
    ] {
        assert_eq!(said(script), Vec::<String>::new(), "{script}");
    }
}
