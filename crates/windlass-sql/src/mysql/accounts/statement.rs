//! What a statement on accounts is about.

use super::grant::{Grant, grant};
use super::{Account, Who};
use crate::Dialect;
use crate::lexer::{Token, TokenKind};
use crate::mysql::words::tokens;
use crate::name::identifier;

/// What it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccountVerb {
    /// `CREATE USER`
    CreateUser,
    /// `CREATE ROLE`
    CreateRole,
    /// `DROP USER`
    DropUser,
    /// `DROP ROLE`
    DropRole,
    /// `ALTER USER`
    Alter,
    /// `RENAME USER`
    Rename,
    /// `GRANT`
    Grant,
    /// `REVOKE`
    Revoke,
    /// `SET PASSWORD`
    Password,
    /// `SET DEFAULT ROLE`
    DefaultRole,
}

/// A statement on accounts, with accounts as the statement (`Who`) or as the server names them (`String`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct About<T> {
    /// What it does.
    pub verb: AccountVerb,
    /// The accounts that it changes.
    pub targets: Vec<T>,
    /// New names (of `RENAME`, in the order of `targets`), roles that are granted, who may give a new role.
    pub others: Vec<T>,
    /// Of `GRANT` and `REVOKE`.
    pub grant: Option<Grant>,
}

/// As it is written.
pub type AccountStatement = About<Who>;

impl AccountStatement {
    /// With the names of the server.
    #[must_use]
    pub fn resolved(&self, mut name: impl FnMut(&Who, bool) -> String) -> About<String> {
        use AccountVerb::{CreateRole, DropRole, Rename};
        let is_role = matches!(self.verb, CreateRole | DropRole);
        About {
            verb: self.verb,
            targets: self.targets.iter().map(|who| name(who, is_role)).collect(),
            others: self
                .others
                .iter()
                .map(|who| name(who, !matches!(self.verb, Rename | CreateRole)))
                .collect(),
            grant: self.grant.clone(),
        }
    }
}

/// Reads one; names without a database are of `database`. `None`: it is none, or cannot be read.
#[must_use]
pub fn account_statement(statement: &str, database: &str) -> Option<AccountStatement> {
    let mut words = Words::new(statement)?;
    let mut about = About { verb: AccountVerb::Alter, targets: vec![], others: vec![], grant: None };
    match words.take().as_str() {
        head @ ("GRANT" | "REVOKE") => {
            let found = grant(statement, database)?;
            about.verb = if head == "GRANT" { AccountVerb::Grant } else { AccountVerb::Revoke };
            (about.targets, about.others) = (found.to.clone(), found.roles.clone());
            about.grant = Some(found);
        }
        "CREATE" => {
            if words.accept("OR") {
                words.accept("REPLACE").then_some(())?;
            }
            about.verb = kind(&mut words, AccountVerb::CreateUser, AccountVerb::CreateRole)?;
            named(&mut words, &mut about)?;
        }
        "DROP" => {
            about.verb = kind(&mut words, AccountVerb::DropUser, AccountVerb::DropRole)?;
            named(&mut words, &mut about)?;
        }
        "ALTER" => {
            words.accept("USER").then_some(())?;
            named(&mut words, &mut about)?;
        }
        "RENAME" => {
            about.verb = AccountVerb::Rename;
            words.accept("USER").then_some(())?;
            loop {
                about.targets.push(words.who()?);
                words.accept("TO").then_some(())?;
                about.others.push(words.who()?);
                if !words.symbol(b',') {
                    break;
                }
            }
            (words.at == words.len()).then_some(())?;
        }
        "SET" => setting(&mut words, &mut about)?,
        _ => return None,
    }
    Some(about)
}

fn kind(words: &mut Words<'_>, user: AccountVerb, role: AccountVerb) -> Option<AccountVerb> {
    match words.take().as_str() {
        "USER" => Some(user),
        "ROLE" => Some(role),
        _ => None,
    }
}

/// The names behind `USER` and `ROLE`, each with what is said of it alone.
fn named(words: &mut Words<'_>, about: &mut AccountStatement) -> Option<()> {
    if words.accept("IF") {
        words.accept("NOT");
        words.accept("EXISTS").then_some(())?;
    }
    loop {
        about.targets.push(words.who()?);
        while words.at < words.len() && !words.is_symbol(words.at, b',') {
            if words.accept("WITH") && words.accept("ADMIN") {
                about.others.push(words.who()?);
                continue;
            }
            // What holds for all of them comes last, and may have commas.
            let next = words.word(words.at + 1);
            let is_last = match words.word(words.at).as_str() {
                "REQUIRE" | "ACCOUNT" | "COMMENT" | "ATTRIBUTE" => true,
                "DEFAULT" => next == "ROLE",
                "PASSWORD" => matches!(next.as_str(), "EXPIRE" | "HISTORY" | "REUSE" | "REQUIRE"),
                _ => false,
            };
            if is_last {
                return Some(());
            }
            words.skip();
        }
        if !words.symbol(b',') {
            return Some(());
        }
    }
}

/// Behind `SET`.
fn setting(words: &mut Words<'_>, about: &mut AccountStatement) -> Option<()> {
    if words.accept("PASSWORD") {
        about.verb = AccountVerb::Password;
        about.targets.push(if words.accept("FOR") { words.who()? } else { Who::Current });
        return Some(());
    }
    about.verb = AccountVerb::DefaultRole;
    (words.accept("DEFAULT") && words.accept("ROLE")).then_some(())?;
    loop {
        if !words.accept("NONE") && !words.accept("ALL") {
            about.others.push(words.who()?);
        }
        if !words.symbol(b',') {
            break;
        }
    }
    if !words.accept("TO") && !words.accept("FOR") {
        about.targets.push(Who::Current);
        return (words.at == words.len()).then_some(());
    }
    loop {
        about.targets.push(words.who()?);
        if !words.symbol(b',') {
            return (words.at == words.len()).then_some(());
        }
    }
}

/// The tokens of a statement, from left to right.
pub(super) struct Words<'a> {
    text: &'a str,
    tokens: Vec<Token>,
    pub(super) at: usize,
}

impl<'a> Words<'a> {
    /// `None`: something does not end, or there is more than one statement.
    pub(super) fn new(text: &'a str) -> Option<Self> {
        let tokens = tokens(text);
        let whole = |token: &Token| token.closed && token.kind != TokenKind::Symbol(b';');
        tokens.iter().all(whole).then_some(Self { text, tokens, at: 0 })
    }

    pub(super) fn len(&self) -> usize {
        self.tokens.len()
    }

    pub(super) fn kind(&self, at: usize) -> Option<TokenKind> {
        self.tokens.get(at).map(|token| token.kind)
    }

    pub(super) fn written(&self, at: usize) -> &'a str {
        self.tokens.get(at).map_or("", |token| token.span.of(self.text))
    }

    /// The keyword at `at`, upper case; empty if there is none.
    pub(super) fn word(&self, at: usize) -> String {
        if self.kind(at) == Some(TokenKind::Word) {
            self.written(at).to_ascii_uppercase()
        } else {
            String::new()
        }
    }

    pub(super) fn is(&self, at: usize, word: &str) -> bool {
        self.kind(at) == Some(TokenKind::Word) && self.written(at).eq_ignore_ascii_case(word)
    }

    pub(super) fn is_symbol(&self, at: usize, symbol: u8) -> bool {
        self.kind(at) == Some(TokenKind::Symbol(symbol))
    }

    pub(super) fn accept(&mut self, word: &str) -> bool {
        let found = self.is(self.at, word);
        self.at += usize::from(found);
        found
    }

    pub(super) fn symbol(&mut self, symbol: u8) -> bool {
        let found = self.is_symbol(self.at, symbol);
        self.at += usize::from(found);
        found
    }

    fn take(&mut self) -> String {
        self.at += 1;
        self.word(self.at - 1)
    }

    /// One token, or a parenthesis with all that is in it.
    fn skip(&mut self) {
        let mut depth = 0_usize;
        while self.at < self.len() {
            depth += usize::from(self.is_symbol(self.at, b'('));
            depth = depth.saturating_sub(usize::from(self.is_symbol(self.at, b')')));
            self.at += 1;
            if depth == 0 {
                return;
            }
        }
    }

    /// A name in quotes or without; `None` if it has escapes, which depend on the settings of the session.
    pub(super) fn name(&self, at: usize) -> Option<String> {
        let kind = self.kind(at).filter(|kind| Account::is_name(*kind))?;
        let written = self.written(at);
        let is_plain = kind != TokenKind::Text || !written.contains('\\');
        is_plain.then(|| identifier(written, Dialect::Mysql))
    }

    /// Takes an account.
    pub(super) fn who(&mut self) -> Option<Who> {
        let open = self.is_symbol(self.at + 1, b'(') && self.is_symbol(self.at + 2, b')');
        if self.is(self.at, "CURRENT_USER") || (open && self.is(self.at, "USER")) {
            self.at += if open { 3 } else { 1 };
            return Some(Who::Current);
        }
        if self.is(self.at, "CURRENT_ROLE") {
            return None;
        }
        let user = self.name(self.at)?;
        self.at += 1;
        if !self.symbol(b'@') {
            return Some(Who::Named(user, None));
        }
        let host = self.name(self.at)?;
        self.at += 1;
        Some(Who::Named(user, Some(host)))
    }

    /// The first keyword outside of parentheses.
    pub(super) fn find(&self, from: usize, to: usize, word: &str) -> Option<usize> {
        let mut depth = 0_usize;
        (from..to).find(|at| {
            depth += usize::from(self.is_symbol(*at, b'('));
            depth = depth.saturating_sub(usize::from(self.is_symbol(*at, b')')));
            depth == 0 && self.is(*at, word)
        })
    }

    /// What stands between commas outside of parentheses.
    pub(super) fn items(&self, from: usize, to: usize) -> Vec<(usize, usize)> {
        let (mut depth, mut start, mut found) = (0_usize, from, vec![]);
        for at in from..to {
            depth += usize::from(self.is_symbol(at, b'('));
            depth = depth.saturating_sub(usize::from(self.is_symbol(at, b')')));
            if depth == 0 && self.is_symbol(at, b',') {
                found.push((start, at));
                start = at + 1;
            }
        }
        found.push((start, to));
        found
    }

    /// The text from token `from` up to `to`.
    pub(super) fn between(&self, from: usize, to: usize) -> &'a str {
        let (Some(first), Some(last)) = (self.tokens.get(from), self.tokens.get(to.wrapping_sub(1))) else {
            return "";
        };
        self.text.get(first.span.start..last.span.end).unwrap_or_default()
    }

    /// Where a token begins and ends, in bytes.
    pub(super) fn place(&self, at: usize) -> (usize, usize) {
        self.tokens.get(at).map_or((0, 0), |token| (token.span.start, token.span.end))
    }
}
