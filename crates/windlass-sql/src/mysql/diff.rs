//! What makes one database of another.

use super::foreign::{follow, foreign_keys, with_columns};
use super::partitions::repartition;
use super::table::{Part, PartKind, Table, name, option};
use super::words::{identifiers, tokens};
use crate::lexer::TokenKind;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// A kind of thing in a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ObjectKind {
    /// `TABLE`
    Table,
    /// `SEQUENCE` of MariaDB
    Sequence,
    /// `FUNCTION`
    Function,
    /// `PROCEDURE`
    Procedure,
    /// `VIEW`
    View,
    /// `EVENT`
    Event,
    /// `TRIGGER`
    Trigger,
}

impl ObjectKind {
    /// As statements name it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Table => "TABLE",
            Self::Sequence => "SEQUENCE",
            Self::Function => "FUNCTION",
            Self::Procedure => "PROCEDURE",
            Self::View => "VIEW",
            Self::Event => "EVENT",
            Self::Trigger => "TRIGGER",
        }
    }
}

/// The settings that an object was made with and keeps.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// `sql_mode`
    pub mode: String,
    /// `character_set_client`
    pub client: String,
    /// `collation_connection`
    pub collation: String,
    /// `time_zone` of an event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
}

/// A thing in a database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// Its statement, from `SHOW CREATE`.
    pub text: String,
    /// Its settings; tables have none.
    pub settings: Option<Settings>,
    /// The table of a trigger, and its place among those that fire at the same time.
    pub parent: Option<(String, u32)>,
}

impl Object {
    /// The same object has the same text.
    #[must_use]
    pub fn print(&self, kind: ObjectKind) -> String {
        if kind == ObjectKind::Table
            && let Some(table) = Table::read(&self.text)
        {
            return table.print();
        }
        let settings = self.settings.as_ref();
        let settings = settings.map(|of| {
            let zone = of.zone.as_ref().map(|zone| format!("|{zone}"));
            format!("{}|{}|{}{}", of.mode, of.client, of.collation, zone.unwrap_or_default())
        });
        let place = self.parent.as_ref().map(|(table, place)| format!("{table}|{place}"));
        format!("{}|{}|{}", self.text, settings.unwrap_or_default(), place.unwrap_or_default())
    }
}

/// Things by kind and name.
pub type Catalog = BTreeMap<(ObjectKind, String), Object>;

/// What has another name in the second database.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Renames {
    /// Tables, from and to.
    pub tables: Vec<(String, String)>,
    /// Columns of a table, which has its name of the second database: from and to.
    pub columns: Vec<(String, String, String)>,
}

/// One statement of the way, with what it has to run under.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// The statement.
    pub sql: String,
    /// Settings of the object that it makes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settings: Option<Settings>,
}

impl Step {
    /// Without settings.
    #[must_use]
    pub fn plain(sql: String) -> Self {
        Self { sql, settings: None }
    }
}

/// Statements that make `to` of `from`. With `apart`, changes of a table are statements of their own, for servers that do
/// not take them together.
#[must_use]
pub fn diff(from: &Catalog, to: &Catalog, renames: &Renames, apart: bool) -> Vec<Step> {
    let mut steps = Vec::new();
    let same = |key: &(ObjectKind, String)| {
        from.get(key).zip(to.get(key)).is_some_and(|(a, b)| a.print(key.0) == b.print(key.0))
    };
    let mixed = mixed(from, to, &same);
    let kept = |key: &(ObjectKind, String), object: &Object| {
        same(key) && !object.parent.as_ref().is_some_and(|(table, _)| mixed.contains(table))
    };
    for (key, object) in from.iter().rev() {
        if !matches!(key.0, ObjectKind::Table | ObjectKind::Sequence) && !kept(key, object) {
            steps.push(Step::plain(format!("DROP {} {}", key.0.word(), name(&key.1))));
        }
    }
    tables(from, to, renames, apart, &mut steps);
    let mut new: Vec<_> = to
        .iter()
        .filter(|(key, object)| {
            !matches!(key.0, ObjectKind::Table | ObjectKind::Sequence) && !kept(key, object)
        })
        .collect();
    // Triggers by their place; views behind those that they read.
    new.sort_by_key(|(key, object)| (key.0, object.parent.as_ref().map(|(_, place)| *place), key.1.clone()));
    let views: BTreeSet<String> =
        new.iter().filter(|(key, _)| key.0 == ObjectKind::View).map(|(key, _)| key.1.clone()).collect();
    let mut made: BTreeSet<String> = BTreeSet::new();
    while !new.is_empty() {
        let ready = new.iter().position(|(key, object)| {
            key.0 != ObjectKind::View
                || identifiers(&object.text)
                    .iter()
                    .all(|word| *word == key.1 || !views.contains(word) || made.contains(word))
        });
        let (key, object) = new.remove(ready.unwrap_or(0));
        made.insert(key.1.clone());
        steps.push(Step { sql: object.text.clone(), settings: object.settings.clone() });
    }
    steps
}

/// Tables whose triggers are not all the same: they are made anew together, for their order.
fn mixed(from: &Catalog, to: &Catalog, same: &dyn Fn(&(ObjectKind, String)) -> bool) -> BTreeSet<String> {
    let differs = from.iter().chain(to).filter(|(key, _)| !same(key));
    differs.filter_map(|(_, object)| object.parent.as_ref().map(|(table, _)| table.clone())).collect()
}

/// What `SHOW CREATE SEQUENCE` writes of its rules, as `ALTER SEQUENCE` takes it (MariaDB only).
fn alter_sequence(sequence: &str, create: &str) -> Option<Step> {
    let rules = create.get(create.find(" start with ")?..)?;
    let rules = rules.split_once(" ENGINE=").map_or(rules, |(rules, _)| rules);
    Some(Step::plain(format!("ALTER SEQUENCE {}{rules}", name(sequence))))
}

fn tables(from: &Catalog, to: &Catalog, renames: &Renames, apart: bool, steps: &mut Vec<Step>) {
    if !renames.tables.is_empty() {
        let pairs = renames.tables.iter().map(|(from, to)| format!("{} TO {}", name(from), name(to)));
        steps.push(Step::plain(format!("RENAME TABLE {}", pairs.collect::<Vec<_>>().join(", "))));
    }
    let renamed = |table: &str| {
        let mut now = table.to_owned();
        for (old, new) in &renames.tables {
            if *old == now {
                now.clone_from(new);
            }
        }
        now
    };
    let mut left: BTreeMap<String, &Object> = BTreeMap::new();
    for ((kind, table), object) in from {
        let stays = |kind| to.contains_key(&(kind, renamed(table)));
        match kind {
            ObjectKind::Table if stays(ObjectKind::Table) => drop(left.insert(renamed(table), object)),
            ObjectKind::Table => steps.push(Step::plain(format!("DROP TABLE {}", name(table)))),
            ObjectKind::Sequence if !stays(ObjectKind::Sequence) => {
                steps.push(Step::plain(format!("DROP SEQUENCE {}", name(table))));
            }
            _ => {}
        }
    }
    for ((kind, table), object) in to {
        match (kind, left.get(table)) {
            (ObjectKind::Table, Some(old)) => {
                let Some((old, new)) = Table::read(&old.text).zip(Table::read(&object.text)) else {
                    continue;
                };
                let old = follow(&old, table, renames, &renamed);
                let columns = renames.columns.iter().filter(|(of, ..)| of == table);
                let columns: Vec<_> = columns.map(|(_, from, to)| (from.as_str(), to.as_str())).collect();
                steps.extend(alter(&old, &new, &columns, apart).into_iter().map(Step::plain));
            }
            (ObjectKind::Table, None) => {
                let text =
                    Table::read(&object.text).map_or_else(|| object.text.clone(), |table| table.create());
                steps.push(Step::plain(text));
            }
            (ObjectKind::Sequence, _) => match from.get(&(ObjectKind::Sequence, table.clone())) {
                None => steps.push(Step::plain(object.text.clone())),
                Some(old) if old.text != object.text => steps.extend(alter_sequence(table, &object.text)),
                Some(_) => {}
            },
            _ => {}
        }
    }
}

/// These steps to `to`, with indexes that the server may have made by itself made anew as others in front of a foreign key that they are for: it would put one with
/// another name in their place.
#[must_use]
pub fn pinned(steps: Vec<Step>, to: &Catalog) -> Vec<Step> {
    let mut all = Vec::new();
    for step in steps {
        let head = step.sql.strip_prefix("ALTER TABLE ").filter(|_| step.sql.contains("FOREIGN KEY ("));
        let tables = to.iter().filter(|((kind, _), _)| *kind == ObjectKind::Table);
        let table = head.and_then(|head| {
            let mut tables = tables.filter(|((_, of), _)| head.starts_with(&format!("{} ", name(of))));
            Table::read(&tables.next()?.1.text)
        });
        let added: Vec<Vec<String>> = foreign_keys(&step.sql).into_iter().map(|key| key.columns).collect();
        let Some(table) = table else {
            all.push(step);
            continue;
        };
        for (part, columns) in table.maybe_generated(false) {
            // One that comes with the key is not there yet.
            if added.contains(&columns) && !step.sql.contains(&format!("ADD {}", part.text)) {
                let (of, index) = (name(&table.name), name(&part.name));
                all.push(Step::plain(format!("ALTER TABLE {of} DROP KEY {index}, ADD {}", part.text)));
            }
        }
        all.push(step);
    }
    all
}

/// Statements that make the definition `to` of `from`; the table has the name of `to`.
#[must_use]
pub fn alter(from: &Table, to: &Table, renames: &[(&str, &str)], apart: bool) -> Vec<String> {
    let mut from = from.clone();
    for part in &mut from.parts {
        part.text = match part.kind {
            PartKind::Foreign => with_columns(&part.text, renames),
            _ => renamed(&part.text, renames),
        };
    }
    let (mut first, mut clauses) = (Vec::new(), Vec::new());
    drop_parts(&from, to, &mut first, &mut clauses);
    if apart {
        // MySQL remembers that a column's character set was said: it is not said where the table's default is meant, which
        // has to stand by then.
        options(&from, to, &mut clauses);
    }
    columns(&from, to, renames, !apart, &mut clauses);
    add_parts(&from, to, &mut clauses);
    if !apart {
        options(&from, to, &mut clauses);
    }
    let head = format!("ALTER TABLE {} ", name(&to.name));
    let mut statements = Vec::new();
    if from.partitions != to.partitions && to.partitions.is_empty() {
        statements.push(format!("{head}REMOVE PARTITIONING"));
    }
    if !first.is_empty() {
        statements.push(head.clone() + &first.join(", "));
    }
    if apart {
        statements.extend(clauses.iter().map(|clause| head.clone() + clause));
    } else if !clauses.is_empty() {
        statements.push(head.clone() + &clauses.join(", "));
    }
    if from.partitions != to.partitions && !to.partitions.is_empty() {
        let only = (!apart).then(|| repartition(&from.partitions, &to.partitions)).flatten();
        statements.push(head + &only.unwrap_or_else(|| to.partitions.clone()));
    }
    statements
}

/// Names in a definition as they are after a change of names.
fn renamed(text: &str, renames: &[(&str, &str)]) -> String {
    let mut out = String::with_capacity(text.len());
    let mut copied = 0;
    for token in tokens(text).into_iter().filter(|token| token.kind == TokenKind::Name) {
        let written = token.span.of(text);
        if let Some((_, new)) = renames.iter().find(|(old, _)| name(old) == written) {
            out.push_str(text.get(copied..token.span.start).unwrap_or_default());
            out.push_str(&name(new));
            copied = token.span.end;
        }
    }
    out + text.get(copied..).unwrap_or_default()
}

/// Parts that go; in `first` those that come again with the same name, which no server takes in one statement.
fn drop_parts(from: &Table, to: &Table, first: &mut Vec<String>, clauses: &mut Vec<String>) {
    for part in &from.parts {
        let new = to.part(part.kind, &part.name);
        if new.is_some_and(|new| new.text == part.text) {
            continue;
        }
        let quoted = name(&part.name);
        let clause = match part.kind {
            PartKind::Primary => "DROP PRIMARY KEY".to_owned(),
            PartKind::Index if renamed_index(from, to, part).is_some() => continue,
            PartKind::Index => format!("DROP KEY {quoted}"),
            PartKind::Foreign => format!("DROP FOREIGN KEY {quoted}"),
            PartKind::Check => format!("DROP CONSTRAINT {quoted}"),
            PartKind::Column | PartKind::Other => continue,
        };
        let again = matches!(part.kind, PartKind::Foreign | PartKind::Check) && new.is_some();
        if again { first.push(clause) } else { clauses.push(clause) }
    }
}

/// The key of `to` that is this one with another name, if neither name is in both.
fn renamed_index<'t>(from: &Table, to: &'t Table, part: &Part) -> Option<&'t Part> {
    if to.part(PartKind::Index, &part.name).is_some() {
        return None;
    }
    to.parts.iter().find(|new| {
        new.kind == PartKind::Index
            && from.part(PartKind::Index, &new.name).is_none()
            && part.text.replacen(&name(&part.name), &name(&new.name), 1) == new.text
    })
}

fn add_parts(from: &Table, to: &Table, clauses: &mut Vec<String>) {
    let old_names: Vec<_> = from
        .parts
        .iter()
        .filter(|part| part.kind == PartKind::Index)
        .filter_map(|part| renamed_index(from, to, part).map(|new| (part, new)))
        .collect();
    for (old, new) in &old_names {
        clauses.push(format!("RENAME INDEX {} TO {}", name(&old.name), name(&new.name)));
    }
    for part in &to.parts {
        let stays = from.part(part.kind, &part.name).is_some_and(|old| old.text == part.text);
        if !stays && !old_names.iter().any(|(_, new)| *new == part) {
            clauses.push(format!("ADD {}", part.text));
        }
    }
}

/// Clauses for the columns; with `say` those that have the table's new character set say so.
fn columns(from: &Table, to: &Table, renames: &[(&str, &str)], say: bool, clauses: &mut Vec<String>) {
    let new_name = |column: &str| {
        renames.iter().find(|(old, _)| *old == column).map_or(column.to_owned(), |(_, new)| (*new).to_owned())
    };
    let mut order = Vec::new();
    for column in &from.columns {
        if to.columns.iter().any(|other| other.name == new_name(&column.name)) {
            order.push(new_name(&column.name));
        } else {
            clauses.push(format!("DROP COLUMN {}", name(&column.name)));
        }
    }
    // What a column without a character set has is what the table has.
    let charset = |table: &Table| {
        (table.option("DEFAULT CHARSET").map(str::to_owned), table.option("COLLATE").map(str::to_owned))
    };
    let other_charset = charset(from) != charset(to);
    for (at, column) in to.columns.iter().enumerate() {
        let old = from.columns.iter().find(|old| new_name(&old.name) == column.name);
        let moved = order.get(at) != Some(&column.name);
        let mut text = column.text.clone();
        let implied = other_charset && is_text(&column.text) && !has_charset(&column.text);
        if implied && say {
            text = with_charset(&column.text, &charset(to));
        }
        let place = match at.checked_sub(1).and_then(|before| to.columns.get(before)) {
            None => " FIRST".to_owned(),
            Some(before) => format!(" AFTER {}", name(&before.name)),
        };
        let place = if moved { place.as_str() } else { "" };
        let quoted = name(&column.name);
        match old {
            None => clauses.push(format!("ADD COLUMN {quoted} {text}{place}")),
            Some(old) if old.name != column.name => {
                clauses.push(format!("CHANGE COLUMN {} {quoted} {text}{place}", name(&old.name)));
            }
            Some(old) if moved || implied || old.text != column.text => {
                clauses.push(format!("MODIFY COLUMN {quoted} {text}{place}"));
            }
            Some(_) => {}
        }
        if moved {
            order.retain(|other| *other != column.name);
            order.insert(at.min(order.len()), column.name.clone());
        }
    }
}

fn first_word(definition: &str) -> String {
    let end = definition.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(definition.len());
    definition.get(..end).unwrap_or_default().to_ascii_lowercase()
}

fn is_text(definition: &str) -> bool {
    let word = first_word(definition);
    ["char", "varchar", "enum", "set"].contains(&word.as_str()) || word.ends_with("text")
}

fn has_charset(definition: &str) -> bool {
    let words = tokens(definition);
    words.iter().any(|token| {
        let word = token.span.of(definition);
        token.kind == TokenKind::Word
            && (word.eq_ignore_ascii_case("CHARACTER") || word.eq_ignore_ascii_case("COLLATE"))
    })
}

/// The definition with its character set said.
fn with_charset(definition: &str, charset: &(Option<String>, Option<String>)) -> String {
    let tokens = tokens(definition);
    let mut end = tokens.first().map_or(0, |token| token.span.end);
    if tokens.get(1).is_some_and(|token| token.kind == TokenKind::Symbol(b'(')) {
        let close = tokens.iter().find(|token| token.kind == TokenKind::Symbol(b')'));
        end = close.map_or(end, |token| token.span.end);
    }
    let (head, tail) = definition.split_at_checked(end).unwrap_or((definition, ""));
    let mut text = head.to_owned();
    if let Some(charset) = &charset.0 {
        text += &format!(" CHARACTER SET {charset}");
    }
    if let Some(collation) = &charset.1 {
        text += &format!(" COLLATE {collation}");
    }
    text + tail
}

fn options(from: &Table, to: &Table, clauses: &mut Vec<String>) {
    for (key, _) in &from.options {
        if to.option(key).is_none() {
            let reset = match key.as_str() {
                "COMMENT" | "COMPRESSION" | "CONNECTION" => option(key, "''"),
                "KEY_BLOCK_SIZE" | "CHECKSUM" | "DELAY_KEY_WRITE" | "AVG_ROW_LENGTH" | "MAX_ROWS"
                | "MIN_ROWS" => option(key, "0"),
                "ROW_FORMAT" | "PACK_KEYS" | "STATS_PERSISTENT" | "STATS_AUTO_RECALC"
                | "STATS_SAMPLE_PAGES" => option(key, "DEFAULT"),
                "WITH SYSTEM VERSIONING" => "DROP SYSTEM VERSIONING".to_owned(),
                _ => continue,
            };
            clauses.push(reset);
        }
    }
    let mut charset = false;
    for (key, value) in &to.options {
        if from.option(key) == Some(value) {
            continue;
        }
        match key.as_str() {
            "DEFAULT CHARSET" | "COLLATE" => charset = true,
            "WITH SYSTEM VERSIONING" => clauses.push("ADD SYSTEM VERSIONING".to_owned()),
            _ => clauses.push(option(key, value)),
        }
    }
    if charset && let Some(set) = to.option("DEFAULT CHARSET") {
        let collation =
            to.option("COLLATE").map_or_else(String::new, |collation| format!(" COLLATE {collation}"));
        clauses.push(format!("DEFAULT CHARACTER SET {set}{collation}"));
    }
}
