use super::*;
use super::{family::Family, folder::Claim};
use crate::process::ProcessId;
use crate::testing::{argument, context, controller, unit, wait_until};
use std::{
    fs,
    path::Path,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};
use windlass_driver::Effect;

fn line(script: &str, readonly: bool) -> Unit {
    let script = script.to_owned();
    unit("line/1", Action::Shell { script, dir: None, readonly, database: None })
}

/// Applies the line; with what was seen live.
async fn run(folder: &Path, script: &str, readonly: bool) -> (Result<Done, Failure>, Arc<Mutex<String>>) {
    let unit = line(script, readonly);
    let (cx, seen) = context(folder, &unit);
    (ShellDriver::default().apply(&cx, &unit, &Capsule::default()).await, seen)
}

async fn look(folder: &Path, script: &str) -> Found {
    let unit = line(script, false);
    let (cx, _) = context(folder, &unit);
    ShellDriver::default().inspect(&cx, &unit, &Capsule::default(), Way::Forward).await
}

/// What the line of the try has started.
fn family(cx: &Context) -> Family {
    let attempt = Folder::of(cx);
    let Claim::Line(line) = attempt.claim() else { panic!("it never ran") };
    Family::new(&line, attempt.path())
}

/// No process of the try stays, not even the one that watches its output.
fn assert_none_left(attempt: &Folder) {
    let path = attempt.path().to_str().unwrap();
    wait_until("the end of all processes of the try", || {
        let commands = fs::read_dir("/proc").unwrap().flatten();
        let mut commands = commands.filter_map(|entry| fs::read_to_string(entry.path().join("cmdline")).ok());
        !commands.any(|command| command.contains(path) && !command.contains("controller_process"))
    });
}

#[tokio::test]
async fn runs_where_and_as_it_should() {
    let folder = crate::testing::folder();
    fs::create_dir(folder.path().join("it's here")).unwrap();
    let script = "pwd; echo $WINDLASS_RUN $WINDLASS_UNIT $WINDLASS_ATTEMPT; test -n \"$PATH\" && echo hunter2 >&2\n\
                  if read x; then echo has input; fi; tr '\\0' ' ' </proc/$$/cmdline; ps -o sid= -p $$";
    let unit = unit(
        "line/1",
        Action::Shell {
            script: script.into(),
            dir: Some("it's here".into()),
            readonly: false,
            database: None,
        },
    );
    let (cx, seen) = context(folder.path(), &unit);
    let done = ShellDriver::default().apply(&cx, &unit, &Capsule::default()).await.unwrap();
    assert!(done.changed);
    let lines: Vec<_> = done.output.lines().collect();
    assert_eq!(lines[0], folder.path().canonicalize().unwrap().join("it's here").to_str().unwrap());
    assert_eq!(lines[1], "20260102-030405-abcd line/1 1");
    assert_eq!(lines[2], "****", "masked, and no input");
    assert!(!lines[3].contains("pwd"), "the text is not in the process list: {}", lines[3]);
    let mine = std::process::Command::new("ps")
        .args(["-o", "sid=", "-p", &std::process::id().to_string()])
        .output()
        .unwrap();
    // Whole numbers: the session of the tests may be 1, with which every tenth number ends.
    let session = lines[3].split_whitespace().last();
    assert_ne!(session, Some(String::from_utf8(mine.stdout).unwrap().trim()), "a session of its own");
    assert_eq!(*seen.lock().unwrap(), done.output);
}

#[tokio::test]
async fn success_of_a_reading_line_changes_nothing() {
    let folder = crate::testing::folder();
    assert!(!run(folder.path(), "true", true).await.0.unwrap().changed);
    assert!(matches!(look(folder.path(), "true").await, Found::Applied(_)));
}

#[tokio::test]
async fn failure_says_status_line_and_output() {
    let folder = crate::testing::folder();
    let failure = run(folder.path(), "echo one; echo two hunter2 >&2; exit 3", false).await.0.unwrap_err();
    assert_eq!((failure.effect, failure.retry), (Effect::Partial, false));
    assert_eq!(
        failure.message,
        "`echo one; echo two **** >&2; exit 3` ended with exit status 3; last output: two ****"
    );
    assert_eq!(failure.output, "one\ntwo ****\n");
    assert!(failure.hints[0].contains("attempt-1/output"));
    assert_eq!(look(folder.path(), "echo one; echo two hunter2 >&2; exit 3").await, Found::Failed(failure));
}

#[tokio::test]
async fn failure_of_a_reading_line_is_clean_and_may_be_repeated() {
    let folder = crate::testing::folder();
    let failure = run(folder.path(), "kill -9 $$", true).await.0.unwrap_err();
    assert_eq!((failure.effect, failure.retry), (Effect::None, true));
    assert!(failure.message.contains("exit status 137 (SIGKILL)"), "{}", failure.message);
}

#[tokio::test]
async fn timeout_stops_the_whole_group() {
    let folder = crate::testing::folder();
    let unit = line("sleep 1000 & echo $! >child; echo begun; wait", false);
    let (mut cx, _) = context(folder.path(), &unit);
    cx.timeout_ms = Some(300);
    let failure = ShellDriver::default().apply(&cx, &unit, &Capsule::default()).await.unwrap_err();
    assert_eq!(failure.effect, Effect::Partial);
    assert!(failure.message.contains("did not end within 0.3 s"), "{}", failure.message);
    assert_eq!(failure.output, "begun\n");
    let child = fs::read_to_string(folder.path().join("child")).unwrap();
    wait_until("the end of the child", || {
        fs::read_to_string(format!("/proc/{}/stat", child.trim())).map_or(true, |stat| stat.contains(") Z "))
    });
    assert!(matches!(look(folder.path(), "…").await, Found::Failed(_)), "its status was recorded");
    assert_none_left(&Folder::of(&cx));
}

/// `timeout` and job control make process groups of their own.
#[tokio::test]
async fn timeout_stops_every_group_of_the_session() {
    let scripts = [
        "timeout 600 sh -c \"sleep 3; echo LATE >> late\"",
        "set -m; sh -c \"sleep 3; echo LATE >> late\" & wait; echo LATE >> late",
        "set -m; (trap '' TERM; sleep 1000; echo LATE >> late) & timeout 600 sleep 1000 || echo LATE >> late",
    ];
    for script in scripts {
        let folder = crate::testing::folder();
        let unit = line(script, false);
        let (mut cx, _) = context(folder.path(), &unit);
        cx.timeout_ms = Some(300);
        let failure = ShellDriver::default().apply(&cx, &unit, &Capsule::default()).await.unwrap_err();
        assert_eq!(failure.effect, Effect::Partial, "{script}: {failure:?}");
        assert!(failure.message.contains("all processes that it had started"), "{}", failure.message);
        assert_eq!(family(&cx).look(), [], "{script}");
        // With no process left, nobody can write it later.
        assert!(!folder.path().join("late").exists(), "{script}");
        assert!(matches!(look(folder.path(), script).await, Found::Failed(_)), "{script}");
    }
}

/// A session of its own does not take a process out of its line: found by its environment, or by its parent.
#[tokio::test]
async fn timeout_stops_what_has_a_session_of_its_own() {
    let scripts = [
        "setsid sh -c 'echo $$ >pid; sleep 1000; echo LATE >>late'",
        "setsid sh -c 'echo $$ >pid; sleep 1000; echo LATE >>late' & wait",
        "(setsid sh -c 'trap \"\" TERM; echo $$ >pid; while :; do sleep 0.05; done' &) & sleep 1000",
        "env -i setsid sh -c 'echo $$ >pid; sleep 1000; echo LATE >>late'",
    ];
    let one = |script: &'static str| async move {
        let folder = crate::testing::folder();
        let unit = line(script, false);
        let (mut cx, _) = context(folder.path(), &unit);
        cx.timeout_ms = Some(500);
        let failure = ShellDriver::default().apply(&cx, &unit, &Capsule::default()).await.unwrap_err();
        assert_eq!(failure.effect, Effect::Partial, "{script}: {failure:?}");
        let pid: u32 = fs::read_to_string(folder.path().join("pid")).unwrap().trim().parse().unwrap();
        assert!(ProcessId::of(pid).is_err(), "{script}: process {pid} still runs");
        assert!(!folder.path().join("late").exists(), "{script}");
    };
    // Side by side: one of them needs the whole grace.
    let runs: tokio::task::JoinSet<()> = scripts.map(one).into_iter().collect();
    runs.join_all().await;
}

/// A line that ends by itself may leave a service, in its session or in one of its own.
#[tokio::test]
async fn a_line_that_ends_in_time_may_leave_a_service() {
    let folder = crate::testing::folder();
    let script = "setsid sleep 1000 >/dev/null 2>&1 & echo $! >pid";
    run(folder.path(), script, false).await.0.unwrap();
    let pid: u32 = fs::read_to_string(folder.path().join("pid")).unwrap().trim().parse().unwrap();
    let service = ProcessId::of(pid).unwrap();
    let Found::Applied(_) = look(folder.path(), script).await else { panic!() };
    assert!(service.alive());
    service.open().unwrap().unwrap().signal(rustix::process::Signal::KILL).unwrap();
}

/// The controller died while it stopped the line: the status alone is not the whole truth.
#[tokio::test]
async fn what_is_left_of_a_stopped_line_makes_it_unknown() {
    let folder = crate::testing::folder();
    let script = "sleep 1000 & exit 7";
    let unit = line(script, false);
    let (cx, _) = context(folder.path(), &unit);
    let failure = ShellDriver::default().apply(&cx, &unit, &Capsule::default()).await.unwrap_err();
    assert_eq!(failure.effect, Effect::Partial, "a line that ends by itself may leave a process");
    let attempt = Folder::of(&cx);
    attempt.begin_stop();
    let found = look(folder.path(), script).await;
    let left = family(&cx).look();
    for member in &left {
        let process = ProcessId::of(member.pid).unwrap().open().unwrap().unwrap();
        process.signal(rustix::process::Signal::KILL).unwrap();
    }
    assert_eq!(left.len(), 1);
    let Found::Unknown(words) = found else { panic!("{found:?}") };
    assert!(words.contains(&format!("still change things: {}\n", left[0].pid)), "{words}");
    assert!(words.contains(&format!("kill -KILL {} ", left[0].pid)), "{words}");
    wait_until("its end", || family(&cx).look().is_empty());
    assert!(matches!(look(folder.path(), script).await, Found::Failed(_)));
}

#[tokio::test]
async fn timeout_kills_what_ignores_the_first_signal_and_still_has_a_status() {
    let folder = crate::testing::folder();
    let unit = line("trap '' TERM; while :; do sleep 0.05; done", true);
    let (mut cx, _) = context(folder.path(), &unit);
    cx.timeout_ms = Some(100);
    let begun = Instant::now();
    let failure = ShellDriver::default().apply(&cx, &unit, &Capsule::default()).await.unwrap_err();
    assert_eq!((failure.effect, failure.retry), (Effect::None, true));
    assert!(begun.elapsed() >= Duration::from_millis(ShellDriver::GRACE_MS), "{:?}", begun.elapsed());
    let Found::Failed(failure) = look(folder.path(), "loop").await else { panic!() };
    assert!(failure.message.contains("137"), "{}", failure.message);
}

#[tokio::test]
async fn a_reading_line_stops_when_asked() {
    let folder = crate::testing::folder();
    let unit = line("echo begun; sleep 1000", true);
    let (mut cx, _) = context(folder.path(), &unit);
    let stopping = cx.stopping.clone();
    cx.output = Arc::new(move |_| stopping.stop());
    let failure = ShellDriver::default().apply(&cx, &unit, &Capsule::default()).await.unwrap_err();
    assert_eq!(failure.effect, Effect::None);
    assert!(failure.message.contains("stopped as asked"), "{}", failure.message);
}

#[tokio::test]
async fn output_is_live_whole_lines_and_bounded_in_the_result() {
    let folder = crate::testing::folder();
    let unit = line("printf 'hun'; sleep 0.2; echo ter2; seq 1 100000", false);
    let (mut cx, _) = context(folder.path(), &unit);
    let pieces = Arc::new(Mutex::new(vec![]));
    let sink = Arc::clone(&pieces);
    cx.output = Arc::new(move |text| sink.lock().unwrap().push(text.to_owned()));
    let done = ShellDriver::default().apply(&cx, &unit, &Capsule::default()).await.unwrap();
    let pieces = pieces.lock().unwrap();
    assert!(pieces.iter().all(|piece| piece.ends_with('\n')), "no secret can be split");
    let whole: String = pieces.concat();
    let expected: String = (1..=100_000).map(|n| format!("{n}\n")).collect();
    assert_eq!(whole, format!("****\n{expected}"));
    assert!(done.output.len() <= windlass_driver::OUTPUT_BYTES_MAX);
    assert!(done.output.starts_with("****\n1\n2\n") && done.output.ends_with("\n99999\n100000\n"));
    assert!(done.output.contains("bytes left out"));
}

#[tokio::test]
async fn a_runaway_line_does_not_fill_the_disk() {
    let folder = crate::testing::folder();
    let unit = line(
        "head -c 70000000 /dev/zero | tr '\\0' x; while [ $(wc -c <$OUT) -gt 1000 ]; do sleep 0.05; done; echo end",
        false,
    );
    let (cx, _) = context(folder.path(), &unit);
    let out = cx.workspace.join("attempt-1/output");
    let Action::Shell { script, .. } = unit.action else { panic!() };
    let script = script.replace("$OUT", out.to_str().unwrap());
    let done = ShellDriver::default().apply(&cx, &line(&script, false), &Capsule::default()).await.unwrap();
    assert!(out.metadata().unwrap().len() < 1000);
    assert!(done.output.starts_with("… cut: too much output …\nxxx"), "{}", &done.output[..80]);
    assert!(done.output.ends_with("\nend\n"));
}

#[tokio::test]
async fn what_cannot_start_is_clean() {
    let folder = crate::testing::folder();
    let missing = unit(
        "line/1",
        Action::Shell { script: "true".into(), dir: Some("none".into()), readonly: false, database: None },
    );
    let (cx, _) = context(folder.path(), &missing);
    let failure = ShellDriver::default().apply(&cx, &missing, &Capsule::default()).await.unwrap_err();
    assert_eq!(failure.effect, Effect::None);
    assert!(failure.message.contains("none"), "{}", failure.message);
    let failure =
        ShellDriver::default().undo(&cx, &line("true", false), &Capsule::default(), None).await.unwrap_err();
    assert_eq!((failure.effect, failure.fault), (Effect::None, Fault::Windlass));
}

#[tokio::test]
async fn survey_checks_folder_and_syntax() {
    let folder = crate::testing::folder();
    let bad = unit(
        "line/1",
        Action::Shell { script: "if true".into(), dir: Some("none".into()), readonly: false, database: None },
    );
    let (cx, _) = context(folder.path(), &bad);
    let survey = ShellDriver::default().survey(&cx, &bad).await.unwrap();
    assert_eq!(survey.problems.len(), 2, "{survey:?}");
    assert_eq!(
        ShellDriver::default().survey(&cx, &line("echo a | wc", false)).await.unwrap(),
        Survey::default()
    );
}

#[tokio::test]
async fn a_try_is_never_started_twice() {
    let folder = crate::testing::folder();
    let script = "echo x >>log";
    run(folder.path(), script, false).await.0.unwrap();
    assert!(run(folder.path(), script, false).await.0.unwrap().changed, "the result of the first");
    assert!(matches!(look(folder.path(), script).await, Found::Applied(_)));
    assert_eq!(fs::read_to_string(folder.path().join("log")).unwrap(), "x\n");
}

#[tokio::test]
async fn a_reading_line_is_repeated_inside_one_try() {
    let folder = crate::testing::folder();
    let script = "echo x >>log; test $(wc -l <log) -ge 2";
    assert!(run(folder.path(), script, true).await.0.unwrap_err().retry);
    run(folder.path(), script, true).await.0.unwrap();
    assert!(matches!(look(folder.path(), script).await, Found::Applied(_)), "of the latest");
}

#[tokio::test]
async fn a_late_wrapper_never_runs_after_inspect_said_not_applied() {
    let folder = crate::testing::folder();
    let unit = line("echo x >>log", false);
    let (cx, _) = context(folder.path(), &unit);
    assert_eq!(look(folder.path(), "…").await, Found::NotApplied, "nothing was prepared");
    let attempt = Folder::of(&cx);
    attempt.prepare(&cx, &unit, "echo x >>log", folder.path()).unwrap();
    assert_eq!(look(folder.path(), "…").await, Found::NotApplied);
    let late = std::process::Command::new("setsid")
        .arg("/bin/sh")
        .arg(attempt.file("run"))
        .arg("wrapper")
        .status()
        .unwrap();
    assert!(late.success());
    assert!(!folder.path().join("log").exists());
    assert_eq!(attempt.status(), None);
    assert_eq!(look(folder.path(), "…").await, Found::NotApplied);
}

/// The race of a wrapper and an inspecting controller: whatever each says, it fits to what happened.
#[tokio::test]
async fn wrapper_and_inspect_race_for_the_claim() {
    // Ever later, until the wrapper has won some of them, however slow the machine is.
    let (mut delay, mut ran) = (0, 0);
    while ran < 4 {
        let folder = crate::testing::folder();
        let unit = line("echo x >>log", false);
        let (cx, _) = context(folder.path(), &unit);
        let attempt = Folder::of(&cx);
        attempt.prepare(&cx, &unit, "echo x >>log", folder.path()).unwrap();
        let mut wrapper = std::process::Command::new("setsid")
            .arg("/bin/sh")
            .arg(attempt.file("run"))
            .arg("wrapper")
            .spawn()
            .unwrap();
        tokio::time::sleep(Duration::from_micros(delay)).await;
        let found = look(folder.path(), "…").await;
        wrapper.wait().unwrap();
        assert_none_left(&attempt);
        let log = folder.path().join("log").exists();
        match found {
            Found::NotApplied => assert!(!log, "delay {delay}"),
            Found::Applied(_) => assert!(log, "delay {delay}"),
            other => panic!("delay {delay}: {other:?}"),
        }
        ran += usize::from(log);
        assert!(delay < 60_000_000, "the wrapper never wins");
        delay += 1000 + delay / 4;
    }
}

#[tokio::test]
async fn a_killed_line_without_status_is_unknown_with_commands() {
    let folder = crate::testing::folder();
    let script = "echo begun; sleep 1000";
    let unit = line(script, false);
    let (cx, _) = context(folder.path(), &unit);
    let attempt = Folder::of(&cx);
    let kill = {
        let attempt = attempt.clone();
        tokio::task::spawn_blocking(move || {
            let output = attempt.file("output");
            wait_until("output", || fs::read_to_string(&output).is_ok_and(|text| text == "begun\n"));
            let Claim::Line(line) = attempt.claim() else { panic!() };
            use rustix::process::{Pid, Signal, kill_process, kill_process_group};
            let id = |pid: u32| Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
            kill_process(id(attempt.wrapper().unwrap().pid), Signal::KILL).unwrap();
            kill_process_group(id(line.pid), Signal::KILL).unwrap();
        })
    };
    let failure = ShellDriver::default().apply(&cx, &unit, &Capsule::default()).await.unwrap_err();
    kill.await.unwrap();
    assert_eq!(failure.effect, Effect::Unknown);
    let Found::Unknown(words) = look(folder.path(), script).await else { panic!() };
    assert!(words.contains("left no exit status") && words.contains("cat "), "{words}");
    assert_none_left(&attempt);
}

/// Run by [`killed_controller`] as a process of its own.
#[test]
fn controller_process() {
    let Some(argument) = argument() else { return };
    let (folder, script) = argument.split_once('\n').unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _ = runtime.block_on(run(Path::new(folder), script, false));
}

/// Starts the line in a controller of its own, kills that with SIGKILL as soon as `when` holds, and inspects.
async fn killed_controller(
    script: &str,
    when: impl Fn(&Folder) -> bool,
) -> (tempfile::TempDir, Found, String) {
    let folder = crate::testing::folder();
    let unit = line(script, false);
    let (cx, seen) = context(folder.path(), &unit);
    let attempt = Folder::of(&cx);
    let argument = format!("{}\n{script}", folder.path().display());
    let mut child = controller("shell::tests::controller_process", &argument);
    wait_until("the point of the kill", || when(&attempt));
    child.kill().unwrap();
    child.wait().unwrap();
    let found = ShellDriver::default().inspect(&cx, &unit, &Capsule::default(), Way::Forward).await;
    let seen = seen.lock().unwrap().clone();
    (folder, found, seen)
}

#[tokio::test]
async fn the_line_survives_the_controller_and_its_result_is_recovered() {
    let script = "echo begun; while [ ! -e go ]; do sleep 0.01; done; echo x >>log; echo end; exit 4";
    let folder = crate::testing::folder();
    let unit = line(script, false);
    let (cx, seen) = context(folder.path(), &unit);
    let argument = format!("{}\n{script}", folder.path().display());
    let mut child = controller("shell::tests::controller_process", &argument);
    let output = Folder::of(&cx).file("output");
    wait_until("output", || fs::read_to_string(&output).is_ok_and(|text| text == "begun\n"));
    child.kill().unwrap();
    child.wait().unwrap();
    let look = tokio::spawn({
        let (cx, unit) = (cx.clone(), unit.clone());
        async move { ShellDriver::default().inspect(&cx, &unit, &Capsule::default(), Way::Forward).await }
    });
    tokio::task::spawn_blocking(move || wait_until("live output", || *seen.lock().unwrap() == "begun\n"))
        .await
        .unwrap();
    assert!(!look.is_finished(), "waits while it runs");
    fs::write(folder.path().join("go"), "").unwrap();
    let Found::Failed(failure) = look.await.unwrap() else { panic!() };
    assert!(failure.message.contains("exit status 4"), "{}", failure.message);
    assert_eq!(failure.output, "begun\nend\n");
    assert_eq!(fs::read_to_string(folder.path().join("log")).unwrap(), "x\n");
}

#[tokio::test]
async fn a_controller_killed_at_any_point_leaves_the_truth() {
    let script = "echo x >>log; sleep 0.05; echo y >>log";
    type Point = fn(&Folder) -> bool;
    let points: [(&str, Point); 6] = [
        ("folder", |folder| folder.path().exists()),
        ("script", |folder| folder.file("script").exists()),
        ("run", |folder| folder.file("run").exists()),
        ("wrapper", |folder| folder.wrapper().is_some()),
        ("claim", |folder| folder.claim() != Claim::Free),
        ("status", |folder| folder.status().is_some()),
    ];
    for (name, point) in points {
        let (folder, found, _) = killed_controller(script, point).await;
        let log = fs::read_to_string(folder.path().join("log")).unwrap_or_default();
        match found {
            Found::Applied(_) => assert_eq!(log, "x\ny\n", "{name}"),
            Found::NotApplied => assert_eq!(log, "", "{name}"),
            other => panic!("{name}: {other:?}"),
        }
    }
}
