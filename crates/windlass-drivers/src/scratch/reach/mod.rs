//! What statements, and definitions that fire by themselves, could do outside of a scratch copy. It is read from the text, and
//! on the safe side: what could reach the live database is not run.

#[cfg(test)]
mod tests;
mod words;

use super::failed;
use crate::{
    backup::{Source, tool::Tool},
    disk::one_line,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use windlass_driver::Failure;
use windlass_plan::UrlKind;
use windlass_sql::{Dialect, Kind, Place, qualified_names};
use words::*;

/// How far a copy is apart from the live database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isolation {
    /// On the same server, or the same disk.
    Beside,
    /// On another server, which may hold other databases.
    Elsewhere,
    /// On a server that was started for it, under the name of the live database.
    Private,
}

/// Why `statement` is not run in a copy of `live` (name of the database): what it could do outside of it. `None`: nothing. What
/// functions and triggers of the copy do is looked at when it is made.
#[must_use]
pub fn reaches_out(statement: &str, kind: UrlKind, isolation: Isolation, live: &str) -> Option<String> {
    let words = words(statement);
    match kind {
        UrlKind::Postgresql => postgres(statement, &words, isolation),
        UrlKind::Mysql => mysql(statement, &words, isolation, live),
        _ => {
            let into =
                words.first().is_some_and(|word| word == "VACUUM") && words.iter().any(|word| word == "INTO");
            let found = words.iter().find(|word| SQLITE_WORDS.contains(&word.as_str()));
            let found = found.cloned().or_else(|| into.then(|| "VACUUM INTO".to_owned()));
            found.map(|word| format!("{word} reaches another file"))
        }
    }
}

fn postgres(statement: &str, words: &[String], isolation: Isolation) -> Option<String> {
    let at = |at: usize| words.get(at).map_or("", String::as_str);
    if let Some(word) = words.iter().find(|word| POSTGRES_WORDS.contains(&word.as_str())) {
        return Some(format!("{} acts outside of the database", word.to_lowercase()));
    }
    let (parts, _) = windlass_sql::split(statement, Dialect::Postgresql);
    let summary = parts.into_iter().next().map(|part| (part.summary, part.data.is_some()));
    let is_file = |kind: &Kind, data: bool| match kind {
        Kind::Load => !data && !words.iter().any(|word| word == "STDIN"),
        Kind::Unload => !words.iter().any(|word| word == "STDOUT"),
        // In a block it is always with a file or a program.
        Kind::Call => words.iter().any(|word| word == "COPY"),
        _ => false,
    };
    if summary.as_ref().is_some_and(|(summary, data)| is_file(&summary.kind, *data)) {
        return Some("COPY with a file of the server acts outside of the database".to_owned());
    }
    let named = qualified_names(statement, Dialect::Postgresql);
    if named.iter().any(|name| name.name.parts.len() > 2 && name.place != Place::Expression) {
        return Some("it names a database in full".to_owned());
    }
    let pair = |set: &[&str]| {
        words.windows(2).find(|pair| {
            ["CREATE", "ALTER", "DROP", "IMPORT"].contains(&pair[0].as_str())
                && set.contains(&pair[1].as_str())
        })
    };
    if let Some(pair) = pair(&POSTGRES_REMOTE) {
        return Some(format!("{} {} leads to other servers", pair[0], pair[1]));
    }
    if words.windows(2).any(|pair| pair[0] == "USER" && pair[1] == "MAPPING") {
        return Some("USER MAPPING leads to other servers".to_owned());
    }
    if isolation == Isolation::Private {
        return None;
    }
    let server = |what: String| Some(format!("{what} changes what belongs to the whole server"));
    if let Some(pair) = pair(&POSTGRES_GLOBAL) {
        return server(format!("{} {}", pair[0], pair[1]));
    }
    let writes = |word: &String| {
        matches!(word.as_str(), "INSERT" | "UPDATE" | "DELETE" | "MERGE" | "TRUNCATE" | "COPY")
    };
    if let Some(shared) = words.iter().find(|word| POSTGRES_SHARED.contains(&word.as_str()))
        && words.iter().any(writes)
    {
        return server(format!("a write with {}", shared.to_lowercase()));
    }
    if matches!(at(0), "LOAD" | "CHECKPOINT") {
        return server(at(0).to_owned());
    }
    // In a block, in a body and behind `CREATE SCHEMA` others follow.
    let all = if matches!(at(0), "DO" | "CREATE") { words.len() } else { 1 };
    (0..all.min(words.len())).find_map(|at| postgres_server(&words[at..])).and_then(server)
}

/// What the statement that begins with these words changes of the whole server.
fn postgres_server(words: &[String]) -> Option<String> {
    let at = |at: usize| words.get(at).map_or("", String::as_str);
    match (at(0), at(1), at(2)) {
        ("COMMENT", "ON", what) if POSTGRES_GLOBAL.contains(&what) => Some(format!("COMMENT ON {what}")),
        ("SECURITY", "LABEL", _)
        | ("DROP" | "REASSIGN", "OWNED", _)
        | ("PREPARE" | "COMMIT" | "ROLLBACK", "TRANSACTION" | "PREPARED", _) => {
            Some(format!("{} {}", at(0), at(1)))
        }
        ("GRANT" | "REVOKE", ..) => {
            // Without `ON` it is about a role; that of a later statement is another one's.
            let behind = words.iter().position(|word| matches!(word.as_str(), "ON" | "TO" | "FROM"));
            match behind.filter(|behind| at(*behind) == "ON").map(|on| at(on + 1)) {
                None => Some(format!("{} of a role", at(0))),
                Some(what @ ("DATABASE" | "TABLESPACE" | "PARAMETER" | "FOREIGN")) => {
                    Some(format!("{} ON {what}", at(0)))
                }
                Some(_) => None,
            }
        }
        _ => None,
    }
}

fn mysql(statement: &str, words: &[String], isolation: Isolation, live: &str) -> Option<String> {
    // What a server reads, also in `/*!40000 … */`.
    let code = windlass_sql::code_words(statement, Dialect::Mysql);
    let head = code.first().map_or("", String::as_str);
    if let Some(word) = words.iter().find(|word| MYSQL_WORDS.contains(&word.as_str())) {
        return Some(format!("{word} acts outside of the database"));
    }
    if words.windows(2).any(|pair| pair[0] == "ENGINE" && matches!(pair[1].as_str(), "CONNECT" | "S3")) {
        return Some("its engine keeps the table outside of the database".to_owned());
    }
    if head == "LOAD" {
        return Some("LOAD reads a file".to_owned());
    }
    if isolation == Isolation::Private {
        return None;
    }
    let server = |what: String| Some(format!("{what} changes what belongs to the whole server"));
    if MYSQL_HEADS.contains(&head) {
        return server(head.to_owned());
    }
    if let Some(what) = mysql_thing(&code) {
        return server(what);
    }
    if head == "SET"
        && words
            .iter()
            .any(|word| matches!(word.as_str(), "GLOBAL" | "PASSWORD" | "PERSIST_ONLY" | "ROLE" | "RESOURCE"))
    {
        return server("SET GLOBAL".to_owned());
    }
    let is_plain = match head {
        "CREATE" | "ALTER" | "DROP" => code.iter().find(|word| is_thing(word)).is_some_and(|thing| {
            matches!(thing.as_str(), "TABLE" | "VIEW" | "INDEX" | "SEQUENCE" | "TABLES")
        }),
        _ => matches!(
            head,
            "INSERT" | "UPDATE" | "DELETE" | "REPLACE" | "SELECT" | "WITH" | "VALUES" | "TRUNCATE"
        ),
    };
    if !is_plain && let Some(why) = mysql_body(words) {
        return Some(why);
    }
    for name in qualified_names(statement, Dialect::Mysql) {
        let parts = name.name.parts.len();
        if parts > 2 || parts > 1 && name.place != Place::Expression {
            return Some(format!("it names a database in full: {}", name.span.of(statement)));
        }
    }
    let lower = statement.to_lowercase();
    let live = live.to_lowercase();
    let full = [format!("{live}."), format!("{live}`.")];
    full.iter()
        .any(|full| word_in(&lower, full))
        .then(|| format!("it names the live database in full: {live}"))
}

/// What belongs to the server and is changed by the statement that begins with these words.
fn mysql_thing(code: &[String]) -> Option<String> {
    let (head, rest) = code.split_first()?;
    // `CREATE OR REPLACE`, `DEFINER = a@b`: the thing is among the words before a name.
    let mut before = rest.iter().take_while(|word| !is_thing(word));
    let found = MYSQL_CHANGES
        .contains(&head.as_str())
        .then(|| before.find(|word| MYSQL_GLOBAL.contains(&word.as_str())))?;
    found.map(|word| format!("{head} {word}"))
}

/// What the statements of a body could do outside.
fn mysql_body(words: &[String]) -> Option<String> {
    if let Some(word) = words.iter().find(|word| MYSQL_WORDS.contains(&word.as_str())) {
        return Some(format!("{word} acts outside of the database"));
    }
    if let Some(word) = words.iter().find(|word| matches!(word.as_str(), "PREPARE" | "EXECUTE" | "IMMEDIATE"))
    {
        return Some(format!("{word} runs a text, and where it acts is not known before"));
    }
    // The versions of executable comments.
    let words: Vec<String> =
        words.iter().filter(|word| !word.bytes().all(|byte| byte.is_ascii_digit())).cloned().collect();
    let found = words.iter().find(|word| MYSQL_INSIDE.contains(&word.as_str())).cloned();
    let thing = || (0..words.len()).find_map(|at| mysql_thing(&words[at..words.len().min(at + 12)]));
    let other = || {
        words.windows(2).find_map(|pair| {
            let of_replica = matches!(pair[0].as_str(), "START" | "STOP" | "CHANGE" | "RESET")
                && matches!(
                    pair[1].as_str(),
                    "SLAVE" | "REPLICA" | "MASTER" | "REPLICATION" | "GROUP_REPLICATION" | "ALL"
                );
            let of_account = pair[0] == "SET" && matches!(pair[1].as_str(), "PASSWORD" | "ROLE" | "DEFAULT");
            (of_replica || of_account).then(|| format!("{} {}", pair[0], pair[1]))
        })
    };
    let what = found.or_else(thing).or_else(other)?;
    Some(format!("{what} changes what belongs to the whole server"))
}

/// The word behind which the name of a thing of the database comes.
fn is_thing(word: &str) -> bool {
    matches!(word, "TABLE" | "VIEW" | "INDEX" | "TRIGGER" | "PROCEDURE" | "FUNCTION" | "SEQUENCE" | "TABLES")
}

/// Whether `part` stands in `text` with no letter before it.
fn word_in(text: &str, part: &str) -> bool {
    text.match_indices(part).any(|(at, _)| {
        !text[..at].chars().next_back().is_some_and(|before| before.is_alphanumeric() || before == '_')
    })
}

/// All words of a text, in upper case, also those in strings, bodies and comments: better one too many.
fn words(text: &str) -> Vec<String> {
    let parts = text.split(|c: char| !(c.is_alphanumeric() || c == '_'));
    parts.filter(|word| !word.is_empty()).map(str::to_uppercase).collect()
}

/// Refuses a copy whose own functions or triggers would reach out.
pub(super) fn definitions(source: &Source, live: &Tool) -> Result<(), Failure> {
    let found = match source.kind {
        UrlKind::Postgresql => postgres_definitions(source, live)?,
        _ => mysql_definitions(source, live)?,
    };
    let Some(first) = found.first() else { return Ok(()) };
    let more = if found.len() > 1 { format!(" and {} more", found.len() - 1) } else { String::new() };
    Err(failed(format!(
        "a copy on this server would not be apart from it: {}{more}; nothing was done",
        one_line(first, 200)
    ))
    .hint("`--private` makes the copy on a server of its own"))
}

fn postgres_definitions(source: &Source, live: &Tool) -> Result<Vec<String>, Failure> {
    // Of extensions: only the code that users wrote can be read. `cut_off` takes care of the rest.
    let sql = "SELECT replace(encode(convert_to(p.oid::regprocedure || chr(1) || l.lanname || chr(1) || coalesce(p.prosrc, ''), 'UTF8'), 'base64'), chr(10), '') \
               FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang JOIN pg_namespace n ON n.oid = p.pronamespace \
               WHERE n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_' AND l.lanname <> 'internal' \
               AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e')";
    let mut found = vec![];
    for line in live.ask(Some(&source.database), sql)?.lines() {
        let text = base64(line)?;
        let mut parts = text.splitn(3, '\u{1}');
        let mut next = || parts.next().unwrap_or_default();
        let (name, language, body) = (next(), next(), next());
        if !matches!(language, "sql" | "plpgsql" | "plperl" | "pltcl" | "plv8") {
            found.push(format!("function {name} is written in {language}, which may do anything"));
        } else if let Some(why) = postgres_body(body) {
            found.push(format!("function {name}: {why}"));
        }
    }
    Ok(found)
}

/// What a body could do outside.
fn postgres_body(body: &str) -> Option<String> {
    let block = format!("DO $windlass$ {body} $windlass$");
    postgres(&block, &words(&block), Isolation::Beside)
}

fn mysql_definitions(source: &Source, live: &Tool) -> Result<Vec<String>, Failure> {
    let database = Some(source.database.as_str());
    let schemas = live.ask(database, "SELECT schema_name FROM information_schema.schemata")?;
    let own = source.database.to_lowercase();
    let schemas: Vec<String> = schemas.lines().map(str::to_lowercase).collect();
    let sql = "SELECT REPLACE(TO_BASE64(CONCAT('trigger ', trigger_name, CHAR(1), action_statement)), CHAR(10), '') FROM \
               information_schema.triggers WHERE trigger_schema = DATABASE() UNION ALL \
               SELECT REPLACE(TO_BASE64(CONCAT(LOWER(routine_type), ' ', routine_name, CHAR(1), COALESCE(routine_definition, ''))), CHAR(10), '') \
               FROM information_schema.routines WHERE routine_schema = DATABASE() UNION ALL \
               SELECT REPLACE(TO_BASE64(CONCAT('view ', table_name, CHAR(1), view_definition)), CHAR(10), '') FROM information_schema.views \
               WHERE table_schema = DATABASE()";
    let mut found = vec![];
    for line in live.ask(database, sql)?.lines() {
        let text = base64(line)?;
        let (name, body) = text.split_once('\u{1}').unwrap_or((&text, ""));
        let body = body.to_lowercase();
        let is_view = name.starts_with("view ");
        if let Some(why) = Some(&body).filter(|_| !is_view).and_then(|body| mysql_body(&words(body))) {
            found.push(format!("{name}: {why}"));
        }
        for schema in schemas.iter().filter(|schema| !(is_view && **schema == own)) {
            let full = [format!("{schema}."), format!("{schema}`.")];
            if schema != "information_schema" && full.iter().any(|full| word_in(&body, full)) {
                found.push(format!("{name} names the database {schema} in full"));
            }
        }
    }
    let keys = "SELECT CONCAT(constraint_name, ' to ', referenced_table_schema) FROM information_schema.key_column_usage \
                WHERE table_schema = DATABASE() AND referenced_table_schema <> DATABASE()";
    found.extend(live.ask(database, keys)?.lines().map(|key| format!("foreign key {key}")));
    Ok(found)
}

/// Refuses a copy of tables that keep their rows somewhere else: they would be written there, from a private server too.
pub(super) fn tables_elsewhere(source: &Source, live: &Tool) -> Result<(), Failure> {
    if source.kind != UrlKind::Mysql {
        return Ok(());
    }
    let sql = "SELECT CONCAT(table_name, ' (', engine, ')') FROM information_schema.tables WHERE table_schema = DATABASE() \
               AND UPPER(engine) IN ('FEDERATED', 'SPIDER', 'CONNECT', 'S3', 'MRG_MYISAM')";
    let found = live.ask(Some(source.database.as_str()), sql)?;
    match found.lines().next() {
        None => Ok(()),
        Some(table) => Err(failed(format!(
            "a copy would not be apart from the live database: the rows of the table {} are elsewhere; nothing was done",
            one_line(table, 200)
        ))),
    }
}

/// Takes away what the copy could reach out with although nobody wrote it: extensions and passwords for other servers.
pub(super) fn cut_off(new: &Tool, name: &str) -> Result<Vec<String>, Failure> {
    let ask = |sql: &str| new.ask(Some(name), sql);
    let mut notes = vec![];
    let mappings = "SELECT format('DROP USER MAPPING FOR %s SERVER %I', CASE WHEN usename = 'public' THEN 'PUBLIC' ELSE quote_ident(usename) END, srvname) FROM pg_user_mappings";
    for drop in ask(mappings)?.lines() {
        ask(drop)?;
        notes.push("foreign tables lead nowhere: their passwords are not in the copy".to_owned());
    }
    let sql = "SELECT quote_ident(extname) FROM pg_extension WHERE extname IN ('dblink', 'http', 'pg_net', 'pg_cron', 'pg_background', 'adminpack', 'file_fdw')";
    for extension in ask(sql)?.lines() {
        ask(&format!("DROP EXTENSION {extension}")).map_err(|failure| {
            failure.hint(format!(
                "the extension {extension} reaches other servers or files, so a copy may not have it"
            ))
        })?;
        notes
            .push(format!("the extension {extension} is not in the copy: it reaches other servers or files"));
    }
    notes.dedup();
    Ok(notes)
}

/// Subscriptions that a backup brought along go. They are never switched on: a dump makes them without a connection, and they lose
/// the slot of the publisher, which is the live database's, before they are dropped.
pub(crate) fn unsubscribe(new: &Tool, name: &str) -> Result<Vec<String>, Failure> {
    let ask = |sql: &str| new.ask(Some(name), sql);
    let all = "SELECT quote_ident(subname) FROM pg_subscription WHERE subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())";
    let mut notes = vec![];
    for subscription in ask(all)?.lines() {
        for change in ["DISABLE", "SET (slot_name = NONE)"] {
            ask(&format!("ALTER SUBSCRIPTION {subscription} {change}"))?;
        }
        ask(&format!("DROP SUBSCRIPTION {subscription}"))?;
        notes.push(format!("the subscription {subscription} of the backup is not in the copy"));
    }
    Ok(notes)
}

/// A text that a server gave as Base64, without line ends.
fn base64(line: &str) -> Result<String, Failure> {
    let bytes = STANDARD.decode(line).map_err(|error| failed(format!("reading the catalog: {error}")))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
