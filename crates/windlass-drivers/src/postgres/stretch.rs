//! Statements of which it is known beforehand what they do go to the server in one piece: tables that are made, columns and indexes for
//! a table that is known, and a few rows for one. What they did is read and counted once for all of them. Where that is not what was to be expected of
//! them, nothing of them is left, and each is done by itself.

use super::{
    apply::{Effects, digest},
    facts::{self, Table},
    few,
    grown::{self, Growth, Shape},
    job::{Job, Scope},
    ledger, made,
    rows::wrapped,
    session::{Answer, Row, Trouble},
    snapshot,
    together::Company,
};
use std::collections::BTreeMap;
use windlass_sql::{
    ConstraintKind, Ddl, Dialect, ObjectName,
    postgres::{
        catalog::{Catalog, Verdict, compare},
        rows::{Image, Op},
        text,
    },
};

/// Statements in one piece at most.
pub(super) const MOST: usize = 32;

/// What a statement does.
enum Known {
    /// It makes a table that is not there.
    Makes(ObjectName),
    /// It adds columns or an index to a table.
    Grows(Growth),
    /// It adds a few rows to a table.
    Adds { name: ObjectName, table: Box<Table>, image: Box<Image>, sql: String },
}

/// A statement of a stretch.
pub(super) struct Piece {
    job: Job,
    number: i64,
    known: Known,
}

/// The statement, if it is known what it does behind those of `pieces`. `number` is that of its row in the ledger.
pub(super) fn piece(job: Job, company: &Company, pieces: &[Piece], number: i64) -> Option<Piece> {
    known(&job, company, pieces, number).map(|known| Piece { job, number, known })
}

fn known(job: &Job, company: &Company, pieces: &[Piece], number: i64) -> Option<Known> {
    let statement = job.statement();
    if let Some(growth) = grown::of(statement) {
        let name = growth.table.quoted(Dialect::Postgresql);
        let made = pieces.iter().any(|piece| piece.shapes().as_deref() == Some(name.as_str()));
        return (made || company.shape(&name).is_some()).then_some(Known::Grows(growth));
    }
    if let Some(Ddl::CreateTable(table)) = windlass_sql::ddl(statement, Dialect::Postgresql) {
        let refers = |kind| kind == ConstraintKind::ForeignKey;
        let refers = table.constraints.iter().any(|one| refers(one.kind))
            || table.columns.iter().any(|column| column.has(ConstraintKind::ForeignKey));
        let fresh = made::may(statement) && !table.if_not_exists && !refers;
        return fresh.then_some(Known::Makes(table.name));
    }
    let dml = windlass_sql::dml(statement, Dialect::Postgresql)?;
    let table = company.named(&dml.table.quoted(Dialect::Postgresql))?;
    if table.kind != "r" || !table.family.is_empty() {
        return None;
    }
    // It has other columns by then than when it was read.
    let grows = |piece: &Piece| matches!(&piece.known, Known::Grows(growth) if growth.table.base() == dml.table.base());
    if pieces.iter().any(grows) {
        return None;
    }
    let (op, image) = wrapped(&dml, &table, number)?;
    let returning = dml.returning.is_some();
    if op != Op::Insert || returning || !few::may(&dml, statement, &image) {
        return None;
    }
    let alias = dml.alias.as_deref().unwrap_or_else(|| dml.table.base());
    // A comment may end the statement.
    let sql = image.shown(&format!("{statement}\n"), alias);
    Some(Known::Adds { name: dml.table.clone(), table: Box::new(table), image: Box::new(image), sql })
}

/// Runs them; `is_first`: nothing else is in the transaction. `None`: they are not what they looked like, or one failed; nothing of them is left. An error: the transaction is void.
pub(super) async fn apply(
    job: &Job,
    scope: &Scope,
    company: &Company,
    pieces: Vec<Piece>,
    is_first: bool,
) -> Result<Option<Vec<(Job, Effects)>>, Trouble> {
    job.session.later("SAVEPOINT windlass_unit".to_owned());
    if !is_first {
        // Whoever holds what others need gives up long before they do.
        job.session.later("SET LOCAL lock_timeout = 100".to_owned());
    }
    let Some(effects) = done(job, scope, company, &pieces).await else {
        job.session.act("ROLLBACK TO SAVEPOINT windlass_unit").await?;
        drop(job.session.notices());
        // What is rolled back was counted.
        company.count(&job.session).await?;
        return Ok(None);
    };
    job.session.later("RELEASE SAVEPOINT windlass_unit".to_owned());
    for (piece, effects) in pieces.iter().zip(&effects) {
        let (job, way_back) = (&piece.job, &effects.way_back);
        let (unit, digest) = (&job.unit.id.0, digest(job));
        job.session.later(ledger::whole(piece.number, &job.cx, unit, &digest, effects.rows, way_back));
    }
    Ok(Some(pieces.into_iter().map(|piece| piece.job).zip(effects).collect()))
}

async fn done(job: &Job, scope: &Scope, company: &Company, pieces: &[Piece]) -> Option<Vec<Effects>> {
    job.session.prepare(&snapshot::MADE).await.ok()?;
    facts::prepare_counts(&job.session).await.ok()?;
    let before = company.counted();
    job.session.later(made::NONE.to_owned());
    job.theirs(scope).await.ok()?;
    let sql = pieces.iter().map(Piece::sql).collect::<Vec<_>>().join(";\n");
    // All is sent without waiting for the first answer.
    let own = scope.ours();
    let (parts, own, after, made) = futures_util::future::join4(
        job.session.parts(&sql),
        job.session.act(&own),
        company.count(&job.session),
        snapshot::made(&job.session),
    )
    .await;
    let (parts, mut made) = (parts.ok()?, own.and(made).ok()?);
    let after = after.ok()?;
    if parts.len() != 2 * pieces.len() || !job.session.notices().is_empty() {
        return None;
    }
    let mut answers = parts.into_iter();
    let mut all = vec![];
    for _ in pieces {
        all.push((answers.next()?, answers.next()?));
    }
    let finals = made.tables.clone();
    let (mut added, mut shapes, mut effects) = (BTreeMap::new(), BTreeMap::new(), vec![]);
    // What the last one added is taken out first: so each finds its table as it left it.
    for (piece, (rows, noted)) in pieces.iter().zip(all).rev() {
        let noted = noted.first()?.first()?.as_deref()?.rsplit(',').next()?.parse().ok()?;
        let one = piece.effects(rows, noted, &mut made.tables, &mut added)?;
        if piece.job.rows().is_some_and(|expected| expected != one.rows) {
            return None;
        }
        if let Some(name) = piece.shapes() {
            shapes.entry(name).or_insert(noted);
        }
        effects.push(one);
    }
    effects.reverse();
    let counted: BTreeMap<u32, [u64; 3]> =
        added.into_iter().filter(|(_, rows)| *rows > 0).map(|(oid, rows)| (oid, [rows, 0, 0])).collect();
    // Each did at least what is told of it; together they did no more.
    let relations = made.relations.values().sum::<i64>() - there(company, &made.tables)?;
    if made::only_made(&before, &after) != Some(relations) || after.since(&before) != counted {
        return None;
    }
    for (name, oid) in shapes {
        let (catalog, relations) = (finals.get(&oid)?.clone(), *made.relations.get(&oid)?);
        company.shaped(name, Shape { oid, catalog, relations });
    }
    Some(effects)
}

/// Of how many relations these tables were made before. `None`: they are not as they were known.
fn there(company: &Company, tables: &BTreeMap<u32, Catalog>) -> Option<i64> {
    let relations = |(oid, rest): (&u32, &Catalog)| {
        let shape = company.shape_of(*oid)?;
        (compare(&shape.catalog, rest) == Verdict::Exact).then_some(shape.relations)
    };
    tables.iter().map(relations).sum()
}

impl Piece {
    /// Whether it goes with others in a piece only, also if that is of one.
    pub(super) fn grows(&self) -> bool {
        matches!(self.known, Known::Grows(_))
    }

    /// The name of the table that it makes or that gets more, quoted.
    fn shapes(&self) -> Option<String> {
        match &self.known {
            Known::Makes(name) | Known::Grows(Growth { table: name, .. }) => {
                Some(name.quoted(Dialect::Postgresql))
            }
            Known::Adds { .. } => None,
        }
    }

    /// The statement, and the question which table it was about.
    fn sql(&self) -> String {
        match &self.known {
            Known::Makes(name) | Known::Grows(Growth { table: name, .. }) => {
                format!("{}\n;{}", self.job.statement(), made::note(name))
            }
            Known::Adds { name, sql, .. } => format!(
                "{sql};SELECT pg_catalog.to_regclass({})::pg_catalog.oid",
                text(&name.quoted(Dialect::Postgresql))
            ),
        }
    }

    /// What it did to the table `oid`. What it did to a table of `tables` is taken out of there.
    fn effects(
        &self,
        rows: Vec<Row>,
        oid: u32,
        tables: &mut BTreeMap<u32, Catalog>,
        added: &mut BTreeMap<u32, u64>,
    ) -> Option<Effects> {
        match &self.known {
            Known::Makes(_) => made::effects(&self.job, &tables.remove(&oid)?),
            Known::Grows(growth) => {
                let (before, effects) = growth.effects(oid, tables.get(&oid)?)?;
                tables.insert(oid, before);
                Some(effects)
            }
            Known::Adds { table, image, .. } => {
                (oid == table.oid).then_some(())?;
                let count = rows.len() as u64;
                *added.entry(table.oid).or_default() += count;
                let answer = Answer { rows, count, is_query: true, ..Answer::default() };
                few::effects(table, image, answer)
            }
        }
    }
}
