//! What servers print of an account.

use super::grant::grant;
use super::statement::Words;
use super::{Account, Clause, PUBLIC, Who, account_key};
use crate::lexer::TokenKind;
use std::collections::BTreeMap;

impl Account {
    /// From `SHOW CREATE USER` (of roles of MariaDB there is none) and the lines of `SHOW GRANTS`, of which those of other accounts
    /// are left out (of roles that it has). `Some(None)`: there is no such account; `None`: it cannot be read.
    #[must_use]
    pub fn read(key: &str, create: Option<&str>, lines: &[String]) -> Option<Option<Self>> {
        let mut account = Self { role: create.is_none(), ..Self::default() };
        if let Some(create) = create {
            account.clauses = clauses(create)?;
        }
        let mut seen = create.is_some() || key == PUBLIC;
        for line in lines {
            if let Some((of, roles)) = default_role(line) {
                if of == key {
                    account.clauses.insert(Clause::DefaultRole, format!("DEFAULT ROLE {roles}"));
                }
                continue;
            }
            let found = grant(line, "")?;
            if found.to.iter().any(|who| name(who) == key) {
                account.add(&found);
                seen = true;
            }
        }
        Some(seen.then_some(account))
    }

    /// All that these lines of `SHOW GRANTS` allow, whoever they name.
    #[must_use]
    pub fn rights(lines: &[String]) -> Self {
        let mut account = Self::default();
        for found in lines.iter().filter_map(|line| grant(line, "")) {
            account.add(&found);
        }
        account
    }
}

fn name(who: &Who) -> String {
    match who {
        Who::Named(user, None) if user == PUBLIC => PUBLIC.to_owned(),
        Who::Named(user, host) => account_key(user, host.as_deref()),
        Who::Current => String::new(),
    }
}

/// `` SET DEFAULT ROLE `r` FOR `a`@`%` `` of MariaDB.
fn default_role(line: &str) -> Option<(String, String)> {
    let mut words = Words::new(line)?;
    let is_it = words.accept("SET") && words.accept("DEFAULT") && words.accept("ROLE");
    let to = words.find(words.at, words.len(), "FOR").filter(|_| is_it)?;
    let roles = words.between(words.at, to).to_owned();
    words.at = to + 1;
    Some((name(&words.who()?), roles))
}

/// The parts of `SHOW CREATE USER`.
fn clauses(create: &str) -> Option<BTreeMap<Clause, String>> {
    let mut words = Words::new(create)?;
    (words.accept("CREATE") && words.accept("USER")).then_some(())?;
    words.who()?;
    let mut found = BTreeMap::new();
    let mut open: Option<(Clause, usize)> = None;
    for at in words.at..=words.len() {
        let next = (at < words.len()).then(|| begins(&words, at)).flatten();
        if at < words.len() && next.is_none() {
            open.is_some().then_some(())?;
            continue;
        }
        if let Some((clause, from)) = open {
            let text = words.between(from, at);
            // Once there were some it is empty, and cannot become nothing again.
            if !(clause == Clause::Attribute && text.ends_with("'{}'")) {
                found.insert(clause, text.to_owned());
            }
        }
        open = next.map(|clause| (clause, at));
    }
    Some(found)
}

/// The clause that begins with this token.
fn begins(words: &Words<'_>, at: usize) -> Option<Clause> {
    let before = words.word(at.checked_sub(1)?);
    let next = words.word(at + 1);
    Some(match words.word(at).as_str() {
        "IDENTIFIED" if before != "AND" => Clause::Identified,
        "DEFAULT" if next == "ROLE" => Clause::DefaultRole,
        "REQUIRE" if before != "PASSWORD" => Clause::Require,
        "WITH" if next.starts_with("MAX_") => Clause::Limits,
        "ACCOUNT" => Clause::Lock,
        "FAILED_LOGIN_ATTEMPTS" => Clause::Failures,
        "PASSWORD_LOCK_TIME" => Clause::LockTime,
        "ATTRIBUTE" | "COMMENT" => Clause::Attribute,
        "PASSWORD" => match next.as_str() {
            "EXPIRE" => Clause::Expire,
            "HISTORY" => Clause::History,
            "REUSE" => Clause::Reuse,
            "REQUIRE" => Clause::Current,
            _ => return None,
        },
        _ => return None,
    })
}

/// The text with its secrets, what stands behind `AS`, `USING`, `BY` and `PASSWORD`, through `seal`.
pub(super) fn secrets(text: &str, seal: &dyn Fn(&str) -> String) -> String {
    let Some(words) = Words::new(text) else { return seal(text) };
    let (mut out, mut copied) = (String::new(), 0);
    for at in 1..words.len() {
        let behind = ["AS", "USING", "BY", "PASSWORD"].iter().any(|word| words.is(at - 1, word));
        let written = words.written(at);
        let is_value = words.kind(at) == Some(TokenKind::Text) || written.starts_with("0x");
        if !behind || !is_value || written == "''" {
            continue;
        }
        let (start, end) = words.place(at);
        out += text.get(copied..start).unwrap_or_default();
        out += &seal(written);
        copied = end;
    }
    out + text.get(copied..).unwrap_or_default()
}

/// The text as it may be shown.
#[must_use]
pub fn masked(text: &str) -> String {
    secrets(text, &|_| "'****'".to_owned())
}
