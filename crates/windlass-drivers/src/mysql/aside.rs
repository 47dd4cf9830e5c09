//! What a statement takes away is set aside: renamed, unseen, and brought back by an undo as it was.

use super::algorithm;
use super::cover::token;
use super::data::no_undo;
use super::exchange::Exchange;
use super::partitions;
use super::session::Session;
use super::shadow::inverse;
use super::statement::Job;
use super::tables;
use windlass_driver::Failure;
use windlass_sql::mysql::{
    Catalog, Object, ObjectKind, Part, PartKind, Renames, Step, Table, diff, hidden, is_generated,
};
use windlass_sql::{Change, Ddl, Dialect, Kind, quote};

/// Longest name of a table or column, in characters.
const NAME_MAX: usize = 64;

/// Statements instead of the user's, and how they are taken back.
pub(super) struct Aside {
    pub(super) forward: Vec<Step>,
    /// `None`: from the catalogs, with `renames_back`.
    pub(super) back: Option<Vec<Step>>,
    pub(super) renames_back: Renames,
    /// Tables of ours that it makes.
    pub(super) tables: Vec<String>,
    /// Name of what is kept, and what it was.
    pub(super) names: Vec<(String, String)>,
    /// Partitions whose rows change places with those of tables of ours.
    pub(super) exchange: Option<Exchange>,
}

fn q(name: &str) -> String {
    quote(name, Dialect::Mysql)
}

/// A name of ours for what was `name`; each has another `number`.
pub(super) fn aside_name(job: &Job<'_>, number: usize, name: &str) -> String {
    let token = &token(&job.cx.run, &job.unit.id.0)[..8];
    format!("_windlass_aside_{token}_{number}_{name}").chars().take(NAME_MAX).collect()
}

/// What has to be set aside; `None`: nothing.
pub(super) async fn find(
    job: &Job<'_>,
    live: &mut Session,
    before: &Catalog,
    after: &Catalog,
    renames: &Renames,
) -> Result<Option<Aside>, Failure> {
    if job.summary.kind == Kind::Truncate {
        return truncate(job, live, before).await.map(Some);
    }
    rows_lost(job, before)?;
    if let Some(aside) = partitions::find(job, before, after)? {
        for step in aside.back.iter().flatten() {
            let found = algorithm::too_large(live, &step.sql).await;
            if let Some(why) = found.map_err(|trouble| job.clean(&trouble, "reading the catalog"))? {
                return Err(no_undo(job, &why));
            }
        }
        return Ok(Some(aside));
    }
    let (mut keyless, mut target) = (before.clone(), after.clone());
    let mut all = renames.clone();
    let (mut made, mut names) = (vec![], vec![]);
    for ((kind, name), object) in before {
        let Some(table) = Table::read(&object.text).filter(|_| *kind == ObjectKind::Table) else { continue };
        let now = renames
            .tables
            .iter()
            .fold(name.clone(), |now, (from, to)| if *from == now { to.clone() } else { now });
        let key = (ObjectKind::Table, now.clone());
        let Some(Some(mut new)) = after.get(&key).map(|object| Table::read(&object.text)) else {
            // These servers drop no table that a foreign key of another refers to.
            let aside = aside_name(job, names.len(), name);
            all.tables.push((name.clone(), aside.clone()));
            names.push((aside.clone(), format!("table {name}")));
            made.push(aside.clone());
            let mut table = table;
            aside.clone_into(&mut table.name);
            table.parts.retain(|part| part.kind != PartKind::Foreign);
            // The server gives its foreign keys the new name of the table, which may be too long for them.
            let without = Table { name: name.clone(), ..table.clone() };
            let key = (ObjectKind::Table, name.clone());
            keyless.insert(key, Object { text: without.create(), ..object.clone() });
            target.insert((ObjectKind::Table, aside), Object { text: table.create(), ..object.clone() });
            continue;
        };
        if keep_columns(job, &table, &mut new, &mut all, &mut names) {
            target.insert(key, Object { text: new.create(), ..object.clone() });
        }
    }
    if names.is_empty() {
        return Ok(None);
    }
    let mut forward = diff(before, &keyless, &Renames::default(), false);
    forward.extend(diff(&keyless, &target, &all, false));
    Ok(Some(Aside { forward, back: None, renames_back: inverse(&all), tables: made, names, exchange: None }))
}

/// Puts the columns that went into `new`, hidden; whether there are any.
fn keep_columns(
    job: &Job<'_>,
    old: &Table,
    new: &mut Table,
    all: &mut Renames,
    names: &mut Vec<(String, String)>,
) -> bool {
    let begun = names.len();
    let name_now = |column: &str, all: &Renames| {
        let found = all.columns.iter().find(|(table, from, _)| *table == new.name && from == column);
        found.map_or(column.to_owned(), |(_, _, to)| to.clone())
    };
    let mut place = 0;
    let mut columns = new.columns.clone();
    for column in &old.columns {
        let now = name_now(&column.name, all);
        if let Some(at) = columns.iter().position(|other| other.name == now) {
            place = at + 1;
            continue;
        }
        if is_generated(&column.text) {
            continue;
        }
        let aside = aside_name(job, names.len(), &column.name);
        names.push((aside.clone(), format!("column {}.{}", old.name, column.name)));
        all.columns.push((new.name.clone(), column.name.clone(), aside.clone()));
        columns.insert(place, Part { name: aside, text: hidden(&column.text), ..column.clone() });
        place += 1;
    }
    new.columns = columns;
    names.len() > begun
}

/// Statements that take rows away without taking a table or column.
fn rows_lost(job: &Job<'_>, before: &Catalog) -> Result<(), Failure> {
    if let Some(Ddl::AlterTable(alter)) = windlass_sql::ddl(job.statement, Dialect::Mysql) {
        for change in &alter.changes {
            let why = match change {
                Change::Partition(word) if word == "EXCHANGE" => {
                    "whether a partition and a table have changed places shows in no definition, so nobody could tell after a crash"
                }
                Change::Partition(word) if word == "DISCARD" || word == "IMPORT" => {
                    "it takes away the files of a partition, or brings others"
                }
                Change::Convert if converts_partition(job.statement) => {
                    "a partition becomes a table, or a table one, together with its rows"
                }
                _ => continue,
            };
            return Err(no_undo(job, why));
        }
    }
    let replaced = job.summary.or_replace && job.summary.kind == Kind::CreateTable;
    let exists = |name: &str| before.contains_key(&(ObjectKind::Table, name.to_owned()));
    if replaced && job.summary.object.as_ref().is_some_and(|object| exists(object.base())) {
        return Err(no_undo(
            job,
            "it replaces a table together with its rows: write `DROP TABLE` and `CREATE TABLE`",
        ));
    }
    Ok(())
}

/// `CONVERT PARTITION … TO TABLE …` and `CONVERT TABLE … TO PARTITION …` of MariaDB; other words say a character set.
fn converts_partition(statement: &str) -> bool {
    let words = windlass_sql::code_words(statement, Dialect::Mysql);
    words.windows(2).any(|pair| pair[0] == "CONVERT" && (pair[1] == "PARTITION" || pair[1] == "TABLE"))
}

async fn truncate(job: &Job<'_>, live: &mut Session, before: &Catalog) -> Result<Aside, Failure> {
    let name = job.summary.object.as_ref().map(|object| object.base().to_owned()).unwrap_or_default();
    let found = before.get(&(ObjectKind::Table, name.clone())).and_then(|object| Table::read(&object.text));
    let Some(mut table) = found else { return Err(no_undo(job, &format!("there is no table `{name}`"))) };
    let keys =
        tables::foreign_keys(live).await.map_err(|trouble| job.clean(&trouble, "reading the catalog"))?;
    let tied = keys.iter().any(|key| key.parent == name || key.is_from(&name))
        || table.parts.iter().any(|part| part.kind == PartKind::Foreign)
        || before.values().any(|object| object.parent.as_ref().is_some_and(|(of, _)| *of == name));
    if tied {
        return Err(no_undo(
            job,
            "the table has foreign keys or triggers, so it cannot be exchanged: write `DELETE FROM`",
        ));
    }
    let (aside, fresh) = (aside_name(job, 0, &name), aside_name(job, 1, &name));
    fresh.clone_into(&mut table.name);
    let (t, a, f) = (q(&name), q(&aside), q(&fresh));
    Ok(Aside {
        forward: vec![
            Step::plain(table.create()),
            Step::plain(format!("RENAME TABLE {t} TO {a}, {f} TO {t}")),
        ],
        back: Some(vec![
            Step::plain(format!("RENAME TABLE {t} TO {f}, {a} TO {t}")),
            Step::plain(format!("DROP TABLE {f}")),
        ]),
        renames_back: Renames::default(),
        tables: vec![aside.clone(), fresh],
        names: vec![(aside, format!("rows of table {name}"))],
        exchange: None,
    })
}
