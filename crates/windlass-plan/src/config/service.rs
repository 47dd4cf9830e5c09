//! `[service.NAME]`: what runs it, how it is replaced, what stands in front.

use super::{NamedIn, canary, policy::Policy, read::Section, tree::Item};
use crate::{FrontKind, FrontServer, ProxyFront, Runner, Service, Strategy, Target, suggest};
use std::collections::BTreeMap;

pub(super) const KEYS: &[&str] = &[
    "on",
    "run",
    "compose",
    "systemd",
    "health",
    "strategy",
    "canary",
    "proxy",
    "stable",
    "start_within",
    "stop_within",
    "uses",
    "probe",
];
pub(super) const PROXY_KEYS: &[&str] =
    &["listen", "hold", "drain", "nginx", "haproxy", "command", "reload", "page"];

/// Servers of a team's own.
const SERVERS: [FrontKind; 2] = [FrontKind::Nginx, FrontKind::Haproxy];

pub(super) const STRATEGIES: &[(&str, Strategy)] = &[
    ("recreate", Strategy::Recreate),
    ("rolling", Strategy::Rolling),
    ("bluegreen", Strategy::Bluegreen),
    ("canary", Strategy::Canary),
];

/// Health must stay green this long unless `stable` says otherwise.
const STABLE_MS: u64 = 1_000;
/// Health must be green within this unless `start_within` says otherwise; requests are held as long.
const START_WITHIN_MS: u64 = 30_000;
/// Time between SIGTERM and SIGKILL unless `stop_within` says otherwise.
const STOP_WITHIN_MS: u64 = 10_000;

pub(super) fn read(
    item: &Item,
    here: &NamedIn<'_, '_>,
    targets: &BTreeMap<String, Option<Target>>,
    policy: &Policy,
) -> Option<Service> {
    let section = here.open(item, KEYS)?;
    let on = on(&section, targets);
    let runner = runner(&section);
    let health = url(&section, "health", "http://localhost:{port}/health");
    let probe = probe(&section);
    if let (Some(Runner::Run(run)), Some(url)) = (&runner, &health)
        && run.iter().any(|argument| argument.contains("{port}"))
        && !url.contains("{port}")
    {
        section.error(
            "config-conflict",
            "health",
            format!("`health` of {} asks a fixed port, but `run` gives each instance a port of its own", section.name()),
            "write `{port}` for the port: `http://127.0.0.1:{port}/health` (a fixed one may be the proxy's, which holds)",
        );
    }
    if let (Some(Runner::Compose(_)), Some(url)) = (&runner, &health)
        && url.contains("{port}")
    {
        section.error(
            "config-conflict",
            "health",
            format!("`health` of {} has no port: compose publishes a fixed one", section.name()),
            "write the port that stands under `ports:` of the compose file: `http://127.0.0.1:8081/health`",
        );
    }
    let strategy = section.word("strategy", STRATEGIES);
    let proxy = section.section("proxy", PROXY_KEYS).and_then(|proxy| front(&proxy));
    switched(&section, strategy, proxy.as_ref());
    if matches!(runner, Some(Runner::Compose(_))) && proxy.is_some() && section.item("health").is_none() {
        section.error(
            "config-conflict",
            "proxy",
            format!("{} has a proxy but no `health`, which says where requests go", section.name()),
            "add `health = \"http://127.0.0.1:8081/health\"` with the port under `ports:` of the compose file",
        );
    }
    let stable_ms = section.duration("stable").unwrap_or(STABLE_MS);
    let start_within_ms = section.duration("start_within").unwrap_or(START_WITHIN_MS);
    let stop_within_ms = section.duration("stop_within").unwrap_or(STOP_WITHIN_MS);
    if stable_ms >= start_within_ms && health.is_some() {
        section.error(
            "config-conflict",
            if section.item("stable").is_some() { "stable" } else { "start_within" },
            format!("{} can never get healthy: `stable` is not shorter than `start_within`", section.name()),
            "health has to be green for all of `stable` before `start_within` has passed",
        );
    }
    Some(Service {
        on: on?,
        runner: runner?,
        health,
        strategy: strategy.unwrap_or_default(),
        canary: (strategy == Some(Strategy::Canary)).then(|| Box::new(canary::read(&section, policy))),
        proxy,
        stable_ms,
        start_within_ms,
        stop_within_ms,
        uses: uses(&section, targets),
        probe,
    })
}

/// What a strategy needs of the rest.
fn switched(section: &Section<'_, '_, '_>, strategy: Option<Strategy>, proxy: Option<&ProxyFront>) {
    let named = match strategy {
        Some(Strategy::Bluegreen) => Some("bluegreen"),
        Some(Strategy::Canary) => Some("canary"),
        _ => None,
    };
    if let Some(named) = named.filter(|_| section.item("proxy").is_none()) {
        section.error(
            "config-conflict",
            "strategy",
            format!("{} has `strategy = \"{named}\"` but no proxy that could switch", section.name()),
            "add `proxy = { listen = \"0.0.0.0:8080\" }`, or use `recreate`",
        );
    }
    if let (Some(Strategy::Canary), Some(server)) = (strategy, proxy.and_then(|proxy| proxy.server.as_ref()))
    {
        let server = server.kind.name();
        section.error(
            "config-conflict",
            "strategy",
            format!(
                "{} is a canary, but nothing counts the answers of each version behind {server}",
                section.name()
            ),
            "use `bluegreen`, or the built-in proxy: `proxy = { listen = \"0.0.0.0:8080\" }`",
        );
    }
    if section.item("canary").is_some() && strategy != Some(Strategy::Canary) {
        section.error(
            "config-conflict",
            "canary",
            format!("{} says how to go in steps, but its strategy is another", section.name()),
            "add `strategy = \"canary\"`",
        );
    }
}

/// The databases that it works with.
fn uses(section: &Section<'_, '_, '_>, targets: &BTreeMap<String, Option<Target>>) -> Option<Vec<String>> {
    let names: Vec<String> = section.list("uses")?.into_iter().map(|(name, _)| name).collect();
    for name in &names {
        match targets.get(name) {
            None => {
                let databases =
                    targets.iter().filter(|(_, target)| matches!(target, None | Some(Target::Url { .. })));
                let help = suggest::help(name, "databases", databases.map(|(name, _)| name.as_str()));
                section.error("config-unknown-target", "uses", format!("there is no target `{name}`"), help);
            }
            Some(Some(Target::Hosts { .. } | Target::Store(_))) => section.error(
                "config-conflict",
                "uses",
                format!("target `{name}` is no database"),
                "name targets with the `url` of a database; `on` says where the service runs",
            ),
            Some(_) => {}
        }
    }
    Some(names)
}

fn on(section: &Section<'_, '_, '_>, targets: &BTreeMap<String, Option<Target>>) -> Option<String> {
    if section.item("on").is_none() {
        section.missing(
            "does not say on which target it runs",
            "add `on = \"NAME\"` of a `[target.NAME]` with hosts",
        );
        return None;
    }
    let on = section.text("on")?;
    match targets.get(&on) {
        None => {
            let hosts =
                targets.iter().filter(|(_, target)| matches!(target, None | Some(Target::Hosts { .. })));
            let known: Vec<_> = hosts.map(|(name, _)| name.as_str()).collect();
            let help = suggest::help(&on, "targets with hosts", known.iter().copied());
            section.error("config-unknown-target", "on", format!("there is no target `{on}`"), help);
            None
        }
        Some(Some(Target::Url { .. } | Target::Store(_))) => {
            section.error(
                "config-conflict",
                "on",
                format!("target `{on}` is a URL: no service can run on it"),
                "name a target with hosts (or with `dir` only, for this machine)",
            );
            None
        }
        Some(_) => Some(on),
    }
}

fn runner(section: &Section<'_, '_, '_>) -> Option<Runner> {
    let given: Vec<_> =
        ["run", "compose", "systemd"].into_iter().filter(|key| section.item(key).is_some()).collect();
    match given[..] {
        [] => {
            section.missing(
                "does not say what runs it",
                "add one of `run = [\"./server\", \"--port\", \"{port}\"]`, `compose = \"docker-compose.yml\"`, \
                 `systemd = \"unit\"`",
            );
            None
        }
        ["run"] => {
            let words: Vec<_> = section.list("run")?.into_iter().map(|(word, _)| word).collect();
            if words.first().is_none_or(|program| program.trim().is_empty()) {
                section.error(
                    "config-value",
                    "run",
                    format!("`run` of {} names no program", section.name()),
                    "a list: the program, then each argument: `[\"./server\", \"--port\", \"{port}\"]`",
                );
                return None;
            }
            Some(Runner::Run(words))
        }
        ["compose"] => section.text("compose").map(Runner::Compose),
        ["systemd"] => section.text("systemd").map(Runner::Systemd),
        _ => {
            section.error(
                "config-conflict",
                given[1],
                format!("{} has {}", section.name(), suggest::listed(given.iter().copied())),
                "keep the one that runs it",
            );
            None
        }
    }
}

/// A URL that can be asked.
fn url(section: &Section<'_, '_, '_>, key: &str, example: &str) -> Option<String> {
    let url = section.text(key)?;
    let host = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
    if host.is_none_or(|host| host.is_empty() || host.starts_with('/')) {
        section.error(
            "config-value",
            key,
            format!("`{key}` of {} is no URL that can be asked", section.name()),
            format!("write the whole URL: `{example}`"),
        );
        return None;
    }
    Some(url)
}

/// The address that users have.
fn probe(section: &Section<'_, '_, '_>) -> Option<String> {
    let example = "https://shop.example.com/health";
    let url = url(section, "probe", example)?;
    let name = section.name();
    let wrong = if url.contains("{port}") {
        format!("`probe` of {name} is the address of one instance, and users have another")
    } else if url.split('/').nth(2).is_some_and(|authority| authority.contains('@')) {
        format!("`probe` of {name} has a password in it, which would stand in the plan")
    } else {
        return Some(url);
    };
    section.error("config-value", "probe", wrong, format!("write the address that users have: `{example}`"));
    None
}

fn front(proxy: &Section<'_, '_, '_>) -> Option<ProxyFront> {
    let hold_ms = proxy.duration("hold").unwrap_or(START_WITHIN_MS);
    let drain_ms = proxy.duration("drain").unwrap_or(START_WITHIN_MS);
    let given: Vec<FrontKind> =
        SERVERS.into_iter().filter(|kind| proxy.item(kind.name()).is_some()).collect();
    if let [first, more @ ..] = given.as_slice() {
        if let [second, ..] = more {
            let message = format!("{} has `{}` and `{}`", proxy.name(), first.name(), second.name());
            proxy.error("config-conflict", second.name(), message, "keep the one that stands in front of it");
        }
        let server = server(proxy, *first)?;
        return Some(ProxyFront { listen: String::new(), hold_ms, drain_ms, server: Some(Box::new(server)) });
    }
    for key in ["command", "reload", "page"].into_iter().filter(|key| proxy.item(key).is_some()) {
        let message = format!("`{key}` of {} is for a server of your own", proxy.name());
        proxy.error(
            "config-conflict",
            key,
            message,
            "add `nginx = \"/etc/nginx/conf.d/web.conf\"` or `haproxy = \"/etc/haproxy/haproxy.cfg\"`, or take it out",
        );
    }
    if proxy.item("listen").is_none() {
        proxy.missing("does not say where it listens", "add `listen = \"0.0.0.0:8080\"`");
        return None;
    }
    let listen = proxy.text("listen")?;
    let port = listen.rsplit_once(':').filter(|(host, _)| !host.is_empty());
    if port.is_none_or(|(_, port)| port.parse::<u16>().is_err()) {
        proxy.error(
            "config-value",
            "listen",
            format!("`{listen}` is not an address with a port"),
            "write `0.0.0.0:8080` or `[::]:8080`",
        );
        return None;
    }
    Some(ProxyFront { listen, hold_ms, drain_ms, server: None })
}

/// A server that is there already.
fn server(proxy: &Section<'_, '_, '_>, kind: FrontKind) -> Option<FrontServer> {
    let name = kind.name();
    for (key, why) in [("listen", "listens where its configuration says"), ("hold", "cannot hold requests")] {
        if proxy.item(key).is_some() {
            let message = format!("{} has `{name}` and `{key}`: {name} {why}", proxy.name());
            proxy.error("config-conflict", key, message, format!("take `{key}` out"));
        }
    }
    let words = |key| {
        let words = proxy.list(key)?.into_iter().map(|(word, _)| word).collect::<Vec<_>>();
        if words.first().is_none_or(|program| program.trim().is_empty()) {
            let message = format!("`{key}` of {} names no program", proxy.name());
            proxy.error("config-value", key, message, "a list: the program, then each argument");
        }
        Some(words)
    };
    let file = proxy.text(name)?;
    if file.trim().is_empty() {
        let message = format!("`{name}` of {} names no file", proxy.name());
        proxy.error("config-value", name, message, "the configuration file with the marks");
        return None;
    }
    Some(FrontServer {
        kind,
        file,
        command: words("command").unwrap_or_else(|| vec![name.to_owned()]),
        reload: words("reload").unwrap_or_default(),
        page: proxy.text("page"),
    })
}
