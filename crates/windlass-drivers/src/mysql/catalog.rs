//! Reads the things of a database, and makes them in another one.

use super::ledger::text;
use super::session::{Answer, Session, Trouble};
use super::tables::{self, ours};
use std::collections::{BTreeMap, BTreeSet};
use windlass_sql::mysql::{Catalog, Object, ObjectKind, Settings, Step, identifiers};
use windlass_sql::{Dialect, quote};

/// A thing by kind and name, with the table of a trigger and its place among those that fire with it.
#[derive(Clone, Debug)]
pub(super) struct Listed {
    pub(super) kind: ObjectKind,
    pub(super) name: String,
    parent: Option<(String, u32)>,
}

/// All things of the session's database but those of Windlass.
pub(super) async fn list(session: &mut Session) -> Result<Vec<Listed>, Trouble> {
    const SQL: &str = "SELECT table_type, table_name, NULL, 0 FROM information_schema.tables WHERE table_schema = DATABASE() \
        UNION ALL SELECT routine_type, routine_name, NULL, 0 FROM information_schema.routines WHERE routine_schema = DATABASE() \
        UNION ALL SELECT 'EVENT', event_name, NULL, 0 FROM information_schema.events WHERE event_schema = DATABASE() \
        UNION ALL SELECT 'TRIGGER', trigger_name, event_object_table, action_order FROM information_schema.triggers \
        WHERE trigger_schema = DATABASE()";
    let mut found = vec![];
    for row in session.run(SQL).await?.rows {
        let word = |at: usize| row.get(at).cloned().flatten().unwrap_or_default();
        let kind = match word(0).as_str() {
            "VIEW" => ObjectKind::View,
            "SEQUENCE" => ObjectKind::Sequence,
            "PROCEDURE" => ObjectKind::Procedure,
            "FUNCTION" => ObjectKind::Function,
            "EVENT" => ObjectKind::Event,
            "TRIGGER" => ObjectKind::Trigger,
            kind if kind.ends_with("TABLE") || kind == "SYSTEM VERSIONED" => ObjectKind::Table,
            _ => continue,
        };
        let parent = (kind == ObjectKind::Trigger).then(|| (word(2), word(3).parse().unwrap_or(0)));
        if !ours(&word(1)) {
            found.push(Listed { kind, name: word(1), parent });
        }
    }
    Ok(found)
}

/// Things that a statement may have to do with: those whose name is one of its words, the tables that foreign keys
/// tie to them, the triggers of these tables, and what views among them read.
pub(super) async fn around(
    session: &mut Session,
    statement: &str,
    listed: &[Listed],
) -> Result<Catalog, Trouble> {
    let keys = tables::foreign_keys(session).await?;
    let mut words: BTreeSet<String> = identifiers(statement).iter().map(|word| word.to_lowercase()).collect();
    let named: Vec<&Listed> =
        listed.iter().filter(|object| words.contains(&object.name.to_lowercase())).collect();
    // A trigger's table.
    let parents: Vec<String> = named
        .iter()
        .filter_map(|object| object.parent.as_ref().map(|(table, _)| table.to_lowercase()))
        .collect();
    words.extend(parents);
    let mut tied = vec![];
    for key in keys.iter().filter(|key| key.elsewhere.is_none()) {
        let (child, parent) = (key.child.to_lowercase(), key.parent.to_lowercase());
        if words.contains(&child) || words.contains(&parent) {
            tied.extend([child, parent]);
        }
    }
    words.extend(tied);
    let mut catalog = Catalog::new();
    let mut grown = true;
    while grown {
        grown = false;
        for object in listed {
            let of_table =
                object.parent.as_ref().is_some_and(|(table, _)| words.contains(&table.to_lowercase()));
            let key = (object.kind, object.name.clone());
            if catalog.contains_key(&key) || !(of_table || words.contains(&object.name.to_lowercase())) {
                continue;
            }
            let Some(read) = read(session, object).await? else { continue };
            if object.kind == ObjectKind::View {
                words.extend(identifiers(&read.text).iter().map(|word| word.to_lowercase()));
                grown = true;
            }
            catalog.insert(key, read);
        }
    }
    Ok(catalog)
}

/// Everything in the session's database.
pub(super) async fn all(session: &mut Session) -> Result<Catalog, Trouble> {
    let mut catalog = Catalog::new();
    for object in list(session).await? {
        if let Some(read) = read(session, &object).await? {
            catalog.insert((object.kind, object.name), read);
        }
    }
    Ok(catalog)
}

/// Whether a table has a TIMESTAMP with a default that may be a moment.
fn says_moments(found: &Answer) -> bool {
    let text = found.rows.first().and_then(|row| row.get(1)?.as_deref()).unwrap_or_default();
    text.lines().any(|line| line.contains(" timestamp") && line.contains(" DEFAULT '"))
}

/// One thing; `None`: there is none of that name and kind.
async fn read(session: &mut Session, object: &Listed) -> Result<Option<Object>, Trouble> {
    let kind = object.kind;
    let sql = format!("SHOW CREATE {} {}", kind.word(), quote(&object.name, Dialect::Mysql));
    let mut found = session.run(&sql).await;
    if kind == ObjectKind::Table && found.as_ref().is_ok_and(says_moments) {
        // These servers write the default of a TIMESTAMP in the zone of the session.
        session.run("SET @windlass_zone = @@time_zone, time_zone = '+00:00'").await?;
        found = session.run(&sql).await;
        session.run("SET time_zone = @windlass_zone, @windlass_zone = NULL").await?;
    }
    let found = match found {
        Ok(found) => found,
        // No such table, view of something that is gone, no such routine, trigger, event.
        Err(trouble) if matches!(trouble.code(), 1146 | 1305 | 1360 | 1347 | 1539 | 4089 | 1051) => {
            return Ok(None);
        }
        Err(trouble) => return Err(trouble),
    };
    let Some(row) = found.rows.first() else { return Ok(None) };
    let at = |name: &str| found.names.iter().position(|found| found.eq_ignore_ascii_case(name));
    let word = |name: &str| at(name).and_then(|at| row.get(at).cloned().flatten());
    let text = match kind {
        // A name may be that of a view, or of a sequence, which are shown as tables too.
        ObjectKind::Table | ObjectKind::Sequence => {
            let Some(text) = word("Create Table") else { return Ok(None) };
            let options = text.rsplit("\n)").next().and_then(|options| options.split(" COMMENT=").next());
            let is_sequence = text.starts_with("CREATE SEQUENCE")
                || options.is_some_and(|options| options.contains(" SEQUENCE=1"));
            if is_sequence != (kind == ObjectKind::Sequence) {
                return Ok(None);
            }
            Some(text)
        }
        ObjectKind::View => word("Create View"),
        ObjectKind::Trigger => word("SQL Original Statement"),
        ObjectKind::Procedure => word("Create Procedure"),
        ObjectKind::Function => word("Create Function"),
        ObjectKind::Event => word("Create Event"),
    };
    let Some(text) = text else {
        let text =
            format!("the definition of {} `{}` may not be read by this user", kind.word(), object.name);
        return Err(Trouble::Server { code: 1142, text });
    };
    let settings = word("character_set_client").map(|client| Settings {
        mode: word("sql_mode").unwrap_or_default(),
        client,
        collation: word("collation_connection").unwrap_or_default(),
        zone: word("time_zone"),
    });
    Ok(Some(Object { text, settings, parent: object.parent.clone() }))
}

/// A table by name, also one of ours.
pub(super) async fn table(session: &mut Session, name: &str) -> Result<Option<Object>, Trouble> {
    read(session, &Listed { kind: ObjectKind::Table, name: name.to_owned(), parent: None }).await
}

/// How the things of `keys` stand now; `None`: not there.
pub(super) async fn prints(
    session: &mut Session,
    keys: impl IntoIterator<Item = &(ObjectKind, String)>,
) -> Result<State, Trouble> {
    let keys: Vec<_> = keys.into_iter().collect();
    // Where a trigger stands among others is known from the list only.
    let listed = match keys.iter().any(|(kind, _)| *kind == ObjectKind::Trigger) {
        true => list(session).await?,
        false => vec![],
    };
    let mut state = State::new();
    for (kind, name) in keys {
        let found = listed.iter().find(|object| object.kind == *kind && object.name == *name);
        let object = match found {
            Some(object) => read(session, object).await?,
            None if *kind == ObjectKind::Trigger => None,
            None => read(session, &Listed { kind: *kind, name: name.clone(), parent: None }).await?,
        };
        state.insert(word(*kind, name), object.map(|object| object.print(*kind)));
    }
    Ok(state)
}

/// Prints of things, by kind and name.
pub(super) type State = BTreeMap<String, Option<String>>;

/// `table record`
pub(super) fn word(kind: ObjectKind, name: &str) -> String {
    format!("{} {name}", kind.word().to_lowercase())
}

/// The state that a catalog is in, for these things.
pub(super) fn state<'k>(
    catalog: &Catalog,
    keys: impl IntoIterator<Item = &'k (ObjectKind, String)>,
) -> State {
    let print = |key: &(ObjectKind, String)| catalog.get(key).map(|object| object.print(key.0));
    keys.into_iter().map(|key| (word(key.0, &key.1), print(key))).collect()
}

/// Settings for statements of our own on definitions: what a catalog holds is taken as it is, values that do not fit are
/// refused, not cut.
pub(super) const SETTINGS: &str =
    "SET sql_mode = 'STRICT_ALL_TABLES,NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES', time_zone = '+00:00'";

/// Runs one of them.
pub(super) async fn run(session: &mut Session, step: &Step, comment: &str) -> Result<(), Trouble> {
    let Some(settings) = &step.settings else {
        return session.run(&format!("{comment}{}", step.sql)).await.map(drop);
    };
    let mode = if settings.mode.is_empty() { "''".to_owned() } else { text(&settings.mode) };
    let charset = |word: &str| word.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let (client, collation) = (&settings.client, &settings.collation);
    if !charset(client) || !charset(collation) {
        return Err(Trouble::Server { code: 1115, text: format!("no character set: {client}, {collation}") });
    }
    session.run(&format!("SET sql_mode = {mode}")).await?;
    if let Some(zone) = &settings.zone {
        session.run(&format!("SET time_zone = {}", text(zone))).await?;
    }
    // The text comes to us, and goes back, in UTF-8; the object keeps the settings that it was made with where it can.
    session.run(&format!("SET collation_connection = {collation}")).await?;
    if client != "utf8mb3" && client != "utf8" && client != "utf8mb4" && step.sql.is_ascii() {
        session.run(&format!("SET character_set_client = {client}")).await?;
    } else if client == "utf8mb3" || client == "utf8" {
        session.run("SET character_set_client = utf8mb3").await?;
    }
    let result = session.run(&format!("{comment}{}", step.sql)).await.map(drop);
    session.utf8().await?;
    session.run(SETTINGS).await?;
    result
}
