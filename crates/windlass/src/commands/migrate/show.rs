//! `windlass migrate status` and `verify`: what folder, table and journal say.

use super::{
    run::edited,
    tried::{self, Outcome, Tried},
    world::World,
};
use crate::{
    args::{MigrateShowArgs, MigrateVerifyArgs, Tries},
    exit::{Exit, Failure},
    terminal,
};
use serde::Serialize;
use std::path::Path;
use windlass_document::Severity;
use windlass_plan::migrations::{Down, FolderFinding, RowState, table_of};
use windlass_report::{FORMAT, Mark, Text, pad, width};

/// `windlass migrate status --json`.
#[derive(Debug, Serialize)]
struct StatusJson {
    /// Version of this format.
    format: u32,
    /// Whose folder it is.
    tool: &'static str,
    /// The table that the state is kept in.
    table: &'static str,
    /// It is there.
    table_exists: bool,
    /// The folder.
    folder: String,
    /// The target.
    on: String,
    /// In order.
    migrations: Vec<RowJson>,
    /// What does not fit.
    findings: Vec<FindingJson>,
    /// `verify`: what was tried on scratch copies.
    #[serde(skip_serializing_if = "Option::is_none")]
    tried: Option<Vec<Tried>>,
}

/// One migration.
#[derive(Debug, Serialize)]
struct RowJson {
    version: String,
    name: String,
    file: Option<String>,
    applied_at: Option<String>,
    /// `applied`, `pending`, `out of order`, `edited`, `file missing`, `dirty`, `changed`, `baseline`.
    state: &'static str,
    /// `script`, `empty` or `missing`.
    down: Option<&'static str>,
    /// Statements that an earlier run of Windlass left in place of a migration that is not done.
    half_done: usize,
}

/// One finding.
#[derive(Debug, Serialize)]
struct FindingJson {
    rule: String,
    severity: Severity,
    file: String,
    line: usize,
    message: String,
    help: String,
}

/// Prints findings, the folder before their files.
pub fn tell(world: &World, findings: &[FolderFinding]) {
    for finding in findings {
        let mut text = Text::new();
        let (mark, word) = match finding.severity {
            Severity::Error => (Mark::Bad, "error"),
            Severity::Warning => (Mark::Warn, "warning"),
            Severity::Note => (Mark::Dim, "note"),
        };
        let place = place(world, finding);
        text.line().add(mark, format!("{word}[{}]", finding.rule)).plain(": ");
        let mut lines = finding.message.lines();
        text.plain(format!("{place}{}", lines.next().unwrap_or_default()));
        for line in lines {
            text.line().plain(line);
        }
        if !finding.help.is_empty() {
            text.wrapped("  help: ", Mark::Plain, &finding.help);
        }
        terminal::say(&text);
    }
}

fn place(world: &World, finding: &FolderFinding) -> String {
    let dir = if world.dir.is_empty() { String::new() } else { format!("{}/", world.dir) };
    match (finding.file.is_empty(), finding.line) {
        (true, _) => String::new(),
        (false, 0) => format!("{dir}{}: ", finding.file),
        (false, line) => format!("{dir}{}:{line}: ", finding.file),
    }
}

fn all_findings(world: &World) -> Vec<FolderFinding> {
    let mut findings = world.folder.findings.clone();
    findings.extend(world.survey.findings.iter().cloned());
    findings.extend(edited(world));
    findings
}

/// `windlass migrate status`.
pub fn status(args: &MigrateShowArgs, config: Option<&Path>) -> Result<Exit, Failure> {
    let world = World::read(&args.place, config)?;
    let findings = all_findings(&world);
    if args.output.json {
        print_json(&world, &findings, None)?;
    } else {
        terminal::show(&table(&world, &findings))?;
        tell(&world, &findings);
    }
    Ok(Exit::Done)
}

/// `windlass migrate verify`: the same, then each migration on a scratch copy; a difference is a failure.
pub fn verify(args: &MigrateVerifyArgs, config: Option<&Path>) -> Result<Exit, Failure> {
    let world = World::read(&args.place, config)?;
    let mut findings = all_findings(&world);
    let is_wrong =
        |findings: &[FolderFinding]| findings.iter().any(|found| found.severity == Severity::Error);
    let is_clean = !is_wrong(&findings);
    // What the files and the table disagree about has to be settled first: nobody knows what was to be tried.
    let Outcome { tried, findings: more } =
        if is_clean { tried::run(args, &world)? } else { Outcome::default() };
    findings.extend(more);
    if args.output.json {
        print_json(&world, &findings, Some(tried))?;
    } else {
        terminal::show(&tried::table(&world, &tried))?;
        tell(&world, &findings);
        if !is_clean && args.tries != Tries::None {
            terminal::line("Nothing was tried on a copy: put this right first.");
        }
    }
    if is_wrong(&findings) {
        return Err(Failure::shown(Exit::Refused));
    }
    let known = world.survey.rows.iter().filter(|row| row.state == RowState::Applied).count();
    if !args.output.json {
        terminal::line(&format!("{known} applied migrations are as their files say."));
    }
    Ok(Exit::Done)
}

fn print_json(world: &World, findings: &[FolderFinding], tried: Option<Vec<Tried>>) -> Result<(), Failure> {
    let migrations = world.survey.rows.iter().map(|row| {
        let migration = row.migration.and_then(|at| world.folder.migrations.get(at));
        let half = world.history.up(&row.version).filter(|ran| !ran.whole && !row.state.is_in());
        RowJson {
            version: row.version.clone(),
            name: row.name.clone(),
            file: migration.map(|migration| migration.up.file.clone()),
            applied_at: row.at.clone(),
            state: row.state.word(),
            down: migration.map(|migration| match migration.down {
                Down::Missing => "missing",
                Down::Empty(_) => "empty",
                Down::Script(_) => "script",
            }),
            half_done: half.map_or(0, |ran| ran.statements.len()),
        }
    });
    terminal::json(&StatusJson {
        format: FORMAT,
        tool: world.folder.tool.name(),
        table: table_of(world.folder.tool),
        table_exists: world.applied.table,
        folder: world.dir.clone(),
        on: world.on.clone(),
        migrations: migrations.collect(),
        findings: findings
            .iter()
            .cloned()
            .map(|FolderFinding { rule, severity, file, line, message, help }| FindingJson {
                rule,
                severity,
                file,
                line,
                message,
                help,
            })
            .collect(),
        tried,
    })
}

fn table(world: &World, findings: &[FolderFinding]) -> Text {
    let mut text = Text::new();
    let tool = world.folder.tool;
    let there = if world.applied.table { "" } else { ", which is not there yet" };
    text.line().plain(format!(
        "{} of {tool} on {}; state in {}{there}",
        if world.dir.is_empty() { "." } else { &world.dir },
        world.on,
        table_of(tool)
    ));
    text.line();
    let rows = &world.survey.rows;
    let wide = |head: &str, cell: &dyn Fn(usize) -> String| {
        (0..rows.len()).map(|at| width(&cell(at))).max().unwrap_or(0).max(width(head)).min(40)
    };
    let at = |row: usize| rows.get(row).and_then(|row| row.at.clone()).unwrap_or_default();
    let version = |row: usize| rows.get(row).map_or_else(String::new, |row| row.version.clone());
    let name = |row: usize| rows.get(row).map_or_else(String::new, |row| row.name.clone());
    let (v, n, a) = (wide("version", &version), wide("name", &name), wide("applied at", &at));
    text.line().add(
        Mark::Dim,
        format!("{}  {}  {}  state", pad("version", v), pad("name", n), pad("applied at", a)),
    );
    for (row, found) in rows.iter().enumerate() {
        let mark = match found.state {
            RowState::Applied | RowState::Baseline => Mark::Good,
            RowState::Pending | RowState::Changed => Mark::Plain,
            RowState::OutOfOrder | RowState::Missing => Mark::Warn,
            RowState::Edited | RowState::Dirty => Mark::Bad,
        };
        text.line().plain(format!(
            "{}  {}  {}  ",
            pad(&version(row), v),
            pad(&name(row), n),
            pad(&at(row), a)
        ));
        text.add(mark, found.state.word());
        let half = world.history.up(&found.version).filter(|ran| !ran.whole && !found.state.is_in());
        if let Some(ran) = half {
            text.plain(format!(", {} statements in place from run {}", ran.statements.len(), ran.run));
        }
        if found.state == RowState::Applied
            && findings.iter().any(|f| f.rule == "migration-edited" && on(world, f, found.migration))
        {
            text.add(Mark::Bad, ", edited since");
        }
    }
    let open = rows.iter().filter(|row| row.state.is_open()).count();
    text.line();
    text.line().plain(format!("{open} pending of {}", rows.len()));
    text
}

fn on(world: &World, finding: &FolderFinding, migration: Option<usize>) -> bool {
    migration.and_then(|at| world.folder.migrations.get(at)).is_some_and(|m| m.up.file == finding.file)
}
