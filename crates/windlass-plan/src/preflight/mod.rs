//! What a plan needs of each of its hosts before anything runs, from its text alone; and what a look at a host said of it.

mod harmless;
mod script;
#[cfg(test)]
mod tests;
mod wrapped;

use crate::{Action, ComposeOperation, Plan, Step, Target, Unit, UnitId};
use harmless::{Effects, fills, may_begin_with_room, may_make_room};
pub use script::Thing;
use serde::Serialize;
use std::collections::BTreeMap;

/// How it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// As it should be.
    Ok,
    /// Nobody can tell, or it is not as it should be, and something before may mend it.
    Unknown,
    /// Deserves a look; a run may begin.
    Warning,
    /// A run would stop at it.
    Error,
}

/// What was looked at on one host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Checked {
    /// The host; `local`: this machine.
    pub host: String,
    /// What was looked at.
    pub what: &'static str,
    /// How it is.
    pub state: State,
    /// What was seen, for people.
    pub said: String,
}

/// What a host has to have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Needs {
    /// The host; `local`: this machine.
    pub host: String,
    /// A target that it is a host of: how it is reached.
    pub target: String,
    /// Nothing in front of its first unit may bring it up.
    pub certain: bool,
    /// Lines run there.
    pub lines: bool,
    /// A line that calls `sudo`: the line of the document.
    pub sudo: Option<usize>,
    /// Programs and files, in order of execution.
    pub things: Vec<Needed>,
    /// Where units write.
    pub written: Vec<Written>,
}

/// A place that units write to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Which.
    pub place: Place,
    /// What may make room there before its turn comes, or by itself.
    pub maker: Option<String>,
}

/// Where something is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A working folder; a relative one begins at the home folder there, and here at the folder of `windlass.toml`.
    Work(String),
    /// A folder that backups are written to.
    Backups(String),
    /// Where docker has its images.
    Images,
}

/// A program or a file that a line needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Needed {
    /// Which.
    pub thing: Thing,
    /// Line of the document, from 1.
    pub line: usize,
    /// How it is when it is missing.
    pub missing: State,
    /// What may make it before its turn comes.
    pub maker: Option<String>,
    /// It is the way back that needs it.
    pub back: bool,
}

impl Plan {
    /// What each host has to have: this machine first.
    #[must_use]
    pub fn needs(&self) -> Vec<Needs> {
        let mut hosts: BTreeMap<(bool, &str, &str), Needs> = BTreeMap::new();
        for (step, unit) in self.units() {
            let needs = entry(&mut hosts, self, &step.on, unit, self.is_up(&unit.id));
            self.note(needs, step, unit, false);
        }
        for step in &self.steps {
            let Some(script) = &step.undo else { continue };
            let on = if script.on.is_empty() { &step.on } else { &script.on };
            for unit in &script.units {
                // What only the way back needs does not stop the way there.
                let needs = entry(&mut hosts, self, on, unit, false);
                self.note(needs, step, unit, true);
            }
        }
        hosts.into_values().collect()
    }

    fn note(&self, needs: &mut Needs, step: &Step, unit: &Unit, back: bool) {
        if let Action::Shell { script, .. } = &unit.action {
            needs.lines = true;
            self.lines(needs, step, unit, script, back);
        }
        let Some(place) = place(&unit.action) else { return };
        if needs.written.iter().all(|known| known.place != place) {
            // A line may well begin with making room.
            let own = may_begin_with_room(&unit.action).then(|| format!("line {}", unit.line));
            let maker = self.maker(step, unit, may_make_room).or(own);
            needs.written.push(Written { place, maker });
        }
    }

    fn lines(&self, needs: &mut Needs, step: &Step, unit: &Unit, script: &str, back: bool) {
        for found in script::read(script, unit_dir(unit)) {
            let line = unit.line + found.line;
            let maker = found.maker.map(|maker| format!("line {}", unit.line + maker));
            let maker = maker.or_else(|| self.maker(step, unit, |action| may_make(action, &found.thing)));
            if found.sudo && found.stops && !back && maker.is_none() {
                needs.sudo.get_or_insert(line);
            }
            let missing = match (&maker, found.stops && !back) {
                (Some(_), _) => State::Unknown,
                (None, true) => State::Error,
                (None, false) => State::Warning,
            };
            let known = needs.things.iter_mut().find(|known| known.thing == found.thing);
            match known {
                // The worst of its uses counts, where it is used first.
                Some(known) if known.missing >= missing => {}
                Some(known) => *known = Needed { thing: found.thing, line, missing, maker, back },
                None => needs.things.push(Needed { thing: found.thing, line, missing, maker, back }),
            }
        }
    }

    /// What in front of `unit` may have the effects that are asked for, wherever it runs: what is on one host may come from another. A line
    /// that nobody understands, a person, time that passes.
    fn maker(&self, own: &Step, unit: &Unit, makes: impl Fn(&Action) -> bool) -> Option<String> {
        let since = |step: &Step| step.after_ms.map(|_| format!("the time until {}", step.id));
        // In front of the units of a hand-written undo, which are not among them, stand all.
        let mut before = self.before(&unit.id);
        let maker = before.find_map(|(step, other)| {
            // Hosts are no concern of each other; this machine may reach them all.
            if other.host != unit.host && other.host != "local" {
                return None;
            }
            since(step).or_else(|| makes(&other.action).then(|| format!("line {}", other.line)))
        });
        maker.or_else(|| since(own))
    }

    /// Whether nothing in front of a unit may start a host.
    fn is_up(&self, id: &UnitId) -> bool {
        let mut before = self.before(id);
        !before.any(|(step, unit)| {
            let effects = Effects::of(&unit.action);
            // A service of this machine may be the way to the others.
            let here = unit.host == "local"
                && match &unit.action {
                    Action::Service { .. } | Action::Systemd { .. } | Action::Compose(_) => true,
                    Action::Shell { .. } => effects.may_write(),
                    _ => false,
                };
            step.after_ms.is_some() || effects.may_start_hosts() || here
        })
    }
}

fn entry<'m, 'p>(
    hosts: &'m mut BTreeMap<(bool, &'p str, &'p str), Needs>,
    plan: &'p Plan,
    on: &'p str,
    unit: &'p Unit,
    certain: bool,
) -> &'m mut Needs {
    let is_here = unit.host == "local";
    let config = match plan.targets.get(on) {
        Some(Target::Hosts { ssh_config, .. }) if !is_here => ssh_config.as_deref().unwrap_or_default(),
        _ => "",
    };
    hosts.entry((!is_here, config, &unit.host)).or_insert_with(|| Needs {
        host: unit.host.clone(),
        target: on.to_owned(),
        certain,
        lines: false,
        sudo: None,
        things: Vec::new(),
        written: Vec::new(),
    })
}

/// Where a unit writes.
fn place(action: &Action) -> Option<Place> {
    let work = |dir: &Option<String>| Some(Place::Work(dir.clone().unwrap_or_default()));
    match action {
        Action::Shell { dir, .. } => fills(action).then(|| work(dir)).flatten(),
        Action::Patch { dir, .. } | Action::Copy { dir, .. } | Action::MakeDir { dir, .. } => work(dir),
        Action::Install(line) => work(&line.dir),
        Action::Git(line) => work(&line.dir),
        Action::Backup { file, dir, .. } => {
            let path = crate::lift::join(dir.as_deref(), file);
            Some(Place::Backups(path.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned()))
        }
        Action::Compose(line) => {
            let brings = line.operation.only_brings() || line.operation == ComposeOperation::Up;
            brings.then_some(Place::Images)
        }
        _ => None,
    }
}

fn unit_dir(unit: &Unit) -> Option<&str> {
    match &unit.action {
        Action::Shell { dir, .. } => dir.as_deref(),
        _ => None,
    }
}

fn may_make(action: &Action, thing: &Thing) -> bool {
    let effects = Effects::of(action);
    match thing {
        Thing::Program { .. } => effects.may_install(),
        Thing::Path { .. } => effects.may_write(),
    }
}
