//! The mended text as blocks, by the Markdown reader: headings, code, list items, paragraphs, tables, with their lines.

use crate::lines::Line;
use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};
use std::ops::Range;
use windlass_document::LineIndex;

/// A block of the text.
#[derive(Debug)]
pub(crate) struct Block {
    /// First and last line, from 0.
    pub(crate) first: usize,
    pub(crate) last: usize,
    pub(crate) kind: Kind,
}

#[derive(Debug)]
pub(crate) enum Kind {
    Heading { level: u8, text: String },
    Code(Code),
    Item(Item),
    Paragraph { text: String, codes: Vec<Inline> },
    Table { rows: Vec<Row> },
}

/// A code block.
#[derive(Debug)]
pub(crate) struct Code {
    /// What stands behind the fence, lower case; empty without a fence too.
    pub(crate) language: String,
    /// Its lines: text, line, byte column.
    pub(crate) body: Vec<Piece>,
    /// What stands before its lines: room for the list item or quote it belongs to.
    pub(crate) lead: String,
    /// The item it belongs to, as the number of its first line.
    pub(crate) item: Option<usize>,
}

/// A piece of a line.
#[derive(Clone, Debug)]
pub(crate) struct Piece {
    pub(crate) text: String,
    pub(crate) line: usize,
    pub(crate) column: usize,
}

/// A list item.
#[derive(Debug, Default)]
pub(crate) struct Item {
    /// Its own text, without what is nested in it.
    pub(crate) text: String,
    pub(crate) codes: Vec<Inline>,
    /// The `[ ]` of a checklist.
    pub(crate) task: bool,
    /// Blocks or lists stand in it.
    pub(crate) nests_code: bool,
    pub(crate) nests_list: bool,
    /// Column of its text.
    pub(crate) column: usize,
    /// Last line of its own text.
    pub(crate) text_last: usize,
    /// It stands in a list with numbers.
    pub(crate) ordered: bool,
    /// How many items it stands in.
    pub(crate) depth: usize,
}

/// Code within a line.
pub(crate) type Inline = Piece;

/// A row of a table.
#[derive(Debug, Default)]
pub(crate) struct Row {
    pub(crate) line: usize,
    pub(crate) head: bool,
    pub(crate) cells: Vec<String>,
    pub(crate) codes: Vec<Inline>,
}

/// Deepest nesting that is read: deeper the Markdown reader takes time that is no longer linear.
const MARKS_MAX: usize = 24;

/// Reads the blocks of a text.
pub(crate) fn read(lines: &[Line]) -> Vec<Block> {
    let mut text = String::new();
    for line in lines {
        // Nobody nests so deep; what does is no runbook, and is read as plain text.
        let marks = line
            .text
            .bytes()
            .take_while(|b| b" \t>-*+0123456789.)".contains(b))
            .filter(|b| b">-*+.)".contains(b))
            .count();
        if marks <= MARKS_MAX {
            text.push_str(&line.text);
        }
        text.push('\n');
    }
    let index = LineIndex::new(&text);
    let options = Options::ENABLE_TABLES | Options::ENABLE_TASKLISTS | Options::ENABLE_STRIKETHROUGH;
    let mut walk =
        Walk { text: &text, index: &index, blocks: Vec::new(), items: Vec::new(), open: Open::default() };
    for (event, range) in Parser::new_ext(&text, options).into_offset_iter() {
        walk.event(event, range);
    }
    let mut blocks = walk.blocks;
    blocks.sort_by_key(|block| block.first);
    blocks
}

/// What is open.
#[derive(Default)]
struct Open {
    heading: Option<(u8, String, usize)>,
    code: Option<(Code, usize)>,
    paragraph: Option<(String, Vec<Inline>, usize)>,
    table: Option<(Vec<Row>, usize)>,
    lists: Vec<bool>,
    html: bool,
}

struct Walk<'a> {
    text: &'a str,
    index: &'a LineIndex,
    blocks: Vec<Block>,
    /// Open items, with the index of the block.
    items: Vec<usize>,
    open: Open,
}

impl Walk<'_> {
    fn line(&self, at: usize) -> usize {
        self.index.line(at) - 1
    }

    fn line_start(&self, line: usize) -> usize {
        self.index.line_span(self.text, line + 1).start
    }

    fn last_line(&self, range: &Range<usize>) -> usize {
        let end = self.text[..range.end].trim_end_matches(['\n', ' ']).len().max(range.start + 1);
        self.line(end - 1)
    }

    fn event(&mut self, event: Event<'_>, range: Range<usize>) {
        match event {
            Event::Start(tag) => self.start(&tag, &range),
            Event::End(tag) => self.end(tag, &range),
            Event::Text(text) => self.words(&text, &range, false),
            Event::Code(text) => self.words(&text, &range, true),
            Event::SoftBreak | Event::HardBreak => self.words(" ", &range, false),
            Event::TaskListMarker(_) => {
                if let Some(Kind::Item(item)) = self.items.last().map(|at| &mut self.blocks[*at].kind) {
                    item.task = true;
                }
            }
            _ => {}
        }
    }

    fn start(&mut self, tag: &Tag<'_>, range: &Range<usize>) {
        let line = self.line(range.start);
        match tag {
            Tag::Heading { level, .. } => self.open.heading = Some((*level as u8, String::new(), line)),
            Tag::CodeBlock(kind) => {
                let language = match kind {
                    CodeBlockKind::Fenced(info) => {
                        info.split([' ', '{', ',', ':']).next().unwrap_or_default().to_lowercase()
                    }
                    CodeBlockKind::Indented => String::new(),
                };
                let before = &self.text[self.line_start(line)..range.start];
                let column = self.items.last().map_or(0, |at| match &self.blocks[*at].kind {
                    Kind::Item(item) => item.column,
                    _ => 0,
                });
                let lead = match kind {
                    CodeBlockKind::Fenced(_) => before.to_owned(),
                    // Without a fence its room is a part of what makes it code.
                    CodeBlockKind::Indented => " ".repeat(column),
                };
                let lead = lead.chars().map(|c| if matches!(c, '>' | '\t') { c } else { ' ' }).collect();
                let item = self.items.last().map(|at| self.blocks[*at].first);
                for at in &self.items {
                    if let Kind::Item(item) = &mut self.blocks[*at].kind {
                        item.nests_code = true;
                    }
                }
                self.open.code = Some((Code { language, body: Vec::new(), lead, item }, line));
            }
            Tag::List(first) => {
                self.open.lists.push(first.is_some());
                if let Some(Kind::Item(item)) = self.items.last().map(|at| &mut self.blocks[*at].kind) {
                    item.nests_list = true;
                }
            }
            Tag::Item => {
                let body = self.text[range.start..range.end.max(range.start)]
                    .trim_start_matches(|c: char| c.is_ascii_digit());
                let mark = range.len() - body.len();
                let room = body
                    .get(1..)
                    .map_or(0, |rest| rest.len() - rest.trim_start_matches([' ', '\t']).len())
                    .clamp(1, 4);
                let column = range.start - self.line_start(line) + mark + 1 + room;
                let ordered = self.open.lists.last().copied().unwrap_or_default();
                let item =
                    Item { column, text_last: line, ordered, depth: self.items.len(), ..Item::default() };
                self.items.push(self.blocks.len());
                self.blocks.push(Block { first: line, last: self.last_line(range), kind: Kind::Item(item) });
            }
            Tag::Paragraph if self.items.is_empty() => {
                self.open.paragraph = Some((String::new(), Vec::new(), line))
            }
            Tag::Table(_) => self.open.table = Some((Vec::new(), line)),
            Tag::TableHead | Tag::TableRow => {
                if let Some((rows, _)) = &mut self.open.table {
                    rows.push(Row { line, head: matches!(tag, Tag::TableHead), ..Row::default() });
                }
            }
            Tag::TableCell => {
                if let Some(row) = self.open.table.as_mut().and_then(|(rows, _)| rows.last_mut()) {
                    row.cells.push(String::new());
                }
            }
            Tag::HtmlBlock => self.open.html = true,
            _ => {}
        }
    }

    fn end(&mut self, tag: TagEnd, range: &Range<usize>) {
        let last = self.last_line(range);
        match tag {
            TagEnd::Heading(_) => {
                if let Some((level, text, first)) = self.open.heading.take() {
                    self.blocks.push(Block { first, last, kind: Kind::Heading { level, text } });
                }
            }
            TagEnd::CodeBlock => {
                if let Some((code, first)) = self.open.code.take() {
                    self.blocks.push(Block { first, last, kind: Kind::Code(code) });
                }
            }
            TagEnd::Paragraph => {
                if let Some((text, codes, first)) = self.open.paragraph.take() {
                    self.blocks.push(Block { first, last, kind: Kind::Paragraph { text, codes } });
                }
            }
            TagEnd::Table => {
                if let Some((rows, first)) = self.open.table.take() {
                    self.blocks.push(Block { first, last, kind: Kind::Table { rows } });
                }
            }
            TagEnd::Item => drop(self.items.pop()),
            TagEnd::List(_) => drop(self.open.lists.pop()),
            TagEnd::HtmlBlock => self.open.html = false,
            _ => {}
        }
    }

    fn words(&mut self, text: &str, range: &Range<usize>, code: bool) {
        let line = self.line(range.start);
        let column = range.start - self.line_start(line);
        if let Some((block, _)) = &mut self.open.code {
            let mut at = line;
            for (n, part) in text.split_inclusive('\n').enumerate() {
                let column = if n == 0 { column } else { 0 };
                match block.body.last_mut() {
                    // A tab of which a part belongs to the list comes in two.
                    Some(last) if last.line == at => last.text.push_str(part.trim_end_matches('\n')),
                    _ => block.body.push(Piece {
                        text: part.trim_end_matches('\n').to_owned(),
                        line: at,
                        column,
                    }),
                }
                at += usize::from(part.ends_with('\n'));
            }
            return;
        }
        if self.open.html {
            return;
        }
        let marks =
            if code { self.text[range.start..].bytes().take_while(|b| *b == b'`').count() } else { 0 };
        let piece = code.then(|| Piece { text: text.to_owned(), line, column: column + marks });
        if let Some((_, heading, _)) = &mut self.open.heading {
            heading.push_str(text);
        } else if let Some(row) = self.open.table.as_mut().and_then(|(rows, _)| rows.last_mut()) {
            row.codes.extend(piece);
            if let Some(cell) = row.cells.last_mut() {
                cell.push_str(text);
            }
        } else if let Some((words, codes, _)) = &mut self.open.paragraph {
            words.push_str(text);
            codes.extend(piece);
        } else if let Some(Kind::Item(item)) = self.items.last().map(|at| &mut self.blocks[*at].kind)
            && !(item.nests_list || item.nests_code)
        {
            item.text.push_str(text);
            item.codes.extend(piece);
            item.text_last = line;
        }
    }
}
