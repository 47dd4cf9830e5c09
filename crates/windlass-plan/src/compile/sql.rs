//! SQL fences: one unit for each statement.

use super::{Compiler, Draft, place::Place};
use crate::{Action, FilePlace, suggest};
use windlass_document::{self as doc, Finding, LineIndex, Span};
use windlass_sql::{Dialect, Kind, Problem, Statement, Summary};

/// A text with statements, and how its places are shown.
struct Source<'s> {
    text: &'s str,
    /// For statements of a file: its name, the line that the text begins at, and its lines. Findings stand at `files=` then and name the place in words.
    file: Option<(&'s str, usize, LineIndex)>,
    step: &'s doc::Step,
    /// The target.
    on: &'s str,
    dialect: Dialect,
}

impl Source<'_> {
    fn span(&self, span: windlass_sql::Span) -> Span {
        match (&self.file, &self.step.attributes.files) {
            (Some(_), Some(files)) => files.span,
            _ => self.step.body.span_to_source(Span::new(span.start, span.end)),
        }
    }

    /// Where it stands in its file.
    fn place(&self, span: windlass_sql::Span) -> Option<FilePlace> {
        let (file, first, lines) = self.file.as_ref()?;
        let position = lines.position(self.text, span.start);
        let line = position.line + first.saturating_sub(1);
        Some(FilePlace { file: (*file).to_owned(), line, column: position.column })
    }

    /// `file:line: ` before a message about a file.
    fn before(&self, span: windlass_sql::Span) -> String {
        self.place(span).map_or_else(String::new, |place| format!("{}:{}: ", place.file, place.line))
    }
}

impl Compiler<'_> {
    pub(super) fn sql(&mut self, step: &doc::Step, place: &Place) -> Option<Vec<Draft>> {
        if !place.known {
            // Nobody knows in which dialect it is written.
            return None;
        }
        let dialect = place.dialect.unwrap_or(Dialect::Sqlite);
        if step.dialect.is_some() {
            self.same_dialect(step, dialect, &place.on)?;
        }
        let mut drafts = Vec::new();
        let body = Source { text: &step.body.text, file: None, step, on: &place.on, dialect };
        self.statements(&body, &mut drafts);
        if let Some(pattern) = &step.attributes.files {
            self.statements_of_files(pattern, &body, &mut drafts)?;
        }
        self.expect_rows(step, &mut drafts);
        Some(drafts)
    }

    /// A fence may say whose SQL it is; then the target has to speak it.
    fn same_dialect(&mut self, step: &doc::Step, dialect: Dialect, on: &str) -> Option<()> {
        let (name, words, said) = match step.dialect? {
            doc::Dialect::Mysql => ("mysql", "MySQL", Dialect::Mysql),
            doc::Dialect::Postgresql => ("postgresql", "PostgreSQL", Dialect::Postgresql),
        };
        if said == dialect {
            return Some(());
        }
        let is = match dialect {
            Dialect::Sqlite => "an SQLite",
            Dialect::Postgresql => "a PostgreSQL",
            Dialect::Mysql => "a MySQL",
        };
        let message = format!("the fence is {words}, but `{on}` is {is} database");
        let help = format!("write `sql` instead of `{name}`, or name another target");
        self.at_target(step, "dialect-mismatch", message, help);
        None
    }

    fn statements_of_files(
        &mut self,
        pattern: &doc::Spanned<String>,
        body: &Source<'_>,
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
            let source = Source { text: &file.text, file: Some((&file.name, file.line, lines)), ..*body };
            self.statements(&source, drafts);
        }
        Some(())
    }

    fn statements(&mut self, source: &Source<'_>, drafts: &mut Vec<Draft>) {
        let (statements, problems) = windlass_sql::split(source.text, source.dialect);
        for problem in problems {
            self.findings.push(finding(source, &problem));
        }
        for statement in statements {
            let at = source.span(statement.span);
            match fit(&statement, source) {
                Fit::Unit => drafts.push(draft(statement, source)),
                Fit::Needless => self.findings.push(
                    Finding::note(
                        "transaction-left-out",
                        at,
                        format!("{}left out", source.before(statement.span)),
                    )
                    .why(TRANSACTION_WHY),
                ),
                Fit::Refused(message, help) => {
                    let message = format!("{}{message}", source.before(statement.span));
                    let finding = Finding::error("sql-not-in-transaction", at, message).help(help);
                    self.findings.push(finding.why(TRANSACTION_WHY));
                }
            }
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

const TRANSACTION_WHY: &str = "each statement runs in a transaction of its own, together with the note that it has run: so \
                               a crash never leaves it half done or done twice";

fn draft(statement: Statement, source: &Source<'_>) -> Draft {
    let session = statement.summary.kind == Kind::Session;
    let action = Action::Sql {
        target: source.on.to_owned(),
        statement: statement.span.of(source.text).to_owned(),
        rows: None,
        session,
        data: statement.data.map(|data| data.of(source.text).to_owned()),
        batch: None,
        from: source.place(statement.span),
    };
    let mut draft = Draft::new(action, source.span(statement.span));
    draft.readonly = session || reads_only(&statement, source.text);
    draft.sql = Some(statement.summary);
    draft.dialect = Some(source.dialect);
    draft
}

fn is_query(sql: Option<&Summary>) -> bool {
    sql.is_some_and(|sql| sql.kind == Kind::Select)
}

fn finding(source: &Source<'_>, problem: &Problem) -> Finding {
    let message = format!("{}{}", source.before(problem.span), problem.message);
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

/// What becomes of a statement.
enum Fit {
    /// It is a unit.
    Unit,
    /// It is not needed: every statement is a transaction of its own.
    Needless,
    /// It cannot run; why, and what to do.
    Refused(String, String),
}

fn fit(statement: &Statement, source: &Source<'_>) -> Fit {
    let refused = |message: &str, help: &str| Fit::Refused(message.to_owned(), help.to_owned());
    let kind = &statement.summary.kind;
    match (kind, source.dialect) {
        // Scripts for these servers begin and end with them by habit.
        (Kind::Begin | Kind::Commit, Dialect::Postgresql | Dialect::Mysql) => Fit::Needless,
        (kind, _) if kind.controls_transaction() => refused(
            "transactions are opened and closed by windlass",
            "take it out: each statement is a transaction, and a failed step is taken back as a whole",
        ),
        (Kind::Lock, _) => refused(
            "a lock ends with the transaction of its statement, so it would protect nothing",
            "take it out: each statement takes the locks it needs, and waits for them no longer than it may",
        ),
        (Kind::Attach | Kind::Detach, Dialect::Sqlite) => refused(
            "`ATTACH` and `DETACH` cannot run inside a transaction",
            "make a target of the other database and a step for each",
        ),
        (Kind::Vacuum, Dialect::Sqlite) => refused(
            "`VACUUM` cannot run inside a transaction",
            "run it outside of a release, or as a shell line that says `readonly`",
        ),
        (Kind::Pragma, Dialect::Sqlite) => {
            let (name, sets) = pragma(statement.span.of(source.text));
            let fits = if sets { STORED } else { READING };
            if fits.contains(&name.as_str()) {
                return Fit::Unit;
            }
            let message = format!("`PRAGMA {name}` has no effect, or another one, inside a transaction");
            let help = format!("pragmas that can be used: {}", suggest::listed(READING.iter().copied()));
            Fit::Refused(message, help)
        }
        _ => Fit::Unit,
    }
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
