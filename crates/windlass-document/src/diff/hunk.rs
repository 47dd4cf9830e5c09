//! Hunks of a unified diff.

use super::Edit;

/// What `@@ -l,c +l,c @@` announces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) old: usize,
    pub(super) new: usize,
}

/// Reads an `@@` line.
pub(super) fn header(line: &str) -> Option<Counts> {
    let (ranges, _) = line.strip_prefix("@@ -")?.split_once(" @@")?;
    let (old, new) = ranges.split_once(" +")?;
    Some(Counts { old: count(old)?, new: count(new)? })
}

/// `12,3` → 3, `12` → 1.
fn count(range: &str) -> Option<usize> {
    let (line, count) = range.split_once(',').unwrap_or((range, "1"));
    line.parse::<usize>().ok()?;
    count.parse().ok()
}

/// Old and new lines of a hunk while it is read.
#[derive(Default)]
pub(super) struct Hunk {
    /// Each line with its mark: ` `, `-` or `+`.
    pub(super) lines: Vec<(u8, String)>,
    /// `\ No newline at end of file` behind an old, a new line.
    pub(super) no_newline: (bool, bool),
}

impl Hunk {
    /// The hunk as one edit: outer context stays context, inner context is taken out and put back.
    pub(super) fn into_edit(self) -> Edit {
        let is_change = |(mark, _): &(u8, String)| *mark != b' ';
        let first = self.lines.iter().position(is_change).unwrap_or(self.lines.len());
        let last = self.lines.iter().rposition(is_change).map_or(first, |at| at + 1);
        let mut edit = Edit::default();
        for (index, (mark, line)) in self.lines.into_iter().enumerate() {
            if index < first {
                edit.before.push(line);
            } else if index >= last {
                edit.after.push(line);
            } else {
                match mark {
                    b'-' => edit.remove.push(line),
                    b'+' => edit.add.push(line),
                    _ => {
                        edit.remove.push(line.clone());
                        edit.add.push(line);
                    }
                }
            }
        }
        edit
    }
}
