//! Text inside of Markdown, so that nothing in it is read as markup.

use crate::text::tame;

/// Text that stays in its table cell and is not read as markup.
pub(crate) fn inline(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in tame(text).chars() {
        match c {
            '\n' => safe.push(' '),
            '|' | '<' | '*' | '[' | ']' | '`' | '\\' | '&' => {
                safe.push('\\');
                safe.push(c);
            }
            c => safe.push(c),
        }
    }
    safe
}

/// `text` in `language`, in a fence longer than any run of backticks in it.
pub(crate) fn fenced(language: &str, text: &str) -> String {
    let tamed = tame(text.trim_end());
    let longest = tamed.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    format!("{fence}{language}\n{tamed}\n{fence}")
}
