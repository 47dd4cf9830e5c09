//! `objects-delete-source`

use super::{Facts, Finding, Rule, of_hazards};
use windlass_document::Severity;
use windlass_objects::Hazard;

pub(in crate::lint) const RULE: Rule = Rule {
    name: "objects-delete-source",
    severity: Severity::Error,
    summary: "`aws s3 sync --delete` whose source is inside of its destination",
    why: "`--delete` takes away what the source does not have under the same name, and that is the source itself",
    bad: "```sh {#up on=files}\naws s3 sync s3://files/live/v1/ s3://files/live/ --delete\n```\n\n- [ ] pages load\n",
    good: "```sh {#up on=files}\naws s3 sync s3://files/live/v1/ s3://files/live/\n```\n\n- [ ] pages load\n",
    check,
};

fn check(rule: &Rule, facts: &Facts<'_>) -> Vec<Finding> {
    of_hazards(facts, |written, hazard| {
        (hazard == Hazard::DeletesSource).then(|| {
            rule.at(written.place(0), "the source is inside of the destination, so `--delete` deletes it")
                .also(written.place(1), "the destination")
                .help("take `--delete` out, and say what is to go with `aws s3 rm`")
        })
    })
}
