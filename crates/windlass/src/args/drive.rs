//! The commands that drive a run.

use super::OutputArgs;
use clap::{Args, ValueEnum};
use std::path::PathBuf;
use windlass_engine::Fault;
use windlass_journal::{OnFailure, Verb};

pub(super) const APPLY_EXAMPLES: &str = "Examples:
  windlass apply RELEASE.md
  windlass apply RELEASE.md --yes --confirm all        in a pipeline
  windlass apply RELEASE.md --on-failure=stop          wait for me when a step fails
  windlass apply RELEASE.md --break-glass \"the shop is down\"
  windlass apply RELEASE.md --fault crash-after:migrate/2   try what a crash does";

pub(super) const DECIDE_EXAMPLES: &str = "Examples:
  windlass decide retry migrate/2 --reason \"checked the table: nothing there\"
  windlass decide mark-done migrate/2 --reason \"finished it by hand\"
  windlass decide unwind --reason \"go back\"";

#[derive(Debug, Args)]
pub struct ApplyArgs {
    /// Release document.
    pub file: PathBuf,
    /// Use windlass.ENV.toml too; by default the document's `env`.
    #[arg(long, value_name = "ENV")]
    pub env: Option<String>,
    /// Start without asking. Answers only this question: gates still need --confirm or a person.
    #[arg(long)]
    pub yes: bool,
    /// With --yes: start also when something is certain to stop the run, as the survey shows.
    #[arg(long)]
    pub despite_problems: bool,
    /// What to do when a step fails.
    #[arg(long, value_enum, default_value_t = Policy::Unwind, value_name = "WHAT")]
    pub on_failure: Policy,
    #[command(flatten)]
    pub policy: PolicyArgs,
    #[command(flatten)]
    pub driving: DrivingArgs,
    #[command(flatten)]
    pub output: OutputArgs,
}

#[derive(Debug, Args)]
pub struct ApproveArgs {
    /// Release document.
    pub file: PathBuf,
    /// Use windlass.ENV.toml too; by default the document's `env`.
    #[arg(long, value_name = "ENV")]
    pub env: Option<String>,
    /// SSH key to sign with (of one in an agent: its public part); by default that of ~/.ssh.
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
    /// Do not ask.
    #[arg(long)]
    pub yes: bool,
    #[command(flatten)]
    pub output: OutputArgs,
}

/// What a person says to the policy of the team.
#[derive(Clone, Debug, Default, Args)]
pub struct PolicyArgs {
    /// Start although [policy] is against it (hours, approvals, jobs, what it requires); who did it and why stands in the record.
    #[arg(long, value_name = "WHY")]
    pub break_glass: Option<String>,
}

/// What to do when a step fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Policy {
    /// Go back by itself.
    Unwind,
    /// Stop and wait for `windlass decide`.
    Stop,
    /// Ask on the terminal; without one like stop.
    Ask,
}

impl From<Policy> for OnFailure {
    fn from(policy: Policy) -> Self {
        match policy {
            Policy::Unwind => Self::Unwind,
            Policy::Stop => Self::Stop,
            Policy::Ask => Self::Ask,
        }
    }
}

/// Options of all commands that drive a run.
#[derive(Clone, Debug, Default, Args)]
pub struct DrivingArgs {
    /// Confirm this gate beforehand (its id, or `all`); may be given more than once.
    #[arg(long, value_name = "GATE|all")]
    pub confirm: Vec<String>,
    /// What an undo does with rows that somebody has written to since: keep them and list them, put them back by force,
    /// or stop and ask.
    #[arg(long, value_enum, value_name = "WHAT", default_value = "keep")]
    pub on_conflict: ConflictArg,
    /// Let something go wrong: fail, fail-undo, repeat, crash-before or crash-after, and a unit.
    ///
    /// For rehearsals. `crash-after:undo:migrate/2` happens on the way back. Each fault happens once.
    #[arg(long, value_name = "KIND:UNIT")]
    pub fault: Vec<Fault>,
}

/// `--on-conflict`
#[derive(Clone, Copy, Debug, Default, clap::ValueEnum)]
pub enum ConflictArg {
    #[default]
    Keep,
    Force,
    Ask,
}

/// What a document counts for that was edited since its run began.
#[derive(Clone, Debug, Default, Args)]
pub struct EditedArgs {
    /// Go on with the plan that was started, and do not look at the document as it is now.
    #[arg(long)]
    pub as_planned: bool,
}

#[derive(Debug, Args)]
pub struct ResumeArgs {
    /// The run; by default the newest one that is not finished.
    pub run: Option<String>,
    #[command(flatten)]
    pub edited: EditedArgs,
    /// Take over what was edited in the document, where nothing has begun, without asking.
    #[arg(long)]
    pub yes: bool,
    /// With --yes: take it over also when something is certain to stop the run, as the survey shows.
    #[arg(long)]
    pub despite_problems: bool,
    #[command(flatten)]
    pub policy: PolicyArgs,
    #[command(flatten)]
    pub driving: DrivingArgs,
    #[command(flatten)]
    pub output: OutputArgs,
}

#[derive(Debug, Args)]
pub struct RollbackArgs {
    /// The run; by default the newest one that is done or not finished.
    pub run: Option<String>,
    /// Begin without asking.
    #[arg(long)]
    pub yes: bool,
    /// Take back what can be, although something that the way back needs is gone: it waits for you at the units that miss it.
    #[arg(long)]
    pub despite_missing: bool,
    /// Why, for the record.
    #[arg(long, value_name = "WHY", default_value = "asked for by a person")]
    pub reason: String,
    #[command(flatten)]
    pub driving: DrivingArgs,
    #[command(flatten)]
    pub output: OutputArgs,
}

#[derive(Debug, Args)]
pub struct ConfirmArgs {
    /// The gate's id, as `windlass status` names it.
    pub gate: String,
    /// The run; by default the newest one that is not finished.
    #[arg(long)]
    pub run: Option<String>,
    /// What you saw, for the record.
    #[arg(long, default_value = "", hide_default_value = true, value_name = "WORDS")]
    pub note: String,
    #[command(flatten)]
    pub edited: EditedArgs,
    #[command(flatten)]
    pub driving: DrivingArgs,
    #[command(flatten)]
    pub output: OutputArgs,
}

#[derive(Debug, Args)]
pub struct DecideArgs {
    /// What you decided.
    #[arg(value_enum)]
    pub verb: Decision,
    /// The unit, as `windlass status` names it; by default the one that the run waits for.
    pub unit: Option<String>,
    /// Why, for the record.
    #[arg(long, value_name = "WHY")]
    pub reason: String,
    /// The run; by default the newest one that is not finished.
    #[arg(long)]
    pub run: Option<String>,
    #[command(flatten)]
    pub edited: EditedArgs,
    #[command(flatten)]
    pub driving: DrivingArgs,
    #[command(flatten)]
    pub output: OutputArgs,
}

/// A decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Decision {
    /// Try the unit again: it had no effect, or may be repeated.
    Retry,
    /// Go on without it (on the way back: leave what it changed).
    Skip,
    /// It is done (on the way back: undone), by hand.
    MarkDone,
    /// Take everything back.
    Unwind,
    /// Leave everything as it is and end the run.
    Abandon,
}

impl From<Decision> for Verb {
    fn from(decision: Decision) -> Self {
        match decision {
            Decision::Retry => Self::Retry,
            Decision::Skip => Self::Skip,
            Decision::MarkDone => Self::MarkDone,
            Decision::Unwind => Self::Unwind,
            Decision::Abandon => Self::Abandon,
        }
    }
}
