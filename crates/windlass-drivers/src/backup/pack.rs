//! The file of a backup: compressed, sealed if it is to be, and hashed while it is written; proven whole before it is used.

use super::{
    Identities, Manifest, Recipients, Shelf, Source, bucket,
    draft::Incoming,
    failed,
    pump::{CHUNK, Ending},
    seal::Foreign,
};
use crate::disk::hex;
use age::stream::StreamWriter;
use sha2::{Digest as _, Sha256};
use std::io::{self, BufReader, Read, Write};
use windlass_driver::Failure;
use windlass_plan::UrlKind;
use windlass_s3::Kind;
use zstd::stream::{read::Decoder, write::Encoder};

/// Level of zstd: its own default, faster than the dump programs write.
const LEVEL: i32 = 3;

/// A file of a backup that was written.
pub(super) struct Packed {
    /// Bytes before compression.
    pub(super) bytes: u64,
    /// Bytes of the file.
    pub(super) stored: u64,
    /// SHA-256 of the file.
    pub(super) sha256: String,
}

/// Compresses, seals and hashes on the way to a file.
pub(super) struct Packer {
    encoder: Encoder<'static, Envelope>,
    bytes: u64,
}

enum Envelope {
    Open(Hashed<Incoming>),
    Sealed(Box<StreamWriter<Hashed<Incoming>>>),
}

impl Packer {
    pub(super) fn new(incoming: Incoming, recipients: &Recipients) -> io::Result<Self> {
        let file = Hashed::new(incoming);
        let envelope = match recipients.is_empty() {
            true => Envelope::Open(file),
            false => Envelope::Sealed(Box::new(recipients.seal(file)?)),
        };
        let mut encoder = Encoder::new(envelope, LEVEL)?;
        encoder.include_checksum(true)?;
        Ok(Self { encoder, bytes: 0 })
    }

    /// All of it is durable, and under its name, when this returns.
    pub(super) fn finish(self) -> io::Result<Packed> {
        let Hashed { inner, hasher, bytes: stored } = match self.encoder.finish()? {
            Envelope::Open(file) => file,
            Envelope::Sealed(sealed) => sealed.finish()?,
        };
        inner.finish()?;
        Ok(Packed { bytes: self.bytes, stored, sha256: hex(&hasher.finalize()) })
    }
}

impl Write for Envelope {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        match self {
            Self::Open(file) => file.write(data),
            Self::Sealed(sealed) => sealed.write(data),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Open(file) => file.flush(),
            Self::Sealed(sealed) => sealed.flush(),
        }
    }
}

impl Write for Packer {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let written = self.encoder.write(data)?;
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.encoder.flush()
    }
}

/// Hashes what passes.
struct Hashed<T> {
    inner: T,
    hasher: Sha256,
    bytes: u64,
}

impl<T> Hashed<T> {
    fn new(inner: T) -> Self {
        Self { inner, hasher: Sha256::new(), bytes: 0 }
    }

    fn passed(&mut self, data: &[u8]) {
        self.hasher.update(data);
        self.bytes += data.len() as u64;
    }

    fn sha256(self) -> String {
        hex(&self.hasher.finalize())
    }
}

impl<T: Write> Write for Hashed<T> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(data)?;
        self.passed(&data[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<T: Read> Read for Hashed<T> {
    fn read(&mut self, data: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(data)?;
        self.passed(&data[..read]);
        Ok(read)
    }
}

/// A backup where it lies, and what opens it.
pub struct Data<'a> {
    shelf: &'a Shelf,
    pub(crate) manifest: &'a Manifest,
    identities: Option<&'a Identities>,
}

impl<'a> Data<'a> {
    /// The backup that `manifest` describes. Without identities one that is encrypted cannot be opened.
    #[must_use]
    pub fn new(shelf: &'a Shelf, manifest: &'a Manifest, identities: Option<&'a Identities>) -> Self {
        Self { shelf, manifest, identities }
    }

    /// Its file, for people.
    pub(crate) fn shown(&self) -> String {
        self.shelf.shown_file(&self.manifest.file)
    }

    fn file(&self) -> io::Result<Box<dyn Read>> {
        self.shelf.open(&self.manifest.file)
    }

    /// Fails if `source` is of another kind.
    pub(crate) fn is_of(&self, source: &Source) -> Result<(), Failure> {
        match self.manifest.kind == source.kind {
            true => Ok(()),
            false => Err(failed("the backup is of another kind of database; nothing was done")),
        }
    }

    /// Fails if it is sealed and nobody said by what it can be opened.
    fn openable(&self) -> Result<(), Failure> {
        let recipients = &self.manifest.recipients;
        if recipients.is_empty() || self.identities.is_some() {
            return Ok(());
        }
        let name = &self.manifest.name;
        Err(failed(format!("{name} is encrypted for {}; nothing was done", recipients.join(", ")))
            .hint("say the same once more with the file of a private key of theirs: `--identity FILE`"))
    }

    /// The file is what was written, by its hash; nothing of it is opened.
    pub(super) fn untouched(&self) -> Result<(), Failure> {
        let hashed = self.file().map(Hashed::new).and_then(|mut file| {
            drained(&mut file)?;
            Ok(file.sha256())
        });
        let sha256 = hashed.map_err(|error| self.unread(&error, "; nothing was done"))?;
        self.matches(&sha256, "; nothing was done")
    }

    /// The file is what was written, and can be opened. That what was written is a whole dump was seen when it was made, and is
    /// seen once more by [`Data::pour`].
    pub(crate) fn undamaged(&self) -> Result<(), Failure> {
        self.openable()?;
        let unread = |error: &io::Error| self.unread(error, "; nothing was done");
        let mut file = Hashed::new(self.file().map_err(|error| unread(&error))?);
        let opened = self.unpack(&mut file).and_then(|mut input| input.read(&mut [0]));
        drained(&mut file).map_err(|error| unread(&error))?;
        self.matches(&file.sha256(), "; nothing was done")?;
        opened.map(drop).map_err(|error| match error.get_ref() {
            Some(foreign) if foreign.is::<Foreign>() => {
                let (name, recipients) = (&self.manifest.name, self.manifest.recipients.join(", "));
                failed(format!("{name} is encrypted for {recipients}: {foreign}; nothing was done"))
            }
            _ => unread(&error),
        })
    }

    /// Moves all that it holds into `sink`, and says after each piece how many bytes that are. That it is still what was written is
    /// seen once more: an object is read anew for it.
    pub(crate) fn pour(&self, sink: &mut dyn Write, moved: &mut dyn FnMut(u64)) -> Result<(), Poured> {
        let broken = |what: &dyn std::fmt::Display| Poured::Damaged(self.broken(what));
        let unread = |error: io::Error| Poured::Damaged(self.unread(&error, ""));
        let (mut chunk, mut bytes, mut ending) = (vec![0; CHUNK], 0, Ending::default());
        let mut file = Hashed::new(self.file().map_err(unread)?);
        let mut input = self.unpack(&mut file).map_err(unread)?;
        loop {
            match input.read(&mut chunk).map_err(unread)? {
                0 => break,
                read => {
                    ending.feed(&chunk[..read]);
                    sink.write_all(&chunk[..read]).map_err(Poured::Sink)?;
                    bytes += read as u64;
                    moved(bytes);
                }
            }
        }
        drop(input);
        let (kind, said) = (self.manifest.kind, self.manifest.bytes);
        if bytes != said {
            return Err(broken(&format!("it holds {bytes} bytes, the manifest says {said}")));
        }
        if kind != UrlKind::Sqlite && !ending.is_complete(kind) {
            return Err(broken(&"the dump in it is cut off: its last line is missing"));
        }
        drained(&mut file).map_err(unread)?;
        self.matches(&file.sha256(), "").map_err(Poured::Damaged)
    }

    fn matches(&self, sha256: &str, end: &str) -> Result<(), Failure> {
        let said = &self.manifest.sha256;
        match sha256 == said {
            true => Ok(()),
            false => Err(self.broken(&format!("its SHA-256 is {sha256}, the manifest says {said}{end}"))),
        }
    }

    /// It could not be read: it is damaged, unless it was the store that did not give it.
    fn unread(&self, error: &io::Error, end: &str) -> Failure {
        match bucket::said(error) {
            Some(said) if said.kind != Kind::NotFound => {
                let name = &self.manifest.name;
                bucket::failure(said, &format!("whether {name} is damaged is not known{end}"))
            }
            _ => self.broken(&format!("{error}{end}")),
        }
    }

    /// It is damaged.
    fn broken(&self, what: &dyn std::fmt::Display) -> Failure {
        failed(format!("{} is damaged: {what}", self.shown())).hint("`windlass backup list` shows the others")
    }

    fn unpack<'f>(&self, file: impl Read + 'f) -> io::Result<Decoder<'f, BufReader<Box<dyn Read + 'f>>>> {
        let file = BufReader::with_capacity(CHUNK, file);
        let opened: Box<dyn Read + 'f> = match self.identities.filter(|_| self.manifest.is_encrypted()) {
            None => Box::new(file),
            Some(identities) => Box::new(identities.open(file)?),
        };
        Decoder::with_buffer(BufReader::with_capacity(CHUNK, opened))
    }
}

/// Reads to the end.
fn drained(input: &mut impl Read) -> io::Result<()> {
    let mut chunk = vec![0; CHUNK];
    while input.read(&mut chunk)? > 0 {}
    Ok(())
}

/// Why not everything was moved.
pub(crate) enum Poured {
    /// It is not what it should be.
    Damaged(Failure),
    /// Where it went took no more.
    Sink(io::Error),
}
