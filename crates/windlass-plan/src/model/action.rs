//! What a unit does.

use super::{ServiceMode, ServiceOperation};
use crate::{Batch, ComposeLine, GitLine, InstallLine, Watching};
use serde::{Deserialize, Serialize};
use windlass_document::http::HttpCheck;
use windlass_objects::ObjectLine;

/// What a unit does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
pub enum Action {
    /// Run shell text with `/bin/sh`.
    Shell {
        /// The text as written.
        script: String,
        /// Working folder, relative to the folder of `windlass.toml`.
        dir: Option<String>,
        /// It changes nothing: it may be repeated, and needs no undo.
        readonly: bool,
        /// The database target whose URL it is handed as `DATABASE_URL`; what it changes there is recorded.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        database: Option<String>,
    },
    /// Edit a file.
    Patch {
        /// Path, relative to the target's folder.
        file: String,
        /// Working folder of the target.
        dir: Option<String>,
        /// Edits in order.
        edits: Vec<LineEdit>,
    },
    /// `cp FROM TO`.
    Copy {
        /// Source.
        from: String,
        /// Destination; a folder that exists receives the file inside, and `/` at its end says that it has to be one.
        to: String,
        /// Working folder.
        dir: Option<String>,
        /// `-r`, `-R`, `-a`.
        recursive: bool,
        /// `-p`, `-a`: keep mode, owner and times.
        preserve: bool,
    },
    /// `mv FROM TO`.
    Move {
        /// Source.
        from: String,
        /// Destination; a folder that exists receives the file inside, and `/` at its end says that it has to be one.
        to: String,
        /// Working folder.
        dir: Option<String>,
    },
    /// `rm PATH…`: set aside, so that it can come back.
    Remove {
        /// Path.
        path: String,
        /// Working folder.
        dir: Option<String>,
        /// `-r`: folders too.
        recursive: bool,
        /// `-f`: nothing there is fine.
        force: bool,
    },
    /// `mkdir PATH`.
    MakeDir {
        /// Path.
        path: String,
        /// Working folder.
        dir: Option<String>,
        /// `-p`.
        parents: bool,
    },
    /// One SQL statement.
    Sql {
        /// Target name.
        target: String,
        /// The statement without its terminator.
        statement: String,
        /// Expected number of changed rows; of a query, of returned rows.
        rows: Option<u64>,
        /// It sets something of the session: it is repeated before each later statement of its step, and of no other.
        #[serde(default, skip_serializing_if = "is_false")]
        session: bool,
        /// Lines behind `COPY … FROM stdin`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        data: Option<String>,
        /// Its rows are changed in batches (`batch=`).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        batch: Option<Box<Batch>>,
        /// Where it stands, when it comes from a file; the unit's own place is then where the document names the file.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from: Option<FilePlace>,
        /// Which client program of its step would have sent it, from 1, when its line was lifted: what one of them sets of
        /// the session is not so for the next.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        client: Option<usize>,
    },
    /// `sqlite3 DB ".backup FILE"`, `mysqldump DB > FILE` and their like.
    Backup {
        /// Target name.
        target: String,
        /// File to write.
        file: String,
        /// Working folder that `file` is relative to.
        dir: Option<String>,
        /// The program that writes it; SQLite needs none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        dump: Option<Dump>,
    },
    /// Stop, start or restart a service.
    Service {
        /// Its name.
        service: String,
        /// What to do.
        operation: ServiceOperation,
    },
    /// `windlass service maintenance|readonly NAME on|off`.
    Mode {
        /// Name of the service.
        service: String,
        /// What is answered 503.
        mode: ServiceMode,
        /// From here on, or no more.
        on: bool,
    },
    /// `systemctl VERB UNIT`.
    Systemd {
        /// What to do.
        verb: SystemdVerb,
        /// Name of the unit with its suffix; empty for what concerns all of them.
        name: String,
        /// With `sudo`.
        #[serde(default, skip_serializing_if = "is_false")]
        sudo: bool,
        /// `--user`: the units of the user's own manager.
        #[serde(default, skip_serializing_if = "is_false")]
        user: bool,
    },
    /// `docker compose pull|up|down|stop|start|restart`.
    Compose(ComposeLine),
    /// `aws s3 sync|cp|mv|rm`, on stores that are targets. What the line leaves out of region, endpoint and profile, its
    /// stores say. Unless nobody is to undo it, nothing is overwritten or deleted that neither `hold` nor a version keeps.
    Objects {
        /// The line.
        line: Box<ObjectLine>,
        /// Working folder that local paths are relative to.
        dir: Option<String>,
        /// The target that its source is in; none: this machine.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from: Option<String>,
        /// The target that its destination is in; none: this machine, or `rm`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        to: Option<String>,
    },
    /// `git fetch|pull|checkout|reset --hard`, `git submodule update`.
    Git(GitLine),
    /// `pip install -r`, `npm ci`.
    Install(InstallLine),
    /// Check by HTTP.
    Http {
        /// The check.
        check: HttpCheck,
    },
    /// Measure before a release, or watch behind it.
    Watch(Box<Watching>),
    /// Ask a person.
    Gate {
        /// What to confirm.
        text: String,
    },
}

/// A program that writes a dump to its standard output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dump {
    /// `pg_dump`, `mysqldump`, `mariadb-dump`.
    pub program: String,
    /// Its arguments, but those that say which server and how to get in: the target says that.
    pub arguments: Vec<String>,
    /// A program with its arguments that the dump goes through on its way to the file, such as `gzip`; empty: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub through: Vec<String>,
}

/// A place in a file that statements come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FilePlace {
    /// Its path, relative to the folder of `windlass.toml`.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Column, from 1.
    pub column: usize,
}

/// `file:line:column`
impl std::fmt::Display for FilePlace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_false(value: &bool) -> bool {
    !value
}

/// What to do with a unit of systemd.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SystemdVerb {
    /// Start it, and see that it stays.
    Start,
    /// Stop it.
    Stop,
    /// Stop and start it.
    Restart,
    /// Have it read its configuration again.
    Reload,
    /// Start it with the machine.
    Enable,
    /// Do not start it with the machine.
    Disable,
    /// Read the files of all units again.
    DaemonReload,
    /// Nothing on the way there. At the end of the way back it runs on what is then there: it is restarted, reloaded, or the
    /// files of all units are read again, if the release did so.
    Keep,
}

impl SystemdVerb {
    /// The word of `systemctl`; of [`SystemdVerb::Keep`], which it has not, a word for people.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Restart => "restart",
            Self::Reload => "reload",
            Self::Enable => "enable",
            Self::Disable => "disable",
            Self::DaemonReload => "daemon-reload",
            Self::Keep => "keep",
        }
    }
}

/// One edit of a file; see `windlass_document::diff::Edit`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LineEdit {
    /// Context before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub before: Vec<String>,
    /// Lines out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remove: Vec<String>,
    /// Lines in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub add: Vec<String>,
    /// Context after.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<String>,
}
