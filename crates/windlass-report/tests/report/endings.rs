//! What is said when a run has ended or waits: each unit in the list where it belongs, the time that was worked, each
//! cause once.

use crate::{record, story::*};
use serde_json::json;
use windlass_journal::{Direction, Ending, Event, Outcome, RunState, Trouble, Verb};
use windlass_plan::{UnitId, Way};
use windlass_report::{
    Count, Hold, Stand, StatusJson, ending_text, holds_text, progress, run_text, status_json, status_text,
    why_in_short,
};

const F: Way = Way::Forward;
const U: Way = Way::Undo;

fn confirmed(journal: &mut Journal) -> &mut Journal {
    journal.add(Event::Confirmed { unit: UnitId("gate-1/1".into()), note: String::new() })
}

/// Done in 12 s of work; then nobody touched it for a week.
fn done_long_ago() -> Journal {
    let mut journal = Journal::started();
    journal.tried("s3-key/1", F, applied("", json!({})));
    journal.tried("stop/1@app1", F, applied("", json!({})));
    journal.tried("stop/1@app2", F, applied("", json!({})));
    confirmed(&mut journal).add(Event::Ended { ending: Ending::Done });
    journal.idle(7 * 24 * 3_600_000);
    journal
}

fn ending(journal: &Journal, stand: &Stand) -> String {
    let text = ending_text(&journal.run(), stand, &zone()).to_string();
    fits(&text);
    text
}

fn line(text: &str, label: &str) -> String {
    text.lines().find(|line| line.starts_with(label)).unwrap_or_default().to_owned()
}

fn times(text: &str, what: &str) -> usize {
    // A message may be wrapped anywhere.
    let squeezed: String = text.split_whitespace().collect();
    squeezed.matches(&what.split_whitespace().collect::<String>()).count()
}

#[test]
fn a_rollback_of_a_done_run_did_not_fail_and_is_told_with_its_own_time() {
    let mut journal = done_long_ago();
    journal.taken().turned(Direction::Unwind, "asked for", None);
    journal.tried("start-again/1", F, applied("", json!({})));
    journal.tried("s3-key/1", U, applied("", json!({})));
    journal.add(Event::Ended { ending: Ending::Undone });
    let text = ending(&journal, &Stand::Ended(Ending::Undone));
    assert!(text.starts_with("Release 2.1.0: undone after 5.0s (run "), "{text}");
    assert!(!text.contains("failed"), "{text}");
    assert_eq!(journal.run().worked_ms, 8_000 + 1_000 + 5_000, "the week is no work");
    let record = record(&journal);
    assert!(record.contains("+08:00, 14.0s of work |"), "{record}");
}

#[test]
fn an_undo_that_needed_a_person_does_not_make_a_done_run_a_failed_one() {
    let mut journal = done_long_ago();
    journal.taken().turned(Direction::Unwind, "asked for", None);
    journal.tried("start-again/1", F, applied("", json!({})));
    journal.tried("s3-key/1", U, Outcome::Failed(trouble()));
    journal.turned(Direction::Person, "its undo failed", Some("s3-key/1"));
    let (verb, reason) = (Verb::MarkDone, "by hand".to_owned());
    journal.add(Event::Decided { verb, unit: Some(UnitId("s3-key/1".into())), reason });
    journal.add(Event::Ended { ending: Ending::Undone });
    let text = ending(&journal, &Stand::Ended(Ending::Undone));
    assert!(text.starts_with("Release 2.1.0: undone after "), "{text}");
}

#[test]
fn a_failure_that_a_person_took_back_is_still_a_failure() {
    let mut journal = Journal::started();
    journal.tried("s3-key/1", F, applied("", json!({})));
    journal.tried("stop/1@app1", F, Outcome::Failed(trouble()));
    journal.turned(Direction::Person, &trouble().message, Some("stop/1@app1"));
    journal.add(Event::Decided { verb: Verb::Unwind, unit: None, reason: "back".into() });
    journal.tried("s3-key/1", U, applied("", json!({})));
    journal.add(Event::Ended { ending: Ending::Undone });
    let text = ending(&journal, &Stand::Ended(Ending::Undone));
    assert!(text.starts_with("Release 2.1.0: failed and undone after "), "{text}");
}

#[test]
fn a_run_that_was_interrupted_and_taken_back_did_not_fail() {
    let mut journal = Journal::started();
    journal.tried("s3-key/1", F, applied("", json!({})));
    journal.taken().turned(Direction::Unwind, "changed my mind", None);
    journal.tried("s3-key/1", U, applied("", json!({})));
    journal.add(Event::Ended { ending: Ending::Undone });
    assert!(ending(&journal, &Stand::Ended(Ending::Undone)).starts_with("Release 2.1.0: undone after "));
}

#[test]
fn what_failed_partly_is_not_done() {
    let mut journal = Journal::started();
    journal.tried("s3-key/1", F, applied("", json!({})));
    journal.tried("stop/1@app1", F, Outcome::FailedPartly(trouble()));
    journal.turned(Direction::Person, &trouble().message, Some("stop/1@app1"));
    let unit = Some(UnitId("stop/1@app1".into()));
    let stand = Stand::Person { unit: unit.clone(), why: trouble().message };
    let text = ending(&journal, &stand);
    assert_eq!(line(&text, "Done"), "Done        s3-key/1");
    assert_eq!(line(&text, "In part"), "In part     stop/1@app1");
    assert_eq!(line(&text, "Not begun"), "Not begun   2 units");
    // A person leaves it out: what it changed is still there.
    journal.add(Event::Decided { verb: Verb::Skip, unit, reason: "leave it".into() });
    let text = ending(&journal, &Stand::Stopped);
    assert_eq!(line(&text, "In part"), "In part     stop/1@app1");
    assert_eq!(line(&text, "Left out"), "");
}

#[test]
fn each_unit_stands_in_one_list() {
    let mut journal = Journal::started();
    journal.tried("s3-key/1", F, Outcome::Failed(trouble()));
    journal.turned(Direction::Person, "x", Some("s3-key/1"));
    let unit = Some(UnitId("s3-key/1".into()));
    journal.add(Event::Decided { verb: Verb::Skip, unit, reason: "not here".into() });
    journal.tried("stop/1@app1", F, applied("", json!({})));
    let text = ending(&journal, &Stand::Stopped);
    assert_eq!(line(&text, "Left out"), "Left out    s3-key/1");
    assert_eq!(line(&text, "Done"), "Done        stop/1@app1");
    // On the way back a unit that is still there is not also among those that are done.
    journal.turned(Direction::Unwind, "asked for", None);
    let text = ending(&journal, &Stand::Stopped);
    assert_eq!(
        (line(&text, "Done"), line(&text, "Not undone")),
        (String::new(), "Not undone  stop/1@app1".into())
    );
}

#[test]
fn a_cause_is_told_once_where_the_page_shows_the_unit() {
    type Make = fn(Trouble) -> Outcome;
    let causes: [(&str, Make, &str); 3] = [
        ("", Outcome::Failed, "failed, nothing was changed"),
        ("its outcome is not known: ", Outcome::Unknown, "its outcome is not known"),
        ("", Outcome::FailedPartly, "failed, and may have changed something"),
    ];
    for (head, outcome, short) in causes {
        let mut journal = Journal::started();
        journal.tried("s3-key/1", F, outcome(trouble()));
        let why = format!("{head}{}", trouble().message);
        journal.turned(Direction::Person, &why, Some("s3-key/1"));
        let unit = UnitId("s3-key/1".into());
        let stand = Stand::Person { unit: Some(unit.clone()), why: why.clone() };
        let run = journal.run();
        let message = trouble().message;
        for page in [ending(&journal, &stand), run_text(&run, &stand, &zone()).to_string()] {
            assert_eq!(times(&page, &message), 1, "{page}");
            assert_eq!(times(&page, &format!("waits for a decision about s3-key/1: {short}")), 1, "{page}");
        }
        let status = status_text(&run, &stand, &zone()).to_string();
        assert_eq!(times(&status, &message), 1, "it shows no units, so it tells the cause: {status}");
        assert_eq!(why_in_short(&run, Some(&unit), &why), short);
        assert_eq!(why_in_short(&run, Some(&unit), "another reason"), "another reason");
        assert_eq!(why_in_short(&run, None, &why), why);
    }
}

#[test]
fn a_record_tells_the_cause_with_its_unit() {
    let mut journal = Journal::started();
    journal.tried("s3-key/1", F, Outcome::Failed(trouble()));
    journal.turned(Direction::Unwind, &trouble().message, Some("s3-key/1"));
    journal.add(Event::Ended { ending: Ending::Undone });
    let record = record(&journal);
    assert_eq!(times(&record, "ended with exit status 1"), 1, "{record}");
    assert!(record.contains("back because of s3-key/1: failed, nothing was changed"), "{record}");
}

/// Kept up with each entry, the count is the same as counted anew.
fn counted(journal: &Journal) {
    let (mut count, mut run) = (Count::default(), RunState::begin(&journal.0[0]).unwrap());
    assert_eq!(count.entry(&run, &journal.0[0].event), progress(&run));
    for entry in &journal.0[1..] {
        run.apply(entry).unwrap();
        assert_eq!(count.entry(&run, &entry.event), progress(&run), "{entry:?}");
    }
}

#[test]
fn what_a_hand_written_undo_takes_back_is_counted() {
    let mut journal = done_long_ago();
    assert_eq!(progress(&journal.run()), (4, 4));
    journal.taken().turned(Direction::Unwind, "asked for", None);
    assert_eq!(progress(&journal.run()), (0, 3), "the gate has nothing to take back");
    journal.tried("start-again/1", F, applied("", json!({})));
    assert_eq!(progress(&journal.run()), (2, 3), "both hosts at once");
    journal.tried("s3-key/1", U, applied("", json!({})));
    assert_eq!(progress(&journal.run()), (3, 3));
    let status = status_text(&journal.run(), &Stand::Stopped, &zone()).to_string();
    assert!(status.contains("3 of 3 units taken back, on the way back"), "{status}");
    let record = record(&journal);
    assert!(record.contains("\n3 units taken back.\n"), "{record}");
    counted(&journal);
}

#[test]
fn a_unit_that_a_person_left_in_place_is_over_too() {
    let mut journal = done_long_ago();
    journal.taken().turned(Direction::Unwind, "asked for", None);
    journal.tried("start-again/1", F, applied("", json!({})));
    journal.tried("s3-key/1", U, Outcome::Failed(trouble()));
    journal.turned(Direction::Person, "its undo failed", Some("s3-key/1"));
    assert_eq!(progress(&journal.run()), (2, 3));
    let unit = Some(UnitId("s3-key/1".into()));
    journal.add(Event::Decided { verb: Verb::Skip, unit, reason: "stays".into() });
    assert_eq!(progress(&journal.run()), (3, 3));
    counted(&journal);
    journal.add(Event::Ended { ending: Ending::Abandoned });
    let text = ending(&journal, &Stand::Ended(Ending::Abandoned));
    assert_eq!(line(&text, "Not undone"), "Not undone  s3-key/1");
    let record = record(&journal);
    assert!(record.contains("\n2 units taken back.\n"), "{record}");
}

#[test]
fn what_is_held_now_is_told_with_what_lets_it_go() {
    assert_eq!(holds_text(&[]).to_string(), "");
    let hold = Hold { service: "booking".into(), since_ms: 12_300, waiting: 4, hold_ms: 30_000 };
    let text = holds_text(std::slice::from_ref(&hold)).to_string();
    fits(&text);
    let squeezed = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(
        squeezed,
        "Held now traffic to booking since 12.3s, 4 requests waiting, each at most 30.0s and then 503; \
         `windlass proxy resume booking` lets it go"
    );
    let run = Journal::started().run();
    let json = StatusJson { holding: vec![hold], ..status_json(&run, &Stand::Stopped) };
    assert_eq!(serde_json::to_value(json).unwrap()["holding"][0]["service"], "booking");
}
