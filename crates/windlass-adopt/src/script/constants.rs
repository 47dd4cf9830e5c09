//! Variables of a script whose value is known from its text: they are put into the lines that use them, so that each line can be a
//! step of its own.

use std::collections::{BTreeMap, BTreeSet};
use windlass_document::{
    Span,
    shell::{CommandKind, ShellCommand, SimpleCommand},
};

/// Variables of a script whose values are put in.
pub(super) const VALUES_MAX: usize = 100;

/// The variables of a script.
#[derive(Debug, Default)]
pub(super) struct Constants {
    values: BTreeMap<String, String>,
    /// Names of folders, from where the script lies.
    folders: BTreeMap<String, String>,
}

impl Constants {
    /// Reads them: set once, by a command of its own, to what is known there. What another file could set again is none.
    pub(super) fn of(commands: &[ShellCommand], text: &str) -> Self {
        let set_often = set_often(text);
        let mut known = Self::default();
        for command in commands {
            let source = text.get(command.span.start..command.span.end).unwrap_or_default();
            if reads_other_file(command) {
                known.values.clear();
            }
            if let Some((name, folder)) = of_own_folder(source).filter(|(name, _)| !set_often.contains(name))
            {
                known.folders.insert(name.to_owned(), folder);
            }
            if let Some((name, value)) = assignment(source)
                && known.values.len() < VALUES_MAX
                && !set_often.contains(name)
                && let Some(value) = known.value(value)
            {
                known.values.insert(name.to_owned(), value);
            }
        }
        known.stays_in(text);
        known
    }

    /// Where a script goes to one folder only, and that is named by its own place, that folder is `.` for its lines.
    fn stays_in(&mut self, text: &str) {
        let goes =
            || text.lines().map(str::trim).filter(|line| line.starts_with("cd ") || line.contains("pushd "));
        let known = self.folders.keys().find(|name| {
            goes().next().is_some()
                && goes()
                    .all(|line| self.cd(line).is_some() && names_in(line).any(|used| used == name.as_str()))
        });
        if let Some(name) = known.cloned() {
            self.values.insert(name, ".".to_owned());
        }
    }

    /// The folder that `cd "$NAME"` and `cd "$(dirname "$0")/.."` go to, from where the script lies.
    pub(super) fn cd(&self, source: &str) -> Option<String> {
        let to = source.trim().strip_prefix("cd ")?.trim();
        if let Some(folder) = own_folder(to) {
            return Some(folder);
        }
        let bare = to.trim_matches('"').strip_prefix('$')?;
        let name = bare.strip_prefix('{').map_or(bare, |braced| braced.strip_suffix('}').unwrap_or(braced));
        self.folders.get(name).cloned()
    }

    /// What the right side of an assignment is.
    fn value(&self, written: &str) -> Option<String> {
        let quoted = written.len() > 1 && written.starts_with('"') && written.ends_with('"');
        let literal = written.len() > 1 && written.starts_with('\'') && written.ends_with('\'');
        let inner = if quoted || literal { written.get(1..written.len() - 1)? } else { written };
        let value = match default_of(inner).filter(|_| !literal) {
            Some(default) => self.put_in(default)?,
            None if literal => inner.to_owned(),
            None => self.put_in(inner)?,
        };
        is_plain(&value).then_some(value)
    }

    /// A text with the values in the place of the variables; none if it has to stay as it is.
    pub(super) fn put_in(&self, text: &str) -> Option<String> {
        // Of a quote within a substitution the end is not seen, and a here-document may be taken as it is written.
        if text.contains("<<") || text.contains('\'') && (text.contains("$(") || text.contains('`')) {
            return None;
        }
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        let (mut double, mut single) = (false, false);
        while let Some(c) = rest.chars().next() {
            match c {
                '\\' if !single => {
                    let next = rest.chars().nth(1).map_or(1, |c| 1 + c.len_utf8());
                    out.push_str(&rest[..next]);
                    rest = &rest[next..];
                    continue;
                }
                '\'' if !double => single = !single,
                '"' if !single => double = !double,
                '$' if !single => {
                    if let Some((value, used)) = self.used_at(rest) {
                        out.push_str(value);
                        rest = &rest[used..];
                        continue;
                    }
                }
                _ => {}
            }
            out.push(c);
            rest = &rest[c.len_utf8()..];
        }
        Some(out)
    }

    /// The value that a text begins with, `$NAME` or `${NAME}`, and the bytes of that.
    fn used_at(&self, text: &str) -> Option<(&str, usize)> {
        let bare = text.strip_prefix('$')?;
        let (name, used) = match bare.strip_prefix('{') {
            Some(braced) => {
                let end = braced.find('}')?;
                (&braced[..end], end + 3)
            }
            None => {
                let end = bare.find(|c: char| !is_of_name(c)).unwrap_or(bare.len());
                (&bare[..end], end + 1)
            }
        };
        Some((self.values.get(name)?.as_str(), used))
    }

    /// The variables that no command needs any more.
    pub(super) fn gone_from(&self, commands: &[ShellCommand], text: &str) -> BTreeSet<String> {
        let left = |name: &String| {
            commands.iter().any(|command| {
                let source = text.get(command.span.start..command.span.end).unwrap_or_default();
                let sets = source.trim_start().trim_start_matches("readonly ").split_once('=');
                // `NAME="${NAME:-…}"` asks for itself.
                sets.is_none_or(|(set, _)| set != name) && names_in(source).any(|used| used == name)
            })
        };
        self.values.keys().chain(self.folders.keys()).filter(|name| !left(name)).cloned().collect()
    }
}

fn names_in(text: &str) -> impl Iterator<Item = &str> {
    super::names_used(text)
}

/// `NAME="$(cd "$(dirname "$0")/.." && pwd)"` and the like.
fn of_own_folder(source: &str) -> Option<(&str, String)> {
    let source = source.trim();
    let source = source.strip_prefix("readonly ").map_or(source, str::trim_start);
    let (name, value) = source.split_once('=')?;
    let is_name = !name.is_empty() && name.chars().all(is_of_name);
    Some((name, own_folder(value).filter(|_| is_name)?))
}

/// Whether a command only names such a folder.
pub(super) fn is_folder(source: &str) -> bool {
    of_own_folder(source).is_some()
}

/// A folder that is told from where the script lies.
fn own_folder(text: &str) -> Option<String> {
    let own = text.contains("$0") || text.contains("BASH_SOURCE");
    let at = text.find("dirname ").filter(|_| own)?;
    let rest = text[at..].split_once(')')?.1.trim_start_matches('"');
    let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && !"/._-".contains(c)).unwrap_or(rest.len());
    let folder = rest[..end].trim_matches('/');
    // What stands behind it may only say its whole name.
    let behind = rest[end..].trim_matches(['"', ')', ' ', '}']);
    let whole = matches!(behind, "" | "&& pwd" | "; pwd" | "&& pwd -P");
    whole.then(|| if folder.is_empty() { ".".to_owned() } else { folder.to_owned() })
}

/// Characters that are words everywhere: in quotes, and out of them.
fn is_plain(value: &str) -> bool {
    !value.is_empty()
        && value.bytes().all(|b| b.is_ascii_alphanumeric() || b"_./:@%+,=-".contains(&b))
        && !value.starts_with('-')
}

fn is_of_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// `${NAME:-default}` and `${1:-default}`: what it is when nobody says otherwise.
fn default_of(inner: &str) -> Option<&str> {
    let braced = inner.strip_prefix("${")?.strip_suffix('}')?;
    let name = braced.find(|c: char| !is_of_name(c))?;
    let default = braced[name..].strip_prefix(":-").or_else(|| braced[name..].strip_prefix('-'))?;
    (name > 0 && !default.contains('}')).then_some(default)
}

/// `NAME=value` alone, also `readonly NAME=value`; what is exported is needed by programs too.
pub(super) fn assignment(source: &str) -> Option<(&str, &str)> {
    let source = source.trim();
    let source = source.strip_prefix("readonly ").map_or(source, str::trim_start);
    let at = source.find(|c: char| !is_of_name(c)).filter(|at| *at > 0)?;
    let value = source[at..].strip_prefix('=')?;
    let quoted = value.len() > 1
        && ['"', '\'']
            .iter()
            .any(|mark| value.starts_with(*mark) && value[1..].find(*mark) == Some(value.len() - 2));
    let one_word = quoted || !value.contains(|c: char| c.is_whitespace() || ";&|\"'`()".contains(c));
    one_word.then(|| (&source[..at], value))
}

/// The variable that a command sets to what another one answers, if that one only reads.
pub(super) fn answer(source: &str) -> Option<&str> {
    let (name, value) = source.trim().trim_start_matches("readonly ").split_once('=')?;
    let asked = value.trim_matches('"').strip_prefix("$(")?.strip_suffix(')')?;
    let commands = super::read(asked)?;
    let reads = commands.iter().flat_map(super::simples).all(crate::programs::only_reads);
    let is_name = !name.is_empty() && name.chars().all(is_of_name);
    (is_name && reads && !asked.contains("$(")).then_some(name)
}

/// `source FILE`, `eval …`: what they set is not in this text. An environment of Python sets none of the script's own.
fn reads_other_file(command: &ShellCommand) -> bool {
    super::simples(command).iter().any(|simple| {
        let word = |at: usize| simple.words.get(at).map_or("", |word| word.text.as_str());
        word(0) == "eval" || matches!(word(0), "." | "source") && !is_activation(simple)
    })
}

/// `source venv/bin/activate`.
pub(super) fn is_activation(simple: &SimpleCommand) -> bool {
    let [call, file] = &simple.words[..] else { return false };
    matches!(call.text.as_str(), "." | "source") && file.text.ends_with("/activate")
}

/// Names that are set at more than one place, or by anything but `NAME=value`.
fn set_often(text: &str) -> BTreeSet<&str> {
    let mut set: BTreeMap<&str, usize> = BTreeMap::new();
    let mut often = BTreeSet::new();
    for line in text.lines() {
        let mut words = line.split(|c: char| c.is_whitespace() || ";&|(){}".contains(c)).peekable();
        while let Some(word) = words.next() {
            let end = word.find(|c: char| !is_of_name(c)).unwrap_or(word.len());
            let (name, behind) = word.split_at(end);
            if behind.starts_with('=') && !name.is_empty() {
                *set.entry(name).or_default() += 1;
            }
            if behind.starts_with("+=") || behind.starts_with("[") {
                often.insert(name);
            }
            if matches!(
                word,
                "for" | "select" | "unset" | "read" | "mapfile" | "readarray" | "getopts" | "local" | "-v"
            ) {
                let is_name = |word: &&str| !word.is_empty() && word.chars().all(is_of_name);
                often.extend(words.clone().filter(is_name));
            }
        }
    }
    often.extend(set.into_iter().filter(|(_, times)| *times > 1).map(|(name, _)| name));
    often
}

/// Whether a command is nothing but an assignment.
pub(super) fn only_assigns(command: &ShellCommand) -> bool {
    matches!(&command.kind, CommandKind::Simple(simple) if simple.words.is_empty())
}

/// The text with each of these replaced, and for each line of it the line of the original where it begins, and whether it is another one.
pub(super) fn replaced(text: &str, edits: &[(Span, String)]) -> (String, Vec<(usize, bool)>) {
    let mut out = String::with_capacity(text.len());
    let mut lines = Vec::new();
    // The line of the original that is read, that where the line being written began, and whether an edit is in it.
    let (mut read, mut began, mut changed) = (0, 0, false);
    let mut at = 0;
    for (span, new) in edits {
        let between = &text[at..span.start];
        between.match_indices('\n').for_each(|_| {
            lines.push((began, std::mem::take(&mut changed)));
            read += 1;
            began = read;
        });
        out.push_str(between);
        changed = true;
        let more = text[span.start..span.end].matches('\n').count();
        for nth in 1..=new.matches('\n').count() {
            lines.push((began, true));
            began = read + nth.min(more);
        }
        out.push_str(new);
        read += more;
        at = span.end;
    }
    for _ in text[at..].matches('\n') {
        lines.push((began, std::mem::take(&mut changed)));
        read += 1;
        began = read;
    }
    out.push_str(&text[at..]);
    (out, lines)
}
