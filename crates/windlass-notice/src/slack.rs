//! Slack, an incoming webhook: text; the token stands in the address, nothing is signed.
//! <https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks>

use crate::{Endpoint, Notice, Request, words};

pub(crate) fn request(to: &Endpoint, notice: &Notice) -> Request {
    let text = format!("*{}*\n{}", words::plain(&notice.title), words::text(notice));
    Request::json(to.url.clone(), &serde_json::json!({ "text": escaped(&text) }))
}

/// The three characters that Slack reads as its own; without them nobody can be mentioned.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
