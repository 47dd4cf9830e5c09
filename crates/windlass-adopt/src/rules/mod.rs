//! What is dangerous in a runbook: rules over its commands, statements and words. Those of the release as a whole, which
//! `windlass check` knows too, come from there.

mod commands;
mod missing;
mod order;
mod statements;
mod text;

use crate::{
    Source,
    config::Release,
    sections::Section,
    walk::{Notes, Words},
};
use windlass_document::{Finding, Severity, Span};

/// A rule about runbooks.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// Name, kebab-case, stable.
    pub name: &'static str,
    /// Severity of its findings.
    pub severity: Severity,
    /// Why it matters.
    pub why: &'static str,
}

impl Rule {
    pub(crate) fn at(&self, span: Span, message: impl Into<String>) -> Finding {
        Finding::new(self.name, self.severity, span, message).why(self.why)
    }
}

/// Declares the rules and the list of them.
macro_rules! rules {
    ($($id:ident = $name:literal, $severity:ident, $why:literal;)*) => {
        $(pub(crate) const $id: Rule = Rule { name: $name, severity: Severity::$severity, why: $why };)*
        /// All rules about runbooks.
        pub const RULES: &[Rule] = &[$($id),*];
    };
}

rules! {
    BREAKS_SERVING = "breaks-what-serves", Error,
        "requests of the version before fail from that statement on, until the new version serves";
    RM_THEN_MV = "rm-then-mv", Error,
        "`rm` without `-r` fails on a folder; the `mv` behind it then succeeds all the same and puts the copy inside of the broken folder, and the service starts on the broken data";
    COPY_AFTER_START = "copy-after-start", Error,
        "what was written between the first copy and the start is not there yet while the new version serves: its rows point at nothing";
    LATEST = "latest-image", Warning,
        "`latest` names another image tomorrow: nothing brings back the one that ran";
    UPDATE_UNGUARDED = "update-unguarded", Warning,
        "in a console it is committed at once, and nobody compares the number of rows";
    BACKUP_NAMES_NO_DATABASE = "backup-without-database", Warning,
        "code can be fetched again, data cannot";
    MIGRATIONS_IN_ONE_GO = "migrations-in-one-go", Warning,
        "when one of them fails, the next runs on a schema that it does not expect, and nobody knows which ran";
    ROLLBACK_BY_COMMIT = "rollback-by-commit", Warning,
        "the commit before is not the release before: fixes on the server, several commits of one release and the database are not in it";
    PLAIN_PROCESS = "plain-process", Warning,
        "nobody holds requests meanwhile or waits until it is healthy; `pkill -f` also meets other processes with such words";
    HEALTH_WITHOUT_ROLLBACK = "health-without-rollback", Warning,
        "the broken version serves until somebody has seen it and typed the way back";
    WINDOW_IN_PROSE = "window-in-prose", Note,
        "words stop nobody at the wrong hour";
    GRANT_ALL = "grant-all", Warning,
        "until it is narrowed, if ever, whoever has this password may change every definition";
    ROLLBACK_DROPS_ROWS = "rollback-drops-rows", Error,
        "what users have written since the release is deleted with the table";
    RUNS_TWICE = "runs-twice", Warning,
        "by hand and by the application: the second one meets what the first has made, and which of them failed is unclear";
    IF_NOT_EXISTS = "if-not-exists", Warning,
        "a table of this name with other columns counts as success";
    NOT_SET_BACK = "setting-not-set-back", Warning,
        "it holds for all that comes later in this session: rows that break a key are let in";
    NO_ROLLBACK = "no-rollback-section", Warning,
        "at 2 a.m. nobody invents a way back";
    NO_WINDOW = "no-window", Note, "a release at the busiest hour is allowed by it";
    NO_OPERATOR = "no-operator", Note, "afterwards nobody knows who did what";
    NO_HEALTH = "no-health-check", Warning, "whether the new version works is found out by its users";
    SCHEDULED = "scheduled-release", Warning,
        "nobody is there when it fails; a release that nobody looks at is for development only";
    FORM = "form-for-many", Note, "its items exclude one another, and in the draft each waits for a person";
    ALTERNATIVES = "several-ways", Note, "the draft can take one way only";
    SCRIPT_UNSEEN = "script-unseen", Note, "what it does, and what it does when it fails, stands elsewhere";
    COPY_OF_LIVE_DATABASE = "copy-of-live-database", Warning,
        "a database file that is copied while it is written to may be torn";
    IRREVERSIBLE_BY_HAND = "irreversible-by-hand", Warning,
        "nothing brings it back, and nobody holds whoever does it too early";
    PRECHECK_BEHIND = "check-behind-the-steps", Warning,
        "the order of the document is the order in which things are asked: this would be asked when all is done";
    PLACEHOLDER = "placeholder", Error,
        "somebody has to put the real value there; as it is, the line fails, or the placeholder becomes the value";
    ASKS = "asks-in-script", Warning, "a step runs without a terminal: nobody can answer it";
    GOES_ON = "script-goes-on", Error, "without `set -e` a script goes on after a command that failed";
}

/// What rules look at.
pub(crate) struct Facts<'a> {
    pub(crate) notes: &'a Notes,
    pub(crate) sections: &'a [Section],
    pub(crate) source: Source<'a>,
    pub(crate) release: &'a Release,
}

/// All findings.
pub(crate) fn findings(
    notes: &Notes,
    sections: &[Section],
    source: Source<'_>,
    release: &Release,
) -> Vec<Finding> {
    let facts = Facts { notes, sections, source, release };
    let mut found = Vec::new();
    commands::find(&facts, &mut found);
    statements::find(&facts, &mut found);
    order::find(&facts, &mut found);
    text::find(&facts, &mut found);
    missing::find(&facts, &mut found);
    found
}

/// The lines that say when to release.
pub(crate) fn windows(notes: &Notes) -> Vec<&Words> {
    text::windows(notes)
}

impl Facts<'_> {
    /// The place of the first line.
    pub(crate) fn top(&self) -> Span {
        let start = usize::from(self.source.text.starts_with('\u{feff}')) * 3;
        let len = self.source.text[start..].lines().next().map_or(0, |line| line.trim_end().len());
        Span::new(start, start + len)
    }

    /// Whether any text of the runbook has one of these words, in lower case.
    pub(crate) fn says(&self, words: &[&str]) -> Option<Span> {
        self.notes.words.iter().find(|line| has(&line.text, words)).map(|line| line.span)
    }
}

/// Whether a text has one of these words.
pub(crate) fn has(text: &str, words: &[&str]) -> bool {
    let text = text.to_lowercase();
    words.iter().any(|word| text.contains(word))
}
