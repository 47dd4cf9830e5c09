//! `NAME = value` of MySQL's `CREATE TABLE`, `ALTER TABLE`, `CREATE INDEX`, `DROP INDEX`.

use crate::reader::Reader;

/// A name, upper case, and its value without quotes.
pub type TableOption = (String, String);

/// Options with one word or two, and `=` or none.
const NAMES: [&str; 14] = [
    "ALGORITHM",
    "LOCK",
    "ENGINE",
    "AUTO_INCREMENT",
    "CHARSET",
    "COLLATE",
    "COMMENT",
    "ROW_FORMAT",
    "KEY_BLOCK_SIZE",
    "COMPRESSION",
    "ENCRYPTION",
    "STATS_PERSISTENT",
    "TABLESPACE",
    "MAX_ROWS",
];

/// The options up to token `end`; what is none is skipped.
pub(super) fn options(reader: &mut Reader<'_>, end: usize) -> Vec<TableOption> {
    let mut found = Vec::new();
    while reader.at < end {
        match option(reader) {
            Some(option) => found.push(option),
            None => reader.at += 1,
        }
    }
    found
}

/// The option that comes next; nothing is read if there is none.
pub(super) fn option(reader: &mut Reader<'_>) -> Option<TableOption> {
    let start = reader.at;
    let name = if reader.accept(&["CHARACTER", "SET"]) {
        "CHARSET".to_owned()
    } else {
        let word = reader.word(start);
        reader.at += 1;
        word
    };
    if !NAMES.contains(&name.as_str()) {
        reader.at = start;
        return None;
    }
    reader.symbol(b'=');
    let value = crate::identifier(reader.written(reader.at), reader.dialect);
    reader.at += 1;
    Some((name, value))
}
