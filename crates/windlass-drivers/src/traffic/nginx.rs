//! What is particular to nginx: <https://nginx.org/en/docs/>.

use super::{
    file::{File, not_done, refused},
    include::{self, Copies},
    marked::{Server, VERSION, Wanted},
    master::{Children, Master, title},
};
use crate::{
    disk,
    host::place::{Answer, Place, Program},
    service::FrontError,
};
use async_trait::async_trait;
use rustix::process::Signal;
use std::{
    fs,
    path::{Path, PathBuf},
};
use windlass_plan::FrontServer;
use windlass_proxy::control::Upstream;

/// An nginx of this machine.
pub struct Nginx {
    server: FrontServer,
    page: Option<PathBuf>,
}

/// Where its things are.
struct Paths {
    main: PathBuf,
    pid_file: PathBuf,
}

impl Nginx {
    /// As configured in the folder `base`.
    pub fn new(base: &Path, server: &FrontServer) -> Self {
        Self { server: server.clone(), page: server.page.as_ref().map(|page| base.join(page)) }
    }

    async fn run(&self, words: &[&str], reads: bool) -> Result<Answer, FrontError> {
        let argv = self.server.command.iter().map(String::as_str).chain(words.iter().copied());
        let program = Program::new(argv).limit(super::marked::COMMAND_MAX);
        let program = if reads { program.reads() } else { program };
        Place::here().run(&program).await.map_err(not_done)
    }

    /// Asks nginx where its files are (`nginx -V`), as far as its options do not say.
    async fn paths(&self) -> Result<Paths, FrontError> {
        let answer = self.run(&["-V"], true).await?;
        if !answer.is_ok() {
            return Err(refused(format!("`{} -V`: {}", self.server.command.join(" "), answer.complaint())));
        }
        let said = String::from_utf8_lossy(&answer.stderr).into_owned();
        let built = |name: &str| {
            let start = said.find(name)? + name.len();
            said[start..].split_ascii_whitespace().next().map(str::to_owned)
        };
        let option = |name: &str| {
            let at = self.server.command.iter().position(|word| word == name)?;
            self.server.command.get(at + 1).cloned()
        };
        let prefix = option("-p").or_else(|| built("--prefix=")).unwrap_or_else(|| "/etc/nginx".into());
        let prefix = PathBuf::from(prefix);
        let main = option("-c").or_else(|| built("--conf-path="));
        let main = prefix.join(main.unwrap_or_else(|| "/etc/nginx/nginx.conf".into()));
        let text = fs::read(&main).map_err(|error| refused(format!("{}: {error}", main.display())))?;
        let pid = include::setting(&String::from_utf8_lossy(&text), "pid").or_else(|| built("--pid-path="));
        let pid_file = prefix.join(pid.unwrap_or_else(|| "/run/nginx.pid".into()));
        Ok(Paths { main, pid_file })
    }
}

#[async_trait]
impl Server for Nginx {
    fn upstream(&self, line: &str) -> Option<Upstream> {
        upstream(line)
    }

    fn line(&self, upstream: &Upstream) -> String {
        line(upstream)
    }

    fn mode(&self, service: &str, wanted: &Wanted) -> Vec<String> {
        let at = format!("@windlass_{service}");
        let stop = if wanted.maintenance {
            "return 503;"
        } else {
            "if ($request_method !~ ^(GET|HEAD|OPTIONS)$) { return 503; }"
        };
        let why = wanted.why();
        let mut lines = vec![
            format!("error_page 503 {at};"),
            stop.to_owned(),
            format!("location {at} {{"),
            "    add_header Retry-After 30 always;".to_owned(),
            "    add_header Cache-Control no-store always;".to_owned(),
        ];
        match self.page.as_deref().filter(|_| wanted.maintenance) {
            None => {
                lines.push("    default_type text/plain;".to_owned());
                lines.push(format!("    return 503 \"{why}\\n\";"));
            }
            // A file cannot be the answer to a POST.
            Some(page) => {
                let folder = page.parent().unwrap_or(Path::new("/")).display();
                let name = page.file_name().unwrap_or_default().to_string_lossy();
                lines
                    .push(format!("    if ($request_method !~ ^(GET|HEAD)$) {{ return 503 \"{why}\\n\"; }}"));
                lines.push("    default_type text/html;".to_owned());
                lines.push(format!("    root \"{folder}\";"));
                lines.push(format!("    rewrite ^ \"/{name}\" break;"));
            }
        }
        lines.push("}".to_owned());
        lines
    }

    async fn find(&self, _: &File, _: &str) -> Result<Master, FrontError> {
        let file = self.paths().await?.pid_file;
        let master = || {
            let text = fs::read_to_string(&file).map_err(|error| error.to_string())?;
            let pid = text.trim().parse().map_err(|_| format!("{text:?} is no process id"))?;
            Master::of(pid, Signal::HUP, |title| title.starts_with("nginx: master process"))
        };
        master().map_err(|why| FrontError::Down(format!("{}: {why}", file.display())))
    }

    fn check_words(&self) -> String {
        format!("{} -t", self.server.command.join(" "))
    }

    async fn check(&self, real: &Path, candidate: &str, _: &Wanted) -> Result<(), FrontError> {
        let main = self.paths().await?.main;
        let (copy, made) = Copies::make(&main, real, candidate).map_err(refused)?;
        let answer = self.run(&["-t", "-q", "-c", &copy.display().to_string()], true).await?;
        if answer.is_ok() {
            return Ok(());
        }
        let said = made.told(&String::from_utf8_lossy(&answer.stderr));
        Err(refused(disk::one_line(&said, 400)))
    }

    async fn ask(&self, _: &Master) -> Result<(), FrontError> {
        let answer = self.run(&["-s", "reload"], false).await?;
        if answer.is_ok() { Ok(()) } else { Err(refused(answer.complaint())) }
    }

    async fn serves(&self, _: &File, _: &str, before: &Children, now: &Children) -> Result<bool, FrontError> {
        // Those that take connections; others finish what they have, or look after a cache.
        let takes = |children: Children| children.pids().any(|pid| title(pid) == "nginx: worker process");
        let new = now.without(before);
        Ok(takes(new.clone()) && !takes(now.without(&new)))
    }
}

/// A server of a part.
fn upstream(line: &str) -> Option<Upstream> {
    let (line, comment) = line.split_once('#').unwrap_or((line, ""));
    let mut words = line.trim_end().strip_suffix(';')?.split_ascii_whitespace();
    let address = words.next().filter(|word| *word == "server").and_then(|_| words.next())?.to_owned();
    let weight = words.find_map(|word| word.strip_prefix("weight=")?.parse().ok()).unwrap_or(100);
    let version = format!("#{comment}").strip_prefix(VERSION).unwrap_or("unknown").to_owned();
    Some(Upstream { version, address, weight, health: None })
}

/// The line of an upstream.
fn line(upstream: &Upstream) -> String {
    let weight = match upstream.weight {
        100 => String::new(),
        weight => format!(" weight={weight}"),
    };
    let version = disk::one_line(&upstream.version, 100);
    format!("server {}{weight}; {VERSION}{version}", upstream.address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_read_as_they_are_written() {
        for (version, address, weight) in [("1.0", "127.0.0.1:80", 100), ("2 # x", "[::1]:81", 10)] {
            let one = Upstream { version: version.into(), address: address.into(), weight, health: None };
            assert_eq!(upstream(&line(&one)), Some(one));
        }
        let theirs = upstream("server unix:/run/a.sock max_fails=3 weight=7; # the old one").unwrap();
        assert_eq!((theirs.address.as_str(), theirs.weight), ("unix:/run/a.sock", 7));
        assert_eq!(theirs.version, "unknown");
        for no in ["", "# server a:1;", "keepalive 8;", "server a:1"] {
            assert_eq!(upstream(no), None, "{no}");
        }
    }
}
