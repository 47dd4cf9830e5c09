//! Between this machine and a store. A file is written beside its place, compared, made durable, and renamed over it only if that
//! still holds what was frozen.

use crate::{
    attributes,
    client::{Over, Part, Written},
    encode::hex,
    error::{Error, Kind},
    http::piece,
    late::Tried,
    local,
    manifest::Item,
    run::{Job, is_same},
};
use bytes::Bytes;
use md5::{Digest as _, Md5};
use std::{
    fs::{self, File},
    io::{Read as _, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
    time::{Duration, UNIX_EPOCH},
};
use windlass_objects::{Object, Place};

/// Larger files are sent in parts of this size, as aws-cli does, so that their ETags are the same.
const PART: u64 = 8 << 20;
/// Parts that are sent at a time: their bytes are in memory.
const PARTS: usize = 4;

fn failed(path: &Path, error: &dyn std::fmt::Display) -> Error {
    Error::new(Kind::File, format!("{}: {error}", path.display()))
}

impl Job<'_> {
    /// Path of a file of the source.
    pub(crate) fn source_path(&self, from: &Object) -> PathBuf {
        let head = self.manifest.head();
        let name = if head.line.is_recursive() { from.key.as_str() } else { "" };
        PathBuf::from(format!("{}{name}", head.from_root))
    }

    pub(crate) fn is_upload(&self) -> bool {
        !self.manifest.head().line.from.is_s3()
    }

    /// The destination (of `rm` what is removed) is on this machine.
    pub(crate) fn is_download(&self) -> bool {
        matches!(self.manifest.head().line.to, Some(Place::Local { .. }))
    }

    /// Where a file is kept that is overwritten or deleted.
    fn aside(&self, item: &Item, what: &str) -> PathBuf {
        self.manifest.folder().join("aside").join(format!("{what}-{}", item.id))
    }

    /// Sends a file.
    pub(crate) async fn upload(&self, item: &mut Item, from: &Object) -> Result<Written, Error> {
        let path = self.source_path(from);
        let changed = || Error::new(Kind::Changed, format!("{}: it was changed", path.display()));
        let now = local::one(&path, false)?
            .filter(|now| is_same(Some(&Object { key: from.key.clone(), ..now.clone() }), Some(from)));
        now.ok_or_else(changed)?;
        let options = &self.manifest.head().line.options;
        let mut headers: Vec<(String, String)> = attributes::of_object(options, None)
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect();
        headers.extend(attributes::metadata(options));
        if options.content_type.is_none()
            && !options.no_guess_mime_type
            && let Some(kind) = attributes::content_type(&from.key)
        {
            headers.push(("content-type".into(), kind.into()));
        }
        let (bucket, key) = (self.to(), item.entry.to.clone());
        let there = item.entry.there.clone();
        let over = Over::seen(there.as_ref());
        let tried = Tried { from, copy: None, since_s: self.client.now_s() };
        if from.size <= PART {
            let _room = self.client.body().await?;
            let body = read(path.clone(), 0, from.size).await?;
            let digest = hex(&Md5::digest(&body));
            let written = self.client.put_over(bucket, &key, body, &headers, over).await;
            let written = self.unless_ours((bucket, &key), written, &tried).await?;
            let expected = Object { etag: Some(digest), ..from.clone() };
            return self
                .verify((bucket, &key), &expected, written, self.manifest.head().to_versions, None)
                .await;
        }
        if let Some(earlier) = item.upload.take() {
            self.client.drop_parts(bucket, &key, &earlier).await?;
        }
        let upload = self.client.begin_parts(bucket, &key, &headers).await?;
        item.upload = Some(upload.clone());
        self.settle(vec![item.clone()]).await?;
        let count = u32::try_from(from.size.div_ceil(PART)).unwrap_or(u32::MAX);
        let size = from.size;
        let parts = (1..=count).map(|number| {
            let (path, key, upload) = (path.clone(), key.as_str(), upload.as_str());
            async move {
                let first = u64::from(number - 1) * PART;
                let _room = self.client.body().await?;
                let body = read(path, first, PART.min(size - first)).await?;
                self.client.put_part(bucket, key, upload, number, body).await
            }
        });
        let parts: Vec<_> = parts.collect();
        let parts: Vec<Result<Part, Error>> = futures_util::StreamExt::collect(
            futures_util::StreamExt::buffered(futures_util::stream::iter(parts), PARTS),
        )
        .await;
        let parts: Vec<Part> = parts.into_iter().collect::<Result<_, _>>()?;
        let written = self.client.end_parts(bucket, &key, &upload, &parts, over).await;
        let written = self.unless_ours((bucket, &key), written, &tried).await?;
        self.verify((bucket, &key), from, written, self.manifest.head().to_versions, None).await
    }

    /// Receives a file, with the time of its object, as aws-cli does.
    pub(crate) async fn download(&self, item: &Item, from: &Object) -> Result<Written, Error> {
        let to = PathBuf::from(&item.entry.to);
        if let Some(there) = &item.entry.there {
            self.keep_file(&to, there, &self.aside(item, "to"))?;
        }
        let folder = to.parent().unwrap_or(Path::new("/"));
        fs::create_dir_all(folder).map_err(|error| failed(folder, &error))?;
        let beside = folder.join(local::temporary(&item.id.to_string()));
        let received = self.receive(&beside, from).await;
        let placed = received.and_then(|()| {
            let there = local::one(&to, false)?;
            if !is_same(
                there.map(|o| Object { key: item.entry.to.clone(), ..o }).as_ref(),
                item.entry.there.as_ref(),
            ) {
                return Err(Error::new(Kind::Changed, format!("{}: it was changed", to.display())));
            }
            // Its source may be deleted next: the name has to be durable too.
            fs::rename(&beside, &to)
                .and_then(|()| File::open(folder)?.sync_all())
                .map_err(|error| failed(&to, &error))
        });
        if placed.is_err() {
            // What is left of a failed try is of no use.
            let _ = fs::remove_file(&beside);
        }
        placed?;
        Ok(Written { etag: from.etag.clone().unwrap_or_default(), version: None })
    }

    async fn receive(&self, path: &Path, from: &Object) -> Result<(), Error> {
        let mut tries = 0;
        loop {
            tries += 1;
            match self.receive_once(path, from).await {
                Err(error) if error.kind == Kind::Transport && tries < 5 => {}
                other => return other,
            }
        }
    }

    async fn receive_once(&self, path: &Path, from: &Object) -> Result<(), Error> {
        let mut body = self.client.get(self.from(), &from.key, from.etag.as_deref()).await?.into_body();
        let mut file = File::create(path).map_err(|error| failed(path, &error))?;
        let (mut digest, mut size) = (Md5::new(), 0_u64);
        while let Some(bytes) = piece(&mut body).await.map_err(|lost| {
            Error::new(Kind::Transport, format!("GET s3://{}/{}: {}", self.from(), from.key, lost.why))
        })? {
            digest.update(&bytes);
            size += bytes.len() as u64;
            file.write_all(&bytes).map_err(|error| failed(path, &error))?;
        }
        let etag = from.etag.clone().unwrap_or_default();
        let is_hash = etag.len() == 32 && !etag.contains('-');
        let digest = hex(&digest.finalize());
        // Of objects under a key of KMS the ETag is no hash either; then it is of 32 letters too, and only the size tells.
        if size != from.size || (is_hash && digest != etag && !self.is_encrypted(from).await?) {
            let message = format!(
                "GET s3://{}/{}: {size} bytes arrived of {}, or others",
                self.from(),
                from.key,
                from.size
            );
            return Err(Error::new(Kind::Transport, message));
        }
        let time = UNIX_EPOCH + Duration::from_micros(u64::try_from(from.modified_us).unwrap_or(0));
        file.set_modified(time).and_then(|()| file.sync_all()).map_err(|error| failed(path, &error))
    }

    async fn is_encrypted(&self, from: &Object) -> Result<bool, Error> {
        let head = self.client.head(self.from(), &from.key, None).await?;
        Ok(head.is_some_and(|head| head.is_hidden))
    }

    /// Copies a file to where it is kept, with its mode and time.
    fn keep_file(&self, path: &Path, there: &Object, aside: &Path) -> Result<(), Error> {
        let kept = local::one(aside, false)?;
        if kept.is_some_and(|kept| kept.size == there.size && kept.modified_us == there.modified_us) {
            return Ok(());
        }
        copy_file(path, aside)
    }

    /// Deletes a file of this machine, which is kept aside first.
    pub(crate) fn delete_file(
        &self,
        item: &Item,
        path: &Path,
        there: &Object,
        what: &str,
    ) -> Result<(), Error> {
        self.keep_file(path, there, &self.aside(item, what))?;
        match fs::remove_file(path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(failed(path, &error)),
            _ => Ok(()),
        }
    }

    /// Puts a file back that was kept aside.
    pub(crate) fn put_file_back(&self, item: &Item, path: &Path, what: &str) -> Result<(), Error> {
        copy_file(&self.aside(item, what), path)
    }

    /// What stands at these paths now.
    pub(crate) fn standing_files<'a>(
        &self,
        paths: impl Iterator<Item = &'a str>,
    ) -> Result<std::collections::HashMap<String, Object>, Error> {
        let mut found = std::collections::HashMap::new();
        for path in paths {
            if let Some(object) = local::one(Path::new(path), false)? {
                found.insert(path.to_owned(), Object { key: path.to_owned(), ..object });
            }
        }
        Ok(found)
    }
}

/// A durable copy with mode and time, under its name only when it is whole.
fn copy_file(from: &Path, to: &Path) -> Result<(), Error> {
    let folder = to.parent().unwrap_or(Path::new("/"));
    let name = to.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let beside = folder.join(local::temporary(&name));
    let copy = || -> std::io::Result<()> {
        fs::create_dir_all(folder)?;
        fs::copy(from, &beside)?;
        let file = File::options().write(true).open(&beside)?;
        file.set_modified(fs::metadata(from)?.modified()?)?;
        file.sync_all()?;
        fs::rename(&beside, to)?;
        File::open(folder)?.sync_all()
    };
    copy().map_err(|error| failed(to, &error))
}

async fn read(path: PathBuf, first: u64, size: u64) -> Result<Bytes, Error> {
    let read = tokio::task::spawn_blocking(move || {
        let piece = || -> std::io::Result<Vec<u8>> {
            let mut file = File::open(&path)?;
            file.seek(SeekFrom::Start(first))?;
            let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or_default());
            file.take(size).read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        let bytes = piece().map_err(|error| failed(&path, &error))?;
        if bytes.len() as u64 == size {
            Ok(Bytes::from(bytes))
        } else {
            Err(Error::new(Kind::Changed, format!("{}: it became shorter", path.display())))
        }
    });
    read.await.map_err(|error| Error::new(Kind::Windlass, format!("reading ended: {error}")))?
}

/// MD5 of a file that is sent in one piece; that is its ETag.
pub(crate) fn digest(path: &Path, size: u64) -> Option<String> {
    if size > PART {
        return None;
    }
    fs::read(path).ok().map(|bytes| hex(&Md5::digest(&bytes)))
}
