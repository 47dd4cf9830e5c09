//! The catalog of a database in one question.

use super::{
    questions,
    session::{Question, Row, Session, Trouble},
};
use std::collections::BTreeMap;
use windlass_sql::postgres::catalog::{Catalog, Object};

/// Reads all definitions of users. The search path must be `pg_catalog`, so that all names come in full.
pub(super) async fn read(session: &Session) -> Result<Catalog, Trouble> {
    // Most of the time of these questions is that of the planner, and a transaction asks them several times.
    session
        .prepare(&[("windlass_objects", questions::objects), ("windlass_edges", questions::edges)])
        .await?;
    let objects = session.ask("EXECUTE windlass_objects").await?;
    let edges = session.ask("EXECUTE windlass_edges").await?;
    Ok(catalog(objects, edges))
}

/// Tables that this transaction made, or adds something to.
pub(super) struct Made {
    /// Each by its number: it, its columns, indexes, constraints and sequences.
    pub(super) tables: BTreeMap<u32, Catalog>,
    /// Of how many relations each is made.
    pub(super) relations: BTreeMap<u32, i64>,
}

/// The questions of [`made`].
pub(super) const MADE: [Question; 3] = [
    ("windlass_tables", questions::objects_of_tables),
    ("windlass_tables_edges", questions::edges_of_tables),
    ("windlass_relations", || questions::RELATIONS.to_owned()),
];

/// Reads the definitions of tables as far as plain `CREATE TABLE`s make them. Their numbers are in the setting `windlass.made`, each behind a comma. The
/// search path must be `pg_catalog`.
pub(super) async fn made(session: &Session) -> Result<Made, Trouble> {
    session.prepare(&MADE).await?;
    let numbers = "pg_catalog.string_to_array(pg_catalog.ltrim(pg_catalog.current_setting('windlass.made'), ','), ',')::pg_catalog.oid[]";
    let ask = MADE.map(|(name, _)| format!("EXECUTE {name} ({numbers})")).join("; ");
    let (mut objects, mut edges, mut relations) = (vec![], vec![], BTreeMap::new());
    for row in session.ask(&ask).await? {
        match row.len() {
            2 => {
                let mut numbers =
                    row.into_iter().map(|n| n.and_then(|n| n.parse::<i64>().ok()).unwrap_or_default());
                let (table, count) = (numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default());
                relations.insert(u32::try_from(table).unwrap_or_default(), count);
            }
            6 => edges.push(row),
            _ => objects.push(row),
        }
    }
    Ok(Made { tables: apart(objects, edges), relations })
}

/// What belongs to which table: its columns and their defaults have its number, indexes and constraints name it, and sequences depend on it.
fn apart(objects: Vec<Row>, edges: Vec<Row>) -> BTreeMap<u32, Catalog> {
    let number = |row: &Row, at: usize| row.get(at)?.as_ref()?.parse::<u32>().ok();
    let relations = edges.iter().filter(|row| row.first().is_some_and(|kind| kind.as_deref() == Some("c")));
    let owners: BTreeMap<u32, u32> =
        relations.filter_map(|row| Some((number(row, 1)?, number(row, 4)?))).collect();
    let mut parts: BTreeMap<u32, (Vec<Row>, Vec<Row>)> = BTreeMap::new();
    for row in objects {
        let table = match row.first().and_then(Option::as_deref) {
            Some("r" | "a" | "D") => number(&row, 1),
            Some("S") => number(&row, 1).and_then(|sequence| owners.get(&sequence).copied()),
            _ => number(&row, 3),
        };
        parts.entry(table.unwrap_or_default()).or_default().0.push(row);
    }
    for row in edges {
        parts.entry(number(&row, 4).unwrap_or_default()).or_default().1.push(row);
    }
    parts.into_iter().map(|(table, (objects, edges))| (table, catalog(objects, edges))).collect()
}

fn catalog(rows: Vec<Row>, edge_rows: Vec<Row>) -> Catalog {
    let mut objects = vec![];
    for row in rows {
        let mut values = row.into_iter().map(Option::unwrap_or_default);
        let mut next = || values.next().unwrap_or_default();
        let (letter, oid, sub, parent, space) = (next(), next(), next(), next(), next());
        let (schema, name) = (next(), next());
        let fields: BTreeMap<String, String> = serde_json::from_str(&next()).unwrap_or_default();
        let number = |text: String| text.parse().unwrap_or_default();
        let object =
            Object::new(&letter, number(oid), sub.parse().unwrap_or_default(), number(parent), number(space));
        objects.extend(object.map(|object| Object { schema, name, fields, ..object }));
    }
    let mut edges = vec![];
    for row in edge_rows {
        let mut values = row.into_iter().map(Option::unwrap_or_default);
        let mut end = || {
            let letter = values.next().unwrap_or_default();
            let mut number = || values.next().and_then(|text| text.parse::<i64>().ok()).unwrap_or_default();
            (letter, u32::try_from(number()).unwrap_or_default(), i32::try_from(number()).unwrap_or_default())
        };
        edges.push((end(), end()));
    }
    Catalog::new(objects, &edges)
}
