//! A webhook of the team's own: JSON as docs/notices.md has it, signed in a header.

use crate::{Endpoint, Notice, Request, sign};

/// The header with the signature.
pub(crate) const SIGNATURE: &str = "X-Windlass-Signature";

pub(crate) fn request(to: &Endpoint, notice: &Notice) -> Request {
    let mut request = Request::json(to.url.clone(), &notice.json);
    if let Some(secret) = &to.secret {
        let signed = sign::hmac_sha256(secret.as_bytes(), &request.body);
        request.headers.push((SIGNATURE, format!("sha256={}", sign::hex(&signed))));
    }
    request
}
