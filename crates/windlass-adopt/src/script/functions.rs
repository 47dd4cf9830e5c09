//! Functions of a script: the body of one stands where it is called, so that its lines can be steps. And those that only tell something.

use super::{joined, read, simples};
use crate::lines::{Line, indent};
use std::collections::{BTreeMap, BTreeSet};
use windlass_document::shell::{CommandKind, ShellCommand};

/// Deepest call that is followed.
const DEPTH_MAX: usize = 8;
/// Functions of a script that are looked at.
const FUNCTIONS_MAX: usize = 100;

/// A function that is defined once, over whole lines.
struct Function<'a> {
    /// Lines of the definition, from 0.
    first: usize,
    last: usize,
    body: &'a [Line],
}

/// The lines with the bodies of functions in the place of their calls.
pub(super) fn called(mut lines: Vec<Line>) -> Vec<Line> {
    for _ in 0..DEPTH_MAX {
        let Some(next) = once(&lines) else { break };
        if next.len() > super::LINES_MAX {
            break;
        }
        lines = next;
    }
    lines
}

/// One level of calls; none if there is no call.
fn once(lines: &[Line]) -> Option<Vec<Line>> {
    let text = joined(lines);
    let commands = read(&text)?;
    let starts = super::starts(lines);
    let line_of = |at: usize| starts.partition_point(|start| *start <= at).saturating_sub(1);
    let functions = defined(lines, &commands, line_of);
    let mut calls = BTreeMap::new();
    for command in &commands {
        if let Some(name) = call(command, &text).filter(|name| functions.contains_key(name)) {
            let at = line_of(command.span.start);
            if lines[at].text.trim().trim_end_matches("\"$@\"").trim() == name {
                calls.insert(at, name);
            }
        }
    }
    if calls.is_empty() {
        return None;
    }
    // What is called in another way too stays defined.
    let called = |name: &str| calls.values().filter(|called| **called == name).count();
    let used = |name: &str| uses(name, &commands, &text);
    let gone: Vec<&Function<'_>> = functions
        .iter()
        .filter(|(name, _)| used(name) == called(name) && called(name) > 0)
        .map(|(_, f)| f)
        .collect();
    let mut out = Vec::with_capacity(lines.len());
    for (at, line) in lines.iter().enumerate() {
        if gone.iter().any(|function| (function.first..=function.last).contains(&at)) {
            continue;
        }
        match calls.get(&at) {
            Some(name) => out.extend(functions[name].body.iter().map(dedented(functions[name].body))),
            None => out.push(line.clone()),
        }
    }
    Some(out)
}

/// How often a function is called, in whatever way.
fn uses(name: &str, commands: &[ShellCommand], text: &str) -> usize {
    let named = |simple: &&windlass_document::shell::SimpleCommand| {
        let mut words = simple.words.iter().map(|word| word.text.as_str());
        match words.next() {
            Some("trap" | "export" | "xargs" | "time") => words.any(|word| word.contains(name)),
            Some(first) => first == name,
            None => false,
        }
    };
    let within = [format!("$({name}"), format!("`{name}")];
    // A definition begins with the name of what it defines.
    let parts = commands.iter().flat_map(|command| {
        let source = text.get(command.span.start..command.span.end).unwrap_or_default();
        let own =
            name_of(source).is_some() && simples(command).first().is_some_and(|first| first.words.len() == 1);
        simples(command).iter().skip(usize::from(own))
    });
    parts.filter(named).count() + within.iter().map(|form| text.matches(form.as_str()).count()).sum::<usize>()
}

/// A line of a body as one of the script.
fn dedented(body: &[Line]) -> impl Fn(&Line) -> Line {
    let filled = body.iter().filter(|line| !line.text.trim().is_empty());
    let by = filled.map(|line| indent(&line.text)).min().unwrap_or(0);
    move |line: &Line| {
        let line = line.from(by.min(indent(&line.text)));
        match line.text.strip_prefix("local ").filter(|rest| rest.contains('=')) {
            Some(rest) => {
                Line { text: rest.to_owned(), at: line.at, was: line.was.or(Some(line.text.len())) }
            }
            None => line,
        }
    }
}

/// The functions whose body can stand elsewhere: it reads no arguments and does not return.
fn defined<'a>(
    lines: &'a [Line],
    commands: &[ShellCommand],
    line_of: impl Fn(usize) -> usize,
) -> BTreeMap<&'a str, Function<'a>> {
    let mut functions = BTreeMap::new();
    let mut twice = BTreeSet::new();
    for command in commands {
        let (first, last) = (line_of(command.span.start), line_of(command.span.end.max(1) - 1));
        let Some(name) = lines.get(first).and_then(|line| name_of(&line.text)) else { continue };
        if functions.contains_key(name) {
            twice.insert(name);
        }
        let whole =
            lines[first].text.trim_end().ends_with('{') && lines[last].text.trim() == "}" && last > first;
        let Some(body) = lines.get(first + 1..last).filter(|_| whole) else { continue };
        if functions.len() < FUNCTIONS_MAX && body.iter().all(|line| stands_anywhere(&line.text)) {
            functions.insert(name, Function { first, last, body });
        }
    }
    functions.retain(|name, _| !twice.contains(name));
    functions
}

fn stands_anywhere(line: &str) -> bool {
    let argument = line.match_indices('$').any(|(at, _)| {
        let next = line[at + 1..].trim_start_matches('{').chars().next();
        next.is_some_and(|c| c.is_ascii_digit() && c != '0' || matches!(c, '@' | '*' | '#'))
    });
    let word =
        |word: &str| line.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').any(|found| found == word);
    !argument
        && !line.contains("<<")
        && !word("return")
        && !word("shift")
        && (!word("local") || line.contains('='))
}

/// `name() {`, `function name {`.
fn name_of(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let (rest, keyword) =
        line.strip_prefix("function ").map_or((line, false), |rest| (rest.trim_start(), true));
    let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '-')?;
    let behind = rest[end..].trim_start();
    let opens = behind.strip_prefix("()").map(str::trim_start).or(keyword.then_some(behind));
    (end > 0 && opens.is_some_and(|opens| opens.starts_with('{'))).then(|| &rest[..end])
}

/// The name of what is called without arguments, or with those of the script.
fn call<'t>(command: &ShellCommand, text: &'t str) -> Option<&'t str> {
    let source = text.get(command.span.start..command.span.end)?.trim();
    let name = source.strip_suffix("\"$@\"").map_or(source, str::trim_end);
    let is_name = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    (is_name && !name.is_empty()).then_some(name)
}

/// What functions do that only tell something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Telling {
    /// It goes on behind it.
    GoesOn,
    /// The script ends as failed.
    Ends,
}

/// The functions that only tell something.
pub(super) fn tellers(commands: &[ShellCommand], text: &str) -> BTreeMap<String, Telling> {
    let mut tellers = BTreeMap::new();
    for command in commands {
        let source = text.get(command.span.start..command.span.end).unwrap_or_default();
        let Some(name) = name_of(source) else { continue };
        let Some(telling) = body_of(source).and_then(|body| telling(body, &tellers)) else { continue };
        tellers.insert(name.to_owned(), telling);
    }
    tellers
}

fn body_of(source: &str) -> Option<&str> {
    source.split_once('{')?.1.trim_end().strip_suffix('}')
}

fn telling(body: &str, known: &BTreeMap<String, Telling>) -> Option<Telling> {
    let commands = read(body)?;
    let mut ends = Telling::GoesOn;
    for simple in commands.iter().flat_map(simples) {
        let word = |at: usize| simple.words.get(at).map_or("", |word| word.text.as_str());
        let to_people = simple.redirects.iter().all(|redirect| redirect.operator == ">&");
        match word(0) {
            "echo" | "printf" if to_people => {}
            "exit" if word(1).parse::<u8>().is_ok_and(|code| code > 0) => ends = Telling::Ends,
            name => match known.get(name) {
                Some(Telling::GoesOn) => {}
                Some(Telling::Ends) => ends = Telling::Ends,
                None => return None,
            },
        }
    }
    let plain = commands.iter().all(|command| match &command.kind {
        CommandKind::Simple(_) => true,
        CommandKind::Compound { commands, .. } => !commands.is_empty(),
    });
    (plain && !commands.is_empty()).then_some(ends)
}

/// The name that a command defines as a function.
pub(super) fn defines(source: &str) -> Option<&str> {
    name_of(source)
}
