//! The words of pages for people, in three languages: `locales/*.ftl`. What documents, people and drivers said stays as it is.
//!
//! A key is always written out in the code, or made of a prefix and a closed set of words; tests hold code and files together.

#[cfg(test)]
mod tests;

use crate::RehearsedVerdict;
use fluent_bundle::{FluentArgs, FluentBundle, FluentResource, FluentValue};
use windlass_document::{Kind, Severity, Urgency};
use windlass_plan::{Class, Lang};

/// All messages in one language.
pub(crate) struct Messages(FluentBundle<FluentResource>);

fn source(lang: Lang) -> &'static str {
    match lang {
        Lang::En => include_str!("../locales/en.ftl"),
        Lang::Zh => include_str!("../locales/zh.ftl"),
        Lang::Ja => include_str!("../locales/ja.ftl"),
    }
}

impl Messages {
    pub(crate) fn new(lang: Lang) -> Self {
        let locale = lang.code().parse().expect("a code of ISO 639 is a locale");
        let mut bundle = FluentBundle::new(vec![locale]);
        // Marks around values that tell the directions of scripts apart would stand in files and on terminals.
        bundle.set_use_isolating(false);
        let resource = FluentResource::try_new(source(lang).to_owned()).expect("tests read every file");
        bundle.add_resource(resource).expect("tests find no message twice");
        Self(bundle)
    }

    /// For terminals, whose text is English.
    pub(crate) fn english() -> Self {
        Self::new(Lang::En)
    }

    /// A message without values.
    pub(crate) fn say(&self, key: &str) -> String {
        self.with(key, [])
    }

    /// A message with its values. A message that is missing is shown by its key: a page is never lost for a word.
    pub(crate) fn with<'v, const N: usize>(
        &self,
        key: &str,
        values: [(&'static str, FluentValue<'v>); N],
    ) -> String {
        let Some(pattern) = self.0.get_message(key).and_then(|message| message.value()) else {
            return key.to_owned();
        };
        let values: FluentArgs<'v> = values.into_iter().collect();
        let mut errors = Vec::new();
        let text = self.0.format_pattern(pattern, Some(&values), &mut errors).into_owned();
        debug_assert!(errors.is_empty(), "{key}: {errors:?}");
        text
    }

    /// The word for a state of a unit ([`crate::unit_word`]).
    pub(crate) fn state(&self, word: &str) -> String {
        self.say(&keyed("state", word))
    }

    /// The word for the result of a run.
    pub(crate) fn result(&self, word: &str) -> String {
        self.say(&keyed("result", word))
    }

    /// The word for what a person did, as the JSON has it.
    pub(crate) fn decision(&self, word: &str) -> String {
        self.say(&keyed("decision", word))
    }

    /// The word for what became of a notice.
    pub(crate) fn outcome(&self, word: &str) -> String {
        self.say(&keyed("outcome", word))
    }

    /// Several things that are to be said, one behind another.
    pub(crate) fn join(&self, parts: &[String]) -> String {
        parts.join(&self.say("page-join"))
    }

    /// A document that something was made from.
    pub(crate) fn document(&self, name: &str, sha256: &str) -> String {
        self.with("page-document-is", [("name", name.into()), ("sha256", sha256.into())])
    }

    /// The heading of a step.
    pub(crate) fn step(&self, id: &str, line: usize, stage: Option<&str>) -> String {
        let heading = self.with("page-step", [("step", id.into()), ("line", line.into())]);
        stage.map_or(heading.clone(), |stage| format!("{heading} — {stage}"))
    }

    pub(crate) fn class(&self, class: Class) -> String {
        self.say(match class {
            Class::Readonly => "class-readonly",
            Class::Exact => "class-exact",
            Class::Lossy => "class-lossy",
            Class::Restore => "class-restore",
            Class::None => "class-none",
        })
    }

    /// What the class of a release means for its way back.
    pub(crate) fn class_means(&self, class: Class) -> String {
        self.say(match class {
            Class::Readonly => "class-means-readonly",
            Class::Exact => "class-means-exact",
            Class::Lossy => "class-means-lossy",
            Class::Restore => "class-means-restore",
            Class::None => "class-means-none",
        })
    }

    pub(crate) fn kind(&self, kind: Kind) -> String {
        self.say(match kind {
            Kind::Feature => "kind-feature",
            Kind::Fix => "kind-fix",
            Kind::Performance => "kind-performance",
            Kind::Security => "kind-security",
        })
    }

    pub(crate) fn urgency(&self, urgency: Urgency) -> String {
        self.say(match urgency {
            Urgency::Critical => "urgency-critical",
            Urgency::Recommended => "urgency-recommended",
            Urgency::Optional => "urgency-optional",
        })
    }

    /// How the undo of a rehearsed statement went.
    pub(crate) fn verdict(&self, verdict: RehearsedVerdict) -> String {
        self.say(match verdict {
            RehearsedVerdict::Exact => "verdict-exact",
            RehearsedVerdict::ColumnOrder => "verdict-column-order",
            RehearsedVerdict::Different => "verdict-different",
            RehearsedVerdict::CannotUndo => "verdict-cannot-undo",
            RehearsedVerdict::Readonly => "verdict-readonly",
            RehearsedVerdict::Failed => "verdict-failed",
            RehearsedVerdict::NotReached => "verdict-not-reached",
        })
    }

    pub(crate) fn severity(&self, severity: Severity) -> String {
        self.say(match severity {
            Severity::Note => "severity-note",
            Severity::Warning => "severity-warning",
            Severity::Error => "severity-error",
        })
    }
}

/// `failed partly` of `state` is `state-failed-partly`.
fn keyed(prefix: &str, word: &str) -> String {
    format!("{prefix}-{}", word.replace(' ', "-"))
}
