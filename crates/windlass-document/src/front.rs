//! Front matter: where the block is, its YAML as key and value with exact places. Values are typed in
//! `front_value`.
//!
//! The Markdown parser is not asked for it: it would also take a `---` rule in the middle of a file, with all that
//! follows up to the next one, for a metadata block, and looking for the end of each takes quadratic time.

use crate::{Finding, FrontMatter, Span, front_value, rules::Findings, rules_list as rules, suggest::quote};
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// What the values of the header need to know of the file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Source<'a> {
    /// The whole file.
    pub(crate) text: &'a str,
    /// Where the YAML begins.
    pub(crate) yaml_start: usize,
    /// `\n` or `\r\n`, whichever the file uses.
    pub(crate) line_end: &'static str,
}

/// One `key: value` of the header.
#[derive(Debug)]
pub(crate) struct Entry {
    /// The key as written, quotes taken off.
    pub(crate) key: String,
    /// Where the key stands.
    pub(crate) key_span: Span,
    /// The value.
    pub(crate) value: Value,
    /// Where the value stands.
    pub(crate) value_span: Span,
}

/// A value of the header.
#[derive(Debug)]
pub(crate) enum Value {
    /// Text, number or boolean: the text as written, because `2.10` is a version and not the number 2.1.
    Text(String),
    /// Nothing, or `null`.
    Missing,
    /// A list or a mapping.
    Nested,
}

/// Reads the header of `text` from `start` (behind a byte-order mark): the header, and where the Markdown begins.
pub(crate) fn read(text: &str, start: usize, findings: &mut Findings) -> (FrontMatter, usize) {
    let line_end = if text.as_bytes().get(text.find('\n').unwrap_or(0).wrapping_sub(1)) == Some(&b'\r') {
        "\r\n"
    } else {
        "\n"
    };
    let blank = blank_lines(&text[start..]);
    let open = start + blank;
    if line(text, open).trim_end() != "---" {
        findings.push(missing(text, start, line_end));
        return (FrontMatter::default(), start);
    }
    let yaml_start = open + line(text, open).len();
    let source = Source { text, yaml_start, line_end };
    let Some((yaml_end, markdown_start)) = find_end(text, yaml_start) else {
        findings.push(unclosed(source, open));
        return (FrontMatter::default(), yaml_start);
    };
    if blank > 0 {
        findings.push(
            rules::FRONT_PLACE
                .at(Span::new(open, open + 3), "the front matter does not start on the first line")
                .label("there are empty lines before it")
                .fix(Span::new(start, open), "", "remove the empty lines", true),
        );
    }
    let front = match entries(source, yaml_end) {
        Ok(entries) => front_value::read(source, Span::new(open, open + 3), entries, findings),
        Err(finding) => {
            findings.push(*finding);
            FrontMatter::default()
        }
    };
    (front, markdown_start)
}

/// Bytes of the empty lines that `text` begins with.
fn blank_lines(text: &str) -> usize {
    text.split_inclusive('\n')
        .take_while(|line| line.trim().is_empty() && line.ends_with('\n'))
        .map(str::len)
        .sum()
}

/// The line that begins at `at`, with its end.
fn line(text: &str, at: usize) -> &str {
    text[at..].split_inclusive('\n').next().unwrap_or("")
}

/// Where the YAML ends and where the Markdown begins.
fn find_end(text: &str, yaml_start: usize) -> Option<(usize, usize)> {
    let mut at = yaml_start;
    for line in text[yaml_start..].split_inclusive('\n') {
        if matches!(line.trim_end(), "---" | "...") {
            return Some((at, at + line.len()));
        }
        at += line.len();
    }
    None
}

fn missing(text: &str, start: usize, line_end: &str) -> Finding {
    let version = guess_version(&text[start..]);
    let header = format!("---{line_end}release: {}{line_end}---{line_end}", version.unwrap_or("VERSION"));
    rules::FRONT_MISSING
        .at(Span::new(start, start), "the document has no front matter")
        .label("expected `---` here")
        .help("begin the file with `---`, `release: VERSION` and `---`, each on a line of its own")
        .fix(Span::new(start, start), header, "insert a front matter", false)
}

/// A version number in the first heading, for the fix that inserts a header.
fn guess_version(text: &str) -> Option<&str> {
    const LINES_MAX: usize = 50;
    let heading = text.lines().take(LINES_MAX).find(|line| line.starts_with('#'))?;
    heading
        .split(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '-')))
        .map(|word| word.trim_start_matches('v').trim_matches(['.', '-']))
        .find(|word| word.contains('.') && word.bytes().next().is_some_and(|b| b.is_ascii_digit()))
}

fn unclosed(source: Source<'_>, open: usize) -> Finding {
    // The header most likely ends where its `key: value` lines do.
    let mut end = source.yaml_start;
    for line in source.text[source.yaml_start..].split_inclusive('\n') {
        let key = line.split(':').next().unwrap_or("");
        let is_entry = line.contains(':')
            && !key.is_empty()
            && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if !is_entry || !line.ends_with('\n') {
            break;
        }
        end += line.len();
    }
    rules::FRONT_UNCLOSED
        .at(Span::new(open, open + 3), "the front matter has no closing `---`")
        .label("opened here")
        .help("close it with a line `---` after its last key")
        .fix(Span::new(end, end), format!("---{}", source.line_end), "insert the closing line", false)
}

/// The entries of the YAML between `source.yaml_start` and `end`.
fn entries(source: Source<'_>, end: usize) -> Result<Vec<Entry>, Box<Finding>> {
    let yaml = &source.text[source.yaml_start..end];
    if yaml.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#')) {
        return Ok(Vec::new());
    }
    // Every entry is wanted: duplicates are reported here, all of them, with the place of the first.
    let options = serde_saphyr::options! {
        duplicate_keys: serde_saphyr::DuplicateKeyPolicy::LastWins,
        merge_keys: serde_saphyr::MergeKeyPolicy::AsOrdinary,
        non_finite_float_policy: serde_saphyr::NonFiniteFloatPolicy::PassThrough,
        with_snippet: false,
    };
    let header = serde_saphyr::from_str_with_options::<Header>(yaml, options)
        .map_err(|error| Box::new(broken(source, yaml, &error)))?;
    Ok(header.0.into_iter().map(|(key, value)| entry(source, yaml, key, value)).collect())
}

fn entry(source: Source<'_>, yaml: &str, key: Yaml, value: Yaml) -> Entry {
    let key_span = place(source, yaml, &key.referenced);
    let value_span = place(source, yaml, &value.referenced);
    let key = match key.value {
        Scalar::Text(text) => text,
        _ => source.text[key_span.start..key_span.end].to_owned(),
    };
    let value = match value.value {
        Scalar::Text(text) => Value::Text(text),
        // Where an alias is used, the text stands at the anchor.
        Scalar::Typed => {
            let defined = place(source, yaml, &value.defined);
            Value::Text(source.text[defined.start..defined.end].to_owned())
        }
        Scalar::Null => Value::Missing,
        Scalar::Nested => Value::Nested,
    };
    Entry { key, key_span, value, value_span }
}

/// The file span of a YAML location. What the YAML reader says is not trusted to lie in the text.
fn place(source: Source<'_>, yaml: &str, location: &serde_saphyr::Location) -> Span {
    let bytes = |value: Option<u64>| value.and_then(|v| usize::try_from(v).ok()).map(|v| v.min(yaml.len()));
    let start = bytes(location.span().byte_offset()).unwrap_or_else(|| offset_of(yaml, location));
    let end = start + bytes(location.span().byte_len()).unwrap_or(0);
    let start = floor_char_boundary(yaml, start);
    let end = floor_char_boundary(yaml, end).max(start);
    Span::new(source.yaml_start + start, source.yaml_start + start + yaml[start..end].trim_end().len())
}

/// The offset of a place that is known by line and column only.
fn offset_of(yaml: &str, location: &serde_saphyr::Location) -> usize {
    let wanted = usize::try_from(location.line()).unwrap_or(usize::MAX);
    let before: usize = yaml.split_inclusive('\n').take(wanted.saturating_sub(1)).map(str::len).sum();
    let column = usize::try_from(location.column()).unwrap_or(usize::MAX).saturating_sub(1);
    let line = line(yaml, before).trim_end_matches(['\r', '\n']);
    before + line.char_indices().nth(column).map_or(line.len(), |(at, _)| at)
}

fn floor_char_boundary(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

fn broken(source: Source<'_>, yaml: &str, error: &serde_saphyr::Error) -> Finding {
    let at = error
        .location()
        .map_or(Span::new(source.yaml_start, source.yaml_start), |location| place(source, yaml, &location));
    let first = line(source.text, at.start).trim_end();
    if error.to_string().contains("expected mapping") {
        let at = Span::new(at.start, at.start + first.len());
        return rules::FRONT_SHAPE
            .at(at, "the front matter is not a list of `key: value` lines")
            .label(format!("{} is not `key: value`", quote(first)))
            .help("write one key on each line, such as `release: 2.1.0`");
    }
    let text = error.without_snippet().to_string();
    let reason = text.rsplit_once(" at line ").map_or(text.as_str(), |(reason, _)| reason);
    let read = yaml.trim_end();
    let at = if at.start >= source.yaml_start + read.len() {
        // The reader wanted more: something in the last line is still open.
        let last = read.rfind('\n').map_or(0, |at| at + 1);
        Span::new(source.yaml_start + last, source.yaml_start + read.len())
    } else if at.end > at.start {
        at
    } else {
        next_char(source.text, at.start)
    };
    rules::FRONT_YAML
        .at(at, format!("the front matter is not YAML: {reason}"))
        .label("the reader stopped here")
        .help("write one `key: value` on each line; put values with `: `, `#`, quotes or brackets in \"double quotes\"")
}

/// The character at `at`, so that the caret is not empty.
fn next_char(text: &str, at: usize) -> Span {
    let width = text[at..].chars().next().filter(|c| !matches!(c, '\r' | '\n')).map_or(0, char::len_utf8);
    Span::new(at, at + width)
}

type Yaml = serde_saphyr::Spanned<Scalar>;

/// A value as far as the header needs it.
enum Scalar {
    /// Text, with quotes and escapes resolved.
    Text(String),
    /// A number or boolean: the text is read from the file.
    Typed,
    Null,
    Nested,
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ScalarVisitor)
    }
}

struct ScalarVisitor;

impl<'de> Visitor<'de> for ScalarVisitor {
    type Value = Scalar;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }
    fn visit_unit<E>(self) -> Result<Scalar, E> {
        Ok(Scalar::Null)
    }
    fn visit_none<E>(self) -> Result<Scalar, E> {
        Ok(Scalar::Null)
    }
    fn visit_bool<E>(self, _: bool) -> Result<Scalar, E> {
        Ok(Scalar::Typed)
    }
    fn visit_i64<E>(self, _: i64) -> Result<Scalar, E> {
        Ok(Scalar::Typed)
    }
    fn visit_u64<E>(self, _: u64) -> Result<Scalar, E> {
        Ok(Scalar::Typed)
    }
    fn visit_i128<E>(self, _: i128) -> Result<Scalar, E> {
        Ok(Scalar::Typed)
    }
    fn visit_u128<E>(self, _: u128) -> Result<Scalar, E> {
        Ok(Scalar::Typed)
    }
    fn visit_f64<E>(self, _: f64) -> Result<Scalar, E> {
        Ok(Scalar::Typed)
    }
    fn visit_str<E>(self, text: &str) -> Result<Scalar, E> {
        Ok(Scalar::Text(text.to_owned()))
    }
    fn visit_bytes<E>(self, _: &[u8]) -> Result<Scalar, E> {
        Ok(Scalar::Typed)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Scalar, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Scalar::Nested)
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Scalar, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Scalar::Nested)
    }
}

/// All entries in order, duplicates included.
struct Header(Vec<(Yaml, Yaml)>);

impl<'de> Deserialize<'de> for Header {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(HeaderVisitor)
    }
}

struct HeaderVisitor;

impl<'de> Visitor<'de> for HeaderVisitor {
    type Value = Header;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a mapping")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Header, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Header(entries))
    }
}

#[cfg(test)]
#[path = "front_tests.rs"]
mod tests;
