//! Rules over statements.

use super::{
    BREAKS_SERVING, Facts, GRANT_ALL, IF_NOT_EXISTS, NOT_SET_BACK, PLACEHOLDER, ROLLBACK_DROPS_ROWS,
    UPDATE_UNGUARDED,
};
use crate::{lexicon::Role, programs, walk::Statement};
use windlass_document::Finding;
use windlass_sql::{AlterAction, Kind};

pub(super) fn find(facts: &Facts<'_>, found: &mut Vec<Finding>) {
    let statements: Vec<&Statement> =
        facts.notes.statements.iter().filter(|statement| statement.role != Role::Example).collect();
    let stopped = facts.notes.commands.iter().position(|seen| {
        seen.role <= Role::Verify
            && seen.parts.iter().any(|words| programs::serves(&refs(words)) == Some(programs::Serves::Stops))
    });
    let serves = |statement: &Statement| match stopped {
        Some(at) => statement.behind < at,
        // Where nothing stops, the version before serves all the time.
        None => facts
            .notes
            .commands
            .iter()
            .any(|seen| seen.parts.iter().any(|words| programs::serves(&refs(words)).is_some())),
    };
    for statement in &statements {
        if statement.role <= Role::Verify && serves(statement) {
            breaking(statement, stopped.map(|at| facts.notes.commands[at].line.span), found);
        }
        unguarded(statement, found);
        shape(statement, found);
        if let Some((start, end)) = windlass_plan::placeholder(&statement.text) {
            let span = windlass_document::Span::new(statement.span.start, statement.span.end);
            found.push(
                PLACEHOLDER
                    .at(span, format!("`{}` is a placeholder", &statement.text[start..end]))
                    .help("a password belongs into a file or variable outside of the document"),
            );
        }
    }
    grants(&statements, found);
    settings(&statements, found);
    dropped(&statements, found);
}

fn refs(words: &[String]) -> Vec<&str> {
    words.iter().map(String::as_str).collect()
}

/// Taken away or narrowed while the version before serves.
fn breaking(statement: &Statement, stop: Option<windlass_document::Span>, found: &mut Vec<Finding>) {
    let upper = statement.text.to_ascii_uppercase();
    let what = match &statement.summary.kind {
        Kind::AlterTable(actions) => actions.iter().find_map(|action| match action {
            AlterAction::DropColumn(_) => Some("drops a column"),
            AlterAction::RenameTable(_) => Some("renames a table"),
            AlterAction::RenameColumn { .. } => Some("renames a column"),
            _ => None,
        }),
        Kind::RenameTable => Some("renames a table"),
        Kind::DropTable => Some("drops a table"),
        _ => None,
    };
    let alters = matches!(statement.summary.kind, Kind::AlterTable(_));
    let narrowed = alters
        && upper.contains("NOT NULL")
        && (upper.contains("MODIFY") || upper.contains("CHANGE ") || upper.contains("SET NOT NULL"));
    let Some(what) = what.or(narrowed.then_some("makes a column NOT NULL")) else { return };
    let mut finding = BREAKS_SERVING
        .at(statement.span, format!("this {what} while the version before still serves"))
        .help("put it behind the stop, or into the next release, when nothing uses it any more");
    if let Some(stop) = stop {
        finding = finding.also(stop, "the service is stopped only here");
    }
    found.push(finding);
}

/// Rows changed in a console, without transaction and expected number.
fn unguarded(statement: &Statement, found: &mut Vec<Finding>) {
    let changes = matches!(statement.summary.kind, Kind::Update | Kind::Delete);
    if !changes || statement.role > Role::Verify {
        return;
    }
    match statement.rows {
        Some((rows, span)) => found.push(
            UPDATE_UNGUARDED
                .at(
                    statement.span,
                    format!("no transaction and no expected number, although the runbook knows it: {rows}"),
                )
                .also(span, "it stands here")
                .help(format!("the draft says `rows={rows}`: with any other number the release goes back")),
        ),
        None if statement.typed => found.push(
            UPDATE_UNGUARDED
                .at(statement.span, "no transaction and no expected number of rows")
                .help("say `rows=N` in the braces of the step"),
        ),
        None => {}
    }
}

fn shape(statement: &Statement, found: &mut Vec<Finding>) {
    if statement.summary.if_not_exists
        && matches!(statement.summary.kind, Kind::CreateTable)
        && statement.role <= Role::Verify
    {
        found.push(
            IF_NOT_EXISTS
                .at(statement.span, "`IF NOT EXISTS` hides a table of this name that is another")
                .help("leave it out: the undo takes away only what this release has made"),
        );
    }
}

/// Rights that are given whole, to be taken back later.
fn grants(statements: &[&Statement], found: &mut Vec<Finding>) {
    for (at, statement) in statements.iter().enumerate() {
        let upper = statement.text.to_ascii_uppercase();
        let all = matches!(statement.summary.kind, Kind::Privileges) && upper.starts_with("GRANT ALL");
        if !all {
            continue;
        }
        let role = statement
            .text
            .split_whitespace()
            .last()
            .unwrap_or_default()
            .trim_matches([';', '`', '"'])
            .to_owned();
        let narrowed = statements[at + 1..].iter().find(|later| {
            !role.is_empty()
                && later.text.contains(&role)
                && !later.text.to_ascii_uppercase().starts_with("GRANT ALL")
        });
        let mut finding = GRANT_ALL
            .at(statement.span, format!("`{role}` gets all rights"))
            .help("give only what the service needs, from the start: CONNECT, and SELECT, INSERT, UPDATE, DELETE on its tables");
        if let Some(later) = narrowed {
            finding = finding.also(later.span, "narrowed only here, and not what was granted");
        }
        found.push(finding);
    }
}

/// `SET FOREIGN_KEY_CHECKS = 0` that stays.
fn settings(statements: &[&Statement], found: &mut Vec<Finding>) {
    for (at, statement) in statements.iter().enumerate() {
        if statement.summary.kind != Kind::Session {
            continue;
        }
        let plain: String =
            statement.text.to_ascii_uppercase().chars().filter(|c| !c.is_whitespace()).collect();
        for name in ["FOREIGN_KEY_CHECKS", "UNIQUE_CHECKS", "SQL_SAFE_UPDATES", "SQL_LOG_BIN"] {
            let off = plain.contains(&format!("{name}=0")) || plain.contains(&format!("{name}=OFF"));
            let back = statements[at + 1..].iter().any(|later| {
                later.summary.kind == Kind::Session && later.text.to_ascii_uppercase().contains(name)
            });
            if off && !back {
                found.push(
                    NOT_SET_BACK
                        .at(statement.span, format!("`{name}` is switched off and never on again"))
                        .help("leave it out, or switch it on again behind the statements that need it off"),
                );
            }
        }
    }
}

/// A way back that drops what the release has made.
fn dropped(statements: &[&Statement], found: &mut Vec<Finding>) {
    let made: Vec<_> = statements
        .iter()
        .filter(|statement| statement.summary.kind == Kind::CreateTable && statement.role <= Role::Verify)
        .collect();
    for statement in statements.iter().filter(|statement| statement.role == Role::Back) {
        let drops = matches!(statement.summary.kind, Kind::DropTable | Kind::Truncate);
        if !drops {
            continue;
        }
        let mut finding = ROLLBACK_DROPS_ROWS
            .at(statement.span, "the way back deletes a table with the rows written since the release")
            .help("`windlass rollback` sets a table that has rows aside instead of dropping it");
        if let Some(made) = made.iter().find(|made| made.summary.object == statement.summary.object) {
            finding = finding.also(made.span, "it is made here");
        }
        found.push(finding);
    }
}
