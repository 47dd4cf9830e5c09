//! A plan, before anything runs: what will change, how each step is undone, and the class of the release.

use crate::{
    Mark, StepJson, Text,
    text::{COLUMNS, pad, shorten, width},
    words::{count, driver_word, drivers_of, target_of},
};
use std::collections::BTreeMap;
use windlass_journal::RunState;
use windlass_plan::{Class, Plan, Step, Unit, UnitId};

/// What a look at the world said about a unit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Surveyed {
    /// What will change, one line each.
    pub effects: Vec<String>,
    /// Why it would fail if it ran now, one line each.
    pub problems: Vec<String>,
}

/// Surveys by unit; units without one were not looked at.
pub type Surveys = BTreeMap<UnitId, Surveyed>;

/// Everything: per unit what will change, how it is undone and its class; the class of the release; the digest.
#[must_use]
pub fn plan_text(plan: &Plan, surveys: &Surveys) -> Text {
    let mut text = header(plan);
    let mut stage = None;
    for step in &plan.steps {
        if step.stage != stage {
            text.line();
            text.wrapped("", Mark::Strong, step.stage.as_deref().unwrap_or("(before the first heading)"));
            stage.clone_from(&step.stage);
        }
        step_head(&mut text, step);
        for unit in &step.units {
            unit_lines(&mut text, step, unit, surveys.get(&unit.id));
        }
        if let Some(script) = &step.undo {
            let part = if script.partial { "also when only a part of it ran" } else { "the step as a whole" };
            text.wrapped("      undo  ", Mark::Plain, &format!("by the hand-written #{}, {part}", script.id));
        }
    }
    text.line();
    footer(&mut text, plan, surveys);
    text
}

/// One line per step, for the question before a run.
#[must_use]
pub fn plan_short_text(plan: &Plan, surveys: &Surveys) -> Text {
    short_text(plan, surveys, |_| true)
}

/// The same of what has not begun in a run that is to go on by `plan`.
#[must_use]
pub fn plan_rest_text(run: &RunState, plan: &Plan, surveys: &Surveys) -> Text {
    let mut text = short_text(plan, surveys, |unit| !run.has_begun(&unit.id));
    let begun = plan.units().filter(|(_, unit)| run.has_begun(&unit.id)).count();
    if begun > 0 {
        text.line().plain(format!("{} begun before, and not to be run again", count(begun, "unit")));
    }
    text
}

fn short_text(plan: &Plan, surveys: &Surveys, is_shown: impl Fn(&Unit) -> bool) -> Text {
    let mut text = header(plan);
    text.line();
    let column = plan.steps.iter().map(|step| width(&step.id.0)).max().unwrap_or(0).min(24);
    for step in &plan.steps {
        let shown: Vec<&Unit> = step.units.iter().filter(|unit| is_shown(unit)).collect();
        let Some(first) = shown.first() else { continue };
        let effect = first.effect.as_str();
        let more = shown.len() - 1;
        let more = if more == 0 { String::new() } else { format!(" (+{more})") };
        let room = COLUMNS.saturating_sub(2 + column + 2 + 10 + width(&more));
        text.line().plain("  ").add(Mark::Strong, pad(&shorten(&step.id.0, column), column)).plain("  ");
        text.add(class_mark(step.class), format!("{:<10}", step.class.to_string()));
        text.plain(shorten(effect, room)).add(Mark::Dim, more);
        for unit in shown {
            problems(&mut text, surveys.get(&unit.id));
        }
    }
    text.line();
    footer(&mut text, plan, surveys);
    text
}

/// The table of steps that `check` prints: id, line, driver, target, undo class.
#[must_use]
pub fn steps_text(steps: &[StepJson]) -> Text {
    let rows: Vec<[String; 5]> = steps.iter().map(row).collect();
    let heads = ["step", "line", "driver", "target", "undo"];
    let limits = [30, 6, 16, 18, 8];
    let columns: Vec<usize> = (0..heads.len())
        .map(|at| {
            let widest = rows.iter().map(|row| width(&row[at])).max().unwrap_or(0);
            widest.max(width(heads[at])).min(limits[at])
        })
        .collect();
    let mut text = Text::new();
    text.line().plain("  ");
    for (head, column) in heads.iter().zip(&columns) {
        text.add(Mark::Dim, pad(head, *column)).plain("  ");
    }
    for (row, step) in rows.iter().zip(steps) {
        let class = step.class.map_or(Mark::Dim, class_mark);
        text.line().plain("  ");
        for (at, (cell, column)) in row.iter().zip(&columns).enumerate() {
            let mark = [Mark::Strong, Mark::Dim, Mark::Plain, Mark::Plain, class][at];
            text.add(mark, pad(&shorten(cell, *column), *column)).plain("  ");
        }
    }
    text
}

fn row(step: &StepJson) -> [String; 5] {
    let target = match step.target.as_str() {
        "" if step.driver == "gate" => "a person",
        "" => "this machine",
        target => target,
    };
    let class = step.class.map_or("?".to_owned(), |class| class.to_string());
    [step.id.clone(), step.line.to_string(), step.driver.clone(), target.to_owned(), class]
}

fn header(plan: &Plan) -> Text {
    let release = &plan.release;
    let mut text = Text::new();
    text.line().plain("Release ").add(Mark::Strong, &release.version);
    let facts = [
        release.from.as_ref().map(|from| format!("from {from}")),
        release.env.as_ref().map(|env| format!("environment {env}")),
        release.ticket.as_ref().map(|ticket| format!("ticket {ticket}")),
    ];
    let facts: Vec<_> = facts.into_iter().flatten().collect();
    if !facts.is_empty() {
        text.plain(format!(" ({})", facts.join(", ")));
    }
    if let Some(title) = &release.title {
        text.wrapped("  ", Mark::Plain, title);
    }
    text
}

fn footer(text: &mut Text, plan: &Plan, surveys: &Surveys) {
    let units = plan.units().count();
    let worst = worst_steps(plan);
    text.line().plain("Undo class ").add(class_mark(plan.class), plan.class.to_string());
    text.plain(format!(": {}", class_meaning(plan.class)));
    if !worst.is_empty() {
        text.wrapped("  because of ", Mark::Plain, &worst);
    }
    let found: usize = surveys.values().map(|survey| survey.problems.len()).sum();
    if found > 0 {
        text.line().add(Mark::Bad, format!("{} found: the run would fail now", count(found, "problem")));
    }
    probes(text, plan);
    text.line().plain("Plan ").add(Mark::Strong, plan.digest().short());
    let (steps, units) = (count(plan.steps.len(), "step"), count(units, "unit"));
    text.plain(format!(": {steps}, {units}, from {}", plan.document.name));
}

/// What is looked at from outside while it runs, and what it may cost.
fn probes(text: &mut Text, plan: &Plan) {
    for (service, url) in plan.probed() {
        match url {
            Ok(url) => {
                // A proxy that chooses its port says which one it is when it is asked.
                let at =
                    if url.contains(":0/") { "behind its proxy".to_owned() } else { format!("at {url}") };
                text.wrapped("Downtime: ", Mark::Plain, &format!("{service} is asked {at} every 100 ms"));
            }
            Err(why) => {
                let line = format!(
                    "of {service} is not measured and held to no budget: {why}; `probe = \"https://…\"` of \
                     [service.{service}] says it"
                );
                text.wrapped("Downtime ", Mark::Warn, &line);
            }
        }
    }
    if let Some(ms) = plan.downtime_budget_ms() {
        let line = match plan.probed().any(|(_, url)| url.is_ok()) {
            true => format!("{}; a release that is down for longer goes back", crate::duration(ms)),
            false => format!("{}, but nothing of this release is measured", crate::duration(ms)),
        };
        text.wrapped("Downtime budget: ", Mark::Plain, &line);
    }
    if let Some(ms) = plan.budget.rollback_ms {
        text.wrapped("Budget of the way back: ", Mark::Plain, &crate::duration(ms));
    }
}

/// Names of the steps that give the release its class, when that is worth saying.
fn worst_steps(plan: &Plan) -> String {
    if plan.class <= Class::Exact {
        return String::new();
    }
    let worst = plan.steps.iter().filter(|step| step.class == plan.class);
    worst.map(|step| format!("{} (line {})", step.id, step.line)).collect::<Vec<_>>().join(", ")
}

fn step_head(text: &mut Text, step: &Step) {
    text.line().plain("  ").add(Mark::Strong, &step.id.0);
    text.add(Mark::Dim, format!("  line {}", step.line));
    text.plain(format!("  {} on {}  ", drivers_of(step), target_of(step)));
    text.add(class_mark(step.class), step.class.to_string());
    if step.online {
        text.add(Mark::Dim, "  online");
    }
    if let Some(again) = &step.again {
        text.add(Mark::Dim, format!("  repeats {again}"));
    }
    if let Some(after) = step.after_ms {
        text.add(Mark::Warn, format!("  no sooner than {} after the start", crate::duration(after)));
    }
    if let Some(gate) = &step.gate {
        text.wrapped("    ticks ", Mark::Dim, gate);
    }
    let prepared: Vec<_> = step.prepared().map(|unit| unit.effect.as_str()).collect();
    if !prepared.is_empty() {
        text.wrapped("    first on all hosts  ", Mark::Dim, &prepared.join("; "));
    }
    let batches = step.batches();
    for (number, hosts) in batches.iter().enumerate() {
        let of = format!("    batch {} of {}  ", number + 1, batches.len());
        text.wrapped(&of, Mark::Dim, &hosts.join(", "));
    }
}

fn unit_lines(text: &mut Text, step: &Step, unit: &Unit, survey: Option<&Surveyed>) {
    let hosts = step.units.iter().any(|other| other.host != unit.host);
    let lead = if hosts { format!("    {}: ", unit.host) } else { "    - ".to_owned() };
    text.wrapped(&lead, Mark::Plain, &unit.effect);
    let seen = survey.map(|survey| survey.effects.as_slice()).unwrap_or_default();
    for effect in seen.iter().filter(|effect| **effect != unit.effect) {
        text.wrapped("      now   ", Mark::Plain, effect);
    }
    problems(text, survey);
    if unit.undo.class != Class::Readonly && step.undo.is_none() {
        let by = if drivers_of(step).contains('+') {
            format!(" [{}]", driver_word(unit.driver))
        } else {
            String::new()
        };
        text.wrapped("      undo  ", Mark::Dim, &format!("{}: {}{by}", unit.undo.class, unit.undo.how));
    }
}

fn problems(text: &mut Text, survey: Option<&Surveyed>) {
    for problem in survey.map(|survey| survey.problems.as_slice()).unwrap_or_default() {
        text.wrapped("      problem  ", Mark::Bad, problem);
    }
}

pub(crate) fn class_mark(class: Class) -> Mark {
    match class {
        Class::Readonly => Mark::Dim,
        Class::Exact => Mark::Good,
        Class::Lossy | Class::Restore => Mark::Warn,
        Class::None => Mark::Bad,
    }
}

pub(crate) fn class_meaning(class: Class) -> &'static str {
    match class {
        Class::Readonly => "it changes nothing that has to come back",
        Class::Exact => "everything comes back",
        Class::Lossy => "something written since the release is lost or stays on the way back",
        Class::Restore => "back only from a backup",
        Class::None => "a part of it has no way back",
    }
}
