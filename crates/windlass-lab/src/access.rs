//! Databases on a server, and the URLs that reach them.

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::{Flavor, mysql, postgres};

/// Password of the users `guarded` (password needed) and `tls_only` (password and TLS needed), who may do everything.
/// It has characters that a URL must escape.
pub const PASSWORD: &str = "k33p&it/s@fe";
const PASSWORD_IN_URL: &str = "k33p%26it%2Fs%40fe";

/// How a server is reached.
#[derive(Clone, Debug)]
pub struct Access {
    pub flavor: Flavor,
    pub port: u16,
    /// The server's folder, which has the socket.
    pub folder: PathBuf,
}

impl Access {
    pub fn socket(&self) -> PathBuf {
        if self.flavor.is_postgres() { self.folder.clone() } else { mysql::socket(&self.folder) }
    }

    /// The server's client tool, at the administrator's database when there is no `database`.
    pub fn client(&self, database: Option<&str>) -> Command {
        if self.flavor.is_postgres() {
            postgres::client(self, database)
        } else {
            mysql::client(self, database)
        }
    }

    fn url(&self, user: &str, port: u16, database: &str) -> String {
        let scheme = if self.flavor.is_postgres() { "postgres" } else { "mysql" };
        format!("{scheme}://{user}@127.0.0.1:{port}/{database}")
    }
}

/// A database of a test's own. It stays until the server ends.
#[derive(Clone, Debug)]
pub struct Database {
    pub(crate) access: Access,
    pub(crate) name: String,
}

impl Database {
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Over TCP as the administrator (`postgres` or `root`), who has no password.
    #[must_use]
    pub fn url(&self) -> String {
        self.url_at(self.access.port)
    }

    /// [`Database::url`] at another port of 127.0.0.1: a forwarder, a pooler.
    #[must_use]
    pub fn url_at(&self, port: u16) -> String {
        let user = if self.access.flavor.is_postgres() { "postgres" } else { "root" };
        self.access.url(user, port, &self.name)
    }

    /// Over TCP as the user `guarded`, who needs the [`PASSWORD`] that is in the URL.
    #[must_use]
    pub fn url_with_password(&self) -> String {
        self.access.url(&format!("guarded:{PASSWORD_IN_URL}"), self.access.port, &self.name)
    }

    /// Over TCP as the user `tls_only`, with the [`PASSWORD`]; what asks for TLS has to be added. Needs
    /// [`crate::Setup::tls`].
    #[must_use]
    pub fn url_tls_only(&self) -> String {
        self.access.url(&format!("tls_only:{PASSWORD_IN_URL}"), self.access.port, &self.name)
    }

    /// Over the unix socket as the administrator, in the form that tokio-postgres, psql and mysql_async read.
    #[must_use]
    pub fn socket_url(&self) -> String {
        let socket = self.access.socket();
        let (name, socket, port) = (&self.name, socket.display(), self.access.port);
        if self.access.flavor.is_postgres() {
            format!("postgres:///{name}?host={socket}&port={port}&user=postgres")
        } else {
            format!("mysql://root@localhost/{name}?socket={socket}")
        }
    }

    /// Runs SQL with the server's own client tool and returns its output: a line for each row, columns separated by `|`
    /// (PostgreSQL) or a tab, no headers, without the last line end. Panics with the tool's message when the SQL fails.
    pub fn run(&self, sql: &str) -> String {
        feed(self.access.client(Some(&self.name)), sql).unwrap_or_else(|e| panic!("lab: {sql}: {e}"))
    }

    /// [`Database::run`] for SQL that may fail: the tool's message then.
    pub fn try_run(&self, sql: &str) -> Result<String, String> {
        feed(self.access.client(Some(&self.name)), sql)
    }

    /// Runs a file of SQL with the server's own client tool. Panics with the tool's message when it fails.
    pub fn run_file(&self, file: &Path) {
        let sql = std::fs::File::open(file).unwrap_or_else(|e| panic!("lab: {}: {e}", file.display()));
        crate::process::run(self.access.client(Some(&self.name)).stdin(sql));
    }
}

/// Runs a client tool with SQL on its standard input.
pub fn feed(mut client: Command, sql: &str) -> Result<String, String> {
    client.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = client.spawn().map_err(|e| format!("{client:?} cannot start: {e}"))?;
    let mut stdin = child.stdin.take().expect("a piped standard input");
    let sql = sql.to_owned();
    // From a thread: a tool that prints much before it has read all would wait for us for ever.
    let writer = std::thread::spawn(move || stdin.write_all(sql.as_bytes()));
    let out = child.wait_with_output().map_err(|e| format!("{client:?}: {e}"))?;
    // A tool that stops at an error does not read the rest.
    drop(writer.join());
    if !out.status.success() {
        return Err(String::from_utf8_lossy(&out.stderr).trim_end().to_owned());
    }
    let mut text = String::from_utf8_lossy(&out.stdout).into_owned();
    text.truncate(text.trim_end_matches('\n').len());
    Ok(text)
}
