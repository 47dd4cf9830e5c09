//! A log of releases, such as UPDATE_LOG.md: which runs stand in it, and where the next one belongs. What others wrote in it stays.

use crate::{Page, messages::Messages, words::ending_word};
use windlass_journal::{Ending, RunId};
use windlass_plan::Lang;

/// A line in front of each entry says which run it is of: `<!-- windlass run RUN ENDING -->`.
const MARK: &str = "<!-- windlass run ";
/// Level of the heading of an entry, where the log has none to go by.
const LEVEL: usize = 2;

/// What a log says about a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logged {
    /// Line of its entry, from 1.
    pub line: usize,
    /// How it had ended then.
    pub ending: String,
}

/// The entry of a run, if the log has one.
#[must_use]
pub fn logged(log: &str, run: &RunId) -> Option<Logged> {
    let entry = |(at, line): (usize, &str)| {
        let (name, rest) = line.trim().strip_prefix(MARK)?.split_once(' ')?;
        let ending = rest.strip_suffix("-->")?.trim().to_owned();
        (name == run.0).then_some(Logged { line: at + 1, ending })
    };
    log.lines().enumerate().find_map(entry)
}

/// The log with one more entry: in front of the others where they stand newest first, else at the end.
#[must_use]
pub fn with_entry(log: &str, run: &RunId, ending: Ending, entry: &Page) -> String {
    let dated = dated(log);
    let level = dated.first().map_or(LEVEL, |heading| heading.level);
    let mut text = format!("{MARK}{run} {} -->\n{}", ending_word(ending), entry.markdown(level));
    match newest_first(&dated) {
        Some(at) => {
            text.push('\n');
            format!("{}{}{}", &log[..at], lines_as_in(log, &text), &log[at..])
        }
        None => {
            let before = match log.trim_end() {
                "" => title(entry.lang),
                before => before.to_owned(),
            };
            format!("{before}{}", lines_as_in(log, &format!("\n\n{text}")))
        }
    }
}

fn title(lang: Lang) -> String {
    format!("# {}", Messages::new(lang).say("record-log"))
}

/// With the line ends that the log has.
fn lines_as_in(log: &str, text: &str) -> String {
    if log.contains("\r\n") { text.replace('\n', "\r\n") } else { text.to_owned() }
}

/// A heading with a day in it.
struct Dated {
    /// Where its entry begins: at the line that says which run it is of, if there is one.
    at: usize,
    level: usize,
    day: [u32; 3],
}

/// The headings that entries begin with: those with a day, of the highest level that has such below the title.
fn dated(log: &str) -> Vec<Dated> {
    let (mut found, mut at, mut fence, mut mark) = (Vec::new(), 0, None, None);
    for line in log.split_inclusive('\n') {
        let (text, begins) = (line.trim(), at);
        at += line.len();
        let ticks = ["```", "~~~"].into_iter().find(|ticks| text.starts_with(ticks));
        match (fence, ticks) {
            (None, Some(_)) => fence = ticks,
            (Some(open), Some(ticks)) if open == ticks => fence = None,
            _ => {}
        }
        if fence.is_some() || text.is_empty() {
            continue;
        }
        let level = text.bytes().take_while(|byte| *byte == b'#').count();
        if let (2..=6, Some(day)) = (level, day(text)) {
            found.push(Dated { at: mark.unwrap_or(begins), level, day });
        }
        mark = text.starts_with(MARK).then_some(begins);
    }
    let level = found.iter().map(|heading| heading.level).min();
    found.retain(|heading| Some(heading.level) == level);
    found
}

/// Where the first entry begins, if the entries stand newest first.
fn newest_first(dated: &[Dated]) -> Option<usize> {
    let (first, last) = (dated.first()?, dated.last()?);
    (first.day > last.day).then_some(first.at)
}

/// The first day in a text: `2025-11-09`, `2025/11/9`, `2025.11.09`, `2025年11月9日`.
fn day(text: &str) -> Option<[u32; 3]> {
    let mut numbers = Vec::new();
    let mut rest = text;
    while let Some(begin) = rest.find(|c: char| c.is_ascii_digit()) {
        let joined = matches!(rest[..begin].trim(), "-" | "/" | "." | "年" | "月");
        rest = &rest[begin..];
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let (digits, number) = (&rest[..end], rest[..end].parse::<u32>().ok()?);
        rest = &rest[end..];
        match numbers.len() {
            1 if joined && (1..=12).contains(&number) => numbers.push(number),
            2 if joined && (1..=31).contains(&number) => return Some([numbers[0], numbers[1], number]),
            _ if digits.len() == 4 => numbers = vec![number],
            _ => numbers.clear(),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEWEST_FIRST: &str = "# 更新日志\n\n说明\n\n## 2025-11-09 2.0.9\n\n```\n## 2024-01-01 no entry\n```\n\n## 2025年11月1日 2.0.8\n";

    fn entry() -> Page {
        Page::new(Lang::Zh, "2025-11-21 2.1.0".to_owned())
    }

    fn add(log: &str) -> String {
        with_entry(log, &RunId("r1".into()), Ending::Done, &entry())
    }

    #[test]
    fn an_entry_stands_where_the_order_of_the_log_has_it() {
        let new = "<!-- windlass run r1 done -->\n## 2025-11-21 2.1.0\n";
        let (before, behind) = NEWEST_FIRST.split_at(NEWEST_FIRST.find("## 2025-11-09").unwrap());
        assert_eq!(add(NEWEST_FIRST), format!("{before}{new}\n{behind}"));
        let oldest_first = "# Log\n\n## 2025/11/1\n\nx\n\n## 2025/11/9\n\ny\n\n\n";
        assert_eq!(add(oldest_first), format!("{}\n\n{new}", oldest_first.trim_end()));
        assert_eq!(add(""), format!("# 更新记录\n\n{new}"));
        assert_eq!(
            add("# 2025-01-01 to now\n"),
            format!("# 2025-01-01 to now\n\n{new}"),
            "a title is no entry"
        );
    }

    #[test]
    fn the_next_one_stands_in_front_of_the_mark_of_the_last_and_as_deep() {
        let log = "### 2025-11-09\n\n#### 2025-12-31\n\n### 2025-11-01\n";
        let one = add(log);
        assert!(one.starts_with("<!-- windlass run r1 done -->\n### 2025-11-21"), "{one}");
        let two = with_entry(&one, &RunId("r2".into()), Ending::Undone, &entry());
        assert!(two.starts_with("<!-- windlass run r2 undone -->\n### 2025-11-21"), "{two}");
        assert!(two.ends_with(&one), "{two}");
    }

    #[test]
    fn a_run_is_found_with_its_line_and_ending() {
        let log = add(NEWEST_FIRST);
        let found = Logged { line: 5, ending: "done".into() };
        assert_eq!(logged(&log, &RunId("r1".into())), Some(found));
        assert_eq!(logged(&log, &RunId("r".into())), None, "a part of a name is not the name");
        assert_eq!(logged(NEWEST_FIRST, &RunId("r1".into())), None);
    }

    #[test]
    fn line_ends_stay_as_they_are() {
        let log = NEWEST_FIRST.replace('\n', "\r\n");
        let new = add(&log);
        assert_eq!(new.matches('\n').count(), new.matches("\r\n").count(), "{new:?}");
    }

    #[test]
    fn days_are_read_in_many_forms_and_versions_are_none() {
        for text in
            ["## 2025-11-09", "x 2025/11/9 y", "2025.11.09", "2.0.9 (2025年11月9日)", "v2 2025 - 11 - 9"]
        {
            assert_eq!(day(text), Some([2025, 11, 9]), "{text}");
        }
        for text in ["2.1.0", "## 1.22.333", "2025-13-01", "20251109", "99999999999999999999", ""] {
            assert_eq!(day(text), None, "{text}");
        }
    }
}
