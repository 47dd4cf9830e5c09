//! What of a script has run, against what the file says now.

use super::Script;
use windlass_sql::{Dialect, Kind};

/// A statement that is not what has run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// Which statement, from 1.
    pub statement: usize,
    /// Line of the file, from 1; 0 when the file has no such statement any more.
    pub line: usize,
    /// What has run.
    pub ran: String,
    /// What stands there now.
    pub now: Option<String>,
}

/// The statements of a script that change something, in order. Settings of the session are no part of what has been
/// done: they are said again by whoever goes on.
#[must_use]
pub fn statements(script: &Script, dialect: Dialect) -> Vec<(usize, String)> {
    let (statements, _) = windlass_sql::split(&script.text, dialect);
    let (mut at, mut line) = (0, script.line);
    let mut all = Vec::new();
    for statement in statements {
        let before = script.text.get(at..statement.span.start).unwrap_or_default();
        line += before.bytes().filter(|byte| *byte == b'\n').count();
        at = statement.span.start;
        if counts(&statement.summary.kind) {
            all.push((line, statement.span.of(&script.text).to_owned()));
        }
    }
    all
}

/// Whether a statement is one that is done once.
fn counts(kind: &Kind) -> bool {
    *kind != Kind::Session && !matches!(kind, Kind::Begin | Kind::Commit)
}

/// Where the statements that have run differ from those of the file. None: the file goes on where they end.
#[must_use]
pub fn edits(ran: &[String], now: &[(usize, String)]) -> Vec<Edit> {
    let mut edits = Vec::new();
    for (at, ran) in ran.iter().enumerate() {
        let here = now.get(at);
        if here.is_none_or(|(_, text)| !same(text, ran)) {
            edits.push(Edit {
                statement: at + 1,
                line: here.map_or(0, |(line, _)| *line),
                ran: ran.clone(),
                now: here.map(|(_, text)| text.clone()),
            });
        }
    }
    edits
}

/// Line ends and blanks between words are no edit; inside of quotes they may be, but then another word is seldom the same.
fn same(a: &str, b: &str) -> bool {
    a == b || a.split_whitespace().eq(b.split_whitespace()) && !a.contains(['\'', '"', '$', '`'])
}

/// The script without its first `count` statements that count; lines stay where they are.
pub(super) fn without_first(script: &Script, count: usize, dialect: Dialect) -> Script {
    let mut text = script.text.clone().into_bytes();
    let (statements, _) = windlass_sql::split(&script.text, dialect);
    for statement in statements.iter().filter(|statement| counts(&statement.summary.kind)).take(count) {
        let end = statement.data.map_or(statement.span.end, |data| data.end);
        for byte in text.get_mut(statement.span.start..end).unwrap_or_default() {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
    }
    let text = String::from_utf8(text).unwrap_or_default();
    Script { text, ..script.clone() }
}
