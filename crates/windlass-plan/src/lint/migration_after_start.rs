//! `migration-after-start`

use super::{Entry, Facts, Rule, sql::dialect};
use crate::{Action, ServiceOperation};
use windlass_document::{Finding, Severity};
use windlass_sql::{Compatibility, compatibility};

pub(super) const RULE: Rule = Rule {
    name: "migration-after-start",
    severity: Severity::Note,
    summary: "the schema is changed after the service was started",
    why: "the new version runs on the old schema until then; most versions expect theirs from the first request on",
    bad: "```sh {#backup on=app}\nsqlite3 app.db \".backup app.bak\"\n```\n\n```sh {#restart on=app}\nwindlass service \
          restart booking\n```\n\n```sql {#seats on=db}\nALTER TABLE booking ADD COLUMN seats INTEGER;\n```\n\n- [ ] \
          seats can be booked\n",
    good: "```sh {#backup on=app}\nsqlite3 app.db \".backup app.bak\"\n```\n\n```sql {#seats on=db}\nALTER TABLE booking \
           ADD COLUMN seats INTEGER;\n```\n\n```sh {#restart on=app}\nwindlass service restart booking\n```\n\n- [ ] \
           seats can be booked\n",
    check,
};

fn check(rule: &Rule, facts: &Facts<'_>) -> Vec<Finding> {
    let mut started = None;
    let mut findings = Vec::new();
    for entry in facts.entries() {
        match &entry.unit.action {
            Action::Service { operation: ServiceOperation::Stop, .. } => started = None,
            Action::Service { operation: ServiceOperation::Keep, .. } => {}
            Action::Service { service, .. } => {
                // What stands before a further start is in time for that one.
                findings.clear();
                started = Some((service, entry.mark.span));
            }
            // What takes something away belongs behind the start: then nobody uses it.
            _ if entry.changes_schema() && !contracts(facts, entry) => {
                let Some((service, span)) = started.filter(|(service, _)| facts.may_use(service, entry))
                else {
                    continue;
                };
                findings.push(
                    rule.at(entry.mark.span, format!("the schema changes after `{service}` was started"))
                        .also(span, "started here")
                        .help("move the change before the start, unless the new version works with both schemas"),
                );
            }
            _ => {}
        }
    }
    findings
}

fn contracts(facts: &Facts<'_>, entry: Entry<'_>) -> bool {
    let Action::Sql { target, statement, .. } = &entry.unit.action else { return false };
    dialect(facts, target).is_some_and(|dialect| compatibility(statement, dialect) == Compatibility::Contract)
}
