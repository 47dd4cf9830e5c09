//! Migration folders through the real command, each tool's example, and the real dbmate where it is installed.

use crate::sealed::Project;
use std::path::{Path, PathBuf};

const TOOLS: [&str; 8] =
    ["golang-migrate", "dbmate", "flyway", "sqlx", "goose", "diesel", "liquibase", "plain"];

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().join("examples/migrations")
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// A project with an empty database and the examples.
pub fn project() -> Project {
    let project = Project::empty();
    copy(&examples(), &project.path(""));
    rusqlite::Connection::open(project.path("app.db")).unwrap().execute_batch("VACUUM").unwrap();
    project
}

/// Definitions and rows of what the migrations are about.
fn world(project: &Project, tables: bool) -> Vec<String> {
    let db = rusqlite::Connection::open(project.path("app.db")).unwrap();
    let mut all = rows(
        &db,
        "SELECT name || ' ' || coalesce(sql, '') FROM sqlite_schema WHERE name LIKE 'account%' OR name = 'audit' ORDER BY name",
    );
    if tables {
        all.extend(rows(&db, "SELECT id || name || email FROM account ORDER BY id"));
    }
    all
}

fn rows(db: &rusqlite::Connection, query: &str) -> Vec<String> {
    let mut query = db.prepare(query).unwrap();
    query.query_map([], |row| row.get::<_, String>(0)).unwrap().map(Result::unwrap).collect()
}

fn table(project: &Project, query: &str) -> Vec<String> {
    rows(&rusqlite::Connection::open(project.path("app.db")).unwrap(), query)
}

fn states(project: &Project, tool: &str) -> Vec<String> {
    let json = project.run(&["migrate", "status", tool, "--tool", tool, "--json"]).code(0).json();
    json["migrations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["state"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn every_tool_up_down_and_up_again() {
    for tool in TOOLS {
        let project = project();
        assert!(states(&project, tool).iter().all(|state| state == "pending"), "{tool}");
        project.run(&["migrate", "up", tool, "--tool", tool, "--yes"]).code(0);
        let up = world(&project, true);
        assert!(up.iter().any(|row| row == "1Annann@example.org"), "{tool} {up:?}");
        assert!(states(&project, tool).iter().all(|state| state == "applied"), "{tool}");
        project.run(&["migrate", "verify", tool, "--tool", tool, "--try", "none"]).code(0);
        project.run(&["migrate", "up", tool, "--tool", tool, "--yes"]).code(0).says(&["Nothing is pending"]);
        if tool == "flyway" {
            // The view of its repeatable script is not taken back by versions.
            project.sql("DROP VIEW account_list");
        }
        project.run(&["migrate", "down", tool, "--tool", tool, "--to", "0", "--yes"]).code(0);
        assert_eq!(world(&project, false), Vec::<String>::new(), "{tool}");
        project.run(&["migrate", "up", tool, "--tool", tool, "--yes"]).code(0);
        let again: Vec<_> =
            world(&project, true).into_iter().filter(|row| !row.starts_with("account_list")).collect();
        let up: Vec<_> = up.into_iter().filter(|row| !row.starts_with("account_list")).collect();
        assert_eq!(again, up, "{tool}");
    }
}

#[test]
fn the_tables_have_the_form_of_their_tools() {
    for (tool, query, expected) in [
        ("golang-migrate", "SELECT version || ',' || dirty FROM schema_migrations", vec!["3,0"]),
        (
            "dbmate",
            "SELECT version FROM schema_migrations ORDER BY 1",
            vec!["20240101000000", "20240102000000", "20240103000000"],
        ),
        // Checksums as Flyway computes them: CRC-32 of the lines.
        (
            "flyway",
            "SELECT installed_rank || ',' || coalesce(version, '-') || ',' || description || ',' || type || ',' || script || ',' || success \
             FROM flyway_schema_history ORDER BY installed_rank",
            vec![
                "1,1,create account,SQL,V1__create_account.sql,1",
                "2,2,add email,SQL,V2__add_email.sql,1",
                "3,3,audit,SQL,V3__audit.sql,1",
                "4,-,account list,SQL,R__account_list.sql,1",
            ],
        ),
        (
            "sqlx",
            "SELECT version || ',' || description || ',' || success || ',' || length(checksum) || ',' || typeof(checksum) FROM _sqlx_migrations \
             ORDER BY version",
            vec![
                "20240101000000,create account,1,48,blob",
                "20240102000000,add email,1,48,blob",
                "20240103000000,audit,1,48,blob",
            ],
        ),
        (
            "goose",
            "SELECT id || ',' || version_id || ',' || is_applied FROM goose_db_version ORDER BY id",
            vec!["1,0,1", "2,1,1", "3,2,1", "4,3,1"],
        ),
        (
            "diesel",
            "SELECT version FROM __diesel_schema_migrations ORDER BY 1",
            vec!["20240101000000", "20240102000000", "20240103000000"],
        ),
        (
            "liquibase",
            "SELECT author || ':' || id || ',' || filename || ',' || orderexecuted || ',' || exectype || ',' || coalesce(md5sum, '-') \
             FROM DATABASECHANGELOG ORDER BY orderexecuted",
            vec![
                "ann:create-account,changelog.sql,1,EXECUTED,-",
                "ann:add-email,changelog.sql,2,EXECUTED,-",
                "ann:audit-table,changelog.sql,3,EXECUTED,-",
                "ann:audit-trigger,changelog.sql,4,EXECUTED,-",
            ],
        ),
    ] {
        let project = project();
        project.run(&["migrate", "up", tool, "--tool", tool, "--yes"]).code(0);
        assert_eq!(table(&project, query), expected, "{tool}");
        project.run(&["rollback", "--yes"]).code(0);
        assert_eq!(world(&project, false), Vec::<String>::new(), "{tool}: the run as a whole goes back");
    }
}

#[test]
fn a_tool_that_cannot_be_told_is_asked_for() {
    let project = project();
    project
        .run(&["migrate", "status", "sqlx"])
        .code(2)
        .says(&["may be a folder of sqlx or golang-migrate", "--tool sqlx"]);
    project.run(&["migrate", "up", "sqlx", "--tool", "sqlx", "--yes"]).code(0);
    project.run(&["migrate", "status", "sqlx"]).code(0);
}

#[test]
fn a_missing_or_empty_script_back_is_never_success() {
    let project = project();
    std::fs::remove_file(project.path("golang-migrate/000003_audit.down.sql")).unwrap();
    project.write("golang-migrate/000002_add_email.down.sql", "-- nothing\n");
    project.run(&["migrate", "up", "golang-migrate", "--yes", "--steps", "2"]).code(0);
    project.run(&["migrate", "up", "golang-migrate", "--yes"]).code(0);
    let before = world(&project, true);
    project.run(&["migrate", "down", "golang-migrate", "--yes", "--steps", "2"]).code(4).says(&[
        "version 3 has no script back",
        "version 2 has no statement",
        "windlass rollback",
    ]);
    assert_eq!(world(&project, true), before);
    assert_eq!(table(&project, "SELECT version || ',' || dirty FROM schema_migrations"), ["3,0"]);
    // The newest run brought just this one: what it recorded takes it back.
    project.run(&["migrate", "down", "golang-migrate", "--yes"]).code(0).says(&["No script back for 3"]);
    assert_eq!(table(&project, "SELECT version || ',' || dirty FROM schema_migrations"), ["2,0"]);
    assert!(world(&project, true).iter().all(|row| !row.contains("audit")));
}

#[test]
fn what_ran_may_not_be_edited_and_the_rest_may() {
    let project = project();
    let name = "dbmate/20240102000000_add_email.sql";
    let text = project.read(name);
    project.write(name, text.replace("UPDATE account", "UPDATE acount"));
    project
        .run(&["migrate", "up", "dbmate", "--yes", "--on-failure", "stop"])
        .code(3)
        .says(&["no such table: acount"]);
    project.run(&["decide", "abandon", "--reason", "the file is mended first"]).code(3);
    let half = project.run(&["migrate", "status", "dbmate"]).code(0).stdout;
    assert!(half.contains("1 statements in place"), "{half}");

    project.write(name, text.replace("email TEXT", "email VARCHAR"));
    project.run(&["migrate", "up", "dbmate", "--yes"]).code(4).says(&[
        "20240102000000_add_email.sql:2",
        "- ALTER TABLE account ADD COLUMN email TEXT",
        "+ ALTER TABLE account ADD COLUMN email VARCHAR",
    ]);
    // The tail may change: only what is open runs.
    project.write(name, text.clone());
    project.run(&["migrate", "up", "dbmate", "--yes"]).code(0);
    assert!(world(&project, true).iter().any(|row| row == "2Bobbob@example.org"));
    assert!(states(&project, "dbmate").iter().all(|state| state == "applied"));

    // A file that ran as a whole, by a tool that keeps no checksum.
    project.write(
        "dbmate/20240101000000_create_account.sql",
        project.read("dbmate/20240101000000_create_account.sql").replace("'Bob'", "'Eve'"),
    );
    project.run(&["migrate", "verify", "dbmate"]).code(4).says(&["- INSERT INTO", "'Eve'"]);
}

#[test]
fn states_that_need_a_person_are_told() {
    let project = project();
    project.run(&["migrate", "up", "flyway", "--yes"]).code(0);
    project.write("flyway/V1__create_account.sql", "SELECT 1;");
    project.run(&["migrate", "up", "flyway", "--yes"]).code(4).says(&["migration-edited", "checksum"]);

    let project = crate::migrate::project();
    project.run(&["migrate", "up", "golang-migrate", "--yes", "--to", "1"]).code(0);
    project.sql("UPDATE schema_migrations SET version = 2, dirty = 1");
    project.run(&["migrate", "up", "golang-migrate", "--yes"]).code(4).says(&["migration-dirty", "force 2"]);
    project.run(&["migrate", "down", "golang-migrate", "--yes"]).code(4).says(&["migration-dirty"]);

    let project = crate::migrate::project();
    project.run(&["migrate", "up", "goose", "--yes"]).code(0);
    project.sql("DELETE FROM goose_db_version WHERE version_id = 2");
    project
        .run(&["migrate", "up", "goose", "--yes"])
        .code(4)
        .says(&["migration-out-of-order", "--out-of-order"]);
    project.write("goose/00001_again.sql", "-- +goose Up\nSELECT 1;\n");
    project.run(&["migrate", "up", "goose", "--yes"]).code(4).says(&["migration-duplicate"]);
}

#[test]
fn a_killed_controller_is_resumed_and_a_failing_file_goes_back() {
    let project = project();
    project.run(&["migrate", "up", "diesel", "--yes", "--fault", "crash-after:v20240102000000/1"]);
    project.run(&["resume"]).code(0);
    assert!(states(&project, "diesel").iter().all(|state| state == "applied"));

    let project = crate::migrate::project();
    project.write("plain/004_wrong.sql", "CREATE TABLE more (x);\nSELEKT 1;\n");
    project
        .run(&["migrate", "up", "plain", "--yes"])
        .code(1)
        .says(&["plain/004_wrong.sql:2:1", "plain/004_wrong.sql: line 2"]);
    assert_eq!(world(&project, false), Vec::<String>::new());
    assert!(states(&project, "plain").iter().all(|state| state == "pending"));
}

/// The real tool goes on after us, and we after it. Installed by `lab/peers` (see `test`).
#[test]
fn dbmate_itself_goes_on() {
    let Some(dbmate) = find_dbmate() else {
        assert!(std::env::var_os("WINDLASS_NEEDS_PEERS").is_none(), "dbmate is not installed");
        return;
    };
    let project = project();
    let run = |args: &[&str]| {
        let mut command = std::process::Command::new(&dbmate);
        command.args(["--no-dump-schema", "--url", "sqlite:app.db", "--migrations-dir", "dbmate"]).args(args);
        let out = command.current_dir(project.path("")).output().unwrap();
        let said =
            format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
        assert!(out.status.success(), "{args:?}: {said}");
        said
    };
    project.run(&["migrate", "up", "dbmate", "--yes", "--steps", "2"]).code(0);
    assert!(run(&["status"]).contains("Applied: 2"));
    run(&["up"]);
    assert_eq!(states(&project, "dbmate"), ["applied", "applied", "applied"]);
    project.run(&["migrate", "down", "dbmate", "--yes"]).code(0);
    assert!(run(&["status"]).contains("Pending: 1"));
    run(&["rollback"]);
    assert_eq!(states(&project, "dbmate"), ["applied", "pending", "pending"]);
    project.run(&["migrate", "up", "dbmate", "--yes"]).code(0);
    assert!(run(&["status"]).contains("Applied: 3"));
}

/// On the path, or where `lab/peers` puts it.
fn find_dbmate() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().to_owned();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).collect::<Vec<_>>();
    let local = root.join("target/peers/bin");
    folders.into_iter().chain([local]).map(|folder| folder.join("dbmate")).find(|file| file.is_file())
}
