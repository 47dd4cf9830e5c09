//! MySQL and MariaDB: what a database is made of, how one becomes another, and what a statement on definitions touches.

mod accounts;
mod database;
mod diff;
mod foreign;
mod hidden;
mod lossless;
mod maintenance;
mod partitions;
mod prepared;
mod table;
mod words;

pub use accounts::{
    About, Account, AccountStatement, AccountStep, AccountVerb, Accounts, Clause, Grant, PUBLIC, Who,
    account_key, account_statement, account_steps, fits, foresee, grant, is_between, masked,
};
pub use database::{DatabaseDefaults, database_defaults};
pub use diff::{Catalog, Object, ObjectKind, Renames, Settings, Step, alter, diff, pinned};
pub use foreign::{ForeignKey, foreign_keys};
pub use hidden::{hidden, is_generated};
pub use lossless::{Stored, lossless};
pub use maintenance::maintains;
pub use partitions::{Partition, Partitioning, partition_names};
pub use prepared::{Prepared, does_nothing, fold, prepared, prepared_groups};
pub use table::{Part, PartKind, Table};
pub use words::{after_table_name, identifiers};
