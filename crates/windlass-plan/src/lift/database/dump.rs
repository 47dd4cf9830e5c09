//! `pg_dump`, `mysqldump`, `mariadb-dump`: backups of the target, by the same program and to the same file.

use super::{Refused, call::Call, mysql, postgres};
use crate::{
    Action, Dump,
    lift::{
        Context, Read,
        options::{self, Known, Takes},
    },
};
use windlass_document::shell::{Redirect, SimpleCommand, Word};

/// What shapes a dump of PostgreSQL.
const PG_OPTIONS: &[Known] = &[
    ("format", "F", Takes::Value),
    ("file", "f", Takes::Value),
    ("table", "t", Takes::Value),
    ("exclude-table", "T", Takes::Value),
    ("exclude-table-data", "", Takes::Value),
    ("schema", "n", Takes::Value),
    ("exclude-schema", "N", Takes::Value),
    ("compress", "Z", Takes::Value),
    ("encoding", "E", Takes::Value),
    ("lock-wait-timeout", "", Takes::Value),
    ("schema-only", "s", Takes::Nothing),
    ("data-only", "a", Takes::Nothing),
    ("clean", "c", Takes::Nothing),
    ("create", "C", Takes::Nothing),
    ("if-exists", "", Takes::Nothing),
    ("no-owner", "O", Takes::Nothing),
    ("no-privileges", "x", Takes::Nothing),
    ("no-acl", "", Takes::Nothing),
    ("blobs", "b", Takes::Nothing),
    ("large-objects", "", Takes::Nothing),
    ("inserts", "", Takes::Nothing),
    ("column-inserts", "", Takes::Nothing),
    ("verbose", "v", Takes::Nothing),
    ("serializable-deferrable", "", Takes::Nothing),
];

/// What shapes a dump of MySQL or MariaDB; nothing that writes or resets anything on the server.
const MY_OPTIONS: &[Known] = &[
    ("result-file", "r", Takes::Value),
    ("databases", "B", Takes::Nothing),
    ("single-transaction", "", Takes::Nothing),
    ("lock-tables", "l", Takes::Nothing),
    ("skip-lock-tables", "", Takes::Nothing),
    ("lock-all-tables", "x", Takes::Nothing),
    ("quick", "q", Takes::Nothing),
    ("opt", "", Takes::Nothing),
    ("skip-opt", "", Takes::Nothing),
    ("routines", "R", Takes::Nothing),
    ("triggers", "", Takes::Nothing),
    ("skip-triggers", "", Takes::Nothing),
    ("events", "E", Takes::Nothing),
    ("hex-blob", "", Takes::Nothing),
    ("no-data", "d", Takes::Nothing),
    ("no-create-info", "t", Takes::Nothing),
    ("no-create-db", "n", Takes::Nothing),
    ("no-tablespaces", "y", Takes::Nothing),
    ("add-drop-table", "", Takes::Nothing),
    ("skip-add-drop-table", "", Takes::Nothing),
    ("add-drop-database", "", Takes::Nothing),
    ("complete-insert", "c", Takes::Nothing),
    ("extended-insert", "e", Takes::Nothing),
    ("skip-extended-insert", "", Takes::Nothing),
    ("skip-comments", "", Takes::Nothing),
    ("skip-dump-date", "", Takes::Nothing),
    ("compact", "", Takes::Nothing),
    ("set-gtid-purged", "", Takes::Value),
    ("column-statistics", "", Takes::Value),
    ("max-allowed-packet", "", Takes::Value),
    ("ignore-table", "", Takes::Value),
    ("where", "w", Takes::Value),
    ("master-data", "", Takes::Attached),
    ("source-data", "", Takes::Attached),
];

/// Options with which a dump has only a part of its database.
const PARTIAL: &[&str] = &[
    "table",
    "exclude-table",
    "exclude-table-data",
    "schema",
    "exclude-schema",
    "schema-only",
    "data-only",
    "no-data",
    "no-create-info",
    "ignore-table",
    "where",
];

impl Dump {
    /// Whether it has the whole database: all tables, their definitions and their rows.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        let mut options = self.arguments.iter().take_while(|argument| *argument != "--");
        let name =
            |option: &str| option.trim_start_matches("--").split('=').next().unwrap_or_default().to_owned();
        let partial = options.any(|option| PARTIAL.contains(&name(option).as_str()));
        // Behind its database mysqldump takes tables.
        let operands = self.arguments.iter().skip_while(|argument| *argument != "--").count();
        !partial && operands <= 2
    }
}

/// Programs that pack what they read.
const PACKERS: &[&str] = &["gzip", "pigz", "zstd", "xz", "bzip2"];

/// `mysqldump … > FILE`.
pub(super) fn line(context: &Context<'_>, call: &Call<'_>) -> Result<Read, Refused> {
    let file = output(call.redirects, true)?;
    lifted(context, call, file, Vec::new())
}

/// `mysqldump … | gzip > FILE`; `None`: another pipe.
pub(in crate::lift) fn pipeline(context: &Context<'_>, commands: &[SimpleCommand]) -> Option<Read> {
    let [dump, packer] = commands else { return None };
    let (program, arguments) = packer.words.split_first()?;
    let plain = |word: &Word| {
        word.text == "-c"
            || word.text.strip_prefix('-').is_some_and(|level| level.parse::<u8>().is_ok())
            || matches!(word.text.as_str(), "--best" | "--fast" | "--stdout")
    };
    let packs = PACKERS.contains(&program.text.as_str()) && arguments.iter().all(plain);
    let call = Call::of(dump)?.ok()?;
    let dumps = matches!(call.name.text.as_str(), "pg_dump" | "mysqldump" | "mariadb-dump");
    if !packs || !packer.assignments.is_empty() || !dumps {
        return None;
    }
    let through = packer.words.iter().map(|word| word.text.clone()).collect();
    let read = || {
        output(call.redirects, false)?;
        let file = output(&packer.redirects, true)?;
        lifted(context, &call, file, through)
    };
    // Not understood, it is a pipe like any other.
    read().ok()
}

/// The file that standard output goes to; `wanted`: it may.
fn output(redirects: &[Redirect], wanted: bool) -> Result<Option<&Word>, Refused> {
    let mut file = None;
    for redirect in redirects {
        let target = &redirect.target;
        match (redirect.fd, redirect.operator.as_str()) {
            (1, ">") if wanted && file.is_none() && target.text != "/dev/null" => file = Some(target),
            (2, ">") if target.text == "/dev/null" => {}
            _ => return Err((target.span, "this redirection of a dump is not understood".into())),
        }
    }
    Ok(file)
}

fn lifted(
    context: &Context<'_>,
    call: &Call<'_>,
    redirected: Option<&Word>,
    through: Vec<String>,
) -> Result<Read, Refused> {
    let program = call.name.text.as_str();
    if call.container {
        // The program of this machine may be another version, or not there.
        return call.refuse("the program of the container writes this dump, so the line runs as it is");
    }
    let postgres = program == "pg_dump";
    let (connection, own) =
        if postgres { (postgres::CONNECTION, PG_OPTIONS) } else { (mysql::CONNECTION, MY_OPTIONS) };
    let line = options::read(program, call.arguments, &[connection, own].concat())?;
    let given = |name: &str| line.given.iter().find(|given| given.name == name);
    if let Some(format) = given("format").filter(|format| matches!(format.value, "d" | "directory")) {
        return Err((format.at, "a dump into a folder is not understood".into()));
    }
    let mut arguments: Vec<String> = line
        .given
        .iter()
        .filter(|given| !connection.iter().any(|(name, ..)| *name == given.name && *name != CHARSET))
        .filter(|given| !matches!(given.name, "file" | "result-file"))
        .flat_map(|given| written(given))
        .collect();
    let target = if postgres {
        postgres::target(context, call, &line)?
    } else {
        let Some((name, tables)) = line.operands.split_first() else {
            return call.refuse("a dump of every database is not understood");
        };
        if let Some(more) = tables.first().filter(|_| given("databases").is_some()) {
            return Err((more.span, "a dump of several databases is not understood".into()));
        }
        arguments.push("--".to_owned());
        arguments.extend(line.operands.iter().map(|word| word.text.clone()));
        mysql::target(context, call, &line, Some(name))?
    };
    let named = given("file").or(given("result-file")).map(|given| given.value);
    let file = match (named, redirected) {
        (Some(named), None) if through.is_empty() => named.to_owned(),
        (None, Some(word)) => word.text.clone(),
        _ => return call.refuse("the one file that the dump goes to is not understood"),
    };
    if file.ends_with('/') {
        return call.refuse("this file is not understood: write `> FILE`");
    }
    let dump = Dump { program: program.to_owned(), arguments, through };
    let action =
        Action::Backup { target: target.target.clone(), file, dir: context.dir.clone(), dump: Some(dump) };
    Ok(Read::Backup(action, target))
}

/// The one option of a connection that shapes the dump.
const CHARSET: &str = "default-character-set";

/// An option in the form that every version reads.
fn written(given: &options::Given<'_>) -> Vec<String> {
    let bare = given.words.len() == 1 && !given.words[0].text.contains('=');
    match given.value {
        "" if bare => vec![format!("--{}", given.name)],
        value => vec![format!("--{}={value}", given.name)],
    }
}
