//! The way back from a statement on definitions, in the transaction that is open.

use super::{
    aside::{self, Aside, Owner},
    fingerprint::quote,
    image::shape_of,
    schema::Defined,
};
use rusqlite::{Connection, OptionalExtension as _, config::DbConfig, params};
use windlass_sql::sqlite::{Back, ObjectKind};

/// Why it is not taken.
pub(super) enum Stuck {
    /// Of SQLite.
    Sqlite(rusqlite::Error),
    /// Somebody has changed what it would have to change.
    Conflict(String),
}

impl From<rusqlite::Error> for Stuck {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

/// Takes all steps; what was done beyond what the plan shows, in words.
pub(super) fn take(
    connection: &Connection,
    owner: Owner<'_>,
    defined: &Defined,
) -> Result<Vec<String>, Stuck> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false)?;
    connection.execute_batch("PRAGMA ignore_check_constraints = ON")?;
    let mut way =
        Way { connection, owner: Owner { why: "undone", ..owner }, defined, texts: vec![], effects: vec![] };
    let taken = way.all();
    let effects = way.effects;
    connection.execute_batch(
        "PRAGMA legacy_alter_table = OFF; PRAGMA writable_schema = OFF; PRAGMA ignore_check_constraints = OFF",
    )?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, true)?;
    taken.map(|()| effects)
}

struct Way<'a> {
    connection: &'a Connection,
    owner: Owner<'a>,
    defined: &'a Defined,
    /// Texts to set at the end: kind, name, text.
    texts: Vec<(ObjectKind, String, String)>,
    effects: Vec<String>,
}

impl Way<'_> {
    fn all(&mut self) -> Result<(), Stuck> {
        for step in &self.defined.steps {
            if let Back::Text { kind, name, after_name, before, after } = step
                && self.text(*kind, after_name)?.as_ref() == Some(after)
            {
                self.texts.push((*kind, name.clone(), before.clone()));
            }
        }
        self.defined.steps.iter().try_for_each(|step| self.step(step))?;
        self.set_texts()?;
        Ok(())
    }

    fn step(&mut self, step: &Back) -> Result<(), Stuck> {
        let run = |sql: String| self.connection.execute_batch(&sql);
        match step {
            Back::Drop { kind, name, sql } => {
                let now = self.text(*kind, name)?;
                if now.as_ref().is_some_and(|now| now != sql) {
                    return Err(Stuck::Conflict(format!("{} {name} was changed since", kind.word())));
                }
                if *kind == ObjectKind::View && self.has_parts(name)? {
                    return Err(Stuck::Conflict(format!("view {name} has got triggers since")));
                }
                if now.is_some() {
                    run(format!("DROP {} main.{}", kind.word(), quote(name)))?;
                }
            }
            Back::DropTable { name, sql } => self.drop_table(name, sql)?,
            Back::RenameTable { from, to } => {
                self.free(to)?;
                run(format!("ALTER TABLE main.{} RENAME TO {}", quote(from), quote(to)))?;
            }
            Back::RenameColumn { table, from, to } => {
                run(format!(
                    "ALTER TABLE main.{} RENAME COLUMN {} TO {}",
                    quote(table),
                    quote(from),
                    quote(to)
                ))?;
            }
            Back::DropColumn { table, column } => self.drop_column(table, column)?,
            Back::RestoreColumn { table, column, sql, after } => {
                if self.text(ObjectKind::Table, table)?.as_ref() != Some(after) {
                    return Err(Stuck::Conflict(format!("table {table} was altered since")));
                }
                self.restore_column(table, column, sql)?;
            }
            Back::RestoreTable { name, sql, parts } => {
                self.free(name)?;
                let stored = self.stored(name)?;
                aside::rename(self.connection, stored, name)?;
                aside::forget(self.connection, stored)?;
                self.texts.push((ObjectKind::Table, name.clone(), sql.clone()));
                parts.iter().try_for_each(|part| run(part.clone()))?;
            }
            Back::Create { kind, name, sql } => {
                if self.text(*kind, name)?.is_some() {
                    return Err(Stuck::Conflict(format!("{} {name} was made anew since", kind.word())));
                }
                run(sql.clone())?;
            }
            Back::Shadow { name, sql } => self.texts.push((ObjectKind::Shadow, name.clone(), sql.clone())),
            Back::Text { .. } => {}
        }
        Ok(())
    }

    fn text(&self, kind: ObjectKind, name: &str) -> rusqlite::Result<Option<String>> {
        let sql = "SELECT coalesce(sql, '') FROM sqlite_schema WHERE type = ?1 AND name = ?2";
        self.connection.query_row(sql, [kind.word(), name], |row| row.get(0)).optional()
    }

    fn free(&self, name: &str) -> Result<(), Stuck> {
        let sql =
            "SELECT type FROM sqlite_schema WHERE name = ?1 COLLATE NOCASE AND type IN ('table', 'view')";
        let kind: Option<String> = self.connection.query_row(sql, [name], |row| row.get(0)).optional()?;
        match kind {
            None => Ok(()),
            Some(kind) => Err(Stuck::Conflict(format!("there is another {kind} {name} by now"))),
        }
    }

    /// Whether indexes of somebody or triggers belong to it.
    fn has_parts(&self, table: &str) -> rusqlite::Result<bool> {
        let sql = "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE tbl_name = ?1 COLLATE NOCASE \
                   AND type IN ('index', 'trigger') AND sql IS NOT NULL)";
        self.connection.query_row(sql, [table], |row| row.get(0))
    }

    fn stored(&self, name: &str) -> Result<&str, Stuck> {
        let found = self.defined.aside.iter().find(|aside| aside.name.eq_ignore_ascii_case(name));
        let stored = found.map(|aside| aside.stored.as_str());
        let there = match stored {
            Some(stored) => self.connection.table_exists(Some("main"), stored)?,
            None => false,
        };
        stored.filter(|_| there).ok_or_else(|| {
            Stuck::Conflict(format!("what was set aside of {name} is no longer there (`windlass prune`?)"))
        })
    }

    fn drop_table(&mut self, name: &str, sql: &str) -> Result<(), Stuck> {
        let Some(now) = self.text(ObjectKind::Table, name)? else { return Ok(()) };
        let rows = format!("SELECT EXISTS (SELECT 1 FROM main.{})", quote(name));
        if now == sql && !self.has_parts(name)? && !self.connection.query_row(&rows, [], |row| row.get(0))? {
            self.connection.execute_batch(&format!("DROP TABLE main.{}", quote(name)))?;
            return Ok(());
        }
        let stored = aside::table(self.connection, self.owner, name)?;
        self.effects
            .push(format!("table {name} has rows or was changed since: it was set aside as {stored}"));
        Ok(())
    }

    fn drop_column(&mut self, table: &str, column: &str) -> Result<(), Stuck> {
        let sql = "SELECT dflt_value, hidden FROM pragma_table_xinfo(?1) WHERE name = ?2 COLLATE NOCASE";
        let found = self.connection.query_row(sql, [table, column], |row| Ok((row.get(0)?, row.get(1)?)));
        let Some((default, hidden)) = found.optional()? else { return Ok(()) };
        let (default, hidden): (Option<String>, i64) = (default, hidden);
        let default = default.unwrap_or_else(|| "NULL".to_owned());
        let written = format!(
            "SELECT EXISTS (SELECT 1 FROM main.{} WHERE {} IS NOT ({default}))",
            quote(table),
            quote(column)
        );
        if hidden == 0 && self.connection.query_row(&written, [], |row| row.get(0))? {
            let stored = aside::column(self.connection, self.owner, table, column)?;
            match stored {
                Some(Ok((stored, _))) => self.effects.push(format!(
                    "column {table}.{column} was written to since: its values were set aside as {stored}"
                )),
                Some(Err(why)) => return Err(Stuck::Conflict(why)),
                None => {}
            }
        }
        let sql = format!("ALTER TABLE main.{} DROP COLUMN {}", quote(table), quote(column));
        Ok(self.connection.execute_batch(&sql)?)
    }

    /// The twelve steps of https://www.sqlite.org/lang_altertable.html, section 7, with the names the other way round: the
    /// old text is run as it is.
    fn restore_column(&mut self, table: &str, column: &str, sql: &str) -> Result<(), Stuck> {
        const AWAY: &str = "windlass_away";
        let c = self.connection;
        let parts = "SELECT type, name, sql FROM sqlite_schema WHERE tbl_name = ?1 COLLATE NOCASE \
                     AND type IN ('index', 'trigger') AND sql IS NOT NULL ORDER BY rowid";
        let mut statement = c.prepare(parts)?;
        let found = statement.query_map([table], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        let parts: Vec<(String, String, String)> = found.collect::<Result<_, _>>()?;
        for (kind, name, _) in &parts {
            c.execute_batch(&format!("DROP {kind} main.{}", quote(name)))?;
        }
        aside::rename(c, table, AWAY)?;
        c.execute_batch(sql)?;
        self.copy_back(table, column, AWAY)?;
        self.move_sequence(table, AWAY)?;
        c.execute_batch(&format!("DROP TABLE main.{AWAY}"))?;
        for (_, _, sql) in &parts {
            c.execute_batch(sql)?;
        }
        if let Some(kept) = self.kept(table, column) {
            aside::forget(c, &kept.stored)?;
            c.execute_batch(&format!("DROP TABLE main.{}", quote(&kept.stored)))?;
        }
        Ok(())
    }

    fn kept(&self, table: &str, column: &str) -> Option<&Aside> {
        let name = format!("{table}.{column}");
        self.defined.aside.iter().find(|aside| aside.name.eq_ignore_ascii_case(&name))
    }

    /// Fills the table from `away`, the column from what was kept of it.
    fn copy_back(&self, table: &str, column: &str, away: &str) -> Result<(), Stuck> {
        let c = self.connection;
        let missing = || Stuck::Conflict(format!("table {table} cannot be read any more"));
        let new = shape_of(c, table)?.and_then(Result::ok).ok_or_else(missing)?;
        let old = shape_of(c, away)?.and_then(Result::ok).ok_or_else(missing)?;
        let (mut names, mut values) = (vec![], vec![]);
        if let Some(row_id) = new.row_id.as_ref().filter(|name| !name.starts_with('"')) {
            names.push(row_id.clone());
            values.push(format!("o.{}", old.row_id.as_deref().unwrap_or("rowid")));
        }
        let mut join = String::new();
        for at in new.saved() {
            names.push(new.column(at));
            if !new.columns[at].name.eq_ignore_ascii_case(column) {
                values.push(format!("o.{}", new.column(at)));
                continue;
            }
            let stored = self.stored(&format!("{table}.{column}"))?;
            let sql = "SELECT coalesce(dflt_value, 'NULL') FROM pragma_table_xinfo(?1) WHERE name = ?2 COLLATE NOCASE";
            let default: String = c.query_row(sql, [table, column], |row| row.get(0))?;
            values.push(format!("CASE WHEN a.k0 IS NULL AND a.v IS NULL THEN ({default}) ELSE a.v END"));
            let finder =
                self.kept(table, column).and_then(|kept| kept.finder.as_ref()).ok_or_else(missing)?;
            join = format!(" LEFT JOIN main.{} a ON {}", quote(stored), finder.join());
        }
        let sql = format!(
            "INSERT INTO main.{} ({}) SELECT {} FROM main.{away} o{join}",
            quote(table),
            names.join(", "),
            values.join(", ")
        );
        Ok(c.execute_batch(&sql)?)
    }

    fn move_sequence(&self, table: &str, away: &str) -> rusqlite::Result<()> {
        let exists = "SELECT 1 FROM sqlite_schema WHERE name = 'sqlite_sequence'";
        if self.connection.query_row(exists, [], |_| Ok(())).optional()?.is_none() {
            return Ok(());
        }
        let sql = "SELECT seq FROM sqlite_sequence WHERE name = ?1";
        let seq: Option<i64> = self.connection.query_row(sql, [away], |row| row.get(0)).optional()?;
        // Filling the table has made a line, even without rows.
        self.connection.execute("DELETE FROM sqlite_sequence WHERE name = ?1", [table])?;
        let Some(seq) = seq else { return Ok(()) };
        let sql = "INSERT INTO sqlite_sequence (name, seq) VALUES (?1, ?2)";
        self.connection.execute(sql, params![table, seq]).map(|_| ())
    }

    /// Gives objects the very text that they had; their rows are laid out as that text says.
    fn set_texts(&self) -> rusqlite::Result<()> {
        let c = self.connection;
        if self.texts.is_empty() {
            return Ok(());
        }
        let version: i64 = c.query_row("PRAGMA schema_version", [], |row| row.get(0))?;
        c.execute_batch("PRAGMA writable_schema = ON")?;
        for (kind, name, text) in &self.texts {
            c.execute(
                "UPDATE sqlite_schema SET sql = ?3 WHERE type = ?1 AND name = ?2",
                params![kind.word(), name, text],
            )?;
        }
        c.execute_batch(&format!("PRAGMA schema_version = {}", version + 1))?;
        c.execute_batch("PRAGMA writable_schema = RESET")?;
        // Reads all of it: a text that does not fit shows here, and is rolled back.
        c.query_row("SELECT count(*) FROM pragma_table_list", [], |_| Ok(()))
    }
}
