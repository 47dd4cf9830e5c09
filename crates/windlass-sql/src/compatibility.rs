//! What a statement means for the version that served before it.

use crate::{AlterTable, Change, Column, Ddl, Dialect, Generated, ObjectChange, ddl};

/// What a statement on definitions means for a version of the program that does not know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Compatibility {
    /// It changes nothing that a program sees: indexes, comments, settings, rows.
    Neutral,
    /// It adds or allows something: the version before goes on to work.
    Expand,
    /// It takes something away or forbids something: fine once no version that serves uses it.
    Contract,
    /// It changes something into something else: there is no moment at which the versions before and after both work.
    Breaking,
}

/// What `statement` means for the version before. A statement that is not understood is [`Compatibility::Neutral`]:
/// nothing is known against it.
#[must_use]
pub fn compatibility(statement: &str, dialect: Dialect) -> Compatibility {
    ddl(statement, dialect).as_ref().map_or(Compatibility::Neutral, of)
}

/// The same for a statement that was read.
#[must_use]
pub fn of(ddl: &Ddl) -> Compatibility {
    use Compatibility::{Breaking, Contract, Expand, Neutral};
    match ddl {
        Ddl::AlterTable(alter) => alter_table(alter),
        Ddl::CreateTable(_) => Expand,
        Ddl::CreateIndex(index) if index.kind == crate::IndexKind::Unique => Contract,
        Ddl::CreateIndex(_) | Ddl::Maintenance { .. } => Neutral,
        Ddl::CreateOther { what, or_replace, .. } => match what.as_str() {
            "VIEW" | "FUNCTION" | "PROCEDURE" if *or_replace => Neutral,
            "TRIGGER" | "RULE" | "POLICY" | "STATISTICS" | "ROLE" | "USER" => Neutral,
            _ => Expand,
        },
        Ddl::RenameTable(_) => Breaking,
        Ddl::Truncate { .. } => Neutral,
        Ddl::Drop(drop) => match drop.what.as_str() {
            "INDEX" | "TRIGGER" | "RULE" | "POLICY" | "STATISTICS" | "PREPARE" | "EVENT" => Neutral,
            _ if drop.temporary => Neutral,
            _ => Contract,
        },
        Ddl::AlterOther { what, change, .. } => match change {
            ObjectChange::Rename(_) if ["INDEX", "CONSTRAINT", "TRIGGER"].contains(&what.as_str()) => Neutral,
            ObjectChange::Rename(_) | ObjectChange::RenameValue | ObjectChange::SetSchema => Breaking,
            ObjectChange::AddValue { .. } => Expand,
            ObjectChange::AddConstraint(_) | ObjectChange::SetNotNull => Contract,
            ObjectChange::Other(_) => Neutral,
        },
    }
}

fn alter_table(alter: &AlterTable) -> Compatibility {
    alter.changes.iter().map(change).max().unwrap_or(Compatibility::Neutral)
}

fn change(change: &Change) -> Compatibility {
    use Compatibility::{Breaking, Contract, Expand, Neutral};
    match change {
        Change::AddColumn(column) => new_column(column),
        Change::RenameColumn { .. }
        | Change::ChangeColumn { .. }
        | Change::RenameTable(_)
        | Change::SetSchema(_)
        | Change::SetType { .. } => Breaking,
        // MySQL replaces the whole definition; whether its type changes, only the catalog knows.
        Change::Modify(column) if column.not_null => Contract,
        Change::Modify(_) => Neutral,
        Change::DropColumn { .. }
        | Change::SetNotNull(_)
        | Change::AddConstraint(_)
        | Change::DropDefault(_)
        | Change::DetachPartition { .. } => Contract,
        Change::Partition(word) if word == "DROP" || word == "TRUNCATE" => Contract,
        Change::DropNotNull(_) | Change::DropConstraint { .. } | Change::AttachPartition(_) => Expand,
        _ => Neutral,
    }
}

/// Rows that the version before inserts do not name the new column.
fn new_column(column: &Column) -> Compatibility {
    let filled = column.default.as_ref().is_some_and(|default| default.kind != crate::DefaultKind::Null)
        || column.is_numbered()
        || matches!(column.generated, Some(Generated::Stored | Generated::Virtual));
    let key = column.has(crate::ConstraintKind::PrimaryKey);
    if (column.not_null || key) && !filled { Compatibility::Breaking } else { Compatibility::Expand }
}
