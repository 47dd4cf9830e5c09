//! `column-type-mysql`

use super::SqlRule;
use super::script::{At, Found, found};
use windlass_document::Severity;

pub(super) const RULE: SqlRule = SqlRule {
    name: "column-type-mysql",
    severity: Severity::Note,
    summary: "a column has a type that makes trouble later (MySQL)",
    why: "some types lose what is written, or end at a date that is near",
    dialects: super::MYSQL,
    bad: "CREATE TABLE payment (id BIGINT PRIMARY KEY, amount FLOAT);",
    good: "CREATE TABLE payment (id BIGINT PRIMARY KEY, amount DECIMAL(12, 2));",
    live: None,
    check,
};

fn check(at: At<'_>) -> Vec<Found> {
    at.defined_columns()
        .into_iter()
        .filter_map(|column| {
            let kind = column.kind.as_ref()?;
            let default = column.default.as_ref().map_or("", |default| default.span.of(at.text()));
            let (what, help) = match kind.name.as_str() {
                _ if default.contains("0000-00-00") => {
                    ("strict mode refuses the date zero", "NULL, or a real date")
                }
                "float" => ("FLOAT keeps about seven digits", "DECIMAL for amounts, DOUBLE for measurements"),
                "timestamp" => ("TIMESTAMP ends in January 2038", "DATETIME"),
                _ => return None,
            };
            Some(found(format!("`{}`: {what}", column.name), format!("use {help}")))
        })
        .collect()
}
