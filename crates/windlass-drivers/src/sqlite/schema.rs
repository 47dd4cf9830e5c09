//! Statements on definitions: what they drop is set aside, and their inverse is found from the catalog before and after,
//! run, compared and rolled back again before anything is committed.

use super::{
    aside::{self, Aside, Owner},
    back::{self, Stuck},
    catalog,
    statement::execute,
    watch::Touches,
};
use rusqlite::Connection;
use serde::{Deserialize, Serialize};
use windlass_sql::{
    AlterAction, Dialect, Kind,
    sqlite::{Back, Catalog, inverse},
};

/// Tables with more rows are not built anew only to prove that it works: that is proved on a copy without rows.
const PROOF_ROWS_MAX: i64 = 50_000;

/// What a statement did to definitions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Defined {
    /// The way back, in order.
    pub(super) steps: Vec<Back>,
    /// What was set aside.
    pub(super) aside: Vec<Aside>,
}

/// Why a statement on definitions was not run, or has no fine undo.
pub(super) enum Trouble {
    /// SQLite refused the statement itself.
    Statement(rusqlite::Error),
    /// Another failure of SQLite.
    Sqlite(rusqlite::Error),
    /// It cannot be taken back so; why not.
    Uncovered(String),
}

impl From<rusqlite::Error> for Trouble {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

/// Runs the statement in the open transaction, sets aside what it drops, and proves its inverse; rows changed.
pub(super) fn run(
    connection: &Connection,
    owner: Owner<'_>,
    statement: &str,
    touches: &Touches,
) -> Result<(u64, Defined), Trouble> {
    let before = catalog::read(connection, touches.alters())?;
    let heavy = is_heavy(connection, touches)?;
    let copy = if heavy { Some(super::survey::shadow(connection)?) } else { None };
    let (rows, defined) = forward(connection, owner, statement, touches, &before)?;
    match copy {
        _ if rows == 0 && only_made(&defined) => {}
        None => prove(connection, owner, &defined, &before)?,
        Some(copy) => {
            copy.execute_batch("BEGIN")?;
            let (_, other) =
                forward(&copy, owner, statement, touches, &catalog::read(&copy, touches.alters())?)?;
            prove(&copy, owner, &other, &before)?;
        }
    }
    Ok((rows, defined))
}

fn forward(
    connection: &Connection,
    owner: Owner<'_>,
    statement: &str,
    touches: &Touches,
    before: &Catalog,
) -> Result<(u64, Defined), Trouble> {
    let mut defined = Defined::default();
    let mut rows = 0;
    if touches.dropped().next().is_some() {
        let mut expected = before.clone();
        for table in touches.dropped() {
            let name = before.tables().find(|other| other.name.eq_ignore_ascii_case(table));
            // A part of a virtual table goes with it.
            let Some(name) = name.map(|table| table.name.clone()) else { continue };
            let stored = aside::table(connection, owner, &name)
                .map_err(|error| Trouble::Uncovered(format!("{name} cannot be set aside: {error}")))?;
            expected = expected.without_table(&name);
            defined.aside.push(Aside { name, stored, finder: None });
        }
        let found = catalog::read(connection, false)?;
        if let Some(difference) = expected.differences(&found).first() {
            return Err(Trouble::Uncovered(format!(
                "setting it aside is not the same as dropping it: {difference}"
            )));
        }
    } else {
        if let Some((table, column)) = dropped_column(statement, touches) {
            match aside::column(connection, owner, table, &column)? {
                Some(Ok((stored, finder))) => {
                    let name = format!("{table}.{column}");
                    defined.aside.push(Aside { name, stored, finder: Some(finder) });
                }
                Some(Err(why)) => return Err(Trouble::Uncovered(why)),
                None => {}
            }
        }
        rows = execute(connection, statement).map_err(Trouble::Statement)?;
    }
    let after = catalog::read_after(connection, before)?;
    defined.steps = inverse(before, &after).map_err(Trouble::Uncovered)?;
    Ok((rows, defined))
}

/// The column that the statement drops, as far as its text tells; what it misses shows in the catalog.
fn dropped_column<'t>(statement: &str, touches: &'t Touches) -> Option<(&'t str, String)> {
    let (statements, _) = windlass_sql::split(statement, Dialect::Sqlite);
    let Kind::AlterTable(actions) = &statements.first()?.summary.kind else { return None };
    let column = actions.iter().find_map(|action| match action {
        AlterAction::DropColumn(column) => Some(column.clone()),
        _ => None,
    })?;
    Some((touches.schema().next()?, column))
}

/// What was made, and holds nothing, is dropped again. That takes nothing out of the catalog but its own lines, so there is
/// nothing to prove; and a proof makes SQLite read all definitions again.
fn only_made(defined: &Defined) -> bool {
    let own = |step: &Back| match step {
        Back::Drop { .. } => true,
        // A module may do anything.
        Back::DropTable { sql, .. } => !catalog::is_virtual(sql),
        _ => false,
    };
    defined.aside.is_empty() && defined.steps.iter().all(own)
}

fn is_heavy(connection: &Connection, touches: &Touches) -> rusqlite::Result<bool> {
    for table in touches.schema().filter(|table| touches.dropped().all(|dropped| dropped != *table)) {
        let exists = connection.table_exists(Some("main"), table)?;
        let table = super::fingerprint::quote(table);
        let sql = format!("SELECT count(*) FROM (SELECT 1 FROM main.{table} LIMIT {})", PROOF_ROWS_MAX + 1);
        if exists && connection.query_row(&sql, [], |row| row.get::<_, i64>(0))? > PROOF_ROWS_MAX {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Takes the way back, compares, and returns.
fn prove(
    connection: &Connection,
    owner: Owner<'_>,
    defined: &Defined,
    before: &Catalog,
) -> Result<(), Trouble> {
    if defined.steps.is_empty() {
        return Ok(());
    }
    connection.execute_batch("SAVEPOINT windlass")?;
    let taken = back::take(connection, owner, defined);
    let found = catalog::read(connection, false);
    connection.execute_batch("ROLLBACK TO windlass; RELEASE windlass")?;
    let why = match taken {
        Ok(_) => match before.differences(&found?).into_iter().next() {
            None => return Ok(()),
            Some(difference) => difference,
        },
        Err(Stuck::Conflict(why)) => why,
        Err(Stuck::Sqlite(error)) => super::connect::text(&error),
    };
    Err(Trouble::Uncovered(format!("its inverse was tried and does not lead back: {why}")))
}
