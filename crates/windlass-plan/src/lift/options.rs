//! Options of a command: a closed set of letters and long names; everything else is not understood.

use windlass_document::{Span, shell::Word};

/// What the options say, and the operands.
pub(super) struct Options<'a> {
    given: Vec<char>,
    pub(super) operands: Vec<&'a Word>,
}

impl Options<'_> {
    /// Whether any of these letters was given.
    pub(super) fn any(&self, letters: &str) -> bool {
        self.given.iter().any(|given| letters.contains(*given))
    }
}

/// Splits `arguments` into options and operands. `letters` are the short options understood; `long` maps long names
/// to them. The error is the word that is not understood, and why.
pub(super) fn split<'a>(
    command: &str,
    arguments: &'a [Word],
    letters: &str,
    long: &[(&str, char)],
) -> Result<Options<'a>, (Span, String)> {
    let mut options = Options { given: Vec::new(), operands: Vec::new() };
    let mut only_operands = false;
    for word in arguments {
        let text = word.text.as_str();
        let refuse = |what: &str| {
            (
                word.span,
                format!("the option `{what}` of `{command}` is not understood, so the line is not lifted"),
            )
        };
        if text.is_empty() {
            return Err((word.span, format!("an empty name for `{command}` is not understood")));
        } else if only_operands || text == "-" || !text.starts_with('-') {
            options.operands.push(word);
        } else if text == "--" {
            only_operands = true;
        } else if let Some(name) = text.strip_prefix("--") {
            let known = long.iter().find(|(long, _)| *long == name);
            options.given.push(known.ok_or_else(|| refuse(text))?.1);
        } else {
            for letter in text.chars().skip(1) {
                if !letters.contains(letter) {
                    return Err(refuse(&format!("-{letter}")));
                }
                options.given.push(letter);
            }
        }
    }
    Ok(options)
}

/// How an option takes a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Takes {
    /// It takes none.
    Nothing,
    /// `-hVALUE`, `-h VALUE`, `--host=VALUE`, `--host VALUE`.
    Value,
    /// `-pVALUE`, `--password=VALUE`: only in the same word, and only if it is there.
    Attached,
}

/// An option that is understood: its long name, its letters, and whether it takes a value.
pub(super) type Known = (&'static str, &'static str, Takes);

/// An option as it was given.
#[derive(Debug)]
pub(super) struct Given<'a> {
    /// Its long name.
    pub(super) name: &'static str,
    /// Its value; empty without one.
    pub(super) value: &'a str,
    /// The word that the value stands in.
    pub(super) at: Span,
    /// The words that it was written with.
    pub(super) words: &'a [Word],
}

/// Options and operands of a program that permutes them (GNU and the clients of databases).
#[derive(Debug, Default)]
pub(super) struct Line<'a> {
    pub(super) given: Vec<Given<'a>>,
    pub(super) operands: Vec<&'a Word>,
}

/// Reads `arguments` by what is known of the options of `command`. The error is the word that is not understood, and why;
/// it repeats no value, which may be a password.
pub(super) fn read<'a>(
    command: &str,
    arguments: &'a [Word],
    known: &[Known],
) -> Result<Line<'a>, (Span, String)> {
    let mut line = Line::default();
    let mut rest = arguments;
    while let Some((word, behind)) = rest.split_first() {
        if word.text == "--" {
            line.operands.extend(behind);
            break;
        }
        rest = match option(command, rest, known, &mut line)? {
            0 => {
                line.operands.push(word);
                behind
            }
            took => &rest[took..],
        };
    }
    Ok(line)
}

/// The options in front of the first operand, and the words from there.
pub(super) fn leading<'a>(
    command: &str,
    arguments: &'a [Word],
    known: &[Known],
) -> Result<(Line<'a>, &'a [Word]), (Span, String)> {
    let mut line = Line::default();
    let mut rest = arguments;
    while !rest.is_empty() {
        match option(command, rest, known, &mut line)? {
            0 => break,
            took => rest = &rest[took..],
        }
    }
    Ok((line, rest))
}

/// Reads the option that `words` begin with; the number of words taken, 0 if it is an operand.
fn option<'a>(
    command: &str,
    words: &'a [Word],
    known: &[Known],
    line: &mut Line<'a>,
) -> Result<usize, (Span, String)> {
    let text = words[0].text.as_str();
    match text.strip_prefix("--") {
        Some(long) => long_option(command, words, long, known, line),
        None if text.len() > 1 && text.starts_with('-') => letters(command, words, known, line),
        None => Ok(0),
    }
}

fn unknown(command: &str, word: &Word, what: &str) -> (Span, String) {
    (word.span, format!("the option `{what}` of `{command}` is not understood, so the line is not lifted"))
}

fn without_value(command: &str, word: &Word, what: &str) -> (Span, String) {
    (word.span, format!("the option `{what}` of `{command}` has no value"))
}

/// `--name`, `--name=VALUE`, `--name VALUE`; the number of words taken.
fn long_option<'a>(
    command: &str,
    words: &'a [Word],
    long: &'a str,
    known: &[Known],
    line: &mut Line<'a>,
) -> Result<usize, (Span, String)> {
    let (name, value) = long.split_once('=').map_or((long, None), |(name, value)| (name, Some(value)));
    let shown = format!("--{}", name.chars().take(40).collect::<String>());
    let found = known.iter().find(|(known, ..)| *known == name);
    let (name, _, takes) = *found.ok_or_else(|| unknown(command, &words[0], &shown))?;
    let (value, took) = match (takes, value, words.get(1)) {
        (Takes::Nothing, Some(_), _) => return Err(unknown(command, &words[0], &shown)),
        (_, Some(value), _) => (value, 1),
        (Takes::Value, None, Some(next)) => (next.text.as_str(), 2),
        (Takes::Value, None, None) => return Err(without_value(command, &words[0], &shown)),
        (Takes::Nothing | Takes::Attached, None, _) => ("", 1),
    };
    line.given.push(Given { name, value, at: words[took - 1].span, words: &words[..took] });
    Ok(took)
}

/// `-abc`, `-hVALUE`, `-h VALUE`; the number of words taken.
fn letters<'a>(
    command: &str,
    words: &'a [Word],
    known: &[Known],
    line: &mut Line<'a>,
) -> Result<usize, (Span, String)> {
    let text = words[0].text.as_str();
    for (at, letter) in text.char_indices().skip(1) {
        let shown = format!("-{letter}");
        let found = known.iter().find(|(_, letters, _)| letters.contains(letter));
        let (name, _, takes) = *found.ok_or_else(|| unknown(command, &words[0], &shown))?;
        let rest = &text[at + letter.len_utf8()..];
        let (value, took) = match (takes, rest, words.get(1)) {
            (Takes::Nothing, ..) => {
                line.given.push(Given { name, value: "", at: words[0].span, words: &words[..1] });
                continue;
            }
            (Takes::Value, "", Some(next)) => (next.text.as_str(), 2),
            (Takes::Value, "", None) => return Err(without_value(command, &words[0], &shown)),
            (_, rest, _) => (rest, 1),
        };
        line.given.push(Given { name, value, at: words[took - 1].span, words: &words[..took] });
        return Ok(took);
    }
    Ok(1)
}
