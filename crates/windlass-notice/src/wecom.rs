//! WeCom (企业微信), a robot of a group: Markdown; the key stands in the address, nothing is signed.
//! <https://developer.work.weixin.qq.com/document/path/91770>

use crate::{Endpoint, Notice, Request, words};

/// Longest message.
const BYTES_MAX: usize = 4096;

pub(crate) fn request(to: &Endpoint, notice: &Notice) -> Request {
    let content = words::markdown(notice, BYTES_MAX);
    let body = serde_json::json!({ "msgtype": "markdown", "markdown": { "content": content } });
    Request::json(to.url.clone(), &body)
}
