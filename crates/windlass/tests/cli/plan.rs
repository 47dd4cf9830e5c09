//! `windlass plan`.

use crate::sealed::{CONFIG, Project, RELEASE};
use std::{io::Write as _, process::Stdio};

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
