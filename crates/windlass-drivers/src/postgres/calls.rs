//! Queries that call functions of which only the catalog says what they do. A function in SQL or PL/pgSQL is run as a `DO` block is:
//! what it changes is seen and kept. What others do (in C, in Python, the server's own that write) is not seen, and not guessed.

use super::{
    job::{Job, Mode},
    session::Trouble,
};
use windlass_sql::{
    Dialect, Kind, ObjectName,
    postgres::{set_by_setval, text},
};

/// What the functions of a statement do.
pub(super) enum Calls {
    /// They only read.
    Read,
    /// They may write, and that is seen; so is what any other statement does.
    Seen,
    /// They may do what is not seen; which, and why.
    Unseen(String),
}

/// Functions of the server that write to sequences.
const NUMBERS: [&str; 2] = ["setval", "nextval"];

/// A function that may write: its name, its language, whether the server brings it along.
struct Volatile {
    name: String,
    language: String,
    builtin: bool,
}

/// Looks what the statement calls.
pub(super) async fn look(job: &Job) -> Result<Calls, Trouble> {
    let summary = job.summary();
    if summary.kind != Kind::Select || !summary.readonly {
        return Ok(Calls::Seen);
    }
    let names = windlass_sql::unknown_calls(job.statement(), Dialect::Postgresql);
    if names.is_empty() {
        return Ok(Calls::Read);
    }
    job.begin(Mode::Read, &[]).await?;
    let found = volatile(job, &names).await;
    job.session.rollback().await;
    let found = found?;
    let why = found.iter().find_map(Volatile::unseen).or_else(|| {
        let sets = found.iter().any(|function| function.builtin && function.name == "setval");
        let named = set_by_setval(job.statement()).is_some();
        (sets && !named).then(|| "which sequence `setval()` sets is known only when it has run".to_owned())
    });
    Ok(match why {
        Some(why) => Calls::Unseen(why),
        // What the session is told ends with it.
        None if found.iter().all(Volatile::is_setting) => Calls::Read,
        None => Calls::Seen,
    })
}

/// Those of these functions that may write.
async fn volatile(job: &Job, names: &[ObjectName]) -> Result<Vec<Volatile>, Trouble> {
    let scope = job.scope().await?;
    let named = |name: &ObjectName| {
        let schema = match name.parts.as_slice() {
            [.., schema, _] => text(schema),
            _ => "NULL".to_owned(),
        };
        format!("({schema}::text, {}::text)", text(name.base()))
    };
    let list: Vec<String> = names.iter().map(named).collect();
    let sql = format!(
        "SELECT p.proname, l.lanname, p.oid < 16384 FROM (VALUES {}) w(schema, name) JOIN pg_catalog.pg_proc p ON p.proname::text = w.name \
         JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace JOIN pg_catalog.pg_language l ON l.oid = p.prolang WHERE p.provolatile = \
         'v' AND CASE WHEN w.schema IS NULL THEN pg_catalog.pg_function_is_visible(p.oid) ELSE n.nspname::text = w.schema END ORDER BY \
         p.proname, l.lanname",
        list.join(", ")
    );
    let rows = job.session.ask(&scope.around(&sql)).await?;
    let function = |row: Vec<Option<String>>| {
        let mut values = row.into_iter().map(Option::unwrap_or_default);
        let mut next = || values.next().unwrap_or_default();
        Volatile { name: next(), language: next(), builtin: next() == "t" }
    };
    Ok(rows.into_iter().map(function).collect())
}

impl Volatile {
    fn is_setting(&self) -> bool {
        self.builtin && self.name == "set_config"
    }

    /// Why it is not seen what it does.
    fn unseen(&self) -> Option<String> {
        let Self { name, language, builtin } = self;
        let is_seen = match builtin {
            true => NUMBERS.contains(&name.as_str()) || self.is_setting(),
            false => ["sql", "plpgsql"].contains(&language.as_str()),
        };
        let of =
            if *builtin { "a function of the server".to_owned() } else { format!("written in {language}") };
        (!is_seen).then(|| format!("`{name}()` is {of}, and nobody sees here what it writes"))
    }
}
