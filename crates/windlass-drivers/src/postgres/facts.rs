//! What the catalog says of tables that a statement on rows changes.

use super::session::{Row, Session, Trouble};
use std::collections::BTreeMap;
use windlass_sql::postgres::rows::{Column, Image, Reference};

/// A table.
#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    pub(super) oid: u32,
    pub(super) schema: String,
    pub(super) name: String,
    /// `r`, `p`, `v`, …
    pub(super) kind: String,
    /// Rewrite rules.
    pub(super) rules: bool,
    /// Tables that inherit from it, but are no partitions.
    pub(super) heirs: bool,
    /// Triggers of users that fire.
    pub(super) triggers: bool,
    /// It is temporary.
    pub(super) temporary: bool,
    /// Roots of the partition trees above it, and all tables below it.
    pub(super) family: Vec<u32>,
    /// Partitioned tables that it is a part of, by schema and name.
    pub(super) above: Vec<(String, String)>,
    pub(super) columns: Vec<Column>,
    pub(super) key: Vec<String>,
    /// Foreign keys from other tables: theirs, and whether a DELETE or UPDATE here changes rows there.
    pub(super) children: Vec<Child>,
    pub(super) parents: Vec<Reference>,
}

/// A foreign key from another table.
#[derive(Clone, Debug)]
pub(super) struct Child {
    pub(super) reference: Reference,
    pub(super) on_delete: bool,
    pub(super) on_update: bool,
}

impl Table {
    /// The image that keeps `kept` of its columns (all when `None`) and the key.
    pub(super) fn image(&self, name: String, kept: Option<&[String]>) -> Image {
        let wanted = |column: &&Column| {
            kept.is_none_or(|kept| kept.contains(&column.name) || self.key.contains(&column.name))
        };
        let columns: Vec<Column> = self.columns.iter().filter(wanted).cloned().collect();
        let position = |name: &String| columns.iter().position(|column| column.name == *name);
        Image {
            schema: self.schema.clone(),
            table: self.name.clone(),
            image: name,
            key: self.key.iter().map(position).collect::<Option<_>>().unwrap_or_default(),
            columns,
            children: self.children.iter().map(|child| child.reference.clone()).collect(),
            parents: self.parents.clone(),
            above: self.above.clone(),
        }
    }

    /// Name for people.
    pub(super) fn shown(&self) -> String {
        if self.schema == "public" { self.name.clone() } else { format!("{}.{}", self.schema, self.name) }
    }
}

/// The tables with these numbers; those that are gone are left out.
pub(super) async fn tables(session: &Session, oids: &[u32]) -> Result<BTreeMap<u32, Table>, Trouble> {
    let mut found = BTreeMap::new();
    if oids.is_empty() {
        return Ok(found);
    }
    let list = oids.iter().map(u32::to_string).collect::<Vec<_>>().join(", ");
    for row in session.ask(&TABLES.replace("$oids", &list)).await? {
        let mut values = row.into_iter().map(Option::unwrap_or_default);
        let mut next = || values.next().unwrap_or_default();
        let mut table = Table { oid: next().parse().unwrap_or_default(), ..Table::default() };
        (table.schema, table.name, table.kind) = (next(), next(), next());
        let mut flag = || next() == "t";
        (table.rules, table.heirs, table.triggers, table.temporary) = (flag(), flag(), flag(), flag());
        table.family = json(&next());
        table.above = json(&next());
        table.columns = json(&next());
        table.key = json(&next());
        table.children = json::<Vec<Raw>>(&next()).into_iter().map(Raw::child).collect();
        table.parents = json::<Vec<Raw>>(&next()).into_iter().map(|raw| raw.child().reference).collect();
        found.insert(table.oid, table);
    }
    Ok(found)
}

/// The tables whose rows may change when rows of `table` do: by foreign keys with an action, over any number of tables.
pub(super) async fn reach(session: &Session, oid: u32) -> Result<Vec<u32>, Trouble> {
    let sql = format!(
        "WITH RECURSIVE reach(oid) AS (SELECT {oid}::oid UNION SELECT f.conrelid FROM reach r JOIN pg_catalog.pg_constraint f ON \
         f.confrelid = r.oid AND f.contype = 'f' AND (f.confdeltype IN ('c', 'n', 'd') OR f.confupdtype IN ('c', 'n', 'd'))) \
         SELECT oid FROM reach"
    );
    let rows = session.ask(&sql).await?;
    Ok(rows.into_iter().filter_map(|row| row.into_iter().next().flatten()?.parse().ok()).collect())
}

#[derive(serde::Deserialize)]
struct Raw {
    schema: String,
    table: String,
    theirs: Vec<String>,
    ours: Vec<String>,
    del: String,
    upd: String,
}

impl Raw {
    fn child(self) -> Child {
        let acts = |action: &str| ["c", "n", "d"].contains(&action);
        Child {
            on_delete: acts(&self.del),
            on_update: acts(&self.upd),
            reference: Reference {
                schema: self.schema,
                table: self.table,
                theirs: self.theirs,
                ours: self.ours,
                acts: acts(&self.del) || acts(&self.upd),
            },
        }
    }
}

fn json<T: serde::de::DeserializeOwned + Default>(text: &str) -> T {
    serde_json::from_str(text).unwrap_or_default()
}

const TABLES: &str = r#"
WITH names AS (SELECT attrelid, attnum, attname FROM pg_catalog.pg_attribute)
SELECT c.oid, n.nspname, c.relname, c.relkind, c.relhasrules,
  EXISTS (SELECT FROM pg_catalog.pg_inherits i JOIN pg_catalog.pg_class h ON h.oid = i.inhrelid
          WHERE i.inhparent = c.oid AND NOT h.relispartition),
  EXISTS (SELECT FROM pg_catalog.pg_trigger t WHERE t.tgrelid = c.oid AND NOT t.tgisinternal AND t.tgenabled <> 'D'),
  c.relpersistence = 't',
  COALESCE((SELECT json_agg(relid::int8) FROM pg_catalog.pg_partition_ancestors(c.oid) relid WHERE relid <> c.oid), '[]')::jsonb
    || COALESCE((SELECT json_agg(relid::oid::int8) FROM pg_catalog.pg_partition_tree(c.oid) WHERE relid <> c.oid), '[]')::jsonb,
  COALESCE((SELECT json_agg(json_build_array(an.nspname, ac.relname)) FROM pg_catalog.pg_partition_ancestors(c.oid) relid
    JOIN pg_catalog.pg_class ac ON ac.oid = relid JOIN pg_catalog.pg_namespace an ON an.oid = ac.relnamespace), '[]'),
  COALESCE((SELECT json_agg(json_build_object('name', a.attname, 'type', pg_catalog.format_type(a.atttypid, a.atttypmod),
      'builtin', ty.typnamespace = 'pg_catalog'::regnamespace, 'always', a.attidentity = 'a') ORDER BY a.attnum)
    FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type ty ON ty.oid = a.atttypid
    WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''), '[]'),
  COALESCE((SELECT json_agg(a.attname ORDER BY k.ord) FROM (
      SELECT x.indkey, x.indnkeyatts FROM pg_catalog.pg_index x WHERE x.indrelid = c.oid AND x.indisunique AND x.indimmediate
        AND x.indisvalid AND x.indpred IS NULL AND x.indexprs IS NULL
        AND NOT EXISTS (SELECT FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid
          AND a.attnum = ANY ((x.indkey::int2[])[0:x.indnkeyatts - 1]) AND (NOT a.attnotnull OR a.attgenerated <> ''))
      ORDER BY x.indisprimary DESC, x.indnkeyatts, x.indexrelid LIMIT 1) x,
    LATERAL unnest((x.indkey::int2[])[0:x.indnkeyatts - 1]) WITH ORDINALITY k(num, ord)
    JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.num), '[]'),
  COALESCE((SELECT json_agg(json_build_object('oid', f.conrelid::int8, 'schema', fn.nspname, 'table', fc.relname,
      'theirs', (SELECT json_agg(attname ORDER BY ord) FROM unnest(f.conkey) WITH ORDINALITY u(num, ord)
                 JOIN names ON attrelid = f.conrelid AND attnum = num),
      'ours', (SELECT json_agg(attname ORDER BY ord) FROM unnest(f.confkey) WITH ORDINALITY u(num, ord)
               JOIN names ON attrelid = f.confrelid AND attnum = num),
      'del', f.confdeltype, 'upd', f.confupdtype))
    FROM pg_catalog.pg_constraint f JOIN pg_catalog.pg_class fc ON fc.oid = f.conrelid
    JOIN pg_catalog.pg_namespace fn ON fn.oid = fc.relnamespace
    WHERE f.confrelid = c.oid AND f.contype = 'f' AND f.conparentid = 0 AND fn.nspname !~ '^windlass'), '[]'),
  COALESCE((SELECT json_agg(json_build_object('oid', f.confrelid::int8, 'schema', fn.nspname, 'table', fc.relname,
      'theirs', (SELECT json_agg(attname ORDER BY ord) FROM unnest(f.confkey) WITH ORDINALITY u(num, ord)
                 JOIN names ON attrelid = f.confrelid AND attnum = num),
      'ours', (SELECT json_agg(attname ORDER BY ord) FROM unnest(f.conkey) WITH ORDINALITY u(num, ord)
               JOIN names ON attrelid = f.conrelid AND attnum = num),
      'del', f.confdeltype, 'upd', f.confupdtype))
    FROM pg_catalog.pg_constraint f JOIN pg_catalog.pg_class fc ON fc.oid = f.confrelid
    JOIN pg_catalog.pg_namespace fn ON fn.oid = fc.relnamespace
    WHERE f.conrelid = c.oid AND f.contype = 'f' AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint p
      WHERE p.oid = f.conparentid AND p.conrelid = f.conrelid)), '[]')
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.oid IN ($oids)"#;

/// Rows inserted, updated, deleted in this transaction so far, by table; tables of the catalog too.
#[derive(Clone, Debug, Default)]
pub(super) struct Counts(BTreeMap<u32, [i64; 3]>, BTreeMap<u32, String>);

const COUNTS: &str = "SELECT oid, i, u, d, name FROM (SELECT c.oid, pg_catalog.pg_stat_get_xact_tuples_inserted(c.oid) i, \
     pg_catalog.pg_stat_get_xact_tuples_updated(c.oid) u, pg_catalog.pg_stat_get_xact_tuples_deleted(c.oid) d, \
     CASE WHEN c.relnamespace = 'pg_catalog'::pg_catalog.regnamespace THEN c.relname ELSE '' END AS name \
     FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
     WHERE c.relkind IN ('r', 'm') AND n.nspname !~ '^(windlass|pg_toast|pg_temp)'";

/// Reads the server's counts. What is kept by Windlass is left out.
pub(super) async fn counts(session: &Session) -> Result<Counts, Trouble> {
    let rows = session.ask(&format!("{COUNTS}) x WHERE i + u + d > 0")).await?;
    Ok(Counts::default().with(rows))
}

/// The same, where `before` was read in this transaction: only the catalog's own tables, and those on which the transaction
/// holds a lock. On what it changes it holds one to its end.
pub(super) async fn counts_since(session: &Session, before: &Counts) -> Result<Counts, Trouble> {
    prepare_counts(session).await?;
    Ok(before.clone().with(session.ask("EXECUTE windlass_counts").await?))
}

/// Prepares that question.
pub(super) async fn prepare_counts(session: &Session) -> Result<(), Trouble> {
    let locked = || {
        format!(
            "{COUNTS} AND (c.oid < 16384 OR c.oid = ANY (ARRAY(SELECT relation FROM pg_catalog.pg_locks WHERE pid = \
             pg_catalog.pg_backend_pid() AND locktype = 'relation')))) x WHERE i + u + d > 0"
        )
    };
    session.prepare(&[("windlass_counts", locked)]).await
}

impl Counts {
    fn with(mut self, rows: Vec<Row>) -> Self {
        for row in rows {
            let mut values = row.into_iter().map(Option::unwrap_or_default);
            let oid: u32 = values.next().and_then(|oid| oid.parse().ok()).unwrap_or_default();
            let mut number = || values.next().and_then(|count| count.parse().ok()).unwrap_or_default();
            self.0.insert(oid, [number(), number(), number()]);
            if let Some(name) = values.next().filter(|name| !name.is_empty()) {
                self.1.insert(oid, name);
            }
        }
        self
    }

    /// Rows of a table of the catalog that were inserted, updated, deleted since `before`.
    pub(super) fn of_catalogs(&self, before: &Self) -> BTreeMap<&str, [u64; 3]> {
        self.diff(before).filter_map(|(oid, counts)| Some((self.1.get(&oid)?.as_str(), counts))).collect()
    }

    /// What was counted since `before`, of tables of users.
    pub(super) fn since(&self, before: &Self) -> BTreeMap<u32, [u64; 3]> {
        self.diff(before).filter(|(oid, _)| !self.1.contains_key(oid)).collect()
    }

    /// The tables of the catalog that were changed since `before`.
    pub(super) fn catalogs(&self, before: &Self) -> Vec<&str> {
        self.diff(before).filter_map(|(oid, _)| self.1.get(&oid).map(String::as_str)).collect()
    }

    fn diff<'a>(&'a self, before: &'a Self) -> impl Iterator<Item = (u32, [u64; 3])> + 'a {
        self.0.iter().filter_map(|(oid, now)| {
            let then = before.0.get(oid).copied().unwrap_or_default();
            let diff: [u64; 3] = std::array::from_fn(|at| (now[at] - then[at]).unsigned_abs());
            (diff != [0; 3]).then_some((*oid, diff))
        })
    }
}
