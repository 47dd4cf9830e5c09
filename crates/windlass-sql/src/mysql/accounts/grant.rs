//! `GRANT` and `REVOKE`, of a script or as `SHOW GRANTS` prints them.

use super::statement::Words;
use super::{ALL, Account, DYNAMIC, GRANTABLE, OPTION, PROXY, REVOKED, Who};
use crate::lexer::TokenKind;
use crate::{Dialect, quote};
use std::collections::BTreeSet;

/// What a `GRANT` or `REVOKE` says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grant {
    /// `REVOKE`
    pub revokes: bool,
    /// Privileges without `GRANT OPTION`; each column of one stands by itself.
    pub items: BTreeSet<String>,
    /// What they are for, as a key of [`Account::grants`]; `None`: roles, or everything.
    pub on: Option<String>,
    /// Roles that are granted.
    pub roles: Vec<Who>,
    /// Who gets or loses it.
    pub to: Vec<Who>,
    /// `WITH GRANT OPTION`, `WITH ADMIN OPTION`, or one of them is revoked.
    pub option: bool,
    /// `REVOKE ALL PRIVILEGES, GRANT OPTION FROM …`
    pub everything: bool,
    /// It says more of the account (of MariaDB: password, TLS, limits).
    pub more: bool,
}

/// Reads one; names without a database are of `database`. `None`: it cannot be read.
#[must_use]
pub fn grant(text: &str, database: &str) -> Option<Grant> {
    let mut words = Words::new(text)?;
    let revokes = words.accept("REVOKE");
    if !revokes && !words.accept("GRANT") {
        return None;
    }
    let mut found = Grant { revokes, ..Grant::default() };
    if revokes && words.accept("IF") {
        words.accept("EXISTS").then_some(())?;
    }
    let start = words.at;
    let to = words.find(start, words.len(), if revokes { "FROM" } else { "TO" })?;
    match words.find(start, to, "ON") {
        Some(on) if words.is(start, "PROXY") => {
            words.at = on + 1;
            found.on = Some(format!("{PROXY}{}", key(&words.who()?)));
            found.items.insert("PROXY".to_owned());
            (words.at == to).then_some(())?;
        }
        Some(on) => {
            privileges(&mut words, (start, on), &mut found)?;
            words.at = on + 1;
            found.on = Some(object(&mut words, to, database)?);
        }
        None => roles(&mut words, (start, to), &mut found)?,
    }
    words.at = to + 1;
    receivers(&mut words, &mut found)?;
    if found.on.as_deref() == Some("*.*") && found.items.iter().any(|item| item.contains('_')) {
        // Dynamic ones and others may stand together in a script; servers print them apart.
        found.items.iter().all(|item| item.contains('_')).then_some(())?;
        found.on = Some(if found.option && !revokes { GRANTABLE } else { DYNAMIC }.to_owned());
    }
    Some(found)
}

/// As `SHOW GRANTS` writes a name; one without a host is a role.
fn key(who: &Who) -> String {
    match who {
        Who::Current => "CURRENT_USER".to_owned(),
        Who::Named(user, host) => super::account_key(user, host.as_deref()),
    }
}

/// `SELECT (a, b), INSERT` up to `ON`.
fn privileges(words: &mut Words<'_>, (from, to): (usize, usize), found: &mut Grant) -> Option<()> {
    for (start, end) in words.items(from, to) {
        let open = (start..end).find(|at| words.is_symbol(*at, b'(')).unwrap_or(end);
        let name: Vec<_> = (start..open).map(|at| words.word(at)).collect();
        let name = match name.join(" ").as_str() {
            "" => return None,
            "ALL" | ALL => ALL.to_owned(),
            "USAGE" => continue,
            OPTION => {
                found.option = true;
                continue;
            }
            other => other.to_owned(),
        };
        if open == end {
            found.items.insert(name);
            continue;
        }
        for at in (open + 1..end).filter(|at| !words.is_symbol(*at, b',') && !words.is_symbol(*at, b')')) {
            found.items.insert(format!("{name} ({})", quote(&words.name(at)?, Dialect::Mysql)));
        }
    }
    Some(())
}

/// What stands between `ON` and `TO`.
fn object(words: &mut Words<'_>, to: usize, database: &str) -> Option<String> {
    let q = |name: &str| quote(name, Dialect::Mysql);
    let mut kind = String::new();
    if !words.accept("TABLE") {
        for word in ["PROCEDURE", "FUNCTION", "PACKAGE", "BODY"] {
            if words.accept(word) {
                kind += word;
                kind += " ";
            }
        }
    }
    let mut parts = vec![];
    while words.at < to {
        let at = words.at;
        parts.push(if words.is_symbol(at, b'*') { None } else { Some(words.name(at)?) });
        words.at += 1;
        if words.at < to && !words.symbol(b'.') {
            return None;
        }
    }
    let name = match parts.as_slice() {
        [None, None] => "*.*".to_owned(),
        [None] => format!("{}.*", q(database)),
        [Some(of), None] => format!("{}.*", q(of)),
        [Some(name)] => format!("{}.{}", q(database), q(name)),
        [Some(of), Some(name)] => format!("{}.{}", q(of), q(name)),
        _ => return None,
    };
    Some(kind + &name)
}

/// Roles, or `ALL PRIVILEGES, GRANT OPTION` of everything.
fn roles(words: &mut Words<'_>, (from, to): (usize, usize), found: &mut Grant) -> Option<()> {
    words.at = from;
    if found.revokes && words.accept("ALL") {
        found.everything = true;
        return Some(());
    }
    if found.revokes && words.accept("ADMIN") {
        found.option = words.accept("OPTION") && words.accept("FOR");
        found.option.then_some(())?;
    }
    let begins = words.at;
    for (start, end) in words.items(begins, to) {
        words.at = start;
        found.roles.push(words.who()?);
        (words.at == end).then_some(())?;
    }
    Some(())
}

/// The accounts, and what stands behind them.
fn receivers(words: &mut Words<'_>, found: &mut Grant) -> Option<()> {
    loop {
        found.to.push(words.who()?);
        // What is said of one of them reaches to the next.
        while words.at < words.len() && !words.is_symbol(words.at, b',') {
            let word = words.word(words.at);
            found.more |= matches!(word.as_str(), "IDENTIFIED" | "REQUIRE") || word.starts_with("MAX_");
            let before = words.at.checked_sub(1).map(|at| words.word(at)).unwrap_or_default();
            found.option |= word == "OPTION" && matches!(before.as_str(), "GRANT" | "ADMIN");
            words.at += 1;
        }
        if !words.symbol(b',') {
            return Some(());
        }
    }
}

impl Account {
    /// Adds what a line of `SHOW GRANTS` says of it.
    pub(super) fn add(&mut self, line: &Grant) {
        match &line.on {
            Some(on) => {
                let on = if line.revokes { format!("{REVOKED}{on}") } else { on.clone() };
                let own = on == GRANTABLE || on == DYNAMIC;
                let items = self.grants.entry(on).or_default();
                items.extend(line.items.iter().cloned());
                if line.option && !own {
                    items.insert(OPTION.to_owned());
                }
            }
            None => {
                for role in &line.roles {
                    let admin = self.roles.entry(key(role)).or_default();
                    *admin |= line.option;
                }
            }
        }
        self.grants.retain(|_, items| !items.is_empty());
    }

    /// Whether the token is a name that stands in quotes or not.
    pub(super) fn is_name(kind: TokenKind) -> bool {
        matches!(kind, TokenKind::Word | TokenKind::Name | TokenKind::Text)
    }
}
