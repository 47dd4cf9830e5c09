//! A table gets columns or an index. What is there stays as it is, so the way back is to drop what was added, as it is for a table that
//! is only made: what a statement added is told by its text, and that it did nothing else by the server's counts.

use super::{
    apply::Effects,
    back::{Step, WayBack},
    schema,
};
use std::collections::BTreeSet;
use windlass_sql::{
    Change, Column, ConstraintKind, Ddl, DefaultKind, Dialect, ObjectName,
    postgres::{
        catalog::{Catalog, Class, Id},
        diff::diff,
    },
};

/// What a statement adds to a table.
pub(super) struct Growth {
    pub(super) table: ObjectName,
    parts: Parts,
}

enum Parts {
    Columns(Vec<String>),
    Index(String),
}

/// A table as it stands in the open transaction, in which nobody else can change its definition.
#[derive(Clone)]
pub(super) struct Shape {
    pub(super) oid: u32,
    /// It, its columns, indexes, constraints and sequences.
    pub(super) catalog: Catalog,
    /// Of how many relations it is made.
    pub(super) relations: i64,
}

/// What the statement adds, if that is all that it can do.
pub(super) fn of(statement: &str) -> Option<Growth> {
    if statement.to_ascii_uppercase().contains("EXISTS") {
        return None;
    }
    match windlass_sql::ddl(statement, Dialect::Postgresql)? {
        Ddl::AlterTable(alter) if !alter.only => {
            let name = |change: Change| match change {
                Change::AddColumn(column) if is_plain(&column) => Some(column.name),
                _ => None,
            };
            let names: Option<Vec<String>> = alter.changes.into_iter().map(name).collect();
            let names = names.filter(|names| !names.is_empty())?;
            Some(Growth { table: alter.table, parts: Parts::Columns(names) })
        }
        Ddl::CreateIndex(index) if !index.concurrently && !index.only => {
            let name = index.name?.base().to_owned();
            Some(Growth { table: index.table, parts: Parts::Index(name) })
        }
        _ => None,
    }
}

/// Whether nothing comes with the column but its default, and no row is written for it.
fn is_plain(column: &Column) -> bool {
    let kinds = [DefaultKind::Null, DefaultKind::Constant, DefaultKind::Stable];
    let is_known = column.default.as_ref().is_none_or(|default| kinds.contains(&default.kind));
    let is_free = column.constraints.iter().all(|one| one.kind == ConstraintKind::NotNull);
    is_known && is_free && column.generated.is_none() && !column.is_numbered()
}

impl Growth {
    /// What it did to the table with this number, which looks like `after` then; and how the table looked before.
    pub(super) fn effects(&self, oid: u32, after: &Catalog) -> Option<(Catalog, Effects)> {
        let added = self.added(oid, after)?;
        if !after.dependents(&added).is_empty() {
            return None;
        }
        let before = after.without(&added);
        let changes = diff(after, &before).ok()?;
        if changes.is_empty() || changes.iter().any(|change| change.drops.is_some()) {
            return None;
        }
        let way_back = WayBack {
            schema: changes.into_iter().map(|change| Step::Sql { text: change.sql }).collect(),
            prints: schema::prints(&before, after),
            ..WayBack::default()
        };
        let lines = schema::said(&before, after);
        Some((before, Effects { lines, way_back, ..Effects::default() }))
    }

    fn added(&self, oid: u32, after: &Catalog) -> Option<BTreeSet<Id>> {
        let mut of_table = after.objects.values().filter(|object| object.parent == oid);
        match &self.parts {
            Parts::Index(name) => {
                let mut found =
                    of_table.filter(|object| object.id.class == Class::Index && object.name == *name);
                found.next().map(|index| BTreeSet::from([index.id]))
            }
            Parts::Columns(names) => {
                let columns: Vec<Id> = of_table
                    .by_ref()
                    .filter(|object| object.id.class == Class::Column && names.contains(&object.name))
                    .map(|object| object.id)
                    .collect();
                let all = columns.len() == names.len();
                let defaults = columns.iter().map(|id| Id { class: Class::Default, ..*id });
                let defaults = defaults.filter(|id| after.objects.contains_key(id));
                all.then(|| columns.iter().copied().chain(defaults).collect())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_adds_and_does_nothing_else_grows() {
        for (statement, expected) in [
            ("ALTER TABLE t ADD COLUMN a int", true),
            ("ALTER TABLE t ADD a int NOT NULL DEFAULT 0, ADD \"B\" text DEFAULT now()", true),
            ("CREATE UNIQUE INDEX i ON s.t (lower(n)) WHERE n > 'a'", true),
            ("ALTER TABLE t ADD COLUMN IF NOT EXISTS a int", false),
            ("ALTER TABLE ONLY t ADD COLUMN a int", false),
            ("ALTER TABLE t ADD COLUMN a serial", false),
            ("ALTER TABLE t ADD COLUMN a int GENERATED ALWAYS AS IDENTITY", false),
            ("ALTER TABLE t ADD COLUMN a int GENERATED ALWAYS AS (n * 2) STORED", false),
            ("ALTER TABLE t ADD COLUMN a int UNIQUE", false),
            ("ALTER TABLE t ADD COLUMN a int REFERENCES u", false),
            ("ALTER TABLE t ADD COLUMN a int CHECK (a > 0)", false),
            ("ALTER TABLE t ADD COLUMN a uuid DEFAULT gen_random_uuid()", false),
            ("ALTER TABLE t ADD COLUMN a int, DROP COLUMN b", false),
            ("ALTER TABLE t ADD PRIMARY KEY (id)", false),
            ("CREATE INDEX CONCURRENTLY i ON t (n)", false),
            ("CREATE INDEX IF NOT EXISTS i ON t (n)", false),
            ("CREATE INDEX i ON ONLY t (n)", false),
            ("CREATE INDEX ON t (n)", false),
        ] {
            assert_eq!(of(statement).is_some(), expected, "{statement}");
        }
    }
}
