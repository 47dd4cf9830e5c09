//! `prefix-without-slash`

use super::{Facts, Finding, Rule, of_hazards};
use windlass_document::Severity;
use windlass_objects::Hazard;

pub(in crate::lint) const RULE: Rule = Rule {
    name: "prefix-without-slash",
    severity: Severity::Note,
    summary: "a prefix of a line of `aws s3` has no `/` at its end",
    why: "aws-cli adds it, other tools do not: with them the same words mean `live2/` too",
    bad: "```sh {#copy on=files}\naws s3 sync s3://files/live s3://files/v1/\n```\n\n- [ ] pages load\n",
    good: "```sh {#copy on=files}\naws s3 sync s3://files/live/ s3://files/v1/\n```\n\n- [ ] pages load\n",
    check,
};

fn check(rule: &Rule, facts: &Facts<'_>) -> Vec<Finding> {
    of_hazards(facts, |written, hazard| {
        (hazard == Hazard::NoSlash).then(|| {
            let open = |place: Option<&windlass_objects::Place>| {
                place.is_some_and(|place| place.is_s3() && !place.to_string().ends_with('/'))
            };
            let at = written.place(usize::from(!open(Some(&written.line.from))));
            rule.at(at, "what is below this name is meant, not what begins with it")
                .help("write the `/` at its end")
        })
    })
}
