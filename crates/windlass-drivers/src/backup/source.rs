//! The database that is backed up or restored into, from a URL.

use std::path::{Path, PathBuf};
use url::Url;
use windlass_driver::{Failure, Fault};
use windlass_plan::{UrlKind, sqlite_path, url_kind};

/// Where a database is and how to get in. Holds a password: it is neither printed nor serialised.
#[derive(Clone)]
pub struct Source {
    pub(super) kind: UrlKind,
    /// Name of the database; of SQLite the file's name.
    pub(super) database: String,
    /// File of an SQLite database.
    pub(super) path: PathBuf,
    pub(super) host: String,
    pub(super) port: Option<u16>,
    pub(super) user: String,
    pub(super) password: String,
    /// Parameters of the URL.
    pub(super) options: Vec<(String, String)>,
}

impl Source {
    /// Reads a URL; paths of SQLite are relative to `base`.
    ///
    /// # Errors
    /// The URL cannot be read, or is of no database. The message has no part of it.
    pub fn new(url: &str, base: &Path) -> Result<Self, Failure> {
        let wrong = |what: &str| Failure::clean(Fault::Document, format!("the URL of the database {what}"));
        let kind = url_kind(url).ok_or_else(|| wrong("has no scheme that is known"))?;
        if kind == UrlKind::Sqlite {
            let path = sqlite_path(url).ok_or_else(|| wrong("names no plain file"))?;
            let path = base.join(path);
            let database = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            return Ok(Self { path, database, ..Self::empty(kind) });
        }
        if kind == UrlKind::S3 {
            return Err(wrong("is that of an object store"));
        }
        let parsed = Url::parse(url).map_err(|error| wrong(&format!("cannot be read: {error}")))?;
        let decoded = |text: &str| percent(text).ok_or_else(|| wrong("is not UTF-8 after decoding"));
        let options: Vec<(String, String)> = parsed.query_pairs().into_owned().collect();
        let option = |name: &str| options.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
        let host = option("host").or_else(|| option("socket"));
        let host = host.map_or_else(|| decoded(parsed.host_str().unwrap_or_default()), Ok)?;
        let database = option("dbname").map_or_else(|| decoded(parsed.path().trim_start_matches('/')), Ok)?;
        let user = option("user").map_or_else(|| decoded(parsed.username()), Ok)?;
        if database.is_empty() {
            return Err(wrong("names no database"));
        }
        Ok(Self {
            port: parsed.port(),
            password: decoded(parsed.password().unwrap_or_default())?,
            database,
            user,
            host,
            options,
            ..Self::empty(kind)
        })
    }

    fn empty(kind: UrlKind) -> Self {
        Self {
            kind,
            database: String::new(),
            path: PathBuf::new(),
            host: String::new(),
            port: None,
            user: String::new(),
            password: String::new(),
            options: vec![],
        }
    }

    /// The same server, another database; of SQLite another file in the same folder.
    #[must_use]
    pub(super) fn with_database(&self, name: &str) -> Self {
        let path = self.path.with_file_name(name);
        Self { database: name.to_owned(), path, ..self.clone() }
    }

    pub(super) fn option(&self, name: &str) -> Option<&str> {
        self.options.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Name of the database, for people.
    #[must_use]
    pub fn database(&self) -> &str {
        &self.database
    }
}

/// Percent-decoding (RFC 3986); `None`: not UTF-8.
fn percent(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = bytes.get(at + 1..at + 3).and_then(|pair| std::str::from_utf8(pair).ok());
        match hex.and_then(|pair| u8::from_str_radix(pair, 16).ok()) {
            Some(byte) if bytes[at] == b'%' => {
                out.push(byte);
                at += 3;
            }
            _ => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_that_people_have() {
        let read = |url: &str| Source::new(url, Path::new("/base")).map_err(|failure| failure.message);
        let source = read("postgres://app:p%40ss@db.example:5433/orders?sslmode=require").unwrap();
        assert_eq!(
            (source.user.as_str(), source.password.as_str(), source.host.as_str(), source.port),
            ("app", "p@ss", "db.example", Some(5433))
        );
        assert_eq!((source.database.as_str(), source.option("sslmode")), ("orders", Some("require")));
        let source = read("postgresql:///orders?host=/run/postgresql&user=app").unwrap();
        assert_eq!((source.host.as_str(), source.user.as_str()), ("/run/postgresql", "app"));
        let source = read("mysql://root@localhost/shop?socket=/run/mysqld.sock").unwrap();
        assert_eq!((source.host.as_str(), source.database.as_str()), ("/run/mysqld.sock", "shop"));
        assert_eq!(read("sqlite:data/app.db").unwrap().path, Path::new("/base/data/app.db"));
        for wrong in ["postgres://u:hunter2@h", "ftp://u:hunter2@h/d", "s3://bucket", "mysql://u:hunter2@[/d"]
        {
            let message = read(wrong).map(|_| ()).unwrap_err();
            assert!(!message.contains("hunter2"), "{message}");
        }
    }
}
