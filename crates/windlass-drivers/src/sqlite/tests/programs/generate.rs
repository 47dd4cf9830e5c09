//! Programs by seed: a schema, rows, and statements that run on it, found by trying them on a database in memory.

use crate::testing::Random;
use rusqlite::Connection;

/// What a seed stands for.
pub(super) struct Program {
    /// Makes the database.
    pub(super) setup: Vec<String>,
    /// The release.
    pub(super) statements: Vec<String>,
    /// What the database is after each of them; the first is before all.
    pub(super) pictures: Vec<Vec<String>>,
}

const NAMES: [&str; 12] = ["t", "order", "a b", "größe", "x\"y", "id", "v", "w", "note", "数", "Z", "rowid"];
const TYPES: [&str; 9] =
    ["", "INT", "TEXT", "REAL", "BLOB", "NUMERIC", "DATE", "VARCHAR(9) COLLATE NOCASE", "ANYTHING"];

pub(super) fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Schema, rows with their row ids and types, counters; without what is Windlass's own.
pub(super) fn picture(db: &Connection) -> Vec<String> {
    let list = |sql: &str| -> Vec<String> {
        let mut statement = db.prepare(sql).unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
    };
    let mut lines = list(
        "SELECT type || ' ' || tbl_name || ' ' || name || ' ' || coalesce(sql, '') FROM sqlite_schema \
         WHERE tbl_name NOT LIKE 'windlass%' AND name <> 'sqlite_sequence' ORDER BY 1",
    );
    for table in tables(db) {
        let keyed: bool = db
            .query_row(
                "SELECT wr FROM pragma_table_list WHERE schema = 'main' AND name = ?1",
                [&table],
                |row| row.get(0),
            )
            .unwrap();
        let columns = columns(db, &table);
        let id = ["rowid", "_rowid_", "oid"]
            .into_iter()
            .find(|id| !columns.iter().any(|c| c.eq_ignore_ascii_case(id)));
        let id = if keyed { "''" } else { id.unwrap() };
        let values: Vec<_> = columns.iter().map(|c| format!("quote({})", quote(c))).collect();
        let sql = format!(
            "SELECT {id} || ': ' || {} FROM {} ORDER BY 1",
            values.join(" || ',' || "),
            quote(&table)
        );
        lines.extend(list(&sql).into_iter().map(|row| format!("{table} {row}")));
    }
    lines.extend(list("SELECT 'user_version ' || user_version FROM pragma_user_version"));
    if db.table_exists(None, "sqlite_sequence").unwrap() {
        lines.extend(list(
            "SELECT 'seq ' || name || seq FROM sqlite_sequence WHERE name NOT LIKE 'windlass%' ORDER BY 1",
        ));
    }
    lines
}

pub(super) fn tables(db: &Connection) -> Vec<String> {
    names(db, "table", "name NOT LIKE 'sqlite%' AND name NOT LIKE 'windlass%'")
}

fn names(db: &Connection, kind: &str, condition: &str) -> Vec<String> {
    let sql = format!(
        "SELECT name FROM sqlite_schema WHERE type = '{kind}' AND sql IS NOT NULL AND {condition} ORDER BY name"
    );
    let mut statement = db.prepare(&sql).unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
}

pub(super) fn columns(db: &Connection, table: &str) -> Vec<String> {
    let mut statement = db.prepare("SELECT name FROM pragma_table_xinfo(?1)").unwrap();
    statement.query_map([table], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
}

impl Program {
    pub(super) fn of(seed: u64) -> Self {
        let mut make = Make { random: Random::new(seed), model: Connection::open_in_memory().unwrap() };
        let mut setup = vec![];
        for _ in 0..2 + make.random.below(3) {
            make.attempt(&mut setup, Make::table);
        }
        for _ in 0..make.random.below(6) {
            make.attempt(&mut setup, Make::part);
        }
        for _ in 0..make.random.below(24) {
            make.attempt(&mut setup, Make::insert);
        }
        if make.random.below(3) == 0 {
            make.attempt(&mut setup, |make| make.change(2));
        }
        let (mut statements, mut pictures) = (vec![], vec![picture(&make.model)]);
        for _ in 0..60 {
            if statements.len() >= 3 + make.random.below(6) {
                break;
            }
            make.attempt(&mut statements, Make::statement);
            pictures.resize_with(statements.len() + 1, || picture(&make.model));
        }
        Self { setup, statements, pictures }
    }
}

struct Make {
    random: Random,
    model: Connection,
}

impl Make {
    /// Adds what `make` makes if SQLite takes it.
    fn attempt(&mut self, to: &mut Vec<String>, make: impl Fn(&mut Self) -> String) {
        let sql = make(self);
        let prepared = self.model.prepare(&sql).map(|statement| statement.readonly());
        if !sql.is_empty()
            && prepared == Ok(false)
            && self.is_defined(&sql)
            && self.model.execute_batch(&sql).is_ok()
        {
            to.push(sql);
        }
    }

    /// Which of several rows that get in each other's way stays depends on the order in which SQLite comes to them, and
    /// that is its own affair: it may be another one where rows are recorded.
    fn is_defined(&self, sql: &str) -> bool {
        if !sql.starts_with("UPDATE OR") {
            return true;
        }
        let way = |reverse: &str| {
            self.model
                .execute_batch(&format!("PRAGMA reverse_unordered_selects = {reverse}; SAVEPOINT way"))
                .unwrap();
            let picture = self.model.execute_batch(sql).map(|()| picture(&self.model));
            self.model.execute_batch("ROLLBACK TO way; RELEASE way").unwrap();
            picture
        };
        let there = way("ON");
        there == way("OFF")
    }

    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.random.below(of.len())]
    }

    fn some_table(&mut self) -> Option<String> {
        let tables = tables(&self.model);
        if tables.is_empty() { None } else { Some(tables[self.random.below(tables.len())].clone()) }
    }

    fn some_column(&mut self, table: &str) -> String {
        let columns = columns(&self.model, table);
        quote(&columns[self.random.below(columns.len())])
    }

    fn fresh(&mut self) -> String {
        let number = self.random.below(1000);
        let name = self.one(&NAMES);
        quote(&format!("{name}{number}"))
    }

    fn table(&mut self) -> String {
        let name = self.fresh();
        let mut columns = vec![];
        let key = self.random.below(8);
        match key {
            0 => columns.push("id INTEGER PRIMARY KEY".to_owned()),
            1 => columns.push("id INTEGER PRIMARY KEY AUTOINCREMENT".to_owned()),
            2 => columns.push("k TEXT PRIMARY KEY".to_owned()),
            3 => columns.push("k INT PRIMARY KEY DESC".to_owned()),
            4 => columns.push("k NOT NULL, l TEXT COLLATE NOCASE NOT NULL".to_owned()),
            5 => columns.push("u TEXT UNIQUE COLLATE NOCASE".to_owned()),
            6 => columns.push("u UNIQUE ON CONFLICT REPLACE".to_owned()),
            _ => {}
        }
        for _ in 0..1 + self.random.below(4) {
            let rest = self.one(&[
                "",
                "",
                "",
                " NOT NULL DEFAULT 7",
                " DEFAULT 'd'",
                " UNIQUE",
                " DEFAULT (1 + 2)",
                " CHECK (1)",
            ]);
            let column = format!("{} {}{rest}", self.fresh(), self.one(&TYPES));
            columns.push(column);
        }
        if self.random.below(4) == 0 {
            let of = columns.last().unwrap().split_inclusive('"').take(2).collect::<String>();
            let stored = self.one(&["STORED", "VIRTUAL"]);
            columns.push(format!("made AS (coalesce({of}, 0) || 'x') {stored}"));
        }
        let keyed = if key == 4 { ", PRIMARY KEY (l, k)" } else { "" };
        let tail = if (key == 4 || key == 2) && self.random.below(2) == 0 { " WITHOUT ROWID" } else { "" };
        format!("CREATE TABLE {name} ({}{keyed}){tail}", columns.join(", "))
    }

    fn value(&mut self) -> String {
        match self.random.below(12) {
            0 => "NULL".to_owned(),
            1 => "x'00ff10'".to_owned(),
            2 => "9007199254740993".to_owned(),
            3 => "-1.5e300".to_owned(),
            4 => "''".to_owned(),
            5 => "'Straße ''数'".to_owned(),
            6 => format!("{}.0", self.random.below(9)),
            7 => format!("'{}'", self.random.below(9)),
            8 => format!("'T{}'", self.random.below(9)),
            _ => self.random.below(30).to_string(),
        }
    }

    fn insert(&mut self) -> String {
        let Some(table) = self.some_table() else { return String::new() };
        let columns: Vec<_> =
            columns(&self.model, &table).into_iter().filter(|name| name != "made").collect();
        let names: Vec<_> = columns.iter().map(|name| quote(name)).collect();
        let values: Vec<_> = columns.iter().map(|_| self.value()).collect();
        let word = self.one(&["INSERT", "INSERT", "INSERT OR IGNORE", "REPLACE"]);
        let mut sql =
            format!("{word} INTO {} ({}) VALUES ({})", quote(&table), names.join(", "), values.join(", "));
        if word == "INSERT" && self.random.below(4) == 0 {
            let column = self.some_column(&table);
            sql += &format!(" ON CONFLICT DO UPDATE SET {column} = {}", self.value());
        }
        sql
    }

    /// A change of rows.
    fn change(&mut self, kind: usize) -> String {
        let Some(table) = self.some_table() else { return String::new() };
        let (a, b) = (self.some_column(&table), self.some_column(&table));
        let (name, value, below) = (quote(&table), self.value(), self.random.below(20));
        let condition = match self.random.below(4) {
            0 => String::new(),
            1 => format!(" WHERE {b} IS NOT NULL"),
            2 => format!(" WHERE length({a}) < {below}"),
            _ => format!(" WHERE {b} > {value}"),
        };
        let word = self.one(&["UPDATE", "UPDATE", "UPDATE OR IGNORE", "UPDATE OR REPLACE"]);
        match kind {
            0 => format!("{word} {name} SET {a} = {value}{condition}"),
            1 => format!("{word} {name} SET {a} = {a} + {below}{condition}"),
            2 => format!("DELETE FROM {name}{condition}"),
            3 => format!("{word} {name} SET {a} = {b}, {b} = {a}{condition}"),
            4 => format!("INSERT OR IGNORE INTO {name} SELECT * FROM {name}"),
            5 => format!("WITH n AS (SELECT max({a}) AS m FROM {name}) UPDATE {name} SET {b} = m FROM n"),
            6 => format!("INSERT INTO {name} DEFAULT VALUES"),
            _ => format!("PRAGMA user_version = {below}"),
        }
    }

    /// An index, view or trigger.
    fn part(&mut self) -> String {
        let (Some(table), Some(other)) = (self.some_table(), self.some_table()) else { return String::new() };
        let (a, b) = (self.some_column(&table), self.some_column(&table));
        let (x, fresh, name, other) = (self.some_column(&other), self.fresh(), quote(&table), quote(&other));
        match self.random.below(8) {
            0 => format!("CREATE INDEX {fresh} ON {name} ({a} DESC, {b})"),
            1 => format!("CREATE UNIQUE INDEX {fresh} ON {name} ({a}, {b})"),
            2 => format!("CREATE INDEX {fresh} ON {name} (lower({a})) WHERE {b} IS NOT NULL"),
            3 => format!("CREATE VIEW {fresh} AS SELECT {a}, count(*) AS n FROM {name} GROUP BY {a}"),
            4 => format!(
                "CREATE TRIGGER {fresh} AFTER UPDATE ON {name} BEGIN UPDATE {other} SET {x} = OLD.{a}; END"
            ),
            5 => format!(
                "CREATE TRIGGER {fresh} AFTER DELETE ON {name} BEGIN DELETE FROM {other} WHERE {x} = OLD.{a}; END"
            ),
            6 => format!(
                "CREATE TRIGGER {fresh} AFTER INSERT ON {name} BEGIN UPDATE {other} SET {x} = NEW.{b} WHERE {x} IS NULL; END"
            ),
            _ => format!(
                "CREATE TRIGGER {fresh} BEFORE INSERT ON {name} WHEN NEW.{a} = 3 BEGIN SELECT raise(IGNORE); END"
            ),
        }
    }

    fn definition(&mut self) -> String {
        let Some(table) = self.some_table() else { return self.table() };
        let (column, fresh, value, name) =
            (self.some_column(&table), self.fresh(), self.value(), quote(&table));
        let kind = self.one(&["index", "view", "trigger"]);
        let parts = names(&self.model, kind, "1");
        match self.random.below(11) {
            0 => self.table(),
            1 => format!("DROP TABLE {name}"),
            2 => format!("ALTER TABLE {name} RENAME TO {fresh}"),
            3 => format!("ALTER TABLE {name} RENAME COLUMN {column} TO {fresh}"),
            4 => format!("ALTER TABLE {name} ADD COLUMN {fresh} {}", self.one(&TYPES)),
            5 => format!("ALTER TABLE {name} ADD {fresh} TEXT NOT NULL DEFAULT {value}"),
            6 | 7 => format!("ALTER TABLE {name} DROP COLUMN {column}"),
            8 => format!("CREATE TABLE {fresh} AS SELECT * FROM {name}"),
            _ if parts.is_empty() => self.part(),
            _ => format!("DROP {kind} {}", quote(&parts[self.random.below(parts.len())])),
        }
    }

    fn statement(&mut self) -> String {
        match self.random.below(10) {
            0 | 1 => self.insert(),
            2..=5 => {
                let kind = self.random.below(8);
                self.change(kind)
            }
            6 => self.part(),
            _ => self.definition(),
        }
    }
}
