//! Lines of client programs that change only what is shown, or that say what holds here anyway: a statement that fails ends its run.

use crate::Dialect;

/// Dot commands of the shell of SQLite (<https://www.sqlite.org/cli.html>), whatever stands behind them.
const SQLITE: &[&str] = &[
    ".changes",
    ".echo",
    ".eqp",
    ".explain",
    ".header",
    ".headers",
    ".mode",
    ".nullvalue",
    ".print",
    ".prompt",
    ".separator",
    ".show",
    ".stats",
    ".timeout",
    ".timer",
    ".version",
    ".width",
];

/// Meta-commands of psql.
const POSTGRESQL: &[&str] = &[
    "\\a",
    "\\conninfo",
    "\\echo",
    "\\pset",
    "\\qecho",
    "\\restrict",
    "\\t",
    "\\timing",
    "\\unrestrict",
    "\\warn",
    "\\x",
];

/// Variables of psql that change what it shows; any other may stand in a statement.
const SHOWING: &[&str] =
    &["ECHO", "ECHO_HIDDEN", "FETCH_COUNT", "ON_ERROR_STOP", "QUIET", "SHOW_CONTEXT", "VERBOSITY"];

/// Whether the line needs no client program.
pub(crate) fn is_needless(line: &str, dialect: Dialect) -> bool {
    let mut words = line.split_whitespace();
    let head = words.next().unwrap_or_default();
    let argument = words.next().unwrap_or_default();
    let is_on = |word: &str| ["on", "yes", "true", "1"].contains(&word.to_ascii_lowercase().as_str());
    match (dialect, head) {
        (Dialect::Sqlite, ".bail") => is_on(argument),
        (Dialect::Sqlite, head) => SQLITE.contains(&head),
        // A second command on the line, or one for the system's shell.
        (Dialect::Postgresql, _) if line[1..].contains(['\\', '`']) => false,
        (Dialect::Postgresql, "\\set" | "\\unset") if argument == "ON_ERROR_STOP" => {
            head == "\\set" && words.next().is_none_or(is_on)
        }
        (Dialect::Postgresql, "\\set" | "\\unset") => SHOWING.contains(&argument),
        (Dialect::Postgresql, head) => POSTGRESQL.contains(&head),
        (Dialect::Mysql, _) => false,
    }
}
