//! Which statements may refer to a secret (`'${secret.NAME}'`, read by `windlass-sql`).

use crate::{Action, UndoBy};
use windlass_sql::{Dialect, Kind, Summary, keywords, password, secret_references};

/// Whether a statement with references is one that the drivers send as it is, once, and never make another one of: a statement on accounts, or one that
/// nobody undoes. From all others they derive what keeps and undoes what it changes, and the value would be in that too, in files and capsules.
#[must_use]
pub fn may_have_secrets(action: &Action, dialect: Dialect, by: &UndoBy) -> bool {
    let Action::Sql { statement, session: false, batch: None, .. } = action else { return false };
    let (statements, _) = windlass_sql::split(statement, dialect);
    let Some(summary) = statements.into_iter().next().map(|statement| statement.summary) else {
        return false;
    };
    // Beside a hand-written undo the driver still takes back what it can; of this one it cannot.
    let is_alone = matches!(by, UndoBy::Nobody | UndoBy::Script);
    is_of_account(statement, dialect) || is_alone && is_sent_as_it_is(&summary, dialect)
}

/// Whether the statement refers to a secret, wherever that stands.
#[must_use]
pub fn has_secrets(action: &Action, dialect: Dialect) -> bool {
    matches!(action, Action::Sql { statement, .. } if !secret_references(statement, dialect).is_empty())
}

/// Whether it is about accounts and what they may do.
pub(crate) fn is_of_account(statement: &str, dialect: Dialect) -> bool {
    // The options of a user mapping are in a catalog that is compared.
    let is_mapping = keywords(statement, dialect, 3).get(2).is_some_and(|word| word == "MAPPING");
    password(statement, dialect).is_some() && !is_mapping
}

fn is_sent_as_it_is(summary: &Summary, dialect: Dialect) -> bool {
    let rows = summary.changes_data && !summary.changes_schema;
    match (&summary.kind, dialect) {
        (Kind::Select | Kind::Session | Kind::Explain | Kind::Pragma, _) => false,
        (Kind::CreateOther(what) | Kind::AlterOther(what), Dialect::Mysql) => what == "SERVER",
        (_, Dialect::Postgresql) => true,
        (_, Dialect::Mysql | Dialect::Sqlite) => rows,
    }
}
