//! What an edited plan may change in a run that is under way, and what not.

use crate::support::*;
use windlass_journal::{Direction, Edit, Event, Outcome, RunState, Touched, fold};
use windlass_plan::{Action, Plan, Release, StepId, Target, UndoBy, Unit, Way};

/// `a` on two hosts with three lines, then the steps of the usual plan under it.
fn hosts() -> Plan {
    let mut lines = Vec::new();
    for host in ["h1", "h2"] {
        for n in 1..=3 {
            let name = format!("a/{n}@{host}");
            lines.push(Unit { host: host.into(), ..told(unit(&name, UndoBy::Driver), &format!("line {n}")) });
        }
    }
    let mut plan = plan();
    plan.steps[0] = step("a", lines);
    plan.steps[0].on = "web".into();
    let web = Target::Hosts { hosts: vec!["h1".into(), "h2".into()], dir: None, ssh_config: None };
    plan.targets.insert("web".into(), web);
    plan
}

fn told(unit: Unit, text: &str) -> Unit {
    let action = Action::Shell { script: text.into(), dir: None, readonly: false, database: None };
    Unit { action, ..unit }
}

/// A run of it in which these were tried, with these outcomes.
fn run(tried: &[(&str, Outcome)]) -> RunState {
    let mut events = vec![Event::started(hosts(), windlass_journal::OnFailure::Stop)];
    for (unit, outcome) in tried {
        events.extend([intended(unit, Way::Forward, 1), settled(unit, Way::Forward, 1, outcome.clone())]);
    }
    state(events)
}

fn state(events: Vec<Event>) -> RunState {
    let folder = folder();
    let (store, _) = journal(&folder.path().join("j.db"), events);
    fold(&all(&store)).unwrap().unwrap()
}

/// What an edit of the plan comes to.
fn edit(run: &RunState, change: impl FnOnce(&mut Plan)) -> Edit {
    let mut plan = run.plan.as_ref().clone();
    change(&mut plan);
    run.edit(&plan)
}

/// The same line on each host, as a document has it.
fn line(plan: &mut Plan, n: usize, text: &str) {
    let named = format!("a/{n}@");
    let units = plan.steps[0].units.iter_mut().filter(|unit| unit.id.0.starts_with(&named));
    units.for_each(|unit| *unit = told(unit.clone(), text));
}

fn changed(name: &str) -> Edit {
    Edit::Begun(Touched::Unit { old: Some(id(name)), new: Some(id(name)) })
}

#[test]
fn words_and_places_are_no_edit() {
    let run = run(&[("a/1@h1", applied())]);
    assert_eq!(edit(&run, |_| {}), Edit::Same);
    let moved = edit(&run, |plan| {
        plan.tool = "a later one".into();
        plan.document.sha256 = "another".into();
        plan.release.title = Some("Another title".into());
        (plan.steps[0].line, plan.steps[0].stage) = (70, Some("Another heading".into()));
        plan.steps[0].units[0].line = 71;
        plan.steps[0].units[0].effect = "in other words".into();
    });
    assert_eq!(moved, Edit::Same);
}

/// Each host has come as far as it has: a line that has begun on none may be edited, one that has begun on any may not.
#[test]
fn of_each_host_what_has_begun_stays() {
    let run = run(&[("a/1@h1", applied()), ("a/2@h1", applied()), ("a/1@h2", applied())]);
    assert_eq!(edit(&run, |plan| line(plan, 3, "other")), Edit::Tail);
    assert_eq!(edit(&run, |plan| line(plan, 2, "other")), changed("a/2@h1"));
    assert_eq!(edit(&run, |plan| line(plan, 1, "other")), changed("a/1@h1"));
    assert_eq!(edit(&run, |plan| plan.steps.truncate(1)), Edit::Tail);
    let gone = edit(&run, |plan| plan.steps[0].units.retain(|unit| !unit.id.0.starts_with("a/3")));
    assert_eq!(gone, Edit::Tail);
}

#[test]
fn what_failed_without_effect_may_be_edited_and_nothing_else_that_was_tried() {
    for (outcome, may) in [
        (Outcome::Failed(trouble("no such table")), true),
        (applied(), false),
        (Outcome::NoEffect(windlass_journal::Report::default()), false),
        (Outcome::FailedPartly(trouble("half")), false),
        (Outcome::Unknown(trouble("nobody knows")), false),
    ] {
        let run = run(&[("a/1@h1", applied()), ("a/2@h1", outcome.clone())]);
        let wanted = if may { Edit::Tail } else { changed("a/2@h1") };
        assert_eq!(edit(&run, |plan| line(plan, 2, "other")), wanted, "{outcome:?}");
    }
    let mut events = vec![Event::started(hosts(), windlass_journal::OnFailure::Stop)];
    events.push(intended("a/1@h1", Way::Forward, 1));
    assert_eq!(edit(&state(events), |plan| line(plan, 1, "other")), changed("a/1@h1"), "it is under way");
}

#[test]
fn nothing_comes_in_front_of_what_has_begun_and_nothing_of_it_goes() {
    let run = run(&[("a/1@h1", applied())]);
    let early = edit(&run, |plan| plan.steps.insert(0, step("early", vec![unit("early/1", UndoBy::Driver)])));
    assert_eq!(early, Edit::Begun(Touched::Unit { old: None, new: Some(id("early/1")) }));
    let gone = edit(&run, |plan| drop(plan.steps.remove(0)));
    assert_eq!(gone, Edit::Begun(Touched::Unit { old: Some(id("a/1@h1")), new: None }));
    let late = edit(&run, |plan| plan.steps.insert(1, step("late", vec![unit("late/1", UndoBy::Driver)])));
    assert_eq!(late, Edit::Tail);
}

#[test]
fn what_surrounds_what_has_begun_stays() {
    let begun = run(&[("a/1@h1", applied())]);
    let fresh = run(&[("a/1@h1", Outcome::Failed(trouble("no")))]);
    let dir = |plan: &mut Plan| {
        let Some(Target::Hosts { dir, .. }) = plan.targets.get_mut("web") else { unreachable!() };
        *dir = Some("/elsewhere".into());
    };
    let undo = |plan: &mut Plan| plan.steps[0].undo = plan.steps[3].undo.clone();
    let after = |plan: &mut Plan| plan.steps[0].after_ms = Some(1);
    let from = |plan: &mut Plan| plan.release = Release { from: Some("1".into()), ..plan.release.clone() };
    let a = || StepId("a".into());
    for (change, touched) in [
        (&dir as &dyn Fn(&mut Plan), Touched::Target("web".into())),
        (&undo, Touched::Undo(a())),
        (&after, Touched::Step(a(), "after")),
        (&from, Touched::Header("from")),
    ] {
        assert_eq!(edit(&begun, change), Edit::Begun(touched));
        assert_eq!(edit(&fresh, change), Edit::Tail, "nothing has begun");
    }
    let longer =
        edit(&begun, |plan| plan.steps[0].units.iter_mut().for_each(|unit| unit.timeout_ms = Some(9)));
    assert_eq!(longer, Edit::Tail, "how long a try may take says nothing of one that is over");
}

#[test]
fn a_run_that_goes_back_or_is_over_has_no_tail() {
    let mut events = vec![Event::started(hosts(), windlass_journal::OnFailure::Stop)];
    events.push(Event::Turned { to: Direction::Unwind, why: "so".into(), unit: None });
    let back = state(events);
    assert_eq!(edit(&back, |plan| line(plan, 3, "other")), Edit::Begun(Touched::Way));
}
