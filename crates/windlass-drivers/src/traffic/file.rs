//! A configuration file with marked parts: read, compared with what Windlass wrote last, and replaced; and the note that a change
//! of it is under way.

use super::marks::{self, Part, Whose};
use crate::{
    disk,
    host::place::{Expected, Input, Place},
    service::FrontError,
};
use serde::{Deserialize, Serialize};
use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};
use windlass_driver::Failure;

/// A configuration file is not longer.
const BYTES_MAX: usize = 4 * 1024 * 1024;
/// Longest wait for another command that changes a file in the same folder.
const LOCK_MAX: Duration = Duration::from_secs(10);

/// What stands in the marked parts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Texts {
    /// The servers.
    pub servers: String,
    /// What is done with requests; `None`: the file has no part for it.
    pub mode: Option<String>,
}

/// Left on disk while a change is under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    file: String,
    /// SHA-256 of the file before the change.
    pub before: String,
    /// What stood in it.
    pub texts: Texts,
}

/// The file as it is.
pub struct Found {
    /// Of its content.
    pub sha256: String,
    /// Behind all links.
    pub real: PathBuf,
    /// Its permissions.
    mode: u32,
    /// Its content.
    pub text: String,
}

/// A file with parts for one service.
pub struct File {
    /// The service, by which the parts are called.
    pub service: String,
    /// The file.
    pub path: PathBuf,
    /// The note.
    pub note: PathBuf,
    /// What the marks of the servers are around, for people.
    pub servers_in: &'static str,
    /// Where the marks of the mode are, for people.
    pub mode_in: &'static str,
}

pub fn refused(why: impl Into<String>) -> FrontError {
    FrontError::Refused(why.into())
}

pub fn not_done(failure: Failure) -> FrontError {
    match failure.effect {
        windlass_driver::Effect::Unknown => FrontError::Lost(failure.message),
        _ => FrontError::Refused(failure.message),
    }
}

impl File {
    /// Its path, for people.
    pub fn shown(&self) -> String {
        self.path.display().to_string()
    }

    /// The file as it is.
    pub async fn read(&self) -> Result<Found, FrontError> {
        let content = Place::here().read(&self.shown(), BYTES_MAX).await.map_err(not_done)?;
        let content = content.ok_or_else(|| refused(format!("there is no file {}", self.shown())))?;
        let text = String::from_utf8(content.bytes)
            .map_err(|_| refused(format!("{} is no UTF-8 text", self.shown())))?;
        Ok(Found {
            sha256: content.standing.sha256,
            real: content.standing.path.into(),
            mode: content.standing.mode,
            text,
        })
    }

    /// Replaces it, if it still holds `expected`.
    pub async fn write(&self, found: &Found, text: &str, expected: &str) -> Result<(), FrontError> {
        let path = found.real.display().to_string();
        let expected = Expected::Sha256(disk::sha256(expected.as_bytes()));
        let content = Input::Bytes(text.as_bytes().to_vec());
        Place::here().write(&path, content, found.mode, &expected).await.map_err(not_done)
    }

    fn part<'t>(&self, text: &'t str, name: &str) -> Result<Option<Part<'t>>, FrontError> {
        marks::find(text, name).map_err(|why| refused(format!("{}: {why}", self.shown())))
    }

    /// The part for the servers; without it nothing is touched.
    pub fn servers<'t>(&self, text: &'t str) -> Result<Part<'t>, FrontError> {
        self.part(text, &self.service)?.ok_or_else(|| {
            refused(format!(
                "{} has no part that Windlass may write; put these two lines around the servers of the {}: `{}` and `{}`",
                self.shown(),
                self.servers_in,
                marks::mark("begin", &self.service),
                marks::mark("end", &self.service)
            ))
        })
    }

    fn mode_name(&self) -> String {
        format!("{} mode", self.service)
    }

    /// The part for what is done with requests.
    pub fn mode<'t>(&self, text: &'t str) -> Result<Option<Part<'t>>, FrontError> {
        self.part(text, &self.mode_name())
    }

    /// Why no mode can be turned on without that part.
    pub fn no_mode(&self) -> FrontError {
        refused(format!(
            "{} has no part that Windlass may write to answer 503; put these two lines into the {}, with nothing between them: `{}` and \
             `{}`",
            self.shown(),
            self.mode_in,
            marks::mark("begin", &self.mode_name()),
            marks::mark("end", &self.mode_name())
        ))
    }

    /// What stands in the parts of a text.
    pub fn texts(&self, text: &str) -> Result<Texts, FrontError> {
        Ok(Texts {
            servers: self.servers(text)?.content.to_owned(),
            mode: self.mode(text)?.map(|part| part.content.to_owned()),
        })
    }

    /// Refuses when somebody changed what Windlass wrote.
    pub fn unchanged(&self, text: &str) -> Result<(), FrontError> {
        for part in [Some(self.servers(text)?), self.mode(text)?].into_iter().flatten() {
            if part.whose() == Whose::Edited {
                return Err(refused(format!(
                    "{}:{}: somebody changed what Windlass wrote between these marks, and it is not overwritten; put it back as it was, or \
                     take out the line `# made by windlass …`: then it is yours, and is replaced as such",
                    self.shown(),
                    part.line
                )));
            }
        }
        Ok(())
    }

    /// A text with others in its parts.
    pub fn with(&self, text: &str, texts: &Texts) -> Result<String, FrontError> {
        let text = self.servers(text)?.replaced(text, &texts.servers);
        let mode = texts.mode.as_ref().zip(self.mode(&text)?);
        Ok(mode.map_or_else(|| text.clone(), |(mode, part)| part.replaced(&text, mode)))
    }

    /// The note of a change that is under way.
    pub fn pending(&self) -> Result<Option<Pending>, FrontError> {
        let told = |why: &dyn std::fmt::Display| refused(format!("{}: {why}", self.note.display()));
        match fs::read(&self.note) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(told(&error)),
            Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|error| told(&error)),
        }
    }

    /// Notes that a change of what was found begins.
    pub fn begin(&self, found: &Found) -> Result<(), FrontError> {
        let pending =
            Pending { file: self.shown(), before: found.sha256.clone(), texts: self.texts(&found.text)? };
        let write = || {
            fs::create_dir_all(self.note.parent().unwrap_or(Path::new("/")))?;
            disk::write_durable(&self.note, &serde_json::to_vec_pretty(&pending)?)
        };
        write().map_err(|error: std::io::Error| refused(format!("{}: {error}", self.note.display())))
    }

    /// Notes that it has ended.
    pub fn forget(&self) -> Result<(), FrontError> {
        fs::remove_file(&self.note)
            .map_err(|error| FrontError::Lost(format!("{}: {error}", self.note.display())))
    }

    /// Nobody else of Windlass changes a file of this folder while the value lives.
    pub async fn lock(&self) -> Result<fs::File, FrontError> {
        let folder = fs::canonicalize(&self.path)
            .ok()
            .and_then(|file| file.parent().map(Path::to_owned))
            .ok_or_else(|| refused(format!("there is no file {}", self.shown())))?;
        let told = |why: &dyn std::fmt::Display| refused(format!("{}: {why}", folder.display()));
        let open = fs::File::open(&folder).map_err(|error| told(&error))?;
        let begun = tokio::time::Instant::now();
        loop {
            match open.try_lock() {
                Ok(()) => return Ok(open),
                Err(fs::TryLockError::Error(error)) => return Err(told(&error)),
                Err(fs::TryLockError::WouldBlock) if begun.elapsed() > LOCK_MAX => {
                    return Err(told(&"another windlass command changes a file in it"));
                }
                Err(fs::TryLockError::WouldBlock) => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
    }
}
