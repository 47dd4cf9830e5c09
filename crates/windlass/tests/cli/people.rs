//! Gates and decisions.

use crate::sealed::{Project, RELEASE, failing, gated};

#[test]
fn a_gate_waits_for_a_person_and_their_words_are_recorded() {
    let project = Project::new(&gated());
    let said = project.run(&["apply", "release.md", "--yes"]).code(3);
    said.says(&["waits for a confirmation", "两台机器服务正常", "windlass confirm gate-1 --run"]);
    let status = project.run(&["status", "--json"]).code(0).json();
    assert_eq!((&status["stand"], &status["waits_for"]), (&"gate".into(), &"gate-1/1".into()));
    project.run(&["resume"]).code(3);
    project.run(&["confirm", "gate-7"]).code(2).says(&["no gate gate-7", "gate-1"]);
    project.run(&["confirm", "gate-1", "--note", "看过了"]).code(0);
    let record = project.run(&["record", "--json"]).code(0).json();
    let decision = &record["decisions"][0];
    assert_eq!((&decision["what"], &decision["reason"]), (&"confirm".into(), &"看过了".into()));
    assert!(decision["actor"].as_str().unwrap().starts_with("alice@"));
    project.run(&["confirm", "gate-1"]).code(4).says(&["has ended"]);
}

#[test]
fn a_gate_can_be_confirmed_beforehand_by_name_or_all() {
    for id in ["gate-1", "all"] {
        let project = Project::new(&gated());
        project.run(&["apply", "release.md", "--yes", "--confirm", id]).code(0);
    }
}

#[test]
fn yes_answers_no_gate() {
    let project = Project::new(&gated());
    project.run(&["apply", "release.md", "--yes"]).code(3);
}

#[test]
fn on_failure_stop_waits_for_a_decision() {
    let project = Project::new(&failing());
    let before = project.world();
    let said = project.run(&["apply", "release.md", "--yes", "--on-failure=stop"]).code(3);
    said.says(&["needs a person", "windlass decide retry verify/1", "windlass decide unwind"]);
    assert!(project.world().contains("spec-v1"), "nothing went back by itself");
    project.run(&["decide", "retry", "--reason", " "]).code(2).says(&["--reason is empty"]);
    project
        .run(&["decide", "retry", "migrate/1", "--reason", "x"])
        .code(2)
        .says(&["waits for a decision about verify/1"]);
    project.run(&["decide", "retry", "--reason", "again"]).code(3);
    project.run(&["decide", "unwind", "--reason", "回退"]).code(0);
    assert_eq!(project.world(), before);
    let record = project.run(&["record"]).code(0).stdout;
    assert!(record.contains("回退") && record.contains("again"), "{record}");
}

#[test]
fn a_person_can_skip_mark_done_or_abandon() {
    for (verb, code, state) in [("skip", 0, "done"), ("mark-done", 0, "done")] {
        let project = Project::new(&failing());
        project.run(&["apply", "release.md", "--yes", "--on-failure", "stop"]).code(3);
        project.run(&["decide", verb, "verify/1", "--reason", "looked"]).code(code);
        assert_eq!(project.run(&["status", "--json"]).json()["state"], state, "{verb}");
    }
    let project = Project::new(&failing());
    project.run(&["apply", "release.md", "--yes", "--on-failure", "stop"]).code(3);
    project
        .run(&["decide", "abandon", "--reason", "leave it"])
        .code(3)
        .says(&["with parts left as they were"]);
    assert_eq!(project.run(&["status", "--json"]).json()["state"], "abandoned");
    assert!(project.world().contains("spec-v1"));
}

#[test]
fn an_undo_that_fails_needs_a_person_and_goes_on_after_the_decision() {
    let project = Project::new(RELEASE);
    let before = project.world();
    project.run(&["apply", "release.md", "--yes"]).code(0);
    let said = project.run(&["rollback", "--yes", "--fault", "fail-undo:migrate/2"]).code(3);
    said.says(&["its undo failed", "Not undone", "windlass decide retry migrate/2"]);
    project.run(&["decide", "retry", "--reason", "the fault is gone"]).code(0);
    assert_eq!(project.world(), before);
}

/// An undo that is refused because of newer writes and then skipped leaves the backup as the only copy from before.
#[test]
fn the_way_back_never_deletes_a_backup() {
    let project = Project::new(RELEASE);
    project.run(&["apply", "release.md", "--yes"]).code(0);
    let backup = std::fs::read(project.path("before.db")).unwrap();
    project.sql("INSERT INTO record VALUES (3, '丙', NULL)");
    project.run(&["rollback", "--yes"]).code(3).says(&["written by others"]);
    project.run(&["decide", "skip", "migrate/2", "--reason", "looked"]).code(3);
    let said = project.run(&["decide", "skip", "migrate/1", "--reason", "looked"]).code(3);
    said.says(&["with parts left as they were"]);
    assert_eq!(project.run(&["status", "--json"]).json()["state"], "abandoned");
    assert!(project.world().contains('丙'));
    assert_eq!(std::fs::read(project.path("before.db")).unwrap(), backup);
}

#[test]
fn every_command_about_a_run_prints_the_run_as_json() {
    let project = Project::new(&gated());
    let run = project.run(&["apply", "release.md", "--yes", "--json"]).code(3).json()["run"].clone();
    let name = run.as_str().unwrap();
    for (args, code, state) in [
        (&["resume", "--json"][..], 3, "not finished"),
        (&["confirm", "gate-1", "--json"], 0, "done"),
        (&["show", name, "--json"], 0, "done"),
        (&["record", name, "--json"], 0, "done"),
        (&["rollback", "--yes", "--json"], 0, "undone"),
        (&["show", "--json"], 0, "undone"),
    ] {
        let json = project.run(args).code(code).json();
        assert_eq!((&json["run"], &json["state"]), (&run, &state.into()), "{args:?}");
        assert_eq!(json["units"][1]["unit"], "migrate/1", "{args:?}");
    }
    project.write(
        "failing.md",
        failing().replace("release: 2.1.0", "release: 2.2.0").replace("before.db", "again.db"),
    );
    project.run(&["apply", "failing.md", "--yes", "--on-failure=stop", "--json"]).code(3);
    let json = project.run(&["decide", "unwind", "--reason", "x", "--json"]).code(0).json();
    assert_eq!(json["state"], "undone");
}
