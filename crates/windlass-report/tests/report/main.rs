//! Reports of whole runs, compared as text. The plan is written by hand: Chinese and Japanese, two hosts, a gate, a
//! hand-written undo.
#![expect(clippy::unwrap_used, reason = "helpers of tests stop the test")]

mod endings;
mod notices;
mod papers;
mod story;

use serde_json::json;
use story::{Journal, START_MS, applied, fits, plan, trouble, zone};
use windlass_journal::{Direction, Ending, Event, Outcome, Verb};
use windlass_plan::{Lang, UnitId, Way};
use windlass_report::{
    Holder, Stand, Surveyed, Surveys, ending_text, plan_short_text, plan_text, record_json, record_page,
    rollback_text, run_text, runs_text, status_json, status_text, step_json, steps_text, suggestions,
};

fn failed_and_undone() -> Journal {
    let mut journal = Journal::started();
    journal.tried("s3-key/1", Way::Forward, applied("2 行に列を追加", json!({})));
    journal.tried("stop/1@app1", Way::Forward, applied("stopped", json!({"held": 12, "hold_ms": 840})));
    journal.tried("stop/1@app2", Way::Forward, Outcome::Failed(trouble()));
    let cause = Some(UnitId("stop/1@app2".into()));
    journal.add(Event::Turned { to: Direction::Unwind, why: trouble().message, unit: cause });
    journal.tried("start-again/1", Way::Forward, applied("started", json!({"held": 3, "hold_ms": 1_500})));
    journal.tried("s3-key/1", Way::Undo, applied("restored", json!({})));
    journal.add(Event::Ended { ending: Ending::Undone });
    journal
}

/// The record as a person reads it.
fn record(journal: &Journal) -> String {
    record_page(&journal.run(), &journal.0, &[], &zone(), Lang::En).markdown(1)
}

fn surveys() -> Surveys {
    let seen = Surveyed {
        effects: vec!["テーブル record: 1,204,331 行".into()],
        problems: vec!["磁盘空间不足：需要 12 GiB，只有 3 GiB".into()],
    };
    [(UnitId("s3-key/1".into()), seen)].into()
}

#[test]
fn a_plan_in_full_and_in_short() {
    let (full, short) =
        (plan_text(&plan(), &surveys()).to_string(), plan_short_text(&plan(), &surveys()).to_string());
    fits(&full);
    fits(&short);
    insta::assert_snapshot!("plan", full);
    insta::assert_snapshot!("plan-short", short);
}

#[test]
fn steps_stand_in_columns() {
    let steps: Vec<_> = plan().steps.iter().map(step_json).collect();
    insta::assert_snapshot!(steps_text(&steps).to_string(), @r"
      step    line  driver  target    undo
      s3-key  11    sqlite  db        restore
      stop    19    shell   app       exact
      gate-1  30    gate    a person  readonly
    ");
}

#[test]
fn a_run_that_failed_and_went_back() {
    let journal = failed_and_undone();
    let run = journal.run();
    let stand = Stand::Ended(Ending::Undone);
    let (ending, shown) =
        (ending_text(&run, &stand, &zone()).to_string(), run_text(&run, &stand, &zone()).to_string());
    fits(&ending);
    fits(&shown);
    insta::assert_snapshot!("failed-ending", ending);
    insta::assert_snapshot!("failed-run", shown);
    insta::assert_snapshot!("failed-record", record(&journal));
}

#[test]
fn a_run_that_needs_a_person() {
    let mut journal = Journal::started();
    journal.tried("s3-key/1", Way::Forward, Outcome::Unknown(trouble()));
    let unit = UnitId("s3-key/1".into());
    journal.add(Event::Turned {
        to: Direction::Person, why: "不知道结果".into(), unit: Some(unit.clone())
    });
    let stand = Stand::Person { unit: Some(unit.clone()), why: "不知道结果".into() };
    let text = status_text(&journal.run(), &stand, &zone()).to_string();
    fits(&text);
    insta::assert_snapshot!("person-status", text);
    insta::assert_snapshot!("person-ending", ending_text(&journal.run(), &stand, &zone()).to_string());

    journal.add(Event::Decided {
        verb: Verb::MarkDone,
        unit: Some(unit),
        reason: "已人工确认 | 表结构正确".into(),
    });
    let record = record_json(&journal.run(), &journal.0);
    assert_eq!(
        (record.decisions[0].what.as_str(), record.decisions[0].actor.as_str()),
        ("mark-done", "alice@ops")
    );
    let markdown = self::record(&journal);
    assert!(markdown.contains(r"已人工确认 \| 表结构正确"), "a bar does not end the cell:\n{markdown}");
}

#[test]
fn where_a_run_stands_decides_what_can_be_typed() {
    let run = Journal::started().run();
    let commands = |stand: &Stand| -> Vec<String> {
        suggestions(&run, stand).into_iter().map(|next| next.command).collect()
    };
    assert_eq!(commands(&Stand::Stopped)[0], "windlass resume 20251121-024307-1a2b");
    assert_eq!(
        commands(&Stand::Gate(UnitId("gate-1/1".into())))[0],
        "windlass confirm gate-1 --run 20251121-024307-1a2b"
    );
    let unit = Some(UnitId("stop/1@app1".into()));
    let decide = commands(&Stand::Person { unit, why: String::new() });
    assert!(decide[0].starts_with("windlass decide retry stop/1@app1 ") && decide.len() == 5, "{decide:?}");
    let holder = Holder { owner: "bob@ops (process 9)".into(), since_ms: START_MS };
    let working = Stand::Working(holder);
    let json = status_json(&run, &working);
    assert_eq!((json.stand.as_str(), json.at_ms), ("working", Some(START_MS)));
    assert!(status_text(&run, &working, &zone()).to_string().contains("since 2025-11-21 10:43:07 +08:00"));
}

#[test]
fn what_a_rollback_takes_back_is_shown_newest_first() {
    let mut journal = Journal::started();
    journal.tried("s3-key/1", Way::Forward, applied("", json!({})));
    journal.tried("stop/1@app1", Way::Forward, applied("", json!({})));
    let text = rollback_text(&journal.run()).to_string();
    fits(&text);
    assert!(text.find("stop/1@app1").unwrap() < text.find("s3-key/1").unwrap(), "{text}");
    assert!(text.contains("by the hand-written #start-again"), "{text}");
}

#[test]
fn the_list_of_runs_is_aligned() {
    let runs = [failed_and_undone().run(), Journal::started().run()];
    insta::assert_snapshot!(runs_text(&runs, &zone()).to_string(), @r"
    20251121-024307-1a2b  2.1.0    undone          2025-11-21 10:43:08 +08:00  12.0s
    20251121-024307-1a2b  2.1.0    not finished    2025-11-21 10:43:08 +08:00  0ms
    ");
    assert_eq!(runs_text(&[], &zone()).to_string(), "No runs yet.\n");
}

#[test]
fn json_counts_what_was_held_and_what_is_in_place() {
    let run = failed_and_undone().run();
    let json = serde_json::to_value(status_json(&run, &Stand::Ended(Ending::Undone))).unwrap();
    assert_eq!(json["held"], json!({"requests": 15, "max_ms": 1_500, "total_ms": 2_340}));
    assert_eq!((&json["format"], &json["state"]), (&json!(1), &json!("undone")));
    let state = |id: &str| {
        let units = json["units"].as_array().unwrap();
        units.iter().find(|unit| unit["unit"] == id).unwrap().clone()
    };
    assert_eq!(state("s3-key/1")["state"], "undone");
    assert_eq!(state("s3-key/1")["in_place"], false);
    assert_eq!(state("stop/1@app2")["hints"][0], "see the log: journalctl -u biz-core");
    assert_eq!(state("start-again/1")["state"], "applied");
    assert_eq!(
        (&state("stop/1@app1")["state"], &state("stop/1@app1")["in_place"]),
        (&json!("undone"), &json!(false))
    );
}
