//! Several statements in one transaction. Each has a savepoint and a ledger row of its own, so it stands or falls by itself as it
//! would alone; those that stand become durable with one commit. Only statements of which little has to be known go
//! together: rows of a table that keeps them by itself, and tables that are made or get a column or an index.

use super::{
    apply::{self, Again, Effects, Prep},
    batch,
    facts::{self, Counts, Table},
    grown::{self, Shape},
    job::{Hold, Job, Lock, Mode},
    keeper::{self, Keeper, target},
    ledger, made, race,
    session::{Session, Trouble},
    snapshot,
    stretch::{self, Piece},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use windlass_driver::{Done, Failure, Work};
use windlass_plan::{Action, Class, UndoBy, Unit};
use windlass_sql::{
    Ddl, Dialect, DmlKind, ObjectName,
    postgres::{qualified, text},
};

/// Others wait for rows no longer than this, and for the statement that is at work then.
pub(super) const TOGETHER_MAX: Duration = Duration::from_millis(250);

/// A statement that takes longer is alone: the tables of those behind it would be locked as long.
const ALONE: Duration = Duration::from_secs(1);

type Answer = Option<Result<Done, Failure>>;

/// Whether both can be in one transaction.
pub(super) fn go(unit: &Unit, next: &Unit) -> bool {
    target(unit) == target(next) && fits(unit) && fits(next)
}

/// Whether the statement is one of those that go together, as far as its text tells.
pub(super) fn fits(unit: &Unit) -> bool {
    let Action::Sql { statement, session: false, data: None, .. } = &unit.action else { return false };
    if batch::is(unit) || unit.undo.by != UndoBy::Driver || unit.undo.class == Class::Readonly {
        return false;
    }
    let rows = || {
        windlass_sql::dml(statement, Dialect::Postgresql).is_some_and(|dml| {
            matches!(dml.kind, DmlKind::Insert | DmlKind::Update | DmlKind::Delete) && !dml.with_writes
        })
    };
    // Settings of one statement must not be those of the next.
    (made::may(statement) || grown::of(statement).is_some() || rows())
        && !statement.to_ascii_lowercase().contains("set_config")
}

/// What statements in one transaction know of each other.
#[derive(Default)]
pub(super) struct Company {
    counts: Mutex<Counts>,
    /// Tables that were read. Whoever else wants to change their definition waits for those that write to them.
    tables: Mutex<BTreeMap<u32, Table>>,
    /// Which of them a name in a statement (quoted) meant when the transaction began.
    names: Mutex<BTreeMap<String, u32>>,
    /// Those that nobody else can alter since before the transaction took its view: locked by then, or made by it. Quoted.
    held: Mutex<BTreeSet<String>>,
    /// Tables of which it is known how they look, by the name (quoted) that a statement gives them.
    shapes: Mutex<BTreeMap<String, Shape>>,
    /// Numbers for their rows in the ledger, the last one first.
    numbers: Mutex<Vec<i64>>,
}

impl Company {
    /// Whether nobody else can alter the table with this quoted name.
    pub(super) fn holds(&self, table: &str) -> bool {
        lock(&self.held).contains(table)
    }

    /// A table was made in the transaction.
    pub(super) fn made(&self, table: String) {
        lock(&self.held).insert(table);
    }

    /// The table that a statement names, where that was known from the beginning.
    pub(super) fn named(&self, name: &str) -> Option<Table> {
        lock(&self.tables).get(lock(&self.names).get(name)?).cloned()
    }

    /// How the table with this name looks, if that is known.
    pub(super) fn shape(&self, name: &str) -> Option<Shape> {
        lock(&self.shapes).get(name).cloned()
    }

    /// How the table with this number looks.
    pub(super) fn shape_of(&self, oid: u32) -> Option<Shape> {
        lock(&self.shapes).values().find(|shape| shape.oid == oid).cloned()
    }

    /// A statement made a table, or added something to it, that it calls by this name.
    pub(super) fn shaped(&self, name: String, shape: Shape) {
        lock(&self.tables).remove(&shape.oid);
        // It may go by several names.
        let mut shapes = lock(&self.shapes);
        for other in shapes.values_mut().filter(|other| other.oid == shape.oid) {
            other.clone_from(&shape);
        }
        shapes.insert(name, shape);
    }

    /// Reads how those look that get more.
    async fn look(&self, session: &Session, targets: &[Target]) -> Result<(), Trouble> {
        let grown: Vec<&Target> = targets.iter().filter(|target| target.grows).collect();
        if grown.is_empty() {
            return Ok(());
        }
        let list: String = grown.iter().map(|target| format!(",{}", target.oid)).collect();
        session.later(format!("SELECT pg_catalog.set_config('windlass.made', '{list}', true)"));
        let mut found = snapshot::made(session).await?;
        for target in grown {
            let Target { oid, name, .. } = target;
            if let Some((catalog, relations)) = found.tables.remove(oid).zip(found.relations.remove(oid)) {
                self.shaped(name.clone(), Shape { oid: *oid, catalog, relations });
            }
        }
        Ok(())
    }

    /// Reads what the statements name.
    async fn read(&self, session: &Session, targets: &[Target]) -> Result<(), Trouble> {
        let oids: Vec<u32> = targets.iter().map(|target| target.oid).collect();
        let tables = facts::tables(session, &oids).await?;
        let held = |target: &&Target| tables.get(&target.oid).is_some_and(|table| target.is(table));
        lock(&self.names).extend(targets.iter().filter(held).map(|target| (target.name.clone(), target.oid)));
        lock(&self.tables).extend(tables);
        Ok(())
    }

    /// The number of the next row in the ledger.
    pub(super) fn number(&self) -> Option<i64> {
        lock(&self.numbers).pop()
    }

    /// What was counted last.
    pub(super) fn counted(&self) -> Counts {
        lock(&self.counts).clone()
    }

    /// Asks for the counts anew.
    pub(super) async fn count(&self, session: &Session) -> Result<Counts, Trouble> {
        let counts = facts::counts_since(session, &self.counted()).await?;
        lock(&self.counts).clone_from(&counts);
        Ok(counts)
    }

    /// The table with this number.
    pub(super) async fn table(&self, session: &Session, oid: u32) -> Result<Option<Table>, Trouble> {
        if let Some(table) = lock(&self.tables).get(&oid) {
            return Ok(Some(table.clone()));
        }
        let table = facts::tables(session, &[oid]).await?.remove(&oid);
        lock(&self.tables).extend(table.clone().map(|table| (oid, table)));
        Ok(table)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Applies the first of them, as many as are begun in `most`. `None`: nothing was done, and the first has to be alone.
pub(super) async fn apply(works: &[Work], keeper: &Keeper, most: Duration) -> Option<Vec<Answer>> {
    let first = works.first()?;
    let job = keeper.job(&first.cx, &first.unit).await.ok()?.with(Arc::default());
    let (answers, last) = match begun(&job, works, most).await {
        Some((answers, last)) => (Some(answers), last),
        None => {
            job.session.rollback().await;
            (None, None)
        }
    };
    // Behind one that failed a person may look first.
    match (&answers, last) {
        (Some(_), Some(last)) => keeper.keep(&job, &last).await,
        (None, _) => keeper.put(&job).await,
        _ => {}
    }
    answers
}

/// The same on a connection, and the last unit if none failed.
async fn begun(job: &Job, works: &[Work], most: Duration) -> Option<(Vec<Answer>, Option<Unit>)> {
    let works = short(works);
    ledger::create(&job.session).await.ok()?;
    let targets = targets(job, works).await?;
    let locks: Vec<Lock> = targets.iter().map(|target| target.lock.clone()).collect();
    job.begin(Mode::Write, &locks).await.ok()?;
    if let Some(company) = &job.company {
        lock(&company.held).extend(locks.into_iter().map(|lock| lock.table));
    }
    if works.len() > 1 && job.limit > ALONE {
        // Others wait for the tables of all of them.
        job.session.later(format!("SET LOCAL statement_timeout = {}", ALONE.as_millis()));
    }
    // A question that is prepared here is asked for each of them.
    job.session.later("SET LOCAL jit = off; SET LOCAL plan_cache_mode = force_generic_plan".to_owned());
    // What would wait for the commit speaks with its statement, where it can be told whose it is.
    job.session.later("SET CONSTRAINTS ALL IMMEDIATE".to_owned());
    let units: Vec<&str> = works.iter().map(|work| work.unit.id.0.as_str()).collect();
    if ledger::has_any(&job.session, &job.cx.run, &units).await.ok()? {
        return None;
    }
    let (ran, failed) = several(job, works, &targets, most).await?;
    if ran.is_empty() && failed.is_none() || race::is_stale(&job.session).await.unwrap_or(true) {
        return None;
    }
    let mut last = None;
    let answers: Vec<Answer> = match job.session.commit().await {
        Ok(()) => {
            last = ran.last().filter(|_| failed.is_none()).map(|(job, _)| job.unit.clone());
            ran.into_iter().map(|(job, effects)| Some(Ok(apply::done(&job, effects)))).collect()
        }
        Err(Trouble::Lost(why)) => ran.iter().map(|(job, _)| Some(Err(apply::lost(job, &why)))).collect(),
        // Nothing of them is left.
        Err(_) => return None,
    };
    let failed = failed.map(|failure| Some(Err(failure)));
    Some((answers.into_iter().chain(failed).collect(), last))
}

/// The table that a statement adds something to.
fn grown_table(work: &Work) -> Option<ObjectName> {
    let Action::Sql { statement, .. } = &work.unit.action else { return None };
    Some(grown::of(statement)?.table)
}

/// Those up to the first that adds something to a table that others know, for this release did not make it: it keeps them all off its
/// table until the commit, so nothing comes behind it.
fn short(works: &[Work]) -> &[Work] {
    let mut made = BTreeSet::new();
    for (at, work) in works.iter().enumerate() {
        made.extend(made_table(&work.unit));
        let Some(table) = grown_table(work) else { continue };
        if !made.contains(&table.quoted(Dialect::Postgresql)) && !was_made(work, &table) {
            return &works[..=at];
        }
    }
    works
}

/// The name of the table that a statement makes, quoted.
fn made_table(unit: &Unit) -> Option<String> {
    let Action::Sql { statement, .. } = &unit.action else { return None };
    match windlass_sql::ddl(statement, Dialect::Postgresql)? {
        Ddl::CreateTable(table) => Some(table.name.quoted(Dialect::Postgresql)),
        _ => None,
    }
}

/// Whether a statement of the release in front of this one makes the table.
fn was_made(work: &Work, table: &ObjectName) -> bool {
    let name = table.quoted(Dialect::Postgresql);
    // Few have its name, and only those are read.
    let is_about = |unit: &&Unit| match &unit.action {
        Action::Sql { target, statement, .. } => {
            Some(target.as_str()) == self::target(&work.unit) && statement.contains(table.base())
        }
        _ => false,
    };
    let before = work.cx.plan.before(&work.unit.id).map(|(_, unit)| unit);
    before.filter(is_about).any(|unit| made_table(unit).as_ref() == Some(&name))
}

/// A table whose rows or definition a statement is to change.
struct Target {
    /// As the statement names it, quoted.
    name: String,
    oid: u32,
    lock: Lock,
    /// It gets more.
    grows: bool,
}

impl Target {
    fn is(&self, table: &Table) -> bool {
        self.lock.table == qualified(&table.schema, &table.name)
    }
}

/// The tables whose rows or definition they are to change, as far as they are there: they are locked before anything is read, lest others alter
/// them in between.
async fn targets(job: &Job, works: &[Work]) -> Option<Vec<Target>> {
    let mut names: BTreeMap<String, Hold> = BTreeMap::new();
    for work in works {
        let Action::Sql { statement, .. } = &work.unit.action else { continue };
        let Some(dml) = windlass_sql::dml(statement, Dialect::Postgresql) else { continue };
        let hold = if dml.kind == DmlKind::Insert { Hold::Shape } else { Hold::Rows };
        let known = names.entry(dml.table.quoted(Dialect::Postgresql)).or_insert(hold);
        *known = hold.max(*known);
    }
    names.extend(
        works
            .iter()
            .filter_map(grown_table)
            .map(|table| (table.quoted(Dialect::Postgresql), Hold::Definition)),
    );
    if names.is_empty() {
        return Some(vec![]);
    }
    job.begin(Mode::Read, &[]).await.ok()?;
    let scope = job.scope().await.ok()?;
    let list: Vec<String> = names.keys().map(|name| format!("({})", text(name))).collect();
    let sql = format!(
        "SELECT w.name, c.oid, n.nspname, c.relname, c.relkind = 'r' AND c.reloftype = 0 AND NOT c.relispartition AND NOT EXISTS (SELECT FROM \
         pg_catalog.pg_inherits WHERE c.oid IN (inhparent, inhrelid)) AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend WHERE classid = \
         'pg_catalog.pg_class'::pg_catalog.regclass AND objid = c.oid AND deptype = 'e') FROM (VALUES {}) w(name) JOIN pg_catalog.pg_class c ON c.oid = \
         pg_catalog.to_regclass(w.name) JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p') AND \
         c.relpersistence <> 't'",
        list.join(", ")
    );
    let rows = job.session.ask(&scope.around(&sql)).await.ok();
    job.session.rollback().await;
    let mut targets = vec![];
    for row in rows? {
        let [Some(name), Some(oid), Some(schema), Some(table), Some(is_plain)] = row.as_slice() else {
            continue;
        };
        let hold = names.get(name).copied().unwrap_or(Hold::Rows);
        let lock = Lock { hold, table: qualified(schema, table) };
        let grows = hold == Hold::Definition && is_plain == "t";
        targets.push(Target { name: name.clone(), oid: oid.parse().ok()?, lock, grows });
    }
    Some(targets)
}

/// Runs them until one fails, has to be alone, or the time is over. Those that ran, and the failure of the one behind them.
/// `None`: the transaction is void.
async fn several(
    job: &Job,
    works: &[Work],
    targets: &[Target],
    most: Duration,
) -> Option<(Vec<(Job, Effects)>, Option<Failure>)> {
    let scope = job.scope().await.ok().filter(|scope| !scope.role)?;
    if job.session.value(keeper::SETTERS).await.ok()?.as_deref() != Some("f") {
        return None;
    }
    if let Some(company) = &job.company {
        if works.len() > 1 {
            // With our own settings: the names of types are whole only then.
            company.read(&job.session, targets).await.ok()?;
        }
        company.look(&job.session, targets).await.ok()?;
        *lock(&company.counts) = facts::counts(&job.session).await.ok()?;
        // For a second try of each.
        *lock(&company.numbers) = ledger::numbers(&job.session, 2 * works.len()).await.ok()?;
        lock(&company.numbers).reverse();
    }
    let began = Instant::now();
    let mut ran = vec![];
    // Up to here each is done by itself.
    let mut careful = 0;
    while ran.len() < works.len() {
        let work = &works[ran.len()];
        if !ran.is_empty() && (began.elapsed() > most || work.cx.stopping.asked()) {
            break;
        }
        if ran.len() >= careful
            && let Some(company) = &job.company
        {
            let pieces = stretch(job, company, &works[ran.len()..]);
            careful = ran.len() + pieces.len().max(1);
            if pieces.len() > 1 || pieces.first().is_some_and(Piece::grows) {
                let is_first = ran.is_empty() && pieces.len() == 1;
                let done = stretch::apply(job, &scope, company, pieces, is_first).await.ok()?;
                ran.extend(done.into_iter().flatten());
                continue;
            }
        }
        let Some(next) = job.next(&work.cx, &work.unit).filter(|_| grown_table(work).is_none()) else {
            break;
        };
        if ran.len() == 1 {
            // Whoever holds what others need gives up long before they do; then it has its own turn.
            job.session.later("SET LOCAL lock_timeout = 100".to_owned());
        }
        job.session.later("SAVEPOINT windlass_unit".to_owned());
        let since = Instant::now();
        let failure = match apply::inside(&next, &scope, &Prep::of(&next)).await {
            Ok(effects) => {
                job.session.later("RELEASE SAVEPOINT windlass_unit".to_owned());
                ran.push((next, effects));
                continue;
            }
            // Some of what was sent for those before it, or for all.
            Err(_) if job.session.is_void() => return None,
            Err(_) if works.len() > 1 && since.elapsed() >= ALONE => None,
            Err(Again::Failed(failure)) => (ran.is_empty() || !failure.retry).then_some(*failure),
            Err(Again::Prepared(_) | Again::Trouble(..)) => None,
        };
        job.session.act("ROLLBACK TO SAVEPOINT windlass_unit").await.ok()?;
        // They were said by a try that did not happen.
        drop(job.session.notices());
        return Some((ran, failure));
    }
    Some((ran, None))
}

/// The next ones of which it is known what they do.
fn stretch(job: &Job, company: &Company, works: &[Work]) -> Vec<Piece> {
    let mut pieces = vec![];
    for work in works.iter().take(stretch::MOST) {
        let Some((next, number)) = job.next(&work.cx, &work.unit).zip(company.number()) else { break };
        let Some(piece) = stretch::piece(next, company, &pieces, number) else {
            lock(&company.numbers).push(number);
            break;
        };
        pieces.push(piece);
    }
    pieces
}
