//! One commit on all hosts.

use super::*;
use crate::{Class, GitLine, GitRev, GitVerb};

const FLEET: &str =
    "[target.app]\nhosts = [\"a\", \"b\"]\ndir = \"/srv\"\n[target.one]\nhosts = [\"a\"]\ndir = \"/srv\"\n";

fn steps(body: &str) -> Vec<Step> {
    let (plan, findings) = compiled_with(&document(body), &config(FLEET), &NoFiles);
    plan.unwrap_or_else(|| panic!("{findings:#?}")).steps
}

#[test]
fn what_is_named_is_found_out_once_in_front_of_all_changes() {
    let body = "```sh {#look on=app readonly}\nls\n```\n```sh {#copy on=app}\ncp a b\n```\n\
                ```sh {#code on=app}\ngit fetch\ngit checkout main\ngit pull\ncd docs\ngit checkout 3f2a9c01b4de\n```\n\
                ```sh {#again on=one}\ngit pull\n```\n";
    let steps = steps(body);
    let ids: Vec<_> = steps.iter().map(|step| step.id.0.as_str()).collect();
    assert_eq!(ids, ["look", "pin-app", "copy", "code", "again"], "one host has nobody to agree with");
    let pins: Vec<_> = steps[1].units.iter().map(|unit| (unit.host.as_str(), &unit.action)).collect();
    let main = GitRev::Named { name: "main".into(), fetched: true };
    let pulled = GitRev::Remote { remote: None, branch: None, current: Some("main".into()) };
    let pin = |rev: GitRev| {
        Action::Git(GitLine { verb: GitVerb::Pin, dir: Some("/srv".into()), rev: Some(rev), words: vec![] })
    };
    assert_eq!(
        pins,
        [("a", &pin(main.clone())), ("a", &pin(pulled.clone()))],
        "a commit is the same everywhere"
    );
    assert_eq!((steps[1].class, steps[1].stage.clone()), (Class::Readonly, steps[2].stage.clone()));
    // Each host's unit names the same, so that it finds it.
    for host in ["a", "b"] {
        let revs: Vec<_> = steps[3]
            .units
            .iter()
            .filter(|unit| unit.host == host)
            .filter_map(|unit| match &unit.action {
                Action::Git(line) => line.rev.clone(),
                _ => None,
            })
            .collect();
        assert_eq!(revs[..2], [main.clone(), pulled.clone()], "{host}");
    }
}
