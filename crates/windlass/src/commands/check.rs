//! `windlass check`: offline, every problem at once, or the steps; for people, scripts and CI systems.

use super::found::Collected;
use crate::{
    args::{CheckArgs, Format},
    exit::{Exit, Failure},
    project::{self, CONFIG_NAME, Compiled},
    terminal::{self, FindingJson, finding_json},
};
use serde::Serialize;
use std::path::Path;
use windlass_document::{Language, LineIndex};
use windlass_plan::Class;
use windlass_report::{Mark, StepJson, Text, count, step_json, steps_text};

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
    /// Why the file, or its configuration, could not be read at all.
    error: Option<String>,
    /// Digest of its plan, if it has one.
    digest: Option<String>,
    /// Undo class of the release, if it has a plan.
    class: Option<Class>,
    /// Findings of the configuration, then of the document.
    findings: Vec<FindingJson>,
    /// Steps, if nothing is an error; those of the document alone where there is no configuration.
    steps: Vec<StepJson>,
}

/// Runs the command.
pub fn run(args: &CheckArgs, config: Option<&Path>) -> Result<Exit, Failure> {
    let files = args.files.iter().map(|file| {
        let compiled = project::compile_file(file, config, args.env.as_deref());
        (file.as_path(), compiled)
    });
    let ok = match args.output.format() {
        Format::Text => for_people(files),
        Format::Json => for_scripts(files),
        format => for_ci(files, format),
    }?;
    Ok(if ok { Exit::Done } else { Exit::Wrong })
}

/// A document and what became of it, read when its turn comes.
type Read<'a> = (&'a Path, Result<Compiled, Failure>);

fn for_people<'a>(files: impl Iterator<Item = Read<'a>>) -> Result<bool, Failure> {
    let (mut ok, mut noted) = (true, false);
    for (_, compiled) in files {
        match compiled {
            Ok(compiled) => {
                ok &= !compiled.failed();
                if compiled.place.is_none() && !noted {
                    note();
                    noted = true;
                }
                print(&compiled)?;
            }
            Err(failure) => {
                ok = false;
                terminal::failure(&failure.message, &failure.hints);
            }
        }
    }
    Ok(ok)
}

fn for_scripts<'a>(files: impl Iterator<Item = Read<'a>>) -> Result<bool, Failure> {
    let file = |(file, compiled): Read<'_>| match compiled {
        Ok(compiled) => file_json(&compiled),
        Err(failure) => unread(file, &failure),
    };
    let files: Vec<FileJson> = files.map(file).collect();
    let ok = files.iter().all(|file| file.ok);
    terminal::json(&CheckJson { format: windlass_report::FORMAT, ok, files })?;
    Ok(ok)
}

fn for_ci<'a>(files: impl Iterator<Item = Read<'a>>, format: Format) -> Result<bool, Failure> {
    let mut found = Collected::default();
    let mut ok = true;
    for (file, compiled) in files {
        match compiled {
            Ok(compiled) => {
                ok &= !compiled.failed();
                found.add(&compiled);
            }
            Err(failure) => {
                ok = false;
                found.unread(file, &failure);
            }
        }
    }
    found.print(format)?;
    Ok(ok)
}

/// Once per command: what was not checked.
fn note() {
    let mut text = Text::new();
    let words = format!(
        "no {CONFIG_NAME} beside the document or above it: only the document itself is checked, not its targets, \
         services and ways back"
    );
    text.line().add(Mark::Dim, "note").plain(": ").plain(words);
    terminal::say(&text);
}

fn print(compiled: &Compiled) -> Result<(), Failure> {
    terminal::findings(compiled);
    if let Some(failure) = &compiled.unread {
        terminal::failure(&failure.message, &failure.hints);
    }
    let shown = &compiled.source.shown;
    let mut text = Text::new();
    let errors = compiled.errors();
    if errors > 0 {
        text.line()
            .add(Mark::Bad, shown)
            .plain(format!(": {}; nothing can be run from it", count(errors, "error")));
        terminal::say(&text);
        return Ok(());
    }
    let steps = steps(compiled);
    if steps.is_empty() && compiled.plan.is_none() {
        // With a configuration this is a finding.
        terminal::warn(&format!("{shown} has no step: there is nothing to run"));
    }
    text.line().add(Mark::Strong, shown).plain(format!(": {}", count(steps.len(), "step")));
    if let Some(plan) = &compiled.plan {
        text.plain(format!(", undo class {}", plan.class));
    }
    text.append(steps_text(&steps));
    terminal::show(&text)
}

/// Steps of the plan, or of the document where there is no configuration to make a plan with.
fn steps(compiled: &Compiled) -> Vec<StepJson> {
    if let Some(plan) = &compiled.plan {
        return plan.steps.iter().map(step_json).collect();
    }
    let text = &compiled.source.text;
    let lines = LineIndex::new(text);
    let document = &compiled.source.parsed.document;
    let outline = document.steps.iter().map(|step| StepJson {
        id: step.id.value.clone(),
        line: lines.line(step.span.start),
        stage: step.stage.and_then(|at| document.stages.get(at)).map(|stage| stage.text.clone()),
        driver: language(step.language).to_owned(),
        target: step.attributes.on.as_ref().map(|on| on.value.clone()).unwrap_or_default(),
        class: None,
        units: None,
    });
    outline.collect()
}

fn language(language: Language) -> &'static str {
    match language {
        Language::Shell => "shell",
        Language::Sql => "sql",
        Language::Diff => "diff",
        Language::Http => "http",
    }
}

fn file_json(compiled: &Compiled) -> FileJson {
    let mut findings = Vec::new();
    for source in &compiled.settings.sources {
        let lines = LineIndex::new(&source.text);
        let own = compiled.settings.findings.iter().filter(|found| found.file == source.name);
        findings.extend(own.map(|found| finding_json(&source.name, &source.text, &lines, &found.finding)));
    }
    let text = &compiled.source.text;
    let lines = LineIndex::new(text);
    let shown = &compiled.source.shown;
    findings.extend(compiled.findings.iter().map(|finding| finding_json(shown, text, &lines, finding)));
    let plan = compiled.plan.as_ref();
    FileJson {
        file: shown.clone(),
        ok: !compiled.failed(),
        config: compiled.place.is_some(),
        error: compiled.unread.as_ref().map(|failure| failure.message.clone()),
        digest: plan.map(|plan| plan.digest().0),
        class: plan.map(|plan| plan.class),
        findings,
        steps: if compiled.failed() { Vec::new() } else { steps(compiled) },
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
