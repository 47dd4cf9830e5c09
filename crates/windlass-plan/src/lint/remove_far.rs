//! `remove-far`

use super::{Facts, Rule, words};
use crate::lift::normal;
use windlass_document::{Finding, Severity};

pub(super) const RULE: Rule = Rule {
    name: "remove-far",
    severity: Severity::Warning,
    summary: "`rm -r` on an absolute path, or on a folder above",
    why: "one wrong word here removes what the release has nothing to do with",
    bad: "```sh {#tidy on=app}\nrm -rf /srv/cache\n```\n\n- [ ] pages load\n",
    good: "```sh {#tidy on=app}\nrm -rf cache\n```\n\n- [ ] pages load\n",
    check,
};

fn check(rule: &Rule, facts: &Facts<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (step, words) in words::simple(facts) {
        let Some((name, rest)) = words.split_first().filter(|(name, _)| name.text == "rm") else { continue };
        let option = |text: &str| text.starts_with('-') && text.len() > 1;
        let recursive = rest.iter().any(|word| {
            let text = word.text.as_str();
            text == "--recursive" || option(text) && !text.starts_with("--") && text.contains(['r', 'R'])
        });
        if !recursive {
            continue;
        }
        for word in rest.iter().filter(|word| !option(&word.text)) {
            let path = normal(&word.text);
            if path.starts_with('/') || path.starts_with("..") || path.is_empty() {
                let span = step.body.span_to_source(word.span);
                findings.push(
                    rule.at(span, format!("`{} -r` reaches outside of the target's folder", name.text))
                        .help("set `dir` of the target, and name what is inside of it"),
                );
            }
        }
    }
    findings
}
