//! A ticket as a page.

use super::{TicketJson, TicketRehearsalJson, TicketStepJson, lines::TicketLineJson};
use crate::{
    Rehearsed,
    messages::Messages,
    moment,
    page::{Block, Page},
    shorten,
    time::duration,
    words::named_release,
};
use jiff::tz::TimeZone;
use windlass_plan::{Class, Lang};

/// Columns of what a step or statement does, in a table; all of it stands in the details.
const WHAT_COLUMNS: usize = 72;

/// A ticket for people; times are shown in `zone`.
#[must_use]
pub fn ticket_page(ticket: &TicketJson, zone: &TimeZone, lang: Lang) -> Page {
    let messages = Messages::new(lang);
    let title = ticket.title.as_deref().unwrap_or_default();
    let release = named_release(&ticket.release, title);
    let mut page = Page::new(lang, messages.with("ticket-title", [("release", release.into())]));
    let writer = Writer { ticket, zone, messages: &messages };
    page.add(Block::Fields(writer.summary()));
    writer.about(&mut page);
    writer.steps(&mut page);
    writer.details(&mut page);
    writer.way_back(&mut page);
    writer.rehearsal(&mut page);
    writer.findings(&mut page);
    page
}

struct Writer<'a> {
    ticket: &'a TicketJson,
    zone: &'a TimeZone,
    messages: &'a Messages,
}

impl Writer<'_> {
    fn say(&self, key: &str) -> String {
        self.messages.say(key)
    }

    fn one(&self, key: &str, name: &'static str, value: &str) -> String {
        self.messages.with(key, [(name, value.into())])
    }

    fn by(&self, ms: i64, who: &str) -> String {
        let when = moment(ms, self.zone);
        self.messages.with("page-when-by", [("when", when.into()), ("who", who.into())])
    }

    fn heads<const N: usize>(&self, heads: [&str; N]) -> Vec<String> {
        heads.map(|head| self.say(&format!("page-head-{head}"))).into()
    }

    fn summary(&self) -> Vec<(String, String)> {
        let (ticket, messages) = (self.ticket, self.messages);
        let mut fields = Vec::new();
        let mut add = |key: &str, value: Option<String>| {
            fields.extend(value.map(|value| (self.say(key), value)));
        };
        add("page-ticket", ticket.ticket.clone());
        add("ticket-release", Some(ticket.release.clone()));
        add("page-from", ticket.from.clone());
        add("page-env", ticket.env.clone());
        add("ticket-kind", ticket.kind.map(|kind| messages.kind(kind)));
        add("ticket-severity", ticket.severity.map(|urgency| messages.urgency(urgency)));
        add("ticket-due", ticket.due_at_ms.map(|ms| moment(ms, self.zone)));
        let class = [
            ("class", messages.class(ticket.class).into()),
            ("means", messages.class_means(ticket.class).into()),
        ];
        add("page-class", Some(messages.with("ticket-class-is", class)));
        add("ticket-downtime", Some(self.downtime()));
        add("ticket-rehearsal", Some(self.rehearsed()));
        add("ticket-window", Some(self.window()));
        add("ticket-freeze", Some(ticket.policy.freezes.join(", ")).filter(|days| !days.is_empty()));
        add("ticket-approvals", Some(self.approvals()));
        for approved in &ticket.policy.approvals {
            add("page-approved", Some(self.by(approved.at_ms, &approved.by)));
        }
        add(
            "ticket-executor",
            Some(ticket.executor.clone().unwrap_or_else(|| self.say("ticket-executor-open"))),
        );
        add("ticket-made", Some(self.by(ticket.made_at_ms, &ticket.made_by)));
        add("page-document", Some(messages.document(&ticket.document, &ticket.document_sha256)));
        add("page-plan", Some(ticket.digest.clone()));
        fields
    }

    fn downtime(&self) -> String {
        let fresh = self.ticket.rehearsal.as_ref().filter(|rehearsal| rehearsal.state != "stale");
        let predicted = fresh.and_then(|rehearsal| rehearsal.found.downtime_ms);
        let said = [
            ("ticket-downtime-predicted", predicted),
            ("ticket-downtime-budget", self.ticket.downtime_budget_ms),
        ];
        let said = said.into_iter().filter_map(|(key, ms)| Some(self.one(key, "time", &duration(ms?))));
        let said: Vec<_> = said.collect();
        if said.is_empty() { self.say("ticket-downtime-unknown") } else { self.messages.join(&said) }
    }

    fn rehearsed(&self) -> String {
        let Some(rehearsal) = &self.ticket.rehearsal else { return self.say("ticket-not-rehearsed") };
        let when = moment(rehearsal.found.at_ms, self.zone);
        match rehearsal.state {
            "stale" => {
                let steps = rehearsal.changed.join(", ");
                self.messages.with("ticket-rehearsal-stale", [("when", when.into()), ("steps", steps.into())])
            }
            "good" => self.one("ticket-rehearsal-good", "when", &when),
            _ => self.one("ticket-rehearsal-problems", "when", &when),
        }
    }

    fn window(&self) -> String {
        let policy = &self.ticket.policy;
        if policy.windows.is_empty() {
            return self.say("ticket-window-any");
        }
        let zone = policy.timezone.as_deref().unwrap_or_default();
        let values = [("windows", policy.windows.join(", ").into()), ("zone", zone.into())];
        self.messages.with("ticket-window-in", values)
    }

    fn approvals(&self) -> String {
        let policy = &self.ticket.policy;
        if policy.approvals_needed == 0 {
            return self.say("ticket-approvals-none");
        }
        let values = [("have", policy.approvals.len().into()), ("need", policy.approvals_needed.into())];
        let key = if policy.author_may_approve { "ticket-approvals-have" } else { "ticket-approvals-others" };
        self.messages.with(key, values)
    }

    fn about(&self, page: &mut Page) {
        let Some(about) = &self.ticket.about else { return };
        page.add(Block::Heading(1, self.say("ticket-about")));
        let blocks = about.split("\n\n").map(str::trim).filter(|text| !text.is_empty());
        blocks.flat_map(said).filter(|block| !self.is_about(block)).for_each(|block| page.add(block));
    }

    /// Templates call their section as the ticket calls its own.
    fn is_about(&self, block: &Block) -> bool {
        matches!(block, Block::Heading(_, text) if *text == self.say("ticket-about"))
    }

    fn steps(&self, page: &mut Page) {
        let row = |step: &TicketStepJson| {
            let more = match step.lines.len().saturating_sub(1) {
                0 => String::new(),
                more => format!(" (+{more})"),
            };
            let what =
                step.lines.first().map_or(String::new(), |line| self.unless_closed(line, &line.planned));
            let what = format!("{}{more}", shorten(&what, WHAT_COLUMNS));
            vec![
                step.id.clone(),
                step.line.to_string(),
                self.target(step),
                what,
                self.messages.class(step.class),
            ]
        };
        let heads = self.heads(["step", "line", "on", "what", "class"]);
        page.table(self.say("page-steps"), heads, self.ticket.steps.iter().map(row).collect());
    }

    fn unless_closed(&self, line: &TicketLineJson, words: &str) -> String {
        if line.closed { self.say("ticket-closed") } else { words.to_owned() }
    }

    fn target(&self, step: &TicketStepJson) -> String {
        match step.target.as_str() {
            "" if step.lines.iter().all(|line| line.driver == "gate") => self.say("ticket-on-person"),
            "" => self.say("ticket-on-here"),
            target => target.to_owned(),
        }
    }

    fn details(&self, page: &mut Page) {
        page.add(Block::Heading(1, self.say("page-details")));
        for step in &self.ticket.steps {
            page.add(Block::Heading(2, self.messages.step(&step.id, step.line, step.stage.as_deref())));
            if let Some(after) = step.after_ms {
                page.add(Block::Paragraph(self.one("ticket-after", "time", &duration(after))));
            }
            step.lines.iter().for_each(|line| self.line(page, line));
        }
    }

    fn line(&self, page: &mut Page, line: &TicketLineJson) {
        let name = line.units.first().map(String::as_str).unwrap_or_default();
        // Of several hosts the name of one would say too little.
        let name = if line.hosts.len() > 1 { name.split('@').next().unwrap_or(name) } else { name };
        page.add(Block::Lead(name.to_owned(), format!("{}: {}", line.driver, line.hosts.join(", "))));
        let mut words = Vec::new();
        if line.text.is_none() {
            words.push(self.one("record-planned", "what", &self.unless_closed(line, &line.planned)));
        }
        words.extend(line.now.iter().map(|now| self.one("ticket-now", "what", now)));
        words.extend(line.problems.iter().map(|problem| self.one("ticket-problem", "why", problem)));
        if !words.is_empty() {
            page.add(Block::List(words));
        }
        if let (Some(language), Some(text)) = (line.language, &line.text) {
            page.add(Block::Code(language, text.clone()));
        }
    }

    /// Newest first, as it would be done.
    fn way_back(&self, page: &mut Page) {
        page.add(Block::Heading(1, self.say("ticket-way-back")));
        page.add(Block::Paragraph(self.say("ticket-way-back-how")));
        let steps = self.ticket.steps.iter().rev();
        let rows: Vec<_> = steps.flat_map(|step| self.undone(step)).collect();
        if rows.is_empty() {
            page.add(Block::Paragraph(self.messages.class_means(Class::Readonly)));
        } else {
            page.add(Block::Table { heads: self.heads(["step", "class", "undo"]), rows });
        }
    }

    fn undone(&self, step: &TicketStepJson) -> Vec<Vec<String>> {
        let row = |class, how: String| vec![step.id.clone(), self.messages.class(class), how];
        if let Some(script) = &step.undo_step {
            let lines: Vec<_> =
                step.undo_lines.iter().map(|line| self.unless_closed(line, &line.planned)).collect();
            let values = [("step", script.as_str().into()), ("lines", self.messages.join(&lines).into())];
            return vec![row(step.class, self.messages.with("ticket-undo-script", values))];
        }
        let mut ways: Vec<(Class, String)> = Vec::new();
        for line in step.lines.iter().rev().filter(|line| line.class != Class::Readonly) {
            let way = (line.class, self.unless_closed(line, &line.undo));
            if !ways.contains(&way) {
                ways.push(way);
            }
        }
        ways.into_iter().map(|(class, how)| row(class, how)).collect()
    }

    fn rehearsal(&self, page: &mut Page) {
        let Some(TicketRehearsalJson { found, .. }) = &self.ticket.rehearsal else { return };
        let time = |ms: Option<u64>| ms.map_or(String::new(), duration);
        let row = |statement: &Rehearsed| {
            vec![
                statement.unit.clone(),
                shorten(&statement.statement, WHAT_COLUMNS),
                time(statement.took_ms),
                time(statement.undo_ms),
                statement.rows.map_or(String::new(), |rows| rows.to_string()),
                self.messages.verdict(statement.verdict),
            ]
        };
        let heads = self.heads(["step", "what", "duration", "undo-duration", "rows", "back"]);
        page.table(self.say("ticket-rehearsal"), heads, found.statements.iter().map(row).collect());
        if !found.left_out.is_empty() {
            let units: Vec<_> = found.left_out.iter().map(|left| left.unit.as_str()).collect();
            page.add(Block::Paragraph(self.one("ticket-left-out", "units", &units.join(", "))));
        }
    }

    fn findings(&self, page: &mut Page) {
        let findings = self.ticket.findings.iter().map(|finding| {
            let values = [
                ("severity", self.messages.severity(finding.severity).into()),
                ("line", finding.line.into()),
                ("message", finding.message.as_str().into()),
                ("rule", finding.rule.as_str().into()),
            ];
            self.messages.with("ticket-finding", values)
        });
        page.list(self.say("ticket-findings"), findings.collect());
    }
}

/// A piece of the document's own text. It stays text: only what would look odd as such is told apart.
fn said(text: &str) -> Vec<Block> {
    let lines: Vec<_> = text.lines().map(str::trim).collect();
    let heading = |line: &str| line.starts_with('#').then(|| line.trim_start_matches('#').trim().to_owned());
    let item = |line: &&str| line.strip_prefix("- ").or(line.strip_prefix("* ")).map(str::to_owned);
    if let Some((title, rest)) = lines.split_first().and_then(|(first, rest)| Some((heading(first)?, rest))) {
        let below = if rest.is_empty() { Vec::new() } else { said(&rest.join("\n")) };
        return std::iter::once(Block::Heading(2, title)).chain(below).collect();
    }
    match lines.iter().map(item).collect::<Option<Vec<_>>>() {
        Some(items) => vec![Block::List(items)],
        None => {
            let quoted = lines.iter().map(|line| line.trim_start_matches('>').trim_start());
            vec![Block::Paragraph(quoted.collect::<Vec<_>>().join("\n"))]
        }
    }
}
