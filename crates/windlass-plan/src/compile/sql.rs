//! SQL fences: one unit for each statement.

use super::{Compiler, Draft, place::Place};
use crate::{Action, suggest};
use windlass_document::{self as doc, Finding, LineIndex, Span};
use windlass_sql::{Dialect, Kind, Problem, Statement, Summary};

/// A text with statements, and how its places are shown.
struct Source<'s> {
    text: &'s str,
    /// For statements of a file: its name and lines. Findings stand at `files=` then and name the place in words.
    file: Option<(&'s str, LineIndex)>,
    step: &'s doc::Step,
}

impl Source<'_> {
    fn span(&self, span: windlass_sql::Span) -> Span {
        match (&self.file, &self.step.attributes.files) {
            (Some(_), Some(files)) => files.span,
            _ => self.step.body.span_to_source(Span::new(span.start, span.end)),
        }
    }

    /// `file:line: ` before a message about a file.
    fn place(&self, span: windlass_sql::Span) -> String {
        match &self.file {
            Some((name, lines)) => format!("{name}:{}: ", lines.line(span.start)),
            None => String::new(),
        }
    }
}

impl Compiler<'_> {
    pub(super) fn sql(&mut self, step: &doc::Step, place: &Place) -> Option<Vec<Draft>> {
        if let Some(dialect) = step.dialect {
            let (name, words) = match dialect {
                doc::Dialect::Mysql => ("mysql", "MySQL"),
                doc::Dialect::Postgresql => ("postgresql", "PostgreSQL"),
            };
            let message = format!("the fence is {words}, but `{}` is an SQLite database", place.on);
            let help = format!("write `sql` instead of `{name}`, or name another target");
            self.at_target(step, "dialect-mismatch", message, help);
            return None;
        }
        let mut drafts = Vec::new();
        let body = Source { text: &step.body.text, file: None, step };
        self.statements(&body, &place.on, &mut drafts);
        if let Some(pattern) = &step.attributes.files {
            self.statements_of_files(step, pattern, &place.on, &mut drafts)?;
        }
        self.expect_rows(step, &mut drafts);
        Some(drafts)
    }

    fn statements_of_files(
        &mut self,
        step: &doc::Step,
        pattern: &doc::Spanned<String>,
        on: &str,
        drafts: &mut Vec<Draft>,
    ) -> Option<()> {
        let files = match self.files.files(&pattern.value) {
            Ok(files) => files,
            Err(why) => {
                self.findings.push(Finding::error("files-unreadable", pattern.span, why).help(
                    "the path starts in the folder of windlass.toml; `*` and `?` stand for any characters",
                ));
                return None;
            }
        };
        if files.is_empty() {
            let message = format!("no file matches `{}`", pattern.value);
            let help = "the path starts in the folder of windlass.toml";
            self.findings.push(Finding::error("files-unreadable", pattern.span, message).help(help));
        }
        for file in &files {
            let lines = LineIndex::new(&file.text);
            let source = Source { text: &file.text, file: Some((&file.name, lines)), step };
            self.statements(&source, on, drafts);
        }
        Some(())
    }

    fn statements(&mut self, source: &Source<'_>, on: &str, drafts: &mut Vec<Draft>) {
        let (statements, problems) = windlass_sql::split(source.text, Dialect::Sqlite);
        for problem in problems {
            self.findings.push(finding(source, &problem));
        }
        for statement in statements {
            if let Some((message, help)) = refused(&statement, source.text) {
                let message = format!("{}{message}", source.place(statement.span));
                let at = source.span(statement.span);
                self.findings.push(Finding::error("sql-not-in-transaction", at, message).help(help).why(
                    "each statement runs in a transaction of its own, together with the note that it has run: so a \
                     crash never leaves it half done or done twice",
                ));
                continue;
            }
            let action = Action::Sql {
                target: on.to_owned(),
                statement: statement.span.of(source.text).to_owned(),
                rows: None,
            };
            let mut draft = Draft::new(action, source.span(statement.span));
            draft.readonly = reads_only(&statement, source.text);
            draft.sql = Some(statement.summary);
            drafts.push(draft);
        }
    }

    /// `rows=` belongs to the one statement that writes rows, or to the one that reads them.
    fn expect_rows(&mut self, step: &doc::Step, drafts: &mut [Draft]) {
        let Some(rows) = &step.attributes.rows else { return };
        let writes =
            |draft: &Draft| draft.sql.as_ref().is_some_and(|sql| sql.changes_data && !sql.changes_schema);
        let any_write = drafts.iter().any(writes);
        let mut meant: Vec<_> = drafts
            .iter_mut()
            .filter(|draft| if any_write { writes(draft) } else { is_query(draft.sql.as_ref()) })
            .collect();
        if let [only] = &mut meant[..]
            && let Action::Sql { rows: expected, .. } = &mut only.action
        {
            *expected = Some(rows.value);
            return;
        }
        let message = format!("`rows=` needs one statement to count for, and the step has {}", meant.len());
        let help = "put the statement whose rows are known into a fence of its own";
        self.findings.push(Finding::error("rows-ambiguous", rows.span, message).help(help));
    }
}

fn is_query(sql: Option<&Summary>) -> bool {
    sql.is_some_and(|sql| sql.kind == Kind::Select)
}

fn finding(source: &Source<'_>, problem: &Problem) -> Finding {
    let message = format!("{}{}", source.place(problem.span), problem.message);
    Finding::error(problem.rule, source.span(problem.span), message)
        .label(problem.label)
        .why(problem.why)
        .help(problem.help.clone())
}

/// Pragmas that only read when they are given no value.
const READING: &[&str] = &[
    "application_id",
    "collation_list",
    "compile_options",
    "database_list",
    "foreign_key_check",
    "foreign_key_list",
    "function_list",
    "index_info",
    "index_list",
    "index_xinfo",
    "integrity_check",
    "module_list",
    "pragma_list",
    "quick_check",
    "schema_version",
    "table_info",
    "table_list",
    "table_xinfo",
    "user_version",
];

/// Pragmas whose value is a part of the database file and follows the transaction.
const STORED: &[&str] = &["application_id", "user_version"];

/// Name of a pragma, and whether it sets a value.
fn pragma(text: &str) -> (String, bool) {
    let rest = text.trim_start().get("pragma".len()..).unwrap_or_default().trim_start();
    let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '.')).unwrap_or(rest.len());
    let (name, after) = rest.split_at(end);
    let name = name.rsplit('.').next().unwrap_or_default().to_ascii_lowercase();
    // `PRAGMA user_version(3)` sets, `PRAGMA table_info(t)` asks.
    let after = after.trim_start();
    let sets = after.starts_with('=') || after.starts_with('(') && STORED.contains(&name.as_str());
    (name, sets)
}

fn reads_only(statement: &Statement, text: &str) -> bool {
    match statement.summary.kind {
        Kind::Pragma => {
            let (name, sets) = pragma(statement.span.of(text));
            !sets && READING.contains(&name.as_str())
        }
        _ => statement.summary.readonly,
    }
}

/// Why a statement cannot run in a transaction of its own, and what to do.
fn refused(statement: &Statement, text: &str) -> Option<(String, String)> {
    let kind = &statement.summary.kind;
    if kind.controls_transaction() {
        let help = "take it out: each statement is a transaction, and a failed step is taken back as a whole";
        return Some(("transactions are opened and closed by windlass".to_owned(), help.to_owned()));
    }
    let (what, help) = match kind {
        Kind::Attach | Kind::Detach => {
            ("`ATTACH` and `DETACH`", "make a target of the other database and a step for each".to_owned())
        }
        Kind::Vacuum => {
            ("`VACUUM`", "run it outside of a release, or as a shell line that says `readonly`".to_owned())
        }
        Kind::Pragma => {
            let (name, sets) = pragma(statement.span.of(text));
            let fits = if sets { STORED } else { READING };
            if fits.contains(&name.as_str()) {
                return None;
            }
            let message = format!("`PRAGMA {name}` has no effect, or another one, inside a transaction");
            return Some((
                message,
                format!("pragmas that can be used: {}", suggest::listed(READING.iter().copied())),
            ));
        }
        _ => return None,
    };
    Some((format!("{what} cannot run inside a transaction"), help))
}

#[cfg(test)]
mod tests {
    use super::pragma;

    #[test]
    fn pragmas_that_ask_and_pragmas_that_set() {
        for (text, name, sets) in [
            ("PRAGMA user_version", "user_version", false),
            ("pragma user_version = 3", "user_version", true),
            ("PRAGMA main.user_version=3", "user_version", true),
            ("PRAGMA user_version(3)", "user_version", true),
            ("PRAGMA table_info(booking)", "table_info", false),
            ("PRAGMA journal_mode = WAL", "journal_mode", true),
            ("PRAGMA", "", false),
        ] {
            assert_eq!(pragma(text), (name.to_owned(), sets), "{text}");
        }
    }
}
