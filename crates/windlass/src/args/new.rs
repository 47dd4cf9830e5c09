//! `windlass new`

use super::{OutputArgs, papers::lang};
use clap::Args;
use jiff::civil::Date;
use std::path::PathBuf;
use windlass_document::Urgency;
use windlass_plan::Lang;

pub(super) const NEW_EXAMPLES: &str = "Examples:
  windlass new LOGIN_UPDATE                      since the last release or tag
  windlass new LOGIN_UPDATE --from v2.0.9        since that version
  windlass new LOGIN_UPDATE --lang zh            in Chinese
  windlass new LOGIN_UPDATE --severity critical  it cannot wait";

#[derive(Debug, Args)]
pub struct NewArgs {
    /// What the release is called: letters of any script, digits, `_`, `.`, `-`.
    #[arg(value_name = "NAME")]
    pub name: String,
    /// The version that serves before, as git knows it; by default the newest release that is done, else the last tag.
    #[arg(long, value_name = "REV")]
    pub from: Option<String>,
    /// The version that is released; by default HEAD.
    #[arg(long, value_name = "REV")]
    pub to: Option<String>,
    /// en, zh or ja; by default what windlass.toml says, else that of LC_ALL or LANG.
    #[arg(long, value_name = "LANG", value_parser = lang())]
    pub lang: Option<Lang>,
    /// critical, recommended or optional.
    #[arg(long, value_name = "HOW", value_parser = severity)]
    pub severity: Option<Urgency>,
    /// The day of the release, as 2026-11-27; by default today, by the clock of windlass.toml.
    #[arg(long, value_name = "DATE", value_parser = date)]
    pub date: Option<Date>,
    /// Write it to this file; by default DEPLOY_NAME_DATE.md, or as windlass.toml says.
    #[arg(short, long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Print it, and write nothing.
    #[arg(long, conflicts_with = "out")]
    pub stdout: bool,
    #[command(flatten)]
    pub output: OutputArgs,
}

fn severity(text: &str) -> Result<Urgency, String> {
    let known = Urgency::ALL.into_iter().find(|urgency| urgency.name() == text);
    known.ok_or_else(|| "it is critical, recommended or optional".to_owned())
}

fn date(text: &str) -> Result<Date, String> {
    Date::strptime("%Y-%m-%d", text)
        .or_else(|_| Date::strptime("%Y%m%d", text))
        .map_err(|_| "write a day as 2026-11-27".to_owned())
}
