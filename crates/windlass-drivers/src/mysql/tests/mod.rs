//! On real servers.

mod accounts;
mod batches;
mod calls;
mod connection;
mod database;
mod definitions;
mod foreign;
mod generated;
mod keep;
mod live;
mod measure;
mod narrow;
mod partitions;
mod prepared;
mod referred;
mod rows;
mod runbook;
mod servers;
mod survey;
mod way_back;

use crate::testing;
use std::sync::{Arc, Mutex};
use windlass_driver::{Capsule, Context, Done, Driver as _, Failure, Found, OnConflict};
use windlass_lab::{Database, Flavor, server};
use windlass_plan::{Action, DriverKind, Target, Undo, UndoBy, Unit, UrlKind, Value, Way};

/// The servers that are there.
pub(super) fn flavors() -> Vec<Flavor> {
    vec![Flavor::Mariadb, Flavor::Mysql]
}

/// A connection for tests that ask too much for the servers' client tools.
pub(super) struct Direct {
    conn: mysql_async::Conn,
    runtime: tokio::runtime::Runtime,
}

impl Direct {
    pub(super) fn to(database: &Database) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let opts = mysql_async::OptsBuilder::from_opts(mysql_async::Opts::from_url(&database.url()).unwrap());
        let conn = runtime.block_on(mysql_async::Conn::new(opts.prefer_socket(false))).unwrap();
        Self { conn, runtime }
    }

    /// Statements one at a time; rows of the last as lines of values with tabs between.
    pub(super) fn run(&mut self, sql: &str) -> Result<String, String> {
        let (parts, problems) = windlass_sql::split(sql, windlass_sql::Dialect::Mysql);
        assert!(problems.is_empty(), "{problems:?}");
        let mut text = String::new();
        for part in parts {
            let work = mysql_async::prelude::Queryable::query(&mut self.conn, part.span.of(sql));
            let rows: Vec<mysql_async::Row> =
                self.runtime.block_on(work).map_err(|error| error.to_string())?;
            let value = |value: mysql_async::Value| match value {
                mysql_async::Value::NULL => "NULL".to_owned(),
                mysql_async::Value::Bytes(bytes) => match String::from_utf8(bytes) {
                    Ok(text) => text,
                    Err(error) => format!("{:02x?}", error.into_bytes()),
                },
                other => other.as_sql(true),
            };
            let line =
                |row: mysql_async::Row| row.unwrap().into_iter().map(value).collect::<Vec<_>>().join("\t");
            text = rows.into_iter().map(line).collect::<Vec<_>>().join("\n");
        }
        Ok(text)
    }
}

/// A release on one database, unit by unit, as the engine would drive it.
pub(super) struct Release {
    pub(super) database: Database,
    pub(super) folder: tempfile::TempDir,
    pub(super) units: Vec<Unit>,
    pub(super) capsules: Vec<Capsule>,
    pub(super) url: String,
    pub(super) on_conflict: OnConflict,
    pub(super) timeout_ms: u64,
    pub(super) seen: Arc<Mutex<String>>,
    /// That of `step`, `again`, `undo` and `inspect`.
    pub(super) driver: super::MysqlDriver,
    runtime: tokio::runtime::Runtime,
}

/// Units of one step.
pub(super) fn units(statements: &[&str]) -> Vec<Unit> {
    let unit = |(at, statement): (usize, &&str)| {
        let mut action = testing::sql(statement, None);
        let (parts, _) = windlass_sql::split(statement, windlass_sql::Dialect::Mysql);
        let sets = windlass_sql::mysql::prepared(statement).is_none()
            && parts.first().is_some_and(|part| part.summary.kind == windlass_sql::Kind::Session);
        if let Action::Sql { session, .. } = &mut action {
            *session = sets;
        }
        let mut unit = testing::unit(&format!("s/{}", at + 1), action);
        unit.driver = DriverKind::Mysql;
        if sets {
            unit.undo =
                Undo { class: windlass_plan::Class::Readonly, how: String::new(), by: UndoBy::Nothing };
        }
        unit
    };
    statements.iter().enumerate().map(unit).collect()
}

/// For one of the units, with the database of the URL as their target.
fn context(folder: &std::path::Path, url: &str, units: &[Unit], at: usize) -> Context {
    let (mut cx, _) = testing::context(folder, &units[at]);
    let target = Target::Url { url: Value::Plain(url.to_owned()), kind: UrlKind::Mysql };
    cx.plan = Arc::new(testing::plan(units, &[("db", target)]));
    cx
}

impl Release {
    pub(super) fn new(flavor: Flavor, setup: &str, statements: &[&str]) -> Self {
        let database = server(flavor).database();
        if !setup.is_empty() {
            database.run(setup);
        }
        Self::on(database, statements)
    }

    pub(super) fn on(database: Database, statements: &[&str]) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        Self {
            url: database.url(),
            database,
            folder: testing::folder(),
            units: units(statements),
            capsules: vec![],
            on_conflict: OnConflict::Keep,
            timeout_ms: 60_000,
            seen: Arc::default(),
            driver: super::MysqlDriver::new(),
            runtime,
        }
    }

    pub(super) fn context(&self, at: usize) -> Context {
        let mut cx = context(self.folder.path(), &self.url, &self.units, at);
        cx.on_conflict = self.on_conflict;
        cx.timeout_ms = Some(self.timeout_ms);
        drop(std::mem::take(&mut *self.seen.lock().unwrap()));
        let sink = Arc::clone(&self.seen);
        cx.output = Arc::new(move |text| sink.lock().unwrap().push_str(text));
        cx
    }

    pub(super) fn wait<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    /// Captures and applies unit `at` (from 0).
    pub(super) fn step(&mut self, at: usize) -> Result<Done, Failure> {
        self.try_capture(at)?;
        self.again(at)
    }

    fn try_capture(&mut self, at: usize) -> Result<(), Failure> {
        let cx = self.context(at);
        let capsule = self.wait(self.driver.capture(&cx, &self.units[at]))?;
        self.capsules.truncate(at);
        self.capsules.push(capsule);
        Ok(())
    }

    /// Captures unit `at`, which [`Self::again`] applies.
    pub(super) fn capture(&mut self, at: usize) {
        self.try_capture(at).unwrap_or_else(|failure| panic!("{}: {failure:?}", self.units[at].id));
    }

    /// Applies unit `at`, which was captured before.
    pub(super) fn again(&self, at: usize) -> Result<Done, Failure> {
        let cx = self.context(at);
        self.wait(self.driver.apply(&cx, &self.units[at], &self.capsules[at]))
    }

    /// Applies all; panics with the message of what fails.
    pub(super) fn apply(&mut self) -> Vec<Done> {
        (0..self.units.len())
            .map(|at| self.step(at).unwrap_or_else(|failure| panic!("{}: {failure:?}", self.units[at].id)))
            .collect()
    }

    pub(super) fn undo(&self, at: usize) -> Result<Done, Failure> {
        let cx = self.context(at);
        self.wait(self.driver.undo(&cx, &self.units[at], &self.capsules[at], None))
    }

    /// Undoes all that were applied, newest first.
    pub(super) fn roll_back(&self) -> Vec<Done> {
        let undo = |at: usize| {
            self.undo(at).unwrap_or_else(|failure| panic!("undo {}: {failure:?}", self.units[at].id))
        };
        (0..self.capsules.len()).rev().map(undo).collect()
    }

    pub(super) fn inspect(&self, at: usize, way: Way) -> Found {
        let cx = self.context(at);
        self.wait(self.driver.inspect(&cx, &self.units[at], &self.capsules[at], way))
    }

    pub(super) fn rows(&self, sql: &str) -> String {
        self.database.run(sql)
    }

    pub(super) fn expect_rows(&mut self, at: usize, count: u64) {
        if let Action::Sql { rows, .. } = &mut self.units[at].action {
            *rows = Some(count);
        }
    }

    /// Tables that Windlass left behind, but its ledger.
    pub(super) fn left(&self) -> String {
        self.rows("SHOW TABLES LIKE '\\_windlass\\_%'") + &self.rows("SHOW TRIGGERS LIKE '%windlass%'")
    }
}
