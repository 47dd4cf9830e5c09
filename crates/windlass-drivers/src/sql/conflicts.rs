//! Rows that an undo leaves alone, because somebody has written to them since.

use super::{VALUE_MAX, aligned};
use crate::disk::{one_line, write_private};
use std::{fs, io, path::Path};

/// Conflicts shown in a message; all of them are in the file.
pub(super) const SHOWN: usize = 20;

/// One value that is no longer what the release wrote.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Conflict {
    pub(crate) table: String,
    /// `id=7`, or `a=1, b=2`.
    pub(crate) key: String,
    /// The column; empty where the whole row is meant.
    pub(crate) column: String,
    /// Before the release; `None` is NULL, or no such row.
    pub(crate) before: Option<String>,
    /// What the release wrote.
    pub(crate) wrote: Option<String>,
    /// What stands there now.
    pub(crate) now: Option<String>,
}

const HEAD: [&str; 6] = ["table", "key", "column", "before", "wrote", "now"];

impl Conflict {
    fn values(&self) -> [&str; 6] {
        [
            &self.table,
            &self.key,
            &self.column,
            self.before.as_deref().unwrap_or("NULL"),
            self.wrote.as_deref().unwrap_or("NULL"),
            self.now.as_deref().unwrap_or("NULL"),
        ]
    }

    /// Its line of the file.
    pub(super) fn line(&self) -> String {
        let field = |value: Option<&str>| value.map_or_else(String::new, quoted);
        let fields = [
            field(Some(&self.table)),
            field(Some(&self.key)),
            field(Some(&self.column)),
            field(self.before.as_deref()),
            field(self.wrote.as_deref()),
            field(self.now.as_deref()),
        ];
        fields.join(",") + "\r\n"
    }
}

/// The first line of the file.
pub(super) fn head() -> String {
    HEAD.join(",") + "\r\n"
}

/// The first conflicts as a table; `all` is how many there are.
pub(crate) fn table(conflicts: &[Conflict], all: u64) -> String {
    let head = HEAD.map(str::to_owned).to_vec();
    let row = |conflict: &Conflict| conflict.values().map(|value| one_line(value, VALUE_MAX)).to_vec();
    let rows: Vec<_> = std::iter::once(head).chain(conflicts.iter().take(SHOWN).map(row)).collect();
    aligned(&rows, all)
}

/// Writes all conflicts to `conflicts.csv` (RFC 4180, UTF-8) in `folder`, durably; `NULL` is an empty field, an empty
/// text is `""`. Values may be personal data, so the file is readable by its owner only.
pub(crate) fn write(conflicts: &[Conflict], folder: &Path) -> io::Result<std::path::PathBuf> {
    fs::create_dir_all(folder)?;
    let text = conflicts.iter().fold(head(), |text, conflict| text + &conflict.line());
    let path = folder.join("conflicts.csv");
    write_private(&path, text.as_bytes())?;
    Ok(path)
}

/// Reads what [`write`] wrote.
pub(crate) fn read(text: &str) -> Vec<Conflict> {
    let (mut rows, mut row, mut field) = (vec![], vec![], None::<String>);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' => {
                let value = field.get_or_insert_default();
                while let Some(c) = chars.next() {
                    match (c, chars.peek()) {
                        ('"', Some('"')) => value.extend(chars.next()),
                        ('"', _) => break,
                        _ => value.push(c),
                    }
                }
            }
            ',' => row.push(field.take()),
            '\r' => {}
            '\n' => {
                row.push(field.take());
                rows.push(std::mem::take(&mut row));
            }
            c => field.get_or_insert_default().push(c),
        }
    }
    let conflict = |row: Vec<Option<String>>| {
        let [table, key, column, before, wrote, now] = <[_; 6]>::try_from(row).ok()?;
        let text = Option::unwrap_or_default;
        Some(Conflict { table: text(table), key: text(key), column: text(column), before, wrote, now })
    };
    rows.into_iter().skip(1).filter_map(conflict).collect()
}

fn quoted(value: &str) -> String {
    if !value.is_empty() && !value.contains([',', '"', '\r', '\n']) {
        return value.to_owned();
    }
    format!("\"{}\"", value.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conflict(now: Option<&str>) -> Conflict {
        Conflict {
            table: "record".into(),
            key: "id=7".into(),
            column: "note".into(),
            before: None,
            wrote: Some("a, \"b\"".into()),
            now: now.map(str::to_owned),
        }
    }

    #[test]
    fn null_and_empty_text_are_told_apart_in_the_file() {
        let folder = crate::testing::folder();
        let file = write(&[conflict(None), conflict(Some(""))], folder.path()).unwrap();
        assert_eq!(
            fs::read_to_string(file).unwrap(),
            "table,key,column,before,wrote,now\r\nrecord,id=7,note,,\"a, \"\"b\"\"\",\r\n\
             record,id=7,note,,\"a, \"\"b\"\"\",\"\"\r\n"
        );
    }

    #[test]
    fn many_are_cut_in_the_table_and_counted() {
        let many = vec![conflict(Some("x")); 30];
        let text = table(&many, 30);
        assert!(text.contains("… 10 more rows") && text.ends_with("(30 rows)\n"), "{text}");
    }
}
