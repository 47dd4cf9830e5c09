//! PgBouncer in front of a PostgreSQL server.

use std::{
    fs,
    net::TcpStream,
    path::Path,
    sync::atomic::{AtomicU32, Ordering},
};

use crate::{
    access::{Access, Database, PASSWORD},
    process::{Account, Running, as_account, free_port, spawn, wait_until},
};

/// A running PgBouncer in transaction mode. Dropped, or with its server, it ends.
pub struct Bouncer {
    port: u16,
    running: Option<Running>,
}

impl Bouncer {
    /// Panics with its log when it does not answer.
    pub(crate) fn start(access: &Access, account: Option<&Account>) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(1);
        let name = format!("pgbouncer-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let folder = access.folder.join(&name);
        let write = |file: &str, text: String| {
            let file = folder.join(file);
            fs::write(&file, text).unwrap_or_else(|e| panic!("lab: {}: {e}", file.display()));
        };
        fs::create_dir(&folder).unwrap_or_else(|e| panic!("lab: {}: {e}", folder.display()));
        write(
            "users",
            format!("\"postgres\" \"\"\n\"guarded\" \"{PASSWORD}\"\n\"tls_only\" \"{PASSWORD}\"\n"),
        );
        write(
            "hba",
            "host all postgres 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n".to_owned(),
        );
        loop {
            let port = free_port();
            write("ini", configuration(access, &folder, port));
            let mut command = as_account(account, Path::new("/usr/sbin/pgbouncer"));
            let mut running = spawn(command.arg(folder.join("ini")), &access.folder, &name);
            let mut has_ended = false;
            wait_until("PgBouncer answers", || {
                has_ended = running.has_ended();
                has_ended || TcpStream::connect(("127.0.0.1", port)).is_ok()
            });
            if !has_ended {
                return Self { port, running: Some(running) };
            }
            let log = fs::read_to_string(access.folder.join(format!("{name}.log"))).unwrap_or_default();
            assert!(
                log.contains("Address already in use"),
                "lab: PgBouncer ended instead of answering:\n{log}"
            );
        }
    }

    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// [`Database::url`] through PgBouncer.
    #[must_use]
    pub fn url(&self, database: &Database) -> String {
        database.url_at(self.port)
    }
}

impl Drop for Bouncer {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            running.kill();
        }
    }
}

/// Few connections to the server, so that clients meet each other's sessions.
fn configuration(access: &Access, folder: &Path, port: u16) -> String {
    format!(
        "[databases]\n\
         * = host=127.0.0.1 port={}\n\
         [pgbouncer]\n\
         listen_addr = 127.0.0.1\n\
         listen_port = {port}\n\
         unix_socket_dir =\n\
         auth_type = hba\n\
         auth_hba_file = {folder}/hba\n\
         auth_file = {folder}/users\n\
         pool_mode = transaction\n\
         default_pool_size = 3\n\
         max_client_conn = 200\n\
         server_tls_sslmode = prefer\n",
        access.port,
        folder = folder.display(),
    )
}
