//! Statements that change one object into what it was.

use super::catalog::{Catalog, Class, Object};
use super::write::{identity, name, table, word};
use super::{ident, qualified, text};
use std::collections::BTreeSet;

/// Whether `from` can be changed into `to` by statements of [`alter`].
pub(super) fn alterable(from: &Object, to: &Object) -> Result<bool, String> {
    let differs = |field: &str| from.get(field) != to.get(field);
    Ok(match from.id.class {
        Class::View | Class::Matview => !differs("query") && !differs("empty"),
        Class::Constraint
        | Class::Index
        | Class::Cast
        | Class::Statistics
        | Class::Policy
        | Class::Rule
        | Class::Trigger => !differs("definition") && !differs("invalid") && !differs("type"),
        Class::Default => !differs("expression"),
        Class::Function => {
            !differs("kind") && !differs("returns") && (from.get("kind") != "a" || !differs("definition"))
        }
        Class::Composite => !differs("attributes"),
        Class::Column => !differs("generated") && !differs("generated kind"),
        Class::Table if differs("kind") || differs("partition by") => {
            return Err(format!("table {}.{} became another kind of table", to.schema, to.name));
        }
        _ => true,
    })
}

/// Whether the column has another type.
pub(super) fn retyped(from: &Object, to: &Object) -> bool {
    from.get("type") != to.get("type") || from.get("collation") != to.get("collation")
}

/// Whether the enum has to be made anew.
pub(super) fn rebuilt(from: &Object, to: &Object) -> bool {
    from.get("labels") != to.get("labels") && from.get("#labels") != to.get("#labels")
}

/// Statements that change `from`, which keeps its name, into `to`; with whether they read all rows.
pub(super) fn alter(catalog: &Catalog, from: &Object, to: &Object) -> Result<Vec<(String, bool)>, String> {
    if from.definition().eq(to.definition()) {
        return Ok(vec![]);
    }
    let mut all = vec![];
    match from.id.class {
        Class::Table => alter_table(from, to, &mut all),
        Class::Column => alter_column(catalog, from, to, &mut all),
        Class::Enum => alter_enum(from, to, &mut all),
        _ => alter_other(catalog, from, to, &mut all),
    }
    common(catalog, from, to, &mut all);
    Ok(all)
}

/// Owner, comment, privileges.
fn common(catalog: &Catalog, from: &Object, to: &Object, all: &mut Vec<(String, bool)>) {
    let differs = |field: &str| from.get(field) != to.get(field);
    let full = name(catalog, from);
    // The owner of a sequence that belongs to a column is that of the table.
    let follows = from.id.class == Class::Sequence && !from.get("owned").is_empty() && !differs("owned");
    if differs("owner") && !follows {
        all.push((format!("ALTER {} {full} OWNER TO {}", word(from), ident(to.get("owner"))), false));
    }
    if differs("acl") {
        let on = match from.id.class {
            Class::Column => String::new(),
            Class::Table | Class::View | Class::Matview => format!("TABLE {full}"),
            // Of an aggregate without arguments only the words of aggregates say `(*)`.
            Class::Function => {
                format!("{} {}", word(from).replace("AGGREGATE", "FUNCTION"), full.replace("(*)", "()"))
            }
            _ => format!("{} {full}", word(from)),
        };
        all.extend(privileges(catalog, &on, from, to).into_iter().map(|sql| (sql, false)));
    }
    if differs("comment") {
        let comment = if to.get("comment").is_empty() { "NULL".to_owned() } else { text(to.get("comment")) };
        all.push((format!("COMMENT ON {} {full} IS {comment}", word(from)), false));
    }
}

/// `GRANT` for each item of `object`'s privileges that is not in `without`.
pub(super) fn grants<'o>(
    on: &'o str,
    without: &'o str,
    object: &'o Object,
) -> impl Iterator<Item = (String, String)> + 'o {
    let have: BTreeSet<&str> = without.lines().collect();
    object.get("acl").lines().filter(move |item| !have.contains(item)).filter_map(move |item| {
        let (who, what) = item.split_once('=')?;
        let (what, option) = what.strip_suffix('*').map_or((what, ""), |what| (what, " WITH GRANT OPTION"));
        let sql = if object.id.class == Class::DefaultAcl {
            format!(
                "ALTER DEFAULT PRIVILEGES {} GRANT {what} ON {} TO {who}{option}",
                object.get("for"),
                object.get("on")
            )
        } else {
            format!("GRANT {what} ON {on} TO {who}{option}")
        };
        Some((item.to_owned(), sql))
    })
}

fn privileges(catalog: &Catalog, on: &str, from: &Object, to: &Object) -> Vec<String> {
    let keep: BTreeSet<&str> = to.get("acl").lines().collect();
    let mut all = vec![];
    for item in from.get("acl").lines().filter(|item| !keep.contains(item)) {
        let Some((who, what)) = item.split_once('=') else { continue };
        let what = what.trim_end_matches('*');
        all.push(match from.id.class {
            Class::DefaultAcl => {
                format!(
                    "ALTER DEFAULT PRIVILEGES {} REVOKE {what} ON {} FROM {who}",
                    from.get("for"),
                    from.get("on")
                )
            }
            Class::Column => {
                format!("REVOKE {what} ({}) ON TABLE {} FROM {who}", ident(&from.name), table(catalog, from))
            }
            _ => format!("REVOKE {what} ON {on} FROM {who}"),
        });
    }
    for (item, sql) in grants(on, from.get("acl"), to) {
        let column = || {
            let (who, what) = item.split_once('=').unwrap_or_default();
            let (what, option) =
                what.strip_suffix('*').map_or((what, ""), |what| (what, " WITH GRANT OPTION"));
            format!("GRANT {what} ({}) ON TABLE {} TO {who}{option}", ident(&from.name), table(catalog, from))
        };
        all.push(if from.id.class == Class::Column { column() } else { sql });
    }
    all
}

fn alter_table(from: &Object, to: &Object, all: &mut Vec<(String, bool)>) {
    let full = qualified(&from.schema, &from.name);
    let differs = |field: &str| from.get(field) != to.get(field);
    let mut push = |rest: String| all.push((format!("ALTER TABLE {full} {rest}"), false));
    if differs("persistence") {
        push(if to.get("persistence") == "u" { "SET UNLOGGED".into() } else { "SET LOGGED".into() });
    }
    options(from, to, &mut push);
    if differs("rls") {
        push(format!("{} ROW LEVEL SECURITY", if to.get("rls").is_empty() { "DISABLE" } else { "ENABLE" }));
    }
    if differs("force rls") {
        push(format!(
            "{} ROW LEVEL SECURITY",
            if to.get("force rls").is_empty() { "NO FORCE" } else { "FORCE" }
        ));
    }
    if differs("identity") {
        push(match to.get("identity") {
            "f" => "REPLICA IDENTITY FULL".into(),
            "n" => "REPLICA IDENTITY NOTHING".into(),
            _ => "REPLICA IDENTITY DEFAULT".into(),
        });
    }
    if differs("key triggers") {
        all.push((key_triggers(&full, to.get("key triggers")), false));
    }
    if differs("parents") || differs("bound") {
        let parents = |object: &Object| {
            object.get("parents").split(", ").filter(|p| !p.is_empty()).map(str::to_owned).collect::<Vec<_>>()
        };
        let (old, new) = (parents(from), parents(to));
        for parent in &old {
            if !new.contains(parent) {
                all.push((format!("ALTER TABLE {full} NO INHERIT {parent}"), false));
            }
        }
        for parent in &new {
            if !to.get("bound").is_empty() {
                all.push((format!("ALTER TABLE {parent} ATTACH PARTITION {full} {}", to.get("bound")), true));
            } else if !old.contains(parent) {
                all.push((format!("ALTER TABLE {full} INHERIT {parent}"), false));
            }
        }
    }
}

/// Triggers of foreign keys, and those that a partition has of its parent, as they were: `states` has a line for each that is not simply on.
/// The names of the former are other ones whenever the key is made again.
fn key_triggers(table: &str, states: &str) -> String {
    let body = format!(
        "DECLARE r record; BEGIN FOR r IN SELECT t.tgname, COALESCE((SELECT pg_catalog.right(line, 1) FROM pg_catalog.unnest(\
         pg_catalog.string_to_array({}, pg_catalog.chr(10))) line WHERE pg_catalog.left(line, -2) = COALESCE(\
         k.conrelid::pg_catalog.regclass || ' ' || k.conname || ' ' || t.tgfoid::pg_catalog.regproc, t.tgname)), 'O') AS state, \
         t.tgenabled::text AS now FROM pg_catalog.pg_trigger t LEFT JOIN pg_catalog.pg_constraint k ON k.oid = t.tgconstraint WHERE \
         t.tgrelid = {}::pg_catalog.regclass AND (t.tgisinternal OR t.tgparentid <> 0) LOOP IF r.state <> r.now THEN EXECUTE pg_catalog.concat({}, CASE r.state \
         WHEN 'D' THEN 'DISABLE' WHEN 'A' THEN 'ENABLE ALWAYS' WHEN 'R' THEN 'ENABLE REPLICA' ELSE 'ENABLE' END, ' TRIGGER ', \
         pg_catalog.quote_ident(r.tgname)); END IF; END LOOP; END",
        text(states),
        text(table),
        text(&format!("ALTER TABLE {table} "))
    );
    format!("DO {}", text(&body))
}

fn options(from: &Object, to: &Object, push: &mut impl FnMut(String)) {
    if from.get("options") == to.get("options") {
        return;
    }
    let names =
        from.get("options").split(", ").filter_map(|option| option.split_once('=')).map(|(name, _)| name);
    let names = names.collect::<Vec<_>>().join(", ");
    if !names.is_empty() {
        push(format!("RESET ({names})"));
    }
    if !to.get("options").is_empty() {
        push(format!("SET ({})", to.get("options")));
    }
}

fn alter_column(catalog: &Catalog, from: &Object, to: &Object, all: &mut Vec<(String, bool)>) {
    let own = ident(&from.name);
    let head = format!("ALTER TABLE {} ALTER COLUMN {own}", table(catalog, from));
    let differs = |field: &str| from.get(field) != to.get(field);
    let mut push = |rest: String, heavy: bool| all.push((format!("{head} {rest}"), heavy));
    if retyped(from, to) {
        let collate = if to.get("collation").is_empty() {
            String::new()
        } else {
            format!(" COLLATE {}", to.get("collation"))
        };
        push(format!("TYPE {0}{collate} USING {own}::{0}", to.get("type")), true);
    }
    if differs("identity") || differs("identity options") {
        if !from.get("identity").is_empty() {
            push("DROP IDENTITY".into(), false);
        }
        if !to.get("identity").is_empty() {
            push("SET NOT NULL".into(), true);
            push(format!("ADD{}", identity(to)), false);
            if let Ok(last) = to.get("#last").parse::<i64>() {
                push(format!("RESTART WITH {}", last.saturating_add(1)), false);
            }
        }
    }
    if differs("notnull") {
        push(if to.get("notnull").is_empty() { "DROP NOT NULL".into() } else { "SET NOT NULL".into() }, true);
    }
    if differs("storage") {
        let storage = match to.get("storage") {
            "p" => "PLAIN",
            "e" => "EXTERNAL",
            "m" => "MAIN",
            "x" => "EXTENDED",
            _ => "DEFAULT",
        };
        // PostgreSQL 15 has no SET STORAGE DEFAULT: what is not plain by its type is extended, but for numeric.
        let storage = match (storage, to.get("type")) {
            ("DEFAULT", kind) if kind.starts_with("numeric") => "MAIN",
            ("DEFAULT", _) => "EXTENDED",
            (other, _) => other,
        };
        push(format!("SET STORAGE {storage}"), false);
    }
    if differs("compression") {
        let method = match to.get("compression") {
            "p" => "pglz",
            "l" => "lz4",
            _ => "default",
        };
        push(format!("SET COMPRESSION {method}"), false);
    }
    if differs("statistics") {
        let value = if to.get("statistics").is_empty() { "-1" } else { to.get("statistics") };
        push(format!("SET STATISTICS {value}"), false);
    }
    options(from, to, &mut |rest| push(rest, false));
}

/// Labels that were renamed are renamed back.
fn alter_enum(from: &Object, to: &Object, all: &mut Vec<(String, bool)>) {
    if from.get("labels") == to.get("labels") || rebuilt(from, to) {
        return;
    }
    let split = |object: &Object| object.get("labels").split(", ").map(str::to_owned).collect::<Vec<_>>();
    let full = qualified(&from.schema, &from.name);
    let (old, new) = (split(from), split(to));
    let pairs = old.iter().zip(&new).filter(|(old, new)| old != new);
    all.extend(pairs.map(|(old, new)| (format!("ALTER TYPE {full} RENAME VALUE {old} TO {new}"), false)));
}

fn alter_other(catalog: &Catalog, from: &Object, to: &Object, all: &mut Vec<(String, bool)>) {
    let full = name(catalog, from);
    let differs = |field: &str| from.get(field) != to.get(field);
    let head = format!("ALTER {} {full}", word(from));
    if matches!(from.id.class, Class::Index | Class::Constraint) {
        all.extend(marks(catalog, from, to).into_iter().map(|sql| (sql, false)));
    }
    match from.id.class {
        Class::View | Class::Matview | Class::Index | Class::Composite => {
            return alter_view(catalog, from, to, all);
        }
        Class::Sequence => return alter_sequence(catalog, from, to, all),
        Class::Extension => return alter_extension(catalog, from, to, all),
        Class::Role => return alter_role(catalog, from, to, all),
        _ => {}
    }
    let mut push = |sql: String| all.push((sql, false));
    match from.id.class {
        Class::Function if differs("definition") => push(to.get("definition").to_owned()),
        Class::Domain => {
            if differs("default") {
                let default = to.get("default");
                push(if default.is_empty() {
                    format!("{head} DROP DEFAULT")
                } else {
                    format!("{head} SET DEFAULT {default}")
                });
            }
            if differs("notnull") {
                push(format!(
                    "{head} {} NOT NULL",
                    if to.get("notnull").is_empty() { "DROP" } else { "SET" }
                ));
            }
        }
        Class::Trigger | Class::Rule if differs("enabled") => {
            let how = match to.get("enabled") {
                "D" => "DISABLE",
                "A" => "ENABLE ALWAYS",
                "R" => "ENABLE REPLICA",
                _ => "ENABLE",
            };
            push(format!(
                "ALTER TABLE {} {how} {} {}",
                table(catalog, from),
                from.id.class.word(),
                ident(&from.name)
            ));
        }
        _ => {}
    }
}

fn alter_view(catalog: &Catalog, from: &Object, to: &Object, all: &mut Vec<(String, bool)>) {
    let full = name(catalog, from);
    let differs = |field: &str| from.get(field) != to.get(field);
    let head = format!("ALTER {} {full}", word(from));
    let mut push = |sql: String| all.push((sql, false));
    options(from, to, &mut |rest| push(format!("{head} {rest}")));
    if differs("column comments") {
        // The map is JSON with texts only: written by the caller's server, read back by it.
        let map = if to.get("column comments").is_empty() { "{}" } else { to.get("column comments") };
        push(format!(
            "DO {}",
            text(&format!(
                "DECLARE r record; BEGIN FOR r IN SELECT a.attname, {}::pg_catalog.jsonb ->> a.attname AS c FROM \
                 pg_catalog.pg_attribute a WHERE a.attrelid = {}::pg_catalog.regclass AND a.attnum > 0 LOOP EXECUTE \
                 pg_catalog.format('COMMENT ON COLUMN {}.%I IS %L', r.attname, r.c); END LOOP; END",
                text(map),
                text(&full),
                full.replace('\'', "''").replace('%', "%%")
            ))
        ));
    }
}

/// What a table says of one of its indexes, which may belong to a constraint.
fn marks(catalog: &Catalog, from: &Object, to: &Object) -> Vec<String> {
    let of = table(catalog, from);
    let differs = |field: &str| from.get(field) != to.get(field);
    if differs("clustered") && to.get("clustered").is_empty() {
        return vec![format!("ALTER TABLE {of} SET WITHOUT CLUSTER")];
    }
    marked(catalog, to).into_iter().filter(|(field, _)| differs(field)).map(|(_, sql)| sql).collect()
}

/// The marks of an index, each with what sets it.
pub(super) fn marked(catalog: &Catalog, index: &Object) -> Vec<(&'static str, String)> {
    let (own, of) = (ident(&index.name), table(catalog, index));
    [("clustered", "CLUSTER ON"), ("identity", "REPLICA IDENTITY USING INDEX")]
        .into_iter()
        .filter(|(field, _)| !index.get(field).is_empty())
        .map(|(field, words)| (field, format!("ALTER TABLE {of} {words} {own}")))
        .collect()
}

fn alter_sequence(catalog: &Catalog, from: &Object, to: &Object, all: &mut Vec<(String, bool)>) {
    let full = name(catalog, from);
    let differs = |field: &str| from.get(field) != to.get(field);
    let head = format!("ALTER {} {full}", word(from));
    let mut push = |sql: String| all.push((sql, false));
    if differs("type") || differs("options") {
        push(format!("{head} AS {} {}", to.get("type"), to.get("options")));
    }
    if differs("owned") {
        let owned = if to.get("owned").is_empty() { "NONE" } else { to.get("owned") };
        push(format!("{head} OWNED BY {owned}"));
    }
    if differs("persistence") {
        push(format!("{head} SET {}", if to.get("persistence") == "u" { "UNLOGGED" } else { "LOGGED" }));
    }
}

fn alter_extension(catalog: &Catalog, from: &Object, to: &Object, all: &mut Vec<(String, bool)>) {
    let full = name(catalog, from);
    let differs = |field: &str| from.get(field) != to.get(field);
    let head = format!("ALTER {} {full}", word(from));
    let mut push = |sql: String| all.push((sql, false));
    if differs("schema") {
        push(format!("{head} SET SCHEMA {}", ident(to.get("schema"))));
    }
    if differs("version") {
        push(format!("{head} UPDATE TO {}", text(to.get("version"))));
    }
}

fn alter_role(catalog: &Catalog, from: &Object, to: &Object, all: &mut Vec<(String, bool)>) {
    let full = name(catalog, from);
    let differs = |field: &str| from.get(field) != to.get(field);
    let head = format!("ALTER {} {full}", word(from));
    let mut push = |sql: String| all.push((sql, false));
    if differs("attributes") {
        push(format!("{head} {}", to.get("attributes")));
    }
    // A line for each: the role, and what goes with its membership.
    let roles = |object: &Object| {
        let lines = object.get("member of").lines().map(|line| {
            let end = line.rfind(" WITH ").filter(|_| !line.ends_with('"')).unwrap_or(line.len());
            (line[..end].to_owned(), line[end..].to_owned())
        });
        lines.collect::<BTreeSet<_>>()
    };
    for (role, _) in roles(from).difference(&roles(to)) {
        push(format!("REVOKE {role} FROM {full}"));
    }
    for (role, how) in roles(to).difference(&roles(from)) {
        push(format!("GRANT {role} TO {full}{how}"));
    }
}
