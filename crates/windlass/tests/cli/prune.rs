//! `windlass prune`.

use crate::sealed::Project;
use rusqlite::Connection;
use windlass_lab::{Flavor, server};

const DROP: &str = "---\nrelease: 2\nfrom: 1\n---\n# 2\n\n```sql {#tidy on=db}\nDROP TABLE record;\n```\n";

#[test]
fn what_was_set_aside_is_kept_for_its_time_and_dropped_after_it_was_asked() {
    let project = Project::new(DROP);
    assert!(project.run(&["prune"]).code(0).stderr.contains("Nothing is old enough"));
    project.run(&["apply", "release.md", "--yes"]).code(0);
    let said = project.run(&["prune", "--yes"]).code(0);
    assert!(said.stdout.contains("db: table record, 2 rows, dropped at "), "{}", said.stdout);
    assert!(said.stdout.contains("kept for another"), "{}", said.stdout);
    let db = Connection::open(project.path("app.db")).unwrap();
    // The thing is old, and so is the end of its run.
    db.execute_batch("UPDATE windlass_aside SET at = '2020-01-01T00:00:00Z'").unwrap();
    let said = project.run(&["prune", "--yes"]).code(0);
    assert!(said.stdout.contains("kept for another"), "its run has just ended: {}", said.stdout);
    std::fs::rename(project.path(".windlass"), project.path(".elsewhere")).unwrap();
    let said = project.run(&["prune"]).code(0);
    assert!(said.stdout.contains("will be dropped for good"), "{}", said.stdout);
    assert!(said.stderr.contains("Nothing was dropped; `windlass prune --yes`"), "{}", said.stderr);
    let held = |db: &Connection| {
        let sql = "SELECT count(*) FROM sqlite_schema WHERE name = 'windlass_aside_1'";
        db.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap() == 1
    };
    assert!(held(&db));
    let said = project.run(&["prune", "--yes"]).code(0);
    assert!(said.stderr.contains("db: table record is gone"), "{}", said.stderr);
    assert!(!held(&db));
}

const FILES: &str = "---\nrelease: 3\n---\n# 3\n\n```sh {#clear on=app}\nrm -r old\n```\n```sh {#make on=app}\nmkdir new\n```\n";

#[test]
fn files_that_were_set_aside_go_with_their_time_and_a_rollback_says_first_what_is_missing() {
    let project = Project::new(FILES);
    project.write("old/a", "one");
    project.write("old/b", "two");
    project.run(&["apply", "release.md", "--yes"]).code(0);
    let run = project.run(&["runs", "--json"]).json()[0]["run"].as_str().unwrap().to_owned();
    let folder = project.path(&format!(".windlass/runs/{run}"));
    let said = project.run(&["prune", "--yes"]).code(0);
    assert!(said.stdout.contains(&format!("run {run} of 3: 2 files, ")), "{}", said.stdout);
    assert!(said.stdout.contains("kept for another") && folder.exists(), "{}", said.stdout);
    // Nothing of it is asked how old it is but the clock of the machine, and the team may keep it for no time.
    let config = project.read("windlass.toml");
    project.write("windlass.toml", format!("{config}\n[policy]\nkeep = {{ backup = \"0s\" }}\n"));
    let said = project.run(&["prune"]).code(0);
    assert!(said.stdout.contains("will be removed for good") && folder.exists(), "{}", said.stdout);
    let gone = project.run(&["prune", "--json", "--yes"]).code(0).json();
    assert_eq!((&gone["files"][0]["fate"], folder.exists()), (&serde_json::json!("dropped"), false));
    // A removal that was cut short goes on.
    project.write(".windlass/runs/.going-x/step/1/saved-0", "rest");
    project.run(&["prune", "--yes"]).code(0);
    assert_eq!(std::fs::read_dir(project.path(".windlass/runs")).unwrap().count(), 0);
    // Said before anything goes back: also what could go back stays.
    project.run(&["rollback", "--yes"]).code(4).says(&[
        "cannot be taken back wholly, so nothing was taken back",
        "clear/1",
        "is gone (`windlass prune` removes it",
        &format!("then `windlass rollback {run}`"),
        &format!("`windlass show {run}`"),
        &format!("`windlass rollback {run} --despite-missing` takes back what can be"),
    ]);
    assert!(!project.path("old").exists() && project.path("new").exists());
    assert_eq!(project.run(&["show", "--json"]).json()["direction"], "forward");
    let said = project.run(&["rollback", &run, "--yes", "--despite-missing"]).code(3);
    said.says(&["it waits for you at units that miss something", "clear/1", "windlass decide skip clear/1"]);
    assert!(!project.path("new").exists(), "what can be is taken back");
    // What is done is done, although some of it stays.
    project.run(&["decide", "skip", "clear/1", "--reason", "it is not wanted"]).code(3);
    assert_eq!(project.run(&["status", "--json"]).json()["stand"], "ended");
}

/// The same for a backup that a step goes back to: put back where it was, it serves.
#[test]
fn a_rollback_whose_backup_is_gone_is_refused_until_it_is_back() {
    let project = Project::new(crate::sealed::RELEASE);
    let before = project.world();
    project.run(&["apply", "release.md", "--yes"]).code(0);
    let after = project.world();
    std::fs::rename(project.path("before.db"), project.path("elsewhere.db")).unwrap();
    project.run(&["rollback", "--yes"]).code(4).says(&["nothing was taken back", "migrate/1", "before.db"]);
    assert_eq!((project.world(), project.read("marker.txt")), (after, "切换完成\n".to_owned()));
    std::fs::rename(project.path("elsewhere.db"), project.path("before.db")).unwrap();
    project.run(&["rollback", "--yes"]).code(0);
    assert_eq!(project.world(), before);
}

/// Whether a backup is what it was takes long to say of a big one: the unit that goes back to it looks, when its turn comes.
#[test]
fn a_backup_that_was_changed_is_refused_by_the_unit_that_goes_back_to_it() {
    let project = Project::new(crate::sealed::RELEASE);
    project.run(&["apply", "release.md", "--yes"]).code(0);
    let after = project.world();
    project.write("before.db", "other");
    let said = project.run(&["rollback", "--yes"]).code(3).says(&["migrate/", "before.db was changed"]);
    assert!(!said.stderr.contains("missing"), "{}", said.stderr);
    assert_eq!((project.world(), project.read("marker.txt")), (after, "已回退\n".to_owned()));
}

/// A later step may have put the backup elsewhere: its own way back comes first.
#[test]
fn a_backup_that_the_way_back_brings_back_itself_is_not_missing() {
    let tidy = |lines: &str| format!("{}```sh {{#tidy on=app}}\n{lines}\n```\n", crate::sealed::RELEASE);
    let untidy = |line: &str| format!("```sh {{#untidy undoes=tidy}}\n{line}\n```\n");
    let by_hand = tidy("sh tidy.sh");
    for release in [
        tidy("rm before.db"),
        tidy("mv before.db kept.db"),
        format!("{by_hand}{}", untidy("mv kept.db before.db")),
        format!("{by_hand}{}", untidy("cat kept.db > before.db")),
    ] {
        let project = Project::new(&release);
        project.write("tidy.sh", "mv before.db kept.db\n");
        project.run(&["apply", "release.md", "--yes"]).code(0);
        assert!(!project.path("before.db").exists());
        project.run(&["rollback", "--yes"]).code(0);
        assert_eq!(project.world(), Project::new("").world());
    }
}

const RELEASE: &str = "---\nrelease: 2\nfrom: 1\n---\n# 2\n\n```sql {#tidy on=db}\nUPDATE part SET note = 'x' WHERE id > 1;\n\
    ALTER TABLE part DROP COLUMN old;\nDROP TABLE legacy;\nCREATE TABLE made (id INT PRIMARY KEY);\n```\n";

/// On a server: everything is kept for its time, shown, dropped, and a rollback behind that says what is missing.
fn on_a_server(flavor: Flavor, list: &str, old: &str, image: &str) {
    let database = server(flavor).database();
    database.run(
        "CREATE TABLE part (id INT PRIMARY KEY, note VARCHAR(50), old INT); INSERT INTO part VALUES (1, 'a', 1), (2, 'b', 2), (3, 'c', 3); \
         CREATE TABLE legacy (id INT PRIMARY KEY); INSERT INTO legacy VALUES (4)",
    );
    let project = Project::empty();
    project.write("windlass.toml", format!("[target.db]\nurl = \"{}\"\n", database.url()));
    project.write("release.md", RELEASE);
    assert!(project.run(&["prune"]).code(0).stderr.contains("Nothing is old enough"));
    project.run(&["apply", "release.md", "--yes"]).code(0);
    let said = project.run(&["prune", "--yes"]).code(0);
    assert!(
        said.stdout.contains("kept for another") && !said.stdout.contains("dropped for good"),
        "{}",
        said.stdout
    );
    database.run(old);
    // Its run has just ended; where the journal does not know it, its age counts.
    assert!(project.run(&["prune", "--yes"]).code(0).stdout.contains("kept for another"));
    std::fs::rename(project.path(".windlass"), project.path(".elsewhere")).unwrap();
    let shown = project.run(&["prune", "--json"]).code(0).json();
    let all = shown["asides"].as_array().unwrap();
    let of = |kind: &str| {
        all.iter()
            .filter(|aside| aside["kind"] == kind && aside["fate"] == "due")
            .map(|aside| aside["rows"].as_u64())
            .next()
            .flatten()
    };
    assert_eq!(of("table"), Some(1), "legacy: {shown}");
    assert!(of("before-image").is_some_and(|rows| rows > 1), "{shown}");
    assert_eq!(database.run(list), all.len().to_string(), "a preview drops nothing");
    let done = project.run(&["prune", "--yes", "--json"]).code(0).json();
    assert!(done["asides"].as_array().unwrap().iter().all(|aside| aside["fate"] == "dropped"), "{done}");
    assert_eq!(database.run(list), "0");
    assert!(!database.run(image).contains("image_"), "{}", database.run(image));
    assert_eq!(database.run("SELECT id, note FROM part ORDER BY id").replace('|', "\t"), "1\ta\n2\tx\n3\tx");
    std::fs::rename(project.path(".elsewhere"), project.path(".windlass")).unwrap();
    let refused = project.run(&["rollback", "--yes"]);
    assert_eq!(refused.code, Some(3), "{}{}", refused.stdout, refused.stderr);
    assert_eq!(database.run("SELECT id, note FROM part ORDER BY id").replace('|', "\t"), "1\ta\n2\tx\n3\tx");
}

#[test]
fn what_is_kept_on_postgresql_is_dropped_after_its_time() {
    on_a_server(
        Flavor::Postgres15,
        "SELECT count(*) FROM windlass.aside",
        "UPDATE windlass.aside SET at = '2020-01-01'",
        "SELECT string_agg(relname, ' ') FROM pg_class WHERE relkind = 'r' AND relname LIKE 'image%' OR relname = 'legacy'",
    );
}

#[test]
fn what_is_kept_on_mysql_and_mariadb_is_dropped_after_its_time() {
    for flavor in [Flavor::Mariadb, Flavor::Mysql] {
        on_a_server(
            flavor,
            "SELECT COUNT(*) FROM windlass_aside",
            "UPDATE windlass_aside SET at = '2020-01-01'",
            "SHOW TABLES LIKE '\\_windlass%'; SHOW CREATE TABLE part",
        );
    }
}

/// What batches leave behind is kept as long as that of a statement: before its time nothing of it goes, and once it has gone a
/// rollback says so and changes nothing. What is taken back leaves nothing behind.
#[test]
fn what_batches_leave_behind_is_kept_for_its_time() {
    for (flavor, list, batches, old) in [
        (
            Flavor::Postgres15,
            "SELECT count(*) FROM windlass.aside",
            "SELECT count(*) FROM windlass.batch",
            "UPDATE windlass.aside SET at = '2020-01-01'",
        ),
        (
            Flavor::Mariadb,
            "SELECT COUNT(*) FROM windlass_aside",
            "SELECT COUNT(*) FROM windlass_batch",
            "UPDATE windlass_aside SET at = '2020-01-01'",
        ),
    ] {
        let database = server(flavor).database();
        let rows: Vec<String> = (1..=100).map(|id| format!("({id}, 0)")).collect();
        database.run(&format!(
            "CREATE TABLE t (id INT PRIMARY KEY, n INT NOT NULL); INSERT INTO t VALUES {}",
            rows.join(", ")
        ));
        let project = Project::empty();
        project.write("windlass.toml", format!("[target.db]\nurl = \"{}\"\n", database.url()));
        let body = "```sql {#fill on=db batch=40}\nUPDATE t SET n = n + 1;\n```\n";
        project.write("release.md", format!("---\nrelease: 2\nfrom: 1\n---\n# 2\n\n{body}"));
        let sum = || database.run("SELECT SUM(n) FROM t");
        project.run(&["apply", "release.md", "--yes"]).code(0);
        let said = project.run(&["prune", "--yes"]).code(0);
        assert!(said.stdout.contains("kept for another"), "{}", said.stdout);
        project.run(&["rollback", "--yes"]).code(0);
        assert_eq!(
            (sum().as_str(), database.run(list).as_str(), database.run(batches).as_str()),
            ("0", "0", "0")
        );

        project.run(&["apply", "release.md", "--yes"]).code(0);
        database.run(old);
        let said = project.run(&["prune", "--yes"]).code(0);
        assert!(said.stdout.contains("kept for another"), "its run has just ended: {}", said.stdout);
        std::fs::rename(project.path(".windlass"), project.path(".elsewhere")).unwrap();
        let done = project.run(&["prune", "--yes", "--json"]).code(0).json();
        let fates: Vec<_> = done["asides"].as_array().unwrap().iter().map(|aside| &aside["fate"]).collect();
        assert_eq!(fates, ["dropped"], "{done}");
        std::fs::rename(project.path(".elsewhere"), project.path(".windlass")).unwrap();
        let refused = project.run(&["rollback", "--yes"]);
        assert_eq!(refused.code, Some(3), "{}{}", refused.stdout, refused.stderr);
        assert_eq!(sum(), "100", "the cursor alone is no reason to call it undone");
    }
}
