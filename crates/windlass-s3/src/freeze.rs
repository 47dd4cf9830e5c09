//! From a line to its manifest: both listings are read once, before anything is written.

use crate::{
    client::{Client, Versioning},
    error::{Error, Kind},
    findings::findings,
    listing::{Listing, list},
    local,
    manifest::{Head, Manifest, Totals, Writer},
};
use std::path::{Path, PathBuf};
use tokio::runtime::Handle;
use windlass_objects::{
    Counts, Entry, Failed, Object, ObjectLine, Place, Preview, Roots, Scene, Surprise, Verb, Work, select,
};

/// Larger objects cannot be copied in one request.
const COPY_BYTES_MAX: u64 = 5 << 30;
/// Parts of a copy inside the store: 10,000 of them are the largest object of 5 TiB.
const PART_BYTES: u64 = 512 << 20;

/// How a line is frozen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Freeze {
    /// Where the manifest goes.
    pub path: PathBuf,
    /// In front of the keys of everything that is ever set aside, in the bucket of the source and in that of the destination: no
    /// line means it. Empty: nothing is.
    pub holds: [String; 2],
    /// Whether what is overwritten or deleted is set aside, where there is a `hold` at the destination and it has no versions.
    pub keeps: bool,
    /// Below that, what only this manifest sets aside.
    pub own: String,
    /// Larger objects are copied in parts.
    pub copy_bytes_max: u64,
    /// Size of such parts.
    pub part_bytes: u64,
}

impl Freeze {
    /// With the sizes that stores prescribe.
    #[must_use]
    pub fn at(path: &Path, holds: [&str; 2], own: &str) -> Self {
        Self {
            path: path.to_owned(),
            holds: holds.map(str::to_owned),
            keeps: true,
            own: own.to_owned(),
            copy_bytes_max: COPY_BYTES_MAX,
            part_bytes: PART_BYTES,
        }
    }
}

/// One side of a line as it is now, in order.
enum Side {
    Bucket { listing: Box<Listing>, handle: Handle, hold: String },
    One(Option<Object>),
    Folder(local::Walk),
    Nothing,
}

impl Iterator for Side {
    type Item = Result<Object, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::Nothing => None,
            Self::One(object) => object.take().map(Ok),
            Self::Folder(walk) => walk.next(),
            Self::Bucket { listing, handle, hold } => loop {
                let next = match listing.ready() {
                    Ok(None) => handle.block_on(listing.next()),
                    ready => ready,
                };
                match next {
                    Ok(Some(object)) if !hold.is_empty() && object.key.starts_with(hold.as_str()) => {}
                    next => return next.transpose(),
                }
            },
        }
    }
}

async fn side(
    client: &Client,
    line: &ObjectLine,
    place: &Place,
    start: &str,
    hold: &str,
) -> Result<Side, Error> {
    let is_source = *place == line.from;
    match place {
        Place::S3 { bucket, .. } if line.is_recursive() => {
            let listing = Box::new(list(client, bucket, start).await?);
            Ok(Side::Bucket { listing, handle: Handle::current(), hold: hold.to_owned() })
        }
        Place::S3 { bucket, .. } => {
            let head = client.head(bucket, start, None).await?;
            let object = head.map(|head| head.object(start));
            if object.is_none() && is_source && line.verb != Verb::Remove {
                let message = format!("s3://{bucket}/{start}: there is no such object");
                return Err(Error::new(Kind::NotFound, message));
            }
            Ok(Side::One(object))
        }
        Place::Local { .. } if line.is_recursive() => {
            local::walk(Path::new(start), !line.options.no_follow_symlinks, is_source).map(Side::Folder)
        }
        Place::Local { .. } => Ok(Side::One(local::one(Path::new(start), is_source)?)),
    }
}

/// Chooses what `line` does as things are now, and gives each entry to `each`; changes nothing. What was seen of both listings
/// is told at the end.
///
/// # Errors
/// The store's; or what `each` says.
async fn choose<T: Send + 'static>(
    client: &Client,
    line: &ObjectLine,
    scene: &Scene,
    holds: &[String; 2],
    mut state: T,
    mut each: impl FnMut(&mut T, Entry) -> Result<(), Error> + Send + 'static,
) -> Result<(T, Counts), Error> {
    let roots = Roots::new(line, scene);
    let from = side(client, line, &line.from, roots.from.start(), &holds[0]).await?;
    let to = match &line.to {
        // The destination of a line that means one object may be named by the source.
        Some(Place::S3 { bucket, .. }) if !line.is_recursive() => {
            let key = one_destination(&roots, line);
            let to = Place::S3 { bucket: bucket.clone(), key: key.clone() };
            side(client, line, &to, &key, &holds[1]).await?
        }
        Some(to) => side(client, line, to, roots.to.start(), &holds[1]).await?,
        None => Side::Nothing,
    };
    let (line, scene) = (line.clone(), scene.clone());
    let chosen = tokio::task::spawn_blocking(move || {
        let mut selection = select(&line, &scene, from, to);
        for entry in selection.by_ref() {
            let entry = entry.map_err(|failed| match failed {
                Failed::Listing(error) => error,
                failed => Error::new(Kind::Answer, failed.to_string()),
            })?;
            each(&mut state, entry)?;
        }
        Ok((state, selection.counts()))
    });
    chosen.await.map_err(|error| Error::new(Kind::Windlass, format!("the choice ended: {error}")))?
}

/// What `line` would do as things are now, and what is strange about it.
///
/// # Errors
/// The store's.
pub async fn preview(
    client: &Client,
    line: &ObjectLine,
    scene: &Scene,
    holds: &[String; 2],
) -> Result<(Preview, Vec<Surprise>), Error> {
    let each = |seen: &mut Preview, entry: Entry| {
        seen.add(&entry);
        Ok(())
    };
    let (seen, counts) = choose(client, line, scene, holds, Preview::new(line, scene), each).await?;
    let mut surprises = seen.surprises(&counts);
    surprises.extend(findings(client, line, scene, holds, &seen).await?);
    Ok((seen, surprises))
}

fn one_destination(roots: &Roots, line: &ObjectLine) -> String {
    let start = roots.to.start();
    let is_folder = start.is_empty() || start.ends_with('/');
    let name = match &line.from {
        Place::S3 { key, .. } => key.rsplit('/').next().unwrap_or_default(),
        Place::Local { path } => path.rsplit('/').next().unwrap_or_default(),
    };
    if is_folder { format!("{start}{name}") } else { start.to_owned() }
}

/// Writes the manifest of `line`.
///
/// # Errors
/// The store's; what must not run ([`Surprise::refuses`]); or the file cannot be written.
pub async fn freeze(
    client: &Client,
    line: &ObjectLine,
    scene: &Scene,
    how: &Freeze,
) -> Result<Manifest, Error> {
    let from = line.from.bucket();
    let to = line.to.as_ref().map_or(from, Place::bucket);
    let from_versions = versions(client, from).await?;
    let to_versions = if from == to { from_versions } else { versions(client, to).await? };
    let writer = Writer::begin(&how.path)?;
    let is_within = from.is_some() && from == to && line.to.is_some();
    let add = move |(writer, seen): &mut (Writer, Preview), entry: Entry| {
        if is_within {
            refuse_itself(&entry)?;
        }
        seen.add(&entry);
        writer.add(&entry)
    };
    let state = (writer, Preview::new(line, scene));
    let ((writer, seen), counts) = choose(client, line, scene, &how.holds, state, add).await?;
    let surprises = seen.surprises(&counts);
    // Of `rm` what is written is the source.
    let hold = Some(&how.holds[usize::from(line.to.is_some())]);
    let head = Head {
        line: line.clone(),
        from_versions,
        to_versions,
        hold: hold.filter(|hold| how.keeps && !hold.is_empty()).map(|hold| format!("{hold}{}", how.own)),
        part_bytes: how.part_bytes,
        copy_bytes_max: how.copy_bytes_max,
        from_root: match &line.from {
            Place::Local { .. } => Roots::new(line, scene).from.start().to_owned(),
            Place::S3 { .. } => String::new(),
        },
        totals: Totals::default(),
    };
    let manifest = writer.freeze(head)?;
    if is_within {
        // It names one of them.
        refuse_chains(&manifest)?;
    }
    surprises.into_iter().try_for_each(refuse)?;
    Ok(manifest)
}

async fn versions(client: &Client, bucket: Option<&str>) -> Result<bool, Error> {
    match bucket {
        Some(bucket) => Ok(client.versioning(bucket).await? == Versioning::Enabled),
        None => Ok(false),
    }
}

fn refuse_itself(entry: &Entry) -> Result<(), Error> {
    let is_itself = entry.from.as_ref().is_some_and(|from| from.key == entry.to);
    if is_itself && entry.work == Work::Copy {
        let message = format!("`{}` would be copied onto itself", entry.to);
        return Err(Error::new(Kind::Refused, message).hint("name another destination"));
    }
    Ok(())
}

fn refuse(surprise: Surprise) -> Result<(), Error> {
    if !surprise.refuses() {
        return Ok(());
    }
    let error = Error::new(Kind::Refused, format!("nothing was changed: {}", surprise.message()));
    Err(surprise.hint().into_iter().fold(error, Error::hint))
}

/// An object that is written over by one entry and read by another: which comes first would decide what is lost.
fn refuse_chains(manifest: &Manifest) -> Result<(), Error> {
    let Some((key, count)) = manifest.chain()? else { return Ok(()) };
    let message = format!(
        "{count} objects are a source of this line and are overwritten by it, the first is `{key}`: \
         which comes first would decide what is lost"
    );
    Err(Error::new(Kind::Refused, message)
        .hint("the destination lies inside the source: leave it out with `--exclude`, or choose another"))
}
