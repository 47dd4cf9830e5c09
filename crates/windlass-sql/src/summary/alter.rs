//! `ALTER`.

use super::cursor::Cursor;
use super::{Kind, Summary, schema};
use serde::{Deserialize, Serialize};

/// One action of `ALTER TABLE`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlterAction {
    /// `ADD [COLUMN] name`
    AddColumn(String),
    /// `DROP [COLUMN] name`
    DropColumn(String),
    /// `RENAME [COLUMN] from TO to`, `CHANGE from to …` with two names
    RenameColumn {
        /// Old name.
        from: String,
        /// New name.
        to: String,
    },
    /// `RENAME TO name`
    RenameTable(String),
    /// `ALTER`, `MODIFY`, `CHANGE` of a column that keeps its name
    AlterColumn(String),
    /// `ADD` of a constraint
    AddConstraint,
    /// `DROP` of a constraint
    DropConstraint,
    /// `ADD` of an index
    AddIndex,
    /// `DROP` of an index
    DropIndex,
    /// Anything else; the word it starts with, upper case.
    Other(String),
}

/// Behind `ALTER`.
pub(super) fn alter(summary: &mut Summary, cursor: &mut Cursor<'_>) {
    while cursor.accept_any(&["ONLINE", "IGNORE", "FOREIGN", "MATERIALIZED"]) {}
    let kind = cursor.word();
    cursor.next();
    summary.if_exists = cursor.accept(&["IF", "EXISTS"]);
    if kind != "TABLE" {
        summary.object = cursor.name();
        return schema(summary, Kind::AlterOther(kind));
    }
    cursor.accept(&["ONLY"]);
    summary.object = cursor.name();
    cursor.symbol(b'*');
    let mut actions = Vec::new();
    while let Some(item) = cursor.item() {
        action(item, summary, &mut actions);
    }
    summary.destructive |= actions.iter().any(|action| matches!(action, AlterAction::DropColumn(_)));
    summary.changes_data = summary.destructive;
    schema(summary, Kind::AlterTable(actions));
}

const CONSTRAINTS: [&str; 5] = ["CONSTRAINT", "PRIMARY", "FOREIGN", "CHECK", "EXCLUDE"];
const INDEXES: [&str; 4] = ["INDEX", "KEY", "FULLTEXT", "SPATIAL"];

fn action(mut item: Cursor<'_>, summary: &mut Summary, actions: &mut Vec<AlterAction>) {
    let verb = item.word();
    item.next();
    let action = match verb.as_str() {
        "ADD" => return add(item, summary, actions),
        "DROP" => drop_part(&mut item, summary),
        "RENAME" => rename(&mut item),
        "ALTER" | "MODIFY" | "CHANGE" => {
            if verb == "ALTER" && (item.is("INDEX") || item.is("CONSTRAINT")) {
                return actions.push(AlterAction::Other(verb));
            }
            item.accept(&["COLUMN"]);
            item.accept(&["IF", "EXISTS"]);
            match (item.identifier(), verb == "CHANGE") {
                (Some(from), true) => match item.identifier() {
                    Some(to) if to != from => AlterAction::RenameColumn { from, to },
                    _ => AlterAction::AlterColumn(from),
                },
                (Some(name), false) => AlterAction::AlterColumn(name),
                (None, _) => AlterAction::Other(verb),
            }
        }
        _ => AlterAction::Other(verb),
    };
    actions.push(action);
}

fn add(mut item: Cursor<'_>, summary: &mut Summary, actions: &mut Vec<AlterAction>) {
    let column = item.accept(&["COLUMN"]);
    summary.if_not_exists |= item.accept(&["IF", "NOT", "EXISTS"]);
    let word = item.word();
    if !column && CONSTRAINTS.contains(&word.as_str()) {
        return actions.push(AlterAction::AddConstraint);
    }
    if !column && word == "UNIQUE" {
        // MySQL's unique key is an index; elsewhere it is a constraint.
        item.next();
        let index = item.is("INDEX") || item.is("KEY");
        return actions.push(if index { AlterAction::AddIndex } else { AlterAction::AddConstraint });
    }
    if !column && INDEXES.contains(&word.as_str()) {
        return actions.push(AlterAction::AddIndex);
    }
    if !column && word == "PARTITION" {
        return actions.push(AlterAction::Other("ADD".to_owned()));
    }
    // MySQL: `ADD (a INT, b INT)`.
    if item.symbol(b'(') {
        while let Some(mut part) = item.item() {
            actions.extend(part.identifier().map(AlterAction::AddColumn));
        }
        return;
    }
    actions.push(item.identifier().map_or(AlterAction::Other("ADD".to_owned()), AlterAction::AddColumn));
}

fn drop_part(item: &mut Cursor<'_>, summary: &mut Summary) -> AlterAction {
    let column = item.accept(&["COLUMN"]);
    let word = item.word();
    if !column && CONSTRAINTS.contains(&word.as_str()) {
        return AlterAction::DropConstraint;
    }
    if !column && INDEXES.contains(&word.as_str()) {
        return AlterAction::DropIndex;
    }
    if !column && word == "PARTITION" {
        summary.destructive = true;
        return AlterAction::Other("DROP".to_owned());
    }
    summary.if_exists |= item.accept(&["IF", "EXISTS"]);
    item.identifier().map_or(AlterAction::Other("DROP".to_owned()), AlterAction::DropColumn)
}

fn rename(item: &mut Cursor<'_>) -> AlterAction {
    let other = AlterAction::Other("RENAME".to_owned());
    if item.accept_any(&["INDEX", "KEY", "CONSTRAINT"]) {
        return other;
    }
    let column = item.accept(&["COLUMN"]);
    if !column {
        // MySQL takes `RENAME name` as well.
        let marked = item.accept_any(&["TO", "AS"]);
        let mut here = *item;
        if let Some(name) = here.name()
            && (marked || !here.is("TO"))
        {
            return AlterAction::RenameTable(name.to_string());
        }
    }
    match (item.identifier(), item.accept(&["TO"]), item.identifier()) {
        (Some(from), true, Some(to)) => AlterAction::RenameColumn { from, to },
        _ => other,
    }
}
