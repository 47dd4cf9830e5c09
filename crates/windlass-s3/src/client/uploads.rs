//! Objects that were begun in parts, and not ended: they are in no listing of objects, and are paid for all the same.

use super::{
    Begun, Call, Client,
    operations::{at, key_of},
};
use crate::{
    encode::iso_us,
    error::{Error, Kind},
    xml::Node,
};

/// Most pages of them that are read, of up to 1,000 each.
const PAGES_MAX: usize = 100;

impl Client {
    /// What was begun below `prefix` and not ended; the first 100,000.
    ///
    /// # Errors
    /// The store's, after repeated tries.
    pub async fn uploads(&self, bucket: &str, prefix: &str) -> Result<Vec<Begun>, Error> {
        let mut found = Vec::new();
        let mut behind: Option<(String, String)> = None;
        for _ in 0..PAGES_MAX {
            let (key, upload) = behind.as_ref().map(|(key, upload)| (key.as_str(), upload.as_str())).unzip();
            let call = Call::new("GET", bucket, "")
                .ask("uploads", "")
                .ask("encoding-type", "url")
                .ask("prefix", prefix)
                .ask_some("key-marker", key)
                .ask_some("upload-id-marker", upload);
            let answer = self.send(&call).await?;
            let node = Node::read(answer.body()).map_err(|error| at(error, &call))?;
            let is_encoded = node.get("EncodingType") == "url";
            for item in node.all("Upload") {
                let key = key_of(item, is_encoded).map_err(|error| at(error, &call))?;
                let upload = item.get("UploadId").to_owned();
                if upload.is_empty() {
                    return Err(at(Error::new(Kind::Answer, "an upload without number"), &call));
                }
                found.push(Begun { key, upload, begun_us: iso_us(item.get("Initiated")).ok() });
            }
            let last = found.last().map(|begun| (begun.key.clone(), begun.upload.clone()));
            if node.get("IsTruncated") != "true" || last == behind {
                break;
            }
            behind = last;
        }
        // Not every store looks at the prefix.
        found.retain(|begun| begun.key.starts_with(prefix));
        Ok(found)
    }
}
