//! Deleting: many keys in one request, where XML can hold them.

use super::{
    Call, Client, DELETES_MAX, Deleted,
    operations::{at, header, version},
};
use crate::{
    error::{self, Error, Kind},
    xml::{Node, escaped},
};
use base64::Engine as _;
use md5::Digest as _;
use std::collections::HashMap;

/// XML 1.0 has no form for most control characters, and its readers change others: a batch with such a key is refused as a whole.
fn is_for_xml(key: &str) -> bool {
    !key.chars().any(|letter| letter.is_control() || matches!(letter, '\u{fffe}' | '\u{ffff}'))
}

/// Whether the next key would fail in the same way, after as long a wait.
fn is_of_all(error: &Error) -> bool {
    matches!(error.kind, Kind::Transport | Kind::Busy | Kind::Credentials | Kind::NoBucket)
}

impl Client {
    /// Deletes an object, or one version of it; gives the version of the delete marker that was made.
    ///
    /// # Errors
    /// The store's, after repeated tries. That there is none is no error.
    pub async fn delete(&self, bucket: &str, key: &str, of: Option<&str>) -> Result<Option<String>, Error> {
        let call = Call::new("DELETE", bucket, key).ask_some("versionId", of);
        let answer = self.send(&call).await?;
        Ok(version(&answer).filter(|_| header(&answer, "x-amz-delete-marker").as_deref() == Some("true")))
    }

    /// Deletes at most 1,000 objects, without versions; those whose keys XML cannot hold one by one.
    ///
    /// # Errors
    /// The store's, after repeated tries, when it refuses all; what it refuses of single keys is in the answer.
    pub async fn delete_many(&self, bucket: &str, keys: &[&str]) -> Result<Vec<Deleted>, Error> {
        debug_assert!(keys.len() <= DELETES_MAX, "the caller makes batches");
        let (together, single): (Vec<_>, Vec<_>) = keys.iter().copied().partition(|key| is_for_xml(key));
        let mut found = match together[..] {
            [] => HashMap::new(),
            _ => self.delete_together(bucket, &together).await?,
        };
        // There are few of them as a rule: one after the other. What ends one for good ends the rest, too.
        let mut over: Option<Error> = None;
        for key in single {
            let answer = match &over {
                Some(error) => Err(error.clone()),
                None => self.delete(bucket, key, None).await,
            };
            let (marker, error) = match answer {
                Ok(marker) => (marker, None),
                Err(error) => (None, Some(error)),
            };
            over = over.or_else(|| error.clone().filter(is_of_all));
            found.insert(key.to_owned(), Deleted { key: key.to_owned(), marker, error });
        }
        let unknown = |key: &str| Deleted {
            key: key.to_owned(),
            marker: None,
            error: Some(Error::new(
                Kind::Answer,
                format!("DELETE s3://{bucket}/{key}: the answer does not say what became of it"),
            )),
        };
        Ok(keys.iter().map(|key| found.remove(*key).unwrap_or_else(|| unknown(key))).collect())
    }

    async fn delete_together(&self, bucket: &str, keys: &[&str]) -> Result<HashMap<String, Deleted>, Error> {
        let mut body = String::from("<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">");
        for key in keys {
            body.extend(["<Object><Key>", &escaped(key), "</Key></Object>"]);
        }
        body.push_str("</Delete>");
        let digest = md5::Md5::digest(body.as_bytes());
        let mut call = Call::new("POST", bucket, "")
            .ask("delete", "")
            .header("content-md5", base64::engine::general_purpose::STANDARD.encode(digest));
        call.headers.push(("content-type".into(), "application/xml".into()));
        call.body = body.into();
        let answer = self.send(&call).await?;
        let node = Node::read(answer.body()).map_err(|error| at(error, &call))?;
        let mut found = HashMap::with_capacity(keys.len());
        for item in node.all("Deleted") {
            let marker =
                (item.get("DeleteMarker") == "true").then(|| item.get("DeleteMarkerVersionId").to_owned());
            let marker = marker.filter(|id| !id.is_empty() && id != "null");
            let key = item.get("Key").to_owned();
            found.insert(key.clone(), Deleted { key, marker, error: None });
        }
        for item in node.all("Error") {
            let (key, code, words) = (item.get("Key"), item.get("Code"), item.get("Message"));
            let kind = match code {
                "AccessDenied" => Kind::Denied,
                code => error::kind(400, code),
            };
            let error = Error::new(kind, format!("DELETE s3://{bucket}/{key}: {code}: {words}"));
            found.insert(key.to_owned(), Deleted { key: key.to_owned(), marker: None, error: Some(error) });
        }
        Ok(found)
    }
}
