//! Who did what when, over all runs: what people and controllers decided, without the units.

use crate::{
    Mark, Text, moment,
    stand::name,
    text::{pad, shorten, width},
    words::ending_word,
};
use jiff::tz::TimeZone;
use serde::Serialize;
use std::collections::BTreeSet;
use windlass_journal::{BreakGlass, Direction, Entry, Event};

/// A line of the table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DeedJson {
    /// Position of its entry in the journal.
    pub seq: u64,
    /// When, milliseconds since 1970 by the clock of who did it.
    pub at_ms: i64,
    /// Who, `user@host`.
    pub actor: String,
    /// Which run.
    pub run: String,
    /// What.
    pub what: String,
    /// Hash of its entry.
    pub hash: String,
}

/// Picks the deeds out of a journal, entry by entry in its order.
#[derive(Debug, Default)]
pub struct Deeds {
    /// All so far.
    pub all: Vec<DeedJson>,
    /// Runs that a controller has taken up.
    taken: BTreeSet<String>,
}

impl Deeds {
    /// The next entry.
    pub fn entry(&mut self, entry: &Entry) {
        let is_first = matches!(entry.event, Event::Taken { .. }) && self.taken.insert(entry.run.0.clone());
        // Who starts a run takes it up too.
        if let Some(what) = deed(&entry.event).filter(|_| !is_first) {
            self.all.push(DeedJson {
                seq: entry.seq,
                at_ms: entry.time_ms,
                actor: entry.actor.clone(),
                run: entry.run.0.clone(),
                what,
                hash: entry.hash.clone(),
            });
        }
    }
}

fn deed(event: &Event) -> Option<String> {
    Some(match event {
        Event::Started { plan, digest, break_glass, approvals, .. } => {
            let mut what = format!("started {}, plan {}", plan.release.version, digest.short());
            if !approvals.is_empty() {
                let names: Vec<_> = approvals.iter().map(|one| one.by.as_str()).collect();
                what += &format!(", approved by {}", names.join(", "));
            }
            what + &against(break_glass.as_ref())
        }
        Event::Replanned { from, digest, break_glass, .. } => {
            let against = against(break_glass.as_ref());
            format!("edited: plan {} instead of {}{against}", digest.short(), from.short())
        }
        Event::Taken { from: Some(from), .. } => format!("took it over from {from}"),
        Event::Taken { from: None, .. } => "went on with it".to_owned(),
        Event::Confirmed { unit, note } => with(format!("confirmed {unit}"), note),
        Event::Decided { verb, unit: Some(unit), reason } => with(format!("{} {unit}", name(*verb)), reason),
        Event::Decided { verb, unit: None, reason } => with(name(*verb).to_owned(), reason),
        Event::Turned { to, why, .. } => with(
            match to {
                Direction::Forward => "turned forward again",
                Direction::Unwind => "turned back",
                Direction::Person => "stopped for a person",
            }
            .to_owned(),
            why.lines().next().unwrap_or_default(),
        ),
        Event::Ended { ending } => format!("ended: {}", ending_word(*ending)),
        Event::Intended { .. } | Event::Settled { .. } | Event::Probed { .. } => return None,
    })
}

fn against(glass: Option<&BreakGlass>) -> String {
    glass.map_or_else(String::new, |glass| format!(", against the policy: {}", glass.reason))
}

fn with(what: String, words: &str) -> String {
    if words.is_empty() { what } else { format!("{what}: {words}") }
}

/// The table.
#[must_use]
pub fn deeds_text(deeds: &[DeedJson], zone: &TimeZone) -> Text {
    let mut text = Text::new();
    let column = deeds.iter().map(|deed| width(&deed.actor)).max().unwrap_or(3).clamp(3, 20);
    let mut run = "";
    for deed in deeds {
        if deed.run != run {
            text.line().add(Mark::Strong, &deed.run);
            run = &deed.run;
        }
        let who = pad(&shorten(&deed.actor, column), column);
        let head = format!("  {}  {who}  ", moment(deed.at_ms, zone));
        text.wrapped(&head, Mark::Plain, &deed.what);
    }
    text
}
