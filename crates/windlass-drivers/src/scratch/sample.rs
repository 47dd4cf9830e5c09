//! Samples: some rows of each table, without those whose foreign keys lead to rows that are not there.

use super::failed;
use crate::{
    backup::{create::text, tool::Tool},
    disk::one_line,
};
use std::process::{Command, Stdio};
use windlass_driver::Failure;

/// Rounds of taking orphans away; each goes one generation deeper.
const ROUNDS_MAX: u32 = 50;

/// Copies at most `rows` rows of each table of PostgreSQL; there are no constraints and triggers in the copy yet.
pub(super) fn postgres(live: &Tool, new: &Tool, rows: u64) -> Result<String, Failure> {
    let source = live.source.database.as_str();
    let tables = "SELECT format('%I.%I', n.nspname, c.relname) || chr(9) || string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum) \
                  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid \
                  WHERE c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '' AND n.nspname !~ '^pg_' \
                  AND n.nspname <> 'information_schema' GROUP BY 1, n.nspname, c.relname";
    for line in live.ask(Some(source), &tables.replace("GROUP BY 1, ", "GROUP BY "))?.lines() {
        let Some((table, columns)) = line.split_once('\t') else { continue };
        let mut from = live.client(Some(source));
        from.arg("-c").arg(format!("COPY (SELECT {columns} FROM ONLY {table} LIMIT {rows}) TO STDOUT"));
        let mut to = new.client(Some(&new.source.database));
        to.arg("-c").arg(format!("COPY {table} ({columns}) FROM STDIN"));
        move_rows(new, from, to)?;
    }
    positions(live, new)?;
    let keys = "SELECT format('DELETE FROM ONLY %s c WHERE %s AND NOT EXISTS (SELECT FROM %s p WHERE %s)', conrelid::regclass, \
                (SELECT string_agg(format('c.%I IS NOT NULL', attname), ' AND ') FROM pg_attribute WHERE attrelid = conrelid AND attnum = ANY (conkey)), \
                confrelid::regclass, (SELECT string_agg(format('c.%I = p.%I', a.attname, b.attname), ' AND ') FROM unnest(conkey, confkey) k(x, y) \
                JOIN pg_attribute a ON a.attrelid = conrelid AND a.attnum = k.x JOIN pg_attribute b ON b.attrelid = confrelid AND b.attnum = k.y)) \
                FROM pg_constraint WHERE contype = 'f' AND conparentid = 0";
    let keys = format!("SET search_path = ''; {keys}");
    let orphans: Vec<String> = live.ask(Some(source), &keys)?.lines().map(str::to_owned).collect();
    let count = |sql: &str| format!("WITH gone AS ({sql} RETURNING 1) SELECT count(*) FROM gone");
    settle(new, &orphans, &count, rows)
}

/// Sequences go on where the live ones would: a dump says that with the rows, and these did not come with it.
fn positions(live: &Tool, new: &Tool) -> Result<(), Failure> {
    let source = Some(live.source.database.as_str());
    let all = "SELECT format('SELECT format(''SELECT pg_catalog.setval(%%L, %%s, %%L);'', %L, last_value, is_called) FROM %s;', \
               name, name) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace, format('%I.%I', nspname, relname) name \
               WHERE relkind = 'S' AND relpersistence <> 't' AND nspname !~ '^pg_'";
    let questions = live.ask(source, all)?;
    let set = live.ask(source, &questions)?;
    new.ask(Some(&new.source.database), &set).map(drop)
}

/// Takes away the orphans of a sample of MySQL; there are no triggers in the copy yet.
pub(super) fn mysql(new: &Tool, rows: u64) -> Result<String, Failure> {
    let keys = "SELECT CONCAT('DELETE c FROM `', table_name, '` c LEFT JOIN `', referenced_table_name, '` p ON ', \
                GROUP_CONCAT(CONCAT('c.`', column_name, '` = p.`', referenced_column_name, '`') SEPARATOR ' AND '), ' WHERE ', \
                GROUP_CONCAT(CONCAT('c.`', column_name, '` IS NOT NULL AND p.`', referenced_column_name, '` IS NULL') SEPARATOR ' AND ')) \
                FROM information_schema.key_column_usage WHERE table_schema = DATABASE() AND referenced_table_name IS NOT NULL \
                GROUP BY constraint_name, table_name, referenced_table_name";
    let orphans: Vec<String> =
        new.ask(Some(&new.source.database), keys)?.lines().map(str::to_owned).collect();
    let count = |sql: &str| format!("SET foreign_key_checks = 0; {sql}; SELECT ROW_COUNT()");
    settle(new, &orphans, &count, rows)
}

fn settle(
    new: &Tool,
    orphans: &[String],
    count: &dyn Fn(&str) -> String,
    rows: u64,
) -> Result<String, Failure> {
    let mut gone = 0;
    for _ in 0..ROUNDS_MAX {
        let mut round = 0;
        for orphan in orphans {
            let said = new.ask(Some(&new.source.database), &count(orphan))?;
            round += said.lines().last().and_then(|line| line.trim().parse::<u64>().ok()).unwrap_or(0);
        }
        gone += round;
        if round == 0 {
            return Ok(format!(
                "it is a sample: at most {rows} rows of each table; {gone} of them were left out, since a foreign key of \
                 theirs leads to a row that is not in the sample"
            ));
        }
    }
    Err(failed("no sample whose foreign keys hold was found").hint("leave `--sample` out, or take more rows"))
}

fn move_rows(new: &Tool, mut from: Command, mut to: Command) -> Result<(), Failure> {
    let broken = |error: std::io::Error| failed(format!("the sample broke off: {error}"));
    let errors = tempfile::tempfile().map_err(broken)?;
    let mut from = from
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(errors.try_clone().map_err(broken)?)
        .spawn()
        .map_err(broken)?;
    let rows = from.stdout.take().expect("the pipe was asked for");
    let moved = to.stdin(rows).stdout(Stdio::null()).stderr(errors.try_clone().map_err(broken)?).status();
    let read = from.wait().map_err(broken)?;
    if moved.map_err(broken)?.success() && read.success() {
        return Ok(());
    }
    Err(new.said(&one_line(&text(errors), 400)))
}
