//! Notices against local servers that check them as those of the services do.

#![expect(clippy::unwrap_used, reason = "a test that cannot set up its world has to fail")]

mod server;
mod smtp;

use server::{Asked, Reply, Server};
use smtp::{Behaviour, MailServer};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, Instant},
};
use windlass_driver::Secrets;
use windlass_notice::{Clock, Courier, FINISH_MAX, Notice, Outcome, Record, Sent, TRIES_MAX, hmac_sha256};
use windlass_plan::{Lang, MailTls, MailWay, Moment, NoticeKind, NoticeWay, Receiver, Secret};

const NOW_MS: i64 = 1_763_692_987_123;
const SECRET: &str = "SEC-of-the-robot";

/// A "variable" has the value that its name says.
struct Plain;

impl Secrets for Plain {
    fn resolve(&self, secret: &Secret) -> Result<String, String> {
        match secret {
            Secret::Env(value) if !value.is_empty() => Ok(value.clone()),
            _ => Err("the environment variable X is not set".to_owned()),
        }
    }

    fn mask(&self, text: &str) -> String {
        text.to_owned()
    }
}

fn http(kind: NoticeKind, url: &str, secret: Option<&str>) -> Receiver {
    let secret = secret.map(|secret| Secret::Env(secret.to_owned()));
    let way = NoticeWay::Http { kind, url: Secret::Env(url.to_owned()), secret };
    Receiver { on: Moment::ALL.into(), lang: Some(Lang::Zh), way }
}

fn mail(port: u16, tls: MailTls, login: Option<(&str, &str)>) -> Receiver {
    let way = MailWay {
        tls,
        host: "127.0.0.1".into(),
        port: Some(port),
        login: login.map(|(user, password)| (Secret::Env(user.into()), Secret::Env(password.into()))),
        from: "windlass@example.com".into(),
        to: vec!["ops@example.com".into(), "dev@example.com".into()],
    };
    Receiver { on: Moment::ALL.into(), lang: None, way: NoticeWay::Mail(way) }
}

struct World {
    dir: tempfile::TempDir,
    courier: Courier,
}

fn world<const N: usize>(receivers: [(&str, Receiver); N]) -> World {
    world_at(receivers, || NOW_MS)
}

fn world_at<const N: usize>(receivers: [(&str, Receiver); N], clock: Clock) -> World {
    let dir = tempfile::tempdir().unwrap();
    let receivers: BTreeMap<_, _> =
        receivers.into_iter().map(|(name, receiver)| (name.to_owned(), receiver)).collect();
    let secrets: Arc<dyn Secrets> = Arc::new(Plain);
    let courier = Courier::start(&receivers, &secrets, Record::beside(dir.path()), None, clock);
    World { dir, courier }
}

impl World {
    fn tell(&self, moment: Moment) {
        self.courier.tell(&[moment], &[], |lang| notice(lang, moment));
    }

    /// What became of all notices, which has to be what the record says.
    fn finish(&self) -> Vec<Sent> {
        let sent = self.courier.finish_patiently();
        assert_eq!(Record::beside(self.dir.path()).of("r1").unwrap(), sent);
        sent
    }
}

fn notice(lang: Option<Lang>, moment: Moment) -> Notice {
    Notice {
        lang: lang.unwrap_or_default(),
        run: Some("r1".into()),
        title: format!("2.1.0 {moment}"),
        lines: vec![("环境".into(), "production".into())],
        json: serde_json::json!({ "event": moment.word(), "run": "r1" }),
    }
}

fn fresh(now_ms: i64) -> bool {
    (now_ms - NOW_MS).abs() <= 3_600_000
}

fn encode(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

/// As the services do: a wrong signature is answered 200 with a code.
fn judge(asked: &Asked) -> Reply {
    let body: serde_json::Value = serde_json::from_slice(&asked.body).unwrap();
    match asked.path.as_str() {
        "/robot/send" => {
            let time: i64 = asked.query["timestamp"].parse().unwrap();
            let expected = encode(&hmac_sha256(SECRET.as_bytes(), format!("{time}\n{SECRET}").as_bytes()));
            let good = asked.query["access_token"] == "token-of-robot"
                && fresh(time)
                && asked.query["sign"] == expected;
            let good = good && body["markdown"]["text"].as_str().unwrap().contains("production");
            Reply::json(if good {
                r#"{"errcode":0,"errmsg":"ok"}"#
            } else {
                r#"{"errcode":310000,"errmsg":"sign not match, token-of-robot"}"#
            })
        }
        "/open-apis/bot/v2/hook/abcdefgh" => {
            let time = body["timestamp"].as_str().unwrap();
            let expected = encode(&hmac_sha256(format!("{time}\n{SECRET}").as_bytes(), b""));
            let good = fresh(time.parse::<i64>().unwrap() * 1000) && body["sign"] == expected.as_str();
            let good =
                good && body["content"]["post"]["zh_cn"]["title"].as_str().unwrap().starts_with("2.1.0");
            Reply::json(if good {
                r#"{"code":0,"msg":"success"}"#
            } else {
                r#"{"code":19021,"msg":"sign match fail"}"#
            })
        }
        "/cgi-bin/webhook/send" => {
            let good = asked.query["key"] == "key-of-robot" && body["markdown"]["content"].is_string();
            Reply::json(if good {
                r#"{"errcode":0,"errmsg":"ok"}"#
            } else {
                r#"{"errcode":93000,"errmsg":"invalid webhook url"}"#
            })
        }
        "/services/T/B/xyz" if body["text"].is_string() => Reply::text(200, "ok"),
        "/hook" => {
            let hex: String =
                hmac_sha256(SECRET.as_bytes(), &asked.body).iter().map(|b| format!("{b:02x}")).collect();
            let good =
                asked.headers["x-windlass-signature"] == format!("sha256={hex}") && body["run"] == "r1";
            Reply::text(if good { 204 } else { 403 }, "")
        }
        _ => Reply::text(404, "no_service"),
    }
}

#[test]
fn every_service_checks_the_signature_and_has_the_notice() {
    let server = Server::start(judge);
    let url = |path: &str| server.url(path);
    let world = world([
        ("a", http(NoticeKind::Dingtalk, &url("/robot/send?access_token=token-of-robot"), Some(SECRET))),
        ("b", http(NoticeKind::Feishu, &url("/open-apis/bot/v2/hook/abcdefgh"), Some(SECRET))),
        ("c", http(NoticeKind::Wecom, &url("/cgi-bin/webhook/send?key=key-of-robot"), None)),
        ("d", http(NoticeKind::Slack, &url("/services/T/B/xyz"), None)),
        ("e", http(NoticeKind::Webhook, &url("/hook"), Some(SECRET))),
    ]);
    world.tell(Moment::Before);
    world.tell(Moment::Done);
    let sent = world.finish();
    assert_eq!(sent.len(), 10);
    assert!(sent.iter().all(|sent| sent.outcome == Outcome::Delivered && sent.tries == 1), "{sent:#?}");
    for name in ["a", "b", "c", "d", "e"] {
        let on: Vec<_> = sent.iter().filter(|sent| sent.name == name).map(|sent| sent.on.as_str()).collect();
        assert_eq!(on, ["before", "done"], "{name}: in order");
    }
    assert_eq!(server.asked(), 10);
}

#[test]
fn a_refusal_is_recorded_with_its_reason_and_not_tried_again() {
    let server = Server::start(judge);
    let url = |path: &str| server.url(path);
    let world = world([
        ("a", http(NoticeKind::Dingtalk, &url("/robot/send?access_token=token-of-robot"), Some("another"))),
        ("b", http(NoticeKind::Feishu, &url("/open-apis/bot/v2/hook/abcdefgh"), Some("another"))),
        ("c", http(NoticeKind::Wecom, &url("/cgi-bin/webhook/send?key=another"), None)),
        ("d", http(NoticeKind::Slack, &url("/services/T/B/gone"), None)),
        ("e", http(NoticeKind::Webhook, &url("/hook"), Some("another"))),
        ("f", http(NoticeKind::Slack, "", None)),
    ]);
    world.tell(Moment::Failed);
    let mut sent = world.finish();
    sent.sort_by(|a, b| a.name.cmp(&b.name));
    let why: Vec<_> = sent.iter().map(|sent| sent.why.as_deref().unwrap()).collect();
    assert_eq!(
        why,
        [
            // What others say is not trusted with the token either.
            "code 310000: sign not match, ****",
            "code 19021: sign match fail",
            "code 93000: invalid webhook url",
            "HTTP 404: no_service",
            "HTTP 403",
            "the environment variable X is not set",
        ]
    );
    assert!(sent.iter().all(|sent| sent.outcome == Outcome::Refused && sent.tries == 1), "{sent:#?}");
    assert_eq!(server.asked(), 5);
}

#[test]
fn only_those_are_told_who_want_to_hear() {
    let server = Server::start(judge);
    let slack = || http(NoticeKind::Slack, &server.url("/services/T/B/xyz"), None);
    let failed = Receiver { on: BTreeSet::from([Moment::Failed]), ..slack() };
    let waiting = Receiver { on: BTreeSet::from([Moment::Waiting]), ..slack() };
    let world = world([("failed", failed), ("waiting", waiting), ("all", slack())]);
    world.tell(Moment::Done);
    let needs_a_person = [Moment::Waiting, Moment::Failed];
    world.courier.tell(&needs_a_person, &[], |lang| notice(lang, Moment::Waiting));
    // Those who were told of the question hear nothing of it again.
    world.courier.tell(&needs_a_person, &[Moment::Waiting], |lang| notice(lang, Moment::Waiting));
    let mut sent: Vec<_> = world.finish().into_iter().map(|sent| (sent.name, sent.on)).collect();
    sent.sort();
    let pair = |name: &str, on: &str| (name.to_owned(), on.to_owned());
    assert_eq!(
        sent,
        [
            pair("all", "done"),
            pair("all", "waiting"),
            pair("failed", "waiting"),
            pair("failed", "waiting"),
            pair("waiting", "waiting")
        ]
    );
}

#[test]
fn a_server_in_trouble_is_tried_again_and_given_up() {
    let troubled = Server::start_counting(|nth, _| Reply::text(if nth < 2 { 503 } else { 200 }, "ok"));
    let broken = Server::start(|_| Reply::text(500, "<html>"));
    let world = world([
        ("broken", http(NoticeKind::Slack, &broken.url("/services/T/B/xyz"), None)),
        ("troubled", http(NoticeKind::Slack, &troubled.url("/services/T/B/xyz"), None)),
    ]);
    world.tell(Moment::Done);
    let mut sent = world.finish();
    sent.sort_by(|a, b| a.name.cmp(&b.name));
    assert_eq!(
        (sent[0].outcome, sent[0].tries, sent[0].why.as_deref()),
        (Outcome::Failed, TRIES_MAX, Some("HTTP 500"))
    );
    assert_eq!((sent[1].outcome, sent[1].tries, sent[1].why.as_deref()), (Outcome::Delivered, 3, None));
    assert_eq!((broken.asked(), troubled.asked()), (3, 3));
}

/// They answer 200 and say in the body that too many notices come at a time.
#[test]
fn a_limit_of_a_service_is_tried_again() {
    let busy = |first: &'static str| {
        Server::start_counting(move |nth, _| {
            Reply::json(if nth < 2 { first } else { r#"{"errcode":0,"code":0}"# })
        })
    };
    let ding = busy(r#"{"errcode":130101,"errmsg":"send too fast"}"#);
    let down = busy(r#"{"errcode":-1,"errmsg":"system busy"}"#);
    let wecom = busy(r#"{"errcode":45009,"errmsg":"api freq out of limit"}"#);
    let feishu = busy(r#"{"code":11232,"msg":"create message trigger service rate limit"}"#);
    let world = world([
        ("a", http(NoticeKind::Dingtalk, &ding.url("/robot/send?access_token=token-of-robot"), None)),
        ("b", http(NoticeKind::Dingtalk, &down.url("/robot/send?access_token=token-of-robot"), None)),
        ("c", http(NoticeKind::Wecom, &wecom.url("/cgi-bin/webhook/send?key=key-of-robot"), None)),
        ("d", http(NoticeKind::Feishu, &feishu.url("/open-apis/bot/v2/hook/abcdefgh"), None)),
    ]);
    world.tell(Moment::Done);
    let sent = world.finish();
    assert_eq!(sent.len(), 4);
    assert!(sent.iter().all(|sent| (sent.outcome, sent.tries) == (Outcome::Delivered, 3)), "{sent:#?}");
}

#[test]
fn a_receiver_that_hangs_holds_up_neither_the_run_nor_the_others() {
    let hanging = Server::start(|_| Reply::Never);
    let good = Server::start(judge);
    let world = world([
        ("hanging", http(NoticeKind::Slack, &hanging.url("/services/T/B/xyz"), None)),
        ("good", http(NoticeKind::Slack, &good.url("/services/T/B/xyz"), None)),
    ]);
    let begun = Instant::now();
    world.tell(Moment::Before);
    world.tell(Moment::Done);
    assert!(begun.elapsed() < Duration::from_secs(1), "telling waits for nobody: {:?}", begun.elapsed());
    let sent = world.courier.finish();
    let took = begun.elapsed();
    assert!(took < FINISH_MAX + Duration::from_secs(2), "{took:?}");
    let of = |name: &str| {
        sent.iter().filter(|sent| sent.name == name).map(|sent| sent.outcome).collect::<Vec<_>>()
    };
    assert_eq!(of("good"), [Outcome::Delivered; 2]);
    assert_eq!(of("hanging"), [Outcome::Unsent; 2]);
    assert_eq!(Record::beside(world.dir.path()).of("r1").unwrap(), sent);
    let why = sent.iter().find(|sent| sent.name == "hanging").unwrap().why.as_deref().unwrap();
    assert!(why.starts_with("the command ended before there was an answer"), "{why}");
}

#[test]
fn what_a_queue_does_not_hold_is_noted_and_not_waited_for() {
    let hanging = Server::start(|_| Reply::Never);
    let world = world([("x", http(NoticeKind::Slack, &hanging.url("/services/T/B/xyz"), None))]);
    for _ in 0..40 {
        world.tell(Moment::Waiting);
    }
    let sent = world.courier.finish();
    assert_eq!(sent.len(), 40);
    let full = |sent: &&Sent| {
        sent.tries == 0 && sent.why.as_deref().unwrap().contains("wait for this receiver already")
    };
    assert!(sent.iter().filter(full).count() >= 20, "{sent:#?}");
}

#[test]
fn a_redirect_does_not_take_the_token_to_a_stranger() {
    let stranger = Server::start(|_| Reply::text(200, "ok"));
    let to = stranger.url("/services/T/B/xyz");
    let server = Server::start(move |_| Reply::Redirect(to.clone()));
    let world = world([("x", http(NoticeKind::Slack, &server.url("/services/T/B/xyz"), None))]);
    world.tell(Moment::Done);
    let sent = world.finish();
    assert_eq!((sent[0].outcome, stranger.asked()), (Outcome::Refused, 0));
}

#[test]
fn an_endless_answer_ends() {
    let server = Server::start(|_| Reply::text(200, &"x".repeat(1024 * 1024)));
    let world = world([("x", http(NoticeKind::Wecom, &server.url("/x?key=1234"), None))]);
    world.tell(Moment::Done);
    let sent = world.finish();
    assert_eq!(sent[0].why.as_deref(), Some("it answered without a code: is this the address of a robot?"));
}

#[test]
fn a_mail_reaches_its_server_with_name_and_password() {
    let server = MailServer::start(Behaviour::Login);
    let world = world([("ops", mail(server.port(), MailTls::None, Some(("robot", "hunter2"))))]);
    world.tell(Moment::Done);
    let sent = world.finish();
    assert_eq!((sent[0].outcome, sent[0].kind.as_str()), (Outcome::Delivered, "mail"), "{sent:?}");
    let [mail] = &server.mails()[..] else { panic!("one mail expected") };
    assert_eq!(mail.login.as_deref(), Some("\0robot\0hunter2"));
    assert_eq!(mail.from, "<windlass@example.com>");
    assert_eq!(mail.to, ["<ops@example.com>", "<dev@example.com>"]);
    assert!(mail.text.contains("Subject: 2.1.0 done\r\n"), "{}", mail.text);
}

#[test]
fn a_mail_server_that_refuses_is_recorded_with_its_words() {
    let server = MailServer::start(Behaviour::Refuse);
    let world = world([("ops", mail(server.port(), MailTls::None, None))]);
    world.tell(Moment::Done);
    let sent = world.finish();
    assert_eq!((sent[0].outcome, sent[0].tries), (Outcome::Refused, 1), "{sent:?}");
    assert!(sent[0].why.as_deref().unwrap().contains("no such user here"), "{sent:?}");
}

/// The receiver's program shows a mail once that came under the same name before.
#[test]
fn a_mail_that_is_tried_again_keeps_its_name() {
    static TICKS: AtomicI64 = AtomicI64::new(NOW_MS);
    let server = MailServer::start(Behaviour::Late);
    let clock = || TICKS.fetch_add(1, Ordering::Relaxed);
    let world = world_at([("ops", mail(server.port(), MailTls::None, None))], clock);
    world.tell(Moment::Done);
    let sent = world.finish();
    assert_eq!((sent[0].outcome, sent[0].tries), (Outcome::Delivered, 3), "{sent:?}");
    let id = |text: &str| text.lines().find(|line| line.starts_with("Message-ID:")).unwrap().to_owned();
    let ids: BTreeSet<_> = server.mails().iter().map(|mail| id(&mail.text)).collect();
    assert_eq!((server.mails().len(), ids.len()), (3, 1), "{ids:?}");
}

#[test]
fn without_starttls_neither_a_mail_nor_a_password_leaves() {
    let server = MailServer::start(Behaviour::Login);
    let world = world([("ops", mail(server.port(), MailTls::Starttls, Some(("robot", "hunter2"))))]);
    world.tell(Moment::Done);
    let sent = world.finish();
    assert_ne!(sent[0].outcome, Outcome::Delivered, "{sent:?}");
    assert!(server.mails().is_empty() && !server.heard().contains("AUTH"), "{}", server.heard());
}
