//! The database of a line: handed over in its environment, looked at before and behind it.
//!
//! What a program does to a database nobody can read from its text. So the definitions, and how many rows each table has, are
//! kept before it runs, and compared when it has ended, also by a controller that comes after the one that started it.

use crate::{
    backup::Source,
    disk,
    mysql::MysqlDriver,
    postgres::PostgresDriver,
    scratch::{self, Definitions},
    sqlite::SqliteDriver,
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::{collections::BTreeMap, path::Path, time::Duration};
use windlass_driver::{Capsule, Context, Done, Driver, Failure, Fault};
use windlass_plan::{DriverKind, Target, Unit, UrlKind};
use windlass_sql::{Dialect, quote};

/// The variable that a line finds its database by.
pub(super) const VARIABLE: &str = "DATABASE_URL";
/// Rows of larger databases are not counted, bytes.
const COUNTED_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// Longest question, milliseconds.
const ASK_MS: u64 = 60_000;
/// Longest look at a database.
const LOOK_WITHIN: Duration = Duration::from_secs(120);
/// What is found so long after a line has ended, in milliseconds, may be of others.
const LATE_MS_MAX: u64 = 5_000;
/// Differences told of one line.
const TOLD_MAX: usize = 40;
/// File of the workspace with what was there before.
const BEFORE: &str = "database-before.json";

/// What a database holds at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Seen {
    /// The server's own texts by kind and name.
    definitions: BTreeMap<String, String>,
    /// Rows by table; `None`: it is too large to count them.
    rows: Option<BTreeMap<String, u64>>,
}

/// Its URL, and of what kind it is. A relative path of SQLite is made absolute.
pub(super) fn url(cx: &Context, target: &str) -> Result<(String, UrlKind), Failure> {
    let Some(Target::Url { kind, .. }) = cx.plan.targets.get(target) else {
        let words = format!("target `{target}` is no database of the plan");
        return Err(Failure::clean(Fault::Document, words));
    };
    let url = crate::sql::url(cx, target, *kind)?;
    if *kind != UrlKind::Sqlite {
        return Ok((url, *kind));
    }
    let path = std::path::absolute(Source::new(&url, &cx.base)?.path)
        .map_err(|error| Failure::clean(Fault::Transport, format!("no current folder: {error}")))?;
    Ok((format!("sqlite:{}", path.display()), *kind))
}

/// Keeps what is there before the line. What cannot be read is no reason not to run it; it is told.
pub(super) async fn before(cx: &Context, target: &str) -> Result<Capsule, Failure> {
    let seen = match look(cx, target).await {
        Ok(seen) => seen,
        Err(why) => return Ok(Capsule(json!({ "unknown": cx.secrets.mask(&why) }))),
    };
    let text = serde_json::to_vec(&seen).expect("texts and numbers are JSON");
    let broken = |error: std::io::Error| {
        let words = format!("cannot write {}: {error}; the line was not started", cx.workspace.display());
        Failure::clean(Fault::Transport, words).retryable()
    };
    std::fs::create_dir_all(&cx.workspace).map_err(broken)?;
    disk::write_durable(&cx.workspace.join(BEFORE), &text).map_err(broken)?;
    Ok(Capsule(json!({ "sha256": disk::sha256(&text) })))
}

/// What has become different since, for people and as facts: `definitions`, `rows`, and `back`, which takes definitions that
/// are new away again, where all that differs is new.
///
/// `late_ms`: the line ended so long ago; what others made in that time cannot be told from what it made.
pub(super) async fn since(cx: &Context, target: &str, capsule: &Capsule, late_ms: Option<u64>) -> Done {
    let told = |effects: Vec<String>, facts| Done { effects, facts, ..Done::default() };
    let unknown = |why: &str| {
        told(vec![format!("what it changed of the definitions of {target} is not known: {why}")], json!({}))
    };
    if let Some(why) = capsule.0["unknown"].as_str() {
        return unknown(why);
    }
    let before = match read(&cx.workspace.join(BEFORE), capsule) {
        Ok(before) => before,
        Err(why) => return unknown(&why),
    };
    let now = match look(cx, target).await {
        Ok(now) => now,
        Err(why) => return unknown(&cx.secrets.mask(&why)),
    };
    let definitions = before.definitions_since(&now);
    let rows = before.rows_since(&now);
    let mut effects = match definitions.len() {
        0 => vec![format!("{target}: the definitions are as before")],
        _ => definitions.iter().take(TOLD_MAX).map(|line| format!("{target}: {line}")).collect(),
    };
    if definitions.len() > TOLD_MAX {
        effects.push(format!("{target}: and {} more differences", definitions.len() - TOLD_MAX));
    }
    match &rows {
        Some(rows) => effects.extend(rows.iter().take(TOLD_MAX).map(|line| format!("{target}: {line}"))),
        None => effects.push(format!("{target}: rows were not counted: the database is large")),
    }
    let shown: Vec<_> = definitions.iter().take(TOLD_MAX).collect();
    let late_ms = late_ms.filter(|late| *late > LATE_MS_MAX);
    if let Some(late) = late_ms {
        let words = format!(
            "{target}: looked at only {} s after it had ended: others may have made some of this",
            late / 1000
        );
        effects.insert(0, words);
    }
    let back = before.back(&now, dialect(cx, target)).filter(|_| late_ms.is_none());
    told(effects, json!({ "definitions": shown, "rows": rows, "back": back }))
}

fn read(path: &Path, capsule: &Capsule) -> Result<Seen, String> {
    let bytes = std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    if capsule.0["sha256"].as_str() != Some(disk::sha256(&bytes).as_str()) {
        return Err(format!("{} is not what was written", path.display()));
    }
    serde_json::from_slice(&bytes).map_err(|error| format!("{}: {error}", path.display()))
}

fn dialect(cx: &Context, target: &str) -> Dialect {
    match cx.plan.targets.get(target) {
        Some(Target::Url { kind: UrlKind::Postgresql, .. }) => Dialect::Postgresql,
        Some(Target::Url { kind: UrlKind::Mysql, .. }) => Dialect::Mysql,
        _ => Dialect::Sqlite,
    }
}

/// Looks, within a bound: a lock of somebody must not keep a line from its end. The error is for people, and may hold
/// parts of a URL.
async fn look(cx: &Context, target: &str) -> Result<Seen, String> {
    let late = || Err(format!("it did not answer within {} s", LOOK_WITHIN.as_secs()));
    tokio::select! {
        seen = tokio::time::timeout(LOOK_WITHIN, look_unbounded(cx, target)) => seen.unwrap_or_else(|_| late()),
        () = cx.stopping.stopped() => Err("a person asked to stop".to_owned()),
    }
}

async fn look_unbounded(cx: &Context, target: &str) -> Result<Seen, String> {
    let (url, kind) = url(cx, target).map_err(|failure| failure.message)?;
    let of = scratch::context(&url, kind);
    let said = |failure: Failure| failure.message;
    let found = match kind {
        UrlKind::Postgresql => {
            let catalog = crate::postgres::local(crate::postgres::picture(&of, None).await.map_err(said)?);
            return Ok(Seen { definitions: texts(&catalog), rows: rows(&of, kind).await });
        }
        UrlKind::Mysql => crate::mysql::picture(&of, None).await.map_err(said)?,
        _ if !Path::new(url.trim_start_matches("sqlite:")).exists() => Definitions::Texts(BTreeMap::new()),
        _ => crate::sqlite::picture(&of, None).map_err(said)?,
    };
    let Definitions::Texts(definitions) = found else { return Err("it is of another kind".to_owned()) };
    Ok(Seen { definitions, rows: rows(&of, kind).await })
}

fn texts(catalog: &windlass_sql::postgres::catalog::Catalog) -> BTreeMap<String, String> {
    let text = |object: &windlass_sql::postgres::catalog::Object| {
        object.definition().map(|(field, value)| format!("{field} {value}\n")).collect()
    };
    catalog.by_path().into_iter().map(|(path, object)| (path, text(object))).collect()
}

/// How many rows each table has; `None`: too many to count, or it cannot be asked.
async fn rows(of: &Context, kind: UrlKind) -> Option<BTreeMap<String, u64>> {
    let (size, names, dialect) = match kind {
        UrlKind::Postgresql => (
            "SELECT CAST(pg_database_size(current_database()) AS text)",
            "SELECT CAST(n.nspname AS text), CAST(c.relname AS text) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
             WHERE c.relkind = 'r' AND n.nspname !~ '^(pg_|windlass($|_aside))' AND n.nspname <> 'information_schema' ORDER BY 1, 2",
            Dialect::Postgresql,
        ),
        UrlKind::Mysql => (
            "SELECT CAST(COALESCE(SUM(data_length), 0) AS CHAR) FROM information_schema.tables WHERE table_schema = DATABASE()",
            "SELECT '', table_name FROM information_schema.tables WHERE table_schema = DATABASE() AND table_type = 'BASE TABLE' \
             AND table_name NOT LIKE 'windlass\\_%' ORDER BY 2",
            Dialect::Mysql,
        ),
        _ => (
            "SELECT CAST(page_count * page_size AS TEXT) FROM pragma_page_count, pragma_page_size",
            "SELECT '', name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' \
             AND name NOT LIKE 'windlass\\_%' ESCAPE '\\' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY 2",
            Dialect::Sqlite,
        ),
    };
    let bytes: u64 = ask(of, kind, size).await?.first()?.first()?.split('.').next()?.parse().ok()?;
    if bytes > COUNTED_BYTES_MAX {
        return None;
    }
    let mut counts = BTreeMap::new();
    for name in ask(of, kind, names).await? {
        let [schema, table] = &name[..] else { return None };
        let full = match schema.is_empty() {
            true => quote(table, dialect),
            false => format!("{}.{}", quote(schema, dialect), quote(table, dialect)),
        };
        let text = if kind == UrlKind::Mysql { "CHAR" } else { "TEXT" };
        let count = ask(of, kind, &format!("SELECT CAST(count(*) AS {text}) FROM {full}")).await?;
        let shown = if schema.is_empty() { table.clone() } else { format!("{schema}.{table}") };
        counts.insert(shown, count.first()?.first()?.parse().ok()?);
    }
    Some(counts)
}

async fn ask(of: &Context, kind: UrlKind, statement: &str) -> Option<Vec<Vec<String>>> {
    let (driver, driver_kind): (Box<dyn Driver>, _) = match kind {
        UrlKind::Postgresql => (Box::new(PostgresDriver::new()), DriverKind::Postgres),
        UrlKind::Mysql => (Box::new(MysqlDriver::new()), DriverKind::Mysql),
        _ => (Box::new(SqliteDriver::new()), DriverKind::Sqlite),
    };
    let unit = Unit::question("look/1", driver_kind, scratch::TARGET, statement, ASK_MS);
    let found = driver.query(of, &unit).await.ok()?.rows;
    Some(found.into_iter().map(|row| row.into_iter().map(Option::unwrap_or_default).collect()).collect())
}

impl Seen {
    /// What differs in the definitions, one line each.
    fn definitions_since(&self, now: &Self) -> Vec<String> {
        let (_, lines, moved) = scratch::texts(&self.definitions, &now.definitions);
        let new = |line: String| match line.strip_suffix(" was not there") {
            Some(name) => format!("made {name}"),
            None => line.strip_suffix(" is missing").map_or(line.clone(), |name| format!("dropped {name}")),
        };
        let moved = moved.into_iter().map(|table| format!("{table}: its columns are in another order"));
        lines.into_iter().map(new).chain(moved).collect()
    }

    /// Tables that have another number of rows; `None`: they were not counted.
    fn rows_since(&self, now: &Self) -> Option<Vec<String>> {
        let (was, is) = (self.rows.as_ref()?, now.rows.as_ref()?);
        let line = |(table, count): (&String, &u64)| match was.get(table) {
            Some(before) if before == count => None,
            Some(before) => Some(format!("{table} has {count} rows, had {before}")),
            None => Some(format!("{table}, which is new, has {count} rows")),
        };
        Some(is.iter().filter_map(line).collect())
    }

    /// Statements that take away what is new, if all that differs is new; a name that needs quotes is left to a person.
    fn back(&self, now: &Self, dialect: Dialect) -> Option<Vec<String>> {
        let changed = |(key, text): (&String, &String)| now.definitions.get(key) != Some(text);
        if self.definitions.iter().any(changed) {
            return None;
        }
        let new: Vec<&str> = now
            .definitions
            .keys()
            .filter(|key| !self.definitions.contains_key(*key))
            .map(String::as_str)
            .collect();
        let is_new = |what: &str| new.contains(&what);
        let mut drops: Vec<(u8, String)> = Vec::new();
        for key in &new {
            let (kind, name) = key.split_once(' ')?;
            let (name, of) = match name.split_once(" of ") {
                Some((name, of)) => (name, Some(of)),
                None => (name, None),
            };
            // Goes with its table or view.
            if of.is_some_and(|of| {
                ["table", "view", "domain"].iter().any(|kind| is_new(&format!("{kind} {of}")))
            }) {
                continue;
            }
            let is_plain = |name: &str| {
                let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '.');
                name.chars().all(fits) && !name.starts_with(|c: char| c.is_ascii_digit())
            };
            if !is_plain(name) || !of.is_none_or(is_plain) {
                return None;
            }
            drops.push(match (kind, of) {
                ("trigger", Some(of)) => (0, format!("DROP TRIGGER {name} ON {of}")),
                ("trigger", None) => (0, format!("DROP TRIGGER {name}")),
                ("view", None) => (1, format!("DROP VIEW {name}")),
                ("constraint", Some(of)) => (2, format!("ALTER TABLE {of} DROP CONSTRAINT {name}")),
                ("index", None) if dialect == Dialect::Sqlite => (3, format!("DROP INDEX {name}")),
                ("index", of) if dialect == Dialect::Postgresql => {
                    let schema = of.and_then(|of| of.split_once('.')).map(|(schema, _)| format!("{schema}."));
                    (3, format!("DROP INDEX {}{name}", schema.unwrap_or_default()))
                }
                ("column", Some(of)) => (4, format!("ALTER TABLE {of} DROP COLUMN {name}")),
                ("default", Some(of)) if is_new(&format!("column {name} of {of}")) => continue,
                ("table", None) => (5, format!("DROP TABLE {name}")),
                _ => return None,
            });
        }
        drops.sort();
        Some(drops.into_iter().map(|(_, statement)| statement).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(definitions: &[(&str, &str)], rows: &[(&str, u64)]) -> Seen {
        Seen {
            definitions: definitions
                .iter()
                .map(|(key, text)| ((*key).to_owned(), (*text).to_owned()))
                .collect(),
            rows: Some(rows.iter().map(|(table, count)| ((*table).to_owned(), *count)).collect()),
        }
    }

    #[test]
    fn what_is_new_goes_and_nothing_else_is_reversed() {
        let was = seen(&[("table public.t", "x")], &[("public.t", 3)]);
        let now = seen(
            &[
                ("table public.t", "x"),
                ("column b of public.t", "int"),
                ("index i of public.t", "b"),
                ("table public.u", ""),
                ("column id of public.u", "int"),
                ("view public.v", "SELECT"),
            ],
            &[("public.t", 2), ("public.u", 7)],
        );
        assert_eq!(
            was.back(&now, Dialect::Postgresql).unwrap(),
            [
                "DROP VIEW public.v",
                "DROP INDEX public.i",
                "ALTER TABLE public.t DROP COLUMN b",
                "DROP TABLE public.u"
            ]
        );
        assert!(was.definitions_since(&now).contains(&"made view public.v".to_owned()));
        let rows = ["public.t has 2 rows, had 3", "public.u, which is new, has 7 rows"];
        assert_eq!(was.rows_since(&now).unwrap(), rows);
        let changed = seen(&[("table public.t", "y"), ("table public.u", "")], &[]);
        assert_eq!(was.back(&changed, Dialect::Postgresql), None, "what was changed is for a person");
        assert_eq!(was.back(&seen(&[], &[]), Dialect::Postgresql), None, "what is gone, too");
        let odd = seen(&[("table public.t", "x"), ("table public.a b", "")], &[]);
        assert_eq!(was.back(&odd, Dialect::Postgresql), None);
    }
}
