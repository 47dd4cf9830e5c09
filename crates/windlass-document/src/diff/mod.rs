//! `diff` fences: `--- file`, then `-` and `+` lines; a git unified diff works too (DESIGN 3.6).
//!
//! The simple form. An edit is `-` lines followed by `+` lines; a blank line, a context line or the next `-` behind a
//! `+` begins another one. Context lines (one leading space) are optional; those between two edits belong to both.
//!
//! The unified form. A hunk is as long as its `@@` line says, and it is one edit: context between two changes of a
//! hunk is taken out and put back, so that the hunk is found as a whole.
//!
//! What `--- x` means. In a hunk it removes the line `-- x`. Elsewhere it starts a file at the beginning, behind a
//! blank line, a context line or a `+` line, and before a `+++` line. Directly behind a `-` line or a file line it
//! removes `-- x`; if `x` looks like a path there, it is an error, for a guess could patch the wrong file.
//!
//! A file that is named twice has its edits merged in the order of the fence.

mod hunk;
mod parser;
mod path;
#[cfg(test)]
mod tests;

use crate::{Finding, Span};

/// Reads a `diff` fence. Returns every problem; the patches may be applied only if none is an error.
#[must_use]
pub fn parse(text: &str) -> (Vec<FilePatch>, Vec<Finding>) {
    parser::Parser::new(text).run()
}

/// All edits of one file. Spans are offsets in the fence text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilePatch {
    /// Path as written after `---` (git's `a/` and `b/` and a trailing time stamp are taken off).
    pub file: String,
    /// Where the path stands.
    pub span: Span,
    /// Edits in order.
    pub edits: Vec<Edit>,
}

/// One edit: the `before` and `remove` lines are looked for as one contiguous run which must stand exactly once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edit {
    /// Context lines (unified diff) before the change.
    pub before: Vec<String>,
    /// Lines to take out, without `-` and line end.
    pub remove: Vec<String>,
    /// Lines to put in their place, without `+` and line end; with nothing to remove and no context: at the end of the file.
    pub add: Vec<String>,
    /// Context lines (unified diff) after the change.
    pub after: Vec<String>,
    /// The lines of this edit in the fence.
    pub span: Span,
}
