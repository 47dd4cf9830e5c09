//! A server: started, killed, restarted.

use std::{
    fs,
    io::Write,
    os::unix::fs::chown,
    path::{Path, PathBuf},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
};

use crate::{
    Flavor,
    access::{Access, Database, feed},
    bouncer::Bouncer,
    mysql, postgres,
    process::{Account, Running, Watchdog, command, free_port, run, spawn, unprivileged, wait_until},
    standby::Standby,
    template,
    tls::Authority,
    wire::Wire,
};

/// What kind of server to start; [`Server::start`] takes the defaults.
#[derive(Clone, Debug)]
pub struct Setup {
    pub(crate) flavor: Flavor,
    pub(crate) is_durable: bool,
    pub(crate) settings: Vec<(String, String)>,
    tls_names: Option<String>,
    disk_bytes_max: Option<u64>,
}

impl Setup {
    #[must_use]
    pub fn new(flavor: Flavor) -> Self {
        Self { flavor, is_durable: false, settings: Vec::new(), tls_names: None, disk_bytes_max: None }
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

    /// With TLS, by a certificate for 127.0.0.1 and localhost from an [`Authority`] of the server's own.
    #[must_use]
    pub fn tls(self) -> Self {
        self.tls_for("IP:127.0.0.1,DNS:localhost")
    }

    /// With TLS, by a certificate for these names: `IP:127.0.0.1,DNS:localhost`.
    #[must_use]
    pub fn tls_for(mut self, names: &str) -> Self {
        self.tls_names = Some(names.to_owned());
        self
    }

    /// The data folder on a disk (in memory) of this size, to be filled. Needs root, with the right to mount. An empty
    /// server takes 30 MB (MariaDB), 50 MB (PostgreSQL) or 150 MB (MySQL) of it.
    #[must_use]
    pub fn disk_bytes_max(mut self, bytes: u64) -> Self {
        self.disk_bytes_max = Some(bytes);
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
    place: Place,
    access: Access,
    running: Mutex<Option<Running>>,
    version: String,
    _watchdog: Watchdog,
}

/// Where a server lives, and how.
pub struct Place {
    pub setup: Setup,
    /// Everything of the server is in it: data, socket, log, certificates.
    pub folder: PathBuf,
    pub data: PathBuf,
    pub account: Option<Account>,
    pub authority: Option<Authority>,
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
        let place = Place::new(setup, folder, account);
        let (port, running) = loop {
            let port = free_port();
            match attempt(&place, port) {
                Attempt::Ready(running) => break (port, running),
                Attempt::PortTaken => {}
            }
        };
        let access = Access { flavor: place.setup.flavor, port, folder: place.folder.clone() };
        let running = Mutex::new(Some(running));
        let mut server = Self { place, access, running, version: String::new(), _watchdog: watchdog };
        let ask = if server.access.flavor.is_postgres() { "SHOW server_version" } else { "SELECT VERSION()" };
        server.version = server.run(ask);
        server
    }

    /// A new empty database.
    #[must_use]
    pub fn database(&self) -> Database {
        static NUMBER: AtomicU32 = AtomicU32::new(1);
        let name = format!("lab_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        // The default writes the whole template to the log: a third slower.
        let how = if self.access.flavor.is_postgres() { " STRATEGY file_copy" } else { "" };
        self.run(&format!("CREATE DATABASE {name}{how}"));
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
        &self.place.data
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
        Some(if flavor.is_postgres() { postgres::binaries(flavor) } else { mysql::tools(flavor) })
    }

    /// Who signed the server's certificate; `None` without [`Setup::tls`].
    #[must_use]
    pub fn authority(&self) -> Option<&Authority> {
        self.place.authority.as_ref()
    }

    /// Leaves no byte free on the disk of [`Setup::disk_bytes_max`]. PostgreSQL and MariaDB then fail statements, and
    /// sometimes abort; MySQL waits for a minute at a time where its binary log has no room, and aborts where its redo log
    /// has none.
    pub fn fill_disk(&self) {
        let mut file = fs::File::create(self.ballast()).unwrap_or_else(|e| panic!("lab: {e}"));
        let zeros = [0; 64 * 1024];
        while file.write_all(&zeros).is_ok() {}
    }

    /// Leaves that many bytes free on the disk, as [`Server::fill_disk`] leaves none.
    pub fn fill_disk_but(&self, bytes: u64) {
        self.fill_disk();
        let shorter = fs::File::options().write(true).open(self.ballast()).and_then(|file| {
            let length = file.metadata()?.len();
            file.set_len(length.saturating_sub(bytes))
        });
        shorter.unwrap_or_else(|e| panic!("lab: the disk cannot be given back {bytes} bytes: {e}"));
    }

    /// Gives back what [`Server::fill_disk`] took.
    pub fn free_disk(&self) {
        fs::remove_file(self.ballast()).unwrap_or_else(|e| panic!("lab: the disk was not filled: {e}"));
    }

    fn ballast(&self) -> PathBuf {
        assert!(self.place.setup.disk_bytes_max.is_some(), "lab: only a disk of its own may be filled");
        self.place.folder.join("disk/ballast")
    }

    /// PgBouncer in transaction mode in front of this server. Panics with its log when it does not answer.
    #[must_use]
    pub fn pgbouncer(&self) -> Bouncer {
        assert!(self.access.flavor.is_postgres(), "lab: PgBouncer is for PostgreSQL");
        Bouncer::start(&self.access, self.place.account.as_ref())
    }

    /// A standby that follows this server; one at a time. Panics with its log when it does not.
    #[must_use]
    pub fn standby(&self) -> Standby {
        assert!(self.access.flavor.is_postgres(), "lab: a standby is one of PostgreSQL");
        Standby::start(&self.access, self.place.account.as_ref())
    }

    /// A forwarder in front of this server; see [`Database::url_at`].
    #[must_use]
    pub fn wire(&self) -> Wire {
        Wire::to(self.access.port)
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
            match attempt(&self.place, self.access.port) {
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

impl Place {
    /// Prepares everything that the server finds when it starts.
    fn new(setup: Setup, folder: PathBuf, account: Option<Account>) -> Self {
        let mut data = folder.join("data");
        if let Some(bytes) = setup.disk_bytes_max {
            let disk = folder.join("disk");
            fs::create_dir(&disk).unwrap_or_else(|e| panic!("lab: {}: {e}", disk.display()));
            run(command("mount")
                .args(["-t", "tmpfs", "-o", &format!("size={bytes},mode=755"), "lab"])
                .arg(&disk));
            data = disk.join("data");
        }
        template::copy(setup.flavor.name(), &folder.join("fresh"), &data, |fresh| match setup.flavor {
            flavor if flavor.is_postgres() => postgres::fresh(flavor, account.as_ref(), fresh),
            flavor => mysql::fresh(flavor, fresh),
        });
        let authority = setup.tls_names.as_ref().map(|names| {
            let tls = folder.join("tls");
            fs::create_dir(&tls).unwrap_or_else(|e| panic!("lab: {}: {e}", tls.display()));
            Authority::new(&tls, names)
        });
        if let Some(authority) = &authority {
            authority.hand_over(account.as_ref());
        }
        Self { setup, folder, data, account, authority }
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

fn attempt(place: &Place, port: u16) -> Attempt {
    let Place { folder, data, .. } = place;
    let is_postgres = place.setup.flavor.is_postgres();
    let command = if is_postgres { postgres::server(place, port) } else { mysql::server(place, port) };
    // Left behind by a server that was killed; their numbers may be those of others by now.
    for stale in [data.join("postmaster.pid"), data.join("server.pid"), mysql::socket(folder)] {
        drop(fs::remove_file(stale));
    }
    let log_before = log(folder).len();
    let mut running = spawn(&command, folder, "server");
    let mut has_ended = false;
    let pid = running.pid();
    wait_until(&format!("{} answers", folder.display()), || {
        has_ended = running.has_ended();
        has_ended || if is_postgres { postgres::is_ready(data, pid) } else { mysql::is_ready(folder) }
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
