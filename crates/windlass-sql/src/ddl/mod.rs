//! Statements on definitions in their details, read from the tokens, for rules, lock facts and classification.
//!
//! Other than [`crate::dml()`], this is for judging, not for undoing: a part that is not known is `Other`, and what is
//! not written is not there. What a definition becomes stands in the catalog of the server, not in its text.

mod alter;
mod column;
mod constraint;
mod create;
mod default;
mod object;
mod same_type;
mod table_option;
#[cfg(test)]
mod tests;

pub use alter::{AlterTable, Change};
pub use column::{Column, ColumnType, Generated, Position, column_type};
pub use constraint::{Constraint, ConstraintKind, IndexKind, TableIndex};
pub use create::{CreateIndex, CreateTable};
pub use default::{DefaultKind, DefaultValue};
pub use object::{ObjectChange, ObjectDrop};

use crate::reader::Reader;
use crate::{Dialect, ObjectName};

/// A statement on definitions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ddl {
    /// `CREATE TABLE`
    CreateTable(CreateTable),
    /// `CREATE INDEX`
    CreateIndex(CreateIndex),
    /// `CREATE` of anything else: its kind, upper case, and its name.
    CreateOther {
        /// `VIEW`, `TYPE`, …
        what: String,
        /// Its name.
        name: Option<ObjectName>,
        /// `OR REPLACE`
        or_replace: bool,
        /// The table of a trigger, rule or policy.
        table: Option<ObjectName>,
        /// `CREATE TYPE … AS ENUM`
        is_enum: bool,
        /// The constraints of a domain.
        constraints: Vec<Constraint>,
    },
    /// `ALTER TABLE`
    AlterTable(AlterTable),
    /// `ALTER` of anything else.
    AlterOther {
        /// `TYPE`, `INDEX`, …
        what: String,
        /// Its name.
        name: Option<ObjectName>,
        /// What is changed.
        change: ObjectChange,
    },
    /// `DROP` of anything.
    Drop(ObjectDrop),
    /// `RENAME TABLE a TO b, c TO d` of MySQL.
    RenameTable(Vec<(ObjectName, ObjectName)>),
    /// `TRUNCATE`
    Truncate {
        /// The tables.
        tables: Vec<ObjectName>,
        /// `CASCADE`
        cascade: bool,
    },
    /// `REINDEX`, `CLUSTER`, `VACUUM`, `REFRESH MATERIALIZED VIEW`, `OPTIMIZE TABLE`.
    Maintenance {
        /// The first word, upper case.
        what: String,
        /// `INDEX`, `TABLE`, `SCHEMA`, `DATABASE` of `REINDEX`; else empty.
        scope: String,
        /// What it works on.
        name: Option<ObjectName>,
        /// `CONCURRENTLY`
        concurrently: bool,
        /// `VACUUM FULL`
        full: bool,
    },
}

/// `statement`, one statement without its terminator, if it is on definitions. `None` also if quotes or parentheses do
/// not match.
#[must_use]
pub fn ddl(statement: &str, dialect: Dialect) -> Option<Ddl> {
    let mut reader = Reader::through_marks(statement, dialect)?;
    let head = reader.word(0);
    reader.at = 1;
    match head.as_str() {
        "CREATE" => create::create(&mut reader),
        "ALTER" => alter::alter(&mut reader),
        "DROP" => object::drop(&mut reader),
        "RENAME" => object::rename_table(&mut reader),
        "TRUNCATE" => Some(object::truncate(&mut reader)),
        "REINDEX" | "CLUSTER" | "VACUUM" | "REFRESH" | "OPTIMIZE" => {
            Some(object::maintenance(&mut reader, head))
        }
        _ => None,
    }
}
