//! `hidden-failure`

use super::{Facts, Rule};
use crate::Action;
use windlass_document::{
    Finding, Script, Severity,
    shell::{CommandKind, ShellCommand},
};

pub(super) const RULE: Rule = Rule {
    name: "hidden-failure",
    severity: Severity::Warning,
    summary: "a script of several commands goes on after one of them failed",
    why: "a script has the exit status of its last command: the failure of any other one is not seen, and the release \
          goes on",
    bad: "```sh {#migrate on=app irreversible}\nfor file in migrations/*.py; do python3 \"$file\"; done\n./reindex\n\
          ```\n\n- [ ] search works\n",
    good: "```sh {#migrate on=app irreversible}\nset -e\nfor file in migrations/*.py; do python3 \"$file\"; done\n\
           ./reindex\n```\n\n- [ ] search works\n",
    check,
};

fn check(rule: &Rule, facts: &Facts<'_>) -> Vec<Finding> {
    facts
        .entries()
        .filter_map(|entry| {
            let Action::Shell { script, .. } = &entry.unit.action else { return None };
            let source = facts.source(entry.compiled).filter(|step| step.body.text == *script)?;
            let Script::Shell(shell) = &source.script else { return None };
            let [first, .., last] = &shell.commands[..] else { return None };
            if stops_at_failure(first) {
                return None;
            }
            let start = source.body.to_source(first.span.start);
            let at = source.body.span_to_source(first.span);
            Some(
                rule.at(at, "if this fails, the script goes on")
                    .also(source.body.span_to_source(last.span), "only the exit status of this one is seen")
                    .help("begin with `set -e`, or make a step of each command")
                    .fix(
                        windlass_document::Span::new(start, start),
                        "set -e\n",
                        "stop at the first failure",
                        false,
                    ),
            )
        })
        .collect()
}

/// `set -e`, also with other letters, or `set -o errexit`.
fn stops_at_failure(command: &ShellCommand) -> bool {
    let CommandKind::Simple(simple) = &command.kind else { return false };
    let Some((name, options)) = simple.words.split_first() else { return false };
    let letters = |text: &str| text.starts_with('-') && text.contains('e');
    name.text == "set" && options.iter().any(|word| letters(&word.text) || word.text == "errexit")
}
