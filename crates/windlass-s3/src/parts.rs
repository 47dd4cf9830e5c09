//! Copies inside a store that are too large for one request.

use crate::{
    attributes::{DIRECTIVE, is_metadata},
    client::{Copy, Part, Written},
    error::{Error, Kind},
    manifest::Item,
    run::Job,
};
use futures_util::{StreamExt as _, stream};

impl Job<'_> {
    /// Begins a copy in parts; its object gets what a copy in one request gives it: metadata of the source, or with `REPLACE` those of
    /// the line, and the tags of the source.
    pub(crate) async fn begin_parts(&self, copy: &Copy<'_>) -> Result<String, Error> {
        let (bucket, key) = copy.from;
        let head = self.client.head(bucket, key, copy.version).await?;
        let head =
            head.ok_or_else(|| Error::new(Kind::NotFound, format!("s3://{bucket}/{key}: it is gone")))?;
        let own = copy.headers.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
        let (described, mut headers): (Vec<_>, Vec<_>) =
            own.filter(|(name, _)| name != DIRECTIVE).partition(|(name, _)| is_metadata(name));
        if copy.headers.iter().any(|(name, value)| *name == DIRECTIVE && value == "REPLACE") {
            headers.extend(described.into_iter().chain(copy.metadata.clone()));
        } else {
            headers.extend(head.attributes);
        }
        match self.client.tags(bucket, key, copy.version).await {
            Ok(tags) if tags.is_empty() => {}
            Ok(tags) => headers.push(("x-amz-tagging".into(), tags)),
            // A store without tags.
            Err(error) if error.kind == Kind::Unsupported && !head.has_tags => {}
            Err(error) => return Err(error),
        }
        self.client.begin_parts(copy.to.0, copy.to.1, &headers).await
    }

    /// A copy in parts; which are there already is asked for when an earlier try has begun.
    pub(crate) async fn in_parts(
        &self,
        item: &mut Item,
        copy: &Copy<'_>,
        size: u64,
    ) -> Result<Written, Error> {
        let mut known = Vec::new();
        if let Some(upload) = item.upload.clone() {
            match self.client.parts(copy.to.0, copy.to.1, &upload).await? {
                Some(parts) => known = parts,
                None => item.upload = None,
            }
        }
        let upload = match item.upload.clone() {
            Some(upload) => upload,
            None => {
                let upload = self.begin_parts(copy).await?;
                item.upload = Some(upload.clone());
                self.settle(vec![item.clone()]).await?;
                upload
            }
        };
        self.parts(copy, size, &upload, known).await
    }

    pub(crate) async fn parts(
        &self,
        copy: &Copy<'_>,
        size: u64,
        upload: &str,
        known: Vec<Part>,
    ) -> Result<Written, Error> {
        let bytes = self.manifest.head().part_bytes;
        let count = u32::try_from(size.div_ceil(bytes)).unwrap_or(u32::MAX);
        let known = &known;
        let tries = (1..=count).map(|number| async move {
            let first = u64::from(number - 1) * bytes;
            let last = (first + bytes).min(size) - 1;
            match known.iter().find(|part| part.number == number && part.size == last - first + 1) {
                Some(part) => Ok(part.clone()),
                None => self.client.copy_part(copy, upload, number, (first, last)).await,
            }
        });
        let tries: Vec<_> = tries.collect();
        let parts: Vec<_> = stream::iter(tries).buffered(16).collect().await;
        let parts: Vec<Part> = parts.into_iter().collect::<Result<_, _>>()?;
        self.client.end_parts(copy.to.0, copy.to.1, upload, &parts, copy.over).await
    }
}
