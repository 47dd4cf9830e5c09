use super::*;
use crate::split;
use Dialect::{Mysql as M, Postgresql as P, Sqlite as S};

fn summary(text: &str, dialect: Dialect) -> Summary {
    let (mut statements, problems) = split(text, dialect);
    assert_eq!((statements.len(), problems.len()), (1, 0), "{text}: {problems:?}");
    statements.remove(0).summary
}

fn mysql(text: &str) -> Summary {
    summary(text, Dialect::Mysql)
}

fn actions(text: &str) -> Vec<AlterAction> {
    match mysql(text).kind {
        Kind::AlterTable(actions) => actions,
        other => panic!("{text}: {other:?}"),
    }
}

/// The true flags, in the order of the fields.
fn flags(s: &Summary) -> String {
    let all = [
        (s.changes_data, "data"),
        (s.changes_schema, "schema"),
        (s.readonly, "readonly"),
        (s.destructive, "destructive"),
        (s.has_where, "where"),
        (s.if_not_exists, "if-not-exists"),
        (s.if_exists, "if-exists"),
        (s.or_replace, "or-replace"),
    ];
    all.iter().filter(|(set, _)| *set).map(|(_, name)| *name).collect::<Vec<_>>().join(" ")
}

type Row = (Dialect, &'static str, Kind, &'static str, &'static str);

/// Each row: a statement, its kind, its object, its flags.
fn check(rows: &[Row]) {
    for (dialect, text, kind, object, expected) in rows {
        let got = summary(text, *dialect);
        assert_eq!(&got.kind, kind, "{text}");
        assert_eq!(got.object.as_ref().map(ToString::to_string).unwrap_or_default(), *object, "{text}");
        assert_eq!(flags(&got), *expected, "{text}");
    }
}

#[test]
fn definitions() {
    let other = |word: &str| Kind::CreateOther(word.to_owned());
    let drop = |word: &str| Kind::DropOther(word.to_owned());
    check(&[
        (S, "CREATE TABLE IF NOT EXISTS \"a\"\"b\" (x)", Kind::CreateTable, "a\"b", "schema if-not-exists"),
        (P, "create unlogged table public.t as select 1", Kind::CreateTable, "public.t", "data schema"),
        (S, "CREATE UNIQUE INDEX i ON t (a)", Kind::CreateIndex, "i", "schema"),
        (P, "CREATE INDEX CONCURRENTLY ON t (a)", Kind::CreateIndex, "", "schema"),
        (
            M,
            "CREATE OR REPLACE ALGORITHM=MERGE DEFINER=`a`@`%` SQL SECURITY INVOKER VIEW v AS SELECT 1",
            Kind::CreateView,
            "v",
            "schema destructive or-replace",
        ),
        (
            S,
            "CREATE TEMP TRIGGER tr AFTER UPDATE ON t BEGIN SELECT 1; END",
            Kind::CreateTrigger,
            "tr",
            "schema",
        ),
        (P, "CREATE MATERIALIZED VIEW v AS SELECT 1", Kind::CreateView, "v", "schema"),
        (P, "CREATE EXTENSION IF NOT EXISTS pg_trgm", other("EXTENSION"), "pg_trgm", "schema if-not-exists"),
        (S, "DROP TABLE IF EXISTS [a b]", Kind::DropTable, "a b", "data schema destructive if-exists"),
        (P, "DROP INDEX CONCURRENTLY i", Kind::DropIndex, "i", "schema destructive"),
        (M, "DROP INDEX i ON t", Kind::DropIndex, "i", "schema destructive"),
        (S, "DROP VIEW v", Kind::DropView, "v", "schema destructive"),
        (S, "DROP TRIGGER tr", Kind::DropTrigger, "tr", "schema destructive"),
        (P, "DROP SCHEMA s CASCADE", drop("SCHEMA"), "s", "schema destructive"),
        (M, "RENAME TABLE a TO b", Kind::RenameTable, "a", "schema"),
        (M, "RENAME USER a TO b", Kind::AlterOther("USER".into()), "", "schema"),
        (M, "SET PASSWORD FOR a = 'x'", Kind::AlterOther("USER".into()), "", "schema"),
        (M, "SET DEFAULT ROLE r TO a", Kind::AlterOther("USER".into()), "", "schema"),
        (P, "TRUNCATE TABLE ONLY t", Kind::Truncate, "t", "data destructive"),
    ]);
    let index = summary("CREATE INDEX i ON ONLY s.t (a)", Dialect::Postgresql);
    assert_eq!(index.table.map(|table| table.to_string()), Some("s.t".to_owned()));
    assert_eq!(mysql("DROP INDEX i ON t").table.map(|table| table.to_string()), Some("t".to_owned()));
    assert!(Kind::Savepoint.controls_transaction() && !Kind::Vacuum.controls_transaction());
}

#[test]
fn rows() {
    check(&[
        (S, "INSERT INTO t VALUES (1)", Kind::Insert, "t", "data"),
        (S, "INSERT OR IGNORE INTO t VALUES (1)", Kind::Insert, "t", "data"),
        (S, "INSERT OR REPLACE INTO t VALUES (1)", Kind::Replace, "t", "data destructive"),
        (M, "INSERT IGNORE t VALUES (1)", Kind::Insert, "t", "data"),
        (M, "REPLACE INTO t VALUES (1)", Kind::Replace, "t", "data destructive"),
        (
            M,
            "UPDATE `record` SET `s3_key` = CONCAT('a', 1) WHERE record_id >= '100000'",
            Kind::Update,
            "record",
            "data where",
        ),
        (S, "UPDATE t SET a = (SELECT b FROM c WHERE d)", Kind::Update, "t", "data"),
        (S, "DELETE FROM t", Kind::Delete, "t", "data destructive"),
        (S, "DELETE FROM main.t WHERE x", Kind::Delete, "main.t", "data destructive where"),
        (P, "WITH a AS (SELECT 1) DELETE FROM t WHERE x", Kind::Delete, "t", "data destructive where"),
        (P, "WITH a AS (DELETE FROM t RETURNING *) SELECT * FROM a", Kind::Select, "", "data destructive"),
        (P, "MERGE INTO t USING s ON a WHEN MATCHED THEN DELETE", Kind::Merge, "t", "data"),
        (S, "SELECT 1", Kind::Select, "", "readonly"),
        (P, "SELECT * INTO new FROM t", Kind::Select, "", "data schema"),
        (P, "SELECT pg_catalog.set_config('search_path', '', false)", Kind::Session, "", ""),
        (P, "(SELECT 1) UNION (SELECT 2)", Kind::Select, "", "readonly"),
    ]);
}

#[test]
fn everything_else() {
    check(&[
        (S, "EXPLAIN QUERY PLAN DELETE FROM t", Kind::Explain, "", "readonly"),
        (P, "EXPLAIN (ANALYZE, BUFFERS) DELETE FROM t", Kind::Explain, "t", "data destructive"),
        (P, "EXPLAIN ANALYZE SELECT 1", Kind::Explain, "", "readonly"),
        (S, "PRAGMA user_version", Kind::Pragma, "user_version", "readonly"),
        (S, "PRAGMA table_info(t)", Kind::Pragma, "table_info", "readonly"),
        (S, "PRAGMA foreign_keys = OFF", Kind::Pragma, "foreign_keys", ""),
        (S, "PRAGMA optimize", Kind::Pragma, "optimize", ""),
        (S, "BEGIN IMMEDIATE", Kind::Begin, "", ""),
        (M, "START TRANSACTION", Kind::Begin, "", ""),
        (P, "END", Kind::Commit, "", ""),
        (S, "ROLLBACK TO x", Kind::Rollback, "", ""),
        (S, "RELEASE x", Kind::Savepoint, "", ""),
        (S, "ATTACH DATABASE 'x.db' AS y", Kind::Attach, "x.db", ""),
        (S, "DETACH y", Kind::Detach, "y", ""),
        (S, "VACUUM", Kind::Vacuum, "", ""),
        (M, "SET FOREIGN_KEY_CHECKS=0", Kind::Session, "", ""),
        (M, "/*!40101 SET NAMES utf8 */", Kind::Session, "", ""),
        (M, "SHOW TABLES", Kind::Show, "", "readonly"),
        (M, "LOAD DATA INFILE 'x' INTO TABLE t", Kind::Load, "", "data"),
        (P, "COPY t TO STDOUT", Kind::Unload, "t", "readonly"),
        (P, "COPY t TO '/tmp/x'", Kind::Unload, "t", ""),
        (P, "COPY t FROM '/tmp/x'", Kind::Load, "t", "data"),
        (P, "COMMENT ON TABLE t IS 'x'", Kind::Comment, "t", "schema"),
        (P, "GRANT SELECT ON t TO u", Kind::Privileges, "", "schema"),
        (P, "DO $$ BEGIN DELETE FROM t; END $$", Kind::Call, "", ""),
        (S, "数据", Kind::Other, "", ""),
        (S, "'x'", Kind::Other, "", ""),
    ]);
}

#[test]
fn actions_of_alter_table() {
    use AlterAction::*;
    let renamed = |from: &str, to: &str| RenameColumn { from: from.to_owned(), to: to.to_owned() };
    for (text, expected) in [
        (
            "ALTER TABLE t ADD COLUMN a INT DEFAULT (1, 2), DROP COLUMN b",
            vec![AddColumn("a".into()), DropColumn("b".into())],
        ),
        ("ALTER TABLE t ADD a INT", vec![AddColumn("a".into())]),
        ("ALTER TABLE t ADD (a INT, b ENUM('x','y'))", vec![AddColumn("a".into()), AddColumn("b".into())]),
        ("ALTER TABLE `t` DROP KEY `i`", vec![DropIndex]),
        (
            "ALTER TABLE t ADD KEY i (a) USING BTREE, ADD UNIQUE KEY j (b), ADD UNIQUE (c)",
            vec![AddIndex, AddIndex, AddConstraint],
        ),
        (
            "ALTER TABLE t ADD CONSTRAINT c CHECK (a > 0), DROP PRIMARY KEY",
            vec![AddConstraint, DropConstraint],
        ),
        ("ALTER TABLE `a` RENAME `b`", vec![RenameTable("b".into())]),
        ("ALTER TABLE a RENAME TO b", vec![RenameTable("b".into())]),
        ("ALTER TABLE t RENAME COLUMN a TO b", vec![renamed("a", "b")]),
        ("ALTER TABLE t RENAME a TO b", vec![renamed("a", "b")]),
        ("ALTER TABLE t RENAME INDEX a TO b", vec![Other("RENAME".into())]),
        ("ALTER TABLE t CHANGE a b INT, CHANGE c c INT", vec![renamed("a", "b"), AlterColumn("c".into())]),
        (
            "ALTER  TABLE `t` MODIFY COLUMN `g` varchar(10) COMMENT '性别, M 男'",
            vec![AlterColumn("g".into())],
        ),
        ("ALTER  TABLE `t` ALTER COLUMN `c` SET default ''", vec![AlterColumn("c".into())]),
        ("ALTER TABLE t COMMENT 'x'", vec![Other("COMMENT".into())]),
        ("ALTER TABLE t DROP PARTITION p0", vec![Other("DROP".into())]),
    ] {
        assert_eq!(actions(text), expected, "{text}");
    }
    assert_eq!(flags(&mysql("ALTER TABLE t DROP b")), "data schema destructive");
    assert_eq!(flags(&mysql("ALTER TABLE t DROP PARTITION p")), "data schema destructive");
    assert_eq!(
        flags(&mysql("ALTER TABLE IF EXISTS t ADD COLUMN IF NOT EXISTS a INT")),
        "schema if-not-exists if-exists"
    );
    assert_eq!(mysql("ALTER USER 'a'@'b' IDENTIFIED BY 'c'").kind, Kind::AlterOther("USER".to_owned()));
}
