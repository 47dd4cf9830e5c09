//! `sqlite3 DB < FILE`, `sqlite3 DB "SQL"`, `sqlite3 DB ".backup FILE"`.

use super::{Refused, SqlLine, SqlSource, call::Call, file, sqlite_target, text};
use crate::{
    Action,
    lift::{Context, Read},
};
use windlass_document::shell::Word;
use windlass_sql::Dialect;

/// Options that shape what is printed, or stop at the first error as typed steps always do.
const OPTIONS: &[&str] = &[
    "-batch",
    "-bail",
    "-header",
    "-noheader",
    "-column",
    "-csv",
    "-line",
    "-list",
    "-box",
    "-table",
    "-markdown",
    "-json",
    "-quote",
];

pub(super) fn sqlite3(context: &Context<'_>, call: &Call<'_>) -> Result<Read, Refused> {
    if call.container {
        return call.refuse("a file of a container is not understood");
    }
    if let Some((variable, _)) = call.variables.first() {
        return call.refuse(format!("the variable `{variable}` before it is not understood"));
    }
    let option = |word: &&Word| OPTIONS.contains(&word.text.replacen("--", "-", 1).as_str());
    let options = call.arguments.iter().take_while(option).count();
    let Some((database, commands)) = call.arguments[options..].split_first() else {
        return call.refuse("`sqlite3` without a database is not understood");
    };
    if database.text.starts_with('-') || database.text.starts_with("file:") || database.text == ":memory:" {
        return Err((
            database.span,
            "this word of `sqlite3` is not understood, so the line is not lifted".into(),
        ));
    }
    let input = call.input(context)?;
    if let ([command], None) = (commands, &input)
        && let Some(to) = backup_file(&command.text)
    {
        let target = sqlite_target(context, database)?;
        let (file, dir) = (to.to_owned(), context.dir.clone());
        let action = Action::Backup { target: target.target.clone(), file, dir, dump: None };
        return Ok(Read::Backup(action, target));
    }
    let mut sources = Vec::new();
    for command in commands {
        sources.push(source(context, command)?);
    }
    match input {
        Some(input) if sources.is_empty() => sources.push(input),
        Some(_) => return call.refuse("with a command in the line `sqlite3` does not read its input"),
        None => {}
    }
    if sources.is_empty() {
        return call
            .refuse("`sqlite3` without a command or `<` reads from the terminal, which a release has not");
    }
    let target = sqlite_target(context, database)?;
    Ok(Read::Sql(SqlLine { dialect: Dialect::Sqlite, sources, one_transaction: None }, target))
}

/// What a word has `sqlite3` do: statements, or `.read FILE`.
fn source(context: &Context<'_>, command: &Word) -> Result<SqlSource, Refused> {
    let Some(dot) = command.text.trim_start().strip_prefix('.') else {
        return Ok(text(context, &command.text, command.span));
    };
    let path = dot.strip_prefix("read ").map(str::trim);
    let plain =
        |path: &&str| !path.is_empty() && !path.starts_with(['|', '\'', '"']) && !path.contains(['\\', ' ']);
    match path.filter(plain) {
        Some(path) => Ok(file(context, path, command.span)),
        None => Err((
            command.span,
            "of the commands of `sqlite3` only `.backup FILE` and `.read FILE` are understood".into(),
        )),
    }
}

/// The file of `.backup FILE` or `.backup main FILE`, quoted or not.
fn backup_file(command: &str) -> Option<&str> {
    let rest = command.trim().strip_prefix(".backup")?;
    let rest = rest.strip_prefix(char::is_whitespace)?.trim_start();
    let rest = match rest.strip_prefix("main") {
        Some(after) if after.starts_with(char::is_whitespace) => after.trim_start(),
        _ => rest,
    };
    let file = match rest.chars().next()? {
        quote @ ('\'' | '"') => rest[1..].strip_suffix(quote)?,
        '-' => return None,
        _ => rest,
    };
    // What the shell of SQLite would still take apart (spaces) or unescape (backslashes) is left to it.
    let quoted = file.len() < rest.len();
    let plain = |c: char| !matches!(c, '\'' | '"' | '\\') && (quoted || !c.is_whitespace());
    (!file.is_empty() && file.chars().all(plain)).then_some(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_of_a_backup_command() {
        for (command, file) in [
            (".backup b.db", Some("b.db")),
            (".backup 'b.db'", Some("b.db")),
            (".backup \"b c.db\"", Some("b c.db")),
            ("  .backup main b.db ", Some("b.db")),
            (".backup mainly.db", Some("mainly.db")),
            (".backup a b", None),
            (".backup aux b.db", None),
            (".backup --async b.db", None),
            (".backup", None),
            (".backup ''", None),
            (".backup 'b.db", None),
            (".backup a\\b", None),
            (".backupx b.db", None),
            (".restore b.db", None),
        ] {
            assert_eq!(backup_file(command), file, "{command}");
        }
    }
}
