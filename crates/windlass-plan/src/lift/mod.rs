//! Lifting: a known shell line becomes a typed action with a preview and an undo.
//!
//! A lifted line does the same as the command would, or is refused; it is never quietly something else. So a line is
//! lifted only if every word of it is understood; any other line stays opaque and runs as it is written.

mod aws;
mod compose;
mod curl;
mod database;
mod files;
mod git;
mod install;
mod options;
mod paths;
mod service;
mod systemd;

#[cfg(test)]
mod tests;

pub(crate) use database::{Matched, SqlLine, SqlSource};
pub(crate) use paths::{join, normal};

use crate::{Action, Config, ServiceOperation};
use windlass_document::{
    Span,
    shell::{CommandKind, Joint, Redirect, ShellScript, SimpleCommand, Word},
};

/// What a fence of shell is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Fence {
    /// One script: its lines cannot be taken apart.
    Whole {
        /// "a pipe", "`export`, which changes the lines after it" …
        because: String,
        /// What makes it so, in the fence's text.
        at: Span,
    },
    /// Line by line.
    Lines(Vec<Line>),
}

/// One command of a fence.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Line {
    /// Its bytes in the fence's text.
    pub(crate) span: Span,
    /// Working folder it runs in.
    pub(crate) dir: Option<String>,
    /// What a shell has to do before it, when it runs as it is written: enter an environment.
    pub(crate) prelude: String,
    pub(crate) kind: LineKind,
    /// The database that it works on.
    pub(crate) matched: Option<Matched>,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum LineKind {
    /// Typed actions, one for each operand.
    Lifted(Vec<Action>),
    /// Statements, if they can be read.
    Sql(SqlLine),
    /// Runs as written.
    Opaque {
        /// Of a command that is known: the word that is not understood, and why.
        not_understood: Option<(Span, String)>,
    },
    /// The line can neither be lifted nor run.
    Wrong(Wrong),
}

/// Why a line cannot be used at all.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Wrong {
    pub(crate) rule: &'static str,
    pub(crate) span: Span,
    pub(crate) message: String,
    pub(crate) help: String,
}

/// What one command was read as.
enum Read {
    Actions(Vec<Action>),
    /// Statements on a target.
    Sql(SqlLine, Matched),
    /// A backup of a target.
    Backup(Action, Matched),
    Chdir(String),
    Enter(Option<install::Entered>),
    NotUnderstood(Span, String),
    Wrong(Wrong),
    Unknown,
}

/// What a line is read against.
#[derive(Clone)]
struct Context<'a> {
    config: &'a Config,
    /// The text of the fence.
    text: &'a str,
    /// The target of the fence.
    on: &'a str,
    dir: Option<String>,
    /// The environment that an earlier line entered.
    entered: Option<install::Entered>,
}

/// Builtins after which the lines of a fence no longer stand for themselves.
const STATEFUL: &[&str] = &[
    ".",
    "alias",
    "cd",
    "declare",
    "eval",
    "exec",
    "exit",
    "export",
    "getopts",
    "hash",
    "let",
    "local",
    "mapfile",
    "popd",
    "pushd",
    "read",
    "readarray",
    "readonly",
    "return",
    "set",
    "shift",
    "shopt",
    "source",
    "trap",
    "typeset",
    "ulimit",
    "umask",
    "unalias",
    "unset",
    "wait",
];

/// Reads a fence (`text`, read as `script`) on the target `on`, that starts in `dir`, the folder of the target.
pub(crate) fn lift(
    text: &str,
    script: &ShellScript,
    (on, dir): (&str, Option<&str>),
    config: &Config,
) -> Fence {
    if let Some(at) = shared_line(text, script) {
        return Fence::Whole { because: "several commands on one line".to_owned(), at };
    }
    let mut context = Context { config, text, on, dir: dir.map(str::to_owned), entered: None };
    let mut lines = Vec::new();
    for command in &script.commands {
        let parts = match &command.kind {
            CommandKind::Compound { because, at, commands, joint } => match joint {
                Joint::Pipe if let Some(read) = database::pipeline(&context, commands) => {
                    let nobody = SimpleCommand::default();
                    if let Err(whole) = line(read, (&nobody, command.span), &mut context, &mut lines) {
                        return whole;
                    }
                    continue;
                }
                Joint::And if in_turn(commands, &context) => {
                    commands.iter().map(|simple| (simple, span_of(simple, command.span))).collect()
                }
                _ => {
                    let read = database::without_url(&context, commands, command.span)
                        .and_then(|simple| database::read(&context, &simple));
                    match read {
                        Some(read @ (Read::Sql(..) | Read::Backup(..))) => {
                            let nobody = SimpleCommand::default();
                            if let Err(whole) = line(read, (&nobody, command.span), &mut context, &mut lines)
                            {
                                return whole;
                            }
                            continue;
                        }
                        _ => return Fence::Whole { because: (*because).to_owned(), at: *at },
                    }
                }
            },
            CommandKind::Simple(simple) => vec![(simple, command.span)],
        };
        for (simple, span) in parts {
            if let Err(whole) = line(read(simple, &context), (simple, span), &mut context, &mut lines) {
                return whole;
            }
        }
    }
    Fence::Lines(lines)
}

/// Adds a command that was read; the error is the fence, if it makes one script of it.
fn line(
    read: Read,
    (simple, span): (&SimpleCommand, Span),
    context: &mut Context<'_>,
    lines: &mut Vec<Line>,
) -> Result<(), Fence> {
    let opaque = |not_understood| match stateful(simple, span) {
        Some((because, at)) => Err(Fence::Whole { because, at }),
        None => Ok((LineKind::Opaque { not_understood }, None)),
    };
    let (kind, matched) = match read {
        Read::Chdir(to) => {
            context.dir = Some(join(context.dir.as_deref(), &to));
            return Ok(());
        }
        Read::Enter(entered) => {
            context.entered = entered;
            return Ok(());
        }
        Read::Actions(actions) => (LineKind::Lifted(actions), None),
        // The target may be one that could not be read: then nobody knows what it is.
        Read::Sql(_, matched) if matched.target.is_empty() => (LineKind::Lifted(Vec::new()), None),
        Read::Sql(line, matched) => (LineKind::Sql(line), Some(matched)),
        Read::Backup(action, matched) => (LineKind::Lifted(vec![action]), Some(matched)),
        Read::NotUnderstood(span, why) => opaque(Some((span, why)))?,
        Read::Unknown => opaque(None)?,
        Read::Wrong(wrong) => (LineKind::Wrong(wrong), None),
    };
    let prelude = context.entered.as_ref().map(|entered| entered.prelude(context.dir.as_deref()));
    let (dir, prelude) = (context.dir.clone(), prelude.unwrap_or_default());
    lines.push(Line { span, dir, prelude, kind, matched });
    Ok(())
}

/// Whether commands joined by `&&` are what units are, one behind the other until one fails: each but the last is known to do
/// something. A question (`[ -f x ] && …`) may be answered with no, and that is no failure.
fn in_turn(commands: &[SimpleCommand], context: &Context<'_>) -> bool {
    let Some((last, before)) = commands.split_last() else { return false };
    let mut context = context.clone();
    let looks =
        |action: &Action| matches!(action, Action::Shell { readonly: true, .. } | Action::Http { .. });
    let does = |simple: &SimpleCommand, context: &mut Context<'_>| match read(simple, context) {
        Read::Chdir(to) => {
            context.dir = Some(join(context.dir.as_deref(), &to));
            true
        }
        Read::Enter(entered) => {
            context.entered = entered;
            true
        }
        Read::Actions(actions) => !actions.iter().any(looks),
        Read::Sql(..) | Read::Backup(..) => true,
        Read::NotUnderstood(..) | Read::Unknown | Read::Wrong(_) => checks_itself(simple),
    };
    // So a command begins with its first word.
    let begins = |simple: &SimpleCommand| {
        let first = simple
            .assignments
            .iter()
            .map(|set| set.span)
            .chain(simple.words.iter().map(|word| word.span))
            .next();
        first.is_some_and(|first| {
            simple.redirects.iter().all(|redirect| redirect.target.span.start > first.start)
        })
    };
    commands.iter().all(begins)
        && before.iter().all(|simple| does(simple, &mut context))
        && stateful(last, Span::new(0, 0)).is_none()
}

/// `nginx -t && systemctl reload nginx`: what is asked is whether the files are right, and they should be.
fn checks_itself(simple: &SimpleCommand) -> bool {
    let words: Vec<&str> = simple.words.iter().map(|word| word.text.as_str()).collect();
    let words = words.strip_prefix(&["sudo"]).unwrap_or(&words);
    matches!(words, ["nginx", "-t"] | ["apachectl" | "apache2ctl", "configtest"] | ["haproxy", "-c", "-f", _])
}

/// Where a command stands that is a part of another one.
fn span_of(simple: &SimpleCommand, whole: Span) -> Span {
    let words = simple.words.iter().map(|word| word.span);
    let set = simple.assignments.iter().map(|set| set.span);
    let targets = simple.redirects.iter().map(|redirect| redirect.target.span);
    let all = || words.clone().chain(set.clone()).chain(targets.clone());
    let start = all().map(|span| span.start).min().unwrap_or(whole.start);
    Span::new(start, all().map(|span| span.end).max().unwrap_or(whole.end))
}

/// The second of two commands on one line (`a; b`). A shell goes on to it whatever became of the first; as units of their
/// own the second would not run after a failure of the first.
fn shared_line(text: &str, script: &ShellScript) -> Option<Span> {
    let pairs = script.commands.windows(2).map(|pair| (pair[0].span, pair[1].span));
    let between = |first: Span, second: Span| text.get(first.end..second.start).unwrap_or_default();
    pairs.filter(|(first, second)| !between(*first, *second).contains('\n')).map(|(_, second)| second).next()
}

/// Whether the lines after this one depend on it in a way that a shell of their own would lose.
fn stateful(simple: &SimpleCommand, span: Span) -> Option<(String, Span)> {
    let Some(name) = simple.words.first() else {
        return (!simple.assignments.is_empty()).then(|| ("a variable that is set".to_owned(), span));
    };
    STATEFUL
        .contains(&name.text.as_str())
        .then(|| (format!("`{}`, which acts on the lines after it", name.text), name.span))
}

fn read(simple: &SimpleCommand, context: &Context<'_>) -> Read {
    let Some((name, arguments)) = simple.words.split_first() else { return Read::Unknown };
    if let Some(read) = database::read(context, simple) {
        return read;
    }
    if let Some(read) = compose::read(context, simple) {
        return read;
    }
    if let Some(entered) = install::activate(context, simple) {
        return Read::Enter(Some(entered));
    }
    if context.entered.is_some() && simple.words.len() == 1 && name.text == "deactivate" {
        return Read::Enter(None);
    }
    if let Some(read) = install::read(context, name, arguments) {
        if is_plain(simple) {
            return read;
        }
        let why = "a redirection or variable is not understood here";
        return Read::NotUnderstood(name.span, why.to_owned());
    }
    let family: fn(&Context<'_>, &Word, &[Word]) -> Read = match name.text.as_str() {
        "cd" => files::cd,
        "cp" => files::cp,
        "mv" => files::mv,
        "rm" => files::rm,
        "mkdir" => files::mkdir,
        "curl" => curl::curl,
        "aws" => aws::aws,
        "git" => git::git,
        "windlass" => service::windlass,
        "systemctl" => systemd::systemctl,
        // A command with more rights than the controller: the drivers could not do it in its place, so it runs as it
        // is written.
        "sudo" => {
            if let Some(read) = systemd::with_sudo(context, arguments).filter(|_| is_plain(simple)) {
                return read;
            }
            let what = "lines with `sudo` run as they are written: the file driver has only your own rights";
            return Read::NotUnderstood(name.span, what.to_owned());
        }
        _ => return Read::Unknown,
    };
    // The answer of a check may be thrown away: it is not looked at.
    let thrown_away = |redirect: &&Redirect| {
        name.text == "curl" && redirect.operator == ">" && redirect.target.text == "/dev/null"
    };
    if let Some(redirect) = simple.redirects.iter().find(|redirect| !thrown_away(redirect)) {
        return Read::NotUnderstood(redirect.target.span, "a redirection is not understood here".to_owned());
    }
    if let Some(variable) = simple.assignments.first().map(|first| &first.name) {
        return Read::NotUnderstood(
            name.span,
            format!("the variable `{variable}` before it is not understood"),
        );
    }
    family(context, name, arguments)
}

/// Nothing but its words.
fn is_plain(simple: &SimpleCommand) -> bool {
    simple.redirects.is_empty() && simple.assignments.is_empty()
}

/// The services that a script names with `windlass service`, wherever they stand in it: such a line is an action, not
/// a program, so it cannot be a part of a script that runs as a whole.
pub(crate) fn service_lines(script: &ShellScript) -> impl Iterator<Item = Span> {
    script.commands.iter().filter_map(|command| match &command.kind {
        CommandKind::Simple(simple) => {
            let words: Vec<_> = simple.words.iter().map(|word| word.text.as_str()).take(2).collect();
            (words == ["windlass", "service"]).then_some(command.span)
        }
        CommandKind::Compound { .. } => None,
    })
}

/// The operation of a word of `windlass service`.
fn operation(word: &str) -> Option<ServiceOperation> {
    match word {
        "stop" => Some(ServiceOperation::Stop),
        "start" => Some(ServiceOperation::Start),
        "restart" => Some(ServiceOperation::Restart),
        _ => None,
    }
}
