//! From paths to a plan: finds `windlass.toml`, reads it and the document, compiles both.

mod files;
mod find;

pub use find::{CONFIG_NAME, Place};

use crate::exit::{self, Exit, Failure};
use files::SqlFiles;
use std::{
    fs::File,
    io::Read as _,
    path::{Path, PathBuf},
};
use windlass_document::{DOCUMENT_BYTES_MAX, Finding, Parsed, Severity};
use windlass_plan::{Config, ConfigFinding, ConfigSource, DocumentMeta, Plan, compile, parse_config};

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
    /// Its bytes.
    pub bytes: Vec<u8>,
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
}

impl Compiled {
    /// Whether anything is an error.
    pub fn failed(&self) -> bool {
        self.errors() > 0
    }

    /// Number of errors in document and configuration.
    pub fn errors(&self) -> usize {
        let config = self.settings.findings.iter().map(|found| &found.finding);
        self.findings.iter().chain(config).filter(|finding| is_error(finding)).count()
    }
}

/// Reads a document.
pub fn read_source(path: &Path) -> Result<Source, Failure> {
    let bytes = read(path, DOCUMENT_BYTES_MAX as u64, "release document")?;
    let parsed = windlass_document::parse(&bytes);
    let name =
        path.file_name().map_or_else(|| path.display().to_string(), |n| n.to_string_lossy().into_owned());
    Ok(Source { shown: path.display().to_string(), name, bytes, parsed })
}

/// Reads a regular file or a pipe, up to `bytes_max`.
fn read(path: &Path, bytes_max: u64, what: &str) -> Result<Vec<u8>, Failure> {
    let cannot = |error: std::io::Error| exit::file("cannot read", path, &error);
    let file = File::open(path).map_err(cannot)?;
    let meta = file.metadata().map_err(cannot)?;
    if meta.is_dir() {
        return Err(Failure::wrong(format!("{} is a folder, not a {what}", path.display())));
    }
    let mut bytes = Vec::new();
    file.take(bytes_max + 1).read_to_end(&mut bytes).map_err(cannot)?;
    if bytes.len() as u64 > bytes_max {
        const MIB: u64 = 1024 * 1024;
        let size = meta.len().max(bytes.len() as u64).div_ceil(MIB);
        return Err(Failure::wrong(format!(
            "{} has {size} MiB; a {what} has at most {} MiB. Is this the right file?",
            path.display(),
            bytes_max / MIB
        ))
        .hint("statements of any length can stand in files of their own: `files=\"migrations/*.sql\"`"));
    }
    Ok(bytes)
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

fn no_overlay(place: &Place, overlay: &Path) -> Failure {
    let known: Vec<_> = std::fs::read_dir(&place.base)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            Some(name.strip_prefix("windlass.")?.strip_suffix(".toml")?.to_owned())
        })
        .collect();
    let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    Failure::wrong(format!("there is no {}", overlay.display()))
        .hint(format!("environments with a file: {known}"))
}

/// Reads and compiles a document. Problems of its text are in the result; only what cannot be read at all is an error.
pub fn compile_file(path: &Path, config: Option<&Path>, env: Option<&str>) -> Result<Compiled, Failure> {
    let source = read_source(path)?;
    let place = Place::of_document(path, config)?;
    let written = source.parsed.document.front.env.as_ref().map(|env| env.value.clone());
    let settings = read_settings(place.as_ref(), env, written.as_deref())?;
    let mut findings = source.parsed.findings.clone();
    let broken =
        findings.iter().any(is_error) || settings.findings.iter().any(|found| is_error(&found.finding));
    let mut plan = None;
    // Without a configuration nothing is known about the targets, and a guess would give findings that are none.
    if let (false, Some(place), Ok(text)) = (broken, &place, std::str::from_utf8(&source.bytes)) {
        let meta = DocumentMeta { name: &source.name, text };
        let files = SqlFiles::new(place.base.clone());
        let (compiled, more) = compile(&source.parsed.document, meta, &settings.config, &files, TOOL);
        plan = compiled;
        findings.extend(more);
    }
    findings.sort_by_key(|finding| finding.span.start);
    Ok(Compiled { source, settings, findings, plan, place })
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
    let mut compiled = compile_file(path, config, env)?;
    if compiled.place.is_none() {
        return Err(find::no_config(&find::folder_of(path), Some(&compiled.source.parsed.document)));
    }
    crate::terminal::findings(&compiled);
    match (compiled.plan.take(), compiled.place.take()) {
        (Some(plan), Some(place)) => Ok((compiled, plan, place)),
        _ => Err(Failure::shown(Exit::Wrong)),
    }
}
