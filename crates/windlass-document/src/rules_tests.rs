use super::*;
use crate::{RULES, parse_str, rules_list};

/// Rules of the text of a step; each has its place in the reader of its language.
fn of_script(name: &str) -> bool {
    ["shell-", "diff-", "http-", "control-", "lookalike-", "too-many-"]
        .iter()
        .any(|prefix| name.starts_with(prefix))
}

fn names(text: &str) -> Vec<String> {
    parse_str(text).findings.into_iter().map(|finding| finding.rule).collect()
}

#[test]
fn every_bad_example_triggers_its_rule_and_every_good_one_none_at_all() {
    for rule in RULES {
        if let Example::Document(bad) = rule.bad {
            let found = parse_str(bad).findings;
            let hit = found.iter().find(|finding| finding.rule == rule.name);
            let hit = hit.unwrap_or_else(|| panic!("{}: its bad example gives {:?}", rule.name, names(bad)));
            assert_eq!(hit.severity, rule.severity, "{}", rule.name);
            assert!(!hit.why.is_empty(), "{} does not say why", rule.name);
            assert_eq!(names(rule.good), Vec::<String>::new(), "{}: its good example", rule.name);
        }
    }
}

#[test]
fn bad_examples_have_no_problem_but_their_own() {
    // What breaks the reading of the text behind it, or is a problem of the shell as well, cannot help it.
    const NOISY: [&str; 3] = ["carriage-return", "front-unclosed", "undo-of-undo"];
    for rule in RULES.iter().filter(|rule| !NOISY.contains(&rule.name)) {
        if let Example::Document(bad) = rule.bad {
            let own = |name: &String| name == rule.name || (of_script(rule.name) && of_script(name));
            assert!(names(bad).iter().all(own), "{}: {:?}", rule.name, names(bad));
        }
    }
}

#[test]
fn names_are_unique_and_kebab_case() {
    let mut seen: Vec<&str> = RULES.iter().map(|rule| rule.name).collect();
    assert!(
        seen.iter()
            .all(|name| name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'))
    );
    seen.sort_unstable();
    let all = seen.len();
    seen.dedup();
    assert_eq!(seen.len(), all);
}

#[test]
fn too_many_findings_are_counted_not_kept() {
    let text = format!("---\nrelease: 1\n---\n{}", "```sh\n```\n".repeat(FINDINGS_MAX + 5));
    let found = parse_str(&text).findings;
    assert_eq!(found.len(), FINDINGS_MAX + 1);
    let last = found.last().unwrap();
    assert_eq!(last.rule, rules_list::MORE_FINDINGS.name);
    assert_eq!(last.message, "5 more problems are not shown");
}
