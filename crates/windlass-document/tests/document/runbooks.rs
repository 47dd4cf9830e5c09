//! What is found in runbooks that were written before the tool.

use crate::corpus;
use windlass_document::{LineIndex, parse_str};

/// Rule and line of every finding, except the missing front matter that all have.
fn places(name: &str) -> Vec<(String, usize)> {
    let text = corpus::RUNBOOKS.iter().find(|(known, _)| *known == name).expect("a runbook").1;
    let parsed = parse_str(text);
    let lines = LineIndex::new(text);
    assert_eq!(parsed.findings[0].rule, "front-missing");
    parsed.findings[1..].iter().map(|f| (f.rule.clone(), lines.line(f.span.start))).collect()
}

fn lines(name: &str, rule: &str) -> Vec<usize> {
    places(name).into_iter().filter(|(found, _)| found == rule).map(|(_, line)| line).collect()
}

#[test]
fn bare_fences_are_found_and_nothing_else() {
    for (name, wanted) in [
        ("000", [4, 16, 81, 113].as_slice()),
        ("001", &[]),
        ("002", &[9, 38, 55, 66, 80, 98, 113, 119, 164, 281, 320, 335, 346, 361, 376, 448, 473, 526]),
        ("003", &[7, 60, 65, 94]),
    ] {
        assert_eq!(lines(name, "bare-fence"), wanted, "{name}");
        assert_eq!(places(name).len(), wanted.len(), "{name}");
    }
}

#[test]
fn the_template_with_nested_fences_is_seen_for_what_it_is() {
    assert_eq!(lines("004", "nested-fence"), [124, 326, 511, 529]);
    assert_eq!(lines("004", "unclosed-fence"), [556]);
    assert_eq!(lines("004", "bare-fence").len(), 14);
}

#[test]
fn the_front_matter_that_the_fix_inserts_knows_the_version_of_the_title() {
    let text = corpus::RUNBOOKS[0].1;
    assert_eq!(parse_str(text).findings[0].fixes[0].replacement, "---\nrelease: 2.1.0\n---\n");
}

#[test]
fn a_runbook_with_every_fence_cured_has_no_problem_left() {
    for name in ["000", "001", "003"] {
        let mut text =
            corpus::RUNBOOKS.iter().find(|(known, _)| *known == name).expect("a runbook").1.to_owned();
        for finding in parse_str(&text.clone()).findings.iter().rev() {
            let fix = finding.fixes.last().expect("every finding of these has a fix");
            text.replace_range(fix.span.start..fix.span.end, &fix.replacement);
        }
        let left = parse_str(&text);
        assert_eq!(left.findings, [], "{name}");
        assert!(left.document.steps.is_empty(), "all of it is prose now");
    }
}

#[test]
fn the_whole_document_has_no_problem() {
    let parsed = parse_str(corpus::WHOLE);
    assert_eq!(parsed.findings, []);
    let ids: Vec<&str> = parsed.document.steps.iter().map(|step| step.id.value.as_str()).collect();
    assert_eq!(ids, ["backup", "copy", "uncopy", "fill", "schema", "config", "purge", "step-8", "look"]);
    assert_eq!(parsed.document.gates.len(), 3);
}
