//! `'${secret.NAME}'` in statements.

use super::{Compiler, Draft};
use crate::{Action, UndoBy, secret::may_have_secrets, suggest};
use windlass_document::{self as doc, Finding};

const WHOLE: &str = "write `'${secret.NAME}'` where a string literal stands, with nothing else between its quotes: the value is put there as a literal of its \
                     own, and never into a text, a name or a body";

const ALONE: &str = "of other statements Windlass makes those that keep and undo what they change, and the value would be in files of the run: put this one into a \
                     fence that says `irreversible` (its undo, into a fence with `undoes=` of its own), and no query, setting or `batch=` with it";

impl Compiler<'_> {
    /// Where the references of a step stand, and whether there are such secrets; those that there are come into the plan.
    pub(super) fn secrets(&mut self, step: &doc::Step, drafts: &[Draft], by: impl Fn(&Draft) -> UndoBy) {
        for draft in drafts {
            let (Action::Sql { statement, from, .. }, Some(dialect)) = (&draft.action, draft.dialect) else {
                continue;
            };
            let references = windlass_sql::secret_references(statement, dialect);
            if references.is_empty() {
                continue;
            }
            let place = from.as_ref().map(|from| format!("{from}: ")).unwrap_or_default();
            for span in &references.misplaced {
                let message = format!("{place}`{}` is no string literal of its own", span.of(statement));
                self.findings.push(Finding::error("secret-misplaced", draft.span, message).help(WHOLE));
            }
            if !may_have_secrets(&draft.action, dialect, &by(draft)) {
                let message = format!(
                    "{place}only statements on accounts, and those that nobody undoes, may have a secret: `#{}`",
                    step.id.value
                );
                self.findings.push(Finding::error("secret-misplaced", draft.span, message).help(ALONE));
            }
            for reference in &references.whole {
                self.secret(reference.name, &place, draft);
            }
        }
    }

    fn secret(&mut self, name: &str, place: &str, draft: &Draft) {
        if let Some(secret) = self.config.secrets.get(name) {
            self.used_secrets.insert(name.to_owned(), secret.clone());
            return;
        }
        if self.config.unread.secret(name) {
            return;
        }
        let help = match suggest::nearest(name, self.config.secrets.keys().map(String::as_str)) {
            Some(other) => format!("did you mean `{other}`?"),
            None => format!(
                "add it to windlass.toml: `[secret.{name}]` with `env = \"…\"`, `file = \"…\"` or `command = \"…\"`"
            ),
        };
        let message = format!("{place}there is no secret `{name}`");
        self.findings.push(Finding::error("secret-unknown", draft.span, message).help(help));
    }
}
