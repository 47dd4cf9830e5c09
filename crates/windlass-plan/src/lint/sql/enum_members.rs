//! `enum-members`

use super::SqlRule;
use super::script::{At, Found, found};
use windlass_document::Severity;
use windlass_sql::Change;

pub(super) const RULE: SqlRule = SqlRule {
    name: "enum-members",
    severity: Severity::Note,
    summary: "the members of an ENUM or SET change",
    why: "only members at the end are free; one that is removed or moved copies the table, and rows with it lose their value",
    dialects: super::MYSQL,
    bad: "ALTER TABLE orders MODIFY state ENUM('new', 'paid', 'sent');",
    good: "ALTER TABLE orders MODIFY state VARCHAR(20);",
    live: None,
    check,
};

fn check(at: At<'_>) -> Vec<Found> {
    let Some(alter) = at.alter() else { return Vec::new() };
    let mut findings = Vec::new();
    for change in &alter.changes {
        let (old_name, column) = match change {
            Change::Modify(column) => (&column.name, column),
            Change::ChangeColumn { from, column } => (from, column),
            _ => continue,
        };
        let Some(kind) = column.kind.as_ref().filter(|kind| kind.name == "enum" || kind.name == "set") else {
            continue;
        };
        let old = at.live(&alter.table).and_then(|table| table.column(old_name));
        let message = match old {
            Some(old) if kind.arguments.starts_with(&old.kind.arguments) => continue,
            Some(old) => match old.kind.arguments.iter().find(|member| !kind.arguments.contains(member)) {
                Some(gone) => format!(
                    "{gone} is no member of `{}` any more: rows that have it fail or lose it",
                    column.name
                ),
                None => {
                    format!("members of `{}` are moved: {} is copied", column.name, at.words(&alter.table))
                }
            },
            None => format!("a member of `{}` that is removed or moved changes rows", column.name),
        };
        findings.push(found(
            message,
            "add members at the end only; remove one in a later release, when no row has it",
        ));
    }
    findings
}
