//! Whose folder it is, from its names and texts.

use super::{Tool, files::digits, sections};
use crate::SourceFile;

/// Digits of the time stamps that sqlx, goose and others name files by: `20240101000000`.
const STAMP_DIGITS: usize = 14;

/// The tools whose folder this may be, the most likely first. One: certain enough to go by. None: nothing of SQL is there.
#[must_use]
pub fn detect(files: &[SourceFile]) -> Vec<Tool> {
    let sql = || files.iter().filter(|file| file.name.ends_with(".sql"));
    if sql().next().is_none() {
        let is_script =
            |name: &str| !digits(name).is_empty() && (name.ends_with(".py") || name.ends_with(".sh"));
        let plain = files.iter().any(|file| is_script(&file.name));
        return if plain { vec![Tool::Plain] } else { Vec::new() };
    }
    let marked = |marks: fn(&str) -> bool| sql().any(|file| file.text.lines().any(marks));
    if marked(sections::is_liquibase) {
        return vec![Tool::Liquibase];
    }
    if marked(|line| sections::goose(line).is_some()) {
        return vec![Tool::Goose];
    }
    if marked(|line| sections::dbmate(line).is_some()) {
        return vec![Tool::Dbmate];
    }
    if sql().any(|file| file.name.ends_with("/up.sql")) {
        return vec![Tool::Diesel];
    }
    let base = |file: &SourceFile| file.name.rsplit('/').next().unwrap_or_default().to_owned();
    if sql().any(|file| is_flyway(&base(file))) {
        return vec![Tool::Flyway];
    }
    let numbered: Vec<String> = sql().map(base).filter(|name| !digits(name).is_empty()).collect();
    let stamped = !numbered.is_empty() && numbered.iter().all(|name| digits(name).len() == STAMP_DIGITS);
    let numbered_up = numbered.iter().any(|name| name.ends_with(".up.sql"));
    match (numbered_up, stamped) {
        (true, true) => vec![Tool::Sqlx, Tool::GolangMigrate],
        (true, false) => vec![Tool::GolangMigrate],
        (false, true) => vec![Tool::Sqlx, Tool::Plain],
        (false, false) => vec![Tool::Plain],
    }
}

/// `V1__x.sql`, `U1.2__x.sql`, `R__x.sql`.
fn is_flyway(name: &str) -> bool {
    let Some((head, rest)) = name.split_once("__") else { return false };
    let version =
        |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | '_'));
    let prefix = head.strip_prefix(['V', 'U', 'B']);
    rest.len() > ".sql".len() && (head == "R" || prefix.is_some_and(version))
}
