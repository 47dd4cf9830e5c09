//! The tokens of one statement by index, with the depth of each.

use crate::lexer::{Lexer, Token, TokenKind};
use crate::name::identifier;
use crate::{Dialect, ObjectName, Span};

/// Reads one statement. Clauses stand at depth 0, outside parentheses and brackets.
pub(crate) struct Reader<'a> {
    text: &'a str,
    pub(crate) dialect: Dialect,
    tokens: Vec<Token>,
    /// Open parentheses and brackets before each token; one that opens or closes has the depth outside.
    depths: Vec<u32>,
    /// The depth that clauses stand at: 0, or that of the group being read.
    base: u32,
    /// The next token.
    pub(crate) at: usize,
}

impl<'a> Reader<'a> {
    /// `None`: quotes or parentheses do not match, it is more than one statement, or it holds executable comments or
    /// commands of a client program.
    pub(crate) fn new(text: &'a str, dialect: Dialect) -> Option<Self> {
        Self::read(text, dialect, false)
    }

    /// As [`Reader::new`], but what stands in executable comments is read as if the marks were not there.
    pub(crate) fn through_marks(text: &'a str, dialect: Dialect) -> Option<Self> {
        Self::read(text, dialect, true)
    }

    fn read(text: &'a str, dialect: Dialect, marks: bool) -> Option<Self> {
        let mut lexer = Lexer::new(text, dialect);
        let (mut tokens, mut depths, mut open) = (Vec::new(), Vec::new(), Vec::new());
        loop {
            lexer.skip_blanks();
            let Some(token) = lexer.next() else { break };
            if !token.closed {
                return None;
            }
            let mut depth = open.len();
            match token.kind {
                TokenKind::Comment => continue,
                TokenKind::OpenExecutable | TokenKind::CloseExecutable if marks => continue,
                TokenKind::OpenExecutable | TokenKind::CloseExecutable => return None,
                TokenKind::Symbol(b';' | b'\\' | b'{' | b'}') => return None,
                TokenKind::Symbol(b'(') => open.push(b')'),
                TokenKind::Symbol(b'[') => open.push(b']'),
                TokenKind::Symbol(byte @ (b')' | b']')) => {
                    if open.pop() != Some(byte) {
                        return None;
                    }
                    depth = open.len();
                }
                TokenKind::Word | TokenKind::Text | TokenKind::Name | TokenKind::Symbol(_) => {}
            }
            tokens.push(token);
            depths.push(u32::try_from(depth).ok()?);
        }
        (open.is_empty() && !tokens.is_empty()).then_some(Self {
            text,
            dialect,
            tokens,
            depths,
            base: 0,
            at: 0,
        })
    }

    pub(crate) fn len(&self) -> usize {
        self.tokens.len()
    }

    pub(crate) fn kind(&self, at: usize) -> Option<TokenKind> {
        self.tokens.get(at).map(|token| token.kind)
    }

    pub(crate) fn written(&self, at: usize) -> &'a str {
        self.tokens.get(at).map_or("", |token| token.span.of(self.text))
    }

    /// Whether token `at` is this keyword (upper case): behind a dot it would be a name.
    pub(crate) fn is(&self, at: usize, word: &str) -> bool {
        self.kind(at) == Some(TokenKind::Word)
            && self.written(at).eq_ignore_ascii_case(word)
            && !at.checked_sub(1).is_some_and(|before| self.is_symbol(before, b'.'))
    }

    pub(crate) fn is_any(&self, at: usize, words: &[&str]) -> bool {
        words.iter().any(|word| self.is(at, word))
    }

    pub(crate) fn is_symbol(&self, at: usize, symbol: u8) -> bool {
        self.kind(at) == Some(TokenKind::Symbol(symbol))
    }

    /// Takes the next words if they are `words`.
    pub(crate) fn accept(&mut self, words: &[&str]) -> bool {
        let found = words.iter().enumerate().all(|(index, word)| self.is(self.at + index, word));
        if found {
            self.at += words.len();
        }
        found
    }

    pub(crate) fn symbol(&mut self, symbol: u8) -> bool {
        let found = self.is_symbol(self.at, symbol);
        self.at += usize::from(found);
        found
    }

    /// Takes one identifier. Only SQLite lets a string stand for one.
    pub(crate) fn identifier(&mut self) -> Option<String> {
        let written = self.written(self.at);
        let fits = match self.kind(self.at)? {
            TokenKind::Word => !written.starts_with(|first: char| first.is_ascii_digit()),
            TokenKind::Name => true,
            TokenKind::Text => self.dialect == Dialect::Sqlite && written.starts_with('\''),
            _ => false,
        };
        if !fits {
            return None;
        }
        self.at += 1;
        Some(identifier(written, self.dialect))
    }

    /// Takes a qualified name.
    pub(crate) fn name(&mut self) -> Option<(ObjectName, Span)> {
        let start = self.at;
        let mut parts = vec![self.identifier()?];
        while self.is_symbol(self.at, b'.') && !self.is_symbol(self.at + 1, b'*') {
            self.at += 1;
            parts.push(self.identifier()?);
        }
        Some((ObjectName { parts }, self.span(start, self.at)?))
    }

    /// Takes a parenthesis with all that is in it; the tokens inside.
    pub(crate) fn group(&mut self) -> Option<(usize, usize)> {
        if !self.is_symbol(self.at, b'(') {
            return None;
        }
        let depth = *self.depths.get(self.at)?;
        let end = (self.at + 1..self.len()).find(|at| self.depths[*at] == depth)?;
        let inside = (self.at + 1, end);
        self.at = end + 1;
        Some(inside)
    }

    /// Runs `read` inside of a group, where its depth is the base.
    pub(crate) fn inside<T>(&mut self, from: usize, read: impl FnOnce(&mut Self) -> T) -> T {
        let (after, base) = (self.at, self.base);
        self.base = self.depths.get(from).copied().unwrap_or(base);
        self.at = from;
        let result = read(self);
        (self.at, self.base) = (after, base);
        result
    }

    /// The parts between commas, as pairs of token indexes.
    pub(crate) fn items(&self, from: usize, to: usize) -> Vec<(usize, usize)> {
        let mut items = Vec::new();
        let mut start = from;
        while start < to {
            let end = self.find_symbol(start, to, b',').unwrap_or(to);
            items.push((start, end));
            start = end + 1;
        }
        items
    }

    /// The word at `at`, upper case; empty if it is none.
    pub(crate) fn word(&self, at: usize) -> String {
        match self.kind(at) {
            Some(TokenKind::Word) => self.written(at).to_ascii_uppercase(),
            _ => String::new(),
        }
    }

    /// Names between two tokens, separated by commas, each with at most `parts` parts; of each the last.
    pub(crate) fn names_between(&mut self, from: usize, to: usize, parts: usize) -> Option<Vec<String>> {
        let after = std::mem::replace(&mut self.at, from);
        let mut names = Vec::new();
        while self.at < to {
            let (name, _) = self.name()?;
            if name.parts.len() > parts {
                return None;
            }
            names.push(name.base().to_owned());
            if self.at >= to {
                break;
            }
            if !self.symbol(b',') || self.at >= to {
                return None;
            }
        }
        self.at = after;
        Some(names)
    }

    /// The first of `words` at depth 0 from token `from` on: its index. A name behind `AS` is none.
    pub(crate) fn find(&self, from: usize, to: usize, words: &[&str]) -> Option<usize> {
        (from..to.min(self.len())).find(|at| {
            self.depths[*at] == self.base
                && self.is_any(*at, words)
                && !at.checked_sub(1).is_some_and(|before| self.is(before, "AS"))
        })
    }

    /// The first `symbol` at depth 0.
    pub(crate) fn find_symbol(&self, from: usize, to: usize, symbol: u8) -> Option<usize> {
        (from..to.min(self.len())).find(|at| self.depths[*at] == self.base && self.is_symbol(*at, symbol))
    }

    /// The comma or join behind a table reference.
    pub(crate) fn find_table_end(&self, from: usize, to: usize) -> Option<usize> {
        (from..to.min(self.len())).find(|at| {
            self.depths[*at] == self.base
                && (self.is_symbol(*at, b',') || self.is_any(*at, &["JOIN", "STRAIGHT_JOIN"]))
        })
    }

    /// The text of the tokens from `from` up to `to`; `None` if there are none.
    pub(crate) fn span(&self, from: usize, to: usize) -> Option<Span> {
        if from >= to {
            return None;
        }
        Some(Span::new(self.tokens.get(from)?.span.start, self.tokens.get(to - 1)?.span.end))
    }

    /// The text of the tokens from `from` up to `to`.
    pub(crate) fn text_between(&self, from: usize, to: usize) -> Option<String> {
        self.span(from, to).map(|span| span.of(self.text).to_owned())
    }

    /// The part behind keyword `at` up to `to`; an empty one is not understood.
    pub(crate) fn part(&self, at: Option<usize>, to: usize) -> Option<Option<Span>> {
        match at {
            None => Some(None),
            Some(at) => self.span(at + 1, to).map(Some),
        }
    }

    /// `RETURNING` at depth 0 from `from` on; `Some(None)`: there is none, `None`: it cannot be told. PostgreSQL and
    /// SQLite reserve the word; in MySQL, whose sibling MariaDB has the clause, it may be a column.
    pub(crate) fn returning(&self, from: usize) -> Option<Option<usize>> {
        const CLAUSES: [&str; 12] = [
            "FROM",
            "WHERE",
            "GROUP",
            "HAVING",
            "ORDER",
            "LIMIT",
            "UNION",
            "SET",
            "ON",
            "FOR",
            "INTO",
            "RETURNING",
        ];
        let Some(at) = self.find(from, self.len(), &["RETURNING"]) else { return Some(None) };
        let certain = self.dialect != Dialect::Mysql
            || (self.ends_operand(at - 1) && self.find(at + 1, self.len(), &CLAUSES).is_none());
        certain.then_some(Some(at))
    }

    /// Whether an expression may end with this token.
    fn ends_operand(&self, at: usize) -> bool {
        const OPERATORS: [&str; 24] = [
            "AND", "OR", "XOR", "NOT", "IN", "LIKE", "RLIKE", "REGEXP", "BETWEEN", "IS", "DIV", "MOD",
            "WHERE", "SET", "SELECT", "BY", "ON", "CASE", "WHEN", "THEN", "ELSE", "DISTINCT", "BINARY",
            "LIMIT",
        ];
        match self.kind(at) {
            Some(TokenKind::Word) => !self.is_any(at, &OPERATORS),
            Some(TokenKind::Text | TokenKind::Name) => true,
            Some(TokenKind::Symbol(symbol)) => matches!(symbol, b')' | b']'),
            _ => false,
        }
    }
}

/// A column that is assigned, and the words before it.
pub(crate) struct Target {
    pub(crate) qualifier: Vec<String>,
    pub(crate) column: String,
}

impl Reader<'_> {
    /// The targets of `a = 1, b = 2` between two tokens; `None` if it is anything else.
    pub(crate) fn targets(&mut self, from: usize, to: usize) -> Option<Vec<Target>> {
        let mut targets = Vec::new();
        self.at = from;
        loop {
            let end = self.find_symbol(self.at, to, b',').unwrap_or(to);
            if let Some((first, last)) = self.group() {
                if self.dialect == Dialect::Mysql {
                    return None;
                }
                let names = self.names_between(first, last, 1)?;
                targets.extend(names.into_iter().map(|column| Target { qualifier: Vec::new(), column }));
            } else {
                targets.push(self.target()?);
            }
            let assigns = self.symbol(b'=')
                || (self.dialect == Dialect::Mysql && self.symbol(b':') && self.symbol(b'='));
            if !assigns || self.at >= end {
                return None;
            }
            self.at = end + 1;
            if end == to {
                self.at = to;
                return Some(targets);
            }
        }
    }

    fn target(&mut self) -> Option<Target> {
        let (ObjectName { mut parts }, _) = self.name()?;
        match self.dialect {
            Dialect::Sqlite if parts.len() > 1 => None,
            // `db.t.c = 1`: the last one is the column.
            Dialect::Mysql | Dialect::Sqlite => {
                let column = parts.pop()?;
                Some(Target { qualifier: parts, column })
            }
            // `c.field = 1`, `c[1].field = 1`: the first one is the column, a part of it is changed.
            Dialect::Postgresql => {
                while self.is_symbol(self.at, b'[') || self.is_symbol(self.at, b'.') {
                    if self.symbol(b'.') {
                        self.identifier()?;
                    } else {
                        let depth = self.depths[self.at];
                        self.at = (self.at + 1..self.len()).find(|at| self.depths[*at] == depth)? + 1;
                    }
                }
                let column = parts.into_iter().next()?;
                Some(Target { qualifier: Vec::new(), column })
            }
        }
    }
}

/// More columns than any server lets a table have (MySQL: 4096), so that looking for one twice stays cheap.
const COLUMNS_MAX: usize = 4096;

/// Column names in order, each once; `None`: there are too many.
pub(crate) fn columns(targets: &[Target], known: &mut Vec<String>) -> Option<()> {
    for target in targets {
        if !known.contains(&target.column) {
            known.push(target.column.clone());
        }
        if known.len() > COLUMNS_MAX {
            return None;
        }
    }
    Some(())
}

/// Columns that are assigned more than once, of the same table as far as the text says.
pub(crate) fn repeated(targets: &[Target]) -> Vec<String> {
    let mut seen = std::collections::BTreeSet::new();
    let mut again = Vec::new();
    for target in targets {
        if !seen.insert((&target.qualifier, target.column.to_ascii_lowercase())) {
            again.push(target.column.clone());
        }
    }
    again
}
