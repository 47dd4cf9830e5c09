//! `windlass apply`: check, show, ask, run.

use super::{
    drive::{Drive, Work, check_names, is_gate, new_run},
    plan::{Look, Standing, judge, look_with_preflight, rehearsed},
};
use crate::{
    args::{ApplyArgs, DrivingArgs},
    exit::{Exit, Failure, Wanted},
    journal, notices, policy, project,
    secrets::SecretStore,
    terminal, wiring,
};
use std::{collections::BTreeMap, fmt::Display, path::Path, sync::Arc};
use windlass_journal::{Begin, Store};
use windlass_plan::{Checked, Plan, State, UnitId};
use windlass_report::{plan_short_text, preflight_short_text};

/// Problems listed when a run is refused because of them; the plan above shows all.
const LISTED_MAX: usize = 5;

/// Runs the command.
pub fn run(args: &ApplyArgs, config: Option<&Path>) -> Result<Exit, Failure> {
    let (mut compiled, plan, place) =
        project::compile_to_judge(&args.file, config, args.env.as_deref(), project::print)?;
    if plan.steps.is_empty() {
        terminal::findings(&compiled);
        let shown = args.file.display();
        return Err(Failure::wrong(format!(
            "{shown} has no step: there is nothing to run; nothing was started"
        ))
        .hint("steps are fences with braces, such as ```sh {#pull on=app}, and `- [ ]` items"));
    }
    check_names(&plan, &args.driving)?;
    let reason = args.policy.break_glass.as_deref();
    let policy = compiled.settings.config.policy.clone();
    let plan = Arc::new(plan);
    let start = policy::Start::document(&policy, &place, &args.file, args.env.as_deref(), &plan);
    let permit = || start.permit(args.on_failure.into(), reason);
    permit()?;
    let store = journal::open(&place)?;
    journal::block_on(journal::refuse_busy(store.as_ref() as &dyn Store))??;
    let secrets = Arc::new(SecretStore::new(&place.base));
    judge(&mut compiled, &place, &plan, &secrets, project::print)?;
    let (checked, looks) = look_with_preflight(&place, &plan, &secrets)?;
    let mut certain = stopping(&checked);
    let hosts = certain.len();
    let in_words = |(unit, problem): (UnitId, String)| (unit.0, problem);
    certain.extend(certain_problems(&plan, &looks, &args.driving).into_iter().map(in_words));
    let found = looks.values().any(|look| !look.surveyed.problems.is_empty());
    let surveys = looks.into_iter().map(|(unit, look)| (unit, look.surveyed)).collect();
    let mut text = plan_short_text(&plan, &surveys);
    text.append(preflight_short_text(&checked));
    text.append(rehearsed(&place, &plan, &args.file, None));
    text.append(notices::text(&compiled.settings.config));
    terminal::say(&text);
    let question = match certain.first() {
        Some((host, _)) if hosts > 0 => format!("Start it, although {host} is not ready for it?"),
        Some((unit, _)) => format!("Start it, although it is certain to stop at {unit}?"),
        None if found => "Steps before the problems may mend them. Start it?".to_owned(),
        None => "Start it?".to_owned(),
    };
    if args.yes && !args.despite_problems && !certain.is_empty() {
        return Err(refused(&certain));
    }
    agree(args.yes, &question, "start the plan shown above")?;
    // The answer may have come when the window was over.
    let begin = Begin { origin: place.origin(&args.file, args.env.as_deref()), ..permit()? };
    Drive {
        place: &place,
        store,
        secrets,
        run: new_run(wiring::now_ms()),
        work: Work::Start(Box::new(plan.as_ref().clone()), begin),
        wanted: Wanted::Done,
        driving: &args.driving,
        output: &args.output,
    }
    .go()
}

/// What is certain to stop the run: nothing that comes before in the plan can change it.
pub fn certain_problems(
    plan: &Plan,
    looks: &BTreeMap<UnitId, Look>,
    driving: &DrivingArgs,
) -> Vec<(UnitId, String)> {
    let passed = |step: &windlass_plan::Step, unit: &windlass_plan::Unit| {
        is_gate(unit) && driving.confirm.iter().any(|id| id == "all" || *id == step.id.0 || *id == unit.id.0)
    };
    let mut problems = Vec::new();
    for (_, unit) in plan.units() {
        let Some(look) = looks.get(&unit.id).filter(|look| !look.surveyed.problems.is_empty()) else {
            continue;
        };
        let certain = match look.problems {
            Standing::Always => true,
            Standing::UntilChanged => plan.certain(&unit.id, passed),
            Standing::Passing => false,
        };
        if certain {
            let own = look.surveyed.problems.iter();
            problems.extend(own.map(|problem| (unit.id.clone(), problem.clone())));
        }
    }
    problems
}

/// What the pre-flight found that a run would stop at, with its host.
fn stopping(checked: &[Checked]) -> Vec<(String, String)> {
    let name = |host: &str| if host == "local" { "this machine".to_owned() } else { host.to_owned() };
    let errors = checked.iter().filter(|one| one.state == State::Error);
    errors.map(|one| (name(&one.host), format!("{}: {}", one.what, one.said))).collect()
}

/// The refusal because of them; each with its unit or host.
pub fn refused(problems: &[(impl Display, String)]) -> Failure {
    let mut message =
        "the run is certain to stop at what stands in its way now; nothing was started".to_owned();
    for (place, problem) in problems.iter().take(LISTED_MAX) {
        message.push_str(&format!("\n  {place}: {problem}"));
    }
    let more = problems.len().saturating_sub(LISTED_MAX);
    if more > 0 {
        message.push_str(&format!("\n  and {more} more, shown above"));
    }
    Failure::refused(message)
        .hint("mend it and try once more; `windlass plan` looks again without starting anything")
        .hint("`--despite-problems` starts all the same, and the run goes back when it gets there")
}

/// The one question that `--yes` answers. Without a terminal and without `--yes` nothing starts.
pub fn agree(yes: bool, question: &str, what: &str) -> Result<(), Failure> {
    if yes {
        return Ok(());
    }
    if !terminal::can_ask() {
        return Err(Failure::wrong("nobody can be asked here, so nothing was started")
            .hint(format!("`--yes` says to {what} without asking")));
    }
    if terminal::yes_or_no(question) {
        Ok(())
    } else {
        terminal::line("Nothing was started.");
        Err(Failure::shown(Exit::Wrong))
    }
}
