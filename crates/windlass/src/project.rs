//! From paths to a plan: finds `windlass.toml`, reads it and the document, compiles both.

mod files;
mod find;
mod runbook;

pub use files::SqlFiles;
pub use find::{CONFIG_NAME, Place, folder_of, in_repository};

use crate::exit::{self, Exit, Failure};
use std::{
    fs::{File, Metadata, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};
use windlass_document::{DOCUMENT_BYTES_MAX, Finding, Parsed, Severity};
use windlass_plan::{
    Catalogs, Config, ConfigFinding, ConfigSource, DocumentMeta, Plan, Unread, compile, compile_broken,
    compile_live, parse_config,
};

/// Version of the tool, a part of each plan's digest.
pub const TOOL: &str = env!("CARGO_PKG_VERSION");
/// Longest configuration file, bytes.
const CONFIG_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// A document that was read.
pub struct Source {
    /// As the person named it.
    pub shown: String,
    /// File name without folders.
    pub name: String,
    /// Its text; what is not UTF-8 in it is replaced, for printing.
    pub text: String,
    /// Whether it is UTF-8.
    pub readable: bool,
    /// What the parser made of it.
    pub parsed: Parsed,
}

/// The configuration, with its problems.
pub struct Settings {
    /// Its files, in the order in which they are laid over each other; empty when there is no `windlass.toml`.
    pub sources: Vec<ConfigSource>,
    /// What they say.
    pub config: Config,
    /// What is wrong with them.
    pub findings: Vec<ConfigFinding>,
}

impl Settings {
    /// Of a configuration that could not be read at all: anything may stand in it.
    fn unread() -> Self {
        let unread = Unread { anything: true, ..Unread::default() };
        let config = Config { unread, ..Config::default() };
        Self { sources: Vec::new(), config, findings: Vec::new() }
    }
}

/// Everything known about one document.
pub struct Compiled {
    /// The document.
    pub source: Source,
    /// The configuration it was compiled with.
    pub settings: Settings,
    /// Findings of the parser and of the compiler, in order of place.
    pub findings: Vec<Finding>,
    /// The plan, if nothing is an error.
    pub plan: Option<Plan>,
    /// Where `windlass.toml` is, if there is one.
    pub place: Option<Place>,
    /// Why the configuration could not be read, if that is so. The document was checked all the same.
    pub unread: Option<Failure>,
}

impl Compiled {
    /// Whether anything is an error.
    pub fn failed(&self) -> bool {
        self.errors() > 0
    }

    /// Number of errors in document and configuration.
    pub fn errors(&self) -> usize {
        let config = self.settings.findings.iter().map(|found| &found.finding);
        let findings = self.findings.iter().chain(config).filter(|finding| is_error(finding)).count();
        findings + usize::from(self.unread.is_some())
    }
}

/// Reads a document.
pub fn read_source(path: &Path) -> Result<Source, Failure> {
    let bytes = read(path, DOCUMENT_BYTES_MAX as u64, "release document")?;
    let (parsed, text, readable) = match String::from_utf8(bytes) {
        Ok(text) => (windlass_document::parse_str(&text), text, true),
        Err(error) => {
            let parsed = windlass_document::parse(error.as_bytes());
            (parsed, String::from_utf8_lossy(error.as_bytes()).into_owned(), false)
        }
    };
    let name =
        path.file_name().map_or_else(|| path.display().to_string(), |n| n.to_string_lossy().into_owned());
    Ok(Source { shown: path.display().to_string(), name, text, readable, parsed })
}

/// Reads a text for people: at most as long as a release document, in UTF-8.
pub fn read_text(path: &Path, what: &str) -> Result<String, Failure> {
    let bytes = read(path, DOCUMENT_BYTES_MAX as u64, what)?;
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        Failure::wrong(format!("{} is not UTF-8: see byte {at}", path.display())).hint(format!(
            "convert it: `iconv -f GB18030 -t UTF-8 {0} > NEW.md` (or `-f SHIFT_JIS`, `-f UTF-16`)",
            path.display()
        ))
    })
}

/// Writes a file that is not there yet. `None`: something of that name is there, and was left alone.
pub fn write_new(path: &Path, text: &str) -> Result<Option<()>, Failure> {
    let cannot = |error: io::Error| exit::file("cannot write", path, &error);
    let mut file = match OpenOptions::new().write(true).create_new(true).open(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(None),
        opened => opened.map_err(cannot)?,
    };
    file.write_all(text.as_bytes()).map_err(cannot)?;
    Ok(Some(()))
}

/// Opens a regular file. Anything else is refused before it is opened: a pipe could keep the command waiting for ever,
/// a device could never end.
pub fn open_regular(path: &Path, what: &str) -> Result<(File, Metadata), Failure> {
    let cannot = |error: std::io::Error| exit::file("cannot read", path, &error);
    refuse_special(path, &std::fs::metadata(path).map_err(cannot)?, what)?;
    // It may have been replaced in between; an open that does not wait and a second look make that harmless.
    let flags = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(cannot)?;
    let meta = file.metadata().map_err(cannot)?;
    refuse_special(path, &meta, what)?;
    Ok((file, meta))
}

/// Reads a regular file up to `bytes_max`.
pub fn read(path: &Path, bytes_max: u64, what: &str) -> Result<Vec<u8>, Failure> {
    let cannot = |error: std::io::Error| exit::file("cannot read", path, &error);
    let (file, meta) = open_regular(path, what)?;
    let mut bytes = Vec::with_capacity(usize::try_from(meta.len().min(bytes_max)).unwrap_or(0) + 1);
    // A file that is too long is known by its size; one that grows is cut off.
    let room = if meta.len() > bytes_max { 0 } else { bytes_max + 1 };
    file.take(room).read_to_end(&mut bytes).map_err(cannot)?;
    if meta.len().max(bytes.len() as u64) > bytes_max {
        return Err(too_large(path, meta.len().max(bytes.len() as u64), bytes_max, what));
    }
    Ok(bytes)
}

fn too_large(path: &Path, size: u64, bytes_max: u64, what: &str) -> Failure {
    const MIB: u64 = 1024 * 1024;
    Failure::wrong(format!(
        "{} has {} MiB; a {what} has at most {} MiB. Is this the right file?",
        path.display(),
        size.div_ceil(MIB),
        bytes_max / MIB
    ))
    .hint("statements of any length can stand in files of their own: `files=\"migrations/*.sql\"`")
}

/// Only a regular file has an end that does not depend on others.
fn refuse_special(path: &Path, meta: &Metadata, what: &str) -> Result<(), Failure> {
    let kind = meta.file_type();
    let word = match () {
        () if kind.is_file() => return Ok(()),
        () if kind.is_dir() => "a folder",
        () if kind.is_fifo() => "a pipe",
        () if kind.is_socket() => "a socket",
        () => "a device",
    };
    let failure = Failure::wrong(format!("{} is {word}, not a {what}", path.display()));
    Err(if kind.is_dir() { failure } else { failure.hint("write its content to a file and name that") })
}

/// Reads `windlass.toml` and the file of the environment over it. `asked` is an environment named on the command
/// line, whose file must exist; `written` is the one of the document, whose file may be missing.
pub fn read_settings(
    place: Option<&Place>,
    asked: Option<&str>,
    written: Option<&str>,
) -> Result<Settings, Failure> {
    if let (Some(asked), Some(written)) = (asked, written)
        && asked != written
    {
        return Err(Failure::wrong(format!("the document is for `env: {written}`, not for --env {asked}"))
            .hint("leave --env out, or change the front matter"));
    }
    let mut sources = Vec::new();
    if let Some(place) = place {
        sources.push(config_source(&place.config)?);
        if let Some(env) = asked.or(written) {
            let overlay = overlay(&place.config, env)?;
            match overlay.exists() {
                true => sources.push(config_source(&overlay)?),
                false if asked.is_some() => return Err(no_overlay(place, &overlay)),
                false => {}
            }
        }
    }
    let (config, findings) = parse_config(&sources);
    Ok(Settings { sources, config, findings })
}

/// Where the command was given, and a configuration without problems; what is wrong with it is printed, and ends it.
pub fn here(config: Option<&Path>, env: Option<&str>) -> Result<(Place, Config), Failure> {
    let place = Place::here(config)?;
    let settings = read_settings(Some(&place), env, None)?;
    if !settings.findings.is_empty() {
        crate::terminal::config_findings(&settings);
        return Err(Failure::shown(Exit::Wrong));
    }
    Ok((place, settings.config))
}

fn config_source(path: &Path) -> Result<ConfigSource, Failure> {
    let bytes = read(path, CONFIG_BYTES_MAX, "configuration")?;
    let name =
        path.file_name().map_or_else(|| path.display().to_string(), |n| n.to_string_lossy().into_owned());
    let text = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        Failure::wrong(format!("{} is not UTF-8: see byte {at}", path.display()))
            .hint("save it as UTF-8 in your editor, or convert it with iconv")
    })?;
    Ok(ConfigSource { name, text })
}

/// `windlass.<env>.toml` beside `windlass.toml`.
fn overlay(config: &Path, env: &str) -> Result<PathBuf, Failure> {
    let fits = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
    if env.is_empty() || !env.chars().all(fits) || env.starts_with('.') {
        return Err(Failure::wrong(format!("`{env}` cannot be the name of an environment"))
            .hint("use letters, digits, `-`, `_` and `.`"));
    }
    let stem = config.file_stem().map_or("windlass".into(), |stem| stem.to_string_lossy());
    Ok(config.with_file_name(format!("{stem}.{env}.toml")))
}

/// Names of the environments that have a file.
fn overlays(place: &Place) -> Vec<String> {
    let entries = std::fs::read_dir(&place.base).into_iter().flatten().flatten();
    let name = |entry: std::fs::DirEntry| {
        let name = entry.file_name().to_string_lossy().into_owned();
        Some(name.strip_prefix("windlass.")?.strip_suffix(".toml")?.to_owned())
    };
    entries.filter_map(name).collect()
}

fn has_overlays(place: &Place) -> bool {
    !overlays(place).is_empty()
}

fn no_overlay(place: &Place, overlay: &Path) -> Failure {
    let known = overlays(place);
    let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    Failure::wrong(format!("there is no {}", overlay.display()))
        .hint(format!("environments with a file: {known}"))
}

/// Reads and compiles a document. Problems of its text and of the configuration are in the result, all at once; only a
/// document that cannot be read at all is an error.
pub fn compile_file(path: &Path, config: Option<&Path>, env: Option<&str>) -> Result<Compiled, Failure> {
    let source = read_source(path)?;
    let written = source.parsed.document.front.env.as_ref().map(|env| env.value.clone());
    let found = Place::of_document(path, config);
    let (place, found) = match found {
        Ok(place) => (place.clone(), read_settings(place.as_ref(), env, written.as_deref())),
        // It was named, so its folder is known; that is all that the check of the document needs.
        Err(failure) => (config.map(Place::unread), Err(failure)),
    };
    let (mut settings, unread) = match found {
        Ok(settings) => (settings, None),
        Err(failure) => (Settings::unread(), Some(failure)),
    };
    let mut findings = source.parsed.findings.clone();
    let wrong = findings.iter().any(is_error);
    // Where the environment could not be read, its file may have anything.
    settings.config.unread.anything |= wrong && written.is_none() && place.as_ref().is_some_and(has_overlays);
    let broken = wrong || unread.is_some() || settings.findings.iter().any(|found| is_error(&found.finding));
    let mut plan = None;
    // Without a configuration nothing is known about the targets, and a guess would give findings that are none.
    if let (Some(place), true) = (&place, source.readable) {
        let (document, config) = (&source.parsed.document, &settings.config);
        let meta = DocumentMeta { name: &source.name, text: &source.text };
        let files = SqlFiles::new(place.base.clone());
        if broken {
            findings.extend(compile_broken(document, &source.parsed.findings, meta, config, &files));
        } else {
            let (compiled, more) = compile(document, meta, config, &files, TOOL);
            plan = compiled;
            findings.extend(more);
        }
    }
    runbook::add_dangers(&source, &mut findings);
    findings.sort_by_key(|finding| finding.span.start);
    Ok(Compiled { source, settings, findings, plan, place, unread })
}

fn is_error(finding: &Finding) -> bool {
    finding.severity == Severity::Error
}

/// The same for a command that needs a plan and a place: problems are printed, and end it.
pub fn compile_to_run(
    path: &Path,
    config: Option<&Path>,
    env: Option<&str>,
) -> Result<(Compiled, Plan, Place), Failure> {
    let ready = compile_to_judge(path, config, env, print)?;
    crate::terminal::findings(&ready.0);
    Ok(ready)
}

/// Prints the findings for people.
pub fn print(compiled: &Compiled) -> Result<(), Failure> {
    crate::terminal::findings(compiled);
    Ok(())
}

/// The same for a command that reads the catalogs next: only problems that end it are shown; [`judge`] shows the others.
pub fn compile_to_judge(
    path: &Path,
    config: Option<&Path>,
    env: Option<&str>,
    show: impl Fn(&Compiled) -> Result<(), Failure>,
) -> Result<(Compiled, Plan, Place), Failure> {
    let mut compiled = compile_file(path, config, env)?;
    if compiled.place.is_none() {
        // What is wrong with the document is wrong with any configuration.
        if compiled.failed() {
            show(&compiled)?;
        }
        return Err(find::no_config(&folder_of(path), Some(&compiled.source.parsed.document)));
    }
    match (compiled.plan.take(), compiled.place.clone(), compiled.unread.take()) {
        (Some(plan), Some(place), None) => Ok((compiled, plan, place)),
        (_, _, unread) => {
            compiled.unread = unread;
            show(&compiled)?;
            Err(compiled.unread.unwrap_or_else(|| Failure::shown(Exit::Wrong)))
        }
    }
}

/// Judges the document once more, with the catalogs of its databases, and shows what is found. What only a catalog shows to
/// be an error ends the command.
pub fn judge(
    compiled: &mut Compiled,
    place: &Place,
    catalogs: &Catalogs,
    show: impl Fn(&Compiled) -> Result<(), Failure>,
) -> Result<(), Failure> {
    if !catalogs.is_empty() {
        let source = &compiled.source;
        let meta = DocumentMeta { name: &source.name, text: &source.text };
        let files = SqlFiles::new(place.base.clone());
        let (document, config) = (&source.parsed.document, &compiled.settings.config);
        let (_, more) = compile_live(document, meta, config, &files, TOOL, catalogs);
        compiled.findings.clone_from(&source.parsed.findings);
        compiled.findings.extend(more);
        compiled.findings.sort_by_key(|finding| finding.span.start);
    }
    show(compiled)?;
    if compiled.failed() { Err(Failure::shown(Exit::Wrong)) } else { Ok(()) }
}
