//! A folder against what a database says of it.

use super::{
    Folder, FolderFinding, Migration, Tool,
    files::{by_number, by_parts},
};
use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
};

/// What the tool's table says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// The table is there.
    pub table: bool,
    /// Its rows, oldest first; those that were taken back are left out.
    pub rows: Vec<AppliedRow>,
    /// Flyway: up to this version nothing is run, since the database had it before.
    pub baseline: Option<String>,
    /// Who holds the tool's own lock (Liquibase), if somebody does.
    pub lock: Option<String>,
    /// The highest rank or order in use.
    pub rank: i64,
    /// What stands before the file's name in the rows of Liquibase.
    pub prefix: String,
}

/// A migration that the table names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AppliedRow {
    /// Its version, as [`Migration::version`].
    pub version: String,
    /// What the table calls it, if it does.
    pub name: String,
    /// When, as the database writes it.
    pub at: Option<String>,
    /// Checksum of the file that ran.
    pub checksum: Option<String>,
    /// The tool did not finish it.
    pub dirty: bool,
    /// Flyway's `R__`.
    pub repeatable: bool,
}

/// How a migration stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowState {
    /// It ran, and the file is what ran, as far as that can be known.
    Applied,
    /// It has not run.
    Pending,
    /// It has not run, but a later one has.
    OutOfOrder,
    /// It ran, and the file was edited since.
    Edited,
    /// It ran, and its file is gone.
    Missing,
    /// It was begun and not finished.
    Dirty,
    /// Flyway's `R__` whose text is another than the one that ran.
    Changed,
    /// It stands for what was there before the tool came.
    Baseline,
}

impl RowState {
    /// In a word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Pending => "pending",
            Self::OutOfOrder => "out of order",
            Self::Edited => "edited",
            Self::Missing => "file missing",
            Self::Dirty => "dirty",
            Self::Changed => "changed",
            Self::Baseline => "baseline",
        }
    }

    /// Whether the database has it.
    #[must_use]
    pub fn is_in(self) -> bool {
        matches!(self, Self::Applied | Self::Edited | Self::Missing | Self::Baseline | Self::Changed)
    }

    /// Whether it is to be run.
    #[must_use]
    pub fn is_open(self) -> bool {
        matches!(self, Self::Pending | Self::OutOfOrder | Self::Changed)
    }
}

/// A migration and how it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its version.
    pub version: String,
    /// What it is about.
    pub name: String,
    /// Its place in the folder's list, if there is a file.
    pub migration: Option<usize>,
    /// Flyway's `R__`: it has no place in the order of versions.
    pub repeatable: bool,
    /// When it ran.
    pub at: Option<String>,
    /// How it stands.
    pub state: RowState,
}

/// A folder and a database, compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Survey {
    /// In the folder's order; what has no file comes where its version belongs.
    pub rows: Vec<Row>,
    /// What does not fit.
    pub findings: Vec<FolderFinding>,
}

/// Which migrations are asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// Up: the last one. Down: the last one that stays.
    pub to: Option<String>,
    /// At most so many.
    pub count: Option<usize>,
    /// Run also what is out of order.
    pub out_of_order: bool,
}

/// What golang-migrate writes for "no version".
pub(super) const NONE: &str = "-1";

fn order(tool: Tool, a: &str, b: &str) -> Ordering {
    match tool {
        Tool::Flyway => by_parts(a, b),
        Tool::GolangMigrate | Tool::Sqlx | Tool::Goose | Tool::Dbmate => by_number(a, b),
        _ => a.cmp(b),
    }
}

/// Compares them.
#[must_use]
pub fn survey(folder: &Folder, applied: &Applied) -> Survey {
    let known: BTreeMap<(bool, &str), &AppliedRow> =
        applied.rows.iter().map(|row| ((row.repeatable, row.version.as_str()), row)).collect();
    let mut rows = Vec::new();
    let mut findings = Vec::new();
    for (at, migration) in folder.migrations.iter().enumerate() {
        let row = known.get(&(migration.repeatable, migration.version.as_str())).copied();
        let state = state(folder.tool, migration, row, applied);
        let (version, name) = (migration.version.clone(), migration.name.clone());
        let (repeatable, when) = (migration.repeatable, row.and_then(|row| row.at.clone()));
        rows.push(Row { version, name, migration: Some(at), repeatable, at: when, state });
    }
    missing(folder, applied, &mut rows);
    out_of_order(folder.tool, &mut rows);
    for row in &rows {
        findings.extend(finding(folder, row));
    }
    if let Some(who) = &applied.lock {
        let message = format!("Liquibase holds its lock (DATABASECHANGELOGLOCK): {who}");
        let help =
            "wait for it; a lock that a dead Liquibase left is taken away with `liquibase release-locks`";
        findings.push(FolderFinding::error("migration-locked", message).help(help));
    }
    Survey { rows, findings }
}

fn state(tool: Tool, migration: &Migration, row: Option<&AppliedRow>, applied: &Applied) -> RowState {
    let version = migration.version.as_str();
    let Some(row) = row else {
        let below = applied.baseline.as_ref().is_some_and(|base| order(tool, version, base).is_le());
        if below && !migration.repeatable {
            return RowState::Baseline;
        }
        // One row for all: what comes before it has run.
        let covered = tool == Tool::GolangMigrate
            && applied
                .rows
                .first()
                .is_some_and(|row| row.version != NONE && by_number(version, &row.version).is_lt());
        return if covered { RowState::Applied } else { RowState::Pending };
    };
    let differs = matches!((&row.checksum, &migration.checksum), (Some(ran), Some(now)) if !ran.eq_ignore_ascii_case(now));
    match (row.dirty, differs, migration.repeatable) {
        (true, ..) => RowState::Dirty,
        (false, true, true) => RowState::Changed,
        (false, true, false) => RowState::Edited,
        (false, false, _) => RowState::Applied,
    }
}

/// Rows of the table that have no file.
fn missing(folder: &Folder, applied: &Applied, rows: &mut Vec<Row>) {
    let files: BTreeSet<(bool, &str)> =
        folder.migrations.iter().map(|m| (m.repeatable, m.version.as_str())).collect();
    for row in &applied.rows {
        let none = row.version == NONE && !row.dirty;
        if none || files.contains(&(row.repeatable, row.version.as_str())) {
            continue;
        }
        let place = rows
            .iter()
            .position(|other| !row.repeatable && order(folder.tool, &other.version, &row.version).is_gt());
        let state = if row.dirty { RowState::Dirty } else { RowState::Missing };
        let (version, name) = (row.version.clone(), row.name.clone());
        let (repeatable, at) = (row.repeatable, row.at.clone());
        let new = Row { version, name, migration: None, repeatable, at, state };
        rows.insert(place.unwrap_or(rows.len()), new);
    }
}

/// Pending ones before the last that ran. Changesets and repeatable scripts have no order of versions.
fn out_of_order(tool: Tool, rows: &mut [Row]) {
    if tool == Tool::Liquibase {
        return;
    }
    let last = rows.iter().rposition(|row| row.state.is_in() && !row.repeatable);
    for row in rows.iter_mut().take(last.unwrap_or_default()) {
        if row.state == RowState::Pending && !row.repeatable {
            row.state = RowState::OutOfOrder;
        }
    }
}

fn finding(folder: &Folder, row: &Row) -> Option<FolderFinding> {
    let file = row.migration.and_then(|at| folder.migrations.get(at)).map_or("", |m| m.up.file.as_str());
    let (version, tool) = (&row.version, folder.tool);
    let found = match row.state {
        RowState::Dirty => FolderFinding::error(
            "migration-dirty",
            format!("{tool} began version {version} and did not finish it: which of its statements ran, its table does not say"),
        )
        .help(format!("look at the database; put it right by hand; then say so with {}", repair(tool, version))),
        RowState::Edited => FolderFinding::error(
            "migration-edited",
            format!("version {version} was edited after it ran: its checksum is another"),
        )
        .help("put the file back as it was, and write the change as a new migration"),
        RowState::Missing => FolderFinding::warning(
            "migration-file-missing",
            format!("version {version} ran, but its file is not in the folder"),
        )
        .help("get the file back from the version control: without it this version cannot be taken back"),
        RowState::OutOfOrder => FolderFinding::error(
            "migration-out-of-order",
            format!("version {version} has not run, but a later one has"),
        )
        .help("run it with `--out-of-order` if it does not depend on the order, or give it a new version"),
        _ => return None,
    };
    Some(found.at(file, 0))
}

/// How a person says that a half-done migration was put right.
fn repair(tool: Tool, version: &str) -> String {
    match tool {
        Tool::GolangMigrate => {
            format!("`migrate … force {version}` (done) or with the version before it (not done)")
        }
        Tool::Flyway => "`flyway repair`, which takes the failed row out".to_owned(),
        Tool::Sqlx => format!(
            "`DELETE FROM _sqlx_migrations WHERE version = {version}` (not done), or `success = true`"
        ),
        _ => "the tool".to_owned(),
    }
}

/// What to run, in order.
///
/// # Errors
/// What is asked for cannot be done.
pub fn up(folder: &Folder, survey: &Survey, asked: &Asked) -> Result<Vec<usize>, FolderFinding> {
    let end = match &asked.to {
        None => survey.rows.len(),
        Some(to) => 1 + place(survey, to)?,
    };
    let open = survey.rows.iter().take(end).filter(|row| row.state.is_open());
    let all: Vec<usize> =
        open.filter_map(|row| row.migration).filter(|at| folder.migrations.get(*at).is_some()).collect();
    let count = asked.count.unwrap_or(all.len());
    Ok(all.into_iter().take(count).collect())
}

/// What to take back, newest first.
///
/// # Errors
/// What is asked for cannot be done.
pub fn down(folder: &Folder, survey: &Survey, asked: &Asked) -> Result<Vec<usize>, FolderFinding> {
    let from = match &asked.to {
        None => 0,
        Some(to) if to == "0" => 0,
        Some(to) => 1 + place(survey, to)?,
    };
    let count = asked.count.unwrap_or(if asked.to.is_some() { usize::MAX } else { 1 });
    let mut all = Vec::new();
    for row in survey.rows.iter().skip(from).rev().filter(|row| row.state.is_in()).take(count) {
        let Some(at) = row.migration else {
            let message =
                format!("version {} cannot be taken back: its file is not in the folder", row.version);
            let help =
                "get the file back from the version control, or take the run back with `windlass rollback`";
            return Err(FolderFinding::error("migration-file-missing", message).help(help));
        };
        if row.state == RowState::Baseline {
            break;
        }
        if folder.migrations.get(at).is_some_and(|migration| !migration.repeatable) {
            all.push(at);
        }
    }
    Ok(all)
}

/// Where a version stands, named in full or by its number without zeros.
fn place(survey: &Survey, version: &str) -> Result<usize, FolderFinding> {
    let short = |text: &str| text.trim_start_matches('0').to_owned();
    let exact = survey.rows.iter().position(|row| row.version == version);
    exact.or_else(|| survey.rows.iter().position(|row| short(&row.version) == short(version))).ok_or_else(
        || {
            let versions: Vec<&str> =
                survey.rows.iter().rev().take(5).map(|row| row.version.as_str()).collect();
            let message = format!("there is no version {version}");
            let help = format!("the newest: {}", versions.join(", "));
            FolderFinding::error("migration-unknown", message).help(help)
        },
    )
}
