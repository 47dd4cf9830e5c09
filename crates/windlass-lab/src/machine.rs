//! Machines: a Debian 12 with systemd and sshd each, in namespaces of its own, that can be cut off and rebooted.

use crate::process::{Running, Watchdog, children, command, run, spawn, wait_or, wait_until};
use std::{
    fs,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
};

/// A running machine. When it is dropped it is switched off and its folder is removed; when the process ends in any way, too.
///
/// Its accounts are `root`, `deploy`, who may do all with sudo, and `clerk`, whom sudo asks for a password.
pub struct Machine {
    folder: tempfile::TempDir,
    name: String,
    /// The lower address is this side's, the next the machine's.
    network: Ipv4Addr,
    link: String,
    running: Mutex<Option<Running>>,
    _watchdog: Watchdog,
}

impl Machine {
    /// Switches one on; it answers to ssh and its systemd has started all it has to when this returns. Panics with the log when it does not.
    #[must_use]
    pub fn start(name: &str) -> Self {
        let tree = tree();
        assert!(tree.join("edition").exists(), "lab: no tree in {}: run lab/install", tree.display());
        let folder = tempfile::Builder::new().prefix("lab-machine-").tempdir().expect("a temporary folder");
        let watchdog = Watchdog::over(folder.path());
        let (link, network) = free_network();
        let machine = Self {
            folder,
            name: name.to_owned(),
            network,
            link,
            running: Mutex::default(),
            _watchdog: watchdog,
        };
        machine.write();
        machine.boot();
        machine
    }

    /// Its address.
    #[must_use]
    pub fn address(&self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.network.to_bits() + 1)
    }

    /// The file for `ssh -F`: key and known hosts; the name of the machine is a host of it.
    #[must_use]
    pub fn config(&self) -> PathBuf {
        self.file("ssh_config")
    }

    /// Runs a script there as root, not over the network. Panics when it fails.
    pub fn run(&self, script: &str) -> String {
        run(self.command().args(["sh", "-e", "-c", script])).trim_end().to_owned()
    }

    /// A command that runs there as root, not over the network: its program and arguments are added to it.
    #[must_use]
    pub fn command(&self) -> Command {
        let pid = self.init().expect("the machine is on");
        let mut nsenter = command("nsenter");
        nsenter.args(["--target", &pid.to_string()]);
        nsenter.args(["--mount", "--pid", "--uts", "--ipc", "--net", "--cgroup", "--root", "--wd"]);
        nsenter
    }

    /// Nothing comes in or goes out from now on.
    pub fn cut(&self) {
        run(command("ip").args(["link", "set", &self.link, "down"]));
    }

    /// Ends [`Machine::cut`].
    pub fn mend(&self) {
        run(command("ip").args(["link", "set", &self.link, "up"]));
    }

    /// Pulls the plug: all processes are killed at one moment. What it wrote to its disk stays.
    pub fn switch_off(&self) {
        if let Some(running) = self.running.lock().unwrap_or_else(PoisonError::into_inner).take() {
            running.kill();
        }
        // Groups below first. One whose last process is not yet gone stays empty behind: it is in nobody's way.
        drop(
            command("find")
                .arg(self.group())
                .args(["-depth", "-type", "d", "-exec", "rmdir", "{}", ";"])
                .output(),
        );
    }

    /// Switches it on.
    pub fn boot(&self) {
        let (prefix, folder) = (format!("{}/30", self.address()), self.folder.path());
        // A control group of its own: what the machine's systemd makes lies below, and machines that share one would end each
        // other's services of the same name.
        fs::create_dir_all(self.group()).expect("root can make control groups");
        let enter = r#"echo $$ >"$0/cgroup.procs" && exec "$@""#;
        let mut unshare = command("sh");
        unshare.args(["-c", enter]).arg(self.group()).arg("unshare");
        unshare.args(["--mount", "--pid", "--fork", "--uts", "--ipc", "--net", "--cgroup", "--kill-child"]);
        unshare.args(["sh", "-c", include_str!("machine.sh"), "machine"]).arg(folder).arg(tree());
        unshare.arg(&prefix);
        let running = spawn(&unshare, folder, "machine");
        *self.running.lock().unwrap_or_else(PoisonError::into_inner) = Some(running);
        wait_until("the first process of a machine", || self.init().is_some());
        let pid = self.init().expect("it was there").to_string();
        let link = ["link", "add", &self.link, "type", "veth", "peer", "name", "eth0", "netns", &pid];
        run(command("ip").args(link));
        run(command("ip").args(["address", "add", &format!("{}/30", self.network), "dev", &self.link]));
        self.mend();
        let ask = |words: &[&str]| {
            let answer = self.command().arg("systemctl").args(words).output();
            answer.map(|answer| String::from_utf8_lossy(&answer.stdout).into_owned()).unwrap_or_default()
        };
        let seen = || {
            let log = fs::read_to_string(self.file("machine.log")).unwrap_or_default();
            let failed = ask(&["list-units", "--failed", "--plain"]);
            format!(
                "{} does not run: {}{failed}{}{log}",
                self.name,
                ask(&["is-system-running"]),
                ask(&["list-jobs"])
            )
        };
        // Units that see to the kernel may fail: it is not the machine's own.
        wait_or(seen, || ["running\n", "degraded\n"].contains(&ask(&["is-system-running"]).as_str()));
    }

    /// Its control group, in the hierarchy that systemd keeps track by.
    fn group(&self) -> PathBuf {
        // As in machine.sh.
        let known = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup/systemd"].map(Path::new);
        let mounted = known.into_iter().find(|folder| folder.is_dir());
        mounted.unwrap_or(Path::new("/sys/fs/cgroup")).join(&self.link)
    }

    /// The number of its first process, as seen from here.
    fn init(&self) -> Option<u32> {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        children(running.as_ref()?.pid()).first().copied()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Keys of the machine and of who may log in.
    fn write(&self) {
        for name in ["host_key", "key"] {
            run(command("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(self.file(name)));
        }
        let folder = self.folder.path().display();
        let upper = self.file("upper");
        let ssh = upper.join("etc/ssh/sshd_config.d");
        fs::create_dir_all(&ssh).expect("the folder can be written");
        for name in ["host_key", "key.pub"] {
            fs::copy(self.file(name), upper.join("etc/ssh").join(name)).expect("the folder can be written");
        }
        let server = "HostKey /etc/ssh/host_key\nAuthorizedKeysFile /etc/ssh/key.pub\nPasswordAuthentication no\nUseDNS no\n\
                      UsePAM no\nMaxStartups 100\n";
        fs::write(upper.join("etc/hostname"), format!("{}\n", self.name)).expect("the folder can be written");
        fs::write(ssh.join("lab.conf"), server).expect("the folder can be written");
        let (name, address) = (&self.name, self.address());
        let client = format!(
            "Host {name}\n  HostName {address}\n  User root\nHost {name} *@{name} {address}\n  IdentityFile {folder}/key\n  IdentitiesOnly yes\n\
             \x20 HostKeyAlias {name}\n  UserKnownHostsFile {folder}/known_hosts\n  GlobalKnownHostsFile /dev/null\n"
        );
        let key = fs::read_to_string(self.file("host_key.pub")).expect("ssh-keygen wrote it");
        fs::write(self.file("ssh_config"), client).expect("the folder can be written");
        fs::write(self.file("known_hosts"), format!("{name} {key}")).expect("the folder can be written");
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.switch_off();
    }
}

/// What `lab/install` made.
fn tree() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/lab/machine")
}

/// A name for a link and two addresses that nobody has, of the network that is set apart for tests of devices (RFC 2544).
fn free_network() -> (String, Ipv4Addr) {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let taken = run(command("ip").args(["-brief", "address"]));
    let start = std::process::id().wrapping_mul(7919);
    for _ in 0..10_000 {
        let step = start.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % (1 << 15);
        let network = Ipv4Addr::from_bits(Ipv4Addr::new(198, 18, 0, 0).to_bits() + step * 4 + 1);
        if !taken.contains(&format!("{network}/")) {
            return (format!("lab{step}"), network);
        }
    }
    panic!("lab: no free addresses in 198.18.0.0/15")
}
