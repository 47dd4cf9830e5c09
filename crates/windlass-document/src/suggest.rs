//! "Did you mean …?" and how pieces of the document are quoted in messages.

/// Longest word that is looked up: nobody mistypes a longer one.
const WORD_CHARS_MAX: usize = 64;

/// Comparisons for one document; a file with more unknown words than that is not helped by guesses, and
/// comparing all of them with all names would be quadratic.
const COMPARISONS_MAX: usize = 200_000;

/// Characters of the document that a message repeats.
const QUOTE_CHARS_MAX: usize = 40;

/// Finds near names, with a bound on the work for one document.
#[derive(Debug)]
pub(crate) struct Suggester {
    comparisons_left: usize,
}

impl Default for Suggester {
    fn default() -> Self {
        Self { comparisons_left: COMPARISONS_MAX }
    }
}

impl Suggester {
    /// The candidate nearest to `word`, if one is near enough to be meant.
    pub(crate) fn nearest<'a>(&mut self, word: &str, candidates: &[&'a str]) -> Option<&'a str> {
        if candidates.len() > self.comparisons_left {
            return None;
        }
        self.comparisons_left -= candidates.len();
        nearest(word, candidates.iter().copied())
    }
}

/// The candidate nearest to `word`, if one is near enough to be meant. For short, fixed lists.
pub(crate) fn nearest<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let chars = word.chars().take(WORD_CHARS_MAX + 1).count();
    if chars > WORD_CHARS_MAX {
        return None;
    }
    let lower = word.to_lowercase();
    let distance_max = (chars / 3).max(1);
    candidates
        .filter(|candidate| candidate.len() <= WORD_CHARS_MAX * 4)
        .map(|candidate| (strsim::osa_distance(&lower, &candidate.to_lowercase()), candidate))
        .filter(|(distance, candidate)| {
            // Replacing every character is no likeness ("x" is not near "y").
            *distance <= distance_max && *distance < candidate.chars().count()
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// `text` in backticks for a message: control characters made visible, cut after 40 characters.
pub(crate) fn quote(text: &str) -> String {
    let mut shown = String::from("`");
    for (at, c) in text.chars().enumerate() {
        if at == QUOTE_CHARS_MAX {
            shown.push('…');
            break;
        }
        if c.is_control() {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    shown.push('`');
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_words_are_found_and_far_ones_are_not() {
        let names = ["timeout", "within", "on", "online"];
        assert_eq!(nearest("timout", names.into_iter()), Some("timeout"));
        assert_eq!(nearest("Within", names.into_iter()), Some("within"));
        assert_eq!(nearest("no", names.into_iter()), Some("on"), "a swap is one edit");
        assert_eq!(nearest("retries", names.into_iter()), None);
        assert_eq!(nearest("x", ["y"].into_iter()), None);
        assert_eq!(nearest(&"t".repeat(100_000), names.into_iter()), None);
    }

    #[test]
    fn the_work_of_one_document_is_bounded() {
        let mut suggester = Suggester { comparisons_left: 3 };
        assert_eq!(suggester.nearest("aab", &["aaa", "ccc"]), Some("aaa"));
        assert_eq!(suggester.nearest("aab", &["aaa", "ccc"]), None, "the bound is used up");
    }

    #[test]
    fn quotes_are_short_and_printable() {
        assert_eq!(quote("a\u{1b}[0m"), "`a\\u{1b}[0m`");
        assert_eq!(quote(&"好".repeat(100)).chars().count(), 43);
    }
}
