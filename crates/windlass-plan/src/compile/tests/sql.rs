//! SQL fences, undo by backup and by hand, statements from files, `rows=`, `again=`.

use super::*;

struct Folder(Vec<(&'static str, &'static str)>);

impl FileSource for Folder {
    fn files(&self, pattern: &str) -> Result<Vec<SourceFile>, String> {
        let folder = pattern.strip_suffix("*.sql").ok_or("only *.sql here")?;
        let file =
            |(name, text): &(&str, &str)| SourceFile { name: (*name).into(), line: 1, text: (*text).into() };
        Ok(self.0.iter().filter(|(name, _)| name.starts_with(folder)).map(file).collect())
    }
}

#[test]
fn sql_without_a_backup_is_undone_by_the_driver() {
    let plan = plan("```sql {#a}\nDELETE FROM t WHERE id = 1;\n```\n");
    assert_eq!(units(&plan, "a"), [("a/1".into(), Class::Exact, UndoBy::Driver)]);
}

#[test]
fn a_hand_written_undo_is_for_the_whole_step_and_the_driver_for_a_part() {
    let plan = plan(
        "```sql {#add on=db}\nALTER TABLE t ADD COLUMN a;\n```\n```sql {#drop undoes=add}\nALTER TABLE t DROP COLUMN \
         a;\n```\n",
    );
    assert_eq!(units(&plan, "add"), [("add/1".into(), Class::Exact, UndoBy::Driver)]);
    let step = &plan.steps[0];
    assert_eq!(step.class, Class::Lossy);
    assert!(!step.undo.as_ref().unwrap().partial);
    assert!(plan.targets.contains_key("db"));
}

#[test]
fn irreversible_sql_takes_no_copy() {
    let plan = plan("```sql {#a on=db irreversible}\nDROP TABLE t;\nSELECT 1;\n```\n");
    assert_eq!(
        units(&plan, "a"),
        [("a/1".into(), Class::None, UndoBy::Nobody), ("a/2".into(), Class::Readonly, UndoBy::Nothing)]
    );
}

#[test]
fn undo_names_a_step_that_makes_a_backup_of_this_database() {
    let copy = "```sh {#copy on=app}\ncp a b\n```\n```sql {on=db undo=copy}\nDELETE FROM t;\n```\n";
    assert_eq!(errors(copy), [pair("undo-without-backup", "copy")]);
    let broken = "```sh {#backup on=ap}\nsqlite3 app.db '.backup b'\n```\n```sql {on=db undo=backup}\nDELETE FROM \
                  t;\n```\n";
    assert_eq!(errors(broken), [pair("unknown-target", "ap")], "no second error for the same cause");

    let two = format!("{EXAMPLE_CONFIG}\n[target.log]\nurl = \"sqlite:log.db\"\n");
    let backups = |lines: &str| {
        format!(
            "```sh {{#backup on=app}}\n{lines}\n```\n```sql {{#s on=log undo=backup}}\nDELETE FROM t;\n```\n"
        )
    };
    let other = backups("sqlite3 app.db '.backup a'");
    assert_eq!(
        errors_with(&other, &two),
        [pair("undo-without-backup", "backup")],
        "a backup of another database"
    );
    let both = document(&backups("sqlite3 app.db '.backup a'\nsqlite3 log.db '.backup b'"));
    let plan = compiled_with(&both, &config(&two), &NoFiles).0.unwrap();
    let second = UndoBy::Backup(UnitId("backup/2".into()));
    assert_eq!(units(&plan, "s"), [("s/1".into(), Class::Restore, second)], "the one of this database");
}

#[test]
fn a_backup_undoes_statements_and_nothing_else() {
    let backup = "```sh {#backup on=app}\nsqlite3 app.db '.backup b'\n```\n";
    for line in ["./import", "cp a b"] {
        let body = format!("{backup}```sh {{on=app undo=backup}}\n{line}\n```\n");
        assert_eq!(errors(&body), [pair("undo-without-backup", "backup")], "{line}");
    }
}

#[test]
fn statements_that_cannot_share_a_transaction_are_refused() {
    for statement in [
        "ROLLBACK",
        "SAVEPOINT a",
        "ATTACH 'b.db' AS b",
        "VACUUM",
        "PRAGMA journal_mode = WAL",
        "PRAGMA journal_mode = DELETE",
    ] {
        let body = format!("```sql {{on=db}}\nSELECT 1;\n{statement};\n```\n");
        assert_eq!(errors(&body), [pair("sql-not-in-transaction", statement)], "{statement}");
    }
    let plan = plan("```sql {#a on=db}\nPRAGMA integrity_check;\nPRAGMA user_version = 3;\n```\n");
    let classes: Vec<_> = units(&plan, "a").into_iter().map(|(_, class, _)| class).collect();
    assert_eq!(classes, [Class::Readonly, Class::Exact]);
}

#[test]
fn problems_of_the_splitter_stand_where_they_are() {
    let [(rule, marked)] = &errors("```sql {on=db}\nSELECT 'open;\n```\n")[..] else { panic!("one error") };
    assert!(marked.starts_with('\''), "{rule}: {marked}");
}

#[test]
fn statements_come_from_files_in_their_order() {
    let body = "```sql {#m on=db files=\"migrations/*.sql\"}\n```\n";
    let folder = Folder(vec![
        ("migrations/001.sql", "-- first\nCREATE TABLE a (id INTEGER);\nCREATE TABLE b (id INTEGER);\n"),
        ("migrations/002.sql", "DROP TABLE a;\n"),
    ]);
    let text = document(body);
    let (plan, _) = compiled_with(&text, &config(EXAMPLE_CONFIG), &folder);
    let plan = plan.unwrap();
    let statements: Vec<_> = plan.units().map(|(_, unit)| unit.effect.as_str()).collect();
    assert_eq!(
        statements,
        ["db: CREATE TABLE a (id INTEGER)", "db: CREATE TABLE b (id INTEGER)", "db: DROP TABLE a"]
    );
    let digest = plan.digest();
    let other = Folder(vec![("migrations/001.sql", "CREATE TABLE a (id TEXT);\n")]);
    let (changed, _) = compiled_with(&text, &config(EXAMPLE_CONFIG), &other);
    assert_ne!(changed.unwrap().digest(), digest, "what stands in the files is a part of the plan");

    let wrong = Folder(vec![("migrations/001.sql", "SELECT 1;\nROLLBACK;\n")]);
    let (none, findings) = compiled_with(&text, &config(EXAMPLE_CONFIG), &wrong);
    assert!(none.is_none());
    assert!(findings[0].message.starts_with("migrations/001.sql:2:1: "), "{}", findings[0].message);
    assert!(text[findings[0].span.start..findings[0].span.end].contains("migrations/*.sql"));

    for files in [&NoFiles as &dyn FileSource, &Folder(vec![])] {
        let (none, findings) = compiled_with(&text, &config(EXAMPLE_CONFIG), files);
        assert!(none.is_none());
        assert_eq!(findings[0].rule, "files-unreadable");
    }
}

#[test]
fn rows_belong_to_one_statement() {
    let rows = |body: &str| -> Vec<Option<u64>> {
        let rows = |unit: &Unit| match &unit.action {
            Action::Sql { rows, .. } => *rows,
            other => panic!("{other:?}"),
        };
        plan(body).units().map(|(_, unit)| rows(unit)).collect()
    };
    let body = "```sql {on=db rows=115}\nALTER TABLE t ADD COLUMN a;\nUPDATE t SET a = 1 WHERE id > 0;\nSELECT 1;\n```\n";
    assert_eq!(rows(body), [None, Some(115), None]);
    assert_eq!(rows("```sql {on=db rows=1}\nSELECT 1;\n```\n"), [Some(1)]);
    let two = "```sql {on=db rows=2}\nDELETE FROM a WHERE id = 1;\nDELETE FROM b WHERE id = 1;\n```\n";
    let [(rule, _)] = &errors(two)[..] else { panic!("one error") };
    assert_eq!(rule, "rows-ambiguous");
}

#[test]
fn a_step_is_repeated_only_if_that_changes_nothing_more() {
    let plan = plan(
        "```sh {#copy on=app}\ncp -p a b\nmkdir -p c\n```\n```sql {on=db}\nSELECT 1;\n```\n```sh {#more again=copy}\n```\n",
    );
    let more = plan.steps.iter().find(|step| step.id.0 == "more").unwrap();
    assert_eq!(more.again, Some(StepId("copy".into())));
    assert_eq!(more.on, "app");
    let copy = plan.steps.iter().find(|step| step.id.0 == "copy").unwrap();
    let of = |step: &Step| step.units.iter().map(|unit| unit.action.clone()).collect::<Vec<_>>();
    assert_eq!(of(more), of(copy));
    assert_eq!(more.units[0].id.0, "more/1");
    assert!(more.units[0].line > copy.units[0].line, "it points at its own fence");

    let once = "```sh {#a on=app}\nmv x y\n```\n```sh {#b again=a}\n```\n";
    assert_eq!(errors(once), [pair("again-not-idempotent", "a")]);
    let text = "```sh {#a on=app}\ncp x y\n```\n```sh {#b again=a}\ncp y z\n```\n";
    assert_eq!(errors(text), [pair("again-differs", "a")]);
}

#[test]
fn attributes_of_the_step_are_carried() {
    let plan =
        plan("```sh {#a on=app readonly online after=7d timeout=5s within=1m serial=25%}\n./look\n```\n");
    let step = &plan.steps[0];
    assert!(step.online);
    assert_eq!(step.after_ms, Some(7 * 86_400_000));
    assert_eq!(step.serial, Some(doc::Serial::Percent(25)));
    assert_eq!((step.units[0].timeout_ms, step.units[0].within_ms), (Some(5_000), Some(60_000)));
}

const SERVERS: &str = "[target.pg]\nurl = { env = \"A\" }\nkind = \"postgresql\"\n[target.my]\nurl = { env = \"B\" }\n\
                       kind = \"mysql\"\n";

fn server_plan(body: &str) -> (Plan, Vec<Finding>) {
    let (plan, findings) = compiled_with(&document(body), &config(SERVERS), &NoFiles);
    (plan.unwrap_or_else(|| panic!("a plan is expected: {findings:#?}")), findings)
}

#[test]
fn the_target_says_whose_sql_it_is() {
    let body = "```sql {#a on=pg}\nUPDATE t SET a = $$;$$;\n```\n```mysql {#b on=my}\nUPDATE `t;` SET a = 1 # ;\n;\n```\n";
    let (plan, _) = server_plan(body);
    let drivers: Vec<_> = plan.units().map(|(_, unit)| unit.driver).collect();
    assert_eq!(drivers, [DriverKind::Postgres, DriverKind::Mysql]);
    assert_eq!(errors_with("```mysql {on=pg}\nSELECT 1;\n```\n", SERVERS), [pair("dialect-mismatch", "pg")]);
}

#[test]
fn settings_of_the_session_are_units_that_change_nothing() {
    let body = "```sql {#a on=my}\nSET NAMES utf8mb4;\nSET FOREIGN_KEY_CHECKS = 0;\nDELETE FROM t WHERE id = 1;\n```\n";
    let (plan, _) = server_plan(body);
    let session = |unit: &Unit| matches!(unit.action, Action::Sql { session: true, .. });
    let seen: Vec<_> = plan.units().map(|(_, unit)| (session(unit), unit.undo.class)).collect();
    assert_eq!(seen, [(true, Class::Readonly), (true, Class::Readonly), (false, Class::Exact)]);
}

#[test]
fn a_transaction_around_a_script_is_left_out_and_said() {
    let (plan, findings) =
        server_plan("```sql {#a on=pg}\nBEGIN;\nDELETE FROM t WHERE id = 1;\nCOMMIT;\n```\n");
    assert_eq!(plan.units().count(), 1);
    let notes = findings.iter().filter(|finding| finding.rule == "transaction-left-out").count();
    assert_eq!(notes, 2);
    let body = "```sql {on=pg}\nDELETE FROM t WHERE id = 1;\nROLLBACK;\n```\n";
    assert_eq!(errors_with(body, SERVERS), [pair("sql-not-in-transaction", "ROLLBACK")]);
    let sqlite = super::plan(
        "```sql {#a on=db}\nPRAGMA foreign_keys=off;\nBEGIN TRANSACTION;\nDELETE FROM t WHERE id = 1;\nEND;\nPRAGMA foreign_keys=on;\n```\n",
    );
    assert_eq!(units(&sqlite, "a"), [("a/1".into(), Class::Exact, UndoBy::Driver)]);
}

#[test]
fn a_statement_whose_undo_nobody_knows_has_to_say_so() {
    let drop = "DROP DATABASE old";
    let bare = format!("```sql {{#a on=pg}}\n{drop};\n```\n");
    assert_eq!(errors_with(&bare, SERVERS), [pair("sql-without-undo", drop)]);
    let said = format!("```sql {{#a on=pg irreversible}}\n{drop};\n```\n");
    assert_eq!(units(&server_plan(&said).0, "a"), [("a/1".into(), Class::None, UndoBy::Nobody)]);
    let script = format!("{bare}```sql {{#b undoes=a}}\nCREATE DATABASE old;\n```\n");
    assert_eq!(server_plan(&script).0.steps[0].class, Class::Lossy);
}

#[test]
fn copied_lines_belong_to_their_statement() {
    let (plan, _) = server_plan("```sql {#a on=pg}\nCOPY t FROM stdin;\n1\ta\n\\.\n```\n");
    let data = plan.units().find_map(|(_, unit)| match &unit.action {
        Action::Sql { data, .. } => data.clone(),
        _ => None,
    });
    assert_eq!(data.as_deref(), Some("1\ta\n"));
}

#[test]
fn batches_are_for_updates_and_deletes_and_say_so() {
    let toml = "[target.pg]\nurl = \"postgres://h/d\"\nbatch = { share = \"20%\" }\n";
    let text = document(
        "```sql {#s on=pg batch=100}\nDELETE FROM t WHERE id < 5;\nINSERT INTO t VALUES (1);\nSELECT 1;\n```\n",
    );
    let (plan, findings) = compiled_with(&text, &config(toml), &NoFiles);
    let batches: Vec<_> = plan.unwrap().steps[0]
        .units
        .iter()
        .map(|unit| match &unit.action {
            Action::Sql { batch, .. } => batch.as_ref().map(|batch| (batch.rows, batch.throttle.share)),
            _ => None,
        })
        .collect();
    assert_eq!(batches, [Some((100, 20)), None, None]);
    let note = findings.iter().find(|finding| finding.rule == "batch-for-some").unwrap();
    assert!(note.message.contains("1 of the 2 statements"), "{}", note.message);
    for (body, rule, marked) in [
        ("```sql {on=pg batch=100}\nDROP TABLE t;\n```\n", "batch-for-nothing", "100"),
        (
            "```sql {on=pg batch=100}\nUPDATE t SET a = (SELECT max(a) FROM t);\n```\n",
            "batch-changes-meaning",
            "UPDATE t SET a = (SELECT max(a) FROM t)",
        ),
    ] {
        assert_eq!(errors_with(body, toml), [pair(rule, marked)], "{body}");
    }
}

const BOTH: &str =
    "[target.my]\nurl = \"mysql://app@127.0.0.1/biz\"\n[target.pg]\nurl = \"postgres://app@127.0.0.1/biz\"\n";

#[test]
fn a_fence_whose_statements_share_a_session_is_refused() {
    for (on, first, second) in [
        ("my", "INSERT INTO menu (a) VALUES (1);", "INSERT INTO role_menu VALUES (1, LAST_INSERT_ID())"),
        ("my", "SELECT @p := id FROM menu;", "UPDATE menu SET a = @p"),
        ("pg", "INSERT INTO menu (a) VALUES (1);", "INSERT INTO role_menu VALUES (1, lastval())"),
    ] {
        let body = format!("```sql {{#a on={on}}}\n{first}\n{second};\n```\n");
        let found = errors_with(&body, BOTH);
        assert_eq!(found, [("sql-not-in-transaction".to_owned(), second.to_owned())], "{body}");
    }
    let run = "PREPARE s FROM @q;\nEXECUTE s;";
    let body = format!(
        "```sql {{#a on=my}}\nDELETE FROM t;\nSET @q = IF(1, 'SELECT 1', 'DO 0');\n{run}\nEXECUTE s;\n```\n"
    );
    let found = errors_with(&body, BOTH);
    assert_eq!(found, [pair("sql-not-in-transaction", "EXECUTE s")]);
    let (_, findings) = compiled_with(&document(&body), &config(BOTH), &NoFiles);
    let help = findings.iter().find(|finding| finding.rule == "sql-not-in-transaction").unwrap();
    assert!(format!("{help:?}").contains("once more for each `EXECUTE`"), "{help:?}");
}

#[test]
fn a_text_that_the_session_computes_is_one_unit_with_what_computes_it() {
    let group = |what: &str| {
        format!(
            "SET @q = (SELECT IF(COUNT(*) = 0, {what}, 'SELECT 1') FROM information_schema.columns);\nPREPARE s FROM @q;\nEXECUTE s;\nDEALLOCATE PREPARE s"
        )
    };
    for (what, how, class) in [
        ("'ALTER TABLE t ADD COLUMN c INT'", "new column", Class::Lossy),
        ("'CREATE INDEX i ON t (a)'", "definition in the catalog", Class::Exact),
        ("CONCAT('DROP TABLE ', @t)", "which is kept before it runs", Class::Lossy),
    ] {
        let group = group(what);
        let body = format!("```sql {{#a on=my}}\nSET @t = 'u';\n{group};\nDELETE FROM v;\n```\n");
        let (plan, _) = compiled_with(&document(&body), &config(BOTH), &NoFiles);
        let plan = plan.unwrap();
        let units: Vec<_> = plan.units().map(|(_, unit)| unit).collect();
        assert_eq!(units.len(), 3, "{what}");
        let Action::Sql { statement, session, .. } = &units[1].action else { panic!("{what}") };
        assert!(*statement == group && !session, "{statement}");
        assert!(units[1].undo.class == class && units[1].undo.how.contains(how), "{:?}", units[1].undo);
    }
    // What is wrong with the one text that may run is found.
    let body = format!("```sql {{#a on=my}}\n{};\n```\n", group("'UPDATE t SET a = 1'"));
    let (_, findings) = compiled_with(&document(&body), &config(BOTH), &NoFiles);
    assert!(findings.iter().any(|finding| finding.rule == "no-where"), "{findings:?}");
}

#[test]
fn the_locks_of_a_dump_are_left_out_and_said() {
    let body =
        "```sql {#a on=my}\nLOCK TABLES `t` WRITE;\nINSERT INTO `t` VALUES (1);\nUNLOCK TABLES;\n```\n";
    let (plan, findings) = server_plan(body);
    assert_eq!(plan.units().count(), 1);
    assert_eq!(findings.iter().filter(|finding| finding.rule == "transaction-left-out").count(), 2);
    let body = "```sql {on=pg}\nLOCK t;\nUPDATE t SET a = 1;\nUPDATE t SET b = a;\n```\n";
    assert_eq!(errors_with(body, SERVERS), [pair("sql-not-in-transaction", "LOCK t")]);
}

#[test]
fn a_query_that_may_write_is_told_from_one_that_reads() {
    let of = |on: &str, said: &str, statement: &str, more: &str| {
        let body = format!("```sql {{#a on={on}{said}}}\n{statement};\n```\n{more}");
        let (plan, findings) = compiled_with(&document(&body), &config(BOTH), &NoFiles);
        let plan = plan.unwrap_or_else(|| panic!("{body}: {findings:#?}"));
        let unit = &plan.steps[0].units[0];
        (unit.undo.class, unit.undo.by.clone())
    };
    let reads = (Class::Readonly, UndoBy::Nothing);
    assert_eq!(of("pg", "", "SELECT count(*), now() FROM t", ""), reads);
    assert_eq!(of("pg", "", "SELECT set_config('search_path', '', false)", ""), reads);
    assert_eq!(of("pg", " readonly", "SELECT f()", ""), reads);
    assert_eq!(of("pg", "", "SELECT f()", ""), (Class::Lossy, UndoBy::Driver));
    assert_eq!(of("pg", "", "SELECT setval('s', 7)", ""), (Class::Exact, UndoBy::Driver));
    assert_eq!(of("pg", " irreversible", "SELECT f()", ""), (Class::None, UndoBy::Nobody));
    let by_hand = "```sql {#b undoes=a}\nSELECT g();\n```\n";
    assert_eq!(of("pg", "", "SELECT f()", by_hand), (Class::Lossy, UndoBy::Script));
    assert_eq!(of("pg", "", "SELECT setval('s', 7)", by_hand), (Class::Exact, UndoBy::Driver));
    // Nobody sees there what it did: it can write only where the document says what becomes of it.
    assert_eq!(of("my", "", "SELECT f()", ""), reads);
    assert_eq!(of("my", " irreversible", "SELECT f()", ""), (Class::None, UndoBy::Nobody));
    assert_eq!(of("my", "", "SELECT f()", by_hand), (Class::Lossy, UndoBy::Script));
}

#[test]
fn a_line_that_does_more_than_its_statements_is_left_to_its_client() {
    for (on, line, is_lifted) in [
        ("my", "mysql biz -e 'UPDATE t SET a = 1 WHERE id = 2'", true),
        ("my", "mysql biz -e 'SET NAMES utf8mb4; UPDATE t SET a = 1 WHERE id = 2'", true),
        ("my", "mysql biz -e 'INSERT INTO m (a) VALUES (1); INSERT INTO r VALUES (LAST_INSERT_ID())'", false),
        ("my", "mysql biz -e 'SET GLOBAL max_connections = 500'", false),
        ("my", "mysql biz -e 'SET @@PERSIST.max_connections = 500'", false),
        ("my", "mysql biz -e 'RESET MASTER'", false),
        ("pg", "psql biz -c 'SELECT count(*) FROM t'", true),
        ("pg", "psql biz -c \"SELECT setval('s', 7)\"", true),
        ("pg", "psql biz -c \"SELECT set_config('search_path', '', false)\" -c 'SELECT f()'", true),
        ("pg", "psql biz -c \"SELECT set_config('search_path', 'app', true)\" -c 'DELETE FROM t'", false),
        (
            "pg",
            "psql biz -c \"SELECT set_config('search_path', lower('APP'), false)\" -c 'DELETE FROM t'",
            false,
        ),
        ("pg", "psql biz -c 'SELECT set_tenant(5)' -c 'DELETE FROM t'", false),
        ("pg", "psql biz -c \"SELECT setval('s', 9)\" -c 'DELETE FROM t'", true),
        ("my", "mysql biz -e 'SELECT f()'", false),
        ("pg", "psql biz -c 'INSERT INTO m (a) VALUES (1)' -c 'DELETE FROM r'", true),
        ("pg", "psql biz -c 'INSERT INTO m (a) VALUES (1)' -c 'INSERT INTO r VALUES (lastval())'", false),
        ("pg", "psql biz -c 'CREATE TEMP TABLE x AS TABLE m' -c 'UPDATE m SET a = 1'", false),
        ("pg", "psql biz -c 'SET LOCAL search_path = x; DELETE FROM t'", false),
    ] {
        let body = format!("```sh {{#a on={on} irreversible}}\n{line}\n```\n");
        let (plan, findings) = compiled_with(&document(&body), &config(BOTH), &NoFiles);
        let plan = plan.unwrap_or_else(|| panic!("{line}: {findings:#?}"));
        let lifted = plan.steps[0].units.iter().all(|unit| matches!(unit.action, Action::Sql { .. }));
        assert_eq!(lifted, is_lifted, "{line}: {findings:#?}");
    }
}

#[test]
fn what_changes_the_server_is_no_setting_of_a_session() {
    let found = errors_with("```sql {#a on=my readonly}\nSET GLOBAL max_connections = 500;\n```\n", BOTH);
    assert!(!found.is_empty(), "it passed for readonly");
}

#[test]
fn statements_that_share_a_temporary_table_are_one_on_postgresql_and_ordinary_on_sqlite() {
    let toml = "[target.db]\nurl = \"postgres://u@h/x\"\n";
    let script =
        "CREATE TEMP TABLE x AS SELECT 1 AS a;\nUPDATE t SET a = x.a FROM x;\nDROP TABLE x;\nSELECT 2;";
    let body = document(&format!("```sql {{#a on=db}}\nSELECT 1;\n{script}\n```\n"));
    let plan = compiled_with(&body, &config(toml), &NoFiles).0.unwrap();
    let texts = |plan: &Plan| -> Vec<String> {
        let units = plan.units().map(|(_, unit)| match &unit.action {
            Action::Sql { statement, .. } => statement.clone(),
            _ => String::new(),
        });
        units.collect()
    };
    let [first, shared, last] = &texts(&plan)[..] else { panic!("{:?}", texts(&plan)) };
    assert_eq!((first.as_str(), last.as_str()), ("SELECT 1", "SELECT 2"));
    assert!(
        shared.starts_with("DO $windlass$") && shared.contains("$UPDATE t SET a = x.a FROM x$"),
        "{shared}"
    );

    let body = document(&format!("```sql {{#a on=db}}\n{script}\n```\n"));
    let plan = compiled_with(&body, &config(EXAMPLE_CONFIG), &NoFiles).0.unwrap();
    let texts = texts(&plan);
    assert_eq!(texts.len(), 4);
    assert_eq!(texts[0].split_whitespace().collect::<Vec<_>>().join(" "), "CREATE TABLE x AS SELECT 1 AS a");
    // Without an end of its own it would stay.
    let open = "```sql {on=db}\nCREATE TEMP TABLE x AS SELECT 1 AS a;\nUPDATE t SET a = 1;\n```\n";
    assert_eq!(errors(open), [pair("sql-not-in-transaction", "CREATE TEMP TABLE x AS SELECT 1 AS a")]);
}
