//! What one statement of a script leaves in its session for a later one: a key just inserted, a variable, a temporary table.
//! Whoever runs each statement on a connection of its own would compute something else, and silently.

use crate::{Dialect, lexer::TokenKind, reader::Reader};
use std::collections::BTreeSet;
use std::ops::Range;

/// A statement that needs what an earlier one of its script left in the session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Carried {
    /// Which one, from 0.
    pub statement: usize,
    /// Why it would be something else on a connection of its own.
    pub why: String,
}

/// The first statement of a script that needs what another left in the session, settings aside: they can be set again. A
/// variable that is set to a literal or to a variable of the server is such a setting.
#[must_use]
pub fn carried(statements: &[&str], dialect: Dialect) -> Option<Carried> {
    carried_beside(statements, dialect, &[])
}

/// The same, where the statements of each of the groups ([`crate::mysql::prepared_groups`]) run together on one connection.
#[must_use]
pub fn carried_beside(statements: &[&str], dialect: Dialect, groups: &[Range<usize>]) -> Option<Carried> {
    let mut left = BTreeSet::new();
    let mut own = BTreeSet::new();
    for (statement, text) in statements.iter().enumerate() {
        // What cannot be read as one statement is a routine with a body.
        let Some(reader) = Reader::through_marks(text, dialect).filter(|reader| !is_routine(reader)) else {
            continue;
        };
        let found = |why: String| Some(Carried { statement, why });
        if statement > 0
            && let Some(name) = asks(&reader, dialect)
        {
            return found(format!(
                "`{name}()` answers for a connection, and each statement has one of its own"
            ));
        }
        let group = groups.iter().find(|group| group.contains(&statement));
        if dialect == Dialect::Mysql {
            if group.is_none_or(|group| group.start == statement) {
                own.clear();
            }
            let is_lost = |name: &String| left.contains(name) && !own.contains(name);
            if let Some(name) = asked(&reader).find(is_lost) {
                return found(format!(
                    "`@{name}` is lost or computed anew: each statement has a connection of its own"
                ));
            }
            match group {
                // What was computed before a change is not what would be computed behind it, and of a group nothing is set again.
                Some(_) => {
                    let given =
                        places(&reader).filter(|at| is_given(&reader, *at)).map(|at| name(&reader, at));
                    own.extend(given.chain(computed(&reader)));
                    left.extend(own.iter().cloned());
                }
                None if reader.is(0, "EXECUTE") => {
                    return found(
                        "what `PREPARE` makes ends with the connection of that statement".to_owned(),
                    );
                }
                None => left.extend(computed(&reader)),
            }
        }
        if group.is_none()
            && statement + 1 < statements.len()
            && let Some(what) = lasts(&reader)
        {
            return found(format!("{what} ends with the connection of this statement"));
        }
    }
    None
}

/// Its body runs when it is called, not here.
fn is_routine(reader: &Reader<'_>) -> bool {
    const ROUTINES: &[&str] = &["PROCEDURE", "FUNCTION", "TRIGGER", "EVENT"];
    reader.is(0, "CREATE") && (1..reader.len()).any(|at| reader.is_any(at, ROUTINES))
}

/// A function that answers for what came before on its connection.
fn asks(reader: &Reader<'_>, dialect: Dialect) -> Option<String> {
    let names: &[&str] = match dialect {
        Dialect::Mysql => &["LAST_INSERT_ID", "ROW_COUNT", "FOUND_ROWS"],
        Dialect::Postgresql => &["CURRVAL", "LASTVAL"],
        Dialect::Sqlite => &["LAST_INSERT_ROWID", "CHANGES", "TOTAL_CHANGES"],
    };
    called(reader, names)
}

/// The first of these functions that is called.
fn called(reader: &Reader<'_>, names: &[&str]) -> Option<String> {
    let call = |at: &usize| reader.is_any(*at, names) && reader.is_symbol(at + 1, b'(');
    (0..reader.len()).find(call).map(|at| reader.word(at))
}

/// What ends with its connection though more is to come: temporary tables, locks of the session, prepared statements.
fn lasts(reader: &Reader<'_>) -> Option<String> {
    const LOCKS: &[&str] =
        &["GET_LOCK", "PG_ADVISORY_LOCK", "PG_ADVISORY_LOCK_SHARED", "PG_TRY_ADVISORY_LOCK"];
    if reader.is(0, "CREATE") && (1..4).any(|at| reader.is_any(at, &["TEMP", "TEMPORARY"])) {
        return Some("a temporary table".to_owned());
    }
    if reader.is_any(0, &["PREPARE", "DECLARE"]) {
        return Some(format!("what `{}` leaves there", reader.word(0)));
    }
    called(reader, LOCKS).map(|name| format!("the lock of {name}()"))
}

/// Where a variable of the user is named: the place of its name.
fn places<'a>(reader: &'a Reader<'_>) -> impl Iterator<Item = usize> + 'a {
    let is = |at: usize| reader.is_symbol(at, b'@');
    (1..reader.len()).filter(move |at| {
        let alone = at.checked_sub(2).is_none_or(|before| !is(before) && !is_text(reader, before));
        is(at - 1) && alone && !is(*at)
    })
}

/// `'user'@'host'` is no variable.
fn is_text(reader: &Reader<'_>, at: usize) -> bool {
    matches!(reader.kind(at), Some(TokenKind::Text | TokenKind::Name))
}

fn name(reader: &Reader<'_>, at: usize) -> String {
    reader.written(at).trim_matches(['`', '\'', '"']).to_ascii_lowercase()
}

/// Whether the variable is only given a value here, by `SET` or `INTO`.
fn is_given(reader: &Reader<'_>, at: usize) -> bool {
    let colon = reader.is_symbol(at + 1, b':') && reader.is_symbol(at + 2, b'=');
    if reader.is(0, "SET") {
        let first = at == 2 || reader.is_symbol(at - 2, b',');
        return first && (colon || reader.is_symbol(at + 1, b'='));
    }
    at >= 2 && (reader.is(at - 2, "INTO") || reader.is_symbol(at - 2, b',') && is_given(reader, at - 3))
}

/// Variables whose value it asks for.
fn asked<'a>(reader: &'a Reader<'_>) -> impl Iterator<Item = String> + 'a {
    places(reader).filter(|at| !is_given(reader, *at)).map(|at| name(reader, at))
}

/// Variables that get a value that another connection would compute anew.
fn computed(reader: &Reader<'_>) -> Vec<String> {
    let sets = reader.is(0, "SET");
    let into = (0..reader.len()).find(|at| reader.is(*at, "INTO"));
    let assigned = |at: usize| {
        let is = |at, symbol| reader.is_symbol(at, symbol);
        let colon = is(at + 1, b':') && is(at + 2, b'=');
        let value = at + if colon { 3 } else { 2 };
        if sets {
            return (colon || is(at + 1, b'=')) && !is_setting(reader, value);
        }
        // `SELECT … INTO @a, @b`, and `@a := …` anywhere.
        colon || into.is_some_and(|into| into < at)
    };
    places(reader).filter(|at| assigned(*at)).map(|at| name(reader, at)).collect()
}

/// Whether the value at `at` is one literal, a variable of the server, or the name of the database, which all connections share.
pub(crate) fn is_setting(reader: &Reader<'_>, at: usize) -> bool {
    let ends = |at| at >= reader.len() || reader.is_symbol(at, b',');
    let mut end = at;
    if reader.is_symbol(at, b'@') && reader.is_symbol(at + 1, b'@') {
        end += 3;
        while reader.is_symbol(end, b'.') {
            end += 2;
        }
        return ends(end);
    }
    if reader.is_any(at, &["DATABASE", "SCHEMA"])
        && reader.is_symbol(at + 1, b'(')
        && reader.is_symbol(at + 2, b')')
    {
        return ends(at + 3);
    }
    if reader.is_symbol(at, b'-') {
        end += 1;
    }
    let is_literal = match reader.kind(end) {
        Some(TokenKind::Text) => true,
        Some(TokenKind::Word) => {
            let number = reader.written(end).starts_with(|first: char| first.is_ascii_digit());
            number || reader.is_any(end, &["NULL", "TRUE", "FALSE", "ON", "OFF", "DEFAULT"])
        }
        _ => false,
    };
    is_literal && ends(end + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn needed(script: &str, dialect: Dialect) -> Option<(usize, String)> {
        let (statements, _) = crate::split(script, dialect);
        let texts: Vec<_> = statements.iter().map(|statement| statement.span.of(script)).collect();
        carried(&texts, dialect).map(|carried| (carried.statement, carried.why))
    }

    #[test]
    fn what_goes_from_statement_to_statement_is_found() {
        for (script, dialect, statement, what) in [
            (
                "INSERT INTO m (n) VALUES (1); INSERT INTO r VALUES (1, last_insert_id());",
                Dialect::Mysql,
                1,
                "LAST_INSERT_ID()",
            ),
            (
                "SET @p = (SELECT MAX(id) FROM m); INSERT INTO m VALUES (1); INSERT INTO m VALUES (@P)",
                Dialect::Mysql,
                2,
                "@p",
            ),
            ("SELECT @p := id FROM m; UPDATE m SET a = @p", Dialect::Mysql, 1, "@p"),
            ("SELECT id INTO @p FROM m; UPDATE m SET a = @p", Dialect::Mysql, 1, "@p"),
            ("SET @sql = IF(1, 'x', 'y'); PREPARE s FROM @sql; EXECUTE s", Dialect::Mysql, 1, "@sql"),
            (
                "CREATE TEMPORARY TABLE x AS SELECT 1; UPDATE t SET a = 1",
                Dialect::Mysql,
                0,
                "a temporary table",
            ),
            (
                "INSERT INTO a VALUES (1); INSERT INTO b VALUES (currval('s'))",
                Dialect::Postgresql,
                1,
                "CURRVAL()",
            ),
            (
                "SELECT pg_advisory_lock(1); UPDATE t SET a = 1",
                Dialect::Postgresql,
                0,
                "the lock of PG_ADVISORY_LOCK()",
            ),
            (
                "INSERT INTO a VALUES (1); INSERT INTO b VALUES (last_insert_rowid())",
                Dialect::Sqlite,
                1,
                "LAST_INSERT_ROWID()",
            ),
        ] {
            let (found, why) = needed(script, dialect).unwrap_or_else(|| panic!("{script}"));
            assert!(found == statement && why.contains(what), "{script}: {found}: {why}");
        }
    }

    fn beside(script: &str) -> Option<usize> {
        let (statements, _) = crate::split(script, Dialect::Mysql);
        let texts: Vec<_> = statements.iter().map(|statement| statement.span.of(script)).collect();
        let groups = crate::mysql::prepared_groups(&texts);
        carried_beside(&texts, Dialect::Mysql, &groups).map(|carried| carried.statement)
    }

    #[test]
    fn a_group_keeps_what_it_computes_to_itself() {
        const RUN: &str = "PREPARE s FROM @q; EXECUTE s; DEALLOCATE PREPARE s;";
        for (script, wanted) in [
            (
                format!("SET @db = DATABASE(); SET @q = f(@db); {RUN} SET @q = g(@db); {RUN} DELETE FROM t"),
                None,
            ),
            (format!("SET @n = f(); SET @q = g(@n); {RUN} SET @q = h(@n); {RUN}"), Some(5)),
            (format!("SET @q = f(), @n = 1; {RUN} UPDATE t SET a = @n"), Some(4)),
            ("SET @q = f(); PREPARE s FROM @q; EXECUTE s; EXECUTE s".to_owned(), Some(3)),
            (format!("SET @q = f(); DELETE FROM t; {RUN}"), Some(2)),
        ] {
            assert_eq!(beside(&script), wanted, "{script}");
        }
    }

    #[test]
    fn what_stays_in_its_statement_or_can_be_set_again_is_none() {
        for (script, dialect) in [
            ("SET @OLD_MODE=@@SQL_MODE, SQL_MODE='x'; DELETE FROM t; SET SQL_MODE=@OLD_MODE", Dialect::Mysql),
            ("/*!40101 SET @OLD=@@CHARACTER_SET_CLIENT */; SET @n = -1; UPDATE t SET a = @n", Dialect::Mysql),
            ("SET @x = NOW(); SET @y = 1; DELETE FROM t", Dialect::Mysql),
            ("DELETE FROM u; UPDATE t, (SELECT @i := 0) x SET n = @i := @i + 1", Dialect::Mysql),
            ("DROP USER 'a'@'b'; DROP USER 'a'@'b'", Dialect::Mysql),
            (
                "DROP TRIGGER IF EXISTS g; CREATE TRIGGER g AFTER INSERT ON t FOR EACH ROW SET @x = LAST_INSERT_ID(); \
                 INSERT INTO t VALUES (1)",
                Dialect::Mysql,
            ),
            ("INSERT INTO r VALUES (LAST_INSERT_ID())", Dialect::Mysql),
            ("UPDATE t SET changes = 1; UPDATE t SET lastval = 2", Dialect::Postgresql),
        ] {
            assert_eq!(needed(script, dialect), None, "{script}");
        }
    }
}
