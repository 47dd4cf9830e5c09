//! Durations as people write them in a document: a whole number and one unit, `500ms`, `60s`, `15m`, `2h`, `7d`.

use crate::suggest::quote;
use std::time::Duration;

/// Longest duration: more than a year of waiting is a typing error.
pub(crate) const DURATION_MAX: Duration = Duration::from_secs(366 * 24 * 60 * 60);

/// Why a text is not a duration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum DurationError {
    /// This was probably meant.
    Near(String),
    /// Longer than [`DURATION_MAX`].
    TooLong,
    /// Not a number and a unit.
    Shape,
}

impl DurationError {
    /// What is wrong with `text`.
    pub(crate) fn describe(&self, text: &str) -> String {
        match self {
            Self::Near(_) if text.bytes().all(|b| b.is_ascii_digit()) => {
                format!("{} has no unit", quote(text))
            }
            Self::TooLong => format!("{} is longer than 366 days", quote(text)),
            _ => quote(text),
        }
    }
}

/// Milliseconds of each unit.
const UNITS: [(&str, u64); 5] =
    [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 24 * 3_600_000)];

/// What people write for a unit.
const UNIT_WORDS: [(&str, &str); 22] = [
    ("", "s"),
    ("msec", "ms"),
    ("millis", "ms"),
    ("毫秒", "ms"),
    ("sec", "s"),
    ("secs", "s"),
    ("second", "s"),
    ("seconds", "s"),
    ("秒", "s"),
    ("min", "m"),
    ("mins", "m"),
    ("minute", "m"),
    ("minutes", "m"),
    ("分", "m"),
    ("分钟", "m"),
    ("hr", "h"),
    ("hour", "h"),
    ("hours", "h"),
    ("小时", "h"),
    ("day", "d"),
    ("days", "d"),
    ("天", "d"),
];

/// Reads a duration.
pub(crate) fn parse(text: &str) -> Result<Duration, DurationError> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    if number.is_empty() {
        return Err(DurationError::Shape);
    }
    let Some((_, unit_ms)) = UNITS.iter().find(|(name, _)| *name == unit) else {
        let word = unit.trim().to_lowercase();
        let meant =
            UNITS.iter().map(|(name, _)| (*name, *name)).chain(UNIT_WORDS).find(|(name, _)| *name == word);
        return Err(
            meant.map_or(DurationError::Shape, |(_, unit)| DurationError::Near(format!("{number}{unit}")))
        );
    };
    number
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(*unit_ms))
        .map(Duration::from_millis)
        .filter(|duration| *duration <= DURATION_MAX)
        .ok_or(DurationError::TooLong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units() {
        for (text, ms) in
            [("500ms", 500), ("60s", 60_000), ("15m", 900_000), ("2h", 7_200_000), ("7d", 604_800_000)]
        {
            assert_eq!(parse(text), Ok(Duration::from_millis(ms)), "{text}");
        }
        assert_eq!(parse("0s"), Ok(Duration::ZERO));
    }

    #[test]
    fn near_misses_say_what_was_meant() {
        for (text, meant) in
            [("60", "60s"), ("5min", "5m"), ("2 hours", "2h"), ("15分钟", "15m"), ("7D", "7d")]
        {
            assert_eq!(parse(text), Err(DurationError::Near(meant.to_owned())), "{text}");
        }
        for text in ["", "s", "-5s", "1.5h", "1h30m", "５s", "5 parsecs"] {
            assert_eq!(parse(text), Err(DurationError::Shape), "{text}");
        }
    }

    #[test]
    fn a_duration_has_a_bound_and_no_overflow() {
        assert_eq!(parse("366d"), Ok(DURATION_MAX));
        assert_eq!(parse("367d"), Err(DurationError::TooLong));
        assert_eq!(parse("18446744073709551615d"), Err(DurationError::TooLong));
        assert_eq!(parse(&format!("{}d", "9".repeat(10_000))), Err(DurationError::TooLong));
    }
}
