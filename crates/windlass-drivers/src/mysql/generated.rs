//! Indexes that a server made by itself for foreign keys: which they are, and tables that have them again.

use super::catalog;
use super::session::{Session, Trouble};
use std::collections::{BTreeMap, BTreeSet};
use windlass_sql::mysql::{Catalog, ObjectKind, PartKind, Table};
use windlass_sql::{Dialect, code_words, quote};

fn q(name: &str) -> String {
    quote(name, Dialect::Mysql)
}

/// Indexes that the server made by itself for foreign keys, by table: nothing shows it, so another index is added to a copy of the table without
/// rows, which takes them away. `statement` is what is to run: only one on keys can take away what a key that is gone has left.
pub(super) async fn find(
    session: &mut Session,
    things: &Catalog,
    (database, statement): (&str, &str),
) -> Result<BTreeMap<String, BTreeSet<String>>, Trouble> {
    const PROBE: &str = "windlass_probe";
    let left = code_words(statement, Dialect::Mysql)
        .iter()
        .any(|word| matches!(word.as_str(), "KEY" | "INDEX" | "UNIQUE" | "REFERENCES"));
    let mut found = BTreeMap::new();
    for ((_, name), object) in things.iter().filter(|((kind, _), _)| *kind == ObjectKind::Table) {
        let Some(table) = Table::read(&object.text) else { continue };
        let maybe: Vec<(String, Vec<String>)> =
            table.maybe_generated(left).map(|(part, columns)| (part.name.clone(), columns)).collect();
        if maybe.is_empty() {
            continue;
        }
        let like = format!("CREATE TABLE {PROBE} LIKE {}.{}", q(database), q(name));
        match session.run(&like).await {
            // It was made by a statement before this one, and is not in the database yet.
            Err(trouble) if trouble.code() == 1146 => continue,
            other => drop(other?),
        }
        let add = |(at, (_, columns)): (usize, &(String, Vec<String>))| {
            let columns: Vec<String> = columns.iter().map(|column| q(column)).collect();
            format!("ADD KEY {PROBE}_{at} ({})", columns.join(", "))
        };
        let added: Vec<String> = maybe.iter().enumerate().map(add).collect();
        session.run(&format!("ALTER TABLE {PROBE} {}", added.join(", "))).await?;
        let probe = catalog::table(session, PROBE).await?.and_then(|object| Table::read(&object.text));
        session.run(&format!("DROP TABLE {PROBE}")).await?;
        let stayed = |index: &str| {
            probe
                .iter()
                .flat_map(|table| &table.parts)
                .any(|part| part.kind == PartKind::Index && part.name == index)
        };
        let gone: BTreeSet<String> =
            maybe.into_iter().map(|(index, _)| index).filter(|index| !stayed(index)).collect();
        if !gone.is_empty() {
            found.insert(name.clone(), gone);
        }
    }
    Ok(found)
}

/// Makes a table so that the server makes these indexes of it by itself; `false`: that is not what it came to, and it is not there.
pub(super) async fn create(
    session: &mut Session,
    table: &Table,
    indexes: &BTreeSet<String>,
    things: &Catalog,
) -> Result<bool, Trouble> {
    for statement in table.create_generating(indexes) {
        if session.run(&statement).await.is_err() {
            session.run(&format!("DROP TABLE IF EXISTS {}", q(&table.name))).await?;
            return Ok(false);
        }
    }
    let made = catalog::table(session, &table.name).await?;
    let wanted = things.get(&(ObjectKind::Table, table.name.clone()));
    // A name that says the database is another one in the shadow.
    let is_same = made.map(|made| made.print(ObjectKind::Table))
        == wanted.map(|wanted| wanted.print(ObjectKind::Table));
    if !is_same {
        session.run(&format!("DROP TABLE {}", q(&table.name))).await?;
    }
    Ok(is_same)
}
