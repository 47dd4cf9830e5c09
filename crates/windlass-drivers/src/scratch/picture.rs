//! What a copy holds at one moment, and how two moments differ.

use super::{
    Scratch, failed,
    spool::{self, Row, Sink, Table},
};
use crate::disk::one_line;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap, hash_map::DefaultHasher},
    hash::{Hash as _, Hasher as _},
    path::PathBuf,
};
use windlass_driver::Failure;
use windlass_plan::UrlKind;
use windlass_sql::postgres::catalog::{self, Catalog};

/// Most rows of a table that are looked at one by one when it differs.
const ROWS_MAX: u64 = 4_000_000;
/// Rows of each side that are put beside each other.
const SAMPLES: usize = 50;
/// Rows shown of each table.
const SHOWN: usize = 3;

/// Definitions and rows of a copy at one moment.
#[derive(Clone, Debug)]
pub struct Picture {
    pub(crate) definitions: Definitions,
    /// By name; `None`: the rows were not read.
    pub(crate) tables: Option<BTreeMap<String, Table>>,
    folder: PathBuf,
}

/// All definitions.
#[derive(Clone, Debug)]
pub(crate) enum Definitions {
    /// Of PostgreSQL.
    Catalog(Box<Catalog>),
    /// The server's own texts, by kind and name.
    Texts(BTreeMap<String, String>),
}

/// Whether two moments are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// In everything.
    Exact,
    /// But for the order of columns.
    ColumnOrder,
    /// No.
    Different,
}

/// How two moments differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compared {
    /// Whether they do.
    pub verdict: Verdict,
    /// What, for people, one line each.
    pub lines: Vec<String>,
    /// Tables whose rows differ.
    pub tables: BTreeSet<String>,
    /// Columns (MySQL: tables with columns) that stand at another place.
    pub moved: BTreeSet<String>,
}

pub(super) async fn take(scratch: &Scratch, with_rows: bool) -> Result<Picture, Failure> {
    let folder = scratch.folder().join("rows");
    let cx = scratch.context();
    let mut sink = Sink::new(&folder)?;
    let into = with_rows.then_some(&mut sink);
    let definitions = match scratch.kind() {
        UrlKind::Postgresql => {
            let catalog = crate::postgres::picture(&cx, into).await?;
            // Others change roles of a shared server meanwhile.
            let is_private = scratch.isolation() == super::Isolation::Private;
            Definitions::Catalog(Box::new(if is_private { catalog } else { crate::postgres::local(catalog) }))
        }
        UrlKind::Mysql => crate::mysql::picture(&cx, into).await?,
        _ => crate::sqlite::picture(&cx, into)?,
    };
    Ok(Picture { definitions, tables: with_rows.then_some(sink.tables), folder })
}

impl Picture {
    /// How `now` differs from this. `but` are tables whose rows are not looked at.
    #[must_use]
    pub fn compare(&self, now: &Self, but: &BTreeSet<String>) -> Compared {
        let (mut verdict, mut lines, moved) = match (&self.definitions, &now.definitions) {
            (Definitions::Catalog(was), Definitions::Catalog(is)) => {
                let (verdict, lines) = match catalog::compare(was, is) {
                    catalog::Verdict::Exact => (Verdict::Exact, vec![]),
                    catalog::Verdict::ColumnOrder => (Verdict::ColumnOrder, vec![]),
                    catalog::Verdict::Different(lines) => (Verdict::Different, lines),
                };
                (verdict, lines, moved(was, is))
            }
            (Definitions::Texts(was), Definitions::Texts(is)) => texts(was, is),
            _ => {
                (Verdict::Different, vec!["the databases are of different kinds".to_owned()], BTreeSet::new())
            }
        };
        let mut tables = BTreeSet::new();
        if let (Some(was), Some(is)) = (&self.tables, &now.tables) {
            // A table that came or went is a difference of the definitions already.
            for (name, table) in was {
                let Some(other) = is.get(name).filter(|other| *other != table) else { continue };
                if but.contains(name) {
                    continue;
                }
                verdict = Verdict::Different;
                tables.insert(name.clone());
                lines.extend(self.rows(name, table, now, other));
            }
        }
        Compared { verdict, lines, tables, moved }
    }

    /// Rows of all tables.
    #[must_use]
    pub fn rows_all(&self) -> u64 {
        self.tables.iter().flat_map(BTreeMap::values).map(|table| table.rows).sum()
    }

    /// Rows of a table; `None`: there is no such table, or its rows were not read.
    #[must_use]
    pub fn rows_of(&self, table: &str) -> Option<u64> {
        Some(self.tables.as_ref()?.get(table)?.rows)
    }

    /// How the rows of a table differ.
    fn rows(&self, name: &str, was: &Table, now: &Self, is: &Table) -> Vec<String> {
        if was.columns != is.columns {
            return vec![format!("table {name}: its columns are others, so are its rows")];
        }
        let mut lines = vec![match was.rows == is.rows {
            true => format!("table {name}: some of its {} rows are different", is.rows),
            false => format!("table {name} has {} rows, had {}", is.rows, was.rows),
        }];
        if was.rows.max(is.rows) <= ROWS_MAX {
            match differing(self, was, now, is) {
                Ok((gone, new)) => lines.extend(shown(&was.columns, gone, new)),
                Err(error) => lines.push(format!("  which ones cannot be read: {error}")),
            }
        }
        lines
    }
}

/// Columns that stand at another place.
fn moved(was: &Catalog, is: &Catalog) -> BTreeSet<String> {
    let now = is.by_path();
    let place = |object: &catalog::Object| object.get("#position").to_owned();
    let other = |path: &String, object: &catalog::Object| {
        now.get(path).is_some_and(|now| place(now) != place(object))
    };
    was.by_path().into_iter().filter(|(path, object)| other(path, object)).map(|(path, _)| path).collect()
}

pub(crate) fn texts(
    was: &BTreeMap<String, String>,
    is: &BTreeMap<String, String>,
) -> (Verdict, Vec<String>, BTreeSet<String>) {
    let (mut lines, mut moved) = (vec![], BTreeSet::new());
    for (name, text) in was {
        match is.get(name) {
            None => lines.push(format!("{name} is missing")),
            Some(other) if name.starts_with("table ") && sorted(other) == sorted(text) => {
                if other != text {
                    moved.insert(name.clone());
                }
            }
            Some(other) if other != text => lines.push(format!("{name}: {}", changed(text, other))),
            Some(_) => {}
        }
    }
    lines.extend(
        is.keys().filter(|name| !was.contains_key(*name)).map(|name| format!("{name} was not there")),
    );
    let verdict = match (lines.is_empty(), !moved.is_empty()) {
        (false, _) => Verdict::Different,
        (true, true) => Verdict::ColumnOrder,
        (true, false) => Verdict::Exact,
    };
    (verdict, lines, moved)
}

/// The lines of a table, whatever their order.
fn sorted(text: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = text.lines().map(|line| line.trim_end_matches(',')).collect();
    lines.sort_unstable();
    lines
}

/// The first lines that differ.
fn changed(was: &str, is: &str) -> String {
    let lost: Vec<&str> = was.lines().filter(|line| !is.lines().any(|other| other == *line)).collect();
    let new: Vec<&str> = is.lines().filter(|line| !was.lines().any(|other| other == *line)).collect();
    match (lost.first(), new.first()) {
        (None, None) => "its lines are in another order".to_owned(),
        (Some(lost), None) => format!("`{}` is gone", one_line(lost, 160)),
        (None, Some(new)) => format!("`{}` was not there", one_line(new, 160)),
        (Some(lost), Some(new)) => format!("is `{}`, was `{}`", one_line(new, 160), one_line(lost, 160)),
    }
}

fn hash(row: &Row) -> u64 {
    let mut hasher = DefaultHasher::new();
    row.hash(&mut hasher);
    hasher.finish()
}

/// The first rows that are only in one of both.
fn differing(
    one: &Picture,
    was: &Table,
    other: &Picture,
    is: &Table,
) -> std::io::Result<(Vec<Row>, Vec<Row>)> {
    let mut counts: HashMap<u64, i64> = HashMap::new();
    spool::read(&one.folder, was, |row| {
        *counts.entry(hash(row)).or_default() += 1;
        true
    })?;
    let mut new = vec![];
    spool::read(&other.folder, is, |row| {
        let count = counts.entry(hash(row)).or_default();
        *count -= 1;
        if *count < 0 && new.len() < SAMPLES {
            new.push(row.clone());
        }
        true
    })?;
    let mut gone = vec![];
    spool::read(&one.folder, was, |row| {
        if let Some(count) = counts.get_mut(&hash(row)).filter(|count| **count > 0) {
            *count -= 1;
            gone.push(row.clone());
        }
        gone.len() < SAMPLES
    })?;
    Ok((gone, new))
}

/// Rows that have most values in common are the same row, changed.
fn shown(columns: &[String], gone: Vec<Row>, mut new: Vec<Row>) -> Vec<String> {
    let mut lines = vec![];
    for old in gone {
        let common = |row: &Row| row.iter().zip(&old).filter(|(a, b)| a == b).count();
        let nearest = (0..new.len()).max_by_key(|at| common(&new[*at])).filter(|at| common(&new[*at]) > 0);
        lines.push(match nearest {
            Some(at) => {
                let row = new.swap_remove(at);
                let same = columns.iter().zip(&row).zip(&old).filter(|((_, a), b)| a == b);
                let key =
                    same.map(|((column, value), _)| format!("{column} {}", value_text(value.as_deref())));
                let key = key.take(2).collect::<Vec<_>>().join(", ");
                let parts = columns.iter().zip(&row).zip(&old).filter(|((_, a), b)| a != b).map(
                    |((column, is), was)| {
                        format!(
                            "{column} is {}, was {}",
                            value_text(is.as_deref()),
                            value_text(was.as_deref())
                        )
                    },
                );
                format!("  row ({key}): {}", parts.take(3).collect::<Vec<_>>().join("; "))
            }
            None => format!("  row ({}) is missing", row_text(columns, &old)),
        });
    }
    lines.extend(new.iter().map(|row| format!("  row ({}) was not there", row_text(columns, row))));
    let more = lines.len().saturating_sub(SHOWN);
    lines.truncate(SHOWN);
    if more > 0 {
        lines.push(format!("  and {more} more at the least"));
    }
    lines
}

fn row_text(columns: &[String], row: &Row) -> String {
    let values = columns.iter().zip(row).take(4);
    values
        .map(|(column, value)| format!("{column} {}", value_text(value.as_deref())))
        .collect::<Vec<_>>()
        .join(", ")
}

fn value_text(value: Option<&[u8]>) -> String {
    match value {
        None => "NULL".to_owned(),
        Some(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => format!("`{}`", one_line(text, 40)),
            Err(_) => format!("<{} bytes>", bytes.len()),
        },
    }
}

/// A failure of a look at a copy.
pub(crate) fn unreadable(what: &str) -> Failure {
    failed(format!("the scratch copy cannot be read: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(folder: &std::path::Path, rows: &[[&str; 3]]) -> Picture {
        let mut sink = Sink::new(folder).unwrap();
        sink.table("t", ["a", "b", "id"].map(str::to_owned).to_vec()).unwrap();
        for row in rows {
            sink.row(&row.map(|value| Some(value.as_bytes().to_vec()))).unwrap();
        }
        sink.end().unwrap();
        let definitions = Definitions::Texts(BTreeMap::new());
        Picture { definitions, tables: Some(sink.tables), folder: folder.to_owned() }
    }

    #[test]
    fn what_differs_is_said_row_by_row() {
        let folder = crate::testing::folder();
        let was = picture(folder.path(), &[["x", "y", "1"], ["x", "z", "2"], ["p", "q", "3"]]);
        let is = picture(folder.path(), &[["x", "y", "1"], ["x", "changed", "2"], ["new", "new", "4"]]);
        let found = was.compare(&is, &BTreeSet::new());
        assert_eq!(found.verdict, Verdict::Different);
        let text = found.lines.join("\n");
        assert!(text.contains("row (a `x`, id `2`): b is `changed`, was `z`"), "{text}");
        assert!(text.contains("row (a `p`, b `q`, id `3`) is missing"), "{text}");
        assert!(text.contains("row (a `new`, b `new`, id `4`) was not there"), "{text}");
        let same = picture(folder.path(), &[["p", "q", "3"], ["x", "z", "2"], ["x", "y", "1"]]);
        assert_eq!(was.compare(&same, &BTreeSet::new()).verdict, Verdict::Exact);
        let but = ["t".to_owned()].into();
        assert_eq!(was.compare(&is, &but).verdict, Verdict::Exact);
    }

    #[test]
    fn texts_that_differ_are_said_line_by_line() {
        let one = [("table t".to_owned(), "a int,\nb text,\n".to_owned())].into();
        let other =
            [("table t".to_owned(), "a int,\nb varchar,\n".to_owned()), ("view v".into(), "x".into())].into();
        let (verdict, lines, _) = texts(&one, &other);
        assert_eq!(verdict, Verdict::Different);
        assert_eq!(lines, ["table t: is `b varchar,`, was `b text,`", "view v was not there"]);
    }
}
