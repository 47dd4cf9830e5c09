//! The part of a configuration file that Windlass may write: what stands between two comments. Pure.
//!
//! What Windlass writes begins with a line that has the sum of the lines behind it. So what somebody changed there is seen
//! without any note elsewhere; without that line all of it is somebody's own.

use crate::disk;

/// Begins what Windlass wrote.
const MADE: &str = "# made by windlass, not to be edited: ";

/// A marked part of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part<'t> {
    /// What stands between the marks, with its line ends.
    pub content: &'t str,
    /// Where it begins in the text, bytes.
    start: usize,
    /// Blanks in front of the first mark.
    indent: &'t str,
    /// Line of the first mark, from 1.
    pub line: usize,
}

/// Whose the content of a part is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// Windlass wrote all of it.
    Ours,
    /// Somebody wrote it who did not leave it to Windlass yet.
    Theirs,
    /// Windlass wrote it, and somebody changed it since.
    Edited,
}

/// The line that begins (or ends) the part `name`.
pub fn mark(which: &str, name: &str) -> String {
    format!("# windlass {which} {name}")
}

/// The part `name` of `text`; `None`: it has none.
///
/// # Errors
/// Its marks are not one pair, in words for a person.
pub fn find<'t>(text: &'t str, name: &str) -> Result<Option<Part<'t>>, String> {
    let (begin, end) = (mark("begin", name), mark("end", name));
    let (mut offset, mut open, mut found) = (0, None, None::<Part<'t>>);
    for (index, line) in text.split_inclusive('\n').enumerate() {
        let number = index + 1;
        if line.trim() == begin {
            if open.is_some() || found.is_some() {
                return Err(format!("line {number} is a second `{begin}`"));
            }
            let indent = &line[..line.len() - line.trim_start().len()];
            open = Some((offset + line.len(), indent, number));
        } else if line.trim() == end {
            let Some((start, indent, line)) = open.take() else {
                return Err(format!("line {number}, `{end}`, has no `{begin}` in front of it"));
            };
            found = Some(Part { content: &text[start..offset], start, indent, line });
        }
        offset += line.len();
    }
    match open {
        Some((_, _, line)) => Err(format!("line {line}, `{begin}`, has no `{end}` behind it")),
        None => Ok(found),
    }
}

impl Part<'_> {
    /// `text`, of which it is a part, with other content in it.
    pub fn replaced(&self, text: &str, content: &str) -> String {
        let behind = &text[self.start + self.content.len()..];
        [&text[..self.start], content, behind].concat()
    }

    /// Content of these lines, as Windlass writes it.
    pub fn made(&self, lines: &[String]) -> String {
        let first = format!("{MADE}{}", sum(lines.iter().map(|line| line.trim())));
        let lines = [first].into_iter().chain(lines.iter().cloned());
        lines.map(|line| format!("{}{line}\n", self.indent)).collect()
    }

    /// Its lines without blanks around them, and without the line that says whose they are.
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        lines(self.content).filter(|line| !line.starts_with(MADE))
    }

    /// Whose it is.
    pub fn whose(&self) -> Whose {
        let Some(said) = lines(self.content).next().and_then(|line| line.strip_prefix(MADE)) else {
            return Whose::Theirs;
        };
        if sum(self.lines()) == said { Whose::Ours } else { Whose::Edited }
    }
}

fn lines(content: &str) -> impl Iterator<Item = &str> {
    content.lines().map(str::trim).filter(|line| !line.is_empty())
}

fn sum<'l>(lines: impl Iterator<Item = &'l str>) -> String {
    let text: Vec<&str> = lines.collect();
    disk::sha256(text.join("\n").as_bytes())[..12].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "upstream web {\n    # windlass begin web\n    server a:1;\n    # windlass end web\n    keepalive 8;\n}\n# windlass begin web mode\n# windlass end web mode\n";

    #[test]
    fn only_the_part_changes() {
        let part = find(FILE, "web").unwrap().unwrap();
        assert_eq!((part.content, part.line, part.whose()), ("    server a:1;\n", 2, Whose::Theirs));
        let text = part.replaced(FILE, &part.made(&["server b:2;".into()]));
        let again = find(&text, "web").unwrap().unwrap();
        assert_eq!(again.lines().collect::<Vec<_>>(), ["server b:2;"]);
        assert_eq!(again.whose(), Whose::Ours);
        assert_eq!(again.replaced(&text, "    server a:1;\n"), FILE, "all else is as it was");
        assert_eq!(find(FILE, "web mode").unwrap().unwrap().content, "");
        assert_eq!(find(FILE, "we").unwrap(), None);
    }

    #[test]
    fn what_somebody_changed_in_it_is_seen() {
        let part = find(FILE, "web").unwrap().unwrap();
        let text =
            part.replaced(FILE, &part.made(&["  server b:2;".into()])).replace("      server", "    server");
        for (from, to, whose) in [
            ("b:2", "b:3", Whose::Edited),
            ("server b:2;", "server b:2;\nserver c:3;", Whose::Edited),
            ("    server b:2;\n", "", Whose::Edited),
            ("    server b:2;", "\tserver b:2;\n", Whose::Ours),
            ("keepalive 8", "keepalive 9", Whose::Ours),
            (MADE, "# mine: ", Whose::Theirs),
        ] {
            let edited = text.replace(from, to);
            assert_ne!(edited, text);
            assert_eq!(find(&edited, "web").unwrap().unwrap().whose(), whose, "{from} {to}");
        }
    }

    #[test]
    fn marks_that_are_no_pair_are_refused() {
        for (text, said) in [
            ("# windlass begin web\n", "line 1, `# windlass begin web`, has no `# windlass end web`"),
            ("\n# windlass end web\n", "line 2, `# windlass end web`, has no `# windlass begin web`"),
            ("# windlass begin web\n# windlass begin web\n# windlass end web", "line 2 is a second"),
            (
                "# windlass begin web\n# windlass end web\n# windlass begin web\n# windlass end web",
                "line 3 is a second",
            ),
        ] {
            let error = find(text, "web").unwrap_err();
            assert!(error.contains(said), "{error}");
        }
    }
}
