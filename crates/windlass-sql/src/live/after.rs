//! The catalog as a statement leaves it: what a later statement of the same release will find.

use super::{Live, LiveColumn, LiveForeignKey, LiveIndex, LiveTable};
use crate::{
    AlterTable, Change, Column, Constraint, ConstraintKind, CreateIndex, CreateTable, Ddl, IndexKind,
    ObjectName,
};

impl Live {
    /// Changes what is known as `ddl` changes the database. What the statement does not say stays as it is.
    pub fn change(&mut self, ddl: &Ddl) {
        match ddl {
            Ddl::CreateTable(table) if self.table(&table.name).is_none() => self.tables.push(made(table)),
            Ddl::CreateIndex(index) => {
                if let Some(table) = self.table_mut(&index.table) {
                    table.indexes.push(index_of(index));
                }
            }
            Ddl::AlterTable(alter) => self.alter(alter),
            Ddl::RenameTable(pairs) => {
                for (from, to) in pairs {
                    self.rename(from, to);
                }
            }
            Ddl::Drop(drop) if drop.what == "TABLE" => {
                for name in &drop.names {
                    self.tables.retain(|table| !is_named(table, name));
                }
            }
            Ddl::Drop(drop) if drop.what == "INDEX" => {
                for table in &mut self.tables {
                    let gone =
                        |index: &LiveIndex| drop.names.iter().any(|name| same(name.base(), &index.name));
                    if drop.table.as_ref().is_none_or(|of| is_named(table, of)) {
                        table.indexes.retain(|index| !gone(index));
                    }
                }
            }
            Ddl::Truncate { tables, .. } => {
                for name in tables {
                    if let Some(table) = self.table_mut(name) {
                        table.rows = Some(0);
                    }
                }
            }
            _ => {}
        }
    }

    fn table_mut(&mut self, name: &ObjectName) -> Option<&mut LiveTable> {
        self.tables.iter_mut().find(|table| is_named(table, name))
    }

    fn rename(&mut self, from: &ObjectName, to: &ObjectName) {
        if let Some(table) = self.table_mut(from) {
            let base = to.base().to_owned();
            if to.parts.len() > 1 || table.name.parts.is_empty() {
                table.name = to.clone();
            } else if let Some(last) = table.name.parts.last_mut() {
                *last = base;
            }
        }
    }

    fn alter(&mut self, alter: &AlterTable) {
        let Some(table) = self.table_mut(&alter.table) else { return };
        for change in &alter.changes {
            table.change(change);
        }
        for change in &alter.changes {
            if let Change::RenameTable(to) = change {
                self.rename(&alter.table, to);
            }
        }
    }
}

/// As [`Live::table`] finds it.
pub(super) fn is_named(table: &LiveTable, name: &ObjectName) -> bool {
    same(table.name.base(), name.base())
        && (table.name.parts.len() < 2
            || name.parts.len() < 2
            || table.name.parts.iter().zip(&name.parts).all(|(a, b)| same(a, b)))
}

fn same(one: &str, other: &str) -> bool {
    one.eq_ignore_ascii_case(other)
}

impl LiveTable {
    fn column_mut(&mut self, name: &str) -> Option<&mut LiveColumn> {
        self.columns.iter_mut().find(|column| same(&column.name, name))
    }

    fn change(&mut self, change: &Change) {
        match change {
            Change::AddColumn(column) => {
                self.columns.push(column_of(column));
                self.add(&column.constraints);
            }
            Change::DropColumn { name, .. } => self.drop_column(name),
            Change::RenameColumn { from, to } => self.rename_column(from, to),
            Change::Modify(column) => self.replace(&column.name, column),
            Change::ChangeColumn { from, column } => {
                self.replace(from, column);
                self.rename_column(from, &column.name);
            }
            Change::SetType { column, kind, .. } => {
                if let Some(column) = self.column_mut(column) {
                    column.kind = kind.clone();
                }
            }
            Change::SetNotNull(column) | Change::DropNotNull(column) => {
                let wanted = matches!(change, Change::SetNotNull(_));
                if let Some(column) = self.column_mut(column) {
                    column.not_null = wanted;
                }
            }
            Change::AddConstraint(constraint) => self.add(std::slice::from_ref(constraint)),
            Change::AddIndex(index) => self.indexes.push(LiveIndex {
                name: index.name.clone().or_else(|| index.columns.first().cloned()).unwrap_or_default(),
                columns: index.columns.clone(),
                unique: index.kind == IndexKind::Unique,
                usable: true,
                fulltext: index.kind == IndexKind::Fulltext,
                ..LiveIndex::default()
            }),
            Change::DropIndex(name) => self.indexes.retain(|index| !same(&index.name, name)),
            Change::DropConstraint { name, kind, .. } => self.drop_constraint(name.as_deref(), *kind),
            Change::IndexVisibility { name, visible } => {
                for index in self.indexes.iter_mut().filter(|index| same(&index.name, name)) {
                    index.usable = *visible;
                }
            }
            Change::RenamePart { from, to, .. } => {
                for index in self.indexes.iter_mut().filter(|index| same(&index.name, from)) {
                    index.name.clone_from(to);
                }
                for key in self.foreign_keys.iter_mut().filter(|key| same(&key.name, from)) {
                    key.name.clone_from(to);
                }
            }
            Change::Force => self.row_versions = self.row_versions.map(|_| 0),
            _ => {}
        }
    }

    fn drop_column(&mut self, name: &str) {
        self.columns.retain(|column| !same(&column.name, name));
        for index in &mut self.indexes {
            index.columns.retain(|column| !same(column, name));
        }
        self.indexes.retain(|index| !index.columns.is_empty());
        self.foreign_keys.retain(|key| !key.columns.iter().any(|column| same(column, name)));
    }

    fn rename_column(&mut self, from: &str, to: &str) {
        let names = self.columns.iter_mut().map(|column| &mut column.name);
        let names = names.chain(self.indexes.iter_mut().flat_map(|index| &mut index.columns));
        for name in names.chain(self.foreign_keys.iter_mut().flat_map(|key| &mut key.columns)) {
            if same(name, from) {
                to.clone_into(name);
            }
        }
    }

    fn replace(&mut self, name: &str, column: &Column) {
        if let Some(old) = self.column_mut(name) {
            let charset = column.charset.clone().or_else(|| old.charset.clone());
            *old = LiveColumn { name: old.name.clone(), charset, ..column_of(column) };
        }
    }

    fn drop_constraint(&mut self, name: Option<&str>, kind: Option<ConstraintKind>) {
        if kind == Some(ConstraintKind::PrimaryKey) {
            self.indexes.retain(|index| !index.primary);
        }
        if let Some(name) = name {
            self.indexes.retain(|index| !same(&index.name, name));
            self.foreign_keys.retain(|key| !same(&key.name, name));
        }
    }

    fn add(&mut self, constraints: &[Constraint]) {
        for constraint in constraints {
            let name = constraint.name.clone().unwrap_or_default();
            match constraint.kind {
                ConstraintKind::PrimaryKey | ConstraintKind::Unique if constraint.using_index.is_none() => {
                    self.indexes.push(LiveIndex {
                        name,
                        columns: constraint.columns.clone(),
                        unique: true,
                        primary: constraint.kind == ConstraintKind::PrimaryKey,
                        usable: true,
                        ..LiveIndex::default()
                    });
                }
                ConstraintKind::ForeignKey => {
                    self.foreign_keys.extend(constraint.references.clone().map(|references| LiveForeignKey {
                        name,
                        columns: constraint.columns.clone(),
                        references,
                    }))
                }
                _ => {}
            }
        }
    }
}

fn column_of(column: &Column) -> LiveColumn {
    LiveColumn {
        name: column.name.clone(),
        kind: column.kind.clone().unwrap_or_default(),
        not_null: column.not_null || column.has(ConstraintKind::PrimaryKey),
        numbered: column.is_numbered(),
        generated: column.generated.is_some(),
        charset: column.charset.clone(),
        proven_not_null: false,
    }
}

fn index_of(index: &CreateIndex) -> LiveIndex {
    LiveIndex {
        name: index.name.as_ref().map_or_else(String::new, |name| name.base().to_owned()),
        columns: index.columns.clone(),
        // With a WHERE, rows are unique only among some.
        unique: index.kind == IndexKind::Unique && !index.partial,
        usable: !index.only,
        fulltext: index.kind == IndexKind::Fulltext,
        ..LiveIndex::default()
    }
}

/// A table that the release makes: empty, until a statement fills it.
fn made(table: &CreateTable) -> LiveTable {
    let mut made = LiveTable {
        name: table.name.clone(),
        rows: (!table.derived).then_some(0),
        bytes: (!table.derived).then_some(0),
        ..LiveTable::default()
    };
    for column in &table.columns {
        made.change(&Change::AddColumn(Box::new(column.clone())));
    }
    made.add(&table.constraints);
    for index in &table.indexes {
        made.change(&Change::AddIndex(index.clone()));
    }
    made
}
