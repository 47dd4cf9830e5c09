//! Migrations one after the other on a copy: up, down, up again.

use super::bench::{Bench, Came, Why};
use crate::commands::{
    copies::Broken,
    migrate::world::{Asker, World},
};
use serde::Serialize;
use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};
use windlass_document::Severity;
use windlass_drivers::scratch::{Picture, Verdict};
use windlass_plan::{
    Class, Plan,
    migrations::{Chosen, Down, FolderFinding, Migration, Script, Way, table_of},
};

/// Reading all rows behind each migration may take this long in all; else definitions alone are compared.
const LOOKS_MAX: Duration = Duration::from_secs(180);

/// What took a migration back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Back {
    /// Its own script.
    Script,
    /// What the run that brought it recorded.
    Recorded,
    /// Nothing: nobody knows how.
    None,
    /// It was not asked for: repeatable scripts have no way back.
    Repeatable,
}

/// What became of a migration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Led {
    /// To exactly what was before.
    Exact,
    /// To what was before, with columns in another order.
    ColumnOrder,
    /// To the schema from before, but not to all rows.
    RowsDiffer,
    /// Somewhere else.
    Different,
    /// Nowhere: it failed.
    Failed,
    /// It was not gone.
    NotGone,
}

/// A migration that was tried.
#[derive(Clone, Debug, Serialize)]
pub struct Tried {
    pub version: String,
    pub name: String,
    /// On an empty database; else on a copy of the live one.
    pub on_empty: bool,
    /// What took it back.
    pub down: Back,
    /// Where that led.
    pub led: Led,
    /// It was run once more, and brought the same; `None`: it was not.
    pub again: Option<bool>,
    /// Its first way forward took so long, milliseconds.
    pub up_ms: u64,
}

/// The walk over one copy.
pub struct Walk<'a> {
    pub world: &'a World,
    pub bench: &'a Bench,
    pub asker: Asker,
    /// The copy began empty.
    pub on_empty: bool,
    pub tried: Vec<Tried>,
    pub findings: Vec<FolderFinding>,
}

/// Whether the copy can be used for the next migration.
#[derive(PartialEq, Eq)]
enum Next {
    Go,
    End,
}

impl Walk<'_> {
    /// Tries the migrations at these places of the folder; those that were not come to.
    pub async fn go(&mut self, list: &[usize]) -> Result<Vec<usize>, Broken> {
        let began = Instant::now();
        self.bench.picture().await?;
        let looks = began.elapsed().saturating_mul(u32::try_from(list.len() * 4).unwrap_or(u32::MAX));
        if looks > LOOKS_MAX {
            self.bench.without_rows();
        }
        // The tool's own table comes first, so that it is no difference of the first migration.
        if let Ok(plan) = self.plan(Way::Up, None).await?
            && let (Came::Back(why) | Came::Stuck(why), _) = self.bench.run(&plan.0).await?
        {
            let message =
                format!("the table {} cannot be made: {}", table_of(self.world.folder.tool), why.words);
            self.find("migration-up-fails", Severity::Error, ("", 0), message, "");
            return Ok(list.to_vec());
        }
        for (nth, at) in list.iter().enumerate() {
            let Some(migration) = self.world.folder.migrations.get(*at) else { continue };
            if self.one(*at, migration).await? == Next::End {
                return Ok(list[nth + 1..].to_vec());
            }
        }
        Ok(Vec::new())
    }

    /// The plan of one migration (`None`: of the tool's table) for what the copy holds now, and whether it can be undone.
    async fn plan(
        &self,
        way: Way,
        at: Option<usize>,
    ) -> Result<Result<(Plan, bool), Vec<FolderFinding>>, Broken> {
        let applied = self.asker.applied(&self.world.folder).await.map_err(Broken::Failed)?;
        let chosen = |irreversible| -> Vec<Chosen> {
            at.map(|migration| Chosen { migration, ran: 0, by_script: false, irreversible })
                .into_iter()
                .collect()
        };
        let plain = self.world.plan_on(&applied, way, &chosen(false));
        Ok(match plain {
            Ok(plan) => {
                let has_undo = plan.class < Class::None;
                Ok((plan, has_undo))
            }
            Err(_) if at.is_some() => {
                self.world.plan_on(&applied, way, &chosen(true)).map(|plan| (plan, false))
            }
            Err(findings) => Err(findings),
        })
    }

    async fn one(&mut self, at: usize, migration: &Migration) -> Result<Next, Broken> {
        if self.is_program(migration) {
            return Ok(Next::Go);
        }
        let before = self.bench.picture().await?;
        let began = Instant::now();
        let (plan, has_undo) = match self.plan(Way::Up, Some(at)).await? {
            Ok(plan) => plan,
            Err(findings) => {
                self.findings.extend(findings);
                return Ok(Next::End);
            }
        };
        let (came, left_out) = self.bench.run(&plan).await?;
        let mut tried = Tried {
            version: migration.version.clone(),
            name: migration.name.clone(),
            on_empty: self.on_empty,
            down: Back::None,
            led: Led::NotGone,
            again: None,
            up_ms: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
        };
        self.left_out(migration, &left_out);
        let run = match came {
            Came::There(run) => run,
            Came::Back(why) | Came::Stuck(why) => {
                self.up_fails(migration, &why);
                tried.led = Led::Failed;
                self.tried.push(tried);
                return Ok(Next::End);
            }
        };
        let after = self.bench.picture().await?;
        let next = match (&migration.down, run) {
            _ if migration.repeatable => {
                tried.down = Back::Repeatable;
                Next::Go
            }
            (Down::Script(script), _) => {
                tried.down = Back::Script;
                self.by_script(at, (migration, script), (&before, &after), &mut tried).await?
            }
            (_, Some(run)) if has_undo => {
                tried.down = Back::Recorded;
                self.recorded(at, migration, &run, (&before, &after), &mut tried).await?
            }
            _ => {
                self.no_way_back(migration, "what it does cannot be undone by what Windlass records");
                Next::Go
            }
        };
        self.tried.push(tried);
        Ok(next)
    }

    /// Whether it is a program, one way or the other, which is told.
    fn is_program(&mut self, migration: &Migration) -> bool {
        let back = match &migration.down {
            Down::Script(script) => script.program,
            _ => None,
        };
        let Some(program) = migration.up.program.or(back) else { return false };
        let message = format!(
            "version {} is a script of {program}: nobody knows what it reaches, so it is not run on a copy",
            migration.version
        );
        let place = (migration.up.file.as_str(), 0);
        self.find("migration-not-tried", Severity::Warning, place, message, "try it in a place of its own");
        true
    }

    /// Down by its script. When that leads elsewhere it is taken back itself, so that the migration stands as before.
    async fn by_script(
        &mut self,
        at: usize,
        (migration, script): (&Migration, &Script),
        (before, after): (&Picture, &Picture),
        tried: &mut Tried,
    ) -> Result<Next, Broken> {
        let plan = match self.plan(Way::Down, Some(at)).await? {
            Ok((plan, _)) => plan,
            Err(findings) => {
                self.findings.extend(findings);
                tried.led = Led::Failed;
                return Ok(Next::Go);
            }
        };
        let (came, left_out) = self.bench.run(&plan).await?;
        self.left_out(migration, &left_out);
        let place = (script.file.as_str(), script.line);
        let run = match came {
            Came::There(run) => run,
            Came::Back(ref why) | Came::Stuck(ref why) => {
                let message =
                    format!("the script back of version {} fails: {}", migration.version, why.words);
                self.find("migration-down-fails", Severity::Error, at_line(why, place), message, "");
                tried.led = Led::Failed;
                return Ok(if matches!(came, Came::Stuck(_)) { Next::End } else { Next::Go });
            }
        };
        let (led, lines) = self.compare(before, &self.bench.picture().await?);
        tried.led = led;
        let lines = listed(&lines);
        let version = &migration.version;
        if led == Led::RowsDiffer {
            let message =
                format!("the script back of version {version} restores the schema, but not all rows:{lines}");
            let help =
                "`migrate down` keeps them only as long as the run can be taken back: `windlass rollback`";
            self.find("migration-down-loses-rows", Severity::Warning, place, message, help);
        }
        let is_back = led != Led::Different;
        if !is_back {
            let message = format!("the script back of version {version} does not restore the schema:{lines}");
            let help = "write it so that it takes back exactly what the migration brings";
            self.find("migration-down-differs", Severity::Error, place, message, help);
        }
        if is_back && self.again(at, migration, after, tried).await? {
            return Ok(Next::Go);
        }
        let Some(run) = run else { return Ok(Next::End) };
        Ok(if matches!(self.bench.back(&run).await?, Came::There(_)) { Next::Go } else { Next::End })
    }

    /// Down by what the run recorded.
    async fn recorded(
        &mut self,
        at: usize,
        migration: &Migration,
        run: &windlass_journal::RunId,
        (before, after): (&Picture, &Picture),
        tried: &mut Tried,
    ) -> Result<Next, Broken> {
        if let Came::Back(why) | Came::Stuck(why) = self.bench.back(run).await? {
            self.no_way_back(migration, &why.words);
            tried.led = Led::Failed;
            return Ok(Next::End);
        }
        let (led, lines) = self.compare(before, &self.bench.picture().await?);
        tried.led = led;
        if !matches!(led, Led::Exact | Led::ColumnOrder) {
            let why = format!("taking back what was recorded leads elsewhere:{}", listed(&lines));
            self.no_way_back(migration, &why);
        } else if let Down::Empty(script) = &migration.down {
            let message = format!(
                "the script back of version {} has no statement: a tool would say \"done\" and take nothing back",
                migration.version
            );
            let help = "write it; until then Windlass takes back the run that brought it";
            self.find(
                "migration-without-down",
                Severity::Warning,
                (&script.file, script.line),
                message,
                help,
            );
        }
        Ok(if self.again(at, migration, after, tried).await? { Next::Go } else { Next::End })
    }

    /// Up once more: it stands again as it did the first time.
    async fn again(
        &mut self,
        at: usize,
        migration: &Migration,
        after: &Picture,
        tried: &mut Tried,
    ) -> Result<bool, Broken> {
        let place = (migration.up.file.as_str(), migration.up.line);
        let version = &migration.version;
        let plan = match self.plan(Way::Up, Some(at)).await? {
            Ok((plan, _)) => plan,
            Err(findings) => {
                self.findings.extend(findings);
                return Ok(false);
            }
        };
        if let Came::Back(why) | Came::Stuck(why) = self.bench.run(&plan).await?.0 {
            let message = format!("version {version} does not run again behind its way back: {}", why.words);
            self.find("migration-again-fails", Severity::Error, at_line(&why, place), message, "");
            tried.again = Some(false);
            return Ok(false);
        }
        let (led, lines) = self.compare(after, &self.bench.picture().await?);
        // Moments, random values and numbers that go on counting are others each time.
        let is_same = matches!(led, Led::Exact | Led::ColumnOrder | Led::RowsDiffer);
        tried.again = Some(is_same);
        if !is_same {
            let message =
                format!("version {version} brings something else when it runs again:{}", listed(&lines));
            let help = "its way back leaves something, or takes away too much";
            self.find("migration-again-differs", Severity::Error, place, message, help);
        }
        Ok(true)
    }

    /// Where it led, and what differs, without the tool's own tables.
    fn compare(&self, was: &Picture, is: &Picture) -> (Led, Vec<String>) {
        let tool = table_of(self.world.folder.tool);
        let own = |table: &String| {
            let name = table.rsplit('.').next().unwrap_or(table);
            name.eq_ignore_ascii_case(tool) || name == "sqlite_sequence"
        };
        let all = was.compare(is, &BTreeSet::new()).tables;
        let schema = was.compare(is, &all);
        let whole = was.compare(is, &all.into_iter().filter(own).collect());
        let led = match (schema.verdict, whole.verdict) {
            (Verdict::Different, _) => Led::Different,
            (_, Verdict::Different) => Led::RowsDiffer,
            (_, Verdict::ColumnOrder) => Led::ColumnOrder,
            (_, Verdict::Exact) => Led::Exact,
        };
        (led, whole.lines)
    }

    fn up_fails(&mut self, migration: &Migration, why: &Why) {
        let (place, help) = if self.on_empty {
            ("an empty database", "if the folder does not begin there: `--try pending` tries the others only")
        } else {
            ("a copy of the database", "")
        };
        let message = format!("version {} does not run on {place}: {}", migration.version, why.words);
        let at = at_line(why, (&migration.up.file, migration.up.line));
        self.find("migration-up-fails", Severity::Error, at, message, help);
    }

    fn no_way_back(&mut self, migration: &Migration, why: &str) {
        let (place, lacks) = match &migration.down {
            Down::Empty(script) => ((script.file.as_str(), script.line), "a script back without a statement"),
            _ => ((migration.up.file.as_str(), migration.up.line), "no script back"),
        };
        let message = format!("version {} has {lacks}, and {why}", migration.version);
        self.find("migration-without-down", Severity::Error, place, message, "write the script back");
    }

    fn left_out(&mut self, migration: &Migration, left_out: &[windlass_report::LeftOut]) {
        for left in left_out {
            let message = format!("version {}: `{}` was not run: {}", migration.version, left.what, left.why);
            let help = "`--private` runs it on a server of its own";
            self.find("migration-not-tried", Severity::Warning, (&migration.up.file, 0), message, help);
        }
    }

    fn find(
        &mut self,
        rule: &str,
        severity: Severity,
        (file, line): (&str, usize),
        message: String,
        help: &str,
    ) {
        self.findings.push(FolderFinding {
            rule: rule.to_owned(),
            severity,
            file: file.to_owned(),
            line,
            message,
            help: help.to_owned(),
        });
    }
}

/// The line that failed, if it is one of the file at hand.
fn at_line<'a>(why: &Why, (file, line): (&'a str, usize)) -> (&'a str, usize) {
    match &why.at {
        Some((failed, at)) if failed.ends_with(file) => (file, *at),
        _ => (file, line),
    }
}

/// Most differences shown of one migration.
const SHOWN_MAX: usize = 12;

fn listed(lines: &[String]) -> String {
    let mut text: String = lines.iter().take(SHOWN_MAX).map(|line| format!("\n  {line}")).collect();
    if lines.len() > SHOWN_MAX {
        text.push_str(&format!("\n  and {} more", lines.len() - SHOWN_MAX));
    }
    text
}
