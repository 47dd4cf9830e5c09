//! What a unit may leave behind, as far as later lines could need it.

use crate::{Action, GitVerb};
use windlass_document::shell::{CommandKind, ShellCommand, parse};

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
    "chgrp", "chmod", "chown", "cp", "curl", "git", "ln", "mkdir", "pip", "sync", "tar", "touch", "unzip",
    "wget",
];

/// Whether a unit may leave more room on a disk than there was. Copies and installations of Windlass's own never do.
pub(super) fn may_make_room(action: &Action) -> bool {
    match action {
        Action::Gate { .. } => true,
        Action::Shell { readonly: true, .. } => false,
        // Whatever a redirection is written over becomes shorter.
        Action::Shell { script, .. } => parse(script).0.commands.iter().any(|command| {
            let text = &script[command.span.start..command.span.end];
            text.contains('>') || text.contains('$') || text.contains('`') || any_program(command, frees)
        }),
        _ => false,
    }
}

fn frees(name: &str) -> bool {
    !READERS.contains(&name) && !FILLERS.contains(&name)
}

fn any_program(command: &ShellCommand, is: impl Fn(&str) -> bool) -> bool {
    let commands = match &command.kind {
        CommandKind::Simple(simple) => std::slice::from_ref(simple),
        CommandKind::Compound { commands, .. } => commands,
    };
    commands.iter().filter_map(|simple| simple.words.first()).any(|word| is(&word.text))
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
        parse(script)
            .0
            .commands
            .iter()
            .map(|command| Self::of_command(script, command))
            .max()
            .unwrap_or(Self::None)
    }

    /// Of one command of a script.
    pub(super) fn of_command(script: &str, command: &ShellCommand) -> Self {
        let text = &script[command.span.start..command.span.end];
        // What stands in a substitution is not read.
        if ["$(", "`", "<(", ">("].iter().any(|opens| text.contains(opens)) {
            return Self::Any;
        }
        let commands = match &command.kind {
            CommandKind::Simple(simple) => std::slice::from_ref(simple),
            CommandKind::Compound { commands, .. } => commands,
        };
        let programs = commands.iter().filter_map(|simple| simple.words.first());
        let worst = programs.map(|word| Self::of_program(&word.text)).max().unwrap_or(Self::None);
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
