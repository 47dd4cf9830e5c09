//! Tags of objects.

use super::{Call, Client, operations::at};
use crate::{
    encode::percent,
    error::{Error, Kind},
    xml::Node,
};

impl Client {
    /// The tags of an object, as a header has them (`a=1&b=2`); empty: it has none.
    ///
    /// # Errors
    /// The store's, after repeated tries; [`Kind::Unsupported`] where it knows no tags.
    pub async fn tags(&self, bucket: &str, key: &str, of: Option<&str>) -> Result<String, Error> {
        let call = Call::new("GET", bucket, key).ask("tagging", "").ask_some("versionId", of);
        let answer = self.send(&call).await.map_err(|error| told(error, bucket, key))?;
        let node = Node::read(answer.body()).map_err(|error| at(error, &call))?;
        let set = node.child("TagSet").into_iter().flat_map(|set| set.all("Tag"));
        let pairs =
            set.map(|tag| format!("{}={}", percent(tag.get("Key"), false), percent(tag.get("Value"), false)));
        Ok(pairs.collect::<Vec<_>>().join("&"))
    }
}

/// The request looks like one for the object itself, which the account may read.
fn told(error: Error, bucket: &str, key: &str) -> Error {
    let is_denied = error.kind == Kind::Denied;
    let error = Error { message: format!("the tags of s3://{bucket}/{key}: {}", error.message), ..error };
    if is_denied {
        error.hint("let the account do `s3:GetObjectTagging` (of a version `s3:GetObjectVersionTagging`)")
    } else {
        error
    }
}
