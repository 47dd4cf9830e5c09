//! Processes that the tests start: writers that are killed, rivals for the lease. Each works on `journal.db` in its
//! working folder, says on standard output what it was told is durable, and is driven by lines on standard input.

mod scene;

use scene::{busy, intended, now, owner, settled, started, unlinked};
use std::{
    io::{BufRead as _, Write as _},
    path::Path,
    process::ExitCode,
    time::Duration,
};
use windlass_journal::{Life, Liveness as _, Owner, ProcLiveness, SqliteStore, Store as _, StoreError};
use windlass_plan::Way;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    let result = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [_, "append"] => append_for_ever(),
        [_, "take"] => take_once(),
        [_, "rival", run, rounds] => rounds.parse().map_err(Into::into).and_then(|rounds| rival(run, rounds)),
        [_, "live"] => live(),
        _ => Err("append, take, rival RUN ROUNDS or live".into()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = say(&format!("error {error}"));
            ExitCode::FAILURE
        }
    }
}

fn say(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}")?;
    Ok(out.flush()?)
}

fn heard() -> Result<()> {
    std::io::stdin().lock().read_line(&mut String::new())?;
    Ok(())
}

fn open() -> Result<SqliteStore> {
    Ok(SqliteStore::open(Path::new("journal.db"))?)
}

/// Takes the lease whoever has it, and writes pairs of entries until it is killed.
fn append_for_ever() -> Result<()> {
    let store = open()?;
    let seen = now(store.lease())?.map_or(0, |lease| lease.token);
    let token = now(store.take(seen, &owner(std::process::id()), 1000, 0))?.token;
    let mut head = now(store.head())?.seq;
    if head == 0 {
        head = now(store.append(0, token, vec![unlinked("r", started())]))?[0].seq;
    }
    loop {
        let attempt = u32::try_from(head / 2 + 1)?;
        let pair = vec![
            unlinked("r", intended("a/1", Way::Forward, attempt)),
            unlinked("r", settled("a/1", Way::Forward, attempt, busy())),
        ];
        head = now(store.append(head, token, pair))?[1].seq;
        say(&format!("durable {head}"))?;
    }
}

/// Looks at the lease, waits for a word, and takes it.
fn take_once() -> Result<()> {
    let store = open()?;
    let seen = now(store.lease())?.map_or(0, |lease| lease.token);
    say("ready")?;
    heard()?;
    match now(store.take(seen, &owner(std::process::id()), 1000, 0)) {
        Ok(lease) => say(&format!("answer got it {}", lease.token)),
        Err(StoreError::Held(_)) => say("answer held"),
        Err(error) => Err(error.into()),
    }
}

/// Wants the lease again and again, as a controller does: from nobody, or from a dead owner. Each time that it has it,
/// it writes some entries of its own run one by one, and gives it back.
fn rival(run: &str, rounds: u32) -> Result<()> {
    let store = open()?;
    let me = ProcLiveness::current(run)?;
    say("ready")?;
    heard()?;
    let mut had = 0;
    while had < rounds {
        let Some(token) = taken(&store, &me)? else {
            std::thread::sleep(Duration::from_millis(1));
            continue;
        };
        had += 1;
        for _ in 0..3 {
            // Whoever is fenced was taken for dead while it lived.
            let head = now(store.head())?.seq;
            let written = now(store.append(head, token, vec![unlinked(run, started())]))?;
            say(&format!("durable {} {token}", written[0].seq))?;
        }
        now(store.release(token))?;
    }
    say("over")
}

fn taken(store: &SqliteStore, me: &Owner) -> Result<Option<u64>> {
    let lease = now(store.lease())?;
    let lives = |owner: &Owner| ProcLiveness.look(owner) != Life::Dead;
    if lease.as_ref().is_some_and(|lease| lease.held && lives(&lease.owner)) {
        return Ok(None);
    }
    match now(store.take(lease.map_or(0, |lease| lease.token), me, 1000, 0)) {
        Ok(lease) => Ok(Some(lease.token)),
        Err(StoreError::Held(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Says who it is, and lives until its input ends.
fn live() -> Result<()> {
    let me = ProcLiveness::current("op@host")?;
    say(&serde_json::to_string(&me)?)?;
    heard()
}
