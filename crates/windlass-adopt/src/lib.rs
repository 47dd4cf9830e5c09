//! Old runbooks and scripts, read as they are: a draft release document, a draft of `windlass.toml`, and what is dangerous. And new
//! documents, from what differs between two revisions of a repository.
//!
//! Pure: no I/O, no panic on any input, linear time. Text becomes blocks by the Markdown reader, commands by the shell reader,
//! statements by the SQL splitter; what a part is for is read from its heading. No command is in the draft that was not in
//! the runbook, and each that was is a step of the draft or reported as left out, with the reason.

#![deny(missing_docs)]

mod blocks;
mod config;
mod emit;
mod fate;
mod judge;
mod lexicon;
mod lines;
mod mend;
mod new;
mod programs;
mod repository;
mod rules;
mod script;
mod sections;
mod walk;

#[cfg(test)]
mod tests;

pub use fate::{CommandLine, Fate, Reason};
pub use lexicon::Language;
pub use new::{Change, Compared, How, NewDocument, Wanted, Why, is_read, new_document};
pub use repository::{Repository, RepositoryFile, repository};
pub use rules::RULES;

use emit::{Draft, Emit};
use std::collections::BTreeSet;
use walk::Walk;
use windlass_document::{Finding, LineIndex, Severity};
use windlass_plan::{ConfigSource, DocumentMeta, NoFiles, compile, compile_broken, parse_config};

/// What is to be adopted.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// Its file name: a version in it is the release.
    pub name: &'a str,
    /// Its text.
    pub text: &'a str,
    /// It is a shell script, not a runbook.
    pub script: bool,
    /// Words of the headings of parts that are to be taken where there are several ways to do the same.
    pub ways: &'a [String],
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Adopted {
    /// The draft release document.
    pub draft: String,
    /// The draft of `windlass.toml`.
    pub config: String,
    /// What was found in the runbook; spans are of the runbook.
    pub findings: Vec<Finding>,
    /// What is still to be decided in the draft, as `windlass check` says it; spans are of the draft.
    pub open: Vec<Finding>,
    /// Every command line of the runbook.
    pub commands: Vec<CommandLine>,
    /// Its language.
    pub language: Language,
    /// Steps of the draft.
    pub steps: usize,
    /// Checklist items of the draft.
    pub gates: usize,
    /// Blocks that stay as text.
    pub prose: usize,
}

/// Adopts a runbook.
#[must_use]
pub fn adopt(source: Source<'_>) -> Adopted {
    let language =
        if source.script { Language::of(&script::told(source.text)) } else { Language::of(source.text) };
    let lines = lines::lines(source.text);
    let mended = if source.script { script::as_runbook(lines) } else { mend::mend(lines) };
    let blocks = blocks::read(&mended.lines);
    let sections = sections::read(&blocks, source.ways);
    let index = LineIndex::new(source.text);
    let mut walk = Walk::new(&mended.lines, &blocks, &sections, (language, &index));
    walk.script = source.script;
    walk.run();
    let title = sections.first().map(|section| section.title.clone());
    let release = config::release(source.name, title.as_deref(), &walk.notes);
    let front = config::front(&release, language, &mended.front);
    let toml = config::toml(&walk.notes, language, &index);
    // How a step is undone is asked where `check` asks it, and nowhere else.
    let plain = write(&walk, &mended.lines, &front, &BTreeSet::new());
    let unknown = without_way_back(&plain, &judged(&plain, &toml).0);
    let draft = write(&walk, &mended.lines, &front, &unknown);
    let (open, mapped) = judged(&draft, &toml);
    let mut findings = mended.findings;
    findings.extend(rules::findings(&walk.notes, &sections, source, &release));
    for finding in mapped {
        let is_known = |known: &Finding| {
            known.rule == finding.rule
                && known.span.start <= finding.span.end
                && finding.span.start <= known.span.end
        };
        if !findings.iter().any(is_known) {
            findings.push(finding);
        }
    }
    findings.sort_by_key(|finding| (finding.span, finding.rule.clone()));
    findings.dedup_by(|a, b| a.rule == b.rule && a.span == b.span);
    let notes = walk.notes;
    let mut commands: Vec<_> = notes.commands.into_iter().map(|seen| seen.line).collect();
    commands.sort_by_key(|command| command.span);
    Adopted {
        draft: draft.text,
        config: toml,
        findings,
        open,
        commands,
        language,
        steps: notes.steps,
        gates: notes.gates,
        prose: notes.prose,
    }
}

/// The draft: the lines of the runbook, those that become others replaced.
/// The steps of a draft of which nobody knows how they are undone.
fn without_way_back(draft: &Draft, open: &[Finding]) -> BTreeSet<String> {
    let parsed = windlass_document::parse_str(&draft.text);
    let ways = open.iter().filter(|finding| finding.rule == "opaque-without-undo");
    let step = |finding: &Finding| {
        let within = |step: &&windlass_document::Step| {
            step.span.start <= finding.span.start && finding.span.end <= step.span.end
        };
        parsed.document.steps.iter().find(within).map(|step| step.id.value.clone())
    };
    ways.filter_map(step).collect()
}

/// The draft; `asked`: steps whose way back is asked for.
fn write(walk: &Walk<'_>, lines: &[lines::Line], front: &[Emit], asked: &BTreeSet<String>) -> Draft {
    let mut draft = Draft::asking(asked.clone());
    front.iter().for_each(|line| draft.line(line));
    let mut at = 0;
    while at < lines.len() {
        let mut last = at;
        if let Some((end, out)) = walk.instead.get(&at) {
            out.iter().for_each(|line| draft.line(line));
            last = (*end).min(lines.len() - 1);
        } else {
            let line = &lines[at];
            let column = walk.gates.get(&at).copied().unwrap_or(0).min(line.text.len());
            let gated = column > 0 && line.text.is_char_boundary(column);
            let (lead, rest) = if gated { line.text.split_at(column) } else { ("", line.text.as_str()) };
            let lead = if gated { format!("{lead}[ ] ") } else { lead.to_owned() };
            let from = line.at.map(|at| at + column * usize::from(gated));
            draft.line(&Emit { lead, text: rest.to_owned(), at: from, asks: None });
        }
        for (_, out) in walk.behind.range(at..=last) {
            out.iter().for_each(|line| draft.line(line));
        }
        at = last + 1;
    }
    draft
}

/// Judges the draft as `windlass check` does: what is open in it, and what concerns lines of the runbook, at their place there.
fn judged(draft: &Draft, toml: &str) -> (Vec<Finding>, Vec<Finding>) {
    let parsed = windlass_document::parse_str(&draft.text);
    let (config, _) =
        parse_config(&[ConfigSource { name: "windlass.toml".to_owned(), text: toml.to_owned() }]);
    let meta = DocumentMeta { name: "draft.md", text: &draft.text };
    let broken = parsed.findings.iter().any(|finding| finding.severity == Severity::Error);
    let more = if broken {
        compile_broken(&parsed.document, &parsed.findings, meta, &config, &NoFiles)
    } else {
        compile(&parsed.document, meta, &config, &NoFiles, env!("CARGO_PKG_VERSION")).1
    };
    let mut all = parsed.findings;
    all.extend(more);
    all.sort_by_key(|finding| finding.span.start);
    let open = all.iter().filter(|finding| finding.severity == Severity::Error).cloned().collect();
    let mapped = all.into_iter().filter(|finding| !OF_THE_DRAFT.contains(&finding.rule.as_str())).filter_map(
        |mut finding| {
            finding.span = draft.source(finding.span)?;
            finding.notes.retain_mut(|note| match draft.source(note.span) {
                Some(span) => {
                    note.span = span;
                    true
                }
                None => false,
            });
            // A change of the draft is none of the runbook.
            finding.fixes.clear();
            Some(finding)
        },
    );
    let mapped = mapped.collect();
    (open, mapped)
}

/// Rules whose findings ask something of the draft; in the runbook nothing is wrong there.
const OF_THE_DRAFT: &[&str] = &[
    "opaque-without-undo",
    "front-release",
    "diff-empty",
    "not-lifted",
    "bare-fence",
    "target-missing",
    "unknown-target",
    "driver-missing",
    "sql-no-target",
    "diff-path",
    "no-step",
    "no-verification",
    "no-backup-before-write",
];
