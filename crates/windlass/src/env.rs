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

/// Whether there is a program of that name.
pub fn is_program(name: &str) -> bool {
    let path = variable("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(name).is_file())
}

/// Who acts: `user@host`. The person behind `sudo` counts, not root.
pub fn actor() -> String {
    let user = ["SUDO_USER", "USER", "LOGNAME"].into_iter().find_map(variable);
    let user = user.unwrap_or_else(|| {
        let uid = rustix::process::getuid().as_raw();
        // A service or a container may have no such variable; the account still has a name.
        let accounts = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
        account_name(&accounts, uid).unwrap_or_else(|| format!("uid-{uid}"))
    });
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = host.trim();
    let clean = |text: &str| text.chars().filter(|c| !c.is_control()).collect::<String>();
    format!("{}@{}", clean(&user), if host.is_empty() { "localhost" } else { host })
}

/// The name of an account, from the lines of passwd(5).
fn account_name(accounts: &str, uid: u32) -> Option<String> {
    accounts.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == uid.to_string()).then(|| name.to_owned())
    })
}

/// The language of who runs this, if it is one that pages are made in.
pub fn lang() -> Option<windlass_plan::Lang> {
    let locale = ["LC_ALL", "LC_MESSAGES", "LANG"].into_iter().find_map(variable)?;
    windlass_plan::Lang::of_locale(&locale)
}

/// The folder that commands without a document start to look from.
pub fn here() -> PathBuf {
    std::env::current_dir().unwrap_or_else(|_| PathBuf::from("."))
}

#[cfg(test)]
mod tests {
    use super::account_name;

    #[test]
    fn an_account_is_found_by_its_number() {
        let accounts = "root:x:0:0:root:/root:/bin/bash\n# a comment\nbroken\ndeploy:x:1001:1001::/home/deploy:/bin/sh\n";
        assert_eq!(account_name(accounts, 1001).as_deref(), Some("deploy"));
        assert_eq!(account_name(accounts, 0).as_deref(), Some("root"));
        assert_eq!(account_name(accounts, 7), None);
    }
}
