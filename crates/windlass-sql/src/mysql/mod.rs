//! MySQL and MariaDB: what a database is made of, how one becomes another, and what a statement on definitions touches.

mod words;

pub use words::identifiers;
