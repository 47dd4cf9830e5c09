//! One unit: its statement, what kind it is, its failures.

use super::cover::Cover;
use super::keep::Keeper;
use super::ledger::Key;
use super::session::{Answer, Server, Session, Trouble};
use crate::disk::one_line;
use crate::sql::{ROWS_SHOWN, VALUE_MAX, aligned, place, secrets, session_before};
use serde_json::json;
use std::borrow::Cow;
use std::time::Duration;
use windlass_driver::{Context, Done, Effect, Failure, Fault};
use windlass_plan::{Action, UndoBy, Unit};
use windlass_sql::{Dialect, ObjectName, Summary};

/// Tries of a statement that finds a lock held, the first among them.
const TRIES: u32 = 6;

/// What one call works on.
pub(super) struct Job<'a> {
    pub(super) cx: &'a Context,
    pub(super) unit: &'a Unit,
    pub(super) statement: &'a str,
    /// `rows=`
    pub(super) rows: Option<u64>,
    pub(super) summary: Summary,
    /// The session computed the text of the statement: it is not that of the document.
    pub(super) computed: bool,
    keeper: Option<&'a Keeper>,
}

impl<'a> Job<'a> {
    pub(super) fn new(cx: &'a Context, unit: &'a Unit) -> Result<Self, Failure> {
        Self::of(cx, unit, None)
    }

    /// With the text that the session computed for it.
    pub(super) fn of(cx: &'a Context, unit: &'a Unit, text: Option<&'a str>) -> Result<Self, Failure> {
        let Action::Sql { statement, rows, .. } = &unit.action else {
            let text = format!("unit {} was given to the MySQL driver, but is no statement", unit.id);
            return Err(Failure::clean(Fault::Windlass, text));
        };
        let statement = text.unwrap_or(statement);
        let (statements, _) = windlass_sql::split(statement, Dialect::Mysql);
        let summary = statements.into_iter().next().map(|first| first.summary).unwrap_or_default();
        Ok(Self { cx, unit, statement, rows: *rows, summary, computed: text.is_some(), keeper: None })
    }

    /// On connections that are kept, and kept again.
    pub(super) fn with(self, keeper: &'a Keeper) -> Self {
        Self { keeper: Some(keeper), ..self }
    }

    /// A connection with the settings of the step.
    pub(super) async fn open(&self) -> Result<Session, Failure> {
        let mut session = self.open_plain().await?;
        let settings = session_before(self.cx, self.unit);
        if settings.is_empty() {
            return Ok(session);
        }
        for statement in settings {
            if let Err(trouble) = session.run(statement).await {
                let doing = format!("the setting `{}` before it", one_line(statement, 80));
                return Err(session.clean(&trouble, &doing));
            }
        }
        session.utf8().await.map_err(|trouble| session.clean(&trouble, "setting up the connection"))?;
        Ok(session)
    }

    /// A connection without those settings.
    pub(super) async fn open_plain(&self) -> Result<Session, Failure> {
        if let Some(keeper) = self.keeper
            && let Some(kept) = keeper.take(self.cx, self.unit).await
        {
            return Ok(kept);
        }
        Session::open(self.cx, self.unit).await
    }

    /// The connection is not needed any more.
    pub(super) async fn close(&self, session: Session) {
        match self.keeper {
            Some(keeper) => keeper.put(self.cx, self.unit, session).await,
            None => session.close().await,
        }
    }

    pub(super) fn key(&self) -> Key<'_> {
        Key { run: &self.cx.run, unit: &self.unit.id.0 }
    }

    pub(super) fn place(&self) -> String {
        place(self.cx, self.unit, None)
    }

    pub(super) fn short(&self) -> String {
        one_line(self.statement, 120)
    }

    /// The statement as it is sent, with its secrets.
    pub(super) async fn resolved(&self, session: &mut Session) -> Result<Cow<'a, str>, Failure> {
        let mut escapes = false;
        if secrets::has_backslash(self.cx, self.unit, self.statement)? {
            let mode = session.value("SELECT @@sql_mode").await;
            let mode = mode.map_err(|trouble| self.clean(&trouble, "reading settings"))?;
            escapes = !mode.unwrap_or_default().split(',').any(|word| word == "NO_BACKSLASH_ESCAPES");
        }
        secrets::resolved(self.cx, self.unit, self.statement, Dialect::Mysql, escapes)
    }

    /// A failure before or beside the statement.
    pub(super) fn clean(&self, trouble: &Trouble, doing: &str) -> Failure {
        failed(self, trouble, doing)
    }

    /// The statement itself was refused.
    pub(super) fn refused(&self, trouble: &Trouble) -> Failure {
        let at = match trouble {
            Trouble::Server { code: 1064, text } if !self.computed => syntax_place(self.statement, text),
            _ => None,
        };
        let (place, short, why) = (place(self.cx, self.unit, at), self.short(), trouble.text());
        let text = format!("{place}: `{short}`: {why}; rolled back, nothing was changed");
        let fault = match trouble {
            _ if trouble.is_full() => Fault::Target,
            Trouble::Server { code: 1205 | 1213 | 3024 | 1969, .. } | Trouble::Cut(_) | Trouble::Old(_) => {
                Fault::Target
            }
            Trouble::Server { .. } => Fault::Document,
            Trouble::Lost(_) => Fault::Transport,
        };
        advised(Failure::clean(fault, text), trouble)
    }
}

/// The character where the server stopped reading, from `… near 'rest of the statement' at line 2`.
fn syntax_place(statement: &str, message: &str) -> Option<usize> {
    let (_, near) = message.split_once("near '")?;
    let (near, _) = near.rsplit_once("' at line ")?;
    // The server cuts long ones, and does not say where an empty one is.
    let found = statement.rfind(near).filter(|_| !near.is_empty())?;
    Some(statement[..found].chars().count())
}

/// With what to do next, and whether trying again has a chance.
fn advised(failure: Failure, trouble: &Trouble) -> Failure {
    match trouble {
        _ if trouble.is_full() => failure
            .retryable()
            .hint("a disk or a table space of the server is full: make room there, then try it again"),
        Trouble::Cut(false) => failure.hint("raise `timeout=` of the step, or change fewer rows at a time"),
        Trouble::Cut(true) | Trouble::Old(_) => failure,
        Trouble::Lost(_) => failure
            .retryable()
            .hint("is the server running? (one whose disk is full may have stopped.) Then: windlass resume"),
        Trouble::Server { code, .. } => match code {
            1205 | 1213 => failure.retryable(),
            1792 => failure.hint(WRITES).hint("a function behind a view has to be called by the statement itself for that"),
            1040 | 1053 | 1077 | 1158..=1161 | 1927 => failure.retryable(),
            1044 | 1045 | 1142 | 1143 | 1227 | 1370 | 1419 => {
                failure.hint("the user of the target lacks a privilege: see `SHOW GRANTS`; GRANT it, then `windlass resume`")
            }
            _ => failure,
        },
    }
}

/// A failure of our own statements inside a transaction that is rolled back, or before it.
pub(super) fn failed(job: &Job<'_>, trouble: &Trouble, doing: &str) -> Failure {
    let text =
        format!("{}: `{}`: {} ({doing}); nothing was changed", job.place(), job.short(), trouble.text());
    let fault = if matches!(trouble, Trouble::Lost(_)) { Fault::Transport } else { Fault::Target };
    advised(Failure::clean(fault, text), trouble)
}

/// The commit has no answer: what became of it is in the ledger.
pub(super) fn tx_lost(job: &Job<'_>, trouble: &Trouble) -> Failure {
    let text = format!("{}: `{}`: {} while committing", job.place(), job.short(), trouble.text());
    Failure::unknown(Fault::Transport, text).retryable()
}

/// What to do about a query that calls a function which writes.
pub(super) const WRITES: &str = "what a function writes is not kept here: write how it is undone into a fence with `undoes=ID`, or say `irreversible`";

/// What [`retrying`] tries.
#[derive(Clone, Copy)]
pub(super) enum Work<'a> {
    /// The statement, with the rows to save.
    Rows(Option<&'a Cover>),
    /// Its undo.
    PutBack(&'a Cover),
}

/// Does it on a connection of its own, again while it finds locks of others.
pub(super) async fn retrying(job: &Job<'_>, work: Work<'_>) -> Result<Done, Failure> {
    let mut tries = 0;
    loop {
        tries += 1;
        let mut session = job.open().await?;
        session.stoppable(job.cx);
        let result = match work {
            Work::Rows(cover) => super::data::once(job, &mut session, cover).await,
            Work::PutBack(cover) => super::put_back::undo(job, &mut session, cover).await,
        };
        let is_clean = matches!(&result, Err(failure) if failure.retry && failure.effect == Effect::None);
        if !is_clean || !session.met_lock {
            job.close(session).await;
            return result;
        }
        let blockers = super::locks::blockers(&mut session).await;
        job.close(session).await;
        let Err(failure) = result else { unreachable!("it was just matched") };
        if tries >= TRIES || job.cx.stopping.asked() {
            return Err(with_blockers(failure, &blockers));
        }
        let names = blockers.join("; ");
        (job.cx.output)(&job.cx.secrets.mask(&format!("locked by another session, trying again: {names}\n")));
        tokio::time::sleep(pause(job, tries)).await;
    }
}

pub(super) fn with_blockers(failure: Failure, blockers: &[String]) -> Failure {
    blockers.iter().fold(failure, |failure, blocker| failure.hint(format!("in the way: {blocker}")))
}

/// Longer each time, and not the same for two controllers.
pub(super) fn pause(job: &Job<'_>, tries: u32) -> Duration {
    let jitter = crate::disk::sha256(format!("{}{}{tries}", job.cx.run, job.unit.id).as_bytes());
    let jitter = u64::from_str_radix(&jitter[..2], 16).unwrap_or(0);
    Duration::from_millis((100 << tries.min(5)) + jitter)
}

/// The report of a statement on rows that took effect.
pub(super) fn done(rows: u64) -> Done {
    Done {
        changed: true,
        effects: vec![format!("{rows} rows changed")],
        output: String::new(),
        facts: json!({ "rows": rows }),
    }
}

/// Whether the statement is a query that calls functions which may write.
pub(super) fn calls(job: &Job<'_>) -> bool {
    is_query(job) && !windlass_sql::unknown_calls(job.statement, Dialect::Mysql).is_empty()
}

fn is_query(job: &Job<'_>) -> bool {
    job.summary.kind == windlass_sql::Kind::Select && job.summary.readonly
}

/// Why a query is not run that moves a sequence of MariaDB: no transaction turns that back, and nothing keeps where it stood.
pub(super) fn draws(job: &Job<'_>, server: &Server) -> Option<Failure> {
    let calls = windlass_sql::unknown_calls(job.statement, Dialect::Mysql);
    let is_call = |name: &ObjectName| {
        name.qualifier().is_none()
            && ["nextval", "setval"].iter().any(|of| name.base().eq_ignore_ascii_case(of))
    };
    let moves = server.mariadb && is_query(job) && calls.iter().any(is_call);
    moves.then(|| {
        let why = "it moves a sequence, which no transaction turns back, and where that stood is not kept";
        let hint = "write `SELECT NEXTVAL(…)` or `SELECT SETVAL(…)` with how it is undone in a fence `undoes=ID` (`SELECT SETVAL(…)` \
                    sets a sequence forward only, `ALTER SEQUENCE … RESTART` also back), or say `irreversible`";
        let text = format!("{}: `{}` was not run: {why}; nothing was changed", job.place(), job.short());
        Failure::clean(Fault::Document, text).hint(hint)
    })
}

/// A statement that only reads, or only sets something of a session. Functions that write fail, also those behind a view.
pub(super) async fn query(job: &Job<'_>) -> Result<Done, Failure> {
    let mut session = job.open().await?;
    session.stoppable(job.cx);
    if let Some(failure) = draws(job, &session.server) {
        job.close(session).await;
        return Err(failure);
    }
    let is_answered = matches!(job.unit.undo.by, UndoBy::Script | UndoBy::Nobody);
    let may_call = is_query(job) || job.summary.kind == windlass_sql::Kind::Explain;
    if may_call && !is_answered {
        let begun = session.run("START TRANSACTION READ ONLY").await;
        begun.map_err(|trouble| job.clean(&trouble, "beginning"))?;
    }
    let answer = session.read(job.statement, ROWS_SHOWN).await.map_err(|trouble| job.refused(&trouble))?;
    let warnings = session.warnings(&answer).await;
    job.close(session).await;
    if answer.names.is_empty() {
        return Ok(Done { changed: false, effects: warnings, ..Done::default() });
    }
    let mut table = vec![answer.names.clone()];
    let show = |value: &Option<String>| one_line(value.as_deref().unwrap_or("NULL"), VALUE_MAX);
    table.extend(answer.rows.iter().map(|row| row.iter().map(show).collect()));
    let output = job.cx.secrets.mask(&aligned(&table, answer.count));
    if let Some(expected) = job.rows.filter(|expected| *expected != answer.count) {
        let (place, short, count) = (job.place(), job.short(), answer.count);
        let text =
            format!("{place}: `{short}` gives {count} rows where `rows={expected}` expects {expected}");
        return Err(Failure::clean(Fault::Target, text).output(windlass_driver::excerpt(&output)));
    }
    (job.cx.output)(&output);
    if let Some(why) = wrong(job, &answer) {
        let (place, short) = (job.place(), job.short());
        let text = format!("{place}: `{short}`: the server says: {why}; rows are as they were");
        return Err(Failure::clean(Fault::Document, text).output(windlass_driver::excerpt(&output)));
    }
    Ok(Done {
        changed: false,
        effects: warnings,
        output: windlass_driver::excerpt(&output),
        facts: json!({ "rows": answer.count }),
    })
}

/// What is wrong, by the answer of `OPTIMIZE TABLE` and its kin: for the server they end well whatever they say.
fn wrong(job: &Job<'_>, answer: &Answer) -> Option<String> {
    if !windlass_sql::mysql::maintains(job.statement) {
        return None;
    }
    let at = |name: &str| answer.names.iter().position(|of| of.eq_ignore_ascii_case(name));
    let (kind, text) = at("Msg_type").zip(at("Msg_text"))?;
    let value = |row: &[Option<String>], at: usize| row.get(at).cloned().flatten().unwrap_or_default();
    let row = answer.rows.iter().find(|row| value(row, kind).eq_ignore_ascii_case("error"))?;
    Some(one_line(&value(row, text), 300))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_says_where_it_stopped_reading() {
        let message = "You have an error in your SQL syntax; … near 'FORM t' at line 2";
        assert_eq!(syntax_place("SELECT 数\nFORM t", message), Some(9));
        assert_eq!(syntax_place("SELECT", "… near '' at line 1"), None);
        assert_eq!(syntax_place("SELECT", "no such words"), None);
    }
}
