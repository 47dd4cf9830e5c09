use crate::{Downtime, Finding, Fix, Kind, Parsed, Span, Spanned, Urgency, parse_str};
use std::time::Duration;

fn only(text: &str, rule: &str) -> Finding {
    let findings = parse_str(text).findings;
    assert_eq!(findings.iter().map(|f| f.rule.as_str()).collect::<Vec<_>>(), [rule], "{findings:#?}");
    findings.into_iter().next().unwrap()
}

fn slice(text: &str, span: Span) -> &str {
    &text[span.start..span.end]
}

/// `text` with the first fix of `finding` applied.
fn fixed(text: &str, finding: &Finding) -> String {
    let Fix { span, replacement, .. } = &finding.fixes[0];
    format!("{}{replacement}{}", &text[..span.start], &text[span.end..])
}

fn is_clean(text: &str) -> bool {
    parse_str(text).findings.is_empty()
}

#[test]
fn all_keys_are_read_with_their_places() {
    let text = "\u{feff}---\r\nrelease: 2.10   # 版本\r\nfrom: \"2.0.9\"\r\nenv: 生产\r\nkind: security\r\nseverity: critical\r\ndowntime: 15m\r\nticket: 17\r\n---\r\n";
    let Parsed { document, findings } = parse_str(text);
    assert_eq!(findings, []);
    let front = document.front;
    let check = |value: Option<Spanned<String>>, wanted: &str, written: &str| {
        let value = value.unwrap();
        assert_eq!((value.value.as_str(), slice(text, value.span)), (wanted, written));
    };
    check(front.release, "2.10", "2.10");
    check(front.from, "2.0.9", "\"2.0.9\"");
    check(front.env, "生产", "生产");
    check(front.ticket, "17", "17");
    assert_eq!(front.kind.unwrap().value, Kind::Security);
    assert_eq!(front.severity.unwrap().value, Urgency::Critical);
    let downtime = front.downtime.unwrap();
    assert_eq!((downtime.value, slice(text, downtime.span)), (Downtime(Duration::from_secs(900)), "15m"));
}

#[test]
fn versions_stay_as_they_are_written() {
    for written in [
        "2.10",
        "1e3",
        "0x10",
        "2026-11-21",
        "yes",
        "007",
        "1_000",
        "99999999999999999999999999",
        ".inf",
        "'2.10'",
        "1e999",
    ] {
        let text = format!("---\nrelease: {written}\n---\n");
        let release = parse_str(&text).document.front.release.unwrap();
        assert_eq!(release.value, written.trim_matches('\''));
        assert_eq!(slice(&text, release.span), written);
    }
}

#[test]
fn all_problems_of_the_front_matter_are_reported_at_once() {
    let text =
        "---\nkind: featur\nseverty: critical\ndowntime: 5\nenv: ../prod\nkind: fix\nticket: [a]\n---\n# T\n";
    let findings = parse_str(text).findings;
    let found: Vec<(&str, &str)> = findings.iter().map(|f| (f.rule.as_str(), slice(text, f.span))).collect();
    assert_eq!(
        found,
        [
            ("front-release", "---"),
            ("front-value", "featur"),
            ("front-key", "severty"),
            ("front-value", "5"),
            ("front-value", "../prod"),
            ("front-duplicate", "kind"),
            ("front-value", "["),
        ]
    );
    assert_eq!(findings[1].label, "did you mean `feature`?");
    assert_eq!(findings[3].message, "`downtime` is not a duration: `5` has no unit");
    assert_eq!(slice(text, findings[5].notes[0].span), "kind");
    assert_eq!(fixed(text, &findings[5]), text.replace("kind: fix\n", ""));
}

#[test]
fn a_missing_header_is_inserted_by_the_fix_with_the_version_of_the_title() {
    for (text, version) in [
        ("## 2.1.0后端发布文档\r\n", "2.1.0"),
        ("# Release v3.4-rc1\n", "3.4-rc1"),
        ("# 发布\n", "VERSION"),
        ("", "VERSION"),
    ] {
        for text in [text.to_owned(), format!("\u{feff}{text}")] {
            let finding = only(&text, "front-missing");
            let cured = fixed(&text, &finding);
            assert!(is_clean(&cured), "{cured:?}");
            assert_eq!(parse_str(&cured).document.front.release.unwrap().value, version);
            assert_eq!(
                cured.contains("\r\n---\r\n"),
                text.contains("\r\n"),
                "the line ends of the file are kept"
            );
        }
    }
}

#[test]
fn a_missing_version_is_inserted_by_the_fix() {
    let text = "---\nfrom: 1.0\n---\n";
    assert_eq!(fixed(text, &only(text, "front-release")), "---\nrelease: VERSION\nfrom: 1.0\n---\n");
    only("---\n---\n", "front-release");
    only("---\n# nothing\n---\n", "front-release");
}

#[test]
fn a_misspelt_release_is_one_problem() {
    for (key, value) in [("relaese", "1"), ("version", "1"), ("Release", "1")] {
        let text = format!("---\n{key}: {value}\n---\n");
        assert!(is_clean(&fixed(&text, &only(&text, "front-key"))), "{key}");
    }
    only("---\nrelease:\n---\n", "front-value");
}

#[test]
fn broken_yaml_is_one_problem_with_its_place_and_the_document_is_still_read() {
    let text = "---\nrelease: 2.1.0\nticket: \"OPS\n---\n```sh {#a}\nls\n```\n```sh\n```\n";
    let Parsed { document, findings } = parse_str(text);
    assert_eq!(findings.iter().map(|f| f.rule.as_str()).collect::<Vec<_>>(), ["front-yaml", "bare-fence"]);
    assert_eq!(document.steps.len(), 1);
    assert_eq!(slice(text, findings[0].span), "ticket: \"OPS", "{findings:?}");
    let text = "---\nrelease: 2.1.0\n备份: a: b\n---\n";
    let finding = only(text, "front-yaml");
    assert_eq!(slice(text, finding.span), ":", "{finding:?}");
    only("---\n- a\n- b\n---\n", "front-shape");
    only("---\nrelease: *nowhere\n---\n", "front-yaml");
}

#[test]
fn an_unclosed_header_is_closed_by_the_fix() {
    let text = "---\nrelease: 2.1.0\nfrom: 2.0\n\n# Title\n";
    assert!(is_clean(&fixed(text, &only(text, "front-unclosed"))));
}

#[test]
fn a_header_behind_empty_lines_is_read_and_moved_by_the_fix() {
    let text = "\n \r\n---\nrelease: 2.1.0\n---\n";
    let finding = only(text, "front-place");
    assert_eq!(parse_str(text).document.front.release.unwrap().value, "2.1.0");
    assert!(is_clean(&fixed(text, &finding)));
}

#[test]
fn a_rule_in_the_text_is_not_a_header() {
    let text = "---\nrelease: 1\n---\n# A\n\n---\nkey: value\n\n```sh {#a}\nls\n```\n\n---\n";
    let parsed = parse_str(text);
    assert_eq!(parsed.findings, []);
    assert_eq!(parsed.document.steps.len(), 1);
}

#[test]
fn an_alias_is_resolved() {
    let text = "---\nrelease: &v 2.10\nticket: *v\n---\n";
    assert_eq!(parse_str(text).document.front.ticket.unwrap().value, "2.10");
}
