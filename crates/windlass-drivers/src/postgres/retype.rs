//! Changes of type after which values are others, so that those before have to be kept. What a statement says of its own table is
//! read; of all other tables that are written anew (by a `DO` block, a procedure, a trigger) the values are weighed before and after.

use super::{
    apply::{Again, at},
    facts::{self, Table},
    job::Job,
};
use std::collections::{BTreeMap, BTreeSet};
use windlass_sql::postgres::{
    catalog::{Catalog, Class, Id, Object},
    ident, qualified, text,
};
use windlass_sql::{Change, Ddl, Dialect};

/// What the statement says of its own table.
pub(super) struct Said {
    /// The table that an `ALTER TABLE` names.
    table: Option<String>,
    /// Its columns that get values of an expression, whatever the type: `ALTER COLUMN … TYPE … USING`.
    using: Vec<String>,
}

impl Said {
    pub(super) fn of(job: &Job) -> Self {
        let Some(Ddl::AlterTable(alter)) = windlass_sql::ddl(job.statement(), Dialect::Postgresql) else {
            return Self { table: None, using: vec![] };
        };
        let using = alter.changes.iter().filter_map(|change| match change {
            Change::SetType { column, using: true, .. } => Some(column.clone()),
            _ => None,
        });
        Self { table: Some(alter.table.base().to_owned()), using: using.collect() }
    }

    /// Whether it is an `ALTER TABLE` of this table: it does to the rows what it says, and nothing else.
    pub(super) fn names(&self, table: &str) -> bool {
        self.table.as_deref() == Some(table)
    }

    /// Whether it says that one of these columns gets values of an expression, which may make one of NULL.
    pub(super) fn computes_any(&self, names: &[String]) -> bool {
        names.iter().any(|name| self.using.contains(name))
    }

    /// Whether it says that the column gets other values.
    pub(super) fn computes(&self, before: &Catalog, column: &Object) -> bool {
        let table = before.parent(column).map(|table| &table.name);
        table.is_some() && table == self.table.as_ref() && self.using.contains(&column.name)
    }
}

/// The tables that were written anew while nothing tells what became of their values; for partitions, the table at their top. Of
/// those that are `gone` or empty all rows are kept.
pub(super) async fn rewritten(
    job: &Job,
    said: &Said,
    (before, after): (&Catalog, &Catalog),
    gone: &BTreeSet<u32>,
) -> Result<BTreeSet<u32>, Again> {
    let table = |oid: u32| before.objects.get(&Id { class: Class::Table, oid, sub: 0 });
    let anew = |was: &&Object| {
        let is_kept = was.id.class != Class::Table || gone.contains(&was.id.oid);
        let now = after.objects.get(&was.id).filter(|_| !is_kept);
        now.is_some_and(|now| now.get("#file") != was.get("#file"))
    };
    let oids: Vec<u32> = before.objects.values().filter(anew).map(|object| object.id.oid).collect();
    let mut found = BTreeSet::new();
    for one in facts::tables(&job.session, &oids).await.map_err(at("reading the catalog"))?.into_values() {
        let is_top = |oid: &&u32| table(**oid).is_some_and(|top| top.get("bound").is_empty());
        let is_part = table(one.oid).is_some_and(|object| !object.get("bound").is_empty());
        let top = one.family.iter().find(is_top).filter(|_| is_part).copied().unwrap_or(one.oid);
        if table(top).map(|top| &top.name) != said.table.as_ref() && !gone.contains(&top) {
            found.insert(top);
        }
    }
    Ok(found)
}

/// Values of tables before a statement.
#[derive(Default)]
pub(super) struct Weighed(Vec<Weight>);

struct Weight {
    table: Table,
    /// Columns that belong together: the key alone, then with each other column; without a key all columns.
    parts: Vec<Vec<String>>,
    sums: Vec<String>,
}

impl Weighed {
    /// Weighs the values of these tables.
    pub(super) async fn take(job: &Job, oids: &BTreeSet<u32>) -> Result<Self, Again> {
        let oids: Vec<u32> = oids.iter().copied().collect();
        let tables = facts::tables(&job.session, &oids).await.map_err(at("reading the catalog"))?;
        let mut weights = vec![];
        for table in tables.into_values().filter(|table| ["r", "p"].contains(&table.kind.as_str())) {
            let names = table.columns.iter().map(|column| column.name.clone());
            let parts = match table.key.is_empty() {
                true => vec![names.collect()],
                false => {
                    let others = names.filter(|name| !table.key.contains(name));
                    let with = others.map(|name| [table.key.clone(), vec![name]].concat());
                    [vec![table.key.clone()], with.collect()].concat()
                }
            };
            let sums = sums(job, &qualified(&table.schema, &table.name), &parts).await?;
            weights.push(Weight { table, parts, sums });
        }
        Ok(Self(weights))
    }

    /// The columns whose values are others now, by table.
    pub(super) async fn changed(
        &self,
        job: &Job,
        before: &Catalog,
        after: &Catalog,
    ) -> Result<BTreeMap<u32, BTreeSet<String>>, Again> {
        let mut found = BTreeMap::new();
        for weight in &self.0 {
            let oid = weight.table.oid;
            let Some(now) = after.objects.get(&Id { class: Class::Table, oid, sub: 0 }) else { continue };
            // Under the names that they have now; of what is gone the values are kept anyway.
            let columns = before.objects.values().filter(|o| o.id.class == Class::Column && o.id.oid == oid);
            let names: BTreeMap<&String, &String> =
                columns.filter_map(|was| Some((&was.name, &after.objects.get(&was.id)?.name))).collect();
            let all = || weight.parts.iter().flatten().cloned().collect::<BTreeSet<String>>();
            let known = |part: &Vec<String>| part.iter().all(|name| names.contains_key(name));
            if !weight.parts.first().is_some_and(known) {
                found.insert(oid, all());
                continue;
            }
            let kept = || weight.parts.iter().zip(&weight.sums).filter(|(part, _)| known(part));
            let parts: Vec<Vec<String>> = kept()
                .map(|(part, _)| {
                    part.iter().filter_map(|name| names.get(name)).map(|name| (*name).clone()).collect()
                })
                .collect();
            let sums = sums(job, &qualified(&now.schema, &now.name), &parts).await?;
            let mut changed = BTreeSet::new();
            for (at, ((part, was), now)) in kept().zip(sums).enumerate() {
                match (*was == now, at) {
                    (true, _) => {}
                    (false, 0) => changed = all(),
                    (false, _) => changed.extend(part.last().cloned()),
                }
            }
            found.insert(oid, changed);
        }
        Ok(found)
    }

    /// Those of the tables that have no key, by which values could be kept.
    pub(super) fn without_key(&self) -> impl Iterator<Item = String> + '_ {
        self.0.iter().filter(|weight| weight.table.key.is_empty()).map(|weight| weight.table.shown())
    }
}

/// How many rows there are, and for each part a sum over its values as text, which no order of the rows changes.
async fn sums(job: &Job, table: &str, parts: &[Vec<String>]) -> Result<Vec<String>, Again> {
    let sum = |part: &Vec<String>| {
        let values = part.iter().map(|name| format!("{}::pg_catalog.text", ident(name))).collect::<Vec<_>>();
        let row = format!("ARRAY[{}]::pg_catalog.text", values.join(", "));
        let hash = |seed| format!("pg_catalog.sum(pg_catalog.hashtextextended({row}, {seed}))");
        format!("pg_catalog.concat_ws({}, pg_catalog.count(*), {}, {})", text(" "), hash(1), hash(2))
    };
    if parts.iter().all(Vec::is_empty) {
        return Ok(vec![String::new(); parts.len()]);
    }
    let list = parts.iter().map(sum).collect::<Vec<_>>().join(", ");
    let rows = job.session.ask(&format!("SELECT {list} FROM {table}")).await;
    let row = rows.map_err(at("weighing values"))?.into_iter().next().unwrap_or_default();
    Ok(row.into_iter().map(Option::unwrap_or_default).collect())
}

/// Whether an enum becomes text: its values are spelt as they are, and read again.
pub(super) fn spells(before: &Catalog, was: &Object, now: &Object) -> bool {
    let oid = was.get("#type").split('/').next().and_then(|oid| oid.parse().ok());
    oid.is_some_and(|oid| before.objects.contains_key(&Id { class: Class::Enum, oid, sub: 0 }))
        && ["text", "character varying"].contains(&now.get("type"))
}

/// Whether each value of one type is the same value of the other, and comes back from it.
pub(super) fn widens(from: &str, to: &str) -> bool {
    let size = |name: &str| ["smallint", "integer", "bigint"].iter().position(|of| *of == name);
    if let (Some(from), Some(to)) = (size(from), size(to)) {
        return from <= to;
    }
    let length = |name: &str| {
        name.strip_prefix("character varying(")
            .and_then(|rest| rest.strip_suffix(')'))
            .and_then(|n| n.parse::<u32>().ok())
    };
    match (length(from), length(to)) {
        (Some(from), Some(to)) => from <= to,
        (Some(_), None) => to == "text" || to == "character varying",
        _ => {
            (from == "character varying" && to == "text")
                || (from == "text" && to == "character varying")
                || (size(from).is_some() && to == "numeric")
        }
    }
}
