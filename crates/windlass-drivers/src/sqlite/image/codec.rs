//! Rows as bytes: each entry is followed by its length, so that a file of them is read from its end, newest first.

use rusqlite::{ToSql, types::ToSqlOutput, types::ValueRef};
use std::io;

/// One change of one row.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    /// Which table, as a position in the list of shapes.
    pub(crate) table: usize,
    pub(crate) change: Change,
}

/// What happened to a row; values in the order of the saved columns of its shape.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Change {
    /// It was made.
    Insert { row_id: i64, new: Vec<Stored> },
    /// It was removed.
    Delete { row_id: i64, old: Vec<Stored> },
    /// Some columns were changed.
    Update {
        old_row_id: i64,
        row_id: i64,
        /// What finds it afterwards: nothing (the row id), the key columns, or all saved columns.
        by: By,
        /// Position of the column, before, after.
        columns: Vec<(usize, Stored, Stored)>,
    },
}

/// What finds a changed row.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum By {
    /// The row id.
    RowId,
    /// The values of the key columns, after the change.
    Columns(Vec<Stored>),
    /// All saved values, after the change.
    Whole(Vec<Stored>),
}

/// A value exactly as SQLite stores it; text may be no valid UTF-8.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Stored {
    Null,
    Integer(i64),
    Real(u64),
    Text(Vec<u8>),
    Blob(Vec<u8>),
}

impl Stored {
    pub(crate) fn value(&self) -> ValueRef<'_> {
        match self {
            Self::Null => ValueRef::Null,
            Self::Integer(number) => ValueRef::Integer(*number),
            Self::Real(bits) => ValueRef::Real(f64::from_bits(*bits)),
            Self::Text(text) => ValueRef::Text(text),
            Self::Blob(blob) => ValueRef::Blob(blob),
        }
    }

    /// For people; `None` is NULL.
    pub(crate) fn show(&self) -> Option<String> {
        show(self.value())
    }
}

impl From<ValueRef<'_>> for Stored {
    fn from(value: ValueRef<'_>) -> Self {
        match value {
            ValueRef::Null => Self::Null,
            ValueRef::Integer(number) => Self::Integer(number),
            ValueRef::Real(number) => Self::Real(number.to_bits()),
            ValueRef::Text(text) => Self::Text(text.to_vec()),
            ValueRef::Blob(blob) => Self::Blob(blob.to_vec()),
        }
    }
}

impl ToSql for Stored {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(self.value()))
    }
}

/// A value for people; `None` is NULL.
pub(crate) fn show(value: ValueRef<'_>) -> Option<String> {
    match value {
        ValueRef::Null => None,
        ValueRef::Integer(number) => Some(number.to_string()),
        ValueRef::Real(number) => Some(number.to_string()),
        ValueRef::Text(text) => Some(String::from_utf8_lossy(text).into_owned()),
        ValueRef::Blob(blob) => Some(format!("x'{}'", crate::disk::hex(blob))),
    }
}

/// Whether two values are the same to the last bit.
pub(crate) fn same(a: ValueRef<'_>, b: ValueRef<'_>) -> bool {
    match (a, b) {
        (ValueRef::Real(a), ValueRef::Real(b)) => a.to_bits() == b.to_bits(),
        (a, b) => a == b,
    }
}

pub(crate) const INSERT: u8 = 1;
pub(crate) const DELETE: u8 = 2;
pub(crate) const UPDATE: u8 = 3;
pub(crate) const BY_ROW_ID: u64 = 0;
pub(crate) const BY_COLUMNS: u64 = 1;
pub(crate) const BY_WHOLE: u64 = 2;

/// A number in as few bytes as it needs (LEB128).
pub(crate) fn put_number(to: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        to.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    to.push(number.to_le_bytes()[0]);
}

/// A signed number; small ones of either sign are short (zigzag).
pub(crate) fn put_signed(to: &mut Vec<u8>, number: i64) {
    put_number(to, ((number << 1) ^ (number >> 63)).cast_unsigned());
}

pub(crate) fn put_value(to: &mut Vec<u8>, value: ValueRef<'_>) {
    let bytes = |to: &mut Vec<u8>, kind: u8, bytes: &[u8]| {
        to.push(kind);
        put_number(to, bytes.len() as u64);
        to.extend_from_slice(bytes);
    };
    match value {
        ValueRef::Null => to.push(0),
        ValueRef::Integer(number) => {
            to.push(1);
            put_signed(to, number);
        }
        ValueRef::Real(number) => {
            to.push(2);
            to.extend_from_slice(&number.to_bits().to_le_bytes());
        }
        ValueRef::Text(text) => bytes(to, 3, text),
        ValueRef::Blob(blob) => bytes(to, 4, blob),
    }
}

/// Reads what the functions above have put.
struct Reader<'a>(&'a [u8]);

fn damaged() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the saved rows are damaged")
}

impl<'a> Reader<'a> {
    fn bytes(&mut self, count: usize) -> io::Result<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(count).ok_or_else(damaged)?;
        self.0 = rest;
        Ok(head)
    }

    fn byte(&mut self) -> io::Result<u8> {
        Ok(self.bytes(1)?[0])
    }

    fn number(&mut self) -> io::Result<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(damaged())
    }

    fn size(&mut self) -> io::Result<usize> {
        usize::try_from(self.number()?).map_err(|_| damaged())
    }

    fn signed(&mut self) -> io::Result<i64> {
        let number = self.number()?;
        Ok((number >> 1).cast_signed() ^ -(number & 1).cast_signed())
    }

    fn value(&mut self) -> io::Result<Stored> {
        Ok(match self.byte()? {
            0 => Stored::Null,
            1 => Stored::Integer(self.signed()?),
            2 => Stored::Real(u64::from_le_bytes(self.bytes(8)?.try_into().map_err(|_| damaged())?)),
            3 => {
                let size = self.size()?;
                Stored::Text(self.bytes(size)?.to_vec())
            }
            4 => {
                let size = self.size()?;
                Stored::Blob(self.bytes(size)?.to_vec())
            }
            _ => return Err(damaged()),
        })
    }

    fn values(&mut self) -> io::Result<Vec<Stored>> {
        let count = self.size()?;
        (0..count).map(|_| self.value()).collect()
    }
}

/// The entry in `bytes`.
pub(crate) fn read(bytes: &[u8]) -> io::Result<Entry> {
    let mut reader = Reader(bytes);
    let kind = reader.byte()?;
    let table = reader.size()?;
    let change = match kind {
        INSERT => Change::Insert { row_id: reader.signed()?, new: reader.values()? },
        DELETE => Change::Delete { row_id: reader.signed()?, old: reader.values()? },
        UPDATE => {
            let (old_row_id, row_id) = (reader.signed()?, reader.signed()?);
            let by = match reader.number()? {
                BY_ROW_ID => By::RowId,
                BY_COLUMNS => By::Columns(reader.values()?),
                BY_WHOLE => By::Whole(reader.values()?),
                _ => return Err(damaged()),
            };
            let count = reader.size()?;
            let column = |reader: &mut Reader<'_>| Ok((reader.size()?, reader.value()?, reader.value()?));
            let columns = (0..count).map(|_| column(&mut reader)).collect::<io::Result<_>>()?;
            Change::Update { old_row_id, row_id, by, columns }
        }
        _ => return Err(damaged()),
    };
    if reader.0.is_empty() { Ok(Entry { table, change }) } else { Err(damaged()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_all_sizes_come_back() {
        for number in [0, 1, -1, 63, -64, 64, 127, 128, i64::MAX, i64::MIN] {
            let mut bytes = vec![];
            put_signed(&mut bytes, number);
            assert_eq!(Reader(&bytes).signed().unwrap(), number);
        }
    }

    #[test]
    fn damaged_entries_are_errors_and_no_panics() {
        let mut bytes = vec![UPDATE];
        [0, 2, 2, BY_COLUMNS, 1].iter().for_each(|number| put_number(&mut bytes, *number));
        put_value(&mut bytes, ValueRef::Text(b"\xff"));
        put_number(&mut bytes, 1);
        put_number(&mut bytes, 0);
        put_value(&mut bytes, ValueRef::Null);
        put_value(&mut bytes, ValueRef::Real(-0.0));
        let Entry { change: Change::Update { columns, by, .. }, .. } = read(&bytes).unwrap() else {
            panic!()
        };
        assert_eq!(by, By::Columns(vec![Stored::Text(vec![0xff])]));
        assert_eq!(columns, [(0, Stored::Null, Stored::Real((-0.0_f64).to_bits()))]);
        for at in 0..bytes.len() {
            assert!(read(&bytes[..at]).is_err());
            for bit in 0..8 {
                let mut other = bytes.clone();
                other[at] ^= 1 << bit;
                let _ = read(&other);
            }
        }
    }
}
