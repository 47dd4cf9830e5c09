//! Putting back what an image holds: what is still as the release wrote it, what is not, and in which order.

use super::{Image, Op, Reference, Since};
use crate::postgres::{ident, qualified, text};

impl Image {
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

    /// Whether both are of one table, or of parts of one.
    #[must_use]
    pub fn is_one_with(&self, other: &Self) -> bool {
        self == other || self.above.iter().any(|above| other.above.contains(above))
    }

    /// Whether rows here refer to rows of `other`; `acts`: by a foreign key that does something by itself.
    #[must_use]
    pub fn refers(&self, other: &Self, acts: bool) -> bool {
        let is_other = |schema: &String, table: &String| {
            (schema, table) == (&other.schema, &other.table)
                || other.above.iter().any(|above| (&above.0, &above.1) == (schema, table))
        };
        self.parents.iter().any(|parent| (parent.acts || !acts) && is_other(&parent.schema, &parent.table))
    }

    /// The image's rows of a step with the rows of the table that they are about: aliases `i` and `t`; `t` is all NULL
    /// (and `found` false) where there is none. `side` says whether rows are found by what was written or by what was before.
    fn pairs(&self, step: i64, op: Op, side: char) -> String {
        self.pairs_of(step, op, side, None)
    }

    /// The same for a piece of the image.
    fn pairs_of(&self, step: i64, op: Op, side: char, only: Piece<'_>) -> String {
        let (image, table, letter, only) = (self.name(), self.table(), op.letter(), between(only));
        if self.key.is_empty() {
            let mine = format!("ROW({})::text", self.list(|at| self.value(side, at)));
            let theirs =
                format!("ROW({})::text", self.list(|at| format!("t.{}", ident(&self.columns[at].name))));
            let number = |sig: &str| format!("row_number() OVER (PARTITION BY {sig})");
            return format!(
                "(SELECT i.*, {mine} AS windlass_sig, {} AS windlass_num FROM {image} i WHERE step = {step} AND op = '{letter}'{only}) i LEFT JOIN \
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
            "(SELECT i.* FROM {image} i WHERE step = {step} AND op = '{letter}'{only}) i LEFT JOIN (SELECT t.*, t.ctid AS windlass_at, \
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

    /// Rows that refer to rows of their own table may come and go with them.
    fn is_other(&self, reference: &Reference) -> bool {
        let of = (&reference.schema, &reference.table);
        of != (&self.schema, &self.table) && !self.above.iter().any(|above| (&above.0, &above.1) == of)
    }

    /// Rows of foreign keys: no child may refer to `t`.
    fn childless(&self) -> String {
        let one = |reference: &Reference| {
            let child = qualified(&reference.schema, &reference.table);
            format!(" AND NOT EXISTS (SELECT FROM {child} c WHERE {})", reference.on("c", "t"))
        };
        self.children.iter().filter(|child| self.is_other(child)).map(one).collect()
    }

    /// By foreign keys of the table to itself: `c` refers to `g`. Empty: there are none.
    fn own_child(&self) -> String {
        let own = self.children.iter().filter(|child| !self.is_other(child));
        own.map(|reference| format!("({})", reference.on("c", "g"))).collect::<Vec<_>>().join(" OR ")
    }

    /// Common table expressions `windlass_goes` (rows of a step that were added and may go, for what is known of them and of
    /// other tables) and `windlass_stays` (those of them that a row of the same table refers to that stays). Empty where no
    /// foreign key refers to its own table.
    fn goes(&self, step: i64, which: &str) -> String {
        let refers = self.own_child();
        if refers.is_empty() {
            return String::new();
        }
        let table = self.table();
        format!(
            "WITH RECURSIVE windlass_goes AS MATERIALIZED (SELECT t.* FROM {} WHERE {which}{}), \
             windlass_stays(windlass_at, windlass_part) AS (\
             SELECT g.windlass_at, g.windlass_part FROM windlass_goes g JOIN {table} c ON {refers} WHERE NOT EXISTS (SELECT \
             FROM windlass_goes x WHERE x.windlass_at = c.ctid AND x.windlass_part = c.tableoid) UNION \
             SELECT g.windlass_at, g.windlass_part FROM windlass_stays s JOIN {table} c ON c.ctid = s.windlass_at AND c.tableoid \
             = s.windlass_part JOIN windlass_goes g ON {refers}) ",
            self.pairs(step, Op::Insert, 'n'),
            self.childless(),
        )
    }

    /// Condition on `t`: it is not among the rows that stay.
    fn not_staying(&self) -> &'static str {
        if self.own_child().is_empty() {
            return "";
        }
        " AND NOT EXISTS (SELECT FROM windlass_stays s WHERE s.windlass_at = t.windlass_at AND s.windlass_part = t.windlass_part)"
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
                "{}SELECT {}, '', NULL, {}, {now} FROM {} WHERE t.windlass_at IS NOT NULL AND NOT ({}{}{}) LIMIT {limit}",
                self.goes(step, &self.untouched(op)),
                self.label('n'),
                whole('n'),
                self.pairs(step, op, 'n'),
                self.untouched(op),
                self.childless(),
                self.not_staying(),
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

    /// The places of a step's rows in the image, in order: ends of the pieces that [`Image::put_back`] takes.
    #[must_use]
    pub fn places(&self, step: i64, op: Op) -> String {
        format!(
            "SELECT i.ctid::text FROM {} i WHERE step = {step} AND op = '{}' ORDER BY i.ctid",
            self.name(),
            op.letter()
        )
    }

    /// The row of a step at one place of the image, in the form of [`Image::conflicts`].
    #[must_use]
    pub fn row(&self, step: i64, op: Op, place: &str) -> String {
        let whole = |side: char| format!("left(ROW({})::text, 500)", self.sides_of(side));
        let (side, wrote) = if op == Op::Delete { ('o', "NULL".to_owned()) } else { ('n', whole('n')) };
        format!(
            "SELECT {}, '', {}, {wrote}, NULL FROM {} i WHERE step = {step} AND op = '{}'{}",
            self.label(side),
            whole('o'),
            self.name(),
            op.letter(),
            between(Some((place, place))),
        )
    }

    /// Takes a step back, or of it the rows of the image in a piece. What it counts is rows put back.
    #[must_use]
    pub fn put_back(&self, step: i64, op: Op, since: Since, only: Piece<'_>) -> String {
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
                    self.pairs_of(step, op, 'n', only),
                )
            }
            Op::Insert => {
                let which = match since {
                    Since::Keep => self.untouched(op),
                    Since::Force => "t.windlass_at IS NOT NULL".to_owned(),
                };
                format!(
                    "{}DELETE FROM {table} x USING (SELECT t.windlass_at, t.windlass_part FROM {} WHERE {which}{}{}) i WHERE x.ctid = \
                     i.windlass_at AND x.tableoid = i.windlass_part",
                    self.goes(step, &which),
                    self.pairs_of(step, op, 'n', only),
                    self.childless(),
                    self.not_staying(),
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
                        format!("ON CONFLICT ({}) DO UPDATE SET {}", key.join(", "), sets.join(", "))
                    }
                    // Only rows with the same key are looked for beforehand: others in the way have to be told.
                    Since::Keep if !self.key.is_empty() => {
                        let key: Vec<_> = self.key.iter().map(|at| ident(&self.columns[*at].name)).collect();
                        format!("ON CONFLICT ({}) DO NOTHING", key.join(", "))
                    }
                    _ => String::new(),
                };
                format!(
                    "INSERT INTO {table} ({columns}) OVERRIDING SYSTEM VALUE SELECT {values} FROM {} i WHERE step = {step} AND \
                     op = 'd'{}{} {conflict}",
                    self.name(),
                    between(only),
                    self.with_parents(),
                )
            }
        }
    }
}

/// First and last place of rows in an image; `None`: all of them.
pub type Piece<'a> = Option<(&'a str, &'a str)>;

fn between(piece: Piece<'_>) -> String {
    match piece {
        Some((first, last)) => format!(" AND i.ctid BETWEEN {} AND {}", text(first), text(last)),
        None => String::new(),
    }
}

/// Whether two values are stored alike. As `record`s they are compared byte by byte; plain `ROW(…)`s would be taken apart
/// and asked for an operator of their types.
fn same(one: &str, other: &str) -> String {
    format!("ROW({one})::record *= ROW({other})::record")
}
