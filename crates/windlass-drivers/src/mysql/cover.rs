//! Which rows a statement may change, and how they are saved: decided from its anatomy and the catalog, before it runs.
//!
//! Two ways. *By set*: an `UPDATE` or `DELETE` of one table whose rows its condition names: they are read with a lock into an
//! image table, in the transaction of the statement. *By log*: anything else: triggers of our own, which are there for this
//! one statement and look at the session, write down each row as it is changed. Changes by foreign keys fire no
//! triggers, so they are covered by set or refused; tables with triggers of their own are refused where those would run
//! again at the undo.

use super::tables::{self, Column, ForeignKey, Table};
use super::{
    ledger::text,
    session::{Session, Trouble},
};
use crate::disk::sha256;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use windlass_sql::mysql::identifiers;
use windlass_sql::{Dialect, Dml, DmlKind, ObjectName};

/// Rows that a table may have when its undo has to look for each row without a key.
pub(super) const KEYLESS_MAX: u64 = 20_000;

/// How rows are saved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum How {
    Set,
    Log,
}

/// All that is saved of one statement; the capsule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Cover {
    pub(super) how: How,
    pub(super) images: Vec<Image>,
}

/// The saved rows of one table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Image {
    /// Whose rows.
    pub(super) table: String,
    /// The image table.
    pub(super) name: String,
    /// Names one row; empty: there is no key.
    pub(super) key: Vec<String>,
    /// Of [`super::image::indexed`]: how rows are found by the key, as of now.
    #[serde(skip)]
    pub(super) hint: String,
    pub(super) columns: Vec<Column>,
    /// By set: what happens to the rows, `U` or `D`.
    pub(super) op: Option<char>,
    /// By set, `U`: places in `columns` of those that may get another value.
    pub(super) written: Vec<usize>,
    /// By set: changed by a foreign key when rows of another image are deleted.
    pub(super) link: Option<Link>,
    /// By log: rows are added and nothing else, so only that is written down.
    #[serde(default)]
    pub(super) adds_only: bool,
}

/// Which rows of another image bring the rows of this one along.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Link {
    /// Place of the other image.
    pub(super) parent: usize,
    /// Columns of this table and those of the other that they refer to.
    pub(super) columns: Vec<(String, String)>,
}

/// Why a statement cannot be covered, and errors on the way.
pub(super) enum Refusal {
    Trouble(Trouble),
    Why(String),
}

impl From<Trouble> for Refusal {
    fn from(trouble: Trouble) -> Self {
        Self::Trouble(trouble)
    }
}

fn why<T>(text: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal::Why(text.into()))
}

/// A short word that stands for a unit of a run.
pub(super) fn token(run: &str, unit: &str) -> String {
    sha256(format!("{run}\0{unit}").as_bytes())[..12].to_owned()
}

/// What is known of the database.
struct World {
    keys: Vec<ForeignKey>,
    triggers: Vec<tables::Trigger>,
    routines: BTreeMap<String, String>,
    /// Whether foreign keys are checked in the session.
    checks: bool,
}

/// Decides. The session has the settings of the statement.
pub(super) async fn decide(session: &mut Session, statement: &str, token: &str) -> Result<Cover, Refusal> {
    let Some(dml) = windlass_sql::dml(statement, Dialect::Mysql) else {
        return why("which rows it changes cannot be read from it");
    };
    let world = World {
        keys: tables::foreign_keys(session).await?,
        triggers: tables::triggers(session).await?,
        routines: tables::routines(session).await?,
        checks: session.value("SELECT @@foreign_key_checks").await?.as_deref() == Some("1"),
    };
    let mut targets = vec![];
    for name in &dml.tables {
        targets.push(target(session, name).await?);
    }
    let words = tables::reach(statement, &world.routines);
    let calls = world.routines.keys().any(|routine| words.contains(routine));
    if let [table] = &targets[..]
        && !calls
        && let Some(key) = set_key(&dml, table, &world, statement)
    {
        return by_set(session, &dml, table.clone(), key, &world, token).await;
    }
    by_log(session, &dml, targets, &world, (&words, token)).await
}

/// A table of this database that can be covered.
async fn target(session: &mut Session, name: &ObjectName) -> Result<Table, Refusal> {
    if let Some(database) = name.qualifier().filter(|database| *database != session.address.database) {
        return why(format!(
            "it changes a table of the database `{database}`: make a target of it, and a step there"
        ));
    }
    let Some(table) = tables::table(session, name.base()).await? else {
        // The server will say it better.
        return why(format!("there is no table `{}`", name.base()));
    };
    match table.engine.as_deref() {
        Some("InnoDB") => Ok(table),
        Some(engine) => why(format!(
            "table `{}` is {engine}, which knows no transactions: a crash may leave the statement half done",
            table.name
        )),
        None => why(format!("`{}` is a view: write the statement for the table behind it", table.name)),
    }
}

/// The key by which the rows can be saved by set; `None`: they cannot.
fn set_key(dml: &Dml, table: &Table, world: &World, statement: &str) -> Option<Vec<String>> {
    if !matches!(dml.kind, DmlKind::Update | DmlKind::Delete) {
        return None;
    }
    let plain = !dml.multi_table && !dml.ignore && dml.with.is_none() && dml.order_limit.is_none();
    let triggered = quiet(&table.name, events(dml), world).is_err();
    let assigned = |column: &String| dml.assigned.iter().any(|name| name.eq_ignore_ascii_case(column));
    // Rows of a self-reference that go along would be deleted twice.
    let of_itself = world.checks
        && dml.kind == DmlKind::Delete
        && world.keys.iter().any(|key| key.parent == table.name && key.is_from(&table.name));
    let fits = plain && !triggered && !of_itself && repeatable(statement);
    let key = table.keys.iter().find(|key| !key.iter().any(assigned));
    key.filter(|_| fits).cloned()
}

/// Whether a condition chooses the same rows each time it is asked in one transaction. `NOW()` does: its time is fixed.
fn repeatable(statement: &str) -> bool {
    const CHANGING: [&str; 12] = [
        "RAND",
        "UUID",
        "UUID_SHORT",
        "SYSDATE",
        "SLEEP",
        "GET_LOCK",
        "RELEASE_LOCK",
        "LAST_INSERT_ID",
        "ROW_COUNT",
        "FOUND_ROWS",
        "RANDOM_BYTES",
        "NEXTVAL",
    ];
    let words = identifiers(statement);
    // Variables of a session may be assigned in the statement.
    !statement.contains('@')
        && !words.iter().any(|word| CHANGING.contains(&word.to_ascii_uppercase().as_str()))
}

async fn by_set(
    session: &mut Session,
    dml: &Dml,
    table: Table,
    key: Vec<String>,
    world: &World,
    token: &str,
) -> Result<Cover, Refusal> {
    let assigned = |column: &Column| dml.assigned.iter().any(|name| name.eq_ignore_ascii_case(&column.name));
    let moved = |key: &&ForeignKey| {
        world.checks
            && key.parent == table.name
            && ForeignKey::acts(&key.on_update)
            && key
                .parent_columns
                .iter()
                .any(|column| dml.assigned.iter().any(|name| name.eq_ignore_ascii_case(column)))
    };
    if dml.kind == DmlKind::Update
        && let Some(key) = world.keys.iter().find(moved)
    {
        return why(format!(
            "it changes what `{}` refers to, whose rows a foreign key changes along (ON UPDATE {})",
            key.child_shown(),
            key.on_update
        ));
    }
    let name = format!("_windlass_image_{token}_0");
    let op = if dml.kind == DmlKind::Update { 'U' } else { 'D' };
    let (columns, written) = if op == 'D' {
        (table.columns, vec![])
    } else {
        let keep = |column: &Column| key.contains(&column.name) || assigned(column) || column.on_update;
        let columns: Vec<Column> = table.columns.into_iter().filter(keep).collect();
        let written =
            (0..columns.len()).filter(|at| assigned(&columns[*at]) || columns[*at].on_update).collect();
        (columns, written)
    };
    let mut images = vec![Image {
        table: table.name,
        name,
        key,
        columns,
        op: Some(op),
        written,
        link: None,
        adds_only: false,
        hint: String::new(),
    }];
    if world.checks && op == 'D' {
        follow(session, &mut images, world, token).await?;
    }
    Ok(Cover { how: How::Set, images })
}

/// Rows that foreign keys delete or change when those of the first image are deleted.
async fn follow(
    session: &mut Session,
    images: &mut Vec<Image>,
    world: &World,
    token: &str,
) -> Result<(), Refusal> {
    let mut at = 0;
    while at < images.len() {
        let parent = images[at].clone();
        at += 1;
        if parent.op != Some('D') {
            continue;
        }
        let follows = |key: &&ForeignKey| key.parent == parent.table && ForeignKey::acts(&key.on_delete);
        for key in world.keys.iter().filter(follows) {
            if key.elsewhere.is_some() || images.iter().any(|image| image.table == key.child) {
                return why(format!(
                    "rows of `{}` go along by more than one foreign key or from another database",
                    key.child_shown()
                ));
            }
            let child = target(session, &ObjectName { parts: vec![key.child.clone()] }).await?;
            let Some(row_key) = child.keys.first().cloned() else {
                return why(format!("rows of `{}` go along by a foreign key, and it has no key", key.child));
            };
            let sets = key.on_delete != "CASCADE";
            // These servers fire none when the foreign key acts, but they would when rows are put back.
            quiet(&child.name, if sets { &["UPDATE"] } else { &["INSERT"] }, world)?;
            let written = |column: &Column| key.child_columns.contains(&column.name);
            let written =
                (0..child.columns.len()).filter(|at| sets && written(&child.columns[*at])).collect();
            images.push(Image {
                table: child.name,
                name: format!("_windlass_image_{token}_{}", images.len()),
                key: row_key,
                columns: child.columns,
                op: Some(if sets { 'U' } else { 'D' }),
                written,
                link: Some(Link {
                    parent: at - 1,
                    columns: key
                        .child_columns
                        .iter()
                        .cloned()
                        .zip(key.parent_columns.iter().cloned())
                        .collect(),
                }),
                adds_only: false,
                hint: String::new(),
            });
        }
    }
    Ok(())
}

async fn by_log(
    session: &mut Session,
    dml: &Dml,
    targets: Vec<Table>,
    world: &World,
    (words, token): (&BTreeSet<String>, &str),
) -> Result<Cover, Refusal> {
    let mut covered: Vec<Table> = targets;
    let names = tables::names(session).await?;
    let mut wanted: Vec<String> = vec![];
    // A routine that the statement calls may write to any table that it names.
    let calls = world.routines.keys().any(|routine| words.contains(routine));
    if calls {
        wanted.extend(names.iter().filter(|name| words.contains(&name.to_lowercase())).cloned());
    }
    for name in wanted {
        if !covered.iter().any(|table| table.name == name) {
            covered.push(target(session, &ObjectName { parts: vec![name] }).await?);
        }
    }
    let own = dml.tables.len();
    // What routines do to tables may be anything.
    for (at, table) in covered.iter().enumerate() {
        quiet(&table.name, if at < own { events(dml) } else { ALL }, world)?;
    }
    let acts = |key: &&ForeignKey| {
        let Some(at) = covered.iter().position(|table| table.name == key.parent) else { return false };
        let removes = at >= own || matches!(dml.kind, DmlKind::Replace | DmlKind::Delete | DmlKind::Merge);
        let updates = at >= own || (dml.kind != DmlKind::Delete && may_assign(dml, key));
        world.checks
            && ((removes && ForeignKey::acts(&key.on_delete))
                || (updates && ForeignKey::acts(&key.on_update)))
    };
    if let Some(key) = world.keys.iter().find(acts) {
        return why(format!(
            "a foreign key changes rows of `{}` along, unseen by triggers",
            key.child_shown()
        ));
    }
    // Nothing but the statement itself works on its table: it calls no routine, and has no triggers.
    let adds_only = dml.kind == DmlKind::Insert && dml.assigned.is_empty() && !calls;
    let mut images = vec![];
    for (number, table) in covered.into_iter().enumerate() {
        let key = table.keys.first().cloned().unwrap_or_default();
        if key.is_empty() {
            small_enough(session, &table.name).await?;
        }
        let name = format!("_windlass_image_{token}_{number}");
        images.push(Image {
            table: table.name,
            name,
            key,
            columns: table.columns,
            op: None,
            written: vec![],
            link: None,
            adds_only,
            hint: String::new(),
        });
    }
    Ok(Cover { how: How::Log, images })
}

const ALL: &[&str] = &["INSERT", "UPDATE", "DELETE"];

/// What happens to rows by the statement and by its undo.
fn events(dml: &Dml) -> &'static [&'static str] {
    match dml.kind {
        DmlKind::Update => &["UPDATE"],
        DmlKind::Delete => &["DELETE", "INSERT"],
        DmlKind::Insert if dml.assigned.is_empty() => &["INSERT", "DELETE"],
        _ => ALL,
    }
}

/// Triggers fire again when rows are put back, and these servers cannot keep them from it.
fn quiet(table: &str, events: &[&str], world: &World) -> Result<(), Refusal> {
    let fires =
        |trigger: &&tables::Trigger| trigger.table == table && events.contains(&trigger.event.as_str());
    match world.triggers.iter().find(fires) {
        None => Ok(()),
        Some(trigger) => why(format!(
            "the trigger `{}` of `{table}` (on {}) would run again when rows are put back",
            trigger.name, trigger.event
        )),
    }
}

fn may_assign(dml: &Dml, key: &ForeignKey) -> bool {
    key.parent_columns.iter().any(|column| dml.assigned.iter().any(|name| name.eq_ignore_ascii_case(column)))
}

/// A table without a key is undone by looking for each row, so it must not be large.
async fn small_enough(session: &mut Session, table: &str) -> Result<(), Refusal> {
    let sql = format!(
        "SELECT COUNT(*) FROM (SELECT 1 FROM {} LIMIT {}) AS counted",
        windlass_sql::quote(table, Dialect::Mysql),
        KEYLESS_MAX + 1
    );
    let rows: u64 = session.value(&sql).await?.and_then(|count| count.parse().ok()).unwrap_or(0);
    if rows <= KEYLESS_MAX {
        return Ok(());
    }
    why(format!("table {} has no key that names its rows, and more than {KEYLESS_MAX} of them", text(table)))
}
