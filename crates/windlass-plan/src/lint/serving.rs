//! Statements that the version before cannot live with, and where in the release they do no harm.

use super::{Entry, Facts, sql::dialect};
use crate::{Action, ServiceOperation};
use std::{
    borrow::Cow,
    collections::{BTreeMap, HashSet},
};
use windlass_document::Finding;
use windlass_sql::{
    AlterTable, Change, Compatibility, ConstraintKind, Ddl, DefaultKind, Judged, Live, ObjectName, ddl, judge,
};

/// A statement that takes something away from the version before, or gives it another shape.
pub(super) struct Harm<'a> {
    pub(super) entry: Entry<'a>,
    /// Where among all entries.
    at: usize,
    pub(super) meaning: Compatibility,
    /// The text decides it, or the catalog was read.
    pub(super) certain: bool,
    pub(super) ddl: Ddl,
}

/// All such statements of a release, judged with the catalogs that are known, as the statements before leave them. What the
/// release makes itself is used by no version before.
pub(super) fn harms<'a>(facts: &Facts<'a>) -> Vec<Harm<'a>> {
    let mut made: BTreeMap<&str, Made> = BTreeMap::new();
    let mut now: BTreeMap<&str, Live> = BTreeMap::new();
    let mut harms: Vec<Harm<'a>> = Vec::new();
    for (at, entry) in facts.entries().enumerate() {
        let Action::Sql { target, statement, .. } = &entry.unit.action else { continue };
        let Some(ddl) = dialect(facts, target).and_then(|dialect| ddl(statement, dialect)) else { continue };
        if let (false, Some(live)) = (now.contains_key(target.as_str()), facts.catalogs.get(target)) {
            now.insert(target, live.clone());
        }
        let live = now.get_mut(target.as_str());
        let made = made.entry(target).or_default();
        let mut worst: Option<Judged> = None;
        for part in parts(&ddl) {
            let mut judged = judge(&part, live.as_deref());
            judged.certain &= !made.may_have(&part);
            if !made.has(&part) && !is_absent(&part, live.as_deref()) {
                worst = worst.max(Some(judged));
            }
            made.remember(&part, live.as_deref());
        }
        if let Some(live) = live {
            live.change(&ddl);
        }
        if let Ddl::CreateOther { what, name: Some(name), .. } = &ddl {
            // Dropped and made again in one step is replaced.
            harms.retain(|harm| {
                harm.entry.compiled.step.id != entry.compiled.step.id || !drops(&harm.ddl, what, name)
            });
        }
        if let Some(Judged { meaning, certain }) = worst
            && meaning >= Compatibility::Contract
        {
            harms.push(Harm { entry, at, meaning, certain, ddl });
        }
    }
    harms
}

/// The changes of an `ALTER TABLE`, each alone: one may be on what another has made.
fn parts(ddl: &Ddl) -> Vec<Cow<'_, Ddl>> {
    let Ddl::AlterTable(alter) = ddl else { return vec![Cow::Borrowed(ddl)] };
    if alter.changes.len() < 2 {
        return vec![Cow::Borrowed(ddl)];
    }
    let mut shell = alter.clone();
    shell.changes.clear();
    let alone = |change: &Change| {
        Cow::Owned(Ddl::AlterTable(AlterTable { changes: vec![change.clone()], ..shell.clone() }))
    };
    alter.changes.iter().map(alone).collect()
}

/// `DROP TABLE IF EXISTS` of what is surely not there.
fn is_absent(ddl: &Ddl, live: Option<&Live>) -> bool {
    let Ddl::Drop(drop) = ddl else { return false };
    drop.what == "TABLE" && drop.if_exists && drop.names.iter().all(|name| lacks(live, name))
}

/// Whether the catalog was read, and has no such table.
fn lacks(live: Option<&Live>, name: &ObjectName) -> bool {
    live.is_some_and(|live| {
        live.unknown.is_empty() && name.qualifier().is_none() && live.table(name).is_none()
    })
}

/// Whether the statement takes only this view, function or procedure away.
fn drops(ddl: &Ddl, what: &str, name: &ObjectName) -> bool {
    let Ddl::Drop(drop) = ddl else { return false };
    drop.what == what && matches!(&drop.names[..], [only] if full(only) == full(name))
}

/// What the release itself has made so far.
#[derive(Default)]
struct Made {
    tables: HashSet<String>,
    /// Bases of names of tables that it may have made: it is not known whether they were there, or in which schema.
    perhaps: HashSet<String>,
    /// Views, functions and other things, with what they are.
    others: HashSet<(String, String)>,
    /// Columns of tables, and whether rows get a value that is not NULL without naming them.
    columns: BTreeMap<(String, String), bool>,
}

fn full(name: &ObjectName) -> String {
    name.parts.join(".").to_lowercase()
}

fn base(name: &ObjectName) -> String {
    name.base().to_lowercase()
}

impl Made {
    /// Whether what the statement changes was made by the release. An `ALTER TABLE` has one change here.
    fn has(&self, ddl: &Ddl) -> bool {
        let table = |name: &ObjectName| self.tables.contains(&full(name));
        match ddl {
            Ddl::AlterTable(alter) => {
                let own = |name: &String| self.column(&alter.table, name).is_some();
                table(&alter.table)
                    || alter.changes.iter().all(|change| match change {
                        Change::DropColumn { name, .. } => own(name),
                        Change::RenameColumn { from, .. } | Change::ChangeColumn { from, .. } => own(from),
                        Change::SetType { column: name, .. } | Change::DropDefault(name) => own(name),
                        Change::Modify(new) => own(&new.name),
                        Change::SetNotNull(name) => self.column(&alter.table, name) == Some(true),
                        Change::AddConstraint(added)
                            if matches!(added.kind, ConstraintKind::Unique | ConstraintKind::ForeignKey) =>
                        {
                            self.leaves_null(&alter.table, &added.columns)
                        }
                        _ => false,
                    })
            }
            Ddl::CreateIndex(index) => table(&index.table) || self.leaves_null(&index.table, &index.columns),
            Ddl::Drop(drop) if drop.what == "TABLE" => !drop.names.is_empty() && drop.names.iter().all(table),
            Ddl::Drop(drop) => {
                let other = |name: &ObjectName| self.others.contains(&(drop.what.clone(), full(name)));
                !drop.names.is_empty() && drop.names.iter().all(other)
            }
            Ddl::RenameTable(pairs) => pairs.iter().all(|(from, _)| table(from)),
            _ => false,
        }
    }

    fn column(&self, table: &ObjectName, name: &str) -> Option<bool> {
        self.columns.get(&(full(table), name.to_lowercase())).copied()
    }

    /// Rows that the version before inserts hold NULL in one of the columns, which no key looks at.
    fn leaves_null(&self, table: &ObjectName, columns: &[String]) -> bool {
        columns.iter().any(|name| self.column(table, name) == Some(false))
    }

    /// Whether the table of the statement may have been made by the release.
    fn may_have(&self, ddl: &Ddl) -> bool {
        let table = match ddl {
            Ddl::AlterTable(alter) => &alter.table,
            Ddl::CreateIndex(index) => &index.table,
            _ => return false,
        };
        self.perhaps.contains(&base(table))
    }

    fn remember(&mut self, ddl: &Ddl, live: Option<&Live>) {
        match ddl {
            Ddl::CreateTable(table) if !table.if_not_exists || lacks(live, &table.name) => {
                self.tables.insert(full(&table.name));
                if table.name.qualifier().is_some() {
                    // Named without its schema, it may be another one.
                    self.perhaps.insert(base(&table.name));
                }
            }
            Ddl::CreateTable(table) if live.is_none_or(|live| live.table(&table.name).is_none()) => {
                self.perhaps.insert(base(&table.name));
            }
            Ddl::CreateOther { what, name: Some(name), or_replace: false, .. } => {
                self.others.insert((what.clone(), full(name)));
            }
            Ddl::Drop(drop) => {
                for name in &drop.names {
                    self.tables.remove(&full(name));
                    self.others.remove(&(drop.what.clone(), full(name)));
                }
            }
            Ddl::AlterTable(alter) => self.remember_change(alter),
            _ => {}
        }
    }

    fn remember_change(&mut self, alter: &AlterTable) {
        let table = full(&alter.table);
        for change in &alter.changes {
            match change {
                Change::AddColumn(column) => {
                    let default = column.default.as_ref();
                    let filled = default.is_some_and(|default| default.kind != DefaultKind::Null)
                        || column.is_numbered()
                        || column.generated.is_some();
                    self.columns.insert((table.clone(), column.name.to_lowercase()), filled);
                }
                Change::RenameTable(to) if self.tables.contains(&table) => {
                    self.tables.insert(full(to));
                }
                _ => {}
            }
        }
    }
}

/// An operation on a service: its place among all entries, its entry, the service, what is done.
type Operation<'a> = (usize, Entry<'a>, &'a str, ServiceOperation);

/// What the release does to services, in order. Whether services that it leaves alone use the database is not known.
pub(super) struct Services<'f, 'a>(Vec<Operation<'a>>, &'f Facts<'a>);

impl<'f, 'a> Services<'f, 'a> {
    pub(super) fn of(facts: &'f Facts<'a>) -> Self {
        let operation = |(at, entry): (usize, Entry<'a>)| match &entry.unit.action {
            Action::Service { operation: ServiceOperation::Keep, .. } => None,
            Action::Service { service, operation } => Some((at, entry, service.as_str(), *operation)),
            _ => None,
        };
        Self(facts.entries().enumerate().filter_map(operation).collect(), facts)
    }

    /// A service that still serves with the version before when a statement runs, and may use its database: nothing was done
    /// to it yet.
    pub(super) fn serving(&self, harm: &Harm<'_>) -> Option<&'a str> {
        let begun: HashSet<&str> =
            self.0.iter().take_while(|(at, ..)| *at < harm.at).map(|(_, _, service, _)| *service).collect();
        let serves = |service: &&str| !begun.contains(service) && self.1.may_use(service, harm.entry);
        self.0.iter().map(|(_, _, service, _)| *service).find(serves)
    }
}

/// Where in the document the statement does no harm to `service`, and how it can be split, as help and second places.
pub(super) fn with_place(
    finding: Finding,
    services: &Services<'_, '_>,
    harm: &Harm<'_>,
    service: &str,
) -> Finding {
    let own = || services.0.iter().filter(|(at, _, name, _)| *name == service && *at > harm.at);
    let stop = own().find(|(.., operation)| *operation == ServiceOperation::Stop);
    let start = stop.and_then(|(stop, ..)| {
        own().find(|(at, .., operation)| at > stop && *operation != ServiceOperation::Stop)
    });
    let named = |entry: &Entry<'_>| format!("line {} (#{})", entry.unit.line, entry.compiled.step.id);
    let split = split(&harm.ddl);
    match (stop, start) {
        (Some((_, stop, ..)), Some((_, start, ..))) => finding
            .also(stop.mark.span, "from here on nobody serves")
            .also(start.mark.span, "until here")
            .help(format!("move it between {} and {}; or split it: {split}", named(stop), named(start))),
        (Some((_, stop, ..)), None) => finding
            .also(stop.mark.span, "from here on nobody serves")
            .help(format!("move it behind {}; or split it: {split}", named(stop))),
        (None, _) => {
            let Some((_, switch, ..)) = own().next() else { return finding.help(split) };
            let finding = finding.also(switch.mark.span, "the version before serves until here");
            let stop = format!(
                "`windlass service stop {service}` before it and `windlass service start {service}` behind it"
            );
            if harm.meaning == Compatibility::Contract {
                let place = named(switch);
                finding
                    .help(format!("move it behind {place}, best into a step with `after=7d`; or put {stop}"))
            } else {
                finding.help(format!("put {stop}; or split it: {split}"))
            }
        }
    }
}

/// How to do in two steps what cannot be done in one: expand now, contract later.
pub(super) fn split(ddl: &Ddl) -> String {
    const LATER: &str = "in a step with `after=`, or in the next release";
    let Ddl::AlterTable(alter) = ddl else {
        return match ddl {
            Ddl::RenameTable(_) => {
                format!("make a view of the new name now, rename the table {LATER}")
            }
            _ => format!("stop using it now, take it away {LATER}"),
        };
    };
    for change in &alter.changes {
        match change {
            Change::RenameColumn { from, to } => {
                return format!("add `{to}` now and write both, drop `{from}` {LATER}");
            }
            Change::ChangeColumn { from, column } => {
                return format!("add `{}` now and write both, drop `{from}` {LATER}", column.name);
            }
            Change::RenameTable(to) => {
                return format!("make a view `{to}` now, rename the table {LATER}");
            }
            Change::SetType { column, .. } => {
                return format!(
                    "add a column of the new type now, write both, fill it with `batch=`, drop `{column}` {LATER}"
                );
            }
            Change::AddColumn(column) if column.not_null => {
                return format!(
                    "add `{}` now with a default or without NOT NULL, set NOT NULL {LATER}",
                    column.name
                );
            }
            Change::DropColumn { name, .. } => return format!("stop using `{name}` now, drop it {LATER}"),
            _ => {}
        }
    }
    format!("let the new version keep to it now, enforce it {LATER}")
}
