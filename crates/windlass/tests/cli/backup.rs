//! `windlass backup` as a person meets it, on SQLite; the servers are in the tests of the drivers.

use crate::sealed::{CONFIG, Project, RELEASE};

fn names(project: &Project) -> Vec<String> {
    let listed = project.run(&["backup", "list", "--json"]).code(0).json();
    let name = |entry: &serde_json::Value| entry["backup"]["name"].as_str().unwrap().to_owned();
    listed.as_array().unwrap().iter().map(name).collect()
}

#[test]
fn made_listed_proven_and_put_back_beside_the_database() {
    let project = Project::new(RELEASE);
    let made = project.run(&["backup", "create"]).code(0);
    assert!(made.stdout.contains("1 tables, 2 rows"), "{}", made.stdout);
    let [name] = &names(&project)[..] else { panic!("one backup") };
    let proven = project.run(&["backup", "verify", name]).code(0);
    assert!(proven.stdout.contains("restored, 2 rows"), "{}", proven.stdout);

    let before = project.world();
    project.sql("DELETE FROM record");
    project.run(&["backup", "restore", "--into", "old.db"]).code(0);
    assert!(!project.world().contains("甲"), "the database itself is left alone");
    std::fs::copy(project.path("old.db"), project.path("app.db")).unwrap();
    assert_eq!(project.world(), before);
    project
        .run(&["backup", "restore", "--into", "old.db"])
        .code(4)
        .says(&["old.db exists; nothing was done"]);
}

#[test]
fn what_there_is_not_is_said_with_what_to_type() {
    let project = Project::new(RELEASE);
    project.run(&["backup", "verify"]).code(2).says(&["no such backup", "windlass backup create"]);
    project.run(&["backup", "create", "nodb"]).code(2).says(&["no database `nodb`", "databases: db"]);
    let gone = CONFIG.replace("sqlite:app.db", "sqlite:gone.db");
    project.write("windlass.toml", gone);
    project.run(&["backup", "create"]).code(4).says(&["gone.db"]);
    let left = std::fs::read_dir(project.path(".windlass/backups")).map_or(0, Iterator::count);
    assert_eq!(left, 0, "nothing is left behind");
}

#[test]
fn a_cut_file_is_listed_as_damaged_and_not_used() {
    let project = Project::new(RELEASE);
    project.run(&["backup", "create"]).code(0);
    let [name] = &names(&project)[..] else { panic!("one backup") };
    let file = project.path(&format!(".windlass/backups/{name}.db.zst"));
    let bytes = std::fs::read(&file).unwrap();
    std::fs::write(&file, &bytes[..bytes.len() - 5]).unwrap();
    let listed = project.run(&["backup", "list"]).code(0);
    assert!(listed.stdout.contains("damaged"), "{}", listed.stdout);
    project.run(&["backup", "restore", name, "--into", "old.db"]).code(4).says(&["damaged"]);
    assert!(!project.path("old.db").exists());
}

#[test]
fn no_dump_runs_beside_an_open_run_and_its_backup_is_kept() {
    let project = Project::new(RELEASE);
    project.write("windlass.toml", format!("{CONFIG}keep = {{ backup = \"1s\", record = \"90d\" }}\n"));
    project.run(&["backup", "create"]).code(0);
    // The controller dies: its run stays open.
    project.run(&["apply", "release.md", "--yes", "--fault", "crash-after:migrate/1"]);
    project.run(&["backup", "create"]).code(4).says(&["is not finished"]);
    project.run(&["resume"]).code(0);
    project.run(&["backup", "create"]).code(0);
    let pruned = project.run(&["backup", "prune", "--yes", "--json"]).code(0).json();
    assert_eq!(
        pruned["backups"],
        serde_json::json!([]),
        "the first is from before a run that may be taken back"
    );
    assert_eq!(names(&project).len(), 2);
}
