//! `no-key`

use super::script::{At, Found, found};
use super::{SqlRule, table_name};
use windlass_document::Severity;
use windlass_sql::{Dialect, DmlKind, Live, LiveIndex, LiveTable};

pub(super) const RULE: SqlRule = SqlRule {
    name: "no-key",
    severity: Severity::Warning,
    summary: "rows are changed that cannot be told apart",
    why: "rows are put back by their key; without one, or when it is changed itself, only a copy of the whole table brings them back",
    dialects: &[Dialect::Postgresql, Dialect::Mysql],
    bad: "UPDATE event SET state = 'old' WHERE state IS NULL;",
    good: "UPDATE orders SET state = 'old' WHERE state IS NULL;",
    live: Some(live),
    check,
};

fn check(at: At<'_>) -> Vec<Found> {
    let Some(dml) = at.dml().filter(|dml| matches!(dml.kind, DmlKind::Update | DmlKind::Delete)) else {
        return Vec::new();
    };
    let mut findings = Vec::new();
    for name in &dml.tables {
        let Some(table) = at.live(name) else { continue };
        if !table.has_key() {
            let help = "add a primary key in a release before; or write the way back yourself: `undoes=`";
            findings.push(found(format!("`{name}` has neither a primary key nor a unique index"), help));
            continue;
        }
        let primary = table.indexes.iter().find(|index| index.primary);
        let changed = primary
            .into_iter()
            .flat_map(|index| &index.columns)
            .find(|column| dml.assigned.iter().any(|assigned| assigned.eq_ignore_ascii_case(column)));
        if let Some(column) = changed {
            let help = "insert the rows with their new keys and delete the old ones; or write the way back: `undoes=`";
            findings.push(found(format!("`{column}`, the key of `{name}`, is changed itself"), help));
        }
    }
    findings
}

fn live() -> Live {
    let key = LiveIndex {
        columns: vec!["id".to_owned()],
        primary: true,
        unique: true,
        usable: true,
        ..LiveIndex::default()
    };
    let event = LiveTable { name: table_name("event"), rows: Some(500), ..LiveTable::default() };
    let orders =
        LiveTable { name: table_name("orders"), rows: Some(500), indexes: vec![key], ..LiveTable::default() };
    Live { tables: vec![event, orders], ..Live::default() }
}
