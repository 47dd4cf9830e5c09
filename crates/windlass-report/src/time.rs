//! Times and durations for people.

use jiff::{
    SignedDuration, Timestamp, Unit,
    fmt::friendly::{FractionalUnit, SpanPrinter},
    tz::TimeZone,
};

/// `840ms`, `3.2s`, `1m 2s`, `2h 5m 0s`.
#[must_use]
pub fn duration(ms: u64) -> String {
    let exact = SignedDuration::from_millis(i64::try_from(ms).unwrap_or(i64::MAX));
    let (unit, increment) = match ms {
        0..1_000 => return format!("{ms}ms"),
        1_000..60_000 => (Unit::Millisecond, 100),
        _ => (Unit::Second, 1),
    };
    let round = jiff::SignedDurationRound::new().smallest(unit).increment(increment);
    let rounded = exact.round(round).unwrap_or(exact);
    let printer = SpanPrinter::new();
    match unit {
        Unit::Millisecond => printer.fractional(Some(FractionalUnit::Second)).precision(Some(1)),
        _ => printer,
    }
    .duration_to_string(&rounded)
}

/// `2026-11-21 10:03:07 +08:00` in `zone`. A time beyond every calendar is shown as its number.
#[must_use]
pub fn moment(ms: i64, zone: &TimeZone) -> String {
    match Timestamp::from_millisecond(ms) {
        Ok(time) => time.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S %:z").to_string(),
        Err(_) => format!("{ms} ms since 1970"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_the_digits_that_matter() {
        for (ms, text) in [
            (0, "0ms"),
            (840, "840ms"),
            (1_000, "1.0s"),
            (3_249, "3.2s"),
            (62_400, "1m 2s"),
            (7_500_000, "2h 5m"),
        ] {
            assert_eq!(duration(ms), text, "{ms}");
        }
    }

    #[test]
    fn moments_are_in_the_zone_of_the_caller() {
        let zone = TimeZone::get("Asia/Shanghai").unwrap();
        assert_eq!(moment(1_763_692_987_000, &zone), "2025-11-21 10:43:07 +08:00");
        assert_eq!(moment(0, &TimeZone::UTC), "1970-01-01 00:00:00 +00:00");
        assert_eq!(moment(i64::MAX, &TimeZone::UTC), format!("{} ms since 1970", i64::MAX));
    }
}
