//! What a rehearsal found, as it is kept, and as text.

use crate::{
    Mark, Text,
    code::CLOSED,
    duration, moment,
    plan::class_mark,
    text::{COLUMNS, pad, shorten, width},
    words::count,
};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use windlass_plan::{Class, Digest, Plan};

/// Version of the JSON of a rehearsal. A newer one is not read.
pub const REHEARSAL_FORMAT: u32 = 1;

/// Differences shown of a statement; `--json` has all.
const DIFFERENCES_MAX: usize = 8;

/// A rehearsal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rehearsal {
    /// [`REHEARSAL_FORMAT`].
    pub format: u32,
    /// File name of the document.
    pub document: String,
    /// Digest of the plan that was rehearsed.
    pub digest: Digest,
    /// Digest of each step of it, without the places where it stands: tells what changed since.
    pub steps: BTreeMap<String, Digest>,
    /// When it began, milliseconds since 1970.
    pub at_ms: i64,
    /// How long it took, milliseconds.
    pub took_ms: u64,
    /// The copies.
    pub copies: Vec<CopyJson>,
    /// Every statement that was rehearsed, in order.
    pub statements: Vec<Rehearsed>,
    /// Every unit that was not, in order.
    pub left_out: Vec<LeftOut>,
    /// Whether undoing everything led back, applying again to the same end, and crashes and repeats too.
    pub rounds: Vec<RoundJson>,
    /// How long users will notice it: statements between the stop and the start of a service; `None`: no service is stopped.
    pub downtime_ms: Option<u64>,
    /// Statements after which others wait for a strong lock of theirs, outside of that, milliseconds in all.
    pub blocked_ms: u64,
    /// What has to be said about these numbers.
    pub notes: Vec<String>,
}

/// A copy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopyJson {
    /// Target of windlass.toml.
    pub target: String,
    /// What was copied: `now`, or the name of a backup.
    pub from: String,
    /// Where: `the same server`, `another server`, `a private server`, `this machine`.
    pub place: String,
    /// Bytes of the live database.
    pub bytes: u64,
    /// Rows in the copy.
    pub rows: u64,
    /// How long making it took, milliseconds.
    pub took_ms: u64,
}

/// How a statement went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RehearsedVerdict {
    /// Its undo led back to everything as it was.
    Exact,
    /// The same, but for the order of columns.
    ColumnOrder,
    /// Its undo led elsewhere.
    Different,
    /// There is no undo that could be tried.
    CannotUndo,
    /// It changes nothing.
    Readonly,
    /// It failed.
    Failed,
    /// One before it failed.
    NotReached,
}

impl RehearsedVerdict {
    /// For people.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::ColumnOrder => "equal but column order",
            Self::Different => "different",
            Self::CannotUndo => "cannot undo",
            Self::Readonly => "reads only",
            Self::Failed => "failed",
            Self::NotReached => "not reached",
        }
    }

    fn mark(self) -> Mark {
        match self {
            Self::Exact | Self::ColumnOrder => Mark::Good,
            Self::CannotUndo => Mark::Warn,
            Self::Different | Self::Failed => Mark::Bad,
            Self::Readonly | Self::NotReached => Mark::Dim,
        }
    }
}

/// One statement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rehearsed {
    /// Its unit.
    pub unit: String,
    /// `file:line`.
    pub place: String,
    /// The statement, in short.
    pub statement: String,
    /// Target.
    pub target: String,
    /// How it is undone, by the plan.
    pub class: Class,
    /// How its undo went.
    pub verdict: RehearsedVerdict,
    /// How long it took, milliseconds, with all that makes it reversible.
    pub took_ms: Option<u64>,
    /// How long its undo took, milliseconds.
    pub undo_ms: Option<u64>,
    /// Rows that it changed, as far as the database says.
    pub rows: Option<u64>,
    /// The strongest lock.
    pub lock: Option<LockJson>,
    /// How the server changed the table (MySQL, MariaDB).
    pub algorithm: Option<String>,
    /// What is different after its undo, or why it failed or cannot be undone.
    pub why: Vec<String>,
    /// What a crash before or behind it, or a repetition, led to; empty: to the same.
    pub disturbed: Vec<String>,
}

/// A lock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockJson {
    /// In the server's words.
    pub mode: String,
    /// On which table.
    pub table: String,
    /// How long, milliseconds; `None`: it was too short to be seen.
    pub ms: Option<u64>,
    /// Seen on the server; else read from the statement.
    pub is_measured: bool,
    /// Others wait for it before they write.
    pub blocks_writes: bool,
}

/// A unit that was not rehearsed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// Which.
    pub unit: String,
    /// `file:line`.
    pub place: String,
    /// What it does, in short.
    pub what: String,
    /// Why.
    pub why: String,
}

/// What a whole round led to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoundJson {
    /// What was done.
    pub what: String,
    /// Whether it led where it should.
    pub is_same: bool,
    /// How it differs, or what is to be known about it.
    pub lines: Vec<String>,
}

impl Rehearsal {
    /// The same without what would quote a unit that is not open.
    #[must_use]
    pub fn closed(mut self, is_open: impl Fn(&str) -> bool) -> Self {
        let close = |words: &mut String| CLOSED.clone_into(words);
        for statement in self.statements.iter_mut().filter(|statement| !is_open(&statement.unit)) {
            close(&mut statement.statement);
            statement.why.iter_mut().chain(&mut statement.disturbed).for_each(close);
        }
        for left in self.left_out.iter_mut().filter(|left| !is_open(&left.unit)) {
            close(&mut left.what);
            close(&mut left.why);
        }
        self
    }

    /// Whether everything went as one would want it.
    #[must_use]
    pub fn is_good(&self) -> bool {
        let bad = |statement: &Rehearsed| {
            let surprising =
                statement.verdict == RehearsedVerdict::CannotUndo && statement.class < Class::Restore;
            let failed = matches!(
                statement.verdict,
                RehearsedVerdict::Different | RehearsedVerdict::Failed | RehearsedVerdict::NotReached
            );
            failed || surprising || !statement.disturbed.is_empty()
        };
        !self.statements.iter().any(bad) && self.rounds.iter().all(|round| round.is_same)
    }

    /// Steps of `plan` that are not as they were rehearsed, in order, and those that are gone.
    #[must_use]
    pub fn changed_steps(&self, plan: &Plan) -> Vec<String> {
        let now = step_digests(plan);
        let here = plan.steps.iter().map(|step| step.id.0.clone());
        let changed = here.filter(|id| self.steps.get(id) != now.get(id));
        let gone = self.steps.keys().filter(|id| !now.contains_key(*id)).cloned();
        changed.chain(gone).collect()
    }
}

/// A digest of each step, without lines and columns: a step that only moved did not change.
#[must_use]
pub fn step_digests(plan: &Plan) -> BTreeMap<String, Digest> {
    let digest = |step| {
        let mut value = serde_json::to_value(step).expect("a step has only string keys and finite numbers");
        unplaced(&mut value);
        // Keys are sorted, whatever serde_json was built with.
        let sorted: BTreeMap<String, serde_json::Value> = serde_json::from_value(value).unwrap_or_default();
        Digest::of(serde_json::to_string(&sorted).unwrap_or_default().as_bytes())
    };
    plan.steps.iter().map(|step| (step.id.0.clone(), digest(step))).collect()
}

fn unplaced(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::Object(map) => {
            map.remove("line");
            map.remove("column");
            map.values_mut().for_each(unplaced);
        }
        serde_json::Value::Array(items) => items.iter_mut().for_each(unplaced),
        _ => {}
    }
}

/// Everything that a rehearsal found.
#[must_use]
pub fn rehearsal_text(rehearsal: &Rehearsal) -> Text {
    let mut text = Text::new();
    text.line().plain("Rehearsed ").add(Mark::Strong, &rehearsal.document);
    text.plain(format!(" (plan {}) in {}", rehearsal.digest.short(), duration(rehearsal.took_ms)));
    for copy in &rehearsal.copies {
        let line = format!(
            "{}: {} on {}, {}, made in {}",
            copy.target,
            if copy.from == "now" { "a copy made now".to_owned() } else { format!("backup {}", copy.from) },
            copy.place,
            count_rows(copy.rows),
            duration(copy.took_ms)
        );
        text.wrapped("  ", Mark::Plain, &line);
    }
    text.line();
    rehearsal.statements.iter().for_each(|statement| statement_lines(&mut text, statement));
    if !rehearsal.left_out.is_empty() {
        text.line();
        text.line().add(Mark::Strong, "Not rehearsed");
        for left in &rehearsal.left_out {
            text.line().plain("  ").plain(shorten(&format!("{}  {}", left.place, left.what), COLUMNS - 2));
            text.wrapped("    ", Mark::Dim, &left.why);
        }
    }
    text.line();
    text.line().add(Mark::Strong, "As a whole");
    for round in &rehearsal.rounds {
        let mark = if round.is_same { Mark::Good } else { Mark::Bad };
        let word = if round.is_same { "same" } else { "different" };
        text.line().plain("  ").plain(pad(&round.what, 44)).add(mark, word);
        for line in round.lines.iter().take(DIFFERENCES_MAX) {
            text.wrapped("    ", Mark::Plain, line);
        }
        more(&mut text, round.lines.len());
    }
    for note in &rehearsal.notes {
        text.wrapped("  note  ", Mark::Dim, note);
    }
    text.line();
    text.wrapped("", Mark::Strong, &summary(rehearsal));
    text
}

fn count_rows(rows: u64) -> String {
    count(usize::try_from(rows).unwrap_or(usize::MAX), "row")
}

fn statement_lines(text: &mut Text, statement: &Rehearsed) {
    let verdict = statement.verdict.word();
    let head = shorten(&format!("{}  {}", statement.place, statement.unit), COLUMNS - 4 - width(verdict));
    text.line().plain("  ").add(Mark::Strong, pad(&head, COLUMNS - 3 - width(verdict)));
    text.add(statement.verdict.mark(), verdict);
    text.line().plain("    ").plain(shorten(&statement.statement, COLUMNS - 4));
    let mut facts = vec![];
    facts.extend(statement.took_ms.map(duration));
    facts.extend(statement.rows.map(count_rows));
    facts.extend(statement.undo_ms.map(|ms| format!("undo {}", duration(ms))));
    facts.extend(statement.algorithm.clone());
    facts.extend(statement.lock.as_ref().map(lock_words));
    if !facts.is_empty() {
        text.wrapped("    ", Mark::Dim, &facts.join(", "));
    }
    if statement.verdict == RehearsedVerdict::CannotUndo {
        text.line().plain("    undo class ").add(class_mark(statement.class), statement.class.to_string());
    }
    for line in statement.why.iter().take(DIFFERENCES_MAX) {
        text.wrapped("    ", statement.verdict.mark(), line);
    }
    more(text, statement.why.len());
    for line in &statement.disturbed {
        text.wrapped("    disturbed: ", Mark::Bad, line);
    }
}

fn more(text: &mut Text, lines: usize) {
    if lines > DIFFERENCES_MAX {
        text.line().plain(format!("    and {} lines more (`--json` has them)", lines - DIFFERENCES_MAX));
    }
}

fn lock_words(lock: &LockJson) -> String {
    let how = match (lock.ms, lock.is_measured) {
        (Some(ms), true) => format!("for {}", duration(ms)),
        (None, _) => "too short to be seen".to_owned(),
        (Some(ms), false) => format!("by its text, for at most {}", duration(ms)),
    };
    let on = if lock.table.is_empty() { String::new() } else { format!(" on {}", lock.table) };
    format!("lock {}{on} {how}", lock.mode)
}

/// In one sentence.
fn summary(rehearsal: &Rehearsal) -> String {
    let of = |verdict| rehearsal.statements.iter().filter(|statement| statement.verdict == verdict).count();
    let all = [
        RehearsedVerdict::Exact,
        RehearsedVerdict::ColumnOrder,
        RehearsedVerdict::Different,
        RehearsedVerdict::CannotUndo,
        RehearsedVerdict::Readonly,
        RehearsedVerdict::Failed,
        RehearsedVerdict::NotReached,
    ];
    let parts = all.into_iter().filter(|verdict| of(*verdict) > 0);
    let parts: Vec<String> = parts.map(|verdict| format!("{} {}", of(verdict), verdict.word())).collect();
    let left = match rehearsal.left_out.len() {
        0 => String::new(),
        left => format!(", {} not rehearsed", count(left, "unit")),
    };
    format!(
        "{}: {}{left}. {}",
        count(rehearsal.statements.len(), "statement"),
        parts.join(", "),
        downtime(rehearsal)
    )
}

fn downtime(rehearsal: &Rehearsal) -> String {
    match (rehearsal.downtime_ms, rehearsal.blocked_ms) {
        (Some(ms), _) => format!("Predicted downtime {}", duration(ms)),
        (None, 0) => "No service is stopped".to_owned(),
        (None, ms) => format!("No service is stopped; writers wait for about {}", duration(ms)),
    }
}

/// What `plan` says about the rehearsal of its document; `None`: there was none.
#[must_use]
pub fn rehearsed_text(rehearsal: Option<&Rehearsal>, plan: &Plan, zone: &TimeZone) -> Text {
    let mut text = Text::new();
    let Some(rehearsal) = rehearsal else { return text };
    let at = moment(rehearsal.at_ms, zone);
    let changed = rehearsal.changed_steps(plan);
    if rehearsal.digest != plan.digest() && !changed.is_empty() {
        let steps = changed.join(", ");
        let line = format!("rehearsed at {at}, but changed since: {steps}; `windlass rehearse` again");
        text.wrapped("Stale: ", Mark::Warn, &line);
        return text;
    }
    let (mark, word) = if rehearsal.is_good() { (Mark::Good, "well") } else { (Mark::Bad, "with problems") };
    text.wrapped("Rehearsed ", mark, &format!("{word} at {at}. {}", summary(rehearsal)));
    if let (Some(ms), Some(budget)) = (rehearsal.downtime_ms, plan.release.downtime_ms)
        && ms > budget
    {
        let line = format!("the document allows a downtime of {}", duration(budget));
        text.wrapped("  ", Mark::Bad, &line);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statement(verdict: RehearsedVerdict) -> Rehearsed {
        Rehearsed {
            unit: "加列/1".into(),
            place: "发布文档.md:12".into(),
            statement:
                "ALTER TABLE `record` ADD COLUMN `s3_key` VARCHAR(50) COMMENT '数据库里的键，长长的说明'"
                    .into(),
            target: "db".into(),
            class: Class::Exact,
            verdict,
            took_ms: Some(1200),
            undo_ms: Some(30),
            rows: Some(3),
            lock: Some(LockJson {
                mode: "ACCESS EXCLUSIVE".into(),
                table: "record".into(),
                ms: Some(12),
                is_measured: true,
                blocks_writes: true,
            }),
            algorithm: None,
            why: vec![],
            disturbed: vec![],
        }
    }

    fn rehearsal(statements: Vec<Rehearsed>) -> Rehearsal {
        Rehearsal {
            format: REHEARSAL_FORMAT,
            document: "发布文档.md".into(),
            digest: Digest::of(b"x"),
            steps: BTreeMap::new(),
            at_ms: 0,
            took_ms: 5000,
            copies: vec![],
            statements,
            left_out: vec![LeftOut {
                unit: "停机/1".into(),
                place: "发布文档.md:3".into(),
                what: "docker-compose down".into(),
                why: "it is no SQL".into(),
            }],
            rounds: vec![RoundJson { what: "undo everything".into(), is_same: true, lines: vec![] }],
            downtime_ms: Some(1200),
            blocked_ms: 12,
            notes: vec![],
        }
    }

    #[test]
    fn text_fits_and_wide_characters_line_up() {
        let text = rehearsal_text(&rehearsal(vec![
            statement(RehearsedVerdict::Exact),
            statement(RehearsedVerdict::ColumnOrder),
        ]))
        .to_string();
        assert!(text.lines().all(|line| width(line) <= COLUMNS), "{text}");
        let ends: Vec<usize> = text.lines().filter(|line| line.contains("加列/1")).map(width).collect();
        assert_eq!(ends, [79, 79], "{text}");
        assert!(text.contains("Predicted downtime 1.2s") && text.contains("docker-compose down"), "{text}");
    }

    #[test]
    fn good_is_only_what_led_back_and_was_not_disturbed() {
        assert!(rehearsal(vec![statement(RehearsedVerdict::Exact)]).is_good());
        assert!(!rehearsal(vec![statement(RehearsedVerdict::Different)]).is_good());
        let crashed = Rehearsed { disturbed: vec!["x".into()], ..statement(RehearsedVerdict::Exact) };
        assert!(!rehearsal(vec![crashed]).is_good());
        let said = Rehearsed { class: Class::None, ..statement(RehearsedVerdict::CannotUndo) };
        assert!(rehearsal(vec![said]).is_good(), "the plan said so");
        assert!(
            !rehearsal(vec![statement(RehearsedVerdict::CannotUndo)]).is_good(),
            "the plan said otherwise"
        );
    }
}
