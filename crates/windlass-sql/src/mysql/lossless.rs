//! Whether a column takes all values of another definition, so that none has to be kept when it changes.

use crate::Dialect;
use crate::ddl::{ColumnType, column_type};

/// What decides which values a column holds, as the catalog says it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stored {
    /// `COLUMN_TYPE`
    pub kind: String,
    /// `CHARACTER_SET_NAME`
    pub charset: Option<String>,
    /// It takes NULL.
    pub nullable: bool,
}

/// Whether each value survives the change from `from` to `to`, and back. False: some may not, or it is not known.
#[must_use]
pub fn lossless(from: &Stored, to: &Stored) -> bool {
    if from.nullable && !to.nullable {
        return false;
    }
    if from.kind == to.kind && from.charset == to.charset {
        return true;
    }
    let (a, b) = (column_type(&from.kind, Dialect::Mysql), column_type(&to.kind, Dialect::Mysql));
    if let Some((low, high)) = integer(&a).zip(integer(&b)) {
        return high.0 <= low.0 && low.1 <= high.1;
    }
    let charset = wider_charset(from.charset.as_deref(), to.charset.as_deref());
    match (a.name.as_str(), b.name.as_str()) {
        ("decimal", "decimal") => {
            decimal(&a).zip(decimal(&b)).is_some_and(|(a, b)| a.0 <= b.0 && a.1 <= b.1 && (a.2 || !b.2))
        }
        ("float", "double") => {
            a.arguments.is_empty() && b.arguments.is_empty() && (a.unsigned || !b.unsigned)
        }
        ("datetime", "datetime") | ("timestamp", "timestamp") | ("time", "time") => {
            fraction(&a) <= fraction(&b)
        }
        ("date", "datetime") => true,
        ("enum", "enum") | ("set", "set") => charset && a.arguments.iter().all(|of| b.arguments.contains(of)),
        // Blanks at its end are no part of a `char`.
        (_, "char") if a.name != "char" => false,
        _ => {
            let rooms = room(&a, from.charset.as_deref()).zip(room(&b, to.charset.as_deref()));
            charset && rooms.is_some_and(|(a, b)| fits(a, b, from.charset == to.charset))
        }
    }
}

/// Smallest and largest number.
fn integer(kind: &ColumnType) -> Option<(i128, i128)> {
    let bits = match kind.name.as_str() {
        "tinyint" => 8,
        "smallint" => 16,
        "mediumint" => 24,
        "int" => 32,
        "bigint" => 64,
        _ => return None,
    };
    Some(if kind.unsigned { (0, (1 << bits) - 1) } else { (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) })
}

/// Digits before the point, behind it, and whether it is unsigned.
fn decimal(kind: &ColumnType) -> Option<(u32, u32, bool)> {
    let number = |at: usize| kind.arguments.get(at).and_then(|text| text.trim().parse::<u32>().ok());
    let (precision, scale) = (number(0)?, number(1).unwrap_or(0));
    Some((precision.checked_sub(scale)?, scale, kind.unsigned))
}

fn fraction(kind: &ColumnType) -> u32 {
    kind.arguments.first().and_then(|text| text.trim().parse().ok()).unwrap_or(0)
}

/// How long a text or a string of bytes may be.
#[derive(Clone, Copy)]
struct Room {
    size: u64,
    /// `size` is a number of characters, not of bytes.
    counted: bool,
    /// It is bytes, not text.
    binary: bool,
    /// Most bytes of one character.
    width: u64,
}

fn room(kind: &ColumnType, charset: Option<&str>) -> Option<Room> {
    let given = kind.arguments.first().and_then(|text| text.trim().parse::<u64>().ok());
    let width = match charset {
        None | Some("latin1" | "ascii" | "binary") => 1,
        Some("utf8" | "utf8mb3") => 3,
        Some(_) => 4,
    };
    let (size, counted, binary) = match kind.name.as_str() {
        "char" | "varchar" => (given?, true, false),
        "varbinary" => (given?, true, true),
        "tinytext" | "tinyblob" => ((1 << 8) - 1, false, kind.name == "tinyblob"),
        "text" | "blob" => ((1 << 16) - 1, false, kind.name == "blob"),
        "mediumtext" | "mediumblob" => ((1 << 24) - 1, false, kind.name == "mediumblob"),
        "longtext" | "longblob" => ((1 << 32) - 1, false, kind.name == "longblob"),
        _ => return None,
    };
    Some(Room { size, counted, binary, width })
}

/// A `text` of n bytes may hold n characters of one byte each.
fn fits(from: Room, to: Room, same_charset: bool) -> bool {
    let bytes = match (same_charset, from.counted) {
        (true, false) => from.size,
        (true, true) => from.size * from.width,
        (false, _) => from.size * to.width,
    };
    let needed = if to.counted { from.size } else { bytes };
    from.binary == to.binary && needed <= to.size
}

/// Whether each character of `from` is one of `to`.
fn wider_charset(from: Option<&str>, to: Option<&str>) -> bool {
    let plain = |name: Option<&str>| match name {
        Some("utf8") => Some("utf8mb3".to_owned()),
        other => other.map(str::to_owned),
    };
    let (from, to) = (plain(from), plain(to));
    match (from.as_deref(), to.as_deref()) {
        (from, to) if from == to => true,
        (Some("ascii"), Some("latin1" | "utf8mb3" | "utf8mb4")) => true,
        (Some("latin1"), Some("utf8mb3" | "utf8mb4")) => true,
        (Some("utf8mb3"), Some("utf8mb4")) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(text: &str) -> Stored {
        let (kind, rest) = text.split_once('|').unwrap_or((text, ""));
        let charset = rest.split(' ').find(|word| !word.is_empty() && *word != "NN").map(str::to_owned);
        Stored { kind: kind.to_owned(), charset, nullable: !rest.contains("NN") }
    }

    #[test]
    fn what_takes_all_values_of_another() {
        for (from, to) in [
            ("int(11)", "bigint(20)"),
            ("int unsigned", "bigint"),
            ("tinyint(1)|NN", "int"),
            ("decimal(8,3)", "decimal(10,3)"),
            ("decimal(8,3) unsigned", "decimal(10,4)"),
            ("datetime", "datetime(3)"),
            ("date", "datetime"),
            ("varchar(10)|utf8mb4", "varchar(20)|utf8mb4"),
            ("varchar(10)|latin1", "varchar(10)|utf8mb4"),
            ("char(10)|utf8mb3", "varchar(10)|utf8mb4"),
            ("varchar(10)|utf8mb4", "text|utf8mb4"),
            ("text|utf8mb4", "longtext|utf8mb4"),
            ("varbinary(12)", "blob"),
            ("enum('a','b')|utf8mb4", "enum('a','b','c')|utf8mb4"),
            ("enum('a','b')|utf8mb4", "enum('b','c','a')|utf8mb4"),
        ] {
            assert!(lossless(&column(from), &column(to)), "{from} to {to}");
        }
        for (from, to) in [
            ("bigint", "int"),
            ("int", "int unsigned"),
            ("int unsigned", "int"),
            ("int", "int|NN"),
            ("int", "varchar(20)|utf8mb4"),
            ("decimal(8,3)", "decimal(8,1)"),
            ("decimal(8,3)", "decimal(8,4)"),
            ("datetime", "date"),
            ("datetime(3)", "datetime"),
            ("varchar(20)|utf8mb4", "varchar(10)|utf8mb4"),
            ("varchar(20)|utf8mb4", "char(20)|utf8mb4"),
            ("varchar(20)|utf8mb4", "varchar(20)|latin1"),
            ("text|latin1", "text|utf8mb4"),
            ("text|utf8mb4", "varchar(1000)|utf8mb4"),
            ("varchar(100)|utf8mb4", "tinytext|utf8mb4"),
            ("varchar(10)|utf8mb4", "varbinary(40)"),
            ("enum('a','b')|utf8mb4", "enum('a')|utf8mb4"),
            ("json", "text|utf8mb4"),
            ("point", "geometry"),
        ] {
            assert!(!lossless(&column(from), &column(to)), "{from} to {to}");
        }
    }
}
