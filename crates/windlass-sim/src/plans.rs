//! Random plans, with what the world knows of their units.

use crate::{
    driver::the_secret,
    hub::State,
    rng::{Rng, mix},
    world::{Resource, Role, Spec},
};
use std::collections::BTreeMap;
use windlass_document::{Serial, Share};
use windlass_plan::{
    Action, Budget, Class, DocumentRef, DriverKind, PLAN_FORMAT, Plan, Release, Runner, Service, Step,
    StepId, Strategy, Target, Undo, UndoBy, UndoScript, Unit, UnitId, UrlKind, Value,
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
    /// Many units have a resource of their own: those may go together.
    groups: bool,
    /// The last step that may be followed by checks of its batches: its number, `serial=` and number of hosts.
    head: Option<(usize, Serial, usize)>,
}

/// Where a step stands.
#[derive(Clone, Copy)]
struct Spot<'a> {
    step: usize,
    /// The step whose batches it goes with: itself, or one before it.
    roll: usize,
    /// Sizes of its batches.
    batches: &'a [usize],
    /// Its first line only looks, on all hosts before the others begin.
    in_two: bool,
}

impl Spot<'_> {
    /// Number of the batch of a host, and how many hosts that has.
    fn batch(&self, host: &str) -> (usize, usize) {
        let number = host.strip_prefix('h').and_then(|n| n.parse::<usize>().ok()).unwrap_or(1);
        let mut last = 0;
        let mut of = self.batches.iter().copied().enumerate();
        of.find(|(_, size)| {
            last += size;
            number <= last
        })
        .unwrap_or((0, 1))
    }
}

/// Sizes of batches, by another road than that of the plan.
fn sizes(serial: Option<&Serial>, hosts: usize) -> Vec<usize> {
    let half = hosts.div_ceil(2);
    match serial {
        None => vec![hosts],
        Some(Serial::Hosts(_)) => vec![1; hosts],
        Some(Serial::Percent(_)) if half < hosts => vec![half, hosts - half],
        Some(Serial::Percent(_)) => vec![hosts],
        Some(Serial::Growing(_)) => match hosts {
            1 => vec![1],
            2 => vec![1, 1],
            3 => vec![1, 2],
            _ => vec![1, 2, hosts - 3],
        },
    }
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
        groups: state.setup.groups,
        head: None,
    };
    // Half of the plans are short: what is rare happens in them as well, and more stories are told in the same time.
    let most = if maker.rng.chance(500) { steps_max } else { steps_max.div_ceil(3) };
    let count = maker.rng.between(1, most);
    let steps: Vec<Step> = (0..usize::try_from(count).unwrap_or(1)).map(|at| maker.step(at)).collect();
    let (services, budget) = probed(maker.rng, state.setup.probed);
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
        claims: Default::default(),
        secrets: Default::default(),
        services,
        budget,
        steps,
        class,
    }
}

/// In half of the plans a service is looked at from outside, mostly with a budget.
fn probed(rng: &mut Rng, may: bool) -> (BTreeMap<String, Service>, Budget) {
    if !may || rng.chance(500) {
        return Default::default();
    }
    let service = Service {
        on: "app".to_owned(),
        runner: Runner::Run(vec!["./web".to_owned()]),
        health: None,
        strategy: Strategy::Recreate,
        canary: None,
        proxy: None,
        stable_ms: 0,
        start_within_ms: 1,
        stop_within_ms: 1,
        uses: None,
        probe: None,
    };
    let downtime_ms = rng.chance(700).then(|| rng.below(3_000));
    (BTreeMap::from([("web".to_owned(), service)]), Budget { downtime_ms, rollback_ms: None })
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
            2 if self.rng.chance(500) => Some(Serial::Growing(vec![Share::Hosts(1), Share::Percent(50)])),
            _ => None,
        };
        let after_ms = self.rng.chance(40).then(|| self.rng.between(1_000, 600_000));
        let of = serial.clone().map(|serial| (serial, hosts.len()));
        let roll = match (&self.head, &of) {
            (Some((roll, serial, hosts)), Some((own, count)))
                if kind == Kind::ReadOnly && after_ms.is_none() && (own, count) == (serial, hosts) =>
            {
                *roll
            }
            _ => at,
        };
        if roll == at {
            self.head = of.map(|(serial, hosts)| (at, serial, hosts));
        }
        let batches = sizes(serial.as_ref(), hosts.len());
        let lines = if many { self.rng.between(1, 3) } else { 1 };
        // Alone it would be a check.
        let is_prepared = kind == Kind::Plain && lines > 1 && self.rng.chance(300);
        let in_two = is_prepared && serial.is_none();
        let spot = Spot { step: at, roll, batches: &batches, in_two };
        let mut units = Vec::new();
        for line in 1..=lines {
            for host in &hosts {
                let position = usize::try_from(line).unwrap_or(0);
                let kind = if is_prepared && line == 1 { Kind::ReadOnly } else { kind };
                let unit = self.unit(&id, kind, host, position, spot);
                units.push(unit);
            }
        }
        let undo = (kind == Kind::Script).then(|| self.script(&id, &units, spot));
        let class = units.iter().map(|u| u.undo.class).max().unwrap_or_default();
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

    fn unit(&mut self, step: &StepId, kind: Kind, host: &str, n: usize, spot: Spot<'_>) -> Unit {
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
            (Kind::Plain, _) if self.groups && self.rng.chance(800) => self.resource(),
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
        let (mut batch, hosts_max) = spot.batch(host);
        if spot.in_two {
            batch = usize::from(n > 1);
        }
        let spec = Spec {
            plan: self.plan,
            opaque: changes && matches!(by, UndoBy::Script | UndoBy::Nobody) && self.rng.chance(500),
            detached: self.rng.chance(500),
            already: changes && self.rng.chance(60),
            role,
            resource,
            step: spot.step,
            leg: (spot.roll, batch),
            host: host.to_owned(),
            position: n,
            undo: by.clone(),
            hosts_max,
        };
        self.specs.insert(id.clone(), spec);
        self.plain(id, host, kind, Undo { class, how: "as planned".into(), by })
    }

    fn plain(&mut self, id: UnitId, host: &str, kind: Kind, undo: Undo) -> Unit {
        let script = || Action::Shell {
            script: "true".into(),
            dir: None,
            readonly: kind == Kind::ReadOnly,
            database: None,
        };
        let (driver, action) = match kind {
            Kind::Gate => (DriverKind::Gate, Action::Gate { text: "all is well".into() }),
            Kind::Backup => (
                DriverKind::Sqlite,
                Action::Backup { target: "db".into(), file: "copy".into(), dir: None, dump: None },
            ),
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
    fn script(&mut self, step: &StepId, units: &[Unit], spot: Spot<'_>) -> UndoScript {
        let id = StepId(format!("{step}-undo"));
        let partial = self.rng.chance(500);
        let whole: Vec<UnitId> =
            if partial { Vec::new() } else { units.iter().map(|u| u.id.clone()).collect() };
        let mut hosts: Vec<&String> = units.iter().map(|u| &u.host).collect();
        hosts.sort();
        hosts.dedup();
        let mut made = Vec::new();
        for host in hosts {
            let (batch, hosts_max) = spot.batch(host);
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
                    step: spot.step,
                    leg: (spot.roll, batch),
                    host: host.clone(),
                    position: n,
                    undo: UndoBy::Nothing,
                    hosts_max,
                };
                self.specs.insert(unit_id.clone(), spec);
                let undo = Undo { class: Class::None, how: "it is an undo".into(), by: UndoBy::Nothing };
                let kind = Kind::Script;
                made.push(self.plain(unit_id, host, kind, undo));
            }
        }
        UndoScript { id, on: String::new(), units: made, partial }
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
