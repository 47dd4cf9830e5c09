//! A runbook as Markdown that means what it looks like: fences inside fences, other markups and terminal text without any
//! fence become fences. Every line keeps the place where it stands in the runbook.

mod foreign;
mod unfenced;

use crate::{lexicon, lines::Line};
use windlass_document::{Finding, Span};

/// The mended text.
#[derive(Debug, Default)]
pub(crate) struct Mended {
    pub(crate) lines: Vec<Line>,
    /// What was wrong with its form.
    pub(crate) findings: Vec<Finding>,
    /// The front matter that was taken off.
    pub(crate) front: Vec<Line>,
}

/// Mends a text.
pub(crate) fn mend(lines: Vec<Line>) -> Mended {
    let mut mended = Mended { lines, ..Mended::default() };
    mended.take_front_matter();
    mended.lines = foreign::to_markdown(std::mem::take(&mut mended.lines));
    mended.fences();
    mended.lines = unfenced::fence_sessions(std::mem::take(&mut mended.lines));
    mended
}

/// The start or end of a fence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) character: char,
    pub(crate) width: usize,
    /// Its language; empty: none, and then it may end a fence.
    pub(crate) info: String,
}

/// Reads a line as the start or end of a fence; marks of lists and quotes may stand before it.
pub(crate) fn mark(line: &str) -> Option<Mark> {
    let rest = line.trim_start_matches([' ', '\t', '>']);
    let item = rest.trim_start_matches(['-', '*', '+']);
    let numbered = rest.trim_start_matches(|c: char| c.is_ascii_digit());
    let rest = match () {
        () if item.len() < rest.len() && item.starts_with([' ', '\t']) => item.trim_start(),
        () if numbered.len() < rest.len() => numbered.strip_prefix(['.', ')']).unwrap_or(rest).trim_start(),
        () => rest,
    };
    let character = rest.chars().next().filter(|c| matches!(c, '`' | '~'))?;
    let info = rest.trim_start_matches(character);
    let width = rest.len() - info.len();
    (width >= 3 && !info.contains('`')).then(|| Mark { character, width, info: info.trim().to_owned() })
}

/// Whether a fence holds a document of its own.
fn is_document(info: &str) -> bool {
    matches!(
        info.split([' ', '{']).next().unwrap_or_default().to_ascii_lowercase().as_str(),
        "markdown" | "md" | "mdx"
    )
}

/// A fence that was found.
struct Fence {
    open: usize,
    /// Last line, where it ends by a line of its own.
    close: Option<usize>,
    mark: Mark,
    /// How many fences it stands in.
    depth: usize,
    /// The fence it stands in.
    parent: Option<usize>,
}

impl Mended {
    /// A header of another tool: it is no text.
    fn take_front_matter(&mut self) {
        if self.lines.first().is_none_or(|line| line.text.trim_end() != "---") {
            return;
        }
        let end = self
            .lines
            .iter()
            .skip(1)
            .take(100)
            .position(|line| matches!(line.text.trim_end(), "---" | "..."));
        let is_yaml = |line: &Line| {
            line.text.is_empty() || line.text.contains(':') || line.text.starts_with([' ', '-', '#'])
        };
        if let Some(end) = end.filter(|end| self.lines[1..=*end].iter().all(is_yaml)) {
            self.front = self.lines.drain(..end + 2).collect();
        }
    }

    /// Fences inside fences of the same length: a document in a document is opened or closed as a whole.
    fn fences(&mut self) {
        let fences = self.find_fences();
        self.report_nesting(&fences);
        let mut taken = false;
        let heading = |lines: &[Line], open: usize| {
            lines[..open]
                .iter()
                .rev()
                .take(60)
                .find(|line| line.text.starts_with('#'))
                .map_or(String::new(), |line| line.text.clone())
        };
        let mut put_in = Vec::new();
        for (at, fence) in fences.iter().enumerate().filter(|(_, fence)| fence.depth == 0) {
            let inner = fences[at + 1..].iter().take_while(|other| other.depth > 0);
            let width = inner.clone().map(|other| other.mark.width).max();
            let end = fence.close.unwrap_or(self.lines.len());
            let Some(width) = width else {
                if fence.close.is_none() {
                    put_in.push((end, Line::own(self.end_of(fence))));
                }
                continue;
            };
            let example = lexicon::role(&heading(&self.lines, fence.open)) == Some(lexicon::Role::Example);
            for other in inner.filter(|other| other.close.is_none()) {
                put_in.push((end, Line::own(self.end_of(other))));
            }
            if is_document(&fence.mark.info) && !example && !taken {
                // The template is the runbook.
                taken = true;
                self.lines[fence.open].text.clear();
                if let Some(close) = fence.close {
                    self.lines[close].text.clear();
                }
            } else {
                let marks = fence.mark.character.to_string().repeat(width + 1);
                let text = &self.lines[fence.open].text;
                let before = text.find(fence.mark.character).unwrap_or(0);
                self.lines[fence.open].text = format!("{}{marks}{}", &text[..before], fence.mark.info);
                let lead = text_lead(&self.lines[fence.open].text);
                match fence.close {
                    Some(close) => self.lines[close].text = format!("{lead}{marks}"),
                    None => put_in.push((end, Line::own(format!("{lead}{marks}")))),
                }
            }
        }
        self.lines = insert(std::mem::take(&mut self.lines), put_in);
    }

    fn end_of(&self, fence: &Fence) -> String {
        let lead = text_lead(&self.lines[fence.open].text);
        format!("{lead}{}", fence.mark.character.to_string().repeat(fence.mark.width))
    }

    fn find_fences(&self) -> Vec<Fence> {
        let mut found: Vec<Fence> = Vec::new();
        let mut open: Vec<usize> = Vec::new();
        for (at, line) in self.lines.iter().enumerate() {
            let Some(mark) = mark(&line.text) else { continue };
            let depth = open.len();
            let parent = open.last().copied();
            let Some(inner) = parent else {
                open.push(found.len());
                found.push(Fence { open: at, close: None, mark, depth, parent });
                continue;
            };
            let outer = &found[inner].mark;
            let ends = mark.info.is_empty() && mark.character == outer.character && mark.width >= outer.width;
            if ends {
                found[inner].close = Some(at);
                open.pop();
            } else if is_document(&outer.info) && open.len() < 8 {
                open.push(found.len());
                found.push(Fence { open: at, close: None, mark, depth, parent });
            }
        }
        found
    }

    fn report_nesting(&mut self, fences: &[Fence]) {
        let Some((outer, inner)) = fences.iter().find_map(|inner| {
            let outer = &fences[inner.parent?];
            (inner.mark.width >= outer.mark.width && inner.mark.character == outer.mark.character)
                .then_some((outer, inner))
        }) else {
            return;
        };
        let line = |at: usize| {
            let line = &self.lines[at];
            let start = line.at.unwrap_or(0);
            Span::new(start, start + line.text.trim_end().len())
        };
        let (written, seen) = self.checklist();
        let mut finding = Finding::warning("nested-fence", line(inner.open), "a fence opens inside a fence of the same length")
            .also(line(outer.open), "the outer fence: a Markdown reader ends it at the first closing line")
            .why("what follows is no longer the example that it looks like, and its checklists and commands are read as something else")
            .help("give the outer fence one mark more; the draft has done so, or has taken the document out of it");
        if written > seen {
            finding.message =
                format!("{}; of {written} checklist lines a Markdown reader sees {seen}", finding.message);
        }
        self.findings.push(finding);
    }

    /// Checklist lines as written, and as a Markdown reader sees them.
    fn checklist(&self) -> (usize, usize) {
        use pulldown_cmark::{Event, Options, Parser};
        let written = self.lines.iter().filter(|line| is_task(&line.text)).count();
        let text: String = self.lines.iter().flat_map(|line| [line.text.as_str(), "\n"]).collect();
        let seen = Parser::new_ext(&text, Options::ENABLE_TASKLISTS)
            .filter(|event| matches!(event, Event::TaskListMarker(_)));
        (written, seen.count())
    }
}

/// `- [ ] text`, or `[ ] text` in code.
fn is_task(line: &str) -> bool {
    let rest = line.trim_start();
    ["- [ ] ", "* [ ] ", "+ [ ] ", "[ ] "].iter().any(|mark| rest.starts_with(mark))
}

/// What stands before a fence mark, as spaces: marks of lists become room.
fn text_lead(line: &str) -> String {
    let before = line.find(['`', '~']).unwrap_or(0);
    line[..before].chars().map(|c| if matches!(c, '>' | '\t') { c } else { ' ' }).collect()
}

/// Puts lines before those of the given numbers.
fn insert(lines: Vec<Line>, mut put_in: Vec<(usize, Line)>) -> Vec<Line> {
    put_in.sort_by_key(|(at, _)| *at);
    let mut put_in = put_in.into_iter().peekable();
    let mut all = Vec::with_capacity(lines.len());
    for (at, line) in lines.into_iter().enumerate() {
        while let Some((_, own)) = put_in.next_if(|(before, _)| *before <= at) {
            all.push(own);
        }
        all.push(line);
    }
    all.extend(put_in.map(|(_, line)| line));
    all
}
