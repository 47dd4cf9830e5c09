//! `filter-without-effect`

use super::{Facts, Finding, Rule, of_hazards};
use windlass_document::Severity;
use windlass_objects::Hazard;

pub(in crate::lint) const RULE: Rule = Rule {
    name: "filter-without-effect",
    severity: Severity::Warning,
    summary: "a filter of `aws s3` that does nothing",
    why: "everything is included until a filter excludes it, and the last filter that matches decides: an `--include` means \
          something only behind an `--exclude`",
    bad: "```sh {#copy on=files}\naws s3 sync s3://files/live/ s3://files/v1/ --include \"*.txt\"\n```\n\n- [ ] pages load\n",
    good: "```sh {#copy on=files}\naws s3 sync s3://files/live/ s3://files/v1/ --exclude \"*\" --include \"*.txt\"\n```\n\n- [ ] pages \
           load\n",
    check,
};

fn check(rule: &Rule, facts: &Facts<'_>) -> Vec<Finding> {
    of_hazards(facts, |written, hazard| match hazard {
        Hazard::IncludeWithoutEffect(at) => {
            let pattern = &written.line.options.filters[at].pattern;
            let message = "this `--include` does nothing: all is included already";
            let help = format!(
                "if only `{pattern}` is meant, write `--exclude \"*\"` in front of it; if all is meant, take it out"
            );
            Some(rule.at(written.filter(at), message).help(help))
        }
        Hazard::FilterFromRoot(at) => {
            let message = "no key begins with `/`, so this filter matches nothing";
            Some(
                rule.at(written.filter(at), message)
                    .help("write it from the source on, without the `/` in front"),
            )
        }
        _ => None,
    })
}
