//! The list of what was set aside in an SQLite database.

use super::{BUSY_MAX, connect::text, fingerprint::quote};
use crate::aside::{Aside, Asides};
use rusqlite::{Connection, OpenFlags};
use std::path::Path;

struct SqliteAsides(Connection);

/// Opens the database of a URL.
pub(crate) fn asides(url: &str, base: &Path) -> Result<Box<dyn Asides>, String> {
    let path = url.strip_prefix("sqlite:").ok_or("its URL does not begin with `sqlite:`")?;
    let path = base.join(path.strip_prefix("//").unwrap_or(path));
    if !path.exists() {
        return Err(format!("the database {} does not exist", path.display()));
    }
    let named = |error: rusqlite::Error| format!("{}: {}", path.display(), text(&error));
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(&path, flags).map_err(named)?;
    connection.busy_timeout(BUSY_MAX).map_err(named)?;
    connection.execute_batch("PRAGMA foreign_keys = OFF; PRAGMA synchronous = FULL").map_err(named)?;
    Ok(Box::new(SqliteAsides(connection)))
}

impl SqliteAsides {
    fn read(&self) -> rusqlite::Result<Vec<Aside>> {
        if !self.has("windlass_aside")? {
            return Ok(vec![]);
        }
        let sql = "SELECT run, unit, at, max(0, strftime('%s') - strftime('%s', at)), kind, name, stored, why \
                   FROM windlass_aside ORDER BY id";
        let mut statement = self.0.prepare(sql)?;
        let found = statement.query_map([], |row| {
            Ok(Aside {
                run: row.get(0)?,
                unit: row.get(1)?,
                at: row.get(2)?,
                age_s: row.get::<_, i64>(3)?.unsigned_abs(),
                kind: row.get(4)?,
                name: row.get(5)?,
                stored: row.get(6)?,
                why: row.get(7)?,
                rows: 0,
            })
        })?;
        let mut found: Vec<Aside> = found.collect::<Result<_, _>>()?;
        for aside in &mut found {
            let count = format!("SELECT count(*) FROM main.{}", quote(&aside.stored));
            if self.has(&aside.stored)? {
                aside.rows = self.0.query_row(&count, [], |row| row.get::<_, i64>(0))?.unsigned_abs();
            }
        }
        Ok(found)
    }

    fn has(&self, table: &str) -> rusqlite::Result<bool> {
        let sql = "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?1)";
        self.0.query_row(sql, [table], |row| row.get(0))
    }

    fn drop_stored(&self, stored: &str) -> rusqlite::Result<()> {
        self.0.execute_batch("BEGIN IMMEDIATE")?;
        let dropped =
            self.0.execute_batch(&format!("DROP TABLE IF EXISTS main.{}", quote(stored))).and_then(|()| {
                self.0.execute("DELETE FROM windlass_aside WHERE stored = ?1", [stored])?;
                self.0.execute_batch("COMMIT")
            });
        if dropped.is_err() && !self.0.is_autocommit() {
            self.0.execute_batch("ROLLBACK")?;
        }
        dropped
    }
}

impl Asides for SqliteAsides {
    fn list(&self) -> Result<Vec<Aside>, String> {
        self.read().map_err(|error| text(&error))
    }

    fn drop_for_good(&self, aside: &Aside) -> Result<(), String> {
        self.drop_stored(&aside.stored).map_err(|error| text(&error))
    }
}
