//! Definitions of an SQLite database as its catalog has them, and what takes a change of them back.

mod inverse;
#[cfg(test)]
mod tests;

pub use inverse::{Back, inverse};

use serde::{Deserialize, Serialize};
use std::collections::HashSet;

/// What stands in `sqlite_schema`, in its order, without the tables of SQLite (`sqlite_…`) and of Windlass (`windlass_…`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Catalog {
    /// Tables, indexes, views, triggers.
    pub objects: Vec<Object>,
}

/// One definition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// What it is.
    pub kind: ObjectKind,
    /// Its name.
    pub name: String,
    /// The table or view that it belongs to; its own name for these.
    pub table: String,
    /// Its text; none for an index that SQLite made for a constraint.
    pub sql: Option<String>,
    /// The page where its rows begin: the same after a renaming. 0 where it has none.
    pub root: i64,
    /// Names of the columns of a table in order, generated ones too; empty where they were not asked for.
    pub columns: Vec<String>,
}

/// What an [`Object`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ObjectKind {
    /// A table with rows of its own.
    Table,
    /// A table of a module.
    Virtual,
    /// A table in which a module keeps what it needs.
    Shadow,
    /// An index.
    Index,
    /// A view.
    View,
    /// A trigger.
    Trigger,
}

impl ObjectKind {
    /// The word for it in statements and in `sqlite_schema`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Table | Self::Virtual | Self::Shadow => "table",
            Self::Index => "index",
            Self::View => "view",
            Self::Trigger => "trigger",
        }
    }
}

fn key(object: &Object) -> (ObjectKind, &str, &str, Option<&str>) {
    (object.kind, &object.name, &object.table, object.sql.as_deref())
}

impl Catalog {
    /// The definition of this kind and name.
    #[must_use]
    pub fn find(&self, kind: ObjectKind, name: &str) -> Option<&Object> {
        self.objects.iter().find(|object| object.kind == kind && object.name == name)
    }

    /// Tables that are not a part of another.
    pub fn tables(&self) -> impl Iterator<Item = &Object> {
        self.objects.iter().filter(|object| matches!(object.kind, ObjectKind::Table | ObjectKind::Virtual))
    }

    /// Indexes with a text and triggers of a table or view, in order.
    pub fn parts<'a>(&'a self, table: &'a str) -> impl Iterator<Item = &'a Object> {
        let part = |object: &&Object| matches!(object.kind, ObjectKind::Index | ObjectKind::Trigger);
        let of = move |object: &&Object| object.table == table && object.sql.is_some();
        self.objects.iter().filter(part).filter(of)
    }

    /// The catalog as it is after `DROP TABLE name`.
    #[must_use]
    pub fn without_table(&self, name: &str) -> Self {
        let module = self.find(ObjectKind::Virtual, name).is_some();
        let shadow = |object: &Object| {
            module && object.kind == ObjectKind::Shadow && object.name.starts_with(&format!("{name}_"))
        };
        let shadows: Vec<_> = self.objects.iter().filter(|o| shadow(o)).map(|o| o.name.as_str()).collect();
        let gone = |table: &str| table == name || shadows.contains(&table);
        Self { objects: self.objects.iter().filter(|object| !gone(&object.table)).cloned().collect() }
    }

    /// Definitions that `other` does not have to the letter.
    pub(crate) fn not_in(&self, other: &Self) -> Self {
        let there: HashSet<_> = other.objects.iter().map(key).collect();
        Self {
            objects: self.objects.iter().filter(|object| !there.contains(&key(object))).cloned().collect(),
        }
    }

    /// How `found` differs from this, one line each: definitions only, whatever their order.
    #[must_use]
    pub fn differences(&self, found: &Self) -> Vec<String> {
        let name = |object: &Object| format!("{} {}", object.kind.word(), object.name);
        let mut lines = vec![];
        let (before, found) = (self.not_in(found), found.not_in(self));
        for object in &before.objects {
            match found.find(object.kind, &object.name) {
                None => lines.push(format!("{} is missing", name(object))),
                Some(other) => lines.push(format!(
                    "{} is `{}` instead of `{}`",
                    name(object),
                    other.sql.as_deref().unwrap_or_default(),
                    object.sql.as_deref().unwrap_or_default()
                )),
            }
        }
        let new = found.objects.iter().filter(|object| before.find(object.kind, &object.name).is_none());
        lines.extend(new.map(|object| format!("{} is new", name(object))));
        lines
    }
}
