//! Migrations as a release document: what is run by hand and what is run from a folder is the same to the engine.

use super::{Applied, Down, Folder, Migration, Script, Table, drift::without_first, table};
use crate::{FileSource, SourceFile};
use std::{collections::BTreeSet, fmt::Write as _};
use windlass_document::shell::quote;
use windlass_sql::Dialect;

/// Which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Bring them.
    Up,
    /// Take them back by their own scripts.
    Down,
}

/// A migration that was chosen to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chosen {
    /// Its place in the folder's list.
    pub migration: usize,
    /// So many of its statements ran in an earlier try, and stay.
    pub ran: usize,
    /// Its own script takes it back when the run has to go back; else the driver's undo does.
    pub by_script: bool,
    /// A person accepts that there is no way back.
    pub irreversible: bool,
}

/// A release document with the files it takes its statements from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drafted {
    /// Its text.
    pub document: String,
    /// Statements by what `files=` calls them.
    files: Vec<Vec<SourceFile>>,
    /// Which migration each step is about; `None`: the table of the tool. In the order of the document.
    pub steps: Vec<(String, Option<usize>)>,
}

impl FileSource for Drafted {
    fn files(&self, pattern: &str) -> Result<Vec<SourceFile>, String> {
        let at = pattern.parse::<usize>().ok();
        at.and_then(|at| self.files.get(at))
            .cloned()
            .ok_or_else(|| format!("no files were given for `{pattern}`"))
    }
}

/// The release that runs `chosen`, in this order, on the target `on`. `dir` is the folder as people know it.
#[must_use]
pub fn draft(
    folder: &Folder,
    applied: &Applied,
    way: Way,
    chosen: &[Chosen],
    (on, dir, dialect): (&str, &str, Dialect),
) -> Drafted {
    let table = Table { tool: folder.tool, dialect };
    let mut writer = Writer {
        drafted: Drafted { document: String::new(), files: Vec::new(), steps: Vec::new() },
        folder,
        applied,
        table,
        on,
        dir,
        ids: BTreeSet::new(),
    };
    writer.head(way, chosen);
    for (nth, chosen) in chosen.iter().enumerate() {
        let Some(migration) = folder.migrations.get(chosen.migration) else { continue };
        match way {
            Way::Up => writer.up(migration, *chosen, nth),
            Way::Down => writer.down(migration, *chosen),
        }
    }
    writer.drafted
}

/// The id of the step of a version, as long as no other version has the same letters.
#[must_use]
pub fn step_id(version: &str) -> String {
    let fits = |c: char| if c.is_alphanumeric() || matches!(c, '.' | '_' | '-') { c } else { '-' };
    let base: String = version.chars().map(fits).collect();
    if base.starts_with(|c: char| c.is_ascii_digit()) { format!("v{base}") } else { format!("m-{base}") }
}

/// What is behind the id of a step whose program ran, in that of the step that says so in the tool's table.
pub const ROW: &str = "-row";

struct Writer<'a> {
    drafted: Drafted,
    folder: &'a Folder,
    applied: &'a Applied,
    table: Table,
    on: &'a str,
    dir: &'a str,
    ids: BTreeSet<String>,
}

/// Text that is nothing but text in Markdown and YAML.
fn tame(text: &str) -> String {
    let fits = |c: char| c.is_alphanumeric() || matches!(c, ' ' | '.' | '-' | ':' | '/');
    text.chars().map(|c| if fits(c) { c } else { ' ' }).collect::<String>().trim().to_owned()
}

impl Writer<'_> {
    fn head(&mut self, way: Way, chosen: &[Chosen]) {
        let version =
            |chosen: &Chosen| self.folder.migrations.get(chosen.migration).map(|m| tame(&m.version));
        let last = chosen.last().and_then(version).unwrap_or_default();
        let first = chosen.first().and_then(version).unwrap_or_default();
        let range = if first == last { last.clone() } else { format!("{first} to {last}") };
        let word = if way == Way::Up { "up" } else { "down" };
        let dir = tame(self.dir);
        let slug = chosen.last().and_then(|chosen| self.folder.migrations.get(chosen.migration));
        let slug = slug.map_or_else(String::new, |migration| step_id(&migration.version));
        let _ = write!(
            self.drafted.document,
            "---\nrelease: \"{word}-{slug}\"\n---\n# Migrations {word} of {dir} ({}): {range}\n\n",
            self.folder.tool
        );
        if way == Way::Up && !self.applied.table {
            let text = self.table.create();
            let files = vec![self.rows(text)];
            self.fence("table", "table of the tool", &files, "", None);
        }
    }

    /// Statements on the tool's table.
    fn rows(&self, statements: Vec<String>) -> SourceFile {
        SourceFile {
            name: table::table_of(self.table.tool).to_owned(),
            line: 1,
            text: statements.join(";\n"),
        }
    }

    fn source(&self, script: &Script) -> SourceFile {
        let name =
            if self.dir.is_empty() { script.file.clone() } else { format!("{}/{}", self.dir, script.file) };
        SourceFile { name, line: script.line, text: script.text.clone() }
    }

    /// The version before the one at this place.
    fn previous(&self, at: usize) -> Option<&str> {
        at.checked_sub(1).and_then(|at| self.folder.migrations.get(at)).map(|m| m.version.as_str())
    }

    /// An id of its own for the step of a version.
    fn id(&mut self, version: &str) -> String {
        let base = step_id(version);
        let mut id = base.clone();
        let mut nth = 1;
        while !self.ids.insert(id.clone()) {
            nth += 1;
            id = format!("{base}-{nth}");
        }
        id
    }

    fn fence(&mut self, id: &str, title: &str, files: &[SourceFile], more: &str, migration: Option<usize>) {
        let at = self.drafted.files.len();
        self.drafted.files.push(files.to_vec());
        self.drafted.steps.push((id.to_owned(), migration));
        let heading = if title.is_empty() { String::new() } else { format!("## {}\n\n", tame(title)) };
        let _ = write!(
            self.drafted.document,
            "{heading}```sql {{#{id} on={} files=\"{at}\"{more}}}\n```\n\n",
            self.on
        );
    }

    /// A program, which is handed the database in its environment.
    fn shell(&mut self, id: &str, title: &str, script: &Script, more: &str, migration: usize) {
        self.drafted.steps.push((id.to_owned(), Some(migration)));
        let heading = if title.is_empty() { String::new() } else { format!("## {}\n\n", tame(title)) };
        let (program, file) = (script.program.unwrap_or("sh"), quote(&self.source(script).name));
        let _ = write!(
            self.drafted.document,
            "{heading}```sh {{#{id} on={}{more}}}\n{program} {file}\n```\n\n",
            self.on
        );
    }

    /// A program, and then the row that says so. One that ran in an earlier try (`ran`) is only said.
    fn up_program(&mut self, migration: &Migration, chosen: Chosen, nth: usize) {
        let id = self.id(&migration.version);
        let title = format!("{} {}", migration.version, migration.name);
        let more = if chosen.irreversible { " irreversible" } else { "" };
        if chosen.ran == 0 {
            self.shell(&id, &title, &migration.up, more, chosen.migration);
            if let (true, Down::Script(script)) = (chosen.by_script, &migration.down) {
                let undo = self.id(&format!("{}-down", migration.version));
                let more = format!(" undoes={id}");
                match script.program {
                    Some(_) => self.shell(&undo, "", script, &more, chosen.migration),
                    None => {
                        let files = vec![self.source(script)];
                        self.fence(&undo, "", &files, &more, Some(chosen.migration));
                    }
                }
            }
        }
        let row =
            vec![self.rows(self.table.done(migration, self.applied, i64::try_from(nth).unwrap_or(i64::MAX)))];
        let id = self.id(&format!("{}{ROW}", migration.version));
        self.fence(&id, if chosen.ran == 0 { "" } else { &title }, &row, "", Some(chosen.migration));
    }

    fn up(&mut self, migration: &Migration, chosen: Chosen, nth: usize) {
        if migration.up.program.is_some() {
            return self.up_program(migration, chosen, nth);
        }
        let current = self.applied.rows.first().map(|row| row.version.clone());
        let previous = match nth {
            0 => current,
            _ => self.previous(chosen.migration).map(str::to_owned),
        };
        let mut files = Vec::new();
        let begun = current_is(self.applied, &migration.version);
        let begin = self.table.begin(&migration.version, previous.as_deref());
        if !begin.is_empty() && !begun {
            files.push(self.rows(begin));
        }
        let script = without_first(&migration.up, chosen.ran, self.table.dialect);
        files.push(self.source(&script));
        let nth = i64::try_from(nth).unwrap_or(i64::MAX);
        files.push(self.rows(self.table.done(migration, self.applied, nth)));
        let id = self.id(&migration.version);
        let title = format!("{} {}", migration.version, migration.name);
        let more = if chosen.irreversible { " irreversible" } else { "" };
        self.fence(&id, &title, &files, more, Some(chosen.migration));
        if let (true, Down::Script(script)) = (chosen.by_script, &migration.down) {
            let back =
                vec![self.source(script), self.rows(self.table.undone(migration, previous.as_deref()))];
            let undo = self.id(&format!("{}-down", migration.version));
            let more = format!(" undoes={id}");
            self.fence(&undo, "", &back, &more, Some(chosen.migration));
        }
    }

    fn down(&mut self, migration: &Migration, chosen: Chosen) {
        let Down::Script(script) = &migration.down else { return };
        let previous = self.previous(chosen.migration).map(str::to_owned);
        let mut files = Vec::new();
        if script.program.is_some() {
            let id = self.id(&format!("{}-down", migration.version));
            let title = format!("{} {}", migration.version, migration.name);
            // Nobody knows how to take back what takes something back.
            self.shell(&id, &title, script, " irreversible", chosen.migration);
            let row = vec![self.rows(self.table.undone(migration, previous.as_deref()))];
            let id = self.id(&format!("{}-down{ROW}", migration.version));
            return self.fence(&id, "", &row, "", Some(chosen.migration));
        }
        let begin = self.table.begin_back(&migration.version, previous.as_deref());
        if !begin.is_empty() {
            files.push(self.rows(begin));
        }
        files.push(self.source(&without_first(script, chosen.ran, self.table.dialect)));
        files.push(self.rows(self.table.undone(migration, previous.as_deref())));
        let id = self.id(&format!("{}-down", migration.version));
        let title = format!("{} {}", migration.version, migration.name);
        let more = if chosen.irreversible { " irreversible" } else { "" };
        self.fence(&id, &title, &files, more, Some(chosen.migration));
    }
}

/// Whether the one row of golang-migrate names this version already: it was begun by an earlier try.
fn current_is(applied: &Applied, version: &str) -> bool {
    applied.rows.first().is_some_and(|row| row.dirty && row.version == version)
}
