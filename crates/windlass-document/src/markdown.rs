//! Markdown to stages, gates and steps. The Markdown itself is read by pulldown-cmark; this module knows what each
//! piece means for a release, `markdown_fence` how a fence looks in the file, `markdown_lines` what the Markdown
//! reader would pass over in silence.

use crate::{
    Document, FrontMatter, Gate, GateState, Span, Stage, Step,
    markdown_fence::{self, Fence, Head},
    markdown_lines,
    rules::Findings,
    rules_list as rules, script,
    suggest::quote,
};
use pulldown_cmark::{CodeBlockKind, Event, HeadingLevel, Options, Parser, Tag, TagEnd};
use std::ops::Range;

/// Reads `text` from `start`, behind the front matter, which goes into the document as it is.
pub(crate) fn read(text: &str, start: usize, front: FrontMatter, findings: &mut Findings) -> Document {
    let document = Document { front, ..Document::default() };
    if !markdown_lines::nesting_is_bounded(text, start, findings) {
        return document;
    }
    let options = Options::ENABLE_TABLES | Options::ENABLE_TASKLISTS | Options::ENABLE_STRIKETHROUGH;
    let mut walk = Walk { text, start, document, ..Walk::new(findings) };
    for (event, range) in Parser::new_ext(&text[start..], options).into_offset_iter() {
        walk.event(event, range.start + start..range.end + start);
    }
    let (document, covered) = (walk.document, walk.covered);
    markdown_lines::check_unread(text, start, &covered, findings);
    document
}

/// A list item that is open.
struct Item {
    /// Its gate, if it is one.
    gate: Option<usize>,
    /// Nothing but the start of it was seen.
    fresh: bool,
}

/// State of the walk over the events.
struct Walk<'a, 'f> {
    text: &'a str,
    start: usize,
    document: Document,
    findings: &'f mut Findings,
    /// Open list items, outermost first.
    items: Vec<Item>,
    /// The heading that is open.
    heading: Option<Stage>,
    /// The fence that is open.
    fence: Option<Fence<'a>>,
    /// An indented code block or HTML block is open.
    verbatim: bool,
    /// Bytes whose lines are accounted for: fences and HTML comments, in order.
    covered: Vec<Span>,
}

impl<'a, 'f> Walk<'a, 'f> {
    fn new(findings: &'f mut Findings) -> Self {
        Self {
            text: "",
            start: 0,
            document: Document::default(),
            findings,
            items: Vec::new(),
            heading: None,
            fence: None,
            verbatim: false,
            covered: Vec::new(),
        }
    }

    fn event(&mut self, event: Event<'_>, range: Range<usize>) {
        match event {
            Event::Start(tag) => self.open(&tag, range),
            Event::End(tag) => self.close(tag, range),
            Event::TaskListMarker(ticked) => self.gate(ticked, &range),
            Event::Text(text) => match &mut self.fence {
                Some(fence) if range.is_empty() => fence.body.push_synthetic(&text),
                Some(fence) => fence.body.push(&text, range.start),
                None => self.words(&text, range.start),
            },
            Event::Code(text) => self.words(&text, range.start),
            Event::SoftBreak | Event::HardBreak => self.words(" ", range.start),
            // Comments are left out on purpose.
            Event::InlineHtml(html) if html.starts_with("<!--") => {
                self.covered.push(Span::new(range.start, range.end));
            }
            _ => {}
        }
    }

    fn open(&mut self, tag: &Tag<'_>, range: Range<usize>) {
        match tag {
            Tag::Heading { level, .. } => {
                let line = self.text[range.clone()].trim_end();
                let span = Span::new(range.start, range.start + line.len());
                self.heading = Some(Stage { text: String::new(), level: level_number(*level), span });
            }
            Tag::CodeBlock(CodeBlockKind::Fenced(_)) => {
                self.not_fresh();
                self.fence = Some(Fence::open(self.text, range));
            }
            Tag::CodeBlock(CodeBlockKind::Indented) => {
                self.not_fresh();
                self.verbatim = true;
            }
            Tag::HtmlBlock => {
                let html = &self.text[range.clone()];
                if html.trim_start().starts_with("<!--") {
                    self.covered.push(Span::new(range.start, range.end));
                }
                self.verbatim = true;
            }
            Tag::Item => self.items.push(Item { gate: None, fresh: true }),
            // Blocks of one item are words apart.
            Tag::Paragraph => self.words(" ", range.start),
            _ => {}
        }
    }

    fn close(&mut self, tag: TagEnd, range: Range<usize>) {
        match tag {
            TagEnd::Heading(_) => {
                if let Some(mut stage) = self.heading.take() {
                    stage.text = stage.text.split_whitespace().collect::<Vec<_>>().join(" ");
                    if stage.level == 1 && self.document.title.is_none() {
                        self.document.title = Some(stage.text.clone());
                    }
                    self.document.stages.push(stage);
                }
            }
            TagEnd::CodeBlock => {
                self.verbatim = false;
                if let Some(fence) = self.fence.take() {
                    self.covered.push(Span::new(range.start, range.end));
                    self.fence(fence.close(range.end));
                }
            }
            TagEnd::HtmlBlock => self.verbatim = false,
            TagEnd::Item => {
                if let Some(Item { gate: Some(gate), .. }) = self.items.pop() {
                    self.finish_gate(gate);
                }
            }
            _ => {}
        }
    }

    /// Text that is not code: it belongs to the open heading, or to the gate whose item is the innermost.
    fn words(&mut self, text: &str, at: usize) {
        if self.verbatim {
            return;
        }
        if let Some(stage) = &mut self.heading {
            stage.text.push_str(text);
        }
        let Some(item) = self.items.last_mut() else { return };
        if let Some(gate) = item.gate {
            self.document.gates[gate].text.push_str(text);
        } else if item.fresh && text != " " {
            item.fresh = false;
            if let Some(finding) = markdown_lines::mistyped_mark(self.text, at.max(self.start)) {
                self.findings.push(finding);
            }
        }
    }

    fn not_fresh(&mut self) {
        if let Some(item) = self.items.last_mut() {
            item.fresh = false;
        }
    }

    fn gate(&mut self, ticked: bool, mark: &Range<usize>) {
        let index = self.document.gates.len();
        let Some(item) = self.items.last_mut() else { return };
        item.gate = Some(index);
        item.fresh = false;
        self.document.gates.push(Gate {
            id: format!("gate-{}", index + 1),
            text: String::new(),
            state: if ticked { GateState::Stated } else { GateState::Open },
            stage: self.document.stages.len().checked_sub(1),
            span: markdown_lines::item_line(self.text, self.start, mark.start),
            checks: Vec::new(),
        });
    }

    fn finish_gate(&mut self, index: usize) {
        let gate = &mut self.document.gates[index];
        // Line ends inside code and between blocks are spaces like any other.
        gate.text = gate.text.split_whitespace().collect::<Vec<_>>().join(" ");
        if gate.text.is_empty() && gate.checks.is_empty() {
            self.findings.push(
                rules::GATE_EMPTY
                    .at(gate.span, "the checklist item has no text")
                    .label("what is to be confirmed?"),
            );
        }
    }

    /// A fence with all its text: a step, prose, or an error.
    fn fence(&mut self, fence: Fence<'a>) {
        markdown_fence::check_ends(self.text, &fence, self.findings);
        let Some(Head { language, dialect, word, braces }) = markdown_fence::head(&fence, self.findings)
        else {
            return;
        };
        let (index, gate) = (self.document.steps.len(), self.items.iter().rev().find_map(|item| item.gate));
        if let Some(gate) = gate {
            self.document.gates[gate].checks.push(index);
        }
        let id_written = braces.id.is_some();
        let id = braces.id.unwrap_or_else(|| crate::Spanned::new(format!("step-{}", index + 1), word));
        if fence.closed && braces.closed {
            check_emptiness(&fence, &braces.attributes, &id.value, self.findings);
        }
        let (script, problems) = script::read(language, &fence.body);
        // Text that a cut-off fence took or lost would only give problems that nobody wrote; and an empty one has
        // been reported.
        let is_read = fence.closed && !fence.body.text.trim().is_empty();
        for finding in problems.into_iter().filter(|_| is_read) {
            self.findings.push(finding);
        }
        self.document.steps.push(Step {
            id,
            id_written,
            language,
            dialect,
            attributes: braces.attributes,
            body: fence.body,
            script,
            stage: self.document.stages.len().checked_sub(1),
            gate,
            span: Span::new(fence.start, fence.end),
        });
    }
}

/// A step runs its body, or the statements of its files, or another step again.
fn check_emptiness(fence: &Fence<'_>, attributes: &crate::Attributes, id: &str, findings: &mut Findings) {
    let empty = fence.body.text.trim().is_empty();
    let span = Span::new(fence.start, fence.open_end);
    if let Some(files) = &attributes.files {
        if !empty {
            findings.push(
                rules::EMPTY_STEP
                    .at(span, format!("step {} has statements of its own and `files=` too", quote(id)))
                    .label("which of them should run?")
                    .also(files.span, "these files")
                    .help("make it two steps, one after the other"),
            );
        }
    } else if empty && attributes.again.is_none() {
        findings.push(
            rules::EMPTY_STEP
                .at(span, format!("step {} is empty", quote(id)))
                .label("nothing to run")
                .help("write what to run, or remove the fence"),
        );
    }
}

fn level_number(level: HeadingLevel) -> u8 {
    match level {
        HeadingLevel::H1 => 1,
        HeadingLevel::H2 => 2,
        HeadingLevel::H3 => 3,
        HeadingLevel::H4 => 4,
        HeadingLevel::H5 => 5,
        HeadingLevel::H6 => 6,
    }
}

#[cfg(test)]
#[path = "markdown_tests.rs"]
mod tests;
