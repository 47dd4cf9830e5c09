use super::{
    clock, disk,
    disk::Folder,
    question::{self, Answers, Question},
    sudo, things,
};
use std::time::Duration;
use windlass_plan::{Checked, Needed, Needs, Place, State, Thing, Written};

fn needs(things: Vec<Thing>) -> Needs {
    let needed = |thing| Needed { thing, line: 7, missing: State::Error, maker: None, back: false };
    Needs {
        host: "b".to_owned(),
        target: "app".to_owned(),
        certain: true,
        lines: true,
        sudo: Some(9),
        things: things.into_iter().map(needed).collect(),
        written: vec![],
    }
}

fn program(name: &str) -> Thing {
    Thing::Program { name: name.to_owned(), by_sudo: false }
}

fn written(place: Place) -> Folder {
    Folder::Written(Written { place, maker: None })
}

fn states(checked: &[Checked]) -> Vec<(State, &str)> {
    checked.iter().map(|one| (one.state, one.said.as_str())).collect()
}

#[test]
fn a_clock_is_judged_by_what_can_be_known() {
    let skew = |theirs, before, behind| {
        let answers = Answers { clock: Some((theirs, before, behind)), ..Answers::default() };
        clock::judge(&needs(vec![]), &answers).unwrap()
    };
    assert_eq!(skew(1000, 1000.5, 1000.9).state, State::Ok);
    assert_eq!(skew(1029, 1000.0, 1000.1).state, State::Ok);
    let ahead = skew(1100, 1000.0, 1000.1);
    assert_eq!((ahead.state, ahead.said.as_str()), (State::Warning, "100 s ahead of this machine"));
    assert_eq!(skew(900, 1000.0, 1000.1).said, "99 s behind this machine");
    assert_eq!(skew(1050, 1000.0, 1060.0).state, State::Ok, "the answer took a minute");
    assert_eq!(clock::judge(&needs(vec![]), &Answers::default()).unwrap().state, State::Unknown);
}

#[test]
fn disks_are_full_low_or_fine() {
    let of = |folder: Folder, said: &str| {
        let questions = [Question::Disk(folder)];
        let checked = disk::judge(&needs(vec![]), &questions, &Answers::heard(&[("disk", said)]));
        (checked[0].state, checked[0].said.clone())
    };
    let full = of(written(Place::Work("x".to_owned())), "0 12 900 /srv/a b");
    assert_eq!(full, (State::Error, "/srv/a b (working folder): the disk is full: 12.0 KiB left".to_owned()));
    assert_eq!(of(Folder::State, "0 99999999 3 /").0, State::Error, "no inode is left");
    assert_eq!(of(Folder::State, "0 99999999 3000 /").0, State::Warning);
    assert_eq!(
        of(Folder::State, "0 2048 - /").0,
        State::Warning,
        "some file systems have no number of inodes"
    );
    assert_eq!(of(Folder::State, "0 1000000 90000 /").0, State::Ok);
    assert_eq!(of(written(Place::Images), "0 1000000 90000 /").0, State::Warning, "images are large");
    assert_eq!(of(Folder::State, "0 - - /").0, State::Unknown);
    let freed = Written { place: Place::Images, maker: Some("line 4".to_owned()) };
    let freed = of(Folder::Written(freed), "0 12 900 /var/lib/docker");
    assert_eq!(freed.0, State::Warning);
    assert!(freed.1.ends_with("12.0 KiB left; line 4 may make room"), "{}", freed.1);
}

#[test]
fn sudo_that_asks_is_an_error() {
    let judge = |said: &[(&str, &str)]| sudo::judge(&needs(vec![]), &[Question::Sudo], &Answers::heard(said));
    assert_eq!(judge(&[("there", "0")]).unwrap().state, State::Ok);
    let asks = judge(&[("unseen", "0")]).unwrap();
    assert_eq!(asks.state, State::Error);
    assert!(asks.said.contains("line 9 needs it, and it asks for a password"), "{}", asks.said);
    assert_eq!(judge(&[]).unwrap().state, State::Unknown);
}

/// The script itself, on this machine.
#[tokio::test]
async fn this_machine_says_what_is_there() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("file"), "").unwrap();
    let path = |path: &str, runs| Thing::Path { path: path.to_owned(), runs, by_sudo: false };
    let needs = needs(vec![
        program("cd"),
        program("windlass-no-such"),
        path("/bin/sh", true),
        path("file", false),
        path("file", true),
        path("no/such", false),
        program("["),
    ]);
    let mut questions: Vec<Question> = (0..needs.things.len()).map(Question::Thing).collect();
    questions.push(Question::Disk(written(Place::Work(String::new()))));
    let base = folder.path().to_string_lossy().into_owned();
    let answers = question::here(&base, (&needs, &questions), Duration::from_secs(60)).await;
    assert_eq!(answers.cut, None);
    let checked = things::judge(&needs, &questions, &answers);
    assert_eq!(
        states(&checked),
        [
            (State::Error, "line 7 needs windlass-no-such, which is not in the PATH there"),
            (State::Error, "line 7 needs file, which is not there, or cannot be run"),
            (State::Error, "line 7 needs no/such, which is not there"),
            (State::Ok, "4 programs and files of the lines there"),
        ]
    );
    let space = disk::judge(&needs, &questions, &answers);
    let free = crate::disk::free_bytes(folder.path()).unwrap() / 1024;
    let seen = answers.by.values().find_map(|answer| match answer {
        question::Answer::Disk(kib, ..) => *kib,
        _ => None,
    });
    assert!(seen.is_some_and(|kib| kib.abs_diff(free) <= free / 2), "{seen:?} and {free}");
    assert!(space.iter().all(|one| one.state != State::Unknown), "{space:?}");
    assert!(answers.clock.is_some_and(|(theirs, before, _)| (theirs as f64 - before).abs() < 60.0));
}

#[tokio::test]
async fn what_takes_too_long_is_not_known() {
    let needs = needs(vec![program("cd")]);
    let questions = [Question::Thing(0)];
    let answers = question::here("/", (&needs, &questions), Duration::ZERO).await;
    let checked = things::judge(&needs, &questions, &answers);
    assert_eq!(states(&checked), [(State::Unknown, "not known of 1 program or file: no answer within 0 s")]);
}

/// What was said before a program that hangs is known, and the program does not stay.
#[tokio::test]
async fn what_hangs_keeps_only_its_own_answer_back() {
    use rustix::fs::{CWD, FileType, Mode, OFlags, mknodat, open};
    let folder = tempfile::tempdir().unwrap();
    let fifo = folder.path().join("never");
    mknodat(CWD, &fifo, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    // `cat` hangs until somebody writes to it.
    let text = format!("echo there 0\ncat {}\necho there 1\n", fifo.display());
    let (tell, mut heard) = tokio::sync::mpsc::unbounded_channel();
    let run = question::shell(&text, move |word, rest| tell.send(format!("{word} {rest}")).unwrap());
    tokio::select! {
        line = heard.recv() => assert_eq!(line.as_deref(), Some("there 0")),
        end = run => panic!("it ended: {end:?}"),
    }
    let no_reader = || open(&fifo, OFlags::WRONLY | OFlags::NONBLOCK, Mode::empty()).is_err();
    crate::testing::wait_until("the end of cat", no_reader);
}
