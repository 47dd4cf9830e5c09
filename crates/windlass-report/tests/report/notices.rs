//! What is told about a run.

use crate::{
    failed_and_undone,
    story::{plan, trouble, zone},
};
use windlass_journal::{Ending, RunId};
use windlass_plan::{Lang, Moment};
use windlass_report::{News, NoticeFacts, SentNoticeJson, Stand, notice_words, notices_text};

#[test]
fn a_failure_is_told_in_three_languages_without_what_the_server_said() {
    let run = failed_and_undone().run();
    let stand = Stand::Ended(Ending::Undone);
    let facts = NoticeFacts {
        run: &run.id,
        plan: &run.plan,
        env: Some("production"),
        actor: "alice@ops",
        at_ms: 7,
        on: Moment::Failed,
        news: News::Stands(&run, &stand),
    };
    for (lang, end) in
        [(Lang::En, "failed and undone"), (Lang::Zh, "失败，已回滚"), (Lang::Ja, "失敗、切り戻し済み")]
    {
        let words = notice_words(&facts, lang, &zone());
        assert!(words.title.contains("(production)") && words.title.ends_with(end), "{}", words.title);
        let text = format!("{words:?}");
        assert!(text.contains("alice@ops") && !text.contains(&trouble().message), "{text}");
        assert_eq!((words.json.result.as_str(), words.json.event.as_str()), ("failed-undone", "failed"));
        assert_eq!(words.json.failed, ["stop/1@app2"]);
        assert_eq!(words.json.next[..2], ["windlass status".to_owned(), format!("windlass show {}", run.id)]);
    }
}

#[test]
fn a_beginning_names_the_run_and_where_to_look() {
    let run = RunId("20251121-024307-1a2b".into());
    let plan = plan();
    let facts = NoticeFacts {
        run: &run,
        plan: &plan,
        env: None,
        actor: "alice@ops",
        at_ms: 7,
        on: Moment::Before,
        news: News::Starts,
    };
    let words = notice_words(&facts, Lang::En, &zone());
    assert!(words.title.ends_with(": starts"), "{}", words.title);
    assert!(words.lines.contains(&("Run".into(), run.0.clone())), "{:?}", words.lines);
    assert!(words.lines.contains(&("Next".into(), "windlass status".into())), "{:?}", words.lines);
}

#[test]
fn what_became_of_notices_is_listed_and_nothing_where_there_were_none() {
    let sent = SentNoticeJson {
        at_ms: 1_763_692_987_000,
        name: "team".into(),
        kind: "dingtalk".into(),
        on: "done".into(),
        outcome: "refused".into(),
        tries: 1,
        why: Some("code 310000: sign not match".into()),
    };
    let text = notices_text(&[sent], &zone()).to_string();
    assert!(text.contains("done to team (dingtalk) refused: code 310000: sign not match"), "{text}");
    assert_eq!(notices_text(&[], &zone()).to_string(), "");
}
