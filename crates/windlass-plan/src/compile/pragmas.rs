//! Pragmas of SQLite: which of them mean something on a connection of Windlass, where every statement is a transaction and foreign keys are
//! off (<https://www.sqlite.org/pragma.html>).

use super::sql::Fit;
use crate::suggest;
use windlass_sql::{Kind, Statement};

/// Pragmas that only read when they are given no value.
const READING: &[&str] = &[
    "application_id",
    "collation_list",
    "compile_options",
    "database_list",
    "foreign_key_check",
    "foreign_key_list",
    "function_list",
    "index_info",
    "index_list",
    "index_xinfo",
    "integrity_check",
    "module_list",
    "pragma_list",
    "quick_check",
    "schema_version",
    "table_info",
    "table_list",
    "table_xinfo",
    "user_version",
];

/// Pragmas whose value is a part of the database file and follows the transaction.
const STORED: &[&str] = &["application_id", "user_version"];

const KEYS_WHY: &str = "foreign keys are off while Windlass works, as a table that is rebuilt needs it; what a statement breaks of them \
                        is found by `PRAGMA foreign_key_check`";

/// What becomes of a pragma, with those statements behind it; `more`: others may follow on its connection.
pub(super) fn fit(statement: &Statement, behind: &[Statement], text: &str, more: bool) -> Fit {
    let (name, sets) = pragma(statement.span.of(text));
    let fits = if sets { STORED } else { READING };
    if fits.contains(&name.as_str()) {
        return Fit::Unit;
    }
    match (name.as_str(), value(statement.span.of(text))) {
        ("foreign_keys", Some(false)) | ("defer_foreign_keys", Some(_)) => Fit::Needless(KEYS_WHY),
        ("foreign_keys", Some(true)) if !more && !follow_keys(behind, text) => Fit::Needless(KEYS_WHY),
        ("foreign_keys", Some(true)) => Fit::Refused(
            "with foreign keys on, what is behind it may change or refuse rows of other tables, and Windlass works with them off".to_owned(),
            "write it behind the last statement that changes rows, with those rows of other tables in statements of their own".to_owned(),
        ),
        _ => {
            let message = format!("`PRAGMA {name}` has no effect, or another one, inside a transaction");
            let help = format!("pragmas that can be used: {}", suggest::listed(READING.iter().copied()));
            Fit::Refused(message, help)
        }
    }
}

/// Whether the statement is a pragma that reads.
pub(super) fn reads(statement: &Statement, text: &str) -> bool {
    let (name, sets) = pragma(statement.span.of(text));
    !sets && READING.contains(&name.as_str())
}

/// Whether one of them, up to where keys are off again, changes rows, or fails with keys on: dropping a table deletes its rows first.
fn follow_keys(behind: &[Statement], text: &str) -> bool {
    // Inside of a transaction the pragma does nothing.
    let mut open = false;
    for statement in behind {
        let words = statement.span.of(text);
        match &statement.summary.kind {
            Kind::Begin => open = true,
            Kind::Commit => open = false,
            Kind::Pragma if pragma(words).0 == "foreign_keys" && value(words) == Some(false) && !open => {
                return false;
            }
            Kind::DropTable => return true,
            _ if statement.summary.changes_data => return true,
            // The rows that are there get a value; a table that is made has none.
            Kind::CreateTable => {}
            _ if words.to_ascii_uppercase().contains("REFERENCES") => return true,
            _ => {}
        }
    }
    false
}

/// Name of a pragma, and whether it sets a value.
fn pragma(text: &str) -> (String, bool) {
    let rest = text.trim_start().get("pragma".len()..).unwrap_or_default().trim_start();
    let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '.')).unwrap_or(rest.len());
    let (name, after) = rest.split_at(end);
    let name = name.rsplit('.').next().unwrap_or_default().to_ascii_lowercase();
    // `PRAGMA user_version(3)` sets, `PRAGMA table_info(t)` asks.
    let after = after.trim_start();
    let sets = after.starts_with('=') || after.starts_with('(') && STORED.contains(&name.as_str());
    (name, sets)
}

/// The yes or no that it sets.
fn value(text: &str) -> Option<bool> {
    let (_, value) = text.split_once(['=', '('])?;
    let value: String = value.chars().filter(|c| c.is_alphanumeric()).collect();
    match value.to_ascii_lowercase().as_str() {
        "0" | "off" | "no" | "false" => Some(false),
        "1" | "on" | "yes" | "true" => Some(true),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use windlass_sql::Dialect;

    #[test]
    fn pragmas_that_ask_and_pragmas_that_set() {
        for (text, name, sets) in [
            ("PRAGMA user_version", "user_version", false),
            ("pragma user_version = 3", "user_version", true),
            ("PRAGMA main.user_version=3", "user_version", true),
            ("PRAGMA user_version(3)", "user_version", true),
            ("PRAGMA table_info(booking)", "table_info", false),
            ("PRAGMA journal_mode = WAL", "journal_mode", true),
            ("PRAGMA", "", false),
        ] {
            assert_eq!(pragma(text), (name.to_owned(), sets), "{text}");
        }
    }

    #[test]
    fn foreign_keys_may_be_switched_where_that_changes_nothing() {
        let outcomes = |text: &str| {
            let (statements, _) = windlass_sql::split(text, Dialect::Sqlite);
            let is_pragma = |at: &usize| statements[*at].summary.kind == Kind::Pragma;
            let fits = (0..statements.len()).filter(is_pragma);
            fits.map(|at| match fit(&statements[at], &statements[at + 1..], text, false) {
                Fit::Unit => "unit",
                Fit::Needless(_) => "needless",
                Fit::Refused(..) => "refused",
            })
            .collect::<Vec<_>>()
        };
        let rebuild = "PRAGMA foreign_keys=off; ALTER TABLE t RENAME TO old; CREATE TABLE t (a); INSERT INTO t SELECT a FROM old; DROP TABLE old; PRAGMA foreign_key_check;";
        assert_eq!(outcomes(rebuild), ["needless", "unit"]);
        let twice = format!("{rebuild} PRAGMA foreign_keys = ON; {rebuild} PRAGMA foreign_keys(1);");
        assert_eq!(outcomes(&twice), ["needless", "unit", "needless", "needless", "unit", "needless"]);
        for behind in
            ["DELETE FROM t", "DROP TABLE t", "SELECT 1; INSERT INTO t VALUES (1); PRAGMA foreign_keys = 0"]
        {
            let text = format!("PRAGMA foreign_keys = yes; {behind}");
            assert_eq!(outcomes(&text)[0], "refused", "{text}");
        }
        let schema =
            "PRAGMA foreign_keys = ON; CREATE TABLE o (id); BEGIN; CREATE TABLE t (a REFERENCES o (id));";
        assert_eq!(outcomes(schema), ["needless"]);
        let added = "PRAGMA foreign_keys = ON; ALTER TABLE t ADD COLUMN b REFERENCES o (id)";
        assert_eq!(outcomes(added), ["refused"]);
        assert_eq!(outcomes("PRAGMA defer_foreign_keys = ON; DELETE FROM t"), ["needless"]);
        assert_eq!(outcomes("PRAGMA journal_mode = WAL"), ["refused"]);
        assert_eq!(outcomes("PRAGMA foreign_keys"), ["refused"]);
    }
}
