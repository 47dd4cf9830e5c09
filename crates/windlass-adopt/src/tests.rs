//! Runbooks in, drafts out.

mod five;
mod generated;
mod others;
mod scripts;

use crate::{Adopted, Fate, Source, adopt};
use std::collections::BTreeSet;
use windlass_document::LineIndex;

/// Adopts a text.
pub(super) fn adopted(text: &str) -> Adopted {
    adopt(Source { name: "runbook.md", text, script: false, ways: &[] })
}

/// Lines of the runbook that have a command, each once.
pub(super) fn command_lines(text: &str, adopted: &Adopted) -> BTreeSet<usize> {
    let index = LineIndex::new(text);
    adopted.commands.iter().map(|command| index.line(command.span.start)).collect()
}

/// The lines of findings of a rule.
pub(super) fn found(text: &str, adopted: &Adopted, rule: &str) -> Vec<usize> {
    let index = LineIndex::new(text);
    adopted
        .findings
        .iter()
        .filter(|finding| finding.rule == rule)
        .map(|finding| index.line(finding.span.start))
        .collect()
}

/// Rules of what is open in the draft.
pub(super) fn open(adopted: &Adopted) -> BTreeSet<String> {
    adopted.open.iter().map(|finding| finding.rule.clone()).collect()
}

/// The commands that are in steps.
pub(super) fn steps(adopted: &Adopted) -> Vec<&str> {
    adopted
        .commands
        .iter()
        .filter(|command| matches!(command.fate, Fate::Step(_)))
        .map(|command| command.text.as_str())
        .collect()
}

/// Why commands were left out, by their text.
pub(super) fn left(adopted: &Adopted, start: &str) -> Option<crate::Reason> {
    adopted.commands.iter().find(|command| command.text.starts_with(start)).and_then(|command| match &command
        .fate
    {
        Fate::Left(reason) => Some(reason.clone()),
        _ => None,
    })
}

/// What has to hold of every draft, whatever went in.
pub(super) fn sound(text: &str, adopted: &Adopted) {
    let parsed = windlass_document::parse_str(&adopted.draft);
    let squeezed: String = text.chars().filter(|c| !c.is_whitespace() && *c != '\0').collect();
    let in_runbook = |line: &str| {
        let line: String = line.chars().filter(|c| !c.is_whitespace()).collect();
        squeezed.contains(&line)
    };
    for step in &parsed.document.steps {
        for line in step.body.text.lines() {
            // The folder that a line before went to is said again, parts joined.
            let folder = line.trim().strip_prefix("cd ").is_some_and(|dir| dir.split('/').all(&in_runbook));
            let edit = matches!(step.script, windlass_document::Script::Diff(_));
            let comment = line.trim_start().starts_with('#');
            assert!(
                edit || folder || comment || in_runbook(line.trim()),
                "invented: {line}\n---\n{text}\n---\n{}",
                adopted.draft
            );
        }
    }
    for command in &adopted.commands {
        let span = command.span;
        assert!(
            text.is_char_boundary(span.start) && text.is_char_boundary(span.end) && span.end <= text.len(),
            "{command:?}"
        );
        if let Fate::Step(id) | Fate::Edit(id) = &command.fate {
            assert!(!id.is_empty(), "{command:?}");
        }
    }
    for finding in &adopted.findings {
        assert!(text.is_char_boundary(finding.span.start) && finding.span.end <= text.len(), "{finding:?}");
    }
    let (_, problems) = windlass_plan::parse_config(&[windlass_plan::ConfigSource {
        name: "windlass.toml".into(),
        text: adopted.config.clone(),
    }]);
    assert!(problems.is_empty(), "{problems:#?}\n{}", adopted.config);
}
