//! Events of a dump of MySQL or MariaDB, left out on its way into a scratch database: the server would run them there as soon as
//! they are made.

use std::io::{self, Write};

/// How a dump program begins the line that makes an event, before `DEFINER` and the word itself. Rows are not taken for it: they stand
/// on lines of their own statements, their line ends escaped.
const CREATE: &[u8] = b"/*!50106 CREATE*/";
/// How it sets what ends a statement, which no body that follows holds.
const DELIMITER: &[u8] = b"DELIMITER ";
/// Longest delimiter that is known to be used.
const DELIMITER_MAX: usize = 64;

/// What hands on all but events to `sink`.
pub(super) struct WithoutEvents<W> {
    sink: W,
    /// The beginning of a line, as long as it may be one of those above.
    begun: Vec<u8>,
    delimiter: Vec<u8>,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// At the beginning of a line.
    Begin,
    /// Inside of a line that is handed on.
    Line,
    /// Inside of the line that sets the delimiter.
    Delimiter,
    /// Inside of an event.
    Event,
}

impl<W: Write> WithoutEvents<W> {
    pub(super) fn new(sink: W) -> Self {
        Self { sink, begun: vec![], delimiter: b";".to_vec(), state: State::Begin }
    }

    /// Takes one more byte of what may be the beginning of a special line.
    fn begin(&mut self, byte: u8) -> io::Result<()> {
        self.begun.push(byte);
        let begun = self.begun.as_slice();
        if begun == CREATE {
            self.begun.clear();
            self.state = State::Event;
        } else if begun == DELIMITER {
            self.sink.write_all(&self.begun)?;
            self.begun.clear();
            self.delimiter.clear();
            self.state = State::Delimiter;
        } else if !CREATE.starts_with(begun) && !DELIMITER.starts_with(begun) {
            self.sink.write_all(&self.begun)?;
            self.begun.clear();
            self.state = if byte == b'\n' { State::Begin } else { State::Line };
        }
        Ok(())
    }

    /// Takes one more byte of the line that sets the delimiter.
    fn delimiter(&mut self, byte: u8) -> io::Result<()> {
        if byte == b'\n' {
            self.delimiter.truncate(self.delimiter.trim_ascii_end().len());
            self.state = State::Begin;
        } else if self.delimiter.len() < DELIMITER_MAX {
            self.delimiter.push(byte);
        }
        self.sink.write_all(&[byte])
    }

    /// Takes one more byte of an event, which ends with its delimiter.
    fn event(&mut self, byte: u8) {
        self.begun.push(byte);
        if self.begun.ends_with(&self.delimiter) {
            self.begun.clear();
            self.state = State::Line;
        } else if self.begun.len() > 2 * DELIMITER_MAX {
            self.begun.drain(..DELIMITER_MAX);
        }
    }
}

impl<W: Write> Write for WithoutEvents<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut rest = bytes;
        while let [byte, tail @ ..] = rest {
            match self.state {
                State::Begin => self.begin(*byte)?,
                State::Delimiter => self.delimiter(*byte)?,
                State::Event => self.event(*byte),
                State::Line => {
                    let end = memchr::memchr(b'\n', rest).map_or(rest.len(), |at| at + 1);
                    self.sink.write_all(&rest[..end])?;
                    self.state = if rest[end - 1] == b'\n' { State::Begin } else { State::Line };
                    rest = &rest[end..];
                    continue;
                }
            }
            rest = tail;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.sink.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_left_out_and_nothing_else_wherever_the_pieces_end() {
        let dump = "INSERT INTO `t` VALUES (1,'/*!50106 CREATE*/\\nDELIMITER x');\n/*!50106 SET @a= 1 */ ;\nDELIMITER ;;\n\
                    /*!50106 CREATE*/ /*!50117 DEFINER=`r`@`%`*/ /*!50106 EVENT `e` ON SCHEDULE EVERY 1 DAY DO BEGIN\n  DELETE FROM t;\n\
                    DELIMITED;\nEND */ ;;\nDELIMITER $$\n/*!50106 CREATE*/ /*!50106 EVENT `f` DO SELECT ';;' */ $$\nDELIMITER ;\n\n\
                    -- Dump completed";
        let left = "INSERT INTO `t` VALUES (1,'/*!50106 CREATE*/\\nDELIMITER x');\n/*!50106 SET @a= 1 */ ;\nDELIMITER ;;\n\nDELIMITER $$\n\n\
                    DELIMITER ;\n\n-- Dump completed";
        for size in 1..dump.len() {
            let mut sink = WithoutEvents::new(vec![]);
            dump.as_bytes().chunks(size).for_each(|piece| sink.write_all(piece).unwrap());
            assert_eq!(String::from_utf8(sink.sink).unwrap(), left, "in pieces of {size}");
        }
    }
}
