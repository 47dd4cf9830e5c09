//! Statements of MySQL and MariaDB that count or rewrite what is there, and leave every row and definition as it is.

use crate::{Dialect, code_words, keywords};

/// Whether the statement is one: `OPTIMIZE`, `ANALYZE`, `CHECK` or `CHECKSUM TABLE`. `ANALYZE UPDATE …` of MariaDB does what it analyses, and
/// `ANALYZE TABLE … DROP HISTOGRAM` of MySQL takes something away.
#[must_use]
pub fn maintains(statement: &str) -> bool {
    let words = keywords(statement, Dialect::Mysql, 3);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let is_one = matches!(
        words.as_slice(),
        ["OPTIMIZE" | "ANALYZE", "LOCAL" | "NO_WRITE_TO_BINLOG", "TABLE" | "TABLES"]
            | ["OPTIMIZE" | "ANALYZE" | "CHECK" | "CHECKSUM", "TABLE" | "TABLES", ..]
    );
    is_one && !code_words(statement, Dialect::Mysql).iter().any(|word| word == "HISTOGRAM")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_counts_or_rewrites_is_told_from_what_runs() {
        for (statement, wanted) in [
            ("OPTIMIZE TABLE t, u", true),
            ("analyze local table t", true),
            ("CHECK TABLE `t` QUICK", true),
            ("ANALYZE UPDATE t SET a = 1", false),
            ("ANALYZE FORMAT=JSON SELECT 1", false),
            ("REPAIR TABLE t", false),
            ("ANALYZE TABLE t DROP HISTOGRAM ON a", false),
        ] {
            assert_eq!(maintains(statement), wanted, "{statement}");
        }
    }
}
