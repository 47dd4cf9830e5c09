//! Statements that hold statements: their inner `;` does not end them.

use crate::Dialect;

/// Follows the words of one statement and says whether a `;` here belongs to a body.
#[derive(Default)]
pub(crate) struct Body {
    /// The first words, upper case.
    head: Vec<String>,
    /// `BEGIN` and `CASE` that are open (PostgreSQL).
    depth: usize,
    /// The last two tokens were `;` and `END` (SQLite), counted up.
    end: u8,
}

/// More words than any head that matters has.
const HEAD_MAX: usize = 8;

impl Body {
    /// A word outside parentheses.
    pub(crate) fn word(&mut self, word: &str, dialect: Dialect, parentheses: usize) {
        if self.head.len() < HEAD_MAX {
            self.head.push(word.to_ascii_uppercase());
        }
        self.end = if self.end == 1 && word.eq_ignore_ascii_case("END") { 2 } else { 0 };
        if dialect == Dialect::Sqlite || parentheses > 0 || !self.is_routine(dialect) {
            return;
        }
        // As psql counts: only in CREATE FUNCTION and PROCEDURE, where BEGIN ATOMIC may stand.
        if word.eq_ignore_ascii_case("BEGIN") || (self.depth > 0 && word.eq_ignore_ascii_case("CASE")) {
            self.depth += 1;
        } else if word.eq_ignore_ascii_case("END") {
            self.depth = self.depth.saturating_sub(1);
        }
    }

    /// Any other token.
    pub(crate) fn other(&mut self) {
        self.end = 0;
    }

    /// A `;` that did not end the statement.
    pub(crate) fn semicolon(&mut self) {
        self.end = 1;
    }

    /// Whether a `;` here belongs to the body.
    pub(crate) fn holds(&self, dialect: Dialect) -> bool {
        match dialect {
            Dialect::Sqlite => self.is_trigger() && self.end != 2,
            Dialect::Postgresql => self.depth > 0,
            Dialect::Mysql => false,
        }
    }

    /// MySQL without `DELIMITER`: the statement was cut inside the body of a routine.
    pub(crate) fn is_cut(&self) -> bool {
        self.depth > 0
    }

    fn head_is(&self, at: usize, words: &[&str]) -> bool {
        self.head.get(at).is_some_and(|word| words.contains(&word.as_str()))
    }

    /// `[EXPLAIN [QUERY PLAN]] CREATE [TEMP] TRIGGER`, as SQLite's own completeness test reads it.
    fn is_trigger(&self) -> bool {
        let mut at = 0;
        if self.head_is(0, &["EXPLAIN"]) {
            at = if self.head_is(1, &["QUERY"]) { 3 } else { 1 };
        }
        if !self.head_is(at, &["CREATE"]) {
            return false;
        }
        at += 1;
        at += usize::from(self.head_is(at, &["TEMP", "TEMPORARY"]));
        self.head_is(at, &["TRIGGER"])
    }

    fn is_routine(&self, dialect: Dialect) -> bool {
        let replace = if self.head_is(1, &["OR"]) && self.head_is(2, &["REPLACE"]) { 3 } else { 1 };
        if !self.head_is(0, &["CREATE"]) {
            return false;
        }
        if dialect == Dialect::Postgresql {
            return self.head_is(replace, &["FUNCTION", "PROCEDURE"]);
        }
        // `DEFINER = …` and `AGGREGATE` may stand before the kind.
        const OTHER: [&str; 6] = ["TABLE", "TEMPORARY", "VIEW", "INDEX", "UNIQUE", "DATABASE"];
        const ROUTINES: [&str; 4] = ["FUNCTION", "PROCEDURE", "TRIGGER", "EVENT"];
        !self.head_is(replace, &OTHER)
            && self.head.iter().skip(replace).any(|word| ROUTINES.contains(&word.as_str()))
    }
}
