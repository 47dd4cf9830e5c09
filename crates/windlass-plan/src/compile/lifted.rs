//! Lines that send statements to a database: the same units as those of an SQL fence.

use super::{
    Compiler, Draft, Unreadable,
    sql::{Origin, Source, may_write, only_for_the_client},
    way_back::WayBack,
};
use crate::lift::{Line, Matched, SqlLine, SqlSource};
use windlass_document::{self as doc, Finding, LineIndex, Span};

impl Compiler<'_> {
    /// The target of a lifted line is a part of the plan, and so is what the line says of it.
    pub(super) fn use_database(&mut self, matched: Option<&Matched>) {
        let Some(Matched { target, claim }) = matched.filter(|matched| !matched.target.is_empty()) else {
            return;
        };
        self.used_targets.insert(target.clone());
        if let Some(claim) = claim {
            self.claims.entry(target.clone()).or_default().insert(claim.clone());
        }
    }

    /// The statements of `line`, the one of this number in its step, which has this way back. `Err`: it is left to its client; the word, and why.
    pub(super) fn lifted_sql(
        &mut self,
        step: &doc::Step,
        line: &Line,
        sql: &SqlLine,
        (client, way_back): (usize, &WayBack),
        drafts: &mut Vec<Draft>,
    ) -> Result<(), (Span, String)> {
        let Some(matched) = &line.matched else { return Ok(()) };
        let mut read = Vec::new();
        for source in &sql.sources {
            read.extend(self.source_text(step, source)?);
        }
        let sources: Vec<_> = read
            .iter()
            .map(|(text, origin)| Source {
                text,
                origin: origin.clone(),
                on: &matched.target,
                dialect: sql.dialect,
                client: Some(client),
                may_write: may_write(sql.dialect, way_back),
                together: Vec::new(),
            })
            .collect();
        let split: Vec<_> =
            sources.iter().map(|source| windlass_sql::split(source.text, source.dialect)).collect();
        if let Some((source, why)) = only_for_the_client(&sources, &split) {
            let (SqlSource::File { at, .. } | SqlSource::Text { at, .. }) = &sql.sources[source];
            return Err((*at, format!("{why}; so the line is left to its client")));
        }
        self.use_database(Some(matched));
        for (source, split) in sources.iter().zip(split) {
            self.drafts_of(source, split, None, drafts);
        }
        if let Some(at) = sql.one_transaction {
            let at = step.body.span_to_source(at);
            let text = "one transaction around everything is left out";
            self.findings
                .push(Finding::note("transaction-left-out", at, text).why(super::sql::TRANSACTION_WHY));
        }
        Ok(())
    }

    /// The text of a source; nothing after an error. `Err`: too long to be read.
    fn source_text<'s>(
        &mut self,
        step: &'s doc::Step,
        source: &'s SqlSource,
    ) -> Result<Option<(String, Origin<'s>)>, (Span, String)> {
        let (path, at) = match source {
            SqlSource::Text { text, at, start } => {
                let within = || Origin::Within(step.body.span_to_source(*at));
                return Ok(Some((
                    text.clone(),
                    start.map_or_else(within, |start| Origin::Body(step, start)),
                )));
            }
            SqlSource::File { path, at } => (path.as_str(), *at),
        };
        let span = step.body.span_to_source(at);
        match self.files.file(path) {
            Ok(file) => {
                let lines = LineIndex::new(&file.text);
                let origin = Origin::File { name: path, line: file.line, lines, at: span };
                Ok(Some((file.text, origin)))
            }
            Err(Unreadable::TooLong(why)) => Err((at, format!("{why}; so the line is left to its client"))),
            Err(Unreadable::Other(why)) => {
                let finding = Finding::error("files-unreadable", span, why)
                    .why("its statements are shown, checked and journaled one by one, so they are read for the plan")
                    .help("the file has to be there when the plan is made; a line of a script of yours is not read");
                self.findings.push(finding);
                Ok(None)
            }
        }
    }
}
