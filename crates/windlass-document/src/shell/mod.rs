//! Shell text read as shell: words, redirections, what is simple and what is not. No pattern matching on text.

mod characters;
mod lexer;
mod nested;
mod parser;
mod prompt;
#[cfg(test)]
mod tests;

use crate::rules::Findings;
use crate::{Finding, Span};

/// A parsed shell fence. Spans are offsets in the text given to [`parse`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShellScript {
    /// Complete commands in order; comments and empty lines leave no trace.
    pub commands: Vec<ShellCommand>,
}

/// One complete command (a logical line).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShellCommand {
    /// Its bytes, without the trailing comment and line end.
    pub span: Span,
    /// What it is.
    pub kind: CommandKind,
}

/// What a command is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommandKind {
    /// Assignments, words and redirections without expansion: its meaning is known from the text.
    Simple(SimpleCommand),
    /// Anything else (pipe, glob, variable, substitution, list, control structure …): opaque as a whole.
    Compound {
        /// The first thing that makes it so, for people: "a pipe", "a glob", "a variable" …
        because: &'static str,
        /// Where that is.
        at: Span,
    },
}

/// A command whose words are all literal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SimpleCommand {
    /// `NAME=value` before the command.
    pub assignments: Vec<(String, String)>,
    /// Words after quote removal, with their bytes.
    pub words: Vec<Word>,
    /// Redirections in order.
    pub redirects: Vec<Redirect>,
}

/// A literal word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// After quote removal.
    pub text: String,
    /// As written, quotes included.
    pub span: Span,
}

/// A redirection to or from a literal file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirect {
    /// File descriptor.
    pub fd: u32,
    /// `<`, `>`, `>>`, `>&`, `<&`.
    pub operator: String,
    /// File or descriptor.
    pub target: Word,
}

/// Reads a shell fence: POSIX shell, and the bash forms that people write. Commands that consist of literal words are
/// [`CommandKind::Simple`]; all else is opaque. Returns every problem; the script may be run only if none is an error.
#[must_use]
pub fn parse(text: &str) -> (ShellScript, Vec<Finding>) {
    let mut problems = Findings::default();
    characters::report_forbidden(text, &mut problems);
    let commands = parser::Parser::new(text, &mut problems).run();
    (ShellScript { commands }, problems.finish(text.len()))
}
