//! `pip install -r FILE` of a virtual environment, `npm ci`, and `source venv/bin/activate`.

use super::{
    Context, Read, join,
    options::{self, Known, Takes},
};
use crate::{Action, InstallLine, Installer};
use windlass_document::{
    Span,
    shell::{SimpleCommand, Word},
};

const PIP: &[Known] = &[
    ("requirement", "r", Takes::Value),
    ("constraint", "c", Takes::Value),
    ("no-cache-dir", "", Takes::Nothing),
    ("cache-dir", "", Takes::Value),
    ("no-index", "", Takes::Nothing),
    ("find-links", "f", Takes::Value),
    ("index-url", "i", Takes::Value),
    ("extra-index-url", "", Takes::Value),
    ("trusted-host", "", Takes::Value),
    ("no-deps", "", Takes::Nothing),
    ("require-hashes", "", Takes::Nothing),
    ("only-binary", "", Takes::Value),
    ("prefer-binary", "", Takes::Nothing),
    ("no-input", "", Takes::Nothing),
    ("no-warn-script-location", "", Takes::Nothing),
    ("disable-pip-version-check", "", Takes::Nothing),
    ("progress-bar", "", Takes::Value),
    ("timeout", "", Takes::Value),
    ("retries", "", Takes::Value),
    ("quiet", "q", Takes::Nothing),
    ("verbose", "v", Takes::Nothing),
];
const NPM: &[Known] = &[
    ("omit", "", Takes::Value),
    ("include", "", Takes::Value),
    ("only", "", Takes::Value),
    ("production", "", Takes::Nothing),
    ("ignore-scripts", "", Takes::Nothing),
    ("no-audit", "", Takes::Nothing),
    ("no-fund", "", Takes::Nothing),
    ("no-progress", "", Takes::Nothing),
    ("prefer-offline", "", Takes::Nothing),
    ("offline", "", Takes::Nothing),
    ("legacy-peer-deps", "", Takes::Nothing),
    ("loglevel", "", Takes::Value),
    ("silent", "s", Takes::Nothing),
    ("quiet", "q", Takes::Nothing),
];

type Refused = (Span, String);

/// An environment that was entered (`source venv/bin/activate`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entered {
    /// Its folder, as written.
    folder: String,
    /// The working folder then.
    dir: Option<String>,
}

impl Entered {
    /// Its folder, seen from another working folder.
    fn seen_from(&self, dir: Option<&str>) -> String {
        if self.dir.as_deref() == dir { self.folder.clone() } else { join(self.dir.as_deref(), &self.folder) }
    }

    /// What a shell has to do first for a line to run in it.
    pub(super) fn prelude(&self, dir: Option<&str>) -> String {
        let script = format!("{}/bin/activate", self.seen_from(dir));
        // A name without a slash would be looked for elsewhere.
        format!(". {} || exit\n", windlass_document::shell::quote(&script))
    }
}

/// `source X/bin/activate`, `. X/bin/activate`: what it enters, if the lines behind it can stand for themselves.
pub(super) fn activate(context: &Context<'_>, simple: &SimpleCommand) -> Option<Entered> {
    let [name, script] = &simple.words[..] else { return None };
    let is_source = ["source", "."].contains(&name.text.as_str()) && super::is_plain(simple);
    let folder =
        script.text.strip_suffix("/bin/activate").filter(|folder| is_source && !folder.is_empty())?;
    Some(Entered { folder: folder.to_owned(), dir: context.dir.clone() })
}

/// `None`: it is none of these.
pub(super) fn read(context: &Context<'_>, name: &Word, arguments: &[Word]) -> Option<Read> {
    let text = name.text.as_str();
    let (folder, program) = match text.rsplit_once('/') {
        Some((folder, program)) => (Some(folder), program),
        None => (None, text),
    };
    let second = |at: usize| arguments.get(at).map(|word| word.text.as_str());
    let rest = match program {
        "npm" if folder.is_none() && second(0) == Some("ci") => {
            return Some(npm(context, &arguments[1..]).unwrap_or_else(refused));
        }
        "pip" | "pip3" => arguments,
        "python" | "python3" if second(0) == Some("-m") && second(1) == Some("pip") => &arguments[2..],
        _ => return None,
    };
    let into = match folder {
        Some(folder) => folder.strip_suffix("/bin").map(str::to_owned),
        None => context.entered.as_ref().map(|entered| entered.seen_from(context.dir.as_deref())),
    };
    Some(pip(context, name, into, rest).unwrap_or_else(refused))
}

fn refused((span, why): Refused) -> Read {
    Read::NotUnderstood(span, why)
}

fn pip(context: &Context<'_>, name: &Word, into: Option<String>, words: &[Word]) -> Result<Read, Refused> {
    let Some((install, arguments)) = words.split_first().filter(|(first, _)| first.text == "install") else {
        let at = words.first().map_or(name.span, |word| word.span);
        return Err((at, "of pip only `install -r` is understood".to_owned()));
    };
    let Some(into) = into else {
        let why = "the line does not say which environment it installs into: write `venv/bin/pip`, or \
                   `source venv/bin/activate` before it";
        return Err((name.span, why.to_owned()));
    };
    let line = options::read("pip install", arguments, PIP)?;
    if let Some(package) = line.operands.first() {
        let why =
            "a package by its name is whatever is newest then; put it into a list and install that with `-r`";
        return Err((package.span, why.to_owned()));
    }
    let lists = |given: &&options::Given<'_>| ["requirement", "constraint"].contains(&given.name);
    if !line.given.iter().any(|given| given.name == "requirement") {
        return Err((install.span, "of `pip install` only `-r FILE` is understood".to_owned()));
    }
    let given: Vec<_> = line.given.iter().filter(lists).collect();
    if let Some(far) = given.iter().find(|given| given.value.contains("://")) {
        return Err((far.at, "a list that is not a file of the host is not understood".to_owned()));
    }
    let files = given.iter().map(|given| given.value.to_owned()).collect();
    Ok(install_line(context, Installer::Pip, into, files, words))
}

fn npm(context: &Context<'_>, arguments: &[Word]) -> Result<Read, Refused> {
    let line = options::read("npm ci", arguments, NPM)?;
    if let Some(word) = line.operands.first() {
        return Err((word.span, "`npm ci` takes no names".to_owned()));
    }
    let files = ["package.json", "package-lock.json"].map(str::to_owned).to_vec();
    Ok(install_line(context, Installer::Npm, "node_modules".to_owned(), files, arguments))
}

fn install_line(
    context: &Context<'_>,
    tool: Installer,
    into: String,
    files: Vec<String>,
    words: &[Word],
) -> Read {
    let dir = context.dir.clone();
    let words = words.iter().map(|word| word.text.clone());
    let words = match tool {
        Installer::Pip => words.collect(),
        Installer::Npm => std::iter::once("ci".to_owned()).chain(words).collect(),
    };
    Read::Actions(vec![Action::Install(InstallLine { tool, into, files, words, dir })])
}
