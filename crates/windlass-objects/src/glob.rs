//! `fnmatch` of Python, which is what a filter of aws-cli is tested with: `*` and `?` also match `/`, case counts, and
//! nothing can be escaped.
//!
//! Up to Python 3.10 a range that runs backwards (`[z-a]`) is an error; from 3.11 on it is empty. Here it is empty.

/// A pattern, ready to be matched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Glob(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    One(char),
    Any,
    Run,
    Set { not: bool, ranges: Vec<(char, char)> },
}

impl Part {
    fn takes(&self, found: char) -> bool {
        match self {
            Self::One(expected) => *expected == found,
            Self::Any => true,
            Self::Run => false,
            Self::Set { not, ranges } => {
                *not != ranges.iter().any(|(first, last)| (*first..=*last).contains(&found))
            }
        }
    }
}

impl Glob {
    pub(crate) fn new(pattern: &str) -> Self {
        let pattern: Vec<char> = pattern.chars().collect();
        let mut parts = Vec::new();
        let mut at = 0;
        // Behind the last `]` nothing opens a set: without it, a row of `[` would be looked through again for each.
        let last_close = pattern.iter().rposition(|c| *c == ']').unwrap_or(0);
        while let Some(&found) = pattern.get(at) {
            at += 1;
            match found {
                '*' if parts.last() == Some(&Part::Run) => {}
                '*' => parts.push(Part::Run),
                '?' => parts.push(Part::Any),
                '[' => match (at <= last_close).then(|| closing(&pattern, at)).flatten() {
                    Some(close) => {
                        parts.push(set(&pattern[at..close]));
                        at = close + 1;
                    }
                    None => parts.push(Part::One('[')),
                },
                other => parts.push(Part::One(other)),
            }
        }
        Self(parts)
    }

    /// Whether the whole of `text` matches. On a mismatch only the last `*` is tried again, one character further on,
    /// so it takes at most as many steps as pattern times text.
    pub(crate) fn matches(&self, text: &str) -> bool {
        let parts = &self.0;
        let (mut part, mut at) = (0, 0);
        let mut retry: Option<(usize, usize)> = None;
        loop {
            let next = text[at..].chars().next();
            match (parts.get(part), next) {
                (Some(Part::Run), _) => {
                    part += 1;
                    if part == parts.len() {
                        return true;
                    }
                    retry = Some((part, at));
                    continue;
                }
                (None, None) => return true,
                (Some(expected), Some(found)) if expected.takes(found) => {
                    part += 1;
                    at += found.len_utf8();
                    continue;
                }
                _ => {}
            }
            let Some((again, from)) = retry else { return false };
            let Some(skipped) = text[from..].chars().next() else { return false };
            let from = from + skipped.len_utf8();
            retry = Some((again, from));
            (part, at) = (again, from);
        }
    }

    /// The text in front of the first wildcard.
    pub(crate) fn literal(&self) -> String {
        self.0.iter().map_while(|part| if let Part::One(c) = part { Some(*c) } else { None }).collect()
    }

    /// Whether it is text without any wildcard.
    pub(crate) fn is_literal(&self) -> bool {
        self.0.iter().all(|part| matches!(part, Part::One(_)))
    }

    /// Whether it is a text with one `*` at its end, so that it matches all that begins with that text.
    pub(crate) fn is_prefix(&self) -> bool {
        matches!(self.0.split_last(), Some((Part::Run, rest)) if rest.iter().all(|p| matches!(p, Part::One(_))))
    }
}

/// Where the set that opens in front of `at` is closed: a `]` at its very beginning belongs to it.
fn closing(pattern: &[char], at: usize) -> Option<usize> {
    let mut from = at;
    if pattern.get(from) == Some(&'!') {
        from += 1;
    }
    if pattern.get(from) == Some(&']') {
        from += 1;
    }
    (from..pattern.len()).find(|i| pattern[*i] == ']')
}

/// One token of a set: a character, or the dash of a range.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Token {
    Char(char),
    Dash,
}

/// The set between brackets, with the rules of Python's `fnmatch.translate` to the letter: which dashes make a range is
/// decided from the left, and a range that runs backwards disappears, from the right.
fn set(inside: &[char]) -> Part {
    let mut chunks: Vec<Vec<char>> = Vec::new();
    let mut from = 0;
    let mut look = if inside.first() == Some(&'!') { 2 } else { 1 };
    while let Some(dash) = (look..inside.len()).find(|i| inside[*i] == '-') {
        chunks.push(inside[from..dash].to_vec());
        from = dash + 1;
        look = dash + 3;
    }
    match (chunks.last_mut(), &inside[from..]) {
        (Some(last), []) => last.push('-'),
        (_, rest) => chunks.push(rest.to_vec()),
    }
    for at in (1..chunks.len()).rev() {
        let backwards = chunks[at - 1].last() > chunks[at].first();
        if backwards {
            let right = chunks.remove(at);
            chunks[at - 1].pop();
            chunks[at - 1].extend(&right[1..]);
        }
    }
    let mut tokens = Vec::new();
    for (at, chunk) in chunks.iter().enumerate() {
        if at > 0 {
            tokens.push(Token::Dash);
        }
        tokens.extend(chunk.iter().map(|c| Token::Char(*c)));
    }
    let not = tokens.first() == Some(&Token::Char('!'));
    ranges(not, &tokens[usize::from(not)..])
}

fn ranges(not: bool, mut tokens: &[Token]) -> Part {
    let mut ranges = Vec::new();
    while let Some((first, rest)) = tokens.split_first() {
        tokens = rest;
        match (first, rest) {
            (Token::Char(first), [Token::Dash, Token::Char(last), behind @ ..]) => {
                ranges.push((*first, *last));
                tokens = behind;
            }
            (Token::Char(one), _) => ranges.push((*one, *one)),
            (Token::Dash, _) => ranges.push(('-', '-')),
        }
    }
    if not && ranges.is_empty() { Part::Any } else { Part::Set { not, ranges } }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, text: &str) -> bool {
        Glob::new(pattern).matches(text)
    }

    #[test]
    fn wildcards_cross_slashes_and_case_counts() {
        assert!(matches("b/p/*.txt", "b/p/q/r/1.txt"));
        assert!(!matches("b/p/*.txt", "b/p/q/r/1.TXT"));
        assert!(matches("a?c", "a/c"));
        assert!(matches("a?c", "a\nc"));
        assert!(matches("a?c", "a表c"));
        assert!(!matches("spec-v1", "spec-v1/1"));
        assert!(matches("*a*b*", "xxaxxbxx"));
        assert!(!matches("*a*b", "xxaxxbxx"));
        assert!(matches("", "") && !matches("", "a") && matches("**", ""));
    }

    #[test]
    fn sets_are_those_of_python() {
        for (pattern, yes, no) in [
            ("[ab]", "ab", "c["),
            ("[!ab]", "c]", "ab"),
            ("[]a]", "]a", "["),
            ("[!]a]", "b[", "]a"),
            ("[a-c]", "abc", "-d"),
            ("[a-]", "a-", "b"),
            ("[-a]", "a-", "b"),
            ("[!-a]", "b", "-a"),
            ("[a-b-c]", "ab-c", "d"),
            ("[z-a]", "", "az-"),
            ("[!z-a]", "az-", ""),
            ("[^a]", "^a", "b"),
            ("[z-a!b]", "a!", "b"),
            ("[z-a!-c]", "a!b", "-c"),
            ("[\\a]", "\\a", "b"),
        ] {
            for c in yes.chars() {
                assert!(matches(pattern, &c.to_string()), "{pattern} takes {c}");
            }
            for c in no.chars() {
                assert!(!matches(pattern, &c.to_string()), "{pattern} does not take {c}");
            }
        }
        assert!(matches("a[b", "a[b"), "an open bracket that nothing closes is itself");
    }

    #[test]
    fn what_a_pattern_says_of_all_that_it_matches() {
        assert_eq!(Glob::new("b/p/*.txt").literal(), "b/p/");
        assert!(
            Glob::new("b/p/*").is_prefix() && !Glob::new("b/*/*").is_prefix() && !Glob::new("b").is_prefix()
        );
        assert!(Glob::new("b/p").is_literal() && !Glob::new("b/[p]").is_literal());
    }

    #[test]
    fn time_is_bounded_by_pattern_times_text() {
        let text = "a".repeat(2_000);
        assert!(!matches(&"*a".repeat(50).replacen("*a", "*b", 1), &text));
        assert!(!matches(&"[".repeat(20_000), &text));
    }
}
