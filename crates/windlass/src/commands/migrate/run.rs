//! `windlass migrate up` and `down`: what is open becomes an ordinary plan, and that an ordinary run.

use super::{
    show,
    world::{World, refuse_busy},
};
use crate::{
    args::{MigrateDownArgs, MigrateUpArgs},
    commands::{
        apply::agree,
        drive::{Drive, Work, check_names, new_run},
    },
    env,
    exit::{Exit, Failure, Wanted},
    policy::Start,
    terminal, wiring,
};
use std::path::Path;
use windlass_document::Severity;
use windlass_journal::{Ending, OnFailure, RunId};
use windlass_plan::{
    Class, Plan,
    migrations::{
        Asked, Chosen, Down, FolderFinding, Migration, ROW, RowState, Script, Way, down as choose_down,
        edits, statements, table_of, up as choose_up,
    },
};
use windlass_report::{Mark, Surveys, Text, plan_short_text};

/// `windlass migrate up`.
pub fn up(args: &MigrateUpArgs, config: Option<&Path>) -> Result<Exit, Failure> {
    let world = World::read(&args.place, config)?;
    let asked = Asked { to: args.to.clone(), count: args.steps, out_of_order: args.out_of_order };
    let list =
        choose_up(&world.folder, &world.survey, &asked).map_err(|finding| refused(&world, &[finding]))?;
    let mut list: Vec<usize> = list;
    // What Windlass itself began and left is not dirty: the journal knows each of its statements.
    list.extend(half_done(&world).filter(|at| !list.contains(at)).collect::<Vec<_>>());
    list.sort_unstable();
    let mut findings = against(&world, &list, &asked);
    findings.extend(programs(&world, &list, &args.rerun));
    show::tell(&world, &findings);
    if findings.iter().any(|finding| finding.severity == Severity::Error) {
        return Err(Failure::shown(Exit::Refused));
    }
    if list.is_empty() {
        return nothing(
            args.output.json,
            "Nothing is pending: the database has every migration of the folder.",
        );
    }
    let reason = args.policy.break_glass.as_deref();
    let env = args.place.env.as_deref();
    let start = Start { policy: &world.config.policy, place: &world.place, env, document: None };
    let permit = || start.permit(args.on_failure.into(), reason);
    permit()?;
    let store = refuse_busy(&world.place)?;
    let plan = plan_up(&world, &list, &args.irreversible)?;
    check_names(&plan, &args.driving)?;
    terminal::say(&plan_short_text(&plan, &Surveys::new()));
    agree(args.yes, "Start it?", "run the migrations shown above")?;
    Drive {
        place: &world.place,
        store,
        secrets: world.secrets.clone(),
        run: new_run(wiring::now_ms()),
        work: Work::Start(Box::new(plan), permit()?),
        wanted: Wanted::Done,
        driving: &args.driving,
        output: &args.output,
    }
    .go()
}

fn nothing(json: bool, words: &str) -> Result<Exit, Failure> {
    terminal::line(words);
    if json {
        terminal::print("null\n")?;
    }
    Ok(Exit::Done)
}

/// Migrations that a run of ours left half done.
fn half_done(world: &World) -> impl Iterator<Item = usize> {
    world.folder.migrations.iter().enumerate().filter_map(|(at, migration)| {
        let ran = world.history.up(&migration.version)?;
        let open =
            world.survey.rows.iter().any(|row| {
                row.migration == Some(at) && (row.state.is_open() || row.state == RowState::Dirty)
            });
        (open && !ran.whole).then_some(at)
    })
}

/// How many statements of a migration stand from an earlier try.
fn stand(world: &World, migration: &Migration) -> usize {
    let row =
        world.survey.rows.iter().find(|row| row.version == migration.version && row.migration.is_some());
    let open = row.is_some_and(|row| row.state.is_open() || row.state == RowState::Dirty);
    let ran = world.history.up(&migration.version).filter(|ran| open && !ran.whole);
    ran.map_or(0, |ran| ran.statements.len())
}

/// Everything that stands against running `list`.
fn against(world: &World, list: &[usize], asked: &Asked) -> Vec<FolderFinding> {
    let chosen = |file: &str| {
        list.iter().any(|at| world.folder.migrations.get(*at).is_some_and(|m| m.up.file == file))
    };
    let half: Vec<usize> = half_done(world).collect();
    let mut findings = world.folder.findings.clone();
    for finding in &world.survey.findings {
        let ours =
            half.iter().any(|at| world.folder.migrations.get(*at).is_some_and(|m| m.up.file == finding.file));
        match finding.rule.as_str() {
            "migration-out-of-order" if asked.out_of_order || !chosen(&finding.file) => {}
            "migration-dirty" if ours => {}
            _ => findings.push(finding.clone()),
        }
    }
    findings.extend(edited(world));
    findings
}

/// Statements that ran and stand otherwise in the file now.
pub fn edited(world: &World) -> Vec<FolderFinding> {
    let mut findings = Vec::new();
    let sql = |migration: &&Migration| !migration.repeatable && migration.up.program.is_none();
    for migration in world.folder.migrations.iter().filter(sql) {
        let Some(ran) = world.history.up(&migration.version) else { continue };
        let now = statements(&migration.up, world.dialect);
        let mut found = edits(&ran.statements, &now);
        found.truncate(5);
        let whole = ran.whole
            && world.survey.rows.iter().any(|row| row.version == migration.version && row.state.is_in());
        if found.is_empty() && !(whole && now.len() > ran.statements.len()) {
            continue;
        }
        let mut message =
            format!("version {} was edited where it has run (run {}):", migration.version, ran.run);
        for edit in &found {
            let lines = |sign: &str, text: &str| {
                text.lines().map(|line| format!("\n  {sign} {line}")).collect::<String>()
            };
            message.push_str(&format!("\n  statement {}", edit.statement));
            message.push_str(&lines("-", &edit.ran));
            message.push_str(&edit.now.as_deref().map_or("\n  + (gone)".to_owned(), |now| lines("+", now)));
        }
        if found.is_empty() {
            let more = now.len() - ran.statements.len();
            message.push_str(&format!("\n  {more} more at its end, which would never run"));
        }
        let line = found.first().map_or(0, |edit| edit.line);
        let help = if whole {
            "put the file back as it was, and write the change as a new migration"
        } else {
            "put back what ran; what comes behind it may be edited"
        };
        findings.push(FolderFinding {
            rule: "migration-edited".into(),
            severity: Severity::Error,
            file: migration.up.file.clone(),
            line,
            message,
            help: help.into(),
        });
    }
    findings
}

/// What stands against programs: one of which nobody knows whether it ran, one that nothing here can run.
fn programs(world: &World, list: &[usize], rerun: &[String]) -> Vec<FolderFinding> {
    let mut findings = Vec::new();
    for migration in list.iter().filter_map(|at| world.folder.migrations.get(*at)) {
        let Some(program) = migration.up.program else { continue };
        let mut find = |rule: &str, message: String, help: String| {
            let file = migration.up.file.clone();
            findings.push(FolderFinding {
                rule: rule.into(),
                severity: Severity::Error,
                file,
                line: 0,
                message,
                help,
            });
        };
        let version = &migration.version;
        let unknown = world.history.up(version).filter(|ran| ran.unknown && !rerun.contains(version));
        if let Some(ran) = unknown {
            let message =
                format!("run {} began version {version}, and nobody knows how far it came", ran.run);
            let help = format!(
                "look at the database; `--rerun {version}` runs it again; if it is done, say so: INSERT INTO {} (name, sha256) \
                 VALUES ('{version}', '{}')",
                table_of(world.folder.tool),
                migration.checksum.as_deref().unwrap_or_default(),
            );
            find("migration-unknown-end", message, help);
        }
        let back = match &migration.down {
            Down::Script(back) => back.program,
            _ => None,
        };
        for program in [Some(program), back].into_iter().flatten().filter(|program| !env::is_program(program))
        {
            let message =
                format!("version {version} needs the program {program}, which is not on this machine");
            find("migration-program-missing", message, "install it; nothing was started".to_owned());
        }
    }
    findings
}

/// Programs that take a version back, and that were begun before: they are not run again unasked.
fn programs_back(world: &World, list: &[usize], rerun: &[String]) -> Vec<FolderFinding> {
    let mut findings = Vec::new();
    for migration in list.iter().filter_map(|at| world.folder.migrations.get(*at)) {
        let Down::Script(back) = &migration.down else { continue };
        let version = &migration.version;
        if back.program.is_none() || rerun.contains(version) {
            continue;
        }
        let Some(ran) = world.history.begun_back(version) else { continue };
        findings.push(FolderFinding {
            rule: "migration-unknown-end".into(),
            severity: Severity::Error,
            file: back.file.clone(),
            line: 0,
            message: format!("run {} began to take version {version} back and did not come to its end", ran.run),
            help: format!(
                "look at the database; `--rerun {version}` runs it again; if it is done, say so: DELETE FROM {} WHERE name = '{version}'",
                table_of(world.folder.tool)
            ),
        });
    }
    findings
}

/// The plan. A script back is used where the driver's own undo is worse than it, or is none.
fn plan_up(world: &World, list: &[usize], irreversible: &[String]) -> Result<Plan, Failure> {
    let chosen = |by_script: &dyn Fn(&Migration) -> bool| -> Vec<Chosen> {
        let one = |at: &usize| {
            let migration = world.folder.migrations.get(*at)?;
            let irreversible = irreversible.contains(&migration.version);
            let is_program = migration.up.program.is_some();
            let fits = matches!(&migration.down, Down::Script(back) if is_program || back.program.is_none());
            let by_script = !irreversible && fits && (is_program || by_script(migration));
            Some(Chosen { migration: *at, ran: stand(world, migration), by_script, irreversible })
        };
        list.iter().filter_map(one).collect()
    };
    let own = world.plan(Way::Up, &chosen(&|_| false));
    let step_class = |migration: &Migration| {
        let id = windlass_plan::migrations::step_id(&migration.version);
        let plan = own.as_ref().ok();
        plan.and_then(|plan| plan.steps.iter().find(|step| step.id.0 == id)).map(|step| step.class)
    };
    if let Ok(plan) = &own
        && plan.class <= Class::Lossy
    {
        return Ok(plan.clone());
    }
    let classes: std::collections::BTreeMap<String, Option<Class>> = list
        .iter()
        .filter_map(|at| world.folder.migrations.get(*at))
        .map(|m| (m.version.clone(), step_class(m)))
        .collect();
    let worse = |migration: &Migration| {
        classes.get(&migration.version).copied().flatten().is_none_or(|class| class > Class::Lossy)
    };
    world.plan(Way::Up, &chosen(&worse)).map_err(|findings| refused(world, &findings))
}

fn refused(world: &World, findings: &[FolderFinding]) -> Failure {
    show::tell(world, findings);
    Failure::shown(Exit::Refused)
}

/// `windlass migrate down`.
pub fn down(args: &MigrateDownArgs, config: Option<&Path>) -> Result<Exit, Failure> {
    let mut world = World::read(&args.place, config)?;
    let asked = Asked { to: args.to.clone(), count: args.steps, out_of_order: false };
    let list =
        choose_down(&world.folder, &world.survey, &asked).map_err(|finding| refused(&world, &[finding]))?;
    let dirty: Vec<FolderFinding> = world
        .survey
        .findings
        .iter()
        .filter(|finding| matches!(finding.rule.as_str(), "migration-dirty" | "migration-locked"))
        .cloned()
        .collect();
    let dirty = [dirty, programs_back(&world, &list, &args.rerun)].concat();
    if !dirty.is_empty() {
        return Err(refused(&world, &dirty));
    }
    if list.is_empty() {
        return nothing(args.output.json, "Nothing to take back: the database has none of these migrations.");
    }
    recorded_ways_back(&mut world, &list);
    let migrations: Vec<&Migration> = list.iter().filter_map(|at| world.folder.migrations.get(*at)).collect();
    let without: Vec<&&Migration> =
        migrations.iter().filter(|migration| !matches!(migration.down, Down::Script(_))).collect();
    if !without.is_empty() {
        return by_rollback(&world, args, &migrations, &without);
    }
    let chosen: Vec<Chosen> = list
        .iter()
        .filter_map(|at| Some((at, world.folder.migrations.get(*at)?)))
        .map(|(at, migration)| Chosen {
            migration: *at,
            ran: 0,
            by_script: false,
            irreversible: args.irreversible.contains(&migration.version),
        })
        .collect();
    let store = refuse_busy(&world.place)?;
    let plan = world.plan(Way::Down, &chosen).map_err(|findings| refused(&world, &findings))?;
    check_names(&plan, &args.driving)?;
    terminal::say(&plan_short_text(&plan, &Surveys::new()));
    agree(args.yes, "Take them back by their own scripts?", "take back what is shown above")?;
    Drive {
        place: &world.place,
        store,
        secrets: world.secrets.clone(),
        run: new_run(wiring::now_ms()),
        work: Work::Start(Box::new(plan), OnFailure::Unwind.into()),
        wanted: Wanted::Done,
        driving: &args.driving,
        output: &args.output,
    }
    .go()
}

/// Programs without a script back whose definitions can be taken away again, as they were recorded.
fn recorded_ways_back(world: &mut World, list: &[usize]) {
    for at in list {
        let Some(migration) = world.folder.migrations.get_mut(*at) else { continue };
        if migration.up.program.is_none() || migration.down != Down::Missing {
            continue;
        }
        let ran = world.history.up(&migration.version);
        let Some(back) = ran.and_then(|ran| ran.back.as_ref()).filter(|back| !back.is_empty()) else {
            continue;
        };
        let mut text = Text::new();
        text.line().plain(format!("No script back for {}:", migration.version));
        let words = "the definitions that it made are taken away, as they were recorded. What it did to rows of other tables \
                     stays; nobody recorded that.";
        text.wrapped("  ", Mark::Warn, words);
        for statement in back {
            text.line().plain(format!("  {statement}"));
        }
        terminal::say(&text);
        migration.down = Down::Script(Script::sql(&migration.up.file, 1, back.join(";\n")));
    }
}

/// No script back: the run that brought them is taken back, if it brought exactly these. Never "done" with nothing undone.
fn by_rollback(
    world: &World,
    args: &MigrateDownArgs,
    migrations: &[&Migration],
    without: &[&&Migration],
) -> Result<Exit, Failure> {
    let mut wanted: Vec<String> =
        migrations.iter().map(|migration| windlass_plan::migrations::step_id(&migration.version)).collect();
    wanted.sort();
    let brought = world.history.newest.as_ref().map(|(run, steps)| {
        let mut steps: Vec<String> =
            steps.iter().filter(|step| *step != "table" && !step.ends_with(ROW)).cloned().collect();
        steps.sort();
        (run.clone(), steps)
    });
    let has_program = without.iter().any(|migration| migration.up.program.is_some());
    if let Some((run, steps)) = &brought
        && *steps == wanted
        && !has_program
    {
        return rollback(world, args, run, without);
    }
    let findings: Vec<FolderFinding> =
        without.iter().map(|migration| no_way_back(world, migration)).collect();
    Err(refused(world, &findings))
}

fn no_way_back(world: &World, migration: &Migration) -> FolderFinding {
    let message = match &migration.down {
        Down::Empty(_) => format!(
            "the script back of version {} has no statement: nothing would be taken back",
            migration.version
        ),
        _ => format!("version {} has no script back: nothing would be taken back", migration.version),
    };
    let run = world.history.up(&migration.version).filter(|ran| ran.ending == Some(Ending::Done));
    let help = match run {
        Some(ran) if migration.up.program.is_some() => format!(
            "it is a program, and what it changed cannot be taken back by itself ({}): a person does it, or a script \
             `{}.down.…`",
            if ran.changed.is_empty() { "nothing was recorded".to_owned() } else { ran.changed.join("; ") },
            migration.version
        ),
        Some(ran) => format!(
            "`windlass rollback {}` takes back the run that brought it, with everything else of that run; or write the script",
            ran.run
        ),
        None => "Windlass did not bring it, so it knows no way back; write the script".to_owned(),
    };
    FolderFinding {
        rule: "migration-without-down".into(),
        severity: Severity::Error,
        file: migration.up.file.clone(),
        line: 0,
        message,
        help,
    }
}

fn rollback(
    world: &World,
    args: &MigrateDownArgs,
    run: &RunId,
    without: &[&&Migration],
) -> Result<Exit, Failure> {
    let versions: Vec<&str> = without.iter().map(|migration| migration.version.as_str()).collect();
    terminal::line(&format!(
        "No script back for {}: run {run}, which brought exactly these migrations, is taken back by what it recorded.",
        versions.join(", ")
    ));
    agree(args.yes, "Take it back?", "take the run back")?;
    Drive {
        place: &world.place,
        store: refuse_busy(&world.place)?,
        secrets: world.secrets.clone(),
        run: run.clone(),
        work: Work::Rollback("windlass migrate down".to_owned()),
        wanted: Wanted::Undone,
        driving: &args.driving,
        output: &args.output,
    }
    .go()
}
