use crate::{Finding, GateState, Language, LineIndex, Parsed, Script, Span, parse_str};

const HEAD: &str = "---\nrelease: 1\n---\n";

fn clean(text: &str) -> Parsed {
    let parsed = parse_str(text);
    assert_eq!(parsed.findings, [], "{text}");
    parsed
}

fn slice(text: &str, span: Span) -> &str {
    &text[span.start..span.end]
}

fn found(text: &str) -> Vec<(String, String)> {
    parse_str(text).findings.iter().map(|f| (f.rule.clone(), slice(text, f.span).to_owned())).collect()
}

fn only(text: &str, rule: &str) -> Finding {
    let findings = parse_str(text).findings;
    assert_eq!(findings.iter().map(|f| f.rule.as_str()).collect::<Vec<_>>(), [rule], "{findings:#?}");
    findings.into_iter().next().unwrap()
}

#[test]
fn every_language_makes_its_step() {
    let bodies = [
        ("sh", Language::Shell, "ls"),
        ("bash", Language::Shell, "ls"),
        ("sql", Language::Sql, "SELECT 1"),
        ("mysql", Language::Sql, "SELECT 1"),
        ("postgresql", Language::Sql, "SELECT 1"),
        ("diff", Language::Diff, "--- a\n+b"),
        ("http", Language::Http, "GET http://localhost/\nHTTP 200"),
    ];
    for (word, language, body) in bodies {
        let text = format!("{HEAD}```{word} {{}}\n{body}\n```\n");
        let step = clean(&text).document.steps.remove(0);
        assert_eq!(step.language, language);
        assert_eq!(
            (step.id.value.as_str(), slice(&text, step.id.span), step.id_written),
            ("step-1", word, false)
        );
        assert_eq!(slice(&text, step.span), text[HEAD.len()..].trim_end());
        let kind = match step.script {
            Script::Shell(_) => Language::Shell,
            Script::Sql => Language::Sql,
            Script::Diff(_) => Language::Diff,
            Script::Http(_) => Language::Http,
        };
        assert_eq!(kind, language);
    }
}

#[test]
fn what_is_prose_stays_prose() {
    let text = format!(
        "{HEAD}```yaml\na: b\n```\n```\nls\n```\n```js {{1,3}}\nx\n```\n    rm -rf /\n\n`sh {{#a}}` and ```sh ls```\n\n~~~sh {{prose}}\nls\n~~~\n"
    );
    assert!(clean(&text).document.steps.is_empty());
}

#[test]
fn a_nested_body_maps_back_to_the_file_byte_by_byte() {
    let text = format!("\u{feff}{HEAD}> 1. 手順\n>\n>    ```mysql {{#移行}}\n>    UPDATE `記録`\n>\n>      SET `a` = '値';\n>    ```\n")
        .replace('\n', "\r\n");
    let document = clean(&text).document;
    let step = &document.steps[0];
    assert_eq!(step.body.text, "UPDATE `記録`\n\n  SET `a` = '値';\n");
    for word in ["UPDATE", "`記録`", "SET", "'値'", ";"] {
        let at = step.body.text.find(word).unwrap();
        let span = step.body.span_to_source(Span::new(at, at + word.len()));
        assert_eq!(slice(&text, span), word);
    }
    let at = step.body.text.find("値").unwrap();
    let place = LineIndex::new(&text).position(&text, step.body.to_source(at));
    assert_eq!((place.line, place.column), (9, 19));
    assert_eq!(slice(&text, step.id.span), "移行");
}

#[test]
fn the_end_of_a_line_is_not_the_start_of_the_next() {
    let text = format!("{HEAD}> ```sh {{}}\r\n> ls\r\n> pwd\r\n> ```\r\n")
        .replace("---\n", "---\r\n")
        .replace("1\n", "1\r\n");
    let body = &clean(&text).document.steps[0].body;
    assert_eq!(slice(&text, body.span_to_source(Span::new(0, 2))), "ls");
    assert_eq!(slice(&text, body.span_to_source(Span::new(3, 6))), "pwd");
    assert_eq!(body.span_to_source(Span::new(3, 3)).start, body.to_source(3));
}

#[test]
fn a_tab_that_the_list_takes_in_part_gives_spaces() {
    let text = format!("{HEAD}- a\n\n  ```sh {{}}\n\tls\n  ```\n");
    let body = &clean(&text).document.steps[0].body;
    assert_eq!(body.text, "  ls\n");
    assert_eq!(slice(&text, body.span_to_source(Span::new(2, 4))), "ls");
}

#[test]
fn a_problem_of_the_script_has_its_place_in_the_file() {
    let text = format!("{HEAD}- 步骤\n\n  ```sh {{}}\n  ls\n  echo '完\n  ```\n");
    let finding = only(&text, "shell-unterminated");
    assert_eq!(slice(&text, finding.span), "'");
    assert_eq!(LineIndex::new(&text).position(&text, finding.span.start).column, 8);
}

#[test]
fn gates_have_text_state_stage_and_checks() {
    let text = format!(
        "{HEAD}# 发布\n\n## 验证\n\n- [ ] **两台** `app` [机器](http://a)\n  正常\n\n  第二段 ~~旧~~\n\n  ```http {{on=app}}\n  GET http://localhost/\n  HTTP 200\n  ```\n  - 细节\n    - [x] 子项\n\n      ```sh {{readonly}}\n      ls\n      ```\n1. [X] 完了\n"
    );
    let document = clean(&text).document;
    assert_eq!(document.title.as_deref(), Some("发布"));
    let gates: Vec<_> = document
        .gates
        .iter()
        .map(|gate| (gate.id.as_str(), gate.state, gate.text.as_str(), gate.checks.as_slice(), gate.stage))
        .collect();
    assert_eq!(
        gates,
        [
            ("gate-1", GateState::Open, "两台 app 机器 正常 第二段 旧", [0].as_slice(), Some(1)),
            ("gate-2", GateState::Stated, "子项", [1].as_slice(), Some(1)),
            ("gate-3", GateState::Stated, "完了", [].as_slice(), Some(1)),
        ]
    );
    assert_eq!(document.steps.iter().map(|step| step.gate).collect::<Vec<_>>(), [Some(0), Some(1)]);
    let lines: Vec<&str> = document.gates.iter().map(|gate| slice(&text, gate.span)).collect();
    assert_eq!(lines, ["- [ ] **两台** `app` [机器](http://a)", "- [x] 子项", "1. [X] 完了"]);
}

#[test]
fn a_check_deeper_in_the_item_still_ticks_it() {
    let text = format!("{HEAD}- [ ] gate\n  1. how\n     > ```sh {{readonly}}\n     > ls\n     > ```\n");
    let document = clean(&text).document;
    assert_eq!(document.steps[0].gate, Some(0));
    assert_eq!(document.gates[0].text, "gate");
}

#[test]
fn headings_name_stages() {
    let text = format!(
        "{HEAD}前言\n\nTitel `x`\n=====\n\n```sh {{}}\nls\n```\n### **停机** ###\n\n```sh {{}}\nls\n```\n> ## 引用\n"
    );
    let document = clean(&text).document;
    let stages: Vec<_> =
        document.stages.iter().map(|s| (s.level, s.text.as_str(), slice(&text, s.span))).collect();
    assert_eq!(
        stages,
        [(1, "Titel x", "Titel `x`\n====="), (3, "停机", "### **停机** ###"), (2, "引用", "## 引用")]
    );
    assert_eq!(document.steps.iter().map(|step| step.stage).collect::<Vec<_>>(), [Some(0), Some(1)]);
}

#[test]
fn marks_that_make_no_gate_are_reported_and_cured() {
    for (wrong, right) in [
        ("- [] a", "- [ ] a"),
        ("- [ ]a", "- [ ] a"),
        ("- [　] a", "- [ ] a"),
        ("* [  ] a", "* [ ] a"),
        ("1. [√] a", "1. [x] a"),
        ("- [x]完成", "- [x] 完成"),
        ("- 【 】完成", "- [ ] 完成"),
    ] {
        let text = format!("{HEAD}{wrong}\n");
        let finding = only(&text, "gate-mark");
        let fix = &finding.fixes[0];
        let cured = format!("{}{}{}", &text[..fix.span.start], fix.replacement, &text[fix.span.end..]);
        assert_eq!(cured, format!("{HEAD}{right}\n"));
        assert_eq!(clean(&cured).document.gates.len(), 1);
    }
    clean(&format!("{HEAD}- [a](b)\n- [1] note\n- a [] b\n- `[]`\n- [x](y)\n"));
}

#[test]
fn a_gate_without_text_needs_a_check() {
    only(&format!("{HEAD}- [ ] \n"), "gate-empty");
    clean(&format!("{HEAD}- [ ] \n  ```sh {{readonly}}\n  ls\n  ```\n"));
}

#[test]
fn a_fence_that_is_not_closed_says_what_cuts_it_off() {
    let finding = only(&format!("{HEAD}```sh {{#a}}\nls\n\ntext\n"), "unclosed-fence");
    assert!(finding.message.contains("to the end of the file"), "{}", finding.message);
    let text = format!("{HEAD}- x\n\n  ```sh {{#a}}\n  ls\n\ntext\n");
    let finding = only(&text, "unclosed-fence");
    assert!(finding.message.contains("list item"), "{}", finding.message);
    assert_eq!(slice(&text, finding.span), "```sh {#a}");
    only(&format!("{HEAD}````sh {{#a}}\nls\n```\n"), "unclosed-fence");
    only(&format!("{HEAD}~~~\nls\n```\n"), "unclosed-fence");
    only(&format!("{HEAD}```"), "unclosed-fence");
    clean(&format!("{HEAD}```sh {{#a}}\nls\n  `````  "));
    clean(&format!("{HEAD}> ```sh {{#a}}\n> ls\n> ```"));
}

#[test]
fn a_fence_in_a_fence_is_reported_with_both_ends_of_the_outer_one() {
    let text = format!("{HEAD}```markdown\na\n```bash\nrm -rf /\n```\nb\n```text\nc\n```\n");
    let finding = only(&text, "nested-fence");
    assert_eq!(slice(&text, finding.span), "```bash");
    let notes: Vec<&str> = finding.notes.iter().map(|note| slice(&text, note.span)).collect();
    assert_eq!(notes, ["```markdown", "```"]);
    assert_eq!(LineIndex::new(&text).line(finding.notes[1].span.start), 8, "the first closing line");
    clean(&format!("{HEAD}````markdown\n```bash\nls\n```\n````\n"));
    clean(&format!("{HEAD}~~~markdown\n```bash\nls\n```\n~~~\n"));
    clean(&format!("{HEAD}```text\n    ```bash\n```\n"));
}

#[test]
fn steps_that_markdown_does_not_read_are_reported_with_the_reason() {
    for (text, label) in [
        ("<details>\n```sh {#a}\nls\n```\n</details>\n", "inside HTML it is plain text"),
        ("    ```sh {#a}\n    ls\n", "indented by four columns or more it is plain text"),
        ("- a\n\n\t\t```bash {#a}\n", "indented by four columns or more it is plain text"),
        ("- [ ] ```sh {#a}\n  ls\n  ```\n", "a fence cannot begin on the line of a checklist item"),
        ("```sh {#a on=`x`}\nls\n~~~\n~~~\n", "a line of backticks cannot have a backtick behind them"),
    ] {
        let text = format!("{HEAD}{text}");
        let findings = parse_str(&text).findings;
        // The closing line of such a fence opens one, which is a finding of its own.
        let finding = findings.into_iter().find(|f| f.rule == "unread-fence").unwrap();
        assert_eq!(finding.label, label, "{text}");
        assert!(slice(&text, finding.span).starts_with("```"), "{finding:?}");
    }
    clean(&format!("{HEAD}<!--\n```sh {{#a}}\nls\n```\n-->\n\ntext <!-- a\n  ~~ --> b\n"));
}

#[test]
fn a_step_has_one_thing_to_run() {
    assert_eq!(found(&format!("{HEAD}```sh {{#a}}\n\n```\n")), [("empty-step".into(), "```sh {#a}".into())]);
    only(&format!("{HEAD}```sql {{files=a.sql}}\nSELECT 1\n```\n"), "empty-step");
    clean(&format!("{HEAD}```sql {{files=a.sql}}\n```\n"));
    clean(&format!("{HEAD}```sh {{#a}}\nls\n```\n```sh {{again=a}}\n```\n"));
}

#[test]
fn nesting_has_a_bound() {
    only(&format!("{HEAD}{}a\n```sh\n", ">".repeat(65)), "too-deep");
    only(&format!("{HEAD}{}a\n", "- ".repeat(65)), "too-deep");
    only(&format!("{HEAD}{}a\n", "1. ".repeat(65)), "too-deep");
    only(&format!("{HEAD}{}- a\n", " ".repeat(300)), "too-deep");
    clean(&format!("{HEAD}{}a\n", "> ".repeat(64)));
    clean(&format!("{HEAD}{}\n\n{}\n", "-".repeat(500), "=".repeat(500)));
}

#[test]
fn a_carriage_return_alone_is_an_error_wherever_it_stands() {
    let text = format!("{HEAD}a\r\r\nb\r\r\n");
    let finding = only(&text, "carriage-return");
    assert_eq!((finding.span.start, finding.label.as_str()), (HEAD.len() + 1, "the first of 2"));
    assert!(finding.fixes.is_empty(), "one edit cannot cure both");
    assert_eq!(only(&format!("{HEAD}a\r\r\n"), "carriage-return").fixes.len(), 1);
    assert!(only(&format!("{HEAD}a\rb\n"), "carriage-return").fixes.is_empty());
}
