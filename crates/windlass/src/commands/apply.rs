//! `windlass apply`: check, show, ask, run.

use super::{
    drive::{Drive, Work, check_names, new_run},
    plan::survey,
};
use crate::{
    args::ApplyArgs,
    exit::{Exit, Failure, Wanted},
    journal, project,
    secrets::SecretStore,
    terminal, wiring,
};
use std::{path::Path, sync::Arc};
use windlass_journal::Store;
use windlass_report::plan_short_text;

/// Runs the command.
pub fn run(args: &ApplyArgs, config: Option<&Path>) -> Result<Exit, Failure> {
    let (_, plan, place) = project::compile_to_run(&args.file, config, args.env.as_deref())?;
    if plan.steps.is_empty() {
        let shown = args.file.display();
        return Err(Failure::wrong(format!(
            "{shown} has no step: there is nothing to run; nothing was started"
        ))
        .hint("steps are fences with braces, such as ```sh {#pull on=app}, and `- [ ]` items"));
    }
    check_names(&plan, &args.driving)?;
    let store = journal::open(&place)?;
    journal::block_on(journal::refuse_busy(store.as_ref() as &dyn Store))??;
    let secrets = Arc::new(SecretStore::new(&place.base));
    let plan = Arc::new(plan);
    let surveys = survey(&place, &plan, &secrets)?;
    terminal::say(&plan_short_text(&plan, &surveys));
    agree(args.yes, "Start it?", "start the plan shown above")?;
    Drive {
        place: &place,
        store,
        secrets,
        run: new_run(wiring::now_ms()),
        work: Work::Start(Box::new(plan.as_ref().clone()), args.on_failure.into()),
        wanted: Wanted::Done,
        driving: &args.driving,
        output: &args.output,
    }
    .go()
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
