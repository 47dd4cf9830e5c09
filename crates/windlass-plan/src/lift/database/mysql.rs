//! `mysql`, `mariadb`.

use super::{
    Matched, Refused, Said, SqlLine,
    call::{Call, port},
    matched, text,
};
use crate::{
    UrlKind,
    lift::{
        Context, Read,
        options::{self, Known, Takes},
    },
};
use windlass_document::shell::Word;
use windlass_sql::Dialect;

/// Where to connect to: the same for all programs of MySQL and MariaDB.
pub(super) const CONNECTION: &[Known] = &[
    ("host", "h", Takes::Value),
    ("port", "P", Takes::Value),
    ("user", "u", Takes::Value),
    ("password", "p", Takes::Attached),
    ("socket", "S", Takes::Value),
    ("protocol", "", Takes::Value),
    ("defaults-file", "", Takes::Value),
    ("defaults-extra-file", "", Takes::Value),
    ("defaults-group-suffix", "", Takes::Value),
    ("login-path", "", Takes::Value),
    ("no-defaults", "", Takes::Nothing),
    ("default-character-set", "", Takes::Value),
    ("compress", "C", Takes::Nothing),
    ("ssl", "", Takes::Nothing),
    ("skip-ssl", "", Takes::Nothing),
    ("ssl-mode", "", Takes::Value),
    ("ssl-ca", "", Takes::Value),
];

/// The others shape what is printed, which is not what the line is for.
const OPTIONS: &[Known] = &[
    ("database", "D", Takes::Value),
    ("execute", "e", Takes::Value),
    ("batch", "B", Takes::Nothing),
    ("skip-column-names", "N", Takes::Nothing),
    ("silent", "s", Takes::Nothing),
    ("table", "t", Takes::Nothing),
    ("raw", "r", Takes::Nothing),
    ("quick", "q", Takes::Nothing),
    ("unbuffered", "n", Takes::Nothing),
    ("no-auto-rehash", "A", Takes::Nothing),
    ("verbose", "v", Takes::Nothing),
    ("show-warnings", "", Takes::Nothing),
    ("force", "f", Takes::Nothing),
];

pub(super) fn mysql(context: &Context<'_>, call: &Call<'_>) -> Result<Read, Refused> {
    let known = [CONNECTION, OPTIONS].concat();
    let line = options::read(&call.name.text, call.arguments, &known)?;
    if let Some(force) = line.given.iter().find(|given| given.name == "force") {
        let why = "`--force` goes on after an error, which typed steps never do: the line is not lifted";
        return Err((force.at, why.into()));
    }
    let (name, more) = match line.operands[..] {
        [] => (None, None),
        [name] => (Some(name), None),
        [name, more, ..] => (Some(name), Some(more)),
    };
    if let Some(more) = more {
        return Err((more.span, "a word too many: it is not understood".into()));
    }
    let target = target(context, call, &line, name)?;
    let input = call.input(context)?;
    let statements = line.given.iter().filter(|given| given.name == "execute");
    let mut sources: Vec<_> = statements.map(|given| text(context, given.value, given.at)).collect();
    match input {
        Some(input) if sources.is_empty() => sources.push(input),
        Some(_) => return call.refuse("with `-e` the client does not read its input"),
        None => {}
    }
    if sources.is_empty() {
        return call
            .refuse("without `-e` or `<` the client reads from the terminal, which a release has not");
    }
    Ok(Read::Sql(SqlLine { dialect: Dialect::Mysql, sources, one_transaction: None }, target))
}

/// The target of a line of one of the programs; `name` is the database that it names as an operand.
pub(super) fn target(
    context: &Context<'_>,
    call: &Call<'_>,
    line: &options::Line<'_>,
    name: Option<&Word>,
) -> Result<Matched, Refused> {
    let mut said = Said { container: call.container, ..Said::default() };
    for (name, value) in &call.variables {
        match *name {
            "MYSQL_PWD" => {}
            "MYSQL_HOST" => said.endpoint.host = Some((*value).to_owned()),
            "MYSQL_TCP_PORT" => said.endpoint.port = Some(port(value, call.name.span)?),
            name => return call.refuse(format!("the variable `{name}` before it is not understood")),
        }
    }
    for given in &line.given {
        let value = given.value.to_owned();
        match given.name {
            "host" | "socket" => said.endpoint.host = Some(value),
            "port" => said.endpoint.port = Some(port(&value, given.at)?),
            "user" => said.endpoint.user = Some(value),
            "database" => said.endpoint.database = Some(value),
            "protocol" if !matches!(given.value, "tcp" | "TCP" | "socket" | "SOCKET") => {
                return Err((given.at, "this protocol is not understood".into()));
            }
            "default-character-set" if !matches!(given.value, "utf8" | "utf8mb3" | "utf8mb4") => {
                return Err((
                    given.at,
                    "only UTF-8 is sent; in another character set the line is not lifted".into(),
                ));
            }
            "defaults-file" | "defaults-extra-file" | "login-path" => said.in_file = Some(given.at),
            _ => {}
        }
    }
    if let Some(name) = name {
        said.endpoint.database = Some(name.text.clone());
    }
    matched(context, UrlKind::Mysql, said, call.name.span)
}
