//! Rows and values that a statement on definitions takes away: kept before it, and put back when the definitions are as they were.

use super::{
    apply::{Again, Prep, at},
    back::{Step, WayBack},
    facts::{self, Table},
    job::Job,
    proof::BEFOREHAND,
    put_back::{CONFLICTS_MAX, REFUSED},
    retype::Said,
    schema::refused,
    undo::{conflict, quiet},
};
use crate::{disk::human_bytes, sql::conflicts::Conflict};
use std::collections::BTreeMap;
use windlass_sql::postgres::{
    catalog::{Catalog, Class, Id, Object},
    ident, qualified,
    rows::Image,
};

/// Tables without a key whose values are kept, at most: all of their rows are compared, in the statement and in its undo, while nobody
/// may write.
const BYTES_MAX: u64 = 256 << 20;

/// What is kept before the statement.
pub(super) struct Kept {
    /// All rows of tables.
    rows: Vec<Image>,
    /// Values of columns, with the number of the table.
    columns: Vec<(u32, Image, Vec<String>)>,
    /// What is said of others.
    pub(super) said: Vec<String>,
}

impl Kept {
    pub(super) async fn make(job: &Job, prep: &Prep, seq: i64) -> Result<Self, Again> {
        let keep = &prep.keep;
        let oids: Vec<u32> = keep.rows.iter().chain(keep.columns.keys()).copied().collect();
        let tables = facts::tables(&job.session, &oids).await.map_err(at("reading the catalog"))?;
        let mut kept = Self { rows: vec![], columns: vec![], said: vec![] };
        for (number, oid) in keep.rows.iter().enumerate() {
            let Some(table) = tables.get(oid) else { continue };
            let image = table.image(format!("image_{seq}_r{number}"), None);
            let sql = [image.create(), image.keep_all("(SELECT nextval('windlass.step'))")].join("; ");
            job.session.act(&sql).await.map_err(at("keeping rows"))?;
            kept.rows.push(image);
        }
        for (number, (oid, names)) in keep.columns.iter().enumerate() {
            let Some(table) = tables.get(oid).filter(|table| ["r", "p"].contains(&table.kind.as_str()))
            else {
                continue;
            };
            let mut table = table.clone();
            if !stays(&table.key, names) {
                table.key = keep.keys.get(oid).cloned().unwrap_or_default();
            }
            if kept.leaves_out(job, &table, names).await? {
                continue;
            }
            // Without a key a row is told by all that it holds.
            let some = (!table.key.is_empty()).then_some(names.as_slice());
            let mut image = table.image(format!("image_{seq}_c{number}"), some);
            for column in image.columns.iter_mut().filter(|column| names.contains(&column.name)) {
                column.builtin = false;
            }
            let sql = [image.create(), image.keep_columns()].join("; ");
            job.session.act(&sql).await.map_err(at("keeping values"))?;
            kept.columns.push((*oid, image, names.clone()));
        }
        Ok(kept)
    }

    /// Whether the values of these columns are not kept, since there are none; refused if there are some that cannot be.
    async fn leaves_out(&mut self, job: &Job, table: &Table, names: &[String]) -> Result<bool, Again> {
        let said = Said::of(job);
        let what = format!("{} of {}", names.join(", "), table.shown());
        let max = human_bytes(BYTES_MAX);
        let why = if table.heirs {
            "heirs".to_owned()
        } else if !table.key.is_empty() {
            return Ok(false);
        } else if !said.names(&table.name) && table.columns.iter().all(|column| names.contains(&column.name))
        {
            // A body may have done anything to them.
            "no key that stays".to_owned()
        } else {
            if job.is_scratch {
                self.said.push(format!(
                    "{BEFOREHAND}refused where there are values in {what}, which has no key that stays, if it takes more than {max}: \
                     write `undoes=ID` or `irreversible`, or give it a key before"
                ));
            }
            if size(job, table).await? <= BYTES_MAX {
                return Ok(false);
            }
            format!("no key that stays and takes more than {max}")
        };
        let values = names.iter().map(|name| format!("{} IS NOT NULL", ident(name))).collect::<Vec<_>>();
        let test = if said.computes_any(names) { "true".to_owned() } else { values.join(" OR ") };
        let sql =
            format!("SELECT EXISTS (SELECT FROM {} WHERE {test})", qualified(&table.schema, &table.name));
        if job.session.value(&sql).await.map_err(at("looking for values"))?.as_deref() == Some("t") {
            let table = table.shown();
            let way = if why == "heirs" {
                ""
            } else {
                "; with a primary key they could, so give it one in a step before"
            };
            let names = names.join(", ");
            return Err(refused(
                job,
                &format!("{table} has {why}, so the values of {names} cannot be kept{way}"),
            ));
        }
        if job.is_scratch {
            self.said.push(format!(
                "{BEFOREHAND}refused where there are values in {what}, which has {why}: write `undoes=ID` or `irreversible`"
            ));
        }
        Ok(true)
    }

    /// After the statement: what is empty goes, and the rest becomes a part of the way back.
    pub(super) async fn settle(
        self,
        job: &Job,
        before: &Catalog,
        after: &Catalog,
        images: &mut Vec<Image>,
        way_back: &mut WayBack,
        lines: &mut Vec<String>,
    ) -> Result<(), Again> {
        lines.extend(self.said);
        for image in self.rows {
            let count = job
                .session
                .value(&image.count())
                .await
                .map_err(at("counting what was kept"))?
                .unwrap_or_default();
            if count == "0" {
                job.session.act(&image.drop()).await.map_err(at("dropping an empty image"))?;
                continue;
            }
            lines.push(format!("{count} rows taken from {}.{}; they are kept", image.schema, image.table));
            images.push(image);
        }
        for (oid, image, names) in self.columns {
            let now = now(before, after, oid);
            let mut written = image.clone();
            if let Some(table) = after.objects.get(&Id { class: Class::Table, oid, sub: 0 }) {
                (written.schema, written.table) = (table.schema.clone(), table.name.clone());
            }
            let is_there: Vec<usize> =
                (0..image.columns.len()).filter(|at| now.contains_key(&image.columns[*at].name)).collect();
            for at in &is_there {
                let column = &mut written.columns[*at];
                let object = now[&column.name];
                column.name.clone_from(&object.name);
                // Where all is compared as text, what is noted of it is read first; a type of users may be another one by then.
                let is_read = column.builtin || type_of(object).is_some_and(|oid| oid < FIRST_OF_USERS);
                let is_text = image.key.is_empty() && !is_read;
                column.kind = if is_text { "text" } else { object.get("type") }.to_owned();
            }
            let is_kept = |at: &usize| names.contains(&image.columns[*at].name);
            let (changed, stay): (Vec<usize>, Vec<usize>) = is_there.iter().partition(|at| is_kept(at));
            let noted = if image.key.is_empty() {
                if yes(job, &written.astray(&stay, true)).await? {
                    return Err(refused(job, &moved(&image, &names)));
                }
                is_there
            } else {
                changed
            };
            if !noted.is_empty() || image.key.is_empty() {
                if !noted.is_empty() {
                    job.session.act(&written.note_written(&noted)).await.map_err(at("keeping values"))?;
                }
                way_back.schema.insert(0, Step::Forget { image: written, columns: noted });
            }
            let list = names.join(", ");
            lines.push(format!("the values of {list} in {}.{} are kept", image.schema, image.table));
            way_back.fills.push((image, names));
        }
        Ok(())
    }
}

/// Numbers of types from here on are those of users.
const FIRST_OF_USERS: u32 = 16384;

fn type_of(column: &Object) -> Option<u32> {
    column.get("#type").split('/').next()?.parse().ok()
}

/// Whether rows can be found by the key, while these columns go or change.
fn stays(key: &[String], names: &[String]) -> bool {
    !key.is_empty() && !key.iter().any(|name| names.contains(name))
}

/// The columns of a table that are still there, by the names that they had.
fn now<'c>(before: &Catalog, after: &'c Catalog, oid: u32) -> BTreeMap<String, &'c Object> {
    let columns = before.objects.values().filter(|was| was.id.class == Class::Column && was.id.oid == oid);
    columns.filter_map(|was| Some((was.name.clone(), after.objects.get(&was.id)?))).collect()
}

/// Keys by which the values of `columns` can be kept where the table's own goes: another one that stays, or one that comes. Only where the
/// statement says itself what it does: other columns than those have the values that they had.
pub(super) async fn keys(
    job: &Job,
    said: &Said,
    (before, after): (&Catalog, &Catalog),
    columns: &BTreeMap<u32, Vec<String>>,
) -> Result<BTreeMap<u32, Vec<String>>, Again> {
    let oids: Vec<u32> = columns.keys().copied().collect();
    let tables = facts::tables(&job.session, &oids).await.map_err(at("reading the catalog"))?;
    let mut found = BTreeMap::new();
    for (oid, names) in columns {
        let was = before.objects.get(&Id { class: Class::Table, oid: *oid, sub: 0 });
        let Some(table) = tables.get(oid).filter(|_| was.is_some_and(|was| said.names(&was.name))) else {
            continue;
        };
        let now = now(before, after, *oid);
        let old =
            |name: &String| now.iter().find(|(_, object)| object.name == *name).map(|(was, _)| was.clone());
        let key: Option<Vec<String>> = table.key.iter().map(old).collect();
        found.extend(key.filter(|key| stays(key, names)).map(|key| (*oid, key)));
    }
    Ok(found)
}

/// What the table takes on the disk, with its partitions.
async fn size(job: &Job, table: &Table) -> Result<u64, Again> {
    let sql = format!(
        "SELECT sum(pg_catalog.pg_table_size(oid)) FROM (SELECT {0}::pg_catalog.oid AS oid UNION SELECT relid::pg_catalog.oid FROM \
         pg_catalog.pg_partition_tree({0}::pg_catalog.oid::pg_catalog.regclass)) x",
        table.oid
    );
    let size = job.session.value(&sql).await.map_err(at("looking for its size"))?;
    Ok(size.and_then(|size| size.parse().ok()).unwrap_or(u64::MAX))
}

async fn yes(job: &Job, question: &str) -> Result<bool, Again> {
    Ok(job.session.value(question).await.map_err(at("comparing rows"))?.as_deref() == Some("t"))
}

fn moved(image: &Image, names: &[String]) -> String {
    format!(
        "{}.{} has no key that stays, and its rows do not lie as they did, so the values of {} cannot be kept",
        image.schema,
        image.table,
        names.join(", ")
    )
}

/// Makes sure that the rows of a table without a key lie as its image says, but for the columns that are to be put back.
pub(super) async fn in_order(job: &Job, image: &Image, names: &[String]) -> Result<(), Again> {
    let stay: Vec<usize> =
        (0..image.columns.len()).filter(|at| !names.contains(&image.columns[*at].name)).collect();
    if image.key.is_empty() && yes(job, &image.astray(&stay, false)).await? {
        return Err(refused(job, &moved(image, names)));
    }
    Ok(())
}

/// Puts the kept values of columns back.
pub(super) async fn fill(job: &Job, image: &Image, names: &[String]) -> Result<(), Again> {
    in_order(job, image, names).await?;
    let on = quiet(job, std::slice::from_ref(image)).await?;
    let sql = format!("{}; {on}", image.fill(names));
    job.session.act(&sql).await.map_err(at("putting values back"))?;
    Ok(())
}

/// Before anything is put back: kept values whose rows were written to since are forgotten. By a key such a row is known, and its values
/// of now are taken along; without one it is not found, and what was kept of it is listed.
pub(super) async fn forget(
    job: &Job,
    image: &Image,
    columns: &[usize],
) -> Result<(Option<String>, Vec<Conflict>), Again> {
    let looking = at("looking what was written since");
    let table = format!("{}.{}", image.schema, image.table);
    if !image.key.is_empty() {
        let count = job.session.act(&image.forget_written(columns)).await.map_err(looking)?;
        let line = format!("{count} rows of {table} were written to since: their values stay");
        return Ok(((count > 0).then_some(line), vec![]));
    }
    job.session.act(&image.find_places(columns)).await.map_err(&looking)?;
    let rows = job.session.ask(&image.unplaced(CONFLICTS_MAX)).await.map_err(&looking)?;
    let why = format!("{REFUSED}no row of {table} is as the release left it");
    let told = |row| Conflict { now: Some(why.clone()), ..conflict(image, row) };
    let found = rows.into_iter().map(told).collect();
    job.session.act(&image.forget_step(0)).await.map_err(&looking)?;
    let count = job.session.value(&image.unknown()).await.map_err(&looking)?.unwrap_or_default();
    let line =
        format!("{count} rows of {table} were added or changed since: there are no kept values for them");
    Ok(((count != "0").then_some(line), found))
}
