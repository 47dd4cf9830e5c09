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
            for event in ['I', 'U', 'D'] {
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

/// Takes the triggers away.
pub(super) async fn remove_triggers(session: &mut Session, cover: &Cover) -> Result<(), Trouble> {
    if cover.how == How::Log {
        for image in &cover.images {
            for event in ['I', 'U', 'D'] {
                session.run(&format!("DROP TRIGGER IF EXISTS {}", q(&trigger_name(image, event)))).await?;
            }
        }
    }
    Ok(())
}

/// Takes all that [`make`] made away.
pub(super) async fn remove(session: &mut Session, cover: &Cover) -> Result<(), Trouble> {
    remove_triggers(session, cover).await?;
    for image in &cover.images {
        session.run(&format!("DROP TABLE IF EXISTS {}", q(&image.name))).await?;
    }
    Ok(())
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
                ("t".to_owned(), format!("{} AS t JOIN {} AS p ON {same}", q(&image.table), q(&parent.name)))
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
pub(super) fn on_key(image: &Image, side: char) -> String {
    let part = |column: &String| {
        format!("t.{} = i.{side}_{}", q(column), place(image, column).expect("an image has its key"))
    };
    image.key.iter().map(part).collect::<Vec<_>>().join(" AND ")
}

/// By set: adds what the statement made of the rows.
pub(super) async fn fill_new(session: &mut Session, cover: &Cover) -> Result<(), Trouble> {
    if cover.how == How::Log {
        return Ok(());
    }
    for image in cover.images.iter().filter(|image| image.op == Some('U') && !image.written.is_empty()) {
        let set = image.written.iter().map(|at| format!("i.n_{at} = t.{}", q(&image.columns[*at].name)));
        let sql = format!(
            "UPDATE {} AS i JOIN {} AS t ON {} SET {}",
            q(&image.name),
            q(&image.table),
            on_key(image, 'o'),
            set.collect::<Vec<_>>().join(", ")
        );
        session.run(&sql).await?;
    }
    Ok(())
}

/// Condition: two values of a column are the same, text byte by byte.
pub(super) fn same(image: &Image, at: usize, left: &str, right: &str) -> String {
    if image.columns[at].is_text {
        format!("CAST({left} AS BINARY) <=> CAST({right} AS BINARY)")
    } else {
        format!("{left} <=> {right}")
    }
}
