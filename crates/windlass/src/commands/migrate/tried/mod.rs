//! `windlass migrate verify`: each migration on a scratch copy, up, down and up again, by the ordinary engine.
//!
//! What ran is tried on an empty database from the first on: only so is known what was before it. What is pending is tried on a
//! copy of the database, with its rows.

mod bench;
mod walk;

pub use walk::Tried;

use super::world::{Asker, World};
use crate::{
    args::{MigrateVerifyArgs, Tries},
    commands::{
        copies::{Broken, secret, source},
        drive::Signals,
    },
    exit::{Exit, Failure},
    journal, terminal, wiring,
};
use bench::Bench;
use walk::{Back, Led, Walk};
use windlass_document::Severity;
use windlass_driver::{Secrets as _, Stopping};
use windlass_drivers::{
    backup::Source,
    scratch::{self, Order},
};
use windlass_plan::{
    Target, Value,
    migrations::{Asked, FolderFinding, RowState, up as choose_up},
};
use windlass_report::{Mark, Text, duration, pad, width};

/// What came of it.
#[derive(Default)]
pub struct Outcome {
    pub tried: Vec<Tried>,
    pub findings: Vec<FolderFinding>,
}

/// Tries what is asked for.
pub fn run(args: &MigrateVerifyArgs, world: &World) -> Result<Outcome, Failure> {
    let mut outcome = Outcome::default();
    let asked = Asked { out_of_order: true, ..Asked::default() };
    let pending = choose_up(&world.folder, &world.survey, &asked).unwrap_or_default();
    let known =
        world.survey.rows.iter().filter(|row| matches!(row.state, RowState::Applied | RowState::Edited));
    let known: Vec<usize> = known.filter_map(|row| row.migration).collect();
    let known = if args.tries == Tries::All { known } else { Vec::new() };
    let wanted = [(true, known), (false, pending)].into_iter().filter(|(_, list)| !list.is_empty());
    let wanted: Vec<(bool, Vec<usize>)> = if args.tries == Tries::None { vec![] } else { wanted.collect() };
    if wanted.is_empty() {
        return Ok(outcome);
    }
    journal::make_state(&world.place)?;
    // A dump waits for definitions that change, and what changes them waits for the dump.
    if let Some(store) = journal::open_existing(&world.place)? {
        let is_free = journal::block_on(journal::refuse_busy(&store))?;
        is_free.map_err(|failure| failure.hint("`--try none` compares the files only"))?;
    }
    let live = source(&world.config.targets, &world.on, &world.secrets, &world.place)?;
    let stopping = Stopping::default();
    let runtime = wiring::runtime()?;
    let result = runtime.block_on(async {
        let mut signals = Signals::listen().map_err(Broken::Failed)?;
        let asked = stopping.clone();
        let watching = tokio::spawn(async move {
            loop {
                signals.any().await;
                asked.stop();
            }
        });
        for (on_empty, list) in &wanted {
            one_copy(args, world, (&live, *on_empty, &stopping), list, &mut outcome).await?;
        }
        watching.abort();
        Ok(())
    });
    runtime.shutdown_background();
    match result {
        Ok(()) => Ok(outcome),
        Err(Broken::Interrupted) => {
            terminal::line("Stopped; the copies are gone, the live database is as it was.");
            Err(Failure::shown(Exit::Interrupted))
        }
        Err(Broken::Failed(failure)) => {
            Err(failure.hint("the live database is as it was; `--try none` compares the files only"))
        }
    }
}

async fn one_copy(
    args: &MigrateVerifyArgs,
    world: &World,
    (live, on_empty, stopping): (&Source, bool, &Stopping),
    list: &[usize],
    outcome: &mut Outcome,
) -> Result<(), Broken> {
    let progress = |line: &str| terminal::line(&format!("{}: {line}", world.on));
    let folder = world.place.state().join("scratch");
    let scratch = scratch::make(&Order {
        source: live,
        backup: None,
        server: None,
        is_private: args.private,
        sample: args.sample.filter(|_| !on_empty),
        is_empty: on_empty,
        tools: args.tools.as_deref(),
        folder: &folder,
        progress: &progress,
    })
    .map_err(|mut failure| {
        failure.message = world.secrets.mask(&failure.message);
        Broken::Failed(Failure { exit: Exit::Refused, ..Failure::from(failure) })
    })?;
    for note in scratch.notes() {
        progress(note);
    }
    let names = (world.on.as_str(), live.database());
    let bench = Bench::new(names, scratch, world.secrets.clone(), stopping, world.place.base.clone())?;
    let Some(Target::Url { kind, .. }) = world.config.targets.get(&world.on) else {
        return Err(Broken::Failed(Failure::wrong(format!("target `{}` is no database", world.on))));
    };
    let target = Target::Url { url: Value::Secret(secret(&world.on)), kind: *kind };
    let asker = Asker::new(&world.place, (&world.on, Some(&target)), world.dialect, bench.secrets());
    let mut walk = Walk {
        world,
        bench: &bench,
        asker: asker.map_err(Broken::Failed)?,
        on_empty,
        tried: Vec::new(),
        findings: Vec::new(),
    };
    let skipped = walk.go(list).await?;
    let (tried, mut findings) = (walk.tried, walk.findings);
    findings.extend(not_come_to(world, &skipped));
    outcome.tried.extend(tried);
    outcome.findings.extend(
        findings
            .into_iter()
            .map(|finding| FolderFinding { message: world.secrets.mask(&finding.message), ..finding }),
    );
    if let Err(failure) = bench.remove() {
        terminal::failure(&world.secrets.mask(&failure.message), &failure.hints);
    }
    Ok(())
}

/// Those behind one that left the copy in a state that nobody knows.
fn not_come_to(world: &World, skipped: &[usize]) -> Option<FolderFinding> {
    let first = world.folder.migrations.get(*skipped.first()?)?;
    let message = match skipped.len() {
        1 => format!("version {} was not tried: the one before it stands in the way", first.version),
        count => format!(
            "version {} and {} behind it were not tried: the one before stands in the way",
            first.version,
            count - 1
        ),
    };
    Some(FolderFinding {
        rule: "migration-not-tried".into(),
        severity: Severity::Warning,
        file: first.up.file.clone(),
        line: 0,
        message,
        help: String::new(),
    })
}

/// What was tried, a line each.
pub fn table(world: &World, tried: &[Tried]) -> Text {
    let mut text = Text::new();
    let version = tried.iter().map(|one| width(&one.version)).max().unwrap_or(0).min(40);
    let mut on_empty = None;
    for one in tried {
        if on_empty != Some(one.on_empty) {
            on_empty = Some(one.on_empty);
            let place =
                if one.on_empty { "an empty database".to_owned() } else { format!("a copy of {}", world.on) };
            text.line().add(Mark::Strong, format!("Tried on {place}: up, down, up again"));
        }
        let down = match one.down {
            Back::Script => "by its script",
            Back::Recorded => "as recorded",
            Back::None => "no way back",
            Back::Repeatable => "repeatable",
        };
        let (mark, led) = match one.led {
            Led::Exact => (Mark::Good, "exact"),
            Led::ColumnOrder => (Mark::Good, "equal but column order"),
            Led::RowsDiffer => (Mark::Warn, "schema equal, rows lost"),
            Led::Different => (Mark::Bad, "different"),
            Led::Failed => (Mark::Bad, "failed"),
            Led::NotGone => (Mark::Dim, "not taken back"),
        };
        let line = format!("  {}  {:<13}  ", pad(&one.version, version), down);
        text.line().plain(line).add(mark, format!("{led:<23}"));
        let again = match one.again {
            Some(true) => "again: the same",
            Some(false) => "again: not the same",
            None => "",
        };
        text.plain(format!("  {again:<19}  {}", duration(one.up_ms)));
    }
    text
}
