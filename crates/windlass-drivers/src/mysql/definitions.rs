//! Statements on definitions. These servers commit them by themselves, so the way back is known, and proven, before:
//! see `shadow`. What became of a try is read from the catalog: it stands as before, as after, or in between.

use super::algorithm;
use super::catalog::{self, State};
use super::ledger::text;
use super::session::{Session, Trouble};
use super::shadow::{self, Way};
use super::statement::{Job, pause, with_blockers};
use crate::disk::one_line;
use serde_json::json;
use std::time::Duration;
use windlass_driver::{Capsule, Done, Effect, Failure, Fault, Found};
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
fn comment(job: &Job<'_>) -> String {
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
            "was changed by somebody since its undo was prepared",
        ));
    };
    let whole = way.states.len() - 1;
    // A statement without an effect on the catalog is run; it says by itself that there is nothing to do.
    if at == whole && way.states[0] != way.states[whole] {
        let effects = vec!["applied before, by the catalog".to_owned()];
        return Ok(Done { changed: false, effects, ..Done::default() });
    }
    let mut effects = vec![];
    for (done, step) in way.forward.iter().enumerate().skip(at) {
        let result = if way.own {
            one(job, session, step, &mut effects, true).await
        } else {
            one(job, session, step, &mut effects, false).await
        };
        session = result.map_err(|failure| in_between(failure, done))?;
    }
    let state = now(job, &mut session, &way)
        .await
        .map_err(|failure| Failure { effect: Effect::Partial, ..failure })?;
    session.close().await;
    if state != way.states[whole] {
        let mut failure = moved(job, &way.states[whole], &state, "is not what the proof showed");
        failure.effect = Effect::Partial;
        return Err(failure);
    }
    for (name, what) in &way.asides {
        effects.push(format!("{what} is set aside as `{name}`, until `windlass prune`"));
    }
    Ok(Done { changed: way.states[0] != way.states[whole], effects, ..Done::default() })
}

/// A failure behind statements that are done changes what is known.
fn in_between(failure: Failure, done: usize) -> Failure {
    if done > 0 && failure.effect == Effect::None {
        Failure { effect: Effect::Partial, ..failure }
    } else {
        failure
    }
}

/// One statement, again while it finds locks of others. Gives the connection back, or a new one.
async fn one(
    job: &Job<'_>,
    mut session: Session,
    step: &Step,
    effects: &mut Vec<String>,
    user: bool,
) -> Result<Session, Failure> {
    let mut tries = 0;
    loop {
        tries += 1;
        let ran = if user {
            algorithm::run(job, &mut session, &step.sql, &comment(job), effects).await
        } else {
            ours(&mut session, step, &comment(job)).await
        };
        let trouble = match ran {
            Ok(()) => return Ok(session),
            Err(trouble) => trouble,
        };
        if let Trouble::Lost(_) = trouble {
            let text = format!("{}: `{}`: {}", job.place(), job.short(), trouble.text());
            return Err(Failure::unknown(Fault::Transport, text).retryable());
        }
        let mut failure = job.refused(&trouble);
        if !user {
            failure.message = format!("{} (running `{}`)", failure.message, one_line(&step.sql, 160));
        }
        if !matches!(trouble.code(), 1205 | 1213) {
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
fn moved(job: &Job<'_>, wanted: &State, found: &State, what: &str) -> Failure {
    let differs = wanted.iter().filter(|(key, print)| found.get(*key) != Some(print));
    let names: Vec<&str> = differs.clone().map(|(key, _)| key.as_str()).collect();
    let mut failure = Failure::clean(
        Fault::Target,
        format!("{}: `{}`: {} {what}; nothing was changed", job.place(), job.short(), names.join(", ")),
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
        // It stopped on its way there: go there, and back from there.
        for step in &way.forward[at..] {
            session = one(job, session, step, &mut effects, false).await?;
        }
        state = now(job, &mut session, &way).await?;
    }
    let Some(at) = way.back_states.iter().position(|known| *known == state) else {
        let wanted = way.back_states.first().unwrap_or(&way.states[0]);
        let mut failure = moved(job, wanted, &state, "was changed since, and is left as it is");
        let sql: Vec<&str> = way.back.iter().map(|step| step.sql.as_str()).collect();
        failure = failure.hint(format!("what would undo it: {}", sql.join("; ")));
        return Err(failure);
    };
    // Where before and after are the same there is nothing to do.
    let nothing = way.back_states.last() == Some(&state);
    for (done, step) in way.back.iter().enumerate().skip(if nothing { way.back.len() } else { at }) {
        let step = spared(job, &mut session, step, &mut effects).await?;
        session = one(job, session, &step, &mut effects, false)
            .await
            .map_err(|failure| in_between(failure, done - at))?;
    }
    session.close().await;
    if !nothing {
        effects.extend(way.back.iter().map(|step| one_line(&step.sql, 200)));
    }
    Ok(Done { changed: !nothing, effects, ..Done::default() })
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
    let bare = bare.strip_prefix("_windlass_aside_").unwrap_or(&bare);
    let kept: String = format!("_windlass_aside_{}_kept_{bare}", &token[..8]).chars().take(64).collect();
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
    session.close().await;
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
        Direction::Undo if way.states.first() == Some(&state) => settled("undone, by the catalog"),
        // Further tries go on from there.
        Direction::Undo if back.is_some() || forward.is_some() => Found::NotApplied,
        _ => {
            let failure = moved(job, &way.states[0], &state, "stands neither as before nor as after");
            Found::Unknown([vec![failure.message], failure.hints].concat().join("\n"))
        }
    })
}

/// Waits while a statement of this unit still runs on the server.
async fn running(job: &Job<'_>, session: &mut Session) -> Result<(), Failure> {
    const WAITS: u32 = 1200;
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
        tokio::time::sleep(Duration::from_millis(500)).await;
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
