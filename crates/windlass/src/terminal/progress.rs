//! Live progress on standard error: one line per settled unit; below them, on a terminal, the units at work with
//! elapsed time and their last output.

use super::{Estimate, Seen, colour, paint, raw};
use crate::env;
use std::{
    collections::BTreeMap,
    io::{self, IsTerminal as _},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use windlass_engine::{Notice, Observer};
use windlass_journal::{Direction, Entry, Event, Outcome, RunState};
use windlass_plan::{UnitId, Way};
use windlass_report::{Count, Mark, Text, duration, shorten, unit_word, why_in_short, width};

/// The live lines are drawn this often.
const TICK: Duration = Duration::from_millis(200);
/// Without a terminal, a unit that still runs is mentioned this often.
const MENTION: Duration = Duration::from_secs(30);
/// Columns that a line has where there is no terminal.
const COLUMNS: usize = 80;
/// An effect stands below its unit when less than this is left beside it.
const EFFECT_MIN: usize = 24;
/// Units shown live at once.
const LIVE_MAX: usize = 6;
/// Bytes of a unit's output that are kept to show its last line.
const OUTPUT_BYTES_MAX: usize = 4 * 1024;

/// Shows a run as it goes.
pub struct Progress {
    shared: Arc<Shared>,
    ticker: Option<std::thread::JoinHandle<()>>,
}

struct Shared {
    screen: Mutex<Screen>,
    over: Condvar,
}

struct Screen {
    live: bool,
    colour: bool,
    columns: usize,
    working: BTreeMap<UnitId, Working>,
    settled: usize,
    units: usize,
    count: Count,
    estimate: Estimate,
    /// What was seen of services from outside.
    seen: Seen,
    /// Lines that stand below the last permanent one.
    drawn: usize,
    paused: bool,
    over: bool,
}

struct Working {
    since: Instant,
    mentioned: Instant,
    way: Way,
    output: String,
}

impl Progress {
    /// Begins to show.
    pub fn start() -> Arc<Self> {
        let live = io::stderr().is_terminal() && env::variable("TERM").is_some_and(|term| term != "dumb");
        let screen = Screen {
            live,
            colour: colour(),
            columns: columns(),
            working: BTreeMap::new(),
            settled: 0,
            units: 0,
            count: Count::default(),
            estimate: Estimate::default(),
            seen: Seen::default(),
            drawn: 0,
            paused: false,
            over: false,
        };
        let shared = Arc::new(Shared { screen: Mutex::new(screen), over: Condvar::new() });
        let ticking = shared.clone();
        let ticker = std::thread::Builder::new().name("progress".into()).spawn(move || ticking.tick()).ok();
        Arc::new(Self { shared, ticker })
    }

    /// A line among the others.
    pub fn line(&self, text: &Text) {
        self.shared.lock().permanent(text);
    }

    /// Takes the live lines away while a person is asked.
    pub fn pause(&self, paused: bool) {
        let mut screen = self.shared.lock();
        screen.clear();
        screen.paused = paused;
    }

    /// What earlier runs tell about how long this one will take.
    pub fn expect(&self, estimate: Estimate) {
        self.shared.lock().estimate = estimate;
    }

    /// Units at work, for a person who wants to stop.
    pub fn working(&self) -> Vec<UnitId> {
        self.shared.lock().working.keys().cloned().collect()
    }

    /// Takes the live lines away for good.
    pub fn finish(&self) {
        let mut screen = self.shared.lock();
        screen.clear();
        screen.over = true;
        self.shared.over.notify_all();
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.finish();
        if let Some(ticker) = self.ticker.take() {
            // It only draws; a panic there must not hide how the run ended.
            let _ = ticker.join();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Screen> {
        self.screen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tick(&self) {
        let mut screen = self.lock();
        while !screen.over {
            let waited = self.over.wait_timeout(screen, TICK);
            screen = waited.unwrap_or_else(PoisonError::into_inner).0;
            if !screen.over {
                screen.tick();
            }
        }
    }
}

impl Screen {
    fn tick(&mut self) {
        if self.live {
            self.clear();
            self.draw();
        } else {
            self.mention();
        }
    }

    fn clear(&mut self) {
        if self.drawn > 0 {
            // To the first live line, then everything from there to the end of the screen.
            raw(&format!("\u{1b}[{}A\r\u{1b}[J", self.drawn));
            self.drawn = 0;
        }
    }

    fn draw(&mut self) {
        if !self.live || self.paused || self.over {
            return;
        }
        let mut text = Text::new();
        for (unit, work) in self.working.iter().take(LIVE_MAX) {
            let lead = format!("  {} {unit}  {}", doing(work.way), duration(round(work.since.elapsed())));
            let room = self.columns.saturating_sub(width(&lead) + 3);
            text.line().add(Mark::Warn, shorten(&lead, self.columns.saturating_sub(1)));
            let output = shorten(last_line(&work.output), room);
            if !output.is_empty() && room > 8 {
                text.add(Mark::Dim, format!("  {output}"));
            }
        }
        let more = self.working.len().saturating_sub(LIVE_MAX);
        if more > 0 {
            text.line().add(Mark::Dim, format!("  and {more} more"));
        }
        for line in self.seen.live() {
            text.line().add(Mark::Bad, shorten(&line, self.columns.saturating_sub(1)));
        }
        if let Some(left) = self.left() {
            text.line().add(Mark::Dim, shorten(&format!("  {left}"), self.columns.saturating_sub(1)));
        }
        self.drawn = text.lines().len();
        raw(&paint(&text, self.colour));
    }

    fn left(&self) -> Option<String> {
        self.estimate.left(self.working.iter().map(|(id, work)| (id, work.since.elapsed())))
    }

    /// Without a terminal: says now and then that a long unit still runs.
    fn mention(&mut self) {
        let mut text = Text::new();
        let left = self.left().map_or(String::new(), |left| format!(" ({left})"));
        for (unit, work) in &mut self.working {
            if work.mentioned.elapsed() >= MENTION {
                work.mentioned = Instant::now();
                let elapsed = duration(round(work.since.elapsed()));
                let line = format!(
                    "  still {} {unit} after {elapsed}{left}: {}",
                    doing(work.way),
                    last_line(&work.output)
                );
                text.line().plain(shorten(&line, COLUMNS));
            }
        }
        if !text.lines().is_empty() {
            raw(&paint(&text, self.colour));
        }
    }

    fn permanent(&mut self, text: &Text) {
        self.clear();
        raw(&paint(text, self.colour));
        self.draw();
    }

    fn entry(&mut self, entry: &Entry, state: &RunState) {
        // How far the run is, for the counter in front of each line.
        (self.settled, self.units) = self.count.entry(state, &entry.event);
        self.estimate.entry(state, &entry.event);
        let mut text = Text::new();
        match &entry.event {
            Event::Started { .. } => {
                text.line().plain("Run ").add(Mark::Strong, &entry.run.0).plain(" started");
            }
            Event::Replanned { from, digest, .. } => {
                let words = format!("goes on with plan {} instead of {}", digest.short(), from.short());
                text.wrapped("  ", Mark::Strong, &words);
            }
            Event::Taken { from: Some(from), .. } => {
                text.wrapped("  ", Mark::Warn, &format!("took over from {from}, which is dead"));
            }
            Event::Intended { unit, way, .. } => {
                let now = Instant::now();
                let work = Working { since: now, mentioned: now, way: *way, output: String::new() };
                self.working.insert(unit.clone(), work);
            }
            Event::Settled { unit, way, outcome, took_ms, .. } => {
                self.working.remove(unit);
                // One of several that was not begun: it comes later.
                let silent = matches!(outcome, Outcome::Failed(t) if t.interrupted && t.message.is_empty());
                if !silent {
                    self.settled_line(&mut text, state, unit, *way, outcome, *took_ms);
                }
            }
            Event::Confirmed { unit, .. } => {
                self.head(&mut text, Mark::Good, "confirmed", unit);
            }
            Event::Turned { to, why, unit } => {
                // The line of the unit has just told its trouble.
                turned(&mut text, *to, &why_in_short(state, unit.as_ref(), why), unit.as_ref());
            }
            Event::Decided { reason, .. } => {
                text.wrapped("  decided: ", Mark::Strong, reason);
            }
            Event::Probed { seen, .. } => {
                self.seen.expect(&state.plan);
                self.seen.lines(&mut text, seen);
            }
            Event::Taken { .. } | Event::Ended { .. } => {}
        }
        if text.lines().is_empty() { self.draw_again() } else { self.permanent(&text) }
    }

    fn draw_again(&mut self) {
        self.clear();
        self.draw();
    }

    fn head(&self, text: &mut Text, mark: Mark, word: &str, unit: &UnitId) {
        let digits = self.units.to_string().len();
        text.line().add(Mark::Dim, format!("[{:>digits$}/{}] ", self.settled, self.units));
        text.add(mark, windlass_report::pad(word, 10)).plain(" ").add(Mark::Strong, &unit.0);
    }

    fn settled_line(
        &self,
        text: &mut Text,
        state: &RunState,
        unit: &UnitId,
        way: Way,
        outcome: &Outcome,
        took_ms: Option<u64>,
    ) {
        let (mark, word) = match (way, outcome) {
            (Way::Forward, Outcome::Failed(trouble)) if trouble.interrupted => (Mark::Warn, "not begun"),
            _ => state.find(unit).map_or((Mark::Plain, ""), |known| unit_word(known, &state.unit(unit))),
        };
        self.head(text, mark, word, unit);
        if let Some(took) = took_ms {
            text.add(Mark::Dim, format!("  {}", duration(took)));
        }
        match outcome {
            Outcome::Applied(report) | Outcome::NoEffect(report) => {
                if let Some(effect) = report.effects.first() {
                    beside(text, effect);
                }
            }
            Outcome::Failed(trouble) | Outcome::FailedPartly(trouble) | Outcome::Unknown(trouble) => {
                text.wrapped("      ", mark, &trouble.message);
            }
        }
    }

    fn notice(&mut self, notice: &Notice) {
        match notice {
            Notice::Output(unit, piece) => {
                if let Some(work) = self.working.get_mut(unit) {
                    work.add(piece);
                }
            }
            Notice::Retrying(unit, ms, why) if !why.is_empty() => {
                if let Some(work) = self.working.get_mut(unit) {
                    work.add(&format!("\nagain in {}: {why}", duration(*ms)));
                }
            }
            Notice::Inspecting(unit, _) => {
                let mut text = Text::new();
                text.wrapped("  ", Mark::Warn, &format!("looking at what became of {unit}"));
                self.permanent(&text);
            }
            Notice::WaitingForLease(owner, ms) => {
                let mut text = Text::new();
                let line =
                    format!("{owner} holds the lease; waiting {} to see whether it lives", duration(*ms));
                text.wrapped("  ", Mark::Warn, &line);
                self.permanent(&text);
            }
            Notice::Probed(seen) => self.seen.is(seen),
            Notice::Capturing(_) | Notice::Retrying(..) => {}
        }
    }
}

impl Working {
    fn add(&mut self, piece: &str) {
        self.output.push_str(piece);
        if self.output.len() > OUTPUT_BYTES_MAX {
            let cut = self.output.ceil_char_boundary(self.output.len() - OUTPUT_BYTES_MAX / 2);
            self.output.drain(..cut);
        }
    }
}

fn turned(text: &mut Text, to: Direction, why: &str, unit: Option<&UnitId>) {
    let unit = unit.map_or(String::new(), |unit| format!("{unit}: "));
    match to {
        Direction::Unwind => text.wrapped("  going back: ", Mark::Warn, &format!("{unit}{why}")),
        Direction::Person => text.wrapped("  needs a person: ", Mark::Bad, &format!("{unit}{why}")),
        Direction::Forward => text.wrapped("  going on: ", Mark::Plain, &format!("{unit}{why}")),
    };
}

/// Adds an effect to the last line, or below it when there is too little room.
fn beside(text: &mut Text, effect: &str) {
    let used: usize = text.lines().last().into_iter().flatten().map(|(_, piece)| width(piece)).sum();
    let room = COLUMNS.saturating_sub(used + 2);
    if room < EFFECT_MIN {
        text.line().plain(format!("      {}", shorten(effect, COLUMNS - 6)));
    } else {
        text.plain(format!("  {}", shorten(effect, room)));
    }
}

fn doing(way: Way) -> &'static str {
    match way {
        Way::Forward => "running",
        Way::Undo => "undoing",
    }
}

/// Whole seconds once there are any: a counter that flickers tells nothing.
fn round(elapsed: Duration) -> u64 {
    elapsed.as_secs() * 1_000
}

/// The last line of output that says anything; a carriage return begins a line anew.
fn last_line(output: &str) -> &str {
    output.rsplit(['\n', '\r']).map(str::trim).find(|line| !line.is_empty()).unwrap_or("")
}

/// Width of the terminal.
fn columns() -> usize {
    rustix::termios::tcgetwinsize(io::stderr()).map_or(COLUMNS, |size| usize::from(size.ws_col)).max(20)
}

impl Observer for Progress {
    fn entry(&self, entry: &Entry, state: &RunState) {
        self.shared.lock().entry(entry, state);
    }

    fn notice(&self, notice: Notice) {
        self.shared.lock().notice(&notice);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_that_says_anything_is_shown() {
        assert_eq!(last_line("one\ntwo\n\n"), "two");
        assert_eq!(last_line("10%\r20%\r"), "20%");
        assert_eq!(last_line(""), "");
    }

    #[test]
    fn kept_output_is_bounded_also_inside_wide_characters() {
        let mut work = Working {
            since: Instant::now(),
            mentioned: Instant::now(),
            way: Way::Forward,
            output: String::new(),
        };
        for _ in 0..1_000 {
            work.add("数据库备份");
        }
        assert!(work.output.len() <= OUTPUT_BYTES_MAX + 15);
    }
}
