//! Backups that only who holds a key can read: the format of the `age` command, so that they can be read without Windlass.

use super::failed;
use age::{DecryptError, Decryptor, Encryptor, stream::StreamWriter, x25519};
use std::{
    fs,
    io::{self, BufRead, Read, Write},
    path::{Path, PathBuf},
};
use windlass_driver::Failure;

/// Longest file of keys, bytes.
const KEYS_MAX: u64 = 1024 * 1024;

/// Public keys for which backups are encrypted: any one of their identities opens them.
#[derive(Clone, Debug, Default)]
pub struct Recipients(Vec<x25519::Recipient>);

impl Recipients {
    /// Reads public keys, and those of a file (one a line, `#` begins a comment).
    ///
    /// # Errors
    /// One is no public key, or the file cannot be read or has none.
    pub fn new(written: &[String], file: Option<&Path>) -> Result<Self, Failure> {
        let mut keys = vec![];
        for text in written {
            let key = text.parse();
            keys.push(key.map_err(|why| failed(format!("the recipient `{text}` is no public key: {why}")))?);
        }
        if let Some(file) = file {
            let before = keys.len();
            for (number, line) in lines(file)? {
                // Not the line itself: it may be a private key by mistake.
                let wrong =
                    |why| failed(format!("{}:{number} is no public key of age: {why}", file.display()));
                keys.push(line.parse().map_err(wrong)?);
            }
            if keys.len() == before {
                return Err(failed(format!("{} has no public key in it", file.display())));
            }
        }
        Ok(Self(keys))
    }

    /// Whether there are none: then backups are not encrypted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Them, as they are written.
    pub(super) fn texts(&self) -> Vec<String> {
        self.0.iter().map(ToString::to_string).collect()
    }

    /// What is written into it can be read by them only.
    pub(super) fn seal<W: Write>(&self, output: W) -> io::Result<StreamWriter<W>> {
        let recipients = self.0.iter().map(|recipient| recipient as &dyn age::Recipient);
        Encryptor::with_recipients(recipients).map_err(io::Error::other)?.wrap_output(output)
    }
}

/// Private keys, read from a file. They are neither printed nor kept anywhere else.
pub struct Identities {
    file: PathBuf,
    keys: Vec<x25519::Identity>,
}

impl Identities {
    /// Reads a file as `age-keygen` writes it.
    ///
    /// # Errors
    /// It cannot be read, or has something else in it. No message has any of it.
    pub fn read(file: &Path) -> Result<Self, Failure> {
        let mut keys = vec![];
        for (number, line) in lines(file)? {
            let key = line.parse().map_err(|_| {
                failed(format!("{}:{number} is no private key of age", file.display()))
                    .hint("a key of `age-keygen` begins with AGE-SECRET-KEY-1")
            });
            keys.push(key?);
        }
        match keys.is_empty() {
            true => Err(failed(format!("{} has no private key in it", file.display()))),
            false => Ok(Self { file: file.to_owned(), keys }),
        }
    }

    /// What was sealed.
    pub(super) fn open<R: BufRead>(&self, sealed: R) -> io::Result<impl Read + use<R>> {
        let keys = self.keys.iter().map(|key| key as &dyn age::Identity);
        let opened = Decryptor::new_buffered(sealed).and_then(|sealed| sealed.decrypt(keys));
        opened.map_err(|error| match error {
            DecryptError::NoMatchingKeys => io::Error::other(Foreign(self.file.clone())),
            DecryptError::Io(error) => error,
            other => io::Error::other(other.to_string()),
        })
    }
}

/// None of the identities of a file is a recipient.
#[derive(Debug, thiserror::Error)]
#[error("none of the private keys in {} opens it", .0.display())]
pub(super) struct Foreign(PathBuf);

/// Lines with something in them, with their numbers.
fn lines(file: &Path) -> Result<Vec<(usize, String)>, Failure> {
    let unreadable = |error: &dyn std::fmt::Display| failed(format!("{}: {error}", file.display()));
    if fs::metadata(file).map_err(|error| unreadable(&error))?.len() > KEYS_MAX {
        return Err(unreadable(&"this is too large for a file of keys"));
    }
    let text = fs::read_to_string(file).map_err(|error| unreadable(&error))?;
    let lines = text.lines().map(str::trim).enumerate();
    let keys = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    Ok(keys.map(|(at, line)| (at + 1, line.to_owned())).collect())
}
