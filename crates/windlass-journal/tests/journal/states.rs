//! The fold: what each event makes of a run, and what cannot follow.

use crate::support::{applied, id, intended, settled, started, trouble, unlinked};
use windlass_journal::{
    Direction, Ending, Entry, Event, FoldError, Forward, Outcome, Report, RunState, Trouble, UndoPhase, Verb,
    fold, link,
};
use windlass_plan::Way;

const F: Way = Way::Forward;
const U: Way = Way::Undo;

fn entry(seq: u64, event: Event) -> Entry {
    link(seq, 1, "", unlinked("r", event)).0
}

/// A run that began and met these events.
fn run(events: Vec<Event>) -> Result<RunState, FoldError> {
    let all = std::iter::once(started()).chain(events);
    let entries: Vec<Entry> = all.zip(1..).map(|(event, seq)| entry(seq, event)).collect();
    Ok(fold(&entries)?.unwrap())
}

fn ok(events: Vec<Event>) -> RunState {
    run(events).unwrap()
}

fn decided(verb: Verb, unit: Option<&str>) -> Event {
    Event::Decided { verb, unit: unit.map(id), reason: "because".into() }
}

fn turned(to: Direction) -> Event {
    Event::Turned { to, why: "because".into(), unit: Some(id("a/1")) }
}

fn did(unit: &str, way: Way, outcome: Outcome) -> Vec<Event> {
    vec![intended(unit, way, 1), settled(unit, way, 1, outcome)]
}

fn unknown() -> Outcome {
    Outcome::Unknown(trouble("nobody knows"))
}

fn partly() -> Outcome {
    Outcome::FailedPartly(trouble("half"))
}

fn failed() -> Outcome {
    Outcome::Failed(trouble("no"))
}

fn interrupted() -> Outcome {
    Outcome::Failed(Trouble { interrupted: true, ..trouble("died") })
}

#[test]
fn what_cannot_follow_is_refused_with_its_position_and_changes_nothing() {
    let wrong: Vec<(&str, Vec<Event>)> = vec![
        ("started twice", vec![started()]),
        ("an unknown unit", vec![intended("x/9", F, 1)]),
        ("a try that skips a number", vec![intended("a/1", F, 2)]),
        ("a second try beside the first", vec![intended("a/1", F, 1), intended("a/1", F, 2)]),
        ("settled without intent", vec![settled("a/1", F, 1, applied())]),
        ("another try settled", vec![intended("a/1", F, 1), settled("a/1", F, 2, applied())]),
        ("the other way settled", vec![intended("a/1", F, 1), settled("a/1", U, 1, applied())]),
        ("settled twice", [did("a/1", F, applied()), vec![settled("a/1", F, 1, applied())]].concat()),
        ("applied twice", [did("a/1", F, applied()), vec![intended("a/1", F, 2)]].concat()),
        ("undone before it was applied", vec![intended("a/1", U, 1)]),
        ("undone after no effect", [did("a/1", F, failed()), vec![intended("a/1", U, 1)]].concat()),
        (
            "undone twice",
            [did("a/1", F, applied()), did("a/1", U, applied()), vec![intended("a/1", U, 2)]].concat(),
        ),
        ("tried while a person is needed", vec![turned(Direction::Person), intended("a/1", F, 1)]),
        ("tried after the end", vec![Event::Ended { ending: Ending::Done }, intended("a/1", F, 1)]),
        (
            "a partial failure tried again on its own",
            [did("a/1", F, partly()), vec![intended("a/1", F, 2)]].concat(),
        ),
        ("decided about nothing", vec![decided(Verb::Retry, None)]),
        ("decided about a stranger", vec![decided(Verb::Skip, Some("x/9"))]),
        ("a stranger confirmed", vec![Event::Confirmed { unit: id("x/9"), note: String::new() }]),
    ];
    for (name, events) in wrong {
        let seq = events.len() as u64 + 1;
        let error = run(events.clone()).expect_err(name);
        assert_eq!(error.seq, seq, "{name}: {error}");
        assert!(run(events[..events.len() - 1].to_vec()).is_ok(), "{name}: only the last is wrong");
    }
}

#[test]
fn the_first_entry_starts_the_run_and_others_belong_to_it() {
    assert!(RunState::begin(&entry(1, intended("a/1", F, 1))).is_err());
    assert!(fold([]).unwrap().is_none());
    let mut state = ok(Vec::new());
    let stranger = link(2, 1, "", unlinked("other", intended("a/1", F, 1))).0;
    assert_eq!(state.apply(&stranger).unwrap_err().seq, 2);
    assert_eq!(state.seq, 1);
}

#[test]
fn each_outcome_of_a_try_and_whether_the_world_may_hold_it() {
    let cases = [
        (applied(), Forward::Applied, true),
        (Outcome::NoEffect(Report::default()), Forward::Unchanged, false),
        (failed(), Forward::Failed(trouble("no")), false),
        (partly(), Forward::FailedPartly(trouble("half")), true),
        (unknown(), Forward::Unknown(trouble("nobody knows")), false),
        (interrupted(), Forward::Waiting, false),
    ];
    for (outcome, forward, effect) in cases {
        let state = ok(did("a/1", F, outcome.clone()));
        let unit = state.unit(&id("a/1"));
        assert_eq!(unit.forward, forward);
        assert_eq!(unit.has_effect(), effect, "{outcome:?}");
        assert_eq!(state.applied.contains(&id("a/1")), effect, "{outcome:?}");
    }
}

#[test]
fn each_outcome_of_an_undo() {
    let cases = [
        (applied(), UndoPhase::Undone),
        (Outcome::NoEffect(Report::default()), UndoPhase::Undone),
        (failed(), UndoPhase::Failed(trouble("no"))),
        (partly(), UndoPhase::FailedPartly(trouble("half"))),
        (unknown(), UndoPhase::Unknown(trouble("nobody knows"))),
        (interrupted(), UndoPhase::None),
    ];
    for (outcome, undo) in cases {
        let state =
            ok([did("a/1", F, applied()), vec![turned(Direction::Unwind)], did("a/1", U, outcome)].concat());
        assert_eq!(state.unit(&id("a/1")).undo, undo);
    }
}

#[test]
fn an_unknown_try_can_still_be_settled() {
    let state = ok([did("a/1", F, unknown()), vec![settled("a/1", F, 1, applied())]].concat());
    assert_eq!(state.unit(&id("a/1")).forward, Forward::Applied);
    assert_eq!(state.applied, [id("a/1")]);
}

#[test]
fn tries_are_counted_until_somebody_decides_or_the_run_turns_and_interrupted_ones_are_not() {
    let retry = || Outcome::Failed(Trouble { retry: true, ..trouble("busy") });
    let twice = [
        did("a/1", F, retry()),
        vec![intended("a/1", F, 2), settled("a/1", F, 2, retry())],
        vec![intended("a/1", F, 3), settled("a/1", F, 3, interrupted())],
    ]
    .concat();
    let unit = |events| ok(events).unit(&id("a/1"));
    assert_eq!((unit(twice.clone()).tries, unit(twice.clone()).attempt), (2, 3));
    for reset in [decided(Verb::Retry, Some("a/1")), turned(Direction::Unwind)] {
        let after = unit([twice.clone(), vec![reset]].concat());
        assert_eq!((after.tries, after.attempt), (0, 3), "numbers go on, limits begin anew");
    }
}

#[test]
fn a_capsule_is_kept_while_something_may_be_there_and_forgotten_after_a_clean_failure() {
    let capsule = |events| ok(events).unit(&id("a/1")).capsule;
    let first = Some(serde_json::json!({ "try": 1 }));
    assert_eq!(capsule(did("a/1", F, applied())), first);
    assert_eq!(capsule(did("a/1", F, unknown())), first);
    assert_eq!(
        capsule(did("a/1", F, failed())),
        None,
        "a unit marked done after this has nothing to be undone from"
    );
    assert_eq!(capsule(did("a/1", F, interrupted())), None);
    let touched = [did("a/1", F, partly()), vec![decided(Verb::Retry, Some("a/1"))]].concat();
    let state = ok(touched.clone());
    assert!(state.unit(&id("a/1")).touched);
    let again = vec![intended("a/1", F, 2), settled("a/1", F, 2, failed())];
    let unit = ok([touched, again].concat()).unit(&id("a/1"));
    assert!(matches!(unit.forward, Forward::FailedPartly(_)), "the first try's part is still there");
    assert!(unit.capsule.is_some());
}

#[test]
fn nothing_to_do_after_an_unknown_try_counts_as_applied() {
    let retried = [did("a/1", F, unknown()), vec![decided(Verb::Retry, Some("a/1"))]].concat();
    let nothing = vec![intended("a/1", F, 2), settled("a/1", F, 2, Outcome::NoEffect(Report::default()))];
    let state = ok([retried, nothing].concat());
    assert_eq!(state.unit(&id("a/1")).forward, Forward::Applied);
    assert_eq!(state.applied, [id("a/1")]);
}

#[test]
fn verbs_on_the_way_forward() {
    let after = |outcome: Outcome, verb| {
        ok([did("a/1", F, outcome), vec![turned(Direction::Person), decided(verb, Some("a/1"))]].concat())
    };
    let state = after(failed(), Verb::MarkDone);
    assert_eq!(state.unit(&id("a/1")).forward, Forward::Applied);
    assert!(state.unit(&id("a/1")).by_hand && state.person.is_none() && state.applied == [id("a/1")]);
    assert_eq!(after(failed(), Verb::Retry).unit(&id("a/1")).forward, Forward::Waiting);
    let skipped = after(failed(), Verb::Skip).unit(&id("a/1"));
    assert_eq!((skipped.forward.clone(), skipped.has_effect()), (Forward::Skipped, false));
    assert!(after(partly(), Verb::Skip).unit(&id("a/1")).has_effect(), "a part of it is there");
}

#[test]
fn a_retry_that_was_not_tried_may_have_left_something() {
    let waiting = ok([did("a/1", F, unknown()), vec![decided(Verb::Retry, Some("a/1"))]].concat());
    assert_eq!(waiting.unit(&id("a/1")).forward, Forward::Waiting);
    assert!(waiting.unit(&id("a/1")).has_effect());
}

#[test]
fn verbs_on_the_way_back_about_an_unknown_unit_say_what_of_it_is_there() {
    let after = |verb| {
        let events =
            [did("a/1", F, unknown()), vec![turned(Direction::Unwind), turned(Direction::Person)]].concat();
        ok([events, vec![decided(verb, Some("a/1"))]].concat()).unit(&id("a/1"))
    };
    let done = after(Verb::MarkDone);
    assert!(done.has_effect() && done.undo == UndoPhase::None && done.capsule.is_some());
    let nothing = after(Verb::Retry);
    assert!(!nothing.has_effect() && nothing.capsule.is_none());
    assert_eq!(after(Verb::Skip).undo, UndoPhase::Left);
}

#[test]
fn verbs_on_the_way_back_about_an_undo() {
    let after = |verb| {
        let back =
            [did("a/1", F, applied()), vec![turned(Direction::Unwind)], did("a/1", U, partly())].concat();
        let events = [back, vec![turned(Direction::Person), decided(verb, Some("a/1"))]].concat();
        ok(events).unit(&id("a/1")).undo
    };
    assert_eq!(after(Verb::Retry), UndoPhase::None);
    assert_eq!(after(Verb::MarkDone), UndoPhase::Undone);
    assert_eq!(after(Verb::Skip), UndoPhase::Left);
}

#[test]
fn a_hand_written_undo_goes_forward_while_the_run_goes_back() {
    let back =
        [did("s/1", F, applied()), vec![turned(Direction::Unwind)], did("s-undo/1", F, failed())].concat();
    let after = |verb| {
        ok([back.clone(), vec![decided(verb, Some("s-undo/1"))]].concat()).unit(&id("s-undo/1")).forward
    };
    assert_eq!(after(Verb::Retry), Forward::Waiting);
    assert_eq!(after(Verb::MarkDone), Forward::Applied);
    assert_eq!(after(Verb::Skip), Forward::Skipped);
}

#[test]
fn a_confirmed_gate_is_passed_and_a_confirmed_step_is_only_remembered() {
    let state = ok(vec![
        Event::Confirmed { unit: id("g/1"), note: "seen".into() },
        Event::Confirmed { unit: id("a/1"), note: String::new() },
    ]);
    assert_eq!(state.unit(&id("g/1")).forward, Forward::Applied);
    assert_eq!(state.unit(&id("g/1")).confirmed.as_deref(), Some("op@host: seen"));
    assert_eq!(state.unit(&id("a/1")).forward, Forward::Waiting);
    assert_eq!(state.unit(&id("a/1")).confirmed.as_deref(), Some("op@host"));
}

#[test]
fn a_turn_reopens_an_ended_run_and_person_keeps_the_direction() {
    let state =
        ok(vec![Event::Ended { ending: Ending::Done }, turned(Direction::Unwind), turned(Direction::Person)]);
    assert_eq!((state.ending, state.direction), (None, Direction::Unwind));
    assert_eq!(state.person.unwrap().why, "because");
    assert_eq!(state.turns.len(), 2);
    let left = ok(vec![turned(Direction::Person), decided(Verb::Abandon, None)]);
    assert!(left.person.is_none());
}
