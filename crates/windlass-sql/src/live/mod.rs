//! What a survey found in the catalog, as plain data. Rules, lock facts and predictions take it where there is one and
//! say less where there is none.

mod after;
mod named;

pub use named::{Named, named};

use crate::{ColumnType, ObjectName};
use std::collections::BTreeMap;

/// Whose server it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Product {
    /// PostgreSQL
    Postgresql,
    /// MySQL
    Mysql,
    /// MariaDB
    Mariadb,
    /// SQLite
    Sqlite,
}

/// A server and its version; later versions are greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Server {
    /// Whose it is.
    pub product: Product,
    /// Major, minor, patch: `(8, 0, 29)`, `(10, 11, 6)`, `(15, 4, 0)`.
    pub version: (u16, u16, u16),
}

impl Server {
    /// Whether it is this product in at least this version.
    #[must_use]
    pub fn is_at_least(self, product: Product, version: (u16, u16, u16)) -> bool {
        self.product == product && self.version >= version
    }
}

/// A database as a survey found it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Live {
    /// The server.
    pub server: Option<Server>,
    /// The tables that the release names, and those that refer to them.
    pub tables: Vec<LiveTable>,
    /// Sessions that hold a transaction open for long: dumps, reports, forgotten ones. Oldest first.
    pub transactions: Vec<LiveTransaction>,
    /// Settings of the server that decide how statements run, by name: `sql_mode`, `wal_level`.
    pub settings: BTreeMap<String, String>,
    /// Servers that copy this one; `None`: not known.
    pub replicas: Option<u64>,
    /// Free bytes where the database lies; `None`: not known.
    pub free_bytes: Option<u64>,
    /// What could not be looked at, and why: one line each. Nothing is concluded from what is not known.
    pub unknown: Vec<String>,
}

/// A table as it is before the release.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LiveTable {
    /// Its name; with its schema where it has one.
    pub name: ObjectName,
    /// Rows, as the server estimates them; 0 only if it is surely empty; `None`: not known.
    pub rows: Option<u64>,
    /// Bytes on disk, indexes included; `None`: not known.
    pub bytes: Option<u64>,
    /// `ENGINE` (MySQL), lower case.
    pub engine: Option<String>,
    /// Columns in order.
    pub columns: Vec<LiveColumn>,
    /// Indexes, that of the primary key included.
    pub indexes: Vec<LiveIndex>,
    /// Foreign keys of this table.
    pub foreign_keys: Vec<LiveForeignKey>,
    /// Tables whose foreign keys refer to it.
    pub referenced_by: Vec<ObjectName>,
    /// Its triggers.
    pub triggers: Vec<String>,
    /// Its partitions; 0: it has none.
    pub partitions: u64,
    /// `TOTAL_ROW_VERSIONS` of InnoDB: how often columns were added or dropped with `ALGORITHM=INSTANT`.
    pub row_versions: Option<u32>,
    /// The next value of `AUTO_INCREMENT` or of the sequence of its key.
    pub next_number: Option<u64>,
}

/// A column as it is before the release.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LiveColumn {
    /// Its name.
    pub name: String,
    /// Its type.
    pub kind: ColumnType,
    /// `NOT NULL`
    pub not_null: bool,
    /// It gets its values from a sequence.
    pub numbered: bool,
    /// It is computed.
    pub generated: bool,
    /// `CHARACTER SET` (MySQL).
    pub charset: Option<String>,
    /// A valid `CHECK (column IS NOT NULL)` (PostgreSQL).
    pub proven_not_null: bool,
}

/// An index as it is before the release.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LiveIndex {
    /// Its name.
    pub name: String,
    /// Its columns in order; expressions are left out.
    pub columns: Vec<String>,
    /// Rows are unique by it.
    pub unique: bool,
    /// It is the primary key's.
    pub primary: bool,
    /// Queries use it: valid (PostgreSQL), visible (MySQL).
    pub usable: bool,
    /// `FULLTEXT`
    pub fulltext: bool,
}

/// A foreign key as it is before the release.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LiveForeignKey {
    /// Its name.
    pub name: String,
    /// Its columns.
    pub columns: Vec<String>,
    /// The table that it refers to.
    pub references: ObjectName,
}

/// A session that was found with a transaction open.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LiveTransaction {
    /// Process or connection id.
    pub pid: u64,
    /// Its user.
    pub user: String,
    /// Its program: `pg_dump`, `mysqldump`.
    pub program: String,
    /// Its statement, shortened.
    pub query: String,
    /// For how long it is open, seconds.
    pub age_s: u64,
    /// It runs nothing: somebody forgot to end it, or thinks.
    pub idle: bool,
}

impl Live {
    /// The table that a statement names. Without a schema in either name the base names decide.
    #[must_use]
    pub fn table(&self, name: &ObjectName) -> Option<&LiveTable> {
        self.tables.iter().find(|table| after::is_named(table, name))
    }

    /// The table that has an index of this name.
    #[must_use]
    pub fn table_of_index(&self, name: &ObjectName) -> Option<&LiveTable> {
        let has = |table: &&LiveTable| table.indexes.iter().any(|index| index.name == name.base());
        self.tables.iter().find(has)
    }
}

impl LiveTable {
    /// A column by name; MySQL and SQLite do not tell case apart.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<&LiveColumn> {
        self.columns.iter().find(|column| column.name.eq_ignore_ascii_case(name))
    }

    /// Whether an index holds this column.
    #[must_use]
    pub fn is_indexed(&self, column: &str) -> bool {
        self.indexes.iter().any(|index| index.columns.iter().any(|name| name.eq_ignore_ascii_case(column)))
    }

    /// Whether a usable index begins with these columns, in any order.
    #[must_use]
    pub fn has_index_on(&self, columns: &[String]) -> bool {
        self.indexes.iter().filter(|index| index.usable).any(|index| {
            index.columns.len() >= columns.len()
                && index.columns[..columns.len()]
                    .iter()
                    .all(|name| columns.iter().any(|column| column.eq_ignore_ascii_case(name)))
        })
    }

    /// Whether rows can be told apart: a primary key or a unique index.
    #[must_use]
    pub fn has_key(&self) -> bool {
        self.indexes.iter().any(|index| index.primary || index.unique)
    }
}
