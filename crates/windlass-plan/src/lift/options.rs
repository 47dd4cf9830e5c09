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
