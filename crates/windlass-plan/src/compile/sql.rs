//! SQL fences: one unit for each statement.

use super::{Compiler, Draft, locks, place::Place, pragmas, way_back::WayBack};
use crate::{Action, FilePlace};
use windlass_document::{self as doc, Finding, LineIndex, Span};
use windlass_sql::{Carried, Dialect, Kind, Problem, Statement, Summary};

/// A text with statements, and how its places are shown.
#[derive(Clone)]
pub(super) struct Source<'s> {
    pub(super) text: &'s str,
    pub(super) origin: Origin<'s>,
    /// The target.
    pub(super) on: &'s str,
    pub(super) dialect: Dialect,
    /// Which client of its step would have sent it, from 1, if a line was lifted.
    pub(super) client: Option<usize>,
    /// A query whose functions are not known here is run where it can write.
    pub(super) may_write: bool,
    /// What runs instead of several statements: where they stand, and its text.
    pub(super) together: Vec<(windlass_sql::Span, String)>,
}

/// Whether a query whose functions are not known may write. PostgreSQL sees all that it does, and keeps it; MySQL and MariaDB do
/// not, so there the step has to say what becomes of it.
pub(super) fn may_write(dialect: Dialect, way_back: &WayBack) -> bool {
    match (dialect, way_back) {
        (Dialect::Sqlite, _) | (_, WayBack::Readonly) => false,
        (Dialect::Postgresql, _) => true,
        (Dialect::Mysql, WayBack::Own | WayBack::Backup(..)) => false,
        (Dialect::Mysql, WayBack::Irreversible | WayBack::Script(_)) => true,
    }
}

/// Where a text with statements stands.
#[derive(Clone)]
pub(super) enum Origin<'s> {
    /// In the body of a fence, from this offset.
    Body(&'s doc::Step, usize),
    /// Somewhere in this part of the document.
    Within(Span),
    /// In a file: its name, the line that the text begins at, and its lines. Findings stand at the place of the document
    /// that names it, and name that of the file in words.
    File { name: &'s str, line: usize, lines: LineIndex, at: Span },
}

impl Source<'_> {
    pub(super) fn span(&self, span: windlass_sql::Span) -> Span {
        match &self.origin {
            Origin::Body(step, start) => {
                step.body.span_to_source(Span::new(start + span.start, start + span.end))
            }
            Origin::Within(at) | Origin::File { at, .. } => *at,
        }
    }

    /// Whether statements of other texts may follow on the same connection: those of a client, and files behind a body.
    fn has_more(&self) -> bool {
        let files = |step: &doc::Step| step.attributes.files.is_some();
        self.client.is_some() || matches!(&self.origin, Origin::Body(step, _) if files(step))
    }

    /// The text of a statement.
    fn words(&self, statement: &Statement) -> &str {
        let instead = self.together.iter().find(|(span, _)| *span == statement.span);
        instead.map_or_else(|| statement.span.of(self.text), |(_, text)| text)
    }

    /// Where it stands in its file.
    fn place(&self, span: windlass_sql::Span) -> Option<FilePlace> {
        let Origin::File { name, line, lines, .. } = &self.origin else { return None };
        let position = lines.position(self.text, span.start);
        let line = position.line + line.saturating_sub(1);
        Some(FilePlace { file: (*name).to_owned(), line, column: position.column })
    }

    /// `file:line:column: ` before a message about a file.
    pub(super) fn before(&self, span: windlass_sql::Span) -> String {
        self.place(span).map_or_else(String::new, |place| format!("{place}: "))
    }
}

impl Compiler<'_> {
    pub(super) fn sql(&mut self, step: &doc::Step, place: &Place, way_back: &WayBack) -> Option<Vec<Draft>> {
        if !place.known {
            // Nobody knows in which dialect it is written.
            return None;
        }
        let dialect = place.dialect.unwrap_or(Dialect::Sqlite);
        if step.dialect.is_some() {
            self.same_dialect(step, dialect, &place.on)?;
        }
        let mut drafts = Vec::new();
        let origin = Origin::Body(step, 0);
        let may_write = may_write(dialect, way_back);
        let text = &step.body.text;
        let together = Vec::new();
        let body = Source { text, origin, on: &place.on, dialect, client: None, may_write, together };
        self.statements(&body, &mut drafts);
        if let Some(pattern) = &step.attributes.files {
            self.statements_of_files(pattern, &body, &mut drafts)?;
        }
        self.expect_rows(step, &mut drafts);
        self.expect_batches(step, &place.on, &mut drafts);
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
            let origin = Origin::File { name: &file.name, line: file.line, lines, at: pattern.span };
            self.statements(&Source { text: &file.text, origin, ..body.clone() }, drafts);
        }
        Some(())
    }

    fn statements(&mut self, source: &Source<'_>, drafts: &mut Vec<Draft>) {
        let (statements, problems) = windlass_sql::split(source.text, source.dialect);
        match source.dialect {
            Dialect::Postgresql => {
                let (statements, together) = share_temporary(source.text, statements);
                self.own_statements(&Source { together, ..source.clone() }, (statements, problems), drafts);
            }
            Dialect::Sqlite => match windlass_sql::as_ordinary(source.text, &statements) {
                Some(text) => {
                    let split = windlass_sql::split(&text, source.dialect);
                    self.own_statements(&Source { text: &text, ..source.clone() }, split, drafts);
                }
                None => self.own_statements(source, (statements, problems), drafts),
            },
            Dialect::Mysql => self.own_statements(source, (statements, problems), drafts),
        }
    }

    /// Each statement on a connection of its own.
    fn own_statements(
        &mut self,
        source: &Source<'_>,
        split: (Vec<Statement>, Vec<Problem>),
        drafts: &mut Vec<Draft>,
    ) {
        let (statements, carried) = joined(split.0, source);
        self.drafts_of(source, (statements, split.1), carried.as_ref(), drafts);
    }

    /// The units of a text that was split; of what is `carried`, the one that needs it is refused.
    pub(super) fn drafts_of(
        &mut self,
        source: &Source<'_>,
        (statements, problems): (Vec<Statement>, Vec<Problem>),
        carried: Option<&Carried>,
        drafts: &mut Vec<Draft>,
    ) {
        for problem in problems {
            self.findings.push(finding(source, &problem));
        }
        let fits: Vec<Fit> =
            (0..statements.len()).map(|at| fit(&statements[at], &statements[at + 1..], source)).collect();
        for (index, (statement, fit)) in statements.into_iter().zip(fits).enumerate() {
            let at = source.span(statement.span);
            let fit = match carried.filter(|carried| carried.statement == index) {
                Some(carried) => {
                    Fit::Refused(carried.why.clone(), carried_help(&statement, source).to_owned())
                }
                None => fit,
            };
            match fit {
                Fit::Unit => drafts.push(draft(statement, source)),
                Fit::Needless(why) => self.findings.push(
                    Finding::note(
                        "transaction-left-out",
                        at,
                        format!("{}left out", source.before(statement.span)),
                    )
                    .why(why),
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

pub(super) const TRANSACTION_WHY: &str = "each statement runs in a transaction of its own, together with the note that it has run: so \
                               a crash never leaves it half done or done twice";

const CARRIED_HELP: &str = "write it as one statement (a subquery, a CTE, a block), or keep it in an ordinary table that a later \
                            statement drops";

const PREPARED_HELP: &str = "write what computes the text (`SET @sql = …`), `PREPARE s FROM @sql` and `EXECUTE s` directly behind each other, and \
                             once more for each `EXECUTE`; or write out the statement that it would run";

fn carried_help(statement: &Statement, source: &Source<'_>) -> &'static str {
    let head = windlass_sql::keywords(statement.span.of(source.text), source.dialect, 1);
    match head.first().map(String::as_str) {
        Some("PREPARE" | "EXECUTE") => PREPARED_HELP,
        _ if windlass_sql::mysql::prepared(statement.span.of(source.text)).is_some() => PREPARED_HELP,
        _ => CARRIED_HELP,
    }
}

/// The statements with those that compute the text of another as one with it, and what goes from one to a later one all the same.
fn joined(statements: Vec<Statement>, source: &Source<'_>) -> (Vec<Statement>, Option<Carried>) {
    let texts: Vec<_> = statements.iter().map(|statement| source.words(statement)).collect();
    let groups = match source.dialect {
        Dialect::Mysql => windlass_sql::mysql::prepared_groups(&texts),
        _ => vec![],
    };
    let carried = windlass_sql::carried_beside(&texts, source.dialect, &groups).map(|carried| {
        let inside = |group: &&std::ops::Range<usize>| group.start <= carried.statement;
        let less = |group: &std::ops::Range<usize>| group.end.min(carried.statement + 1) - group.start - 1;
        let less: usize = groups.iter().filter(inside).map(less).sum();
        Carried { statement: carried.statement - less, ..carried }
    });
    (windlass_sql::mysql::fold(statements, source.text, &groups), carried)
}

/// Statements that share a temporary table are one, which runs as a whole or not at all.
fn share_temporary(
    text: &str,
    statements: Vec<Statement>,
) -> (Vec<Statement>, Vec<(windlass_sql::Span, String)>) {
    let mut found = windlass_sql::together(text, &statements).into_iter().peekable();
    let (mut shared, mut texts) = (Vec::new(), Vec::new());
    for (at, mut statement) in statements.into_iter().enumerate() {
        let Some(together) = found.peek().filter(|together| at >= together.first) else {
            shared.push(statement);
            continue;
        };
        if at == together.first {
            let (block, _) = windlass_sql::split(&together.text, Dialect::Postgresql);
            statement.summary = block.into_iter().next().map(|block| block.summary).unwrap_or_default();
            shared.push(statement);
        } else if let Some(whole) = shared.last_mut() {
            whole.span.end = statement.span.end;
        }
        if at == together.last {
            let span = shared.last().map(|whole| whole.span).unwrap_or_default();
            texts.extend(found.next().map(|together| (span, together.text)));
        }
    }
    (shared, texts)
}

fn draft(statement: Statement, source: &Source<'_>) -> Draft {
    let session = statement.summary.kind == Kind::Session;
    let action = Action::Sql {
        target: source.on.to_owned(),
        statement: source.words(&statement).to_owned(),
        rows: None,
        session,
        data: statement.data.map(|data| data.of(source.text).to_owned()),
        batch: None,
        from: source.place(statement.span),
        client: source.client,
    };
    let mut draft = Draft::new(action, source.span(statement.span));
    draft.readonly = session || reads_only(&statement, source);
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

fn reads_only(statement: &Statement, source: &Source<'_>) -> bool {
    match statement.summary.kind {
        Kind::Pragma => pragmas::reads(statement, source.text),
        Kind::Select if source.may_write && statement.summary.readonly => {
            windlass_sql::unknown_calls(source.words(statement), source.dialect).is_empty()
        }
        _ => statement.summary.readonly,
    }
}

/// What becomes of a statement.
pub(super) enum Fit {
    /// It is a unit.
    Unit,
    /// It is not needed; why.
    Needless(&'static str),
    /// It cannot run; why, and what to do.
    Refused(String, String),
}

fn fit(statement: &Statement, behind: &[Statement], source: &Source<'_>) -> Fit {
    let refused = |message: &str, help: &str| Fit::Refused(message.to_owned(), help.to_owned());
    let kind = &statement.summary.kind;
    match (kind, source.dialect) {
        // Scripts begin and end with them by habit.
        (Kind::Begin | Kind::Commit, _) => Fit::Needless(TRANSACTION_WHY),
        (kind, _) if kind.controls_transaction() => refused(
            "transactions are opened and closed by windlass",
            "take it out: each statement is a transaction, and a failed step is taken back as a whole",
        ),
        (Kind::Lock, dialect) => locks::fit(statement, behind, source.text, dialect, source.has_more()),
        (Kind::Attach | Kind::Detach, Dialect::Sqlite) => refused(
            "`ATTACH` and `DETACH` cannot run inside a transaction",
            "make a target of the other database and a step for each",
        ),
        (Kind::Vacuum, Dialect::Sqlite) => refused(
            "`VACUUM` cannot run inside a transaction",
            "run it outside of a release, or as a shell line that says `readonly`",
        ),
        (Kind::Pragma, Dialect::Sqlite) => pragmas::fit(statement, behind, source.text, source.has_more()),
        _ => Fit::Unit,
    }
}

/// Why the texts of a lifted line, which go over one connection, have to be left to its client: which text, and the first thing
/// in it that no driver does.
pub(super) fn only_for_the_client(
    sources: &[Source<'_>],
    split: &[(Vec<Statement>, Vec<Problem>)],
) -> Option<(usize, String)> {
    let mut found = Vec::new();
    let mut all = Vec::new();
    for (at, (source, (statements, problems))) in sources.iter().zip(split).enumerate() {
        let command = problems.iter().find(|problem| problem.rule == "sql-client-command");
        found.extend(command.map(|problem| (at, problem.span, problem.message.clone())));
        found.extend(statements.iter().enumerate().find_map(|(index, statement)| {
            match fit(statement, &statements[index + 1..], source) {
                Fit::Refused(message, _) => Some((at, statement.span, message)),
                Fit::Unit | Fit::Needless(_) => {
                    let more = index + 1 < statements.len() || at + 1 < sources.len();
                    client_alone(statement, source, more).map(|why| (at, statement.span, why))
                }
            }
        }));
        all.extend(statements.iter().map(|statement| (at, statement.span, statement.span.of(source.text))));
    }
    let texts: Vec<_> = all.iter().map(|(_, _, text)| *text).collect();
    let carried = sources.first().and_then(|source| windlass_sql::carried(&texts, source.dialect));
    found.extend(carried.map(|carried| {
        let (at, span, _) = all[carried.statement];
        (at, span, carried.why)
    }));
    let (at, span, why) = found.into_iter().min_by_key(|(at, span, _)| (*at, span.start))?;
    Some((at, format!("{}{why}", sources[at].before(span))))
}

/// What a statement of a lifted line does that a unit of its own would not: settings that end with the client's transaction or
/// reach beyond its session, functions that may leave something in the session for those behind them (`more`), and queries of
/// MySQL that may write, for those run where nothing can be written.
fn client_alone(statement: &Statement, source: &Source<'_>, more: bool) -> Option<String> {
    let (text, dialect) = (statement.span.of(source.text), source.dialect);
    let head = windlass_sql::keywords(text, dialect, 2);
    let head: Vec<_> = head.iter().map(String::as_str).collect();
    match (head.as_slice(), dialect) {
        (["SET", "LOCAL" | "TRANSACTION" | "CONSTRAINTS"], _) => {
            Some("this setting ends with a transaction that is left out here".to_owned())
        }
        (["SET" | "RESET", ..], Dialect::Mysql) if statement.summary.kind != Kind::Session => {
            Some("this changes the server, not only its session".to_owned())
        }
        (["SELECT" | "WITH" | "VALUES" | "TABLE", ..], Dialect::Mysql) => {
            let calls = windlass_sql::unknown_calls(text, dialect);
            Some(format!("whether `{}()` only reads is not known here", calls.first()?))
        }
        (["SELECT" | "WITH" | "VALUES" | "TABLE", ..], Dialect::Postgresql) if more => {
            if windlass_sql::postgres::set_config(text).is_some_and(|setting| !setting.is_local) {
                return None;
            }
            let calls = windlass_sql::unknown_calls(text, dialect);
            let called = calls.iter().find(|name| name.base() != "setval")?;
            Some(format!("what `{called}()` leaves in the session may be needed by what follows"))
        }
        _ => None,
    }
}
