//! What a statement wrote into the catalog, and whether that is read at all: what no picture of the definitions shows has no way back,
//! and must not pass for nothing.

use super::{
    apply::{Again, at},
    job::Job,
    schema::refused,
};
use crate::disk::one_line;
use std::collections::BTreeSet;
use windlass_sql::{
    Dialect, Kind, Password, keywords,
    postgres::catalog::{Catalog, Class, Object, Verdict, compare},
};

/// Catalogs that a snapshot covers.
const COVERED: [&str; 30] = [
    "pg_class",
    "pg_attribute",
    "pg_attrdef",
    "pg_constraint",
    "pg_index",
    "pg_type",
    "pg_enum",
    "pg_proc",
    "pg_aggregate",
    "pg_cast",
    "pg_depend",
    "pg_shdepend",
    "pg_description",
    "pg_namespace",
    "pg_trigger",
    "pg_rewrite",
    "pg_policy",
    "pg_sequence",
    "pg_inherits",
    "pg_partitioned_table",
    "pg_statistic",
    "pg_statistic_ext",
    "pg_statistic_ext_data",
    "pg_extension",
    "pg_authid",
    "pg_auth_members",
    "pg_database",
    "pg_default_acl",
    "pg_init_privs",
    "pg_publication_rel",
];

/// Catalogs of the whole server.
const SHARED: [&str; 5] =
    ["pg_authid", "pg_auth_members", "pg_database", "pg_db_role_setting", "pg_shdescription"];

/// How rows of a catalog are compared.
struct Compared {
    /// Its name.
    name: &'static str,
    /// The object that a row is about, as `pg_describe_object` takes it.
    about: &'static str,
    /// What is no part of it: sizes, files, hints that the server keeps for itself, numbers of what is made anew each time.
    without: &'static str,
    /// Where a row says of what it is a part. What belongs to temporary tables goes by itself, and the places for long values are
    /// named after their tables.
    part_of: &'static str,
}

/// Of the catalogs that are not here, statistics are nobody's definition, and those of the whole server are not for everybody to read.
const ROWS: [Compared; 25] = [
    row(
        "pg_class",
        "'pg_class', oid, 0",
        "relnatts relpages reltuples relallvisible relallfrozen relfrozenxid relminmxid relhasindex relhasrules relhastriggers relhassubclass relfilenode reltoastrelid relacl",
        "oid relnamespace",
    ),
    row(
        "pg_attribute",
        "'pg_class', attrelid, attnum",
        "atthasmissing attmissingval attcacheoff attoptions",
        "attrelid",
    ),
    row("pg_attrdef", "'pg_class', adrelid, adnum", "oid", "adrelid"),
    row("pg_constraint", "'pg_constraint', oid, 0", "", "conrelid connamespace"),
    row("pg_index", "'pg_class', indexrelid, 0", "indcheckxmin", "indrelid"),
    row("pg_type", "'pg_type', oid, 0", "typacl", "typnamespace"),
    row("pg_enum", "'pg_type', enumtypid, 0", "", ""),
    row("pg_proc", "'pg_proc', oid, 0", "proacl", "pronamespace"),
    row("pg_aggregate", "'pg_proc', aggfnoid::oid, 0", "", ""),
    row("pg_cast", "'pg_cast', oid, 0", "", ""),
    row("pg_depend", "classid, objid, objsubid", "", ""),
    row("pg_description", "classoid, objoid, objsubid", "", "objoid"),
    row("pg_namespace", "'pg_namespace', oid, 0", "nspacl", "oid"),
    row("pg_trigger", "'pg_trigger', oid, 0", "", "tgrelid"),
    row("pg_rewrite", "'pg_rewrite', oid, 0", "", "ev_class"),
    row("pg_policy", "'pg_policy', oid, 0", "", "polrelid"),
    row("pg_sequence", "'pg_class', seqrelid, 0", "", "seqrelid"),
    row("pg_inherits", "'pg_class', inhrelid, 0", "", "inhrelid"),
    row("pg_partitioned_table", "'pg_class', partrelid, 0", "", "partrelid"),
    row("pg_statistic_ext", "'pg_statistic_ext', oid, 0", "", "stxrelid stxnamespace"),
    row("pg_extension", "'pg_extension', oid, 0", "", ""),
    row("pg_auth_members", "'pg_authid', member, 0", "", ""),
    row("pg_default_acl", "'pg_default_acl', oid, 0", "", ""),
    row("pg_init_privs", "classoid, objoid, objsubid", "", "objoid"),
    row("pg_publication_rel", "'pg_publication_rel', oid, 0", "", "prrelid"),
];

const fn row(
    name: &'static str,
    about: &'static str,
    without: &'static str,
    part_of: &'static str,
) -> Compared {
    Compared { name, about, without, part_of }
}

/// Privileges: those of `NULL` are those that the server gives by itself.
const PRIVILEGES: [(&str, &str); 4] = [
    ("pg_class", "relacl, acldefault(CASE WHEN relkind = 'S' THEN 's'::\"char\" ELSE 'r' END, relowner)"),
    ("pg_type", "typacl, acldefault('T', typowner)"),
    ("pg_proc", "proacl, acldefault('f', proowner)"),
    ("pg_namespace", "nspacl, acldefault('n', nspowner)"),
];

/// What is said of a statement that a scratch database cannot try.
pub(super) const OUTSIDE: &str = "it acts on more than this database";

/// Whether `catalogs` are of this database only.
pub(super) fn stays_inside(job: &Job, catalogs: &[&str]) -> Result<(), Again> {
    match catalogs.iter().find(|name| SHARED.contains(name)).filter(|_| job.is_scratch) {
        Some(shared) => Err(refused(job, &format!("{OUTSIDE} ({shared}), so it is not tried beforehand"))),
        None => Ok(()),
    }
}

/// A change of catalogs that no snapshot reads cannot be taken back.
pub(super) fn known(job: &Job, before: &Catalog, after: &Catalog, catalogs: &[&str]) -> Result<(), Again> {
    let extension = |catalog: &Catalog| {
        catalog.objects.values().filter(|object| object.id.class == Class::Extension).count()
    };
    let members = extension(before) != extension(after);
    let strange: Vec<&str> =
        catalogs.iter().filter(|name| !COVERED.contains(name) && !members).copied().collect();
    stays_inside(job, catalogs)?;
    let shared = catalogs.iter().any(|name| ["pg_authid", "pg_database"].contains(name));
    // All of a role can be read but its password.
    let is_read = || windlass_sql::password(job.statement(), Dialect::Postgresql) == Some(Password::Unsaid);
    let same = shared && compare(before, after) == Verdict::Exact && !is_read();
    if strange.is_empty() && !same {
        return Ok(());
    }
    let what = if same { "something of a role or database that cannot be read" } else { "kinds of objects" };
    Err(refused(
        job,
        &format!(
            "it changes {what} whose way back is not known ({})",
            if same { "pg_authid".into() } else { strange.join(", ") }
        ),
    ))
}

/// Catalogs in which rights and owners stand, also those of what no picture shows.
const OWNED: [&str; 4] = ["pg_class", "pg_type", "pg_proc", "pg_namespace"];

/// The catalogs whose own rows have to be compared: those that the statement wrote although the definitions, as they are read, are what
/// they were. It may have written what was there already; or what is not read. One that gives rights or owners to many at once may do so
/// to what is not read beside what is.
pub(super) fn unseen(
    job: &Job,
    before: &Catalog,
    after: &Catalog,
    catalogs: &[&str],
) -> BTreeSet<&'static str> {
    let all = ROWS.iter().map(|row| row.name).filter(|name| catalogs.contains(name));
    if seen(before, after) {
        let gives = ["GRANT", "REVOKE", "REASSIGN"];
        let first = keywords(job.statement(), Dialect::Postgresql, 1);
        let gives = first.first().is_some_and(|word| gives.contains(&word.as_str()));
        return all.filter(|name| gives && OWNED.contains(name)).collect();
    }
    match tidies(job) {
        // Which index it went by is noted there, also of a partition.
        true => all.filter(|name| *name == "pg_index").collect(),
        false => all.collect(),
    }
}

/// Whether the definitions, as they are read, differ.
fn seen(before: &Catalog, after: &Catalog) -> bool {
    let is = |one: &Object, other: &Object| {
        (one.id, &one.schema, &one.name) == (other.id, &other.schema, &other.name)
            && one.definition().eq(other.definition())
    };
    before.objects.len() != after.objects.len()
        || before.objects.values().zip(after.objects.values()).any(|(one, other)| !is(one, other))
}

/// Whether the statement writes the same rows into other files, or counts them: it would be long to do it twice.
fn tidies(job: &Job) -> bool {
    let first = keywords(job.statement(), Dialect::Postgresql, 1);
    let moves = job.statement().to_ascii_uppercase().contains("TABLESPACE");
    let rewrites = ["REFRESH", "REINDEX", "CLUSTER"].into_iter().any(|word| first == [word]);
    job.summary().kind == Kind::Analyze || rewrites && !moves
}

/// A row: its catalog, what it is about, and a sum of it.
type Row = (String, [String; 3], String);

/// Rows of catalogs.
pub(super) struct Rows(BTreeSet<Row>);

impl Rows {
    /// Reads those of `catalogs`; of none, if there are none.
    pub(super) async fn read(job: &Job, catalogs: &BTreeSet<&'static str>) -> Result<Self, Again> {
        let of: Vec<String> = ROWS.iter().filter(|row| catalogs.contains(row.name)).map(question).collect();
        if of.is_empty() {
            return Ok(Self(BTreeSet::new()));
        }
        let sql = format!("{TEMPORARY} {}", of.join(" UNION ALL "));
        let rows = job.session.ask(&sql).await.map_err(at("reading the catalog"))?;
        let row = |row: Vec<Option<String>>| {
            let mut values = row.into_iter().map(Option::unwrap_or_default);
            let mut next = || values.next().unwrap_or_default();
            (next(), [next(), next(), next()], next())
        };
        Ok(Self(rows.into_iter().map(row).collect()))
    }

    /// An error, if they are not the same as `before`: the statement changed what is not read. What the two pictures show differently is
    /// read.
    pub(super) async fn same(
        &self,
        job: &Job,
        before: &Self,
        pictures: (&Catalog, &Catalog),
    ) -> Result<(), Again> {
        let other: Vec<&Row> = self.0.symmetric_difference(&before.0).collect();
        let found = match seen(pictures.0, pictures.1) {
            true => beyond(job, &other, pictures).await?,
            false => other.first().copied(),
        };
        let Some((catalog, [class, oid, sub], _)) = found else { return Ok(()) };
        let sql = format!("SELECT pg_catalog.pg_describe_object({class}, {oid}, {sub})");
        // What is gone has no name any more (before PostgreSQL 14 an error).
        let name = job.session.value(&sql).await.ok().flatten();
        let of = name.map_or_else(String::new, |name| format!(" of {}", one_line(&name, 120)));
        Err(refused(
            job,
            &format!(
                "it changes something{of} that is not read ({catalog}), so its undo would leave it changed"
            ),
        ))
    }
}

/// The first of these rows that is about nothing in the pictures, and no part of something, as the row type of a table is.
async fn beyond<'a>(
    job: &Job,
    rows: &[&'a Row],
    pictures: (&Catalog, &Catalog),
) -> Result<Option<&'a Row>, Again> {
    let read: BTreeSet<u32> =
        pictures.0.objects.keys().chain(pictures.1.objects.keys()).map(|id| id.oid).collect();
    let is_read = |row: &&&Row| row.1[1].parse().is_ok_and(|oid: u32| read.contains(&oid));
    let rows: Vec<&Row> = rows.iter().filter(|row| !is_read(row)).copied().collect();
    if rows.is_empty() {
        return Ok(None);
    }
    let values = |(at, (_, [class, oid, _], _)): (usize, &&Row)| format!("({at}, {class}::oid, {oid}::oid)");
    let list: Vec<String> = rows.iter().enumerate().map(values).collect();
    let sql = format!(
        "SELECT at FROM (VALUES {}) v(at, class, id) WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_depend WHERE classid = class AND objid = id \
         AND deptype = 'i') ORDER BY at LIMIT 1",
        list.join(", ")
    );
    let at = job.session.value(&sql).await.map_err(at("reading the catalog"))?;
    Ok(at.and_then(|at| rows.get(at.parse::<usize>().ok()?).copied()))
}

const TEMPORARY: &str = "WITH no AS MATERIALIZED (SELECT oid FROM pg_catalog.pg_class WHERE relpersistence = 't' OR relnamespace = \
     'pg_toast'::regnamespace UNION ALL SELECT oid FROM pg_catalog.pg_namespace WHERE nspname ~ '^pg_(toast_)?temp_')";

/// Numbers below this one are those of what the server brings along (`FirstNormalObjectId`).
const BROUGHT: u32 = 16_384;

fn question(Compared { name, about, without, part_of }: &Compared) -> String {
    let acl = PRIVILEGES.iter().find(|(of, _)| of == name).map(|(_, acl)| {
        format!("(SELECT string_agg(x::text, ' ' ORDER BY x::text) FROM aclexplode(COALESCE({acl})) x)")
    });
    // The server's own count of what was done to the column stands among its options since 15.20.
    let options = (*name == "pg_attribute").then(|| {
        "(SELECT string_agg(o, ',' ORDER BY o) FROM unnest(c.attoptions) o WHERE o !~ '^pg_attver=')"
            .to_owned()
    });
    let beside = acl.or(options).unwrap_or_else(|| "NULL".to_owned());
    let about = match about.strip_prefix('\'') {
        Some(about) => format!("'{}", about.replacen("',", "'::regclass::oid,", 1)),
        None => (*about).to_owned(),
    };
    let without: Vec<_> = without.split_whitespace().map(|word| format!("'{word}'")).collect();
    let mut only: Vec<_> =
        part_of.split_whitespace().map(|word| format!("c.{word} NOT IN (SELECT oid FROM no)")).collect();
    // What depends on what is in the definitions, but for what goes with an extension.
    only.extend((*name == "pg_depend").then(|| "c.deptype IN ('e', 'x')".to_owned()));
    only.extend((*name == "pg_attribute").then(|| "NOT c.attisdropped".to_owned()));
    only.push("true".to_owned());
    // Where in its text a part of an expression stands is no part of it; what the server brings along is not made anew, and long.
    format!(
        "SELECT '{name}', a1, a2, a3, md5(CASE WHEN a2 < {BROUGHT} THEN r ELSE regexp_replace(r, ':(stmt_)?(location|len) -?[0-9]+', '', 'g') \
         END || COALESCE(beside, '')) FROM (SELECT (to_jsonb(c) - ARRAY[{}]::text[])::text AS r, {beside} AS beside, x.* FROM pg_catalog.{name} c, \
         LATERAL (VALUES ({about})) x(a1, a2, a3) WHERE {}) y",
        without.join(", "),
        only.join(" AND "),
    )
}
