//! Image tables: made, filled, compared.

use super::cover::{Cover, How, Image};
use super::ledger::text;
use super::session::{Session, Trouble};
use windlass_sql::{Dialect, Dml};

/// A name as an identifier.
pub(super) fn q(name: &str) -> String {
    windlass_sql::quote(name, Dialect::Mysql)
}

/// Settings under which our own statements keep every value as it is, while the words of the user's statement mean what
/// they mean in the user's session.
pub(super) fn relaxed(mode: &str) -> String {
    const STRICT: [&str; 6] = [
        "STRICT_TRANS_TABLES",
        "STRICT_ALL_TABLES",
        "NO_ZERO_DATE",
        "NO_ZERO_IN_DATE",
        "ERROR_FOR_DIVISION_BY_ZERO",
        "TRADITIONAL",
    ];
    let kept = mode.split(',').filter(|word| !word.is_empty() && !STRICT.contains(word));
    kept.chain(["NO_AUTO_VALUE_ON_ZERO", "ALLOW_INVALID_DATES"]).collect::<Vec<_>>().join(",")
}

/// `sql_mode` of the user as it is where values that do not fit are cut, not refused.
pub(super) fn lax(mode: &str) -> String {
    let is_strict = |word: &&str| word.starts_with("STRICT_") || *word == "TRADITIONAL" || word.is_empty();
    mode.split(',').filter(|word| !is_strict(word)).collect::<Vec<_>>().join(",")
}

/// Sets `sql_mode` for as long as the session lives, or until it is set again.
pub(super) async fn set_mode(session: &mut Session, mode: &str) -> Result<(), Trouble> {
    session.run(&format!("SET sql_mode = {}", text(mode))).await.map(drop)
}

fn trigger_name(image: &Image, event: char) -> String {
    format!("{}_{}", image.name, event.to_ascii_lowercase())
}

/// Name of the variable of a session whose changes are written down.
const SWITCH: &str = "@windlass_image";

/// What that variable holds: one word for all images of a statement, their name up to its number.
fn word_of(image: &Image) -> &str {
    image.name.rsplit_once('_').map_or(image.name.as_str(), |(word, _)| word)
}

/// Makes the tables of a cover, empty; for a log also the triggers. Commits an open transaction.
pub(super) async fn make(session: &mut Session, cover: &Cover) -> Result<(), Trouble> {
    remove(session, cover).await?;
    for image in &cover.images {
        let mut parts = vec![
            "seq BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY".to_owned(),
            "op CHAR(1) CHARACTER SET ascii NOT NULL".to_owned(),
        ];
        for (at, column) in image.columns.iter().enumerate() {
            parts.extend(["o", "n"].map(|side| format!("{side}_{at} {}", column.image)));
        }
        let comment = text(&format!("rows of {} as they were", image.table));
        session
            .run(&format!(
                "CREATE TABLE {} ({}) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARSET = utf8mb4 COMMENT = {comment}",
                q(&image.name),
                parts.join(", ")
            ))
            .await?;
    }
    if cover.how == How::Log {
        for image in &cover.images {
            let events = if image.adds_only { &['I'][..] } else { &['I', 'U', 'D'] };
            for event in events.iter().copied() {
                session.run(&trigger(image, event)).await?;
            }
        }
    }
    Ok(())
}

fn trigger(image: &Image, event: char) -> String {
    let (mut columns, mut values) = (vec!["op".to_owned()], vec![format!("'{event}'")]);
    for (at, column) in image.columns.iter().enumerate() {
        if event != 'I' {
            columns.push(format!("o_{at}"));
            values.push(format!("OLD.{}", q(&column.name)));
        }
        if event != 'D' {
            columns.push(format!("n_{at}"));
            values.push(format!("NEW.{}", q(&column.name)));
        }
    }
    let word = match event {
        'I' => "INSERT",
        'U' => "UPDATE",
        _ => "DELETE",
    };
    format!(
        "CREATE TRIGGER {} AFTER {word} ON {} FOR EACH ROW IF {SWITCH} = {} THEN INSERT INTO {} ({}) VALUES ({}); END IF",
        q(&trigger_name(image, event)),
        q(&image.table),
        text(word_of(image)),
        q(&image.name),
        columns.join(", "),
        values.join(", ")
    )
}

/// Takes the triggers away, those that are there: each DROP waits for everybody who works on the table.
pub(super) async fn remove_triggers(session: &mut Session, cover: &Cover) -> Result<(), Trouble> {
    if cover.how != How::Log {
        return Ok(());
    }
    let names = cover.images.iter().flat_map(|image| ['I', 'U', 'D'].map(|event| trigger_name(image, event)));
    let sql = format!(
        "SELECT trigger_name FROM information_schema.triggers WHERE trigger_schema = DATABASE() AND trigger_name IN ({})",
        names.map(|name| text(&name)).collect::<Vec<_>>().join(", ")
    );
    for row in session.run(&sql).await?.rows {
        let name = row.into_iter().next().flatten().unwrap_or_default();
        session.run(&format!("DROP TRIGGER IF EXISTS {}", q(&name))).await?;
    }
    Ok(())
}

/// Takes all that [`make`] made away.
pub(super) async fn remove(session: &mut Session, cover: &Cover) -> Result<(), Trouble> {
    remove_triggers(session, cover).await?;
    let names: Vec<_> = cover.images.iter().map(|image| q(&image.name)).collect();
    session.run(&format!("DROP TABLE IF EXISTS {}", names.join(", "))).await.map(drop)
}

/// Turns the log on for this session, or off.
pub(super) async fn switch(session: &mut Session, cover: &Cover, on: bool) -> Result<(), Trouble> {
    if cover.how == How::Set {
        return Ok(());
    }
    let value = if on { text(word_of(&cover.images[0])) } else { "NULL".to_owned() };
    session.run(&format!("SET {SWITCH} = {value}")).await.map(drop)
}

/// By set: reads the rows that the statement will change into their images, locked. How many there are of the first.
pub(super) async fn fill_old(
    session: &mut Session,
    cover: &Cover,
    statement: &str,
    dml: &Dml,
) -> Result<u64, Trouble> {
    let mut first = 0;
    for (number, image) in cover.images.iter().enumerate() {
        let source = match &image.link {
            None => own_rows(statement, dml),
            Some(link) => {
                let parent = &cover.images[link.parent];
                let same = link.columns.iter().map(|(child, of)| {
                    format!("t.{} = p.o_{}", q(child), place(parent, of).expect("the parent has all columns"))
                });
                let same = same.collect::<Vec<_>>().join(" AND ");
                let children: Vec<String> = link.columns.iter().map(|(child, _)| child.clone()).collect();
                let hint = by_index(session, &q(&image.table), &children).await?;
                let (of, rows) = (q(&parent.name), q(&image.table));
                ("t".to_owned(), format!("{of} AS p STRAIGHT_JOIN {rows} AS t{hint} ON {same}"))
            }
        };
        let columns = (0..image.columns.len()).map(|at| format!("o_{at}")).collect::<Vec<_>>().join(", ");
        let values = image.columns.iter().map(|column| format!("{}.{}", source.0, q(&column.name)));
        let sql = format!(
            "INSERT INTO {} (op, {columns}) SELECT '{}', {} FROM {} FOR UPDATE",
            q(&image.name),
            image.op.unwrap_or('U'),
            values.collect::<Vec<_>>().join(", "),
            source.1
        );
        let rows = session.run(&sql).await?.affected;
        if number == 0 {
            first = rows;
        }
    }
    Ok(first)
}

/// The name that the statement's table goes by, and its rows.
fn own_rows(statement: &str, dml: &Dml) -> (String, String) {
    let name = dml.alias.as_deref().unwrap_or(dml.table.base());
    let mut rows = dml.table_span.of(statement).to_owned();
    if let Some(alias) = &dml.alias {
        rows.extend([" AS ", &q(alias)]);
    }
    if let Some(filter) = dml.filter {
        // A comment of the condition may reach to the end of its line.
        rows.extend([" WHERE (", filter.of(statement), "\n)"]);
    }
    (q(name), rows)
}

/// Place of a column in an image.
pub(super) fn place(image: &Image, column: &str) -> Option<usize> {
    image.columns.iter().position(|of| of.name.eq_ignore_ascii_case(column))
}

/// Condition: row `t` is the one of image row `i`, by key, as it was (`o`) or became (`n`).
fn on_key(image: &Image, side: char) -> String {
    let part = |column: &String| {
        format!("t.{} = i.{side}_{}", q(column), place(image, column).expect("an image has its key"))
    };
    image.key.iter().map(part).collect::<Vec<_>>().join(" AND ")
}

/// How rows of an image meet those of its table.
#[derive(Clone, Copy)]
pub(super) enum Meet {
    /// Only rows that are there.
    There,
    /// Also image rows without one: all of `t` is NULL then.
    Also,
}

/// For FROM or UPDATE: the image's rows as `i`, each with its row `t` of the table.
pub(super) fn joined(image: &Image, side: char, meet: Meet) -> String {
    let join = match meet {
        Meet::There => "STRAIGHT_JOIN",
        Meet::Also => "LEFT JOIN",
    };
    let (name, table) = (q(&image.name), q(&image.table));
    format!("{name} AS i {join} {table} AS t{} ON {}", image.hint, on_key(image, side))
}

/// The same image, knowing the index over its key as it is now.
pub(super) async fn indexed(session: &mut Session, image: &Image) -> Result<Image, Trouble> {
    let mut indexed = image.clone();
    if !image.key.is_empty() {
        indexed.hint = by_index(session, &q(&image.table), &image.key).await?;
    }
    Ok(indexed)
}

/// The hint by which a server finds rows of `table` (quoted) by an index over `columns`; empty where it has none.
///
/// Its own choice follows what it has counted, and that may be far off: a table that was just filled or restored may pass for one
/// of two rows, and then all rows of the image are read for each row of the table.
pub(super) async fn by_index(
    session: &mut Session,
    table: &str,
    columns: &[String],
) -> Result<String, Trouble> {
    let found = session.run(&format!("SHOW INDEX FROM {table}")).await?;
    let word = |row: &[Option<String>], at: usize| row.get(at).cloned().flatten().unwrap_or_default();
    // MySQL says in column 13 whether it may be used, MariaDB (since 10.6) whether it is ignored.
    let unused = if session.server.mariadb { "YES" } else { "NO" };
    let parts = found.rows.chunk_by(|one, next| one[2] == next[2]);
    let fits = |rows: &&[Vec<Option<String>>]| {
        let leads = rows.iter().take(columns.len()).filter(|row| {
            let name = word(row, 4);
            row.get(7).is_some_and(Option::is_none) && columns.iter().any(|of| of.eq_ignore_ascii_case(&name))
        });
        word(&rows[0], 10) == "BTREE" && word(&rows[0], 13) != unused && leads.count() == columns.len()
    };
    let mut fitting = parts.filter(fits);
    Ok(fitting.next().map_or_else(String::new, |rows| format!(" FORCE INDEX ({})", q(&word(&rows[0], 2)))))
}

/// By set: adds what the statement made of the rows.
pub(super) async fn fill_new(session: &mut Session, cover: &Cover) -> Result<(), Trouble> {
    if cover.how == How::Log {
        return Ok(());
    }
    for image in cover.images.iter().filter(|image| image.op == Some('U') && !image.written.is_empty()) {
        let image = &indexed(session, image).await?;
        let set = image.written.iter().map(|at| format!("i.n_{at} = t.{}", q(&image.columns[*at].name)));
        let rows = joined(image, 'o', Meet::There);
        let sql = format!("UPDATE {rows} SET {}", set.collect::<Vec<_>>().join(", "));
        session.run(&sql).await?;
    }
    Ok(())
}

/// Condition: two values of a column are the same, text byte by byte.
pub(super) fn same(image: &Image, at: usize, left: &str, right: &str) -> String {
    equal(image.columns[at].is_text, left, right)
}

/// The same, of a column of text or another one.
pub(super) fn equal(is_text: bool, left: &str, right: &str) -> String {
    if is_text {
        format!("CAST({left} AS BINARY) <=> CAST({right} AS BINARY)")
    } else {
        format!("{left} <=> {right}")
    }
}
