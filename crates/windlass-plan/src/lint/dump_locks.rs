//! `dump-without-single-transaction`

use super::{Facts, Rule, words};
use windlass_document::{Finding, Severity, Span};

pub(super) const RULE: Rule = Rule {
    name: "dump-without-single-transaction",
    severity: Severity::Warning,
    summary: "a dump of MySQL or MariaDB locks its tables, or is of no one moment",
    why: "by default every table is locked until the dump ends, and writers wait; without locks each table is of another \
          moment, and what is put back never was",
    bad: "```sh {#backup on=app readonly}\nmysqldump --hex-blob biz_core | gzip > biz_core.sql.gz\n```\n",
    good: "```sh {#backup on=app readonly}\nmysqldump --single-transaction --hex-blob biz_core | gzip > biz_core.sql.gz\n```\n",
    check,
};

fn check(rule: &Rule, facts: &Facts<'_>) -> Vec<Finding> {
    words::dumps(facts, &["--single-transaction", "--lock-all-tables", "-x"])
        .map(|name| {
            rule.at(name, "writers wait while this dump runs, or it is of no one moment")
                .help("add `--single-transaction` (tables of InnoDB)")
                .fix(
                    Span::new(name.end, name.end),
                    " --single-transaction",
                    "add `--single-transaction`",
                    true,
                )
        })
        .collect()
}
