//! `command || { echo …; exit 1; }` and `if ! command; then … exit 1; fi`: the command, and a script that ends where it fails. A release
//! ends there by itself, and goes back.

use super::{functions::Telling, simples};
use std::collections::BTreeMap;
use windlass_document::{
    Severity,
    shell::{self, CommandKind, ShellCommand, SimpleCommand},
};

/// The command that a text only checks.
pub(super) fn command<'t>(text: &'t str, tellers: &BTreeMap<String, Telling>) -> Option<&'t str> {
    negated(text, tellers).or_else(|| or_ended(text, tellers))
}

fn or_ended<'t>(text: &'t str, tellers: &BTreeMap<String, Telling>) -> Option<&'t str> {
    text.match_indices("||").take(8).find_map(|(at, _)| {
        let head = text[..at].trim();
        (is_one(head) && only_ends(&text[at + 2..], tellers)).then_some(head)
    })
}

fn negated<'t>(text: &'t str, tellers: &BTreeMap<String, Telling>) -> Option<&'t str> {
    let rest = text.trim().strip_prefix("if")?.trim_start().strip_prefix('!')?.strip_suffix("fi")?;
    rest.match_indices("then").take(8).find_map(|(at, _)| {
        let head = rest[..at].trim_end();
        let head = head.strip_suffix(';').or_else(|| rest[..at].contains('\n').then_some(head))?.trim();
        (is_one(head) && only_ends(&rest[at + 4..], tellers)).then_some(head)
    })
}

fn read(text: &str) -> Option<Vec<ShellCommand>> {
    let (script, problems) = shell::parse(text);
    (!problems.iter().any(|problem| problem.severity == Severity::Error)).then_some(script.commands)
}

/// One command, that is not itself a question.
fn is_one(text: &str) -> bool {
    let Some(commands) = read(text) else { return false };
    let [command] = &commands[..] else { return false };
    match &command.kind {
        CommandKind::Simple(simple) => !simple.words.is_empty(),
        // Nothing but a variable or a glob makes it more than that.
        CommandKind::Compound { commands, .. } => {
            commands.len() == 1
                && !commands[0].words.is_empty()
                && !text.contains(['|', ';', '&', '(', '{', '<', '>', '`', '\n', '!'])
        }
    }
}

/// It says something, and ends the script as failed.
fn only_ends(text: &str, tellers: &BTreeMap<String, Telling>) -> bool {
    let Some(commands) = read(text) else { return false };
    let parts: Vec<&SimpleCommand> = commands.iter().flat_map(simples).collect();
    let word = |simple: &SimpleCommand, at: usize| {
        simple.words.get(at).map_or(String::new(), |word| word.text.clone())
    };
    let ends = |simple: &SimpleCommand| match word(simple, 0).as_str() {
        "exit" => simple.words.len() == 2 && word(simple, 1).parse::<u8>().is_ok_and(|code| code > 0),
        name => tellers.get(name) == Some(&Telling::Ends),
    };
    let says = |simple: &&SimpleCommand| {
        let to_people = simple.redirects.iter().all(|redirect| redirect.operator == ">&");
        let name = word(simple, 0);
        to_people && (matches!(name.as_str(), "echo" | "printf" | "exit") || tellers.contains_key(&name))
    };
    let whole = parts.last().is_some_and(|last| ends(last)) && parts.iter().all(says);
    whole && !text.contains("$(") && !text.contains('`')
}

#[cfg(test)]
mod tests {
    use super::{BTreeMap, Telling, command};

    #[test]
    fn what_only_ends_the_script_is_told_from_what_goes_on() {
        let tellers =
            BTreeMap::from([("die".to_owned(), Telling::Ends), ("warn".to_owned(), Telling::GoesOn)]);
        for (text, head) in [
            (
                "curl -fsS http://x/health || { echo \"no || answer\" >&2; exit 1; }",
                Some("curl -fsS http://x/health"),
            ),
            ("git pull || exit 1", Some("git pull")),
            ("echo 'a || b' || exit 2", Some("echo 'a || b'")),
            ("if ! docker compose pull; then\n  echo failed\n  exit 1\nfi", Some("docker compose pull")),
            ("if ! docker compose pull\nthen exit 3; fi", Some("docker compose pull")),
            ("npm ci || npm install", None),
            ("git pull || true", None),
            ("git pull || exit 0", None),
            ("git pull || exit", None),
            ("git pull || { rm -rf x; exit 1; }", None),
            ("git pull || { echo \"$(rm x)\"; exit 1; }", None),
            ("if ! git pull; then exit 1; else rm x; fi", None),
            ("a | b || exit 1", None),
            ("git pull", None),
            ("git pull || die \"no $BRANCH\"", Some("git pull")),
            ("git pull || warn no", None),
        ] {
            assert_eq!(command(text, &tellers), head, "{text}");
        }
    }
}
