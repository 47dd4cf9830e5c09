//! Units of systemd, here and on hosts: `systemctl` gives an order and asks what became of it. systemd does the work, so nothing
//! depends on a connection or a controller that lives.
//!
//! | verb | done when | undo |
//! |---|---|---|
//! | start | it runs and stays | stop, if it did not run before |
//! | stop | it does not run | start, if it ran before and no keep stands in front |
//! | restart | it runs, was started anew, and stays | stop, if a database is taken back before it is started again; else nothing |
//! | | | units that stop with it and ran are started again, too |
//! | reload | its configuration was read without an error | nothing |
//! | enable, disable | it is, or is not, started with the machine | as it was |
//! | daemon-reload | the files of all units were read | nothing |
//! | keep | at once | if it was started or reloaded since: restart or reload, on what is there then |
//!
//! A unit that was started has another `InvocationID` (systemd.exec(5)) than before, also when its process has the same
//! number: this is the proof of a restart, and what `inspect` asks for. Orders may be repeated without harm: one that was given
//! by a controller that died shows in the state of the unit, or is given again.

mod call;
mod state;
#[cfg(test)]
mod tests;

use crate::host::{Hosts, place::Place};
use async_trait::async_trait;
use call::{Call, partial};
use state::State;
use windlass_driver::{Capsule, Context, Done, Driver, Effect, Failure, Fault, Found, Survey};
use windlass_plan::{Action, Class, SystemdVerb as Verb, UndoBy, Unit, Way};

/// Units that stop with one: more are not looked at.
const STOPS_MAX: usize = 32;

/// Driver of units of systemd.
#[derive(Clone, Debug, Default)]
pub struct SystemdDriver {
    hosts: Hosts,
}

impl SystemdDriver {
    /// Over these connections.
    #[must_use]
    pub fn new(hosts: Hosts) -> Self {
        Self { hosts }
    }

    fn call<'a>(&self, cx: &'a Context, unit: &'a Unit) -> Result<Call<'a>, Failure> {
        Call::new(cx, Place::of(&self.hosts, cx, unit), unit)
    }
}

fn done(changed: bool, effect: String) -> Done {
    Done { changed, effects: vec![effect], ..Done::default() }
}

#[async_trait]
impl Driver for SystemdDriver {
    async fn survey(&self, cx: &Context, unit: &Unit) -> Result<Survey, Failure> {
        let call = self.call(cx, unit)?;
        let mut survey = Survey::default();
        if call.name.is_empty() || call.verb == Verb::Keep {
            return Ok(survey);
        }
        let state = call.look().await?;
        survey.effects.push(format!("{}: {}", call.title(), state.words()));
        match state.load.as_str() {
            "loaded" => {}
            "not-found" => survey.problems.push(format!("{} is not there", call.title())),
            "masked" => survey.problems.push(format!("{} is masked: it cannot be started", call.title())),
            other => survey.problems.push(format!("the file of {} is `{other}`", call.title())),
        }
        if is_fixed(&state) && matches!(call.verb, Verb::Enable | Verb::Disable) {
            survey.problems.push(fixed(&call, &state).message);
        }
        if call.verb == Verb::Reload && state.load == "loaded" && !state.can_reload {
            survey.problems.push(format!("{} cannot reload: it has no ExecReload", call.title()));
        }
        let starts = matches!(call.verb, Verb::Start | Verb::Restart);
        if starts && state.is_outdated && !is_before(cx, unit, Verb::DaemonReload) {
            let what = "was changed since systemd read it, and no daemon-reload stands before this";
            survey.effects.push(format!("the file of {} {what}", call.title()));
        }
        Ok(survey)
    }

    async fn capture(&self, cx: &Context, unit: &Unit) -> Result<Capsule, Failure> {
        let call = self.call(cx, unit)?;
        // As it is now, also in the middle of a start: an order replaces what is going on.
        let mut state = if call.name.is_empty() { None } else { Some(call.look().await.map_err(clean)?) };
        if let Some(state) = &mut state {
            let mut up = vec![];
            for name in state.stops.iter().take(STOPS_MAX) {
                if !call.look_at(name).await.map_err(clean)?.is_stopped() {
                    up.push(name.clone());
                }
            }
            state.stops = up;
        }
        Capsule::of(unit, &state)
    }

    async fn apply(&self, cx: &Context, unit: &Unit, capsule: &Capsule) -> Result<Done, Failure> {
        apply(&self.call(cx, unit)?, capsule.read(unit)?).await
    }

    async fn undo(
        &self,
        cx: &Context,
        unit: &Unit,
        capsule: &Capsule,
        _: Option<&Done>,
    ) -> Result<Done, Failure> {
        undo(&self.call(cx, unit)?, unit, capsule.read(unit)?).await
    }

    async fn inspect(&self, cx: &Context, unit: &Unit, capsule: &Capsule, way: Way) -> Found {
        let found = async {
            let (call, before) = (self.call(cx, unit)?, capsule.read(unit)?);
            // Of all units nothing is kept.
            let Some(before) = before else { return Ok(Found::NotApplied) };
            let now = call.at_rest().await?;
            Ok(match way {
                Way::Forward => forward(&call, &before, &now),
                Way::Undo => backward(&call, unit, &before, &now),
            })
        };
        found.await.unwrap_or_else(|failure: Failure| Found::Unknown(failure.message))
    }
}

/// Whether an earlier unit of the plan on the same host has this verb.
fn is_before(cx: &Context, unit: &Unit, wanted: Verb) -> bool {
    cx.plan
        .before(&unit.id)
        .filter(|(_, other)| other.host == unit.host)
        .any(|(_, other)| matches!(other.action, Action::Systemd { verb, .. } if verb == wanted))
}

async fn apply(call: &Call<'_>, before: Option<State>) -> Result<Done, Failure> {
    let title = call.title();
    let Some(before) = before else {
        if call.verb == Verb::Keep {
            return Ok(done(true, format!("{title}: for the way back")));
        }
        call.order(call.verb.word()).await?;
        return Ok(done(true, format!("{title} has read the files of all units")));
    };
    match call.verb {
        Verb::Keep => Ok(done(true, format!("{title}: {}", before.words()))),
        Verb::Start if before.runs() => Ok(done(false, format!("{title} runs already: {}", before.words()))),
        Verb::Stop if before.load == "not-found" && before.is_stopped() => {
            Err(Failure::clean(Fault::Target, format!("{title} is not there")).hint(call.typed("status")))
        }
        Verb::Stop if before.is_stopped() => {
            Ok(done(false, format!("{title} does not run: {}", before.words())))
        }
        Verb::Start | Verb::Restart => start(call, call.verb.word(), &before).await,
        Verb::Stop => stop(call).await,
        Verb::Reload => reload(call).await,
        Verb::Enable | Verb::Disable => enable(call, call.verb, &before).await,
        Verb::DaemonReload => Err(unnamed(call)),
    }
}

/// A plan that was changed by hand.
fn unnamed(call: &Call<'_>) -> Failure {
    Failure::clean(Fault::Document, format!("daemon-reload takes no unit, but {} is named", call.name))
}

async fn start(call: &Call<'_>, verb: &str, before: &State) -> Result<Done, Failure> {
    call.order(verb).await?;
    let now = call.stays().await?;
    if now.invocation == before.invocation && !now.invocation.is_empty() {
        let message = format!("{} runs, but systemd has not started it anew: {}", call.title(), now.words());
        return Err(Failure::partial(Fault::Target, message).hint(call.typed("status")));
    }
    let was = if before.pid == 0 { String::new() } else { format!("; before: process {}", before.pid) };
    Ok(done(true, format!("{} started: {}{was}", call.title(), now.words())))
}

async fn stop(call: &Call<'_>) -> Result<Done, Failure> {
    call.order("stop").await?;
    let now = call.at_rest().await.map_err(partial)?;
    if !now.is_stopped() {
        let message = format!("{} was to stop, but is {}", call.title(), now.words());
        return Err(Failure::partial(Fault::Target, message).hint(call.typed("status")));
    }
    Ok(done(true, format!("{} stopped: {}", call.title(), now.words())))
}

async fn reload(call: &Call<'_>) -> Result<Done, Failure> {
    call.order("reload").await?;
    let now = call.stays().await?;
    if !matches!(now.reload_result.as_str(), "" | "success") {
        let message = format!("{} could not read its configuration: {}", call.title(), now.reload_result);
        return Err(Failure::partial(Fault::Target, message).hint(call.typed("status")));
    }
    Ok(done(true, format!("{} has read its configuration", call.title())))
}

/// Whether a unit is started with the machine, one of the two words that can be given.
fn is_enabled(state: &State) -> Option<bool> {
    match state.enabled.as_str() {
        "enabled" => Some(true),
        "disabled" => Some(false),
        _ => None,
    }
}

/// What `enable` or `disable` would do more to than can be taken back: links by other names and places.
fn is_fixed(state: &State) -> bool {
    is_enabled(state).is_none() && !matches!(state.enabled.as_str(), "static" | "generated" | "transient")
}

fn fixed(call: &Call<'_>, state: &State) -> Failure {
    let is = if state.enabled.is_empty() { "of no known state" } else { &state.enabled };
    let message = format!(
        "{} is `{is}`: what `systemctl {}` does to it cannot be taken back",
        call.title(),
        call.verb.word()
    );
    Failure::clean(Fault::Target, message).hint(call.typed("cat"))
}

/// The order is given in any case: it reads the files of all units again, too.
async fn enable(call: &Call<'_>, verb: Verb, before: &State) -> Result<Done, Failure> {
    if is_fixed(before) {
        return Err(fixed(call, before));
    }
    call.order(verb.word()).await?;
    let now = call.look().await.map_err(partial)?;
    Ok(done(
        now.enabled != before.enabled,
        format!("{}: {} -> {}", call.title(), before.enabled, now.enabled),
    ))
}

async fn undo(call: &Call<'_>, unit: &Unit, before: Option<State>) -> Result<Done, Failure> {
    let title = call.title();
    let Some(before) = before else {
        if call.verb == Verb::Keep {
            call.order("daemon-reload").await?;
            return Ok(done(true, format!("{title} has read the files of all units, as they are again")));
        }
        return Ok(done(false, format!("{title}: last of all")));
    };
    match call.verb {
        Verb::Start if before.is_stopped() => stop(call).await,
        Verb::Stop if !before.is_stopped() && !is_kept(call.cx, unit) => {
            let mut done = start_again(call, "start").await?;
            revive(call, &before, &mut done).await?;
            Ok(done)
        }
        Verb::Restart if a_database_goes_back(call.cx, unit) || before.is_stopped() => stop(call).await,
        Verb::Enable | Verb::Disable => {
            let now = call.look().await?;
            let back = if is_enabled(&before) == Some(true) { Verb::Enable } else { Verb::Disable };
            enable(call, back, &now).await
        }
        Verb::Keep => keep(call, unit, &before).await,
        Verb::Start => Ok(done(false, format!("{title} is as it was"))),
        Verb::Stop | Verb::Restart | Verb::Reload | Verb::DaemonReload => {
            Ok(done(false, format!("{title}: last of all, on what is there then")))
        }
    }
}

/// A start on the way back: starts that came shortly before, also those of the release, do not stand in its way
/// (`StartLimitBurst=`, systemd.unit(5)).
async fn start_again(call: &Call<'_>, verb: &str) -> Result<Done, Failure> {
    let now = call.look().await.map_err(clean)?;
    // One that systemd has forgotten has nothing to be forgiven.
    let _ = call.order("reset-failed").await;
    start(call, verb, &now).await
}

/// Units that ran and were stopped with this one run again.
async fn revive(call: &Call<'_>, before: &State, done: &mut Done) -> Result<(), Failure> {
    for name in &before.stops {
        if call.look_at(name).await.map_err(partial)?.is_stopped() {
            call.order_of("start", name).await.map_err(partial)?;
            done.changed = true;
            let now = call.at_rest_of(name).await.map_err(partial)?;
            done.effects.push(format!("{name}, which was stopped with it, was started: {}", now.words()));
        }
    }
    Ok(())
}

/// The end of a way back: it runs as it did, on what is there now.
async fn keep(call: &Call<'_>, unit: &Unit, before: &State) -> Result<Done, Failure> {
    let now = call.look().await.map_err(clean)?;
    let title = call.title();
    if now.is_outdated {
        // Whoever read the files while they were new is of no use to the old ones.
        call.order_of("daemon-reload", "").await?;
    }
    let mut back = match (before.is_stopped(), now.is_stopped()) {
        (true, true) => done(false, format!("{title} does not run, as before")),
        (true, false) => stop(call).await?,
        (false, _) if now.runs() && now.invocation == before.invocation => {
            if is_behind(call.cx, unit, Verb::Reload) {
                reload(call).await?
            } else {
                done(false, format!("{title} runs on: {}", now.words()))
            }
        }
        (false, _) if before.runs() => start_again(call, "restart").await?,
        (false, _) => {
            // It did not stay up before either, so nobody waits for that.
            call.order("restart").await?;
            done(true, format!("{title} is restarted; before it was {}", before.words()))
        }
    };
    revive(call, before, &mut back).await?;
    Ok(back)
}

/// Whether an earlier unit of the plan keeps this one: then it is started last of all.
fn is_kept(cx: &Context, unit: &Unit) -> bool {
    let mut before = cx.plan.before(&unit.id).filter(|(_, other)| other.host == unit.host);
    before.any(|(_, other)| is_about(other, unit, Verb::Keep))
}

/// Whether a unit of the plan has this verb for the unit of systemd that another one is about.
fn is_about(unit: &Unit, other: &Unit, wanted: Verb) -> bool {
    match (&unit.action, &other.action) {
        (
            Action::Systemd { verb, name, user, .. },
            Action::Systemd { name: other_name, user: other_user, .. },
        ) => *verb == wanted && (name, user) == (other_name, other_user),
        _ => false,
    }
}

/// Whether a later unit of the plan on the same host has this verb for the same unit of systemd.
fn is_behind(cx: &Context, unit: &Unit, wanted: Verb) -> bool {
    let mut behind = cx.plan.behind(&unit.id).filter(|(_, other)| other.host == unit.host);
    behind.any(|(_, other)| is_about(other, unit, wanted))
}

/// Whether something before a restart is taken back behind its undo that what runs now has never been beside: definitions and
/// rows of a database as they were. Files are no reason: what runs has been started from others before, too.
pub(crate) fn a_database_goes_back(cx: &Context, unit: &Unit) -> bool {
    let goes_back = |other: &Unit| other.undo.class != Class::Readonly && other.undo.by != UndoBy::Nobody;
    let mut before = cx.plan.before(&unit.id).filter(|(_, other)| goes_back(other));
    before.any(|(_, other)| match &other.action {
        Action::Sql { .. } => true,
        Action::Shell { database, .. } => database.is_some(),
        _ => false,
    })
}

/// What became of an order forward.
fn forward(call: &Call<'_>, before: &State, now: &State) -> Found {
    let is_new = !now.invocation.is_empty() && now.invocation != before.invocation;
    let applied = |changed| Found::Applied(done(changed, format!("{}: {}", call.title(), now.words())));
    let fell = |what: &str| {
        let message = format!("{} {what}: {}", call.title(), now.words());
        Found::Failed(Failure::partial(Fault::Target, message).hint(call.typed("status")))
    };
    match call.verb {
        Verb::Keep => applied(true),
        Verb::Start if before.runs() => applied(false),
        Verb::Start | Verb::Restart if is_new && (now.runs() || now.is_done()) => applied(true),
        Verb::Start | Verb::Restart if is_new || before.runs() && !now.runs() => {
            fell("was started and does not run")
        }
        Verb::Stop if now.is_stopped() => applied(!before.is_stopped()),
        Verb::Enable if is_enabled(now) == Some(true) => applied(is_enabled(before) != Some(true)),
        Verb::Disable if is_enabled(now) == Some(false) => applied(is_enabled(before) != Some(false)),
        // An order that shows in nothing, or was not given: it is given again.
        _ => Found::NotApplied,
    }
}

/// What became of an order backward.
fn backward(call: &Call<'_>, unit: &Unit, before: &State, now: &State) -> Found {
    let is_back = match call.verb {
        Verb::Start => !before.is_stopped() || now.is_stopped(),
        Verb::Stop => before.is_stopped() || now.runs() || is_kept(call.cx, unit),
        Verb::Restart => now.is_stopped() || !before.is_stopped() && !a_database_goes_back(call.cx, unit),
        Verb::Enable | Verb::Disable => is_enabled(before) == is_enabled(now),
        Verb::Reload | Verb::DaemonReload => true,
        // What it does may be done again.
        Verb::Keep => false,
    };
    if is_back {
        return Found::Applied(done(true, format!("{}: {}", call.title(), now.words())));
    }
    Found::NotApplied
}

/// Nothing was ordered yet.
fn clean(failure: Failure) -> Failure {
    Failure { effect: Effect::None, ..failure }
}
