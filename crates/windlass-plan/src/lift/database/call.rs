//! A program for databases as a line calls it: by itself, or in a container.

use super::{Refused, SqlSource, file, text};
use crate::lift::{
    Context,
    options::{self, Known, Takes},
};
use windlass_document::{
    Span,
    shell::{Redirect, SimpleCommand, Word},
};

/// Programs that are understood.
pub(super) const PROGRAMS: &[&str] =
    &["psql", "mysql", "mariadb", "sqlite3", "pg_dump", "mysqldump", "mariadb-dump"];

/// A call of one of them.
pub(super) struct Call<'a> {
    pub(super) name: &'a Word,
    pub(super) arguments: &'a [Word],
    pub(super) redirects: &'a [Redirect],
    /// Variables that are set for it.
    pub(super) variables: Vec<(&'a str, &'a str)>,
    /// It runs in a container.
    pub(super) container: bool,
}

impl<'a> Call<'a> {
    /// `None`: it is no call of such a program.
    pub(super) fn of(simple: &'a SimpleCommand) -> Option<Result<Self, Refused>> {
        let (first, rest) = simple.words.split_first()?;
        let second = rest.first().map(|word| word.text.as_str());
        let inside = match (first.text.as_str(), second) {
            ("docker", Some("compose")) => compose(&rest[1..])?,
            ("docker-compose", _) => compose(rest)?,
            ("docker", Some("exec")) => exec(&rest[1..]),
            _ => Ok(Inside { words: &simple.words, variables: Vec::new() }),
        };
        let inside = match inside {
            Ok(inside) => inside,
            Err(refused) => return Some(Err(refused)),
        };
        let (name, arguments) = inside.words.split_first()?;
        let variables = simple.assignments.iter().map(|given| (given.name.as_str(), given.value.as_str()));
        let call = Self {
            name,
            arguments,
            redirects: &simple.redirects,
            variables: variables.chain(inside.variables).collect(),
            container: inside.words.len() < simple.words.len(),
        };
        PROGRAMS.contains(&name.text.as_str()).then_some(Ok(call))
    }

    pub(super) fn refuse<T>(&self, why: impl Into<String>) -> Result<T, Refused> {
        Err((self.name.span, why.into()))
    }

    /// What it reads from standard input. Output that is thrown away is looked at by nobody; any other redirection is not
    /// understood.
    pub(super) fn input(&self, context: &Context<'_>) -> Result<Option<SqlSource>, Refused> {
        let mut input = None;
        for redirect in self.redirects {
            let target = &redirect.target;
            let thrown = redirect.operator == ">" && target.text == "/dev/null"
                || redirect.operator == ">&" && matches!(target.text.as_str(), "1" | "2");
            match (redirect.fd, redirect.operator.as_str()) {
                (0, "<") if input.is_none() => input = Some(file(context, &target.text, target.span)),
                (0, "<<") if input.is_none() => input = Some(text(context, &target.text, target.span)),
                (1 | 2, _) if thrown => {}
                (1 | 2, _) => {
                    return Err((
                        target.span,
                        "the output goes to a file, which only the program itself can write".into(),
                    ));
                }
                _ => return Err((target.span, "this redirection is not understood here".into())),
            }
        }
        Ok(input)
    }
}

/// The command inside of a container.
struct Inside<'a> {
    words: &'a [Word],
    variables: Vec<(&'a str, &'a str)>,
}

/// Behind `docker compose`; `None` if it is something else than `exec`.
fn compose(words: &[Word]) -> Option<Result<Inside<'_>, Refused>> {
    const VALUED: &[&str] =
        &["-f", "--file", "-p", "--project-name", "--env-file", "--profile", "--project-directory"];
    let mut at = 0;
    loop {
        let text = words.get(at)?.text.as_str();
        let joined = text.split_once('=').is_some_and(|(name, _)| VALUED.contains(&name));
        at += match text {
            "exec" => return Some(exec(&words[at + 1..])),
            text if VALUED.contains(&text) => 2,
            _ if joined => 1,
            _ => return None,
        };
    }
}

/// Behind `exec`: options, the container, the command.
fn exec(words: &[Word]) -> Result<Inside<'_>, Refused> {
    const KNOWN: &[Known] = &[
        ("no-TTY", "T", Takes::Nothing),
        ("interactive", "i", Takes::Nothing),
        ("user", "u", Takes::Value),
        ("env", "e", Takes::Value),
        ("workdir", "w", Takes::Value),
        ("index", "", Takes::Value),
    ];
    let (options, rest) = options::leading("exec", words, KNOWN)?;
    let variables = options.given.iter().filter(|given| given.name == "env").map(variable).collect();
    // The first operand is the container.
    Ok(Inside { words: rest.get(1..).unwrap_or_default(), variables })
}

fn variable<'a>(given: &options::Given<'a>) -> (&'a str, &'a str) {
    given.value.split_once('=').unwrap_or((given.value, ""))
}

/// The value of an option that has to be a port.
pub(super) fn port(value: &str, at: Span) -> Result<u16, Refused> {
    value.parse().map_err(|_| (at, "this is no port".to_owned()))
}
