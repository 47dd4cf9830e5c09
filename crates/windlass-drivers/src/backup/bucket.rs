//! Backups below a prefix of a bucket.
//!
//! Who makes and reads backups waits, also on threads of a runtime; so the requests are made on a thread of their own.

use super::{failed, shelf::Entry, store::manifest_file};
use crate::s3::fault;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use std::{
    future::Future,
    io::{self, Read},
    path::{Path, PathBuf},
    sync::{
        Arc,
        mpsc::{Receiver, sync_channel},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio::runtime::{Builder, Runtime};
use windlass_driver::Failure;
use windlass_s3::{Client, Download, Error, Kind, Settings, Upload, list};

/// Most objects below the prefix: a listing is read whole.
const OBJECTS_MAX: usize = 100_000;
/// Largest manifest, bytes.
const MANIFEST_BYTES_MAX: u64 = 16 << 20;
/// Manifests that are read at a time.
const READING: usize = 16;
/// Bytes that are read at a time; twice as many are in memory.
const PIECE: usize = 1 << 20;

/// A prefix of a bucket, and how it is reached.
#[derive(Clone)]
pub struct Bucket {
    client: Client,
    bucket: String,
    /// Empty, or with `/` at its end.
    prefix: String,
    scratch: PathBuf,
    worker: Arc<Worker>,
}

/// The thread of the requests.
struct Worker(Option<Runtime>);

impl Drop for Worker {
    fn drop(&mut self) {
        // Waiting is not allowed everywhere.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

impl Bucket {
    /// Nothing is asked yet. `scratch` is the folder of this machine for copies of SQLite files, which have no other way.
    ///
    /// # Errors
    /// The certificates of this machine cannot be read, or no thread can be started.
    pub fn new(settings: &Settings, bucket: &str, prefix: &str, scratch: &Path) -> Result<Self, Failure> {
        let runtime =
            Builder::new_multi_thread().worker_threads(1).thread_name("bucket").enable_all().build();
        let runtime = runtime.map_err(|error| failed(format!("no thread for s3://{bucket}: {error}")))?;
        Ok(Self {
            client: Client::new(settings).map_err(|error| failure(&error, "nothing was done"))?,
            bucket: bucket.to_owned(),
            prefix: prefix.to_owned(),
            scratch: scratch.to_owned(),
            worker: Arc::new(Worker(Some(runtime))),
        })
    }

    pub(super) fn scratch(&self) -> &Path {
        &self.scratch
    }

    /// The place, or a file there, for people.
    pub(super) fn shown(&self, file: &str) -> String {
        format!("s3://{}/{}", self.bucket, self.key(file))
    }

    fn key(&self, file: &str) -> String {
        format!("{}{file}", self.prefix)
    }

    /// Begins work on the other thread; it has bounds of its own for each of its requests.
    fn begin<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> Receiver<Result<T, Error>> {
        let (tell, told) = sync_channel(1);
        if let Some(runtime) = &self.worker.0 {
            runtime.spawn(async move {
                // Nobody waits for it any more.
                let _ = tell.send(work.await);
            });
        }
        told
    }

    /// Does work on the other thread.
    pub(super) fn wait<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> Result<T, Error> {
        ended(&self.begin(work))
    }

    /// Fails if one of these files is there, or the store cannot be asked.
    pub(super) fn ready(&self, files: [&str; 2]) -> Result<(), Failure> {
        let (client, bucket) = (self.client.clone(), self.bucket.clone());
        let keys = files.map(|file| self.key(file));
        let found = self.wait(async move {
            for key in keys {
                if client.head(&bucket, &key, None).await?.is_some() {
                    return Ok(Some(key));
                }
            }
            Ok(None)
        });
        match found.map_err(|error| self.failure(&error, "nothing was done"))? {
            None => Ok(()),
            Some(key) => Err(failed(format!("s3://{}/{key} exists; nothing was done", self.bucket))),
        }
    }

    pub(super) fn upload(&self, file: &str, about: u64) -> Result<Upload, Failure> {
        let (client, bucket, key) = (self.client.clone(), self.bucket.clone(), self.key(file));
        let begun = self.wait(async move { Upload::begin(&client, &bucket, &key, about).await });
        begun.map_err(|error| self.failure(&error, "nothing was done"))
    }

    /// Takes away parts and object of a backup that was not made. Its manifest goes first: one that the store has although it
    /// answered otherwise must not describe what is gone.
    pub(super) fn forget(&self, name: &str, file: &str, upload: &str) -> Result<(), Error> {
        let (client, bucket, upload) = (self.client.clone(), self.bucket.clone(), upload.to_owned());
        let [manifest, data] = [&manifest_file(name), file].map(|file| self.key(file));
        self.wait(async move {
            let parts = client.drop_parts(&bucket, &data, &upload).await;
            for key in [manifest, data] {
                // Where there is nothing, a bucket with versions would make a delete marker.
                if client.head(&bucket, &key, None).await?.is_some() {
                    client.delete(&bucket, &key, None).await?;
                }
            }
            parts
        })
    }

    pub(super) fn describe(&self, file: &str, text: String) -> io::Result<()> {
        let (client, bucket, key) = (self.client.clone(), self.bucket.clone(), self.key(file));
        let headers = [("content-type".to_owned(), "application/json".to_owned())];
        let put = self.wait(async move { client.put(&bucket, &key, text.into(), &headers).await });
        put.map(drop).map_err(io::Error::other)
    }

    /// What lies directly below the prefix.
    pub(super) fn entries(&self) -> Result<Vec<Entry>, Failure> {
        let (client, bucket, prefix) = (self.client.clone(), self.bucket.clone(), self.prefix.clone());
        let shown = self.shown("");
        let read = self.wait(async move {
            let (mut entries, mut seen) = (Vec::new(), 0);
            let mut listing = list(&client, &bucket, &prefix).await?;
            while let Some(object) = listing.next().await? {
                seen += 1;
                if seen > OBJECTS_MAX {
                    let message = format!("there are more than {OBJECTS_MAX} objects below {shown}");
                    let hints =
                        vec!["give backups a prefix of their own: `folder = \"s3://BUCKET/PREFIX\"`".into()];
                    return Err(Error { kind: Kind::Refused, message, hints, is_repeated: false });
                }
                match object.key.strip_prefix(&prefix) {
                    Some(name) if !name.is_empty() && !name.contains('/') => {
                        entries.push(Entry { name: name.to_owned(), bytes: object.size });
                    }
                    _ => {}
                }
            }
            Ok(entries)
        });
        read.map_err(|error| self.failure(&error, "nothing was done"))
    }

    /// What stands in these small files; of each what is wrong with it. One that the store does not give (it is archived, under a
    /// key that is not there, broken) is that one's; where it gives none at all, it is the store that cannot be asked.
    pub(super) fn texts(&self, entries: &[&Entry]) -> Result<Vec<Result<Vec<u8>, String>>, Failure> {
        let (client, bucket) = (self.client.clone(), self.bucket.clone());
        let keys: Vec<_> = entries.iter().map(|entry| (self.key(&entry.name), entry.bytes)).collect();
        let read = self.wait(async move {
            let reads = keys.into_iter().map(|(key, bytes)| {
                let (client, bucket) = (client.clone(), bucket.clone());
                async move {
                    match bytes > MANIFEST_BYTES_MAX {
                        true => Ok(Err(format!("it has {bytes} bytes, too many for a manifest"))),
                        false => client.read(&bucket, &key).await.map(|text| Ok(text.to_vec())),
                    }
                }
            });
            let texts: Vec<_> = stream::iter(reads).buffered(READING).collect().await;
            given(texts)
        });
        read.map_err(|error| self.failure(&error, "nothing was done"))
    }

    /// Reads a file from its beginning, and a piece ahead.
    pub(super) fn open(&self, file: &str) -> io::Result<Reading> {
        let (client, bucket, key) = (self.client.clone(), self.bucket.clone(), self.key(file));
        let begun = self.wait(async move { Download::begin(&client, &bucket, &key).await });
        let coming = self.next(begun.map_err(io::Error::other)?);
        Ok(Reading { bucket: self.clone(), coming: Some(coming), piece: Bytes::new() })
    }

    fn next(&self, mut download: Download) -> Coming {
        self.begin(async move {
            let piece = download.next(PIECE).await?;
            Ok((piece, download))
        })
    }

    pub(super) fn remove(&self, file: &str) -> Result<(), Failure> {
        let (client, bucket, key) = (self.client.clone(), self.bucket.clone(), self.key(file));
        let deleted = self.wait(async move { client.delete(&bucket, &key, None).await });
        deleted.map(drop).map_err(|error| self.failure(&error, "it was not deleted"))
    }

    /// Takes away the parts of backups that were killed, where the store says that they are older than `age`.
    pub(super) fn sweep(&self, age: Duration, is_ours: impl Fn(&str) -> bool) -> Result<(), Failure> {
        let (client, bucket, prefix) = (self.client.clone(), self.bucket.clone(), self.prefix.clone());
        let begun = match self.wait(async move { client.uploads(&bucket, &prefix).await }) {
            Ok(begun) => begun,
            // Then nobody can tell what was left.
            Err(error) if error.kind == Kind::Unsupported => return Ok(()),
            Err(error) => return Err(self.failure(&error, "parts of killed backups were not looked for")),
        };
        let oldest = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().saturating_sub(age);
        let oldest_us = i64::try_from(oldest.as_micros()).unwrap_or(i64::MAX);
        let is_left = |key: &str, at_us: Option<i64>| {
            at_us.is_some_and(|at| at < oldest_us) && key.strip_prefix(&self.prefix).is_some_and(&is_ours)
        };
        for begun in begun.into_iter().filter(|begun| is_left(&begun.key, begun.begun_us)) {
            let (client, bucket) = (self.client.clone(), self.bucket.clone());
            let dropped =
                self.wait(async move { client.drop_parts(&bucket, &begun.key, &begun.upload).await });
            dropped.map_err(|error| self.failure(&error, "parts of a killed backup were not deleted"))?;
        }
        Ok(())
    }

    /// With what an account needs here.
    fn failure(&self, error: &Error, what: &str) -> Failure {
        let failure = failure(error, what);
        match error.kind {
            Kind::Denied => failure.hint(format!(
                "the account needs s3:ListBucket, s3:ListBucketMultipartUploads, s3:GetObject, s3:PutObject, s3:AbortMultipartUpload \
                 and, to prune, s3:DeleteObject on {}",
                self.shown("")
            )),
            Kind::NoBucket => failure.hint(format!("make it (`aws s3 mb s3://{}`), or name another `--folder`", self.bucket)),
            Kind::Transport | Kind::Busy => {
                failure.hint("say the same once more when the store answers, or name another `--folder`")
            }
            _ => failure,
        }
    }
}

type Text = Result<Vec<u8>, String>;

/// Each text or why it has none; the store's own failure where it gave nothing of what was asked.
fn given(texts: Vec<Result<Text, Error>>) -> Result<Vec<Text>, Error> {
    let is_answer = |text: &Result<Text, Error>| match text {
        Ok(read) => read.is_ok(),
        Err(error) => error.kind == Kind::NotFound,
    };
    if texts.iter().any(is_answer) {
        return Ok(texts.into_iter().map(|text| text.unwrap_or_else(|error| Err(error.message))).collect());
    }
    texts.into_iter().collect()
}

fn ended<T>(told: &Receiver<Result<T, Error>>) -> Result<T, Error> {
    told.recv().unwrap_or_else(|_| {
        let message = "the work with the store has ended without a word".to_owned();
        Err(Error { kind: Kind::Windlass, message, hints: vec![], is_repeated: false })
    })
}

/// What the store said, if it was the store.
pub(super) fn said(error: &io::Error) -> Option<&Error> {
    error.get_ref().and_then(|error| error.downcast_ref())
}

/// It failed, and `what` was done or not done.
pub(super) fn failure(error: &Error, what: &str) -> Failure {
    let failure = Failure::clean(fault(error.kind), format!("{}; {what}", error.message));
    error.hints.iter().fold(failure, |failure, hint| failure.hint(hint))
}

type Coming = Receiver<Result<(Bytes, Download), Error>>;

/// An object that is read.
pub(super) struct Reading {
    bucket: Bucket,
    /// None: that was all, or it has failed.
    coming: Option<Coming>,
    piece: Bytes,
}

impl Read for Reading {
    fn read(&mut self, data: &mut [u8]) -> io::Result<usize> {
        if self.piece.is_empty()
            && let Some(coming) = self.coming.take()
        {
            let (piece, download) = ended(&coming).map_err(io::Error::other)?;
            if !piece.is_empty() {
                self.coming = Some(self.bucket.next(download));
            }
            self.piece = piece;
        }
        let taken = self.piece.split_to(data.len().min(self.piece.len()));
        data[..taken.len()].copy_from_slice(&taken);
        Ok(taken.len())
    }
}
