//! Signature Version 4, for S3: the path is encoded once, and never made shorter.

use crate::encode::{hex, percent};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

/// Who signs.
#[derive(Clone)]
pub(crate) struct Keys {
    pub(crate) access: String,
    pub(crate) secret: String,
    pub(crate) token: Option<String>,
}

/// What is signed.
pub(crate) struct Request<'a> {
    pub(crate) method: &'a str,
    /// Encoded.
    pub(crate) path: &'a str,
    /// Not encoded.
    pub(crate) query: &'a [(&'a str, String)],
    /// Names in small letters; with `host`, without those that are added here.
    pub(crate) headers: &'a [(&'a str, String)],
    /// SHA-256 of the body, as hexadecimal text.
    pub(crate) payload: &'a str,
    pub(crate) region: &'a str,
    pub(crate) service: &'a str,
    /// `20261126T080000Z`.
    pub(crate) time: &'a str,
}

fn mac(key: &[u8], text: &str) -> [u8; 32] {
    let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().into()
}

/// The key of one day, region and service.
pub(crate) fn day_key(keys: &Keys, day: &str, region: &str, service: &str) -> [u8; 32] {
    let key = mac(format!("AWS4{}", keys.secret).as_bytes(), day);
    let key = mac(&key, region);
    let key = mac(&key, service);
    mac(&key, "aws4_request")
}

/// The query as it is sent: sorted and encoded.
pub(crate) fn query(pairs: &[(&str, String)]) -> String {
    let mut encoded: Vec<_> =
        pairs.iter().map(|(name, value)| (percent(name, false), percent(value, false))).collect();
    encoded.sort();
    let encoded: Vec<_> = encoded.iter().map(|(name, value)| format!("{name}={value}")).collect();
    encoded.join("&")
}

/// The header `authorization`.
pub(crate) fn authorization(request: &Request<'_>, keys: &Keys, day_key: &[u8; 32]) -> String {
    let mut headers: Vec<_> = request.headers.iter().map(|(name, value)| (*name, value.trim())).collect();
    headers.push(("x-amz-content-sha256", request.payload));
    headers.push(("x-amz-date", request.time));
    if let Some(token) = &keys.token {
        headers.push(("x-amz-security-token", token));
    }
    headers.sort_unstable();
    let names: Vec<_> = headers.iter().map(|(name, _)| *name).collect();
    let names = names.join(";");
    let mut canonical = format!("{}\n{}\n{}\n", request.method, request.path, query(request.query));
    for (name, value) in &headers {
        canonical.extend([*name, ":", *value, "\n"]);
    }
    canonical.extend(["\n", &names, "\n", request.payload]);
    let day = request.time.get(..8).unwrap_or_default();
    let scope = format!("{day}/{}/{}/aws4_request", request.region, request.service);
    let hash = hex(&Sha256::digest(canonical.as_bytes()));
    let text = format!("AWS4-HMAC-SHA256\n{}\n{scope}\n{hash}", request.time);
    let signature = hex(&mac(day_key, &text));
    format!(
        "AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={names}, Signature={signature}",
        keys.access
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example "GET Object" of AWS's documentation of Signature Version 4 for S3.
    #[test]
    fn the_example_of_the_documentation() {
        let keys = Keys {
            access: "AKIAIOSFODNN7EXAMPLE".into(),
            secret: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".into(),
            token: None,
        };
        let empty = hex(&Sha256::digest(b""));
        let request = Request {
            method: "GET",
            path: "/test.txt",
            query: &[],
            headers: &[("host", "examplebucket.s3.amazonaws.com".into()), ("range", "bytes=0-9".into())],
            payload: &empty,
            region: "us-east-1",
            service: "s3",
            time: "20130524T000000Z",
        };
        let key = day_key(&keys, "20130524", "us-east-1", "s3");
        let text = authorization(&request, &keys, &key);
        assert!(text.ends_with("f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"), "{text}");
    }
}
