//! `alter-rebuilds`

use super::script::{At, Found, found, handed_over};
use super::{SqlRule, at_least};
use windlass_document::Severity;
use windlass_sql::{Algorithm, Change, Generated};

pub(super) const RULE: SqlRule = SqlRule {
    name: "alter-rebuilds",
    severity: Severity::Warning,
    summary: "the table is rebuilt",
    why: "all rows are written anew: it takes as long as the table is large, needs as much disk again, and replicas wait for it",
    dialects: super::MYSQL,
    bad: "ALTER TABLE orders ENGINE=InnoDB;",
    good: "ALTER TABLE orders COMMENT 'Orders of all shops';",
    live: None,
    check,
};

fn check(at: At<'_>) -> Vec<Found> {
    let Some(alter) = at.alter().filter(|alter| at.matters(&alter.table)) else { return Vec::new() };
    let Some(least) = at_least(at).filter(|least| least.rebuilds) else { return Vec::new() };
    // A copy is said by another rule, but for what nobody takes for one.
    let said_here = alter.changes.iter().any(|change| match change {
        Change::PartitionBy | Change::RemovePartitioning => true,
        Change::Option((name, _)) => name == "ENGINE",
        Change::AddColumn(column) => column.generated == Some(Generated::Stored),
        _ => false,
    });
    if least.algorithm == Algorithm::Copy && !said_here {
        return Vec::new();
    }
    let message = format!("all of {} is written anew", at.words(&alter.table));
    let help = "do it when nobody needs the table, or hand it to gh-ost or pt-online-schema-change";
    vec![found(message, format!("{help}{}", handed_over(at)))]
}
