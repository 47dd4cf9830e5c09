//! The rules of `diff` steps on the bytes of a file: pure.

use windlass_plan::LineEdit;

/// Byte order mark; it belongs to no line.
const BOM: &[u8] = b"\xef\xbb\xbf";

/// What became of the bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Patched {
    pub(super) content: Vec<u8>,
    pub(super) added: usize,
    pub(super) removed: usize,
}

/// A line and how it ends.
#[derive(Clone, Copy, Debug)]
struct Line<'a> {
    text: &'a [u8],
    end: &'a [u8],
}

/// Applies the edits in order. Line ends, a missing last one, and a byte order mark stay as they are.
///
/// # Errors
/// One line per edit that does not fit; then nothing is applied.
pub(super) fn patch(content: &[u8], edits: &[LineEdit]) -> Result<Patched, Vec<String>> {
    let (mark, body) = match content.strip_prefix(BOM) {
        Some(body) => (BOM, body),
        None => (&[][..], content),
    };
    let mut lines = split(body);
    let ended = body.is_empty() || body.ends_with(b"\n");
    let usual = lines.iter().find(|line| !line.end.is_empty()).map_or(&b"\n"[..], |line| line.end);
    let mut problems = vec![];
    for (index, edit) in edits.iter().enumerate() {
        match place(&lines, edit) {
            Ok(at) => splice(&mut lines, at, edit, usual),
            Err(problem) => problems.push(format!("edit {}: {problem}", index + 1)),
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let mut content = mark.to_vec();
    let last = lines.len();
    for (index, line) in lines.iter().enumerate() {
        content.extend_from_slice(line.text);
        if index + 1 < last || ended {
            content.extend_from_slice(if line.end.is_empty() { usual } else { line.end });
        }
    }
    Ok(Patched {
        content,
        added: edits.iter().map(|edit| edit.add.len()).sum(),
        removed: edits.iter().map(|edit| edit.remove.len()).sum(),
    })
}

fn split(body: &[u8]) -> Vec<Line<'_>> {
    body.split_inclusive(|byte| *byte == b'\n')
        .map(|whole| {
            let length =
                [&b"\r\n"[..], b"\n"].iter().find(|end| whole.ends_with(end)).map_or(0, |end| end.len());
            let (text, end) = whole.split_at(whole.len() - length);
            Line { text, end }
        })
        .collect()
}

/// Where the change begins: the index of the first line to remove, or of the line to add before.
fn place(lines: &[Line<'_>], edit: &LineEdit) -> Result<usize, String> {
    let wanted: Vec<&String> = edit.before.iter().chain(&edit.add).chain(&edit.after).collect();
    if edit.remove.is_empty() {
        if !edit.add.is_empty() && !find(lines, &wanted).is_empty() {
            let at = find(lines, &wanted)[0] + 1;
            return Err(format!("what it adds stands there already, at line {at}: {}", quote(&edit.add)));
        }
        if edit.before.is_empty() && edit.after.is_empty() {
            return Ok(lines.len());
        }
    }
    let run: Vec<&String> = edit.before.iter().chain(&edit.remove).chain(&edit.after).collect();
    match find(lines, &run)[..] {
        [at] => Ok(at + edit.before.len()),
        [] => Err(missing(lines, edit, &run, &wanted)),
        ref many => {
            let places: Vec<_> = many.iter().take(10).map(|at| (at + 1).to_string()).collect();
            let (count, places) = (many.len(), places.join(", "));
            Err(format!(
                "what it changes must stand exactly once, but stands {count} times, at lines {places}: {}",
                quote(run)
            ))
        }
    }
}

fn missing(lines: &[Line<'_>], edit: &LineEdit, run: &[&String], wanted: &[&String]) -> String {
    if !edit.remove.is_empty() && !edit.add.is_empty() && find(lines, wanted).len() == 1 {
        return format!("it seems to be applied already: the new text stands there: {}", quote(&edit.add));
    }
    let alone = run.iter().find(|line| find(lines, &[line]).is_empty());
    let near = alone.and_then(|line| {
        let bare = line.split_whitespace().collect::<String>();
        let same = |candidate: &Line<'_>| {
            let text = String::from_utf8_lossy(candidate.text);
            text.split_whitespace().collect::<String>() == bare
        };
        lines.iter().position(same)
    });
    match (alone, near) {
        (Some(line), Some(at)) => {
            format!("`{line}` is not in the file; line {} differs only in white space", at + 1)
        }
        (Some(line), None) => format!("`{line}` is not in the file"),
        (None, _) => format!("its lines are in the file, but not one after another: {}", quote(run)),
    }
}

/// Where the run stands, from 0.
fn find(lines: &[Line<'_>], run: &[&String]) -> Vec<usize> {
    if run.is_empty() {
        return vec![];
    }
    let same = |window: &[Line<'_>]| window.iter().zip(run).all(|(line, text)| line.text == text.as_bytes());
    lines.windows(run.len()).enumerate().filter(|(_, window)| same(window)).map(|(at, _)| at).collect()
}

fn splice<'a>(lines: &mut Vec<Line<'a>>, at: usize, edit: &'a LineEdit, usual: &'a [u8]) {
    let model = lines.get(at).or_else(|| at.checked_sub(1).and_then(|before| lines.get(before)));
    let end = model.map(|line| line.end).filter(|end| !end.is_empty()).unwrap_or(usual);
    let added = edit.add.iter().map(|text| Line { text: text.as_bytes(), end });
    lines.splice(at..at + edit.remove.len(), added);
}

fn quote<T: AsRef<str>>(lines: impl IntoIterator<Item = T>) -> String {
    let lines: Vec<String> = lines.into_iter().take(4).map(|line| format!("`{}`", line.as_ref())).collect();
    lines.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edit(before: &[&str], remove: &[&str], add: &[&str], after: &[&str]) -> LineEdit {
        let own = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect();
        LineEdit { before: own(before), remove: own(remove), add: own(add), after: own(after) }
    }

    fn ok(content: &str, edits: &[LineEdit]) -> String {
        String::from_utf8(patch(content.as_bytes(), edits).unwrap().content).unwrap()
    }

    fn err(content: &str, edits: &[LineEdit]) -> String {
        patch(content.as_bytes(), edits).unwrap_err().join("\n")
    }

    #[test]
    fn replaces_removes_adds() {
        let file = "a: 1\nb: 2\nc: 3\n";
        assert_eq!(ok(file, &[edit(&[], &["b: 2"], &["b: 20", "x"], &[])]), "a: 1\nb: 20\nx\nc: 3\n");
        assert_eq!(ok(file, &[edit(&[], &["b: 2"], &[], &[])]), "a: 1\nc: 3\n");
        assert_eq!(ok(file, &[edit(&[], &[], &["d"], &[])]), "a: 1\nb: 2\nc: 3\nd\n");
        assert_eq!(ok(file, &[edit(&["a: 1"], &[], &["d"], &["b: 2"])]), "a: 1\nd\nb: 2\nc: 3\n");
        assert_eq!(ok(file, &[edit(&[], &[], &["d"], &["a: 1"])]), "d\na: 1\nb: 2\nc: 3\n");
        assert_eq!(ok("", &[edit(&[], &[], &["d"], &[])]), "d\n");
        assert_eq!(ok("a\n", &[edit(&[], &["a"], &[], &[])]), "");
    }

    #[test]
    fn form_of_the_file_survives() {
        let change = [edit(&[], &["b"], &["x", "y"], &[]), edit(&[], &[], &["z"], &[])];
        assert_eq!(ok("a\r\nb\r\nc\r\n", &change), "a\r\nx\r\ny\r\nc\r\nz\r\n");
        assert_eq!(ok("a\nb", &change), "a\nx\ny\nz", "no last line end stays none");
        assert_eq!(ok("a\r\nb", &change), "a\r\nx\r\ny\r\nz");
        assert_eq!(ok("\u{feff}b\n", &change), "\u{feff}x\ny\nz\n");
        assert_eq!(ok("b\r\nc\n", &change[..1]), "x\r\ny\r\nc\n", "mixed stays mixed");
        let bytes = patch(b"\xff\xfe\nb\n", &change[..1]).unwrap().content;
        assert_eq!(bytes, b"\xff\xfe\nx\ny\n", "bytes that are no text stay");
    }

    #[test]
    fn what_does_not_fit_is_said() {
        let all = err("b\nb\n  c\n", &[edit(&[], &["b"], &["x"], &[]), edit(&[], &["c"], &[], &[])]);
        assert_eq!(
            all,
            "edit 1: what it changes must stand exactly once, but stands 2 times, at lines 1, 2: `b`\n\
             edit 2: `c` is not in the file; line 3 differs only in white space"
        );
        assert!(err("a\nd\n", &[edit(&[], &[], &["d"], &[])]).contains("stands there already, at line 2"));
        assert!(err("x\n", &[edit(&[], &["b"], &["x"], &[])]).contains("applied already"));
        assert!(err("a\nq\nb\n", &[edit(&["a"], &["b"], &[], &[])]).contains("not one after another"));
        assert!(err("", &[edit(&[], &["b"], &[], &[])]).contains("is not in the file"));
    }

    /// By seed: what an edit did, its opposite takes back.
    #[test]
    fn the_opposite_edit_takes_it_back() {
        for seed in 0..2000_u64 {
            let mut random = crate::testing::Random::new(seed);
            let end = if random.below(2) == 0 { "\n" } else { "\r\n" };
            let lines: Vec<String> =
                (0..random.below(8)).map(|n| format!("{n} {}", random.below(3))).collect();
            let mut file = lines.join(end);
            if !lines.is_empty() && random.below(3) > 0 {
                file += end;
            }
            let from = random.below(lines.len() + 1);
            let to = from + random.below(lines.len() - from + 1);
            let add: Vec<String> = (0..random.below(3)).map(|n| format!("new {n}")).collect();
            let forward = LineEdit {
                before: lines[from.saturating_sub(1)..from].to_vec(),
                remove: lines[from..to].to_vec(),
                add,
                after: lines[to..lines.len().min(to + 1)].to_vec(),
            };
            let backward =
                LineEdit { remove: forward.add.clone(), add: forward.remove.clone(), ..forward.clone() };
            let Ok(there) = patch(file.as_bytes(), &[forward]) else { continue };
            if !there.content.contains(&b'\n') || file.is_empty() {
                // Nothing is left that says how its lines ended.
                continue;
            }
            let back =
                patch(&there.content, &[backward]).unwrap_or_else(|why| panic!("seed {seed}: {why:?}"));
            assert_eq!(back.content, file.as_bytes(), "seed {seed}");
        }
    }
}
