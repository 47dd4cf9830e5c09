//! sshd on addresses of the loopback network: hosts that are one machine, each with a connection of its own.

use crate::process::{Running, Watchdog, command, free_port, run, spawn, wait_until};
use std::{
    fs,
    net::TcpStream,
    path::{Path, PathBuf},
    process::Command,
    sync::{Mutex, PoisonError},
};

/// A running sshd. When it is dropped it is killed and its folder is removed; when the process ends in any way, too.
pub struct Sshd {
    folder: tempfile::TempDir,
    port: u16,
    hosts: u8,
    running: Mutex<Option<Running>>,
    _watchdog: Watchdog,
}

impl Sshd {
    /// Hosts 127.0.0.1 to 127.0.0.`hosts`, at most 16: sshd listens at no more (`MAX_LISTEN_SOCKS` of its source). Panics with the log when it does not answer.
    #[must_use]
    pub fn start(hosts: u8) -> Self {
        Self::start_with(hosts, |_| vec![])
    }

    /// The same, where every login of host `number` has these variables: hosts that are one machine are told apart by them.
    #[must_use]
    pub fn start_with(hosts: u8, environment: impl Fn(u8) -> Vec<(&'static str, String)>) -> Self {
        let folder = tempfile::Builder::new().prefix("lab-sshd-").tempdir().expect("a temporary folder");
        for name in ["host_key", "key"] {
            run(command("ssh-keygen")
                .args(["-q", "-t", "ed25519", "-N", "", "-f"])
                .arg(folder.path().join(name)));
        }
        let watchdog = Watchdog::over(folder.path());
        let port = free_port();
        let sshd = Self { folder, port, hosts, running: Mutex::new(None), _watchdog: watchdog };
        sshd.write(environment);
        sshd.restart();
        sshd
    }

    /// The file for `ssh -F`: key, port and known hosts.
    #[must_use]
    pub fn config(&self) -> PathBuf {
        self.file("ssh_config")
    }

    /// Address of host `number`, from 1.
    #[must_use]
    pub fn host(&self, number: u8) -> String {
        assert!((1..=self.hosts).contains(&number), "lab: there are {} hosts", self.hosts);
        format!("127.0.0.{number}")
    }

    /// SIGKILL of the server and of every connection; what runs in sessions of its own goes on.
    pub fn kill(&self) {
        if let Some(running) = self.running.lock().unwrap_or_else(PoisonError::into_inner).take() {
            running.kill();
        }
    }

    /// Starts it again at the same port.
    pub fn restart(&self) {
        let privileges = Path::new("/run/sshd");
        if !privileges.is_dir() {
            // Where Debian's package would have its service make it; needs root, as sshd does for other users.
            drop(fs::create_dir_all(privileges));
        }
        let mut server = command("/usr/sbin/sshd");
        server.args(["-D", "-e", "-f"]).arg(self.file("sshd_config"));
        let running = spawn(&server, self.folder.path(), "sshd");
        *self.running.lock().unwrap_or_else(PoisonError::into_inner) = Some(running);
        wait_until("sshd answers", || TcpStream::connect(("127.0.0.1", self.port)).is_ok());
    }

    /// Forgets the keys of the hosts: they are unknown from now on.
    pub fn forget_keys(&self) {
        fs::write(self.file("known_hosts"), "").expect("the folder can be written");
    }

    /// The command `ssh` to host `number`, as a person would type it.
    #[must_use]
    pub fn ssh(&self, number: u8) -> Command {
        let mut ssh = command("ssh");
        ssh.arg("-F").arg(self.config()).arg(self.host(number));
        ssh
    }

    /// Where Windlass keeps what lines leave behind on these hosts: their `XDG_STATE_HOME`.
    #[must_use]
    pub fn state(&self) -> PathBuf {
        self.file("state")
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, environment: impl Fn(u8) -> Vec<(&'static str, String)>) {
        let (folder, port) = (self.folder.path().display(), self.port);
        let listen: String =
            (1..=self.hosts).map(|number| format!("ListenAddress {}:{port}\n", self.host(number))).collect();
        // A `SetEnv` of a `Match` stands for the one of all, and the first of them counts: sshd_config(5).
        let of_host = |number: u8| {
            let variables = environment(number).into_iter();
            let words: String = variables.map(|(name, value)| format!(" \"{name}={value}\"")).collect();
            let host = self.host(number);
            let set = format!("SetEnv XDG_STATE_HOME={folder}/state{words}");
            if words.is_empty() { words } else { format!("Match LocalAddress {host}\n  {set}\n") }
        };
        let of_hosts: String = (1..=self.hosts).map(of_host).collect();
        let server = format!(
            "{listen}HostKey {folder}/host_key\nAuthorizedKeysFile {folder}/key.pub\nStrictModes no\nUsePAM no\n\
             PasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin yes\nPidFile none\n\
             UseDNS no\nPrintMotd no\nSetEnv XDG_STATE_HOME={folder}/state\n{of_hosts}"
        );
        let client = format!(
            "Host 127.0.0.*\n  Port {port}\n  IdentityFile {folder}/key\n  IdentitiesOnly yes\n\
             \x20 UserKnownHostsFile {folder}/known_hosts\n  GlobalKnownHostsFile /dev/null\n"
        );
        let key = fs::read_to_string(self.file("host_key.pub")).expect("ssh-keygen wrote it");
        let known = format!("[127.0.0.*]:{port} {key}");
        for (name, text) in [("sshd_config", server), ("ssh_config", client), ("known_hosts", known)] {
            fs::write(self.file(name), text).expect("the folder can be written");
        }
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        self.kill();
    }
}
