//! `[service.NAME]`: what runs it, how it is replaced, what stands in front.

use super::{NamedIn, read::Section, tree::Item};
use crate::{ProxyFront, Runner, Service, Strategy, Target, suggest};
use std::collections::BTreeMap;

pub(super) const KEYS: &[&str] = &[
    "on",
    "run",
    "compose",
    "systemd",
    "health",
    "strategy",
    "proxy",
    "stable",
    "start_within",
    "stop_within",
];
pub(super) const PROXY_KEYS: &[&str] = &["listen", "hold", "drain"];

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
) -> Option<Service> {
    let section = here.open(item, KEYS)?;
    let on = on(&section, targets);
    let runner = runner(&section);
    let health = health(&section);
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
    let strategy = section.word("strategy", STRATEGIES);
    let proxy = section.section("proxy", PROXY_KEYS).and_then(|proxy| front(&proxy));
    if strategy == Some(Strategy::Bluegreen) && section.item("proxy").is_none() {
        section.error(
            "config-conflict",
            "strategy",
            format!("{} has `strategy = \"bluegreen\"` but no proxy that could switch", section.name()),
            "add `proxy = { listen = \"0.0.0.0:8080\" }`, or use `recreate`",
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
        proxy,
        stable_ms,
        start_within_ms,
        stop_within_ms,
    })
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
            let hosts = targets.iter().filter(|(_, target)| !matches!(target, Some(Target::Url { .. })));
            let known: Vec<_> = hosts.map(|(name, _)| name.as_str()).collect();
            let help = suggest::help(&on, "targets with hosts", known.iter().copied());
            section.error("config-unknown-target", "on", format!("there is no target `{on}`"), help);
            None
        }
        Some(Some(Target::Url { .. })) => {
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

fn health(section: &Section<'_, '_, '_>) -> Option<String> {
    let url = section.text("health")?;
    let host = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
    if host.is_none_or(|host| host.is_empty() || host.starts_with('/')) {
        section.error(
            "config-value",
            "health",
            format!("`health` of {} is no URL that can be asked", section.name()),
            "write the whole URL: `http://localhost:{port}/health`",
        );
        return None;
    }
    Some(url)
}

fn front(proxy: &Section<'_, '_, '_>) -> Option<ProxyFront> {
    let hold_ms = proxy.duration("hold").unwrap_or(START_WITHIN_MS);
    let drain_ms = proxy.duration("drain").unwrap_or(START_WITHIN_MS);
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
    Some(ProxyFront { listen, hold_ms, drain_ms })
}
