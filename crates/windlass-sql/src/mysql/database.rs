//! `ALTER DATABASE`: what tables get that say no character set and collation of their own.

use crate::Dialect;
use crate::reader::Reader;

/// An `ALTER DATABASE` (or `SCHEMA`) that says nothing but defaults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatabaseDefaults {
    /// Which database; `None`: that of the session.
    pub name: Option<String>,
    /// The defaults as they are written.
    pub options: String,
}

/// What the statement sets, if it is such a one.
#[must_use]
pub fn database_defaults(statement: &str) -> Option<DatabaseDefaults> {
    let mut reader = Reader::through_marks(statement, Dialect::Mysql)?;
    if !reader.accept(&["ALTER", "DATABASE"]) && !reader.accept(&["ALTER", "SCHEMA"]) {
        return None;
    }
    let is_option = reader.is_any(reader.at, &["DEFAULT", "CHARACTER", "CHARSET", "COLLATE"]);
    let name = if is_option { None } else { Some(reader.identifier()?) };
    let from = reader.at;
    while reader.at < reader.len() {
        reader.accept(&["DEFAULT"]);
        let known = reader.accept(&["CHARACTER", "SET"])
            || reader.accept(&["CHARSET"])
            || reader.accept(&["COLLATE"]);
        if !known {
            return None;
        }
        reader.symbol(b'=');
        reader.at += 1;
    }
    let options = reader.text_between(from, reader.len())?;
    Some(DatabaseDefaults { name, options })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_of_a_database_are_told_from_its_other_settings() {
        for (statement, name, options) in [
            (
                "ALTER DATABASE d CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
                Some("d"),
                "CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
            ),
            ("alter schema `a b` default collate = 'x'", Some("a b"), "default collate = 'x'"),
            ("ALTER DATABASE CHARSET latin1", None, "CHARSET latin1"),
        ] {
            let found = database_defaults(statement).unwrap_or_else(|| panic!("{statement}"));
            assert_eq!((found.name.as_deref(), found.options.as_str()), (name, options), "{statement}");
        }
        for statement in [
            "ALTER DATABASE d ENCRYPTION 'Y'",
            "ALTER DATABASE d READ ONLY = 1",
            "ALTER DATABASE d CHARSET x COMMENT 'y'",
            "ALTER DATABASE `#mysql50#d` UPGRADE DATA DIRECTORY NAME",
            "ALTER DATABASE d",
            "ALTER TABLE d CHARSET x",
        ] {
            assert_eq!(database_defaults(statement), None, "{statement}");
        }
    }
}
