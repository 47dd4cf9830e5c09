//! Names of settings in env files and compose files. Values are compared and go no further.

use std::collections::BTreeMap;

/// Name to value.
pub(crate) type Keys = BTreeMap<String, String>;

/// The name of a setting; nothing else that stands before `=` or `:` is one.
fn name(text: &str) -> Option<&str> {
    let text = text.trim().trim_matches(['"', '\'']);
    let starts = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_';
    (starts && text.len() <= 100 && text.chars().all(fits)).then_some(text)
}

/// `KEY=value` lines. A quoted value may go over several lines, and so may a key between PEM marks: what stands in them looks like
/// names now and then, and is part of a secret.
pub(crate) fn settings(text: &str) -> Keys {
    let mut found = Keys::new();
    let mut closes = None;
    for line in text.lines() {
        if let Some(close) = closes {
            closes = (!line.contains(close)).then_some(close);
            continue;
        }
        if line.contains("-----BEGIN") && !line.contains("-----END") {
            closes = Some("-----END");
        }
        let line = line.trim();
        let line = line.strip_prefix("export ").unwrap_or(line);
        let Some((key, value)) = line.split_once('=') else { continue };
        let value = value.trim_start();
        for quote in ["\"", "'"] {
            if let Some(rest) = value.strip_prefix(quote)
                && !rest.contains(quote)
            {
                closes = Some(quote);
            }
        }
        if let Some(key) = name(key) {
            found.insert(key.to_owned(), value.to_owned());
        }
    }
    found
}

/// What stands under `environment:` of the services of a compose file, as `KEY: value`, `- KEY=value` or `- KEY`.
pub(crate) fn composed(text: &str) -> Keys {
    let mut found = Keys::new();
    // Room before `environment:`, and before its first entry: what is further in belongs to a value of several lines.
    let mut inside: Option<(usize, Option<usize>)> = None;
    for line in text.lines() {
        let entry = line.trim();
        if entry.is_empty() || entry.starts_with('#') {
            continue;
        }
        let room = line.len() - line.trim_start().len();
        if let Some((outer, first)) = inside {
            let level = first.unwrap_or(room);
            if room > outer || room == outer && entry.starts_with('-') {
                inside = Some((outer, Some(level)));
                let (item, mark) = entry.strip_prefix("- ").map_or((entry, ':'), |item| (item, '='));
                let (key, value) = item.split_once(mark).unwrap_or((item, ""));
                if let Some(key) = name(key).filter(|_| room == level) {
                    found.insert(key.to_owned(), value.trim().to_owned());
                }
                continue;
            }
        }
        inside = (entry == "environment:").then_some((room, None));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(keys: &Keys) -> Vec<&str> {
        keys.keys().map(String::as_str).collect()
    }

    #[test]
    fn parts_of_a_secret_are_no_names() {
        let text = "# comment\nexport A=1\nB=\"one line\"\nKEY=\"-----BEGIN KEY-----\nQmFzZTY0=\n-----END KEY-----\"\nC=\n\
                    PEM=-----BEGIN X-----\nc2VjcmV0=\n-----END X-----\nD='x\nhidden=1\n'\nE=2\nnot a key=3\n";
        assert_eq!(names(&settings(text)), ["A", "B", "C", "D", "E", "KEY", "PEM"]);
    }

    #[test]
    fn compose_files_have_both_forms() {
        let text = "services:\n  web:\n    environment:\n      SMTP_HOST: mail\n      NOTE: |\n        inner: 1\n    image: a\n  \
                    job:\n    environment:\n    - MODE=fast\n    - TOKEN\n    command: run\n";
        assert_eq!(names(&composed(text)), ["MODE", "NOTE", "SMTP_HOST", "TOKEN"]);
    }
}
