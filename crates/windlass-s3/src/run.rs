//! The way there.
//!
//! A thousand objects at a time: that they are begun is made durable; one look at the destination tells that each is
//! still what was frozen; what would be overwritten is set aside; all are copied; that is made durable; only then is
//! deleted what is to go. After a kill only objects that were begun and not settled are looked at again.

use crate::{
    client::{Client, Copy, Over, Written},
    encode::hex,
    error::{Error, Kind},
    late::{Tried, of_others},
    listing::{before, shared},
    manifest::{Count, Item, Manifest, State},
};
use futures_util::{StreamExt as _, stream};
use sha2::{Digest as _, Sha256};
use std::{
    collections::HashMap,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};
use windlass_objects::{Object, Place, Verb, Work};

/// Objects that are begun together.
const CHUNK: i64 = 1000;
/// Such groups that are under way at a time.
const CHUNKS: usize = 3;
/// Copies that may wait for their turn at a time.
pub(crate) const WIDTH: usize = 256;
/// Between two looks at what may still move.
const LOOK: Duration = Duration::from_millis(400);
/// Such looks at most.
const LOOKS_MAX: usize = 25;
/// Longest key of a store, bytes.
const KEY_BYTES_MAX: usize = 1024;

/// Who watches the work.
pub trait Watch: Send + Sync {
    /// Whether a person asked to stop. What is under way is settled first.
    fn asked(&self) -> bool {
        false
    }

    /// `objects` more are done, with so many bytes.
    fn progress(&self, _objects: u64, _bytes: u64) {}
}

/// Nobody.
impl Watch for () {}

/// Work on one manifest.
pub(crate) struct Job<'a> {
    pub(crate) client: &'a Client,
    pub(crate) manifest: &'a Manifest,
    pub(crate) watch: &'a dyn Watch,
}

/// Does what is left to do; gives how far all objects are, those too that were left alone because somebody wrote to them.
///
/// # Errors
/// The first that stopped it; all that is under way is settled before. Calling it again goes on.
pub async fn run(client: &Client, manifest: &Manifest, watch: &dyn Watch) -> Result<Count, Error> {
    let job = Job { client, manifest, watch };
    let last = manifest.last()?;
    let begun = manifest.claimed("claimed")?.unwrap_or(0);
    job.quiet(begun).await?;
    let size = (last / 8).clamp(50, CHUNK);
    let firsts = (0..).map(|number| number * size + 1).take_while(|first| *first <= last);
    let is_over = AtomicBool::new(false);
    let mut chunks = stream::iter(firsts)
        .map(|first| {
            let (job, is_over) = (&job, &is_over);
            async move {
                if is_over.load(Ordering::Relaxed) {
                    return Ok(());
                }
                if job.watch.asked() {
                    return Err(Error::new(Kind::Windlass, STOPPED));
                }
                job.chunk(first, (first + size - 1).min(last), begun).await
            }
        })
        .buffered(CHUNKS);
    let mut first_error = None;
    while let Some(done) = chunks.next().await {
        // What is under way is settled, what is behind it is not begun.
        if let Err(error) = done {
            is_over.store(true, Ordering::Relaxed);
            first_error = first_error.or(Some(error));
        }
    }
    drop(chunks);
    first_error.map_or_else(|| manifest.count(), Err)
}

/// Why it stopped when a person asked.
pub(crate) const STOPPED: &str = "stopped as asked";

/// Whether an error only says that a person asked to stop.
#[must_use]
pub fn is_stopped(error: &Error) -> bool {
    error.message == STOPPED
}

impl Job<'_> {
    pub(crate) async fn on_disk<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Manifest) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let manifest = self.manifest.clone();
        let done = tokio::task::spawn_blocking(move || work(&manifest)).await;
        done.map_err(|error| Error::new(Kind::Windlass, format!("the manifest: {error}")))?
    }

    pub(crate) async fn settle(&self, items: Vec<Item>) -> Result<Vec<Item>, Error> {
        self.on_disk(move |manifest| manifest.settle(&items).map(|()| items)).await
    }

    /// Bucket of the source.
    pub(crate) fn from(&self) -> &str {
        self.manifest.head().line.from.bucket().unwrap_or_default()
    }

    /// Bucket of the destination; of `rm` the one that is removed from.
    pub(crate) fn to(&self) -> &str {
        let line = &self.manifest.head().line;
        line.to.as_ref().map_or_else(|| line.from.bucket(), Place::bucket).unwrap_or_default()
    }

    pub(crate) fn moves(&self) -> bool {
        self.manifest.head().line.verb == Verb::Move
    }

    /// Whether what is overwritten or deleted is copied away first: versions keep it as it is.
    pub(crate) fn sets_aside(&self) -> bool {
        let head = self.manifest.head();
        head.hold.is_some() && !head.to_versions && !self.is_download()
    }

    /// Where an object of the destination is set aside.
    pub(crate) fn hold_key(&self, key: &str) -> String {
        let hold = self.manifest.head().hold.as_deref().unwrap_or_default();
        if hold.len() + key.len() <= KEY_BYTES_MAX {
            return format!("{hold}{key}");
        }
        format!("{hold}{}", hex(&Sha256::digest(key.as_bytes())))
    }

    /// Waits until nothing moves any more at objects that were begun and not settled: a store works off requests of a client
    /// that is dead. What comes later than two equal looks is not waited for.
    pub(crate) async fn quiet(&self, begun: i64) -> Result<(), Error> {
        let states = [State::Planned, State::Written];
        let items = self.on_disk(move |manifest| manifest.items(1, begun, &states)).await?;
        if items.is_empty() {
            return Ok(());
        }
        let mut last = self.picture(&items).await?;
        for _ in 0..LOOKS_MAX {
            tokio::time::sleep(LOOK).await;
            let now = self.picture(&items).await?;
            if now == last {
                break;
            }
            last = now;
        }
        Ok(())
    }

    /// What stands at both ends of these.
    async fn picture(&self, items: &[Item]) -> Result<[HashMap<String, Object>; 2], Error> {
        let from = if self.moves() { self.at_source(items).await? } else { HashMap::new() };
        Ok([self.at_destination(items).await?, from])
    }

    /// What stands at the destinations of these now.
    pub(crate) async fn at_destination(&self, items: &[Item]) -> Result<HashMap<String, Object>, Error> {
        let mut keys: Vec<_> = items.iter().map(|item| item.entry.to.as_str()).collect();
        if self.is_download() {
            return self.standing_files(keys.into_iter());
        }
        keys.sort_unstable();
        self.standing(self.to(), &keys).await
    }

    /// What stands at the sources of these now, by their keys.
    pub(crate) async fn at_source(&self, items: &[Item]) -> Result<HashMap<String, Object>, Error> {
        let froms = items.iter().filter_map(|item| item.entry.from.as_ref());
        if self.is_upload() {
            let mut found = HashMap::new();
            for from in froms {
                if let Some(now) = crate::local::one(&self.source_path(from), false)? {
                    found.insert(from.key.clone(), now);
                }
            }
            return Ok(found);
        }
        let mut keys: Vec<_> = froms.map(|from| from.key.as_str()).collect();
        keys.sort_unstable();
        self.standing(self.from(), &keys).await
    }

    async fn chunk(&self, first: i64, last: i64, begun: i64) -> Result<(), Error> {
        let items = self
            .on_disk(move |manifest| {
                let items = manifest.items(first, last, &[State::Planned, State::Written])?;
                let claimed = manifest.claimed("claimed")?.unwrap_or(0);
                if !items.is_empty() && claimed < last {
                    manifest.claim("claimed", last)?;
                }
                Ok(items)
            })
            .await?;
        let (copies, deletes): (Vec<_>, Vec<_>) =
            items.into_iter().partition(|item| item.entry.work == Work::Copy);
        let is_again = first <= begun;
        let copied = self.copies(copies, is_again).await;
        let deleted = self.deletes(deletes, is_again).await;
        copied.and(deleted)
    }

    async fn copies(&self, items: Vec<Item>, is_again: bool) -> Result<(), Error> {
        let (written, planned): (Vec<_>, Vec<_>) =
            items.into_iter().partition(|item| item.state == State::Written);
        let now = self.at_destination(&planned).await?;
        let tries = planned.into_iter().map(|item| {
            let now = now.get(&item.entry.to);
            self.copied(item, now, is_again)
        });
        // Closures of an iterator that lives over an await are not known to be of any lifetime.
        let tries: Vec<_> = tries.collect();
        let mut first_error = None;
        let mut done = written;
        let mut tries = stream::iter(tries).buffer_unordered(WIDTH);
        while let Some((item, error)) = tries.next().await {
            first_error = first_error.or(error);
            if item.state != State::Planned {
                done.push(item);
            }
        }
        drop(tries);
        self.tell(&done, State::Done);
        let done = self.settle(done).await?;
        if self.moves() {
            let written = done.into_iter().filter(|item| item.state == State::Written).collect();
            let removed = self.remove_sources(written).await;
            first_error = first_error.or(removed.err());
        }
        first_error.map_or(Ok(()), Err)
    }

    pub(crate) fn tell(&self, items: &[Item], state: State) {
        let done = items.iter().filter(|item| item.state == state || item.state == State::Left);
        let (mut objects, mut bytes) = (0, 0);
        for item in done {
            objects += 1;
            bytes += item.entry.from.as_ref().or(item.entry.there.as_ref()).map_or(0, |object| object.size);
        }
        self.watch.progress(objects, bytes);
    }

    /// One object, whose destination holds `now`.
    async fn copied(&self, mut item: Item, now: Option<&Object>, is_again: bool) -> (Item, Option<Error>) {
        let Some(from) = item.entry.from.clone() else {
            return (item, Some(Error::new(Kind::Windlass, "a copy without a source in the manifest")));
        };
        let written = if is_same(now, item.entry.there.as_ref()) {
            Some(self.write(&mut item, &from, is_again).await)
        } else {
            match now.filter(|now| is_again && self.is_written(now, &from)) {
                Some(now) => self.known(&item, &from, now).await.transpose(),
                None => None,
            }
        };
        let Some(written) = written else {
            item.state = State::Left;
            item.note = Some(of_others(now, is_again));
            return (item, None);
        };
        match written {
            Ok(written) => self.wrote(item, written),
            Err(error) if error.kind == Kind::Changed || error.kind == Kind::NotFound => {
                self.refused(item, &from, is_again, error).await
            }
            Err(error) => (item, Some(error)),
        }
    }

    pub(crate) fn wrote(&self, mut item: Item, written: Written) -> (Item, Option<Error>) {
        item.etag = Some(written.etag);
        item.version = written.version;
        item.upload = None;
        item.state = if self.moves() { State::Written } else { State::Done };
        (item, None)
    }

    /// What an earlier try wrote, as it seems; `None`: its checksum is another one, it is of somebody.
    pub(crate) async fn known(
        &self,
        item: &Item,
        from: &Object,
        now: &Object,
    ) -> Result<Option<Written>, Error> {
        let etag = now.etag.clone().unwrap_or_default();
        let is_told = now.etag == from.etag || self.is_upload() || self.is_download();
        if is_told && !self.manifest.head().to_versions {
            return Ok(Some(Written { etag, version: None }));
        }
        let copy =
            Copy { from: (self.from(), &from.key), to: (self.to(), &item.entry.to), ..Copy::default() };
        let head = self.client.head(copy.to.0, copy.to.1, None).await?;
        if let Some(head) = head.as_ref().filter(|_| !is_told)
            && self.has_sums_of(&copy, from, head).await? == Some(false)
        {
            return Ok(None);
        }
        let version = head.filter(|_| self.manifest.head().to_versions).and_then(|head| head.version);
        Ok(Some(Written { etag, version }))
    }

    async fn write(&self, item: &mut Item, from: &Object, is_again: bool) -> Result<Written, Error> {
        let (head, since_s) = (self.manifest.head(), self.client.now_s());
        if self.is_download() {
            return self.download(item, from).await;
        }
        if let Some(there) = item.entry.there.as_ref().filter(|_| self.sets_aside()) {
            self.set_aside(self.to(), there, is_again).await?;
        }
        if self.is_upload() {
            return self.upload(item, from).await;
        }
        let (to, there) = (item.entry.to.clone(), item.entry.there.clone());
        let copy = Copy {
            from: (self.from(), &from.key),
            etag: from.etag.as_deref(),
            to: (self.to(), &to),
            over: Over::seen(there.as_ref()),
            headers: crate::attributes::of_copy(&head.line.options, from.class.as_deref()),
            metadata: crate::attributes::metadata(&head.line.options),
            ..Copy::default()
        };
        let written = if from.size > head.copy_bytes_max {
            self.in_parts(item, &copy, from.size).await
        } else {
            self.client.copy(&copy).await
        };
        let tried = Tried { from, copy: Some(&copy), since_s };
        let written = self.unless_ours(copy.to, written, &tried).await?;
        self.verify(copy.to, from, written, head.to_versions, Some(&copy)).await
    }

    /// Compares what was written with what it is a copy of.
    pub(crate) async fn verify(
        &self,
        at: (&str, &str),
        from: &Object,
        written: Written,
        has_versions: bool,
        copy: Option<&Copy<'_>>,
    ) -> Result<Written, Error> {
        let is_equal = from.etag.as_deref() == Some(&written.etag);
        if is_equal && (written.version.is_some() || !has_versions) {
            return Ok(written);
        }
        let (bucket, key) = at;
        let head = self.client.head(bucket, key, written.version.as_deref()).await?;
        match head {
            Some(head)
                if head.size == from.size && (head.etag == written.etag || written.etag.is_empty()) =>
            {
                if let Some(copy) = copy.filter(|_| !is_equal) {
                    self.same_sums(copy, from, &head).await?;
                }
                Ok(Written { etag: head.etag, version: written.version.or(head.version) })
            }
            found => {
                let size = found.map_or(0, |head| head.size);
                let message = format!(
                    "s3://{bucket}/{key}: {size} bytes arrived instead of {}, or somebody else wrote to it",
                    from.size
                );
                Err(Error::new(Kind::Answer, message))
            }
        }
    }

    /// Copies an object of the destination to where it is kept until the release is settled.
    pub(crate) async fn set_aside(&self, bucket: &str, object: &Object, is_again: bool) -> Result<(), Error> {
        let hold = self.hold_key(&object.key);
        if is_again {
            let kept = self.client.head(bucket, &hold, None).await?;
            let now = self.client.head(bucket, &object.key, None).await?;
            if now.is_none_or(|now| Some(&now.etag) != object.etag.as_ref() || now.size != object.size) {
                return Err(Error::new(
                    Kind::Changed,
                    format!("s3://{bucket}/{}: it was changed", object.key),
                ));
            }
            if kept.is_some_and(|kept| Some(&kept.etag) == object.etag.as_ref() && kept.size == object.size) {
                return Ok(());
            }
        }
        let copy = Copy {
            from: (bucket, &object.key),
            etag: object.etag.as_deref(),
            to: (bucket, &hold),
            headers: crate::attributes::class(object.class.as_deref()),
            ..Copy::default()
        };
        self.carry(&copy, object).await.map(drop)
    }

    /// A copy of any size, compared; for what is set aside or put back.
    pub(crate) async fn carry(&self, copy: &Copy<'_>, object: &Object) -> Result<Written, Error> {
        let tried = Tried { from: object, copy: Some(copy), since_s: self.client.now_s() };
        let written = if object.size > self.manifest.head().copy_bytes_max {
            let upload = self.begin_parts(copy).await?;
            let written = self.parts(copy, object.size, &upload, Vec::new()).await;
            if written.is_err() {
                // What failed is told; what is left of it costs only space.
                let _ = self.client.drop_parts(copy.to.0, copy.to.1, &upload).await;
            }
            written
        } else {
            self.client.copy(copy).await
        };
        let written = self.unless_ours(copy.to, written, &tried).await?;
        self.verify(copy.to, object, written, false, Some(copy)).await
    }

    /// Whether `now` can be what an earlier try of ours made of `from`.
    pub(crate) fn is_written(&self, now: &Object, from: &Object) -> bool {
        if self.is_download() {
            return now.size == from.size && now.modified_us == from.modified_us;
        }
        let digest =
            self.is_upload().then(|| crate::transfer::digest(&self.source_path(from), from.size)).flatten();
        match digest {
            Some(digest) => now.etag == Some(digest),
            None => is_copy(now, from),
        }
    }

    /// What stands at these keys now; they are sorted. A listing answers for a thousand at once; where others lie between them,
    /// the rest is asked one by one.
    pub(crate) async fn standing(
        &self,
        bucket: &str,
        keys: &[&str],
    ) -> Result<HashMap<String, Object>, Error> {
        let mut found = HashMap::new();
        let (Some(first), Some(last)) = (keys.first(), keys.last()) else { return Ok(found) };
        let mut pages_left = 2 + keys.len() / 100;
        let mut token = None;
        let start = before(first);
        let prefix = shared(first, last);
        let mut seen_to = None;
        loop {
            let after = token.is_none().then_some(start.as_str());
            let page = self.client.page(bucket, prefix, after, token.as_deref(), 1000).await?;
            seen_to = page.objects.last().map(|object| object.key.clone()).or(seen_to);
            let is_past = seen_to.as_deref().is_some_and(|key| key >= *last);
            found.extend(page.objects.into_iter().map(|object| (object.key.clone(), object)));
            token = page.next;
            pages_left -= 1;
            if token.is_none() || is_past {
                return Ok(found);
            }
            if pages_left == 0 {
                break;
            }
        }
        let seen_to = seen_to.unwrap_or_default();
        let rest: Vec<_> = keys.iter().copied().filter(|key| *key > seen_to.as_str()).collect();
        let mut asks = Vec::with_capacity(rest.len());
        for key in rest {
            asks.push(async move { (key, self.client.head(bucket, key, None).await) });
        }
        let heads: Vec<_> = stream::iter(asks).buffer_unordered(WIDTH).collect().await;
        for (key, head) in heads {
            if let Some(head) = head? {
                found.insert(key.to_owned(), head.object(key));
            }
        }
        Ok(found)
    }
}

/// Whether what stands there is what stood there.
pub(crate) fn is_same(now: Option<&Object>, then: Option<&Object>) -> bool {
    match (now, then) {
        (None, None) => true,
        // Files have no ETag.
        (Some(now), Some(then)) if now.etag.is_none() && then.etag.is_none() => {
            now.size == then.size && now.modified_us == then.modified_us
        }
        (Some(now), Some(then)) => now.size == then.size && now.etag == then.etag,
        _ => false,
    }
}

/// Whether `now` can be what an earlier try of ours copied from `from`. ETags of objects in parts are no hashes of their
/// content: then the size tells, and that it is younger than its source.
pub(crate) fn is_copy(now: &Object, from: &Object) -> bool {
    let in_parts = |object: &Object| object.etag.as_ref().is_none_or(|etag| etag.contains('-'));
    now.size == from.size
        && (now.etag == from.etag
            || (in_parts(now) || in_parts(from)) && now.modified_us + 1_000_000 >= from.modified_us)
}
