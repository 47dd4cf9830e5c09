//! What a statement means for the version that served before it.

use crate::lock::canonical;
use crate::{
    AlterTable, Change, Column, ColumnType, ConstraintKind, Ddl, Dialect, Generated, IndexKind, Live,
    LiveColumn, LiveIndex, LiveTable, ObjectChange, ddl, is_free_change,
};

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

/// What a statement means for the version before, and whether the text decides it alone. The greater is the worse, and of two
/// alike the one that is certain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Judged {
    /// What it means.
    pub meaning: Compatibility,
    /// False: the definitions before the statement decide, and they are not known.
    pub certain: bool,
}

/// The same with the catalog: what already is so changes nothing, and a type that only becomes wider takes nothing away.
#[must_use]
pub fn judge(ddl: &Ddl, live: Option<&Live>) -> Judged {
    match ddl {
        Ddl::AlterTable(alter) => {
            let table = live.and_then(|live| live.table(&alter.table));
            let strict = live.and_then(|live| live.settings.get("sql_mode"));
            let lax = strict.is_some_and(|mode| !mode.contains("STRICT_"));
            let judged = alter.changes.iter().map(|change| judge_change(change, table, lax));
            judged.max().unwrap_or(sure(Compatibility::Neutral))
        }
        Ddl::CreateIndex(index) if index.kind == IndexKind::Unique && !index.partial => {
            unique(live.and_then(|live| live.table(&index.table)), &index.columns)
        }
        other => sure(of(other)),
    }
}

fn sure(meaning: Compatibility) -> Judged {
    Judged { meaning, certain: true }
}

fn judge_change(what: &Change, table: Option<&LiveTable>, lax: bool) -> Judged {
    use Compatibility::{Breaking, Contract, Expand, Neutral};
    let known = |name: &str| table.and_then(|table| table.column(name));
    let unsure = |meaning| Judged { meaning, certain: false };
    match what {
        // Without strict mode the server fills in a zero of the type.
        Change::AddColumn(column) if lax && !column.has(ConstraintKind::PrimaryKey) => {
            sure(new_column(column).min(Expand))
        }
        Change::SetType { column, kind, using } => match known(column) {
            Some(old) if !*using && is_free_change(&old.kind, kind) => sure(Expand),
            Some(_) => sure(Breaking),
            None => unsure(Breaking),
        },
        Change::SetNotNull(column) => match known(column) {
            Some(old) if old.not_null || old.proven_not_null => sure(Neutral),
            Some(_) => sure(Contract),
            None => unsure(Contract),
        },
        Change::Modify(column) => match known(&column.name) {
            Some(old) => sure(modified(old, column)),
            None => unsure(if column.not_null { Contract } else { Neutral }),
        },
        Change::AddConstraint(constraint)
            if constraint.kind == ConstraintKind::Unique && constraint.using_index.is_none() =>
        {
            unique(table, &constraint.columns)
        }
        // The index is unique already, and a key is not more than that on columns that are NOT NULL.
        Change::AddConstraint(constraint)
            if constraint.kind == ConstraintKind::Unique && constraint.using_index.is_some() =>
        {
            sure(Neutral)
        }
        other => sure(change(other)),
    }
}

/// Rows that are unique by fewer columns are so by more.
fn unique(table: Option<&LiveTable>, columns: &[String]) -> Judged {
    let has = |index: &LiveIndex| {
        index.unique
            && !index.columns.is_empty()
            && index.columns.iter().all(|name| columns.iter().any(|column| column.eq_ignore_ascii_case(name)))
    };
    match table {
        Some(table) if table.indexes.iter().any(has) => sure(Compatibility::Neutral),
        Some(_) => sure(Compatibility::Contract),
        None => Judged { meaning: Compatibility::Contract, certain: false },
    }
}

/// MySQL replaces the whole definition; what is taken away is found by comparing.
fn modified(old: &LiveColumn, new: &Column) -> Compatibility {
    use Compatibility::{Breaking, Contract, Expand, Neutral};
    let kind = match &new.kind {
        Some(kind) => wider(&old.kind, kind),
        None => Breaking,
    };
    let nulls = match (old.not_null, new.not_null) {
        (false, true) => Contract,
        (true, false) => Expand,
        _ => Neutral,
    };
    kind.max(nulls)
}

/// A longer text, more members behind the others: what was read and written before still is.
fn wider(old: &ColumnType, new: &ColumnType) -> Compatibility {
    use Compatibility::{Breaking, Expand, Neutral};
    let (from, to) = (canonical(&old.name), canonical(&new.name));
    let integer = ["tinyint", "smallint", "mediumint", "integer", "bigint"].contains(&to);
    const TEXTS: [&str; 4] = ["tinytext", "text", "mediumtext", "longtext"];
    let size = |name: &str| TEXTS.iter().position(|text| *text == name);
    match (size(from), size(to)) {
        (Some(from), Some(to)) if from < to => return Expand,
        // Both hold 65,535 bytes at most.
        (None, Some(to)) if from == "varchar" && to >= 1 => return Expand,
        _ => {}
    }
    if from != to || old.unsigned != new.unsigned || old.array != new.array {
        return Breaking;
    }
    // The width of an integer is only how it is shown.
    if integer || old.arguments == new.arguments {
        return Neutral;
    }
    let number = |kind: &ColumnType| kind.arguments.first().and_then(|text| text.trim().parse::<u64>().ok());
    match to {
        "enum" | "set" if new.arguments.starts_with(&old.arguments) => Expand,
        "varchar" | "varbinary" | "char" | "binary" if number(new) >= number(old) => Expand,
        _ if is_free_change(old, new) => Expand,
        _ => Breaking,
    }
}
