//! The record of a run, as Markdown: who, when, what, how it went, what people said, and what users noticed.

use crate::{
    downtime::{seen, way_back_words},
    json::{HeldJson, decisions, held},
    markdown::{fenced, inline},
    moment,
    outage::outages,
    run::shown_units,
    spread::spreads,
    time::duration,
    words::{count, ending_word, purpose, run_word, state_word, taken_back, why_in_short},
};
use jiff::tz::TimeZone;
use std::fmt::Write as _;
use windlass_journal::{Direction, Entry, Forward, RunState, UndoPhase, UnitState};
use windlass_plan::Unit;

/// The record. `entries` are the entries of this run; times are shown in `zone`.
#[must_use]
pub fn record_markdown(run: &RunState, entries: &[Entry], zone: &TimeZone) -> String {
    let mut page = Page(String::new());
    let release = &run.plan.release;
    let title = release.title.as_deref().unwrap_or_default();
    page.line(&format!("# Record of release {} {}", inline(&release.version), inline(title)));
    summary(&mut page, run, entries, zone);
    steps(&mut page, run, zone);
    people(&mut page, run, entries, zone);
    turns(&mut page, run, entries, zone);
    details(&mut page, run);
    page.0
}

struct Page(String);

impl Page {
    fn line(&mut self, text: &str) {
        self.0.push_str(text.trim_end());
        self.0.push('\n');
    }

    fn heading(&mut self, text: &str) {
        self.line("");
        self.line(text);
        self.line("");
    }

    fn row(&mut self, cells: &[&str]) {
        let cells: Vec<_> = cells.iter().map(|cell| inline(cell)).collect();
        self.line(&format!("| {} |", cells.join(" | ")));
    }
}

fn summary(page: &mut Page, run: &RunState, entries: &[Entry], zone: &TimeZone) {
    page.line("");
    page.line("| | |");
    page.line("|---|---|");
    page.row(&["Result", &result(run)]);
    page.row(&["Run", &run.id.0]);
    let release = &run.plan.release;
    for (label, value) in
        [("From version", &release.from), ("Environment", &release.env), ("Ticket", &release.ticket)]
    {
        if let Some(value) = value {
            page.row(&[label, value]);
        }
    }
    page.row(&["Document", &format!("{} (SHA-256 {})", run.plan.document.name, run.plan.document.sha256)]);
    page.row(&["Plan", &run.digest.0]);
    page.row(&["Undo class", &run.plan.class.to_string()]);
    page.row(&["Started", &format!("{} by {}", moment(run.started_ms, zone), run.actor)]);
    if let Some(glass) = &run.break_glass {
        page.row(&["Against the policy", &format!("{}: {}", run.actor, glass.reason)]);
        page.row(&["What the policy said", &glass.against.join("; ")]);
    }
    for approved in &run.approvals {
        page.row(&["Approved", &format!("{} by {}", moment(approved.at_ms, zone), approved.by)]);
    }
    let last = if run.ending.is_some() { "Ended" } else { "Last event" };
    page.row(&[last, &format!("{}, {} of work", moment(run.last_ms, zone), duration(run.worked_ms))]);
    page.row(&["Downtime seen", &downtime(run, entries, zone)]);
    if let Some((_, words)) = way_back_words(run) {
        page.row(&["Way back", &words]);
    }
    for (step, words) in spreads(run) {
        page.row(&["Hosts", &format!("{step}: {words}")]);
    }
    for owner in &run.owners {
        page.row(&["Controller", owner]);
    }
}

fn result(run: &RunState) -> String {
    match run.ending {
        Some(ending) => ending_word(ending).to_owned(),
        None => run_word(run).1.to_owned(),
    }
}

/// What was seen from outside, what proxies held, and of services that nobody looked at how long they were stopped.
fn downtime(run: &RunState, entries: &[Entry], zone: &TimeZone) -> String {
    let mut said = seen(run, false, zone);
    said.extend(outages(run, entries, zone));
    let held = held(run);
    if held.requests > 0 || held.total_ms > 0 {
        said.insert(0, held_words(&held));
    } else if said.is_empty() {
        let measured = run.plan.services.values().any(|service| service.is_held());
        said.push(if measured { "no request was held" } else { "not measured" }.to_owned());
    }
    said.join("; ")
}

fn held_words(held: &HeldJson) -> String {
    let requests = count(usize::try_from(held.requests).unwrap_or(usize::MAX), "request");
    format!(
        "{requests} held; traffic was held for {} in all, at most {} at a time",
        duration(held.total_ms),
        duration(held.max_ms)
    )
}

fn steps(page: &mut Page, run: &RunState, zone: &TimeZone) {
    page.heading("## Steps");
    page.line("| step | line | host | state | start | duration | undo class |");
    page.line("|---|---|---|---|---|---|---|");
    for (step, unit) in shown_units(run) {
        let state = run.unit(&unit.id);
        let start = state.began_ms.map_or(String::new(), |ms| moment(ms, zone));
        let took = if state.attempt > 0 { duration(state.took_ms) } else { String::new() };
        let line = unit.line.to_string();
        let class = unit.undo.class.to_string();
        page.row(&[&unit.id.0, &line, &unit.host, state_word(run, step, unit).1, &start, &took, &class]);
    }
}

fn people(page: &mut Page, run: &RunState, entries: &[Entry], zone: &TimeZone) {
    let said = decisions(entries);
    if said.is_empty() {
        return;
    }
    page.heading("## Confirmations and decisions");
    page.line("| when | who | what | about | words |");
    page.line("|---|---|---|---|---|");
    for decision in said {
        let about = decision.unit.as_ref().map_or(String::new(), |id| {
            let unit = run.plan.unit(&windlass_plan::UnitId(id.clone()));
            unit.map_or(id.clone(), |(_, unit)| format!("{id}: {}", purpose(unit)))
        });
        let when = moment(decision.at_ms, zone);
        page.row(&[&when, &decision.actor, &decision.what, &about, &decision.reason]);
    }
}

fn turns(page: &mut Page, run: &RunState, entries: &[Entry], zone: &TimeZone) {
    let turned = entries.iter().filter_map(|entry| match &entry.event {
        windlass_journal::Event::Turned { to, why, unit } => Some((entry, to, why, unit)),
        _ => None,
    });
    let turned: Vec<_> = turned.collect();
    if turned.is_empty() {
        return;
    }
    page.heading("## Changes of direction");
    for (entry, to, why, unit) in turned {
        let word = match to {
            Direction::Forward => "forward again",
            Direction::Unwind => "back",
            Direction::Person => "waiting for a person",
        };
        // The trouble itself stands with the unit, below.
        let why = why_in_short(run, unit.as_ref(), why);
        let unit = unit.as_ref().map_or(String::new(), |unit| format!(" because of {}", inline(&unit.0)));
        page.line(&format!("- {} {word}{unit}: {}", moment(entry.time_ms, zone), inline(&why)));
    }
    let back = run.plan.units().filter(|(step, unit)| taken_back(run, step, unit)).count();
    if back > 0 {
        page.line("");
        page.line(&format!("{} taken back.", count(back, "unit")));
    }
}

fn details(page: &mut Page, run: &RunState) {
    page.heading("## Details");
    let mut last = None;
    for (step, unit) in shown_units(run) {
        let state = run.unit(&unit.id);
        if state == UnitState::default() {
            continue;
        }
        if last != Some(&step.id) {
            let stage = step.stage.as_ref().map_or(String::new(), |stage| format!(" — {}", inline(stage)));
            page.line(&format!("### {} (line {}){stage}", inline(&step.id.0), step.line));
            page.line("");
            last = Some(&step.id);
        }
        unit_details(page, unit, &state, state_word(run, step, unit).1);
    }
}

fn unit_details(page: &mut Page, unit: &Unit, state: &UnitState, word: &str) {
    let mut line = format!("**{}** {word}", inline(&unit.id.0));
    if state.attempt > 1 {
        let _ = write!(line, ", {} tries", state.attempt);
    }
    page.line(&line);
    page.line("");
    page.line(&format!("- planned: {}", inline(&unit.effect)));
    for effect in state.report.iter().flat_map(|report| &report.effects) {
        page.line(&format!("- changed: {}", inline(effect)));
    }
    if let Forward::Failed(t) | Forward::FailedPartly(t) | Forward::Unknown(t) = &state.forward {
        page.line(&format!("- failed: {}", inline(&t.message)));
    }
    if let Some(confirmed) = &state.confirmed {
        page.line(&format!("- confirmed by {}", inline(confirmed)));
    }
    if !unit.undo.how.is_empty() {
        page.line(&format!("- way back ({}): {}", unit.undo.class, inline(&unit.undo.how)));
    }
    for effect in state.undo_report.iter().flat_map(|report| &report.effects) {
        page.line(&format!("- taken back: {}", inline(effect)));
    }
    if let UndoPhase::Failed(t) | UndoPhase::FailedPartly(t) | UndoPhase::Unknown(t) = &state.undo {
        page.line(&format!("- undo failed: {}", inline(&t.message)));
    }
    page.line("");
    for output in outputs(state) {
        page.line(&fenced("text", output));
        page.line("");
    }
}

/// Output excerpts, forward first.
fn outputs(state: &UnitState) -> Vec<&str> {
    let trouble = crate::ending::trouble(state).map(|(_, trouble)| trouble.output.as_str());
    let reports = state.report.iter().chain(&state.undo_report).map(|report| report.output.as_str());
    reports.chain(trouble).filter(|output| !output.trim().is_empty()).collect()
}
