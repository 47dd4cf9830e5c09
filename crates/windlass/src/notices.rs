//! Tells the team about a run: which receivers, in which words; sending is the courier's. Nothing here fails or holds up a run.

use crate::{
    commands::drive::Work,
    env,
    exit::{Exit, Wanted, of_stop},
    policy,
    project::{self, Place},
    secrets::SecretStore,
    terminal, wiring,
};
use jiff::tz::TimeZone;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};
use windlass_driver::Secrets;
use windlass_engine::Stop;
use windlass_journal::{Direction, RunId, RunState, UnitState};
use windlass_notice::{Courier, Notice, Outcome, Record, Sent};
use windlass_plan::{Config, Lang, Moment, Plan, Receiver, UnitId};
use windlass_report::{
    Mark, News, NoticeFacts, NoticeWords, SentNoticeJson, Stand, Text, notice_test_words, notice_words,
};

/// The notices of one run.
pub struct Notices {
    courier: Courier,
    run: RunId,
    plan: Arc<Plan>,
    env: Option<String>,
    actor: String,
    zone: TimeZone,
    /// The language of receivers that say none.
    lang: Lang,
    /// The question that a notice said is waited for: it is not said again when the command ends there.
    waits: Mutex<Option<Asked>>,
}

/// A question to a person. About the same unit, another one is asked once it was tried again, or goes back.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Asked {
    unit: UnitId,
    /// Whether it is to be confirmed; else to be decided about.
    is_gate: bool,
    direction: Direction,
    attempt: u32,
    undo_attempt: u32,
}

impl Asked {
    fn of(run: &RunState, unit: &UnitId, is_gate: bool) -> Self {
        let UnitState { attempt, undo_attempt, .. } = run.unit(unit);
        Self { unit: unit.clone(), is_gate, direction: run.direction, attempt, undo_attempt }
    }
}

impl Notices {
    /// For a run by this plan. `None`: nobody is to be told, or nobody knows who.
    pub fn of(
        place: &Place,
        secrets: &Arc<SecretStore>,
        run: &RunId,
        plan: Arc<Plan>,
        origin_env: Option<&str>,
    ) -> Option<Arc<Self>> {
        let env = origin_env.map(str::to_owned).or_else(|| plan.release.env.clone());
        let settings = match project::read_settings(Some(place), None, env.as_deref()) {
            Ok(settings) if settings.findings.is_empty() => settings,
            // A broken configuration must not keep a run from being taken back.
            _ => {
                terminal::warn(
                    "nobody is told about this run: the configuration has problems (`windlass check`)",
                );
                return None;
            }
        };
        let config = settings.config;
        if config.notices.is_empty() {
            return None;
        }
        Some(Arc::new(Self {
            courier: courier(place, secrets, &config.notices),
            run: run.clone(),
            plan,
            env,
            actor: env::actor(),
            zone: policy::zone(&config.policy),
            lang: config.documents.lang.unwrap_or_default(),
            waits: Mutex::default(),
        }))
    }

    /// Who wants to hear of one of `told` knows already.
    fn tell(&self, on: &[Moment], told: &[Moment], news: News<'_>) {
        let Some(first) = on.first() else { return };
        let facts = NoticeFacts {
            run: &self.run,
            plan: &self.plan,
            env: self.env.as_deref(),
            actor: &self.actor,
            at_ms: wiring::now_ms(),
            on: *first,
            news,
        };
        self.courier.tell(on, told, |lang| {
            let lang = lang.unwrap_or(self.lang);
            letter(notice_words(&facts, lang, &self.zone), lang, Some(&self.run))
        });
    }

    /// It begins.
    pub fn before(&self, work: &Work) {
        let news = match work {
            Work::Start(..) => News::Starts,
            Work::Rollback(_) => News::TakenBack,
            Work::Resume | Work::Replan(..) | Work::Confirm(..) | Work::Decide(..) => News::GoesOn,
        };
        self.tell(&[Moment::Before], &[], news);
    }

    /// It waits on the terminal for a person.
    pub fn waits(&self, run: &RunState, stand: &Stand) {
        let asked = match stand {
            Stand::Gate(unit) => Asked::of(run, unit, true),
            Stand::Person { unit: Some(unit), .. } => Asked::of(run, unit, false),
            _ => return,
        };
        let mut waits = self.waits.lock().unwrap_or_else(PoisonError::into_inner);
        if waits.as_ref() != Some(&asked) {
            *waits = Some(asked);
            drop(waits);
            self.tell(&[Moment::Waiting], &[], News::Stands(run, stand));
        }
    }

    /// Its controller is done.
    pub fn after(&self, run: &RunState, stop: &Stop, stand: &Stand, wanted: Wanted) {
        let told = self.waits.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let is_told = told.is_some_and(|told| still_waits(run, stop, &told));
        let told: &[Moment] = if is_told { &[Moment::Waiting] } else { &[] };
        self.tell(moments(stop, wanted), told, News::Stands(run, stand));
    }

    /// Its controller was ended by an error.
    pub fn broke(&self) {
        self.tell(&[Moment::Failed], &[], News::Broke);
    }

    /// Waits a little for what is on its way, and says what did not arrive.
    pub fn finish(&self) {
        say(&self.courier.finish());
    }
}

/// Whether the command ends in front of this question, which was told when it was asked: nobody answered it.
fn still_waits(run: &RunState, stop: &Stop, told: &Asked) -> bool {
    let Asked { unit, is_gate, .. } = told;
    let is_open = match stop {
        Stop::Gate(of) => *is_gate && of == unit,
        Stop::Person { unit: Some(of), .. } => !is_gate && of == unit,
        Stop::Interrupted if *is_gate => run.unit(unit) == UnitState::default(),
        Stop::Interrupted => run.person.as_ref().is_some_and(|turn| turn.unit.as_ref() == Some(unit)),
        _ => false,
    };
    is_open && *told == Asked::of(run, unit, *is_gate)
}

/// The moments that an ending is told for. A run that needs a person has failed and waits: who wants to hear of either, hears of it once.
fn moments(stop: &Stop, wanted: Wanted) -> &'static [Moment] {
    match (of_stop(stop, wanted), stop) {
        (Exit::Done, _) => &[Moment::Done],
        (Exit::Person, Stop::Gate(_) | Stop::NotBefore { .. }) | (Exit::Interrupted, _) => &[Moment::Waiting],
        (Exit::Person, Stop::Person { .. }) => &[Moment::Waiting, Moment::Failed],
        _ => &[Moment::Failed],
    }
}

fn courier(place: &Place, secrets: &Arc<SecretStore>, receivers: &BTreeMap<String, Receiver>) -> Courier {
    let secrets: Arc<dyn Secrets> = secrets.clone();
    let proxy = ["HTTPS_PROXY", "https_proxy"].into_iter().find_map(env::variable);
    Courier::start(receivers, &secrets, record(place), proxy.as_deref(), wiring::now_ms)
}

fn letter(words: NoticeWords, lang: Lang, run: Option<&RunId>) -> Notice {
    let NoticeWords { title, lines, json } = words;
    let json = serde_json::to_value(json).unwrap_or_default();
    Notice { lang, run: run.map(|run| run.0.clone()), title, lines, json }
}

/// Sends a test to these receivers, and waits as long as it takes.
pub fn test(
    place: &Place,
    secrets: &Arc<SecretStore>,
    config: &Config,
    receivers: &BTreeMap<String, Receiver>,
) -> Vec<Sent> {
    let couriers: Vec<_> = receivers
        .iter()
        .map(|(name, receiver)| {
            // One each, since each says its own name.
            let courier = courier(place, secrets, &BTreeMap::from([(name.clone(), receiver.clone())]));
            courier.test(|lang| {
                let lang = lang.or(config.documents.lang).unwrap_or_default();
                letter(notice_test_words(name, &env::actor(), wiring::now_ms(), lang), lang, None)
            });
            courier
        })
        .collect();
    couriers.iter().flat_map(Courier::finish_patiently).collect()
}

fn record(place: &Place) -> Record {
    Record::beside(&place.state())
}

/// What became of the notices about a run. What cannot be read hides nothing else.
pub fn sent(place: &Place, run: &RunId) -> Vec<SentNoticeJson> {
    match record(place).of(&run.0) {
        Ok(sent) => sent.into_iter().map(shown).collect(),
        Err(error) => {
            terminal::warn(&format!("the record of notices cannot be read: {error}"));
            Vec::new()
        }
    }
}

pub fn shown(sent: Sent) -> SentNoticeJson {
    SentNoticeJson {
        at_ms: sent.at_ms,
        name: sent.name,
        kind: sent.kind,
        on: sent.on,
        outcome: sent.outcome.to_string(),
        tries: sent.tries,
        why: sent.why,
    }
}

/// Says what was not delivered.
pub fn say(sent: &[Sent]) {
    for sent in sent.iter().filter(|sent| sent.outcome != Outcome::Delivered) {
        let why = sent.why.as_deref().unwrap_or("for no known reason");
        terminal::warn(&format!(
            "the notice `{}` to {} ({}) was {}: {why}",
            sent.on,
            sent.name,
            sent.kind,
            word(sent)
        ));
    }
}

fn word(sent: &Sent) -> &'static str {
    match sent.outcome {
        Outcome::Delivered => "delivered",
        Outcome::Refused => "refused",
        Outcome::Failed => "not delivered",
        Outcome::Unsent => "not sent",
    }
}

/// Who would be told, and when; never where.
pub fn text(config: &Config) -> Text {
    let mut text = Text::new();
    for (name, receiver) in &config.notices {
        let on: Vec<_> = receiver.on.iter().map(|moment| moment.word()).collect();
        text.field("Notices", 12, Mark::Plain, &format!("{name} ({}): {}", receiver.kind(), on.join(", ")));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use windlass_journal::Ending;

    #[test]
    fn each_ending_is_told_for_its_moments() {
        let gate = Stop::Gate(UnitId("gate-1".into()));
        let person = Stop::Person { unit: None, why: "why".into() };
        let not_before = Stop::NotBefore { unit: UnitId("x/1".into()), at_ms: 0 };
        for (stop, wanted, expected) in [
            (Stop::Ended(Ending::Done), Wanted::Done, &[Moment::Done][..]),
            (Stop::Ended(Ending::Undone), Wanted::Done, &[Moment::Failed]),
            (Stop::Ended(Ending::Undone), Wanted::Undone, &[Moment::Done]),
            (Stop::Ended(Ending::Abandoned), Wanted::Undone, &[Moment::Failed]),
            (gate, Wanted::Done, &[Moment::Waiting]),
            (not_before, Wanted::Done, &[Moment::Waiting]),
            (Stop::Interrupted, Wanted::Done, &[Moment::Waiting]),
            (person, Wanted::Done, &[Moment::Waiting, Moment::Failed]),
        ] {
            assert_eq!(moments(&stop, wanted), expected, "{stop:?}");
        }
    }
}
