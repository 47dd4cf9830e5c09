//! Random plans, with what the world knows of their units.

use crate::{
    driver::the_secret,
    hub::State,
    rng::{Rng, mix},
    world::{Resource, Role, Spec},
};
use std::collections::BTreeMap;
use windlass_document::Serial;
use windlass_plan::{
    Action, Class, DocumentRef, DriverKind, PLAN_FORMAT, Plan, Release, Step, StepId, Target, Undo, UndoBy,
    UndoScript, Unit, UnitId, UrlKind, Value,
};

/// Changes a step makes on each host.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Plain,
    Script,
    ReadOnly,
    Gate,
    Backup,
    Restore,
    Nobody,
}

struct Maker<'a> {
    rng: &'a mut Rng,
    plan: usize,
    prefix: String,
    hosts: Vec<String>,
    /// Shared resources of each host.
    pool: BTreeMap<String, Vec<usize>>,
    resources: Vec<Resource>,
    specs: BTreeMap<UnitId, Spec>,
    backup: Option<(UnitId, usize)>,
}

/// A random plan of up to `steps_max` steps; its units are put into the world.
pub fn make(state: &mut State, prefix: &str, steps_max: u64) -> Plan {
    let mut rng = Rng::new(state.rng.next());
    let hosts = (1..=rng.between(1, 4)).map(|n| format!("h{n}")).collect();
    let resources = std::mem::take(&mut state.world.resources);
    let mut maker = Maker {
        rng: &mut rng,
        plan: state.world.specs.len(),
        prefix: prefix.to_owned(),
        hosts,
        pool: BTreeMap::new(),
        resources,
        specs: BTreeMap::new(),
        backup: None,
    };
    // Half of the plans are short: what is rare happens in them as well, and more stories are told in the same time.
    let most = if maker.rng.chance(500) { steps_max } else { steps_max.div_ceil(3) };
    let count = maker.rng.between(1, most);
    let steps: Vec<Step> = (0..usize::try_from(count).unwrap_or(1)).map(|at| maker.step(at)).collect();
    let Maker { resources, specs, .. } = maker;
    state.world.resources = resources;
    state.world.specs.extend(specs);
    let class = steps.iter().map(|s| s.class).max().unwrap_or_default();
    Plan {
        format: PLAN_FORMAT,
        tool: "sim".into(),
        release: Release { version: "2.0.0".into(), ..Release::default() },
        document: DocumentRef::default(),
        targets: BTreeMap::from([(
            "db".to_owned(),
            Target::Url { url: Value::Secret(the_secret()), kind: UrlKind::Sqlite },
        )]),
        services: BTreeMap::new(),
        steps,
        class,
    }
}

impl Maker<'_> {
    fn kind(&mut self) -> Kind {
        match self.rng.below(100) {
            0..45 => Kind::Plain,
            45..63 => Kind::Script,
            63..73 => Kind::ReadOnly,
            73..80 => Kind::Gate,
            80..87 => Kind::Backup,
            87..96 => Kind::Restore,
            _ => Kind::Nobody,
        }
    }

    fn step(&mut self, at: usize) -> Step {
        let mut kind = self.kind();
        if kind == Kind::Restore && self.backup.is_none() {
            kind = Kind::Backup;
        }
        let id = StepId(format!("{}{at}", self.prefix));
        let many = matches!(kind, Kind::Plain | Kind::Script | Kind::ReadOnly);
        let hosts: Vec<String> = match many {
            true => {
                let count = usize::try_from(self.rng.between(1, self.hosts.len() as u64)).unwrap_or(1);
                self.hosts[..count].to_vec()
            }
            false => vec!["local".to_owned()],
        };
        let serial = match self.rng.below(4) {
            0 => Some(Serial::Hosts(1)),
            1 => Some(Serial::Percent(50)),
            _ => None,
        };
        let hosts_max = match serial {
            Some(Serial::Hosts(_)) => 1,
            Some(Serial::Percent(_)) => hosts.len().div_ceil(2),
            None => hosts.len(),
        };
        let lines = if many { self.rng.between(1, 3) } else { 1 };
        let mut units = Vec::new();
        for line in 1..=lines {
            for host in &hosts {
                let position = usize::try_from(line).unwrap_or(0);
                let unit = self.unit(&id, kind, host, position, (at, hosts_max));
                units.push(unit);
            }
        }
        let undo = (kind == Kind::Script).then(|| self.script(&id, &units, (at, hosts_max)));
        let class = units.iter().map(|u| u.undo.class).max().unwrap_or_default();
        let after_ms = self.rng.chance(40).then(|| self.rng.between(1_000, 600_000));
        Step {
            id,
            stage: None,
            gate: None,
            line: at + 1,
            on: "db".into(),
            class,
            units,
            undo,
            serial,
            after_ms,
            online: false,
            again: None,
        }
    }

    fn unit(&mut self, step: &StepId, kind: Kind, host: &str, n: usize, at: (usize, usize)) -> Unit {
        let id = UnitId(format!("{step}/{n}@{host}"));
        let (class, by) = match (kind, &self.backup) {
            (Kind::Plain, _) => (Class::Exact, UndoBy::Driver),
            (Kind::Script, _) => (Class::Exact, UndoBy::Script),
            (Kind::Restore, Some((backup, _))) => (Class::Restore, UndoBy::Backup(backup.clone())),
            (Kind::Nobody, _) => (Class::None, UndoBy::Nobody),
            (Kind::Backup, _) => (Class::Exact, UndoBy::Nothing),
            _ => (Class::Readonly, UndoBy::Nothing),
        };
        let resource = match (kind, &self.backup) {
            (Kind::Restore, Some((_, resource))) => *resource,
            (Kind::Backup | Kind::Nobody | Kind::Restore, _) => self.resource(),
            _ => self.shared(host),
        };
        if kind == Kind::Backup {
            self.backup = Some((id.clone(), resource));
        }
        let role = match kind {
            Kind::ReadOnly => Role::ReadOnly,
            Kind::Gate => Role::Gate,
            Kind::Backup => Role::Backup,
            _ => Role::Plain,
        };
        let changes = role == Role::Plain;
        let spec = Spec {
            plan: self.plan,
            opaque: changes && matches!(by, UndoBy::Script | UndoBy::Nobody) && self.rng.chance(500),
            detached: self.rng.chance(500),
            already: changes && self.rng.chance(60),
            role,
            resource,
            step: at.0,
            host: host.to_owned(),
            position: n,
            undo: by.clone(),
            hosts_max: at.1,
        };
        self.specs.insert(id.clone(), spec);
        self.plain(id, host, kind, Undo { class, how: "as planned".into(), by })
    }

    fn plain(&mut self, id: UnitId, host: &str, kind: Kind, undo: Undo) -> Unit {
        let script = || Action::Shell { script: "true".into(), dir: None, readonly: kind == Kind::ReadOnly };
        let (driver, action) = match kind {
            Kind::Gate => (DriverKind::Gate, Action::Gate { text: "all is well".into() }),
            Kind::Backup => {
                (DriverKind::Sqlite, Action::Backup { target: "db".into(), file: "copy".into(), dir: None })
            }
            _ => (*self.rng.pick(&[DriverKind::Shell, DriverKind::Files, DriverKind::Service]), script()),
        };
        let within_ms = (kind == Kind::ReadOnly && self.rng.chance(500)).then_some(20_000);
        Unit {
            id,
            host: host.to_owned(),
            driver,
            line: 1,
            column: 1,
            action,
            effect: "changes".into(),
            undo,
            timeout_ms: None,
            within_ms,
        }
    }

    /// One or two undo lines per host; together they take back the whole step, newest first.
    fn script(&mut self, step: &StepId, units: &[Unit], at: (usize, usize)) -> UndoScript {
        let id = StepId(format!("{step}-undo"));
        let partial = self.rng.chance(500);
        let whole: Vec<UnitId> =
            if partial { Vec::new() } else { units.iter().map(|u| u.id.clone()).collect() };
        let mut hosts: Vec<&String> = units.iter().map(|u| &u.host).collect();
        hosts.sort();
        hosts.dedup();
        let mut made = Vec::new();
        for host in hosts {
            let reverse: Vec<UnitId> =
                units.iter().rev().filter(|u| u.host == *host).map(|u| u.id.clone()).collect();
            let cut = if self.rng.chance(500) { reverse.len() } else { reverse.len().div_ceil(2) };
            for (n, reverts) in [&reverse[..cut], &reverse[cut..]].into_iter().enumerate() {
                if reverts.is_empty() {
                    continue;
                }
                let unit_id = UnitId(format!("{id}/{}@{host}", n + 1));
                let spec = Spec {
                    plan: self.plan,
                    role: Role::Script { reverts: reverts.to_vec(), whole: whole.clone() },
                    resource: 0,
                    opaque: self.rng.chance(200),
                    detached: self.rng.chance(500),
                    already: false,
                    step: at.0,
                    host: host.clone(),
                    position: n,
                    undo: UndoBy::Nothing,
                    hosts_max: at.1,
                };
                self.specs.insert(unit_id.clone(), spec);
                let undo = Undo { class: Class::None, how: "it is an undo".into(), by: UndoBy::Nothing };
                let kind = Kind::Script;
                made.push(self.plain(unit_id, host, kind, undo));
            }
        }
        UndoScript { id, units: made, partial }
    }

    fn resource(&mut self) -> usize {
        let initial = mix(self.resources.len() as u64 + 1);
        self.resources.push(Resource { initial, value: initial, layers: Vec::new() });
        self.resources.len() - 1
    }

    /// One of the two resources of a host that several units may change.
    fn shared(&mut self, host: &str) -> usize {
        if !self.pool.contains_key(host) {
            let two = vec![self.resource(), self.resource()];
            self.pool.insert(host.to_owned(), two);
        }
        *self.rng.pick(&self.pool[host])
    }
}
