//! Document and configuration to a plan.

mod batch;
mod broken;
mod effect;
mod fence;
mod keep;
mod lifted;
mod locks;
mod pin;
mod place;
mod pragmas;
mod secrets;
mod shell;
mod sql;
mod sql_undo;
mod tools;
mod watch;
mod way_back;

#[cfg(test)]
mod tests;

pub use broken::compile_broken;

use crate::{
    Action, Class, Config, Digest, DocumentRef, DriverKind, Endpoint, GitVerb, PLAN_FORMAT, Plan, Release,
    Secret, Service, Step, StepId, Target, Undo, UndoBy, Unit, UnitId,
    lint::{Catalogs, Facts, lint},
};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use windlass_document::{self as doc, Document, Finding, GateState, LineIndex, Severity, Span};
use windlass_sql::{Dialect, Summary};

/// The text that a document was parsed from.
#[derive(Clone, Copy, Debug)]
pub struct DocumentMeta<'a> {
    /// Name of its file; folders before it are left out of the plan, since they differ between machines.
    pub name: &'a str,
    /// All of it, as it was given to the parser.
    pub text: &'a str,
}

/// A file that a step takes its statements from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFile {
    /// Its path as people know it, relative to the folder of `windlass.toml`.
    pub name: String,
    /// Line of the file that the text begins at, from 1: it may be a part of the file.
    pub line: usize,
    /// Its text.
    pub text: String,
}

/// The files that `files="…"` stands for. The caller does the reading: this crate does no I/O.
pub trait FileSource {
    /// The files that match `pattern`, a path with `*` and `?` relative to the folder of `windlass.toml`, sorted by
    /// name in byte order.
    ///
    /// # Errors
    /// Why they cannot be read, in words for a person.
    fn files(&self, pattern: &str) -> Result<Vec<SourceFile>, String>;

    /// The file that a line of shell names: absolute, or from the folder of `windlass.toml`; it may stand outside of it.
    ///
    /// # Errors
    /// Why it cannot be read.
    fn file(&self, path: &str) -> Result<SourceFile, Unreadable> {
        Err(Unreadable::Other(format!("no files were given for `{path}`")))
    }
}

/// Why a file cannot be read, in words for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// It is too long to be read statement by statement.
    TooLong(String),
    /// It is missing, or no text in UTF-8, or may not be read.
    Other(String),
}

/// For documents that take nothing from files.
#[derive(Clone, Copy, Debug)]
pub struct NoFiles;

impl FileSource for NoFiles {
    fn files(&self, pattern: &str) -> Result<Vec<SourceFile>, String> {
        Err(format!("no files were given for `{pattern}`"))
    }
}

/// Compiles a document against a configuration, both without errors so far: others are for [`compile_broken`]. There is a
/// plan exactly if no finding is an error; the findings are in order of place and do not repeat those of the parser.
///
/// `tool` is the version of the program, a part of the plan's digest.
#[must_use]
pub fn compile(
    document: &Document,
    meta: DocumentMeta<'_>,
    config: &Config,
    files: &dyn FileSource,
    tool: &str,
) -> (Option<Plan>, Vec<Finding>) {
    compile_live(document, meta, config, files, tool, &Catalogs::new())
}

/// The same, judged with the catalogs of the databases that a survey has read. The plan does not depend on them; whether
/// there is one does, where a catalog shows an error that the text alone does not.
#[must_use]
pub fn compile_live(
    document: &Document,
    meta: DocumentMeta<'_>,
    config: &Config,
    files: &dyn FileSource,
    tool: &str,
    catalogs: &Catalogs,
) -> (Option<Plan>, Vec<Finding>) {
    let mut compiler = Compiler::new(document, meta, config, files);
    let compiled = compiler.steps();
    let compiled = compiler.keep(compiled);
    let compiled = compiler.watch(compiled);
    let compiled = compiler.pin(compiled);
    let mut findings = std::mem::take(&mut compiler.findings);
    let complete = !findings.iter().any(|finding| finding.severity == Severity::Error);
    findings.extend(lint(&Facts { document, config, catalogs, steps: &compiled, complete }));
    let plan = compiler.plan(compiled.into_iter().map(|compiled| compiled.step).collect(), tool);
    findings.sort_by_key(|finding| (finding.span, finding.rule.clone()));
    let failed = findings.iter().any(|finding| finding.severity == Severity::Error);
    ((!failed).then_some(plan), findings)
}

/// A compiled step with its places in the document.
pub(crate) struct Compiled {
    pub(crate) step: Step,
    /// Index of the document's step; `None` for a gate.
    pub(crate) source: Option<usize>,
    /// Of each unit.
    pub(crate) marks: Vec<Mark>,
}

/// What a unit was compiled from.
pub(crate) struct Mark {
    /// In the document.
    pub(crate) span: Span,
    /// What a statement does.
    pub(crate) sql: Option<Summary>,
}

/// A unit before it has an id and a host.
#[derive(Clone, Debug)]
struct Draft {
    action: Action,
    /// In the document.
    span: Span,
    /// It changes nothing.
    readonly: bool,
    /// What a statement does.
    sql: Option<Summary>,
    /// Whose SQL it is, or of which database a backup is made.
    dialect: Option<Dialect>,
}

impl Draft {
    fn new(action: Action, span: Span) -> Self {
        let readonly = match &action {
            Action::Shell { readonly, .. } => *readonly,
            Action::Objects { line, .. } => line.options.dryrun,
            Action::Git(line) => matches!(line.verb, GitVerb::Pin | GitVerb::Fetch),
            Action::Http { .. } | Action::Gate { .. } | Action::Watch(_) => true,
            _ => false,
        };
        Self { action, span, readonly, sql: None, dialect: None }
    }
}

struct Compiler<'a> {
    document: &'a Document,
    meta: DocumentMeta<'a>,
    lines: LineIndex,
    config: &'a Config,
    files: &'a dyn FileSource,
    findings: Vec<Finding>,
    /// Index of the hand-written undo of a step, by the index of that step.
    undone_by: HashMap<usize, usize>,
    /// The backups that a compiled step makes: of which target, by which unit.
    backups: HashMap<&'a str, Vec<(String, UnitId)>>,
    /// What a compiled step consists of, and its index in the document, for `again=`.
    drafts: HashMap<&'a str, (usize, Vec<Draft>)>,
    used_targets: BTreeSet<String>,
    claims: BTreeMap<String, BTreeSet<Endpoint>>,
    used_services: BTreeSet<String>,
    used_secrets: BTreeMap<String, Secret>,
}

impl<'a> Compiler<'a> {
    fn new(
        document: &'a Document,
        meta: DocumentMeta<'a>,
        config: &'a Config,
        files: &'a dyn FileSource,
    ) -> Self {
        let by_id: HashMap<_, _> =
            document.steps.iter().enumerate().map(|(at, step)| (step.id.value.as_str(), at)).collect();
        let undone_by = document
            .steps
            .iter()
            .enumerate()
            .filter_map(|(at, step)| Some((*by_id.get(step.attributes.undoes.as_ref()?.value.as_str())?, at)))
            .collect();
        Self {
            document,
            meta,
            lines: LineIndex::new(meta.text),
            config,
            files,
            findings: Vec::new(),
            undone_by,
            backups: HashMap::new(),
            drafts: HashMap::new(),
            used_targets: BTreeSet::new(),
            claims: BTreeMap::new(),
            used_services: BTreeSet::new(),
            used_secrets: BTreeMap::new(),
        }
    }

    fn steps(&mut self) -> Vec<Compiled> {
        // Undo fences run only backwards; gates with nested fences are confirmed by these.
        let document = self.document;
        let fences = document.steps.iter().enumerate().filter(|(_, step)| step.attributes.undoes.is_none());
        let gates =
            document.gates.iter().filter(|gate| gate.state == GateState::Open && gate.checks.is_empty());
        let mut order: Vec<(usize, Result<usize, &doc::Gate>)> = fences
            .map(|(at, step)| (step.span.start, Ok(at)))
            .chain(gates.map(|gate| (gate.span.start, Err(gate))))
            .collect();
        order.sort_by_key(|(start, _)| *start);
        order
            .into_iter()
            .filter_map(|(_, entry)| match entry {
                Ok(at) => self.fence(at),
                Err(gate) => Some(self.gate(gate)),
            })
            .collect()
    }

    fn gate(&self, gate: &doc::Gate) -> Compiled {
        let id = StepId(gate.id.clone());
        let draft = Draft::new(Action::Gate { text: gate.text.clone() }, gate.span);
        let undo = Undo { class: Class::Readonly, how: way_back::NOTHING.to_owned(), by: UndoBy::Nothing };
        let units = self.units(&id, &["local".to_owned()], &[draft], None, |_| undo.clone());
        let place = (self.stage(gate.stage), self.lines.line(gate.span.start));
        let step = bare(id, place, "", Class::Readonly, units);
        Compiled { step, source: None, marks: vec![Mark { span: gate.span, sql: None }] }
    }

    /// Gives drafts their ids, once for each host: `step/N`, or `step/N@host` where there are several hosts.
    fn units(
        &self,
        id: &StepId,
        hosts: &[String],
        drafts: &[Draft],
        attributes: Option<&doc::Attributes>,
        undo: impl Fn(&Draft) -> Undo,
    ) -> Vec<Unit> {
        let ms = |duration: std::time::Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        let timeout_ms = attributes.and_then(|a| a.timeout.as_ref()).map(|timeout| ms(timeout.value));
        let within_ms = attributes.and_then(|a| a.within.as_ref()).map(|within| ms(within.value));
        let unit = |host: &String, n: usize, draft: &Draft| {
            let at = if hosts.len() > 1 { format!("@{host}") } else { String::new() };
            let position = self.lines.position(self.meta.text, draft.span.start);
            Unit {
                id: UnitId(format!("{id}/{}{at}", n + 1)),
                host: host.clone(),
                driver: driver_of(draft),
                line: position.line,
                column: position.column,
                effect: effect::words(&draft.action, self.config),
                undo: undo(draft),
                action: draft.action.clone(),
                timeout_ms,
                within_ms,
            }
        };
        hosts
            .iter()
            .flat_map(|host| drafts.iter().enumerate().map(move |(n, draft)| unit(host, n, draft)))
            .collect()
    }

    fn stage(&self, stage: Option<usize>) -> Option<String> {
        stage.and_then(|at| self.document.stages.get(at)).map(|stage| stage.text.clone())
    }

    fn plan(&mut self, steps: Vec<Step>, tool: &str) -> Plan {
        let services: BTreeMap<String, Service> = self
            .used_services
            .iter()
            .filter_map(|name| Some((name.clone(), self.config.services.get(name)?.clone())))
            .collect();
        self.used_targets.extend(services.values().map(|service| service.on.clone()));
        let targets: BTreeMap<String, Target> = self
            .used_targets
            .iter()
            .filter_map(|name| Some((name.clone(), self.config.targets.get(name)?.clone())))
            .collect();
        let name = self.meta.name.rsplit(['/', '\\']).next().unwrap_or_default();
        Plan {
            format: PLAN_FORMAT,
            tool: tool.to_owned(),
            release: self.release(),
            document: DocumentRef {
                name: name.to_owned(),
                sha256: Digest::of(self.meta.text.as_bytes()).to_string(),
            },
            targets,
            claims: std::mem::take(&mut self.claims),
            services,
            secrets: std::mem::take(&mut self.used_secrets),
            budget: self.config.policy.budget,
            class: steps.iter().map(|step| step.class).max().unwrap_or_default(),
            steps,
        }
    }

    fn release(&self) -> Release {
        let front = &self.document.front;
        let text = |value: &Option<doc::Spanned<String>>| value.as_ref().map(|value| value.value.clone());
        Release {
            version: text(&front.release).unwrap_or_default(),
            title: self.document.title.clone(),
            from: text(&front.from),
            env: text(&front.env),
            kind: front.kind.as_ref().map(|kind| kind.value),
            severity: front.severity.as_ref().map(|severity| severity.value),
            downtime_ms: front
                .downtime
                .as_ref()
                .map(|downtime| u64::try_from(downtime.value.0.as_millis()).unwrap_or(u64::MAX)),
            ticket: text(&front.ticket),
        }
    }

    /// The first line of a fence: what concerns the whole step is shown there.
    fn head(&self, step: &doc::Step) -> Span {
        let line = self.lines.line(step.span.start);
        Span::new(step.span.start, self.lines.line_span(self.meta.text, line).end)
    }
}

/// A step of which nothing is said but its units; `stage` and `line`: where it stands, or what it stands beside.
fn bare(
    id: StepId,
    (stage, line): (Option<String>, usize),
    on: &str,
    class: Class,
    units: Vec<Unit>,
) -> Step {
    Step {
        id,
        stage,
        gate: None,
        line,
        on: on.to_owned(),
        class,
        units,
        undo: None,
        serial: None,
        after_ms: None,
        online: false,
        again: None,
    }
}

/// The id of a step of our own: `name`, with dashes behind it where the document has steps of that id.
fn unused(name: String, steps: &[Compiled]) -> StepId {
    free_id(name, |name| steps.iter().any(|compiled| compiled.step.id.0 == name))
}

/// `name`, or as long as that is taken another one that begins with it.
pub(crate) fn free_id(mut name: String, is_taken: impl Fn(&str) -> bool) -> StepId {
    while is_taken(&name) {
        name.push('-');
    }
    StepId(name)
}

/// The driver that an action belongs to.
fn driver_of(draft: &Draft) -> DriverKind {
    match &draft.action {
        Action::Shell { .. } => DriverKind::Shell,
        Action::Patch { .. }
        | Action::Copy { .. }
        | Action::Move { .. }
        | Action::Remove { .. }
        | Action::MakeDir { .. } => DriverKind::Files,
        Action::Sql { .. } | Action::Backup { .. } => match draft.dialect {
            Some(Dialect::Postgresql) => DriverKind::Postgres,
            Some(Dialect::Mysql) => DriverKind::Mysql,
            Some(Dialect::Sqlite) | None => DriverKind::Sqlite,
        },
        Action::Service { .. } | Action::Mode { .. } => DriverKind::Service,
        Action::Systemd { .. } => DriverKind::Systemd,
        Action::Compose(_) => DriverKind::Compose,
        Action::Objects { .. } => DriverKind::S3,
        Action::Git(_) => DriverKind::Git,
        Action::Install(_) => DriverKind::Install,
        Action::Http { .. } => DriverKind::Http,
        Action::Gate { .. } => DriverKind::Gate,
        Action::Watch(_) => DriverKind::Watch,
    }
}
