//! Does what the control socket asks for.

use crate::{
    client::Client,
    config::check_upstreams,
    control::{Mode, Reply, Request, Status, Upstream},
    error::ControlError,
    handover, health,
    lane::Lane,
    server::{End, Proxy},
    socket,
    state::{Hold, SaveError, State},
};
use std::{os::fd::AsFd, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{UnixListener, UnixStream},
    sync::{MutexGuard, oneshot},
};

/// How long a control connection may be silent.
const SILENCE_MAX: Duration = Duration::from_secs(60);

/// Pause between attempts to open the control socket of a process that serves already.
const REOPEN: Duration = Duration::from_secs(1);

/// On which socket a command came.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ear {
    /// The control socket: where people and controllers ask.
    Front,
    /// Where a successor passes commands on.
    Former,
}

/// Why a command has no good answer.
#[derive(Debug)]
enum Failed {
    /// Nothing was changed.
    Refused(String),
    /// It is in force.
    Unconfirmed(String),
}

impl<T: Into<String>> From<T> for Failed {
    fn from(message: T) -> Self {
        Self::Refused(message.into())
    }
}

/// Opens the control socket of a process that has taken over, then [`listen`]s. No failure ends it: the clients have
/// nobody else.
pub(crate) async fn listen_at_last(proxy: Arc<Proxy>) {
    let listener = loop {
        match socket::listen(proxy.folder.path(), socket::NAME) {
            Ok(listener) => break listener,
            Err(error) => proxy.config.log.line(&format!(
                "serving, but no command can be given: cannot open the control socket in {}: {error}; trying on",
                proxy.folder.path().display()
            )),
        }
        tokio::time::sleep(REOPEN).await;
    };
    listen(proxy, listener, Ear::Front).await;
}

/// Accepts control connections for as long as the process lives.
pub(crate) async fn listen(proxy: Arc<Proxy>, listener: UnixListener, ear: Ear) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) if socket::may_command(&stream) => {
                let proxy = Arc::clone(&proxy);
                tokio::spawn(async move {
                    let over = proxy.over.clone();
                    tokio::select! {
                        () = over.cancelled() => {}
                        () = serve(proxy, stream, ear) => {}
                    }
                });
            }
            Ok(_) => proxy.config.log.line("control socket: refused another user"),
            Err(error) => {
                proxy.config.log.line(&format!("control socket: accept: {error}"));
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// Serves one control connection, line by line.
async fn serve(proxy: Arc<Proxy>, stream: UnixStream, ear: Ear) {
    let mut stream = BufReader::new(stream);
    loop {
        let mut line = Vec::new();
        let mut limited = (&mut stream).take(socket::LINE_MAX);
        let read = tokio::time::timeout(SILENCE_MAX, limited.read_until(b'\n', &mut line)).await;
        if !matches!(read, Ok(Ok(1..))) {
            return;
        }
        // Kept until the reply is written: the process does not end before.
        let mut written = None;
        let reply = match serde_json::from_slice(&line) {
            Ok(Request::TakeOver) => match proxy.hand_over(stream.get_mut()).await {
                Ok(()) => return,
                Err(message) => Err(message.into()),
            },
            Ok(Request::Stop { drain_ms }) => proxy.stop(drain_ms, ear, &mut written).await,
            Ok(request) => proxy.command(request, ear).await,
            Err(error) => Err(format!("not a command of this version: {error}").into()),
        };
        let reply = match reply {
            Ok(status) => Reply::Ok(Box::new(status)),
            Err(Failed::Refused(message)) => Reply::Error { message },
            Err(Failed::Unconfirmed(message)) => Reply::Unconfirmed { message },
        };
        let Ok(mut text) = serde_json::to_vec(&reply) else { return };
        text.push(b'\n');
        if stream.get_mut().write_all(&text).await.is_err() {
            return;
        }
        drop(written);
    }
}

impl Proxy {
    async fn command(&self, request: Request, ear: Ear) -> Result<Status, Failed> {
        let drain = Duration::from_millis(request.drain_ms());
        let changed = match &request {
            Request::Status => return Ok(self.full_status().await),
            Request::Hold { hold_ms, .. } => self.hold(*hold_ms, ear).await,
            Request::Resume => self.resume(ear).await,
            Request::Switch { upstreams, resume, .. } => self.switch(upstreams, *resume, ear).await,
            Request::Mode { mode, on, .. } => {
                let closed = self.mode(*mode, *on, ear).await;
                let (changed, before) = match closed {
                    Ok(before) => (Ok(()), before),
                    Err((failed, before)) => (Err(failed), before),
                };
                if let Err(Failed::Refused(message)) = changed {
                    return Err(Failed::Refused(message));
                }
                let ((), former) = tokio::join!(self.gate.finish(&before, drain), self.tell_former(request));
                former.map_err(Failed::Unconfirmed)?;
                return changed.map(|()| self.status());
            }
            Request::Stop { .. } | Request::TakeOver => {
                return Err("this command is handled elsewhere".into());
            }
        };
        if let Err(Failed::Refused(message)) = changed {
            return Err(Failed::Refused(message));
        }
        // What is in force is in force for all, also when it may not survive.
        let waits = !matches!(request, Request::Resume);
        let here = async {
            if waits {
                self.gate.drain(drain).await;
            }
        };
        let ((), former) = tokio::join!(here, self.tell_former(request));
        former.map_err(Failed::Unconfirmed)?;
        changed.map(|()| self.status())
    }

    /// The right to change something. Who asked at the front door while this process was replaced has to ask the one
    /// that is there now: what is done here would be neither saved nor followed by it.
    async fn turn_at(&self, ear: Ear) -> Result<MutexGuard<'_, ()>, Failed> {
        let turn = self.turn().await?;
        self.still_in_charge(ear)?;
        Ok(turn)
    }

    fn still_in_charge(&self, ear: Ear) -> Result<(), Failed> {
        if ear == Ear::Front && self.replaced() {
            return Err(
                "another process has taken over in this moment; nothing was changed, try again".into()
            );
        }
        Ok(())
    }

    async fn hold(&self, hold_ms: u64, ear: Ear) -> Result<(), Failed> {
        let _turn = self.turn_at(ear).await?;
        let (upstreams, before) = self.gate.in_force();
        let since_unix_ms = before.map(|hold| hold.since_unix_ms);
        let fresh = Hold::now(hold_ms);
        let hold = Hold { since_unix_ms: since_unix_ms.unwrap_or(fresh.since_unix_ms), ..fresh };
        self.put_in_force(&upstreams, Some(hold)).await
    }

    async fn resume(&self, ear: Ear) -> Result<(), Failed> {
        let _turn = self.turn_at(ear).await?;
        let (upstreams, hold) = self.gate.in_force();
        if hold.is_none() {
            return Ok(());
        }
        self.put_in_force(&upstreams, None).await
    }

    async fn switch(&self, upstreams: &[Upstream], resume: bool, ear: Ear) -> Result<(), Failed> {
        check_upstreams(upstreams)?;
        let _turn = self.turn_at(ear).await?;
        let (_, hold) = self.gate.in_force();
        self.put_in_force(upstreams, hold.filter(|_| !resume)).await
    }

    /// Gives the lanes of what is in flight from before.
    async fn mode(&self, mode: Mode, on: bool, ear: Ear) -> Result<Vec<Arc<Lane>>, (Failed, Vec<Arc<Lane>>)> {
        let _turn = self.turn_at(ear).await.map_err(|failed| (failed, Vec::new()))?;
        let before = self.gate.closed();
        let closed = before.with(mode, on);
        if closed == before {
            // Whoever asked first may not have waited to the end.
            return Ok(if on { self.gate.retiring() } else { Vec::new() });
        }
        let (upstreams, hold) = self.gate.in_force();
        let saved = match self.replaced() {
            true => Ok(()),
            false => self.save(State::new(upstreams, hold, closed)).await,
        };
        match saved {
            Err(Failed::Refused(message)) => Err((Failed::Refused(message), Vec::new())),
            Err(failed) => Err((failed, self.gate.close(closed))),
            Ok(()) => Ok(self.gate.close(closed)),
        }
    }

    /// Saves, then changes. What is in force is always what a start would read: when saving fails before the file is
    /// replaced, nothing was changed, and when it fails after that, all was.
    async fn put_in_force(&self, upstreams: &[Upstream], hold: Option<Hold>) -> Result<(), Failed> {
        let saved = match self.replaced() {
            true => Ok(()),
            false => self.save(State::new(upstreams.to_vec(), hold, self.gate.closed())).await,
        };
        if let Err(Failed::Refused(message)) = saved {
            return Err(Failed::Refused(message));
        }
        let targets = health::targets(upstreams, &self.gate.targets(), &self.config.health, &self.config.log);
        self.gate.change(targets, hold);
        saved
    }

    async fn save(&self, state: State) -> Result<(), Failed> {
        let folder = self.folder.clone();
        let saved = tokio::task::spawn_blocking(move || folder.write(&state)).await;
        let dir = self.folder.path().display();
        let unchanged = |error: &dyn std::fmt::Display| {
            let message = format!("cannot save the state in {dir}: {error}");
            Failed::Refused(format!("{message}; nothing was changed, traffic goes on as before"))
        };
        match saved {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error @ SaveError::Unchanged(_))) => Err(unchanged(&error)),
            Ok(Err(error @ SaveError::MayRevert(_))) => Err(Failed::Unconfirmed(format!(
                "the change is in force and saved in {dir}, but might be lost in a power failure: {error}; check \
                 the disk, then give the command again"
            ))),
            Err(error) => Err(unchanged(&error)),
        }
    }

    /// Passes a command on to the process before this one while that still finishes its connections.
    async fn tell_former(&self, request: Request) -> Result<Option<Status>, String> {
        let Some(pid) = *self.former.lock().expect("no code panics while it holds this") else {
            return Ok(None);
        };
        let name = handover::former_name(pid);
        match Client::named(self.folder.path(), name.clone()).send(request).await {
            Ok(status) => Ok(Some(status)),
            Err(ControlError::NotRunning { .. }) => {
                *self.former.lock().expect("no code panics while it holds this") = None;
                // Left behind only when that process was killed.
                let _ = std::fs::remove_file(self.folder.path().join(name));
                Ok(None)
            }
            // It may have ended meanwhile, which is as good as an answer.
            Err(_) if !std::path::Path::new(&format!("/proc/{pid}")).exists() => Ok(None),
            Err(error) => Err(format!(
                "done in this process, but process {pid}, which finishes connections from before the proxy was \
                 replaced, did not follow: {error}"
            )),
        }
    }

    /// The status with what still runs in the process before this one.
    async fn full_status(&self) -> Status {
        let mut status = self.status();
        let Ok(Some(former)) = self.tell_former(Request::Status).await else { return status };
        status.waiting += former.waiting;
        for theirs in former.upstreams {
            let same =
                |ours: &&mut crate::control::UpstreamStatus| ours.upstream.address == theirs.upstream.address;
            if let Some(ours) = status.upstreams.iter_mut().find(same) {
                ours.in_flight += theirs.in_flight;
            }
        }
        status
    }

    async fn stop(
        &self,
        drain_ms: u64,
        ear: Ear,
        written: &mut Option<oneshot::Sender<()>>,
    ) -> Result<Status, Failed> {
        self.still_in_charge(ear)?;
        let (reply, done) = oneshot::channel();
        let end = End::Stop { drain_ms, reply };
        let asked = self.ends.send(end).await.is_ok();
        let (former, done) = tokio::join!(self.tell_former(Request::Stop { drain_ms }), done);
        let (status, keep) = done.ok().filter(|_| asked).ok_or("the proxy is ending already")?;
        *written = Some(keep);
        former.map_err(Failed::Unconfirmed)?;
        Ok(status)
    }

    /// Hands this process's socket to its successor; on an error it goes on as before.
    async fn hand_over(&self, stream: &mut UnixStream) -> Result<(), String> {
        let _turn = self.turn().await?;
        if self.replaced() {
            return Err(
                "this process was replaced already; if the one that replaced it is gone, start without \
                        take-over"
                    .into(),
            );
        }
        let failed = |error: std::io::Error| format!("the take-over failed: {error}");
        let name = handover::former_name(std::process::id());
        let path = self.folder.path().join(&name);
        let listener = socket::listen(self.folder.path(), &name).map_err(failed)?;
        let lock = self.lock().map_err(failed)?;
        let Some(clients) = self.listener() else { return Err("the proxy is ending".into()) };
        let given = handover::give(stream, self.status(), clients.as_fd(), &lock, handover::PATIENCE).await;
        let confirmed = given.and_then(|()| match self.listener() {
            Some(_) => handover::confirm(stream),
            // It gives the folder up and may have unlocked it already.
            None => Err(std::io::Error::other("this process was told to end meanwhile")),
        });
        // No waiting between the confirmation and the mark.
        if let Err(error) = confirmed {
            // Ours, and of no use now.
            let _ = std::fs::remove_file(path);
            return Err(failed(error));
        }
        self.mark_replaced();
        // Refused only when the process is ending anyway.
        let _ = self.ends.send(End::Replaced(listener)).await;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Config, state::Folder};

    fn switch(version: &str) -> Request {
        let upstream =
            Upstream { version: version.into(), address: "127.0.0.1:1".into(), weight: 100, health: None };
        Request::Switch { upstreams: vec![upstream], drain_ms: 0, resume: false }
    }

    fn version_in_force(proxy: &Proxy) -> Option<String> {
        proxy.gate.in_force().0.first().map(|upstream| upstream.version.clone())
    }

    /// Once it was told as "nothing was changed" while a start would have used the new state.
    #[tokio::test]
    async fn a_state_whose_folder_cannot_be_synced_is_in_force_and_told_as_uncertain() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::open(dir.path()).unwrap();
        let proxy = Proxy::idle(Config::new("127.0.0.1:0", dir.path()), folder.clone().with_failing_sync());
        for version in ["1", "2"] {
            let failed = proxy.command(switch(version), Ear::Front).await.unwrap_err();
            let Failed::Unconfirmed(message) = failed else { panic!("{failed:?}") };
            assert!(message.contains("in force") && !message.contains("nothing was changed"), "{message}");
            // What runs and what a start would use are the same.
            assert_eq!(version_in_force(&proxy).as_deref(), Some(version));
            assert_eq!(folder.read().unwrap().unwrap().upstreams[0].version, version);
        }
    }

    /// A command that waited while the process was replaced was done in it alone, and told as done.
    #[tokio::test]
    async fn a_replaced_process_refuses_changes_at_its_front_door_and_follows_its_successor() {
        let dir = tempfile::tempdir().unwrap();
        let proxy = Proxy::idle(Config::new("127.0.0.1:0", dir.path()), Folder::open(dir.path()).unwrap());
        proxy.command(switch("1"), Ear::Front).await.unwrap();
        proxy.mark_replaced();
        for request in [switch("2"), Request::Resume, Request::Hold { hold_ms: 1, drain_ms: 0 }] {
            let failed = proxy.command(request, Ear::Front).await.unwrap_err();
            assert!(matches!(&failed, Failed::Refused(why) if why.contains("try again")), "{failed:?}");
        }
        assert!(proxy.stop(0, Ear::Front, &mut None).await.is_err());
        assert_eq!(version_in_force(&proxy).as_deref(), Some("1"));
        proxy.command(switch("2"), Ear::Former).await.unwrap();
        assert_eq!(version_in_force(&proxy).as_deref(), Some("2"));
    }
}
