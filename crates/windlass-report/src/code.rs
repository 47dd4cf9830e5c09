//! The text that a unit runs, as pages show it.

use windlass_plan::{Action, LineEdit, Unit};

/// Whether a unit may be shown: its text may have a password.
pub type IsOpen<'a> = &'a dyn Fn(&Unit) -> bool;

/// Said in place of all that would quote a unit with a password.
pub(crate) const CLOSED: &str = "what this does has a password, and is not shown here";

/// The text and its language: `sql`, `sh` or `diff`; of lines that were lifted the words say all.
pub(crate) fn code(action: &Action) -> Option<(&'static str, String)> {
    match action {
        Action::Sql { statement, .. } => Some(("sql", statement.clone())),
        Action::Shell { script, .. } => Some(("sh", script.clone())),
        Action::Patch { file, edits, .. } => Some(("diff", diff(file, edits))),
        _ => None,
    }
}

/// As a fence of a release document.
fn diff(file: &str, edits: &[LineEdit]) -> String {
    let mut lines = vec![format!("--- {file}")];
    for edit in edits {
        let parts = [(" ", &edit.before), ("-", &edit.remove), ("+", &edit.add), (" ", &edit.after)];
        lines.extend(
            parts.iter().flat_map(|(mark, part)| part.iter().map(move |line| format!("{mark}{line}"))),
        );
    }
    lines.join("\n")
}
