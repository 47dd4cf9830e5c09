//! What a unit does to a service, how it is taken back, and what became of it.

use super::{
    front::FrontError,
    instance::{self, Instance, Ready},
    job::{Job, Program, broken},
    spec::Origin,
    world::{Captured, FrontLook, Goal, Live, Previous, Wanted, World},
};
use windlass_driver::{Done, Effect, Failure, Fault, Found};
use windlass_plan::{ServiceOperation, Way};

/// The fact that a unit keeps a service, with the service's name.
pub const KEPT: &str = "kept";

/// The fact of what left the way back to the unit that keeps: whether the service stands still until then. The record reads it.
const AWAY: &str = "away";

/// One unit being worked on.
pub struct Work<'a> {
    /// The service and who works on it.
    pub job: Job<'a>,
    /// What the unit does.
    pub operation: ServiceOperation,
    /// What the unit makes carries this.
    pub made: Origin,
    /// Its capsule.
    pub captured: Captured,
    /// What it starts.
    pub program: Program,
    /// Of a stop or restart that a unit before it keeps: what it starts on the way back, that unit starts, when all files are back.
    pub kept: Option<Rest>,
}

/// What becomes of a service until the end of the way back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    /// It goes on as it is.
    Serves,
    /// A database goes back beneath it: it stands still.
    StandsStill,
}

/// The world before the unit and the world after it.
pub fn goals(
    operation: ServiceOperation,
    captured: &Captured,
    made: &Origin,
    has_proxy: bool,
) -> (Goal, Goal) {
    let wanted = captured.previous.clone().map_or(Wanted::Nothing, |previous| Wanted::Previous {
        previous: Box::new(previous),
        not: made.clone(),
    });
    let before = Goal { wanted, held: captured.held };
    let after = match operation {
        ServiceOperation::Keep => before.clone(),
        ServiceOperation::Stop => Goal { wanted: Wanted::Nothing, held: has_proxy },
        // It ran already: starting changes nothing but a hold.
        ServiceOperation::Start if captured.previous.is_some() => Goal { held: false, ..before.clone() },
        ServiceOperation::Start => Goal { wanted: Wanted::Made(made.clone()), held: false },
        ServiceOperation::Restart => Goal { wanted: Wanted::Made(made.clone()), held: captured.held },
    };
    (before, after)
}

impl Work<'_> {
    /// The world before the unit and after it.
    pub fn goals(&self) -> (Goal, Goal) {
        goals(self.operation, &self.captured, &self.made, self.job.site.front.is_some())
    }

    /// Refuses before anything is changed when the proxy does not answer.
    async fn ready(&self) -> Result<World, Failure> {
        self.job.calm().await?;
        self.job.fronted().await
    }

    /// Does it.
    pub async fn apply(&self) -> Result<Done, Failure> {
        match self.operation {
            // Nobody is asked for anything yet, also not the proxy.
            ServiceOperation::Keep => Ok(self.noted()),
            ServiceOperation::Stop => self.stop(&self.ready().await?).await,
            ServiceOperation::Start => self.start(&self.ready().await?).await,
            ServiceOperation::Restart => {
                self.ready().await?;
                let made = Wanted::Made(self.made.clone());
                self.job.replace(&self.program, &made, !self.captured.held).await
            }
        }
    }

    async fn stop(&self, world: &World) -> Result<Done, Failure> {
        let was_held = world.front.held() == Some(true);
        self.job.hold().await?;
        let effects = self.job.stop(|_| true).await?;
        Ok(Done {
            changed: !effects.is_empty() || (self.job.site.front.is_some() && !was_held),
            effects,
            ..self.stopped()
        })
    }

    fn stopped(&self) -> Done {
        Done {
            changed: true,
            effects: vec![],
            output: String::new(),
            facts: serde_json::json!({
                "service": self.job.site.name,
                "instance": self.captured.previous.as_ref().map(|previous| instance::name(previous.number)),
                "held": self.job.site.front.is_some(),
                "held_total": self.captured.held_total,
            }),
        }
    }

    async fn start(&self, world: &World) -> Result<Done, Failure> {
        let name = &self.job.site.name;
        let other = world.live.iter().find(|live| {
            let spec = &live.instance.spec;
            !spec.origin.same_work(&self.made) && Program::of(spec) != self.program && !live.instance.ending()
        });
        if let Some(other) = other {
            let running = &other.instance.spec.version;
            return Err(Failure::clean(
                Fault::Document,
                format!(
                    "{name} {running} runs already (instance {}); a start would leave it and not bring {}",
                    other.instance.name(),
                    self.program.version
                ),
            )
            .hint("stop it first in the document, or restart it instead".to_owned()));
        }
        self.job.stop(Instance::ending).await?;
        let changed = self.captured.previous.is_none() || world.front.held() == Some(true);
        let wanted = self.goals().1.wanted;
        let live = self.job.bring_up(&self.program, &wanted).await?;
        Ok(Done { changed, ..self.job.serve(&live, true).await? })
    }

    /// What a unit that keeps reports: it is not what serves. That it keeps anything is a fact for the units behind it.
    fn noted(&self) -> Done {
        let name = &self.job.site.name;
        let effect = match &self.captured.previous {
            Some(Previous { number, spec }) => {
                format!("{name} {} runs as instance {}", spec.version, instance::name(*number))
            }
            None => format!("{name} does not run"),
        };
        let facts = self.captured.previous.as_ref().map(|_| serde_json::json!({ KEPT: name }));
        Done { changed: true, effects: vec![effect], facts: facts.unwrap_or_default(), ..Done::default() }
    }

    /// Whether what ran before still runs, in the same process: it has in memory what it was started from.
    fn still_runs(&self, world: &World) -> bool {
        let Some(previous) = &self.captured.previous else { return false };
        world.live.iter().any(|live| {
            let same_process = self.captured.pid.is_none() || live.life.pid() == self.captured.pid;
            live.instance.number == previous.number && same_process && !live.instance.ending()
        })
    }

    /// The way back is done by the unit that keeps the service, when the files that it runs from are back; unless what ran before still
    /// runs, which then gets the requests at once. `None`: here and now.
    fn left_to_keep(&self, world: &World) -> Option<Rest> {
        self.kept.filter(|_| self.captured.previous.is_some() && !self.still_runs(world))
    }

    /// What it made is no more what should run, and what should run cannot yet.
    async fn rest(&self, rest: Rest, world: &World) -> Result<Done, Failure> {
        self.refuse_strangers(world)?;
        let mut effects = vec![format!("{}: last of all, on what is there then", self.job.site.name)];
        if rest == Rest::StandsStill {
            self.job.hold().await?;
            effects.extend(self.job.stop(|_| true).await?);
        }
        let away = rest == Rest::StandsStill || world.live.iter().all(|live| live.instance.ending());
        let facts = serde_json::json!({ AWAY: away });
        Ok(Done { changed: effects.len() > 1, effects, facts, ..Done::default() })
    }

    /// A later release that was taken back has started again what this one had brought.
    fn brought_here(&self, instance: &Instance) -> bool {
        instance.spec.origin.way == Way::Undo && Program::of(&instance.spec) == self.program
    }

    /// What somebody has started since is theirs: it is not ended, and nothing goes back beneath it.
    fn refuse_strangers(&self, world: &World) -> Result<(), Failure> {
        let stranger = world.live.iter().find(|live| {
            let instance = &live.instance;
            let own = instance.spec.origin.run == self.made.run;
            let same = self.captured.previous.as_ref().is_some_and(|previous| {
                instance.number == previous.number || instance.spec.same_program(&previous.spec)
            });
            !(own || same || self.brought_here(instance) || instance.ending())
        });
        stranger.map_or(Ok(()), |stranger| Err(self.conflict(stranger)))
    }

    /// Nothing was done to what is kept, whether or not the proxy can say so.
    fn is_untouched(&self, world: &World) -> bool {
        self.still_runs(world) && world.live.len() == 1 && world.front.held() != Some(!self.captured.held)
    }

    /// The world at the end of the way back, once something was done to the service.
    fn brought_back(&self) -> Goal {
        let back = Origin { way: Way::Undo, ..self.made.clone() };
        Goal { wanted: Wanted::Made(back), held: self.captured.held }
    }

    /// The last of the way back: what the release has started, or what was started from its files, makes room for one that is
    /// started from the files as they are now.
    async fn undo_keep(&self) -> Result<Done, Failure> {
        let Some(previous) = &self.captured.previous else { return Ok(Done::default()) };
        let world = self.job.look().await?;
        if self.is_untouched(&world) {
            self.job.put_back(self.captured.words.as_deref(), true).await?;
            return Ok(Done::default());
        }
        let world = self.ready().await?;
        let goal = self.brought_back();
        let done = if world.is_done(&goal) {
            Done::default()
        } else {
            self.refuse_strangers(&world)?;
            let program = Program::of(&previous.spec);
            self.job.replace_at_once(&program, &goal.wanted, !self.captured.held).await?
        };
        self.job.put_back(self.captured.words.as_deref(), true).await?;
        Ok(done)
    }

    /// Takes it back.
    pub async fn undo(&self) -> Result<Done, Failure> {
        if self.operation == ServiceOperation::Keep {
            return self.undo_keep().await;
        }
        let world = self.ready().await?;
        if let Some(rest) = self.left_to_keep(&world) {
            return self.rest(rest, &world).await;
        }
        let (before, after) = self.goals();
        if world.is_done(&before) {
            self.job.put_back(self.captured.words.as_deref(), !world.live.is_empty()).await?;
            return Ok(Done::default());
        }
        let Wanted::Previous { previous, .. } = &before.wanted else {
            return self.undo_to_nothing(&world).await;
        };
        let stranger = world.live.iter().find(|live| {
            let instance = &live.instance;
            let expected = before.wanted.is(instance) || after.wanted.is(instance);
            !(expected || self.brought_here(instance) || instance.ending())
        });
        if let Some(stranger) = stranger {
            return Err(self.conflict(stranger));
        }
        let program = Program::of(&previous.spec);
        let resume = !self.captured.held;
        let done = if self.operation == ServiceOperation::Restart {
            self.job.replace_at_once(&program, &before.wanted, resume).await?
        } else {
            self.job.stop(Instance::ending).await?;
            let live = self.job.bring_up(&program, &before.wanted).await?;
            let done = self.job.serve(&live, resume).await?;
            if self.captured.held {
                self.job.hold().await?;
            }
            done
        };
        self.job.put_back(self.captured.words.as_deref(), true).await?;
        Ok(done)
    }

    /// Nothing ran before: ends what the unit made and leaves requests held or not, as they were.
    async fn undo_to_nothing(&self, world: &World) -> Result<Done, Failure> {
        // What a later unit of the run has put in its place, there or back, is the run's too.
        let made =
            |instance: &Instance| instance.spec.origin.run == self.made.run || self.brought_here(instance);
        let (ours, others): (Vec<&Live>, Vec<&Live>) =
            world.live.iter().partition(|live| made(&live.instance));
        if ours.is_empty() && !others.is_empty() {
            // Someone has put another one in its place, who owns it and the hold now.
            return Ok(Done::default());
        }
        if self.captured.words.is_some() {
            self.job.put_back(self.captured.words.as_deref(), false).await?;
            let effects = self.job.stop(made).await?;
            return Ok(Done { changed: true, effects, ..Done::default() });
        }
        if !ours.is_empty() || self.captured.held {
            self.job.hold().await?;
        }
        let effects = self.job.stop(made).await?;
        if !self.captured.held {
            self.job.resume().await?;
        }
        Ok(Done { changed: true, effects, ..Done::default() })
    }

    fn conflict(&self, other: &Live) -> Failure {
        let name = &self.job.site.name;
        let spec = &other.instance.spec;
        let by = if spec.origin.run.is_empty() {
            "by hand".to_owned()
        } else {
            format!("by run {}", spec.origin.run)
        };
        Failure::clean(
            Fault::Target,
            format!(
                "{name} {} was started since ({by}, instance {}); it is not replaced by an undo",
                spec.version,
                other.instance.name()
            ),
        )
        .hint(format!("windlass service stop {name}"))
    }

    /// What became of a try.
    pub async fn inspect(&self, way: Way) -> Result<Found, Failure> {
        let _turn = self.job.turn().await?;
        self.job.calm().await?;
        let world = self.job.look().await?;
        if self.operation == ServiceOperation::Keep {
            let back = self.captured.previous.is_none()
                || world.is_done(&self.brought_back())
                || self.is_untouched(&world);
            return Ok(match way {
                Way::Forward => Found::Applied(self.noted()),
                Way::Undo if back => Found::Applied(Done::default()),
                // Whatever was begun, it is brought to its end.
                Way::Undo => Found::NotApplied,
            });
        }
        if way == Way::Undo && self.left_to_keep(&world).is_some() {
            // To leave it as it is, or to end what is ended, is done again without harm.
            return Ok(Found::NotApplied);
        }
        let (before, after) = match way {
            Way::Forward => self.goals(),
            Way::Undo => {
                let (before, after) = self.goals();
                (after, before)
            }
        };
        if let FrontLook::Silent(error @ FrontError::Lost(_)) = &world.front {
            let failure = self.job.silent(error);
            return Ok(Found::Unknown(format!("{}; look at: {}", failure.message, failure.hints.join(", "))));
        }
        if world.is_done(&after) {
            return Ok(Found::Applied(self.found(&world)?));
        }
        if world.is(&before) {
            return Ok(Found::NotApplied);
        }
        let mut failure = match &world.front {
            FrontLook::Silent(error) => self.job.silent(error),
            _ => Failure::clean(
                Fault::Target,
                format!("{} is neither as before nor as wanted", self.job.site.name),
            ),
        };
        failure.message = format!("{}: {}", failure.message, describe(&world));
        Ok(Found::Failed(
            Failure { effect: Effect::Partial, ..self.job.judge(failure, &before, false).await }.retryable(),
        ))
    }

    fn found(&self, world: &World) -> Result<Done, Failure> {
        let Some(live) = world.live.first() else { return Ok(self.stopped()) };
        let noted = live.instance.ready().map_err(|error| broken("ready.json", &error))?;
        // Switched, but its controller was killed before it noted how long requests waited: the longest wait that
        // the proxy has seen is an upper bound.
        let bound = || Ready {
            hold_ms: world.front.status().map_or(0, |status| status.hold_ms_max),
            held: world
                .front
                .status()
                .map_or(0, |status| status.held.saturating_sub(self.captured.held_total)),
        };
        Ok(self.job.done(live, &noted.unwrap_or_else(bound)))
    }
}

/// One line on what is there.
pub fn describe(world: &World) -> String {
    let live: Vec<String> = world
        .live
        .iter()
        .map(|live| {
            let ending = if live.instance.ending() { ", being ended" } else { "" };
            format!("instance {} ({}{ending})", live.instance.name(), live.instance.spec.version)
        })
        .collect();
    let live =
        if live.is_empty() { "no instance runs".to_owned() } else { format!("runs {}", live.join(" and ")) };
    let held = match world.front.held() {
        Some(true) => "requests are held",
        Some(false) => "requests are not held",
        None => "whether requests are held is not known",
    };
    let to = world.front.status().map_or_else(String::new, |status| {
        let to: Vec<&str> = status.upstreams.iter().map(|one| one.upstream.address.as_str()).collect();
        format!(", the proxy sends them to [{}]", to.join(", "))
    });
    format!("{live}, {held}{to}")
}
