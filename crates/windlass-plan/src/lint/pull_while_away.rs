//! `pull-while-away`

use super::{Facts, Rule};
use crate::Action;
use windlass_document::{Finding, Severity};

pub(super) const RULE: Rule = Rule {
    name: "pull-while-away",
    severity: Severity::Warning,
    summary: "images are pulled or built while their containers are away",
    why: "a pull or a build takes minutes and may fail, for want of disk, network or a tag: until it is done nobody is served",
    bad: "```sh {#stop on=app}\ndocker compose down\n```\n\n```sh {#start on=app}\ndocker compose pull\ndocker compose up -d\n```\n\n- \
          [ ] it answers\n",
    good: "```sh {#stop on=app}\ndocker compose pull\ndocker compose down\n```\n\n```sh {#start on=app}\ndocker compose up \
           -d\n```\n\n- [ ] it answers\n",
    check,
};

fn check(rule: &Rule, facts: &Facts<'_>) -> Vec<Finding> {
    let mut away = None;
    let mut findings = Vec::new();
    for entry in facts.entries() {
        let Action::Compose(line) = &entry.unit.action else { continue };
        match (line.operation, away) {
            (brings, Some(since)) if brings.only_brings() => {
                let word = brings.word();
                findings.push(
                    rule.at(entry.mark.span, format!("the containers are away while this {word}s"))
                        .also(since, "they go away here")
                        .help(format!("{word} before: nothing that runs is touched by it")),
                );
            }
            (operation, _) if operation.ends_away() && line.services.is_empty() => {
                away = Some(entry.mark.span)
            }
            (operation, _) if operation.ends_up() => away = None,
            _ => {}
        }
    }
    findings
}
