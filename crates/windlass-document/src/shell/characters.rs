//! Characters that look like shell syntax but are not, and characters that nobody sees.

use crate::rules::Findings;
use crate::rules_list::{CONTROL_CHARACTER, LOOKALIKE_CHARACTER};
use crate::{Finding, Span};

/// The ASCII character that an input method, a word processor or a chat program has replaced.
fn ascii_of(character: char) -> Option<&'static str> {
    Some(match character {
        '\u{a0}' | '\u{3000}' | '\u{2002}' | '\u{2003}' | '\u{2009}' | '\u{202f}' => " ",
        '“' | '”' | '„' | '＂' => "\"",
        '‘' | '’' | '＇' => "'",
        '｜' => "|",
        '＞' => ">",
        '＜' => "<",
        '；' => ";",
        '＆' => "&",
        '（' => "(",
        '）' => ")",
        '＄' => "$",
        '｀' => "`",
        '＊' => "*",
        '＝' => "=",
        '～' => "~",
        '＼' => "\\",
        '＃' => "#",
        '－' => "-",
        _ => return None,
    })
}

/// Whether `character` may not stand in a script at all: control characters, and those that reorder text on screen.
fn is_forbidden(character: char) -> bool {
    let control = character.is_control() && !matches!(character, '\n' | '\t');
    control
        || matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}')
}

/// Reports every control character of `text`, one finding for a run of them. They are errors in quotes and comments
/// as well: a terminal shows something else than what runs.
pub(super) fn report_forbidden(text: &str, problems: &mut Findings) {
    let mut run: Option<(Span, char)> = None;
    for (at, character) in text.char_indices().filter(|(_, c)| is_forbidden(*c)) {
        let end = at + character.len_utf8();
        match &mut run {
            Some((span, _)) if span.end == at => span.end = end,
            _ => {
                if let Some((span, first)) = run.replace((Span::new(at, end), character)) {
                    problems.push(forbidden(span, first));
                }
            }
        }
    }
    if let Some((span, first)) = run {
        problems.push(forbidden(span, first));
    }
}

fn forbidden(span: Span, character: char) -> Finding {
    let code = u32::from(character);
    CONTROL_CHARACTER
        .at(span, format!("control character U+{code:04X} in a shell fence"))
        .label("cannot be seen")
        .help("delete it, or write it as an escape such as printf '\\001'")
        .fix(span, "", "delete it", false)
}

/// Reports `character`, found outside quotes at `at`, when it stands for ASCII syntax. `word_start`: first of its word.
pub(super) fn report_lookalike(character: char, at: usize, word_start: bool, problems: &mut Findings) {
    let dash = word_start && matches!(character, '–' | '—' | '−');
    let ascii = if dash { Some("-") } else { ascii_of(character) };
    let Some(ascii) = ascii else { return };
    let span = Span::new(at, at + character.len_utf8());
    let code = u32::from(character);
    let shown = if ascii == " " { "a space".to_owned() } else { format!("`{ascii}`") };
    problems.push(
        LOOKALIKE_CHARACTER
            .at(span, format!("U+{code:04X} looks like {shown} but is not"))
            .label("an ordinary character to the shell")
            .help(format!("write {shown}, or put the word in quotes if the character is meant"))
            .fix(span, ascii, format!("write {shown}"), false),
    );
}
