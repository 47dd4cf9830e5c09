//! A server of this machine in front of a service, of whose configuration a marked part is Windlass's: how it is changed, whatever
//! the server is.
//!
//! A change is: the file read and compared with what Windlass wrote last; a candidate checked by the server's own program; a note; the
//! file replaced; the reload; its proof; the note removed. Whoever finds the note finishes from there: until then either of the two
//! configurations may be in force.

use super::{
    file::{File, Found, Texts, not_done, refused},
    haproxy::Haproxy,
    marks::Whose,
    master::{Children, Master},
    nginx::Nginx,
};
use crate::{
    host::place::{Place, Program},
    service::{Front, FrontError, Mode},
};
use async_trait::async_trait;
use std::{path::Path, sync::Arc, time::Duration};
use windlass_driver::{Failure, Fault};
use windlass_plan::{FrontKind, FrontServer};
use windlass_proxy::control::{Request, Status, Upstream, UpstreamStatus};

/// Longest run of the program that checks a configuration, and of a reload's command.
pub const COMMAND_MAX: Duration = Duration::from_secs(60);
/// Behind an address, in a line of ours.
pub const VERSION: &str = "# version ";
/// What the server does with requests, in the part for it.
pub const MODE: &str = "# mode: ";

/// What requests meet, as the marked parts say it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Servers, and their shares.
    pub upstreams: Vec<Upstream>,
    /// All requests are answered 503.
    pub maintenance: bool,
    /// Those that may write are answered 503.
    pub readonly: bool,
}

impl Wanted {
    /// What a client is told that is answered 503.
    pub fn why(&self) -> &'static str {
        if self.maintenance {
            "down for maintenance"
        } else {
            "read-only for maintenance: this was not done, repeat it later"
        }
    }

    fn modes(&self) -> (bool, bool) {
        (self.maintenance, self.readonly)
    }
}

/// What is particular to a kind of server.
#[async_trait]
pub trait Server: Send + Sync {
    /// The server that a line of the part for servers names.
    fn upstream(&self, line: &str) -> Option<Upstream>;

    /// That line.
    fn line(&self, upstream: &Upstream) -> String;

    /// Lines that answer requests of the service 503 as wanted.
    fn mode(&self, service: &str, wanted: &Wanted) -> Vec<String>;

    /// The one that runs, of which `text` is the configuration.
    async fn find(&self, file: &File, text: &str) -> Result<Master, FrontError>;

    /// Whether what runs has read `text`, as far as it says: before the first change.
    async fn follows(&self, _file: &File, _text: &str) -> Result<(), FrontError> {
        Ok(())
    }

    /// What has its program check its configuration, for people.
    fn check_words(&self) -> String;

    /// Has its program say whether it would take `candidate` for the file `real`; refused in its own words.
    async fn check(&self, real: &Path, candidate: &str, wanted: &Wanted) -> Result<(), FrontError>;

    /// Has it read its configuration again, when no command for that is configured.
    async fn ask(&self, master: &Master) -> Result<(), FrontError>;

    /// Whether processes that read `text` take all new connections, of all its children `now`.
    async fn serves(
        &self,
        file: &File,
        text: &str,
        before: &Children,
        now: &Children,
    ) -> Result<bool, FrontError>;
}

/// A server that a team runs already, in front of one service.
pub struct Marked {
    file: File,
    server: Box<dyn Server>,
    /// As it calls itself.
    kind: &'static str,
    reload: Vec<String>,
    step: Arc<dyn Fn(&str) + Send + Sync>,
}

impl Marked {
    /// The one in front of the service `name`, configured in the folder `base`.
    #[must_use]
    pub fn new(base: &Path, name: &str, server: &FrontServer) -> Self {
        let kind = server.kind.name();
        let (servers_in, mode_in) = match server.kind {
            FrontKind::Nginx => ("upstream", "`server` block"),
            FrontKind::Haproxy => ("backend", "`backend`, in front of its other `http-request` rules"),
        };
        let note = base.join(".windlass").join("proxy").join(name).join(format!("{kind}.json"));
        Self {
            file: File { service: name.to_owned(), path: base.join(&server.file), note, servers_in, mode_in },
            server: match server.kind {
                FrontKind::Nginx => Box::new(Nginx::new(base, server)),
                FrontKind::Haproxy => Box::new(Haproxy::new(base, server)),
            },
            kind,
            reload: server.reload.clone(),
            step: Arc::new(|_| ()),
        }
    }

    /// Tells each step of a change before it is done.
    #[must_use]
    pub fn telling(mut self, step: Arc<dyn Fn(&str) + Send + Sync>) -> Self {
        self.step = step;
        self
    }

    /// Has the server's program say whether it would take a text for the file.
    async fn check(&self, found: &Found, text: &str) -> Result<(), FrontError> {
        let wanted = self.said(&self.file.texts(text)?);
        let what = if text == found.text { "its configuration as it stands" } else { "the change" };
        self.server.check(&found.real, text, &wanted).await.map_err(|error| match error {
            FrontError::Refused(why) => {
                refused(format!("`{}` does not take {what}: {why}", self.server.check_words()))
            }
            error => error,
        })
    }

    /// The configuration as it stands in the file, `text`, comes into force; what served before.
    async fn take(&self, master: &Master, text: &str) -> Result<Children, FrontError> {
        // What others asked for before the file was replaced may have read the old one: it ends first.
        let before = master.calm().await?;
        (self.step)("reload");
        let asked = match self.reload.as_slice() {
            [] => self.server.ask(master).await,
            words => {
                let program = Program::new(words.iter().cloned()).limit(COMMAND_MAX);
                let answer = Place::here().run(&program).await.map_err(not_done)?;
                if answer.is_ok() { Ok(()) } else { Err(refused(answer.complaint())) }
            }
        };
        asked.map_err(|error| match error {
            FrontError::Refused(why) => refused(format!("the reload failed: {why}")),
            error => error,
        })?;
        let mut watch = master.watch(&before);
        while !self.server.serves(&self.file, text, &before, &watch.next().await?).await? {}
        Ok(before)
    }

    /// Writes other texts into the parts and has the server take them; in force when this returns.
    async fn put(&self, found: &Found, texts: &Texts, drain_ms: u64) -> Result<(), FrontError> {
        self.file.unchanged(&found.text)?;
        let text = self.file.with(&found.text, texts)?;
        let master = self.server.find(&self.file, &found.text).await?;
        self.server.follows(&self.file, &found.text).await?;
        (self.step)("check");
        self.check(found, &text).await?;
        (self.step)("note");
        self.file.begin(found)?;
        (self.step)("write");
        if let Err(error) = self.file.write(found, &text, &found.text).await {
            if matches!(error, FrontError::Refused(_)) {
                self.file.forget()?;
            }
            return Err(error);
        }
        let before = match self.take(&master, &text).await {
            Ok(before) => before,
            Err(error) => return Err(self.put_old(found, &text, error).await),
        };
        self.file.forget()?;
        (self.step)("drain");
        master.drained(&before, Duration::from_millis(drain_ms)).await.map(drop)
    }

    /// The file as it was, when the server did not take it: it still runs with what it had.
    async fn put_old(&self, found: &Found, text: &str, error: FrontError) -> FrontError {
        let FrontError::Refused(why) = error else { return error };
        match self.file.write(found, &found.text, text).await {
            Ok(()) => match self.file.forget() {
                Ok(()) => refused(format!("{why}; {} is as it was", self.file.shown())),
                Err(error) => error,
            },
            Err(error) => FrontError::Lost(format!("{why}; and the file cannot be put back: {error:?}")),
        }
    }

    /// What the texts say.
    fn said(&self, texts: &Texts) -> Wanted {
        let mode = texts.mode.as_deref().unwrap_or_default().lines().map(str::trim);
        let mode = mode.filter_map(|line| line.strip_prefix(MODE)).next().unwrap_or_default();
        let servers = texts.servers.lines().map(str::trim);
        Wanted {
            upstreams: servers.filter_map(|line| self.server.upstream(line)).collect(),
            maintenance: mode.contains(Mode::Maintenance.word()),
            readonly: mode.contains(Mode::Readonly.word()),
        }
    }

    /// What Windlass writes into the parts of a text for this.
    fn made(&self, text: &str, wanted: &Wanted) -> Result<Texts, FrontError> {
        let servers = self.file.servers(text)?;
        let open = wanted.upstreams.iter().filter(|one| one.weight > 0);
        let lines: Vec<String> = open.map(|one| self.server.line(one)).collect();
        if lines.is_empty() {
            return Err(refused("it needs one server at least"));
        }
        let now = self.said(&self.file.texts(text)?);
        let changes = now.modes() != wanted.modes();
        let mode = match self.file.mode(text)? {
            None if changes => return Err(self.file.no_mode()),
            None => None,
            Some(part) if !changes => Some(part.content.to_owned()),
            Some(_) if wanted.modes() == (false, false) => Some(String::new()),
            Some(part) => Some(part.made(&self.mode_lines(wanted))),
        };
        let same = now.upstreams == wanted.upstreams && servers.whose() == Whose::Ours;
        let servers = if same { servers.content.to_owned() } else { servers.made(&lines) };
        Ok(Texts { servers, mode })
    }

    fn mode_lines(&self, wanted: &Wanted) -> Vec<String> {
        let words = [(wanted.maintenance, Mode::Maintenance), (wanted.readonly, Mode::Readonly)];
        let words: Vec<&str> = words.into_iter().filter(|(on, _)| *on).map(|(_, mode)| mode.word()).collect();
        let mut lines = vec![format!("{MODE}{}", words.join(" "))];
        lines.extend(self.server.mode(&self.file.service, wanted));
        lines
    }

    /// Changes what requests meet.
    async fn change(
        &self,
        drain_ms: u64,
        change: impl FnOnce(&mut Wanted) -> bool,
    ) -> Result<Status, FrontError> {
        let _lock = self.file.lock().await?;
        self.finish().await?;
        let found = self.file.read().await?;
        let texts = self.file.texts(&found.text)?;
        let mut wanted = self.said(&texts);
        if change(&mut wanted) {
            let made = self.made(&found.text, &wanted)?;
            // Without a note of a change, what stands there is in force: a reload would only close connections.
            if made != texts {
                self.put(&found, &made, drain_ms).await?;
            }
        }
        self.status().await
    }

    /// Finishes a change that was cut off; the lock is held.
    async fn finish(&self) -> Result<(), FrontError> {
        let Some(pending) = self.file.pending()? else { return Ok(()) };
        let found = self.file.read().await?;
        if found.sha256 == pending.before {
            // It ended before it replaced the file.
            return self.file.forget();
        }
        let master = self.server.find(&self.file, &found.text).await?;
        self.check(&found, &found.text).await?;
        self.take(&master, &found.text).await?;
        self.file.forget()
    }

    async fn status(&self) -> Result<Status, FrontError> {
        let text = self.file.read().await?.text;
        let texts = self.file.texts(&text)?;
        let master = self.server.find(&self.file, &text).await?;
        self.file.unchanged(&text)?;
        let mut now = self.said(&texts);
        // Either of the two may be in force.
        if let Some(pending) = self.file.pending()? {
            let before = self.said(&pending.texts);
            let more = before.upstreams.into_iter().filter(|one| !now.upstreams.contains(one));
            let more: Vec<Upstream> = more.collect();
            now.upstreams.extend(more);
            now.maintenance |= before.maintenance;
            now.readonly |= before.readonly;
        }
        let upstreams = now.upstreams.into_iter().map(|upstream| UpstreamStatus {
            upstream,
            healthy: None,
            healthy_ms: 0,
            in_flight: 0,
            problem: None,
        });
        Ok(Status {
            pid: master.pid(),
            listen: format!("{} ({})", self.kind, self.file.shown()),
            holding_ms: now.maintenance.then_some(0),
            maintenance: now.maintenance,
            readonly: now.readonly,
            upstreams: upstreams.collect(),
            ..Status::default()
        })
    }
}

#[async_trait]
impl Front for Marked {
    async fn call(&self, request: &Request) -> Result<Status, FrontError> {
        match request {
            Request::Status => self.status().await,
            Request::Hold { drain_ms, .. } => {
                let hold = |wanted: &mut Wanted| {
                    wanted.maintenance = true;
                    true
                };
                self.change(*drain_ms, hold).await
            }
            Request::Resume => {
                self.change(0, |wanted| std::mem::replace(&mut wanted.maintenance, false)).await
            }
            Request::Switch { upstreams, drain_ms, resume } => {
                let switch = |wanted: &mut Wanted| {
                    let plain = |upstream: &Upstream| Upstream { health: None, ..upstream.clone() };
                    wanted.upstreams = upstreams.iter().map(plain).collect();
                    wanted.maintenance &= !resume;
                    true
                };
                self.change(*drain_ms, switch).await
            }
            Request::Mode { mode, on, drain_ms } => {
                let change = |wanted: &mut Wanted| {
                    let now = match mode {
                        Mode::Maintenance => &mut wanted.maintenance,
                        Mode::Readonly => &mut wanted.readonly,
                    };
                    std::mem::replace(now, *on) != *on
                };
                // Connections that were there before end first, so that what is answered 503 reaches nobody behind it any more.
                self.change(if *on { *drain_ms } else { 0 }, change).await
            }
            Request::Stop { .. } | Request::TakeOver => {
                Err(refused("Windlass does not end a server that it did not start"))
            }
        }
    }

    async fn settle(&self) -> Result<(), FrontError> {
        if self.file.pending()?.is_none() {
            return Ok(());
        }
        let _lock = self.file.lock().await?;
        self.finish().await
    }

    async fn ready(&self) -> Result<(), FrontError> {
        let found = self.file.read().await?;
        if self.file.pending()?.is_none() {
            self.server.follows(&self.file, &found.text).await?;
        }
        self.check(&found, &found.text).await
    }

    async fn can_hold(&self) -> Result<(), FrontError> {
        let text = self.file.read().await?.text;
        self.file.mode(&text)?.map(drop).ok_or_else(|| self.file.no_mode())
    }

    async fn words(&self) -> Result<Option<String>, FrontError> {
        let texts = self.file.texts(&self.file.read().await?.text)?;
        serde_json::to_string(&texts).map(Some).map_err(|error| refused(error.to_string()))
    }

    async fn put_back(&self, words: &str, same: bool, drain_ms: u64) -> Result<(), FrontError> {
        let texts: Texts = serde_json::from_str(words).map_err(|error| refused(error.to_string()))?;
        let _lock = self.file.lock().await?;
        self.finish().await?;
        let found = self.file.read().await?;
        let now = self.file.texts(&found.text)?;
        let addresses = |texts: &Texts| {
            let said = self.said(texts);
            let addresses: Vec<String> = said.upstreams.into_iter().map(|one| one.address).collect();
            (addresses, said.maintenance, said.readonly)
        };
        if now == texts || (same && addresses(&now) != addresses(&texts)) {
            return Ok(());
        }
        // Whether writes pass is a person's word, and no release's to take back.
        let (then, now) = (self.said(&texts), self.said(&now));
        if then.readonly == now.readonly {
            return self.put(&found, &texts, drain_ms).await;
        }
        let mode = self.made(&found.text, &Wanted { maintenance: then.maintenance, ..now })?.mode;
        self.put(&found, &Texts { mode, ..texts }, drain_ms).await
    }

    fn failure(&self, name: &str, error: &FrontError) -> Failure {
        let kind = self.kind;
        match error {
            FrontError::Down(why) => {
                Failure::clean(Fault::Target, format!("the {kind} in front of {name} does not run: {why}"))
                    .hint(format!("systemctl start {kind}"))
            }
            FrontError::Refused(why) => {
                Failure::clean(Fault::Target, format!("the {kind} in front of {name}: {why}"))
                    .hint(self.server.check_words())
            }
            FrontError::Lost(why) => Failure::unknown(
                Fault::Transport,
                format!("the {kind} in front of {name}: {why}; which servers get the requests is not known"),
            )
            .hint(self.server.check_words()),
        }
    }
}
