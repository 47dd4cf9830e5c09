//! `breaking-while-serving`

use super::serving::{Services, harms, with_place};
use super::{Facts, Rule};
use windlass_document::{Confidence, Finding, Severity};
use windlass_sql::Compatibility;

pub(super) const RULE: Rule = Rule {
    name: "breaking-while-serving",
    severity: Severity::Error,
    summary: "something is renamed, dropped or narrowed while the version before still serves",
    why: "requests of the version before fail from that statement on, until the new version has taken over",
    bad: "```sh {#backup on=app}\nsqlite3 app.db \".backup app.bak\"\n```\n\n```sql {#rename on=db}\nALTER TABLE booking \
          RENAME COLUMN seat TO seat_number;\n```\n\n```sh {#restart on=app}\nwindlass service restart booking\n```\n",
    good: "```sh {#backup on=app}\nsqlite3 app.db \".backup app.bak\"\n```\n\n```sh {#stop on=app}\nwindlass service \
           stop booking\n```\n\n```sql {#rename on=db}\nALTER TABLE booking RENAME COLUMN seat TO seat_number;\n\
           ```\n\n```sh {#start on=app}\nwindlass service start booking\n```\n",
    check,
};

fn check(rule: &Rule, facts: &Facts<'_>) -> Vec<Finding> {
    let services = Services::of(facts);
    let mut findings = Vec::new();
    // `online` makes it a broken promise: that is a rule of its own.
    for harm in harms(facts).iter().filter(|harm| !harm.entry.compiled.step.online) {
        let Some(service) = services.serving(harm) else { continue };
        let word = if harm.meaning == Compatibility::Breaking { "breaking" } else { "contracting" };
        let mut finding = rule.at(
            harm.entry.mark.span,
            format!("{word} change, and `{service}` still serves with its version before this"),
        );
        if !harm.certain {
            finding.severity = Severity::Warning;
            finding.confidence = Confidence::Medium;
            finding.message.push_str("; the catalog decides: `windlass plan`");
        }
        findings.push(with_place(finding, &services, harm, service));
    }
    findings
}
