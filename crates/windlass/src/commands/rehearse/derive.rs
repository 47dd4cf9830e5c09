//! The plan that is run on the copies: the statements of the release, without what is no SQL and what would reach out of them.

use crate::commands::copies::secret;
use std::collections::{BTreeMap, BTreeSet};
use windlass_drivers::scratch::{Scratch, reaches_out};
use windlass_plan::{Action, Class, DriverKind, Plan, Step, Target, Undo, UndoBy, Unit, UrlKind, Value};
use windlass_report::LeftOut;

/// Longest statement in the report, characters.
const SHOWN_MAX: usize = 300;

/// Names and kinds of the databases that have statements in the plan.
pub fn databases(plan: &Plan) -> BTreeMap<String, UrlKind> {
    let target = |unit: &Unit| match &unit.action {
        Action::Sql { target, .. } => Some(target.clone()),
        _ => None,
    };
    let names: BTreeSet<String> = plan.units().filter_map(|(_, unit)| target(unit)).collect();
    let kind = |name: String| match plan.targets.get(&name)? {
        Target::Url { kind, .. } => Some((name, *kind)),
        Target::Hosts { .. } | Target::Store(_) => None,
    };
    names.into_iter().filter_map(kind).collect()
}

/// What the plan becomes, and what is left out of it.
pub struct Derived {
    pub plan: Plan,
    pub left_out: Vec<LeftOut>,
    /// Undo of a unit that the copies cannot show: why.
    pub no_undo: BTreeMap<String, String>,
}

/// Where a unit stands.
pub fn place(plan: &Plan, unit: &Unit) -> String {
    match &unit.action {
        Action::Sql { from: Some(from), .. } => format!("{}:{}", from.file, from.line),
        _ => format!("{}:{}", plan.document.name, unit.line),
    }
}

/// A unit in short.
pub fn shown(unit: &Unit) -> String {
    let text = match &unit.action {
        Action::Sql { statement, .. } => statement.as_str(),
        _ => unit.effect.as_str(),
    };
    text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(SHOWN_MAX).collect()
}

/// Derives it. `live` are the names of the live databases by target.
pub fn derive(
    plan: &Plan,
    scratches: &BTreeMap<String, Scratch>,
    live: &BTreeMap<String, String>,
    is_sample: bool,
) -> Derived {
    let mut derived = Derived { plan: plan.clone(), left_out: vec![], no_undo: BTreeMap::new() };
    let why = |unit: &Unit| outside(plan, unit, scratches, live);
    derived.plan.steps.clear();
    for step in &plan.steps {
        let mut step = step.clone();
        (step.gate, step.after_ms, step.serial) = (None, None, None);
        let mut broken = None::<String>;
        step.units.retain(|unit| {
            let reason = why(unit).or_else(|| {
                broken.as_ref().map(|setting| format!("a setting before it was not made: {setting}"))
            });
            let Some(reason) = reason else { return true };
            if matches!(&unit.action, Action::Sql { session: true, .. }) {
                broken = Some(shown(unit));
            }
            let (place, what) = (place(plan, unit), shown(unit));
            derived.left_out.push(LeftOut { unit: unit.id.0.clone(), place, what, why: reason });
            false
        });
        let script = step.undo.as_ref().and_then(|script| script.units.iter().find_map(&why));
        settle_undo(&mut step, script, is_sample, &mut derived.no_undo);
        if !step.units.is_empty() {
            derived.plan.steps.push(step);
        }
    }
    derived.plan.services.clear();
    for (name, target) in &mut derived.plan.targets {
        if let (Target::Url { url, .. }, true) = (target, scratches.contains_key(name)) {
            *url = Value::Secret(secret(name));
        }
    }
    derived.plan.targets.retain(|name, _| scratches.contains_key(name));
    derived
}

fn settle_undo(
    step: &mut Step,
    script: Option<String>,
    is_sample: bool,
    no_undo: &mut BTreeMap<String, String>,
) {
    if script.is_some() {
        step.undo = None;
    }
    for unit in &mut step.units {
        unit.within_ms = None;
        if let (Action::Sql { rows, .. }, true) = (&mut unit.action, is_sample) {
            *rows = None;
        }
        let why = match &unit.undo.by {
            UndoBy::Backup(backup) => {
                format!("its undo restores the backup of {backup}, which is not made here")
            }
            UndoBy::Script if script.is_some() => {
                format!("its hand-written undo is not run: {}", script.as_deref().unwrap_or_default())
            }
            _ => continue,
        };
        no_undo.insert(unit.id.0.clone(), why.clone());
        unit.undo = Undo { class: Class::None, how: why, by: UndoBy::Nobody };
    }
}

/// Why a unit is not rehearsed.
fn outside(
    plan: &Plan,
    unit: &Unit,
    scratches: &BTreeMap<String, Scratch>,
    live: &BTreeMap<String, String>,
) -> Option<String> {
    let Action::Sql { target, statement, data, .. } = &unit.action else {
        return Some(match unit.driver {
            DriverKind::Gate => "a person confirms it".to_owned(),
            _ => "it is no SQL".to_owned(),
        });
    };
    let Some(Target::Url { kind, .. }) = plan.targets.get(target) else {
        return Some("its target is no database".to_owned());
    };
    let Some(scratch) = scratches.get(target) else { return Some("its target has no copy".to_owned()) };
    // Lines behind `COPY … FROM stdin` are rows, not SQL.
    let text = if data.is_some() { format!("{statement};\n\\.\n") } else { statement.clone() };
    let live = live.get(target).map_or("", String::as_str);
    reaches_out(&text, *kind, scratch.isolation(), live)
        .map(|why| format!("it would reach out of the copy: {why}"))
}
