//! `'${secret.NAME}'` in statements.

use super::*;
use crate::Secret;

const CONFIG: &str = "[target.pg]\nurl = \"postgres://db/app\"\n[target.my]\nurl = \"mysql://db/app\"\n[target.lite]\nurl = \"sqlite:app.db\"\n\
                      [secret.app]\nfile = \"app.secret\"\n[secret.other]\nenv = \"OTHER\"\n";

fn fence(on: &str, attributes: &str, statement: &str) -> String {
    format!("```sql {{#s on={on} {attributes}}}\n{statement};\n```\n")
}

#[test]
fn the_plan_has_the_reference_and_where_its_secret_is() {
    for (on, attributes, statement) in [
        ("pg", "", "CREATE ROLE a LOGIN PASSWORD '${secret.app}'"),
        ("pg", "irreversible", "ALTER ROLE a PASSWORD '${secret.app}'"),
        ("pg", "irreversible", "CREATE USER MAPPING FOR a SERVER b OPTIONS (password '${secret.app}')"),
        ("my", "", "CREATE USER 'a'@'%' IDENTIFIED BY '${secret.app}'"),
        ("my", "", "ALTER USER a IDENTIFIED BY '${secret.app}'"),
        ("my", "irreversible", "UPDATE setting SET value = '${secret.app}'"),
        ("lite", "irreversible", "INSERT INTO setting VALUES ('smtp', '${secret.app}')"),
    ] {
        let text = document(&fence(on, attributes, statement));
        let (plan, findings) = compiled_with(&text, &config(CONFIG), &NoFiles);
        let plan = plan.unwrap_or_else(|| panic!("{statement}: {findings:#?}"));
        assert_eq!(plan.secrets.len(), 1);
        assert_eq!(plan.secrets["app"], Secret::File("app.secret".into()));
        assert!(!findings.iter().any(|finding| finding.rule == "password-in-sql"), "{findings:#?}");
        let Action::Sql { statement: planned, .. } = &plan.steps[0].units[0].action else { panic!() };
        assert_eq!(planned, statement);
    }
}

#[test]
fn a_reference_that_is_no_literal_or_in_a_statement_that_is_undone_is_an_error() {
    for (on, attributes, statement) in [
        ("pg", "irreversible", "ALTER ROLE a PASSWORD ${secret.app}"),
        ("pg", "irreversible", "ALTER ROLE a PASSWORD 'x${secret.app}'"),
        ("pg", "irreversible", "ALTER ROLE \"${secret.app}\" NOLOGIN"),
        ("pg", "irreversible", "DO $$ BEGIN EXECUTE '${secret.app}'; END $$"),
        ("pg", "", "UPDATE t SET a = '${secret.app}'"),
        ("pg", "", "CREATE USER MAPPING FOR a SERVER b OPTIONS (password '${secret.app}')"),
        ("pg", "irreversible", "SELECT '${secret.app}'"),
        ("pg", "", "SET app.key = '${secret.app}'"),
        ("my", "irreversible", "CREATE TABLE t (a INT) COMMENT '${secret.app}'"),
        ("my", "", "INSERT INTO t VALUES ('${secret.app}')"),
        ("lite", "", "INSERT INTO t VALUES ('${secret.app}')"),
        ("lite", "irreversible batch=10", "UPDATE t SET a = '${secret.app}'"),
    ] {
        let found = errors_with(&fence(on, attributes, statement), CONFIG);
        assert!(found.iter().any(|(rule, _)| rule == "secret-misplaced"), "{statement}: {found:?}");
    }
    let unknown = fence("pg", "irreversible", "ALTER ROLE a PASSWORD '${secret.ap}'");
    let (_, findings) = compiled_with(&document(&unknown), &config(CONFIG), &NoFiles);
    let finding = findings.iter().find(|finding| finding.rule == "secret-unknown").unwrap();
    assert_eq!(finding.help, "did you mean `app`?");
    // What is no reference stays what it is.
    assert_eq!(errors_with(&fence("lite", "", "INSERT INTO t VALUES ('Hello ${name}')"), CONFIG), []);
}

#[test]
fn a_password_of_postgresql_that_changes_has_a_way_back_that_is_written() {
    let change = "```sql {#s on=pg}\nALTER USER a WITH PASSWORD '${secret.app}';\n```\n";
    let mapping = "```sql {#s on=pg}\nALTER USER MAPPING FOR a SERVER b OPTIONS (SET password 'x');\n```\n";
    assert_eq!(errors_with(change, CONFIG)[0].0, "sql-without-undo");
    assert_eq!(errors_with(&change.replace("WITH PASSWORD '${secret.app}'", "NOLOGIN"), CONFIG), []);
    assert_eq!(errors_with(mapping, CONFIG), []);
    let undo = "```sql {#back on=pg undoes=s}\nALTER USER a WITH PASSWORD '${secret.other}';\n```\n";
    let text = document(&format!("{change}{undo}"));
    let (plan, findings) = compiled_with(&text, &config(CONFIG), &NoFiles);
    let plan = plan.unwrap_or_else(|| panic!("{findings:#?}"));
    assert_eq!(units(&plan, "s"), [("s/1".into(), Class::Lossy, UndoBy::Script)]);
    assert_eq!(plan.secrets.keys().collect::<Vec<_>>(), ["app", "other"]);

    // One that is dropped comes back by the driver only if it has none, which its text does not say.
    let dropped = "```sql {#s on=pg}\nDROP ROLE a;\nDROP USER MAPPING FOR b SERVER c;\n```\n";
    let made = "```sql {#back on=pg undoes=s}\nCREATE ROLE a PASSWORD '${secret.other}';\n```\n";
    let by = |text: &str| {
        let (plan, _) = compiled_with(&document(text), &config(CONFIG), &NoFiles);
        units(&plan.unwrap(), "s").into_iter().map(|(_, _, by)| by).collect::<Vec<_>>()
    };
    assert_eq!(by(dropped), [UndoBy::Driver, UndoBy::Driver]);
    assert_eq!(by(&format!("{dropped}{made}")), [UndoBy::Script, UndoBy::Driver]);
}
