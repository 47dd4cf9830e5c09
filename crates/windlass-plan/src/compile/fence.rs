//! One fence to one step.

use super::{
    Compiled, Compiler, Draft, Mark,
    place::Place,
    sql_undo,
    way_back::{self, WayBack},
};
use crate::{Action, LineEdit, Step, StepId, UndoScript, Unit, UnitId};
use windlass_document::{self as doc, Finding, Language, Script};
use windlass_objects::Verb;

impl Compiler<'_> {
    /// The step at `index` of the document, or `None` after an error.
    pub(super) fn fence(&mut self, index: usize) -> Option<Compiled> {
        let document = self.document;
        let step = &document.steps[index];
        let errors_before = self.findings.len();
        let mut way_back = self.way_back(index);
        let (place, drafts) = match &step.attributes.again {
            Some(again) => self.again(step, again)?,
            None => {
                let place = self.place(step, None)?;
                let drafts = self.drafts(step, &place, &way_back)?;
                (place, drafts)
            }
        };
        if let (Some(undo), WayBack::Backup(..), true) = (&step.attributes.undo, &way_back, place.known) {
            way_back = self.backup_of(undo, &place.on, &drafts)?;
        }
        self.contradictions(step, &drafts, &way_back);
        self.statements_without_undo(step, &drafts, &way_back);
        self.secrets(step, &drafts, |draft| way_back.of(draft).by);
        let undo = self.undone_by.get(&index).copied().and_then(|at| self.undo_script(at, &place));
        let failed = self.findings[errors_before..].iter().any(|f| f.severity == doc::Severity::Error);
        let id = StepId(step.id.value.clone());
        let units =
            self.units(&id, &place.hosts, &drafts, Some(&step.attributes), |draft| way_back.of(draft));
        self.backups.insert(&step.id.value, units.iter().filter_map(backup).collect());
        let mark = |draft: &Draft| Mark { span: draft.span, sql: draft.sql.clone() };
        let marks = place.hosts.iter().flat_map(|_| drafts.iter().map(mark)).collect();
        let class = way_back.class(&drafts);
        let known = place.known;
        self.drafts.insert(&step.id.value, (index, drafts));
        let ms = |duration: std::time::Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        let compiled = Step {
            id,
            stage: self.stage(step.stage),
            gate: step.gate.and_then(|at| document.gates.get(at)).map(|gate| gate.text.clone()),
            line: self.lines.line(step.span.start),
            on: place.on,
            class,
            units,
            undo,
            serial: step.attributes.serial.as_ref().map(|serial| serial.value.clone()),
            after_ms: step.attributes.after.as_ref().map(|after| ms(after.value)),
            online: step.attributes.online.is_some(),
            again: step.attributes.again.as_ref().map(|again| StepId(again.value.clone())),
        };
        (!failed && known).then_some(Compiled { step: compiled, source: Some(index), marks })
    }

    /// What a fence does, by its language.
    fn drafts(&mut self, step: &doc::Step, place: &Place, way_back: &WayBack) -> Option<Vec<Draft>> {
        match &step.script {
            Script::Shell(script) => self.shell(step, script, place, way_back),
            Script::Sql => self.sql(step, place, way_back),
            Script::Diff(patches) => Some(
                patches
                    .iter()
                    .map(|patch| {
                        let edits = patch.edits.iter().map(line_edit).collect();
                        let action =
                            Action::Patch { file: patch.file.clone(), dir: place.dir.clone(), edits };
                        Draft::new(action, step.body.span_to_source(patch.span))
                    })
                    .collect(),
            ),
            Script::Http(entries) => Some(
                entries
                    .iter()
                    .map(|entry| {
                        let action = Action::Http { check: entry.check.clone() };
                        Draft::new(action, step.body.span_to_source(entry.span))
                    })
                    .collect(),
            ),
        }
    }

    /// The hand-written undo at `index` of the document, on the target of the step that it undoes unless it names one.
    fn undo_script(&mut self, index: usize, undone: &Place) -> Option<UndoScript> {
        let document = self.document;
        let step = &document.steps[index];
        if step.language == Language::Http {
            let span = step.attributes.undoes.as_ref().map_or(step.id.span, |undoes| undoes.span);
            self.findings.push(
                Finding::error("undo-is-a-check", span, "an HTTP check undoes nothing")
                    .help("write the undo as `sh`, `sql` or `diff`; keep the check as a step of its own"),
            );
            return None;
        }
        let place = match &step.attributes.on {
            None if !undone.known => Place::assumed(undone.on.clone()),
            _ => self.place(step, Some(undone.on.as_str()).filter(|on| !on.is_empty()))?,
        };
        // What it changes needs no way back: it is one.
        let drafts = self.drafts(step, &place, &WayBack::Script(String::new()))?;
        self.secrets(step, &drafts, |draft| way_back::of_undo(draft).by);
        let id = StepId(step.id.value.clone());
        let units = self.units(&id, &place.hosts, &drafts, Some(&step.attributes), way_back::of_undo);
        // Shell lines are written to be repeatable; statements are written for the whole step.
        let statements = drafts.iter().any(|draft| matches!(draft.action, Action::Sql { .. }));
        let partial = step.language == Language::Shell && !statements;
        Some(UndoScript { id, on: place.on, units, partial })
    }

    /// What `again=` repeats, and where; nothing if that step has errors of its own.
    fn again(&mut self, step: &doc::Step, again: &doc::Spanned<String>) -> Option<(Place, Vec<Draft>)> {
        let document = self.document;
        let (original, drafts) = self.drafts.get(again.value.as_str())?;
        let original = &document.steps[*original];
        if !step.body.text.trim().is_empty() {
            self.findings.push(
                Finding::error(
                    "again-differs",
                    again.span,
                    "the fence repeats a step, but has a text of its own",
                )
                .also(original.span, "the step to repeat")
                .help("leave the fence empty, or take `again=` out"),
            );
            return None;
        }
        if let Some(on) = &step.attributes.on
            && original.attributes.on.as_ref().is_some_and(|first| first.value != on.value)
        {
            self.findings.push(
                Finding::error("again-differs", on.span, "the fence repeats a step, but on another target")
                    .also(original.span, "the step to repeat")
                    .help("take `on=` out, or write the step out for this target"),
            );
            return None;
        }
        if let Some(once) = drafts.iter().find(|draft| !is_idempotent(draft)) {
            self.findings.push(
                Finding::error("again-not-idempotent", again.span, "this step cannot be repeated")
                    .also(once.span, "done twice, this is something else than done once")
                    .help("only checks, copies, `aws s3 sync` and `cp`, `mkdir -p`, `rm -f`, read-only lines and services can be repeated"),
            );
            return None;
        }
        let span = self.head(step);
        let drafts = drafts.iter().map(|draft| Draft { span, ..draft.clone() }).collect();
        Some((self.place(original, None)?, drafts))
    }

    /// `readonly` on what changes something is no promise that could be kept.
    fn contradictions(&mut self, step: &doc::Step, drafts: &[Draft], way_back: &WayBack) {
        let (WayBack::Readonly, Some(readonly)) = (way_back, step.attributes.readonly) else { return };
        // A backup changes nothing but its own file, which is no reason to say otherwise.
        let changes = |draft: &&Draft| !draft.readonly && !matches!(draft.action, Action::Backup { .. });
        let Some(changing) = drafts.iter().find(changes) else { return };
        self.findings.push(
            Finding::error(
                "readonly-but-changes",
                readonly,
                "the step says readonly, but it changes something",
            )
            .also(changing.span, "this changes something")
            .help("take `readonly` out: what is understood here has a way back of its own"),
        );
    }

    /// A statement of which nobody knows the way back has to say so, or name one.
    fn statements_without_undo(&mut self, step: &doc::Step, drafts: &[Draft], way_back: &WayBack) {
        if !matches!(way_back, WayBack::Own) {
            return;
        }
        let unknown =
            |draft: &&Draft| draft.sql.is_some() && !draft.readonly && sql_undo::of(draft).is_none();
        for draft in drafts.iter().filter(unknown) {
            let id = &step.id.value;
            let Action::Sql { statement, from, .. } = &draft.action else { continue };
            let place = from.as_ref().map(|from| format!("{from}: "));
            let dialect = draft.dialect.unwrap_or(windlass_sql::Dialect::Sqlite);
            // No password in a message.
            let said = match windlass_sql::password(statement, dialect) {
                Some(_) => windlass_sql::keywords(statement, dialect, 3).join(" "),
                None => super::effect::one_line(statement),
            };
            let message = format!("{}nobody knows how to undo `{said}`", place.unwrap_or_default());
            self.findings.push(
                Finding::error("sql-without-undo", draft.span, message)
                    .why("a failed release goes back by itself only if every change in it has a way back")
                    .help(format!(
                        "add an `sql` fence with `undoes={id}` that takes the step back, or say `irreversible`"
                    )),
            );
        }
    }
}

/// The target and the unit of a backup.
fn backup(unit: &Unit) -> Option<(String, UnitId)> {
    match &unit.action {
        Action::Backup { target, .. } => Some((target.clone(), unit.id.clone())),
        _ => None,
    }
}

fn line_edit(edit: &doc::diff::Edit) -> LineEdit {
    LineEdit {
        before: edit.before.clone(),
        remove: edit.remove.clone(),
        add: edit.add.clone(),
        after: edit.after.clone(),
    }
}

/// Whether doing it twice is the same as doing it once.
fn is_idempotent(draft: &Draft) -> bool {
    match &draft.action {
        Action::Copy { .. }
        | Action::Service { .. }
        | Action::Mode { .. }
        | Action::Compose(_)
        | Action::Systemd { .. }
        | Action::Git(_)
        | Action::Install(_) => true,
        // What came since is copied too; moved or deleted it would be something else that goes.
        Action::Objects { line, .. } => matches!(line.verb, Verb::Sync | Verb::Copy),
        Action::MakeDir { parents, .. } => *parents,
        Action::Remove { force, .. } => *force,
        Action::Patch { .. } | Action::Move { .. } | Action::Backup { .. } => false,
        Action::Shell { .. }
        | Action::Sql { .. }
        | Action::Http { .. }
        | Action::Watch(_)
        | Action::Gate { .. } => draft.readonly,
    }
}
