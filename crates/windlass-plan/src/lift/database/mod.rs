//! Lines that work on databases: `psql`, `mysql`, `sqlite3` and the programs that write dumps.
//!
//! The statements of such a line become units as those of a fence do, through the driver: where it is certain which target
//! the line means. That it is, the fence says (`on=db`), or the line does (host, port and database are those of a target).

mod call;
mod dump;
mod mysql;
mod postgres;
mod sqlite;
#[cfg(test)]
mod tests;
mod url;

use super::{Context, Read, join, normal};
use crate::{Endpoint, Target, UrlKind, Value, endpoint, sqlite_path};
use call::Call;
use windlass_document::{
    Span,
    shell::{SimpleCommand, Word},
};
use windlass_sql::Dialect;

pub(super) use dump::pipeline;
pub(super) use url::without as without_url;

/// A word that is not understood, and why.
type Refused = (Span, String);

/// Statements that a line sends to a database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SqlLine {
    pub(crate) dialect: Dialect,
    /// Where they stand, in order.
    pub(crate) sources: Vec<SqlSource>,
    /// The word that asks for one transaction around all of them.
    pub(crate) one_transaction: Option<Span>,
}

/// Statements of one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SqlSource {
    /// A file.
    File {
        /// From the folder of `windlass.toml`, or absolute.
        path: String,
        /// The word that names it.
        at: Span,
    },
    /// The line itself.
    Text {
        text: String,
        /// The word that holds it.
        at: Span,
        /// Where it stands in the fence, if it stands there to the letter.
        start: Option<usize>,
    },
}

/// The target that a line means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Matched {
    /// Its name; empty, if it may be one that could not be read.
    pub(crate) target: String,
    /// What the line says of it that only its secret URL can confirm.
    pub(crate) claim: Option<Endpoint>,
}

/// Reads a line of a program for databases; `None`: it is another program.
pub(super) fn read(context: &Context<'_>, simple: &SimpleCommand) -> Option<Read> {
    let call = match Call::of(simple)? {
        Ok(call) => call,
        Err((span, why)) => return Some(Read::NotUnderstood(span, why)),
    };
    let read = match call.name.text.as_str() {
        "psql" => postgres::psql(context, &call),
        "mysql" | "mariadb" => mysql::mysql(context, &call),
        "sqlite3" => sqlite::sqlite3(context, &call),
        _ => dump::line(context, &call),
    };
    Some(read.unwrap_or_else(|(span, why)| Read::NotUnderstood(span, why)))
}

/// What a line says of where it goes.
#[derive(Debug, Default)]
struct Said {
    endpoint: Endpoint,
    /// It goes to the server of a container: host and port are those inside.
    container: bool,
    /// A file that is not read says more.
    in_file: Option<Span>,
}

/// The target of a line; `at` is shown where there is none.
fn matched(context: &Context<'_>, kind: UrlKind, said: Said, at: Span) -> Result<Matched, Refused> {
    let endpoint = match said.container {
        true => Endpoint { host: None, port: None, ..said.endpoint },
        false => said.endpoint,
    };
    if let Some(Target::Url { url, kind: of }) = context.config.targets.get(context.on) {
        return named(context.on, (url, *of), kind, endpoint).map_err(|why| (at, why));
    }
    if context.config.unread.any_target() {
        return Ok(Matched { target: String::new(), claim: None });
    }
    let databases = context.config.targets.iter().filter_map(|(name, target)| match target {
        Target::Url { url, kind: of } if *of == kind => Some((name, url)),
        _ => None,
    });
    let databases: Vec<_> = databases.collect();
    let Some((example, _)) = databases.first() else {
        return Err((at, "no target of windlass.toml is such a database, so the line is not lifted".into()));
    };
    let say = format!("put it into a fence with `on={example}` if it means that target");
    if said.container {
        return Err((at, format!("which server the container runs is not known here; {say}")));
    }
    if let Some(file) = said.in_file {
        return Err((file, format!("a file that is not read says where this goes; {say}")));
    }
    let mut fitting = databases.iter().filter(|(_, url)| match url {
        Value::Plain(url) => endpoint_of(url).is_some_and(|of| certain(&endpoint, &of, kind)),
        Value::Secret(_) => false,
    });
    match (fitting.next(), fitting.next()) {
        (Some((name, _)), None) => Ok(Matched { target: (*name).clone(), claim: None }),
        (Some(_), Some(_)) => Err((at, format!("several targets are this database; {say}"))),
        (None, _) => Err((at, format!("the line does not say for certain that it goes to a target; {say}"))),
    }
}

fn endpoint_of(url: &str) -> Option<Endpoint> {
    endpoint(url)
}

/// The target that the fence names: what the line says has to be so; what it leaves out is the target's.
fn named(on: &str, (url, of): (&Value, UrlKind), kind: UrlKind, said: Endpoint) -> Result<Matched, String> {
    if of != kind {
        return Err(format!("target `{on}` is another kind of database, so the line is not lifted"));
    }
    let target = on.to_owned();
    let nothing = said == Endpoint::default();
    match url {
        _ if nothing => Ok(Matched { target, claim: None }),
        Value::Secret(_) => Ok(Matched { target, claim: Some(said) }),
        Value::Plain(url) => {
            let of = endpoint_of(url);
            let of = of
                .ok_or_else(|| format!("the URL of `{on}` names several servers; leave host and port out"))?;
            match said.contradicts(&of, kind) {
                Some(what) => Err(format!("the line goes to {what}, where target `{on}` does not lead")),
                None => Ok(Matched { target, claim: None }),
            }
        }
    }
}

/// Whether a line that says this certainly goes where `of`, a target's URL, leads.
fn certain(said: &Endpoint, of: &Endpoint, kind: UrlKind) -> bool {
    let socket = of.host.as_ref().is_some_and(|host| host.starts_with('/'));
    // Without a host, and to the clients of MySQL with `localhost`, it is the local socket.
    let local = said.host.is_none() || kind == UrlKind::Mysql && said.host.as_deref() == Some("localhost");
    let standard = if kind == UrlKind::Mysql { 3306 } else { 5432 };
    let port =
        said.port.unwrap_or(standard) == of.port.unwrap_or(standard) || socket && kind == UrlKind::Mysql;
    let database = said.database.clone().or(said.user.clone().filter(|_| kind == UrlKind::Postgresql));
    let said = Endpoint { database: database.clone(), ..said.clone() };
    database.is_some() && port && (!local || socket) && said.contradicts(of, kind).is_none()
}

/// The target whose file is `path`.
fn sqlite_target(context: &Context<'_>, path: &Word) -> Result<Matched, Refused> {
    let wanted = normal(&join(context.dir.as_deref(), &path.text));
    match sqlite_target_of(context, &path.text) {
        Some(target) => Ok(Matched { target, claim: None }),
        // A target with errors may be the one; which one nobody knows.
        None if context.config.unread.any_target() => Ok(Matched { target: String::new(), claim: None }),
        None => Err((
            path.span,
            format!(
                "`{wanted}` is not the file of a target: add `[target.db]` with `url = \"sqlite:{wanted}\"` to have \
                 the line understood"
            ),
        )),
    }
}

/// Name of the target whose file is `path`, seen from the folder of the line.
pub(super) fn sqlite_target_of(context: &Context<'_>, path: &str) -> Option<String> {
    let wanted = normal(&join(context.dir.as_deref(), path));
    let found = context.config.targets.iter().find(|(_, target)| match target {
        Target::Url { url: Value::Plain(url), kind: UrlKind::Sqlite } => {
            sqlite_path(url).is_some_and(|path| normal(path) == wanted)
        }
        _ => false,
    });
    found.map(|(target, _)| target.clone())
}

/// Statements in a word of the line.
fn text(context: &Context<'_>, text: &str, at: Span) -> SqlSource {
    let raw = context.text.get(at.start..at.end).unwrap_or_default();
    let start = raw.find(text).map(|found| at.start + found);
    SqlSource::Text { text: text.to_owned(), at, start }
}

/// Statements in a file.
fn file(context: &Context<'_>, path: &str, at: Span) -> SqlSource {
    SqlSource::File { path: normal(&join(context.dir.as_deref(), path)), at }
}
