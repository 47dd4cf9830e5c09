//! Shell fences.

use super::*;

fn actions(body: &str) -> Vec<Action> {
    plan(body).steps.into_iter().flat_map(|step| step.units).map(|unit| unit.action).collect()
}

fn shell(script: &str, dir: &str, readonly: bool) -> Action {
    Action::Shell { script: script.into(), dir: Some(dir.into()), readonly, database: None }
}

#[test]
fn an_opaque_line_needs_a_way_back() {
    let body = "```sh {#a on=app}\n./migrate --all\n```\n";
    assert_eq!(errors(body), [pair("opaque-without-undo", "./migrate --all")]);
    let text = document(body);
    let (_, findings) = compiled(body);
    let finding = findings.iter().find(|finding| finding.rule == "opaque-without-undo").unwrap();
    assert!(finding.help.contains("`readonly`") && finding.help.contains("`undoes=a`"), "{}", finding.help);
    for fix in &finding.fixes {
        let mut cured = text.clone();
        cured.replace_range(fix.span.start..fix.span.end, &fix.replacement);
        let (plan, findings) = compiled_with(&cured, &config(EXAMPLE_CONFIG), &NoFiles);
        assert!(plan.is_some(), "`{}` cures it: {findings:#?}", fix.text);
    }
}

#[test]
fn one_error_for_a_fence_however_many_lines_are_opaque() {
    assert_eq!(errors("```sh {on=app}\n./a\n./b\ncp x y\n```\n"), [pair("opaque-without-undo", "./a")]);
}

#[test]
fn each_way_back_of_an_opaque_line() {
    let plan = plan(
        "```sh {#backup on=app}\nsqlite3 app.db '.backup app.bak'\n```\n\
         ```sh {#look on=app readonly}\n./look\n```\n\
         ```sh {#gone on=app irreversible}\n./gone\n```\n\
         ```sh {#tune on=app}\n./tune up\n```\n\
         ```sh {#untune undoes=tune}\n./tune down\n./check\n```\n",
    );
    assert_eq!(
        units(&plan, "backup"),
        [("backup/1".into(), Class::Readonly, UndoBy::Nothing)],
        "never deleted"
    );
    assert_eq!(plan.steps[0].units[0].undo.how, "nothing to take back: the backup file stays");
    assert_eq!(units(&plan, "look"), [("look/1".into(), Class::Readonly, UndoBy::Nothing)]);
    assert_eq!(units(&plan, "gone"), [("gone/1".into(), Class::None, UndoBy::Nobody)]);
    assert_eq!(units(&plan, "tune"), [("tune/1".into(), Class::Lossy, UndoBy::Script)]);
    assert_eq!(plan.class, Class::None);

    assert!(plan.steps.iter().all(|step| step.id.0 != "untune"), "an undo does not run forward");
    let tune = plan.steps.iter().find(|step| step.id.0 == "tune").unwrap();
    assert_eq!(tune.units[0].undo.how, "by the hand-written undo #untune");
    let undo = tune.undo.as_ref().unwrap();
    assert_eq!((undo.id.0.as_str(), undo.partial), ("untune", true));
    let ids: Vec<_> = undo.units.iter().map(|unit| unit.id.0.as_str()).collect();
    assert_eq!(ids, ["untune/1", "untune/2"]);
    assert!(undo.units.iter().all(|unit| unit.undo.by == UndoBy::Nobody));
    assert!(plan.unit(&UnitId("untune/2".into())).is_some());
}

#[test]
fn a_pipe_makes_the_whole_fence_one_script() {
    let body = "```sh {#a on=app readonly}\ncp x y\nps aux | grep app\n```\n";
    assert_eq!(actions(body), [shell("cp x y\nps aux | grep app\n", ".", true)]);
    let body = "```sh {#a on=app}\ncp x y\nps aux | grep app\n```\n";
    let [(rule, _)] = &errors(body)[..] else { panic!("one error") };
    assert_eq!(rule, "opaque-without-undo");
    let (_, findings) = compiled(body);
    let label = &findings.iter().find(|f| f.rule == "opaque-without-undo").unwrap().label;
    assert!(label.contains("pipe"), "says what makes it so: {label}");
}

#[test]
fn lines_that_act_on_the_lines_after_them_keep_the_fence_together() {
    for first in ["export A=1", "A=1", "set -e", "umask 077", ". ./env.sh", "cd -P sub"] {
        let body = format!("```sh {{#a on=app readonly}}\n{first}\n./look\n```\n");
        assert_eq!(actions(&body), [shell(&format!("{first}\n./look\n"), ".", true)], "{first}");
    }
}

#[test]
fn cd_moves_the_lines_after_it() {
    assert_eq!(
        actions("```sh {#a on=app readonly}\n./one\ncd sub\n./two\ncd /srv\n./three\n```\n"),
        [shell("./one", ".", true), shell("./two", "./sub", true), shell("./three", "/srv", true)]
    );
}

#[test]
fn lifted_and_opaque_lines_of_one_fence_keep_their_order_and_drivers() {
    let plan = plan(
        "```sh {#a on=app irreversible}\nmkdir -p out\n./build\nwindlass service restart booking\n```\n",
    );
    let drivers: Vec<_> = plan.units().map(|(_, unit)| unit.driver).collect();
    assert_eq!(drivers, [DriverKind::Files, DriverKind::Shell, DriverKind::Service]);
    assert!(
        plan.units().all(|(_, unit)| unit.undo.class == Class::None),
        "irreversible is meant for all of it"
    );
}

#[test]
fn a_note_says_why_a_known_command_was_not_lifted() {
    let text = document("```sh {#a on=app readonly}\ncp --reflink x y\n```\n");
    let (plan, findings) = compiled_with(&text, &config(EXAMPLE_CONFIG), &NoFiles);
    assert!(plan.is_some());
    let note = findings.iter().find(|finding| finding.rule == "not-lifted").unwrap();
    assert_eq!(note.severity, Severity::Note);
    assert_eq!(&text[note.span.start..note.span.end], "--reflink");
    assert!(note.message.contains("`--reflink` of `cp`"), "{}", note.message);
}

#[test]
fn readonly_on_a_line_that_changes_is_refused() {
    assert_eq!(errors("```sh {on=app readonly}\nrm x\n```\n"), [pair("readonly-but-changes", "readonly")]);
    assert_eq!(
        errors("```sql {on=db readonly}\nDELETE FROM t;\n```\n"),
        [pair("readonly-but-changes", "readonly")]
    );
    assert_eq!(errors("```sql {on=db readonly}\nSELECT 1;\n```\n"), []);
}

#[test]
fn services_are_operated_where_they_run_and_only_if_this_version_can() {
    assert_eq!(
        actions("```sh {on=app}\nwindlass service restart booking\n```\n"),
        [Action::Service { service: "booking".into(), operation: ServiceOperation::Restart }]
    );
    let unknown = "```sh {on=app}\nwindlass service restart bookings\n```\n";
    assert_eq!(errors(unknown), [pair("unknown-service", "bookings")]);
    let (_, findings) = compiled(unknown);
    assert!(findings[0].help.starts_with("did you mean `booking`?"), "{}", findings[0].help);
    assert_eq!(
        errors("```sh {on=app}\nwindlass service reload booking\n```\n"),
        [pair("service-command", "reload")]
    );
    assert_eq!(
        errors("```sh {on=app}\nwindlass service restart\n```\n"),
        [pair("service-command", "windlass")]
    );
    assert_eq!(
        errors("```sh {on=app readonly}\nwindlass service restart booking\nps | cat\n```\n"),
        [pair("service-command", "windlass service restart booking")]
    );

    let toml = |service: &str| format!("[target.app]\n[target.web]\n[service.s]\non = \"app\"\n{service}\n");
    let restart = "```sh {on=app}\nwindlass service restart s\n```\n";
    let line = "windlass service restart s";
    for service in [
        "compose = \"c.yml\"\nstrategy = \"rolling\"",
        "systemd = \"s\"",
        "run = [\"s\"]\nstrategy = \"rolling\"",
    ] {
        assert_eq!(errors_with(restart, &toml(service)), [pair("driver-missing", line)], "{service}");
    }
    let other = "```sh {on=web}\nwindlass service restart s\n```\n";
    assert_eq!(errors_with(other, &toml("run = [\"s\"]")), [pair("service-elsewhere", "web")]);
}

#[test]
fn a_backup_may_say_readonly() {
    let plan = plan("```sh {#backup on=app readonly}\nsqlite3 app.db '.backup b'\n```\n");
    assert_eq!(units(&plan, "backup"), [("backup/1".into(), Class::Readonly, UndoBy::Nothing)]);
}
