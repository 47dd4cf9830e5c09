//! Statements for one object.

use super::catalog::{Catalog, Class, Object};
use super::{ident, qualified, text};
use std::collections::BTreeSet;

/// The object's name in statements.
pub(super) fn name(catalog: &Catalog, object: &Object) -> String {
    let parent =
        || catalog.parent(object).map_or_else(String::new, |parent| qualified(&parent.schema, &parent.name));
    match object.id.class {
        Class::Role | Class::Database | Class::Schema | Class::Extension => ident(&object.name),
        // Its two types, as they are written.
        Class::Cast => object.name.clone(),
        Class::Function => {
            format!("{}.{}({})", ident(&object.schema), ident(object.get("base")), object.get("arguments"))
        }
        Class::Column => format!("{}.{}", parent(), ident(&object.name)),
        Class::Constraint if object.get("type") == "d" => {
            format!("{} ON DOMAIN {}", ident(&object.name), parent())
        }
        Class::Constraint | Class::Trigger | Class::Rule | Class::Policy => {
            format!("{} ON {}", ident(&object.name), parent())
        }
        _ => qualified(&object.schema, &object.name),
    }
}

pub(super) fn table(catalog: &Catalog, object: &Object) -> String {
    let of = catalog.parent(object).unwrap_or(object);
    qualified(&of.schema, &of.name)
}

pub(super) fn word(object: &Object) -> &'static str {
    match (object.id.class, object.get("kind")) {
        (Class::Function, "p") => "PROCEDURE",
        (Class::Function, "a") => "AGGREGATE",
        (class, _) => class.word(),
    }
}

/// Moves the object to another schema.
#[must_use]
pub fn move_to(catalog: &Catalog, object: &Object, schema: &str) -> String {
    format!("ALTER {} {} SET SCHEMA {}", word(object), name(catalog, object), ident(schema))
}

pub(super) fn rename(catalog: &Catalog, object: &Object, to: &str) -> String {
    let to = ident(to);
    let own = ident(&object.name);
    match object.id.class {
        Class::Column => format!("ALTER TABLE {} RENAME COLUMN {own} TO {to}", table(catalog, object)),
        Class::Constraint if object.get("type") == "d" => {
            format!("ALTER DOMAIN {} RENAME CONSTRAINT {own} TO {to}", table(catalog, object))
        }
        Class::Constraint => {
            format!("ALTER TABLE {} RENAME CONSTRAINT {own} TO {to}", table(catalog, object))
        }
        _ => format!("ALTER {} {} RENAME TO {to}", word(object), name(catalog, object)),
    }
}

pub(super) fn drop(catalog: &Catalog, object: &Object) -> Option<String> {
    let (own, of) = (ident(&object.name), table(catalog, object));
    Some(match object.id.class {
        Class::Database => return None,
        Class::Column => format!("ALTER TABLE {of} DROP COLUMN {own}"),
        Class::Default => format!("ALTER TABLE {of} ALTER COLUMN {own} DROP DEFAULT"),
        Class::Constraint if object.get("type") == "d" => format!("ALTER DOMAIN {of} DROP CONSTRAINT {own}"),
        Class::Constraint => format!("ALTER TABLE {of} DROP CONSTRAINT {own}"),
        Class::DefaultAcl => return default_acl(object),
        _ => format!("DROP {} {}", word(object), name(catalog, object)),
    })
}

/// Back to the privileges that PostgreSQL gives by itself: none in a schema; elsewhere all to the owner, and the use of
/// functions and types to everybody.
fn default_acl(object: &Object) -> Option<String> {
    let (of, on, owner) = (object.get("for"), object.get("on"), object.get("#owner"));
    let names: BTreeSet<&str> =
        object.get("acl").lines().filter_map(|item| item.split_once('=')).map(|(who, _)| who).collect();
    let mut all: Vec<String> = (names.into_iter().filter(|who| *who != owner || of.contains(" IN SCHEMA ")))
        .map(|who| format!("ALTER DEFAULT PRIVILEGES {of} REVOKE ALL ON {on} FROM {who}"))
        .collect();
    if !of.contains(" IN SCHEMA ") {
        all.push(format!("ALTER DEFAULT PRIVILEGES {of} GRANT ALL ON {on} TO {owner}"));
        match on {
            "FUNCTIONS" => {
                all.push(format!("ALTER DEFAULT PRIVILEGES {of} GRANT EXECUTE ON FUNCTIONS TO PUBLIC"))
            }
            "TYPES" => all.push(format!("ALTER DEFAULT PRIVILEGES {of} GRANT USAGE ON TYPES TO PUBLIC")),
            _ => {}
        }
    }
    Some(all.join("; "))
}

/// A column as it stands in `CREATE TABLE` and `ADD COLUMN`.
fn column(object: &Object, inline: bool) -> String {
    let mut sql = format!("{} {}", ident(&object.name), object.get("type"));
    if !object.get("collation").is_empty() {
        sql.push_str(&format!(" COLLATE {}", object.get("collation")));
    }
    if !object.get("generated").is_empty() {
        let kind = if object.get("generated kind") == "v" { "VIRTUAL" } else { "STORED" };
        sql.push_str(&format!(" GENERATED ALWAYS AS ({}) {kind}", object.get("generated")));
    }
    if !object.get("identity").is_empty() {
        sql.push_str(&identity(object));
    }
    // A column that comes to rows gets NOT NULL when they have their values.
    if !object.get("notnull").is_empty() && (inline || !object.get("identity").is_empty()) {
        sql.push_str(" NOT NULL");
    }
    sql
}

pub(super) fn identity(object: &Object) -> String {
    let when = if object.get("identity") == "a" { "ALWAYS" } else { "BY DEFAULT" };
    format!(" GENERATED {when} AS IDENTITY ({})", object.get("identity options"))
}

pub(super) fn create(catalog: &Catalog, object: &Object) -> Result<Vec<String>, String> {
    let (own, of, full) = (ident(&object.name), table(catalog, object), name(catalog, object));
    let get = |field: &str| object.get(field);
    let mut made = vec![match object.id.class {
        Class::Role => format!("CREATE ROLE {own} {}", get("attributes")),
        Class::Database => return Err("a database is not made by a difference".to_owned()),
        Class::Schema => format!("CREATE SCHEMA {own}"),
        Class::Extension => {
            format!("CREATE EXTENSION {own} SCHEMA {} VERSION {}", ident(get("schema")), text(get("version")))
        }
        Class::Enum => format!("CREATE TYPE {full} AS ENUM ({})", get("labels")),
        Class::Composite => format!("CREATE TYPE {full} AS ({})", get("attributes")),
        Class::Domain => {
            let mut sql = format!("CREATE DOMAIN {full} AS {}", get("type"));
            if !get("collation").is_empty() {
                sql.push_str(&format!(" COLLATE {}", get("collation")));
            }
            if !get("default").is_empty() {
                sql.push_str(&format!(" DEFAULT {}", get("default")));
            }
            sql + if get("notnull").is_empty() { "" } else { " NOT NULL" }
        }
        Class::Sequence => return Ok(sequence(object, &full)),
        Class::Function | Class::Cast => get("definition").to_owned(),
        Class::Table => return Ok(create_table(catalog, object, &full)),
        Class::Column => format!("ALTER TABLE {of} ADD COLUMN {}", column(object, false)),
        Class::Default => format!("ALTER TABLE {of} ALTER COLUMN {own} SET DEFAULT {}", get("expression")),
        Class::View => format!("CREATE VIEW {full}{} AS{}", with(get("options")), get("query")),
        Class::Matview => {
            let data = if get("empty").is_empty() { "" } else { " WITH NO DATA" };
            format!("CREATE MATERIALIZED VIEW {full}{} AS{}{data}", with(get("options")), get("query"))
        }
        Class::Constraint if get("type") == "d" => {
            format!("ALTER DOMAIN {of} ADD CONSTRAINT {own} {}", get("definition"))
        }
        Class::Constraint => format!("ALTER TABLE {of} ADD CONSTRAINT {own} {}", get("definition")),
        Class::Index | Class::Statistics | Class::Trigger => get("definition").to_owned(),
        Class::Rule => get("definition").trim_end_matches(';').to_owned(),
        Class::Policy => format!("CREATE POLICY {full}{}", get("definition")),
        Class::DefaultAcl => return Ok(super::alter::grants("", "", object).map(|(_, sql)| sql).collect()),
    }];
    if matches!(object.id.class, Class::Index | Class::Constraint) {
        made.extend(super::alter::marked(catalog, object).into_iter().map(|(_, sql)| sql));
    }
    Ok(made)
}

fn with(options: &str) -> String {
    if options.is_empty() { String::new() } else { format!(" WITH ({options})") }
}

fn sequence(object: &Object, full: &str) -> Vec<String> {
    let unlogged = if object.get("persistence") == "u" { "UNLOGGED " } else { "" };
    let mut all =
        vec![format!("CREATE {unlogged}SEQUENCE {full} AS {} {}", object.get("type"), object.get("options"))];
    if let Ok(last) = object.get("#last").parse::<i64>() {
        all.push(format!("SELECT pg_catalog.setval({}, {last})", text(full)));
    }
    all
}

fn create_table(catalog: &Catalog, object: &Object, full: &str) -> Vec<String> {
    let mut columns: Vec<&Object> = catalog
        .objects
        .values()
        .filter(|other| other.id.class == Class::Column && other.id.oid == object.id.oid)
        .collect();
    columns.sort_by_key(|column| column.id.sub);
    let bound = object.get("bound");
    // Columns that come from parents come with them; a partition has them all and is attached.
    let own = |column: &&&Object| !bound.is_empty() || column.get("inherited").is_empty();
    let list = columns.iter().filter(own).map(|object| column(object, true)).collect::<Vec<_>>().join(", ");
    let kind = if object.get("persistence") == "u" { "UNLOGGED TABLE" } else { "TABLE" };
    let mut sql = format!("CREATE {kind} {full} ({list})");
    if bound.is_empty() && !object.get("parents").is_empty() {
        sql.push_str(&format!(" INHERITS ({})", object.get("parents")));
    }
    if !object.get("partition by").is_empty() {
        sql.push_str(&format!(" PARTITION BY {}", object.get("partition by")));
    }
    let mut all = vec![sql + &with(object.get("options"))];
    if !bound.is_empty() {
        all.push(format!("ALTER TABLE {} ATTACH PARTITION {full} {bound}", object.get("parents")));
    }
    all
}
