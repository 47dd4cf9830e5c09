//! `password-in-sql`

use super::SqlRule;
use super::script::{At, Found, found};
use windlass_document::Severity;
use windlass_sql::{Dialect, Password, password};

pub(super) const RULE: SqlRule = SqlRule {
    name: "password-in-sql",
    severity: Severity::Warning,
    summary: "a statement carries the password of an account",
    why: "the document stands in the repository, and a plan made from it in the journal and in records: whoever reads one of \
          them has the password",
    dialects: &[Dialect::Postgresql, Dialect::Mysql],
    bad: "CREATE ROLE orders_app WITH LOGIN PASSWORD 'hunter2';",
    good: "CREATE ROLE orders_app WITH LOGIN PASSWORD '${secret.orders_app}';",
    live: None,
    check,
};

fn check(at: At<'_>) -> Vec<Found> {
    if password(at.text(), at.dialect()) != Some(Password::Written) {
        return Vec::new();
    }
    let stored = match at.dialect() {
        Dialect::Mysql => "(`IDENTIFIED WITH … AS '…'`)",
        _ => "(`SCRAM-SHA-256$…`)",
    };
    let help = format!(
        "take it out and change it, since it has been written down: write `'${{secret.NAME}}'` in its place, with `[secret.NAME]` in windlass.toml, or \
         what the server stores {stored}"
    );
    vec![found("a password stands in this statement".to_owned(), help)]
}
