//! A program on a host.

use super::{
    Answer, GRACE_S, Place, Program, Where,
    here::{feed, sinks},
    stream::{Sink, Stream},
};
use crate::host::{Call, Host, Hosts};
use std::{
    io,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _},
    process::{ChildStderr, ChildStdin, ChildStdout},
    sync::Notify,
};
use windlass_document::shell::quote;
use windlass_driver::{Failure, Fault};

/// Runs what stands in the variables. Standard input is for the program alone.
const SCRIPT: &str = include_str!("run.sh");

/// What a host has for the beginning and the end of a program besides its limit.
const SLACK: Duration = Duration::from_secs(20);

/// How far a program came.
enum Came {
    /// To its end.
    Whole(i32),
    /// It was not started, as the script says.
    Never(String),
    /// Nobody knows.
    Cut(String),
}

pub(super) async fn run(hosts: &Hosts, host: &Host, program: &Program) -> Result<Answer, Failure> {
    let mut call = Call::to(hosts, host, None).await?;
    let begun = Instant::now();
    let mut again = false;
    loop {
        let mut sinks = sinks(program)?;
        let (came, started) = talk(&call, program, &mut sinks).await;
        let why = match came {
            Came::Whole(status) => {
                let stopped = matches!(status, 137 | 143) && begun.elapsed() >= program.limit;
                if stopped {
                    return Err(Place(Where::There(hosts.clone(), host.clone())).late(program));
                }
                let [(stdout, more), (stderr, most)] = sinks.map(Sink::done);
                return Ok(Answer { status, stdout, stderr, cut: more || most });
            }
            Came::Never(why) => {
                let message = format!("`{}` was not started on {}: {why}", program.name(), host.name);
                return Err(Failure::clean(Fault::Target, message));
            }
            Came::Cut(why) => why,
        };
        // A connection that has ended since it was used last is found out by its first use.
        if started || again {
            return Err(lost(host, program, &why));
        }
        again = true;
        call = Call::to(hosts, host, Some(&call)).await?;
    }
}

fn lost(host: &Host, program: &Program, why: &str) -> Failure {
    let name = program.name();
    let message = format!("the connection to {} broke while `{name}` ran: {why}", host.name);
    if program.changes {
        let limit = program.limit.as_secs();
        Failure::unknown(Fault::Transport, message)
            .hint(format!("it may run on there, for {limit} s at most: `{} ps x`", host.ssh()))
    } else {
        Failure::clean(Fault::Transport, message).retryable()
    }
}

/// The text of the script, and its token: no program writes that.
fn script(program: &Program) -> (String, String) {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let token = format!("windlass-{}-{count}", std::process::id());
    let mut text = format!("token={token}\ndir={}\n", quote(program.dir.as_deref().unwrap_or_default()));
    text += &format!("limit_s={}\ngrace_s={GRACE_S}\n", program.limit.as_secs_f64().ceil());
    text += "set --";
    for word in &program.argv {
        text += &format!(" {}", quote(word));
    }
    text += "\nexports() {\n:\n";
    for (name, value) in &program.env {
        text += &format!("export {name}={}\n", quote(value));
    }
    text += "}\n";
    (text + SCRIPT, token)
}

/// One try; whether the program may have been started.
async fn talk(call: &Call, program: &Program, sinks: &mut [Sink; 2]) -> (Came, bool) {
    let (text, token) = script(program);
    let mut child = match call.session.program() {
        Ok(child) => child,
        Err(error) => return (Came::Cut(format!("cannot start `ssh` by `setsid`: {error}")), false),
    };
    let (Some(stdin), Some(stdout), Some(stderr)) =
        (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        return (Came::Cut("no pipes to ssh".to_owned()), false);
    };
    let mut streams =
        sinks.each_mut().map(|sink| Stream::new(&token, std::mem::replace(sink, Sink::keep(0))));
    let mut sent = false;
    let exchange = exchange(program, &text, (stdin, stdout, stderr), &mut streams, &mut sent);
    let within = program.limit + Duration::from_secs(GRACE_S) + SLACK;
    let why = match tokio::time::timeout(within, exchange).await {
        Ok(Ok(())) => streams[1].rest(),
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("nothing came for {} s", within.as_secs()),
    };
    let status = streams[0].status().and(streams[1].status());
    let why = if why.is_empty() { "it ended without a word".to_owned() } else { why };
    let [out, err] = streams;
    let never = matches!(status, Some(NEVER));
    *sinks = [out.into_sink(), err.into_sink()];
    let came = match status {
        Some(_) if never => {
            let said = std::mem::replace(&mut sinks[1], Sink::keep(0)).done().0;
            Came::Never(crate::disk::one_line(&String::from_utf8_lossy(&said), 300))
        }
        Some(status) => Came::Whole(status),
        None => Came::Cut(why),
    };
    (came, sent)
}

/// What the script says instead of a status when it did not start the program.
const NEVER: i32 = 999;

/// Sends the script, once somebody listens there, and the input; takes what comes until both streams have said how it ended.
async fn exchange(
    program: &Program,
    text: &str,
    (mut stdin, stdout, stderr): (ChildStdin, ChildStdout, ChildStderr),
    streams: &mut [Stream; 2],
    sent: &mut bool,
) -> io::Result<()> {
    let listens = Notify::new();
    let write = async {
        listens.notified().await;
        *sent = true;
        stdin.write_all(format!("{}\n", text.len()).as_bytes()).await?;
        stdin.write_all(text.as_bytes()).await?;
        match feed(&program.input, &mut stdin).await {
            // A program need not read all that it is given; a connection that is gone is heard of below.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
            result => result?,
        }
        if program.held {
            // With the way there open, until both streams have said how it ended.
            std::future::pending::<()>().await;
        }
        drop(stdin);
        Ok::<(), io::Error>(())
    };
    let [out, err] = streams;
    let read = async { tokio::try_join!(drain(stdout, out, &listens), drain(stderr, err, &listens)) };
    tokio::pin!(write, read);
    let mut written = false;
    loop {
        tokio::select! {
            result = &mut write, if !written => {
                result?;
                written = true;
            }
            result = &mut read => return result.map(|_| ()),
        }
    }
}

async fn drain(mut from: impl AsyncRead + Unpin, stream: &mut Stream, listens: &Notify) -> io::Result<()> {
    let mut piece = vec![0; 64 * 1024];
    loop {
        match from.read(&mut piece).await? {
            0 => return Ok(()),
            count if !stream.push(&piece[..count])? => return Ok(()),
            _ if stream.has_begun() => listens.notify_one(),
            _ => {}
        }
    }
}
