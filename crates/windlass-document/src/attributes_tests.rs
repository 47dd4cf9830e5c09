use crate::{Dialect, Finding, Language, Serial, Share, Span, Step, parse_str};
use std::time::Duration;

const HEAD: &str = "---\nrelease: 1\n---\n";

fn document(first_line: &str) -> String {
    format!("{HEAD}```{first_line}\nls\n```\n")
}

fn step(first_line: &str) -> Step {
    let parsed = parse_str(&document(first_line));
    assert_eq!(parsed.findings, [], "{first_line}");
    parsed.document.steps.into_iter().next().unwrap()
}

fn slice(text: &str, span: Span) -> &str {
    &text[span.start..span.end]
}

/// Rule and marked text of every finding.
fn problems(first_line: &str) -> Vec<(String, String)> {
    let text = document(first_line);
    parse_str(&text).findings.iter().map(|f| (f.rule.clone(), slice(&text, f.span).to_owned())).collect()
}

fn first(first_line: &str) -> (String, Finding) {
    let text = document(first_line);
    let finding =
        parse_str(&text).findings.into_iter().next().unwrap_or_else(|| panic!("{first_line} has no problem"));
    (text, finding)
}

/// The first line after the first fix of the first finding.
fn cured(first_line: &str) -> String {
    let (text, finding) = first(first_line);
    let fix = &finding.fixes.first().unwrap_or_else(|| panic!("{first_line}: no fix in {finding:?}"));
    let text = format!("{}{}{}", &text[..fix.span.start], fix.replacement, &text[fix.span.end..]);
    text[HEAD.len() + 3..].lines().next().unwrap().to_owned()
}

#[test]
fn every_attribute_is_read() {
    let text = "mysql {#s3-key on=db undo=step online after=7d timeout=500ms rows=115 batch=1000 within=2h}";
    let text = format!("{HEAD}```sh {{#step}}\nls\n```\n```{text}\nSELECT 1\n```\n");
    let parsed = parse_str(&text);
    assert_eq!(parsed.findings, []);
    let step = &parsed.document.steps[1];
    let a = &step.attributes;
    assert_eq!((step.language, step.dialect), (Language::Sql, Some(Dialect::Mysql)));
    assert_eq!((step.id.value.as_str(), slice(&text, step.id.span)), ("s3-key", "s3-key"));
    assert_eq!(slice(&text, a.on.as_ref().unwrap().span), "db");
    assert_eq!(a.undo.as_ref().unwrap().value, "step");
    assert_eq!(slice(&text, a.online.unwrap()), "online");
    assert_eq!(a.after.unwrap().value, Duration::from_secs(7 * 24 * 3600));
    assert_eq!(slice(&text, a.timeout.unwrap().span), "500ms");
    assert_eq!(a.within.unwrap().value, Duration::from_secs(7200));
    assert_eq!((a.rows.unwrap().value, a.batch.unwrap().value), (115, 1000));
}

#[test]
fn quotes_keep_spaces_and_braces() {
    let text = format!("{HEAD}```sql {{files=\"a b/}}=\\\"\\\\*.sql\" on=db}}\n```\n");
    let parsed = parse_str(&text);
    assert_eq!(parsed.findings, []);
    assert_eq!(parsed.document.steps[0].attributes.files.as_ref().unwrap().value, "a b/}=\"\\*.sql");
}

#[test]
fn serial_is_a_number_or_a_share() {
    assert_eq!(step("sh {serial=2}").attributes.serial.unwrap().value, Serial::Hosts(2));
    assert_eq!(step("sh {serial=25%}").attributes.serial.unwrap().value, Serial::Percent(25));
    for wrong in ["0", "0%", "101%", "-1", "1.5", "%", "4294967296", "all"] {
        assert_eq!(problems(&format!("sh {{serial={wrong}}}")), [("attribute-value".into(), wrong.into())]);
    }
}

#[test]
fn serial_may_grow_and_says_where_it_does_not() {
    let growing = |text: &str| match step(&format!("sh {{serial={text}}}")).attributes.serial.unwrap().value {
        Serial::Growing(shares) => shares,
        other => panic!("{other:?}"),
    };
    let wanted = [Share::Hosts(1), Share::Percent(25), Share::Percent(100)];
    assert_eq!(growing("1,25%,100%"), wanted);
    assert_eq!(growing("\"1,25%,100%\""), wanted);
    for (text, at) in [
        ("1,x", "x"),
        ("1,0%", "0%"),
        ("1,,3", "1,,3"),
        ("5,5", "5"),
        ("1,25%,10%", "10%"),
        ("100%,200", "200"),
        ("\"2,1\"", "\"2,1\""),
    ] {
        assert_eq!(problems(&format!("sh {{serial={text}}}")), [("attribute-value".into(), at.into())]);
    }
}

#[test]
fn batches_are_never_empty_and_hold_all_hosts() {
    let of = |text: &str, hosts| {
        step(&format!("sh {{serial={text}}}")).attributes.serial.unwrap().value.batches(hosts)
    };
    assert_eq!(of("1", 3), [1, 1, 1]);
    assert_eq!(of("2", 3), [2, 1]);
    assert_eq!(of("99", 3), [3]);
    assert_eq!(of("25%", 5), [2, 2, 1]);
    assert_eq!(of("1%", 3), [1, 1, 1]);
    assert_eq!(of("1,25%,100%", 10), [1, 3, 6]);
    assert_eq!(of("1,2", 6), [1, 2, 2, 1]);
    assert_eq!(of("1,25%,100%", 1), [1]);
    assert_eq!(of("1", 0), [0; 0]);
}

#[test]
fn ids_may_be_in_any_script_but_hold_no_separators() {
    for id in ["备份", "移行-1", "v2.1_a", "9"] {
        assert_eq!(step(&format!("sh {{#{id}}}")).id.value, id);
    }
    for (wrong, right) in [("a/b", "a-b"), ("a@b", "a-b"), ("-a", "a"), ("数据（主）", "数据-主")] {
        assert_eq!(problems(&format!("sh {{#{wrong}}}")), [("id-syntax".into(), format!("#{wrong}"))]);
        assert_eq!(cured(&format!("sh {{#{wrong}}}")), format!("sh {{#{right}}}"));
    }
    assert_eq!(problems("sh {#}"), [("id-syntax".into(), "#".into())]);
}

#[test]
fn all_problems_of_one_line_are_reported_at_once() {
    assert_eq!(
        problems("sh {#a timout=3s on=db, on=x within=soon rows=1 readonly irreversible #b \"x\" =y}"),
        [
            ("unknown-attribute", "timout"),
            ("attribute-syntax", ","),
            ("duplicate-attribute", "on=x"),
            ("attribute-value", "soon"),
            ("attribute-language", "rows=1"),
            ("contradiction", "irreversible"),
            ("duplicate-attribute", "#b"),
            ("attribute-syntax", "\"x\""),
            ("attribute-syntax", "=y"),
        ]
        .map(|(rule, text)| (rule.to_owned(), text.to_owned()))
    );
}

#[test]
fn slips_are_cured_by_their_fix() {
    for (wrong, right) in [
        ("sh{#a}", "sh {#a}"),
        ("sh  {#a}", "sh {#a}"),
        ("sh\t{#a}", "sh {#a}"),
        ("sh deploy {#a}", "sh {#a}"),
        ("sh {#a timout=3s}", "sh {#a timeout=3s}"),
        ("sh {#a Timeout=3s}", "sh {#a timeout=3s}"),
        ("sh {#a on = app}", "sh {#a on=app}"),
        ("sh {#a on= app}", "sh {#a on=app}"),
        ("sh {#a readonly=true}", "sh {#a readonly}"),
        ("sh {#a on=b on=c}", "sh {#a on=b}"),
        ("sh {#a timeout=5min}", "sh {#a timeout=5m}"),
        ("sh {#a timeout=30}", "sh {#a timeout=30s}"),
        ("sh {#a readonly", "sh {#a readonly}"),
        ("sh {#a on=\"b\"readonly}", "sh {#a on=\"b\" readonly}"),
        ("sh {#a on＝app}", "sh {#a on=app}"),
        ("SH {#a}", "sh {#a}"),
        ("shell {#a}", "sh {#a}"),
        ("psql {on=db}", "postgresql {on=db}"),
        ("sh", "sh {}"),
        ("sh run.sh", "sh {prose}"),
    ] {
        assert_eq!(cured(wrong), right, "{wrong}");
        let left = problems(right);
        assert!(left.is_empty(), "{right}: {left:?}");
    }
}

#[test]
fn both_ways_out_of_a_bare_fence_are_offered() {
    let (_, finding) = first("bash");
    let offered: Vec<&str> = finding.fixes.iter().map(|fix| fix.replacement.as_str()).collect();
    assert_eq!(offered, ["bash {}", "bash {prose}"]);
    assert!(finding.fixes.iter().all(|fix| !fix.safe), "which of them is a decision");
}

#[test]
fn values_and_flags_are_told_apart() {
    assert_eq!(problems("sh {on}"), [("attribute-value".into(), "on".into())]);
    assert_eq!(problems("sh {on=}"), [("attribute-value".into(), "on=".into())]);
    assert_eq!(problems("sh {on=\"\"}"), [("attribute-value".into(), "on=\"\"".into())]);
    assert_eq!(problems("sh {on= timeout=3s}"), [("attribute-value".into(), "on=".into())]);
    assert_eq!(problems("sh {timeout=0s}"), [("attribute-value".into(), "0s".into())]);
    assert_eq!(problems("sh {undo=#a}"), [("attribute-value".into(), "#a".into())]);
    assert_eq!(problems("sh {on=a/b}"), [("attribute-value".into(), "a/b".into())]);
    assert_eq!(problems("sql {batch=0}"), [("attribute-value".into(), "0".into())]);
    assert_eq!(problems("sql {rows=+1}"), [("attribute-value".into(), "+1".into())]);
    assert!(problems("sql {rows=0}").is_empty(), "no row at all can be expected");
}

#[test]
fn unclosed_braces_and_quotes_are_one_problem_each() {
    assert_eq!(problems("sh {#a on=b"), [("unclosed-brace".into(), "{".into())]);
    assert_eq!(problems("sh {#a on=\"b}"), [("unclosed-quote".into(), "\"".into())]);
    assert_eq!(problems("sh {#a} now"), [("fence-text".into(), "now".into())]);
    assert_eq!(problems("sh {#a} {on=b}"), [("fence-text".into(), "{on=b}".into())]);
    assert_eq!(problems("sh {#a {on=b}"), [("unknown-attribute".into(), "{on".into())]);
}

#[test]
fn attributes_that_do_not_go_together() {
    for line in [
        "sh {readonly irreversible}",
        "sh {#a irreversible undoes=b}",
        "sh {online undoes=b}",
        "sh {after=1d undoes=b}",
        "sh {again=b undoes=b}",
        "sh {undo=b irreversible}",
        "sh {undo=b readonly}",
        "sh {undo=b undoes=b}",
        "sh {undoes=b readonly}",
        "sql {batch=1 readonly}",
        "sh {prose on=b}",
        "sh {#a prose}",
    ] {
        assert!(
            problems(line).iter().any(|(rule, _)| rule == "contradiction"),
            "{line}: {:?}",
            problems(line)
        );
    }
}

#[test]
fn attributes_have_their_languages() {
    for (language, misplaced) in [
        ("sh", "rows=1"),
        ("sh", "batch=1"),
        ("http", "files=x"),
        ("sql", "serial=1"),
        ("diff", "within=1s"),
        ("diff", "readonly"),
        ("http", "rows=1"),
    ] {
        let found = problems(&format!("{language} {{{misplaced}}}"));
        assert!(
            found.contains(&("attribute-language".into(), misplaced.into())),
            "{language} {misplaced}: {found:?}"
        );
    }
}

#[test]
fn messages_repeat_only_a_little_of_the_document() {
    let (_, finding) = first(&format!("sh {{{}}}", "x".repeat(100_000)));
    assert!(finding.message.len() < 200);
}
