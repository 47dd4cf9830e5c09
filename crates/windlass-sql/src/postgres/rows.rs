//! Before-images: the SQL that keeps rows as they were and as the release wrote them, and that puts them back.
//!
//! An image is a table with a column `step` (the order of the changes), `op` (`i`, `u`, `d`) and for each kept column
//! `i` of the table `oI` (before) and `nI` (written). Columns of types that users made are kept as text, so that an image
//! never stands in the way of a `DROP TYPE`. Values are compared as they are stored (`*=`), which needs no equality
//! operator and takes `1.0` and `1.00` for different.

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
    /// Positions in `columns` of a unique key without NULL; empty: rows are told apart by all they hold.
    pub key: Vec<usize>,
    /// Tables whose foreign keys point here: schema, name, their columns, columns here. Rows referred to from there are not
    /// taken away.
    #[serde(default)]
    pub children: Vec<Reference>,
    /// Tables that foreign keys from here point to. Rows do not come back without theirs.
    #[serde(default)]
    pub parents: Vec<Reference>,
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
    /// statement knows the table by. An `UPDATE` must not assign the key: the rows as they were are found by it.
    #[must_use]
    pub fn wrapped(&self, op: Op, statement: &str, alias: &str, step: i64) -> String {
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
                let on = same.collect::<Vec<_>>().join(" AND ");
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
        let (name, table) = (self.name(), self.table());
        format!("INSERT INTO {name} (step, op, {columns}) SELECT 0, 'u', {values} FROM {table} t")
    }

    /// The table's row that a row of the image is about, by the key as it was.
    fn same_row(&self) -> String {
        let one = |at: &usize| format!("t.{} = {}", ident(&self.columns[*at].name), self.value('o', *at));
        self.key.iter().map(one).collect::<Vec<_>>().join(" AND ")
    }

    /// Notes what stands in `columns` (positions) now.
    #[must_use]
    pub fn note_written(&self, columns: &[usize]) -> String {
        let set = |at: &usize| format!("n{at} = t.{}::text", ident(&self.columns[*at].name));
        let sets = columns.iter().map(set).collect::<Vec<_>>().join(", ");
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
        format!(
            "UPDATE {} t SET {} FROM {} i WHERE {}",
            self.table(),
            sets.join(", "),
            self.name(),
            self.same_row()
        )
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

    /// The steps of the image, newest first: `step`, `op`, rows.
    #[must_use]
    pub fn steps(&self) -> String {
        format!("SELECT step, op, count(*) FROM {} GROUP BY step, op ORDER BY step DESC, op", self.name())
    }

    /// Whether a step on this image may be what a foreign key did about a step on `other`.
    #[must_use]
    pub fn follows(&self, other: &Self) -> bool {
        self.refers(other, true)
    }

    /// Whether rows here refer to rows of `other`; `acts`: by a foreign key that does something by itself.
    #[must_use]
    pub fn refers(&self, other: &Self, acts: bool) -> bool {
        let name = (&other.schema, &other.table);
        self.parents.iter().any(|parent| (parent.acts || !acts) && (&parent.schema, &parent.table) == name)
    }

    /// The image's rows of a step with the rows of the table that they are about: aliases `i` and `t`; `t` is all NULL
    /// (and `found` false) where there is none. `side` says whether rows are found by what was written or by what was before.
    fn pairs(&self, step: i64, op: Op, side: char) -> String {
        let (image, table, letter) = (self.name(), self.table(), op.letter());
        if self.key.is_empty() {
            let mine = format!("ROW({})::text", self.list(|at| self.value(side, at)));
            let theirs =
                format!("ROW({})::text", self.list(|at| format!("t.{}", ident(&self.columns[at].name))));
            let number = |sig: &str| format!("row_number() OVER (PARTITION BY {sig})");
            return format!(
                "(SELECT i.*, {mine} AS windlass_sig, {} AS windlass_num FROM {image} i WHERE step = {step} AND op = '{letter}') i LEFT JOIN \
                 (SELECT t.*, t.ctid AS windlass_at, t.tableoid AS windlass_part, {theirs} AS windlass_sig, {} AS windlass_num FROM {table} t) t ON t.windlass_sig = i.windlass_sig \
                 AND t.windlass_num = i.windlass_num",
                number(&mine),
                number(&theirs)
            );
        }
        let same = self
            .key
            .iter()
            .map(|at| format!("t.{} = {}", ident(&self.columns[*at].name), self.value(side, *at)));
        format!(
            "(SELECT i.* FROM {image} i WHERE step = {step} AND op = '{letter}') i LEFT JOIN (SELECT t.*, t.ctid AS windlass_at, \
             t.tableoid AS windlass_part FROM {table} t) t ON {}",
            same.collect::<Vec<_>>().join(" AND ")
        )
    }

    /// Whether a row is as the release left it, in all that the release changed of it.
    fn untouched(&self, op: Op) -> String {
        if self.key.is_empty() {
            return "t.windlass_at IS NOT NULL".to_owned();
        }
        let one = |at: usize| {
            let now = same(&format!("t.{}", ident(&self.columns[at].name)), &self.value('n', at));
            if op == Op::Update {
                format!("({} OR {now})", same(&format!("i.o{at}"), &format!("i.n{at}")))
            } else {
                now
            }
        };
        let all: Vec<_> = (0..self.columns.len()).map(one).collect();
        format!("t.windlass_at IS NOT NULL AND {}", all.join(" AND "))
    }

    /// Rows that refer to rows of their own table come and go in one statement; the server judges those.
    fn is_other(&self, reference: &Reference) -> bool {
        (&reference.schema, &reference.table) != (&self.schema, &self.table)
    }

    /// Rows of foreign keys: no child may refer to `t`.
    fn childless(&self) -> String {
        let one = |reference: &Reference| {
            let on: Vec<_> = reference
                .theirs
                .iter()
                .zip(&reference.ours)
                .map(|(theirs, ours)| format!("c.{} = t.{}", ident(theirs), ident(ours)))
                .collect();
            let child = qualified(&reference.schema, &reference.table);
            format!(" AND NOT EXISTS (SELECT FROM {child} c WHERE {})", on.join(" AND "))
        };
        self.children.iter().filter(|child| self.is_other(child)).map(one).collect()
    }

    /// Rows of foreign keys: every parent that the kept row refers to is there.
    fn with_parents(&self) -> String {
        let one = |reference: &Reference| {
            let position = |name: &String| self.columns.iter().position(|column| column.name == *name);
            let ours: Option<Vec<usize>> = reference.ours.iter().map(position).collect();
            let Some(ours) = ours else { return String::new() };
            let null: Vec<_> = ours.iter().map(|at| format!("i.o{at} IS NULL")).collect();
            let on: Vec<_> = (ours.iter().zip(&reference.theirs))
                .map(|(at, theirs)| format!("p.{} = {}", ident(theirs), self.value('o', *at)))
                .collect();
            let parent = qualified(&reference.schema, &reference.table);
            format!(
                " AND ({} OR EXISTS (SELECT FROM {parent} p WHERE {}))",
                null.join(" OR "),
                on.join(" AND ")
            )
        };
        self.parents.iter().filter(|parent| self.is_other(parent)).map(one).collect()
    }

    /// How a row is named to people.
    fn label(&self, side: char) -> String {
        if self.key.is_empty() {
            return format!("left(ROW({})::text, 200)", self.sides_of(side));
        }
        let one = |at: &usize| format!("{} || '=' || i.{side}{at}::text", text(&self.columns[*at].name));
        self.key.iter().map(one).collect::<Vec<_>>().join(" || ', ' || ")
    }

    fn sides_of(&self, side: char) -> String {
        self.list(|at| format!("i.{side}{at}"))
    }

    /// The values of a step that are not as the release left them: `key`, `column`, `before`, `wrote`, `now`. To be asked
    /// before [`Image::put_back`].
    #[must_use]
    pub fn conflicts(&self, step: i64, op: Op, limit: u64) -> String {
        let whole = |side: char| format!("left(ROW({})::text, 500)", self.sides_of(side));
        let now = format!(
            "CASE WHEN t.windlass_at IS NULL THEN NULL ELSE left(ROW({})::text, 500) END",
            self.list(|at| format!("t.{}", ident(&self.columns[at].name)))
        );
        match op {
            Op::Update => {
                let one = |at: usize| {
                    let column = &self.columns[at].name;
                    format!("({}, i.o{at}::text, i.n{at}::text, t.{}::text)", text(column), ident(column))
                };
                format!(
                    "SELECT {}, v.c, v.b, v.w, CASE WHEN t.windlass_at IS NULL THEN '(no such row)' ELSE v.now END FROM {} CROSS JOIN \
                     LATERAL (VALUES {}) v(c, b, w, now) WHERE NOT ({}) AND v.b IS DISTINCT FROM v.w AND (t.windlass_at IS NULL OR v.now \
                     IS DISTINCT FROM v.w AND v.now IS DISTINCT FROM v.b) LIMIT {limit}",
                    self.label('n'),
                    self.pairs(step, op, 'n'),
                    self.list(one),
                    self.untouched(op),
                )
            }
            Op::Insert => format!(
                "SELECT {}, '', NULL, {}, {now} FROM {} WHERE t.windlass_at IS NOT NULL AND NOT ({}{}) LIMIT {limit}",
                self.label('n'),
                whole('n'),
                self.pairs(step, op, 'n'),
                self.untouched(op),
                self.childless(),
            ),
            Op::Delete if self.key.is_empty() => format!(
                "SELECT {}, '', {}, NULL, NULL FROM {} i WHERE step = {step} AND op = 'd' AND NOT (true{}) LIMIT {limit}",
                self.label('o'),
                whole('o'),
                self.name(),
                self.with_parents(),
            ),
            Op::Delete => format!(
                "SELECT {}, '', {}, NULL, {now} FROM {} WHERE t.windlass_at IS NOT NULL OR NOT (true{}) LIMIT {limit}",
                self.label('o'),
                whole('o'),
                self.pairs(step, op, 'o'),
                self.with_parents(),
            ),
        }
    }

    /// Takes a step back. What it counts is rows put back.
    #[must_use]
    pub fn put_back(&self, step: i64, op: Op, since: Since) -> String {
        let table = self.table();
        match op {
            Op::Update => {
                let set = |at: usize| {
                    let column = ident(&self.columns[at].name);
                    format!(
                        "{column} = CASE WHEN {} THEN x.{column} ELSE {} END",
                        same(&format!("i.o{at}"), &format!("i.n{at}")),
                        self.value('o', at)
                    )
                };
                let sets: Vec<_> =
                    (0..self.columns.len()).filter(|at| !self.columns[*at].always).map(set).collect();
                let which = match since {
                    Since::Keep => self.untouched(op),
                    Since::Force => "t.windlass_at IS NOT NULL".to_owned(),
                };
                let olds = self.list(|at| format!("i.o{at}, i.n{at}"));
                format!(
                    "UPDATE {table} x SET {} FROM (SELECT t.windlass_at, t.windlass_part, {olds} FROM {} WHERE {which}) i WHERE x.ctid = i.windlass_at AND \
                     x.tableoid = i.windlass_part",
                    sets.join(", "),
                    self.pairs(step, op, 'n'),
                )
            }
            Op::Insert => {
                let which = match since {
                    Since::Keep => self.untouched(op),
                    Since::Force => "t.windlass_at IS NOT NULL".to_owned(),
                };
                format!(
                    "DELETE FROM {table} x USING (SELECT t.windlass_at, t.windlass_part FROM {} WHERE {which}{}) i WHERE x.ctid = i.windlass_at AND \
                     x.tableoid = i.windlass_part",
                    self.pairs(step, op, 'n'),
                    self.childless(),
                )
            }
            Op::Delete => {
                let columns = self.list(|at| ident(&self.columns[at].name));
                let values = self.list(|at| self.value('o', at));
                let conflict = match since {
                    Since::Force if !self.key.is_empty() => {
                        let key: Vec<_> = self.key.iter().map(|at| ident(&self.columns[*at].name)).collect();
                        let set = |at: usize| {
                            let column = ident(&self.columns[at].name);
                            format!("{column} = EXCLUDED.{column}")
                        };
                        let sets: Vec<_> =
                            (0..self.columns.len()).filter(|at| !self.columns[*at].always).map(set).collect();
                        format!("({}) DO UPDATE SET {}", key.join(", "), sets.join(", "))
                    }
                    _ => "DO NOTHING".to_owned(),
                };
                format!(
                    "INSERT INTO {table} ({columns}) OVERRIDING SYSTEM VALUE SELECT {values} FROM {} i WHERE step = {step} AND \
                     op = 'd'{} ON CONFLICT {conflict}",
                    self.name(),
                    self.with_parents(),
                )
            }
        }
    }
}

/// Whether two values are stored alike. As `record`s they are compared byte by byte; plain `ROW(…)`s would be taken apart
/// and asked for an operator of their types.
fn same(one: &str, other: &str) -> String {
    format!("ROW({one})::record *= ROW({other})::record")
}
