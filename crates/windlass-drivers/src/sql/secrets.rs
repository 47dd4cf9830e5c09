//! Statements with `'${secret.NAME}'`: what is sent in their place. Plan, journal and ledger have the reference; only what goes to the server has the value.

use super::place;
use std::borrow::Cow;
use windlass_driver::{Context, Failure, Fault};
use windlass_plan::{Action, Unit, has_secrets, may_have_secrets};
use windlass_sql::{Dialect, secret_literal, secret_references, with_secrets};

/// Refuses a statement with references that is not one of those which are sent as they are: on no other road are they resolved, and what would be sent
/// there is their text.
pub(crate) fn may_run(cx: &Context, unit: &Unit, dialect: Dialect) -> Result<(), Failure> {
    let Action::Sql { statement, .. } = &unit.action else { return Ok(()) };
    if !has_secrets(&unit.action, dialect) {
        return Ok(());
    }
    let is_whole = secret_references(statement, dialect).misplaced.is_empty();
    if is_whole && may_have_secrets(&unit.action, dialect, &unit.undo.by) {
        return Ok(());
    }
    let text = format!("{}: a secret may not stand in this statement; it was not run", place(cx, unit, None));
    Err(Failure::clean(Fault::Document, text))
}

/// Whether a value of the statement has a backslash in it, which MySQL reads as its session says.
pub(crate) fn has_backslash(cx: &Context, unit: &Unit, statement: &str) -> Result<bool, Failure> {
    for reference in secret_references(statement, Dialect::Mysql).whole {
        if value(cx, unit, reference.name)?.contains('\\') {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The statement as it is sent. `escapes`: a backslash means something in a literal.
pub(crate) fn resolved<'s>(
    cx: &Context,
    unit: &Unit,
    statement: &'s str,
    dialect: Dialect,
    escapes: bool,
) -> Result<Cow<'s, str>, Failure> {
    with_secrets(statement, dialect, |name| {
        let literal = secret_literal(&value(cx, unit, name)?, dialect, escapes);
        literal.ok_or_else(|| wrong(cx, unit, name, "has the character 0 in it, which no literal can have"))
    })
}

/// Why secrets of the statement are not there, for a look before anything runs.
pub(crate) fn missing(cx: &Context, unit: &Unit, dialect: Dialect) -> Vec<String> {
    let Action::Sql { statement, .. } = &unit.action else { return vec![] };
    let references = secret_references(statement, dialect).whole;
    let failures = references.iter().filter_map(|one| value(cx, unit, one.name).err());
    failures.map(|failure| failure.message.replace("; it was not run", "")).collect()
}

fn value(cx: &Context, unit: &Unit, name: &str) -> Result<String, Failure> {
    let Some(secret) = cx.plan.secrets.get(name) else {
        return Err(wrong(cx, unit, name, "is not in the plan"));
    };
    cx.secrets.resolve(secret).map_err(|why| wrong(cx, unit, name, &format!("cannot be read: {why}")))
}

fn wrong(cx: &Context, unit: &Unit, name: &str, why: &str) -> Failure {
    let text = format!("{}: secret `{name}` {why}; it was not run", place(cx, unit, None));
    Failure::clean(Fault::Document, text)
        .hint(format!("set what `[secret.{name}]` of windlass.toml refers to, then: windlass resume"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{context, folder, sql, unit};
    use std::sync::Arc;
    use windlass_plan::{Secret, UndoBy};

    #[test]
    fn only_what_is_sent_as_it_is_has_secrets_and_all_of_them_are_there() {
        use Dialect::{Mysql, Postgresql, Sqlite};
        for (statement, dialect, by, runs) in [
            ("ALTER ROLE a PASSWORD '${secret.app}'", Postgresql, UndoBy::Driver, true),
            ("CREATE USER a IDENTIFIED BY '${secret.app}'", Mysql, UndoBy::Driver, true),
            ("UPDATE t SET a = '${secret.app}'", Sqlite, UndoBy::Nobody, true),
            ("UPDATE t SET a = '${secret.app}'", Sqlite, UndoBy::Driver, false),
            ("UPDATE t SET a = 'x${secret.app}'", Sqlite, UndoBy::Nobody, false),
            ("SELECT '${secret.app}'", Postgresql, UndoBy::Nobody, false),
            ("UPDATE t SET a = '${app}'", Sqlite, UndoBy::Driver, true),
        ] {
            let mut unit = unit("s/1", sql(statement, None));
            unit.undo.by = by;
            let folder = folder();
            let (mut cx, _) = context(folder.path(), &unit);
            assert_eq!(may_run(&cx, &unit, dialect).is_ok(), runs, "{statement}");
            if !runs || !has_secrets(&unit.action, dialect) {
                continue;
            }
            let failure = resolved(&cx, &unit, statement, dialect, false).unwrap_err();
            assert!(
                failure.message.contains("secret `app` is not in the plan; it was not run"),
                "{failure:?}"
            );
            assert_eq!(missing(&cx, &unit, dialect).len(), 1);
            Arc::make_mut(&mut cx.plan).secrets.insert("app".into(), Secret::Env("hunter2".into()));
            let sent = resolved(&cx, &unit, statement, dialect, false).unwrap();
            assert_eq!(sent, statement.replace("${secret.app}", "hunter2"));
            assert_eq!(missing(&cx, &unit, dialect), [""; 0]);
        }
    }
}
