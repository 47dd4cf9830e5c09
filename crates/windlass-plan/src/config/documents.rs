//! `[documents]`: the pages that are made for people.

use super::read::Section;
use std::fmt;

pub(super) const KEYS: &[&str] = &["lang"];
const LANGS: &[(&str, Lang)] = &[("en", Lang::En), ("zh", Lang::Zh), ("ja", Lang::Ja)];

/// How tickets and records are made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Documents {
    /// Their language; `None`: that of whoever asks for one.
    pub lang: Option<Lang>,
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
    Documents { lang: section.word("lang", LANGS) }
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
}
