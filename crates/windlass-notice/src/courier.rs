//! Sends notices beside a run, from a thread and a runtime of its own: nothing that a receiver does or leaves undone can hold up the run.

use crate::{
    Notice, Outcome, Record, Sent,
    send::{Sender, TRY_MAX, Tries},
};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc as threads},
    time::{Duration, Instant},
};
use tokio::sync::{mpsc, watch};
use windlass_driver::Secrets;
use windlass_plan::{Lang, Moment, Receiver};

/// At the end of a command notices have so long.
pub const FINISH_MAX: Duration = Duration::from_secs(3);
/// Beyond it, for what takes no time: to note what was not sent.
const NOTE_MAX: Duration = Duration::from_millis(500);
/// Notices that wait for one receiver.
const QUEUE_MAX: usize = 16;
/// Outcomes that are kept to be said at the end; all of them are in the record.
const KEPT_MAX: usize = 200;

/// Milliseconds since 1970.
pub type Clock = fn() -> i64;

/// A notice on its way.
struct Letter {
    notice: Notice,
    on: String,
}

struct Lane {
    name: String,
    receiver: Receiver,
    queue: mpsc::Sender<Letter>,
}

/// Notes what becomes of notices.
#[derive(Clone)]
struct Notes {
    record: Record,
    clock: Clock,
    kept: Arc<Mutex<Vec<Sent>>>,
}

/// Sends notices.
pub struct Courier {
    lanes: Vec<Lane>,
    notes: Notes,
    closing: watch::Sender<Option<tokio::time::Instant>>,
    over: Mutex<threads::Receiver<()>>,
}

impl Courier {
    /// For these receivers, by name. `proxy` is what HTTPS goes through.
    #[must_use]
    pub fn start(
        receivers: &BTreeMap<String, Receiver>,
        secrets: &Arc<dyn Secrets>,
        record: Record,
        proxy: Option<&str>,
        clock: Clock,
    ) -> Self {
        let notes = Notes { record, clock, kept: Arc::default() };
        let (closing, closed) = watch::channel(None);
        let (done, over) = threads::channel();
        let (mut lanes, mut work) = (Vec::new(), Vec::new());
        for (name, receiver) in receivers {
            let (queue, letters) = mpsc::channel(QUEUE_MAX);
            lanes.push(Lane { name: name.clone(), receiver: receiver.clone(), queue });
            work.push((name.clone(), receiver.clone(), letters));
        }
        let (secrets, own, proxy) = (secrets.clone(), notes.clone(), proxy.map(str::to_owned));
        if !work.is_empty() {
            let thread = std::thread::Builder::new().name("notices".to_owned());
            // A machine without room for a thread closes the queues: each notice is noted as unsent.
            let _ = thread.spawn(move || {
                run(work, &secrets, &own, proxy.as_deref(), &closed);
                // Nobody waits any more, which is as good.
                let _ = done.send(());
            });
        }
        Self { lanes, notes, closing, over: Mutex::new(over) }
    }

    /// Tells each receiver that wants to hear of one of the moments, the first of which is its name, but none that wants to hear of one of
    /// `told`: those know already. Never waits.
    pub fn tell(&self, on: &[Moment], told: &[Moment], words: impl Fn(Option<Lang>) -> Notice) {
        let Some(first) = on.first() else { return };
        let hears = |lane: &Lane, of: &[Moment]| of.iter().any(|moment| lane.receiver.on.contains(moment));
        for lane in self.lanes.iter().filter(|lane| hears(lane, on) && !hears(lane, told)) {
            self.put(lane, first.word(), words(lane.receiver.lang));
        }
    }

    /// Tells every receiver, whatever it wants to hear.
    pub fn test(&self, words: impl Fn(Option<Lang>) -> Notice) {
        for lane in &self.lanes {
            self.put(lane, "test", words(lane.receiver.lang));
        }
    }

    fn put(&self, lane: &Lane, on: &str, notice: Notice) {
        let letter = Letter { notice, on: on.to_owned() };
        let (letter, why) = match lane.queue.try_send(letter) {
            Ok(()) => return,
            Err(mpsc::error::TrySendError::Full(letter)) => {
                (letter, format!("{QUEUE_MAX} notices wait for this receiver already"))
            }
            Err(mpsc::error::TrySendError::Closed(letter)) => {
                (letter, "what sends notices could not be started, or is gone".to_owned())
            }
        };
        let tries = Tries { count: 0, why: Some(why) };
        self.notes.note(&lane.name, &lane.receiver, &letter, Outcome::Unsent, tries);
    }

    /// Waits until all is sent, at most [`FINISH_MAX`]; what became of the notices, in order of time.
    pub fn finish(&self) -> Vec<Sent> {
        self.finish_within(FINISH_MAX)
    }

    /// The same for a command that does nothing but send: as long as every try may take.
    pub fn finish_patiently(&self) -> Vec<Sent> {
        self.finish_within(TRY_MAX * 5)
    }

    fn finish_within(&self, max: Duration) -> Vec<Sent> {
        if !self.lanes.is_empty() {
            let end = Instant::now() + max;
            self.closing.send_replace(Some(end.into()));
            let over = self.over.lock().unwrap_or_else(PoisonError::into_inner);
            // Whatever keeps the thread longer, a file system that hangs for one, is not waited for.
            let _ = over.recv_timeout(max + NOTE_MAX);
        }
        self.notes.lock().clone()
    }
}

impl Notes {
    fn lock(&self) -> MutexGuard<'_, Vec<Sent>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, name: &str, receiver: &Receiver, letter: &Letter, outcome: Outcome, tries: Tries) {
        let mut sent = Sent {
            format: Sent::FORMAT,
            at_ms: (self.clock)(),
            run: letter.notice.run.clone(),
            name: name.to_owned(),
            kind: receiver.kind().to_string(),
            on: letter.on.clone(),
            outcome,
            tries: tries.count,
            why: tries.why,
        };
        if let Err(error) = self.record.add(&sent) {
            let before = sent.why.take().map_or(String::new(), |why| format!("{why}; "));
            sent.why = Some(format!("{before}this could not be recorded: {error}"));
        }
        let mut kept = self.lock();
        if kept.len() < KEPT_MAX {
            kept.push(sent);
        }
    }
}

type Work = (String, Receiver, mpsc::Receiver<Letter>);
type Closed = watch::Receiver<Option<tokio::time::Instant>>;

/// Serves all receivers side by side until it is closed.
fn run(work: Vec<Work>, secrets: &Arc<dyn Secrets>, notes: &Notes, proxy: Option<&str>, closed: &Closed) {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        // The queues are closed with this, so that each notice is noted as unsent.
        Err(_) => return,
    };
    let client = client(proxy);
    let lanes: Vec<_> = work
        .into_iter()
        .map(|(name, receiver, letters)| {
            let (secrets, client) = (secrets.clone(), client.clone());
            let sender = Sender { way: receiver.way.clone(), secrets, client, clock: notes.clock };
            runtime.spawn(serve(name, receiver, sender, letters, notes.clone(), closed.clone()))
        })
        .collect();
    runtime.block_on(async {
        for lane in lanes {
            // A lane that panicked has lost its own notices, not those of the others.
            let _ = lane.await;
        }
    });
    // A look-up of a name or a command for a secret may go on; nobody waits for it.
    runtime.shutdown_background();
}

/// A redirect would take the token to a stranger.
fn client(proxy: Option<&str>) -> Result<reqwest::Client, String> {
    // Installing twice is no error that matters: the provider is the same.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(TRY_MAX)
        .user_agent(concat!("windlass/", env!("CARGO_PKG_VERSION")))
        .no_proxy();
    if let Some(proxy) = proxy {
        // The error would have the proxy's address in it, which may have a password.
        let proxy =
            reqwest::Proxy::https(proxy).map_err(|_| "HTTPS_PROXY is no address of a proxy".to_owned())?;
        builder = builder.proxy(proxy);
    }
    builder.build().map_err(|error| format!("there is no HTTP client: {error}"))
}

async fn serve(
    name: String,
    receiver: Receiver,
    sender: Sender,
    mut letters: mpsc::Receiver<Letter>,
    notes: Notes,
    closed: Closed,
) {
    loop {
        let letter = tokio::select! {
            biased;
            letter = letters.recv() => letter,
            _ = closing(closed.clone()) => letters.try_recv().ok(),
        };
        let Some(letter) = letter else { return };
        let mut tries = Tries::default();
        let outcome = tokio::select! {
            biased;
            () = over(closed.clone()) => Outcome::Unsent,
            outcome = sender.deliver(&letter.notice, &letter.on, &mut tries) => outcome,
        };
        if outcome == Outcome::Unsent {
            let last = tries.why.take().map_or(String::new(), |why| format!("; before: {why}"));
            tries.why = Some(format!("the command ended before there was an answer{last}"));
        }
        notes.note(&name, &receiver, &letter, outcome, tries);
    }
}

/// Until no more notices come; then the time until which they may be sent.
async fn closing(mut closed: Closed) -> tokio::time::Instant {
    match closed.wait_for(Option::is_some).await {
        Ok(end) => end.unwrap_or_else(tokio::time::Instant::now),
        // Whoever told is gone without a word: nobody waits.
        Err(_) => tokio::time::Instant::now(),
    }
}

/// Until the time is over.
async fn over(closed: Closed) {
    tokio::time::sleep_until(closing(closed).await).await;
}
