//! The list of what is kept in a PostgreSQL database: `windlass.aside`.

use super::{
    back::WayBack,
    ledger,
    session::{Session, Trouble},
    url,
};
use crate::aside::{Aside, Asides};
use std::{collections::BTreeMap, time::Duration};
use windlass_driver::Stopping;
use windlass_sql::postgres::{ident, qualified, text};

/// Longest statement.
const LIMIT: Duration = Duration::from_secs(10 * 60);
/// Tables that a line names.
const NAMES_MAX: usize = 5;

struct PostgresAsides {
    runtime: tokio::runtime::Runtime,
    session: Session,
}

/// Connects to the database of a URL.
pub(crate) fn asides(url: &str) -> Result<Box<dyn Asides>, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    let address = url::parse(url, "windlass prune")?;
    let session = runtime
        .block_on(Session::connect("prune", address, Stopping::default(), LIMIT))
        .map_err(|failure| failure.message)?;
    Ok(Box::new(PostgresAsides { runtime, session }))
}

fn said(trouble: Trouble) -> String {
    match trouble {
        Trouble::Server(error) => match error.detail() {
            Some(detail) => format!("the server says: {} ({detail})", error.message()),
            None => format!("the server says: {}", error.message()),
        },
        Trouble::Lost(why) => format!("the connection was lost: {why}"),
        Trouble::Stopped => "stopped".to_owned(),
        Trouble::Raced => "others changed definitions meanwhile".to_owned(),
        Trouble::Late => format!("it did not end in {} s", LIMIT.as_secs()),
    }
}

/// Where something is kept.
enum Place<'a> {
    /// A table of the schema `windlass`.
    Image(&'a str),
    /// A table in a schema of ours.
    Table(&'a str, &'a str),
    /// A schema of ours, with all that is in it.
    Schema(&'a str),
}

impl<'a> Place<'a> {
    /// `None`: it is none of ours.
    fn of(stored: &'a str) -> Option<Self> {
        match stored.split_once('.') {
            Some(("windlass", image)) if image.starts_with("image_") => Some(Self::Image(image)),
            Some((schema, table)) if schema.starts_with("windlass_aside_") => {
                Some(Self::Table(schema, table))
            }
            None if stored.starts_with("windlass_aside_") => Some(Self::Schema(stored)),
            _ => None,
        }
    }
}

impl PostgresAsides {
    async fn read(&self) -> Result<Vec<Aside>, Trouble> {
        let session = &self.session;
        session.act("SET search_path = pg_catalog").await?;
        if session.value("SELECT to_regclass('windlass.aside')::text").await?.is_none() {
            return Ok(vec![]);
        }
        let sql = "SELECT run, unit, to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'), \
                   greatest(0, extract(epoch FROM now() - at))::bigint, name, what FROM windlass.aside ORDER BY at, name";
        let mut found = vec![];
        let mut ways: BTreeMap<(String, String), WayBack> = BTreeMap::new();
        for row in session.ask(sql).await? {
            let mut values = row.into_iter().map(Option::unwrap_or_default);
            let mut next = || values.next().unwrap_or_default();
            let (run, unit, at, age_s, stored) =
                (next(), next(), next(), next().parse().unwrap_or_default(), next());
            let aside = |kind: &str, name: String, why: &str, rows: u64| Aside {
                run: run.clone(),
                unit: unit.clone(),
                at: at.clone(),
                age_s,
                kind: kind.to_owned(),
                name,
                stored: stored.clone(),
                why: why.to_owned(),
                rows,
            };
            match Place::of(&stored) {
                Some(Place::Image(image)) => {
                    let Some(rows) = self.count("windlass", image).await? else { continue };
                    let key = (run.clone(), unit.clone());
                    if !ways.contains_key(&key) {
                        let entry = ledger::find(session, &run, &unit).await?;
                        ways.insert(key.clone(), entry.map(|entry| entry.way_back).unwrap_or_default());
                    }
                    let images = &ways[&key];
                    let all = images.images.iter().chain(images.fills.iter().map(|(image, _)| image));
                    let of = all.into_iter().find(|of| of.image == image);
                    let name = of.map_or_else(|| stored.clone(), |of| format!("{}.{}", of.schema, of.table));
                    found.push(aside("before-image", name, "changed", rows));
                }
                Some(Place::Table(schema, table)) => {
                    let Some(rows) = self.count(schema, table).await? else { continue };
                    found.push(aside("table", table.to_owned(), "undone", rows));
                }
                Some(Place::Schema(schema)) => {
                    let Some((names, rows)) = self.inside(schema).await? else { continue };
                    let kind = if names.is_empty() { "objects" } else { "table" };
                    let mut name = names.iter().take(NAMES_MAX).cloned().collect::<Vec<_>>().join(", ");
                    if names.len() > NAMES_MAX {
                        name += &format!(" and {} more", names.len() - NAMES_MAX);
                    }
                    found.push(aside(kind, name, "dropped", rows));
                }
                None => {}
            }
        }
        Ok(found)
    }

    /// Rows of a table, from a million on as the planner estimates them; `None`: there is none.
    async fn count(&self, schema: &str, table: &str) -> Result<Option<u64>, Trouble> {
        let name = qualified(schema, table);
        let sql = format!("SELECT reltuples::bigint FROM pg_class WHERE oid = to_regclass({})", text(&name));
        let Some(estimate) = self.session.value(&sql).await? else { return Ok(None) };
        let estimate: u64 = estimate.parse().unwrap_or_default();
        if estimate > 1_000_000 {
            return Ok(Some(estimate));
        }
        let count = self.session.value(&format!("SELECT count(*) FROM {name}")).await?;
        Ok(count.and_then(|count| count.parse().ok()))
    }

    /// Tables of a schema and their rows; `None`: there is no such schema.
    async fn inside(&self, schema: &str) -> Result<Option<(Vec<String>, u64)>, Trouble> {
        let oid = format!("SELECT oid FROM pg_namespace WHERE nspname = {}", text(schema));
        if self.session.value(&oid).await?.is_none() {
            return Ok(None);
        }
        let sql = format!(
            "SELECT relname FROM pg_class WHERE relnamespace = ({oid}) AND relkind IN ('r', 'p', 'm') ORDER BY 1"
        );
        let (mut names, mut rows) = (vec![], 0);
        for row in self.session.ask(&sql).await? {
            let name = row.into_iter().next().flatten().unwrap_or_default();
            rows += self.count(schema, &name).await?.unwrap_or_default();
            names.push(name);
        }
        Ok(Some((names, rows)))
    }

    /// What is dropped, all of it in one transaction; what others made of it stands in the way.
    async fn drop_it(&self, aside: &Aside) -> Result<(), Trouble> {
        let mut sql = vec![
            "BEGIN".to_owned(),
            "SET LOCAL search_path = pg_catalog".to_owned(),
            "SET LOCAL client_min_messages = warning".to_owned(),
            "SET LOCAL lock_timeout = '3s'".to_owned(),
        ];
        match Place::of(&aside.stored) {
            Some(Place::Image(image)) => {
                sql.push(format!("DROP TABLE IF EXISTS {}", qualified("windlass", image)));
            }
            Some(Place::Table(schema, table)) => {
                sql.push(format!("DROP TABLE IF EXISTS {}", qualified(schema, table)));
                let rest = format!(
                    "SELECT EXISTS (SELECT FROM pg_class WHERE relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = {0}) \
                     AND relkind IN ('r', 'p') AND relname <> {1})",
                    text(schema),
                    text(table)
                );
                if self.session.value(&rest).await?.as_deref() == Some("f") {
                    sql.push(format!("DROP SCHEMA IF EXISTS {}", ident(schema)));
                }
            }
            Some(Place::Schema(schema)) => sql.extend(self.parts(schema).await?),
            None => {}
        }
        sql.push(format!(
            "DELETE FROM windlass.aside WHERE name = {} AND run = {} AND unit = {}",
            text(&aside.stored),
            text(&aside.run),
            text(&aside.unit)
        ));
        let done = self.session.act(&sql.join("; ")).await;
        match done {
            Ok(_) => self.session.commit().await,
            Err(trouble) => {
                self.session.rollback().await;
                Err(trouble)
            }
        }
    }

    /// Statements that drop the things of a schema and then the schema, each without CASCADE: it would take things of others
    /// along.
    async fn parts(&self, schema: &str) -> Result<Vec<String>, Trouble> {
        let of = format!("(SELECT oid FROM pg_namespace WHERE nspname = {})", text(schema));
        let sql = format!(
            "SELECT 1 AS o, 'DROP TABLE ' || string_agg(oid::regclass::text, ', ') FROM pg_class WHERE relnamespace = {of} AND relkind IN \
             ('r', 'p', 'f') HAVING count(*) > 0 \
             UNION ALL SELECT 2, 'DROP ROUTINE ' || string_agg(oid::regprocedure::text, ', ') FROM pg_proc WHERE pronamespace = {of} HAVING \
             count(*) > 0 \
             UNION ALL SELECT 3, 'DROP TYPE ' || string_agg(oid::regtype::text, ', ') FROM pg_type t WHERE typnamespace = {of} AND (typtype IN \
             ('e', 'd') OR typtype = 'c' AND EXISTS (SELECT FROM pg_class c WHERE c.oid = t.typrelid AND c.relkind = 'c')) HAVING count(*) > 0 \
             UNION ALL SELECT 4, 'DROP SEQUENCE IF EXISTS ' || string_agg(oid::regclass::text, ', ') FROM pg_class WHERE relnamespace = {of} \
             AND relkind = 'S' HAVING count(*) > 0 \
             UNION ALL SELECT 5, 'DROP SCHEMA ' || quote_ident({}) WHERE {of} IS NOT NULL ORDER BY 1",
            text(schema)
        );
        let rows = self.session.ask(&sql).await?;
        Ok(rows.into_iter().filter_map(|row| row.into_iter().nth(1).flatten()).collect())
    }
}

impl Asides for PostgresAsides {
    fn list(&self) -> Result<Vec<Aside>, String> {
        self.runtime.block_on(self.read()).map_err(said)
    }

    fn drop_for_good(&self, aside: &Aside) -> Result<(), String> {
        self.runtime.block_on(self.drop_it(aside)).map_err(said)
    }
}
