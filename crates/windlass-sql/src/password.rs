//! Passwords of accounts in statements.
//!
//! Sources: PostgreSQL 15 manual, `CREATE ROLE`, `ALTER ROLE` and 53.8 (stored forms); MySQL 8.0 manual 13.7.1.3 and
//! MariaDB's `CREATE USER` (`IDENTIFIED … BY`, `AS`, `USING`), `SET PASSWORD`.

use crate::Dialect;
use crate::lexer::TokenKind;
use crate::reader::Reader;

/// What a statement says of an account's password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Password {
    /// Nothing: it stays as it is.
    Unsaid,
    /// It goes, or the server makes one up, or only the form that the server stores is written, or where it is kept as a secret.
    Hidden,
    /// It stands there for everybody to read.
    Written,
}

/// Of `CREATE` and `ALTER` of roles and users, `GRANT … IDENTIFIED BY` and `SET PASSWORD`; `None` of anything else.
#[must_use]
pub fn password(statement: &str, dialect: Dialect) -> Option<Password> {
    let reader = Reader::new(statement, dialect)?;
    let is_account = match reader.word(0).as_str() {
        "CREATE" | "ALTER" => (1..4).any(|at| reader.is_any(at, &["ROLE", "USER", "GROUP"])),
        "SET" => reader.is(1, "PASSWORD"),
        "GRANT" => true,
        _ => false,
    };
    if dialect == Dialect::Sqlite || !is_account {
        return None;
    }
    let words: &[&str] = match dialect {
        Dialect::Mysql => &["BY", "AS", "USING", "PASSWORD"],
        _ => &["PASSWORD"],
    };
    let begins = (0..reader.len()).filter(|at| reader.is_any(*at, words));
    // `PASSWORD '…'`, `BY '…'`, `PASSWORD = '…'`, `PASSWORD('…')`, `PASSWORD FOR u = '…'`.
    let said = begins.filter_map(|at| {
        let after = (at + 1..reader.len().min(at + 8)).take_while(|at| !reader.is_symbol(*at, b','));
        let mut after = after.filter(|at| !is_name_of_account(&reader, *at));
        let value = after.find(|at| reader.kind(*at) == Some(TokenKind::Text));
        let random = reader.is_any(at + 1, &["NULL", "RANDOM"]);
        match value {
            Some(value) => Some(of(reader.written(value), dialect)),
            None if random => Some(Password::Hidden),
            None => None,
        }
    });
    let worst = said.max_by_key(|password| *password == Password::Written);
    let names = (0..reader.len()).any(|at| reader.is_any(at, &["PASSWORD", "IDENTIFIED"]));
    Some(worst.unwrap_or(if names { Password::Hidden } else { Password::Unsaid }))
}

/// `'u'@'host'` of MySQL: a string that an `@` stands beside.
fn is_name_of_account(reader: &Reader<'_>, at: usize) -> bool {
    reader.is_symbol(at + 1, b'@') || at.checked_sub(1).is_some_and(|before| reader.is_symbol(before, b'@'))
}

fn of(written: &str, dialect: Dialect) -> Password {
    if crate::secret::whole(written).is_some() {
        return Password::Hidden;
    }
    let value = between_quotes(written);
    let is_hash = |length: usize| value.len() == length && value[1..].bytes().all(|b| b.is_ascii_hexdigit());
    let stored = match dialect {
        Dialect::Mysql => (value.starts_with('*') && is_hash(41)) || value.starts_with("$A$"),
        _ => {
            value.starts_with("SCRAM-SHA-256$")
                || value.strip_prefix("md5").is_some_and(|hash| hash.len() == 32)
        }
    };
    if stored || value.is_empty() { Password::Hidden } else { Password::Written }
}

/// What stands in `'…'`, `"…"` or `$tag$…$tag$`, escapes as they are.
fn between_quotes(written: &str) -> &str {
    let inside = |open: usize, close: &str| written.get(open..written.len() - close.len()).unwrap_or("");
    match written.find(['\'', '"', '$']) {
        Some(at) if written[at..].starts_with('$') => match written[at + 1..].find('$') {
            Some(end) => inside(at + end + 2, &written[at..at + end + 2]),
            None => "",
        },
        Some(at) => inside(at + 1, "'"),
        None => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_of_a_password() {
        use Dialect::{Mysql as M, Postgresql as P};
        let hash = "*2470C0C06DEE42FD1618BB99005ADCA2EC9D1E19";
        for (statement, dialect, wanted) in [
            ("CREATE ROLE a LOGIN PASSWORD 'x'", P, Some(Password::Written)),
            ("CREATE ROLE a LOGIN PASSWORD $$x$$", P, Some(Password::Written)),
            ("ALTER USER a WITH ENCRYPTED PASSWORD 'x' VALID UNTIL '2030-01-01'", P, Some(Password::Written)),
            ("ALTER ROLE a PASSWORD NULL", P, Some(Password::Hidden)),
            ("ALTER ROLE a PASSWORD 'SCRAM-SHA-256$4096:a$b:c'", P, Some(Password::Hidden)),
            ("ALTER ROLE a PASSWORD '${secret.app}'", P, Some(Password::Hidden)),
            ("CREATE USER 'a'@'%' IDENTIFIED BY '${secret.app}'", M, Some(Password::Hidden)),
            ("ALTER ROLE a NOSUPERUSER NOCREATEDB", P, Some(Password::Unsaid)),
            ("ALTER ROLE a VALID UNTIL '2030-01-01'", P, Some(Password::Unsaid)),
            ("GRANT SELECT ON t TO a", P, Some(Password::Unsaid)),
            ("UPDATE users SET password = 'x'", P, None),
            ("CREATE USER 'a'@'%' IDENTIFIED BY 'x'", M, Some(Password::Written)),
            ("CREATE USER a IDENTIFIED WITH mysql_native_password BY 'x'", M, Some(Password::Written)),
            ("CREATE USER a IDENTIFIED BY RANDOM PASSWORD", M, Some(Password::Hidden)),
            (&format!("CREATE USER a IDENTIFIED BY PASSWORD '{hash}'"), M, Some(Password::Hidden)),
            ("GRANT ALL ON d.* TO 'a'@'%' IDENTIFIED BY 'x'", M, Some(Password::Written)),
            ("GRANT ALL ON d.* TO 'a'@'%'", M, Some(Password::Unsaid)),
            ("SET PASSWORD FOR 'a'@'%' = 'x'", M, Some(Password::Written)),
            ("SET PASSWORD FOR 'a'@'%' = PASSWORD('x')", M, Some(Password::Written)),
            ("CREATE TABLE t (password text)", M, None),
        ] {
            assert_eq!(password(statement, dialect), wanted, "{statement}");
        }
    }
}
