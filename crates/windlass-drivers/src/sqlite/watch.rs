//! What a statement touches, learned from SQLite while it prepares it; and what must not run.

use super::ledger;
use rusqlite::{
    Connection,
    hooks::{AuthAction, AuthContext, Authorization},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};
use windlass_sql::READING_PRAGMAS;

/// Pragmas that change the database as part of the transaction.
const PRAGMAS_SET: [&str; 2] = ["user_version", "application_id"];

/// Watches the statements that a connection prepares.
#[derive(Clone, Default)]
pub(super) struct Watch(Arc<Mutex<Touches>>);

/// What statements touch, triggers included.
#[derive(Clone, Debug, Default)]
pub(crate) struct Touches {
    /// Tables whose rows may change, each with the columns that an update may change.
    rows: BTreeMap<String, BTreeSet<String>>,
    /// Tables that are made, altered or dropped.
    schema: BTreeSet<String>,
    /// Those of them that are dropped.
    dropped: BTreeSet<String>,
    /// Whether definitions may change.
    defines: bool,
    /// Whether a table is altered.
    alters: bool,
    refused: Option<String>,
}

impl Touches {
    /// Tables whose rows may change.
    pub(crate) fn tables(&self) -> impl Iterator<Item = &str> {
        self.rows.keys().map(String::as_str)
    }

    /// Columns of the table that an update may change.
    pub(crate) fn columns(&self, table: &str) -> Vec<&str> {
        self.rows.get(table).into_iter().flatten().map(String::as_str).collect()
    }

    /// All tables that are changed in any way.
    pub(crate) fn all(&self) -> BTreeSet<&str> {
        self.tables().chain(self.schema.iter().map(String::as_str)).collect()
    }

    /// Tables that are made, altered or dropped.
    pub(crate) fn schema(&self) -> impl Iterator<Item = &str> {
        self.schema.iter().map(String::as_str)
    }

    /// Tables that are dropped.
    pub(crate) fn dropped(&self) -> impl Iterator<Item = &str> {
        self.dropped.iter().map(String::as_str)
    }

    /// Whether a table is altered.
    pub(crate) fn alters(&self) -> bool {
        self.alters
    }

    /// Whether definitions may change.
    pub(crate) fn defines(&self) -> bool {
        self.defines
    }
}

impl Watch {
    /// Watches all statements prepared on `connection` from now on and refuses what must not run.
    pub(super) fn begin(connection: &mut Connection) -> rusqlite::Result<Self> {
        let watch = Self::default();
        let notes = Arc::clone(&watch.0);
        connection.authorizer(Some(move |context: AuthContext<'_>| judge(&notes, &context)))?;
        Ok(watch)
    }

    /// Stops watching.
    pub(super) fn end(connection: &mut Connection) -> rusqlite::Result<()> {
        connection.authorizer(None::<fn(AuthContext<'_>) -> Authorization>)
    }

    /// What was touched so far.
    pub(super) fn touches(&self) -> Touches {
        self.0.lock().expect("nothing panics while it is held").clone()
    }

    /// Why it was refused.
    pub(super) fn refused(&self) -> Option<String> {
        self.0.lock().expect("nothing panics while it is held").refused.clone()
    }
}

fn judge(notes: &Mutex<Touches>, context: &AuthContext<'_>) -> Authorization {
    let mut notes = notes.lock().expect("nothing panics while it is held");
    let main = context.database_name.is_none_or(|name| name == "main");
    let refusal = match context.action {
        AuthAction::Transaction { .. } | AuthAction::Savepoint { .. } => {
            Some("each statement runs in a transaction of its own; take transaction control out".to_owned())
        }
        AuthAction::Attach { .. } | AuthAction::Detach { .. } => {
            Some("other databases cannot be attached: each has its own target".to_owned())
        }
        AuthAction::Pragma { pragma_name, pragma_value: Some(value) } => pragma_refusal(pragma_name, value),
        AuthAction::Insert { table_name } | AuthAction::Delete { table_name } => {
            notes.row(main, table_name, None)
        }
        AuthAction::Update { table_name, column_name } => notes.row(main, table_name, Some(column_name)),
        AuthAction::DropTable { table_name } | AuthAction::DropVtable { table_name, .. } => {
            if main {
                notes.dropped.insert(table_name.to_owned());
            }
            notes.define(main, table_name)
        }
        // For some actions SQLite names the column where it names the database elsewhere.
        AuthAction::AlterTable { table_name, database_name } => {
            notes.alters = true;
            notes.define(database_name == "main", table_name)
        }
        AuthAction::CreateTable { table_name } | AuthAction::CreateVtable { table_name, .. } => {
            notes.define(main, table_name)
        }
        _ => None,
    };
    if refusal.is_none() {
        return Authorization::Allow;
    }
    notes.refused = refusal;
    Authorization::Deny
}

impl Touches {
    fn row(&mut self, main: bool, table: &str, column: Option<&str>) -> Option<String> {
        if main && (table == "sqlite_master" || table == "sqlite_schema") {
            self.defines = true;
        }
        if main && !table.starts_with("sqlite_") {
            self.rows.entry(table.to_owned()).or_default().extend(column.map(str::to_owned));
        }
        of_windlass(table)
    }

    fn define(&mut self, main: bool, table: &str) -> Option<String> {
        if main && !table.starts_with("sqlite_") {
            self.defines = true;
            self.schema.insert(table.to_owned());
        }
        of_windlass(table)
    }
}

fn of_windlass(table: &str) -> Option<String> {
    if table.eq_ignore_ascii_case(ledger::TABLE) {
        return Some("the ledger of Windlass is not changed by hand".to_owned());
    }
    let own = table.get(..9).is_some_and(|start| start.eq_ignore_ascii_case("windlass_"));
    own.then(|| format!("`{table}`: names that begin with `windlass_` belong to Windlass"))
}

fn pragma_refusal(name: &str, value: &str) -> Option<String> {
    let name = name.to_ascii_lowercase();
    let known = |list: &[&str]| list.contains(&name.as_str());
    let off = ["off", "0", "no", "false"].contains(&value.to_ascii_lowercase().as_str());
    if known(&PRAGMAS_SET) || known(&READING_PRAGMAS) || (name == "foreign_keys" && off) {
        return None;
    }
    Some(format!(
        "`PRAGMA {name} = {value}` belongs to one connection or cannot be part of a transaction, so it would have no \
         lasting effect here (foreign keys are not enforced while statements run, as in sqlite3)"
    ))
}
