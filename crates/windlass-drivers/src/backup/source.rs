//! The database that is backed up or restored into, from a URL.

use std::path::{Path, PathBuf};
use windlass_driver::{Failure, Fault};
use windlass_plan::{UrlKind, sqlite_path, url_kind, url_parts};

/// Where a database is and how to get in. Holds a password: it is neither printed nor serialised.
#[derive(Clone)]
pub struct Source {
    pub(crate) kind: UrlKind,
    /// As it was written.
    pub(crate) url: String,
    /// Name of the database; of SQLite the file's name.
    pub(crate) database: String,
    /// File of an SQLite database.
    pub(crate) path: PathBuf,
    pub(crate) host: String,
    pub(crate) port: Option<u16>,
    pub(crate) user: String,
    pub(crate) password: String,
    /// Parameters of the URL.
    pub(crate) options: Vec<(String, String)>,
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
            return Ok(Self { path, database, url: url.to_owned(), ..Self::empty(kind) });
        }
        let parts = url_parts(url).ok_or_else(|| wrong("cannot be read, or names several servers"))?;
        let at = parts.endpoint;
        Ok(Self {
            url: url.to_owned(),
            database: at.database.ok_or_else(|| wrong("names no database"))?,
            host: at.host.unwrap_or_default(),
            port: at.port,
            user: at.user.unwrap_or_default(),
            password: parts.password,
            options: parts.options,
            ..Self::empty(kind)
        })
    }

    fn empty(kind: UrlKind) -> Self {
        Self {
            kind,
            url: String::new(),
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
    pub(crate) fn with_database(&self, name: &str) -> Self {
        let path = self.path.with_file_name(name);
        Self { database: name.to_owned(), path, ..self.clone() }
    }

    pub(crate) fn option(&self, name: &str) -> Option<&str> {
        self.options.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Name of the database, for people.
    #[must_use]
    pub fn database(&self) -> &str {
        &self.database
    }
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
        let source = read("postgresql:///orders?host=/run/postgresql&user=app&port=5433").unwrap();
        assert_eq!(source.port, Some(5433), "the socket's name has the port in it");
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
