//! How a statement is undone, as far as its text tells. The driver finds the exact way in the catalog; it refuses the
//! statement, before it is committed, where it cannot keep what is said here.

use super::{Draft, way_back::undo};
use crate::{Action, Class, Undo, UndoBy, secret::is_of_account};
use windlass_sql::{AlterAction, Dialect, Kind, Password, Summary};

const COPY: &str = "by the copy of the database taken before the step; refused if others have written since";
const ROWS: &str = "rows are put back where they still hold what this wrote; others are kept and listed";
const ADDED: &str = "dropped again; values written to it since are set aside";
const NO_ROW: &str = "nothing to take back: it changes no row and no definition";
const NUMBER: &str = "set back, if it still is what this has set";
const ASIDE: &str = "set aside now, brought back as it was; dropped for good by `windlass prune`";
const CREATED: &str = "dropped again; set aside instead if there are rows in it by then";
const COLUMN: &str =
    "back to the definition in the catalog; what was written to the new column since is lost";
const CATALOG: &str = "back to the definition in the catalog as it is before";
const STANDS: &str = "back to the definition in the catalog; where the sequence stands is not set back";
const ACCOUNT: &str =
    "back to what the server shows of the account before; refused if somebody has changed it since";
const ACCOUNT_MADE: &str = "dropped again; refused if somebody has changed it since";
const ACCOUNT_CHANGED: &str = "back to what the server shows of the account before, a password by its hash; since when it has that is lost";
const DEFAULTS: &str = "back to the character set and collation of the database before; refused if somebody has changed them since";
const COMPUTED: &str = "as the statement that its text turns out to be, which is kept before it runs; refused if that has no way back";
const FOUND: &str = "back to the catalog as it is before; refused if it changes rows that are not covered";

/// What `draft`, a statement, says of its way back; `None`: nobody knows one.
pub(super) fn of(draft: &Draft) -> Option<Undo> {
    let sql = draft.sql.as_ref()?;
    let (class, how) = match draft.dialect? {
        Dialect::Sqlite => sqlite(sql),
        Dialect::Postgresql if sql.kind == Kind::Select => query(draft, sql),
        Dialect::Postgresql if sets_password(draft, sql) => return None,
        Dialect::Postgresql => server(sql).or_else(|| postgresql(sql))?,
        Dialect::Mysql if accounts(&sql.kind) => account(&sql.kind),
        Dialect::Mysql if alters_database(draft) => (Class::Exact, DEFAULTS),
        Dialect::Mysql if is_computed(draft, sql) => (Class::Lossy, COMPUTED),
        Dialect::Mysql if maintains(draft) => (Class::Exact, NO_ROW),
        Dialect::Mysql => mysql(sql).or_else(|| server(sql))?,
    };
    Some(undo(class, how, UndoBy::Driver))
}

/// Whether the statement is a query that calls functions of which only the server knows what they do.
fn is_call(draft: &Draft) -> bool {
    let is_query = draft.sql.as_ref().is_some_and(|sql| sql.kind == Kind::Select);
    is_query && of(draft).is_none_or(|undo| undo.class != Class::Exact)
}

/// Whether the driver takes it back, as far as the text tells. A role of PostgreSQL that has a password does not come back, and whether it has one
/// only the catalog says.
pub(super) fn is_certain(draft: &Draft) -> bool {
    of(draft).is_some() && !is_call(draft) && !drops_role(draft)
}

fn drops_role(draft: &Draft) -> bool {
    let (Action::Sql { statement, .. }, Some(Dialect::Postgresql)) = (&draft.action, draft.dialect) else {
        return false;
    };
    let words = windlass_sql::keywords(statement, Dialect::Postgresql, 3);
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    matches!(words[..], ["DROP", "ROLE" | "USER" | "GROUP", ..]) && words.get(2) != Some(&"MAPPING")
}

/// SQLite tells the driver all that a statement does, so the text decides only what is said here; where the driver finds
/// something that it cannot put back piece by piece (virtual tables), it takes a copy.
fn sqlite(sql: &Summary) -> (Class, &'static str) {
    match &sql.kind {
        Kind::Insert | Kind::Replace | Kind::Update | Kind::Delete => (Class::Exact, ROWS),
        Kind::CreateTable => (Class::Exact, CREATED),
        Kind::DropTable => (Class::Exact, ASIDE),
        Kind::AlterTable(actions) => {
            let how = |action: &AlterAction| match action {
                AlterAction::AddColumn(_) => ADDED,
                AlterAction::DropColumn(_) => ASIDE,
                _ => CATALOG,
            };
            (Class::Exact, actions.first().map_or(CATALOG, how))
        }
        Kind::CreateIndex
        | Kind::CreateView
        | Kind::CreateTrigger
        | Kind::DropIndex
        | Kind::DropView
        | Kind::DropTrigger => (Class::Exact, CATALOG),
        // Only those whose value is stored in the file and follows the transaction are units.
        Kind::Pragma => (Class::Exact, NUMBER),
        Kind::Analyze | Kind::Reindex => (Class::Exact, NO_ROW),
        _ => (Class::Restore, COPY),
    }
}

/// PostgreSQL changes definitions in a transaction: what a block or call did to them is seen before it is committed.
fn postgresql(sql: &Summary) -> Option<(Class, &'static str)> {
    match sql.kind {
        Kind::Call | Kind::Other => Some((Class::Lossy, FOUND)),
        Kind::Analyze | Kind::Vacuum | Kind::Reindex => Some((Class::Exact, NO_ROW)),
        _ => None,
    }
}

/// A query of PostgreSQL that may write: by a statement in it, by making a table, or by a function.
fn query(draft: &Draft, sql: &Summary) -> (Class, &'static str) {
    let Action::Sql { statement, .. } = &draft.action else { return (Class::Lossy, FOUND) };
    let calls = windlass_sql::unknown_calls(statement, Dialect::Postgresql);
    let sets = |called: &windlass_sql::ObjectName| called.base() == "setval";
    match sql.changes_schema {
        true if calls.is_empty() && !sql.destructive => (Class::Exact, CREATED),
        false if !sql.changes_data && !calls.is_empty() && calls.iter().all(sets) => (Class::Exact, NUMBER),
        _ => (Class::Lossy, FOUND),
    }
}

/// Whether it changes the password of a role that is there: no catalog that a driver reads has that of before.
fn sets_password(draft: &Draft, sql: &Summary) -> bool {
    let Action::Sql { statement, .. } = &draft.action else { return false };
    let is_alter = matches!(sql.kind, Kind::AlterOther(_)) && is_of_account(statement, Dialect::Postgresql);
    is_alter && windlass_sql::password(statement, Dialect::Postgresql) != Some(Password::Unsaid)
}

/// Whether it leaves every row and definition as it is.
fn maintains(draft: &Draft) -> bool {
    matches!(&draft.action, Action::Sql { statement, .. } if windlass_sql::mysql::maintains(statement))
}

/// Whether it sets what tables of a database get that say no character set of their own.
fn alters_database(draft: &Draft) -> bool {
    matches!(&draft.action, Action::Sql { statement, .. } if windlass_sql::mysql::database_defaults(statement).is_some())
}

/// Whether the session computes its text, and nothing says beforehand what it is.
fn is_computed(draft: &Draft, sql: &Summary) -> bool {
    let Action::Sql { statement, .. } = &draft.action else { return false };
    sql.kind == Kind::Other && windlass_sql::mysql::prepared(statement).is_some()
}

/// A sequence of MariaDB goes on counting outside of transactions, and its definition does not say where it stands.
fn mysql(sql: &Summary) -> Option<(Class, &'static str)> {
    let sequence = matches!(&sql.kind, Kind::AlterOther(what) if what == "SEQUENCE");
    sequence.then_some((Class::Lossy, STANDS))
}

/// What a server shows of an account comes back, but not since when it has its password, and which it had before.
fn account(kind: &Kind) -> (Class, &'static str) {
    match kind {
        Kind::Privileges => (Class::Exact, ACCOUNT),
        Kind::CreateOther(_) => (Class::Exact, ACCOUNT_MADE),
        _ => (Class::Lossy, ACCOUNT_CHANGED),
    }
}

/// Accounts of MySQL and MariaDB and what they may do belong to the server, not to a database.
fn accounts(kind: &Kind) -> bool {
    match kind {
        Kind::Privileges => true,
        Kind::CreateOther(what) | Kind::AlterOther(what) | Kind::DropOther(what) => {
            matches!(what.as_str(), "USER" | "ROLE")
        }
        _ => false,
    }
}

fn server(sql: &Summary) -> Option<(Class, &'static str)> {
    let answer = match &sql.kind {
        Kind::Insert | Kind::Replace | Kind::Update | Kind::Delete | Kind::Merge | Kind::Load => {
            (Class::Exact, ROWS)
        }
        Kind::Truncate | Kind::DropTable => (Class::Exact, ASIDE),
        Kind::CreateTable => (Class::Exact, CREATED),
        Kind::AlterTable(actions) => alter(actions),
        Kind::CreateOther(what) | Kind::DropOther(what) | Kind::AlterOther(what) if global(what) => {
            return None;
        }
        Kind::CreateIndex
        | Kind::CreateView
        | Kind::CreateTrigger
        | Kind::CreateOther(_)
        | Kind::AlterOther(_)
        | Kind::RenameTable
        | Kind::DropIndex
        | Kind::DropView
        | Kind::DropTrigger
        | Kind::DropOther(_)
        | Kind::Comment
        | Kind::Privileges => (Class::Exact, CATALOG),
        _ => return None,
    };
    Some(answer)
}

fn alter(actions: &[AlterAction]) -> (Class, &'static str) {
    let worst = |action: &AlterAction| match action {
        AlterAction::AddColumn(_) => (Class::Lossy, COLUMN),
        AlterAction::AlterColumn(_) | AlterAction::Other(_) => (Class::Lossy, CATALOG),
        AlterAction::DropColumn(_) => (Class::Exact, ASIDE),
        _ => (Class::Exact, CATALOG),
    };
    actions.iter().map(worst).max_by_key(|(class, _)| *class).unwrap_or((Class::Lossy, CATALOG))
}

/// Things of the whole server, which no catalog of one database brings back.
fn global(what: &str) -> bool {
    matches!(
        what,
        "DATABASE" | "TABLESPACE" | "SYSTEM" | "SERVER" | "SUBSCRIPTION" | "INSTANCE" | "LOGFILE" | "UNDO"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DriverKind, Unit};

    fn class(statement: &str, dialect: Dialect) -> Option<Class> {
        let (statements, problems) = windlass_sql::split(statement, dialect);
        assert!(problems.is_empty() && statements.len() == 1, "{statement}");
        let sql = statements[0].summary.clone();
        let Unit { action, .. } = Unit::question("", DriverKind::Sqlite, "db", statement, 0);
        let span = windlass_document::Span::new(0, 0);
        let draft = Draft { sql: Some(sql), dialect: Some(dialect), ..Draft::new(action, span) };
        of(&draft).map(|undo| undo.class)
    }

    #[test]
    fn what_a_statement_says_of_its_way_back() {
        for statement in [
            "UPDATE t SET a = 1",
            "DROP TABLE t",
            "CREATE TABLE t (a INT)",
            "CREATE VIRTUAL TABLE t USING fts5 (a)",
            "ALTER TABLE t ADD COLUMN a INT",
            "ALTER TABLE t DROP COLUMN a",
            "ALTER TABLE t RENAME COLUMN a TO b",
            "CREATE TRIGGER r AFTER INSERT ON t BEGIN SELECT 1; END",
            "PRAGMA user_version = 3",
            "ANALYZE",
        ] {
            assert_eq!(class(statement, Dialect::Sqlite), Some(Class::Exact), "{statement}");
        }
        assert_eq!(class("GRUMBLE t", Dialect::Sqlite), Some(Class::Restore));
        for (statement, postgres, mysql) in [
            ("UPDATE t SET a = 1", Some(Class::Exact), Some(Class::Exact)),
            ("DROP TABLE t", Some(Class::Exact), Some(Class::Exact)),
            ("CREATE TABLE t (a INT)", Some(Class::Exact), Some(Class::Exact)),
            ("ALTER TABLE t ADD COLUMN a INT", Some(Class::Lossy), Some(Class::Lossy)),
            ("ALTER TABLE t DROP COLUMN a", Some(Class::Exact), Some(Class::Exact)),
            ("ALTER TABLE t DROP COLUMN a, ADD COLUMN b INT", Some(Class::Lossy), Some(Class::Lossy)),
            ("ALTER TABLE t RENAME TO u", Some(Class::Exact), Some(Class::Exact)),
            ("CREATE INDEX i ON t (a)", Some(Class::Exact), Some(Class::Exact)),
            ("DROP DATABASE d", None, None),
            ("ALTER DATABASE d CHARACTER SET latin1", None, Some(Class::Exact)),
            ("ALTER DATABASE d ENCRYPTION = 'Y'", None, None),
            ("CALL p()", Some(Class::Lossy), None),
            ("ALTER SEQUENCE s RESTART 50", Some(Class::Exact), Some(Class::Lossy)),
            ("VACUUM ANALYZE t", Some(Class::Exact), None),
            ("ANALYZE", Some(Class::Exact), None),
            ("ANALYZE TABLE t", Some(Class::Exact), Some(Class::Exact)),
            ("OPTIMIZE TABLE t", Some(Class::Lossy), Some(Class::Exact)),
            ("REINDEX TABLE t", Some(Class::Exact), None),
            ("GRANT SELECT ON t TO a", Some(Class::Exact), Some(Class::Exact)),
            ("CREATE ROLE r", Some(Class::Exact), Some(Class::Exact)),
            ("DROP USER a", Some(Class::Exact), Some(Class::Lossy)),
            ("SELECT setval('s', 5)", Some(Class::Exact), None),
            ("SELECT f(), setval('s', 5)", Some(Class::Lossy), None),
            ("SELECT * INTO u FROM t", Some(Class::Exact), None),
            ("WITH gone AS (DELETE FROM t RETURNING a) SELECT a FROM gone", Some(Class::Lossy), None),
        ] {
            assert_eq!(class(statement, Dialect::Postgresql), postgres, "{statement}");
            assert_eq!(class(statement, Dialect::Mysql), mysql, "{statement}");
        }
        for statement in ["RENAME USER a TO b", "SET PASSWORD FOR a = 'x'", "SET DEFAULT ROLE r TO a"] {
            assert_eq!(class(statement, Dialect::Mysql), Some(Class::Lossy), "{statement}");
        }
    }
}
