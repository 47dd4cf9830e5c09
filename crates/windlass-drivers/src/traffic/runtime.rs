//! What a running HAProxy says of itself, over its `stats socket` or the command line of its master; nothing is changed there.
//! <https://docs.haproxy.org/2.6/management.html#9.3>

use super::file::refused;
use crate::{disk, service::FrontError};
use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixStream,
};

/// Its socket may be away for a moment while it reloads.
const AWAY_MAX: Duration = Duration::from_secs(1);
/// How often it is tried again.
const EVERY: Duration = Duration::from_millis(20);
/// Longest wait for an answer.
const ANSWER_MAX: Duration = Duration::from_secs(5);
/// Of what it answers, so much is read.
const ANSWER_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// Where it can be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Socket {
    /// A `stats socket` of the configuration: a worker answers.
    Stats(PathBuf),
    /// `-S` of the command that started it: its master answers, and asks the worker that takes connections.
    Master(PathBuf),
}

/// A worker, at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Worker {
    /// Its process id.
    pub pid: u32,
    /// Weights of the servers of one backend, by name; `None`: it has no such backend.
    pub servers: Option<BTreeMap<String, u32>>,
}

impl Socket {
    /// Its path.
    pub fn path(&self) -> &Path {
        match self {
            Self::Stats(path) | Self::Master(path) => path,
        }
    }

    /// The worker that takes new connections, of which one answers both.
    pub async fn worker(&self, backend: &str) -> Result<Worker, FrontError> {
        let switch = match self {
            Self::Stats(_) => "",
            Self::Master(_) => "@1;",
        };
        let command = format!("{switch}show info;show servers state {backend}");
        let begun = tokio::time::Instant::now();
        let text = loop {
            match self.ask(&command).await {
                Err(FrontError::Down(_)) if begun.elapsed() < AWAY_MAX => tokio::time::sleep(EVERY).await,
                answer => break answer?,
            }
        };
        worker(&text, backend).ok_or_else(|| {
            refused(format!(
                "{}: it says not what is documented: {}",
                self.path().display(),
                disk::one_line(&text, 200)
            ))
        })
    }

    async fn ask(&self, command: &str) -> Result<String, FrontError> {
        let path = self.path().display();
        let failed = |error: io::Error| match error.kind() {
            io::ErrorKind::PermissionDenied => refused(format!("{path}: {error}")),
            _ => FrontError::Down(format!("{path}: {error}")),
        };
        let answer = async {
            let mut stream = UnixStream::connect(self.path()).await?;
            stream.write_all(format!("{command}\n").as_bytes()).await?;
            // The master keeps its connections open otherwise.
            stream.shutdown().await?;
            let mut text = String::new();
            stream.take(ANSWER_BYTES_MAX).read_to_string(&mut text).await.map(|_| text)
        };
        match tokio::time::timeout(ANSWER_MAX, answer).await {
            Ok(answer) => answer.map_err(failed),
            Err(_) => Err(refused(format!("{path}: no answer within {} s", ANSWER_MAX.as_secs()))),
        }
    }
}

/// The answers to `show info` and `show servers state`.
fn worker(text: &str, backend: &str) -> Option<Worker> {
    let mut lines = text.lines().map(str::trim_end);
    let pid = lines.find_map(|line| line.strip_prefix("Pid: ")?.trim().parse().ok())?;
    let header = lines
        .find_map(|line| line.strip_prefix("# be_id ").or((line == "Can't find backend.").then_some("")))?;
    if header.is_empty() {
        return Some(Worker { pid, servers: None });
    }
    let column = |name: &str| header.split(' ').position(|column| column == name);
    // `be_id` was cut off the header.
    let columns = [column("be_name")?, column("srv_name")?, column("srv_uweight")?].map(|at| at + 1);
    let mut servers = BTreeMap::new();
    for line in lines.take_while(|line| !line.is_empty()) {
        let fields: Vec<&str> = line.split(' ').collect();
        let [of, name, weight] = columns.map(|at| fields.get(at).copied());
        if of? == backend {
            servers.insert(name?.to_owned(), weight?.parse().ok()?);
        }
    }
    Some(Worker { pid, servers: Some(servers) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_worker_answers_is_read_by_the_names_of_its_columns() {
        let info = "Name: HAProxy\nVersion: 2.6.12\nPid: 4711\nUptime: 0d\n\n";
        let state = "1\n# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight\n\
                     3 web 1 a:1 127.0.0.1 2 0 100\n3 web 2 b 127.0.0.1 2 0 7\n\n";
        let servers = BTreeMap::from([("a:1".to_owned(), 100), ("b".to_owned(), 7)]);
        let known = Worker { pid: 4711, servers: Some(servers) };
        assert_eq!(worker(&format!("{info}{state}"), "web"), Some(known));
        let none = Worker { pid: 4711, servers: None };
        assert_eq!(worker(&format!("{info}Can't find backend.\n\n"), "web"), Some(none));
        for text in [state, info, "Unknown command", &format!("{info}1\n# be_id srv_name\n1 x\n")] {
            assert_eq!(worker(text, "web"), None, "{text}");
        }
    }
}
