//! Values of columns in tables without a key. While nobody else writes, a row is told by where it lies: what changes a table's
//! definition writes its rows anew in the same order. Afterwards it is found by all that it holds, and by its number among equals,
//! which no place tells for long.
//!
//! `step` of the image is the number of the row in the table, by where it lies.

use super::Image;
use crate::postgres::ident;

/// Number of a row `t` of the table by where it lies.
pub(super) const PLACE: &str = "row_number() OVER (ORDER BY t.tableoid, t.ctid)";

impl Image {
    /// The rows of the table with their numbers.
    fn placed(&self) -> String {
        let table = self.table();
        format!(
            "(SELECT t.*, t.ctid AS windlass_at, t.tableoid AS windlass_part, {PLACE} AS windlass_place FROM {table} t)"
        )
    }

    /// Whether a row of the image has no row at its place, or one in which `stay` (positions of columns) holds something else; with `whole`
    /// also whether the table has rows that the image does not know.
    #[must_use]
    pub fn astray(&self, stay: &[usize], whole: bool) -> String {
        // As text: not all types can be compared.
        let other = |at: &usize| {
            format!(" OR t.{}::text IS DISTINCT FROM i.o{at}::text", ident(&self.columns[*at].name))
        };
        let others: String = stay.iter().map(other).collect();
        let (join, more) = if whole { ("FULL", " OR i.step IS NULL") } else { ("LEFT", "") };
        format!(
            "SELECT EXISTS (SELECT FROM {} i {join} JOIN {} t ON t.windlass_place = i.step WHERE t.windlass_place IS NULL{more}{others})",
            self.name(),
            self.placed()
        )
    }

    /// Gives the rows of the image the numbers of the rows that hold in `columns` (positions) what was noted, and 0 where there is none.
    #[must_use]
    pub fn find_places(&self, columns: &[usize]) -> String {
        let list = |one: &dyn Fn(usize) -> String| {
            let list = columns.iter().map(|at| one(*at)).collect::<Vec<_>>().join(", ");
            // Only equality is asked for: bytes are compared faster than words.
            format!("ROW({list})::text COLLATE \"C\"")
        };
        // What was noted is read and written as well: how moments are spelt hangs on the time zone of the connection.
        let mine = list(&|at| format!("{}::text", self.value('n', at)));
        let theirs = list(&|at| format!("t.{}::text", ident(&self.columns[at].name)));
        let number = |of: &str, by: &str| {
            format!(
                "{of} AS windlass_sig, row_number() OVER (PARTITION BY {of} ORDER BY {by}) AS windlass_num"
            )
        };
        let name = self.name();
        format!(
            "UPDATE {name} x SET step = COALESCE(m.windlass_place, 0) FROM (SELECT i.windlass_at, t.windlass_place FROM (SELECT i.ctid AS windlass_at, {} \
             FROM {name} i) i LEFT JOIN (SELECT t.windlass_place, {} FROM {} t) t ON t.windlass_sig = i.windlass_sig AND t.windlass_num = \
             i.windlass_num) m WHERE x.ctid = m.windlass_at",
            number(&mine, "i.step"),
            number(&theirs, "t.windlass_place"),
            self.placed()
        )
    }

    /// The rows of the image that were not found, in the form of [`Image::conflicts`].
    #[must_use]
    pub fn unplaced(&self, limit: u64) -> String {
        let whole = |side: char, length: u32| {
            format!("left(ROW({})::text, {length})", self.list(|at| format!("i.{side}{at}")))
        };
        format!(
            "SELECT {}, '', {}, {}, NULL FROM {} i WHERE step = 0 LIMIT {limit}",
            whole('n', 200),
            whole('o', 500),
            whole('n', 500),
            self.name()
        )
    }

    /// How many rows the table has that are not in the image.
    #[must_use]
    pub fn unknown(&self) -> String {
        format!("SELECT (SELECT count(*) FROM {}) - (SELECT count(*) FROM {})", self.table(), self.name())
    }

    /// [`Image::note_written`] by place.
    pub(super) fn note_placed(&self, sets: &str) -> String {
        format!(
            "UPDATE {} i SET {sets} FROM {} t WHERE t.windlass_place = i.step",
            self.name(),
            self.placed()
        )
    }

    /// [`Image::others`] by place.
    pub(super) fn others_placed(&self, column: &str) -> String {
        format!(
            "SELECT EXISTS (SELECT FROM {} t WHERE t.{column} IS NOT NULL AND NOT EXISTS (SELECT FROM {} i WHERE i.step = t.windlass_place))",
            self.placed(),
            self.name()
        )
    }

    /// [`Image::fill`] by place.
    pub(super) fn fill_placed(&self, sets: &str) -> String {
        format!(
            "UPDATE {} x SET {sets} FROM (SELECT t.windlass_at, t.windlass_part, i.* FROM {} t JOIN {} i ON i.step = t.windlass_place) i \
             WHERE x.ctid = i.windlass_at AND x.tableoid = i.windlass_part",
            self.table(),
            self.placed(),
            self.name()
        )
    }
}
