//! One file per command.

mod adopt;
mod apply;
mod approve;
mod audit;
mod backup;
mod check;
mod copies;
pub mod drive;
mod edited;
mod found;
mod init;
mod migrate;
mod new;
mod notices;
mod objects;
mod open;
mod papers;
mod people;
mod plan;
mod proxy;
mod prune;
mod rehearse;
mod resume;
mod rollback;
mod service;
mod shelves;
mod view;

use crate::{
    args::{Cli, Command},
    demo,
    exit::{Exit, Failure},
    terminal,
};
use clap::CommandFactory as _;
use std::path::Path;
use windlass_driver::causes;

/// Runs the command.
pub fn run(cli: Cli) -> Result<Exit, Failure> {
    let config = cli.config.as_deref();
    match cli.command {
        Command::Demo(args) => demo::run(&args),
        Command::Adopt(args) => adopt::run(&args, config),
        Command::Init(args) => init::run(&args),
        Command::New(args) => new::run(&args, config),
        Command::Check(args) => check::run(&args, config),
        Command::Plan(args) => plan::run(&args, config),
        Command::Rehearse(args) => rehearse::run(&args, config),
        Command::Apply(args) => apply::run(&args, config),
        Command::Ticket(args) => papers::ticket(&args, config),
        Command::Approve(args) => approve::run(&args, config),
        Command::Migrate(args) => migrate::run(&args, config),
        Command::Resume(args) => resume::run(&args, config),
        Command::Rollback(args) => rollback::run(&args, config),
        Command::Status(args) => view::status(&args, config),
        Command::Runs(args) => view::runs(&args, config),
        Command::Show(args) => view::show(&args, config),
        Command::Record(args) => papers::record(&args, config),
        Command::VerifyJournal(args) => audit::verify_journal(&args, config),
        Command::Confirm(args) => people::confirm(&args, config),
        Command::Decide(args) => people::decide(&args, config),
        Command::Objects(args) => objects::run(&args, config),
        Command::Service(args) => service::run(&args, config),
        Command::Proxy(args) => proxy::run(&args, config),
        Command::Backup(args) => backup::run(&args, config),
        Command::Notices(args) => notices::run(&args, config),
        Command::Prune(args) => prune::run(&args, config),
        Command::Schema => schema(),
        Command::Completions { shell } => completions(shell),
        Command::Supervise { spec } => supervise(&spec),
        Command::DemoService(args) => demo::service(&args),
    }
}

fn schema() -> Result<Exit, Failure> {
    terminal::print(&windlass_plan::config_schema())?;
    Ok(Exit::Done)
}

fn completions(shell: clap_complete::Shell) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "windlass", &mut script);
    terminal::print(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Done)
}

fn supervise(spec: &Path) -> Result<Exit, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::refused(format!("cannot start: {error}")))?;
    match runtime.block_on(windlass_drivers::service::supervise(spec)) {
        Ok(()) => Ok(Exit::Done),
        Err(error) => Err(Failure::refused(causes(&error))),
    }
}
