//! Percent-encoding as S3 signs it, and the texts of times and hashes.

use crate::error::{Error, Kind};

const HEX: &[u8; 16] = b"0123456789ABCDEF";

/// Everything but unreserved characters is encoded; `keep_slash` leaves `/`.
pub(crate) fn percent(text: &str, keep_slash: bool) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(char::from(byte)),
            b'/' if keep_slash => out.push('/'),
            _ => {
                out.push('%');
                out.push(char::from(HEX[usize::from(byte >> 4)]));
                out.push(char::from(HEX[usize::from(byte & 15)]));
            }
        }
    }
    out
}

/// Back from what a listing with `encoding-type=url` has: `+` is a space there.
pub(crate) fn plain(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let code = text.get(at + 1..at + 3).and_then(|code| u8::from_str_radix(code, 16).ok());
        match (bytes[at], code) {
            (b'%', Some(byte)) => {
                out.push(byte);
                at += 3;
            }
            (byte, _) => {
                out.push(if byte == b'+' { b' ' } else { byte });
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        out.push(char::from(HEX[usize::from(byte >> 4)].to_ascii_lowercase()));
        out.push(char::from(HEX[usize::from(byte & 15)].to_ascii_lowercase()));
    }
    out
}

/// Microseconds since 1970 of `2026-11-26T08:00:00.000Z`, as listings have it.
pub(crate) fn iso_us(text: &str) -> Result<i64, Error> {
    let time: Result<jiff::Timestamp, _> = text.parse();
    time.map(jiff::Timestamp::as_microsecond)
        .map_err(|error| Error::new(Kind::Answer, format!("a time in an answer, `{text}`: {error}")))
}

/// Microseconds since 1970 of a time in a header of HTTP; such times have whole seconds.
pub(crate) fn header_us(text: &str) -> Option<i64> {
    jiff::fmt::rfc2822::parse(text).ok().map(|zoned| zoned.timestamp().as_microsecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_encoded_and_decoded() {
        assert_eq!(percent("a b+c/日~", true), "a%20b%2Bc/%E6%97%A5~");
        assert_eq!(percent("a/b", false), "a%2Fb");
        assert_eq!(plain("a+b%2Bc/%E6%97%A5%"), "a b+c/日%");
    }

    #[test]
    fn times_are_read() {
        assert_eq!(iso_us("1970-01-01T00:00:01.500Z").unwrap(), 1_500_000);
        assert_eq!(header_us("Thu, 01 Jan 1970 00:00:02 GMT"), Some(2_000_000));
        assert!(iso_us("today").is_err());
    }
}
