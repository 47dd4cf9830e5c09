//! Folder, database and journal, read together.

use super::{folder, history::History};
use crate::{
    args::MigrateWhere,
    exit::Failure,
    journal,
    project::{self, Place, TOOL},
    secrets::SecretStore,
    terminal, wiring,
};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};
use windlass_document::{Finding, LineIndex, Severity};
use windlass_driver::{Context, Driver, Secrets};
use windlass_plan::{
    Class, Config, DocumentMeta, DriverKind, Plan, Target, Unit, compile,
    migrations::{
        Applied, Ask, Chosen, Drafted, Folder, FolderFinding, Survey, Table, Tool, Way, detect, draft,
        read_folder, survey, table_of,
    },
};
use windlass_sql::Dialect;

/// Everything that a command of `migrate` works with.
pub struct World {
    pub place: Place,
    pub config: Config,
    /// The folder as people know it, relative to the folder of windlass.toml.
    pub dir: String,
    /// The target.
    pub on: String,
    pub dialect: Dialect,
    pub folder: Folder,
    pub applied: Applied,
    pub survey: Survey,
    pub history: History,
    pub secrets: Arc<SecretStore>,
}

impl World {
    /// Reads all of it and changes nothing.
    pub fn read(args: &MigrateWhere, config: Option<&Path>) -> Result<Self, Failure> {
        let place = place(&args.dir, config)?;
        let settings = project::read_settings(Some(&place), args.env.as_deref(), None)?;
        terminal::config_findings(&settings);
        if settings.findings.iter().any(|found| found.finding.severity == Severity::Error) {
            return Err(Failure::shown(crate::exit::Exit::Wrong));
        }
        let (on, dialect) = target(&settings.config, args.on.as_deref())?;
        let files = folder::read(&args.dir)?;
        let secrets = Arc::new(SecretStore::new(&place.base));
        let asker = Asker::new(&place, (&on, settings.config.targets.get(&on)), dialect, secrets.clone())?;
        let (folder, applied) = wiring::runtime()?.block_on(async {
            let present = asker.present().await?;
            let folder = read_folder(&files, tool(args, &detect(&files), &present, dialect)?, dialect);
            let applied = asker.applied(&folder).await?;
            Ok::<_, Failure>((folder, applied))
        })?;
        let survey = survey(&folder, &applied);
        let dir = shown(&args.dir, &place.base);
        let history = History::read(&place, &on, &dir)?;
        Ok(Self {
            place,
            config: settings.config,
            dir,
            on,
            dialect,
            folder,
            applied,
            survey,
            history,
            secrets,
        })
    }

    /// The chosen migrations as a plan, or what stands against it.
    pub fn plan(&self, way: Way, chosen: &[Chosen]) -> Result<Plan, Vec<FolderFinding>> {
        self.plan_on(&self.applied, way, chosen)
    }

    /// The same for a database of which the tool says `applied`.
    pub fn plan_on(
        &self,
        applied: &Applied,
        way: Way,
        chosen: &[Chosen],
    ) -> Result<Plan, Vec<FolderFinding>> {
        let drafted = draft(&self.folder, applied, way, chosen, (&self.on, &self.dir, self.dialect));
        let parsed = windlass_document::parse(drafted.document.as_bytes());
        let word = if way == Way::Up { "migrate-up" } else { "migrate-down" };
        let meta = DocumentMeta { name: word, text: &drafted.document };
        let mut findings: Vec<Finding> = parsed.findings.clone();
        let mut plan = None;
        if !findings.iter().any(|finding| finding.severity == Severity::Error) {
            let (compiled, more) = compile(&parsed.document, meta, &self.config, &drafted, TOOL);
            plan = compiled;
            findings.extend(more);
        }
        plan.ok_or_else(|| self.told(&drafted, &parsed.document, &findings))
    }

    /// Errors of the drafted document as findings of the folder: nobody has seen the document.
    fn told(
        &self,
        drafted: &Drafted,
        document: &windlass_document::Document,
        findings: &[Finding],
    ) -> Vec<FolderFinding> {
        let lines = LineIndex::new(&drafted.document);
        let errors = findings.iter().filter(|finding| finding.severity == Severity::Error);
        errors
            .map(|finding| {
                let step = document.steps.iter().rev().find(|step| step.span.start <= finding.span.start);
                let id = step.map(|step| step.id.value.as_str());
                let about = drafted.steps.iter().find(|(step, _)| Some(step.as_str()) == id);
                let migration = about.and_then(|(_, at)| self.folder.migrations.get((*at)?));
                let file = migration.map_or_else(String::new, |migration| migration.up.file.clone());
                let (line, message) = within(&file, &finding.message).unwrap_or((0, &finding.message));
                FolderFinding {
                    rule: finding.rule.clone(),
                    severity: finding.severity,
                    line: if migration.is_some() { line } else { lines.line(finding.span.start) },
                    message: message.to_owned(),
                    help: help(finding),
                    file,
                }
            })
            .collect()
    }
}

/// The line that a message about this file begins with, and the rest of it.
fn within<'m>(file: &str, message: &'m str) -> Option<(usize, &'m str)> {
    let rest = message.strip_prefix(file)?.strip_prefix(':')?;
    let (place, message) = rest.split_once(": ")?;
    let (line, _) = place.split_once(':')?;
    Some((line.parse().ok()?, message))
}

/// A migration has no fence to write `undoes=` into.
fn help(finding: &Finding) -> String {
    match finding.rule.as_str() {
        "sql-without-undo" => {
            "write a script back for the migration, or name its version with `--irreversible`".to_owned()
        }
        "opaque-without-undo" => "write a script back beside it (`0007_backfill.down.py`, `.down.sh` or `.down.sql`), or name its version \
                                  with `--irreversible`: then what it changes of the definitions is recorded, and taken away by \
                                  `migrate down` where all of it is new; what it does to rows needs a person"
            .to_owned(),
        _ => finding.help.clone(),
    }
}

/// Questions to one database.
pub struct Asker {
    cx: Context,
    driver: Arc<dyn Driver>,
    on: String,
    dialect: Dialect,
}

impl Asker {
    /// For the target `on`.
    pub fn new(
        place: &Place,
        (on, target): (&str, Option<&Target>),
        dialect: Dialect,
        secrets: Arc<dyn Secrets>,
    ) -> Result<Self, Failure> {
        let unit = question(on, dialect, "");
        let drivers = wiring::drivers()?;
        let Some(driver) = drivers.get(unit.driver) else {
            let message = format!("`{on}` cannot be asked: this version has no driver for it");
            return Err(Failure::wrong(message));
        };
        let cx = wiring::survey_context(place, &Arc::new(plan_of(on, target)), secrets, &unit);
        Ok(Self { cx, driver: driver.clone(), on: on.to_owned(), dialect })
    }

    async fn ask(&self, ask: &Ask) -> Result<Vec<Vec<Option<String>>>, Failure> {
        let unit = question(&self.on, self.dialect, &ask.0);
        let rows = self.driver.query(&self.cx, &unit).await.map_err(|mut failure| {
            failure.message = self.cx.secrets.mask(&failure.message);
            Failure::from(failure)
        })?;
        Ok(rows.rows)
    }

    /// Which tables of tools are there.
    async fn present(&self) -> Result<Vec<Vec<Option<String>>>, Failure> {
        self.ask(&Table::present(self.dialect)).await
    }

    /// What the table of the folder's tool says.
    pub async fn applied(&self, folder: &Folder) -> Result<Applied, Failure> {
        let table = Table { tool: folder.tool, dialect: self.dialect };
        let present = self.present().await?;
        if !table.is_in(&present) {
            return Ok(Applied::default());
        }
        let locks = match table.lock(&present) {
            Some(ask) => self.ask(&ask).await?,
            None => Vec::new(),
        };
        Ok(table.read(folder, &self.ask(&table.rows()).await?, &locks))
    }
}

/// A plan that has nothing but the target.
fn plan_of(on: &str, target: Option<&Target>) -> Plan {
    let targets = target.map(|target| (on.to_owned(), target.clone()));
    Plan {
        format: windlass_plan::PLAN_FORMAT,
        tool: TOOL.to_owned(),
        release: windlass_plan::Release::default(),
        document: windlass_plan::DocumentRef::default(),
        targets: targets.into_iter().collect(),
        claims: Default::default(),
        secrets: Default::default(),
        services: BTreeMap::new(),
        budget: Default::default(),
        steps: Vec::new(),
        class: Class::Readonly,
    }
}

fn question(on: &str, dialect: Dialect, statement: &str) -> Unit {
    let driver = match dialect {
        Dialect::Sqlite => DriverKind::Sqlite,
        Dialect::Postgresql => DriverKind::Postgres,
        Dialect::Mysql => DriverKind::Mysql,
    };
    Unit::question("migrate/1", driver, on, statement, 60_000)
}

/// `windlass.toml` beside the folder, above it, or above where the command was given.
fn place(dir: &Path, config: Option<&Path>) -> Result<Place, Failure> {
    if !dir.is_dir() {
        return Err(Failure::wrong(format!("{} is not a folder", dir.display())).hint(
            "name the folder that has the migrations: `windlass migrate status db/migrations --on db`",
        ));
    }
    match Place::of_document(&dir.join("x"), config)? {
        Some(place) => Ok(place),
        None => Place::here(config),
    }
}

/// The folder relative to that of windlass.toml; in full, if it is elsewhere.
fn shown(dir: &Path, base: &Path) -> String {
    let real: PathBuf = dir.canonicalize().unwrap_or_else(|_| dir.to_owned());
    let base = base.canonicalize().unwrap_or_else(|_| base.to_owned());
    real.strip_prefix(&base).map_or_else(|_| real.display().to_string(), |path| path.display().to_string())
}

/// The database: the one named, or the only one there is.
fn target(config: &Config, named: Option<&str>) -> Result<(String, Dialect), Failure> {
    let dialect = |target: &Target| match target {
        Target::Url { kind, .. } => Some(kind.dialect()),
        Target::Store(_) | Target::Hosts { .. } => None,
    };
    let databases: Vec<(&String, Dialect)> =
        config.targets.iter().filter_map(|(name, target)| Some((name, dialect(target)?))).collect();
    let known = databases.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ");
    let known = if known.is_empty() { "none".to_owned() } else { known };
    let found = match named {
        Some(named) => databases.iter().find(|(name, _)| *name == named),
        None => databases.first().filter(|_| databases.len() == 1),
    };
    found.map(|(name, dialect)| ((*name).clone(), *dialect)).ok_or_else(|| {
        let message = match named {
            Some(named) => format!("windlass.toml has no database `{named}`"),
            None => "say which database: `--on TARGET`".to_owned(),
        };
        Failure::wrong(message).hint(format!("databases of windlass.toml: {known}"))
    })
}

/// Whose folder it is: as said, or as names, texts and the tables that are there tell together. Never a guess.
fn tool(
    args: &MigrateWhere,
    candidates: &[Tool],
    present: &[Vec<Option<String>>],
    dialect: Dialect,
) -> Result<Tool, Failure> {
    if let Some(said) = args.tool {
        return Ok(said.into());
    }
    let there: Vec<Tool> =
        candidates.iter().copied().filter(|tool| Table { tool: *tool, dialect }.is_in(present)).collect();
    match (candidates, &there[..]) {
        ([], _) => Err(Failure::wrong(format!("{} has no SQL file", args.dir.display()))),
        ([only], _) => Ok(*only),
        (_, [only]) => Ok(*only),
        (many, _) => {
            let names: Vec<&str> = many.iter().map(|tool| tool.name()).collect();
            let tables: Vec<&str> = many.iter().map(|tool| table_of(*tool)).collect();
            Err(Failure::wrong(format!(
                "{} may be a folder of {}, and the database has no table of either ({})",
                args.dir.display(),
                names.join(" or "),
                tables.join(", ")
            ))
            .hint(format!("say whose it is: `--tool {}`", names.join("` or `--tool "))))
        }
    }
}

/// The tables must not be written while somebody's run is under way.
pub fn refuse_busy(place: &Place) -> Result<Arc<windlass_journal::SqliteStore>, Failure> {
    let store = journal::open(place)?;
    journal::block_on(journal::refuse_busy(store.as_ref() as &dyn windlass_journal::Store))??;
    Ok(store)
}
