//! The locks that PostgreSQL takes for a statement, and how long it holds them.
//!
//! From "Explicit Locking", "ALTER TABLE" (each form names its lock), "CREATE INDEX", "REINDEX", "REFRESH MATERIALIZED
//! VIEW" and "TRUNCATE" of the PostgreSQL 15 manual; `tests/locks.rs` asks real servers for the same.

use crate::{
    AlterTable, Change, Column, ColumnType, Constraint, ConstraintKind, Ddl, DefaultKind, Generated, Live,
    LiveForeignKey, LiveTable, ObjectChange, ObjectDrop, ObjectName,
};

/// A table-level lock of PostgreSQL, weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LockMode {
    /// Reading.
    AccessShare,
    /// `SELECT … FOR UPDATE`, and the other table of a foreign key that is validated.
    RowShare,
    /// Writing rows.
    RowExclusive,
    /// Blocks other changes of definitions.
    ShareUpdateExclusive,
    /// Blocks writes.
    Share,
    /// Blocks writes and itself.
    ShareRowExclusive,
    /// Blocks all but reading.
    Exclusive,
    /// Blocks all.
    AccessExclusive,
}

impl LockMode {
    /// `INSERT`, `UPDATE`, `DELETE` wait for it.
    #[must_use]
    pub fn blocks_writes(self) -> bool {
        self >= Self::Share
    }

    /// `SELECT` waits for it as well.
    #[must_use]
    pub fn blocks_reads(self) -> bool {
        self == Self::AccessExclusive
    }

    /// As the manual writes it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::AccessShare => "ACCESS SHARE",
            Self::RowShare => "ROW SHARE",
            Self::RowExclusive => "ROW EXCLUSIVE",
            Self::ShareUpdateExclusive => "SHARE UPDATE EXCLUSIVE",
            Self::Share => "SHARE",
            Self::ShareRowExclusive => "SHARE ROW EXCLUSIVE",
            Self::Exclusive => "EXCLUSIVE",
            Self::AccessExclusive => "ACCESS EXCLUSIVE",
        }
    }
}

/// What is done while the lock is held, least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Work {
    /// The catalog is changed: as long as it takes to get the lock.
    Catalog,
    /// All rows are read.
    Scan,
    /// An index is built.
    IndexBuild,
    /// The table is written anew, with its indexes.
    Rewrite,
}

/// A lock that a statement takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableLock {
    /// The table, or the index whose table it is.
    pub object: ObjectName,
    /// It is the table of this index: which, the statement does not say.
    pub of_index: bool,
    /// How strong.
    pub mode: LockMode,
    /// The most that is done meanwhile.
    pub work: Work,
}

/// The locks that a statement on definitions takes on tables that may hold rows. `live` makes them exact where the
/// definitions before decide; without it the worst case is taken. Empty: none, or it is not known.
#[must_use]
pub fn postgres_locks(ddl: &Ddl, live: Option<&Live>) -> Vec<TableLock> {
    use LockMode::{AccessExclusive, Share, ShareRowExclusive, ShareUpdateExclusive};
    let mut locks = Locks(Vec::new());
    match ddl {
        Ddl::AlterTable(alter) => alter_table(alter, live, &mut locks),
        Ddl::CreateTable(table) => {
            let behind = table.columns.iter().flat_map(|column| &column.constraints);
            for constraint in table.constraints.iter().chain(behind) {
                if let Some(other) = constraint.references.as_ref().filter(|other| **other != table.name) {
                    locks.take(other, ShareRowExclusive, Work::Catalog);
                }
            }
        }
        Ddl::CreateIndex(index) => {
            let mode = if index.concurrently { ShareUpdateExclusive } else { Share };
            locks.take(&index.table, mode, Work::IndexBuild);
        }
        Ddl::CreateOther { what, table: Some(table), .. } => {
            let mode = match what.as_str() {
                "TRIGGER" => ShareRowExclusive,
                "STATISTICS" => ShareUpdateExclusive,
                _ => AccessExclusive,
            };
            locks.take(table, mode, Work::Catalog);
        }
        Ddl::Drop(drop) => dropped(drop, live, &mut locks),
        Ddl::Truncate { tables, .. } => {
            for table in tables {
                locks.take(table, AccessExclusive, Work::Catalog);
            }
        }
        Ddl::Maintenance { what, scope, name: Some(name), concurrently, full } => {
            maintenance((what, scope), name, (*concurrently, *full), &mut locks);
        }
        Ddl::AlterOther { what, name: Some(name), change: ObjectChange::Rename(_) } if what == "INDEX" => {
            // The index itself; its table is not locked.
            locks.of_index(name, ShareUpdateExclusive, Work::Catalog);
        }
        _ => {}
    }
    locks.0
}

fn dropped(drop: &ObjectDrop, live: Option<&Live>, locks: &mut Locks) {
    use LockMode::{AccessExclusive, ShareUpdateExclusive};
    match drop.what.as_str() {
        "TABLE" | "MATERIALIZED VIEW" => {
            for name in &drop.names {
                locks.take(name, AccessExclusive, Work::Catalog);
                locks.referenced(live.and_then(|live| live.table(name)), |_| true);
                locks.referring(live, name);
            }
        }
        "INDEX" => {
            let mode = if drop.concurrently { ShareUpdateExclusive } else { AccessExclusive };
            for name in &drop.names {
                locks.of_index(name, mode, Work::Catalog);
            }
        }
        "TRIGGER" | "RULE" | "POLICY" => {
            if let Some(table) = &drop.table {
                locks.take(table, AccessExclusive, Work::Catalog);
            }
        }
        _ => {}
    }
}

fn maintenance(
    (what, scope): (&str, &str),
    name: &ObjectName,
    (concurrently, full): (bool, bool),
    locks: &mut Locks,
) {
    use LockMode::{AccessExclusive, Exclusive, Share, ShareUpdateExclusive};
    let (mode, work) = match (what, concurrently) {
        ("REINDEX", true) => (ShareUpdateExclusive, Work::IndexBuild),
        ("REINDEX", false) => (Share, Work::IndexBuild),
        ("REFRESH", true) => (Exclusive, Work::Scan),
        ("REFRESH" | "CLUSTER", _) => (AccessExclusive, Work::Rewrite),
        ("VACUUM", _) if full => (AccessExclusive, Work::Rewrite),
        ("VACUUM", _) => (ShareUpdateExclusive, Work::Scan),
        _ => return,
    };
    if scope == "INDEX" {
        locks.of_index(name, mode, work);
    } else if scope.is_empty() || scope == "TABLE" {
        locks.take(name, mode, work);
    }
}

struct Locks(Vec<TableLock>);

impl Locks {
    fn take(&mut self, object: &ObjectName, mode: LockMode, work: Work) {
        self.add(object, false, mode, work);
    }

    /// The other tables of foreign keys that are dropped or made anew.
    fn referenced(&mut self, table: Option<&LiveTable>, which: impl Fn(&LiveForeignKey) -> bool) {
        for key in table.iter().flat_map(|table| &table.foreign_keys).filter(|key| which(key)) {
            self.take(&key.references, LockMode::AccessExclusive, Work::Catalog);
        }
    }

    /// The tables whose foreign keys go with a table that is dropped.
    fn referring(&mut self, live: Option<&Live>, name: &ObjectName) {
        for table in live.iter().flat_map(|live| &live.tables) {
            if table.foreign_keys.iter().any(|key| key.references.base() == name.base()) {
                self.take(&table.name, LockMode::AccessExclusive, Work::Catalog);
            }
        }
    }

    fn of_index(&mut self, object: &ObjectName, mode: LockMode, work: Work) {
        self.add(object, true, mode, work);
    }

    fn add(&mut self, object: &ObjectName, of_index: bool, mode: LockMode, work: Work) {
        match self.0.iter_mut().find(|lock| lock.object == *object && lock.of_index == of_index) {
            Some(lock) => {
                lock.mode = lock.mode.max(mode);
                lock.work = lock.work.max(work);
            }
            None => self.0.push(TableLock { object: object.clone(), of_index, mode, work }),
        }
    }
}

fn alter_table(alter: &AlterTable, live: Option<&Live>, locks: &mut Locks) {
    use LockMode::{AccessExclusive, RowShare, ShareRowExclusive, ShareUpdateExclusive};
    let table = live.and_then(|live| live.table(&alter.table));
    for change in &alter.changes {
        let (mode, work) = match change {
            Change::AddColumn(column) => {
                for constraint in &column.constraints {
                    added(constraint, &alter.table, locks);
                }
                (AccessExclusive, new_column(column))
            }
            Change::AddConstraint(constraint) => {
                added(constraint, &alter.table, locks);
                continue;
            }
            Change::SetType { column, kind, using } => {
                let old = table.and_then(|table| table.column(column));
                locks.referenced(table, |key| key.columns.contains(column));
                let free = old.is_some_and(|old| !*using && is_free_change(&old.kind, kind));
                (AccessExclusive, if free { Work::Catalog } else { Work::Rewrite })
            }
            Change::DropColumn { name, .. } => {
                locks.referenced(table, |key| key.columns.contains(name));
                (AccessExclusive, Work::Catalog)
            }
            Change::DropConstraint { name: Some(name), .. } => {
                locks.referenced(table, |key| key.name == *name);
                (AccessExclusive, Work::Catalog)
            }
            Change::SetNotNull(column) => {
                let proven = table.and_then(|table| table.column(column));
                let proven = proven.is_some_and(|column| column.proven_not_null || column.not_null);
                (AccessExclusive, if proven { Work::Catalog } else { Work::Scan })
            }
            Change::ValidateConstraint(name) => {
                let key = table.and_then(|table| table.foreign_keys.iter().find(|key| key.name == *name));
                if let Some(key) = key {
                    locks.take(&key.references, RowShare, Work::Catalog);
                }
                (ShareUpdateExclusive, Work::Scan)
            }
            Change::AttachPartition(partition) => {
                if let Some(partition) = partition {
                    locks.take(partition, AccessExclusive, Work::Scan);
                }
                (ShareUpdateExclusive, Work::Catalog)
            }
            Change::DetachPartition { name, concurrently } => {
                if let Some(name) = name {
                    locks.take(name, AccessExclusive, Work::Catalog);
                }
                (if *concurrently { ShareUpdateExclusive } else { AccessExclusive }, Work::Catalog)
            }
            Change::AlterColumn { what, .. } if what == "SET STATISTICS" => {
                (ShareUpdateExclusive, Work::Catalog)
            }
            Change::Other(what) => match what.as_str() {
                "ENABLE TRIGGER" | "DISABLE TRIGGER" | "ENABLE REPLICA" | "ENABLE ALWAYS" => {
                    (ShareRowExclusive, Work::Catalog)
                }
                "CLUSTER ON" | "SET WITHOUT" | "SET" | "RESET" => (ShareUpdateExclusive, Work::Catalog),
                "SET LOGGED" | "SET UNLOGGED" | "SET TABLESPACE" | "SET ACCESS" => {
                    (AccessExclusive, Work::Rewrite)
                }
                _ => (AccessExclusive, Work::Catalog),
            },
            _ => (AccessExclusive, Work::Catalog),
        };
        locks.take(&alter.table, mode, work);
    }
}

/// A constraint that is added to a table with rows.
fn added(constraint: &Constraint, table: &ObjectName, locks: &mut Locks) {
    use LockMode::{AccessExclusive, ShareRowExclusive};
    let unless_valid = |work| if constraint.not_valid { Work::Catalog } else { work };
    match constraint.kind {
        ConstraintKind::ForeignKey => {
            locks.take(table, ShareRowExclusive, unless_valid(Work::Scan));
            if let Some(other) = &constraint.references {
                locks.take(other, ShareRowExclusive, Work::Catalog);
            }
        }
        ConstraintKind::Check | ConstraintKind::NotNull => {
            locks.take(table, AccessExclusive, unless_valid(Work::Scan));
        }
        ConstraintKind::PrimaryKey | ConstraintKind::Unique if constraint.using_index.is_some() => {
            locks.take(table, AccessExclusive, Work::Catalog);
        }
        ConstraintKind::PrimaryKey | ConstraintKind::Unique | ConstraintKind::Exclude => {
            locks.take(table, AccessExclusive, Work::IndexBuild);
        }
    }
}

/// A column with a constant or stable default is added without a rewrite since PostgreSQL 11.
fn new_column(column: &Column) -> Work {
    let volatile = column.default.as_ref().is_some_and(|default| default.kind >= DefaultKind::Unknown);
    if volatile || column.is_numbered() || column.generated == Some(Generated::Stored) {
        Work::Rewrite
    } else {
        Work::Catalog
    }
}

/// Whether PostgreSQL changes a type without looking at the rows: to `text` or a longer `varchar`, to a `numeric` with
/// the same scale and more digits, to less strict types of the same name.
#[must_use]
pub fn is_free_change(from: &ColumnType, to: &ColumnType) -> bool {
    let (old, new) = (canonical(&from.name), canonical(&to.name));
    if from.array != to.array {
        return false;
    }
    let number = |kind: &ColumnType, at: usize| {
        kind.arguments.get(at).and_then(|text| text.trim().parse::<u64>().ok())
    };
    match (old, new) {
        ("varchar" | "text", "text") => true,
        ("varchar" | "text", "varchar") if to.arguments.is_empty() => true,
        ("varchar", "varchar") | ("varbit", "varbit") => match (number(from, 0), number(to, 0)) {
            (Some(from), Some(to)) => to >= from,
            (None, None) => true,
            _ => to.arguments.is_empty(),
        },
        ("numeric", "numeric") => {
            to.arguments.is_empty()
                || (!from.arguments.is_empty()
                    && number(to, 0) >= number(from, 0)
                    && number(to, 1).unwrap_or(0) == number(from, 1).unwrap_or(0))
        }
        (old, new) => old == new && from.arguments == to.arguments,
    }
}

/// One name for types with several.
pub(crate) fn canonical(name: &str) -> &str {
    match name {
        "character varying" | "char varying" => "varchar",
        "character" | "bpchar" => "char",
        "int" | "int4" => "integer",
        "int8" => "bigint",
        "int2" => "smallint",
        "decimal" | "dec" => "numeric",
        "bool" => "boolean",
        "bit varying" => "varbit",
        "float8" => "double precision",
        "float4" => "real",
        "timestamp with time zone" => "timestamptz",
        "timestamp without time zone" => "timestamp",
        other => other,
    }
}
