//! What statements have set aside in databases, for `windlass prune`: the same for all engines.

use std::path::Path;
use windlass_plan::UrlKind;

/// A table or column that was dropped, or made by a release that was taken back, and still lies in its database; or rows as
/// they were before a statement changed them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aside {
    /// Name of the run that set it aside.
    pub run: String,
    /// Unit of its plan.
    pub unit: String,
    /// When, UTC, by the clock of the database.
    pub at: String,
    /// How long ago, seconds, by the same clock.
    pub age_s: u64,
    /// `table`, `column`, `rows` (of a table that was emptied), `objects` (without a table), or `before-image`.
    pub kind: String,
    /// What it was: table, or table.column.
    pub name: String,
    /// The table that holds it.
    pub stored: String,
    /// `dropped` or `changed` by the release, or `undone`: made by it and written to since.
    pub why: String,
    /// Rows that it holds; of large tables an estimate.
    pub rows: u64,
}

/// The list of one database. A driver of another engine implements this over its own list.
pub trait Asides {
    /// All that is set aside, oldest first; changes nothing.
    ///
    /// # Errors
    /// Why it cannot be read, in words.
    fn list(&self) -> Result<Vec<Aside>, String>;

    /// Drops one for good, together with its line of the list: in one transaction where the engine can.
    ///
    /// # Errors
    /// Why it was not, in words; nothing was changed then.
    fn drop_for_good(&self, aside: &Aside) -> Result<(), String>;
}

/// The list of a database; `None`: its engine has no list that can be read yet. Relative paths start at `base`.
///
/// # Errors
/// Why it cannot be opened, in words, without any part of the URL's password.
pub fn open(kind: UrlKind, url: &str, base: &Path) -> Result<Option<Box<dyn Asides>>, String> {
    match kind {
        UrlKind::Sqlite => crate::sqlite::asides(url, base).map(Some),
        UrlKind::Postgresql => crate::postgres::asides(url).map(Some),
        UrlKind::Mysql => crate::mysql::asides(url, base).map(Some),
    }
}
