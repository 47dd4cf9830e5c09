//! Shell fences: lifted lines and opaque ones.

use super::{
    Compiler, Draft,
    place::{DRIVEN, Place},
    tools,
    way_back::WayBack,
};
use crate::{
    Action, Runner, Strategy,
    lift::{self, Fence, Line, LineKind},
};
use windlass_document::{self as doc, Finding, Span, shell::ShellScript};
use windlass_sql::Dialect;

impl Compiler<'_> {
    pub(super) fn shell(
        &mut self,
        step: &doc::Step,
        script: &ShellScript,
        place: &Place,
        way_back: &WayBack,
    ) -> Option<Vec<Draft>> {
        let readonly = step.attributes.readonly.is_some();
        if place.remote {
            for line in lift::service_lines(script) {
                let span = step.body.span_to_source(line);
                let message = "services are driven on this machine only, in this version";
                self.findings.push(Finding::error("driver-missing", span, message).help(DRIVEN));
            }
        }
        match lift::lift(&step.body.text, script, (&place.on, place.dir.as_deref()), self.config) {
            Fence::Whole { because, at } => self.whole(step, script, place, way_back, (&because, at)),
            Fence::Lines(lines) => {
                let mut first_opaque = None;
                let mut drafts = Vec::new();
                for (at, line) in lines.iter().enumerate() {
                    let span = step.body.span_to_source(line.span);
                    let not_understood = match &line.kind {
                        LineKind::Lifted(actions) if place.remote && !actions.iter().all(goes_anywhere) => {
                            actions.iter().find_map(|action| on_each_host(line.span, action))
                        }
                        // What it would be lifted to works on this machine.
                        LineKind::Sql(_) | LineKind::Wrong(_) if place.remote => None,
                        LineKind::Lifted(actions) => {
                            self.use_database(line.matched.as_ref());
                            for action in actions {
                                if let Action::Objects { from, to, .. } = action {
                                    self.used_targets.extend(from.iter().chain(to).cloned());
                                }
                                self.service(step, action, place, span);
                                self.compose(step, action, place, (way_back, span));
                                drafts.push(lifted(action, span));
                            }
                            continue;
                        }
                        LineKind::Sql(sql) => {
                            let client = (at + 1, way_back);
                            match self.lifted_sql(step, line, sql, client, &mut drafts) {
                                Ok(()) => continue,
                                Err(not_understood) => Some(not_understood),
                            }
                        }
                        LineKind::Opaque { not_understood } => not_understood.clone(),
                        LineKind::Wrong(wrong) => {
                            let at = step.body.span_to_source(wrong.span);
                            let finding = Finding::error(wrong.rule, at, wrong.message.clone());
                            self.findings.push(finding.help(wrong.help.clone()));
                            continue;
                        }
                    };
                    first_opaque.get_or_insert(span);
                    self.note_opaque(step, not_understood.as_ref());
                    drafts.push(Draft::new(opaque(step, line, readonly, database(place)), span));
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
            database: database(place),
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
                 fence with `undoes={id}` that takes it back{}",
                tools::way_back(&step.body.text).map_or(String::new(), |way| format!(": {way}"))
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

    /// What a line of compose needs of the configuration, and of the document.
    fn compose(
        &mut self,
        step: &doc::Step,
        action: &Action,
        place: &Place,
        (way_back, span): (&WayBack, Span),
    ) {
        let Action::Compose(line) = action else { return };
        for (name, service) in &self.config.services {
            if service.on == place.on && line.works_on(name, service, place.dir.as_deref()) {
                self.used_services.insert(name.clone());
                if service.strategy != Strategy::Recreate {
                    let message = format!(
                        "service `{name}` is run by compose, which this version drives with `recreate` only"
                    );
                    self.findings.push(Finding::error("driver-missing", span, message).help(DRIVEN));
                }
                if place.remote && service.proxy.is_some() {
                    let hosts = place.hosts.join(", ");
                    let message = format!(
                        "the proxy of service `{name}` is on this machine, its containers are on {hosts}: this version cannot \
                         hold requests there"
                    );
                    let help = format!(
                        "take `proxy` out of [service.{name}]: its lines of compose work on each host, and requests fail while \
                         containers are away"
                    );
                    self.findings.push(Finding::error("driver-missing", span, message).help(help));
                }
            }
        }
        if line.deletes_volumes() && matches!(way_back, WayBack::Own) {
            self.findings.push(
                Finding::error("deletes-volumes", span, "`-v` deletes the volumes and all that is in them")
                    .why("a volume may hold a database; nothing brings it back")
                    .help(format!(
                        "take `-v` out, or say `irreversible` in the braces of #{} if that is what you want",
                        step.id.value
                    )),
            );
        }
    }

    /// What a service action needs of the configuration.
    fn service(&mut self, step: &doc::Step, action: &Action, place: &Place, span: Span) {
        let (Action::Service { service: name, .. } | Action::Mode { service: name, .. }) = action else {
            return;
        };
        let unread = self.config.unread.services.contains(name);
        let Some(service) = self.config.services.get(name).filter(|_| !unread) else { return };
        self.used_services.insert(name.clone());
        if place.known && service.on != place.on {
            let message = format!("service `{name}` runs on `{}`, the fence on `{}`", service.on, place.on);
            let at = step.attributes.on.as_ref().map_or(span, |on| on.span);
            let help = format!("write `on={}`", service.on);
            self.findings.push(Finding::error("service-elsewhere", at, message).help(help));
        }
        if matches!(action, Action::Mode { .. }) {
            if service.proxy.is_none() {
                let message = format!("nothing stands in front of service `{name}` that could answer for it");
                let help = format!("give it a `proxy` in [service.{name}]");
                self.findings.push(Finding::error("service-command", span, message).help(help));
            }
            return;
        }
        let missing = match (&service.runner, service.strategy) {
            // Its lines are of compose.
            (Runner::Compose(_), _) => None,
            (Runner::Systemd(_), _) => Some("is run by systemd"),
            (Runner::Run(_), Strategy::Rolling) => Some("has the strategy `rolling`"),
            (Runner::Run(_), Strategy::Recreate | Strategy::Bluegreen | Strategy::Canary) => None,
        };
        if let Some(missing) = missing {
            let message = format!("service `{name}` {missing}, which this version cannot drive");
            self.findings.push(Finding::error("driver-missing", span, message).help(DRIVEN));
        }
    }
}

/// Whether an action can be done on any host.
fn goes_anywhere(action: &Action) -> bool {
    matches!(
        action,
        Action::Copy { .. }
            | Action::Move { .. }
            | Action::Remove { .. }
            | Action::MakeDir { .. }
            | Action::Systemd { .. }
            | Action::Compose(_)
            | Action::Git(_)
            | Action::Install(_)
            // A question that a program is known to be.
            | Action::Shell { .. }
    )
}

/// Why a line on object stores is not lifted on other hosts: it would run once on each, with the rights of each.
fn on_each_host(span: Span, action: &Action) -> Option<(Span, String)> {
    let Action::Objects { from, to, .. } = action else { return None };
    let store = from.as_ref().or(to.as_ref())?;
    let why = format!(
        "on other hosts it runs as it is written, once on each; with `on={store}` it runs once, from this machine and with \
         credentials of this machine"
    );
    Some((span, why))
}

/// The target of a fence on a database.
fn database(place: &Place) -> Option<String> {
    place.dialect.map(|_| place.on.clone())
}

fn lifted(action: &Action, span: Span) -> Draft {
    let dialect = match action {
        Action::Backup { dump: Some(dump), .. } if dump.program == "pg_dump" => Some(Dialect::Postgresql),
        Action::Backup { dump: Some(_), .. } => Some(Dialect::Mysql),
        _ => None,
    };
    Draft { dialect, ..Draft::new(action.clone(), span) }
}

fn opaque(step: &doc::Step, line: &Line, readonly: bool, database: Option<String>) -> Action {
    let script = step.body.text.get(line.span.start..line.span.end).unwrap_or_default();
    Action::Shell { script: format!("{}{script}", line.prelude), dir: line.dir.clone(), readonly, database }
}
