//! Whether a statement can be run in batches: what the text cannot tell, the catalog does.

use super::super::{
    apply::{Again, at, setting},
    back::Batches,
    facts::{self, Table},
    job::{Job, Mode, Scope},
    session::Trouble,
};
use crate::{
    disk::one_line,
    sql::{batch, place},
};
use windlass_driver::{Failure, Fault};
use windlass_plan::Action;
use windlass_sql::{
    Dialect, DmlKind,
    batch::{Batched, FRESH, batched},
    postgres::{
        ident, qualified,
        rows::{Image, Op},
        text,
    },
};

/// The statement, its table and the key.
pub(super) struct Shape {
    pub(super) batched: Batched,
    pub(super) table: Table,
}

fn refused(job: &Job, why: &str, help: &str) -> Again {
    let message = format!(
        "{}: `{}` cannot be run in batches: {why}; nothing was changed",
        place(&job.cx, &job.unit, None),
        one_line(job.statement(), 120)
    );
    Failure::clean(Fault::Document, message).hint(help).into()
}

const WITHOUT: &str = "leave `batch=` out: the whole statement is one transaction then";

/// Looks it all up, in a transaction that is open.
pub(super) async fn shape(job: &Job, scope: &Scope) -> Result<Shape, Again> {
    let batched =
        batched(job.statement(), Dialect::Postgresql).map_err(|no| refused(job, &no.why, no.help))?;
    if scope.role {
        return Err(refused(job, "its step changes the role", WITHOUT));
    }
    let reading = at("reading the catalog");
    let name = batched.dml.table.quoted(Dialect::Postgresql);
    let mut names = vec![name.clone()];
    names.extend(batched.reads.iter().map(|name| name.quoted(Dialect::Postgresql)));
    let found = resolve(job, scope, &names).await?;
    let Some(oid) = found.first().and_then(|(oid, _)| *oid) else {
        return Err(refused(job, &format!("there is no table {name}"), "see its name and `search_path`"));
    };
    let table = facts::tables(&job.session, &[oid]).await.map_err(&reading)?.remove(&oid);
    let Some(table) = table else { return Err(refused(job, &format!("there is no table {name}"), WITHOUT)) };
    if let Some((why, help)) = unfit(&batched, &table) {
        return Err(refused(job, &why, help));
    }
    for ((oid, kind), name) in found.iter().zip(&names).skip(1) {
        let plain = ["r", "p", "m"].contains(&kind.as_str());
        let own = oid.is_some_and(|oid| oid == table.oid || table.family.contains(&oid));
        if !plain || own {
            let why = format!(
                "its subquery reads {name}, which is not surely another table than the one that it changes"
            );
            return Err(refused(job, &why, "put what it reads into a table of its own first"));
        }
    }
    functions(job, &batched).await?;
    each_statement(job, &table).await?;
    let shape = Shape { batched, table };
    shape.compared(job).await?;
    shape.ordered(job).await?;
    Ok(shape)
}

/// Numbers and kinds of relations, as the statement finds them.
async fn resolve(job: &Job, scope: &Scope, names: &[String]) -> Result<Vec<(Option<u32>, String)>, Again> {
    job.theirs(scope).await.map_err(|trouble| setting(job, trouble))?;
    let mut found = vec![];
    for name in names {
        let sql = format!(
            "SELECT c.oid, c.relkind FROM pg_catalog.pg_class c WHERE c.oid = pg_catalog.to_regclass({})",
            text(name)
        );
        let row = job.session.ask(&sql).await.map_err(at("looking for its tables"))?.into_iter().next();
        let mut values = row.unwrap_or_default().into_iter().map(Option::unwrap_or_default);
        found.push((values.next().and_then(|oid| oid.parse().ok()), values.next().unwrap_or_default()));
    }
    job.own(scope).await.map_err(at("its settings"))?;
    Ok(found)
}

/// Why the table does not allow it.
fn unfit(batched: &Batched, table: &Table) -> Option<(String, &'static str)> {
    let dml = &batched.dml;
    let name = table.shown();
    if !["r", "p"].contains(&table.kind.as_str()) || table.temporary || table.rules {
        return Some((format!("{name} is no plain table, or has rules"), WITHOUT));
    }
    if table.heirs {
        return Some((format!("other tables inherit from {name}"), WITHOUT));
    }
    if table.key.is_empty() {
        return Some((
            format!("{name} has no primary key, and no unique one without NULL"),
            "make one, or leave `batch=` out",
        ));
    }
    if let Some(column) = dml.assigned.iter().find(|column| table.key.contains(column)) {
        let why = format!(
            "it changes {column}, a column of the key that its batches go by: rows would be met twice or never"
        );
        return Some((why, WITHOUT));
    }
    let reached = table.children.iter().find(|child| match dml.kind {
        DmlKind::Delete => child.on_delete,
        _ => child.on_update && child.reference.ours.iter().any(|column| dml.assigned.contains(column)),
    })?;
    let child = &reached.reference;
    Some((
        format!("a foreign key of {}.{} would change rows there too", child.schema, child.table),
        "change the rows of that table first, in a statement of its own",
    ))
}

/// Functions whose answer may be another in each batch.
async fn functions(job: &Job, batched: &Batched) -> Result<(), Again> {
    let names: Vec<String> = batched.calls.iter().map(|call| text(&call.name)).collect();
    if names.is_empty() {
        return Ok(());
    }
    let sql = format!(
        "SELECT DISTINCT p.proname, p.provolatile, n.nspname = 'pg_catalog' OR l.lanname IN ('c', 'internal') FROM \
         pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace JOIN pg_catalog.pg_language l ON l.oid = \
         p.prolang WHERE pg_catalog.lower(p.proname) IN ({}) AND p.prokind = 'f' AND (p.provolatile = 'v' OR p.provolatile = 's' AND \
         n.nspname <> 'pg_catalog')",
        names.join(", ")
    );
    for row in job.session.ask(&sql).await.map_err(at("reading the catalog"))? {
        let [Some(name), Some(kind), Some(known)] = row.as_slice() else { continue };
        let mut calls = batched.calls.iter().filter(|call| call.name == name.to_lowercase());
        let fresh = known == "t" && FRESH.contains(&name.as_str());
        if fresh && calls.all(|call| !call.in_filter) {
            continue;
        }
        let what = if kind == "v" { "VOLATILE" } else { "STABLE, so it may read the table" };
        let why = format!("{name}() is {what}: it may answer something else in each batch");
        return Err(refused(job, &why, "if it only computes, declare it IMMUTABLE; else leave `batch=` out"));
    }
    Ok(())
}

/// Triggers that fire once for a statement would fire for each batch.
async fn each_statement(job: &Job, table: &Table) -> Result<(), Again> {
    let sql = format!(
        "SELECT tgname FROM pg_catalog.pg_trigger WHERE tgrelid = {} AND NOT tgisinternal AND tgenabled <> 'D' AND tgtype & 1 = 0 \
         AND tgtype & {} > 0 LIMIT 1",
        table.oid,
        8 | 16
    );
    match job.session.value(&sql).await.map_err(at("reading triggers"))? {
        Some(name) => {
            let why =
                format!("the trigger {name} fires once for a statement, and would fire once for each batch");
            Err(refused(job, &why, WITHOUT))
        }
        None => Ok(()),
    }
}

impl Shape {
    pub(super) fn op(&self) -> Op {
        if self.batched.dml.kind == DmlKind::Delete { Op::Delete } else { Op::Update }
    }

    /// The image. Triggers may change columns that the statement does not name.
    pub(super) fn image(&self, seq: i64) -> Image {
        let all = self.op() == Op::Delete || self.table.triggers;
        let kept = (!all).then_some(self.batched.dml.assigned.as_slice());
        self.table.image(format!("image_{seq}"), kept)
    }

    /// The columns of the key, of `alias`.
    pub(super) fn key(&self, alias: &str) -> Vec<String> {
        self.table.key.iter().map(|column| format!("{}.{}", ident(alias), ident(column))).collect()
    }

    /// A condition on the key of `alias`.
    pub(super) fn range(&self, alias: &str, after: Option<&[String]>, till: &[String]) -> String {
        let literals = |values: &[String]| values.iter().map(|value| text(value)).collect::<Vec<_>>();
        let after = after.map(literals);
        windlass_sql::batch::range(&self.key(alias), after.as_deref(), &literals(till), true)
    }

    /// The table, with alias `t`.
    fn source(&self) -> String {
        let only = if self.batched.dml.only { "ONLY " } else { "" };
        format!("{only}{} t", qualified(&self.table.schema, &self.table.name))
    }

    /// The key of the row that is `span` rows behind `after`; no row if there are not that many up to `till`.
    pub(super) fn bound(&self, after: Option<&[String]>, till: &[String], span: u64) -> String {
        let key = self.key("t");
        let values: Vec<String> = key.iter().map(|column| format!("{column}::text")).collect();
        format!(
            "SELECT {} FROM {} WHERE {} ORDER BY {} OFFSET {} LIMIT 1",
            values.join(", "),
            self.source(),
            self.range("t", after, till),
            key.join(", "),
            span.saturating_sub(1)
        )
    }

    /// The end of the key as it is now, the time, and about how many rows there are.
    pub(super) async fn known(&self, job: &Job) -> Result<Batches, Again> {
        let key = self.key("t");
        let values: Vec<String> = key.iter().map(|column| format!("{column}::text")).collect();
        let order: Vec<String> = key.iter().map(|column| format!("{column} DESC")).collect();
        let sql = format!(
            "SELECT {} FROM {} ORDER BY {} LIMIT 1",
            values.join(", "),
            self.source(),
            order.join(", ")
        );
        let reading = at("looking for the end of the key");
        let till = job.session.ask(&sql).await.map_err(&reading)?.into_iter().next().unwrap_or_default();
        let now = job.session.value("SELECT pg_catalog.now()::text").await.map_err(&reading)?;
        Ok(Batches {
            key: self.table.key.clone(),
            till: till.into_iter().map(Option::unwrap_or_default).collect(),
            now: now.unwrap_or_default(),
            total: estimate(job, &self.source()).await.map_err(&reading)?,
        })
    }

    /// Whether the comparisons of a range are those that `ORDER BY` goes by. Under our own `search_path`, `>` of a type of an
    /// extension may be that of another type: of `citext`, that of `text`.
    async fn compared(&self, job: &Job) -> Result<(), Again> {
        let names: Vec<_> = self.table.key.iter().map(|column| text(column)).collect();
        let sql = format!(
            "WITH RECURSIVE base(name, oid) AS (SELECT attname, atttypid FROM pg_catalog.pg_attribute WHERE attrelid = {} AND attname IN \
             ({}) UNION SELECT b.name, t.typbasetype FROM base b JOIN pg_catalog.pg_type t ON t.oid = b.oid WHERE t.typtype = 'd') SELECT \
             b.name, o.opcname FROM base b JOIN pg_catalog.pg_opclass o ON o.opcintype = b.oid JOIN pg_catalog.pg_am m ON m.oid = \
             o.opcmethod WHERE m.amname = 'btree' AND o.opcdefault AND o.opcnamespace <> 'pg_catalog'::pg_catalog.regnamespace LIMIT 1",
            self.table.oid,
            names.join(", ")
        );
        let found = job.session.ask(&sql).await.map_err(at("looking at its key"))?;
        let Some([Some(column), Some(class)]) = found.first().map(Vec::as_slice) else { return Ok(()) };
        let why =
            format!("{column}, a column of the key, is ordered by {class}, which is not the server's own");
        Err(refused(job, &why, WITHOUT))
    }

    /// Whether the server finds rows in the order of the key without sorting them.
    async fn ordered(&self, job: &Job) -> Result<(), Again> {
        let key = self.key("t");
        let sql = format!(
            "SAVEPOINT windlass_look; SET LOCAL enable_sort = off; SET LOCAL enable_seqscan = off; EXPLAIN SELECT {0} FROM {1} ORDER \
             BY {0} LIMIT 1; ROLLBACK TO windlass_look; RELEASE windlass_look",
            key.join(", "),
            self.source()
        );
        let plan = job.session.ask(&sql).await.map_err(at("looking at its key"))?;
        let sorts = |row: &Vec<Option<String>>| {
            // `Sort Key` also stands below a node that merges partitions.
            let node = |line: &String| {
                line.trim_start().trim_start_matches("->").trim_start().starts_with("Sort  (")
            };
            row.iter().flatten().any(node)
        };
        if plan.iter().any(sorts) {
            let why = format!(
                "the index of its key ({}) is in another order than the columns (collation or operator class)",
                self.table.key.join(", ")
            );
            return Err(refused(job, &why, WITHOUT));
        }
        Ok(())
    }
}

/// About how many rows a table has: what the planner thinks, which costs nothing.
async fn estimate(job: &Job, source: &str) -> Result<u64, Trouble> {
    let plan = job.session.value(&format!("EXPLAIN (FORMAT JSON) SELECT 1 FROM {source}")).await?;
    let plan: serde_json::Value = serde_json::from_str(&plan.unwrap_or_default()).unwrap_or_default();
    Ok(plan[0]["Plan"]["Plan Rows"].as_f64().map_or(0, |rows| rows.max(0.0) as u64))
}

/// What `plan` says of it, or why it cannot be.
pub(in super::super) async fn survey(job: &Job) -> Result<Vec<String>, Failure> {
    let Action::Sql { batch: Some(batch), .. } = &job.unit.action else { return Ok(vec![]) };
    let looked = async {
        job.begin(Mode::Read, &[]).await.map_err(at("beginning"))?;
        let scope = job.scope().await.map_err(at("its settings"))?;
        let shape = shape(job, &scope).await?;
        let known = shape.known(job).await?;
        Ok((shape, known))
    };
    let looked: Result<_, Again> = looked.await;
    job.session.rollback().await;
    let (shape, known) = looked.map_err(|again| super::failed(job, again))?;
    Ok(batch::announced(batch, &known.key, &shape.table.shown(), known.total))
}
