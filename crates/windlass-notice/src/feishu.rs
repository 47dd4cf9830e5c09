//! Feishu (and Lark), a robot of a group: a post, signed in the body.
//! <https://open.feishu.cn/document/client-docs/bot-v3/add-custom-bot>

use crate::{Endpoint, Notice, Request, sign, words};
use serde_json::json;
use windlass_plan::Lang;

pub(crate) fn request(to: &Endpoint, notice: &Notice, now_ms: i64) -> Request {
    let locale = match notice.lang {
        Lang::En => "en_us",
        Lang::Zh => "zh_cn",
        Lang::Ja => "ja_jp",
    };
    let text = json!([[{ "tag": "text", "text": words::text(notice) }]]);
    let post = json!({ locale: { "title": words::line(&notice.title), "content": text } });
    let mut body = json!({ "msg_type": "post", "content": { "post": post } });
    if let Some(secret) = &to.secret {
        let now_s = now_ms.div_euclid(1000).to_string();
        // What is elsewhere the message is the key here, and the message is empty.
        let signed = sign::hmac_sha256(format!("{now_s}\n{secret}").as_bytes(), b"");
        body["timestamp"] = now_s.into();
        body["sign"] = sign::base64(&signed).into();
    }
    Request::json(to.url.clone(), &body)
}
