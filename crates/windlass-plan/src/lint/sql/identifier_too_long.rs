//! `identifier-too-long`

use super::SqlRule;
use super::script::{At, Found, found};
use windlass_document::Severity;
use windlass_sql::{Change, Ddl, Dialect};

pub(super) const RULE: SqlRule = SqlRule {
    name: "identifier-too-long",
    severity: Severity::Warning,
    summary: "a name is longer than the server keeps",
    why: "PostgreSQL cuts names at 63 bytes without a word, and two that begin alike become one; MySQL refuses more than 64 characters",
    dialects: &[Dialect::Postgresql, Dialect::Mysql],
    bad: "ALTER TABLE orders ADD COLUMN the_time_at_which_the_customer_confirmed_the_second_reminder_by_mail timestamptz;",
    good: "ALTER TABLE orders ADD COLUMN second_reminder_confirmed_at timestamptz;",
    live: None,
    check,
};

fn check(at: At<'_>) -> Vec<Found> {
    let mut names: Vec<&str> = at.defined_columns().iter().map(|column| column.name.as_str()).collect();
    match at.ddl() {
        Some(Ddl::CreateTable(table)) => names.push(table.name.base()),
        Some(Ddl::CreateIndex(index)) => names.extend(index.name.as_ref().map(|name| name.base())),
        Some(Ddl::AlterTable(alter)) => {
            for change in &alter.changes {
                match change {
                    Change::RenameColumn { to, .. } | Change::RenamePart { to, .. } => names.push(to),
                    Change::RenameTable(name) => names.push(name.base()),
                    Change::AddConstraint(constraint) => names.extend(constraint.name.as_deref()),
                    _ => {}
                }
            }
        }
        _ => {}
    }
    let long = |name: &&str| match at.dialect() {
        Dialect::Postgresql => name.len() > 63,
        Dialect::Mysql => name.chars().count() > 64,
        Dialect::Sqlite => false,
    };
    names
        .into_iter()
        .filter(long)
        .map(|name| found(format!("`{name}` has {} bytes", name.len()), "choose a shorter name"))
        .collect()
}
