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
        /// The simple commands in it, as far as they can be read: a word or value that is not literal is empty.
        commands: Vec<SimpleCommand>,
        /// What joins its commands.
        joint: Joint,
    },
}

/// What joins the commands of a compound one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Joint {
    /// `|` and nothing else, and all words are literal.
    Pipe,
    /// `&&` and nothing else, and all words are literal.
    And,
    /// Anything else.
    Other,
}

/// A command whose words are all literal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SimpleCommand {
    /// `NAME=value` before the command.
    pub assignments: Vec<Assignment>,
    /// Words after quote removal, with their bytes.
    pub words: Vec<Word>,
    /// Redirections in order.
    pub redirects: Vec<Redirect>,
}

/// `NAME=value` before a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// Its name.
    pub name: String,
    /// Its value, after quote removal.
    pub value: String,
    /// As written.
    pub span: Span,
}

/// A literal word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// After quote removal.
    pub text: String,
    /// As written, quotes included.
    pub span: Span,
}

/// A redirection to or from a literal file, or a here-document that is read as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirect {
    /// File descriptor.
    pub fd: u32,
    /// `<`, `>`, `>>`, `>&`, `<&`, `<<`.
    pub operator: String,
    /// File or descriptor; of `<<` the text.
    pub target: Word,
}

/// `text` as one word of a POSIX shell.
#[must_use]
pub fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
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
