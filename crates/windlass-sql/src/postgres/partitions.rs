//! Partitions that come and go. The server takes the keys and indexes of a table that is attached for parts of its parent's, so that no
//! picture shows them; when it is detached, all that it then has is its own, also what the server made because it was missing.

use super::catalog::{Catalog, Class, Id, Object};
use super::qualified;
use std::collections::{BTreeMap, BTreeSet};

/// The statements that detach what is a partition in `from`, and in `to` none or another one.
pub(super) fn detached(from: &Catalog, to: &Catalog, both: &BTreeMap<Id, Id>) -> Vec<String> {
    let mut all = vec![];
    for (old, new) in pairs(from, to, both) {
        let is_other = old.get("bound") != new.get("bound") || old.get("parents") != new.get("parents");
        if !old.get("bound").is_empty() && is_other {
            let parents = old.get("parents").split(", ").filter(|parent| !parent.is_empty());
            let full = qualified(&old.schema, &old.name);
            all.extend(parents.map(|parent| format!("ALTER TABLE {parent} DETACH PARTITION {full}")));
        }
    }
    all
}

/// Keys and indexes of `gone` that are not dropped, because their table is attached and its parent has the same: the server takes
/// them, without making them again. A check has to be there then. What it does not take is still there for the next difference.
pub(super) fn taken(
    from: &Catalog,
    to: &Catalog,
    both: &BTreeMap<Id, Id>,
    gone: &BTreeSet<Id>,
) -> BTreeSet<Id> {
    let mut all = BTreeSet::new();
    for (old, new) in pairs(from, to, both) {
        if !old.get("bound").is_empty() || new.get("bound").is_empty() {
            continue;
        }
        let above = above(to, new.id);
        let parents: BTreeSet<_> =
            to.objects.values().filter(|object| above.contains(&object.parent)).filter_map(same).collect();
        let of_table = gone.iter().filter(|id| from.objects[id].parent == old.id.oid);
        all.extend(of_table.filter(|id| same(&from.objects[id]).is_some_and(|what| parents.contains(&what))));
    }
    all
}

fn pairs<'c>(
    from: &'c Catalog,
    to: &'c Catalog,
    both: &'c BTreeMap<Id, Id>,
) -> impl Iterator<Item = (&'c Object, &'c Object)> {
    let tables = both.iter().filter(|(old, _)| old.class == Class::Table);
    tables.map(|(old, new)| (&from.objects[old], &to.objects[new]))
}

/// The numbers of the tables of which this one is a partition, over any number of steps.
fn above(catalog: &Catalog, table: Id) -> BTreeSet<u32> {
    let (mut found, mut open) = (BTreeSet::new(), vec![table]);
    while let Some(part) = open.pop() {
        let is_parent = |(user, on): &&(Id, Id)| {
            *user == part
                && on.class == Class::Table
                && !catalog.objects[on].get("partition by").is_empty()
                && !found.contains(&on.oid)
        };
        let more: Vec<Id> = catalog.edges.iter().filter(is_parent).map(|(_, on)| *on).collect();
        found.extend(more.iter().map(|id| id.oid));
        open.extend(more);
    }
    found
}

/// What a key or an index is, whatever its name and table are.
fn same(object: &Object) -> Option<(Class, &str, &str)> {
    let definition = object.get("definition");
    match object.id.class {
        Class::Constraint => Some((Class::Constraint, object.get("type"), definition)),
        Class::Index => {
            let (head, rest) = definition.split_once(" USING ")?;
            let unique = if head.starts_with("CREATE UNIQUE ") { "unique" } else { "" };
            Some((Class::Index, unique, rest))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::diff::diff;
    use super::*;

    fn object(letter: &str, oid: u32, parent: u32, name: &str, fields: &[(&str, &str)]) -> Object {
        let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let object = Object::new(letter, oid, 0, parent, 1).unwrap();
        Object { schema: "public".to_owned(), name: name.to_owned(), fields, ..object }
    }

    /// A partitioned table with a key; one that is a partition of it, or not, and what it has of its own.
    fn catalog(is_part: bool, own: &[Object]) -> Catalog {
        let key = [("type", "p"), ("definition", "PRIMARY KEY (id)")];
        let bound = if is_part { vec![("bound", "DEFAULT"), ("parents", "public.whole")] } else { vec![] };
        let mut all = vec![
            object("r", 10, 0, "whole", &[("partition by", "LIST (id)")]),
            object("r", 11, 0, "part", &bound),
            object("n", 20, 10, "whole_pkey", &key),
        ];
        all.extend(own.iter().cloned());
        let end = |oid| ("c".to_owned(), oid, 0);
        let edges = if is_part { vec![(end(11), end(10))] } else { vec![] };
        Catalog::new(all, &edges)
    }

    fn sql(from: &Catalog, to: &Catalog) -> Vec<String> {
        diff(from, to).unwrap().into_iter().map(|change| change.sql).collect()
    }

    #[test]
    fn a_key_is_there_again_behind_detaching_and_is_taken_by_attaching() {
        let key = object("n", 21, 11, "mine", &[("type", "p"), ("definition", "PRIMARY KEY (id)")]);
        let check = object("n", 22, 11, "own", &[("type", "c"), ("definition", "CHECK ((id > 0))")]);
        let (part, table) = (catalog(true, &[]), catalog(false, &[key, check]));
        let detach = "ALTER TABLE public.whole DETACH PARTITION \"public\".\"part\"";
        assert_eq!(sql(&part, &table), [detach], "what it has is seen only then");
        let attach = "ALTER TABLE public.whole ATTACH PARTITION \"public\".\"part\" DEFAULT";
        let drop = "ALTER TABLE \"public\".\"part\" DROP CONSTRAINT \"own\"";
        assert_eq!(sql(&table, &part), [drop, attach], "the key is the parent's by then");
    }

    #[test]
    fn an_index_is_known_by_what_is_behind_its_name() {
        let index = |letter, sql| object(letter, 30, 11, "i", &[("definition", sql)]);
        let one = index("i", "CREATE INDEX i ON public.part USING btree (id)");
        let other = index("i", "CREATE INDEX j ON ONLY public.whole USING btree (id)");
        let unique = index("i", "CREATE UNIQUE INDEX i ON public.part USING btree (id)");
        assert_eq!(same(&one), same(&other));
        assert_ne!(same(&one), same(&unique));
        assert_eq!(same(&index("g", "CREATE TRIGGER i")), None);
    }
}
