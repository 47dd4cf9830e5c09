//! Tickets and records as pages: in Chinese, as HTML, as JSON, and with text that wants to be more than text.

use crate::{failed_and_undone, story::*, surveys};
use serde_json::json;
use windlass_document::Severity;
use windlass_journal::Approved;
use windlass_plan::{Action, ConfigSource, Digest, Lang, Plan, Policy, parse_config};
use windlass_report::{
    Facts, REHEARSAL_FORMAT, Rehearsal, Surveys, TicketFindingJson, TicketJson, log_page, record_page,
    step_digests, ticket_json, ticket_page,
};

const POLICY: &str = "[policy]\ntimezone = \"Asia/Shanghai\"\nwindow = [\"Mon-Thu 02:00-04:00\", \"Sun 23:00-01:00\"]\n\
                      freeze = [\"Fri\", \"holiday-eve:CN\"]\napprove = { count = 1, not = \"author\" }\n";

fn policy() -> Policy {
    let (config, findings) =
        parse_config(&[ConfigSource { name: "windlass.toml".into(), text: POLICY.into() }]);
    assert_eq!(findings, []);
    config.policy
}

fn ticket(plan: &Plan, surveys: &Surveys, about: &str, rehearsal: Option<&Rehearsal>) -> TicketJson {
    let finding = TicketFindingJson {
        rule: "no-backup".into(),
        severity: Severity::Warning,
        line: 13,
        message: "nothing backs up `db`".into(),
    };
    let facts = Facts {
        plan,
        is_open: &|_| true,
        surveys,
        about: Some(about),
        policy: &policy(),
        approvals: &[Approved { by: "bob@example.com".into(), at_ms: START_MS }],
        due_at_ms: Some(START_MS + 3 * 86_400_000),
        rehearsal,
        findings: vec![finding],
        at_ms: START_MS,
        actor: "alice@ops",
        executor: Some("王芳"),
    };
    ticket_json(facts, &|text| text.replace("hunter2", "****"))
}

#[test]
fn a_ticket_in_chinese() {
    let ticket = ticket(&plan(), &surveys(), "为什么：旧的键太长。\n\n1. 先备份", None);
    insta::assert_snapshot!("ticket-zh", ticket_page(&ticket, &zone(), Lang::Zh).markdown(1));
}

#[test]
fn a_record_in_chinese() {
    let journal = failed_and_undone();
    insta::assert_snapshot!(
        "failed-record-zh",
        record_page(&journal.run(), &journal.0, &[], &zone(), Lang::Zh).markdown(1)
    );
}

#[test]
fn an_entry_of_a_log_is_the_record_in_short_below_its_day() {
    let journal = failed_and_undone();
    let entry = log_page(&journal.run(), &journal.0, &zone(), Lang::Ja).markdown(2);
    assert!(entry.starts_with("## 2025-11-21 2.1.0 后端发布文档"), "{entry}");
    let cause = r"失敗、変更なし: \`./stop.sh\` ended with exit status 1: 端口 8080";
    for words in ["| 結果 | 切り戻し済み |", "### 手順\n", "| stop/1@app2 | 20 | app2 | 失敗 |", cause]
    {
        assert!(entry.contains(words), "no {words:?} in:\n{entry}");
    }
    assert!(!entry.contains("詳細") && !entry.contains("正在停止"), "output stands in the record: {entry}");
}

#[test]
fn every_language_says_as_much() {
    let (journal, ticket) = (failed_and_undone(), ticket(&plan(), &surveys(), "why", None));
    let shape = |text: String| -> Vec<String> {
        // A line as its marks alone: what is a heading, a row with so many cells, a list or a fence.
        let mark = |line: &str| match line.chars().next() {
            Some('#') => line.split(' ').next().unwrap().to_owned(),
            Some('|') => "|".repeat(line.matches(" |").count()),
            Some(first @ ('-' | '`')) => first.to_string(),
            _ => line.is_empty().to_string(),
        };
        text.lines().map(mark).collect()
    };
    let pages = |lang| {
        let record = record_page(&journal.run(), &journal.0, &[], &zone(), lang).markdown(1);
        [shape(record), shape(ticket_page(&ticket, &zone(), lang).markdown(1))]
    };
    assert_eq!(pages(Lang::Zh), pages(Lang::En));
    assert_eq!(pages(Lang::Ja), pages(Lang::En));
}

/// A plan whose every text wants to be markup or to steer a terminal.
fn hostile() -> Plan {
    const TEXT: &str =
        "</td><script>alert('x')</script> | `a` **b** [c](javascript:d) \u{1b}[31m\u{202e}&lt;";
    let mut plan = plan();
    plan.release.title = Some(TEXT.to_owned());
    plan.release.ticket = Some(format!("\"{TEXT}\n# 标题"));
    for step in &mut plan.steps {
        step.stage = Some(TEXT.to_owned());
        for unit in &mut step.units {
            unit.effect = TEXT.to_owned();
            unit.undo.how = TEXT.to_owned();
            if let Action::Sql { statement, .. } = &mut unit.action {
                *statement = format!("SELECT '````\n```\n</code></pre><script>\u{1b}]0;x\u{7}' -- {TEXT}");
            }
        }
    }
    plan
}

/// Lines outside of fences.
fn prose(markdown: &str) -> Vec<&str> {
    let (mut lines, mut fence) = (Vec::new(), None);
    for line in markdown.lines() {
        let ticks = line.len() - line.trim_start_matches('`').len();
        match fence {
            None if ticks >= 3 => fence = Some(ticks),
            Some(open) if ticks == line.len() && ticks >= open => fence = None,
            None => lines.push(line),
            Some(_) => {}
        }
    }
    assert_eq!(fence, None, "every fence is closed");
    lines
}

#[test]
fn hostile_text_stays_text() {
    let about =
        "# its heading\n> no quote <img src=x onerror=alert(1)>\n\n1. no list\n\n- an item\n- # and one";
    let ticket = ticket(&hostile(), &Surveys::new(), about, None);
    let page = ticket_page(&ticket, &zone(), Lang::Zh);
    let (markdown, html) = (page.markdown(1), page.html());
    for text in [&markdown, &html] {
        assert!(!text.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{text}");
    }
    for tag in ["<script", "<img", "</td><script", "javascript:d\""] {
        assert!(!html.contains(tag), "{tag} in:\n{html}");
    }
    assert!(html.contains("&lt;script&gt;alert(&#39;x&#39;)") && html.contains("&amp;lt;"), "{html}");
    for line in prose(&markdown) {
        let plain = line.replace("\\\\", "").replace("\\<", "").replace("\\|", "").replace("\\[", "");
        assert!(!plain.contains('<') && !plain.contains('['), "{line}");
    }
    let rows = |cells: usize| {
        let bars = |line: &str| line.replace("\\|", "").matches('|').count();
        prose(&markdown).into_iter().filter(|line| line.starts_with('|') && bars(line) == cells + 1).count()
    };
    let all = prose(&markdown).into_iter().filter(|line| line.starts_with('|')).count();
    assert_eq!(rows(2) + rows(5) + rows(3), all, "no text ends a cell:\n{markdown}");
    for words in
        ["\n### its heading\n", "\nno quote \\<img", "\n1\\. no list\n", "\n- an item\n- \\# and one\n"]
    {
        assert!(markdown.contains(words), "no {words:?} in:\n{markdown}");
    }
}

#[test]
fn html_is_one_file_that_loads_nothing_and_prints() {
    let journal = failed_and_undone();
    let html = record_page(&journal.run(), &journal.0, &[], &zone(), Lang::Ja).html();
    assert!(html.starts_with("<!doctype html>\n<html lang=\"ja\">"), "{html}");
    for words in [
        "<meta charset=\"utf-8\">",
        "@media print",
        "pre-wrap",
        "<th scope=\"row\">結果</th>",
        "default-src 'none'",
    ] {
        assert!(html.contains(words), "no {words:?} in:\n{html}");
    }
    for loaded in ["<link", "<script", "src=", "url(", "@import", "http://", "https://"] {
        assert!(!html.contains(loaded), "{loaded} in:\n{html}");
    }
    for tag in ["table", "thead", "tbody", "tr", "td", "ul", "li", "pre", "code", "p", "h1", "h2", "h3"] {
        let opened = html.matches(&format!("<{tag}>")).count() + html.matches(&format!("<{tag} ")).count();
        assert_eq!(opened, html.matches(&format!("</{tag}>")).count(), "{tag}");
        assert!(opened > 0, "{tag}");
    }
}

#[test]
fn a_ticket_as_json_has_english_keys_and_no_secret() {
    let mut plan = plan();
    if let Action::Shell { script, .. } = &mut plan.steps[1].units[0].action {
        *script = "login hunter2".to_owned();
    }
    let json = serde_json::to_value(ticket(&plan, &surveys(), "with hunter2", None)).unwrap();
    assert!(!json.to_string().contains("hunter2"), "{json}");
    assert_eq!(
        (&json["format"], &json["ticket"], &json["release"]),
        (&json!(1), &json!("CHG-7"), &json!("2.1.0"))
    );
    assert_eq!(json["digest"], plan.digest().0);
    assert_eq!(json["steps"][1]["lines"][0]["text"], "login ****");
    assert_eq!(
        (&json["steps"][1]["undo_step"], &json["about"]),
        (&json!("start-again"), &json!("with ****"))
    );
    assert_eq!(json["policy"]["windows"], json!(["Mon-Thu 02:00-04:00", "Sun 23:00-01:00"]));
    assert_eq!(json["policy"]["freezes"], json!(["Fri", "holiday-eve:CN"]));
    assert_eq!((&json["rehearsal"], &json["executor"]), (&json!(null), &json!("王芳")));
}

#[test]
fn what_is_the_same_on_several_hosts_stands_there_once() {
    let mut plan = plan();
    let effect = plan.steps[1].units[0].effect.clone();
    plan.steps[1].units[1].effect = effect;
    let ticket = ticket(&plan, &Surveys::new(), "", None);
    let lines = serde_json::to_value(&ticket.steps[1].lines).unwrap();
    assert_eq!(lines.as_array().unwrap().len(), 1, "{lines}");
    assert_eq!(lines[0]["units"], json!(["stop/1@app1", "stop/1@app2"]));
    let markdown = ticket_page(&ticket, &zone(), Lang::En).markdown(1);
    assert!(markdown.contains("**stop/1** shell: app1, app2\n"), "{markdown}");
}

fn rehearsal(plan: &Plan) -> Rehearsal {
    Rehearsal {
        format: REHEARSAL_FORMAT,
        document: plan.document.name.clone(),
        digest: plan.digest(),
        steps: step_digests(plan),
        at_ms: START_MS,
        took_ms: 5_000,
        copies: vec![],
        statements: vec![],
        left_out: vec![],
        rounds: vec![],
        downtime_ms: Some(1_200),
        blocked_ms: 0,
        notes: vec![],
    }
}

#[test]
fn a_rehearsal_is_told_as_long_as_the_plan_is_the_same() {
    let plan = plan();
    let page = |rehearsal: &Rehearsal| {
        let ticket = ticket(&plan, &Surveys::new(), "why", Some(rehearsal));
        ticket_page(&ticket, &zone(), Lang::En).markdown(1)
    };
    let mut rehearsed = rehearsal(&plan);
    let fresh = page(&rehearsed);
    assert!(fresh.contains("| Rehearsal | went well at 2025-11-21 10:43:07 +08:00 |"), "{fresh}");
    assert!(fresh.contains("| Downtime | predicted by the rehearsal: 1.2s |"), "{fresh}");
    rehearsed.digest = Digest::of(b"another");
    rehearsed.steps.insert("stop".into(), Digest::of(b"another"));
    let stale = page(&rehearsed);
    assert!(stale.contains("| Rehearsal | out of date: rehearsed at "), "{stale}");
    assert!(stale.contains("changed since: stop |") && stale.contains("no bound is set"), "{stale}");
}
