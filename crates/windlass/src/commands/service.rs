//! `windlass service`: services by hand, over the same code as units.

use super::proxy::find;
use crate::{
    args::{OnOff, ServiceArgs, ServiceCommand, ServiceMode, ServiceName},
    exit::{Exit, Failure},
    journal, terminal, wiring,
};
use serde::Serialize;
use std::{path::Path, sync::Arc};
use windlass_driver::Done;
use windlass_drivers::service::{Hand, Mode, fronts};
use windlass_report::Text;

/// `windlass service start|stop|restart --json`.
#[derive(Debug, Serialize)]
struct DoneJson {
    /// Whether anything was changed.
    changed: bool,
    /// What was changed, one line each.
    effects: Vec<String>,
}

/// Runs the command.
pub fn run(args: &ServiceArgs, config: Option<&Path>) -> Result<Exit, Failure> {
    let (name, version) = match &args.command {
        ServiceCommand::Start(start) => (&start.service, start.release.as_deref()),
        ServiceCommand::Restart(restart) => (&restart.service, restart.release.as_deref()),
        ServiceCommand::Stop(name) | ServiceCommand::Status(name) => (name, None),
        ServiceCommand::Maintenance(mode) => return set(mode, Mode::Maintenance, config),
        ServiceCommand::Readonly(mode) => return set(mode, Mode::Readonly, config),
    };
    let makes = matches!(args.command, ServiceCommand::Start(_) | ServiceCommand::Restart(_));
    let hand = hand(name, config, makes)?;
    let runtime = wiring::runtime()?;
    let done = match &args.command {
        ServiceCommand::Start(_) => runtime.block_on(hand.start(version)),
        ServiceCommand::Restart(_) => runtime.block_on(hand.restart(version)),
        ServiceCommand::Stop(_) => runtime.block_on(hand.stop()),
        ServiceCommand::Status(_) | ServiceCommand::Maintenance(_) | ServiceCommand::Readonly(_) => {
            let status = runtime.block_on(hand.status())?;
            if name.output.json {
                terminal::json(&status)?;
            } else {
                show(&status.lines())?;
            }
            return Ok(Exit::Done);
        }
    }?;
    print(&done, name.output.json)?;
    Ok(Exit::Done)
}

/// Turns a mode of what stands in front on or off.
fn set(args: &ServiceMode, mode: Mode, config: Option<&Path>) -> Result<Exit, Failure> {
    let name = &args.service.name;
    let found = find(&args.service, config)?;
    let proxy = found.front(name)?;
    let front = fronts()(&found.place.base, name, proxy);
    let on = args.state == OnOff::On;
    let done = wiring::runtime()?.block_on(front.mode(mode, on, proxy.drain_ms));
    let status = done.map_err(|error| front.failure(name, &error))?;
    if args.service.output.json {
        terminal::json(&status)?;
        return Ok(Exit::Done);
    }
    let now = match (status.maintenance, status.readonly) {
        (true, _) => "all requests are answered 503",
        (false, true) => "requests that may write are answered 503, reads pass",
        (false, false) => "all requests pass",
    };
    show(&[format!("{name}: {now}")])?;
    Ok(Exit::Done)
}

/// `makes`: it may be the first to write into the folder of the state.
fn hand(name: &ServiceName, config: Option<&Path>, makes: bool) -> Result<Hand, Failure> {
    let found = find(name, config)?;
    if makes {
        journal::make_state(&found.place)?;
    }
    wiring::tls();
    let target = found.config.targets.get(&found.service.on);
    let hand = Hand::new(&found.place.base, &name.name, &found.service, target, wiring::supervisor()?)?;
    Ok(hand.telling(Arc::new(|line| terminal::line(line.trim_end()))))
}

fn print(done: &Done, json: bool) -> Result<(), Failure> {
    if json {
        return terminal::json(&DoneJson { changed: done.changed, effects: done.effects.clone() });
    }
    match done.effects.as_slice() {
        [] => show(&["nothing to do: it is so already".to_owned()]),
        effects => show(effects),
    }
}

fn show(lines: &[String]) -> Result<(), Failure> {
    let mut text = Text::new();
    for line in lines {
        text.line().plain(line);
    }
    terminal::show(&text)
}
