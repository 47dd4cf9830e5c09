//! What a unit will change, in words, from its text alone.

use crate::{Action, Config, LineEdit, ServiceOperation};

/// Longest piece of the document that is repeated in an effect, in characters.
const QUOTE_CHARS_MAX: usize = 100;

pub(super) fn words(action: &Action, config: &Config) -> String {
    match action {
        Action::Shell { script, readonly, .. } => {
            let verb = if *readonly { "run, changes nothing" } else { "run" };
            format!("{verb}: {}", one_line(script))
        }
        Action::Patch { file, edits, .. } => patch(file, edits),
        Action::Copy { from, to, recursive, .. } => {
            format!("copy {}{from} to {to}", if *recursive { "all of " } else { "" })
        }
        Action::Move { from, to, .. } => format!("move {from} to {to}"),
        Action::Remove { path, recursive, .. } => {
            format!("set {}{path} aside", if *recursive { "all of " } else { "" })
        }
        Action::MakeDir { path, .. } => format!("make the folder {path}"),
        Action::Sql { target, statement, rows, .. } => {
            let rows = rows.map_or(String::new(), |rows| format!(" ({rows} rows expected)"));
            format!("{target}: {}{rows}", one_line(statement))
        }
        Action::Backup { target, file, .. } => format!("back {target} up to {file}"),
        Action::Service { service, operation } => operate(service, *operation, config),
        Action::Http { check } => format!("check {} {}", check.method, check.url),
        Action::Gate { text } => format!("a person confirms: {}", one_line(text)),
    }
}

fn patch(file: &str, edits: &[LineEdit]) -> String {
    let removed: usize = edits.iter().map(|edit| edit.remove.len()).sum();
    let added: usize = edits.iter().map(|edit| edit.add.len()).sum();
    match (removed, added) {
        (0, added) => format!("add {} to {file}", lines(added)),
        (removed, 0) => format!("remove {} from {file}", lines(removed)),
        (removed, added) if removed == added => format!("replace {} of {file}", lines(removed)),
        (removed, added) => format!("replace {} of {file} by {added}", lines(removed)),
    }
}

fn lines(count: usize) -> String {
    if count == 1 { "1 line".to_owned() } else { format!("{count} lines") }
}

fn operate(service: &str, operation: ServiceOperation, config: &Config) -> String {
    let held = config.services.get(service).is_some_and(|service| service.proxy.is_some());
    let meanwhile = if held { "requests are held" } else { "requests fail: no proxy holds them" };
    match operation {
        ServiceOperation::Stop => format!("stop service {service} ({meanwhile})"),
        ServiceOperation::Start => format!("start service {service} and wait until it is healthy"),
        ServiceOperation::Restart => format!("restart service {service} ({meanwhile} meanwhile)"),
    }
}

/// The text on one line, cut where it gets too long for a list.
pub(super) fn one_line(text: &str) -> String {
    let mut line = String::new();
    let mut words = text.split_whitespace().peekable();
    while let Some(word) = words.next() {
        let room = QUOTE_CHARS_MAX.saturating_sub(line.chars().count());
        if word.chars().count() > room {
            line.extend(word.chars().take(room));
            line.push('…');
            return line;
        }
        line.push_str(word);
        if words.peek().is_some() {
            line.push(' ');
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patches_are_counted() {
        let edit = |remove: usize, add: usize| LineEdit {
            remove: vec![String::new(); remove],
            add: vec![String::new(); add],
            ..LineEdit::default()
        };
        for (edits, words) in [
            (vec![edit(1, 1)], "replace 1 line of app.env"),
            (vec![edit(0, 1)], "add 1 line to app.env"),
            (vec![edit(2, 0), edit(1, 0)], "remove 3 lines from app.env"),
            (vec![edit(2, 1), edit(0, 3)], "replace 2 lines of app.env by 4"),
        ] {
            assert_eq!(patch("app.env", &edits), words);
        }
    }

    #[test]
    fn long_text_is_cut_at_a_character() {
        assert_eq!(one_line("  a\n  b\tc "), "a b c");
        let long = "数".repeat(300);
        let cut = one_line(&long);
        assert_eq!(cut.chars().count(), QUOTE_CHARS_MAX + 1);
        assert!(cut.ends_with('…'));
    }
}
