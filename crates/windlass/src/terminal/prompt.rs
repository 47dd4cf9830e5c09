//! Questions on the terminal.

use super::{Progress, raw};
use crate::notices::Notices;
use async_trait::async_trait;
use std::{
    io::{self, BufRead as _, Read as _},
    sync::Arc,
    time::Duration,
};
use tokio::sync::{Mutex, mpsc};
use windlass_driver::Stopping;
use windlass_engine::{Answer, Choice, People};
use windlass_journal::RunState;
use windlass_plan::{Step, Unit, UnitId};
use windlass_report::{Stand, tame};

/// Longest answer, bytes.
const ANSWER_BYTES_MAX: u64 = 4 * 1024;
/// How often a question looks whether a person asked to stop instead of answering.
const LOOK: Duration = Duration::from_millis(50);

/// Asks before anything runs, when no runtime is there yet. False unless the answer is yes.
pub fn yes_or_no(question: &str) -> bool {
    raw(&format!("{} [y/N] ", tame(question)));
    let mut answer = String::new();
    match io::stdin().lock().take(ANSWER_BYTES_MAX).read_line(&mut answer) {
        Ok(_) => is_yes(&answer),
        Err(_) => false,
    }
}

fn is_yes(answer: &str) -> bool {
    matches!(answer.trim().to_lowercase().as_str(), "y" | "yes" | "是" | "はい")
}

fn is_no(answer: &str) -> bool {
    matches!(answer.trim().to_lowercase().as_str(), "n" | "no" | "否" | "いいえ")
}

/// Reads answers beside a run. The thread that reads ends with the process.
pub struct Asker(Mutex<Option<mpsc::Receiver<String>>>);

impl Asker {
    pub fn new() -> Self {
        Self(Mutex::new(None))
    }

    /// The next line, or `None` when the terminal is closed or a person asked to stop.
    async fn line(&self, question: &str, stopping: &Stopping) -> Option<String> {
        let mut slot = self.0.lock().await;
        let lines = slot.get_or_insert_with(reader);
        // What was typed before the question was not meant as its answer.
        while lines.try_recv().is_ok() {}
        raw(question);
        loop {
            tokio::select! {
                line = lines.recv() => return line,
                () = tokio::time::sleep(LOOK), if !stopping.asked() => {}
            }
            if stopping.asked() {
                return None;
            }
        }
    }
}

fn reader() -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel(16);
    // A thread, not a task of the runtime: a read of the terminal cannot be cancelled.
    std::thread::spawn(move || {
        loop {
            let mut line = String::new();
            match io::stdin().lock().take(ANSWER_BYTES_MAX).read_line(&mut line) {
                Ok(n) if n > 0 && sender.blocking_send(line).is_ok() => {}
                _ => return,
            }
        }
    });
    receiver
}

/// The person at the terminal, and what they said on the command line.
pub struct TerminalPeople {
    /// Gates confirmed beforehand: ids, or `all`.
    pub confirmed: Vec<String>,
    /// Reads answers; `None` without a terminal.
    pub asker: Option<Asker>,
    /// Makes room for questions.
    pub progress: Arc<Progress>,
    /// A question ends when a person asks to stop.
    pub stopping: Stopping,
    /// Tells the team that a question waits.
    pub notices: Option<Arc<Notices>>,
}

impl TerminalPeople {
    /// Whether `--confirm` names this gate, by its step or unit.
    fn beforehand(&self, step: &Step, unit: &Unit) -> bool {
        self.confirmed.iter().any(|id| id == "all" || *id == step.id.0 || *id == unit.id.0)
    }

    async fn ask(&self, asker: &Asker, question: &str) -> Option<String> {
        self.progress.pause(true);
        let answer = asker.line(question, &self.stopping).await;
        self.progress.pause(false);
        answer
    }

    fn tell(&self, run: &RunState, stand: &Stand) {
        if let Some(notices) = &self.notices {
            notices.waits(run, stand);
        }
    }
}

#[async_trait]
impl People for TerminalPeople {
    async fn confirm(&self, state: &RunState, step: &Step, unit: &Unit) -> Answer {
        if self.beforehand(step, unit) {
            return Answer::Confirmed("by --confirm".into());
        }
        let Some(asker) = &self.asker else { return Answer::Later };
        self.tell(state, &Stand::Gate(unit.id.clone()));
        let mut question =
            format!("\n{}\n  confirm {} (y), refuse (n), later (l)? ", tame(&unit.effect), unit.id);
        loop {
            let Some(answer) = self.ask(asker, &question).await else { return Answer::Later };
            match answer.trim().to_lowercase().as_str() {
                _ if is_yes(&answer) => return Answer::Confirmed(String::new()),
                _ if is_no(&answer) => return Answer::Refused("on the terminal".into()),
                "l" | "later" => return Answer::Later,
                _ => question = "  y, n or l? ".into(),
            }
        }
    }

    async fn choose(&self, state: &RunState, unit: &UnitId, why: &str) -> Choice {
        let Some(asker) = &self.asker else { return Choice::Stop };
        self.tell(state, &Stand::Person { unit: Some(unit.clone()), why: why.to_owned() });
        let (failed, again) = match state.over_budget() {
            Some(_) => ("", "go on all the same (r)"),
            None => (" failed", "try again (r)"),
        };
        let mut question =
            format!("\n{unit}{failed}: {}\n  go back (b), {again}, stop here (s)? ", tame(why));
        loop {
            let Some(answer) = self.ask(asker, &question).await else { return Choice::Stop };
            match answer.trim().to_lowercase().as_str() {
                "b" | "back" | "unwind" => return Choice::Unwind,
                "r" | "retry" => return Choice::Retry,
                "s" | "stop" => return Choice::Stop,
                _ => question = "  b, r or s? ".into(),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_clear_yes_is_a_yes() {
        for answer in ["y\n", "Yes\n", "是\n", " はい \n"] {
            assert!(is_yes(answer), "{answer}");
        }
        for answer in ["", "\n", "no\n", "yeah\n", "n\n"] {
            assert!(!is_yes(answer), "{answer}");
        }
    }
}
