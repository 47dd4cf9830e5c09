//! Writes only over what was seen: the store looks once more, in the very request that writes.

use super::{Call, Client};
use crate::error::{Error, Kind};
use bytes::Bytes;
use http::Response;
use std::sync::atomic::{AtomicBool, Ordering};
use windlass_objects::Object;

/// What a write may replace; where something else stands by then, the store refuses it ([`Kind::Changed`]).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Over<'a> {
    /// Anything.
    #[default]
    Any,
    /// Nothing: no object has the key.
    Nothing,
    /// The object with this ETag.
    Etag(&'a str),
}

/// Ways to write. A store may know conditions of one and not of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Write {
    Put,
    Copy,
    Parts,
}

/// Of which ways to write the store has refused conditions.
#[derive(Default)]
pub(super) struct Unconditional([AtomicBool; 3]);

impl<'a> Over<'a> {
    /// What was seen at the destination. Of what has no ETag there is no condition.
    pub(crate) fn seen(there: Option<&'a Object>) -> Self {
        match there {
            None => Self::Nothing,
            Some(there) => match there.etag.as_deref() {
                None | Some("") => Self::Any,
                Some(etag) => Self::Etag(etag),
            },
        }
    }

    fn header(self) -> Option<(&'static str, String)> {
        match self {
            Self::Any => None,
            Self::Nothing => Some(("if-none-match", "*".to_owned())),
            Self::Etag(etag) => Some(("if-match", format!("\"{etag}\""))),
        }
    }
}

impl Client {
    /// The ways to write of which this store has said that it knows no conditions; they were done without.
    #[must_use]
    pub fn unconditional(&self) -> Vec<&'static str> {
        let names = ["writing an object", "a copy", "a write in parts"];
        let all = names.into_iter().zip(&self.0.unconditional.0);
        all.filter(|(_, is)| is.load(Ordering::Relaxed)).map(|(name, _)| name).collect()
    }

    /// Sends a write with its condition. A store that says that it cannot do that is asked without, then and from there on.
    pub(super) async fn send_over(
        &self,
        call: &Call<'_>,
        how: Write,
        over: Over<'_>,
    ) -> Result<Response<Bytes>, Error> {
        let refused = &self.0.unconditional.0[how as usize];
        let Some((name, value)) = over.header().filter(|_| !refused.load(Ordering::Relaxed)) else {
            return self.send(call).await;
        };
        match self.send(&call.clone().header(name, value)).await {
            Err(error) if error.kind == Kind::Unsupported => {
                // What it refuses without, too, was not the condition.
                let answer = self.send(call).await?;
                refused.store(true, Ordering::Relaxed);
                Ok(answer)
            }
            // `If-Match` is granted as a look is.
            Err(error) if error.kind == Kind::Denied && matches!(over, Over::Etag(_)) => Err(error.hint(
                "a write over what was seen (`If-Match`) needs `s3:GetObject` at its destination, too",
            )),
            answer => answer,
        }
    }
}
