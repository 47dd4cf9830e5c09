//! A small HTTP/1.1 service.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

struct Manner {
    sick: bool,
    /// Sick as long as this file is there.
    sick_file: Option<std::path::PathBuf>,
    version: String,
    /// Every so many answers is an error; 0: none.
    fails: u64,
    answers: AtomicU64,
}

impl Manner {
    fn fails(&self) -> bool {
        self.fails > 0 && self.answers.fetch_add(1, Relaxed).is_multiple_of(self.fails)
    }

    fn sick(&self) -> bool {
        self.sick || self.sick_file.as_ref().is_some_and(|file| file.exists())
    }
}

pub fn serve(port: u16, flags: &[&str]) -> ExitCode {
    say(&format!("starting on {port} with {flags:?}"));
    if flags.contains(&"stubborn") {
        // Stays in a shell of its own that ignores SIGTERM, in our process group; and so do we.
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let guard = runtime.enter();
        let term = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate());
        drop(guard);
        std::mem::drop(term);
        std::thread::spawn(move || runtime.block_on(std::future::pending::<()>()));
    }
    let value = |name: &str| flags.iter().find_map(|flag| flag.strip_prefix(name));
    if let Some(ms) = value("crash=") {
        std::thread::sleep(Duration::from_millis(ms.parse().expect("milliseconds")));
        say("crashing as asked");
        return ExitCode::from(3);
    }
    if let Some(file) = value("needs=")
        && !std::path::Path::new(file).exists()
    {
        say(&format!("{file} is not there"));
        return ExitCode::from(5);
    }
    if let Some(file) = value("robbed=")
        && std::fs::remove_file(file).is_ok()
    {
        return rob(port, &std::path::Path::new(file).with_extension("lives"));
    }
    if let Some(file) = value("squat=") {
        return squat(port, std::path::Path::new(file));
    }
    if flags.contains(&"chatter") {
        std::thread::spawn(|| {
            for line in 0_u64.. {
                say(&format!("line {line} {}", "x".repeat(80)));
                std::thread::sleep(Duration::from_millis(1));
            }
        });
    }
    let listener = match TcpListener::bind(("127.0.0.1", port)) {
        Ok(listener) => listener,
        Err(error) => {
            say(&format!("cannot listen on {port}: {error}"));
            return ExitCode::from(4);
        }
    };
    let manner = Arc::new(Manner {
        sick: flags.contains(&"sick"),
        sick_file: value("sick-while=").map(Into::into),
        version: value("version=").unwrap_or("none").to_owned(),
        fails: value("fails=").map_or(0, |every| every.parse().expect("a number")),
        answers: AtomicU64::new(0),
    });
    for stream in listener.incoming().flatten() {
        let manner = manner.clone();
        std::thread::spawn(move || answer(stream, &manner));
    }
    ExitCode::SUCCESS
}

/// Starts a process that takes the port, and ends as one does that finds its port taken.
#[expect(clippy::zombie_processes, reason = "it outlives us, as any other process that takes a port")]
fn rob(port: u16, lives: &std::path::Path) -> ExitCode {
    use std::os::unix::process::CommandExt as _;
    let program = std::env::current_exe().expect("our own path");
    let mut robber = std::process::Command::new(program);
    robber.args(["serve", &port.to_string(), &format!("squat={}", lives.display())]);
    robber.process_group(0).spawn().expect("a process");
    while !lives.exists() {
        std::thread::sleep(Duration::from_millis(5));
    }
    ExitCode::from(4)
}

/// Has the port as long as the file exists, at most half a minute.
fn squat(port: u16, lives: &std::path::Path) -> ExitCode {
    let _listener = TcpListener::bind(("127.0.0.1", port)).expect("a port that was free");
    std::fs::write(lives, "").expect("a disk");
    for _ in 0..3_000 {
        if !lives.exists() {
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    ExitCode::SUCCESS
}

fn say(line: &str) {
    let _ = std::io::stdout().write_all(format!("{line}\n").as_bytes());
}

/// Answers each request of a connection until it is closed.
fn answer(stream: TcpStream, manner: &Manner) -> Option<()> {
    let mut writer = stream.try_clone().ok()?;
    let mut reader = BufReader::new(stream);
    loop {
        let mut request = String::new();
        if reader.read_line(&mut request).ok()? == 0 {
            return None;
        }
        let mut line = String::new();
        let mut length = 0;
        while line != "\r\n" {
            line.clear();
            if reader.read_line(&mut line).ok()? == 0 {
                return None;
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().ok()?;
            }
        }
        reader.read_exact(&mut vec![0; length]).ok()?;
        let path = request.split(' ').nth(1)?;
        let (status, body) = match path {
            "/health" if manner.sick() => ("500 Sick", "sick".to_owned()),
            "/moved" => ("302 Found", String::new()),
            "/slow" => {
                std::thread::sleep(Duration::from_millis(300));
                ("200 OK", manner.version.clone())
            }
            "/health" => ("200 OK", manner.version.clone()),
            _ if manner.fails() => ("500 Broken", "broken".to_owned()),
            _ => ("200 OK", manner.version.clone()),
        };
        let head = format!(
            "HTTP/1.1 {status}\r\ncontent-type: text/plain\r\nlocation: /health\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        writer.write_all(format!("{head}{body}").as_bytes()).ok()?;
    }
}
