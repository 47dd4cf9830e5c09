//! What a statement is, read from its tokens. Rules and undo match on this, not on a parser's tree.

mod alter;
mod cursor;
mod object;
#[cfg(test)]
mod tests;

pub use alter::AlterAction;

use crate::lexer::Token;
use crate::{Dialect, ObjectName};
use cursor::Cursor;
use serde::{Deserialize, Serialize};

/// What a statement does.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// `CREATE TABLE`
    CreateTable,
    /// `CREATE [UNIQUE] INDEX`
    CreateIndex,
    /// `CREATE [MATERIALIZED] VIEW`
    CreateView,
    /// `CREATE TRIGGER`
    CreateTrigger,
    /// `CREATE` of anything else; the word is its kind, upper case.
    CreateOther(String),
    /// `ALTER TABLE` with its actions in order.
    AlterTable(Vec<AlterAction>),
    /// `ALTER` of anything else.
    AlterOther(String),
    /// `RENAME TABLE` of MySQL.
    RenameTable,
    /// `DROP TABLE`
    DropTable,
    /// `DROP INDEX`
    DropIndex,
    /// `DROP VIEW`
    DropView,
    /// `DROP TRIGGER`
    DropTrigger,
    /// `DROP` of anything else.
    DropOther(String),
    /// `TRUNCATE`
    Truncate,
    /// `INSERT`
    Insert,
    /// `REPLACE`
    Replace,
    /// `UPDATE`
    Update,
    /// `DELETE`
    Delete,
    /// `MERGE`
    Merge,
    /// `SELECT`, `VALUES`, `TABLE`
    Select,
    /// `EXPLAIN`
    Explain,
    /// `SHOW`, `DESCRIBE`
    Show,
    /// `PRAGMA`
    Pragma,
    /// `BEGIN`, `START TRANSACTION`
    Begin,
    /// `COMMIT`, `END`
    Commit,
    /// `ROLLBACK`, `ABORT`, also to a savepoint
    Rollback,
    /// `SAVEPOINT`, `RELEASE`
    Savepoint,
    /// `ATTACH`
    Attach,
    /// `DETACH`
    Detach,
    /// `VACUUM`
    Vacuum,
    /// `REINDEX`
    Reindex,
    /// `ANALYZE`
    Analyze,
    /// `SET`, `RESET`, `USE`, `SELECT set_config(…)`: the session
    Session,
    /// `LOCK`, `UNLOCK`
    Lock,
    /// `COPY … FROM` and `LOAD DATA`
    Load,
    /// `COPY … TO`
    Unload,
    /// `COMMENT ON`
    Comment,
    /// `GRANT`, `REVOKE`
    Privileges,
    /// `CALL`, `DO`: what it does cannot be read from it
    Call,
    /// Anything else
    #[default]
    Other,
}

impl Kind {
    /// Whether it begins or ends a transaction: the executor wraps statements itself.
    #[must_use]
    pub fn controls_transaction(&self) -> bool {
        matches!(self, Kind::Begin | Kind::Commit | Kind::Rollback | Kind::Savepoint)
    }
}

/// A statement in a few facts. All flags are false where nothing is known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// What it does.
    pub kind: Kind,
    /// The object it is about: the table of an index or trigger is not it.
    pub object: Option<ObjectName>,
    /// The table an index or a trigger belongs to.
    pub table: Option<ObjectName>,
    /// It writes rows.
    pub changes_data: bool,
    /// It changes definitions.
    pub changes_schema: bool,
    /// It changes neither rows, nor definitions, nor session. Functions that it calls are not looked into.
    pub readonly: bool,
    /// It takes rows, columns or objects away that the statement itself does not hold.
    pub destructive: bool,
    /// `UPDATE` or `DELETE` has a `WHERE` of its own.
    pub has_where: bool,
    /// `IF NOT EXISTS`
    pub if_not_exists: bool,
    /// `IF EXISTS`
    pub if_exists: bool,
    /// `OR REPLACE`
    pub or_replace: bool,
}

/// Reads the summary of one statement; `tokens` are without comments.
pub(crate) fn summarize(text: &str, tokens: &[Token], dialect: Dialect) -> Summary {
    let mut cursor = Cursor::new(text, tokens, dialect);
    let mut summary = Summary::default();
    read(&mut summary, &mut cursor, dialect);
    if dialect == Dialect::Postgresql && summary.kind == Kind::Select && sets(text, tokens) {
        return Summary { kind: Kind::Session, ..Summary::default() };
    }
    summary
}

/// Whether a query sets something of the session, and no more.
fn sets(text: &str, tokens: &[Token]) -> bool {
    let span = |(first, last): (&Token, &Token)| crate::Span::new(first.span.start, last.span.end);
    let span = tokens.first().zip(tokens.last()).map(span);
    span.is_some_and(|span| crate::postgres::set_config(span.of(text)).is_some())
}

fn read(summary: &mut Summary, cursor: &mut Cursor<'_>, dialect: Dialect) {
    while cursor.symbol(b'(') {}
    let head = cursor.word();
    let start = *cursor;
    cursor.next();
    match head.as_str() {
        "CREATE" => object::create(summary, cursor),
        "DROP" => object::drop(summary, cursor),
        "ALTER" => alter::alter(summary, cursor),
        "RENAME" if cursor.is("USER") => schema(summary, Kind::AlterOther("USER".to_owned())),
        "RENAME" => {
            cursor.accept_any(&["TABLE", "TABLES"]);
            schema(summary, Kind::RenameTable);
            summary.object = cursor.name();
        }
        "TRUNCATE" => {
            cursor.accept(&["TABLE"]);
            cursor.accept(&["ONLY"]);
            data(summary, Kind::Truncate, cursor);
            summary.destructive = true;
        }
        "INSERT" | "REPLACE" | "UPDATE" | "DELETE" | "MERGE" | "SELECT" | "VALUES" | "TABLE" | "WITH" => {
            rows(summary, start);
        }
        "EXPLAIN" => explain(summary, cursor, dialect),
        "PRAGMA" => pragma(summary, cursor),
        "COPY" => copy(summary, cursor),
        "LOAD" => summary.kind = if cursor.is("DATA") { load(summary) } else { Kind::Other },
        "COMMENT" => {
            schema(summary, Kind::Comment);
            cursor.accept(&["ON"]);
            cursor.next();
            summary.object = cursor.name();
        }
        "GRANT" | "REVOKE" => schema(summary, Kind::Privileges),
        "SHOW" | "DESCRIBE" | "DESC" => {
            summary.kind = Kind::Show;
            summary.readonly = true;
        }
        "REFRESH" => {
            cursor.accept(&["MATERIALIZED", "VIEW"]);
            cursor.accept(&["CONCURRENTLY"]);
            data(summary, Kind::Other, cursor);
        }
        "SET" if dialect == Dialect::Mysql && of_account(*cursor) => {
            schema(summary, Kind::AlterOther("USER".to_owned()));
        }
        "SET" | "RESET" if dialect == Dialect::Mysql && server_wide(&head, *cursor) => {
            summary.kind = Kind::Other;
        }
        other => summary.kind = plain_kind(other, cursor),
    }
    if matches!(summary.kind, Kind::Attach | Kind::Detach | Kind::Reindex | Kind::Analyze) {
        object::after_optional_word(summary, cursor);
    }
}

/// Whether `SET` of MySQL changes an account: its password, its default role.
fn of_account(mut cursor: Cursor<'_>) -> bool {
    cursor.is("PASSWORD") || cursor.accept(&["DEFAULT", "ROLE"])
}

/// Whether `SET` or `RESET` of MySQL reaches beyond its session: global and persisted variables, passwords, logs.
fn server_wide(head: &str, mut cursor: Cursor<'_>) -> bool {
    const WORDS: &[&str] = &["GLOBAL", "PERSIST", "PERSIST_ONLY", "PASSWORD", "RESOURCE"];
    head == "RESET"
        || std::iter::from_fn(|| cursor.item()).any(|mut item| {
            let _ = item.symbol(b'@') && item.symbol(b'@');
            item.accept_any(WORDS)
        })
}

/// Statements of which only the kind matters.
fn plain_kind(head: &str, cursor: &Cursor<'_>) -> Kind {
    match head {
        "BEGIN" => Kind::Begin,
        "START" if cursor.is("TRANSACTION") => Kind::Begin,
        "COMMIT" | "END" => Kind::Commit,
        "ROLLBACK" | "ABORT" => Kind::Rollback,
        "SAVEPOINT" | "RELEASE" => Kind::Savepoint,
        "ATTACH" => Kind::Attach,
        "DETACH" => Kind::Detach,
        "VACUUM" => Kind::Vacuum,
        "REINDEX" => Kind::Reindex,
        "ANALYZE" | "ANALYSE" => Kind::Analyze,
        "SET" | "RESET" | "USE" | "DISCARD" => Kind::Session,
        "LOCK" | "UNLOCK" => Kind::Lock,
        "CALL" | "DO" => Kind::Call,
        _ => Kind::Other,
    }
}

/// A statement that changes definitions.
fn schema(summary: &mut Summary, kind: Kind) {
    summary.kind = kind;
    summary.changes_schema = true;
}

/// A statement that changes the rows of the table that comes next.
fn data(summary: &mut Summary, kind: Kind, cursor: &mut Cursor<'_>) {
    summary.kind = kind;
    summary.changes_data = true;
    summary.object = cursor.name();
}

fn load(summary: &mut Summary) -> Kind {
    summary.changes_data = true;
    Kind::Load
}

/// Statements on rows, behind an optional `WITH`.
fn rows(summary: &mut Summary, mut cursor: Cursor<'_>) {
    const VERBS: [&str; 8] = ["SELECT", "INSERT", "REPLACE", "UPDATE", "DELETE", "MERGE", "VALUES", "TABLE"];
    const WRITING: [&str; 4] = ["INSERT", "UPDATE", "DELETE", "MERGE"];
    // PostgreSQL: `WITH gone AS (DELETE …) SELECT …`.
    let nested = cursor.is("WITH") && cursor.opens_with(&WRITING);
    if cursor.is("WITH") && !cursor.seek(&VERBS) {
        return;
    }
    let verb = cursor.word();
    cursor.next();
    match verb.as_str() {
        "INSERT" | "REPLACE" => {
            let replaces = verb == "REPLACE" || cursor.accept(&["OR", "REPLACE"]);
            if cursor.accept(&["OR"]) {
                cursor.next();
            }
            while cursor.accept_any(&["LOW_PRIORITY", "DELAYED", "HIGH_PRIORITY", "IGNORE", "INTO"]) {}
            data(summary, if replaces { Kind::Replace } else { Kind::Insert }, &mut cursor);
            summary.destructive = replaces;
        }
        "UPDATE" => {
            if cursor.accept(&["OR"]) {
                cursor.next();
            }
            while cursor.accept_any(&["LOW_PRIORITY", "IGNORE", "ONLY"]) {}
            data(summary, Kind::Update, &mut cursor);
            summary.has_where = cursor.seek(&["WHERE"]);
        }
        "DELETE" => {
            while cursor.accept_any(&["LOW_PRIORITY", "QUICK", "IGNORE", "FROM", "ONLY"]) {}
            data(summary, Kind::Delete, &mut cursor);
            summary.has_where = cursor.seek(&["WHERE"]);
            summary.destructive = true;
        }
        "MERGE" => {
            cursor.accept(&["INTO"]);
            data(summary, Kind::Merge, &mut cursor);
        }
        _ => {
            summary.kind = Kind::Select;
            // `SELECT … INTO` makes a table or a file.
            let into = cursor.seek(&["INTO"]);
            summary.changes_schema = into;
            summary.changes_data = nested || into;
            summary.readonly = !summary.changes_data;
        }
    }
    summary.destructive |= nested;
}

fn explain(summary: &mut Summary, cursor: &mut Cursor<'_>, dialect: Dialect) {
    const VERBS: [&str; 9] =
        ["SELECT", "INSERT", "REPLACE", "UPDATE", "DELETE", "MERGE", "VALUES", "WITH", "CREATE"];
    let options = *cursor;
    let runs = dialect != Dialect::Sqlite
        && (cursor.is("ANALYZE") || cursor.is("ANALYSE") || options.opens_with(&["ANALYZE", "ANALYSE"]));
    if runs && cursor.seek(&VERBS) {
        // It is executed: all facts of the inner statement hold.
        read(summary, cursor, dialect);
    } else {
        summary.readonly = !runs;
    }
    summary.kind = Kind::Explain;
}

/// SQLite's pragmas whose argument is what to look at: with one they read, as without. Plan and driver share the list,
/// so that both call the same statements read-only.
pub const READING_PRAGMAS: [&str; 10] = [
    "table_info",
    "table_xinfo",
    "table_list",
    "index_list",
    "index_info",
    "index_xinfo",
    "foreign_key_list",
    "foreign_key_check",
    "integrity_check",
    "quick_check",
];

fn pragma(summary: &mut Summary, cursor: &mut Cursor<'_>) {
    /// Without an argument they still act.
    const ACTING: [&str; 4] = ["wal_checkpoint", "optimize", "incremental_vacuum", "shrink_memory"];
    summary.kind = Kind::Pragma;
    summary.object = cursor.name();
    let name = summary.object.as_ref().map(|name| name.base().to_ascii_lowercase()).unwrap_or_default();
    let assigns = cursor.has_symbol(b'=') || cursor.has_symbol(b'(');
    summary.readonly =
        if assigns { READING_PRAGMAS.contains(&name.as_str()) } else { !ACTING.contains(&name.as_str()) };
}

fn copy(summary: &mut Summary, cursor: &mut Cursor<'_>) {
    summary.object = cursor.name();
    if cursor.seek(&["FROM", "TO"]) && cursor.is("FROM") {
        summary.kind = load(summary);
    } else {
        summary.kind = Kind::Unload;
        // `COPY (DELETE … RETURNING …) TO`, and `TO` writes a file or starts a program.
        summary.readonly = cursor.accept(&["TO"]) && cursor.is("STDOUT") && summary.object.is_some();
    }
}
