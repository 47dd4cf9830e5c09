//! The braces of a fence: from text to words with exact places. Their values are typed in `attributes_value`, what
//! does not go together is found in `attributes_check`.

use crate::{
    Finding, Span, Spanned,
    attributes_value::{self, Attribute},
    model::Attributes,
    name,
    rules::Findings,
    rules_list as rules,
    suggest::{nearest, quote},
};

/// What the braces of one fence say.
#[derive(Debug, Default)]
pub(crate) struct Braces {
    /// `#id`.
    pub(crate) id: Option<Spanned<String>>,
    /// Keys and flags.
    pub(crate) attributes: Attributes,
    /// The flag `prose`.
    pub(crate) prose: bool,
    /// The closing `}` was found; otherwise attributes may be missing.
    pub(crate) closed: bool,
    /// Every known key and flag in the order of writing, with its bytes.
    pub(crate) written: Vec<(Attribute, Span)>,
}

/// Reads `info`, which starts with `{` and stands in the file at `at`, to its end.
pub(crate) fn read(info: &str, at: usize, findings: &mut Findings) -> Braces {
    let mut reader = Reader { info, at, pos: 1, cut: false, braces: Braces::default(), findings };
    reader.all();
    reader.braces
}

struct Reader<'a, 'f> {
    /// From `{` to the end of the info string.
    info: &'a str,
    /// Where `info` stands in the file.
    at: usize,
    /// Offset in `info`.
    pos: usize,
    /// A quote was not closed: whatever follows is inside it, so nothing more is said about it.
    cut: bool,
    braces: Braces,
    findings: &'f mut Findings,
}

impl<'a> Reader<'a, '_> {
    fn all(&mut self) {
        loop {
            self.spaces();
            match self.peek() {
                None if self.cut => return,
                None => return self.unclosed(),
                Some('}') => return self.closing(),
                Some('#') => self.id(),
                Some('"') => {
                    let start = self.pos;
                    let value = self.quoted();
                    if self.cut {
                        return;
                    }
                    self.report(start, |span| {
                        rules::ATTRIBUTE_SYNTAX
                            .at(span, format!("{} has no key", quote(&value.value)))
                            .label("a value in quotes")
                            .help("write `key=\"value\"` without spaces around `=`")
                    });
                }
                Some(',') => {
                    let start = self.pos;
                    self.pos += 1;
                    self.report(start, |span| {
                        rules::ATTRIBUTE_SYNTAX
                            .at(span, "attributes are separated by spaces, not by commas")
                            .fix(span, " ", "write a space", true)
                    });
                }
                Some(_) => self.word(),
            }
        }
    }

    fn peek(&self) -> Option<char> {
        self.info[self.pos..].chars().next()
    }

    fn spaces(&mut self) {
        self.pos += self.info[self.pos..].len() - self.info[self.pos..].trim_start().len();
    }

    /// Takes characters while `wanted`.
    fn take(&mut self, wanted: impl Fn(char) -> bool) -> &'a str {
        let rest = &self.info[self.pos..];
        let taken = &rest[..rest.find(|c| !wanted(c)).unwrap_or(rest.len())];
        self.pos += taken.len();
        taken
    }

    fn span(&self, start: usize) -> Span {
        Span::new(self.at + start, self.at + self.pos)
    }

    /// Reports what stands from `start` to here.
    fn report(&mut self, start: usize, finding: impl FnOnce(Span) -> Finding) {
        let span = self.span(start);
        self.findings.push(finding(span));
    }

    fn unclosed(&mut self) {
        let open = Span::new(self.at, self.at + 1);
        let end = Span::new(self.at + self.info.len(), self.at + self.info.len());
        self.findings.push(
            rules::UNCLOSED_BRACE
                .at(open, "the braces are not closed")
                .label("opened here")
                .help("close them with `}` on the same line")
                .fix(end, "}", "close the braces", false),
        );
    }

    fn closing(&mut self) {
        self.pos += 1;
        self.braces.closed = true;
        let after = self.info[self.pos..].trim();
        if after.is_empty() {
            return;
        }
        let start = self.info.len() - self.info[self.pos..].trim_start().len();
        let span = Span::new(self.at + start, self.at + start + after.len());
        self.findings.push(
            rules::FENCE_TEXT
                .at(span, format!("{} stands after the braces", quote(after)))
                .label("nothing may follow `}`")
                .help("put attributes inside the braces, and text on a line of its own before the fence"),
        );
    }

    fn id(&mut self) {
        let start = self.pos;
        self.pos += 1;
        let id = self.take(|c| !c.is_whitespace() && !matches!(c, '}' | '"' | ','));
        let span = self.span(start + 1);
        if !name::is_name(id) {
            let finding = rules::ID_SYNTAX
                .at(self.span(start), format!("{} is not an id", quote(&format!("#{id}"))))
                .label("letters and digits, then also `_`, `.` and `-`");
            self.findings.push(match name::cleaned(id) {
                Some(clean) => finding.fix(span, clean.clone(), format!("write `#{clean}`"), false),
                None => finding.help("write for example `#backup`"),
            });
        } else if let Some(first) = &self.braces.id {
            let first = first.span;
            self.report(start, |span| {
                rules::DUPLICATE_ATTRIBUTE
                    .at(span, "the step has two ids")
                    .label("the second one")
                    .also(first, "the first one")
            });
        } else {
            if let Some((_, before)) = self.braces.written.first().copied() {
                self.report(start, |span| {
                    rules::ATTRIBUTE_SYNTAX
                        .at(span, "the id is not first")
                        .label("move it to the front")
                        .also(before, "this stands before it")
                });
            }
            self.braces.id = Some(Spanned::new(id.to_owned(), span));
        }
    }

    /// A flag, or a key with its value.
    fn word(&mut self) {
        let start = self.pos;
        let word = self.take(|c| !c.is_whitespace() && !matches!(c, '=' | '}' | '"' | ','));
        let word_end = self.pos;
        self.spaces();
        if self.peek() != Some('=') {
            self.pos = word_end;
            return self.flag(start, word);
        }
        let equals = self.pos;
        self.pos += 1;
        let value_start = self.pos;
        self.spaces();
        // `on= app` is a slip of the hand, `on= }` and `on= rows=1` have no value at all.
        let spaced = equals > word_end || self.pos > value_start;
        let value = match self.peek() {
            Some('"') => self.quoted(),
            _ => self.bare_value(value_start),
        };
        let value_at = value.span.start - self.at;
        if spaced && !self.cut && !value.value.is_empty() {
            let gap = Span::new(self.at + word_end, self.at + value_at);
            self.findings.push(rules::ATTRIBUTE_SYNTAX.at(gap, "no spaces may stand around `=`").fix(
                gap,
                "=",
                "remove the spaces",
                true,
            ));
        }
        self.pair(start, word, value);
    }

    /// A value without quotes.
    fn bare_value(&mut self, value_start: usize) -> Spanned<String> {
        let start = self.pos;
        let value = self.take(|c| !c.is_whitespace() && !matches!(c, '}' | '"'));
        if start > value_start && value.contains('=') {
            self.pos = value_start;
            return Spanned::new(String::new(), self.span(value_start));
        }
        let value = match value.strip_suffix(',') {
            Some(cut) => {
                self.pos -= 1;
                cut
            }
            None => value,
        };
        Spanned::new(value.to_owned(), self.span(start))
    }

    /// A value in double quotes, with `\"` and `\\`. The span has the quotes.
    fn quoted(&mut self) -> Spanned<String> {
        let start = self.pos;
        self.pos += 1;
        let mut value = String::new();
        loop {
            value.push_str(self.take(|c| !matches!(c, '"' | '\\')));
            match self.peek() {
                None => {
                    self.cut = true;
                    self.report(start, |span| {
                        rules::UNCLOSED_QUOTE
                            .at(Span::new(span.start, span.start + 1), "the quote is not closed")
                            .label("opened here")
                            .help("close it with `\"` on the same line; a quote inside is written `\\\"`")
                    });
                    break;
                }
                Some('"') => {
                    self.pos += 1;
                    break;
                }
                Some(_) => value.push_str(self.escape()),
            }
        }
        let span = self.span(start);
        if self.peek().is_some_and(|c| !c.is_whitespace() && !matches!(c, '}' | ',')) {
            let here = Span::new(span.end, span.end);
            self.findings.push(rules::ATTRIBUTE_SYNTAX.at(here, "a space is missing after the quote").fix(
                here,
                " ",
                "insert a space",
                true,
            ));
        }
        Spanned::new(value, span)
    }

    fn escape(&mut self) -> &'a str {
        let start = self.pos;
        self.pos += 1;
        let escaped = &self.info[self.pos..];
        let width = escaped.chars().next().map_or(0, char::len_utf8);
        self.pos += width;
        if !matches!(&escaped[..width], "\"" | "\\") {
            self.report(start, |span| {
                rules::ATTRIBUTE_SYNTAX
                    .at(span, "in quotes, only `\\\"` and `\\\\` are written with a backslash")
                    .fix(Span::new(span.start, span.start + 1), "\\\\", "write the backslash twice", false)
            });
        }
        &escaped[..width]
    }

    fn flag(&mut self, start: usize, word: &str) {
        let span = self.span(start);
        let Some(attribute) = self.known(span, word) else { return };
        if !attribute.is_flag() {
            let example = attribute.example();
            self.findings.push(
                rules::ATTRIBUTE_VALUE
                    .at(span, format!("`{word}` needs a value"))
                    .label(format!("write for example `{example}`")),
            );
            return;
        }
        if self.first(attribute, span) {
            match attribute {
                Attribute::Prose => self.braces.prose = true,
                Attribute::Readonly => self.braces.attributes.readonly = Some(span),
                Attribute::Irreversible => self.braces.attributes.irreversible = Some(span),
                _ => self.braces.attributes.online = Some(span),
            }
        }
    }

    fn pair(&mut self, start: usize, key: &str, value: Spanned<String>) {
        let whole = self.span(start);
        if key.is_empty() {
            self.findings.push(
                rules::ATTRIBUTE_SYNTAX
                    .at(whole, "there is no key before `=`")
                    .help("write `key=value` without spaces around `=`"),
            );
            return;
        }
        let key_span = Span::new(whole.start, whole.start + key.len());
        let Some(attribute) = self.known(key_span, key) else { return };
        if attribute.is_flag() {
            let rest = Span::new(key_span.end, whole.end);
            self.findings.push(
                rules::ATTRIBUTE_VALUE
                    .at(rest, format!("`{key}` takes no value"))
                    .label("it is set by being there")
                    .fix(rest, "", "remove the value", false),
            );
            return;
        }
        if !self.first(attribute, whole) || self.cut {
            return;
        }
        if value.value.is_empty() {
            let example = attribute.example();
            self.findings.push(
                rules::ATTRIBUTE_VALUE
                    .at(whole, format!("`{key}` has no value"))
                    .label(format!("write for example `{example}`")),
            );
        } else if let Err(finding) = attributes_value::set(&mut self.braces.attributes, attribute, value) {
            self.findings.push(*finding);
        }
    }

    /// Notes that `attribute` was written at `span`; false and a finding if it was before.
    fn first(&mut self, attribute: Attribute, span: Span) -> bool {
        if let Some((_, first)) = self.braces.written.iter().find(|(seen, _)| *seen == attribute) {
            let gap_start = self.info[..span.start - self.at].trim_end().len() + self.at;
            self.findings.push(
                rules::DUPLICATE_ATTRIBUTE
                    .at(span, format!("`{}` is given twice", attribute.name()))
                    .label("the second one")
                    .also(*first, "first given here")
                    .fix(Span::new(gap_start, span.end), "", "remove the second one", false),
            );
            return false;
        }
        self.braces.written.push((attribute, span));
        true
    }

    /// The attribute of this name, or a finding.
    fn known(&mut self, span: Span, word: &str) -> Option<Attribute> {
        let found = Attribute::ALL.into_iter().find(|attribute| attribute.name() == word);
        if found.is_none() {
            self.findings.push(unknown(span, word));
        }
        found
    }
}

/// Characters of an input method left in full width (`＝`) or typed by a word processor (`“`), in ASCII.
fn in_ascii(word: &str) -> String {
    let ascii = |c: char| match c {
        '\u{ff01}'..='\u{ff5e}' => u8::try_from(u32::from(c) - 0xff01 + 0x21).map_or(c, char::from),
        '\u{201c}' | '\u{201d}' => '"',
        '\u{3000}' => ' ',
        other => other,
    };
    word.chars().map(ascii).collect()
}

fn unknown(span: Span, word: &str) -> Finding {
    let finding = rules::UNKNOWN_ATTRIBUTE.at(span, format!("{} is not an attribute", quote(word)));
    let names: Vec<&str> = Attribute::ALL.into_iter().map(Attribute::name).collect();
    if word.starts_with('{') {
        return finding.label("a second `{`").help("one pair of braces holds everything: `{#id on=db}`");
    }
    const WORD_BYTES_MAX: usize = 256;
    if word.len() <= WORD_BYTES_MAX {
        let ascii = in_ascii(word);
        if ascii != word {
            return finding
                .label("has a full-width or curly character")
                .help("write `=`, `\"`, `#` and `}` in ASCII")
                .fix(span, ascii.clone(), format!("write {}", quote(&ascii)), false);
        }
    }
    match nearest(word, names.iter().copied()) {
        Some(near) => {
            finding.label(format!("did you mean `{near}`?")).fix(span, near, format!("write `{near}`"), false)
        }
        None => finding.label("unknown").help(format!("the attributes are {}", names.join(", "))),
    }
}

#[cfg(test)]
#[path = "attributes_tests.rs"]
mod tests;
