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
    good: "CREATE ROLE orders_app WITH LOGIN;",
    live: None,
    check,
};

fn check(at: At<'_>) -> Vec<Found> {
    if password(at.text(), at.dialect()) != Some(Password::Written) {
        return Vec::new();
    }
    let help = match at.dialect() {
        Dialect::Mysql => {
            "take it out and change it, since it has been written down: make the account with `ACCOUNT LOCK` and set its \
             password by hand, or write what the server stores (`IDENTIFIED WITH … AS '…'`)"
        }
        _ => {
            "take it out and change it, since it has been written down: make the role without one and set it by hand \
             (`\\password` of psql), or write what the server stores (`SCRAM-SHA-256$…`)"
        }
    };
    vec![found("a password stands in this statement".to_owned(), help)]
}
