//! `windlass plan`: what would change, looked at in the real world; with `--json` the bytes that are hashed.

use crate::{
    args::PlanArgs,
    exit::{Exit, Failure},
    project::{self, Place},
    secrets::SecretStore,
    terminal, wiring,
};
use std::{collections::BTreeMap, path::Path, sync::Arc, time::Duration};
use windlass_driver::{Drivers, Fault, Secrets as _};
use windlass_plan::{Plan, Unit, UnitId, canonical_json};
use windlass_report::{Surveyed, Surveys, plan_text};

/// A look at the world for one unit may take this long.
const SURVEY_MAX: Duration = Duration::from_secs(30);

/// Runs the command.
pub fn run(args: &PlanArgs, config: Option<&Path>) -> Result<Exit, Failure> {
    let (_, plan, place) = project::compile_to_run(&args.file, config, args.env.as_deref())?;
    if args.output.json {
        // No line end: these bytes are what the digest is made of.
        terminal::print(&canonical_json(&plan))?;
        return Ok(Exit::Done);
    }
    let plan = Arc::new(plan);
    let surveys = match args.offline {
        true => Surveys::new(),
        false => survey(&place, &plan, &Arc::new(SecretStore::new(&place.base)))?,
    };
    terminal::show(&plan_text(&plan, &surveys))?;
    Ok(Exit::Done)
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
    wiring::runtime()?.block_on(async {
        let mut looks = BTreeMap::new();
        for (_, unit) in plan.units() {
            looks.insert(unit.id.clone(), one(place, plan, secrets, &drivers, unit).await);
        }
        Ok(looks)
    })
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
    let cx = wiring::survey_context(place, plan, secrets, unit);
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
