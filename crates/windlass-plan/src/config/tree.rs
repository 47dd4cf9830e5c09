//! TOML as an owned tree in which every key and value knows its file and bytes, and the merge of layers.

use std::collections::BTreeMap;
use toml::{Spanned, de::DeTable, de::DeValue};
use windlass_document::Span;

/// A place in one of the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) file: usize,
    pub(super) span: Span,
}

/// A key with its value.
#[derive(Clone, Debug)]
pub(super) struct Item {
    /// Where the key stands; of a list element: where the element stands.
    pub(super) key: Place,
    /// Where the value stands.
    pub(super) at: Place,
    pub(super) value: Value,
}

pub(super) type Table = BTreeMap<String, Item>;

#[derive(Clone, Debug)]
pub(super) enum Value {
    Text(String),
    Integer(String),
    Bool(bool),
    List(Vec<Item>),
    Table(Table),
    Float,
    Date,
}

impl Value {
    /// What it is, for people.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Text(_) => "a text",
            Self::Integer(_) => "a whole number",
            Self::Bool(_) => "true or false",
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
            Self::Float => "a number",
            Self::Date => "a date",
        }
    }
}

/// Copies a parsed table.
pub(super) fn owned(table: &DeTable<'_>, file: usize) -> Table {
    table
        .iter()
        .map(|(key, value)| {
            let mut item = item(value, file);
            item.key = Place { file, span: span(key) };
            (key.get_ref().to_string(), item)
        })
        .collect()
}

fn item(value: &Spanned<DeValue<'_>>, file: usize) -> Item {
    let at = Place { file, span: span(value) };
    let value = match value.get_ref() {
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Integer(number) => Value::Integer(number.to_string()),
        DeValue::Boolean(flag) => Value::Bool(*flag),
        DeValue::Array(items) => Value::List(items.iter().map(|value| item(value, file)).collect()),
        DeValue::Table(table) => Value::Table(owned(table, file)),
        DeValue::Float(_) => Value::Float,
        DeValue::Datetime(_) => Value::Date,
    };
    Item { key: at, at, value }
}

fn span<T>(spanned: &Spanned<T>) -> Span {
    let range = spanned.span();
    Span::new(range.start, range.end)
}

/// Keys of which a table may have one: a layer that sets one takes away the others of the layers before it.
/// By depth, because tables of depth 1 (`[target.env]`) are named by the user.
fn alternatives(depth: usize) -> impl Iterator<Item = (&'static str, &'static [&'static str])> {
    let own: &[(&str, &[&str])] = match depth {
        2 => &[
            ("run", &["compose", "systemd"]),
            ("compose", &["run", "systemd"]),
            ("systemd", &["run", "compose"]),
            ("url", &["hosts", "dir", "ssh_config"]),
            ("hosts", &["url", "kind"]),
            ("dir", &["url", "kind"]),
            ("ssh_config", &["url", "kind"]),
        ],
        _ => &[],
    };
    // Where a secret is: `[secret.NAME]`, or a value of another table.
    let secret: &[(&str, &[&str])] = match depth {
        2 | 3 => {
            &[("env", &["file", "command"]), ("file", &["env", "command"]), ("command", &["env", "file"])]
        }
        _ => &[],
    };
    own.iter().chain(secret).copied()
}

/// Lays `over` on `base`: tables are merged, everything else is replaced.
pub(super) fn merge(base: &mut Table, over: Table, depth: usize) {
    for (_, others) in alternatives(depth).filter(|(key, _)| over.contains_key(*key)) {
        for other in others.iter().filter(|other| !over.contains_key(**other)) {
            base.remove(*other);
        }
    }
    for (key, item) in over {
        let old = base.remove(&key);
        let item = match (old, item) {
            (
                Some(Item { value: Value::Table(mut inner), .. }),
                Item { key, at, value: Value::Table(outer) },
            ) => {
                merge(&mut inner, outer, depth + 1);
                Item { key, at, value: Value::Table(inner) }
            }
            (_, item) => item,
        };
        base.insert(key, item);
    }
}
