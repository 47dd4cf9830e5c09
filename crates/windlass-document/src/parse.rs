//! The way from bytes to a document and its findings.

use crate::{
    Document, Finding, Parsed, encoding, front, markdown, markdown_lines, references, rules::Findings,
};

/// Reads a release document. Never panics; the time is linear in the length of `source`.
///
/// Bytes that are not a text (not UTF-8, NUL bytes, more than [`crate::DOCUMENT_BYTES_MAX`]) give one finding and an
/// empty document. The spans of that finding are offsets of bytes, its message names line and column.
#[must_use]
pub fn parse(source: &[u8]) -> Parsed {
    match encoding::decode(source) {
        Ok(text) => read(text),
        Err(finding) => refused(*finding),
    }
}

/// Reads a release document that is known to be UTF-8; see [`parse`].
#[must_use]
pub fn parse_str(source: &str) -> Parsed {
    match encoding::check(source) {
        Ok(()) => read(source),
        Err(finding) => refused(*finding),
    }
}

fn refused(finding: Finding) -> Parsed {
    Parsed { document: Document::default(), findings: vec![finding] }
}

fn read(text: &str) -> Parsed {
    let mut findings = Findings::default();
    let start = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    let (front, markdown_start) = front::read(text, start, &mut findings);
    markdown_lines::check_carriage_returns(text, &mut findings);
    let document = markdown::read(text, markdown_start, front, &mut findings);
    references::check(&document, &mut findings);
    Parsed { document, findings: findings.finish(text.len()) }
}
