//! The tables that the tools keep their state in: read and written in their own form, so that a team can go on with the
//! tool it has. The definitions are those of the tools' sources, named at each.

use super::{Applied, AppliedRow, Folder, Migration, Tool};
use windlass_sql::{Dialect, literal};

/// The table of a tool in a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Table {
    /// Whose.
    pub tool: Tool,
    /// Of which database.
    pub dialect: Dialect,
}

/// A read-only question to the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask(pub String);

/// The name of a tool's table.
#[must_use]
pub fn table_of(tool: Tool) -> &'static str {
    match tool {
        Tool::GolangMigrate | Tool::Dbmate => "schema_migrations",
        Tool::Flyway => "flyway_schema_history",
        Tool::Sqlx => "_sqlx_migrations",
        Tool::Goose => "goose_db_version",
        Tool::Diesel => "__diesel_schema_migrations",
        Tool::Liquibase => "DATABASECHANGELOG",
        Tool::Plain => "migration_ledger",
    }
}

const LOCK: &str = "DATABASECHANGELOGLOCK";

/// A row as the database gives it.
type Cells = [Option<String>];

fn cell(row: &Cells, at: usize) -> String {
    row.get(at).cloned().flatten().unwrap_or_default()
}

fn truth(text: &str) -> bool {
    matches!(text.to_ascii_lowercase().as_str(), "1" | "t" | "true" | "\u{1}")
}

impl Table {
    /// Which of all these tables are there: one column, their names.
    #[must_use]
    pub fn present(dialect: Dialect) -> Ask {
        let names: Vec<String> = Tool::ALL
            .iter()
            .map(|tool| table_of(*tool))
            .chain([LOCK])
            .map(|name| format!("'{}'", name.to_ascii_lowercase()))
            .collect();
        let names = names.join(", ");
        Ask(match dialect {
            Dialect::Sqlite => {
                format!("SELECT name FROM sqlite_schema WHERE type = 'table' AND lower(name) IN ({names})")
            }
            Dialect::Postgresql => format!(
                "SELECT CAST(table_name AS text) FROM information_schema.tables WHERE table_schema = ANY (current_schemas(false)) \
                 AND lower(table_name) IN ({names})"
            ),
            Dialect::Mysql => format!(
                "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() AND lower(table_name) IN ({names})"
            ),
        })
    }

    /// Whether the table is among those that [`Table::present`] gave.
    #[must_use]
    pub fn is_in(self, present: &[Vec<Option<String>>]) -> bool {
        present.iter().any(|row| cell(row, 0).eq_ignore_ascii_case(table_of(self.tool)))
    }

    fn text(self, column: &str) -> String {
        let kind = if self.dialect == Dialect::Mysql { "CHAR" } else { "TEXT" };
        format!("CAST({column} AS {kind})")
    }

    /// Its rows, oldest first.
    #[must_use]
    pub fn rows(self) -> Ask {
        let hex = match self.dialect {
            Dialect::Postgresql => "upper(encode(checksum, 'hex'))",
            _ => "hex(checksum)",
        };
        let (columns, order): (Vec<String>, &str) = match self.tool {
            Tool::GolangMigrate => (self.texts(&["version", "dirty"]), "version"),
            Tool::Dbmate => (self.texts(&["version"]), "version"),
            Tool::Flyway => (
                self.texts(&[
                    "version",
                    "description",
                    "type",
                    "checksum",
                    "installed_on",
                    "success",
                    "installed_rank",
                ]),
                "installed_rank",
            ),
            Tool::Sqlx => {
                let mut columns = self.texts(&["version", "description", "installed_on", "success"]);
                columns.push(hex.to_owned());
                (columns, "version")
            }
            Tool::Goose => (self.texts(&["version_id", "is_applied", "tstamp"]), "id"),
            Tool::Diesel => (self.texts(&["version", "run_on"]), "version"),
            Tool::Liquibase => (
                self.texts(&["author", "id", "filename", "dateexecuted", "orderexecuted", "exectype"]),
                "orderexecuted",
            ),
            Tool::Plain => (self.texts(&["name", "sha256", "applied_at"]), "name"),
        };
        Ask(format!("SELECT {} FROM {} ORDER BY {order}", columns.join(", "), table_of(self.tool)))
    }

    fn texts(self, columns: &[&str]) -> Vec<String> {
        columns.iter().map(|column| self.text(column)).collect()
    }

    /// The lock of the tool, if it keeps one in a table that is `present`.
    #[must_use]
    pub fn lock(self, present: &[Vec<Option<String>>]) -> Option<Ask> {
        let there = present.iter().any(|row| cell(row, 0).eq_ignore_ascii_case(LOCK));
        (self.tool == Tool::Liquibase && there).then(|| {
            Ask(format!(
                "SELECT {}, {}, {} FROM {LOCK}",
                self.text("locked"),
                self.text("lockedby"),
                self.text("lockgranted")
            ))
        })
    }

    /// What `rows` of [`Table::rows`] and `locks` of [`Table::lock`] say.
    #[must_use]
    pub fn read(
        self,
        folder: &Folder,
        rows: &[Vec<Option<String>>],
        locks: &[Vec<Option<String>>],
    ) -> Applied {
        let mut applied = Applied { table: true, ..Applied::default() };
        for row in rows {
            match self.tool {
                Tool::Flyway => flyway(&mut applied, row),
                Tool::Goose => goose(&mut applied, row),
                Tool::Liquibase => liquibase(&mut applied, folder, row),
                _ => applied.rows.extend(self.row(row)),
            }
        }
        let held = locks.iter().find(|row| truth(&cell(row, 0)));
        applied.lock = held.map(|row| format!("{} since {}", cell(row, 1), cell(row, 2)));
        applied
    }

    fn row(self, row: &Cells) -> Option<AppliedRow> {
        let base = AppliedRow { version: cell(row, 0), ..AppliedRow::default() };
        Some(match self.tool {
            Tool::GolangMigrate => AppliedRow { dirty: truth(&cell(row, 1)), ..base },
            Tool::Sqlx => AppliedRow {
                name: cell(row, 1),
                at: row.get(2).cloned().flatten(),
                dirty: !truth(&cell(row, 3)),
                checksum: row.get(4).cloned().flatten(),
                ..base
            },
            Tool::Diesel => AppliedRow { at: row.get(1).cloned().flatten(), ..base },
            Tool::Plain => AppliedRow {
                checksum: row.get(1).cloned().flatten(),
                at: row.get(2).cloned().flatten(),
                ..base
            },
            _ => base,
        })
    }

    /// What makes the table when it is missing.
    #[must_use]
    pub fn create(self) -> Vec<String> {
        let one = |text: &str| vec![text.to_owned()];
        match (self.tool, self.dialect) {
            // database/sqlite3/sqlite3.go, postgres.go, mysql.go of golang-migrate.
            (Tool::GolangMigrate, Dialect::Sqlite) => vec![
                "CREATE TABLE schema_migrations (version uint64,dirty bool)".to_owned(),
                "CREATE UNIQUE INDEX version_unique ON schema_migrations (version)".to_owned(),
            ],
            (Tool::GolangMigrate, _) => one(
                "CREATE TABLE schema_migrations (version bigint not null primary key, dirty boolean not null)",
            ),
            // pkg/driver/*/ of dbmate.
            (Tool::Dbmate, Dialect::Postgresql) => {
                one("CREATE TABLE schema_migrations (version varchar not null primary key)")
            }
            (Tool::Dbmate, _) => one("CREATE TABLE schema_migrations (version varchar(128) primary key)"),
            (Tool::Flyway, dialect) => flyway_table(dialect),
            // sqlx-sqlite, sqlx-postgres, sqlx-mysql: src/migrate.rs.
            (Tool::Sqlx, dialect) => {
                let (stamp, bytes, now) = match dialect {
                    Dialect::Postgresql => ("TIMESTAMPTZ", "BYTEA", "now()"),
                    _ => ("TIMESTAMP", "BLOB", "CURRENT_TIMESTAMP"),
                };
                vec![format!(
                    "CREATE TABLE _sqlx_migrations (version BIGINT PRIMARY KEY, description TEXT NOT NULL, \
                     installed_on {stamp} NOT NULL DEFAULT {now}, success BOOLEAN NOT NULL, checksum {bytes} NOT NULL, \
                     execution_time BIGINT NOT NULL)"
                )]
            }
            (Tool::Goose, dialect) => goose_table(dialect),
            // src/migration/setup_migration_table.sql of Diesel.
            (Tool::Diesel, _) => {
                one("CREATE TABLE __diesel_schema_migrations (version VARCHAR(50) PRIMARY KEY NOT NULL, \
                 run_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP)")
            }
            (Tool::Liquibase, dialect) => liquibase_table(dialect),
            (Tool::Plain, _) => {
                one("CREATE TABLE migration_ledger (name VARCHAR(255) NOT NULL PRIMARY KEY, \
                 sha256 CHAR(64) NOT NULL, applied_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP)")
            }
        }
    }

    /// Names of files and versions have no character 0, so each has a literal.
    fn literal(self, value: &str) -> String {
        literal(value, self.dialect).unwrap_or_else(|| "''".to_owned())
    }

    fn boolean(self, value: bool) -> &'static str {
        match (self.dialect, value) {
            (Dialect::Postgresql, true) => "true",
            (Dialect::Postgresql, false) => "false",
            (_, true) => "1",
            (_, false) => "0",
        }
    }

    /// What is written before the statements of a migration, so that the old tool does not run it meanwhile.
    /// `previous` is the version before it.
    #[must_use]
    pub fn begin(self, version: &str, previous: Option<&str>) -> Vec<String> {
        if self.tool != Tool::GolangMigrate {
            return Vec::new();
        }
        let dirty = self.boolean(true);
        vec![match previous {
            Some(previous) => {
                format!(
                    "UPDATE schema_migrations SET version = {version}, dirty = {dirty} WHERE version = {previous}"
                )
            }
            None => format!("INSERT INTO schema_migrations (version, dirty) VALUES ({version}, {dirty})"),
        }]
    }

    /// What says that a migration has run. `nth`: how many rows are written before it in the same run.
    #[must_use]
    pub fn done(self, migration: &Migration, applied: &Applied, nth: i64) -> Vec<String> {
        let text = |value: &str| self.literal(value);
        let (version, rank) = (&migration.version, applied.rank + nth + 1);
        let statement = match self.tool {
            Tool::GolangMigrate => {
                let clean = self.boolean(false);
                format!("UPDATE schema_migrations SET dirty = {clean} WHERE version = {version}")
            }
            Tool::Dbmate => format!("INSERT INTO schema_migrations (version) VALUES ({})", text(version)),
            Tool::Flyway => {
                let by = match self.dialect {
                    Dialect::Sqlite => "''",
                    Dialect::Postgresql => "current_user",
                    Dialect::Mysql => "SUBSTRING_INDEX(USER(), '@', 1)",
                };
                let version = if migration.repeatable { "NULL".to_owned() } else { text(version) };
                let sum = migration.checksum.as_deref().unwrap_or("NULL");
                format!(
                    "INSERT INTO flyway_schema_history (installed_rank, version, description, type, script, checksum, installed_by, \
                     execution_time, success) VALUES ({rank}, {version}, {}, 'SQL', {}, {sum}, {by}, 0, {})",
                    text(&migration.name),
                    text(&migration.up.file),
                    self.boolean(true)
                )
            }
            Tool::Sqlx => {
                let sum = migration.checksum.as_deref().unwrap_or_default();
                let sum = match self.dialect {
                    Dialect::Postgresql => format!("decode('{sum}', 'hex')"),
                    _ => format!("X'{sum}'"),
                };
                format!(
                    "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES ({version}, {}, {}, \
                     {sum}, -1)",
                    text(&migration.name),
                    self.boolean(true)
                )
            }
            Tool::Goose => format!(
                "INSERT INTO goose_db_version (version_id, is_applied) VALUES ({version}, {})",
                self.boolean(true)
            ),
            Tool::Diesel => {
                format!("INSERT INTO __diesel_schema_migrations (version) VALUES ({})", text(version))
            }
            Tool::Liquibase => self.changelog(migration, applied, rank),
            Tool::Plain => format!(
                "INSERT INTO migration_ledger (name, sha256) VALUES ({}, {})",
                text(version),
                text(migration.checksum.as_deref().unwrap_or_default())
            ),
        };
        vec![statement]
    }

    /// Without a checksum, as after `liquibase clear-checksums`: Liquibase computes it when it runs next.
    fn changelog(self, migration: &Migration, applied: &Applied, rank: i64) -> String {
        let text = |value: &str| self.literal(value);
        let now = match self.dialect {
            Dialect::Sqlite => "strftime('%Y-%m-%d %H:%M:%f', 'now')",
            Dialect::Postgresql | Dialect::Mysql => "CURRENT_TIMESTAMP",
        };
        let (author, id, path) = migration.changeset.as_ref().map_or_else(
            || (String::new(), migration.version.clone(), migration.up.file.clone()),
            |set| (set.author.clone(), set.id.clone(), set.path.clone()),
        );
        let path = if path == migration.up.file { format!("{}{path}", applied.prefix) } else { path };
        format!(
            "INSERT INTO DATABASECHANGELOG (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, EXECTYPE, DESCRIPTION, COMMENTS, \
             LIQUIBASE) VALUES ({}, {}, {}, {now}, {rank}, 'EXECUTED', 'sql', '', 'windlass')",
            text(&id),
            text(&author),
            text(&path)
        )
    }

    /// What is written before the statements back.
    #[must_use]
    pub fn begin_back(self, version: &str, previous: Option<&str>) -> Vec<String> {
        if self.tool != Tool::GolangMigrate {
            return Vec::new();
        }
        let (to, dirty) = (previous.unwrap_or("-1"), self.boolean(true));
        vec![format!(
            "UPDATE schema_migrations SET version = {to}, dirty = {dirty} WHERE version = {version}"
        )]
    }

    /// What says that a migration was taken back.
    #[must_use]
    pub fn undone(self, migration: &Migration, previous: Option<&str>) -> Vec<String> {
        let text = |value: &str| self.literal(value);
        let (table, version) = (table_of(self.tool), &migration.version);
        vec![match self.tool {
            Tool::GolangMigrate => match previous {
                Some(previous) => {
                    let clean = self.boolean(false);
                    format!("UPDATE {table} SET dirty = {clean} WHERE version = {previous}")
                }
                None => format!("DELETE FROM {table} WHERE version = -1"),
            },
            Tool::Sqlx => format!("DELETE FROM {table} WHERE version = {version}"),
            Tool::Goose => format!("DELETE FROM {table} WHERE version_id = {version}"),
            Tool::Liquibase => {
                let (author, id) = migration
                    .changeset
                    .as_ref()
                    .map_or((String::new(), version.clone()), |set| (set.author.clone(), set.id.clone()));
                format!("DELETE FROM {table} WHERE ID = {} AND AUTHOR = {}", text(&id), text(&author))
            }
            Tool::Plain => format!("DELETE FROM {table} WHERE name = {}", text(version)),
            _ => format!("DELETE FROM {table} WHERE version = {}", text(version)),
        }]
    }
}

/// Flyway's history: a later row may take an earlier one back.
fn flyway(applied: &mut Applied, row: &Cells) {
    let (version, description, kind) = (cell(row, 0), cell(row, 1), cell(row, 2));
    applied.rank = applied.rank.max(cell(row, 6).parse().unwrap_or_default());
    let ok = truth(&cell(row, 5));
    let repeatable = version.is_empty();
    let key = if repeatable { description.clone() } else { version };
    match kind.as_str() {
        "SCHEMA" => return,
        "BASELINE" => {
            applied.baseline = Some(key);
            return;
        }
        "UNDO_SQL" | "UNDO_JDBC" | "DELETE" if ok => {
            return applied.rows.retain(|old| old.version != key || old.repeatable != repeatable);
        }
        _ => {}
    }
    applied.rows.retain(|old| old.version != key || old.repeatable != repeatable);
    applied.rows.push(AppliedRow {
        version: key,
        name: description,
        at: row.get(4).cloned().flatten(),
        checksum: row.get(3).cloned().flatten(),
        dirty: !ok,
        repeatable,
    });
}

/// goose: the last row of a version counts.
fn goose(applied: &mut Applied, row: &Cells) {
    let version = cell(row, 0);
    applied.rows.retain(|old| old.version != version);
    if version != "0" && truth(&cell(row, 1)) {
        let at = row.get(2).cloned().flatten();
        applied.rows.push(AppliedRow { version, at, ..AppliedRow::default() });
    }
}

/// The path in the table is what Liquibase was given: it may begin with folders that this folder does not know of.
fn liquibase(applied: &mut Applied, folder: &Folder, row: &Cells) {
    let (author, id, path) = (cell(row, 0), cell(row, 1), cell(row, 2));
    applied.rank = applied.rank.max(cell(row, 4).parse().unwrap_or_default());
    let version = format!("{author}:{id}");
    let mine = folder.migrations.iter().find(|migration| {
        migration.version == version
            && migration.changeset.as_ref().is_some_and(|set| {
                path == set.path || path.strip_suffix(&set.path).is_some_and(|before| before.ends_with('/'))
            })
    });
    if let Some(before) = mine.and_then(|m| path.strip_suffix(m.up.file.as_str())) {
        before.clone_into(&mut applied.prefix);
    }
    let ran = matches!(cell(row, 5).as_str(), "EXECUTED" | "RERAN" | "MARK_RAN");
    // Changesets of other files (XML, YAML) are not this folder's.
    if mine.is_some() && ran {
        let at = row.get(3).cloned().flatten();
        applied.rows.push(AppliedRow { version, name: id, at, ..AppliedRow::default() });
    }
}

/// `createMetaDataTable.sql` and `getRawCreateScript` of Flyway.
fn flyway_table(dialect: Dialect) -> Vec<String> {
    let (number, stamp, flag, key) = match dialect {
        Dialect::Sqlite => (
            "INT",
            "TEXT NOT NULL DEFAULT (strftime('%Y-%m-%d %H:%M:%f','now'))",
            "BOOLEAN",
            "installed_rank INT NOT NULL PRIMARY KEY",
        ),
        Dialect::Postgresql => {
            ("INTEGER", "TIMESTAMP NOT NULL DEFAULT now()", "BOOLEAN", "installed_rank INT NOT NULL")
        }
        Dialect::Mysql => {
            ("INT", "TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP", "BOOL", "installed_rank INT NOT NULL")
        }
    };
    let pk = match dialect {
        Dialect::Sqlite => "",
        Dialect::Postgresql | Dialect::Mysql => {
            ", CONSTRAINT flyway_schema_history_pk PRIMARY KEY (installed_rank)"
        }
    };
    vec![
        format!(
            "CREATE TABLE flyway_schema_history ({key}, version VARCHAR(50), description VARCHAR(200) NOT NULL, \
             type VARCHAR(20) NOT NULL, script VARCHAR(1000) NOT NULL, checksum {number}, installed_by VARCHAR(100) NOT NULL, \
             installed_on {stamp}, execution_time {number} NOT NULL, success {flag} NOT NULL{pk})"
        ),
        "CREATE INDEX flyway_schema_history_s_idx ON flyway_schema_history (success)".to_owned(),
    ]
}

/// `internal/dialects/` of goose; row 0 is what it writes when it makes the table.
fn goose_table(dialect: Dialect) -> Vec<String> {
    let (columns, yes) = match dialect {
        Dialect::Sqlite => (
            "id INTEGER PRIMARY KEY AUTOINCREMENT, version_id INTEGER NOT NULL, is_applied INTEGER NOT NULL, \
             tstamp TIMESTAMP DEFAULT (datetime('now'))",
            "1",
        ),
        Dialect::Postgresql => (
            "id integer PRIMARY KEY GENERATED BY DEFAULT AS IDENTITY, version_id bigint NOT NULL, is_applied boolean NOT NULL, \
             tstamp timestamp NOT NULL DEFAULT now()",
            "true",
        ),
        Dialect::Mysql => (
            "id bigint(20) unsigned NOT NULL AUTO_INCREMENT, version_id bigint NOT NULL, is_applied boolean NOT NULL, \
             tstamp datetime NULL default CURRENT_TIMESTAMP, PRIMARY KEY(id)",
            "1",
        ),
    };
    vec![
        format!("CREATE TABLE goose_db_version ({columns})"),
        format!("INSERT INTO goose_db_version (version_id, is_applied) VALUES (0, {yes})"),
    ]
}

/// `CreateDatabaseChangeLogTableGenerator` and `CreateDatabaseChangeLogLockTableGenerator` of Liquibase.
fn liquibase_table(dialect: Dialect) -> Vec<String> {
    let (stamp, number) = match dialect {
        Dialect::Sqlite => ("TEXT", "INTEGER"),
        Dialect::Postgresql => ("TIMESTAMP WITHOUT TIME ZONE", "INTEGER"),
        Dialect::Mysql => ("datetime", "INT"),
    };
    vec![format!(
        "CREATE TABLE DATABASECHANGELOG (ID VARCHAR(255) NOT NULL, AUTHOR VARCHAR(255) NOT NULL, FILENAME VARCHAR(255) NOT NULL, \
         DATEEXECUTED {stamp} NOT NULL, ORDEREXECUTED {number} NOT NULL, EXECTYPE VARCHAR(10) NOT NULL, MD5SUM VARCHAR(35), \
         DESCRIPTION VARCHAR(255), COMMENTS VARCHAR(255), TAG VARCHAR(255), LIQUIBASE VARCHAR(20), CONTEXTS VARCHAR(255), \
         LABELS VARCHAR(255), DEPLOYMENT_ID VARCHAR(10))"
    )]
}
