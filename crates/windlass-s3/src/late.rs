//! Writes that the store refused, as one of their ends is not what was frozen any more.

use crate::{
    client::{Copy, Head, Written},
    delete::MAYBE,
    error::{Error, Kind},
    manifest::{Item, State},
    run::{Job, is_copy, is_same},
};
use windlass_objects::Object;

/// Why what stands at the destination is left alone; in doubt it may be of a try of ours.
pub(crate) fn of_others(now: Option<&Object>, in_doubt: bool) -> String {
    match now {
        Some(_) if in_doubt => format!("the destination was written to after the preview; {MAYBE}"),
        Some(_) => "the destination was written to after the preview".into(),
        None => "the destination was deleted after the preview".into(),
    }
}

/// What a write was to make.
#[derive(Clone, Copy)]
pub(crate) struct Tried<'a> {
    /// What it was to be equal to.
    pub(crate) from: &'a Object,
    /// How it was copied; none: from this machine.
    pub(crate) copy: Option<&'a Copy<'a>>,
    /// When that began, by the store's clock: a store says of an object in parts when its parts were begun.
    pub(crate) since_s: i64,
}

impl Job<'_> {
    /// A request whose answer was lost is repeated, and finds there what it wrote itself: that is no failure.
    pub(crate) async fn unless_ours(
        &self,
        at: (&str, &str),
        written: Result<Written, Error>,
        tried: &Tried<'_>,
    ) -> Result<Written, Error> {
        let error = match written {
            Err(error) if error.kind == Kind::Changed && error.is_repeated => error,
            written => return written,
        };
        let Some(head) = self.client.head(at.0, at.1, None).await? else { return Err(error) };
        if self.is_ours(at.1, &head, tried).await? {
            Ok(Written { etag: head.etag, version: head.version })
        } else {
            Err(error)
        }
    }

    async fn is_ours(&self, key: &str, head: &Head, tried: &Tried<'_>) -> Result<bool, Error> {
        let Tried { from, copy, since_s } = *tried;
        let now = head.clone().object(key);
        if let Some(copy) = copy.filter(|_| now.etag != from.etag)
            && let Some(is_equal) = self.has_sums_of(copy, from, head).await?
        {
            return Ok(is_equal);
        }
        let is_known = match copy {
            Some(_) => is_copy(&now, from),
            None => self.is_written(&now, from),
        };
        // Under a key of KMS an ETag is no hash and tells nothing.
        let is_new = head.modified_us >= (since_s - 1) * 1_000_000;
        Ok(is_known || head.is_hidden && head.size == from.size && is_new)
    }

    /// What became of a copy that the store refused: which end is another one, only a look tells.
    pub(crate) async fn refused(
        &self,
        mut item: Item,
        from: &Object,
        is_again: bool,
        error: Error,
    ) -> (Item, Option<Error>) {
        let looked = match self.look(&item, from, is_again, error).await {
            Ok(looked) => looked,
            Err(error) => return (item, Some(error)),
        };
        if let Some(upload) = &item.upload
            && let Err(error) = self.client.drop_parts(self.to(), &item.entry.to, upload).await
        {
            return (item, Some(error));
        }
        item.upload = None;
        match looked {
            Ok(written) => self.wrote(item, written),
            Err(note) => {
                item.state = State::Left;
                item.note = Some(note);
                (item, None)
            }
        }
    }

    async fn look(
        &self,
        item: &Item,
        from: &Object,
        is_again: bool,
        error: Error,
    ) -> Result<Result<Written, String>, Error> {
        let one = std::slice::from_ref(item);
        let (now, there) = (self.at_destination(one).await?, item.entry.there.as_ref());
        let now = now.get(&item.entry.to);
        if !is_same(now, there) {
            return match now.filter(|now| is_again && self.is_written(now, from)) {
                Some(now) => {
                    let known = self.known(item, from, now).await?;
                    Ok(known.ok_or_else(|| of_others(Some(now), is_again)))
                }
                None => Ok(Err(of_others(now, is_again || error.is_repeated))),
            };
        }
        if is_same(self.at_source(one).await?.get(&from.key), Some(from)) {
            return Err(error);
        }
        Ok(Err("the source was changed or deleted after the preview".into()))
    }
}
