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
    scenario::{Report, random, scripted},
    systematic::every_crash,
};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Of the pairs of crashes of one plan at most so many are run.
const CRASHED_MAX: usize = 1_500;

const USAGE: &str = "windlass-sim [--seed N] [--runs N] [--plans N] [--threads N]
  --seed N     one story with its trace; with --runs: the first seed
  --runs N     so many stories; the default is 10000
  --plans N    plans of which every append crashes, before and after it is durable, and then again during the
               resume; the default is 8 with --runs
  --threads N  the default is 2
  --crash 2b,4a --seed N [--doomed N]
               one of the stories of --plans: crashes before the 2nd append, and after the 4th of the resume
";

fn main() -> ExitCode {
    match arguments() {
        Ok(wanted) => match (wanted.seed, wanted.runs) {
            (Some(seed), None) => one(seed, &wanted),
            (first, runs) => many(&wanted, first.unwrap_or(0), runs.unwrap_or(10_000)),
        },
        Err(what) => {
            say(&format!("{what}\n{USAGE}"));
            ExitCode::from(2)
        }
    }
}

struct Wanted {
    seed: Option<u64>,
    runs: Option<u64>,
    plans: u64,
    crashes: Option<Vec<(u64, bool)>>,
    doomed: Option<usize>,
    threads: u64,
}

fn arguments() -> Result<Wanted, String> {
    let mut wanted = Wanted { seed: None, runs: None, plans: 8, crashes: None, doomed: None, threads: 2 };
    let mut given = std::env::args().skip(1);
    while let Some(name) = given.next() {
        let value = given.next().ok_or_else(|| format!("{name} needs a number"))?;
        if name == "--crash" {
            wanted.crashes = Some(crashes(&value)?);
            continue;
        }
        let number: u64 = value.parse().map_err(|_| format!("{name}: `{value}` is not a number"))?;
        match name.as_str() {
            "--seed" => wanted.seed = Some(number),
            "--runs" => wanted.runs = Some(number),
            "--plans" => wanted.plans = number,
            "--doomed" => wanted.doomed = usize::try_from(number).ok(),
            "--threads" => wanted.threads = number.clamp(1, 64),
            _ => return Err(format!("{name} is not known")),
        }
    }
    Ok(wanted)
}

fn crashes(text: &str) -> Result<Vec<(u64, bool)>, String> {
    let wrong = |part: &str| format!("--crash: `{part}` is not a number followed by b (before) or a (after)");
    let crash = |part: &str| {
        let (number, before) = match (part.strip_suffix('b'), part.strip_suffix('a')) {
            (Some(number), _) => (number, true),
            (_, Some(number)) => (number, false),
            _ => return Err(wrong(part)),
        };
        number.parse().map(|number| (number, before)).map_err(|_| wrong(part))
    };
    text.split(',').filter(|part| !part.is_empty()).map(crash).collect()
}

fn say(text: &str) {
    // A closed pipe is no reason to fail.
    let _ = writeln!(std::io::stdout(), "{text}");
}

fn one(seed: u64, wanted: &Wanted) -> ExitCode {
    let report = match &wanted.crashes {
        Some(crashes) => scripted(seed, crashes.clone(), wanted.doomed, true),
        None => random(seed, true),
    };
    report.trace.iter().for_each(|line| say(line));
    match report.violation {
        None => {
            say(&format!("seed {seed}: every property holds"));
            ExitCode::SUCCESS
        }
        Some(violation) => broken(&seed.to_string(), &violation),
    }
}

fn broken(seed: &str, violation: &Violation) -> ExitCode {
    say(&format!("seed {seed}: BROKEN: {}\n  {}", violation.property, violation.what));
    say(&format!("  replay: cargo run --release -p windlass-sim -- --seed {seed}"));
    ExitCode::FAILURE
}

#[derive(Default)]
struct Tally {
    counts: BTreeMap<&'static str, u64>,
    failure: Option<(String, Violation)>,
    runs: u64,
    crashed: u64,
}

impl Tally {
    fn add(&mut self, seed: u64, report: Report) {
        self.runs += 1;
        for (what, count) in report.counts {
            *self.counts.entry(what).or_default() += count;
        }
        if let Some(violation) = report.violation {
            self.failure.get_or_insert((seed.to_string(), violation));
        }
    }

    /// The plan of a seed with every crash.
    fn every(&mut self, seed: u64) {
        let all = every_crash(seed, CRASHED_MAX);
        self.crashed += all.stories;
        if let Some((how, violation)) = all.violation {
            self.failure.get_or_insert((how, violation));
        }
    }

    fn merge(&mut self, other: Self) {
        self.runs += other.runs;
        self.crashed += other.crashed;
        for (what, count) in other.counts {
            *self.counts.entry(what).or_default() += count;
        }
        self.failure = self.failure.take().or(other.failure);
    }
}

fn many(wanted: &Wanted, first: u64, runs: u64) -> ExitCode {
    let began = Instant::now();
    let (next, stop) = (AtomicU64::new(0), AtomicBool::new(false));
    let work = || {
        let mut tally = Tally::default();
        while !stop.load(Ordering::Relaxed) {
            let at = next.fetch_add(1, Ordering::Relaxed);
            if at >= runs + wanted.plans {
                break;
            }
            match at.checked_sub(wanted.plans) {
                Some(at) => tally.add(first + at, random(first + at, false)),
                None => tally.every(at),
            }
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
    let rate = (tally.runs + tally.crashed) as f64 / seconds.max(0.001);
    for (what, count) in &tally.counts {
        say(&format!("{count:>10}  {what}"));
    }
    say(&format!("{:>10}  runs with a crash at every append, and again in the resume", tally.crashed));
    say(&format!("{} simulated runs in {seconds:.1} s ({rate:.0} a second)", tally.runs + tally.crashed));
    match tally.failure {
        Some((seed, violation)) => broken(&seed, &violation),
        None => ExitCode::SUCCESS,
    }
}
