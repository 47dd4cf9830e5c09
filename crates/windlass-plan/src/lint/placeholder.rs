//! `placeholder`

use super::{Facts, Rule};
use crate::{Target, Value};
use std::collections::BTreeSet;
use windlass_document::{Finding, Script, Severity, Span, Step};

pub(super) const RULE: Rule = Rule {
    name: "placeholder",
    severity: Severity::Error,
    summary: "a step, or the target it runs on, still has a placeholder",
    why: "somebody has to put the real value there; as it is, the line fails, or the placeholder becomes the value",
    bad: "```sh {#look on=app readonly}\ncat /path/to/app.log\n```\n",
    good: "```sh {#look on=app readonly}\ncat /srv/booking/app.log\n```\n",
    check,
};

fn check(rule: &Rule, facts: &Facts<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut told = BTreeSet::new();
    for step in &facts.document.steps {
        for (offset, text) in live(step) {
            let Some((start, end)) = find(text) else { continue };
            let span = step.body.span_to_source(Span::new(offset + start, offset + end));
            findings.push(
                rule.at(span, format!("`{}` is a placeholder", &text[start..end]))
                    .help("write what really stands there; a password belongs into a file or variable outside of the document"),
            );
        }
        let Some(on) = &step.attributes.on else { continue };
        let Some(target) = facts.config.targets.get(&on.value) else { continue };
        let Some(found) = in_target(target).filter(|_| told.insert(on.value.as_str())) else { continue };
        findings.push(
            rule.at(
                on.span,
                format!("`{found}` in windlass.toml, under target `{}`, is a placeholder", on.value),
            )
            .help("write the real host, folder or address there"),
        );
    }
    findings
}

/// The lines of a step that are more than comments, with their offsets in the body.
fn live(step: &Step) -> Vec<(usize, &str)> {
    let text = step.body.text.as_str();
    if let Script::Shell(script) = &step.script
        && !script.commands.is_empty()
    {
        let part = |span: Span| Some((span.start, text.get(span.start..span.end)?));
        return script.commands.iter().filter_map(|command| part(command.span)).collect();
    }
    let mut at = 0;
    let mut found = Vec::new();
    for line in text.split_inclusive('\n') {
        let comment = matches!(step.script, Script::Sql) && line.trim_start().starts_with("--")
            || line.trim_start().starts_with('#');
        if !comment {
            found.push((at, line));
        }
        at += line.len();
    }
    found
}

fn in_target(target: &Target) -> Option<String> {
    let texts: Vec<&str> = match target {
        Target::Hosts { hosts, dir, .. } => hosts.iter().chain(dir).map(String::as_str).collect(),
        Target::Url { url: Value::Plain(url), .. } => vec![url],
        Target::Url { .. } | Target::Store(_) => Vec::new(),
    };
    texts.into_iter().find_map(|text| find(text).map(|(start, end)| text[start..end].to_owned()))
}

/// The first placeholder of a text (`<password>`, `your_server_ip`, `/path/to/…`, `migrate_xxx.py`), as bytes.
#[must_use]
pub fn find(text: &str) -> Option<(usize, usize)> {
    let brackets = pointed(text);
    let word = named(text);
    match (brackets, word) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

/// `<上一个版本>`, `<PASSWORD>`, `<your token>`; no tag of HTML or XML and no redirection.
fn pointed(text: &str) -> Option<(usize, usize)> {
    const BYTES_MAX: usize = 120;
    const HINTS: &[&str] = &[
        "your", "pass", "token", "secret", "host", "ip", "name", "version", "hash", "user", "key", "id",
        "url", "path", "endpoint", "region", "tag", "commit", "port", "db", "address", "file", "bucket",
        "account",
    ];
    let closes = text.contains("</");
    for (start, _) in text.match_indices('<') {
        let rest = &text[start + 1..];
        let Some(len) = rest.bytes().take(BYTES_MAX).position(|byte| matches!(byte, b'>' | b'\n' | b'<'))
        else {
            continue;
        };
        let inside = &rest[..len];
        let is_name = inside.chars().next().is_some_and(char::is_alphabetic)
            && !inside.ends_with(char::is_whitespace)
            && !inside.contains(['=', '"', '\'', '$', '(', '/', ';', '|', '&']);
        if !rest[len..].starts_with('>') || !is_name {
            continue;
        }
        let lower = inside.to_ascii_lowercase();
        let hinted = lower
            .split(|c: char| !c.is_ascii_alphanumeric())
            .any(|word| HINTS.iter().any(|hint| word.starts_with(hint)));
        let upper = inside.len() > 1
            && inside.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b"_- ".contains(&b));
        // Between tags that are closed, such a word is a tag.
        let markup = closes && inside.is_ascii();
        if (!inside.is_ascii() || hinted || upper) && !markup {
            return Some((start, start + len + 2));
        }
    }
    None
}

/// `your_server_ip`, `/path/to/x`, `migrate_xxx.py`, `x.x.x.x`.
fn named(text: &str) -> Option<(usize, usize)> {
    let bytes = text.as_bytes();
    let is_word = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    let mut at = 0;
    while at < bytes.len() {
        if !is_word(bytes[at]) {
            at += 1;
            continue;
        }
        let end = bytes[at..].iter().position(|b| !is_word(*b)).map_or(bytes.len(), |len| at + len);
        let word = &text[at..end];
        let before = at.checked_sub(1).map(|before| bytes[before]);
        let lower = word.to_ascii_lowercase();
        let yours =
            lower.starts_with("your_") || lower.starts_with("your-") || lower.starts_with("yourdomain");
        let address = matches!(lower.as_str(), "server_ip" | "server-ip" | "host_ip" | "ip_address")
            && matches!(before, Some(b'@' | b'/'));
        let exes = |part: &str| part.len() >= 3 && part.bytes().all(|b| matches!(b, b'x' | b'X'));
        let filled = word.len() < 64 && word.split(['_', '-']).any(exes);
        let dotted = text.get(at..at + 7).is_some_and(|text| text.eq_ignore_ascii_case("x.x.x.x"));
        // A variable of the shell has a value.
        if !matches!(before, Some(b'$' | b'{')) && (yours || address || filled || dotted) {
            return Some((at, if dotted { at + 7 } else { end }));
        }
        if lower == "path" && before == Some(b'/') && text[end..].starts_with("/to/") {
            return Some((at - 1, end + 3));
        }
        at = end;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::find;

    #[test]
    fn placeholders_are_told_from_values() {
        for (text, expected) in [
            ("PASSWORD '<强密码>'", "<强密码>"),
            ("git reset --hard <上一个版本的commit-hash>", "<上一个版本的commit-hash>"),
            ("ssh root@your_server_ip", "your_server_ip"),
            ("ssh root@server_ip", "server_ip"),
            ("cd /path/to/app", "/path/to"),
            ("python migrations/migrate_xxx.py", "migrate_xxx"),
            ("Authorization: Bearer <token>", "<token>"),
            ("postgres://u:<PASSWORD>@<RDS_ENDPOINT>/d", "<PASSWORD>"),
            ("ping x.x.x.x", "x.x.x.x"),
        ] {
            assert_eq!(find(text).map(|(start, end)| &text[start..end]), Some(expected), "{text}");
        }
        for text in [
            "sort <in >out",
            "psql app <dump.sql",
            "<version>2.1.0</version>",
            "if (a < b && c > d)",
            "echo $SERVER_IP ${your_name}",
            "cat <<EOF >file",
            "SELECT 1 WHERE a <b AND c> d",
            "curl http://10.0.0.1/health",
            "lxx maxx",
        ] {
            assert_eq!(find(text), None, "{text}");
        }
    }
}
