//! When a release may start: windows and freezes of `[policy]`, and public holidays.
//!
//! All in the civil time of the policy's zone; who asks converts.

use crate::{Freeze, Policy, Weekday, Window};
use jiff::civil::{Date, DateTime};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

/// The next opening is looked for so many days ahead.
const AHEAD_DAYS: usize = 366;
/// Days of one line of a file of holidays.
const RUN_DAYS_MAX: usize = 31;

/// Public holidays by country (ISO 3166, two letters), of the years that are known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holidays {
    years: BTreeSet<(String, i16)>,
    days: BTreeMap<(String, Date), String>,
}

/// What is known of a day in a country.
enum Day<'a> {
    Holiday(&'a str),
    Other,
    Unknown,
}

/// A line of a file of holidays that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadHoliday {
    /// From 1.
    pub line: usize,
    /// Why.
    pub why: String,
}

impl Holidays {
    /// Those that come with this version; sources and years stand in `data/holidays.txt`.
    ///
    /// # Panics
    /// Never: a test reads the file.
    #[must_use]
    pub fn bundled() -> Self {
        Self::read(include_str!("../data/holidays.txt")).expect("the file of this crate is tested")
    }

    /// Reads a file: a line is `COUNTRY YEAR` (all holidays of the year are listed), `COUNTRY DATE[..DATE] NAME`, empty, or a
    /// comment behind `#`.
    ///
    /// # Errors
    /// The first line that is none of these.
    pub fn read(text: &str) -> Result<Self, BadHoliday> {
        let mut holidays = Self::default();
        for (at, line) in text.lines().enumerate() {
            let line = line.split('#').next().unwrap_or_default().trim();
            if !line.is_empty() {
                holidays.line(line).map_err(|why| BadHoliday { line: at + 1, why })?;
            }
        }
        Ok(holidays)
    }

    fn line(&mut self, line: &str) -> Result<(), String> {
        let mut words = line.splitn(3, char::is_whitespace);
        let (country, when) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        if country.len() != 2 || !country.bytes().all(|b| b.is_ascii_uppercase()) {
            return Err(format!("`{country}` is no country of two capital letters, such as CN"));
        }
        if let (Ok(year), 4) = (when.parse::<i16>(), when.len()) {
            self.years.insert((country.to_owned(), year));
            return Ok(());
        }
        let name = words.next().unwrap_or_default().trim();
        let (first, last) =
            days(when).ok_or_else(|| format!("`{when}` is no year, no date and no DATE..DATE"))?;
        let run: Vec<Date> = first
            .series(jiff::Span::new().days(1))
            .take_while(|day| *day <= last)
            .take(RUN_DAYS_MAX + 1)
            .collect();
        if run.len() > RUN_DAYS_MAX {
            return Err(format!("`{when}` is longer than {RUN_DAYS_MAX} days"));
        }
        let name = if name.is_empty() { "holiday" } else { name };
        self.days.extend(run.into_iter().map(|day| ((country.to_owned(), day), name.to_owned())));
        Ok(())
    }

    /// Adds what another file knows.
    pub fn add(&mut self, more: Self) {
        self.years.extend(more.years);
        self.days.extend(more.days);
    }

    fn on(&self, country: &str, day: Date) -> Day<'_> {
        match self.days.get(&(country.to_owned(), day)) {
            Some(name) => Day::Holiday(name),
            None if self.years.contains(&(country.to_owned(), day.year())) => Day::Other,
            None => Day::Unknown,
        }
    }
}

/// `2026-11-10` or `2026-11-10..2026-11-12`, both ends included.
pub(crate) fn days(text: &str) -> Option<(Date, Date)> {
    let (first, last) = text.split_once("..").unwrap_or((text, text));
    // Of the forms that the library reads, only the plain one.
    let date = |text: &str| (text.len() == 10).then(|| text.parse::<Date>().ok()).flatten();
    let (first, last) = (date(first)?, date(last)?);
    (first <= last).then_some((first, last))
}

impl Policy {
    /// Whether the policy says anything about when a release may start.
    #[must_use]
    pub fn has_hours(&self) -> bool {
        !self.window.is_empty() || !self.freeze.is_empty()
    }

    /// Why a release may not start at `now`; nothing: it may.
    #[must_use]
    pub fn closed(&self, holidays: &Holidays, now: DateTime) -> Vec<String> {
        let mut why: Vec<String> =
            self.freeze.iter().filter_map(|freeze| frozen(freeze, holidays, now.date())).collect();
        if !self.window.is_empty() && !self.window.iter().any(|window| window.holds(now)) {
            let windows: Vec<String> = self.window.iter().map(Window::to_string).collect();
            why.push(format!("it is outside of the windows: {}", windows.join(", ")));
        }
        why
    }

    /// When one may start next, after `now`; `None`: not within a year, as far as is known.
    #[must_use]
    pub fn next_opening(&self, holidays: &Holidays, now: DateTime) -> Option<DateTime> {
        let mut minutes: Vec<u16> = self.window.iter().map(|window| window.from_min).chain([0]).collect();
        minutes.sort_unstable();
        minutes.dedup();
        let days = now.date().series(jiff::Span::new().days(1)).take(AHEAD_DAYS);
        let mut moments = days.flat_map(|day| {
            let at = |minute: &u16| {
                let hour = i8::try_from(minute / 60).ok().filter(|hour| *hour < 24)?;
                Some(day.at(hour, i8::try_from(minute % 60).ok()?, 0, 0))
            };
            minutes.iter().filter_map(at).collect::<Vec<_>>()
        });
        moments.find(|moment| *moment > now && self.closed(holidays, *moment).is_empty())
    }
}

/// Why nothing may start on this day, if a freeze says so or nobody knows.
fn frozen(freeze: &Freeze, holidays: &Holidays, day: Date) -> Option<String> {
    match freeze {
        Freeze::Day(weekday) => {
            (weekday_of(day) == *weekday).then(|| format!("{} is frozen", weekday.name()))
        }
        Freeze::Between(first, last) => {
            (*first <= day && day <= *last).then(|| format!("{first} to {last} is frozen"))
        }
        Freeze::Holiday(country) => holiday(holidays, country, day).map(|what| format!("{day} is {what}")),
        Freeze::HolidayEve(country) => {
            let next = day.tomorrow().ok()?;
            holiday(holidays, country, next).map(|what| format!("the day after, {next}, is {what}"))
        }
    }
}

fn holiday(holidays: &Holidays, country: &str, day: Date) -> Option<String> {
    match holidays.on(country, day) {
        Day::Holiday(name) => Some(format!("a holiday of {country} ({name})")),
        Day::Other => None,
        Day::Unknown => Some(format!(
            "perhaps a holiday: those of {country} of {} are not known to this version; list them in the file of `holidays` of [policy]",
            day.year()
        )),
    }
}

fn weekday_of(day: Date) -> Weekday {
    let from_monday = day.weekday().to_monday_zero_offset();
    Weekday::ALL[usize::try_from(from_monday).unwrap_or_default() % 7]
}

impl Window {
    fn holds(&self, now: DateTime) -> bool {
        let minute = u16::try_from(i32::from(now.hour()) * 60 + i32::from(now.minute())).unwrap_or_default();
        let opens = |day: Date| {
            let day = weekday_of(day);
            if self.first <= self.last {
                self.first <= day && day <= self.last
            } else {
                day >= self.first || day <= self.last
            }
        };
        if self.from_min < self.to_min {
            return opens(now.date()) && (self.from_min..self.to_min).contains(&minute);
        }
        let began_yesterday = minute < self.to_min && now.date().yesterday().is_ok_and(opens);
        began_yesterday || (minute >= self.from_min && opens(now.date()))
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.first.name())?;
        if self.first != self.last {
            write!(f, "-{}", self.last.name())?;
        }
        let clock = |minute: u16| format!("{:02}:{:02}", minute / 60, minute % 60);
        write!(f, " {}-{}", clock(self.from_min), clock(self.to_min))
    }
}

/// As `[policy]` writes it.
impl fmt::Display for Freeze {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Day(weekday) => f.write_str(weekday.name()),
            Self::Between(first, last) if first == last => write!(f, "{first}"),
            Self::Between(first, last) => write!(f, "{first}..{last}"),
            Self::Holiday(country) => write!(f, "holiday:{country}"),
            Self::HolidayEve(country) => write!(f, "holiday-eve:{country}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ConfigSource, parse_config};

    fn policy(text: &str) -> Policy {
        let text = format!("[policy]\ntimezone = \"Asia/Shanghai\"\n{text}");
        let (config, findings) = parse_config(&[ConfigSource { name: "windlass.toml".into(), text }]);
        assert!(findings.is_empty(), "{findings:?}");
        config.policy
    }

    fn at(text: &str) -> DateTime {
        text.parse().unwrap()
    }

    #[track_caller]
    fn check(text: &str, now: &str, closed: &[&str], next: &str) {
        let (policy, holidays) = (policy(text), Holidays::bundled());
        let why = policy.closed(&holidays, at(now));
        assert_eq!(why.len(), closed.len(), "{why:?}");
        for (why, part) in why.iter().zip(closed) {
            assert!(why.contains(part), "{why:?} has no {part:?}");
        }
        let found = policy.next_opening(&holidays, at(now)).map(|next| next.to_string());
        assert_eq!(found.as_deref().unwrap_or("never"), next);
    }

    #[test]
    fn windows_open_and_close() {
        let nights = "window = [\"Mon-Thu 02:00-04:00\", \"Sun 23:00-01:00\"]";
        check(nights, "2026-11-24T02:00", &[], "2026-11-25T02:00:00");
        check(nights, "2026-11-24T04:00", &["Mon-Thu 02:00-04:00, Sun 23:00-01:00"], "2026-11-25T02:00:00");
        check(nights, "2026-11-27T02:30", &["outside"], "2026-11-29T23:00:00");
        // Past midnight it is still Sunday's window.
        check(nights, "2026-11-30T00:59", &[], "2026-11-30T02:00:00");
        check(nights, "2026-11-30T01:00", &["outside"], "2026-11-30T02:00:00");
        check("window = [\"Sat-Mon 00:00-24:00\"]", "2026-11-29T23:59", &[], "2026-11-30T00:00:00");
        check("window = [\"Sat-Mon 00:00-24:00\"]", "2026-12-01T00:00", &["outside"], "2026-12-05T00:00:00");
    }

    #[test]
    fn freezes_close_whole_days() {
        let weekend = "freeze = [\"Fri\", \"Sat\", \"2026-11-09..2026-11-11\", \"2026-11-12\"]";
        check(weekend, "2026-11-26T23:59", &[], "2026-11-29T00:00:00");
        check(weekend, "2026-11-27T12:00", &["Fri is frozen"], "2026-11-29T00:00:00");
        check(weekend, "2026-11-09T00:00", &["2026-11-09 to 2026-11-11"], "2026-11-15T00:00:00");
        // The window that began on Thursday is over when the frozen day begins.
        let both = "window = [\"Thu-Fri 23:00-02:00\"]\nfreeze = [\"Fri\"]";
        check(both, "2026-11-27T00:30", &["Fri is frozen"], "2026-11-28T00:00:00");
    }

    #[test]
    fn holidays_and_the_days_before_them() {
        let eve = "freeze = [\"holiday-eve:CN\"]";
        check(eve, "2026-09-30T10:00", &["2026-10-01, is a holiday of CN (国庆节)"], "2026-10-07T00:00:00");
        check(eve, "2026-09-29T10:00", &[], "2026-10-07T00:00:00");
        let days = "freeze = [\"holiday:JP\"]";
        check(days, "2026-09-22T10:00", &["2026-09-22 is a holiday of JP (休日)"], "2026-09-24T00:00:00");
        check(days, "2026-09-22T10:00", &["休日"], "2026-09-24T00:00:00");
    }

    #[test]
    fn a_year_that_is_not_known_is_said_and_can_be_added() {
        let text = "freeze = [\"holiday:CN\"]";
        check(text, "2030-03-04T10:00", &["those of CN of 2030 are not known"], "never");
        let mut holidays = Holidays::bundled();
        holidays.add(Holidays::read("CN 2030 # all\nCN 2030-03-04 假日\n").unwrap());
        let policy = policy(text);
        assert_eq!(policy.closed(&holidays, at("2030-03-05T10:00")), [""; 0]);
        assert!(policy.closed(&holidays, at("2030-03-04T10:00"))[0].contains("假日"));
    }

    #[test]
    fn files_of_holidays_that_are_wrong_name_the_line() {
        for (text, line, part) in [
            ("CN 2026\nChina 2026-01-01 x\n", 2, "`China`"),
            ("CN\n", 1, "``"),
            ("CN 2026-02-30 x\n", 1, "2026-02-30"),
            ("CN 2026-02-03..2026-02-01 x\n", 1, "2026-02-03..2026-02-01"),
            ("CN 2026-01-01..2026-12-31 x\n", 1, "longer than"),
            ("CN 20260101 x\n", 1, "20260101"),
        ] {
            let bad = Holidays::read(text).unwrap_err();
            assert_eq!(bad.line, line, "{text}");
            assert!(bad.why.contains(part), "{} has no {part}", bad.why);
        }
    }

    /// Whatever the policy: what is said to be the next opening is one, and none lies between.
    #[test]
    fn the_next_opening_is_the_first() {
        let texts = [
            "window = [\"Mon-Thu 02:00-04:00\", \"Sun 23:00-01:00\"]\nfreeze = [\"Fri\", \"holiday-eve:CN\"]",
            "window = [\"Fri-Mon 22:15-03:45\"]\nfreeze = [\"Sat\", \"holiday:JP\", \"2026-09-20..2026-09-30\"]",
            "freeze = [\"Mon\", \"Tue\", \"holiday:CN\"]",
        ];
        let holidays = Holidays::bundled();
        for policy in texts.map(policy) {
            let mut now = at("2026-09-10T07:03");
            while now < at("2026-10-20T00:00") {
                let mut moment = now;
                let next = policy.next_opening(&holidays, now).unwrap();
                if !policy.closed(&holidays, now).is_empty() {
                    while !policy.closed(&holidays, moment).is_empty() {
                        moment = moment.checked_add(jiff::Span::new().minutes(1)).unwrap();
                    }
                    assert_eq!(moment, next, "from {now}");
                }
                now = now.checked_add(jiff::Span::new().minutes(397)).unwrap();
            }
        }
    }
}
