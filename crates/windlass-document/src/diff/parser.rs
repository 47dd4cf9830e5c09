//! Lines of a `diff` fence to edits.

use super::hunk::{self, Counts, Hunk};
use super::{Edit, FilePatch, path};
use crate::rules::Findings;
use crate::rules_list::{
    DIFF_AMBIGUOUS, DIFF_EMPTY, DIFF_HUNK, DIFF_LINE, DIFF_NEWLINE, DIFF_NO_EFFECT, DIFF_ORDER, DIFF_PATH,
    DIFF_UNSUPPORTED,
};
use crate::{Finding, Span};
use std::collections::{HashMap, HashSet};

#[derive(Clone, Copy)]
struct Line<'a> {
    text: &'a str,
    span: Span,
}

/// What the line before was, in the simple form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Before {
    /// Nothing, a blank line, or something that is not part of an edit.
    Blank,
    File,
    Removed,
    Added,
    Context,
}

/// Where edits go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// No file has been named.
    Nowhere,
    /// This file.
    File(usize),
    /// Lines of something that has been reported.
    Skipped,
    /// As before, up to the next `diff --git` line.
    SkippedByGit,
}

pub(super) struct Parser<'a> {
    lines: Vec<Line<'a>>,
    at: usize,
    files: Vec<FilePatch>,
    by_path: HashMap<String, usize>,
    place: Place,
    before: Before,
    /// The edit being read, in the simple form.
    edit: Edit,
    problems: Findings,
    /// Files of which something could not be read: that they have no edits is no news.
    troubled: HashSet<usize>,
    len: usize,
}

/// Lines of git between `diff --git` and the hunks that say nothing we need.
const IGNORED: [&str; 4] = ["diff --git ", "index ", "similarity index ", "dissimilarity index "];

/// Lines of git for which there is no edit, with what to do instead.
const UNSUPPORTED: [(&str, &str, &str); 11] = [
    ("new file mode ", "creating a file", "create it in an `sh` fence, for example with `cp`"),
    ("deleted file mode ", "deleting a file", "delete it in an `sh` fence with `rm`"),
    ("old mode ", "changing a file's mode", "change it in an `sh` fence with `chmod`"),
    ("new mode ", "changing a file's mode", "change it in an `sh` fence with `chmod`"),
    ("rename from ", "renaming a file", "rename it in an `sh` fence with `mv`"),
    ("rename to ", "renaming a file", "rename it in an `sh` fence with `mv`"),
    ("copy from ", "copying a file", "copy it in an `sh` fence with `cp`"),
    ("copy to ", "copying a file", "copy it in an `sh` fence with `cp`"),
    ("Binary files ", "a binary patch", "copy the new file in an `sh` fence with `cp`"),
    ("GIT binary patch", "a binary patch", "copy the new file in an `sh` fence with `cp`"),
    ("@@@", "a combined diff of a merge", "write a diff against one parent: `git diff HEAD^1`"),
];

impl<'a> Parser<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        let mut lines = Vec::new();
        let mut start = 0;
        for line in text.split('\n') {
            let shown = line.strip_suffix('\r').unwrap_or(line);
            lines.push(Line { text: shown, span: Span::new(start, start + shown.len()) });
            start += line.len() + 1;
        }
        Self {
            lines,
            at: 0,
            files: Vec::new(),
            by_path: HashMap::new(),
            place: Place::Nowhere,
            before: Before::Blank,
            edit: Edit::default(),
            problems: Findings::default(),
            troubled: HashSet::new(),
            len: text.len(),
        }
    }

    pub(super) fn run(mut self) -> (Vec<FilePatch>, Vec<Finding>) {
        while let Some(line) = self.lines.get(self.at).copied() {
            self.at += 1;
            self.line(line);
        }
        self.flush();
        for (index, file) in self.files.iter().enumerate() {
            if !file.edits.is_empty() || self.troubled.contains(&index) {
                continue;
            }
            self.problems.push(
                DIFF_EMPTY
                    .at(file.span, format!("no line of `{}` is changed", file.file))
                    .label("no `-` or `+` line follows")
                    .help("add the lines to remove (`-`) and to add (`+`), or remove the file"),
            );
        }
        let mut findings = self.problems.finish(self.len);
        if self.files.is_empty() && findings.is_empty() {
            let help = "write `--- file`, then the lines to remove (`-`) and to add (`+`)";
            findings.push(DIFF_EMPTY.at(Span::new(0, self.len), "the diff is empty").help(help));
        }
        (self.files, findings)
    }

    fn line(&mut self, line: Line<'a>) {
        if self.git_line(line) || self.file_line(line) {
            return;
        }
        if line.text.trim().is_empty() {
            self.flush();
            self.edit = Edit::default();
            self.before = Before::Blank;
            return;
        }
        if matches!(self.place, Place::Skipped | Place::SkippedByGit) {
            return;
        }
        let Place::File(file) = self.place else {
            return self.outside(
                line,
                "the line belongs to no file",
                "name the file first: `--- path/of/file`",
            );
        };
        if line.text.starts_with("@@") {
            self.flush();
            return self.hunk(line, file);
        }
        let (mark, text) = (line.text.as_bytes()[0], line.text.get(1..).unwrap_or_default());
        match mark {
            b'-' => self.removed(line, text),
            b'+' => {
                if !self.edit.after.is_empty() {
                    self.flush();
                }
                self.edit.add.push(text.to_owned());
                self.grow(line.span);
                self.before = Before::Added;
            }
            b' ' => self.context(line, text),
            // `\ No newline at end of file`: the file keeps the line end that it has.
            b'\\' if text.starts_with(' ') => {}
            _ => self.outside(
                line,
                "the line neither removes nor adds nor is context",
                "start it with `-`, `+` or, for context, one space",
            ),
        }
    }

    /// One report for a run of such lines is enough.
    fn outside(&mut self, line: Line<'a>, message: &str, help: &str) {
        self.flush();
        self.problems.push(DIFF_LINE.at(line.span, message).label("not part of an edit").help(help));
        match self.place {
            Place::File(file) => drop(self.troubled.insert(file)),
            _ => self.place = Place::Skipped,
        }
        self.before = Before::Blank;
    }

    fn grow(&mut self, span: Span) {
        if self.edit.span == Span::default() {
            self.edit.span = span;
        }
        self.edit.span.end = span.end;
    }

    fn removed(&mut self, line: Line<'a>, text: &str) {
        if self.before == Before::Added && self.edit.remove.is_empty() && self.edit.before.is_empty() {
            self.report_order(line.span);
        }
        if !self.edit.add.is_empty() || !self.edit.after.is_empty() {
            self.flush();
        }
        self.edit.remove.push(text.to_owned());
        self.grow(line.span);
        self.before = Before::Removed;
    }

    fn report_order(&mut self, span: Span) {
        self.problems.push(
            DIFF_ORDER
                .at(span, "a `-` line directly behind `+` lines that replace nothing")
                .label("is this one edit or two?")
                .help("write the `-` lines before the `+` lines, or put a blank line between two edits"),
        );
    }

    /// Context: behind the edit before, and in front of the next one.
    fn context(&mut self, line: Line<'a>, text: &str) {
        if self.edit.remove.is_empty() && self.edit.add.is_empty() {
            self.edit.before.push(text.to_owned());
        } else {
            self.edit.after.push(text.to_owned());
        }
        self.grow(line.span);
        self.before = Before::Context;
    }

    /// Ends the edit of the simple form.
    fn flush(&mut self) {
        let edit = std::mem::take(&mut self.edit);
        if edit.remove.is_empty() && edit.add.is_empty() {
            return;
        }
        // The context behind this edit is the context in front of a next one that follows directly.
        if self.before == Before::Context {
            self.edit.before = edit.after.clone();
        }
        self.keep(edit);
    }

    fn keep(&mut self, edit: Edit) {
        let Place::File(file) = self.place else { return };
        if edit.remove == edit.add {
            self.problems.push(
                DIFF_NO_EFFECT
                    .at(edit.span, "the edit puts back what it removes")
                    .help("correct the `+` lines, or remove the edit"),
            );
        }
        self.files[file].edits.push(edit);
    }

    /// `--- file`, with or without a `+++` line.
    fn file_line(&mut self, line: Line<'a>) -> bool {
        let Some(rest) = line.text.strip_prefix("--- ").filter(|rest| !rest.trim().is_empty()) else {
            return false;
        };
        if self.place == Place::SkippedByGit {
            return true;
        }
        let new = self.lines.get(self.at).and_then(|next| next.text.strip_prefix("+++ "));
        if new.is_none() {
            if self.place == Place::Skipped && self.before != Before::Blank {
                return true;
            }
            if matches!(self.before, Before::Removed | Before::File) {
                if path::is_likely(rest) {
                    self.ambiguous(line, rest.trim());
                }
                // From here on it is a line of the edit, or of something that is skipped.
                return false;
            }
        }
        self.flush();
        self.edit = Edit::default();
        let span = Span::new(line.span.start + 4, line.span.end);
        self.at += usize::from(new.is_some());
        self.start_file(rest, new, span);
        self.before = Before::File;
        true
    }

    fn ambiguous(&mut self, line: Line<'a>, rest: &str) {
        self.problems.push(
            DIFF_AMBIGUOUS.at(line.span, format!("does this start the file `{rest}` or remove the line `-- {rest}`?"))
                .label("directly behind a removed line or a file")
                .help("for a file, put a blank line before it; to remove the line, write a git unified diff with `@@` lines")
                .fix(Span::new(line.span.start, line.span.start), "\n", "start a file: put a blank line before it", false),
        );
    }

    fn start_file(&mut self, rest: &str, new: Option<&str>, span: Span) {
        self.place = Place::Skipped;
        let old = path::read(rest, new.is_some());
        let new = new.map(|new| path::read(new, true));
        let null = |side: &Result<String, path::BadPath>| side.as_ref().is_ok_and(|path| path == "/dev/null");
        if null(&old) {
            return self.unsupported(span, UNSUPPORTED[0].1, UNSUPPORTED[0].2);
        }
        if new.as_ref().is_some_and(null) {
            return self.unsupported(span, UNSUPPORTED[1].1, UNSUPPORTED[1].2);
        }
        match (old, new) {
            (Ok(old), None) => self.open(old, span),
            (Ok(old), Some(Ok(new))) => match path::join(&old, &new) {
                Some(path) => self.open(path, span),
                None => self.unsupported(
                    span,
                    "a diff between two names",
                    "write the name of the file that is on the target in both lines",
                ),
            },
            (Err(bad), _) | (_, Some(Err(bad))) => {
                self.problems.push(DIFF_PATH.at(span, bad.message).label("not a usable path").help(bad.help))
            }
        }
    }

    fn open(&mut self, file: String, span: Span) {
        let index = *self.by_path.entry(path::key(&file)).or_insert_with(|| {
            self.files.push(FilePatch { file, span, edits: Vec::new() });
            self.files.len() - 1
        });
        self.place = Place::File(index);
    }

    fn unsupported(&mut self, span: Span, what: &str, help: &str) {
        self.problems.push(
            DIFF_UNSUPPORTED
                .at(span, format!("{what} is not supported in a `diff` fence"))
                .label("cannot be applied")
                .help(help),
        );
        if let Place::File(file) = std::mem::replace(&mut self.place, Place::Skipped) {
            self.troubled.insert(file);
        }
    }

    /// Lines that git writes between files.
    fn git_line(&mut self, line: Line<'a>) -> bool {
        let text = line.text;
        if IGNORED.iter().any(|prefix| text.starts_with(prefix)) {
            if text.starts_with("diff --git ") {
                self.flush();
                self.place = Place::Nowhere;
            }
            self.before = Before::Blank;
            return true;
        }
        let Some((_, what, help)) = UNSUPPORTED.iter().find(|(prefix, ..)| text.starts_with(prefix)) else {
            return false;
        };
        // One report for a file: `old mode` and `new mode` come together.
        if !matches!(self.place, Place::Skipped | Place::SkippedByGit) {
            let in_file = matches!(self.place, Place::File(_));
            self.flush();
            self.unsupported(line.span, what, help);
            if !in_file {
                self.place = Place::SkippedByGit;
            }
        }
        self.before = Before::Blank;
        true
    }

    fn hunk(&mut self, line: Line<'a>, file: usize) {
        self.before = Before::Blank;
        self.edit = Edit::default();
        let Some(counts) = hunk::header(line.text) else {
            self.place = Place::Skipped;
            self.troubled.insert(file);
            return self.bad_hunk(
                line.span,
                "the `@@` line cannot be read",
                "write `@@ -line,count +line,count @@`",
            );
        };
        let (hunk, got, end) = self.hunk_lines(counts);
        let span = Span::new(line.span.start, end.max(line.span.end));
        let more = self.lines.get(self.at).is_some_and(|next| is_more(next.text));
        if got != counts || more {
            let message = if more && got == counts {
                format!(
                    "more lines follow than the `@@` line says: {} old and {} new",
                    counts.old, counts.new
                )
            } else {
                format!(
                    "the `@@` line says {} old and {} new lines, but {} and {} follow",
                    counts.old, counts.new, got.old, got.new
                )
            };
            self.bad_hunk(
                line.span,
                &message,
                "correct the counts, or leave out the `@@` line: context alone is enough",
            );
        }
        if got.old == 0 && got.new > 0 {
            return self.unsupported(
                line.span,
                "adding lines by line number alone",
                "give context lines; to add at the end of the file, leave out the `@@` line",
            );
        }
        self.newline(&hunk, span);
        let mut edit = hunk.into_edit();
        edit.span = span;
        if !edit.remove.is_empty() || !edit.add.is_empty() {
            self.place = Place::File(file);
            self.keep(edit);
        }
    }

    fn hunk_lines(&mut self, counts: Counts) -> (Hunk, Counts, usize) {
        let mut hunk = Hunk::default();
        let mut got = Counts { old: 0, new: 0 };
        let mut end = 0;
        while let Some(line) = self.lines.get(self.at).copied() {
            if let Some(b'\\') = line.text.as_bytes().first() {
                let mark = hunk.lines.last().map_or(b' ', |(mark, _)| *mark);
                hunk.no_newline.0 |= mark != b'+';
                hunk.no_newline.1 |= mark != b'-';
                self.at += 1;
                continue;
            }
            if got.old >= counts.old && got.new >= counts.new {
                break;
            }
            // Editors take the blank off an empty context line.
            let last = self.at + 1 == self.lines.len();
            let (mark, text) = match line.text.as_bytes().first() {
                Some(mark @ (b' ' | b'-' | b'+')) => (*mark, &line.text[1..]),
                None if !last => (b' ', ""),
                _ => break,
            };
            if (mark != b'+' && got.old >= counts.old) || (mark != b'-' && got.new >= counts.new) {
                break;
            }
            got.old += usize::from(mark != b'+');
            got.new += usize::from(mark != b'-');
            hunk.lines.push((mark, text.to_owned()));
            end = line.span.end;
            self.at += 1;
        }
        (hunk, got, end)
    }

    fn newline(&mut self, hunk: &Hunk, span: Span) {
        if hunk.no_newline.0 != hunk.no_newline.1 {
            self.problems.push(
                DIFF_NEWLINE
                    .at(span, "the hunk changes whether the file ends with a line end")
                    .help("nothing is needed if it does not matter; the file keeps the line end that it has"),
            );
        }
    }

    fn bad_hunk(&mut self, span: Span, message: &str, help: &str) {
        self.problems.push(DIFF_HUNK.at(span, message).label("does not fit what follows").help(help));
    }
}

/// Whether `text`, found behind a complete hunk, looks like one more line of it.
fn is_more(text: &str) -> bool {
    text.starts_with(' ') || text.starts_with('+') || (text.starts_with('-') && !text.starts_with("--- "))
}
