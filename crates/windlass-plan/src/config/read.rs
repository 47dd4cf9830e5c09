//! Typed access to the tree. Every problem is noted with its place; reading never stops at the first.

use super::{
    ConfigFinding, ConfigSource,
    time::duration_ms,
    tree::{Item, Place, Table, Value},
};
use crate::suggest;
use std::cell::RefCell;
use windlass_document::{Finding, LineIndex};

/// The files, and the problems found so far.
pub(super) struct Reader<'a> {
    files: Vec<(&'a ConfigSource, LineIndex)>,
    findings: RefCell<Vec<(Place, Finding)>>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(layers: &'a [ConfigSource]) -> Self {
        let files = layers.iter().map(|layer| (layer, LineIndex::new(&layer.text))).collect();
        Self { files, findings: RefCell::default() }
    }

    /// Notes an error at `at`.
    pub(super) fn error(&self, rule: &str, at: Place, message: impl Into<String>, help: impl Into<String>) {
        let finding = Finding::error(rule, at.span, message).help(help);
        self.findings.borrow_mut().push((at, finding));
    }

    /// How many were noted so far.
    pub(super) fn noted(&self) -> usize {
        self.findings.borrow().len()
    }

    /// All that was noted, in order of file and place.
    pub(super) fn into_findings(self) -> Vec<ConfigFinding> {
        let mut findings = self.findings.into_inner();
        findings.sort_by_key(|(place, _)| *place);
        findings
            .into_iter()
            .map(|(place, finding)| {
                let (source, lines) = &self.files[place.file];
                let position = lines.position(&source.text, place.span.start);
                ConfigFinding { file: source.name.clone(), position, finding }
            })
            .collect()
    }

    /// The text of an item, or an error.
    pub(super) fn text(&self, name: &str, item: &Item) -> Option<String> {
        match &item.value {
            Value::Text(text) => Some(text.clone()),
            other => {
                self.wrong_type(name, item.at, "a text in quotes", other);
                None
            }
        }
    }

    pub(super) fn wrong_type(&self, name: &str, at: Place, expected: &str, found: &Value) {
        self.error(
            "config-type",
            at,
            format!("{name} has to be {expected}, not {}", found.name()),
            format!("write {expected}"),
        );
    }

    /// The table of an item, or an error.
    pub(super) fn table<'t>(&self, name: &str, item: &'t Item) -> Option<&'t Table> {
        match &item.value {
            Value::Table(table) => Some(table),
            other => {
                self.wrong_type(name, item.at, "a table", other);
                None
            }
        }
    }
}

/// A table with a closed set of keys.
pub(super) struct Section<'r, 'a, 't> {
    reader: &'r Reader<'a>,
    name: String,
    at: Place,
    table: &'t Table,
}

impl<'r, 'a, 't> Section<'r, 'a, 't> {
    /// The table of `item`; keys other than `keys` are errors.
    pub(super) fn open(
        reader: &'r Reader<'a>,
        name: impl Into<String>,
        item: &'t Item,
        keys: &[&str],
    ) -> Option<Self> {
        let name = name.into();
        let table = reader.table(&name, item)?;
        let section = Self { reader, name, at: item.key, table };
        for (key, item) in table {
            if !keys.contains(&key.as_str()) {
                reader.error(
                    "config-unknown-key",
                    item.key,
                    format!("{} has no key `{key}`", section.name),
                    suggest::help(key, "keys", keys.iter().copied()),
                );
            }
        }
        Some(section)
    }

    pub(super) fn item(&self, key: &str) -> Option<&'t Item> {
        self.table.get(key)
    }

    /// How `key` of this table is called in messages.
    fn path(&self, key: &str) -> String {
        format!("`{key}` of {}", self.name)
    }

    pub(super) fn error(&self, rule: &str, key: &str, message: impl Into<String>, help: impl Into<String>) {
        let at = self.item(key).map_or(self.at, |item| item.at);
        self.reader.error(rule, at, message, help);
    }

    /// A key that must be there is not.
    pub(super) fn missing(&self, message: impl Into<String>, help: impl Into<String>) {
        self.reader.error("config-missing", self.at, format!("{} {}", self.name, message.into()), help);
    }

    pub(super) fn text(&self, key: &str) -> Option<String> {
        let text = self.reader.text(&self.path(key), self.item(key)?)?;
        if text.trim().is_empty() {
            self.error(
                "config-value",
                key,
                format!("{} is empty", self.path(key)),
                "write a value or take it out",
            );
            return None;
        }
        Some(text)
    }

    /// The elements of a list of texts.
    pub(super) fn list(&self, key: &str) -> Option<Vec<(String, Place)>> {
        let item = self.item(key)?;
        let Value::List(items) = &item.value else {
            self.reader.wrong_type(&self.path(key), item.at, "a list of texts", &item.value);
            return None;
        };
        let name = format!("an element of {}", self.path(key));
        Some(items.iter().filter_map(|item| Some((self.reader.text(&name, item)?, item.at))).collect())
    }

    /// Milliseconds of a duration.
    pub(super) fn duration(&self, key: &str) -> Option<u64> {
        let text = self.text(key)?;
        let ms = duration_ms(&text);
        if ms.is_none() {
            self.error(
                "config-value",
                key,
                format!("{} is `{text}`, which is not a duration", self.path(key)),
                "a whole number and a unit: `500ms`, `30s`, `15m`, `2h`, `7d`, or `0`",
            );
        }
        ms
    }

    /// `true` or `false`.
    pub(super) fn flag(&self, key: &str) -> Option<bool> {
        let item = self.item(key)?;
        let Value::Bool(flag) = &item.value else {
            self.reader.wrong_type(&self.path(key), item.at, "`true` or `false`", &item.value);
            return None;
        };
        Some(*flag)
    }

    /// A whole number of at least 1.
    pub(super) fn count(&self, key: &str) -> Option<u32> {
        let item = self.item(key)?;
        let Value::Integer(number) = &item.value else {
            self.reader.wrong_type(&self.path(key), item.at, "a whole number", &item.value);
            return None;
        };
        let count = number.parse().ok().filter(|count| *count > 0);
        if count.is_none() {
            let message = format!("{} is {number}", self.path(key));
            self.error("config-value", key, message, "write a whole number from 1");
        }
        count
    }

    /// One of a closed set of words.
    pub(super) fn word<T: Copy>(&self, key: &str, words: &[(&'static str, T)]) -> Option<T> {
        let text = self.text(key)?;
        let found = words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
        if found.is_none() {
            let help = suggest::help(&text, "values", words.iter().map(|(word, _)| *word));
            self.error("config-value", key, format!("{} cannot be `{text}`", self.path(key)), help);
        }
        found
    }

    /// A table below this one.
    pub(super) fn section(&self, key: &str, keys: &[&str]) -> Option<Section<'r, 'a, 't>> {
        Section::open(self.reader, self.path(key), self.item(key)?, keys)
    }

    pub(super) fn reader(&self) -> &'r Reader<'a> {
        self.reader
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }
}
