//! `column-type`

use super::SqlRule;
use super::script::{At, Found, found};
use windlass_document::Severity;
use windlass_sql::{Column, ConstraintKind, Ddl};

pub(super) const RULE: SqlRule = SqlRule {
    name: "column-type",
    severity: Severity::Note,
    summary: "a column has a type that makes trouble later",
    why: "some types cannot be compared, cut off what is written, or run out, and changing them later rewrites the table",
    dialects: super::POSTGRESQL,
    bad: "CREATE TABLE event (id bigint PRIMARY KEY, payload json);",
    good: "CREATE TABLE event (id bigint PRIMARY KEY, payload jsonb);",
    live: None,
    check,
};

fn check(at: At<'_>) -> Vec<Found> {
    let mut findings: Vec<_> = at.defined_columns().into_iter().filter_map(column_finding).collect();
    if let Some(Ddl::CreateOther { is_enum: true, name: Some(name), .. }) = at.ddl() {
        let message = format!("members of `{name}` can be added, but never removed or put in another order");
        findings.push(found(message, "text with a CHECK, or a table of its own with a foreign key"));
    }
    findings
}

fn column_finding(column: &Column) -> Option<Found> {
    let kind = column.kind.as_ref()?;
    let name = &column.name;
    let key = column.has(ConstraintKind::PrimaryKey);
    let (what, help) = match kind.name.as_str() {
        "json" => ("json has no equality: DISTINCT and GROUP BY fail", "jsonb"),
        "char" | "character" | "bpchar" => {
            ("char(n) fills up with blanks", "text with a CHECK on its length")
        }
        "timestamp" | "timestamp without time zone" => {
            ("timestamp holds no moment: it means another one in each zone", "timestamptz")
        }
        "money" => ("money depends on a setting of the server", "numeric"),
        "serial" | "serial4" | "smallserial" | "serial2" if key => {
            ("the key ends at 2,147,483,647", "bigint GENERATED ALWAYS AS IDENTITY")
        }
        "int" | "integer" | "int4" | "smallint" | "int2" if key => {
            ("the key ends at 2,147,483,647", "bigint")
        }
        _ => return None,
    };
    Some(found(format!("`{name}`: {what}"), format!("use {help}")))
}
