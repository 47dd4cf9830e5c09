//! Who may act when: every act is checked at the moment it begins, against what is durable and against the world.

use crate::{
    controller::TTL_MS,
    hub::{Proc, State},
    world::{ActKey, Effect, Op, Phase, Reply, Role, Spec, Told},
};
use windlass_driver::{Capsule, Failure, Fault};
use windlass_journal::{Direction, Forward, UndoPhase, UnitState};
use windlass_plan::{UndoBy, UnitId, Way};

impl State {
    /// Lands what is due.
    pub fn advance_world(&mut self) {
        if let Err(what) = self.world.advance(self.now) {
            self.fail("no unit is applied or undone twice, or in the wrong order", || what);
        }
    }

    /// A controller begins to act. Checks everything, then decides by seed how it will go.
    ///
    /// # Errors
    /// The world refuses: the try was given up, or newer changes stand on the unit's.
    pub fn begin_act(&mut self, proc: &Proc, key: &ActKey, capsule: &Capsule) -> Result<usize, Failure> {
        self.advance_world();
        self.count("act");
        if self.world.closed.contains(key) {
            self.count("late act of a fenced controller, barred");
            return Err(Failure::clean(Fault::Target, "this try was given up"));
        }
        let Some(spec) = self.world.specs.get(&key.0).cloned() else {
            self.fail("acts name units", || format!("{}", key.0));
            return Err(Failure::clean(Fault::Windlass, "no such unit"));
        };
        if let Err((property, what)) = self.may_act(proc, key, &spec, capsule) {
            self.fail(property, || format!("{} {:?} try {} by {}: {what}", key.0, key.1, key.2, proc.name));
        }
        if self.conflict(key, &spec) {
            self.count("undo refused: newer changes");
            return Err(Failure::clean(Fault::Target, "newer changes stand on it"));
        }
        let op = self.fate(proc, key, &spec, capsule);
        self.note(|| {
            format!(
                "{} acts: {} {:?} try {}: {:?} {:?}, lands {}, replies {}",
                proc.name, key.0, key.1, key.2, op.effect, op.reply, op.lands_at, op.replies_at
            )
        });
        self.world.ops.push(op);
        Ok(self.world.ops.len() - 1)
    }

    fn may_act(
        &self,
        proc: &Proc,
        key: &ActKey,
        spec: &Spec,
        capsule: &Capsule,
    ) -> Result<(), (&'static str, String)> {
        let durable = "an intent is durable before its act";
        let intent = self.mirror.intents.get(key).ok_or((durable, "no intent".to_owned()))?;
        if intent.proc != proc.id {
            return Err(("two controllers never both act", "the intent is another controller's".into()));
        }
        if proc.with(|p| p.fenced) {
            return Err(("two controllers never both act", "it knows that its lease is gone".into()));
        }
        if let Some(op) = self.world.ops.iter().find(|op| op.phase == Phase::Flying && op.proc != proc.id) {
            return Err(("two controllers never both act", format!("{} is under way", op.key.0)));
        }
        let late = intent.token != self.mirror.token;
        if intent.settled && !late {
            return Err((durable, "its try is settled already".into()));
        }
        if key.1 == Way::Forward && intent.capsule != capsule.0 {
            return Err((durable, "the act has another capsule than the intent".into()));
        }
        if late { Ok(()) } else { self.in_order(proc, key, spec) }
    }

    /// Whether this controller intended the unit together with others, and the world did it.
    fn ran_together(&self, proc: &Proc, unit: &UnitId) -> bool {
        let Some(attempt) = self.mirror.state_of(unit).and_then(|state| Some(state.units.get(unit)?.attempt))
        else {
            return false;
        };
        let told = self.world.told.get(&((unit.clone(), Way::Forward, attempt), proc.id));
        let did = told
            .and_then(|told| told.last())
            .is_some_and(|told| matches!(told, Told::Applied | Told::NoChange));
        self.setup.groups && self.world.is_by_itself(unit) && did
    }

    fn in_order(&self, proc: &Proc, key: &ActKey, spec: &Spec) -> Result<(), (&'static str, String)> {
        let state = self.mirror.state_of(&key.0).ok_or(("acts belong to a run", String::new()))?;
        let script = matches!(spec.role, Role::Script { .. });
        let back = key.1 == Way::Undo || script;
        if back != (state.direction == Direction::Unwind) {
            return Err(("acts go where the run goes", format!("the run goes {:?}", state.direction)));
        }
        for (id, other) in &self.world.specs {
            if id == &key.0 || other.plan != spec.plan {
                continue;
            }
            let same = other.step == spec.step && other.host == spec.host;
            let other_script = matches!(other.role, Role::Script { .. });
            if !back {
                let before = other.turn() < spec.turn() || (same && other.position < spec.position);
                let forward = state.units.get(id).map(|unit| &unit.forward);
                let passed =
                    matches!(forward, Some(Forward::Applied | Forward::Unchanged | Forward::Skipped));
                // Of those that go together the ones before it ran, and are settled with it.
                let passed =
                    passed || matches!(forward, Some(Forward::Running)) && self.ran_together(proc, id);
                if before && !other_script && !passed {
                    return Err(("steps run in order", format!("{id} is {forward:?}")));
                }
            } else if other.role == Role::Plain && other.undo != UndoBy::Nothing {
                let after = match script {
                    true => other.step > spec.step,
                    false => other.turn() > spec.turn() || (same && other.position > spec.position),
                };
                if after && self.world.effect(id) != Effect::None && !self.is_left(id) {
                    return Err(("undo order is the reverse of apply order", format!("{id} is in place")));
                }
            }
        }
        if !back {
            self.rolling(spec)?;
        }
        let of_host = |other: &Spec| {
            (other.plan, other.step, &other.host) == (spec.plan, spec.step, &spec.host)
                && other.role == Role::Plain
        };
        let mut forward = self.world.specs.iter().filter(|(_, other)| of_host(other));
        if script && !forward.any(|(id, _)| state.unit(id).has_effect()) {
            let rule = "a hand-written undo runs on hosts on which its step did something only";
            return Err((rule, format!("{} has nothing of it", spec.host)));
        }
        let flying = self.world.ops.iter().filter(|op| op.phase == Phase::Flying);
        let mut hosts: Vec<_> =
            flying.filter_map(|op| Some(&self.world.specs.get(&op.key.0)?.host)).collect();
        hosts.push(&spec.host);
        hosts.sort();
        hosts.dedup();
        if hosts.len() > spec.hosts_max {
            return Err(("serial is kept", format!("hosts {hosts:?}, {} may", spec.hosts_max)));
        }
        Ok(())
    }

    /// No more hosts of a step are begun and not finished than may be worked on at a time.
    fn rolling(&self, spec: &Spec) -> Result<(), (&'static str, String)> {
        let mut begun = vec![&spec.host];
        for (id, other) in &self.world.specs {
            let same = other.plan == spec.plan && other.step == spec.step;
            if !same || begun.contains(&&other.host) {
                continue;
            }
            let known = self.mirror.state_of(id).and_then(|run| run.units.get(id));
            let open = |unit: &UnitState| {
                !matches!(unit.forward, Forward::Applied | Forward::Unchanged | Forward::Skipped)
            };
            let script = matches!(other.role, Role::Script { .. });
            if !script && known.is_none_or(open) && self.was_begun(other) {
                begun.push(&other.host);
            }
        }
        begun.sort();
        begun.dedup();
        if begun.len() > spec.hosts_max {
            return Err(("serial is kept", format!("begun and not finished: {begun:?}")));
        }
        Ok(())
    }

    /// Whether any unit of a step was tried on a host.
    fn was_begun(&self, spec: &Spec) -> bool {
        let same = |other: &Spec| (other.plan, other.step, &other.host) == (spec.plan, spec.step, &spec.host);
        self.world.ops.iter().any(|op| self.world.specs.get(&op.key.0).is_some_and(same))
    }

    /// Whether a person left a unit in place, or a part of the script that would have taken it back.
    fn is_left(&self, unit: &UnitId) -> bool {
        let Some(run) = self.mirror.state_of(unit) else { return false };
        let step = run.plan.steps.iter().find(|step| step.units.iter().any(|u| u.id == *unit));
        let mut script = step.iter().flat_map(|step| step.undo.iter().flat_map(|script| &script.units));
        run.unit(unit).undo == UndoPhase::Left || script.any(|u| run.unit(&u.id).forward == Forward::Skipped)
    }

    /// A driver's undo never overwrites newer changes. There are only such that a person left.
    fn conflict(&mut self, key: &ActKey, spec: &Spec) -> bool {
        let units = match (&spec.role, key.1) {
            (Role::Plain, Way::Undo) => vec![key.0.clone()],
            (Role::Script { reverts, .. }, _) => reverts.clone(),
            _ => return false,
        };
        let mut found = false;
        for unit in &units {
            for above in self.world.above(unit) {
                let covered = units.contains(&above) || self.world.specs[&above].undo == spec.undo;
                let left = self.is_left(&above);
                found |= left;
                if !left && !covered {
                    self.fail("undo order is the reverse of apply order", || {
                        format!("{unit} is undone under {above}")
                    });
                }
            }
        }
        if let (Role::Script { whole, .. }, Some(state)) = (&spec.role, self.mirror.state_of(&key.0)) {
            let part = whole.iter().find(|id| {
                let unit = state.unit(id);
                !(unit.has_effect() || unit.forward == Forward::Unchanged)
            });
            if let Some(part) = part.cloned() {
                self.fail("a script for the whole step runs on the whole step only", || part.to_string());
            }
        }
        found
    }

    /// How an act will go.
    fn fate(&mut self, proc: &Proc, key: &ActKey, spec: &Spec, capsule: &Capsule) -> Op {
        let lands_at = self.now
            + match (self.setup.slow, self.rng.chance(50)) {
                (true, _) => self.rng.between(TTL_MS / 8, TTL_MS / 5),
                (false, true) => self.rng.between(1, 3_000),
                (false, false) => self.rng.between(1, 40),
            };
        let before = capsule.0.get("before").and_then(serde_json::Value::as_u64);
        let gone = key.1 == Way::Undo && self.world.effect(&key.0) == Effect::None;
        if gone && self.world.units.get(&key.0).is_some_and(|u| u.undone) {
            self.fail("no unit is undone twice", || key.0.to_string());
        }
        let mut op = Op {
            key: key.clone(),
            proc: proc.id,
            lands_at,
            replies_at: lands_at,
            effect: Effect::Full,
            reply: Reply::Done,
            detached: spec.detached,
            before,
            idle: false,
            phase: Phase::Flying,
        };
        if (spec.already && key.1 == Way::Forward) || gone {
            (op.effect, op.reply, op.idle) = (Effect::None, Reply::NoChange, true);
        }
        if key.1 == Way::Forward && self.world.doomed.as_ref() == Some(&key.0) {
            (op.effect, op.reply) = (Effect::None, Reply::Clean(false));
        }
        if self.setup.driver_faults > 0 && self.rng.chance(self.setup.driver_rate) {
            self.setup.driver_faults -= 1;
            self.spoil(&mut op, spec);
        }
        op
    }

    fn spoil(&mut self, op: &mut Op, spec: &Spec) {
        let kind = if spec.role == Role::ReadOnly { self.rng.below(3) } else { self.rng.below(9) };
        let known = op.effect;
        match kind {
            0 | 1 => {
                self.count("act failed cleanly, retryable");
                (op.effect, op.reply) = (Effect::None, Reply::Clean(true));
            }
            2 => {
                self.count("act failed cleanly");
                (op.effect, op.reply) = (Effect::None, Reply::Clean(false));
            }
            3 | 4 => {
                self.count("act failed half-way");
                op.reply = Reply::Partial(self.rng.chance(400));
                op.effect = if known == Effect::Full { Effect::Partial } else { known };
            }
            5 => {
                self.count("line lost, effect done");
                op.reply = Reply::Unknown;
            }
            6 => {
                self.count("line lost, no effect");
                (op.effect, op.reply) = (Effect::None, Reply::Unknown);
            }
            7 => {
                self.count("line lost, part done");
                op.reply = Reply::Unknown;
                op.effect = if known == Effect::Full { Effect::Partial } else { known };
            }
            _ => {
                self.count("line lost, still running");
                op.reply = Reply::Unknown;
                op.detached = true;
                op.lands_at = op.replies_at + self.rng.between(1, 30_000);
            }
        }
    }

    /// The controller of an act died, or gave it up.
    pub fn abandon_act(&mut self, at: usize) {
        self.advance_world();
        let torn = self.setup.scripted.is_none() && self.rng.chance(200);
        let again = self.rng.chance(400);
        let op = &mut self.world.ops[at];
        if op.phase != Phase::Flying || op.detached {
            return;
        }
        let key = op.key.clone();
        if torn && op.effect == Effect::Full {
            (op.effect, op.reply, op.lands_at) = (Effect::Partial, Reply::Partial(again), self.now);
            self.count("act torn by the death of its controller");
            self.advance_world();
        } else {
            op.phase = Phase::Killed;
            self.count("act died with its controller");
        }
        self.note(|| format!("act {} {:?} try {} lost its controller", key.0, key.1, key.2));
    }

    /// Remembers what a driver told a controller.
    pub fn tell(&mut self, proc: &Proc, key: &ActKey, told: Told) {
        self.note(|| format!("{} is told: {} {:?} try {}: {told:?}", proc.name, key.0, key.1, key.2));
        self.world.told.entry((key.clone(), proc.id)).or_default().push(told);
    }
}
