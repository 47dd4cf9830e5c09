//! `[notice.NAME]`: who is told about releases, where, and when.

use super::{Lang, NamedIn, documents::LANGS, read::Section, target::secret, tree};
use crate::Secret;
use std::{collections::BTreeSet, fmt};

pub(super) const KEYS: &[&str] = &["kind", "url", "secret", "user", "password", "from", "to", "on", "lang"];
const KINDS: &[(&str, NoticeKind)] = &[
    ("dingtalk", NoticeKind::Dingtalk),
    ("feishu", NoticeKind::Feishu),
    ("wecom", NoticeKind::Wecom),
    ("slack", NoticeKind::Slack),
    ("webhook", NoticeKind::Webhook),
    ("mail", NoticeKind::Mail),
];
const MOMENTS: &[(&str, Moment)] = &[
    ("before", Moment::Before),
    ("done", Moment::Done),
    ("failed", Moment::Failed),
    ("waiting", Moment::Waiting),
];
/// Addresses of one receiver.
const TO_MAX: usize = 50;

/// Who is told about releases.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receiver {
    /// When it is told; never empty.
    pub on: BTreeSet<Moment>,
    /// In which language; `None`: that of the documents.
    pub lang: Option<Lang>,
    /// What it is and where.
    pub way: NoticeWay,
}

impl Receiver {
    /// What it is.
    #[must_use]
    pub fn kind(&self) -> NoticeKind {
        match &self.way {
            NoticeWay::Http { kind, .. } => *kind,
            NoticeWay::Mail(_) => NoticeKind::Mail,
        }
    }
}

/// What a receiver is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum NoticeKind {
    Dingtalk,
    Feishu,
    Wecom,
    Slack,
    Webhook,
    Mail,
}

impl fmt::Display for NoticeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(KINDS[*self as usize].0)
    }
}

/// How it is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoticeWay {
    /// By HTTP; the URL has the token in it.
    Http {
        /// Which service.
        kind: NoticeKind,
        /// Where.
        url: Secret,
        /// What requests are signed with.
        secret: Option<Secret>,
    },
    /// By SMTP.
    Mail(MailWay),
}

/// A mail server and the addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailWay {
    /// How the server is spoken to.
    pub tls: MailTls,
    /// Its name or address.
    pub host: String,
    /// Its port, unless it is the usual one.
    pub port: Option<u16>,
    /// Name and password of the account there.
    pub login: Option<(Secret, Secret)>,
    /// Sender.
    pub from: String,
    /// Receivers; never empty.
    pub to: Vec<String>,
}

/// How a connection to a mail server is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailTls {
    /// From its beginning.
    Implicit,
    /// By STARTTLS, without which nothing is sent.
    Starttls,
    /// Not at all: a server on this machine.
    None,
}

/// A moment of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Moment {
    /// It begins, goes on, or is taken back.
    Before,
    /// It is as it was wanted.
    Done,
    /// It is not.
    Failed,
    /// It waits for a person or a time.
    Waiting,
}

impl Moment {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Before, Self::Done, Self::Failed, Self::Waiting];

    /// Its word in the configuration.
    #[must_use]
    pub fn word(self) -> &'static str {
        MOMENTS[self as usize].0
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

pub(super) fn read(item: &tree::Item, here: &NamedIn<'_, '_>) -> Option<Receiver> {
    let section = here.open(item, KEYS)?;
    let (on, lang) = (moments(&section), section.word("lang", LANGS));
    if section.item("kind").is_none() {
        section.missing(
            "does not say what it is",
            "add `kind = \"dingtalk\"`, `feishu`, `wecom`, `slack`, `webhook` or `mail`",
        );
        return None;
    }
    let kind = section.word("kind", KINDS)?;
    let unfit: &[&str] = match kind {
        NoticeKind::Mail => &["secret"],
        // Their address is all that they check.
        NoticeKind::Wecom | NoticeKind::Slack => &["secret", "user", "password", "from", "to"],
        _ => &["user", "password", "from", "to"],
    };
    for key in unfit.iter().filter(|key| section.item(key).is_some()) {
        let message = format!("{} has `{key}`, which {kind} does not know", section.name());
        section.error("config-conflict", key, message, "take it out, or change `kind`");
    }
    if section.item("url").is_none() {
        section.missing("does not say where it is", match kind {
            NoticeKind::Mail => "add `url = \"smtp://mail.example.com\"` (STARTTLS) or `smtps://…` (TLS)",
            _ => "add `url = { env = \"NOTICE_URL\" }`: the address that the service gives, which nobody else may know",
        });
        return None;
    }
    let way = match kind {
        NoticeKind::Mail => NoticeWay::Mail(mail(&section)?),
        _ => NoticeWay::Http { kind, url: secret(&section, "url")?, secret: secret(&section, "secret") },
    };
    Some(Receiver { on, lang, way })
}

/// All moments, unless it says which.
fn moments(section: &Section<'_, '_, '_>) -> BTreeSet<Moment> {
    if section.item("on").is_none() {
        return Moment::ALL.into();
    }
    let texts = section.list("on").unwrap_or_default();
    if texts.is_empty() {
        section.error(
            "config-value",
            "on",
            format!("{} is never told anything", section.name()),
            "take `on` out for all, or name some: `on = [\"failed\", \"waiting\"]`",
        );
    }
    let known = |(text, at): (String, _)| {
        let found = MOMENTS.iter().find(|(word, _)| *word == text);
        if found.is_none() {
            let help = crate::suggest::help(&text, "values", MOMENTS.iter().map(|(word, _)| *word));
            section.reader().error("config-value", at, format!("there is no moment `{text}`"), help);
        }
        found.map(|(_, moment)| *moment)
    };
    texts.into_iter().filter_map(known).collect()
}

fn mail(section: &Section<'_, '_, '_>) -> Option<MailWay> {
    let url = section.text("url")?;
    let Some((tls, host, port)) = server(&url) else {
        section.error(
            "config-value",
            "url",
            format!("`url` of {} is no mail server", section.name()),
            "write `smtp://HOST` (STARTTLS), `smtps://HOST` (TLS) or `smtp://localhost` (neither), with `:PORT` if it \
             is not the usual one, and nothing else: `user` and `password` are keys of their own",
        );
        return None;
    };
    let (user, password) = (secret(section, "user"), secret(section, "password"));
    if section.item("user").is_some() != section.item("password").is_some() {
        section.missing("has only one of `user` and `password`", "add the other one, or take it out");
    }
    let (from, to) = (address(section, "from"), addresses(section));
    Some(MailWay { tls, host, port, login: user.zip(password), from: from?, to: to? })
}

/// `smtps://host:465`: how, where, and its port. Only a server of this machine is spoken to in the clear.
fn server(url: &str) -> Option<(MailTls, String, Option<u16>)> {
    let (scheme, rest) = url.split_once("://")?;
    let (host, port) = match rest.strip_prefix('[') {
        Some(inner) => {
            let (host, rest) = inner.split_once(']')?;
            match rest.strip_prefix(':') {
                Some(port) => (host, Some(port)),
                None if rest.is_empty() => (host, None),
                None => return None,
            }
        }
        None => rest.split_once(':').map_or((rest, None), |(host, port)| (host, Some(port))),
    };
    let fits = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | ':' | '_');
    if host.is_empty() || !host.chars().all(fits) {
        return None;
    }
    let port = match port {
        Some(port) => Some(port.parse().ok().filter(|port| *port > 0)?),
        None => None,
    };
    let here = matches!(host, "localhost" | "127.0.0.1" | "::1");
    let tls = match scheme {
        "smtps" => MailTls::Implicit,
        "smtp" if here => MailTls::None,
        "smtp" => MailTls::Starttls,
        _ => return None,
    };
    Some((tls, host.to_owned(), port))
}

fn address(section: &Section<'_, '_, '_>, key: &str) -> Option<String> {
    if section.item(key).is_none() {
        section.missing(format!("has no `{key}`"), format!("add `{key} = \"windlass@example.com\"`"));
        return None;
    }
    let text = section.text(key)?;
    if is_address(&text) {
        return Some(text);
    }
    let message = format!("`{key}` of {} is no mail address: `{text}`", section.name());
    section.error("config-value", key, message, "write it without a name: `windlass@example.com`");
    None
}

fn addresses(section: &Section<'_, '_, '_>) -> Option<Vec<String>> {
    if section.item("to").is_none() {
        section.missing("has no `to`", "add `to = [\"ops@example.com\"]`");
        return None;
    }
    let texts = section.list("to")?;
    for (text, at) in texts.iter().filter(|(text, _)| !is_address(text)) {
        let message = format!("`{text}` is no mail address");
        section.reader().error("config-value", *at, message, "write it without a name: `ops@example.com`");
    }
    if texts.is_empty() || texts.len() > TO_MAX {
        let message = format!("`to` of {} has {} addresses", section.name(), texts.len());
        section.error("config-value", "to", message, format!("write from 1 to {TO_MAX}, or a list address"));
        return None;
    }
    Some(texts.into_iter().map(|(text, _)| text).collect())
}

/// Enough to find slips of the pen; the mail server has the last word.
fn is_address(text: &str) -> bool {
    let fits = |part: &str| {
        let odd =
            |c: char| c.is_whitespace() || c.is_control() || matches!(c, '@' | '<' | '>' | ',' | ';' | '"');
        !part.is_empty() && !part.contains(odd)
    };
    text.split_once('@').is_some_and(|(name, host)| fits(name) && fits(host))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Config, ConfigSource, parse_config};

    fn parse(text: &str) -> (Config, Vec<String>) {
        let source = ConfigSource { name: "windlass.toml".into(), text: text.into() };
        let (config, findings) = parse_config(&[source]);
        let words = |f: crate::ConfigFinding| {
            format!("{} {}: {} | {}", f.finding.rule, f.position.line, f.finding.message, f.finding.help)
        };
        (config, findings.into_iter().map(words).collect())
    }

    #[test]
    fn receivers_are_read_and_told_everything_unless_they_say_what() {
        let (config, findings) = parse(
            r#"
            [notice.team]
            kind = "dingtalk"
            url = { env = "DING" }
            secret = { file = "ding.secret" }
            lang = "zh"
            [notice.ops]
            kind = "mail"
            url = "smtps://mail.example.com:8465"
            user = { env = "U" }
            password = { env = "P" }
            from = "windlass@example.com"
            to = ["a@example.com", "b@example.com"]
            on = ["failed", "waiting"]
            "#,
        );
        assert_eq!(findings, [""; 0]);
        let team = &config.notices["team"];
        assert_eq!((team.on.len(), team.lang, team.kind()), (4, Some(Lang::Zh), NoticeKind::Dingtalk));
        let ops = &config.notices["ops"];
        assert_eq!(ops.on, BTreeSet::from([Moment::Failed, Moment::Waiting]));
        let NoticeWay::Mail(mail) = &ops.way else { panic!("{ops:?}") };
        assert_eq!(
            (mail.tls, mail.host.as_str(), mail.port),
            (MailTls::Implicit, "mail.example.com", Some(8465))
        );
        assert!(mail.login.is_some() && mail.to.len() == 2);
    }

    #[test]
    fn words_stand_in_the_order_of_their_values() {
        for (at, (word, kind)) in KINDS.iter().enumerate() {
            assert_eq!((*kind as usize, kind.to_string().as_str()), (at, *word));
        }
        for moment in Moment::ALL {
            assert_eq!(MOMENTS[moment as usize].1, moment);
        }
    }

    #[test]
    fn an_address_with_a_token_is_never_written_down() {
        let (config, findings) =
            parse("[notice.x]\nkind = \"slack\"\nurl = \"https://hooks.slack.com/services/T/B/xyzzy\"\n");
        assert!(config.notices.is_empty());
        assert!(findings[0].starts_with("secret-literal 3:"), "{findings:?}");
        assert!(!findings[0].contains("xyzzy"), "{findings:?}");
        let (_, findings) = parse("[notice.x]\nkind = \"feishu\"\nurl = { env = \"U\" }\nsecret = \"abc\"\n");
        assert!(findings[0].starts_with("secret-literal 4:"), "{findings:?}");
    }

    #[test]
    fn what_does_not_fit_is_said_with_its_line() {
        for (text, rule) in [
            ("[notice.x]\nurl = { env = \"U\" }\n", "config-missing 1"),
            ("[notice.x]\nkind = \"teams\"\nurl = { env = \"U\" }\n", "config-value 2"),
            ("[notice.x]\nkind = \"slack\"\n", "config-missing 1"),
            (
                "[notice.x]\nkind = \"wecom\"\nurl = { env = \"U\" }\nsecret = { env = \"S\" }\n",
                "config-conflict 4",
            ),
            ("[notice.x]\nkind = \"slack\"\nurl = { env = \"U\" }\nto = [\"a@b\"]\n", "config-conflict 4"),
            ("[notice.x]\nkind = \"slack\"\nurl = { env = \"U\" }\non = []\n", "config-value 4"),
            ("[notice.x]\nkind = \"slack\"\nurl = { env = \"U\" }\non = [\"faild\"]\n", "config-value 4"),
            (
                "[notice.x]\nkind = \"mail\"\nurl = \"smtp://u:p@h\"\nfrom = \"a@b\"\nto = [\"a@b\"]\n",
                "config-value 3",
            ),
            (
                "[notice.x]\nkind = \"mail\"\nurl = \"smtp://h\"\nfrom = \"a\"\nto = [\"a@b\"]\n",
                "config-value 4",
            ),
            (
                "[notice.x]\nkind = \"mail\"\nurl = \"smtp://h\"\nfrom = \"a@b\"\nto = [\"a b@c\"]\n",
                "config-value 5",
            ),
            (
                "[notice.x]\nkind = \"mail\"\nurl = \"smtp://h\"\nfrom = \"a@b\"\nto = [\"a@b\"]\nuser = { env = \"U\" }\n",
                "config-missing 1",
            ),
        ] {
            let (_, findings) = parse(text);
            assert!(findings.len() == 1 && findings[0].starts_with(rule), "{text}: {findings:?}");
        }
    }

    #[test]
    fn only_this_machine_is_spoken_to_in_the_clear() {
        assert_eq!(server("smtp://localhost:2525"), Some((MailTls::None, "localhost".into(), Some(2525))));
        assert_eq!(server("smtp://[::1]"), Some((MailTls::None, "::1".into(), None)));
        assert_eq!(server("smtp://[::1]:25"), Some((MailTls::None, "::1".into(), Some(25))));
        assert_eq!(server("smtp://10.0.0.9"), Some((MailTls::Starttls, "10.0.0.9".into(), None)));
        for wrong in [
            "mail.example.com",
            "http://h",
            "smtp://",
            "smtp://h/x",
            "smtp://u@h",
            "smtp://h:0",
            "smtp://h:x",
            "smtp://[::1",
            "smtp://[::1]x",
        ] {
            assert_eq!(server(wrong), None, "{wrong}");
        }
    }
}
