//! `sqlite3 DB ".backup FILE"`.

use super::{Context, Read, join, normal};
use crate::{Action, Target, UrlKind, Value, config::sqlite_path};
use windlass_document::shell::Word;

pub(super) fn sqlite3(context: &Context<'_>, name: &Word, arguments: &[Word]) -> Read {
    let [database, command] = arguments else {
        let why = "only `sqlite3 DB \".backup FILE\"` is understood".to_owned();
        return Read::NotUnderstood(name.span, why);
    };
    if database.text.starts_with('-') || database.text.starts_with("file:") {
        return Read::NotUnderstood(database.span, format!("`{}` is not understood", database.text));
    }
    let Some(file) = backup_file(&command.text) else {
        return Read::NotUnderstood(command.span, "only `.backup FILE` is understood".to_owned());
    };
    let wanted = normal(&join(context.dir.as_deref(), &database.text));
    let target = context.config.targets.iter().find(|(_, target)| match target {
        Target::Url { url: Value::Plain(url), kind: UrlKind::Sqlite } => {
            sqlite_path(url).is_some_and(|path| normal(path) == wanted)
        }
        _ => false,
    });
    let target = match target {
        Some((target, _)) => Some(target.clone()),
        // A target with errors may be the one; which one nobody knows.
        None => context.config.unread.any_target().then(String::new),
    };
    match target {
        Some(target) => {
            let (file, dir) = (file.to_owned(), context.dir.clone());
            Read::Actions(vec![Action::Backup { target, file, dir }])
        }
        None => Read::NotUnderstood(
            database.span,
            format!(
                "`{wanted}` is not the file of a target: add `[target.db]` with `url = \"sqlite:{wanted}\"` to have \
                 the backup understood"
            ),
        ),
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
