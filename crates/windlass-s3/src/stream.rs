//! Objects of any length that are written and read as they come, with flat memory: a part at a time there, a piece at a time
//! back. A connection that breaks is made anew, for what is still missing.

use crate::{
    client::{Client, Over, Part, Written},
    error::{Error, Kind},
    http::piece,
};
use bytes::{Bytes, BytesMut};
use hyper::body::Incoming;
use std::time::Duration;
use tokio::task::JoinSet;

/// Most parts of an object: a bound of S3.
const PARTS_MAX: u32 = 10_000;
/// So many parts have the same size: half of what the object is expected to be fits into them.
const PARTS_EQUAL: u32 = 5_000;
/// Behind those the size doubles after so many parts, for an object that is larger than expected.
const PARTS_STEP: u32 = 1_000;
/// Bytes of a part at the least. S3 asks for 5 MiB.
const PART_MIN: u64 = 16 << 20;
/// Bytes of a part at the most: 10,000 of them are about the 5 TiB that an object of S3 may have.
const PART_MAX: u64 = 512 << 20;
/// Parts on their way at a time; their bytes are in memory.
const SENDING: usize = 2;
/// How often in a row a connection may break before enough came over it.
const LOST_MAX: u32 = 10;
/// Pause before it is made anew, times how often it broke.
const PAUSE: Duration = Duration::from_millis(200);

/// An object that is being written. It is there only when it is ended; until then the store holds its parts, which
/// [`Client::drop_parts`] takes away.
pub struct Upload {
    client: Client,
    bucket: String,
    key: String,
    id: String,
    about: u64,
    /// Number of the next part.
    next: u32,
    parts: Vec<Part>,
    /// Ends with this.
    sending: JoinSet<Result<Part, Error>>,
}

impl Upload {
    /// Begins an object of about so many bytes; it may become larger or smaller.
    ///
    /// # Errors
    /// The store's, after repeated tries.
    pub async fn begin(client: &Client, bucket: &str, key: &str, about: u64) -> Result<Self, Error> {
        let id = client.begin_parts(bucket, key, &[]).await?;
        Ok(Self {
            client: client.clone(),
            bucket: bucket.to_owned(),
            key: key.to_owned(),
            id,
            about,
            next: 1,
            parts: Vec::new(),
            sending: JoinSet::new(),
        })
    }

    /// The store's number for it.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Bytes that the next part has to have; only the last may have fewer.
    #[must_use]
    pub fn part_bytes(&self) -> usize {
        usize::try_from(part_bytes(self.next, self.about)).unwrap_or(usize::MAX)
    }

    /// Sends the next part. This waits only while too many are on their way; so what became of a part is told later.
    ///
    /// # Errors
    /// The store's about an earlier part, after repeated tries; [`Kind::Refused`] where the object becomes too large.
    pub async fn add(&mut self, body: Bytes) -> Result<(), Error> {
        if self.next > PARTS_MAX {
            let what = format!("s3://{}/{} is larger than {PARTS_MAX} parts hold", self.bucket, self.key);
            return Err(Error::new(Kind::Refused, what));
        }
        while self.sending.len() >= SENDING {
            self.settle().await?;
        }
        let (client, number) = (self.client.clone(), self.next);
        let (bucket, key, id) = (self.bucket.clone(), self.key.clone(), self.id.clone());
        self.sending.spawn(async move { client.put_part(&bucket, &key, &id, number, body).await });
        self.next += 1;
        Ok(())
    }

    /// Waits for one part that is on its way.
    async fn settle(&mut self) -> Result<(), Error> {
        match self.sending.join_next().await {
            None => {}
            Some(Ok(part)) => self.parts.push(part?),
            Some(Err(error)) => {
                return Err(Error::new(Kind::Windlass, format!("sending a part ended: {error}")));
            }
        }
        Ok(())
    }

    /// Makes the object of all parts.
    ///
    /// # Errors
    /// The store's, after repeated tries. Whether the object is there is not known where [`Error::is_uncertain`] says so.
    pub async fn end(mut self) -> Result<Written, Error> {
        while !self.sending.is_empty() {
            self.settle().await?;
        }
        self.parts.sort_by_key(|part| part.number);
        self.client.end_parts(&self.bucket, &self.key, &self.id, &self.parts, Over::Any).await
    }
}

/// Bytes of part `number` of an object of about `about` bytes. Some stores (R2) want all parts but the last to be equal: they are,
/// unless the object becomes larger than half of what was expected.
fn part_bytes(number: u32, about: u64) -> u64 {
    let base = about.div_ceil(u64::from(PARTS_MAX)).clamp(PART_MIN, PART_MAX);
    let doublings = number.saturating_sub(PARTS_EQUAL + 1) / PARTS_STEP;
    let doublings = if number > PARTS_EQUAL { doublings + 1 } else { 0 };
    (base << doublings.min(16)).min(PART_MAX)
}

/// An object that is being read: one and the same from its first byte to its last, whoever writes meanwhile.
pub struct Download {
    client: Client,
    bucket: String,
    key: String,
    etag: Option<String>,
    size: u64,
    /// Bytes that came.
    came: u64,
    body: Option<Incoming>,
    /// How often the connection broke since enough came.
    lost: u32,
}

impl Download {
    /// Looks at the object; nothing of it is read yet.
    ///
    /// # Errors
    /// The store's, after repeated tries; [`Kind::NotFound`] where there is none.
    pub async fn begin(client: &Client, bucket: &str, key: &str) -> Result<Self, Error> {
        let head = client.head(bucket, key, None).await?;
        let head = head.ok_or_else(|| {
            Error::new(Kind::NotFound, format!("s3://{bucket}/{key}: there is no such object"))
        })?;
        Ok(Self {
            client: client.clone(),
            bucket: bucket.to_owned(),
            key: key.to_owned(),
            etag: Some(head.etag).filter(|etag| !etag.is_empty()),
            size: head.size,
            came: 0,
            body: None,
            lost: 0,
        })
    }

    /// The next bytes, `enough` of them and little more, fewer at the end; none: that was all.
    ///
    /// # Errors
    /// The store's, after repeated tries; [`Kind::Changed`] where it is another object by now.
    pub async fn next(&mut self, enough: usize) -> Result<Bytes, Error> {
        let mut bytes = BytesMut::new();
        while self.came < self.size && bytes.len() < enough {
            match self.some().await? {
                Some(some) => {
                    self.came += some.len() as u64;
                    bytes.extend_from_slice(&some);
                }
                None => self.pause().await?,
            }
        }
        if self.came > self.size {
            return Err(self.wrong(Kind::Answer, "more came than the store said"));
        }
        self.lost = 0;
        Ok(bytes.freeze())
    }

    /// What comes next; none: the connection broke.
    async fn some(&mut self) -> Result<Option<Bytes>, Error> {
        let mut body = match self.body.take() {
            Some(body) => body,
            None => {
                let etag = self.etag.as_deref();
                self.client.get_from(&self.bucket, &self.key, etag, self.came).await?.into_body()
            }
        };
        let Ok(Some(some)) = piece(&mut body).await else { return Ok(None) };
        self.body = Some(body);
        Ok(Some(some))
    }

    async fn pause(&mut self) -> Result<(), Error> {
        self.lost += 1;
        if self.lost >= LOST_MAX {
            return Err(self.wrong(Kind::Transport, "the connection broke again and again"));
        }
        tokio::time::sleep(PAUSE * self.lost).await;
        Ok(())
    }

    fn wrong(&self, kind: Kind, why: &str) -> Error {
        let (bucket, key, came, size) = (&self.bucket, &self.key, self.came, self.size);
        Error::new(kind, format!("GET s3://{bucket}/{key}: {why}, behind {came} of {size} bytes"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_thousand_parts_hold_what_is_expected_and_more() {
        let whole = |about: u64| (1..=PARTS_MAX).map(|number| part_bytes(number, about)).sum::<u64>();
        let tib = 1_u64 << 40;
        assert!(whole(0) > tib, "{}", whole(0));
        for about in [0, 80 << 30, tib / 2, 3 * tib / 2] {
            assert!(whole(about) > about / 2 * 3, "{about}");
            assert_eq!(part_bytes(1, about), part_bytes(PARTS_EQUAL, about));
            assert!(part_bytes(PARTS_EQUAL, about) * u64::from(PARTS_EQUAL) >= about / 2, "{about}");
            assert_eq!(part_bytes(PARTS_EQUAL + 1, about), (part_bytes(1, about) * 2).min(PART_MAX));
        }
        assert_eq!(part_bytes(1, 0), PART_MIN);
        assert_eq!(part_bytes(PARTS_MAX, u64::MAX), PART_MAX);
    }
}
