//! What `plan` shows of a statement before anything runs: server, sizes, who is in the way, the undo as SQL, and whether the
//! server would take it.

use super::session::Session;
use super::statement::{Job, WRITES, calls, draws};
use super::tables::{self, ours};
use super::{
    Road, accounts, algorithm, batch, data, database, definitions, exchange, locks, prepared, road, shadow,
};
use crate::{disk::one_line, sql::secrets};
use std::collections::{BTreeMap, BTreeSet};
use windlass_driver::{Context, Failure, Fault, Survey};
use windlass_plan::{Action, UndoBy, Unit, UnitId};
use windlass_sql::mysql::identifiers;
use windlass_sql::{Algorithm, Change, Ddl, Dialect, Product, Server, predict};

/// What MariaDB before 11.4 does, which knows no `WITHOUT VALIDATION`.
const VALIDATED: &str = "at the undo the server looks at each row that comes back to a partition, while writers of the table wait";

/// Looks; changes nothing but a shadow database of its own, which it takes away.
pub(super) async fn survey(cx: &Context, unit: &Unit) -> Result<Survey, Failure> {
    let mut survey = Survey::default();
    survey.problems.extend(secrets::missing(cx, unit, Dialect::Mysql));
    let text = match prepared::ask(cx, unit, None).await {
        Ok(text) => text,
        Err(failure) => {
            unasked(cx, unit, &mut survey, failure);
            return Ok(survey);
        }
    };
    if let Some(text) = &text {
        survey.effects.push(format!(
            "as the database is now, it runs `{}`; it is asked again before it runs",
            one_line(text, 200)
        ));
    }
    let job = Job::of(cx, unit, text.as_deref())?;
    looked(&job, &mut survey).await;
    Ok(survey)
}

/// What it would run could not be asked: where statements come before it that may have to be there first, that is no problem yet.
fn unasked(cx: &Context, unit: &Unit, survey: &mut Survey, failure: Failure) {
    let target = super::session::target(unit);
    let changes =
        |unit: &Unit| matches!(&unit.action, Action::Sql { target: of, session: false, .. } if of == target);
    if failure.fault == Fault::Transport || !cx.plan.before(&unit.id).any(|(_, unit)| changes(unit)) {
        return problem(survey, failure);
    }
    survey.effects.push(format!("what it runs is not known before it runs: {}", failure.message));
}

/// What is said of a statement whose text is known.
async fn looked(job: &Job<'_>, survey: &mut Survey) {
    let mut session = match job.open_plain().await {
        Ok(session) => session,
        Err(failure) => {
            problem(survey, failure);
            return;
        }
    };
    survey.effects.push(format!("{}: {}", session.address.shown, session.server.text));
    let road = road(job);
    if road != Road::Query {
        sizes(job, &mut session, survey).await;
        let waits = locks::long(&mut session).await;
        survey.effects.extend(waits.into_iter().map(|line| format!("may be in the way: {line}")));
    }
    if road == Road::Query
        && let Some(failure) = draws(job, &session.server)
    {
        problem(survey, failure);
    } else if road == Road::Query && calls(job) {
        survey.problems.extend(writers(job, &mut session).await);
    }
    let validates = exchange::validates(&session.server);
    session.close().await;
    let texts = texts_before(job).await;
    let earlier = earlier(job, &texts);
    match road {
        Road::Definitions => {
            let undo = job.unit.undo.by == UndoBy::Driver;
            match shadow::prove(job, undo, &earlier).await {
                Ok(way) if undo => {
                    survey
                        .effects
                        .extend(definitions::shown(&way).into_iter().map(|sql| format!("undo: {sql}")));
                    survey.effects.extend(
                        way.asides.iter().map(|(name, what)| format!("{what} is set aside as `{name}`")),
                    );
                    survey.effects.extend(way.narrow.as_ref().and_then(super::narrow::Narrow::shown));
                    survey.effects.extend(counter(job.statement));
                    if way.exchange.is_some() && validates {
                        survey.effects.push(VALIDATED.to_owned());
                    }
                }
                Ok(_) => {}
                Err(failure) => problem(survey, failure),
            }
        }
        Road::Data => {
            match batch::survey(job).await {
                Ok(lines) => survey.effects.extend(lines),
                Err(failure) => problem(survey, failure),
            }
            // Of a function that is called there is no shadow.
            if !calls(job)
                && let Err(failure) = shadow::check(job, &earlier).await
            {
                problem(survey, failure);
            }
        }
        Road::Accounts => accounts::survey(job, survey).await,
        Road::Database => database::survey(job, survey).await,
        Road::Server => {
            if let Some(failure) = data::no_shadow(job) {
                problem(survey, failure);
            }
        }
        Road::Query => {}
    }
}

/// Functions that a query calls and that write: it would fail where it runs, for nothing can be written there.
async fn writers(job: &Job<'_>, session: &mut Session) -> Vec<String> {
    // The column compares capitals on MySQL.
    const WRITE: &str = "SQL_DATA_ACCESS = 'MODIFIES SQL DATA' OR LOWER(CONVERT(ROUTINE_DEFINITION USING utf8mb4)) REGEXP \
                         '(insert|replace)[[:space:]]+(ignore[[:space:]]+)?into|delete[[:space:]]+from|update[[:space:]]+[^;]+[[:space:]]set[[:space:]]'";
    let mut found = vec![];
    for name in windlass_sql::unknown_calls(job.statement, Dialect::Mysql) {
        let literal = |text: &str| windlass_sql::literal(text, Dialect::Mysql).unwrap_or_default();
        let schema = match name.parts.as_slice() {
            [.., schema, _] => literal(schema),
            _ => "DATABASE()".to_owned(),
        };
        let sql = format!(
            "SELECT ROUTINE_NAME FROM information_schema.ROUTINES WHERE ROUTINE_TYPE = 'FUNCTION' AND ROUTINE_SCHEMA = {schema} AND \
             ROUTINE_NAME = {} AND ({WRITE})",
            literal(name.base())
        );
        if let Ok(Some(function)) = session.value(&sql).await {
            found.push(format!("{}: `{}`: `{function}()` writes; {WRITES}", job.place(), job.short()));
        }
    }
    found
}

/// The next number of a table is no part of its definition: it goes with the rows, and others draw from it.
fn counter(statement: &str) -> Option<String> {
    let is_sequence = windlass_sql::keywords(statement, Dialect::Mysql, 2) == ["ALTER", "SEQUENCE"];
    if is_sequence && statement.to_ascii_uppercase().contains("RESTART") {
        return Some("RESTART is not put back: the next number stays".to_owned());
    }
    let Some(Ddl::AlterTable(alter)) = windlass_sql::ddl(statement, Dialect::Mysql) else { return None };
    let sets = |change: &Change| matches!(change, Change::Option((name, _)) if name.eq_ignore_ascii_case("AUTO_INCREMENT"));
    alter.changes.iter().any(sets).then(|| "AUTO_INCREMENT is not put back: the next number stays".to_owned())
}

fn problem(survey: &mut Survey, failure: Failure) {
    survey.problems.push(failure.message);
    survey.problems.extend(failure.hints);
}

/// What the statements before it would run whose text the session computes: those that share a name with it.
async fn texts_before<'a>(job: &Job<'a>) -> BTreeMap<&'a UnitId, String> {
    let words = names(job.statement);
    let mut texts = BTreeMap::new();
    for (_, unit) in job.cx.plan.before(&job.unit.id) {
        let Action::Sql { target, statement, .. } = &unit.action else { continue };
        let written = statement.to_lowercase();
        if target == super::session::target(job.unit)
            && words.iter().any(|word| written.contains(word))
            && let Ok(Some(text)) = prepared::ask(job.cx, unit, None).await
        {
            texts.insert(&unit.id, text);
        }
    }
    texts
}

/// Statements on definitions that come before it and that it has to do with: those that share a name with it, and so on.
fn earlier<'a>(job: &Job<'a>, texts: &'a BTreeMap<&UnitId, String>) -> Vec<Job<'a>> {
    let plan = &job.cx.plan;
    let target = super::session::target(job.unit);
    let before = plan.before(&job.unit.id).map(|(_, unit)| unit);
    let mut jobs: Vec<Job<'_>> = before
        .filter(|unit| matches!(&unit.action, Action::Sql { target: of, session: false, .. } if of == target))
        .filter_map(|unit| Job::of(job.cx, unit, texts.get(&unit.id).map(String::as_str)).ok())
        .filter(|job| road(job) == Road::Definitions)
        .collect();
    let mut words = names(job.statement);
    let mut chosen = vec![];
    while let Some(other) = jobs.pop() {
        let object = other.summary.object.iter().map(|name| name.base().to_lowercase());
        let about: BTreeSet<String> = object.chain(quoted(other.statement)).collect();
        if !about.is_disjoint(&words) {
            words.extend(names(other.statement));
            chosen.push(other);
        }
    }
    chosen.reverse();
    chosen
}

fn names(statement: &str) -> BTreeSet<String> {
    identifiers(statement).iter().map(|word| word.to_lowercase()).collect()
}

/// The new names of tables.
fn quoted(statement: &str) -> Vec<String> {
    let renamed = |name: &windlass_sql::ObjectName| name.base().to_lowercase();
    match windlass_sql::ddl(statement, Dialect::Mysql) {
        Some(windlass_sql::Ddl::RenameTable(pairs)) => {
            pairs.iter().flat_map(|(from, to)| [renamed(from), renamed(to)]).collect()
        }
        Some(windlass_sql::Ddl::AlterTable(alter)) => {
            let to = alter.changes.iter().filter_map(|change| match change {
                windlass_sql::Change::RenameTable(to) => Some(renamed(to)),
                _ => None,
            });
            to.collect()
        }
        _ => vec![],
    }
}

/// Rows and bytes of the tables that it names; a large one that has to be copied is a problem.
async fn sizes(job: &Job<'_>, session: &mut Session, survey: &mut Survey) {
    let words = names(job.statement);
    let Ok(tables) = tables::names(session).await else { return };
    let ddl = windlass_sql::ddl(job.statement, Dialect::Mysql);
    let product = if session.server.mariadb { Product::Mariadb } else { Product::Mysql };
    let server = Server { product, version: version(&session.server.text) };
    let copies = ddl
        .as_ref()
        .and_then(|ddl| predict(ddl, server, None))
        .is_some_and(|way| way.algorithm == Algorithm::Copy);
    for table in tables.iter().filter(|table| words.contains(&table.to_lowercase()) && !ours(table)) {
        let sql = format!(
            "SELECT COALESCE(table_rows, 0) FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = {}",
            super::ledger::text(table)
        );
        let (Ok(rows), Ok(bytes)) = (session.value(&sql).await, algorithm::bytes(session, table).await)
        else {
            return;
        };
        let (rows, size) = (rows.unwrap_or_default(), crate::disk::human_bytes(bytes));
        survey.effects.push(format!("table {table}: about {rows} rows, {size}"));
        if copies && bytes > algorithm::COPY_BYTES_MAX {
            survey.problems.push(format!(
                "table {table} ({size}) can only be changed by a copy, while which writers wait: {}",
                algorithm::instead(session, job.statement).await
            ));
        }
    }
}

/// `10.11.19-MariaDB-…`
pub(super) fn version(text: &str) -> (u16, u16, u16) {
    let mut numbers = text.split(['.', '-']).map_while(|part| part.parse().ok());
    let mut next = || numbers.next().unwrap_or(0);
    (next(), next(), next())
}
