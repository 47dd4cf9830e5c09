//! A server of its own for a copy, from the programs of this machine: reached by a socket in its folder alone, gone with it.

use super::{Isolation, Janitor, Order, PREFIX, Scratch, failed, file, new_name, server};
use crate::{
    backup::{Source, tool::Tool},
    disk::one_line,
};
use rustix::process::{Pid, Signal, kill_process_group};
use std::{
    fs::{self, OpenOptions},
    os::unix::{fs::chown, process::CommandExt as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};
use windlass_driver::Failure;
use windlass_plan::UrlKind;

/// The file with the number of the server's process.
const PID: &str = "server.pid";
/// Longest wait for the end of a server that was killed.
const STOP_MAX: Duration = Duration::from_secs(10);
/// Longest wait until the server answers.
const START_MAX: Duration = Duration::from_secs(60);

/// Stops the server whose number is in a file: at once, for nothing of it is kept.
const STOP: &str =
    r#"pid=$(cat "$1" 2>/dev/null) && [ -n "$pid" ] && kill -s KILL -- "-$pid" 2>/dev/null; exit 0"#;

/// Starts the server, and makes the copy on it under the name of the live database.
pub(super) fn make(order: &Order<'_>, rows: PathBuf, beside: Janitor) -> Result<Scratch, Failure> {
    (order.progress)("starting a server of its own");
    // Names of sockets are short, and the server may run as another user: neither goes with any folder of the team's.
    let parent = tempfile::env::temp_dir();
    file::sweep_folders(&parent, order.progress);
    let (folder, janitor) = file::folder(&parent, &new_name(PREFIX))?;
    let pid = folder.join(PID);
    let text = pid.display().to_string();
    let stop = Janitor::with_script(STOP, &[&text], format!("stop the process of {text}"))?;
    let host = match order.source.kind {
        UrlKind::Postgresql => postgres(order, &folder)?,
        _ => mysql(order, &folder)?,
    };
    if host.kind == UrlKind::Postgresql {
        roles(order, &host)?;
    }
    let name = order.source.database.clone();
    server::make_on(order, host, Isolation::Private, &name, rows, vec![stop, janitor, beside])
}

/// Stops the server that a dead process has left in its `folder`, if it is still that one: numbers of processes come again.
pub(super) fn stop(folder: &Path) {
    let Ok(folder) = folder.canonicalize() else { return };
    let Ok(pid) = fs::read_to_string(folder.join(PID)) else { return };
    let here = || {
        let works_in = fs::read_link(Path::new("/proc").join(pid.trim()).join("cwd"));
        works_in.is_ok_and(|path| path.starts_with(&folder))
    };
    let group = pid.trim().parse().ok().and_then(Pid::from_raw);
    if let Some(group) = group.filter(|_| here()) {
        let _ = kill_process_group(group, Signal::KILL);
        let end = Instant::now() + STOP_MAX;
        while here() && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

fn program(order: &Order<'_>, name: &str, places: &[&str]) -> Result<PathBuf, Failure> {
    // A server's programs may stand beside those of its clients.
    let told =
        order.tools.into_iter().flat_map(|folder| [folder.join(name), folder.join("../sbin").join(name)]);
    let told = told.into_iter().find(|path| path.exists());
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut versions: Vec<PathBuf> = versions.map(|entry| entry.path().join("bin")).collect();
    versions.sort();
    let known = versions.into_iter().rev().chain(places.iter().map(PathBuf::from));
    let found = told.or_else(|| known.map(|folder| folder.join(name)).find(|path| path.exists()));
    found.ok_or_else(|| {
        failed(format!(
            "a private server needs the program {name}, which is not on this machine; nothing was done"
        ))
        .hint("install the server, name the folder of its programs with `--tools`, or leave `--private` out")
    })
}

/// PostgreSQL refuses to be run by root.
fn account() -> Option<(u32, u32)> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let accounts = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let find = |name: &str| {
        let mut fields =
            accounts.lines().find(|line| line.split(':').next() == Some(name))?.split(':').skip(2);
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    };
    find("postgres").or_else(|| find("nobody"))
}

fn run(mut command: Command, what: &str) -> Result<(), Failure> {
    let output = command.stdin(Stdio::null()).output().map_err(|error| failed(format!("{what}: {error}")))?;
    if output.status.success() {
        return Ok(());
    }
    Err(failed(format!("{what} failed: {}", one_line(&String::from_utf8_lossy(&output.stderr), 400))))
}

/// Starts the server in a group of its own; its number is in a file before it runs.
fn start(command: &Command, account: Option<(u32, u32)>, folder: &Path) -> Result<(), Failure> {
    let broken = |error: std::io::Error| failed(format!("the private server cannot be started: {error}"));
    let log = folder.join("server.log");
    let log = OpenOptions::new().create(true).append(true).open(log).map_err(broken)?;
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", r#"echo $$ >"$0" && exec "$@""#]).arg(folder.join(PID));
    shell.arg(command.get_program()).args(command.get_args()).current_dir(folder).process_group(0);
    if let Some((uid, gid)) = account {
        shell.uid(uid).gid(gid);
    }
    shell.stdin(Stdio::null()).stdout(log.try_clone().map_err(broken)?).stderr(log);
    let mut child = shell.spawn().map_err(broken)?;
    // It is waited for, whatever ends it.
    std::thread::spawn(move || child.wait());
    Ok(())
}

fn wait(order: &Order<'_>, host: &Source, folder: &Path) -> Result<(), Failure> {
    let tool = Tool::new(host, order.tools)?;
    let end = Instant::now() + START_MAX;
    loop {
        match tool.ask(Some(&host.database), "SELECT 1") {
            Ok(_) => return Ok(()),
            Err(_) if Instant::now() < end => std::thread::sleep(Duration::from_millis(100)),
            Err(failure) => {
                let log = fs::read_to_string(folder.join("server.log")).unwrap_or_default();
                let tail: Vec<&str> = log.lines().rev().take(3).collect();
                return Err(failed(format!(
                    "the private server does not answer: {}; {}",
                    failure.message,
                    tail.join("; ")
                )));
            }
        }
    }
}

fn postgres(order: &Order<'_>, folder: &Path) -> Result<Source, Failure> {
    let broken = |error: std::io::Error| failed(format!("{}: {error}", folder.display()));
    let places = ["/usr/bin"];
    let (initdb, server) = (program(order, "initdb", &places)?, program(order, "postgres", &places)?);
    let data = folder.join("data");
    fs::create_dir(&data).map_err(broken)?;
    let account = account();
    let as_account = |program: &Path| {
        let mut command = Command::new(program);
        if let Some((uid, gid)) = account {
            command.uid(uid).gid(gid);
        }
        command.current_dir(folder);
        command
    };
    if let Some((uid, gid)) = account {
        chown(folder, Some(uid), Some(gid)).map_err(broken)?;
        chown(&data, Some(uid), Some(gid)).map_err(broken)?;
    }
    let mut init = as_account(&initdb);
    init.args(["--username=postgres", "--auth=trust", "--encoding=UTF8", "--no-sync", "-D"]).arg(&data);
    run(init, "initdb")?;
    let mut command = as_account(&server);
    command.arg("-D").arg(&data);
    let socket = format!("unix_socket_directories={}", folder.display());
    for set in ["listen_addresses=", socket.as_str(), "fsync=off", "full_page_writes=off", "autovacuum=off"] {
        command.args(["-c", set]);
    }
    start(&command, account, folder)?;
    let url = format!("postgres:///postgres?host={}&user=postgres", folder.display());
    let host = Source::new(&url, folder)?;
    wait(order, &host, folder)?;
    Ok(host)
}

/// The roles of the live server, without passwords and rights: so that owners and grants can be copied.
fn roles(order: &Order<'_>, host: &Source) -> Result<(), Failure> {
    let (live, new) = (Tool::new(order.source, order.tools)?, Tool::new(host, order.tools)?);
    let sql = "SELECT format('CREATE ROLE %I', rolname) FROM pg_roles WHERE rolname !~ '^pg_' AND rolname <> 'postgres'";
    let roles = live
        .ask(Some(&order.source.database), sql)?
        .lines()
        .map(|role| format!("{role};\n"))
        .collect::<String>();
    new.ask(Some(&host.database), &roles).map(drop)
}

fn mysql(order: &Order<'_>, folder: &Path) -> Result<Source, Failure> {
    let live = Tool::new(order.source, order.tools)?;
    let ask = |sql: &str| live.ask(Some(&order.source.database), sql);
    let is_mariadb = ask("SELECT VERSION()")?.contains("MariaDB");
    let places = ["/usr/sbin", "/usr/bin", "/usr/libexec", "/usr/local/mysql/bin"];
    let server = program(order, if is_mariadb { "mariadbd" } else { "mysqld" }, &places)?;
    let (data, temporary) = (folder.join("data"), folder.join("tmp"));
    fs::create_dir(&temporary).map_err(|error| failed(format!("{}: {error}", temporary.display())))?;
    // A server that starts removes the temporary tables of every other server in the same folder, by default /tmp: a live
    // server of this machine would fail, or end with a segmentation fault.
    let about = |command: &mut Command| {
        command.arg(format!("--datadir={}", data.display())).current_dir(folder);
        command.arg(format!("--tmpdir={}", temporary.display()));
        if rustix::process::geteuid().is_root() {
            command.arg("--user=root");
        }
    };
    let base = server.parent().and_then(Path::parent).map(Path::to_owned).unwrap_or_default();
    let mut install = if is_mariadb {
        let mut install = Command::new(program(order, "mariadb-install-db", &places)?);
        install.args(["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db"]);
        install
    } else {
        let mut install = Command::new(&server);
        install.args(["--no-defaults", "--initialize-insecure"]).arg(format!("--basedir={}", base.display()));
        install
    };
    about(&mut install);
    run(install, "making the data folder of the private server")?;
    let mut command = Command::new(&server);
    command.args([
        "--no-defaults",
        "--skip-networking",
        "--event-scheduler=OFF",
        "--innodb-flush-log-at-trx-commit=0",
    ]);
    let socket = folder.join("mysql.sock");
    command
        .arg(format!("--socket={}", socket.display()))
        .arg(format!("--pid-file={}", data.join("pid").display()));
    if !is_mariadb {
        command.arg(format!("--basedir={}", base.display())).args(["--mysqlx=OFF", "--skip-log-bin"]);
        // The folder that packages name may not be there, and no file is to be written.
        command.arg("--secure-file-priv=NULL");
    }
    for (option, variable) in [
        ("sql-mode", "sql_mode"),
        ("character-set-server", "character_set_server"),
        ("collation-server", "collation_server"),
        ("lower-case-table-names", "lower_case_table_names"),
    ] {
        command.arg(format!("--{option}={}", ask(&format!("SELECT @@global.{variable}"))?));
    }
    about(&mut command);
    start(&command, None, folder)?;
    let host = Source::new(&format!("mysql://root@localhost/mysql?socket={}", socket.display()), folder)?;
    wait(order, &host, folder)?;
    Ok(host)
}
