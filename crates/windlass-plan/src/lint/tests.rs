use super::*;
use crate::{ConfigSource, DocumentMeta, NoFiles, compile, parse_config};
use std::collections::BTreeSet;

fn config(text: &str) -> Config {
    let (config, findings) =
        parse_config(&[ConfigSource { name: "windlass.toml".into(), text: text.into() }]);
    assert_eq!(findings, []);
    config
}

fn with_header(text: &str) -> String {
    if text.starts_with("---") { text.to_owned() } else { format!("---\nrelease: 2.1.0\n---\n\n{text}") }
}

/// Findings of a document with the text they mark.
pub(super) fn findings(text: &str, toml: &str) -> Vec<(Finding, String)> {
    let text = with_header(text);
    let parsed = windlass_document::parse_str(&text);
    let errors: Vec<_> = parsed.findings.iter().filter(|f| f.severity == Severity::Error).collect();
    assert!(errors.is_empty(), "{text}\n{errors:#?}");
    let meta = DocumentMeta { name: "release.md", text: &text };
    let (_, findings) = compile(&parsed.document, meta, &config(toml), &NoFiles, "0.1.0");
    findings
        .into_iter()
        .map(|finding| {
            let marked = text[finding.span.start..finding.span.end].to_owned();
            (finding, marked)
        })
        .collect()
}

/// What a rule marks in a document.
fn marks(rule: &str, text: &str) -> Vec<String> {
    findings(text, EXAMPLE_CONFIG)
        .into_iter()
        .filter(|(finding, _)| finding.rule == rule)
        .map(|(_, marked)| marked)
        .collect()
}

#[test]
fn every_rule_is_complete_and_its_examples_are_true() {
    let mut names = BTreeSet::new();
    for rule in RULES {
        assert!(names.insert(rule.name), "{} is listed once", rule.name);
        assert!(rule.name.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'), "{}", rule.name);
        assert!(!rule.summary.ends_with('.') && !rule.why.ends_with('.'), "{}", rule.name);
        let bad = findings(rule.bad, EXAMPLE_CONFIG);
        let (found, _) = bad
            .iter()
            .find(|(finding, _)| finding.rule == rule.name)
            .unwrap_or_else(|| panic!("the bad example of {} triggers it: {bad:#?}", rule.name));
        assert_eq!((found.severity, found.why.as_str()), (rule.severity, rule.why), "{}", rule.name);
        assert!(!found.help.is_empty(), "{} says what to do", rule.name);
        let other: Vec<_> = bad.iter().filter(|(finding, _)| finding.rule != rule.name).collect();
        let excused = ["plain-process", "online-breaks"].contains(&rule.name);
        assert!(other.is_empty() || excused, "the bad example of {} shows only it: {other:#?}", rule.name);
        let good = findings(rule.good, EXAMPLE_CONFIG);
        assert!(good.is_empty(), "the good example of {} is clean: {good:#?}", rule.name);
    }
}

const BACKUP: &str = "```sh {#backup on=app}\nsqlite3 app.db '.backup b'\n```\n";

fn sql(statements: &str) -> String {
    format!("{BACKUP}```sql {{#s on=db}}\n{statements}\n```\n- [ ] fine\n")
}

#[test]
fn each_database_needs_a_backup_of_its_own_once() {
    let toml = format!("{EXAMPLE_CONFIG}\n[target.log]\nurl = \"sqlite:log.db\"\n");
    let text = format!(
        "{BACKUP}```sql {{on=log}}\nDELETE FROM a WHERE b;\nDELETE FROM c WHERE d;\n```\n- [ ] fine\n"
    );
    let found = findings(&text, &toml);
    let [(finding, marked)] = &found[..] else { panic!("{found:#?}") };
    assert_eq!((finding.rule.as_str(), marked.as_str()), ("no-backup-before-write", "DELETE FROM a WHERE b"));
    assert_eq!(
        marks("no-backup-before-write", "```sql {on=db}\nSELECT 1;\n```\n"),
        [""; 0],
        "reading needs none"
    );
}

#[test]
fn nothing_is_called_missing_while_a_step_has_errors() {
    let text =
        "```sql {on=db}\nDELETE FROM a WHERE b;\n```\n```sh {on=nowhere}\nsqlite3 app.db '.backup b'\n```\n";
    let rules: Vec<_> = findings(text, EXAMPLE_CONFIG).into_iter().map(|(finding, _)| finding.rule).collect();
    assert_eq!(rules, ["unknown-target"]);
}

#[test]
fn a_check_a_gate_a_query_and_a_healthy_start_all_verify() {
    let change = "```sh {on=app}\nmkdir out\n```\n";
    let unverified = |after: &str| marks("no-verification", &format!("{change}{after}"));
    assert_eq!(unverified(""), ["mkdir out"]);
    for after in [
        "- [ ] fine\n",
        "```sql {on=db rows=1}\nSELECT 1;\n```\n",
        "```sh {on=app}\ncurl -f http://h/\n```\n",
        "```sh {on=app readonly}\n./check\n```\n",
        "```sh {on=app}\nwindlass service restart booking\n```\n",
    ] {
        assert_eq!(unverified(after), [""; 0], "{after}");
    }
    assert_eq!(unverified("- [x] fine\n"), ["mkdir out"], "a statement is no check");
    assert_eq!(unverified("```sql {on=db}\nSELECT 1;\n```\n"), ["mkdir out"], "it fails never");
}

#[test]
fn what_the_policy_requires_is_found_where_it_is_missing() {
    let required = |require: &str, text: &str| -> Vec<(String, String)> {
        let pg = "[target.pg]\nurl = \"postgres://127.0.0.1/a\"\n";
        let toml = format!("{EXAMPLE_CONFIG}\n{pg}[policy]\nrequire = [\"{require}\"]\n");
        let own = findings(text, &toml).into_iter().filter(|(finding, _)| finding.rule == "policy-require");
        own.map(|(finding, marked)| (finding.message, marked)).collect()
    };
    let write = "```sql {#s on=db}\nDELETE FROM a WHERE b;\nDELETE FROM c WHERE d;\n```\n";
    let [(message, marked)] = &required("backup-first", write)[..] else { panic!("told once") };
    assert_eq!(marked, "DELETE FROM a WHERE b");
    assert!(
        message.contains("`db` is changed before") && message.contains("requires `backup-first`"),
        "{message}"
    );
    for partial in ["-t a", "-s", "--data-only", "--exclude-table=b", "-n public"] {
        let dump = format!("```sh {{on=pg}}\npg_dump {partial} > part.sql\n```\n");
        let write = "```sql {#s on=pg}\nDELETE FROM a WHERE b;\n```\n";
        assert_eq!(required("backup-first", &format!("{dump}{write}")).len(), 1, "{partial}");
        let dump = dump.replace(partial, "--no-owner");
        assert_eq!(required("backup-first", &format!("{dump}{write}")), [], "a whole dump");
    }
    let [(_, marked)] = &required("verify-last", write)[..] else { panic!("told once") };
    assert_eq!(marked, "DELETE FROM c WHERE d");
    let whole = format!("{BACKUP}{write}- [ ] fine\n");
    for require in ["backup-first", "verify-last", "rollback:lossy"] {
        assert_eq!(required(require, &whole), [], "{require}");
    }
    let away = "```sh {#a on=app irreversible}\n./a\n```\n```sh {#b on=app irreversible}\n./b\n```\n";
    let [(message, marked)] = &required("rollback:restore", away)[..] else { panic!("told once") };
    assert!(marked.contains("./a"), "the first of the worst: {marked}");
    assert!(message.contains("the undo class is none because of step a"), "{message}");
    // A service that starts healthy is a check, and reading needs no backup.
    let start = "```sh {on=app}\nmkdir out\nwindlass service restart booking\n```\n";
    assert_eq!(required("verify-last", start), []);
    assert_eq!(required("backup-first", "```sql {on=db}\nSELECT 1;\n```\n"), []);
}

#[test]
fn a_gate_is_wanted_before_each_step_without_a_way_back() {
    let text = "```sh {on=app}\nmkdir out\n```\n```sh {on=app irreversible}\n./a\n./b\n```\n- [ ] fine\n\
                ```sh {on=app irreversible}\n./c\n```\n- [ ] fine\n";
    assert_eq!(marks("irreversible-without-gate", text), ["irreversible"], "the first one, once");
}

#[test]
fn dropping_is_seen_and_rebuilding_a_table_is_not_dropping() {
    assert_eq!(marks("destructive-sql", &sql("DROP TABLE a;")), ["DROP TABLE a"]);
    assert_eq!(
        marks("destructive-sql", &sql("ALTER TABLE a DROP COLUMN b;")),
        ["ALTER TABLE a DROP COLUMN b"]
    );
    let rebuild = "CREATE TABLE new_a (id INTEGER);\nINSERT INTO new_a SELECT id FROM a;\nDROP TABLE a;\nALTER TABLE \
                   new_a RENAME TO a;";
    assert_eq!(marks("destructive-sql", &sql(rebuild)), [""; 0]);
    let said = "- [ ] ok\n```sql {on=db irreversible}\nDROP TABLE a;\n```\n- [ ] ok\n";
    assert_eq!(marks("destructive-sql", said), [""; 0], "the author said so");
}

#[test]
fn every_row_is_meant_only_if_it_is_said() {
    assert_eq!(
        marks("no-where", &sql("DELETE FROM a;\nUPDATE a SET b = 1;")),
        ["DELETE FROM a", "UPDATE a SET b = 1"]
    );
    assert_eq!(marks("no-where", &sql("DELETE FROM a WHERE true;\nINSERT INTO a VALUES (1);")), [""; 0]);
}

#[test]
fn a_service_is_not_left_stopped() {
    let stop = "```sh {on=app}\nwindlass service stop booking\n```\n";
    let start = "```sh {on=app}\nwindlass service start booking\n```\n";
    assert_eq!(marks("service-left-stopped", stop), ["windlass service stop booking"]);
    assert_eq!(marks("service-left-stopped", &format!("{stop}{start}")), [""; 0]);
    assert_eq!(marks("service-left-stopped", &format!("{stop}{start}{stop}")).len(), 1);
}

#[test]
fn schema_changes_are_put_in_order_with_the_service() {
    let step = |line: &str| format!("```sh {{on=app}}\nwindlass service {line} booking\n```\n");
    let add = "```sql {on=db}\nALTER TABLE a ADD COLUMN b;\n```\n";
    let late = |text: &str| marks("migration-after-start", text).len();
    assert_eq!(late(&format!("{}{add}{}", step("stop"), step("start"))), 0);
    assert_eq!(late(&format!("{}{}{add}", step("stop"), step("start"))), 1);
    assert_eq!(late(&format!("{}{add}{}", step("restart"), step("restart"))), 0, "in time for the second");

    let drop = "```sql {on=db}\nALTER TABLE a DROP COLUMN b;\n```\n";
    assert_eq!(late(&format!("{}{drop}", step("restart"))), 0, "nobody uses it there");
}

/// What is said of statements that the version before cannot live with: rule, severity, marked text, help.
fn harms(text: &str) -> Vec<(String, Severity, String, String)> {
    let rules = ["breaking-while-serving", "online-breaks"];
    findings(text, EXAMPLE_CONFIG)
        .into_iter()
        .filter(|(finding, _)| rules.contains(&finding.rule.as_str()))
        .map(|(finding, marked)| (finding.rule, finding.severity, marked, finding.help))
        .collect()
}

#[test]
fn what_the_version_before_cannot_live_with_is_an_error_that_shows_where_to_move_it() {
    let step =
        |id: &str, line: &str| format!("```sh {{#{id} on=app}}\nwindlass service {line} booking\n```\n");
    let sql = |statement: &str| format!("```sql {{on=db}}\n{statement};\n```\n");
    let (stop, start, restart) = (step("halt", "stop"), step("go", "start"), step("again", "restart"));
    let rename = sql("ALTER TABLE a RENAME COLUMN b TO c");
    let drop = sql("ALTER TABLE a DROP COLUMN b");
    let add = sql("ALTER TABLE a ADD COLUMN b");

    let found = harms(&format!("{rename}{stop}{start}"));
    let [(rule, severity, marked, help)] = &found[..] else { panic!("{found:#?}") };
    assert_eq!((rule.as_str(), *severity), ("breaking-while-serving", Severity::Error));
    assert_eq!(marked, "ALTER TABLE a RENAME COLUMN b TO c");
    assert!(
        help.starts_with("move it between line 9 (#halt) and line 12 (#go); or split it: add `c` now"),
        "{help}"
    );

    // A restart leaves no place in between: what is only taken away goes behind it.
    let help = |text: String| harms(&text).first().map(|(.., help)| help.clone()).unwrap_or_default();
    let behind = help(format!("{drop}{restart}"));
    assert!(
        behind.starts_with("move it behind line 9 (#again), best into a step with `after=7d`"),
        "{behind}"
    );
    let between = help(format!("{rename}{restart}"));
    assert!(between.starts_with("put `windlass service stop booking` before it"), "{between}");
    assert!(between.contains("drop `b` in a step with `after=`"), "{between}");

    for (text, why) in [
        (format!("{stop}{rename}{drop}{start}"), "nobody serves in between"),
        (format!("{add}{restart}"), "adding breaks nothing"),
        (format!("{restart}{drop}"), "the version before is gone"),
        (rename.clone(), "no service of this release is known to use it"),
        (
            format!("{}{}{restart}", sql("CREATE TABLE n (a, b)"), sql("ALTER TABLE n DROP COLUMN a")),
            "it is new",
        ),
        (format!("{add}{drop}{restart}"), "the version before does not know the column"),
    ] {
        assert_eq!(harms(&text), [], "{why}");
    }
    let online = format!("{}{restart}", rename.replace("on=db", "on=db online"));
    let found = harms(&online);
    assert_eq!((found[0].0.as_str(), found[0].1, found.len()), ("online-breaks", Severity::Error, 1));
    let late = harms(&format!("{restart}{}", drop.replace("on=db", "on=db online")));
    assert!(late[0].3.starts_with("leave `online` out; or split it: stop using `b` now"), "{late:?}");
}

#[test]
fn what_the_release_makes_itself_breaks_nothing_for_the_version_before() {
    let toml = format!("{EXAMPLE_CONFIG}[target.my]\nurl = \"mysql://app@localhost/shop\"\n");
    let count = |on: &str, statements: &str| {
        let text = format!(
            "```sql {{on={on}}}\n{statements}\n```\n```sh {{on=app}}\nwindlass service restart booking\n```\n"
        );
        let found = findings(&text, &toml).into_iter();
        found.filter(|(finding, _)| finding.rule == "breaking-while-serving").count()
    };
    for statements in [
        "ALTER TABLE t ADD COLUMN p BIGINT NULL, ADD CONSTRAINT f FOREIGN KEY (p) REFERENCES q (id);",
        "ALTER TABLE t ADD COLUMN r text;\nCREATE UNIQUE INDEX u ON t (r);",
        "ALTER TABLE t ADD COLUMN c int DEFAULT 1;\nALTER TABLE t MODIFY c int NOT NULL;",
        "CREATE PROCEDURE tmp() SELECT 1;\nCALL tmp();\nDROP PROCEDURE tmp;",
        "DROP PROCEDURE IF EXISTS tmp;\nCREATE PROCEDURE tmp() SELECT 1;",
    ] {
        assert_eq!(count("my", statements), 0, "{statements}");
    }
    for statements in [
        "ALTER TABLE t ADD COLUMN r int DEFAULT 1;\nCREATE UNIQUE INDEX u ON t (r);",
        "ALTER TABLE t ADD COLUMN r text;\nCREATE UNIQUE INDEX u ON t (other);",
        "CREATE TABLE archive.t (a int);\nALTER TABLE shop.t DROP COLUMN a;",
        "CREATE TABLE n (a int);\nDROP TABLE n;\nALTER TABLE n DROP COLUMN a;",
        "DROP PROCEDURE tmp;",
    ] {
        assert_eq!(count("my", statements), 1, "{statements}");
    }
}

#[test]
fn where_the_catalog_decides_it_is_a_warning_until_the_catalog_was_read() {
    let toml = format!("{EXAMPLE_CONFIG}[target.pg]\nurl = \"postgres://app@localhost/shop\"\n");
    let text = with_header(
        "```sql {on=pg}\nALTER TABLE a ALTER b TYPE varchar(20);\n```\n```sh {on=app}\nwindlass service restart \
         booking\n```\n",
    );
    let parsed = windlass_document::parse_str(&text);
    let meta = DocumentMeta { name: "release.md", text: &text };
    let config = config(&toml);
    let severity = |length: Option<&str>| {
        let catalogs = length.map(|length| {
            let kind = windlass_sql::column_type(length, windlass_sql::Dialect::Postgresql);
            let column = windlass_sql::LiveColumn { name: "b".into(), kind, ..Default::default() };
            let name = windlass_sql::ObjectName { parts: vec!["a".into()] };
            let table =
                windlass_sql::LiveTable { name, rows: Some(1), columns: vec![column], ..Default::default() };
            ("pg".to_owned(), windlass_sql::Live { tables: vec![table], ..Default::default() })
        });
        let catalogs = catalogs.into_iter().collect();
        let (plan, found) =
            crate::compile_live(&parsed.document, meta, &config, &NoFiles, "0.1.0", &catalogs);
        let found = found.into_iter().find(|finding| finding.rule == "breaking-while-serving");
        (plan.is_some(), found.map(|finding| finding.severity))
    };
    assert_eq!(severity(None), (true, Some(Severity::Warning)));
    assert_eq!(severity(Some("varchar(10)")), (true, None), "it only becomes longer");
    assert_eq!(severity(Some("varchar(30)")), (false, Some(Severity::Error)), "it becomes shorter");
}

#[test]
fn processes_run_by_hand_are_seen_wherever_they_stand() {
    let text =
        "```sh {on=app irreversible}\nset -e\npkill -f app\nsudo kill 5\nnohup ./app &\n```\n- [ ] fine\n";
    assert_eq!(marks("plain-process", text), ["pkill", "kill", "nohup"]);
    let text = "```sh {on=app readonly}\n./killall-report\n```\n";
    assert_eq!(marks("plain-process", text), [""; 0]);
}

#[test]
fn curl_with_fail_among_other_letters_is_fine() {
    let curl =
        |line: &str| marks("curl-without-fail", &format!("```sh {{on=app readonly}}\n{line}\n```\n")).len();
    assert_eq!(curl("curl -sS http://h/"), 1);
    assert_eq!(curl("sudo curl -L http://h/"), 1);
    for line in ["curl -fsS http://h/", "curl --fail -L http://h/", "curl -L --fail-with-body http://h/"] {
        assert_eq!(curl(line), 0, "{line}");
    }
}

#[test]
fn removing_far_away_is_seen() {
    let rm = |line: &str| {
        marks("remove-far", &format!("```sh {{on=app irreversible}}\n{line}\n```\n- [ ] fine\n"))
    };
    assert_eq!(rm("rm -rf / "), ["/"]);
    assert_eq!(rm("sudo rm --recursive ../old ."), ["../old", "."]);
    assert_eq!(rm("rm -rf cache a/../b"), [""; 0]);
    assert_eq!(rm("rm /tmp/file"), [""; 0], "one file is no folder");
}

#[test]
fn no_downtime_is_promised_only_where_requests_are_held() {
    let text = |release: &str| {
        format!(
            "---\nrelease: 2.1.0\ndowntime: {release}\n---\n\n```sh {{on=app}}\nwindlass service restart booking\n```\n"
        )
    };
    let count = |text: &str, toml: &str| {
        findings(text, toml).iter().filter(|(finding, _)| finding.rule == "downtime-promised").count()
    };
    assert_eq!(count(&text("0"), EXAMPLE_CONFIG), 1);
    assert_eq!(count(&text("5s"), EXAMPLE_CONFIG), 0);
    let held = format!("{EXAMPLE_CONFIG}proxy = {{ listen = \"127.0.0.1:0\" }}\n");
    assert_eq!(count(&text("0"), &held), 0);
}

#[test]
fn scripts_that_stop_at_failures_are_fine() {
    let script = |text: &str| {
        let text = format!("```sh {{on=app readonly}}\n{text}\n```\n");
        marks("hidden-failure", &text).len()
    };
    assert_eq!(script("./a | ./b\n./c"), 1);
    assert_eq!(script("./a | ./b"), 0, "one command has one result");
    for first in ["set -e", "set -eu", "set -o errexit"] {
        assert_eq!(script(&format!("{first}\n./a | ./b\n./c")), 0, "{first}");
    }
    assert_eq!(script("./a\n./b"), 0, "lines of their own are units of their own");
}

/// `uses` says which databases a service works with; absent, it may be any.
#[test]
fn a_service_is_no_user_of_a_database_that_it_does_not_name() {
    let text = "```sh {#backup on=app}\nsqlite3 app.db '.backup b'\n```\n```sh {#mail on=app}\nwindlass service restart mailer\n\
                ```\n```sql {#s on=db}\nALTER TABLE t DROP COLUMN a;\n```\n```sh {#restart on=app}\nwindlass service \
                restart booking\n```\n- [ ] fine\n";
    let mailer = "\n[service.mailer]\non = \"app\"\nrun = [\"./mailer\"]\nuses = ";
    let rules = |booking: &str, mailer: &str| -> Vec<String> {
        let toml = format!("{EXAMPLE_CONFIG}{booking}{mailer}");
        let found = findings(text, &toml).into_iter();
        found
            .map(|(finding, _)| finding.rule)
            .filter(|rule| rule != "destructive-sql" && rule != "plain-process")
            .collect()
    };
    let log = "\n[target.log]\nurl = \"sqlite:log.db\"\n";
    assert_eq!(rules("", &format!("{mailer}[\"db\"]")), ["breaking-while-serving"]);
    assert_eq!(rules("uses = [\"log\"]\n", &format!("{mailer}[\"db\"]{log}")), [""; 0]);
    let started = text.replace("DROP COLUMN a", "ADD COLUMN a INT");
    let started = started.split("```sh {#restart").next().unwrap();
    let after_start = |mailer: &str| {
        let toml = format!("{EXAMPLE_CONFIG}{mailer}{log}");
        findings(&format!("{started}- [ ] fine\n"), &toml)
            .iter()
            .any(|(finding, _)| finding.rule == "migration-after-start")
    };
    assert!(after_start(&format!("{mailer}[\"db\"]")));
    assert!(!after_start(&format!("{mailer}[\"log\"]")));
}
