//! The header of the draft, and the draft of `windlass.toml`.

use crate::{
    emit::Emit,
    lexicon::Language,
    lines::Line,
    walk::{Host, Notes},
};
use windlass_document::LineIndex;
use windlass_sql::Dialect;

/// The versions of the release.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Release {
    pub(crate) version: Option<String>,
    pub(crate) from: Option<String>,
}

/// The version: of the title, of the file name, or that which is checked out.
pub(crate) fn release(name: &str, title: Option<&str>, notes: &Notes) -> Release {
    let stem = name.rsplit('/').next().unwrap_or(name);
    let checked_out = notes.commands.iter().find_map(|seen| {
        seen.parts.iter().find_map(|words| match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["git", "checkout" | "switch", version, ..] => self::version(version),
            _ => None,
        })
    });
    let version = title.and_then(self::version).or_else(|| self::version(stem)).or(checked_out);
    let from = version.as_deref().and_then(|version| before(version, notes));
    Release { version, from }
}

/// The other version of a sentence that names both.
fn before(version: &str, notes: &Notes) -> Option<String> {
    let found = notes.words.iter().find_map(|words| {
        let all: Vec<String> = versions(&words.text);
        let other = all.iter().find(|other| {
            other.as_str() != version && other.matches('.').count() == version.matches('.').count()
        })?;
        all.iter().any(|one| one == version).then(|| other.clone())
    });
    found.filter(|other| !other.is_empty())
}

/// The first version of a text: numbers with at least one dot, such as `2.1.0`.
fn version(text: &str) -> Option<String> {
    versions(text).into_iter().next()
}

fn versions(text: &str) -> Vec<String> {
    let is_part = |c: char| c.is_ascii_digit() || c == '.';
    let mut found = Vec::new();
    for word in text.split(|c: char| !c.is_ascii_alphanumeric() && !"._".contains(c)) {
        let word = word.rsplit('_').find(|part| part.contains('.')).unwrap_or(word);
        let number = word.trim_start_matches(['v', 'V']);
        let end = number.find(|c| !is_part(c)).unwrap_or(number.len());
        let number = number[..end].trim_end_matches('.');
        let parts: Vec<&str> = number.split('.').collect();
        let plausible =
            (2..=4).contains(&parts.len()) && parts.iter().all(|part| !part.is_empty() && part.len() < 5);
        // `v1.0` of a document is no release.
        if plausible && (parts.len() > 2 || word.starts_with(['v', 'V']) && parts[0] != "1") {
            found.push(number.to_owned());
        }
    }
    found
}

/// The front matter of the draft.
pub(crate) fn front(release: &Release, language: Language, old: &[Line]) -> Vec<Emit> {
    let mut lines = vec!["---".to_owned()];
    match &release.version {
        Some(version) => lines.push(format!("release: {}", quoted(version))),
        None => {
            let which =
                language.pick("which version is released?", "要发布的版本是？", "リリースするバージョンは？");
            lines.push(format!("# release:   # {which}"));
        }
    }
    if let Some(from) = &release.from {
        lines.push(format!("from: {}", quoted(from)));
    }
    lines.push("---".to_owned());
    if old.len() > 2 {
        let words = language.pick("header of the old file", "原文件头", "元のヘッダ");
        lines.push(format!("<!-- {words}:"));
        lines.extend(old[1..old.len() - 1].iter().map(|line| line.text.replace("-->", "→")));
        lines.push("-->".to_owned());
    }
    lines.into_iter().map(|line| Emit::own("", line)).collect()
}

/// A version with one dot would be a number to YAML.
fn quoted(version: &str) -> String {
    if version.matches('.').count() < 2 { format!("\"{version}\"") } else { version.to_owned() }
}

/// A text as TOML.
pub(crate) fn text(value: &str) -> String {
    let mut out = String::from("\"");
    for c in value.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => out.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => out.push(c),
        }
    }
    out + "\""
}

/// The draft of `windlass.toml`.
pub(crate) fn toml(notes: &Notes, language: Language, lines: &LineIndex) -> String {
    let pick = |en, zh, ja| language.pick(en, zh, ja);
    let mut out = vec![format!(
        "# {}",
        pick(
            "Draft by `windlass adopt`: where the steps of the runbook run. Look through it once.",
            "由 `windlass adopt` 起草：各步骤在哪里运行。请检查一遍。",
            "`windlass adopt` の下書き：各ステップをどこで実行するか。一度確認する。"
        )
    )];
    for host in &notes.hosts {
        out.extend(remote(host, lines, language));
    }
    if notes.here || notes.hosts.is_empty() {
        let name = if notes.hosts.is_empty() { "app" } else { "here" };
        out.extend([String::new(), format!("[target.{name}]")]);
        if let Some(span) = notes.unnamed.filter(|_| notes.hosts.is_empty()) {
            let which = pick(
                "which machines? the runbook does not name them, line",
                "哪些机器？原文没有写明，见第",
                "どのマシン？ 元の手順書に名前がない、行",
            );
            out.push(format!("hosts = [\"<user@host>\"]   # {which} {}", lines.line(span.start)));
        }
        match notes.dir.as_deref().filter(|dir| !dir.starts_with('~')) {
            Some(dir) => out.push(format!("dir = {}", text(dir))),
            None if notes.unnamed.is_none() => {
                let here = pick(
                    "this machine; the folder of this file",
                    "本机；本文件所在目录",
                    "このマシン。このファイルのフォルダ",
                );
                out.push(format!("dir = \".\"   # {here}"));
            }
            None => {}
        }
    }
    if notes.uses_db {
        let kind = match notes.dialect {
            Some(Dialect::Mysql) => "mysql",
            Some(Dialect::Sqlite) => "sqlite",
            Some(Dialect::Postgresql) => "postgresql",
            None => "postgresql",
        };
        let kind_words = if notes.dialect.is_none() {
            pick(
                "   # which? postgresql, mysql or sqlite",
                "   # 哪一种？postgresql、mysql 或 sqlite",
                "   # どれ？ postgresql、mysql、sqlite",
            )
        } else {
            ""
        };
        let words = pick(
            "the URL comes from this variable; it is never written here",
            "URL 来自该环境变量，不写在文件里",
            "URL はこの環境変数から。ここには書かない",
        );
        out.extend([
            String::new(),
            "[target.db]".to_owned(),
            format!("url = {{ env = \"DATABASE_URL\" }}   # {words}"),
            format!("kind = \"{kind}\"{kind_words}"),
        ]);
    }
    out.extend(stores(notes));
    out.extend(policy(notes, language, lines));
    out.join("\n") + "\n"
}

/// The buckets.
fn stores(notes: &Notes) -> Vec<String> {
    let store = |(bucket, name): (&String, &String)| {
        [String::new(), format!("[target.{name}]"), format!("url = {}", text(&format!("s3://{bucket}")))]
    };
    notes.buckets.iter().flat_map(store).collect()
}

fn remote(host: &Host, lines: &LineIndex, language: Language) -> Vec<String> {
    let at = lines.line(host.at);
    let line = language.pick("line N", "原文第 N 行", "元の N 行目").replace('N', &at.to_string());
    let mut out = vec![
        String::new(),
        format!("[target.{}]", host.name),
        format!("hosts = [{}]   # {line}", text(&host.address)),
    ];
    if let Some(dir) = &host.dir {
        // Folders of hosts are relative to the home folder there.
        let dir = dir.strip_prefix("~/").unwrap_or(dir);
        if dir != "~" {
            out.push(format!("dir = {}", text(dir)));
        }
    }
    out
}

/// Windows that the runbook has in words only, as a comment to complete.
fn policy(notes: &Notes, language: Language, lines: &LineIndex) -> Vec<String> {
    let windows = crate::rules::windows(notes);
    if windows.is_empty() {
        return Vec::new();
    }
    let words = language.pick(
        "the runbook says when; write it as times",
        "原文写了时间窗口，请写成时间",
        "手順書に時間帯がある。時刻で書く",
    );
    let mut out = vec![
        String::new(),
        format!("# [policy]   # {words}"),
        "# window = [\"Mon-Thu 02:00-04:00\"]".to_owned(),
    ];
    out.extend(
        windows
            .iter()
            .take(4)
            .map(|words| format!("#   {}: {}", lines.line(words.span.start), words.text.trim())),
    );
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_titles_and_names() {
        for (text, expected) in [
            ("2.1.0后端发布文档", Some("2.1.0")),
            ("DEPLOY_LOGIN_UPDATE_20251109.md", None),
            ("Release v2.14", Some("2.14")),
            ("PostgreSQL 15/16", None),
            ("000-backend-release-2.1.0.zh.md", Some("2.1.0")),
            ("协议 v1.0", None),
            ("10.0.0.12 is down", Some("10.0.0.12")),
        ] {
            assert_eq!(version(text).as_deref(), expected, "{text}");
        }
    }
}
