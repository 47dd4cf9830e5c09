//! `objects-into-themselves`

use super::{Facts, Finding, Rule, of_hazards};
use windlass_document::Severity;
use windlass_objects::Hazard;

pub(in crate::lint) const RULE: Rule = Rule {
    name: "objects-into-themselves",
    severity: Severity::Error,
    summary: "the destination of a line of `aws s3` is inside of its source",
    why: "aws-cli lists while it writes, so it copies its own copies: each run makes the tree one level deeper, a run over more \
          than a thousand objects does not end by itself, and `--dryrun` shows nothing of it",
    bad: "```sh {#copy on=files}\naws s3 sync s3://files/live/ s3://files/live/v1/\n```\n\n- [ ] pages load\n",
    good: "```sh {#copy on=files}\naws s3 sync s3://files/live/ s3://files/v1/\n```\n\n- [ ] pages load\n",
    check,
};

fn check(rule: &Rule, facts: &Facts<'_>) -> Vec<Finding> {
    of_hazards(facts, |written, hazard| {
        let message = match hazard {
            Hazard::IntoItself => "the destination is inside of the source",
            Hazard::OntoItself => "the destination is the source",
            _ => return None,
        };
        let help = "write to a prefix beside the source; or keep the destination out with a filter behind all others, \
                    `--exclude \"PREFIX/*\"` with its name from the source on, and `mv` or `cp`, since `sync` would copy all again";
        Some(rule.at(written.place(1), message).also(written.place(0), "the source").help(help))
    })
}
