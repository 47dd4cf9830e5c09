//! Files to migrations, by the rules of each tool.

use super::{Down, Folder, FolderFinding, Migration, Script, Tool, checksum, liquibase, sections};
use crate::SourceFile;
use std::{cmp::Ordering, collections::BTreeMap};
use windlass_sql::Dialect;

/// The digits that `name` begins with.
pub(super) fn digits(name: &str) -> &str {
    name.get(..name.bytes().take_while(u8::is_ascii_digit).count()).unwrap_or_default()
}

/// Orders numbers of any length, with or without zeros before them.
pub(super) fn by_number(a: &str, b: &str) -> Ordering {
    let (a, b) = (a.trim_start_matches('0'), b.trim_start_matches('0'));
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

/// Orders `1.2` before `1.10`, and `1` like `1.0`.
pub(super) fn by_parts(a: &str, b: &str) -> Ordering {
    let trim = |text: &str| -> Vec<String> {
        let mut parts: Vec<String> =
            text.split('.').map(|part| part.trim_start_matches('0').to_owned()).collect();
        while parts.last().is_some_and(String::is_empty) {
            parts.pop();
        }
        parts
    };
    let (a, b) = (trim(a), trim(b));
    let pairs = a.iter().zip(&b).map(|(a, b)| by_number(a, b));
    pairs.into_iter().find(|order| order.is_ne()).unwrap_or_else(|| a.len().cmp(&b.len()))
}

pub(super) struct Reader {
    pub(super) tool: Tool,
    pub(super) dialect: Dialect,
    pub(super) migrations: Vec<Migration>,
    pub(super) findings: Vec<FolderFinding>,
    /// Scripts back that stand in files of their own, by version.
    downs: BTreeMap<String, Script>,
}

/// A number without zeros before it, as number columns give it back.
fn number(digits: &str) -> String {
    let short = digits.trim_start_matches('0');
    if short.is_empty() { "0".to_owned() } else { short.to_owned() }
}

fn words(name: &str) -> String {
    name.replace('_', " ")
}

/// What runs a file that is a program, by its ending; of shell scripts the first line tells bash from sh.
fn program(base: &str, text: &str) -> Option<&'static str> {
    match base.rsplit_once('.')?.1 {
        "py" => Some("python3"),
        "sh" if text.lines().next().is_some_and(|line| line.starts_with("#!") && line.contains("bash")) => {
            Some("bash")
        }
        "sh" => Some("sh"),
        _ => None,
    }
}

/// Nothing would be taken back.
fn is_empty(script: &Script, dialect: Dialect) -> bool {
    match script.program {
        Some(_) => {
            script.text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#'))
        }
        None => windlass_sql::split(&script.text, dialect).0.is_empty(),
    }
}

fn whole(file: &SourceFile) -> Script {
    let text = file.text.strip_prefix('\u{FEFF}').unwrap_or(&file.text);
    Script::sql(&file.name, 1, text)
}

impl Reader {
    pub(super) fn new(tool: Tool, dialect: Dialect) -> Self {
        Self { tool, dialect, migrations: Vec::new(), findings: Vec::new(), downs: BTreeMap::new() }
    }

    pub(super) fn file(&mut self, file: &SourceFile) {
        let base = file.name.rsplit('/').next().unwrap_or_default().to_owned();
        let nested = file.name.contains('/');
        if let Some(program) = program(&base, &file.text) {
            return self.program(file, &base, program);
        }
        match self.tool {
            Tool::Diesel => self.diesel(file),
            Tool::Flyway if base.ends_with(".sql") => self.flyway(file, &base),
            Tool::Liquibase if base.ends_with(".sql") => liquibase::read(self, file),
            // These tools look into one folder only.
            _ if nested => {}
            Tool::Goose
                if base.ends_with(".go") && !digits(&base).is_empty() && !base.ends_with("_test.go") =>
            {
                let message = "a migration in Go: its steps cannot be seen, so it is not run";
                let help = "run it with goose, or write it in SQL";
                self.findings.push(FolderFinding::error("migration-in-go", message).at(&base, 0).help(help));
            }
            _ if !base.ends_with(".sql") => {}
            Tool::GolangMigrate => self.numbered(file, &base, false),
            Tool::Sqlx => self.numbered(file, &base, true),
            Tool::Dbmate => self.dbmate(file, &base),
            Tool::Goose => self.goose(file, &base),
            _ => self.plain(file, &base, whole(file)),
        }
    }

    pub(super) fn push(&mut self, version: String, name: String, up: Script, down: Down) {
        self.migrations.push(Migration {
            version,
            name,
            repeatable: false,
            up,
            down,
            checksum: None,
            changeset: None,
        });
    }

    /// A file whose name the tool passes over in silence; people seldom mean that.
    fn unnamed(&mut self, base: &str, form: &str) {
        let message = format!("`{base}` is not named like a migration of {}, so it is left out", self.tool);
        let help = format!("name it like `{form}`, or keep it somewhere else");
        self.findings.push(FolderFinding::warning("migration-name", message).at(base, 0).help(help));
    }

    /// `DIGITS_NAME.up.sql` and `.down.sql`; of sqlx also `DIGITS_NAME.sql`.
    fn numbered(&mut self, file: &SourceFile, base: &str, simple: bool) {
        let version = digits(base);
        let rest = base.strip_prefix(version).and_then(|rest| rest.strip_prefix('_'));
        let (Some(rest), false) = (rest, version.is_empty()) else {
            return self.unnamed(base, if simple { "20240101000000_x.sql" } else { "000001_x.up.sql" });
        };
        let version = number(version);
        if let Some(_name) = rest.strip_suffix(".down.sql") {
            return self.down(version, whole(file));
        }
        let name = rest.strip_suffix(".up.sql").or_else(|| rest.strip_suffix(".sql").filter(|_| simple));
        let Some(name) = name else { return self.unnamed(base, "000001_x.up.sql") };
        self.push(version, words(name), whole(file), Down::Missing);
        if let (true, Some(new)) = (simple, self.migrations.last_mut()) {
            new.checksum = Some(checksum::sqlx(&file.text));
        }
    }

    fn down(&mut self, version: String, script: Script) {
        let file = script.file.clone();
        if let Some(other) = self.downs.insert(version.clone(), script) {
            self.duplicate(&version, &other.file, &file);
        }
    }

    /// `2024-01-01-000000_x/up.sql`; the version is what stands before `_`, without `-` (`migrations_internals`).
    fn diesel(&mut self, file: &SourceFile) {
        let Some((folder, base)) = file.name.rsplit_once('/') else { return };
        let folder = folder.rsplit('/').next().unwrap_or(folder);
        let (stamp, name) = folder.split_once('_').unwrap_or((folder, ""));
        let version = stamp.replace('-', "");
        match base {
            "up.sql" => self.push(version, words(name), whole(file), Down::Missing),
            "down.sql" => self.down(version, whole(file)),
            _ => {}
        }
    }

    fn flyway(&mut self, file: &SourceFile, base: &str) {
        const FORM: &str = "V1__x.sql";
        let stem = base.strip_suffix(".sql").unwrap_or(base);
        let Some((head, name)) = stem.split_once("__") else { return self.unnamed(base, FORM) };
        if let Some((line, _)) =
            file.text.lines().enumerate().find(|(_, text)| text.contains("${") && !text.contains("$${"))
        {
            let message = "a placeholder `${…}`: Flyway's settings are not read, so nothing would be put in";
            let help = "write the value out, or run this file with Flyway";
            let finding = FolderFinding::error("migration-placeholder", message).at(&file.name, line + 1);
            self.findings.push(finding.help(help));
        }
        let sum = Some(checksum::flyway(&file.text));
        if head == "R" {
            self.push(words(name), words(name), whole(file), Down::Missing);
            if let Some(new) = self.migrations.last_mut() {
                (new.repeatable, new.checksum) = (true, sum);
            }
            return;
        }
        let version = head.get(1..).unwrap_or_default().replace('_', ".");
        let numeric =
            !version.is_empty() && version.split('.').all(|part| !part.is_empty() && digits(part) == part);
        match (head.chars().next(), numeric) {
            (Some('V'), true) => {
                self.push(version, words(name), whole(file), Down::Missing);
                if let Some(new) = self.migrations.last_mut() {
                    new.checksum = sum;
                }
            }
            (Some('U'), true) => self.down(version, whole(file)),
            (Some('B'), true) => {
                let message = "a baseline script is not run: the versions that it stands for are";
                self.findings.push(FolderFinding::warning("migration-baseline", message).at(&file.name, 0));
            }
            _ => self.unnamed(base, FORM),
        }
    }

    fn dbmate(&mut self, file: &SourceFile, base: &str) {
        let version = digits(base);
        if version.is_empty() {
            return self.unnamed(base, "20240101000000_x.sql");
        }
        let name = base.strip_prefix(version).unwrap_or_default().trim_start_matches('_');
        let name = words(name.strip_suffix(".sql").unwrap_or(name));
        let lines: Vec<&str> = file.text.split_inclusive('\n').collect();
        let mark = |wanted| lines.iter().position(|line| sections::dbmate(line) == Some(wanted));
        let (up, down) = (mark(sections::Dbmate::Up), mark(sections::Dbmate::Down));
        let Some(up) = up.filter(|up| down.is_none_or(|down| *up < down)) else {
            let message = "there is no `-- migrate:up` before everything else";
            let help = "begin the file with a line `-- migrate:up`";
            return self
                .findings
                .push(FolderFinding::error("migration-section", message).at(base, 1).help(help));
        };
        let text = |line: &&str| !line.trim().is_empty() && !line.trim_start().starts_with("--");
        if let Some(line) = lines.iter().take(up).position(text) {
            let message = "a statement before `-- migrate:up` belongs to nothing";
            let help = "move it below the line `-- migrate:up`";
            self.findings
                .push(FolderFinding::error("migration-section", message).at(base, line + 1).help(help));
        }
        let part = |from: usize, to: usize| {
            Script::sql(&file.name, from + 2, lines.get(from + 1..to).unwrap_or_default().concat())
        };
        let script = part(up, down.unwrap_or(lines.len()));
        let back = down.map_or(Down::Missing, |down| Down::Script(part(down, lines.len())));
        self.push(version.to_owned(), name, script, back);
    }

    fn goose(&mut self, file: &SourceFile, base: &str) {
        let digits = digits(base);
        let Some(name) =
            base.strip_prefix(digits).and_then(|rest| rest.strip_prefix('_')).filter(|_| !digits.is_empty())
        else {
            return self.unnamed(base, "20240101000000_x.sql");
        };
        let name = words(name.strip_suffix(".sql").unwrap_or(name));
        let mut parts = GooseParts::new(file, self.dialect);
        for (at, line) in file.text.split_inclusive('\n').enumerate() {
            parts.line(at + 1, line);
        }
        let (up, down) = parts.end(&mut self.findings);
        self.push(number(digits), name, up, down);
    }

    /// A program among the migrations: `0007_backfill.py`. Without a number it is a helper, not a migration.
    fn program(&mut self, file: &SourceFile, base: &str, program: &'static str) {
        if file.name.contains('/') || digits(base).is_empty() {
            return;
        }
        if self.tool != Tool::Plain {
            let message = format!("`{base}` is a script, which {} passes over, so it is left out", self.tool);
            let help = "run it in a release document, or by `--tool plain` in a folder of its own";
            let finding = FolderFinding::warning("migration-script", message).at(base, 0);
            return self.findings.push(finding.help(help));
        }
        if base.contains(|c: char| c.is_control() || c == '`') {
            let message = "the name of a script has a character that no shell line should hold";
            return self.findings.push(FolderFinding::error("migration-name", message).at(base, 0));
        }
        self.plain(file, base, Script { program: Some(program), ..whole(file) });
    }

    /// `x.sql`, `x.py`, `x.sh` in the order of their names; `x.down.…`, `x.rollback.…` or `x.undo.…` takes it back.
    fn plain(&mut self, file: &SourceFile, base: &str, script: Script) {
        let stem = base.rsplit_once('.').map_or(base, |(stem, _)| stem);
        let back = [".down", ".rollback", ".undo"].iter().find_map(|end| stem.strip_suffix(end));
        if let Some(version) = back {
            return self.down(version.to_owned(), script);
        }
        let version = stem.strip_suffix(".up").unwrap_or(stem);
        let name = words(version.trim_start_matches(|c: char| c.is_ascii_digit() || matches!(c, '_' | '-')));
        self.push(version.to_owned(), name, script, Down::Missing);
        if let Some(new) = self.migrations.last_mut() {
            new.checksum = Some(checksum::plain(&file.text));
        }
    }

    fn duplicate(&mut self, version: &str, first: &str, second: &str) {
        let message = format!("two files have the version {version}: {first} and {second}");
        let help =
            "give one of them a version of its own: which of them a database has seen, nobody can tell";
        self.findings.push(FolderFinding::error("migration-duplicate", message).at(second, 0).help(help));
    }

    /// What was read, in order, with each script back at its migration.
    pub(super) fn folder(mut self) -> Folder {
        let order = |a: &Migration, b: &Migration| match self.tool {
            Tool::GolangMigrate | Tool::Sqlx | Tool::Goose => by_number(&a.version, &b.version),
            // Repeatable ones come last.
            Tool::Flyway => a.repeatable.cmp(&b.repeatable).then_with(|| {
                if a.repeatable { a.version.cmp(&b.version) } else { by_parts(&a.version, &b.version) }
            }),
            Tool::Diesel => a.version.cmp(&b.version),
            // In the order of files, and of lines in them.
            Tool::Dbmate | Tool::Liquibase | Tool::Plain => Ordering::Equal,
        };
        self.migrations.sort_by(order);
        let mut files: BTreeMap<(bool, String), String> = BTreeMap::new();
        let mut duplicates = Vec::new();
        for migration in &mut self.migrations {
            let key = match self.tool {
                Tool::Flyway => migration.version.trim_end_matches(".0").to_owned(),
                Tool::Liquibase => format!("{}::{}", migration.version, migration.up.file),
                _ => migration.version.clone(),
            };
            if let Some(first) = files.insert((migration.repeatable, key), migration.up.file.clone()) {
                duplicates.push((migration.version.clone(), first, migration.up.file.clone()));
            }
            if let Some(script) = self.downs.remove(&migration.version).filter(|_| !migration.repeatable) {
                migration.down = Down::Script(script);
            }
            if let Down::Script(script) = &migration.down
                && is_empty(script, self.dialect)
            {
                migration.down = Down::Empty(script.clone());
            }
        }
        for (version, first, second) in duplicates {
            self.duplicate(&version, &first, &second);
        }
        for (version, script) in std::mem::take(&mut self.downs) {
            let message = format!("this takes version {version} back, but nothing in the folder brings it");
            self.findings.push(FolderFinding::warning("migration-without-up", message).at(&script.file, 0));
        }
        self.findings.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
        Folder { tool: self.tool, migrations: self.migrations, findings: self.findings }
    }
}

/// The sections of a goose file. Inside of `StatementBegin` and `StatementEnd` a `;` ends nothing: on MySQL that is said
/// with a delimiter of our own; the readers of the other dialects know bodies by their grammar.
struct GooseParts<'a> {
    file: &'a SourceFile,
    delimiter: Option<&'static str>,
    up: Option<Script>,
    down: Option<Script>,
    /// Which of them is read.
    forward: Option<bool>,
    /// Line of an open `StatementBegin`.
    open: Option<usize>,
    findings: Vec<FolderFinding>,
}

impl<'a> GooseParts<'a> {
    fn new(file: &'a SourceFile, dialect: Dialect) -> Self {
        let free = ["//", "$$", "@@@@", "~~~~~~~~"].into_iter().find(|mark| !file.text.contains(mark));
        let delimiter = free.filter(|_| dialect == Dialect::Mysql);
        Self { file, delimiter, up: None, down: None, forward: None, open: None, findings: Vec::new() }
    }

    fn problem(&mut self, line: usize, message: &str, help: &str) {
        let finding = FolderFinding::error("migration-section", message).at(&self.file.name, line);
        self.findings.push(finding.help(help));
    }

    fn line(&mut self, at: usize, line: &str) {
        let script = |line| Some(Script::sql(&self.file.name, line, ""));
        match sections::goose(line) {
            Some(sections::Goose::Up) if self.up.is_none() => {
                (self.up, self.forward) = (script(at + 1), Some(true));
            }
            Some(sections::Goose::Down) if self.down.is_none() && self.up.is_some() => {
                (self.down, self.forward) = (script(at + 1), Some(false));
            }
            Some(sections::Goose::Up | sections::Goose::Down) => {
                self.problem(
                    at,
                    "this section stands twice, or `Down` before `Up`",
                    "one `-- +goose Up`, then one `-- +goose Down`",
                );
            }
            Some(sections::Goose::Begin) => {
                self.open = Some(at);
                let begin = self.delimiter.map(|mark| format!("DELIMITER {mark}\n"));
                self.add(begin.as_deref().unwrap_or(line));
            }
            Some(sections::Goose::End) => {
                if self.open.take().is_none() {
                    self.problem(
                        at,
                        "`StatementEnd` without `StatementBegin`",
                        "take it out, or put the other before the statement",
                    );
                }
                let end = self.delimiter.map(|mark| format!("{mark} DELIMITER ;\n"));
                self.add(end.as_deref().unwrap_or(line));
            }
            Some(sections::Goose::Substitute) => {
                let help = "write the values out, or run this file with goose";
                self.problem(at, "`ENVSUB ON`: variables of the environment are not put in", help);
            }
            // MySQL takes `--` for a comment only with a blank behind it.
            Some(sections::Goose::NoTransaction | sections::Goose::Other) => self.add("\n"),
            None if self.forward.is_none()
                && !line.trim().is_empty()
                && !line.trim_start().starts_with("--") =>
            {
                self.problem(
                    at,
                    "a statement before `-- +goose Up` belongs to nothing",
                    "move it below that line",
                );
            }
            None => self.add(line),
        }
    }

    fn add(&mut self, line: &str) {
        let script = if self.forward == Some(false) { &mut self.down } else { &mut self.up };
        if let Some(script) = script {
            script.text.push_str(line);
        }
    }

    fn end(mut self, findings: &mut Vec<FolderFinding>) -> (Script, Down) {
        if let Some(at) = self.open {
            self.problem(
                at,
                "`StatementBegin` without `StatementEnd`",
                "put `-- +goose StatementEnd` behind the statement",
            );
        }
        if self.up.is_none() {
            self.problem(1, "there is no `-- +goose Up`", "begin the file with that line");
        }
        findings.append(&mut self.findings);
        let file = self.file.name.clone();
        let up = self.up.unwrap_or(Script::sql(file, 1, ""));
        (up, self.down.map_or(Down::Missing, Down::Script))
    }
}
