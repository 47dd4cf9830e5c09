//! What others did to definitions since the transaction took its view of the database. A statement finds the newest definitions,
//! whatever the view; so it can change or take away what the catalog, as it was read before, does not show.

use super::{
    apply::{Again, at},
    facts::{self, Counts},
    job::Job,
    session::{Session, Trouble},
};
use std::{collections::BTreeMap, time::Duration};
use windlass_plan::Action;

/// Catalogs of which definitions are read, and the rows that are those of users. Some may be read by superusers only; what
/// their rows are shows in others (of roles: in a view).
const CATALOGS: [(&str, &str); 27] = [
    ("pg_class", "oid >= 16384"),
    ("pg_attribute", "attrelid >= 16384"),
    ("pg_attrdef", "true"),
    ("pg_constraint", "true"),
    ("pg_index", "indexrelid >= 16384"),
    ("pg_type", "oid >= 16384"),
    ("pg_enum", "true"),
    ("pg_proc", "oid >= 16384"),
    ("pg_aggregate", "aggfnoid::pg_catalog.oid >= 16384"),
    ("pg_depend", "objid >= 16384"),
    ("pg_shdepend", "true"),
    ("pg_description", "objoid >= 16384"),
    ("pg_namespace", "true"),
    ("pg_trigger", "true"),
    ("pg_rewrite", "ev_class >= 16384"),
    ("pg_policy", "true"),
    ("pg_sequence", "true"),
    ("pg_inherits", "true"),
    ("pg_partitioned_table", "true"),
    ("pg_statistic_ext", "true"),
    ("pg_extension", "true"),
    ("pg_auth_members", "true"),
    ("pg_database", "true"),
    ("pg_default_acl", "true"),
    ("pg_init_privs", "objoid >= 16384"),
    ("pg_publication_rel", "true"),
    ("pg_db_role_setting", "true"),
];

/// An index leads to one of the versions of a row, and stops there if it is in view: a second one would be missed.
const INDEXES: [&str; 3] = ["enable_indexscan", "enable_indexonlyscan", "enable_bitmapscan"];

/// What differs between two looks at a table that is locked: others wrote it anew (`TRUNCATE`, `ALTER TABLE … TYPE`) since the view
/// was taken, to which it looks empty. The function reads the newest catalog, `pg_class` is read by the view.
const STALE: &str = "SELECT EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.oid = ANY (ARRAY(SELECT relation FROM \
     pg_catalog.pg_locks WHERE pid = pg_catalog.pg_backend_pid() AND locktype = 'relation')) AND c.relfilenode <> 0 AND c.relfilenode \
     IS DISTINCT FROM pg_catalog.pg_relation_filenode(c.oid))";

/// Whether a table that is locked here was emptied or written anew by others since the view was taken.
pub(super) async fn is_stale(session: &Session) -> Result<bool, Trouble> {
    Ok(session.value(STALE).await?.as_deref() != Some("f"))
}

/// How closely a try looks for what others do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Care {
    /// Rows of the catalog are counted. They come out even if nobody else did anything; and mostly not, if a part of the
    /// statement failed and was caught by it.
    #[default]
    Count,
    /// A second connection looks whether the catalog, but for what is done here, is what it was.
    Compare,
}

/// Of each catalog how many rows, and a sum of which they are.
pub(super) type Rows = BTreeMap<String, (i64, String)>;

/// The catalog before a statement.
pub(super) struct Look {
    care: Care,
    rows: Rows,
    counts: Counts,
}

impl Look {
    /// What is compared later with what others see: it is read before anything of our own is made, which nobody else sees.
    pub(super) async fn early(job: &Job, care: Care) -> Result<Option<Rows>, Trouble> {
        match care {
            Care::Compare if !job.is_scratch => rows(&job.session, care).await.map(Some),
            _ => Ok(None),
        }
    }

    /// Looks. The second value is what the server has counted in the transaction so far.
    pub(super) async fn take(job: &Job, care: Care, early: Option<Rows>) -> Result<(Self, Counts), Trouble> {
        let rows = match early {
            Some(rows) => rows,
            None if job.is_scratch => Rows::new(),
            None => rows(&job.session, care).await?,
        };
        let counts = facts::counts(&job.session).await?;
        Ok((Self { care, rows, counts: counts.clone() }, counts))
    }

    /// Behind the statement, where `counted` is what the server has counted by then: an error if it touched what was not to be seen.
    /// What it changed is locked from now on, so that this stays true until the commit.
    pub(super) async fn alone(&self, job: &Job, counted: &Counts) -> Result<(), Again> {
        // Nobody else knows of a scratch database.
        if job.is_scratch {
            return Ok(());
        }
        let looking = at("looking what others changed");
        let alone = match self.care {
            Care::Count => {
                let now = rows(&job.session, self.care).await.map_err(looking)?;
                self.is_even(&now, counted)
            }
            Care::Compare => elsewhere(job).await.map_err(looking)? == self.rows,
        };
        if alone { Ok(()) } else { Err(Again::Trouble(Trouble::Raced, "looking what others changed")) }
    }

    /// A row that was hidden and is changed comes into view, one that is deleted takes nothing out of it.
    fn is_even(&self, now: &Rows, counted: &Counts) -> bool {
        counted.of_catalogs(&self.counts).into_iter().all(|(name, [inserted, _, deleted])| {
            let of = |rows: &Rows| rows.get(name).map_or(0, |(count, _)| *count);
            let [inserted, deleted] =
                [inserted, deleted].map(|count| i64::try_from(count).unwrap_or(i64::MAX));
            let is_read = CATALOGS.iter().any(|(of, _)| *of == name);
            !is_read || of(now).saturating_sub(of(&self.rows)) == inserted.saturating_sub(deleted)
        })
    }
}

/// Rows of each catalog; with [`Care::Compare`] also which they are: a row that is changed gets another place, and the number of
/// another transaction.
async fn rows(session: &Session, care: Care) -> Result<Rows, Trouble> {
    let counted = match care {
        Care::Count => "''",
        Care::Compare => {
            "COALESCE(pg_catalog.sum(pg_catalog.hashtextextended(xmin::text || ' ' || ctid::text, 0)), 0)::text"
        }
    };
    let of = |(name, filter): &(&str, &str)| {
        format!("SELECT '{name}', pg_catalog.count(*), {counted} FROM pg_catalog.{name} WHERE {filter}")
    };
    let sql = CATALOGS.iter().map(of).collect::<Vec<_>>().join(" UNION ALL ");
    let set = |to: &str| INDEXES.map(|name| format!("SET LOCAL {name} {to}")).join("; ");
    let sql = format!("{}; {sql}; {}", set("= off"), set("TO DEFAULT"));
    let mut found = Rows::new();
    for row in session.ask(&sql).await? {
        let mut values = row.into_iter().map(Option::unwrap_or_default);
        let mut next = || values.next().unwrap_or_default();
        let (name, count) = (next(), next().parse().unwrap_or_default());
        found.insert(name, (count, next()));
    }
    Ok(found)
}

/// What is committed by now. What this transaction did is not seen there.
async fn elsewhere(job: &Job) -> Result<Rows, Trouble> {
    let Action::Sql { target, .. } = &job.unit.action else { unreachable!("a job has a statement") };
    let opened = Session::open(&job.cx, target, "windlass look", Duration::from_secs(60)).await;
    let session = opened.map_err(|failure| Trouble::Lost(failure.message))?;
    rows(&session, Care::Compare).await
}
