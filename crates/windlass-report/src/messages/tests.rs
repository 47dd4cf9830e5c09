//! Code and the three files have the same messages; each message has the same values everywhere.

use super::*;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

/// Keys that are written out begin with one of these.
const PREFIXES: &[&str] = &[
    "page", "record", "ticket", "kind", "urgency", "severity", "class", "verdict", "result", "state",
    "trouble", "decision", "seen", "notice",
];
/// Keys that are made of a prefix and a word: the words that there are.
const HEADS: &[&str] = &[
    "step",
    "line",
    "host",
    "state",
    "start",
    "duration",
    "class",
    "note",
    "when",
    "who",
    "what",
    "about",
    "words",
    "on",
    "undo",
    "undo-duration",
    "rows",
    "back",
    "receiver",
    "moment",
];
const DECISIONS: &[&str] = &["confirm", "edit", "retry", "skip", "mark-done", "unwind", "abandon"];
const OUTCOMES: &[&str] = &["delivered", "refused", "failed", "unsent"];
const RESULTS: &[&str] = &["done", "undone", "abandoned", "needs a person", "not finished"];

/// Messages of a file with the names of their values.
fn messages(lang: Lang) -> BTreeMap<String, BTreeSet<String>> {
    let mut found = BTreeMap::<String, BTreeSet<String>>::new();
    let mut key = String::new();
    for line in source(lang).lines().filter(|line| !line.starts_with('#')) {
        if let Some((name, _)) = line.split_once(" =").filter(|_| !line.starts_with(' ')) {
            name.clone_into(&mut key);
            assert!(found.insert(key.clone(), BTreeSet::new()).is_none(), "{lang}: {key} stands there twice");
        }
        let values = line.split('$').skip(1);
        let values =
            values.map(|rest| rest.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap().to_owned());
        found.entry(key.clone()).or_default().extend(values);
    }
    found.remove("");
    found
}

/// The source of this crate, without its tests.
fn code() -> String {
    fn read(folder: &Path, code: &mut String) {
        for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                read(&path, code);
            } else if path.file_name().is_some_and(|name| name != "tests.rs") {
                code.push_str(&std::fs::read_to_string(&path).unwrap());
            }
        }
    }
    let mut code = String::new();
    read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut code);
    code
}

/// Keys that the code asks for.
fn used() -> BTreeSet<String> {
    let code = code();
    let literal = |text: &&str| {
        let fits = text.chars().all(|c| c.is_ascii_lowercase() || c == '-');
        fits && text
            .split_once('-')
            .is_some_and(|(prefix, rest)| PREFIXES.contains(&prefix) && !rest.is_empty())
    };
    let mut used: BTreeSet<String> = code.split('"').filter(literal).map(str::to_owned).collect();
    let made = |prefix: &'static str, words: &[&str]| {
        words.iter().map(|word| keyed(prefix, word)).collect::<Vec<_>>()
    };
    used.extend(made("page-head", HEADS));
    used.extend(made("decision", DECISIONS));
    used.extend(made("result", RESULTS));
    used.extend(made("outcome", OUTCOMES));
    used.extend(states().iter().map(|word| keyed("state", word)));
    used
}

/// The words that `unit_word` gives, read from its code.
fn states() -> Vec<String> {
    let code = include_str!("../words.rs");
    let body = code.split("pub fn unit_word").nth(1).unwrap().split("\n}").next().unwrap();
    let words = body.split("(Mark::").skip(1);
    words.map(|rest| rest.split('"').nth(1).unwrap().to_owned()).collect()
}

#[test]
fn every_file_has_every_message_with_the_same_values() {
    let english = messages(Lang::En);
    for lang in Lang::ALL {
        assert_eq!(messages(lang), english, "{lang}");
    }
}

#[test]
fn every_message_is_used_and_every_key_is_there() {
    let (used, known) = (used(), messages(Lang::En).into_keys().collect::<BTreeSet<_>>());
    let missing: Vec<_> = used.difference(&known).collect();
    assert!(missing.is_empty(), "not in the files: {missing:?}");
    let unused: Vec<_> = known.difference(&used).collect();
    assert!(unused.is_empty(), "not in the code: {unused:?}");
    assert!(states().len() > 15, "{:?}", states());
}

#[test]
fn every_word_of_the_code_has_its_english_message() {
    let english = Messages::english();
    for word in states() {
        assert_eq!(english.state(&word), word);
    }
    for word in RESULTS {
        assert_eq!(english.result(word), *word);
    }
    for word in DECISIONS {
        assert_eq!(english.decision(word), *word, "{word}");
    }
}

#[test]
fn every_message_can_be_written_in_every_language() {
    for lang in Lang::ALL {
        let here = Messages::new(lang);
        for (key, values) in messages(lang) {
            let pattern = here.0.get_message(&key).and_then(|message| message.value());
            let pattern = pattern.unwrap_or_else(|| panic!("{lang}: {key} has no words"));
            let args: FluentArgs<'_> =
                values.iter().map(|name| (name.clone(), format!("<{name}>"))).collect();
            let mut errors = Vec::new();
            let text = here.0.format_pattern(pattern, Some(&args), &mut errors);
            assert!(errors.is_empty() && !text.is_empty(), "{lang}: {key}: {errors:?}");
            assert!(!text.contains('\u{2068}'), "{lang}: {key}");
        }
    }
}

#[test]
fn numbers_choose_their_words_and_values_are_not_read_as_messages() {
    let english = Messages::english();
    let back = |count: usize| english.with("record-units-back", [("count", count.into())]);
    assert_eq!((back(1), back(2)), ("1 unit taken back.".into(), "2 units taken back.".into()));
    let hostile = "{ $who } { record-title } {";
    assert_eq!(
        english.with("record-confirmed", [("who", hostile.into())]),
        format!("confirmed by {hostile}")
    );
    assert_eq!(english.say("no-such-message"), "no-such-message");
}
