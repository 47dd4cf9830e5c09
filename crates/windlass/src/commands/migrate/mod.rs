//! `windlass migrate`: a folder of migrations of any tool, run by the ordinary engine, with the tool's own table read
//! and written in its own form.

mod folder;
mod history;
mod run;
mod show;
mod tried;
mod world;

use crate::{
    args::{MigrateArgs, MigrateCommand},
    exit::{Exit, Failure},
};
use std::path::Path;

/// Runs the command.
pub fn run(args: &MigrateArgs, config: Option<&Path>) -> Result<Exit, Failure> {
    match &args.command {
        MigrateCommand::Up(up) => run::up(up, config),
        MigrateCommand::Down(down) => run::down(down, config),
        MigrateCommand::Status(args) => show::status(args, config),
        MigrateCommand::Verify(args) => show::verify(args, config),
    }
}
