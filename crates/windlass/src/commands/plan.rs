//! `windlass plan`: what would change, looked at in the real world; with `--json` the bytes that are hashed.

use crate::{
    args::PlanArgs,
    exit::{Exit, Failure},
    project::{self, Place},
    secrets::SecretStore,
    terminal, wiring,
};
use std::{path::Path, sync::Arc, time::Duration};
use windlass_driver::{Drivers, Secrets as _};
use windlass_plan::{Plan, Unit, canonical_json};
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

/// Asks every driver what its units would change. What could not be looked at is a problem of that unit.
pub fn survey(place: &Place, plan: &Arc<Plan>, secrets: &Arc<SecretStore>) -> Result<Surveys, Failure> {
    let drivers = wiring::drivers()?;
    wiring::runtime()?.block_on(async {
        let mut surveys = Surveys::new();
        for (_, unit) in plan.units() {
            surveys.insert(unit.id.clone(), one(place, plan, secrets, &drivers, unit).await);
        }
        Ok(surveys)
    })
}

async fn one(
    place: &Place,
    plan: &Arc<Plan>,
    secrets: &Arc<SecretStore>,
    drivers: &Drivers,
    unit: &Unit,
) -> Surveyed {
    let Some(driver) = drivers.get(unit.driver) else {
        let problems = vec!["this version has no driver for it".to_owned()];
        return Surveyed { effects: Vec::new(), problems };
    };
    let cx = wiring::survey_context(place, plan, secrets, unit);
    let mask = |lines: Vec<String>| lines.iter().map(|line| secrets.mask(line)).collect();
    match tokio::time::timeout(SURVEY_MAX, driver.survey(&cx, unit)).await {
        Ok(Ok(survey)) => Surveyed { effects: mask(survey.effects), problems: mask(survey.problems) },
        Ok(Err(failure)) => Surveyed { effects: Vec::new(), problems: mask(vec![failure.message]) },
        Err(_) => {
            let problem = format!("it could not be looked at within {} s", SURVEY_MAX.as_secs());
            Surveyed { effects: Vec::new(), problems: vec![problem] }
        }
    }
}
