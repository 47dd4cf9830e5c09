//! `curl-without-fail`

use super::{Facts, Rule, words};
use windlass_document::{Finding, Severity, Span, shell::Word};

pub(super) const RULE: Rule = Rule {
    name: "curl-without-fail",
    severity: Severity::Warning,
    summary: "a check with `curl` passes on every answer, also on an error page",
    why: "without `-f`, curl succeeds when the server answers 500",
    bad: "```sh {#check on=app}\ncurl http://127.0.0.1:8080/health\n```\n",
    good: "```sh {#check on=app}\ncurl -f http://127.0.0.1:8080/health\n```\n",
    check,
};

fn check(rule: &Rule, facts: &Facts<'_>) -> Vec<Finding> {
    words::simple(facts)
        .filter(|(_, words)| words.first().is_some_and(|name| name.text == "curl"))
        .filter(|(_, words)| !words.iter().skip(1).any(fails))
        .map(|(step, words)| {
            let name = step.body.span_to_source(words[0].span);
            let after = Span::new(name.end, name.end);
            rule.at(name, "this check cannot fail on an error page")
                .help("add `-f`, or write the check as an `http` fence with the expected status")
                .fix(after, " -f", "add `-f`", true)
        })
        .collect()
}

/// `-f`, also among other letters, and its long forms.
fn fails(word: &Word) -> bool {
    let text = word.text.as_str();
    let letters = text.starts_with('-') && !text.starts_with("--") && text.contains('f');
    letters || text == "--fail" || text == "--fail-with-body"
}
