//! `windlass verify-journal`: whether the journal is whole, and who did what when.

use super::{drive::zone, view};
use crate::{
    args::VerifyJournalArgs,
    exit::{Exit, Failure},
    journal,
    project::Place,
    terminal,
};
use serde::Serialize;
use std::{collections::BTreeSet, path::Path};
use windlass_journal::{Entry, Store};
use windlass_report::{DeedJson, Deeds, Mark, Text, deeds_text, moment};

/// Entries in memory at a time: an entry with a plan can be megabytes.
const PAGE: usize = 64;
/// Fewest digits by which a hash is named.
const DIGITS_MIN: usize = 12;
/// Digits of a SHA-256.
const DIGITS_MAX: usize = 64;

/// `windlass verify-journal --json`.
#[derive(Debug, Serialize)]
struct VerifiedJson {
    format: u32,
    /// The journal's file.
    file: String,
    entries: u64,
    runs: usize,
    /// Hash of the last entry.
    last: String,
    /// The entry whose hash was named.
    #[serde(skip_serializing_if = "Option::is_none")]
    found: Option<u64>,
    /// Who did what when.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    deeds: Vec<DeedJson>,
}

/// A line of `--export`. The event is text: its very bytes are in the hash.
#[derive(Debug, Serialize)]
struct LineJson<'a> {
    seq: u64,
    time_ms: i64,
    run: &'a str,
    actor: &'a str,
    token: u64,
    event: String,
    previous: &'a str,
    hash: &'a str,
}

/// What was seen on the way through the journal.
#[derive(Default)]
struct Seen {
    entries: u64,
    runs: BTreeSet<String>,
    times: Option<(i64, i64)>,
    last: String,
    found: Option<u64>,
    deeds: Deeds,
}

/// Runs the command. Opening the journal checks the whole chain.
pub fn verify_journal(args: &VerifyJournalArgs, config: Option<&Path>) -> Result<Exit, Failure> {
    let hash = args.hash.as_deref().map(named).transpose()?;
    let place = Place::here(config)?;
    let store = journal::open_existing(&place)?.ok_or_else(|| view::nothing(&place))?;
    let mut seen = Seen::default();
    journal::block_on(async {
        loop {
            let page = store.read(seen.entries, PAGE).await?;
            if page.is_empty() {
                return Ok::<_, Failure>(());
            }
            for entry in &page {
                seen.entry(entry, hash.as_deref());
                if args.export {
                    terminal::print(&exported(entry))?;
                }
            }
        }
    })??;
    if let (Some(hash), None) = (&hash, seen.found) {
        return Err(Failure::refused(format!(
            "no entry of {} has the hash {hash}",
            place.journal().display()
        ))
        .hint("since it was noted, entries were cut off or written anew; or it is of another journal")
        .hint("compare with a copy of `.windlass` of that time"));
    }
    if args.export {
        return Ok(Exit::Done);
    }
    let deeds = if args.table { std::mem::take(&mut seen.deeds.all) } else { Vec::new() };
    if args.output.json {
        terminal::json(&VerifiedJson {
            format: windlass_report::FORMAT,
            file: place.journal().display().to_string(),
            entries: seen.entries,
            runs: seen.runs.len(),
            last: seen.last,
            found: seen.found,
            deeds,
        })?;
    } else {
        terminal::show(&said(&place, &seen, &deeds))?;
    }
    Ok(Exit::Done)
}

impl Seen {
    fn entry(&mut self, entry: &Entry, hash: Option<&str>) {
        self.entries = entry.seq;
        self.runs.insert(entry.run.0.clone());
        let first = self.times.map_or(entry.time_ms, |(first, _)| first);
        self.times = Some((first, entry.time_ms));
        self.last.clone_from(&entry.hash);
        if hash.is_some_and(|hash| entry.hash.starts_with(hash)) {
            self.found = Some(entry.seq);
        }
        self.deeds.entry(entry);
    }
}

/// A hash, or its beginning, as a person gives it.
fn named(text: &str) -> Result<String, Failure> {
    let fits = (DIGITS_MIN..=DIGITS_MAX).contains(&text.len());
    if fits && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(text.to_ascii_lowercase());
    }
    Err(Failure::wrong(format!("`{text}` is no hash: {DIGITS_MIN} to {DIGITS_MAX} digits from 0 to f"))
        .hint("`windlass verify-journal` prints the last one"))
}

fn exported(entry: &Entry) -> String {
    let line = LineJson {
        seq: entry.seq,
        time_ms: entry.time_ms,
        run: &entry.run.0,
        actor: &entry.actor,
        token: entry.token,
        event: serde_json::to_string(&entry.event).expect("events have only string keys and finite numbers"),
        previous: &entry.previous,
        hash: &entry.hash,
    };
    let mut text = serde_json::to_string(&line).expect("only texts and numbers");
    text.push('\n');
    text
}

fn said(place: &Place, seen: &Seen, deeds: &[DeedJson]) -> Text {
    let zone = zone(place);
    let mut text = deeds_text(deeds, &zone);
    if !deeds.is_empty() {
        text.line();
    }
    text.field("Journal", 10, Mark::Strong, &place.journal().display().to_string());
    let runs = seen.runs.len();
    let runs = if runs == 1 { "1 run".to_owned() } else { format!("{runs} runs") };
    text.field("Entries", 10, Mark::Plain, &format!("{} of {runs}", seen.entries));
    if let Some((first, last)) = seen.times {
        text.field("From", 10, Mark::Plain, &moment(first, &zone));
        text.field("To", 10, Mark::Plain, &moment(last, &zone));
    }
    text.field("Chain", 10, Mark::Good, "whole: each hash follows from the entry before");
    if let Some(found) = seen.found {
        let words = format!("that of entry {found}: everything up to it is as it was");
        text.field("Hash", 10, Mark::Good, &words);
    }
    text.field("Last hash", 10, Mark::Plain, &seen.last);
    text
}
