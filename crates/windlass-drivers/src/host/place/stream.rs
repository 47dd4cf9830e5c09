//! What comes from a program on a host, between a first and a last line of ours.

use std::{fs::File, io::Write as _, path::Path};

/// First line: what stands before it was printed by the login shell.
const BEGIN: &[u8] = b"windlass:begin\n";
/// So much of that is kept: it may say why there is no first line.
const BEFORE_BYTES_MAX: usize = 1024;

/// One stream of a program.
pub(super) struct Stream {
    /// Of the last line, `TOKEN:NNN` behind a line end.
    end: Vec<u8>,
    /// What came and is not known to be output.
    held: Vec<u8>,
    begun: bool,
    /// How the program ended, once the last line came.
    status: Option<i32>,
    sink: Sink,
}

/// Where output goes.
pub(super) struct Sink {
    kept: Vec<u8>,
    bytes_max: usize,
    cut: bool,
    file: Option<File>,
}

impl Sink {
    /// Keeps so many bytes.
    pub(super) fn keep(bytes_max: usize) -> Self {
        Self { kept: vec![], bytes_max, cut: false, file: None }
    }

    /// Writes all into a file.
    pub(super) fn file(path: &Path) -> std::io::Result<Self> {
        Ok(Self { file: Some(File::create(path)?), ..Self::keep(0) })
    }

    /// Takes output.
    pub(super) fn push(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        if let Some(file) = &mut self.file {
            return file.write_all(bytes);
        }
        let room = self.bytes_max - self.kept.len();
        self.kept.extend_from_slice(&bytes[..bytes.len().min(room)]);
        self.cut |= bytes.len() > room;
        Ok(())
    }

    /// What was kept, and whether more came.
    pub(super) fn done(self) -> (Vec<u8>, bool) {
        (self.kept, self.cut)
    }
}

impl Stream {
    pub(super) fn new(token: &str, sink: Sink) -> Self {
        let end = format!("\n{token}:").into_bytes();
        Self { end, held: vec![], begun: false, status: None, sink }
    }

    /// Takes what came; whether more is expected.
    pub(super) fn push(&mut self, bytes: &[u8]) -> std::io::Result<bool> {
        if self.status.is_some() {
            return Ok(false);
        }
        self.held.extend_from_slice(bytes);
        if !self.begun {
            match memchr::memmem::find(&self.held, BEGIN) {
                Some(at) => {
                    self.held.drain(..at + BEGIN.len());
                    self.begun = true;
                }
                None => {
                    // Bounded, whatever a login shell prints.
                    let over = self.held.len().saturating_sub(BEFORE_BYTES_MAX);
                    self.held.drain(..over);
                    return Ok(true);
                }
            }
        }
        // A status of three digits and a line end.
        let whole = self.end.len() + 4;
        if let Some(at) = memchr::memmem::find(&self.held, &self.end) {
            if self.held.len() < at + whole {
                return Ok(true);
            }
            let digits = &self.held[at + self.end.len()..at + whole - 1];
            self.status = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok());
            let output = std::mem::take(&mut self.held);
            self.sink.push(&output[..at])?;
            return Ok(false);
        }
        let safe = self.held.len().saturating_sub(self.end.len() - 1);
        self.sink.push(&self.held[..safe])?;
        self.held.drain(..safe);
        Ok(true)
    }

    /// The script there has begun.
    pub(super) fn has_begun(&self) -> bool {
        self.begun
    }

    /// How the program ended, once that was said.
    pub(super) fn status(&self) -> Option<i32> {
        self.status
    }

    /// What came outside of output last, for people.
    pub(super) fn rest(&self) -> String {
        crate::disk::one_line(&String::from_utf8_lossy(&self.held), 300)
    }

    /// What came of the program.
    pub(super) fn into_sink(self) -> Sink {
        self.sink
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever comes together, all of the output is there and nothing else.
    #[test]
    fn output_in_pieces_of_any_size() {
        let said = b"motd\nwindlass:begin\nline\n\ntok:\nno end\ntoken:007\nlater";
        for size in 1..=said.len() {
            let mut stream = Stream::new("token", Sink::keep(1000));
            for piece in said.chunks(size) {
                stream.push(piece).unwrap();
            }
            assert_eq!(stream.status(), Some(7), "pieces of {size}");
            assert_eq!(
                stream.into_sink().done(),
                (b"line\n\ntok:\nno end".to_vec(), false),
                "pieces of {size}"
            );
        }
    }

    #[test]
    fn what_is_kept_has_a_bound() {
        let mut stream = Stream::new("token", Sink::keep(4));
        assert!(stream.push(b"windlass:begin\nsixsix\ntok").unwrap());
        assert_eq!(stream.status(), None);
        assert!(!stream.push(b"en:000\n").unwrap());
        assert_eq!(stream.into_sink().done(), (b"sixs".to_vec(), true));
    }
}
