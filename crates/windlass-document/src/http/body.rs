//! Bodies: JSON, multi-line strings, one-line strings.

use super::literal::{Bad, Cursor};
use crate::Span;

/// A body and where the line behind it starts.
pub(super) struct Body {
    pub(super) text: String,
    pub(super) json: bool,
    pub(super) end: usize,
}

const HELP: &str = "write JSON, text between two lines of three back quotes, or one line in back quotes";

/// Whether `line` starts a body rather than a header or a section.
pub(super) fn starts(line: &str) -> bool {
    let forms = ["base64,", "hex,", "file,"];
    line.starts_with(['{', '[', '"', '`', '<', '-'])
        || line.starts_with(|c: char| c.is_ascii_digit())
        || ["true", "false", "null"].contains(&line)
        || forms.iter().any(|form| line.starts_with(form))
}

/// Reads the body that starts at `start`, which is not blank.
pub(super) fn read(text: &str, start: usize) -> Result<Body, Bad> {
    let line_end = text[start..].find('\n').map_or(text.len(), |length| start + length);
    let line = text[start..line_end].trim_end();
    let whole = Span::new(start, start + line.len());
    if let Some(tag) = line.strip_prefix("```") {
        return multi_line(text, whole, tag, line_end);
    }
    if line.starts_with('`') {
        let mut cursor = Cursor { text, at: start, end: start + line.len() };
        let value = cursor.quoted('`')?;
        return behind(cursor).map(|()| Body { text: value, json: false, end: line_end });
    }
    if let Some(form) = ["base64,", "hex,", "file,"].iter().find(|form| line.starts_with(**form)) {
        let name = form.trim_end_matches(',');
        return Err(Bad::unsupported(whole, format!("a body of the form `{name}` is not supported"), HELP));
    }
    if line.starts_with('<') {
        return Err(Bad::unsupported(whole, "an XML body is not supported", HELP));
    }
    json(text, start, whole)
}

fn behind(mut cursor: Cursor<'_>) -> Result<(), Bad> {
    if cursor.is_done() {
        return Ok(());
    }
    Err(Bad::new(
        Span::new(cursor.at, cursor.end),
        "text behind the body",
        "put it on a line of its own, or remove it",
    ))
}

fn multi_line(text: &str, opening: Span, tag: &str, line_end: usize) -> Result<Body, Bad> {
    let tag = tag.split('#').next().unwrap_or_default().trim();
    if !["", "json", "xml", "raw"].contains(&tag) {
        return Err(Bad::unsupported(
            opening,
            format!("a multi-line string of the form `{tag}` is not supported"),
            HELP,
        ));
    }
    let start = (line_end + 1).min(text.len());
    let mut at = start;
    while at < text.len() {
        let end = text[at..].find('\n').map_or(text.len(), |length| at + length);
        if text[at..end].trim() == "```" {
            let body = text[start..at].replace("\r\n", "\n");
            return Ok(Body { text: body, json: tag == "json", end });
        }
        at = end + 1;
    }
    Err(Bad::new(
        opening,
        "this multi-line string is never closed",
        "end it with a line of three back quotes",
    ))
}

fn json(text: &str, start: usize, line: Span) -> Result<Body, Bad> {
    let mut values = serde_json::Deserializer::from_str(&text[start..]).into_iter::<serde::de::IgnoredAny>();
    match values.next() {
        Some(Ok(_)) => {
            let end = start + values.byte_offset();
            let line_end = text[end..].find('\n').map_or(text.len(), |length| end + length);
            behind(Cursor { text, at: end, end: line_end })?;
            Ok(Body { text: text[start..end].to_owned(), json: true, end: line_end })
        }
        Some(Err(error)) => {
            // Lines and columns of the error count from the start of the body; they help a person as they are.
            let message = format!("the body is not JSON: {error} of the body");
            Err(Bad::new(line, message, "correct the JSON, or put text that is not JSON in back quotes"))
        }
        None => Err(Bad::new(line, "the body is empty", HELP)),
    }
}
