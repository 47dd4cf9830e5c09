//! `batch=`: which statements of a fence are changed in batches.

use super::{Compiler, Draft};
use crate::{Action, Batch};
use windlass_document::{self as doc, Finding};
use windlass_sql::batch::{batched, is_for_batches};

impl Compiler<'_> {
    /// Gives `batch=` to the statements that it is for, says which these are, and refuses those that would mean something
    /// else.
    pub(super) fn expect_batches(&mut self, step: &doc::Step, on: &str, drafts: &mut [Draft]) {
        let Some(rows) = &step.attributes.batch else { return };
        let is_meant = |draft: &Draft| draft.sql.as_ref().is_some_and(|sql| is_for_batches(&sql.kind));
        let changes = |draft: &&Draft| !draft.readonly;
        let (all, meant) =
            (drafts.iter().filter(changes).count(), drafts.iter().filter(|draft| is_meant(draft)).count());
        if meant == 0 {
            let message = "`batch=` has nothing to do: the step has no UPDATE or DELETE";
            let help = "take it out: other statements run at once";
            self.findings.push(Finding::error("batch-for-nothing", rows.span, message).help(help));
            return;
        }
        if meant < all {
            let message = format!("`batch=` is for {meant} of the {all} statements that change something");
            let why = "UPDATE and DELETE are run in ranges of a key; every other statement runs at once, as without it";
            self.findings.push(Finding::note("batch-for-some", rows.span, message).why(why));
        }
        let config = self.config;
        let throttle = config.batches.get(on).or(config.policy.batch.as_ref()).cloned().unwrap_or_default();
        for draft in drafts.iter_mut().filter(|draft| is_meant(draft)) {
            let (Action::Sql { statement, batch, .. }, Some(dialect)) = (&mut draft.action, draft.dialect)
            else {
                continue;
            };
            match batched(statement, dialect) {
                Ok(_) => *batch = Some(Box::new(Batch { rows: rows.value, throttle: throttle.clone() })),
                Err(no) => {
                    let message = format!("this cannot be run in batches: {}", no.why);
                    self.findings.push(
                        Finding::error("batch-changes-meaning", draft.span, message)
                            .also(rows.span, "`batch=` of its step")
                            .why("each batch is a transaction of its own that sees what the ones before it did")
                            .help(no.help),
                    );
                }
            }
        }
    }
}
