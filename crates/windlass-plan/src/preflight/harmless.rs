//! What a unit may leave behind, as far as later lines could need it.

use crate::{Action, GitVerb};
use windlass_document::shell::{CommandKind, Redirect, ShellCommand, SimpleCommand, parse};

/// Programs that write nothing that a later line could run, and start no machine.
const READERS: &[&str] = &[
    ":",
    "[",
    "basename",
    "break",
    "cat",
    "cd",
    "cmp",
    "continue",
    "cut",
    "date",
    "df",
    "diff",
    "dirname",
    "du",
    "echo",
    "egrep",
    "exit",
    "false",
    "fgrep",
    "free",
    "grep",
    "head",
    "hostname",
    "id",
    "journalctl",
    "kill",
    "ls",
    "nproc",
    "pgrep",
    "pkill",
    "printf",
    "ps",
    "pwd",
    "read",
    "readlink",
    "return",
    "set",
    "shift",
    "sleep",
    "sort",
    "ss",
    "stat",
    "tail",
    "test",
    "tr",
    "true",
    "umask",
    "uname",
    "uniq",
    "uptime",
    "wait",
    "wc",
    "whoami",
];
/// Programs that install no other program; they may well write files.
const NO_INSTALLERS: &[&str] = &[
    "chgrp",
    "chmod",
    "chown",
    "mkdir",
    "mysql",
    "mysqladmin",
    "mysqldump",
    "nginx",
    "pg_dump",
    "pg_dumpall",
    "pg_isready",
    "psql",
    "redis-cli",
    "rm",
    "rmdir",
    "service",
    "sqlite3",
    "sync",
    "systemctl",
    "touch",
];

/// Programs that make no room on a disk.
const FILLERS: &[&str] = &[
    "chgrp",
    "chmod",
    "chown",
    "cp",
    "curl",
    "git",
    "gzip",
    "ln",
    "mariadb-dump",
    "mkdir",
    "mysql",
    "mysqldump",
    "pg_dump",
    "pg_dumpall",
    "pip",
    "psql",
    "redis-cli",
    "service",
    "sync",
    "systemctl",
    "tar",
    "tee",
    "touch",
    "unzip",
    "wget",
    "zstd",
];

/// Whether a unit may leave more room on a disk than there was, for those behind it. Copies and installations of Windlass's own never do.
pub(super) fn may_make_room(action: &Action) -> bool {
    match action {
        Action::Gate { .. } => true,
        // What a redirection is written over becomes shorter; what stands in a substitution is not read.
        Action::Shell { readonly: false, script, .. } => commands(script)
            .any(|(command, text)| text.contains(['>', '$', '`']) || programs(&command).any(frees)),
        _ => false,
    }
}

/// Whether a unit may make the room that it needs itself.
pub(super) fn may_begin_with_room(action: &Action) -> bool {
    matches!(action, Action::Shell { script, .. } if commands(script).any(|(command, _)| programs(&command).any(frees)))
}

/// Whether a line leaves something on a disk; one that only reads may still write down what it read.
pub(super) fn fills(action: &Action) -> bool {
    let Action::Shell { script, .. } = action else { return false };
    let writes = |simple: &SimpleCommand| {
        let into = |redirect: &Redirect| redirect.operator.starts_with('>') && redirect.operator != ">&";
        simple.redirects.iter().any(|redirect| into(redirect) && redirect.target.text != "/dev/null")
    };
    Effects::of(action).may_write()
        || commands(script).any(|(command, _)| simples(&command).iter().any(writes))
}

fn frees(name: &str) -> bool {
    !READERS.contains(&name) && !FILLERS.contains(&name)
}

/// The commands of a script, with their texts.
fn commands(script: &str) -> impl Iterator<Item = (ShellCommand, &str)> {
    let all = parse(script).0.commands.into_iter();
    all.map(|command| {
        let text = &script[command.span.start..command.span.end];
        (command, text)
    })
}

fn simples(command: &ShellCommand) -> &[SimpleCommand] {
    match &command.kind {
        CommandKind::Simple(simple) => std::slice::from_ref(simple),
        CommandKind::Compound { commands, .. } => commands,
    }
}

fn programs(command: &ShellCommand) -> impl Iterator<Item = &str> {
    simples(command).iter().filter_map(|simple| Some(simple.words.first()?.text.as_str()))
}

/// How much a unit may change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Effects {
    /// Nothing that matters here.
    None,
    /// A file may be there afterwards; no program by its name alone, and no host.
    Files,
    /// A program may be installed, a host started.
    Any,
}

impl Effects {
    pub(super) fn of(action: &Action) -> Self {
        match action {
            Action::Shell { readonly: true, .. } => Self::None,
            Action::Shell { script, .. } => Self::of_script(script),
            // A person may do anything while a gate is open.
            Action::Gate { .. } => Self::Any,
            Action::Http { .. } | Action::Watch(_) | Action::Sql { .. } => Self::None,
            Action::Git(line) if matches!(line.verb, GitVerb::Pin | GitVerb::Fetch) => Self::None,
            // A file may be put where programs are looked for.
            Action::Copy { to, .. } | Action::Move { to, .. } if to.contains("bin") => Self::Any,
            _ => Self::Files,
        }
    }

    fn of_script(script: &str) -> Self {
        commands(script).map(|(command, _)| Self::of_command(script, &command)).max().unwrap_or(Self::None)
    }

    /// Of one command of a script.
    pub(super) fn of_command(script: &str, command: &ShellCommand) -> Self {
        let text = &script[command.span.start..command.span.end];
        // What stands in a substitution is not read.
        if ["$(", "`", "<(", ">("].iter().any(|opens| text.contains(opens)) {
            return Self::Any;
        }
        let worst = programs(command).map(Self::of_program).max().unwrap_or(Self::None);
        match text.contains('>') {
            true if text.contains("bin/") => Self::Any,
            true => worst.max(Self::Files),
            false => worst,
        }
    }

    pub(super) fn of_program(name: &str) -> Self {
        if READERS.contains(&name) {
            Self::None
        } else if NO_INSTALLERS.contains(&name) {
            Self::Files
        } else {
            Self::Any
        }
    }

    pub(super) fn may_write(self) -> bool {
        self >= Self::Files
    }

    pub(super) fn may_install(self) -> bool {
        self == Self::Any
    }

    pub(super) fn may_start_hosts(self) -> bool {
        self == Self::Any
    }
}
