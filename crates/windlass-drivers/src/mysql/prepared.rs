//! Statements whose text the session computes (`SET @sql = …; PREPARE s FROM @sql; EXECUTE s`). It is asked for before the intent, on a
//! connection that can write nothing, and kept in the capsule: from there on the unit is the statement that the text says. A crash loses
//! nothing, and no later look computes the text anew behind the change.

use super::keep::Keeper;
use super::statement::Job;
use crate::disk::one_line;
use serde_json::{Value, json};
use windlass_driver::{Capsule, Context, Failure, Fault};
use windlass_plan::{Action, Unit};
use windlass_sql::mysql::{Prepared, prepared};
use windlass_sql::{Dialect, Kind};

/// Where the text is kept in a capsule.
const KEPT: &str = "runs";

/// Longest text; these servers take up to 64 MiB in a packet.
const TEXT_BYTES_MAX: usize = 1 << 20;

fn of(unit: &Unit) -> Option<Prepared<'_>> {
    match &unit.action {
        Action::Sql { statement, session: false, .. } => prepared(statement),
        _ => None,
    }
}

/// The text that the unit would run, as the database is now; `None`: it is no such statement.
pub(super) async fn ask(
    cx: &Context,
    unit: &Unit,
    keeper: Option<&Keeper>,
) -> Result<Option<String>, Failure> {
    let Some(prepared) = of(unit) else { return Ok(None) };
    let job = Job::new(cx, unit)?;
    let job = keeper.into_iter().fold(job, Job::with);
    let text = match prepared.literal() {
        Some(text) => text,
        None => computed(&job, &prepared).await?,
    };
    match wrong(&prepared, &text) {
        None => Ok(Some(text)),
        Some(why) => {
            let (place, short, text) = (job.place(), job.short(), one_line(&text, 200));
            let message = format!(
                "{place}: `{short}` was not run: its text is `{text}`, and {why}; nothing was changed"
            );
            Err(Failure::clean(Fault::Document, message).hint("write out the statement that it would run"))
        }
    }
}

async fn computed(job: &Job<'_>, prepared: &Prepared<'_>) -> Result<String, Failure> {
    const DOING: &str = "asking what it would run";
    let mut session = job.open().await?;
    session.stoppable(job.cx);
    // Functions that write fail.
    session.run("START TRANSACTION READ ONLY").await.map_err(|trouble| job.clean(&trouble, DOING))?;
    for statement in &prepared.computing {
        session.run(statement).await.map_err(|trouble| job.clean(&trouble, DOING))?;
    }
    let value = session.value(&format!("SELECT {}", prepared.from)).await;
    let value = value.map_err(|trouble| job.clean(&trouble, DOING))?;
    session.run("ROLLBACK").await.map_err(|trouble| job.clean(&trouble, DOING))?;
    job.close(session).await;
    value.ok_or_else(|| {
        let (place, short, from) = (job.place(), job.short(), prepared.from);
        let text = format!("{place}: `{short}` was not run: `{from}` is NULL; nothing was changed");
        Failure::clean(Fault::Document, text)
            .hint("a part of a CONCAT may be NULL, or a variable was given no value: see what computes it")
    })
}

/// Why a text is not run.
fn wrong(prepared: &Prepared<'_>, text: &str) -> Option<String> {
    if text.len() > TEXT_BYTES_MAX {
        return Some(format!("it is longer than {TEXT_BYTES_MAX} bytes"));
    }
    let (statements, problems) = windlass_sql::split(text, Dialect::Mysql);
    let [only] = statements.as_slice() else { return Some("it is not one statement".to_owned()) };
    if let Some(problem) = problems.first() {
        return Some(problem.message.clone());
    }
    match &only.summary.kind {
        kind if kind.controls_transaction() => {
            return Some("transactions are opened and closed by windlass".to_owned());
        }
        Kind::Session | Kind::Lock => return Some("what it sets ends with its connection".to_owned()),
        _ => {}
    }
    // What computed it is on another connection, and so is what comes behind.
    let around: Vec<_> = prepared.computing.iter().copied().chain([text, "SELECT 1"]).collect();
    let group = 0..prepared.computing.len();
    windlass_sql::carried_beside(&around, Dialect::Mysql, &[group]).map(|carried| carried.why)
}

/// The capsule with the text in it.
pub(super) fn keep(capsule: Capsule, text: Option<&str>) -> Capsule {
    let Some(text) = text else { return capsule };
    let mut all = match capsule.0 {
        Value::Object(all) => all,
        _ => serde_json::Map::new(),
    };
    all.insert(KEPT.to_owned(), json!(text));
    Capsule(Value::Object(all))
}

/// The text that was kept; `None`: the unit is no such statement.
pub(super) fn kept<'a>(unit: &Unit, capsule: &'a Capsule) -> Result<Option<&'a str>, Failure> {
    match (of(unit), capsule.0.get(KEPT).and_then(Value::as_str)) {
        (None, _) => Ok(None),
        (Some(_), Some(text)) => Ok(Some(text)),
        (Some(_), None) => {
            let text = format!("unit {}: its capsule does not hold what it runs", unit.id);
            Err(Failure::clean(Fault::Windlass, text))
        }
    }
}
