//! One connection for one piece of work, and statements on it.
//!
//! A query future of `mysql_async` that is dropped before its end leaves its answer in the connection, and the next query
//! reads it. So a statement is never dropped and its connection used again: when its time is over, a second
//! connection kills it (`KILL QUERY`) and its answer is waited for. A driver's future that is dropped as a whole drops its
//! connection with it. Statements are sent one at a time: an error behind the first of several is easily missed.

use super::url::{self, Address};
use mysql_async::{Conn, DriverError, Error, Opts, prelude::Queryable as _};
use std::time::Duration;
use tokio::time::Instant;
use windlass_driver::{Context, Failure, Fault, Stopping};
use windlass_plan::{Action, Unit, UrlKind};

/// Longest statement without a timeout of its own.
const STATEMENT_MAX: Duration = Duration::from_secs(60 * 60);
/// Longest wait for a connection, and for the answer of a statement that was killed.
const CONNECT_MAX: Duration = Duration::from_secs(10);
/// Seconds that one try waits for a lock of another session.
pub(super) const LOCK_WAIT_S: u32 = 3;

/// What came of a statement.
#[derive(Clone, Debug, Default)]
pub(super) struct Answer {
    /// Column names of a result.
    pub(super) names: Vec<String>,
    /// Its first rows, up to the bound that was given; `None` is NULL.
    pub(super) rows: Vec<Vec<Option<String>>>,
    /// How many there were.
    pub(super) count: u64,
    /// Rows changed.
    pub(super) affected: u64,
    /// Rows that an `UPDATE` found, also those that already were as wanted.
    pub(super) matched: Option<u64>,
    pub(super) warnings: u16,
}

impl Answer {
    /// First value of the first row.
    pub(super) fn first(&self) -> Option<&str> {
        self.rows.first()?.first()?.as_deref()
    }
}

/// Why a statement has no answer.
#[derive(Clone, Debug)]
pub(super) enum Trouble {
    /// The server refused it; it had no effect, for every statement is all or nothing.
    Server { code: u16, text: String },
    /// It was killed on our word: its time was over (false) or a person asked to stop (true). It had no effect.
    Cut(bool),
    /// The connection broke: whether it had an effect is not known. The server rolls an open transaction back.
    Lost(String),
}

impl Trouble {
    pub(super) fn code(&self) -> u16 {
        match self {
            Self::Server { code, .. } => *code,
            _ => 0,
        }
    }

    /// In words.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Server { code, text } => format!("the server says: {text} ({code})"),
            Self::Cut(false) => "it did not finish in the time it was given and was stopped".to_owned(),
            Self::Cut(true) => "it was stopped, as asked".to_owned(),
            Self::Lost(why) => format!("the connection to the server broke: {why}"),
        }
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        match error {
            Error::Server(error) => Self::Server { code: error.code, text: error.message },
            other => Self::Lost(other.to_string()),
        }
    }
}

/// Which server answers.
#[derive(Clone, Debug)]
pub(super) struct Server {
    /// MariaDB; else MySQL.
    pub(super) mariadb: bool,
    /// As it says it.
    pub(super) text: String,
}

/// A connection.
pub(super) struct Session {
    conn: Conn,
    opts: Opts,
    pub(super) address: Address,
    pub(super) server: Server,
    deadline: Instant,
    stopping: Option<Stopping>,
}

/// The target of the unit.
pub(super) fn target(unit: &Unit) -> &str {
    match &unit.action {
        Action::Sql { target, .. } => target,
        _ => unreachable!("the driver takes statements only"),
    }
}

impl Session {
    /// Connects to the target of `unit`. Failures of this and of everything before the statement are clean.
    pub(super) async fn open(cx: &Context, unit: &Unit) -> Result<Self, Failure> {
        let target = target(unit);
        let url = crate::sql::url(cx, target, UrlKind::Mysql)?;
        let address = url::parse(&url, &cx.base)
            .map_err(|why| Failure::clean(Fault::Document, format!("target `{target}`: {why}")))?;
        let (conn, opts) = connect(&address).await.map_err(|error| refused(cx, &address, &error))?;
        let limit = cx.timeout_ms.map_or(STATEMENT_MAX, Duration::from_millis);
        let server = Server { mariadb: false, text: String::new() };
        let deadline = Instant::now() + limit;
        let mut session = Self { conn, opts, address, server, deadline, stopping: None };
        session.begin().await.map_err(|trouble| session.clean(&trouble, "setting up the connection"))?;
        Ok(session)
    }

    /// From here on a person who asks to stop stops the statement. Only where that leaves no effect.
    pub(super) fn stoppable(&mut self, cx: &Context) {
        self.stopping = Some(cx.stopping.clone());
    }

    async fn begin(&mut self) -> Result<(), Trouble> {
        let text = self.value("SELECT VERSION()").await?.unwrap_or_default();
        self.server.mariadb = text.contains("MariaDB");
        self.server.text = text;
        let charset = self.address.charset.clone().unwrap_or_else(|| "utf8mb4".to_owned());
        self.run(&format!("SET NAMES {charset}")).await?;
        let wait = LOCK_WAIT_S;
        self.run(&format!(
            "SET SESSION autocommit = 1, lock_wait_timeout = {wait}, innodb_lock_wait_timeout = {wait}, \
             sql_quote_show_create = 1, group_concat_max_len = 1048576"
        ))
        .await?;
        self.run("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ").await?;
        self.utf8().await
    }

    /// Statements are sent as UTF-8, whatever `SET NAMES` says: the server is told so, and makes of their literals what
    /// the connection's character set says.
    pub(super) async fn utf8(&mut self) -> Result<(), Trouble> {
        self.run("SET character_set_client = utf8mb4, character_set_results = utf8mb4").await.map(drop)
    }

    /// One statement with all its rows.
    pub(super) async fn run(&mut self, sql: &str) -> Result<Answer, Trouble> {
        self.read(sql, usize::MAX).await
    }

    /// First value of the first row.
    pub(super) async fn value(&mut self, sql: &str) -> Result<Option<String>, Trouble> {
        Ok(self.run(sql).await?.first().map(str::to_owned))
    }

    /// One statement; at most `max` rows are kept.
    pub(super) async fn read(&mut self, sql: &str, max: usize) -> Result<Answer, Trouble> {
        let id = self.conn.id();
        let work = query(&mut self.conn, sql, max);
        tokio::pin!(work);
        let stopped = tokio::select! {
            answer = &mut work => return Ok(answer?),
            stopped = cut(self.deadline, self.stopping.as_ref()) => stopped,
        };
        kill(&self.opts, id).await;
        match tokio::time::timeout(CONNECT_MAX, &mut work).await {
            // It was quicker than the word to stop.
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(Error::Server(error))) if error.code == 1317 => Err(Trouble::Cut(stopped)),
            Ok(Err(error)) => Err(error.into()),
            Err(_) => Err(Trouble::Lost("it did not answer when the statement was stopped".to_owned())),
        }
    }

    /// Messages of the last statement, as the server words them; call it before anything else runs.
    pub(super) async fn warnings(&mut self, answer: &Answer) -> Vec<String> {
        if answer.warnings == 0 {
            return vec![];
        }
        let Ok(found) = self.read("SHOW WARNINGS", 20).await else { return vec![] };
        let line = |row: &Vec<Option<String>>| {
            let word = |at: usize| row.get(at).cloned().flatten().unwrap_or_default();
            format!("{} {}: {}", word(0).to_lowercase(), word(1), word(2))
        };
        let mut lines: Vec<String> = found.rows.iter().map(line).collect();
        if u64::from(answer.warnings) > lines.len() as u64 {
            lines.push(format!("{} warnings in all", answer.warnings));
        }
        lines
    }

    /// Ends it in good order.
    pub(super) async fn close(self) {
        let _ = tokio::time::timeout(CONNECT_MAX, self.conn.disconnect()).await;
    }

    /// A failure that certainly changed nothing.
    pub(super) fn clean(&self, trouble: &Trouble, doing: &str) -> Failure {
        let text = format!("{}: {} ({doing}); nothing was changed", self.address.shown, trouble.text());
        let failure = Failure::clean(fault(trouble), text);
        if matches!(trouble, Trouble::Lost(_)) { failure.retryable() } else { failure }
    }
}

fn fault(trouble: &Trouble) -> Fault {
    if matches!(trouble, Trouble::Lost(_)) { Fault::Transport } else { Fault::Target }
}

async fn query(conn: &mut Conn, sql: &str, max: usize) -> Result<Answer, Error> {
    let mut result = conn.query_iter(sql).await?;
    let mut answer = Answer::default();
    if let Some(columns) = result.columns() {
        answer.names = columns.iter().map(|column| column.name_str().into_owned()).collect();
    }
    while let Some(row) = result.next().await? {
        answer.count += 1;
        if answer.rows.len() < max {
            answer.rows.push(row.unwrap().into_iter().map(text).collect());
        }
    }
    answer.affected = result.affected_rows();
    answer.warnings = result.warnings();
    answer.matched = matched(&result.info());
    // The results behind the first, of a procedure: an error there is an error of the statement.
    result.drop_result().await?;
    Ok(answer)
}

fn text(value: mysql_async::Value) -> Option<String> {
    match value {
        mysql_async::Value::NULL => None,
        mysql_async::Value::Bytes(bytes) => Some(match String::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => format!("<{} bytes>", error.as_bytes().len()),
        }),
        other => Some(other.as_sql(true).trim_matches('\'').to_owned()),
    }
}

/// `Rows matched: 3  Changed: 2  Warnings: 0`
fn matched(info: &str) -> Option<u64> {
    info.strip_prefix("Rows matched: ")?.split(' ').next()?.parse().ok()
}

/// Ends when the work has to be cut: false because of the time, true because a person asked.
async fn cut(deadline: Instant, stopping: Option<&Stopping>) -> bool {
    const LOOK: Duration = Duration::from_millis(50);
    loop {
        if Instant::now() >= deadline {
            return false;
        }
        if stopping.is_some_and(Stopping::asked) {
            return true;
        }
        tokio::time::sleep(LOOK.min(deadline - Instant::now())).await;
    }
}

/// Stops what another connection of ours runs.
async fn kill(opts: &Opts, id: u32) {
    let stop = async {
        let mut conn = Conn::new(opts.clone()).await?;
        conn.query_drop(format!("KILL QUERY {id}")).await?;
        conn.disconnect().await
    };
    // What did not work shows when the answer does not come.
    let _ = tokio::time::timeout(CONNECT_MAX, stop).await;
}

async fn connect(address: &Address) -> Result<(Conn, Opts), Error> {
    let mut last = None;
    for opts in address.choices() {
        let found = match tokio::time::timeout(CONNECT_MAX, Conn::new(opts.clone())).await {
            Ok(found) => found,
            Err(_) => {
                let text = format!("no answer within {} s", CONNECT_MAX.as_secs());
                Err(Error::from(std::io::Error::new(std::io::ErrorKind::TimedOut, text)))
            }
        };
        match found {
            Ok(conn) => return Ok((conn, opts)),
            Err(error) => {
                let no_tls = matches!(&error, Error::Driver(DriverError::NoClientSslFlagFromServer));
                last = Some(error);
                if !no_tls {
                    break;
                }
            }
        }
    }
    Err(last.expect("there is at least one choice"))
}

fn tls(failure: Failure) -> Failure {
    failure
        .hint("`ssl-ca=FILE` in the URL names the certificate authority; `ssl-mode=REQUIRED` does not verify")
}

/// Why there is no connection, for a person.
fn refused(cx: &Context, address: &Address, error: &Error) -> Failure {
    let shown = &address.shown;
    let clean = |fault: Fault, why: String| {
        Failure::clean(
            fault,
            format!("cannot connect to {shown}: {}; nothing was changed", cx.secrets.mask(&why)),
        )
    };
    match error {
        Error::Server(error) => {
            let failure =
                clean(Fault::Target, format!("the server says: {} ({})", error.message, error.code));
            match error.code {
                1045 => failure
                    .hint("user or password is wrong; or the user may come from other hosts only (`SELECT user, host FROM mysql.user`)")
                    .hint("a user with REQUIRE SSL is refused with the same words when the connection is not encrypted: add `?ssl-mode=REQUIRED`"),
                1049 => failure.hint("create the database first, or correct its name in the target's URL"),
                1040 | 1203 | 1226 => failure.retryable().hint("too many connections: see `SHOW PROCESSLIST`"),
                1053 | 1077 => failure.retryable(),
                3159 => failure.hint("this server takes encrypted connections only: add `?ssl-mode=REQUIRED`"),
                _ => failure,
            }
        }
        Error::Io(mysql_async::IoError::Tls(error)) => tls(clean(Fault::Transport, format!("TLS: {error}"))),
        Error::Io(mysql_async::IoError::Io(error))
            if error.get_ref().is_some_and(|inner| inner.is::<rustls::Error>()) =>
        {
            tls(clean(Fault::Transport, format!("TLS: {error}")))
        }
        Error::Io(error) => clean(Fault::Transport, error.to_string())
            .retryable()
            .hint("is the server running, and are host and port of the target right?"),
        other => clean(Fault::Transport, other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_that_an_update_found() {
        assert_eq!(matched("Rows matched: 30  Changed: 2  Warnings: 0"), Some(30));
        assert_eq!(matched(""), None);
    }
}
