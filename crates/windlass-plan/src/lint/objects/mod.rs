//! Rules for lines of `aws s3`, lifted or not: what is said of them is in their words.

mod copied_again;
mod delete_source;
mod excludes_all;
mod excludes_name;
mod filter_effect;
mod into_themselves;
mod moved_then_deleted;
mod no_slash;
mod pointed_at;
mod taken_again;

pub(super) use copied_again::RULE as COPIED_AGAIN;
pub(super) use delete_source::RULE as DELETE_SOURCE;
pub(super) use excludes_all::RULE as EXCLUDES_ALL;
pub(super) use excludes_name::RULE as EXCLUDES_NAME;
pub(super) use filter_effect::RULE as FILTER_EFFECT;
pub(super) use into_themselves::RULE as INTO_THEMSELVES;
pub(super) use moved_then_deleted::RULE as MOVED_THEN_DELETED;
pub(super) use no_slash::RULE as NO_SLASH;
pub(super) use pointed_at::RULE as POINTED_AT;
pub(super) use taken_again::RULE as TAKEN_AGAIN;

#[cfg(test)]
mod tests;

use super::{Facts, Rule, words};
use windlass_document::{Finding, Span, Step, shell::Word};
use windlass_objects::{Hazard, ObjectLine};

/// A line of the document that is understood.
struct Written<'a> {
    step: &'a Step,
    /// Those behind `aws`.
    words: &'a [Word],
    line: ObjectLine,
}

/// The lines that are understood, in the order of the document, wherever they stand in a script; those of undo fences too.
fn lines<'a>(facts: &Facts<'a>) -> impl Iterator<Item = Written<'a>> + use<'a> {
    words::all(facts).filter_map(|(step, simple)| {
        let (_, words) = words::call(simple, &["aws"])?;
        let texts: Vec<_> = words.iter().map(|word| word.text.as_str()).collect();
        // A word that only the shell knows is empty here.
        let known = texts.iter().all(|text| !text.is_empty());
        let line = windlass_objects::read(&texts).ok().filter(|_| known)?;
        Some(Written { step, words, line })
    })
}

impl Written<'_> {
    fn at(&self, word: Option<&Word>) -> Span {
        self.step.body.span_to_source(word.unwrap_or(&self.words[0]).span)
    }

    /// The word of the source (0) or of the destination (1).
    fn place(&self, number: usize) -> Span {
        let place = if number == 0 { Some(&self.line.from) } else { self.line.to.as_ref() };
        let text = place.map(ToString::to_string).unwrap_or_default();
        let is = |word: &&Word| word.text == text || format!("{}/", word.text) == text;
        // The source may stand there a second time, as the destination.
        let mut found = self.words.iter().filter(is);
        let same = self.line.to.as_ref() == Some(&self.line.from);
        self.at(if same { found.nth(number) } else { found.next() })
    }

    /// The word of a filter's pattern.
    fn filter(&self, number: usize) -> Span {
        let mut seen = 0;
        for (at, word) in self.words.iter().enumerate() {
            let text = word.text.as_str();
            let attached = text.starts_with("--include=") || text.starts_with("--exclude=");
            if !attached && text != "--include" && text != "--exclude" {
                continue;
            }
            if seen == number {
                return self.at(self.words.get(if attached { at } else { at + 1 }));
            }
            seen += 1;
        }
        self.at(None)
    }

    /// It is no undo: it runs forward.
    fn is_forward(&self) -> bool {
        self.step.attributes.undoes.is_none()
    }
}

/// The findings of a rule on the hazards of each line.
fn of_hazards(facts: &Facts<'_>, finding: impl Fn(&Written<'_>, Hazard) -> Option<Finding>) -> Vec<Finding> {
    let of = |written: Written<'_>| -> Vec<Finding> {
        written.line.hazards().into_iter().filter_map(|hazard| finding(&written, hazard)).collect()
    };
    lines(facts).flat_map(of).collect()
}

/// A `bucket/prefix` as people write it.
fn url(path: &str) -> String {
    format!("s3://{path}")
}
