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

/// Every simple command, those in pipes and scripts too: there a word that is not literal is empty.
pub(super) fn all<'a>(facts: &Facts<'a>) -> impl Iterator<Item = (&'a Step, &'a SimpleCommand)> + use<'a> {
    commands(facts).flat_map(|(step, command)| {
        let simple = match &command.kind {
            CommandKind::Simple(simple) => std::slice::from_ref(simple),
            CommandKind::Compound { commands, .. } => commands,
        };
        simple.iter().map(move |simple| (step, simple))
    })
}

/// Which of `programs` a command calls, itself or by another program in front, and with what.
pub(super) fn call<'a>(simple: &'a SimpleCommand, programs: &[&str]) -> Option<(&'a Word, &'a [Word])> {
    const FRONT: &[&str] = &["sudo", "docker", "docker-compose", "env", "time", "nice", "nohup", "exec"];
    let at = simple.words.iter().position(|word| programs.contains(&word.text.as_str()))?;
    let itself = at == 0 || FRONT.contains(&simple.words[0].text.as_str());
    itself.then(|| (&simple.words[at], &simple.words[at + 1..]))
}

/// The names, in the document, of programs that dump rows of MySQL or MariaDB with none of these options.
pub(super) fn dumps<'a>(
    facts: &Facts<'a>,
    without: &'static [&'static str],
) -> impl Iterator<Item = Span> + use<'a> {
    all(facts).filter_map(move |(step, simple)| {
        let (program, arguments) = call(simple, &["mysqldump", "mariadb-dump"])?;
        let has = |option: &&str| arguments.iter().any(|word| word.text == **option);
        let rows = !["--no-data", "-d", "--version", "--help"].iter().any(&has);
        (rows && !without.iter().any(has)).then(|| step.body.span_to_source(program.span))
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
