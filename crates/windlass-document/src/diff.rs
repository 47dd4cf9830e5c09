//! `diff` fences: `--- file`, then `-` and `+` lines; a git unified diff works too (DESIGN 3.6).

use crate::Span;

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
