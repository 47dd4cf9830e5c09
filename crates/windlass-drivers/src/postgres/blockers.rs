//! Who is in the way: looked up by a second connection while the first waits.

use super::{
    job::{Job, name},
    session::Session,
};
use crate::disk::one_line;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};
use windlass_plan::Action;
use windlass_sql::postgres::text;

/// Between two looks.
const EVERY: Duration = Duration::from_millis(100);

/// A look that goes on.
pub(super) struct Watch {
    task: tokio::task::JoinHandle<()>,
    seen: Arc<Mutex<BTreeMap<String, String>>>,
}

impl Watch {
    /// Begins to look for what blocks the unit.
    pub(super) fn begin(job: &Job) -> Self {
        let seen = Arc::new(Mutex::new(BTreeMap::new()));
        let (cx, unit, sink) = (job.cx.clone(), job.unit.clone(), Arc::clone(&seen));
        let task = tokio::spawn(async move {
            let Action::Sql { target, .. } = &unit.action else { return };
            let Ok(session) = Session::open(&cx, target, "windlass blockers", Duration::from_secs(60)).await
            else {
                return;
            };
            let sql = question(&name(&cx, &unit));
            while let Ok(rows) = session.ask(&sql).await {
                for row in rows {
                    let [Some(pid), Some(user), Some(state), Some(age), Some(query)] = row.as_slice() else {
                        continue;
                    };
                    let query = cx.secrets.mask(&one_line(&without_literals(query), 120));
                    let line = format!("blocked by process {pid} of {user} ({state}, for {age} s): {query}");
                    sink.lock().expect("nothing panics while it is held").insert(pid.clone(), line);
                }
                tokio::time::sleep(EVERY).await;
            }
        });
        Self { task, seen }
    }

    /// Ends it: one line for each process that was seen.
    pub(super) async fn end(self) -> Vec<String> {
        self.task.abort();
        let _ = self.task.await;
        self.seen.lock().expect("nothing panics while it is held").values().cloned().collect()
    }
}

fn question(name: &str) -> String {
    format!(
        "SELECT DISTINCT b.pid, b.usename, b.state, COALESCE(round(extract(epoch FROM now() - COALESCE(b.xact_start, \
         b.query_start))), 0)::bigint, b.query FROM pg_catalog.pg_stat_activity w, unnest(pg_catalog.pg_blocking_pids(w.pid)) p \
         JOIN pg_catalog.pg_stat_activity b ON b.pid = p WHERE w.application_name = {} AND w.pid <> pg_catalog.pg_backend_pid()",
        text(name)
    )
}

/// Values may be personal data; what the query is can be seen without them.
fn without_literals(query: &str) -> String {
    let mut parts = query.split('\'');
    let mut text = parts.next().unwrap_or_default().to_owned();
    let mut inside = true;
    for part in parts {
        text.push_str(if inside { "'…'" } else { part });
        inside = !inside;
    }
    text
}

#[cfg(test)]
mod tests {
    #[test]
    fn values_are_no_part_of_what_is_shown() {
        assert_eq!(
            super::without_literals("UPDATE t SET a = 'secret' WHERE b = 'x'"),
            "UPDATE t SET a = '…' WHERE b = '…'"
        );
    }
}
