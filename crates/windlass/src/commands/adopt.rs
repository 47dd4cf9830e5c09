//! `windlass adopt`: an old runbook in, a draft release document and the findings out.

use crate::{
    args::AdoptArgs,
    exit::{Exit, Failure},
    project::{self, CONFIG_NAME, Place},
    terminal::{self, FindingJson, finding_json},
};
use serde::Serialize;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};
use windlass_adopt::{Adopted, Fate, Source, adopt};
use windlass_document::{LineIndex, Severity};
use windlass_report::{Mark, Text};

/// Findings of one severity that are printed; `--json` has all.
const PRINTED_MAX: usize = 40;

/// `windlass adopt --json`.
#[derive(Debug, Serialize)]
struct AdoptJson {
    /// Version of this format.
    format: u32,
    /// The draft release document.
    draft: String,
    /// The draft of windlass.toml.
    config: String,
    /// Findings; places are of the runbook.
    findings: Vec<FindingJson>,
    /// What is to be decided; places are of the draft.
    open: Vec<FindingJson>,
    /// Every command line of the runbook.
    commands: Vec<CommandJson>,
}

#[derive(Debug, Serialize)]
struct CommandJson {
    text: String,
    line: usize,
    column: usize,
    /// `step`, `edit`, `target`, `folder` or `left-out`.
    fate: &'static str,
    /// The step or target.
    of: Option<String>,
    /// Why it is no step, in the runbook's language.
    reason: Option<String>,
}

/// Runs the command.
pub fn run(args: &AdoptArgs, config: Option<&Path>) -> Result<Exit, Failure> {
    let text = project::read_text(&args.runbook, "runbook")?;
    let shown = args.runbook.display().to_string();
    let script = args.runbook.extension().is_some_and(|ending| ending == "sh" || ending == "bash")
        || text.starts_with("#!") && text.lines().next().is_some_and(|line| line.ends_with("sh"));
    let adopted = adopt(Source { name: &shown, text: &text, script, ways: &args.way });
    if args.print.json {
        terminal::json(&json(&shown, &text, &adopted))?;
        return Ok(Exit::Done);
    }
    let printed = args.output.as_deref().is_some_and(|path| path == Path::new("-"));
    if printed {
        findings(&shown, &text, &adopted);
        terminal::print(&adopted.draft)?;
        return Ok(Exit::Done);
    }
    let draft = args.output.clone().unwrap_or_else(|| beside(&args.runbook));
    let settings = settings(&draft, config)?;
    // Both or none: a draft without its configuration cannot be checked.
    for path in [&draft, &settings] {
        if path.exists() {
            return Err(exists(path));
        }
    }
    for (path, text) in [(&draft, &adopted.draft), (&settings, &adopted.config)] {
        project::write_new(path, text)?.ok_or_else(|| exists(path))?;
    }
    findings(&shown, &text, &adopted);
    outcome(&adopted, &draft, &settings);
    Ok(Exit::Done)
}

/// Where the draft goes: beside the runbook.
fn beside(runbook: &Path) -> PathBuf {
    let stem =
        runbook.file_stem().map_or_else(|| "runbook".to_owned(), |stem| stem.to_string_lossy().into_owned());
    runbook.with_file_name(format!("{stem}.release.md"))
}

/// Where the configuration goes: `windlass.toml` beside the draft, or another name where there is one already.
fn settings(draft: &Path, config: Option<&Path>) -> Result<PathBuf, Failure> {
    Ok(match Place::of_document(draft, config)? {
        None => draft.with_file_name(CONFIG_NAME),
        Some(_) => draft.with_extension("windlass.toml"),
    })
}

fn exists(path: &Path) -> Failure {
    Failure::wrong(format!("{} exists; nothing was written", path.display()))
        .hint("`-o FILE` names another file; `-o -` prints the draft and writes nothing")
}

/// What was found, the worst first.
fn findings(shown: &str, text: &str, adopted: &Adopted) {
    let lines = LineIndex::new(text);
    let mut out = Text::new();
    for (severity, word, mark) in [
        (Severity::Error, "error", Mark::Bad),
        (Severity::Warning, "warning", Mark::Warn),
        (Severity::Note, "note", Mark::Dim),
    ] {
        let found: Vec<_> = adopted.findings.iter().filter(|finding| finding.severity == severity).collect();
        let mut before: BTreeMap<&str, usize> = BTreeMap::new();
        for finding in found.iter().take(PRINTED_MAX) {
            let at = lines.position(text, finding.span.start);
            let again = before.entry(finding.rule.as_str()).or_default();
            *again += 1;
            if *again > 2 {
                // What it means and what to do was said.
                let first = format!("{shown}:{}:{} {word}[{}] ", at.line, at.column, finding.rule);
                out.wrapped("", Mark::Plain, &(first + &finding.message));
                continue;
            }
            out.line()
                .plain(format!("{shown}:{}:{} ", at.line, at.column))
                .add(mark, format!("{word}[{}]", finding.rule));
            out.wrapped("  ", Mark::Plain, &finding.message);
            for note in &finding.notes {
                let line = lines.line(note.span.start);
                out.wrapped("  ", Mark::Dim, &format!("line {line}: {}", note.text));
            }
            if !finding.help.is_empty() {
                out.wrapped("  help: ", Mark::Dim, &finding.help);
            }
        }
        if found.len() > PRINTED_MAX {
            out.line()
                .plain(format!("{} more of severity {word}; `--json` lists all", found.len() - PRINTED_MAX));
        }
    }
    out.line();
    left_out(&mut out, &lines, adopted);
    terminal::say(&out);
}

/// The lines that are no steps, by reason.
fn left_out(out: &mut Text, lines: &LineIndex, adopted: &Adopted) {
    let mut reasons: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for command in &adopted.commands {
        if let Fate::Left(reason) = &command.fate {
            reasons
                .entry(reason.words(windlass_adopt::Language::En))
                .or_default()
                .push(lines.line(command.span.start));
        }
    }
    let left: usize = reasons.values().map(Vec::len).sum();
    let count =
        |kind: fn(&Fate) -> bool| adopted.commands.iter().filter(|command| kind(&command.fate)).count();
    let steps = count(|fate| matches!(fate, Fate::Step(_)));
    let edits = count(|fate| matches!(fate, Fate::Edit(_)));
    let places = count(|fate| matches!(fate, Fate::Target(_) | Fate::Folder));
    out.wrapped(
        "",
        Mark::Strong,
        &format!(
            "{} command lines: {steps} in steps, {edits} edits, {places} targets and folders, {left} left out",
            adopted.commands.len()
        ),
    );
    for (reason, mut at) in reasons {
        at.dedup();
        out.wrapped("  left out: ", Mark::Dim, &format!("{reason}: line {}", numbers(&at)));
    }
    out.line().plain(format!(
        "{} steps, {} checklist items, {} blocks kept as text",
        adopted.steps, adopted.gates, adopted.prose
    ));
}

/// `3, 5-7`.
fn numbers(lines: &[usize]) -> String {
    let mut parts: Vec<(usize, usize)> = Vec::new();
    for line in lines {
        match parts.last_mut() {
            Some((_, last)) if *last + 1 == *line => *last = *line,
            _ => parts.push((*line, *line)),
        }
    }
    let part = |(first, last): &(usize, usize)| {
        if first == last { first.to_string() } else { format!("{first}-{last}") }
    };
    parts.iter().map(part).collect::<Vec<_>>().join(", ")
}

/// What was written, and what comes next.
fn outcome(adopted: &Adopted, draft: &Path, settings: &Path) {
    let mut out = Text::new();
    out.line();
    out.line().add(Mark::Good, "written").plain(format!(": {} and {}", draft.display(), settings.display()));
    let open = adopted.open.len();
    let next = match open {
        0 => "nothing is open for `check`; read the draft before anything else".to_owned(),
        1 => "1 question is open: `check` shows where, and what can be answered".to_owned(),
        n => format!("{n} questions are open: `check` shows where, and what can be answered"),
    };
    out.wrapped("", Mark::Plain, &next);
    out.line().plain(format!("next: windlass check {}", draft.display()));
    terminal::say(&out);
}

fn json(shown: &str, text: &str, adopted: &Adopted) -> AdoptJson {
    let lines = LineIndex::new(text);
    let of_draft = LineIndex::new(&adopted.draft);
    let command = |command: &windlass_adopt::CommandLine| {
        let at = lines.position(text, command.span.start);
        let (fate, of, reason) = match &command.fate {
            Fate::Step(id) => ("step", Some(id.clone()), None),
            Fate::Edit(id) => ("edit", Some(id.clone()), None),
            Fate::Target(name) => ("target", Some(name.clone()), None),
            Fate::Folder => ("folder", None, None),
            Fate::Left(reason) => ("left-out", None, Some(reason.words(adopted.language))),
        };
        CommandJson { text: command.text.clone(), line: at.line, column: at.column, fate, of, reason }
    };
    AdoptJson {
        format: windlass_report::FORMAT,
        draft: adopted.draft.clone(),
        config: adopted.config.clone(),
        findings: adopted.findings.iter().map(|finding| finding_json(shown, text, &lines, finding)).collect(),
        open: adopted
            .open
            .iter()
            .map(|finding| finding_json("draft", &adopted.draft, &of_draft, finding))
            .collect(),
        commands: adopted.commands.iter().map(command).collect(),
    }
}
