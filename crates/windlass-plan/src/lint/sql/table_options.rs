//! `table-options`

use super::SqlRule;
use super::script::{At, Found, found};
use windlass_document::Severity;
use windlass_sql::{Change, Ddl};

pub(super) const RULE: SqlRule = SqlRule {
    name: "table-options",
    severity: Severity::Note,
    summary: "a table has a character set or engine of the past",
    why: "utf8 of MySQL cannot store every character, latin1 hardly any; only InnoDB survives a crash and takes a statement back",
    dialects: super::MYSQL,
    bad: "CREATE TABLE orders (id BIGINT PRIMARY KEY) ENGINE=InnoDB DEFAULT CHARSET=utf8;",
    good: "CREATE TABLE orders (id BIGINT PRIMARY KEY) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;",
    live: None,
    check,
};

fn check(at: At<'_>) -> Vec<Found> {
    let options: Vec<_> = match at.ddl() {
        Some(Ddl::CreateTable(table)) => table.options.iter().collect(),
        Some(Ddl::AlterTable(alter)) => alter
            .changes
            .iter()
            .filter_map(|change| match change {
                Change::Option(option) => Some(option),
                _ => None,
            })
            .collect(),
        _ => return Vec::new(),
    };
    let charset =
        |value: &str| ["utf8", "utf8mb3", "latin1", "gbk", "ascii"].contains(&value.to_lowercase().as_str());
    options
        .into_iter()
        .filter_map(|(name, value)| match name.as_str() {
            "CHARSET" if charset(value) => {
                Some(found(format!("{value} cannot store every character"), "`utf8mb4`"))
            }
            "ENGINE" if !value.eq_ignore_ascii_case("innodb") => Some(found(
                format!("{value} has no transactions: a statement that fails leaves rows behind"),
                "`InnoDB`",
            )),
            _ => None,
        })
        .collect()
}
