//! An `ALTER TABLE` of MySQL for the tools that copy a table beside those who write it: their command lines, there and back.

use crate::{Change, Ddl, Dialect, ddl, mysql::after_table_name, reader::Reader};
use std::fmt::Write as _;

/// What is handed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandOver {
    /// Schema that the statement names.
    schema: Option<String>,
    table: String,
    /// What stands behind the table's name, without `ALGORITHM` and `LOCK`, which the tools decide.
    there: String,
    /// The same for the way back, where the text alone tells it.
    back: Option<String>,
}

/// `text` for such a tool. `None`: it is no `ALTER TABLE`, or one that they refuse (a renamed table, partitions).
#[must_use]
pub fn hand_over(text: &str) -> Option<HandOver> {
    let Ddl::AlterTable(alter) = ddl(text, Dialect::Mysql)? else { return None };
    let refused = |change: &Change| {
        matches!(change, Change::RenameTable(_) | Change::PartitionBy | Change::RemovePartitioning)
    };
    if alter.changes.iter().any(refused) {
        return None;
    }
    let behind = after_table_name(text)?;
    let reader = Reader::new(text, Dialect::Mysql)?;
    let start = |at: &usize| reader.span(*at, at + 1).is_some_and(|span| span.start >= behind);
    let items = reader.items((0..reader.len()).find(start)?, reader.len()).into_iter();
    let kept = items.filter(|(from, _)| !reader.is_any(*from, &["ALGORITHM", "LOCK"]));
    let there: Vec<String> = kept
        .map(|(from, to)| reader.span(from, to).map(|span| one_line(span.of(text))))
        .collect::<Option<_>>()?;
    let name = &alter.table;
    let schema = name.parts.len().checked_sub(2).map(|at| name.parts[at].clone());
    (!there.is_empty()).then(|| HandOver {
        schema,
        table: name.base().to_owned(),
        there: there.join(", "),
        back: back(&alter.changes),
    })
}

/// Line ends in quotes are left as they are.
fn one_line(text: &str) -> String {
    if text.contains(['\'', '"', '`', '#']) || text.contains("--") {
        return text.to_owned();
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn back(changes: &[Change]) -> Option<String> {
    let quoted = |name: &str| crate::quote(name, Dialect::Mysql);
    let one = |change: &Change| match change {
        Change::AddColumn(column) => Some(format!("DROP COLUMN {}", quoted(&column.name))),
        Change::AddIndex(index) => Some(format!("DROP INDEX {}", quoted(index.name.as_ref()?))),
        _ => None,
    };
    let mut all: Vec<String> = changes.iter().map(one).collect::<Option<_>>()?;
    all.reverse();
    (!all.is_empty()).then(|| all.join(", "))
}

/// `text` as one word of a POSIX shell.
fn shell(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

impl HandOver {
    fn database<'a>(&'a self, database: Option<&'a str>) -> &'a str {
        self.schema.as_deref().or(database).unwrap_or("DATABASE")
    }

    /// The line for pt-online-schema-change in its mode `--dry-run` or `--execute`. `database` is the one that the target names;
    /// `has_keys`: foreign keys lead to the table.
    #[must_use]
    pub fn percona(&self, mode: &str, database: Option<&str>, has_keys: bool) -> String {
        self.percona_for(&self.there, mode, database, has_keys)
    }

    /// The line that takes it back. `None`: what was before stands in `SHOW CREATE TABLE` alone.
    #[must_use]
    pub fn percona_back(&self, database: Option<&str>, has_keys: bool) -> Option<String> {
        Some(self.percona_for(self.back.as_ref()?, "--execute", database, has_keys))
    }

    fn percona_for(&self, change: &str, mode: &str, database: Option<&str>, has_keys: bool) -> String {
        let mut line = format!("pt-online-schema-change {mode} --alter {}", shell(change));
        if has_keys {
            line.push_str(" --alter-foreign-keys-method auto");
        }
        let place = format!("F=my.cnf,D={},t={}", self.database(database), self.table);
        let is_plain = place.chars().all(|c| c.is_ascii_alphanumeric() || "=.,_-".contains(c));
        let _ = write!(line, " {}", if is_plain { place } else { shell(&place) });
        line
    }

    /// The line for gh-ost, which takes user and password alone from its file. `None`: it copies rows with INSERT IGNORE,
    /// so what a new key or type refuses would be lost without a word.
    #[must_use]
    pub fn gh_ost(&self, database: Option<&str>) -> Option<String> {
        let words = self.there.to_ascii_uppercase();
        let mut words = words.split(|c: char| !c.is_ascii_alphanumeric());
        if words.any(|word| ["UNIQUE", "PRIMARY", "MODIFY", "CHANGE", "CONVERT"].contains(&word)) {
            return None;
        }
        Some(format!(
            "gh-ost --execute --conf gh-ost.cnf --host HOST --port PORT --database {} --table {} --alter {}",
            shell(self.database(database)),
            shell(&self.table),
            shell(&self.there)
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_there_and_back() {
        let found = hand_over(
            "ALTER TABLE orders ADD COLUMN note\n VARCHAR(50), ALGORITHM=INPLACE, ADD INDEX i (note)",
        )
        .unwrap();
        assert_eq!(
            found.percona("--execute", Some("biz"), false),
            "pt-online-schema-change --execute --alter 'ADD COLUMN note VARCHAR(50), ADD INDEX i (note)' F=my.cnf,D=biz,t=orders"
        );
        assert_eq!(
            found.percona_back(Some("biz"), true).unwrap(),
            "pt-online-schema-change --execute --alter 'DROP INDEX `i`, DROP COLUMN `note`' --alter-foreign-keys-method auto \
             F=my.cnf,D=biz,t=orders"
        );
        let found = hand_over("ALTER TABLE `a b`.`o'x` MODIFY c TEXT DEFAULT 'it''s'").unwrap();
        assert_eq!(
            found.percona("--dry-run", Some("biz"), false),
            r"pt-online-schema-change --dry-run --alter 'MODIFY c TEXT DEFAULT '\''it'\'''\''s'\''' 'F=my.cnf,D=a b,t=o'\''x'"
        );
        assert_eq!(found.percona_back(None, false), None);
        assert_eq!(
            hand_over("ALTER TABLE t ADD c INT").unwrap().gh_ost(None).unwrap(),
            "gh-ost --execute --conf gh-ost.cnf --host HOST --port PORT --database 'DATABASE' --table 't' --alter 'ADD c INT'"
        );
        for lossy in ["ADD UNIQUE (c)", "MODIFY c INT NOT NULL", "add primary key (c)"] {
            let found = hand_over(&format!("ALTER TABLE t {lossy}")).unwrap();
            assert_eq!(found.gh_ost(None), None, "{lossy}: rows that do not fit would be lost");
        }
        for refused in
            ["ALTER TABLE t RENAME TO u", "ALTER TABLE t ALGORITHM=COPY", "UPDATE t SET a = 1", "ALTER TABLE"]
        {
            assert_eq!(hand_over(refused), None, "{refused}");
        }
    }
}
