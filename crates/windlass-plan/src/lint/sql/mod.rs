//! Rules for SQL: one hazard of a database, one rule, one file. They know the statements of one database in order of
//! execution, and the catalog where a survey has read it; without it they say what they can from the text.
//!
//! Where the size of a table is not known, a finding is a warning at most; for a table that is known to be small, and for
//! one that the release itself makes, there is none.

mod alter_copies;
mod alter_rebuilds;
mod assigned_twice;
mod cascade;
mod check_validates;
mod column_type;
mod column_type_mysql;
mod concurrently_if_not_exists;
mod domain_constraint;
mod drop_index_locks;
mod enum_members;
mod exclusion_locks;
mod exists_otherwise;
mod expression_default;
mod foreign_key_dropped;
mod foreign_key_type;
mod foreign_key_validates;
mod foreign_key_without_index;
mod identifier_too_long;
mod index_blocks;
mod index_dropped_untried;
mod inline_references;
mod lock_on_large_table;
mod long_transaction;
mod maintenance_locks;
mod no_key;
mod not_null_fills_zero;
mod not_null_without_default;
mod null_allowed;
mod numbered_rewrites;
mod numbers_run_out;
mod password_in_sql;
mod primary_key_builds;
mod redundant_index;
mod row_versions;
mod set_not_null_scans;
mod several_alters;
mod table_options;
mod table_too_big;
mod type_rewrites;
mod unbatched_backfill;
mod unique_builds;
mod volatile_default;

mod release;
mod script;
#[cfg(test)]
mod tests;

pub(super) use release::{dialect, findings};
pub use script::SqlText;

use script::{At, Found, Script};
use std::fmt::Write as _;
use windlass_document::Severity;
use windlass_sql::{Dialect, Live, ObjectName, Prediction, Product, Server, predict};

/// A rule for statements.
#[derive(Clone, Copy, Debug)]
pub struct SqlRule {
    /// Name, kebab-case, stable.
    pub name: &'static str,
    /// Severity of its findings.
    pub severity: Severity,
    /// What is found, one line.
    pub summary: &'static str,
    /// Why it matters; goes into every finding of the rule.
    pub why: &'static str,
    /// Whose SQL it looks at.
    pub dialects: &'static [Dialect],
    /// Statements that trigger it, in the first of its dialects.
    pub bad: &'static str,
    /// The same, written well.
    pub good: &'static str,
    /// The database of the examples, where the rule needs one.
    pub live: Option<fn() -> Live>,
    check: fn(At<'_>) -> Vec<Found>,
}

/// PostgreSQL alone.
const POSTGRESQL: &[Dialect] = &[Dialect::Postgresql];
/// MySQL and MariaDB alone.
const MYSQL: &[Dialect] = &[Dialect::Mysql];
/// What a rule found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqlFinding {
    /// Index of the statement.
    pub statement: usize,
    /// Name of the rule.
    pub rule: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What is found.
    pub message: String,
    /// Why it matters.
    pub why: &'static str,
    /// What to do instead.
    pub help: String,
}

/// All findings of all rules about the statements of one database in order of execution, in that order.
#[must_use]
pub fn lint_sql(statements: &[SqlText<'_>], live: Option<&Live>) -> Vec<SqlFinding> {
    lint_by(SQL_RULES, statements, live)
}

/// The same of some rules.
fn lint_by(rules: &[SqlRule], statements: &[SqlText<'_>], live: Option<&Live>) -> Vec<SqlFinding> {
    let script = Script::new(statements);
    let mut now = live.cloned();
    let mut findings = Vec::new();
    for (index, read) in script.statements.iter().enumerate() {
        for rule in rules.iter().filter(|rule| rule.dialects.contains(&read.source.dialect)) {
            let found = (rule.check)(At { script: &script, index, now: now.as_ref() });
            findings.extend(found.into_iter().map(|found| SqlFinding {
                statement: index,
                rule: rule.name,
                severity: rule.severity,
                message: found.message,
                why: rule.why,
                help: found.help,
            }));
        }
        if let (Some(now), Some(ddl)) = (&mut now, &read.ddl) {
            now.change(ddl);
        }
    }
    findings
}

/// All rules for SQL, by hazard.
pub const SQL_RULES: &[SqlRule] = &[
    index_blocks::RULE,
    drop_index_locks::RULE,
    concurrently_if_not_exists::RULE,
    maintenance_locks::RULE,
    foreign_key_validates::RULE,
    check_validates::RULE,
    unique_builds::RULE,
    primary_key_builds::RULE,
    exclusion_locks::RULE,
    set_not_null_scans::RULE,
    not_null_without_default::RULE,
    exists_otherwise::RULE,
    password_in_sql::RULE,
    volatile_default::RULE,
    numbered_rewrites::RULE,
    type_rewrites::RULE,
    foreign_key_dropped::RULE,
    cascade::RULE,
    null_allowed::RULE,
    several_alters::RULE,
    foreign_key_without_index::RULE,
    column_type::RULE,
    domain_constraint::RULE,
    identifier_too_long::RULE,
    assigned_twice::RULE,
    unbatched_backfill::RULE,
    no_key::RULE,
    long_transaction::RULE,
    lock_on_large_table::RULE,
    alter_copies::RULE,
    enum_members::RULE,
    alter_rebuilds::RULE,
    not_null_fills_zero::RULE,
    inline_references::RULE,
    expression_default::RULE,
    index_dropped_untried::RULE,
    numbers_run_out::RULE,
    table_options::RULE,
    column_type_mysql::RULE,
    redundant_index::RULE,
    foreign_key_type::RULE,
    table_too_big::RULE,
    row_versions::RULE,
];

/// The servers that predictions are made for: the one that a survey found, or a new MySQL and a MariaDB.
fn servers(at: At<'_>) -> Vec<Server> {
    let known = at.now.and_then(|live| live.server);
    known.map_or_else(
        || {
            vec![
                Server { product: Product::Mysql, version: (8, 4, 0) },
                Server { product: Product::Mariadb, version: (10, 11, 0) },
            ]
        },
        |server| vec![server],
    )
}

/// What any of [`servers`] does at least with an `ALTER TABLE` of MySQL; `None`: it is not known.
fn at_least(at: At<'_>) -> Option<Prediction> {
    let table = at.alter().and_then(|alter| at.live(&alter.table));
    let all: Option<Vec<_>> = servers(at).iter().map(|server| predict(at.ddl()?, *server, table)).collect();
    all?.into_iter().min_by_key(|found| (found.algorithm, found.rebuilds))
}

/// A table of an example.
fn table_name(name: &str) -> ObjectName {
    ObjectName { parts: vec![name.to_owned()] }
}

/// The statements of an example.
fn example(text: &str, dialect: Dialect) -> Vec<SqlText<'_>> {
    let (statements, _) = windlass_sql::split(text, dialect);
    let text = |statement: &windlass_sql::Statement| SqlText {
        text: statement.span.of(text),
        dialect,
        batch: false,
    };
    statements.iter().map(text).collect()
}

/// What a rule says about its bad example.
fn shown(rule: &SqlRule) -> Vec<SqlFinding> {
    let Some(dialect) = rule.dialects.first() else { return Vec::new() };
    let live = rule.live.map(|live| live());
    lint_sql(&example(rule.bad, *dialect), live.as_ref())
}

fn dialect_words(dialects: &[Dialect]) -> &'static str {
    match dialects {
        [Dialect::Postgresql] => "PostgreSQL",
        [Dialect::Mysql] => "MySQL, MariaDB",
        [Dialect::Postgresql, Dialect::Sqlite] => "PostgreSQL, SQLite",
        [Dialect::Mysql, Dialect::Sqlite] => "MySQL, MariaDB, SQLite",
        [Dialect::Postgresql, Dialect::Mysql] => "PostgreSQL, MySQL, MariaDB",
        _ => "all databases",
    }
}

/// The part of docs/rules.md about these rules; what is said there comes from the rules themselves.
pub(super) fn markdown(severity_word: impl Fn(Severity) -> &'static str) -> String {
    let mut page = String::from(
        "\n# Rules for SQL\n\nWhat `windlass check` says about statements, and `windlass plan` where it has read the catalog: a \
         table that is known to be small, or that the release itself makes, is no finding.\n\n\
         | rule | severity | databases | what is found |\n|---|---|---|---|\n",
    );
    for rule in SQL_RULES {
        let (name, severity, words) = (rule.name, severity_word(rule.severity), dialect_words(rule.dialects));
        let _ = writeln!(page, "| [`{name}`](#{name}) | {severity} | {words} | {} |", rule.summary);
    }
    for rule in SQL_RULES {
        let (name, severity) = (rule.name, severity_word(rule.severity));
        let _ = write!(page, "\n## {name}\n\n*{severity}* · {}\n\n", rule.summary);
        let _ = write!(page, "Bad{}:\n\n```sql\n{}\n```\n\n", from_catalog(rule), rule.bad);
        for finding in shown(rule) {
            let _ = writeln!(
                page,
                "- {}: {}. Because {}. Instead: {}.",
                finding.rule, finding.message, finding.why, finding.help
            );
        }
        let _ = write!(page, "\nGood:\n\n```sql\n{}\n```\n", rule.good);
    }
    page
}

fn from_catalog(rule: &SqlRule) -> &'static str {
    if rule.live.is_some() { ", with a catalog that says so" } else { "" }
}
