//! `CREATE` and `DROP`.

use super::cursor::Cursor;
use super::{Kind, Summary, schema};

/// Words between `CREATE` and the kind of object.
const MODIFIERS: [&str; 15] = [
    "TEMP",
    "TEMPORARY",
    "GLOBAL",
    "LOCAL",
    "UNLOGGED",
    "UNIQUE",
    "FULLTEXT",
    "SPATIAL",
    "VIRTUAL",
    "FOREIGN",
    "MATERIALIZED",
    "RECURSIVE",
    "CONSTRAINT",
    "AGGREGATE",
    "TRUSTED",
];

/// Skips `DEFINER = …`, `ALGORITHM = …` and `SQL SECURITY …` of MySQL.
fn skip_options(cursor: &mut Cursor<'_>) {
    loop {
        if cursor.accept(&["SQL", "SECURITY"]) {
            cursor.next();
        } else if cursor.accept_any(&["DEFINER", "ALGORITHM"]) {
            cursor.symbol(b'=');
            cursor.next();
            // `'user'@'host'`, `CURRENT_USER()`.
            if cursor.symbol(b'@') {
                cursor.next();
            } else if cursor.symbol(b'(') {
                cursor.symbol(b')');
            }
        } else {
            return;
        }
    }
}

/// Behind `CREATE`.
pub(super) fn create(summary: &mut Summary, cursor: &mut Cursor<'_>) {
    summary.or_replace = cursor.accept(&["OR", "REPLACE"]);
    skip_options(cursor);
    while cursor.accept_any(&MODIFIERS) {}
    let kind = cursor.word();
    cursor.next();
    cursor.accept(&["CONCURRENTLY"]);
    summary.if_not_exists = cursor.accept(&["IF", "NOT", "EXISTS"]);
    // PostgreSQL's index may have no name.
    summary.object = if kind == "INDEX" && cursor.is("ON") { None } else { cursor.name() };
    let kind = match kind.as_str() {
        "TABLE" => Kind::CreateTable,
        "INDEX" => Kind::CreateIndex,
        "VIEW" => Kind::CreateView,
        "TRIGGER" => Kind::CreateTrigger,
        _ => Kind::CreateOther(kind),
    };
    if matches!(kind, Kind::CreateIndex | Kind::CreateTrigger) && cursor.seek(&["ON"]) {
        cursor.next();
        cursor.accept(&["ONLY"]);
        summary.table = cursor.name();
    }
    // A replaced table is dropped with its rows; a replaced view or routine loses its old text.
    summary.destructive = summary.or_replace;
    if kind == Kind::CreateTable && cursor.seek(&["AS", "SELECT"]) {
        summary.changes_data = true;
    }
    schema(summary, kind);
}

/// Behind `DROP`.
pub(super) fn drop(summary: &mut Summary, cursor: &mut Cursor<'_>) {
    while cursor.accept_any(&MODIFIERS) {}
    let kind = cursor.word();
    cursor.next();
    cursor.accept(&["CONCURRENTLY"]);
    summary.if_exists = cursor.accept(&["IF", "EXISTS"]);
    summary.object = cursor.name();
    let kind = match kind.as_str() {
        "TABLE" | "TABLES" => Kind::DropTable,
        "INDEX" => Kind::DropIndex,
        "VIEW" => Kind::DropView,
        "TRIGGER" => Kind::DropTrigger,
        _ => Kind::DropOther(kind),
    };
    if matches!(kind, Kind::DropIndex | Kind::DropTrigger) && cursor.accept(&["ON"]) {
        summary.table = cursor.name();
    }
    summary.changes_data = kind == Kind::DropTable;
    summary.destructive = true;
    schema(summary, kind);
}

/// The name behind `DATABASE`, `TABLE`, … of statements like `ATTACH`, `REINDEX`.
pub(super) fn after_optional_word(summary: &mut Summary, cursor: &mut Cursor<'_>) {
    cursor.accept_any(&["DATABASE", "TABLE", "INDEX", "SCHEMA", "VERBOSE"]);
    summary.object = cursor.name();
}
