//! What a step does, for people: what is the same on several hosts stands there once.

use crate::{
    Mask, Surveys,
    code::{CLOSED, IsOpen, code},
    words::{driver_word, purpose},
};
use serde::Serialize;
use windlass_plan::{Action, Class, Unit};

/// A line, statement or edit, on all its hosts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TicketLineJson {
    /// Its units, one a host.
    pub units: Vec<String>,
    /// Its hosts.
    pub hosts: Vec<String>,
    /// Driver.
    pub driver: &'static str,
    /// It has a password: neither its text nor words about it are shown.
    pub closed: bool,
    /// What it does, in words.
    pub planned: String,
    /// What it will change, by a look at the world.
    pub now: Vec<String>,
    /// Why it would fail now.
    pub problems: Vec<String>,
    /// `sql`, `sh`, `diff`: language of `text`.
    pub language: Option<&'static str>,
    /// What is run, where that is a text.
    pub text: Option<String>,
    /// Undo class.
    pub class: Class,
    /// How it is undone.
    pub undo: String,
}

/// Puts units together.
pub(super) struct Groups<'a> {
    pub(super) surveys: &'a Surveys,
    pub(super) mask: Mask<'a>,
    pub(super) is_open: IsOpen<'a>,
}

impl Groups<'_> {
    /// Units in order; those of other hosts that do the same stand with the first of them.
    pub(super) fn of(&self, units: &[Unit]) -> Vec<TicketLineJson> {
        let mut lines: Vec<(&Unit, TicketLineJson)> = Vec::new();
        for unit in units {
            let same = lines
                .iter_mut()
                .find(|(first, line)| is_same(first, unit) && !line.hosts.contains(&unit.host));
            let line = match same {
                Some((_, line)) => line,
                None => {
                    lines.push((unit, self.line(unit)));
                    &mut lines.last_mut().expect("just pushed").1
                }
            };
            line.units.push(unit.id.0.clone());
            line.hosts.push(unit.host.clone());
            self.look(line, unit);
        }
        lines.into_iter().map(|(_, line)| line).collect()
    }

    fn line(&self, unit: &Unit) -> TicketLineJson {
        let open = (self.is_open)(unit);
        let (language, text) = source(&unit.action).filter(|_| open).unzip();
        let say = |words: String| if open { (self.mask)(&words) } else { CLOSED.to_owned() };
        TicketLineJson {
            units: Vec::new(),
            hosts: Vec::new(),
            driver: driver_word(unit.driver),
            closed: !open,
            planned: say(purpose(unit).to_owned()),
            now: Vec::new(),
            problems: Vec::new(),
            language,
            text: text.map(|text| (self.mask)(&text)),
            class: unit.undo.class,
            undo: say(unit.undo.how.clone()),
        }
    }

    /// Adds what a look at the world said; on several hosts often the same.
    fn look(&self, line: &mut TicketLineJson, unit: &Unit) {
        let Some(seen) = self.surveys.get(&unit.id).filter(|_| !line.closed) else { return };
        let fresh = |known: &[String], words: &[String]| -> Vec<String> {
            words.iter().filter(|words| **words != unit.effect && !known.contains(words)).cloned().collect()
        };
        line.now.extend(fresh(&line.now, &seen.effects));
        line.problems.extend(fresh(&line.problems, &seen.problems));
    }
}

fn is_same(one: &Unit, other: &Unit) -> bool {
    (one.line, one.column) == (other.line, other.column)
        && one.effect == other.effect
        && one.undo.how == other.undo.how
        && one.action == other.action
}

/// The text that is run, and its language.
fn source(action: &Action) -> Option<(&'static str, String)> {
    let (language, text) = code(action)?;
    let text = if language == "sql" { format!("{};", text.trim_end()) } else { text };
    Some((language, text))
}
