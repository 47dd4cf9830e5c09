//! `next` on the way back.

use crate::{
    story::{LIMITS, Story, forward, needs_person, passing, trouble, undo},
    support::{by, by_hand, gate, plain, plan, readonly, spread, step, unit},
};
use windlass_document::Serial;
use windlass_engine::{Limits, Next};
use windlass_journal::{Ending, Outcome, Verb};
use windlass_plan::{Class, Plan, Step, UndoBy};

const IN_PART: &str = "it was applied in part, and its hand-written undo is for the whole step";
const DOUBT: &str = "a try of it may have changed something, and was not repeated";

#[test]
fn newest_first_one_step_after_another() {
    let story = Story::of(plain(&["a", "b", "c"])).applied(&["a/1", "b/1"]).back();
    assert_eq!(story.next(), undo(&["b/1"]));
    let story = story.undoing("b/1");
    assert_eq!(story.beside(&["b/1"]), Next::Wait, "a waits for b");
    let story = Story::of(plain(&["a", "b"])).applied(&["a/1", "b/1"]).back().undone("b/1");
    assert_eq!(story.next(), undo(&["a/1"]));
    assert_eq!(story.undone("a/1").next(), Next::End(Ending::Undone));
}

#[test]
fn within_a_step_each_host_goes_back_by_itself() {
    let story = Story::of(plan(vec![step("a", spread("a", &["x", "y"], 2))]));
    let story = story.applied(&["a/1@x", "a/2@x", "a/1@y"]).back();
    assert_eq!(story.next(), undo(&["a/1@y", "a/2@x"]));
    let story = story.undone("a/2@x").undoing("a/1@y");
    assert_eq!(story.beside(&["a/1@y"]), undo(&["a/1@x"]));
    let serial = Step { serial: Some(Serial::Hosts(1)), ..step("a", spread("a", &["x", "y"], 2)) };
    let story = Story::of(plan(vec![serial])).applied(&["a/1@x", "a/2@x", "a/1@y", "a/2@y"]).back();
    assert_eq!(story.next(), undo(&["a/2@y"]));
    assert_eq!(story.undone("a/2@y").next(), undo(&["a/1@y"]), "y is finished before x begins");
}

#[test]
fn only_what_took_effect_goes_back() {
    let steps = vec![
        step("a", vec![unit("a/1"), unit("a/2"), readonly("a/3")]),
        step("b", vec![gate("b/1")]),
        step("c", vec![unit("c/1"), unit("c/2")]),
    ];
    let story = Story::of(plan(steps)).applied(&["a/1"]).unchanged("a/2").applied(&["a/3"]).confirmed("b/1");
    let story = story.failed("c/1", trouble("no")).back();
    assert_eq!(story.next(), undo(&["a/1"]));
    assert_eq!(story.undone("a/1").next(), Next::End(Ending::Undone));
}

#[test]
fn what_took_effect_in_part_goes_back_too_even_if_a_person_left_it_out() {
    let story = Story::of(plain(&["a"])).partly("a/1", trouble("half"));
    assert_eq!(story.back().next(), undo(&["a/1"]));
    let story = Story::of(plain(&["a"])).partly("a/1", trouble("half")).decided(Verb::Skip, "a/1");
    assert_eq!(story.next(), Next::End(Ending::Done));
    assert_eq!(story.back().next(), undo(&["a/1"]));
}

#[test]
fn nothing_goes_back_before_what_is_still_being_looked_at() {
    let story = Story::of(plain(&["a", "b"])).applied(&["a/1"]).running("b/1").back();
    assert_eq!(story.beside(&["b/1"]), Next::Wait);
}

#[test]
fn a_failed_undo_is_repeated_within_the_limit_and_then_for_a_person() {
    for outcome in [Outcome::Failed, Outcome::FailedPartly] {
        let story = Story::of(plain(&["a"])).applied(&["a/1"]).back();
        let story = story.undo_ended("a/1", outcome(passing("busy")));
        assert_eq!(story.next(), undo(&["a/1"]));
        let story =
            story.undo_ended("a/1", outcome(passing("busy"))).undo_ended("a/1", outcome(passing("gone")));
        assert_eq!(story.next(), needs_person("a/1", "its undo failed: gone"));
        let more = Limits { tries_max: 4, ..LIMITS };
        assert_eq!(story.at(&[], more, 0), undo(&["a/1"]));
        let story = Story::of(plain(&["a"])).applied(&["a/1"]).back();
        let story = story.undo_ended("a/1", outcome(trouble("somebody wrote")));
        assert_eq!(story.next(), needs_person("a/1", "its undo failed: somebody wrote"));
    }
}

#[test]
fn tries_of_the_way_forward_are_not_counted_on_the_way_back() {
    let story = Story::of(plain(&["a"])).failed("a/1", passing("1")).failed("a/1", passing("2"));
    let story = story.applied(&["a/1"]).back().undo_ended("a/1", Outcome::Failed(passing("busy")));
    assert_eq!(story.next(), undo(&["a/1"]));
}

#[test]
fn what_cannot_go_back_says_why() {
    let nobody = plan(vec![step("a", vec![by(unit("a/1"), Class::None, UndoBy::Nobody)])]);
    let story = Story::of(nobody).applied(&["a/1"]).back();
    assert_eq!(story.next(), needs_person("a/1", "it cannot be undone, as the plan said"));
    let story = Story::of(plain(&["a"])).failed("a/1", trouble("no")).decided(Verb::MarkDone, "a/1").back();
    let why = "it was marked done by hand, so what it changed is not known";
    assert_eq!(story.next(), needs_person("a/1", why));
}

#[test]
fn a_stuck_unit_waits_for_those_at_work_and_holds_back_the_others() {
    let story = Story::of(plan(vec![step("a", spread("a", &["x", "y", "z"], 1))]));
    let story = story.applied(&["a/1@x", "a/1@y", "a/1@z"]).back();
    let story = story.undo_ended("a/1@y", Outcome::Failed(trouble("conflict"))).undoing("a/1@z");
    assert_eq!(story.beside(&["a/1@z"]), Next::Wait);
    assert_eq!(story.undo_ended_now("a/1@z"), needs_person("a/1@y", "its undo failed: conflict"));
}

impl Story {
    /// `unit`, on its way back, arrives; what comes next.
    fn undo_ended_now(self, unit: &str) -> Next {
        let (way, attempt) = (windlass_plan::Way::Undo, 1);
        let outcome = Outcome::Applied(windlass_journal::Report::default());
        let unit = crate::support::id(unit);
        self.then(windlass_journal::Event::Settled { unit, way, attempt, outcome, took_ms: None }).next()
    }
}

/// Step `b` with two changes, a check, and a hand-written undo in two lines; step `a` before it.
fn scripted(partial: bool) -> Plan {
    let units = vec![unit("b/1"), readonly("b/2"), unit("b/3")];
    plan(vec![step("a", vec![unit("a/1")]), by_hand("b", units, &["u/1", "u/2"], partial)])
}

#[test]
fn a_hand_written_undo_takes_back_the_whole_step_in_its_own_order() {
    let story = Story::of(scripted(false)).applied(&["a/1", "b/1", "b/2", "b/3"]).back();
    assert_eq!(story.next(), forward(&["u/1"]));
    let story = story.applied(&["u/1"]);
    assert_eq!(story.next(), forward(&["u/2"]));
    let story = story.unchanged("u/2");
    assert_eq!(story.next(), undo(&["a/1"]));
    assert_eq!(story.undone("a/1").next(), Next::End(Ending::Undone));
}

#[test]
fn what_had_nothing_to_do_does_not_make_a_step_partial() {
    let story = Story::of(scripted(false)).applied(&["a/1", "b/1"]).applied(&["b/2"]).unchanged("b/3").back();
    assert_eq!(story.next(), forward(&["u/1"]));
    let story = Story::of(scripted(false)).applied(&["a/1"]).unchanged("b/1").applied(&["b/2"]);
    let story = story.unchanged("b/3").back();
    assert_eq!(story.next(), undo(&["a/1"]), "a step that changed nothing has nothing to undo");
}

#[test]
fn a_step_in_part_is_undone_by_hand_only_if_its_undo_was_written_for_that() {
    let part = |partial| Story::of(scripted(partial)).applied(&["a/1", "b/1", "b/2"]).back();
    assert_eq!(part(false).next(), needs_person("b/1", IN_PART));
    assert_eq!(part(true).next(), forward(&["u/1"]));
    let none = |partial| Story::of(scripted(partial)).applied(&["a/1"]).failed("b/1", trouble("no")).back();
    assert_eq!(none(true).next(), undo(&["a/1"]), "nothing of the step is there");
    assert_eq!(none(false).next(), undo(&["a/1"]));
}

#[test]
fn a_hand_written_undo_that_has_begun_goes_on() {
    let story = Story::of(scripted(false)).applied(&["a/1", "b/1", "b/2", "b/3"]).back().running("u/1");
    assert_eq!(story.beside(&["u/1"]), Next::Wait);
    let story = Story::of(scripted(false)).applied(&["a/1", "b/1", "b/2", "b/3"]).back();
    let story = story.failed("u/1", passing("busy"));
    assert_eq!(story.next(), forward(&["u/1"]), "repeated");
    let story = story.failed("u/1", passing("busy")).failed("u/1", passing("gone"));
    assert_eq!(story.next(), needs_person("u/1", "the hand-written undo #b-undo failed: gone"));
}

#[test]
fn a_hand_written_undo_runs_on_the_hosts_on_which_its_step_changed_something() {
    let units = || spread("b", &["x", "y", "z"], 2);
    let scripted = |undo: &[&str]| {
        let step = by_hand("b", units(), undo, true);
        Story::of(plan(vec![Step { serial: Some(Serial::Hosts(1)), ..step }]))
    };
    let everywhere = ["u/1@x", "u/1@y", "u/1@z"];
    let in_part = |story: Story| story.partly("b/1@x", trouble("exit 1")).back();
    let story = in_part(scripted(&everywhere));
    assert_eq!(story.next(), forward(&["u/1@x"]));
    let story = story.applied(&["u/1@x"]);
    assert_eq!(story.next(), Next::End(Ending::Undone), "on y and z it never began");
    // It began on y, and changed nothing there.
    for (nothing, expected) in [(true, Next::End(Ending::Undone)), (false, forward(&["u/1@y"]))] {
        let story = scripted(&everywhere).applied(&["b/1@x", "b/2@x"]);
        let story = match nothing {
            true => story.failed("b/1@y", trouble("no")),
            false => story.partly("b/1@y", trouble("exit 1")),
        };
        assert_eq!(story.back().applied(&["u/1@x"]).next(), expected, "{nothing}");
    }
    let story = scripted(&everywhere).unchanged("b/1@x").unchanged("b/2@x").applied(&["b/1@y"]);
    assert_eq!(story.back().next(), forward(&["u/1@y"]), "what had nothing to do has nothing to take back");
    // Another target than that of the step: which of its hosts stands for which, nobody knows.
    assert_eq!(in_part(scripted(&["u/1@p", "u/1@q"])).next(), forward(&["u/1@p"]));
    assert_eq!(in_part(scripted(&["u/1@p", "u/1@q"])).applied(&["u/1@p"]).next(), forward(&["u/1@q"]));
}

#[test]
fn hosts_of_a_hand_written_undo_keep_to_serial_and_wait_for_each_other_when_one_fails() {
    let undo = ["u/1@x", "u/2@x", "u/1@y"];
    let scripted = by_hand("b", spread("b", &["x", "y"], 1), &undo, false);
    let serial = Step { serial: Some(Serial::Hosts(1)), ..scripted.clone() };
    let story = |step| Story::of(plan(vec![step])).applied(&["b/1@x", "b/1@y"]).back();
    assert_eq!(story(scripted.clone()).next(), forward(&["u/1@x", "u/1@y"]));
    assert_eq!(story(serial).next(), forward(&["u/1@x"]));
    let story = story(scripted).failed("u/1@x", trouble("no")).running("u/1@y");
    assert_eq!(story.beside(&["u/1@y"]), Next::Wait);
}

#[test]
fn a_try_that_may_have_left_something_is_not_passed_over() {
    let story = Story::of(scripted(false)).applied(&["a/1", "b/1", "b/2"]).partly("b/3", trouble("half"));
    let story = story.decided(Verb::Retry, "b/3").back();
    assert_eq!(story.next(), needs_person("b/3", DOUBT));
    let nobody = plan(vec![step("a", vec![by(unit("a/1"), Class::None, UndoBy::Nobody)])]);
    let story = Story::of(nobody).partly("a/1", trouble("half")).decided(Verb::Retry, "a/1").back();
    assert_eq!(story.next(), needs_person("a/1", DOUBT));
    let story = Story::of(plain(&["a"])).partly("a/1", trouble("half")).decided(Verb::Retry, "a/1").back();
    assert_eq!(story.next(), undo(&["a/1"]), "its driver can tell, and has the capsule");
}

#[test]
fn a_doubt_waits_for_what_is_at_work() {
    let doubted = by(unit("a/1@x"), Class::None, UndoBy::Nobody);
    let story = Story::of(plan(vec![step("a", vec![doubted, unit("a/1@y")])]));
    let story = story.partly("a/1@x", trouble("half")).applied(&["a/1@y"]);
    let story = story.decided(Verb::Retry, "a/1@x").back().undoing("a/1@y");
    assert_eq!(story.beside(&["a/1@y"]), Next::Wait);
}

#[test]
fn what_a_person_left_in_place_makes_the_run_abandoned() {
    let failed = |story: Story| story.undo_ended("b/1", Outcome::Failed(trouble("conflict")));
    let story = failed(Story::of(plain(&["a", "b"])).applied(&["a/1", "b/1"]).back());
    let story = story.decided(Verb::Skip, "b/1");
    assert_eq!(story.next(), undo(&["a/1"]), "the others still go back");
    assert_eq!(story.undone("a/1").next(), Next::End(Ending::Abandoned));
    let story = failed(Story::of(plain(&["a", "b"])).applied(&["a/1", "b/1"]).back());
    let story = story.decided(Verb::MarkDone, "b/1").undone("a/1");
    assert_eq!(story.next(), Next::End(Ending::Undone), "done by hand is done");
    let story = Story::of(scripted(false)).applied(&["a/1", "b/1", "b/2", "b/3"]).back();
    let story = story.failed("u/1", trouble("no")).decided(Verb::Skip, "u/1").applied(&["u/2"]).undone("a/1");
    assert_eq!(story.next(), Next::End(Ending::Abandoned), "a line of the undo was left out");
}
