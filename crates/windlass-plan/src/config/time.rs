//! Durations and maintenance windows as text.

use super::policy::{Weekday, Window};

const UNITS: [(&str, u64); 5] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

/// A duration such as `500ms`, `30s`, `15m`, `2h`, `7d` or `0`, in milliseconds.
pub(super) fn duration_ms(text: &str) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().ok()?;
    if unit.is_empty() {
        return (number == 0).then_some(0);
    }
    let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit)?;
    number.checked_mul(*factor)
}

/// Says what is wrong with a window such as `Mon-Thu 02:00-04:00`, or reads it.
pub(super) fn window(text: &str) -> Result<Window, String> {
    let (days, times) =
        text.split_once(' ').ok_or_else(|| "a window is days, a space and times".to_owned())?;
    let (first, last) = days.split_once('-').unwrap_or((days, days));
    let (from, to) = times
        .trim_start()
        .split_once('-')
        .ok_or_else(|| format!("`{times}` is not two times with `-` between them"))?;
    let window =
        Window { first: weekday(first)?, last: weekday(last)?, from_min: minute(from)?, to_min: minute(to)? };
    if window.from_min == window.to_min {
        return Err(format!("the window is empty: it ends at {to}, when it begins"));
    }
    Ok(window)
}

/// A day by its three English letters.
pub(super) fn weekday(text: &str) -> Result<Weekday, String> {
    Weekday::ALL
        .into_iter()
        .find(|day| day.name() == text)
        .ok_or_else(|| format!("`{text}` is not a day: Mon, Tue, Wed, Thu, Fri, Sat, Sun"))
}

/// Minute of the day of `HH:MM`; `24:00` is the end of the day.
fn minute(text: &str) -> Result<u16, String> {
    let wrong = || format!("`{text}` is not a time: HH:MM from 00:00 to 24:00");
    let (hour, minute) = text.split_once(':').ok_or_else(wrong)?;
    let two_digits = |part: &str| part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit());
    if !two_digits(hour) || !two_digits(minute) {
        return Err(wrong());
    }
    let (hour, minute): (u16, u16) =
        (hour.parse().map_err(|_| wrong())?, minute.parse().map_err(|_| wrong())?);
    let total = hour * 60 + minute;
    if minute > 59 || total > 24 * 60 { Err(wrong()) } else { Ok(total) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (text, ms) in [
            ("0", 0),
            ("500ms", 500),
            ("30s", 30_000),
            ("15m", 900_000),
            ("2h", 7_200_000),
            ("7d", 604_800_000),
        ] {
            assert_eq!(duration_ms(text), Some(ms), "{text}");
        }
        for text in
            ["", "s", "5", "5 s", "1.5s", "-1s", "5sec", "99999999999999999999s", "999999999999999999d"]
        {
            assert_eq!(duration_ms(text), None, "{text}");
        }
    }

    #[test]
    fn windows() {
        let night = window("Mon-Thu 02:00-04:00").unwrap();
        assert_eq!((night.first, night.last), (Weekday::Mon, Weekday::Thu));
        assert_eq!((night.from_min, night.to_min), (120, 240));
        let over_midnight = window("Sun 23:00-01:00").unwrap();
        assert_eq!((over_midnight.first, over_midnight.last), (Weekday::Sun, Weekday::Sun));
        assert_eq!((over_midnight.from_min, over_midnight.to_min), (1380, 60));
        assert_eq!(window("Sun 00:00-24:00").unwrap().to_min, 1440);
        for text in [
            "",
            "Mon",
            "Mon 02:00",
            "Mo 02:00-04:00",
            "Mon-Xyz 02:00-04:00",
            "Mon 2:00-04:00",
            "Mon 02:00-24:01",
            "Mon 02:60-04:00",
            "Mon 02:00-02:00",
            "Mon 02:00-ab:cd",
        ] {
            assert!(window(text).is_err(), "{text}");
        }
    }
}
