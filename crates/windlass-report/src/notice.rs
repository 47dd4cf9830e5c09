//! What is told about a run to chats, mail and webhooks. Never a statement or output of one: who reads it may not be allowed to.

use crate::{
    Mark, Stand, Text, duration,
    ending::{failed, failures},
    messages::Messages,
    moment,
    stand::suggestions,
};
use jiff::tz::TimeZone;
use serde::Serialize;
use windlass_journal::{Direction, Ending, RunId, RunState};
use windlass_plan::{Lang, Moment, Plan};

/// Units and commands that a notice names.
const NAMED_MAX: usize = 5;

/// What has happened.
#[derive(Clone, Copy, Debug)]
pub enum News<'a> {
    /// A run starts.
    Starts,
    /// It goes on.
    GoesOn,
    /// It is about to be taken back.
    TakenBack,
    /// Where its controller left it, or where it waits.
    Stands(&'a RunState, &'a Stand),
    /// Its controller was ended by an error.
    Broke,
}

/// What a notice is about.
#[derive(Clone, Copy, Debug)]
pub struct NoticeFacts<'a> {
    /// The run.
    pub run: &'a RunId,
    /// Its plan.
    pub plan: &'a Plan,
    /// The environment.
    pub env: Option<&'a str>,
    /// Who gave the command.
    pub actor: &'a str,
    /// When.
    pub at_ms: i64,
    /// For which moment it is.
    pub on: Moment,
    /// What has happened.
    pub news: News<'a>,
}

/// A notice in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoticeWords {
    /// In one line.
    pub title: String,
    /// A word for what it is, and what it is.
    pub lines: Vec<(String, String)>,
    /// For programs.
    pub json: NoticeJson,
}

/// The body of a webhook. Field names are stable; new fields may be added.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NoticeJson {
    /// `1`; rises when a field changes its meaning.
    pub format: u32,
    /// `before`, `done`, `failed`, `waiting`, `test`.
    pub event: String,
    /// `starts`, `goes-on`, `rollback`, `done`, `undone`, `failed-undone`, `abandoned`, `needs-a-person`, `waits-for-confirmation`,
    /// `waits-for-its-time`, `stopped`, `broken`, `test`.
    pub result: String,
    /// The notice in one line, in the language of the receiver.
    pub title: String,
    /// The run.
    pub run: Option<String>,
    /// Version that it releases.
    pub release: Option<String>,
    /// Environment.
    pub env: Option<String>,
    /// File name of the document.
    pub document: Option<String>,
    /// Who gave the command.
    pub actor: String,
    /// Units that failed.
    pub failed: Vec<String>,
    /// The unit that it waits for.
    pub waits_for: Option<String>,
    /// Commands that make sense now, best first.
    pub next: Vec<String>,
    /// When, milliseconds since 1970.
    pub at_ms: i64,
}

/// Puts a notice into words.
#[must_use]
pub fn notice_words(facts: &NoticeFacts<'_>, lang: Lang, zone: &TimeZone) -> NoticeWords {
    let messages = Messages::new(lang);
    let (result, what) = result(facts.news, &messages);
    let release = &facts.plan.release;
    let version = match facts.env {
        Some(env) => format!("{} ({env})", release.version),
        None => release.version.clone(),
    };
    let title = messages.with("notice-title", [("release", version.into()), ("what", what.as_str().into())]);
    let (failed, waits_for) = units(facts.news);
    let next = next(facts);
    let mut lines = Vec::new();
    let mut say = |key: &str, value: &str| {
        if !value.is_empty() {
            lines.push((messages.say(key), value.to_owned()));
        }
    };
    say("record-result", &what);
    say("page-env", facts.env.unwrap_or_default());
    say("notice-release", &[&release.version, release.title.as_deref().unwrap_or_default()].join(" "));
    say("page-document", &facts.plan.document.name);
    say("record-run", &facts.run.0);
    say("notice-who", facts.actor);
    say("notice-failed", &failed.join(", "));
    say("notice-waits", waits_for.as_deref().unwrap_or_default());
    if let News::Stands(_, Stand::NotBefore { at_ms, .. }) = facts.news {
        say("notice-not-before", &moment(*at_ms, zone));
    }
    if let News::Stands(run, Stand::Ended(_)) = facts.news {
        say("notice-took", &duration(run.worked_ms));
    }
    for command in &next {
        say("notice-next", command);
    }
    let json = NoticeJson {
        format: 1,
        event: facts.on.word().to_owned(),
        result: result.to_owned(),
        title: title.clone(),
        run: Some(facts.run.0.clone()),
        release: Some(release.version.clone()),
        env: facts.env.map(str::to_owned),
        document: Some(facts.plan.document.name.clone()),
        actor: facts.actor.to_owned(),
        failed,
        waits_for,
        next,
        at_ms: facts.at_ms,
    };
    NoticeWords { title, lines, json }
}

/// A notice that somebody sends by hand to see that it arrives.
#[must_use]
pub fn notice_test_words(name: &str, actor: &str, at_ms: i64, lang: Lang) -> NoticeWords {
    let messages = Messages::new(lang);
    let title = messages.with("notice-test", [("name", name.into())]);
    let json = NoticeJson {
        format: 1,
        event: "test".to_owned(),
        result: "test".to_owned(),
        title: title.clone(),
        run: None,
        release: None,
        env: None,
        document: None,
        actor: actor.to_owned(),
        failed: Vec::new(),
        waits_for: None,
        next: Vec::new(),
        at_ms,
    };
    NoticeWords { title, lines: vec![(messages.say("notice-who"), actor.to_owned())], json }
}

/// For programs and for people.
fn result(news: News<'_>, messages: &Messages) -> (&'static str, String) {
    let (word, key) = match news {
        News::Starts => ("starts", "notice-starts"),
        News::GoesOn => ("goes-on", "notice-goes-on"),
        News::TakenBack => ("rollback", "notice-rollback"),
        News::Broke => ("broken", "notice-broken"),
        News::Stands(run, stand) => match stand {
            Stand::Ended(Ending::Done) => ("done", "result-done"),
            Stand::Ended(Ending::Undone) if failed(run) => ("failed-undone", "notice-failed-undone"),
            Stand::Ended(Ending::Undone) => ("undone", "result-undone"),
            Stand::Ended(Ending::Abandoned) => ("abandoned", "result-abandoned"),
            Stand::Person { .. } => ("needs-a-person", "result-needs-a-person"),
            Stand::Gate(_) => ("waits-for-confirmation", "notice-waits-gate"),
            Stand::NotBefore { .. } => ("waits-for-its-time", "notice-waits-time"),
            Stand::Stopped | Stand::Working(_) => ("stopped", "notice-stopped"),
        },
    };
    (word, messages.say(key))
}

/// Units that failed, and the one that is waited for.
fn units(news: News<'_>) -> (Vec<String>, Option<String>) {
    let News::Stands(run, stand) = news else { return (Vec::new(), None) };
    let mut failed: Vec<_> = failures(run).into_iter().map(|unit| unit.id.0.clone()).collect();
    if failed.is_empty() {
        // What failed was tried again or undone since; the turn still names it.
        let turn = run.turns.iter().rev().find(|turn| turn.to == Direction::Unwind);
        failed.extend(turn.and_then(|turn| turn.unit.as_ref()).map(|unit| unit.0.clone()));
    }
    failed.truncate(NAMED_MAX);
    let waits = match stand {
        Stand::Gate(unit) | Stand::NotBefore { unit, .. } => Some(unit),
        Stand::Person { unit, .. } => unit.as_ref(),
        _ => None,
    };
    (failed, waits.map(|unit| unit.0.clone()))
}

fn next(facts: &NoticeFacts<'_>) -> Vec<String> {
    let mut commands = vec!["windlass status".to_owned()];
    match facts.news {
        News::Stands(_, Stand::Ended(Ending::Done)) => commands.clear(),
        News::Broke => commands.push(format!("windlass resume {}", facts.run)),
        _ => {}
    }
    if let News::Stands(run, stand) = facts.news {
        commands.extend(suggestions(run, stand).into_iter().map(|next| next.command));
    }
    commands.truncate(NAMED_MAX);
    commands
}

/// What became of a notice about a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SentNoticeJson {
    /// When that was known.
    pub at_ms: i64,
    /// Name of the receiver.
    pub name: String,
    /// `dingtalk`, `feishu`, `wecom`, `slack`, `webhook`, `mail`.
    pub kind: String,
    /// `before`, `done`, `failed`, `waiting`.
    pub on: String,
    /// `delivered`, `refused`, `failed`, `unsent`.
    pub outcome: String,
    /// How often it was tried.
    pub tries: u32,
    /// Why it was not delivered.
    pub why: Option<String>,
}

/// What became of the notices about a run.
#[must_use]
pub fn notices_text(sent: &[SentNoticeJson], zone: &TimeZone) -> Text {
    let mut text = Text::new();
    if sent.is_empty() {
        return text;
    }
    text.line();
    for notice in sent {
        let mark = if notice.outcome == "delivered" { Mark::Dim } else { Mark::Warn };
        let why = notice.why.as_ref().map_or(String::new(), |why| format!(": {why}"));
        let line = format!(
            "{} to {} ({}) {}{why}  {}",
            notice.on,
            notice.name,
            notice.kind,
            notice.outcome,
            moment(notice.at_ms, zone)
        );
        text.field("Notice", 12, mark, &line);
    }
    text
}
