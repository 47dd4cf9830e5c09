//! What a choice comes to: numbers and groups for people, and what only the listings tell.

use crate::{Counts, Entry, ObjectLine, Root, Roots, Scene, Skip, Verb, Work, filter::Filters};
use std::collections::BTreeMap;

/// Groups that are told apart, of each kind; what comes later is counted together.
const GROUPS_MAX: usize = 1000;
/// Groups that are shown.
const SHOWN_MAX: usize = 6;
/// Keys that are shown of the beginning and of the end.
const ENDS_MAX: usize = 3;
/// Longer than this, only the very first and the very last key are shown, each on a line of its own.
const ENDS_WIDTH: usize = 60;

/// Objects and their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// How many.
    pub objects: u64,
    /// How much together.
    pub bytes: u64,
}

impl Tally {
    fn add(&mut self, bytes: u64) {
        self.objects += 1;
        self.bytes = self.bytes.saturating_add(bytes);
    }
}

/// What only the listings and the bucket tell of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Surprise {
    /// The source has nothing, and `--delete` deletes all that the filters leave of the destination.
    EmptySourceDeletes,
    /// Nothing is done: the source has nothing, or the filters leave nothing of it.
    NothingMeant,
    /// The filters hide nothing of what is there.
    FiltersHideNothing,
    /// So many objects would be copied or moved by a second run too, although nothing has changed.
    CopiedAgain(u64),
    /// So many objects would be overwritten that are themselves meant by the line: the order decides what is left.
    Tangled(u64),
    /// Objects would be overwritten or deleted in a bucket that keeps no versions.
    NoVersions {
        /// How many.
        objects: u64,
        /// They are set aside before.
        is_held: bool,
    },
    /// A rule of the bucket deletes what is set aside after so many days.
    HoldExpires(u32),
    /// So many of the first thousand objects there are of another account than the bucket.
    OthersOwn(u64),
}

/// Sums up the entries of a line; its memory does not grow with them.
#[derive(Clone, Debug)]
pub struct Preview {
    line: ObjectLine,
    roots: Roots,
    filters: Filters,
    /// Copied or moved.
    pub copied: Tally,
    /// Those of them that overwrite something; the bytes are of what is lost.
    pub overwritten: Tally,
    /// Deleted.
    pub deleted: Tally,
    /// At the destination already.
    pub stay: Tally,
    /// Passed over: in an archive.
    pub archived: Tally,
    /// Passed over: their keys lead out of the folder.
    pub leading_out: Tally,
    by_prefix: BTreeMap<String, Tally>,
    by_extension: BTreeMap<String, Tally>,
    first: Vec<String>,
    last: std::collections::VecDeque<String>,
    again: u64,
    tangled: u64,
}

impl Preview {
    /// Of nothing yet.
    #[must_use]
    pub fn new(line: &ObjectLine, scene: &Scene) -> Self {
        let roots = Roots::new(line, scene);
        let filters = Filters::new(&line.options.filters, &roots);
        Self {
            line: line.clone(),
            roots,
            filters,
            copied: Tally::default(),
            overwritten: Tally::default(),
            deleted: Tally::default(),
            stay: Tally::default(),
            archived: Tally::default(),
            leading_out: Tally::default(),
            by_prefix: BTreeMap::new(),
            by_extension: BTreeMap::new(),
            first: Vec::new(),
            last: std::collections::VecDeque::new(),
            again: 0,
            tangled: 0,
        }
    }

    /// One more entry.
    pub fn add(&mut self, entry: &Entry) {
        let size = entry.from.as_ref().or(entry.there.as_ref()).map_or(0, |object| object.size);
        match entry.work {
            Work::Copy => {
                self.copied.add(size);
                if let Some(there) = &entry.there {
                    self.overwritten.add(there.size);
                }
                self.look_ahead(entry);
            }
            Work::Delete => self.deleted.add(size),
            Work::Stay => return self.stay.add(size),
            Work::Skip(Skip::Archived) => return self.archived.add(size),
            Work::Skip(Skip::Parent) => return self.leading_out.add(size),
        }
        let (root, key) = match &entry.from {
            Some(from) => (&self.roots.from, from.key.as_str()),
            None => (&self.roots.to, entry.to.as_str()),
        };
        let name = relative(root, key).to_owned();
        let (prefix, extension) = (prefix(&name).to_owned(), extension(&name).to_owned());
        group(&mut self.by_prefix, prefix).add(size);
        group(&mut self.by_extension, extension).add(size);
        if self.first.len() < ENDS_MAX {
            self.first.push(name);
        } else {
            if self.last.len() == ENDS_MAX {
                self.last.pop_front();
            }
            self.last.push_back(name);
        }
    }

    /// Whether what is written here is meant by the line itself, the next time or this time already.
    fn look_ahead(&mut self, entry: &Entry) {
        let to = &self.roots.to;
        let path = if to.is_s3() { to.full(&entry.to) } else { entry.to.clone() };
        let within = self.line.is_recursive()
            && to.is_s3() == self.roots.from.is_s3()
            && path.starts_with(self.roots.from.path());
        let included = self.filters.include(&path);
        let hidden = self.line.verb == Verb::Sync && !included;
        self.again += u64::from(hidden || (within && included));
        self.tangled += u64::from(within && included && entry.there.is_some());
    }

    /// What only the listings tell, once all entries are here.
    #[must_use]
    pub fn surprises(&self, counts: &Counts) -> Vec<Surprise> {
        let from = counts.from;
        let source_empty = from.listed == from.markers && self.line.verb != Verb::Remove;
        let filters = !self.line.options.filters.is_empty();
        let nothing = self.copied.objects + self.stay.objects + self.deleted.objects == 0;
        let found = [
            (source_empty && self.deleted.objects > 0, Surprise::EmptySourceDeletes),
            (nothing, Surprise::NothingMeant),
            (filters && !nothing && from.hidden + counts.to.hidden == 0, Surprise::FiltersHideNothing),
            (self.again > 0, Surprise::CopiedAgain(self.again)),
            (self.tangled > 0, Surprise::Tangled(self.tangled)),
        ];
        found.into_iter().filter(|(is, _)| *is).map(|(_, surprise)| surprise).collect()
    }

    /// Lines for people; `bytes` writes a size.
    #[must_use]
    pub fn lines(&self, bytes: impl Fn(u64) -> String) -> Vec<String> {
        let tally = |tally: Tally| format!("{}, {}", count(tally.objects), bytes(tally.bytes));
        let verb = if self.line.verb == Verb::Move { "move" } else { "copy" };
        let rows = [
            (self.copied, verb.to_owned(), ""),
            (self.overwritten, "overwrite".to_owned(), " of them at the destination"),
            (self.deleted, "delete".to_owned(), ""),
            (self.stay, "leave".to_owned(), ", at the destination already"),
            (self.archived, "pass over".to_owned(), ": they are archived"),
            (self.leading_out, "pass over".to_owned(), ": their keys lead out of the folder"),
        ];
        let mut lines: Vec<_> = rows
            .into_iter()
            .filter(|(of, ..)| of.objects > 0)
            .map(|(of, verb, more)| format!("{verb} {}{more}", tally(of)))
            .collect();
        if lines.is_empty() {
            lines.push("no objects: nothing to do".to_owned());
        }
        for (what, groups) in [("below", &self.by_prefix), ("named", &self.by_extension)] {
            if groups.len() > 1 {
                lines.push(format!("{what} {}", shown(groups)));
            }
        }
        lines.extend(self.ends());
        lines
    }

    /// The first and the last keys.
    fn ends(&self) -> Vec<String> {
        let Some(first) = self.first.first() else { return Vec::new() };
        let between =
            if self.copied.objects + self.deleted.objects > 2 * ENDS_MAX as u64 { "… " } else { "" };
        let last: Vec<_> = self.last.iter().map(String::as_str).collect();
        let all = format!("{} {between}{}", self.first.join(" "), last.join(" ")).trim_end().to_owned();
        match self.last.back().or(self.first.last()).filter(|last| *last != first) {
            Some(last) if all.chars().count() > ENDS_WIDTH => {
                vec![format!("first {first}"), format!("last {last}")]
            }
            _ => vec![all],
        }
    }
}

fn relative<'a>(root: &Root, key: &'a str) -> &'a str {
    let name = key.strip_prefix(root.start()).or_else(|| root.relative(key));
    name.filter(|name| !name.is_empty()).unwrap_or(key)
}

/// The first folder of a name, with its `/`.
fn prefix(name: &str) -> &str {
    name.find('/').map_or("", |at| &name[..=at])
}

/// The ending of a name, with its `.`.
fn extension(name: &str) -> &str {
    let last = name.rfind('/').map_or(name, |at| &name[at + 1..]);
    last.rfind('.').map_or("", |at| &last[at..])
}

fn group(groups: &mut BTreeMap<String, Tally>, name: String) -> &mut Tally {
    let full = groups.len() >= GROUPS_MAX && !groups.contains_key(&name);
    groups.entry(if full { "…".to_owned() } else { name }).or_default()
}

/// The largest groups: `a/ 12, b/ 3, 4 others 9`.
fn shown(groups: &BTreeMap<String, Tally>) -> String {
    let mut sorted: Vec<_> = groups.iter().collect();
    sorted.sort_by_key(|(_, tally)| std::cmp::Reverse(tally.objects));
    let name = |name: &str| if name.is_empty() { "(none)".to_owned() } else { name.to_owned() };
    let mut texts: Vec<_> = sorted
        .iter()
        .take(SHOWN_MAX)
        .map(|(group, tally)| format!("{} {}", name(group), tally.objects))
        .collect();
    if sorted.len() > SHOWN_MAX {
        let rest = &sorted[SHOWN_MAX..];
        let objects: u64 = rest.iter().map(|(_, tally)| tally.objects).sum();
        texts.push(format!("{} others {objects}", rest.len()));
    }
    texts.join(", ")
}

fn count(objects: u64) -> String {
    if objects == 1 { "1 object".to_owned() } else { format!("{objects} objects") }
}

impl Surprise {
    /// In words.
    #[must_use]
    pub fn message(self) -> String {
        match self {
            Self::EmptySourceDeletes => {
                "the source has no objects, so `--delete` would delete all at the destination: is its name right?".to_owned()
            }
            Self::NothingMeant => "nothing is meant: the source has no objects, or the filters leave none".to_owned(),
            Self::FiltersHideNothing => "the filters leave out nothing of what is there".to_owned(),
            Self::CopiedAgain(objects) => {
                format!("a second run would take {} once more, although nothing has changed", count(objects))
            }
            Self::Tangled(objects) => format!(
                "{} that the line itself means would be overwritten: the order would decide what is left",
                count(objects)
            ),
            Self::NoVersions { objects, is_held } => {
                let how = match is_held {
                    true => "would come back only from what is set aside",
                    false => "would be lost for good, as nothing is set aside",
                };
                format!("the bucket keeps no versions: {} {how}", count(objects))
            }
            Self::HoldExpires(days) => format!(
                "a lifecycle rule of the bucket deletes what is set aside under `hold` after {}: a rollback behind that \
                 finds nothing",
                if days == 1 { "1 day".to_owned() } else { format!("{days} days") }
            ),
            Self::OthersOwn(objects) => format!(
                "another account than the bucket's owns {} of the first 1,000 there: what a rollback puts back belongs to yours",
                count(objects)
            ),
        }
    }

    /// What to do about it; none: nothing has to be done.
    #[must_use]
    pub fn hint(self) -> Option<&'static str> {
        match self {
            Self::EmptySourceDeletes => {
                Some("to delete all of it is `aws s3 rm --recursive`, or leave `--delete` out")
            }
            Self::Tangled(_) => {
                Some("leave the one out of the other with `--exclude`, or choose another destination")
            }
            _ => None,
        }
    }

    /// Whether the line must not run so.
    #[must_use]
    pub fn refuses(self) -> bool {
        matches!(self, Self::EmptySourceDeletes | Self::Tangled(_))
    }
}
