//! The environment of the process: the only place that reads it.

use std::path::PathBuf;

/// A variable, if it is set, not empty and UTF-8.
#[expect(clippy::disallowed_methods, reason = "this module is the place that reads the environment")]
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Whether the person wants no colour (https://no-color.org), or the terminal has none.
pub fn no_color() -> bool {
    variable("NO_COLOR").is_some() || variable("TERM").is_none_or(|term| term == "dumb")
}

/// Who acts: `user@host`. The person behind `sudo` counts, not root.
pub fn actor() -> String {
    let user = ["SUDO_USER", "USER", "LOGNAME"].into_iter().find_map(variable);
    let user = user.unwrap_or_else(|| format!("uid-{}", rustix::process::getuid().as_raw()));
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = host.trim();
    let clean = |text: &str| text.chars().filter(|c| !c.is_control()).collect::<String>();
    format!("{}@{}", clean(&user), if host.is_empty() { "localhost" } else { host })
}

/// The folder that commands without a document start to look from.
pub fn here() -> PathBuf {
    std::env::current_dir().unwrap_or_else(|_| PathBuf::from("."))
}
