//! Before-images: the SQL that keeps rows as they were and as the release wrote them, and that puts them back.
//!
//! An image is a table with a column `step` (the order of the changes), `op` (`i`, `u`, `d`) and for each kept column
//! `i` of the table `oI` (before) and `nI` (written). Columns of types that users made are kept as text, so that an image
//! never stands in the way of a `DROP TYPE`. Values are compared as they are stored (`*=`), which needs no equality
//! operator and takes `1.0` and `1.00` for different.

mod back;
mod place;

pub use back::Piece;

use super::{ident, qualified, text};
use serde::{Deserialize, Serialize};

/// A column that an image keeps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its type, as `format_type` writes it.
    #[serde(rename = "type")]
    pub kind: String,
    /// Whether the type is one of PostgreSQL itself.
    pub builtin: bool,
    /// `GENERATED ALWAYS AS IDENTITY`: no `UPDATE` can set it.
    #[serde(default)]
    pub always: bool,
}

/// A table and what is kept of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// Schema of the table.
    pub schema: String,
    /// The table.
    pub table: String,
    /// Name of the image in the schema `windlass`.
    pub image: String,
    /// Kept columns.
    pub columns: Vec<Column>,
    /// Positions in `columns` of a unique key without NULL; empty: rows are told apart by all they hold, or where only
    /// columns go or change by where they lie until it is done.
    pub key: Vec<usize>,
    /// Tables whose foreign keys point here: schema, name, their columns, columns here. Rows referred to from there are not
    /// taken away.
    #[serde(default)]
    pub children: Vec<Reference>,
    /// Tables that foreign keys from here point to. Rows do not come back without theirs.
    #[serde(default)]
    pub parents: Vec<Reference>,
    /// Partitioned tables that it is a part of now, by schema and name: what refers to them refers to its rows.
    #[serde(skip)]
    pub above: Vec<(String, String)>,
}

/// A foreign key between the imaged table and another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reference {
    /// Schema of the other table.
    pub schema: String,
    /// The other table.
    pub table: String,
    /// Its columns.
    pub theirs: Vec<String>,
    /// Columns of the imaged table.
    pub ours: Vec<String>,
    /// A change in the table that is referred to changes rows of the other.
    #[serde(default)]
    pub acts: bool,
}

impl Reference {
    /// Condition: row `c` of the other table refers to row `t` of the imaged one.
    fn on(&self, c: &str, t: &str) -> String {
        let pairs = self.theirs.iter().zip(&self.ours);
        let one = |(theirs, ours): (&String, &String)| format!("{c}.{} = {t}.{}", ident(theirs), ident(ours));
        pairs.map(one).collect::<Vec<_>>().join(" AND ")
    }
}

/// What to do with rows that were written to since.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Since {
    /// Leave them.
    Keep,
    /// Put them back too.
    Force,
}

/// Kind of change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// Rows that were added.
    Insert,
    /// Rows that were changed.
    Update,
    /// Rows that were taken away.
    Delete,
}

impl Op {
    /// As it stands in `op`.
    #[must_use]
    pub fn letter(self) -> char {
        match self {
            Self::Insert => 'i',
            Self::Update => 'u',
            Self::Delete => 'd',
        }
    }

    /// From `op`.
    #[must_use]
    pub fn from_letter(letter: &str) -> Option<Self> {
        [Self::Insert, Self::Update, Self::Delete].into_iter().find(|op| letter.starts_with(op.letter()))
    }
}

impl Image {
    fn table(&self) -> String {
        qualified(&self.schema, &self.table)
    }

    fn name(&self) -> String {
        qualified("windlass", &self.image)
    }

    /// The table that is the image.
    #[must_use]
    pub fn create(&self) -> String {
        let mut columns = vec!["step bigint NOT NULL".to_owned(), "op \"char\" NOT NULL".to_owned()];
        for side in ['o', 'n'] {
            for (at, column) in self.columns.iter().enumerate() {
                let kind = if column.builtin { column.kind.as_str() } else { "text" };
                columns.push(format!("{side}{at} {kind}"));
            }
        }
        format!("CREATE TABLE {} ({})", self.name(), columns.join(", "))
    }

    /// An index by which the rows of a step are found.
    #[must_use]
    pub fn index_steps(&self) -> String {
        format!("CREATE INDEX ON {} (step)", self.name())
    }

    /// Removes the rows of a step.
    #[must_use]
    pub fn forget_step(&self, step: i64) -> String {
        format!("DELETE FROM {} WHERE step = {step}", self.name())
    }

    /// Takes the image away.
    #[must_use]
    pub fn drop(&self) -> String {
        format!("DROP TABLE IF EXISTS {}", self.name())
    }

    /// `column` of the table, seen through `alias`, as the image keeps it.
    fn kept(&self, at: usize, alias: &str) -> String {
        let column = &self.columns[at];
        let cast = if column.builtin { "" } else { "::text" };
        format!("{alias}.{}{cast}", ident(&column.name))
    }

    /// A kept value with the type of the table's column.
    fn value(&self, side: char, at: usize) -> String {
        let column = &self.columns[at];
        let cast = if column.builtin { String::new() } else { format!("::{}", column.kind) };
        format!("i.{side}{at}{cast}")
    }

    fn list(&self, one: impl Fn(usize) -> String) -> String {
        (0..self.columns.len()).map(one).collect::<Vec<_>>().join(", ")
    }

    fn sides(&self, side: char) -> String {
        self.list(|at| format!("{side}{at}"))
    }

    /// `INSERT`, `UPDATE` or `DELETE` with what it changes kept in the same statement. `alias` is the name that the
    /// statement knows the table by; `within`, a condition on `b`, is where those rows are known to be. An `UPDATE` must not assign the key: the rows as they were are found by it.
    #[must_use]
    pub fn wrapped(&self, op: Op, statement: &str, alias: &str, step: i64, within: Option<&str>) -> String {
        let alias = ident(alias);
        let returning = self.list(|at| format!("{alias}.{} AS w{at}", ident(&self.columns[at].name)));
        let as_kept =
            |at: usize| if self.columns[at].builtin { format!("w.w{at}") } else { format!("w.w{at}::text") };
        let new = self.list(as_kept);
        let (columns, source) = match op {
            Op::Insert => (self.sides('n'), format!("{new} FROM windlass_w w")),
            Op::Delete => (self.sides('o'), format!("{new} FROM windlass_w w")),
            Op::Update => {
                let old = self.list(|at| self.kept(at, "b"));
                let same =
                    self.key.iter().map(|at| format!("b.{} = w.w{at}", ident(&self.columns[*at].name)));
                let on = same.chain(within.map(str::to_owned)).collect::<Vec<_>>().join(" AND ");
                let columns = format!("{}, {}", self.sides('o'), self.sides('n'));
                (columns, format!("{old}, {new} FROM windlass_w w JOIN {} b ON {on}", self.table()))
            }
        };
        format!(
            "WITH windlass_w AS ({statement} RETURNING {returning}) INSERT INTO {} (step, op, {columns}) SELECT {step}, \
             '{}', {source}",
            self.name(),
            op.letter()
        )
    }

    /// An `INSERT` that shows the kept columns of the rows that it adds.
    #[must_use]
    pub fn shown(&self, statement: &str, alias: &str) -> String {
        let alias = ident(alias);
        let returning = self.list(|at| format!("{alias}.{} AS w{at}", ident(&self.columns[at].name)));
        format!("WITH windlass_w AS ({statement} RETURNING {returning}) SELECT * FROM windlass_w")
    }

    /// Rows that were shown, as added.
    #[must_use]
    pub fn added(&self, rows: &[Vec<Option<String>>]) -> String {
        let value = |value: &Option<String>| value.as_deref().map_or("NULL".to_owned(), text);
        let row = |row: &Vec<Option<String>>| {
            format!("(0, 'i', {})", row.iter().map(value).collect::<Vec<_>>().join(", "))
        };
        let rows = rows.iter().map(row).collect::<Vec<_>>().join(", ");
        format!("INSERT INTO {} (step, op, {}) VALUES {rows}", self.name(), self.sides('n'))
    }

    /// All rows of the table as taken away.
    #[must_use]
    pub fn keep_all(&self, step: &str) -> String {
        let values = self.list(|at| self.kept(at, "t"));
        let columns = self.sides('o');
        let (name, table) = (self.name(), self.table());
        format!("INSERT INTO {name} (step, op, {columns}) SELECT {step}, 'd', {values} FROM {table} t")
    }

    /// How many rows it holds.
    #[must_use]
    pub fn count(&self) -> String {
        format!("SELECT count(*) FROM {}", self.name())
    }

    /// The kept columns of all rows, as they are before the columns change.
    #[must_use]
    pub fn keep_columns(&self) -> String {
        let values = self.list(|at| self.kept(at, "t"));
        let columns = self.sides('o');
        let step = if self.key.is_empty() { place::PLACE } else { "0" };
        let (name, table) = (self.name(), self.table());
        format!("INSERT INTO {name} (step, op, {columns}) SELECT {step}, 'u', {values} FROM {table} t")
    }

    /// The table's row that a row of the image is about, by the key as it was.
    fn same_row(&self) -> String {
        let one = |at: &usize| format!("t.{} = {}", ident(&self.columns[*at].name), self.value('o', *at));
        self.key.iter().map(one).collect::<Vec<_>>().join(" AND ")
    }

    /// Notes what stands in `columns` (positions) now.
    #[must_use]
    pub fn note_written(&self, columns: &[usize]) -> String {
        let set = |at: &usize| format!("n{at} = {}", self.kept(*at, "t"));
        let sets = columns.iter().map(set).collect::<Vec<_>>().join(", ");
        if self.key.is_empty() {
            return self.note_placed(&sets);
        }
        format!("UPDATE {} i SET {sets} FROM {} t WHERE {}", self.name(), self.table(), self.same_row())
    }

    /// Forgets rows in which `columns` no longer hold what was noted: their values of now are taken along instead.
    #[must_use]
    pub fn forget_written(&self, columns: &[usize]) -> String {
        let one = |at: &usize| format!("t.{}::text IS DISTINCT FROM i.n{at}", ident(&self.columns[*at].name));
        let any = columns.iter().map(one).collect::<Vec<_>>().join(" OR ");
        format!(
            "DELETE FROM {} i USING {} t WHERE {} AND ({any})",
            self.name(),
            self.table(),
            self.same_row()
        )
    }

    /// Whether `column` (quoted) has values in rows that the image does not know.
    #[must_use]
    pub fn others(&self, column: &str) -> String {
        if self.key.is_empty() {
            return self.others_placed(column);
        }
        format!(
            "SELECT EXISTS (SELECT FROM {} t WHERE t.{column} IS NOT NULL AND NOT EXISTS (SELECT FROM {} i WHERE {}))",
            self.table(),
            self.name(),
            self.same_row()
        )
    }

    /// Puts the kept values of columns with these names back.
    #[must_use]
    pub fn fill(&self, names: &[String]) -> String {
        let set = |at: usize| format!("{} = {}", ident(&self.columns[at].name), self.value('o', at));
        let sets: Vec<_> =
            (0..self.columns.len()).filter(|at| names.contains(&self.columns[*at].name)).map(set).collect();
        if self.key.is_empty() {
            return self.fill_placed(&sets.join(", "));
        }
        format!(
            "UPDATE {} t SET {} FROM {} i WHERE {}",
            self.table(),
            sets.join(", "),
            self.name(),
            self.same_row()
        )
    }

    /// Makes one row of those that are about the same row in one step: several foreign keys of a table that act about one
    /// change come together as one step. `None`: without a key they cannot be told apart.
    #[must_use]
    pub fn squash(&self) -> Option<String> {
        if self.key.is_empty() {
            return None;
        }
        let list = |of: &dyn Fn(usize) -> String| self.key.iter().map(|at| of(*at)).collect::<Vec<_>>();
        let name = self.name();
        let stays = list(&|at| format!("o{at} IS NOT DISTINCT FROM n{at}")).join(" AND ");
        let same = list(&|at| format!("i.n{at} = d.n{at}")).join(" AND ");
        let key = list(&|at| format!("n{at}")).join(", ");
        let last = self.list(|at| format!("n{at} = l.n{at}"));
        Some(format!(
            "WITH d AS (SELECT step, {key}, (array_agg(ctid ORDER BY ctid))[1] AS first, (array_agg(ctid ORDER BY ctid DESC))[1] AS last \
             FROM {name} WHERE op = 'u' AND {stays} GROUP BY step, {key} HAVING count(*) > 1), \
             u AS (UPDATE {name} i SET {last} FROM d JOIN {name} l ON l.ctid = d.last WHERE i.ctid = d.first) \
             DELETE FROM {name} i USING d WHERE i.step = d.step AND i.op = 'u' AND {same} AND i.ctid <> d.first"
        ))
    }

    /// Functions and triggers that keep whatever is done to the table until [`Image::uncover`].
    #[must_use]
    pub fn cover(&self) -> Vec<String> {
        let mut all = vec![];
        let (name, table) = (self.name(), self.table());
        let (old, new) = (self.sides('o'), self.sides('n'));
        let kept = |alias: &str| self.list(|at| self.kept(at, alias));
        let step = "nextval('windlass.step')";
        let numbered = |rows: &str| format!("(SELECT *, row_number() OVER () AS windlass_r FROM {rows})");
        for (op, word, rows, body) in [
            (
                Op::Insert,
                "INSERT",
                "NEW TABLE AS windlass_new",
                format!(
                    "INSERT INTO {name} (step, op, {new}) SELECT s, 'i', {} FROM windlass_new t",
                    kept("t")
                ),
            ),
            (
                Op::Delete,
                "DELETE",
                "OLD TABLE AS windlass_old",
                format!(
                    "INSERT INTO {name} (step, op, {old}) SELECT s, 'd', {} FROM windlass_old t",
                    kept("t")
                ),
            ),
            (
                Op::Update,
                "UPDATE",
                "OLD TABLE AS windlass_old NEW TABLE AS windlass_new",
                format!(
                    "INSERT INTO {name} (step, op, {old}, {new}) SELECT s, 'u', {}, {} FROM {} b JOIN {} a USING \
                     (windlass_r)",
                    kept("b"),
                    kept("a"),
                    numbered("windlass_old"),
                    numbered("windlass_new"),
                ),
            ),
        ] {
            let function = qualified("windlass", &format!("{}_{}", self.image, op.letter()));
            let body = format!("DECLARE s bigint := {step}; BEGIN {body}; RETURN NULL; END");
            all.push(format!(
                "CREATE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog \
                 AS {}",
                text(&body)
            ));
            all.push(format!(
                "CREATE TRIGGER {} AFTER {word} ON {table} REFERENCING {rows} FOR EACH STATEMENT EXECUTE FUNCTION {function}()",
                self.trigger(op)
            ));
        }
        all
    }

    /// Last in the alphabet, so that it fires after the table's own.
    fn trigger(&self, op: Op) -> String {
        ident(&format!("zzz_windlass_{}_{}", self.image, op.letter()))
    }

    /// Takes away what [`Image::cover`] made; `there` says whether the table still is.
    #[must_use]
    pub fn uncover(&self, there: bool) -> Vec<String> {
        let mut all = vec![];
        for op in [Op::Insert, Op::Update, Op::Delete] {
            if there {
                all.push(format!("DROP TRIGGER {} ON {}", self.trigger(op), self.table()));
            }
            let function = qualified("windlass", &format!("{}_{}", self.image, op.letter()));
            all.push(format!("DROP FUNCTION IF EXISTS {function}() CASCADE"));
        }
        all
    }
}
