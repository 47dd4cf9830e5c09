//! Values that a changed column no longer holds. These servers cut, round and replace them in silence, or with a warning; so
//! those that would not come back by themselves are kept in an image table, by key, before the statement runs, and put back
//! as those of an `UPDATE` are. What was written since and would not fit on the way back stops the undo.
//!
//! Which values those are is not computed here: the server converts all of them in a temporary table, there and back, under the
//! `sql_mode` of the statement, while the table is locked; what comes back as it was is not kept. See `convert`.

use super::convert::{Cut, LAX, SCRATCH, Trial, convert, differs, drop_scratch, lost, pass_over};
use super::cover::{Cover, How, Image, KEYLESS_MAX, Refusal, token};
use super::data::{Modes, no_undo};
use super::image::{self, place, q};
use super::ledger::{self, Kept};
use super::scene::Scene;
use super::session::{Session, Trouble};
use super::statement::Job;
use super::tables::{self, Column, Table};
use crate::disk::{one_line, sha256};
use serde::{Deserialize, Serialize};
use windlass_driver::Failure;
use windlass_sql::Kind;
use windlass_sql::mysql::{Renames, lossless};

/// Rows that a refusal shows.
const SHOWN: u64 = 5;

/// What a statement does to the values of a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Narrow {
    /// What is kept.
    pub(super) image: Image,
    /// Names of its columns behind the statement.
    after: Vec<String>,
    /// By the statement.
    forward: Vec<Cut>,
    /// By its undo.
    back: Vec<Cut>,
    /// Why no value can be put back: then none may be lost.
    pub(super) refused: Option<String>,
    /// In which values convert.
    scene: Scene,
    /// The column that gets `AUTO_INCREMENT`: rows that hold 0 or NULL would get another number.
    numbered: Option<String>,
}

impl Narrow {
    /// Whether it looks at values before the statement.
    pub(super) fn is_forward(&self) -> bool {
        self.keeps() || self.numbered.is_some()
    }

    /// Whether values may have to be kept.
    fn keeps(&self) -> bool {
        !self.forward.is_empty()
    }

    /// Whether it looks at values before the undo.
    pub(super) fn is_back(&self) -> bool {
        !self.back.is_empty()
    }

    /// What is kept, as for a statement on rows.
    pub(super) fn cover(&self) -> Cover {
        Cover { how: How::Set, images: vec![self.image.clone()] }
    }

    /// Places in the image that tell a row: its key, or all that stays as it is.
    fn named(&self) -> Vec<usize> {
        let columns = &self.image.columns;
        let is_cut = |at: &usize| self.forward.iter().any(|cut| cut.name == columns[*at].name);
        match self.image.key.is_empty() {
            true => (0..columns.len()).filter(|at| !is_cut(at)).collect(),
            false => self.image.key.iter().filter_map(|column| place(&self.image, column)).collect(),
        }
    }

    fn columns(&self) -> String {
        let names = self.forward.iter().map(|cut| format!("{}.{}", self.image.table, cut.name));
        names.collect::<Vec<_>>().join(", ")
    }

    /// For the plan.
    pub(super) fn shown(&self) -> Option<String> {
        if !self.is_forward() {
            return None;
        }
        let (columns, table) = (self.columns(), &self.image.table);
        Some(match &self.refused {
            _ if !self.keeps() => {
                format!("refused if it gives a row of {table} another number; readers wait while it runs")
            }
            None => format!(
                "values of {columns} that it changes are kept by key and put back by the undo; readers of {table} wait while it runs"
            ),
            Some(why) => format!("refused if a value of {columns} changes by it, for {why}"),
        })
    }
}

/// The table of an `ALTER TABLE`, as it is in the session's database.
pub(super) async fn altered(job: &Job<'_>, session: &mut Session) -> Result<Option<Table>, Trouble> {
    match &job.summary.object {
        Some(name) if matches!(job.summary.kind, Kind::AlterTable(_)) => {
            tables::table(session, name.base()).await
        }
        _ => Ok(None),
    }
}

/// What becomes of the values of a table; rows are looked at only where no earlier statement changes them first.
pub(super) async fn of(
    job: &Job<'_>,
    (live, session): (&mut Session, &mut Session),
    table: &Table,
    renames: &Renames,
    look: bool,
) -> Result<Option<Narrow>, Failure> {
    let find = async {
        let scene = Scene::read(live).await?;
        let mut found = find(job, session, table, renames, scene).await?;
        if let Some(narrow) = found.as_mut().filter(|_| look) {
            judge(live, narrow).await?;
        }
        Ok(found)
    };
    find.await.map_err(|refusal| match refusal {
        Refusal::Trouble(trouble) => job.clean(&trouble, "looking for values that it changes"),
        Refusal::Why(why) => no_undo(job, &why),
    })
}

/// What the statement does to values; `None`: nothing. `session` is in the shadow, behind the statement.
async fn find(
    job: &Job<'_>,
    session: &mut Session,
    old: &Table,
    renames: &Renames,
    scene: Scene,
) -> Result<Option<Narrow>, Refusal> {
    let now = renames.tables.iter().find(|(from, _)| *from == old.name).map_or(&old.name, |(_, to)| to);
    let Some(new) = tables::table(session, now).await? else { return Ok(None) };
    let name_now = |column: &Column| {
        let found = renames.columns.iter().find(|(of, from, _)| of == now && *from == column.name);
        found.map_or(column.name.clone(), |(_, _, to)| to.clone())
    };
    let (mut forward, mut back) = (vec![], vec![]);
    for (column, kind) in old.columns.iter().zip(&old.types) {
        let name = name_now(column);
        if new.generated.contains(&name) {
            return Err(Refusal::Why(format!(
                "an expression replaces all values of `{}`: add a generated column under another name",
                column.name
            )));
        }
        let mut others = new.columns.iter().zip(&new.types);
        let Some((other, other_kind)) = others.find(|(other, _)| other.name == name) else { continue };
        if !lossless(&kind.stored, &other_kind.stored) {
            forward.push(Cut::new((column, kind), (other, other_kind)));
        }
        if !lossless(&other_kind.stored, &kind.stored) {
            back.push(Cut::new((other, other_kind), (column, kind)));
        }
    }
    let gets_numbers = |column: &&Column| {
        old.numbered.as_ref() != Some(&column.name) && new.numbered.as_ref() == Some(&name_now(column))
    };
    let numbered = old.columns.iter().find(gets_numbers).map(|column| column.name.clone());
    if forward.is_empty() && back.is_empty() && numbered.is_none() {
        return Ok(None);
    }
    if *now != old.name {
        return Err(Refusal::Why(
            "it gives the table another name and columns another type: write two statements".into(),
        ));
    }
    let is_cut = |name: &String| forward.iter().any(|cut| cut.name == *name);
    let key = old.keys.iter().find(|key| !key.iter().any(is_cut)).cloned().unwrap_or_default();
    let refused = match old.engine.as_deref() {
        Some("InnoDB") => fires(session, &old.name).await?,
        engine => Some(format!("{} knows no transactions", engine.unwrap_or("the table"))),
    };
    let keep = |column: &&Column| {
        key.is_empty() || key.contains(&column.name) || is_cut(&column.name) || column.on_update
    };
    let columns: Vec<Column> = old.columns.iter().filter(keep).cloned().collect();
    let image = Image {
        table: old.name.clone(),
        name: format!("_windlass_image_{}_0", token(&job.cx.run, &job.unit.id.0)),
        op: (!key.is_empty()).then_some('U'),
        written: (0..columns.len()).filter(|at| is_cut(&columns[*at].name)).collect(),
        key,
        link: None,
        adds_only: false,
        hint: String::new(),
        columns,
    };
    let after = image.columns.iter().map(name_now).collect();
    Ok(Some(Narrow { image, after, forward, back, refused, scene, numbered }))
}

/// Why rows of the table cannot be put back by an `UPDATE`, in the session's database as it is now.
async fn fires(session: &mut Session, table: &str) -> Result<Option<String>, Trouble> {
    let triggers = tables::triggers(session).await?;
    let found = triggers.iter().find(|trigger| trigger.table == table && trigger.event == "UPDATE");
    Ok(found.map(|trigger| format!("the trigger `{}` would run when it is put back", trigger.name)))
}

/// Completes what [`find`] found by a look at the rows: a table without a key must be small, unless nothing is lost.
async fn judge(live: &mut Session, narrow: &mut Narrow) -> Result<(), Refusal> {
    numbers(live, narrow).await?;
    if !narrow.keeps() {
        return Ok(());
    }
    if narrow.refused.is_none() {
        // Not all triggers of the table are in the shadow.
        narrow.refused = fires(live, &narrow.image.table).await?;
    }
    if narrow.refused.is_none() && narrow.image.key.is_empty() {
        let sql = format!(
            "SELECT COUNT(*) FROM (SELECT 1 FROM {} LIMIT {}) AS counted",
            q(&narrow.image.table),
            KEYLESS_MAX + 1
        );
        let rows: u64 = live.value(&sql).await?.and_then(|count| count.parse().ok()).unwrap_or(0);
        if rows > KEYLESS_MAX {
            let why = format!(
                "`{}` has no other key that names its rows, and more than {KEYLESS_MAX} of them",
                narrow.image.table
            );
            narrow.refused = Some(why);
        }
    }
    if narrow.refused.is_some() {
        let modes = Modes::read(live).await?;
        convert_all(live, narrow, &[], &modes).await?;
        let lost = lost(live, &narrow.forward).await;
        drop_scratch(live).await?;
        refuse(narrow, narrow.refused.as_deref(), lost?)?;
    }
    Ok(())
}

/// All values that the statement converts, there and back.
async fn convert_all(
    session: &mut Session,
    narrow: &Narrow,
    carried: &[(String, String)],
    modes: &Modes,
) -> Result<(), Trouble> {
    let trial = Trial {
        table: &narrow.image.table,
        carried,
        cuts: &narrow.forward,
        relaxed: &modes.relaxed,
        converting: &image::lax(&modes.user),
        back: Some(&narrow.scene),
    };
    convert(session, &trial).await
}

fn refuse(narrow: &Narrow, refused: Option<&str>, lost: u64) -> Result<(), Refusal> {
    match refused {
        Some(why) if lost > 0 => {
            Err(Refusal::Why(format!("{lost} values of {} become others, and {why}", narrow.columns())))
        }
        _ => Ok(()),
    }
}

/// Refuses where a row would get another number, which nothing would take back.
async fn numbers(session: &mut Session, narrow: &Narrow) -> Result<(), Refusal> {
    let Some(column) = &narrow.numbered else { return Ok(()) };
    let sql = format!(
        "SELECT COUNT(*) FROM {} WHERE {1} IS NULL OR (ROUND({1}) = 0 AND NOT FIND_IN_SET('NO_AUTO_VALUE_ON_ZERO', @@sql_mode))",
        q(&narrow.image.table),
        q(column)
    );
    let rows: u64 = session.value(&sql).await?.and_then(|count| count.parse().ok()).unwrap_or(0);
    if rows == 0 {
        return Ok(());
    }
    Err(Refusal::Why(format!(
        "{rows} rows of {} hold 0 or NULL in `{column}` and would get new numbers by AUTO_INCREMENT: number them before, or keep a \
         0 by `SET sql_mode = CONCAT(@@sql_mode, ',NO_AUTO_VALUE_ON_ZERO')` in this step",
        narrow.image.table
    )))
}

/// Locks the table and keeps what the statement would lose. The lock stays until [`unlock`], or until the connection ends.
pub(super) async fn keep(job: &Job<'_>, session: &mut Session, narrow: &Narrow) -> Result<(), Refusal> {
    let modes = Modes::read(session).await?;
    let image = &narrow.image;
    narrow.scene.is_of(session).await?;
    ledger::create(session).await?;
    let lists = narrow.keeps() && narrow.refused.is_none();
    if lists {
        ledger::delete(session, job.key()).await?;
        image::make(session, &narrow.cover()).await?;
        // What was written, in its own type: it may be more than the type before tells apart.
        let wrote =
            narrow.forward.iter().enumerate().map(|(at, cut)| format!("ADD COLUMN w_{at} {}", cut.becomes));
        let wrote = wrote.collect::<Vec<_>>().join(", ");
        session.run(&format!("ALTER TABLE {} {wrote}", q(&image.name))).await?;
        let kept = Kept { kind: "before-image", name: &image.table, stored: &image.name, why: "changed" };
        ledger::note(session, job.key(), &kept).await?;
    }
    let mut locks = vec![format!("{} WRITE", q(&image.table))];
    if lists {
        locks.extend([format!("{} WRITE", q(&image.name)), format!("{} WRITE", ledger::TABLE)]);
    }
    session.run(&format!("LOCK TABLES {}", locks.join(", "))).await?;
    numbers(session, narrow).await?;
    if !narrow.keeps() {
        return Ok(());
    }
    // Nobody makes one while the table is locked.
    let refused = match &narrow.refused {
        None => fires(session, &image.table).await?,
        refused => refused.clone(),
    };
    let carried: Vec<_> = match refused {
        None => image.columns.iter().map(|column| (column.name.clone(), column.image.clone())).collect(),
        Some(_) => vec![],
    };
    convert_all(session, narrow, &carried, &modes).await?;
    if refused.is_some() {
        refuse(narrow, refused.as_deref(), lost(session, &narrow.forward).await?)?;
    } else {
        let kept = fill(session, narrow).await?;
        ledger::insert(session, job.key(), job.cx.attempt, &sha256(job.statement.as_bytes())).await?;
        ledger::complete(session, job.key(), kept).await?;
    }
    drop_scratch(session).await?;
    image::set_mode(session, &modes.user).await?;
    Ok(())
}

async fn fill(session: &mut Session, narrow: &Narrow) -> Result<u64, Trouble> {
    let image = &narrow.image;
    let places = 0..image.columns.len();
    let becomes = |at: usize| {
        let cut = narrow.forward.iter().position(|cut| cut.name == image.columns[at].name);
        cut.map_or(format!("k_{at}"), |cut| format!("n_{cut}"))
    };
    let list = |words: Vec<String>| words.join(", ");
    let wrote: Vec<String> = (0..narrow.forward.len()).map(|at| format!("w_{at}")).collect();
    let sql = format!(
        "INSERT INTO {} (op, {}, {}, {}) SELECT 'U', {}, {}, {} FROM {SCRATCH} WHERE {}",
        q(&image.name),
        list(places.clone().map(|at| format!("o_{at}")).collect()),
        list(places.clone().map(|at| format!("n_{at}")).collect()),
        list(wrote.clone()),
        list(places.clone().map(|at| format!("k_{at}")).collect()),
        list(places.map(becomes).collect()),
        list(wrote),
        differs(&narrow.forward)
    );
    Ok(session.run(&sql).await?.affected)
}

/// Behind the statement: what became of the values that are kept; then the lock goes. How many rows are kept.
pub(super) async fn settle(job: &Job<'_>, session: &mut Session, narrow: &Narrow) -> Result<u64, Trouble> {
    let image = &narrow.image;
    if narrow.keeps() && narrow.refused.is_none() && !image.key.is_empty() {
        let modes = Modes::read(session).await?;
        image::set_mode(session, &modes.relaxed).await?;
        let (table, kept) = (q(&image.table), q(&image.name));
        let now = |at: usize| format!("{table}.{}", q(&narrow.after[at]));
        let on: Vec<usize> = image.key.iter().filter_map(|column| place(image, column)).collect();
        let key: Vec<String> = on.iter().map(|at| narrow.after[*at].clone()).collect();
        let hint = image::by_index(session, &q(&image.table), &key).await?;
        let on =
            on.into_iter().map(|at| format!("{} = {kept}.o_{at}", now(at))).collect::<Vec<_>>().join(" AND ");
        // Moments that the server puts in the place of NULL are others than those of the trial.
        for (cut, of) in narrow.forward.iter().enumerate() {
            let Some(at) = place(image, &of.name) else { continue };
            let (wrote, is_text) = (format!("{kept}.w_{cut}"), of.becomes.contains(" CHARACTER SET "));
            let sql = format!(
                "UPDATE {kept} STRAIGHT_JOIN {table}{hint} ON {on} SET {kept}.n_{at} = {1}, {wrote} = {1} WHERE NOT ({0})",
                image::equal(is_text, &wrote, &now(at)),
                now(at)
            );
            session.run(&sql).await?;
        }
        image::set_mode(session, &modes.user).await?;
    }
    unlock(session).await?;
    let rows = ledger::find(session, job.key(), false).await?.map_or(0, |entry| entry.changed);
    if rows == 0 {
        forget(job, session, narrow).await?;
    }
    Ok(rows)
}

/// Others may work on the table again.
pub(super) async fn unlock(session: &mut Session) -> Result<(), Trouble> {
    session.run("UNLOCK TABLES").await.map(drop)
}

/// Takes away what was kept: the statement had no effect, or changed no value.
pub(super) async fn forget(job: &Job<'_>, session: &mut Session, narrow: &Narrow) -> Result<(), Trouble> {
    if !ledger::exists(session, ledger::TABLE).await? {
        return Ok(());
    }
    ledger::delete(session, job.key()).await?;
    image::remove(session, &narrow.cover()).await
}

/// Whether values are kept that were not put back yet.
pub(super) async fn is_open(job: &Job<'_>, session: &mut Session) -> Result<bool, Trouble> {
    Ok(ledger::find(session, job.key(), false).await?.is_some())
}

/// What is looked at before the way back.
#[derive(Clone, Copy)]
pub(super) struct LookBack {
    /// Values convert; the table is locked, and stays so.
    pub(super) converts: bool,
    /// Values are kept that have to be put back.
    pub(super) is_kept: bool,
    /// Values that do not survive are only counted.
    pub(super) force: bool,
}

/// Before the way back: puts the session where the statement was, locks the table, and refuses where values that were written since
/// would not survive it, or where those that are kept could not be put back.
pub(super) async fn look_back(
    session: &mut Session,
    narrow: &Narrow,
    look: LookBack,
) -> Result<u64, Refusal> {
    let image = &narrow.image;
    narrow.scene.enter(session).await?;
    if look.is_kept {
        super::put_back::quiet(session, std::slice::from_ref(image)).await?;
    }
    if !look.converts {
        return Ok(0);
    }
    let kept = if look.is_kept { format!(", {} WRITE", q(&image.name)) } else { String::new() };
    session.run(&format!("LOCK TABLES {} WRITE{kept}", q(&image.table))).await?;
    let named = narrow.named().into_iter();
    let carried: Vec<_> =
        named.map(|at| (narrow.after[at].clone(), image.columns[at].image.clone())).collect();
    let modes = Modes::read(session).await?;
    let trial = Trial {
        table: &image.table,
        carried: &carried,
        cuts: &narrow.back,
        relaxed: &image::relaxed(LAX),
        converting: LAX,
        back: None,
    };
    convert(session, &trial).await?;
    if look.is_kept {
        pass_over_written(session, narrow).await?;
    }
    let lost = lost(session, &narrow.back).await?;
    let rows = if lost > 0 && !look.force { rows(session, narrow, carried.len()).await? } else { vec![] };
    drop_scratch(session).await?;
    image::set_mode(session, &modes.user).await?;
    if lost == 0 || look.force {
        return Ok(lost);
    }
    unlock(session).await?;
    let more = if lost > SHOWN { ", …" } else { "" };
    Err(Refusal::Why(format!(
        "{lost} rows of {} hold values, written since, that the column as it was does not take: {}{more}; change them, or let them be cut by \
         `--on-conflict=force`",
        image.table,
        rows.join("; ")
    )))
}

/// Values that the statement itself wrote are put back from the image, whatever becomes of them on the way.
async fn pass_over_written(session: &mut Session, narrow: &Narrow) -> Result<(), Trouble> {
    let image = &narrow.image;
    let same: Vec<_> = narrow.named().into_iter().enumerate().collect();
    for (at, cut) in narrow.back.iter().enumerate() {
        let before = |of: &Cut| image.columns.iter().position(|column| column.name == of.name);
        let is_same = |of: &Cut| before(of).is_some_and(|place| narrow.after[place] == cut.name);
        let Some(wrote) = narrow.forward.iter().position(is_same) else { continue };
        pass_over(session, &image.name, (at, cut), wrote, &same).await?;
    }
    Ok(())
}

async fn rows(session: &mut Session, narrow: &Narrow, carried: usize) -> Result<Vec<String>, Trouble> {
    let names = narrow.named().into_iter().map(|at| &narrow.after[at]);
    let names: Vec<&String> = names.chain(narrow.back.iter().map(|cut| &cut.name)).collect();
    let values =
        (0..carried).map(|at| format!("k_{at}")).chain((0..narrow.back.len()).map(|at| format!("c_{at}")));
    let sql = format!(
        "SELECT {} FROM {SCRATCH} WHERE {} ORDER BY seq LIMIT {SHOWN}",
        values.collect::<Vec<_>>().join(", "),
        differs(&narrow.back)
    );
    let line = |row: &Vec<Option<String>>| {
        let pairs = names.iter().zip(row);
        let pair =
            pairs.map(|(name, value)| format!("{name}={}", one_line(value.as_deref().unwrap_or("NULL"), 40)));
        pair.collect::<Vec<_>>().join(", ")
    };
    Ok(session.run(&sql).await?.rows.iter().map(line).collect())
}
