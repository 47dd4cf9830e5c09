//! `psql "$DATABASE_URL" -f FILE` in a fence on a database: the variable is the URL of that target, so the line means it, as does one that
//! names no database at all.

use super::Context;
use crate::{Target, UrlKind};
use windlass_document::{
    Span,
    shell::{SimpleCommand, Word},
};

/// The variable that a fence on a database has.
const FORMS: [&str; 4] = ["$DATABASE_URL", "\"$DATABASE_URL\"", "${DATABASE_URL}", "\"${DATABASE_URL}\""];
/// Programs to which a URL is the name of a database.
const PROGRAMS: &[&str] = &["psql", "pg_dump", "pg_restore"];

/// The command without that word, where it is the only one that is not literal, and nothing but it makes the line more than a simple command.
pub(in crate::lift) fn without(
    context: &Context<'_>,
    commands: &[SimpleCommand],
    whole: Span,
) -> Option<SimpleCommand> {
    let [simple] = commands else { return None };
    let postgres =
        matches!(context.config.targets.get(context.on), Some(Target::Url { kind: UrlKind::Postgresql, .. }));
    let program = simple.words.first()?;
    if !postgres
        || !PROGRAMS.contains(&program.text.as_str())
        || super::super::span_of(simple, whole) != whole
    {
        return None;
    }
    let raw = |word: &Word| context.text.get(word.span.start..word.span.end).unwrap_or_default();
    let is_url = |word: &Word| word.text.is_empty() && FORMS.contains(&raw(word));
    let literal = simple.words.iter().all(|word| is_url(word) || !word.text.is_empty())
        && simple.assignments.iter().all(|set| !set.value.is_empty())
        && simple.redirects.iter().all(|redirect| !redirect.target.text.is_empty());
    if !literal || simple.words.iter().filter(|word| is_url(word)).count() != 1 {
        return None;
    }
    let mut words = Vec::with_capacity(simple.words.len());
    for word in &simple.words {
        if !is_url(word) {
            words.push(word.clone());
        } else if words.last().is_some_and(|before: &Word| matches!(before.text.as_str(), "-d" | "--dbname"))
        {
            words.pop();
        }
    }
    Some(SimpleCommand { words, ..simple.clone() })
}
