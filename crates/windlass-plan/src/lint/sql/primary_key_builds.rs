//! `primary-key-builds-index`

use super::SqlRule;
use super::script::{At, Found, found};
use windlass_document::Severity;
use windlass_sql::ConstraintKind;

pub(super) const RULE: SqlRule = SqlRule {
    name: "primary-key-builds-index",
    severity: Severity::Warning,
    summary: "a primary key is made while nobody can read or write",
    why: "the index is built, or a column that may be NULL is read, under ACCESS EXCLUSIVE",
    dialects: super::POSTGRESQL,
    bad: "ALTER TABLE orders ADD PRIMARY KEY (id);",
    good: "CREATE UNIQUE INDEX CONCURRENTLY orders_id ON orders (id);\nALTER TABLE orders ADD CONSTRAINT orders_pkey PRIMARY KEY USING INDEX orders_id;",
    live: None,
    check,
};

fn check(at: At<'_>) -> Vec<Found> {
    let Some(alter) = at.alter() else { return Vec::new() };
    let table = at.live(&alter.table);
    let mut findings = Vec::new();
    for key in at.added_constraints().filter(|constraint| constraint.kind == ConstraintKind::PrimaryKey) {
        let Some(index) = &key.using_index else {
            let message = format!(
                "{} is locked, for readers as well, while the index is built",
                at.words(&alter.table)
            );
            let help =
                "`CREATE UNIQUE INDEX CONCURRENTLY` first, then `ADD CONSTRAINT … PRIMARY KEY USING INDEX`";
            findings.push(found(message, help));
            continue;
        };
        let columns = table.and_then(|table| table.indexes.iter().find(|found| found.name == *index));
        let columns = columns.map_or(&[][..], |index| &index.columns[..]);
        let nullable = |name: &&String| {
            table
                .and_then(|table| table.column(name))
                .is_some_and(|column| !column.not_null && !column.proven_not_null)
        };
        if let Some(column) = columns.iter().find(nullable) {
            let message = format!(
                "`{column}` may be NULL: all rows of {} are read under the lock",
                at.words(&alter.table)
            );
            findings
                .push(found(message, "`CHECK (… IS NOT NULL) NOT VALID`, `VALIDATE`, `SET NOT NULL` before"));
        }
    }
    findings
}
