//! What was edited in a document since its run began, as a diff of the units that differ.

use crate::{
    Mark, Text,
    ending::lists,
    shorten,
    words::{count, place_of, state_word},
};
use similar::{Algorithm, ChangeTag, DiffOp, TextDiff, capture_diff_slices};
use std::collections::BTreeMap;
use windlass_journal::{RunState, Touched};
use windlass_plan::{Action, Plan, StepId, UndoBy, Unit, UnitId, Unkept};

/// Lines of a unit that are compared, from the first that differs.
const COMPARED_MAX: usize = 2_000;
/// Lines of a diff that are shown.
const SHOWN_MAX: usize = 120;
/// Columns of a line that are shown.
const COLUMNS_MAX: usize = 400;
/// Units whose diff is shown.
const UNITS_MAX: usize = 20;

/// Takes secrets out of a line.
pub type Mask<'a> = &'a dyn Fn(&str) -> String;

/// Why an edited document cannot be gone on with: the diff of what has begun, then what is done and not done.
#[must_use]
pub fn begun_text(run: &RunState, new: &Plan, touched: &Touched, mask: Mask<'_>) -> Text {
    let mut text = Text::new();
    let words = match touched {
        Touched::Way => "the run does not go forward: what ran is what is taken back".to_owned(),
        Touched::Unit { old, new: now } => unit_words(run, old.as_ref(), now.as_ref()),
        Touched::Undo(step) => format!("{step} has begun, and its hand-written undo is not what it was"),
        Touched::Step(step, name) => format!("{step} has begun, and its `{name}=` is not what it was"),
        Touched::Target(name) => format!("[target.{name}] is not what it was when steps ran on it"),
        Touched::Service(name) => format!("[service.{name}] is not what it was when steps drove it"),
        Touched::Backup(unit) => format!(
            "{unit} would be taken back by a backup from before statements that have run, and these were not recorded for that; put a backup \
             of its own in front of it"
        ),
        Touched::Kept(unkept) => unkept_words(run, new, unkept),
        Touched::Header(name) => format!("`{name}:` of the document is not what it was when the run began"),
    };
    text.wrapped("", Mark::Strong, &words);
    match touched {
        Touched::Unit { old, new: now } => {
            let old = old.as_ref().and_then(|id| run.find(id));
            let now = now.as_ref().and_then(|id| new.unit(id)).map(|(_, unit)| unit);
            let places = [old.map(|unit| place_of(&run.plan, unit)), now.map(|unit| place_of(new, unit))];
            diff(&mut text, &Sides::of(old, now), places, mask);
        }
        Touched::Undo(step) => {
            let sides = Sides { old: script(&run.plan, step), new: script(new, step) };
            diff(
                &mut text,
                &sides,
                [Some(run.plan.document.name.clone()), Some(new.document.name.clone())],
                mask,
            );
        }
        _ => {}
    }
    lists(&mut text, run);
    text
}

/// Why it is too late to note how something runs, and which lines make it so.
fn unkept_words(run: &RunState, new: &Plan, unkept: &Unkept) -> String {
    let place = |id: &UnitId| {
        let place = new.unit(id).map(|(_, unit)| place_of(new, unit));
        place.map_or_else(|| id.to_string(), |place| format!("{id} ({place})"))
    };
    let restarts = place(&unkept.restarts);
    let why = "on the way back it starts again last of all, when files are back, and for that it is noted how it runs before they change";
    match &unkept.edits {
        Some(edits) if run.has_begun(edits) => {
            format!("{restarts} comes too late: {why}, but {} has changed files already", place(edits))
        }
        Some(edits) => {
            format!("{} changes files in a step that has begun, in front of {restarts}: {why}", place(edits))
        }
        None => format!("{restarts} stands in a step that has begun: {why}"),
    }
}

fn unit_words(run: &RunState, old: Option<&UnitId>, new: Option<&UnitId>) -> String {
    let word = |id: &UnitId| {
        let known = run.plan.unit(id).filter(|_| run.has_begun(id));
        known.map_or("comes before what has begun", |(step, unit)| match state_word(run, step, unit).1 {
            "running" => "has begun, and how it ended is not known",
            "unknown" => "has begun, and its outcome is not known",
            "passed" => "has passed",
            "no effect" => "has run (the world was so already)",
            "applied" => "is applied",
            "confirmed" => "is confirmed",
            "skipped" => "was left out by a person",
            "done by hand" => "was done by hand",
            _ => "has run in part",
        })
    };
    match (old, new) {
        (Some(old), Some(_)) => format!("{old} {}, and is not what it was", word(old)),
        (Some(old), None) => format!("{old} {}, and is gone from the document", word(old)),
        (None, Some(new)) => format!("{new} is new, and stands in front of what has begun"),
        (None, None) => "the plan is not what it was".to_owned(),
    }
}

/// What would take the place of what has not begun: the diff of each unit that is new, gone or changed.
#[must_use]
pub fn tail_text(run: &RunState, new: &Plan, mask: Mask<'_>) -> Text {
    let mut text = Text::new();
    let (was, is) = (run.plan.bare(), new.bare());
    let (old_units, new_units) = (all_units(&run.plan), all_units(new));
    let key = |unit: &Unit| Unit { id: UnitId(String::new()), ..unit.clone() };
    let keys = |plan: &Plan| -> Vec<String> {
        let json = |unit: &&Unit| serde_json::to_string(&key(unit)).unwrap_or_default();
        all_units(plan).iter().map(json).collect()
    };
    let mut changes = Vec::new();
    for op in capture_diff_slices(Algorithm::Myers, &keys(&was), &keys(&is)) {
        let (DiffOp::Delete { .. } | DiffOp::Insert { .. } | DiffOp::Replace { .. }) = op else { continue };
        let (old, new) = (op.old_range(), op.new_range());
        for at in 0..old.len().max(new.len()) {
            let of = |units: &[_], range: &std::ops::Range<usize>| -> Option<&Unit> {
                (at < range.len()).then(|| units.get(range.start + at).copied()).flatten()
            };
            changes.push((of(&old_units, &old), of(&new_units, &new)));
        }
    }
    for (old, now) in changes.iter().take(UNITS_MAX) {
        let places = [old.map(|unit| place_of(&run.plan, unit)), now.map(|unit| place_of(new, unit))];
        diff(&mut text, &Sides::of(*old, *now), places, mask);
    }
    if changes.len() > UNITS_MAX {
        text.line().plain(format!("and {} more", count(changes.len() - UNITS_MAX, "unit")));
    }
    if changes.is_empty() {
        text.line().plain("Only what says how and where units run differs.");
    }
    text
}

/// Units of the steps, each with those of its hand-written undo behind it.
fn all_units(plan: &Plan) -> Vec<&Unit> {
    plan.steps
        .iter()
        .flat_map(|step| step.units.iter().chain(step.undo.iter().flat_map(|script| &script.units)))
        .collect()
}

/// Lines before and after.
struct Sides {
    old: Vec<String>,
    new: Vec<String>,
}

impl Sides {
    /// The text of each, and of what else says what they do as much as differs.
    fn of(old: Option<&Unit>, new: Option<&Unit>) -> Self {
        let text = |unit: Option<&Unit>| unit.map_or_else(Vec::new, |unit| lines(&unit.action));
        let more = |unit: Option<&Unit>| unit.map_or_else(BTreeMap::new, attributes);
        let (was, is) = (more(old), more(new));
        let differing = |own: &BTreeMap<String, String>, other: &BTreeMap<String, String>| -> Vec<String> {
            let differs = |(name, value): &(&String, &String)| other.get(*name) != Some(value);
            own.iter().filter(differs).map(|(name, value)| format!("{name}: {value}")).collect()
        };
        let both = old.is_some() && new.is_some();
        let side = |unit, own, other| {
            let mut lines = text(unit);
            if both || lines.is_empty() {
                lines.extend(differing(own, other));
            }
            lines
        };
        Self { old: side(old, &was, &is), new: side(new, &is, &was) }
    }
}

/// The text of an action as a person wrote it; nothing: it was read from a line and is kept by its meaning only.
fn lines(action: &Action) -> Vec<String> {
    let split = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    match action {
        Action::Sql { statement, data, .. } => {
            let mut lines = split(statement);
            lines.extend(data.iter().flat_map(|data| split(data)));
            lines
        }
        Action::Shell { script, .. } => split(script),
        Action::Gate { text } => split(&format!("- [ ] {text}")),
        Action::Patch { file, edits, .. } => {
            let mut lines = vec![format!("--- {file}")];
            for edit in edits {
                for (sign, part) in
                    [(' ', &edit.before), ('-', &edit.remove), ('+', &edit.add), (' ', &edit.after)]
                {
                    lines.extend(part.iter().map(|line| format!("{sign}{line}")));
                }
            }
            lines
        }
        _ => Vec::new(),
    }
}

/// Everything that [`lines`] does not show of a unit, by name.
fn attributes(unit: &Unit) -> BTreeMap<String, String> {
    let shown: &[&str] = match unit.action {
        Action::Sql { .. } => &["statement", "data"],
        Action::Shell { .. } => &["script"],
        Action::Gate { .. } => &["text"],
        Action::Patch { .. } => &["file", "edits"],
        _ => &[],
    };
    let mut all = BTreeMap::new();
    if let Ok(serde_json::Value::Object(fields)) = serde_json::to_value(&unit.action) {
        for (name, value) in fields.into_iter().filter(|(name, _)| !shown.contains(&name.as_str())) {
            let value = match (&unit.action, name.as_str()) {
                // The place stands in the head of the diff.
                (Action::Sql { .. }, "from") => value["file"].clone(),
                _ => value,
            };
            all.insert(name, value.as_str().map_or_else(|| value.to_string(), str::to_owned));
        }
    }
    all.retain(|_, value| value != "null");
    let by = match &unit.undo.by {
        UndoBy::Nothing => "nothing to undo".to_owned(),
        UndoBy::Driver => "by itself".to_owned(),
        UndoBy::Backup(of) => format!("by the backup of {of}"),
        UndoBy::Script => "by hand-written lines".to_owned(),
        UndoBy::Nobody => "by nobody".to_owned(),
    };
    all.insert("undo".to_owned(), format!("{}, {by}", unit.undo.class));
    all.insert("host".to_owned(), unit.host.clone());
    for (name, ms) in [("timeout", unit.timeout_ms), ("within", unit.within_ms)] {
        all.extend(ms.map(|ms| (name.to_owned(), crate::duration(ms))));
    }
    all
}

fn script(plan: &Plan, id: &StepId) -> Vec<String> {
    let step = plan.steps.iter().find(|step| step.id == *id);
    let script = step.and_then(|step| step.undo.as_ref());
    script.map_or_else(Vec::new, |script| {
        let head = format!("undo #{}{}", script.id, if script.partial { ", also of a part" } else { "" });
        let of = |unit: &Unit| match lines(&unit.action) {
            none if none.is_empty() => {
                attributes(unit).into_iter().map(|(name, value)| format!("{name}: {value}")).collect()
            }
            lines => lines,
        };
        std::iter::once(head).chain(script.units.iter().flat_map(of)).collect()
    })
}

/// A unified diff. Places are those of the old and the new side; nothing: there is none.
fn diff(text: &mut Text, sides: &Sides, places: [Option<String>; 2], mask: Mask<'_>) {
    let [old, new] = places.map(|place| place.unwrap_or_else(|| "(nothing)".to_owned()));
    text.line().add(Mark::Bad, format!("--- {old}  as the run has it"));
    text.line().add(Mark::Good, format!("+++ {new}  as it is now"));
    // What a long text has in common in front is not compared line by line.
    let same = sides.old.iter().zip(&sides.new).take_while(|(old, new)| old == new).count().saturating_sub(3);
    let cut = |lines: &'_ [String]| -> Vec<String> {
        lines.iter().skip(same).take(COMPARED_MAX).cloned().collect()
    };
    let (was, is) = (cut(&sides.old), cut(&sides.new));
    let (was, is): (Vec<&str>, Vec<&str>) =
        (was.iter().map(String::as_str).collect(), is.iter().map(String::as_str).collect());
    let diff = TextDiff::from_slices(&was, &is);
    let mut shown = 0;
    for group in diff.grouped_ops(3) {
        let (Some(first), Some(last)) = (group.first(), group.last()) else { continue };
        let range =
            |from: usize, to: usize| format!("{},{}", same + from + usize::from(to > from), to - from);
        let olds = range(first.old_range().start, last.old_range().end);
        let news = range(first.new_range().start, last.new_range().end);
        text.line().add(Mark::Dim, format!("@@ -{olds} +{news} @@"));
        for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
            shown += 1;
            if shown > SHOWN_MAX {
                continue;
            }
            let (mark, sign) = match change.tag() {
                ChangeTag::Delete => (Mark::Bad, '-'),
                ChangeTag::Insert => (Mark::Good, '+'),
                ChangeTag::Equal => (Mark::Plain, ' '),
            };
            let line = shorten(&mask(change.value()), COLUMNS_MAX);
            text.line().add(mark, format!("{sign}{line}"));
        }
    }
    if shown > SHOWN_MAX {
        text.line().add(Mark::Dim, format!("and {} more", count(shown - SHOWN_MAX, "line")));
    }
}
