//! Notices: a receiver that hangs or refuses changes nothing of a run, and what became of each notice stands in `show`.

use crate::{
    sealed::{CONFIG, Project, Said, failing, gated, wait_for},
    terminal::Terminal,
};
use serde_json::Value;
use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

/// How a receiver behaves.
#[derive(Clone, Copy)]
enum As {
    Good,
    Refusing,
    Hanging,
}

/// A receiver on a port of its own, and the bodies that it was sent.
struct Receiver {
    port: u16,
    bodies: Arc<Mutex<Vec<Value>>>,
}

impl Receiver {
    fn start(behaves: As) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let bodies = Arc::new(Mutex::new(Vec::new()));
        let seen = bodies.clone();
        std::thread::spawn(move || {
            let mut held = Vec::new();
            for stream in listener.incoming().flatten() {
                match behaves {
                    // It stays open without a word.
                    As::Hanging => held.push(stream),
                    As::Good => answer(&stream, r#"{"errcode":0,"errmsg":"ok"}"#, &seen),
                    As::Refusing => answer(&stream, r#"{"errcode":310000,"errmsg":"sign not match"}"#, &seen),
                }
            }
        });
        Self { port, bodies }
    }

    fn bodies(&self) -> Vec<Value> {
        self.bodies.lock().unwrap().clone()
    }

    /// `[notice.NAME]`, with an address in a file.
    fn table(&self, project: &Project, name: &str, kind: &str) -> String {
        project.write(&format!("{name}.url"), format!("http://127.0.0.1:{}/x?token={TOKEN}", self.port));
        format!("[notice.{name}]\nkind = \"{kind}\"\nurl = {{ file = \"{name}.url\" }}\nlang = \"zh\"\n")
    }
}

const TOKEN: &str = "token-that-nobody-may-see";

fn answer(stream: &TcpStream, body: &str, seen: &Mutex<Vec<Value>>) {
    let mut lines = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        lines.read_line(&mut line).unwrap();
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if line.trim().is_empty() {
            break;
        }
    }
    let mut asked = vec![0; length];
    lines.read_exact(&mut asked).unwrap();
    seen.lock().unwrap().push(serde_json::from_slice(&asked).unwrap());
    let mut out = stream;
    write!(out, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
        .unwrap();
}

fn told(project: &Project, tables: &[String]) {
    project.write("windlass.toml", format!("{CONFIG}\n{}", tables.join("\n")));
}

/// `on name outcome` of each notice, sorted.
fn notices(project: &Project) -> Vec<String> {
    let shown = project.run(&["show", "--json"]).code(0).json();
    let word = |sent: &Value, key: &str| sent[key].as_str().unwrap().to_owned();
    let sent = shown["notices"].as_array().unwrap().iter();
    let mut all: Vec<_> =
        sent.map(|sent| ["on", "name", "outcome"].map(|key| word(sent, key)).join(" ")).collect();
    all.sort();
    all
}

fn no_token(project: &Project, said: &[&Said]) {
    for said in said {
        assert!(!said.stdout.contains(TOKEN) && !said.stderr.contains(TOKEN), "{said:?}");
    }
    for file in project.state_files() {
        let bytes = std::fs::read(&file).unwrap();
        let found = bytes.windows(TOKEN.len()).any(|part| part == TOKEN.as_bytes());
        assert!(!found, "the token stands in {}", file.display());
    }
}

#[test]
fn a_receiver_that_hangs_or_refuses_changes_neither_time_nor_exit_code_and_stands_in_show() {
    let (good, refusing, hanging) =
        (Receiver::start(As::Good), Receiver::start(As::Refusing), Receiver::start(As::Hanging));
    for (release, code, ending, result) in
        [(crate::sealed::RELEASE.to_owned(), 0, "done", "done"), (failing(), 1, "failed", "failed-undone")]
    {
        let plain = Project::new(&release);
        let begun = Instant::now();
        plain.run(&["apply", "release.md", "--yes"]).code(code);
        let alone = begun.elapsed();

        let project = Project::new(&release);
        told(
            &project,
            &[
                good.table(&project, "good", "webhook"),
                refusing.table(&project, "refusing", "dingtalk"),
                hanging.table(&project, "hanging", "wecom"),
            ],
        );
        let begun = Instant::now();
        let said = project.run(&["apply", "release.md", "--yes"]).code(code);
        let (took, waits) = (begun.elapsed(), Duration::from_secs(4));
        // Tries of the one that hangs would take 17 seconds; what is above the wait at the end is the noise of the machine.
        assert!(took < alone * 2 + waits + Duration::from_secs(3), "{took:?}, without notices {alone:?}");

        let expected = [
            "before good delivered".to_owned(),
            "before hanging unsent".to_owned(),
            "before refusing refused".to_owned(),
            format!("{ending} good delivered"),
            format!("{ending} hanging unsent"),
            format!("{ending} refusing refused"),
        ];
        assert_eq!(notices(&project), expected);
        let shown = project.run(&["show"]).code(0);
        for words in ["refusing (dingtalk) refused: code 310000: sign not match", "good (webhook) delivered"]
        {
            assert!(shown.stdout.contains(words), "{}", shown.stdout);
        }
        assert!(said.stderr.contains("to refusing (dingtalk) was refused: code 310000"), "{}", said.stderr);
        assert!(said.stderr.contains("to hanging (wecom) was not sent"), "{}", said.stderr);
        no_token(&project, &[&said, &shown]);

        let bodies = good.bodies();
        let [.., before, after] = &bodies[..] else { panic!("{bodies:?}") };
        assert_eq!((&before["event"], &before["result"]), (&"before".into(), &"starts".into()));
        assert_eq!((&after["event"], &after["result"]), (&ending.into(), &result.into()));
        assert_eq!((&after["release"], &after["document"]), (&"2.1.0".into(), &"release.md".into()));
        assert!(before["title"].as_str().unwrap().starts_with("Windlass：发布 2.1.0"), "{before}");
        let failed: &[Value] = if code == 0 { &[] } else { &["verify/1".into()] };
        assert_eq!(after["failed"].as_array().unwrap(), failed);
        let text = format!("{bodies:?}");
        assert!(!text.contains("SELECT") && !text.contains("spec-v1"), "no statement leaves: {text}");
    }
}

#[test]
fn a_gate_that_waits_is_told_once_and_so_is_how_it_went_on() {
    let good = Receiver::start(As::Good);
    let project = Project::new(&gated());
    told(&project, &[good.table(&project, "team", "webhook")]);
    let plan = project.run(&["plan", "release.md"]).code(0);
    assert!(plan.stdout.contains("team (webhook): before, done, failed, waiting"), "{}", plan.stdout);
    assert!(!plan.stdout.contains(TOKEN), "{}", plan.stdout);
    let said = project.run(&["apply", "release.md", "--yes"]).code(3);
    let bodies = good.bodies();
    let waiting = bodies.last().unwrap();
    assert_eq!((&waiting["event"], &waiting["waits_for"]), (&"waiting".into(), &"gate-1/1".into()));
    let next = format!("{}", waiting["next"]);
    assert!(next.contains("windlass status") && next.contains("windlass confirm gate-1 --run"), "{next}");
    let confirmed = project.run(&["confirm", "gate-1", "--note", "ok"]).code(0);
    let results: Vec<_> =
        good.bodies().iter().map(|body| body["result"].as_str().unwrap().to_owned()).collect();
    assert_eq!(results, ["starts", "waits-for-confirmation", "goes-on", "done"]);
    let back = project.run(&["rollback", "--yes", "--reason", "try"]).code(0);
    let last: Vec<_> =
        good.bodies()[4..].iter().map(|body| (body["event"].clone(), body["result"].clone())).collect();
    assert_eq!(last, [("before".into(), "rollback".into()), ("done".into(), "undone".into())]);
    no_token(&project, &[&said, &confirmed, &back]);
}

#[test]
fn a_test_is_sent_by_hand_and_its_exit_code_says_whether_it_arrived() {
    let (good, refusing) = (Receiver::start(As::Good), Receiver::start(As::Refusing));
    let project = Project::new(crate::sealed::RELEASE);
    project.run(&["notices", "test"]).code(2).says(&["nobody is told about releases"]);
    told(
        &project,
        &[good.table(&project, "good", "webhook"), refusing.table(&project, "refusing", "feishu")],
    );
    project.run(&["notices", "test", "good"]).code(0).says(&["good (webhook) has the notice"]);
    wait_for("the test arrives", || !good.bodies().is_empty());
    assert_eq!(good.bodies()[0]["event"], "test");
    let said = project.run(&["notices", "test", "--json"]).code(4);
    assert_eq!(said.json()[1]["why"], "code 310000: sign not match");
    no_token(&project, &[&said]);
    said.says(&["1 of 2 notices did not arrive"]);
    project.run(&["notices", "test", "nobody"]).code(2).says(&["receivers: good, refusing"]);
}

/// Who is asked on the terminal and leaves has been told of by then; who only hears of failures is told when it stays so.
#[test]
fn a_question_that_nobody_answers_is_told_once() {
    let asked = "later (l)?";
    let chosen = "stop here (s)?";
    for (release, question, typed, code, expected) in [
        (gated(), asked, "\u{3}", 130, &["before team delivered", "waiting team delivered"][..]),
        (gated(), asked, "l\n", 3, &["before team delivered", "waiting team delivered"]),
        (
            failing(),
            chosen,
            "s\n",
            3,
            &["before team delivered", "waiting failed delivered", "waiting team delivered"],
        ),
    ] {
        let good = Receiver::start(As::Good);
        let project = Project::new(&release);
        let failed = format!("{}on = [\"failed\"]\n", good.table(&project, "failed", "webhook"));
        told(&project, &[good.table(&project, "team", "webhook"), failed]);
        let args = ["apply", "release.md", "--yes", "--on-failure=ask"];
        let mut terminal = Terminal::start(&project, &args, true);
        let (ended, text) = terminal.answer(question, typed).end();
        assert_eq!(ended, Some(code), "{text}");
        assert_eq!(notices(&project), expected, "{question} {typed:?}");
    }
}

/// An answer that brings up another question about the same unit has that told too.
#[test]
fn what_comes_of_an_answer_is_told_also_where_it_is_about_the_same_unit() {
    let partly = "---\nrelease: 2.1.0\n---\n# 2.1.0\n\n```sh {#mark on=app irreversible}\necho x > marker.txt\nfalse\n```\n";
    let (asked, chosen) = ("later (l)?", "stop here (s)?");
    let before = "before team delivered";
    let (failed, waiting) = ("waiting failed delivered", "waiting team delivered");
    for (release, on_failure, answers, expected) in [
        (gated(), "--on-failure=stop", &[(asked, "n\n")][..], &[before, failed, waiting, waiting][..]),
        (
            gated(),
            "--on-failure=ask",
            &[(asked, "n\n"), (chosen, "s\n")],
            &[before, failed, waiting, waiting],
        ),
        // It is about the way back now.
        (partly.to_owned(), "--on-failure=ask", &[(chosen, "b\n")], &[before, failed, waiting, waiting]),
    ] {
        let good = Receiver::start(As::Good);
        let project = Project::new(&release);
        let failed = format!("{}on = [\"failed\"]\n", good.table(&project, "failed", "webhook"));
        told(&project, &[good.table(&project, "team", "webhook"), failed]);
        let mut terminal = Terminal::start(&project, &["apply", "release.md", "--yes", on_failure], true);
        for (question, typed) in answers {
            terminal.answer(question, typed);
        }
        let (ended, text) = terminal.end();
        assert_eq!(ended, Some(3), "{text}");
        assert_eq!(notices(&project), expected, "{on_failure} {answers:?}");
    }
}

#[test]
fn a_record_lists_who_was_told() {
    let (good, refusing) = (Receiver::start(As::Good), Receiver::start(As::Refusing));
    let project = Project::new(crate::sealed::RELEASE);
    told(&project, &[good.table(&project, "team", "webhook"), refusing.table(&project, "ops", "dingtalk")]);
    project.run(&["apply", "release.md", "--yes"]).code(0);
    let record = project.run(&["record"]).code(0);
    for row in ["## Notices", "| team (webhook) | done | delivered |", "| ops (dingtalk) | done | refused |"]
    {
        assert!(record.stdout.contains(row), "no {row:?} in:\n{}", record.stdout);
    }
    assert!(record.stdout.contains("code 310000: sign not match"), "{}", record.stdout);
    let chinese = project.run(&["record", "--lang", "zh"]).code(0);
    assert!(chinese.stdout.contains("| team (webhook) | done | 已送达 |"), "{}", chinese.stdout);
    let json = project.run(&["record", "--format", "json"]).code(0).json();
    assert_eq!(json["notices"].as_array().unwrap().len(), 4, "{json}");
    no_token(&project, &[&record]);
}
