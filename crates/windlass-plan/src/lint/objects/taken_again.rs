//! `objects-taken-again`

use super::{Facts, Finding, Rule, lines, url};
use windlass_document::Severity;
use windlass_objects::Verb;

pub(in crate::lint) const RULE: Rule = Rule {
    name: "objects-taken-again",
    severity: Severity::Warning,
    summary: "a line of `aws s3` takes away what an earlier one of the release has copied",
    why: "a line that moves or deletes all below a prefix does so with copies below it too, which were made to stay",
    bad: "```sh {#copy on=files}\naws s3 sync s3://files/old/ s3://files/live/v1/\n```\n\n```sh {#tidy on=files}\naws s3 mv \
          s3://files/live/ s3://files/discard/ --recursive\n```\n\n- [ ] pages load\n",
    good: "```sh {#copy on=files}\naws s3 sync s3://files/old/ s3://files/live/v1/\n```\n\n```sh {#tidy on=files}\naws s3 mv \
           s3://files/live/ s3://files/discard/ --recursive --exclude \"v1/*\"\n```\n\n- [ ] pages load\n",
    check,
};

fn check(rule: &Rule, facts: &Facts<'_>) -> Vec<Finding> {
    let lines: Vec<_> = lines(facts).filter(super::Written::is_forward).collect();
    let mut findings = Vec::new();
    for (at, taking) in lines.iter().enumerate() {
        let Some(taken) = taking.line.takes() else { continue };
        let copied = lines[..at].iter().find_map(|copying| {
            let path = copying.line.writes()?;
            // To take just what was copied, and no more, is why it was copied.
            let meant = matches!(copying.line.verb, Verb::Sync | Verb::Copy) && path != taken;
            (meant && path.starts_with(&taken) && taking.line.takes_below(&path)).then_some((copying, path))
        });
        if let Some((copying, path)) = copied {
            let message = format!("this takes away what was copied to `{}` before", url(&path));
            let place = usize::from(taking.line.verb == Verb::Sync);
            findings.push(
                rule.at(taking.place(place), message)
                    .also(copying.place(1), "copied here")
                    .help("leave it out with a filter behind all others, `--exclude \"PREFIX/*\"`, or name what is meant to go"),
            );
        }
    }
    findings
}
