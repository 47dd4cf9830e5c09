//! What a store or the way there says when something fails.

use std::fmt;

/// What kind of failure; decides whether it is worth repeating and what a person should do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// No such key, version or upload.
    NotFound,
    /// No such bucket.
    NoBucket,
    /// The account may not do this.
    Denied,
    /// What the request asked to be so is not so: the object is another one by now.
    Changed,
    /// The bucket is in another region.
    Region,
    /// No credentials, or the store does not take them.
    Credentials,
    /// The store is busy or asks for fewer requests; also after repeated tries.
    Busy,
    /// The connection, also after repeated tries. Whether the request took effect is not known.
    Transport,
    /// The store cannot do this (versions, tags).
    Unsupported,
    /// Anything else that the store refuses.
    Refused,
    /// An answer that cannot be read.
    Answer,
    /// A file of this machine.
    File,
    /// Windlass itself: its manifest, its arguments.
    Windlass,
}

/// A failed request or look.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Error {
    /// What kind.
    pub kind: Kind,
    /// What was tried and why it failed: verb, bucket, key, the store's words. No secrets.
    pub message: String,
    /// What to do about it; one line each.
    pub hints: Vec<String>,
    /// An earlier try of the same request was not answered well: it may have taken effect.
    pub is_repeated: bool,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error {
    pub(crate) fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hints: Vec::new(), is_repeated: false }
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Whether the request may have taken effect although it failed.
    #[must_use]
    pub fn is_uncertain(&self) -> bool {
        self.is_repeated || matches!(self.kind, Kind::Transport | Kind::Busy | Kind::Answer)
    }
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        Self::new(Kind::Windlass, format!("the manifest: {error}"))
    }
}

/// The kind of a store's answer with this status and code.
pub(crate) fn kind(status: u16, code: &str) -> Kind {
    match (status, code) {
        (_, "NoSuchBucket") => Kind::NoBucket,
        (_, "NoSuchKey" | "NoSuchVersion" | "NoSuchUpload") => Kind::NotFound,
        (_, "PreconditionFailed") | (412, _) => Kind::Changed,
        (_, "InvalidAccessKeyId" | "SignatureDoesNotMatch" | "ExpiredToken" | "InvalidToken")
        | (_, "ExpiredTokenException" | "TokenRefreshRequired" | "InvalidClientTokenId") => Kind::Credentials,
        (_, "PermanentRedirect" | "AuthorizationHeaderMalformed" | "IllegalLocationConstraintException") => {
            Kind::Region
        }
        (_, "SlowDown" | "ServiceUnavailable" | "InternalError" | "RequestTimeout" | "OperationAborted")
        // Two conditional writes at a time: one of them is done first.
        | (_, "ConditionalRequestConflict") => {
            Kind::Busy
        }
        (_, "NotImplemented") | (501, _) => Kind::Unsupported,
        (301 | 307, _) => Kind::Region,
        (429 | 500 | 502 | 503 | 504 | 408, _) => Kind::Busy,
        (404, _) => Kind::NotFound,
        (401 | 403, _) => Kind::Denied,
        _ => Kind::Refused,
    }
}
