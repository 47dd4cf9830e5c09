//! Whether a statement can be run in batches: what the text cannot tell, the catalog does.

use super::super::cover::{self, Cover, How, Refusal};
use super::super::ledger::text;
use super::super::session::{Session, Trouble};
use super::super::statement::{Job, failed};
use super::super::tables::{self, Column, Table};
use super::{Start, q};
use crate::sql::batch;
use serde_json::json;
use windlass_driver::{Capsule, Failure, Fault};
use windlass_plan::{Action, UndoBy};
use windlass_sql::{
    Dialect,
    batch::{Batched, FRESH, batched, range},
};

/// The statement, its table and the key.
pub(super) struct Shape {
    pub(super) batched: Batched,
    table: String,
    columns: Vec<Column>,
    pub(super) key: Vec<Part>,
}

/// A column of the key.
pub(super) struct Part {
    pub(super) name: String,
    /// Expression that gives its value as a text that [`Part::literal`] takes, of column `{}`.
    shown: &'static str,
    how: Literal,
}

/// How a value of a key is written.
#[derive(Clone, Copy)]
enum Literal {
    Number,
    Text,
    Bytes,
}

impl Part {
    fn new(name: &str, kind: &str) -> Option<Self> {
        let (shown, how) = match kind {
            "tinyint" | "smallint" | "mediumint" | "int" | "bigint" | "decimal" | "year" => {
                ("{}", Literal::Number)
            }
            // With all digits, and in the order of their numbers.
            "float" | "double" => ("({} + 0e0)", Literal::Number),
            "enum" | "set" | "bit" => ("({} + 0)", Literal::Number),
            "char" | "varchar" | "tinytext" | "text" | "mediumtext" | "longtext" | "date" | "datetime"
            | "time" | "uuid" | "inet4" | "inet6" => ("{}", Literal::Text),
            "binary" | "varbinary" | "tinyblob" | "blob" | "mediumblob" | "longblob" => {
                ("HEX({})", Literal::Bytes)
            }
            _ => return None,
        };
        Some(Self { name: name.to_owned(), shown, how })
    }

    fn literal(&self, value: &str) -> String {
        match self.how {
            Literal::Number => value.to_owned(),
            Literal::Text => text(value),
            Literal::Bytes => format!("x'{value}'"),
        }
    }
}

fn refused(job: &Job<'_>, why: &str, help: &str) -> Failure {
    let message =
        format!("{}: `{}` cannot be run in batches: {why}; nothing was changed", job.place(), job.short());
    Failure::clean(Fault::Document, message).hint(help)
}

const WITHOUT: &str = "leave `batch=` out: the whole statement is one transaction then";

/// Looks it all up. The session has the settings of the statement.
pub(super) async fn shape(job: &Job<'_>, session: &mut Session) -> Result<Shape, Failure> {
    let asking = |trouble: Trouble| failed(job, &trouble, "reading the catalog");
    let batched = batched(job.statement, Dialect::Mysql).map_err(|no| refused(job, &no.why, no.help))?;
    let name = &batched.dml.table;
    if name.qualifier().is_some_and(|database| database != session.address.database) {
        return Err(refused(job, "its table is in another database", "make a target of that database"));
    }
    let table = tables::table(session, name.base()).await.map_err(asking)?;
    let Some(table) = table.filter(|table| table.engine.as_deref() == Some("InnoDB")) else {
        return Err(refused(job, &format!("{name} is no table of InnoDB"), WITHOUT));
    };
    for other in &batched.reads {
        let mine = other.qualifier().is_none_or(|database| database == session.address.database);
        let found = if mine { tables::table(session, other.base()).await.map_err(asking)? } else { None };
        if found.is_none_or(|found| found.engine.is_none() || found.name.eq_ignore_ascii_case(&table.name)) {
            let why = format!(
                "its subquery reads {other}, which is not surely another table than the one that it changes"
            );
            return Err(refused(job, &why, "put what it reads into a table of its own first"));
        }
    }
    functions(job, session, &batched).await?;
    let key = key(job, session, &batched, &table).await?;
    Ok(Shape { batched, table: table.name, columns: table.columns, key })
}

async fn functions(job: &Job<'_>, session: &mut Session, batched: &Batched) -> Result<(), Failure> {
    const CHANGING: [&str; 7] = [
        "get_lock",
        "release_lock",
        "last_insert_id",
        "row_count",
        "found_rows",
        "uuid_short",
        "random_bytes",
    ];
    let routines = tables::routines(session).await.map_err(|t| failed(job, &t, "reading the catalog"))?;
    for call in &batched.calls {
        let name = call.name.as_str();
        let why = if routines.contains_key(name) {
            format!("{name}() is a function of this database, which may read the table")
        } else if CHANGING.contains(&name) || call.in_filter && FRESH.contains(&name) {
            format!("{name}() may answer something else in each batch")
        } else {
            continue;
        };
        return Err(refused(job, &why, WITHOUT));
    }
    Ok(())
}

/// The first key that the statement does not change.
async fn key(
    job: &Job<'_>,
    session: &mut Session,
    batched: &Batched,
    table: &Table,
) -> Result<Vec<Part>, Failure> {
    let assigned =
        |column: &String| batched.dml.assigned.iter().any(|name| name.eq_ignore_ascii_case(column));
    if table.keys.is_empty() {
        let why = format!("{} has no primary key, and no unique one without NULL", table.name);
        return Err(refused(job, &why, "make one, or leave `batch=` out"));
    }
    let Some(key) = table.keys.iter().find(|key| !key.iter().any(assigned)) else {
        let why = "it changes columns of the key that its batches go by: rows would be met twice or never";
        return Err(refused(job, why, WITHOUT));
    };
    let sql = format!(
        "SELECT column_name, data_type FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = {}",
        text(&table.name)
    );
    let found = session.run(&sql).await.map_err(|t| failed(job, &t, "reading the catalog"))?;
    let word = |row: &Vec<Option<String>>, at: usize| row.get(at).cloned().flatten().unwrap_or_default();
    let mut parts = vec![];
    for column in key {
        let kind =
            found.rows.iter().find(|row| word(row, 0) == *column).map(|row| word(row, 1).to_lowercase());
        let kind = kind.unwrap_or_default();
        let Some(part) = Part::new(column, &kind) else {
            // The hour that a clock is put back by has two times of one name.
            let why = format!(
                "the column {column} of its key is {kind}, whose values have no certain order as text"
            );
            return Err(refused(job, &why, WITHOUT));
        };
        parts.push(part);
    }
    Ok(parts)
}

impl Shape {
    /// Whether what is saved of the rows is still all of what has to be.
    pub(super) fn fits(&self, cover: &Cover) -> bool {
        let image = cover.images.first();
        image.is_none_or(|image| match image.op {
            Some('D') => image.columns == self.columns,
            _ => image.columns.iter().all(|column| self.columns.contains(column)),
        })
    }

    /// Columns of the key, of `alias`.
    fn columns(&self, alias: &str) -> Vec<String> {
        self.key.iter().map(|part| format!("{}.{}", q(alias), q(&part.name))).collect()
    }

    pub(super) fn range(&self, alias: &str, after: Option<&[String]>, till: &[String]) -> String {
        range(&self.columns(alias), after, till, false)
    }

    fn shown(&self) -> String {
        let one = |part: &Part| part.shown.replace("{}", &format!("t.{}", q(&part.name)));
        self.key.iter().map(one).collect::<Vec<_>>().join(", ")
    }

    fn literals(&self, row: &[Option<String>]) -> Vec<String> {
        let value = |value: &Option<String>| value.clone().unwrap_or_default();
        self.key.iter().zip(row).map(|(part, row)| part.literal(&value(row))).collect()
    }

    /// The key of the row that is `span` rows behind `after`, as SQL; `None` if there are not that many up to `till`.
    pub(super) async fn bound(
        &self,
        session: &mut Session,
        after: Option<&[String]>,
        till: &[String],
        span: u64,
    ) -> Result<Option<Vec<String>>, Trouble> {
        let sql = format!(
            "SELECT {} FROM {} AS t WHERE {} ORDER BY {} LIMIT 1 OFFSET {}",
            self.shown(),
            q(&self.table),
            self.range("t", after, till),
            self.columns("t").join(", "),
            span.saturating_sub(1)
        );
        let found = session.run(&sql).await?;
        Ok(found.rows.first().map(|row| self.literals(row)))
    }

    /// The end of the key as it is now, the time, and about how many rows there are.
    pub(super) async fn start(&self, session: &mut Session) -> Result<Start, Trouble> {
        let order: Vec<String> = self.columns("t").iter().map(|column| format!("{column} DESC")).collect();
        let sql = format!(
            "SELECT {} FROM {} AS t ORDER BY {} LIMIT 1",
            self.shown(),
            q(&self.table),
            order.join(", ")
        );
        let found = session.run(&sql).await?;
        let now = session.value("SELECT UNIX_TIMESTAMP(NOW(6))").await?.unwrap_or_default();
        let sql = format!(
            "SELECT table_rows FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = {}",
            text(&self.table)
        );
        let total = session.value(&sql).await?.and_then(|rows| rows.parse().ok()).unwrap_or_default();
        Ok(Start {
            key: self.key.iter().map(|part| part.name.clone()).collect(),
            till: found.rows.first().map(|row| self.literals(row)).unwrap_or_default(),
            now,
            total,
            done: false,
        })
    }
}

/// What is saved, and that it can be run in batches, before anything is.
pub(in super::super) async fn capture(job: &Job<'_>) -> Result<Capsule, Failure> {
    let mut session = job.open().await?;
    let looked = async {
        shape(job, &mut session).await?;
        if job.unit.undo.by != UndoBy::Driver { Ok(None) } else { cover(job, &mut session).await.map(Some) }
    };
    let looked = looked.await;
    job.close(session).await;
    Ok(looked?.map_or_else(Capsule::default, |cover| Capsule(json!({ "rows": cover }))))
}

/// How its rows are saved: by set, and of its table only.
async fn cover(job: &Job<'_>, session: &mut Session) -> Result<Cover, Failure> {
    let token = cover::token(&job.cx.run, &job.unit.id.0);
    let cover = match cover::decide(session, job.statement, &token).await {
        Ok(cover) => cover,
        Err(Refusal::Trouble(trouble)) => return Err(job.clean(&trouble, "reading the catalog")),
        Err(Refusal::Why(why)) => return Err(refused(job, &why, WITHOUT)),
    };
    if let Some(other) = cover.images.get(1) {
        let why = format!("a foreign key would change rows of {} too", other.table);
        return Err(refused(job, &why, "change the rows of that table first, in a statement of its own"));
    }
    if cover.how != How::Set {
        let why =
            "its rows cannot be saved by their key (triggers of the table fire, or it refers to itself)";
        return Err(refused(job, why, WITHOUT));
    }
    Ok(cover)
}

/// What `plan` says of it, or why it cannot be.
pub(in super::super) async fn survey(job: &Job<'_>) -> Result<Vec<String>, Failure> {
    let Action::Sql { batch: Some(batch), .. } = &job.unit.action else { return Ok(vec![]) };
    let mut session = job.open().await?;
    let looked = async {
        let shape = shape(job, &mut session).await?;
        if job.unit.undo.by == UndoBy::Driver {
            cover(job, &mut session).await?;
        }
        let start = shape.start(&mut session).await;
        let start = start.map_err(|t| failed(job, &t, "looking for the end of the key"))?;
        Ok(batch::announced(batch, &start.key, &shape.table, start.total))
    };
    let lines = looked.await;
    job.close(session).await;
    lines
}
