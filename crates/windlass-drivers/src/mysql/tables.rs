//! What the catalog says of tables on whose rows a statement works.

use super::{
    ledger::text,
    session::{Answer, Session, Trouble},
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use windlass_sql::mysql::identifiers;

/// A column that holds values of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Column {
    pub(super) name: String,
    /// Its type as an image holds it.
    pub(super) image: String,
    /// It is text: compared byte by byte, whatever its collation calls equal.
    pub(super) is_text: bool,
    /// The server writes it when the row is changed.
    pub(super) on_update: bool,
}

/// A table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Table {
    pub(super) name: String,
    /// InnoDB and its like; `None` for a view.
    pub(super) engine: Option<String>,
    /// Without generated ones.
    pub(super) columns: Vec<Column>,
    /// Keys that name one row each, the primary key first.
    pub(super) keys: Vec<Vec<String>>,
}

/// A foreign key of a table of this database to another one of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ForeignKey {
    pub(super) child: String,
    pub(super) child_columns: Vec<String>,
    pub(super) parent: String,
    pub(super) parent_columns: Vec<String>,
    pub(super) on_update: String,
    pub(super) on_delete: String,
}

impl ForeignKey {
    /// Whether a rule changes rows of the child.
    pub(super) fn acts(rule: &str) -> bool {
        matches!(rule, "CASCADE" | "SET NULL" | "SET DEFAULT")
    }
}

/// A trigger.
#[derive(Clone, Debug)]
pub(super) struct Trigger {
    pub(super) name: String,
    /// `INSERT`, `UPDATE`, `DELETE`
    pub(super) event: String,
    pub(super) table: String,
}

fn word(row: &[Option<String>], at: usize) -> String {
    row.get(at).cloned().flatten().unwrap_or_default()
}

/// The table or view of this name; `None`: there is none.
pub(super) async fn table(session: &mut Session, name: &str) -> Result<Option<Table>, Trouble> {
    let of = format!("table_schema = DATABASE() AND table_name = {}", text(name));
    let sql = format!("SELECT table_name, engine, table_type FROM information_schema.tables WHERE {of}");
    let found = session.run(&sql).await?;
    let Some(row) = found.rows.first() else { return Ok(None) };
    let engine = row.get(1).cloned().flatten().filter(|_| word(row, 2) != "VIEW");
    let sql = format!(
        "SELECT column_name, column_type, character_set_name, collation_name, extra, generation_expression \
         FROM information_schema.columns WHERE {of} ORDER BY ordinal_position"
    );
    let columns = session.run(&sql).await?.rows.iter().filter_map(|row| column(row)).collect();
    let sql = format!(
        "SELECT index_name, column_name, nullable, sub_part FROM information_schema.statistics \
         WHERE {of} AND non_unique = 0 ORDER BY index_name <> 'PRIMARY', index_name, seq_in_index"
    );
    let keys = keys(&session.run(&sql).await?);
    Ok(Some(Table { name: word(row, 0), engine, columns, keys }))
}

/// `None` for a generated one: it is what the others make it.
fn column(row: &[Option<String>]) -> Option<Column> {
    let extra = word(row, 4).to_lowercase();
    let generated = !word(row, 5).is_empty() || extra.contains(" generated");
    let is_text = row.get(2).is_some_and(Option::is_some);
    let mut image = image_type(&word(row, 1));
    if is_text {
        image.extend([" CHARACTER SET ", &word(row, 2), " COLLATE ", &word(row, 3)]);
    }
    let on_update = extra.contains("on update");
    // `DEFAULT_GENERATED` of MySQL is an expression as default, not a generated column.
    (!generated || extra.starts_with("default_generated")).then(|| Column {
        name: word(row, 0),
        image: image + " NULL DEFAULT NULL",
        is_text,
        on_update,
    })
}

/// A row of an image holds two of each column: long ones are kept outside of the row.
fn image_type(column_type: &str) -> String {
    let length = |prefix: &str| {
        let inside = column_type.strip_prefix(prefix)?.strip_prefix('(')?;
        inside.split(')').next()?.parse::<u32>().ok()
    };
    if length("varchar").is_some_and(|length| length > 64) {
        return "longtext".to_owned();
    }
    if length("varbinary").is_some_and(|length| length > 255) {
        return "longblob".to_owned();
    }
    column_type.to_owned()
}

/// Keys without parts that may be NULL, are cut or are expressions.
fn keys(found: &Answer) -> Vec<Vec<String>> {
    let mut keys: Vec<(String, Option<Vec<String>>)> = vec![];
    for row in &found.rows {
        let name = word(row, 0);
        if keys.last().is_none_or(|(last, _)| *last != name) {
            keys.push((name, Some(vec![])));
        }
        let (_, parts) = keys.last_mut().expect("one was just added");
        let plain = row.get(1).is_some_and(Option::is_some)
            && word(row, 2) != "YES"
            && row.get(3).is_none_or(Option::is_none);
        *parts = parts.take().filter(|_| plain).map(|mut parts| {
            parts.push(word(row, 1));
            parts
        });
    }
    keys.into_iter().filter_map(|(_, parts)| parts).collect()
}

/// Foreign keys to tables of this database; those from another database have it in front of the child's name.
pub(super) async fn foreign_keys(session: &mut Session) -> Result<Vec<ForeignKey>, Trouble> {
    let sql = "SELECT k.constraint_name, IF(k.table_schema = DATABASE(), k.table_name, CONCAT(k.table_schema, '.', k.table_name)), \
               k.column_name, k.referenced_table_name, k.referenced_column_name, r.update_rule, r.delete_rule \
               FROM information_schema.key_column_usage k JOIN information_schema.referential_constraints r \
               ON r.constraint_schema = k.constraint_schema AND r.constraint_name = k.constraint_name \
               AND r.table_name = k.table_name WHERE k.referenced_table_schema = DATABASE() \
               ORDER BY k.table_schema, k.table_name, k.constraint_name, k.ordinal_position";
    let mut keys: Vec<(String, ForeignKey)> = vec![];
    for row in &session.run(sql).await?.rows {
        let (name, child) = (word(row, 0), word(row, 1));
        if keys.last().is_none_or(|(last, key)| *last != name || key.child != child) {
            let (on_update, on_delete) = (word(row, 5), word(row, 6));
            let (child_columns, parent_columns, parent) = (vec![], vec![], word(row, 3));
            let key = ForeignKey { child, child_columns, parent, parent_columns, on_update, on_delete };
            keys.push((name, key));
        }
        let (_, key) = keys.last_mut().expect("one was just added");
        key.child_columns.push(word(row, 2));
        key.parent_columns.push(word(row, 4));
    }
    Ok(keys.into_iter().map(|(_, key)| key).collect())
}

/// All triggers of this database, without those of Windlass.
pub(super) async fn triggers(session: &mut Session) -> Result<Vec<Trigger>, Trouble> {
    let sql = "SELECT trigger_name, event_manipulation, event_object_table \
               FROM information_schema.triggers WHERE trigger_schema = DATABASE() ORDER BY 1";
    let trigger =
        |row: &Vec<Option<String>>| Trigger { name: word(row, 0), event: word(row, 1), table: word(row, 2) };
    let found = session.run(sql).await?;
    Ok(found.rows.iter().map(trigger).filter(|trigger| !trigger.name.starts_with("_windlass_")).collect())
}

/// Stored routines of this database by lower-case name, with their text.
pub(super) async fn routines(session: &mut Session) -> Result<BTreeMap<String, String>, Trouble> {
    let sql = "SELECT LOWER(routine_name), COALESCE(routine_definition, '') FROM information_schema.routines \
               WHERE routine_schema = DATABASE()";
    Ok(session.run(sql).await?.rows.iter().map(|row| (word(row, 0), word(row, 1))).collect())
}

/// Names of all tables of this database that are not of Windlass.
pub(super) async fn names(session: &mut Session) -> Result<Vec<String>, Trouble> {
    let sql = "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() AND table_type <> 'VIEW'";
    let found = session.run(sql).await?;
    Ok(found.rows.iter().map(|row| word(row, 0)).filter(|name| !ours(name)).collect())
}

/// Whether a name is one of those that Windlass makes.
pub(super) fn ours(name: &str) -> bool {
    name.starts_with("windlass_") || name.starts_with("_windlass_")
}

/// The words of `text` and of every routine that it calls, and so on.
pub(super) fn reach(text: &str, routines: &BTreeMap<String, String>) -> BTreeSet<String> {
    let mut words = BTreeSet::new();
    let mut open = vec![text];
    while let Some(text) = open.pop() {
        for word in identifiers(text) {
            let word = word.to_lowercase();
            if let Some(body) = routines.get(&word).filter(|_| !words.contains(&word)) {
                open.push(body);
            }
            words.insert(word);
        }
    }
    words
}
