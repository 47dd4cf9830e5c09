//! Foreign keys to a table. The driver's connection does not enforce them, so that rows can come and go in any order; a row that
//! others refer to is still not taken away.

use super::super::fingerprint::quote;
use rusqlite::Connection;

/// A foreign key.
pub(super) struct Tie {
    /// The table that refers.
    pub(super) child: String,
    /// Its columns, and those of the other table.
    columns: Vec<(String, String)>,
    /// It refers to itself.
    own: bool,
}

/// All that there are now to the table, but for those of the tables `away`.
pub(super) fn to(live: &Connection, table: &str, away: &[String]) -> rusqlite::Result<Vec<Tie>> {
    let mut keys = live.prepare_cached("SELECT name FROM pragma_table_info(?1) WHERE pk > 0 ORDER BY pk")?;
    let primary: Vec<String> = keys.query_map([table], |row| row.get(0))?.collect::<Result<_, _>>()?;
    let sql = "SELECT m.name, f.id, f.seq, f.\"from\", f.\"to\" FROM main.sqlite_schema AS m, \
               pragma_foreign_key_list(m.name) AS f WHERE m.type = 'table' AND f.\"table\" = ?1 COLLATE NOCASE \
               ORDER BY m.rowid, f.id, f.seq";
    let mut statement = live.prepare_cached(sql)?;
    let mut rows = statement.query([table])?;
    let (mut ties, mut last): (Vec<Tie>, _) = (vec![], None);
    while let Some(row) = rows.next()? {
        let (child, id, at): (String, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let (from, to): (String, Option<String>) = (row.get(3)?, row.get(4)?);
        // Without columns it means the primary key.
        let Some(to) = to.or_else(|| primary.get(usize::try_from(at).ok()?).cloned()) else { continue };
        let this = Some((child.clone(), id));
        if last != this {
            ties.push(Tie { own: child.eq_ignore_ascii_case(table), child, columns: vec![] });
            last = this;
        }
        if let Some(tie) = ties.last_mut() {
            tie.columns.push((from, to));
        }
    }
    ties.retain(|tie| !away.contains(&tie.child));
    Ok(ties)
}

impl Tie {
    /// Whether a row refers to the row of `table` that `found` finds, as a query with a row or none. A row that refers to itself
    /// does not count.
    pub(super) fn question(&self, table: &str, found: &str) -> String {
        let list = |one: fn(usize, &(String, String)) -> String| {
            self.columns.iter().enumerate().map(move |(at, columns)| one(at, columns)).collect::<Vec<_>>()
        };
        let wanted = list(|at, (_, to)| format!("{} AS k{at}", quote(to))).join(", ");
        // What is referred to decides how values are compared.
        let refers = list(|at, (from, _)| format!("t.k{at} = c.{}", quote(from))).join(" AND ");
        let itself = match self.own {
            true => list(|at, (_, to)| format!("t.k{at} IS c.{}", quote(to))).join(" AND "),
            false => "0".to_owned(),
        };
        format!(
            "SELECT 1 FROM (SELECT {wanted} FROM main.{} WHERE {found}) AS t JOIN main.{} AS c ON {refers} AND NOT ({itself}) \
             LIMIT 1",
            quote(table),
            quote(&self.child)
        )
    }
}
