//! The folder that something is installed into, at a place.

use crate::{
    disk::{self, one_line},
    host::place::{Answer, Place, Program},
};
use std::{collections::BTreeMap, time::Duration};
use windlass_driver::{Context, Effect, Failure, Fault};
use windlass_plan::{Action, InstallLine, Unit};

const SCRIPT: &str = include_str!("install.sh");

/// An installation gets this long where a unit has no limit of its own.
const LIMIT: Duration = Duration::from_secs(30 * 60);

pub(super) struct Site<'a> {
    pub(super) cx: &'a Context,
    pub(super) place: Place,
    pub(super) line: &'a InstallLine,
    dir: Option<String>,
    key: String,
}

/// How it is; numbers are those of folders, and empty where there is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Look(BTreeMap<String, String>);

impl Look {
    fn read(text: &str) -> Self {
        let pairs = text.lines().filter_map(|line| line.split_once('\t'));
        Self(pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect())
    }

    pub(super) fn get(&self, key: &str) -> &str {
        self.0.get(key).map_or("", String::as_str)
    }

    /// Number of the folder that is in use.
    pub(super) fn ino(&self) -> &str {
        self.get("ino")
    }

    /// It was installed from what is there now, and nobody installed anything since.
    pub(super) fn is_current(&self) -> bool {
        let (key, names) = (self.get("key"), self.get("names"));
        !key.is_empty() && key != "moving" && self.get("state") == format!("{key} {names}")
    }

    /// Bytes of what is there, and of what is free.
    pub(super) fn room(&self) -> Option<(u64, u64)> {
        let bytes = |key| self.get(key).parse::<u64>().ok().map(|kib| kib.saturating_mul(1024));
        Some((bytes("kib")?, bytes("free")?))
    }
}

impl<'a> Site<'a> {
    pub(super) fn new(cx: &'a Context, place: Place, unit: &'a Unit) -> Result<Self, Failure> {
        let Action::Install(line) = &unit.action else {
            let message = format!("unit {} was given to the driver of installations but is none", unit.id);
            return Err(Failure::clean(Fault::Windlass, message));
        };
        let dir = if place.is_here() {
            Some(disk::resolve(&cx.base, line.dir.as_deref(), "").to_string_lossy().into_owned())
        } else {
            line.dir.clone()
        };
        let key = disk::sha256(format!("{}/{}", cx.run, unit.id).as_bytes())[..12].to_owned();
        Ok(Self { cx, place, line, dir, key })
    }

    /// For messages: `/srv/app/venv on web1`.
    pub(super) fn title(&self) -> String {
        let dir = self.dir.as_deref().unwrap_or("~");
        let path = disk::resolve(std::path::Path::new(dir), None, &self.line.into);
        let path = path.display();
        if self.place.is_here() { path.to_string() } else { format!("{path} on {}", self.place.name()) }
    }

    /// A file of the working folder.
    pub(super) fn path(&self, name: &str) -> String {
        self.dir.as_ref().map_or_else(|| name.to_owned(), |dir| format!("{dir}/{name}"))
    }

    fn program(&self, operation: &str, words: &[&str]) -> Program {
        let (tool, all) = (self.line.tool.word(), self.line.words.join(" "));
        let front = ["/bin/sh", "-c", SCRIPT, "windlass", operation, tool, &self.line.into, &self.key, &all];
        Program::new([&front, words].concat())
            .title(format!("{operation} {}", self.line.into))
            .dir(self.dir.clone())
            .limit(self.cx.timeout_ms.map_or(LIMIT, Duration::from_millis))
    }

    async fn ask(&self, operation: &str, words: &[&str]) -> Result<String, Failure> {
        let answer = self.place.run(&self.program(operation, words).reads().limit(2 * LIMIT)).await?;
        if answer.is_ok() {
            Ok(String::from_utf8_lossy(&answer.stdout).into_owned())
        } else {
            Err(self.refused(&answer))
        }
    }

    /// How it is, once nothing of ours is at work there. With `whole` also what it would be installed from.
    pub(super) async fn look(&self, whole: bool) -> Result<Look, Failure> {
        let files: Vec<&str> = self.line.files.iter().map(String::as_str).collect();
        self.ask("look", if whole { &files } else { &[] }).await.map(|text| Look::read(&text))
    }

    /// Names of what is installed.
    pub(super) async fn installed(&self) -> Result<Vec<String>, Failure> {
        let text = self.ask("installed", &[]).await?;
        Ok(text.lines().filter_map(|line| line.split_once('\t')).map(|(_, name)| name.to_owned()).collect())
    }

    /// Installs beside, and lets the two change places.
    pub(super) async fn build(&self, had: &str, key: &str) -> Result<Answer, Failure> {
        let mut words = vec![had, key];
        words.extend(self.line.words.iter().map(String::as_str));
        let answer = self.place.run(&self.program("build", &words)).await?;
        if answer.is_ok() { Ok(answer) } else { Err(self.refused(&answer)) }
    }

    /// Ends a change of places that was killed in its middle: there, or as it was.
    pub(super) async fn mend(&self) -> Result<(), Failure> {
        let answer = self.place.run(&self.program("mend", &[])).await?;
        if answer.is_ok() { Ok(()) } else { Err(self.refused(&answer)) }
    }

    /// Lets them change places again.
    pub(super) async fn back(&self, had: &str) -> Result<(), Failure> {
        let answer = self.place.run(&self.program("back", &[had])).await?;
        if answer.is_ok() { Ok(()) } else { Err(self.refused(&answer)) }
    }

    /// Nothing was changed: what failed was beside.
    fn refused(&self, answer: &Answer) -> Failure {
        let whole = self.cx.secrets.mask(&String::from_utf8_lossy(&answer.stderr));
        let said = whole
            .lines()
            .rfind(|line| line.contains("ERROR") || line.contains("error"))
            .map_or_else(|| self.cx.secrets.mask(&answer.complaint()), |line| one_line(line, 300));
        let message = format!("{}: {said}", self.title());
        let failure = Failure { effect: Effect::None, ..Failure::clean(Fault::Target, message) };
        failure.output(whole)
    }

    /// What a person types to see it.
    pub(super) fn typed(&self) -> String {
        let dir = self.dir.as_deref().unwrap_or(".");
        let path = disk::resolve(std::path::Path::new(dir), None, &self.line.into);
        let parent = path.parent().map(|parent| parent.display().to_string()).unwrap_or_default();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        self.place.typed(&format!(
            "ls -ld {} {}",
            crate::host::word(&path.display().to_string()),
            crate::host::word(&format!("{parent}/.windlass-{name}"))
        ))
    }
}
