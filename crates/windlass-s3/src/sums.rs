//! Checksums that stores keep of whole objects: of an object in parts its ETag tells nothing.

use crate::{
    client::{Copy, Head},
    error::{Error, Kind},
    run::Job,
};
use windlass_objects::Object;

/// Whether they are of the same content; `None`: no kind of checksum is known of both.
fn agree(one: &[(String, String)], other: &[(String, String)]) -> Option<bool> {
    let of = |kind: &str| other.iter().find(|(name, _)| name == kind).map(|(_, value)| value);
    let common = one.iter().filter_map(|(kind, value)| Some(of(kind)? == value));
    common.reduce(|one, other| one && other)
}

impl Job<'_> {
    /// Whether what arrived has the content of what it is a copy of; `None`: the store keeps no checksum of the same kind of both.
    pub(crate) async fn has_sums_of(
        &self,
        copy: &Copy<'_>,
        from: &Object,
        arrived: &Head,
    ) -> Result<Option<bool>, Error> {
        if arrived.sums.is_empty() {
            return Ok(None);
        }
        let source = self.client.head(copy.from.0, copy.from.1, copy.version).await?;
        // Another one by now says nothing of the copy.
        let source = source.filter(|source| from.etag.as_ref() == Some(&source.etag));
        Ok(source.and_then(|source| agree(&source.sums, &arrived.sums)))
    }

    /// Compares what arrived with what it is a copy of, where the store keeps a checksum of the same kind of both.
    pub(crate) async fn same_sums(
        &self,
        copy: &Copy<'_>,
        from: &Object,
        arrived: &Head,
    ) -> Result<(), Error> {
        if self.has_sums_of(copy, from, arrived).await? != Some(false) {
            return Ok(());
        }
        let ((from_bucket, from_key), (bucket, key)) = (copy.from, copy.to);
        let message = format!(
            "s3://{bucket}/{key}: its checksum is not that of s3://{from_bucket}/{from_key}: the store has not copied it as it is"
        );
        Err(Error::new(Kind::Answer, message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_sums_of_the_same_kind_tell() {
        let sums = |pairs: &[(&str, &str)]| -> Vec<_> {
            pairs.iter().map(|(kind, value)| ((*kind).to_owned(), (*value).to_owned())).collect()
        };
        let one = sums(&[("crc32", "a"), ("sha256", "b")]);
        assert_eq!(agree(&one, &sums(&[])), None);
        assert_eq!(agree(&one, &sums(&[("crc64nvme", "a")])), None);
        assert_eq!(agree(&one, &sums(&[("sha256", "b"), ("sha1", "x")])), Some(true));
        assert_eq!(agree(&one, &sums(&[("crc32", "a"), ("sha256", "x")])), Some(false));
    }
}
