//! Mail: plain text by SMTP.

use crate::{Answer, Notice, request::short, send::TRY_MAX, words};
use lettre::{
    AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor,
    message::{Mailbox, header::ContentType},
    transport::smtp::authentication::Credentials,
};
use std::time::{Duration, UNIX_EPOCH};
use windlass_driver::causes;
use windlass_plan::{MailTls, MailWay};

/// A mail as it is sent.
///
/// # Errors
/// An address is none.
pub(crate) fn message(way: &MailWay, notice: &Notice, id: &str, now_ms: i64) -> Result<Message, String> {
    let mailbox = |address: &str| -> Result<Mailbox, String> {
        address.parse().map_err(|why| format!("`{address}` is no mail address: {why}"))
    };
    let from = mailbox(&way.from)?;
    let id = format!("<{id}@{}>", from.email.domain());
    let since = Duration::from_millis(u64::try_from(now_ms).unwrap_or(0));
    let mut mail = Message::builder()
        .from(from)
        .subject(words::line(&notice.title))
        .date(UNIX_EPOCH + since)
        .message_id(Some(id))
        .header(ContentType::TEXT_PLAIN);
    for address in &way.to {
        mail = mail.to(mailbox(address)?);
    }
    mail.body(format!("{}\n\n{}\n", words::line(&notice.title), words::text(notice)))
        .map_err(|why| format!("the mail cannot be written: {why}"))
}

/// Hands a mail to its server.
pub(crate) async fn send(way: &MailWay, login: Option<Credentials>, mail: Message) -> Answer {
    type Transport = AsyncSmtpTransport<Tokio1Executor>;
    let builder = match way.tls {
        MailTls::Implicit => Transport::relay(&way.host),
        MailTls::Starttls => Transport::starttls_relay(&way.host),
        MailTls::None => Ok(Transport::builder_dangerous(&way.host)),
    };
    let mut builder = match builder {
        Ok(builder) => builder.timeout(Some(TRY_MAX)),
        Err(why) => return Answer::Refused(format!("TLS cannot be used: {why}")),
    };
    if let Some(port) = way.port {
        builder = builder.port(port);
    }
    if let Some(login) = login {
        builder = builder.credentials(login);
    }
    match builder.build().send(mail).await {
        Ok(_) => Answer::Delivered,
        // A server that answers and says no for ever; one that says `later`, or none at all, may take it in a moment.
        Err(why) if why.is_permanent() || why.is_client() => Answer::Refused(short(&causes(&why))),
        Err(why) => Answer::Again(short(&causes(&why))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use windlass_plan::Lang;

    #[test]
    fn a_mail_has_its_headers_and_no_more_than_was_meant() {
        let way = MailWay {
            tls: MailTls::None,
            host: "localhost".into(),
            port: None,
            login: None,
            from: "windlass@example.com".into(),
            to: vec!["a@example.com".into(), "b@example.com".into()],
        };
        let notice = Notice {
            lang: Lang::En,
            run: None,
            title: "Release 2.1.0\r\nBcc: x@example.com".into(),
            lines: vec![("Run".into(), "r1".into())],
            json: serde_json::Value::Null,
        };
        let mail = message(&way, &notice, "r1.done", 1_763_692_987_000).unwrap();
        let text = String::from_utf8(mail.formatted()).unwrap();
        for line in [
            "From: windlass@example.com\r\n",
            "To: a@example.com, b@example.com\r\n",
            "Subject: Release 2.1.0  Bcc: x@example.com\r\n",
            "Message-ID: <r1.done@example.com>\r\n",
            "Date: Fri, 21 Nov 2025 02:43:07 +0000\r\n",
            "\r\nRun: r1\r\n",
        ] {
            assert!(text.contains(line), "no {line:?} in:\n{text}");
        }
        assert!(!text.contains("\r\nBcc:"), "{text}");
        let wrong = MailWay { to: vec!["nobody".into()], ..way };
        assert!(message(&wrong, &notice, "x", 0).unwrap_err().contains("`nobody` is no mail address"));
    }
}
