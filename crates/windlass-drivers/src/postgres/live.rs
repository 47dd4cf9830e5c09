//! What the catalog says of the tables of a release, in a handful of questions however many statements it has.

use super::job::{Job, Mode};
use super::session::Trouble;
use crate::disk::one_line;
use crate::sql::Wanted;
use serde::Deserialize;
use windlass_driver::{Context, Failure};
use windlass_plan::Unit;
use windlass_sql::{
    Dialect, Live, LiveColumn, LiveForeignKey, LiveIndex, LiveTable, LiveTransaction, ObjectName, Product,
    Server, column_type, postgres::text,
};

/// Looks at what `units`, all of one target, name.
pub(super) async fn live(cx: &Context, units: &[&Unit]) -> Result<Option<Live>, Failure> {
    let Some(first) = units.first() else { return Ok(None) };
    let job = Job::open(cx, first).await?;
    let wanted = Wanted::of(units, Dialect::Postgresql);
    let mut live = Live { unknown: wanted.unknown.clone(), ..Live::default() };
    job.begin(Mode::Read, &[]).await.map_err(|trouble| job.failure(trouble, "reading its catalog"))?;
    let read = read(&job, &wanted, &mut live).await;
    job.session.rollback().await;
    read.map_err(|trouble| job.failure(trouble, "reading its catalog"))?;
    Ok(Some(live))
}

async fn read(job: &Job, wanted: &Wanted, live: &mut Live) -> Result<(), Trouble> {
    server(job, live).await?;
    for row in job.session.ask(&tables_sql(wanted)).await? {
        let Some(raw) =
            row.first().and_then(Option::as_deref).and_then(|text| serde_json::from_str(text).ok())
        else {
            continue;
        };
        live.tables.push(table(raw, &mut live.unknown));
    }
    transactions(job, live).await
}

async fn server(job: &Job, live: &mut Live) -> Result<(), Trouble> {
    const NAMES: [&str; 6] = [
        "wal_level",
        "synchronous_standby_names",
        "max_wal_size",
        "default_transaction_read_only",
        "fsync",
        "lock_timeout",
    ];
    let names = NAMES.map(text).join(", ");
    let sql = format!(
        "SELECT name, setting FROM pg_catalog.pg_settings WHERE name IN ({names}, 'server_version_num') UNION ALL \
         SELECT 'in_recovery', pg_catalog.pg_is_in_recovery()::text UNION ALL \
         SELECT 'replicas', count(*)::text FROM pg_catalog.pg_stat_replication"
    );
    for row in job.session.ask(&sql).await? {
        let [Some(name), Some(value)] = row.as_slice() else { continue };
        match name.as_str() {
            "server_version_num" => live.server = value.parse().ok().map(version),
            "replicas" => live.replicas = value.parse().ok(),
            _ => {
                live.settings.insert(name.clone(), value.clone());
            }
        }
    }
    Ok(())
}

/// `150004` is 15.4.
fn version(number: u32) -> Server {
    let part = |number: u32| u16::try_from(number).unwrap_or(u16::MAX);
    Server { product: Product::Postgresql, version: (part(number / 10_000), part(number % 10_000), 0) }
}

/// Transactions that are open: the oldest, and dumps of any age.
async fn transactions(job: &Job, live: &mut Live) -> Result<(), Trouble> {
    const SQL: &str = "SELECT pid, usename, application_name, left(query, 200), \
        extract(epoch FROM clock_timestamp() - xact_start)::bigint, state LIKE 'idle%' FROM pg_catalog.pg_stat_activity \
        WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend' AND xact_start IS NOT NULL \
        AND application_name !~ '^windlass ' ORDER BY xact_start LIMIT 20";
    for row in job.session.ask(SQL).await? {
        let word = |at: usize| row.get(at).cloned().flatten().unwrap_or_default();
        live.transactions.push(LiveTransaction {
            pid: word(0).parse().unwrap_or_default(),
            user: word(1),
            program: one_line(&word(2), 40),
            query: one_line(&word(3), 80),
            age_s: word(4).parse().unwrap_or_default(),
            idle: word(5) == "t",
        });
    }
    // Who may not see the sessions of others sees that there are some, and nothing of them.
    let hidden = job
        .session
        .value(
            "SELECT count(*) FROM pg_catalog.pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() \
             AND usename <> current_user AND state IS NULL AND backend_type IS NULL",
        )
        .await?;
    if let Some(hidden) = hidden.filter(|count| count != "0") {
        live.unknown.push(format!(
            "whether {hidden} sessions of other users have transactions open: GRANT pg_read_all_stats to the user of the URL"
        ));
    }
    Ok(())
}

#[derive(Deserialize)]
struct Raw {
    schema: String,
    name: String,
    rows: Option<f64>,
    bytes: Option<u64>,
    partitions: u64,
    columns: Vec<RawColumn>,
    indexes: Vec<RawIndex>,
    keys: Vec<RawKey>,
    referenced_by: Vec<[String; 2]>,
    triggers: Vec<String>,
    numbers: Vec<Numbers>,
}

#[derive(Deserialize)]
struct RawColumn {
    name: String,
    kind: String,
    not_null: bool,
    numbered: bool,
    generated: bool,
    proven: bool,
}

#[derive(Deserialize)]
struct RawIndex {
    name: String,
    columns: Vec<Option<String>>,
    unique: bool,
    primary: bool,
    valid: bool,
}

#[derive(Deserialize)]
struct RawKey {
    name: String,
    columns: Vec<String>,
    table: [String; 2],
}

/// A sequence of a column; `last` is null also where nobody may look.
#[derive(Deserialize)]
struct Numbers {
    sequence: String,
    seen: bool,
    last: Option<i64>,
}

fn table(raw: Raw, unknown: &mut Vec<String>) -> LiveTable {
    let pair = |[schema, name]: [String; 2]| ObjectName { parts: vec![schema, name] };
    for hidden in raw.numbers.iter().filter(|numbers| !numbers.seen) {
        unknown.push(format!(
            "where sequence {} stands: GRANT SELECT on it to the user of the URL",
            hidden.sequence
        ));
    }
    LiveTable {
        name: pair([raw.schema, raw.name]),
        // A count of the server is far below 2⁵³.
        rows: raw.rows.map(|rows| rows.max(0.0) as u64),
        bytes: raw.bytes,
        engine: None,
        columns: raw.columns.into_iter().map(column).collect(),
        indexes: raw.indexes.into_iter().map(index).collect(),
        foreign_keys: raw
            .keys
            .into_iter()
            .map(|key| LiveForeignKey { name: key.name, columns: key.columns, references: pair(key.table) })
            .collect(),
        referenced_by: raw.referenced_by.into_iter().map(pair).collect(),
        triggers: raw.triggers,
        partitions: raw.partitions,
        row_versions: None,
        next_number: raw.numbers.iter().filter_map(|numbers| u64::try_from(numbers.last?).ok()).max(),
    }
}

fn column(raw: RawColumn) -> LiveColumn {
    LiveColumn {
        name: raw.name,
        kind: column_type(&raw.kind, Dialect::Postgresql),
        not_null: raw.not_null,
        numbered: raw.numbered,
        generated: raw.generated,
        charset: None,
        proven_not_null: raw.proven,
    }
}

fn index(raw: RawIndex) -> LiveIndex {
    LiveIndex {
        name: raw.name,
        columns: raw.columns.into_iter().flatten().collect(),
        unique: raw.unique,
        primary: raw.primary,
        usable: raw.valid,
        fulltext: false,
    }
}

fn tables_sql(wanted: &Wanted) -> String {
    let list = |names: &[String]| {
        let quoted: Vec<_> = names.iter().map(|name| text(name)).collect();
        format!("ARRAY[{}]::text[]", quoted.join(", "))
    };
    TABLES
        .replace("$tables", &list(&wanted.tables))
        .replace("$indexes", &list(&wanted.indexes))
        .replace("$qualified", &list(&wanted.qualified))
}

/// Tables that are named, by path or with their schema, then those that foreign keys tie to them. Rows are estimated as the
/// planner does, from the last count and the pages that there are now; a table without a page is empty.
const TABLES: &str = r"
WITH named AS (
  SELECT c.oid FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'p', 'm') AND ((c.relname = ANY ($tables) AND pg_catalog.pg_table_is_visible(c.oid))
    OR n.nspname || '.' || c.relname = ANY ($qualified))
  UNION SELECT x.indrelid FROM pg_catalog.pg_index x JOIN pg_catalog.pg_class c ON c.oid = x.indexrelid WHERE c.relname = ANY ($indexes)),
near AS (
  SELECT oid, 0 AS far FROM named
  UNION ALL SELECT DISTINCT f.conrelid, 1 FROM pg_catalog.pg_constraint f WHERE f.contype = 'f' AND f.conparentid = 0
    AND f.confrelid IN (SELECT oid FROM named) AND f.conrelid NOT IN (SELECT oid FROM named)),
parts AS (
  SELECT near.oid, part.relid, part.isleaf AND near.oid <> part.relid AS leaf
  FROM near, LATERAL (SELECT t.relid::oid, t.isleaf FROM pg_catalog.pg_partition_tree(near.oid) t
    UNION SELECT near.oid, true) part),
sizes AS (
  SELECT parts.oid, sum(pg_catalog.pg_total_relation_size(p.oid)) AS bytes, count(*) FILTER (WHERE leaf) AS partitions,
    CASE WHEN bool_or(p.relkind <> 'p' AND p.reltuples < 0 AND pg_catalog.pg_relation_size(p.oid) > 0
        OR p.relkind <> 'p' AND p.relpages = 0 AND pg_catalog.pg_relation_size(p.oid) > 0) THEN NULL
      ELSE sum(CASE WHEN p.relkind = 'p' OR pg_catalog.pg_relation_size(p.oid) = 0 THEN 0
        ELSE greatest(p.reltuples / nullif(p.relpages, 0) * (pg_catalog.pg_relation_size(p.oid) / current_setting('block_size')::int8), 1) END) END AS rows
  FROM parts JOIN pg_catalog.pg_class p ON p.oid = parts.relid GROUP BY parts.oid)
SELECT json_build_object('schema', n.nspname, 'name', c.relname, 'rows', s.rows, 'bytes', s.bytes::int8, 'partitions', s.partitions,
  'columns', COALESCE((SELECT json_agg(json_build_object('name', a.attname, 'kind', pg_catalog.format_type(a.atttypid, a.atttypmod),
      'not_null', a.attnotnull, 'generated', a.attgenerated <> '',
      'numbered', a.attidentity <> '' OR COALESCE(pg_catalog.pg_get_expr(d.adbin, d.adrelid) LIKE 'nextval(%', false),
      'proven', EXISTS (SELECT FROM pg_catalog.pg_constraint k WHERE k.conrelid = c.oid AND k.contype = 'c' AND k.convalidated
        AND k.conkey = ARRAY[a.attnum] AND pg_catalog.pg_get_constraintdef(k.oid) LIKE 'CHECK ((% IS NOT NULL))')) ORDER BY a.attnum)
    FROM pg_catalog.pg_attribute a LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum AND a.attgenerated = ''
    WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped), '[]'),
  'indexes', COALESCE((SELECT json_agg(json_build_object('name', i.relname, 'unique', x.indisunique AND x.indpred IS NULL,
      'primary', x.indisprimary, 'valid', x.indisvalid, 'columns', COALESCE((SELECT json_agg(a.attname ORDER BY k.ord)
        FROM unnest((x.indkey::int2[])[0:x.indnkeyatts - 1]) WITH ORDINALITY k(num, ord)
        LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.num), '[]')) ORDER BY x.indisprimary DESC, i.relname)
    FROM pg_catalog.pg_index x JOIN pg_catalog.pg_class i ON i.oid = x.indexrelid WHERE x.indrelid = c.oid), '[]'),
  'keys', COALESCE((SELECT json_agg(json_build_object('name', f.conname, 'table', json_build_array(fn.nspname, fc.relname),
      'columns', (SELECT json_agg(a.attname ORDER BY k.ord) FROM unnest(f.conkey) WITH ORDINALITY k(num, ord)
        JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.num)))
    FROM pg_catalog.pg_constraint f JOIN pg_catalog.pg_class fc ON fc.oid = f.confrelid
    JOIN pg_catalog.pg_namespace fn ON fn.oid = fc.relnamespace WHERE f.conrelid = c.oid AND f.contype = 'f'), '[]'),
  'referenced_by', COALESCE((SELECT json_agg(DISTINCT jsonb_build_array(fn.nspname, fc.relname))
    FROM pg_catalog.pg_constraint f JOIN pg_catalog.pg_class fc ON fc.oid = f.conrelid
    JOIN pg_catalog.pg_namespace fn ON fn.oid = fc.relnamespace WHERE f.confrelid = c.oid AND f.contype = 'f' AND f.conparentid = 0), '[]'),
  'triggers', COALESCE((SELECT json_agg(t.tgname ORDER BY t.tgname) FROM pg_catalog.pg_trigger t
    WHERE t.tgrelid = c.oid AND NOT t.tgisinternal), '[]'),
  'numbers', COALESCE((SELECT json_agg(json_build_object('sequence', q.relname, 'seen', right_to, 'last',
      CASE WHEN right_to THEN pg_catalog.pg_sequence_last_value(q.oid) END))
    FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_class q ON q.oid = d.objid AND q.relkind = 'S',
    LATERAL (SELECT pg_catalog.has_sequence_privilege(q.oid, 'SELECT, USAGE') AS right_to) r
    WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.refclassid = 'pg_catalog.pg_class'::regclass
      AND d.refobjid = c.oid AND d.deptype IN ('a', 'i')), '[]'))
FROM near JOIN pg_catalog.pg_class c ON c.oid = near.oid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN sizes s ON s.oid = c.oid
ORDER BY near.far, array_position(pg_catalog.current_schemas(false), n.nspname), n.nspname, c.relname LIMIT 2000";
