//! `cd`, `cp`, `mv`, `rm`, `mkdir`.

use super::{Context, Matched, Read, database, options};
use crate::Action;
use windlass_document::shell::Word;

pub(super) fn cd(_: &Context<'_>, name: &Word, arguments: &[Word]) -> Read {
    match arguments {
        [to] if !to.text.is_empty() && !to.text.starts_with('-') => Read::Chdir(to.text.clone()),
        // Home, the folder before, `-P`: they depend on more than the text.
        _ => Read::NotUnderstood(name.span, "`cd` with anything but one folder is not understood".to_owned()),
    }
}

pub(super) fn cp(context: &Context<'_>, name: &Word, arguments: &[Word]) -> Read {
    let long = [("recursive", 'r'), ("archive", 'a'), ("force", 'f')];
    let options = match options::split("cp", arguments, "rRapf", &long) {
        Ok(options) => options,
        Err((span, why)) => return Read::NotUnderstood(span, why),
    };
    let (recursive, preserve) = (options.any("rRa"), options.any("pa"));
    if let Some(read) = copy_of_database(context, &options.operands) {
        return read;
    }
    from_to(name, &options.operands, |from, to| Action::Copy {
        from,
        to,
        dir: context.dir.clone(),
        recursive,
        preserve,
    })
}

/// `cp app.db FILE`: a database that is in use is not copied byte by byte, which may catch it half written.
fn copy_of_database(context: &Context<'_>, operands: &[&Word]) -> Option<Read> {
    let [from, to] = operands else { return None };
    let target = database::sqlite_target_of(context, &from.text)?;
    let name = from.text.rsplit('/').next().unwrap_or_default();
    let file = if to.text.ends_with('/') { format!("{}{name}", to.text) } else { to.text.clone() };
    let action = Action::Backup { target: target.clone(), file, dir: context.dir.clone(), dump: None };
    Some(Read::Backup(action, Matched { target, claim: None }))
}

pub(super) fn mv(context: &Context<'_>, name: &Word, arguments: &[Word]) -> Read {
    match options::split("mv", arguments, "f", &[("force", 'f')]) {
        Ok(options) => {
            from_to(name, &options.operands, |from, to| Action::Move { from, to, dir: context.dir.clone() })
        }
        Err((span, why)) => Read::NotUnderstood(span, why),
    }
}

/// One action for each source. With several, the last operand has to be a folder that exists: `/` at its end says so.
fn from_to(name: &Word, operands: &[&Word], action: impl Fn(String, String) -> Action) -> Read {
    let Some((to, sources)) = operands.split_last().filter(|(_, sources)| !sources.is_empty()) else {
        return Read::NotUnderstood(name.span, format!("`{}` needs a source and a destination", name.text));
    };
    let to = match sources {
        [_] => to.text.clone(),
        _ => format!("{}/", to.text.trim_end_matches('/')),
    };
    Read::Actions(sources.iter().map(|from| action(from.text.clone(), to.clone())).collect())
}

pub(super) fn rm(context: &Context<'_>, name: &Word, arguments: &[Word]) -> Read {
    let options = match options::split("rm", arguments, "rRf", &[("recursive", 'r'), ("force", 'f')]) {
        Ok(options) => options,
        Err((span, why)) => return Read::NotUnderstood(span, why),
    };
    let (recursive, force) = (options.any("rR"), options.any("f"));
    each(name, &options.operands, |path| Action::Remove { path, dir: context.dir.clone(), recursive, force })
}

pub(super) fn mkdir(context: &Context<'_>, name: &Word, arguments: &[Word]) -> Read {
    let options = match options::split("mkdir", arguments, "p", &[("parents", 'p')]) {
        Ok(options) => options,
        Err((span, why)) => return Read::NotUnderstood(span, why),
    };
    let parents = options.any("p");
    each(name, &options.operands, |path| Action::MakeDir { path, dir: context.dir.clone(), parents })
}

fn each(name: &Word, operands: &[&Word], action: impl Fn(String) -> Action) -> Read {
    if operands.is_empty() {
        return Read::NotUnderstood(name.span, format!("`{}` without a name is not understood", name.text));
    }
    Read::Actions(operands.iter().map(|word| action(word.text.clone())).collect())
}
