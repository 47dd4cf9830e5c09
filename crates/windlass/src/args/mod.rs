//! The command line. Help texts are the doc comments here.

mod adopt;
mod backup;
mod demo;
mod drive;
mod look;
mod migrate;
mod new;
mod notices;
mod objects;
mod papers;
mod proxy;
mod rehearse;
mod service;

pub use self::{
    adopt::*, backup::*, demo::*, drive::*, look::*, migrate::*, new::*, notices::*, objects::*, papers::*,
    proxy::*, rehearse::*, service::*,
};

use clap::{Parser, Subcommand};
use std::{ffi::OsString, path::PathBuf};

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
    /// Read an old runbook or script as it is, and write a draft release document from it.
    ///
    /// Its commands become steps, what people do becomes checklist items, its machines and databases a draft of windlass.toml.
    /// Says what is dangerous in it, with line and column, and which lines are no steps, and why. The runbook is not changed, no
    /// file is overwritten, and no command is in the draft that was not in the runbook.
    #[command(after_help = ADOPT_EXAMPLES)]
    Adopt(AdoptArgs),
    /// Look at a repository and draft its windlass.toml.
    ///
    /// Reads compose files, units of systemd, packages, migrations, health routes and the names in `.env` files; their values are written
    /// nowhere. An existing windlass.toml is left alone.
    Init(InitArgs),
    /// Write a new release document from the template, filled from git and windlass.toml.
    ///
    /// In English, Chinese or Japanese: what changes (files, migrations, packages, names of settings, images), checks before, steps,
    /// verification, way back. What only a person knows is a `- [ ] TODO` item. `windlass check` accepts it as it is written; no
    /// file is overwritten, and no value of a setting is in it.
    #[command(after_help = NEW_EXAMPLES)]
    New(NewArgs),
    /// Say what is wrong with release documents, or list their steps.
    ///
    /// Works offline and touches nothing. Every problem of a file is reported at once, with its place, the reason and
    /// a fix. Steps of a file without problems are listed with line, driver, target and undo class. `--format` prints the
    /// findings as CI systems read them.
    Check(CheckArgs),
    /// Show what a release would change and how each step is undone.
    ///
    /// Looks at the real world, read-only, for numbers of rows and files. With --json it prints the canonical plan,
    /// byte for byte what is hashed: `windlass plan --json FILE | sha256sum` is the plan's digest. With --format github
    /// or gitlab it prints a comment for the pull or merge request.
    Plan(PlanArgs),
    /// Try the SQL of a release on copies of its databases: forwards, back, again, with crashes and repeats.
    ///
    /// The live databases are only read. Says of each statement how long it takes, which locks it holds, and whether its undo
    /// leads back to every definition and row. Steps that are not SQL are not run. `plan` then shows the predicted downtime.
    #[command(after_help = REHEARSE_EXAMPLES)]
    Rehearse(RehearseArgs),
    /// Write the ticket of a release: its plan as a page for people who decide about it.
    ///
    /// What and why, every step with its SQL and what it would change, the way back, downtime, window, approvals, the last
    /// rehearsal, findings. As Markdown, as one HTML file that prints well, or as JSON; in English, Chinese or Japanese. The
    /// document stays as it is.
    #[command(after_help = TICKET_EXAMPLES)]
    Ticket(TicketArgs),
    /// Approve the plan of a release with your SSH key, where the policy wants approvals.
    ///
    /// The approval is for this plan only: whatever changes it, in the document or the configuration, needs a new one. Who may approve stands
    /// in a file of allowed signers beside windlass.toml; the signature is kept in .windlass/approvals, to be copied where the
    /// release is applied.
    Approve(ApproveArgs),
    /// Run a release.
    ///
    /// Shows the plan, asks, and runs it. When a step or a check fails, everything goes back by itself, newest first.
    /// Ctrl-C finishes the current unit and stops; `windlass resume` goes on.
    #[command(after_help = APPLY_EXAMPLES)]
    Apply(ApplyArgs),
    /// Go on with a run whose controller was stopped, killed or cut off.
    ///
    /// What the dead controller had begun is looked at first: nothing is done twice, nothing is guessed. A document that was edited meanwhile is
    /// compared with what ran: an edit of what has not begun (or failed without effect) is shown, asked about and taken over, one of what has
    /// begun is refused with a diff.
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
    /// Write the record of a run: a page for people, or an entry of a log.
    ///
    /// Who, when, what; each step with state, start, duration, effects and output; who confirmed and decided what;
    /// what users noticed; how it was undone. As Markdown, as one HTML file, or as JSON; in English, Chinese or Japanese.
    #[command(after_help = RECORD_EXAMPLES)]
    Record(RecordArgs),
    /// Prove that the journal is whole, and say who did what when.
    ///
    /// Each entry has a hash over itself and the one before: what was changed, taken out or put in shows (exit 3). Entries cut off at the end do
    /// not show by the chain alone, so note the last hash elsewhere, and name it the next time.
    #[command(after_help = VERIFY_JOURNAL_EXAMPLES)]
    VerifyJournal(VerifyJournalArgs),
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
    /// List, sync, move and remove objects of an S3 store by hand.
    ///
    /// The words are those behind `aws s3`. What would change is shown first; the run is journaled: `resume` goes on with it,
    /// `rollback` takes back exactly its objects. The buckets are targets of windlass.toml.
    #[command(after_help = OBJECTS_EXAMPLES)]
    Objects(ObjectsArgs),
    /// Back databases up, prove that the backups can be put back, and put them back.
    #[command(after_help = BACKUP_EXAMPLES)]
    Backup(BackupArgs),
    /// Send a test notice to those whom windlass.toml names to be told about releases.
    Notices(NoticesArgs),
    /// Drop for good what releases have set aside in databases, buckets and on this machine.
    ///
    /// Tables and columns that a release drops are only set aside, so that a rollback brings them back; so are those that it
    /// made and that were written to before it was taken back. Rows as they were before a statement
    /// changed them are kept as long, objects under `hold` of a bucket, and files that were removed or overwritten (`.windlass/runs`). Shows all; drops what is older than `policy.keep.backup` (7 days where it says nothing) and
    /// whose run ended that long ago, after it has asked. Where the run is not in the journal, `policy.keep.record` (90 days) counts.
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
            "check a.md --format sarif",
            "check a.md --format yaml",
            "check a.md --format sarif --json",
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
    fn json_is_one_of_the_formats_and_not_said_beside_another() {
        let format = |words: &[&str]| match Cli::try_parse_from(words).map(|cli| cli.command) {
            Ok(Command::Check(args)) => Some(args.output.format()),
            Ok(Command::Plan(args)) => Some(args.output.format()),
            _ => None,
        };
        for command in ["check", "plan"] {
            assert_eq!(format(&["windlass", command, "a.md"]), Some(Format::Text));
            assert_eq!(format(&["windlass", command, "a.md", "--json"]), Some(Format::Json));
            assert_eq!(format(&["windlass", command, "a.md", "--format=gitlab"]), Some(Format::Gitlab));
            assert_eq!(format(&["windlass", command, "a.md", "--format=github", "--json"]), None);
        }
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
