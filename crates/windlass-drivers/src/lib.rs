//! The drivers: how Windlass acts on shells, files, databases, services, HTTP checks and people.
//!
//! Each is constructed by the binary and known to the engine only as a [`windlass_driver::Driver`].

pub mod aside;
pub mod backup;
mod disk;
pub mod files;
pub mod gate;
pub mod http;
pub mod mysql;
pub mod postgres;
mod process;
mod serial;
pub mod service;
pub mod shell;
mod sql;
pub mod sqlite;
#[cfg(test)]
mod testing;
