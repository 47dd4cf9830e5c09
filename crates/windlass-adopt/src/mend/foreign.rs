//! Other markups than Markdown: reStructuredText, the wikis of Confluence, MediaWiki and Redmine, AsciiDoc, Org.

use crate::lines::{Line, indent};

/// Code blocks and headings of other markups as those of Markdown.
pub(super) fn to_markdown(lines: Vec<Line>) -> Vec<Line> {
    let directives = lines.iter().any(|line| line.text.starts_with(".. "));
    let mut reader = Reader { lines, at: 0, out: Vec::new(), levels: Vec::new(), rst: directives };
    while reader.at < reader.lines.len() {
        reader.line();
    }
    reader.out
}

struct Reader {
    lines: Vec<Line>,
    at: usize,
    out: Vec<Line>,
    /// Lines under headings, and whether one is above too, in the order in which they came.
    levels: Vec<(char, bool)>,
    /// It has directives of reStructuredText.
    rst: bool,
}

impl Reader {
    fn line(&mut self) {
        if let Some(mark) = super::mark(&self.lines[self.at].text)
            && !self.is_underline()
        {
            return self.copy_fence(&mark);
        }
        let text = self.lines[self.at].text.trim().to_owned();
        if let Some(language) = directive(&text) {
            return self.indented(&language);
        }
        if let Some((language, end)) =
            block_start(&text, self.lines.get(self.at + 1).map_or("", |line| line.text.trim()))
        {
            return self.block(&language, end);
        }
        if let Some(heading) = self.heading(&text) {
            self.out.push(heading);
            self.at += 1;
            return;
        }
        self.out.push(self.lines[self.at].clone());
        self.at += 1;
    }

    /// A fence of Markdown is left as it is.
    fn copy_fence(&mut self, open: &super::Mark) {
        self.out.push(self.lines[self.at].clone());
        self.at += 1;
        if super::is_document(&open.info) {
            return;
        }
        while let Some(line) = self.lines.get(self.at) {
            self.out.push(line.clone());
            self.at += 1;
            let ends = super::mark(&line.text).is_some_and(|mark| {
                mark.info.is_empty() && mark.character == open.character && mark.width >= open.width
            });
            if ends {
                return;
            }
        }
    }

    /// A directive with an indented block.
    fn indented(&mut self, language: &str) {
        let lead = indent(&self.lines[self.at].text);
        self.at += 1;
        while self.lines.get(self.at).is_some_and(|line| {
            let text = line.text.trim();
            text.is_empty() || text.starts_with(':') && indent(&line.text) > lead
        }) {
            self.at += 1;
        }
        let Some(width) =
            self.lines.get(self.at).map(|line| indent(&line.text)).filter(|width| *width > lead)
        else {
            return;
        };
        self.out.push(Line::own(""));
        self.out.push(Line::own(format!("```{language}")));
        let mut blanks = 0;
        while let Some(line) = self.lines.get(self.at) {
            if line.text.trim().is_empty() {
                blanks += 1;
            } else if indent(&line.text) >= width {
                for _ in 0..std::mem::take(&mut blanks) {
                    self.out.push(Line::own(""));
                }
                self.out.push(line.from(width));
            } else {
                break;
            }
            self.at += 1;
        }
        self.out.push(Line::own("```"));
        self.out.push(Line::own(""));
    }

    /// A block with an end of its own.
    fn block(&mut self, language: &str, end: End) {
        self.at += if end == End::Dashes { 2 } else { 1 };
        let is_end = |line: &Line| end.is(line.text.trim());
        let Some(len) = self.lines[self.at.min(self.lines.len())..].iter().position(is_end) else {
            // No end: it is text.
            let back = if end == End::Dashes { 2 } else { 1 };
            self.out.extend(self.lines[self.at - back..self.at].iter().cloned());
            return;
        };
        self.out.push(Line::own(""));
        self.out.push(Line::own(format!("```{language}")));
        self.out.extend(self.lines[self.at..self.at + len].iter().cloned());
        self.out.push(Line::own("```"));
        self.out.push(Line::own(""));
        self.at += len + 1;
    }

    fn is_underline(&self) -> bool {
        let text = self.lines[self.at].text.trim_end();
        let Some(first) = text.chars().next() else { return false };
        let row = text.chars().all(|c| c == first) && text.len() >= 3 && "~^\"+*#=-'`".contains(first);
        let before = self.at.checked_sub(1).map_or("", |at| self.lines[at].text.trim_end());
        let above = self.at.checked_sub(2).map_or("", |at| self.lines[at].text.trim());
        let alone = above.is_empty() || above.chars().all(|c| c == first);
        // An East Asian letter is two columns wide.
        row && self.rst
            && alone
            && !before.is_empty()
            && !before.starts_with([' ', '-', '*', '#'])
            && text.len() >= before.chars().count()
    }

    /// `h2. Title`, `== Title ==`, and a title with a line under it.
    fn heading(&mut self, text: &str) -> Option<Line> {
        let line = self.lines[self.at].clone();
        if let Some(rest) = text.strip_prefix('h')
            && let Some((level, title)) = rest.split_once(". ")
            && let Ok(level @ 1..=6) = level.parse::<usize>()
        {
            return Some(Line { text: format!("{} {title}", "#".repeat(level)), at: line.at });
        }
        let marks = text.len() - text.trim_start_matches('=').len();
        if (1..=6).contains(&marks) && text.len() > 2 * marks + 1 && text[marks..].starts_with(' ') {
            let title = text[marks..].trim_end_matches('=').trim();
            return Some(Line { text: format!("{} {title}", "#".repeat(marks)), at: line.at });
        }
        if self.is_underline() {
            let mark = text.chars().next()?;
            let title = self.out.pop()?;
            let over = self
                .out
                .last()
                .is_some_and(|line| !line.text.is_empty() && line.text.trim().chars().all(|c| c == mark));
            if over {
                self.out.pop();
            }
            let level = self.levels.iter().position(|known| *known == (mark, over)).unwrap_or_else(|| {
                self.levels.push((mark, over));
                self.levels.len() - 1
            });
            let text = format!("{} {}", "#".repeat((level + 1).min(6)), title.text.trim());
            return Some(Line { text, at: title.at });
        }
        None
    }
}

/// `.. code-block:: bash`.
fn directive(text: &str) -> Option<String> {
    let rest = text.strip_prefix(".. ")?;
    let (name, language) = rest.split_once("::")?;
    ["code-block", "code", "sourcecode", "parsed-literal"].contains(&name).then(|| language.trim().to_owned())
}

/// How a block ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Line(&'static str),
    /// A line of dashes, as that which began it.
    Dashes,
}

impl End {
    fn is(self, line: &str) -> bool {
        match self {
            End::Line(end) => line.eq_ignore_ascii_case(end),
            End::Dashes => line.len() >= 4 && line.bytes().all(|byte| byte == b'-'),
        }
    }
}

fn block_start(text: &str, next: &str) -> Option<(String, End)> {
    let lower = text.to_ascii_lowercase();
    let inside =
        |prefix: &str, suffix: &str| Some(lower.strip_prefix(prefix)?.strip_suffix(suffix)?.to_owned());
    if lower == "{noformat}" {
        return Some((String::new(), End::Line("{noformat}")));
    }
    if lower == "{code}" {
        return Some((String::new(), End::Line("{code}")));
    }
    if let Some(options) = inside("{code:", "}") {
        let language = options.split('|').find(|part| !part.contains('=')).unwrap_or_default();
        return Some((language.to_owned(), End::Line("{code}")));
    }
    if lower == "<pre>" || lower == "<pre><code>" {
        return Some((String::new(), End::Line(if lower == "<pre>" { "</pre>" } else { "</code></pre>" })));
    }
    for name in ["syntaxhighlight", "source"] {
        if let Some(options) = inside(&format!("<{name}"), ">") {
            let language = options.split(['"', '\'']).nth(1).unwrap_or_default().to_owned();
            return Some((
                language,
                End::Line(if name == "source" { "</source>" } else { "</syntaxhighlight>" }),
            ));
        }
    }
    if let Some(options) = inside("[source", "]")
        && End::Dashes.is(next)
    {
        return Some((
            options.trim_start_matches(',').split(',').next().unwrap_or_default().trim().to_owned(),
            End::Dashes,
        ));
    }
    if let Some(language) = lower.strip_prefix("#+begin_src") {
        return Some((
            language.split_whitespace().next().unwrap_or_default().to_owned(),
            End::Line("#+end_src"),
        ));
    }
    (lower == "{{{").then(|| (String::new(), End::Line("}}}")))
}
