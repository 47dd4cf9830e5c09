//! Whether each service answers now, as a user asks for it: what was ill before is nobody's release, and where a redirect answers the
//! question for its health, a check of the release would look at something else. With TLS, how long its certificate is good.

use crate::http::{builder, built, cause};
use futures_util::future::join_all;
use reqwest::{Response, StatusCode, header, tls::TlsInfo};
use std::{
    error::Error as _,
    io,
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use windlass_plan::{Checked, Plan, State};
use windlass_proxy::PROBE_AGENT;
use x509_cert::{Certificate, der::Decode as _};

/// A service has so long to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// A certificate that is good for less deserves a look, days. Who renews them by machine does it earlier
/// (<https://letsencrypt.org/docs/integration-guide/#when-to-renew>: with a third of the time left).
const CERTIFICATE_DAYS: u64 = 14;
/// So much is shown of where a redirect leads, characters.
const TO_CHARS_MAX: usize = 200;
const WHAT: &str = "health";

/// How a service answered.
enum Seen {
    Answer {
        status: StatusCode,
        /// Where a redirect leads.
        to: Option<String>,
        /// When its certificate ends, seconds since 1970.
        until: Option<u64>,
    },
    /// Nobody listens there.
    Nobody,
    /// Why there is no answer.
    None(String),
}

/// Asks every service of the plan whose address is known.
pub(super) async fn look(plan: &Plan) -> Vec<Checked> {
    // A port that the built-in proxy chooses is not known before it runs.
    let known = plan.probed().filter_map(|(name, url)| Some((name, url.ok()?)));
    let known: Vec<_> = known.filter(|(_, url)| port(url) != Some(0)).collect();
    let seen = join_all(known.iter().map(|(_, url)| ask(url))).await;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let (mut fine, mut checked) = (Vec::new(), Vec::new());
    for ((name, url), seen) in known.iter().zip(seen) {
        let asks_health =
            plan.services.get(*name).is_some_and(|own| own.health.is_some() && own.probe.is_none());
        let found = [judge(name, url, &seen, asks_health), expires(name, &seen, now)];
        if found.iter().all(Option::is_none) {
            fine.push(*name);
        }
        checked.extend(found.into_iter().flatten());
    }
    if !fine.is_empty() {
        let verb = if fine.len() == 1 { "answers" } else { "answer" };
        checked.insert(0, said(State::Ok, format!("{} {verb}", fine.join(", "))));
    }
    checked
}

fn port(url: &str) -> Option<u16> {
    reqwest::Url::parse(url).ok()?.port()
}

async fn ask(url: &str) -> Seen {
    let client =
        builder(ANSWER_WITHIN).and_then(|builder| built(builder.tls_info(true).user_agent(PROBE_AGENT)));
    let client = match client {
        Ok(client) => client,
        Err(failure) => return Seen::None(failure.message),
    };
    match client.get(url).send().await {
        Ok(answer) => Seen::Answer {
            status: answer.status(),
            to: answer.headers().get(header::LOCATION).and_then(|to| Some(to.to_str().ok()?.to_owned())),
            until: until(&answer),
        },
        Err(error) if is_refused(&error) => Seen::Nobody,
        Err(error) => Seen::None(cause(&error)),
    }
}

fn until(answer: &Response) -> Option<u64> {
    let der = answer.extensions().get::<TlsInfo>()?.peer_certificate()?;
    ends(der)
}

/// When a certificate ends, seconds since 1970 (RFC 5280, 4.1.2.5).
fn ends(der: &[u8]) -> Option<u64> {
    let certificate = Certificate::from_der(der).ok()?;
    Some(certificate.tbs_certificate.validity.not_after.to_unix_duration().as_secs())
}

fn is_refused(error: &reqwest::Error) -> bool {
    let mut cause = error.source();
    while let Some(error) = cause {
        let io = error.downcast_ref::<io::Error>();
        if io.is_some_and(|error| error.kind() == io::ErrorKind::ConnectionRefused) {
            return true;
        }
        cause = error.source();
    }
    false
}

/// What is wrong with it, if anything is. A user may be led elsewhere; who `asks_health` may not.
fn judge(name: &str, url: &str, seen: &Seen, asks_health: bool) -> Option<Checked> {
    let (state, what) = match seen {
        Seen::Answer { status, to, .. } if status.is_redirection() && asks_health => {
            let to = to.as_deref().map(|to| format!(" to {}", short(to))).unwrap_or_default();
            (State::Warning, format!("answers {status}{to} at {url}: a redirect says nothing of its health"))
        }
        Seen::Answer { status, .. } if status.is_success() || status.is_redirection() => return None,
        Seen::Answer { status, .. } => {
            (State::Warning, format!("answers {status} at {url}, before anything runs"))
        }
        Seen::Nobody => (State::Unknown, format!("does not run, or not yet: nobody listens at {url}")),
        Seen::None(why) => (State::Warning, format!("does not answer at {url}, before anything runs: {why}")),
    };
    Some(said(state, format!("{name} {what}")))
}

/// Where a redirect leads, without its query: words of one visit may stand there.
fn short(to: &str) -> String {
    let to = to.split(['?', '#']).next().unwrap_or_default();
    to.chars().take(TO_CHARS_MAX).collect()
}

/// A certificate that has ended already is no answer: the connection failed.
fn expires(name: &str, seen: &Seen, now: u64) -> Option<Checked> {
    let Seen::Answer { until: Some(until), .. } = seen else { return None };
    let days = until.saturating_sub(now) / (24 * 60 * 60);
    let what = format!("the certificate of {name} ends in {days} {}", if days == 1 { "day" } else { "days" });
    (days < CERTIFICATE_DAYS).then(|| said(State::Warning, what))
}

fn said(state: State, said: String) -> Checked {
    Checked { host: "local".to_owned(), what: WHAT, state, said }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    fn found(seen: &Seen) -> Option<(State, String)> {
        judge("api", "http://a/h", seen, true).map(|checked| (checked.state, checked.said))
    }

    fn answer(code: u16, to: Option<&str>) -> Seen {
        let status = StatusCode::from_u16(code).unwrap();
        Seen::Answer { status, to: to.map(str::to_owned), until: None }
    }

    #[test]
    fn only_2xx_is_health() {
        assert_eq!(found(&answer(204, None)), None);
        let ill = found(&answer(503, None)).unwrap();
        assert_eq!(ill.0, State::Warning);
        assert_eq!(ill.1, "api answers 503 Service Unavailable at http://a/h, before anything runs");
        let led = answer(301, Some("https://a/login?state=once"));
        let words = found(&led).unwrap().1;
        assert!(
            words.contains("301 Moved Permanently to https://a/login at http://a/h: a redirect"),
            "{words}"
        );
        assert_eq!(judge("api", "http://a/", &led, false), None, "users are led to a login");
        assert_eq!(found(&Seen::Nobody).unwrap().0, State::Unknown, "it may be its first release");
    }

    #[test]
    fn a_certificate_says_when_it_ends() {
        let folder = tempfile::tempdir().unwrap();
        let authority = windlass_lab::Authority::new(folder.path(), "DNS:localhost");
        let der = Command::new("openssl")
            .args(["x509", "-outform", "der", "-in"])
            .arg(authority.server().0)
            .output()
            .unwrap()
            .stdout;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let until = ends(&der).unwrap();
        assert!((29 * 86_400..=30 * 86_400).contains(&(until - now)), "it is made for 30 days");
        let ill = Seen::Answer { status: StatusCode::BAD_GATEWAY, to: None, until: Some(until) };
        assert_eq!(expires("api", &ill, now), None);
        let soon = expires("api", &ill, until - 86_400).unwrap();
        assert_eq!(soon.said, "the certificate of api ends in 1 day", "whatever it answers");
        assert_eq!(ends(b"no certificate"), None);
    }
}
