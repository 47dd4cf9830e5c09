//! The words at the end of a run, above all of one that failed: made to be read at two in the morning.

use crate::{
    Mark, Stand, Text,
    downtime::downtime_lines,
    messages::Messages,
    run::changes,
    run::stand_lines,
    stand::suggestions,
    text::width,
    time::duration,
    words::{count, place_of, taken_back},
};
use jiff::tz::TimeZone;
use windlass_journal::{Direction, Ending, Forward, RunState, Trouble, UndoPhase, UnitState};
use windlass_plan::{Unit, UnitId};

const LABELS: usize = 12;

/// What happened: on a failure what failed, where, with its output; what was done, undone and left; what to type.
#[must_use]
pub fn ending_text(run: &RunState, stand: &Stand, zone: &TimeZone) -> Text {
    let mut text = Text::new();
    title(&mut text, run, stand);
    for unit in failures(run) {
        failure(&mut text, run, unit);
    }
    lists(&mut text, run);
    held(&mut text, run);
    downtime_lines(&mut text, run, stand, zone, false);
    match stand {
        Stand::Ended(_) => next_lines(&mut text, run, stand),
        _ => stand_lines(&mut text, run, stand, zone, true),
    }
    text
}

fn title(text: &mut Text, run: &RunState, stand: &Stand) {
    let back = run.turns.iter().rev().find(|turn| turn.to == Direction::Unwind);
    let (mark, word) = match stand {
        Stand::Ended(Ending::Done) => (Mark::Good, "done"),
        Stand::Ended(Ending::Undone) if failed(run) => (Mark::Bad, "failed and undone"),
        Stand::Ended(Ending::Undone) => (Mark::Good, "undone"),
        Stand::Ended(Ending::Abandoned) => (Mark::Bad, "ended with parts left as they were"),
        Stand::Person { .. } => (Mark::Bad, "needs a person"),
        Stand::Gate(_) => (Mark::Warn, "waits for a confirmation"),
        Stand::NotBefore { .. } => (Mark::Warn, "waits for its time"),
        Stand::Stopped | Stand::Working(_) => (Mark::Warn, "stopped, to be resumed"),
    };
    text.line().plain("Release ").add(Mark::Strong, &run.plan.release.version).plain(": ").add(mark, word);
    // Of what a person took back later, the way back is what took its time now.
    let since = match stand {
        Stand::Ended(Ending::Undone) if !failed(run) => back.map_or(0, |turn| turn.worked_ms),
        _ => 0,
    };
    let took = format!(" after {}", duration(run.worked_ms.saturating_sub(since)));
    let name = format!("(run {})", run.id);
    let used = width("Release : ") + width(&run.plan.release.version) + width(word) + width(&took);
    text.add(Mark::Dim, took);
    if used + 1 + width(&name) > crate::text::COLUMNS {
        text.line();
    }
    text.add(Mark::Dim, format!(" {name}"));
}

/// Whether the run went back because something failed, and not because a person wanted what was done to be undone.
pub(crate) fn failed(run: &RunState) -> bool {
    let back = run.turns.iter().rev().find(|turn| turn.to == Direction::Unwind);
    let state = |unit: &Unit| run.unit(&unit.id);
    let trouble = |unit: &Unit| {
        matches!(state(unit).forward, Forward::Failed(_) | Forward::FailedPartly(_) | Forward::Unknown(_))
    };
    back.is_some_and(|turn| turn.unit.is_some()) || run.plan.units().any(|(_, unit)| trouble(unit))
}

/// Units that failed, either way, in the order of the plan.
pub(crate) fn failures(run: &RunState) -> Vec<&Unit> {
    let all = run
        .plan
        .steps
        .iter()
        .flat_map(|step| step.units.iter().chain(step.undo.iter().flat_map(|script| &script.units)));
    all.filter(|unit| run.units.get(&unit.id).is_some_and(|state| trouble(state).is_some())).collect()
}

/// What went wrong with a unit last, and the message that says how; its undo is the newer news.
pub(crate) fn trouble(state: &UnitState) -> Option<(&'static str, &Trouble)> {
    troubles(state).next()
}

/// What went wrong with a unit on its last try each way, the way back first.
pub(crate) fn troubles(state: &UnitState) -> impl Iterator<Item = (&'static str, &Trouble)> {
    let back = match &state.undo {
        UndoPhase::Failed(t) => Some(("trouble-undo-failed", t)),
        UndoPhase::FailedPartly(t) => Some(("trouble-undo-partly", t)),
        UndoPhase::Unknown(t) => Some(("trouble-undo-unknown", t)),
        _ => None,
    };
    let forward = match &state.forward {
        Forward::Failed(t) => Some(("trouble-failed", t)),
        Forward::FailedPartly(t) => Some(("trouble-partly", t)),
        Forward::Unknown(t) => Some(("trouble-unknown", t)),
        _ => None,
    };
    back.into_iter().chain(forward)
}

fn failure(text: &mut Text, run: &RunState, unit: &Unit) {
    let state = run.unit(&unit.id);
    let Some((how, trouble)) = trouble(&state) else { return };
    let how = Messages::english().say(how);
    let place = place_of(&run.plan, unit);
    text.line();
    text.line().add(Mark::Bad, &unit.id.0).plain(format!(" on {} at {place}: {how}", unit.host));
    text.wrapped("  ", Mark::Strong, &trouble.message);
    let tried = state.attempt.max(state.undo_attempt);
    if tried > 1 {
        text.wrapped("  ", Mark::Dim, &format!("tried {tried} times"));
    }
    let output: Vec<_> = trouble.output.trim_end().lines().collect();
    // The end of the output says why; the whole of it stands in the record.
    for line in
        output.iter().skip(output.len().saturating_sub(12)).filter(|_| !trouble.output.trim().is_empty())
    {
        text.line().add(Mark::Dim, "  | ").plain(crate::shorten(line, 76));
    }
    for hint in &trouble.hints {
        text.wrapped("  hint: ", Mark::Plain, hint);
    }
}

/// Done, in part, left out, undone, not undone, not begun: each unit that did not fail cleanly stands in one of these.
pub(crate) fn lists(text: &mut Text, run: &RunState) {
    let went_back = run.turns.iter().any(|turn| turn.to == Direction::Unwind);
    let (mut done, mut partly, mut undone, mut left, mut skipped) = (vec![], vec![], vec![], vec![], vec![]);
    let mut waiting = 0;
    for (step, unit) in run.plan.units() {
        let state = run.unit(&unit.id);
        if taken_back(run, step, unit) {
            undone.push(&unit.id);
            continue;
        }
        let holds = state.has_effect() && changes(unit);
        if went_back && holds {
            left.push(&unit.id);
        }
        match &state.forward {
            Forward::Applied | Forward::Unchanged if went_back && holds => {}
            Forward::Applied | Forward::Unchanged => done.push(&unit.id),
            Forward::FailedPartly(_) => partly.push(&unit.id),
            Forward::Skipped if holds => partly.push(&unit.id),
            Forward::Skipped => skipped.push(&unit.id),
            Forward::Waiting if holds => partly.push(&unit.id),
            Forward::Waiting => waiting += 1,
            Forward::Running | Forward::Failed(_) | Forward::Unknown(_) => {}
        }
    }
    text.line();
    list(text, "Done", Mark::Plain, &done);
    list(text, "In part", Mark::Bad, &partly);
    list(text, "Left out", Mark::Warn, &skipped);
    list(text, "Undone", Mark::Plain, &undone);
    list(text, "Not undone", Mark::Bad, &left);
    if waiting > 0 {
        text.field("Not begun", LABELS, Mark::Plain, &count(waiting, "unit"));
    }
}

fn list(text: &mut Text, label: &str, mark: Mark, units: &[&UnitId]) {
    const SHOWN: usize = 12;
    if units.is_empty() {
        return;
    }
    let mut names: Vec<_> = units.iter().take(SHOWN).map(|unit| unit.0.clone()).collect();
    if units.len() > SHOWN {
        names.push(format!("and {} more", units.len() - SHOWN));
    }
    text.field(label, LABELS, mark, &names.join(", "));
}

fn held(text: &mut Text, run: &RunState) {
    let held = crate::json::held(run);
    if held.requests > 0 || held.total_ms > 0 {
        let (requests, total) =
            (count(usize::try_from(held.requests).unwrap_or(usize::MAX), "request"), held.total_ms);
        let line = format!("{requests} waited while traffic was held for {}", duration(total));
        text.field("Held", LABELS, Mark::Plain, &line);
    }
}

/// The commands that make sense now.
pub(crate) fn next_lines(text: &mut Text, run: &RunState, stand: &Stand) {
    let all = suggestions(run, stand);
    let column = all.iter().map(|next| width(&next.command)).max().unwrap_or(0);
    let fits = LABELS + column + 2 + 24 <= crate::text::COLUMNS;
    for (at, next) in all.iter().enumerate() {
        text.line().plain(crate::pad(if at == 0 { "Next" } else { "" }, LABELS));
        // A command is never wrapped: it is there to be copied.
        if fits {
            text.add(Mark::Strong, crate::pad(&next.command, column))
                .add(Mark::Dim, format!("  {}", next.what));
        } else {
            text.add(Mark::Strong, &next.command);
            text.line().plain(" ".repeat(LABELS + 2)).add(Mark::Dim, &next.what);
        }
    }
}
