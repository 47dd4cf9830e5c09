//! Puts saved rows back, newest change first, each only where it still holds what the statement wrote.
//!
//! Going back one change at a time passes through the very states that the database went through, so no constraint
//! stands in the way but for rows that others wrote. A row that does not hold what was written is left alone, and so
//! are all older changes of it.

use super::{
    super::fingerprint::quote,
    codec::{self, By, Change, Entry, Stored},
    file::Backward,
    record::Images,
    shape::{Key, Shape},
    ties::{self, Tie},
};
use crate::sql::{conflicts::Conflict, listing::Listing};
use rusqlite::{Connection, Error, ErrorCode, OptionalExtension as _, params_from_iter};
use std::{
    collections::{HashSet, hash_map::DefaultHasher},
    hash::{Hash as _, Hasher as _},
    io,
    path::Path,
};

/// What became of the rows.
pub(crate) struct Put {
    /// Changes taken back.
    pub(crate) rows: u64,
    /// Values that were not what the statement wrote.
    pub(crate) listing: Listing,
}

/// Why rows are not put back.
pub(crate) enum Stuck {
    /// Of SQLite.
    Sqlite(Error),
    /// The saved rows or the list of conflicts.
    File(io::Error),
}

impl From<Error> for Stuck {
    fn from(error: Error) -> Self {
        Self::Sqlite(error)
    }
}

impl From<io::Error> for Stuck {
    fn from(error: io::Error) -> Self {
        Self::File(error)
    }
}

/// Takes back, in the transaction that is open, what `images` has; `inline` is what the ledger keeps of it. Triggers must
/// be off. With `force` rows are put back whatever they hold. What the tables `away` refer to does not count.
pub(crate) fn replay(
    live: &Connection,
    images: &Images,
    inline: Vec<u8>,
    workspace: &Path,
    (force, away): (bool, &[String]),
) -> Result<Put, Stuck> {
    let mut entries = Backward::open(&images.place, inline.clone(), workspace)?;
    live.set_prepared_statement_cache_capacity(64);
    let ties = images.tables.iter().map(|table| ties::to(live, &table.shape.name, away));
    let mut replay = Replay {
        live,
        images,
        force,
        ties: ties.collect::<Result<_, _>>()?,
        left: HashSet::new(),
        removed: HashSet::new(),
        put: Put { rows: 0, listing: Listing::new(workspace) },
    };
    let mut is_missed = false;
    loop {
        let bytes = entries.entry()?;
        if bytes.is_empty() {
            break;
        }
        is_missed |= replay.entry(&codec::read(&bytes)?)?;
    }
    // A row that comes back needs those that it refers to itself.
    while is_missed {
        is_missed = replay.bring_back(Backward::open(&images.place, inline.clone(), workspace)?)?;
    }
    Ok(replay.put)
}

struct Replay<'a> {
    live: &'a Connection,
    images: &'a Images,
    force: bool,
    /// Foreign keys to each table of the images.
    ties: Vec<Vec<Tie>>,
    /// Hashes of the keys of rows that are left alone.
    left: HashSet<u64>,
    /// Of rows that were removed, in tables that others may refer to.
    removed: HashSet<u64>,
    put: Put,
}

/// A part of a statement: its text and its values.
#[derive(Default)]
struct Text<'v> {
    sql: String,
    values: Vec<&'v Stored>,
}

impl<'v> Text<'v> {
    fn add(&mut self, sql: &str, value: &'v Stored) {
        self.sql.push_str(sql);
        self.values.push(value);
    }
}

/// How a row is found, and how it is called in messages.
struct Found<'v> {
    at: Text<'v>,
    key: Vec<(String, &'v Stored)>,
}

impl<'i> Replay<'i> {
    fn shape(&self, table: usize) -> io::Result<&'i Shape> {
        let damaged = || io::Error::new(io::ErrorKind::InvalidData, "the saved rows name an unknown table");
        let images: &'i Images = self.images;
        Ok(&images.tables.get(table).ok_or_else(damaged)?.shape)
    }

    /// Takes one change back. True: it removed a row that others refer to.
    fn entry(&mut self, entry: &Entry) -> Result<bool, Stuck> {
        let shape = self.shape(entry.table)?;
        match &entry.change {
            Change::Insert { row_id, new } => {
                return self.insert(entry.table, shape, &Stored::Integer(*row_id), new);
            }
            Change::Delete { row_id, old } => {
                self.delete(entry.table, shape, &Stored::Integer(*row_id), old)?;
            }
            Change::Update { old_row_id, row_id, by, columns } => {
                let ids = (&Stored::Integer(*old_row_id), &Stored::Integer(*row_id));
                self.update(entry.table, shape, ids, by, columns)?;
            }
        }
        Ok(false)
    }

    /// Rows that were removed, and that rows refer to at the end of it all, come back: others built upon them. Whether there
    /// were any.
    fn bring_back(&mut self, mut entries: Backward) -> Result<bool, Stuck> {
        let mut any = false;
        loop {
            let bytes = entries.entry()?;
            if bytes.is_empty() {
                return Ok(any);
            }
            let entry = codec::read(&bytes)?;
            if let Change::Insert { row_id, new } = &entry.change {
                any |= self.is_missed(entry.table, &Stored::Integer(*row_id), new)?;
            }
        }
    }

    /// Brings a row back if rows refer to it; false: none does, or another row is in its place.
    fn is_missed(&mut self, table: usize, row_id: &Stored, new: &[Stored]) -> Result<bool, Stuck> {
        let shape = self.shape(table)?;
        let found = find(shape, row_id, new);
        if !self.removed.contains(&hash(table, &found)) || !self.make(shape, row_id, new, "ABORT")? {
            return Ok(false);
        }
        let Some(child) = self.child(table, shape, &found)?.map(str::to_owned) else {
            let sql = format!("DELETE FROM main.{} WHERE {}", quote(&shape.name), found.at.sql);
            self.run(&Text { sql, ..found.at.copy() })?;
            return Ok(false);
        };
        self.put.rows -= 1;
        self.removed.remove(&hash(table, &found));
        let now = Stored::Text(format!("rows of {child} refer to it").into_bytes());
        self.conflict(shape, &found, None, [&Stored::Null, &row(shape, new), &now])?;
        Ok(true)
    }

    /// A row that was made is removed. True: others refer to it.
    fn insert(
        &mut self,
        table: usize,
        shape: &Shape,
        row_id: &Stored,
        new: &[Stored],
    ) -> Result<bool, Stuck> {
        let found = find(shape, row_id, new);
        if self.is_left(table, &found) {
            return Ok(false);
        }
        let is_missed = self.child(table, shape, &found)?.is_some();
        let mut text = Text {
            sql: format!("DELETE FROM main.{} WHERE {}", quote(&shape.name), found.at.sql),
            ..found.at.copy()
        };
        if !self.force {
            holds(&mut text, shape, shape.saved().zip(new));
        }
        if self.run(&text)? == 1 {
            self.put.rows += 1;
            if !self.ties[table].is_empty() {
                self.removed.insert(hash(table, &found));
            }
            return Ok(is_missed);
        }
        // Somebody has removed it already, or it holds something else.
        let Some(now) = self.now(shape, &found)? else { return Ok(false) };
        for ((at, wrote), now) in shape.saved().zip(new).zip(&now) {
            if wrote != now {
                self.conflict(shape, &found, Some(at), [&Stored::Null, wrote, now])?;
            }
        }
        self.leave(table, &found);
        Ok(false)
    }

    /// A row that was removed is made again.
    fn delete(&mut self, table: usize, shape: &Shape, row_id: &Stored, old: &[Stored]) -> Result<(), Stuck> {
        let found = find(shape, row_id, old);
        if self.is_left(table, &found) {
            return Ok(());
        }
        if self.make(shape, row_id, old, if self.force { "REPLACE" } else { "ABORT" })? {
            self.put.rows += 1;
            return Ok(());
        }
        let now = match self.now(shape, &found)? {
            Some(now) => row(shape, &now),
            None => Stored::Text(b"(another row has one of its unique values)".to_vec()),
        };
        self.conflict(shape, &found, None, [&row(shape, old), &Stored::Null, &now])?;
        self.leave(table, &found);
        Ok(())
    }

    /// Makes a row. False: another one is in its place.
    fn make(&self, shape: &Shape, row_id: &Stored, values: &[Stored], word: &str) -> Result<bool, Stuck> {
        let extra = (shape.key != Key::RowId).then_some(shape.row_id.as_ref()).flatten();
        let attempts = [extra.map(|name| (name, row_id)), None];
        for attempt in attempts.iter().skip(usize::from(extra.is_none())) {
            let mut names: Vec<String> = shape.saved().map(|at| shape.column(at)).collect();
            let mut values: Vec<&Stored> = values.iter().collect();
            if let Some((name, row_id)) = attempt {
                names.push((*name).clone());
                values.push(row_id);
            }
            let sql = format!(
                "INSERT OR {} INTO main.{} ({}) VALUES (?{})",
                if attempt.is_none() { word } else { "ABORT" },
                quote(&shape.name),
                names.join(", "),
                ", ?".repeat(values.len() - 1)
            );
            match self.run(&Text { sql, values }) {
                Ok(_) => return Ok(true),
                // Without the old row id, which somebody has taken, it may still find its place.
                Err(error) if is_constraint(&error) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(false)
    }

    /// Columns that were changed get their old values.
    fn update(
        &mut self,
        table: usize,
        shape: &Shape,
        (old_row_id, row_id): (&Stored, &Stored),
        by: &By,
        columns: &[(usize, Stored, Stored)],
    ) -> Result<(), Stuck> {
        let found = match by {
            By::RowId => by_row_id(shape, row_id),
            By::Columns(values) => by_columns(shape, values.iter()),
            By::Whole(values) => find(shape, row_id, values),
        };
        if self.is_left(table, &found) {
            return Ok(());
        }
        let mut text = Text::default();
        for (at, old, _) in columns {
            text.add(&format!(", {} = ?", shape.column(*at)), old);
        }
        if shape.key != Key::RowId
            && old_row_id != row_id
            && let Some(name) = &shape.row_id
        {
            text.add(&format!(", {name} = ?"), old_row_id);
        }
        let set = text.sql.trim_start_matches(", ").to_owned();
        let word = if self.force { "REPLACE" } else { "ABORT" };
        text.sql = format!("UPDATE OR {word} main.{} SET {set} WHERE {}", quote(&shape.name), found.at.sql);
        text.values.extend(found.at.values.iter().copied());
        if !self.force {
            match by {
                By::Whole(values) => holds(&mut text, shape, shape.saved().zip(values)),
                _ => holds(&mut text, shape, columns.iter().map(|(at, _, new)| (*at, new))),
            }
        }
        let constraint = match self.run(&text) {
            Ok(1) => {
                self.put.rows += 1;
                return Ok(());
            }
            Ok(_) => false,
            Err(error) if is_constraint(&error) => true,
            Err(error) => return Err(error.into()),
        };
        self.not_updated(shape, &found, by, columns, constraint)?;
        self.leave(table, &found);
        // The row that it was before, where the key itself was changed.
        let before = |at: usize| columns.iter().find(|(column, ..)| *column == at).map(|(_, old, _)| old);
        if let Key::Columns(key) = &shape.key
            && let By::Columns(values) = by
        {
            let old = key.iter().zip(values).map(|((at, _), now)| before(*at).unwrap_or(now));
            self.leave(table, &by_columns(shape, old));
        } else {
            self.leave(table, &by_row_id(shape, old_row_id));
        }
        Ok(())
    }

    /// Lists why an update was not taken back.
    fn not_updated(
        &mut self,
        shape: &Shape,
        found: &Found<'_>,
        by: &By,
        columns: &[(usize, Stored, Stored)],
        constraint: bool,
    ) -> Result<(), Stuck> {
        let now = self.now(shape, found)?;
        let Some(now) = now else {
            for (at, old, new) in columns {
                self.conflict(shape, found, Some(*at), [old, new, &Stored::Null])?;
            }
            return Ok(());
        };
        let value = |at: usize| shape.saved().zip(&now).find(|(column, _)| *column == at).map(|(_, now)| now);
        let mut listed = false;
        for (at, old, new) in columns {
            let now = value(*at).unwrap_or(&Stored::Null);
            if constraint || now != new {
                self.conflict(shape, found, Some(*at), [old, new, now])?;
                listed = true;
            }
        }
        // A row without a key that holds something else in another column may be another row.
        if let By::Whole(values) = by
            && !listed
        {
            for ((at, wrote), now) in shape.saved().zip(values).zip(&now).filter(|((_, a), b)| a != b) {
                self.conflict(shape, found, Some(at), [wrote, wrote, now])?;
            }
        }
        Ok(())
    }

    /// A table with rows that refer to the row.
    fn child(&self, table: usize, shape: &Shape, found: &Found<'_>) -> rusqlite::Result<Option<&str>> {
        for tie in &self.ties[table] {
            let sql = tie.question(&shape.name, &found.at.sql);
            if self.live.prepare_cached(&sql)?.exists(params_from_iter(&found.at.values))? {
                return Ok(Some(&tie.child));
            }
        }
        Ok(None)
    }

    /// What the row holds now.
    fn now(&self, shape: &Shape, found: &Found<'_>) -> Result<Option<Vec<Stored>>, Stuck> {
        let columns: Vec<String> = shape.saved().map(|at| shape.column(at)).collect();
        let sql =
            format!("SELECT {} FROM main.{} WHERE {}", columns.join(", "), quote(&shape.name), found.at.sql);
        let mut statement = self.live.prepare_cached(&sql)?;
        let row = statement.query_row(params_from_iter(&found.at.values), |row| {
            (0..columns.len()).map(|at| row.get_ref(at).map(Stored::from)).collect()
        });
        Ok(row.optional()?)
    }

    fn conflict(
        &mut self,
        shape: &Shape,
        found: &Found<'_>,
        column: Option<usize>,
        [before, wrote, now]: [&Stored; 3],
    ) -> io::Result<()> {
        let key = |(name, value): &(String, &Stored)| {
            format!("{name}={}", value.show().unwrap_or_else(|| "NULL".to_owned()))
        };
        self.put.listing.add(Conflict {
            table: shape.name.clone(),
            key: found.key.iter().map(key).collect::<Vec<_>>().join(", "),
            column: column.map_or_else(String::new, |at| shape.columns[at].name.clone()),
            before: before.show(),
            wrote: wrote.show(),
            now: now.show(),
        })
    }

    fn run(&self, text: &Text<'_>) -> rusqlite::Result<usize> {
        self.live.prepare_cached(&text.sql)?.execute(params_from_iter(&text.values))
    }

    fn leave(&mut self, table: usize, found: &Found<'_>) {
        self.left.insert(hash(table, found));
    }

    fn is_left(&self, table: usize, found: &Found<'_>) -> bool {
        !self.left.is_empty() && self.left.contains(&hash(table, found))
    }
}

impl<'v> Text<'v> {
    fn copy(&self) -> Self {
        Self { sql: String::new(), values: self.values.clone() }
    }
}

fn hash(table: usize, found: &Found<'_>) -> u64 {
    let mut hasher = DefaultHasher::new();
    table.hash(&mut hasher);
    for (_, value) in &found.key {
        value.show().hash(&mut hasher);
    }
    hasher.finish()
}

/// Finds a row by the best that there is; `values` are all of its saved columns.
fn find<'v>(shape: &Shape, row_id: &'v Stored, values: &'v [Stored]) -> Found<'v> {
    if let Key::Columns(key) = &shape.key {
        let value =
            |at: usize| shape.saved().zip(values).find(|(column, _)| *column == at).map(|(_, value)| value);
        let key: Option<Vec<&Stored>> = key.iter().map(|(at, _)| value(*at)).collect();
        if let Some(key) = key.filter(|key| key.iter().all(|value| **value != Stored::Null)) {
            return by_columns(shape, key.into_iter());
        }
    }
    by_row_id(shape, row_id)
}

fn by_row_id<'v>(shape: &Shape, row_id: &'v Stored) -> Found<'v> {
    let name = shape.row_id.clone().unwrap_or_else(|| "rowid".to_owned());
    let shown = name.trim_matches('"').to_owned();
    Found { at: Text { sql: format!("{name} = ?"), values: vec![row_id] }, key: vec![(shown, row_id)] }
}

fn by_columns<'v>(shape: &Shape, values: impl Iterator<Item = &'v Stored>) -> Found<'v> {
    let mut found = Found { at: Text::default(), key: vec![] };
    let Key::Columns(key) = &shape.key else { return found };
    for ((at, collation), value) in key.iter().zip(values) {
        let and = if found.key.is_empty() { "" } else { " AND " };
        found.at.add(&format!("{and}{} COLLATE {} IS ?", shape.column(*at), quote(collation)), value);
        found.key.push((shape.columns[*at].name.clone(), value));
    }
    found
}

/// Adds that the columns still hold these values.
fn holds<'v>(text: &mut Text<'v>, shape: &Shape, columns: impl Iterator<Item = (usize, &'v Stored)>) {
    for (at, value) in columns {
        text.add(&format!(" AND {} COLLATE BINARY IS ?", shape.column(at)), value);
    }
}

fn is_constraint(error: &Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation)
}

/// A whole row as text.
fn row(shape: &Shape, values: &[Stored]) -> Stored {
    let part = |(at, value): (usize, &Stored)| {
        format!("{}={}", shape.columns[at].name, value.show().unwrap_or_else(|| "NULL".to_owned()))
    };
    Stored::Text(shape.saved().zip(values).map(part).collect::<Vec<_>>().join(", ").into_bytes())
}
