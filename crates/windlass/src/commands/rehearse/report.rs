//! What the rounds have shown, statement by statement.

use super::{
    derive::{place, shown},
    rounds::Ended,
    watch::{Recorder, Seen},
};
use std::collections::BTreeMap;
use windlass_drivers::scratch::Verdict;
use windlass_plan::{Action, Class, DriverKind, Plan, Unit};
use windlass_report::{LockJson, Rehearsed, RehearsedVerdict};
use windlass_sql::{Dialect, Kind, LockMode};

/// Every statement that was rehearsed, in order.
pub fn statements(
    original: &Plan,
    plan: &Plan,
    recorder: &Recorder,
    first: &Ended,
    no_undo: &BTreeMap<String, String>,
    rows_differ: bool,
) -> Vec<Rehearsed> {
    let state = recorder.state();
    let mut found = vec![];
    for (step, unit) in plan.units() {
        let seen = state.seen.get(&unit.id).cloned().unwrap_or_default();
        let class = original.unit(&unit.id).map_or(unit.undo.class, |(_, unit)| unit.undo.class);
        let (mut verdict, mut why) = verdict(unit, &seen, first, no_undo);
        if rows_differ && seen.rows.is_none_or(|rows| rows > 0) && verdict <= RehearsedVerdict::ColumnOrder {
            verdict = RehearsedVerdict::Different;
            why.push(
                "rows are different at the end, and which statement it was is not known: see below"
                    .to_owned(),
            );
        }
        // A hand-written undo is timed as a whole.
        let undo_ms = if step.undo.is_some() { None } else { seen.undo_ms };
        found.push(Rehearsed {
            unit: unit.id.0.clone(),
            place: place(original, unit),
            statement: shown(unit),
            target: target(unit).to_owned(),
            class,
            verdict,
            took_ms: seen.took_ms,
            undo_ms,
            rows: seen.rows.filter(|_| changes_rows(unit)),
            lock: lock(unit, &seen),
            algorithm: seen.effects.iter().find_map(|effect| algorithm(effect)),
            why,
            disturbed: seen.disturbed,
        });
    }
    found
}

fn target(unit: &Unit) -> &str {
    match &unit.action {
        Action::Sql { target, .. } => target,
        _ => "",
    }
}

fn text(unit: &Unit) -> &str {
    match &unit.action {
        Action::Sql { statement, .. } => statement,
        _ => "",
    }
}

fn dialect(unit: &Unit) -> Dialect {
    match unit.driver {
        DriverKind::Mysql => Dialect::Mysql,
        DriverKind::Sqlite => Dialect::Sqlite,
        _ => Dialect::Postgresql,
    }
}

/// Whether the number of rows means something.
fn changes_rows(unit: &Unit) -> bool {
    let (statements, _) = windlass_sql::split(text(unit), dialect(unit));
    let summary = statements.into_iter().next().map(|statement| statement.summary).unwrap_or_default();
    let defines = summary.changes_schema || matches!(summary.kind, Kind::Truncate | Kind::DropTable);
    summary.changes_data && !defines || matches!(summary.kind, Kind::Select | Kind::Call)
}

fn verdict(
    unit: &Unit,
    seen: &Seen,
    first: &Ended,
    no_undo: &BTreeMap<String, String>,
) -> (RehearsedVerdict, Vec<String>) {
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    if let Some((_, why)) = first.failed.as_ref().filter(|(failed, _)| *failed == unit.id) {
        return (RehearsedVerdict::Failed, lines(why));
    }
    if seen.took_ms.is_none() {
        return (RehearsedVerdict::NotReached, vec![]);
    }
    if unit.undo.class == Class::Readonly {
        return (RehearsedVerdict::Readonly, vec![]);
    }
    if let Some(why) = no_undo.get(&unit.id.0).or_else(|| first.left.get(&unit.id)) {
        return (RehearsedVerdict::CannotUndo, lines(why));
    }
    match &seen.back {
        None => (RehearsedVerdict::CannotUndo, vec!["its undo was not reached".to_owned()]),
        Some(back) => match back.verdict {
            Verdict::Exact => (RehearsedVerdict::Exact, apart(seen)),
            Verdict::ColumnOrder => (RehearsedVerdict::ColumnOrder, apart(seen)),
            Verdict::Different => (RehearsedVerdict::Different, back.lines.clone()),
        },
    }
}

/// What the verdict does not see.
fn apart(seen: &Seen) -> Vec<String> {
    let line = "apart from what a later statement leaves different or is not undone";
    if seen.is_apart { vec![line.to_owned()] } else { vec![] }
}

/// `accepted with ALGORITHM=INSTANT`
fn algorithm(effect: &str) -> Option<String> {
    match effect.strip_prefix("accepted with ") {
        Some(clause) => Some(clause.to_owned()),
        None => effect.starts_with("the table is copied").then(|| "ALGORITHM=COPY".to_owned()),
    }
}

/// The strongest lock: as it was seen, else as the statement's text has it.
fn lock(unit: &Unit, seen: &Seen) -> Option<LockJson> {
    if let Some(lock) = &seen.lock {
        let blocks = [
            "SHARE",
            "SHARE ROW EXCLUSIVE",
            "EXCLUSIVE",
            "ACCESS EXCLUSIVE",
            "SHARED_NO_WRITE",
            "SHARED_NO_READ_WRITE",
            "EXCLUSIVE (metadata)",
        ];
        return Some(LockJson {
            blocks_writes: blocks.contains(&lock.mode.as_str()),
            mode: lock.mode.clone(),
            table: lock.table.clone(),
            ms: Some(lock.ms),
            is_measured: true,
        });
    }
    let took = seen.took_ms.filter(|_| unit.undo.class != Class::Readonly)?;
    let by_text = |mode: &str, table: &str, blocks_writes: bool| {
        Some(LockJson {
            mode: mode.to_owned(),
            table: table.to_owned(),
            ms: Some(took),
            is_measured: false,
            blocks_writes,
        })
    };
    let text = text(unit);
    match unit.driver {
        DriverKind::Sqlite => by_text("of all writers", "", true),
        DriverKind::Postgres => match windlass_sql::ddl(text, Dialect::Postgresql) {
            Some(ddl) => {
                let locks = windlass_sql::postgres_locks(&ddl, None);
                let strongest = locks.into_iter().max_by_key(|lock| lock.mode)?;
                by_text(strongest.mode.name(), strongest.object.base(), strongest.mode >= LockMode::Share)
            }
            None => changes_rows(unit).then(|| by_text("ROW EXCLUSIVE", "", false))?,
        },
        _ => {
            let algorithm = seen.effects.iter().find_map(|effect| algorithm(effect));
            let free = algorithm
                .as_deref()
                .is_some_and(|clause| clause.contains("LOCK=NONE") || clause.contains("INSTANT"));
            match (algorithm, changes_rows(unit)) {
                (Some(_), _) if free => {
                    by_text("EXCLUSIVE (metadata)", "", false).map(|lock| LockJson { ms: None, ..lock })
                }
                (Some(_), _) => by_text("SHARED_NO_WRITE", "", true),
                (None, true) => by_text("of the rows", "", false),
                (None, false) => None,
            }
        }
    }
}
