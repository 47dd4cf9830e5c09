//! `backup-while-serving`

use super::{Entry, Facts, Rule};
use crate::{Action, ServiceOperation, UndoBy, UnitId};
use std::collections::{BTreeMap, BTreeSet};
use windlass_document::{Finding, Severity, Span};

pub(super) const RULE: Rule = Rule {
    name: "backup-while-serving",
    severity: Severity::Warning,
    summary: "the backup that an undo restores was made before the service was stopped",
    why: "what the service wrote between the backup and the stop is not in the backup, so the undo will be refused",
    bad: "```sh {#backup on=app}\nsqlite3 app.db \".backup app.bak\"\nwindlass service stop booking\n```\n\n```sql {#seats \
          on=db undo=backup}\nALTER TABLE booking ADD COLUMN seats INTEGER;\n```\n\n```sh {#start on=app}\nwindlass \
          service start booking\n```\n\n- [ ] seats can be booked\n",
    good: "```sh {#backup on=app}\nsqlite3 app.db \".backup app.bak\"\nwindlass service stop booking\n```\n\n```sql {#seats \
           on=db}\nALTER TABLE booking ADD COLUMN seats INTEGER;\n```\n\n```sh {#start on=app}\nwindlass service \
           start booking\n```\n\n- [ ] seats can be booked\n",
    check,
};

fn check(rule: &Rule, facts: &Facts<'_>) -> Vec<Finding> {
    // Backups so far, each with the first stop of a service that came after it.
    let mut backups: BTreeMap<&UnitId, (Entry<'_>, Option<Span>)> = BTreeMap::new();
    // A step is spoken of once, however many statements it has.
    let mut told = BTreeSet::new();
    let mut findings = Vec::new();
    for entry in facts.entries() {
        match (&entry.unit.action, &entry.unit.undo.by) {
            (Action::Backup { .. }, _) => {
                backups.insert(&entry.unit.id, (entry, None));
            }
            (Action::Service { operation: ServiceOperation::Stop, service }, _) => {
                let users = backups.values_mut().filter(|(backup, _)| facts.may_use(service, *backup));
                users.for_each(|(_, stop)| *stop = stop.or(Some(entry.mark.span)));
            }
            (_, UndoBy::Backup(backup)) => {
                let Some((_, Some(stop))) = backups.get(backup) else { continue };
                if told.insert(&entry.compiled.step.id) {
                    let text = format!("the backup of {backup} is older than the stop of the service");
                    findings.push(rule.at(entry.mark.span, text).also(*stop, "the service writes until here").help(
                        "leave `undo=` out: then what the step changes is put back piece by piece, and what others wrote stays; or \
                         make the backup after the stop",
                    ));
                }
            }
            _ => {}
        }
    }
    findings
}
