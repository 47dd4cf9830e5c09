//! Whether a statement on rows means the same when it is run in ranges of a key, and its text for one range.
//!
//! What is read here is only what the text can tell. The driver asks the catalog for the rest: whether what it calls can give
//! another answer each time ([`Batched::calls`]), whether what its subqueries read are tables ([`Batched::reads`]), and whether
//! it assigns the key ([`Batched::dml`]).

use crate::lexer::TokenKind;
use crate::reader::Reader;
use crate::{Dialect, Dml, DmlKind, ObjectName, dml};

/// A statement that can be run in ranges of a key, as far as its text tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batched {
    /// Its parts: an `UPDATE` or `DELETE` of one table.
    pub dml: Dml,
    /// Tables that its subqueries read.
    pub reads: Vec<ObjectName>,
    /// Names in front of a parenthesis, in lower case: functions among other things.
    pub calls: Vec<Call>,
    /// It names the time of its transaction.
    pub timed: bool,
    statement: String,
    dialect: Dialect,
}

/// A name in front of a parenthesis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The name without its schema, lower case.
    pub name: String,
    /// It stands in the condition: which rows are changed depends on it.
    pub in_filter: bool,
}

/// Why a statement cannot be run in batches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotBatched {
    /// The reason, as it follows "cannot be run in batches: ".
    pub why: String,
    /// What to do instead.
    pub help: &'static str,
}

fn no<T>(why: impl Into<String>, help: &'static str) -> Result<T, NotBatched> {
    Err(NotBatched { why: why.into(), help })
}

const ALONE: &str = "put it into a fence without `batch=`";

/// Functions that give another value for each row, whatever the range: a row gets one of them either way.
pub const FRESH: &[&str] = &[
    "random",
    "gen_random_uuid",
    "uuid_generate_v4",
    "clock_timestamp",
    "nextval",
    "rand",
    "uuid",
    "randomblob",
];

/// Whether `statement` is one that `batch=` is for: an `UPDATE` or `DELETE`.
#[must_use]
pub fn is_for_batches(kind: &crate::Kind) -> bool {
    matches!(kind, crate::Kind::Update | crate::Kind::Delete)
}

/// Reads `statement`, one statement without its terminator.
///
/// # Errors
/// Why its meaning would be another in batches, or is not surely the same.
pub fn batched(statement: &str, dialect: Dialect) -> Result<Batched, NotBatched> {
    let unread = "its text is not surely understood";
    let (Some(parts), Some(reader)) = (dml(statement, dialect), Reader::new(statement, dialect)) else {
        return no(unread, ALONE);
    };
    if !matches!(parts.kind, DmlKind::Update | DmlKind::Delete) {
        return no("it is no UPDATE or DELETE", ALONE);
    }
    if parts.multi_table || parts.from.is_some() {
        return no(
            "it joins other tables, so a row may be met more than once",
            "use a subquery on the other table, or leave `batch=` out",
        );
    }
    if parts.with.is_some() || parts.with_writes {
        return no(
            "WITH would be computed again for each batch",
            "write it as a subquery, or leave `batch=` out",
        );
    }
    if parts.order_limit.is_some() {
        return no(
            "ORDER BY and LIMIT would count for each batch",
            "leave them out: batches have an order and a size already",
        );
    }
    if parts.returning.is_some() {
        return no("what it returns would come in pieces", "leave RETURNING out");
    }
    if dialect == Dialect::Sqlite
        && crate::keywords(statement, dialect, 2).last().is_some_and(|word| word == "OR")
    {
        return no("OR leaves rows out, or takes others away", "leave it out");
    }
    if parts.ignore {
        return no("IGNORE leaves rows out without an error", "leave IGNORE out");
    }
    let mut batched = Batched {
        dml: parts,
        reads: vec![],
        calls: vec![],
        timed: false,
        statement: statement.to_owned(),
        dialect,
    };
    batched.look(reader)?;
    let target = batched.dml.table.base().to_lowercase();
    if batched.reads.iter().any(|name| name.base().to_lowercase() == target) {
        return no(
            format!("a subquery reads {} itself, which earlier batches have changed", batched.dml.table),
            "put what it reads into a table of its own first",
        );
    }
    Ok(batched)
}

impl Batched {
    fn in_filter(&self, start: usize) -> bool {
        self.dml.filter.is_some_and(|filter| start >= filter.start)
    }

    /// Finds calls, subqueries and the time.
    fn look(&mut self, mut reader: Reader<'_>) -> Result<(), NotBatched> {
        // Whether each open parenthesis is one of a query.
        let mut open: Vec<bool> = vec![];
        for at in 0..reader.len() {
            if reader.is_symbol(at, b'(') {
                let next = at + 1;
                if reader.is_any(next, &["WITH", "TABLE", "VALUES"]) {
                    return no("a subquery is not surely understood", ALONE);
                }
                open.push(reader.is(next, "SELECT"));
                if let Some(before) = at.checked_sub(1) {
                    self.call(&reader, before);
                }
            } else if reader.is_symbol(at, b')') {
                open.pop();
            } else if reader.is_symbol(at, b'@') {
                return no("a variable may hold something else in each batch", "write its value instead");
            } else if open.last() == Some(&true) && reader.is_any(at, &["FROM", "JOIN", "STRAIGHT_JOIN"]) {
                self.tables(&mut reader, at)?;
            }
            self.time(&reader, at)?;
        }
        Ok(())
    }

    fn call(&mut self, reader: &Reader<'_>, at: usize) {
        let written = reader.written(at);
        let name = match reader.kind(at) {
            Some(TokenKind::Word) => written.to_lowercase(),
            Some(TokenKind::Name) => crate::identifier(written, self.dialect).to_lowercase(),
            _ => return,
        };
        let start = reader.span(at, at + 1).map_or(0, |span| span.start);
        self.calls.push(Call { name, in_filter: self.in_filter(start) });
    }

    /// The tables behind `FROM` or `JOIN` of a subquery.
    fn tables(&mut self, reader: &mut Reader<'_>, from: usize) -> Result<(), NotBatched> {
        if from.checked_sub(1).is_some_and(|before| reader.is(before, "DISTINCT")) {
            return Ok(());
        }
        reader.at = from + 1;
        loop {
            reader.accept(&["LATERAL"]);
            reader.accept(&["ONLY"]);
            if reader.group().is_none() {
                let Some((name, _)) = reader.name() else {
                    return no("a subquery is not surely understood", ALONE);
                };
                if reader.group().is_none() {
                    self.reads.push(name);
                }
            }
            // An alias, with names of columns.
            reader.accept(&["AS"]);
            const CLAUSES: &[&str] = &[
                "WHERE",
                "ON",
                "USING",
                "JOIN",
                "INNER",
                "LEFT",
                "RIGHT",
                "FULL",
                "CROSS",
                "NATURAL",
                "GROUP",
                "ORDER",
                "LIMIT",
                "HAVING",
                "UNION",
                "EXCEPT",
                "INTERSECT",
                "WINDOW",
                "FETCH",
                "OFFSET",
                "FOR",
                "STRAIGHT_JOIN",
            ];
            if !reader.is_any(reader.at, CLAUSES) && reader.identifier().is_some() {
                reader.group();
            }
            if !reader.symbol(b',') {
                return Ok(());
            }
        }
    }

    /// Whether token `at` names the time; forms that cannot be fixed to that of the first batch are refused.
    fn time(&mut self, reader: &Reader<'_>, at: usize) -> Result<(), NotBatched> {
        let help = "write the time itself";
        let word = reader.word(at);
        let opens = reader.is_symbol(at + 1, b'(');
        let empty = opens && reader.is_symbol(at + 2, b')');
        let dotted = at.checked_sub(1).is_some_and(|before| reader.is_symbol(before, b'.'));
        match self.dialect {
            // The session's clock is set.
            Dialect::Mysql => {
                if ["SYSDATE", "SLEEP"].contains(&word.as_str()) && opens {
                    return no(format!("{word}() is another time in each batch"), "use NOW()");
                }
            }
            Dialect::Postgresql => {
                let text = reader.written(at).trim_matches('\'').trim().to_ascii_lowercase();
                if reader.kind(at) == Some(TokenKind::Text)
                    && ["now", "today", "tomorrow", "yesterday"].contains(&text.as_str())
                {
                    return no(format!("'{text}' may be another time in each batch"), help);
                }
                if replaced_postgres(&word).is_some() && !dotted {
                    let function = FUNCTIONS.contains(&word.as_str());
                    if function && !opens {
                        return Ok(());
                    }
                    if opens && !empty || word == "CURRENT_TIME" || word == "LOCALTIME" {
                        return no(
                            format!("{} may be another time in each batch", word.to_lowercase()),
                            help,
                        );
                    }
                    self.timed = true;
                }
            }
            Dialect::Sqlite => {
                const TIMES: [&str; 7] =
                    ["DATE", "TIME", "DATETIME", "JULIANDAY", "UNIXEPOCH", "STRFTIME", "TIMEDIFF"];
                if TIMES.contains(&word.as_str()) && empty {
                    return no(
                        format!("{}() may be another time in each batch", word.to_lowercase()),
                        "name 'now' in it",
                    );
                }
                let now = reader.kind(at) == Some(TokenKind::Text)
                    && reader.written(at).trim_matches('\'').eq_ignore_ascii_case("now");
                self.timed |= now || word.starts_with("CURRENT_") && replaced_sqlite(&word).is_some();
            }
        }
        Ok(())
    }

    /// The statement for the rows in `range`, a condition; `now`, an ISO time in UTC, stands for the time of its transaction.
    /// Also how many characters stand in front of what the document wrote of its condition, for places in errors.
    #[must_use]
    pub fn within(&self, range: &str, now: &str) -> String {
        let text = match self.dml.filter {
            Some(filter) => {
                let (before, rest) = self.statement.split_at(filter.start);
                let (condition, after) = rest.split_at(filter.end - filter.start);
                // A comment may end the condition's line.
                format!("{before}({condition}\n) AND ({range}){after}")
            }
            None => format!("{}\nWHERE {range}", self.statement),
        };
        if self.timed { fixed(&text, self.dialect, now) } else { text }
    }

    /// The condition alone, for questions about rows; `None`: all rows.
    #[must_use]
    pub fn filter(&self, now: &str) -> Option<String> {
        let text = self.dml.filter?.of(&self.statement);
        Some(if self.timed { fixed(text, self.dialect, now) } else { text.to_owned() })
    }

    /// The name that its columns are known by: alias or table.
    #[must_use]
    pub fn alias(&self) -> &str {
        self.dml.alias.as_deref().unwrap_or_else(|| self.dml.table.base())
    }

    /// The table as it is written, with its alias, for a question about its rows.
    #[must_use]
    pub fn source(&self) -> String {
        let table = self.dml.table_span.of(&self.statement);
        let only = if self.dml.only { "ONLY " } else { "" };
        match &self.dml.alias {
            Some(alias) => format!("{only}{table} AS {}", crate::quote(alias, self.dialect)),
            None => format!("{only}{table}"),
        }
    }
}

const FUNCTIONS: [&str; 3] = ["NOW", "TRANSACTION_TIMESTAMP", "STATEMENT_TIMESTAMP"];

/// What stands for a word that means the time: a cast of a literal.
fn replaced_postgres(word: &str) -> Option<&'static str> {
    match word {
        "NOW" | "TRANSACTION_TIMESTAMP" | "STATEMENT_TIMESTAMP" | "CURRENT_TIMESTAMP" => {
            Some("::timestamptz")
        }
        "CURRENT_DATE" => Some("::timestamptz::date"),
        "LOCALTIMESTAMP" => Some("::timestamptz::timestamp"),
        "CURRENT_TIME" | "LOCALTIME" => Some(""),
        _ => None,
    }
}

/// Which part of `2026-01-02 03:04:05` it is.
fn replaced_sqlite(word: &str) -> Option<std::ops::Range<usize>> {
    match word {
        "CURRENT_TIMESTAMP" => Some(0..19),
        "CURRENT_DATE" => Some(0..10),
        "CURRENT_TIME" => Some(11..19),
        _ => None,
    }
}

/// `text` with the time of its transaction written out.
fn fixed(text: &str, dialect: Dialect, now: &str) -> String {
    let Some(reader) = Reader::new(text, dialect) else { return text.to_owned() };
    let (mut out, mut done, mut at) = (String::new(), 0, 0);
    while at < reader.len() {
        let word = reader.word(at);
        let dotted = at.checked_sub(1).is_some_and(|before| reader.is_symbol(before, b'.'));
        let empty = reader.is_symbol(at + 1, b'(') && reader.is_symbol(at + 2, b')');
        let is_now = reader.kind(at) == Some(TokenKind::Text)
            && reader.written(at).trim_matches('\'').eq_ignore_ascii_case("now");
        let instead = match dialect {
            Dialect::Postgresql if !dotted && (empty || !FUNCTIONS.contains(&word.as_str())) => {
                replaced_postgres(&word).map(|cast| format!("('{now}'{cast})"))
            }
            Dialect::Sqlite if is_now => Some(format!("'{now}'")),
            Dialect::Sqlite if !dotted => {
                replaced_sqlite(&word).map(|part| format!("'{}'", now.get(part).unwrap_or(now)))
            }
            _ => None,
        };
        let tokens = if instead.is_some() && empty { 3 } else { 1 };
        if let (Some(instead), Some(span)) = (instead, reader.span(at, at + tokens)) {
            out.push_str(&text[done..span.start]);
            out.push_str(&instead);
            done = span.end;
        }
        at += tokens;
    }
    out.push_str(&text[done..]);
    out
}

/// A condition on a key: behind `after` (all rows if `None`) and not behind `till`, in the order of `columns`. Columns and values
/// are SQL. `rows` says whether the server has an index search for comparisons of whole rows; else the comparison is
/// spelled out, with the first column alone in front.
#[must_use]
pub fn range(columns: &[String], after: Option<&[String]>, till: &[String], rows: bool) -> String {
    let lower = after.map(|after| bound(columns, after, '>', rows));
    let upper = bound(columns, till, '<', rows);
    [lower, Some(upper)].into_iter().flatten().collect::<Vec<_>>().join(" AND ")
}

/// `(columns) > (values)`, or `(columns) <= (values)`.
fn bound(columns: &[String], values: &[String], sign: char, rows: bool) -> String {
    let equal = if sign == '<' { "=" } else { "" };
    if columns.len() == 1 {
        return format!("{} {sign}{equal} {}", columns[0], values[0]);
    }
    if rows {
        return format!("({}) {sign}{equal} ({})", columns.join(", "), values.join(", "));
    }
    let mut any = vec![];
    for last in 0..columns.len() {
        let same = (0..last).map(|at| format!("{} = {}", columns[at], values[at]));
        let end = if last + 1 == columns.len() { equal } else { "" };
        let one = format!("{} {sign}{end} {}", columns[last], values[last]);
        any.push(format!("({})", same.chain([one]).collect::<Vec<_>>().join(" AND ")));
    }
    format!("{} {sign}= {} AND ({})", columns[0], values[0], any.join(" OR "))
}

#[cfg(test)]
#[path = "batch_tests.rs"]
mod tests;
