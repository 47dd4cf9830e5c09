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
/// What is sent and received.
const UTF8: &str = "SESSION character_set_client = utf8mb4, SESSION character_set_results = utf8mb4";
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
    /// The server is older than those that are supported.
    Old(String),
}

impl Trouble {
    pub(super) fn code(&self) -> u16 {
        match self {
            Self::Server { code, .. } => *code,
            _ => 0,
        }
    }

    /// A lock of another session is in the way, or was.
    pub(super) fn is_locked(&self) -> bool {
        matches!(self.code(), 1205 | 1213)
    }

    /// The server has no room on a disk. Each of its layers has a code of its own for that; below them it is number 28 of the system, or
    /// 135 and 136 of the storage engines (`HA_ERR_RECORD_FILE_FULL`, `HA_ERR_INDEX_FILE_FULL` of include/my_base.h).
    pub(super) fn is_full(&self) -> bool {
        const WORDS: [&str; 3] = ["rrno: ", "rrcode: ", "rror "];
        match self {
            Self::Server { code: 1021 | 1114 | 3675, .. } => true,
            Self::Server { text, .. } => {
                let number = |word: &&str| {
                    let behind = text.split_once(*word).map_or("", |(_, rest)| rest);
                    let digits = behind.bytes().take_while(u8::is_ascii_digit).count();
                    matches!(&behind[..digits], "28" | "135" | "136")
                };
                text.contains("No space left on device") || WORDS.iter().any(number)
            }
            _ => false,
        }
    }

    /// In words.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Server { code, text } => format!("the server says: {text} ({code})"),
            Self::Cut(false) => "it did not finish in the time it was given and was stopped".to_owned(),
            Self::Cut(true) => "it was stopped, as asked".to_owned(),
            Self::Lost(why) => format!("the connection to the server broke: {why}"),
            Self::Old(version) => {
                let (mysql, mariadb) = (OLDEST.mysql, OLDEST.mariadb);
                format!(
                    "the server says that its version is {version}, which is older than MySQL {}.{} and MariaDB {}.{}",
                    mysql.0, mysql.1, mariadb.0, mariadb.1
                )
            }
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

/// First versions (major, minor) that are supported.
struct Oldest {
    mysql: (u32, u32),
    mariadb: (u32, u32),
}

/// MySQL 8.0 is the first whose statements on definitions are all or nothing; MariaDB 10.3 is the first with invisible columns, which hold what
/// `DROP COLUMN` takes away, and with `ALGORITHM=INSTANT`.
const OLDEST: Oldest = Oldest { mysql: (8, 0), mariadb: (10, 3) };

/// Whether a server that says this of its version is too old; one that cannot be read is not.
fn is_too_old(version: &str) -> bool {
    // MariaDB calls itself 5.5.5 in front of that where old replicas may read it.
    let own = version.strip_prefix("5.5.5-").unwrap_or(version);
    let mut numbers =
        own.split('.').map(|word| word.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok());
    let (Some(Some(major)), Some(Some(minor))) = (numbers.next(), numbers.next()) else { return false };
    (major, minor) < if version.contains("MariaDB") { OLDEST.mariadb } else { OLDEST.mysql }
}

/// Which server answers.
#[derive(Clone, Debug)]
pub(super) struct Server {
    /// MariaDB; else MySQL.
    pub(super) mariadb: bool,
    /// As it says it.
    pub(super) text: String,
    /// It runs statements of its own at each login (`init_connect`), and at no reset.
    greets: bool,
}

/// A connection.
pub(super) struct Session {
    conn: Conn,
    opts: Opts,
    pub(super) address: Address,
    pub(super) server: Server,
    deadline: Instant,
    stopping: Option<Stopping>,
    /// The role with which it began; no reset brings that back.
    role: Option<String>,
    /// A statement was stopped, or the link was lost: nothing may follow on it.
    hurt: bool,
    /// A statement met a lock of another session.
    pub(super) met_lock: bool,
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
        Self::open_target(cx, target(unit)).await
    }

    /// Connects to a target.
    pub(super) async fn open_target(cx: &Context, target: &str) -> Result<Self, Failure> {
        let url = crate::sql::url(cx, target, UrlKind::Mysql)?;
        let address = url::parse(&url, &cx.base)
            .map_err(|why| Failure::clean(Fault::Document, format!("target `{target}`: {why}")))?;
        let limit = cx.timeout_ms.map_or(STATEMENT_MAX, Duration::from_millis);
        let reached = Self::reach(address.clone(), limit).await;
        let mut session = reached.map_err(|error| refused(cx, &address, &error))?;
        session.begin().await.map_err(|trouble| session.clean(&trouble, "setting up the connection"))?;
        Ok(session)
    }

    async fn reach(address: Address, limit: Duration) -> Result<Self, Error> {
        let (conn, opts) = connect(&address).await?;
        let server = Server { mariadb: false, text: String::new(), greets: false };
        Ok(Self {
            conn,
            opts,
            address,
            server,
            deadline: Instant::now() + limit,
            stopping: None,
            role: None,
            hurt: false,
            met_lock: false,
        })
    }

    /// Connects to an address without a unit.
    pub(super) async fn plain(address: Address, limit: Duration) -> Result<Self, String> {
        let shown = address.shown.clone();
        let no = |why: String| format!("cannot connect to {shown}: {why}");
        let mut session = Self::reach(address, limit).await.map_err(|error| no(error.to_string()))?;
        session.begin().await.map_err(|trouble| no(trouble.text()))?;
        Ok(session)
    }

    /// As it was when it was new; `None`: it cannot be.
    pub(super) async fn reset(mut self) -> Option<Self> {
        if self.hurt || self.server.greets {
            return None;
        }
        self.stopping = None;
        self.met_lock = false;
        let reset = tokio::time::timeout(CONNECT_MAX, self.conn.reset()).await;
        let same = matches!(reset, Ok(Ok(true))) && self.current_role().await == self.role;
        same.then_some(self)
    }

    /// For statements of a unit, after [`Session::reset`]; `None`: it is gone.
    pub(super) async fn again(mut self, cx: &Context) -> Option<Self> {
        self.renew(cx);
        // No reset does that.
        let database = windlass_sql::quote(&self.address.database, windlass_sql::Dialect::Mysql);
        self.run(&format!("USE {database}")).await.ok()?;
        self.begin().await.ok()?;
        Some(self)
    }

    /// From now on, statements have the time of the unit before them.
    pub(super) fn renew(&mut self, cx: &Context) {
        self.limit(cx.timeout_ms.map_or(STATEMENT_MAX, Duration::from_millis));
    }

    /// From now on, statements have this time before them.
    pub(super) fn limit(&mut self, limit: Duration) {
        self.deadline = Instant::now() + limit;
    }

    /// From here on a person who asks to stop stops the statement. Only where that leaves no effect.
    pub(super) fn stoppable(&mut self, cx: &Context) {
        self.stopping = Some(cx.stopping.clone());
    }

    async fn begin(&mut self) -> Result<(), Trouble> {
        if self.server.text.is_empty() {
            let text = self.value("SELECT VERSION()").await?.unwrap_or_default();
            if is_too_old(&text) {
                return Err(Trouble::Old(text));
            }
            self.server.mariadb = text.contains("MariaDB");
            self.server.text = text;
            let greeting = self.value("SELECT @@global.init_connect").await?.unwrap_or_default();
            self.server.greets = !greeting.trim().is_empty();
            self.role = self.current_role().await;
        }
        let charset = self.address.charset.clone().unwrap_or_else(|| "utf8mb4".to_owned());
        let wait = LOCK_WAIT_S;
        self.run(&format!(
            "SET NAMES {charset}, SESSION autocommit = 1, SESSION lock_wait_timeout = {wait}, SESSION innodb_lock_wait_timeout = {wait}, \
             SESSION sql_quote_show_create = 1, SESSION group_concat_max_len = 1048576, {UTF8}"
        ))
        .await?;
        self.run("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ").await.map(drop)
    }

    /// A server that does not know the question has no roles.
    async fn current_role(&mut self) -> Option<String> {
        self.value("SELECT CURRENT_ROLE()").await.ok().flatten()
    }

    /// Statements are sent as UTF-8, whatever `SET NAMES` says: the server is told so, and makes of their literals what
    /// the connection's character set says.
    pub(super) async fn utf8(&mut self) -> Result<(), Trouble> {
        self.run(&format!("SET {UTF8}")).await.map(drop)
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
            answer = &mut work => {
                return answer.map_err(Trouble::from).inspect_err(|trouble| {
                    self.hurt |= trouble.code() == 0;
                    self.met_lock |= trouble.is_locked();
                });
            }
            stopped = cut(self.deadline, self.stopping.as_ref()) => stopped,
        };
        // The word may come after the statement that it is for.
        self.hurt = true;
        kill(&self.opts, id).await;
        match tokio::time::timeout(CONNECT_MAX, &mut work).await {
            // It was quicker than the word to stop.
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(Error::Server(error))) if error.code == 1317 => Err(Trouble::Cut(stopped)),
            Ok(Err(error)) => Err(error.into()),
            Err(_) => Err(Trouble::Lost("it did not answer when the statement was stopped".to_owned())),
        }
    }

    /// Hands over the rows of a question one by one, with all digits of its numbers (by the binary protocol).
    pub(super) async fn each(
        &mut self,
        sql: &str,
        mut take: impl FnMut(Vec<Option<Vec<u8>>>) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let shown = self.address.shown.clone();
        let said =
            |error: Error| Failure::clean(Fault::Target, format!("{shown}: {}", Trouble::from(error).text()));
        // Rows that nobody took would be the answer of the next question.
        self.hurt = true;
        let mut result = self.conn.exec_iter(sql, ()).await.map_err(said)?;
        while let Some(row) = result.next().await.map_err(said)? {
            take(row.unwrap().into_iter().map(bytes).collect())?;
        }
        result.drop_result().await.map_err(said)?;
        self.hurt = false;
        Ok(())
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
        match trouble {
            Trouble::Lost(_) => failure.retryable(),
            Trouble::Old(_) => failure
                .hint("upgrade the server, or run the statements by its own client: a fence `sh`, not `sql`"),
            _ => failure,
        }
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

fn bytes(value: mysql_async::Value) -> Option<Vec<u8>> {
    match value {
        mysql_async::Value::NULL => None,
        mysql_async::Value::Bytes(bytes) => Some(bytes),
        other => Some(other.as_sql(true).into_bytes()),
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

    #[test]
    fn versions_that_are_too_old() {
        for old in
            ["5.7.44-log", "5.6.10", "10.2.44-MariaDB", "5.5.68-MariaDB", "5.5.5-10.1.48-MariaDB-0+deb9u2"]
        {
            assert!(is_too_old(old), "{old}");
        }
        for good in [
            "8.0.36-28",
            "9.7.4",
            "10.3.39-MariaDB",
            "5.5.5-10.11.19-MariaDB-0+deb12u1",
            "12.0.2-MariaDB",
            "",
            "unknown",
        ] {
            assert!(!is_too_old(good), "{good}");
        }
    }

    #[test]
    fn a_full_disk_is_known_by_any_layer() {
        let says = |code: u16, text: &str| Trouble::Server { code, text: text.to_owned() }.is_full();
        assert!(says(1114, "The table 't' is full"));
        assert!(says(3, "Error writing file './a/t.frm' (Errcode: 28 \"No space left on device\")"));
        assert!(says(1030, "Got error 28 from storage engine"));
        assert!(says(3675, "Create table/tablespace 't' failed, as disk is full"));
        assert!(says(1005, "Kann Tabelle nicht erzeugen (errno: 28 - Auf dem Gerät ist kein Platz)"));
        assert!(says(1005, "Can't create table `a`.`t` (errno: 135 \"No more room in record file\")"));
        assert!(!says(1030, "Got error 280 from storage engine"));
        assert!(!says(1062, "Duplicate entry '28' for key"));
    }
}
