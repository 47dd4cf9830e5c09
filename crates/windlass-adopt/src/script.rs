//! A shell script as a runbook: what it tells becomes headings, its commands stand in fences.

use crate::{lines::Line, mend::Mended, programs};
use windlass_document::{
    Severity, Span,
    shell::{self, CommandKind, ShellCommand},
};

/// A script as a runbook.
pub(crate) fn as_runbook(lines: Vec<Line>) -> Mended {
    let text: String = lines.iter().flat_map(|line| [line.text.as_str(), "\n"]).collect();
    let (script, problems) = shell::parse(&text);
    let mut starts = Vec::with_capacity(lines.len());
    let mut offset = 0;
    for line in &lines {
        starts.push(offset);
        offset += line.text.len() + 1;
    }
    let line_of = |at: usize| starts.partition_point(|start| *start <= at).saturating_sub(1);
    let broken = problems.iter().any(|problem| problem.severity == Severity::Error);
    let mut mended = Mended::default();
    if broken || script.commands.is_empty() {
        mended.lines = fenced(&lines);
        return mended;
    }
    let bounds = together(&script.commands, &text);
    let mut at = 0;
    let mut open = false;
    for (n, command) in script.commands.iter().enumerate() {
        let (first, last) = (line_of(command.span.start), line_of(command.span.end.max(1) - 1));
        if first < at {
            continue;
        }
        let joined = n > 0 && bounds.iter().any(|(from, to)| *from < n && n <= *to);
        if let Some(title) = heading(command, &text).filter(|_| !joined) {
            close(&mut mended.lines, &mut open, lines.get(at..first).unwrap_or_default());
            let start = lines[first].at.map(|at| at + command.span.start - starts[first]);
            mended.lines.extend([
                Line::own(""),
                Line { text: format!("## {title}"), at: start },
                Line::own(""),
            ]);
        } else {
            if open && !joined {
                close(&mut mended.lines, &mut open, &[]);
            }
            if !open {
                mended.lines.push(Line::own("```bash"));
                open = true;
            }
            mended.lines.extend(
                lines[at..=last.min(lines.len() - 1)]
                    .iter()
                    .filter(|line| !line.text.starts_with("#!"))
                    .cloned(),
            );
        }
        at = last + 1;
    }
    close(&mut mended.lines, &mut open, lines.get(at..).unwrap_or_default());
    mended
}

/// What a script says to people: its comments, and what it prints. Commands are English everywhere.
pub(crate) fn told(text: &str) -> String {
    let tells = |line: &&str| {
        let line = line.trim_start();
        line.starts_with('#') && !line.starts_with("#!")
            || line.starts_with("echo ")
            || line.starts_with("printf ")
    };
    text.lines().filter(tells).flat_map(|line| [line, "\n"]).collect()
}

fn close(out: &mut Vec<Line>, open: &mut bool, comments: &[Line]) {
    if std::mem::take(open) {
        out.extend([Line::own("```"), Line::own("")]);
    }
    let words = comments.iter().filter(|line| line.text.starts_with("# "));
    out.extend(words.map(|line| line.from(2)));
}

fn fenced(lines: &[Line]) -> Vec<Line> {
    let mut out = vec![Line::own("```bash")];
    out.extend(lines.iter().filter(|line| !line.text.starts_with("#!")).cloned());
    out.push(Line::own("```"));
    out
}

/// What a line tells who runs the script, if that is all it does.
fn heading(command: &ShellCommand, text: &str) -> Option<String> {
    let CommandKind::Simple(simple) = &command.kind else { return None };
    let words = programs::bare(simple);
    let tells =
        words.first().is_some_and(|word| matches!(*word, "echo" | "printf")) && simple.redirects.is_empty();
    let said: String = words
        .get(1..)?
        .iter()
        .filter(|word| !matches!(**word, "-e" | "-n"))
        .copied()
        .collect::<Vec<_>>()
        .join(" ");
    let said = said.replace("\\n", " ");
    let said = said.trim().trim_matches(['=', '-', '#', '*']).trim();
    (tells && said.chars().filter(|c| c.is_alphabetic()).count() > 1 && text.len() > 1)
        .then(|| said.to_owned())
}

/// Ranges of commands that need each other: a variable or function that is set in the first and used up to the last.
fn together(commands: &[ShellCommand], text: &str) -> Vec<(usize, usize)> {
    let mut set: std::collections::HashMap<&str, usize> = std::collections::HashMap::new();
    let mut last: std::collections::BTreeMap<usize, usize> = std::collections::BTreeMap::new();
    for (n, command) in commands.iter().enumerate() {
        let source = slice(text, command.span);
        for name in names_used(source) {
            if let Some(from) = set.get(name) {
                last.insert(*from, n);
            }
        }
        if let Some(name) = name_set(source) {
            set.entry(name).or_insert(n);
        }
    }
    // Ranges that meet are one.
    let mut ranges: Vec<(usize, usize)> = Vec::new();
    for (from, to) in last {
        match ranges.last_mut() {
            Some(before) if before.1 >= from => before.1 = before.1.max(to),
            _ => ranges.push((from, to)),
        }
    }
    ranges
}

fn slice(text: &str, span: Span) -> &str {
    text.get(span.start..span.end).unwrap_or_default()
}

/// The variable or function that a command sets.
fn name_set(source: &str) -> Option<&str> {
    let is_name =
        |name: &str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    let rest = source
        .trim_start()
        .trim_start_matches("export ")
        .trim_start_matches("readonly ")
        .trim_start_matches("function ");
    let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_')?;
    let (name, after) = rest.split_at(end);
    let sets =
        after.starts_with('=') || after.trim_start().starts_with("()") || source.starts_with("function ");
    (is_name(name) && sets).then_some(name)
}

/// Every word that could be a variable or function.
fn names_used(source: &str) -> impl Iterator<Item = &str> {
    source.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').filter(|word| !word.is_empty())
}
