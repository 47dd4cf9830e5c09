//! A whole story by seed: plans are started, controllers crash, hang and fight, people answer, until all is over.

use crate::{
    check, controller,
    controller::{Command, Outcome, TTL_MS, task},
    edit,
    exec::Executor,
    hub::{Hub, Proc, Setup, State, Violation},
    person, plans,
    world::Phase,
};
use futures_util::FutureExt;
use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};
use windlass_engine::{Fault, FaultKind, Faults, Stop};
use windlass_journal::{Direction, Ending, MemoryStore, OnFailure, RunId, RunState, Store, Verb};
use windlass_plan::{Class, Plan, UnitId, Way};

/// A story takes at most this many controllers.
const SESSIONS_MAX: u32 = 120;
/// And this much virtual time.
const TIME_MS_MAX: u64 = 30 * 86_400_000;

/// What came of a story.
#[derive(Debug, Default)]
pub struct Report {
    /// The property that broke, if one did.
    pub violation: Option<Violation>,
    /// How often things happened.
    pub counts: BTreeMap<&'static str, u64>,
    /// Lines for people, when asked for.
    pub trace: Vec<String>,
    /// Values of all resources at the end.
    pub world: Vec<u64>,
    /// Appends of each session.
    pub appends: Vec<u64>,
    /// How the first run ended.
    pub ending: Option<Ending>,
}

/// A story under way.
struct Story {
    hub: Arc<Hub>,
    journal: Arc<MemoryStore>,
    plan: Plan,
    run: Option<RunId>,
    on_failure: OnFailure,
    session: u32,
    runs_named: u32,
    rolled_back: HashSet<RunId>,
    last: Option<Stop>,
    appends: Vec<u64>,
}

/// A random story.
#[must_use]
pub fn random(seed: u64, trace: bool) -> Report {
    let mut rng = crate::rng::Rng::new(seed ^ 0xA5A5);
    let calm = rng.chance(100);
    let setup = Setup {
        trace,
        driver_faults: if calm { 0 } else { u32::try_from(rng.below(9)).unwrap_or(0) },
        driver_rate: u32::try_from(rng.between(20, 300)).unwrap_or(0),
        store_faults: if calm { 0 } else { u32::try_from(rng.below(4)).unwrap_or(0) },
        store_rate: u32::try_from(rng.between(5, 60)).unwrap_or(0),
        hostile_sessions: u32::try_from(rng.below(7)).unwrap_or(0),
        moody: rng.chance(600),
        scripted: None,
        slow: rng.chance(150),
        doomed: None,
        groups: rng.chance(500),
        probed: true,
    };
    tell(seed, setup, 12)
}

/// A story with crashes at given appends, one of each session in turn, and nothing else going wrong, except that the
/// `doomed`-th unit always fails.
#[must_use]
pub fn scripted(seed: u64, crashes: Vec<(u64, bool)>, doomed: Option<usize>, trace: bool) -> Report {
    let setup = Setup { trace, scripted: Some(crashes), doomed, ..Setup::default() };
    tell(seed, setup, 4)
}

fn tell(seed: u64, setup: Setup, steps_max: u64) -> Report {
    let hub = Hub::new(seed, setup);
    let (plan, on_failure) = hub.with(|s| {
        let plan = plans::make(s, "a", steps_max);
        let changing =
            plan.units().filter(|(_, u)| u.undo.class == Class::Exact || u.undo.class == Class::Restore);
        s.world.doomed = s.setup.doomed.and_then(|n| changing.map(|(_, u)| u.id.clone()).nth(n));
        let random = *s.rng.pick(&[OnFailure::Unwind, OnFailure::Unwind, OnFailure::Stop, OnFailure::Ask]);
        (plan, if s.setup.scripted.is_some() { OnFailure::Unwind } else { random })
    });
    hub.trace(|| outline(&plan));
    let mut story = Story {
        hub: hub.clone(),
        journal: Arc::new(MemoryStore::default()),
        plan,
        run: None,
        on_failure,
        session: 0,
        runs_named: 0,
        rolled_back: HashSet::new(),
        last: None,
        appends: Vec::new(),
    };
    story.play();
    let entries = story.journal.read(0, usize::MAX).now_or_never().expect("memory is always ready");
    let entries = entries.expect("memory never fails");
    let appends = story.appends;
    hub.with(|s| {
        check::journal(s, &entries);
        Report {
            violation: s.violation.take(),
            counts: std::mem::take(&mut s.counts),
            trace: std::mem::take(&mut s.trace),
            world: s.world.resources.iter().map(|r| r.value).collect(),
            appends,
            ending: s.mirror.runs.values().next().and_then(|run| run.ending),
        }
    })
}

fn outline(plan: &Plan) -> String {
    let step = |step: &windlass_plan::Step| {
        let units: Vec<_> = step.units.iter().map(|u| format!("{} ({:?})", u.id, u.undo.by)).collect();
        let undo = step.undo.as_ref().map(|s| {
            let ids: Vec<_> = s.units.iter().map(|u| u.id.to_string()).collect();
            format!(", script (partial: {}): {}", s.partial, ids.join(" "))
        });
        format!("  {} serial {:?}: {}{}", step.id, step.serial, units.join(" "), undo.unwrap_or_default())
    };
    let steps: Vec<_> = plan.steps.iter().map(step).collect();
    format!("plan:\n{}", steps.join("\n"))
}

impl Story {
    fn play(&mut self) {
        while self.hub.with(|s| s.violation.is_none()) {
            let Some(command) = self.command() else { return };
            self.session += 1;
            if self.session > SESSIONS_MAX || self.hub.now() > TIME_MS_MAX {
                let (session, now) = (self.session, self.hub.now());
                self.hub.fail("bounded", || format!("not over after {session} controllers and {now} ms"));
                return;
            }
            self.act(command);
            self.between();
        }
    }

    /// The durable state of the run that the story is about: the open one, else the newest.
    fn state(&mut self) -> Option<RunState> {
        let state = self.hub.with(|s| {
            let open = s.mirror.runs.values().find(|run| run.ending.is_none());
            open.or_else(|| s.mirror.runs.values().next_back()).cloned()
        })?;
        self.run = Some(state.id.clone());
        Some(state)
    }

    /// What somebody types next; `None`: the story is over.
    fn command(&mut self) -> Option<Command> {
        self.hub.with(|s| s.world.by_hand.clear());
        let Some(state) = self.state() else { return Some(self.start("a")) };
        let run = state.id.clone();
        if let Some(ending) = state.ending {
            let wanted = match ending {
                Ending::Done => 350,
                Ending::Abandoned => 200,
                Ending::Undone => 20,
            };
            let scripted = self.hub.with(|s| s.setup.scripted.is_some());
            let back = !scripted && self.hub.with(|s| s.rng.chance(wanted));
            if back && self.rolled_back.insert(run.clone()) {
                self.hub.count("rollback of an ended run");
                return Some(Command::Rollback(run));
            }
            self.hub.with(|s| s.count("story over"));
            return None;
        }
        if let Some(edit) = self.edit(&state) {
            return Some(edit);
        }
        if state.person.is_some() {
            return Some(self.decide(&state));
        }
        match self.last.take() {
            Some(Stop::Gate(unit)) if self.hub.with(|s| s.rng.chance(700)) => {
                self.say(format!("confirm {unit}"));
                return Some(Command::Confirm(run, unit));
            }
            Some(Stop::NotBefore { at_ms, .. }) => self.hub.with(|s| {
                s.count("waited for after=");
                let now = controller::wall_ms(s.now);
                s.now += u64::try_from(at_ms - now).unwrap_or(0);
            }),
            _ => {}
        }
        let mood = self.hub.with(|s| if s.setup.moody { s.rng.below(1000) } else { 999 });
        Some(match mood {
            0..60 if self.rolled_back.len() < 3 => Command::Rollback(run),
            60..66 => {
                self.say("Abandon ".to_owned());
                Command::Decide(run, Verb::Abandon, None)
            }
            _ => Command::Resume(run),
        })
    }

    /// Now and then somebody edits what has not begun, more often when it waits for a person.
    fn edit(&mut self, state: &RunState) -> Option<Command> {
        let scripted = self.hub.with(|s| s.setup.scripted.is_some());
        if scripted || state.direction != Direction::Forward {
            return None;
        }
        let rate = if state.person.is_some() { 250 } else { 60 };
        let plan = self.hub.with(|s| {
            let number = self.session;
            (s.setup.moody && s.rng.chance(rate)).then(|| edit::make(s, state, number))
        })?;
        self.hub.trace(|| format!("a person edits: {}", outline(&plan)));
        self.say(format!("edit {}", plan.digest()));
        Some(Command::Edit(state.id.clone(), state.digest.clone(), Box::new(plan)))
    }

    fn say(&self, word: String) {
        self.hub.with(|s| s.world.words.insert(word));
    }

    fn start(&mut self, prefix: &str) -> Command {
        self.runs_named += 1;
        let run = RunId(format!("run{:03}{prefix}", self.runs_named));
        Command::Start(Box::new(self.plan.clone()), run, self.on_failure)
    }

    fn decide(&mut self, state: &RunState) -> Command {
        if self.hub.with(|s| s.rng.chance(200)) {
            return Command::Resume(state.id.clone());
        }
        // The person waits for what still runs before they look.
        self.hub.with(|s| {
            let flying = s.world.ops.iter().filter(|op| op.phase == Phase::Flying);
            s.now = flying.map(|op| op.lands_at).max().unwrap_or(0).max(s.now);
            s.advance_world();
        });
        let (verb, unit) = self.hub.with(|s| person::decide(s, state));
        let name = unit.as_ref().map_or_else(String::new, ToString::to_string);
        self.hub.trace(|| format!("a person decides: {verb:?} {name}"));
        self.say(format!("{verb:?} {name}"));
        Command::Decide(state.id.clone(), verb, unit)
    }

    /// Runs a command in a controller, perhaps with a rival beside it.
    fn act(&mut self, command: Command) {
        let hostile = self.hub.with(|s| self.session <= s.setup.hostile_sessions);
        let mut executor = Executor::new(self.hub.clone());
        let mut outcomes: Vec<(Outcome, Arc<Proc>)> = Vec::new();
        // A decision is about what the person saw: nobody else changes that meanwhile.
        let decision = matches!(command, Command::Decide(..));
        let rival = hostile
            && !decision
            && self.hub.with(|s| {
                let rate = if s.setup.slow { 700 } else { 300 };
                s.rng.chance(rate)
            });
        let commands = if rival { vec![command.clone(), self.rival(&command)] } else { vec![command] };
        for (at, command) in commands.into_iter().enumerate() {
            let proc = self.proc(hostile);
            let (faults, delay) = self.hub.with(|s| {
                let late = at > 0 && s.rng.chance(600);
                let delay = if late { s.rng.between(1, 3 * TTL_MS) } else { 0 };
                (if hostile { fault(s, &self.plan) } else { Vec::new() }, delay)
            });
            self.hub.trace(|| format!("{} begins: {}", proc.name, name(&command)));
            let outcome = Outcome::default();
            outcomes.push((outcome.clone(), proc.clone()));
            let work = task(&self.hub, &proc, &self.journal, (command, Faults::new(faults)), outcome);
            let hub = self.hub.clone();
            let delayed = Box::pin(async move {
                hub.sleep(delay).await;
                work.await;
            });
            executor.spawn(proc, delayed);
        }
        executor.run();
        self.appends.push(outcomes[0].1.with(|p| p.appends));
        self.last = None;
        for (outcome, _) in outcomes {
            let result = outcome.lock().expect("nobody panics with an outcome").take();
            let Some(result) = result else { continue };
            self.hub.with(|s| {
                s.count(stop_name(&result));
                check::outcome(s, &result);
            });
            if let Ok(stop) = result {
                self.last = Some(stop);
            }
        }
    }

    fn rival(&mut self, command: &Command) -> Command {
        self.hub.count("rival controller");
        match (command, &self.run) {
            (Command::Start(..), _) | (_, None) => {
                let prefix = format!("b{}x", self.runs_named);
                self.runs_named += 1;
                let plan = self.hub.with(|s| plans::make(s, &prefix, 3));
                let run = RunId(format!("run{:03}b", self.runs_named));
                Command::Start(Box::new(plan), run, OnFailure::Unwind)
            }
            (_, Some(run)) => Command::Resume(run.clone()),
        }
    }

    /// A controller process with the misfortunes that wait for it.
    fn proc(&self, hostile: bool) -> Arc<Proc> {
        let session = self.session;
        self.hub.with(|s| {
            let id = u32::try_from(s.procs.len()).unwrap_or(0) + 1;
            // In a slow world the question is who keeps the lease: on two machines, mostly undisturbed.
            let slow = s.setup.slow;
            let boot = if slow { ["m0", "m1"][s.procs.len() % 2] } else { *s.rng.pick(&["m0", "m0", "m1"]) };
            let hostile = hostile && !(slow && s.rng.chance(700));
            let proc = Proc::on(&format!("controller {id} on {boot}"), id, boot);
            s.procs.push(proc.clone());
            let scripted = s.setup.scripted.clone();
            proc.with(|p| match scripted {
                Some(crashes) => p.crash_append = crashes.get(session as usize - 1).copied(),
                None if hostile => misfortune(s, p),
                None => {}
            });
            proc
        })
    }

    /// What is checked while no controller runs.
    fn between(&mut self) {
        self.hub.with(|s| {
            s.advance_world();
            let runs = std::mem::take(&mut s.mirror.runs);
            let landed = !s.world.ops.iter().any(|op| op.phase == Phase::Flying);
            if landed && s.rng.chance(500) {
                runs.values().for_each(|run| check::truth(s, run));
            }
            runs.values().filter(|run| run.ending.is_some()).for_each(|run| check::ended(s, run));
            s.mirror.runs = runs;
        });
    }
}

fn misfortune(s: &mut State, p: &mut crate::hub::ProcState) {
    if s.rng.chance(100) {
        s.count("wall clock jumped");
        p.wall_offset = i64::try_from(s.rng.below(172_800_000)).unwrap_or(0) - 86_400_000;
    }
    match s.rng.below(10) {
        0..3 => p.crash_poll = Some(s.rng.between(1, 150)),
        3..6 => p.crash_append = Some((s.rng.between(1, 14), s.rng.chance(500))),
        6..8 => p.pause = Some((s.rng.between(1, 120), s.rng.between(TTL_MS, 4 * TTL_MS))),
        8 => p.stop_append = Some(s.rng.between(1, 10)),
        _ => {}
    }
}

fn fault(s: &mut State, plan: &Plan) -> Vec<Fault> {
    if !s.rng.chance(150) {
        return Vec::new();
    }
    let units: Vec<UnitId> = plan.units().map(|(_, unit)| unit.id.clone()).collect();
    let kind = *s.rng.pick(&[FaultKind::CrashBefore, FaultKind::CrashAfter]);
    let way = *s.rng.pick(&[Way::Forward, Way::Undo]);
    s.count("crash fault asked for by name");
    vec![Fault { kind, way, unit: s.rng.pick(&units).clone() }]
}

fn name(command: &Command) -> String {
    match command {
        Command::Start(_, run, on_failure) => format!("start {run}, on failure {on_failure:?}"),
        Command::Edit(run, from, plan) => {
            format!("edit {run}: {} to {}", from.short(), plan.digest().short())
        }
        other => format!("{other:?}"),
    }
}

fn stop_name(result: &Result<Stop, windlass_engine::EngineError>) -> &'static str {
    use windlass_engine::EngineError as E;
    match result {
        Ok(Stop::Ended(_)) => "stop: ended",
        Ok(Stop::Person { .. }) => "stop: needs a person",
        Ok(Stop::Gate(_)) => "stop: gate",
        Ok(Stop::NotBefore { .. }) => "stop: not before",
        Ok(Stop::Interrupted) => "stop: interrupted",
        Err(E::Held(_)) => "refused: held",
        Err(E::Replanned(_)) => "refused: edit",
        Err(E::OpenRun(_)) => "refused: open run",
        Err(E::NotNewest { .. }) => "refused: not newest",
        Err(E::Over { .. }) => "refused: over",
        Err(E::Decision { .. }) => "refused: decision",
        Err(E::Store(_)) => "error: journal",
        Err(_) => "error: other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_tells_the_same_story_again() {
        for seed in [3, 70, 561] {
            let (first, second) = (random(seed, true), random(seed, true));
            assert_eq!(first.trace, second.trace, "seed {seed}");
            assert_eq!(first.world, second.world, "seed {seed}");
            assert!(first.trace.len() > 10);
        }
    }

    #[test]
    fn every_property_holds_in_the_first_stories_and_they_meet_what_is_rare() {
        let mut counts = BTreeMap::new();
        for seed in 0..150 {
            let report = random(seed, false);
            assert_eq!(report.violation, None, "replay with --seed {seed}");
            report.counts.into_iter().for_each(|(what, n)| *counts.entry(what).or_insert(0) += n);
        }
        for what in [
            "crash at an await",
            "lease taken over",
            "unit unknown",
            "unwind",
            "person needed",
            "ended undone",
            "tail edited",
            "unit edited away",
            "edit of what has begun",
        ] {
            assert!(counts.get(what).is_some_and(|n| *n > 0), "no {what}: {counts:?}");
        }
    }
}
