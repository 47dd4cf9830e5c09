//! `LOCK TABLES … UNLOCK TABLES`, and `LOCK TABLE` of a transaction. A lock ends with the statement that it stands in, so one that keeps
//! others off between statements cannot be held; one that does no more than the statement behind it does by itself is not needed.

use super::sql::Fit;
use windlass_sql::{Dialect, Kind, Statement};

const NEEDLESS: &str =
    "each statement takes the lock that it needs by itself, and no more than that is asked for here";

/// What becomes of a lock, with those statements behind it; `more`: others may follow on its connection.
pub(super) fn fit(
    statement: &Statement,
    behind: &[Statement],
    text: &str,
    dialect: Dialect,
    more: bool,
) -> Fit {
    let words = windlass_sql::keywords(statement.span.of(text), dialect, 2);
    let of_tables = match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        // What it ends was refused, if it was needed.
        ["UNLOCK", ..] => return Fit::Needless(NEEDLESS),
        ["LOCK", what] => dialect == Dialect::Postgresql || ["TABLE", "TABLES"].contains(what),
        _ => dialect == Dialect::Postgresql,
    };
    let ends = |statement: &Statement| {
        matches!(statement.summary.kind, Kind::Lock | Kind::Commit | Kind::Rollback | Kind::Begin)
    };
    let end = behind.iter().position(ends);
    let under = &behind[..end.unwrap_or(behind.len())];
    if of_tables && (end.is_some() || !more) && does_as_much(under, text, dialect) {
        return Fit::Needless(NEEDLESS);
    }
    Fit::Refused(
        "a lock ends with the transaction of its statement, so it would keep nobody off between those behind it".to_owned(),
        "write what needs it as one statement (a CTE, a block), and take the lock out: each statement takes the locks it needs, and \
         waits for them no longer than it may"
            .to_owned(),
    )
}

/// Whether nothing that others do between these statements makes them another thing: rows that are only added depend on none that are
/// there, and one statement has nothing between. A definition that changes behind it, such as a name in an exchange of two tables,
/// takes what others wrote meanwhile away.
fn does_as_much(under: &[Statement], text: &str, dialect: Dialect) -> bool {
    let calls = |one: &Statement| !windlass_sql::unknown_calls(one.span.of(text), dialect).is_empty();
    let writes = |one: &Statement| {
        let summary = &one.summary;
        summary.changes_data || summary.kind == Kind::Call || summary.kind == Kind::Select && calls(one)
    };
    let changing: Vec<&Statement> = under.iter().filter(|one| writes(one)).collect();
    let only_adds = |statement: &&Statement| {
        let selects =
            || windlass_sql::code_words(statement.span.of(text), dialect).iter().any(|word| word == "SELECT");
        matches!(statement.summary.kind, Kind::Insert | Kind::Load) && !selects()
    };
    let first = under.iter().position(writes);
    let then_schema = first.is_some_and(|at| under[at + 1..].iter().any(|one| one.summary.changes_schema));
    changing.iter().all(only_adds) || changing.len() <= 1 && !then_schema
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_left_out_where_it_keeps_nobody_off_between_statements() {
        use Dialect::{Mysql, Postgresql};
        for (text, dialect, is_needless) in [
            (
                "LOCK TABLES `t` WRITE; INSERT INTO t VALUES (1); INSERT INTO t VALUES (2); UNLOCK TABLES",
                Mysql,
                true,
            ),
            (
                "LOCK TABLES t WRITE; ALTER TABLE t ADD a INT; UPDATE t SET a = 1; UNLOCK TABLES; UPDATE u SET a = 2",
                Mysql,
                true,
            ),
            ("LOCK TABLES t WRITE; UPDATE t SET a = 1; UPDATE t SET b = a; UNLOCK TABLES", Mysql, false),
            ("LOCK INSTANCE FOR BACKUP; UPDATE t SET a = 1", Mysql, false),
            ("LOCK TABLE t IN SHARE MODE; UPDATE u SET a = (SELECT max(a) FROM t)", Postgresql, true),
            ("LOCK t; INSERT INTO u SELECT * FROM t; DELETE FROM t; COMMIT", Postgresql, false),
            (
                "LOCK TABLE t; INSERT INTO u SELECT * FROM t; ALTER TABLE t RENAME TO old; ALTER TABLE u RENAME TO t; COMMIT",
                Postgresql,
                false,
            ),
            (
                "LOCK TABLES t WRITE; INSERT INTO u SELECT * FROM t; RENAME TABLE t TO old; UNLOCK TABLES",
                Mysql,
                false,
            ),
            ("LOCK t; SELECT move_rows(); SELECT purge(); COMMIT", Postgresql, false),
        ] {
            let (statements, _) = windlass_sql::split(text, dialect);
            let fit = fit(&statements[0], &statements[1..], text, dialect, false);
            assert_eq!(matches!(fit, Fit::Needless(_)), is_needless, "{text}");
        }
        let text = "LOCK TABLES t WRITE; UPDATE t SET a = 1";
        let (statements, _) = windlass_sql::split(text, Mysql);
        let open = fit(&statements[0], &statements[1..], text, Mysql, true);
        assert!(matches!(open, Fit::Refused(..)), "what stands in the next file is not known");
    }
}
