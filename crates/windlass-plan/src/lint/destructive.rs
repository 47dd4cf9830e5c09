//! `destructive-sql`

use super::{Entry, Facts, Rule};
use windlass_document::{Finding, Severity};
use windlass_sql::{AlterAction, Kind, Summary};

pub(super) const RULE: Rule = Rule {
    name: "destructive-sql",
    severity: Severity::Warning,
    summary: "a statement takes tables or columns away with all they hold",
    why: "what is dropped is set aside and comes back with a rollback, but what still uses it fails from now on, and \
          `windlass prune` drops it for good",
    bad: "```sh {#backup on=app}\nsqlite3 app.db \".backup app.bak\"\n```\n\n```sql {#tidy on=db}\nDROP TABLE \
          old_booking;\n```\n\n- [ ] reports still work\n",
    good: "```sh {#backup on=app}\nsqlite3 app.db \".backup app.bak\"\n```\n\n```sql {#tidy on=db}\nALTER TABLE \
           old_booking RENAME TO dropped_old_booking;\n```\n\n- [ ] reports still work\n",
    check,
};

fn check(rule: &Rule, facts: &Facts<'_>) -> Vec<Finding> {
    let entries: Vec<_> = facts.entries().collect();
    entries
        .iter()
        .enumerate()
        .filter(|(_, entry)| !said(facts, entry))
        .filter_map(|(at, entry)| {
            let sql = entry.mark.sql.as_ref()?;
            let (what, help) = taken_away(sql)?;
            (!replaced(sql, &entries[at + 1..], entry))
                .then(|| rule.at(entry.mark.span, format!("{what} is dropped")).help(help))
        })
        .collect()
}

/// The author has said that there is no way back.
fn said(facts: &Facts<'_>, entry: &Entry<'_>) -> bool {
    facts.source(entry.compiled).is_some_and(|step| step.attributes.irreversible.is_some())
}

fn taken_away(sql: &Summary) -> Option<(String, String)> {
    let name = sql.object.as_ref().map_or("", |object| object.base());
    match &sql.kind {
        Kind::DropTable => Some((
            format!("table `{name}`"),
            format!(
                "rename it away now, `ALTER TABLE {name} RENAME TO dropped_{name}`, and drop it in a later release; or \
                 say `irreversible`"
            ),
        )),
        Kind::Truncate => Some((
            format!("all of table `{name}`"),
            "delete the rows that are meant, with a WHERE; or say `irreversible`".to_owned(),
        )),
        Kind::AlterTable(actions) => {
            let columns = actions.iter().filter_map(|action| match action {
                AlterAction::DropColumn(column) => Some(format!("`{column}`")),
                _ => None,
            });
            let columns: Vec<_> = columns.collect();
            (!columns.is_empty()).then(|| {
                (
                    format!("column {} of `{name}`", columns.join(", ")),
                    "stop using it in this release and drop it in a later one; or say `irreversible`"
                        .to_owned(),
                )
            })
        }
        _ => None,
    }
}

/// SQLite changes a table by building another one and renaming it: then the old one is dropped on purpose.
fn replaced(sql: &Summary, later: &[Entry<'_>], entry: &Entry<'_>) -> bool {
    let Some(name) = sql.object.as_ref().map(|object| object.base()) else { return false };
    later.iter().take_while(|other| other.compiled.step.id == entry.compiled.step.id).any(|other| {
        let Some(Kind::AlterTable(actions)) = other.mark.sql.as_ref().map(|sql| &sql.kind) else {
            return false;
        };
        actions
            .iter()
            .any(|action| matches!(action, AlterAction::RenameTable(to) if to.eq_ignore_ascii_case(name)))
    })
}
