//! DingTalk, a robot of a group: Markdown, signed in the query.
//! <https://open.dingtalk.com/document/orgapp/custom-robots-send-group-messages>

use crate::{Endpoint, Notice, Request, sign, words};

/// Longest message.
const BYTES_MAX: usize = 20_000;

pub(crate) fn request(to: &Endpoint, notice: &Notice, now_ms: i64) -> Request {
    let mut url = to.url.clone();
    if let Some(secret) = &to.secret {
        let signed = sign::hmac_sha256(secret.as_bytes(), format!("{now_ms}\n{secret}").as_bytes());
        url.query_pairs_mut()
            .append_pair("timestamp", &now_ms.to_string())
            .append_pair("sign", &sign::base64(&signed));
    }
    let body = serde_json::json!({
        "msgtype": "markdown",
        "markdown": { "title": words::plain(&notice.title), "text": words::markdown(notice, BYTES_MAX / 2) },
    });
    Request::json(url, &body)
}
