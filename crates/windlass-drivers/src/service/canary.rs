//! A part of the clients first, then more: both versions serve, the proxy counts both, and the new one goes on only while it does
//! as well as the old one.

use super::{
    instance::{Instance, Life},
    job::Job,
    verdict::{Seen, Verdict, judge},
    world::Live,
};
use std::time::Duration;
use tokio::time::Instant;
use windlass_driver::{Effect, Failure, Fault};
use windlass_plan::Canary;
use windlass_proxy::control::{Request, Status};

/// Longest pause between two looks.
const LOOK: Duration = Duration::from_millis(500);
/// Progress is said as often.
const SAY: Duration = Duration::from_secs(5);
/// So many looks in a row that fail, or that find the new version unhealthy, are no accident.
const LOOKS: u32 = 4;
/// A share is watched at most so many times as long as configured, while there are too few requests.
const PATIENCE: u32 = 3;

/// What it will do, for a plan.
pub fn in_words(canary: &Canary) -> String {
    let steps: Vec<String> = canary.steps.iter().map(|share| format!("{share} %")).collect();
    format!(
        "{} of the clients get it first, each share watched for {} s and at least {} requests; then all",
        steps.join(", then "),
        canary.watch_ms / 1000,
        canary.requests
    )
}

/// What came of watching one share.
enum Watched {
    Fine,
    Bad(String),
    TooFew(Seen),
}

/// What a version was asked while it was watched.
fn seen(before: &Status, now: &Status, of: &Live) -> Seen {
    let version = &of.instance.spec.version;
    Seen::between(before.versions.get(version), now.versions.get(version))
}

/// The proxy does not say any more what it counts.
fn unseen(failure: Failure, live: &Live, share: u8) -> Failure {
    let version = &live.instance.spec.version;
    let message = format!("{}; {share} % of the clients get version {version}", failure.message);
    Failure { message, effect: Effect::Partial, ..failure }
        .for_a_person()
        .hint("retry watches this share again; unwind goes back to the old version".to_owned())
}

impl Job<'_> {
    /// Gives `live` its share of the clients, step by step, beside the one that serves now. When this returns without an error it may have
    /// all of them; when it is bad, it has none any more and was stopped.
    pub(super) async fn in_steps(&self, live: &Live) -> Result<(), Failure> {
        let canary = self.site.service.canary.as_deref().cloned().unwrap_or_default();
        let world = self.look().await?;
        let others = |instance: &Instance| instance.number != live.instance.number && !instance.ending();
        let (Some(old), Some(status)) = (world.serving(others), world.front.status()) else { return Ok(()) };
        let (mine, theirs) = (&live.instance.spec.version, &old.instance.spec.version);
        if mine == theirs || status.holding_ms.is_some() {
            let why = if mine == theirs { "both are the same version" } else { "requests are held" };
            (self.say)(&format!("{}: {why}, so there is nothing to compare: no shares\n", self.name()));
            return Ok(());
        }
        // Of a run that was cut short: it goes on at the share where it was.
        let (address, _) = self.site.upstream(&live.instance.spec)?;
        if let Ok(why) = std::fs::read_to_string(live.instance.folder.bad()) {
            return Err(self.back(old, live, 0, &why).await);
        }
        let now = status.upstreams.iter().find(|one| one.upstream.address == address);
        let now = now.map_or(0, |one| one.upstream.weight);
        for share in canary.steps.iter().filter(|share| **share >= now) {
            self.give(old, live, *share).await?;
            match self.watch(&canary, old, live, *share).await? {
                Watched::Fine => {}
                Watched::Bad(why) => return Err(self.back(old, live, *share, &why).await),
                Watched::TooFew(seen) => return Err(self.too_few(&canary, live, *share, &seen)),
            }
        }
        Ok(())
    }

    async fn give(&self, old: &Live, live: &Live, share: u8) -> Result<(), Failure> {
        let (Some(front), Some(proxy)) = (self.front(), &self.site.service.proxy) else { return Ok(()) };
        let upstreams = vec![self.upstream(old, 100 - share)?, self.upstream(live, share)?];
        let version = &live.instance.spec.version;
        (self.say)(&format!("{}: {share} % of the clients get version {version}\n", self.name()));
        let request = Request::Switch { upstreams, drain_ms: proxy.drain_ms, resume: false };
        self.ask(front, &request).await.map(drop)
    }

    /// Watches one share until there is an answer.
    async fn watch(&self, canary: &Canary, old: &Live, live: &Live, share: u8) -> Result<Watched, Failure> {
        let Some(front) = self.front() else { return Ok(Watched::Fine) };
        let mut before = self.ask(front, &Request::Status).await?;
        let (begun, watch) = (Instant::now(), Duration::from_millis(canary.watch_ms));
        let (mut said, mut lost, mut sick) = (begun, 0, 0);
        loop {
            tokio::select! {
                () = tokio::time::sleep(LOOK.min(watch / 4)) => {}
                () = self.stopping.stopped() => return Err(self.paused(live, share)),
            }
            let now = match self.ask(front, &Request::Status).await {
                Ok(now) => now,
                // A proxy that is being replaced answers again.
                Err(_) if lost < LOOKS => {
                    lost += 1;
                    continue;
                }
                Err(failure) => return Err(unseen(failure, live, share)),
            };
            lost = 0;
            if now.pid != before.pid {
                // It was started anew, and counts from zero.
                before.versions.clear();
                before.pid = now.pid;
            }
            match self.ill(live, &now)? {
                Some((why, true)) => return Ok(Watched::Bad(why)),
                Some((why, false)) if sick >= LOOKS => return Ok(Watched::Bad(why)),
                Some(_) => sick += 1,
                None => sick = 0,
            }
            let mine = seen(&before, &now, live);
            let mut theirs = seen(&before, &now, old);
            if theirs.requests < canary.requests {
                theirs = Seen::all(now.versions.get(&old.instance.spec.version));
            }
            let elapsed = begun.elapsed();
            match judge(canary, &mine, &theirs) {
                Verdict::Bad(why) => return Ok(Watched::Bad(why)),
                Verdict::Fine if elapsed >= watch => return Ok(Watched::Fine),
                Verdict::TooFew if elapsed >= watch * PATIENCE => return Ok(Watched::TooFew(mine)),
                Verdict::Fine | Verdict::TooFew => {}
            }
            if said.elapsed() >= SAY {
                said = Instant::now();
                let left = watch.saturating_sub(elapsed).as_secs();
                self.say_seen(live, share, (&mine, &theirs), left);
            }
        }
    }

    fn say_seen(&self, live: &Live, share: u8, (mine, theirs): (&Seen, &Seen), left: u64) {
        let (name, version) = (self.name(), &live.instance.spec.version);
        (self.say)(&format!(
            "{name}: {share} % on {version}: {}; old: {}; {left} s left\n",
            mine.in_words(),
            theirs.in_words()
        ));
    }

    /// What is wrong with the instance itself, whatever its answers are, and whether that is certain at once.
    fn ill(&self, live: &Live, now: &Status) -> Result<Option<(String, bool)>, Failure> {
        let life = live.instance.life().map_err(|error| super::job::broken("the new instance", &error))?;
        let restarts = |life: &Life| life.state().map_or(0, |state| state.restarts);
        if restarts(&life) > restarts(&live.life) || !life.lives() {
            let exit = life.state().and_then(|state| state.last_exit.clone());
            let how = exit.as_deref().unwrap_or("how is not known");
            return Ok(Some((format!("it ended by itself: {how}"), true)));
        }
        let (address, _) = self.site.upstream(&live.instance.spec)?;
        let upstream = now.upstreams.iter().find(|one| one.upstream.address == address);
        let Some(upstream) = upstream else {
            return Ok(Some(("somebody has taken it from the proxy".to_owned(), true)));
        };
        let sick = || format!("its health check fails: {}", upstream.problem.as_deref().unwrap_or("no 2xx"));
        Ok((upstream.healthy == Some(false)).then(|| (sick(), false)))
    }

    /// All clients go back to the old version, and the new one ends.
    async fn back(&self, old: &Live, live: &Live, share: u8, why: &str) -> Failure {
        let spec = &live.instance.spec;
        let message = format!(
            "{} {} is worse than what served before, at {share} % of the clients: {why}",
            self.name(),
            spec.version
        );
        // One that has ended meanwhile, or is sick, cannot take them: then the new one is the better of the two.
        let old_answers = async {
            self.site
                .probe(&old.instance.spec)?
                .once()
                .await
                .map_err(|why| Failure::clean(Fault::Target, why))
        };
        if let Err(gone) = old_answers.await {
            let message = format!(
                "{message}; but the old version does not answer any more: {}; both are left as they are",
                gone.message
            );
            return Failure::partial(Fault::Target, (self.mask)(&message))
                .for_a_person()
                .hint(format!("windlass service status {}", self.name()));
        }
        (self.say)(&format!("{}: {why}; all clients go back\n", self.name()));
        let undone = async {
            let path = live.instance.folder.bad();
            std::fs::write(&path, why)
                .map_err(|error| super::job::broken(&path.display().to_string(), &error))?;
            self.serve(old, true).await?;
            self.stop(|instance| instance.number == live.instance.number).await
        };
        let failure = Failure::clean(Fault::Target, (self.mask)(&message))
            .output(windlass_driver::excerpt(&(self.mask)(&live.instance.tail().join("\n"))))
            .hint(format!("less {}", live.instance.folder.log().display()));
        match undone.await {
            Ok(_) => failure,
            Err(error) => Failure {
                message: format!("{}; and going back failed: {}", failure.message, error.message),
                effect: Effect::Partial,
                ..failure
            },
        }
    }

    fn too_few(&self, canary: &Canary, live: &Live, share: u8, seen: &Seen) -> Failure {
        let (name, version) = (self.name(), &live.instance.spec.version);
        Failure::partial(
            Fault::Target,
            format!(
                "{name} {version} had too few requests to tell whether it is fine, at {share} % of the clients: {}, wanted {} \
                 in {} s; both versions serve",
                seen.in_words(),
                canary.requests,
                canary.watch_ms * u64::from(PATIENCE) / 1000
            ),
        )
        .for_a_person()
        .hint("retry watches this share again; unwind goes back to the old version".to_owned())
        .hint(format!("windlass proxy status {name}"))
    }

    fn paused(&self, live: &Live, share: u8) -> Failure {
        let version = &live.instance.spec.version;
        Failure::partial(
            Fault::Target,
            format!("{}: stopped while {share} % of the clients get version {version}", self.name()),
        )
        .retryable()
        .hint("windlass resume goes on at this share; windlass rollback takes it back".to_owned())
    }
}
