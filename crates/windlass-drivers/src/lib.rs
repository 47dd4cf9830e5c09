//! The drivers: how Windlass acts on shells, files, databases, services, HTTP checks and people.
//!
//! Each is constructed by the binary and known to the engine only as a [`windlass_driver::Driver`].

pub mod files;
pub mod shell;
pub mod sqlite;
