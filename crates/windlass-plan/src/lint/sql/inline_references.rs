//! `inline-references`

use super::SqlRule;
use super::script::{At, Found, found};
use windlass_document::Severity;
use windlass_sql::{ConstraintKind, Product};

pub(super) const RULE: SqlRule = SqlRule {
    name: "inline-references",
    severity: Severity::Warning,
    summary: "REFERENCES behind a column is ignored",
    why: "MySQL before 9.0 reads it and makes no foreign key, without a word",
    dialects: super::MYSQL,
    bad: "CREATE TABLE orders (id BIGINT PRIMARY KEY, user_id BIGINT REFERENCES users (id));",
    good: "CREATE TABLE orders (id BIGINT PRIMARY KEY, user_id BIGINT, FOREIGN KEY (user_id) REFERENCES users (id));",
    live: None,
    check,
};

fn check(at: At<'_>) -> Vec<Found> {
    let makes_it = at.now.and_then(|live| live.server).is_some_and(|server| {
        server.is_at_least(Product::Mysql, (9, 0, 0)) || server.is_at_least(Product::Mariadb, (10, 5, 0))
    });
    if makes_it {
        return Vec::new();
    }
    at.defined_columns()
        .into_iter()
        .filter(|column| column.has(ConstraintKind::ForeignKey))
        .map(|column| {
            let help = "write it as `FOREIGN KEY (…) REFERENCES …` behind the columns";
            found(format!("`{}` gets no foreign key", column.name), help)
        })
        .collect()
}
