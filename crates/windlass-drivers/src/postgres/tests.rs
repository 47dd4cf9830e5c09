//! Statements on real servers: applied, taken back, killed, raced.

mod batches;
mod calls;
mod dependants;
mod grown;
mod kept;
mod live;
mod measure;
mod programs;
mod races;
mod releases;
mod rows;
mod schema;
mod servers;
mod stretches;
mod together;
mod values;

use super::PostgresDriver;
use crate::testing::{context, folder, plan, unit};
use std::sync::{Arc, Mutex};
use windlass_driver::{Capsule, Context, Done, Driver as _, Failure, Found, OnConflict};
use windlass_lab::{Database, Flavor, server};
use windlass_plan::{Target, Unit, UrlKind, Value, Way};

/// The servers that are there: the newer one is not on every machine.
fn flavors() -> Vec<Flavor> {
    let lab = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../target/lab/sid/usr/lib/postgresql/18/bin/postgres");
    [Some(Flavor::Postgres15), lab.exists().then_some(Flavor::PostgresNewer)].into_iter().flatten().collect()
}

/// A database, and a release to it of which each statement is a unit `s/1`, `s/2`, ….
struct World {
    database: Option<Database>,
    _folder: tempfile::TempDir,
    units: Vec<Unit>,
    cx: Context,
    seen: Arc<Mutex<String>>,
}

impl World {
    fn new(setup: &str, statements: &[&str]) -> Self {
        Self::of(Flavor::Postgres15, setup, statements)
    }

    fn of(flavor: Flavor, setup: &str, statements: &[&str]) -> Self {
        let database = server(flavor).database();
        database.run(setup);
        Self::on(database, statements)
    }

    fn on(database: Database, statements: &[&str]) -> Self {
        let url = database.url();
        Self { database: Some(database), ..Self::at(&url, statements) }
    }

    /// The same by another URL; there is no client tool then.
    fn at(url: &str, statements: &[&str]) -> Self {
        let units: Vec<Unit> = statements
            .iter()
            .enumerate()
            .map(|(at, statement)| {
                let mut action = crate::testing::sql(statement, None);
                let (parts, _) = windlass_sql::split(statement, windlass_sql::Dialect::Postgresql);
                if let windlass_plan::Action::Sql { session, data, statement: text, .. } = &mut action {
                    *session = parts[0].summary.kind == windlass_sql::Kind::Session;
                    *data = parts[0].data.map(|data| data.of(statement).to_owned());
                    *text = parts[0].span.of(statement).to_owned();
                }
                unit(&format!("s/{}", at + 1), action)
            })
            .collect();
        let folder = folder();
        let (mut cx, seen) = context(folder.path(), &units[0]);
        let target = Target::Url { url: Value::Plain(url.to_owned()), kind: UrlKind::Postgresql };
        cx.plan = Arc::new(plan(&units, &[("db", target)]));
        Self { database: None, _folder: folder, units, cx, seen }
    }

    async fn apply(&self, number: usize) -> Result<Done, Failure> {
        PostgresDriver::new().apply(&self.cx, &self.units[number - 1], &Capsule::default()).await
    }

    async fn undo(&self, number: usize) -> Result<Done, Failure> {
        PostgresDriver::new().undo(&self.cx, &self.units[number - 1], &Capsule::default(), None).await
    }

    async fn inspect(&self, number: usize, way: Way) -> Found {
        PostgresDriver::new().inspect(&self.cx, &self.units[number - 1], &Capsule::default(), way).await
    }

    fn database(&self) -> &Database {
        self.database.as_ref().unwrap()
    }

    fn run(&self, sql: &str) -> String {
        self.database().run(sql)
    }

    /// All rows of a table as text, in order.
    fn rows(&self, table: &str) -> String {
        self.run(&format!("SELECT t::text FROM {table} t ORDER BY 1"))
    }
}
