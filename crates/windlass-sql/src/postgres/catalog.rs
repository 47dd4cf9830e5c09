//! The definitions of a database, as its driver read them.

use std::collections::{BTreeMap, BTreeSet};

/// Kinds of objects, in the order in which they are made when nothing else decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "PostgreSQL's own words")]
pub enum Class {
    Role,
    Database,
    Schema,
    Extension,
    Enum,
    Domain,
    Composite,
    Sequence,
    Function,
    Cast,
    Table,
    Column,
    Default,
    View,
    Matview,
    Constraint,
    Index,
    Statistics,
    Trigger,
    Rule,
    Policy,
    DefaultAcl,
}

impl Class {
    fn of(letter: &str) -> Option<Self> {
        Some(match letter {
            "R" => Self::Role,
            "b" => Self::Database,
            "h" => Self::Schema,
            "x" => Self::Extension,
            "e" => Self::Enum,
            "d" => Self::Domain,
            "o" => Self::Composite,
            "S" => Self::Sequence,
            "f" => Self::Function,
            "k" => Self::Cast,
            "r" => Self::Table,
            "a" => Self::Column,
            "D" => Self::Default,
            "v" => Self::View,
            "m" => Self::Matview,
            "n" => Self::Constraint,
            "i" => Self::Index,
            "s" => Self::Statistics,
            "g" => Self::Trigger,
            "w" => Self::Rule,
            "y" => Self::Policy,
            "p" => Self::DefaultAcl,
            _ => return None,
        })
    }

    /// As people and `COMMENT ON` call it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Role => "ROLE",
            Self::Database => "DATABASE",
            Self::Schema => "SCHEMA",
            Self::Extension => "EXTENSION",
            Self::Enum | Self::Composite => "TYPE",
            Self::Domain => "DOMAIN",
            Self::Sequence => "SEQUENCE",
            Self::Function => "FUNCTION",
            Self::Cast => "CAST",
            Self::Table => "TABLE",
            Self::Column => "COLUMN",
            Self::Default => "DEFAULT",
            Self::View => "VIEW",
            Self::Matview => "MATERIALIZED VIEW",
            Self::Constraint => "CONSTRAINT",
            Self::Index => "INDEX",
            Self::Statistics => "STATISTICS",
            Self::Trigger => "TRIGGER",
            Self::Rule => "RULE",
            Self::Policy => "POLICY",
            Self::DefaultAcl => "DEFAULT PRIVILEGES",
        }
    }
}

/// Which object: stays the same through renames, inside of one database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id {
    /// Its kind.
    pub class: Class,
    /// Its number; of columns and their defaults, that of the table.
    pub oid: u32,
    /// Number of the column.
    pub sub: i32,
}

/// An object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// Which.
    pub id: Id,
    /// The table (or domain) that it is a part of; 0: none.
    pub parent: u32,
    /// Number of its schema.
    pub space: u32,
    /// Name of its schema.
    pub schema: String,
    /// Its name; of functions with the types of their arguments.
    pub name: String,
    /// Its definition. What begins with `#` is no part of the definition: states, numbers.
    pub fields: BTreeMap<String, String>,
}

impl Object {
    /// An object without name and fields; `letter` is its kind, as the driver's question names it.
    #[must_use]
    pub fn new(letter: &str, oid: u32, sub: i32, parent: u32, space: u32) -> Option<Self> {
        let id = Id { class: Class::of(letter)?, oid, sub };
        Some(Self { id, parent, space, schema: String::new(), name: String::new(), fields: BTreeMap::new() })
    }

    /// A field; empty if it is not set.
    #[must_use]
    pub fn get(&self, field: &str) -> &str {
        self.fields.get(field).map_or("", String::as_str)
    }

    /// Fields that define it.
    pub fn definition(&self) -> impl Iterator<Item = (&str, &str)> {
        self.fields
            .iter()
            .filter(|(name, _)| !name.starts_with('#'))
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

/// One end of an edge as the driver reads it: a letter, a number, a number of a column.
pub type End = (String, u32, i32);

/// All objects of a database, and what depends on what.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    /// Objects.
    pub objects: BTreeMap<Id, Object>,
    /// Who depends (first) on whom.
    pub edges: Vec<(Id, Id)>,
    /// Tables, views, domains by number: what parents are.
    relations: BTreeMap<u32, Id>,
}

impl Catalog {
    /// From what the driver read. The ends of edges are a letter, a number, a number of a column.
    #[must_use]
    pub fn new(objects: Vec<Object>, edges: &[(End, End)]) -> Self {
        let mut catalog = Self::default();
        let mut indexes = BTreeMap::new();
        for object in objects {
            if !matches!(object.id.class, Class::Column | Class::Default) {
                catalog.relations.insert(object.id.oid, object.id);
            }
            if let Ok(index) = object.get("#index").parse::<u32>()
                && ["p", "u", "x"].contains(&object.get("type"))
            {
                indexes.insert(index, object.id);
            }
            catalog.objects.insert(object.id, object);
        }
        let end = |(letter, oid, sub): &End| match letter.as_str() {
            "c" if *sub > 0 => {
                let column = Id { class: Class::Column, oid: *oid, sub: *sub };
                if catalog.objects.contains_key(&column) {
                    Some(column)
                } else {
                    catalog.relations.get(oid).copied()
                }
            }
            "D" => Some(Id { class: Class::Default, oid: *oid, sub: *sub }),
            _ => catalog.relations.get(oid).or_else(|| indexes.get(oid)).copied(),
        };
        let mut found: BTreeSet<(Id, Id)> =
            edges.iter().filter_map(|(from, to)| Some((end(from)?, end(to)?))).collect();
        for object in catalog.objects.values() {
            if let Some(parent) = catalog.relations.get(&object.parent) {
                found.insert((object.id, *parent));
            }
        }
        catalog.edges = found.into_iter().filter(|(from, to)| from != to).collect();
        catalog
    }

    /// The table, view or domain that an object is a part of.
    #[must_use]
    pub fn parent(&self, object: &Object) -> Option<&Object> {
        self.objects.get(self.relations.get(&object.parent)?)
    }

    /// Its name for people and for comparison between databases: kind and full name.
    #[must_use]
    pub fn path(&self, object: &Object) -> String {
        let word = object.id.class.word().to_lowercase();
        let full = |schema: &str, name: &str| {
            if schema.is_empty() { name.to_owned() } else { format!("{schema}.{name}") }
        };
        match self.parent(object) {
            Some(parent) => format!("{word} {} of {}", object.name, full(&parent.schema, &parent.name)),
            None => format!("{word} {}", full(&object.schema, &object.name)),
        }
    }

    /// All objects by path.
    #[must_use]
    pub fn by_path(&self) -> BTreeMap<String, &Object> {
        self.objects.values().map(|object| (self.path(object), object)).collect()
    }

    /// All but these.
    #[must_use]
    pub fn without(&self, ids: &BTreeSet<Id>) -> Self {
        let mut rest = self.clone();
        rest.objects.retain(|id, _| !ids.contains(id));
        rest.relations.retain(|_, id| !ids.contains(id));
        rest.edges.retain(|(from, to)| !ids.contains(from) && !ids.contains(to));
        rest
    }

    /// What depends on any of `on`, over any number of steps; without `on`.
    #[must_use]
    pub fn dependents(&self, on: &BTreeSet<Id>) -> BTreeSet<Id> {
        let mut all = on.clone();
        loop {
            let more: Vec<Id> = self
                .edges
                .iter()
                .filter(|(from, to)| all.contains(to) && !all.contains(from))
                .map(|(from, _)| *from)
                .collect();
            if more.is_empty() {
                return all.difference(on).copied().collect();
            }
            all.extend(more);
        }
    }

    /// `ids` so that what others depend on comes first.
    #[must_use]
    pub fn in_order(&self, ids: &BTreeSet<Id>) -> Vec<Id> {
        let mut waits: BTreeMap<Id, BTreeSet<Id>> = ids.iter().map(|id| (*id, BTreeSet::new())).collect();
        for (from, to) in self.edges.iter().filter(|(from, to)| ids.contains(from) && ids.contains(to)) {
            waits.entry(*from).or_default().insert(*to);
        }
        let (mut order, mut done) = (vec![], BTreeSet::new());
        while order.len() < ids.len() {
            let ready =
                waits.iter().find(|(id, on)| !done.contains(*id) && on.is_subset(&done)).map(|(id, _)| *id);
            // A circle (a table and its own function, say): by kind.
            let next = ready.or_else(|| ids.iter().find(|id| !done.contains(*id)).copied());
            let Some(next) = next else { break };
            done.insert(next);
            order.push(next);
        }
        order
    }
}

/// Whether two databases have the same definitions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// All of them.
    Exact,
    /// All, but columns stand in another order.
    ColumnOrder,
    /// Not; what, one line each.
    Different(Vec<String>),
}

/// Compares by name, whatever the numbers are.
#[must_use]
pub fn compare(one: &Catalog, other: &Catalog) -> Verdict {
    let (left, right) = (one.by_path(), other.by_path());
    let mut different = vec![];
    let mut moved = false;
    for path in left.keys().chain(right.keys().filter(|path| !left.contains_key(*path))) {
        match (left.get(path), right.get(path)) {
            (Some(left), Some(right)) => {
                for name in left
                    .fields
                    .keys()
                    .chain(right.fields.keys().filter(|name| !left.fields.contains_key(*name)))
                {
                    if !name.starts_with('#') && left.get(name) != right.get(name) {
                        different.push(format!(
                            "{path}: {name} is `{}`, was `{}`",
                            right.get(name),
                            left.get(name)
                        ));
                    }
                }
                moved |= left.get("#position") != right.get("#position");
            }
            (Some(_), None) => different.push(format!("{path} is missing")),
            _ => different.push(format!("{path} was not there")),
        }
    }
    match (different.is_empty(), moved) {
        (false, _) => Verdict::Different(different),
        (true, true) => Verdict::ColumnOrder,
        (true, false) => Verdict::Exact,
    }
}
