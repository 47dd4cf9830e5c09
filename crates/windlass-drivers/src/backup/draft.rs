//! The data of a backup while it is made: under its name only when it is whole.

use super::{
    bucket::{self, Bucket},
    failed,
};
use crate::disk::sync_folder;
use bytes::Bytes;
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};
use windlass_driver::Failure;
use windlass_s3::Upload;

/// What is to be taken away again when there will be no backup.
pub(super) enum Draft {
    /// A file of this machine, and its name while it is written.
    File { path: PathBuf, temporary: PathBuf },
    /// An object, and the store's number for its parts.
    Object { bucket: Bucket, file: String, upload: String },
}

impl Draft {
    /// A file beside its place. What a killed backup of the same name left is replaced.
    pub(super) fn file(path: PathBuf) -> io::Result<(Self, Incoming)> {
        let mut temporary = path.clone().into_os_string();
        temporary.push(".tmp");
        let temporary = PathBuf::from(temporary);
        let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
        let incoming = Incoming::File { file, path: path.clone(), temporary: temporary.clone() };
        Ok((Self::File { path, temporary }, incoming))
    }

    /// An object of about so many bytes.
    pub(super) fn object(bucket: &Bucket, file: &str, about: u64) -> Result<(Self, Incoming), Failure> {
        let upload = bucket.upload(file, about)?;
        let draft =
            Self::Object { bucket: bucket.clone(), file: file.to_owned(), upload: upload.id().to_owned() };
        let parts = Parts { bucket: bucket.clone(), upload: Some(upload), filling: Vec::new() };
        Ok((draft, Incoming::Object(Box::new(parts))))
    }

    /// There will be no backup: takes away what there is of it, and says of `failure` what could not be. The writer has ended.
    pub(super) fn forget(&self, name: &str, failure: Failure) -> Failure {
        match self {
            Self::File { path, temporary } => {
                // Under its own name, too: without its manifest it is no backup.
                for path in [temporary, path] {
                    match fs::remove_file(path) {
                        Err(error) if error.kind() != io::ErrorKind::NotFound => {
                            return failure.hint(left(&path.display().to_string(), &error.to_string()));
                        }
                        _ => {}
                    }
                }
                failure
            }
            Self::Object { bucket, file, upload } => match bucket.forget(name, file, upload) {
                Ok(()) => failure,
                Err(why) => failure.hint(left(&bucket.shown(file), &why.message)),
            },
        }
    }
}

fn left(shown: &str, why: &str) -> String {
    format!(
        "what there is of {shown} could not be taken away ({why}); it counts as no backup: parts of it go with `windlass backup prune --yes` \
         when they are a week old, what stands under its name is yours to delete"
    )
}

/// What takes the bytes.
pub(super) enum Incoming {
    /// Into a file of this machine.
    File { file: File, path: PathBuf, temporary: PathBuf },
    /// Into an object.
    Object(Box<Parts>),
}

impl Incoming {
    /// All of it is durable, and under its name, when this returns.
    pub(super) fn finish(self) -> io::Result<()> {
        match self {
            Self::File { file, path, temporary } => {
                file.sync_all()?;
                fs::rename(temporary, &path)?;
                sync_folder(path.parent().unwrap_or(Path::new("/")))
            }
            Self::Object(parts) => parts.finish(),
        }
    }
}

impl Write for Incoming {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        match self {
            Self::File { file, .. } => file.write(data),
            Self::Object(parts) => parts.write(data),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::File { file, .. } => file.flush(),
            // A part is sent when it is full.
            Self::Object(_) => Ok(()),
        }
    }
}

/// An object, part by part: one is filled while others are on their way.
pub(super) struct Parts {
    bucket: Bucket,
    /// None: it has failed.
    upload: Option<Upload>,
    filling: Vec<u8>,
}

impl Parts {
    fn upload(&mut self) -> io::Result<Upload> {
        self.upload.take().ok_or_else(|| io::ErrorKind::BrokenPipe.into())
    }

    fn send(&mut self) -> io::Result<()> {
        let mut upload = self.upload()?;
        let part = Bytes::from(std::mem::take(&mut self.filling));
        let sent = self.bucket.wait(async move {
            upload.add(part).await?;
            Ok(upload)
        });
        self.upload = Some(sent.map_err(io::Error::other)?);
        Ok(())
    }

    fn finish(mut self) -> io::Result<()> {
        // An object has a part at the least.
        self.send()?;
        let upload = self.upload()?;
        self.bucket.wait(upload.end()).map(drop).map_err(io::Error::other)
    }
}

impl Write for Parts {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let Some(upload) = &self.upload else { return Err(io::ErrorKind::BrokenPipe.into()) };
        let whole = upload.part_bytes();
        // A full one goes only when there is more: the last part is never an empty one.
        if self.filling.len() >= whole {
            self.send()?;
            return self.write(data);
        }
        if self.filling.is_empty() {
            self.filling.reserve_exact(whole);
        }
        let taken = data.len().min(whole - self.filling.len());
        self.filling.extend_from_slice(&data[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Says of what was to be written that nothing of it was kept, and what to do.
pub(super) fn not_written(shown: &dyn std::fmt::Display, error: &io::Error) -> Failure {
    if let Some(error) = bucket::said(error) {
        return bucket::failure(error, "nothing was kept");
    }
    let failure = failed(format!("{shown}: {error}; nothing was kept"));
    match error.kind() {
        io::ErrorKind::StorageFull => failure.hint("the disk is full: see `df`, or name another `--folder`"),
        _ => failure,
    }
}
