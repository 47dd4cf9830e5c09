//! The servers' own programs: `pg_dump`, `psql`, `mysqldump`, `mysql` and their MariaDB names. Passwords reach them in a file
//! without a name that only the owner can read, never by an argument or a variable.

use super::{
    Source,
    create::{Reaped, text},
    failed,
    hidden::Hidden,
    pump::{Watch, why},
};
use crate::disk::one_line;
use std::{
    fs::File,
    io::{self, Read as _, Seek as _, Write as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};
use windlass_driver::{Failure, Fault};
use windlass_plan::UrlKind;

/// Seconds to wait for a connection.
const CONNECT_S: &str = "10";
/// Longest wait for an answer, if nothing else is said: counting reads whole tables.
const ANSWER_MAX: Duration = Duration::from_secs(60 * 60);
/// Longest wait for a look at what the server does.
const LOOK_MAX: Duration = Duration::from_secs(30);
/// Longest message of a program that is repeated, characters.
const MESSAGE_MAX: usize = 600;

/// The programs for one server, with the file that lets them in.
pub(crate) struct Tool {
    pub(crate) source: Source,
    /// Folder of the programs; `None`: the search path.
    folder: Option<PathBuf>,
    secret: Hidden,
    /// The dump program that is meant, if it is said.
    dumper: Option<String>,
    pub(crate) is_mariadb: bool,
    /// The dump program's own words about itself.
    pub(crate) version: String,
}

impl Tool {
    pub(crate) fn new(source: &Source, folder: Option<&Path>) -> Result<Self, Failure> {
        Self::with(source, folder, None)
    }

    /// The same, with the dump program of this name.
    pub(super) fn with(
        source: &Source,
        folder: Option<&Path>,
        dumper: Option<&str>,
    ) -> Result<Self, Failure> {
        let secret = secret(source)
            .map_err(|error| failed(format!("cannot hand the password to the programs: {error}")))?;
        let folder = folder.map(Path::to_owned);
        let (source, dumper) = (source.clone(), dumper.map(str::to_owned));
        let mut tool = Self { source, folder, secret, dumper, is_mariadb: false, version: String::new() };
        let output = tool.dump_program().arg("--version").stdin(Stdio::null()).output();
        let output = output.map_err(|error| tool.not_found(&error))?;
        if !output.status.success() {
            let words = one_line(&String::from_utf8_lossy(&output.stderr), MESSAGE_MAX);
            return Err(failed(format!(
                "the dump program does not run: {}: {words}; nothing was done",
                output.status
            )));
        }
        tool.version = one_line(&String::from_utf8_lossy(&output.stdout), 120);
        tool.is_mariadb = tool.version.contains("MariaDB");
        Ok(tool)
    }

    fn not_found(&self, error: &std::io::Error) -> Failure {
        let (program, package) = match self.source.kind {
            UrlKind::Postgresql => ("pg_dump", "postgresql-client"),
            _ => (self.dumper.as_deref().unwrap_or("mysqldump"), "mariadb-client"),
        };
        failed(format!("the program {program} cannot be started: {error}; nothing was done"))
            .hint(format!("install it: apt-get install {package}"))
    }

    fn program(&self, names: &[&str]) -> Command {
        let Some(folder) = &self.folder else { return Command::new(names[0]) };
        let there = names.iter().map(|name| folder.join(name)).find(|path| path.exists());
        Command::new(there.unwrap_or_else(|| folder.join(names[0])))
    }

    fn dump_program(&self) -> Command {
        if let Some(dumper) = &self.dumper {
            return self.program(&[dumper]);
        }
        match self.source.kind {
            UrlKind::Postgresql => self.program(&["pg_dump"]),
            _ => self.program(&["mysqldump", "mariadb-dump"]),
        }
    }

    /// Writes the database to standard output, of one consistent moment.
    pub(crate) fn dump(&self) -> Command {
        self.dump_of_a_moment(match self.source.kind {
            UrlKind::Postgresql => &[],
            _ => &["--routines", "--triggers", "--events"],
        })
    }

    /// Writes the database to standard output, for a copy that is worked on: without what would act by itself there
    /// (events, subscriptions). `options` are the dump program's own.
    pub(crate) fn dump_for_copy(&self, options: &[&str]) -> Command {
        let own: &[&str] = match self.source.kind {
            UrlKind::Postgresql => &["--no-subscriptions", "--no-publications"],
            _ => &["--skip-lock-tables"],
        };
        self.dump_of_a_moment(&[own, options].concat())
    }

    fn dump_of_a_moment(&self, options: &[&str]) -> Command {
        let mut command = self.dump_program();
        self.enter(&mut command);
        match self.source.kind {
            UrlKind::Postgresql => {
                command.args(["--format=plain", "--no-password", "--encoding=UTF8"]).args(options);
            }
            _ => {
                command.args(["--single-transaction", "--quick", "--hex-blob"]);
                command.arg("--default-character-set=utf8mb4").args(options);
                if !self.is_mariadb {
                    command.arg("--set-gtid-purged=OFF");
                }
                command.arg("--").arg(&self.source.database);
            }
        }
        command.stdin(Stdio::null());
        command
    }

    /// Writes what these arguments ask for to standard output.
    pub(super) fn dump_with(&self, arguments: &[String]) -> Command {
        let mut command = self.dump_program();
        self.enter(&mut command);
        if self.source.kind == UrlKind::Postgresql {
            command.arg("--no-password");
        }
        command.args(arguments).stdin(Stdio::null());
        command
    }

    /// Reads SQL from standard input, and stops at the first error.
    pub(crate) fn client(&self, database: Option<&str>) -> Command {
        let mut command = match self.source.kind {
            UrlKind::Postgresql => self.program(&["psql"]),
            _ => self.program(&["mysql", "mariadb"]),
        };
        self.enter(&mut command);
        match self.source.kind {
            UrlKind::Postgresql => {
                command.args(["-X", "-A", "-t", "-q", "-w", "-v", "ON_ERROR_STOP=1"]);
                command.args(database.iter().flat_map(|name| ["-d", name]));
            }
            _ => {
                command.args(["--batch", "--skip-column-names", "--default-character-set=utf8mb4", "--raw"]);
                command.args(database);
            }
        }
        command
    }

    /// The first answer of a query at the database of the source, trimmed.
    pub(crate) fn ask(&self, database: Option<&str>, sql: &str) -> Result<String, Failure> {
        self.ask_within(ANSWER_MAX, database, sql)
    }

    /// The same; a client that has not ended by then is, whatever its server does.
    pub(crate) fn ask_within(
        &self,
        longest: Duration,
        database: Option<&str>,
        sql: &str,
    ) -> Result<String, Failure> {
        let lost = |error: io::Error| failed(format!("database `{}`: {error}", self.source.database));
        let [mut question, mut answer, errors] = [file()?, file()?, file()?];
        question.write_all(sql.as_bytes()).and_then(|()| question.rewind()).map_err(lost)?;
        let mut client = self.client(database);
        client.stdin(question).stdout(answer.try_clone().map_err(lost)?);
        client.stderr(errors.try_clone().map_err(lost)?);
        let mut child = Reaped(client.spawn().map_err(|error| self.not_found(&error))?);
        let go_on = |waited| match waited > longest {
            true => Err(failed(format!(
                "database `{}` did not answer in {} seconds: {}",
                self.source.database,
                longest.as_secs(),
                one_line(sql, 100)
            ))),
            false => Ok(()),
        };
        let watch = Watch { go_on: &go_on, moved: &|_| (), rate_bytes: None };
        let status = watch.ended(&mut child.0).map_err(|error| why(error, lost))?;
        if !status.success() {
            return Err(self.said(&text(errors)));
        }
        let mut bytes = vec![];
        answer.rewind().and_then(|()| answer.read_to_end(&mut bytes)).map_err(lost)?;
        Ok(String::from_utf8_lossy(&bytes).trim().to_owned())
    }

    /// Whether the server works for another client in the database: not for one that it waits for, and not behind a lock.
    pub(super) fn is_at_work(&self) -> Result<bool, Failure> {
        let name = self.source.database.replace('\'', "''");
        let sql = match self.source.kind {
            UrlKind::Postgresql => format!(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = '{name}' AND pid <> pg_backend_pid() AND \
                 state = 'active' AND COALESCE(wait_event_type, '') NOT IN ('Client', 'Lock')"
            ),
            _ => format!(
                "SELECT COUNT(*) FROM information_schema.processlist WHERE db = '{name}' AND id <> CONNECTION_ID() AND \
                 command <> 'Sleep' AND COALESCE(state, '') NOT REGEXP '^(Waiting for .*lock|Reading from net|Receiving from client)'"
            ),
        };
        Ok(self.ask_within(LOOK_MAX, Some(&self.source.database), &sql)? != "0")
    }

    /// Refuses a database with events that its dump program never comes to the end of: it looks for a delimiter that the event does not hold, and
    /// where `;;` is in it, it looks for ever (`create_delimiter` of mysqldump and mariadb-dump, seen in MariaDB 10.11 and MySQL 9).
    pub(super) fn no_endless_events(&self) -> Result<(), Failure> {
        if self.source.kind != UrlKind::Mysql {
            return Ok(());
        }
        let sql = "SELECT CONCAT('`', REPLACE(event_name, '`', '``'), '`') FROM information_schema.events WHERE event_schema = DATABASE() AND \
                   INSTR(CONCAT_WS(' ', event_name, event_comment, event_definition), ';;') > 0 ORDER BY event_name";
        let names = self.ask(Some(&self.source.database), sql)?;
        let Some(first) = names.lines().next() else { return Ok(()) };
        let (database, shown) = (&self.source.database, names.lines().collect::<Vec<_>>().join(", "));
        let message = format!(
            "database `{database}`: `;;` stands in these events, and on such a one the dump program works for ever and writes nothing: {}; nothing was \
             done",
            one_line(&shown, MESSAGE_MAX)
        );
        Err(failed(message)
            .hint(format!("`SHOW CREATE EVENT {first}` shows it; write it without `;;`, in comments and texts too: `ALTER EVENT {first} DO …`")))
    }

    /// What a program said when it failed. No program repeats the password; it is masked all the same.
    pub(crate) fn said(&self, text: &str) -> Failure {
        let mut text = one_line(text, MESSAGE_MAX);
        if !self.source.password.is_empty() {
            text = text.replace(&self.source.password, "****");
        }
        let hint = newer_client(&text);
        let failure = Failure::clean(Fault::Target, format!("database `{}`: {text}", self.source.database));
        hint.into_iter().fold(failure, Failure::hint)
    }

    /// A dump program that wrote nothing for so long.
    pub(crate) fn silent(&self, for_so_long: Duration) -> Failure {
        let database = &self.source.database;
        failed(format!(
            "the dump of `{database}` wrote nothing for {} minutes; nothing was kept",
            for_so_long.as_secs() / 60
        ))
        .hint("it may wait for the lock of a table: see who holds that")
    }

    /// How to get in.
    fn enter(&self, command: &mut Command) {
        let source = &self.source;
        if source.kind != UrlKind::Postgresql {
            // Has to be the first argument.
            let mut file = std::ffi::OsString::from("--defaults-file=");
            file.push(self.secret.path());
            command.arg(file);
            return;
        }
        command.env_remove("PGPASSWORD").env("PGPASSFILE", self.secret.path());
        command.env("PGCONNECT_TIMEOUT", CONNECT_S).env("PGAPPNAME", "windlass backup");
        command.env("PGDATABASE", &source.database);
        let port = source.port.map(|port| port.to_string());
        let known =
            [("PGHOST", Some(source.host.clone())), ("PGUSER", Some(source.user.clone())), ("PGPORT", port)];
        for (name, value) in known {
            match value.filter(|value| !value.is_empty()) {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        for (option, name) in [
            ("sslmode", "PGSSLMODE"),
            ("sslrootcert", "PGSSLROOTCERT"),
            ("sslcert", "PGSSLCERT"),
            ("sslkey", "PGSSLKEY"),
        ] {
            if let Some(value) = source.option(option) {
                command.env(name, value);
            }
        }
    }
}

fn file() -> Result<File, Failure> {
    tempfile::tempfile().map_err(|error| failed(format!("no file for the words of the client: {error}")))
}

/// The file with the password.
fn secret(source: &Source) -> io::Result<Hidden> {
    if source.kind == UrlKind::Postgresql {
        let escaped = source.password.replace('\\', "\\\\").replace(':', "\\:");
        return Hidden::new(&format!("*:*:*:*:{escaped}\n"));
    }
    let quoted = |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
    // The dump programs know no time limit and refuse a group that has one.
    let mut lines = vec!["[mysql]".to_owned(), format!("connect-timeout={CONNECT_S}"), "[client]".to_owned()];
    if source.host.starts_with('/') {
        lines.push(format!("socket={}", quoted(&source.host)));
    } else {
        // Without the protocol `localhost` means a socket, which may be another server's.
        lines.extend([format!("host={}", quoted(&source.host)), "protocol=tcp".to_owned()]);
        lines.push(format!("port={}", source.port.unwrap_or(3306)));
    }
    for (name, value) in [("user", &source.user), ("password", &source.password)] {
        if !value.is_empty() {
            lines.push(format!("{name}={}", quoted(value)));
        }
    }
    for name in ["ssl-ca", "ssl-cert", "ssl-key", "ssl-mode"] {
        lines.extend(source.option(name).map(|value| format!("{name}={}", quoted(value))));
    }
    Hidden::new(&(lines.join("\n") + "\n"))
}

/// What to do about a `pg_dump` that is older than its server: it refuses to work then.
fn newer_client(said: &str) -> Option<String> {
    let version = said.contains("server version mismatch").then(|| said.split_once("server version: "))??.1;
    let major: String = version.chars().take_while(char::is_ascii_digit).collect();
    Some(format!(
        "apt-get install postgresql-client-{major}, or name the folder of its programs with `--tools`"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_client_is_told_which_is_wanted() {
        let said = "pg_dump: error: aborting because of server version mismatch pg_dump: detail: server version: 18.6 (Debian 18.6-3); \
                    pg_dump version: 15.20";
        assert!(newer_client(said).unwrap().contains("postgresql-client-18,"));
        assert_eq!(newer_client("pg_dump: error: connection failed"), None);
    }
}
