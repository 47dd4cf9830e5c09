//! Checksums as the tools write them.

use sha2::{Digest as _, Sha256, Sha384};

/// CRC-32 (IEEE 802.3, reflected), the one of `java.util.zip.CRC32`.
struct Crc32(u32);

impl Crc32 {
    fn update(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 ^= u32::from(*byte);
            for _ in 0..8 {
                let low = self.0 & 1;
                self.0 = (self.0 >> 1) ^ (0xEDB8_8320 * low);
            }
        }
    }
}

/// Flyway: CRC-32 over the lines without their ends and without a byte order mark, as a signed number
/// (`ChecksumCalculator.java` of Flyway).
pub(super) fn flyway(text: &str) -> String {
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
    let mut crc = Crc32(u32::MAX);
    for line in java_lines(text) {
        crc.update(line.as_bytes());
    }
    (!crc.0).cast_signed().to_string()
}

/// Lines as `BufferedReader.readLine` gives them: ended by `\n`, `\r` or `\r\n`.
fn java_lines(text: &str) -> impl Iterator<Item = &str> {
    text.split('\n').flat_map(|part| part.strip_suffix('\r').unwrap_or(part).split('\r'))
}

/// sqlx: SHA-384 of the file (`Migration::new` of sqlx-core), in upper-case hexadecimal.
pub(super) fn sqlx(text: &str) -> String {
    Sha384::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02X}")).collect()
}

/// Ours: SHA-256 of the file.
pub(super) fn plain(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_of_known_texts() {
        // The check value of CRC-32 is 0xCBF43926 for these nine digits.
        let check = 0xCBF4_3926_u32.cast_signed().to_string();
        for text in ["123456789", "1234\n56789\n", "\u{FEFF}123\r\n456\r789"] {
            assert_eq!(flyway(text), check, "{text:?}");
        }
        assert!(sqlx("abc").starts_with("CB00753F45A35E8BB5A03D699AC65007"));
        assert!(plain("abc").starts_with("ba7816bf"));
    }
}
