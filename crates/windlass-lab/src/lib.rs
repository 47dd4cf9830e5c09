//! Real servers for tests: databases, object stores, sshd, a container engine, machines with systemd. Each has an empty data folder in a temporary
//! place, a free port and a unix socket, and
//! ends with the test process, also when that panics or is killed.
//!
//! ```no_run
//! use windlass_lab::{Flavor, server};
//!
//! let database = server(Flavor::Postgres15).database(); // shared by the tests of this process
//! database.run("CREATE TABLE t (id int)");
//! assert_eq!(database.run("SELECT count(*) FROM t"), "0");
//! println!("{}", database.url());
//! ```
//!
//! What is missing on the machine is installed by `lab/install`. Everything blocks, and panics with the server's log when a
//! server does not do what it should: this is test code. Servers keep what they acknowledged when they are killed, but do
//! not fsync (see [`Setup::durable`]).

mod access;
mod bouncer;
mod docker;
mod machine;
mod mysql;
mod postgres;
mod process;
mod server;
mod sshd;
mod standby;
mod store;
mod template;
mod tls;
mod wire;

use std::sync::OnceLock;

pub use access::{Database, PASSWORD};
pub use bouncer::Bouncer;
pub use docker::{Compose, Docker, docker};
pub use machine::Machine;
pub use server::{Server, Setup};
pub use sshd::Sshd;
pub use standby::Standby;
pub use store::{ACCESS_KEY, READER_KEY, READER_SECRET, SECRET_KEY, Store, StoreKind, store};
pub use tls::Authority;
pub use wire::{Direction, Wire};

/// The tables of the example runbook 000 as they were before its release, as far as its statements tell; `record` is empty.
pub const RUNBOOK_000: &str = include_str!("../fixtures/runbook-000.sql");

/// Which server, in which version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Flavor {
    /// PostgreSQL 15 of Debian 12.
    Postgres15,
    /// PostgreSQL 18.
    PostgresNewer,
    /// MariaDB 10.11 of Debian 12.
    Mariadb,
    /// MySQL 9.
    Mysql,
}

impl Flavor {
    /// Every flavor, for tests that run once for each.
    pub const ALL: [Self; 4] = [Self::Postgres15, Self::PostgresNewer, Self::Mariadb, Self::Mysql];

    /// Speaks PostgreSQL's protocol and SQL; the others MySQL's.
    #[must_use]
    pub fn is_postgres(self) -> bool {
        matches!(self, Self::Postgres15 | Self::PostgresNewer)
    }

    /// Word for folders and messages.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Postgres15 => "postgres15",
            Self::PostgresNewer => "postgres-newer",
            Self::Mariadb => "mariadb",
            Self::Mysql => "mysql",
        }
    }
}

/// The server of this flavor that all tests of this process share, started at first use. A test takes a
/// [`Server::database`] of its own from it and leaves the server itself alone.
pub fn server(flavor: Flavor) -> &'static Server {
    static SERVERS: [OnceLock<Server>; 4] = [const { OnceLock::new() }; 4];
    SERVERS[flavor as usize].get_or_init(|| Server::start(flavor))
}
