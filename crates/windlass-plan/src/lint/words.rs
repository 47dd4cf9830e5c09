//! Shell commands as words, for rules that look at commands by name.

use super::Facts;
use windlass_document::{
    Script, Span, Step,
    shell::{CommandKind, ShellCommand, SimpleCommand, Word},
};

/// All shell commands of the document, undo fences included.
pub(super) fn commands<'a>(
    facts: &Facts<'a>,
) -> impl Iterator<Item = (&'a Step, &'a ShellCommand)> + use<'a> {
    facts.document.steps.iter().flat_map(|step| {
        let commands = match &step.script {
            Script::Shell(script) => script.commands.as_slice(),
            Script::Sql | Script::Diff(_) | Script::Http(_) => &[],
        };
        commands.iter().map(move |command| (step, command))
    })
}

/// The same, only those whose words are known; `sudo` is taken off.
pub(super) fn simple<'a>(facts: &Facts<'a>) -> impl Iterator<Item = (&'a Step, &'a [Word])> + use<'a> {
    commands(facts).filter_map(|(step, command)| match &command.kind {
        CommandKind::Simple(simple) => Some((step, without_sudo(simple))),
        CommandKind::Compound { .. } => None,
    })
}

fn without_sudo(simple: &SimpleCommand) -> &[Word] {
    match simple.words.split_first() {
        Some((first, rest)) if first.text == "sudo" => rest,
        _ => &simple.words,
    }
}

/// Name of the program that a command starts with, and where it stands in the document; `sudo` is taken off.
pub(super) fn program<'a>(step: &'a Step, command: &ShellCommand) -> Option<(&'a str, Span)> {
    let text = step.body.text.get(command.span.start..command.span.end)?;
    let mut words = text.split_whitespace();
    let first = words.next()?;
    let word = if first == "sudo" { words.next()? } else { first };
    let offset = command.span.start + (word.as_ptr() as usize - text.as_ptr() as usize);
    Some((word, step.body.span_to_source(Span::new(offset, offset + word.len()))))
}
