//! The record of a run, as a page: who, when, what, how it went, what people said, and what users noticed.

use crate::{
    downtime::{seen, way_back_words},
    ending::trouble,
    json::{DecisionJson, HeldJson, decisions, held},
    messages::Messages,
    moment,
    notice::SentNoticeJson,
    outage::outages,
    page::{Block, Page},
    run::shown_units,
    shorten,
    spread::spreads,
    time::duration,
    words::{is_check, named_release, purpose, run_word, state_word, taken_back, why_in_short_in},
};
use jiff::tz::TimeZone;
use windlass_journal::{Direction, Entry, Event, Forward, RunState, UndoPhase, UnitState};
use windlass_plan::{Lang, Step, Unit, UnitId};

/// Columns of what a step changed, in the table; all of it stands in the details.
const EFFECT_COLUMNS: usize = 60;

/// The record. `entries` are the entries of this run, `notices` what became of those about it; times are shown in `zone`.
#[must_use]
pub fn record_page(
    run: &RunState,
    entries: &[Entry],
    notices: &[SentNoticeJson],
    zone: &TimeZone,
    lang: Lang,
) -> Page {
    let messages = Messages::new(lang);
    let values = [("release", named(run).into())];
    let record = Record { run, entries, zone, messages: &messages, in_short: false };
    let mut page = Page::new(lang, messages.with("record-title", values));
    record.short(&mut page);
    record.notices(&mut page, notices);
    record.details(&mut page);
    page
}

/// The same in short, as an entry of a log of releases; its title begins with the day.
#[must_use]
pub fn log_page(run: &RunState, entries: &[Entry], zone: &TimeZone, lang: Lang) -> Page {
    let messages = Messages::new(lang);
    let started = moment(run.started_ms, zone);
    let day = started.split(' ').next().unwrap_or_default();
    let values = [("day", day.into()), ("release", named(run).into())];
    let record = Record { run, entries, zone, messages: &messages, in_short: true };
    let mut page = Page::new(lang, messages.with("record-log-title", values));
    record.short(&mut page);
    page
}

fn named(run: &RunState) -> String {
    let release = &run.plan.release;
    named_release(&release.version, release.title.as_deref().unwrap_or_default())
}

/// What a record is made of.
struct Record<'a> {
    run: &'a RunState,
    entries: &'a [Entry],
    zone: &'a TimeZone,
    messages: &'a Messages,
    /// There are no details that would tell the causes of failures.
    in_short: bool,
}

impl Record<'_> {
    /// All but the details.
    fn short(&self, page: &mut Page) {
        page.add(Block::Fields(self.summary()));
        let decisions = decisions(self.entries);
        self.steps(page, &decisions);
        self.people(page, &decisions);
        self.turns(page);
    }

    fn say(&self, key: &str) -> String {
        self.messages.say(key)
    }

    fn one(&self, key: &str, name: &'static str, value: &str) -> String {
        self.messages.with(key, [(name, value.into())])
    }

    fn moment(&self, ms: i64) -> String {
        moment(ms, self.zone)
    }

    /// When, and by whom.
    fn by(&self, ms: i64, who: &str) -> String {
        self.messages.with("page-when-by", [("when", self.moment(ms).into()), ("who", who.into())])
    }

    fn summary(&self) -> Vec<(String, String)> {
        let (run, release) = (self.run, &self.run.plan.release);
        let mut fields = Vec::new();
        let mut add = |key: &str, value: String| fields.push((self.say(key), value));
        add("record-result", self.messages.result(run_word(run).1));
        add("record-run", run.id.0.clone());
        for (key, value) in
            [("page-from", &release.from), ("page-env", &release.env), ("page-ticket", &release.ticket)]
        {
            if let Some(value) = value {
                add(key, value.clone());
            }
        }
        let document = &run.plan.document;
        add("page-document", self.messages.document(&document.name, &document.sha256));
        add("page-plan", run.digest.0.clone());
        add("page-class", self.messages.class(run.plan.class));
        add("record-started", self.by(run.started_ms, &run.actor));
        if let Some(glass) = &run.break_glass {
            let values = [("who", run.actor.as_str().into()), ("why", glass.reason.as_str().into())];
            add("record-against", self.messages.with("record-against-by", values));
            add("record-policy-said", self.messages.join(&glass.against));
        }
        for approved in &run.approvals {
            add("page-approved", self.by(approved.at_ms, &approved.by));
        }
        let values = [("when", self.moment(run.last_ms).into()), ("took", duration(run.worked_ms).into())];
        let last = if run.ending.is_some() { "record-ended" } else { "record-last" };
        add(last, self.messages.with("record-worked", values));
        if let Some(checks) = self.checks() {
            add("record-checks", checks);
        }
        add("record-downtime", self.downtime());
        if let Some((_, words)) = way_back_words(run, self.messages) {
            add("record-way-back", words);
        }
        for (step, words) in spreads(run, self.messages) {
            add("record-hosts", format!("{step}: {words}"));
        }
        for owner in &run.owners {
            add("record-controller", owner.clone());
        }
        fields
    }

    /// How many checks went how.
    fn checks(&self) -> Option<String> {
        let mut counts: Vec<(&str, usize)> = Vec::new();
        for (step, unit) in shown_units(self.run).into_iter().filter(|(_, unit)| is_check(unit)) {
            let word = state_word(self.run, step, unit).1;
            match counts.iter_mut().find(|(known, _)| *known == word) {
                Some((_, count)) => *count += 1,
                None => counts.push((word, 1)),
            }
        }
        let count = |(word, count): &(&str, usize)| {
            let values = [("count", (*count).into()), ("state", self.messages.state(word).into())];
            self.messages.with("record-checks-count", values)
        };
        let counts: Vec<_> = counts.iter().map(count).collect();
        (!counts.is_empty()).then(|| self.messages.join(&counts))
    }

    /// What was seen from outside, what proxies held, and of services that nobody looked at how long they were stopped.
    fn downtime(&self) -> String {
        let mut said = seen(self.run, false, self.zone, self.messages);
        said.extend(outages(self.run, self.entries, self.zone, self.messages));
        let held = held(self.run);
        if held.requests > 0 || held.total_ms > 0 {
            said.insert(0, self.held(&held));
        } else if said.is_empty() {
            let measured = self.run.plan.services.values().any(|service| service.is_held());
            said.push(self.say(if measured { "record-none-held" } else { "record-not-measured" }));
        }
        self.messages.join(&said)
    }

    fn held(&self, held: &HeldJson) -> String {
        let values = [
            ("requests", held.requests.into()),
            ("total", duration(held.total_ms).into()),
            ("longest", duration(held.max_ms).into()),
        ];
        self.messages.with("record-held", values)
    }

    fn steps(&self, page: &mut Page, decisions: &[DecisionJson]) {
        let heads = ["step", "line", "host", "state", "start", "duration", "class", "note"];
        let heads = heads.map(|head| self.say(&format!("page-head-{head}")));
        let row = |(step, unit): (&Step, &Unit)| {
            let state = self.run.unit(&unit.id);
            vec![
                unit.id.0.clone(),
                unit.line.to_string(),
                unit.host.clone(),
                self.messages.state(state_word(self.run, step, unit).1),
                state.began_ms.map_or(String::new(), |ms| self.moment(ms)),
                if state.attempt > 0 { duration(state.took_ms) } else { String::new() },
                self.messages.class(unit.undo.class),
                self.note(unit, &state, decisions),
            ]
        };
        let rows = shown_units(self.run).into_iter().map(row).collect();
        page.table(self.say("page-steps"), heads.into(), rows);
    }

    /// What is to be known of a unit, in a few words; the cause of a failure stands in the details where there are any.
    fn note(&self, unit: &Unit, state: &UnitState, decisions: &[DecisionJson]) -> String {
        let mut notes = Vec::new();
        notes.extend(trouble(state).map(|(how, trouble)| match self.in_short {
            true => format!("{}: {}", self.say(how), trouble.message),
            false => self.say(how),
        }));
        notes.extend(state.confirmed.as_ref().map(|who| self.one("record-confirmed", "who", who)));
        let about =
            decisions.iter().filter(|said| said.what != "confirm" && said.unit.as_ref() == Some(&unit.id.0));
        notes.extend(about.map(|said| format!("{}: {}", self.messages.decision(&said.what), said.reason)));
        if notes.is_empty() {
            let effects = state.report.iter().flat_map(|report| report.effects.first());
            notes.extend(effects.map(|effect| shorten(effect, EFFECT_COLUMNS)));
        }
        self.messages.join(&notes)
    }

    fn people(&self, page: &mut Page, decisions: &[DecisionJson]) {
        let row = |decision: &DecisionJson| {
            let about = decision.unit.as_ref().map_or(String::new(), |id| {
                let unit = self.run.plan.unit(&UnitId(id.clone()));
                unit.map_or(id.clone(), |(_, unit)| format!("{id}: {}", purpose(unit)))
            });
            let (when, what) = (self.moment(decision.at_ms), self.messages.decision(&decision.what));
            vec![when, decision.actor.clone(), what, about, decision.reason.clone()]
        };
        let heads = ["when", "who", "what", "about", "words"];
        let heads = heads.map(|head| self.say(&format!("page-head-{head}")));
        page.table(self.say("record-people"), heads.into(), decisions.iter().map(row).collect());
    }

    /// Who was told, and whether it arrived.
    fn notices(&self, page: &mut Page, notices: &[SentNoticeJson]) {
        let row = |sent: &SentNoticeJson| {
            vec![
                self.moment(sent.at_ms),
                format!("{} ({})", sent.name, sent.kind),
                sent.on.clone(),
                self.messages.outcome(&sent.outcome),
                sent.why.clone().unwrap_or_default(),
            ]
        };
        let heads = ["when", "receiver", "moment", "state", "note"];
        let heads = heads.map(|head| self.say(&format!("page-head-{head}")));
        page.table(self.say("record-notices"), heads.into(), notices.iter().map(row).collect());
    }

    fn turns(&self, page: &mut Page) {
        let turns = self.entries.iter().filter_map(|entry| match &entry.event {
            Event::Turned { to, why, unit } => {
                Some(format!("{} {}", self.moment(entry.time_ms), self.turn(*to, unit.as_ref(), why)))
            }
            _ => None,
        });
        let turns: Vec<_> = turns.collect();
        let turned = !turns.is_empty();
        page.list(self.say("record-turns"), turns);
        let plan = &self.run.plan;
        let back = plan.units().filter(|(step, unit)| taken_back(self.run, step, unit)).count();
        if turned && back > 0 {
            page.add(Block::Paragraph(self.messages.with("record-units-back", [("count", back.into())])));
        }
    }

    fn turn(&self, to: Direction, unit: Option<&UnitId>, why: &str) -> String {
        let word = self.say(match to {
            Direction::Forward => "record-turned-forward",
            Direction::Unwind => "record-turned-back",
            Direction::Person => "record-turned-person",
        });
        // The trouble itself stands with the unit, below.
        let why = why_in_short_in(self.messages, self.run, unit, why);
        match unit {
            Some(unit) => {
                let values = [("turn", word.into()), ("unit", unit.0.as_str().into()), ("why", why.into())];
                self.messages.with("record-turn-because", values)
            }
            None => format!("{word}: {why}"),
        }
    }

    fn details(&self, page: &mut Page) {
        page.add(Block::Heading(1, self.say("page-details")));
        let mut last = None;
        for (step, unit) in shown_units(self.run) {
            let state = self.run.unit(&unit.id);
            if state == UnitState::default() {
                continue;
            }
            if last != Some(&step.id) {
                page.add(Block::Heading(2, self.messages.step(&step.id.0, step.line, step.stage.as_deref())));
                last = Some(&step.id);
            }
            self.unit(page, unit, &state, state_word(self.run, step, unit).1);
        }
    }

    fn unit(&self, page: &mut Page, unit: &Unit, state: &UnitState, word: &str) {
        let mut words = self.messages.state(word);
        if state.attempt > 1 {
            words.push_str(&self.messages.with("record-tries", [("count", state.attempt.into())]));
        }
        page.add(Block::Lead(unit.id.0.clone(), words));
        let mut lines = vec![self.one("record-planned", "what", &unit.effect)];
        let effects = |key, report: &Option<windlass_journal::Report>| -> Vec<String> {
            report
                .iter()
                .flat_map(|report| &report.effects)
                .map(|effect| self.one(key, "what", effect))
                .collect()
        };
        lines.extend(effects("record-changed", &state.report));
        if let Forward::Failed(t) | Forward::FailedPartly(t) | Forward::Unknown(t) = &state.forward {
            lines.push(self.one("record-failed", "why", &t.message));
        }
        lines.extend(state.confirmed.as_ref().map(|who| self.one("record-confirmed", "who", who)));
        if !unit.undo.how.is_empty() {
            let class = self.messages.class(unit.undo.class);
            let values = [("class", class.into()), ("how", unit.undo.how.as_str().into())];
            lines.push(self.messages.with("record-undo", values));
        }
        lines.extend(effects("record-taken-back", &state.undo_report));
        if let UndoPhase::Failed(t) | UndoPhase::FailedPartly(t) | UndoPhase::Unknown(t) = &state.undo {
            lines.push(self.one("record-undo-failed", "why", &t.message));
        }
        page.add(Block::List(lines));
        outputs(state).into_iter().for_each(|output| page.add(Block::Code("text", output.to_owned())));
    }
}

/// Output excerpts, forward first.
fn outputs(state: &UnitState) -> Vec<&str> {
    let trouble = trouble(state).map(|(_, trouble)| trouble.output.as_str());
    let reports = state.report.iter().chain(&state.undo_report).map(|report| report.output.as_str());
    reports.chain(trouble).filter(|output| !output.trim().is_empty()).collect()
}
