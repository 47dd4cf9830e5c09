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
use std::path::Path;
use windlass_journal::{Entry, Head, Store};
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

/// The journal, as it was when the command began.
struct Seen {
    head: Head,
    runs: usize,
    /// Times of the first and the last entry.
    times: Option<(i64, i64)>,
    found: Option<u64>,
    deeds: Deeds,
}

/// Runs the command. Opening the journal checks the whole chain.
pub fn verify_journal(args: &VerifyJournalArgs, config: Option<&Path>) -> Result<Exit, Failure> {
    let hash = args.hash.as_deref().map(named).transpose()?;
    let place = Place::here(config)?;
    let store = journal::open_existing(&place)?.ok_or_else(|| view::nothing(&place))?;
    let mut seen = journal::block_on(async {
        let mut seen = looked(&store).await?;
        // Entry by entry only for what needs each of them.
        if hash.is_some() || args.table || args.export {
            walk(&store, &mut seen, args, hash.as_deref()).await?;
        }
        Ok::<_, Failure>(seen)
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
    let deeds = std::mem::take(&mut seen.deeds.all);
    if args.output.json {
        terminal::json(&VerifiedJson {
            format: windlass_report::FORMAT,
            file: place.journal().display().to_string(),
            entries: seen.head.seq,
            runs: seen.runs,
            last: seen.head.hash,
            found: seen.found,
            deeds,
        })?;
    } else {
        terminal::show(&said(&place, &seen, &deeds))?;
    }
    Ok(Exit::Done)
}

async fn looked(store: &dyn Store) -> Result<Seen, Failure> {
    let head = store.head().await?;
    let time = |entries: Vec<Entry>| entries.first().map(|entry| entry.time_ms);
    let first = time(store.read(0, 1).await?);
    let last = time(store.read(head.seq.saturating_sub(1), 1).await?);
    let runs = store.runs().await?.len();
    Ok(Seen { head, runs, times: first.zip(last), found: None, deeds: Deeds::default() })
}

async fn walk(
    store: &dyn Store,
    seen: &mut Seen,
    args: &VerifyJournalArgs,
    hash: Option<&str>,
) -> Result<(), Failure> {
    let mut at = 0;
    while at < seen.head.seq {
        let page = store.read(at, PAGE).await?;
        // What came since is another time's matter.
        for entry in page.iter().filter(|entry| entry.seq <= seen.head.seq) {
            if hash.is_some_and(|hash| entry.hash.starts_with(hash)) {
                seen.found = Some(entry.seq);
            }
            if args.table {
                seen.deeds.entry(entry);
            }
            if args.export {
                terminal::print(&exported(entry))?;
            }
        }
        let Some(last) = page.last() else { break };
        at = last.seq;
    }
    Ok(())
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
    let runs = if seen.runs == 1 { "1 run".to_owned() } else { format!("{} runs", seen.runs) };
    text.field("Entries", 10, Mark::Plain, &format!("{} of {runs}", seen.head.seq));
    if let Some((first, last)) = seen.times {
        text.field("From", 10, Mark::Plain, &moment(first, &zone));
        text.field("To", 10, Mark::Plain, &moment(last, &zone));
    }
    text.field("Chain", 10, Mark::Good, "whole: each hash follows from the entry before");
    if let Some(found) = seen.found {
        let words = format!("that of entry {found}: everything up to it is as it was");
        text.field("Hash", 10, Mark::Good, &words);
    }
    text.field("Last hash", 10, Mark::Plain, &seen.head.hash);
    text
}
