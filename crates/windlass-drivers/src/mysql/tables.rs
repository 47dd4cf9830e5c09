//! What the catalog says of tables on whose rows a statement works.

use super::{
    ledger::text,
    session::{Answer, Session, Trouble},
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use windlass_sql::mysql::{Stored, identifiers};

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

/// The type of a column with nothing that an image leaves out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Exact {
    /// As a definition has it.
    pub(super) text: String,
    /// Which values it takes.
    pub(super) stored: Stored,
}

/// A table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Table {
    pub(super) name: String,
    /// InnoDB and its like; `None` for a view.
    pub(super) engine: Option<String>,
    /// Without generated ones.
    pub(super) columns: Vec<Column>,
    /// Types of these columns.
    pub(super) types: Vec<Exact>,
    /// Names of the generated ones.
    pub(super) generated: Vec<String>,
    /// The one with `AUTO_INCREMENT`.
    pub(super) numbered: Option<String>,
    /// Keys that name one row each, the primary key first.
    pub(super) keys: Vec<Vec<String>>,
}

/// A foreign key to a table of this database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ForeignKey {
    /// Database of the child, if it is another one.
    pub(super) elsewhere: Option<String>,
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

    /// The child's name for people, with its database if that is another one.
    pub(super) fn child_shown(&self) -> String {
        let database = self.elsewhere.iter().map(|database| format!("{database}."));
        database.chain([self.child.clone()]).collect()
    }

    /// The child's name in a statement.
    pub(super) fn child_quoted(&self) -> String {
        let quoted = |name: &String| windlass_sql::quote(name, windlass_sql::Dialect::Mysql);
        self.elsewhere.iter().chain([&self.child]).map(quoted).collect::<Vec<_>>().join(".")
    }

    /// Whether its child is this table of this database.
    pub(super) fn is_from(&self, table: &str) -> bool {
        self.elsewhere.is_none() && self.child == table
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
        "SELECT column_name, column_type, character_set_name, collation_name, extra, generation_expression, is_nullable \
         FROM information_schema.columns WHERE {of} ORDER BY ordinal_position"
    );
    let (mut columns, mut types, mut generated, mut numbered) = (vec![], vec![], vec![], None);
    for row in &session.run(&sql).await?.rows {
        if word(row, 4).to_lowercase().contains("auto_increment") {
            numbered = Some(word(row, 0));
        }
        match column(row) {
            Some((column, exact)) => {
                columns.push(column);
                types.push(exact);
            }
            None => generated.push(word(row, 0)),
        }
    }
    let sql = format!(
        "SELECT index_name, column_name, nullable, sub_part FROM information_schema.statistics \
         WHERE {of} AND non_unique = 0 ORDER BY index_name <> 'PRIMARY', index_name, seq_in_index"
    );
    let keys = keys(&session.run(&sql).await?);
    Ok(Some(Table { name: word(row, 0), engine, columns, types, generated, numbered, keys }))
}

/// `None` for a generated one: it is what the others make it.
fn column(row: &[Option<String>]) -> Option<(Column, Exact)> {
    let extra = word(row, 4).to_lowercase();
    let generated = !word(row, 5).is_empty() || extra.contains(" generated");
    let is_text = row.get(2).is_some_and(Option::is_some);
    let charset = match is_text {
        true => format!(" CHARACTER SET {} COLLATE {}", word(row, 2), word(row, 3)),
        false => String::new(),
    };
    let stored = Stored {
        kind: word(row, 1),
        charset: row.get(2).cloned().flatten(),
        nullable: word(row, 6) == "YES",
    };
    let null = if stored.nullable { "NULL" } else { "NOT NULL" };
    let on_update = extra.contains("on update");
    let column = Column {
        name: word(row, 0),
        image: image_type(&stored.kind) + &charset + " NULL DEFAULT NULL",
        is_text,
        on_update,
    };
    let exact = Exact { text: format!("{}{charset} {null}", stored.kind), stored };
    // `DEFAULT_GENERATED` of MySQL is an expression as default, not a generated column.
    (!generated || extra.starts_with("default_generated")).then_some((column, exact))
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

/// Foreign keys to tables of this database, those from other databases too. The server shows those whose child the user
/// may see.
///
/// Each database is asked for by name: without that MariaDB opens every table and view of the server to answer.
pub(super) async fn foreign_keys(session: &mut Session) -> Result<Vec<ForeignKey>, Trouble> {
    let mut keys = vec![];
    for database in databases_of_children(session).await? {
        let of = text(&database);
        let sql = format!(
            "SELECT k.constraint_name, k.table_name, NULLIF(k.table_schema, DATABASE()), \
             k.column_name, k.referenced_table_name, k.referenced_column_name, r.update_rule, r.delete_rule \
             FROM information_schema.key_column_usage k JOIN information_schema.referential_constraints r \
             ON r.constraint_schema = {of} AND r.constraint_name = k.constraint_name AND r.table_name = k.table_name \
             WHERE k.table_schema = {of} AND k.referenced_table_schema = DATABASE() \
             ORDER BY k.table_name, k.constraint_name, k.ordinal_position"
        );
        keys.extend(keys_of(&session.run(&sql).await?));
    }
    Ok(keys)
}

/// The keys of one database, of rows that are a column of a key each.
fn keys_of(found: &Answer) -> Vec<ForeignKey> {
    let mut keys: Vec<(String, ForeignKey)> = vec![];
    for row in &found.rows {
        let (name, child) = (word(row, 0), word(row, 1));
        if keys.last().is_none_or(|(last, key)| *last != name || key.child != child) {
            let key = ForeignKey {
                elsewhere: row.get(2).cloned().flatten(),
                child,
                child_columns: vec![],
                parent: word(row, 4),
                parent_columns: vec![],
                on_update: word(row, 6),
                on_delete: word(row, 7),
            };
            keys.push((name, key));
        }
        let (_, key) = keys.last_mut().expect("one was just added");
        key.child_columns.push(word(row, 3));
        key.parent_columns.push(word(row, 5));
    }
    keys.into_iter().map(|(_, key)| key).collect()
}

/// The databases whose tables may refer to this one: those that InnoDB knows of where it answers (it takes the privilege
/// PROCESS) and all names are plain ones; else all that the user may see, but the server's own.
async fn databases_of_children(session: &mut Session) -> Result<Vec<String>, Trouble> {
    let own = session.address.database.clone();
    let is_plain = |name: &str| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if is_plain(&own) {
        // InnoDB writes other characters as `@` and their number.
        let table = if session.server.mariadb { "innodb_sys_foreign" } else { "innodb_foreign" };
        let sql = format!(
            "SELECT DISTINCT LEFT(for_name, LOCATE('/', for_name) - 1) FROM information_schema.{table} \
             WHERE LEFT(ref_name, {}) = {} ORDER BY 1",
            own.len() + 1,
            text(&format!("{own}/"))
        );
        match session.run(&sql).await {
            Ok(found) => {
                let names: Vec<String> = found.rows.iter().map(|row| word(row, 0)).collect();
                if names.iter().all(|name| is_plain(name)) {
                    return Ok(names);
                }
            }
            Err(Trouble::Server { .. }) => {}
            Err(trouble) => return Err(trouble),
        }
    }
    let sql = "SELECT schema_name FROM information_schema.schemata \
               WHERE schema_name NOT IN ('information_schema', 'performance_schema', 'mysql', 'sys') ORDER BY 1";
    Ok(session.run(sql).await?.rows.iter().map(|row| word(row, 0)).collect())
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
