//! `dump-without-hex-blob`

use super::{Facts, Rule, words};
use windlass_document::{Finding, Severity, Span};

pub(super) const RULE: Rule = Rule {
    name: "dump-without-hex-blob",
    severity: Severity::Note,
    summary: "a dump of MySQL or MariaDB writes bytes as text",
    why: "binary columns go through the character set of the connection, of every editor and of every copy on the way: one \
          of them changes bytes, and nobody notices before the dump is put back",
    bad: "```sh {#backup on=app readonly}\nmysqldump --single-transaction biz_core | gzip > biz_core.sql.gz\n```\n",
    good: "```sh {#backup on=app readonly}\nmysqldump --single-transaction --hex-blob biz_core | gzip > biz_core.sql.gz\n```\n",
    check,
};

fn check(rule: &Rule, facts: &Facts<'_>) -> Vec<Finding> {
    words::dumps(facts, &["--hex-blob"])
        .map(|name| {
            rule.at(name, "bytes are written as text").help("add `--hex-blob`").fix(
                Span::new(name.end, name.end),
                " --hex-blob",
                "add `--hex-blob`",
                true,
            )
        })
        .collect()
}
