//! A server: started, killed, restarted.

use std::{
    fs,
    net::TcpListener,
    os::unix::fs::chown,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
};

use crate::{
    Flavor,
    access::{Access, Database, feed},
    mysql, postgres,
    process::{Account, Running, Watchdog, spawn, unprivileged, wait_until},
    template,
};

/// What kind of server to start; [`Server::start`] takes the defaults.
#[derive(Clone, Debug)]
pub struct Setup {
    pub(crate) flavor: Flavor,
    pub(crate) is_durable: bool,
    pub(crate) settings: Vec<(String, String)>,
}

impl Setup {
    #[must_use]
    pub fn new(flavor: Flavor) -> Self {
        Self { flavor, is_durable: false, settings: Vec::new() }
    }

    /// With fsync, as in production; slower. Without it a server that is killed still loses nothing, only a power cut
    /// would matter.
    #[must_use]
    pub fn durable(mut self) -> Self {
        self.is_durable = true;
        self
    }

    /// A setting of the server, by the name it has in the server's configuration file.
    #[must_use]
    pub fn set(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Starts the server. Panics with its log when it does not answer.
    #[must_use]
    pub fn start(self) -> Server {
        Server::with(self)
    }
}

/// A running server. When it is dropped it is killed and its folder is removed; when the process ends in any way, too.
pub struct Server {
    setup: Setup,
    access: Access,
    data: PathBuf,
    account: Option<Account>,
    running: Mutex<Option<Running>>,
    version: String,
    _watchdog: Watchdog,
}

/// What became of an attempt to start.
enum Attempt {
    Ready(Running),
    PortTaken,
}

impl Server {
    /// A server of a test's own: to kill, restart, fill. Panics with its log when it does not answer.
    #[must_use]
    pub fn start(flavor: Flavor) -> Self {
        Setup::new(flavor).start()
    }

    fn with(setup: Setup) -> Self {
        let account = if setup.flavor.is_postgres() { unprivileged() } else { None };
        let folder = folder(setup.flavor, account.as_ref());
        let watchdog = Watchdog::over(&folder);
        let data = folder.join("data");
        template::copy(setup.flavor.name(), &data, |data| match setup.flavor {
            flavor if flavor.is_postgres() => postgres::fresh(flavor, account.as_ref(), data),
            flavor => mysql::fresh(flavor, data),
        });
        let (port, running) = loop {
            let port = free_port();
            match attempt(&setup, account.as_ref(), &folder, port) {
                Attempt::Ready(running) => break (port, running),
                Attempt::PortTaken => {}
            }
        };
        let access = Access { flavor: setup.flavor, port, folder };
        let mut server = Self {
            setup,
            access,
            data,
            account,
            running: Mutex::new(Some(running)),
            version: String::new(),
            _watchdog: watchdog,
        };
        let ask = if server.access.flavor.is_postgres() { "SHOW server_version" } else { "SELECT VERSION()" };
        server.version = server.run(ask);
        server
    }

    /// A new empty database.
    #[must_use]
    pub fn database(&self) -> Database {
        static NUMBER: AtomicU32 = AtomicU32::new(1);
        let name = format!("lab_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        self.run(&format!("CREATE DATABASE {name}"));
        Database { access: self.access.clone(), name }
    }

    /// Runs SQL at the administrator's database; see [`Database::run`].
    pub fn run(&self, sql: &str) -> String {
        feed(self.access.client(None), sql).unwrap_or_else(|e| panic!("lab: {sql}: {e}"))
    }

    #[must_use]
    pub fn flavor(&self) -> Flavor {
        self.access.flavor
    }

    /// TCP port at 127.0.0.1, the same after a restart.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.access.port
    }

    /// MySQL, MariaDB: the socket file. PostgreSQL: the folder it is in, as in `host=`.
    #[must_use]
    pub fn socket(&self) -> Option<PathBuf> {
        Some(self.access.socket())
    }

    /// The data folder.
    #[must_use]
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// Output of the server since its first start.
    #[must_use]
    pub fn log(&self) -> String {
        log(&self.access.folder)
    }

    /// Number of the server's process. Panics when it is killed.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.running().as_ref().map(Running::pid).expect("lab: pid() of a server that is killed")
    }

    /// As the server says it: `15.18 (Debian …)`, `10.11.19-MariaDB-…`, `9.7.4`.
    #[must_use]
    pub fn version(&self) -> String {
        self.version.clone()
    }

    /// Folder with `psql` and `pg_dump`, `mariadb` and `mariadb-dump`, or `mysql` and `mysqldump`, of this version.
    #[must_use]
    pub fn bin(&self) -> Option<PathBuf> {
        let flavor = self.access.flavor;
        if flavor.is_postgres() { postgres::tools(flavor) } else { Some(mysql::tools(flavor)) }
    }

    /// SIGKILL of the server and of its children; returns when they are gone. A killed one stays killed.
    pub fn kill(&self) {
        let running = self.running().take();
        if let Some(running) = running {
            running.kill();
        }
    }

    /// Starts it again with the same data folder and port, after [`Server::kill`] or instead of it; returns when it
    /// answers. Panics with its log when it does not.
    pub fn restart(&self) {
        self.kill();
        let mut running = self.running();
        wait_until("the port of a killed server becomes free", || {
            match attempt(&self.setup, self.account.as_ref(), &self.access.folder, self.access.port) {
                Attempt::Ready(ready) => *running = Some(ready),
                Attempt::PortTaken => {}
            }
            running.is_some()
        });
    }

    fn running(&self) -> MutexGuard<'_, Option<Running>> {
        // A test that panicked with the lock held leaves a plain value behind.
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The folder is removed by the watchdog, which is dropped next and waited for.
        self.kill();
    }
}

/// A new folder in the temporary place of the machine. Short: a socket's path has at most 107 bytes.
fn folder(flavor: Flavor, account: Option<&Account>) -> PathBuf {
    let made = tempfile::Builder::new().prefix(&format!("lab-{}-", flavor.name())).tempdir();
    let folder = made.unwrap_or_else(|e| panic!("lab: no temporary folder: {e}")).keep();
    if let Some(Account { uid, gid }) = account {
        chown(&folder, Some(*uid), Some(*gid)).unwrap_or_else(|e| panic!("lab: {}: {e}", folder.display()));
    }
    folder
}

/// A port that nobody listens at. Below the range from which the kernel gives ports to connections, so that a server that
/// is killed finds its port free at the restart.
fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    // Test processes that run at the same time begin at different places.
    let start = std::process::id().wrapping_mul(7919);
    for _ in 0..10_000 {
        let step = start.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
        let port = u16::try_from(20_000 + step % 10_000).expect("less than 30,000");
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("lab: no free port from 20000 to 29999")
}

fn attempt(setup: &Setup, account: Option<&Account>, folder: &Path, port: u16) -> Attempt {
    let is_postgres = setup.flavor.is_postgres();
    let command: Command = if is_postgres {
        postgres::server(setup, account, folder, port)
    } else {
        mysql::server(setup, folder, port)
    };
    // Left behind by a server that was killed; their numbers may be those of others by now.
    for stale in ["data/postmaster.pid", "data/server.pid", "mysql.sock"] {
        drop(fs::remove_file(folder.join(stale)));
    }
    let log_before = log(folder).len();
    let mut running = spawn(&command, folder, "server");
    let mut has_ended = false;
    let pid = running.pid();
    wait_until(&format!("{} answers", folder.display()), || {
        has_ended = running.has_ended();
        has_ended || if is_postgres { postgres::is_ready(folder, pid) } else { mysql::is_ready(folder) }
    });
    if !has_ended {
        return Attempt::Ready(running);
    }
    let log = log(folder).split_off(log_before);
    // PostgreSQL; MariaDB and MySQL.
    let is_taken =
        ["could not create any TCP/IP sockets", "Bind on TCP/IP port"].iter().any(|m| log.contains(m));
    assert!(is_taken, "lab: {command:?} ended instead of answering:\n{log}");
    Attempt::PortTaken
}

fn log(folder: &Path) -> String {
    let bytes = fs::read(folder.join("server.log")).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}
