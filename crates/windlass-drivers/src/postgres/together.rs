//! Several statements in one transaction. Each has a savepoint and a ledger row of its own, so it stands or falls by itself as it
//! would alone; those that stand become durable with one commit. Only statements of which little has to be known go
//! together: rows of a table that keeps them by itself, and tables that are made.

use super::{
    apply::{self, Again, Effects, Prep},
    batch,
    facts::{self, Counts, Table},
    job::{Hold, Job, Lock, Mode},
    ledger, made, race,
    session::{Session, Trouble},
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
    Dialect, DmlKind,
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
fn fits(unit: &Unit) -> bool {
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
    (made::may(statement) || rows()) && !statement.to_ascii_lowercase().contains("set_config")
}

/// What statements in one transaction know of each other.
#[derive(Default)]
pub(super) struct Company {
    counts: Mutex<Counts>,
    /// Tables that were read. Nothing that goes together changes the definition of a table, and whoever else wants to waits for
    /// those that write to it.
    tables: Mutex<BTreeMap<u32, Table>>,
    /// Which of them a name in a statement (quoted) meant when the transaction began.
    names: Mutex<BTreeMap<String, u32>>,
    /// Those that nobody else can alter since before the transaction took its view: locked by then, or made by it. Quoted.
    held: Mutex<BTreeSet<String>>,
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

/// A connection that is kept from one transaction of several statements to the next.
#[derive(Clone, Default)]
pub(super) struct Keeper(Arc<tokio::sync::Mutex<Option<Kept>>>);

struct Kept {
    run: String,
    target: String,
    session: Arc<Session>,
}

/// Whether another transaction finds what it would on a new connection.
const CLEAN: &str = "SELECT pg_catalog.pg_my_temp_schema() = 0 AND NOT EXISTS (SELECT FROM pg_catalog.pg_locks WHERE pid = \
     pg_catalog.pg_backend_pid() AND locktype = 'advisory') AND NOT EXISTS (SELECT FROM pg_catalog.pg_listening_channels()) AND NOT \
     EXISTS (SELECT FROM pg_catalog.pg_prepared_statements) AND NOT EXISTS (SELECT FROM pg_catalog.pg_cursors) AND NOT EXISTS \
     (SELECT FROM pg_catalog.pg_settings WHERE source = 'session') AND pg_catalog.current_setting('role') = 'none' AND session_user = current_user AND \
     session_user = (SELECT usename FROM pg_catalog.pg_stat_activity WHERE pid = pg_catalog.pg_backend_pid())";

/// Whether functions of users set something: a default, a trigger or a view may call them, and their settings would be
/// those of the next statement.
const SETTERS: &str = "SELECT EXISTS (SELECT FROM pg_catalog.pg_proc WHERE oid >= 16384 AND (prosrc ~* '\\mset_config\\M' OR prosrc ~* \
     '(^|;|begin|then|else|loop)\\s*set\\s' OR prosrc ~* '\\mexecute\\M'))";

impl Keeper {
    /// A job on the kept connection, or on a new one.
    async fn open(&self, work: &Work) -> Option<Job> {
        let kept = self.0.lock().await.take();
        let kept = kept.filter(|kept| {
            kept.run == work.cx.run
                && Some(kept.target.as_str()) == target(&work.unit)
                && !kept.session.is_closed()
        });
        match kept {
            Some(kept) => Some(Job::on(&work.cx, &work.unit, kept.session)),
            None => Job::open(&work.cx, &work.unit).await.ok(),
        }
    }

    /// Keeps the connection if the unit behind `last` in the plan has a use for it: whatever else comes next finds nobody connected.
    async fn keep(&self, job: &Job, last: &Unit) {
        let next = job.cx.plan.behind(&last.id).next();
        let wanted = next.is_some_and(|(_, next)| go(last, next));
        if !wanted || job.session.value(CLEAN).await.ok().flatten().as_deref() != Some("t") {
            return;
        }
        let (run, target) = (job.cx.run.clone(), target(last).unwrap_or_default().to_owned());
        *self.0.lock().await = Some(Kept { run, target, session: Arc::clone(&job.session) });
    }

    /// Closes it.
    pub(super) async fn close(&self) {
        self.0.lock().await.take();
    }
}

fn target(unit: &Unit) -> Option<&str> {
    match &unit.action {
        Action::Sql { target, .. } => Some(target),
        _ => None,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Applies the first of them, as many as are begun in `most`. `None`: nothing was done, and the first has to be alone.
pub(super) async fn apply(works: &[Work], keeper: &Keeper, most: Duration) -> Option<Vec<Answer>> {
    let first = works.first()?;
    let job = keeper.open(first).await?.with(Arc::default());
    ledger::create(&job.session).await.ok()?;
    let targets = targets(&job, works).await?;
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
    let (ran, failed) = several(&job, works, &targets, most).await?;
    if ran.is_empty() && failed.is_none() {
        job.session.rollback().await;
        return None;
    }
    if race::is_stale(&job.session).await.unwrap_or(true) {
        job.session.rollback().await;
        return None;
    }
    let answers: Vec<Answer> = match job.session.commit().await {
        Ok(()) => {
            if let Some((last, _)) = ran.last().filter(|_| failed.is_none()) {
                keeper.keep(&job, &last.unit).await;
            }
            ran.into_iter().map(|(job, effects)| Some(Ok(apply::done(&job, effects)))).collect()
        }
        Err(Trouble::Lost(why)) => ran.iter().map(|(job, _)| Some(Err(apply::lost(job, &why)))).collect(),
        // Nothing of them is left.
        Err(_) => return None,
    };
    Some(answers.into_iter().chain(failed.map(|failure| Some(Err(failure)))).collect())
}

/// A table whose rows a statement is to change.
struct Target {
    /// As the statement names it, quoted.
    name: String,
    oid: u32,
    lock: Lock,
}

impl Target {
    fn is(&self, table: &Table) -> bool {
        self.lock.table == qualified(&table.schema, &table.name)
    }
}

/// The tables whose rows they are to change, as far as they are there: they are locked before anything is read, lest others alter
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
    if names.is_empty() {
        return Some(vec![]);
    }
    job.begin(Mode::Read, &[]).await.ok()?;
    let scope = job.scope().await.ok()?;
    let list: Vec<String> = names.keys().map(|name| format!("({})", text(name))).collect();
    let sql = format!(
        "SELECT w.name, c.oid, n.nspname, c.relname FROM (VALUES {}) w(name) JOIN pg_catalog.pg_class c ON c.oid = \
         pg_catalog.to_regclass(w.name) JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p') AND \
         c.relpersistence <> 't'",
        list.join(", ")
    );
    let rows = job.session.ask(&scope.around(&sql)).await.ok();
    job.session.rollback().await;
    let mut targets = vec![];
    for row in rows? {
        let [Some(name), Some(oid), Some(schema), Some(table)] = row.as_slice() else { continue };
        let hold = names.get(name).copied().unwrap_or(Hold::Rows);
        let lock = Lock { hold, table: qualified(schema, table) };
        targets.push(Target { name: name.clone(), oid: oid.parse().ok()?, lock });
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
    if job.session.value(SETTERS).await.ok()?.as_deref() != Some("f") {
        return None;
    }
    if let Some(company) = &job.company {
        if works.len() > 1 {
            // With our own settings: the names of types are whole only then.
            company.read(&job.session, targets).await.ok()?;
        }
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
            if pieces.len() > 1 {
                ran.extend(stretch::apply(job, &scope, company, pieces).await.ok()?.into_iter().flatten());
                continue;
            }
        }
        let Some(next) = job.next(&work.cx, &work.unit) else { break };
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
        let Some(piece) = stretch::piece(next, company, number) else {
            lock(&company.numbers).push(number);
            break;
        };
        pieces.push(piece);
    }
    pieces
}
