//! Temporary tables that go from statement to statement. Each statement of a script has a transaction, and may have a connection, of its own, so
//! what lives in a session is lost between two of them. Two ways lead out, and neither needs a connection that survives a crash.
//!
//! PostgreSQL: what lies between the making of the table and its end is one statement, a `DO` block ([`together`]). It takes effect as a whole
//! or not at all. SQLite has no such block: there the table is an ordinary one ([`as_ordinary`]) that the script drops itself.

use crate::{
    Change, Ddl, Dialect, Kind, ObjectName, Span, Statement, ddl, quote, reader::Reader, unknown_calls,
};

/// The mark of the texts in a block; a script that has it itself is left as it is.
const MARK: &str = "windlass_text";

/// Statements that run as one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Together {
    /// The first of them.
    pub first: usize,
    /// The last of them.
    pub last: usize,
    /// The statement that does what they do.
    pub text: String,
}

/// `CREATE TEMP TABLE …`
struct Made {
    name: ObjectName,
    /// What an ordinary table is made without: `TEMP`, `IF NOT EXISTS`.
    words: Vec<Span>,
}

fn made(text: &str, dialect: Dialect) -> Option<Made> {
    let mut reader = Reader::new(text, dialect)?;
    if !reader.accept(&["CREATE"]) {
        return None;
    }
    let _ = reader.accept(&["LOCAL"]) || reader.accept(&["GLOBAL"]);
    let mut words = vec![reader.span(reader.at, reader.at + 1)?];
    let is_temporary = reader.accept(&["TEMP"]) || reader.accept(&["TEMPORARY"]);
    if !is_temporary || !reader.accept(&["TABLE"]) {
        return None;
    }
    if reader.accept(&["IF", "NOT", "EXISTS"]) {
        words.extend(reader.span(reader.at - 3, reader.at));
    }
    let name = reader.name()?.0;
    Some(Made { name, words })
}

fn mentions(text: &str, name: &ObjectName) -> bool {
    text.to_lowercase().contains(&name.base().to_lowercase())
}

fn drops(text: &str, name: &ObjectName, dialect: Dialect) -> bool {
    let Some(Ddl::Drop(drop)) = ddl(text, dialect) else { return false };
    let is = |dropped: &ObjectName| {
        // SQLite knows no case, and PostgreSQL's names are folded.
        let same = match dialect {
            Dialect::Sqlite => dropped.base().eq_ignore_ascii_case(name.base()),
            _ => dropped.base() == name.base(),
        };
        same && dropped.qualifier().is_none_or(|schema| schema == "pg_temp")
    };
    drop.what == "TABLE" && drop.names.iter().any(is)
}

/// The stretches of a script for PostgreSQL that share a temporary table, and what does the same as one statement. A stretch in which something
/// cannot be inside of a block is left out.
#[must_use]
pub fn together(script: &str, statements: &[Statement]) -> Vec<Together> {
    let mut found: Vec<Together> = Vec::new();
    let mut first = 0;
    while first < statements.len() {
        let last = last_of(script, statements, first);
        if let Some(last) = last.filter(|last| *last > first)
            && let Some(text) = block(script, &statements[first..=last])
        {
            found.push(Together { first, last, text });
            first = last;
        }
        first += 1;
    }
    found
}

/// The last statement that may need the temporary table which `first` makes, or one that is made in between.
fn last_of(script: &str, statements: &[Statement], first: usize) -> Option<usize> {
    let text = |at: usize| statements[at].span.of(script);
    made(text(first), Dialect::Postgresql)?;
    let (mut last, mut at) = (first, first);
    while at <= last {
        if let Some(Made { name, .. }) = made(text(at), Dialect::Postgresql) {
            let mut behind = at + 1..statements.len();
            // What a function or block names is not in the text that calls it.
            let needs = |at: usize| {
                let calls = || !unknown_calls(text(at), Dialect::Postgresql).is_empty();
                mentions(text(at), &name) || statements[at].summary.kind == Kind::Call || calls()
            };
            let dropped = behind.clone().find(|at| drops(text(*at), &name, Dialect::Postgresql));
            let end = dropped.or_else(|| behind.rfind(|at| needs(*at)));
            last = last.max(end.unwrap_or(at));
        }
        at += 1;
    }
    Some(last)
}

/// One block of these statements. They are run from texts, as a client would send them: what stands in a block itself is read by other rules
/// (`SELECT`, names of variables).
fn block(script: &str, statements: &[Statement]) -> Option<String> {
    let mut block = String::from("DO $windlass$ BEGIN\n");
    let mut open = Vec::new();
    let mut committed = false;
    for statement in statements {
        let text = statement.span.of(script);
        if matches!(statement.summary.kind, Kind::Begin | Kind::Commit) {
            committed |= statement.summary.kind == Kind::Commit;
            continue;
        }
        if !fits(statement, text) {
            return None;
        }
        if let Some(made) = made(text, Dialect::Postgresql) {
            open.push((made.name, text.to_ascii_uppercase().contains("COMMIT")));
        }
        open.retain(|(name, _)| !drops(text, name, Dialect::Postgresql));
        push(&mut block, text);
    }
    // `ON COMMIT` means a commit that the block has not.
    if committed && open.iter().any(|(_, on_commit)| *on_commit) {
        return None;
    }
    for (name, _) in open {
        push(
            &mut block,
            &format!("DROP TABLE IF EXISTS pg_temp.{}", quote(name.base(), Dialect::Postgresql)),
        );
    }
    block.push_str("END $windlass$");
    Some(block)
}

fn push(block: &mut String, text: &str) {
    for part in ["EXECUTE $", MARK, "$", text, "$", MARK, "$;\n"] {
        block.push_str(part);
    }
}

/// Whether a statement does in a block what it does by itself.
fn fits(statement: &Statement, text: &str) -> bool {
    const NO: &[&str] = &[
        "COPY",
        "VACUUM",
        "CLUSTER",
        "PREPARE",
        "EXECUTE",
        "DEALLOCATE",
        "DECLARE",
        "FETCH",
        "CLOSE",
        "LISTEN",
        "SET",
        "RESET",
        "CALL",
        "EXPLAIN",
        "SHOW",
        "DISCARD",
    ];
    let Some(reader) = Reader::new(text, Dialect::Postgresql) else { return false };
    let is_lasting = reader.is(0, "CREATE")
        && (1..4).any(|at| reader.is_any(at, &["TEMP", "TEMPORARY"]))
        && made(text, Dialect::Postgresql).is_none();
    let kind = &statement.summary.kind;
    statement.data.is_none()
        && *kind != Kind::Session
        && !kind.controls_transaction()
        && !reader.is_any(0, NO)
        && !is_lasting
        && !text.contains("$windlass")
        && (0..reader.len()).all(|at| !reader.is_any(at, &["CONCURRENTLY", "SET_CONFIG"]))
}

/// The script with ordinary tables instead of temporary ones, each byte where it was; `None` if there are none, or a table may mean something
/// else then: it has to be made, used and dropped under one plain name.
#[must_use]
pub fn as_ordinary(script: &str, statements: &[Statement]) -> Option<String> {
    const SCHEMA: &[&str] =
        &["SQLITE_MASTER", "SQLITE_SCHEMA", "SQLITE_TEMP_MASTER", "SQLITE_TEMP_SCHEMA", "PRAGMA_TABLE_LIST"];
    let mut instead = script.as_bytes().to_vec();
    let mut any = false;
    for (at, statement) in statements.iter().enumerate() {
        let text = statement.span.of(script);
        let Some(made) = made(text, Dialect::Sqlite) else { continue };
        let behind = &statements[at + 1..];
        let dropped =
            behind.iter().position(|next| drops(next.span.of(script), &made.name, Dialect::Sqlite))?;
        let plain = made.name.parts.len() == 1
            && behind[..dropped].iter().all(|next| stays_plain(next.span.of(script), &made.name));
        if !plain {
            return None;
        }
        for word in made.words {
            let (start, end) = (statement.span.start + word.start, statement.span.start + word.end);
            // Line ends stay, and so do the places behind them.
            for byte in instead.get_mut(start..end)?.iter_mut().filter(|byte| !byte.is_ascii_whitespace()) {
                *byte = b' ';
            }
        }
        any = true;
    }
    let shows = |statement: &Statement| {
        let words = crate::code_words(statement.span.of(script), Dialect::Sqlite);
        words.iter().any(|word| SCHEMA.contains(&word.as_str()))
    };
    if !any || statements.iter().any(shows) {
        return None;
    }
    String::from_utf8(instead).ok()
}

/// Whether a statement on the table does the same to an ordinary one, which does not end with its session and may be named by other schemas.
fn stays_plain(text: &str, name: &ObjectName) -> bool {
    let Some(reader) = Reader::new(text, Dialect::Sqlite) else { return !mentions(text, name) };
    let in_temp = (0..reader.len()).any(|at| {
        let schema = reader.written(at).trim_matches(['"', '`', '[', ']']);
        schema.eq_ignore_ascii_case("temp") && reader.is_symbol(at + 1, b'.')
    });
    let lasting = match ddl(text, Dialect::Sqlite) {
        Some(Ddl::AlterTable(alter)) => {
            alter.changes.iter().any(|change| matches!(change, Change::RenameTable(_)))
        }
        Some(Ddl::CreateOther { .. }) => true,
        _ => reader.is(0, "ALTER"),
    };
    !(in_temp || lasting && mentions(text, name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::split;

    fn blocks(script: &str) -> Vec<(usize, usize)> {
        let (statements, _) = split(script, Dialect::Postgresql);
        together(script, &statements).iter().map(|found| (found.first, found.last)).collect()
    }

    #[test]
    fn what_shares_a_temporary_table_is_one_statement() {
        for (script, found) in [
            (
                "SELECT 1; CREATE TEMP TABLE x AS SELECT 1 a; UPDATE t SET a = x.a FROM x; DROP TABLE x; SELECT 2",
                vec![(1, 3)],
            ),
            (
                "CREATE TEMPORARY TABLE x (a int) ON COMMIT DROP; INSERT INTO x VALUES (1); UPDATE t SET b = 1; INSERT INTO t SELECT a FROM X; UPDATE t SET b = 2",
                vec![(0, 3)],
            ),
            (
                "CREATE TEMP TABLE x (a int); CREATE TEMP TABLE y (a int); DROP TABLE x; INSERT INTO t SELECT a FROM y; SELECT 1",
                vec![(0, 3)],
            ),
            // Nobody sees what the function reads.
            ("CREATE TEMP TABLE x (a int); SELECT fill()", vec![(0, 1)]),
            (
                "CREATE TEMP TABLE x (a int); DROP TABLE x; UPDATE t SET b = 1; CREATE LOCAL TEMP TABLE x (a int); DROP TABLE pg_temp.x",
                vec![(0, 1), (3, 4)],
            ),
            ("CREATE TEMP TABLE x (a int); SELECT 1", vec![]),
            ("CREATE TEMP TABLE x (a int); SET search_path = y; DROP TABLE x", vec![]),
            ("CREATE TEMP TABLE x (a int); CREATE INDEX CONCURRENTLY i ON t (a); DROP TABLE x", vec![]),
            ("CREATE TEMP TABLE x (a int); SELECT '$windlass_text$'; DROP TABLE x", vec![]),
            (
                "CREATE TEMP TABLE x (a int) ON COMMIT DROP; INSERT INTO x VALUES (1); COMMIT; INSERT INTO t SELECT a FROM x",
                vec![],
            ),
            ("CREATE TABLE x (a int); DROP TABLE x", vec![]),
        ] {
            assert_eq!(blocks(script), found, "{script}");
        }
        let script = "CREATE TEMP TABLE \"X y\" (a int); INSERT INTO \"X y\" VALUES (1); SELECT 2";
        let (statements, _) = split(script, Dialect::Postgresql);
        let text = &together(script, &statements)[0].text;
        assert!(
            text.contains("EXECUTE $windlass_text$INSERT INTO \"X y\" VALUES (1)$windlass_text$;"),
            "{text}"
        );
        assert!(text.contains("DROP TABLE IF EXISTS pg_temp.\"X y\""), "{text}");
        assert_eq!(split(text, Dialect::Postgresql).0.len(), 1);
    }

    #[test]
    fn a_temporary_table_of_sqlite_that_is_dropped_may_be_an_ordinary_one() {
        let ordinary = |script: &str| {
            let (statements, _) = split(script, Dialect::Sqlite);
            as_ordinary(script, &statements)
        };
        let script = "/* TEMP */ CREATE TEMPORARY TABLE IF NOT\nEXISTS x AS SELECT 'TEMP' a; UPDATE t SET a = 1; DROP TABLE IF EXISTS X";
        let text = ordinary(script).unwrap();
        assert_eq!(text.len(), script.len());
        assert_eq!(text.lines().count(), script.lines().count());
        let words: Vec<_> = text.split_whitespace().collect();
        assert_eq!(
            words.join(" "),
            "/* TEMP */ CREATE TABLE x AS SELECT 'TEMP' a; UPDATE t SET a = 1; DROP TABLE IF EXISTS X"
        );
        for script in [
            "CREATE TABLE x (a); DROP TABLE x",
            "CREATE TEMP TABLE x (a); INSERT INTO t SELECT a FROM x",
            "CREATE TEMP TABLE x (a); INSERT INTO temp.x VALUES (1); DROP TABLE x",
            "CREATE TEMP TABLE x (a); ALTER TABLE x RENAME TO y; DROP TABLE x",
            "CREATE TEMP TABLE x (a); CREATE VIEW v AS SELECT a FROM x; DROP TABLE x",
            "CREATE TEMP TABLE x (a); INSERT INTO t SELECT name FROM sqlite_master; DROP TABLE x",
            "CREATE TEMP TABLE temp.x (a); DROP TABLE x",
        ] {
            assert_eq!(ordinary(script), None, "{script}");
        }
    }
}
