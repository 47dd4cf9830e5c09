//! The list of what is kept in a MySQL or MariaDB database: `windlass_aside`.

use super::image::q;
use super::ledger::{self, ASIDE, text};
use super::session::{Session, Trouble};
use super::{tables::ours, url};
use crate::aside::{Aside, Asides};
use std::{path::Path, sync::Mutex, time::Duration};

/// Longest statement.
const LIMIT: Duration = Duration::from_secs(10 * 60);
/// Tables with more rows than that, by the server's estimate, are not counted.
const COUNT_MAX: u64 = 1_000_000;

struct MysqlAsides {
    runtime: tokio::runtime::Runtime,
    session: Mutex<Session>,
}

/// Connects to the database of a URL.
pub(crate) fn asides(url: &str, base: &Path) -> Result<Box<dyn Asides>, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    let session = runtime.block_on(Session::plain(url::parse(url, base)?, LIMIT))?;
    Ok(Box::new(MysqlAsides { runtime, session: Mutex::new(session) }))
}

async fn read(session: &mut Session) -> Result<Vec<Aside>, Trouble> {
    session.limit(LIMIT);
    if !ledger::exists(session, ASIDE).await? {
        return Ok(vec![]);
    }
    let sql = format!(
        "SELECT run, unit, DATE_FORMAT(at, '%Y-%m-%dT%H:%i:%sZ'), GREATEST(0, TIMESTAMPDIFF(SECOND, at, UTC_TIMESTAMP())), \
         kind, name, holder, why FROM {ASIDE} ORDER BY id"
    );
    let mut found = vec![];
    for row in session.run(&sql).await?.rows {
        let mut values = row.into_iter().map(Option::unwrap_or_default);
        let mut next = || values.next().unwrap_or_default();
        let mut aside = Aside {
            run: next(),
            unit: next(),
            at: next(),
            age_s: next().parse().unwrap_or_default(),
            kind: next(),
            name: next(),
            stored: next(),
            why: next(),
            rows: 0,
        };
        if let Some(table) = holder(session, &aside).await? {
            aside.rows = count(session, &table).await?;
            found.push(aside);
        }
    }
    Ok(found)
}

/// The table that holds it; `None`: it is gone, or none of ours.
async fn holder(session: &mut Session, aside: &Aside) -> Result<Option<String>, Trouble> {
    if !ours(&aside.stored) || aside.stored == ASIDE || aside.stored == ledger::TABLE {
        return Ok(None);
    }
    if aside.kind != "column" {
        let exists = ledger::exists(session, &aside.stored).await?;
        return Ok(exists.then(|| aside.stored.clone()));
    }
    // Its table may have another name by now.
    let sql = format!(
        "SELECT table_name FROM information_schema.columns WHERE table_schema = DATABASE() AND column_name = {}",
        text(&aside.stored)
    );
    session.value(&sql).await
}

async fn count(session: &mut Session, table: &str) -> Result<u64, Trouble> {
    let sql = format!(
        "SELECT COALESCE(table_rows, 0) FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = {}",
        text(table)
    );
    let estimate = session.value(&sql).await?.and_then(|rows| rows.parse().ok()).unwrap_or(0);
    if estimate > COUNT_MAX {
        return Ok(estimate);
    }
    let counted = session.value(&format!("SELECT COUNT(*) FROM {}", q(table))).await?;
    Ok(counted.and_then(|rows| rows.parse().ok()).unwrap_or(estimate))
}

/// These servers commit a DROP by itself: first the thing, then its line. A line without a thing is passed over.
async fn drop_it(session: &mut Session, aside: &Aside) -> Result<(), Trouble> {
    session.limit(LIMIT);
    if let Some(table) = holder(session, aside).await? {
        let sql = match aside.kind.as_str() {
            "column" => format!("ALTER TABLE {} DROP COLUMN {}", q(&table), q(&aside.stored)),
            _ => format!("DROP TABLE IF EXISTS {}", q(&table)),
        };
        session.run(&sql).await?;
    }
    session.run(&format!("DELETE FROM {ASIDE} WHERE holder = {}", text(&aside.stored))).await.map(drop)
}

impl MysqlAsides {
    fn session(&self) -> std::sync::MutexGuard<'_, Session> {
        self.session.lock().expect("nothing panics while it is held")
    }
}

impl Asides for MysqlAsides {
    fn list(&self) -> Result<Vec<Aside>, String> {
        self.runtime.block_on(read(&mut self.session())).map_err(|trouble| trouble.text())
    }

    fn drop_for_good(&self, aside: &Aside) -> Result<(), String> {
        self.runtime.block_on(drop_it(&mut self.session(), aside)).map_err(|trouble| trouble.text())
    }
}
