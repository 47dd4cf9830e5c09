//! A program on this machine.

use super::{Answer, GRACE_S, Input, Place, Program, stream::Sink};
use crate::process::{Handle, ProcessId};
use std::{io, os::unix::process::ExitStatusExt as _, process::Stdio, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _},
    process::{Child, Command},
};
use windlass_driver::{Failure, Fault};

pub(super) async fn run(program: &Program) -> Result<Answer, Failure> {
    let mut child = match start(program) {
        Ok(child) => child,
        Err(Refusal::Program(status, why)) => {
            return Ok(Answer { status, stderr: why.into_bytes(), ..Answer::default() });
        }
        Err(Refusal::Other(why)) => {
            let message = format!("`{}` was not started on this machine: {why}", program.name());
            return Err(Failure::clean(Fault::Target, message));
        }
    };
    let handle = child.id().and_then(|id| ProcessId::of(id).ok()).and_then(|id| Handle::of_child(id).ok());
    let mut sinks = sinks(program)?;
    let talk = talk(&mut child, program, &mut sinks);
    match tokio::time::timeout(program.limit, talk).await {
        Ok(Ok(status)) => {
            let [(stdout, more), (stderr, most)] = sinks.map(Sink::done);
            Ok(Answer { status, stdout, stderr, cut: more || most })
        }
        Ok(Err(error)) => {
            stop(handle, &mut child).await;
            let message = format!("`{}` on this machine: {error}", program.name());
            Err(program.failure(Fault::Transport, message))
        }
        Err(_) => {
            stop(handle, &mut child).await;
            Err(Place::here().late(program))
        }
    }
}

/// Where the two streams of a program go.
pub(super) fn sinks(program: &Program) -> Result<[Sink; 2], Failure> {
    let stdout = match &program.save {
        None => Sink::keep(program.bytes_max),
        Some(file) => Sink::file(file)
            .map_err(|error| Failure::clean(Fault::Transport, format!("{}: {error}", file.display())))?,
    };
    Ok([stdout, Sink::keep(program.bytes_max)])
}

/// What a program reads, in pieces: `to` is its standard input, or the way there.
pub(super) async fn feed(input: &Input, to: &mut (impl tokio::io::AsyncWrite + Unpin)) -> io::Result<()> {
    match input {
        Input::Nothing => {}
        Input::Bytes(bytes) => to.write_all(bytes).await?,
        Input::File(path) => {
            let mut file = tokio::fs::File::open(path).await?;
            tokio::io::copy(&mut file, to).await?;
        }
    }
    to.flush().await
}

/// Why there is no process.
enum Refusal {
    /// As a shell says it.
    Program(i32, String),
    Other(String),
}

fn start(program: &Program) -> Result<Child, Refusal> {
    let Some((name, arguments)) = program.argv.split_first() else {
        return Err(Refusal::Other("it has no name".to_owned()));
    };
    if let Some(dir) = &program.dir
        && !std::path::Path::new(dir).is_dir()
    {
        return Err(Refusal::Other(format!("the working folder {dir} cannot be entered")));
    }
    let mut command = Command::new(name);
    command.args(arguments).envs(program.env.iter().map(|(name, value)| (name, value)));
    if let Some(dir) = &program.dir {
        command.current_dir(dir);
    }
    let input = if matches!(program.input, Input::Nothing) { Stdio::null() } else { Stdio::piped() };
    command.stdin(input).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0).kill_on_drop(true);
    command.spawn().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Refusal::Program(127, format!("{name}: not found")),
        io::ErrorKind::PermissionDenied => Refusal::Program(126, format!("{name}: {error}")),
        _ => Refusal::Other(error.to_string()),
    })
}

async fn talk(child: &mut Child, program: &Program, sinks: &mut [Sink; 2]) -> io::Result<i32> {
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let [out, err] = sinks;
    let write = async {
        match stdin {
            // A program need not read all that it is given.
            Some(mut stdin) => match feed(&program.input, &mut stdin).await {
                Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
                // What is handed on stays open until both streams have ended.
                _ => Ok(program.held.then_some(stdin)),
            },
            None => Ok(None),
        }
    };
    let talk = async { tokio::try_join!(write, drain(stdout, out), drain(stderr, err)) };
    tokio::pin!(talk);
    let mut open = true;
    let status = loop {
        tokio::select! {
            result = &mut talk, if open => {
                result?;
                open = false;
            }
            status = child.wait() => break status?,
        }
    };
    if open {
        // What it started and left behind may keep the pipes open.
        tokio::time::timeout(Duration::from_secs(1), talk).await.unwrap_or(Ok((None, (), ())))?;
    }
    Ok(status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default()))
}

async fn drain(from: Option<impl AsyncRead + Unpin>, sink: &mut Sink) -> io::Result<()> {
    let Some(mut from) = from else { return Ok(()) };
    let mut piece = vec![0; 64 * 1024];
    loop {
        match from.read(&mut piece).await? {
            0 => return Ok(()),
            count => sink.push(&piece[..count])?,
        }
    }
}

async fn stop(handle: Option<Handle>, child: &mut Child) {
    if let Some(handle) = handle {
        // What cannot be stopped is left; the caller says that it took too long.
        drop(handle.terminate(GRACE_S * 1000).await);
    }
    drop(child.start_kill());
    drop(tokio::time::timeout(Duration::from_secs(GRACE_S), child.wait()).await);
}
