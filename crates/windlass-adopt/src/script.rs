//! A shell script as a runbook: what it tells becomes headings, its commands stand in fences.

mod checked;
mod constants;
mod context;
mod functions;

use crate::{lines::Line, mend::Mended, programs};
use constants::Constants;
use context::Context;
use functions::Telling;
use std::collections::BTreeMap;
use windlass_document::{
    Severity, Span,
    shell::{self, ShellCommand, SimpleCommand},
};

/// Lines of a script that is taken apart; a longer one stands in one fence, as it is.
const LINES_MAX: usize = 3_000;
/// Lines that act on those behind them.
const CONTEXTS_MAX: usize = 20;

/// A script as a runbook.
pub(crate) fn as_runbook(lines: Vec<Line>) -> Mended {
    let mut mended = Mended::default();
    let lines = if lines.len() > LINES_MAX { lines } else { functions::called(lines) };
    let text = joined(&lines);
    let Some(commands) = read(&text).filter(|_| lines.len() <= LINES_MAX) else {
        mended.lines = fenced(&lines);
        return mended;
    };
    let constants = Constants::of(&commands, &text);
    let tellers = functions::tellers(&commands, &text);
    let lines = plainer(lines, &text, &commands, (&constants, &tellers));
    let text = joined(&lines);
    // What was put in are plain words: it reads as before.
    let Some(commands) = read(&text) else {
        mended.lines = fenced(&lines);
        return mended;
    };
    let script = Script::new(&commands, &text, &tellers);
    mended.put_in = constants.gone_from(&script.acting(), &text);
    mended.lines = script.page(&lines, &tellers);
    mended
}

/// A script that has been read.
struct Script<'a> {
    commands: &'a [ShellCommand],
    text: &'a str,
    /// Which commands are for people only.
    tells: Vec<bool>,
    /// Ranges of commands that need each other.
    bounds: Vec<(usize, usize)>,
}

impl<'a> Script<'a> {
    fn new(commands: &'a [ShellCommand], text: &'a str, tellers: &BTreeMap<String, Telling>) -> Self {
        let source = |command: &ShellCommand| slice(text, command.span);
        let mut tells: Vec<bool> =
            commands.iter().map(|command| only_tells(source(command), command, tellers)).collect();
        // What is asked only to be told: `COMMIT=$(git rev-parse HEAD)`.
        for n in 0..commands.len().min(constants::VALUES_MAX) {
            let Some(name) = constants::answer(source(&commands[n])).filter(|_| !tells[n]) else { continue };
            let acts = commands.iter().enumerate().filter(|(at, _)| *at != n && !tells[*at]);
            let used =
                acts.into_iter().any(|(_, command)| names_used(source(command)).any(|used| used == name));
            tells[n] = !used;
        }
        let bounds = together(commands, text, &tells);
        Self { commands, text, tells, bounds }
    }

    /// The commands that do something.
    fn acting(&self) -> Vec<ShellCommand> {
        let acting = self.commands.iter().zip(&self.tells).filter(|(_, tells)| !**tells);
        acting.map(|(command, _)| command.clone()).collect()
    }

    fn page(&self, lines: &[Line], tellers: &BTreeMap<String, Telling>) -> Vec<Line> {
        let mut page = Page::new(lines, self.text, tellers);
        let mut contexts: Vec<(Context, usize)> = Vec::new();
        for (n, command) in self.commands.iter().enumerate() {
            let joined = self.bounds.iter().any(|(from, to)| *from < n && n <= *to);
            if let Some(context) = self.context(n).filter(|_| !joined && contexts.len() < CONTEXTS_MAX) {
                page.leave(command);
                contexts.push((context, n));
                continue;
            }
            if self.tells[n] && !joined {
                page.told(command, self.tells[n + 1..].contains(&false));
                continue;
            }
            // A range of commands stands in one fence, with what any of them needs.
            let last = self.bounds.iter().find(|(from, _)| *from == n).map_or(n, |(_, to)| *to);
            let range = &self.commands[n..=last];
            let needed =
                contexts.iter().filter(|(context, _)| range.iter().any(|one| context.is_needed_by(one)));
            let before: Vec<&ShellCommand> = needed.map(|(_, at)| &self.commands[*at]).collect();
            page.command(command, joined, &before);
            if is_deactivation(command) {
                contexts.retain(|(context, _)| *context != Context::Environment);
            }
        }
        page.end()
    }

    /// What a command sets for those behind it, if any of them may need it.
    fn context(&self, n: usize) -> Option<Context> {
        let context = Context::of(&self.commands[n])?;
        let begins = self.bounds.iter().any(|(from, _)| *from == n);
        let needed = self.commands[n + 1..].iter().any(|later| context.is_needed_by(later));
        (needed && !begins).then_some(context)
    }
}

/// The page that is being written.
struct Page<'a> {
    lines: &'a [Line],
    text: &'a str,
    tellers: &'a BTreeMap<String, Telling>,
    /// Where each line begins in the text.
    starts: Vec<usize>,
    out: Vec<Line>,
    /// A fence is open.
    open: bool,
    /// The first line that is not written yet.
    at: usize,
}

impl<'a> Page<'a> {
    /// A page that begins with what the script says of itself.
    fn new(lines: &'a [Line], text: &'a str, tellers: &'a BTreeMap<String, Telling>) -> Self {
        let mut page =
            Self { lines, text, tellers, starts: starts(lines), out: Vec::new(), open: false, at: 0 };
        let comment = |line: &&Line| line.text.starts_with('#');
        let head = lines.iter().take_while(comment).count();
        let mut words = lines[..head].iter().filter(|line| line.text.starts_with("# "));
        if let Some(title) = words.next() {
            let title = title.from(2);
            page.out.push(Line { text: format!("# {}", title.text.trim()), at: title.at, was: title.was });
            page.out.push(Line::own(""));
            page.out.extend(words.map(|line| line.from(2)));
            page.out.push(Line::own(""));
            page.at = head;
        }
        page
    }

    fn line_of(&self, at: usize) -> usize {
        self.starts.partition_point(|start| *start <= at).saturating_sub(1)
    }

    /// First and last line of a command.
    fn range(&self, command: &ShellCommand) -> (usize, usize) {
        let last = self.line_of(command.span.end.max(1) - 1);
        (self.line_of(command.span.start), last.min(self.lines.len() - 1))
    }

    /// A command that stands elsewhere.
    fn leave(&mut self, command: &ShellCommand) {
        let (first, last) = self.range(command);
        let comments = self.at..first.max(self.at);
        self.close(comments);
        self.at = self.at.max(last + 1);
    }

    /// A command, behind those that act on it.
    fn command(&mut self, command: &ShellCommand, joined: bool, before: &[&ShellCommand]) {
        let (first, last) = self.range(command);
        if first < self.at {
            return;
        }
        if self.open && !joined {
            self.close(0..0);
        }
        let comments = self.at..first;
        if !self.open {
            self.out.push(Line::own("```bash"));
            self.open = true;
            for command in before {
                let (first, last) = self.range(command);
                self.fence(first..last + 1);
            }
        }
        self.fence(comments);
        self.fence(first..last + 1);
        self.at = last + 1;
    }

    /// A command that only tells something: the heading of what stands behind it.
    fn told(&mut self, command: &ShellCommand, more: bool) {
        let (first, last) = self.range(command);
        if first < self.at {
            return;
        }
        let source = slice(self.text, command.span);
        match heading(source, command, self.tellers).filter(|_| more) {
            Some(title) => {
                self.close(self.at..first);
                let from = &self.lines[first];
                let at = from.at.map(|at| at + command.span.start - self.starts[first]);
                let at = if from.was.is_some() { from.at } else { at };
                let title = Line { text: format!("## {title}"), at, was: from.was };
                self.out.extend([Line::own(""), title, Line::own("")]);
            }
            // `echo ""`, and what sets the colours of words.
            None => self.close(self.at..first),
        }
        self.at = last + 1;
    }

    fn fence(&mut self, range: std::ops::Range<usize>) {
        let lines = self.lines.get(range).unwrap_or_default();
        self.out.extend(lines.iter().filter(|line| !line.text.starts_with("#!")).cloned());
    }

    /// Ends the fence; comments behind it are words for people.
    fn close(&mut self, comments: std::ops::Range<usize>) {
        if std::mem::take(&mut self.open) {
            self.out.extend([Line::own("```"), Line::own("")]);
        }
        let comments = self.lines.get(comments).unwrap_or_default();
        let words = comments.iter().filter(|line| line.text.starts_with("# "));
        self.out.extend(words.map(|line| line.from(2)));
    }

    fn end(mut self) -> Vec<Line> {
        self.close(self.at..self.lines.len());
        self.out
    }
}

fn joined(lines: &[Line]) -> String {
    lines.iter().flat_map(|line| [line.text.as_str(), "\n"]).collect()
}

fn starts(lines: &[Line]) -> Vec<usize> {
    let mut offset = 0;
    let start = |line: &Line| {
        let start = offset;
        offset += line.text.len() + 1;
        start
    };
    lines.iter().map(start).collect()
}

/// The commands of a script, if there are any and it can be read.
fn read(text: &str) -> Option<Vec<ShellCommand>> {
    let (script, problems) = shell::parse(text);
    let broken = problems.iter().any(|problem| problem.severity == Severity::Error);
    (!broken && !script.commands.is_empty()).then_some(script.commands)
}

/// The lines with values put in, and without what only ends a script that failed.
fn plainer(
    lines: Vec<Line>,
    text: &str,
    commands: &[ShellCommand],
    (constants, tellers): (&Constants, &BTreeMap<String, Telling>),
) -> Vec<Line> {
    let edit = |command: &ShellCommand| {
        let source = slice(text, command.span);
        if constants::only_assigns(command) || constants::is_folder(source) {
            return None;
        }
        if let Some(folder) = constants.cd(checked::command(source, tellers).unwrap_or(source)) {
            return Some((command.span, format!("cd {folder}")));
        }
        let with_values = constants.put_in(source).unwrap_or_else(|| source.to_owned());
        let new =
            checked::command(&with_values, tellers).map_or(with_values.as_str(), |head| head).to_owned();
        (new != source).then_some((command.span, new))
    };
    let edits: Vec<_> = commands.iter().filter_map(edit).collect();
    if edits.is_empty() {
        return lines;
    }
    let (new, from) = constants::replaced(text, &edits);
    let line = |(text, (line, changed)): (&str, (usize, bool))| {
        let old = &lines[line.min(lines.len() - 1)];
        let was = if changed { Some(old.text.len()) } else { old.was };
        Line { text: text.to_owned(), at: old.at, was }
    };
    new.lines().zip(from).map(line).collect()
}

fn is_deactivation(command: &ShellCommand) -> bool {
    matches!(simples(command), [simple] if simple.words.len() == 1 && simple.words[0].text == "deactivate")
}

fn simples(command: &ShellCommand) -> &[SimpleCommand] {
    programs::parts(command)
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

fn fenced(lines: &[Line]) -> Vec<Line> {
    let mut out = vec![Line::own("```bash")];
    out.extend(lines.iter().filter(|line| !line.text.starts_with("#!")).cloned());
    out.push(Line::own("```"));
    out
}

/// Whether a command is for people only: it prints something, is a function that does, or sets the colours of words.
fn only_tells(source: &str, command: &ShellCommand, tellers: &BTreeMap<String, Telling>) -> bool {
    if functions::defines(source).is_some_and(|name| tellers.contains_key(name)) {
        return true;
    }
    let coloured = ["\\033[", "\\e[", "\\x1b[", "tput "].iter().any(|mark| source.contains(mark));
    let parts = simples(command);
    if parts.iter().all(|simple| simple.words.is_empty()) {
        return coloured;
    }
    parts.iter().all(|simple| {
        let name = simple.words.first().map_or("", |word| word.text.as_str());
        let prints = matches!(name, "echo" | "printf") || tellers.get(name) == Some(&Telling::GoesOn);
        prints && simple.redirects.iter().all(|redirect| redirect.operator == ">&")
    }) && !source.contains('|')
}

/// What a command tells who runs the script.
fn heading(source: &str, command: &ShellCommand, tellers: &BTreeMap<String, Telling>) -> Option<String> {
    if functions::defines(source).is_some() {
        return None;
    }
    let [simple] = simples(command) else { return None };
    let name = simple.words.first().map(|word| word.text.as_str())?;
    if !(matches!(name, "echo" | "printf") || tellers.contains_key(name)) {
        return None;
    }
    let said = source.trim_start().strip_prefix(name)?.split(['"', '\'']).collect::<String>();
    let words =
        said.split_whitespace().filter(|word| !matches!(*word, "-e" | "-n" | "-ne" | "-en" | ">&2" | "1>&2"));
    let said = without_colours(&words.collect::<Vec<_>>().join(" "));
    let said = said.trim_matches(['=', '-', '#', '*', '>', '<', '~', ' ']).trim();
    (said.chars().filter(|c| c.is_alphabetic()).count() > 1).then(|| said.to_owned())
}

/// Without `\n`, `${GREEN}` and the like.
fn without_colours(said: &str) -> String {
    const COLOURS: &[&str] = &[
        "RED", "GREEN", "YELLOW", "BLUE", "CYAN", "MAGENTA", "PURPLE", "WHITE", "BOLD", "DIM", "NC", "RESET",
        "NORMAL",
    ];
    let mut said = said.replace("\\n", " ").replace("\\t", " ");
    for colour in COLOURS {
        for form in [format!("${{{colour}}}"), format!("$C_{colour}"), format!("${colour}")] {
            said = said.replace(&form, "");
        }
    }
    said
}

/// Ranges of commands that need each other: a variable or function that is set in the first and used up to the last.
fn together(commands: &[ShellCommand], text: &str, tells: &[bool]) -> Vec<(usize, usize)> {
    let mut set: std::collections::HashMap<&str, usize> = std::collections::HashMap::new();
    let mut last: std::collections::BTreeMap<usize, usize> = std::collections::BTreeMap::new();
    for (n, command) in commands.iter().enumerate() {
        if tells[n] {
            continue;
        }
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
