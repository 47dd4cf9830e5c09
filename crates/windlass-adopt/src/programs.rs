//! Programs that stand in runbooks: which words begin a command, which only read, which never end.

use windlass_document::shell::{CommandKind, ShellCommand, SimpleCommand};

/// Programs by name. A line of prose may begin with such a word too; [`crate::judge`] looks at the rest of it.
const PROGRAMS: &str = "\
    7z ab alembic ansible ansible-playbook apachectl apt apt-get artisan awk aws az base64 bash \
    bin/rails brew bundle bunzip2 bzip2 caddy cap cargo cat cd celery certbot chgrp chmod chown chsh \
    composer consul cp createdb crontab curl cut date dbmate dd df diff dig django-admin dmesg dnf \
    docker docker-compose dropdb du echo egrep emacs env etcdctl exit export fab file find firewall-cmd \
    flask flyway free fuser gcloud gh git go goose gpg gradle grep groupadd gsutil gunicorn gunzip gzip \
    haproxy head helm host hostname htop id ifconfig iftop install iotop ip iptables java journalctl jq \
    just k6 kill killall knex kubectl ldconfig less liquibase ln logger logrotate ls lsof make mariadb \
    mariadb-dump mc md5sum migrate mix mkdir mongo mongodump mongorestore mongosh more mount mv mvn mvnw \
    mysql mysqladmin mysqldump nano nc nethogs netstat nginx node nohup nomad npm npx nslookup openssl \
    pg_basebackup pg_dump pg_dumpall pg_restore pgrep php ping pip pip3 pkill pm2 pnpm podman poetry \
    prisma ps psql puma pwd pytest python python3 rails rake rclone redis-cli rename restic rm rmdir \
    rsync ruby s3cmd scp screen sed sequelize service sftp sh sha256sum shutdown sleep source sqlite3 \
    sqlx ss ssh ssh-copy-id stat su sudo supervisorctl svn swapoff swapon sync sysctl systemctl tail tar \
    tee telnet terraform time tmux top touch traceroute truncate typeorm ufw umask umount uname unzip \
    uptime useradd usermod uv uvicorn vault vi vim vmstat wait watch wc wget which whoami windlass xargs \
    xz yarn yum zcat zip zstd";

/// Editors.
pub(crate) const EDITORS: &[&str] =
    &["vim", "vi", "nano", "emacs", "nvim", "pico", "joe", "micro", "code", "sudoedit", "ed"];

/// Whether a word is the name of a program: a known one, or a path to one.
pub(crate) fn is_program(word: &str) -> bool {
    let path = (word.starts_with("./")
        || word.starts_with("../")
        || word.starts_with("~/")
        || word.starts_with('/'))
        && word.len() > 3
        && word.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-/~".contains(&b));
    path || is_named(word)
}

/// Whether a word is the name of a known program.
pub(crate) fn is_named(word: &str) -> bool {
    PROGRAMS.split(' ').filter(|known| !known.is_empty()).any(|known| known == word)
        || EDITORS.contains(&word)
        || word.strip_prefix("python").is_some_and(|v| v.bytes().all(|b| b.is_ascii_digit() || b == b'.'))
        || word.ends_with(".sh") && !word.contains(['(', ')', '*'])
}

/// The words of a command, without what only stands in front of it: `sudo -u app`, `env A=b`, `time`, `nohup`.
pub(crate) fn bare(simple: &SimpleCommand) -> Vec<&str> {
    let words: Vec<_> = simple.words.iter().map(|word| word.text.as_str()).collect();
    let mut at = 0;
    while let Some(word) = words.get(at) {
        match *word {
            "sudo" => {
                at += 1;
                while let Some(option) = words.get(at).filter(|word| word.starts_with('-')) {
                    at += if ["-u", "-g", "-H"].contains(option) && *option != "-H" { 2 } else { 1 };
                }
            }
            "time" | "command" | "exec" => at += 1,
            "env" => {
                at += 1;
                while words.get(at).is_some_and(|word| word.contains('=')) {
                    at += 1;
                }
            }
            _ => break,
        }
    }
    words.get(at..).unwrap_or_default().to_vec()
}

/// The simple commands of a command.
pub(crate) fn parts(command: &ShellCommand) -> &[SimpleCommand] {
    match &command.kind {
        CommandKind::Simple(simple) => std::slice::from_ref(simple),
        CommandKind::Compound { commands, .. } => commands,
    }
}

/// Whether a command goes on until somebody stops it, or needs somebody at the screen.
pub(crate) fn never_ends(words: &[&str]) -> bool {
    let Some((program, rest)) = words.split_first() else { return false };
    let has = |options: &[&str]| rest.iter().any(|word| options.contains(word));
    let follows = |word: &&str| {
        matches!(*word, "--follow" | "-f" | "-F")
            || word.starts_with('-') && !word.starts_with("--") && word.ends_with('f') && word.len() < 5
    };
    match *program {
        "tail" => rest.iter().any(&follows) || has(&["-F"]),
        "journalctl" => rest.iter().any(&follows),
        "docker" | "docker-compose" | "kubectl" | "podman" => {
            has(&["logs"]) && rest.iter().any(|word| matches!(*word, "-f" | "--follow"))
                || *program == "kubectl" && has(&["-w", "--watch"])
                || has(&["stats"]) && !has(&["--no-stream"])
                || has(&["-it", "-ti"])
                    && rest.iter().any(|word| matches!(*word, "bash" | "sh" | "/bin/bash" | "/bin/sh"))
        }
        "pm2" => has(&["logs", "monit"]),
        "top" => !has(&["-b", "-bn1"]),
        "htop" | "nethogs" | "iftop" | "iotop" | "watch" | "less" | "more" | "man" | "tmux" | "screen"
        | "telnet" => true,
        "ping" => !has(&["-c"]),
        "vmstat" => !rest.is_empty(),
        _ => false,
    }
}

/// Whether a command is known to change nothing.
pub(crate) fn only_reads(simple: &SimpleCommand) -> bool {
    let writes = simple.redirects.iter().any(|redirect| {
        redirect.operator.starts_with('>')
            && !["/dev/null", "1", "2"].contains(&redirect.target.text.as_str())
    });
    let words = bare(simple);
    let Some((program, rest)) = words.split_first() else { return false };
    !writes && (reads_by_name(program, rest) || reads_by_verb(program, rest))
}

fn reads_by_name(program: &str, rest: &[&str]) -> bool {
    let has = |options: &[&str]| rest.iter().any(|word| options.contains(word));
    match program {
        "ls" | "cat" | "head" | "tail" | "grep" | "egrep" | "wc" | "df" | "du" | "free" | "ps" | "ss"
        | "netstat" | "lsof" | "uptime" | "whoami" | "id" | "pwd" | "which" | "echo" | "stat" | "file"
        | "diff" | "cmp" | "md5sum" | "sha256sum" | "dig" | "nslookup" | "host" | "pgrep" | "uname"
        | "jq" | "cut" | "test" | "[" | "printf" | "sort" | "uniq" | "zcat" | "printenv" | "ping"
        | "journalctl" | "dmesg" | "less" | "hostname" | "top" | "vmstat" | "traceroute" | "sleep" => {
            !has(&["--vacuum-size", "--vacuum-time", "--rotate", "-c"])
                || matches!(program, "ping" | "grep" | "wc" | "head" | "tail" | "uniq")
        }
        "date" => !has(&["-s", "--set"]),
        "find" => !has(&["-delete", "-exec", "-execdir", "-ok"]),
        "sed" => has(&["-n"]) && !has(&["-i"]),
        "nginx" | "haproxy" => has(&["-t", "-T", "-c", "-v", "-V"]) && !has(&["-s"]),
        "nc" => has(&["-z", "-zv", "-vz"]),
        "curl" => {
            !rest.iter().any(|word| {
                let long =
                    ["--data", "--request", "--form", "--upload-file", "--output", "--remote-name", "--json"];
                let short = ["-d", "-X", "-F", "-T", "-O", "-o"];
                (long.iter().any(|option| word.starts_with(option))
                    || short.iter().any(|option| word.starts_with(option) && !word.starts_with("--")))
                    && !["-XGET", "-o/dev/null"].contains(word)
            }) || rest.windows(2).any(|pair| pair == ["-o", "/dev/null"])
                && !has(&["-d", "-X", "--data", "-F"])
                || rest.windows(2).any(|pair| pair == ["-X", "GET"]) && !has(&["-d", "-o", "-O"])
        }
        "wget" => has(&["--spider", "-qO-", "-O-"]),
        _ => rest == ["--version"] || rest == ["-v"] && program != "rm" || rest == ["-V"],
    }
}

fn reads_by_verb(program: &str, rest: &[&str]) -> bool {
    let mut verbs = rest.iter().filter(|word| !word.starts_with('-')).copied();
    let verb = verbs.next().unwrap_or_default();
    let next = verbs.next().unwrap_or_default();
    let one = |known: &[&str]| known.contains(&verb);
    match program {
        "systemctl" => one(&[
            "status",
            "is-active",
            "is-enabled",
            "is-failed",
            "list-units",
            "list-timers",
            "show",
            "cat",
        ]),
        "service" => next == "status",
        "supervisorctl" => one(&["status"]),
        "docker" | "podman" if verb == "compose" => {
            ["ps", "logs", "config", "images", "top", "ls", "version"].contains(&next)
        }
        "docker" | "podman" => {
            one(&["ps", "images", "logs", "inspect", "stats", "version", "info", "top", "port", "history"])
        }
        "docker-compose" => one(&["ps", "logs", "config", "images", "top", "version"]),
        "kubectl" => {
            one(&["get", "describe", "logs", "top", "version", "explain", "cluster-info"])
                || verb == "rollout" && ["status", "history"].contains(&next)
        }
        "helm" => one(&["list", "ls", "status", "history", "get", "version", "diff"]),
        "git" => {
            one(&["status", "log", "diff", "show", "rev-parse", "describe", "ls-remote", "blame"])
                || verb == "remote" && rest.contains(&"-v")
                || verb == "branch" && next.is_empty()
        }
        "pip" | "pip3" => one(&["list", "show", "freeze", "check"]),
        "npm" | "pnpm" | "yarn" => {
            one(&["ls", "list", "view", "outdated", "audit"]) && !rest.contains(&"fix")
        }
        "pm2" => one(&["status", "list", "ls", "show", "describe"]),
        "aws" => {
            verb == "s3" && next == "ls"
                || ["describe-", "get-", "list-"].iter().any(|prefix| next.starts_with(prefix))
                || next == "wait"
        }
        "redis-cli" => {
            rest.iter().any(|word| matches!(word.to_ascii_lowercase().as_str(), "ping" | "info" | "dbsize"))
        }
        "crontab" => rest.contains(&"-l"),
        "openssl" => one(&["x509", "s_client", "version"]),
        "terraform" => one(&["plan", "validate", "show", "output"]),
        _ => false,
    }
}

/// Whether windlass-plan lifts lines of this program on this machine: its way back is known.
pub(crate) fn is_lifted(words: &[&str]) -> bool {
    let Some((program, rest)) = words.split_first() else { return false };
    let has = |known: &[&str]| rest.iter().any(|word| known.contains(word));
    match *program {
        "docker" => rest.first() == Some(&"compose") && has(COMPOSE),
        "docker-compose" => has(COMPOSE),
        "systemctl" => has(&["start", "stop", "restart", "reload", "enable", "disable", "daemon-reload"]),
        "cp" | "mv" | "rm" | "mkdir" | "pg_dump" | "mysqldump" | "mariadb-dump" => true,
        "windlass" => rest.first() == Some(&"service"),
        "aws" => is_objects(words),
        _ => false,
    }
}

/// A line that copies, moves or deletes objects of a store.
fn is_objects(words: &[&str]) -> bool {
    matches!(words, ["aws", "s3", "sync" | "cp" | "mv" | "rm", ..])
}

/// The buckets of a line that works on objects, and whether nothing else is in it.
pub(crate) fn buckets<'w>(words: &[&'w str]) -> Option<(Vec<&'w str>, bool)> {
    if !is_objects(words) {
        return None;
    }
    let bucket = |word: &&'w str| Some(word.strip_prefix("s3://")?.split('/').next().unwrap_or_default());
    let found: Vec<&str> = words.iter().filter_map(bucket).filter(|name| !name.is_empty()).collect();
    let only = found.len() == 2 || words.get(2) == Some(&"rm");
    (!found.is_empty()).then_some((found, only))
}

const COMPOSE: &[&str] = &["pull", "build", "up", "down", "stop", "start", "restart"];

/// What a command does to the service: what stops it, what starts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Serves {
    /// Nobody is served behind it.
    Stops,
    /// Somebody is served behind it.
    Starts,
    /// Images come.
    Pulls,
}

/// What a command does to the service.
pub(crate) fn serves(words: &[&str]) -> Option<Serves> {
    let (program, rest) = words.split_first()?;
    let rest = if *program == "docker" { rest.strip_prefix(&["compose"])? } else { rest };
    let verb = rest.iter().find(|word| !word.starts_with('-')).copied().unwrap_or_default();
    match (*program, verb) {
        ("docker" | "docker-compose", "down" | "stop") | ("systemctl" | "supervisorctl" | "pm2", "stop") => {
            Some(Serves::Stops)
        }
        ("docker" | "docker-compose", "up" | "start" | "restart")
        | ("systemctl" | "supervisorctl" | "pm2", "start" | "restart" | "reload") => Some(Serves::Starts),
        ("docker" | "docker-compose", "pull") => Some(Serves::Pulls),
        ("pkill" | "killall" | "kill", _) => Some(Serves::Stops),
        ("nohup", _) => Some(Serves::Starts),
        ("service", _) => match rest.get(1).copied() {
            Some("stop") => Some(Serves::Stops),
            Some("start" | "restart" | "reload") => Some(Serves::Starts),
            _ => None,
        },
        _ => None,
    }
}

/// The program for databases that a command calls, also inside a container, and what stands behind it.
pub(crate) fn database<'w>(words: &[&'w str]) -> Option<(&'w str, Vec<&'w str>)> {
    const CLIENTS: &[&str] =
        &["psql", "mysql", "mariadb", "sqlite3", "pg_dump", "pg_restore", "mysqldump", "mariadb-dump"];
    let at = words.iter().position(|word| CLIENTS.contains(word))?;
    let inside = at == 0 || matches!(words[0], "docker" | "docker-compose" | "kubectl" | "podman");
    inside.then(|| (words[at], words[at + 1..].to_vec()))
}

/// Whether a call of a client opens a console: no statements, no file.
pub(crate) fn is_console(simple: &SimpleCommand) -> bool {
    let words = bare(simple);
    let Some((program, rest)) = database(&words) else { return false };
    let given = |word: &&str| {
        matches!(*word, "-l" | "--list" | "--version" | "-V")
            || word.starts_with("--command")
            || word.starts_with("--file")
            || word.starts_with("--execute")
            || word.starts_with("-c")
            || word.starts_with("-f")
            || word.starts_with("-e")
    };
    let fed = simple.redirects.iter().any(|redirect| redirect.operator.starts_with('<'));
    match program {
        "psql" | "mysql" | "mariadb" => !fed && !rest.iter().any(given),
        "sqlite3" => !fed && rest.iter().filter(|word| !word.starts_with('-')).count() < 2,
        _ => false,
    }
}
