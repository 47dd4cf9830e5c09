//! `exists-otherwise`

use super::SqlRule;
use super::script::{At, Found, found};
use super::table_name;
use windlass_document::Severity;
use windlass_sql::{
    Change, Column, ColumnType, ConstraintKind, Ddl, Dialect, Live, LiveColumn, LiveTable, ObjectName,
};

pub(super) const RULE: SqlRule = SqlRule {
    name: "exists-otherwise",
    severity: Severity::Warning,
    summary: "`IF NOT EXISTS` passes over something that is there with another shape",
    why: "the server does nothing and says so at most in a notice, and what comes behind meets a table that it does not know",
    dialects: &[Dialect::Postgresql, Dialect::Mysql],
    bad: "CREATE TABLE IF NOT EXISTS coupons (id bigint PRIMARY KEY, code varchar(64) NOT NULL);",
    good: "CREATE TABLE IF NOT EXISTS coupons (id bigint PRIMARY KEY, code varchar(32) NOT NULL);",
    live: Some(live),
    check,
};

fn check(at: At<'_>) -> Vec<Found> {
    let (table, columns): (&ObjectName, Vec<&Column>) = match at.ddl() {
        Some(Ddl::CreateTable(table)) if table.if_not_exists && !table.derived && !table.temporary => {
            (&table.name, table.columns.iter().collect())
        }
        Some(Ddl::AlterTable(alter)) => (&alter.table, added(&alter.changes)),
        _ => return Vec::new(),
    };
    let Some(there) = at.live(table).filter(|there| !there.columns.is_empty()) else { return Vec::new() };
    let whole = at.alter().is_none();
    let differs = |column: &&Column| match there.column(&column.name) {
        Some(live) => difference(column, live, at.dialect()),
        // A column that a later statement adds is missed for a moment only.
        None if whole && !at.is_added_behind(table, &column.name) => {
            Some(format!("`{}` is not there", column.name))
        }
        None => None,
    };
    let differences: Vec<String> = columns.iter().filter_map(differs).collect();
    if differences.is_empty() {
        return Vec::new();
    }
    let message = format!("`{table}` is there already, with another shape: {}", differences.join("; "));
    vec![found(message, "change what is there with `ALTER TABLE`, or use another name")]
}

/// Columns that are added, but for those that the same statement drops first.
fn added(changes: &[Change]) -> Vec<&Column> {
    let dropped = |name: &str| {
        changes.iter().any(
            |change| matches!(change, Change::DropColumn { name: of, .. } if of.eq_ignore_ascii_case(name)),
        )
    };
    let columns = changes.iter().filter_map(|change| match change {
        Change::AddColumn(column) => Some(&**column),
        _ => None,
    });
    columns.filter(|column| !dropped(&column.name)).collect()
}

fn difference(column: &Column, live: &LiveColumn, dialect: Dialect) -> Option<String> {
    let name = &column.name;
    if let Some(kind) = column.kind.as_ref().filter(|kind| kind.differs_from(&live.kind, dialect)) {
        return Some(format!("`{name}` is {}, not {}", words(&live.kind), words(kind)));
    }
    let may_be_null = column.not_null && !live.not_null && !column.has(ConstraintKind::PrimaryKey);
    may_be_null.then(|| format!("`{name}` may be NULL there"))
}

fn words(kind: &ColumnType) -> String {
    let arguments = kind.arguments.join(",");
    let arguments = if arguments.is_empty() { arguments } else { format!("({arguments})") };
    let sign = if kind.unsigned { " unsigned" } else { "" };
    let array = if kind.array { "[]" } else { "" };
    format!("{}{arguments}{sign}{array}", kind.name)
}

/// A table of the examples.
fn live() -> Live {
    let column = |name: &str, kind: &str, arguments: &[&str]| LiveColumn {
        name: name.to_owned(),
        kind: ColumnType {
            name: kind.to_owned(),
            arguments: arguments.iter().map(|argument| (*argument).to_owned()).collect(),
            ..ColumnType::default()
        },
        not_null: true,
        ..LiveColumn::default()
    };
    let table = LiveTable {
        name: table_name("coupons"),
        rows: Some(20),
        columns: vec![column("id", "bigint", &[]), column("code", "character varying", &["32"])],
        ..LiveTable::default()
    };
    Live { tables: vec![table], ..Live::default() }
}
