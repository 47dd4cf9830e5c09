//! `windlass ticket` and `windlass record`: pages for people.

use clap::{Args, ValueEnum, builder::PossibleValuesParser, builder::TypedValueParser as _};
use std::path::PathBuf;
use windlass_plan::Lang;

pub(super) const TICKET_EXAMPLES: &str = "Examples:
  windlass ticket RELEASE.md                               Markdown
  windlass ticket RELEASE.md --format html --out ticket.html
  windlass ticket RELEASE.md --lang zh --executor 王芳";

pub(super) const RECORD_EXAMPLES: &str = "Examples:
  windlass record --out records/2.1.0.md
  windlass record --append UPDATE_LOG.md     once for each run
  windlass record --format html --lang ja --out record.html";

/// The form of a page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum PageFormat {
    /// Markdown.
    #[default]
    Md,
    /// One HTML file that needs no other, and prints well.
    Html,
    /// JSON, with English keys.
    Json,
}

#[derive(Clone, Debug, Args)]
pub struct PaperArgs {
    /// Form of the page.
    #[arg(long, value_enum, default_value_t)]
    pub format: PageFormat,
    /// Language of the page; by default `lang` of [documents] in windlass.toml, else that of LC_ALL, LC_MESSAGES or LANG, else en.
    #[arg(long, value_parser = lang())]
    pub lang: Option<Lang>,
    /// Write it into a file, in the place of what is there, instead of on standard output.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// The same as `--format json`.
    #[arg(long, conflicts_with = "format")]
    json: bool,
}

impl PaperArgs {
    /// The form that is wanted.
    pub fn format(&self) -> PageFormat {
        if self.json { PageFormat::Json } else { self.format }
    }
}

pub(super) fn lang() -> impl clap::builder::TypedValueParser<Value = Lang> {
    PossibleValuesParser::new(Lang::ALL.map(Lang::code))
        .map(|code| Lang::of_locale(&code).unwrap_or_default())
}

#[derive(Debug, Args)]
pub struct TicketArgs {
    /// Release document.
    pub file: PathBuf,
    /// Use windlass.ENV.toml too; by default the document's `env`.
    #[arg(long, value_name = "ENV")]
    pub env: Option<String>,
    /// Do not look at the world: show what the text alone says.
    #[arg(long)]
    pub offline: bool,
    /// Who is to run the release.
    #[arg(long, value_name = "WHO")]
    pub executor: Option<String>,
    #[command(flatten)]
    pub paper: PaperArgs,
}

#[derive(Debug, Args)]
pub struct RecordArgs {
    /// The run; by default the newest one that is not finished, else the newest.
    pub run: Option<String>,
    /// Add the record in short to a log in Markdown, where the order of its dates has it; never twice for a run.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["format", "json", "out"])]
    pub append: Option<PathBuf>,
    #[command(flatten)]
    pub paper: PaperArgs,
}
