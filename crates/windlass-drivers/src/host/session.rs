//! A multiplexed connection (`ControlMaster`, ssh_config(5)): one process of `ssh` holds it, others use it by a socket.
//!
//! Every `ssh` has a session of its own: Ctrl-C on the controller's terminal does not reach it, nor what it starts for jump
//! hosts, and none of them has a terminal on which it could ask.

use crate::disk::one_line;
use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};
use tokio::process::{Child, Command};

/// A host that does not answer in this time is not there, seconds.
const CONNECT_WITHIN_S: u32 = 15;
/// Longest wait for the whole of a login, seconds: `ConnectTimeout` ends before it.
const LOGIN_WITHIN: Duration = Duration::from_secs(60);
/// A connection on which nothing comes for three times this long is given up, seconds.
const ALIVE_EVERY_S: u32 = 10;
/// A connection that nobody uses ends after this many seconds, also when its controller was killed.
const IDLE_S: u32 = 60;

/// An open connection. Dropped, it ends.
pub(super) struct Session {
    folder: tempfile::TempDir,
}

impl Session {
    /// Makes it; what `ssh` said otherwise.
    pub(super) async fn connect(host: &str, config: Option<&Path>) -> Result<Self, String> {
        let folder = tempfile::Builder::new().prefix("windlass-ssh-").tempdir();
        let folder = folder.map_err(|error| format!("no folder for its socket: {error}"))?;
        let session = Self { folder };
        let log = session.folder.path().join("log");
        let mut ssh = ssh();
        ssh.arg("-E").arg(&log).arg("-S").arg(session.socket()).args(["-M", "-f", "-N"]);
        for option in [
            "BatchMode=yes".to_owned(),
            "StrictHostKeyChecking=yes".to_owned(),
            format!("ControlPersist={IDLE_S}"),
            format!("ConnectTimeout={CONNECT_WITHIN_S}"),
            format!("ServerAliveInterval={ALIVE_EVERY_S}"),
            "ServerAliveCountMax=3".to_owned(),
        ] {
            ssh.arg("-o").arg(option);
        }
        if let Some(file) = config {
            ssh.arg("-F").arg(file);
        }
        ssh.arg("--").arg(host).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let status = match tokio::time::timeout(LOGIN_WITHIN, ssh.status()).await {
            Ok(Ok(status)) => status,
            Ok(Err(error)) => return Err(format!("cannot start `ssh` by `setsid`: {error}")),
            Err(_) => return Err(format!("no login within {} s", LOGIN_WITHIN.as_secs())),
        };
        if status.success() {
            return Ok(session);
        }
        let said = fs::read_to_string(log).unwrap_or_default();
        let last = said.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("ssh said nothing");
        Err(one_line(last.strip_prefix("ssh: ").unwrap_or(last), 300))
    }

    /// Starts a POSIX shell there that reads its script from standard input.
    pub(super) fn shell(&self) -> std::io::Result<Child> {
        self.start("exec /bin/sh -s")
    }

    /// Starts a POSIX shell there that says `windlass:begin` on both streams, takes a line with a number and a script of so many
    /// bytes, and leaves what follows on standard input to the script: `sh -s` may have read ahead of what it runs.
    pub(super) fn program(&self) -> std::io::Result<Child> {
        self.start(concat!(
            "exec /bin/sh -c 'echo windlass:begin; echo windlass:begin >&2; ",
            r#"read -r n && eval "$(dd bs="$n" count=1 iflag=fullblock 2>/dev/null || dd bs=1 count="$n" 2>/dev/null)"'"#
        ))
    }

    /// Connects its own standard input and output to an address as the host sees it.
    pub(super) fn way(&self, address: &str) -> std::io::Result<Child> {
        let mut ssh = self.client();
        ssh.args(["-W", address, "--", "none"]);
        ssh.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()
    }

    /// Whatever the login shell is, it understands these commands.
    fn start(&self, command: &str) -> std::io::Result<Child> {
        let mut ssh = self.client();
        ssh.args(["-T", "--", "none", command]);
        ssh.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()
    }

    /// One that uses this connection: without configuration and with no way to anywhere, it takes this one, or none.
    fn client(&self) -> Command {
        let mut ssh = ssh();
        ssh.args(["-F", "/dev/null", "-S"]).arg(self.socket());
        ssh.args(["-o", "BatchMode=yes", "-o", "ProxyCommand=false"]);
        ssh
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("socket")
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let mut ssh = std::process::Command::new("ssh");
        ssh.args(["-F", "/dev/null", "-S"]).arg(self.socket()).args(["-O", "exit", "--", "none"]);
        // It ends by itself a minute later where this fails.
        drop(ssh.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status());
    }
}

fn ssh() -> Command {
    let mut ssh = Command::new("setsid");
    ssh.arg("ssh").env("SSH_ASKPASS_REQUIRE", "never").kill_on_drop(true);
    ssh
}
