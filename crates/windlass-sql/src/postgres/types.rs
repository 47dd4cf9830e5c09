//! Types that no statement turns into what they were (an enum that has a label more): made anew under their name, with all that
//! stands on them.

use super::catalog::{Catalog, Class, Id, Object};
use super::write::{table, word};
use super::{alter, diff::Change, ident, qualified, write};
use std::collections::{BTreeMap, BTreeSet};

/// What is made anew with them. All numbers are those of the catalog that is changed.
#[derive(Default)]
pub(super) struct Anew {
    /// The enums, and domains and composite types over them.
    pub(super) types: BTreeSet<Id>,
    /// Columns that get the new type.
    pub(super) columns: BTreeSet<Id>,
    /// What goes before and comes back behind.
    pub(super) others: BTreeSet<Id>,
}

/// What has to be made anew of `from`, to become `to`; `both` has what is in both. The error says what stands in the way.
pub(super) fn anew(from: &Catalog, to: &Catalog, both: &BTreeMap<Id, Id>) -> Result<Anew, String> {
    let mut all = Anew::default();
    let pairs = both.iter().map(|(old, new)| (&from.objects[old], &to.objects[new]));
    let enums = pairs.filter(|(old, new)| old.id.class == Class::Enum && alter::rebuilt(old, new));
    all.types.extend(enums.map(|(old, _)| old.id));
    if all.types.is_empty() {
        return Ok(all);
    }
    loop {
        let is_over = |(user, on): &&(Id, Id)| {
            let is_type = matches!(user.class, Class::Domain | Class::Composite);
            is_type && both.contains_key(user) && all.types.contains(on) && !all.types.contains(user)
        };
        let more: Vec<Id> = from.edges.iter().filter(is_over).map(|(user, _)| *user).collect();
        if more.is_empty() {
            break;
        }
        all.types.extend(more);
    }
    for id in &all.types {
        let strangers = from.objects[id].get("#strangers");
        if !strangers.is_empty() {
            return Err(format!("{}: {strangers}", stuck(from, *id)));
        }
    }
    for (user, on) in from.edges.iter().filter(|(user, on)| all.types.contains(on) && both.contains_key(user))
    {
        let object = &from.objects[user];
        match user.class {
            Class::Domain | Class::Composite => {}
            // Goes with its domain.
            Class::Constraint if from.parent(object).is_some_and(|of| all.types.contains(&of.id)) => {}
            Class::Column if !object.get("#key").is_empty() => {
                let why = stuck(from, *on);
                return Err(format!("{why}: {}, by which the table is partitioned", from.path(object)));
            }
            Class::Column if object.get("generated").is_empty() => {
                all.columns.insert(*user);
            }
            // A typed table, or an expression by which one is partitioned.
            Class::Table => return Err(format!("{}: {}", stuck(from, *on), from.path(object))),
            _ => {
                all.others.insert(*user);
            }
        }
    }
    // The two ends of a foreign key are of one type at each moment.
    let keys = from.edges.iter().filter(|(user, on)| {
        all.columns.contains(on) && both.contains_key(user) && from.objects[user].get("type") == "f"
    });
    all.others.extend(keys.map(|(user, _)| *user).filter(|user| user.class == Class::Constraint));
    Ok(all)
}

/// Why there is no other way.
fn stuck(catalog: &Catalog, id: Id) -> String {
    let name = catalog.path(&catalog.objects[&id]);
    format!("{name} cannot lose its new label again while it is used by what Windlass cannot make anew")
}

/// The name that a type has until nothing is of it any more: free, and not too long, whatever its own name is.
fn spare(object: &Object) -> String {
    format!("windlass_old_{}", object.id.oid)
}

impl Anew {
    /// The statements, in order; those of things in `again` come elsewhere. What else is said of the new types is written by the
    /// next difference: to the server they are other ones.
    pub(super) fn statements(
        &self,
        from: &Catalog,
        to: &Catalog,
        both: &BTreeMap<Id, Id>,
        again: &BTreeSet<Id>,
    ) -> Result<Vec<Change>, String> {
        // A domain in a composite type gets no further check once there are columns of it.
        let checks = |domain: Id| {
            let stays = both.iter().filter(|(old, _)| old.class == Class::Constraint && !again.contains(old));
            let of_domain =
                move |id: &Id| domain.class == Class::Domain && to.objects[id].parent == domain.oid;
            stays.map(|(_, new)| *new).filter(of_domain)
        };
        let old = from.in_order(&self.types);
        let new = to.in_order(&self.types.iter().map(|id| both[id]).collect());
        let mut all: Vec<String> =
            old.iter().map(|id| write::rename(from, &from.objects[id], &spare(&from.objects[id]))).collect();
        // Since PostgreSQL 17 it has a name by itself, which the new one is to get.
        let strict =
            old.iter().map(|id| &from.objects[id]).filter(|object| !object.get("notnull").is_empty());
        all.extend(strict.filter(|object| object.id.class == Class::Domain).map(|object| {
            format!("ALTER DOMAIN {} DROP NOT NULL", qualified(&object.schema, &spare(object)))
        }));
        for id in new {
            for made in std::iter::once(id).chain(checks(id)) {
                all.extend(write::create(to, &to.objects[&made])?);
            }
        }
        let mut changes: Vec<Change> = all.into_iter().map(Change::new).collect();
        for id in &self.columns {
            let column = &from.objects[id];
            // Those of partitions and heirs change with their parent's.
            if column.get("#inherits").is_empty() {
                let (own, kind) = (ident(&column.name), to.objects[&both[id]].get("type"));
                // By way of the text: between the two types there is no cast.
                let sql = format!(
                    "ALTER TABLE {} ALTER COLUMN {own} TYPE {kind} USING {own}::pg_catalog.text::{kind}",
                    table(from, column)
                );
                changes.push(Change { heavy: Some(id.oid), ..Change::new(sql) });
            }
        }
        let drop = |id: &Id| {
            let object = &from.objects[id];
            format!("DROP {} {}", word(object), qualified(&object.schema, &spare(object)))
        };
        changes.extend(old.iter().rev().map(|id| Change::new(drop(id))));
        Ok(changes)
    }
}

/// What is said of an object that was just made, beside its definition: owner, privileges, comment. It is that of whoever makes
/// it then, so all of it is said.
pub(super) fn dress(catalog: &Catalog, object: &Object) -> Result<Vec<String>, String> {
    let mut bare = object.clone();
    for field in ["owner", "comment", "column comments"] {
        bare.fields.remove(field);
    }
    let by_itself = match object.id.class {
        Class::Function => "PUBLIC=EXECUTE",
        Class::Enum | Class::Domain | Class::Composite => "PUBLIC=USAGE",
        _ => "",
    };
    if !object.get("acl").is_empty() {
        bare.fields.insert("acl".to_owned(), by_itself.to_owned());
    }
    Ok(alter::alter(catalog, &bare, object)?.into_iter().map(|(sql, _)| sql).collect())
}

#[cfg(test)]
mod tests {
    use super::super::diff::diff;
    use super::*;

    /// An enum with these labels, a function that takes it, and a column with these fields.
    fn catalog(labels: &[(&str, &str)], column: &[(&str, &str)]) -> Catalog {
        let object = |letter, oid, sub, parent, name: &str, fields: &[(&str, &str)]| {
            let fields =
                fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            let object = Object::new(letter, oid, sub, parent, 1).unwrap();
            Object { schema: "public".to_owned(), name: name.to_owned(), fields, ..object }
        };
        let function = [("base", "f"), ("arguments", "x public.s"), ("definition", "CREATE FUNCTION f")];
        let all = vec![
            object("e", 10, 0, 0, "s", labels),
            object("f", 11, 0, 0, "f(x public.s)", &function),
            object("r", 12, 0, 0, "t", &[]),
            object("a", 12, 1, 12, "c", column),
        ];
        let end = |letter: &str, oid, sub| (letter.to_owned(), oid, sub);
        let edges = [(end("f", 11, 0), end("t", 10, 0)), (end("c", 12, 1), end("t", 10, 0))];
        Catalog::new(all, &edges)
    }

    const OLD: [(&str, &str); 2] = [("labels", "'a'"), ("#labels", "1")];
    const NEW: [(&str, &str); 2] = [("labels", "'a', 'b'"), ("#labels", "1,2")];

    #[test]
    fn what_takes_an_enum_is_made_again_around_it() {
        let column = [("type", "public.s[]")];
        let changes = diff(&catalog(&NEW, &column), &catalog(&OLD, &column)).unwrap();
        let all: Vec<&str> = changes.iter().map(|change| change.sql.as_str()).collect();
        let expected = [
            "DROP FUNCTION \"public\".\"f\"(x public.s)",
            "ALTER TYPE \"public\".\"s\" RENAME TO \"windlass_old_10\"",
            "CREATE TYPE \"public\".\"s\" AS ENUM ('a')",
            "ALTER TABLE \"public\".\"t\" ALTER COLUMN \"c\" TYPE public.s[] USING \"c\"::pg_catalog.text::public.s[]",
            "DROP TYPE \"public\".\"windlass_old_10\"",
            "CREATE FUNCTION f",
        ];
        assert_eq!(all, expected);
    }

    #[test]
    fn a_key_of_partitions_and_what_is_not_read_stand_in_the_way() {
        let key = [("type", "public.s"), ("#key", "true")];
        let why = diff(&catalog(&NEW, &key), &catalog(&OLD, &key)).unwrap_err();
        assert!(why.contains("column c of public.t, by which the table is partitioned"), "{why}");
        let held = [NEW[0], NEW[1], ("#strangers", "type public.span")];
        let why = diff(&catalog(&held, &[]), &catalog(&OLD, &[])).unwrap_err();
        assert!(why.contains("type public.s cannot lose") && why.ends_with("type public.span"), "{why}");
    }
}
