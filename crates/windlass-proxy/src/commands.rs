//! Does what the control socket asks for.

use crate::{
    client::Client,
    config::check_upstreams,
    control::{Reply, Request, Status, Upstream},
    error::ControlError,
    handover, health,
    server::{End, Proxy},
    socket,
    state::{Hold, State},
};
use std::{os::fd::AsFd, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{UnixListener, UnixStream},
    sync::oneshot,
};

/// How long a control connection may be silent.
const SILENCE_MAX: Duration = Duration::from_secs(60);

/// Accepts control connections for as long as the process lives.
pub(crate) async fn listen(proxy: Arc<Proxy>, listener: UnixListener) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) if socket::may_command(&stream) => {
                let proxy = Arc::clone(&proxy);
                tokio::spawn(async move {
                    let over = proxy.over.clone();
                    tokio::select! {
                        () = over.cancelled() => {}
                        () = serve(proxy, stream) => {}
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
async fn serve(proxy: Arc<Proxy>, stream: UnixStream) {
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
                Err(message) => Err(message),
            },
            Ok(Request::Stop { drain_ms }) => proxy.stop(drain_ms, &mut written).await,
            Ok(request) => proxy.command(request).await,
            Err(error) => Err(format!("not a command of this version: {error}")),
        };
        let reply = match reply {
            Ok(status) => Reply::Ok(Box::new(status)),
            Err(message) => Reply::Error { message },
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
    async fn command(&self, request: Request) -> Result<Status, String> {
        let drain = Duration::from_millis(request.drain_ms());
        match &request {
            Request::Status => return Ok(self.full_status().await),
            Request::Hold { hold_ms, .. } => self.hold(*hold_ms).await?,
            Request::Resume => self.resume().await?,
            Request::Switch { upstreams, resume, .. } => self.switch(upstreams, *resume).await?,
            Request::Stop { .. } | Request::TakeOver => {
                return Err("this command is handled elsewhere".into());
            }
        }
        let waits = !matches!(request, Request::Resume);
        let here = async {
            if waits {
                self.gate.drain(drain).await;
            }
        };
        let ((), former) = tokio::join!(here, self.tell_former(request));
        former?;
        Ok(self.status())
    }

    async fn hold(&self, hold_ms: u64) -> Result<(), String> {
        let _turn = self.turn().await?;
        let (upstreams, before) = self.gate.in_force();
        let since_unix_ms = before.map(|hold| hold.since_unix_ms);
        let fresh = Hold::now(hold_ms);
        let hold = Hold { since_unix_ms: since_unix_ms.unwrap_or(fresh.since_unix_ms), ..fresh };
        self.put_in_force(&upstreams, Some(hold)).await
    }

    async fn resume(&self) -> Result<(), String> {
        let _turn = self.turn().await?;
        let (upstreams, hold) = self.gate.in_force();
        if hold.is_none() {
            return Ok(());
        }
        self.put_in_force(&upstreams, None).await
    }

    async fn switch(&self, upstreams: &[Upstream], resume: bool) -> Result<(), String> {
        check_upstreams(upstreams)?;
        let _turn = self.turn().await?;
        let (_, hold) = self.gate.in_force();
        self.put_in_force(upstreams, hold.filter(|_| !resume)).await
    }

    /// Saves, then changes. When saving fails, nothing was changed.
    async fn put_in_force(&self, upstreams: &[Upstream], hold: Option<Hold>) -> Result<(), String> {
        if !self.replaced() {
            self.save(State::new(upstreams.to_vec(), hold)).await?;
        }
        let targets = health::targets(upstreams, &self.gate.targets(), &self.config.health, &self.config.log);
        self.gate.change(targets, hold);
        Ok(())
    }

    async fn save(&self, state: State) -> Result<(), String> {
        let folder = self.folder.clone();
        let saved = tokio::task::spawn_blocking(move || folder.write(&state)).await;
        let failed = match saved {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        };
        Err(format!(
            "cannot save the state in {}: {failed}; nothing was changed, traffic goes on as before",
            self.folder.path().display()
        ))
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

    async fn stop(&self, drain_ms: u64, written: &mut Option<oneshot::Sender<()>>) -> Result<Status, String> {
        let (reply, done) = oneshot::channel();
        let end = End::Stop { drain_ms, reply };
        let asked = self.ends.send(end).await.is_ok();
        let (former, done) = tokio::join!(self.tell_former(Request::Stop { drain_ms }), done);
        let (status, keep) = done.ok().filter(|_| asked).ok_or("the proxy is ending already")?;
        *written = Some(keep);
        former?;
        Ok(status)
    }

    /// Hands this process's socket to its successor; on an error it goes on as before.
    async fn hand_over(&self, stream: &mut UnixStream) -> Result<(), String> {
        let _turn = self.turn().await?;
        if self.replaced() {
            return Err("this process was replaced already".into());
        }
        let failed = |error: std::io::Error| format!("the take-over failed: {error}");
        let name = handover::former_name(std::process::id());
        let path = self.folder.path().join(&name);
        let listener = socket::listen(self.folder.path(), &name).map_err(failed)?;
        let lock = self.lock().map_err(failed)?;
        let Some(clients) = self.listener() else { return Err("the proxy is ending".into()) };
        if let Err(error) = handover::give(stream, self.status(), clients.as_fd(), &lock).await {
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
