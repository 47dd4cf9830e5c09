//! The proof of an undo before the statement runs: a shadow of the tables concerned, without rows, on the same server.
//!
//! The statement runs there; what changed is the difference of the catalog before and after; the way back is made from it,
//! runs there as well, and has to arrive at exactly what was before. Only then the statement runs on the real
//! tables. What would lose rows is replaced by a way that keeps them, proven in the same manner.

use super::aside::{self, Aside};
use super::catalog::{self, State};
use super::exchange::Exchange;
use super::generated;
use super::narrow::{self, Narrow};
use super::session::{Session, Trouble};
use super::statement::Job;
use serde::{Deserialize, Serialize};
use windlass_driver::Failure;
use windlass_sql::mysql::{Catalog, Object, ObjectKind, PartKind, Renames, Step, Table, diff, pinned};
use windlass_sql::{Change, Ddl, Dialect, Kind, ObjectName, Place, keywords, qualified_names, quote};

/// How definitions change and come back: the capsule.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Way {
    /// The statements that are run; the user's own unless rows have to be kept.
    pub(super) forward: Vec<Step>,
    /// How things stand before the first of them, and after each.
    pub(super) states: Vec<State>,
    /// The statements that undo it; empty if it is undone by somebody else.
    pub(super) back: Vec<Step>,
    /// How things stand before the first of those, and after each; the last is the first of `states`.
    pub(super) back_states: Vec<State>,
    /// All things in those states.
    pub(super) keys: Vec<(ObjectKind, String)>,
    /// It is the user's statement.
    pub(super) own: bool,
    /// What is kept aside: its name, and what it was.
    pub(super) asides: Vec<(String, String)>,
    /// How many of those, the last ones, bring foreign keys back: behind the rows, which they are checked with.
    #[serde(default)]
    pub(super) keys_back: usize,
    /// How many of those before them convert no values: they give columns moments as defaults, which are written in UTC.
    #[serde(default)]
    pub(super) defaults_back: usize,
    /// What becomes of values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) narrow: Option<Narrow>,
    /// Partitions whose rows change places with those of tables of ours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) exchange: Option<Exchange>,
}

/// A database of our own beside the target's.
pub(super) struct Shadow {
    name: String,
    /// What is to be tried in it.
    statements: String,
}

fn q(name: &str) -> String {
    quote(name, Dialect::Mysql)
}

impl Shadow {
    /// Its name: short, for it has to fit beside the longest.
    pub(super) fn new(job: &Job<'_>, earlier: &[Job<'_>], database: &str) -> Self {
        let token = super::cover::token(&format!("{database}/{}", job.cx.run), &job.unit.id.0);
        let texts = earlier.iter().map(|job| job.statement).chain([job.statement]);
        let statements = texts.collect::<Vec<_>>().join("\n;\n");
        Self { name: format!("windlass_shadow_{token}_{}", std::process::id()), statements }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Makes it anew, with these things in it; those that the server does not make again: views of what is not there any
    /// more.
    pub(super) async fn fill(&self, session: &mut Session, things: &Catalog) -> Result<Vec<String>, Trouble> {
        let charset = session.run("SELECT @@character_set_database, @@collation_database").await?;
        let word = |at: usize| {
            charset.rows.first().and_then(|row| row.get(at).cloned().flatten()).unwrap_or_default()
        };
        let database = session.address.database.clone();
        let charset = (word(0), word(1));
        let result = async {
            let sql = format!(
                "CREATE DATABASE {} CHARACTER SET {} COLLATE {}",
                q(&self.name),
                charset.0,
                charset.1
            );
            match session.run(&sql).await {
                // Of an earlier try.
                Err(trouble) if trouble.code() == 1007 => {
                    self.remove(session).await?;
                    session.run(&sql).await?;
                }
                other => drop(other?),
            }
            session.run(&format!("USE {}", q(&self.name))).await?;
            session.run(catalog::SETTINGS).await?;
            session.run("SET foreign_key_checks = 0").await?;
            let mut broken = vec![];
            let generated = generated::find(session, things, (&database, &self.statements)).await?;
            for step in diff(&Catalog::new(), things, &Renames::default(), false) {
                let step = Step { sql: self.moved(&step.sql, &database), ..step };
                if let Some(table) = Table::read(&step.sql)
                    && let Some(indexes) = generated.get(&table.name)
                    && generated::create(session, &table, indexes, things).await?
                {
                    continue;
                }
                match catalog::run(session, &step, "").await {
                    Err(trouble)
                        if matches!(trouble.code(), 1054 | 1146 | 1356) && step.settings.is_some() =>
                    {
                        broken.push(step.sql);
                    }
                    other => other?,
                }
            }
            session.run("SET foreign_key_checks = 1").await?;
            Ok(broken)
        };
        result.await
    }

    /// Takes it away.
    pub(super) async fn remove(&self, session: &mut Session) -> Result<(), Trouble> {
        session.run(&format!("DROP DATABASE IF EXISTS {}", q(&self.name))).await.map(drop)
    }

    /// The statement for the shadow: names that say the target's database say the shadow's.
    fn moved(&self, statement: &str, database: &str) -> String {
        let mut text = String::with_capacity(statement.len());
        let mut copied = 0;
        for name in qualified_names(statement, Dialect::Mysql) {
            let of_database = name.name.parts.first().is_some_and(|part| part == database);
            let is_ours = of_database && (name.place != Place::Expression || name.name.parts.len() > 2);
            if is_ours {
                text.push_str(&statement[copied..name.span.start]);
                text.push_str(&q(&self.name));
                for part in &name.name.parts[1..] {
                    text.extend([".", &q(part)]);
                }
                copied = name.span.end;
            }
        }
        text + &statement[copied..]
    }

    /// The user's statement as it is for the shadow; an error names another database that it changes.
    fn statement(&self, job: &Job<'_>, database: &str) -> Result<String, String> {
        let statement = job.statement;
        let is_foreign = |name: &ObjectName| name.qualifier().is_some_and(|of| of != database);
        let reads_only = reads_others(statement) && !job.summary.object.as_ref().is_some_and(is_foreign);
        let head = keywords(statement, Dialect::Mysql, 1).concat();
        let names_only = matches!(head.as_str(), "DROP" | "RENAME" | "TRUNCATE");
        let foreign = qualified_names(statement, Dialect::Mysql).into_iter().find(|name| {
            let before = statement[..name.span.start].trim_end().to_ascii_uppercase();
            let word = before.rsplit(|letter: char| !letter.is_alphanumeric()).next().unwrap_or_default();
            let is_table = names_only
                || name.place != Place::Expression
                || matches!(word, "TO" | "AS" | "RENAME" | "TABLE");
            is_table && word != "REFERENCES" && is_foreign(&name.name)
        });
        if let (Some(name), false) = (foreign, reads_only) {
            return Err(format!(
                "it changes `{}` of another database: make a target of that, and a step there",
                name.name
            ));
        }
        Ok(self.moved(statement, database))
    }
}

/// Whether a name of another database in it, but for that of what it makes, is only read or stands in a body. Everywhere else (the second
/// table of a `DROP`, the new name of a table, the table of an index, of `EXCHANGE PARTITION`) the shadow would change the live one.
fn reads_others(statement: &str) -> bool {
    let words = keywords(statement, Dialect::Mysql, 5);
    let is_index = words.iter().any(|word| word == "INDEX");
    words.first().is_some_and(|word| word == "CREATE") && !is_index
}

/// Why a database cannot be made for the proof.
pub(super) fn no_shadow(job: &Job<'_>, session: &Session, trouble: &Trouble) -> Failure {
    let failure = job.clean(trouble, "making a shadow database to prove the undo in");
    if !matches!(trouble.code(), 1044 | 1045 | 1142 | 1227 | 1370 | 1419) {
        return failure;
    }
    let user = session.address.shown.split('@').next().unwrap_or_default().to_owned();
    failure.hint(format!(
        "the undo of a statement on definitions is proven in a database of its own before the statement runs: \
         GRANT ALL PRIVILEGES ON `windlass\\_shadow\\_%`.* TO '{user}'@'…'; or say how it is undone with a fence \
         `undoes=ID`, or `irreversible`"
    ))
}

/// Finds the way there and back. With `undo` false only the way there is looked for.
///
/// `earlier` are statements of the plan that have not run yet and are to run before it, for a survey.
pub(super) async fn prove(job: &Job<'_>, undo: bool, earlier: &[Job<'_>]) -> Result<Way, Failure> {
    let mut live = job.open().await?;
    let shadow = Shadow::new(job, earlier, &live.address.database);
    let result = within(job, &shadow, &mut live, (undo, earlier)).await;
    let _ = shadow.remove(&mut live).await;
    job.close(live).await;
    result
}

async fn within(
    job: &Job<'_>,
    shadow: &Shadow,
    live: &mut Session,
    (undo, earlier): (bool, &[Job<'_>]),
) -> Result<Way, Failure> {
    let reading = |trouble: Trouble| job.clean(&trouble, "reading the catalog");
    let listed = catalog::list(live).await.map_err(reading)?;
    let mut before = catalog::around(live, &shadow.statements, &listed).await.map_err(reading)?;
    let mut session = job.open().await?;
    copy(job, shadow, (live, &mut session), &mut before).await?;
    let seen = catalog::all(&mut session).await.map_err(reading)?;
    if let Some(difference) = difference(&before, &seen) {
        return Err(not_proven(job, &format!("a copy of the tables is not what they are: {difference}")));
    }
    let database = live.address.database.clone();
    for job in earlier {
        try_it(job, shadow, &database).await?;
    }
    if !earlier.is_empty() {
        before = catalog::all(&mut session).await.map_err(reading)?;
    }
    let table = narrow::altered(job, &mut session).await.map_err(reading)?;
    try_it(job, shadow, &database).await?;
    let after = catalog::all(&mut session).await.map_err(reading)?;
    let renames = renames(job.statement, &before, &after);
    let narrow = match table.filter(|_| undo) {
        Some(table) => narrow::of(job, (live, &mut session), &table, &renames, earlier.is_empty()).await?,
        None => None,
    };
    let aside = aside::find(job, live, &before, &after, &renames).await?;
    let mut way = match aside {
        Some(aside) if undo => kept(job, shadow, &mut session, &before, (aside, narrow)).await?,
        _ => {
            let changed = changed(&before, &after);
            let states = vec![catalog::state(&before, &changed), catalog::state(&after, &changed)];
            let own = Step::plain(job.statement.to_owned());
            let mut way =
                Way { forward: vec![own], states, keys: changed, own: true, narrow, ..Way::default() };
            if undo {
                back(job, shadow, &mut session, (&before, &after), &inverse(&renames), &mut way).await?;
            }
            way
        }
    };
    job.close(session).await;
    way.keys.sort();
    if way.narrow.is_some() && way.forward.len() > 1 {
        let why = "it takes more than one statement, between which values could be written: write the changed types as one of their own";
        return Err(super::data::no_undo(job, why));
    }
    Ok(way)
}

/// Fills the shadow with things as they are now; what can neither be copied nor matters is taken out of them.
async fn copy(
    job: &Job<'_>,
    shadow: &Shadow,
    (live, session): (&Session, &mut Session),
    before: &mut Catalog,
) -> Result<(), Failure> {
    let mut filled = shadow.fill(session, before).await;
    if matches!(&filled, Err(trouble) if trouble.code() == 1227) && job.summary.kind != Kind::DropTable {
        // Views and triggers of another user can be made again by few; they do not matter if they are not meant.
        let words = windlass_sql::mysql::identifiers(job.statement);
        before.retain(|(kind, name), _| *kind == ObjectKind::Table || words.contains(name));
        filled = shadow.fill(session, before).await;
    }
    let broken = filled.map_err(|trouble| no_shadow(job, live, &trouble))?;
    before.retain(|_, object| object.settings.is_none() || !broken.contains(&object.text));
    Ok(())
}

/// Runs the user's statement in the shadow.
async fn try_it(job: &Job<'_>, shadow: &Shadow, database: &str) -> Result<(), Failure> {
    let mut user = job.open().await?;
    let entered = user.run(&format!("USE {}", q(&shadow.name))).await;
    entered.map_err(|trouble| job.clean(&trouble, "entering the shadow"))?;
    let statement = shadow.statement(job, database).map_err(|why| super::data::no_undo(job, &why))?;
    let ran = user.run(&statement).await;
    job.close(user).await;
    ran.map(drop).map_err(|trouble| tried(job, &trouble))
}

/// Whether a statement on rows would be understood, tried where there are none.
pub(super) async fn check(job: &Job<'_>, earlier: &[Job<'_>]) -> Result<(), Failure> {
    let mut live = job.open().await?;
    let shadow = Shadow::new(job, earlier, &live.address.database);
    let look = async {
        let reading = |trouble: Trouble| job.clean(&trouble, "reading the catalog");
        let listed = catalog::list(&mut live).await.map_err(reading)?;
        let mut before = catalog::around(&mut live, &shadow.statements, &listed).await.map_err(reading)?;
        let mut session = job.open().await?;
        copy(job, &shadow, (&live, &mut session), &mut before).await?;
        job.close(session).await;
        let database = live.address.database.clone();
        for job in earlier.iter().chain([job]) {
            try_it(job, &shadow, &database).await?;
        }
        Ok(())
    };
    let result = look.await;
    let _ = shadow.remove(&mut live).await;
    job.close(live).await;
    result
}

/// A way that keeps what the statement would take away.
async fn kept(
    job: &Job<'_>,
    shadow: &Shadow,
    session: &mut Session,
    before: &Catalog,
    (aside, narrow): (Aside, Option<Narrow>),
) -> Result<Way, Failure> {
    let failing = |trouble: Trouble| job.clean(&trouble, "proving how what it takes away is set aside");
    shadow.fill(session, before).await.map_err(failing)?;
    let mut catalogs = vec![before.clone()];
    for step in &aside.forward {
        catalog::run(session, step, "").await.map_err(failing)?;
        catalogs.push(all_with_asides(session, &aside).await.map_err(failing)?);
    }
    let after = catalogs.last().cloned().unwrap_or_default();
    let mut keys = vec![];
    for catalog in &catalogs {
        keys.extend(changed(before, catalog));
    }
    if let Some(exchange) = &aside.exchange {
        // What has changed its columns since cannot change places any more. Some tables of ours are only there on the way back.
        let since = exchange.leaves.iter().map(|leaf| &leaf.since);
        keys.extend(since.chain([&exchange.table]).map(|name| (ObjectKind::Table, name.clone())));
    }
    keys.sort();
    keys.dedup();
    let states = catalogs.iter().map(|catalog| catalog::state(catalog, &keys)).collect();
    let (forward, asides, exchange) = (aside.forward, aside.names, aside.exchange);
    let mut way = Way { forward, states, keys, asides, narrow, exchange, ..Way::default() };
    match aside.back {
        Some(steps) => walk(job, session, before, steps, &mut way).await?,
        None => back(job, shadow, session, (before, &after), &aside.renames_back, &mut way).await?,
    }
    Ok(way)
}

/// The shadow's things and those that were set aside in it.
async fn all_with_asides(session: &mut Session, aside: &Aside) -> Result<Catalog, Trouble> {
    let mut found = catalog::all(session).await?;
    for name in &aside.tables {
        if let Some(object) = catalog::table(session, name).await? {
            found.insert((ObjectKind::Table, name.clone()), object);
        }
    }
    Ok(found)
}

/// Makes the way back and proves it; what a server does not take together is tried apart.
async fn back(
    job: &Job<'_>,
    shadow: &Shadow,
    session: &mut Session,
    (before, after): (&Catalog, &Catalog),
    renames: &Renames,
    way: &mut Way,
) -> Result<(), Failure> {
    let mut last = None;
    for (apart, pins) in [(false, false), (false, true), (true, false), (true, true)] {
        let steps = match &way.narrow {
            Some(_) => {
                let (bare, keyless) = between(after, before);
                let types = diff(after, &bare, renames, apart);
                let defaults = diff(&bare, &keyless, &Renames::default(), apart);
                let keys = diff(&keyless, before, &Renames::default(), apart);
                (way.defaults_back, way.keys_back) = (defaults.len(), keys.len());
                [types, defaults, keys].concat()
            }
            None => diff(after, before, renames, apart),
        };
        let count = steps.len();
        let steps = if pins { pinned(steps, before) } else { steps };
        if pins && steps.len() == count {
            continue;
        }
        if way.narrow.is_some() {
            // They stand in front of the keys.
            way.keys_back += steps.len() - count;
        }
        if last.is_some() {
            // The first try may have left it anywhere.
            let failing = |trouble: Trouble| job.clean(&trouble, "proving the undo");
            shadow.fill(session, after).await.map_err(failing)?;
        }
        match walk(job, session, before, steps, way).await {
            Ok(()) => return Ok(()),
            Err(failure) => last = last.or(Some(failure)),
        }
    }
    Err(last.expect("a try without more"))
}

/// `to` without what cannot come back in the statement that converts values: without foreign keys that `from` does not have, since
/// they hold for the values that are put back; and before that without moments as defaults, since values convert in the zone of the step.
fn between(from: &Catalog, to: &Catalog) -> (Catalog, Catalog) {
    let (mut bare, mut keyless) = (to.clone(), to.clone());
    for (key, object) in to.iter().filter(|((kind, _), _)| *kind == ObjectKind::Table) {
        let old = from.get(key).and_then(|old| Table::read(&old.text));
        let (Some(old), Some(mut new)) = (old, Table::read(&object.text)) else { continue };
        let all = new.parts.len();
        new.parts.retain(|part| part.kind != PartKind::Foreign || old.parts.contains(part));
        if new.parts.len() < all {
            let object = Object { text: new.create(), ..object.clone() };
            bare.insert(key.clone(), object.clone());
            keyless.insert(key.clone(), object);
        }
        let mut moments = false;
        for column in new.columns.iter_mut().filter(|column| !old.columns.contains(column)) {
            if let Some(text) = without_moment(&column.text) {
                (column.text, moments) = (text, true);
            }
        }
        if moments {
            bare.insert(key.clone(), Object { text: new.create(), ..object.clone() });
        }
    }
    (bare, keyless)
}

/// The definition of a TIMESTAMP with no moment as its default, but the one that is the same in all zones.
fn without_moment(definition: &str) -> Option<String> {
    let at =
        definition.find(" DEFAULT '").filter(|_| definition.starts_with("timestamp"))? + " DEFAULT '".len();
    let end = at + definition.get(at..)?.find('\'')?;
    let zero: String =
        definition[at..end].chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    Some(format!("{}{zero}{}", &definition[..at], &definition[end..]))
}

/// Runs the way back in the shadow and sees where it arrives.
async fn walk(
    job: &Job<'_>,
    session: &mut Session,
    before: &Catalog,
    steps: Vec<Step>,
    way: &mut Way,
) -> Result<(), Failure> {
    let mut states = vec![way.states.last().cloned().unwrap_or_default()];
    for step in &steps {
        if let Err(trouble) = catalog::run(session, step, "").await {
            return Err(not_proven(job, &format!("`{}` fails: {}", step.sql, trouble.text())));
        }
        let state = catalog::prints(session, &way.keys).await;
        states.push(state.map_err(|trouble| job.clean(&trouble, "proving the undo"))?);
    }
    let now = catalog::all(session).await.map_err(|trouble| job.clean(&trouble, "proving the undo"))?;
    if let Some(difference) = difference(before, &now) {
        return Err(not_proven(
            job,
            &format!("the way back does not arrive at what was before: {difference}"),
        ));
    }
    way.back = steps;
    way.back_states = states;
    Ok(())
}

/// The undo could not be proven: the statement is not run.
fn not_proven(job: &Job<'_>, why: &str) -> Failure {
    super::data::no_undo(job, why)
}

/// The statement fails already on the empty copy.
fn tried(job: &Job<'_>, trouble: &Trouble) -> Failure {
    let mut failure = job.refused(trouble);
    failure.message = failure.message.replace(
        "; rolled back, nothing was changed",
        " (tried on an empty copy of the tables); nothing was changed",
    );
    failure
}

/// What is not the same in both.
pub(super) fn changed(before: &Catalog, after: &Catalog) -> Vec<(ObjectKind, String)> {
    let print =
        |catalog: &Catalog, key: &(ObjectKind, String)| catalog.get(key).map(|object| object.print(key.0));
    let mut keys: Vec<_> = before.keys().chain(after.keys()).cloned().collect();
    keys.sort();
    keys.dedup();
    keys.retain(|key| print(before, key) != print(after, key));
    keys
}

/// The first thing that differs, in words; `None`: the same.
pub(super) fn difference(wanted: &Catalog, found: &Catalog) -> Option<String> {
    let key = changed(wanted, found).into_iter().next()?;
    let name = catalog::word(key.0, &key.1);
    match (wanted.get(&key), found.get(&key)) {
        (Some(_), None) => Some(format!("{name} is missing")),
        (None, _) => Some(format!("{name} should not be there")),
        (Some(wanted), Some(found)) => {
            let tables = Table::read(&wanted.text).zip(Table::read(&found.text));
            if key.0 == ObjectKind::Table && tables.is_some_and(|(a, b)| a.is_reordered(&b)) {
                return Some(format!("{name} has its columns in another order"));
            }
            let (wanted, found) = (wanted.print(key.0), found.print(key.0));
            let line = wanted.lines().zip(found.lines()).find(|(a, b)| a != b);
            let (wanted, found) = line.unwrap_or((&wanted, &found));
            Some(format!("{name}: `{}` instead of `{}`", found.trim(), wanted.trim()))
        }
    }
}

/// What the statement gives another name.
fn renames(statement: &str, before: &Catalog, after: &Catalog) -> Renames {
    let mut renames = Renames::default();
    match windlass_sql::ddl(statement, Dialect::Mysql) {
        Some(Ddl::RenameTable(pairs)) => {
            renames.tables =
                pairs.into_iter().map(|(from, to)| (from.base().to_owned(), to.base().to_owned())).collect();
        }
        Some(Ddl::AlterTable(alter)) => {
            let mut table = alter.table.base().to_owned();
            for change in &alter.changes {
                if let Change::RenameTable(to) = change {
                    renames.tables.push((table.clone(), to.base().to_owned()));
                    to.base().clone_into(&mut table);
                }
            }
            for change in alter.changes {
                let pair = match change {
                    Change::RenameColumn { from, to } => (from, to),
                    Change::ChangeColumn { from, column } => (from, column.name),
                    _ => continue,
                };
                let old = before.get(&(ObjectKind::Table, alter.table.base().to_owned()));
                let new = after.get(&(ObjectKind::Table, table.clone()));
                // As the catalog writes it.
                let exact = |object: Option<&windlass_sql::mysql::Object>, name: &str| {
                    let table = Table::read(&object?.text)?;
                    table
                        .columns
                        .into_iter()
                        .map(|column| column.name)
                        .find(|column| column.eq_ignore_ascii_case(name))
                };
                if let Some((from, to)) = exact(old, &pair.0).zip(exact(new, &pair.1)) {
                    renames.columns.push((table.clone(), from, to));
                }
            }
        }
        _ => {}
    }
    renames
}

/// The same, the other way.
pub(super) fn inverse(renames: &Renames) -> Renames {
    let origin = |table: &str| {
        let mut name = table.to_owned();
        for (from, to) in renames.tables.iter().rev() {
            if *to == name {
                name.clone_from(from);
            }
        }
        name
    };
    Renames {
        tables: renames.tables.iter().rev().map(|(from, to)| (to.clone(), from.clone())).collect(),
        columns: renames
            .columns
            .iter()
            .map(|(table, from, to)| (origin(table), to.clone(), from.clone()))
            .collect(),
    }
}
