//! `filter-excludes-all`

use super::{Facts, Finding, Rule, of_hazards};
use windlass_document::Severity;
use windlass_objects::Hazard;

pub(in crate::lint) const RULE: Rule = Rule {
    name: "filter-excludes-all",
    severity: Severity::Warning,
    summary: "the last filter of a line of `aws s3` excludes everything",
    why: "the last filter that matches decides, so the line does nothing and ends well",
    bad: "```sh {#tidy on=files}\naws s3 rm s3://files/tmp/ --recursive --exclude \"*.tmp\" --exclude \"*\"\n```\n\n- [ ] pages load\n",
    good: "```sh {#tidy on=files}\naws s3 rm s3://files/tmp/ --recursive --exclude \"*\" --include \"*.tmp\"\n```\n\n- [ ] pages load\n",
    check,
};

fn check(rule: &Rule, facts: &Facts<'_>) -> Vec<Finding> {
    of_hazards(facts, |written, hazard| {
        let Hazard::ExcludesEverything(at) = hazard else { return None };
        let message = "this excludes everything, so nothing is done";
        Some(
            rule.at(written.filter(at), message)
                .help("put it in front of the `--include` that it is meant for"),
        )
    })
}
