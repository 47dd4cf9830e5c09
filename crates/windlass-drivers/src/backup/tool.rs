//! The servers' own programs: `pg_dump`, `psql`, `mysqldump`, `mysql` and their MariaDB names. Passwords reach them in a file
//! that only the owner can read, never by an argument or a variable.

use super::{Source, failed};
use crate::disk::one_line;
use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};
use tempfile::NamedTempFile;
use windlass_driver::{Failure, Fault};
use windlass_plan::UrlKind;

/// Seconds to wait for a connection.
const CONNECT_S: &str = "10";
/// Longest message of a program that is repeated, characters.
const MESSAGE_MAX: usize = 600;

/// The programs for one server, with the file that lets them in.
pub(super) struct Tool {
    source: Source,
    /// Folder of the programs; `None`: the search path.
    folder: Option<PathBuf>,
    secret: NamedTempFile,
    is_mariadb: bool,
    /// The dump program's own words about itself.
    pub(super) version: String,
}

impl Tool {
    pub(super) fn new(source: &Source, folder: Option<&Path>) -> Result<Self, Failure> {
        let secret = secret(source).map_err(|error| {
            failed(format!("cannot write the file with the password for the programs: {error}"))
        })?;
        let folder = folder.map(Path::to_owned);
        let mut tool =
            Self { source: source.clone(), folder, secret, is_mariadb: false, version: String::new() };
        let output = tool.dump_program().arg("--version").stdin(Stdio::null()).output();
        let output = output.map_err(|error| tool.not_found(&error))?;
        tool.version = one_line(&String::from_utf8_lossy(&output.stdout), 120);
        tool.is_mariadb = tool.version.contains("MariaDB");
        Ok(tool)
    }

    fn not_found(&self, error: &std::io::Error) -> Failure {
        let (program, package) = match self.source.kind {
            UrlKind::Postgresql => ("pg_dump", "postgresql-client"),
            _ => ("mysqldump", "mariadb-client"),
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
        match self.source.kind {
            UrlKind::Postgresql => self.program(&["pg_dump"]),
            _ => self.program(&["mysqldump", "mariadb-dump"]),
        }
    }

    /// Writes the database to standard output, of one consistent moment.
    pub(super) fn dump(&self) -> Command {
        let mut command = self.dump_program();
        self.enter(&mut command);
        match self.source.kind {
            UrlKind::Postgresql => {
                command.args(["--format=plain", "--no-password", "--encoding=UTF8"]);
            }
            _ => {
                command.args(["--single-transaction", "--quick", "--routines", "--triggers", "--events"]);
                command.args(["--hex-blob", "--default-character-set=utf8mb4"]);
                if !self.is_mariadb {
                    command.arg("--set-gtid-purged=OFF");
                }
                command.arg("--").arg(&self.source.database);
            }
        }
        command.stdin(Stdio::null());
        command
    }

    /// Reads SQL from standard input, and stops at the first error.
    pub(super) fn client(&self, database: Option<&str>) -> Command {
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
    pub(super) fn ask(&self, database: Option<&str>, sql: &str) -> Result<String, Failure> {
        let mut child = self
            .client(database)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| self.not_found(&error))?;
        let written = child.stdin.take().map(|mut pipe| pipe.write_all(sql.as_bytes()));
        let output = child.wait_with_output().map_err(|error| failed(error.to_string()))?;
        if !output.status.success() {
            return Err(self.said(&String::from_utf8_lossy(&output.stderr)));
        }
        if let Some(Err(error)) = written {
            return Err(failed(format!("the client ended before it had read everything: {error}")));
        }
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// What a program said when it failed. No program repeats the password; it is masked all the same.
    pub(super) fn said(&self, text: &str) -> Failure {
        let mut text = one_line(text, MESSAGE_MAX);
        if !self.source.password.is_empty() {
            text = text.replace(&self.source.password, "****");
        }
        Failure::clean(Fault::Target, format!("database `{}`: {text}", self.source.database))
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

/// The file with the password, readable by its owner only (`tempfile` sees to that).
fn secret(source: &Source) -> std::io::Result<NamedTempFile> {
    let mut file = NamedTempFile::new()?;
    if source.kind == UrlKind::Postgresql {
        let escaped = source.password.replace('\\', "\\\\").replace(':', "\\:");
        writeln!(file, "*:*:*:*:{escaped}")?;
        return Ok(file);
    }
    let quoted = |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
    // The dump programs know no time limit and refuse a group that has one.
    writeln!(file, "[mysql]\nconnect-timeout={CONNECT_S}\n[client]")?;
    if source.host.starts_with('/') {
        writeln!(file, "socket={}", quoted(&source.host))?;
    } else {
        // Without the protocol `localhost` means a socket, which may be another server's.
        writeln!(file, "host={}\nprotocol=tcp\nport={}", quoted(&source.host), source.port.unwrap_or(3306))?;
    }
    if !source.user.is_empty() {
        writeln!(file, "user={}", quoted(&source.user))?;
    }
    if !source.password.is_empty() {
        writeln!(file, "password={}", quoted(&source.password))?;
    }
    for name in ["ssl-ca", "ssl-cert", "ssl-key", "ssl-mode"] {
        if let Some(value) = source.option(name) {
            writeln!(file, "{name}={}", quoted(value))?;
        }
    }
    Ok(file)
}
