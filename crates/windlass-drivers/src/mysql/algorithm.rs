//! How the server changes a table: asked from the best way downwards, so that it refuses rather than copies.

use super::session::{Session, Trouble};
use super::statement::Job;
use windlass_sql::mysql::{after_table_name, partition_names};
use windlass_sql::{AlterTable, Change, Ddl, Dialect};

/// Largest table that may be copied without being asked, in bytes: its writers wait that long.
pub(super) const COPY_BYTES_MAX: u64 = 1 << 30;

const MARIADB: [&str; 4] = [
    "ALGORITHM=INSTANT",
    "ALGORITHM=NOCOPY, LOCK=NONE",
    "ALGORITHM=INPLACE, LOCK=NONE",
    "ALGORITHM=INPLACE, LOCK=SHARED",
];
const MYSQL: [&str; 3] =
    ["ALGORITHM=INSTANT", "ALGORITHM=INPLACE, LOCK=NONE", "ALGORITHM=INPLACE, LOCK=SHARED"];

/// Runs the user's statement.
pub(super) async fn run(
    job: &Job<'_>,
    session: &mut Session,
    statement: &str,
    comment: &str,
    effects: &mut Vec<String>,
) -> Result<(), Trouble> {
    let ddl = windlass_sql::ddl(statement, Dialect::Mysql);
    let plain =
        matches!(&ddl, Some(Ddl::AlterTable(alter)) if alter.algorithm.is_none() && alter.lock.is_none());
    if let (true, Some(at)) = (plain, after_table_name(statement)) {
        let ladder: &[&str] = if session.server.mariadb { &MARIADB } else { &MYSQL };
        for clause in ladder {
            let (head, tail) = statement.split_at(at);
            match session.run(&format!("{comment}{head} {clause}, {tail}")).await {
                Ok(answer) => {
                    effects.push(format!("accepted with {clause}"));
                    effects.extend(session.warnings(&answer).await);
                    return Ok(());
                }
                // It is not possible in this way; or not with these words (partitions).
                Err(trouble) if matches!(trouble.code(), 1845 | 1846 | 1064 | 1221 | 1235) => {}
                Err(trouble) => return Err(trouble),
            }
        }
        if let Some(Ddl::AlterTable(alter)) = &ddl
            && let Some(partitions) = copied(alter, statement)
        {
            small(session, (alter.table.base(), &partitions), statement).await?;
            let what = if partitions.is_empty() { "the table is" } else { "those partitions are" };
            effects.push(format!("{what} copied; writers of the table waited"));
        }
    }
    let answer = session.run(&format!("{comment}{statement}")).await?;
    effects.extend(session.warnings(&answer).await);
    let _ = job;
    Ok(())
}

/// What a statement copies that the server does not do in a better way: these partitions, or the whole table where none is
/// named; `None`: nothing.
fn copied(alter: &AlterTable, statement: &str) -> Option<Vec<String>> {
    let verb = alter.changes.iter().find_map(|change| match change {
        Change::Partition(word) => Some(word.as_str()),
        _ => None,
    });
    match verb {
        Some("REORGANIZE" | "REBUILD" | "OPTIMIZE" | "REPAIR") => Some(partition_names(statement)),
        // A hash of another number of partitions has other places for its rows.
        Some("ADD")
            if windlass_sql::code_words(statement, Dialect::Mysql).iter().any(|word| word == "VALUES") =>
        {
            None
        }
        None | Some("ADD" | "COALESCE") => Some(vec![]),
        Some(_) => None,
    }
}

/// Bytes of these partitions of a table, or of its subpartitions, as the server estimates them.
pub(super) async fn partition_bytes(
    session: &mut Session,
    table: &str,
    partitions: &[String],
) -> Result<u64, Trouble> {
    let names = partitions.iter().map(|name| super::ledger::text(name)).collect::<Vec<_>>().join(", ");
    let sql = format!(
        "SELECT COALESCE(SUM(data_length + index_length), 0) FROM information_schema.partitions WHERE table_schema = DATABASE() \
         AND table_name = {} AND (partition_name IN ({names}) OR subpartition_name IN ({names}))",
        super::ledger::text(table)
    );
    Ok(session.value(&sql).await?.and_then(|bytes| bytes.parse().ok()).unwrap_or(0))
}

/// Bytes of a table, as the server estimates them.
pub(super) async fn bytes(session: &mut Session, table: &str) -> Result<u64, Trouble> {
    let sql = format!(
        "SELECT COALESCE(data_length + index_length, 0) FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = {}",
        super::ledger::text(table)
    );
    Ok(session.value(&sql).await?.and_then(|bytes| bytes.parse().ok()).unwrap_or(0))
}

/// What to do with a table that is too large to be copied by the server.
pub(super) async fn instead(session: &mut Session, statement: &str) -> String {
    let database = session.value("SELECT DATABASE()").await.ok().flatten();
    let line = windlass_sql::hand_over(statement)
        .map(|found| format!(", for example `{}`", found.percona("--execute", database.as_deref(), false)));
    format!(
        "hand it to gh-ost or pt-online-schema-change{} (docs/guide.md, \"A table too large for ALTER\"), or insist with \
         `ALGORITHM=COPY` in the statement",
        line.unwrap_or_default()
    )
}

/// Partitions that the server would copy for a statement of ours and that are too large for it, in words.
pub(super) async fn too_large(session: &mut Session, statement: &str) -> Result<Option<String>, Trouble> {
    let Some(Ddl::AlterTable(alter)) = windlass_sql::ddl(statement, Dialect::Mysql) else { return Ok(None) };
    let is_cut = |change: &Change| matches!(change, Change::Partition(word) if word == "REORGANIZE");
    if !alter.changes.iter().any(is_cut) {
        return Ok(None);
    }
    let partitions = partition_names(statement);
    let bytes = partition_bytes(session, alter.table.base(), &partitions).await?;
    Ok((bytes > COPY_BYTES_MAX).then(|| {
        format!(
            "its undo would copy partition {} of `{}` ({}), while which writers wait: `{statement}`",
            partitions.join(", "),
            alter.table.base(),
            crate::disk::human_bytes(bytes)
        )
    }))
}

async fn small(
    session: &mut Session,
    (table, partitions): (&str, &[String]),
    statement: &str,
) -> Result<(), Trouble> {
    let bytes = match partitions {
        [] => bytes(session, table).await?,
        named => partition_bytes(session, table, named).await?,
    };
    if bytes <= COPY_BYTES_MAX {
        return Ok(());
    }
    let text = format!(
        "table `{table}` has {} and can only be changed by a copy, while which writers wait; {}",
        crate::disk::human_bytes(bytes),
        instead(session, statement).await
    );
    Err(Trouble::Server { code: 1846, text })
}
