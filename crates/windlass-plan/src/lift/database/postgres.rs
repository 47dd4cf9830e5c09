//! `psql`.

use super::{
    Matched, Refused, Said, SqlLine,
    call::{Call, port},
    file, matched, text,
};
use crate::{
    UrlKind,
    endpoint::{url_parts, words_of_libpq},
    lift::{
        Context, Read,
        options::{self, Known, Takes},
    },
};
use windlass_document::shell::Word;
use windlass_sql::Dialect;

/// Where to connect to: the same for all programs of PostgreSQL.
pub(super) const CONNECTION: &[Known] = &[
    ("host", "h", Takes::Value),
    ("port", "p", Takes::Value),
    ("username", "U", Takes::Value),
    ("dbname", "d", Takes::Value),
    ("no-password", "w", Takes::Nothing),
    ("password", "W", Takes::Nothing),
];

/// The others shape what is printed, which is not what the line is for.
const OPTIONS: &[Known] = &[
    ("no-psqlrc", "X", Takes::Nothing),
    ("quiet", "q", Takes::Nothing),
    ("tuples-only", "t", Takes::Nothing),
    ("no-align", "A", Takes::Nothing),
    ("expanded", "x", Takes::Nothing),
    ("echo-all", "a", Takes::Nothing),
    ("echo-errors", "b", Takes::Nothing),
    ("echo-queries", "e", Takes::Nothing),
    ("no-readline", "n", Takes::Nothing),
    ("pset", "P", Takes::Value),
    ("field-separator", "F", Takes::Value),
    ("single-transaction", "1", Takes::Nothing),
    ("set", "v", Takes::Value),
    ("variable", "", Takes::Value),
    ("file", "f", Takes::Value),
    ("command", "c", Takes::Value),
];

pub(super) fn psql(context: &Context<'_>, call: &Call<'_>) -> Result<Read, Refused> {
    let known = [CONNECTION, OPTIONS].concat();
    let line = options::read("psql", call.arguments, &known)?;
    let target = target(context, call, &line)?;
    let input = call.input(context)?;
    let (mut sources, mut reads_input) = (Vec::new(), false);
    let mut one_transaction = None;
    for given in &line.given {
        match given.name {
            "set" | "variable" if !stops_at_errors(given.value) => {
                let name = given.value.split('=').next().unwrap_or_default();
                return Err((given.at, format!("the variable `{name}` of `psql` is not understood")));
            }
            "single-transaction" => one_transaction = Some(given.at),
            "command" if given.value.starts_with('\\') => {
                return Err((given.at, "a command of `psql` itself is not understood".into()));
            }
            "command" => sources.push(text(context, given.value, given.at)),
            "file" if given.value == "-" => {
                reads_input = true;
                sources.extend(input.clone());
            }
            "file" if call.container => {
                let why = "this file is one of the container: write `< FILE` for one of this machine";
                return Err((given.at, why.into()));
            }
            "file" => sources.push(file(context, given.value, given.at)),
            _ => {}
        }
    }
    match input {
        Some(input) if sources.is_empty() => sources.push(input),
        Some(_) if !reads_input => return call.refuse("with `-c` or `-f` `psql` does not read its input"),
        _ => {}
    }
    if sources.is_empty() {
        return call
            .refuse("`psql` without `-f`, `-c` or `<` reads from the terminal, which a release has not");
    }
    Ok(Read::Sql(SqlLine { dialect: Dialect::Postgresql, sources, one_transaction }, target))
}

/// `ON_ERROR_STOP=1`.
pub(crate) fn stops_at_errors(setting: &str) -> bool {
    let value = setting.strip_prefix("ON_ERROR_STOP=").unwrap_or_default();
    matches!(value.to_ascii_lowercase().as_str(), "1" | "on" | "true" | "yes")
}

/// The target of a line of `psql` or `pg_dump`.
pub(super) fn target(
    context: &Context<'_>,
    call: &Call<'_>,
    line: &options::Line<'_>,
) -> Result<Matched, Refused> {
    let mut said = Said { container: call.container, ..Said::default() };
    for (name, value) in &call.variables {
        let value = (*value).to_owned();
        match *name {
            "PGHOST" | "PGHOSTADDR" => said.endpoint.host = Some(value),
            "PGPORT" => said.endpoint.port = Some(port(&value, call.name.span)?),
            "PGUSER" => said.endpoint.user = Some(value),
            "PGDATABASE" => said.endpoint.database = Some(value),
            "PGCLIENTENCODING" if value.replace('-', "").eq_ignore_ascii_case("utf8") => {}
            // How one gets in is the target's matter.
            "PGPASSWORD" | "PGPASSFILE" | "PGSSLMODE" | "PGSSLROOTCERT" | "PGCONNECT_TIMEOUT"
            | "PGAPPNAME" => {}
            name => return call.refuse(format!("the variable `{name}` before it is not understood")),
        }
    }
    for given in &line.given {
        let value = given.value.to_owned();
        match given.name {
            "host" => said.endpoint.host = Some(value),
            "port" => said.endpoint.port = Some(port(&value, given.at)?),
            "username" => said.endpoint.user = Some(value),
            "dbname" => database(&mut said, given.value).ok_or((given.at, UNREAD.to_owned()))?,
            _ => {}
        }
    }
    let operands: &[&Word] = &line.operands;
    match operands {
        [] => {}
        [name] => database(&mut said, &name.text).ok_or((name.span, UNREAD.to_owned()))?,
        [name, user] if call.name.text == "psql" => {
            database(&mut said, &name.text).ok_or((name.span, UNREAD.to_owned()))?;
            said.endpoint.user = Some(user.text.clone());
        }
        [.., more] => return Err((more.span, "a word too many: it is not understood".into())),
    }
    matched(context, UrlKind::Postgresql, said, call.name.span)
}

const UNREAD: &str = "where this leads is not understood";

/// A name, a URL or the words of libpq.
fn database(said: &mut Said, text: &str) -> Option<()> {
    let read = match text {
        text if text.contains("://") => url_parts(text)?,
        text if text.contains('=') => words_of_libpq(text)?,
        text => {
            said.endpoint.database = Some(text.to_owned());
            return Some(());
        }
    };
    let (from, to) = (read.endpoint, &mut said.endpoint);
    to.host = from.host.or(to.host.take());
    to.port = from.port.or(to.port.take());
    to.user = from.user.or(to.user.take());
    to.database = from.database.or(to.database.take());
    Some(())
}
