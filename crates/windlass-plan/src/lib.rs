//! A release document and a configuration, compiled to typed, reversible units.
//!
//! Pure: no I/O, no async. The same document, configuration and tool version give the same plan and the same
//! digest on any machine.

#![deny(missing_docs)]

mod bare;
mod batch;
mod calendar;
mod canary;
mod compile;
mod compose;
mod config;
mod digest;
mod endpoint;
mod git;
mod install;
mod kept;
mod leg;
mod lift;
mod lint;
pub mod migrations;
mod model;
mod preflight;
mod probe;
mod question;
mod require;
mod secret;
mod standing;
mod suggest;
mod watch;

pub use batch::{Batch, Throttle};
pub use calendar::{BadHoliday, Holidays};
pub use canary::Canary;
pub use compile::{
    DocumentMeta, FileSource, NoFiles, SourceFile, Unreadable, compile, compile_broken, compile_live,
};

pub use compose::{COMPOSE_FILES, ComposeLine, ComposeOperation};
pub use config::{
    Approval, BackupFolder, BackupPolicy, Config, ConfigFinding, ConfigSource, Documents, Due, Freeze, Guard,
    Keep, Lang, Limit, MailTls, MailWay, Moment, NoticeKind, NoticeWay, Policy, Receiver, Unread, Watch,
    Weekday, Window, backup_folder, config_schema, parse_config, rate_bytes, sqlite_path, url_kind,
};
pub use digest::{Digest, canonical_json};
pub use endpoint::{Endpoint, UrlParts, endpoint, percent_decoded, url_parts};
pub use git::{GitLine, GitRev, GitVerb};
pub use install::{InstallLine, Installer};
pub use kept::Unkept;
pub use leg::Leg;
pub use lint::{
    AboutRule, Catalogs, EXAMPLE_CONFIG, RULES, Rule, SQL_RULES, SqlFinding, SqlRule, SqlText, about_rules,
    lint_sql, placeholder, rules_markdown,
};
pub use model::*;
pub use preflight::{Checked, Needed, Needs, Place, State, Thing, Written};
pub use probe::{Budget, Downtime};
pub use require::{Requirement, Unmet};
pub use secret::{has_secrets, may_have_secrets};
pub use watch::{WatchLimits, Watching};
pub use windlass_sql::Live;
