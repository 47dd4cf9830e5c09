//! What is particular to HAProxy: <https://docs.haproxy.org/2.6/configuration.html>.

use super::{
    file::{File, not_done, refused},
    include::Made,
    marked::{COMMAND_MAX, Server, VERSION, Wanted},
    master::{Children, Master, title},
    runtime::{Socket, Worker},
};
use crate::{
    disk,
    host::place::{Place, Program},
    process::Stat,
    service::FrontError,
};
use async_trait::async_trait;
use rustix::process::Signal;
use std::{
    fs, io,
    path::{Path, PathBuf},
};
use windlass_plan::FrontServer;
use windlass_proxy::control::Upstream;

/// What begins a section of a configuration.
const SECTIONS: [&str; 20] = [
    "global",
    "defaults",
    "frontend",
    "backend",
    "listen",
    "peers",
    "resolvers",
    "userlist",
    "program",
    "mailers",
    "cache",
    "ring",
    "http-errors",
    "fcgi-app",
    "log-forward",
    "log-profile",
    "crt-store",
    "traces",
    "acme",
    "dynamic-update",
];

/// An HAProxy of this machine.
pub struct Haproxy {
    base: PathBuf,
    server: FrontServer,
    page: Option<PathBuf>,
}

impl Haproxy {
    /// As configured in the folder `base`.
    pub fn new(base: &Path, server: &FrontServer) -> Self {
        let page = server.page.as_ref().map(|page| base.join(page));
        Self { base: base.to_owned(), server: server.clone(), page }
    }

    /// The files that `-f` of its command names, in their order: of a folder all that end in `.cfg`.
    fn files(&self) -> io::Result<Vec<PathBuf>> {
        let (mut files, mut rest) = (vec![], false);
        let mut words = self.server.command.iter().skip(1);
        while let Some(word) = words.next() {
            let named = match word.as_str() {
                "--" => {
                    rest = true;
                    continue;
                }
                "-f" => words.next(),
                _ => rest.then_some(word),
            };
            let Some(path) = named.map(|named| self.base.join(named)) else { continue };
            if !path.is_dir() {
                files.push(path);
                continue;
            }
            let entries = fs::read_dir(&path)?.collect::<io::Result<Vec<_>>>()?;
            let names = entries.iter().map(|entry| entry.file_name().to_string_lossy().into_owned());
            let mut names: Vec<String> =
                names.filter(|name| name.ends_with(".cfg") && !name.starts_with('.')).collect();
            names.sort();
            files.extend(names.into_iter().map(|name| path.join(name)));
        }
        if files.is_empty() {
            files.push(self.base.join(&self.server.file));
        }
        Ok(files)
    }

    /// The command without its files.
    fn bare(&self) -> Vec<String> {
        let words = self.server.command.iter().take_while(|word| *word != "--");
        let mut after = false;
        let bare = words.filter(|word| {
            let named = std::mem::replace(&mut after, *word == "-f");
            !named && *word != "-f"
        });
        bare.cloned().collect()
    }

    /// Where it can be asked: its first `stats socket` with a path, else the command line of its master.
    fn socket(&self, file: &File, text: &str) -> Result<Socket, FrontError> {
        let told = |path: &Path, error: io::Error| refused(format!("{}: {error}", path.display()));
        for path in self.files().map_err(|error| told(&file.path, error))? {
            let other = if fs::canonicalize(&path).ok() == fs::canonicalize(&file.path).ok() {
                text.to_owned()
            } else {
                let bytes = fs::read(&path).map_err(|error| told(&path, error))?;
                String::from_utf8_lossy(&bytes).into_owned()
            };
            if let Some(socket) = stats_socket(&other) {
                return Ok(Socket::Stats(self.base.join(socket)));
            }
        }
        let mut words = self.server.command.iter().skip_while(|word| *word != "-S");
        let master = words.nth(1).map(|word| word.split(',').next().unwrap_or_default());
        let master = master.map(|word| word.strip_prefix("unix@").unwrap_or(word));
        master.map(|path| Socket::Master(self.base.join(path))).ok_or_else(|| {
            refused(
                "nothing says which servers it knows; put `stats socket /run/haproxy/admin.sock mode 660` into the section `global` of its \
                 configuration and reload it, or name the socket of its master in `command`: `-S /run/haproxy-master.sock`",
            )
        })
    }

    async fn worker(&self, file: &File, text: &str) -> Result<Worker, FrontError> {
        let backend = backend(file, text)?;
        self.socket(file, text)?.worker(backend).await
    }

    /// Why `worker` has not read `text`; `None`: it has the servers that stand there, with their weights.
    fn unread(&self, file: &File, text: &str, worker: &Worker) -> Result<Option<String>, FrontError> {
        let backend = backend(file, text)?;
        let part = file.servers(text)?;
        let file = file.shown();
        let Some(servers) = &worker.servers else {
            return Ok(Some(format!("what runs has no backend `{backend}`: it has not read {file}")));
        };
        Ok(part.lines().filter_map(named).find_map(|(name, weight)| match (servers.get(name), weight) {
            (None, _) => Some(format!(
                "the backend `{backend}` that runs has no server `{name}`: it has not read {file} as it stands"
            )),
            (Some(now), Some(weight)) if *now != weight => Some(format!(
                "the server `{name}` of the backend `{backend}` runs with weight {now}, and {file} says {weight}"
            )),
            _ => None,
        }))
    }
}

#[async_trait]
impl Server for Haproxy {
    fn upstream(&self, line: &str) -> Option<Upstream> {
        upstream(line)
    }

    fn line(&self, upstream: &Upstream) -> String {
        line(upstream)
    }

    fn mode(&self, _: &str, wanted: &Wanted) -> Vec<String> {
        let body = match self.page.as_deref().filter(|_| wanted.maintenance) {
            Some(page) => format!("content-type text/html file \"{}\"", page.display()),
            None => format!("content-type text/plain string \"{}\\n\"", wanted.why()),
        };
        let reads = if wanted.maintenance { "" } else { " unless { method GET HEAD OPTIONS }" };
        vec![format!(
            "http-request return status 503 {body} hdr Retry-After 30 hdr Cache-Control no-store{reads}"
        )]
    }

    async fn find(&self, file: &File, text: &str) -> Result<Master, FrontError> {
        let worker = self.worker(file, text).await?.pid;
        let name = title(worker);
        let parent = Stat::of(worker).map(|stat| stat.parent).ok().filter(|_| name.contains("haproxy"));
        let parent = parent.ok_or_else(|| {
            refused(format!("process {worker}, which it says it is, is no HAProxy of this machine: does it run in a container?"))
        })?;
        Master::of(parent, Signal::USR2, |title| title == name).map_err(|_| {
            refused(format!(
                "process {worker} has no master, and cannot be reloaded; start it with `-W`, or `-Ws` by systemd"
            ))
        })
    }

    async fn follows(&self, file: &File, text: &str) -> Result<(), FrontError> {
        let worker = self.worker(file, text).await?;
        self.unread(file, text, &worker)?
            .map_or(Ok(()), |why| Err(refused(format!("{why}; reload it first"))))
    }

    fn check_words(&self) -> String {
        let files = self.files().unwrap_or_default();
        let files: String = files.iter().map(|path| format!(" -f {}", path.display())).collect();
        format!("{}{files} -c", self.bare().join(" "))
    }

    async fn check(&self, real: &Path, candidate: &str, wanted: &Wanted) -> Result<(), FrontError> {
        let mut made = Made::default();
        let (mut argv, mut part) = (self.bare(), false);
        for path in self.files().map_err(|error| refused(error.to_string()))? {
            let own = fs::canonicalize(&path).is_ok_and(|path| path == real);
            part |= own;
            let told = |error: io::Error| refused(format!("{}: {error}", path.display()));
            let path = if own { made.add(&path, candidate).map_err(told)? } else { path };
            argv.extend(["-f".to_owned(), path.display().to_string()]);
        }
        if !part {
            return Err(refused(format!(
                "{} is none of the files that `-f` of `command` names",
                real.display()
            )));
        }
        argv.push("-c".to_owned());
        let program =
            Program::new(argv).dir(Some(self.base.display().to_string())).limit(COMMAND_MAX).reads();
        let answer = Place::here().run(&program).await.map_err(not_done)?;
        let said = made.told(&String::from_utf8_lossy(&answer.stderr));
        if !answer.is_ok() {
            return Err(refused(disk::one_line(&complaints(&said), 400)));
        }
        // To it this is no mistake.
        match said.lines().find(|line| line.contains("'http-request' rules") && line.contains("ignored")) {
            Some(line) if wanted.maintenance || wanted.readonly => Err(refused(disk::one_line(line, 400))),
            _ => Ok(()),
        }
    }

    async fn ask(&self, master: &Master) -> Result<(), FrontError> {
        master.ask().map_err(|error| {
            refused(format!(
                "SIGUSR2 to process {}: {error}; name who may: `reload = [\"sudo\", \"systemctl\", \"reload\", \"haproxy\"]`",
                master.pid()
            ))
        })
    }

    async fn serves(
        &self,
        file: &File,
        text: &str,
        before: &Children,
        now: &Children,
    ) -> Result<bool, FrontError> {
        // Sockets may not answer in the moment of the change.
        let Ok(worker) = self.worker(file, text).await else { return Ok(false) };
        if !now.without(before).pids().any(|pid| pid == worker.pid) {
            return Ok(false);
        }
        self.unread(file, text, &worker)?.map_or(Ok(true), |why| Err(FrontError::Lost(why)))
    }
}

/// The backend that the part for servers stands in.
fn backend<'t>(file: &File, text: &'t str) -> Result<&'t str, FrontError> {
    let line = file.servers(text)?.line;
    let sections = text.lines().take(line).filter_map(|line| {
        let mut words = line.split_ascii_whitespace();
        words.next().filter(|word| SECTIONS.contains(word)).map(|word| (word, words.next()))
    });
    match sections.last() {
        Some(("backend" | "listen", Some(name))) => Ok(name),
        _ => Err(refused(format!("{}:{line}: the marks stand in no `backend` or `listen`", file.shown()))),
    }
}

/// The path of the first `stats socket` of a configuration.
fn stats_socket(text: &str) -> Option<&str> {
    text.lines().find_map(|line| {
        let line = line.split('#').next().unwrap_or_default();
        let mut words = line.split_ascii_whitespace();
        let path =
            (words.next() == Some("stats") && words.next() == Some("socket")).then(|| words.next())??;
        let path = path.trim_matches('"');
        let path = path.strip_prefix("unix@").unwrap_or(path);
        path.starts_with('/').then_some(path)
    })
}

/// What it complains of, without who says it.
fn complaints(said: &str) -> String {
    let alerts = said.lines().filter(|line| line.starts_with("[ALERT]"));
    let placed: Vec<&str> = alerts.filter_map(|line| line.find("parsing [").map(|at| &line[at..])).collect();
    if placed.is_empty() { said.to_owned() } else { placed.join("; ") }
}

/// Name and weight of a server.
fn named(line: &str) -> Option<(&str, Option<u32>)> {
    let line = line.split_once('#').map_or(line, |(line, _)| line);
    let mut words = line.split_ascii_whitespace();
    let name = words.next().filter(|word| *word == "server").and_then(|_| words.next())?;
    let mut words = words.skip_while(|word| *word != "weight");
    Some((name, words.nth(1).and_then(|word| word.parse().ok())))
}

/// A server of a part.
fn upstream(line: &str) -> Option<Upstream> {
    let (_, weight) = named(line)?;
    let (line, comment) = line.split_once('#').unwrap_or((line, ""));
    let address = line.split_ascii_whitespace().nth(2)?.to_owned();
    let weight = weight.map_or(100, |weight| weight.try_into().unwrap_or(u8::MAX));
    let version = format!("#{comment}").strip_prefix(VERSION).unwrap_or("unknown").to_owned();
    Some(Upstream { version, address, weight, health: None })
}

/// The line of an upstream: what else is said of servers stands in `default-server`.
fn line(upstream: &Upstream) -> String {
    let Upstream { address, weight, version, .. } = upstream;
    let plain = |char: char| if char.is_ascii_alphanumeric() || "._-:".contains(char) { char } else { '_' };
    let name: String = address.chars().map(plain).collect();
    format!("server {name} {address} weight {weight} {VERSION}{}", disk::one_line(version, 100))
}

#[cfg(test)]
mod tests {
    use super::*;
    use windlass_plan::FrontKind;

    #[test]
    fn servers_are_read_as_they_are_written() {
        for (version, address, weight) in [("1.0", "127.0.0.1:80", 100), ("2 # x", "[::1]:81", 10)] {
            let one = Upstream { version: version.into(), address: address.into(), weight, health: None };
            assert_eq!(upstream(&line(&one)), Some(one));
        }
        let theirs = upstream("server web1 unix@/run/a.sock check weight 7 maxconn 5 # the old one").unwrap();
        assert_eq!((theirs.address.as_str(), theirs.weight), ("unix@/run/a.sock", 7));
        assert_eq!(theirs.version, "unknown");
        for no in ["", "# server a b:1", "balance roundrobin", "server a", "server-template x 3 y:1"] {
            assert_eq!(upstream(no), None, "{no}");
        }
        assert!(
            line(&upstream("server x [::1]:81").unwrap())
                .starts_with("server _::1_:81 [::1]:81 weight 100 #")
        );
    }

    #[test]
    fn where_it_can_be_asked() {
        let text = "global\n  # stats socket /no\n  stats socket ipv4@127.0.0.1:9 level admin\n  stats socket unix@/run/a.sock level user\n";
        assert_eq!(stats_socket(text), Some("/run/a.sock"));
        assert_eq!(stats_socket("global\nstats timeout 3s"), None);
    }

    #[test]
    fn files_of_the_command_are_those_that_it_would_read() {
        let folder = tempfile::tempdir().unwrap();
        let base = folder.path();
        fs::create_dir(base.join("conf")).unwrap();
        for name in ["b.cfg", "a.cfg", ".a.cfg.windlass-check", ".c.cfg", "d.txt"] {
            fs::write(base.join("conf").join(name), "").unwrap();
        }
        let of = |command: &str| {
            let command = command.split(' ').map(str::to_owned).collect();
            let server = FrontServer {
                kind: FrontKind::Haproxy,
                file: "web.cfg".into(),
                command,
                reload: vec![],
                page: None,
            };
            let haproxy = Haproxy::new(base, &server);
            let files = haproxy.files().unwrap();
            let files: Vec<String> =
                files.iter().map(|path| path.strip_prefix(base).unwrap().display().to_string()).collect();
            (files.join(" "), haproxy.bare().join(" "))
        };
        assert_eq!(of("haproxy -Ws"), ("web.cfg".into(), "haproxy -Ws".into()));
        let all = "first.cfg conf/a.cfg conf/b.cfg".to_owned();
        assert_eq!(of("sudo haproxy -f first.cfg -W -f conf"), (all.clone(), "sudo haproxy -W".into()));
        assert_eq!(of("haproxy -W -- first.cfg conf"), (all, "haproxy -W".into()));
    }
}
