//! What a scratch copy holds.

use super::{
    session::{Session, Trouble},
    snapshot,
};
use crate::scratch::{Sink, TARGET, unreadable};
use std::time::Duration;
use windlass_driver::{Context, Failure};
use windlass_sql::postgres::{catalog::Catalog, ident};

/// Longest look.
const LOOK_MAX: Duration = Duration::from_secs(60 * 60);
/// Rows fetched at a time.
const ROWS: u32 = 5000;

/// All definitions, and all rows into `sink`, of one moment.
pub(crate) async fn take(cx: &Context, sink: Option<&mut Sink>) -> Result<Catalog, Failure> {
    let session = Session::open(cx, TARGET, "windlass picture", LOOK_MAX).await?;
    let said = |trouble: Trouble| unreadable(&super::scratch::said(trouble));
    let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL search_path = pg_catalog; SET LOCAL jit = off; \
                 SET LOCAL statement_timeout = 0; SET LOCAL row_security = off; SET LOCAL timezone = 'UTC'; \
                 SET LOCAL datestyle = 'ISO'; SET LOCAL intervalstyle = 'postgres'; SET LOCAL bytea_output = 'hex'; \
                 SET LOCAL extra_float_digits = 1";
    session.act(begin).await.map_err(said)?;
    let catalog = snapshot::read(&session).await.map_err(said)?;
    if let Some(sink) = sink {
        // Names are in full there; functions of users, as in the condition of an index, may need the path that they were written for.
        session.act("SET LOCAL search_path TO DEFAULT").await.map_err(said)?;
        rows(&session, sink).await?;
    }
    session.rollback().await;
    Ok(catalog)
}

async fn rows(session: &Session, sink: &mut Sink) -> Result<(), Failure> {
    let said = |trouble: Trouble| unreadable(&super::scratch::said(trouble));
    let tables = "SELECT n.nspname, c.relname, coalesce(json_agg(a.attname ORDER BY a.attname COLLATE \"C\") FILTER (WHERE a.attname IS NOT NULL), '[]') \
                  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
                  LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped \
                  WHERE c.relkind IN ('r', 'm') AND (c.relkind = 'r' OR c.relispopulated) AND n.nspname !~ '^(pg_|windlass($|_aside))' \
                  AND n.nspname <> 'information_schema' GROUP BY 1, 2 ORDER BY 1, 2";
    for row in session.ask(tables).await.map_err(said)? {
        let mut parts = row.into_iter().map(Option::unwrap_or_default);
        let mut next = || parts.next().unwrap_or_default();
        let (schema, table) = (next(), next());
        let columns: Vec<String> = serde_json::from_str(&next()).unwrap_or_default();
        let list: Vec<String> = columns.iter().map(|column| ident(column)).collect();
        sink.table(&format!("{schema}.{table}"), columns)?;
        let cursor = format!(
            "DECLARE windlass NO SCROLL CURSOR FOR SELECT {} FROM ONLY {}.{}",
            list.join(", "),
            ident(&schema),
            ident(&table)
        );
        session.act(&cursor).await.map_err(said)?;
        loop {
            let fetched = session.ask(&format!("FETCH {ROWS} FROM windlass")).await.map_err(said)?;
            for row in &fetched {
                let row: Vec<_> =
                    row.iter().map(|value| value.as_ref().map(|text| text.clone().into_bytes())).collect();
                sink.row(&row)?;
            }
            if fetched.len() < ROWS as usize {
                break;
            }
        }
        session.act("CLOSE windlass").await.map_err(said)?;
        sink.end()?;
    }
    Ok(())
}

/// A connection that looks at the locks of others on a scratch copy.
pub(crate) struct Looker(Session);

impl Looker {
    pub(crate) async fn open(cx: &Context) -> Result<Self, Failure> {
        Ok(Self(Session::open(cx, TARGET, "windlass looker", LOOK_MAX).await?))
    }

    /// Mode and table of each lock on tables of users; `None`: it cannot be asked any more.
    pub(crate) async fn locks(&self) -> Option<Vec<(String, String)>> {
        let sql = "SELECT upper(regexp_replace(regexp_replace(l.mode, 'Lock$', ''), '([a-z])([A-Z])', '\\1 \\2', 'g')), c.relname FROM pg_locks l \
                   JOIN pg_class c ON c.oid = l.relation JOIN pg_namespace n ON n.oid = c.relnamespace WHERE l.granted AND l.pid <> pg_backend_pid() \
                   AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND c.relkind IN ('r', 'p', 'm', 'v') \
                   AND n.nspname !~ '^(pg_|windlass)' AND n.nspname <> 'information_schema'";
        let found = self.0.ask(sql).await.ok()?;
        Some(
            found
                .into_iter()
                .map(|row| {
                    let mut values = row.into_iter().map(Option::unwrap_or_default);
                    (values.next().unwrap_or_default(), values.next().unwrap_or_default())
                })
                .collect(),
        )
    }
}
