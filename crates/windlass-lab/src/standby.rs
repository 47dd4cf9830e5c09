//! A standby of a PostgreSQL server: a copy that follows it.

use std::{fs, os::unix::fs::chown, path::PathBuf};

use crate::{
    access::{Access, feed},
    postgres,
    process::{Account, Running, as_account, run, spawn, wait_until},
};

/// A running standby that streams from its primary. Dropped, it ends; with the test process, too.
pub struct Standby {
    access: Access,
    running: Option<Running>,
}

impl Standby {
    /// One for each server. Returns when it follows. Panics with its log when it does not.
    pub(crate) fn start(primary: &Access, account: Option<&Account>) -> Self {
        let binaries = postgres::binaries(primary.flavor);
        let folder = primary.folder.join("standby");
        fs::create_dir(&folder).unwrap_or_else(|e| panic!("lab: {}: {e}", folder.display()));
        if let Some(Account { uid, gid }) = account {
            chown(&folder, Some(*uid), Some(*gid))
                .unwrap_or_else(|e| panic!("lab: {}: {e}", folder.display()));
        }
        let data = folder.join("data");
        let mut copy = as_account(account, &binaries.join("pg_basebackup"));
        copy.args(["--checkpoint=fast", "--no-sync", "--write-recovery-conf", "--pgdata"]).arg(&data);
        copy.args(["-h", "127.0.0.1", "-U", "postgres", "-p", &primary.port.to_string()]);
        run(copy.current_dir(&folder));
        let mut server = as_account(account, &binaries.join("postgres"));
        server.arg("-D").arg(&data);
        let sockets = folder.display().to_string();
        for (name, value) in [
            ("listen_addresses", ""),
            ("port", &primary.port.to_string()),
            ("unix_socket_directories", &sockets),
            ("shared_buffers", "32MB"),
            ("fsync", "off"),
        ] {
            server.arg("-c").arg(format!("{name}={value}"));
        }
        let mut running = spawn(&server, &primary.folder, "standby");
        let pid = running.pid();
        let log = || fs::read_to_string(primary.folder.join("standby.log")).unwrap_or_default();
        wait_until("the standby answers", || {
            assert!(!running.has_ended(), "lab: the standby ended instead of answering:\n{}", log());
            postgres::is_ready(&data, pid)
        });
        let standby = Self { access: Access { folder, ..primary.clone() }, running: Some(running) };
        wait_until("the standby follows", || {
            standby.run("SELECT count(*) FROM pg_stat_wal_receiver WHERE status = 'streaming'") == "1"
        });
        standby
    }

    /// Runs SQL at a database of it, as [`crate::Database::run`] does at the primary.
    pub fn run_at(&self, database: &str, sql: &str) -> String {
        feed(self.access.client(Some(database)), sql).unwrap_or_else(|e| panic!("lab: {sql}: {e}"))
    }

    /// Runs SQL at the administrator's database.
    pub fn run(&self, sql: &str) -> String {
        self.run_at("postgres", sql)
    }

    /// The folder its socket is in, as in `host=`.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.access.folder.clone()
    }
}

impl Drop for Standby {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            running.kill();
        }
    }
}
