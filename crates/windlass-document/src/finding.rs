//! Findings: what is wrong, where, why, and what to write instead. Used by every layer that reads text.

use crate::Span;
use serde::{Deserialize, Serialize};

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing; nothing is refused.
    Note,
    /// Dangerous or doubtful; nothing is refused.
    Warning,
    /// The document cannot be used as it is.
    Error,
}

/// How sure we are that the finding is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Confidence {
    /// A guess from the shape of the text.
    Low,
    /// Likely; a fact of the world could make it harmless.
    Medium,
    /// It follows from the text alone.
    High,
}

/// A second place that explains the first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// Where.
    pub span: Span,
    /// What that place has to do with it.
    pub text: String,
}

/// A change of the file that cures the finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fix {
    /// What the change does, as an instruction.
    pub text: String,
    /// The bytes to replace (empty span: insert).
    pub span: Span,
    /// What to put there.
    pub replacement: String,
    /// Whether it can be applied without a person reading it.
    pub safe: bool,
}

/// One finding. It carries no terminal types: colours and layout belong to the binary.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Rule name, kebab-case, stable: it is what documents and scripts refer to.
    pub rule: String,
    /// How bad.
    pub severity: Severity,
    /// How sure.
    pub confidence: Confidence,
    /// What is wrong, one sentence without a full stop.
    pub message: String,
    /// Where; the caret stands here.
    pub span: Span,
    /// Text beside the caret; may be empty.
    pub label: String,
    /// Why it matters; may be empty.
    pub why: String,
    /// What to do, in words; may be empty.
    pub help: String,
    /// Other places.
    pub notes: Vec<Note>,
    /// Ready changes, best first.
    pub fixes: Vec<Fix>,
}

impl Finding {
    /// A certain error at `span`.
    pub fn error(rule: &str, span: Span, message: impl Into<String>) -> Self {
        Self::new(rule, Severity::Error, span, message)
    }

    /// A certain warning at `span`.
    pub fn warning(rule: &str, span: Span, message: impl Into<String>) -> Self {
        Self::new(rule, Severity::Warning, span, message)
    }

    /// A note at `span`.
    pub fn note(rule: &str, span: Span, message: impl Into<String>) -> Self {
        Self::new(rule, Severity::Note, span, message)
    }

    /// A finding of `severity` at `span`.
    pub fn new(rule: &str, severity: Severity, span: Span, message: impl Into<String>) -> Self {
        Self {
            rule: rule.to_owned(),
            severity,
            confidence: Confidence::High,
            message: message.into(),
            span,
            label: String::new(),
            why: String::new(),
            help: String::new(),
            notes: Vec::new(),
            fixes: Vec::new(),
        }
    }

    /// With the text beside the caret.
    #[must_use]
    pub fn label(mut self, text: impl Into<String>) -> Self {
        self.label = text.into();
        self
    }

    /// With the reason.
    #[must_use]
    pub fn why(mut self, text: impl Into<String>) -> Self {
        self.why = text.into();
        self
    }

    /// With what to do.
    #[must_use]
    pub fn help(mut self, text: impl Into<String>) -> Self {
        self.help = text.into();
        self
    }

    /// With a second place.
    #[must_use]
    pub fn also(mut self, span: Span, text: impl Into<String>) -> Self {
        self.notes.push(Note { span, text: text.into() });
        self
    }

    /// With a change that cures it.
    #[must_use]
    pub fn fix(
        mut self,
        span: Span,
        replacement: impl Into<String>,
        text: impl Into<String>,
        safe: bool,
    ) -> Self {
        self.fixes.push(Fix { text: text.into(), span, replacement: replacement.into(), safe });
        self
    }
}
