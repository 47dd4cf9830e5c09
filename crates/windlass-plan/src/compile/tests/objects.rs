//! Lines of `aws s3` in plans.

use super::*;
use windlass_objects::{Place, Verb};

const TOML: &str = "[target.app]\ndir = \"srv\"\n[target.web]\nhosts = [\"a@one\", \"b@two\"]\n\
                    [target.data]\nurl = \"s3://data\"\nregion = \"eu-central-1\"\nhold = \"windlass-hold/\"\n\
                    [target.minio]\nurl = \"s3://local\"\nendpoint = \"http://127.0.0.1:9000\"\npath_style = true\n";

fn fence(on: &str, line: &str) -> String {
    format!("```sh {{#a on={on}}}\n{line}\n```\n- [ ] fine\n")
}

fn unit(on: &str, line: &str) -> Unit {
    let (plan, findings) = compiled_with(&document(&fence(on, line)), &config(TOML), &NoFiles);
    let plan = plan.unwrap_or_else(|| panic!("{line}: {findings:#?}"));
    plan.steps[0].units[0].clone()
}

/// Why the line is not lifted, and the word that is marked.
fn why_not(on: &str, line: &str) -> (String, String) {
    let text = document(&fence(on, line).replace("{#a", "{#a irreversible"));
    let (plan, findings) = compiled_with(&text, &config(TOML), &NoFiles);
    let plan = plan.unwrap_or_else(|| panic!("it runs as written: {findings:#?}"));
    assert!(matches!(plan.steps[0].units[0].action, Action::Shell { .. }), "{line}");
    let note = findings.iter().find(|finding| finding.rule == "not-lifted").expect(line);
    (note.message.clone(), text[note.span.start..note.span.end].to_owned())
}

#[test]
fn a_line_becomes_an_action_on_the_targets_that_its_buckets_are() {
    let unit = unit("data", "aws s3 sync s3://data/a/ s3://data/b/ --exclude \"*.tmp\" --delete");
    assert_eq!((unit.driver, unit.host.as_str()), (DriverKind::S3, "local"));
    let Action::Objects { line, dir: None, from, to } = &unit.action else { panic!("{unit:?}") };
    assert_eq!((from.as_deref(), to.as_deref()), (Some("data"), Some("data")));
    assert_eq!(line.verb, Verb::Sync);
    assert_eq!(line.from, Place::S3 { bucket: "data".into(), key: "a/".into() });
    assert_eq!((unit.undo.class, &unit.undo.by), (Class::Exact, &UndoBy::Driver));
    assert!(unit.effect.contains("deleting what is not there"), "{}", unit.effect);
    let json = serde_json::to_value(&unit).unwrap();
    assert_eq!(serde_json::from_value::<Unit>(json).unwrap(), unit, "it is a part of the plan's JSON");
}

#[test]
fn settings_of_its_store_are_in_the_plan() {
    let text = document(&fence("app", "aws s3 cp dist s3://data/site/ --recursive"));
    let (plan, findings) = compiled_with(&text, &config(TOML), &NoFiles);
    let plan = plan.unwrap_or_else(|| panic!("{findings:#?}"));
    let Target::Store(store) = &plan.targets["data"] else { panic!("a store") };
    assert_eq!(store.hold.as_deref(), Some("windlass-hold/"));
    let Action::Objects { dir, from: None, to: Some(to), .. } = &plan.steps[0].units[0].action else {
        panic!()
    };
    assert_eq!((dir.as_deref(), to.as_str()), (Some("srv"), "data"));
}

#[test]
fn what_does_nothing_needs_no_way_back() {
    let shown = unit("data", "aws s3 rm s3://data/old/ --recursive --dryrun");
    assert_eq!((shown.undo.class, shown.undo.by), (Class::Readonly, UndoBy::Nothing));
    let listed = unit("data", "aws s3 ls s3://data/");
    assert!(matches!(listed.action, Action::Shell { readonly: true, .. }));
    assert_eq!(errors_with(&fence("data", "aws s3 mb s3://data"), TOML)[0].0, "opaque-without-undo");
}

#[test]
fn where_a_line_goes_is_never_guessed() {
    for (on, line, word, why) in [
        ("app", "aws s3 rm s3://elsewhere/k", "s3://elsewhere/k", "no target of windlass.toml is the bucket"),
        ("app", "aws s3 rm s3://local/k", "s3://local/k", "has a `endpoint` of its own"),
        ("data", "aws s3 rm s3://local/k", "s3", "does not work on `data`"),
        ("data", "aws s3 rm s3://data/k --region us-east-1", "s3://data/k", "`--region` is not the `region`"),
        ("data", "aws s3 cp s3://data/k s3://local/k", "s3", "another `endpoint`"),
        ("data", "aws s3 rm s3://data/k --delete", "--delete", "does not know the option"),
        ("data", "aws s3 cp s3://data/k . --no-verify-ssl", "--no-verify-ssl", "not understood"),
        ("app", "aws s3 cp s3://data/k . > log", "log", "a redirection"),
        ("app", "AWS_PROFILE=x aws s3 cp s3://data/k .", "aws", "the variable `AWS_PROFILE`"),
    ] {
        let (message, marked) = why_not(on, line);
        assert!(marked == word && message.contains(why), "{line}: {message} at {marked}");
    }
    let there = unit("app", "aws --endpoint-url http://127.0.0.1:9000/ s3 rm s3://local/k");
    assert!(matches!(there.action, Action::Objects { .. }), "the line says that it goes there");
    assert!(
        matches!(unit("minio", "aws s3 rm s3://local/k").action, Action::Objects { .. }),
        "the fence does"
    );
}

/// From two hosts a line would run twice, with the rights that each of them has.
#[test]
fn on_other_hosts_a_line_runs_as_written() {
    let (message, _) = why_not("web", "aws s3 sync s3://data/a/ s3://data/b/");
    assert!(message.contains("once on each") && message.contains("`on=data`"), "{message}");
}

#[test]
fn a_sync_can_be_repeated_and_a_move_cannot() {
    let again = |line: &str| format!("{}\n```sh {{#b again=a}}\n```\n- [ ] all\n", fence("data", line));
    assert_eq!(errors_with(&again("aws s3 sync s3://data/a/ s3://data/b/"), TOML), []);
    let moved = errors_with(&again("aws s3 mv s3://data/a/ s3://data/b/ --recursive"), TOML);
    assert_eq!(moved[0].0, "again-not-idempotent");
}
