//! Columns that are kept, unseen, instead of dropped.

use super::words::tokens;
use crate::lexer::TokenKind;

/// Whether the values of a column with this definition come from other columns.
#[must_use]
pub fn is_generated(definition: &str) -> bool {
    let tokens = tokens(definition);
    tokens.iter().any(|token| {
        token.kind == TokenKind::Word && token.span.of(definition).eq_ignore_ascii_case("GENERATED")
    })
}

/// The definition under which a column keeps its values and nobody notices it: invisible, without a part in what writers
/// must give, not written by the server.
#[must_use]
pub fn hidden(definition: &str) -> String {
    let tokens = tokens(definition);
    let word = |at: usize| {
        tokens
            .get(at)
            .filter(|token| token.kind == TokenKind::Word)
            .map_or(String::new(), |token| token.span.of(definition).to_ascii_uppercase())
    };
    let symbol =
        |at: usize, symbol| tokens.get(at).is_some_and(|token| token.kind == TokenKind::Symbol(symbol));
    // One past the parenthesis that opens at `at`, or `at`.
    let group = |at: usize| {
        let mut depth = 0_usize;
        for end in at..tokens.len() {
            depth = if symbol(end, b'(') {
                depth + 1
            } else if symbol(end, b')') {
                depth.saturating_sub(1)
            } else {
                depth
            };
            if depth == 0 {
                return if symbol(end, b')') { end + 1 } else { at };
            }
        }
        tokens.len()
    };
    let has_default = (0..tokens.len()).any(|at| word(at) == "DEFAULT");
    let (mut parts, mut at): (Vec<String>, usize) = (Vec::new(), 0);
    while at < tokens.len() {
        let start = at;
        match (word(at).as_str(), word(at + 1).as_str()) {
            ("AUTO_INCREMENT" | "INVISIBLE", _) => at += 1,
            ("ON", "UPDATE") => at = group(at + 3),
            ("CHECK", _) => at = group(at + 1).max(at + 1),
            ("NOT", "NULL") if !has_default => {
                parts.push("NULL".to_owned());
                at += 2;
            }
            _ => {
                at += 1;
                // `varchar(20)`: the parenthesis belongs to the word.
                at = if symbol(at, b'(') { group(at).max(at) } else { at };
                let end = tokens.get(at.saturating_sub(1)).map_or(0, |token| token.span.end);
                let begin = tokens.get(start).map_or(0, |token| token.span.start);
                parts.push(definition.get(begin..end).unwrap_or_default().to_owned());
            }
        }
        at = at.max(start + 1);
    }
    parts.push("INVISIBLE".to_owned());
    parts.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hidden_column_asks_nothing_of_writers() {
        for (definition, wanted) in [
            ("int(11) NOT NULL", "int(11) NULL INVISIBLE"),
            (
                "varchar(20) NOT NULL DEFAULT 'NOT NULL' COMMENT 'x'",
                "varchar(20) NOT NULL DEFAULT 'NOT NULL' COMMENT 'x' INVISIBLE",
            ),
            ("bigint unsigned NOT NULL AUTO_INCREMENT", "bigint unsigned NULL INVISIBLE"),
            (
                "timestamp NOT NULL DEFAULT current_timestamp() ON UPDATE current_timestamp() COMMENT 'c'",
                "timestamp NOT NULL DEFAULT current_timestamp() COMMENT 'c' INVISIBLE",
            ),
            ("datetime DEFAULT NULL ON UPDATE CURRENT_TIMESTAMP", "datetime DEFAULT NULL INVISIBLE"),
            ("int DEFAULT NULL CHECK (`a` > (1))", "int DEFAULT NULL INVISIBLE"),
            ("int DEFAULT NULL /*!80023 INVISIBLE */", "int DEFAULT NULL INVISIBLE"),
        ] {
            assert_eq!(hidden(definition), wanted);
        }
        assert!(is_generated("int(11) GENERATED ALWAYS AS (`a` + 1) VIRTUAL"));
        assert!(!is_generated("int(11) DEFAULT NULL COMMENT 'GENERATED'"));
    }
}
