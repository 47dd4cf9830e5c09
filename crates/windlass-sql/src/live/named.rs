//! The tables that a statement has to do with: those to look up before it is judged.

use crate::{Change, Constraint, Ddl, Dialect, ObjectName, ddl, dml};

/// What a statement names, as far as it is surely understood.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Named {
    /// Tables.
    pub tables: Vec<ObjectName>,
    /// Indexes without their table (`DROP INDEX` of PostgreSQL and SQLite).
    pub indexes: Vec<ObjectName>,
}

/// The tables and indexes that `statement` names.
#[must_use]
pub fn named(statement: &str, dialect: Dialect) -> Named {
    let mut named = Named::default();
    match ddl(statement, dialect) {
        Some(ddl) => named.of(&ddl),
        None => named.tables.extend(dml(statement, dialect).into_iter().flat_map(|dml| dml.tables)),
    }
    named
}

impl Named {
    fn of(&mut self, ddl: &Ddl) {
        match ddl {
            Ddl::CreateTable(table) => {
                self.tables.push(table.name.clone());
                self.references(&table.constraints);
                for column in &table.columns {
                    self.references(&column.constraints);
                }
            }
            Ddl::CreateIndex(index) => self.tables.push(index.table.clone()),
            Ddl::CreateOther { table, .. } => self.tables.extend(table.clone()),
            Ddl::AlterTable(alter) => {
                self.tables.push(alter.table.clone());
                for change in &alter.changes {
                    match change {
                        Change::AddColumn(column) => self.references(&column.constraints),
                        Change::AddConstraint(constraint) => {
                            self.references(std::slice::from_ref(constraint));
                        }
                        Change::AttachPartition(name) | Change::DetachPartition { name, .. } => {
                            self.tables.extend(name.clone());
                        }
                        _ => {}
                    }
                }
            }
            Ddl::AlterOther { what, name, .. } if what == "INDEX" => self.indexes.extend(name.clone()),
            Ddl::AlterOther { .. } => {}
            Ddl::Drop(drop) => match drop.what.as_str() {
                "TABLE" | "MATERIALIZED VIEW" => self.tables.extend(drop.names.iter().cloned()),
                "INDEX" if drop.table.is_none() => self.indexes.extend(drop.names.iter().cloned()),
                _ => self.tables.extend(drop.table.clone()),
            },
            Ddl::RenameTable(pairs) => self.tables.extend(pairs.iter().map(|(from, _)| from.clone())),
            Ddl::Truncate { tables, .. } => self.tables.extend(tables.iter().cloned()),
            Ddl::Maintenance { scope, name, .. } if scope == "INDEX" => self.indexes.extend(name.clone()),
            Ddl::Maintenance { name, .. } => self.tables.extend(name.clone()),
        }
    }

    fn references(&mut self, constraints: &[Constraint]) {
        self.tables.extend(constraints.iter().filter_map(|constraint| constraint.references.clone()));
    }
}
