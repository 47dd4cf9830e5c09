//! What of a database a release has to do with.

use std::collections::BTreeSet;
use windlass_plan::{Action, Unit};
use windlass_sql::{Dialect, ObjectName, mysql::prepared, named};

/// Tables and indexes that are looked up for one release.
const NAMES_MAX: usize = 1_000;

/// Names to look up, each once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wanted {
    /// Tables that are named without schema or database, or with one: their own names.
    pub(crate) tables: Vec<String>,
    /// Those that are named with a schema or database: `schema.table`.
    pub(crate) qualified: Vec<String>,
    /// Indexes that are named without their table.
    pub(crate) indexes: Vec<String>,
    /// What will not be looked up.
    pub(crate) unknown: Vec<String>,
}

impl Wanted {
    /// What the statements of `units` name.
    pub(crate) fn of(units: &[&Unit], dialect: Dialect) -> Self {
        let (mut tables, mut qualified, mut indexes) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        for unit in units {
            let Action::Sql { statement, session: false, .. } = &unit.action else { continue };
            let chosen = match dialect {
                Dialect::Mysql => prepared(statement).and_then(|one| one.candidate()),
                _ => None,
            };
            let named = named(chosen.as_deref().unwrap_or(statement), dialect);
            for name in &named.tables {
                match name.parts.len() {
                    0 | 1 => tables.insert(name.base().to_owned()),
                    _ => qualified.insert(last_two(name)),
                };
            }
            indexes.extend(named.indexes.iter().map(|name| name.base().to_owned()));
        }
        let mut wanted = Self::default();
        let sum = tables.len() + qualified.len() + indexes.len();
        if sum > NAMES_MAX {
            wanted
                .unknown
                .push(format!("more than the first {NAMES_MAX} of the {sum} tables and indexes named"));
        }
        let mut room = NAMES_MAX;
        let mut take = |names: BTreeSet<String>| {
            let taken: Vec<_> = names.into_iter().take(room).collect();
            room -= taken.len();
            taken
        };
        wanted.tables = take(tables);
        wanted.qualified = take(qualified);
        wanted.indexes = take(indexes);
        wanted
    }
}

fn last_two(name: &ObjectName) -> String {
    name.parts[name.parts.len() - 2..].join(".")
}
