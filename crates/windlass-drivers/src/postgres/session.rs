//! A connection: questions and statements by the simple protocol, which leaves nothing behind on a server that a pooler
//! shares (PgBouncer in transaction mode), notices, and the end of a statement when it is no longer wanted.

use super::{tls, url};
use futures_util::{SinkExt as _, StreamExt as _};
use std::{
    future::Future,
    pin::pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};
use tokio_postgres::{
    AsyncMessage, CancelToken, Client, Error, SimpleQueryMessage,
    error::{DbError, SqlState},
};
use tokio_postgres_rustls::MakeRustlsConnect;
use windlass_driver::{Context, Failure, Fault};
use windlass_plan::UrlKind;

/// Longest wait for the end of a statement that was cancelled.
const CANCEL_MAX: Duration = Duration::from_secs(30);

/// A question to prepare: its name, and what makes its text.
pub(super) type Question = (&'static str, fn() -> String);

/// A row as text.
pub(super) type Row = Vec<Option<String>>;

/// Why a question has no answer.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The server refused; an open transaction is void.
    Server(Box<DbError>),
    /// The connection is gone; an open transaction is void, or will be.
    Lost(String),
    /// A person asked to stop; cancelled, and over.
    Stopped,
    /// Its time was up; cancelled, and over.
    Late,
    /// Others changed definitions since the transaction took its view of the database.
    Raced,
}

impl Trouble {
    /// Whether the server answered with this state.
    pub(super) fn is(&self, state: &SqlState) -> bool {
        matches!(self, Self::Server(error) if error.code() == state)
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        let Some(db) = error.as_db_error() else {
            let source = std::error::Error::source(&error).map(ToString::to_string);
            return Self::Lost(
                [Some(error.to_string()), source].into_iter().flatten().collect::<Vec<_>>().join(": "),
            );
        };
        // The server ends the connection: shutdown, crash of another backend, pg_terminate_backend.
        let ends = [SqlState::ADMIN_SHUTDOWN, SqlState::CRASH_SHUTDOWN, SqlState::CANNOT_CONNECT_NOW];
        if ends.contains(db.code()) || matches!(db.severity(), "FATAL" | "PANIC") {
            return Self::Lost(db.message().to_owned());
        }
        // An internal error of the server: somebody replaced or dropped the same function, role, … just now.
        if db.message().starts_with("tuple concurrently ") {
            return Self::Raced;
        }
        Self::Server(Box::new(db.clone()))
    }
}

/// What a statement gave.
#[derive(Debug, Default)]
pub(super) struct Answer {
    pub(super) names: Vec<String>,
    /// The first rows.
    pub(super) rows: Vec<Row>,
    /// All rows, or the rows that were changed.
    pub(super) count: u64,
    /// Whether there were rows at all.
    pub(super) is_query: bool,
}

/// A connection.
pub(super) struct Session {
    client: Client,
    cancel: CancelToken,
    connector: MakeRustlsConnect,
    notices: Arc<Notices>,
    stopping: windlass_driver::Stopping,
    deadline: Mutex<Instant>,
    /// What goes to the server in front of the next question, without an answer of its own.
    pending: Mutex<Vec<String>>,
    /// Some of that failed: nothing is known of the transaction but that it must not be committed.
    void: AtomicBool,
    /// Names of what is prepared, until the transaction ends: a pooler gives the next one to another connection.
    prepared: Mutex<Vec<&'static str>>,
    /// `host:port/database`.
    pub(super) shown: String,
}

/// Notices and warnings, kept while somebody listens.
#[derive(Default)]
struct Notices {
    listening: AtomicBool,
    texts: Mutex<Vec<String>>,
}

impl Session {
    /// Connects to a target. `limit` bounds each statement together with the timeout of the server.
    pub(super) async fn open(
        cx: &Context,
        target: &str,
        name: &str,
        limit: Duration,
    ) -> Result<Self, Failure> {
        Self::open_in(cx, target, name, limit, None).await
    }

    /// The same, to another database of the server.
    pub(super) async fn open_in(
        cx: &Context,
        target: &str,
        name: &str,
        limit: Duration,
        database: Option<&str>,
    ) -> Result<Self, Failure> {
        let wrong = |why: String| Failure::clean(Fault::Document, format!("target `{target}`: {why}"));
        let mut address =
            url::parse(&crate::sql::url(cx, target, UrlKind::Postgresql)?, name).map_err(wrong)?;
        if let Some(database) = database {
            address.config.dbname(database);
        }
        Self::connect(target, address, cx.stopping.clone(), limit).await
    }

    /// Connects to an address.
    pub(super) async fn connect(
        target: &str,
        address: url::Address,
        stopping: windlass_driver::Stopping,
        limit: Duration,
    ) -> Result<Self, Failure> {
        let wrong = |why: String| Failure::clean(Fault::Document, format!("target `{target}`: {why}"));
        let connector = tls::connector(&address.verify).map_err(wrong)?;
        let connected = address.config.connect(connector.clone()).await;
        let (client, mut connection) = connected.map_err(|error| unreachable(target, &address, &error))?;
        let notices = Arc::new(Notices::default());
        let sink = Arc::clone(&notices);
        tokio::spawn(async move {
            while let Some(message) = std::future::poll_fn(|cx| connection.poll_message(cx)).await {
                match message {
                    Ok(AsyncMessage::Notice(notice)) if sink.listening.load(Ordering::SeqCst) => {
                        let text = format!("{}: {}", notice.severity(), notice.message());
                        sink.texts.lock().expect("nothing panics while it is held").push(text);
                    }
                    Ok(_) => {}
                    // Whoever waits for an answer gets the error.
                    Err(_) => return,
                }
            }
        });
        let cancel = client.cancel_token();
        let shown = address.shown;
        Ok(Self {
            client,
            cancel,
            connector,
            notices,
            stopping,
            deadline: Mutex::new(Instant::now() + limit),
            pending: Mutex::default(),
            void: AtomicBool::new(false),
            prepared: Mutex::default(),
            shown,
        })
    }

    /// From now on, statements have `limit` more.
    pub(super) fn renew(&self, limit: Duration) {
        *self.deadline.lock().expect("nothing panics while it is held") = Instant::now() + limit;
    }

    /// Sends statements of our own together with whatever comes next, which saves waiting for their answer.
    pub(super) fn later(&self, sql: String) {
        self.pending().push(sql);
    }

    fn pending(&self) -> std::sync::MutexGuard<'_, Vec<String>> {
        self.pending.lock().expect("nothing panics while it is held")
    }

    /// Whether something of [`Session::later`] failed.
    pub(super) fn is_void(&self) -> bool {
        self.void.load(Ordering::SeqCst)
    }

    /// Sends what is pending, and `work` right behind it.
    async fn behind<T>(&self, work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        let pending = std::mem::take(&mut *self.pending());
        if pending.is_empty() {
            return work.await;
        }
        let pending = pending.join("; ");
        let (first, second) = futures_util::future::join(self.client.simple_query(&pending), work).await;
        if let Err(error) = first {
            self.void.store(true, Ordering::SeqCst);
            return Err(error);
        }
        second
    }

    /// The rows of a question of our own; several statements are separated by `;`.
    pub(super) async fn ask(&self, sql: &str) -> Result<Vec<Row>, Trouble> {
        let messages = self.guarded(self.behind(self.client.simple_query(sql)), true).await?;
        Ok(messages.iter().filter_map(row).collect())
    }

    /// One value of a question of our own.
    pub(super) async fn value(&self, sql: &str) -> Result<Option<String>, Trouble> {
        Ok(self.ask(sql).await?.into_iter().next().and_then(|row| row.into_iter().next().flatten()))
    }

    /// The rows of each of several statements of the document.
    pub(super) async fn parts(&self, sql: &str) -> Result<Vec<Vec<Row>>, Trouble> {
        self.notices.listening.store(true, Ordering::SeqCst);
        let messages = self.guarded(self.behind(self.client.simple_query(sql)), true).await;
        self.notices.listening.store(false, Ordering::SeqCst);
        let (mut parts, mut rows) = (vec![], vec![]);
        for message in messages? {
            match message {
                SimpleQueryMessage::CommandComplete(_) => parts.push(std::mem::take(&mut rows)),
                message => rows.extend(row(&message)),
            }
        }
        Ok(parts)
    }

    /// The rows that statements of our own changed, in all.
    pub(super) async fn act(&self, sql: &str) -> Result<u64, Trouble> {
        let messages = self.guarded(self.behind(self.client.simple_query(sql)), true).await?;
        Ok(messages.iter().map(changed).sum())
    }

    /// Prepares questions of our own for the rest of the transaction, where that is not done yet.
    pub(super) async fn prepare(&self, questions: &[Question]) -> Result<(), Trouble> {
        let is_done = |name: &str| self.names().contains(&name);
        if questions.iter().all(|(name, _)| is_done(name)) {
            return Ok(());
        }
        // A connection of a pooler may have them of somebody who was cut off.
        let there = self.ask("SELECT name FROM pg_catalog.pg_prepared_statements").await?;
        let mut sql = vec![];
        for (name, question) in questions {
            if there.iter().any(|row| row.first() == Some(&Some((*name).to_owned()))) {
                sql.push(format!("DEALLOCATE {name}"));
            }
            sql.push(format!("PREPARE {name} AS {}", question()));
        }
        self.act(&sql.join("; ")).await?;
        self.names().extend(questions.iter().map(|(name, _)| *name));
        Ok(())
    }

    fn names(&self) -> std::sync::MutexGuard<'_, Vec<&'static str>> {
        self.prepared.lock().expect("nothing panics while it is held")
    }

    /// What takes the prepared questions away again.
    fn forget(&self) -> String {
        std::mem::take(&mut *self.names()).into_iter().map(|name| format!("DEALLOCATE {name}; ")).collect()
    }

    /// Ends the transaction: no stop cuts it, for then nobody would know its outcome.
    pub(super) async fn commit(&self) -> Result<(), Trouble> {
        let sql = self.forget() + "COMMIT";
        self.guarded(self.behind(self.client.simple_query(&sql)), false).await.map(drop)
    }

    /// Ends the transaction without effect; if the connection is gone, so is the transaction.
    pub(super) async fn rollback(&self) {
        self.pending().clear();
        // A transaction that failed takes nothing but its end.
        let sql = format!("ROLLBACK; {}", self.forget());
        let _ = self.guarded(self.client.simple_query(&sql), false).await;
    }

    /// A statement of the document; at most `rows_max` rows are kept.
    pub(super) async fn statement(&self, sql: &str, rows_max: usize) -> Result<Answer, Trouble> {
        self.notices.listening.store(true, Ordering::SeqCst);
        let result = self.guarded(self.behind(self.stream(sql, rows_max)), true).await;
        self.notices.listening.store(false, Ordering::SeqCst);
        result
    }

    async fn stream(&self, sql: &str, rows_max: usize) -> Result<Answer, Error> {
        let mut answer = Answer::default();
        let mut messages = pin!(self.client.simple_query_raw(sql).await?);
        while let Some(message) = messages.next().await {
            match message? {
                SimpleQueryMessage::RowDescription(columns) => {
                    answer.is_query = true;
                    answer.names = columns.iter().map(|column| column.name().to_owned()).collect();
                }
                SimpleQueryMessage::CommandComplete(count) => answer.count = count,
                message => {
                    if let Some(row) = row(&message).filter(|_| answer.rows.len() < rows_max) {
                        answer.rows.push(row);
                    }
                }
            }
        }
        Ok(answer)
    }

    /// `COPY … FROM stdin` with its lines.
    pub(super) async fn copy(&self, sql: &str, data: &str) -> Result<Answer, Trouble> {
        let work = async {
            let mut sink = pin!(self.client.copy_in::<_, bytes::Bytes>(sql).await?);
            let mut rest = data.as_bytes();
            while !rest.is_empty() {
                let (piece, tail) = rest.split_at(rest.len().min(64 * 1024));
                sink.send(bytes::Bytes::copy_from_slice(piece)).await?;
                rest = tail;
            }
            sink.finish().await
        };
        self.notices.listening.store(true, Ordering::SeqCst);
        let result = self.guarded(self.behind(work), true).await;
        self.notices.listening.store(false, Ordering::SeqCst);
        Ok(Answer { count: result?, ..Answer::default() })
    }

    /// Notices and warnings since the last call.
    pub(super) fn notices(&self) -> Vec<String> {
        std::mem::take(&mut *self.notices.texts.lock().expect("nothing panics while it is held"))
    }

    /// Awaits an answer. When a person stops, or the time is over, the statement is cancelled and its end awaited; when
    /// this future is dropped, it is cancelled too: no statement runs on that nobody waits for.
    async fn guarded<T>(
        &self,
        work: impl Future<Output = Result<T, Error>>,
        may_stop: bool,
    ) -> Result<T, Trouble> {
        let deadline = *self.deadline.lock().expect("nothing panics while it is held");
        let mut flight = Flight { session: self, over: false };
        let mut work = pin!(work);
        let why = tokio::select! {
            result = &mut work => {
                flight.over = true;
                return result.map_err(Trouble::from);
            }
            () = self.stopping.stopped(), if may_stop => Trouble::Stopped,
            () = tokio::time::sleep_until(deadline.into()), if may_stop => Trouble::Late,
        };
        let _ = tokio::time::timeout(CANCEL_MAX, self.cancel.cancel_query(self.connector.clone())).await;
        let ended = tokio::time::timeout(CANCEL_MAX, work).await;
        flight.over = true;
        match ended {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => match Trouble::from(error) {
                trouble if trouble.is(&SqlState::QUERY_CANCELED) => Err(why),
                trouble => Err(trouble),
            },
            Err(_) => Err(Trouble::Lost("the server did not end a statement that was cancelled".to_owned())),
        }
    }
}

/// A statement whose answer is awaited.
struct Flight<'a> {
    session: &'a Session,
    over: bool,
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        if self.over {
            return;
        }
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let (cancel, connector) = (self.session.cancel.clone(), self.session.connector.clone());
            runtime.spawn(async move {
                let _ = tokio::time::timeout(CANCEL_MAX, cancel.cancel_query(connector)).await;
            });
        }
    }
}

fn row(message: &SimpleQueryMessage) -> Option<Row> {
    let SimpleQueryMessage::Row(row) = message else { return None };
    Some((0..row.len()).map(|at| row.get(at).map(str::to_owned)).collect())
}

fn changed(message: &SimpleQueryMessage) -> u64 {
    match message {
        SimpleQueryMessage::CommandComplete(count) => *count,
        _ => 0,
    }
}

/// No connection: what to look at.
fn unreachable(target: &str, address: &url::Address, error: &Error) -> Failure {
    let at = &address.shown;
    let Some(db) = error.as_db_error() else {
        let source = std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string);
        let message = format!("target `{target}`: no connection to {at}: {source}; nothing was done");
        let failure = Failure::clean(Fault::Transport, message);
        return match source.contains("certificate") || source.contains("TLS") {
            true => failure.hint("see `sslmode` and `sslrootcert` in the URL of the target"),
            false => failure.retryable().hint("is the server up, and is this its address? then resume"),
        };
    };
    let message =
        format!("target `{target}`: {at} refuses the connection: {}; nothing was done", db.message());
    let failure = Failure::clean(Fault::Target, message);
    match db.code() {
        code if *code == SqlState::INVALID_PASSWORD
            || *code == SqlState::INVALID_AUTHORIZATION_SPECIFICATION =>
        {
            failure.hint("see user and password in the URL of the target, and pg_hba.conf of the server")
        }
        code if *code == SqlState::INVALID_CATALOG_NAME => {
            failure.hint("see the name of the database in the URL")
        }
        code if *code == SqlState::CANNOT_CONNECT_NOW || *code == SqlState::TOO_MANY_CONNECTIONS => {
            failure.retryable()
        }
        _ => failure,
    }
}
