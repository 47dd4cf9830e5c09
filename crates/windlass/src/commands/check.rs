//! `windlass check`: offline, every problem at once, or the steps.

use crate::{
    args::CheckArgs,
    exit::{Exit, Failure},
    project::{self, CONFIG_NAME, Compiled},
    terminal::{self, FindingJson, finding_json},
};
use serde::Serialize;
use std::path::Path;
use windlass_document::LineIndex;
use windlass_plan::Class;
use windlass_report::{Mark, StepJson, Text, step_json, steps_text};

/// `windlass check --json`.
#[derive(Debug, Serialize)]
struct CheckJson {
    /// Version of this format.
    format: u32,
    /// No file has an error.
    ok: bool,
    /// In the order of the command line.
    files: Vec<FileJson>,
}

/// One document.
#[derive(Debug, Serialize)]
struct FileJson {
    /// As named on the command line.
    file: String,
    /// It has no error.
    ok: bool,
    /// Whether a windlass.toml was found; without one targets are not checked.
    config: bool,
    /// Why the file could not be read at all.
    error: Option<String>,
    /// Digest of its plan, if it has one and a configuration.
    digest: Option<String>,
    /// Undo class of the release, if it has a plan.
    class: Option<Class>,
    /// Findings of the configuration, then of the document.
    findings: Vec<FindingJson>,
    /// Steps, if it has a plan.
    steps: Vec<StepJson>,
}

/// Runs the command.
pub fn run(args: &CheckArgs, config: Option<&Path>) -> Result<Exit, Failure> {
    let mut files = Vec::new();
    let mut ok = true;
    let mut noted = false;
    for file in &args.files {
        match project::compile_file(file, config, args.env.as_deref()) {
            Ok(compiled) => {
                ok &= !compiled.failed();
                if args.output.json {
                    files.push(file_json(&compiled));
                } else {
                    if compiled.place.is_none() && !noted {
                        note();
                        noted = true;
                    }
                    print(&compiled)?;
                }
            }
            Err(failure) if args.output.json => {
                ok = false;
                files.push(unread(file, &failure));
            }
            Err(failure) => {
                ok = false;
                terminal::failure(&failure.message, &failure.hints);
            }
        }
    }
    if args.output.json {
        terminal::json(&CheckJson { format: windlass_report::FORMAT, ok, files })?;
    }
    Ok(if ok { Exit::Done } else { Exit::Wrong })
}

/// Once per command: what was not checked.
fn note() {
    let mut text = Text::new();
    let words = format!(
        "no {CONFIG_NAME} beside the document or above it, so targets and services are not checked: each target is \
         taken for this machine, or for SQLite where SQL runs on it"
    );
    text.line().add(Mark::Dim, "note").plain(": ").plain(words);
    terminal::say(&text);
}

fn print(compiled: &Compiled) -> Result<(), Failure> {
    terminal::findings(compiled);
    let shown = &compiled.source.shown;
    let mut text = Text::new();
    match &compiled.plan {
        Some(plan) => {
            let (steps, class) = (plan.steps.len(), plan.class);
            text.line().add(Mark::Strong, shown).plain(format!(": {steps} steps, undo class {class}"));
            text.append(steps_text(plan));
            terminal::show(&text)
        }
        None => {
            let errors = compiled.errors();
            let plural = if errors == 1 { "" } else { "s" };
            text.line()
                .add(Mark::Bad, shown)
                .plain(format!(": {errors} error{plural}; nothing can be run from it"));
            terminal::say(&text);
            Ok(())
        }
    }
}

fn file_json(compiled: &Compiled) -> FileJson {
    let mut findings = Vec::new();
    for source in &compiled.settings.sources {
        let lines = LineIndex::new(&source.text);
        let own = compiled.settings.findings.iter().filter(|found| found.file == source.name);
        findings.extend(own.map(|found| finding_json(&source.name, &source.text, &lines, &found.finding)));
    }
    let text = String::from_utf8_lossy(&compiled.source.bytes);
    let lines = LineIndex::new(&text);
    let shown = &compiled.source.shown;
    findings.extend(compiled.findings.iter().map(|finding| finding_json(shown, &text, &lines, finding)));
    let plan = compiled.plan.as_ref();
    FileJson {
        file: shown.clone(),
        ok: !compiled.failed(),
        config: compiled.place.is_some(),
        error: None,
        digest: plan.filter(|_| compiled.place.is_some()).map(|plan| plan.digest().0),
        class: plan.map(|plan| plan.class),
        findings,
        steps: plan.map(|plan| plan.steps.iter().map(step_json).collect()).unwrap_or_default(),
    }
}

fn unread(file: &Path, failure: &Failure) -> FileJson {
    FileJson {
        file: file.display().to_string(),
        ok: false,
        config: false,
        error: Some(failure.message.clone()),
        digest: None,
        class: None,
        findings: Vec::new(),
        steps: Vec::new(),
    }
}
