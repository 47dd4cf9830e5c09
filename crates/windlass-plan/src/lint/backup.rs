//! `no-backup-before-write`

use super::{Facts, Rule};
use crate::{Action, require::writes_without_backup};
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
    let mut findings = Vec::new();
    // Each target is spoken of once.
    let mut told = BTreeSet::new();
    for (unit, target) in writes_without_backup(facts.entries().map(|entry| entry.unit)) {
        if !matches!(unit.action, Action::Sql { .. }) || !told.insert(target) {
            continue;
        }
        let Some(entry) = facts.entries().find(|entry| entry.unit.id == unit.id) else { continue };
        let mut finding = rule
            .at(entry.mark.span, format!("`{target}` is changed, and no step before makes a backup of it"))
            .help(match super::sql::dialect(facts, target) {
                Some(Dialect::Postgresql) => "add a step before: `pg_dump > FILE` in a fence with `on=` this target",
                Some(Dialect::Mysql) => {
                    "add a step before: `mysqldump --single-transaction --hex-blob DATABASE > FILE` in a fence with \
                     `on=` this target"
                }
                _ => "add a step before: `sqlite3 FILE \".backup FILE.bak\"`",
            });
        let before = facts.entries().take_while(|before| before.unit.id != unit.id);
        let mut other = before.filter_map(|before| match &before.unit.action {
            Action::Backup { target, .. } => Some((target.as_str(), before.mark.span)),
            _ => None,
        });
        if let Some((backed_up, at)) = other.next() {
            finding = finding.also(
                at,
                match backed_up == target {
                    true => "this backup has only a part of it".to_owned(),
                    false => format!("this is a backup of another database, `{backed_up}`"),
                },
            );
        }
        findings.push(finding);
    }
    findings
}
