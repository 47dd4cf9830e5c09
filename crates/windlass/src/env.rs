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

/// What set the process going, if that was a job or a timer and no person; `has_terminal`: somebody can be asked.
///
/// CI systems say so themselves in variables, whether or not they give their jobs a terminal. Timers only count without a
/// terminal: cron by the processes above this one, systemd by the variable that it sets for what it starts itself, and
/// which sshd and login do not hand on.
pub fn job(has_terminal: bool) -> Option<String> {
    let is_set = |name: &&str| variable(name).is_some_and(|value| !matches!(value.as_str(), "0" | "false"));
    if let Some(name) = CI_VARIABLES.into_iter().find(is_set) {
        return Some(format!("a CI job ({name} is set)"));
    }
    if has_terminal {
        return None;
    }
    let parent = rustix::process::getppid().map(|parent| parent.as_raw_nonzero().get());
    if let Some(timer) = parent.and_then(|parent| timer_above(parent, process)) {
        return Some(format!("a job of {timer}"));
    }
    variable("INVOCATION_ID")
        .map(|_| "a unit of systemd (INVOCATION_ID is set), without a terminal".to_owned())
}

/// Set by CI systems, those that name one first.
const CI_VARIABLES: [&str; 8] = [
    "GITHUB_ACTIONS",
    "GITLAB_CI",
    "JENKINS_URL",
    "BUILDKITE",
    "TF_BUILD",
    "TEAMCITY_VERSION",
    "BITBUCKET_BUILD_NUMBER",
    "CI",
];
/// Names under which programs run that start commands at times.
const TIMERS: [&str; 6] = ["cron", "crond", "anacron", "fcron", "atd", "systemd-cron"];
/// A chain of processes is not longer than this.
const ANCESTORS_MAX: usize = 64;

/// The nearest timer at `pid` or above; `look` says name and parent of a process.
fn timer_above(mut pid: i32, look: impl Fn(i32) -> Option<(String, i32)>) -> Option<String> {
    for _ in 0..ANCESTORS_MAX {
        let (name, parent) = look(pid)?;
        if TIMERS.contains(&name.as_str()) {
            return Some(name);
        }
        pid = parent;
    }
    None
}

/// Name and parent of a process.
fn process(pid: i32) -> Option<(String, i32)> {
    parse_stat(&std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// Of a line of proc_pid_stat(5), where the name may have anything in it.
fn parse_stat(stat: &str) -> Option<(String, i32)> {
    let (before, after) = stat.rsplit_once(')')?;
    let (_, name) = before.split_once('(')?;
    let parent = after.split_whitespace().nth(1)?.parse().ok()?;
    Some((name.to_lowercase(), parent))
}

/// The folder that commands without a document start to look from.
pub fn here() -> PathBuf {
    std::env::current_dir().unwrap_or_else(|_| PathBuf::from("."))
}

#[cfg(test)]
mod tests {
    use super::{account_name, parse_stat, timer_above};

    #[test]
    fn an_account_is_found_by_its_number() {
        let accounts = "root:x:0:0:root:/root:/bin/bash\n# a comment\nbroken\ndeploy:x:1001:1001::/home/deploy:/bin/sh\n";
        assert_eq!(account_name(accounts, 1001).as_deref(), Some("deploy"));
        assert_eq!(account_name(accounts, 0).as_deref(), Some("root"));
        assert_eq!(account_name(accounts, 7), None);
    }

    #[test]
    fn a_timer_is_found_above_whatever_runs_between() {
        assert_eq!(parse_stat("12 (sh) S 7 1 1 0"), Some(("sh".to_owned(), 7)));
        assert_eq!(parse_stat("12 (a) (b) c) S 7 1"), Some(("a) (b) c".to_owned(), 7)));
        assert_eq!(parse_stat("12 (CROND) S 1 1"), Some(("crond".to_owned(), 1)));
        assert_eq!(parse_stat("nothing"), None);
        let chain = |timer: &'static str| {
            move |pid: i32| match pid {
                9 => Some(("sh".to_owned(), 8)),
                8 => Some((timer.to_owned(), 1)),
                1 => Some(("systemd".to_owned(), 0)),
                _ => None,
            }
        };
        assert_eq!(timer_above(9, chain("cron")).as_deref(), Some("cron"));
        assert_eq!(timer_above(9, chain("sshd")), None);
        assert_eq!(timer_above(9, |_| Some(("sh".to_owned(), 9))), None, "a circle ends");
    }
}
