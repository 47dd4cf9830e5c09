//! Listings: in the order of the keys, many pages at a time.
//!
//! A store gives 1,000 keys a page, one page after another. So a prefix with more than one page is split: for each letter that may
//! follow the part that its keys have in common, the first key at or behind it is asked for (one request, one key). The
//! distinct answers are where its ranges begin, however the keys are spread. Ranges are read at the same time and
//! handed out in order; how much may be read ahead is bounded, so memory is flat.

use crate::{
    client::{Client, Page},
    error::{Error, Kind},
};
use futures_util::{StreamExt as _, stream};
use std::collections::VecDeque;
use tokio::{sync::mpsc, task::JoinSet};
use windlass_objects::Object;

/// Keys of a page.
const PAGE: u32 = 1000;
/// Pages of a range that may wait for their turn.
const AHEAD: usize = 12;
/// Ranges that are read at the same time: their pages are at most about 60 MB.
const RANGES: usize = 24;
/// Letters that a range may begin with, sorted.
const LETTERS: &[u8; 39] = b"-./0123456789ABCEGIKMOQSUWY_acegikmoquz";
/// How often a part that all keys have in common is looked behind.
const DEPTH_MAX: usize = 3;

/// Objects below a prefix, in the order of the bytes of their keys.
pub struct Listing {
    /// Those that nobody reads yet, in order.
    later: VecDeque<Range>,
    /// Those that are read now, in order.
    ranges: VecDeque<mpsc::Receiver<Result<Vec<Object>, Error>>>,
    current: VecDeque<Object>,
    last: Option<String>,
    /// Ends the readers when the listing is dropped.
    readers: JoinSet<()>,
}

/// Lists the objects of `bucket` below `prefix`.
///
/// # Errors
/// The store's, for the first page; later ones come with the objects.
pub async fn list(client: &Client, bucket: &str, prefix: &str) -> Result<Listing, Error> {
    let first = client.page(bucket, prefix, None, None, PAGE).await?;
    let end = first.objects.last().map(|object| object.key.clone()).filter(|_| first.next.is_some());
    let mut later = VecDeque::new();
    if let Some(end) = end {
        let starts = split(client, bucket, prefix, &end).await?;
        for number in 0..=starts.len() {
            later.push_back(Range {
                client: client.clone(),
                bucket: bucket.to_owned(),
                prefix: prefix.to_owned(),
                behind: if number == 0 { end.clone() } else { before(&starts[number - 1]) },
                from: (number > 0).then(|| starts[number - 1].clone()),
                until: starts.get(number).cloned(),
            });
        }
    }
    let mut listing = Listing {
        later,
        ranges: VecDeque::new(),
        current: first.objects.into(),
        last: None,
        readers: JoinSet::new(),
    };
    listing.read();
    Ok(listing)
}

/// A part of a listing.
struct Range {
    client: Client,
    bucket: String,
    prefix: String,
    /// Keys behind this one.
    behind: String,
    /// The first key that belongs to it; none: all behind `behind` do.
    from: Option<String>,
    /// The first key that does not belong to it any more.
    until: Option<String>,
}

impl Range {
    async fn read(self, sender: mpsc::Sender<Result<Vec<Object>, Error>>) {
        let mut token = None;
        loop {
            let behind = token.is_none().then_some(self.behind.as_str());
            let page = self.client.page(&self.bucket, &self.prefix, behind, token.as_deref(), PAGE).await;
            let Page { mut objects, next } = match page {
                Ok(page) => page,
                Err(error) => {
                    // Whoever drops the listing wants no word of it.
                    let _ = sender.send(Err(error)).await;
                    return;
                }
            };
            if let Some(from) = &self.from {
                objects.retain(|object| object.key >= *from);
            }
            let all = objects.len();
            if let Some(until) = &self.until {
                objects.retain(|object| object.key < *until);
            }
            let is_over = next.is_none() || objects.len() < all;
            if sender.send(Ok(objects)).await.is_err() || is_over {
                return;
            }
            token = next;
        }
    }
}

/// A text that is below `key`; what a store has between them is taken off.
pub(crate) fn before(key: &str) -> String {
    let mut letters: Vec<char> = key.chars().collect();
    let Some(last) = letters.pop() else { return String::new() };
    if let Some(lower) = (last as u32).checked_sub(1).and_then(char::from_u32).filter(|c| *c >= ' ') {
        letters.extend([lower, '\u{fffd}']);
    }
    letters.into_iter().collect()
}

/// Keys behind `end`, each the first key of a range, sorted.
async fn split(client: &Client, bucket: &str, prefix: &str, end: &str) -> Result<Vec<String>, Error> {
    let mut common = prefix.to_owned();
    for _ in 0..DEPTH_MAX {
        let candidates: Vec<_> = LETTERS
            .iter()
            .map(|letter| format!("{common}{}", char::from(*letter)))
            .filter(|at| at.as_str() > end)
            .collect();
        let asks: Vec<_> =
            candidates.iter().map(|at| client.page(bucket, prefix, Some(at), None, 1)).collect();
        let pages: Vec<_> = stream::iter(asks).buffered(LETTERS.len()).collect().await;
        let mut starts = Vec::new();
        for page in pages {
            starts.extend(page?.objects.into_iter().next().map(|object| object.key));
        }
        starts.sort();
        starts.dedup();
        starts.retain(|start| start.as_str() > end);
        if starts.len() > 2 {
            return Ok(starts);
        }
        // All keys have more in common: look behind that.
        let deeper = starts.first().map_or(end, String::as_str);
        let next = shared(end, deeper);
        if next.len() <= common.len() {
            let step = deeper[common.len()..].chars().next();
            let Some(step) = step.filter(|_| deeper.starts_with(&common)) else { return Ok(starts) };
            common.push(step);
        } else {
            next.clone_into(&mut common);
        }
    }
    Ok(Vec::new())
}

/// The part that two texts begin with.
pub(crate) fn shared<'a>(one: &'a str, two: &str) -> &'a str {
    let length = one.bytes().zip(two.bytes()).take_while(|(a, b)| a == b).count();
    &one[..one.floor_char_boundary(length)]
}

impl Listing {
    /// The next object, if it is here already.
    pub(crate) fn ready(&mut self) -> Result<Option<Object>, Error> {
        let Some(object) = self.current.pop_front() else { return Ok(None) };
        if self.last.as_ref().is_some_and(|last| *last >= object.key) {
            let last = self.last.as_deref().unwrap_or_default();
            let message = format!("the store lists `{}` behind `{last}`: out of order", object.key);
            return Err(Error::new(Kind::Answer, message));
        }
        self.last = Some(object.key.clone());
        Ok(Some(object))
    }

    /// Has as many ranges read as may be.
    fn read(&mut self) {
        while self.ranges.len() < RANGES
            && let Some(range) = self.later.pop_front()
        {
            let (sender, receiver) = mpsc::channel(AHEAD);
            self.readers.spawn(range.read(sender));
            self.ranges.push_back(receiver);
        }
    }

    /// The next object.
    ///
    /// # Errors
    /// The store's, after repeated tries; or the store is out of order.
    pub async fn next(&mut self) -> Result<Option<Object>, Error> {
        loop {
            if let Some(object) = self.ready()? {
                return Ok(Some(object));
            }
            let Some(range) = self.ranges.front_mut() else { return Ok(None) };
            match range.recv().await {
                Some(page) => self.current = page?.into(),
                None => {
                    self.ranges.pop_front();
                    self.read();
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_begins_just_before_its_first_key() {
        for key in ["a", "b/c", "日", "a ", "0"] {
            assert!(before(key).as_str() < key, "{key}");
        }
        assert_eq!(shared("a/日1", "a/本"), "a/");
    }
}
