//! The real `/bin/sh` is the judge of words and of syntax.

use crate::random::Random;
use std::process::Command;
use windlass_document::Severity;
use windlass_document::shell::{self, CommandKind, SimpleCommand};

const PIECES: [&str; 54] = [
    "a",
    "b",
    "Z",
    "0",
    "7",
    "-",
    "--x",
    "/",
    ".",
    "_",
    "=",
    ":",
    "%",
    "+",
    "@",
    "!",
    "#",
    ",",
    "^",
    "]",
    "{",
    "}",
    "~",
    "''",
    "\"\"",
    "'a b'",
    "'$x`y`\\'",
    "'#'",
    "\"a  b\"",
    "\"it's\"",
    "\"\\\"\"",
    "\"\\$x\"",
    "\"\\`\"",
    "\"\\\\\"",
    "\"\\a\"",
    "\"$\"",
    "\"a\\\nb\"",
    "\"*?\"",
    "\\ ",
    "\\'",
    "\\\"",
    "\\\\",
    "\\$",
    "\\#",
    "\\~",
    "\\*",
    "\\a",
    "\\\n",
    "数据",
    "の",
    "é",
    "'；'",
    "'a\nb'",
    "$%",
];

fn command(random: &mut Random) -> String {
    let mut text = String::new();
    if random.below(4) == 0 {
        text.push_str("Q=");
        for _ in 0..random.below(4) {
            text.push_str(random.pick(&PIECES));
        }
        text.push(' ');
    }
    text.push('p');
    for _ in 0..random.below(6) {
        text.push_str(random.pick(&[" ", "  ", "\t", " \\\n "]));
        for _ in 0..1 + random.below(5) {
            text.push_str(random.pick(&PIECES));
        }
    }
    text.push_str(random.pick(&["", " ", " # note's \"x", "\t"]));
    text
}

/// The command if the parser takes `text` for one simple command that calls `p`.
fn simple(text: &str) -> Option<SimpleCommand> {
    let (script, findings) = shell::parse(text);
    if findings.iter().any(|f| f.severity == Severity::Error) {
        // A comment may have cut a quoted piece in two.
        return None;
    }
    let mut commands = script.commands.into_iter();
    match (commands.next()?.kind, commands.next()) {
        (CommandKind::Simple(simple), None) if simple.words.first().is_some_and(|w| w.text == "p") => {
            Some(simple)
        }
        _ => None,
    }
}

fn run(shell: &str, commands: &[(u64, String, SimpleCommand)]) -> Option<Vec<String>> {
    let mut script = String::from("p() { printf '%s\\036' \"${Q-unset}\" \"$@\"; printf '\\035'; }\n");
    for (_, text, _) in commands {
        script.push_str("unset Q\n");
        script.push_str(text);
        script.push('\n');
    }
    let output = Command::new(shell).arg("-c").arg(&script).env("LC_ALL", "C.UTF-8").output().ok()?;
    assert!(output.status.success(), "{shell}: {}", String::from_utf8_lossy(&output.stderr));
    let printed = String::from_utf8(output.stdout).expect("the words are UTF-8");
    Some(printed.split_terminator('\u{1d}').map(str::to_owned).collect())
}

#[test]
fn words_are_those_of_the_shell() {
    const SEED: u64 = 20_261_121;
    const CASES: usize = 4_000;
    let mut cases = Vec::new();
    let mut seed = SEED;
    while cases.len() < CASES {
        seed += 1;
        let text = command(&mut Random::new(seed));
        if let Some(simple) = simple(&text) {
            cases.push((seed, text, simple));
        }
    }
    assert!(seed < SEED + 3 * CASES as u64, "most generated commands are simple: {seed}");
    for (shell, required) in [("/bin/sh", true), ("bash", false)] {
        for batch in cases.chunks(500) {
            let Some(answers) = run(shell, batch) else {
                assert!(!required, "{shell} does not start");
                continue;
            };
            assert_eq!(answers.len(), batch.len());
            for ((seed, text, simple), answer) in batch.iter().zip(answers) {
                let value = simple.assignments.last().map_or("unset", |last| &last.value);
                let words = simple.words[1..].iter().map(|word| word.text.as_str());
                let expected: Vec<&str> = [value].into_iter().chain(words).collect();
                let got: Vec<&str> = answer.split_terminator('\u{1e}').collect();
                assert_eq!(got, expected, "{shell}, seed {seed}: {text:?}");
            }
        }
    }
}

const SOUP: [&str; 34] = [
    "if", "then", "else", "elif", "fi", "while", "do", "done", "for", "x", "in", "case", "esac", "{", "}",
    "(", ")", ";", ";;", "\n", "&&", "||", "|", "&", "!", "a", "b", "a", ">f", "2>&1", "x)", "'q'",
    "\"$(a)\"", "$((1))",
];

fn soup(random: &mut Random) -> String {
    let templates: [&[&str]; 6] = [
        &["if", "a", ";", "then", "b", ";", "fi"],
        &["for", "x", "in", "a", ";", "do", "b", ";", "done"],
        &["case", "x", "in", "x)", "a", ";;", "esac"],
        &["{", "a", ";", "}", "&&", "(", "b", ")"],
        &["while", "a", "\n", "do", "b", "\n", "done", "|", "a"],
        &["a", "(", ")", "{", "b", ";", "}"],
    ];
    let mut tokens: Vec<&str> = Vec::new();
    for _ in 0..1 + random.below(2) {
        let template = random.pick(&templates);
        let at = random.below(tokens.len() + 1);
        tokens.splice(at..at, template.iter().copied());
    }
    for _ in 0..random.below(3) {
        let at = random.below(tokens.len());
        tokens[at] = random.pick(&SOUP);
    }
    tokens.join(" ")
}

/// What the shell accepts is no error here, and what is not closed for us is refused by the shell.
#[test]
fn errors_are_those_of_the_shell() {
    const SEED: u64 = 7;
    let (mut accepted, mut refused) = (0, 0);
    for seed in SEED..SEED + 1_000 {
        let text = soup(&mut Random::new(seed));
        let (_, findings) = shell::parse(&text);
        let valid = Command::new("/bin/sh").args(["-n", "-c", &text]).output().unwrap().status.success();
        let clean = findings.iter().all(|f| f.severity != Severity::Error);
        if valid {
            assert!(clean, "seed {seed}: the shell accepts {text:?}, but {findings:#?}");
            accepted += 1;
        } else if !clean {
            refused += 1;
        }
    }
    assert!(accepted > 200 && refused > 200, "{accepted} accepted, {refused} refused by both");
}
