//! `windlass-sim`: runs stories by seed, many or one with a trace.

use std::{
    collections::BTreeMap,
    io::Write,
    process::ExitCode,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::Instant,
};
use windlass_sim::{
    hub::Violation,
    scenario::{Report, random},
};

const USAGE: &str = "windlass-sim [--seed N] [--runs N] [--first SEED] [--threads N]
  --seed N     one story with its trace
  --runs N     stories N, from seed 0 or --first; the default is 10000
  --threads N  the default is 2
";

fn main() -> ExitCode {
    match arguments() {
        Ok(wanted) => match wanted.seed {
            Some(seed) => one(seed),
            None => many(&wanted),
        },
        Err(what) => {
            say(&format!("{what}\n{USAGE}"));
            ExitCode::from(2)
        }
    }
}

struct Wanted {
    seed: Option<u64>,
    runs: u64,
    first: u64,
    threads: u64,
}

fn arguments() -> Result<Wanted, String> {
    let mut wanted = Wanted { seed: None, runs: 10_000, first: 0, threads: 2 };
    let mut given = std::env::args().skip(1);
    while let Some(name) = given.next() {
        let value = given.next().ok_or_else(|| format!("{name} needs a number"))?;
        let number: u64 = value.parse().map_err(|_| format!("{name}: `{value}` is not a number"))?;
        match name.as_str() {
            "--seed" => wanted.seed = Some(number),
            "--runs" => wanted.runs = number,
            "--first" => wanted.first = number,
            "--threads" => wanted.threads = number.clamp(1, 64),
            _ => return Err(format!("{name} is not known")),
        }
    }
    Ok(wanted)
}

fn say(text: &str) {
    // A closed pipe is no reason to fail.
    let _ = writeln!(std::io::stdout(), "{text}");
}

fn one(seed: u64) -> ExitCode {
    let report = random(seed, true);
    report.trace.iter().for_each(|line| say(line));
    match report.violation {
        None => {
            say(&format!("seed {seed}: every property holds"));
            ExitCode::SUCCESS
        }
        Some(violation) => broken(seed, &violation),
    }
}

fn broken(seed: u64, violation: &Violation) -> ExitCode {
    say(&format!("seed {seed}: BROKEN: {}\n  {}", violation.property, violation.what));
    say(&format!("  replay: cargo run --release -p windlass-sim -- --seed {seed}"));
    ExitCode::FAILURE
}

#[derive(Default)]
struct Tally {
    counts: BTreeMap<&'static str, u64>,
    failure: Option<(u64, Violation)>,
    runs: u64,
}

impl Tally {
    fn add(&mut self, seed: u64, report: Report) {
        self.runs += 1;
        for (what, count) in report.counts {
            *self.counts.entry(what).or_default() += count;
        }
        if let Some(violation) = report.violation {
            self.failure.get_or_insert((seed, violation));
        }
    }

    fn merge(&mut self, other: Self) {
        self.runs += other.runs;
        for (what, count) in other.counts {
            *self.counts.entry(what).or_default() += count;
        }
        self.failure = self.failure.take().or(other.failure);
    }
}

fn many(wanted: &Wanted) -> ExitCode {
    let began = Instant::now();
    let (next, stop) = (AtomicU64::new(0), AtomicBool::new(false));
    let work = || {
        let mut tally = Tally::default();
        while !stop.load(Ordering::Relaxed) {
            let at = next.fetch_add(1, Ordering::Relaxed);
            if at >= wanted.runs {
                break;
            }
            tally.add(wanted.first + at, random(wanted.first + at, false));
            if tally.failure.is_some() {
                stop.store(true, Ordering::Relaxed);
            }
        }
        tally
    };
    let tally = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..wanted.threads).map(|_| scope.spawn(work)).collect();
        threads.into_iter().fold(Tally::default(), |mut all, thread| {
            all.merge(thread.join().expect("a story panicked: its message is above"));
            all
        })
    });
    let seconds = began.elapsed().as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    let rate = tally.runs as f64 / seconds.max(0.001);
    for (what, count) in &tally.counts {
        say(&format!("{count:>10}  {what}"));
    }
    say(&format!("{} simulated runs in {seconds:.1} s ({rate:.0} a second)", tally.runs));
    match tally.failure {
        Some((seed, violation)) => broken(seed, &violation),
        None => ExitCode::SUCCESS,
    }
}
