//! A plan as a comment on a pull or merge request, or as the summary of a job: Markdown with a part that folds for
//! each step, never longer than GitHub takes.

use crate::{
    FoundIn, Surveys, Text,
    code::{CLOSED, IsOpen, code},
    markdown::{fenced, inline},
    messages::Messages,
    text::{shorten, tame},
    words::{count, drivers_of, target_of},
};
use windlass_document::{Finding, LineIndex, Severity};
use windlass_plan::{Class, Plan, Step, Unit};

/// Longest comment that GitHub takes, in characters.
pub const COMMENT_CHARS_MAX: usize = 65_536;
/// Of a statement or script, where not everything fits.
const CODE_CHARS_MAX: usize = 1_000;
/// Findings listed, where not everything fits.
const FINDINGS_MAX: usize = 20;
/// Columns of what is said in one line.
const LINE_COLUMNS: usize = 200;

/// What a comment is made of.
pub struct Comment<'a> {
    /// The document, as it was named.
    pub shown: &'a str,
    pub plan: &'a Plan,
    pub surveys: &'a Surveys,
    pub found: &'a [FoundIn<'a>],
    /// What else is known of the release: its rehearsal, what the policy says.
    pub asides: &'a Text,
    /// Which units may be shown.
    pub is_open: IsOpen<'a>,
}

/// How much is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Detail {
    /// Everything.
    Whole,
    /// Long statements and scripts are cut.
    Cut,
    /// A line for each step, as many as fit.
    Short,
}

impl Comment<'_> {
    /// The comment: as much as fits.
    #[must_use]
    pub fn markdown(&self) -> String {
        for detail in [Detail::Whole, Detail::Cut] {
            let mut page = self.head(detail);
            for step in &self.plan.steps {
                page.push_str(&self.step(step, detail));
            }
            if length(&page) <= COMMENT_CHARS_MAX {
                return page;
            }
        }
        self.short()
    }

    fn short(&self) -> String {
        let mut page = self.head(Detail::Short);
        let mut used = length(&page);
        let steps = &self.plan.steps;
        for (at, step) in steps.iter().enumerate() {
            let line = self.step(step, Detail::Short);
            let more =
                format!("\n{} more; `windlass plan` shows all of it.\n", count(steps.len() - at, "step"));
            if used + length(&line) + length(&more) > COMMENT_CHARS_MAX {
                page.push_str(&more);
                return page;
            }
            used += length(&line);
            page.push_str(&line);
        }
        page
    }

    fn head(&self, detail: Detail) -> String {
        let (plan, release) = (self.plan, &self.plan.release);
        let mut page = mark(self.shown);
        page.push_str(&format!("## Release {}\n\n", text(&release.version)));
        if let Some(title) = &release.title {
            // Not at the start of a line, where GitLab would run `/merge` as a command.
            page.push_str(&format!("**{}**\n\n", text(shorten(title, LINE_COLUMNS).trim())));
        }
        page.push_str("| | |\n|---|---|\n");
        let mut row = |label: &str, value: &str| page.push_str(&format!("| {label} | {value} |\n"));
        for (label, value) in
            [("From version", &release.from), ("Environment", &release.env), ("Ticket", &release.ticket)]
        {
            if let Some(value) = value {
                row(label, &text(&shorten(value, LINE_COLUMNS)));
            }
        }
        row("Undo class", &format!("**{}**: {}", plan.class, Messages::english().class_means(plan.class)));
        let (steps, units) = (count(plan.steps.len(), "step"), count(plan.units().count(), "unit"));
        row("Plan", &format!("{steps}, {units}, from {}", text(&plan.document.name)));
        row("Digest", &format!("`{}`", plan.digest()));
        row("Downtime", &self.downtime());
        let problems: usize = self.surveys.values().map(|survey| survey.problems.len()).sum();
        if problems > 0 {
            row("Now", &format!("**{} found: the run would fail**", count(problems, "problem")));
        }
        page.push('\n');
        page.push_str(&findings(self.found, detail));
        if !self.asides.lines().is_empty() && detail != Detail::Short {
            page.push_str(&format!("{}\n\n", fenced("text", self.asides.to_string().trim_matches('\n'))));
        }
        page.push_str("### Steps\n\n");
        page
    }

    fn downtime(&self) -> String {
        let mut said = Vec::new();
        for (service, url) in self.plan.probed() {
            let how = if url.is_ok() { "is measured" } else { "is not measured" };
            said.push(format!("that of {service} {how}"));
        }
        if let Some(ms) = self.plan.downtime_budget_ms() {
            said.push(format!("budget {}", crate::duration(ms)));
        }
        if said.is_empty() {
            "no service of the configuration is touched".to_owned()
        } else {
            text(&said.join("; "))
        }
    }

    fn step(&self, step: &Step, detail: Detail) -> String {
        let problems = |unit: &Unit| self.surveys.get(&unit.id).map_or(0, |survey| survey.problems.len());
        let found: usize = step.units.iter().map(problems).sum();
        let found = if found == 0 { String::new() } else { format!(" · {}", count(found, "problem")) };
        let facts = format!(
            "line {} · {} on {} · {}{found}",
            step.line,
            drivers_of(step),
            target_of(step),
            step.class
        );
        if detail == Detail::Short {
            let open = |unit: &Unit| (self.is_open)(unit);
            let first = step.units.first();
            let first = first.map_or("", |unit| if open(unit) { unit.effect.as_str() } else { CLOSED });
            return format!("- **{}** {}: {}\n", text(&step.id.0), text(&facts), text(&shorten(first, 100)));
        }
        let mut page =
            format!("<details><summary><b>{}</b> {}</summary>\n\n", html(&step.id.0), html(&facts));
        for unit in &step.units {
            page.push_str(&self.unit(step, unit, detail));
        }
        if let Some(script) = &step.undo {
            page.push_str(&format!("- undo: by the hand-written {}\n", text(&script.id.0)));
        }
        page.push_str("\n</details>\n");
        page
    }

    fn unit(&self, step: &Step, unit: &Unit, detail: Detail) -> String {
        let several = step.units.iter().any(|other| other.host != unit.host);
        let host = if several { format!("{}: ", unit.host) } else { String::new() };
        let say = |words: &str| match detail {
            Detail::Whole => text(words),
            Detail::Cut | Detail::Short => text(&shorten(words, LINE_COLUMNS)),
        };
        if !(self.is_open)(unit) {
            return format!("- {}\n", say(&format!("{host}{CLOSED}")));
        }
        let mut page = format!("- {}\n", say(&format!("{host}{}", unit.effect)));
        if let Some(survey) = self.surveys.get(&unit.id) {
            for effect in survey.effects.iter().filter(|effect| **effect != unit.effect) {
                page.push_str(&format!("  - now: {}\n", say(effect)));
            }
            for problem in &survey.problems {
                page.push_str(&format!("  - **problem**: {}\n", say(problem)));
            }
        }
        if unit.undo.class != Class::Readonly && step.undo.is_none() {
            page.push_str(&format!("  - undo ({}): {}\n", unit.undo.class, say(&unit.undo.how)));
        }
        if let Some((language, code)) = code(&unit.action) {
            page.push_str(&indented(&fenced(language, &cut(&code, detail))));
        }
        page
    }
}

/// The comment of a document that nothing can be run from.
#[must_use]
pub fn unplanned_comment(shown: &str, found: &[FoundIn<'_>]) -> String {
    let errors = found.iter().flat_map(|file| &file.findings);
    let errors = errors.filter(|finding| finding.severity == Severity::Error).count();
    let head =
        format!("## {}\n\n**{}; nothing can be run from it.**\n\n", text(shown), count(errors, "error"));
    mark(shown) + &head + &findings(found, Detail::Short)
}

/// By which a job finds the comment that it wrote before.
fn mark(shown: &str) -> String {
    let name = tame(shown).replace('\n', " ").replace('>', "&gt;");
    format!("<!-- windlass plan {name} -->\n")
}

/// A list of findings; nothing, if there is none.
fn findings(files: &[FoundIn<'_>], detail: Detail) -> String {
    let all: usize = files.iter().map(|file| file.findings.len()).sum();
    if all == 0 {
        return String::new();
    }
    let shown = if detail == Detail::Short { FINDINGS_MAX } else { all };
    let mut page = format!("### {}\n\n", count(all, "finding"));
    let lines = files.iter().flat_map(|file| {
        let lines = LineIndex::new(file.text);
        file.findings
            .iter()
            .map(move |finding| finding_line(&file.path, lines.line(finding.span.start), finding))
    });
    lines.take(shown).for_each(|line| page.push_str(&line));
    if shown < all {
        page.push_str(&format!("- and {} more; `windlass check` lists all\n", all - shown));
    }
    page.push('\n');
    page
}

fn finding_line(path: &str, line: usize, finding: &Finding) -> String {
    let word = match finding.severity {
        Severity::Error => "**error**",
        Severity::Warning => "warning",
        Severity::Note => "note",
    };
    let place = text(&shorten(&format!("{path}:{line}"), LINE_COLUMNS));
    let message = text(&shorten(&finding.message, LINE_COLUMNS));
    format!("- {word} {place}: {message} ({})\n", finding.rule)
}

fn cut(code: &str, detail: Detail) -> String {
    match code.char_indices().nth(CODE_CHARS_MAX).filter(|_| detail == Detail::Cut) {
        Some((at, _)) => format!("{}\n… cut here: it has {} bytes", &code[..at], code.len()),
        None => code.to_owned(),
    }
}

/// Belongs to the list item above it.
fn indented(block: &str) -> String {
    let lines =
        block.lines().map(|line| if line.is_empty() { "\n".to_owned() } else { format!("  {line}\n") });
    format!("\n{}\n", lines.collect::<String>())
}

/// Text that is nothing but text: no markup, and nobody is called by an `@` in it.
fn text(text: &str) -> String {
    inline(text).replace('@', "@<!-- -->")
}

/// Text inside of HTML.
fn html(text: &str) -> String {
    let safe = tame(text).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    safe.replace('\n', " ").replace('@', "@<!-- -->")
}

/// As GitHub counts, and never less.
fn length(page: &str) -> usize {
    page.encode_utf16().count()
}

#[cfg(test)]
mod tests;
