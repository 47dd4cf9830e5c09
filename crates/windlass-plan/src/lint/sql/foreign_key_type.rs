//! `foreign-key-type`

use super::SqlRule;
use super::script::{At, Found, found};
use windlass_document::Severity;
use windlass_sql::{ConstraintKind, Ddl, Dialect, ObjectName};

pub(super) const RULE: SqlRule = SqlRule {
    name: "foreign-key-type",
    severity: Severity::Warning,
    summary: "a foreign key has another type than what it refers to",
    why: "MySQL refuses it; PostgreSQL converts at each look-up, and the smaller type runs out first",
    dialects: &[Dialect::Postgresql, Dialect::Mysql],
    bad: "CREATE TABLE users (id bigint PRIMARY KEY);\nCREATE TABLE orders (id bigint PRIMARY KEY, user_id int, FOREIGN KEY (user_id) REFERENCES users (id));\nCREATE INDEX orders_user ON orders (user_id);",
    good: "CREATE TABLE users (id bigint PRIMARY KEY);\nCREATE TABLE orders (id bigint PRIMARY KEY, user_id bigint, FOREIGN KEY (user_id) REFERENCES users (id));\nCREATE INDEX orders_user ON orders (user_id);",
    live: None,
    check,
};

fn check(at: At<'_>) -> Vec<Found> {
    let Some(Ddl::CreateTable(table)) = at.ddl() else { return Vec::new() };
    let behind = table.columns.iter().flat_map(|column| &column.constraints);
    let mut findings = Vec::new();
    for key in table.constraints.iter().chain(behind) {
        let ([name], Some(other)) = (&key.columns[..], &key.references) else { continue };
        let Some(kind) =
            table.columns.iter().find(|column| column.name == *name).and_then(|c| c.kind.as_ref())
        else {
            continue;
        };
        let Some(theirs) = key_type(at, other) else { continue };
        if integer(&kind.name).is_some()
            && integer(&theirs).is_some()
            && integer(&kind.name) != integer(&theirs)
        {
            let message = format!("`{name}` is {}, the key of `{other}` is {theirs}", kind.name);
            findings.push(found(message, format!("make it {theirs} as well")));
        }
    }
    findings
}

/// The type of the one-column primary key of a table, from the catalog or from a statement before.
fn key_type(at: At<'_>, table: &ObjectName) -> Option<String> {
    if let Some(live) = at.live(table) {
        let primary = live.indexes.iter().find(|index| index.primary && index.columns.len() == 1)?;
        return live.column(primary.columns.first()?).map(|column| column.kind.name.clone());
    }
    let before = at.script.statements[at.index.saturating_sub(LOOK_BACK)..at.index].iter();
    let mut made = before.filter_map(|read| match &read.ddl {
        Some(Ddl::CreateTable(made)) if made.name == *table => Some(made),
        _ => None,
    });
    let column = made.next_back()?.columns.iter().find(|column| column.has(ConstraintKind::PrimaryKey))?;
    column.kind.as_ref().map(|kind| kind.name.clone())
}

/// Statements before that are looked at.
const LOOK_BACK: usize = 50;

/// The width of an integer type, bytes.
fn integer(name: &str) -> Option<u8> {
    match name {
        "smallint" | "int2" | "smallserial" => Some(2),
        "int" | "integer" | "int4" | "serial" => Some(4),
        "bigint" | "int8" | "bigserial" => Some(8),
        _ => None,
    }
}
