//! `objects-copied-again`

use super::{Facts, Finding, Rule, of_hazards};
use windlass_document::Severity;
use windlass_objects::Hazard;

pub(in crate::lint) const RULE: Rule = Rule {
    name: "objects-copied-again",
    severity: Severity::Warning,
    summary: "a filter hides the destination of an `aws s3 sync`, so every run copies everything",
    why: "the filters are for both listings: what they hide at the destination is taken for missing, each time",
    bad: "```sh {#copy on=files}\naws s3 sync s3://files/live/ s3://files/live/v1/ --exclude \"v1/*\"\n```\n\n- [ ] pages load\n",
    good: "```sh {#copy on=files}\naws s3 sync s3://files/live/ s3://files/v1/\n```\n\n- [ ] pages load\n",
    check,
};

fn check(rule: &Rule, facts: &Facts<'_>) -> Vec<Finding> {
    of_hazards(facts, |written, hazard| {
        (hazard == Hazard::CopiesAllAgain).then(|| {
            rule.at(written.place(1), "the filters hide the destination, so each run copies all of it again")
                .help("write to a prefix beside the source: then a second run copies only what came since")
        })
    })
}
