//! A release document and a configuration, compiled to typed, reversible units.
//!
//! Pure: no I/O, no async. The same document, configuration and tool version give the same plan and the same
//! digest on any machine.

#![deny(missing_docs)]

mod compile;
mod config;
mod digest;
mod lift;
mod lint;
pub mod migrations;
mod model;
mod standing;
mod suggest;

pub use compile::{DocumentMeta, FileSource, NoFiles, SourceFile, compile, compile_broken};

pub use config::{
    Approval, Budget, Config, ConfigFinding, ConfigSource, Freeze, Guard, Keep, Limit, Policy, Unread, Watch,
    Weekday, Window, config_schema, parse_config, sqlite_path, url_kind,
};
pub use digest::{Digest, canonical_json};
pub use lint::{
    EXAMPLE_CONFIG, RULES, Rule, SQL_RULES, SqlFinding, SqlRule, SqlText, lint_sql, rules_markdown,
};
pub use model::*;
