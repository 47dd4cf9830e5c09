//! A look into the demo's database with SQLite itself, not through the parts that are being shown.

use super::problem;
use rusqlite::{Connection, OpenFlags, types::Value};
use std::{collections::HashMap, path::Path};

/// The tables as they are before the first release.
pub const SCHEMA: &str = "
PRAGMA journal_mode = WAL;
CREATE TABLE bookings (id INTEGER PRIMARY KEY, guest TEXT NOT NULL, seats INTEGER NOT NULL);";

/// Schema and bookings at one moment.
#[derive(Debug, PartialEq, Eq)]
pub struct Picture {
    /// Statements of all tables and indexes, without Windlass's own ledger.
    schema: Vec<String>,
    /// Every column of every booking, by id, as text.
    rows: HashMap<i64, String>,
}

/// Takes the picture.
pub fn picture(database: &Path) -> Result<Picture, String> {
    read(database).map_err(problem("the demo's database cannot be read"))
}

fn read(database: &Path) -> rusqlite::Result<Picture> {
    let connection = Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    connection.busy_timeout(std::time::Duration::from_secs(5))?;
    let mut query = connection.prepare(
        "SELECT type || ' ' || name || ' ' || coalesce(sql, '') FROM sqlite_schema
         WHERE tbl_name NOT LIKE 'windlass\\_%' ESCAPE '\\' ORDER BY 1",
    )?;
    let schema = query.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    let mut query = connection.prepare("SELECT * FROM bookings")?;
    let columns = query.column_count();
    let rows = query.query_map([], |row| {
        let values: Vec<String> = (0..columns)
            .map(|i| row.get::<_, Value>(i).map(|v| format!("{v:?}")))
            .collect::<Result<_, _>>()?;
        Ok((row.get(0)?, values.join("|")))
    })?;
    Ok(Picture { schema, rows: rows.collect::<Result<_, _>>()? })
}

impl Picture {
    /// Whether `later` has the same schema and every booking of this picture, unchanged.
    pub fn is_kept_in(&self, later: &Self) -> bool {
        self.schema == later.schema && self.rows.iter().all(|(id, row)| later.rows.get(id) == Some(row))
    }

    /// How many of the acknowledged writes are not there, or not as written.
    pub fn lost(&self, written: &HashMap<i64, String>) -> u64 {
        let there = |id: &i64, guest: &str| self.rows.get(id).is_some_and(|row| row.contains(guest));
        written.iter().filter(|(id, guest)| !there(id, guest)).count() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_row_a_missing_row_and_another_schema_all_show() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        let connection = Connection::open(&path).unwrap();
        connection.execute_batch(SCHEMA).unwrap();
        connection
            .execute_batch("INSERT INTO bookings VALUES (1, 'guest 1 样', 2), (2, 'guest 2 样', 2)")
            .unwrap();
        let before = picture(&path).unwrap();
        connection.execute_batch("INSERT INTO bookings VALUES (3, 'c', 2)").unwrap();
        assert!(before.is_kept_in(&picture(&path).unwrap()), "a new booking is no difference");
        let written = HashMap::from([(1, "guest 1 样".to_owned()), (9, "guest 9 样".to_owned())]);
        assert_eq!(picture(&path).unwrap().lost(&written), 1);
        connection.execute_batch("UPDATE bookings SET guest = 'X' WHERE id = 1").unwrap();
        assert!(!before.is_kept_in(&picture(&path).unwrap()));
        assert_eq!(picture(&path).unwrap().lost(&written), 2);
        connection.execute_batch("UPDATE bookings SET guest = 'guest 1 样' WHERE id = 1").unwrap();
        connection.execute_batch("CREATE INDEX i ON bookings (seats)").unwrap();
        assert!(!before.is_kept_in(&picture(&path).unwrap()));
    }
}
