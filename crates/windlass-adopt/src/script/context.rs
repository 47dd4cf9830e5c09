//! Lines that act on the programs of all lines behind them: an environment of Python, what is exported. They stand again in front of
//! each line that may need them, so that each can be a step of its own.

use super::{constants::is_activation, simples};
use crate::programs;
use windlass_document::shell::{CommandKind, ShellCommand};

/// What a line sets for the lines behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Context {
    /// Where programs are found.
    Environment,
    /// A variable that programs read.
    Exported,
    /// The way to the network: every program may read it.
    Proxy,
}

/// Programs that neither run those of an environment nor read variables of the team.
const OF_THE_SYSTEM: &[&str] = &[
    "cd",
    "chgrp",
    "chmod",
    "chown",
    "cp",
    "curl",
    "echo",
    "exit",
    "git",
    "ls",
    "mkdir",
    "mv",
    "nginx",
    "printf",
    "rm",
    "service",
    "set",
    "sleep",
    "systemctl",
    "tar",
    "test",
    "[",
];

/// Programs that are never those of an environment of Python.
const OF_NO_ENVIRONMENT: &[&str] = &[
    "aws",
    "bash",
    "cat",
    "composer",
    "df",
    "docker",
    "docker-compose",
    "go",
    "grep",
    "ln",
    "make",
    "mysql",
    "mysqldump",
    "node",
    "npm",
    "npx",
    "pg_dump",
    "php",
    "pm2",
    "pnpm",
    "psql",
    "redis-cli",
    "rsync",
    "sh",
    "sqlite3",
    "supervisorctl",
    "wget",
    "yarn",
];

impl Context {
    /// What a command sets, if it does nothing else.
    pub(super) fn of(command: &ShellCommand) -> Option<Self> {
        let CommandKind::Simple(simple) = &command.kind else { return None };
        let exports = simple.words.first().is_some_and(|word| word.text == "export")
            && simple.words.len() > 1
            && simple.words[1..].iter().all(|word| word.text.contains('='));
        match () {
            () if is_activation(simple) => Some(Self::Environment),
            () if exports && simple.redirects.is_empty() => {
                let proxy =
                    simple.words[1..].iter().any(|word| word.text.to_ascii_lowercase().contains("_proxy="));
                Some(if proxy { Self::Proxy } else { Self::Exported })
            }
            () => None,
        }
    }

    /// Whether a command may need it.
    pub(super) fn is_needed_by(self, command: &ShellCommand) -> bool {
        simples(command).iter().any(|simple| {
            // Another user has an environment of its own.
            if simple.words.first().is_some_and(|word| word.text == "sudo") {
                return false;
            }
            let Some(program) = programs::bare(simple).first().copied() else { return false };
            let known = self != Self::Proxy && OF_THE_SYSTEM.contains(&program)
                || self == Self::Environment && OF_NO_ENVIRONMENT.contains(&program)
                // What they install does not depend on how the service is set.
                || self == Self::Exported && matches!(program, "pip" | "pip3");
            !known
        })
    }
}
