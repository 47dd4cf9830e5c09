//! Lines that tools mark the parts of a file with.

/// A mark of dbmate (`upRegExp` and `downRegExp` of its `migration.go`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dbmate {
    /// `-- migrate:up`, options behind it.
    Up,
    /// `-- migrate:down`.
    Down,
}

pub(super) fn dbmate(line: &str) -> Option<Dbmate> {
    let rest = line.strip_prefix("--")?.trim_start().strip_prefix("migrate:")?;
    let (word, after) = rest.split_at(rest.find(char::is_whitespace).unwrap_or(rest.len()));
    let _ = after;
    match word {
        "up" => Some(Dbmate::Up),
        "down" => Some(Dbmate::Down),
        _ => None,
    }
}

/// A mark of goose (`internal/sqlparser/parser.go`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Goose {
    Up,
    Down,
    Begin,
    End,
    NoTransaction,
    /// `ENVSUB ON`: variables of the environment are put in.
    Substitute,
    /// Some other one.
    Other,
}

pub(super) fn goose(line: &str) -> Option<Goose> {
    let rest = line.trim().strip_prefix("--")?.trim_start().strip_prefix("+goose")?;
    let words: Vec<String> = rest.split_whitespace().map(str::to_ascii_uppercase).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    Some(match words[..] {
        ["UP"] => Goose::Up,
        ["DOWN"] => Goose::Down,
        ["STATEMENTBEGIN"] => Goose::Begin,
        ["STATEMENTEND"] => Goose::End,
        ["NO", "TRANSACTION"] => Goose::NoTransaction,
        ["ENVSUB", "ON"] => Goose::Substitute,
        _ => Goose::Other,
    })
}

/// The words behind `--`, in lower case up to the first blank.
fn comment(line: &str) -> Option<(String, &str)> {
    let rest = line.trim().strip_prefix("--")?.trim_start();
    let (word, rest) = rest.split_at(rest.find(char::is_whitespace).unwrap_or(rest.len()));
    Some((word.to_ascii_lowercase(), rest.trim()))
}

/// `--liquibase formatted sql`.
pub(super) fn is_liquibase(line: &str) -> bool {
    let line = line.trim_start_matches('\u{FEFF}');
    comment(line)
        .is_some_and(|(word, rest)| word == "liquibase" && rest.to_ascii_lowercase().starts_with("formatted"))
}

/// A mark of Liquibase's formatted SQL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Liquibase<'a> {
    /// `--changeset author:id attributes`; what stands behind the word.
    Changeset(&'a str),
    /// `--rollback SQL`; the SQL.
    Rollback(&'a str),
    /// `--preconditions …`, `--precondition-…`, `--property …`, `--ignoreLines`: what decides or replaces text.
    Unread(&'a str),
}

pub(super) fn liquibase(line: &str) -> Option<Liquibase<'_>> {
    let (word, rest) = comment(line)?;
    match word.as_str() {
        "changeset" => Some(Liquibase::Changeset(rest)),
        "rollback" => Some(Liquibase::Rollback(rest)),
        "property" | "preconditions" => Some(Liquibase::Unread(rest)),
        word if word.starts_with("precondition-") || word.starts_with("ignorelines") => {
            Some(Liquibase::Unread(rest))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks() {
        assert_eq!(dbmate("-- migrate:up"), Some(Dbmate::Up));
        assert_eq!(dbmate("--migrate:up transaction:false"), Some(Dbmate::Up));
        assert_eq!(dbmate("-- migrate:down  "), Some(Dbmate::Down));
        assert_eq!(dbmate(" -- migrate:up"), None, "it has to begin the line");
        assert_eq!(dbmate("-- migrate:upwards"), None);
        assert_eq!(goose("-- +goose Up"), Some(Goose::Up));
        assert_eq!(goose("--+goose statementbegin"), Some(Goose::Begin));
        assert_eq!(goose("-- +goose NO TRANSACTION"), Some(Goose::NoTransaction));
        assert_eq!(goose("-- goose Up"), None);
        assert!(is_liquibase("--liquibase formatted sql"));
        assert!(is_liquibase("\u{FEFF}-- LIQUIBASE FORMATTED SQL"));
        assert_eq!(liquibase("--changeset bob:1 dbms:mysql"), Some(Liquibase::Changeset("bob:1 dbms:mysql")));
        assert_eq!(liquibase("-- rollback DROP TABLE t;"), Some(Liquibase::Rollback("DROP TABLE t;")));
        assert_eq!(
            liquibase("--precondition-sql-check expectedResult:0 SELECT 1"),
            Some(Liquibase::Unread("expectedResult:0 SELECT 1"))
        );
        assert_eq!(liquibase("-- rolling back"), None);
    }
}
