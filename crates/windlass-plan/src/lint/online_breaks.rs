//! `online-breaks`

use super::serving::{Services, harms, split, with_place};
use super::{Facts, Rule};
use windlass_document::{Confidence, Finding, Severity};

pub(super) const RULE: Rule = Rule {
    name: "online-breaks",
    severity: Severity::Error,
    summary: "a step says `online`, but takes away what the version before uses",
    why: "`online` promises that the version before keeps working; what is renamed or dropped is gone for it",
    bad: "```sh {#backup on=app}\nsqlite3 app.db \".backup app.bak\"\n```\n\n```sql {#rename on=db online}\nALTER TABLE \
          booking RENAME COLUMN seat TO seat_number;\n```\n\n```sh {#restart on=app}\nwindlass service restart \
          booking\n```\n",
    good: "```sh {#backup on=app}\nsqlite3 app.db \".backup app.bak\"\n```\n\n```sql {#add on=db online}\nALTER TABLE \
           booking ADD COLUMN seat_number INTEGER;\n```\n\n```sh {#restart on=app}\nwindlass service restart \
           booking\n```\n",
    check,
};

fn check(rule: &Rule, facts: &Facts<'_>) -> Vec<Finding> {
    let services = Services::of(facts);
    let mut findings = Vec::new();
    for harm in harms(facts).iter().filter(|harm| harm.entry.compiled.step.online) {
        let service = services.serving(harm);
        let who = service.map_or_else(|| "the version before".to_owned(), |service| format!("`{service}`"));
        let mut finding =
            rule.at(harm.entry.mark.span, format!("{who} cannot keep working across this statement"));
        if !harm.certain {
            finding.severity = Severity::Warning;
            finding.confidence = Confidence::Medium;
            finding.message.push_str(", unless the catalog says otherwise: `windlass plan`");
        }
        finding = match service {
            Some(service) => with_place(finding, &services, harm, service),
            None => finding.help(format!("leave `online` out; or split it: {}", split(&harm.ddl))),
        };
        let promise = facts.source(harm.entry.compiled).and_then(|step| step.attributes.online);
        findings.push(match promise {
            Some(span) => finding.also(span, "promised here"),
            None => finding,
        });
    }
    findings
}
