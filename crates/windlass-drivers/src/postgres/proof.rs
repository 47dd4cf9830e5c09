//! The way back of a statement on definitions, found and tried before the statement is committed.

use super::{
    apply::{Again, at},
    back::{Step, WayBack},
    job::Job,
    schema::refused,
    snapshot, values,
};
use crate::disk::one_line;
use windlass_sql::postgres::{
    catalog::{Catalog, Class, Id, Object, Verdict, compare},
    diff::{Change, diff, dress},
    qualified,
};

/// Tables over this size are not read or written again only to try an undo, in pages of 8 KiB.
const PAGES_MAX: u64 = 32 * 1024;
/// Differences in a row.
const PASSES: usize = 10;

/// Finds the way back from `after` to `before`, tries it, and takes the trial back.
pub(super) async fn prove(
    job: &Job,
    before: &Catalog,
    after: &Catalog,
    way_back: &mut WayBack,
    lines: &mut Vec<String>,
) -> Result<(), Again> {
    no_role_goes(job, before, after)?;
    let proving = at("trying its undo");
    job.session.act("SAVEPOINT windlass_p").await.map_err(&proving)?;
    for step in &way_back.schema {
        if let Step::Sql { text } = step {
            job.session.act(text).await.map_err(&proving)?;
        }
    }
    let mut filled = way_back.fills.is_empty();
    let mut verdict = None;
    // Where nothing was done yet it still stands as after the statement.
    let mut known = way_back.schema.is_empty().then(|| after.clone());
    for _ in 0..PASSES {
        let now = match known.take() {
            Some(after) => after,
            None => snapshot::read(&job.session).await.map_err(at("reading the catalog"))?,
        };
        let changes =
            diff(&now, before).map_err(|why| refused(job, &format!("its way back is not found: {why}")))?;
        if changes.is_empty() && filled {
            verdict = Some(compare(before, &now));
            break;
        }
        let was_filled = filled;
        let early = move |change: &&Change| was_filled || change.early || change.gone.is_some();
        let mut unproven = None;
        for change in changes.iter().filter(early) {
            unproven = unproven.or_else(|| change.heavy.and_then(|table| large(before, table)));
            go(job, change, unproven.is_none(), way_back).await?;
        }
        let renames_only = changes
            .iter()
            .all(|change| change.gone.is_none() && change.heavy.is_none() && change.sql.contains(" RENAME "));
        if !filled && (!renames_only || changes.is_empty()) {
            for (image, columns) in &way_back.fills {
                if unproven.is_none() {
                    values::in_order(job, image, columns).await?;
                    job.session
                        .act(&image.fill(columns))
                        .await
                        .map_err(|trouble| failed(job, trouble, "putting values back"))?;
                }
                way_back.schema.push(Step::Fill { image: image.clone(), columns: columns.clone() });
            }
            filled = true;
        }
        if let Some(name) = unproven {
            way_back.schema.extend(
                changes
                    .iter()
                    .filter(|change| !early(change))
                    .map(|change| Step::Sql { text: change.sql.clone() }),
            );
            // No picture behind them will tell what else belongs to what they made.
            let more = dress(&now, before)
                .map_err(|why| refused(job, &format!("its way back is not found: {why}")))?;
            way_back.schema.extend(more.into_iter().map(|text| Step::Sql { text }));
            lines.push(format!("its undo was not tried, because that would read all of {name}"));
            verdict = Some(Verdict::Exact);
            break;
        }
    }
    job.session.act("ROLLBACK TO SAVEPOINT windlass_p").await.map_err(&proving)?;
    contents(before, after, way_back);
    anew(before, after, lines);
    judged(job, verdict, way_back, lines)
}

/// A role that goes would come back without its password, which no way back may hold.
fn no_role_goes(job: &Job, before: &Catalog, after: &Catalog) -> Result<(), Again> {
    let mut roles = before.objects.values().filter(|object| object.id.class == Class::Role);
    match roles.find(|role| !after.objects.contains_key(&role.id)) {
        None => Ok(()),
        Some(role) => {
            let name = one_line(&role.name, 80);
            Err(refused(job, &format!("role {name} would come back without its password, which is not read")))
        }
    }
}

/// Whether what the trial came to is good enough.
fn judged(
    job: &Job,
    verdict: Option<Verdict>,
    way_back: &WayBack,
    lines: &mut Vec<String>,
) -> Result<(), Again> {
    match verdict {
        None => Err(refused(
            job,
            &format!(
                "its way back comes to no end: {}",
                one_line(&format!("{:?}", way_back.schema.last()), 400)
            ),
        )),
        Some(Verdict::Different(what)) => Err(refused(
            job,
            &format!("after its undo these would be different: {}", one_line(&what.join("; "), 600)),
        )),
        Some(Verdict::ColumnOrder) => {
            lines.push("its undo was tried: equal but column order".to_owned());
            Ok(())
        }
        Some(Verdict::Exact) => Ok(()),
    }
}

/// One change: tried if it may be, and noted.
async fn go(job: &Job, change: &Change, is_tried: bool, way_back: &mut WayBack) -> Result<(), Again> {
    let proving = at("trying its undo");
    let next = step(job, change).await?;
    if !is_tried {
        way_back.schema.push(next);
        return Ok(());
    }
    job.session.act("SAVEPOINT windlass_c").await.map_err(&proving)?;
    let Err(trouble) = job.session.act(&change.sql).await else {
        way_back.schema.push(next);
        return Ok(());
    };
    let Some([question, text]) = without_cast(change, way_back) else {
        return Err(failed(job, trouble, &change.sql));
    };
    job.session.act("ROLLBACK TO SAVEPOINT windlass_c").await.map_err(&proving)?;
    job.session.act(&text).await.map_err(|trouble| failed(job, trouble, &text))?;
    let why = "values of this column were written since that its old type cannot hold".to_owned();
    way_back.schema.push(Step::Unless { question, why });
    way_back.schema.push(Step::Sql { text });
    Ok(())
}

async fn step(job: &Job, change: &Change) -> Result<Step, Again> {
    let Some((schema, table)) = &change.drops else { return Ok(Step::Sql { text: change.sql.clone() }) };
    let sql = format!("SELECT count(*) FROM {}", qualified(schema, table));
    let rows = job.session.value(&sql).await.map_err(at("counting rows"))?;
    let rows = rows.and_then(|rows| rows.parse().ok()).unwrap_or_default();
    Ok(Step::DropTable { schema: schema.clone(), table: table.clone(), rows })
}

/// A change of type whose new values cannot be cast back: the old ones are kept, so the column is emptied and filled. Gives
/// the question whether somebody wrote other values since, and the statement.
fn without_cast(change: &Change, way_back: &WayBack) -> Option<[String; 2]> {
    let (head, kind) = change.sql.split_once(" TYPE ")?;
    let (kind, _) = kind.rsplit_once(" USING ")?;
    let (table, column) = head.strip_prefix("ALTER TABLE ")?.split_once(" ALTER COLUMN ")?;
    let (image, _) = way_back.fills.iter().find(|(image, names)| {
        let same = |name: &String| windlass_sql::postgres::ident(name) == column;
        qualified(&image.schema, &image.table) == table && names.iter().any(same)
    })?;
    let sql = format!(
        "ALTER TABLE {table} ALTER COLUMN {column} DROP NOT NULL, ALTER COLUMN {column} TYPE {kind} USING NULL::{}",
        kind.split(" COLLATE ").next().unwrap_or(kind)
    );
    Some([image.others(column), sql])
}

fn large(catalog: &Catalog, oid: u32) -> Option<String> {
    let table = catalog.objects.get(&Id { class: Class::Table, oid, sub: 0 })?;
    let pages: u64 = table.get("#pages").parse().unwrap_or_default();
    (pages > PAGES_MAX).then(|| format!("{}.{}", table.schema, table.name))
}

fn failed(job: &Job, trouble: super::session::Trouble, sql: &str) -> Again {
    match trouble {
        super::session::Trouble::Server(error) => refused(
            job,
            &format!(
                "its way back does not work: `{}`: the server says: {}",
                one_line(sql, 200),
                one_line(error.message(), 300)
            ),
        ),
        trouble => Again::Trouble(trouble, "trying its undo"),
    }
}

/// How a line begins that is said before the statement runs: what its undo does not bring back as it was.
pub(super) const BEFOREHAND: &str = "beforehand: ";

/// Materialised views whose rows are not kept: their query makes them again, of what it then finds.
fn anew(before: &Catalog, after: &Catalog, lines: &mut Vec<String>) {
    let filled = |object: &&Object| object.id.class == Class::Matview && object.get("empty").is_empty();
    for was in before.objects.values().filter(filled) {
        let same = |now: &Object| now.get("#file") == was.get("#file");
        if !after.objects.get(&was.id).is_some_and(same) {
            let name = format!("{}.{}", was.schema, was.name);
            lines.push(format!(
                "{BEFOREHAND}at its undo the rows of {name} are made anew, by its query as of then"
            ));
        }
    }
}

/// What is no definition, but was changed: contents of materialised views.
fn contents(before: &Catalog, after: &Catalog, way_back: &mut WayBack) {
    for (id, was) in &before.objects {
        let Some(now) = after.objects.get(id) else { continue };
        if id.class == Class::Matview
            && was.get("#file") != now.get("#file")
            && was.get("query") == now.get("query")
        {
            let full = qualified(&was.schema, &was.name);
            let data = if was.get("empty").is_empty() { "" } else { " WITH NO DATA" };
            way_back.schema.push(Step::Sql { text: format!("REFRESH MATERIALIZED VIEW {full}{data}") });
        }
    }
}
