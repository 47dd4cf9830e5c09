//! What a store is asked for.

use super::{Call, Client, Copy, Head, Layer, Over, Page, Part, Versioning, Written, only::Write};
use crate::{
    encode::{header_us, hex, iso_us, percent},
    error::{Error, Kind},
    xml::{Node, escaped},
};
use bytes::Bytes;
use http::{Response, StatusCode};
use hyper::body::Incoming;
use md5::Digest as _;
use std::sync::atomic::Ordering;
use windlass_objects::Object;

pub(super) fn header(answer: &Response<Bytes>, name: &str) -> Option<String> {
    let value = answer.headers().get(name)?;
    Some(String::from_utf8_lossy(value.as_bytes()).into_owned()).filter(|value| !value.is_empty())
}

fn unquoted(etag: &str) -> String {
    etag.trim_matches('"').to_owned()
}

/// A version that is one: buckets without versions say `null`.
pub(super) fn version(answer: &Response<Bytes>) -> Option<String> {
    header(answer, "x-amz-version-id").filter(|version| version != "null")
}

fn class(name: &str) -> Option<String> {
    Some(name.to_owned()).filter(|class| !class.is_empty() && class != "STANDARD")
}

impl Client {
    /// A page of at most `most` objects below `prefix`, those behind `after` or at the place `token`.
    ///
    /// # Errors
    /// The store's, after repeated tries.
    pub async fn page(
        &self,
        bucket: &str,
        prefix: &str,
        after: Option<&str>,
        token: Option<&str>,
        most: u32,
    ) -> Result<Page, Error> {
        let call = Call::new("GET", bucket, "")
            .ask("list-type", "2")
            .ask("encoding-type", "url")
            .ask("max-keys", most.to_string())
            .ask("prefix", prefix)
            .ask_some("start-after", after)
            .ask_some("continuation-token", token);
        let answer = self.send(&call).await?;
        let node = Node::read(answer.body()).map_err(|error| at(error, &call))?;
        let is_encoded = node.get("EncodingType") == "url";
        let mut objects = Vec::new();
        for item in node.all("Contents") {
            let number = item.get("Size").parse();
            objects.push(Object {
                key: key_of(item, is_encoded).map_err(|error| at(error, &call))?,
                size: number.map_err(|_| at(Error::new(Kind::Answer, "a size that is no number"), &call))?,
                modified_us: iso_us(item.get("LastModified")).map_err(|error| at(error, &call))?,
                etag: Some(unquoted(item.get("ETag"))).filter(|etag| !etag.is_empty()),
                version: None,
                class: class(item.get("StorageClass")),
            });
        }
        // SeaweedFS: a page of a bucket with versions has its objects in no order.
        objects.sort_by(|one, two| one.key.cmp(&two.key));
        let is_more = node.get("IsTruncated") == "true";
        let next = node.get("NextContinuationToken");
        if is_more && next.is_empty() {
            return Err(at(Error::new(Kind::Answer, "a page that is not the last has no token"), &call));
        }
        Ok(Page { objects, next: is_more.then(|| next.to_owned()) })
    }

    /// What the store says of an object; `None`: there is none.
    ///
    /// # Errors
    /// The store's, after repeated tries.
    pub async fn head(&self, bucket: &str, key: &str, at: Option<&str>) -> Result<Option<Head>, Error> {
        let call = Call::new("HEAD", bucket, key).ask_some("versionId", at);
        if self.0.refuses_sums.load(Ordering::Relaxed) {
            return self.look(&call).await;
        }
        let refused = match self.look(&call.clone().header("x-amz-checksum-mode", "ENABLED")).await {
            // Not every store knows that header, and who may not use the key of an object may see it all the same, but not its checksum.
            Err(error) if matches!(error.kind, Kind::Denied | Kind::Refused | Kind::Unsupported) => error,
            answer => return answer,
        };
        let answer = self.look(&call).await?;
        // A key that may not be used, or is disabled, is that of some objects: of others their checksums may be had.
        let is_of_one = refused.kind == Kind::Denied || refused.message.contains(": KMS.");
        self.0.refuses_sums.fetch_or(!is_of_one, Ordering::Relaxed);
        Ok(answer)
    }

    async fn look(&self, call: &Call<'_>) -> Result<Option<Head>, Error> {
        let answer = match self.send(call).await {
            Ok(answer) => answer,
            Err(error) if error.kind == Kind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let names = answer.headers().keys().map(http::HeaderName::as_str);
        let attributes = names.filter(|name| crate::attributes::is_metadata(name));
        let attributes: Vec<_> =
            attributes.filter_map(|name| Some((name.to_owned(), header(&answer, name)?))).collect();
        let size = header(&answer, "content-length").and_then(|text| text.parse().ok());
        Ok(Some(Head {
            size: size.ok_or_else(|| Error::new(Kind::Answer, format!("{}: no size", call.what())))?,
            etag: unquoted(&header(&answer, "etag").unwrap_or_default()),
            version: version(&answer),
            modified_us: header(&answer, "last-modified").and_then(|text| header_us(&text)).unwrap_or(0),
            is_hidden: header(&answer, "x-amz-server-side-encryption").is_some_and(|how| how != "AES256"),
            class: header(&answer, "x-amz-storage-class").and_then(|name| class(&name)),
            attributes,
            sums: sums(&answer),
            has_tags: header(&answer, "x-amz-tagging-count").is_some_and(|count| count != "0"),
        }))
    }

    /// Copies an object of at most 5 GiB inside the store.
    ///
    /// # Errors
    /// The store's, after repeated tries; [`Kind::Changed`] where the source or the destination is another one.
    pub async fn copy(&self, copy: &Copy<'_>) -> Result<Written, Error> {
        let mut call = Call::new("PUT", copy.to.0, copy.to.1).header("x-amz-copy-source", source(copy));
        if let Some(etag) = copy.etag {
            call = call.header("x-amz-copy-source-if-match", format!("\"{etag}\""));
        }
        for (name, value) in &copy.headers {
            call = call.header(*name, value);
        }
        for (name, value) in &copy.metadata {
            call = call.header(name, value);
        }
        let answer = self.send_over(&call, Write::Copy, copy.over).await?;
        let node = Node::read(answer.body()).map_err(|error| at(error, &call))?;
        Ok(Written { etag: unquoted(node.get("ETag")), version: version(&answer) })
    }

    /// Writes an object, whatever stands there.
    ///
    /// # Errors
    /// The store's, after repeated tries.
    pub async fn put(
        &self,
        bucket: &str,
        key: &str,
        body: Bytes,
        headers: &[(String, String)],
    ) -> Result<Written, Error> {
        self.put_over(bucket, key, body, headers, Over::Any).await
    }

    /// Writes an object.
    ///
    /// # Errors
    /// The store's, after repeated tries; [`Kind::Changed`] or [`Kind::NotFound`] where something else stands there.
    pub async fn put_over(
        &self,
        bucket: &str,
        key: &str,
        body: Bytes,
        headers: &[(String, String)],
        over: Over<'_>,
    ) -> Result<Written, Error> {
        let mut call = Call::new("PUT", bucket, key);
        call.headers = headers.to_vec();
        call.body = body;
        let answer = self.send_over(&call, Write::Put, over).await?;
        Ok(Written {
            etag: unquoted(&header(&answer, "etag").unwrap_or_default()),
            version: version(&answer),
        })
    }

    /// Whether the bucket keeps versions.
    ///
    /// # Errors
    /// The store's, after repeated tries. A store without versions has none.
    pub async fn versioning(&self, bucket: &str) -> Result<Versioning, Error> {
        let call = Call::new("GET", bucket, "").ask("versioning", "");
        let answer = match self.send(&call).await {
            Ok(answer) => answer,
            Err(error) if error.kind == Kind::Unsupported => return Ok(Versioning::Off),
            Err(error) => return Err(error),
        };
        let node = Node::read(answer.body()).map_err(|error| at(error, &call))?;
        Ok(if node.get("Status") == "Enabled" { Versioning::Enabled } else { Versioning::Off })
    }

    /// The latest (at most 100) versions and delete markers of a key, the newest first.
    ///
    /// # Errors
    /// The store's, after repeated tries.
    pub async fn stack(&self, bucket: &str, key: &str) -> Result<Vec<Layer>, Error> {
        let call = Call::new("GET", bucket, "")
            .ask("versions", "")
            .ask("encoding-type", "url")
            .ask("prefix", key)
            .ask("max-keys", "100");
        let answer = self.send(&call).await?;
        let node = Node::read(answer.body()).map_err(|error| at(error, &call))?;
        let is_layer = |node: &&Node| matches!(node.name.as_str(), "Version" | "DeleteMarker");
        let is_encoded = node.get("EncodingType") == "url";
        // Others that begin so are in the list too; what they are is no matter here.
        let is_key = |node: &&Node| key_of(node, is_encoded).is_ok_and(|of| of == key);
        let of_key = node.children.iter().filter(is_layer).filter(is_key);
        let mut layers: Vec<_> = of_key
            .map(|node| {
                let is_latest = node.get("IsLatest") == "true";
                let since = iso_us(node.get("LastModified")).unwrap_or(0);
                let layer = Layer {
                    version: node.get("VersionId").to_owned(),
                    is_marker: node.name == "DeleteMarker",
                    etag: unquoted(node.get("ETag")),
                    size: node.get("Size").parse().unwrap_or(0),
                };
                (is_latest, since, layer)
            })
            .collect();
        // Some stores list markers apart; of equal times the order of the store holds.
        layers.sort_by_key(|(is_latest, since, _)| std::cmp::Reverse((*is_latest, *since)));
        Ok(layers.into_iter().map(|(_, _, layer)| layer).collect())
    }

    /// Makes the bucket keep versions.
    ///
    /// # Errors
    /// The store's, after repeated tries.
    pub async fn enable_versions(&self, bucket: &str) -> Result<(), Error> {
        let mut call = Call::new("PUT", bucket, "").ask("versioning", "");
        call.body = "<VersioningConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Status>Enabled</Status></VersioningConfiguration>".into();
        self.send(&call).await.map(drop)
    }

    /// Makes a bucket.
    ///
    /// # Errors
    /// The store's, after repeated tries.
    pub async fn make_bucket(&self, bucket: &str) -> Result<(), Error> {
        let mut call = Call::new("PUT", bucket, "");
        let region = &self.0.resolved.region;
        if self.0.resolved.endpoint.is_none() && region != "us-east-1" {
            call.body = format!("<CreateBucketConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><LocationConstraint>{region}</LocationConstraint></CreateBucketConfiguration>").into();
        }
        self.send(&call).await.map(drop)
    }

    /// Begins an object in parts; its number.
    ///
    /// # Errors
    /// The store's, after repeated tries.
    pub async fn begin_parts(
        &self,
        bucket: &str,
        key: &str,
        headers: &[(String, String)],
    ) -> Result<String, Error> {
        let mut call = Call::new("POST", bucket, key).ask("uploads", "");
        call.headers = headers.to_vec();
        let answer = self.send(&call).await?;
        let node = Node::read(answer.body()).map_err(|error| at(error, &call))?;
        Ok(node.get("UploadId").to_owned())
    }

    /// Copies a piece of an object as a part: `bytes` are the first and the last.
    ///
    /// # Errors
    /// The store's, after repeated tries.
    pub async fn copy_part(
        &self,
        copy: &Copy<'_>,
        upload: &str,
        number: u32,
        bytes: (u64, u64),
    ) -> Result<Part, Error> {
        let mut call = Call::new("PUT", copy.to.0, copy.to.1)
            .ask("partNumber", number.to_string())
            .ask("uploadId", upload)
            .header("x-amz-copy-source", source(copy))
            .header("x-amz-copy-source-range", format!("bytes={}-{}", bytes.0, bytes.1));
        if let Some(etag) = copy.etag {
            call = call.header("x-amz-copy-source-if-match", format!("\"{etag}\""));
        }
        let answer = self.send(&call).await?;
        let node = Node::read(answer.body()).map_err(|error| at(error, &call))?;
        Ok(Part { number, etag: unquoted(node.get("ETag")), size: bytes.1 - bytes.0 + 1 })
    }

    /// Writes a part.
    ///
    /// # Errors
    /// The store's, after repeated tries.
    pub async fn put_part(
        &self,
        bucket: &str,
        key: &str,
        upload: &str,
        number: u32,
        body: Bytes,
    ) -> Result<Part, Error> {
        let size = body.len() as u64;
        let mut call =
            Call::new("PUT", bucket, key).ask("partNumber", number.to_string()).ask("uploadId", upload);
        call.body = body;
        let answer = self.send(&call).await?;
        Ok(Part { number, etag: unquoted(&header(&answer, "etag").unwrap_or_default()), size })
    }

    /// The parts that are written already; `None`: there is no such upload any more.
    ///
    /// # Errors
    /// The store's, after repeated tries.
    pub async fn parts(&self, bucket: &str, key: &str, upload: &str) -> Result<Option<Vec<Part>>, Error> {
        let mut parts = Vec::new();
        let mut marker = String::new();
        loop {
            let call = Call::new("GET", bucket, key)
                .ask("uploadId", upload)
                .ask_some("part-number-marker", Some(marker.as_str()).filter(|marker| !marker.is_empty()));
            let answer = match self.send(&call).await {
                Ok(answer) => answer,
                Err(error) if error.kind == Kind::NotFound => return Ok(None),
                Err(error) => return Err(error),
            };
            let node = Node::read(answer.body()).map_err(|error| at(error, &call))?;
            for item in node.all("Part") {
                let number = item.get("PartNumber").parse().ok().zip(item.get("Size").parse().ok());
                let (number, size) =
                    number.ok_or_else(|| at(Error::new(Kind::Answer, "a part without number"), &call))?;
                parts.push(Part { number, etag: unquoted(item.get("ETag")), size });
            }
            let next = node.get("NextPartNumberMarker");
            if node.get("IsTruncated") != "true" || next.is_empty() || next == marker {
                return Ok(Some(parts));
            }
            next.clone_into(&mut marker);
        }
    }

    /// Makes the object of its parts.
    ///
    /// # Errors
    /// The store's, after repeated tries; [`Kind::Changed`] where something else stands there; [`Kind::Answer`] where the upload is
    /// gone and what stands there is not made of these parts.
    pub async fn end_parts(
        &self,
        bucket: &str,
        key: &str,
        upload: &str,
        parts: &[Part],
        over: Over<'_>,
    ) -> Result<Written, Error> {
        let mut call = Call::new("POST", bucket, key).ask("uploadId", upload);
        let mut body =
            String::from("<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">");
        for part in parts {
            body.push_str(&format!(
                "<Part><PartNumber>{}</PartNumber><ETag>\"{}\"</ETag></Part>",
                part.number,
                escaped(&part.etag)
            ));
        }
        body.push_str("</CompleteMultipartUpload>");
        call.body = body.into();
        let answer = match self.send_over(&call, Write::Parts, over).await {
            Err(error) if error.kind == Kind::NotFound => {
                return self.ended(bucket, key, parts, over, error).await;
            }
            answer => answer?,
        };
        let node = Node::read(answer.body()).map_err(|error| at(error, &call))?;
        Ok(Written { etag: unquoted(node.get("ETag")), version: version(&answer) })
    }

    /// An upload that is gone may be complete, when the answer that said so was lost: the object tells.
    async fn ended(
        &self,
        bucket: &str,
        key: &str,
        parts: &[Part],
        over: Over<'_>,
        lost: Error,
    ) -> Result<Written, Error> {
        let size: u64 = parts.iter().map(|part| part.size).sum();
        match self.head(bucket, key, None).await? {
            Some(head) if head.size == size && Some(&head.etag) == etag_of(parts).as_ref() => {
                Ok(Written { etag: head.etag, version: head.version })
            }
            // What was to be replaced is not there.
            None if matches!(over, Over::Etag(_)) => Err(Error { kind: Kind::Changed, ..lost }),
            // No `NotFound`: that is said of what was to be copied.
            _ => Err(Error::new(
                Kind::Answer,
                format!("{}: whether it was completed is not known", lost.message),
            )),
        }
    }

    /// Forgets an upload and its parts.
    ///
    /// # Errors
    /// The store's, after repeated tries. That there is none is no error.
    pub async fn drop_parts(&self, bucket: &str, key: &str, upload: &str) -> Result<(), Error> {
        let call = Call::new("DELETE", bucket, key).ask("uploadId", upload);
        match self.send(&call).await {
            Err(error) if error.kind != Kind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// An object, as it comes; it has to be the one with this ETag.
    pub(crate) async fn get(
        &self,
        bucket: &str,
        key: &str,
        etag: Option<&str>,
    ) -> Result<Response<Incoming>, Error> {
        self.get_from(bucket, key, etag, 0).await
    }

    /// As [`Client::get`], without its first `first` bytes.
    pub(crate) async fn get_from(
        &self,
        bucket: &str,
        key: &str,
        etag: Option<&str>,
        first: u64,
    ) -> Result<Response<Incoming>, Error> {
        let mut call = Call::new("GET", bucket, key);
        if let Some(etag) = etag {
            call = call.header("if-match", format!("\"{etag}\""));
        }
        if first > 0 {
            call = call.header("range", format!("bytes={first}-"));
        }
        let answer = self.open(&call).await?;
        let expected = if first > 0 { StatusCode::PARTIAL_CONTENT } else { StatusCode::OK };
        if answer.status() != expected {
            return Err(Error::new(Kind::Answer, format!("{}: {}", call.what(), answer.status())));
        }
        Ok(answer)
    }

    /// An object of a few bytes, whole.
    ///
    /// # Errors
    /// The store's, after repeated tries.
    pub async fn read(&self, bucket: &str, key: &str) -> Result<Bytes, Error> {
        Ok(self.send(&Call::new("GET", bucket, key)).await?.into_body())
    }
}

/// Checksums of the whole object; those of parts only say how they were cut.
fn sums(answer: &Response<Bytes>) -> Vec<(String, String)> {
    let prefix = "x-amz-checksum-";
    if header(answer, "x-amz-checksum-type").is_some_and(|of| of == "COMPOSITE") {
        return Vec::new();
    }
    let names = answer.headers().keys().filter_map(|name| name.as_str().strip_prefix(prefix));
    let kinds = names.filter(|kind| *kind != "type");
    let all = kinds.filter_map(|kind| Some((kind.to_owned(), header(answer, &format!("{prefix}{kind}"))?)));
    all.filter(|(_, value)| !value.contains('-')).collect()
}

/// ETag of an object of these parts, where those are hashes.
fn etag_of(parts: &[Part]) -> Option<String> {
    let mut digest = md5::Md5::new();
    for part in parts {
        let bytes =
            (0..part.etag.len()).step_by(2).map(|at| u8::from_str_radix(part.etag.get(at..at + 2)?, 16).ok());
        digest.update(bytes.collect::<Option<Vec<_>>>()?);
    }
    Some(format!("{}-{}", hex(&digest.finalize()), parts.len()))
}

/// The key of an item of a listing.
pub(super) fn key_of(item: &Node, is_encoded: bool) -> Result<String, Error> {
    let key = item.get("Key");
    if is_encoded { crate::encode::plain(key) } else { Ok(key.to_owned()) }
}

pub(super) fn at(error: Error, call: &Call<'_>) -> Error {
    Error { message: format!("{}: {}", call.what(), error.message), ..error }
}

fn source(copy: &Copy<'_>) -> String {
    let version = copy.version.map(|version| format!("?versionId={}", percent(version, false)));
    format!("/{}/{}{}", percent(copy.from.0, false), percent(copy.from.1, true), version.unwrap_or_default())
}
