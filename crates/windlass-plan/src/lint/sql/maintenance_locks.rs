//! `maintenance-locks`

use super::SqlRule;
use super::script::{At, Found, found};
use windlass_document::Severity;
use windlass_sql::{Change, Ddl, ObjectName};

pub(super) const RULE: SqlRule = SqlRule {
    name: "maintenance-locks",
    severity: Severity::Warning,
    summary: "a rebuild blocks everybody for as long as it takes",
    why: "REINDEX, CLUSTER, VACUUM FULL, REFRESH and DETACH PARTITION lock out writers or readers unless they are told to work concurrently",
    dialects: super::POSTGRESQL,
    bad: "REINDEX TABLE orders;",
    good: "REINDEX TABLE CONCURRENTLY orders;",
    live: None,
    check,
};

fn check(at: At<'_>) -> Vec<Found> {
    if let Some(alter) = at.alter() {
        let detaches =
            |change: &Change| matches!(change, Change::DetachPartition { concurrently: false, .. });
        if alter.changes.iter().any(detaches) && at.matters(&alter.table) {
            let message =
                format!("all of {} is locked while a partition is detached", at.words(&alter.table));
            return vec![found(message, "`DETACH PARTITION … CONCURRENTLY`")];
        }
    }
    let Some(Ddl::Maintenance { what, name, concurrently, full, .. }) = at.ddl() else { return Vec::new() };
    if *concurrently || name.as_ref().is_some_and(|name| !at.matters(name)) {
        return Vec::new();
    }
    let help = match what.as_str() {
        "REINDEX" => "`REINDEX … CONCURRENTLY`".to_owned(),
        "REFRESH" => {
            "`REFRESH MATERIALIZED VIEW CONCURRENTLY`, which needs a unique index on the view".to_owned()
        }
        "CLUSTER" => format!("{}, which works beside the readers and writers", repack("", name.as_ref())),
        "VACUUM" if *full => format!("a plain `VACUUM`, or {}", repack("--no-order ", name.as_ref())),
        _ => return Vec::new(),
    };
    let name = name.as_ref().map_or_else(|| "the database".to_owned(), |name| at.words(name));
    vec![found(format!("{what} of {name} blocks who uses it until it is done"), help)]
}

/// The line of a shell step that hands the table over.
fn repack(options: &str, name: Option<&ObjectName>) -> String {
    let table = name.map_or_else(|| "--all".to_owned(), |name| format!("--table {}", name.parts.join(".")));
    format!("`pg_repack {options}--dbname DATABASE {table}` (password by PGPASSFILE)")
}
