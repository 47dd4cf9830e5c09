//! What was edited in the document of a run since it began: looked at before the run goes on.

use super::{
    apply::{agree, certain_problems, refused},
    drive::{Work, settle},
    plan::look,
};
use crate::{
    args::{DrivingArgs, ResumeArgs},
    exit::Failure,
    policy,
    project::{self, Compiled, Place},
    secrets::SecretStore,
    terminal,
};
use std::{path::PathBuf, sync::Arc};
use windlass_document::LineIndex;
use windlass_driver::Secrets as _;
use windlass_journal::{Direction, Edit, RunState, SqliteStore, Touched};
use windlass_plan::{Action, Plan, Target, Unit, Unkept, Value};
use windlass_report::{Surveys, Text, begun_text, plan_rest_text, tail_text};

/// A run that is to go on, and what its document is compared by.
pub struct GoingOn<'a> {
    pub place: &'a Place,
    pub store: &'a Arc<SqliteStore>,
    pub secrets: &'a Arc<SecretStore>,
    pub driving: &'a DrivingArgs,
    pub run: &'a RunState,
}

/// A document that says something else than the plan of its run.
struct Edited {
    file: PathBuf,
    compiled: Compiled,
    /// As approvers see it: what has begun does not change it.
    plan: Plan,
}

impl GoingOn<'_> {
    /// For a command that goes on with the plan as it is: a document that was edited ends it.
    pub fn refuse_edited(&self) -> Result<(), Failure> {
        let Some(Edited { plan, .. }) = self.edited()? else { return Ok(()) };
        let run = self.settled()?;
        let (plan, edit) = run.fit(&plan);
        if let Edit::Begun(touched) = edit {
            return Err(self.begun(&run, &plan, &touched));
        }
        terminal::say(&self.tail(&run, &plan));
        let name = &plan.document.name;
        let failure = Failure::refused(format!("{name} was edited since the run began; nothing was done"))
            .hint(format!("`windlass resume {}` takes the edit over, and goes on", run.id));
        Err(self.ways_on(failure))
    }

    /// How to go on: with what the document says now, if only what has not begun was edited and a person agrees, else as it is.
    pub fn work(&self, args: &ResumeArgs) -> Result<(Work, Arc<Plan>), Failure> {
        let as_it_is = || (Work::Resume, self.run.plan.clone());
        if args.edited.as_planned {
            return Ok(as_it_is());
        }
        let Some(edited) = self.edited()? else { return Ok(as_it_is()) };
        let run = self.settled()?;
        let (plan, edit) = run.fit(&edited.plan);
        if let Edit::Begun(touched) = edit {
            return Err(self.begun(&run, &plan, &touched));
        }
        let Edited { file, mut compiled, plan: approved } = edited;
        let rules = compiled.settings.config.policy.clone();
        let env = self.run.origin.as_ref().and_then(|origin| origin.env.as_deref());
        let start = policy::Start::document(&rules, self.place, &file, env, &approved);
        let permit = || start.permit(run.on_failure, args.policy.break_glass.as_deref());
        findings_of_rest(&mut compiled, &run, &plan);
        terminal::say(&self.tail(&run, &plan));
        permit().map_err(|failure| self.ways_on(failure))?;
        self.ask(&run, &plan, args)?;
        // The answer may have come when the window was over.
        let begin = permit()?;
        let plan = Arc::new(plan);
        Ok((Work::Replan(run.digest.clone(), Box::new(plan.as_ref().clone()), begin), plan))
    }

    /// Shows what is to run now, as the world is, and asks.
    fn ask(&self, run: &RunState, plan: &Plan, args: &ResumeArgs) -> Result<(), Failure> {
        let open = Arc::new(open(run, plan));
        let mut looks = look(self.place, &open, self.secrets)?;
        looks.retain(|unit, _| !run.has_begun(unit));
        let certain = certain_problems(&open, &looks, self.driving);
        let surveys: Surveys = looks.into_iter().map(|(unit, look)| (unit, look.surveyed)).collect();
        let mut text = Text::new();
        text.line().append(plan_rest_text(run, plan, &surveys));
        terminal::say(&text);
        if args.yes && !args.despite_problems && !certain.is_empty() {
            return Err(self.ways_on(refused(&certain)));
        }
        let question = match certain.first() {
            Some((unit, _)) => format!("Go on with it, although it is certain to stop at {unit}?"),
            None => "Go on with it?".to_owned(),
        };
        agree(args.yes, &question, "take over the edit shown above").map_err(|failure| self.ways_on(failure))
    }

    /// What the document says now. `None`: the run can go on as it is.
    ///
    /// A run that goes back is not asked about: what ran is what is taken back. Nor is one of a command: nobody edits its document.
    fn edited(&self) -> Result<Option<Edited>, Failure> {
        let run = self.run;
        let goes_forward = run.ending.is_none() && run.direction == Direction::Forward;
        let Some(origin) = run.origin.as_ref().filter(|_| goes_forward) else { return Ok(None) };
        let file = self.place.base.join(&origin.path);
        let config = Some(self.place.config.as_path());
        let mut compiled = project::compile_file(&file, config, origin.env.as_deref())
            .map_err(|failure| self.unreadable(&failure.message))?;
        let unread = compiled.unread.take();
        let Some(plan) = compiled.plan.take().filter(|_| unread.is_none()) else {
            terminal::findings(&compiled);
            let why = unread.map_or_else(|| format!("{} has errors now", origin.path), |why| why.message);
            return Err(self.unreadable(&why));
        };
        let (fitted, edit) = run.fit(&plan);
        if fitted.digest() == run.digest {
            return Ok(None);
        }
        if edit == Edit::Same {
            let words = "was edited where it says nothing that runs; the plan stays as it was";
            terminal::line(&format!("{} {words}.", origin.path));
            return Ok(None);
        }
        Ok(Some(Edited { file, compiled, plan }))
    }

    /// The run with the outcome of all that a dead controller had begun: only then it is known what has begun.
    fn settled(&self) -> Result<RunState, Failure> {
        settle(self.place, self.store.clone(), self.secrets.clone(), self.driving, &self.run.id)
    }

    /// The refusal of an edit of what has begun, which is shown.
    fn begun(&self, run: &RunState, plan: &Plan, touched: &Touched) -> Failure {
        self.know(plan);
        terminal::say(&begun_text(run, plan, touched, &|line| self.secrets.mask(line)));
        let name = &plan.document.name;
        let failure =
            Failure::refused(format!("{name} was edited where run {} has begun; nothing was done", run.id));
        self.ways_on(match touched {
            Touched::Kept(Unkept { restarts, edits }) => failure.hint(match edits {
                Some(edits) if run.has_begun(edits) => format!(
                    "leave {restarts} out of this run, or take the run back and apply the document anew"
                ),
                _ => {
                    let late = edits.as_ref().unwrap_or(restarts);
                    format!("put {late} in a block of its own, behind the step that has begun")
                }
            }),
            _ => failure.hint("put back what has begun; what comes behind it may be edited"),
        })
    }

    fn tail(&self, run: &RunState, plan: &Plan) -> Text {
        self.know(plan);
        let mut text = Text::new();
        text.line().plain(format!("{} was edited where nothing has begun:", plan.document.name));
        text.append(tail_text(run, plan, &|line| self.secrets.mask(line)));
        text
    }

    fn unreadable(&self, why: &str) -> Failure {
        let words = "whether the document of the run was edited is not known; nothing was done";
        let failure = Failure::refused(format!("{why}\n{words}"));
        self.ways_on(failure.hint(format!("mend it, then `windlass resume {}`", self.run.id)))
    }

    fn ways_on(&self, failure: Failure) -> Failure {
        let run = &self.run.id;
        failure
            .hint(format!("`windlass resume {run} --as-planned` goes on with the plan that was started"))
            .hint(format!("`windlass rollback {run}` takes back what ran"))
    }

    /// Secrets of both plans are known before anything of them is shown. One that cannot be resolved cannot be shown either.
    fn know(&self, plan: &Plan) {
        for target in self.run.plan.targets.values().chain(plan.targets.values()) {
            if let Target::Url { url: Value::Secret(secret), .. } = target {
                let _ = self.secrets.resolve(secret);
            }
        }
    }
}

/// Prints what is found in the part that has not begun; what is said of the rest was said before it began.
fn findings_of_rest(compiled: &mut Compiled, run: &RunState, plan: &Plan) {
    let open = plan.units().filter(|(_, unit)| !run.has_begun(&unit.id));
    let first = open.map(|(_, unit)| unit.line).min().unwrap_or(usize::MAX);
    let lines = LineIndex::new(&compiled.source.text);
    compiled.findings.retain(|finding| lines.line(finding.span.start) >= first);
    terminal::findings(compiled);
}

/// The plan as far as it has not begun, for a look at the world as it is now: what has begun is in it already. Settings of a session
/// are made again before what follows them, and backups are looked for by those that go back to them.
fn open(run: &RunState, plan: &Plan) -> Plan {
    let mut open = plan.clone();
    let helps = |unit: &Unit| {
        matches!(unit.action, Action::Sql { session: true, .. } | Action::Backup { .. } | Action::Watch(_))
    };
    for step in &mut open.steps {
        step.units.retain(|unit| !run.has_begun(&unit.id) || helps(unit));
    }
    open.steps.retain(|step| !step.units.is_empty());
    open
}
