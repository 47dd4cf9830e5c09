//! Terminal text that stands in the runbook without any fence: runs of it get one.

use crate::{
    judge,
    lines::{Line, indent},
};

/// Longest statement that is looked for outside of fences, in lines.
const STATEMENT_LINES_MAX: usize = 60;

/// Puts fences around sessions, statements and commands that have none.
pub(super) fn fence_sessions(lines: Vec<Line>) -> Vec<Line> {
    let titled = !lines.iter().any(|line| {
        line.text.starts_with('#')
            && line.text.trim_start_matches('#').starts_with(' ')
            && judge::prompt(&line.text, true).is_none()
            && judge::result_rows(&line.text).is_none()
    }) && !lines.windows(2).any(|pair| is_row(&pair[1].text) && !pair[0].text.trim().is_empty());
    let mut reader =
        Reader { lines, at: 0, out: Vec::new(), list: None, numbered: false, untitled: titled, room: 0 };
    while reader.at < reader.lines.len() {
        reader.line();
    }
    reader.out
}

/// Columns of a text of ASCII, tabs to every fourth.
fn columns(text: &str) -> usize {
    text.chars().fold(0, |at, c| if c == '\t' { at / 4 * 4 + 4 } else { at + 1 })
}

fn is_row(line: &str) -> bool {
    line.len() >= 3 && (line.bytes().all(|b| b == b'=') || line.bytes().all(|b| b == b'-'))
}

struct Reader {
    lines: Vec<Line>,
    at: usize,
    out: Vec<Line>,
    /// A list is open, and the text of its last item begins at this column: indented lines belong to it.
    list: Option<usize>,
    /// A numbered heading stood last.
    numbered: bool,
    /// No line of the text is a heading: lines that stand alone are.
    untitled: bool,
    /// Statements are looked for again behind this line: none begins before it.
    room: usize,
}

impl Reader {
    fn line(&mut self) {
        let text = self.lines[self.at].text.clone();
        if let Some(open) = super::mark(&text) {
            return self.copy_fence(&open);
        }
        let lead = text[..indent(&text)].to_owned();
        let width = columns(&lead);
        let trimmed = text.trim();
        // Indented further it is code to Markdown.
        if trimmed.is_empty() || width >= 4 + self.list.unwrap_or(0) {
            return self.copy();
        }
        if let Some(heading) = self.lone_title(trimmed) {
            self.out.push(heading);
            self.at += 1;
            return;
        }
        if judge::prompt(&text, true).is_some() {
            return self.session(&lead);
        }
        if self.at >= self.room && self.statement(&lead) {
            return;
        }
        let item = trimmed.starts_with(['-', '*', '+', '|', '>', '#'])
            || trimmed.starts_with(|c: char| c.is_ascii_digit());
        if !item && judge::is_command_line(trimmed) {
            return self.commands(&lead);
        }
        let listed = item && !trimmed.starts_with(['#', '|', '>']);
        if listed {
            let mark = trimmed.find([' ', '\t']).unwrap_or(0);
            self.list = Some(columns(&format!("{lead}{}", &trimmed[..(mark + 1).min(trimmed.len())])));
        } else if width == 0 {
            self.list = None;
        }
        self.copy();
    }

    fn copy(&mut self) {
        self.out.push(self.lines[self.at].clone());
        self.at += 1;
    }

    fn copy_fence(&mut self, open: &super::Mark) {
        self.copy();
        while let Some(line) = self.lines.get(self.at) {
            let ends = super::mark(&line.text).is_some_and(|mark| {
                mark.info.is_empty() && mark.character == open.character && mark.width >= open.width
            });
            self.copy();
            if ends {
                return;
            }
        }
    }

    /// In a text without headings, a short line between empty lines is one.
    fn lone_title(&mut self, text: &str) -> Option<Line> {
        const CHARACTERS_MAX: usize = 40;
        let empty = |at: Option<usize>| {
            at.and_then(|at| self.lines.get(at)).is_none_or(|line| line.text.trim().is_empty())
        };
        let alone = empty(self.at.checked_sub(1)) && empty(Some(self.at + 1));
        let short = text.chars().count() <= CHARACTERS_MAX
            && !text.ends_with(['。', '.', ':', '：', '；', ';', '、', '，', ',']);
        let plain = text.starts_with(char::is_alphanumeric) && !text.contains("://") && !text.contains('`');
        let command =
            judge::is_command_line(text) || judge::leaves_console(text) || judge::statement(text).is_some();
        if !self.untitled || !alone || !short || !plain || command {
            return None;
        }
        let numbered = text.starts_with(|c: char| c.is_ascii_digit());
        let level = match () {
            () if self.out.iter().all(|line| line.text.trim().is_empty()) => 1,
            () if numbered => 3,
            () => 2,
        };
        self.numbered = numbered;
        let text = format!("{} {text}", "#".repeat(level));
        Some(Line { text, at: self.lines[self.at].at })
    }

    fn open(&mut self, lead: &str, language: &str) {
        if self.out.last().is_some_and(|line| !line.text.trim().is_empty()) {
            self.out.push(Line::own(""));
        }
        self.out.push(Line::own(format!("{lead}```{language}")));
    }

    fn close(&mut self, lead: &str) {
        self.out.push(Line::own(format!("{lead}```")));
        self.out.push(Line::own(""));
    }

    /// Lines with prompts, with what the terminal answered.
    fn session(&mut self, lead: &str) {
        self.open(lead, "console");
        while let Some(line) = self.lines.get(self.at) {
            let text = line.text.trim();
            let goes_on = self.at > 0 && self.lines[self.at - 1].text.trim_end().ends_with('\\');
            let prompted = judge::prompt(&line.text, true).is_some();
            if !goes_on && !prompted && (text.is_empty() || is_words(text) || super::mark(text).is_some()) {
                break;
            }
            self.out.push(Line { text: line.text.trim_end().to_owned(), at: line.at });
            self.at += 1;
        }
        self.close(lead);
    }

    /// A statement, and what a console answered to it.
    fn statement(&mut self, lead: &str) -> bool {
        let rest = &self.lines[self.at..];
        let until = rest
            .iter()
            .take(STATEMENT_LINES_MAX)
            .position(|line| line.text.trim_end().ends_with(';') || line.text.contains("; "));
        let Some(until) = until else {
            self.room = self.at + rest.len().min(STATEMENT_LINES_MAX);
            return false;
        };
        let first = rest[0].text.trim_start();
        if !first.starts_with(|c: char| c.is_ascii_alphabetic()) {
            return false;
        }
        let text: String = rest[..=until].iter().flat_map(|line| [line.text.trim(), "\n"]).collect();
        let text = text.trim_end();
        if judge::statement(text).is_none() {
            return false;
        }
        self.open(lead, "sql");
        for _ in 0..=until {
            self.copy();
        }
        while let Some(line) = self.lines.get(self.at) {
            let text = line.text.trim();
            let more = judge::statement(text).is_some();
            if !(more
                || judge::result_rows(text).is_some()
                || judge::leaves_console(text)
                || text.starts_with("-- "))
            {
                break;
            }
            self.copy();
        }
        self.close(lead);
        true
    }

    /// Commands without prompts, each on a line of its own.
    fn commands(&mut self, lead: &str) {
        self.open(lead, "sh");
        while let Some(line) = self.lines.get(self.at) {
            let text = line.text.trim();
            let goes_on = self.at > 0 && self.lines[self.at - 1].text.trim_end().ends_with('\\');
            if text.is_empty() || !(goes_on || judge::is_command_line(text)) {
                break;
            }
            self.copy();
        }
        self.close(lead);
    }
}

/// Whether a line is words for people and no output: Chinese or Japanese prose, a heading, a list.
fn is_words(text: &str) -> bool {
    let east = text.chars().filter(|c| matches!(c, '\u{3040}'..='\u{9fff}')).count();
    let heading = text.starts_with('#') && judge::result_rows(text).is_none();
    heading
        || east * 3 > text.chars().count()
        || text.starts_with("- ")
        || text.starts_with("* ")
        || text.ends_with(['。', '：'])
}
