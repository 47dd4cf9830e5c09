//! `[documents]`: the pages that are made for people.

use super::read::Section;
use std::fmt;

pub(super) const KEYS: &[&str] = &["lang", "name", "folder"];
pub(super) const LANGS: &[(&str, Lang)] = &[("en", Lang::En), ("zh", Lang::Zh), ("ja", Lang::Ja)];
/// What the file of a new release document is called, unless `name` says otherwise.
const NAME: &str = "DEPLOY_{name}_{date}.md";

/// How release documents, tickets and records are made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Documents {
    /// Their language; `None`: that of whoever asks for one.
    pub lang: Option<Lang>,
    /// File name of a new release document, with `{name}` and `{date}`; `None`: `DEPLOY_{name}_{date}.md`.
    pub name: Option<String>,
    /// Where a new release document goes, relative to the folder of `windlass.toml`; `None`: there.
    pub folder: Option<String>,
}

impl Documents {
    /// File name of the release document `name` of a day (`20261127`).
    #[must_use]
    pub fn file_name(&self, name: &str, date: &str) -> String {
        // The date first: a name may have braces of its own in no pattern.
        self.name.as_deref().unwrap_or(NAME).replace("{date}", date).replace("{name}", name)
    }
}

/// A language that pages for people are made in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lang {
    /// English.
    #[default]
    En,
    /// Chinese, simplified.
    Zh,
    /// Japanese.
    Ja,
}

impl Lang {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::En, Self::Zh, Self::Ja];

    /// The language of a locale's name (`zh_CN.UTF-8`, `ja`), if it is one of these.
    #[must_use]
    pub fn of_locale(name: &str) -> Option<Self> {
        let language = name.split(['_', '.', '@', '-']).next()?;
        Self::ALL.into_iter().find(|lang| lang.code().eq_ignore_ascii_case(language))
    }

    /// Its code of ISO 639.
    #[must_use]
    pub fn code(self) -> &'static str {
        LANGS[self as usize].0
    }
}

impl fmt::Display for Lang {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.code())
    }
}

pub(super) fn read(root: &Section<'_, '_, '_>) -> Documents {
    let Some(section) = root.section("documents", KEYS) else { return Documents::default() };
    Documents { lang: section.word("lang", LANGS), name: name(&section), folder: folder(&section) }
}

/// A pattern that gives each document a file of its own, in the folder and nowhere else.
fn name(section: &Section<'_, '_, '_>) -> Option<String> {
    let text = section.text("name")?;
    let plain = text.replacen("{name}", "", 1).replacen("{date}", "", 1);
    let stays = |c: char| !c.is_control() && !matches!(c, '/' | '\\' | '{' | '}');
    if text.contains("{name}") && text.ends_with(".md") && !text.starts_with('.') && plain.chars().all(stays)
    {
        return Some(text);
    }
    section.error(
        "config-value",
        "name",
        format!("`name` of {} is no file name of a release document: `{text}`", section.name()),
        format!("write `{{name}}` once, `{{date}}` if you like, `.md` at the end, and no folder: `{NAME}`"),
    );
    None
}

/// A folder below that of `windlass.toml`: only there the document finds the configuration again.
fn folder(section: &Section<'_, '_, '_>) -> Option<String> {
    let text = section.text("folder")?;
    if !text.starts_with('/') && text.split('/').all(|part| part != "..") {
        return Some(text);
    }
    section.error(
        "config-value",
        "folder",
        format!("`folder` of {} is not below the folder of windlass.toml", section.name()),
        "write it relative to windlass.toml, without `..`: `docs/releases`",
    );
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_locale_has_a_language() {
        let of = Lang::of_locale;
        assert_eq!([of("zh_CN.UTF-8"), of("zh-TW"), of("ZH")], [Some(Lang::Zh); 3]);
        assert_eq!(
            (of("ja_JP.eucJP"), of("en"), of("en_GB@euro")),
            (Some(Lang::Ja), Some(Lang::En), Some(Lang::En))
        );
        assert_eq!([of("C.UTF-8"), of("POSIX"), of("de_DE"), of("")], [None; 4]);
        for (at, lang) in Lang::ALL.into_iter().enumerate() {
            assert_eq!(
                (LANGS[at].1, of(lang.code())),
                (lang, Some(lang)),
                "the codes stand in the order of the languages"
            );
        }
    }

    #[test]
    fn a_document_has_the_name_of_the_pattern() {
        let mut documents = Documents::default();
        assert_eq!(documents.file_name("LOGIN", "20261127"), "DEPLOY_LOGIN_20261127.md");
        documents.name = Some("{date}-{name}.release.md".to_owned());
        assert_eq!(documents.file_name("登录", "20261127"), "20261127-登录.release.md");
    }
}
