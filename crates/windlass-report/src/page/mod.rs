//! A page for people: what stands on it, without a form. Tickets and records fill one in; Markdown and HTML are written from it.

mod html;
mod markdown;

use windlass_plan::Lang;

/// A page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    pub(crate) lang: Lang,
    pub(crate) title: String,
    pub(crate) blocks: Vec<Block>,
}

/// A part of a page. All text is plain: whatever markup stands in it is shown, not followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Block {
    /// A heading; depth 1 is right below the title.
    Heading(usize, String),
    /// Names and values.
    Fields(Vec<(String, String)>),
    /// Rows below their heads; each has as many cells.
    Table {
        heads: Vec<String>,
        rows: Vec<Vec<String>>,
    },
    Paragraph(String),
    /// A name, and a few words about it.
    Lead(String, String),
    List(Vec<String>),
    /// Text whose lines stay as they are, and the language it is in.
    Code(&'static str, String),
}

impl Page {
    pub(crate) fn new(lang: Lang, title: String) -> Self {
        Self { lang, title, blocks: Vec::new() }
    }

    pub(crate) fn add(&mut self, block: Block) {
        self.blocks.push(block);
    }

    /// A heading with a list below it; nothing for an empty one.
    pub(crate) fn list(&mut self, heading: String, items: Vec<String>) {
        if !items.is_empty() {
            self.add(Block::Heading(1, heading));
            self.add(Block::List(items));
        }
    }

    /// The same with a table.
    pub(crate) fn table(&mut self, heading: String, heads: Vec<String>, rows: Vec<Vec<String>>) {
        if !rows.is_empty() {
            self.add(Block::Heading(1, heading));
            self.add(Block::Table { heads, rows });
        }
    }

    /// As Markdown. `level`: that of the title, 1 for a file of its own.
    #[must_use]
    pub fn markdown(&self, level: usize) -> String {
        markdown::write(self, level)
    }

    /// As one HTML file that needs no other, for a screen and for paper.
    #[must_use]
    pub fn html(&self) -> String {
        html::write(self)
    }
}
