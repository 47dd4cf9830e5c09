//! Where a notice goes, with its secrets.

use std::fmt;
use url::{Host, Url};
use windlass_plan::NoticeKind;

const MASK: &str = "****";
/// Parts of an address that are longer than this may be a token.
const TOKEN_MIN: usize = 8;
/// Parts of addresses that everybody knows.
const PUBLIC: &[&str] = &["services", "open-apis", "triggers", "workflows"];

/// The address that a service gave, and what its requests are signed with.
#[derive(Clone)]
pub struct Endpoint {
    pub(crate) url: Url,
    pub(crate) secret: Option<String>,
}

/// Neither of the two is ever printed.
impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Endpoint(****)")
    }
}

impl Endpoint {
    /// Reads an address; why it is none, without a part of it.
    ///
    /// # Errors
    /// It is no URL, or would carry its token over the network in the clear.
    pub fn new(kind: NoticeKind, url: &str, secret: Option<String>) -> Result<Self, String> {
        let url = Url::parse(url.trim()).map_err(|why| format!("its `url` is no URL: {why}"))?;
        match url.scheme() {
            "https" => {}
            // A webhook is the team's own server, in its own network.
            "http" if kind == NoticeKind::Webhook || is_here(&url) => {}
            "http" => return Err("its `url` has to begin with https: the token stands in it".to_owned()),
            _ => return Err("its `url` has to begin with https:".to_owned()),
        }
        Ok(Self { url, secret })
    }

    /// `text` without any part of the address that lets others write there.
    #[must_use]
    pub fn hide(&self, text: &str) -> String {
        let segments = self.url.path_segments().into_iter().flatten();
        let tokens =
            segments.filter(|part| part.len() >= TOKEN_MIN && !PUBLIC.contains(part)).map(str::to_owned);
        let values = self.url.query_pairs().map(|(_, value)| value.into_owned());
        let own = [Some(self.url.to_string()), self.secret.clone(), self.url.password().map(str::to_owned)];
        let mut hidden: Vec<String> = own.into_iter().flatten().chain(values).chain(tokens).collect();
        hidden.retain(|part| part.len() > 3);
        hidden.sort_by_key(|part| std::cmp::Reverse(part.len()));
        hidden.iter().fold(text.to_owned(), |text, part| text.replace(part.as_str(), MASK))
    }
}

fn is_here(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_token_goes_over_the_network_in_the_clear() {
        let new = |kind, url| Endpoint::new(kind, url, None).map(|_| ());
        assert!(new(NoticeKind::Slack, "https://hooks.slack.com/services/T/B/x").is_ok());
        assert!(new(NoticeKind::Slack, "http://127.0.0.1:8080/x").is_ok());
        assert!(new(NoticeKind::Webhook, "http://chat.internal/x").is_ok());
        for url in ["http://hooks.slack.com/services/secret-token", "ftp://h/secret-token", "secret-token"] {
            let why = new(NoticeKind::Dingtalk, url).unwrap_err();
            assert!(!why.contains("secret-token"), "{why}");
        }
    }

    #[test]
    fn tokens_are_hidden_alone_and_in_the_whole_address() {
        let ding = Endpoint::new(
            NoticeKind::Dingtalk,
            "https://oapi.dingtalk.com/robot/send?access_token=0123456789abcdef",
            Some("SECxyz".into()),
        )
        .unwrap();
        let said = ding.hide("token 0123456789abcdef of SECxyz is not known");
        assert_eq!(said, "token **** of **** is not known");
        assert_eq!(format!("{ding:?}"), "Endpoint(****)");
        let slack = Endpoint::new(
            NoticeKind::Slack,
            "https://hooks.slack.com/services/T0001/B0001/XXXXXXXXXXXX",
            None,
        );
        assert_eq!(slack.unwrap().hide("no services for XXXXXXXXXXXX"), "no services for ****");
    }
}
