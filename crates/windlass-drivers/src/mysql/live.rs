//! What the catalog says of the tables of a release, in a handful of questions however many statements it has.

use super::ledger::text;
use super::locks;
use super::session::{Session, Trouble};
use super::tables::ours;
use crate::sql::Wanted;
use std::collections::BTreeSet;
use windlass_driver::{Context, Failure};
use windlass_plan::Unit;
use windlass_sql::{
    Dialect, Live, LiveColumn, LiveForeignKey, LiveIndex, LiveTable, ObjectName, Product, Server, column_type,
};

type Row = Vec<Option<String>>;

/// Tables that the catalog calls empty and that are looked into, for it only estimates.
const PROBED_MAX: usize = 50;

/// Looks at what `units`, all of one target, name.
pub(super) async fn live(cx: &Context, units: &[&Unit]) -> Result<Option<Live>, Failure> {
    let Some(first) = units.first() else { return Ok(None) };
    let mut session = Session::open(cx, first).await?;
    let read = read(&mut session, units).await;
    let read = read.map_err(|trouble| session.clean(&trouble, "reading its catalog"));
    session.close().await;
    read.map(Some)
}

async fn read(session: &mut Session, units: &[&Unit]) -> Result<Live, Trouble> {
    let wanted = Wanted::of(units, Dialect::Mysql);
    let mut live = Live { unknown: wanted.unknown.clone(), ..Live::default() };
    server(session, &mut live).await?;
    if !session.server.mariadb {
        // Otherwise sizes are up to a day old.
        session.run("SET SESSION information_schema_stats_expiry = 0").await?;
    }
    let database = session.value("SELECT DATABASE()").await?.unwrap_or_default();
    let mut names: BTreeSet<String> = wanted.tables.iter().cloned().collect();
    for name in &wanted.qualified {
        match name.split_once('.') {
            Some((of, table)) if of.eq_ignore_ascii_case(&database) => {
                names.insert(table.to_owned());
            }
            _ => live.unknown.push(format!("table {name}: it is in another database than the target's")),
        }
    }
    tables(session, &names, &mut live).await?;
    columns(session, &mut live).await?;
    indexes(session, &mut live).await?;
    keys(session, &mut live).await?;
    parts(session, &mut live).await?;
    versions(session, &database, &mut live).await?;
    sessions(session, &mut live).await?;
    Ok(live)
}

async fn server(session: &mut Session, live: &mut Live) -> Result<(), Trouble> {
    let product = if session.server.mariadb { Product::Mariadb } else { Product::Mysql };
    live.server = Some(Server { product, version: super::survey::version(&session.server.text) });
    const NAMES: [&str; 9] = [
        "sql_mode",
        "innodb_strict_mode",
        "innodb_online_alter_log_max_size",
        "lower_case_table_names",
        "foreign_key_checks",
        "log_bin",
        "binlog_format",
        "read_only",
        "innodb_read_only",
    ];
    let names = NAMES.map(text).join(", ");
    let found = session.run(&format!("SHOW GLOBAL VARIABLES WHERE Variable_name IN ({names})")).await?;
    live.settings.extend(found.rows.iter().map(|row| (word(row, 0), word(row, 1))));
    Ok(())
}

/// Transactions and replicas: those of others are seen only with the privilege PROCESS.
async fn sessions(session: &mut Session, live: &mut Live) -> Result<(), Trouble> {
    match locks::open(session).await {
        Ok(open) => {
            live.transactions = open;
            let sql = "SELECT COUNT(*) FROM information_schema.processlist WHERE command LIKE 'Binlog Dump%'";
            live.replicas = session.value(sql).await?.and_then(|count| count.parse().ok());
            Ok(())
        }
        Err(Trouble::Server { .. }) => {
            live.unknown.push(
                "transactions of others, and replicas: GRANT PROCESS ON *.* to the user of the target"
                    .to_owned(),
            );
            Ok(())
        }
        Err(trouble) => Err(trouble),
    }
}

/// The tables that are named, then those that foreign keys tie to them.
async fn tables(session: &mut Session, names: &BTreeSet<String>, live: &mut Live) -> Result<(), Trouble> {
    if names.is_empty() {
        return Ok(());
    }
    let list = list(names.iter().map(String::as_str));
    let sql = format!(
        "SELECT t.table_name, t.engine, t.table_rows, t.data_length + t.index_length, t.auto_increment, t.data_length \
         FROM information_schema.tables t WHERE t.table_schema = DATABASE() AND t.table_type = 'BASE TABLE' AND (t.table_name IN ({list}) \
         OR t.table_name IN (SELECT k.table_name FROM information_schema.key_column_usage k WHERE k.table_schema = DATABASE() \
         AND k.referenced_table_schema = DATABASE() AND k.referenced_table_name IN ({list}))) ORDER BY t.table_name LIMIT 2000"
    );
    let mut probed = 0;
    for row in session.run(&sql).await?.rows {
        let name = word(&row, 0);
        if ours(&name) {
            continue;
        }
        let number =
            |at: usize| row.get(at).and_then(Option::as_deref).and_then(|text| text.parse::<u64>().ok());
        let mut rows = number(2);
        if rows == Some(0) {
            probed += 1;
            rows = if probed > PROBED_MAX { None } else { empty(session, &name).await? };
        }
        live.tables.push(LiveTable {
            name: ObjectName { parts: vec![name] },
            rows,
            bytes: number(3),
            engine: row.get(1).cloned().flatten().map(|engine| engine.to_lowercase()),
            next_number: number(4),
            ..LiveTable::default()
        });
    }
    Ok(())
}

/// `Some(0)` if there is surely no row; whoever may not look does not know.
async fn empty(session: &mut Session, table: &str) -> Result<Option<u64>, Trouble> {
    let name = windlass_sql::quote(table, Dialect::Mysql);
    match session.value(&format!("SELECT EXISTS (SELECT 1 FROM {name})")).await {
        Ok(found) => Ok((found.as_deref() == Some("0")).then_some(0)),
        Err(Trouble::Server { .. }) => Ok(None),
        Err(trouble) => Err(trouble),
    }
}

async fn columns(session: &mut Session, live: &mut Live) -> Result<(), Trouble> {
    let sql = "SELECT table_name, column_name, column_type, is_nullable, extra, character_set_name, \
               COALESCE(generation_expression, '') FROM information_schema.columns WHERE table_schema = DATABASE() \
               AND table_name IN ($tables) ORDER BY table_name, ordinal_position";
    for (table, row) in rows(session, live, sql).await? {
        live.tables[table].columns.push(LiveColumn {
            name: word(&row, 1),
            kind: column_type(&word(&row, 2), Dialect::Mysql),
            not_null: word(&row, 3) == "NO",
            numbered: word(&row, 4).to_lowercase().contains("auto_increment"),
            generated: !word(&row, 6).is_empty(),
            charset: row.get(5).cloned().flatten(),
            proven_not_null: false,
        });
    }
    Ok(())
}

async fn indexes(session: &mut Session, live: &mut Live) -> Result<(), Trouble> {
    let usable = match (session.server.mariadb, live.server) {
        (true, Some(server)) if server.version >= (10, 6, 0) => "ignored = 'NO'",
        (true, _) => "1",
        (false, Some(server)) if server.version >= (8, 0, 0) => "is_visible = 'YES'",
        (false, _) => "1",
    };
    let sql = format!(
        "SELECT table_name, index_name, non_unique, index_type, column_name, {usable}, sub_part FROM \
         information_schema.statistics WHERE table_schema = DATABASE() AND table_name IN ($tables) \
         ORDER BY table_name, index_name, seq_in_index"
    );
    for (table, row) in rows(session, live, &sql).await? {
        let name = word(&row, 1);
        let indexes = &mut live.tables[table].indexes;
        if indexes.last().is_none_or(|last| last.name != name) {
            indexes.push(LiveIndex {
                unique: word(&row, 2) == "0",
                primary: name == "PRIMARY",
                usable: word(&row, 5) == "1",
                fulltext: word(&row, 3) == "FULLTEXT",
                columns: Vec::new(),
                name,
            });
        }
        if let Some(index) = indexes.last_mut() {
            index.columns.extend(row.get(4).cloned().flatten());
        }
    }
    Ok(())
}

/// Foreign keys both ways.
async fn keys(session: &mut Session, live: &mut Live) -> Result<(), Trouble> {
    let sql = "SELECT table_name, constraint_name, column_name, referenced_table_name, referenced_table_schema = DATABASE(), \
               referenced_table_schema FROM information_schema.key_column_usage WHERE table_schema = DATABASE() \
               AND table_name IN ($tables) AND referenced_table_name IS NOT NULL ORDER BY table_name, constraint_name, ordinal_position";
    for (table, row) in rows(session, live, sql).await? {
        let name = word(&row, 1);
        let keys = &mut live.tables[table].foreign_keys;
        if keys.last().is_none_or(|last| last.name != name) {
            let mut parts = vec![word(&row, 3)];
            if word(&row, 4) != "1" {
                parts.insert(0, word(&row, 5));
            }
            keys.push(LiveForeignKey { name, columns: Vec::new(), references: ObjectName { parts } });
        }
        if let Some(key) = keys.last_mut() {
            key.columns.push(word(&row, 2));
        }
    }
    let pairs: Vec<(ObjectName, ObjectName)> = live
        .tables
        .iter()
        .flat_map(|table| table.foreign_keys.iter().map(|key| (key.references.clone(), table.name.clone())))
        .collect();
    for table in &mut live.tables {
        let own = pairs.iter().filter(|(to, _)| to.base().eq_ignore_ascii_case(table.name.base()));
        table.referenced_by = own.map(|(_, from)| from.clone()).collect();
        table.referenced_by.dedup();
    }
    Ok(())
}

/// Triggers and partitions.
async fn parts(session: &mut Session, live: &mut Live) -> Result<(), Trouble> {
    let sql = "SELECT event_object_table, trigger_name FROM information_schema.triggers WHERE event_object_schema = DATABASE() \
               AND event_object_table IN ($tables)";
    for (table, row) in rows(session, live, sql).await? {
        live.tables[table].triggers.push(word(&row, 1));
    }
    let sql = "SELECT table_name, COUNT(*) FROM information_schema.partitions WHERE table_schema = DATABASE() \
               AND partition_name IS NOT NULL AND table_name IN ($tables) GROUP BY table_name";
    for (table, row) in rows(session, live, sql).await? {
        live.tables[table].partitions = word(&row, 1).parse().unwrap_or_default();
    }
    Ok(())
}

/// How often columns were added or dropped at once (MySQL 8.0.29).
async fn versions(session: &mut Session, database: &str, live: &mut Live) -> Result<(), Trouble> {
    let counted = live.server.is_some_and(|server| server.is_at_least(Product::Mysql, (8, 0, 29)));
    if !counted || live.tables.is_empty() {
        return Ok(());
    }
    let names: Vec<String> =
        live.tables.iter().map(|table| format!("{database}/{}", table.name.base())).collect();
    let sql = format!(
        "SELECT SUBSTRING_INDEX(name, '/', -1), total_row_versions FROM information_schema.innodb_tables WHERE name IN ({})",
        list(names.iter().map(String::as_str))
    );
    match session.run(&sql).await {
        Ok(found) => {
            for (table, row) in place(live, found.rows) {
                live.tables[table].row_versions = word(&row, 1).parse().ok();
            }
            Ok(())
        }
        Err(Trouble::Server { .. }) => {
            live.unknown.push(
                "how many instant changes the tables have left: GRANT PROCESS ON *.* to the user of the target"
                    .to_owned(),
            );
            Ok(())
        }
        Err(trouble) => Err(trouble),
    }
}

/// The rows of a question about the tables, each with the table that its first column names.
async fn rows(session: &mut Session, live: &Live, sql: &str) -> Result<Vec<(usize, Row)>, Trouble> {
    if live.tables.is_empty() {
        return Ok(Vec::new());
    }
    let names = list(live.tables.iter().map(|table| table.name.base()));
    Ok(place(live, session.run(&sql.replace("$tables", &names)).await?.rows))
}

fn place(live: &Live, rows: Vec<Row>) -> Vec<(usize, Row)> {
    let at = |name: &str| live.tables.iter().position(|table| table.name.base().eq_ignore_ascii_case(name));
    rows.into_iter().filter_map(|row| Some((at(row.first()?.as_deref()?)?, row))).collect()
}

fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.map(text).collect::<Vec<_>>().join(", ")
}

fn word(row: &Row, at: usize) -> String {
    row.get(at).cloned().flatten().unwrap_or_default()
}
