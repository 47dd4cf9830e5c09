//! Rules over single commands and neighbours.

use super::{
    ASKS, COPY_OF_LIVE_DATABASE, Facts, GOES_ON, PLACEHOLDER, PLAIN_PROCESS, RM_THEN_MV, ROLLBACK_BY_COMMIT,
    SCHEDULED, SCRIPT_UNSEEN, has,
};
use crate::{
    fate::{Fate, Reason},
    judge,
    lexicon::Role,
    walk::Seen,
};
use std::collections::BTreeSet;
use windlass_document::Finding;

pub(super) fn find(facts: &Facts<'_>, found: &mut Vec<Finding>) {
    let commands = &facts.notes.commands;
    let mut unseen = BTreeSet::new();
    for (at, seen) in commands.iter().enumerate() {
        // What an example says is nobody's command.
        if seen.role == Role::Example || matches!(seen.line.fate, Fate::Left(Reason::Comment)) {
            continue;
        }
        if let Some(next) = commands.get(at + 1) {
            rm_then_mv(seen, next, found);
        }
        process(seen, found);
        commit(seen, found);
        placeholder(seen, found);
        live_copy(seen, found);
        if judge::is_cron(&seen.line.text) {
            found.push(
                SCHEDULED
                    .at(seen.line.span, "a release is started by the clock")
                    .help("run it from a terminal or a pipeline that somebody watches"),
            );
        }
        if let Some(script) = script_of(seen).filter(|script| unseen.insert((*script).to_owned())) {
            found.push(
                SCRIPT_UNSEEN
                    .at(
                        seen.line.span,
                        format!("`{script}` does the work, and what it does is not in this runbook"),
                    )
                    .help(format!("adopt the script too: `windlass adopt {script}`")),
            );
        }
    }
    hosts(facts, found);
    if facts.source.script {
        script(facts, found);
    }
}

/// A command with these words first.
fn calls<'s>(seen: &'s Seen, program: &str) -> impl Iterator<Item = &'s Vec<String>> {
    seen.parts.iter().filter(move |words| words.first().is_some_and(|word| word == program))
}

fn rm_then_mv(seen: &Seen, next: &Seen, found: &mut Vec<Finding>) {
    for words in calls(seen, "rm") {
        let recursive = words.iter().any(|word| word.starts_with('-') && word.contains(['r', 'R']));
        let Some(path) = words.iter().skip(1).find(|word| !word.starts_with('-')).filter(|_| !recursive)
        else {
            continue;
        };
        let onto = calls(next, "mv").any(|words| {
            words.len() > 2
                && words.last().is_some_and(|last| last.trim_end_matches('/') == path.trim_end_matches('/'))
        });
        if onto {
            found.push(
                RM_THEN_MV
                    .at(seen.line.span, format!("if `{path}` is a folder, this fails, and the next line still runs"))
                    .also(next.line.span, format!("then this puts the backup inside of `{path}`"))
                    .help("move the broken data aside instead of deleting it, and look that the name is free before the second `mv`"),
            );
        }
    }
}

fn process(seen: &Seen, found: &mut Vec<Finding>) {
    for words in &seen.parts {
        let Some(program) =
            words.first().filter(|word| ["pkill", "killall", "nohup", "kill"].contains(&word.as_str()))
        else {
            continue;
        };
        found.push(
            PLAIN_PROCESS
                .at(seen.line.span, format!("`{program}` is used as a service manager"))
                .help("use the unit of systemd, or describe the process as a `[service.NAME]` and write `windlass service restart NAME`"),
        );
    }
}

fn commit(seen: &Seen, found: &mut Vec<Finding>) {
    let resets = calls(seen, "git").any(|words| {
        words.iter().any(|word| word == "--hard")
            || words.iter().any(|word| word == "revert")
            || seen.role == Role::Back && words.iter().any(|word| word == "checkout" || word == "log")
    });
    let script = seen.role == Role::Back && script_of(seen).is_some_and(|script| script.contains("rollback"));
    if resets || script {
        let what = if script {
            "the way back is a script that goes to the version before"
        } else {
            "the way back is a commit that somebody picks"
        };
        found.push(
            ROLLBACK_BY_COMMIT.at(seen.line.span, what).help(
                "`windlass rollback` goes back to what was recorded before the release: commit, configuration, database, service",
            ),
        );
    }
}

fn placeholder(seen: &Seen, found: &mut Vec<Finding>) {
    let logs_in = matches!(seen.line.fate, Fate::Target(_));
    if let Some((start, end)) = windlass_plan::placeholder(&seen.line.text).filter(|_| !logs_in) {
        let text = &seen.line.text[start..end];
        let mut finding = PLACEHOLDER.at(seen.line.span, format!("`{text}` is a placeholder"));
        if matches!(seen.line.fate, Fate::Left(_)) {
            finding.severity = windlass_document::Severity::Note;
        }
        found.push(finding.help("write what really stands there; a password belongs into a file or variable outside of the document"));
    }
}

fn hosts(facts: &Facts<'_>, found: &mut Vec<Finding>) {
    for host in &facts.notes.hosts {
        let dir = host.dir.as_deref().unwrap_or_default();
        for text in [host.address.as_str(), dir] {
            if let Some((start, end)) = windlass_plan::placeholder(text) {
                let span = facts
                    .notes
                    .commands
                    .iter()
                    .find(|seen| seen.line.text.contains(text))
                    .map_or_else(|| facts.top(), |seen| seen.line.span);
                found.push(
                    PLACEHOLDER
                        .at(span, format!("`{}` is a placeholder", &text[start..end]))
                        .help(format!("write the real value in windlass.toml, under target `{}`", host.name)),
                );
            }
        }
    }
}

/// `cp app.db …`: a copy of a database file by hand.
fn live_copy(seen: &Seen, found: &mut Vec<Finding>) {
    for words in calls(seen, "cp") {
        let file = words.iter().skip(1).find(|word| !word.starts_with('-'));
        let Some(file) =
            file.filter(|file| [".db", ".sqlite", ".sqlite3"].iter().any(|ending| file.ends_with(ending)))
        else {
            continue;
        };
        found.push(
            COPY_OF_LIVE_DATABASE
                .at(seen.line.span, format!("`{file}` is copied while the service may write to it"))
                .help(format!("`sqlite3 {file} \".backup FILE\"` takes a copy of one moment")),
        );
    }
}

/// The script that a command runs.
fn script_of(seen: &Seen) -> Option<&str> {
    let words = seen.parts.first()?;
    let program = words.first()?.as_str();
    let script = match program {
        "bash" | "sh" | "zsh" => words.iter().skip(1).find(|word| !word.starts_with('-'))?,
        _ => program,
    };
    let left = matches!(seen.line.fate, Fate::Left(Reason::Example | Reason::Content(_)));
    (script.ends_with(".sh") && !left).then_some(script)
}

/// What only a script can do wrong.
fn script(facts: &Facts<'_>, found: &mut Vec<Finding>) {
    let stops = facts.notes.commands.iter().any(|seen| {
        calls(seen, "set").any(|words| words.iter().any(|word| word.starts_with('-') && word.contains('e')))
    });
    if !stops && !facts.notes.commands.is_empty() {
        found.push(
            GOES_ON
                .at(facts.top(), "the script goes on after a command that failed")
                .help("begin with `set -e`; as steps of a document each line stops the release"),
        );
    }
    for seen in &facts.notes.commands {
        let asks = calls(seen, "read").next().is_some()
            || has(&seen.line.text, &["read -p", "read -r -p", "select "])
                && seen.line.text.contains("read ");
        if asks {
            found.push(
                ASKS.at(seen.line.span, "the script asks who runs it")
                    .help("make it a checklist item of the document, in front of the step"),
            );
        }
    }
}
