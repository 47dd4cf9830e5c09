//! Statements on rows: what they change is kept in the same transaction, and counted by the server, so that nothing is
//! changed that is not kept.

use super::{
    apply::{Again, Effects, Prep, at, run, said, setting},
    back::WayBack,
    facts::{self, Counts, Table},
    few,
    job::{Hold, Job, Lock, Scope},
};
use crate::{disk::one_line, sql::place};
use std::collections::{BTreeMap, BTreeSet};
use windlass_driver::{Failure, Fault};
use windlass_sql::{
    Dialect, Dml, DmlKind, Kind, Summary,
    postgres::{
        qualified,
        rows::{Image, Op},
        text,
    },
};

/// Whether the statement is one on rows.
pub(super) fn is(job: &Job, summary: &Summary) -> bool {
    let kinds = [Kind::Insert, Kind::Update, Kind::Delete, Kind::Merge, Kind::Load];
    kinds.contains(&summary.kind)
        && !summary.changes_schema
        && (summary.kind != Kind::Load || job.data().is_some())
}

/// The table that the statement names, quoted; nothing if it cannot be told.
pub(super) async fn target(job: &Job) -> Option<String> {
    let summary = job.summary();
    let name = summary.object.filter(|_| summary.changes_data)?;
    job.begin(super::job::Mode::Read, &[]).await.ok()?;
    let scope = job.scope().await.ok()?;
    let oid = resolve(job, &scope, &name.quoted(Dialect::Postgresql)).await.ok().flatten();
    let tables = facts::tables(&job.session, &oid.into_iter().collect::<Vec<_>>()).await.ok();
    job.session.rollback().await;
    let table = tables?.into_values().next().filter(|table| ["r", "p"].contains(&table.kind.as_str()))?;
    Some(qualified(&table.schema, &table.name))
}

/// Number of a table as the statement finds it.
async fn resolve(job: &Job, scope: &Scope, name: &str) -> Result<Option<u32>, Again> {
    let sql = format!("SELECT pg_catalog.to_regclass({})::pg_catalog.oid", text(name));
    let oid = job.session.value(&scope.around(&sql)).await.map_err(|trouble| setting(job, trouble))?;
    Ok(oid.and_then(|oid| oid.parse().ok()))
}

/// Runs the statement with what it changes kept.
pub(super) async fn apply(job: &Job, scope: &Scope, prep: &Prep, seq: i64) -> Result<Effects, Again> {
    let summary = job.summary();
    let dml = windlass_sql::dml(job.statement(), Dialect::Postgresql);
    let name = dml.as_ref().map(|dml| dml.table.clone()).or(summary.object);
    let name = name.map(|name| name.quoted(Dialect::Postgresql)).unwrap_or_default();
    let Some(oid) = resolve(job, scope, &name).await? else {
        // The server says it better.
        run(job, scope).await?;
        return Err(Again::Prepared(Box::new(Prep { schema: true, ..prep.clone() })));
    };
    let table = match &job.company {
        Some(company) => company.table(&job.session, oid).await,
        None => facts::tables(&job.session, &[oid]).await.map(|mut tables| tables.remove(&oid)),
    };
    let Some(table) = table.map_err(at("reading the catalog"))? else { return Err(gone(job)) };
    if prep.cover.is_empty()
        && !scope.role
        && let Some(dml) = &dml
        && let Some((op, image)) = wrapped(dml, &table, seq)
    {
        if !is_held(job, prep, &table) {
            let hold = if op == Op::Insert { Hold::Shape } else { Hold::Rows };
            let held = Some(Lock { hold, table: qualified(&table.schema, &table.name) });
            return Err(Again::Prepared(Box::new(Prep { held, ..prep.clone() })));
        }
        return by_itself(job, scope, prep, &table, dml, (op, image)).await;
    }
    let mut cover = prep.cover.clone();
    cover.insert(oid);
    if job.company.is_some() {
        return Err(Again::Prepared(Box::new(Prep { cover, ..prep.clone() })));
    }
    cover.extend(facts::reach(&job.session, oid).await.map_err(at("reading the catalog"))?);
    covered(job, scope, prep, &cover, seq).await
}

/// Whether what was read of the table stays true: nobody else has been able to alter it since before the transaction took its view.
/// What an `INSERT` adds is kept as it came to be, whatever triggers do.
fn is_held(job: &Job, prep: &Prep, table: &Table) -> bool {
    let name = qualified(&table.schema, &table.name);
    match &job.company {
        Some(company) => company.holds(&name),
        None => {
            job.is_scratch
                || prep.locks.contains(&name)
                || prep.held.as_ref().is_some_and(|lock| lock.table == name)
        }
    }
}

fn gone(job: &Job) -> Again {
    Failure::clean(
        Fault::Target,
        format!("{}: its table was dropped just now; nothing was changed", place(&job.cx, &job.unit, None)),
    )
    .retryable()
    .into()
}

/// Whether the statement itself can say what it changes, and the image that takes it.
pub(super) fn wrapped(dml: &Dml, table: &Table, seq: i64) -> Option<(Op, Image)> {
    let plain =
        ["r", "p"].contains(&table.kind.as_str()) && !table.rules && !table.triggers && !table.temporary;
    let simple = plain && (dml.only || !table.heirs) && !dml.with_writes && !dml.multi_table;
    let acts = |child: &super::facts::Child| {
        if dml.kind == DmlKind::Update { child.on_update } else { child.on_delete }
    };
    let reaches = dml.kind != DmlKind::Insert
        && table.children.iter().any(|child| {
            acts(child)
                && (dml.kind == DmlKind::Delete
                    || child.reference.ours.iter().any(|c| dml.assigned.contains(c)))
        });
    if !simple || reaches {
        return None;
    }
    let name = format!("image_{seq}");
    match dml.kind {
        DmlKind::Insert if dml.assigned.is_empty() => Some((Op::Insert, table.image(name, None))),
        DmlKind::Delete => Some((Op::Delete, table.image(name, None))),
        DmlKind::Update if !dml.assigned.is_empty() && !table.key.is_empty() => {
            let keeps_key = !dml.assigned.iter().any(|column| table.key.contains(column));
            keeps_key.then(|| (Op::Update, table.image(name, Some(&dml.assigned))))
        }
        _ => None,
    }
}

/// One statement that changes rows and keeps them.
async fn by_itself(
    job: &Job,
    scope: &Scope,
    prep: &Prep,
    table: &Table,
    dml: &Dml,
    (op, image): (Op, Image),
) -> Result<Effects, Again> {
    let statement = without_returning(job.statement(), dml);
    let alias = dml.alias.as_deref().unwrap_or_else(|| dml.table.base());
    let few = op == Op::Insert && !prep.wide && few::may(dml, job.statement(), &image);
    let sql =
        if few { image.shown(&statement, alias) } else { image.wrapped(op, &statement, alias, 0, None) };
    let shift = sql.find(&statement).map_or(0, |at| sql[..at].chars().count());
    let before = if few {
        job.counts_before().await
    } else {
        job.session.act(&image.create()).await.map_err(at("making the before-image"))?;
        job.counts().await
    };
    let before = before.map_err(at("counting"))?;
    job.theirs(scope).await.map_err(|trouble| setting(job, trouble))?;
    job.session.later("SET LOCAL work_mem = '64MB'".to_owned());
    let answer =
        job.session.statement(&sql, few::ROWS_MAX).await.map_err(|trouble| said(job, trouble, shift))?;
    job.own(scope).await.map_err(at("its settings"))?;
    let after = job.counts().await.map_err(at("counting"))?;
    if !after.catalogs(&before).is_empty() {
        return Err(Again::Prepared(Box::new(Prep { schema: true, ..prep.clone() })));
    }
    let counted = after.since(&before);
    let mut family: BTreeSet<u32> = table.family.iter().copied().collect();
    family.insert(table.oid);
    let mut sum = [0; 3];
    for (oid, counts) in &counted {
        if !family.contains(oid) {
            let cover = counted.keys().copied().chain([table.oid]).collect();
            return Err(Again::Prepared(Box::new(Prep { cover, ..prep.clone() })));
        }
        (0..3).for_each(|at| sum[at] += counts[at]);
    }
    let [inserted, updated, deleted] = sum;
    let right = match op {
        Op::Insert => [inserted, updated, deleted] == [answer.count, 0, 0],
        Op::Delete => [inserted, updated, deleted] == [0, 0, answer.count],
        // A row that moves to another partition counts as one that goes and one that comes.
        Op::Update => inserted == deleted && updated + deleted == answer.count,
    };
    if !right {
        return Err(Again::Prepared(Box::new(Prep { cover: family, ..prep.clone() })));
    }
    if few {
        let wide = || Again::Prepared(Box::new(Prep { wide: true, ..prep.clone() }));
        return few::effects(table, &image, answer).ok_or_else(wide);
    }
    let (rows, lines) = (answer.count, vec![line(op, answer.count, table)]);
    Ok(Effects {
        rows,
        lines,
        way_back: WayBack { images: vec![image], ..WayBack::default() },
        ..Effects::default()
    })
}

pub(super) fn line(op: Op, count: u64, table: &Table) -> String {
    let done = match op {
        Op::Insert => "inserted into",
        Op::Update => "changed in",
        Op::Delete => "deleted from",
    };
    format!("{count} rows {done} {}; how they were is kept", table.shown())
}

fn without_returning(statement: &str, dml: &Dml) -> String {
    let Some(returning) = dml.returning else { return statement.to_owned() };
    let before = &statement[..returning.start];
    let at = before.to_ascii_uppercase().rfind("RETURNING").unwrap_or(before.len());
    // What may stand behind it is a comment at most.
    before[..at].to_owned()
}

/// Any statement, with triggers on all tables that it may change.
pub(super) async fn covered(
    job: &Job,
    scope: &Scope,
    prep: &Prep,
    cover: &BTreeSet<u32>,
    seq: i64,
) -> Result<Effects, Again> {
    let guard = Cover::put(job, prep, cover, seq).await?;
    let before = facts::counts(&job.session).await.map_err(at("counting"))?;
    let answer = run(job, scope).await?;
    job.own(scope).await.map_err(at("its settings"))?;
    let after = facts::counts(&job.session).await.map_err(at("counting"))?;
    if !after.catalogs(&before).is_empty() {
        let next = Prep { schema: true, cover: cover.clone(), ..prep.clone() };
        return Err(Again::Prepared(Box::new(next)));
    }
    let (images, lines) = guard.take(job, prep, &before, &after).await?;
    let way_back = WayBack { images, ..WayBack::default() };
    Ok(Effects { rows: answer.count, lines, way_back, answer, ..Effects::default() })
}

/// Triggers that keep what is done to tables.
pub(super) struct Cover {
    tables: BTreeMap<u32, Table>,
    images: BTreeMap<u32, Image>,
}

impl Cover {
    /// Puts them on the tables and all of their partitions.
    pub(super) async fn put(job: &Job, prep: &Prep, cover: &BTreeSet<u32>, seq: i64) -> Result<Self, Again> {
        let mut oids: BTreeSet<u32> = cover.clone();
        let mut tables = BTreeMap::new();
        // Partitions, and the tables above them: it is not known by which name rows are changed.
        for _ in 0..3 {
            let list: Vec<u32> = oids.iter().copied().collect();
            tables = facts::tables(&job.session, &list).await.map_err(at("reading the catalog"))?;
            let more: Vec<u32> = tables.values().flat_map(|table| table.family.iter().copied()).collect();
            oids.extend(more);
        }
        tables.retain(|_, table| ["r", "p"].contains(&table.kind.as_str()) && !table.temporary);
        let names: BTreeSet<String> =
            tables.values().map(|table| qualified(&table.schema, &table.name)).collect();
        // Who comes between what was read of the catalog and the triggers would not be seen.
        if !names.is_subset(&prep.locks) {
            let locks = prep.locks.union(&names).cloned().collect();
            return Err(Again::Prepared(Box::new(Prep { locks, cover: cover.clone(), ..prep.clone() })));
        }
        let mut images = BTreeMap::new();
        for (at_, table) in tables.values().enumerate() {
            if table.heirs {
                return Err(heirs(job, table));
            }
            let image = table.image(format!("image_{seq}_{}", at_ + 1), None);
            let sql = [vec![image.create()], image.cover()].concat().join("; ");
            job.session.act(&sql).await.map_err(at("putting triggers on the tables that it may change"))?;
            images.insert(table.oid, image);
        }
        Ok(Self { tables, images })
    }

    /// Takes them away again, and checks that all that was changed is kept. Gives the images that hold something, and what
    /// happened in words.
    pub(super) async fn take(
        self,
        job: &Job,
        prep: &Prep,
        before: &Counts,
        after: &Counts,
    ) -> Result<(Vec<Image>, Vec<String>), Again> {
        let counted = after.since(before);
        let oids: Vec<u32> = self.images.keys().copied().collect();
        let there = facts::tables(&job.session, &oids).await.map_err(at("reading the catalog"))?;
        let (mut images, mut lines) = (vec![], vec![]);
        let mut kept: BTreeMap<u32, [u64; 3]> = BTreeMap::new();
        for (oid, image) in self.images {
            let now = there.get(&oid);
            let renamed =
                now.is_some_and(|table| (&table.schema, &table.name) != (&image.schema, &image.table));
            let mut current = image.clone();
            if let Some(table) = now.filter(|_| renamed) {
                (current.schema, current.table) = (table.schema.clone(), table.name.clone());
            }
            let sql = current.uncover(now.is_some()).join("; ");
            job.session.act(&sql).await.map_err(at("taking triggers away"))?;
            let mut sum = [0; 3];
            for row in job.session.ask(&image.steps()).await.map_err(at("counting what was kept"))? {
                let [_, Some(letter), Some(count)] = row.as_slice() else { continue };
                let (Some(op), Ok(count)) = (Op::from_letter(letter), count.parse::<u64>()) else { continue };
                sum[op as usize] += count;
            }
            if sum == [0; 3] {
                job.session.act(&image.drop()).await.map_err(at("dropping an empty image"))?;
                continue;
            }
            for (op, count) in
                [Op::Insert, Op::Update, Op::Delete].into_iter().zip(sum).filter(|(_, count)| *count > 0)
            {
                lines.push(line(op, count, &self.tables[&oid]));
            }
            if let Some(sql) = image.squash().filter(|_| sum[Op::Update as usize] > 0) {
                job.session.act(&sql).await.map_err(at("keeping rows"))?;
            }
            kept.insert(oid, sum);
            images.push(image);
        }
        let missed = missed(&self.tables, &counted, &kept);
        if missed.is_empty() {
            return Ok((images, lines));
        }
        let known: BTreeSet<u32> = self.tables.keys().copied().collect();
        if missed.is_subset(&known) {
            return Err(uneven(job, &self.tables, &missed));
        }
        let cover = known.union(&missed).copied().collect();
        Err(Again::Prepared(Box::new(Prep { cover, ..prep.clone() })))
    }
}

/// Tables of which more was changed than kept. Partitions are counted where rows lie and kept where they were named.
fn missed(
    tables: &BTreeMap<u32, Table>,
    counted: &BTreeMap<u32, [u64; 3]>,
    kept: &BTreeMap<u32, [u64; 3]>,
) -> BTreeSet<u32> {
    let mut missed: BTreeSet<u32> = counted.keys().filter(|oid| !tables.contains_key(oid)).copied().collect();
    // A partition knows the tables above it: each tree is summed up under its root.
    let root = |oid: u32| {
        let table = &tables[&oid];
        let above =
            |other: &&u32| tables.get(other).is_some_and(|other| other.family.len() > table.family.len());
        table.family.iter().find(above).copied().unwrap_or(oid)
    };
    let mut sums: BTreeMap<u32, [[u64; 3]; 2]> = BTreeMap::new();
    for oid in tables.keys() {
        let sum = sums.entry(root(*oid)).or_default();
        for (at, of) in [counted, kept].into_iter().enumerate() {
            let one = of.get(oid).copied().unwrap_or_default();
            (0..3).for_each(|op| sum[at][op] += one[op]);
        }
    }
    for (oid, [counted, kept]) in sums {
        let moved = counted[0].saturating_sub(kept[0]);
        let same =
            counted[0] == kept[0] + moved && counted[2] == kept[2] + moved && counted[1] + moved == kept[1];
        if !same {
            missed.insert(oid);
        }
    }
    missed
}

fn heirs(job: &Job, table: &Table) -> Again {
    Failure::clean(
        Fault::Target,
        format!(
            "{}: `{}`: other tables inherit from {}, so the rows that it changes cannot be told apart; rolled back, nothing was \
             changed",
            place(&job.cx, &job.unit, None),
            one_line(job.statement(), 120),
            table.shown()
        ),
    )
    .hint("write `ONLY` in front of its name, or the way back as a fence with `undoes=`")
    .into()
}

fn uneven(job: &Job, tables: &BTreeMap<u32, Table>, missed: &BTreeSet<u32>) -> Again {
    let names: Vec<String> = missed.iter().filter_map(|oid| tables.get(oid)).map(Table::shown).collect();
    Failure::clean(
        Fault::Target,
        format!(
            "{}: `{}`: the server counts other changes in {} than could be kept; rolled back, nothing was changed",
            place(&job.cx, &job.unit, None),
            one_line(job.statement(), 120),
            names.join(", ")
        ),
    )
    .hint("write its way back as a fence with `undoes=`, or mark it `irreversible`")
    .into()
}
