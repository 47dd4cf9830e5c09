//! What is durable in the journal, kept beside it and judged by rules of its own.

use crate::{
    hub::State,
    world::{ActKey, Told},
};
use std::collections::{BTreeMap, BTreeSet};
use windlass_journal::{Entry, Event, Outcome, RunId, RunState};
use windlass_plan::{UnitId, Way};

/// A durable intent.
#[derive(Clone, Debug)]
pub struct Intent {
    /// Who wrote it.
    pub proc: u32,
    /// Under which lease.
    pub token: u64,
    /// Whether it is settled.
    pub settled: bool,
    /// Its capsule.
    pub capsule: serde_json::Value,
}

/// What is durable.
#[derive(Default)]
pub struct Mirror {
    /// Runs, folded entry by entry.
    pub runs: BTreeMap<String, RunState>,
    /// The newest run of each unit.
    run_of: BTreeMap<UnitId, String>,
    /// Every intent.
    pub intents: BTreeMap<ActKey, Intent>,
    /// Token of the newest lease.
    pub token: u64,
    /// Every ending that any run ever had.
    pub endings: BTreeSet<String>,
    /// Tries that failed since the run turned or a person decided.
    tries: BTreeMap<(UnitId, Way), u32>,
}

/// Tries that the simulated engines are allowed.
pub const TRIES_MAX: u32 = 3;

impl Mirror {
    /// The run a unit belongs to.
    #[must_use]
    pub fn state_of(&self, unit: &UnitId) -> Option<&RunState> {
        self.runs.get(self.run_of.get(unit)?)
    }

    /// A run.
    #[must_use]
    pub fn run(&self, id: &RunId) -> Option<&RunState> {
        self.runs.get(&id.0)
    }

    fn fold(&mut self, entry: &Entry) -> Result<(), String> {
        let run = entry.run.0.clone();
        match self.runs.get_mut(&run) {
            Some(state) => state.apply(entry).map_err(|e| e.to_string())?,
            None => {
                self.runs.insert(run.clone(), RunState::begin(entry).map_err(|e| e.to_string())?);
            }
        }
        if let Event::Started { plan, .. } | Event::Replanned { plan, .. } = &entry.event {
            let scripts = plan.steps.iter().flat_map(|s| s.undo.iter().flat_map(|u| &u.units));
            let all = plan.units().map(|(_, unit)| unit).chain(scripts);
            self.run_of.extend(all.map(|unit| (unit.id.clone(), run.clone())));
        }
        Ok(())
    }

    fn count_tries(&mut self, entry: &Entry) -> Result<(), String> {
        match &entry.event {
            Event::Turned { .. } | Event::Decided { .. } | Event::Replanned { .. } => self.tries.clear(),
            Event::Intended { unit, way, .. } => {
                let tries = self.tries.get(&(unit.clone(), *way)).copied().unwrap_or(0);
                if tries >= TRIES_MAX {
                    return Err(format!("{unit} is tried for the {}. time", tries + 1));
                }
            }
            Event::Settled {
                unit,
                way,
                outcome: Outcome::Failed(trouble) | Outcome::FailedPartly(trouble),
                ..
            } if !trouble.interrupted => {
                *self.tries.entry((unit.clone(), *way)).or_default() += 1;
            }
            _ => {}
        }
        Ok(())
    }
}

impl State {
    /// An entry became durable.
    pub fn durable(&mut self, proc: u32, entry: &Entry) {
        self.note(|| format!("entry {}: {}", entry.seq, short(&entry.event)));
        if let Err(what) = self.justified(proc, &entry.event) {
            let property = "an unknown outcome is never guessed";
            self.fail(property, || format!("entry {} {}: {what}", entry.seq, short(&entry.event)));
        }
        if let Event::Replanned { plan, .. } = &entry.event
            && let Some(run) = self.mirror.run(&entry.run).cloned()
        {
            self.edited(&run, plan);
        }
        let over = self.mirror.run(&entry.run).is_some_and(|run| run.over_budget().is_some());
        if over && matches!(entry.event, Event::Intended { .. }) {
            self.fail("nothing begins when the budget is exceeded", || short(&entry.event));
        }
        if let Err(what) = self.mirror.fold(entry) {
            self.fail("every durable entry follows from the ones before", || what);
        }
        if let Err(what) = self.mirror.count_tries(entry) {
            self.fail("retries respect their limit", || what);
        }
        if !over && self.mirror.run(&entry.run).is_some_and(|run| run.over_budget().is_some()) {
            self.count("budget exceeded");
        }
        self.tally(&entry.event);
        match &entry.event {
            Event::Decided { unit: Some(unit), verb: windlass_journal::Verb::MarkDone, .. } => {
                self.by_hand(unit)
            }
            Event::Ended { ending } => {
                self.mirror.endings.insert(format!("{ending:?}"));
            }
            Event::Intended { unit, way, attempt, capsule } => {
                let (token, capsule) = (entry.token, capsule.clone());
                let intent = Intent { proc, token, settled: false, capsule };
                self.mirror.intents.insert((unit.clone(), *way, *attempt), intent);
            }
            Event::Settled { unit, way, attempt, .. } => {
                if let Some(intent) = self.mirror.intents.get_mut(&(unit.clone(), *way, *attempt)) {
                    intent.settled = true;
                }
            }
            _ => {}
        }
    }

    /// The person does what the decision says that they did.
    fn by_hand(&mut self, unit: &UnitId) {
        let done = match self.world.by_hand.remove(unit) {
            Some(Way::Forward) => self.world.apply_by_hand(unit),
            Some(Way::Undo) => self.world.undo_by_hand(unit),
            None => Ok(()),
        };
        if let Err(what) = done {
            self.fail("a person's work by hand fits", || what);
        }
    }

    /// Every outcome in the journal is what a driver or a person said last to this very controller.
    fn justified(&self, proc: u32, event: &Event) -> Result<(), String> {
        match event {
            Event::Settled { unit, way, attempt, outcome, .. } => {
                let told = self.world.told.get(&((unit.clone(), *way, *attempt), proc));
                let last = told.and_then(|told| told.last()).copied();
                let fits = match outcome {
                    Outcome::Applied(_) => last == Some(Told::Applied),
                    Outcome::NoEffect(_) => last == Some(Told::NoChange),
                    Outcome::Failed(_) => last == Some(Told::Clean),
                    Outcome::FailedPartly(_) => last == Some(Told::Partial),
                    Outcome::Unknown(_) => last == Some(Told::Unknown),
                };
                if fits { Ok(()) } else { Err(format!("the driver said {last:?}")) }
            }
            Event::Confirmed { unit, .. } if !self.world.words.contains(&format!("confirm {unit}")) => {
                Err("nobody confirmed it".into())
            }
            Event::Replanned { digest, .. } if !self.world.words.contains(&format!("edit {digest}")) => {
                Err("nobody edited it".into())
            }
            Event::Decided { verb, unit, .. } => {
                let unit = unit.as_ref().map_or_else(String::new, ToString::to_string);
                let word = format!("{verb:?} {unit}");
                if self.world.words.contains(&word) { Ok(()) } else { Err("nobody decided it".into()) }
            }
            _ => Ok(()),
        }
    }

    fn tally(&mut self, event: &Event) {
        self.count(match event {
            Event::Started { .. } => "run started",
            Event::Replanned { .. } => "tail edited",
            Event::Taken { from: Some(_), .. } => "lease taken over",
            Event::Taken { .. } => "lease taken",
            Event::Intended { attempt: 2.., .. } => "unit tried again",
            Event::Intended { .. } => "unit tried",
            Event::Settled { way: Way::Forward, outcome: Outcome::Applied(_), .. } => "unit applied",
            Event::Settled { outcome: Outcome::Applied(_), .. } => "unit undone",
            Event::Settled { outcome: Outcome::NoEffect(_), .. } => "unit without effect",
            Event::Settled { outcome: Outcome::Failed(t), .. } if t.interrupted => "unit interrupted",
            Event::Settled { outcome: Outcome::Failed(_), .. } => "unit failed",
            Event::Settled { outcome: Outcome::FailedPartly(_), .. } => "unit failed partly",
            Event::Settled { outcome: Outcome::Unknown(_), .. } => "unit unknown",
            Event::Confirmed { .. } => "gate confirmed",
            Event::Turned { to: windlass_journal::Direction::Person, .. } => "person needed",
            Event::Turned { to: windlass_journal::Direction::Unwind, .. } => "unwind",
            Event::Turned { .. } => "forward again",
            Event::Decided { verb, .. } => match verb {
                windlass_journal::Verb::Retry => "person: retry",
                windlass_journal::Verb::Skip => "person: skip",
                windlass_journal::Verb::MarkDone => "person: mark done",
                windlass_journal::Verb::Unwind => "person: unwind",
                windlass_journal::Verb::Abandon => "person: abandon",
            },
            Event::Probed { .. } => "downtime seen",
            Event::Ended { ending } => match ending {
                windlass_journal::Ending::Done => "ended done",
                windlass_journal::Ending::Undone => "ended undone",
                windlass_journal::Ending::Abandoned => "ended abandoned",
            },
        });
    }
}

fn short(event: &Event) -> String {
    match event {
        Event::Started { .. } => "started".into(),
        Event::Replanned { from, digest, .. } => format!("replanned: {} to {}", from.short(), digest.short()),
        other => {
            let mut text = serde_json::to_string(other).unwrap_or_default();
            text.truncate(text.floor_char_boundary(220));
            text
        }
    }
}
