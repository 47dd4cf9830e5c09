//! The command as a person or a script meets it: sealed environment, own folder, nothing of the machine in what is
//! compared.

#![expect(clippy::unwrap_used, reason = "a test that cannot set up its world has to fail")]

mod adopt;
mod backup;
mod backup_s3;
mod bad_input;
mod batches;
mod budget;
mod check;
mod ci;
mod clock;
mod compose;
mod compose_exec;
mod compose_hosts;
mod crash;
mod cshine;
mod edited;
mod fleet;
mod git;
mod hand_over;
mod hosts;
mod journal;
mod lifted;
mod migrate;
mod migrate_programs;
mod migrate_servers;
mod migrate_verify;
mod mysql;
mod new;
mod objects;
mod papers;
mod people;
mod plan;
mod policy;
mod policy_start;
mod postgres;
mod preflight;
mod proxy;
mod prune;
mod rehearse;
mod release;
mod sealed;
mod secrets;
mod systemd;
mod terminal;
