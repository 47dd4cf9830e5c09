//! Statements that cannot run inside a transaction. Their ledger row is written before (`begun`) and after; what became of
//! one that was cut off is settled from the catalog. An index that was left INVALID is dropped and built again.

use super::{
    apply::{Again, at, digest, said},
    back::{Step, WayBack},
    job::{Job, Mode},
    ledger::{self, Entry},
    schema,
    session::Trouble,
};
use crate::{disk::one_line, sql::place};
use serde_json::json;
use windlass_driver::{Done, Failure, Fault, Found};
use windlass_plan::{UndoBy, Way};
use windlass_sql::{
    Dialect, Kind, Summary, keywords,
    postgres::{ident, qualified, text},
};

/// Whether the server refuses the statement inside a transaction.
pub(super) fn is(statement: &str, summary: &Summary) -> bool {
    let words = keywords(statement, Dialect::Postgresql, 12);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let concurrently =
        words.contains(&"CONCURRENTLY") || statement.to_ascii_uppercase().contains(" CONCURRENTLY");
    match &summary.kind {
        Kind::CreateIndex | Kind::DropIndex | Kind::AlterTable(_) => concurrently,
        Kind::Vacuum => true,
        Kind::Reindex => {
            concurrently || words.iter().any(|word| ["SCHEMA", "DATABASE", "SYSTEM"].contains(word))
        }
        Kind::CreateOther(what) | Kind::DropOther(what) => {
            ["DATABASE", "TABLESPACE", "SUBSCRIPTION"].contains(&what.as_str())
        }
        Kind::AlterOther(what) => what == "SYSTEM",
        _ => false,
    }
}

/// An index by name, and its table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Index {
    schema: String,
    name: String,
    valid: bool,
    definition: String,
}

impl Index {
    fn quoted(&self) -> String {
        qualified(&self.schema, &self.name)
    }
}

/// The indexes that the statement may be about: those of its table, or the one it names.
async fn indexes(job: &Job) -> Result<Vec<Index>, Again> {
    let summary = job.summary();
    let (name, what) = match (&summary.table, &summary.object) {
        (Some(table), _) => (table, "i.indrelid"),
        (None, Some(index)) => (index, "i.indexrelid"),
        (None, None) => return Ok(vec![]),
    };
    job.begin(Mode::Read, &[]).await.map_err(at("reading the catalog"))?;
    let scope = job.scope().await.map_err(at("its settings"))?;
    job.theirs(&scope).await.map_err(|trouble| super::apply::setting(job, trouble))?;
    let sql =
        format!("SELECT pg_catalog.to_regclass({})::pg_catalog.oid", text(&name.quoted(Dialect::Postgresql)));
    let oid =
        job.session.value(&sql).await.map_err(at("reading the catalog"))?.unwrap_or_else(|| "0".to_owned());
    job.own(&scope).await.map_err(at("its settings"))?;
    let sql = format!(
        "SELECT n.nspname, c.relname, i.indisvalid, pg_get_indexdef(i.indexrelid) FROM pg_index i JOIN pg_class c ON c.oid = \
         i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace WHERE {what} = {oid}"
    );
    let rows = job.session.ask(&sql).await.map_err(at("reading the catalog"))?;
    job.session.rollback().await;
    let index = |row: Vec<Option<String>>| {
        let mut values = row.into_iter().map(Option::unwrap_or_default);
        let mut next = || values.next().unwrap_or_default();
        Index { schema: next(), name: next(), valid: next() == "t", definition: next() }
    };
    Ok(rows.into_iter().map(index).collect())
}

/// Runs the unit.
pub(super) async fn apply(job: &Job) -> Result<Done, Failure> {
    match tried(job).await {
        Ok(done) => Ok(done),
        Err(Again::Failed(failure)) => Err(*failure),
        Err(Again::Trouble(trouble, doing)) => Err(job.failure(trouble, doing)),
        Err(Again::Prepared(_)) => unreachable!("nothing is prepared outside of a transaction"),
    }
}

async fn tried(job: &Job) -> Result<Done, Again> {
    let text = job.resolved()?;
    let (run, unit) = (&job.cx.run, &job.unit.id.0);
    let found = ledger::find(&job.session, run, unit).await.map_err(at("reading the ledger"))?;
    let before = indexes(job).await?;
    let entry = match found {
        Some(entry) if entry.digest != digest(job) => return Err(changed(job, &entry)),
        Some(entry) if !entry.begun => {
            return Ok(Done {
                changed: false,
                effects: vec!["applied before, by the ledger".into()],
                ..Done::default()
            });
        }
        Some(entry) => entry,
        None if job.unit.undo.by == UndoBy::Driver && matches!(job.summary().kind, Kind::AlterTable(_)) => {
            let why = "outside of a transaction its way back cannot be proven; without CONCURRENTLY it can";
            return Err(schema::refused(job, why));
        }
        None => {
            let mut way_back =
                WayBack { indexes: before.iter().map(Index::quoted).collect(), ..WayBack::default() };
            if job.summary().kind == Kind::DropIndex {
                let entry =
                    Entry { seq: 0, begun: true, batches: false, digest: String::new(), rows: 0, way_back };
                way_back = self::way_back(job, &entry, &before).await?;
            }
            job.session.act("BEGIN").await.map_err(at("writing the ledger"))?;
            let seq = ledger::begin(&job.session, run, unit, job.cx.attempt, &digest(job))
                .await
                .map_err(at("taking its place"))?;
            ledger::intend(&job.session, seq, &way_back).await.map_err(at("writing the ledger"))?;
            job.session.commit().await.map_err(at("writing the ledger"))?;
            Entry { seq, begun: true, batches: false, digest: digest(job), rows: 0, way_back }
        }
    };
    let mut lines = vec![];
    let mine = job.summary().object.map(|name| name.base().to_owned());
    if job.summary().kind == Kind::CreateIndex {
        let left = |index: &&Index| {
            !index.valid
                && (!entry.way_back.indexes.contains(&index.quoted()) || mine.as_ref() == Some(&index.name))
        };
        for index in before.iter().filter(left) {
            job.session
                .act(&format!("DROP INDEX CONCURRENTLY {}", index.quoted()))
                .await
                .map_err(at("dropping an INVALID index"))?;
            lines.push(format!("the INVALID index {} of an earlier try was dropped", index.name));
        }
    }
    if let Err(trouble) = alone(job, &text).await {
        return Err(failed(job, &entry, trouble).await);
    }
    let way_back = match job.summary().kind {
        Kind::DropIndex => entry.way_back.clone(),
        _ => way_back(job, &entry, &before).await?,
    };
    if let Some(broken) = indexes(job)
        .await?
        .iter()
        .find(|index| !index.valid && !entry.way_back.indexes.contains(&index.quoted()))
    {
        return Err(invalid(job, broken).into());
    }
    ledger::settle(&job.session, entry.seq, 0, &way_back).await.map_err(at("writing the ledger"))?;
    lines.push("done, outside of a transaction".to_owned());
    let notices = job.session.notices();
    Ok(super::apply::done(job, super::apply::Effects { lines, way_back, notices, ..Default::default() }))
}

/// The statement itself, under the settings of its step; those end with it. No lock timeout: its waits are part of how it
/// spares others, and one that is cut off leaves an INVALID index.
async fn alone(job: &Job, text: &str) -> Result<(), Trouble> {
    let settings = crate::sql::session_before(&job.cx, &job.unit);
    for setting in &settings {
        job.session.act(setting).await?;
    }
    job.session.act("SET lock_timeout = 0; SET statement_timeout = 0").await?;
    let result = job.session.statement(text, 0).await;
    job.session.act("RESET ALL").await?;
    result.map(|_| ())
}

/// It came to an end without success, or nobody knows.
async fn failed(job: &Job, entry: &Entry, trouble: Trouble) -> Again {
    if let Trouble::Lost(why) = trouble {
        return Failure::unknown(
            Fault::Transport,
            format!(
                "{}: the connection to {} was lost: {why}; the catalog knows",
                place(&job.cx, &job.unit, None),
                job.session.shown
            ),
        )
        .into();
    }
    let mut hints = vec![];
    if job.summary().kind == Kind::CreateIndex {
        for index in indexes(job).await.unwrap_or_default() {
            if !index.valid && !entry.way_back.indexes.contains(&index.quoted()) {
                let sql = format!("DROP INDEX CONCURRENTLY IF EXISTS {}", index.quoted());
                if job.session.act(&sql).await.is_err() {
                    hints.push(format!("an INVALID index is left: {sql}"));
                }
            }
        }
    }
    let _ = ledger::remove(&job.session, entry.seq).await;
    let again = match trouble {
        Trouble::Stopped | Trouble::Late | Trouble::Raced => {
            Again::Failed(Box::new(job.failure(trouble, "running it")))
        }
        trouble => said(job, trouble, 0),
    };
    match again {
        Again::Failed(mut failure) => {
            failure.hints.extend(hints);
            Again::Failed(failure)
        }
        other => other,
    }
}

fn changed(job: &Job, entry: &Entry) -> Again {
    Failure::clean(
        Fault::Document,
        format!(
            "{}: the ledger says that another statement was begun as {} (digest {}); this one was not run",
            place(&job.cx, &job.unit, None),
            job.unit.id,
            one_line(&entry.digest, 16)
        ),
    )
    .into()
}

fn invalid(job: &Job, index: &Index) -> Failure {
    Failure::partial(
        Fault::Target,
        format!(
            "{}: the index {} was built, but is INVALID",
            place(&job.cx, &job.unit, None),
            index.quoted()
        ),
    )
}

/// How it is taken back, from what changed.
async fn way_back(job: &Job, entry: &Entry, before: &[Index]) -> Result<WayBack, Again> {
    let mut way_back = WayBack { indexes: entry.way_back.indexes.clone(), ..WayBack::default() };
    if job.unit.undo.by != UndoBy::Driver {
        return Ok(way_back);
    }
    let sql = |text: String| Step::Sql { text };
    match job.summary().kind {
        Kind::CreateIndex => {
            for index in
                indexes(job).await?.iter().filter(|index| !entry.way_back.indexes.contains(&index.quoted()))
            {
                way_back.schema.push(sql(format!("DROP INDEX CONCURRENTLY IF EXISTS {}", index.quoted())));
            }
        }
        Kind::DropIndex => {
            for index in before.iter().filter(|index| !index.definition.is_empty()) {
                let text = index.definition.replacen(" INDEX ", " INDEX CONCURRENTLY ", 1);
                way_back.schema.push(sql(format!("DROP INDEX CONCURRENTLY IF EXISTS {}", index.quoted())));
                way_back.schema.push(sql(text));
            }
        }
        _ => {}
    }
    Ok(way_back)
}

/// Takes it back: statement by statement, each of which may be repeated.
pub(super) async fn undo(job: &Job, entry: &Entry) -> Result<Done, Again> {
    job.session.act("SET lock_timeout = 0").await.map_err(at("its settings"))?;
    for step in &entry.way_back.schema {
        if let Step::Sql { text } = step {
            job.session.act(text).await.map_err(at("taking it back"))?;
        }
    }
    job.session.act("RESET ALL").await.map_err(at("its settings"))?;
    ledger::remove(&job.session, entry.seq).await.map_err(at("writing the ledger"))?;
    Ok(Done {
        changed: true,
        effects: vec!["taken back, outside of a transaction".to_owned()],
        ..Done::default()
    })
}

/// What became of it.
pub(super) async fn inspect(job: &Job, entry: Option<Entry>, way: Way) -> Result<Found, Failure> {
    let Some(entry) = entry else {
        return Ok(if way == Way::Forward {
            Found::NotApplied
        } else {
            Found::Applied(Done { changed: true, ..Done::default() })
        });
    };
    if way == Way::Undo {
        return Ok(Found::NotApplied);
    }
    let applied = Done { changed: true, facts: json!({ "rows": 0 }), ..Done::default() };
    if !entry.begun {
        return Ok(Found::Applied(applied));
    }
    let now = match indexes(job).await {
        Ok(now) => now,
        Err(Again::Failed(failure)) => return Err(*failure),
        Err(Again::Trouble(trouble, doing)) => return Err(job.failure(trouble, doing)),
        Err(Again::Prepared(_)) => unreachable!("reading prepares nothing"),
    };
    let built = || now.iter().any(|index| index.valid && !entry.way_back.indexes.contains(&index.quoted()));
    match job.summary().kind {
        Kind::CreateIndex if built() => {
            let way_back = way_back(job, &entry, &[]).await.unwrap_or_default();
            let settled = ledger::settle(&job.session, entry.seq, 0, &way_back).await;
            settled.map_err(|trouble| job.failure(trouble, "writing the ledger"))?;
            Ok(Found::Applied(applied))
        }
        Kind::DropIndex if now.is_empty() => {
            let settled = ledger::settle(&job.session, entry.seq, 0, &entry.way_back).await;
            settled.map_err(|trouble| job.failure(trouble, "writing the ledger"))?;
            Ok(Found::Applied(applied))
        }
        // Run again: what is there of it is taken away first, and the way back is read before.
        Kind::CreateIndex | Kind::DropIndex | Kind::Vacuum | Kind::Reindex => Ok(Found::NotApplied),
        _ => Ok(Found::Unknown(format!(
            "{} of {} was begun, and the catalog cannot tell whether it ended: look with psql, then skip the unit or retry it",
            one_line(&ident(job.statement()), 100),
            job.session.shown
        ))),
    }
}
