//! The command as a person or a script meets it: sealed environment, own folder, nothing of the machine in what is
//! compared.

#![expect(clippy::unwrap_used, reason = "a test that cannot set up its world has to fail")]

mod backup;
mod bad_input;
mod check;
mod clock;
mod crash;
mod journal;
mod migrate;
mod migrate_servers;
mod mysql;
mod people;
mod plan;
mod proxy;
mod prune;
mod release;
mod sealed;
mod secrets;
mod terminal;
