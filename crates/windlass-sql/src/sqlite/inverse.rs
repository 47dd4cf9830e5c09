//! From two catalogs, before and after a statement, to the steps that lead from the second to the first.

use super::{Catalog, Object, ObjectKind};
use crate::{Dialect, quote};
use serde::{Deserialize, Serialize};

/// One step back. Steps are taken in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Back {
    /// An index, view or trigger that was made is dropped.
    Drop {
        /// What it is.
        kind: ObjectKind,
        /// Its name.
        name: String,
        /// Its text as the statement left it.
        sql: String,
    },
    /// A table that was made is dropped; where it has rows by then, or was changed since, it is set aside.
    DropTable {
        /// Its name.
        name: String,
        /// Its text as the statement left it.
        sql: String,
    },
    /// A table gets its old name.
    RenameTable {
        /// The name that the statement gave it.
        from: String,
        /// The one that it had.
        to: String,
    },
    /// A column gets its old name.
    RenameColumn {
        /// Its table.
        table: String,
        /// The name that the statement gave it.
        from: String,
        /// The one that it had.
        to: String,
    },
    /// A column that was added is dropped; values other than its default are set aside.
    DropColumn {
        /// Its table.
        table: String,
        /// Its name.
        column: String,
    },
    /// A column that was dropped comes back at its place: the table is built anew by its old text, and the values come from
    /// where they were set aside.
    RestoreColumn {
        /// Its table.
        table: String,
        /// Its name.
        column: String,
        /// The text of the table before.
        sql: String,
        /// And after.
        after: String,
    },
    /// A table that was dropped comes back from where it was set aside, with its indexes and triggers.
    RestoreTable {
        /// Its name.
        name: String,
        /// Its text.
        sql: String,
        /// Texts of indexes and triggers, in order.
        parts: Vec<String>,
    },
    /// An index, view or trigger that was dropped is made again.
    Create {
        /// What it is.
        kind: ObjectKind,
        /// Its name.
        name: String,
        /// Its text.
        sql: String,
    },
    /// A table in which a module keeps what it needs gets the very text that it had: a renaming writes it otherwise.
    Shadow {
        /// Its name.
        name: String,
        /// Its text.
        sql: String,
    },
    /// A text that the statement changed gets back to the letter what it was, unless others have changed it since.
    Text {
        /// What it is.
        kind: ObjectKind,
        /// Its name before the statement.
        name: String,
        /// Its name after the statement.
        after_name: String,
        /// Its text before.
        before: String,
        /// Its text after.
        after: String,
    },
}

impl Back {
    /// The step as SQL, for people; what is not a statement is a comment. `None`: nothing that a person would type.
    #[must_use]
    pub fn sql(&self) -> Option<String> {
        let name = |name: &str| quote(name, Dialect::Sqlite);
        Some(match self {
            Self::Drop { kind, name: of, .. } => format!("DROP {} {}", kind.word().to_uppercase(), name(of)),
            Self::DropTable { name: of, .. } => {
                format!("DROP TABLE {} -- set aside instead if it has rows by then", name(of))
            }
            Self::RenameTable { from, to } => format!("ALTER TABLE {} RENAME TO {}", name(from), name(to)),
            Self::RenameColumn { table, from, to } => {
                format!("ALTER TABLE {} RENAME COLUMN {} TO {}", name(table), name(from), name(to))
            }
            Self::DropColumn { table, column } => {
                format!(
                    "ALTER TABLE {} DROP COLUMN {} -- values written since are set aside",
                    name(table),
                    name(column)
                )
            }
            Self::RestoreColumn { table, column, .. } => format!(
                "-- {} is built anew with column {}, whose values were set aside",
                name(table),
                name(column)
            ),
            Self::RestoreTable { name: of, parts, .. } => {
                format!(
                    "-- {} comes back from where it was set aside, with {} indexes and triggers",
                    name(of),
                    parts.len()
                )
            }
            Self::Create { sql, .. } => sql.clone(),
            Self::Shadow { .. } | Self::Text { .. } => return None,
        })
    }
}

/// The steps from `after` to `before`, which differ by one statement. The error says what cannot be taken back.
///
/// # Errors
/// A table changed in a way that is not known.
pub fn inverse(before: &Catalog, after: &Catalog) -> Result<Vec<Back>, String> {
    // One statement changes few definitions, however many there are.
    let (before, after) = (&before.not_in(after), &after.not_in(before));
    let pairs = pairs(before, after);
    let old_name =
        |name: &str| pairs.iter().find(|(_, new)| new.name == name).map(|(old, _)| old.name.as_str());
    let new_name =
        |name: &str| pairs.iter().find(|(old, _)| old.name == name).map(|(_, new)| new.name.as_str());
    let is_table = |catalog: &Catalog, name: &str| catalog.tables().any(|table| table.name == name);
    let mut steps = vec![];
    // What was made goes, the smallest first; what belongs to a table or view that was made goes with it.
    for kind in [ObjectKind::Trigger, ObjectKind::View, ObjectKind::Index] {
        for object in after.objects.iter().filter(|o| o.kind == kind && o.sql.is_some()) {
            let with_table = is_table(after, &object.table) && old_name(&object.table).is_none();
            if before.find(kind, &object.name).is_none() && !with_table {
                let sql = object.sql.clone().unwrap_or_default();
                steps.push(Back::Drop { kind, name: object.name.clone(), sql });
            }
        }
    }
    for (old, new) in &pairs {
        if old.name != new.name {
            steps.push(Back::RenameTable { from: new.name.clone(), to: old.name.clone() });
        }
        steps.extend(columns(old, new)?);
    }
    for table in after.tables().filter(|table| old_name(&table.name).is_none()) {
        let sql = table.sql.clone().unwrap_or_default();
        steps.push(Back::DropTable { name: table.name.clone(), sql });
    }
    let gone = |table: &&Object| new_name(&table.name).is_none();
    for table in before.tables().filter(gone) {
        let parts = before.parts(&table.name).filter_map(|part| part.sql.clone());
        let sql = table.sql.clone().unwrap_or_default();
        steps.push(Back::RestoreTable { name: table.name.clone(), sql, parts: parts.collect() });
    }
    for kind in [ObjectKind::Index, ObjectKind::View, ObjectKind::Trigger] {
        for object in before.objects.iter().filter(|object| object.kind == kind) {
            let with_table = is_table(before, &object.table) && new_name(&object.table).is_none();
            let Some(sql) = object.sql.clone().filter(|_| !with_table) else { continue };
            if after.find(kind, &object.name).is_none() {
                steps.push(Back::Create { kind, name: object.name.clone(), sql });
            }
        }
    }
    let moved = |table: &&Object| new_name(&table.name) != Some(table.name.as_str());
    for module in before.tables().filter(|table| table.kind == ObjectKind::Virtual).filter(moved) {
        let shadows = before.objects.iter().filter(|object| object.kind == ObjectKind::Shadow);
        let of = shadows.filter(|shadow| shadow.name.starts_with(&format!("{}_", module.name)));
        steps.extend(of.map(|shadow| Back::Shadow {
            name: shadow.name.clone(),
            sql: shadow.sql.clone().unwrap_or_default(),
        }));
    }
    steps.extend(texts(before, after, &pairs));
    Ok(steps)
}

/// Tables that are in both, under the same or another name.
fn pairs<'a>(before: &'a Catalog, after: &'a Catalog) -> Vec<(&'a Object, &'a Object)> {
    let named = |catalog: &Catalog, name: &str| catalog.tables().any(|table| table.name == name);
    let mut pairs = vec![];
    for old in before.tables() {
        let same = after.tables().find(|new| new.name == old.name && new.kind == old.kind);
        // The rows of a module lie elsewhere; one statement renames one table.
        let renamed = || {
            let new =
                |new: &&Object| !named(before, &new.name) && new.kind == old.kind && new.root == old.root;
            after.tables().find(new)
        };
        pairs.extend(same.or_else(renamed).map(|new| (old, new)));
    }
    pairs
}

fn columns(old: &Object, new: &Object) -> Result<Option<Back>, String> {
    let (before, after) = (&old.columns, &new.columns);
    if old.sql == new.sql || old.kind != ObjectKind::Table {
        return Ok(None);
    }
    if before.is_empty() || after.is_empty() {
        return Err(format!("the columns of {} are not known", old.name));
    }
    if before == after {
        return Ok(None);
    }
    let table = old.name.clone();
    let differing: Vec<_> = before.iter().zip(after).filter(|(old, new)| old != new).collect();
    if let ([(to, from)], true) = (&differing[..], before.len() == after.len()) {
        return Ok(Some(Back::RenameColumn { table, from: (*from).clone(), to: (*to).clone() }));
    }
    if let Some((column, rest)) = after.split_last()
        && rest == before
    {
        return Ok(Some(Back::DropColumn { table, column: column.clone() }));
    }
    let at = differing.first().map_or(after.len(), |_| {
        before.iter().zip(after).position(|(old, new)| old != new).unwrap_or(after.len())
    });
    let mut without = before.clone();
    if before.len() == after.len() + 1 && without.remove(at) == before[at] && without == *after {
        return Ok(Some(Back::RestoreColumn {
            table,
            column: before[at].clone(),
            sql: old.sql.clone().unwrap_or_default(),
            after: new.sql.clone().unwrap_or_default(),
        }));
    }
    Err(format!("the columns of {} changed in a way that is not known", old.name))
}

/// Texts that differ although the thing is the same: SQLite has rewritten them.
fn texts<'a>(before: &'a Catalog, after: &'a Catalog, pairs: &[(&'a Object, &'a Object)]) -> Vec<Back> {
    let others = before
        .objects
        .iter()
        .filter(|old| matches!(old.kind, ObjectKind::Index | ObjectKind::View | ObjectKind::Trigger));
    let others = others.filter_map(|old| Some((old, after.find(old.kind, &old.name)?)));
    let text = |(old, new): (&Object, &Object)| {
        let (before, after) = (old.sql.clone()?, new.sql.clone()?);
        let (name, after_name) = (old.name.clone(), new.name.clone());
        (before != after).then_some(Back::Text { kind: old.kind, name, after_name, before, after })
    };
    pairs.iter().copied().chain(others).filter_map(text).collect()
}
