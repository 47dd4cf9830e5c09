//! Formatted SQL of Liquibase: changesets of one file (`FormattedSqlChangeLogParser`).

use super::{Changeset, Down, FolderFinding, Migration, Script, files::Reader, sections};
use crate::SourceFile;
use windlass_sql::Dialect;

/// Reads the changesets of `file`.
pub(super) fn read(reader: &mut Reader, file: &SourceFile) {
    let first = file.text.lines().find(|line| !line.trim().is_empty());
    if !first.is_some_and(sections::is_liquibase) {
        let message = "not a formatted changelog: it does not begin with `--liquibase formatted sql`";
        let finding = FolderFinding::warning("migration-name", message).at(&file.name, 1);
        return reader.findings.push(finding.help("begin it with that line, or keep it somewhere else"));
    }
    let mut open: Option<Open> = None;
    let mut block = false;
    for (at, line) in file.text.split_inclusive('\n').enumerate() {
        if let Some(sections::Liquibase::Changeset(words)) = sections::liquibase(line) {
            finish(reader, open.take());
            block = false;
            open = Open::new(reader, file, at + 1, words);
        } else if let Some(open) = &mut open {
            open.line(reader, at + 1, line, &mut block);
        }
    }
    finish(reader, open);
}

/// A changeset that is being read.
struct Open {
    id: Changeset,
    up: Script,
    /// As long as `up`, with only the statements of `rollback` in it.
    down: Script,
    /// Something was said about the way back.
    said: bool,
    /// The delimiter of `endDelimiter:` is in force (MySQL).
    delimited: bool,
    /// For another database.
    foreign: bool,
}

impl Open {
    fn new(reader: &mut Reader, file: &SourceFile, line: usize, words: &str) -> Option<Self> {
        let mut words = tokens(words);
        let name = if words.is_empty() { String::new() } else { words.remove(0) };
        let Some((author, id)) =
            name.split_once(':').filter(|(author, id)| !author.is_empty() && !id.is_empty())
        else {
            let finding = FolderFinding::error("migration-section", "a changeset needs `author:id`");
            reader.findings.push(finding.at(&file.name, line).help("write `--changeset author:id`"));
            return None;
        };
        let mut id = Changeset { author: author.to_owned(), id: id.to_owned(), path: file.name.clone() };
        let script = |line| Script::sql(&file.name, line, "");
        let (mut foreign, mut delimiter) = (false, None);
        for word in &words {
            let (key, value) = word.split_once(':').unwrap_or((word, ""));
            match key.to_ascii_lowercase().as_str() {
                "dbms" => foreign = !speaks(reader.dialect, value),
                "logicalfilepath" => value.clone_into(&mut id.path),
                "enddelimiter" if value != ";" => delimiter = Some(value.to_owned()),
                "runalways" | "runonchange" if value.eq_ignore_ascii_case("true") => {
                    let message = format!("`{key}:true`: it is run once, like every other");
                    let help = "run Liquibase where it has to be run again";
                    let finding = FolderFinding::warning("migration-runs-once", message).at(&file.name, line);
                    reader.findings.push(finding.help(help));
                }
                _ => {}
            }
        }
        let mut open =
            Self { id, up: script(line), down: script(line), said: false, delimited: false, foreign };
        let head = match (delimiter, reader.dialect) {
            (Some(mark), Dialect::Mysql) => {
                open.delimited = true;
                format!("DELIMITER {mark}\n")
            }
            (Some(mark), _) if !foreign => {
                let message = format!("`endDelimiter:{mark}` is not read for this database");
                let help = "end the statements with `;`: bodies of functions are known by their grammar";
                let finding = FolderFinding::error("migration-section", message).at(&file.name, line);
                reader.findings.push(finding.help(help));
                "\n".to_owned()
            }
            _ => "\n".to_owned(),
        };
        open.up.text.push_str(&head);
        open.down.text.push('\n');
        Some(open)
    }

    fn line(&mut self, reader: &mut Reader, at: usize, line: &str, block: &mut bool) {
        let trimmed = line.trim();
        let mut back = String::new();
        if *block {
            *block = !trimmed.ends_with("*/");
            trimmed.trim_end_matches("*/").clone_into(&mut back);
        } else if trimmed.to_ascii_lowercase().starts_with("/* liquibase rollback") {
            (*block, self.said) = (!trimmed.ends_with("*/"), true);
        } else {
            match sections::liquibase(line) {
                Some(sections::Liquibase::Rollback(sql)) => {
                    self.said = true;
                    let nothing = ["empty", "not required", "none"];
                    if !nothing.iter().any(|word| sql.eq_ignore_ascii_case(word)) {
                        let indent = line.find(sql).unwrap_or_default();
                        back = format!("{}{sql}", " ".repeat(indent));
                    }
                }
                Some(sections::Liquibase::Unread(_)) if !self.foreign => {
                    let message = "conditions and properties of Liquibase are not read";
                    let help =
                        "write the statement for the database as it is, or run this file with Liquibase";
                    let finding = FolderFinding::error("migration-section", message);
                    reader.findings.push(finding.at(&self.up.file, at).help(help));
                }
                _ => {}
            }
        }
        // Liquibase strips comments; MySQL takes `--` for one only with a blank behind it.
        let comment = trimmed.starts_with("--");
        self.up.text.push_str(if comment { "\n" } else { line });
        self.down.text.push_str(&back);
        self.down.text.push('\n');
    }
}

fn finish(reader: &mut Reader, open: Option<Open>) {
    let Some(open) = open.filter(|open| !open.foreign) else { return };
    let version = format!("{}:{}", open.id.author, open.id.id);
    let down = if open.said { Down::Script(open.down) } else { Down::Missing };
    reader.migrations.push(Migration {
        version,
        name: open.id.id.replace(['_', '-'], " "),
        repeatable: false,
        up: open.up,
        down,
        checksum: None,
        changeset: Some(open.id),
    });
}

/// Words apart from blanks; quotes keep blanks in.
fn tokens(text: &str) -> Vec<String> {
    let (mut all, mut word, mut quote) = (Vec::new(), String::new(), None);
    for c in text.chars() {
        match quote {
            Some(open) if c == open => quote = None,
            None if matches!(c, '"' | '\'') => quote = Some(c),
            None if c.is_whitespace() => {
                if !word.is_empty() {
                    all.push(std::mem::take(&mut word));
                }
            }
            _ => word.push(c),
        }
    }
    if !word.is_empty() {
        all.push(word);
    }
    all
}

/// Whether `dbms:` means this database: a list of names, `!` before those that are not meant.
fn speaks(dialect: Dialect, list: &str) -> bool {
    let ours: &[&str] = match dialect {
        Dialect::Sqlite => &["sqlite", "all"],
        Dialect::Postgresql => &["postgresql", "all"],
        // One driver for both; which it is, only the server knows.
        Dialect::Mysql => &["mysql", "mariadb", "all"],
    };
    let is = |name: &str| ours.iter().any(|ours| name.trim().eq_ignore_ascii_case(ours));
    let names: Vec<&str> = list.split(',').collect();
    if names.iter().any(|name| name.trim().strip_prefix('!').is_some_and(is)) {
        return false;
    }
    let positive: Vec<_> = names.iter().filter(|name| !name.trim().starts_with('!')).collect();
    positive.is_empty() || positive.iter().any(|name| is(name))
}
