//! Fences: where they begin and end in the file, and what their first line says.

use crate::{
    Body, Dialect, Language, Span,
    attributes::{self, Braces},
    attributes_check,
    attributes_value::Attribute,
    rules::Findings,
    rules_list as rules,
    suggest::{nearest, quote},
};
use std::ops::Range;

/// The languages that run.
pub(crate) const LANGUAGES: [(&str, Language, Option<Dialect>); 7] = [
    ("sh", Language::Shell, None),
    ("bash", Language::Shell, None),
    ("sql", Language::Sql, None),
    ("mysql", Language::Sql, Some(Dialect::Mysql)),
    ("postgresql", Language::Sql, Some(Dialect::Postgresql)),
    ("diff", Language::Diff, None),
    ("http", Language::Http, None),
];

/// Other names of the languages that run.
const SYNONYMS: [(&str, &str); 18] = [
    ("shell", "sh"),
    ("zsh", "sh"),
    ("console", "sh"),
    ("shellscript", "sh"),
    ("shell-session", "sh"),
    ("terminal", "sh"),
    ("cmd", "sh"),
    ("mariadb", "mysql"),
    ("postgres", "postgresql"),
    ("psql", "postgresql"),
    ("pgsql", "postgresql"),
    ("plpgsql", "postgresql"),
    ("sqlite", "sql"),
    ("sqlite3", "sql"),
    ("patch", "diff"),
    ("udiff", "diff"),
    ("hurl", "http"),
    ("https", "http"),
];

/// A fenced code block.
#[derive(Debug)]
pub(crate) struct Fence<'a> {
    /// First fence character in the file.
    pub(crate) start: usize,
    /// End of the first line, without line end and spaces.
    pub(crate) open_end: usize,
    /// One past the last byte of the fence, without line end.
    pub(crate) end: usize,
    /// "`" or `~`.
    mark: char,
    /// How many marks the first line has.
    width: usize,
    /// The rest of the first line, and where it stands.
    info: &'a str,
    info_at: usize,
    /// The text between the fence lines.
    pub(crate) body: Body,
    /// Whether there is a closing line.
    pub(crate) closed: bool,
    /// Bytes of the fence, for the closing line.
    source: &'a str,
}

impl<'a> Fence<'a> {
    /// The fence at `range` of `text`, its body still empty.
    pub(crate) fn open(text: &'a str, range: Range<usize>) -> Self {
        let source = &text[range.clone()];
        let first = source.lines().next().unwrap_or("").trim_end();
        let mark = first.chars().next().unwrap_or('`');
        let marks = first.trim_start_matches(mark);
        let info = marks.trim_start();
        Self {
            start: range.start,
            open_end: range.start + first.len(),
            end: range.end,
            mark,
            width: first.len() - marks.len(),
            info,
            info_at: range.start + first.len() - info.len(),
            body: Body::default(),
            closed: false,
            source,
        }
    }

    /// The fence when its body is complete. The Markdown reader does not tell a closed fence from one that its
    /// container or the file cuts off, so the closing line is looked for.
    pub(crate) fn close(mut self, end: usize) -> Self {
        let body_end = self.body.segments.last().map_or(self.open_end, |last| last.source + last.len);
        let tail_start = body_end.max(self.open_end).min(end);
        let tail = &self.source[tail_start - self.start..end - self.start];
        let last = tail.trim_end().rsplit('\n').next().unwrap_or("");
        let marks = last.trim_start_matches(|c: char| c.is_whitespace() || c == '>');
        let count = marks.chars().take_while(|c| *c == self.mark).count();
        self.closed = count >= self.width && count == marks.chars().count();
        self.end = self.start + self.source[..end - self.start].trim_end().len();
        self
    }
}

/// Reports a fence that is not closed, or closed by the end of a fence inside it.
pub(crate) fn check_ends(text: &str, fence: &Fence<'_>, findings: &mut Findings) {
    let open = Span::new(fence.start, fence.open_end);
    // Backticks in backticks cannot be read, so marks are named and counted.
    let mark = if fence.mark == '`' { "backticks" } else { "tildes" };
    let width = fence.width;
    if let Some(inner) = nested_opening(fence) {
        let finding = rules::NESTED_FENCE
            .at(inner, "a fence opens inside a fence")
            .label("Markdown reads this line as text")
            .also(open, "the outer fence begins here")
            .help(format!(
                "begin and end the outer fence with {} {mark}, so that {width} inside it are text",
                width + 1
            ));
        findings.push(if fence.closed {
            let last = fence.source.trim_end().rsplit('\n').next().unwrap_or("").trim_start().len();
            finding.also(
                Span::new(fence.end - last, fence.end),
                format!("and ends here, at the next {width} {mark}, whatever they were meant to close"),
            )
        } else {
            finding
        });
    }
    if fence.closed {
        return;
    }
    let runs_to_the_end = text[fence.end..].trim().is_empty();
    let finding = rules::UNCLOSED_FENCE.at(
        open,
        if runs_to_the_end {
            "the fence is not closed: it takes everything to the end of the file"
        } else {
            "the fence is not closed: it is cut off where the list item or quote around it ends"
        },
    );
    let help = if runs_to_the_end {
        format!("close it with a line of {width} {mark}")
    } else {
        format!("close it with a line of {width} {mark}, indented (or quoted) like the first line")
    };
    findings.push(
        finding.label("opened here").also(Span::new(fence.end, fence.end), "its text ends here").help(help),
    );
}

/// The first line of the body that looks like the opening line of a fence which the body's own marks would close.
fn nested_opening(fence: &Fence<'_>) -> Option<Span> {
    let mut at = 0;
    for line in fence.body.text.split_inclusive('\n') {
        let trimmed = line.trim();
        let indent = line.len() - line.trim_start_matches(' ').len();
        let info = trimmed.trim_start_matches(fence.mark);
        let width = trimmed.len() - info.len();
        let opens = width >= fence.width
            && indent <= 3
            && info.trim_start().starts_with(|c: char| c.is_alphanumeric() || c == '{')
            && !info.contains('`');
        if opens {
            return Some(fence.body.span_to_source(Span::new(at + indent, at + indent + trimmed.len())));
        }
        at += line.len();
    }
    None
}

/// The first line of a step.
pub(crate) struct Head {
    pub(crate) language: Language,
    pub(crate) dialect: Option<Dialect>,
    /// Where the language stands.
    pub(crate) word: Span,
    pub(crate) braces: Braces,
}

/// Reads the first line of `fence`: a step, or `None` for text and for errors that were reported.
pub(crate) fn head(fence: &Fence<'_>, findings: &mut Findings) -> Option<Head> {
    let word = language_word(fence.info);
    let word_span = Span::new(fence.info_at, fence.info_at + word.len());
    let rest = &fence.info[word.len()..];
    let Some((name, language, dialect)) = LANGUAGES.iter().find(|(name, ..)| name.eq_ignore_ascii_case(word))
    else {
        check_near_language(fence, word, word_span, findings);
        return None;
    };
    if rest.trim().is_empty() {
        findings.push(
            rules::BARE_FENCE
                .at(
                    Span::new(fence.start, fence.open_end),
                    format!("this `{word}` fence does not say whether it runs"),
                )
                .label("braces are missing")
                .help(format!(
                    "write `{name} {{#id on=target}}` to run it, `{name} {{prose}}` to keep it as an example"
                ))
                .fix(word_span, format!("{name} {{}}"), "run it as a step", false)
                .fix(word_span, format!("{name} {{prose}}"), "keep it as an example that never runs", false),
        );
        return None;
    }
    if word != *name {
        findings.push(
            rules::FENCE_LANGUAGE
                .at(word_span, format!("languages are written in lower case: {}", quote(word)))
                .label(format!("write `{name}`"))
                .fix(word_span, *name, format!("write `{name}`"), true),
        );
    }
    let Some(open) = rest.find('{') else {
        let at = Span::new(word_span.end + rest.len() - rest.trim_start().len(), fence.open_end);
        findings.push(
            rules::FENCE_TEXT
                .at(at, format!("{} stands where the braces belong", quote(rest.trim())))
                .label("`{…}` is expected here")
                .help(format!(
                    "write `{name} {{#id on=target}}` to run it, `{name} {{prose}}` to keep it as an example"
                ))
                .fix(at, "{prose}", "keep it as an example that never runs", false),
        );
        return None;
    };
    check_gap(&rest[..open], word_span.end, findings);
    let at = word_span.end + open;
    let braces = attributes::read(&rest[open..], at, findings);
    attributes_check::check_prose(&braces.written, braces.id.as_ref().map(|id| id.span), findings);
    if braces.prose {
        return None;
    }
    attributes_check::check(&braces.written, *language, name, findings);
    Some(Head { language: *language, dialect: *dialect, word: word_span, braces })
}

/// The first word of an info string: it ends at a space or a brace.
fn language_word(info: &str) -> &str {
    &info[..info.find(|c: char| c.is_whitespace() || c == '{').unwrap_or(info.len())]
}

/// What stands between language and braces has to be one space.
fn check_gap(gap: &str, at: usize, findings: &mut Findings) {
    let span = Span::new(at, at + gap.len());
    if gap == " " {
        return;
    }
    if gap.trim().is_empty() {
        let message = if gap.is_empty() {
            "a space is missing before the braces"
        } else {
            "one space is enough before the braces"
        };
        findings.push(rules::FENCE_SPACE.at(span, message).label("exactly one space belongs here").fix(
            span,
            " ",
            "write one space",
            true,
        ));
        return;
    }
    let text = Span::new(at + gap.len() - gap.trim_start().len(), at + gap.trim_end().len());
    findings.push(
        rules::FENCE_TEXT
            .at(text, format!("{} stands between language and braces", quote(gap.trim())))
            .label("nothing but one space belongs here")
            .fix(span, " ", "remove it", false),
    );
}

/// A fence in another language is text; but braces with attributes in them say that it was meant to run.
fn check_near_language(fence: &Fence<'_>, word: &str, span: Span, findings: &mut Findings) {
    let rest = fence.info[word.len()..].trim_start();
    let Some(inside) = rest.strip_prefix('{') else { return };
    let inside = inside.trim_start();
    let first = inside.split(|c: char| c.is_whitespace() || matches!(c, '=' | '}')).next().unwrap_or("");
    let meant = inside.starts_with('#')
        || Attribute::ALL.iter().any(|known| known.name() == first && first != "prose");
    if !meant {
        return;
    }
    let lower = word.to_lowercase();
    let near = SYNONYMS
        .iter()
        .find(|(name, _)| *name == lower)
        .map(|(_, language)| *language)
        .or_else(|| nearest(word, LANGUAGES.iter().map(|(name, ..)| *name)));
    let names: Vec<&str> = LANGUAGES.iter().map(|(name, ..)| *name).collect();
    let finding = if word.is_empty() {
        let at = Span::new(fence.start, fence.open_end);
        rules::FENCE_LANGUAGE.at(at, "the fence has attributes but no language").label("this would not run")
    } else {
        rules::FENCE_LANGUAGE
            .at(span, format!("{} is not a language that runs", quote(word)))
            .label("this would not run")
    };
    let finding = finding.help(format!("the languages are {}", names.join(", ")));
    findings.push(match near {
        Some(language) => finding.fix(span, language, format!("write `{language}`"), false),
        None => finding,
    });
}
