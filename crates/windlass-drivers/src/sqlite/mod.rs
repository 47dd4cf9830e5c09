//! SQLite: statements, backups, fingerprints.
