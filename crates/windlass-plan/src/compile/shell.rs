//! Shell fences: lifted lines and opaque ones.

use super::{
    Compiler, Draft,
    place::{DRIVEN, Place},
    way_back::WayBack,
};
use crate::{
    Action, Runner, Strategy,
    lift::{self, Fence, Line, LineKind},
};
use windlass_document::{self as doc, Finding, Span, shell::ShellScript};

impl Compiler<'_> {
    pub(super) fn shell(
        &mut self,
        step: &doc::Step,
        script: &ShellScript,
        place: &Place,
        way_back: &WayBack,
    ) -> Option<Vec<Draft>> {
        let readonly = step.attributes.readonly.is_some();
        match lift::lift(&step.body.text, script, place.dir.as_deref(), self.config) {
            Fence::Whole { because, at } => self.whole(step, script, place, way_back, (&because, at)),
            Fence::Lines(lines) => {
                let mut first_opaque = None;
                let mut drafts = Vec::new();
                for line in &lines {
                    let span = step.body.span_to_source(line.span);
                    match &line.kind {
                        LineKind::Lifted(actions) => {
                            for action in actions {
                                self.service(step, action, place, span);
                                drafts.push(Draft::new(action.clone(), span));
                            }
                        }
                        LineKind::Opaque { not_understood } => {
                            first_opaque.get_or_insert(span);
                            self.note_opaque(step, not_understood.as_ref());
                            let action = opaque(step, line, readonly);
                            drafts.push(Draft::new(action, span));
                        }
                        LineKind::Wrong(wrong) => {
                            let at = step.body.span_to_source(wrong.span);
                            let finding = Finding::error(wrong.rule, at, wrong.message.clone());
                            self.findings.push(finding.help(wrong.help.clone()));
                        }
                    }
                }
                if let Some(at) = first_opaque {
                    self.needs_way_back(step, way_back, at, "it is not a command whose undo is known");
                }
                Some(drafts)
            }
        }
    }

    /// A fence that runs as one script.
    fn whole(
        &mut self,
        step: &doc::Step,
        script: &ShellScript,
        place: &Place,
        way_back: &WayBack,
        (because, at): (&str, Span),
    ) -> Option<Vec<Draft>> {
        let at = step.body.span_to_source(at);
        for line in lift::service_lines(script) {
            let span = step.body.span_to_source(line);
            let message = "`windlass service` cannot stand in a script that runs as a whole";
            self.findings.push(
                Finding::error("service-command", span, message)
                    .also(at, format!("{because} makes the whole fence one script"))
                    .help("put the line into a fence of its own"),
            );
        }
        let label = format!("{because} makes the whole fence one script, whose undo nobody knows");
        self.needs_way_back(step, way_back, at, &label);
        let first = script.commands.first().map_or(step.body.span_to_source(Span::new(0, 0)), |command| {
            step.body.span_to_source(command.span)
        });
        let action = Action::Shell {
            script: step.body.text.clone(),
            dir: place.dir.clone(),
            readonly: step.attributes.readonly.is_some(),
        };
        Some(vec![Draft::new(action, first)])
    }

    /// An opaque change has to say how it is undone, or that it is not.
    fn needs_way_back(&mut self, step: &doc::Step, way_back: &WayBack, at: Span, label: &str) {
        if !matches!(way_back, WayBack::Own) {
            return;
        }
        let id = &step.id.value;
        let mut finding = Finding::error("opaque-without-undo", at, "nobody knows how to undo this")
            .label(label)
            .why("a failed release goes back by itself only if every change in it has a way back")
            .help(format!(
                "say `readonly` (it changes nothing) or `irreversible` (there is no way back, on purpose), or add a \
                 fence with `undoes={id}` that takes it back"
            ));
        if let Some(brace) = self.closing_brace(step) {
            for (word, text) in [
                (" readonly", "if it changes nothing, say so"),
                (" irreversible", "if there is no way back on purpose, say so"),
            ] {
                finding = finding.fix(Span::new(brace, brace), word, text, false);
            }
        }
        self.findings.push(finding);
    }

    /// Offset of the `}` that ends the attributes of a fence.
    fn closing_brace(&self, step: &doc::Step) -> Option<usize> {
        let head = self.head(step);
        let text = self.meta.text.get(head.start..head.end)?;
        text.trim_end().ends_with('}').then(|| head.start + text.trim_end().len() - 1)
    }

    fn note_opaque(&mut self, step: &doc::Step, not_understood: Option<&(Span, String)>) {
        let Some((span, why)) = not_understood else { return };
        let at = step.body.span_to_source(*span);
        self.findings.push(Finding::note("not-lifted", at, why.clone()).why(
            "an understood line is shown before it runs and undone exactly; any other runs as it is written",
        ));
    }

    /// What a service action needs of the configuration.
    fn service(&mut self, step: &doc::Step, action: &Action, place: &Place, span: Span) {
        let Action::Service { service: name, .. } = action else { return };
        let unread = self.config.unread.services.contains(name);
        let Some(service) = self.config.services.get(name).filter(|_| !unread) else { return };
        self.used_services.insert(name.clone());
        if place.known && service.on != place.on {
            let message = format!("service `{name}` runs on `{}`, the fence on `{}`", service.on, place.on);
            let at = step.attributes.on.as_ref().map_or(span, |on| on.span);
            let help = format!("write `on={}`", service.on);
            self.findings.push(Finding::error("service-elsewhere", at, message).help(help));
        }
        let missing = match (&service.runner, service.strategy) {
            (Runner::Compose(_), _) => Some("is run by compose"),
            (Runner::Systemd(_), _) => Some("is run by systemd"),
            (Runner::Run(_), Strategy::Rolling) => Some("has the strategy `rolling`"),
            (Runner::Run(_), Strategy::Canary) => Some("has the strategy `canary`"),
            (Runner::Run(_), Strategy::Recreate | Strategy::Bluegreen) => None,
        };
        if let Some(missing) = missing {
            let message = format!("service `{name}` {missing}, which this version cannot drive");
            self.findings.push(Finding::error("driver-missing", span, message).help(DRIVEN));
        }
    }
}

fn opaque(step: &doc::Step, line: &Line, readonly: bool) -> Action {
    let script = step.body.text.get(line.span.start..line.span.end).unwrap_or_default();
    Action::Shell { script: script.to_owned(), dir: line.dir.clone(), readonly }
}
