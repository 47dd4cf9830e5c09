//! How MySQL and MariaDB carry out an `ALTER TABLE`: a prediction, for people and for rules. What counts is what the
//! server accepts: a driver asks it with `ALGORITHM=` and `LOCK=` from the best downwards.
//!
//! From the tables of "Online DDL Operations" of the MySQL 8.0 manual and "InnoDB Online DDL Operations" of MariaDB's,
//! both corrected by what MySQL 9 and MariaDB 10.11 accept; `tests/algorithm.rs` asks them again.

mod modify;

use crate::{
    AlterTable, Change, Column, ConstraintKind, Ddl, Generated, IndexKind, LiveTable, Product, Server,
};

/// How a table is changed, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Algorithm {
    /// Only the dictionary.
    Instant,
    /// In place, without a rebuild of the table (MariaDB).
    Nocopy,
    /// In place; it may rebuild the table.
    Inplace,
    /// By a copy of the table.
    Copy,
}

/// What other sessions may do meanwhile, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AlterLock {
    /// Read and write.
    None,
    /// Read.
    Shared,
    /// Nothing.
    Exclusive,
}

/// A prediction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prediction {
    /// The best algorithm.
    pub algorithm: Algorithm,
    /// The weakest lock with it.
    pub lock: AlterLock,
    /// The table is written anew.
    pub rebuilds: bool,
}

impl Prediction {
    const INSTANT: Self = Self { algorithm: Algorithm::Instant, lock: AlterLock::None, rebuilds: false };
    const NOCOPY: Self = Self { algorithm: Algorithm::Nocopy, lock: AlterLock::None, rebuilds: false };
    const INPLACE: Self = Self { algorithm: Algorithm::Inplace, lock: AlterLock::None, rebuilds: false };
    const REBUILD: Self = Self { algorithm: Algorithm::Inplace, lock: AlterLock::None, rebuilds: true };
    const INPLACE_SHARED: Self =
        Self { algorithm: Algorithm::Inplace, lock: AlterLock::Shared, rebuilds: false };
    const REBUILD_SHARED: Self =
        Self { algorithm: Algorithm::Inplace, lock: AlterLock::Shared, rebuilds: true };
    const COPY: Self = Self { algorithm: Algorithm::Copy, lock: AlterLock::Shared, rebuilds: true };

    /// The worse of two: a statement with several changes takes the worst of each.
    fn worse(self, other: Self) -> Self {
        Self {
            algorithm: self.algorithm.max(other.algorithm),
            lock: self.lock.max(other.lock),
            rebuilds: self.rebuilds || other.rebuilds,
        }
    }

    /// The clauses that make the server refuse anything worse. MySQL takes no `LOCK` with `INSTANT`.
    #[must_use]
    pub fn clauses(self, product: Product) -> String {
        let algorithm = match self.algorithm {
            Algorithm::Instant => "INSTANT",
            Algorithm::Nocopy => "NOCOPY",
            Algorithm::Inplace => "INPLACE",
            Algorithm::Copy => "COPY",
        };
        let lock = match self.lock {
            AlterLock::None => "NONE",
            AlterLock::Shared => "SHARED",
            AlterLock::Exclusive => "EXCLUSIVE",
        };
        if product == Product::Mysql && self.algorithm == Algorithm::Instant {
            return format!("ALGORITHM={algorithm}");
        }
        format!("ALGORITHM={algorithm}, LOCK={lock}")
    }
}

/// What is known when predicting.
#[derive(Clone, Copy)]
struct Known<'a> {
    server: Server,
    table: Option<&'a LiveTable>,
}

impl Known<'_> {
    fn is_mariadb(self) -> bool {
        self.server.product == Product::Mariadb
    }

    /// The first for MariaDB, the second for MySQL.
    fn by<T>(self, mariadb: T, mysql: T) -> T {
        if self.is_mariadb() { mariadb } else { mysql }
    }

    fn mysql_since(self, version: (u16, u16, u16)) -> bool {
        self.is_mariadb() || self.server.version >= version
    }
}

/// The best way for an InnoDB table. `None`: it depends on definitions that are not known, or it is no such statement.
#[must_use]
pub fn predict(ddl: &Ddl, server: Server, table: Option<&LiveTable>) -> Option<Prediction> {
    let known = Known { server, table };
    match ddl {
        Ddl::AlterTable(alter) => alter_table(alter, known),
        Ddl::CreateIndex(index) => Some(add_index(index.kind, known)),
        Ddl::Drop(drop) if drop.what == "INDEX" => Some(known.by(Prediction::NOCOPY, Prediction::INPLACE)),
        _ => None,
    }
}

fn alter_table(alter: &AlterTable, known: Known<'_>) -> Option<Prediction> {
    let is = |kind| move |change: &Change| matches!(change, Change::AddConstraint(constraint) if constraint.kind == kind);
    let adds_key = alter.changes.iter().any(is(ConstraintKind::PrimaryKey));
    let mut worst = Prediction::INSTANT;
    for change in &alter.changes {
        let drops_key =
            matches!(change, Change::DropConstraint { kind: Some(ConstraintKind::PrimaryKey), .. });
        let this = if drops_key && adds_key { Prediction::REBUILD } else { change_of(change, known)? };
        worst = worst.worse(this);
    }
    Some(worst)
}

fn change_of(change: &Change, known: Known<'_>) -> Option<Prediction> {
    let prediction = match change {
        Change::AddColumn(column) => add_column(column, known),
        Change::DropColumn { name, .. } => drop_column(name, known),
        Change::RenameColumn { .. } if known.mysql_since((8, 0, 28)) => Prediction::INSTANT,
        Change::RenameColumn { .. } => Prediction::INPLACE,
        Change::Modify(column) => return modify::modify(&column.name, column, known),
        Change::ChangeColumn { from, column } => return modify::modify(from, column, known),
        Change::SetDefault { .. } | Change::DropDefault(_) => Prediction::INSTANT,
        Change::AddIndex(index) => add_index(index.kind, known),
        Change::DropIndex(_) => known.by(Prediction::NOCOPY, Prediction::INPLACE),
        Change::RenamePart { what, .. } if what == "INDEX" => {
            known.by(Prediction::INSTANT, Prediction::INPLACE)
        }
        Change::IndexVisibility { .. } => known.by(Prediction::INSTANT, Prediction::INPLACE),
        Change::AddConstraint(constraint) => add_constraint(constraint.kind, known),
        Change::DropConstraint { kind, .. } => match kind {
            Some(ConstraintKind::PrimaryKey) => Prediction::COPY,
            Some(ConstraintKind::ForeignKey | ConstraintKind::Check) | None => {
                known.by(Prediction::INSTANT, Prediction::INPLACE)
            }
            Some(_) => return None,
        },
        Change::RenameTable(_) => {
            Prediction { lock: known.by(AlterLock::Exclusive, AlterLock::None), ..Prediction::INSTANT }
        }
        Change::Convert => known.by(Prediction::COPY, Prediction::REBUILD_SHARED),
        Change::Force => Prediction::REBUILD,
        Change::PartitionBy | Change::RemovePartitioning => Prediction::COPY,
        Change::Partition(word) if !known.is_mariadb() && (word == "ADD" || word == "DROP") => {
            Prediction::INPLACE
        }
        Change::Option((name, value)) => option(name, value, known)?,
        _ => return None,
    };
    Some(prediction)
}

fn option(name: &str, value: &str, known: Known<'_>) -> Option<Prediction> {
    match name {
        "ENGINE" if value.eq_ignore_ascii_case("innodb") => Some(Prediction::REBUILD),
        "ENGINE" => Some(Prediction::COPY),
        "ROW_FORMAT" | "KEY_BLOCK_SIZE" => Some(Prediction::REBUILD),
        "COMMENT" | "AUTO_INCREMENT" | "CHARSET" | "COLLATE" => {
            Some(known.by(Prediction::INSTANT, Prediction::INPLACE))
        }
        _ => None,
    }
}

fn add_column(column: &Column, known: Known<'_>) -> Prediction {
    let fulltext = known.table.is_some_and(|table| table.indexes.iter().any(|index| index.fulltext));
    if column.auto_increment {
        return Prediction::REBUILD_SHARED;
    }
    match column.generated {
        Some(Generated::Stored) => return Prediction::COPY,
        Some(Generated::Virtual) => return Prediction::INSTANT,
        None => {}
    }
    if column.default.as_ref().is_some_and(|default| default.expression) {
        return Prediction::COPY;
    }
    if column.has(ConstraintKind::Check) && !known.is_mariadb() {
        return Prediction::COPY;
    }
    if column.has(ConstraintKind::PrimaryKey) || column.has(ConstraintKind::Unique) {
        return Prediction::REBUILD;
    }
    let instant = if column.position.is_some() { (8, 0, 29) } else { (8, 0, 12) };
    if fulltext {
        Prediction::REBUILD_SHARED
    } else if known.mysql_since(instant) {
        Prediction::INSTANT
    } else {
        Prediction::REBUILD
    }
}

fn drop_column(name: &str, known: Known<'_>) -> Prediction {
    let indexed = known.table.is_some_and(|table| table.is_indexed(name));
    if indexed {
        known.by(Prediction::NOCOPY, Prediction::REBUILD)
    } else if known.mysql_since((8, 0, 29)) {
        Prediction::INSTANT
    } else {
        Prediction::REBUILD
    }
}

fn add_index(kind: IndexKind, known: Known<'_>) -> Prediction {
    match kind {
        IndexKind::Plain | IndexKind::Unique => known.by(Prediction::NOCOPY, Prediction::INPLACE),
        IndexKind::Fulltext | IndexKind::Spatial => Prediction::INPLACE_SHARED,
    }
}

fn add_constraint(kind: ConstraintKind, known: Known<'_>) -> Prediction {
    match kind {
        ConstraintKind::PrimaryKey => Prediction::REBUILD,
        ConstraintKind::Unique => add_index(IndexKind::Unique, known),
        // With `foreign_key_checks = 1`, the default.
        ConstraintKind::ForeignKey
        | ConstraintKind::Check
        | ConstraintKind::Exclude
        | ConstraintKind::NotNull => Prediction::COPY,
    }
}
