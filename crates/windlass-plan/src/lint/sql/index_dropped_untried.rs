//! `index-dropped-untried`

use super::SqlRule;
use super::script::{At, Found, found};
use windlass_document::Severity;
use windlass_sql::{Change, Ddl};

pub(super) const RULE: SqlRule = SqlRule {
    name: "index-dropped-untried",
    severity: Severity::Note,
    summary: "an index is dropped without a trial",
    why: "queries that needed it become slow at once, and building it again takes as long as the table is large",
    dialects: super::MYSQL,
    bad: "ALTER TABLE orders DROP INDEX by_state;",
    good: "ALTER TABLE orders ALTER INDEX by_state INVISIBLE;",
    live: None,
    check,
};

fn check(at: At<'_>) -> Vec<Found> {
    let (table, names): (_, Vec<&str>) = match at.ddl() {
        Some(Ddl::AlterTable(alter)) => {
            let names = alter.changes.iter().filter_map(|change| match change {
                Change::DropIndex(name) => Some(name.as_str()),
                _ => None,
            });
            (Some(&alter.table), names.collect())
        }
        Some(Ddl::Drop(drop)) if drop.what == "INDEX" => {
            (drop.table.as_ref(), drop.names.iter().map(|name| name.base()).collect())
        }
        _ => return Vec::new(),
    };
    let Some(table) = table.filter(|table| at.matters(table)) else { return Vec::new() };
    let live = at.live(table);
    let tried = |name: &str| {
        live.is_some_and(|live| live.indexes.iter().any(|index| index.name == name && !index.usable))
    };
    names
        .into_iter()
        .filter(|name| !tried(name))
        .map(|name| {
            let help = "make it invisible in this release (`ALTER INDEX … INVISIBLE`, MariaDB: `IGNORED`), drop it in the next";
            found(format!("queries may still use `{name}` of {}", at.words(table)), help)
        })
        .collect()
}
