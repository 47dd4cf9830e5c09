//! Copies inside a store that are too large for one request.

use crate::{
    client::{Copy, Part, Written},
    error::{Error, Kind},
    manifest::Item,
    run::Job,
};
use futures_util::{StreamExt as _, stream};

impl Job<'_> {
    pub(crate) async fn begin_parts(&self, copy: &Copy<'_>) -> Result<String, Error> {
        let head = self.client.head(copy.from.0, copy.from.1, copy.version).await?;
        let head = head.ok_or_else(|| {
            Error::new(Kind::NotFound, format!("s3://{}/{}: it is gone", copy.from.0, copy.from.1))
        })?;
        let mut headers = head.attributes;
        for (name, value) in &copy.headers {
            if !name.ends_with("-directive") {
                headers.retain(|(other, _)| other != name);
                headers.push(((*name).to_owned(), value.clone()));
            }
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
        self.client.end_parts(copy.to.0, copy.to.1, upload, &parts).await
    }
}
