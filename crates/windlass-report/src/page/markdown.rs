//! Pages as Markdown (GitHub's).

use super::{Block, Page};
use crate::markdown::{fenced, inline};

/// Deepest heading of Markdown.
const LEVEL_MAX: usize = 6;

pub(super) fn write(page: &Page, level: usize) -> String {
    let mut parts = vec![heading(level, &page.title)];
    parts.extend(page.blocks.iter().map(|block| part(block, level)));
    format!("{}\n", parts.join("\n\n"))
}

fn part(block: &Block, level: usize) -> String {
    match block {
        Block::Heading(depth, text) => heading(level + depth, text),
        Block::Fields(fields) => {
            let rows = fields.iter().map(|(name, value)| row([name, value]));
            ["| | |".to_owned(), "|---|---|".to_owned()]
                .into_iter()
                .chain(rows)
                .collect::<Vec<_>>()
                .join("\n")
        }
        Block::Table { heads, rows } => {
            let line = format!("|{}", "---|".repeat(heads.len()));
            [row(heads), line].into_iter().chain(rows.iter().map(row)).collect::<Vec<_>>().join("\n")
        }
        Block::Paragraph(text) => begin(&inline(text)),
        Block::Lead(name, words) => format!("**{}** {}", inline(name), inline(words)).trim_end().to_owned(),
        Block::List(items) => {
            items.iter().map(|item| format!("- {}", begin(&inline(item)))).collect::<Vec<_>>().join("\n")
        }
        Block::Code(language, text) => fenced(language, text),
    }
}

fn heading(level: usize, text: &str) -> String {
    format!("{} {}", "#".repeat(level.clamp(1, LEVEL_MAX)), inline(text)).trim_end().to_owned()
}

fn row(cells: impl IntoIterator<Item = impl AsRef<str>>) -> String {
    let cells: Vec<_> = cells.into_iter().map(|cell| inline(cell.as_ref())).collect();
    format!("| {} |", cells.join(" | "))
}

/// Safe text at the beginning of a block, where more characters mean something: `#`, `>`, `-`, `1.` and their like.
fn begin(safe: &str) -> String {
    let safe = safe.trim_start();
    let digits = safe.bytes().take_while(u8::is_ascii_digit).count();
    let at = match safe.as_bytes().get(digits) {
        Some(b'.' | b')') if digits > 0 => digits,
        Some(b'#' | b'>' | b'-' | b'+' | b'=' | b'~') if digits == 0 => 0,
        _ => return safe.to_owned(),
    };
    format!("{}\\{}", &safe[..at], &safe[at..])
}
