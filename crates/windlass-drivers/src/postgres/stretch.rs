//! Statements of which it is known beforehand what they do go to the server in one piece: tables that are made, and a few rows for a
//! table that is known. What they did is read and counted once for all of them. Where that is not what was to be expected of
//! them, nothing of them is left, and each is done by itself.

use super::{
    apply::{Effects, digest},
    facts::{self, Table},
    few,
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
        catalog::Catalog,
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
    /// It adds a few rows to a table.
    Adds { name: ObjectName, table: Box<Table>, image: Box<Image>, sql: String },
}

/// A statement of a stretch.
pub(super) struct Piece {
    job: Job,
    number: i64,
    known: Known,
}

/// The statement, if it is known what it does. `number` is that of its row in the ledger.
pub(super) fn piece(job: Job, company: &Company, number: i64) -> Option<Piece> {
    known(&job, company, number).map(|known| Piece { job, number, known })
}

fn known(job: &Job, company: &Company, number: i64) -> Option<Known> {
    let statement = job.statement();
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

/// Runs them. `None`: they are not what they looked like, or one failed; nothing of them is left. An error: the transaction is void.
pub(super) async fn apply(
    job: &Job,
    scope: &Scope,
    company: &Company,
    pieces: Vec<Piece>,
) -> Result<Option<Vec<(Job, Effects)>>, Trouble> {
    job.session.later("SAVEPOINT windlass_unit".to_owned());
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
    let mut added: BTreeMap<u32, u64> = BTreeMap::new();
    let mut all = vec![];
    let mut answers = parts.into_iter();
    for piece in pieces {
        let (rows, noted) = (answers.next()?, answers.next()?);
        let effects = piece.effects(rows, &noted, &mut made.tables, &mut added)?;
        if piece.job.rows().is_some_and(|expected| expected != effects.rows) {
            return None;
        }
        all.push(effects);
    }
    let counted: BTreeMap<u32, [u64; 3]> =
        added.into_iter().filter(|(_, rows)| *rows > 0).map(|(oid, rows)| (oid, [rows, 0, 0])).collect();
    // Each did at least what is told of it; together they did no more.
    let only = made::only_made(&before, &after) == Some(made.relations) && after.since(&before) == counted;
    (only && made.tables.is_empty()).then_some(all)
}

impl Piece {
    /// The statement, and the question which table it was about.
    fn sql(&self) -> String {
        match &self.known {
            Known::Makes(name) => format!("{}\n;{}", self.job.statement(), made::note(name)),
            Known::Adds { name, sql, .. } => format!(
                "{sql};SELECT pg_catalog.to_regclass({})::pg_catalog.oid",
                text(&name.quoted(Dialect::Postgresql))
            ),
        }
    }

    fn effects(
        &self,
        rows: Vec<Row>,
        noted: &[Row],
        made: &mut BTreeMap<u32, Catalog>,
        added: &mut BTreeMap<u32, u64>,
    ) -> Option<Effects> {
        let noted = noted.first()?.first()?.as_deref()?;
        match &self.known {
            Known::Makes(_) => {
                let oid = noted.rsplit(',').next()?.parse().ok()?;
                made::effects(&self.job, &made.remove(&oid)?)
            }
            Known::Adds { table, image, .. } => {
                (noted == table.oid.to_string()).then_some(())?;
                let count = rows.len() as u64;
                *added.entry(table.oid).or_default() += count;
                let answer = Answer { rows, count, is_query: true, ..Answer::default() };
                few::effects(table, image, answer)
            }
        }
    }
}
