//! The statements of one database in order of execution, as rules look at them.

use std::collections::HashMap;
use windlass_sql::{
    AlterTable, Change, Column, Constraint, Ddl, Dialect, Dml, Live, LiveTable, ObjectName, ddl, dml,
};

/// A statement to look at.
#[derive(Clone, Copy, Debug)]
pub struct SqlText<'a> {
    /// Without its terminator.
    pub text: &'a str,
    /// Whose SQL it is.
    pub dialect: Dialect,
    /// Its rows are changed in batches.
    pub batch: bool,
}

/// A statement that was read.
pub(super) struct Read<'a> {
    pub(super) source: SqlText<'a>,
    pub(super) ddl: Option<Ddl>,
    pub(super) dml: Option<Dml>,
}

/// All statements with what is known of the database.
pub(super) struct Script<'a> {
    pub(super) statements: Vec<Read<'a>>,
    /// Tables that the release makes, by the statement that does.
    created: HashMap<String, usize>,
    /// Columns that it adds, by table.
    added: HashMap<String, Vec<(usize, String)>>,
    /// Columns of the indexes that it makes, by table.
    indexed: HashMap<String, Vec<Vec<String>>>,
}

/// Names are compared without schema and case: what a release calls alike is alike.
fn key(name: &ObjectName) -> String {
    name.base().to_lowercase()
}

impl<'a> Script<'a> {
    pub(super) fn new(statements: &[SqlText<'a>]) -> Self {
        let statements: Vec<_> = statements
            .iter()
            .map(|source| {
                let ddl = ddl(source.text, source.dialect);
                let dml = if ddl.is_some() { None } else { dml(source.text, source.dialect) };
                Read { source: *source, ddl, dml }
            })
            .collect();
        let mut script =
            Self { statements, created: HashMap::new(), added: HashMap::new(), indexed: HashMap::new() };
        for index in 0..script.statements.len() {
            script.remember(index);
        }
        script
    }

    fn remember(&mut self, at: usize) {
        match &self.statements[at].ddl {
            Some(Ddl::CreateTable(table)) => {
                let name = key(&table.name);
                let keys = table.constraints.iter().chain(table.columns.iter().flat_map(|c| &c.constraints));
                let indexes = keys.filter(|constraint| is_indexed(constraint)).map(|c| c.columns.clone());
                let indexes = indexes.chain(table.indexes.iter().map(|index| index.columns.clone()));
                self.indexed.entry(name.clone()).or_default().extend(indexes);
                self.created.entry(name).or_insert(at);
            }
            Some(Ddl::CreateIndex(index)) => {
                self.indexed.entry(key(&index.table)).or_default().push(index.columns.clone());
            }
            Some(Ddl::AlterTable(alter)) => {
                let name = key(&alter.table);
                for change in &alter.changes {
                    match change {
                        Change::AddColumn(column) => {
                            self.added.entry(name.clone()).or_default().push((at, column.name.clone()));
                        }
                        Change::AddIndex(index) => {
                            self.indexed.entry(name.clone()).or_default().push(index.columns.clone());
                        }
                        Change::AddConstraint(constraint) if is_indexed(constraint) => {
                            self.indexed.entry(name.clone()).or_default().push(constraint.columns.clone());
                        }
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
}

fn is_indexed(constraint: &Constraint) -> bool {
    use windlass_sql::ConstraintKind::{PrimaryKey, Unique};
    matches!(constraint.kind, PrimaryKey | Unique)
}

/// Fewer rows and bytes than this are changed before anybody notices.
const SMALL_ROWS: u64 = 10_000;
const SMALL_BYTES: u64 = 64 << 20;
/// A table that nobody has counted is small up to here.
const UNCOUNTED_BYTES: u64 = 1 << 20;

/// One statement in its script.
#[derive(Clone, Copy)]
pub(super) struct At<'a> {
    pub(super) script: &'a Script<'a>,
    pub(super) index: usize,
    /// The database as the statements before leave it.
    pub(super) now: Option<&'a Live>,
}

impl<'a> At<'a> {
    pub(super) fn read(self) -> &'a Read<'a> {
        &self.script.statements[self.index]
    }

    pub(super) fn text(self) -> &'a str {
        self.read().source.text
    }

    pub(super) fn dialect(self) -> Dialect {
        self.read().source.dialect
    }

    pub(super) fn ddl(self) -> Option<&'a Ddl> {
        self.read().ddl.as_ref()
    }

    pub(super) fn dml(self) -> Option<&'a Dml> {
        self.read().dml.as_ref()
    }

    pub(super) fn alter(self) -> Option<&'a AlterTable> {
        match self.ddl() {
            Some(Ddl::AlterTable(alter)) => Some(alter),
            _ => None,
        }
    }

    /// The changes of an `ALTER TABLE`, if its table matters.
    pub(super) fn changes(self) -> impl Iterator<Item = &'a Change> + use<'a> {
        let alter = self.alter().filter(|alter| self.matters(&alter.table));
        alter.into_iter().flat_map(|alter| &alter.changes)
    }

    /// The constraints that an `ALTER TABLE` adds, those behind new columns included.
    pub(super) fn added_constraints(self) -> impl Iterator<Item = &'a Constraint> + use<'a> {
        self.changes().flat_map(|change| match change {
            Change::AddConstraint(constraint) => std::slice::from_ref(constraint),
            Change::AddColumn(column) => &column.constraints[..],
            _ => &[],
        })
    }

    /// The columns that an `ALTER TABLE` adds to a table that matters.
    pub(super) fn added_columns(self) -> impl Iterator<Item = &'a Column> + use<'a> {
        self.changes().filter_map(|change| match change {
            Change::AddColumn(column) => Some(&**column),
            _ => None,
        })
    }

    /// The columns that a `CREATE TABLE` or `ALTER TABLE` defines.
    pub(super) fn defined_columns(self) -> Vec<&'a Column> {
        match self.ddl() {
            Some(Ddl::CreateTable(table)) => table.columns.iter().collect(),
            Some(Ddl::AlterTable(alter)) => alter
                .changes
                .iter()
                .filter_map(|change| match change {
                    Change::AddColumn(column)
                    | Change::Modify(column)
                    | Change::ChangeColumn { column, .. } => Some(&**column),
                    _ => None,
                })
                .collect(),
            _ => Vec::new(),
        }
    }

    /// Whether the release itself made the table before: nobody uses it yet.
    pub(super) fn is_new(self, table: &ObjectName) -> bool {
        self.script.created.get(&key(table)).is_some_and(|at| *at < self.index)
    }

    /// The table as a survey found it, and as the statements before leave it.
    pub(super) fn live(self, table: &ObjectName) -> Option<&'a LiveTable> {
        self.now.and_then(|live| live.table(table))
    }

    /// Whether a lock or a rewrite of the table can hurt: it is neither made by the release nor known to be small.
    pub(super) fn matters(self, table: &ObjectName) -> bool {
        let small = |table: &LiveTable| match (table.rows, table.bytes) {
            (Some(rows), bytes) => rows < SMALL_ROWS && bytes.is_none_or(|bytes| bytes < SMALL_BYTES),
            (None, bytes) => bytes.is_some_and(|bytes| bytes < UNCOUNTED_BYTES),
        };
        !self.is_new(table) && !self.live(table).is_some_and(small)
    }

    /// Whether an index on these columns is known; `None`: nothing is known of the table.
    pub(super) fn has_index(self, table: &ObjectName, columns: &[String]) -> Option<bool> {
        let begins = |index: &Vec<String>| {
            index.len() >= columns.len()
                && index[..columns.len()]
                    .iter()
                    .all(|name| columns.iter().any(|c| c.eq_ignore_ascii_case(name)))
        };
        if self.script.indexed.get(&key(table)).is_some_and(|indexes| indexes.iter().any(begins)) {
            return Some(true);
        }
        if let Some(live) = self.live(table) {
            return Some(live.has_index_on(columns));
        }
        let added = self.script.added.get(&key(table));
        let all_new = columns.iter().all(|name| {
            added.is_some_and(|added| added.iter().any(|(_, column)| column.eq_ignore_ascii_case(name)))
        });
        let created = self.script.created.contains_key(&key(table));
        (created || all_new).then_some(false)
    }

    /// Whether the release added this column before.
    pub(super) fn is_added(self, table: &ObjectName, column: &str) -> bool {
        self.adds(table, column).any(|at| at < self.index)
    }

    /// Whether a later statement adds the column.
    pub(super) fn is_added_behind(self, table: &ObjectName, column: &str) -> bool {
        self.adds(table, column).any(|at| at > self.index)
    }

    /// The statements that add the column.
    fn adds(self, table: &ObjectName, column: &str) -> impl Iterator<Item = usize> {
        let added = self.script.added.get(&key(table)).into_iter().flatten();
        added.filter(move |(_, name)| name.eq_ignore_ascii_case(column)).map(|(at, _)| *at)
    }

    /// The table in words, with its size where it is known.
    pub(super) fn words(self, table: &ObjectName) -> String {
        match self.live(table) {
            Some(live) => match size(live) {
                Some(size) => format!("`{table}` ({size})"),
                None => format!("`{table}`"),
            },
            None => format!("`{table}`"),
        }
    }
}

/// Rows and bytes of a table in words, as far as they are known.
fn size(table: &LiveTable) -> Option<String> {
    match (table.rows, table.bytes) {
        (Some(rows), Some(count)) => Some(format!("{rows} rows, {}", bytes(count))),
        (Some(rows), None) => Some(format!("{rows} rows")),
        (None, Some(count)) => Some(bytes(count)),
        (None, None) => None,
    }
}

/// Bytes in words.
pub(super) fn bytes(count: u64) -> String {
    match count {
        0..1_048_576 => format!("{} KiB", count >> 10),
        1_048_576..1_073_741_824 => format!("{} MiB", count >> 20),
        _ => format!("{} GiB", count >> 30),
    }
}

/// What a rule says about a statement.
pub(super) struct Found {
    pub(super) message: String,
    pub(super) help: String,
}

/// How a statement is handed to the tools that copy a table beside those who write it: lines for a shell step.
pub(super) fn handed_over(at: At<'_>) -> String {
    let found = windlass_sql::hand_over(at.text()).filter(|_| at.dialect() == Dialect::Mysql);
    let Some(found) = found else { return String::new() };
    let keys = at
        .alter()
        .and_then(|alter| at.live(&alter.table))
        .is_some_and(|table| !table.referenced_by.is_empty());
    let back = match found.percona_back(None, keys) {
        Some(back) => format!("back: `{back}`"),
        None => "back: the same with what `SHOW CREATE TABLE` says of it now".to_owned(),
    };
    let or = found.gh_ost(None).map(|line| format!("; or `{line}`")).unwrap_or_default();
    format!(
        ". As lines of shell steps on the database: `{}` first, then `{}`; {back}{or}. What to do before and behind it: \
         docs/guide.md, \"A table too large for ALTER\"",
        found.percona("--dry-run", None, keys),
        found.percona("--execute", None, keys),
    )
}

pub(super) fn found(message: impl Into<String>, help: impl Into<String>) -> Found {
    Found { message: message.into(), help: help.into() }
}
