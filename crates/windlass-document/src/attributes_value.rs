//! The closed set of attributes, and their typed values.

use crate::{
    Finding, Language, Serial, Share, Span, Spanned,
    duration::{self, DurationError},
    model::Attributes,
    name, rules_list as rules,
    suggest::quote,
};
use std::time::Duration;

/// An attribute of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Attribute {
    On,
    Undo,
    Undoes,
    Readonly,
    Irreversible,
    Online,
    Again,
    After,
    Within,
    Timeout,
    Rows,
    Files,
    Batch,
    Serial,
    Prose,
}

impl Attribute {
    /// All of them, in the order of the reference.
    pub(crate) const ALL: [Self; 15] = [
        Self::On,
        Self::Undo,
        Self::Undoes,
        Self::Readonly,
        Self::Irreversible,
        Self::Online,
        Self::Again,
        Self::After,
        Self::Within,
        Self::Timeout,
        Self::Rows,
        Self::Files,
        Self::Batch,
        Self::Serial,
        Self::Prose,
    ];

    /// As it is written.
    pub(crate) fn name(self) -> &'static str {
        // Keys end at `=`, so each name is written once only.
        self.example().split('=').next().unwrap_or_default()
    }

    /// How it is used.
    pub(crate) fn example(self) -> &'static str {
        match self {
            Self::On => "on=db",
            Self::Undo => "undo=backup",
            Self::Undoes => "undoes=migrate",
            Self::Readonly => "readonly",
            Self::Irreversible => "irreversible",
            Self::Online => "online",
            Self::Again => "again=copy",
            Self::After => "after=7d",
            Self::Within => "within=60s",
            Self::Timeout => "timeout=30s",
            Self::Rows => "rows=115",
            Self::Files => "files=\"migrations/*.sql\"",
            Self::Batch => "batch=1000",
            Self::Serial => "serial=1",
            Self::Prose => "prose",
        }
    }

    /// Whether it stands alone, without a value.
    pub(crate) fn is_flag(self) -> bool {
        matches!(self, Self::Readonly | Self::Irreversible | Self::Online | Self::Prose)
    }

    /// Why it makes no sense for a step in `language`; `None` if it does.
    pub(crate) fn misplaced(self, language: Language) -> Option<&'static str> {
        match (self, language) {
            (Self::Rows | Self::Files | Self::Batch, Language::Sql) => None,
            (Self::Rows | Self::Batch, _) => Some("only SQL statements have rows"),
            (Self::Files, _) => Some("it names files of SQL statements"),
            (Self::Serial, Language::Sql) => Some("a database is one target, not a row of hosts"),
            (Self::Within, Language::Diff) => Some("an edit of a file is not retried until a deadline"),
            (Self::Readonly, Language::Diff) => Some("a diff is there to change files"),
            _ => None,
        }
    }
}

type Failed = Box<Finding>;

/// Reads `value`, which is not empty, and stores it.
pub(crate) fn set(
    attributes: &mut Attributes,
    attribute: Attribute,
    value: Spanned<String>,
) -> Result<(), Failed> {
    let span = value.span;
    match attribute {
        Attribute::On => attributes.on = Some(named(attribute, value, "target")?),
        Attribute::Undo => attributes.undo = Some(named(attribute, value, "step id")?),
        Attribute::Undoes => attributes.undoes = Some(named(attribute, value, "step id")?),
        Attribute::Again => attributes.again = Some(named(attribute, value, "step id")?),
        Attribute::After => attributes.after = Some(Spanned::new(duration(attribute, &value)?, span)),
        Attribute::Within => attributes.within = Some(Spanned::new(duration(attribute, &value)?, span)),
        Attribute::Timeout => attributes.timeout = Some(Spanned::new(duration(attribute, &value)?, span)),
        Attribute::Rows => attributes.rows = Some(Spanned::new(count(attribute, &value, 0)?, span)),
        Attribute::Batch => attributes.batch = Some(Spanned::new(count(attribute, &value, 1)?, span)),
        Attribute::Serial => attributes.serial = Some(Spanned::new(serial(&value)?, span)),
        Attribute::Files => attributes.files = Some(value),
        // Flags have no value; the reader of the braces has refused it already.
        Attribute::Readonly | Attribute::Irreversible | Attribute::Online | Attribute::Prose => {}
    }
    Ok(())
}

fn wrong(attribute: Attribute, span: Span, message: impl Into<String>) -> Finding {
    rules::ATTRIBUTE_VALUE.at(span, message).help(format!("write for example `{}`", attribute.example()))
}

fn named(attribute: Attribute, value: Spanned<String>, what: &str) -> Result<Spanned<String>, Failed> {
    let bare = value.value.strip_prefix('#').filter(|bare| attribute != Attribute::On && name::is_name(bare));
    if let Some(bare) = bare {
        return Err(Box::new(
            wrong(attribute, value.span, format!("a step is named without `#`: {}", quote(&value.value)))
                .label("remove the `#`")
                .fix(value.span, bare, format!("write `{bare}`"), true),
        ));
    }
    if name::is_name(&value.value) {
        return Ok(value);
    }
    Err(Box::new(
        wrong(attribute, value.span, format!("{} is not a {what}", quote(&value.value)))
            .label("letters and digits, then also `_`, `.` and `-`"),
    ))
}

fn duration(attribute: Attribute, value: &Spanned<String>) -> Result<Duration, Failed> {
    let name = attribute.name();
    match duration::parse(&value.value) {
        Ok(Duration::ZERO) => {
            Err(Box::new(wrong(attribute, value.span, format!("`{name}` is zero")).label("at least 1ms")))
        }
        Ok(duration) => Ok(duration),
        Err(error) => {
            let message = format!("`{name}` is not a duration: {}", error.describe(&value.value));
            let finding = wrong(attribute, value.span, message);
            Err(Box::new(match error {
                DurationError::Near(near) => finding.label(format!("did you mean `{near}`?")).fix(
                    value.span,
                    near.clone(),
                    format!("write `{near}`"),
                    false,
                ),
                DurationError::TooLong => finding.label("too long"),
                DurationError::Shape => finding.label("a whole number and `ms`, `s`, `m`, `h` or `d`"),
            }))
        }
    }
}

fn count(attribute: Attribute, value: &Spanned<String>, min: u64) -> Result<u64, Failed> {
    digits(&value.value).filter(|number| *number >= min).ok_or_else(|| {
        let message = format!("`{}` is not a count: {}", attribute.name(), quote(&value.value));
        Box::new(wrong(attribute, value.span, message).label(format!("a whole number, at least {min}")))
    })
}

/// A whole number in plain digits: no sign, no separators.
fn digits(text: &str) -> Option<u64> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// `1`, `25%`, or sizes of batches that grow: `1,25%,100%`.
fn serial(value: &Spanned<String>) -> Result<Serial, Failed> {
    let mut shares = Vec::new();
    let mut start = value.span.start;
    for text in value.value.split(',') {
        let span = Span::new(start, start + text.len());
        start = span.end + 1;
        // In quotes it may stand elsewhere, and what is empty is nothing to point at.
        let is_exact = value.span.end - value.span.start == value.value.len();
        let at = if is_exact && !text.is_empty() { span } else { value.span };
        let share = share(text).ok_or_else(|| not_hosts(text, at))?;
        if let Some(before) = shares.last().copied().filter(|before| !grows(*before, share)) {
            return Err(Box::new(no_growth(before, text, at)));
        }
        shares.push(share);
    }
    Ok(match shares[..] {
        [Share::Hosts(number)] => Serial::Hosts(number),
        [Share::Percent(percent)] => Serial::Percent(percent),
        _ => Serial::Growing(shares),
    })
}

fn share(text: &str) -> Option<Share> {
    match text.strip_suffix('%') {
        Some(percent) => digits(percent)
            .and_then(|number| u8::try_from(number).ok())
            .filter(|number| (1..=100).contains(number))
            .map(Share::Percent),
        None => digits(text)
            .and_then(|number| u32::try_from(number).ok())
            .filter(|number| *number >= 1)
            .map(Share::Hosts),
    }
}

/// As far as that can be told without knowing how many hosts there are.
fn grows(before: Share, then: Share) -> bool {
    match (before, then) {
        (Share::Percent(100), _) => false,
        (Share::Hosts(before), Share::Hosts(then)) => before < then,
        (Share::Percent(before), Share::Percent(then)) => before < then,
        _ => true,
    }
}

fn not_hosts(text: &str, at: Span) -> Failed {
    let message = format!("`serial` is not a number of hosts: {}", quote(text));
    Box::new(wrong(Attribute::Serial, at, message).label(
        "hosts at a time (`1` and up), a share of them (`1%` to `100%`), or batches that grow (`1,25%,100%`)",
    ))
}

fn no_growth(before: Share, text: &str, at: Span) -> Finding {
    let message = match before {
        Share::Percent(100) => "behind `100%` no host is left for another batch".to_owned(),
        Share::Hosts(before) => {
            format!("the batches of `serial` have to grow: {} after `{before}`", quote(text))
        }
        Share::Percent(before) => {
            format!("the batches of `serial` have to grow: {} after `{before}%`", quote(text))
        }
    };
    wrong(Attribute::Serial, at, message).label("the last size is repeated until no host is left")
}
