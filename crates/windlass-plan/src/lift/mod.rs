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
    shell::{CommandKind, Redirect, ShellScript, SimpleCommand, Word},
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
    ".", "alias", "cd", "eval", "exec", "exit", "export", "hash", "popd", "pushd", "readonly", "return",
    "set", "shift", "shopt", "source", "trap", "ulimit", "umask", "unalias", "unset", "wait",
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
        let nobody = SimpleCommand::default();
        let (simple, read) = match &command.kind {
            CommandKind::Compound { because, at, commands, pipeline } => {
                let lifted = if *pipeline { database::pipeline(&context, commands) } else { None };
                match lifted {
                    Some(read) => (&nobody, read),
                    None => return Fence::Whole { because: (*because).to_owned(), at: *at },
                }
            }
            CommandKind::Simple(simple) => (simple, read(simple, &context)),
        };
        let (kind, matched) = match read {
            Read::Chdir(to) => {
                context.dir = Some(join(context.dir.as_deref(), &to));
                continue;
            }
            Read::Enter(entered) => {
                context.entered = entered;
                continue;
            }
            Read::Actions(actions) => (LineKind::Lifted(actions), None),
            // The target may be one that could not be read: then nobody knows what it is.
            Read::Sql(_, matched) if matched.target.is_empty() => (LineKind::Lifted(Vec::new()), None),
            Read::Sql(line, matched) => (LineKind::Sql(line), Some(matched)),
            Read::Backup(action, matched) => (LineKind::Lifted(vec![action]), Some(matched)),
            Read::NotUnderstood(span, why) => match stateful(simple, command.span) {
                Some((because, at)) => return Fence::Whole { because, at },
                None => (LineKind::Opaque { not_understood: Some((span, why)) }, None),
            },
            Read::Unknown => match stateful(simple, command.span) {
                Some((because, at)) => return Fence::Whole { because, at },
                None => (LineKind::Opaque { not_understood: None }, None),
            },
            Read::Wrong(wrong) => (LineKind::Wrong(wrong), None),
        };
        let prelude = context.entered.as_ref().map(|entered| entered.prelude(context.dir.as_deref()));
        let (dir, prelude) = (context.dir.clone(), prelude.unwrap_or_default());
        lines.push(Line { span: command.span, dir, prelude, kind, matched });
    }
    Fence::Lines(lines)
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
