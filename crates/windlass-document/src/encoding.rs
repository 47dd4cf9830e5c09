//! Bytes to text: what is not a text in UTF-8 gets one clear finding and is not read any further.

use crate::{Finding, Span, rules_list as rules};

/// Largest document that is read. The longest runbook known to us has 40 kB; a hundred-megabyte file is a dump
/// or a log that was named by mistake, and is refused before any of it is looked at.
pub const DOCUMENT_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Bytes that are looked at to guess a foreign encoding.
const GUESS_BYTES_MAX: usize = 64 * 1024;

/// The text of a document, or the one finding that says why there is none.
pub(crate) fn decode(source: &[u8]) -> Result<&str, Box<Finding>> {
    refuse_large(source.len())?;
    let text = std::str::from_utf8(source).map_err(|error| Box::new(not_utf8(source, error)))?;
    check(text)?;
    Ok(text)
}

/// What a text in UTF-8 can have against it.
pub(crate) fn check(text: &str) -> Result<(), Box<Finding>> {
    refuse_large(text.len())?;
    match text.find('\0') {
        Some(at) => Err(Box::new(nul_byte(text.as_bytes(), at))),
        None => Ok(()),
    }
}

fn refuse_large(bytes: usize) -> Result<(), Box<Finding>> {
    if bytes <= DOCUMENT_BYTES_MAX {
        return Ok(());
    }
    let message = format!(
        "the file has {} MiB, a release document at most {} MiB",
        bytes.div_ceil(1024 * 1024),
        DOCUMENT_BYTES_MAX / (1024 * 1024)
    );
    Err(Box::new(
        rules::TOO_LARGE
            .at(Span::new(0, 0), message)
            .label("nothing was read")
            .help("is this the right file? put SQL into files of its own and name them with `files=`"),
    ))
}

fn not_utf8(source: &[u8], error: std::str::Utf8Error) -> Finding {
    let at = error.valid_up_to();
    let (line, column) = place(source, at);
    let Some(bad) = error.error_len() else {
        return rules::NOT_UTF8
            .at(
                Span::new(at, source.len()),
                format!("the file ends inside a character (byte {at}, line {line}, column {column})"),
            )
            .label("the character is incomplete")
            .help("the file was probably cut off while it was copied: fetch it again");
    };
    let finding = rules::NOT_UTF8.at(
        Span::new(at, at + bad),
        format!("the file is not UTF-8: byte {at} (line {line}, column {column}) is 0x{:02X}", source[at]),
    );
    match guess(source) {
        Some((name, iconv)) => finding
            .label(format!("the file looks like {name}"))
            .help(format!("convert it: iconv -f {iconv} -t UTF-8 FILE > FILE.utf8 && mv FILE.utf8 FILE")),
        None => finding
            .label("not a character in UTF-8")
            .help("save the file as UTF-8 in your editor, or convert it: iconv -f ENCODING -t UTF-8 FILE"),
    }
}

fn nul_byte(source: &[u8], at: usize) -> Finding {
    let (line, column) = place(source, at);
    let finding = rules::NUL_BYTE.at(
        Span::new(at, at + 1),
        format!("the file has a NUL byte at byte {at} (line {line}, column {column})"),
    );
    match guess_utf16(source) {
        Some((name, iconv)) => finding
            .label(format!("the file looks like {name}"))
            .help(format!("convert it: iconv -f {iconv} -t UTF-8 FILE > FILE.utf8 && mv FILE.utf8 FILE")),
        None => {
            finding.label("no text has this byte").help("is this the right file? remove the byte if it is")
        }
    }
}

/// Line and column (in characters, from 1) of a byte, the bytes before it being UTF-8.
fn place(source: &[u8], at: usize) -> (usize, usize) {
    let before = &source[..at];
    let line = 1 + before.iter().filter(|b| **b == b'\n').count();
    let start = before.iter().rposition(|b| *b == b'\n').map_or(0, |newline| newline + 1);
    let text = before[start..].strip_prefix("\u{feff}".as_bytes()).unwrap_or(&before[start..]);
    (line, 1 + text.iter().filter(|b| (**b & 0xC0) != 0x80).count())
}

/// The encoding that the bytes look like: its name, and the name that iconv knows it by.
fn guess(source: &[u8]) -> Option<(&'static str, &'static str)> {
    if let Some(utf16) = guess_utf16(source) {
        return Some(utf16);
    }
    let sample = &source[..source.len().min(GUESS_BYTES_MAX)];
    let shift_jis = pairs(
        sample,
        |b| matches!(b, 0x81..=0x9F | 0xE0..=0xFC),
        |b| matches!(b, 0x40..=0x7E | 0x80..=0xFC),
        |b| matches!(b, 0xA1..=0xDF),
    );
    // Hiragana is row 0x82 and katakana row 0x83: Japanese has them in every sentence, Chinese never.
    let kana = shift_jis.as_ref().map_or(0, |pairs| {
        pairs.iter().filter(|p| matches!(p, (0x82, 0x9F..=0xF1) | (0x83, 0x40..=0x96))).count()
    });
    if shift_jis.is_some_and(|pairs| kana * 10 >= pairs.len().max(1)) && kana > 0 {
        return Some(("Shift_JIS", "CP932"));
    }
    let gbk =
        pairs(sample, |b| matches!(b, 0x81..=0xFE), |b| matches!(b, 0x40..=0x7E | 0x80..=0xFE), |_| false)?;
    // Rows 0xB0 to 0xF7 hold the common characters, 0xA1 and 0xA3 the punctuation.
    let common = gbk.iter().filter(|p| matches!(p, (0xB0..=0xF7 | 0xA1 | 0xA3, 0xA1..=0xFE))).count();
    (common * 10 >= gbk.len() * 8 && common > 0).then_some(("GBK", "GB18030"))
}

/// UTF-16 shows by its byte-order mark, or by ASCII text with every second byte zero.
fn guess_utf16(source: &[u8]) -> Option<(&'static str, &'static str)> {
    match source {
        [0xFF, 0xFE, ..] => return Some(("UTF-16 (little endian)", "UTF-16")),
        [0xFE, 0xFF, ..] => return Some(("UTF-16 (big endian)", "UTF-16")),
        _ => {}
    }
    let sample = &source[..source.len().min(GUESS_BYTES_MAX)];
    let zeros = |from: usize| sample.iter().skip(from).step_by(2).filter(|b| **b == 0).count();
    let (even, odd, half) = (zeros(0), zeros(1), sample.len() / 2);
    if odd * 4 > half && even * 20 < half.max(20) {
        return Some(("UTF-16 (little endian)", "UTF-16LE"));
    }
    (even * 4 > half && odd * 20 < half.max(20)).then_some(("UTF-16 (big endian)", "UTF-16BE"))
}

/// The two-byte characters of `sample`, or nothing if it is not made of ASCII, `single` and pairs of `lead` and
/// `trail`. A pair cut by the end of the sample is ignored.
fn pairs(
    sample: &[u8],
    lead: fn(u8) -> bool,
    trail: fn(u8) -> bool,
    single: fn(u8) -> bool,
) -> Option<Vec<(u8, u8)>> {
    let mut found = Vec::new();
    let mut rest = sample;
    while let [first, tail @ ..] = rest {
        rest = tail;
        if first.is_ascii() || single(*first) {
            continue;
        }
        if !lead(*first) {
            return None;
        }
        let [second, tail @ ..] = rest else { break };
        if !trail(*second) {
            return None;
        }
        found.push((*first, *second));
        rest = tail;
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(source: &[u8]) -> Finding {
        *decode(source).expect_err("not a text")
    }

    #[test]
    fn gbk_is_named_with_byte_line_and_column() {
        // "# 发布\n停机" in GBK
        let found = finding(b"# \xB7\xA2\xB2\xBC\n\xCD\xA3\xBB\xFA\n");
        assert_eq!(found.rule, "not-utf8");
        assert!(found.message.contains("byte 2 (line 1, column 3) is 0xB7"), "{}", found.message);
        assert!(found.label.contains("GBK"), "{}", found.label);
        assert!(found.help.contains("iconv -f GB18030"), "{}", found.help);
    }

    #[test]
    fn shift_jis_is_named() {
        // "# 移行\nこれはテスト" in Shift_JIS
        let found = finding(b"# \x88\xDA\x8Ds\n\x82\xB1\x82\xEA\x82\xCD\x83e\x83X\x83g\n");
        assert!(found.label.contains("Shift_JIS"), "{found:?}");
        assert_eq!(found.span, Span::new(2, 3));
    }

    #[test]
    fn utf16_is_named_with_and_without_a_byte_order_mark() {
        let marked: Vec<u8> =
            [0xFF, 0xFE].into_iter().chain("# 发布".encode_utf16().flat_map(u16::to_le_bytes)).collect();
        assert!(finding(&marked).label.contains("UTF-16 (little endian)"));
        let bare: Vec<u8> = "# Release 2\n".encode_utf16().flat_map(u16::to_be_bytes).collect();
        let found = finding(&bare);
        assert_eq!(found.rule, "nul-byte");
        assert!(found.label.contains("UTF-16 (big endian)"), "{found:?}");
    }

    #[test]
    fn latin_1_is_not_called_anything() {
        let found = finding("caf\u{e9} ".chars().map(|c| c as u8).collect::<Vec<_>>().as_slice());
        assert_eq!(found.label, "not a character in UTF-8");
    }

    #[test]
    fn a_cut_off_character_is_told_from_a_wrong_one() {
        let text = "上线\n停机".as_bytes();
        let found = finding(&text[..text.len() - 1]);
        assert!(found.message.contains("ends inside a character (byte 10, line 2, column 2)"), "{found:?}");
    }

    #[test]
    fn a_nul_byte_is_found_behind_a_byte_order_mark() {
        let found = finding("\u{feff}a\0b".as_bytes());
        assert!(found.message.contains("byte 4 (line 1, column 2)"), "{}", found.message);
    }

    #[test]
    fn a_hundred_megabytes_are_refused_at_once() {
        // The bytes are not even UTF-8: had they been looked at, that would be the finding.
        let huge = vec![0xFF; 100 * 1024 * 1024];
        let found = finding(&huge);
        assert_eq!(found.rule, "too-large");
        assert!(found.message.contains("100 MiB"), "{}", found.message);
    }
}
