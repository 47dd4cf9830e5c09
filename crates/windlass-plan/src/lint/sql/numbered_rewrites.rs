//! `numbered-column-rewrites`

use super::SqlRule;
use super::script::{At, Found, found};
use windlass_document::Severity;
use windlass_sql::Generated;

pub(super) const RULE: SqlRule = SqlRule {
    name: "numbered-column-rewrites",
    severity: Severity::Warning,
    summary: "a numbered or stored generated column rewrites the table",
    why: "serial, identity and GENERATED … STORED give each row a value of its own: the table is written anew under ACCESS EXCLUSIVE",
    dialects: super::POSTGRESQL,
    bad: "ALTER TABLE orders ADD COLUMN total numeric GENERATED ALWAYS AS (price * pieces) STORED;",
    good: "ALTER TABLE orders ADD COLUMN total numeric;",
    live: None,
    check,
};

fn check(at: At<'_>) -> Vec<Found> {
    let Some(alter) = at.alter() else { return Vec::new() };
    at.added_columns()
        .filter(|column| column.is_numbered() || column.generated == Some(Generated::Stored))
        .map(|column| {
            let message = format!("{} is rewritten to fill `{}`", at.words(&alter.table), column.name);
            let help = "add a plain column, let the program or a trigger fill new rows, and fill the old ones with `batch=`";
            found(message, help)
        })
        .collect()
}
