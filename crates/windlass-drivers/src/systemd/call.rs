//! `systemctl` and `journalctl` at a place.

use super::state::{PROPERTIES, State};
use crate::{
    disk::one_line,
    host::place::{Answer, Place, Program},
};
use std::time::{Duration, Instant};
use windlass_driver::{Context, Failure, Fault};
use windlass_plan::{Action, SystemdVerb, Unit};

/// Without a limit of its own a unit gets this long to come to rest; systemd's own default is 90 s (systemd-system.conf(5)).
const REST_WITHIN: Duration = Duration::from_secs(10 * 60);
/// What is started has to run this long without ending, being restarted or failing.
const STAYS_FOR: Duration = Duration::from_millis(1500);
/// Between two looks.
const PAUSE_FIRST: Duration = Duration::from_millis(20);
const PAUSE_MAX: Duration = Duration::from_millis(500);
/// Lines of the unit's log that a failure shows.
const LOG_LINES: &str = "12";

/// A unit of the manager at a place, and who is asked.
pub(super) struct Call<'a> {
    pub(super) cx: &'a Context,
    pub(super) place: Place,
    pub(super) verb: SystemdVerb,
    /// Empty: of all units.
    pub(super) name: &'a str,
    sudo: bool,
    user: bool,
}

impl<'a> Call<'a> {
    pub(super) fn new(cx: &'a Context, place: Place, unit: &'a Unit) -> Result<Self, Failure> {
        let Action::Systemd { verb, name, sudo, user } = &unit.action else {
            let message =
                format!("unit {} was given to the driver of systemd but is none of its actions", unit.id);
            return Err(Failure::clean(Fault::Windlass, message));
        };
        Ok(Self { cx, place, verb: *verb, name, sudo: *sudo, user: *user })
    }

    /// For messages: `app.service on web1`.
    pub(super) fn title(&self) -> String {
        let what = if self.name.is_empty() { "systemd" } else { self.name };
        if self.place.is_here() { what.to_owned() } else { format!("{what} on {}", self.place.name()) }
    }

    /// A program of systemd with these words behind its own options.
    fn program(&self, name: &str, words: &[&str]) -> Program {
        let mut argv: Vec<&str> = Vec::new();
        if self.user {
            // Where nobody has logged in by PAM, the manager is there, but nobody says where.
            let run = "XDG_RUNTIME_DIR=${XDG_RUNTIME_DIR:-/run/user/$(id -u)} exec \"$@\"";
            argv.extend(["/bin/sh", "-c", run, "sh"]);
        } else if self.sudo {
            argv.extend(["sudo", "-n", "--"]);
        }
        argv.push(name);
        argv.extend(self.user.then_some("--user"));
        argv.extend(words);
        Program::new(argv).title([&[name], words].concat().join(" "))
    }

    /// What a person types to see what the matter is.
    pub(super) fn typed(&self, words: &str) -> String {
        let front = if self.sudo { "sudo " } else { "" };
        let user = if self.user { " --user" } else { "" };
        self.place.typed(format!("{front}systemctl{user} {words} {}", self.name).trim_end())
    }

    /// How the unit is now.
    pub(super) async fn look(&self) -> Result<State, Failure> {
        self.look_at(self.name).await
    }

    /// How any unit is now.
    pub(super) async fn look_at(&self, name: &str) -> Result<State, Failure> {
        let asked = format!("--property={PROPERTIES}");
        let answer =
            self.place.run(&self.program("systemctl", &["show", &asked, "--", name]).reads()).await?;
        if answer.is_ok()
            && let Some(state) = State::read(&answer.text())
        {
            return Ok(state);
        }
        Err(self.refused("show", &answer))
    }

    /// Gives an order; what follows from it is asked for.
    pub(super) async fn order(&self, verb: &str) -> Result<(), Failure> {
        self.order_of(verb, self.name).await
    }

    /// Gives an order about any unit.
    pub(super) async fn order_of(&self, verb: &str, name: &str) -> Result<(), Failure> {
        let mut words = vec![verb];
        if matches!(verb, "start" | "stop" | "restart" | "reload") {
            // Nobody has to stay connected until it is done.
            words.push("--no-block");
        }
        words.push("--no-ask-password");
        if !name.is_empty() {
            words.extend(["--", name]);
        }
        let answer = self.place.run(&self.program("systemctl", &words)).await?;
        if answer.is_ok() {
            return Ok(());
        }
        let refused = self.refused(verb, &answer);
        // Of anything else it is not certain that systemd did nothing.
        Err(if is_refusal(&refused.message) { refused } else { partial(refused) })
    }

    /// systemd did not do what it was asked.
    fn refused(&self, verb: &str, answer: &Answer) -> Failure {
        // Masked before it is cut: a part of a secret is not known as one.
        let whole = self.cx.secrets.mask(&String::from_utf8_lossy(&answer.stderr));
        let last = whole.lines().rfind(|line| !line.trim().is_empty()).map(|line| one_line(line, 300));
        let said = last.unwrap_or_else(|| format!("exit status {}", answer.status));
        let message = format!("`systemctl {verb}` of {}: {said}", self.title());
        let failure = Failure::clean(Fault::Target, message);
        if said.contains("password is required") || said.contains("terminal is required") {
            return failure.hint(
                "Windlass never gives a password: allow it without one, in a file of /etc/sudoers.d, for example \
                 `deploy ALL=(root) NOPASSWD: /usr/bin/systemctl`",
            );
        }
        if said.contains("authentication required") || said.contains("Access denied") {
            return failure.hint("write `sudo systemctl …`, or log in as a user who may");
        }
        failure.hint(self.typed("status"))
    }

    /// The unit once nothing is going on any more.
    pub(super) async fn at_rest(&self) -> Result<State, Failure> {
        self.at_rest_of(self.name).await
    }

    /// Any unit once nothing is going on any more.
    pub(super) async fn at_rest_of(&self, name: &str) -> Result<State, Failure> {
        let within = self.cx.timeout_ms.map_or(REST_WITHIN, Duration::from_millis);
        let (begun, mut pause) = (Instant::now(), PAUSE_FIRST);
        loop {
            let state = self.look_at(name).await?;
            if !state.is_moving() {
                return Ok(state);
            }
            if begun.elapsed() > within {
                let message =
                    format!("{} is still {} after {} s", self.title(), state.words(), within.as_secs_f64());
                return Err(Failure::partial(Fault::Target, message).hint(self.typed("status")));
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    /// The unit once it runs and has stayed for a moment.
    pub(super) async fn stays(&self) -> Result<State, Failure> {
        let state = self.at_rest().await.map_err(partial)?;
        if state.is_done() {
            return Ok(state);
        }
        let (begun, mut now) = (Instant::now(), state.clone());
        loop {
            let is_same = (&now.invocation, now.restarts) == (&state.invocation, state.restarts);
            if !now.runs() || !is_same {
                return Err(self.fell(&now, &state).await);
            }
            if begun.elapsed() >= STAYS_FOR {
                return Ok(now);
            }
            tokio::time::sleep(STAYS_FOR / 5).await;
            now = self.look().await.map_err(partial)?;
        }
    }

    /// It does not run, or not for long.
    async fn fell(&self, now: &State, first: &State) -> Failure {
        let what = if now.flaps() || now.restarts > first.restarts {
            format!(
                "ends by itself and is started again and again (`Restart=`, {} times so far)",
                now.restarts
            )
        } else {
            format!("is {} ({})", now.words(), now.result)
        };
        let message = format!("{} was started, but {what}", self.title());
        Failure::partial(Fault::Target, message).hint(self.typed("status")).output(self.log().await)
    }

    /// The last lines of its log; whatever keeps them from being read is no reason to say nothing else.
    async fn log(&self) -> String {
        // What was said last may still be on its way.
        let _ = self.place.run(&self.program("journalctl", &["--sync"]).reads()).await;
        let unit = if self.user { "--user-unit" } else { "--unit" };
        let words = [unit, self.name, "--lines", LOG_LINES, "--no-pager", "--output=cat"];
        let answer = self.place.run(&self.program("journalctl", &words).reads()).await;
        let text = self.cx.secrets.mask(&answer.map(|answer| answer.text()).unwrap_or_default());
        text.lines().map(|line| one_line(line, 300)).collect::<Vec<_>>().join("\n")
    }
}

/// What systemd and sudo say when they do not even begin.
fn is_refusal(said: &str) -> bool {
    [
        "password is required",
        "terminal is required",
        "authentication required",
        "Access denied",
        "not found",
        "not loaded",
        "masked",
    ]
    .iter()
    .any(|words| said.contains(words))
}

/// The order was given.
pub(super) fn partial(failure: Failure) -> Failure {
    use windlass_driver::Effect;
    let effect = if failure.effect == Effect::None { Effect::Unknown } else { failure.effect };
    Failure { effect, ..failure }
}
