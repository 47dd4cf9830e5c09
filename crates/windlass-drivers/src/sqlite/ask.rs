//! Questions of commands.

use super::connect::Job;
use rusqlite::{Connection, types::ValueRef};
use windlass_driver::{Failure, Fault, Rows};
use windlass_plan::Action;

/// All rows of the statement of the job, which must only read.
pub(super) fn query(job: &Job) -> Result<Rows, Failure> {
    let Action::Sql { statement, .. } = &job.unit.action else {
        return Err(Failure::clean(Fault::Windlass, format!("unit {} is no statement", job.unit.id)));
    };
    let connection = job.read()?;
    rows(&connection, statement).map_err(|error| job.failure(&error, "asking it"))
}

/// All rows of a question.
pub(super) fn rows(connection: &Connection, statement: &str) -> rusqlite::Result<Rows> {
    let mut prepared = connection.prepare(statement)?;
    let columns: Vec<String> = prepared.column_names().map(str::to_owned).collect();
    let count = columns.len();
    let mut answer = Rows { columns, rows: Vec::new() };
    let mut rows = prepared.raw_query();
    while let Some(row) = rows.next()? {
        let cells = (0..count).map(|column| row.get_ref(column).map(text));
        answer.rows.push(cells.collect::<Result<_, _>>()?);
    }
    Ok(answer)
}

fn text(value: ValueRef<'_>) -> Option<String> {
    match value {
        ValueRef::Null => None,
        ValueRef::Integer(number) => Some(number.to_string()),
        ValueRef::Real(number) => Some(number.to_string()),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
    }
}
