//! Rows of tables on their way to a digest and a file. A file has the digest of its rows as its name, so that a table which did
//! not change between two pictures is kept once.

use super::failed;
use crate::disk::{hex, human_bytes, room_for};
use sha2::{Digest as _, Sha256};
use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, BufReader, BufWriter, Read as _, Write as _},
    path::{Path, PathBuf},
};
use windlass_driver::Failure;

/// Level of zstd: the fastest.
const LEVEL: i32 = 1;
/// Room that has to be there before a table is written, bytes.
const ROOM: u64 = 64 * 1024 * 1024;

/// A row: values as the database writes them, `None` is null, in the order of the table's columns.
pub(crate) type Row = Vec<Option<Vec<u8>>>;

/// The rows of a table at one moment, without their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Table {
    /// Columns, sorted: their order is no part of a row.
    pub(crate) columns: Vec<String>,
    /// How many rows.
    pub(crate) rows: u64,
    /// The sum of the hashes of all rows (SHA-256 each, added modulo 2^256), behind that of the columns.
    pub(crate) digest: String,
}

/// Takes tables in.
pub(crate) struct Sink {
    folder: PathBuf,
    pub(crate) tables: BTreeMap<String, Table>,
    open: Option<Open>,
    buffer: Vec<u8>,
}

struct Open {
    name: String,
    columns: Vec<String>,
    rows: u64,
    sum: [u64; 4],
    file: zstd::stream::write::Encoder<'static, BufWriter<File>>,
}

impl Sink {
    /// Files go into `folder`.
    pub(crate) fn new(folder: &Path) -> Result<Self, Failure> {
        fs::create_dir_all(folder).map_err(|error| broken(folder, &error))?;
        Ok(Self { folder: folder.to_owned(), tables: BTreeMap::new(), open: None, buffer: vec![] })
    }

    fn temporary(&self) -> PathBuf {
        self.folder.join("new.tmp")
    }

    /// Begins a table.
    pub(crate) fn table(&mut self, name: &str, columns: Vec<String>) -> Result<(), Failure> {
        debug_assert!(columns.is_sorted(), "rows are compared by the names of their columns");
        room_for(ROOM, &self.folder).map_err(|error| broken(&self.folder, &error))?;
        let path = self.temporary();
        let open = || zstd::stream::write::Encoder::new(BufWriter::new(File::create(&path)?), LEVEL);
        let file = open().map_err(|error| broken(&path, &error))?;
        self.open = Some(Open { name: name.to_owned(), columns, rows: 0, sum: [0; 4], file });
        Ok(())
    }

    /// A row of it.
    pub(crate) fn row(&mut self, values: &[Option<Vec<u8>>]) -> Result<(), Failure> {
        self.buffer.clear();
        for value in values {
            // Length and content, so that no two rows look the same.
            let length = value.as_ref().map_or(u64::MAX, |value| value.len() as u64);
            self.buffer.extend_from_slice(&length.to_le_bytes());
            self.buffer.extend_from_slice(value.as_deref().unwrap_or_default());
        }
        let open = self.open.as_mut().expect("a row belongs to a table that was begun");
        add(&mut open.sum, &Sha256::digest(&self.buffer));
        open.rows += 1;
        open.file.write_all(&self.buffer).map_err(|error| broken(&self.folder, &error))
    }

    /// Ends it.
    pub(crate) fn end(&mut self) -> Result<(), Failure> {
        let Open { name, columns, rows, sum, file } = self.open.take().expect("a table that ends was begun");
        let heads = Sha256::digest(columns.join("\u{0}").as_bytes());
        let sum: Vec<u8> = sum.iter().flat_map(|part| part.to_be_bytes()).collect();
        let digest = format!("{}{}", hex(&heads[..8]), hex(&sum));
        let path = self.folder.join(&digest);
        let finish = || {
            file.finish()?.flush()?;
            if path.exists() {
                fs::remove_file(self.temporary())
            } else {
                fs::rename(self.temporary(), &path)
            }
        };
        finish().map_err(|error: io::Error| broken(&path, &error))?;
        self.tables.insert(name, Table { columns, rows, digest });
        Ok(())
    }
}

fn broken(path: &Path, error: &io::Error) -> Failure {
    failed(format!("the rows of the copy cannot be kept for a comparison in {}: {error}", path.display()))
        .hint(format!("{} and more have to be free there", human_bytes(ROOM)))
}

fn add(sum: &mut [u64; 4], hash: &[u8]) {
    let mut carry = false;
    for (part, bytes) in sum.iter_mut().rev().zip(hash.rchunks_exact(8)) {
        let number = u64::from_be_bytes(bytes.try_into().expect("eight bytes"));
        let (with, over) = part.overflowing_add(number);
        let (with, more) = with.overflowing_add(u64::from(carry));
        (*part, carry) = (with, over || more);
    }
}

/// Calls `each` with the rows of a table that was taken in.
pub(super) fn read(folder: &Path, table: &Table, mut each: impl FnMut(&Row) -> bool) -> io::Result<()> {
    let file = File::open(folder.join(&table.digest))?;
    let mut input = BufReader::new(zstd::stream::read::Decoder::new(file)?);
    let mut row: Row = vec![];
    for _ in 0..table.rows {
        row.clear();
        for _ in &table.columns {
            let mut length = [0; 8];
            input.read_exact(&mut length)?;
            let length = u64::from_le_bytes(length);
            if length == u64::MAX {
                row.push(None);
                continue;
            }
            let mut value = vec![];
            input.by_ref().take(length).read_to_end(&mut value)?;
            row.push(Some(value));
        }
        if !each(&row) {
            break;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(sink: &mut Sink, rows: &[&[Option<&str>]]) -> Table {
        sink.table("t", vec!["a".into(), "b".into()]).unwrap();
        for row in rows {
            let row: Row = row.iter().map(|value| value.map(|text| text.as_bytes().to_vec())).collect();
            sink.row(&row).unwrap();
        }
        sink.end().unwrap();
        sink.tables["t"].clone()
    }

    #[test]
    fn the_digest_is_of_the_rows_and_not_of_their_order() {
        let folder = crate::testing::folder();
        let mut sink = Sink::new(folder.path()).unwrap();
        let one = table(&mut sink, &[&[Some("1"), None], &[Some("2"), Some("")]]);
        let turned = table(&mut sink, &[&[Some("2"), Some("")], &[Some("1"), None]]);
        assert_eq!(one, turned);
        for other in [
            &[&[Some("1"), Some("")][..], &[Some("2"), Some("")]][..],
            &[&[Some("1"), None], &[Some("2"), Some("")], &[Some("2"), Some("")]],
            &[&[Some("1"), None]],
            &[&[Some("12"), None], &[Some(""), Some("")]],
        ] {
            assert_ne!(table(&mut sink, other), one);
        }
        let mut rows = vec![];
        read(folder.path(), &one, |row| {
            rows.push(row.clone());
            true
        })
        .unwrap();
        assert_eq!(rows, [vec![Some(b"1".to_vec()), None], vec![Some(b"2".to_vec()), Some(vec![])]]);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 5, "the same rows are kept once");
    }

    #[test]
    fn sums_carry() {
        let mut sum = [0, 0, u64::MAX, u64::MAX];
        let mut hash = [0; 32];
        hash[31] = 1;
        add(&mut sum, &hash);
        assert_eq!(sum, [0, 1, 0, 0]);
    }
}
