//! `ALTER`.

use super::Ddl;
use super::column::{Column, ColumnType, column, type_name};
use super::constraint::{Constraint, ConstraintKind, TableIndex, constraint, table_index};
use super::default::{DefaultValue, value};
use super::object::alter_other;
use super::table_option::{TableOption, option};
use crate::reader::Reader;
use crate::{Dialect, ObjectName};

/// `ALTER TABLE`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlterTable {
    /// The table.
    pub table: ObjectName,
    /// `ONLY`
    pub only: bool,
    /// `IF EXISTS`
    pub if_exists: bool,
    /// What is changed, in order.
    pub changes: Vec<Change>,
    /// `ALGORITHM = …` of MySQL, upper case.
    pub algorithm: Option<String>,
    /// `LOCK = …` of MySQL, upper case.
    pub lock: Option<String>,
}

/// One change of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// `ADD [COLUMN]`
    AddColumn(Box<Column>),
    /// `DROP [COLUMN]`
    DropColumn {
        /// Its name.
        name: String,
        /// `CASCADE`
        cascade: bool,
    },
    /// `RENAME [COLUMN] from TO to`
    RenameColumn {
        /// Old name.
        from: String,
        /// New name.
        to: String,
    },
    /// `MODIFY`, and `CHANGE` without a new name: the whole definition is replaced (MySQL).
    Modify(Box<Column>),
    /// `CHANGE from to …` with another name.
    ChangeColumn {
        /// Old name.
        from: String,
        /// New definition.
        column: Box<Column>,
    },
    /// `ALTER COLUMN … TYPE`
    SetType {
        /// The column.
        column: String,
        /// The new type.
        kind: ColumnType,
        /// `USING expression`
        using: bool,
    },
    /// `ALTER COLUMN … SET DEFAULT`
    SetDefault {
        /// The column.
        column: String,
        /// The default.
        default: Option<DefaultValue>,
    },
    /// `ALTER COLUMN … DROP DEFAULT`
    DropDefault(String),
    /// `ALTER COLUMN … SET NOT NULL`
    SetNotNull(String),
    /// `ALTER COLUMN … DROP NOT NULL`
    DropNotNull(String),
    /// Any other `ALTER COLUMN`: the column, and the words behind it, upper case.
    AlterColumn {
        /// The column.
        column: String,
        /// The first two words.
        what: String,
    },
    /// `ADD [CONSTRAINT name] …`
    AddConstraint(Constraint),
    /// `DROP CONSTRAINT`, `DROP PRIMARY KEY`, `DROP FOREIGN KEY`, `DROP CHECK`
    DropConstraint {
        /// Its name.
        name: Option<String>,
        /// What it is, where the statement says it.
        kind: Option<ConstraintKind>,
        /// `CASCADE`
        cascade: bool,
    },
    /// `VALIDATE CONSTRAINT`
    ValidateConstraint(String),
    /// `ADD INDEX` of MySQL
    AddIndex(TableIndex),
    /// `DROP INDEX` of MySQL
    DropIndex(String),
    /// `RENAME INDEX` or `RENAME CONSTRAINT`
    RenamePart {
        /// `INDEX`, `CONSTRAINT`
        what: String,
        /// Old name.
        from: String,
        /// New name.
        to: String,
    },
    /// `ALTER INDEX … VISIBLE` or `INVISIBLE` of MySQL; `IGNORED` of MariaDB is invisible.
    IndexVisibility {
        /// The index.
        name: String,
        /// Queries may use it.
        visible: bool,
    },
    /// `RENAME TO`
    RenameTable(ObjectName),
    /// `SET SCHEMA`
    SetSchema(String),
    /// `ATTACH PARTITION`
    AttachPartition(Option<ObjectName>),
    /// `DETACH PARTITION`
    DetachPartition {
        /// The partition.
        name: Option<ObjectName>,
        /// `CONCURRENTLY`
        concurrently: bool,
    },
    /// `ADD`, `DROP`, `TRUNCATE`, `REORGANIZE`, … `PARTITION` of MySQL: the first word.
    Partition(String),
    /// `PARTITION BY` of MySQL
    PartitionBy,
    /// `REMOVE PARTITIONING` of MySQL
    RemovePartitioning,
    /// `CONVERT TO CHARACTER SET` of MySQL
    Convert,
    /// `FORCE` of MySQL
    Force,
    /// `ENGINE = …` and the like of MySQL.
    Option(TableOption),
    /// Anything else: its first two words, upper case.
    Other(String),
}

/// Behind `ALTER`.
pub(super) fn alter(reader: &mut Reader<'_>) -> Option<Ddl> {
    while ["ONLINE", "IGNORE", "FOREIGN"].iter().any(|word| reader.accept(&[word])) {}
    let mut what = reader.word(reader.at);
    reader.at += 1;
    if what == "MATERIALIZED" {
        reader.accept(&["VIEW"]);
        what = "MATERIALIZED VIEW".to_owned();
    }
    if what != "TABLE" {
        return (!what.is_empty()).then(|| alter_other(reader, what));
    }
    let if_exists = reader.accept(&["IF", "EXISTS"]);
    let only = reader.dialect == Dialect::Postgresql && reader.accept(&["ONLY"]);
    let (table, _) = reader.name()?;
    reader.symbol(b'*');
    let mut alter = AlterTable { table, only, if_exists, changes: Vec::new(), algorithm: None, lock: None };
    for (start, end) in reader.items(reader.at, reader.len()) {
        reader.at = start;
        changes(reader, end, &mut alter);
    }
    Some(Ddl::AlterTable(alter))
}

/// What stands between two commas: one change, or several options of MySQL.
fn changes(reader: &mut Reader<'_>, end: usize, alter: &mut AlterTable) {
    if reader.dialect == Dialect::Mysql {
        while reader.at < end
            && let Some((name, value)) = option(reader)
        {
            match name.as_str() {
                "ALGORITHM" => alter.algorithm = Some(value.to_ascii_uppercase()),
                "LOCK" => alter.lock = Some(value.to_ascii_uppercase()),
                _ => alter.changes.push(Change::Option((name, value))),
            }
        }
        if reader.at >= end {
            return;
        }
    }
    if reader.is(reader.at, "ADD") && add_list(reader, end, alter) {
        return;
    }
    alter.changes.push(change(reader, end));
}

/// `ADD (a INT, b INT)` of MySQL.
fn add_list(reader: &mut Reader<'_>, end: usize, alter: &mut AlterTable) -> bool {
    let start = reader.at;
    reader.at += 1;
    reader.accept(&["COLUMN"]);
    let Some((from, to)) = reader.group().filter(|_| reader.at <= end) else {
        reader.at = start;
        return false;
    };
    reader.inside(from, |reader| {
        for (start, end) in reader.items(from, to) {
            reader.at = start;
            alter.changes.push(add(reader, end));
        }
    });
    true
}

fn change(reader: &mut Reader<'_>, end: usize) -> Change {
    let start = reader.at;
    let verb = reader.word(start);
    reader.at += 1;
    let found = match verb.as_str() {
        "ADD" => Some(add(reader, end)),
        "DROP" => drop_part(reader, end),
        "RENAME" => rename(reader),
        "ALTER" => alter_part(reader, end),
        "MODIFY" | "CHANGE" => modify(reader, end, verb == "CHANGE"),
        "VALIDATE" if reader.accept(&["CONSTRAINT"]) => reader.identifier().map(Change::ValidateConstraint),
        "ATTACH" if reader.accept(&["PARTITION"]) => {
            Some(Change::AttachPartition(reader.name().map(|(name, _)| name)))
        }
        "DETACH" if reader.accept(&["PARTITION"]) => {
            let name = reader.name().map(|(name, _)| name);
            let concurrently = reader.accept(&["CONCURRENTLY"]) || reader.accept(&["FINALIZE"]);
            Some(Change::DetachPartition { name, concurrently })
        }
        "SET" if reader.accept(&["SCHEMA"]) => reader.identifier().map(Change::SetSchema),
        "CONVERT" => Some(Change::Convert),
        "FORCE" if reader.at >= end => Some(Change::Force),
        "PARTITION" if reader.is(reader.at, "BY") => Some(Change::PartitionBy),
        "REMOVE" if reader.is(reader.at, "PARTITIONING") => Some(Change::RemovePartitioning),
        "TRUNCATE" | "REORGANIZE" | "COALESCE" | "EXCHANGE" | "REBUILD" | "OPTIMIZE" | "ANALYZE"
        | "CHECK" | "REPAIR" | "DISCARD" | "IMPORT"
            if reader.is(reader.at, "PARTITION") =>
        {
            Some(Change::Partition(verb))
        }
        _ => None,
    };
    found.unwrap_or_else(|| Change::Other(two_words(reader, start)))
}

fn two_words(reader: &Reader<'_>, at: usize) -> String {
    format!("{} {}", reader.word(at), reader.word(at + 1)).trim().to_owned()
}

fn add(reader: &mut Reader<'_>, end: usize) -> Change {
    let start = reader.at;
    let column_said = reader.accept(&["COLUMN"]);
    if !column_said {
        if reader.dialect == Dialect::Mysql && reader.is(reader.at, "PARTITION") {
            return Change::Partition("ADD".to_owned());
        }
        if let Some(found) = constraint(reader, end) {
            return Change::AddConstraint(found);
        }
        if reader.dialect == Dialect::Mysql
            && let Some(found) = table_index(reader)
        {
            return Change::AddIndex(found);
        }
    }
    reader.accept(&["IF", "NOT", "EXISTS"]);
    match column(reader, end) {
        Some(column) => Change::AddColumn(Box::new(column)),
        None => Change::Other(format!("ADD {}", reader.word(start)).trim().to_owned()),
    }
}

fn drop_part(reader: &mut Reader<'_>, end: usize) -> Option<Change> {
    let cascade = reader.find(reader.at, end, &["CASCADE"]).is_some();
    if !reader.accept(&["COLUMN"]) {
        let constraint = |kind, name| Some(Change::DropConstraint { name, kind, cascade });
        if reader.accept(&["PRIMARY", "KEY"]) {
            return constraint(Some(ConstraintKind::PrimaryKey), None);
        }
        let kinds = [
            (&["FOREIGN", "KEY"][..], Some(ConstraintKind::ForeignKey)),
            (&["CHECK"], Some(ConstraintKind::Check)),
            (&["CONSTRAINT"], None),
        ];
        for (words, kind) in kinds {
            if reader.accept(words) {
                reader.accept(&["IF", "EXISTS"]);
                return constraint(kind, reader.identifier());
            }
        }
        if reader.dialect == Dialect::Mysql {
            if reader.accept(&["INDEX"]) || reader.accept(&["KEY"]) {
                reader.accept(&["IF", "EXISTS"]);
                return reader.identifier().map(Change::DropIndex);
            }
            if reader.is(reader.at, "PARTITION") {
                return Some(Change::Partition("DROP".to_owned()));
            }
        }
    }
    reader.accept(&["IF", "EXISTS"]);
    reader.identifier().map(|name| Change::DropColumn { name, cascade })
}

fn rename(reader: &mut Reader<'_>) -> Option<Change> {
    for what in ["INDEX", "KEY", "CONSTRAINT"] {
        if reader.accept(&[what]) {
            let from = reader.identifier()?;
            reader.accept(&["TO"]);
            let to = reader.identifier()?;
            let what = if what == "KEY" { "INDEX" } else { what };
            return Some(Change::RenamePart { what: what.to_owned(), from, to });
        }
    }
    let column = reader.accept(&["COLUMN"]);
    if !column {
        let marked = reader.accept(&["TO"]) || reader.accept(&["AS"]);
        let start = reader.at;
        if let Some((name, _)) = reader.name()
            && (marked || !reader.is(reader.at, "TO"))
        {
            return Some(Change::RenameTable(name));
        }
        reader.at = start;
    }
    reader.accept(&["IF", "EXISTS"]);
    let from = reader.identifier()?;
    if !reader.accept(&["TO"]) {
        return None;
    }
    Some(Change::RenameColumn { from, to: reader.identifier()? })
}

fn alter_part(reader: &mut Reader<'_>, end: usize) -> Option<Change> {
    if reader.dialect == Dialect::Mysql && (reader.accept(&["INDEX"]) || reader.accept(&["KEY"])) {
        let name = reader.identifier()?;
        let visible = reader.accept(&["VISIBLE"]) || reader.accept(&["NOT", "IGNORED"]);
        return Some(Change::IndexVisibility { name, visible });
    }
    if reader.is(reader.at, "CONSTRAINT") || reader.is(reader.at, "CHECK") {
        return None;
    }
    reader.accept(&["COLUMN"]);
    reader.accept(&["IF", "EXISTS"]);
    let column = reader.identifier()?;
    let what = two_words(reader, reader.at);
    if reader.accept(&["SET", "DEFAULT"]) {
        let default = value(reader, reader.at, end);
        return Some(Change::SetDefault { column, default });
    }
    let found = match what.as_str() {
        "DROP DEFAULT" => Change::DropDefault(column),
        "SET NOT" => Change::SetNotNull(column),
        "DROP NOT" => Change::DropNotNull(column),
        _ => {
            let typed = reader.accept(&["SET", "DATA", "TYPE"]) || reader.accept(&["TYPE"]);
            if !typed {
                return Some(Change::AlterColumn { column, what });
            }
            let kind = type_name(reader, end)?;
            Change::SetType { column, kind, using: reader.find(reader.at, end, &["USING"]).is_some() }
        }
    };
    Some(found)
}

fn modify(reader: &mut Reader<'_>, end: usize, renames: bool) -> Option<Change> {
    reader.accept(&["COLUMN"]);
    reader.accept(&["IF", "EXISTS"]);
    let from = if renames { Some(reader.identifier()?) } else { None };
    let column = Box::new(column(reader, end)?);
    match from {
        Some(from) if !from.eq_ignore_ascii_case(&column.name) => Some(Change::ChangeColumn { from, column }),
        _ => Some(Change::Modify(column)),
    }
}
