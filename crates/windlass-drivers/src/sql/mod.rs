//! What the drivers of PostgreSQL, MySQL and SQLite share: where a statement stands, what of the session it needs, how
//! rows and conflicts are shown.

pub(crate) mod batch;
pub(crate) mod conflicts;
pub(crate) mod listing;
mod rows;
pub(crate) mod secrets;
mod wanted;

pub(crate) use rows::{ROWS_SHOWN, VALUE_MAX, aligned};
pub(crate) use wanted::Wanted;

use crate::disk::one_line;
use windlass_driver::{Context, Failure, Fault};
use windlass_plan::{Action, Target, Unit, UrlKind, Value};

/// The URL of a target, resolved. It may hold a password: it goes into no message.
pub(crate) fn url(cx: &Context, target: &str, kind: UrlKind) -> Result<String, Failure> {
    let wrong = |text: String| Failure::clean(Fault::Document, format!("target `{target}`: {text}"));
    let secret = match cx.plan.targets.get(target) {
        Some(Target::Url { url, kind: of }) if *of == kind => match url {
            Value::Plain(url) => return Ok(url.clone()),
            Value::Secret(secret) => secret,
        },
        Some(_) => return Err(wrong("is a database of another kind".to_owned())),
        None => return Err(wrong("is not in the plan".to_owned())),
    };
    let url = cx.secrets.resolve(secret);
    let url = url.map_err(|why| wrong(why).hint("set the secret that windlass.toml refers to"))?;
    // What a line says of where it goes has to be so; only now it can be compared.
    let endpoint = windlass_plan::endpoint(&url);
    for claim in cx.plan.claims.get(target).into_iter().flatten() {
        let other = match &endpoint {
            Some(endpoint) => claim.contradicts(endpoint, kind),
            None => Some("one server".to_owned()),
        };
        if let Some(other) = other {
            let text = format!(
                "a line of the document goes to {other}, where its URL does not lead; nothing was done"
            );
            return Err(wrong(text).hint("correct the line, or name another target with `on=`"));
        }
    }
    Ok(url)
}

/// The statements of the unit's step that stand before it and set something of the session, in order. Each unit has a
/// connection of its own, so they are repeated on it, and end with it. What one lifted line sets is not so for another.
pub(crate) fn session_before<'a>(cx: &'a Context, unit: &Unit) -> Vec<&'a str> {
    let Some((step, _)) = cx.plan.unit(&unit.id) else { return vec![] };
    let Action::Sql { client: own, .. } = &unit.action else { return vec![] };
    let undo: &[Unit] = step.undo.as_ref().map_or(&[], |undo| &undo.units);
    let in_undo = undo.iter().any(|other| other.id == unit.id);
    let forward = step.units.iter().filter(|_| own.is_none() || !in_undo);
    let mut found = vec![];
    for other in forward.chain(undo) {
        if other.id == unit.id {
            return found;
        }
        if let Action::Sql { statement, session: true, client, .. } = &other.action
            && client == own
        {
            found.push(statement.as_str());
        }
    }
    vec![]
}

/// Where the unit's statement stands, as `file:line:column`; `character` (from 0) is a place inside it.
pub(crate) fn place(cx: &Context, unit: &Unit, character: Option<usize>) -> String {
    let Action::Sql { statement, from, .. } = &unit.action else {
        return format!("{}:{}:{}", cx.plan.document.name, unit.line, unit.column);
    };
    let (file, line, column) = match from {
        Some(place) => (place.file.as_str(), place.line, place.column),
        None => (cx.plan.document.name.as_str(), unit.line, unit.column),
    };
    let before: String = statement.chars().take(character.unwrap_or(0)).collect();
    match before.rsplit_once('\n') {
        None => format!("{file}:{line}:{}", column + before.chars().count()),
        // Lines of a fence inside a list item are indented in the document by what is not a part of the statement.
        Some((lines, last)) => {
            let line = line + lines.matches('\n').count() + 1;
            format!("{file}:{line}:{}", last.chars().count() + 1)
        }
    }
}

/// A statement that changed another number of rows than `rows=` says; it has been rolled back.
pub(crate) fn wrong_rows(cx: &Context, unit: &Unit, found: u64, expected: u64) -> Failure {
    let Action::Sql { statement, .. } = &unit.action else { unreachable!("only statements have rows") };
    Failure::clean(
        Fault::Target,
        format!(
            "{}: `{}` changed {found} rows where `rows={expected}` expects {expected}; rolled back, nothing was changed",
            place(cx, unit, None),
            one_line(statement, 120)
        ),
    )
    .hint("look at the rows it selects, then correct the statement or `rows=`")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{context, plan, unit};
    use std::sync::Arc;

    fn sql(text: &str, set: bool) -> Action {
        let mut action = crate::testing::sql(text, None);
        if let Action::Sql { session, .. } = &mut action {
            *session = set;
        }
        action
    }

    #[test]
    fn a_place_inside_a_statement_is_one_in_the_document() {
        let folder = crate::testing::folder();
        let unit = unit("a/1", sql("SELECT 数,\n  wrong", false));
        let (cx, _) = context(folder.path(), &unit);
        assert_eq!(place(&cx, &unit, None), ":10:1");
        assert_eq!(place(&cx, &unit, Some(7)), ":10:8");
        assert_eq!(place(&cx, &unit, Some(12)), ":11:3");
    }

    #[test]
    fn settings_before_a_statement_are_those_of_its_step() {
        let folder = crate::testing::folder();
        let units = [
            unit("a/1", sql("SET x = 1", true)),
            unit("b/1", sql("SET y = 1", true)),
            unit("b/2", sql("UPDATE t SET a = 1", false)),
            unit("b/3", sql("SET z = 1", true)),
            unit("b/4", sql("UPDATE t SET a = 2", false)),
        ];
        let (mut cx, _) = context(folder.path(), &units[0]);
        cx.plan = Arc::new(plan(&units, &[]));
        assert_eq!(session_before(&cx, &units[2]), ["SET y = 1"]);
        assert_eq!(session_before(&cx, &units[4]), ["SET y = 1", "SET z = 1"]);
        assert!(session_before(&cx, &units[0]).is_empty());
    }
}
