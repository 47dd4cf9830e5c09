//! The URL of a target: `mysql://user:password@host:port/database?socket=…&ssl-mode=…&ssl-ca=…&charset=…`.

use mysql_async::{ClientIdentity, Opts, OptsBuilder, SslOpts};
use std::path::PathBuf;

/// How a connection is protected, in the words of the servers' own clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SslMode {
    Disabled,
    /// TLS where the server offers it, without verification; what the servers' own clients do when nothing is said.
    Preferred,
    Required,
    VerifyIdentity,
}

/// A target's server and database.
#[derive(Clone, Debug)]
pub(super) struct Address {
    opts: OptsBuilder,
    mode: SslMode,
    ssl: SslOpts,
    /// `user@host:port/database`, without a password: for messages.
    pub(super) shown: String,
    /// The database.
    pub(super) database: String,
    /// Character set of `charset=`; a plain word.
    pub(super) charset: Option<String>,
}

impl Address {
    /// Options for one try to connect, first choice first.
    pub(super) fn choices(&self) -> Vec<Opts> {
        let plain = || Opts::from(self.opts.clone());
        let secure = |ssl: SslOpts| Opts::from(self.opts.clone().ssl_opts(Some(ssl)));
        let ssl = self.ssl.clone();
        match self.mode {
            SslMode::Disabled => vec![plain()],
            SslMode::Preferred => vec![secure(unverified(ssl)), plain()],
            SslMode::Required => vec![secure(unverified(ssl))],
            SslMode::VerifyIdentity => vec![secure(ssl)],
        }
    }
}

fn unverified(ssl: SslOpts) -> SslOpts {
    ssl.with_danger_accept_invalid_certs(true).with_danger_skip_domain_validation(true)
}

/// Reads a URL; `base` is the folder that relative paths in it start at. The error holds no part of the password.
pub(super) fn parse(url: &str, base: &std::path::Path) -> Result<Address, String> {
    let rest = url.split_once("://").map(|(_, rest)| rest);
    let rest = rest.ok_or("its URL does not begin with `mysql://` or `mariadb://`")?;
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    // The last `@`: a password may hold one that was not escaped.
    let (user, place) = rest.rsplit_once('@').map_or((None, rest), |(user, place)| (Some(user), place));
    let (host, database) = place.split_once('/').unwrap_or((place, ""));
    let database = decoded(database)?;
    if database.is_empty() {
        return Err("its URL names no database: `mysql://user@host:port/DATABASE`".to_owned());
    }
    let (host, port) = host_port(host)?;
    // A connection over TCP is never replaced by one over a socket: through a tunnel that reaches another server.
    let mut opts = OptsBuilder::default()
        .prefer_socket(false)
        .ip_or_hostname(host.clone())
        .tcp_port(port)
        .db_name(Some(database.clone()));
    let (name, password) = user.unwrap_or_default().split_once(':').unwrap_or((user.unwrap_or_default(), ""));
    let name = decoded(name)?;
    opts = opts.user(Some(name.clone()).filter(|name| !name.is_empty()));
    opts = opts.pass(Some(decoded(password)?).filter(|password| !password.is_empty()));
    let shown = format!("{name}@{host}:{port}/{database}");
    let (mode, ssl) = (SslMode::Preferred, SslOpts::default());
    let mut address = Address { opts, mode, ssl, shown, database, charset: None };
    let mut said = Said::default();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        parameter(&mut address, &mut said, &decoded(key)?, decoded(value)?, base)?;
    }
    if let Some((cert, key)) = said.cert.zip(said.key) {
        address.ssl = address.ssl.with_client_identity(Some(ClientIdentity::new(cert.into(), key.into())));
    }
    address.mode = match (said.mode, said.ca) {
        // A socket does not leave the machine, and `mysql_async` gets out of step with a server that has TLS there.
        (None | Some(SslMode::Preferred | SslMode::Disabled), false) if said.socket => SslMode::Disabled,
        _ if said.socket => {
            return Err(
                "its URL asks for TLS on a socket, which does not leave this machine: leave `ssl-…` out"
                    .into(),
            );
        }
        (Some(mode), _) => mode,
        // Who gives a CA wants it to be used.
        (None, true) => SslMode::VerifyIdentity,
        (None, false) => SslMode::Preferred,
    };
    Ok(address)
}

#[derive(Default)]
struct Said {
    mode: Option<SslMode>,
    socket: bool,
    ca: bool,
    cert: Option<PathBuf>,
    key: Option<PathBuf>,
}

fn parameter(
    address: &mut Address,
    said: &mut Said,
    key: &str,
    value: String,
    base: &std::path::Path,
) -> Result<(), String> {
    match key.to_ascii_lowercase().replace('_', "-").as_str() {
        "socket" | "unix-socket" => {
            address.shown = address.shown.split('@').next().unwrap_or_default().to_owned() + "@" + &value;
            address.shown.extend(["/", &address.database]);
            address.opts = address.opts.clone().socket(Some(value));
            said.socket = true;
        }
        "charset" => {
            if value.is_empty() || !value.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
                return Err(format!("`charset={value}` names no character set"));
            }
            address.charset = Some(value);
        }
        "ssl-mode" | "sslmode" | "tls" | "ssl" => said.mode = Some(ssl_mode(key, &value)?),
        "ssl-ca" => {
            address.ssl = address.ssl.clone().with_root_certs(vec![base.join(value).into()]);
            address.ssl = address.ssl.clone().with_disable_built_in_roots(true);
            said.ca = true;
        }
        "ssl-cert" => said.cert = Some(base.join(value)),
        "ssl-key" => said.key = Some(base.join(value)),
        _ => {
            return Err(format!(
                "`{key}=` in its URL is not known; known: socket, charset, ssl-mode, ssl-ca, ssl-cert, ssl-key"
            ));
        }
    }
    Ok(())
}

fn ssl_mode(key: &str, value: &str) -> Result<SslMode, String> {
    Ok(match value.to_ascii_uppercase().replace('-', "_").as_str() {
        "DISABLED" | "DISABLE" | "FALSE" | "0" => SslMode::Disabled,
        "PREFERRED" | "PREFER" => SslMode::Preferred,
        "REQUIRED" | "REQUIRE" | "SKIP_VERIFY" => SslMode::Required,
        // The library checks the name in any case, as its words for a wrong one have changed.
        "VERIFY_CA" => {
            return Err(format!(
                "`{key}={value}` is not supported: VERIFY_IDENTITY checks the host's name too"
            ));
        }
        "VERIFY_IDENTITY" | "VERIFY_FULL" | "TRUE" | "1" => SslMode::VerifyIdentity,
        _ => {
            return Err(format!("`{key}={value}`: known: DISABLED, PREFERRED, REQUIRED, VERIFY_IDENTITY"));
        }
    })
}

fn host_port(text: &str) -> Result<(String, u16), String> {
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, port)) => (host, port.strip_prefix(':')),
        None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
    };
    let port = match port.filter(|port| !port.is_empty()) {
        None => 3306,
        Some(port) => port.parse().map_err(|_| format!("`{port}` in its URL is no port"))?,
    };
    let host = decoded(host)?;
    Ok((if host.is_empty() { "127.0.0.1".to_owned() } else { host }, port))
}

fn decoded(text: &str) -> Result<String, String> {
    let decoded = windlass_plan::percent_decoded(text);
    decoded.ok_or_else(|| {
        "its URL is no UTF-8, or has a `%` without two hexadecimal digits; write `%25` for `%`".to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn read(url: &str) -> Result<Address, String> {
        parse(url, Path::new("/base"))
    }

    #[test]
    fn forms_that_people_have() {
        let address = read("mysql://app:p%40ss%2Fw@db.example:3307/biz_core?charset=gbk").unwrap();
        let opts = address.choices().remove(0);
        assert_eq!((opts.ip_or_hostname(), opts.tcp_port()), ("db.example", 3307));
        assert_eq!((opts.user(), opts.pass()), (Some("app"), Some("p@ss/w")));
        assert_eq!((opts.db_name(), opts.socket()), (Some("biz_core"), None));
        assert!(!opts.prefer_socket(), "TCP stays TCP");
        assert_eq!(address.charset.as_deref(), Some("gbk"));
        assert_eq!(address.shown, "app@db.example:3307/biz_core");
        let address = read("mariadb://root@localhost/x?socket=/run/mysqld/mysqld.sock").unwrap();
        assert_eq!(address.choices()[0].socket(), Some("/run/mysqld/mysqld.sock"));
        assert_eq!(address.shown, "root@/run/mysqld/mysqld.sock/x");
        assert_eq!(read("mysql://u@[::1]:1/x").unwrap().choices()[0].tcp_port(), 1);
    }

    #[test]
    fn tls_as_far_as_it_is_asked_for() {
        let choices = |query: &str| read(&format!("mysql://u@h/d{query}")).unwrap().choices();
        assert_eq!(choices("").len(), 2, "TLS where there is one");
        assert!(choices("?ssl-mode=DISABLED")[0].ssl_opts().is_none());
        let socket = choices("?socket=/run/m.sock");
        assert!(socket.len() == 1 && socket[0].ssl_opts().is_none(), "it does not leave the machine");
        let required = choices("?ssl_mode=required");
        assert!(required.len() == 1 && required[0].ssl_opts().unwrap().accept_invalid_certs());
        let ca = choices("?ssl-ca=ca.pem");
        let ssl = ca[0].ssl_opts().unwrap();
        assert!(ca.len() == 1 && !ssl.accept_invalid_certs() && !ssl.skip_domain_validation());
        assert!(ssl.disable_built_in_roots());
    }

    #[test]
    fn what_is_wrong_is_said_without_the_password() {
        for (url, part) in [
            ("mysql://u:hunter2@h", "names no database"),
            ("mysql://u:hunter2@h:x/d", "no port"),
            ("mysql://u:hunter2%@h/d", "%25"),
            ("mysql://u:hunter2@h/d?tsl=1", "not known"),
            ("mysql://u:hunter2@h/d?ssl-mode=maybe", "VERIFY_IDENTITY"),
            ("mysql://u:hunter2@h/d?socket=/s&ssl-mode=required", "leave `ssl-"),
            ("mysql://u:hunter2@h/d?sslmode=verify-ca", "not supported"),
        ] {
            let error = read(url).unwrap_err();
            assert!(error.contains(part) && !error.contains("hunter2"), "{error}");
        }
    }
}
