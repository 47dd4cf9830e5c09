//! `windlass backup` as a person meets it, on SQLite; the servers are in the tests of the drivers.

use crate::sealed::{CONFIG, Project, RELEASE};
use age::secrecy::ExposeSecret as _;

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

#[test]
fn an_encrypted_backup_is_proven_only_with_its_key() {
    let project = Project::new(RELEASE);
    let [key, other] = ["key", "other"].map(|name| {
        let identity = age::x25519::Identity::generate();
        project.write(name, identity.to_string().expose_secret());
        identity.to_public().to_string()
    });
    let target = format!("{CONFIG}[target.db.backup]\nrecipients = [\"{key}\"]\n");
    project.write("windlass.toml", &target);
    let made = project.run(&["backup", "create", "--rate", "5MiB/s"]).code(0);
    assert!(made.stdout.contains(&format!("encrypted for {key}")), "{}", made.stdout);
    assert!(made.stdout.contains("--identity FILE"), "{}", made.stdout);
    let half = project.run(&["backup", "verify"]).code(3);
    assert!(half.stdout.contains("not proven: that it can be opened and restored"), "{}", half.stdout);
    assert_eq!(project.run(&["backup", "verify", "--json"]).code(3).json()["restored"], false);
    let whole = project.run(&["backup", "verify", "--identity", "key"]).code(0);
    assert!(whole.stdout.contains("restored, 2 rows"), "{}", whole.stdout);

    let restore = ["backup", "restore", "--into", "old.db"];
    project.run(&restore).code(4).says(&["is encrypted for", "nothing was done", "--identity FILE"]);
    let wrong = [&restore[..], &["--identity", "other"]].concat();
    project.run(&wrong).code(4).says(&["none of the private keys in other opens it"]);
    assert!(!project.path("old.db").exists());
    project.run(&[&restore[..], &["--identity", "key"]].concat()).code(0);
    project.run(&["backup", "create", "--rate", "5"]).code(2).says(&["20MiB/s"]);
    project.write("windlass.toml", target.replace(&key, &other[..20]));
    project.run(&["backup", "create"]).code(4).says(&["is no public key"]);
}

#[test]
fn an_encrypted_backup_is_rehearsed_with_its_key() {
    let project = Project::new(RELEASE);
    let [key, _] = ["key", "other"].map(|name| {
        let identity = age::x25519::Identity::generate();
        project.write(name, identity.to_string().expose_secret());
        identity.to_public().to_string()
    });
    project.write("windlass.toml", format!("{CONFIG}[target.db.backup]\nrecipients = [\"{key}\"]\n"));
    project.run(&["backup", "create"]).code(0);
    project.sql("DELETE FROM record WHERE id = 1");
    let rehearse = ["rehearse", "release.md", "--from", "latest", "--json"];
    project.run(&rehearse).code(4).says(&["is encrypted for", "nothing was done", "--identity FILE"]);
    let wrong = [&rehearse[..], &["--identity", "other"]].concat();
    project.run(&wrong).code(4).says(&["none of the private keys in other opens it", "nothing was done"]);
    let found = project.run(&[&rehearse[..], &["--identity", "key"]].concat()).code(0).json();
    assert_eq!(found["copies"][0]["rows"], 2, "those of the backup");
    assert_eq!(std::fs::read_dir(project.path(".windlass/scratch")).unwrap().count(), 0);
    project.run(&["rehearse", "release.md", "--identity", "key"]).code(2).says(&["--from"]);
}
