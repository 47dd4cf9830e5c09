//! What is deleted on the way there: sources of what was moved, and what a line deletes. What goes was set aside before, or its copy is
//! durable, and it is still what was frozen.

use crate::{
    client::DELETES_MAX,
    error::{Error, Kind},
    manifest::{Item, State},
    run::{Job, WIDTH, is_same},
};
use futures_util::{StreamExt as _, stream};
use std::collections::HashSet;

/// Said of what was left alone and may nevertheless be what a try of ours wrote or deleted.
pub(crate) const MAYBE: &str = "whether a try that was killed did that is not known";

/// What was to be deleted and is another one by now; `is_known`: no request of ours can have deleted it.
fn left(mut item: Item, is_known: bool) -> Item {
    item.state = State::Left;
    item.note = Some(match is_known {
        true => "it was written to after the preview".into(),
        false => format!("it was written to after the preview; {MAYBE}"),
    });
    item
}

/// What was not there any more when it was to be deleted.
pub(crate) const GONE: &str = "it was gone already";

impl Job<'_> {
    /// Deletes the sources of copies that are durable, where they are still what was copied.
    pub(crate) async fn remove_sources(&self, items: Vec<Item>) -> Result<(), Error> {
        let source = |item: &Item| item.entry.from.clone();
        let now = self.at_source(&items).await?;
        let mut going = Vec::new();
        let mut settled = Vec::new();
        for mut item in items {
            let from = source(&item);
            let key = from.as_ref().map(|from| from.key.clone()).unwrap_or_default();
            match now.get(&key) {
                None => {
                    item.state = State::Done;
                    settled.push(item);
                }
                found if is_same(found, from.as_ref()) => going.push((key, item)),
                Some(_) => {
                    item.state = State::Left;
                    item.note = Some("the source was written to while it was copied: it stays".into());
                    settled.push(item);
                }
            }
        }
        let (done, error) = if self.is_upload() {
            self.delete_files(going, "from")
        } else {
            self.delete(self.from(), going).await
        };
        settled.extend(done);
        self.tell(&settled, State::Done);
        self.settle(settled).await?;
        error.map_or(Ok(()), Err)
    }

    /// Deletes; gives those that are gone.
    async fn delete(&self, bucket: &str, going: Vec<(String, Item)>) -> (Vec<Item>, Option<Error>) {
        let mut done = Vec::new();
        let mut first_error = None;
        for batch in going.chunks(DELETES_MAX) {
            let keys: Vec<_> = batch.iter().map(|(key, _)| key.as_str()).collect();
            match self.client.delete_many(bucket, &keys).await {
                Err(error) => {
                    first_error = first_error.or(Some(error));
                    break;
                }
                Ok(answers) => {
                    for (deleted, (_, item)) in answers.into_iter().zip(batch) {
                        let mut item = item.clone();
                        if deleted.error.is_none() {
                            item.state = State::Done;
                            item.marker = deleted.marker;
                            done.push(item);
                        }
                        first_error = first_error.or(deleted.error);
                    }
                }
            }
        }
        (done, first_error)
    }

    /// Deletes files of this machine.
    fn delete_files(&self, going: Vec<(String, Item)>, what: &str) -> (Vec<Item>, Option<Error>) {
        let mut done = Vec::new();
        for (_, mut item) in going {
            let (path, object) = match (&item.entry.from, &item.entry.there) {
                (Some(from), _) if what == "from" => (self.source_path(from), from.clone()),
                (_, Some(there)) => (item.entry.to.clone().into(), there.clone()),
                _ => continue,
            };
            if let Err(error) = self.delete_file(&item, &path, &object, what) {
                return (done, Some(error));
            }
            item.state = State::Done;
            done.push(item);
        }
        (done, None)
    }

    pub(crate) async fn deletes(&self, items: Vec<Item>, is_again: bool) -> Result<(), Error> {
        if items.is_empty() {
            return Ok(());
        }
        let now = self.at_destination(&items).await?;
        let mut settled = Vec::new();
        let mut standing = Vec::new();
        for mut item in items {
            match now.get(&item.entry.to) {
                None => {
                    item.note = (item.state == State::Planned).then(|| GONE.to_owned());
                    item.state = State::Done;
                    settled.push(item);
                }
                found if is_same(found, item.entry.there.as_ref()) => standing.push(item),
                Some(_) => {
                    let is_known = item.state == State::Planned;
                    settled.push(left(item, is_known));
                }
            }
        }
        // Of the others an earlier try may have sent its delete.
        let fresh: HashSet<_> =
            standing.iter().filter(|item| item.state == State::Planned).map(|item| item.id).collect();
        let mut first_error = None;
        let mut ready = Vec::new();
        let asides: Vec<_> = standing.into_iter().map(|item| self.aside_of_delete(item, is_again)).collect();
        let mut asides = stream::iter(asides).buffer_unordered(WIDTH);
        while let Some((item, error)) = asides.next().await {
            match error {
                None if item.state == State::Written => ready.push(item),
                None => settled.push(item),
                error => first_error = first_error.or(error),
            }
        }
        drop(asides);
        let ready = self.settle(ready).await?;
        // To set them aside took its time.
        let now = if self.sets_aside() { Some(self.at_destination(&ready).await?) } else { None };
        let stands = |item: &Item| {
            now.as_ref().is_none_or(|now| is_same(now.get(&item.entry.to), item.entry.there.as_ref()))
        };
        let (ready, others): (Vec<_>, Vec<_>) = ready.into_iter().partition(stands);
        settled.extend(others.into_iter().map(|item| {
            let is_known = fresh.contains(&item.id);
            left(item, is_known)
        }));
        let going = ready.into_iter().map(|item| (item.entry.to.clone(), item)).collect();
        let (done, error) = if self.is_download() {
            self.delete_files(going, "to")
        } else {
            self.delete(self.to(), going).await
        };
        settled.extend(done);
        self.tell(&settled, State::Done);
        self.settle(settled).await?;
        first_error.or(error).map_or(Ok(()), Err)
    }

    async fn aside_of_delete(&self, mut item: Item, is_again: bool) -> (Item, Option<Error>) {
        let there = item.entry.there.clone().filter(|_| self.sets_aside());
        if let Some(there) = there
            && item.state == State::Planned
        {
            match self.set_aside(self.to(), &there, is_again).await {
                Ok(()) => {}
                Err(error) if error.kind == Kind::Changed || error.kind == Kind::NotFound => {
                    item.state = State::Left;
                    item.note = Some("it was written to after the preview".into());
                    return (item, None);
                }
                Err(error) => return (item, Some(error)),
            }
        }
        item.state = State::Written;
        (item, None)
    }
}
