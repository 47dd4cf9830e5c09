//! Folders of migrations as the tools of others keep them: whose folder it is, what is in it, what a database says of it,
//! and the release that brings one to the other.
//!
//! Pure: a listing with texts in, migrations in order with up and down scripts and every problem out. How each tool names,
//! orders and records is written where it is read, with the tool's own source as the authority.

mod checksum;
mod compare;
mod detect;
mod drift;
mod files;
mod liquibase;
mod release;
mod sections;
mod table;
#[cfg(test)]
mod tests;

pub use compare::{Applied, AppliedRow, Asked, Row, RowState, Survey, down, survey, up};
pub use detect::detect;
pub use drift::{Edit, edits, statements};
pub use release::{Chosen, Drafted, ROW, Way, draft, step_id};
pub use table::{Ask, Table, table_of};

use crate::SourceFile;
use std::fmt;
use windlass_document::Severity;
use windlass_sql::Dialect;

/// Whose folder it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tool {
    /// golang-migrate: `000001_x.up.sql`, `000001_x.down.sql`.
    GolangMigrate,
    /// dbmate: sections `-- migrate:up` and `-- migrate:down`.
    Dbmate,
    /// Flyway: `V1__x.sql`, `U1__x.sql`, `R__x.sql`.
    Flyway,
    /// sqlx: `20240101000000_x.sql`, or `.up.sql` and `.down.sql`.
    Sqlx,
    /// goose: sections `-- +goose Up` and `-- +goose Down`.
    Goose,
    /// Diesel: `2024-01-01-000000_x/up.sql`, `down.sql`.
    Diesel,
    /// Liquibase's formatted SQL: `--changeset author:id`, `--rollback …`.
    Liquibase,
    /// Nobody's: files in the order of their names, `x.sql` and `x.down.sql`.
    Plain,
}

impl Tool {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::GolangMigrate,
        Self::Dbmate,
        Self::Flyway,
        Self::Sqlx,
        Self::Goose,
        Self::Diesel,
        Self::Liquibase,
        Self::Plain,
    ];

    /// Its name, as `--tool` takes it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::GolangMigrate => "golang-migrate",
            Self::Dbmate => "dbmate",
            Self::Flyway => "flyway",
            Self::Sqlx => "sqlx",
            Self::Goose => "goose",
            Self::Diesel => "diesel",
            Self::Liquibase => "liquibase",
            Self::Plain => "plain",
        }
    }
}

impl fmt::Display for Tool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Statements of a migration in one direction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// File, relative to the folder.
    pub file: String,
    /// Line of the file that `text` begins at, from 1.
    pub line: usize,
    /// The part of the file that is this script; its lines are the file's lines.
    pub text: String,
    /// What runs the file, when it has no statements but is a program (`python3`, `sh`, `bash`).
    pub program: Option<&'static str>,
}

impl Script {
    /// Statements.
    #[must_use]
    pub fn sql(file: impl Into<String>, line: usize, text: impl Into<String>) -> Self {
        Self { file: file.into(), line, text: text.into(), program: None }
    }
}

/// The hand-written way back of a migration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Down {
    /// There is none.
    Missing,
    /// It is there and has no statement: nothing would be taken back.
    Empty(Script),
    /// It has statements.
    Script(Script),
}

/// One migration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Migration {
    /// What names it in the tool's table; unique in the folder.
    pub version: String,
    /// What it is about.
    pub name: String,
    /// Flyway's `R__`: run again whenever its text changes.
    pub repeatable: bool,
    /// Statements forward.
    pub up: Script,
    /// Statements back.
    pub down: Down,
    /// Its checksum as the tool writes it, for tools that keep one.
    pub checksum: Option<String>,
    /// Author, id and logical path of a Liquibase changeset.
    pub changeset: Option<Changeset>,
}

/// What names a changeset of Liquibase.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changeset {
    /// Author.
    pub author: String,
    /// Id.
    pub id: String,
    /// `logicalFilePath:`, else the file.
    pub path: String,
}

/// Something in a folder, or between it and a database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FolderFinding {
    /// Rule name, kebab-case, stable.
    pub rule: String,
    /// How bad.
    pub severity: Severity,
    /// File, relative to the folder; empty: the folder or the database as a whole.
    pub file: String,
    /// Line of the file, from 1; 0: the file as a whole.
    pub line: usize,
    /// What is wrong, one sentence without a full stop.
    pub message: String,
    /// What to do; may be empty.
    pub help: String,
}

impl FolderFinding {
    pub(crate) fn error(rule: &str, message: impl Into<String>) -> Self {
        Self::new(rule, Severity::Error, message)
    }

    pub(crate) fn warning(rule: &str, message: impl Into<String>) -> Self {
        Self::new(rule, Severity::Warning, message)
    }

    fn new(rule: &str, severity: Severity, message: impl Into<String>) -> Self {
        Self {
            rule: rule.to_owned(),
            severity,
            file: String::new(),
            line: 0,
            message: message.into(),
            help: String::new(),
        }
    }

    pub(crate) fn at(mut self, file: &str, line: usize) -> Self {
        file.clone_into(&mut self.file);
        self.line = line;
        self
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = help.into();
        self
    }
}

/// A folder that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folder {
    /// Whose it is.
    pub tool: Tool,
    /// In the tool's order.
    pub migrations: Vec<Migration>,
    /// Everything that is wrong with it.
    pub findings: Vec<FolderFinding>,
}

impl Folder {
    /// A migration by what names it.
    #[must_use]
    pub fn find(&self, version: &str) -> Option<&Migration> {
        self.migrations.iter().find(|migration| migration.version == version)
    }
}

/// Reads the files of a folder as those of `tool`. Their names are relative to the folder, with `/` between parts.
#[must_use]
pub fn read_folder(files: &[SourceFile], tool: Tool, dialect: Dialect) -> Folder {
    let mut reader = files::Reader::new(tool, dialect);
    let mut sorted: Vec<&SourceFile> = files.iter().collect();
    sorted.sort_by(|a, b| a.name.cmp(&b.name));
    for file in sorted {
        reader.file(file);
    }
    reader.folder()
}
