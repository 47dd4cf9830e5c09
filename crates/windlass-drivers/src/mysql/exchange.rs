//! Rows of partitions that change places with those of tables of ours.
//!
//! That shows in no definition, so it cannot be read from the catalog whether it was done. It is known from the rows: while a
//! statement is on its way nobody else writes to those tables, and they are empty before. So each of these
//! functions may be called again, wherever the call before it ended.
//!
//! No more than two tables are locked where partitions change places: with a third one MariaDB waits for itself.

use super::algorithm::{COPY_BYTES_MAX, bytes, partition_bytes};
use super::apart;
use super::catalog;
use super::cover::Refusal;
use super::definitions::comment;
use super::image::q;
use super::session::{Server, Session, Trouble};
use super::statement::Job;
use super::survey::version;
use super::tables;
use crate::disk::human_bytes;
use serde::{Deserialize, Serialize};
use std::ops::Range;
use windlass_driver::{Effect, Failure};
use windlass_sql::mysql::partition_names;
use windlass_sql::{Change, Ddl, Dialect};

/// So many rows are carried over whatever the server believes of their size: it may still be that of those before them.
const FEW: u64 = 20_000;

/// What a failure says that is not so where rows have changed places.
const NOTHING: &str = "; rolled back, nothing was changed";

/// What is moved by a statement and its undo: a part of the capsule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Exchange {
    pub(super) table: String,
    pub(super) leaves: Vec<Leaf>,
    /// The statement that drops the partitions, if they go.
    pub(super) drop: Option<String>,
    /// Places in the way there of what [`Exchange::there`] does.
    pub(super) there: Range<usize>,
    /// Places in the way back of what [`Exchange::back`] does.
    pub(super) back: Range<usize>,
}

/// A partition or subpartition, and tables for its rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Leaf {
    pub(super) partition: String,
    /// Holds them while the statement is on its way.
    pub(super) taken: String,
    /// Its name when the statement is done.
    pub(super) kept: String,
    /// Holds those that were written since, at the undo.
    pub(super) since: String,
}

impl Leaf {
    pub(super) fn tables(&self) -> [&String; 3] {
        [&self.taken, &self.kept, &self.since]
    }
}

/// Rows that are read or written: a table, or one partition of it.
struct Rows {
    sql: String,
    bytes: u64,
}

impl Exchange {
    /// The statement by which a partition and a table change places.
    pub(super) fn places(&self, leaf: &Leaf, table: &str) -> String {
        let (of, partition) = (q(&self.table), q(&leaf.partition));
        format!("ALTER TABLE {of} EXCHANGE PARTITION {partition} WITH TABLE {}", q(table))
    }

    fn rows_of(&self, leaf: &Leaf) -> String {
        format!("{} PARTITION ({})", q(&self.table), q(&leaf.partition))
    }

    /// Takes the rows out of the partitions, and drops these if they go. Where that is refused on the way, all is as it was before.
    pub(super) async fn there(&self, job: &Job<'_>, session: &mut Session) -> Result<(), Refusal> {
        session.run(catalog::SETTINGS).await?;
        // Whoever may not lock finds out before the first row is moved: it could be brought back by nobody else.
        let may_lock = lock(session, [self.table.as_str()]).await;
        freed(session, may_lock.map_err(Refusal::from)).await?;
        let result = self.take(session, &comment(job)).await;
        if matches!(result, Err(Refusal::Why(_))) {
            let mut said = vec![];
            self.give_back(job, session, &mut said).await?;
            said.iter().for_each(|line| (job.cx.output)(&format!("{line}\n")));
        }
        result
    }

    async fn take(&self, session: &mut Session, comment: &str) -> Result<(), Refusal> {
        for leaf in &self.leaves[self.emptied(session).await?..] {
            if self.exchanged(session, leaf, (&leaf.taken, false), comment).await? {
                continue;
            }
            let result = match lock(session, [self.table.as_str(), leaf.taken.as_str()]).await {
                Ok(()) => self.carry_out(session, leaf, &leaf.taken).await,
                Err(trouble) => Err(trouble.into()),
            };
            freed(session, result).await?;
        }
        let Some(drop) = &self.drop else { return Ok(()) };
        // What was written since they changed places is to come back, too.
        let tables = self.leaves.iter().map(|leaf| leaf.taken.as_str()).chain([self.table.as_str()]);
        let result = match lock(session, tables).await {
            Ok(()) => self.carry_and_drop(session, &format!("{comment}{drop}")).await,
            Err(trouble) => Err(trouble.into()),
        };
        freed(session, result).await
    }

    /// How many of them a try before has emptied. They go in their order, so one that had no rows is known by those behind it.
    async fn emptied(&self, session: &mut Session) -> Result<usize, Trouble> {
        for (at, leaf) in self.leaves.iter().enumerate().rev() {
            if has_rows(session, &q(&leaf.taken)).await? {
                return Ok(at + 1);
            }
        }
        Ok(0)
    }

    async fn carry_and_drop(&self, session: &mut Session, drop: &str) -> Result<(), Refusal> {
        for leaf in &self.leaves {
            self.carry_out(session, leaf, &leaf.taken).await?;
        }
        session.run(drop).await?;
        Ok(())
    }

    /// Brings the rows back. Those that were written since are in tables of their own then.
    pub(super) async fn back(
        &self,
        job: &Job<'_>,
        session: &mut Session,
        effects: &mut Vec<String>,
    ) -> Result<(), Refusal> {
        session.run(catalog::SETTINGS).await?;
        for leaf in &self.leaves {
            if has_rows(session, &q(&leaf.kept)).await? {
                let result = self.bring(job, session, (leaf, &leaf.kept), &leaf.since).await;
                apart::settle(job, session, leaf, effects).await?;
                result?;
            }
        }
        Ok(())
    }

    /// Brings back what a try took that did not come to its end: the partitions are still there. Rows that were written since stay
    /// in them where they go, and only those of a statement that takes them away for good; others are in tables of their own then.
    pub(super) async fn give_back(
        &self,
        job: &Job<'_>,
        session: &mut Session,
        effects: &mut Vec<String>,
    ) -> Result<(), Refusal> {
        session.run(catalog::SETTINGS).await?;
        for leaf in &self.leaves {
            if !super::ledger::exists(session, &leaf.taken).await? {
                continue;
            }
            let first = apart::name(job, leaf, 0);
            let mut result = Ok(());
            if has_rows(session, &q(&leaf.taken)).await? {
                apart::create(job, session, (leaf, &leaf.taken), 0).await?;
                result = self.bring(job, session, (leaf, &leaf.taken), &first).await;
            }
            if result.is_ok() && self.drop.is_some() && super::ledger::exists(session, &first).await? {
                self.join(session, &first).await?;
            }
            apart::settle(job, session, leaf, effects).await?;
            result?;
        }
        Ok(())
    }

    /// Rows that were written since go where they were, if nothing stands in the way.
    async fn join(&self, session: &mut Session, from: &str) -> Result<(), Refusal> {
        let rows = Rows { sql: q(from), bytes: bytes(session, from).await? };
        let result = match lock(session, [self.table.as_str(), from]).await {
            Ok(()) if !has_rows(session, &rows.sql).await? => Ok(()),
            Ok(()) => self.carry(session, rows, &q(&self.table), "INSERT").await,
            Err(trouble) => Err(trouble.into()),
        };
        match freed(session, result).await {
            Err(refusal) if is_in_the_way(&refusal) => Ok(()),
            other => other,
        }
    }

    /// Rows go from a table of ours to their partition, and those in it to `since`; or to one more table where these cannot.
    async fn bring(
        &self,
        job: &Job<'_>,
        session: &mut Session,
        (leaf, from): (&Leaf, &str),
        since: &str,
    ) -> Result<(), Refusal> {
        let comment = comment(job);
        let mut result = self.bring_past(session, (leaf, from), since, &comment).await;
        for number in 1..=apart::MORE_MAX {
            if !result.as_ref().is_err_and(is_in_the_way) {
                break;
            }
            let more = apart::create(job, session, (leaf, from), number).await?;
            result = self.bring_past(session, (leaf, from), &more, &comment).await;
        }
        result
    }

    async fn bring_past(
        &self,
        session: &mut Session,
        (leaf, from): (&Leaf, &str),
        since: &str,
        comment: &str,
    ) -> Result<(), Refusal> {
        /// Others may write again between two statements.
        const TRIES: u32 = 3;
        for _ in 0..TRIES {
            let has_new = has_rows(session, &self.rows_of(leaf)).await?;
            if has_new
                && (has_rows(session, &q(since)).await?
                    || !self.exchanged(session, leaf, (since, false), comment).await?)
            {
                break;
            }
            let result = match lock(session, [self.table.as_str(), from]).await {
                Ok(()) => self.back_if_empty(session, leaf, from, comment).await,
                Err(trouble) => Err(trouble.into()),
            };
            match freed(session, result).await? {
                Went::There => return Ok(()),
                Went::NotEmpty => {}
                Went::Unlike => break,
            }
        }
        let result = match lock(session, [self.table.as_str(), since, from]).await {
            Ok(()) => self.carry_back(session, leaf, from, since).await,
            Err(trouble) => Err(trouble.into()),
        };
        freed(session, result).await
    }

    async fn back_if_empty(
        &self,
        session: &mut Session,
        leaf: &Leaf,
        from: &str,
        comment: &str,
    ) -> Result<Went, Refusal> {
        if has_rows(session, &self.rows_of(leaf)).await? {
            return Ok(Went::NotEmpty);
        }
        let went = self.exchanged(session, leaf, (from, true), comment).await?;
        Ok(if went { Went::There } else { Went::Unlike })
    }

    async fn carry_back(
        &self,
        session: &mut Session,
        leaf: &Leaf,
        from: &str,
        since: &str,
    ) -> Result<(), Refusal> {
        self.carry_out(session, leaf, since).await?;
        let rows = Rows { sql: q(from), bytes: bytes(session, from).await? };
        self.carry(session, rows, &q(&self.table), "INSERT").await
    }

    /// The partition and a table change places; `false`: the server takes them for unlike. So it does on MySQL behind `ADD COLUMN` with
    /// `ALGORITHM=INSTANT`. Rows that `are_known` were in that partition before, and are not looked at, where the server can do without.
    async fn exchanged(
        &self,
        session: &mut Session,
        leaf: &Leaf,
        (table, are_known): (&str, bool),
        comment: &str,
    ) -> Result<bool, Trouble> {
        let how = if are_known && !validates(&session.server) { " WITHOUT VALIDATION" } else { "" };
        match session.run(&format!("{comment}{}{how}", self.places(leaf, table))).await {
            Err(trouble) if matches!(trouble.code(), 1731 | 1736 | 1808) => Ok(false),
            other => other.map(|_| true),
        }
    }

    /// The rows of a partition, one by one; all is locked.
    async fn carry_out(&self, session: &mut Session, leaf: &Leaf, to: &str) -> Result<(), Refusal> {
        let sql = self.rows_of(leaf);
        if !has_rows(session, &sql).await? {
            return Ok(());
        }
        let bytes = partition_bytes(session, &self.table, std::slice::from_ref(&leaf.partition)).await?;
        self.carry(session, Rows { sql, bytes }, &q(to), "DELETE").await
    }

    /// Carries rows over in a transaction; `event` is what it does to the table itself.
    async fn carry(&self, session: &mut Session, from: Rows, to: &str, event: &str) -> Result<(), Refusal> {
        let triggers = tables::triggers(session).await?;
        if let Some(trigger) = triggers.iter().find(|of| of.table == self.table && of.event == event) {
            return Err(Refusal::Why(format!(
                "rows of `{}` have to be carried over one by one, and its trigger `{}` (on {event}) would run for each: drop it for \
                 that time",
                self.table, trigger.name
            )));
        }
        if from.bytes > COPY_BYTES_MAX && has_more(session, &from.sql, FEW).await? {
            return Err(Refusal::Why(format!(
                "{} of `{}` would have to be carried over row by row, while which writers wait, for the server does not let them \
                 change places with those of a table (MySQL, behind ALGORITHM=INSTANT): `ALTER TABLE {} FORCE` first",
                human_bytes(from.bytes),
                self.table,
                q(&self.table)
            )));
        }
        let columns =
            tables::table(session, &self.table).await?.map(|table| table.columns).unwrap_or_default();
        let columns = columns.iter().map(|column| q(&column.name)).collect::<Vec<_>>().join(", ");
        // `START TRANSACTION` would give the locks back.
        session.run("SET autocommit = 0").await?;
        session.run(&format!("INSERT INTO {to} ({columns}) SELECT {columns} FROM {}", from.sql)).await?;
        session.run(&format!("DELETE FROM {}", from.sql)).await?;
        session.run("COMMIT").await?;
        session.run("SET autocommit = 1").await?;
        Ok(())
    }

    /// What is said where the server refuses that rows of partitions change places.
    pub(super) fn failure(&self, mut failure: Failure, code: u16, is_there: bool) -> Failure {
        failure.message += " (while rows of partitions change places with those of a table)";
        match code {
            // That is looked for before the first row is moved.
            1044 | 1142 | 1227 if is_there => {
                failure.message = failure.message.replace(NOTHING, "; no row was moved");
                failure.hint("the user of the target needs LOCK TABLES on the database: `GRANT LOCK TABLES ON …`")
            }
            1062 => self.partly(failure).hint(
                "somebody wrote that key again while the rows were away: `windlass rollback` brings them back and keeps what was written \
                 since in a table of ours; or take it away and `windlass resume`",
            ),
            _ => self.partly(failure),
        }
    }

    /// Rows of some partitions may have changed places already, each by a statement of its own.
    pub(super) fn partly(&self, failure: Failure) -> Failure {
        if self.leaves.len() < 2 && self.drop.is_none() {
            return failure;
        }
        let said =
            "; rows of some partitions may be in tables of ours (`_windlass_aside_…`) now, none is lost";
        let message = failure.message.replace(NOTHING, said).replace("; nothing was changed", said);
        let effect = if failure.effect == Effect::None { Effect::Partial } else { failure.effect };
        Failure { message, effect, ..failure }
    }

    /// Takes our tables away again if a try that stopped has moved nothing yet; whether it has not.
    pub(super) async fn took_nothing(&self, session: &mut Session) -> Result<bool, Trouble> {
        let mut there = vec![];
        for leaf in &self.leaves {
            if super::ledger::exists(session, &leaf.taken).await? {
                if has_rows(session, &q(&leaf.taken)).await? {
                    return Ok(false);
                }
                there.push(q(&leaf.taken));
            }
        }
        // The last one first: so it stands as on its way there wherever that stops.
        for table in there.iter().rev() {
            session.run(&format!("DROP TABLE {table}")).await?;
        }
        Ok(true)
    }
}

/// What became of rows that were to go back.
enum Went {
    There,
    /// Somebody wrote to the partition meanwhile.
    NotEmpty,
    /// The server does not let them change places.
    Unlike,
}

/// Whether the server looks at each row of a table that changes places with a partition, whatever it is told: MariaDB before 11.4.
pub(super) fn validates(server: &Server) -> bool {
    server.mariadb && version(&server.text) < (11, 4, 1)
}

/// Whether rows cannot go there: a key is taken, or they would have to go one by one and may not.
fn is_in_the_way(refusal: &Refusal) -> bool {
    match refusal {
        Refusal::Why(_) => true,
        Refusal::Trouble(trouble) => trouble.code() == 1062,
    }
}

async fn has_more(session: &mut Session, of: &str, rows: u64) -> Result<bool, Trouble> {
    let found = session.value(&format!("SELECT EXISTS (SELECT 1 FROM {of} LIMIT {rows}, 1)")).await?;
    Ok(found.as_deref() == Some("1"))
}

pub(super) async fn has_rows(session: &mut Session, of: &str) -> Result<bool, Trouble> {
    let found = session.value(&format!("SELECT EXISTS (SELECT 1 FROM {of})")).await?;
    Ok(found.as_deref() == Some("1"))
}

/// Locks tables, as long as each statement commits by itself: else MariaDB locks them in InnoDB too, and then waits for itself when
/// they change places. Ends with [`freed`], also where it fails.
async fn lock<'t>(session: &mut Session, tables: impl IntoIterator<Item = &'t str>) -> Result<(), Trouble> {
    let tables: Vec<String> = tables.into_iter().map(|table| format!("{} WRITE", q(table))).collect();
    session.run(&format!("LOCK TABLES {}", tables.join(", "))).await.map(drop)
}

/// Gives the locks back; what was not committed did not happen.
async fn freed<T>(session: &mut Session, result: Result<T, Refusal>) -> Result<T, Refusal> {
    let free = async {
        session.run("ROLLBACK").await?;
        session.run("UNLOCK TABLES").await?;
        session.run("SET autocommit = 1").await.map(drop)
    };
    let free: Result<(), Trouble> = free.await;
    let found = result?;
    free?;
    Ok(found)
}

/// The table whose partitions a statement drops.
pub(super) fn drops(sql: &str) -> Option<String> {
    let Some(Ddl::AlterTable(statement)) = windlass_sql::ddl(sql, Dialect::Mysql) else { return None };
    let drops = |change: &Change| matches!(change, Change::Partition(word) if word == "DROP");
    statement.changes.iter().any(drops).then(|| statement.table.base().to_owned())
}

/// Drops partitions that a statement added: if they are still empty, for no other partition takes their rows.
pub(super) async fn drop_empty(session: &mut Session, sql: &str, comment: &str) -> Result<(), Refusal> {
    let table = drops(sql).unwrap_or_default();
    let result = match lock(session, [table.as_str()]).await {
        Ok(()) => drop_locked(session, (&table, sql), comment).await,
        Err(trouble) => Err(trouble.into()),
    };
    freed(session, result).await
}

async fn drop_locked(
    session: &mut Session,
    (table, sql): (&str, &str),
    comment: &str,
) -> Result<(), Refusal> {
    for partition in partition_names(sql) {
        let rows = format!("{} PARTITION ({})", q(table), q(&partition));
        if has_rows(session, &rows).await? {
            let count = session.value(&format!("SELECT COUNT(*) FROM {rows}")).await?.unwrap_or_default();
            return Err(Refusal::Why(format!(
                "{count} rows written since are in partition `{partition}` of `{table}`, which was not there before, and no other \
                 takes them: see `SELECT * FROM {rows}`, and take them away"
            )));
        }
    }
    session.run(&format!("{comment}{sql}")).await?;
    Ok(())
}
