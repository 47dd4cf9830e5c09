//! The way back: exactly the objects of the manifest, and only where they are still what was written.

use crate::{
    behind::Behind,
    client::{Client, Copy, DELETES_MAX, Over},
    delete::GONE,
    error::{Error, Kind},
    manifest::{Count, Item, Manifest, State},
    run::{Job, STOPPED, Watch, is_same},
};
use futures_util::{StreamExt as _, stream};
use std::collections::{HashMap, HashSet};
use windlass_objects::{Object, Work};

/// Objects that are taken back together.
const CHUNK: i64 = 1000;
/// Objects that may wait for their turn at a time.
const WIDTH: usize = 256;

/// What is done with objects that somebody wrote to since.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conflicts {
    /// They stay, and are listed.
    Keep,
    /// They are put back too, as far as what they were is kept; what was written since is lost.
    Force,
    /// Nothing is taken back while there are any.
    Refuse,
}

/// What is to be done with one object.
pub(crate) enum Step {
    /// Nothing is left of it.
    Nothing,
    /// Somebody wrote to it since.
    Conflict(String),
    /// Take it back.
    Go(Go),
}

/// How one object is taken back; in this order.
#[derive(Default)]
pub(crate) struct Go {
    /// Copy the destination back to the source.
    pub(crate) to_source: bool,
    /// Take these delete markers away at the source.
    pub(crate) source_markers: Vec<String>,
    /// Keep a copy of what was written: a request of a killed try may still delete the source.
    pub(crate) parks: bool,
    /// Take away these versions, or delete markers, at the destination.
    pub(crate) versions: Vec<String>,
    /// Put this version of the destination on top.
    pub(crate) on_top: Option<String>,
    /// Put back what was set aside.
    pub(crate) from_hold: bool,
    /// Delete what was written.
    pub(crate) delete: bool,
    /// What stands at the destination.
    pub(crate) now: Option<Object>,
}

/// Takes back what was done; gives how far all objects are.
///
/// # Errors
/// The first that stopped it; calling it again goes on. With [`Conflicts::Refuse`] also that there are some.
pub async fn back(
    client: &Client,
    manifest: &Manifest,
    watch: &dyn Watch,
    conflicts: Conflicts,
) -> Result<Count, Error> {
    let job = Job { client, manifest, watch };
    let claimed = manifest.claimed("claimed")?.unwrap_or(0);
    let last = manifest.last()?;
    job.quiet(claimed).await?;
    if conflicts == Conflicts::Refuse {
        let found = job.each(last, claimed, |items| job.conflicts(items)).await?;
        if found > 0 {
            let message = format!("{found} objects were written to since: nothing was taken back");
            return Err(Error::new(Kind::Changed, message));
        }
    }
    job.each(last, claimed, |items| job.chunk_back(items, conflicts == Conflicts::Force)).await?;
    job.on_disk(|manifest| manifest.claim("back", 1)).await?;
    manifest.count()
}

impl Job<'_> {
    /// Calls `work` for a thousand objects at a time that are not back yet, the last first.
    async fn each<'a, F>(
        &self,
        mut last: i64,
        claimed: i64,
        work: impl Fn(Vec<Item>) -> F,
    ) -> Result<u64, Error>
    where
        F: Future<Output = Result<u64, Error>> + 'a,
    {
        let mut sum = 0;
        while last > 0 {
            if self.watch.asked() {
                return Err(Error::new(Kind::Windlass, STOPPED));
            }
            let first = (last - CHUNK + 1).max(1);
            // Of conflicts it is looked anew whether they still are.
            let states = [State::Planned, State::Written, State::Done, State::Left, State::Conflict];
            let from = usize::from(first > claimed);
            let mut items =
                self.on_disk(move |manifest| manifest.items(first, last, &states[from..])).await?;
            items.retain(|item| item.state != State::Planned || item.id <= claimed);
            if !items.is_empty() {
                sum += work(items).await?;
            }
            last = first - 1;
        }
        Ok(sum)
    }

    async fn conflicts(&self, items: Vec<Item>) -> Result<u64, Error> {
        let steps = self.steps(&items, false).await?;
        Ok(steps.iter().filter(|step| matches!(step.0, Step::Conflict(_))).count() as u64)
    }

    async fn chunk_back(&self, items: Vec<Item>, is_forced: bool) -> Result<u64, Error> {
        let steps = self.steps(&items, is_forced).await?;
        let over = over(&items, &steps);
        let steps = steps.into_iter().map(|(step, _)| step);
        let mut settled = Vec::new();
        let mut deletes = Vec::new();
        let mut first_error = None;
        let tries: Vec<_> =
            items.into_iter().zip(steps).map(|(item, step)| self.one_back(item, step)).collect();
        let mut tries = stream::iter(tries).buffer_unordered(WIDTH);
        while let Some((item, is_to_delete, error)) = tries.next().await {
            match error {
                Some(error) => first_error = first_error.or(Some(error)),
                None if is_to_delete => deletes.push(item),
                None => settled.push(item),
            }
        }
        drop(tries);
        for batch in deletes.chunks(DELETES_MAX) {
            let error = self.delete_again(batch, is_forced, &mut settled).await?;
            first_error = first_error.or(error);
        }
        // In this order: what is settled is not looked at again. What is forgotten is back, and compared.
        self.forget_holds(&settled, &over).await?;
        let settled = self.settle(settled).await?;
        self.tell(&settled, State::Back);
        first_error.map_or(Ok(0), Err)
    }

    /// Deletes what was written, where it still is that directly before.
    async fn delete_again(
        &self,
        batch: &[Item],
        is_forced: bool,
        settled: &mut Vec<Item>,
    ) -> Result<Option<Error>, Error> {
        let now = self.at_destination(batch).await?;
        let mut going = Vec::with_capacity(batch.len());
        for item in batch {
            let Some(now) = now.get(&item.entry.to) else {
                settled.push(Item { state: State::Back, ..item.clone() });
                continue;
            };
            let is_ours = match &item.entry.from {
                Some(from) if !is_forced => self.is_what_we_wrote(item, now, from).await?,
                _ => true,
            };
            if is_ours {
                going.push(item);
            } else {
                let note = Some("it was written to since".into());
                settled.push(Item { state: State::Conflict, note, ..item.clone() });
            }
        }
        let keys: Vec<_> = going.iter().map(|item| item.entry.to.as_str()).collect();
        if keys.is_empty() {
            return Ok(None);
        }
        let mut first_error = None;
        let answers = self.client.delete_many(self.to(), &keys).await?;
        for (answer, item) in answers.into_iter().zip(going) {
            match answer.error {
                Some(error) => first_error = first_error.or(Some(error)),
                None => settled.push(Item { state: State::Back, ..item.clone() }),
            }
        }
        Ok(first_error)
    }

    async fn is_what_we_wrote(&self, item: &Item, now: &Object, from: &Object) -> Result<bool, Error> {
        Ok(match &item.etag {
            Some(etag) if !self.is_download() => now.etag.as_ref() == Some(etag) && now.size == from.size,
            Some(_) => self.is_written(now, from),
            // Whether a killed try wrote at all is not known: of equal size may be somebody's object, too.
            None => self.is_written(now, from) && self.known(item, from, now).await?.is_some(),
        })
    }

    /// What is to be done with each, as things are now, and whether its destination is what it was.
    async fn steps(&self, items: &[Item], is_forced: bool) -> Result<Vec<(Step, bool)>, Error> {
        let at_destination = self.at_destination(items).await?;
        let at_source = if self.moves() { self.at_source(items).await? } else { HashMap::new() };
        let steps = items.iter().map(|item| {
            let now = at_destination.get(&item.entry.to);
            let source = item.entry.from.as_ref().and_then(|from| at_source.get(&from.key));
            async move {
                let mut step = match item.entry.work {
                    Work::Delete => self.of_delete(item, now, is_forced).await?,
                    _ => self.of_copy(item, now, source, is_forced).await?,
                };
                if let Step::Go(go) = &mut step {
                    go.now = now.cloned();
                }
                Ok((step, is_same(now, item.entry.there.as_ref())))
            }
        });
        let steps: Vec<_> = steps.collect();
        let steps: Vec<_> = stream::iter(steps).buffered(WIDTH).collect().await;
        steps.into_iter().collect()
    }

    async fn of_copy(
        &self,
        item: &Item,
        now: Option<&Object>,
        source: Option<&Object>,
        is_forced: bool,
    ) -> Result<Step, Error> {
        let there = item.entry.there.as_ref();
        let Some(from) = item.entry.from.as_ref() else { return Ok(Step::Nothing) };
        if item.is_left() {
            return self.of_left(item, now, is_forced).await;
        }
        // Of an object that was begun and not settled only the world can tell.
        let is_ours = match &item.etag {
            None if is_same(now, there) => return Ok(Step::Nothing),
            _ => match now {
                Some(now) => self.is_what_we_wrote(item, now, from).await?,
                None => false,
            },
        };
        let mut go = match self.source_back(from, source, is_ours).await? {
            Ok(go) => go,
            Err(why) => return Ok(Step::Conflict(why.into())),
        };
        // An equal ETag is that of an equal content only: what was set aside has its own metadata.
        if is_same(now, there) && !(is_ours && self.has_other(item).await?) {
            let is_open = go.to_source || !go.source_markers.is_empty();
            return Ok(if is_open { Step::Go(go) } else { Step::Nothing });
        }
        let may_replace = is_ours || is_forced && now.is_some();
        if !may_replace {
            return Ok(Step::Conflict(match now {
                Some(_) => "it was written to since".into(),
                None => "it was deleted since".into(),
            }));
        }
        if let Err(why) = self.destination_back(item, now.filter(|_| is_ours), &mut go).await? {
            return Ok(Step::Conflict(why.into()));
        }
        let may_go_late = self.moves() && item.state == State::Written && !go.to_source;
        if may_go_late && !self.is_upload() && !self.manifest.head().from_versions {
            if self.manifest.head().hold.is_none() || self.is_download() {
                return Ok(Step::Conflict(
                    "a request that was under way may still delete its source: what was copied stays".into(),
                ));
            }
            go.parks = true;
        }
        Ok(Step::Go(go))
    }

    /// Whether what an equal object overwrote is kept, with metadata of its own. Where its hold is forgotten, an earlier try put
    /// it back.
    async fn has_other(&self, item: &Item) -> Result<bool, Error> {
        if self.manifest.head().to_versions {
            return Ok(true);
        }
        let hold = self.hold_key(&item.entry.to);
        Ok(self.sets_aside()
            && item.etag.is_some()
            && item.entry.there.is_some()
            && self.client.head(self.to(), &hold, None).await?.is_some())
    }

    /// How the source of a move comes back, or why it cannot.
    async fn source_back(
        &self,
        from: &Object,
        source: Option<&Object>,
        is_ours: bool,
    ) -> Result<Result<Go, &'static str>, Error> {
        let mut go = Go::default();
        if !self.moves() || is_same(source, Some(from)) {
            return Ok(Ok(go));
        }
        if source.is_some() {
            return Ok(Err("its source was written to since"));
        }
        if self.manifest.head().from_versions {
            go.source_markers = self.hiding(self.from(), from).await?;
        }
        go.to_source = go.source_markers.is_empty();
        if go.to_source && self.is_download() {
            return Ok(Err("its source is gone, and no version keeps it: the file stays"));
        }
        if go.to_source && !is_ours && !self.is_upload() {
            return Ok(Err("its source is gone, and what was written to the destination is no longer there"));
        }
        Ok(Ok(go))
    }

    /// How the destination becomes what it was, or why it cannot; `ours` was written by the release and still stands there.
    async fn destination_back(
        &self,
        item: &Item,
        ours: Option<&Object>,
        go: &mut Go,
    ) -> Result<Result<(), &'static str>, Error> {
        let there = item.entry.there.as_ref();
        if !self.manifest.head().to_versions {
            go.from_hold = there.is_some();
            go.delete = there.is_none();
            let is_kept = !go.from_hold || self.sets_aside() || self.is_download();
            return Ok(if is_kept { Ok(()) } else { Err("what it overwrote was not kept") });
        }
        match self.behind(item, ours).await? {
            Behind::Shows(versions) if ours.is_some() => go.versions = versions,
            // What others wrote stays below it, as a version.
            Behind::Kept(version) if ours.is_none() => go.on_top = Some(version),
            _ if ours.is_none() && there.is_none() => go.delete = true,
            // A single version that is equal to what it overwrote is what it was.
            Behind::Kept(_) if is_same(ours, there) => {}
            _ => return Ok(Err("no version keeps what it was")),
        }
        Ok(Ok(()))
    }

    async fn of_delete(&self, item: &Item, now: Option<&Object>, is_forced: bool) -> Result<Step, Error> {
        let Some(there) = item.entry.there.as_ref() else { return Ok(Step::Nothing) };
        // That it goes is durable before it is deleted: what is gone without that, somebody else deleted.
        let is_of_others =
            item.note.as_deref() == Some(GONE) || item.state == State::Planned && now.is_none();
        if is_of_others || is_same(now, Some(there)) {
            return Ok(Step::Nothing);
        }
        if item.is_left() {
            return self.of_left(item, now, is_forced).await;
        }
        if now.is_some() && !is_forced {
            return Ok(Step::Conflict("it was written anew since it was deleted".into()));
        }
        let mut go = Go::default();
        if self.manifest.head().to_versions {
            if now.is_some() {
                match self.behind(item, None).await? {
                    Behind::Kept(version) => go.on_top = Some(version),
                    _ => return Ok(Step::Conflict("no version keeps what was deleted".into())),
                }
            } else {
                go.versions = self.hiding(self.to(), there).await?;
                if go.versions.is_empty() {
                    return Ok(Step::Conflict(
                        "no version keeps what was deleted, or others lie on it".into(),
                    ));
                }
            }
            return Ok(Step::Go(go));
        }
        go.from_hold = true;
        if self.is_download() {
            return Ok(Step::Go(go));
        }
        if !self.sets_aside() {
            return Ok(Step::Conflict("what was deleted was not kept".into()));
        }
        let hold = self.hold_key(&item.entry.to);
        if self.client.head(self.to(), &hold, None).await?.is_none() {
            return Ok(Step::Conflict(format!("what was set aside, `{hold}`, is gone")));
        }
        Ok(Step::Go(go))
    }

    /// Takes one back; the second tells whether it has still to be deleted, with others.
    async fn one_back(&self, mut item: Item, step: Step) -> (Item, bool, Option<Error>) {
        let go = match step {
            Step::Nothing => {
                if let Some(upload) = &item.upload
                    && let Err(error) = self.client.drop_parts(self.to(), &item.entry.to, upload).await
                {
                    return (item, false, Some(error));
                }
                item.state = State::Back;
                return (item, false, None);
            }
            Step::Conflict(why) => {
                item.state = State::Conflict;
                item.note = Some(why);
                return (item, false, None);
            }
            Step::Go(go) => go,
        };
        match self.go(&item, &go).await {
            Ok(()) if go.delete && !self.is_download() => (item, true, None),
            Ok(()) => {
                item.state = State::Back;
                (item, false, None)
            }
            Err(error) if error.kind == Kind::NotFound => {
                item.state = State::Conflict;
                item.note = Some(format!("what keeps it is gone: {error}"));
                (item, false, None)
            }
            Err(error) if error.kind == Kind::Changed => {
                item.state = State::Conflict;
                item.note = Some("it was written to since".into());
                (item, false, None)
            }
            Err(error) => (item, false, Some(error)),
        }
    }

    async fn go(&self, item: &Item, go: &Go) -> Result<(), Error> {
        let to = item.entry.to.as_str();
        if let Some(from) = &item.entry.from {
            self.source_again(item, from, go).await?;
        }
        if self.is_download() {
            return self.file_back(item, go);
        }
        if let (true, Some(from)) = (go.parks, &item.entry.from) {
            let copy = Copy {
                from: (self.to(), to),
                etag: item.etag.as_deref(),
                to: (self.to(), &self.hold_key(&format!(".parked/{to}"))),
                headers: crate::attributes::class(from.class.as_deref()),
                ..Copy::default()
            };
            self.carry(&copy, from).await?;
        }
        for version in &go.versions {
            self.client.delete(self.to(), to, Some(version)).await?;
        }
        if let Some(there) = &item.entry.there {
            self.destination_again(there, go).await?;
        }
        if let Some(upload) = &item.upload {
            self.client.drop_parts(self.to(), to, upload).await?;
        }
        Ok(())
    }

    /// Brings the source back, and looks that it is.
    async fn source_again(&self, item: &Item, from: &Object, go: &Go) -> Result<(), Error> {
        if go.to_source && self.is_upload() {
            return self.put_file_back(item, &self.source_path(from), "from");
        }
        if go.to_source {
            let copy = Copy {
                from: (self.to(), &item.entry.to),
                etag: item.etag.as_deref().or(from.etag.as_deref()),
                to: (self.from(), &from.key),
                over: Over::Nothing,
                headers: crate::attributes::class(from.class.as_deref()),
                ..Copy::default()
            };
            self.carry(&copy, from).await?;
        }
        for marker in &go.source_markers {
            self.client.delete(self.from(), &from.key, Some(marker)).await?;
        }
        if go.source_markers.is_empty() { Ok(()) } else { self.shows(self.from(), from).await }
    }

    /// Puts back what was there, and looks that it is.
    async fn destination_again(&self, there: &Object, go: &Go) -> Result<(), Error> {
        let hold = self.hold_key(&there.key);
        let from = match (&go.on_top, go.from_hold) {
            (Some(_), _) => there.key.as_str(),
            (None, true) => hold.as_str(),
            (None, false) if go.versions.is_empty() => return Ok(()),
            (None, false) => return self.shows(self.to(), there).await,
        };
        let copy = Copy {
            from: (self.to(), from),
            version: go.on_top.as_deref(),
            to: (self.to(), &there.key),
            over: Over::seen(go.now.as_ref()),
            headers: crate::attributes::class(there.class.as_deref()),
            ..Copy::default()
        };
        self.carry(&copy, there).await.map(drop)
    }

    async fn shows(&self, bucket: &str, wanted: &Object) -> Result<(), Error> {
        let now = self.client.head(bucket, &wanted.key, None).await?;
        if now.is_some_and(|now| now.size == wanted.size && wanted.etag.as_ref() == Some(&now.etag)) {
            return Ok(());
        }
        Err(Error::new(Kind::Changed, format!("s3://{bucket}/{}: it is not what it was", wanted.key)))
    }

    fn file_back(&self, item: &Item, go: &Go) -> Result<(), Error> {
        let path = std::path::Path::new(&item.entry.to);
        match &item.entry.there {
            Some(_) if go.from_hold => self.put_file_back(item, path, "to"),
            _ if !go.delete => Ok(()),
            _ => match std::fs::remove_file(path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    Err(Error::new(Kind::File, format!("{}: {error}", path.display())))
                }
                _ => Ok(()),
            },
        }
    }

    /// What was set aside is not needed where it is back.
    async fn forget_holds(&self, items: &[Item], over: &HashSet<i64>) -> Result<(), Error> {
        if !self.sets_aside() {
            return Ok(());
        }
        let is_over = |item: &&Item| item.state == State::Back && over.contains(&item.id);
        let keys: Vec<_> = items.iter().filter(is_over).map(|item| self.hold_key(&item.entry.to)).collect();
        for batch in keys.chunks(DELETES_MAX) {
            let keys: Vec<_> = batch.iter().map(String::as_str).collect();
            let answers = self.client.delete_many(self.to(), &keys).await?;
            if let Some(error) = answers.into_iter().find_map(|answer| answer.error) {
                return Err(error);
            }
        }
        Ok(())
    }
}

/// Of which objects nothing set aside is needed any more: they are put back and compared, or are what they were. Of what a
/// killed try had not settled, a request may still arrive: it is kept.
fn over(items: &[Item], steps: &[(Step, bool)]) -> HashSet<i64> {
    let is_over = |(item, (step, is_there)): &(&Item, &(Step, bool))| {
        matches!(item.state, State::Done | State::Left)
            && item.entry.there.is_some()
            && match step {
                Step::Nothing => *is_there,
                Step::Go(go) => go.from_hold,
                Step::Conflict(_) => false,
            }
    };
    items.iter().zip(steps).filter(is_over).map(|(item, _)| item.id).collect()
}
