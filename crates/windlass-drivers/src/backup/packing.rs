//! Packing on a thread of its own: who takes the rows from the database waits neither for zstd nor for the disk.

use super::{
    pack::{Packed, Packer},
    pump::CHUNK,
};
use std::{
    io::{self, Write},
    sync::mpsc::{Receiver, SyncSender, TryRecvError, channel, sync_channel},
    thread::{self, JoinHandle},
};

/// Most pieces on their way, of [`CHUNK`] bytes each.
const PIECES: usize = 8;

/// What the thread is handed.
enum Piece {
    Bytes(Vec<u8>),
    /// That was all. Without it what came is no backup.
    End,
}

/// A [`Packer`] at work. One that is dropped has ended, and what it wrote is good for nothing.
pub(super) struct Packing {
    filling: Vec<u8>,
    /// `None`: it has ended.
    pieces: Option<SyncSender<Piece>>,
    /// Empty ones, to be filled again.
    spare: Receiver<Vec<u8>>,
    worker: Option<JoinHandle<io::Result<Packed>>>,
}

impl Packing {
    pub(super) fn start(mut packer: Packer) -> io::Result<Self> {
        let (pieces, work) = sync_channel(PIECES);
        let (emptied, spare) = channel();
        let worker = thread::Builder::new().name("packing".to_owned()).spawn(move || {
            loop {
                match work.recv() {
                    Ok(Piece::Bytes(mut piece)) => {
                        packer.write_all(&piece)?;
                        piece.clear();
                        // Nobody takes it: the other side is at its end.
                        let _ = emptied.send(piece);
                    }
                    Ok(Piece::End) => return packer.finish(),
                    Err(_) => return Err(io::Error::other("given up")),
                }
            }
        })?;
        Ok(Self { filling: Vec::with_capacity(CHUNK), pieces: Some(pieces), spare, worker: Some(worker) })
    }

    /// All of it is durable, and under its name, when this returns.
    pub(super) fn finish(mut self) -> io::Result<Packed> {
        self.flush()?;
        self.hand(Piece::End)?;
        self.ended()
    }

    fn hand(&mut self, piece: Piece) -> io::Result<()> {
        match self.pieces.as_ref().map(|pieces| pieces.send(piece)) {
            Some(Ok(())) => Ok(()),
            // It takes no more: it has an error of its own.
            _ => self.ended().and(Err(io::ErrorKind::BrokenPipe.into())),
        }
    }

    fn ended(&mut self) -> io::Result<Packed> {
        self.pieces = None;
        let worker = self.worker.take().ok_or(io::ErrorKind::BrokenPipe)?;
        worker.join().unwrap_or_else(|_| Err(io::Error::other("the packing thread has panicked")))
    }
}

impl Write for Packing {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let taken = data.len().min(CHUNK - self.filling.len());
        self.filling.extend_from_slice(&data[..taken]);
        if self.filling.len() == CHUNK {
            self.flush()?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.filling.is_empty() {
            return Ok(());
        }
        let next = match self.spare.try_recv() {
            Ok(piece) => piece,
            Err(TryRecvError::Empty | TryRecvError::Disconnected) => Vec::with_capacity(CHUNK),
        };
        let full = std::mem::replace(&mut self.filling, next);
        self.hand(Piece::Bytes(full))
    }
}

impl Drop for Packing {
    fn drop(&mut self) {
        let _ = self.ended();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        backup::{Recipients, draft::Incoming},
        testing::wait_until,
    };
    use rustix::fs::{CWD, FileType, Mode, OFlags, mknodat, open};
    use std::{
        fs::File,
        io::Read as _,
        sync::atomic::{AtomicUsize, Ordering},
    };

    /// A disk that takes nothing holds up the reader only when the queue is full.
    #[test]
    fn a_slow_disk_is_not_waited_for_until_the_queue_is_full() {
        static WRITTEN: AtomicUsize = AtomicUsize::new(0);
        let folder = crate::testing::folder();
        let path = folder.path().join("pipe");
        mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        let mut disk = File::from(open(&path, OFlags::RDONLY | OFlags::NONBLOCK, Mode::empty()).unwrap());
        let file = File::options().write(true).open(&path).unwrap();
        let incoming = Incoming::File { file, path: path.clone(), temporary: path.clone() };
        let packer = Packer::new(incoming, &Recipients::default()).unwrap();
        let writing = thread::spawn(move || {
            let mut packing = Packing::start(packer).unwrap();
            // What zstd makes no smaller.
            let (mut noise, mut random) = (vec![0; CHUNK], File::open("/dev/urandom").unwrap());
            for _ in 0..PIECES * 4 {
                random.read_exact(&mut noise).unwrap();
                packing.write_all(&noise).unwrap();
                WRITTEN.fetch_add(1, Ordering::SeqCst);
            }
            // A pipe cannot be brought to the disk.
            packing.finish().map(|_| ())
        });
        wait_until("the queue is full", || WRITTEN.load(Ordering::SeqCst) >= PIECES);
        assert!(WRITTEN.load(Ordering::SeqCst) <= PIECES + 3, "more is in memory than the queue holds");
        let mut stored = 0;
        while !writing.is_finished() {
            stored += disk.read(&mut vec![0; CHUNK]).unwrap_or(0);
        }
        assert_eq!(WRITTEN.load(Ordering::SeqCst), PIECES * 4);
        assert!(stored > 0 && writing.join().unwrap().is_err());
    }
}
