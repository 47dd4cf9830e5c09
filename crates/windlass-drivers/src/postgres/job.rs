//! One unit on one connection, its transactions, and what its errors mean.

use super::{
    facts::{self, Counts},
    sequences::Moved,
    session::{Row, Session, Trouble},
    together::Company,
};
use crate::{
    disk::one_line,
    sql::{place, secrets, session_before},
};
use std::{
    borrow::Cow,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio_postgres::error::{DbError, ErrorPosition, SqlState};
use windlass_driver::{Context, Failure, Fault};
use windlass_plan::{Action, Unit, has_secrets};
use windlass_sql::{
    Dialect, Kind, Summary, keywords,
    postgres::{set_config, text},
};

/// Longest wait for a lock: whoever comes after waits as long behind it.
const LOCK_MAX: Duration = Duration::from_secs(3);
/// Longest statement without a timeout of its own.
const STATEMENT_MAX: Duration = Duration::from_secs(60 * 60);

/// What one call works on.
pub(super) struct Job {
    pub(super) cx: Context,
    pub(super) unit: Unit,
    pub(super) session: Arc<Session>,
    pub(super) limit: Duration,
    /// Nothing outside of its database may be changed.
    pub(super) is_scratch: bool,
    /// Settings of the step before the unit.
    settings: Vec<String>,
    /// Others are in the same transaction.
    pub(super) company: Option<Arc<Company>>,
    /// Sequences that tries moved, also those that came to nothing.
    moved: Mutex<Moved>,
}

/// How a transaction sees rows and waits for locks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// One view of the database from the first question to the end.
    Write,
    /// Each statement sees what is committed by then, as it does in any client.
    Plain,
    /// And nothing can be changed.
    Read,
}

/// A table that is locked before anything is read: what others do to it meanwhile would be missed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Lock {
    /// What is kept from others.
    pub(super) hold: Hold,
    /// Its name, quoted.
    pub(super) table: String,
}

/// What others have to wait with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Hold {
    /// Altering and emptying the table.
    Shape,
    /// The same, triggers, and foreign keys to it.
    Rows,
    /// Any change of its definition, but no rows.
    Definition,
    /// Writing to it.
    Writers,
}

impl Lock {
    /// Writers to these have to wait.
    pub(super) fn writers<'a>(tables: impl IntoIterator<Item = &'a String>) -> Vec<Self> {
        tables.into_iter().map(|table| Self { hold: Hold::Writers, table: table.clone() }).collect()
    }

    fn sql(&self) -> String {
        let mode = match self.hold {
            Hold::Shape => "ACCESS SHARE",
            Hold::Rows => "ROW EXCLUSIVE",
            Hold::Definition => "SHARE UPDATE EXCLUSIVE",
            Hold::Writers => "SHARE ROW EXCLUSIVE",
        };
        format!("LOCK TABLE {} IN {mode} MODE", self.table)
    }
}

impl Job {
    /// Connects for `unit`.
    pub(super) async fn open(cx: &Context, unit: &Unit) -> Result<Self, Failure> {
        Self::open_in(cx, unit, None).await
    }

    /// The same, in a scratch database.
    pub(super) async fn open_in(cx: &Context, unit: &Unit, scratch: Option<&str>) -> Result<Self, Failure> {
        let Action::Sql { target, .. } = &unit.action else {
            return Err(Failure::clean(
                Fault::Windlass,
                format!("unit {} was given to the PostgreSQL driver, but is no statement", unit.id),
            ));
        };
        let session = Session::open_in(cx, target, &name(cx, unit), limit(cx), scratch).await?;
        let job = Self { is_scratch: scratch.is_some(), ..Self::on(cx, unit, Arc::new(session)) };
        let version = job
            .session
            .value("SHOW server_version_num")
            .await
            .map_err(|t| job.failure(t, "asking its version"))?;
        if version
            .as_deref()
            .and_then(|version| version.parse::<u32>().ok())
            .is_some_and(|version| version < 130_000)
        {
            return Err(Failure::clean(
                Fault::Target,
                format!("{}: the server is older than PostgreSQL 13; nothing was done", job.session.shown),
            ));
        }
        Ok(job)
    }

    /// The same, together with others.
    pub(super) fn with(self, company: Arc<Company>) -> Self {
        Self { company: Some(company), ..self }
    }

    /// Another unit in the same transaction; nothing if it does not run under the same settings.
    pub(super) fn next(&self, cx: &Context, unit: &Unit) -> Option<Self> {
        let same = settings(cx, unit) == self.settings && cx.timeout_ms == self.cx.timeout_ms;
        let company = self.company.clone();
        same.then(|| Self { company, ..Self::on(cx, unit, Arc::clone(&self.session)) })
    }

    /// What the server has counted in the transaction so far.
    pub(super) async fn counts(&self) -> Result<Counts, Trouble> {
        match &self.company {
            Some(company) => company.count(&self.session).await,
            None => facts::counts(&self.session).await,
        }
    }

    /// The same, where nothing was done since the last time that it was asked for.
    pub(super) async fn counts_before(&self) -> Result<Counts, Trouble> {
        match &self.company {
            Some(company) => Ok(company.counted()),
            None => facts::counts(&self.session).await,
        }
    }

    /// The same on a connection that is there.
    pub(super) fn on(cx: &Context, unit: &Unit, session: Arc<Session>) -> Self {
        let limit = limit(cx);
        session.renew(limit);
        Self {
            cx: cx.clone(),
            unit: unit.clone(),
            session,
            limit,
            settings: settings(cx, unit),
            is_scratch: false,
            company: None,
            moved: Mutex::default(),
        }
    }

    /// Keeps what a try moved, which no rollback turns back.
    pub(super) fn remember(&self, moved: &Moved) {
        moved.clone_into(&mut self.moved.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// What tries have moved until now.
    pub(super) fn moved(&self) -> Moved {
        self.moved.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The statement.
    pub(super) fn statement(&self) -> &str {
        match &self.unit.action {
            Action::Sql { statement, .. } => statement,
            _ => unreachable!("a job has a statement"),
        }
    }

    /// The statement as it is sent, with its secrets.
    pub(super) fn resolved(&self) -> Result<Cow<'_, str>, Failure> {
        secrets::resolved(&self.cx, &self.unit, self.statement(), Dialect::Postgresql, false)
    }

    /// Lines behind `COPY … FROM stdin`.
    pub(super) fn data(&self) -> Option<&str> {
        match &self.unit.action {
            Action::Sql { data, .. } => data.as_deref(),
            _ => None,
        }
    }

    /// Rows that the document expects.
    pub(super) fn rows(&self) -> Option<u64> {
        match &self.unit.action {
            Action::Sql { rows, .. } => *rows,
            _ => None,
        }
    }

    /// What the statement is.
    pub(super) fn summary(&self) -> Summary {
        let (statements, _) = windlass_sql::split(self.statement(), Dialect::Postgresql);
        statements.into_iter().next().map(|statement| statement.summary).unwrap_or_default()
    }

    /// Opens a transaction. `locks` are taken before anything is read, so that nothing is missed.
    pub(super) async fn begin(&self, mode: Mode, locks: &[Lock]) -> Result<(), Trouble> {
        let ms = self.limit.as_millis();
        // Several tries have to fit in.
        let lock = LOCK_MAX.min(self.limit / 16).as_millis().max(1);
        let level = match mode {
            Mode::Write => "REPEATABLE READ",
            Mode::Plain => "READ COMMITTED",
            Mode::Read => "REPEATABLE READ READ ONLY",
        };
        let mut sql = format!(
            "BEGIN ISOLATION LEVEL {level}; SET LOCAL lock_timeout = {lock}; SET LOCAL statement_timeout = {ms}; \
             SET LOCAL idle_in_transaction_session_timeout = 0; SET LOCAL application_name = {}",
            text(&match self.company {
                Some(_) => company_name(&self.cx),
                None => name(&self.cx, &self.unit),
            })
        );
        for (at, one) in locks.iter().enumerate() {
            if at == 1 && self.company.is_some() {
                // Whoever holds what others need gives up long before they do.
                sql.push_str("; SET LOCAL lock_timeout = 100");
            }
            sql.push_str(&format!("; {}", one.sql()));
        }
        if locks.len() > 1 && self.company.is_some() {
            sql.push_str(&format!("; SET LOCAL lock_timeout = {lock}"));
        }
        self.session.act(&sql).await.map(|_| ())
    }

    /// The settings that a statement of the document runs under: those of the connection, then those of its step.
    pub(super) async fn scope(&self) -> Result<Scope, Trouble> {
        let list = OWN
            .iter()
            .map(|(name, _)| format!("current_setting({})", text(name)))
            .collect::<Vec<_>>()
            .join(", ");
        let values: Row =
            self.session.ask(&format!("SELECT {list}")).await?.into_iter().next().unwrap_or_default();
        let theirs = OWN.iter().zip(values).map(|((name, _), value)| (*name, value.unwrap_or_default()));
        let theirs = theirs.map(|(name, value)| format!("SET LOCAL {name} = {}", setting(name, &value)));
        let own = OWN.iter().map(|(name, value)| format!("SET LOCAL {name} = {value}"));
        let mut scope = Scope { theirs: theirs.collect(), own: own.collect(), role: false };
        for statement in &self.settings {
            let words = keywords(statement, Dialect::Postgresql, 3);
            if words.iter().any(|word| ["ROLE", "AUTHORIZATION"].contains(&word.as_str())) {
                scope.role = true;
                scope.own.insert(0, "SET LOCAL ROLE NONE".to_owned());
                scope.own.insert(0, "SET LOCAL SESSION AUTHORIZATION DEFAULT".to_owned());
            }
            scope.theirs.extend(local(statement));
        }
        self.session.act(&scope.own.join("; ")).await?;
        Ok(scope)
    }

    /// Under the settings of the document.
    pub(super) async fn theirs(&self, scope: &Scope) -> Result<(), Trouble> {
        self.set(&scope.theirs).await
    }

    /// In company an answer is not waited for.
    async fn set(&self, list: &[String]) -> Result<(), Trouble> {
        let sql = list.join("; ");
        match self.company {
            Some(_) => self.session.later(sql),
            None => self.session.act(&sql).await.map(drop)?,
        }
        Ok(())
    }

    /// Under our own.
    pub(super) async fn own(&self, scope: &Scope) -> Result<(), Trouble> {
        self.set(&scope.own).await
    }

    /// A clean failure: the transaction, if there was one, is over without effect.
    pub(super) fn failure(&self, trouble: Trouble, doing: &str) -> Failure {
        let at = &self.session.shown;
        let place = place(&self.cx, &self.unit, None);
        match trouble {
            Trouble::Server(error) => self.refused(&error, None, doing),
            Trouble::Lost(why) => Failure::clean(
                Fault::Transport,
                format!("{place}: the connection to {at} was lost ({doing}): {why}; nothing was changed"),
            )
            .retryable()
            .hint("is the server up? then: windlass resume"),
            Trouble::Stopped => Failure::clean(
                Fault::Target,
                format!("{place}: stopped while {doing}; cancelled, nothing was changed"),
            )
            .retryable()
            .hint("windlass resume, or windlass rollback"),
            Trouble::Late => self.late(),
            Trouble::Raced => Failure::clean(
                Fault::Target,
                format!(
                    "{place}: `{}`: others change definitions at the same time, at each try; rolled back, nothing was changed",
                    one_line(self.statement(), 120)
                ),
            )
            .retryable()
            .hint("let their release end, then: windlass resume"),
        }
    }

    fn late(&self) -> Failure {
        Failure::clean(
            Fault::Target,
            format!(
                "{}: `{}` did not finish in {} s; cancelled, nothing was changed",
                place(&self.cx, &self.unit, None),
                one_line(self.statement(), 120),
                self.limit.as_secs()
            ),
        )
        .hint("raise `timeout=` of the step, or change fewer rows at a time")
    }

    /// What the server said against a statement. `shift` is what stands in front of the document's text in what was sent, in
    /// characters; `None`: it was a statement of our own.
    pub(super) fn refused(&self, error: &DbError, shift: Option<usize>, doing: &str) -> Failure {
        let character = match (error.position(), shift) {
            // With secrets it was another text.
            (Some(ErrorPosition::Original(at)), Some(shift))
                if !has_secrets(&self.unit.action, Dialect::Postgresql) =>
            {
                (*at as usize).checked_sub(shift + 1)
            }
            _ => None,
        };
        let inside = character.filter(|at| *at <= self.statement().chars().count());
        let place = place(&self.cx, &self.unit, inside);
        if *error.code() == SqlState::QUERY_CANCELED && error.message().contains("statement timeout") {
            return self.late();
        }
        let what = match shift {
            Some(_) => format!("`{}`", one_line(self.statement(), 120)),
            None => format!("`{}` ({doing})", one_line(self.statement(), 80)),
        };
        let mut text = format!("{place}: {what}: the server says: {}", one_line(error.message(), 400));
        for more in [error.detail(), error.where_().filter(|_| shift.is_some())].into_iter().flatten() {
            text.push_str(&format!(" ({})", one_line(more, 300)));
        }
        text.push_str("; rolled back, nothing was changed");
        let fault = if shift.is_some() { Fault::Document } else { Fault::Target };
        let mut failure = Failure::clean(fault, self.cx.secrets.mask(&text));
        if let Some(hint) = error.hint() {
            failure = failure.hint(one_line(hint, 300));
        }
        failure.hints.extend(self.hints(error.code()));
        failure.retry = retryable(error.code());
        failure
    }

    fn hints(&self, code: &SqlState) -> Vec<String> {
        let role = "the user of the URL";
        match code {
            code if *code == SqlState::INSUFFICIENT_PRIVILEGE => vec![format!(
                "{role} may not do this; grant it, or name another user in the URL; then: windlass resume"
            )],
            code if *code == SqlState::DISK_FULL => {
                vec!["make room on the server's disk; then: windlass resume".to_owned()]
            }
            code if *code == SqlState::READ_ONLY_SQL_TRANSACTION => {
                let standby =
                    "is it a standby? name the primary in the URL, or `target_session_attrs=read-write`";
                let query = "a query that calls functions of which the catalog says that they only read runs where nothing can be written: \
                             mark the function VOLATILE, or the step `irreversible`";
                vec![standby.to_owned(), query.to_owned()]
            }
            _ => vec![],
        }
    }
}

/// Worth another try as it is.
fn retryable(code: &SqlState) -> bool {
    [
        SqlState::LOCK_NOT_AVAILABLE,
        SqlState::T_R_SERIALIZATION_FAILURE,
        SqlState::T_R_DEADLOCK_DETECTED,
        SqlState::DISK_FULL,
        SqlState::OUT_OF_MEMORY,
        SqlState::TOO_MANY_CONNECTIONS,
    ]
    .contains(code)
}

/// Settings for a statement of the document and for our own questions.
pub(super) struct Scope {
    theirs: Vec<String>,
    own: Vec<String>,
    /// The document changes its role.
    pub(super) role: bool,
}

impl Scope {
    /// What brings our own settings.
    pub(super) fn ours(&self) -> String {
        self.own.join("; ")
    }

    /// A question that is asked under the settings of the document.
    pub(super) fn around(&self, question: &str) -> String {
        [&self.theirs.join("; "), question, &self.ours()].join("; ")
    }
}

/// What our own questions need: names in full, values that read back as what they are.
const OWN: [(&str, &str); 7] = [
    ("search_path", "pg_catalog"),
    ("DateStyle", "'ISO, YMD'"),
    ("IntervalStyle", "'postgres'"),
    ("extra_float_digits", "1"),
    ("bytea_output", "'hex'"),
    ("standard_conforming_strings", "on"),
    ("check_function_bodies", "off"),
];

/// `value` of a setting as `SET` takes it.
fn setting(name: &str, value: &str) -> String {
    // A list: quoted as a whole it would be one name.
    if name == "search_path" && !value.is_empty() { value.to_owned() } else { text(value) }
}

/// A setting of the document for this transaction only: a pooler may give the connection to somebody else behind it.
pub(super) fn local(statement: &str) -> Option<String> {
    let words = keywords(statement, Dialect::Postgresql, 3);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let behind = |count: usize| {
        let mut rest = statement.trim_start();
        for _ in 0..count {
            rest = rest.trim_start_matches(|c: char| c.is_alphanumeric() || c == '_').trim_start();
        }
        rest
    };
    match words.as_slice() {
        // The document is UTF-8, and so is what is sent.
        ["SET", "NAMES" | "CLIENT_ENCODING", ..]
        | ["SET", "LOCAL" | "SESSION", "NAMES" | "CLIENT_ENCODING"] => None,
        ["DISCARD", ..] | ["RESET", "ALL", ..] => None,
        ["SET", "LOCAL" | "TRANSACTION" | "CONSTRAINTS", ..] => Some(statement.to_owned()),
        ["SET", "SESSION", "AUTHORIZATION", ..] => Some(format!("SET LOCAL {}", behind(1))),
        ["SET", "SESSION", ..] => Some(format!("SET LOCAL {}", behind(2))),
        ["SET", ..] => Some(format!("SET LOCAL {}", behind(1))),
        ["RESET", ..] => Some(format!("SET LOCAL {} TO DEFAULT", behind(1))),
        ["SELECT", ..] => {
            let set = set_config(statement).filter(|set| set.name != "client_encoding")?;
            Some(format!("SET LOCAL {} = {}", set.name, setting(&set.name, &set.value)))
        }
        _ => None,
    }
}

/// Name of the connection, by which it is found when its controller is dead: at most 63 bytes.
pub(super) fn name(cx: &Context, unit: &Unit) -> String {
    bounded(&format!("windlass {} {}", cx.run, unit.id))
}

/// The same for several units of a run: whichever of them is looked for, it is this one.
pub(super) fn company_name(cx: &Context) -> String {
    bounded(&format!("windlass {}", cx.run))
}

fn limit(cx: &Context) -> Duration {
    cx.timeout_ms.map_or(STATEMENT_MAX, Duration::from_millis)
}

fn settings(cx: &Context, unit: &Unit) -> Vec<String> {
    session_before(cx, unit).into_iter().map(str::to_owned).collect()
}

fn bounded(full: &str) -> String {
    let ascii: String =
        full.chars().map(|c| if c.is_ascii_graphic() || c == ' ' { c } else { '?' }).collect();
    if ascii.len() <= 63 {
        return ascii;
    }
    format!("{}…{}", &ascii[..40], &crate::disk::sha256(full.as_bytes())[..12]).replace('…', "~")
}

/// Whether the statement only sets something of the session.
pub(super) fn is_session(summary: &Summary) -> bool {
    summary.kind == Kind::Session
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_last_for_the_transaction() {
        for (statement, expected) in [
            ("SET search_path = a, b", Some("SET LOCAL search_path = a, b")),
            ("set session statement_timeout to 5", Some("SET LOCAL statement_timeout to 5")),
            ("SET LOCAL x = 1", Some("SET LOCAL x = 1")),
            ("RESET search_path", Some("SET LOCAL search_path TO DEFAULT")),
            ("SET ROLE owner", Some("SET LOCAL ROLE owner")),
            ("SET SESSION AUTHORIZATION bob", Some("SET LOCAL SESSION AUTHORIZATION bob")),
            ("SET NAMES 'GBK'", None),
            ("SET client_encoding = 'UTF8'", None),
            ("SELECT pg_catalog.set_config('search_path', '', false)", Some("SET LOCAL search_path = ''")),
            (
                "SELECT set_config('search_path', 'a, \"$user\"', false)",
                Some("SET LOCAL search_path = a, \"$user\""),
            ),
            ("SELECT set_config('app.user', 'it''s', true)", Some("SET LOCAL app.user = 'it''s'")),
        ] {
            assert_eq!(local(statement).as_deref(), expected, "{statement}");
        }
    }
}
