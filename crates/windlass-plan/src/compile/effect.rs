//! What a unit will change, in words, from its text alone.

use crate::{
    Action, ComposeLine, ComposeOperation, Config, GitLine, GitVerb, LineEdit, ServiceMode, ServiceOperation,
    Strategy, SystemdVerb, Watching,
};

/// Longest piece of the document that is repeated in an effect, in characters.
const QUOTE_CHARS_MAX: usize = 100;

pub(super) fn words(action: &Action, config: &Config) -> String {
    match action {
        Action::Shell { script, readonly, database, .. } => {
            let verb = if *readonly { "run, changes nothing" } else { "run" };
            let recorded = match database {
                Some(database) if !readonly => {
                    format!(
                        " (with DATABASE_URL of {database}; what it changes of the definitions is recorded)"
                    )
                }
                Some(database) => format!(" (with DATABASE_URL of {database})"),
                None => String::new(),
            };
            format!("{verb}: {}{recorded}", one_line(script))
        }
        Action::Patch { file, edits, .. } => patch(file, edits),
        Action::Copy { from, to, recursive, .. } => {
            format!("copy {}{from} to {to}", if *recursive { "all of " } else { "" })
        }
        Action::Move { from, to, .. } => format!("move {from} to {to}"),
        Action::Remove { path, recursive, .. } => {
            format!("set {}{path} aside", if *recursive { "all of " } else { "" })
        }
        Action::MakeDir { path, .. } => format!("make the folder {path}"),
        Action::Sql { target, statement, rows, .. } => {
            let rows = rows.map_or(String::new(), |rows| format!(" ({rows} rows expected)"));
            format!("{target}: {}{rows}", one_line(statement))
        }
        Action::Backup { target, file, .. } => format!("back {target} up to {file}"),
        Action::Service { service, operation } => operate(service, *operation, config),
        Action::Mode { service, mode, on } => turned(service, *mode, *on),
        Action::Systemd { verb, name, user, .. } => systemd(*verb, name, *user),
        Action::Compose(line) => compose(line),
        Action::Objects { line, .. } => one_line(&line.effect()),
        Action::Git(line) => git(line),
        Action::Install(line) => {
            let (tool, into) = (line.tool.word(), &line.into);
            format!("{tool} {} into a copy of {into}, which takes its place", one_line(&line.words.join(" ")))
        }
        Action::Http { check } => format!("check {} {}", check.method, check.url),
        Action::Watch(what) => watch(what),
        Action::Gate { text } => format!("a person confirms: {}", one_line(text)),
    }
}

fn watch(what: &Watching) -> String {
    let percent = |name: &str, limit: Option<u64>| {
        limit.map(|limit| format!("{name} below {} %", limit as f64 / 1000.0))
    };
    let limits = &what.limits;
    let list: Vec<String> = [
        percent("processors", limits.cpu),
        percent("memory", limits.memory),
        percent("disks", limits.disk),
        percent("errors", limits.errors),
        limits.p95_ms.map(|limit| format!("95 % of the answers below {limit} ms")),
    ]
    .into_iter()
    .flatten()
    .collect();
    match what.for_ms {
        None => "measure what is watched afterwards, to compare with".to_owned(),
        Some(ms) => format!("watch for {} s: {}", ms.div_ceil(1000), list.join(", ")),
    }
}

fn git(line: &GitLine) -> String {
    let rev = line.rev.as_ref().map(crate::GitRev::words).unwrap_or_default();
    match line.verb {
        GitVerb::Pin => format!("find out which commit all hosts get: {rev}"),
        GitVerb::Fetch => "git: get commits and tags; no file changes".to_owned(),
        GitVerb::Pull => format!("git: get {rev} and go forward to it"),
        GitVerb::Checkout => format!("git: go to {rev}"),
        GitVerb::Reset => format!("git: set the branch and all files to {rev}"),
        GitVerb::Submodules => "git: bring submodules to the commits that are written down".to_owned(),
    }
}

fn compose(line: &ComposeLine) -> String {
    let what = if line.services.is_empty() { "all services".to_owned() } else { line.services.join(", ") };
    let (verb, more) = match line.operation {
        ComposeOperation::Pull => ("pull the images of", ""),
        ComposeOperation::Build => ("build the images of", ""),
        ComposeOperation::Up if line.builds() => {
            ("build the images of, create and start", ", anew where image or configuration differ")
        }
        ComposeOperation::Up if line.has(&["--force-recreate"]) => ("create anew and start", ""),
        ComposeOperation::Up => ("create and start", ", anew where image or configuration differ"),
        ComposeOperation::Down if line.deletes_volumes() => ("stop and remove", ", with their volumes"),
        ComposeOperation::Down => ("stop and remove", "; volumes stay"),
        ComposeOperation::Stop => ("stop", ""),
        ComposeOperation::Start => ("start", ""),
        ComposeOperation::Restart => ("stop and start again", ""),
    };
    let line = line.words().join(" ");
    one_line(&format!("{verb} {what}{more}: {line}"))
}

fn patch(file: &str, edits: &[LineEdit]) -> String {
    let removed: usize = edits.iter().map(|edit| edit.remove.len()).sum();
    let added: usize = edits.iter().map(|edit| edit.add.len()).sum();
    match (removed, added) {
        (0, added) => format!("add {} to {file}", lines(added)),
        (removed, 0) => format!("remove {} from {file}", lines(removed)),
        (removed, added) if removed == added => format!("replace {} of {file}", lines(removed)),
        (removed, added) => format!("replace {} of {file} by {added}", lines(removed)),
    }
}

fn lines(count: usize) -> String {
    if count == 1 { "1 line".to_owned() } else { format!("{count} lines") }
}

fn operate(service: &str, operation: ServiceOperation, config: &Config) -> String {
    let configured = config.services.get(service);
    let front = configured.and_then(|service| service.proxy.as_ref());
    let meanwhile = match front.map(|front| &front.server) {
        None => "requests fail: no proxy holds them",
        Some(None) => "requests are held",
        Some(Some(_)) => "requests are answered 503",
    };
    let held = front.is_some();
    // What runs beside the old one first.
    let beside = match configured.map(|service| service.strategy) {
        Some(Strategy::Bluegreen) if held => Some("the new one beside the old; requests are switched"),
        Some(Strategy::Canary) if held => Some("the new one beside the old; a part of the clients first"),
        _ => None,
    };
    match operation {
        ServiceOperation::Stop => format!("stop service {service} ({meanwhile})"),
        ServiceOperation::Start => format!("start service {service} and wait until it is healthy"),
        ServiceOperation::Keep => format!("note for the way back how service {service} runs"),
        ServiceOperation::Restart => match beside {
            Some(beside) => format!("restart service {service} ({beside})"),
            None => format!("restart service {service} ({meanwhile} meanwhile)"),
        },
    }
}

fn turned(service: &str, mode: ServiceMode, on: bool) -> String {
    match (mode, on) {
        (ServiceMode::Maintenance, true) => format!("answer all requests to {service} with 503"),
        (ServiceMode::Readonly, true) => {
            format!("answer requests to {service} that may write with 503; reads pass")
        }
        (ServiceMode::Maintenance, false) => format!("let requests to {service} through again"),
        (ServiceMode::Readonly, false) => format!("let requests to {service} that may write through again"),
    }
}

fn systemd(verb: SystemdVerb, name: &str, user: bool) -> String {
    let whose = if user { " of the user" } else { "" };
    match verb {
        SystemdVerb::DaemonReload => format!("systemd{whose} reads the files of all units again"),
        SystemdVerb::Enable => format!("start {name}{whose} with the machine from now on"),
        SystemdVerb::Disable => format!("do not start {name}{whose} with the machine any more"),
        SystemdVerb::Start => format!("start {name}{whose} and see that it stays"),
        SystemdVerb::Restart => format!("restart {name}{whose} and see that it stays"),
        SystemdVerb::Reload => format!("{name}{whose} reads its configuration again"),
        SystemdVerb::Stop => format!("stop {name}{whose}"),
        SystemdVerb::Keep if name.is_empty() => {
            format!("note for the way back that systemd{whose} reads units again")
        }
        SystemdVerb::Keep => format!("note for the way back how {name}{whose} runs"),
    }
}

/// The text on one line, cut where it gets too long for a list.
pub(super) fn one_line(text: &str) -> String {
    let mut line = String::new();
    let mut words = text.split_whitespace().peekable();
    while let Some(word) = words.next() {
        let room = QUOTE_CHARS_MAX.saturating_sub(line.chars().count());
        if word.chars().count() > room {
            line.extend(word.chars().take(room));
            line.push('…');
            return line;
        }
        line.push_str(word);
        if words.peek().is_some() {
            line.push(' ');
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patches_are_counted() {
        let edit = |remove: usize, add: usize| LineEdit {
            remove: vec![String::new(); remove],
            add: vec![String::new(); add],
            ..LineEdit::default()
        };
        for (edits, words) in [
            (vec![edit(1, 1)], "replace 1 line of app.env"),
            (vec![edit(0, 1)], "add 1 line to app.env"),
            (vec![edit(2, 0), edit(1, 0)], "remove 3 lines from app.env"),
            (vec![edit(2, 1), edit(0, 3)], "replace 2 lines of app.env by 4"),
        ] {
            assert_eq!(patch("app.env", &edits), words);
        }
    }

    #[test]
    fn long_text_is_cut_at_a_character() {
        assert_eq!(one_line("  a\n  b\tc "), "a b c");
        let long = "数".repeat(300);
        let cut = one_line(&long);
        assert_eq!(cut.chars().count(), QUOTE_CHARS_MAX + 1);
        assert!(cut.ends_with('…'));
    }
}
