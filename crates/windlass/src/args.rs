//! The command line. Help texts are the doc comments here.

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::{ffi::OsString, path::PathBuf};
use windlass_engine::Fault;
use windlass_journal::{OnFailure, Verb};

/// Runs the release runbook that your team already writes as one transaction.
///
/// A release document is Markdown with shell, SQL, diff and HTTP fences. Windlass says what will happen and how each
/// step is undone before it touches anything, survives a crash at any instant, and goes back when a check fails.
#[derive(Debug, Parser)]
#[command(name = "windlass", version, max_term_width = 80, after_help = EXAMPLES, after_long_help = LONG_EXAMPLES)]
pub struct Cli {
    /// Use this windlass.toml instead of the one found beside the document or above it.
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    #[command(subcommand)]
    pub command: Command,
}

const EXAMPLES: &str = "Examples:
  windlass demo               see all of it work, in a minute
  windlass check RELEASE.md   what is wrong with the document
  windlass plan RELEASE.md    what would change, and how it is undone
  windlass apply RELEASE.md   do it
  windlass status             where things stand, and what to type next";

const LONG_EXAMPLES: &str = "Examples:
  windlass demo               see all of it work, in a minute
  windlass check RELEASE.md   what is wrong with the document
  windlass plan RELEASE.md    what would change, and how it is undone
  windlass apply RELEASE.md   do it
  windlass status             where things stand, and what to type next

Exit codes:
  0    done
  1    it failed, and everything was undone
  2    the document or the command line is wrong; nothing was done
  3    a person has to confirm or decide (`windlass status` says what), or the run
       ended with parts left as they were, as a person decided
  4    refused: policy, drift, lock, journal
  130  interrupted; `windlass resume` goes on";

#[derive(Debug, Subcommand)]
pub enum Command {
    /// See a real service released, failed, killed and rolled back, in a temporary folder.
    ///
    /// Starts a booking service with a SQLite database, the proxy in front of it and a load that never pauses; then
    /// releases, lets a release fail, kills the controller in the middle of a migration, resumes and rolls back.
    Demo(DemoArgs),
    /// Say what is wrong with release documents, or list their steps.
    ///
    /// Works offline and touches nothing. Every problem of a file is reported at once, with its place, the reason and
    /// a fix. Steps of a file without problems are listed with line, driver, target and undo class.
    Check(CheckArgs),
    /// Show what a release would change and how each step is undone.
    ///
    /// Looks at the real world, read-only, for numbers of rows and files. With --json it prints the canonical plan,
    /// byte for byte what is hashed: `windlass plan --json FILE | sha256sum` is the plan's digest.
    Plan(PlanArgs),
    /// Run a release.
    ///
    /// Shows the plan, asks, and runs it. When a step or a check fails, everything goes back by itself, newest first.
    /// Ctrl-C finishes the current unit and stops; `windlass resume` goes on.
    #[command(after_help = APPLY_EXAMPLES)]
    Apply(ApplyArgs),
    /// Go on with a run whose controller was stopped, killed or cut off.
    ///
    /// What the dead controller had begun is looked at first: nothing is done twice, nothing is guessed.
    Resume(ResumeArgs),
    /// Run a folder of migrations of golang-migrate, dbmate, Flyway, sqlx, goose, Diesel, Liquibase or of plain files.
    ///
    /// The tool's own table is read and written in its own form: go on with the tool whenever you like. Each statement
    /// is a unit of an ordinary run: `status`, `show`, `resume`, `rollback` and `record` work as ever.
    Migrate(MigrateArgs),
    /// Take a run back: one under way, or the newest one that is done.
    Rollback(RollbackArgs),
    /// Say where things stand and what can be typed next.
    Status(RunArgs),
    /// List all runs, newest first.
    Runs(OutputArgs),
    /// Show every unit of a run: state, start, duration, effects.
    Show(RunArgs),
    /// Print the record of a run, as Markdown.
    ///
    /// Who, when, what; each step with state, start, duration, effects and output; who confirmed and decided what;
    /// what users noticed; how it was undone. Example: windlass record > records/2.1.0.md
    Record(RunArgs),
    /// Confirm a gate that a run waits for, and go on with the run.
    Confirm(ConfirmArgs),
    /// Decide about a unit that could not go on by itself, and go on with the run.
    ///
    /// Look first (`windlass status` says what was seen), then say what you found. Your name and reason are journaled.
    #[command(after_help = DECIDE_EXAMPLES)]
    Decide(DecideArgs),
    /// Start, stop or restart a service of windlass.toml by hand, or say how it is.
    Service(ServiceArgs),
    /// Run the proxy in front of a service, or tell it what to do.
    Proxy(ProxyArgs),
    /// Back databases up, prove that the backups can be put back, and put them back.
    #[command(after_help = BACKUP_EXAMPLES)]
    Backup(BackupArgs),
    /// Drop for good what releases have set aside in databases.
    ///
    /// Tables and columns that a release drops are only set aside, so that a rollback brings them back; so are those that it
    /// made and that were written to before it was taken back. Shows all of them; drops those that are older than
    /// `policy.keep.backup` (7 days where it says nothing) and whose run has ended, after it has asked.
    Prune(PruneArgs),
    /// Print the JSON Schema of windlass.toml and of the front matter.
    Schema,
    /// Print the completions of a shell.
    ///
    /// Example: windlass completions bash > ~/.local/share/bash-completion/completions/windlass
    Completions {
        /// Which shell.
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
    /// Keep one instance of a service running; started by the service driver.
    #[command(hide = true)]
    Supervise {
        /// The instance's specification.
        spec: PathBuf,
    },
    /// The service of the demo.
    #[command(hide = true)]
    DemoService(DemoServiceArgs),
}

const APPLY_EXAMPLES: &str = "Examples:
  windlass apply RELEASE.md
  windlass apply RELEASE.md --yes --confirm all        in a pipeline
  windlass apply RELEASE.md --on-failure=stop          wait for me when a step fails
  windlass apply RELEASE.md --fault crash-after:migrate/2   try what a crash does";

const DECIDE_EXAMPLES: &str = "Examples:
  windlass decide retry migrate/2 --reason \"checked the table: nothing there\"
  windlass decide mark-done migrate/2 --reason \"finished it by hand\"
  windlass decide unwind --reason \"go back\"";

const BACKUP_EXAMPLES: &str = "Examples:
  windlass backup create db              by the server's own tool, through zstd, with SHA-256
  windlass backup verify                 restore the newest into a scratch database, compare
  windlass backup restore --into db_old  into a new database, never over one that is there
  windlass backup prune                  what `keep.backup` of the policy would delete";

#[derive(Debug, Args)]
pub struct BackupArgs {
    #[command(subcommand)]
    pub command: BackupCommand,
}

#[derive(Debug, Subcommand)]
pub enum BackupCommand {
    /// Back a database of windlass.toml up, of one consistent moment, while others go on.
    Create(BackupCreateArgs),
    /// List the backups, newest first.
    List(BackupListArgs),
    /// Restore a backup into a scratch database on the same server, compare it with what was written, and drop it again.
    Verify(BackupChooseArgs),
    /// Restore a backup into a new database on the same server (SQLite: a new file).
    Restore(BackupRestoreArgs),
    /// Delete backups that are older than `keep.backup` of the policy.
    ///
    /// Without --yes it only says which. The newest backup of a database stays, and so does the one that a run which is
    /// not finished, or is younger than `keep.record`, may go back to.
    Prune(BackupPruneArgs),
}

#[derive(Debug, Args)]
pub struct BackupWhere {
    /// Use windlass.ENV.toml too.
    #[arg(long, value_name = "ENV")]
    pub env: Option<String>,
    /// Folder of the backups; by default `.windlass/backups`.
    #[arg(long, value_name = "FOLDER")]
    pub folder: Option<PathBuf>,
    /// Folder with the server's programs (pg_dump, psql, mysqldump, mysql); by default the search path.
    #[arg(long, value_name = "FOLDER")]
    pub tools: Option<PathBuf>,
    #[command(flatten)]
    pub output: OutputArgs,
}

#[derive(Debug, Args)]
pub struct BackupCreateArgs {
    /// A database of windlass.toml; may be left out where there is only one.
    pub target: Option<String>,
    #[command(flatten)]
    pub place: BackupWhere,
}

#[derive(Debug, Args)]
pub struct BackupListArgs {
    #[command(flatten)]
    pub place: BackupWhere,
}

#[derive(Debug, Args)]
pub struct BackupChooseArgs {
    /// Its name; by default the newest.
    pub backup: Option<String>,
    #[command(flatten)]
    pub place: BackupWhere,
}

#[derive(Debug, Args)]
pub struct BackupRestoreArgs {
    /// Its name; by default the newest.
    pub backup: Option<String>,
    /// Name of the new database, or of the new file beside the old one.
    #[arg(long, value_name = "NAME")]
    pub into: String,
    #[command(flatten)]
    pub place: BackupWhere,
}

#[derive(Debug, Args)]
pub struct BackupPruneArgs {
    /// Delete them.
    #[arg(long)]
    pub yes: bool,
    #[command(flatten)]
    pub place: BackupWhere,
}

#[derive(Debug, Args)]
pub struct OutputArgs {
    /// Print JSON on standard output.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Print what was measured as JSON.
    #[arg(long)]
    pub json: bool,
    /// Keep the folder of the demo here instead of in a temporary one.
    #[arg(long, value_name = "FOLDER")]
    pub folder: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct DemoServiceArgs {
    /// Its SQLite database.
    #[arg(long, value_name = "FILE")]
    pub database: PathBuf,
    /// The file that names its version.
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// Where it listens, on 127.0.0.1.
    #[arg(long)]
    pub port: u16,
}

#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Release documents.
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Use windlass.ENV.toml too; by default the document's `env`.
    #[arg(long, value_name = "ENV")]
    pub env: Option<String>,
    #[command(flatten)]
    pub output: OutputArgs,
}

#[derive(Debug, Args)]
pub struct PlanArgs {
    /// Release document.
    pub file: PathBuf,
    /// Use windlass.ENV.toml too; by default the document's `env`.
    #[arg(long, value_name = "ENV")]
    pub env: Option<String>,
    /// Do not look at the world: show what the text alone says.
    #[arg(long)]
    pub offline: bool,
    #[command(flatten)]
    pub output: OutputArgs,
}

#[derive(Debug, Args)]
pub struct ApplyArgs {
    /// Release document.
    pub file: PathBuf,
    /// Use windlass.ENV.toml too; by default the document's `env`.
    #[arg(long, value_name = "ENV")]
    pub env: Option<String>,
    /// Start without asking. Answers only this question: gates still need --confirm or a person.
    #[arg(long)]
    pub yes: bool,
    /// With --yes: start also when something is certain to stop the run, as the survey shows.
    #[arg(long)]
    pub despite_problems: bool,
    /// What to do when a step fails.
    #[arg(long, value_enum, default_value_t = Policy::Unwind, value_name = "WHAT")]
    pub on_failure: Policy,
    #[command(flatten)]
    pub driving: DrivingArgs,
    #[command(flatten)]
    pub output: OutputArgs,
}

/// What to do when a step fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Policy {
    /// Go back by itself.
    Unwind,
    /// Stop and wait for `windlass decide`.
    Stop,
    /// Ask on the terminal; without one like stop.
    Ask,
}

impl From<Policy> for OnFailure {
    fn from(policy: Policy) -> Self {
        match policy {
            Policy::Unwind => Self::Unwind,
            Policy::Stop => Self::Stop,
            Policy::Ask => Self::Ask,
        }
    }
}

/// Options of all commands that drive a run.
#[derive(Clone, Debug, Default, Args)]
pub struct DrivingArgs {
    /// Confirm this gate beforehand (its id, or `all`); may be given more than once.
    #[arg(long, value_name = "GATE|all")]
    pub confirm: Vec<String>,
    /// What an undo does with rows that somebody has written to since: keep them and list them, put them back by force,
    /// or stop and ask.
    #[arg(long, value_enum, value_name = "WHAT", default_value = "keep")]
    pub on_conflict: ConflictArg,
    /// Let something go wrong: fail, fail-undo, repeat, crash-before or crash-after, and a unit.
    ///
    /// For rehearsals. `crash-after:undo:migrate/2` happens on the way back. Each fault happens once.
    #[arg(long, value_name = "KIND:UNIT")]
    pub fault: Vec<Fault>,
}

/// `--on-conflict`
#[derive(Clone, Copy, Debug, Default, clap::ValueEnum)]
pub enum ConflictArg {
    #[default]
    Keep,
    Force,
    Ask,
}

#[derive(Debug, Args)]
pub struct MigrateArgs {
    #[command(subcommand)]
    pub command: MigrateCommand,
}

#[derive(Debug, Subcommand)]
pub enum MigrateCommand {
    /// Run what is pending, in order.
    Up(MigrateUpArgs),
    /// Take the newest migration back, by its own script; without one, by taking back the run that brought it.
    Down(MigrateDownArgs),
    /// List the migrations: version, name, when, state.
    Status(MigrateShowArgs),
    /// Compare the files with what ran. A difference gives exit code 4.
    Verify(MigrateShowArgs),
}

/// Which folder, which database.
#[derive(Debug, Args)]
pub struct MigrateWhere {
    /// The folder of the migrations.
    pub dir: PathBuf,
    /// The database: a `[target.NAME]` of windlass.toml; by default the only one.
    #[arg(long, value_name = "TARGET")]
    pub on: Option<String>,
    /// Whose folder it is, where its files do not tell.
    #[arg(long, value_enum)]
    pub tool: Option<MigrateTool>,
    /// Use windlass.ENV.toml too.
    #[arg(long, value_name = "ENV")]
    pub env: Option<String>,
}

/// `--tool`
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum MigrateTool {
    GolangMigrate,
    Dbmate,
    Flyway,
    Sqlx,
    Goose,
    Diesel,
    Liquibase,
    /// Nobody's: files in the order of their names, with a table of our own.
    Plain,
}

impl From<MigrateTool> for windlass_plan::migrations::Tool {
    fn from(tool: MigrateTool) -> Self {
        match tool {
            MigrateTool::GolangMigrate => Self::GolangMigrate,
            MigrateTool::Dbmate => Self::Dbmate,
            MigrateTool::Flyway => Self::Flyway,
            MigrateTool::Sqlx => Self::Sqlx,
            MigrateTool::Goose => Self::Goose,
            MigrateTool::Diesel => Self::Diesel,
            MigrateTool::Liquibase => Self::Liquibase,
            MigrateTool::Plain => Self::Plain,
        }
    }
}

#[derive(Debug, Args)]
pub struct MigrateUpArgs {
    #[command(flatten)]
    pub place: MigrateWhere,
    /// The last version to run; by default all.
    #[arg(long, value_name = "VERSION")]
    pub to: Option<String>,
    /// Run at most so many.
    #[arg(long, value_name = "N")]
    pub steps: Option<usize>,
    /// Run also what comes before a version that has run.
    #[arg(long)]
    pub out_of_order: bool,
    /// Run this version although nobody knows a way back; may be given more than once.
    #[arg(long, value_name = "VERSION")]
    pub irreversible: Vec<String>,
    /// Start without asking.
    #[arg(long)]
    pub yes: bool,
    /// What to do when a statement fails.
    #[arg(long, value_enum, default_value_t = Policy::Unwind, value_name = "WHAT")]
    pub on_failure: Policy,
    #[command(flatten)]
    pub driving: DrivingArgs,
    #[command(flatten)]
    pub output: OutputArgs,
}

#[derive(Debug, Args)]
pub struct MigrateDownArgs {
    #[command(flatten)]
    pub place: MigrateWhere,
    /// The last version that stays; `0`: none does.
    #[arg(long, value_name = "VERSION", conflicts_with = "steps")]
    pub to: Option<String>,
    /// Take so many back; by default one.
    #[arg(long, value_name = "N")]
    pub steps: Option<usize>,
    /// Take this version back although its script cannot be taken back itself; may be given more than once.
    #[arg(long, value_name = "VERSION")]
    pub irreversible: Vec<String>,
    /// Start without asking.
    #[arg(long)]
    pub yes: bool,
    #[command(flatten)]
    pub driving: DrivingArgs,
    #[command(flatten)]
    pub output: OutputArgs,
}

#[derive(Debug, Args)]
pub struct MigrateShowArgs {
    #[command(flatten)]
    pub place: MigrateWhere,
    #[command(flatten)]
    pub output: OutputArgs,
}

#[derive(Debug, Args)]
pub struct ResumeArgs {
    /// The run; by default the newest one that is not finished.
    pub run: Option<String>,
    #[command(flatten)]
    pub driving: DrivingArgs,
    #[command(flatten)]
    pub output: OutputArgs,
}

#[derive(Debug, Args)]
pub struct PruneArgs {
    /// Do not ask.
    #[arg(long)]
    pub yes: bool,
    /// Environment: lays windlass.ENV.toml over windlass.toml.
    #[arg(long, value_name = "ENV")]
    pub env: Option<String>,
}

#[derive(Debug, Args)]
pub struct RollbackArgs {
    /// The run; by default the newest one that is done or not finished.
    pub run: Option<String>,
    /// Begin without asking.
    #[arg(long)]
    pub yes: bool,
    /// Why, for the record.
    #[arg(long, value_name = "WHY", default_value = "asked for by a person")]
    pub reason: String,
    #[command(flatten)]
    pub driving: DrivingArgs,
    #[command(flatten)]
    pub output: OutputArgs,
}

#[derive(Debug, Args)]
pub struct RunArgs {
    /// The run; by default the newest one that is not finished, else the newest.
    pub run: Option<String>,
    #[command(flatten)]
    pub output: OutputArgs,
}

#[derive(Debug, Args)]
pub struct ConfirmArgs {
    /// The gate's id, as `windlass status` names it.
    pub gate: String,
    /// The run; by default the newest one that is not finished.
    #[arg(long)]
    pub run: Option<String>,
    /// What you saw, for the record.
    #[arg(long, default_value = "", hide_default_value = true, value_name = "WORDS")]
    pub note: String,
    #[command(flatten)]
    pub driving: DrivingArgs,
    #[command(flatten)]
    pub output: OutputArgs,
}

#[derive(Debug, Args)]
pub struct DecideArgs {
    /// What you decided.
    #[arg(value_enum)]
    pub verb: Decision,
    /// The unit, as `windlass status` names it; by default the one that the run waits for.
    pub unit: Option<String>,
    /// Why, for the record.
    #[arg(long, value_name = "WHY")]
    pub reason: String,
    /// The run; by default the newest one that is not finished.
    #[arg(long)]
    pub run: Option<String>,
    #[command(flatten)]
    pub driving: DrivingArgs,
    #[command(flatten)]
    pub output: OutputArgs,
}

/// A decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Decision {
    /// Try the unit again: it had no effect, or may be repeated.
    Retry,
    /// Go on without it (on the way back: leave what it changed).
    Skip,
    /// It is done (on the way back: undone), by hand.
    MarkDone,
    /// Take everything back.
    Unwind,
    /// Leave everything as it is and end the run.
    Abandon,
}

impl From<Decision> for Verb {
    fn from(decision: Decision) -> Self {
        match decision {
            Decision::Retry => Self::Retry,
            Decision::Skip => Self::Skip,
            Decision::MarkDone => Self::MarkDone,
            Decision::Unwind => Self::Unwind,
            Decision::Abandon => Self::Abandon,
        }
    }
}

#[derive(Debug, Args)]
pub struct ServiceArgs {
    #[command(subcommand)]
    pub command: ServiceCommand,
}

#[derive(Debug, Subcommand)]
pub enum ServiceCommand {
    /// Start it, wait for health, let requests through.
    Start(ServiceVersion),
    /// Hold requests, then stop it.
    Stop(ServiceName),
    /// Replace it by its strategy.
    Restart(ServiceVersion),
    /// Say which instances run and how they are.
    Status(ServiceName),
}

#[derive(Debug, Args)]
pub struct ServiceName {
    /// Name of a `[service.NAME]` of windlass.toml.
    pub name: String,
    /// Use windlass.ENV.toml too.
    #[arg(long, value_name = "ENV")]
    pub env: Option<String>,
    #[command(flatten)]
    pub output: OutputArgs,
}

#[derive(Debug, Args)]
pub struct ServiceVersion {
    #[command(flatten)]
    pub service: ServiceName,
    /// Version that it serves from now on; by default the one that served last.
    #[arg(long = "version", value_name = "VERSION")]
    pub release: Option<String>,
}

#[derive(Debug, Args)]
pub struct ProxyArgs {
    #[command(subcommand)]
    pub command: ProxyCommand,
}

#[derive(Debug, Subcommand)]
pub enum ProxyCommand {
    /// Serve until told to stop. Run it as a unit of its own: it outlives windlass.
    Run(ProxyRunArgs),
    /// Show upstreams, health and counters.
    Status(ServiceName),
    /// Keep requests waiting until `resume`.
    Hold(ProxyHoldArgs),
    /// Let held requests go on.
    Resume(ServiceName),
    /// Send requests to these addresses from now on.
    Switch(ProxySwitchArgs),
    /// Finish what is in flight, then end the proxy.
    Stop(ProxyStopArgs),
}

#[derive(Debug, Args)]
pub struct ProxyRunArgs {
    #[command(flatten)]
    pub service: ServiceName,
    /// Take the socket over from the proxy that runs: an upgrade without a dropped connection.
    #[arg(long)]
    pub take_over: bool,
    /// Serve TLS with this certificate chain (PEM).
    #[arg(long, value_name = "FILE", requires = "key")]
    pub cert: Option<PathBuf>,
    /// Private key of the certificate (PEM).
    #[arg(long, value_name = "FILE", requires = "cert")]
    pub key: Option<PathBuf>,
    /// Worker threads; by default one per core.
    #[arg(long, value_name = "N")]
    pub workers: Option<usize>,
}

#[derive(Debug, Args)]
pub struct ProxyHoldArgs {
    #[command(flatten)]
    pub service: ServiceName,
    /// Longest wait of one request, in milliseconds; by default the service's `hold`.
    #[arg(long, value_name = "MS")]
    pub hold_ms: Option<u64>,
}

#[derive(Debug, Args)]
pub struct ProxySwitchArgs {
    #[command(flatten)]
    pub service: ServiceName,
    /// An upstream: `VERSION=HOST:PORT`, or `VERSION=HOST:PORT@WEIGHT` with weights that add up to 100.
    #[arg(required = true, value_name = "VERSION=HOST:PORT[@WEIGHT]")]
    pub upstreams: Vec<String>,
    /// Also let held requests go on, in the same instant.
    #[arg(long)]
    pub resume: bool,
}

#[derive(Debug, Args)]
pub struct ProxyStopArgs {
    #[command(flatten)]
    pub service: ServiceName,
    /// Longest wait for requests in flight, in milliseconds; by default the service's `drain`.
    #[arg(long, value_name = "MS")]
    pub drain_ms: Option<u64>,
}

/// Reads the command line.
pub fn parse() -> Result<Cli, clap::Error> {
    let words: Vec<_> = std::env::args_os().collect();
    match checking(&words) {
        Some(cli) => Ok(cli),
        None => Cli::try_parse_from(words),
    }
}

/// `windlass check FILE…`, which editors run at every key: to build the definition of all commands takes longer than to
/// read the words of this one. `None`, also for what is wrong with them: then the whole definition has its say.
fn checking(words: &[OsString]) -> Option<Cli> {
    #[derive(Parser)]
    #[command(name = "windlass", disable_help_flag = true)]
    struct Check {
        #[arg(long)]
        config: Option<PathBuf>,
        #[command(flatten)]
        args: CheckArgs,
    }
    let (_, words) =
        words.split_first().filter(|(_, words)| words.first().is_some_and(|word| word == "check"))?;
    let Check { config, args } = Check::try_parse_from(words).ok()?;
    Some(Cli { config, command: Command::Check(args) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_short_way_to_check_reads_what_the_long_way_reads() {
        for words in [
            "check a.md",
            "check a.md b.md --json",
            "check --env prod a.md",
            "check --config=w.toml --env=p -- --json",
            "check",
            "check --help",
            "check -h",
            "check a.md --jsn",
            "check a.md --env",
            "check help",
            "plan a.md",
            "--config w.toml check a.md",
        ] {
            let words: Vec<OsString> =
                std::iter::once("windlass").chain(words.split(' ')).map(Into::into).collect();
            let Some(short) = checking(&words) else { continue };
            let long = Cli::try_parse_from(&words).unwrap();
            assert_eq!(format!("{short:?}"), format!("{long:?}"));
        }
        let common = ["windlass", "check", "a.md", "--env", "p", "--json"].map(OsString::from);
        assert!(checking(&common).is_some());
    }

    #[test]
    fn every_command_and_option_has_help() {
        fn walk(command: &clap::Command) {
            assert!(command.is_hide_set() || command.get_about().is_some(), "{}", command.get_name());
            for argument in command.get_arguments().filter(|_| !command.is_hide_set()) {
                assert!(argument.get_help().is_some(), "{} {}", command.get_name(), argument.get_id());
            }
            command.get_subcommands().for_each(walk);
        }
        walk(&Cli::command());
    }

    #[test]
    fn faults_are_checked_as_arguments() {
        assert!(Cli::try_parse_from(["windlass", "apply", "x.md", "--fault", "crash-after:a/1"]).is_ok());
        let error = Cli::try_parse_from(["windlass", "apply", "x.md", "--fault", "explode:a/1"]).unwrap_err();
        assert!(error.to_string().contains("crash-before"), "{error}");
    }
}
