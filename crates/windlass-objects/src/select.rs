//! The choice: two listings in, what is to be done out.

use crate::{Entry, Object, ObjectLine, Root, Roots, Scene, Skip, Verb, Work, filter::Filters};
use std::{cmp::Ordering, fmt};

/// Why a choice stopped. What came before it stands, but is not all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failed<E> {
    /// A listing failed.
    Listing(E),
    /// A listing is not in the order of the bytes of its keys: comparing the two would take what is there for missing.
    Unsorted {
        /// The key that comes too late.
        key: String,
        /// The key in front of it.
        after: String,
    },
    /// A listing has a key that is not below its root.
    Outside {
        /// The key.
        key: String,
    },
}

impl<E: fmt::Display> fmt::Display for Failed<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listing(error) => error.fmt(f),
            Self::Unsorted { key, after } => {
                write!(f, "the listing is not sorted: `{key}` comes after `{after}`")
            }
            Self::Outside { key } => write!(f, "the listing has `{key}`, which was not asked for"),
        }
    }
}

impl<E: std::error::Error + 'static> std::error::Error for Failed<E> {}

/// What was seen of one listing so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Objects, folder markers included.
    pub listed: u64,
    /// Empty objects whose key ends with `/`: only `rm` means them.
    pub markers: u64,
    /// What the filters hide.
    pub hidden: u64,
}

/// What was seen of both listings so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// The source.
    pub from: Seen,
    /// The destination.
    pub to: Seen,
}

/// One object of a listing, with what the choice needs to know of it.
struct Item {
    object: Object,
    relative: String,
    hidden: bool,
    marker: bool,
    /// No filter hides it, and it is no folder marker that the line passes over.
    counts: bool,
}

/// One listing, read one object ahead.
struct Side<I> {
    listing: I,
    ahead: Option<Item>,
    done: bool,
    last: Option<String>,
    seen: Seen,
}

/// The entries of a line, in the order of their names. It keeps one object of each listing, whatever their length.
pub struct Selection<S, D> {
    line: ObjectLine,
    roots: Roots,
    filters: Filters,
    from: Side<S>,
    to: Side<D>,
    failed: bool,
}

/// Chooses what `line` does, from the listings below [`Roots`]: of the source and of the destination, each sorted by the
/// bytes of its keys. Of a line that means one object a listing has that object or nothing. `rm` needs no destination. Without
/// a destination `cp` and `mv` choose the same, but no [`Entry::there`] is known; `sync` needs it.
///
/// The entries are those that aws-cli chooses when nothing writes while it lists; those that stay are told too.
pub fn select<E, S, D>(
    line: &ObjectLine,
    scene: &Scene,
    from: S,
    to: D,
) -> Selection<S::IntoIter, D::IntoIter>
where
    S: IntoIterator<Item = Result<Object, E>>,
    D: IntoIterator<Item = Result<Object, E>>,
{
    let roots = Roots::new(line, scene);
    let filters = Filters::new(&line.options.filters, &roots);
    let (from, to) = (Side::new(from.into_iter()), Side::new(to.into_iter()));
    Selection { line: line.clone(), roots, filters, from, to, failed: false }
}

impl<S, D> Selection<S, D> {
    /// What was seen so far; of the whole when the last entry was taken.
    pub fn counts(&self) -> Counts {
        Counts { from: self.from.seen, to: self.to.seen }
    }
}

impl<I> Side<I> {
    fn new(listing: I) -> Self {
        Self { listing, ahead: None, done: false, last: None, seen: Seen::default() }
    }

    /// Reads one object ahead, if none is.
    fn fill<E>(&mut self, item: impl FnOnce(Object) -> Result<Item, Object>) -> Result<(), Failed<E>>
    where
        I: Iterator<Item = Result<Object, E>>,
    {
        if self.done || self.ahead.is_some() {
            return Ok(());
        }
        let Some(object) = self.listing.next() else {
            self.done = true;
            return Ok(());
        };
        let item =
            item(object.map_err(Failed::Listing)?).map_err(|object| Failed::Outside { key: object.key })?;
        if let Some(after) = self.last.take().filter(|last| *last >= item.relative) {
            return Err(Failed::Unsorted { key: item.relative, after });
        }
        self.last = Some(item.relative.clone());
        self.seen.listed += 1;
        self.seen.hidden += u64::from(item.hidden);
        self.seen.markers += u64::from(item.marker);
        self.ahead = Some(item);
        Ok(())
    }
}

impl<S, D, E> Iterator for Selection<S, D>
where
    S: Iterator<Item = Result<Object, E>>,
    D: Iterator<Item = Result<Object, E>>,
{
    type Item = Result<Entry, Failed<E>>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.failed {
            match self.step() {
                Ok(Some(Some(entry))) => return Some(Ok(entry)),
                Ok(Some(None)) => {}
                Ok(None) => return None,
                Err(failed) => {
                    self.failed = true;
                    return Some(Err(failed));
                }
            }
        }
        None
    }
}

impl<S, D, E> Selection<S, D>
where
    S: Iterator<Item = Result<Object, E>>,
    D: Iterator<Item = Result<Object, E>>,
{
    /// Takes the next name of either listing. `None`: there is none; `Some(None)`: nothing is done with it.
    fn step(&mut self) -> Result<Option<Option<Entry>>, Failed<E>> {
        let (roots, filters, line) = (&self.roots, &self.filters, &self.line);
        self.from.fill(|object| read(object, &roots.from, filters, line))?;
        self.to.fill(|object| read_there(object, roots, filters, line))?;
        let order = match (&self.from.ahead, &self.to.ahead) {
            (None, None) => return Ok(None),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(from), Some(to)) => from.relative.cmp(&to.relative),
        };
        let from = if order.is_le() { self.from.ahead.take() } else { None };
        let to = if order.is_ge() { self.to.ahead.take() } else { None };
        Ok(Some(self.decide(from, to)))
    }

    /// What is done with one name, which stands in either listing or in both.
    fn decide(&self, from: Option<Item>, to: Option<Item>) -> Option<Entry> {
        let there_counts = to.as_ref().is_some_and(|to| to.counts);
        let Some(from) = from.filter(|from| from.counts) else {
            let to = to.filter(|to| to.counts && self.line.verb == Verb::Sync && self.line.options.delete)?;
            let path = self.roots.to.destination(&to.relative);
            return Some(Entry { work: Work::Delete, from: None, to: path, there: Some(to.object) });
        };
        if self.line.verb == Verb::Remove {
            let (key, object) = (from.object.key.clone(), from.object);
            return Some(Entry { work: Work::Delete, from: None, to: key, there: Some(object) });
        }
        let there = to.map(|to| to.object);
        let stays = self.line.verb == Verb::Sync
            && there_counts
            && there.as_ref().is_some_and(|there| self.is_same(&from.object, there));
        let work = match () {
            () if stays => Work::Stay,
            () => self.skip(&from).map_or(Work::Copy, Work::Skip),
        };
        let to = self.roots.to.destination(&from.relative);
        Some(Entry { work, from: Some(from.object), to, there })
    }

    /// Whether `sync` takes the destination for up to date.
    fn is_same(&self, from: &Object, to: &Object) -> bool {
        let options = &self.line.options;
        let same_size = from.size == to.size;
        let download = self.roots.from.is_s3() && !self.roots.to.is_s3();
        // With both options aws-cli takes `--exact-timestamps`.
        let same_time = match () {
            () if options.exact_timestamps && download => to.modified_us == from.modified_us,
            () if options.size_only && !options.exact_timestamps => true,
            () if download => to.modified_us <= from.modified_us,
            () => to.modified_us >= from.modified_us,
        };
        same_size && same_time
    }

    fn skip(&self, from: &Item) -> Option<Skip> {
        let archived = matches!(from.object.class.as_deref(), Some("GLACIER" | "DEEP_ARCHIVE"));
        if archived && self.roots.from.is_s3() && !self.line.options.force_glacier_transfer {
            return Some(Skip::Archived);
        }
        let download = self.roots.from.is_s3() && !self.roots.to.is_s3();
        (download && leads_out(&from.relative)).then_some(Skip::Parent)
    }
}

/// An object of a listing below `root`; back if it is not below it.
fn read(object: Object, root: &Root, filters: &Filters, line: &ObjectLine) -> Result<Item, Object> {
    let Some(relative) = root.relative(&object.key).map(str::to_owned) else { return Err(object) };
    let marker = root.is_s3() && line.is_recursive() && object.size == 0 && object.key.ends_with('/');
    let hidden = !filters.include(&root.full(&object.key));
    let counts = !hidden && (!marker || line.verb == Verb::Remove);
    Ok(Item { object, relative, hidden, marker, counts })
}

/// One of the destination. Of a line that means one object it is what that object would overwrite, whatever its name.
fn read_there(object: Object, roots: &Roots, filters: &Filters, line: &ObjectLine) -> Result<Item, Object> {
    let item = read(object, &roots.to, filters, line)?;
    let relative = if line.is_recursive() { item.relative } else { roots.from.name().to_owned() };
    Ok(Item { relative, ..item })
}

/// Whether a name leads out of the folder that it is put into.
fn leads_out(relative: &str) -> bool {
    let mut depth = 0_i64;
    relative.split('/').any(|part| {
        depth += match part {
            "" | "." => 0,
            ".." => -1,
            _ => 1,
        };
        depth < 0
    })
}
