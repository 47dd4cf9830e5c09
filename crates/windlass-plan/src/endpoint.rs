//! Where a database is, as a URL or a command line says it: compared to tell whether two of them mean the same.

use crate::{UrlKind, url_kind};
use serde::{Deserialize, Serialize};

/// What is said of where a database is, without any password; `None`: nothing is said.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Endpoint {
    /// Name or address of the host; a path: the socket, or (PostgreSQL) its folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// User.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Database.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<String>,
}

/// A URL, or the same in the words of libpq (`host=… dbname=…`). It may hold a password: it is neither printed nor
/// serialised.
#[derive(Clone, Default)]
pub struct UrlParts {
    /// Where it leads.
    pub endpoint: Endpoint,
    /// The password; empty: none.
    pub password: String,
    /// All its parameters, in order.
    pub options: Vec<(String, String)>,
}

/// Where `url` leads; `None` if it names several hosts or cannot be read.
#[must_use]
pub fn endpoint(url: &str) -> Option<Endpoint> {
    Some(url_parts(url)?.endpoint)
}

/// Reads a URL of a database on a server; `None` if it names several hosts or cannot be read.
#[must_use]
pub fn url_parts(url: &str) -> Option<UrlParts> {
    if !matches!(url_kind(url)?, UrlKind::Postgresql | UrlKind::Mysql) {
        return None;
    }
    let (_, rest) = url.split_once("://")?;
    let rest = rest.split_once('#').map_or(rest, |(rest, _)| rest);
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    // The last `@`: a password may hold one that was not escaped.
    let (login, place) = rest.rsplit_once('@').unwrap_or(("", rest));
    let (hosts, database) = place.split_once('/').unwrap_or((place, ""));
    let (user, password) = login.split_once(':').unwrap_or((login, ""));
    let (host, port) = host_and_port(hosts)?;
    let said = |text: &str| percent_decoded(text).map(|text| Some(text).filter(|text| !text.is_empty()));
    let endpoint = Endpoint { host: said(host)?, port, user: said(user)?, database: said(database)? };
    let mut read = UrlParts { endpoint, password: percent_decoded(password)?, options: Vec::new() };
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        read.parameter(percent_decoded(name)?, percent_decoded(value)?)?;
    }
    Some(read)
}

/// Reads `host=… port=… user=… dbname=…`; values in quotes are left to libpq.
pub(crate) fn words_of_libpq(text: &str) -> Option<UrlParts> {
    if text.contains(['\'', '\\']) {
        return None;
    }
    let mut read = UrlParts::default();
    for pair in text.split_whitespace() {
        let (name, value) = pair.split_once('=')?;
        match name {
            "hostaddr" => read.endpoint.host = Some(value.to_owned()),
            "host" | "port" | "user" | "dbname" | "password" | "sslmode" | "connect_timeout" => {
                read.parameter(name.to_owned(), value.to_owned())?;
            }
            _ => return None,
        }
    }
    Some(read)
}

impl UrlParts {
    /// Whether it lets somebody in.
    #[must_use]
    pub fn has_password(&self) -> bool {
        !self.password.is_empty()
            || self.options.iter().any(|(name, value)| name == "sslpassword" && !value.is_empty())
    }

    fn parameter(&mut self, name: String, value: String) -> Option<()> {
        let to = &mut self.endpoint;
        match name.as_str() {
            "host" | "socket" | "unix_socket" if value.contains(',') => return None,
            "host" | "socket" | "unix_socket" => to.host = Some(value.clone()),
            "port" => to.port = Some(value.parse().ok()?),
            "user" => to.user = Some(value.clone()),
            "dbname" => to.database = Some(value.clone()),
            "password" => self.password.clone_from(&value),
            _ => {}
        }
        self.options.push((name, value));
        Some(())
    }
}

/// `host`, `host:port`, `[::1]:port`; `None` for several.
fn host_and_port(text: &str) -> Option<(&str, Option<u16>)> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => rest.split_once(']').map(|(host, rest)| (host, rest.strip_prefix(':')))?,
        None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
    };
    let port = port.filter(|port| !port.is_empty());
    let port = match port {
        Some(port) => Some(port.parse().ok()?),
        None => None,
    };
    (!host.contains(',')).then_some((host, port))
}

/// `%40` and its like (RFC 3986); `None`: a `%` without two digits, or not UTF-8.
#[must_use]
pub fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || rest.next().and_then(|byte| char::from(byte).to_digit(16));
        let value = digit().zip(digit()).and_then(|(high, low)| u8::try_from(high * 16 + low).ok())?;
        bytes.push(value);
    }
    String::from_utf8(bytes).ok()
}

impl Endpoint {
    /// What is said here that is not so of `of`, where a URL of this kind leads; its defaults count. In words that repeat
    /// only what is said here.
    #[must_use]
    pub fn contradicts(&self, of: &Endpoint, kind: UrlKind) -> Option<String> {
        let standard = if kind == UrlKind::Mysql { 3306 } else { 5432 };
        let other = |what: &str, value: &str| Some(format!("{what} `{value}`"));
        if let Some(host) = &self.host
            && !same_host(host, of.host.as_deref(), kind)
        {
            return other("host", host);
        }
        let socket = of.host.as_ref().is_some_and(|host| host.starts_with('/'));
        if let Some(port) = self.port.filter(|port| *port != of.port.unwrap_or(standard))
            && !(socket && kind == UrlKind::Mysql)
        {
            return other("port", &port.to_string());
        }
        if let Some(user) = self.user.as_ref().filter(|user| of.user.as_ref().is_some_and(|of| of != *user)) {
            return other("user", user);
        }
        // libpq takes the user's name where no database is said.
        let database = of.database.as_ref().or(of.user.as_ref().filter(|_| kind == UrlKind::Postgresql));
        match &self.database {
            Some(name) if Some(name) != database => other("database", name),
            _ => None,
        }
    }
}

const LOCAL: &[&str] = &["localhost", "127.0.0.1", "::1"];

fn same_host(said: &str, of: Option<&str>, kind: UrlKind) -> bool {
    let of = match (of, kind) {
        (None, UrlKind::Mysql) => "127.0.0.1",
        (None, _) => return false,
        (Some(of), _) => of,
    };
    // To the clients of MySQL `localhost` is the local socket, whichever that is.
    let socket = kind == UrlKind::Mysql && said == "localhost" && of.starts_with('/');
    let folder = |path: &str| path.trim_end_matches('/').to_owned();
    said.eq_ignore_ascii_case(of)
        || LOCAL.contains(&said) && LOCAL.contains(&of)
        || socket
        || said.starts_with('/') && folder(said) == folder(of)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(url: &str) -> Endpoint {
        endpoint(url).unwrap_or_else(|| panic!("{url}"))
    }

    #[test]
    fn urls_say_where() {
        let said = at("postgres://a%40b:p@db.example:6000/na%C3%AFve?sslmode=disable");
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(
            said,
            Endpoint {
                host: text("db.example"),
                port: Some(6000),
                user: text("a@b"),
                database: text("naïve")
            }
        );
        assert_eq!(at("postgres:///shop?host=/run/postgresql&user=app").host, text("/run/postgresql"));
        assert_eq!(at("mysql://u:p@h@[::1]:1/x").host, text("::1"));
        assert_eq!(at("mariadb://root@localhost/x?socket=/run/m.sock").host, text("/run/m.sock"));
        for url in ["postgres://a@one,two/d", "postgres://a@h:x/d", "sqlite:app.db", "mysql://u%@h/d"] {
            assert_eq!(endpoint(url), None, "{url}");
        }
        assert!(url_parts("mysql://u:p@h/d").unwrap().has_password());
        assert!(words_of_libpq("host=h password=x").unwrap().has_password());
        assert!(words_of_libpq("service=x").is_none());
    }

    #[test]
    fn what_is_said_and_what_is_so() {
        let said = |url: &str| at(url);
        for (line, target, what) in [
            ("postgres://h/d", "postgres://u@h:5432/d", None),
            ("postgres://h:5433/d", "postgres://u@h/d", Some("port `5433`")),
            ("postgres://x@h/d", "postgres://u@h/d", Some("user `x`")),
            ("postgres://h/e", "postgres://u@h/d", Some("database `e`")),
            ("postgres://localhost/d", "postgres://u@127.0.0.1/d", None),
            ("postgres://localhost/d", "postgres:///d?host=/run/postgresql", Some("host `localhost`")),
            ("postgres://h/u", "postgres://u@h", None),
            ("mysql://localhost/d", "mysql:///d?socket=/run/m.sock", None),
            ("mysql://127.0.0.1/d", "mysql:///d", None),
            ("mysql://g/d", "mysql://h/d", Some("host `g`")),
        ] {
            let kind = url_kind(line).unwrap();
            let found = said(line).contradicts(&said(target), kind);
            assert_eq!(found.as_deref(), what, "{line} {target}");
        }
    }
}
