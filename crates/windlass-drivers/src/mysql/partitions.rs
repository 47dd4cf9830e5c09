//! What `DROP PARTITION` and `TRUNCATE PARTITION` take away: each partition changes places with a table of ours, which a
//! server does without a look at the rows, and changes back at the undo. See `exchange`.

use super::aside::{Aside, aside_name};
use super::data::no_undo;
use super::exchange::{Exchange, Leaf};
use super::image::q;
use super::statement::Job;
use windlass_driver::Failure;
use windlass_sql::mysql::{
    Catalog, ObjectKind, PartKind, Partitioning, Renames, Step, Table, alter, partition_names,
};
use windlass_sql::{Change, Ddl, Dialect};

/// Partitions whose rows a statement may take away: each gets a table.
const LEAVES_MAX: usize = 64;

/// How they are set aside; `None`: it takes none of them.
pub(super) fn find(job: &Job<'_>, before: &Catalog, after: &Catalog) -> Result<Option<Aside>, Failure> {
    let Some(Ddl::AlterTable(statement)) = windlass_sql::ddl(job.statement, Dialect::Mysql) else {
        return Ok(None);
    };
    let losing = statement.changes.iter().find_map(|change| match change {
        Change::Partition(word) if word == "DROP" || word == "TRUNCATE" => Some(word.as_str()),
        _ => None,
    });
    let Some(word) = losing else { return Ok(None) };
    let read = |catalog: &Catalog| {
        let key = (ObjectKind::Table, statement.table.base().to_owned());
        let table = Table::read(&catalog.get(&key)?.text)?;
        Partitioning::read(&table.partitions).map(|parts| (table, parts))
    };
    let Some(((old, parts), (new, rest))) = read(before).zip(read(after)) else {
        let why = format!("`{}` is no table with partitions that can be read", statement.table.base());
        return Err(no_undo(job, &why));
    };
    keepable(job, &old)?;
    let named = partition_names(job.statement);
    let is_gone = |name: &str| match word {
        "DROP" => rest.list.iter().all(|part| part.name != name),
        _ => named.is_empty() || named.iter().any(|other| other.eq_ignore_ascii_case(name)),
    };
    let (mut dropped, mut leaves) = (vec![], vec![]);
    for part in &parts.list {
        let is_whole = is_gone(&part.name);
        if is_whole {
            dropped.push(q(&part.name));
        }
        // MySQL empties a single subpartition, too.
        let some = part.leaves.iter().filter(|leaf| is_whole || (word == "TRUNCATE" && is_gone(leaf)));
        leaves.extend(some.cloned());
    }
    if leaves.is_empty() {
        return Ok(None);
    }
    if leaves.len() > LEAVES_MAX {
        let why = format!(
            "it takes the rows of {} partitions, and no more than {LEAVES_MAX} are set aside by one statement: write several",
            leaves.len()
        );
        return Err(no_undo(job, &why));
    }
    let drop = format!("ALTER TABLE {} DROP PARTITION {}", q(&old.name), dropped.join(", "));
    let drop = (word == "DROP").then_some(drop);
    Ok(Some(way(job, (&old, &new), &leaves, drop)))
}

/// Refuses tables whose rows cannot change places with those of a plain one.
fn keepable(job: &Job<'_>, table: &Table) -> Result<(), Failure> {
    let engine = table.option("ENGINE").unwrap_or_default();
    if !engine.eq_ignore_ascii_case("InnoDB") {
        let why = format!("`{}` is {engine}, which knows no transactions", table.name);
        return Err(no_undo(job, &why));
    }
    let is_versioned = table.option("WITH SYSTEM VERSIONING").is_some()
        || table.columns.iter().any(|column| column.text.contains(" GENERATED ALWAYS AS ROW "));
    match is_versioned {
        true => Err(no_undo(job, "rows of the history of a table cannot be written again")),
        false => Ok(()),
    }
}

fn way(job: &Job<'_>, (old, new): (&Table, &Table), leaves: &[String], drop: Option<String>) -> Aside {
    let name = |leaf: &str, at: usize| aside_name(job, at, &format!("{}_{leaf}", old.name));
    let leaf = |(at, partition): (usize, &String)| Leaf {
        partition: partition.clone(),
        taken: name(partition, 3 * at),
        kept: name(partition, 3 * at + 1),
        since: name(partition, 3 * at + 2),
    };
    let mut exchange = Exchange {
        table: old.name.clone(),
        leaves: leaves.iter().enumerate().map(leaf).collect(),
        drop,
        there: 0..0,
        back: 0..0,
    };
    let mut plain = Table { partitions: String::new(), ..old.clone() };
    // Rows hold what the table asks of them, and MySQL gives the name of a check to one table only.
    plain.parts.retain(|part| part.kind != PartKind::Check);
    let create = |name: &String| Step::plain(Table { name: name.clone(), ..plain.clone() }.create());
    let places = |side: fn(&Leaf) -> &String| {
        let step = |leaf| Step::plain(exchange.places(leaf, side(leaf)));
        exchange.leaves.iter().map(step).collect::<Vec<_>>()
    };
    let remove = |name: &String| Step::plain(format!("DROP TABLE {}", q(name)));

    let mut forward: Vec<Step> = exchange.leaves.iter().map(|leaf| create(&leaf.taken)).collect();
    let there = forward.len();
    forward.extend(places(|leaf| &leaf.taken));
    forward.extend(exchange.drop.clone().map(Step::plain));
    let there = there..forward.len();
    // By the names it is known that all is done: a change of places shows in no definition.
    let pairs = exchange.leaves.iter().map(|leaf| format!("{} TO {}", q(&leaf.taken), q(&leaf.kept)));
    forward.push(Step::plain(format!("RENAME TABLE {}", pairs.collect::<Vec<_>>().join(", "))));

    let mut back: Vec<Step> = exchange.leaves.iter().map(|leaf| create(&leaf.since)).collect();
    if exchange.drop.is_some() {
        back.extend(alter(new, old, &[], false).into_iter().map(Step::plain));
    }
    let begin = back.len();
    back.extend(places(|leaf| &leaf.kept));
    let begin = begin..back.len();
    back.extend(exchange.leaves.iter().map(|leaf| remove(&leaf.kept)));
    back.extend(exchange.leaves.iter().map(|leaf| remove(&leaf.since)));

    (exchange.there, exchange.back) = (there, begin);
    let shown = |leaf: &Leaf| {
        (leaf.kept.clone(), format!("rows of table {}, partition {}", old.name, leaf.partition))
    };
    Aside {
        forward,
        back: Some(back),
        renames_back: Renames::default(),
        tables: exchange.leaves.iter().flat_map(Leaf::tables).cloned().collect(),
        names: exchange.leaves.iter().map(shown).collect(),
        exchange: Some(exchange),
    }
}
