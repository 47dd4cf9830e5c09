//! Controllers that die, are interrupted, or meet another one.

use crate::sealed::{Project, RELEASE, failing, wait_for};
use rustix::process::Signal;

/// A release whose shell step waits for a file, so that a test decides when it ends.
fn waiting() -> String {
    RELEASE.replace(
        "echo 切换完成 > marker.txt",
        "touch begun; while [ ! -e go ]; do sleep 0.05; done; echo 切换完成 > marker.txt",
    )
}

#[test]
fn killed_at_every_unit_it_resumes_to_the_same_world() {
    let whole = Project::new(RELEASE);
    whole.run(&["apply", "release.md", "--yes"]).code(0);
    for unit in ["backup/1", "migrate/1", "migrate/2", "mark/1", "verify/1"] {
        for fault in ["crash-before", "crash-after"] {
            let project = Project::new(RELEASE);
            let killed =
                project.run(&["apply", "release.md", "--yes", "--fault", &format!("{fault}:{unit}")]);
            assert_eq!(killed.code, None, "{fault}:{unit} kills: {}", killed.stderr);
            let status = project.run(&["status", "--json"]).code(0).json();
            assert_eq!(status["stand"], "stopped", "{fault}:{unit}");
            project
                .run(&["apply", "release.md", "--yes"])
                .code(4)
                .says(&["is not finished", "windlass resume"]);
            project.run(&["resume"]).code(0);
            assert_eq!(project.world(), whole.world(), "{fault}:{unit}");
            assert_eq!(project.read("marker.txt"), "切换完成\n", "{fault}:{unit}");
        }
    }
}

#[test]
fn killed_on_the_way_back_it_resumes_the_way_back() {
    let project = Project::new(&failing());
    let before = project.world();
    let killed = project.run(&["apply", "release.md", "--yes", "--fault", "crash-after:undo:migrate/2"]);
    assert_eq!(killed.code, None, "{}", killed.stderr);
    project.run(&["resume"]).code(1).says(&["took over from", "failed and undone"]);
    assert_eq!(project.world(), before);
    project.run(&["resume"]).code(4).says(&["nothing to go on with"]);
}

#[test]
fn a_killed_run_can_be_taken_back_instead() {
    let project = Project::new(RELEASE);
    let before = project.world();
    project.run(&["apply", "release.md", "--yes", "--fault", "crash-after:migrate/1"]);
    project.run(&["rollback", "--yes"]).code(0);
    assert_eq!(project.world(), before);
}

#[test]
fn ctrl_c_finishes_the_unit_and_stops_resumable() {
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let project = Project::new(&waiting());
        let running = project.start(&["apply", "release.md", "--yes"]);
        wait_for("the step has begun", || project.path("begun").exists());
        running.signal(signal);
        project.write("go", "");
        running.end().code(130).says(&["stopping as soon as mark/1 is settled", "windlass resume"]);
        assert_eq!(project.read("marker.txt"), "切换完成\n");
        project.run(&["resume"]).code(0);
    }
}

#[test]
fn the_third_ctrl_c_ends_at_once_and_the_step_is_found_again() {
    let project = Project::new(&waiting());
    let running = project.start(&["apply", "release.md", "--yes"]);
    wait_for("the step has begun", || project.path("begun").exists());
    // Two signals of a kind that are pending at once are one, so each is answered before the next.
    for answer in ["stopping as soon as", "once more ends at once"] {
        running.signal(Signal::INT);
        running.until_it_says(answer);
    }
    running.signal(Signal::INT);
    assert_eq!(running.end().code, Some(130));
    project.write("go", "");
    project.run(&["resume"]).code(0);
    assert_eq!(project.read("marker.txt"), "切换完成\n");
}

#[test]
fn of_two_controllers_one_runs_and_the_other_names_it() {
    let project = Project::new(&waiting());
    let running = project.start(&["apply", "release.md", "--yes"]);
    wait_for("the step has begun", || project.path("begun").exists());
    let said = project.run(&["apply", "release.md", "--yes"]).code(4);
    said.says(&["alice@", "(process ", "holds the lease since", "+00:00"]);
    project.run(&["resume"]).code(4).says(&["holds the lease since"]);
    project.run(&["rollback", "--yes"]).code(4).says(&["holds the lease since"]);
    let status = project.run(&["status", "--json"]).code(0).json();
    assert_eq!(status["stand"], "working");
    project.write("go", "");
    running.end().code(0);
}

#[test]
fn of_many_started_at_the_same_moment_exactly_one_runs() {
    let project = Project::new(&waiting());
    let running: Vec<_> = (0..6).map(|_| project.start(&["apply", "release.md", "--yes"])).collect();
    wait_for("one has begun", || project.path("begun").exists());
    wait_for("the others have ended", || {
        let runs = project.run(&["runs", "--json"]).json();
        assert_eq!(runs.as_array().unwrap().len(), 1);
        project.write("go", "");
        true
    });
    let codes: Vec<_> = running.into_iter().map(|one| one.end().code).collect();
    assert_eq!(codes.iter().filter(|code| **code == Some(0)).count(), 1, "{codes:?}");
    assert!(codes.iter().all(|code| matches!(code, Some(0 | 4))), "{codes:?}");
    assert_eq!(project.run(&["runs", "--json"]).json().as_array().unwrap().len(), 1);
}
