//! What each word of a person makes of each phase of a unit, both ways, as a whole table; and how time is counted.

use crate::support::*;
use windlass_journal::{
    Direction, Ending, Entry, Event, Forward, Outcome, RunState, Trouble, UndoPhase, Unlinked, Verb, link,
};
use windlass_plan::Way;

const F: Way = Way::Forward;
const U: Way = Way::Undo;

fn run(events: Vec<Event>) -> RunState {
    let all = std::iter::once(started()).chain(events);
    let entries: Vec<Entry> =
        all.zip(1..).map(|(event, seq)| link(seq, 1, "", unlinked("r", event)).0).collect();
    folded(&entries)
}

fn turned(to: Direction) -> Event {
    Event::Turned { to, why: "because".into(), unit: Some(id("a/1")) }
}

fn decided(verb: Verb) -> Event {
    Event::Decided { verb, unit: Some(id("a/1")), reason: "because".into() }
}

fn did(way: Way, outcome: Outcome) -> Vec<Event> {
    vec![intended("a/1", way, 1), settled("a/1", way, 1, outcome)]
}

/// How the unit came to its forward phase.
fn forward(phase: &str) -> Vec<Event> {
    match phase {
        "waiting" => vec![],
        "running" => vec![intended("a/1", F, 1)],
        "applied" => did(F, applied()),
        "unchanged" => did(F, Outcome::NoEffect(Default::default())),
        "failed" => did(F, Outcome::Failed(trouble("no"))),
        "partly" => did(F, Outcome::FailedPartly(trouble("half"))),
        "unknown" => did(F, Outcome::Unknown(trouble("?"))),
        other => panic!("{other}"),
    }
}

fn words(state: &RunState) -> String {
    let unit = state.unit(&id("a/1"));
    let forward = match unit.forward {
        Forward::Waiting => "waiting",
        Forward::Running => "running",
        Forward::Applied => "applied",
        Forward::Unchanged => "unchanged",
        Forward::Failed(_) => "failed",
        Forward::FailedPartly(_) => "partly",
        Forward::Unknown(_) => "unknown",
        Forward::Skipped => "skipped",
    };
    let undo = match unit.undo {
        UndoPhase::None => "",
        UndoPhase::Undone => ", undone",
        UndoPhase::Left => ", left",
        other => panic!("{other:?}"),
    };
    let effect = if unit.has_effect() { ", something is there" } else { "" };
    format!("{forward}{undo}{effect}")
}

#[test]
fn on_the_way_forward_each_word_about_each_phase() {
    let there = "something is there";
    let table = [
        ("waiting", ["waiting".to_owned(), "skipped".into(), format!("applied, {there}")]),
        ("running", ["waiting".into(), "skipped".into(), format!("applied, {there}")]),
        ("failed", ["waiting".into(), "skipped".into(), format!("applied, {there}")]),
        ("partly", [format!("waiting, {there}"), format!("skipped, {there}"), format!("applied, {there}")]),
        ("unknown", [format!("waiting, {there}"), format!("skipped, {there}"), format!("applied, {there}")]),
    ];
    for (phase, after) in table {
        for (verb, after) in [Verb::Retry, Verb::Skip, Verb::MarkDone].into_iter().zip(after) {
            let state = run([forward(phase), vec![turned(Direction::Person), decided(verb)]].concat());
            assert_eq!(words(&state), after, "{verb:?} about a unit that is {phase}");
            assert!(state.person.is_none());
            assert_eq!(state.unit(&id("a/1")).by_hand, verb == Verb::MarkDone);
            assert_eq!(state.unit(&id("a/1")).tries, 0);
            let placed = state.applied.contains(&id("a/1"));
            assert!(!state.unit(&id("a/1")).has_effect() || placed, "{verb:?}, {phase}: an unwind finds it");
        }
    }
}

/// A person is asked about a unit that is over when a budget is exceeded: they say whether the run goes on.
#[test]
fn a_word_about_a_unit_that_is_over_leaves_it_as_it_is() {
    for (phase, after) in [("applied", "applied, something is there"), ("unchanged", "unchanged")] {
        for verb in [Verb::Retry, Verb::Skip, Verb::MarkDone] {
            let state = run([forward(phase), vec![turned(Direction::Person), decided(verb)]].concat());
            assert_eq!(words(&state), after, "{verb:?} about a unit that is {phase}");
            assert!(state.person.is_none() && !state.unit(&id("a/1")).by_hand);
        }
    }
}

#[test]
fn on_the_way_back_each_word_about_each_phase() {
    let there = "something is there";
    let table = [
        ("running", ["waiting".to_owned(), "skipped, left".into(), format!("applied, {there}")]),
        ("unknown", ["waiting".into(), format!("skipped, left, {there}"), format!("applied, {there}")]),
        (
            "applied",
            [
                format!("applied, {there}"),
                format!("applied, left, {there}"),
                format!("applied, undone, {there}"),
            ],
        ),
        (
            "partly",
            [
                format!("partly, {there}"),
                format!("partly, left, {there}"),
                format!("partly, undone, {there}"),
            ],
        ),
        ("failed", ["failed".into(), "failed, left".into(), "failed, undone".into()]),
    ];
    for (phase, after) in table {
        for (verb, after) in [Verb::Retry, Verb::Skip, Verb::MarkDone].into_iter().zip(after) {
            let back = vec![turned(Direction::Unwind), turned(Direction::Person), decided(verb)];
            let state = run([forward(phase), back].concat());
            assert_eq!(words(&state), after, "{verb:?} about a unit that is {phase}");
            assert_eq!(state.direction, Direction::Unwind);
        }
    }
}

/// What the world says later about a try of which nobody knew is believed as if it had been said at once.
#[test]
fn an_answer_that_comes_late_counts_as_one_that_came_at_once() {
    let interrupted = Outcome::Failed(Trouble { interrupted: true, ..trouble("it had no effect") });
    let answers = [
        (applied(), "applied, something is there", true),
        (Outcome::Failed(trouble("refused")), "failed", false),
        (interrupted, "waiting", false),
        (Outcome::FailedPartly(trouble("half")), "partly, something is there", true),
        (Outcome::Unknown(trouble("still")), "unknown", true),
        // Found as wanted: whether by this try or before it, nobody can tell.
        (Outcome::NoEffect(Default::default()), "applied, something is there", true),
    ];
    for (answer, after, kept) in answers {
        let late = run([forward("unknown"), vec![settled("a/1", F, 1, answer.clone())]].concat());
        assert_eq!(words(&late), after, "{answer:?}");
        assert_eq!(late.unit(&id("a/1")).capsule.is_some(), kept, "{answer:?}: its capsule");
        if !matches!(answer, Outcome::NoEffect(_)) {
            assert_eq!(words(&run(did(F, answer.clone()))), after, "{answer:?} at once");
        }
    }
    // After an earlier try that left something, a late "nothing happened" does not wash that away.
    let half =
        [did(F, Outcome::FailedPartly(trouble("half"))), vec![decided(Verb::Retry), intended("a/1", F, 2)]]
            .concat();
    let late = vec![
        settled("a/1", F, 2, Outcome::Unknown(trouble("?"))),
        settled("a/1", F, 2, Outcome::Failed(trouble("no"))),
    ];
    let state = run([half, late].concat());
    assert_eq!(words(&state), "partly, something is there");
    assert!(state.unit(&id("a/1")).capsule.is_some());
}

#[test]
fn nothing_of_a_unit_is_begun_while_it_is_being_taken_back() {
    let partly = Outcome::FailedPartly(Trouble { retry: true, ..trouble("half, go on") });
    let back = [did(F, partly), vec![turned(Direction::Unwind), intended("a/1", U, 1)]].concat();
    for open in [vec![], vec![settled("a/1", U, 1, Outcome::Unknown(trouble("?")))]] {
        let mut state = run([back.clone(), open].concat());
        let next = link(state.seq + 1, 1, "", unlinked("r", intended("a/1", F, 2))).0;
        assert!(state.apply(&next).is_err(), "{:?}", state.unit(&id("a/1")).undo);
    }
    let mut state = run([back, vec![settled("a/1", U, 1, Outcome::Failed(trouble("no")))]].concat());
    let next = link(state.seq + 1, 1, "", unlinked("r", intended("a/1", F, 2))).0;
    state.apply(&next).unwrap();
}

/// A story told with its times: events and the milliseconds before each.
fn timed(events: Vec<(i64, Event)>) -> RunState {
    let mut time_ms = 1_000_000;
    let mut all = vec![(0, started())];
    all.extend(events);
    let entries = all.into_iter().zip(1..).map(|((after, event), seq)| {
        time_ms += after;
        link(seq, 1, "", Unlinked { time_ms, ..unlinked("r", event) }).0
    });
    folded(&entries.collect::<Vec<_>>())
}

fn taken() -> Event {
    Event::Taken { owner: "op".into(), from: None }
}

#[test]
fn time_of_work_leaves_out_the_time_between_controllers() {
    let ended = |ending| Event::Ended { ending };
    let state = timed(vec![
        (0, taken()),
        (100, intended("a/1", F, 1)),
        (2_000, settled("a/1", F, 1, applied())),
        (0, ended(Ending::Done)),
        (86_400_000, taken()),
        (0, turned(Direction::Unwind)),
        (10, intended("a/1", U, 1)),
        (500, settled("a/1", U, 1, applied())),
        (0, ended(Ending::Undone)),
    ]);
    assert_eq!(state.worked_ms, 2_100 + 510);
    assert_eq!(state.turns[0].worked_ms, 2_100, "what was worked before it turned");
    assert_eq!(state.last_ms - state.started_ms, 86_402_610);
}

#[test]
fn a_crash_counts_up_to_the_last_entry_and_a_clock_set_back_counts_nothing() {
    let state = timed(vec![
        (0, taken()),
        (1_000, intended("a/1", F, 1)),
        (600_000, taken()),
        (50, settled("a/1", F, 1, applied())),
    ]);
    assert_eq!(state.worked_ms, 1_050);
    let state = timed(vec![
        (0, taken()),
        (1_000, intended("a/1", F, 1)),
        (-3_600_000, settled("a/1", F, 1, applied())),
        (70, taken()),
    ]);
    assert_eq!(state.worked_ms, 1_000);
}

#[test]
fn a_refused_entry_counts_no_time_and_makes_no_unit() {
    let mut state = run(vec![]);
    let mut wrong = unlinked("r", intended("b/1", U, 1));
    wrong.time_ms += 5_000;
    state.apply(&link(2, 1, "", wrong).0).unwrap_err();
    assert_eq!((state.worked_ms, state.seq, state.units.len()), (0, 1, 0));
}
