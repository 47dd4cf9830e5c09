//! Checks on plain lines: what the Markdown reader cannot bound, or would pass over in silence.

use crate::{Finding, Span, markdown_fence::LANGUAGES, rules::Findings, rules_list as rules, suggest::quote};

/// Quote and list marks at the start of one line, and the column of the last of them. The Markdown reader matches every
/// open container on every line, so its cost is depth times lines: without this bound 160 kB of `> > > …` followed by
/// short lines take a minute. Documents that people write stay under ten.
const MARKS_MAX: usize = 64;
const MARK_COLUMN_MAX: usize = 256;

/// Reports a line that is nested too deeply; the Markdown may be read only if this is true.
pub(crate) fn nesting_is_bounded(text: &str, start: usize, findings: &mut Findings) -> bool {
    let mut at = start;
    for line in text.as_bytes()[start..].split_inclusive(|byte| *byte == b'\n') {
        if let Some(bad) = too_deep(line) {
            findings.push(
                rules::TOO_DEEP
                    .at(Span::new(at + bad, at + bad + 1), "the line is nested too deeply")
                    .label(format!(
                        "more than {MARKS_MAX} quote and list marks, or {MARK_COLUMN_MAX} columns"
                    ))
                    .help("nothing of the document was read; is this the right file?"),
            );
            return false;
        }
        at += line.len();
    }
    true
}

/// Offset of the container mark that is one too many.
fn too_deep(bytes: &[u8]) -> Option<usize> {
    let (mut at, mut column, mut marks) = (0, 0, 0);
    // A row of the same mark is a rule (`* * *`), not a list; but the reader looks for that at every mark again,
    // so a long one counts as well.
    while let Some(byte) = bytes.get(at) {
        let width = match byte {
            b' ' => 0,
            b'\t' => {
                column += 3;
                0
            }
            b'>' => 1,
            b'-' | b'*' | b'+' if matches!(bytes.get(at + 1), Some(b' ' | b'\t')) => 1,
            b'0'..=b'9' => ordered_mark(&bytes[at..])?,
            _ => return None,
        };
        if width > 0 {
            marks += 1;
            if marks > MARKS_MAX || column > MARK_COLUMN_MAX {
                return Some(at);
            }
        }
        at += width.max(1);
        column += width.max(1);
    }
    None
}

/// Bytes of `1.` or `1)` at the start.
fn ordered_mark(bytes: &[u8]) -> Option<usize> {
    let digits = bytes.iter().take(10).take_while(|b| b.is_ascii_digit()).count();
    let is_mark =
        matches!(bytes.get(digits), Some(b'.' | b')')) && matches!(bytes.get(digits + 1), Some(b' ' | b'\t'));
    is_mark.then_some(digits + 1)
}

/// A carriage return that ends no line: terminals and editors show a text that is not the one which runs.
pub(crate) fn check_carriage_returns(text: &str, findings: &mut Findings) {
    let bytes = text.as_bytes();
    let mut bare = text.match_indices('\r').map(|(at, _)| at).filter(|at| bytes.get(at + 1) != Some(&b'\n'));
    let Some(first) = bare.next() else { return };
    let more = bare.count();
    let span = Span::new(first, first + 1);
    let finding = rules::CARRIAGE_RETURN
        .at(span, "a carriage return stands without a line feed")
        .label(if more > 0 { format!("the first of {}", more + 1) } else { String::new() })
        .help("end lines with LF or CRLF: `tr -d '\\r' < FILE` removes all carriage returns");
    // CR CR LF comes from a conversion that was done twice. One edit cannot cure them all.
    findings.push(if more == 0 && text[first..].trim_start_matches('\r').starts_with('\n') {
        finding.fix(span, "", "remove it", true)
    } else {
        finding
    });
}

/// Reports lines that look like the start of a step but that Markdown does not read as a fence. `covered` are the
/// fences and comments, in order.
pub(crate) fn check_unread(text: &str, start: usize, covered: &[Span], findings: &mut Findings) {
    let mut covered = covered.iter().peekable();
    let mut at = start;
    let mut covered_to = 0;
    for line in text[start..].split_inclusive('\n') {
        let line_end = at + line.len();
        while let Some(span) = covered.next_if(|span| span.start < line_end) {
            covered_to = covered_to.max(span.end);
        }
        if covered_to <= at
            && let Some((offset, len)) = looks_like_step(line)
        {
            findings.push(unread(line, Span::new(at + offset, at + offset + len)));
        }
        at = line_end;
    }
}

/// Offset and length of the fence line in `line`, if it is one in a language that runs.
fn looks_like_step(line: &str) -> Option<(usize, usize)> {
    // Most lines are words, and there are many.
    if line
        .bytes()
        .next()
        .is_some_and(|first| first.is_ascii_alphabetic() || matches!(first, b'#' | b'|' | b'\n'))
    {
        return None;
    }
    let nested =
        |c: char| c.is_whitespace() || c.is_ascii_digit() || matches!(c, '>' | '-' | '*' | '+' | '.' | ')');
    let item = line.trim_start_matches(nested);
    let fence =
        ["[ ]", "[x]", "[X]"].iter().find_map(|mark| item.strip_prefix(mark)).unwrap_or(item).trim_start();
    let mark = fence.chars().next().filter(|c| matches!(c, '`' | '~'))?;
    let info = fence.trim_start_matches(mark);
    if fence.len() - info.len() < 3 {
        return None;
    }
    let info = info.trim();
    let word = &info[..info.find(|c: char| c.is_whitespace() || c == '{').unwrap_or(info.len())];
    let rest = info[word.len()..].trim_start();
    let runs = LANGUAGES.iter().any(|(name, ..)| *name == word);
    (runs && (rest.is_empty() || rest.starts_with('{')))
        .then(|| (line.len() - fence.len(), fence.trim_end().len()))
}

fn unread(line: &str, span: Span) -> Finding {
    let indent: usize =
        line.chars().take_while(|c| c.is_whitespace()).map(|c| if c == '\t' { 4 } else { 1 }).sum();
    let fence = line.trim();
    let finding =
        rules::UNREAD_FENCE.at(span, "this looks like a step, but Markdown does not read it as a fence");
    let marks = &line[line.find(['`', '~']).unwrap_or(0)..];
    if marks.starts_with("```") && marks.trim_start_matches('`').contains('`') {
        finding
            .label("a line of backticks cannot have a backtick behind them")
            .help("begin and end the fence with `~~~`, or write the attribute without backticks")
    } else if !fence.starts_with(['`', '~']) {
        finding
            .label("a fence cannot begin on the line of a checklist item")
            .help("put it on the next line, indented like the text of the item")
    } else if indent >= 4 {
        finding
            .label("indented by four columns or more it is plain text")
            .help("indent it like the text of the list item it belongs to, or not at all")
    } else {
        finding
            .label("inside HTML it is plain text")
            .help("put an empty line between the HTML tag and the fence")
    }
}

/// The first line of the list item whose `[ ]` stands at `mark`: from its list mark to the end of the line.
pub(crate) fn item_line(text: &str, start: usize, mark: usize) -> Span {
    let line_start = text[start..mark].rfind('\n').map_or(start, |at| start + at + 1);
    let before = text[line_start..mark].trim_end();
    let bullet = before.trim_end_matches(['-', '*', '+', '.', ')']).len().max(before.len().saturating_sub(1));
    let number = text[line_start..line_start + bullet].trim_end_matches(|c: char| c.is_ascii_digit()).len();
    let from = if before.ends_with(['.', ')']) { number } else { bullet };
    let line = text[mark..].split('\n').next().unwrap_or("").trim_end();
    Span::new(line_start + from, mark + line.len())
}

/// Marks that people write for an open and for a ticked item.
const OPEN_MARKS: [&str; 5] = ["", "  ", "\u{3000}", "_", "-"];
const TICKS: [&str; 10] = ["v", "V", "y", "Y", "√", "✓", "✔", "✅", "x ", " x"];

/// A list item that begins at `at` with something like `[ ]`, which Markdown does not take for a checklist item.
pub(crate) fn mistyped_mark(text: &str, at: usize) -> Option<Finding> {
    const MARK_CHARS_MAX: usize = 3;
    let rest = text.get(at..)?;
    let open = rest.chars().next().filter(|c| matches!(c, '[' | '【' | '［'))?;
    let close = match open {
        '[' => ']',
        '【' => '】',
        _ => '］',
    };
    let inside = &rest[open.len_utf8()..];
    let (len, _) = inside.char_indices().take(MARK_CHARS_MAX + 1).find(|(_, c)| *c == close)?;
    let (mark, after) = (&inside[..len], &inside[len + close.len_utf8()..]);
    let ticked = TICKS.contains(&mark) || matches!(mark, "x" | "X");
    if !(ticked || mark == " " || OPEN_MARKS.contains(&mark)) || after.starts_with(['(', '[', ':']) {
        return None;
    }
    let span = Span::new(at, at + open.len_utf8() + len + close.len_utf8());
    let written = &text[span.start..span.end];
    let spaced = after.is_empty() || after.starts_with(char::is_whitespace);
    let right = if ticked { "[x]" } else { "[ ]" };
    let replacement = if spaced { right.to_owned() } else { format!("{right} ") };
    Some(
        rules::GATE_MARK
            .at(span, format!("{} does not make a checklist item", quote(written)))
            .label(if written == right {
                "a space is missing after it".to_owned()
            } else {
                format!("write `{right}`")
            })
            .fix(span, replacement, format!("write `{right}` and a space"), false),
    )
}
