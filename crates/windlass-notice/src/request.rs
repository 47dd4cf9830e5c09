//! The request for each service, and what its answer means.

use crate::{Endpoint, Notice, dingtalk, feishu, slack, webhook, wecom, words};
use serde_json::Value;
use std::fmt;
use url::Url;
use windlass_plan::NoticeKind;

/// An HTTP POST.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    /// Where; a secret.
    pub url: Url,
    /// Beside `Content-Type: application/json`.
    pub headers: Vec<(&'static str, String)>,
    /// JSON.
    pub body: Vec<u8>,
}

/// The address is never printed.
impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Request(****, {} bytes)", self.body.len())
    }
}

impl Request {
    pub(crate) fn json(url: Url, body: &Value) -> Self {
        Self { url, headers: Vec::new(), body: body.to_string().into_bytes() }
    }
}

/// The request that brings a notice to a service. Mail has none.
#[must_use]
pub fn request(kind: NoticeKind, to: &Endpoint, notice: &Notice, now_ms: i64) -> Request {
    match kind {
        NoticeKind::Dingtalk => dingtalk::request(to, notice, now_ms),
        NoticeKind::Feishu => feishu::request(to, notice, now_ms),
        NoticeKind::Wecom => wecom::request(to, notice),
        NoticeKind::Slack => slack::request(to, notice),
        NoticeKind::Webhook | NoticeKind::Mail => webhook::request(to, notice),
    }
}

/// What a service said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It has the notice.
    Delivered,
    /// It does not want it, and will not want it in a moment either.
    Refused(String),
    /// It may want it in a moment.
    Again(String),
}

/// Reads an answer: the services in China answer 200 and say in the body that they refuse.
#[must_use]
pub fn answer(kind: NoticeKind, status: u16, body: &[u8]) -> Answer {
    let coded = matches!(kind, NoticeKind::Dingtalk | NoticeKind::Feishu | NoticeKind::Wecom);
    let said = if coded { code(body) } else { None };
    match (status, said) {
        (429 | 500..=599, _) => Answer::Again(format!("HTTP {status}")),
        (200..=299, Some((0, _))) => Answer::Delivered,
        (200..=299, None) if !coded => Answer::Delivered,
        (200..=299, None) => {
            Answer::Refused("it answered without a code: is this the address of a robot?".to_owned())
        }
        (200..=299, Some((code, words))) if is_busy(kind, code) => {
            Answer::Again(format!("code {code}: {words}"))
        }
        (200..=299, Some((code, words))) => Answer::Refused(format!("code {code}: {words}")),
        (_, Some((code, words))) => Answer::Refused(format!("HTTP {status}, code {code}: {words}")),
        // Slack says why in a word (`no_service`); of others it may be a page.
        (_, None) => match kind {
            NoticeKind::Slack => {
                Answer::Refused(format!("HTTP {status}: {}", short(&String::from_utf8_lossy(body))))
            }
            _ => Answer::Refused(format!("HTTP {status}")),
        },
    }
}

/// Whether the code says that the service has too much to do, or that too many notices came at a time.
fn is_busy(kind: NoticeKind, code: i64) -> bool {
    match kind {
        NoticeKind::Dingtalk => matches!(code, 130_101 | -1),
        NoticeKind::Wecom => code == 45_009,
        NoticeKind::Feishu => code == 11_232,
        NoticeKind::Slack | NoticeKind::Webhook | NoticeKind::Mail => false,
    }
}

/// `errcode` and `errmsg`; of Feishu `code` and `msg`, before that `StatusCode` and `StatusMessage`.
fn code(body: &[u8]) -> Option<(i64, String)> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let pairs = [("errcode", "errmsg"), ("code", "msg"), ("StatusCode", "StatusMessage")];
    let (code, words) = pairs.iter().find_map(|(code, words)| Some((body.get(code)?.as_i64()?, words)))?;
    Some((code, short(body.get(words).and_then(Value::as_str).unwrap_or_default())))
}

/// Words of a stranger: one line, not longer than a line.
pub(crate) fn short(text: &str) -> String {
    let line = words::line(text.trim());
    line.chars().take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use windlass_plan::Lang;

    fn notice() -> Notice {
        Notice {
            lang: Lang::Zh,
            run: Some("20251121-024307-1a2b".into()),
            title: "Windlass：2.1.0 成功".into(),
            lines: vec![
                ("环境".into(), "production".into()),
                ("发布人".into(), "<@all> `x`\nalice@ops".into()),
            ],
            json: serde_json::json!({ "event": "done" }),
        }
    }

    fn made(kind: NoticeKind, url: &str, secret: Option<&str>) -> (Request, Value) {
        let to = Endpoint::new(kind, url, secret.map(str::to_owned)).unwrap();
        let made = request(kind, &to, &notice(), 1_763_692_987_123);
        let body = serde_json::from_slice(&made.body).unwrap();
        (made, body)
    }

    // The signatures were made once with openssl, not by this code.
    #[test]
    fn dingtalk_is_signed_in_the_query() {
        let (made, body) =
            made(NoticeKind::Dingtalk, "https://oapi.dingtalk.com/robot/send?access_token=T", Some("SEC1"));
        assert_eq!(
            made.url.as_str(),
            "https://oapi.dingtalk.com/robot/send?access_token=T&timestamp=1763692987123&sign=L9Xk6bCWQE5z2YTaGbZKQhASk5z3e5gq64EQpKYjQBA%3D"
        );
        assert_eq!(body["msgtype"], "markdown");
        assert_eq!(body["markdown"]["title"], "Windlass：2.1.0 成功");
        assert_eq!(
            body["markdown"]["text"],
            "#### Windlass：2.1.0 成功\n\n- 环境: production\n- 发布人: ＜＠all＞ 'x' alice＠ops"
        );
    }

    #[test]
    fn feishu_is_signed_in_the_body() {
        let (made, body) =
            made(NoticeKind::Feishu, "https://open.feishu.cn/open-apis/bot/v2/hook/x", Some("SEC1"));
        assert_eq!(made.url.query(), None);
        assert_eq!(
            (&body["timestamp"], &body["sign"]),
            (&"1763692987".into(), &"d5nSG4QPaPEr1fAYM/0NpfXrunSkggAoUA/sxBuPamU=".into())
        );
        let post = &body["content"]["post"]["zh_cn"];
        assert_eq!((&body["msg_type"], &post["title"]), (&"post".into(), &"Windlass：2.1.0 成功".into()));
        assert_eq!(post["content"][0][0]["text"], "环境: production\n发布人: <@all> `x` alice@ops");
    }

    #[test]
    fn a_webhook_is_signed_in_a_header() {
        let (made, _) = made(NoticeKind::Webhook, "https://ops.example.com/hook", Some("SEC1"));
        assert_eq!(made.body, br#"{"event":"done"}"#);
        assert_eq!(
            made.headers,
            [(
                "X-Windlass-Signature",
                "sha256=98a8853107f2b25b4e46b35a791409503616da11f277e1f6aaed7b5f47df7d1a".to_owned()
            )]
        );
    }

    #[test]
    fn wecom_and_slack_have_their_forms_and_nobody_is_mentioned() {
        let (_, body) =
            made(NoticeKind::Wecom, "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=k", None);
        let content = body["markdown"]["content"].as_str().unwrap();
        assert!(content.contains("- 发布人: ＜＠all＞") && content.len() < 4096, "{content}");
        let (_, body) = made(NoticeKind::Slack, "https://hooks.slack.com/services/x", None);
        assert_eq!(
            body["text"],
            "*Windlass：2.1.0 成功*\n环境: production\n发布人: &lt;@all&gt; `x` alice@ops"
        );
    }

    #[test]
    fn without_a_secret_nothing_is_signed() {
        let (ding, _) =
            made(NoticeKind::Dingtalk, "https://oapi.dingtalk.com/robot/send?access_token=T", None);
        assert_eq!(ding.url.query(), Some("access_token=T"));
        let (_, body) = made(NoticeKind::Feishu, "https://open.feishu.cn/x", None);
        assert!(body.get("sign").is_none() && body.get("timestamp").is_none());
        let (hook, _) = made(NoticeKind::Webhook, "https://ops.example.com/hook", None);
        assert_eq!(hook.headers, []);
    }

    #[test]
    fn a_long_notice_fits_with_whole_lines() {
        let mut long = notice();
        long.lines = (0..200).map(|at| (format!("第{at}"), "长".repeat(400))).collect();
        let to = Endpoint::new(NoticeKind::Wecom, "https://qyapi.weixin.qq.com/x?key=k", None).unwrap();
        let body: Value = serde_json::from_slice(&request(NoticeKind::Wecom, &to, &long, 0).body).unwrap();
        let content = body["markdown"]["content"].as_str().unwrap();
        assert!(content.len() <= 4096 && content.ends_with("长…"), "{}", content.len());
    }

    #[test]
    fn a_refusal_with_status_200_is_one() {
        use NoticeKind::{Dingtalk, Feishu, Slack, Webhook, Wecom};
        let refused = |words: &str| Answer::Refused(words.to_owned());
        for (kind, status, body, expected) in [
            (Dingtalk, 200, r#"{"errcode":0,"errmsg":"ok"}"#, Answer::Delivered),
            (
                Dingtalk,
                200,
                r#"{"errcode":310000,"errmsg":"sign not\nmatch"}"#,
                refused("code 310000: sign not match"),
            ),
            (
                Wecom,
                200,
                r#"{"errcode":93000,"errmsg":"invalid webhook url"}"#,
                refused("code 93000: invalid webhook url"),
            ),
            (Feishu, 200, r#"{"code":0,"msg":"success"}"#, Answer::Delivered),
            (Feishu, 200, r#"{"StatusCode":0,"StatusMessage":"success"}"#, Answer::Delivered),
            (
                Feishu,
                400,
                r#"{"code":19021,"msg":"sign match fail"}"#,
                refused("HTTP 400, code 19021: sign match fail"),
            ),
            (Feishu, 200, "<html>", refused("it answered without a code: is this the address of a robot?")),
            (Slack, 200, "ok", Answer::Delivered),
            (Slack, 404, "no_service", refused("HTTP 404: no_service")),
            (Webhook, 204, "", Answer::Delivered),
            (Webhook, 302, "", refused("HTTP 302")),
            (Webhook, 503, "", Answer::Again("HTTP 503".into())),
            (Dingtalk, 429, "", Answer::Again("HTTP 429".into())),
        ] {
            assert_eq!(answer(kind, status, body.as_bytes()), expected, "{kind} {status} {body}");
        }
        let long = format!(r#"{{"errcode":1,"errmsg":"{}"}}"#, "x".repeat(9000));
        let Answer::Refused(why) = answer(Wecom, 200, long.as_bytes()) else { panic!() };
        assert!(why.len() < 300);
    }
}
