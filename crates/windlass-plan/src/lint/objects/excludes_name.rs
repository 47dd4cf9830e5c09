//! `exclude-without-wildcard`

use super::{Facts, Finding, Rule, of_hazards};
use windlass_document::Severity;
use windlass_objects::Hazard;

pub(in crate::lint) const RULE: Rule = Rule {
    name: "exclude-without-wildcard",
    severity: Severity::Warning,
    summary: "an `--exclude` of `aws s3` without a wildcard keeps out one object, not what is below it",
    why: "a pattern is compared with the whole name from the source on; a name that is meant as a folder matches nothing in it",
    bad: "```sh {#copy on=files}\naws s3 sync s3://files/live/ s3://files/copy/ --exclude \"tmp\"\n```\n\n- [ ] pages load\n",
    good: "```sh {#copy on=files}\naws s3 sync s3://files/live/ s3://files/copy/ --exclude \"tmp/*\"\n```\n\n- [ ] pages load\n",
    check,
};

fn check(rule: &Rule, facts: &Facts<'_>) -> Vec<Finding> {
    of_hazards(facts, |written, hazard| {
        let Hazard::ExcludesOneName(at) = hazard else { return None };
        let pattern = written.line.options.filters[at].pattern.trim_end_matches('/');
        let message = format!("only an object of exactly the name `{pattern}` is excluded");
        let help = format!("if what is below it is meant, write `--exclude \"{pattern}/*\"`");
        Some(rule.at(written.filter(at), message).help(help))
    })
}
