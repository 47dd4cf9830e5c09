//! Rules over the order of things.

use super::{COPY_AFTER_START, Facts, PRECHECK_BEHIND, Rule, has};
use crate::{
    lexicon::Role,
    programs::{self, Serves},
    walk::Seen,
};
use windlass_document::{Finding, Severity};

const PULL_WHILE_AWAY: Rule = Rule {
    name: "pull-while-away",
    severity: Severity::Warning,
    why: "a pull takes minutes and may fail, for want of disk, network or a tag: until it is done nobody is served",
};

pub(super) fn find(facts: &Facts<'_>, found: &mut Vec<Finding>) {
    pulls(facts, found);
    copies(facts, found);
    prechecks(facts, found);
}

fn served(seen: &Seen) -> Option<Serves> {
    seen.parts
        .iter()
        .find_map(|words| programs::serves(&words.iter().map(String::as_str).collect::<Vec<_>>()))
}

fn pulls(facts: &Facts<'_>, found: &mut Vec<Finding>) {
    let mut away = None;
    for seen in facts.notes.commands.iter().filter(|seen| seen.role <= Role::Verify) {
        match (served(seen), away) {
            (Some(Serves::Stops), _) => away = Some(seen.line.span),
            (Some(Serves::Starts), _) => away = None,
            (Some(Serves::Pulls), Some(since)) => found.push(
                PULL_WHILE_AWAY
                    .at(seen.line.span, "the containers are away while this pulls")
                    .also(since, "they go away here")
                    .help("pull before: nothing that runs is touched by it"),
            ),
            _ => {}
        }
    }
}

/// The same copy before the start and again behind it.
fn copies(facts: &Facts<'_>, found: &mut Vec<Finding>) {
    let copies = |seen: &Seen| {
        seen.parts.iter().any(|words| {
            let words: Vec<&str> = words.iter().map(String::as_str).take(3).collect();
            matches!(words[..], ["aws", "s3", "sync" | "cp"] | ["rsync" | "rclone", ..])
        })
    };
    let mut started = None;
    let mut first: std::collections::HashMap<String, windlass_document::Span> =
        std::collections::HashMap::new();
    for seen in facts.notes.commands.iter().filter(|seen| seen.role <= Role::Verify) {
        if served(seen) == Some(Serves::Starts) {
            started = started.or(Some(seen.line.span));
        }
        if !copies(seen) {
            continue;
        }
        let key = seen.line.text.split_whitespace().collect::<Vec<_>>().join(" ");
        if let (Some(before), Some(start)) = (first.get(&key), started) {
            found.push(
                COPY_AFTER_START
                    .at(seen.line.span, "the same copy once more, behind the start")
                    .also(*before, "first here")
                    .also(start, "the new version serves from here on")
                    .help("copy once more while the service is stopped, in front of the start"),
            );
        }
        first.entry(key).or_insert(seen.line.span);
    }
}

/// A list of what is to be checked before, behind the first step.
fn prechecks(facts: &Facts<'_>, found: &mut Vec<Finding>) {
    let Some(first) = facts
        .notes
        .commands
        .iter()
        .find(|seen| seen.role == Role::Forward && matches!(seen.line.fate, crate::fate::Fate::Step(_)))
    else {
        return;
    };
    let before = [
        "更新前",
        "发布前",
        "上线前",
        "部署前",
        "执行前",
        "before you",
        "pre-check",
        "pre-deploy",
        "prerequisite",
        "事前確認",
        "作業前",
        "実施前",
    ];
    for words in facts.notes.words.iter().filter(|words| words.heading && has(&words.text, &before)) {
        if words.span.start > first.line.span.start && words.role <= Role::Verify {
            found.push(
                PRECHECK_BEHIND
                    .at(words.span, "these checks stand behind the steps that they are for")
                    .also(first.line.span, "the first step")
                    .help("move the part in front of the first step"),
            );
        }
    }
}
