//! `windlass proxy`: runs the data plane of a service, or tells it what to do.

use super::drive::Signals;
use crate::{
    args::{ProxyArgs, ProxyCommand, ProxyRunArgs, ProxySwitchArgs, ServiceName},
    exit::{Exit, Failure},
    project::{self, Place},
    terminal, wiring,
};
use std::{
    path::{Path, PathBuf},
    time::Duration,
};
use windlass_driver::causes;
use windlass_plan::{Config, ProxyFront, Service};
use windlass_proxy::{
    Client, Config as ProxyConfig, Log, Tls,
    control::{Request, Status, Upstream},
};
use windlass_report::{Mark, Text, duration};

/// A service of `windlass.toml`.
pub struct Found {
    pub place: Place,
    pub config: Config,
    pub service: Service,
}

/// Finds the service that a command names.
pub fn find(name: &ServiceName, config: Option<&Path>) -> Result<Found, Failure> {
    let (place, config) = project::here(config, name.env.as_deref())?;
    let Some(service) = config.services.get(&name.name).cloned() else {
        let known: Vec<_> = config.services.keys().map(String::as_str).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        return Err(Failure::wrong(format!("{} has no service `{}`", place.config.display(), name.name))
            .hint(format!("services: {known}")));
    };
    Ok(Found { place, config, service })
}

impl Found {
    pub fn front(&self, name: &str) -> Result<&ProxyFront, Failure> {
        self.service.proxy.as_ref().ok_or_else(|| {
            Failure::wrong(format!("service `{name}` has no proxy in front"))
                .hint("add `proxy = { listen = \"0.0.0.0:8080\" }` to it")
        })
    }

    fn state_dir(&self, name: &str) -> PathBuf {
        self.place.state().join("proxy").join(name)
    }
}

/// Runs the command.
pub fn run(args: &ProxyArgs, config: Option<&Path>) -> Result<Exit, Failure> {
    match &args.command {
        ProxyCommand::Run(run) => serve(run, config),
        ProxyCommand::Status(name) => tell(name, config, |_| Ok(Request::Status)),
        ProxyCommand::Hold(hold) => tell(&hold.service, config, |front| {
            let hold_ms = hold.hold_ms.unwrap_or(front.hold_ms);
            Ok(Request::Hold { hold_ms, drain_ms: front.drain_ms })
        }),
        ProxyCommand::Resume(name) => tell(name, config, |_| Ok(Request::Resume)),
        ProxyCommand::Switch(switch) => {
            tell(&switch.service, config, |front| request(switch, front.drain_ms))
        }
        ProxyCommand::Stop(stop) => tell(&stop.service, config, |front| {
            Ok(Request::Stop { drain_ms: stop.drain_ms.unwrap_or(front.drain_ms) })
        }),
    }
}

fn serve(args: &ProxyRunArgs, config: Option<&Path>) -> Result<Exit, Failure> {
    let name = &args.service.name;
    let found = find(&args.service, config)?;
    let front = built_in(&found, name)?;
    let mut settings = ProxyConfig::new(&front.listen, found.state_dir(name));
    settings.hold_ms = front.hold_ms;
    settings.drain_ms = front.drain_ms;
    settings.take_over = args.take_over;
    settings.workers = args.workers;
    settings.tls = args.cert.clone().zip(args.key.clone()).map(|(cert, key)| Tls { cert, key });
    settings.log = Log::new(terminal::line);
    wiring::tls();
    terminal::line(&format!(
        "proxy of {name} on {}; Ctrl-C or `windlass proxy stop {name}` ends it",
        front.listen
    ));
    wiring::runtime()?.block_on(async {
        let mut signals = Signals::listen()?;
        let end = async move { signals.any().await };
        windlass_proxy::run(settings, end).await.map_err(|error| Failure::refused(causes(&error)))
    })?;
    Ok(Exit::Done)
}

/// The built-in proxy of a service.
fn built_in<'f>(found: &'f Found, name: &str) -> Result<&'f ProxyFront, Failure> {
    let front = found.front(name)?;
    match &front.server {
        None => Ok(front),
        Some(_) => {
            Err(Failure::wrong(format!("in front of `{name}` is {}, no built-in proxy", front.title()))
                .hint(format!("windlass service status {name}"))
                .hint(format!("windlass service maintenance {name} on")))
        }
    }
}

/// Sends one request to the proxy of a service and shows its state after it.
fn tell(
    name: &ServiceName,
    config: Option<&Path>,
    request: impl FnOnce(&ProxyFront) -> Result<Request, Failure>,
) -> Result<Exit, Failure> {
    let found = find(name, config)?;
    let request = request(built_in(&found, &name.name)?)?;
    let client = Client::new(found.state_dir(&name.name)).answer_within(Duration::from_secs(5));
    let status = wiring::runtime()?.block_on(client.send(request)).map_err(|error| {
        let failure = Failure::refused(causes(&error));
        if error.certain() { failure } else { Failure { exit: Exit::Person, ..failure } }
    })?;
    if name.output.json {
        terminal::json(&status)?;
    } else {
        terminal::show(&status_text(&status))?;
    }
    Ok(Exit::Done)
}

/// `VERSION=HOST:PORT@WEIGHT`; a single upstream gets everything.
fn request(args: &ProxySwitchArgs, drain_ms: u64) -> Result<Request, Failure> {
    let wrong = |text: &str| {
        Failure::wrong(format!("`{text}` is no upstream"))
            .hint("write VERSION=HOST:PORT or VERSION=HOST:PORT@WEIGHT")
    };
    let mut upstreams = Vec::new();
    for text in &args.upstreams {
        let (version, rest) = text.split_once('=').ok_or_else(|| wrong(text))?;
        let (address, weight) = match rest.split_once('@') {
            Some((address, weight)) => (address, weight.parse().map_err(|_| wrong(text))?),
            None if args.upstreams.len() == 1 => (rest, 100),
            None => return Err(wrong(text).hint("with several upstreams each needs a weight")),
        };
        upstreams.push(Upstream { version: version.into(), address: address.into(), weight, health: None });
    }
    Ok(Request::Switch { upstreams, drain_ms, resume: args.resume })
}

fn status_text(status: &Status) -> Text {
    let mut text = Text::new();
    text.line().add(Mark::Strong, &status.listen).plain(format!("  process {}", status.pid));
    if let Some(ms) = status.holding_ms {
        let line = format!("  holding since {}, {} waiting", duration(ms), status.waiting);
        text.add(Mark::Warn, line);
    }
    for (on, words) in [
        (status.maintenance, "maintenance: all requests are answered 503"),
        (status.readonly, "readonly: requests that may write are answered 503"),
    ] {
        if on {
            text.add(Mark::Warn, format!("  {words}"));
        }
    }
    for upstream in &status.upstreams {
        let (mark, health) = match upstream.healthy {
            Some(true) => (Mark::Good, format!("healthy for {}", duration(upstream.healthy_ms))),
            Some(false) => (Mark::Bad, "not healthy".to_owned()),
            None => (Mark::Dim, "not checked yet".to_owned()),
        };
        let to = &upstream.upstream;
        text.line()
            .plain(format!("  {} at {} ({} %)  ", to.version, to.address, to.weight))
            .add(mark, health);
        text.add(Mark::Dim, format!("  {} in flight", upstream.in_flight));
    }
    for (version, counts) in &status.versions {
        text.line().plain(format!(
            "  version {version}: {} requests, {} errors, p50 {:.1} ms, p95 {:.1} ms, p99 {:.1} ms",
            counts.requests, counts.errors, counts.p50_ms, counts.p95_ms, counts.p99_ms
        ));
    }
    let (held, max) = (status.held, duration(status.hold_ms_max));
    text.line().plain(format!("  held {held} requests, the longest for {max}; refused {}", status.refused));
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{OutputArgs, ServiceName};

    fn switch(upstreams: &[&str]) -> Result<Request, Failure> {
        let service = ServiceName { name: "x".into(), env: None, output: OutputArgs { json: false } };
        let upstreams = upstreams.iter().map(|text| (*text).to_owned()).collect();
        request(&ProxySwitchArgs { service, upstreams, resume: true }, 10)
    }

    #[test]
    fn upstreams_on_the_command_line() {
        let Request::Switch { upstreams, resume, .. } =
            switch(&["2.0=127.0.0.1:80@20", "1.9=[::1]:81@80"]).unwrap()
        else {
            panic!("a switch");
        };
        assert!(resume);
        assert_eq!((upstreams[1].address.as_str(), upstreams[1].weight), ("[::1]:81", 80));
        assert!(switch(&["2.0=h:1"]).is_ok());
        for bad in [&["h:1"][..], &["a=h:1@x"], &["a=h:1", "b=h:2"]] {
            assert_eq!(switch(bad).unwrap_err().exit, Exit::Wrong, "{bad:?}");
        }
    }
}
