//! `no-backup-before-write`

use super::{Facts, Rule};
use crate::Action;
use std::collections::BTreeSet;
use windlass_document::{Finding, Severity};
use windlass_sql::Dialect;

pub(super) const RULE: Rule = Rule {
    name: "no-backup-before-write",
    severity: Severity::Warning,
    summary: "a database is changed before any backup of it was made",
    why: "what is saved for the undo goes with the run; a backup is what is left when the mistake is found a week later",
    bad: "```sql {#seats on=db}\nALTER TABLE booking ADD COLUMN seats INTEGER;\n```\n\n- [ ] seats can be booked\n",
    good: "```sh {#backup on=app}\nsqlite3 app.db \".backup app.bak\"\n```\n\n```sql {#seats on=db}\nALTER \
           TABLE booking ADD COLUMN seats INTEGER;\n```\n\n- [ ] seats can be booked\n",
    check,
};

fn check(rule: &Rule, facts: &Facts<'_>) -> Vec<Finding> {
    if !facts.complete {
        return Vec::new();
    }
    // Each target is spoken of once.
    let mut seen = BTreeSet::new();
    let mut other = None;
    let mut findings = Vec::new();
    for entry in facts.entries() {
        match &entry.unit.action {
            Action::Backup { target, .. } => {
                seen.insert(target);
                other.get_or_insert((target, entry.mark.span));
            }
            Action::Sql { target, .. } if entry.changes() && seen.insert(target) => {
                let mut finding = rule.at(
                    entry.mark.span,
                    format!("`{target}` is changed, and no step before makes a backup of it"),
                )
                .help(match super::sql::dialect(facts, target) {
                    Some(Dialect::Postgresql) => "add a step before: `pg_dump > FILE` in a fence with `on=` this target",
                    Some(Dialect::Mysql) => {
                        "add a step before: `mysqldump --single-transaction --hex-blob DATABASE > FILE` in a fence with \
                         `on=` this target"
                    }
                    _ => "add a step before: `sqlite3 FILE \".backup FILE.bak\"`",
                });
                if let Some((backed_up, at)) = other {
                    finding =
                        finding.also(at, format!("this is a backup of another database, `{backed_up}`"));
                }
                findings.push(finding);
            }
            _ => {}
        }
    }
    findings
}
