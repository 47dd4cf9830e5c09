//! `foreign-key-without-index`

use super::SqlRule;
use super::script::{At, Found, found};
use windlass_document::Severity;
use windlass_sql::{Constraint, ConstraintKind, Ddl, Dialect};

pub(super) const RULE: SqlRule = SqlRule {
    name: "foreign-key-without-index",
    severity: Severity::Warning,
    summary: "a foreign key has no index on its columns",
    why: "each delete or change of a row of the other table reads this whole table",
    dialects: &[Dialect::Postgresql, Dialect::Sqlite],
    bad: "CREATE TABLE orders (id bigint PRIMARY KEY, user_id bigint REFERENCES users);",
    good: "CREATE TABLE orders (id bigint PRIMARY KEY, user_id bigint REFERENCES users);\nCREATE INDEX orders_user ON orders (user_id);",
    live: None,
    check,
};

fn check(at: At<'_>) -> Vec<Found> {
    let (table, keys): (_, Vec<&Constraint>) = match at.ddl() {
        Some(Ddl::CreateTable(table)) => {
            let behind = table.columns.iter().flat_map(|column| &column.constraints);
            (&table.name, table.constraints.iter().chain(behind).collect())
        }
        Some(Ddl::AlterTable(alter)) => (&alter.table, at.added_constraints().collect()),
        _ => return Vec::new(),
    };
    keys.into_iter()
        .filter(|key| {
            key.kind == ConstraintKind::ForeignKey && at.has_index(table, &key.columns) == Some(false)
        })
        .map(|key| {
            let columns = key.columns.join(", ");
            let message = format!("no index of `{table}` begins with `{columns}`");
            found(message, format!("`CREATE INDEX` on `{table}` (`{columns}`) in this release"))
        })
        .collect()
}
