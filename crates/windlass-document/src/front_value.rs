//! Front matter: from key and text to typed values.

use crate::{
    Downtime, Finding, FrontMatter, Kind, Span, Spanned, Urgency,
    duration::{self, DurationError},
    front::{Entry, Source, Value},
    name,
    rules::Findings,
    rules_list as rules,
    suggest::{nearest, quote},
};

/// The keys of the front matter and what each is for.
pub(crate) const KEYS: [(&str, &str); 7] = [
    ("release", "`release: 2.1.0`"),
    ("from", "`from: 2.0.9`"),
    ("env", "`env: production`"),
    ("kind", "`kind: feature`"),
    ("severity", "`severity: recommended`"),
    ("downtime", "`downtime: 5s`"),
    ("ticket", "`ticket: OPS-17`"),
];

/// What people write for a key when they do not remember it, and no edit distance would find.
const SYNONYMS: [(&str, &str); 12] = [
    ("version", "release"),
    ("tag", "release"),
    ("to", "release"),
    ("previous", "from"),
    ("base", "from"),
    ("environment", "env"),
    ("type", "kind"),
    ("urgency", "severity"),
    ("priority", "severity"),
    ("outage", "downtime"),
    ("issue", "ticket"),
    ("change", "ticket"),
];

const KINDS: [(&str, Kind); 4] = [
    ("feature", Kind::Feature),
    ("fix", Kind::Fix),
    ("performance", Kind::Performance),
    ("security", Kind::Security),
];

/// Longest version, environment and ticket: they become parts of file names, tags and titles.
const WORD_CHARS_MAX: usize = 128;

/// Types `entries`. `open` is the opening `---`, where a missing key is reported.
pub(crate) fn read(
    source: Source<'_>,
    open: Span,
    entries: Vec<Entry>,
    findings: &mut Findings,
) -> FrontMatter {
    let mut front = FrontMatter::default();
    let mut seen: Vec<(&'static str, Span)> = Vec::new();
    let mut release_written = false;
    for entry in entries {
        let Some((key, _)) = KEYS.iter().find(|(key, _)| *key == entry.key) else {
            let finding = unknown(&entry);
            // A misspelt `release` is one problem, not two.
            release_written |= finding.fixes.iter().any(|fix| fix.replacement == "release");
            findings.push(finding);
            continue;
        };
        if let Some((_, first)) = seen.iter().find(|(name, _)| name == key) {
            let finding = rules::FRONT_DUPLICATE
                .at(entry.key_span, format!("`{key}` is given twice"))
                .label("the second one")
                .also(*first, "first given here");
            findings.push(match lines_of(source, &entry) {
                Some(lines) => finding.fix(lines, "", "remove the second one", false),
                None => finding,
            });
            continue;
        }
        seen.push((key, entry.key_span));
        release_written |= *key == "release";
        if let Err(finding) = set(&mut front, key, &entry) {
            findings.push(*finding);
        }
    }
    if !release_written {
        let insert = Span::new(source.yaml_start, source.yaml_start);
        findings.push(
            rules::FRONT_RELEASE
                .at(open, "the front matter does not say which version is released")
                .label("`release` is missing")
                .fix(insert, format!("release: VERSION{}", source.line_end), "add the key", false),
        );
    }
    if let (Some(release), Some(from)) = (&front.release, &front.from)
        && release.value == from.value
    {
        findings.push(
            rules::FRONT_SAME_VERSION
                .at(from.span, format!("`from` and `release` are both {}", quote(&from.value)))
                .label("the version that serves before")
                .also(release.span, "the version that is released"),
        );
    }
    front
}

/// The lines of an entry, its line end included; nothing for an entry of a `{flow: mapping}`, which shares its line.
fn lines_of(source: Source<'_>, entry: &Entry) -> Option<Span> {
    let start = entry.key_span.start;
    if start != source.yaml_start && !source.text[..start].ends_with('\n') {
        return None;
    }
    let from = entry.value_span.end.max(entry.key_span.end);
    let end = source.text[from..].find('\n').map_or(source.text.len(), |at| from + at + 1);
    Some(Span::new(start, end))
}

fn unknown(entry: &Entry) -> Finding {
    let lower = entry.key.to_lowercase();
    let near = SYNONYMS
        .iter()
        .find(|(word, _)| *word == lower)
        .map(|(_, key)| *key)
        .or_else(|| nearest(&entry.key, KEYS.iter().map(|(key, _)| *key)));
    let names: Vec<&str> = KEYS.iter().map(|(key, _)| *key).collect();
    let finding = rules::FRONT_KEY
        .at(entry.key_span, format!("{} is not a key of the front matter", quote(&entry.key)))
        .help(format!("the keys are {}", names.join(", ")));
    match near {
        Some(key) => finding.label(format!("did you mean `{key}`?")).fix(
            entry.key_span,
            key,
            format!("write `{key}`"),
            false,
        ),
        None => finding.label("unknown key"),
    }
}

fn set(front: &mut FrontMatter, key: &str, entry: &Entry) -> Result<(), Box<Finding>> {
    let span = entry.value_span;
    let text = match &entry.value {
        Value::Text(text) if !text.trim().is_empty() => text.as_str(),
        Value::Text(_) | Value::Missing => return Err(Box::new(empty(key, entry))),
        Value::Nested => {
            return Err(Box::new(
                rules::FRONT_VALUE
                    .at(span, format!("`{key}` has a list or a mapping, not a value"))
                    .label("one value is expected")
                    .help(format!("write for example {}", example(key))),
            ));
        }
    };
    match key {
        "release" => front.release = Some(Spanned::new(version(key, text, span)?, span)),
        "from" => front.from = Some(Spanned::new(version(key, text, span)?, span)),
        "env" => front.env = Some(Spanned::new(environment(text, span)?, span)),
        "kind" => front.kind = Some(Spanned::new(one_of(key, text, span, &KINDS)?, span)),
        "severity" => {
            front.severity =
                Some(Spanned::new(one_of(key, text, span, &Urgency::ALL.map(|one| (one.name(), one)))?, span))
        }
        "downtime" => front.downtime = Some(Spanned::new(downtime(text, span)?, span)),
        _ => front.ticket = Some(Spanned::new(one_line(key, text, span)?, span)),
    }
    Ok(())
}

fn example(key: &str) -> &'static str {
    KEYS.iter().find(|(name, _)| *name == key).map_or("", |(_, example)| example)
}

fn empty(key: &str, entry: &Entry) -> Finding {
    let at = if entry.value_span.end > entry.value_span.start { entry.value_span } else { entry.key_span };
    rules::FRONT_VALUE
        .at(at, format!("`{key}` has no value"))
        .label("the value is missing")
        .help(format!("write for example {}, or leave the key out", example(key)))
}

fn one_line(key: &str, text: &str, span: Span) -> Result<String, Box<Finding>> {
    if text.chars().any(char::is_control) || text.chars().count() > WORD_CHARS_MAX {
        return Err(Box::new(
            rules::FRONT_VALUE
                .at(span, format!("`{key}` is not one line of at most {WORD_CHARS_MAX} characters"))
                .label("too long, or with control characters"),
        ));
    }
    Ok(text.trim().to_owned())
}

fn version(key: &str, text: &str, span: Span) -> Result<String, Box<Finding>> {
    let version = one_line(key, text, span)?;
    if version.contains(char::is_whitespace) {
        return Err(Box::new(
            rules::FRONT_VALUE
                .at(span, format!("`{key}` is not a version: {} has a space", quote(&version)))
                .label("one word is expected")
                .help(format!("write for example {}", example(key))),
        ));
    }
    Ok(version)
}

fn environment(text: &str, span: Span) -> Result<String, Box<Finding>> {
    // The name becomes part of a file name, so a path in it must not get through.
    if name::is_name(text) && text.chars().count() <= WORD_CHARS_MAX {
        return Ok(text.to_owned());
    }
    Err(Box::new(
        rules::FRONT_VALUE
            .at(span, format!("`env` is not the name of an environment: {}", quote(text)))
            .label("letters, digits, `_`, `.` and `-` are possible")
            .help("`env: production` reads windlass.production.toml"),
    ))
}

fn one_of<T: Copy>(key: &str, text: &str, span: Span, values: &[(&str, T)]) -> Result<T, Box<Finding>> {
    if let Some((_, value)) = values.iter().find(|(name, _)| *name == text) {
        return Ok(*value);
    }
    let names: Vec<&str> = values.iter().map(|(name, _)| *name).collect();
    let finding = rules::FRONT_VALUE
        .at(span, format!("`{key}` cannot be {}", quote(text)))
        .help(format!("`{key}` is one of {}", names.join(", ")));
    Err(Box::new(match nearest(text, names.iter().copied()) {
        Some(near) => {
            finding.label(format!("did you mean `{near}`?")).fix(span, near, format!("write `{near}`"), false)
        }
        None => finding.label("not one of the values"),
    }))
}

fn downtime(text: &str, span: Span) -> Result<Downtime, Box<Finding>> {
    if text == "0" {
        return Ok(Downtime(std::time::Duration::ZERO));
    }
    duration::parse(text).map(Downtime).map_err(|error| {
        let finding = rules::FRONT_VALUE
            .at(span, format!("`downtime` is not a duration: {}", error.describe(text)))
            .help("write `0`, `5s` or `15m`");
        Box::new(match error {
            DurationError::Near(near) => finding.label(format!("did you mean `{near}`?")).fix(
                span,
                near.clone(),
                format!("write `{near}`"),
                false,
            ),
            _ => finding.label("a number and `ms`, `s`, `m`, `h` or `d`"),
        })
    })
}
