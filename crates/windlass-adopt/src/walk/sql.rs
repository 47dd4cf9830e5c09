//! Blocks of SQL, cut by the splitter.

use super::{
    Statement, Walk,
    group::{Output, remark_line},
};
use crate::{
    blocks::{Block, Code, Piece},
    emit::Emit,
    fate::{Fate, Reason},
    judge,
};
use windlass_document::Span;
use windlass_sql::{Dialect, Kind};

/// A statement with its lines in the block.
struct Cut {
    first: usize,
    last: usize,
    rows: Option<u64>,
    at: usize,
}

impl Walk<'_> {
    /// A block of statements.
    pub(super) fn sql(&mut self, block: &Block, code: &Code, dialect: Option<Dialect>) {
        let mut body = code.body.clone();
        let typed = code.language == "sql"
            && code.body.first().is_some_and(|piece| self.lines[piece.line.saturating_sub(1)].at.is_none());
        for piece in &mut body {
            if let Some(at) = console_prompt(&piece.text) {
                piece.text = piece.text[at..].to_owned();
                piece.column += at;
            }
        }
        if self.notes.dialect.is_none() {
            self.notes.dialect = dialect;
        }
        let reads = dialect.or(self.notes.dialect).unwrap_or(Dialect::Postgresql);
        let kept: Vec<bool> =
            body.iter().map(|piece| !is_answer(&piece.text) && !judge::leaves_console(&piece.text)).collect();
        let mut whole = String::new();
        let mut starts = Vec::with_capacity(body.len());
        for (piece, kept) in body.iter().zip(&kept) {
            starts.push(whole.len());
            whole.push_str(if *kept { &piece.text } else { "" });
            whole.push('\n');
        }
        let (statements, _) = windlass_sql::split(&whole, reads);
        let left = self.left();
        let cuts = self.cuts((&body, &kept), (&whole, &starts), &statements, (&left, typed));
        for (piece, _) in body.iter().zip(&kept).filter(|(piece, _)| judge::leaves_console(&piece.text)) {
            let span = self.span(piece.line, piece.column, piece.text.len());
            self.note(piece.text.trim(), span, Fate::Left(Reason::Leaves));
        }
        let language = word(&code.language, dialect);
        let mut output = Output::new(&code.lead, language);
        let lines: Vec<Option<Emit>> =
            body.iter().zip(&kept).map(|(piece, kept)| kept.then(|| self.emit(&code.lead, piece))).collect();
        self.write_sql(&mut output, &cuts, &lines, left);
        self.replace(block, output.out);
    }

    /// Notes the statements, each with its lines and the rows that the runbook says.
    fn cuts(
        &mut self,
        (body, kept): (&[Piece], &[bool]),
        (whole, starts): (&str, &[usize]),
        statements: &[windlass_sql::Statement],
        (left, typed): (&Option<Reason>, bool),
    ) -> Vec<Cut> {
        let line = |at: usize| starts.partition_point(|start| *start <= at).saturating_sub(1);
        let mut cuts: Vec<Cut> = Vec::new();
        for (n, statement) in statements.iter().enumerate() {
            let (first, last) = (line(statement.span.start), line(statement.span.end.max(1) - 1));
            let next = statements.get(n + 1).map_or(body.len(), |next| line(next.span.start));
            let answer =
                (last..next).find_map(|at| Some((judge::result_rows(tail(&body[at].text, kept[at]))?, at)));
            let changes = statement.summary.changes_data
                && matches!(
                    statement.summary.kind,
                    Kind::Update | Kind::Delete | Kind::Insert | Kind::Replace
                );
            let rows = answer.filter(|_| changes);
            let piece = &body[first];
            let column = piece.column + statement.span.start - starts[first];
            let end = &body[last];
            let span = Span::new(
                self.span(piece.line, column, 0).start,
                self.span(end.line, end.column + (statement.span.end - starts[last]).min(end.text.len()), 0)
                    .start,
            );
            let text = statement.span.of(whole).to_owned();
            let fate = match left {
                Some(reason) => Fate::Left(reason.clone()),
                None => Fate::Step(String::new()),
            };
            let one = text.lines().next().unwrap_or_default().trim_end().to_owned();
            let at = self.note(&one, span, fate);
            self.notes.commands[at].parts.clear();
            self.notes.statements.push(Statement {
                text,
                span,
                summary: statement.summary.clone(),
                role: self.role(),
                rows: rows
                    .map(|(rows, at)| (rows, self.span(body[at].line, body[at].column, body[at].text.len()))),
                behind: at,
                typed,
            });
            cuts.push(Cut { first, last, rows: rows.map(|(rows, _)| rows), at });
        }
        cuts
    }

    fn write_sql(
        &mut self,
        output: &mut Output<'_>,
        cuts: &[Cut],
        lines: &[Option<Emit>],
        left: Option<Reason>,
    ) {
        let lead = output.lead.to_owned();
        if let Some(reason) = left {
            let words = self.language.pick("no step", "未作为步骤", "ステップにしない");
            output
                .out
                .push(Emit::own(&lead, remark_line(&format!("{words}: {}", reason.words(self.language)))));
            output.out.push(Emit::own(&lead, format!("```{} {{prose}}", output.language)));
            output.out.extend(lines.iter().flatten().cloned());
            output.out.push(Emit::own(&lead, "```"));
            self.notes.prose += 1;
            return;
        }
        self.notes.uses_db = true;
        let mut from = 0;
        let mut at = 0;
        while at < cuts.len() || from < lines.len() {
            let open = cuts.get(at..).unwrap_or_default();
            // A statement with a known number of rows is a step of its own, if its lines are.
            let len = match open {
                [] => 0,
                [first, ..] if first.rows.is_some() => 1,
                _ => open.iter().position(|cut| cut.rows.is_some()).unwrap_or(open.len()),
            };
            let until = match open.get(len) {
                Some(next) => next.first,
                None => lines.len(),
            };
            let rows = open.first().and_then(|cut| cut.rows).filter(|_| until > open[len.max(1) - 1].last);
            let part: Vec<Emit> = lines[from..until.max(from)].iter().flatten().cloned().collect();
            from = until.max(from);
            let members = &open[..len];
            at += len;
            if part.iter().all(|line| line.text.trim().is_empty()) && members.is_empty() {
                if open.is_empty() {
                    break;
                }
                continue;
            }
            let id = self.ids.give(members.first().map_or("sql", |cut| self.kind_of(cut.at)));
            for cut in members {
                self.notes.commands[cut.at].line.fate = Fate::Step(id.clone());
            }
            self.notes.steps += 1;
            let rows = rows.map_or(String::new(), |rows| format!(" rows={rows}"));
            if output.out.last().is_some_and(|line| !line.text.is_empty()) {
                output.out.push(Emit::own(&lead, ""));
            }
            output.out.push(Emit::own(&lead, format!("```{} {{#{id} on=db{rows}}}", output.language)));
            let end = part.iter().rposition(|line| !line.text.trim().is_empty()).map_or(0, |at| at + 1);
            let start = part.iter().position(|line| !line.text.trim().is_empty()).unwrap_or(0);
            output.out.extend(part[start.min(end)..end].iter().cloned());
            output.out.push(Emit::own(&lead, "```"));
        }
    }

    fn kind_of(&self, command: usize) -> &'static str {
        match self
            .notes
            .statements
            .iter()
            .rev()
            .find(|statement| statement.behind == command)
            .map(|found| &found.summary.kind)
        {
            Some(Kind::Update | Kind::Delete | Kind::Insert | Kind::Replace | Kind::Merge) => "data",
            Some(Kind::Select | Kind::Show | Kind::Explain) => "look",
            Some(Kind::Privileges | Kind::AlterOther(_) | Kind::CreateOther(_)) => "rights",
            Some(_) => "schema",
            None => "sql",
        }
    }
}

/// The text behind a statement on its own line, or a line of answer.
fn tail(line: &str, kept: bool) -> &str {
    match line.rfind(';') {
        Some(at) if kept => &line[at + 1..],
        _ => line,
    }
}

/// A line that a console answered.
fn is_answer(line: &str) -> bool {
    let text = line.trim();
    judge::result_rows(text).is_some()
        || text.starts_with("Rows matched:")
        || text.starts_with('(') && text.ends_with("rows)")
        || matches!(
            text,
            "CREATE TABLE"
                | "ALTER TABLE"
                | "CREATE INDEX"
                | "DROP TABLE"
                | "COMMIT"
                | "GRANT"
                | "CREATE ROLE"
        )
}

fn console_prompt(line: &str) -> Option<usize> {
    let indent = crate::lines::indent(line);
    let rest = &line[indent..];
    for mark in ["mysql> ", "sqlite> ", "    -> ", "-> ", "   ...> "] {
        if rest.starts_with(mark) {
            return Some(indent + mark.len());
        }
    }
    if let Some(end) = rest.find("]> ").filter(|_| rest.starts_with("MariaDB [")) {
        return Some(indent + end + 3);
    }
    let end = rest.find(['#', '>'])?;
    let name = rest[..end].trim_end_matches(['=', '-', '(']);
    let is_prompt = end > 1
        && name.len() < end
        && !name.is_empty()
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    (is_prompt && rest[end + 1..].starts_with(' ')).then_some(indent + end + 2)
}

/// The language of the fence in the draft.
fn word(language: &str, dialect: Option<Dialect>) -> &'static str {
    match (language, dialect) {
        ("sql" | "", None) | (_, Some(Dialect::Sqlite)) => "sql",
        (_, Some(Dialect::Mysql)) => "mysql",
        (_, Some(Dialect::Postgresql)) => "postgresql",
        _ => "sql",
    }
}
