//! The text of a notice where a service takes text or its own kind of Markdown.

use crate::Notice;

/// Longest line of a notice, characters: names can be long, a notice is not.
const LINE_CHARS_MAX: usize = 300;

/// One line without anything that a service could take for markup or for a mention.
pub(crate) fn plain(text: &str) -> String {
    let safe = |c: char| match c {
        '<' => '＜',
        '>' => '＞',
        '[' => '［',
        ']' => '］',
        '*' => '＊',
        '`' => '\'',
        '@' => '＠',
        c if c.is_control() => ' ',
        c => c,
    };
    shorten(text).chars().map(safe).collect()
}

/// One line as it is.
pub(crate) fn line(text: &str) -> String {
    shorten(text).chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn shorten(text: &str) -> String {
    if text.chars().count() <= LINE_CHARS_MAX {
        return text.to_owned();
    }
    let kept: String = text.chars().take(LINE_CHARS_MAX - 1).collect();
    format!("{kept}…")
}

/// Markdown as the chat services in China read it: a title and a line for each thing.
pub(crate) fn markdown(notice: &Notice, bytes_max: usize) -> String {
    let mut text = format!("#### {}\n", plain(&notice.title));
    for (label, value) in &notice.lines {
        let line = format!("\n- {}: {}", plain(label), plain(value));
        // What does not fit is left out as a whole: half a command would be a wrong one.
        if text.len() + line.len() > bytes_max {
            break;
        }
        text.push_str(&line);
    }
    text
}

/// Lines of plain text.
pub(crate) fn text(notice: &Notice) -> String {
    let lines = notice.lines.iter().map(|(label, value)| format!("{}: {}", line(label), line(value)));
    lines.collect::<Vec<_>>().join("\n")
}
