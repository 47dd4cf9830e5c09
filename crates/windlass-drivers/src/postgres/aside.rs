//! Setting aside: what would be dropped is moved into a schema of its own, with its rows, indexes and privileges.

use super::{
    apply::{Again, at},
    back::{Step, WayBack},
    job::Job,
    schema::{moved, refused},
};
use std::collections::{BTreeMap, BTreeSet};
use tokio_postgres::error::SqlState;
use windlass_sql::postgres::{
    catalog::{Catalog, Class, Id, Object, Verdict, compare},
    diff::{Change, diff},
    ident, qualified,
};

/// Brings the catalog to `after` with the tables moved away instead of dropped.
pub(super) async fn put(
    job: &Job,
    before: &Catalog,
    after: &Catalog,
    tables: &BTreeSet<u32>,
    seq: i64,
    way_back: &mut WayBack,
    lines: &mut Vec<String>,
) -> Result<(), Again> {
    let setting = at("setting aside");
    let mut places = Places { seq, schemas: BTreeMap::new() };
    let gone: Vec<&Object> = tables
        .iter()
        .filter_map(|oid| before.objects.get(&Id { class: Class::Table, oid: *oid, sub: 0 }))
        .collect();
    untie(job, before, tables).await?;
    for object in &gone {
        let full = qualified(&object.schema, &object.name);
        for parent in object.get("parents").split(", ").filter(|parent| !parent.is_empty()) {
            let sql = match object.get("bound").is_empty() {
                true => format!("ALTER TABLE {full} NO INHERIT {parent}"),
                false => format!("ALTER TABLE {parent} DETACH PARTITION {full}"),
            };
            job.session.act(&sql).await.map_err(&setting)?;
        }
    }
    for object in &gone {
        let place = places.of(job, &object.schema, way_back).await?;
        job.session
            .act(&format!(
                "ALTER TABLE {} SET SCHEMA {}",
                qualified(&object.schema, &object.name),
                ident(&place)
            ))
            .await
            .map_err(&setting)?;
        let back =
            format!("ALTER TABLE {} SET SCHEMA {}", qualified(&place, &object.name), ident(&object.schema));
        way_back.schema.push(Step::Sql { text: back });
        lines.push(format!("{}.{} is set aside in {place}", object.schema, object.name));
    }
    for _ in 0..8 {
        let now = super::snapshot::read(&job.session).await.map_err(at("reading the catalog"))?;
        let changes = diff(&now, after).map_err(|why| refused(job, &why))?;
        if changes.is_empty() {
            break;
        }
        for change in changes {
            one(job, &now, &change, &mut places, way_back).await?;
        }
    }
    let schemas = before
        .objects
        .values()
        .filter(|object| object.id.class == Class::Schema && !after.objects.contains_key(&object.id));
    for object in schemas {
        way_back.schema.insert(0, Step::Sql { text: format!("CREATE SCHEMA {}", ident(&object.name)) });
    }
    let now = super::snapshot::read(&job.session).await.map_err(at("reading the catalog"))?;
    match compare(after, &now) {
        Verdict::Different(what) => Err(refused(
            job,
            &format!("set aside, the rest is not as after the statement: {}", what.join("; ")),
        )),
        _ => Ok(()),
    }
}

/// Takes away what ties tables to what stays, and to functions that may go next.
async fn untie(job: &Job, before: &Catalog, tables: &BTreeSet<u32>) -> Result<(), Again> {
    for object in before.objects.values() {
        let here = tables.contains(&object.parent);
        let sql = match object.id.class {
            Class::Constraint if object.get("type") == "f" && (here || points_at(before, object, tables)) => {
                format!("ALTER TABLE {} DROP CONSTRAINT {}", table(before, object), ident(&object.name))
            }
            Class::Trigger if here => {
                format!("DROP TRIGGER {} ON {}", ident(&object.name), table(before, object))
            }
            Class::Policy if here => {
                format!("DROP POLICY {} ON {}", ident(&object.name), table(before, object))
            }
            _ => continue,
        };
        job.session.act(&sql).await.map_err(at("setting aside"))?;
    }
    Ok(())
}

/// A change on the way to where the statement leads. What cannot go, because something set aside needs it, is moved too.
async fn one(
    job: &Job,
    now: &Catalog,
    change: &Change,
    places: &mut Places,
    way_back: &mut WayBack,
) -> Result<(), Again> {
    job.session.act("SAVEPOINT windlass_d").await.map_err(at("setting aside"))?;
    let Err(trouble) = job.session.act(&change.sql).await else { return Ok(()) };
    let object = change.gone.and_then(|id| now.objects.get(&id)).filter(|object| {
        matches!(
            object.id.class,
            Class::Sequence | Class::Enum | Class::Domain | Class::Composite | Class::Function
        )
    });
    let Some(object) = object.filter(|_| trouble.is(&SqlState::DEPENDENT_OBJECTS_STILL_EXIST)) else {
        return Err(at("setting aside")(trouble));
    };
    job.session.act("ROLLBACK TO SAVEPOINT windlass_d").await.map_err(at("setting aside"))?;
    let place = places.of(job, &object.schema, way_back).await?;
    job.session.act(&moved(now, object, &place)).await.map_err(at("setting aside"))?;
    let there = Object { schema: place, ..object.clone() };
    way_back.schema.insert(0, Step::Sql { text: moved(now, &there, &object.schema) });
    Ok(())
}

/// Schemas of what was set aside, by the schema it came from: names are unique inside of each.
struct Places {
    seq: i64,
    schemas: BTreeMap<String, String>,
}

impl Places {
    async fn of(&mut self, job: &Job, schema: &str, way_back: &mut WayBack) -> Result<String, Again> {
        if let Some(place) = self.schemas.get(schema) {
            return Ok(place.clone());
        }
        let place = format!("windlass_aside_{}_{}", self.seq, self.schemas.len() + 1);
        job.session.act(&format!("CREATE SCHEMA {}", ident(&place))).await.map_err(at("setting aside"))?;
        way_back.aside.push(place.clone());
        self.schemas.insert(schema.to_owned(), place.clone());
        Ok(place)
    }
}

fn table(catalog: &Catalog, object: &Object) -> String {
    catalog.parent(object).map_or_else(String::new, |parent| qualified(&parent.schema, &parent.name))
}

fn points_at(catalog: &Catalog, constraint: &Object, tables: &BTreeSet<u32>) -> bool {
    catalog.edges.iter().any(|(from, on)| {
        *from == constraint.id
            && (matches!(on.class, Class::Table | Class::Column) && tables.contains(&on.oid)
                || catalog.objects.get(on).is_some_and(|object| tables.contains(&object.parent)))
    })
}

/// Moves a table with rows of others away, at an undo. Gives where it is.
pub(super) async fn away(job: &Job, schema: &str, table: &str, seq: i64) -> Result<String, Again> {
    let place = format!("windlass_aside_{seq}_u");
    let name = format!("{place}.{table}");
    let values = [&name, "written since", &job.cx.run, &job.unit.id.0].map(super::schema::quoted).join(", ");
    let sql = format!(
        "SET LOCAL client_min_messages = warning; CREATE SCHEMA IF NOT EXISTS {0}; ALTER TABLE {1} SET SCHEMA {0}; INSERT INTO \
         windlass.aside (name, what, run, unit) VALUES ({values}) ON CONFLICT DO NOTHING",
        ident(&place),
        qualified(schema, table)
    );
    job.session.act(&sql).await.map_err(at("setting aside"))?;
    Ok(name)
}
