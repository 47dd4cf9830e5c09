//! `windlass migrate verify` on scratch copies: each way back led back, or is named with its place.

use crate::{
    migrate::project as examples,
    sealed::{Project, wait_for},
};
use windlass_lab::{Database, Flavor, server};

/// A project with a folder `m` of golang-migrate: `(up, down)` each; no down at all where it is `-`.
fn project(url: &str, migrations: &[(&str, &str)]) -> Project {
    let project = Project::empty();
    project.write("windlass.toml", format!("[target.db]\nurl = \"{url}\"\n"));
    for (at, (up, down)) in migrations.iter().enumerate() {
        project.write(&format!("m/{}_x.up.sql", at + 1), up);
        if *down != "-" {
            project.write(&format!("m/{}_x.down.sql", at + 1), down);
        }
    }
    project
}

fn bin(flavor: Flavor) -> String {
    server(flavor).bin().unwrap().to_str().unwrap().to_owned()
}

const T: (&str, &str) = (
    "CREATE TABLE t (id INT PRIMARY KEY, name VARCHAR(20));\nINSERT INTO t VALUES (1, 'Ann');\n",
    "DROP TABLE t;\n",
);

/// Columns of what was tried, as `down led again`.
fn tried(json: &serde_json::Value) -> Vec<String> {
    let word = |value: &serde_json::Value| value.to_string().replace('"', "");
    let rows = json["tried"].as_array().unwrap().iter();
    rows.map(|row| format!("{} {} {}", word(&row["down"]), word(&row["led"]), word(&row["again"]))).collect()
}

#[test]
fn the_examples_of_every_tool_lead_back() {
    let project = examples();
    for tool in ["dbmate", "flyway", "goose", "liquibase", "plain"] {
        let json = project.run(&["migrate", "verify", tool, "--tool", tool, "--json"]).code(0).json();
        let tried = tried(&json);
        let repeatable = "repeatable not-gone null";
        assert!(tried.len() >= 3, "{tool} {tried:?}");
        assert!(
            tried.iter().all(|row| row == "script exact true" || tool == "flyway" && row == repeatable),
            "{tool} {tried:?}"
        );
    }
    let live = rusqlite::Connection::open(project.path("app.db")).unwrap();
    let things: i64 = live.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).unwrap();
    assert_eq!(things, 0, "the database itself is only read");
    assert_eq!(std::fs::read_dir(project.path(".windlass/scratch")).unwrap().count(), 0);
}

/// A good one, one whose way back leaves an index, one without, one with an empty one, one that loses values.
fn ways_back(database: &Database, flavor: Flavor) {
    let drop_index = if flavor.is_postgres() { "DROP INDEX i;\n" } else { "DROP INDEX i ON t;\n" };
    let project = project(
        &database.url(),
        &[
            T,
            (
                "ALTER TABLE t ADD COLUMN a INT;\nCREATE INDEX i ON t (a);\n",
                "\n\nALTER TABLE t DROP COLUMN a;\n",
            ),
            ("ALTER TABLE t ADD COLUMN b INT NOT NULL DEFAULT 7;\nUPDATE t SET b = 8;\n", "-"),
            ("CREATE INDEX j ON t (b);\n", "-- nothing\n"),
            ("ALTER TABLE t DROP COLUMN name;\n", "ALTER TABLE t ADD COLUMN name VARCHAR(20);\n"),
        ],
    );
    // Without the column its index goes too: what stays different is put into the second way back.
    project.write("m/2_x.down.sql", format!("-- leaves the column\n{drop_index}"));
    let verify = ["migrate", "verify", "m", "--json", "--tools", &bin(flavor)];
    project.run(&["migrate", "up", "m", "--steps", "3", "--yes"]).code(0);
    let before = database.run("SELECT * FROM t");
    let said = project.run(&verify).code(4);
    let json = said.json();
    assert_eq!(
        tried(&json),
        [
            "script exact true",
            "script different null",
            "recorded exact true",
            "recorded exact true",
            "script rows-differ true"
        ],
        "{json}"
    );
    let on_empty = json["tried"].as_array().unwrap().iter().filter(|row| row["on_empty"] == true).count();
    assert_eq!(on_empty, 3, "what ran is tried from the first on");
    let finding = |rule: &str| {
        let all = json["findings"].as_array().unwrap();
        all.iter().find(|found| found["rule"] == rule).unwrap_or_else(|| panic!("{rule} in {json}")).clone()
    };
    let differs = finding("migration-down-differs");
    assert_eq!((&differs["file"], &differs["line"]), (&"2_x.down.sql".into(), &1.into()));
    assert!(differs["message"].as_str().unwrap().contains("a"), "{differs}");
    assert_eq!(finding("migration-without-down")["severity"], "warning");
    let lost = finding("migration-down-loses-rows");
    assert!(lost["message"].as_str().unwrap().contains("name is NULL, was"), "{lost}");
    assert_eq!(database.run("SELECT * FROM t"), before, "the database itself is only read");
    let copies = if flavor.is_postgres() {
        "SELECT count(*) FROM pg_database WHERE datname LIKE 'windlass\\_copy\\_%'"
    } else {
        "SELECT count(*) FROM information_schema.schemata WHERE schema_name LIKE 'windlass\\_copy\\_%'"
    };
    wait_for("other tests' copies to be gone too", || database.run(copies).trim() == "0");
}

#[test]
fn ways_back_on_postgresql() {
    ways_back(&server(Flavor::Postgres15).database(), Flavor::Postgres15);
}

#[test]
fn ways_back_on_mariadb() {
    ways_back(&server(Flavor::Mariadb).database(), Flavor::Mariadb);
}

#[test]
fn ways_back_on_mysql() {
    ways_back(&server(Flavor::Mysql).database(), Flavor::Mysql);
}

#[test]
fn what_fails_is_named_and_the_rest_is_not_guessed() {
    let project = project(
        "sqlite:app.db",
        &[
            T,
            ("CREATE TABLE u (id INT);\n", "DROP TABLE w;\n"),
            ("CREATE TABLE v (id INT);\n", "DROP TABLE v;\nCREATE TABLE left_over (id INT);\n"),
            ("CREATE TABLE x (id INT);\nSELEKT 1;\n", "DROP TABLE x;\n"),
            ("CREATE TABLE y (id INT);\n", "DROP TABLE y;\n"),
        ],
    );
    rusqlite::Connection::open(project.path("app.db")).unwrap().execute_batch("VACUUM").unwrap();
    let said = project.run(&["migrate", "verify", "m"]).code(4).says(&[
        "m/2_x.down.sql:1: the script back of version 2 fails",
        "no such table: w",
        "m/3_x.down.sql:1: the script back of version 3 does not restore the schema",
        "table left_over was not there",
        "m/4_x.up.sql:2: version 4 does not run on a copy of the database",
        "version 5 was not tried",
    ]);
    assert!(said.stdout.contains("Tried on a copy of db"), "{}", said.stdout);
    project.run(&["migrate", "verify", "m", "--try", "none"]).code(0);
}

#[test]
fn what_names_the_live_database_is_not_run_on_the_copy() {
    let database = server(Flavor::Mariadb).database();
    let live = database.name().to_owned();
    let reaching = format!("INSERT INTO `{live}`.t VALUES (9, 'from the copy');\n");
    let project = project(&database.url(), &[T, (reaching.as_str(), "-")]);
    project.run(&["migrate", "up", "m", "--steps", "1", "--yes"]).code(0);
    let tools = bin(Flavor::Mariadb);
    project.run(&["migrate", "verify", "m", "--tools", &tools]).says(&["migration-not-tried", "--private"]);
    assert!(!database.run("SELECT * FROM t").contains("from the copy"));
}

/// The function in the condition of an index names another as those who wrote it did, without a schema; PostgreSQL reads its body when it plans
/// a query of the table.
#[test]
fn functions_of_an_index_are_found_when_rows_are_compared() {
    let database = server(Flavor::Postgres15).database();
    let project = project(
        &database.url(),
        &[(
            "CREATE FUNCTION nobody() RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 0';\n\
             CREATE FUNCTION somebody(id int) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT id <> nobody()';\n\
             CREATE TABLE t (id int PRIMARY KEY);\nINSERT INTO t VALUES (1);\n\
             CREATE INDEX ON t (id) WHERE somebody(id);\n",
            "DROP TABLE t;\nDROP FUNCTION somebody(int);\nDROP FUNCTION nobody();\n",
        )],
    );
    let json = project
        .run(&["migrate", "verify", "m", "--tools", &bin(Flavor::Postgres15), "--json"])
        .code(0)
        .json();
    assert_eq!(tried(&json), ["script exact true"]);
}

#[test]
fn killed_it_leaves_no_copy() {
    let database = server(Flavor::Postgres15).database();
    let project = project(&database.url(), &[T, ("SELECT pg_sleep(60);\n", "SELECT 1;\n")]);
    let running = project.start(&["migrate", "verify", "m", "--tools", &bin(Flavor::Postgres15)]);
    let busy = "SELECT count(*) FROM pg_stat_activity WHERE datname LIKE 'windlass\\_copy\\_%' AND query LIKE '%pg_sleep(60)%' \
                AND query NOT LIKE '%datname%'";
    wait_for("the second migration", || database.run(busy).trim() != "0");
    running.signal(rustix::process::Signal::KILL);
    running.end();
    wait_for("the copy to go away", || database.run(busy).trim() == "0");
    let scratch = project.path(".windlass/scratch");
    wait_for("its folder to go away", || std::fs::read_dir(&scratch).unwrap().count() == 0);
    assert!(!database.run("SELECT count(*) FROM pg_tables WHERE tablename = 't'").contains('1'));
}
