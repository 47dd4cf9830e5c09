//! Statements on definitions. These servers commit them by themselves, so the way back is known, and proven, before:
//! see `shadow`. What became of a try is read from the catalog: it stands as before, as after, or in between.

use super::algorithm;
use super::catalog::{self, State};
use super::convert::LAX;
use super::cover::Refusal;
use super::exchange::{self, Exchange};
use super::kept::is_tied;
use super::ledger::{self, text};
use super::narrow::{self, LookBack, Narrow};
use super::orphans;
use super::session::{Session, Trouble};
use super::shadow::{self, Way};
use super::statement::{Job, Work, pause, retrying, with_blockers};
use crate::disk::one_line;
use serde_json::json;
use std::time::Duration;
use windlass_driver::{Capsule, Done, Effect, Failure, Fault, Found, OnConflict};
use windlass_plan::{UndoBy, Way as Direction};
use windlass_sql::mysql::Step;
use windlass_sql::{Dialect, quote};

/// Tries of a statement that finds a lock held.
const TRIES: u32 = 6;

/// Collects and proves the way back.
pub(super) async fn capture(job: &Job<'_>) -> Result<Capsule, Failure> {
    let undo = job.unit.undo.by == UndoBy::Driver;
    let way = shadow::prove(job, undo, &[]).await?;
    Ok(Capsule(json!({ "definitions": way })))
}

fn way_of(job: &Job<'_>, capsule: &Capsule) -> Result<Way, Failure> {
    let value = capsule.0.get("definitions").cloned().unwrap_or_default();
    let wrong = |error: serde_json::Error| {
        Failure::clean(Fault::Windlass, format!("{}: its capsule cannot be read: {error}", job.place()))
    };
    serde_json::from_value(value).map_err(wrong)
}

/// Before each statement, so that it can be found among those that run.
pub(super) fn comment(job: &Job<'_>) -> String {
    let plain = |text: &str| text.replace("*/", "* /");
    format!("/* windlass {} {} */ ", plain(&job.cx.run), plain(&job.unit.id.0))
}

async fn now(job: &Job<'_>, session: &mut Session, way: &Way) -> Result<State, Failure> {
    catalog::prints(session, &way.keys).await.map_err(|trouble| job.clean(&trouble, "reading the catalog"))
}

/// Runs the statement, or what stands for it, from where it was left.
pub(super) async fn apply(job: &Job<'_>, capsule: &Capsule) -> Result<Done, Failure> {
    let way = way_of(job, capsule)?;
    let mut session = job.open().await?;
    session.stoppable(job.cx);
    let state = now(job, &mut session, &way).await?;
    let Some(at) = way.states.iter().position(|known| *known == state) else {
        return Err(moved(
            job,
            &way.states[0],
            &state,
            "was changed by somebody since its undo was prepared; nothing was changed",
        ));
    };
    let whole = way.states.len() - 1;
    // A statement without an effect on the catalog is run; it says by itself that there is nothing to do.
    if at == whole && way.states[0] != way.states[whole] {
        let effects = vec!["applied before, by the catalog".to_owned()];
        return Ok(Done { changed: false, effects, ..Done::default() });
    }
    let mut effects = vec![];
    if !way.asides.is_empty() {
        list(job, &mut session, &way).await.map_err(|trouble| job.clean(&trouble, "writing the ledger"))?;
    }
    let narrow = way.narrow.as_ref().filter(|narrow| narrow.is_forward());
    if let Some(narrow) = narrow {
        session = kept(job, one(job, session, &Act::Keep(narrow), &mut effects).await, narrow).await?;
    }
    for (done, step) in way.forward.iter().enumerate().skip(at) {
        // Values convert as in the user's session, and what the server refuses there stays refused.
        let is_users = way.own || narrow.is_some();
        let Some(act) = there(&way, done, if is_users { Act::User(step) } else { Act::Ours(step) }) else {
            continue;
        };
        let mut result = one(job, session, &act, &mut effects).await;
        if let Some(narrow) = narrow {
            result = kept(job, result, narrow).await;
        }
        session = result.map_err(|failure| in_between(failure, done))?;
    }
    if let Some(narrow) = narrow {
        settle(job, &mut session, narrow, &mut effects).await?;
    }
    let state = now(job, &mut session, &way)
        .await
        .map_err(|failure| Failure { effect: Effect::Partial, ..failure })?;
    job.close(session).await;
    if state != way.states[whole] {
        let mut failure =
            moved(job, &way.states[whole], &state, "is not what the proof showed; it is as found");
        failure.effect = Effect::Partial;
        return Err(failure);
    }
    for (name, what) in &way.asides {
        effects.push(format!("{what} is set aside as `{name}`, until `windlass prune`"));
    }
    Ok(Done { changed: way.states[0] != way.states[whole], effects, ..Done::default() })
}

/// What is done at a place in the way there: `act`, or all that rows of partitions need; `None`: it is a part of that.
fn there<'w>(way: &'w Way, at: usize, act: Act<'w>) -> Option<Act<'w>> {
    match &way.exchange {
        Some(exchange) if at == exchange.there.start => Some(Act::There(exchange)),
        Some(exchange) if exchange.there.contains(&at) => None,
        _ => Some(act),
    }
}

/// What is kept of a try that had no effect goes with it.
async fn kept(job: &Job<'_>, result: Result<Session, Failure>, narrow: &Narrow) -> Result<Session, Failure> {
    if result.as_ref().is_err_and(|failure| failure.effect == Effect::None)
        && let Ok(mut session) = job.open_plain().await
    {
        // What stays behind is taken away by the next try, or by `windlass prune`.
        let _ = narrow::forget(job, &mut session, narrow).await;
        job.close(session).await;
    }
    result
}

/// The statement is done: what it made of the values that are kept.
async fn settle(
    job: &Job<'_>,
    session: &mut Session,
    narrow: &Narrow,
    effects: &mut Vec<String>,
) -> Result<(), Failure> {
    let rows = narrow::settle(job, session, narrow).await.map_err(|trouble| Failure {
        effect: Effect::Unknown,
        ..job.clean(&trouble, "reading what became of the values that are kept")
    })?;
    if rows > 0 {
        let table = &narrow.image.table;
        effects.push(format!(
            "{rows} rows of {table} lost something of a value: kept in `{}`",
            narrow.image.name
        ));
    }
    Ok(())
}

/// Lists what is about to be set aside. A line whose thing is not there yet is passed over by `windlass prune`.
async fn list(job: &Job<'_>, session: &mut Session, way: &Way) -> Result<(), Trouble> {
    ledger::create(session).await?;
    ledger::forget(session, job.key(), "dropped").await?;
    for (stored, what) in &way.asides {
        let (kind, name) = what.split_once(' ').unwrap_or(("table", what));
        let name = name.strip_prefix("of table ").unwrap_or(name);
        let kept = ledger::Kept { kind, name, stored, why: "dropped" };
        ledger::note(session, job.key(), &kept).await?;
    }
    Ok(())
}

/// A failure behind statements that are done changes what is known.
fn in_between(failure: Failure, done: usize) -> Failure {
    if done > 0 && failure.effect == Effect::None {
        Failure { effect: Effect::Partial, ..failure }
    } else {
        failure
    }
}

/// What is done on a connection, again while it finds locks of others.
pub(super) enum Act<'a> {
    /// The user's statement.
    User(&'a Step),
    /// One of ours.
    Ours(&'a Step),
    /// One of ours; values that do not fit were looked for before, and the table is locked.
    Lax(&'a Step),
    /// Rows of partitions go where they are kept.
    There(&'a Exchange),
    /// They come back.
    Back(&'a Exchange),
    /// They come back from a try that did not come to its end.
    GiveBack(&'a Exchange),
    /// Locks a table and keeps values.
    Keep(&'a Narrow),
    /// Puts the session where the statement was; locks the table and looks for values that were written since.
    LookBack(&'a Narrow, LookBack),
}

impl Act<'_> {
    async fn run(
        &self,
        job: &Job<'_>,
        session: &mut Session,
        effects: &mut Vec<String>,
    ) -> Result<(), Refusal> {
        match self {
            Self::User(step) => algorithm::run(job, session, &step.sql, &comment(job), effects).await?,
            Self::Ours(step) if exchange::drops(&step.sql).is_some() => {
                session.run(catalog::SETTINGS).await?;
                exchange::drop_empty(session, &step.sql, &comment(job)).await?;
            }
            Self::Ours(step) => ours(session, step, &comment(job)).await?,
            Self::There(exchange) => exchange.there(job, session).await?,
            Self::Back(exchange) => exchange.back(job, session, effects).await?,
            Self::GiveBack(exchange) => exchange.give_back(job, session, effects).await?,
            Self::Lax(step) => {
                // What refers to its rows was held to that before, and is as long as it stands.
                session.run(&format!("SET sql_mode = '{LAX}', foreign_key_checks = 0")).await?;
                session.run(&format!("{}{}", comment(job), step.sql)).await?;
            }
            Self::Keep(narrow) => narrow::keep(job, session, narrow).await?,
            Self::LookBack(narrow, how) => {
                let lost = narrow::look_back(session, narrow, *how).await?;
                if lost > 0 {
                    effects.push(format!("{lost} rows written since lost something of a value, as forced"));
                }
            }
        }
        Ok(())
    }

    /// The failure, for a person; what is looked at and kept is no effect.
    fn failure(&self, job: &Job<'_>, refusal: &Refusal) -> Failure {
        match (self, refusal) {
            (Self::Back(exchange) | Self::GiveBack(exchange), Refusal::Why(why)) => {
                exchange.partly(super::put_back::refused(job, why))
            }
            (Self::LookBack(..) | Self::Ours(_), Refusal::Why(why)) => super::put_back::refused(job, why),
            (_, Refusal::Why(why)) => super::data::no_undo(job, why),
            (Self::Keep(_) | Self::LookBack(..), Refusal::Trouble(trouble)) => {
                job.clean(trouble, "keeping the values that it changes, with the table locked")
            }
            (_, Refusal::Trouble(trouble @ Trouble::Lost(_))) => {
                let text = format!("{}: `{}`: {}", job.place(), job.short(), trouble.text());
                Failure::unknown(Fault::Transport, text).retryable()
            }
            (Self::User(_), Refusal::Trouble(trouble)) => job.refused(trouble),
            (
                Self::There(exchange) | Self::Back(exchange) | Self::GiveBack(exchange),
                Refusal::Trouble(trouble),
            ) => exchange.failure(job.refused(trouble), trouble.code(), matches!(self, Self::There(_))),
            (Self::Ours(step) | Self::Lax(step), Refusal::Trouble(trouble)) => {
                let mut failure = job.refused(trouble);
                failure.message = format!("{} (running `{}`)", failure.message, one_line(&step.sql, 160));
                failure
            }
        }
    }
}

/// Does it. Gives the connection back.
pub(super) async fn one(
    job: &Job<'_>,
    mut session: Session,
    act: &Act<'_>,
    effects: &mut Vec<String>,
) -> Result<Session, Failure> {
    let mut tries = 0;
    loop {
        tries += 1;
        let refusal = match act.run(job, &mut session, effects).await {
            Ok(()) => return Ok(session),
            Err(refusal) => refusal,
        };
        let mut failure = act.failure(job, &refusal);
        if let (Act::Ours(step), Refusal::Trouble(trouble)) = (act, &refusal)
            && is_tied(trouble)
        {
            let rows = orphans::of(&mut session, &step.sql).await;
            failure = rows.into_iter().fold(failure, Failure::hint);
        }
        let is_locked = matches!(&refusal, Refusal::Trouble(trouble) if trouble.is_locked());
        if !is_locked {
            return Err(failure);
        }
        let blockers = super::locks::blockers(&mut session).await;
        if tries >= TRIES || job.cx.stopping.asked() {
            return Err(with_blockers(failure, &blockers));
        }
        let names = blockers.join("; ");
        (job.cx.output)(&job.cx.secrets.mask(&format!("locked by another session, trying again: {names}\n")));
        tokio::time::sleep(pause(job, tries)).await;
    }
}

/// A statement of our own. Column that were set aside may lack values in rows written since.
async fn ours(session: &mut Session, step: &Step, comment: &str) -> Result<(), Trouble> {
    session.run(catalog::SETTINGS).await?;
    // A foreign key that comes back is checked; a table that comes or goes is not held up by others.
    let checks = i32::from(step.sql.contains("FOREIGN KEY"));
    session.run(&format!("SET foreign_key_checks = {checks}")).await?;
    let result = catalog::run(session, step, comment).await;
    let hidden = step.sql.contains("`_windlass_aside_");
    match result {
        // Rows written since have NULL where the column takes none: they get what the server gives without a default.
        Err(trouble) if hidden && matches!(trouble.code(), 1138 | 1265 | 1048 | 1846) => {
            session.run("SET sql_mode = 'NO_AUTO_VALUE_ON_ZERO'").await?;
            session.run(&format!("{comment}{}", step.sql)).await.map(drop)
        }
        other => other,
    }
}

/// The catalog stands where it should not.
pub(super) fn moved(job: &Job<'_>, wanted: &State, found: &State, what: &str) -> Failure {
    let differs = wanted.iter().filter(|(key, print)| found.get(*key) != Some(print));
    let names: Vec<&str> = differs.clone().map(|(key, _)| key.as_str()).collect();
    let mut failure = Failure::clean(
        Fault::Target,
        format!("{}: `{}`: {} {what}", job.place(), job.short(), names.join(", ")),
    );
    for (key, print) in differs {
        let none = || "nothing".to_owned();
        let wanted = print.as_deref().map_or_else(none, |text| text.to_owned());
        let now = found.get(key).cloned().flatten().unwrap_or_else(none);
        let line = wanted.lines().zip(now.lines()).find(|(a, b)| a != b);
        let (wanted, now) = line.unwrap_or((&wanted, &now));
        failure = failure.hint(format!(
            "{key}: expected `{}`, found `{}`",
            one_line(wanted, 160),
            one_line(now, 160)
        ));
    }
    failure
}

/// Takes it back, from where it stands.
pub(super) async fn undo(job: &Job<'_>, capsule: &Capsule) -> Result<Done, Failure> {
    let way = way_of(job, capsule)?;
    let mut session = job.open_plain().await?;
    let mut state = now(job, &mut session, &way).await?;
    let mut effects = vec![];
    if !way.back_states.contains(&state)
        && let Some(at) = way.states.iter().position(|known| *known == state)
    {
        session = there_first(job, session, &way, at, &mut effects).await?;
        state = now(job, &mut session, &way).await?;
    }
    let Some(at) = way.back_states.iter().position(|known| *known == state) else {
        let wanted = way.back_states.first().unwrap_or(&way.states[0]);
        let mut failure =
            moved(job, wanted, &state, "was changed since, and is left as it is; nothing was changed");
        let sql: Vec<&str> = way.back.iter().map(|step| step.sql.as_str()).collect();
        failure = failure.hint(format!("what would undo it: {}", sql.join("; ")));
        return Err(failure);
    };
    // Where before and after are the same there is nothing to do.
    let nothing = way.back_states.last() == Some(&state);
    let at = if nothing { way.back.len() } else { at };
    let last = way.back.len().saturating_sub(way.keys_back);
    let converting = last.saturating_sub(way.defaults_back);
    let open = still_kept(job, &mut session, way.narrow.as_ref()).await?;
    let converts = at < converting && way.narrow.as_ref().is_some_and(Narrow::is_back);
    if let Some(narrow) = way.narrow.as_ref().filter(|_| converts || open.is_some()) {
        let force = job.cx.on_conflict == OnConflict::Force;
        let look = LookBack { converts, is_kept: open.is_some(), force };
        session = one(job, session, &Act::LookBack(narrow, look), &mut effects).await?;
    }
    for (done, step) in way.back.iter().enumerate().take(last).skip(at) {
        let step = spared(job, &mut session, step, &mut effects)
            .await
            .map_err(|failure| in_between(failure, done - at))?;
        let act = match &way.exchange {
            Some(exchange) if done == exchange.back.start => Act::Back(exchange),
            Some(exchange) if exchange.back.contains(&done) => continue,
            _ if converts && done < converting => Act::Lax(&step),
            _ => Act::Ours(&step),
        };
        session =
            one(job, session, &act, &mut effects).await.map_err(|failure| in_between(failure, done - at))?;
    }
    if converts {
        // A connection that broke has given the lock up by itself.
        let _ = narrow::unlock(&mut session).await;
    }
    let mut done = Done { changed: !nothing, ..Done::default() };
    if let Some(narrow) = open {
        let cover = narrow.cover();
        done = retrying(job, Work::PutBack(&cover)).await.map_err(|failure| in_between(failure, 1))?;
        effects.append(&mut done.effects);
    }
    for step in way.back.iter().skip(last.max(at)) {
        session = one(job, session, &Act::Ours(step), &mut effects).await.map_err(|failure| {
            // Whether it still runs is asked first.
            if failure.effect == Effect::Unknown {
                return failure;
            }
            let text =
                failure.message.replace("rolled back, nothing was changed", "all else of it is undone");
            let failure = Failure { effect: Effect::Partial, message: text, ..failure };
            failure.hint("give those rows what they refer to, or take them away; then `windlass rollback`")
        })?;
    }
    arrived(job, &mut session, &way).await?;
    job.close(session).await;
    if !nothing {
        effects.extend(way.back.iter().map(|step| one_line(&step.sql, 200)));
    }
    Ok(Done { effects, ..done })
}

/// It stopped on its way there: goes there, so that it can go back from there. Where partitions still stand as before their rows come
/// back at once: what is in the way there would be in the way each time.
async fn there_first(
    job: &Job<'_>,
    mut session: Session,
    way: &Way,
    at: usize,
    effects: &mut Vec<String>,
) -> Result<Session, Failure> {
    if let Some(exchange) = way.exchange.as_ref().filter(|exchange| at <= exchange.there.start) {
        session = one(job, session, &Act::GiveBack(exchange), effects).await?;
        let nothing = exchange.took_nothing(&mut session).await;
        if nothing.map_err(|trouble| job.clean(&trouble, "looking for rows that it took"))? {
            return Ok(session);
        }
    }
    for (done, step) in way.forward.iter().enumerate().skip(at) {
        if let Some(act) = there(way, done, Act::Ours(step)) {
            session =
                one(job, session, &act, effects).await.map_err(|failure| in_between(failure, done - at))?;
        }
    }
    Ok(session)
}

/// Everything stands as it did before; an error where it does not.
async fn arrived(job: &Job<'_>, session: &mut Session, way: &Way) -> Result<(), Failure> {
    let state = now(job, session, way).await.map_err(|failure| in_between(failure, 1))?;
    if state != way.states[0] {
        let failure = moved(job, &way.states[0], &state, "is not what it was before, now that it is undone");
        return Err(Failure { effect: Effect::Partial, ..failure });
    }
    if !way.asides.is_empty() {
        // A line that stays behind is passed over by `windlass prune`, for its thing is gone.
        let _ = ledger::forget(session, job.key(), "dropped").await;
    }
    Ok(())
}

/// Values that are kept and have to be put back; an error where they are gone.
async fn still_kept<'w>(
    job: &Job<'_>,
    session: &mut Session,
    narrow: Option<&'w Narrow>,
) -> Result<Option<&'w Narrow>, Failure> {
    let Some(narrow) = narrow.filter(|narrow| narrow.is_forward()) else { return Ok(None) };
    let reading = |trouble: Trouble| job.clean(&trouble, "reading the ledger");
    if !narrow::is_open(job, session).await.map_err(reading)? {
        return Ok(None);
    }
    match ledger::exists(session, &narrow.image.name).await.map_err(reading)? {
        true => Ok(Some(narrow)),
        false => Err(super::put_back::pruned(job, &narrow.image.table)),
    }
}

/// A table that was made and has rows by now is set aside, not dropped.
async fn spared(
    job: &Job<'_>,
    session: &mut Session,
    step: &Step,
    effects: &mut Vec<String>,
) -> Result<Step, Failure> {
    let Some(name) = step.sql.strip_prefix("DROP TABLE ") else { return Ok(step.clone()) };
    let sql = format!("SELECT EXISTS (SELECT 1 FROM {name})");
    let rows = session.value(&sql).await.map_err(|trouble| job.clean(&trouble, "looking for rows"))?;
    if rows.as_deref() != Some("1") {
        return Ok(step.clone());
    }
    let token = super::cover::token(&job.cx.run, &job.unit.id.0);
    let bare: String = name.trim_matches('`').chars().filter(|c| *c != '`').collect();
    let bare = bare.strip_prefix("_windlass_aside_").unwrap_or(&bare).to_owned();
    let kept: String = format!("_windlass_aside_{}_kept_{bare}", &token[..8]).chars().take(64).collect();
    let listing = async {
        ledger::create(session).await?;
        let line = ledger::Kept { kind: "table", name: &bare, stored: &kept, why: "undone" };
        ledger::note(session, job.key(), &line).await
    };
    listing.await.map_err(|trouble| job.clean(&trouble, "writing the ledger"))?;
    effects.push(format!(
        "{name} has rows that were written since: it is kept as `{kept}`, until `windlass prune`"
    ));
    Ok(Step::plain(format!("RENAME TABLE {name} TO {}", quote(&kept, Dialect::Mysql))))
}

/// What became of a try whose end nobody saw.
pub(super) async fn inspect(
    job: &Job<'_>,
    capsule: &Capsule,
    direction: Direction,
) -> Result<Found, Failure> {
    let way = way_of(job, capsule)?;
    let mut session = job.open_plain().await?;
    running(job, &mut session).await?;
    let state = now(job, &mut session, &way).await?;
    let kept = still_kept(job, &mut session, way.narrow.as_ref()).await;
    if let (Direction::Forward, Ok(Some(narrow))) = (direction, &kept)
        && way.states.first() == Some(&state)
    {
        let _ = narrow::forget(job, &mut session, narrow).await;
    }
    job.close(session).await;
    // Where they are gone the undo says so.
    let is_open = !matches!(kept, Ok(None));
    let settled = |effect: &str| {
        Found::Applied(Done { changed: true, effects: vec![effect.to_owned()], ..Done::default() })
    };
    let place = |states: &[State]| states.iter().position(|known| *known == state);
    let (forward, back) = (place(&way.states), place(&way.back_states));
    Ok(match direction {
        Direction::Forward if way.states.last() == Some(&state) => settled("applied, by the catalog"),
        Direction::Forward if forward == Some(0) => Found::NotApplied,
        Direction::Forward if forward.is_some() => Found::Failed(Failure::partial(
            Fault::Target,
            format!("{}: `{}` stopped on its way", job.place(), job.short()),
        )),
        Direction::Undo if way.states.first() == Some(&state) && !is_open => {
            settled("undone, by the catalog")
        }
        // Further tries go on from there.
        Direction::Undo if back.is_some() || forward.is_some() => Found::NotApplied,
        _ => {
            let failure = moved(job, &way.states[0], &state, "stands neither as before nor as after");
            Found::Unknown(failure.whole("\n"))
        }
    })
}

/// Waits while a statement of this unit still runs on the server.
pub(super) async fn running(job: &Job<'_>, session: &mut Session) -> Result<(), Failure> {
    const WAITS: u32 = 1200;
    const LONGEST: Duration = Duration::from_millis(500);
    let mark = comment(job);
    let sql = format!(
        "SELECT id, time FROM information_schema.processlist WHERE id <> CONNECTION_ID() AND LEFT(info, {}) = {}",
        mark.trim_end().chars().count(),
        text(mark.trim_end())
    );
    for wait in 0..WAITS {
        let found = session
            .run(&sql)
            .await
            .map_err(|trouble| job.clean(&trouble, "looking whether it still runs"))?;
        let Some(row) = found.rows.first() else { return Ok(()) };
        if wait % 20 == 0 {
            let id = row.first().cloned().flatten().unwrap_or_default();
            (job.cx.output)(&format!("it still runs on the server, in connection {id}; waiting\n"));
        }
        tokio::time::sleep(LONGEST.min(Duration::from_millis(10 << wait.min(6)))).await;
    }
    Err(Failure::unknown(Fault::Target, format!("{}: it still runs on the server", job.place()))
        .hint("see `SHOW PROCESSLIST`; wait for it or `KILL` it, then `windlass resume`"))
}

/// The way back as SQL, for people.
pub(super) fn shown(way: &Way) -> Vec<String> {
    way.back.iter().map(|step| one_line(&step.sql, 300)).collect()
}

/// Whether a thing of this kind can be proven in a shadow.
pub(super) fn provable(what: &str) -> bool {
    ["TABLE", "INDEX", "VIEW", "TRIGGER", "PROCEDURE", "FUNCTION", "EVENT", "SEQUENCE"].contains(&what)
}
