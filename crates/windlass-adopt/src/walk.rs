//! The walk over the blocks: where it is (part, host, folder), what each block becomes, what was found.

mod command;
mod group;
mod prose;
mod sql;

use crate::{
    blocks::{Block, Code, Kind},
    emit::{Emit, Ids},
    fate::{CommandLine, Fate, Reason},
    judge,
    lexicon::{Language, Role},
    lines::Line,
    programs,
    sections::Section,
};
use std::collections::{BTreeMap, HashMap};
use windlass_document::{LineIndex, Span, shell};
use windlass_sql::{Dialect, Summary};

/// A machine that the runbook names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Host {
    /// Name of its target.
    pub(crate) name: String,
    /// `user@host`.
    pub(crate) address: String,
    /// Its folder: the first that the runbook goes to there.
    pub(crate) dir: Option<String>,
    /// Where it is named.
    pub(crate) at: usize,
}

/// A command with what rules want to know of it.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) line: CommandLine,
    pub(crate) role: Role,
    /// The words of its simple commands, without `sudo`.
    pub(crate) parts: Vec<Vec<String>>,
}

/// A statement.
#[derive(Clone, Debug)]
pub(crate) struct Statement {
    pub(crate) text: String,
    pub(crate) span: Span,
    pub(crate) summary: Summary,
    pub(crate) role: Role,
    /// Rows that the runbook says it changes.
    pub(crate) rows: Option<(u64, Span)>,
    /// Commands that stand before it.
    pub(crate) behind: usize,
    /// It stood in text of a console, not in a fence of its own.
    pub(crate) typed: bool,
}

/// A line of text for people.
#[derive(Clone, Debug)]
pub(crate) struct Words {
    pub(crate) text: String,
    pub(crate) span: Span,
    pub(crate) role: Role,
    pub(crate) heading: bool,
}

/// All that the walk found.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    pub(crate) commands: Vec<Seen>,
    pub(crate) statements: Vec<Statement>,
    pub(crate) words: Vec<Words>,
    pub(crate) hosts: Vec<Host>,
    /// Folder of the target that stands for this machine.
    pub(crate) dir: Option<String>,
    /// The text says to log in to machines that it does not name.
    pub(crate) unnamed: Option<Span>,
    pub(crate) here: bool,
    pub(crate) uses_db: bool,
    /// Buckets, and the names of their targets.
    pub(crate) buckets: BTreeMap<String, String>,
    pub(crate) dialect: Option<Dialect>,
    pub(crate) gates: usize,
    pub(crate) prose: usize,
    /// A gate that says a check before, behind the first step.
    pub(crate) steps: usize,
}

/// The walk.
pub(crate) struct Walk<'a> {
    pub(crate) lines: &'a [Line],
    blocks: &'a [Block],
    sections: &'a [Section],
    language: Language,
    /// Lines of the runbook.
    source: &'a LineIndex,
    /// Lines that become others: the last of them, and what they become.
    pub(crate) instead: BTreeMap<usize, (usize, Vec<Emit>)>,
    /// What comes behind a line.
    pub(crate) behind: BTreeMap<usize, Vec<Emit>>,
    /// Lines that get `[ ]`, and the column.
    pub(crate) gates: BTreeMap<usize, usize>,
    pub(crate) notes: Notes,
    ids: Ids,
    /// The part that is read.
    section: Option<usize>,
    /// The host that was logged in to.
    host: Option<usize>,
    /// The folder, and the level of the heading under which it was gone to.
    dir: Option<(String, Option<usize>, u8)>,
    /// Commands that were steps, and their line.
    done: HashMap<String, usize>,
    /// The last words that announce something.
    intro: String,
    /// The runbook logs in to a machine somewhere.
    logs_in: bool,
    /// It is a script: no part of it is left out for its heading.
    pub(crate) script: bool,
}

impl<'a> Walk<'a> {
    pub(crate) fn new(
        lines: &'a [Line],
        blocks: &'a [Block],
        sections: &'a [Section],
        (language, source): (Language, &'a LineIndex),
    ) -> Self {
        let logs_in = blocks.iter().any(|block| match &block.kind {
            Kind::Code(code) => code.body.iter().any(|piece| {
                let text =
                    judge::prompt(&piece.text, false).map_or(piece.text.as_str(), |at| &piece.text[at..]);
                text.trim_start().starts_with("ssh ")
            }),
            _ => false,
        });
        Self {
            lines,
            blocks,
            sections,
            language,
            source,
            instead: BTreeMap::new(),
            behind: BTreeMap::new(),
            gates: BTreeMap::new(),
            notes: Notes::default(),
            ids: Ids::default(),
            section: None,
            host: None,
            dir: None,
            done: HashMap::new(),
            intro: String::new(),
            logs_in,
            script: false,
        }
    }

    /// Reads all blocks.
    pub(crate) fn run(&mut self) {
        let mut section = 0;
        for (at, block) in self.blocks.iter().enumerate() {
            match &block.kind {
                Kind::Heading { text, .. } => {
                    self.section = Some(section);
                    section += 1;
                    self.enter();
                    self.words(text, block.first, true);
                    self.intro.clear();
                    self.heading_alone(at, text);
                }
                Kind::Code(code) => self.code(block, code),
                Kind::Item(item) => self.item(block, item),
                Kind::Paragraph { text, codes } => {
                    for line in block.first..=block.last {
                        self.words(&self.lines[line].text.clone(), line, false);
                    }
                    self.paragraph(block, text, codes);
                    self.intro.clone_from(text);
                }
                Kind::Table { rows } => self.table(block, rows),
            }
        }
    }

    fn part(&self) -> Option<&'a Section> {
        self.section.map(|at| &self.sections[at])
    }

    fn level(&self) -> u8 {
        self.part().map_or(0, |section| section.level)
    }

    fn role(&self) -> Role {
        self.part().map_or(Role::Forward, |section| section.role)
    }

    /// A new part begins: the folder is that of before only within the same part.
    fn enter(&mut self) {
        let level = self.level();
        if self.dir.as_ref().is_some_and(|(_, _, under)| level < *under) {
            self.dir = None;
        }
    }

    /// Why nothing of this part is a step.
    fn left(&self) -> Option<Reason> {
        if self.script {
            return None;
        }
        let section = self.part()?;
        match &section.instead_of {
            Some(way) if Reason::of(section.role).is_none() => Some(Reason::OtherWay(way.clone())),
            _ => Reason::of(section.role),
        }
    }

    /// The place in the runbook of bytes of a line.
    pub(crate) fn span(&self, line: usize, column: usize, len: usize) -> Span {
        let found = &self.lines[line];
        let start = found.at.unwrap_or(0) + column.min(found.text.len());
        Span::new(start, found.at.unwrap_or(0) + (column + len).min(found.text.len()))
    }

    fn words(&mut self, text: &str, line: usize, heading: bool) {
        let found = &self.lines[line];
        let column = crate::lines::indent(&found.text);
        let span = self.span(line, column, found.text.len());
        if self.notes.dialect.is_none() {
            self.notes.dialect = dialect_in(text);
        }
        self.notes.words.push(Words { text: text.to_owned(), span, role: self.role(), heading });
    }

    /// The target that a line runs on.
    fn on(&mut self) -> String {
        match self.host {
            Some(at) => self.notes.hosts[at].name.clone(),
            None => {
                self.notes.here = true;
                if self.logs_in { "here".to_owned() } else { "app".to_owned() }
            }
        }
    }

    /// Notes a command; gives its index.
    fn note(&mut self, text: &str, span: Span, fate: Fate) -> usize {
        let (script, _) = shell::parse(text);
        let simple = script.commands.iter().flat_map(programs::parts);
        let mut parts = Vec::new();
        for part in simple {
            parts.push(programs::bare(part).into_iter().map(str::to_owned).collect());
        }
        if parts.is_empty() {
            parts.push(text.split_whitespace().filter(|word| *word != "sudo").map(str::to_owned).collect());
        }
        if self.notes.dialect.is_none() {
            self.notes.dialect = dialect_in(text);
        }
        let line = CommandLine { text: text.trim().to_owned(), span, fate };
        self.notes.commands.push(Seen { line, role: self.role(), parts });
        self.notes.commands.len() - 1
    }

    /// A block of code.
    fn code(&mut self, block: &Block, code: &Code) {
        match class(code) {
            Class::Shell { session } => self.shell(block, code, session),
            Class::Sql(dialect) => self.sql(block, code, dialect),
            Class::Checklist => self.checklist(block, code),
            Class::Settings => self.settings(block, code),
            Class::Diff | Class::Http => self.as_it_is(block, code),
            Class::Other(what) => self.content(block, code, &what),
        }
    }
}

/// The database that a text names.
fn dialect_in(text: &str) -> Option<Dialect> {
    let lower = text.to_ascii_lowercase();
    let names = [
        (Dialect::Postgresql, &["postgres", "psql", "pg_dump"][..]),
        (Dialect::Mysql, &["mysql", "mariadb"]),
        (Dialect::Sqlite, &["sqlite"]),
    ];
    let at = |words: &[&str]| words.iter().filter_map(|word| lower.find(word)).min();
    names
        .into_iter()
        .filter_map(|(dialect, words)| Some((at(words)?, dialect)))
        .min_by_key(|(at, _)| *at)
        .map(|(_, dialect)| dialect)
}

/// What the text of a block is.
enum Class {
    Shell {
        session: bool,
    },
    Sql(Option<Dialect>),
    Checklist,
    /// `KEY=value` lines without a file.
    Settings,
    Diff,
    Http,
    Other(String),
}

/// The class of a block: by its language, else by what its lines are to the parsers.
fn class(code: &Code) -> Class {
    let has_prompt = |root: bool| code.body.iter().any(|piece| judge::prompt(&piece.text, root).is_some());
    match code.language.as_str() {
        "sh" | "bash" | "shell" | "zsh" | "ksh" | "shellscript" | "fish" => {
            Class::Shell { session: has_prompt(false) }
        }
        "console" | "shell-session" | "shellsession" | "terminal" | "sh-session" | "bash-session" => {
            if sql_console(code) {
                Class::Sql(dialect_of_prompt(code))
            } else {
                Class::Shell { session: has_prompt(true) }
            }
        }
        "mysql" | "mariadb" => Class::Sql(Some(Dialect::Mysql)),
        "postgresql" | "postgres" | "psql" | "pgsql" | "plpgsql" => Class::Sql(Some(Dialect::Postgresql)),
        "sqlite" | "sqlite3" => Class::Sql(Some(Dialect::Sqlite)),
        "sql" => Class::Sql(None),
        "diff" | "patch" | "udiff" => Class::Diff,
        "http" | "https" | "hurl" => Class::Http,
        "" | "text" | "txt" | "plain" | "plaintext" | "none" | "conf" | "output" => unnamed(code),
        other => Class::Other(other.to_owned()),
    }
}

fn sql_console(code: &Code) -> bool {
    code.body.iter().any(|piece| {
        ["mysql> ", "MariaDB [", "sqlite> ", "postgres=#", "postgres=>"]
            .iter()
            .any(|mark| piece.text.trim_start().starts_with(mark))
    })
}

fn dialect_of_prompt(code: &Code) -> Option<Dialect> {
    let first = code.body.iter().find(|piece| !piece.text.trim().is_empty())?.text.trim_start();
    match () {
        () if first.starts_with("mysql") || first.starts_with("MariaDB") => Some(Dialect::Mysql),
        () if first.starts_with("sqlite") => Some(Dialect::Sqlite),
        () => Some(Dialect::Postgresql),
    }
}

/// A block without a language.
fn unnamed(code: &Code) -> Class {
    let lines: Vec<&str> =
        code.body.iter().map(|piece| piece.text.trim()).filter(|line| !line.is_empty()).collect();
    let all = |test: &dyn Fn(&str) -> bool| !lines.is_empty() && lines.iter().all(|line| test(line));
    let checklist = |line: &str| ["[ ]", "[x]", "☐", "□", "- [ ]"].iter().any(|mark| line.starts_with(mark));
    if all(&checklist) {
        return Class::Checklist;
    }
    if sql_console(code) {
        return Class::Sql(dialect_of_prompt(code));
    }
    let prompts = lines.iter().filter(|line| judge::prompt(line, false).is_some()).count();
    if prompts > 0 {
        return Class::Shell { session: true };
    }
    let roots = lines.iter().filter(|line| judge::prompt(line, true).is_some()).count();
    let is_comment = |line: &str| line.is_empty() || line.starts_with("--") || line.starts_with('#');
    let first = code.body.iter().position(|piece| !is_comment(piece.text.trim())).unwrap_or(0);
    let rest: String = code.body[first..].iter().flat_map(|piece| [piece.text.as_str(), "\n"]).collect();
    if judge::statement(rest.trim()).is_some() {
        return Class::Sql(None);
    }
    let mut goes_on = false;
    let mut commands = 0;
    let shell = lines.iter().all(|line| {
        let fits = goes_on || line.starts_with('#') || judge::is_command_line(line);
        commands += usize::from(!goes_on && !line.starts_with('#') && fits);
        goes_on = line.ends_with('\\');
        fits
    });
    if shell && commands > 0 {
        return Class::Shell { session: false };
    }
    if roots > 0 && commands == 0 {
        return Class::Shell { session: true };
    }
    let setting = |line: &str| {
        line.starts_with('#')
            || line.split_once('=').is_some_and(|(name, _)| {
                name.len() > 1
                    && name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
            })
    };
    if all(&setting) { Class::Settings } else { Class::Other(String::new()) }
}
