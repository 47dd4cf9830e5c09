//! Text of the draft, with the places of the runbook it comes from.

use std::collections::BTreeSet;
use windlass_document::Span;

/// A line of the draft.
#[derive(Clone, Debug, Default)]
pub(crate) struct Emit {
    /// What stands before it: room for a list item.
    pub(crate) lead: String,
    pub(crate) text: String,
    /// Where `text` stands in the runbook.
    pub(crate) at: Option<usize>,
    /// It asks how this step is undone, and stands there only if nobody knows.
    pub(crate) asks: Option<String>,
}

impl Emit {
    /// A line that is not in the runbook.
    pub(crate) fn own(lead: &str, text: impl Into<String>) -> Self {
        Self { lead: lead.to_owned(), text: text.into(), ..Self::default() }
    }
}

/// The draft so far.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    pub(crate) text: String,
    /// Steps whose way back is asked for.
    asked: BTreeSet<String>,
    /// Runs of the draft that stand in the runbook: draft, runbook, bytes.
    runs: Vec<(usize, usize, usize)>,
}

impl Draft {
    /// An empty one, that asks for the way back of these steps.
    pub(crate) fn asking(asked: BTreeSet<String>) -> Self {
        Self { asked, ..Self::default() }
    }

    /// Adds a line.
    pub(crate) fn line(&mut self, line: &Emit) {
        if line.asks.as_ref().is_some_and(|step| !self.asked.contains(step)) {
            return;
        }
        if !line.text.is_empty() {
            self.text.push_str(&line.lead);
        }
        if let Some(at) = line.at {
            self.runs.push((self.text.len(), at, line.text.len()));
        }
        self.text.push_str(line.text.trim_end_matches('\r'));
        self.text.push('\n');
    }

    /// The place in the runbook of a place in the draft; none where the draft has words of its own.
    pub(crate) fn source(&self, span: Span) -> Option<Span> {
        let at = self.runs.partition_point(|(draft, ..)| *draft <= span.start).checked_sub(1)?;
        let (draft, source, len) = self.runs[at];
        let offset = span.start - draft;
        // The mark of the line end belongs to it.
        (offset <= len && len > 0).then(|| {
            let start = source + offset;
            Span::new(start, source + (span.end - draft).min(len).max(offset))
        })
    }
}

/// Ids that are given out: each once.
#[derive(Debug, Default)]
pub(crate) struct Ids(std::collections::HashMap<String, usize>);

impl Ids {
    /// An id that is like `wanted`.
    pub(crate) fn give(&mut self, wanted: &str) -> String {
        const BYTES_MAX: usize = 32;
        let mut slug = String::new();
        for c in wanted.to_ascii_lowercase().chars() {
            if slug.len() >= BYTES_MAX {
                break;
            }
            match c {
                'a'..='z' | '0'..='9' => slug.push(c),
                _ if !slug.is_empty() && !slug.ends_with('-') => slug.push('-'),
                _ => {}
            }
        }
        let slug = slug.trim_matches('-');
        let slug =
            if slug.is_empty() || slug.starts_with(|c: char| c.is_ascii_digit()) { "run" } else { slug };
        let slug = if ["step", "gate", "keep"].contains(&slug.split('-').next().unwrap_or_default()) {
            format!("do-{slug}")
        } else {
            slug.to_owned()
        };
        let n = self.0.entry(slug.clone()).or_default();
        *n += 1;
        match *n {
            1 => slug,
            n => {
                let id = format!("{slug}-{n}");
                *self.0.entry(id.clone()).or_default() += 1;
                id
            }
        }
    }
}

/// What a step is called, by the words of its first command.
pub(crate) fn name_of(words: &[&str]) -> String {
    let Some((program, rest)) = words.split_first() else { return "run".to_owned() };
    let mut verbs = rest.iter().filter(|word| {
        !word.starts_with('-') && word.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    });
    let first = verbs.next().copied().unwrap_or_default();
    let stem = |path: &str| {
        path.rsplit('/').next().unwrap_or_default().split('.').next().unwrap_or_default().to_owned()
    };
    match *program {
        "docker" if first == "compose" => verbs.next().copied().unwrap_or("compose").to_owned(),
        "docker-compose" | "systemctl" | "supervisorctl" if !first.is_empty() => first.to_owned(),
        "aws" | "git" | "docker" | "kubectl" | "helm" | "npm" | "pip" | "pip3" | "service" | "pm2"
        | "yarn" | "pnpm" | "apt" | "apt-get"
            if !first.is_empty() =>
        {
            let next = if *program == "aws" { verbs.next().copied().unwrap_or_default() } else { "" };
            format!("{}-{first}-{next}", if *program == "aws" { "" } else { program })
        }
        "bash" | "sh" | "python" | "python3" | "node" | "php" | "ruby" => rest
            .iter()
            .find(|word| !word.starts_with('-'))
            .map_or_else(|| (*program).to_owned(), |word| stem(word)),
        path if path.contains('/') => stem(path),
        program => program.to_owned(),
    }
}
