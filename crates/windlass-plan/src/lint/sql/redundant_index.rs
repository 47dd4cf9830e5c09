//! `redundant-index`

use super::SqlRule;
use super::script::{At, Found, found};
use windlass_document::Severity;
use windlass_sql::{Change, Ddl, Dialect, IndexKind};

pub(super) const RULE: SqlRule = SqlRule {
    name: "redundant-index",
    severity: Severity::Note,
    summary: "an index begins like another one",
    why: "queries use the longer one as well; each index makes every write slower",
    dialects: &[Dialect::Postgresql, Dialect::Mysql],
    bad: "CREATE TABLE line (id bigint PRIMARY KEY, item bigint);\nCREATE INDEX line_item ON line (item);\nCREATE INDEX line_item_id ON line (item, id);",
    good: "CREATE TABLE line (id bigint PRIMARY KEY, item bigint);\nCREATE INDEX line_item_id ON line (item, id);",
    live: None,
    check,
};

fn check(at: At<'_>) -> Vec<Found> {
    let (table, new): (_, Vec<&[String]>) = match at.ddl() {
        Some(Ddl::CreateIndex(index)) if !index.partial && index.kind == IndexKind::Plain => {
            (&index.table, vec![&index.columns[..]])
        }
        Some(Ddl::AlterTable(alter)) => {
            let new = alter.changes.iter().filter_map(|change| match change {
                Change::AddIndex(index) if index.kind == IndexKind::Plain => Some(&index.columns[..]),
                _ => None,
            });
            (&alter.table, new.collect())
        }
        _ => return Vec::new(),
    };
    let before = at.script.statements[at.index.saturating_sub(LOOK_BACK)..at.index].iter();
    let made = before.filter_map(|read| match &read.ddl {
        Some(Ddl::CreateIndex(index)) if index.table == *table && !index.partial => Some(&index.columns[..]),
        _ => None,
    });
    let there =
        at.live(table).into_iter().flat_map(|live| live.indexes.iter().map(|index| &index.columns[..]));
    let others: Vec<&[String]> = made.chain(there).collect();
    let mut findings = Vec::new();
    for columns in new.into_iter().filter(|columns| !columns.is_empty()) {
        let alike = |other: &&&[String]| {
            !other.is_empty() && (other.starts_with(columns) || columns.starts_with(other))
        };
        if let Some(other) = others.iter().find(alike) {
            let message =
                format!("indexes of `{table}` on ({}) and ({})", columns.join(", "), other.join(", "));
            findings.push(found(message, "keep the longer one only, unless the shorter one is UNIQUE"));
        }
    }
    findings
}

/// Statements before that are looked at.
const LOOK_BACK: usize = 50;
