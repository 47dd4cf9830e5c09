//! Percent-encoding as S3 signs it, and the texts of times and hashes.

use crate::error::{Error, Kind};

const HEX: &[u8; 16] = b"0123456789ABCDEF";

/// Everything but unreserved characters is encoded; `keep_slash` leaves `/`.
pub(crate) fn percent(text: &str, keep_slash: bool) -> String {
    percent_bytes(text.as_bytes(), keep_slash)
}

fn percent_bytes(bytes: &[u8], keep_slash: bool) -> String {
    let mut out = String::with_capacity(bytes.len() + 8);
    for &byte in bytes {
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

/// Back from what a listing with `encoding-type=url` has: `+` is a space there. A key that is no UTF-8 is refused: with other bytes in
/// their place it would be another key.
pub(crate) fn plain(text: &str) -> Result<String, Error> {
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
    String::from_utf8(out).map_err(|error| {
        let key = percent_bytes(error.as_bytes(), true);
        Error::new(
            Kind::Refused,
            format!("the key `{key}` (each %XX is a byte) is not UTF-8: nothing can name it here"),
        )
        .hint("rename or delete it with a tool that can, or mean a prefix that it is not below")
    })
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
        assert_eq!(plain("a+b%2Bc/%E6%97%A5%").unwrap(), "a b+c/日%");
        let error = plain("p/%ff+%E6.txt").unwrap_err();
        assert!(error.message.contains("`p/%FF%20%E6.txt`"), "{error}");
    }

    #[test]
    fn times_are_read() {
        assert_eq!(iso_us("1970-01-01T00:00:01.500Z").unwrap(), 1_500_000);
        assert_eq!(header_us("Thu, 01 Jan 1970 00:00:02 GMT"), Some(2_000_000));
        assert!(iso_us("today").is_err());
    }
}
