//! The tree of a release document.

use crate::{Finding, Span, Spanned, diff::FilePatch, http::HttpEntry, shell::ShellScript};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Result of reading a document: always a tree, and every problem of the file.
#[derive(Clone, Debug)]
pub struct Parsed {
    /// What could be read.
    pub document: Document,
    /// All problems, in order of place. The document may be run only if none is an error.
    pub findings: Vec<Finding>,
}

/// A release document.
#[derive(Clone, Debug, Default)]
pub struct Document {
    /// The header, with defaults where it is missing or wrong.
    pub front: FrontMatter,
    /// Text of the first level-one heading.
    pub title: Option<String>,
    /// Headings: they name stages, nothing more.
    pub stages: Vec<Stage>,
    /// Executable fences in the order of the file, gates' nested fences included.
    pub steps: Vec<Step>,
    /// `- [ ]` and `- [x]` items in the order of the file.
    pub gates: Vec<Gate>,
}

/// Front matter of a release document (YAML between `---` lines).
#[derive(Clone, Debug, Default)]
pub struct FrontMatter {
    /// Version that this document releases; required.
    pub release: Option<Spanned<String>>,
    /// Version that serves before.
    pub from: Option<Spanned<String>>,
    /// Environment: selects `windlass.<env>.toml`.
    pub env: Option<Spanned<String>>,
    /// Kind of change.
    pub kind: Option<Spanned<Kind>>,
    /// How urgent it is.
    pub severity: Option<Spanned<Urgency>>,
    /// How long the service may be away.
    pub downtime: Option<Spanned<Downtime>>,
    /// Identifier of the change ticket.
    pub ticket: Option<Spanned<String>>,
}

/// Kind of change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A new feature.
    Feature,
    /// A bug fix.
    Fix,
    /// Faster or smaller.
    Performance,
    /// A security patch.
    Security,
}

/// How urgent a release is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Urgency {
    /// At once.
    Critical,
    /// Within days.
    Recommended,
    /// With the next batch.
    Optional,
}

impl Urgency {
    /// All of them, the most urgent first.
    pub const ALL: [Self; 3] = [Self::Critical, Self::Recommended, Self::Optional];

    /// Its word in the front matter.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::Recommended => "recommended",
            Self::Optional => "optional",
        }
    }
}

/// Downtime budget of the front matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Downtime(pub Duration);

/// A heading, in any language.
#[derive(Clone, Debug)]
pub struct Stage {
    /// Its text without marks.
    pub text: String,
    /// 1 to 6.
    pub level: u8,
    /// The heading line.
    pub span: Span,
}

/// Language of an executable fence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// `sh`, `bash`.
    Shell,
    /// `sql`, `mysql`, `postgresql`.
    Sql,
    /// `diff`.
    Diff,
    /// `http` (Hurl syntax).
    Http,
}

/// SQL dialect that the info string names; `sql` names none, the target decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dialect {
    /// `mysql`: MySQL and MariaDB.
    Mysql,
    /// `postgresql`.
    Postgresql,
}

/// One executable fence.
#[derive(Clone, Debug)]
pub struct Step {
    /// `#id`, or `step-N` with N counted from 1 over the steps of the file. Ids are unique.
    pub id: Spanned<String>,
    /// Whether the document wrote the id.
    pub id_written: bool,
    /// What kind of fence.
    pub language: Language,
    /// Dialect, when the info string names one.
    pub dialect: Option<Dialect>,
    /// What stands in the braces.
    pub attributes: Attributes,
    /// The text between the fence lines.
    pub body: Body,
    /// `body`, read by the parser of its language.
    pub script: Script,
    /// Index into `Document::stages` of the heading it stands under.
    pub stage: Option<usize>,
    /// Index into `Document::gates` of the item it is nested in: success ticks that gate.
    pub gate: Option<usize>,
    /// The whole fence, first to last fence line.
    pub span: Span,
}

/// A fence body after the parser of its language.
#[derive(Clone, Debug)]
pub enum Script {
    /// Shell lines.
    Shell(ShellScript),
    /// SQL is split by `windlass-sql`, which knows the target's dialect.
    Sql,
    /// File edits.
    Diff(Vec<FilePatch>),
    /// HTTP requests and asserts.
    Http(Vec<HttpEntry>),
}

/// Text of a fence and where each part of it stands in the file (nesting and quoting are taken off).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Body {
    /// The text, lines ended by `\n`.
    pub text: String,
    /// Runs of `text` that are contiguous in the file, in order.
    pub segments: Vec<Segment>,
}

/// A run of a body's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Offset in `Body::text`.
    pub body: usize,
    /// Offset in the file.
    pub source: usize,
    /// Bytes.
    pub len: usize,
}

impl Body {
    /// The file offset of an offset of `text`. Offsets in text that is not in the file (a line end that was
    /// normalised) map to the end of the run before.
    #[must_use]
    pub fn to_source(&self, offset: usize) -> usize {
        let at = self.segments.partition_point(|s| s.body <= offset);
        let Some(segment) = self.segments.get(at.saturating_sub(1)) else { return 0 };
        segment.source + offset.saturating_sub(segment.body).min(segment.len)
    }

    /// The file span of a span of `text`.
    #[must_use]
    pub fn span_to_source(&self, span: Span) -> Span {
        let start = self.to_source(span.start);
        if span.end <= span.start {
            return Span::new(start, start);
        }
        // The end belongs to the run of the last byte: the next run may begin behind a list's indent or a `>`.
        let at = self.segments.partition_point(|s| s.body < span.end);
        let end = at.checked_sub(1).map_or(start, |at| {
            let segment = self.segments[at];
            segment.source + (span.end - segment.body).min(segment.len)
        });
        Span::new(start, end)
    }

    /// Adds `text`, which stands in the file at `source`.
    pub(crate) fn push(&mut self, text: &str, source: usize) {
        if text.is_empty() {
            return;
        }
        let body = self.text.len();
        self.text.push_str(text);
        match self.segments.last_mut() {
            Some(last) if last.body + last.len == body && last.source + last.len == source => {
                last.len += text.len();
            }
            _ => self.segments.push(Segment { body, source, len: text.len() }),
        }
    }

    /// Adds text that is not in the file (a tab of which only a part belongs to the list item).
    pub(crate) fn push_synthetic(&mut self, text: &str) {
        self.text.push_str(text);
    }
}

/// What stands in the braces, from the closed set of DESIGN section 3.3.
#[derive(Clone, Debug, Default)]
pub struct Attributes {
    /// `on=`: the target.
    pub on: Option<Spanned<String>>,
    /// `undo=ID`: undo by that step's backup.
    pub undo: Option<Spanned<String>>,
    /// `undoes=ID`: this fence is the hand-written undo of that step.
    pub undoes: Option<Spanned<String>>,
    /// `readonly`: changes nothing.
    pub readonly: Option<Span>,
    /// `irreversible`: there is no way back, on purpose.
    pub irreversible: Option<Span>,
    /// `online`: promise that version `from` keeps working.
    pub online: Option<Span>,
    /// `again=ID`: repeat an idempotent step.
    pub again: Option<Spanned<String>>,
    /// `after=7d`: runs no sooner, and asks again.
    pub after: Option<Spanned<Duration>>,
    /// `within=60s`: retry until this deadline.
    pub within: Option<Spanned<Duration>>,
    /// `timeout=`: a single try may take this long.
    pub timeout: Option<Spanned<Duration>>,
    /// `rows=115`: expected count.
    pub rows: Option<Spanned<u64>>,
    /// `files="migrations/*.sql"`: statements from files.
    pub files: Option<Spanned<String>>,
    /// `batch=`: rows per batch.
    pub batch: Option<Spanned<u64>>,
    /// `serial=1`, `serial=25%`, `serial=1,25%,100%`: hosts at a time.
    pub serial: Option<Spanned<Serial>>,
}

/// Hosts at a time: they are worked on in batches, one after another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Serial {
    /// A number of hosts, at least 1.
    Hosts(u32),
    /// A share of all hosts of the step, 1 to 100, rounded up.
    Percent(u8),
    /// The size of each batch; the last one is repeated.
    Growing(Vec<Share>),
}

/// Size of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Share {
    /// A number of hosts, at least 1.
    Hosts(u32),
    /// A share of all hosts of the step, 1 to 100, rounded up.
    Percent(u8),
}

impl Share {
    fn of(self, hosts: usize) -> usize {
        match self {
            Self::Hosts(number) => usize::try_from(number).unwrap_or(usize::MAX),
            Self::Percent(percent) => hosts.saturating_mul(usize::from(percent)).div_ceil(100),
        }
    }
}

impl Serial {
    /// How many of `hosts` hosts are in each batch, in order. No batch is empty.
    #[must_use]
    pub fn batches(&self, hosts: usize) -> Vec<usize> {
        let single;
        let shares = match self {
            Self::Hosts(number) => {
                single = [Share::Hosts(*number)];
                &single[..]
            }
            Self::Percent(percent) => {
                single = [Share::Percent(*percent)];
                &single[..]
            }
            Self::Growing(shares) => shares,
        };
        let (mut left, mut batches) = (hosts, Vec::new());
        while left > 0 {
            let share = shares.get(batches.len()).or(shares.last());
            let size = share.map_or(left, |share| share.of(hosts)).clamp(1, left);
            batches.push(size);
            left -= size;
        }
        batches
    }
}

/// State of a checklist item as written. A written tick is a statement, never an approval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GateState {
    /// `- [ ]`: to be confirmed.
    Open,
    /// `- [x]`: a statement.
    Stated,
}

/// A checklist item.
#[derive(Clone, Debug)]
pub struct Gate {
    /// `gate-N`, N counted from 1 over the items of the file.
    pub id: String,
    /// Its text without marks, nested fences left out.
    pub text: String,
    /// As written.
    pub state: GateState,
    /// Index into `Document::stages`.
    pub stage: Option<usize>,
    /// The item's first line.
    pub span: Span,
    /// Indices into `Document::steps` of the nested checks.
    pub checks: Vec<usize>,
}
