//! Rows that stand in the way of a foreign key that comes back: they came in while it was gone, and what they refer to is not
//! there.

use super::image::q;
use super::session::Session;
use super::tables;
use crate::disk::one_line;
use windlass_sql::mysql::foreign_keys;
use windlass_sql::{Ddl, Dialect, ddl};

/// Rows that are named, of each foreign key.
const SHOWN: usize = 5;

/// Those of a statement that adds foreign keys, in words. Only for a message: what cannot be read is left out.
pub(super) async fn of(session: &mut Session, statement: &str) -> Vec<String> {
    let Some(Ddl::AlterTable(alter)) = ddl(statement, Dialect::Mysql) else { return vec![] };
    let child = alter.table.base().to_owned();
    let own = tables::table(session, &child).await.ok().flatten();
    let own = own.and_then(|table| table.keys.into_iter().next()).unwrap_or_default();
    let mut lines = vec![];
    for key in foreign_keys(statement) {
        let parent = key.parent.iter().map(|part| q(part)).collect::<Vec<_>>().join(".");
        let names: Vec<&String> =
            own.iter().filter(|name| !key.columns.contains(name)).chain(&key.columns).collect();
        let pairs = key.columns.iter().zip(&key.parent_columns);
        let on = pairs.map(|(child, of)| format!("c.{} = p.{}", q(child), q(of)));
        let refers = key.columns.iter().map(|name| format!("c.{} IS NOT NULL", q(name)));
        let sql = format!(
            "SELECT {} FROM {} AS c WHERE {} AND NOT EXISTS (SELECT 1 FROM {parent} AS p WHERE {})",
            names.iter().map(|name| format!("c.{}", q(name))).collect::<Vec<_>>().join(", "),
            q(&child),
            refers.collect::<Vec<_>>().join(" AND "),
            on.collect::<Vec<_>>().join(" AND ")
        );
        let Ok(found) = session.read(&sql, SHOWN).await else { continue };
        if found.count == 0 {
            continue;
        }
        let row = |row: &Vec<Option<String>>| {
            let pairs = names.iter().zip(row);
            let pair = pairs
                .map(|(name, value)| format!("{name}={}", one_line(value.as_deref().unwrap_or("NULL"), 40)));
            pair.collect::<Vec<_>>().join(", ")
        };
        let more = if found.count > SHOWN as u64 { "; …" } else { "" };
        lines.push(format!(
            "{} rows of {child} refer to none of {} ({}): {}{more}",
            found.count,
            key.parent.join("."),
            key.parent_columns.join(", "),
            found.rows.iter().map(row).collect::<Vec<_>>().join("; ")
        ));
    }
    lines
}
