//! `moved-then-deleted`

use super::{Facts, Finding, Rule, lines, url};
use windlass_document::Severity;
use windlass_objects::Verb;

pub(in crate::lint) const RULE: Rule = Rule {
    name: "moved-then-deleted",
    severity: Severity::Warning,
    summary: "objects are moved away and then deleted in the same release, with no time between",
    why: "what was moved too much is missed only when somebody needs it; once deleted it is gone, but for what `hold` and versions \
          keep",
    bad: "```sh {#away on=files}\naws s3 mv s3://files/old/ s3://files/discard/ --recursive\n```\n\n- [ ] pages load\n\n```sh \
          {#purge on=files}\naws s3 rm s3://files/discard/ --recursive\n```\n\n- [ ] pages load\n",
    good: "```sh {#away on=files}\naws s3 mv s3://files/old/ s3://files/discard/ --recursive\n```\n\n- [ ] pages load\n\n```sh \
           {#purge on=files after=7d}\naws s3 rm s3://files/discard/ --recursive\n```\n\n- [ ] pages load\n",
    check,
};

fn check(rule: &Rule, facts: &Facts<'_>) -> Vec<Finding> {
    let lines: Vec<_> = lines(facts).filter(super::Written::is_forward).collect();
    let mut findings = Vec::new();
    for (at, deleting) in lines.iter().enumerate() {
        if deleting.line.verb == Verb::Move || deleting.step.attributes.after.is_some() {
            continue;
        }
        let moved = lines[..at].iter().find_map(|moving| {
            let path = moving.line.writes().filter(|_| moving.line.verb == Verb::Move)?;
            deleting.line.takes_below(&path).then_some((moving, path))
        });
        if let Some((moving, path)) = moved {
            let message = format!("this deletes what was moved to `{}` before", url(&path));
            let place = usize::from(deleting.line.verb == Verb::Sync);
            findings.push(
                rule.at(deleting.place(place), message)
                    .also(moving.place(1), "moved here")
                    .help("say `after=7d` in the braces: it asks again then"),
            );
        }
    }
    findings
}
