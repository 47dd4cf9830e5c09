//! A plain `CREATE TABLE`. It is taken back by dropping the table, and what it made can be read without all other definitions:
//! the server's counts show that it did nothing else.

use super::{
    apply::{Again, Effects, Prep, at, run},
    back::{Step, WayBack},
    facts::Counts,
    grown::Shape,
    job::{Job, Scope},
    schema, snapshot,
};
use windlass_sql::{
    Ddl, Dialect, ObjectName,
    postgres::{catalog::Catalog, diff::diff, qualified, text},
};

/// Tables of the catalog to which it adds rows, and whether it changes some of those again that it added.
const WRITTEN: [(&str, bool); 9] = [
    ("pg_class", true),
    ("pg_attribute", true),
    ("pg_sequence", true),
    ("pg_type", false),
    ("pg_attrdef", false),
    ("pg_constraint", false),
    ("pg_index", false),
    ("pg_depend", false),
    ("pg_shdepend", false),
];

/// Whether the statement makes a table of columns that it names. No function runs then, and no table that is there is touched but
/// one that a foreign key refers to, which the counts show (`pg_trigger`).
pub(super) fn may(statement: &str) -> bool {
    match windlass_sql::ddl(statement, Dialect::Postgresql) {
        Some(Ddl::CreateTable(table)) => !table.derived && !table.temporary && !table.columns.is_empty(),
        _ => false,
    }
}

/// Runs the statement. If it did more, it is tried again as any statement on definitions.
pub(super) async fn apply(job: &Job, scope: &Scope, prep: &Prep) -> Result<Effects, Again> {
    let more = || Again::Prepared(Box::new(Prep { makes: false, ..prep.clone() }));
    let Some(name) = job.summary().object else { return Err(more()) };
    let before = job.counts_before().await.map_err(at("counting"))?;
    let answer = run(job, scope).await?;
    // What answers to definitions may do anything.
    job.session.later(format!("{NONE}; {}", note(&name)));
    job.own(scope).await.map_err(at("its settings"))?;
    let (after, made) = futures_util::future::join(job.counts(), snapshot::made(&job.session)).await;
    let (after, made) = (after.map_err(at("counting"))?, made.map_err(at("reading the catalog"))?);
    let relations = only_made(&before, &after).filter(|_| after.since(&before).is_empty());
    let [(oid, table)] = &made.tables.into_iter().collect::<Vec<_>>()[..] else { return Err(more()) };
    let count = made.relations.get(oid).copied().unwrap_or_default();
    let effects = effects(job, table).filter(|_| relations == Some(count));
    if let Some(company) = job.company.as_ref().filter(|_| effects.is_some()) {
        let shape = Shape { oid: *oid, catalog: table.clone(), relations: count };
        company.shaped(name.quoted(Dialect::Postgresql), shape);
    }
    effects.map(|effects| Effects { rows: answer.count, answer, ..effects }).ok_or_else(more)
}

/// Nothing is made so far.
pub(super) const NONE: &str = "SELECT pg_catalog.set_config('windlass.made', '', true)";

/// Adds the number of a table that was made to those in the setting `windlass.made`; 0 if that cannot be told, for what answers to
/// definitions may do anything.
pub(super) fn note(name: &ObjectName) -> String {
    format!(
        "SELECT pg_catalog.set_config('windlass.made', pg_catalog.concat(pg_catalog.current_setting('windlass.made'), ',', CASE WHEN \
         EXISTS (SELECT FROM pg_catalog.pg_event_trigger WHERE evtenabled <> 'D') THEN 0 ELSE \
         COALESCE(pg_catalog.to_regclass({})::pg_catalog.oid, 0) END), true)",
        text(&name.quoted(Dialect::Postgresql))
    )
}

/// What a statement did that made this table, if all that has to go on the way back is the table.
pub(super) fn effects(job: &Job, made: &Catalog) -> Option<Effects> {
    let none = Catalog::default();
    let changes = diff(made, &none).unwrap_or_default();
    let drops: Option<Vec<(String, String)>> = changes.into_iter().map(|change| change.drops).collect();
    let (schema, table) = drops.filter(|drops| drops.len() == 1)?.pop()?;
    if let Some(company) = &job.company {
        company.made(qualified(&schema, &table));
    }
    let way_back = WayBack {
        schema: vec![Step::DropTable { schema, table, rows: 0 }],
        prints: schema::prints(&none, made),
        ..WayBack::default()
    };
    Some(Effects { lines: schema::said(&none, made), way_back, ..Effects::default() })
}

/// How many relations were made, if the catalog shows nothing else.
pub(super) fn only_made(before: &Counts, after: &Counts) -> Option<i64> {
    let catalogs = after.of_catalogs(before);
    let known = |(name, counts): (&&str, &[u64; 3])| {
        let again = WRITTEN.iter().find(|(of, _)| of == name).map(|(_, again)| *again);
        counts[2] == 0 && again.is_some_and(|again| again || counts[1] == 0)
    };
    let made = catalogs.get("pg_class").map_or(0, |counts| counts[0]);
    i64::try_from(made).ok().filter(|_| catalogs.iter().all(known))
}
