//! What a bucket says of the objects in it: rules that delete them, accounts that own them.

use super::{Call, Client, operations::at};
use crate::{
    encode::iso_us,
    error::{Error, Kind},
    xml::Node,
};
use http::Response;

const DAY_US: i64 = 24 * 60 * 60 * 1_000_000;

impl Client {
    /// The answer, or nothing where the account may not ask, the store cannot tell, or there is nothing of the kind.
    async fn told(&self, call: &Call<'_>) -> Result<Option<Node>, Error> {
        match self.send(call).await.map(Response::into_body) {
            Ok(body) => Node::read(&body).map(Some).map_err(|error| at(error, call)),
            // Without rules a bucket answers as if it were none.
            Err(Error {
                kind: Kind::Denied | Kind::Unsupported | Kind::Refused | Kind::NoBucket, ..
            }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// After how many days a lifecycle rule of the bucket deletes objects below `prefix`; `None`: none does, so far as this account may see.
    ///
    /// # Errors
    /// The store's, after repeated tries.
    pub async fn expires(&self, bucket: &str, prefix: &str, now_us: i64) -> Result<Option<u32>, Error> {
        let rules = self.told(&Call::new("GET", bucket, "").ask("lifecycle", "")).await?;
        Ok(rules.and_then(|rules| rules.all("Rule").filter_map(|rule| days(rule, prefix, now_us)).min()))
    }

    /// How many of the first thousand objects below `prefix` another account owns than the bucket, so far as this account may see.
    ///
    /// # Errors
    /// The store's, after repeated tries.
    pub async fn of_others(&self, bucket: &str, prefix: &str) -> Result<u64, Error> {
        let Some(control) = self.told(&Call::new("GET", bucket, "").ask("acl", "")).await? else {
            return Ok(0);
        };
        let owner = control.child("Owner").map_or("", |owner| owner.get("ID"));
        let call = Call::new("GET", bucket, "")
            .ask("list-type", "2")
            .ask("fetch-owner", "true")
            .ask("prefix", prefix);
        let Some(page) = self.told(&call).await? else { return Ok(0) };
        let owners = page.all("Contents").filter_map(|object| Some(object.child("Owner")?.get("ID")));
        let others = owners.filter(|id| !owner.is_empty() && !id.is_empty() && *id != owner);
        Ok(others.count() as u64)
    }
}

/// After how many days a rule deletes objects below `prefix`, or some of them.
fn days(rule: &Node, prefix: &str, now_us: i64) -> Option<u32> {
    let filter = rule.child("Filter");
    let of_rule = rule.child("Prefix").or_else(|| {
        let filter = filter?;
        filter.child("Prefix").or_else(|| filter.child("And")?.child("Prefix"))
    });
    let of_rule = of_rule.map_or("", |node| node.text.as_str());
    let is_meant = prefix.starts_with(of_rule) || of_rule.starts_with(prefix);
    let expiration = rule.child("Expiration").filter(|_| is_meant && rule.get("Status") == "Enabled")?;
    match expiration.get("Days") {
        "" => {
            let left = (iso_us(expiration.get("Date")).ok()? - now_us).max(0);
            u32::try_from(left / DAY_US).ok()
        }
        days => days.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_counts_where_it_meets_what_is_set_aside() {
        let now_us = iso_us("2026-11-27T00:00:00Z").unwrap();
        for (rule, wanted) in [
            ("<Prefix/><Status>Enabled</Status><Expiration><Days>3</Days></Expiration>", Some(3)),
            ("<Filter/><Status>Enabled</Status><Expiration><Days>3</Days></Expiration>", Some(3)),
            ("<Prefix>hol</Prefix><Status>Enabled</Status><Expiration><Days>4</Days></Expiration>", Some(4)),
            (
                "<Prefix>hold/a</Prefix><Status>Enabled</Status><Expiration><Days>4</Days></Expiration>",
                Some(4),
            ),
            ("<Prefix>hold/</Prefix><Status>Disabled</Status><Expiration><Days>4</Days></Expiration>", None),
            ("<Prefix>old/</Prefix><Status>Enabled</Status><Expiration><Days>4</Days></Expiration>", None),
            (
                "<Filter><And><Prefix>hold/</Prefix><Tag/></And></Filter><Status>Enabled</Status><Expiration><Days>5</Days></Expiration>",
                Some(5),
            ),
            (
                "<Filter><Prefix>hold/</Prefix></Filter><Status>Enabled</Status><Expiration><Date>2026-11-29T12:00:00Z</Date></Expiration>",
                Some(2),
            ),
            (
                "<Prefix>hold/</Prefix><Status>Enabled</Status><NoncurrentVersionExpiration><NoncurrentDays>1</NoncurrentDays></NoncurrentVersionExpiration>",
                None,
            ),
            (
                "<Prefix/><Status>Enabled</Status><Expiration><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></Expiration>",
                None,
            ),
        ] {
            let node = Node::read(format!("<Rule>{rule}</Rule>").as_bytes()).unwrap();
            assert_eq!(days(&node, "hold/", now_us), wanted, "{rule}");
        }
    }
}
