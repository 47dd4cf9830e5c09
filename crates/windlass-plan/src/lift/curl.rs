//! `curl URL` as a check.

use super::{Context, Read};
use crate::Action;
use windlass_document::{
    http::{HttpAssert, HttpCheck, Literal, Predicate, Query},
    shell::Word,
};

pub(super) fn curl(_: &Context<'_>, name: &Word, arguments: &[Word]) -> Read {
    let refuse = |word: &Word| {
        let why = format!("`{}` of `curl` is not understood, so the line is not lifted", word.text);
        Read::NotUnderstood(word.span, why)
    };
    let mut fail = false;
    let mut url = None;
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        match word.text.as_str() {
            "--fail" => fail = true,
            "--silent" | "--show-error" => {}
            "-o" | "--output" => match words.next() {
                Some(file) if file.text == "/dev/null" => {}
                Some(file) => return refuse(file),
                None => return refuse(word),
            },
            option if is_letters(option) => {
                fail |= option.contains('f');
                if option.ends_with('o') {
                    match words.next() {
                        Some(file) if file.text == "/dev/null" => {}
                        _ => return refuse(word),
                    }
                }
            }
            text if !text.starts_with('-') && url.is_none() && is_plain_url(text) => url = Some(text),
            _ => return refuse(word),
        }
    }
    let Some(url) = url else {
        return Read::NotUnderstood(name.span, "`curl` without a URL is not understood".to_owned());
    };
    Read::Actions(vec![Action::Http { check: check(url, fail) }])
}

/// `-fsS`, also with `o` at the end, whose file is the next word.
fn is_letters(option: &str) -> bool {
    let Some(letters) = option.strip_prefix('-') else { return false };
    let flags = letters.strip_suffix('o').unwrap_or(letters);
    !letters.is_empty() && flags.chars().all(|letter| "fsS".contains(letter))
}

/// curl expands `{}` and `[]` and guesses schemes; a user name in a URL may be a secret. Such URLs are left to it.
fn is_plain_url(text: &str) -> bool {
    let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    rest.is_some_and(|rest| {
        !rest.is_empty()
            && !rest.contains(['{', '}', '[', ']', '@', '#', '\\'])
            && rest.chars().all(|c| c.is_ascii_graphic())
    })
}

/// The check that passes when curl would exit with 0: with `-f` any answer below 400, without it any answer.
fn check(url: &str, fail: bool) -> HttpCheck {
    let below_400 = HttpAssert {
        query: Query::Status,
        not: false,
        predicate: Predicate::Less(Literal::Number("400".to_owned())),
        text: "status < 400".to_owned(),
    };
    HttpCheck {
        method: "GET".to_owned(),
        url: url.to_owned(),
        any_status: true,
        asserts: if fail { vec![below_400] } else { Vec::new() },
        ..HttpCheck::default()
    }
}
