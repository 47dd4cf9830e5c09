//! A statement that changes something: in a transaction together with its ledger row, tried again where a try shows that
//! more has to be kept, or that somebody was in the way.

use super::{
    back::WayBack,
    blockers::Watch,
    calls::{self, Calls},
    catalogs, facts,
    job::{Job, Lock, Mode, Scope},
    ledger::{self, Entry},
    made, outside,
    proof::BEFOREHAND,
    race::{self, Care},
    read, rows, schema,
    sequences::Moved,
    session::{Answer, Trouble},
};
use crate::{
    disk::{one_line, sha256},
    sql::{ROWS_SHOWN, place, wrong_rows},
};
use serde_json::json;
use std::{collections::BTreeSet, time::Duration};
use tokio_postgres::error::SqlState;
use windlass_driver::{Done, Failure, Fault, excerpt};
use windlass_plan::UndoBy;

/// Tries for locks, and tries in which somebody else changed the same rows.
const TRIES: u32 = 5;
/// Tries in which the statement showed that more has to be kept.
const PREPARATIONS: u32 = 8;

/// What has to be done before the statement, learned from tries of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Prep {
    /// Tables (quoted) whose writers have to wait from the beginning.
    pub(super) locks: BTreeSet<String>,
    /// The table that the statement changes: nobody else alters it from the beginning.
    pub(super) held: Option<Lock>,
    /// Tables whose changes are kept by triggers.
    pub(super) cover: BTreeSet<u32>,
    /// The statement changes definitions.
    pub(super) schema: bool,
    /// It may be that it only makes a table: then no more than that is read of the catalog.
    pub(super) makes: bool,
    /// What it writes is more than a row of the ledger takes.
    pub(super) wide: bool,
    /// What it takes away, and how that is kept.
    pub(super) keep: schema::Keep,
    /// Catalogs that it wrote without a change of what is read of them: their own rows are compared.
    pub(super) unseen: BTreeSet<&'static str>,
    /// Sequences that tries moved.
    pub(super) moved: Moved,
    /// How closely it is looked for what others do meanwhile.
    pub(super) care: Care,
}

impl Prep {
    /// For the first try.
    pub(super) fn of(job: &Job) -> Self {
        let schema = !rows::is(job, &job.summary());
        Self { schema, makes: schema && made::may(job.statement()), ..Self::default() }
    }
}

/// Why a try came to no end.
pub(super) enum Again {
    /// More has to be prepared.
    Prepared(Box<Prep>),
    /// The server or the connection.
    Trouble(Trouble, &'static str),
    /// No.
    Failed(Box<Failure>),
}

impl From<Failure> for Again {
    fn from(failure: Failure) -> Self {
        Self::Failed(Box::new(failure))
    }
}

/// What a try did.
#[derive(Default)]
pub(super) struct Effects {
    /// Rows changed.
    pub(super) rows: u64,
    pub(super) lines: Vec<String>,
    pub(super) way_back: WayBack,
    pub(super) answer: Answer,
    /// What the server said meanwhile.
    pub(super) notices: Vec<String>,
}

/// Marks where trouble came from.
pub(super) fn at(doing: &'static str) -> impl Fn(Trouble) -> Again {
    move |trouble| Again::Trouble(trouble, doing)
}

/// Runs the unit.
pub(super) async fn apply(job: &Job) -> Result<Done, Failure> {
    // Where somebody else answers for the way back, it runs as it is.
    if job.unit.undo.by == UndoBy::Driver {
        let called =
            calls::look(job).await.map_err(|trouble| job.failure(trouble, "looking what it calls"))?;
        match called {
            Calls::Read => return read::apply(job).await,
            Calls::Unseen(why) => return Err(schema::unkept(job, &why)),
            Calls::Seen => {}
        }
    }
    written(job).await
}

/// Runs it where it can write.
async fn written(job: &Job) -> Result<Done, Failure> {
    ledger::create(&job.session).await.map_err(|trouble| {
        let failure = job.failure(trouble, "making the schema `windlass` for the ledger");
        failure.hint("who runs this needs CREATE on the database once, or an administrator makes the schema `windlass`")
    })?;
    let summary = job.summary();
    if outside::is(job.statement(), &summary) {
        return outside::apply(job).await;
    }
    let mut prep = Prep::of(job);
    let (mut tries, mut preparations) = (0, 0);
    let mut blockers: Vec<String> = vec![];
    loop {
        let watch = (tries > 0).then(|| Watch::begin(job));
        let result = once(job, &prep).await;
        if let Some(watch) = watch {
            let seen = watch.end().await;
            if !seen.is_empty() {
                blockers = seen;
            }
        }
        let (trouble, doing) = match result {
            Ok(done) => return Ok(done),
            Err(Again::Failed(failure)) => {
                job.session.rollback().await;
                return Err(*failure);
            }
            Err(Again::Prepared(next)) => {
                job.session.rollback().await;
                preparations += 1;
                if preparations > PREPARATIONS || *next == prep {
                    return Err(unsettled(job));
                }
                prep = *next;
                continue;
            }
            Err(Again::Trouble(trouble, doing)) => (trouble, doing),
        };
        job.session.rollback().await;
        prep.moved = job.moved();
        tries += 1;
        let lock = trouble.is(&SqlState::LOCK_NOT_AVAILABLE);
        let race = [
            SqlState::T_R_SERIALIZATION_FAILURE,
            SqlState::T_R_DEADLOCK_DETECTED,
            SqlState::UNIQUE_VIOLATION,
        ];
        let others = matches!(trouble, Trouble::Raced);
        let raced = others
            || race.iter().any(|code| trouble.is(code))
                && !(trouble.is(&race[2]) && doing != "taking its place");
        if !(lock || raced) || tries >= TRIES || job.cx.stopping.asked() {
            let mut failure = job.failure(trouble, doing);
            // Whoever is in the way will be gone some time.
            failure.retry |= !blockers.is_empty();
            failure.hints.extend(blockers);
            return Err(failure);
        }
        if raced {
            prep.locks.extend(rows::target(job).await);
        }
        if others {
            prep.care = Care::Compare;
        }
        pause(job, tries).await;
    }
}

fn unsettled(job: &Job) -> Failure {
    Failure::clean(
        Fault::Target,
        format!(
            "{}: `{}` changes something else at each try, so it cannot be kept how it was; rolled back, nothing was changed",
            place(&job.cx, &job.unit, None),
            one_line(job.statement(), 120)
        ),
    )
    .hint("write its way back as a fence with `undoes=`, or mark it `irreversible`")
}

/// A pause that grows, and differs between those who wait for each other.
pub(super) async fn pause(job: &Job, tries: u32) {
    let jitter = u64::from(std::process::id()).wrapping_mul(u64::from(tries) * 7919) % 250;
    let wait = Duration::from_millis(100 * u64::from(tries) + jitter);
    tokio::select! {
        () = tokio::time::sleep(wait) => {}
        () = job.cx.stopping.stopped() => {}
    }
}

/// Digest of what runs, in the ledger.
pub(super) fn digest(job: &Job) -> String {
    sha256([job.statement(), job.data().unwrap_or_default()].join("\0").as_bytes())
}

/// One transaction.
async fn once(job: &Job, prep: &Prep) -> Result<Done, Again> {
    let by_driver = job.unit.undo.by == UndoBy::Driver;
    let mut locks = Lock::writers(&prep.locks);
    locks.extend(prep.held.clone());
    let mode = if by_driver { Mode::Write } else { Mode::Plain };
    job.begin(mode, &locks).await.map_err(at("waiting for its table"))?;
    let (run, unit) = (&job.cx.run, &job.unit.id.0);
    let found = ledger::find(&job.session, run, unit).await.map_err(at("reading the ledger"))?;
    let digest = digest(job);
    if let Some(entry) = found {
        job.session.rollback().await;
        return already(job, &entry, &digest).map_err(Again::from);
    }
    let scope = job.scope().await.map_err(at("its settings"))?;
    let effects = inside(job, &scope, prep).await?;
    if by_driver && race::is_stale(&job.session).await.map_err(at("looking what others changed"))? {
        return Err(Again::Trouble(Trouble::Raced, "looking what others changed"));
    }
    job.session.commit().await.map_err(|trouble| committed(job, trouble))?;
    Ok(done(job, effects))
}

/// The statement and its ledger row, in the open transaction.
pub(super) async fn inside(job: &Job, scope: &Scope, prep: &Prep) -> Result<Effects, Again> {
    let (run, unit) = (&job.cx.run, &job.unit.id.0);
    // Those that are in one transaction have looked for their rows at its beginning, and write them at once.
    let number = job.company.as_ref().and_then(|company| company.number());
    let seq = match number {
        Some(seq) => seq,
        None => ledger::begin(&job.session, run, unit, job.cx.attempt, &digest(job))
            .await
            .map_err(at("taking its place"))?,
    };
    let effects = if job.unit.undo.by != UndoBy::Driver {
        plain(job, scope).await?
    } else if prep.makes {
        made::apply(job, scope, prep).await?
    } else if prep.schema {
        schema::apply(job, scope, prep, seq).await?
    } else {
        rows::apply(job, scope, prep, seq).await?
    };
    if let Some(expected) = job.rows().filter(|expected| *expected != effects.rows) {
        return Err(wrong_rows(&job.cx, &job.unit, effects.rows, expected).into());
    }
    if number.is_some() {
        job.session.later(ledger::whole(seq, &job.cx, unit, &digest(job), effects.rows, &effects.way_back));
    } else {
        let settled = ledger::settle(&job.session, seq, effects.rows, &effects.way_back).await;
        settled.map_err(at("writing the ledger"))?;
    }
    aside(job, &effects.way_back).await.map_err(at("listing what was set aside"))?;
    Ok(Effects { notices: job.session.notices(), ..effects })
}

async fn aside(job: &Job, way_back: &WayBack) -> Result<(), Trouble> {
    use windlass_sql::postgres::text;
    let images = way_back.images.iter().chain(way_back.fills.iter().map(|(image, _)| image));
    let images: BTreeSet<_> = images.map(|image| format!("windlass.{}", image.image)).collect();
    let images = images.into_iter().map(|name| (name, "before-image"));
    for (name, what) in images.chain(way_back.aside.iter().map(|schema| (schema.clone(), "dropped objects")))
    {
        let values = [text(&name), text(what), text(&job.cx.run), text(&job.unit.id.0)].join(", ");
        job.session
            .act(&format!("INSERT INTO windlass.aside (name, what, run, unit) VALUES ({values})"))
            .await?;
    }
    Ok(())
}

/// A statement whose way back is written by hand, or that has none.
async fn plain(job: &Job, scope: &Scope) -> Result<Effects, Again> {
    let before = facts::counts(&job.session).await.map_err(at("counting"))?;
    let answer = run(job, scope).await?;
    let after = facts::counts(&job.session).await.map_err(at("counting"))?;
    catalogs::stays_inside(job, &after.catalogs(&before))?;
    job.own(scope).await.map_err(at("its settings"))?;
    Ok(Effects { rows: answer.count, answer, ..Effects::default() })
}

/// The statement as it is.
pub(super) async fn run(job: &Job, scope: &Scope) -> Result<Answer, Again> {
    let text = job.resolved()?;
    job.theirs(scope).await.map_err(|trouble| setting(job, trouble))?;
    let result = match job.data() {
        Some(data) => job.session.copy(&text, data).await,
        None => job.session.statement(&text, ROWS_SHOWN).await,
    };
    result.map_err(|trouble| said(job, trouble, 0))
}

/// What the server said to the document's statement; `shift` characters stand in front of it.
pub(super) fn said(job: &Job, trouble: Trouble, shift: usize) -> Again {
    let again =
        [SqlState::LOCK_NOT_AVAILABLE, SqlState::T_R_SERIALIZATION_FAILURE, SqlState::T_R_DEADLOCK_DETECTED];
    match trouble {
        Trouble::Server(error) if !again.contains(error.code()) => {
            job.refused(&error, Some(shift), "").into()
        }
        trouble => Again::Trouble(trouble, "running the statement"),
    }
}

/// A setting of the step that the server does not take.
pub(super) fn setting(job: &Job, trouble: Trouble) -> Again {
    Again::Failed(Box::new(job.failure(trouble, "repeating the settings of its step")))
}

/// A commit without an answer: the ledger knows.
pub(super) fn lost(job: &Job, why: &str) -> Failure {
    Failure::unknown(
        Fault::Transport,
        format!(
            "{}: the connection to {} was lost in the commit: {why}; whether it took effect is in the ledger",
            place(&job.cx, &job.unit, None),
            job.session.shown
        ),
    )
}

fn committed(job: &Job, trouble: Trouble) -> Again {
    match trouble {
        Trouble::Lost(why) => lost(job, &why).into(),
        // Deferred constraints and triggers speak now.
        Trouble::Server(error) => job.refused(&error, None, "committing").into(),
        trouble => Again::Trouble(trouble, "committing"),
    }
}

pub(super) fn already(job: &Job, entry: &Entry, digest: &str) -> Result<Done, Failure> {
    if entry.digest != digest {
        return Err(Failure::clean(
            Fault::Document,
            format!(
                "{}: the ledger of {} says that another statement was applied as {} of run {} (digest {}); this one was not run",
                place(&job.cx, &job.unit, None),
                job.session.shown,
                job.unit.id,
                job.cx.run,
                one_line(&entry.digest, 16)
            ),
        ));
    }
    Ok(Done {
        changed: false,
        effects: vec!["applied before, by the ledger".to_owned()],
        facts: json!({ "rows": entry.rows }),
        ..Done::default()
    })
}

/// The report.
pub(super) fn done(job: &Job, effects: Effects) -> Done {
    let mut output = effects.notices.join("\n");
    if effects.answer.is_query {
        if !output.is_empty() {
            output.push('\n');
        }
        output.push_str(&read::table(&effects.answer));
    }
    let output = job.cx.secrets.mask(&output);
    if !output.is_empty() {
        (job.cx.output)(&format!("{}\n", output.trim_end()));
    }
    let plain = |line: String| line.strip_prefix(BEFOREHAND).map_or(line.clone(), str::to_owned);
    let mut lines: Vec<String> = match job.is_scratch {
        true => effects.lines,
        false => effects.lines.into_iter().map(plain).collect(),
    };
    let is_kept = job.unit.undo.by == UndoBy::Driver;
    if lines.is_empty() && is_kept && job.summary().kind == windlass_sql::Kind::Select {
        lines.push("it changed no row and no definition".to_owned());
    } else if lines.is_empty() {
        lines.push(format!("{} rows changed", effects.rows));
    }
    Done { changed: true, effects: lines, output: excerpt(&output), facts: json!({ "rows": effects.rows }) }
}
