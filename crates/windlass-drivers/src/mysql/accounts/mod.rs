//! Statements on accounts: users, roles, privileges, passwords.
//!
//! They belong to the server, so no shadow database holds them, and a shadow of an account would be a door that is open for
//! a moment. So the undo is not proven before: the accounts concerned are read before the statement and behind it, and what
//! leads from the one to the other is their difference, which is made until they stand as before (`windlass_sql::mysql`).
//! What became of a try is read there too: they stand as before, or as a statement of its kind leaves them.

mod kept;
mod look;
mod rights;

use super::catalog::State;
use super::cover::Refusal;
use super::data;
use super::definitions::{Act, comment, moved, one, running};
use super::session::{Session, Trouble};
use super::statement::Job;
use crate::disk::one_line;
use kept::Kept;
use serde_json::json;
use windlass_driver::{Capsule, Done, Effect, Failure, Fault, Found, Survey};
use windlass_plan::{UndoBy, Way};
use windlass_sql::Kind;
use windlass_sql::mysql::{
    About, AccountStatement, AccountStep, AccountVerb, Accounts, Step, account_statement, account_steps,
    fits, foresee, is_between,
};

/// How often the difference is made until nothing differs any more.
const PASSES: u32 = 5;

/// Whether it is a statement on accounts.
pub(super) fn is(job: &Job<'_>) -> bool {
    match &job.summary.kind {
        Kind::Privileges => true,
        Kind::CreateOther(what) | Kind::AlterOther(what) | Kind::DropOther(what) => {
            matches!(what.as_str(), "USER" | "ROLE")
        }
        _ => false,
    }
}

/// What is known before it runs.
struct Before {
    about: About<String>,
    me: String,
    accounts: Accounts,
    mariadb: bool,
}

fn read_statement(job: &Job<'_>, session: &Session) -> Result<AccountStatement, Failure> {
    let found = account_statement(job.statement, &session.address.database);
    found.ok_or_else(|| data::no_undo(job, "which accounts it changes cannot be read for sure"))
}

/// Looks, and refuses what could not be undone.
async fn prepare(job: &Job<'_>) -> Result<Before, Failure> {
    let mut session = look::reader(job).await?;
    let statement = read_statement(job, &session)?;
    let mariadb = session.server.mariadb;
    let reading = async {
        let me = look::me(&mut session).await?;
        let about = look::resolve(&mut session, &statement, &me).await?;
        let accounts = look::picture(&mut session, &about, &me, &Accounts::new()).await?;
        Ok(Before { about, me, accounts, mariadb })
    };
    let before = match reading.await {
        Ok(before) => before,
        Err(refusal) => return Err(unread(job, &session, &refusal)),
    };
    let Before { about, me, accounts, .. } = &before;
    let checked = rights::check(&mut session, about, me, accounts, job.summary.or_replace).await;
    checked.map_err(|refusal| unread(job, &session, &refusal))?;
    job.close(session).await;
    Ok(before)
}

/// Why accounts are not read; the right that is missing is named.
fn unread(job: &Job<'_>, session: &Session, refusal: &Refusal) -> Failure {
    let trouble = match refusal {
        Refusal::Why(why) => return data::no_undo(job, why),
        Refusal::Trouble(trouble) => trouble,
    };
    if !matches!(trouble.code(), 1044 | 1045 | 1142 | 1143 | 1227) {
        return job.clean(trouble, "reading the accounts");
    }
    let user = session.address.shown.split('@').next().unwrap_or_default();
    data::no_undo(job, &format!("the accounts cannot be read: {}", trouble.text())).hint(format!(
        "what they were is read before and behind it: GRANT SELECT ON `mysql`.* TO '{user}'@'…'"
    ))
}

/// Reads the accounts concerned, and keeps them.
pub(super) async fn capture(job: &Job<'_>) -> Result<Capsule, Failure> {
    let before = match prepare(job).await {
        // Whoever undoes it by himself needs no look at them.
        Err(failure) if job.unit.undo.by != UndoBy::Driver && failure.fault == Fault::Document => {
            return Ok(Capsule::default());
        }
        other => other?,
    };
    let names = (before.about.targets, before.about.others, before.me);
    let kept = Kept::new(before.accounts, names).map_err(|error| {
        Failure::clean(Fault::Target, format!("{}: /dev/urandom: {error}; nothing was changed", job.place()))
    })?;
    kept.write(job)?;
    Ok(Capsule(json!({ "accounts": { "before": kept.prints(&kept.before) } })))
}

fn before_of(job: &Job<'_>, capsule: &Capsule) -> Result<Option<State>, Failure> {
    let Some(value) = capsule.0.get("accounts").and_then(|accounts| accounts.get("before")) else {
        return Ok(None);
    };
    let wrong = |error: serde_json::Error| {
        Failure::clean(Fault::Windlass, format!("{}: its capsule cannot be read: {error}", job.place()))
    };
    serde_json::from_value(value.clone()).map(Some).map_err(wrong)
}

/// A unit whose accounts are kept.
struct Work {
    kept: Kept,
    about: About<String>,
    session: Session,
}

impl Work {
    async fn begin(job: &Job<'_>, before: &State) -> Result<Self, Failure> {
        let kept = Kept::read(job, before)?;
        let session = look::reader(job).await?;
        let statement = read_statement(job, &session)?;
        // The names of then: a name without a host may mean another account by now.
        let (targets, others) = (kept.targets.clone(), kept.others.clone());
        let about = About { verb: statement.verb, targets, others, grant: statement.grant };
        Ok(Self { kept, about, session })
    }

    /// The accounts as they are now.
    async fn now(&mut self, job: &Job<'_>) -> Result<Accounts, Failure> {
        let found = look::picture(&mut self.session, &self.about, &self.kept.me, &self.kept.before).await;
        found.map_err(|refusal| unread(job, &self.session, &refusal))
    }

    /// Somebody else changed them.
    fn moved(&self, job: &Job<'_>, wanted: &Accounts, now: &Accounts, what: &str) -> Failure {
        let mut prints = self.kept.prints(wanted);
        let now = self.kept.prints(now);
        for key in now.keys() {
            // It came to have a role that comes or goes here.
            prints.entry(key.clone()).or_insert_with(|| Some("not concerned".to_owned()));
        }
        moved(job, &prints, &now, what)
    }

    /// Statements that lead from `now` to what was before.
    fn steps(&self, now: &Accounts) -> Vec<AccountStep> {
        let renames = renames_back(&self.about, &self.kept.before, now);
        if renames.is_empty() {
            account_steps(now, &self.kept.before, self.session.server.mariadb)
        } else {
            renames
        }
    }
}

/// A renamed account goes back to its name, with all that nobody can write down: since when it has its password, which it had before.
fn renames_back(about: &About<String>, before: &Accounts, now: &Accounts) -> Vec<AccountStep> {
    if about.verb != AccountVerb::Rename {
        return vec![];
    }
    let is = |accounts: &Accounts, key: &String| accounts.get(key).is_some_and(Option::is_some);
    let pairs = about.targets.iter().zip(&about.others).rev();
    let pairs = pairs.filter(|(from, to)| is(before, from) && is(now, to) && !is(now, from));
    let sql = pairs.map(|(from, to)| format!("RENAME USER {to} TO {from}"));
    sql.map(|sql| AccountStep { shown: sql.clone(), sql }).collect()
}

/// Runs the statement.
pub(super) async fn apply(job: &Job<'_>, capsule: &Capsule) -> Result<Done, Failure> {
    let Some(before) = before_of(job, capsule)? else { return data::apply(job, capsule).await };
    let mut work = Work::begin(job, &before).await?;
    let now = work.now(job).await?;
    if now != work.kept.before {
        if work.kept.after.as_ref() == Some(&now) {
            let effects = vec!["applied before, by the accounts".to_owned()];
            return Ok(Done { changed: false, effects, ..Done::default() });
        }
        let what = "was changed by somebody since its undo was prepared";
        return Err(work.moved(job, &work.kept.before, &now, what));
    }
    let mut session = job.open().await?;
    session.stoppable(job.cx);
    let step = Step::plain(job.resolved(&mut session).await?.into_owned());
    let mut effects = vec![];
    match one(job, session, &Act::User(&step), &mut effects).await {
        Ok(session) => job.close(session).await,
        Err(failure) if failure.effect == Effect::None => {
            return Err(all_or_nothing(job, work, failure).await);
        }
        Err(failure) => return Err(failure),
    }
    let unknown = |failure: Failure| Failure { effect: Effect::Unknown, ..failure };
    let after = work.now(job).await.map_err(unknown)?;
    if !fits(&work.about, &work.kept.before, &after) {
        let mut failure =
            work.moved(job, &work.kept.before, &after, "was changed by somebody at the same time");
        failure.effect = Effect::Partial;
        return Err(failure);
    }
    let changed = after != work.kept.before;
    work.kept.after = Some(after);
    work.kept.write(job).map_err(unknown)?;
    job.close(work.session).await;
    Ok(Done { changed, effects, ..Done::default() })
}

/// MariaDB changes those accounts of a list that it can, and then says that it failed: what it did is taken back.
async fn all_or_nothing(job: &Job<'_>, mut work: Work, failure: Failure) -> Failure {
    if !work.session.server.mariadb {
        // There it is all or nothing: what differs now is somebody else's.
        job.close(work.session).await;
        return failure;
    }
    let now = match work.now(job).await {
        Ok(now) => now,
        Err(reading) => return Failure { effect: Effect::Unknown, ..failure.hint(reading.message) },
    };
    if now == work.kept.before {
        job.close(work.session).await;
        return failure;
    }
    match restore(job, &mut work).await {
        Ok(_) => failure.hint("some of its accounts were changed already: they are again as they were"),
        Err(second) => {
            let failure = Failure { effect: Effect::Partial, ..failure.hint(second.message) };
            second.hints.into_iter().fold(failure, Failure::hint)
        }
    }
}

/// Takes it back, if the accounts stand as it left them.
pub(super) async fn undo(job: &Job<'_>, capsule: &Capsule) -> Result<Done, Failure> {
    let Some(before) = before_of(job, capsule)? else { return data::undo(job, capsule).await };
    let mut work = Work::begin(job, &before).await?;
    let now = work.now(job).await?;
    if now == work.kept.before {
        job.close(work.session).await;
        return Ok(Done::default());
    }
    let Some(after) = work.kept.after.clone() else {
        let what = "is not as it was before, and nothing says that this statement did it";
        return Err(work.moved(job, &work.kept.before, &now, what));
    };
    let is_begun = job.cx.attempt > 1 && is_between(&now, &work.kept.before, &after);
    if now != after && !is_begun {
        let failure = work.moved(job, &after, &now, "was changed since, and is left as it is");
        let steps: Vec<_> = work.steps(&after).into_iter().map(|step| step.shown).collect();
        return Err(failure.hint(format!("what would undo it: {}", one_line(&steps.join("; "), 600))));
    }
    let effects = restore(job, &mut work).await?;
    job.close(work.session).await;
    Ok(Done { changed: true, effects, ..Done::default() })
}

/// Makes what differs as it was, until nothing does.
async fn restore(job: &Job<'_>, work: &mut Work) -> Result<Vec<String>, Failure> {
    let mut effects = vec![];
    for _ in 0..PASSES {
        let now = work.now(job).await.map_err(|failure| in_between(failure, &effects))?;
        if now == work.kept.before {
            return Ok(effects);
        }
        let steps = work.steps(&now);
        if steps.is_empty() {
            break;
        }
        for step in steps {
            let sql = format!("{}{}", comment(job), step.sql);
            if let Err(trouble) = work.session.run(&sql).await {
                return Err(in_between(failed(job, &step, &trouble), &effects));
            }
            effects.push(one_line(&step.shown, 200));
        }
    }
    let now = work.now(job).await.map_err(|failure| in_between(failure, &effects))?;
    if now == work.kept.before {
        return Ok(effects);
    }
    Err(in_between(work.moved(job, &work.kept.before, &now, "does not come back as it was"), &effects))
}

fn in_between(failure: Failure, done: &[String]) -> Failure {
    if failure.effect == Effect::None && !done.is_empty() {
        return Failure { effect: Effect::Partial, ..failure };
    }
    failure
}

/// A statement of ours was refused. The server's words may repeat part of it, which may be a hash.
fn failed(job: &Job<'_>, step: &AccountStep, trouble: &Trouble) -> Failure {
    let text = match trouble {
        Trouble::Server { code, .. } if step.sql != step.shown => format!("the server refuses it ({code})"),
        other => other.text(),
    };
    let shown = one_line(&step.shown, 200);
    let text = format!("{}: `{}`: {text} (running `{shown}`)", job.place(), job.short());
    match trouble {
        Trouble::Lost(_) => Failure::unknown(Fault::Transport, text).retryable(),
        _ => Failure::clean(Fault::Target, text)
            .hint("the account of the target needs CREATE USER, and what it gives back WITH GRANT OPTION"),
    }
}

/// What became of a try whose end nobody saw.
pub(super) async fn inspect(job: &Job<'_>, capsule: &Capsule, way: Way) -> Result<Found, Failure> {
    let Some(before) = before_of(job, capsule)? else { return data::inspect(job, capsule, way).await };
    let mut work = Work::begin(job, &before).await?;
    running(job, &mut work.session).await?;
    let now = work.now(job).await?;
    let settled = |effect: &str| {
        Found::Applied(Done { changed: true, effects: vec![effect.to_owned()], ..Done::default() })
    };
    let is_before = now == work.kept.before;
    let is_after = work.kept.after.as_ref() == Some(&now);
    let found = match way {
        Way::Forward if is_before => Found::NotApplied,
        Way::Forward if is_after => settled("applied, by the accounts"),
        Way::Forward if work.kept.after.is_none() && fits(&work.about, &work.kept.before, &now) => {
            work.kept.after = Some(now);
            work.kept.write(job)?;
            settled("applied, by the accounts")
        }
        Way::Undo if is_before => settled("undone, by the accounts"),
        Way::Undo
            if is_after
                || work
                    .kept
                    .after
                    .as_ref()
                    .is_some_and(|after| is_between(&now, &work.kept.before, after)) =>
        {
            Found::NotApplied
        }
        _ => {
            let what = "stands neither as before nor as after";
            Found::Unknown(work.moved(job, &work.kept.before, &now, what).whole("\n"))
        }
    };
    job.close(work.session).await;
    Ok(found)
}

/// The undo as far as it is known, and why there would be none.
pub(super) async fn survey(job: &Job<'_>, survey: &mut Survey) {
    if job.unit.undo.by != UndoBy::Driver {
        return;
    }
    let before = match prepare(job).await {
        Ok(before) => before,
        Err(failure) => {
            survey.problems.push(failure.message);
            survey.problems.extend(failure.hints);
            return;
        }
    };
    let Before { about, accounts, mariadb, .. } = &before;
    let shown = |steps: Vec<AccountStep>| steps.into_iter().map(|step| one_line(&step.shown, 300)).collect();
    let lines: Vec<String> = match foresee(about, accounts, *mariadb) {
        Some(after) => {
            let renames = renames_back(about, accounts, &after);
            shown(if renames.is_empty() { account_steps(&after, accounts, *mariadb) } else { renames })
        }
        None => {
            let there = about.targets.iter().filter(|key| accounts.get(*key).is_some_and(Option::is_some));
            there
                .map(|key| {
                    format!(
                        "{key} as `SHOW CREATE USER` and `SHOW GRANTS` have it before, a password by its hash"
                    )
                })
                .collect()
        }
    };
    survey.effects.extend(lines.into_iter().map(|line| format!("undo: {line}")));
}
