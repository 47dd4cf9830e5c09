//! Starting, watching and killing processes.

use std::{
    fs,
    net::TcpListener,
    os::unix::{fs::MetadataExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, WaitOptions, kill_process, set_child_subreaper, waitpid};

/// How long anything may take before it counts as failed; generous, for machines that are busy.
const PATIENCE: Duration = Duration::from_secs(90);

/// Waits until `probe` says so. Panics with `what` when it never does.
pub fn wait_until(what: &str, probe: impl FnMut() -> bool) {
    wait_or(|| what.to_owned(), probe);
}

/// The same, with words that are found only when it never does.
pub fn wait_or(what: impl Fn() -> String, mut probe: impl FnMut() -> bool) {
    let began = Instant::now();
    while !probe() {
        assert!(began.elapsed() < PATIENCE, "lab: {}: not within {PATIENCE:?}", what());
        thread::sleep(Duration::from_millis(10));
    }
}

/// A command with an environment that does not depend on who runs the test.
pub fn command(program: impl AsRef<Path>) -> Command {
    let mut command = Command::new(program.as_ref());
    command
        .env_clear()
        .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        .env("LC_ALL", "C.UTF-8")
        .stdin(Stdio::null());
    command
}

/// Runs to the end. Panics with the output when the command cannot start or fails.
pub fn run(command: &mut Command) -> String {
    let out = command.output().unwrap_or_else(|e| panic!("lab: {command:?} cannot start: {e}"));
    assert!(
        out.status.success(),
        "lab: {command:?}: {}\n{}{}",
        out.status,
        String::from_utf8_lossy(&out.stdout),
        String::from_utf8_lossy(&out.stderr)
    );
    String::from_utf8_lossy(&out.stdout).into_owned()
}

/// Who a server runs as, when that is somebody else.
#[derive(Clone, Debug)]
pub struct Account {
    pub uid: u32,
    pub gid: u32,
}

/// PostgreSQL refuses to run as root: the account it runs as then. `None` when this process is not root.
pub fn unprivileged() -> Option<Account> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let accounts = fs::read_to_string("/etc/passwd").expect("every Linux has /etc/passwd");
    let find = |name: &str| {
        let line = accounts.lines().find(|line| line.split(':').next() == Some(name))?;
        let mut fields = line.split(':').skip(2);
        Some(Account { uid: fields.next()?.parse().ok()?, gid: fields.next()?.parse().ok()? })
    };
    let found = find("postgres").or_else(|| find("nobody"));
    Some(found.expect("/etc/passwd has `postgres` or `nobody`"))
}

/// The command, run as `account`. Where only root may enter one of the folders above the program (a repository below
/// `/root`), it keeps the right to enter any folder; that lasts through `access(2)` only without the fix-up of setuid.
pub fn as_account(account: Option<&Account>, program: &Path) -> Command {
    let Some(Account { uid, gid }) = account else { return command(program) };
    let mut command = command("setpriv");
    command.args([format!("--reuid={uid}"), format!("--regid={gid}"), "--clear-groups".to_owned()]);
    if !is_open_to_all(program) {
        command.arg("--securebits=+no_setuid_fixup");
        command.args(["--inh-caps=+dac_override", "--ambient-caps=+dac_override"]);
    }
    command.arg(program);
    command
}

fn is_open_to_all(program: &Path) -> bool {
    let is_open = |folder: &Path| fs::metadata(folder).is_ok_and(|found| found.mode() & 0o001 != 0);
    program.ancestors().skip(1).all(is_open)
}

/// Waits for the end of the test process and then ends its servers.
pub struct Watchdog {
    child: Child,
}

impl Watchdog {
    /// Watches over every server that [`spawn`] starts with a pid file in `folder`.
    pub fn over(folder: &Path) -> Self {
        let mut command = command("sh");
        command.args(["-c", include_str!("watchdog.sh"), "watchdog"]).arg(folder);
        // In a group of its own, Ctrl-C ends the test and not the watchdog.
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        Self { child: command.spawn().unwrap_or_else(|e| panic!("lab: sh cannot start: {e}")) }
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        drop(self.child.wait());
    }
}

/// A process under the watchdog.
pub struct Running {
    child: Child,
    pid_file: PathBuf,
}

/// Starts a server. Its number is in `NAME.pid` before it is the server, so that no moment is unwatched; its output goes
/// to `NAME.log`.
pub fn spawn(command: &Command, folder: &Path, name: &str) -> Running {
    let pid_file = folder.join(format!("{name}.pid"));
    let log = fs::OpenOptions::new().create(true).append(true).open(folder.join(format!("{name}.log")));
    let log = log.unwrap_or_else(|e| panic!("lab: no log in {}: {e}", folder.display()));
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", r#"echo $$ >"$0" && exec "$@""#]).arg(&pid_file).arg(command.get_program());
    shell.args(command.get_args()).env_clear();
    shell.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    shell.current_dir(folder).process_group(0).stdin(Stdio::null());
    shell.stdout(log.try_clone().expect("a second handle of a file")).stderr(log);
    let child = shell.spawn().unwrap_or_else(|e| panic!("lab: {command:?} cannot start: {e}"));
    Running { child, pid_file }
}

impl Running {
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn has_ended(&mut self) -> bool {
        let has_ended = !matches!(self.child.try_wait(), Ok(None));
        if has_ended {
            // From here on the number may be somebody else's.
            drop(fs::remove_file(&self.pid_file));
        }
        has_ended
    }

    /// SIGKILL of the process and of its children, all at one moment; returns when they are gone.
    pub fn kill(mut self) {
        let pid = self.child.id();
        send(pid, Signal::STOP);
        let children = children(pid);
        adopting(|| {
            drop(self.child.kill());
            drop(self.child.wait());
        });
        drop(fs::remove_file(&self.pid_file));
        children.iter().for_each(|child| send(*child, Signal::KILL));
        children.iter().filter_map(|child| number(*child)).for_each(|child| {
            // Ours since it was adopted, else it is gone.
            let _ = waitpid(Some(child), WaitOptions::empty());
        });
        wait_until("killed processes of a server end", || children.iter().all(|child| is_gone(*child)));
    }
}

/// Whose parent ends in `body` becomes a child of this process, which can then wait for it. Not every container has an init
/// that does: thousands of dead processes would remain.
fn adopting(body: impl FnOnce()) {
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let is_set = set_child_subreaper(Some(rustix::process::getpid())).is_ok();
    body();
    if is_set {
        set_child_subreaper(None).expect("what could be set can be unset");
    }
}

fn number(pid: u32) -> Option<Pid> {
    i32::try_from(pid).ok().and_then(Pid::from_raw)
}

fn send(pid: u32, signal: Signal) {
    // One that is gone already needs no signal.
    let _ = number(pid).map(|pid| kill_process(pid, signal));
}

/// State letter and parent of a process; `None` when there is none.
fn state(pid: u32) -> Option<(char, u32)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    Some((fields.next()?.chars().next()?, fields.next()?.parse().ok()?))
}

fn is_gone(pid: u32) -> bool {
    state(pid).is_none_or(|(letter, _)| letter == 'Z' || letter == 'X')
}

pub fn children(parent: u32) -> Vec<u32> {
    let entries = fs::read_dir("/proc").expect("Linux has /proc");
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.filter(|pid| state(*pid).is_some_and(|(_, of)| of == parent)).collect()
}

/// A port that nobody listens at. Below the range from which the kernel gives ports to connections, so that a server that
/// is killed finds its port free at the restart.
pub fn free_port() -> u16 {
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
