//! Several statements in one transaction. Each has a savepoint and a ledger row of its own, so it stands or falls by itself
//! as it would alone; those that stand become durable with one commit.

use super::{
    connect::Job,
    fine::Not,
    keep::Keeper,
    ledger,
    statement::{self, Change},
    watch::Watch,
};
use rusqlite::{Connection, Error};
use std::time::{Duration, Instant};
use windlass_driver::{Done, Failure, Work};
use windlass_plan::Action;

/// Others wait to write no longer than this, and for the statement that is at work then.
const TOGETHER_MAX: Duration = Duration::from_millis(100);

type Answer = Option<Result<Done, Failure>>;

/// Applies them, the first ones at least.
pub(super) fn apply(works: &[Work], keeper: &Keeper) -> Vec<Answer> {
    let Some(first) = works.first() else { return vec![] };
    let job = match super::job(&first.cx, &first.unit, keeper) {
        Ok(job) => job,
        Err(failure) => return vec![Some(Err(failure))],
    };
    let alone = matches!(&first.unit.action, Action::Sql { target, .. } if statement::fingerprints_needed(&job, target));
    let answers = if alone { Ok(vec![]) } else { several(&job, works, keeper) };
    match answers {
        Ok(answers) if answers.iter().any(Option::is_some) => answers,
        // The first cannot be a part of a whole.
        Ok(_) => vec![Some(statement::apply(&job))],
        Err(failure) => vec![Some(Err(failure))],
    }
}

fn several(job: &Job, works: &[Work], keeper: &Keeper) -> Result<Vec<Answer>, Failure> {
    let sqlite = |doing: &'static str| move |error: Error| job.failure(&error, doing);
    let mut live = job.write()?;
    live.execute_batch("BEGIN IMMEDIATE").map_err(sqlite("waiting for the write lock"))?;
    ledger::create(&live).map_err(sqlite("creating the ledger"))?;
    let began = Instant::now();
    let (mut answers, mut last) = (vec![], None);
    for work in works {
        if !answers.is_empty() && (began.elapsed() > TOGETHER_MAX || work.cx.stopping.asked()) {
            break;
        }
        let one = super::job(&work.cx, &work.unit, keeper).and_then(|job| {
            job.bound(&mut live).map_err(|error| job.failure(&error, "preparing"))?;
            Ok((statement(&job, &mut live)?, job))
        });
        match one {
            Ok((Some(done), job)) => {
                answers.push(Some(Ok(done)));
                last = Some(job);
            }
            Ok((None, _)) => break,
            Err(failure) => {
                answers.push(Some(Err(failure)));
                break;
            }
        }
    }
    let Some(last) = last else { return Ok(answers) };
    if live.is_autocommit() {
        // The last statement took everything back with it (`OR ROLLBACK`, a full disk).
        answers.iter_mut().filter(|answer| matches!(answer, Some(Ok(_)))).for_each(|answer| *answer = None);
        return Ok(answers);
    }
    if let Err(error) = live.execute_batch("COMMIT") {
        let failure = statement::commit_failure(&last, &live, &error);
        let done = answers.into_iter().filter(|answer| matches!(answer, Some(Ok(_))));
        return Ok(done.map(|_| Some(Err(failure.clone()))).collect());
    }
    last.done_with(live);
    Ok(answers)
}

/// One of them, inside of its savepoint. `None`: it has to be alone.
fn statement(job: &Job, live: &mut Connection) -> Result<Option<Done>, Failure> {
    let sqlite = |error: Error| job.failure(&error, "preparing");
    let Action::Sql { target, statement, rows, .. } = &job.unit.action else { return Ok(None) };
    if ledger::find(live, &job.cx.run, &job.unit.id.0).map_err(sqlite)?.is_some()
        || reads(job, live, statement)?
    {
        return Ok(None);
    }
    live.execute_batch("SAVEPOINT windlass_unit").map_err(sqlite)?;
    let change = Change { target, statement, rows: *rows };
    let (answer, end) = match statement::fine(job, live, &change) {
        Ok(done) => (Ok(Some(done)), "RELEASE windlass_unit"),
        Err(Not::Failed(failure)) => (Err(failure), "ROLLBACK TO windlass_unit; RELEASE windlass_unit"),
        Err(Not::Uncovered(_)) => (Ok(None), "ROLLBACK TO windlass_unit; RELEASE windlass_unit"),
    };
    if !live.is_autocommit()
        && let Err(error) = live.execute_batch(end)
    {
        // What is in its savepoint must not be committed with those before it: all of them are begun anew.
        live.execute_batch("ROLLBACK")
            .map_err(|error| job.failure(&error, "taking back all that went together"))?;
        return Err(job.failure(&error, "ending its savepoint"));
    }
    answer
}

/// Whether it only reads, which needs no transaction.
fn reads(job: &Job, live: &mut Connection, text: &str) -> Result<bool, Failure> {
    let sqlite = |error: Error| job.failure(&error, "preparing");
    let watch = Watch::begin(live).map_err(sqlite)?;
    let prepared = live.prepare(text).map(|prepared| prepared.readonly() && prepared.column_count() > 0);
    let prepared = prepared.map_err(|error| statement::refused(job, text, &error, &watch));
    Watch::end(live).map_err(sqlite)?;
    prepared
}
