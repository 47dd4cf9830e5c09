//! `password-in-command`

use super::{Facts, Rule, words};
use crate::endpoint::{url_parts, words_of_libpq};
use windlass_document::{
    Finding, Severity, Span,
    shell::{SimpleCommand, Word},
};

pub(super) const RULE: Rule = Rule {
    name: "password-in-command",
    severity: Severity::Error,
    summary: "a line carries the password of a database",
    why: "the document stands in the repository, and a plan made from it in the journal and in records: whoever reads one of \
          them, or the list of processes, has the password",
    bad: "```sh {#look on=app readonly}\nmysqladmin -uroot -phunter2 status\n```\n",
    good: "```sh {#look on=app readonly}\nmysqladmin --defaults-file=/etc/mysql/debian.cnf status\n```\n",
    check,
};

/// Programs that read a password from `-p` or `--password`.
const MYSQL: &[&str] = &[
    "mysql",
    "mariadb",
    "mysqldump",
    "mariadb-dump",
    "mysqladmin",
    "mariadb-admin",
    "mysqlimport",
    "mysqlcheck",
    "mysqlbinlog",
    "mysqlpump",
    "mysqlsh",
];

fn check(rule: &Rule, facts: &Facts<'_>) -> Vec<Finding> {
    let found = words::all(facts).flat_map(|(step, simple)| {
        let spans = secrets(simple).into_iter();
        spans.map(|span| step.body.span_to_source(span))
    });
    found
        .map(|span| {
            rule.at(span, "a password stands in this line").help(
                "take it out and change it, since it has been written down: in a fence with `on=` a database the line goes \
                 in by the target's URL, `{ env = \"DATABASE_URL\" }`; any other line by a file that only its owner reads \
                 (`~/.pgpass`, `--defaults-file`)",
            )
        })
        .collect()
}

/// The words that hold a password.
fn secrets(simple: &SimpleCommand) -> Vec<Span> {
    let is_variable = |name: &str| matches!(name, "PGPASSWORD" | "MYSQL_PWD");
    let assigned =
        simple.assignments.iter().filter(|given| is_variable(&given.name) && !given.value.is_empty());
    let mysql = words::call(simple, MYSQL).map_or(&[][..], |(_, arguments)| arguments);
    let option = |word: &&Word| {
        let value = word
            .text
            .strip_prefix("--password=")
            .or_else(|| word.text.strip_prefix("-p").filter(|_| !word.text.starts_with("--")));
        value.is_some_and(|value| !value.is_empty())
    };
    let anywhere = |word: &&Word| {
        let text = word.text.as_str();
        let text = text.strip_prefix("--dbname=").unwrap_or(text);
        let read = if text.contains("://") { url_parts(text) } else { words_of_libpq(text) };
        let set = text.split_once('=').is_some_and(|(name, value)| is_variable(name) && !value.is_empty());
        set || read.is_some_and(|read| read.has_password())
    };
    let words = mysql.iter().filter(option).chain(simple.words.iter().filter(anywhere));
    assigned.map(|given| given.span).chain(words.map(|word| word.span)).collect()
}
