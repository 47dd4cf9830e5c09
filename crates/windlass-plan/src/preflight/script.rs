//! The programs and files that a script needs, as far as its text says so beyond doubt: a false alarm is worse than silence.

use super::{harmless::Effects, wrapped};
use crate::lift::{join, normal};
use windlass_document::shell::{CommandKind, ShellCommand, SimpleCommand, Word, parse};

/// What a line needs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Thing {
    /// A program that is looked for in the PATH.
    Program {
        /// Its name.
        name: String,
        /// `sudo` looks for it, in a PATH of its own.
        by_sudo: bool,
    },
    /// A file at a path; a relative one begins where working folders do.
    Path {
        /// The path.
        path: String,
        /// It has to be one that can be run.
        runs: bool,
        /// It belongs to a line of `sudo`: this user may be unable to see it.
        by_sudo: bool,
    },
}

/// A thing where it stands.
pub(super) struct Found {
    pub(super) thing: Thing,
    /// Lines behind the first command of the script.
    pub(super) line: usize,
    /// The script fails without it.
    pub(super) stops: bool,
    /// It is called by `sudo`.
    pub(super) sudo: bool,
    /// A line of the script in front of it that may make it; counted in the same way.
    pub(super) maker: Option<usize>,
}

/// Words behind which a shell may have functions, names or a PATH that its text does not show.
const BEHIND_WHICH_ALL_MAY_BE: &[&str] = &[".", "source", "eval", "alias", "hash", "enable", "shopt"];
/// Programs that run the file that is their first argument.
const INTERPRETERS: &[&str] =
    &["sh", "bash", "dash", "zsh", "ksh", "python", "python2", "python3", "perl", "ruby", "php"];
/// What makes it depend on the moment whether a command is run, or fails the line.
const CONDITIONS: &[&str] = &["if", "while", "until", "case", "elif", "function", "!", "select", "trap"];
const PUNCTUATION: &[&str] = &["||", "[[", "((", "=(", "<(", ">(", "()", "<<"];
/// Programs whose answer others wait for: `[ -x b ] && b`.
const ASKERS: &[&str] = &["[", "test", "command", "which", "type", "hash", "grep", "egrep", "pgrep", "false"];

/// The things that a script needs, which begins in `dir`.
pub(super) fn read(script: &str, dir: Option<&str>) -> Vec<Found> {
    let (parsed, problems) = parse(script);
    if problems.iter().any(|problem| problem.severity == windlass_document::Severity::Error) {
        return Vec::new();
    }
    let Some(first) = parsed.commands.first() else { return Vec::new() };
    let mut reader = Reader {
        script,
        from: first.span.start,
        asked: asked_for(script),
        folder: Some(dir.unwrap_or_default().to_owned()),
        names: true,
        fails: false,
        makers: [None, None],
        found: Vec::new(),
    };
    let last = parsed.commands.len() - 1;
    for (at, command) in parsed.commands.iter().enumerate() {
        reader.command(command, at == last);
    }
    reader.found
}

struct Reader<'a> {
    script: &'a str,
    from: usize,
    /// Names that the script itself asks for or defines.
    asked: Vec<String>,
    /// Where it is; `None`: nobody can tell.
    folder: Option<String>,
    /// A name that is no program of the PATH is nothing.
    names: bool,
    /// `set -e` was said.
    fails: bool,
    /// The first line that may have written a file, and the first that may have installed a program.
    makers: [Option<usize>; 2],
    found: Vec<Found>,
}

impl Reader<'_> {
    fn command(&mut self, command: &ShellCommand, is_last: bool) {
        match &command.kind {
            CommandKind::Simple(simple) => {
                self.simple(simple, is_last || self.fails);
                self.moves(simple);
            }
            CommandKind::Compound { commands, .. } => {
                let text = &self.script[command.span.start..command.span.end];
                // How often the body of a loop runs, nobody can tell.
                if !depends(text) && !text.starts_with("for ") {
                    let waited = !text.trim_end().ends_with('&');
                    // `set -e` passes over all but the end of a chain, which may not be reached.
                    let ends = is_last || self.fails && !text.contains("&&");
                    self.list(commands, ends && waited, text);
                }
                // A `cd` that may not happen to the shell itself leaves it where nobody can tell here.
                let moves =
                    commands.iter().any(|simple| matches!(self.first(simple), "cd" | "pushd" | "popd"));
                if moves && (text.contains(['(', '|', '&', '`']) || depends(text)) {
                    self.folder = None;
                }
                commands.iter().for_each(|simple| self.names &= !hides(self.script, simple));
            }
        }
        self.makes(Effects::of_command(self.script, command), command.span.start);
    }

    /// From here on what is needed may have been made by this.
    fn makes(&mut self, effects: Effects, at: usize) {
        let line = self.line(at);
        for (maker, may) in self.makers.iter_mut().zip([effects.may_write(), effects.may_install()]) {
            if may {
                maker.get_or_insert(line);
            }
        }
    }

    /// Commands one behind the other, each of which is run.
    fn list(&mut self, commands: &[SimpleCommand], stops: bool, text: &str) {
        let last = commands.len().saturating_sub(1);
        let chain = text.contains("&&") && !text.contains([';', '|', '\n']);
        for (at, simple) in commands.iter().enumerate() {
            // The last one says how it ended; of a chain each does.
            self.simple(simple, stops && (chain || at == last));
            let first = self.first(simple);
            if ASKERS.contains(&first) {
                return;
            }
            self.moves_in_list(simple);
            self.names &= !hides(self.script, simple);
            // What runs beside it makes nothing for it in time.
            if let Some(word) = simple.words.first().filter(|_| !text.contains('|')) {
                let written = if text.contains('>') { Effects::Files } else { Effects::None };
                self.makes(Effects::of_program(first).max(written), word.span.start);
            }
        }
    }

    fn first<'s>(&self, simple: &'s SimpleCommand) -> &'s str {
        simple.words.first().map_or("", |word| word.text.as_str())
    }

    fn simple(&mut self, simple: &SimpleCommand, stops: bool) {
        if is_listed(self.script, simple) || simple.assignments.iter().any(|one| one.name == "PATH") {
            return;
        }
        for called in wrapped::called(&simple.words) {
            let text = called.word.text.as_str();
            if let Some(thing) = self.program(text, called.by_sudo) {
                // It is told the password by the line itself, or asks a program for it.
                let is_told = called
                    .arguments
                    .iter()
                    .any(|word| matches!(word.text.as_str(), "-S" | "-A" | "--stdin" | "--askpass"));
                self.push(thing, called.word, stops, text == "sudo" && !is_told);
            }
            if let Some(thing) = self.script_of(text, called.arguments, called.by_sudo) {
                self.push(thing, called.word, stops, false);
            }
        }
    }

    fn push(&mut self, thing: Thing, word: &Word, stops: bool, sudo: bool) {
        let [writes, installs] = self.makers;
        let maker = if matches!(thing, Thing::Program { .. }) { installs } else { writes };
        let line = self.line(word.span.start);
        self.found.push(Found { thing, line, stops, sudo, maker });
    }

    fn program(&self, text: &str, by_sudo: bool) -> Option<Thing> {
        if !is_plain(text) {
            return None;
        }
        if text.contains('/') {
            return Some(Thing::Path { path: self.path(text)?, runs: true, by_sudo });
        }
        let known = self.names && !self.asked.iter().any(|name| name == text);
        known.then(|| Thing::Program { name: text.to_owned(), by_sudo })
    }

    /// The file that an interpreter runs, or that a shell reads.
    fn script_of(&self, program: &str, arguments: &[Word], by_sudo: bool) -> Option<Thing> {
        let name = program.rsplit('/').next().unwrap_or(program);
        if !INTERPRETERS.contains(&name) && program != "." {
            return None;
        }
        let file = arguments.first().map(|word| word.text.as_str()).filter(|file| !file.starts_with('-'))?;
        // A name alone may be one of the PATH.
        let is_file = file.contains('/') || (program != "." && file.contains('.'));
        (is_plain(file) && is_file).then_some(())?;
        Some(Thing::Path { path: self.path(file)?, runs: false, by_sudo })
    }

    /// A path as it is seen from where working folders begin.
    fn path(&self, path: &str) -> Option<String> {
        let at =
            if path.starts_with('/') { path.to_owned() } else { join(Some(self.folder.as_deref()?), path) };
        let at =
            if self.folder.as_deref() == Some("") && !path.starts_with('/') { path.to_owned() } else { at };
        // Behind a link `..` is somewhere else.
        let is_known =
            !at.split('/').any(|part| part == "..") && !at.starts_with("/dev/") && !at.starts_with("/proc/");
        is_known.then(|| normal(&at))
    }

    /// What the next commands have of this one: their folder, their names, whether a failure ends it.
    fn moves(&mut self, simple: &SimpleCommand) {
        self.names &= !hides(self.script, simple);
        self.moves_in_list(simple);
        let words: Vec<&str> = simple.words.iter().map(|word| word.text.as_str()).collect();
        match words.as_slice() {
            ["set", "+e", ..] => self.fails = false,
            ["set", options, ..] if options.starts_with('-') && options.contains('e') => self.fails = true,
            _ => {}
        }
    }

    fn moves_in_list(&mut self, simple: &SimpleCommand) {
        let words: Vec<&str> = simple.words.iter().map(|word| word.text.as_str()).collect();
        self.folder = match words.as_slice() {
            ["cd", to] if is_plain(to) => self.path(to),
            ["cd" | "pushd" | "popd", ..] => None,
            _ => return,
        };
    }

    fn line(&self, at: usize) -> usize {
        self.script[self.from.min(at)..at].matches('\n').count()
    }
}

/// Whether it depends on the moment what of it is run.
fn depends(text: &str) -> bool {
    let mut words = text.split(|c: char| c.is_whitespace() || ";&|(){}".contains(c));
    PUNCTUATION.iter().any(|mark| text.contains(mark)) || words.any(|word| CONDITIONS.contains(&word))
}

/// Whether behind it a name may be something that the text does not show.
fn hides(script: &str, simple: &SimpleCommand) -> bool {
    let written = |word: &Word| &script[word.span.start..word.span.end];
    let first = simple.words.first().map_or("", |word| word.text.as_str());
    let exports = matches!(first, "export" | "readonly" | "declare" | "typeset");
    let path =
        exports && simple.words[1..].iter().any(|word| written(word).starts_with(['$', '"', '`', 'P']));
    let set = simple.words.is_empty() && simple.assignments.iter().any(|one| one.name == "PATH");
    path || set || BEHIND_WHICH_ALL_MAY_BE.contains(&first) || (first.is_empty() && !simple.words.is_empty())
}

/// Words of a list, as behind `for … in`, and no command.
fn is_listed(script: &str, simple: &SimpleCommand) -> bool {
    let Some(first) = simple.words.first() else { return true };
    let before = script[..first.span.start].trim_end_matches([' ', '\t']);
    before.ends_with(" in") || before.ends_with("\tin")
}

/// Names that the script asks for (`command -v x`, `which x`) or defines (`x()`, `function x`).
fn asked_for(script: &str) -> Vec<String> {
    // A substitution is no function.
    let text = script.replace("$(", " ");
    let words = text.split(|c: char| c.is_whitespace() || ";&|$`\"'<>".contains(c));
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    let bare = |word: &&str| word.trim_matches(['(', ')', '{', '}', '!']).to_owned();
    let mut asked = Vec::new();
    for (at, word) in words.iter().enumerate() {
        if matches!(bare(word).as_str(), "which" | "type" | "hash" | "-v" | "-V" | "function") {
            asked.extend(words[at + 1..].iter().take(4).map(bare));
        }
        if let Some((name, _)) = word.split_once('(').filter(|(name, _)| !name.is_empty()) {
            asked.push(name.to_owned());
        } else if words.get(at + 1).is_some_and(|next| next.starts_with('(')) {
            asked.push((*word).to_owned());
        }
    }
    asked
}

/// A word that means nothing but itself, and can be said to a person.
fn is_plain(text: &str) -> bool {
    let safe = |c: char| c.is_alphanumeric() || "._/+-@%,:[".contains(c);
    !text.is_empty() && text.len() <= 400 && !text.starts_with('-') && text.chars().all(safe)
}
