//! The `windlass` command: arguments, wiring and the terminal. Everything else lives in the crates it wires.

mod args;
mod batches;
mod commands;
mod demo;
mod disk;
mod env;
mod exit;
mod git;
mod holds;
mod journal;
mod notices;
mod policy;
mod project;
mod secrets;
mod terminal;
mod wiring;

use std::process::ExitCode;

fn main() -> ExitCode {
    match args::parse() {
        Ok(cli) => exit::finish(commands::run(cli)),
        Err(error) => exit::usage(&error),
    }
}
