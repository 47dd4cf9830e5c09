//! What a scratch copy holds.

use super::{
    catalog,
    session::{Session, Trouble},
    tables::ours,
};
use crate::scratch::{Definitions, Sink, unreadable};
use windlass_driver::{Context, Failure};
use windlass_sql::{Dialect, quote};

/// All definitions, and all rows into `sink`, of one moment: nobody but Windlass works on a copy.
pub(crate) async fn take(cx: &Context, sink: Option<&mut Sink>) -> Result<Definitions, Failure> {
    let mut session = Session::open_target(cx, crate::scratch::TARGET).await?;
    let said = |trouble: Trouble| unreadable(&trouble.text());
    let found = catalog::all(&mut session).await.map_err(said)?;
    let texts =
        found.iter().map(|((kind, name), object)| (catalog::word(*kind, name), seen(&object.print(*kind))));
    let texts = texts.collect();
    if let Some(sink) = sink {
        rows(&mut session, sink).await?;
    }
    session.close().await;
    Ok(Definitions::Texts(texts))
}

async fn rows(session: &mut Session, sink: &mut Sink) -> Result<(), Failure> {
    let said = |trouble: Trouble| unreadable(&trouble.text());
    session.run("SET time_zone = '+00:00'").await.map_err(said)?;
    let names = "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() AND table_type = 'BASE TABLE' ORDER BY 1";
    for row in session.run(names).await.map_err(said)?.rows {
        let Some(name) = row.into_iter().next().flatten().filter(|name| !ours(name)) else { continue };
        let columns = format!(
            "SELECT column_name FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = {}",
            super::ledger::text(&name)
        );
        let columns = session.run(&columns).await.map_err(said)?.rows;
        let mut columns: Vec<String> = columns
            .into_iter()
            .filter_map(|row| row.into_iter().next().flatten())
            .filter(|name| !ours(name))
            .collect();
        columns.sort();
        let list: Vec<_> = columns.iter().map(|column| quote(column, Dialect::Mysql)).collect();
        sink.table(&name, columns)?;
        let sql = format!("SELECT {} FROM {}", list.join(", "), quote(&name, Dialect::Mysql));
        session.each(&sql, |row| sink.row(&row)).await?;
        sink.end()?;
    }
    Ok(())
}

/// Without columns that are set aside.
fn seen(text: &str) -> String {
    text.lines().filter(|line| !line.trim_start().starts_with("`_windlass_")).collect::<Vec<_>>().join("\n")
}

/// A connection that looks at the locks of others on a scratch copy.
pub(crate) struct Looker(Session);

impl Looker {
    pub(crate) async fn open(cx: &Context) -> Result<Self, Failure> {
        Ok(Self(Session::open_target(cx, crate::scratch::TARGET).await?))
    }

    /// Mode and table of each lock on tables of `database`; `None`: the server does not show them (MariaDB).
    pub(crate) async fn locks(&mut self, database: &str) -> Option<Vec<(String, String)>> {
        let sql = format!(
            "SELECT IF(lock_type = 'EXCLUSIVE', 'EXCLUSIVE (metadata)', lock_type), object_name FROM performance_schema.metadata_locks \
             WHERE object_type = 'TABLE' AND lock_status = 'GRANTED' AND object_schema = {}",
            super::ledger::text(database)
        );
        let found = self.0.run(&sql).await.ok()?.rows;
        let pairs = found.into_iter().map(|row| {
            let mut values = row.into_iter().map(Option::unwrap_or_default);
            (values.next().unwrap_or_default(), values.next().unwrap_or_default())
        });
        Some(pairs.filter(|(_, table)| !ours(table) && !table.starts_with('#')).collect())
    }
}
