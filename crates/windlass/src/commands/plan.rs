//! `windlass plan`: what would change, looked at in the real world, for people or as a comment; with `--json` the bytes that
//! are hashed.

use super::{found, open::Open};
use crate::{
    args::{Format, PlanArgs},
    exit::{Exit, Failure},
    notices,
    policy::Start,
    project::{self, Compiled, Place},
    secrets::SecretStore,
    terminal, wiring,
};
use std::{cell::Cell, collections::BTreeMap, path::Path, sync::Arc, time::Duration};
use windlass_driver::{Drivers, Fault, Secrets as _};
use windlass_drivers::{host::Hosts, preflight};
use windlass_plan::{Action, Catalogs, Checked, Plan, Unit, UnitId, canonical_json};
use windlass_report::{Surveyed, Surveys, Text, plan_text, preflight_text, rehearsed_text};

/// A look at the world for one unit may take this long.
const SURVEY_MAX: Duration = Duration::from_secs(30);

/// Runs the command.
pub fn run(args: &PlanArgs, config: Option<&Path>) -> Result<Exit, Failure> {
    let (env, format) = (args.env.as_deref(), args.output.format());
    if format == Format::Json {
        let (_, plan, _) = project::compile_to_run(&args.file, config, env)?;
        // No line end: these bytes are what the digest is made of.
        terminal::print(&canonical_json(&plan))?;
        return Ok(Exit::Done);
    }
    let told = Cell::new(false);
    let show = |compiled: &Compiled| {
        told.set(true);
        found::show(format, compiled)
    };
    let (mut compiled, plan, place) = match project::compile_to_judge(&args.file, config, env, show) {
        Err(failure) if !told.get() => {
            found::show_unread(format, &args.file, &failure)?;
            return Err(failure);
        }
        compiled => compiled?,
    };
    let plan = Arc::new(plan);
    let secrets = Arc::new(SecretStore::new(&place.base));
    find(&mut compiled, &place, &plan, &secrets, args.offline, show)?;
    if format == Format::Sarif {
        return Ok(Exit::Done);
    }
    let (checked, looks) =
        if args.offline { Default::default() } else { look_with_preflight(&place, &plan, &secrets)? };
    let surveys: Surveys = looks.into_iter().map(|(unit, look)| (unit, look.surveyed)).collect();
    let open = Open::of(&compiled, &plan);
    // Of what only this terminal shows nothing is kept back.
    let open = (format != Format::Text).then_some(open);
    // It names programs and files of lines, also of those that are not shown.
    let is_shown = open.as_ref().is_none_or(|open| !open.closes());
    let mut asides = if is_shown { preflight_text(&checked) } else { Text::new() };
    asides.append(rehearsed(&place, &plan, &args.file, open.as_ref()));
    asides.append(notices::text(&compiled.settings.config));
    if !args.offline {
        let policy = &compiled.settings.config.policy;
        asides.append(Start::document(policy, &place, &args.file, env, &plan).text()?);
    }
    if let Some(open) = open {
        terminal::print(&found::comment(&compiled, &plan, &surveys, &asides, &open))?;
    } else {
        let mut text = plan_text(&plan, &surveys);
        text.append(asides);
        terminal::show(&text)?;
    }
    Ok(Exit::Done)
}

/// Shows what is found in the document, with what the catalogs say unless `offline`.
pub fn find(
    compiled: &mut Compiled,
    place: &Place,
    plan: &Arc<Plan>,
    secrets: &Arc<SecretStore>,
    offline: bool,
    show: impl Fn(&Compiled) -> Result<(), Failure>,
) -> Result<(), Failure> {
    if offline { show(compiled) } else { judge(compiled, place, plan, secrets, show) }
}

/// Reads the catalogs of the databases, judges the document with them, and shows what is found.
pub fn judge(
    compiled: &mut Compiled,
    place: &Place,
    plan: &Arc<Plan>,
    secrets: &Arc<SecretStore>,
    show: impl Fn(&Compiled) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let (catalogs, unknown) = catalogs(place, plan, secrets)?;
    project::judge(compiled, place, &catalogs, show)?;
    for line in unknown {
        terminal::line(&format!("not known: {line}"));
    }
    Ok(())
}

/// The catalogs of the databases that statements run on, and what could not be looked at.
fn catalogs(
    place: &Place,
    plan: &Arc<Plan>,
    secrets: &Arc<SecretStore>,
) -> Result<(Catalogs, Vec<String>), Failure> {
    let mut targets: BTreeMap<&str, Vec<&Unit>> = BTreeMap::new();
    for (_, unit) in plan.units() {
        if let Action::Sql { target, .. } = &unit.action {
            targets.entry(target).or_default().push(unit);
        }
    }
    let (mut catalogs, mut unknown) = (Catalogs::new(), Vec::new());
    if targets.is_empty() {
        return Ok((catalogs, unknown));
    }
    let drivers = wiring::drivers()?;
    wiring::runtime()?.block_on(async {
        for (target, units) in targets {
            let Some(driver) = units.first().and_then(|unit| drivers.get(unit.driver)) else { continue };
            let cx = wiring::survey_context(place, plan, secrets.clone(), units[0]);
            match tokio::time::timeout(SURVEY_MAX, driver.catalog(&cx, &units)).await {
                Ok(Ok(Some(live))) => {
                    unknown.extend(live.unknown.iter().map(|line| format!("{target}: {line}")));
                    catalogs.insert(target.to_owned(), live);
                }
                Ok(Ok(None)) => {}
                Ok(Err(failure)) => unknown.push(unread(target, &failure.message)),
                Err(_) => {
                    unknown.push(unread(target, &format!("no answer within {} s", SURVEY_MAX.as_secs())));
                }
            }
        }
    });
    let unknown = unknown.iter().map(|line| secrets.mask(line)).collect();
    Ok((catalogs, unknown))
}

fn unread(target: &str, why: &str) -> String {
    format!("{target}: its catalog could not be read, so statements are judged by their text alone: {why}")
}

/// What a rehearsal of the document has shown, if there was one.
///
/// With `open` nothing of what is not.
pub fn rehearsed(place: &Place, plan: &Plan, document: &Path, open: Option<&Open>) -> Text {
    let found = super::rehearse::load(place, document);
    let found = found.map(|found| match open {
        Some(open) => open.of_rehearsal(found, plan),
        None => found,
    });
    rehearsed_text(found.as_ref(), plan, &super::drive::zone(place))
}

/// Asks every driver what its units would change.
pub fn survey(place: &Place, plan: &Arc<Plan>, secrets: &Arc<SecretStore>) -> Result<Surveys, Failure> {
    Ok(look(place, plan, secrets)?.into_iter().map(|(unit, look)| (unit, look.surveyed)).collect())
}

/// The same, with what is known of the problems.
pub fn look(
    place: &Place,
    plan: &Arc<Plan>,
    secrets: &Arc<SecretStore>,
) -> Result<BTreeMap<UnitId, Look>, Failure> {
    let drivers = wiring::drivers()?;
    Ok(wiring::runtime()?.block_on(units(place, plan, secrets, &drivers)))
}

/// The same, behind a look at all hosts, over the same connections.
pub fn look_with_preflight(
    place: &Place,
    plan: &Arc<Plan>,
    secrets: &Arc<SecretStore>,
) -> Result<(Vec<Checked>, BTreeMap<UnitId, Look>), Failure> {
    let hosts = Hosts::default();
    let drivers = wiring::drivers_over(hosts.clone())?;
    wiring::runtime()?.block_on(async {
        let cx = wiring::look_context(place, plan, secrets.clone());
        let checked = preflight::look(&cx, &hosts, place.workspaces()).await;
        Ok((checked, units(place, plan, secrets, &drivers).await))
    })
}

async fn units(
    place: &Place,
    plan: &Arc<Plan>,
    secrets: &Arc<SecretStore>,
    drivers: &Drivers,
) -> BTreeMap<UnitId, Look> {
    let mut looks = BTreeMap::new();
    for (_, unit) in plan.units() {
        looks.insert(unit.id.clone(), one(place, plan, secrets, drivers, unit).await);
    }
    looks
}

/// What a look at the world said about a unit. What could not be looked at is a problem of that unit.
pub struct Look {
    pub surveyed: Surveyed,
    pub problems: Standing,
}

/// How long problems stand in the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Whatever is done before: the document or the configuration is wrong.
    Always,
    /// Until something before the unit changes the world.
    UntilChanged,
    /// Perhaps only now: something was busy, or did not answer.
    Passing,
}

impl Look {
    fn problem(problem: String, problems: Standing) -> Self {
        Self { surveyed: Surveyed { effects: Vec::new(), problems: vec![problem] }, problems }
    }
}

async fn one(
    place: &Place,
    plan: &Arc<Plan>,
    secrets: &Arc<SecretStore>,
    drivers: &Drivers,
    unit: &Unit,
) -> Look {
    let Some(driver) = drivers.get(unit.driver) else {
        return Look::problem("this version has no driver for it".to_owned(), Standing::Always);
    };
    let cx = wiring::survey_context(place, plan, secrets.clone(), unit);
    let mask = |lines: Vec<String>| lines.iter().map(|line| secrets.mask(line)).collect();
    match tokio::time::timeout(SURVEY_MAX, driver.survey(&cx, unit)).await {
        Ok(Ok(survey)) => {
            let surveyed = Surveyed { effects: mask(survey.effects), problems: mask(survey.problems) };
            Look { surveyed, problems: Standing::UntilChanged }
        }
        Ok(Err(failure)) => {
            let standing = match failure.fault {
                _ if failure.retry => Standing::Passing,
                Fault::Document => Standing::Always,
                Fault::Target => Standing::UntilChanged,
                Fault::Transport | Fault::Windlass => Standing::Passing,
            };
            Look::problem(secrets.mask(&failure.message), standing)
        }
        Err(_) => {
            let problem = format!("it could not be looked at within {} s", SURVEY_MAX.as_secs());
            Look::problem(problem, Standing::Passing)
        }
    }
}
