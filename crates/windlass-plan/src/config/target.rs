//! `[target.NAME]`: hosts or a URL, and references to secrets.

use super::{BackupPolicy, NamedIn, backup, batch, read::Section, store, tree};
use crate::{Secret, Target, Throttle, UrlKind, Value};

pub(super) const KEYS: &[&str] = &[
    "hosts",
    "dir",
    "ssh_config",
    "url",
    "kind",
    "batch",
    "backup",
    "region",
    "endpoint",
    "profile",
    "path_style",
    "hold",
];
pub(super) const SECRET_KEYS: &[&str] = &["env", "file", "command"];

pub(super) const KINDS: &[(&str, UrlKind)] =
    &[("sqlite", UrlKind::Sqlite), ("postgresql", UrlKind::Postgresql), ("mysql", UrlKind::Mysql)];

/// A target, and how it is worked on where it says so.
pub(super) struct Read {
    pub(super) target: Target,
    /// How gently batches run; else as for all.
    pub(super) throttle: Option<Throttle>,
    pub(super) backup: Option<BackupPolicy>,
}

/// Reads a target; what its `batch` does not say is as in `base`.
pub(super) fn read(item: &tree::Item, here: &NamedIn<'_, '_>, base: Throttle) -> Option<Read> {
    let section = here.open(item, KEYS)?;
    let (throttle, backup) = (batch::read(&section, base), backup::read(&section));
    Some(Read { target: target(&section)?, throttle, backup })
}

fn target(section: &Section<'_, '_, '_>) -> Option<Target> {
    if section.item("url").is_some() {
        for key in ["hosts", "dir", "ssh_config"].into_iter().filter(|key| section.item(key).is_some()) {
            section.error(
                "config-conflict",
                key,
                format!("{} has both `url` and `{key}`", section.name()),
                "a target is either a URL or hosts with a folder: make two targets",
            );
        }
        return url_target(section);
    }
    store::misplaced(section);
    for (key, help) in [
        ("batch", "batches are of rows: put it under a database"),
        ("backup", "backups are of databases: put it under one"),
    ] {
        if section.item(key).is_some() {
            section.error(
                "config-conflict",
                key,
                format!("{} has `{key}` but no `url`", section.name()),
                help,
            );
        }
    }
    if section.item("kind").is_some() {
        section.error(
            "config-conflict",
            "kind",
            format!("{} has `kind` but no `url`", section.name()),
            "`kind` says what a secret `url` leads to: add the `url`, or take `kind` out",
        );
    }
    let hosts = section.list("hosts").unwrap_or_default();
    if hosts.len() > 1 && hosts.iter().any(|(host, _)| is_here(host)) {
        section.error(
            "config-value",
            "hosts",
            format!("{} mixes this machine with other hosts", section.name()),
            "make two targets: paths and undos are not the same on both",
        );
    }
    for (at, (host, place)) in hosts.iter().enumerate() {
        if host.is_empty()
            || host == "local"
            || host.starts_with('-')
            || host.chars().any(|c| c.is_whitespace() || c.is_control())
        {
            section.reader().error(
                "config-value",
                *place,
                format!("`{host}` is not a host"),
                "write `host` or `user@host`; `localhost` is this machine, and `local` is its name in a run",
            );
        }
        if hosts[..at].iter().any(|(before, _)| before == host) {
            section.reader().error(
                "config-value",
                *place,
                format!("`{host}` is listed twice"),
                "take one of them out: each step would run on it twice",
            );
        }
    }
    let hosts = hosts.into_iter().map(|(host, _)| host).collect();
    Some(Target::Hosts { hosts, dir: section.text("dir"), ssh_config: section.text("ssh_config") })
}

/// Whether a host is this machine.
pub(crate) fn is_here(host: &str) -> bool {
    host == "localhost"
}

fn url_target(section: &Section<'_, '_, '_>) -> Option<Target> {
    let url = value(section, "url")?;
    if let Value::Plain(text) = &url
        && store::is_store(text)
    {
        return store::read(section, text);
    }
    store::misplaced(section);
    let said = section.word("kind", KINDS);
    let kind = match &url {
        Value::Plain(text) => {
            let Some(kind) = url_kind(text) else {
                section.error(
                    "config-value",
                    "url",
                    format!("the `url` of {} has a scheme that is not known", section.name()),
                    "known: `sqlite:`, `postgres://`, `mysql://`, `s3://`",
                );
                return None;
            };
            if said.is_some_and(|said| said != kind) {
                section.error(
                    "config-conflict",
                    "kind",
                    format!("the `url` of {} is of another kind", section.name()),
                    "take `kind` out: it is only needed for a secret `url`",
                );
            }
            if kind == UrlKind::Sqlite && sqlite_path(text).is_none() {
                section.error(
                    "config-value",
                    "url",
                    format!("the `url` of {} is not just the file of a database", section.name()),
                    "write `sqlite:data/app.db` (from the folder of windlass.toml) or `sqlite:///srv/app.db`",
                );
            }
            kind
        }
        Value::Secret(_) if section.item("kind").is_some() => said?,
        Value::Secret(_) => {
            section.missing(
                "has a secret `url` and does not say what it leads to",
                "add `kind = \"postgresql\"` (or `mysql`, `sqlite`): a plan is made without reading secrets",
            );
            return None;
        }
    };
    Some(Target::Url { url, kind })
}

/// A text, or a reference to a secret.
fn value(section: &Section<'_, '_, '_>, key: &str) -> Option<Value> {
    let item = section.item(key)?;
    if !matches!(item.value, tree::Value::Table(_)) {
        let text = section.text(key)?;
        if has_password(&text) {
            section.error(
                "secret-literal",
                key,
                format!("`{key}` of {} has a password in it", section.name()),
                "move the whole URL out of the file: `{ env = \"DATABASE_URL\" }`, `{ file = \"…\" }` or \
                 `{ command = \"…\" }`; then change the password, since it has been written down",
            );
            return None;
        }
        return Some(Value::Plain(text));
    }
    reference(section, key).map(Value::Secret)
}

const ELSEWHERE: &str = "move it out of the file: `{ env = \"X\" }`, `{ file = \"…\" }` or `{ command = \"…\" }`; then change \
                         it, since it has been written down";

/// A value that must not be written down, if the key is there.
pub(super) fn secret(section: &Section<'_, '_, '_>, key: &str) -> Option<Secret> {
    let item = section.item(key)?;
    if matches!(item.value, tree::Value::Table(_)) {
        return reference(section, key);
    }
    section.error(
        "secret-literal",
        key,
        format!("`{key}` of {} is a secret, and is written down", section.name()),
        ELSEWHERE,
    );
    None
}

/// `[secret.NAME]`: where a secret is that statements refer to.
pub(super) fn named_secret(item: &tree::Item, here: &NamedIn<'_, '_>) -> Option<Secret> {
    if !matches!(item.value, tree::Value::Table(_)) {
        here.reader.error(
            "secret-literal",
            item.at,
            format!("{} is a secret, and is written down", here.title),
            ELSEWHERE,
        );
        return None;
    }
    place(&here.open(item, SECRET_KEYS)?, item)
}

fn reference(section: &Section<'_, '_, '_>, key: &str) -> Option<Secret> {
    place(&section.section(key, SECRET_KEYS)?, section.item(key)?)
}

fn place(secret: &Section<'_, '_, '_>, item: &tree::Item) -> Option<Secret> {
    let given: Vec<_> = SECRET_KEYS.iter().filter(|name| secret.item(name).is_some()).collect();
    let [only] = given[..] else {
        secret.reader().error(
            "config-conflict",
            item.at,
            format!("{} has to name exactly one place", secret.name()),
            "write one of `{ env = \"X\" }`, `{ file = \"…\" }`, `{ command = \"…\" }`",
        );
        return None;
    };
    let text = secret.text(only)?;
    Some(match *only {
        "env" => Secret::Env(text),
        "file" => Secret::File(text),
        _ => Secret::Command(text),
    })
}

/// Kind of a database, from the scheme of its URL.
#[must_use]
pub fn url_kind(url: &str) -> Option<UrlKind> {
    let (scheme, _) = url.split_once(':')?;
    match scheme {
        "sqlite" => Some(UrlKind::Sqlite),
        "postgres" | "postgresql" => Some(UrlKind::Postgresql),
        "mysql" | "mariadb" => Some(UrlKind::Mysql),
        _ => None,
    }
}

/// The file of a `sqlite:` URL: `sqlite:app.db` and `sqlite://app.db` are relative to the folder of `windlass.toml`,
/// `sqlite:/srv/app.db` and `sqlite:///srv/app.db` are absolute. `None` if it is no such URL, names no file, or has
/// options (`?mode=ro`), which are not supported.
#[must_use]
pub fn sqlite_path(url: &str) -> Option<&str> {
    let rest = url.strip_prefix("sqlite:")?;
    let path = rest.strip_prefix("//").unwrap_or(rest);
    (!path.is_empty() && path != ":memory:" && !path.contains('?')).then_some(path)
}

/// Whether a URL carries a password, as `user:password@host` or as a parameter.
fn has_password(url: &str) -> bool {
    let Some((_, rest)) = url.split_once("://") else { return false };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let in_user = if let Some((user, _)) = authority.rsplit_once('@') {
        user.split_once(':').is_some_and(|(_, password)| !password.is_empty())
    } else {
        // No `@` yet: a password with an unescaped `/`, `?` or `#`, unless what follows the colon is a port.
        let after_colon = authority.rsplit_once(':').map_or("", |(_, after)| after);
        let port = after_colon.bytes().all(|b| b.is_ascii_digit());
        !port && !authority.starts_with('[') && rest.contains('@')
    };
    let query = rest.split_once('?').map_or("", |(_, query)| query);
    let in_query = query.split(['&', ';']).any(|pair| {
        pair.split_once('=').is_some_and(|(name, value)| {
            let name = name.to_ascii_lowercase();
            (name == "password" || name == "sslpassword" || name.contains("secret")) && !value.is_empty()
        })
    });
    in_user || in_query
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_seen_wherever_a_url_can_carry_one() {
        for url in [
            "postgres://user:pw@host/db",
            "postgres://user:p@w@host/db",
            "postgres://user:p/w@host/db",
            "mysql://:pw@host",
            "postgres://host/db?user=a&password=b",
            "s3://key:secret@bucket",
        ] {
            assert!(has_password(url), "{url}");
        }
        for url in [
            "postgres://host/db",
            "postgres://user@host:5432/db",
            "postgres://user:@host/db",
            "postgres://host:5432/db?application_name=a@b",
            "sqlite:app.db",
            "s3://bucket/prefix",
            "postgres://host/db?password=",
        ] {
            assert!(!has_password(url), "{url}");
        }
    }

    #[test]
    fn the_file_of_a_sqlite_url() {
        for (url, path) in [
            ("sqlite:app.db", Some("app.db")),
            ("sqlite://data/app.db", Some("data/app.db")),
            ("sqlite:///srv/app.db", Some("/srv/app.db")),
            ("sqlite:/srv/app.db", Some("/srv/app.db")),
            ("sqlite:/srv/app.db?mode=rw", None),
            ("sqlite:", None),
            ("sqlite::memory:", None),
            ("postgres://host/db", None),
        ] {
            assert_eq!(sqlite_path(url), path, "{url}");
        }
    }
}
