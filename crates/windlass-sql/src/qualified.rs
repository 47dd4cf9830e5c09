//! Names with a schema in front, so that a statement can be told to run in another one.

use crate::lexer::{Lexer, Token, TokenKind};
use crate::name::identifier;
use crate::{Dialect, ObjectName, Span};

/// Where a dotted name stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Where a table, view, index or another object is named: what stands in front is a schema or database.
    Relation,
    /// In front of a parenthesis: a function or type, or a table with its columns behind it.
    Routine,
    /// Anywhere else: a column of a table or of an alias, a schema's table's column, an attribute of `NEW`.
    Expression,
}

/// A dotted name of a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Qualified {
    /// All its parts.
    pub name: ObjectName,
    /// All of it.
    pub span: Span,
    /// The parts before the last with the dot behind them: without it the bare name is left.
    pub qualifier: Span,
    /// Where it stands.
    pub place: Place,
}

/// The dotted names of `statement` in order; spans are relative to it. Names inside of strings (bodies of functions)
/// and numbers are none.
#[must_use]
pub fn qualified_names(statement: &str, dialect: Dialect) -> Vec<Qualified> {
    let tokens = tokens(statement, dialect);
    let mut finder = Finder { text: statement, dialect, tokens: &tokens, levels: vec![Level::default()] };
    let mut names = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        at = finder.step(at, &mut names);
    }
    names
}

/// The first words of `statement`, at most `count`, upper case, up to the first token that is no word.
#[must_use]
pub fn keywords(statement: &str, dialect: Dialect, count: usize) -> Vec<String> {
    let mut lexer = Lexer::new(statement, dialect);
    let mut words = Vec::new();
    while words.len() < count {
        lexer.skip_blanks();
        let Some(token) = lexer.next() else { break };
        match token.kind {
            TokenKind::Comment | TokenKind::OpenExecutable => {}
            TokenKind::Word => words.push(token.span.of(statement).to_ascii_uppercase()),
            _ => break,
        }
    }
    words
}

/// All words of `statement` outside of strings, quoted names and comments, upper case. Those in executable comments of MySQL
/// are among them, the version in front is not.
#[must_use]
pub fn code_words(statement: &str, dialect: Dialect) -> Vec<String> {
    let words = tokens(statement, dialect).into_iter().filter(|token| token.kind == TokenKind::Word);
    words.map(|token| token.span.of(statement).to_ascii_uppercase()).collect()
}

fn tokens(text: &str, dialect: Dialect) -> Vec<Token> {
    let mut lexer = Lexer::new(text, dialect);
    let mut tokens = Vec::new();
    loop {
        lexer.skip_blanks();
        let Some(token) = lexer.next() else { return tokens };
        if !matches!(token.kind, TokenKind::Comment | TokenKind::OpenExecutable | TokenKind::CloseExecutable)
        {
            tokens.push(token);
        }
    }
}

/// What is known inside of one parenthesis.
#[derive(Clone, Copy, Default)]
struct Level {
    /// A query or another statement began here, so that `FROM` names tables.
    query: bool,
    /// Commas separate tables.
    tables: bool,
    /// The next name is an object's.
    expects: bool,
}

struct Finder<'a> {
    text: &'a str,
    dialect: Dialect,
    tokens: &'a [Token],
    levels: Vec<Level>,
}

impl Finder<'_> {
    fn level(&mut self) -> &mut Level {
        if self.levels.is_empty() {
            self.levels.push(Level::default());
        }
        let last = self.levels.len() - 1;
        &mut self.levels[last]
    }

    /// Looks at token `at`; the index to go on with.
    fn step(&mut self, at: usize, names: &mut Vec<Qualified>) -> usize {
        let token = self.tokens[at];
        match token.kind {
            TokenKind::Symbol(b'(') => {
                // `FROM (a.b JOIN c.d …)`
                let tables = std::mem::take(&mut self.level().expects);
                self.levels.push(Level { query: false, tables, expects: tables });
            }
            TokenKind::Symbol(b')') => drop(self.levels.pop()),
            TokenKind::Symbol(b',') => {
                let level = self.level();
                level.expects = level.tables;
            }
            TokenKind::Word | TokenKind::Name => return self.word(at, names),
            _ => self.level().expects = false,
        }
        at + 1
    }

    fn word(&mut self, at: usize, names: &mut Vec<Qualified>) -> usize {
        let token = self.tokens[at];
        let end = self.chain(at);
        if end > at + 1 {
            names.extend(self.qualified(at, end));
        } else if token.kind == TokenKind::Word {
            self.keyword(at);
            return end;
        }
        self.level().expects = false;
        end
    }

    /// What a word alone says about the names behind it.
    fn keyword(&mut self, at: usize) {
        let word = self.tokens[at].span.of(self.text).to_ascii_uppercase();
        let before =
            at.checked_sub(1).map(|before| self.tokens[before].span.of(self.text).to_ascii_uppercase());
        let before = before.unwrap_or_default();
        let head = at == 0;
        let (create, creates) =
            (self.begins_with(&["CREATE", "COMMENT"]), self.begins_with(&["CREATE", "COMMENT", "DROP"]));
        let level = self.level();
        match word.as_str() {
            // The events of a trigger.
            "INSERT" | "UPDATE" | "DELETE"
                if creates && ["BEFORE", "AFTER", "OF", "OR"].contains(&before.as_str()) => {}
            "SELECT" | "DELETE" | "INSERT" | "REPLACE" | "MERGE" | "WITH" => {
                *level = Level { query: true, ..Level::default() }
            }
            "UPDATE" => *level = Level { query: true, tables: true, expects: before != "FOR" },
            "FROM" if before == "DISTINCT" => {}
            "FROM" | "USING" if level.query => *level = Level { query: true, tables: true, expects: true },
            "JOIN" | "STRAIGHT_JOIN" => level.expects = true,
            "INTO" | "REFERENCES" => level.expects = true,
            "TABLE" | "TABLES" | "VIEW" | "SEQUENCE" | "INDEX" | "TRIGGER" | "TYPE" | "DOMAIN" | "COLUMN"
            | "TRUNCATE" | "ANALYZE" | "VACUUM" | "REINDEX" | "CLUSTER" | "COPY" | "FUNCTION"
            | "PROCEDURE" | "ROUTINE"
                if !level.query =>
            {
                *level = Level { query: false, tables: !create, expects: true };
            }
            "ONLY" | "LATERAL" | "EXISTS" | "CONCURRENTLY" | "LOW_PRIORITY" | "IGNORE" | "IF" | "NOT"
            | "TO" | "AS"
                if level.expects || head => {}
            // CREATE INDEX … ON t, CREATE TRIGGER … ON t, COMMENT … ON t; in a join it begins a condition.
            "ON" => level.expects = creates && !level.query,
            "LIKE" | "INHERITS" | "OF" | "OWNED" | "PARTITION" | "ATTACH" | "DETACH" | "BY"
                if !level.query =>
            {
                level.expects = matches!(word.as_str(), "LIKE" | "INHERITS" | "OF" | "PARTITION");
            }
            "WHERE" | "SET" | "VALUES" | "GROUP" | "ORDER" | "HAVING" | "LIMIT" | "RETURNING" | "WINDOW" => {
                level.tables = false;
                level.expects = false;
            }
            _ => level.expects = false,
        }
    }

    fn begins_with(&self, heads: &[&str]) -> bool {
        self.tokens.first().is_some_and(|token| {
            let word = token.span.of(self.text);
            heads.iter().any(|head| word.eq_ignore_ascii_case(head))
        })
    }

    /// One past the last token of the dotted name that begins at `at`.
    fn chain(&self, at: usize) -> usize {
        let number = self.tokens[at].span.of(self.text).starts_with(|first: char| first.is_ascii_digit());
        let mut end = at + 1;
        let kind = |at: usize| self.tokens.get(at).map(|token| token.kind);
        while !number
            && kind(end) == Some(TokenKind::Symbol(b'.'))
            && matches!(kind(end + 1), Some(TokenKind::Word | TokenKind::Name))
        {
            end += 2;
        }
        end
    }

    fn qualified(&mut self, at: usize, end: usize) -> Option<Qualified> {
        let expects = self.level().expects;
        let opens = self.tokens.get(end).is_some_and(|token| token.kind == TokenKind::Symbol(b'('));
        let place = match (expects, opens) {
            (true, _) => Place::Relation,
            (false, true) => Place::Routine,
            (false, false) => Place::Expression,
        };
        let parts =
            (at..end).step_by(2).map(|at| identifier(self.tokens[at].span.of(self.text), self.dialect));
        let start = self.tokens.get(at)?.span.start;
        let last = self.tokens.get(end - 1)?.span;
        Some(Qualified {
            name: ObjectName { parts: parts.collect() },
            span: Span::new(start, last.end),
            qualifier: Span::new(start, last.start),
            place,
        })
    }
}
