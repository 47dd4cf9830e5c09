//! URLs of PostgreSQL, in the forms that libpq reads. Nothing is read from the environment, `.pgpass` or a service file:
//! what a run connects to stands in `windlass.toml`.

use std::{path::PathBuf, time::Duration};
use tokio_postgres::config::{SslMode, TargetSessionAttrs};

/// How sure one is of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verify {
    /// Not at all: encrypted, but with whoever answers.
    Nobody,
    /// Its certificate is signed by the authority.
    Authority(Root),
    /// And names the host.
    Host(Root),
}

/// Which authority.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Root {
    /// Those that the machine trusts.
    System,
    /// Certificates in a file (PEM).
    File(PathBuf),
}

/// What a URL says.
#[derive(Clone)]
pub(super) struct Address {
    pub(super) config: tokio_postgres::Config,
    pub(super) verify: Verify,
    /// `host:port/database` for messages.
    pub(super) shown: String,
}

/// Reads a URL. The error holds nothing of the URL but names of options.
pub(super) fn parse(url: &str, application: &str) -> Result<Address, String> {
    let rest = url.strip_prefix("postgres://").or_else(|| url.strip_prefix("postgresql://"));
    let rest = rest.ok_or("its URL does not begin with `postgres://`")?;
    let rest = rest.split_once('#').map_or(rest, |(rest, _)| rest);
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, database) = rest.split_once('/').unwrap_or((rest, ""));
    let (login, hosts) = authority.rsplit_once('@').unwrap_or(("", authority));
    let (user, password) = login.split_once(':').map_or((login, None), |(user, word)| (user, Some(word)));
    let mut parts = Parts {
        user: decoded(user, "user")?,
        password: password.map(|word| decoded(word, "password")).transpose()?,
        database: decoded(database, "database")?,
        hosts: split_hosts(hosts)?,
        ..Parts::default()
    };
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').ok_or("an option of its URL has no `=`")?;
        parts.option(&decoded(name, "option")?, decoded(value, name)?)?;
    }
    parts.address(application)
}

#[derive(Default)]
struct Parts {
    user: String,
    password: Option<String>,
    database: String,
    hosts: Vec<(String, Option<u16>)>,
    ports: Vec<u16>,
    mode: String,
    root: Option<String>,
    options: Option<String>,
    timeout: Option<u64>,
    attributes: Option<TargetSessionAttrs>,
}

impl Parts {
    fn option(&mut self, name: &str, value: String) -> Result<(), String> {
        match name {
            "user" => self.user = value,
            "password" => self.password = Some(value),
            "dbname" => self.database = value,
            "host" => self.hosts = value.split(',').map(|host| (host.to_owned(), None)).collect(),
            "port" => {
                let ports =
                    value.split(',').map(|port| port.parse().map_err(|_| "`port` of its URL is no number"));
                self.ports = ports.collect::<Result<_, _>>()?;
            }
            "sslmode" => self.mode = value,
            "sslrootcert" => self.root = Some(value),
            "options" => self.options = Some(value),
            "connect_timeout" => {
                self.timeout = Some(value.parse().map_err(|_| "`connect_timeout` of its URL is no number")?);
            }
            "target_session_attrs" => {
                self.attributes = Some(match value.as_str() {
                    "any" => TargetSessionAttrs::Any,
                    "read-write" | "primary" => TargetSessionAttrs::ReadWrite,
                    _ => {
                        return Err(
                            "`target_session_attrs` of its URL is neither `any` nor `read-write`".into()
                        );
                    }
                });
            }
            // They change nothing for a connection that is made once and closed at the end.
            "application_name"
            | "fallback_application_name"
            | "keepalives"
            | "keepalives_idle"
            | "keepalives_interval"
            | "keepalives_count"
            | "tcp_user_timeout"
            | "client_encoding"
            | "gssencmode"
            | "channel_binding" => {}
            other => {
                return Err(format!(
                    "`{other}` in its URL is not known; known are host, port, user, password, dbname, sslmode, sslrootcert, \
                     options, connect_timeout, target_session_attrs"
                ));
            }
        }
        Ok(())
    }

    fn address(self, application: &str) -> Result<Address, String> {
        if self.user.is_empty() {
            return Err("its URL names no user: postgres://USER@HOST/DATABASE".into());
        }
        if self.hosts.is_empty() {
            return Err(
                "its URL names no host: postgres://USER@HOST/DATABASE, or `?host=/var/run/postgresql`".into(),
            );
        }
        let (ssl, verify) = self.tls()?;
        let database = if self.database.is_empty() { self.user.clone() } else { self.database };
        let mut config = tokio_postgres::Config::new();
        let mut shown = vec![];
        for (at, (host, port)) in self.hosts.iter().enumerate() {
            let common = self.ports.get(at).or_else(|| self.ports.first().filter(|_| self.ports.len() == 1));
            let port = port.or(common.copied()).unwrap_or(5432);
            config.host(host).port(port);
            shown.push(format!("{host}:{port}"));
        }
        config.user(&self.user).dbname(&database).application_name(application).ssl_mode(ssl);
        if let Some(password) = &self.password {
            config.password(password);
        }
        if let Some(options) = &self.options {
            config.options(options);
        }
        if let Some(attributes) = self.attributes {
            config.target_session_attrs(attributes);
        }
        config
            .connect_timeout(Duration::from_secs(self.timeout.filter(|seconds| *seconds > 0).unwrap_or(10)));
        config.keepalives(true).keepalives_idle(Duration::from_secs(15)).keepalives_retries(3);
        config.keepalives_interval(Duration::from_secs(5)).tcp_user_timeout(Duration::from_secs(30));
        Ok(Address { config, verify, shown: format!("{}/{database}", shown.join(",")) })
    }

    fn tls(&self) -> Result<(SslMode, Verify), String> {
        let root = match self.root.as_deref() {
            None | Some("system") => Root::System,
            Some(path) => Root::File(path.into()),
        };
        Ok(match self.mode.as_str() {
            "disable" => (SslMode::Disable, Verify::Nobody),
            "" | "allow" | "prefer" => (SslMode::Prefer, Verify::Nobody),
            // As libpq: a root certificate turns `require` into `verify-ca`.
            "require" if self.root.is_none() => (SslMode::Require, Verify::Nobody),
            "require" | "verify-ca" => (SslMode::Require, Verify::Authority(root)),
            "verify-full" => (SslMode::Require, Verify::Host(root)),
            _ => {
                return Err(
                    "`sslmode` of its URL is none of disable, prefer, require, verify-ca, verify-full".into(),
                );
            }
        })
    }
}

fn split_hosts(text: &str) -> Result<Vec<(String, Option<u16>)>, String> {
    let one = |host: &str| {
        let wrong = || "the port in its URL is no number".to_owned();
        if let Some(rest) = host.strip_prefix('[') {
            let (address, port) = rest.split_once(']').ok_or("a `[` in its URL is not closed")?;
            let port = port.strip_prefix(':').map(str::parse).transpose().map_err(|_| wrong())?;
            return Ok((address.to_owned(), port));
        }
        let (name, port) = host.split_once(':').map_or((host, None), |(name, port)| (name, Some(port)));
        let port = port.filter(|port| !port.is_empty()).map(str::parse).transpose().map_err(|_| wrong())?;
        Ok((decoded(name, "host")?, port))
    };
    text.split(',').filter(|host| !host.is_empty()).map(one).collect()
}

fn decoded(text: &str, what: &str) -> Result<String, String> {
    let decoded = windlass_plan::percent_decoded(text);
    decoded.ok_or_else(|| {
        format!("`{what}` of its URL has a `%` that is not followed by two digits, or is not UTF-8")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio_postgres::config::Host;

    fn read(url: &str) -> Address {
        parse(url, "test").unwrap_or_else(|why| panic!("{url}: {why}"))
    }

    #[test]
    fn forms_that_people_have() {
        let address = read("postgresql://a%40b:p%26%2F%20w@db.example:6000/na%C3%AFve?sslmode=disable");
        assert_eq!(address.config.get_user(), Some("a@b"));
        assert_eq!(address.config.get_password(), Some(&b"p&/ w"[..]));
        assert_eq!(address.config.get_dbname(), Some("naïve"));
        assert_eq!(address.config.get_ports(), [6000]);
        assert_eq!(address.config.get_ssl_mode(), SslMode::Disable);
        assert_eq!(address.shown, "db.example:6000/naïve");
        let socket = read("postgres:///shop?host=/var/run/postgresql&user=app&port=5433");
        assert_eq!(socket.config.get_hosts(), [Host::Unix("/var/run/postgresql".into())]);
        assert_eq!((socket.config.get_ports(), socket.config.get_user()), (&[5433][..], Some("app")));
        let encoded = read("postgres://app@%2Fvar%2Frun/shop");
        assert_eq!(encoded.config.get_hosts(), [Host::Unix("/var/run".into())]);
        let many = read("postgres://app@one:1,[::1]:2,three/shop?target_session_attrs=read-write");
        assert_eq!(many.config.get_ports(), [1, 2, 5432]);
        assert_eq!(read("postgres://app@h").config.get_dbname(), Some("app"));
    }

    #[test]
    fn how_sure_one_is_of_the_server() {
        let verify = |query: &str| read(&format!("postgres://a@h/d?{query}")).verify;
        assert_eq!(verify("sslmode=require"), Verify::Nobody);
        assert_eq!(verify("sslmode=verify-ca"), Verify::Authority(Root::System));
        assert_eq!(
            verify("sslmode=require&sslrootcert=/ca.pem"),
            Verify::Authority(Root::File("/ca.pem".into()))
        );
        assert_eq!(verify("sslmode=verify-full&sslrootcert=system"), Verify::Host(Root::System));
    }

    #[test]
    fn what_is_wrong_is_said_without_the_password() {
        for url in [
            "postgres://u:secret@h:port/d",
            "postgres://u:secret@h/d?sslmode=verify_full",
            "postgres://u:secret@h/d?service=x",
            "postgres://u:secret%zz@h/d",
            "postgres://u:secret@[::1/d",
            "mysql://u:secret@h/d",
            "postgres:///d",
            "postgres://u:secret@/d",
        ] {
            let why = parse(url, "test").err().unwrap_or_else(|| panic!("{url}"));
            assert!(!why.contains("secret"), "{why}");
        }
    }
}
