//! Drives a run and says how it went: what `apply`, `resume`, `rollback`, `confirm` and `decide` share.

use crate::{
    args::{DrivingArgs, OutputArgs},
    exit::{self, Exit, Failure, Wanted},
    holds, journal,
    notices::Notices,
    policy,
    project::{self, Place},
    secrets::SecretStore,
    terminal::{self, Estimate, Progress},
    wiring::{self, Controller},
};
use jiff::tz::TimeZone;
use std::sync::Arc;
use tokio::signal::unix::{Signal, SignalKind, signal};
use windlass_driver::Stopping;
use windlass_engine::{Engine, EngineError, Stop};
use windlass_journal::{Begin, RunId, RunState, SqliteStore, Store, Verb};
use windlass_plan::{Digest, Plan, UnitId};
use windlass_report::{Mark, Stand, StatusJson, Text, ending_text, holds_text, status_json};

/// Earlier runs that the estimate of the remaining time looks at.
const ESTIMATE_RUNS_MAX: usize = 5;

/// Units listed when a fault names none that is there.
const FAULT_UNITS_MAX: usize = 20;

/// What to do with a run.
pub enum Work {
    /// Start it.
    Start(Box<Plan>, Begin),
    /// Go on.
    Resume,
    /// Go on by another plan, in the place of the one with this digest.
    Replan(Digest, Box<Plan>, Begin),
    /// Take it back, because of this.
    Rollback(String),
    /// A gate was confirmed, with these words.
    Confirm(UnitId, String),
    /// A person decided, for this reason.
    Decide(Verb, Option<UnitId>, String),
}

/// A run to be driven.
pub struct Drive<'a> {
    pub place: &'a Place,
    pub store: Arc<SqliteStore>,
    pub secrets: Arc<SecretStore>,
    pub run: RunId,
    pub work: Work,
    pub wanted: Wanted,
    pub driving: &'a DrivingArgs,
    pub output: &'a OutputArgs,
}

impl Drive<'_> {
    /// Drives until the run ends or waits; prints the ending; gives the exit code.
    pub fn go(self) -> Result<Exit, Failure> {
        let Self { place, store, secrets, run, work, wanted, driving, output } = self;
        let runtime = wiring::runtime()?;
        let notices = runtime.block_on(notices_of(place, &store, &secrets, &run, &work));
        let Controller { engine, progress } =
            wiring::controller(place, store.clone(), secrets, driving, notices.clone())?;
        // Of a run that another controller works on nothing is told: this command is about to be refused.
        let is_taken = || runtime.block_on(journal::is_taken(store.as_ref() as &dyn Store));
        let notices = notices.filter(|_| !is_taken());
        if let Some(notices) = &notices {
            notices.before(&work);
        }
        let result = runtime.block_on(async {
            let earlier = journal::newest(store.as_ref() as &dyn Store, ESTIMATE_RUNS_MAX).await?;
            progress.expect(Estimate::from_runs(&earlier));
            let watching = watch_signals(engine.stopping.clone(), progress.clone())?;
            let stop = act(&engine, &run, work).await;
            watching.abort();
            progress.finish();
            let stop = match stop {
                Ok(stop) => stop,
                Err(error) => {
                    let entries = store.read_run(&run).await;
                    return Err(resumable(
                        error.into(),
                        &run,
                        entries.ok().map(|entries| !entries.is_empty()),
                    ));
                }
            };
            let loaded = journal::load(store.as_ref() as &dyn Store, &run).await?;
            Ok((stop, loaded.run))
        });
        // Work that a stopped controller left to its threads must not keep the process: the journal knows of it.
        runtime.shutdown_background();
        let result: Result<(Stop, RunState), Failure> = result;
        let result = result.map(|(stop, state)| (interrupted(stop, &engine), state));
        // Told before it is printed, so that it is on its way meanwhile.
        match (&notices, &result) {
            (Some(notices), Ok((stop, state))) => notices.after(state, stop, &stand_of(stop), wanted),
            (Some(notices), Err(_)) => notices.broke(),
            (None, _) => {}
        }
        let result = result.and_then(|(stop, state)| {
            report(place, &state, &stop, output)?;
            Ok(exit::of_stop(&stop, wanted))
        });
        if let Some(notices) = &notices {
            notices.finish();
        }
        result
    }
}

/// Who is told about the run, if anybody is.
async fn notices_of(
    place: &Place,
    store: &Arc<SqliteStore>,
    secrets: &Arc<SecretStore>,
    run: &RunId,
    work: &Work,
) -> Option<Arc<Notices>> {
    let (plan, env) = match work {
        Work::Start(plan, begin) => {
            (Arc::new(plan.as_ref().clone()), begin.origin.as_ref().and_then(|origin| origin.env.clone()))
        }
        // What is wrong with the journal is said by who goes on with the run.
        _ => {
            let loaded = journal::load(store.as_ref() as &dyn Store, run).await.ok()?.run;
            let env = loaded.origin.as_ref().and_then(|origin| origin.env.clone());
            match work {
                Work::Replan(_, plan, _) => (Arc::new(plan.as_ref().clone()), env),
                _ => (loaded.plan.clone(), env),
            }
        }
    };
    Notices::of(place, secrets, run, plan, env.as_deref())
}

/// What the way back of a run needs and is gone, by unit; nothing is done.
pub fn gone(
    place: &Place,
    store: Arc<SqliteStore>,
    secrets: Arc<SecretStore>,
    driving: &DrivingArgs,
    run: &RunId,
) -> Result<Vec<(UnitId, Vec<String>)>, Failure> {
    let runtime = wiring::runtime()?;
    let Controller { engine, progress } = wiring::controller(place, store, secrets, driving, None)?;
    let gone = runtime.block_on(engine.gone(run));
    progress.finish();
    runtime.shutdown_background();
    Ok(gone?)
}

/// Finds out what became of what a dead controller had begun; nothing else is done.
pub fn settle(
    place: &Place,
    store: Arc<SqliteStore>,
    secrets: Arc<SecretStore>,
    driving: &DrivingArgs,
    run: &RunId,
) -> Result<RunState, Failure> {
    let runtime = wiring::runtime()?;
    let Controller { engine, progress } = wiring::controller(place, store.clone(), secrets, driving, None)?;
    let settled = runtime.block_on(async {
        let watching = watch_signals(engine.stopping.clone(), progress.clone())?;
        let settled = engine.settle(run).await;
        watching.abort();
        progress.finish();
        settled?;
        Ok(journal::load(store.as_ref() as &dyn Store, run).await?.run)
    });
    runtime.shutdown_background();
    settled
}

async fn act(engine: &Engine, run: &RunId, work: Work) -> Result<Stop, EngineError> {
    match work {
        Work::Start(plan, begin) => engine.start(run.clone(), *plan, begin).await,
        Work::Resume => engine.resume(run).await,
        Work::Replan(from, plan, begin) => engine.replan(run, &from, *plan, begin).await,
        Work::Rollback(why) => engine.rollback(run, &why).await,
        Work::Confirm(unit, note) => engine.confirm(run, &unit, &note).await,
        Work::Decide(verb, unit, reason) => engine.decide(run, verb, unit.as_ref(), &reason).await,
    }
}

/// A question that a person answered with Ctrl-C was an interruption, not an answer.
fn interrupted(stop: Stop, engine: &Engine) -> Stop {
    match stop {
        Stop::Gate(_) if engine.stopping.asked() => Stop::Interrupted,
        other => other,
    }
}

/// Errors of the journal in the middle of a run: it can go on when their cause is gone. `known`: whether the run is in
/// the journal; nobody knows when that cannot be read.
fn resumable(failure: Failure, run: &RunId, known: Option<bool>) -> Failure {
    match (failure.exit, known) {
        (Exit::Person, Some(true)) => {
            failure.hint(format!("then `windlass resume {run}`: it looks at what became of each unit first"))
        }
        (Exit::Person, Some(false)) => failure.hint("nothing was started; then `windlass apply` once more"),
        _ => failure,
    }
}

fn report(place: &Place, state: &RunState, stop: &Stop, output: &OutputArgs) -> Result<(), Failure> {
    let stand = stand_of(stop);
    let mut text = Text::new();
    text.line();
    text.append(ending_text(state, &stand, &zone(place)));
    let holding = holds::now(place, state);
    text.append(holds_text(&holding));
    terminal::say(&text);
    if output.json {
        terminal::json(&StatusJson { holding, ..status_json(state, &stand) })?;
    }
    Ok(())
}

fn stand_of(stop: &Stop) -> Stand {
    match stop {
        Stop::Ended(ending) => Stand::Ended(*ending),
        Stop::Person { unit, why } => Stand::Person { unit: unit.clone(), why: why.clone() },
        Stop::Gate(unit) => Stand::Gate(unit.clone()),
        Stop::NotBefore { unit, at_ms } => Stand::NotBefore { unit: unit.clone(), at_ms: *at_ms },
        Stop::Interrupted => Stand::Stopped,
    }
}

/// The team's time zone, else the machine's. A broken configuration must not keep a run from being shown.
pub fn zone(place: &Place) -> TimeZone {
    let settings = project::read_settings(Some(place), None, None).ok();
    settings.map_or_else(TimeZone::system, |settings| policy::zone(&settings.config.policy))
}

/// Ctrl-C, SIGTERM and a closed terminal ask to stop; the third request ends the process where it stands.
fn watch_signals(
    stopping: Stopping,
    progress: Arc<Progress>,
) -> Result<tokio::task::JoinHandle<()>, Failure> {
    let mut signals = Signals::listen()?;
    Ok(tokio::spawn(async move {
        for request in 1_u32.. {
            signals.any().await;
            stopping.stop();
            if request > 2 {
                exit::at_once();
            }
            progress.line(&stop_words(request, &progress.working()));
        }
    }))
}

/// The ways of a person to say stop.
pub struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Signals {
    /// Needs a runtime.
    pub fn listen() -> Result<Self, Failure> {
        let listen = |kind: SignalKind| {
            signal(kind).map_err(|error| Failure::refused(format!("cannot listen to signals: {error}")))
        };
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            hangup: listen(SignalKind::hangup())?,
        })
    }

    /// The next one.
    pub async fn any(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hangup.recv() => {}
        }
    }
}

fn stop_words(request: u32, working: &[UnitId]) -> Text {
    let names = working.iter().map(|unit| unit.0.as_str()).collect::<Vec<_>>().join(", ");
    let mut text = Text::new();
    let words = match (request, working.is_empty()) {
        (1, true) => "stopping".to_owned(),
        (1, false) => format!("stopping as soon as {names} is settled"),
        _ => format!(
            "still waiting for {names}; once more ends at once, and `windlass resume` finds out what became of it"
        ),
    };
    text.wrapped("  ", Mark::Warn, &words);
    text
}

/// A name for a new run: `YYYYMMDD-HHMMSS-xxxx` in UTC.
pub fn new_run(now_ms: i64) -> RunId {
    use std::hash::{BuildHasher as _, RandomState};
    let time = jiff::Timestamp::from_millisecond(now_ms).unwrap_or_default();
    // Two controllers of the same second differ; the lease decides which of them runs.
    let random = RandomState::new().hash_one((now_ms, std::process::id())) & 0xFFFF;
    RunId(format!("{}-{random:04x}", time.strftime("%Y%m%d-%H%M%S")))
}

/// Gates and units that the command line names must exist: a slip of the pen must not start a run.
pub fn check_names(plan: &Plan, driving: &DrivingArgs) -> Result<(), Failure> {
    for id in driving.confirm.iter().filter(|id| *id != "all") {
        let known =
            |(step, unit): (&windlass_plan::Step, &windlass_plan::Unit)| step.id.0 == *id || unit.id.0 == *id;
        if !plan.units().any(known) {
            let gates = plan.units().filter(|(step, unit)| is_gate(unit) || step.after_ms.is_some());
            let gates: Vec<_> = gates.map(|(step, _)| step.id.0.as_str()).collect();
            let gates = if gates.is_empty() { "none".to_owned() } else { gates.join(", ") };
            return Err(Failure::wrong(format!(
                "--confirm {id}: the plan has no such gate; nothing was started"
            ))
            .hint(format!("gates: {gates}")));
        }
    }
    for fault in &driving.fault {
        if plan.unit(&fault.unit).is_none() {
            let scripts =
                plan.steps.iter().flat_map(|step| step.undo.iter().flat_map(|script| &script.units));
            let units = plan.units().map(|(_, unit)| unit).chain(scripts);
            let mut units: Vec<_> = units.map(|unit| unit.id.0.as_str()).collect();
            // What was meant stands first.
            units.sort_by_cached_key(|id| strsim::osa_distance(&fault.unit.0, id));
            units.truncate(FAULT_UNITS_MAX);
            return Err(Failure::wrong(format!(
                "--fault {fault}: the plan has no such unit; nothing was started"
            ))
            .hint(format!("units, the most similar first: {}", units.join(", "))));
        }
    }
    Ok(())
}

/// Whether a person opens it.
pub fn is_gate(unit: &windlass_plan::Unit) -> bool {
    matches!(unit.action, windlass_plan::Action::Gate { .. })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_run_that_is_in_the_journal_can_be_resumed() {
        let run = RunId("20251121-024307-1a2b".into());
        let hints = |known| {
            let full = Failure::from(windlass_journal::StoreError::Full("d".into()));
            resumable(full, &run, known).hints.join("\n")
        };
        assert!(hints(Some(true)).contains("windlass resume 20251121-024307-1a2b"));
        for known in [Some(false), None] {
            assert!(!hints(known).contains("resume"), "{}", hints(known));
        }
        assert!(hints(Some(false)).contains("nothing was started"));
    }

    #[test]
    fn names_of_runs_say_their_second_and_differ() {
        let first = new_run(1_763_692_987_000);
        assert!(first.0.starts_with("20251121-024307-") && first.0.len() == 20, "{first}");
        let names: std::collections::HashSet<_> = (0..8).map(|_| new_run(0)).collect();
        assert!(names.len() > 1);
    }
}
