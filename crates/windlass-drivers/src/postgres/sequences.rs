//! Where sequences stand. No rollback of PostgreSQL turns them back, so a try that comes to nothing leaves them where it set them.
//! Those that a statement names in `setval` get a file of their own in its transaction first: that goes with it.

use super::{
    apply::{Again, at},
    back::{Step, WayBack},
    job::{Job, Scope},
    schema::quoted,
    session::Row,
};
use std::collections::BTreeMap;
use windlass_sql::postgres::{
    catalog::{Catalog, Class, Id},
    qualified, set_by_setval, text,
};

/// Where sequences stood before any try of the statement, and where the last one left them.
pub(super) type Moved = BTreeMap<Id, [String; 2]>;

/// What this try adds to what is `known` of those before: a sequence that somebody else moved in between begins anew.
pub(super) fn moved(known: &Moved, before: &Catalog, after: &Catalog) -> Moved {
    let mut found = Moved::new();
    for (id, was) in &before.objects {
        let Some(now) = after.objects.get(id) else { continue };
        let (was, now) = (was.get("#last"), now.get("#last"));
        let first = known.get(id).filter(|[_, left]| left == was).map_or(was, |[first, _]| first);
        if first != now {
            found.insert(*id, [first.to_owned(), now.to_owned()]);
        }
    }
    found
}

/// How they are set back: only if nobody has used them since.
pub(super) fn back(moved: &Moved, before: &Catalog, held: &Held, way_back: &mut WayBack) {
    for (id, [old, last]) in moved {
        let (Some(was), Ok(old)) = (before.objects.get(id), old.parse::<i64>()) else { continue };
        let full = qualified(&was.schema, &was.name);
        let sequence = match id.class {
            _ if held.0.iter().any(|one| one.id == *id) => continue,
            Class::Sequence => format!("{}::pg_catalog.regclass", quoted(&full)),
            Class::Column => {
                let table = before
                    .parent(was)
                    .map_or_else(String::new, |table| qualified(&table.schema, &table.name));
                format!(
                    "pg_catalog.pg_get_serial_sequence({}, {})::pg_catalog.regclass",
                    quoted(&table),
                    quoted(&was.name)
                )
            }
            _ => continue,
        };
        let same = if last.is_empty() { "IS NULL".to_owned() } else { format!("= {last}") };
        let text = format!(
            "SELECT pg_catalog.setval(s, {old}) FROM (SELECT {sequence} AS s) x WHERE pg_catalog.pg_sequence_last_value(s) {same}"
        );
        way_back.schema.push(Step::Sql { text });
    }
}

/// Sequences that are the transaction's own until it ends.
pub(super) struct Held(Vec<One>);

struct One {
    /// As the pictures of the definitions have it: of a column that is an identity, the column.
    id: Id,
    /// Its name, quoted.
    name: String,
    /// Where it stood.
    stood: Stand,
}

/// The last number, and whether it is given out already.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Stand {
    last: String,
    called: bool,
}

impl Stand {
    async fn of(job: &Job, sequence: &str) -> Result<Self, Again> {
        let rows = job.session.ask(&format!("SELECT last_value, is_called FROM {sequence}")).await;
        let row = rows.map_err(at("looking where the sequence stands"))?.into_iter().next();
        let mut values = row.unwrap_or_default().into_iter().map(Option::unwrap_or_default);
        let mut next = || values.next().unwrap_or_default();
        Ok(Self { last: next(), called: next() == "t" })
    }

    fn shown(&self) -> String {
        if self.called { format!("stands at {}", self.last) } else { format!("begins with {}", self.last) }
    }
}

impl Held {
    /// Takes those that the statement sets. Others wait for their next number until the commit.
    pub(super) async fn take(job: &Job, scope: &Scope) -> Result<Self, Again> {
        let mut held = vec![];
        for expression in set_by_setval(job.statement()).unwrap_or_default() {
            let sql = format!(
                "SELECT n.nspname, c.relname, q.seqincrement, c.oid, d.refobjid, d.refobjsubid FROM pg_catalog.pg_class c JOIN \
                 pg_catalog.pg_namespace n ON n.oid = c.relnamespace JOIN pg_catalog.pg_sequence q ON q.seqrelid = c.oid LEFT JOIN \
                 pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid AND d.deptype = 'i' \
                 WHERE c.oid = pg_catalog.to_regclass(({expression})::text)"
            );
            let holding = at("looking which sequence it sets");
            let rows = job.session.ask(&scope.around(&sql)).await.map_err(holding)?;
            // One that is not there is for the server to say.
            let Some(found) = rows.into_iter().next() else { continue };
            let (id, name, step) = read(found);
            if held.iter().any(|one: &One| one.id == id) {
                continue;
            }
            // What is said is what is so already; but it is written to a new file.
            let own = format!("ALTER SEQUENCE {name} INCREMENT BY {step}");
            job.session.act(&own).await.map_err(at("keeping the sequence that it sets"))?;
            let stood = Stand::of(job, &name).await?;
            held.push(One { id, name, stood });
        }
        Ok(Self(held))
    }

    /// How those are set back that the statement has set.
    pub(super) async fn settle(
        &self,
        job: &Job,
        way_back: &mut WayBack,
        lines: &mut Vec<String>,
    ) -> Result<(), Again> {
        for One { name, stood, .. } in &self.0 {
            let now = Stand::of(job, name).await?;
            if now == *stood {
                continue;
            }
            let text = format!(
                "SELECT pg_catalog.setval({}::pg_catalog.regclass, {}, {}) FROM {name} WHERE last_value = {} AND is_called = {}",
                text(name),
                stood.last,
                stood.called,
                now.last,
                now.called
            );
            way_back.schema.push(Step::Sql { text });
            lines.push(format!("sequence {name} {}; before, it {}", now.shown(), stood.shown()));
        }
        Ok(())
    }
}

/// Which object a row is about, its name, quoted, and its step.
fn read(row: Row) -> (Id, String, String) {
    let mut values = row.into_iter().map(Option::unwrap_or_default);
    let mut next = || values.next().unwrap_or_default();
    let name = qualified(&next(), &next());
    let step = next();
    let mut number = || next().parse::<u32>().ok();
    let (oid, table, column) = (number().unwrap_or_default(), number(), number());
    let id = match table.zip(column.and_then(|column| i32::try_from(column).ok())) {
        Some((oid, sub)) => Id { class: Class::Column, oid, sub },
        None => Id { class: Class::Sequence, oid, sub: 0 },
    };
    (id, name, step)
}
