//! The statements that turn one catalog into another. Renames come alone: behind them the server itself has changed texts of
//! other definitions, so the caller reads the catalog again and asks for what is left.

use super::catalog::{Catalog, Class, Id, Object};
use super::{alter, partitions, types, write};
use std::collections::{BTreeMap, BTreeSet};

/// A statement of a difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The statement.
    pub sql: String,
    /// Takes this table away: the caller looks whether there is something in it.
    pub drops: Option<(String, String)>,
    /// The object that goes and could be moved away instead.
    pub gone: Option<Id>,
    /// It reads or writes all rows of this table.
    pub heavy: Option<u32>,
    /// Makes room for rows: to be done before rows come back, while the rest comes after.
    pub early: bool,
}

impl Change {
    pub(super) fn new(sql: String) -> Self {
        Self { sql, drops: None, gone: None, heavy: None, early: false }
    }
}

/// What is to be done to `from` so that it becomes `to`, in order. Not all may be said at once: ask again until nothing is.
/// The error says what there is no statement for.
pub fn diff(from: &Catalog, to: &Catalog) -> Result<Vec<Change>, String> {
    let pairs = Pairs::new(from, to);
    let renames = pairs.renames();
    if !renames.is_empty() {
        return Ok(renames);
    }
    pairs.changes()
}

/// What is to be said of the things that the changes of [`diff`] make anew, beside their definitions, if the catalog is not read
/// again behind them: owners, privileges, comments.
pub fn dress(from: &Catalog, to: &Catalog) -> Result<Vec<String>, String> {
    let pairs = Pairs::new(from, to);
    let (again, anew) = pairs.again()?;
    let mut all = vec![];
    for id in again.union(&anew.types) {
        all.extend(types::dress(to, &to.objects[&pairs.both[id]])?);
    }
    Ok(all)
}

/// A column of a partition or child table that it has from its parent: it comes, changes and goes with the parent's.
fn comes_along(object: &Object) -> bool {
    object.id.class == Class::Column && !object.get("inherited").is_empty()
}

struct Pairs<'c> {
    from: &'c Catalog,
    to: &'c Catalog,
    /// Objects that are in both.
    both: BTreeMap<Id, Id>,
    /// Only in `from`.
    gone: BTreeSet<Id>,
    /// Only in `to`.
    new: BTreeSet<Id>,
}

impl<'c> Pairs<'c> {
    fn new(from: &'c Catalog, to: &'c Catalog) -> Self {
        let mut both: BTreeMap<Id, Id> =
            from.objects.keys().filter(|id| to.objects.contains_key(id)).map(|id| (*id, *id)).collect();
        let by_path: BTreeMap<String, Id> = (to.objects.values())
            .filter(|object| !from.objects.contains_key(&object.id))
            .map(|object| (to.path(object), object.id))
            .collect();
        for object in
            from.objects.values().filter(|object| !both.contains_key(&object.id)).collect::<Vec<_>>()
        {
            if let Some(id) = by_path.get(&from.path(object)) {
                both.insert(object.id, *id);
            }
        }
        let gone: BTreeSet<Id> = from.objects.keys().filter(|id| !both.contains_key(id)).copied().collect();
        let gone = &gone - &partitions::taken(from, to, &both, &gone);
        let found: BTreeSet<Id> = both.values().copied().collect();
        let new = to.objects.keys().filter(|id| !found.contains(id)).copied().collect();
        Self { from, to, both, gone, new }
    }

    fn each(&self) -> impl Iterator<Item = (&'c Object, &'c Object)> {
        self.both.iter().map(|(from, to)| (&self.from.objects[from], &self.to.objects[to]))
    }

    fn renames(&self) -> Vec<Change> {
        let mut schemas = vec![];
        let mut tables = vec![];
        let mut rest = vec![];
        for (from, to) in self.each() {
            let base = |object: &Object| {
                if object.id.class == Class::Function {
                    object.get("base").to_owned()
                } else {
                    object.name.clone()
                }
            };
            let renamed = base(from) != base(to)
                && !matches!(from.id.class, Class::Default | Class::Cast)
                && from.id.class != Class::DefaultAcl;
            // Sequences that columns own go with their tables.
            let moved = from.get("owned").is_empty()
                && from.parent == 0
                && from.space != to.space
                && from.schema != to.schema
                && !from.schema.is_empty();
            if moved && !matches!(from.id.class, Class::Index) {
                tables.push(write::move_to(self.from, from, &to.schema));
            }
            if !renamed || comes_along(from) {
                continue;
            }
            let sql = write::rename(self.from, from, &base(to));
            match from.id.class {
                Class::Schema => schemas.push(sql),
                Class::Table | Class::View | Class::Matview | Class::Sequence => tables.push(sql),
                _ => rest.push(sql),
            }
        }
        let first = [schemas, tables, rest].into_iter().find(|list| !list.is_empty()).unwrap_or_default();
        first.into_iter().map(Change::new).collect()
    }

    /// Objects that cannot be changed into what they are in `to`: away, and made anew. And types that are made anew in their place.
    fn again(&self) -> Result<(BTreeSet<Id>, types::Anew), String> {
        let anew = types::anew(self.from, self.to, &self.both)?;
        let mut again = anew.others.clone();
        for (from, to) in self.each() {
            if !alter::alterable(from, to)? && !anew.types.contains(&from.id) {
                again.insert(from.id);
            }
        }
        // Views and other things on a column whose type changes stand in its way.
        let retyped = (self.each())
            .filter(|(from, to)| from.id.class == Class::Column && alter::retyped(from, to))
            .map(|(from, _)| from.id);
        let retyped: BTreeSet<Id> = retyped.chain(anew.columns.iter().copied()).collect();
        for id in self.from.dependents(&retyped) {
            let stays = match id.class {
                Class::Index
                | Class::Constraint
                | Class::Table
                | Class::Statistics
                | Class::Sequence
                | Class::Domain
                | Class::Composite => true,
                Class::Column => self.from.objects[&id].get("generated").is_empty(),
                _ => false,
            };
            if self.both.contains_key(&id) && !stays {
                again.insert(id);
            }
        }
        let more = self.from.dependents(&again.union(&self.gone).copied().collect());
        for id in more.into_iter().filter(|id| self.both.contains_key(id)) {
            // A column with a type that goes: `to` cannot be like that.
            let is_generated =
                id.class == Class::Column && !self.from.objects[&id].get("generated").is_empty();
            if id.class > Class::Column || is_generated || matches!(id.class, Class::Function | Class::Cast) {
                again.insert(id);
            }
        }
        Ok((again, anew))
    }

    fn changes(&self) -> Result<Vec<Change>, String> {
        let (again, anew) = self.again()?;
        let drops: BTreeSet<Id> = again.union(&self.gone).copied().collect();
        let mut creates: BTreeSet<Id> = self.new.clone();
        creates.extend(again.iter().map(|id| self.both[id]));
        let mut all = vec![];
        for id in self.from.in_order(&drops).into_iter().rev() {
            self.drop(id, &drops, &mut all);
        }
        // Only then is it seen which keys and indexes a partition has.
        let detached = partitions::detached(self.from, self.to, &self.both);
        if !detached.is_empty() {
            all.extend(detached.into_iter().map(Change::new));
            return Ok(all);
        }
        all.extend(anew.statements(self.from, self.to, &self.both, &again)?);
        let order = self.to.in_order(&creates);
        let (early, late): (Vec<Id>, Vec<Id>) =
            order.into_iter().partition(|id| self.is_early(*id, &creates));
        for id in early {
            self.create(id, &creates, true, &mut all)?;
        }
        let stays = |id: &Id| !again.contains(id) && !anew.types.contains(id);
        for (from, to) in self.each().filter(|(from, _)| stays(&from.id)) {
            for (sql, heavy) in alter::alter(self.from, from, to)? {
                let heavy = heavy.then_some(from.id.oid).filter(|_| from.id.class == Class::Column);
                let early = from.id.class == Class::Column && sql.contains(" TYPE ");
                if early && comes_along(from) && comes_along(to) {
                    continue;
                }
                all.push(Change { heavy, early, ..Change::new(sql) });
            }
        }
        for id in late {
            self.create(id, &creates, false, &mut all)?;
        }
        Ok(all)
    }

    /// Tables, columns, and what they need.
    fn is_early(&self, id: Id, creates: &BTreeSet<Id>) -> bool {
        if id.class <= Class::Sequence || matches!(id.class, Class::Table | Class::Column) {
            return true;
        }
        let waits = |on: &Id| match on.class {
            Class::View | Class::Matview => true,
            Class::Function => id.class == Class::Cast && !self.is_early(*on, creates),
            _ => false,
        };
        let edges = || self.to.edges.iter().filter(|(from, on)| *from == id && creates.contains(on));
        matches!(id.class, Class::Function | Class::Cast) && !edges().any(|(_, on)| waits(on))
    }

    fn drop(&self, id: Id, drops: &BTreeSet<Id>, all: &mut Vec<Change>) {
        let object = &self.from.objects[&id];
        if comes_along(object) {
            return;
        }
        // Parts go with the whole, but what stands in the way of other drops goes first.
        let parent = self.from.parent(object).map(|parent| parent.id);
        if parent.is_some_and(|parent| drops.contains(&parent))
            && (id.class != Class::Constraint || object.get("type") != "f")
        {
            return;
        }
        // So do sequences that a column owns.
        let owner = |(from, on): &&(Id, Id)| {
            *from == id
                && id.class == Class::Sequence
                && drops.contains(on)
                && matches!(on.class, Class::Column | Class::Table)
        };
        if !object.get("owned").is_empty() && self.from.edges.iter().any(|edge| owner(&edge)) {
            return;
        }
        let Some(sql) = write::drop(self.from, object) else { return };
        let drops = (id.class == Class::Table).then(|| (object.schema.clone(), object.name.clone()));
        all.push(Change { drops, gone: Some(id), ..Change::new(sql) });
    }

    fn create(
        &self,
        id: Id,
        creates: &BTreeSet<Id>,
        early: bool,
        all: &mut Vec<Change>,
    ) -> Result<(), String> {
        let object = &self.to.objects[&id];
        let with_table = id.class == Class::Column
            && self.to.parent(object).is_some_and(|parent| creates.contains(&parent.id));
        if with_table || comes_along(object) {
            return Ok(());
        }
        let heavy =
            matches!(id.class, Class::Index | Class::Constraint | Class::Column).then_some(object.parent);
        for sql in write::create(self.to, object)? {
            all.push(Change { heavy, early, ..Change::new(sql) });
        }
        Ok(())
    }
}
