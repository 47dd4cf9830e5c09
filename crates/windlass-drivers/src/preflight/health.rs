//! Whether each service answers now, as a user asks for it: what was ill before is nobody's release, and where a redirect answers, a
//! check of the release would look at something else. With TLS, how long its certificate is good.

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
        match judge(name, url, &seen, now) {
            Some(found) => checked.push(found),
            None => fine.push(*name),
        }
    }
    if !fine.is_empty() {
        let verb = if fine.len() == 1 { "answers" } else { "answer" };
        checked.insert(0, said(State::Ok, format!("{} {verb} 2xx", fine.join(", "))));
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

/// What is wrong with it, if anything is.
fn judge(name: &str, url: &str, seen: &Seen, now: u64) -> Option<Checked> {
    let (state, what) = match seen {
        Seen::Answer { status, to, .. } if status.is_redirection() => {
            let to = to.as_deref().map(|to| format!(" to {to}")).unwrap_or_default();
            (State::Warning, format!("answers {status}{to} at {url}: a redirect says nothing of its health"))
        }
        Seen::Answer { status, .. } if !status.is_success() => {
            (State::Warning, format!("answers {status} at {url}, before anything runs"))
        }
        Seen::Answer { until: Some(until), .. } => return expires(name, *until, now),
        Seen::Answer { .. } => return None,
        Seen::Nobody => (State::Unknown, format!("does not run, or not yet: nobody listens at {url}")),
        Seen::None(why) => (State::Warning, format!("does not answer at {url}, before anything runs: {why}")),
    };
    Some(said(state, format!("{name} {what}")))
}

/// A certificate that has ended is no answer: the connection failed.
fn expires(name: &str, until: u64, now: u64) -> Option<Checked> {
    let days = until.saturating_sub(now) / (24 * 60 * 60);
    (days < CERTIFICATE_DAYS)
        .then(|| said(State::Warning, format!("{name} answers, but its certificate ends in {days} days")))
}

fn said(state: State, said: String) -> Checked {
    Checked { host: "local".to_owned(), what: WHAT, state, said }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    fn found(seen: &Seen) -> Option<(State, String)> {
        judge("api", "http://a/h", seen, 1_000).map(|checked| (checked.state, checked.said))
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
        let led = found(&answer(301, Some("https://a/login"))).unwrap();
        assert!(
            led.1.contains("301 Moved Permanently to https://a/login at http://a/h: a redirect"),
            "{}",
            led.1
        );
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
        assert_eq!(expires("api", until, now), None);
        let soon = expires("api", until, now + 20 * 86_400).unwrap();
        assert!(soon.said.starts_with("api answers, but its certificate ends in "), "{}", soon.said);
        assert_eq!(ends(b"no certificate"), None);
    }
}
