//! A table, as the server itself writes it: the answer of `SHOW CREATE TABLE` in its parts.
//!
//! The text of a part is what the server takes for its definition, so it can be given back to it. Texts of different
//! servers differ for the same thing (widths, quotes, defaults): only those of one server are compared.

use super::words::tokens;
use crate::Dialect;
use crate::lexer::{Token, TokenKind};
use crate::name::{identifier, quote};

/// A table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// Columns in order.
    pub columns: Vec<Part>,
    /// Keys, foreign keys, checks.
    pub parts: Vec<Part>,
    /// `ENGINE`, `COMMENT`, … with their values, without `AUTO_INCREMENT`, which goes with the rows.
    pub options: Vec<(String, String)>,
    /// `PARTITION BY …`, empty if there is none.
    pub partitions: String,
}

/// One line of the definition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// What it is.
    pub kind: PartKind,
    /// Its name; empty for a primary key.
    pub name: String,
    /// Of a column what stands behind its name, else all of it.
    pub text: String,
}

/// What a line of the definition is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PartKind {
    /// A column
    Column,
    /// `PRIMARY KEY`
    Primary,
    /// Any other key
    Index,
    /// `FOREIGN KEY`
    Foreign,
    /// `CHECK`
    Check,
    /// Anything else
    Other,
}

impl Table {
    /// Reads `CREATE TABLE …`. `None`: it is not of the known form.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let tokens = tokens(text);
        let open = tokens.iter().position(|token| token.kind == TokenKind::Symbol(b'('))?;
        let name = identifier(tokens.get(open.checked_sub(1)?)?.span.of(text), Dialect::Mysql);
        let mut table = Self { name, ..Self::default() };
        let (mut depth, mut start) = (0_usize, tokens.get(open)?.span.end);
        let mut end = None;
        for (at, token) in tokens.iter().enumerate().skip(open) {
            match token.kind {
                TokenKind::Symbol(b'(') => depth += 1,
                TokenKind::Symbol(b')') => {
                    depth -= 1;
                    if depth == 0 {
                        table.add(text.get(start..token.span.start)?);
                        end = Some(at + 1);
                        break;
                    }
                }
                TokenKind::Symbol(b',') if depth == 1 => {
                    table.add(text.get(start..token.span.start)?);
                    start = token.span.end;
                }
                _ => {}
            }
        }
        let rest = tokens.get(end?..)?;
        table.end(text, rest);
        Some(table)
    }

    fn add(&mut self, item: &str) {
        let item = item.trim();
        let tokens = tokens(item);
        let word = |at: usize| tokens.get(at).map_or("", |token| token.span.of(item)).to_ascii_uppercase();
        let name = |at: usize| tokens.get(at).map(|token| identifier(token.span.of(item), Dialect::Mysql));
        let named =
            |kind, at: usize| Part { kind, name: name(at).unwrap_or_default(), text: item.to_owned() };
        let Some(first) = tokens.first() else { return };
        if first.kind == TokenKind::Name {
            let text = item.get(first.span.end..).unwrap_or_default().trim().to_owned();
            self.columns.push(Part { kind: PartKind::Column, name: name(0).unwrap_or_default(), text });
            return;
        }
        let part = match (word(0).as_str(), word(2).as_str()) {
            ("PRIMARY", _) => Part { kind: PartKind::Primary, name: String::new(), text: item.to_owned() },
            ("UNIQUE" | "FULLTEXT" | "SPATIAL", _) => named(PartKind::Index, 2),
            ("KEY", _) => named(PartKind::Index, 1),
            ("CONSTRAINT", "FOREIGN") => named(PartKind::Foreign, 1),
            ("CONSTRAINT", _) => named(PartKind::Check, 1),
            _ => named(PartKind::Other, 0),
        };
        self.parts.push(part);
    }

    /// Options and partitions.
    fn end(&mut self, text: &str, rest: &[Token]) {
        let is = |token: &Token, word: &str| {
            token.kind == TokenKind::Word && token.span.of(text).eq_ignore_ascii_case(word)
        };
        let split = rest.windows(2).position(|pair| is(&pair[0], "PARTITION") && is(&pair[1], "BY"));
        let (options, partitions) = rest.split_at(split.unwrap_or(rest.len()));
        if let Some(first) = partitions.first() {
            let tail = text.get(first.span.start..).unwrap_or_default().trim_end();
            self.partitions = tail.strip_suffix("*/").unwrap_or(tail).trim_end().to_owned();
        }
        let (mut key, mut at) = (Vec::new(), 0);
        while let Some(token) = options.get(at) {
            at += 1;
            if token.kind != TokenKind::Symbol(b'=') {
                key.push(token.span.of(text).to_ascii_uppercase());
                continue;
            }
            let mut value = options.get(at).map_or("", |token| token.span.of(text)).to_owned();
            at += 1;
            if value == "(" {
                while let Some(token) = options.get(at) {
                    at += 1;
                    value.push_str(token.span.of(text));
                    if token.kind == TokenKind::Symbol(b')') {
                        break;
                    }
                }
            }
            let name = std::mem::take(&mut key).join(" ");
            if name != "AUTO_INCREMENT" {
                self.options.push((name, value));
            }
        }
        if !key.is_empty() {
            self.options.push((key.join(" "), String::new()));
        }
    }

    /// The value of an option.
    #[must_use]
    pub fn option(&self, name: &str) -> Option<&str> {
        self.options.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The statement that creates it.
    #[must_use]
    pub fn create(&self) -> String {
        let columns = self.columns.iter().map(|part| format!("{} {}", name(&part.name), part.text));
        let lines: Vec<String> = columns.chain(self.parts.iter().map(|part| part.text.clone())).collect();
        let mut text = format!("CREATE TABLE {} (\n  {}\n)", name(&self.name), lines.join(",\n  "));
        for (key, value) in &self.options {
            text.push(' ');
            text.push_str(&option(key, value));
        }
        if !self.partitions.is_empty() {
            text.push_str("\n ");
            text.push_str(&self.partitions);
        }
        text
    }

    /// The same definition has the same text. The order of keys, which no statement can set, is no part of it; that of
    /// columns is. Nor is whether a character set is said beside its collation, or the collation of the table again: behind `CONVERT TO CHARACTER SET … COLLATE` MySQL
    /// leaves it out, and writes it for a table that is made by that very text.
    #[must_use]
    pub fn print(&self) -> String {
        let mut table = self.clone();
        table.name = String::new();
        for column in &mut table.columns {
            column.text = without_implied_charset(&column.text);
            if let Some(collation) = self.option("COLLATE") {
                column.text = without_collation(&column.text, collation);
            }
        }
        table.parts.sort_by(|a, b| (a.kind, &a.name, &a.text).cmp(&(b.kind, &b.name, &b.text)));
        table.create()
    }

    /// The same but for the order of columns.
    #[must_use]
    pub fn is_reordered(&self, other: &Self) -> bool {
        let sorted = |table: &Self| {
            let mut table = table.clone();
            table.columns.sort_by(|a, b| a.name.cmp(&b.name));
            table.print()
        };
        self.print() != other.print() && sorted(self) == sorted(other)
    }

    pub(super) fn part(&self, kind: PartKind, name: &str) -> Option<&Part> {
        self.parts.iter().find(|part| part.kind == kind && part.name == name)
    }
}

/// The definition without a character set that the collation behind it says.
fn without_implied_charset(definition: &str) -> String {
    let tokens = tokens(definition);
    let is = |token: &Token, word: &str| {
        token.kind == TokenKind::Word && token.span.of(definition).eq_ignore_ascii_case(word)
    };
    let implied = tokens.windows(5).find(|window| {
        let (charset, collation) = (window[2].span.of(definition), window[4].span.of(definition));
        is(&window[0], "CHARACTER")
            && is(&window[1], "SET")
            && is(&window[3], "COLLATE")
            && collation.strip_prefix(charset).is_some_and(|rest| rest.starts_with('_'))
    });
    match implied {
        Some(window) => {
            let (head, tail) =
                (definition.get(..window[0].span.start), definition.get(window[3].span.start..));
            head.unwrap_or_default().to_owned() + tail.unwrap_or_default()
        }
        None => definition.to_owned(),
    }
}

/// The definition without this collation, which the table has.
fn without_collation(definition: &str, collation: &str) -> String {
    let tokens = tokens(definition);
    let written = |token: &Token| token.span.of(definition);
    let said = tokens.windows(2).find(|window| {
        window.iter().all(|token| token.kind == TokenKind::Word)
            && written(&window[0]).eq_ignore_ascii_case("COLLATE")
            && written(&window[1]) == collation
    });
    let Some(window) = said else { return definition.to_owned() };
    let head = definition.get(..window[0].span.start).unwrap_or_default().trim_end();
    head.to_owned() + definition.get(window[1].span.end..).unwrap_or_default()
}

pub(super) fn option(key: &str, value: &str) -> String {
    if value.is_empty() { key.to_owned() } else { format!("{key}={value}") }
}

pub(super) fn name(text: &str) -> String {
    quote(text, Dialect::Mysql)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "CREATE TABLE `t``x` (\n  `id` int(11) NOT NULL AUTO_INCREMENT,\n  `a, (b` varchar(10) DEFAULT 'it''s, ('\n   COMMENT 'x)',\n  \
        PRIMARY KEY (`id`),\n  UNIQUE KEY `u` (`a, (b`(3)),\n  KEY `k` (`id`) /*!80000 INVISIBLE */,\n  CONSTRAINT `f` FOREIGN KEY (`id`) REFERENCES `p` (`id`),\n  \
        CONSTRAINT `c` CHECK (`id` > 0)\n) ENGINE=InnoDB AUTO_INCREMENT=7 DEFAULT CHARSET=utf8mb4 COMMENT='PARTITION BY = '\n/*!50100 PARTITION BY HASH (`id`)\nPARTITIONS 2 */";

    #[test]
    fn a_table_in_its_parts_and_back() {
        let table = Table::read(TEXT).unwrap();
        assert_eq!(table.name, "t`x");
        assert_eq!(table.columns[1].text, "varchar(10) DEFAULT 'it''s, ('\n   COMMENT 'x)'");
        let parts: Vec<_> = table.parts.iter().map(|part| (part.kind, part.name.as_str())).collect();
        use PartKind::{Check, Foreign, Index, Primary};
        assert_eq!(parts, [(Primary, ""), (Index, "u"), (Index, "k"), (Foreign, "f"), (Check, "c")]);
        assert!(table.parts[2].text.ends_with("/*!80000 INVISIBLE */"));
        assert_eq!(table.option("COMMENT"), Some("'PARTITION BY = '"));
        assert_eq!(table.option("AUTO_INCREMENT"), None);
        assert_eq!(table.partitions, "PARTITION BY HASH (`id`)\nPARTITIONS 2");
        assert_eq!(Table::read(&table.create()), Some(table));
    }

    #[test]
    fn a_character_set_that_its_collation_says_is_no_difference() {
        let table = |column: &str| {
            let text = format!("CREATE TABLE `t` (\n  `a` {column}\n) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4");
            Table::read(&text).unwrap().print()
        };
        let said = "varchar(9) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin DEFAULT 'CHARACTER SET latin1 COLLATE latin1_bin'";
        assert_eq!(table(said), table(&said.replacen("CHARACTER SET utf8mb4 ", "", 1)));
        assert_ne!(table(said), table(&said.replacen(" COLLATE utf8mb4_bin", "", 1)));
        assert_ne!(table(said), table(&said.replacen("CHARACTER SET latin1 ", "", 1)), "a text is a text");
        assert_ne!(table(said), table(&said.replacen("utf8mb4_bin", "utf8mb4_general_ci", 1)));
        let of = |collation: &str, column: &str| {
            let text =
                format!("CREATE TABLE `t` (\n  `a` {column}\n) DEFAULT CHARSET=utf8mb4 COLLATE={collation}");
            Table::read(&text).unwrap().print()
        };
        assert_eq!(
            of("utf8mb4_bin", said),
            of("utf8mb4_bin", &said.replacen("CHARACTER SET utf8mb4 COLLATE utf8mb4_bin ", "", 1))
        );
        assert_ne!(of("utf8mb4_general_ci", said), of("utf8mb4_general_ci", "varchar(9)"));
    }

    #[test]
    fn no_text_makes_it_panic() {
        for end in (0..TEXT.len()).filter(|end| TEXT.is_char_boundary(*end)) {
            let _ = Table::read(&TEXT[..end]);
        }
        let _ = Table::read("CREATE TABLE t ())))");
    }
}
