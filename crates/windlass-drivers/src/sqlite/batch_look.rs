//! Whether a statement can be run in batches: what the text cannot tell, the schema does.

use super::{
    batch::Start,
    connect::Job,
    fingerprint::quote,
    image::{Key, shape_of},
    statement::{fingerprints_needed, is_fine},
};
use crate::{disk::one_line, sql::batch};
use rusqlite::{Connection, Error, OptionalExtension as _};
use windlass_driver::{Failure, Fault};
use windlass_plan::{Action, UndoBy};
use windlass_sql::{
    Dialect,
    batch::{Batched, FRESH, batched, range},
};

/// Rows that are counted at most for an estimate.
const COUNT_MAX: u64 = 5_000_000;

/// The statement, its table and the key.
pub(super) struct Shape {
    pub(super) batched: Batched,
    table: String,
    /// Each column with its collation.
    key: Vec<(String, Option<String>)>,
}

fn refused(job: &Job, why: &str) -> Failure {
    let Action::Sql { statement, .. } = &job.unit.action else {
        unreachable!("only statements have batches")
    };
    let text = format!(
        "{}: `{}` cannot be run in batches: {why}; nothing was changed",
        crate::sql::place(&job.cx, &job.unit, None),
        one_line(statement, 120)
    );
    Failure::clean(Fault::Document, text)
        .hint("leave `batch=` out: the whole statement is one transaction then")
}

/// Looks it all up.
pub(super) fn shape(job: &Job, connection: &Connection) -> Result<Shape, Failure> {
    let Action::Sql { statement, target, .. } = &job.unit.action else {
        unreachable!("only statements have batches")
    };
    let batched = batched(statement, Dialect::Sqlite).map_err(|no| refused(job, &no.why).hint(no.help))?;
    if fingerprints_needed(job, target) {
        return Err(refused(job, "a step of this plan is undone by a copy of the database"));
    }
    if job.unit.undo.by == UndoBy::Driver && !is_fine(&job.unit) {
        return Err(refused(job, "its rows cannot be put back one by one"));
    }
    let looked = look(connection, &batched).map_err(|error| job.failure(&error, "reading the schema"))?;
    let (table, key) = looked.map_err(|why| refused(job, &why))?;
    Ok(Shape { batched, table, key })
}

type KeyParts = Vec<(String, Option<String>)>;

/// Table and key, or why there are none.
fn look(connection: &Connection, batched: &Batched) -> Result<Result<(String, KeyParts), String>, Error> {
    let dml = &batched.dml;
    let name = dml.table.base();
    let no = |why: String| Ok(Err(why));
    if dml.table.qualifier().is_some_and(|schema| !schema.eq_ignore_ascii_case("main")) {
        return no(format!("{} is not in the main database", dml.table));
    }
    let shape = match shape_of(connection, name)? {
        Some(Ok(shape)) => shape,
        Some(Err(why)) => return no(why),
        None => return no(format!("{name} is no table")),
    };
    let names: KeyParts = match &shape.key {
        Key::RowId => shape.row_id.iter().map(|name| (name.clone(), None)).collect(),
        Key::Columns(columns) => {
            columns.iter().map(|(at, collation)| (shape.column(*at), Some(collation.clone()))).collect()
        }
        Key::Whole => return no(format!("{name} has no primary key and no unique one")),
    };
    let is_key = |column: &String| names.iter().any(|(key, _)| quote(column).eq_ignore_ascii_case(key));
    let row_id = |column: &String| ["rowid", "_rowid_", "oid"].contains(&column.to_lowercase().as_str());
    if let Some(column) = dml.assigned.iter().find(|column| is_key(column) || row_id(column)) {
        return no(format!("it changes {column}, by which its batches go: rows would be met twice or never"));
    }
    if shape.key != Key::RowId && nullable(connection, name, &names)? {
        return no(format!("the key of {name} may hold NULL"));
    }
    if let Some(trigger) = trigger(connection, name, &dml.kind)? {
        return no(format!("the trigger {trigger} may look at rows that batches before have changed"));
    }
    let encoding: String = connection.query_row("PRAGMA encoding", [], |row| row.get(0))?;
    if encoding != "UTF-8" {
        return no(format!("the database is {encoding}, in which a key cannot be written byte by byte"));
    }
    for other in &batched.reads {
        let sql = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?1 COLLATE NOCASE";
        if connection.query_row(sql, [other.base()], |_| Ok(())).optional()?.is_none() {
            return no(format!("its subquery reads {other}, which is no plain table"));
        }
    }
    const CHANGING: [&str; 3] = ["changes", "total_changes", "last_insert_rowid"];
    let changes =
        |name: &str, in_filter: bool| CHANGING.contains(&name) || in_filter && FRESH.contains(&name);
    if let Some(call) = batched.calls.iter().find(|call| changes(&call.name, call.in_filter)) {
        return no(format!("{}() may answer something else in each batch", call.name));
    }
    Ok(Ok((shape.name, names)))
}

/// Whether a column of the key may hold NULL: then no comparison finds the row.
fn nullable(connection: &Connection, table: &str, key: &KeyParts) -> Result<bool, Error> {
    let sql = "SELECT name FROM pragma_table_xinfo(?1) WHERE \"notnull\" OR (pk > 0 AND (SELECT wr FROM pragma_table_list WHERE \
               schema = 'main' AND name = ?1 COLLATE NOCASE))";
    let mut statement = connection.prepare_cached(sql)?;
    let sure = statement.query_map([table], |row| row.get::<_, String>(0))?;
    let sure: Vec<String> = sure.collect::<Result<_, _>>()?;
    Ok(key.iter().any(|(column, _)| !sure.iter().any(|name| quote(name).eq_ignore_ascii_case(column))))
}

/// A trigger that the statement fires.
fn trigger(
    connection: &Connection,
    table: &str,
    kind: &windlass_sql::DmlKind,
) -> Result<Option<String>, Error> {
    let word = if *kind == windlass_sql::DmlKind::Delete { "DELETE" } else { "UPDATE" };
    let sql = "SELECT name, sql FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = ?1 COLLATE NOCASE";
    let mut statement = connection.prepare_cached(sql)?;
    let found =
        statement.query_map([table], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?;
    let found: Vec<(String, String)> = found.collect::<Result<_, _>>()?;
    let fires = |text: &String| {
        let head = text.to_ascii_uppercase();
        head.split("BEGIN").next().is_some_and(|head| head.contains(word))
    };
    Ok(found.into_iter().find(|(_, text)| fires(text)).map(|(name, _)| name))
}

impl Shape {
    pub(super) fn refused(&self, job: &Job, why: &str) -> Failure {
        refused(job, why)
    }

    /// Columns of the key.
    pub(super) fn names(&self) -> Vec<String> {
        self.key.iter().map(|(name, _)| name.trim_matches('"').to_owned()).collect()
    }

    /// Columns of the key, of `alias`, each in its own order.
    fn columns(&self, alias: &str) -> Vec<String> {
        let one = |(name, collation): &(String, Option<String>)| match collation {
            Some(collation) => format!("{}.{name} COLLATE {}", quote(alias), quote(collation)),
            None => format!("{}.{name}", quote(alias)),
        };
        self.key.iter().map(one).collect()
    }

    pub(super) fn range(&self, alias: &str, after: Option<&[String]>, till: &[String]) -> String {
        range(&self.columns(alias), after, till, false)
    }

    /// The key as SQL. A text that is no plain ASCII may hold the character 0 or what is no UTF-8: it is written byte by byte,
    /// and has no affinity, which would change what it is compared with.
    fn shown(&self) -> String {
        let one = |(name, _): &(String, Option<String>)| {
            format!(
                "CASE WHEN typeof(t.{name}) = 'text' AND (instr(t.{name}, char(0)) OR t.{name} GLOB '*[^ -~]*') THEN '+CAST(x''' || \
                 hex(t.{name}) || ''' AS TEXT)' ELSE quote(t.{name}) END"
            )
        };
        self.key.iter().map(one).collect::<Vec<_>>().join(", ")
    }

    fn read(&self, row: &rusqlite::Row<'_>) -> rusqlite::Result<Vec<String>> {
        (0..self.key.len()).map(|at| row.get(at)).collect()
    }

    /// The key of the row that is `span` rows behind `after`; `None` if there are not that many up to `till`.
    pub(super) fn bound(
        &self,
        connection: &Connection,
        after: Option<&[String]>,
        till: &[String],
        span: u64,
    ) -> rusqlite::Result<Option<Vec<String>>> {
        let sql = format!(
            "SELECT {} FROM main.{} AS t WHERE {} ORDER BY {} LIMIT 1 OFFSET {}",
            self.shown(),
            quote(&self.table),
            self.range("t", after, till),
            self.columns("t").join(", "),
            span.saturating_sub(1)
        );
        connection.query_row(&sql, [], |row| self.read(row)).optional()
    }

    /// The end of the key as it is now, the time, and how many rows there are.
    pub(super) fn start(&self, connection: &Connection) -> rusqlite::Result<Start> {
        let order: Vec<String> = self.columns("t").iter().map(|column| format!("{column} DESC")).collect();
        let sql = format!(
            "SELECT {} FROM main.{} AS t ORDER BY {} LIMIT 1",
            self.shown(),
            quote(&self.table),
            order.join(", ")
        );
        let till = connection.query_row(&sql, [], |row| self.read(row)).optional()?.unwrap_or_default();
        let now = connection.query_row("SELECT strftime('%Y-%m-%d %H:%M:%f')", [], |row| row.get(0))?;
        let sql =
            format!("SELECT count(*) FROM (SELECT 1 FROM main.{} LIMIT {COUNT_MAX})", quote(&self.table));
        let total = connection.query_row(&sql, [], |row| row.get::<_, i64>(0))?.unsigned_abs();
        Ok(Start { key: self.names(), till, now, total, ..Start::default() })
    }
}

/// What `plan` says of it, or why it cannot be.
pub(super) fn survey(job: &Job, connection: &Connection) -> Result<Vec<String>, Failure> {
    let Action::Sql { batch: Some(batch), .. } = &job.unit.action else { return Ok(vec![]) };
    let shape = shape(job, connection)?;
    let start = shape.start(connection).map_err(|error| job.failure(&error, "looking at its key"))?;
    Ok(batch::announced(batch, &start.key, &shape.table, start.total))
}
