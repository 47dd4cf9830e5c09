//! `PREPARE` and `EXECUTE`: a statement whose text the session computes. Together with what computes it directly before, it is read as
//! one, so that nothing of the session has to last until the next statement.

use crate::reader::Reader;
use crate::{Dialect, Kind, Statement, Summary, keywords, lexer::TokenKind, split, unknown_calls};
use std::ops::Range;

/// Such a statement, with what computes its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prepared<'a> {
    /// Statements that give values to variables; they only read.
    pub computing: Vec<&'a str>,
    /// What `PREPARE` takes: a literal, or a variable with its `@`.
    pub from: &'a str,
}

/// Which statements of a script belong together: what computes variables, `PREPARE s FROM …`, `EXECUTE s` and `DEALLOCATE PREPARE s`, with
/// nothing between.
#[must_use]
pub fn prepared_groups(statements: &[&str]) -> Vec<Range<usize>> {
    let (mut groups, mut at) = (Vec::new(), 0);
    while at < statements.len() {
        let computing = if computes(statements[at]) == Some(false) {
            statements[at..].iter().take_while(|text| computes(text).is_some()).count()
        } else {
            0
        };
        let end = ends(&statements[at + computing..]);
        if end > 0 {
            groups.push(at..at + computing + end);
        }
        at += (computing + end).max(1);
    }
    groups
}

/// The text as one, if it is such a group and nothing else.
#[must_use]
pub fn prepared(text: &str) -> Option<Prepared<'_>> {
    let is_near = |text: &str| text.as_bytes().windows(7).any(|word| word.eq_ignore_ascii_case(b"PREPARE"));
    let (statements, _) = is_near(text).then(|| split(text, Dialect::Mysql))?;
    let mut texts: Vec<_> = statements.iter().map(|statement| statement.span.of(text)).collect();
    let all = 0..texts.len();
    if prepared_groups(&texts) != [all] {
        return None;
    }
    let at = texts.iter().position(|text| name(text, &["PREPARE"]).is_some())?;
    let from = source(texts[at])?;
    texts.truncate(at);
    Some(Prepared { computing: texts, from })
}

/// The statements of a script with those of each group as one.
#[must_use]
pub fn fold(statements: Vec<Statement>, script: &str, groups: &[Range<usize>]) -> Vec<Statement> {
    let mut groups = groups.iter().peekable();
    let mut folded = Vec::new();
    let mut all = statements.into_iter().enumerate();
    while let Some((at, mut first)) = all.next() {
        if let Some(group) = groups.next_if(|group| group.start == at) {
            let last = all.by_ref().take(group.len() - 1).last();
            first.span.end = last.map_or(first.span.end, |(_, last)| last.span.end);
            first.summary = prepared(first.span.of(script)).map(|one| one.summary()).unwrap_or_default();
        }
        folded.push(first);
    }
    folded
}

impl Prepared<'_> {
    /// The text that is executed, where it is written out.
    #[must_use]
    pub fn literal(&self) -> Option<String> {
        (!self.from.starts_with('@')).then(|| decoded(self.from)).flatten()
    }

    /// The one statement that it may run and that does something: what is written out, or what `IF(condition, 'this', 'or that')`
    /// chooses.
    #[must_use]
    pub fn candidate(&self) -> Option<String> {
        if let Some(text) = self.literal() {
            return Some(text);
        }
        let last = self.computing.iter().rev().find(|text| sets(text, self.from))?;
        let mut found = chosen(last, self.from)?;
        let works = found.iter().filter(|text| !does_nothing(text)).count();
        match works {
            0 => found.pop(),
            1 => found.into_iter().find(|text| !does_nothing(text)),
            _ => None,
        }
    }

    /// What is known of it. What may be anything changes rows and definitions.
    fn summary(&self) -> Summary {
        let unknown = Summary { changes_data: true, changes_schema: true, ..Summary::default() };
        let Some(text) = self.candidate() else { return unknown };
        let (mut statements, _) = split(&text, Dialect::Mysql);
        match statements.pop().filter(|_| statements.is_empty()) {
            Some(_) if does_nothing(&text) => {
                Summary { kind: Kind::Select, readonly: true, ..Summary::default() }
            }
            Some(only) => only.summary,
            None => unknown,
        }
    }
}

/// Whether the statement leaves everything as it is: `SELECT 1`, `DO 0`.
#[must_use]
pub fn does_nothing(text: &str) -> bool {
    let is_do = keywords(text, Dialect::Mysql, 1) == ["DO"];
    let (statements, _) = split(text, Dialect::Mysql);
    let [only] = statements.as_slice() else { return false };
    let is_query = only.summary.kind == Kind::Select && only.summary.readonly;
    (is_do || is_query) && unknown_calls(text, Dialect::Mysql).is_empty()
}

fn reader(text: &str) -> Option<Reader<'_>> {
    Reader::through_marks(text, Dialect::Mysql)
}

/// Where each variable of the user is given its value in a `SET` of nothing else: its name, and its value.
fn assignments(reader: &Reader<'_>) -> Option<Vec<(usize, (usize, usize))>> {
    if !reader.is(0, "SET") {
        return None;
    }
    let one = |(from, to): (usize, usize)| {
        let is = |at, symbol| reader.is_symbol(at, symbol);
        let value = if is(from + 2, b':') && is(from + 3, b'=') { from + 4 } else { from + 3 };
        let fits = is(from, b'@') && !is(from + 1, b'@') && is(value - 1, b'=') && value < to;
        fits.then_some((from + 1, (value, to)))
    };
    let found: Option<Vec<_>> = reader.items(1, reader.len()).into_iter().map(one).collect();
    found.filter(|found| !found.is_empty())
}

/// Whether it only gives values to variables; `Some(true)`: values that can be set again on another connection.
fn computes(text: &str) -> Option<bool> {
    let reader = reader(text)?;
    if let Some(values) = assignments(&reader) {
        return Some(values.iter().all(|(_, (value, _))| crate::carried::is_setting(&reader, *value)));
    }
    let into = |at: usize| reader.is(at, "INTO") && reader.is_symbol(at + 1, b'@');
    (reader.is(0, "SELECT") && (1..reader.len()).any(into)).then_some(false)
}

fn sets(text: &str, variable: &str) -> bool {
    let Some(reader) = reader(text) else { return false };
    let name = variable_name(variable);
    (1..reader.len()).any(|at| reader.is_symbol(at - 1, b'@') && variable_name(reader.written(at)) == name)
}

fn variable_name(written: &str) -> String {
    written.trim_start_matches('@').trim_matches(['`', '\'', '"']).to_ascii_lowercase()
}

/// `'this'` and `'or that'` of `SET @variable = IF(…, 'this', 'or that')`, also as the one value of a subquery.
fn chosen(text: &str, variable: &str) -> Option<Vec<String>> {
    let mut reader = reader(text)?;
    let name = variable_name(variable);
    let all = assignments(&reader)?;
    let (_, (from, to)) = all.into_iter().rfind(|(at, _)| variable_name(reader.written(*at)) == name)?;
    if to == from + 1 {
        return Some(vec![decoded(reader.written(from))?]);
    }
    let is_query = reader.is_symbol(from, b'(') && reader.is(from + 1, "SELECT");
    let at = if is_query { from + 2 } else { from };
    if !reader.is(at, "IF") {
        return None;
    }
    reader.at = at + 1;
    let (first, last) = reader.group()?;
    let ends = if is_query { reader.is(reader.at, "FROM") || reader.at + 1 == to } else { reader.at == to };
    if !ends {
        return None;
    }
    let items = reader.inside(first, |reader| reader.items(first, last));
    let [_, this, that] = items.as_slice() else { return None };
    let one = |(from, to): &(usize, usize)| {
        let is_text = *to == from + 1 && reader.kind(*from) == Some(TokenKind::Text);
        is_text.then(|| decoded(reader.written(*from))).flatten()
    };
    Some(vec![one(this)?, one(that)?])
}

/// How many statements `PREPARE s FROM …`, `EXECUTE s` and what takes it away again are; 0: they are not these.
fn ends(statements: &[&str]) -> usize {
    let Some(prepared) = statements.first().and_then(|text| name(text, &["PREPARE"])) else { return 0 };
    let is = |at: usize, words: &[&str]| {
        let found = statements.get(at).and_then(|text| name(text, words));
        found.is_some_and(|name| name.eq_ignore_ascii_case(&prepared))
    };
    if source(statements[0]).is_none() || !is(1, &["EXECUTE"]) {
        return 0;
    }
    let freed = is(2, &["DEALLOCATE", "PREPARE"]) || is(2, &["DROP", "PREPARE"]);
    2 + usize::from(freed)
}

/// The name behind these words; behind it nothing may stand but what `PREPARE` takes.
fn name(text: &str, words: &[&str]) -> Option<String> {
    let mut reader = reader(text)?;
    let name = reader.accept(words).then(|| reader.identifier()).flatten()?;
    let ends = reader.at == reader.len() || words == ["PREPARE"] && reader.is(reader.at, "FROM");
    ends.then_some(name)
}

/// What `PREPARE s FROM` takes.
fn source(text: &str) -> Option<&str> {
    let reader = reader(text)?;
    let written = reader.written(3);
    match reader.len() {
        4 if reader.kind(3) == Some(TokenKind::Text) => Some(written),
        5 if reader.is_symbol(3, b'@') => {
            let end = reader.written(4);
            let from = text.rfind(end)?;
            Some(&text[text[..from].rfind('@')?..from + end.len()])
        }
        _ => None,
    }
}

/// The text of a literal; `None` where its escapes are for the server to read.
fn decoded(written: &str) -> Option<String> {
    let quote = written.chars().next().filter(|first| ['\'', '"'].contains(first))?;
    let inside = written.strip_prefix(quote)?.strip_suffix(quote)?;
    let twice = format!("{quote}{quote}");
    (!inside.contains('\\')).then(|| inside.replace(&twice, &quote.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADD: &str = "SET @sql = (SELECT IF(COUNT(*) = 0, 'ALTER TABLE t ADD COLUMN c INT DEFAULT ''1''', 'SELECT 1') FROM \
                       information_schema.columns WHERE table_name = 't'); PREPARE s FROM @SQL; EXECUTE s; DEALLOCATE PREPARE s";

    fn groups(script: &str) -> Vec<(usize, usize)> {
        let (statements, _) = split(script, Dialect::Mysql);
        let texts: Vec<_> = statements.iter().map(|statement| statement.span.of(script)).collect();
        prepared_groups(&texts).into_iter().map(|group| (group.start, group.end)).collect()
    }

    #[test]
    fn what_computes_a_text_and_runs_it_belongs_together() {
        for (script, wanted) in [
            (ADD, vec![(0, 4)]),
            (
                "SET @db = DATABASE(); SET @a = IF(1, 'x', 'y'), @b = 2; PREPARE s FROM @a; EXECUTE s; DELETE FROM t",
                vec![(1, 4)],
            ),
            (
                "PREPARE s FROM 'DROP TABLE t'; EXECUTE s; PREPARE u FROM 'DROP TABLE v'; EXECUTE u; DROP PREPARE u",
                vec![(0, 2), (2, 5)],
            ),
            (
                "SELECT COUNT(*) INTO @n FROM t; SET @q = CONCAT('DROP TABLE ', @n); PREPARE s FROM @q; EXECUTE S",
                vec![(0, 4)],
            ),
            // A setting of the session, a change, or another name between.
            ("SET @a = f(); SET NAMES utf8mb4; PREPARE s FROM @a; EXECUTE s", vec![(2, 4)]),
            ("SET @a = f(); PREPARE s FROM @a; DELETE FROM t; EXECUTE s", vec![]),
            ("PREPARE s FROM @a; EXECUTE u; EXECUTE s USING @b", vec![]),
            ("PREPARE s FROM 'UPDATE t SET a = ?'; EXECUTE s USING @b", vec![]),
        ] {
            assert_eq!(groups(script), wanted, "{script}");
        }
    }

    #[test]
    fn the_one_text_that_does_something_is_known_beforehand() {
        for (script, wanted) in [
            (ADD, Some("ALTER TABLE t ADD COLUMN c INT DEFAULT '1'")),
            ("PREPARE s FROM 'DROP TABLE t'; EXECUTE s", Some("DROP TABLE t")),
            (
                "SET @q := IF((SELECT 1), 'DO 0', \"DROP TABLE t\"); PREPARE s FROM @q; EXECUTE s",
                Some("DROP TABLE t"),
            ),
            ("SET @n = f(), @q = 'SELECT 2'; PREPARE s FROM @q; EXECUTE s", Some("SELECT 2")),
            ("SET @q = IF(@a, 'DROP TABLE t', 'DROP TABLE u'); PREPARE s FROM @q; EXECUTE s", None),
            ("SET @q = IF(@a, CONCAT('DROP TABLE ', @b), 'SELECT 1'); PREPARE s FROM @q; EXECUTE s", None),
            ("SET @q = CONCAT('DROP TABLE ', @t); PREPARE s FROM @q; EXECUTE s", None),
            ("SELECT IF(1, 'a', 'b') INTO @q; PREPARE s FROM @q; EXECUTE s", None),
            // Escapes mean what the mode of the session says.
            ("PREPARE s FROM 'UPDATE t SET a = \\'1\\''; EXECUTE s", None),
        ] {
            let found = prepared(script).unwrap_or_else(|| panic!("{script}"));
            assert_eq!(found.candidate().as_deref(), wanted, "{script}");
        }
        assert_eq!(prepared(ADD).unwrap().from, "@SQL");
        assert_eq!(prepared("DELETE FROM t"), None);
    }

    #[test]
    fn a_group_is_one_statement_with_what_is_known_of_it() {
        let script = format!(
            "UPDATE t SET a = 1; {ADD}; SET @q = CONCAT('DROP TABLE ', 'u'); PREPARE s FROM @q; EXECUTE s; DELETE FROM t"
        );
        let (statements, _) = split(&script, Dialect::Mysql);
        let groups = groups(&script);
        let ranges: Vec<_> = groups.iter().map(|(from, to)| *from..*to).collect();
        let folded = fold(statements, &script, &ranges);
        assert_eq!(folded.len(), 4);
        assert_eq!(folded[1].span.of(&script), ADD);
        assert!(matches!(folded[1].summary.kind, Kind::AlterTable(_)));
        assert!(folded[2].summary.kind == Kind::Other && folded[2].summary.changes_schema);
        assert_eq!(folded[3].summary.kind, Kind::Delete);
    }
}
