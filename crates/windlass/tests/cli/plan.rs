//! `windlass plan`.

use crate::sealed::{CONFIG, Project, RELEASE};
use std::{io::Write as _, process::Stdio};
use windlass_lab::{Flavor, server};

#[test]
fn every_unit_says_what_changes_and_how_it_is_undone() {
    let project = Project::new(RELEASE);
    let said = project.run(&["plan", "release.md"]).code(0);
    for words in [
        "Release 2.1.0 (from 2.0.9)",
        "停机发布",
        "migrate  line 13  sqlite on db  restore",
        "table record: 2 rows now",
        "restore: by the backup of step #backup",
        "by the hand-written #unmark",
        "Undo class restore",
    ] {
        assert!(said.stdout.contains(words), "no {words:?} in:\n{}", said.stdout);
    }
    assert!(said.stdout.lines().all(|line| line.chars().count() <= 80), "{}", said.stdout);
    assert!(
        !project.path("before.db").exists() && !project.path("marker.txt").exists(),
        "a plan changes nothing"
    );
}

#[test]
fn a_survey_that_finds_a_problem_says_so_and_offline_does_not_look() {
    let project = Project::new(RELEASE);
    std::fs::remove_file(project.path("app.db")).unwrap();
    let said = project.run(&["plan", "release.md"]).code(0);
    assert!(said.stdout.contains("problem") && said.stdout.contains("would fail now"), "{}", said.stdout);
    let said = project.run(&["plan", "--offline", "release.md"]).code(0);
    assert!(!said.stdout.contains("problem"), "{}", said.stdout);
}

#[test]
fn the_digest_is_the_hash_of_the_json_and_the_same_in_every_folder() {
    let (one, two) = (Project::new(RELEASE), Project::new(RELEASE));
    let json = one.run(&["plan", "--json", "release.md"]).code(0).stdout;
    assert_eq!(json, two.run(&["plan", "--json", "release.md"]).code(0).stdout);
    assert!(!json.contains(&*one.path("").to_string_lossy()), "no folder of this machine is in the plan");

    let mut sum = one.command(&[]);
    sum = {
        let mut command = std::process::Command::new("sha256sum");
        command.envs(sum.get_envs().filter_map(|(k, v)| Some((k, v?))));
        command
    };
    let mut child = sum.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(json.as_bytes()).unwrap();
    let hash = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
    let check = one.run(&["check", "--json", "release.md"]).json();
    assert_eq!(check["files"][0]["digest"], hash.split(' ').next().unwrap());
    assert!(one.run(&["plan", "release.md"]).stdout.contains(&hash[..12]));
}

#[test]
fn the_environment_is_laid_over_and_a_slip_is_refused() {
    let project = Project::new(RELEASE);
    project.write("windlass.staging.toml", "[target.app]\ndir = \"staging\"\n");
    let said = project.run(&["plan", "--json", "--env", "staging", "release.md"]).code(0);
    assert!(said.stdout.contains("\"dir\":\"staging\""));
    project
        .run(&["plan", "--env", "stagin", "release.md"])
        .code(2)
        .says(&["windlass.stagin.toml", "staging"]);
    project.write("prod.md", RELEASE.replace("from: 2.0.9", "env: production"));
    project.run(&["plan", "prod.md"]).code(0);
    project.run(&["plan", "--env", "staging", "prod.md"]).code(2).says(&["env: production"]);
}

#[test]
fn without_configuration_an_example_made_for_the_document_is_shown() {
    let project = Project::empty();
    project.write("release.md", RELEASE);
    let said = project.run(&["plan", "release.md"]).code(2);
    said.says(&["there is no windlass.toml", "[target.db]", "url = \"sqlite:db.db\"", "[target.app]"]);
    project.write("elsewhere/windlass.toml", CONFIG);
    project.run(&["plan", "--offline", "--config", "elsewhere", "release.md"]).code(0);
}

const ADD: &str = "---\nrelease: 1.1.0\n---\n\n```sql {#add on=db}\nALTER TABLE orders ADD COLUMN note text;\n\
                   CREATE INDEX orders_note ON orders (note);\n```\n\n- [ ] fine\n";

#[test]
fn statements_are_judged_with_the_catalog_that_is_there() {
    let database = server(Flavor::Postgres15).database();
    database
        .run("CREATE TABLE orders (id int PRIMARY KEY); INSERT INTO orders VALUES (1), (2); ANALYZE orders");
    let project = Project::empty();
    project.write("windlass.toml", format!("[target.db]\nurl = \"{}\"\n", database.url()));
    project.write("release.md", ADD);
    // The text alone cannot tell; two rows are no noise; fifty million are.
    project.run(&["check", "release.md"]).code(0).says(&["index-blocks-writes"]);
    project.run(&["plan", "--offline", "release.md"]).code(0).says(&["index-blocks-writes"]);
    let said = project.run(&["plan", "release.md"]).code(0);
    assert!(!said.stderr.contains("index-blocks") && !said.stderr.contains("not known"), "{}", said.stderr);
    database.run(
        "ALTER TABLE orders SET (autovacuum_enabled = off); \
         UPDATE pg_class SET reltuples = 5e7, relpages = 1 WHERE relname = 'orders'",
    );
    let said = project.run(&["plan", "release.md"]).code(0);
    said.says(&[
        "note[lock-on-large-table]: ACCESS EXCLUSIVE on `orders` (50000000 rows, ",
        "warning[index-blocks-writes]: writes to `orders` (50000000 rows, ",
    ]);
}

#[test]
fn a_catalog_that_cannot_be_read_is_said_and_the_text_judges() {
    let database = server(Flavor::Postgres15).database();
    let project = Project::empty();
    project.write("windlass.toml", format!("[target.db]\nurl = \"{}\"\n", database.url_at(1)));
    project.write("release.md", ADD);
    project.run(&["plan", "release.md"]).code(0).says(&[
        "index-blocks-writes",
        "not known: db: its catalog could not be read, so statements are judged by their text alone: ",
    ]);
}
