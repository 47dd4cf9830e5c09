//! Runs: one in full, all as a list, and where things stand now.

use crate::{
    Mark, Stand, Text,
    downtime::downtime_lines,
    ending::next_lines,
    messages::Messages,
    moment,
    spread::spreads,
    text::{pad, shorten, width},
    time::duration,
    words::{count, progress, purpose, run_word, state_word, why_in_short},
};
use jiff::tz::TimeZone;
use windlass_journal::{Direction, Forward, RunState, UndoPhase, UnitState};
use windlass_plan::{Class, Step, Unit};

/// One run with every unit: state, start, duration, effects.
#[must_use]
pub fn run_text(run: &RunState, stand: &Stand, zone: &TimeZone) -> Text {
    let mut text = head(run, zone);
    text.line();
    let units: Vec<_> = shown_units(run);
    let column = units.iter().map(|(_, unit)| width(&unit.id.0)).max().unwrap_or(4).min(32);
    for (step, unit) in units {
        let state = run.unit(&unit.id);
        let (mark, word) = state_word(run, step, unit);
        text.line().plain("  ").add(Mark::Strong, pad(&shorten(&unit.id.0, column), column)).plain("  ");
        text.add(mark, pad(word, 18));
        if let Some(began) = state.began_ms {
            text.add(Mark::Dim, format!("{}  ", clock(began, zone)));
        }
        if state.took_ms > 0 {
            text.add(Mark::Dim, duration(state.took_ms));
        }
        details(&mut text, &state);
    }
    for (step, words) in spreads(run, &Messages::english()) {
        text.wrapped(&format!("  {step}: "), Mark::Good, &words);
    }
    turns(&mut text, run);
    text.line();
    downtime_lines(&mut text, run, stand, zone, true);
    stand_lines(&mut text, run, stand, zone, true);
    text
}

/// What a rollback will take back, newest first, before a person is asked.
#[must_use]
pub fn rollback_text(run: &RunState) -> Text {
    let mut text = Text::new();
    text.line().plain("Taking back release ").add(Mark::Strong, &run.plan.release.version);
    text.add(Mark::Dim, format!(" (run {}), newest first:", run.id));
    let in_place = |id: &&windlass_plan::UnitId| run.unit(id).undo != UndoPhase::Undone;
    for (step, unit) in run.applied.iter().rev().filter(in_place).filter_map(|id| run.plan.unit(id)) {
        if !changes(unit) {
            continue;
        }
        let (class, how) = match &step.undo {
            Some(script) => (step.class, format!("by the hand-written #{}", script.id)),
            None => (unit.undo.class, unit.undo.how.clone()),
        };
        text.line().plain("  ").add(crate::plan::class_mark(class), pad(&class.to_string(), 10));
        text.add(Mark::Strong, &unit.id.0).plain(format!("  {}", shorten(&unit.effect, 56)));
        text.wrapped("            ", Mark::Dim, &how);
    }
    if text.lines().len() == 1 {
        text.line().plain("  nothing that changed anything is in place");
    }
    text
}

/// All runs, newest first.
#[must_use]
pub fn runs_text(runs: &[RunState], zone: &TimeZone) -> Text {
    let mut text = Text::new();
    if runs.is_empty() {
        text.line().plain("No runs yet.");
    }
    let column = runs.iter().map(|run| width(&run.plan.release.version)).max().unwrap_or(0).clamp(7, 20);
    for run in runs {
        let (mark, word) = run_word(run);
        let version = shorten(&run.plan.release.version, column);
        text.line().add(Mark::Strong, &run.id.0).plain("  ").plain(pad(&version, column)).plain("  ");
        text.add(mark, pad(word, 14)).plain("  ");
        text.add(Mark::Dim, format!("{}  {}", moment(run.started_ms, zone), duration(run.worked_ms)));
    }
    text
}

/// Where the newest run stands and what to type next.
#[must_use]
pub fn status_text(run: &RunState, stand: &Stand, zone: &TimeZone) -> Text {
    let mut text = head(run, zone);
    let (over, of) = progress(run);
    let all = count(of, "unit");
    let line = match run.direction {
        Direction::Unwind => format!("{over} of {all} taken back, on the way back"),
        _ => format!("{over} of {all} settled, on the way forward"),
    };
    text.field("Progress", 12, Mark::Plain, &line);
    for (_, unit) in run.plan.units() {
        let state = run.unit(&unit.id);
        if state.forward == Forward::Running || state.undo == UndoPhase::Running {
            text.field("Running", 12, Mark::Warn, &format!("{}: {}", unit.id, unit.effect));
        }
    }
    text.line();
    stand_lines(&mut text, run, stand, zone, false);
    text
}

fn head(run: &RunState, zone: &TimeZone) -> Text {
    let mut text = Text::new();
    let (mark, word) = run_word(run);
    text.line().add(Mark::Dim, pad("Run", 12)).add(Mark::Strong, &run.id.0).plain("  ").add(mark, word);
    let title = run.plan.release.title.as_deref().unwrap_or_default();
    text.field("Release", 12, Mark::Plain, &format!("{} {title}", run.plan.release.version));
    text.field("Plan", 12, Mark::Plain, &format!("{} from {}", run.digest.short(), run.plan.document.name));
    text.field("Started", 12, Mark::Plain, &format!("{} by {}", moment(run.started_ms, zone), run.actor));
    for replan in &run.replans {
        let words = format!(
            "{} by {}, plan {} until then",
            moment(replan.at_ms, zone),
            replan.actor,
            replan.from.short()
        );
        text.field("Edited", 12, Mark::Warn, &words);
    }
    if let Some(glass) = &run.break_glass {
        let words = format!("{} ({})", glass.reason, glass.against.join("; "));
        text.wrapped(&pad("Against the policy: ", 12), Mark::Warn, &words);
    }
    text
}

/// Units worth a line: all of the plan, and those of a hand-written undo once it was used.
pub(crate) fn shown_units(run: &RunState) -> Vec<(&Step, &Unit)> {
    run.plan
        .steps
        .iter()
        .flat_map(|step| {
            let undo = step.undo.iter().flat_map(|script| &script.units);
            let used = undo.filter(|unit| run.units.contains_key(&unit.id));
            step.units.iter().chain(used).map(move |unit| (step, unit))
        })
        .collect()
}

fn details(text: &mut Text, state: &UnitState) {
    for effect in state.report.iter().flat_map(|report| &report.effects) {
        text.wrapped("      ", Mark::Plain, effect);
    }
    if let Forward::Failed(t) | Forward::FailedPartly(t) | Forward::Unknown(t) = &state.forward {
        text.wrapped("      ", Mark::Bad, &t.message);
    }
    for effect in state.undo_report.iter().flat_map(|report| &report.effects) {
        text.wrapped("      back: ", Mark::Plain, effect);
    }
    if let UndoPhase::Failed(t) | UndoPhase::FailedPartly(t) | UndoPhase::Unknown(t) = &state.undo {
        text.wrapped("      back: ", Mark::Bad, &t.message);
    }
    if let Some(confirmed) = &state.confirmed {
        text.wrapped("      confirmed by ", Mark::Plain, confirmed);
    }
}

fn turns(text: &mut Text, run: &RunState) {
    for turn in &run.turns {
        let lead = match turn.to {
            Direction::Forward => "  turned forward: ",
            Direction::Unwind => "  turned back: ",
            Direction::Person => "  waited for a person: ",
        };
        let unit = turn.unit.as_ref().map_or(String::new(), |unit| format!("{unit}: "));
        let why = why_in_short(run, turn.unit.as_ref(), &turn.why);
        text.wrapped(lead, Mark::Warn, &format!("{unit}{why}"));
    }
}

/// The sentence about where it stands, then the commands. `told`: the page shows the trouble of each unit already.
pub(crate) fn stand_lines(text: &mut Text, run: &RunState, stand: &Stand, zone: &TimeZone, told: bool) {
    match stand {
        Stand::Working(holder) => {
            let since = moment(holder.since_ms, zone);
            let line = format!("{} works on it since {since}", holder.owner);
            text.field("Now", 12, Mark::Good, &line);
        }
        Stand::Stopped => {
            text.field("Now", 12, Mark::Warn, "not finished, and no controller works on it");
        }
        Stand::Gate(unit) => {
            let what = run.plan.unit(unit).map_or("", |(_, unit)| purpose(unit));
            text.field("Now", 12, Mark::Warn, &format!("waits for a confirmation of {unit}: {what}"));
        }
        Stand::NotBefore { unit, at_ms } => {
            let line = format!("{unit} waits for its time, {}", moment(*at_ms, zone));
            text.field("Now", 12, Mark::Warn, &line);
        }
        Stand::Person { unit, why } => {
            let why = if told { why_in_short(run, unit.as_ref(), why) } else { why.clone() };
            let unit = unit.as_ref().map_or(String::new(), |unit| format!(" about {unit}"));
            text.field("Now", 12, Mark::Bad, &format!("waits for a decision{unit}: {why}"));
        }
        Stand::Ended(ending) => {
            let line = format!("{} at {}", crate::ending_word(*ending), moment(run.last_ms, zone));
            text.field("Now", 12, Mark::Plain, &line);
        }
    }
    next_lines(text, run, stand);
}

/// Time of day.
fn clock(ms: i64, zone: &TimeZone) -> String {
    let full = moment(ms, zone);
    full.split(' ').nth(1).unwrap_or(&full).to_owned()
}

/// Whether a unit changes nothing, so that it needs no way back.
pub(crate) fn changes(unit: &Unit) -> bool {
    unit.undo.class != Class::Readonly
}
