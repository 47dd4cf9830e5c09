//! What runs goes back last of all.

use super::*;
use crate::{DriverKind, ServiceOperation, SystemdVerb};

/// Id, and the verbs of its units for systemd.
fn steps(body: &str) -> Vec<(String, Vec<(SystemdVerb, String)>)> {
    let verbs = |unit: &Unit| match &unit.action {
        Action::Systemd { verb, name, .. } => Some((*verb, name.clone())),
        _ => None,
    };
    let steps = plan(body).steps.into_iter();
    steps.map(|step| (step.id.0.clone(), step.units.iter().filter_map(verbs).collect())).collect()
}

#[test]
fn what_is_restarted_is_kept_in_front_of_all_changes() {
    let body = "```sh {#look on=app readonly}\nls\n```\n```sh {#copy on=app}\ncp a b\n```\n\
                ```sh {#restart on=app}\nsystemctl daemon-reload\nsystemctl restart app web\nsystemctl restart app\n```\n";
    let steps = steps(body);
    let ids: Vec<_> = steps.iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!(ids, ["look", "keep-app", "keep-units-app", "copy", "restart"]);
    let keep = |name: &str| (SystemdVerb::Keep, name.to_owned());
    assert_eq!(steps[1].1, [keep("app.service"), keep("web.service")]);
    assert_eq!(steps[2].1, [keep("")], "undone before it: units are read again first");
    assert_eq!(plan(body).steps[1].units[0].driver, DriverKind::Systemd);
    let taken = format!("```sh {{#keep-app on=app}}\nmkdir x\n```\n{body}");
    assert_eq!(plan(&taken).steps[0].id.0, "keep-app-", "the team's own step has its name");
}

#[test]
fn a_stop_and_a_start_go_back_by_themselves_unless_files_were_changed_before() {
    let cycle = "```sh {#cycle on=app}\nsystemctl stop app\nsystemctl start app\n```\n";
    assert_eq!(steps(cycle).len(), 1);
    assert_eq!(steps(&format!("{cycle}```sh {{#c on=app}}\ncp a b\n```\n")).len(), 2, "only behind it");
    let before = format!("```sh {{#c on=app}}\ncp a b\n```\n{cycle}");
    assert_eq!(steps(&before)[0].1, [(SystemdVerb::Keep, "app.service".to_owned())]);
    let one = "```sh {#c on=app}\ncp a b\nsystemctl stop app\nsystemctl start app\n```\n";
    assert_eq!(steps(one)[0].0, "keep-app", "also within a fence");
    let later =
        "```sh {#c on=app}\nsystemctl start app\ncp a b\nsystemctl stop app\nsystemctl start app\n```\n";
    assert_eq!(steps(later)[0].0, "keep-app", "also when it is named before");
    let by_hand =
        "```sh {#r on=app}\nsystemctl restart app\n```\n```sh {#u undoes=r}\nsystemctl restart app\n```\n";
    assert_eq!(steps(by_hand).len(), 1, "a hand-written undo is the team's own");
    let enabled = "```sh {#e on=app}\nsystemctl enable app\n```\n";
    assert_eq!(steps(enabled).len(), 1);
}

#[test]
fn it_goes_back_as_it_went_there() {
    let body =
        "```sh {#r on=app serial=1 timeout=30m}\nsystemctl restart app\nsudo systemctl restart app\n```\n";
    let step = plan(body).steps.remove(0);
    assert_eq!((step.units.len(), step.units[0].timeout_ms), (1, Some(30 * 60 * 1000)));
    assert_eq!(step.serial, Some(windlass_document::Serial::Hosts(1)));
}

#[test]
fn a_service_is_kept_where_files_are_changed_before_it_stops() {
    let kept = |body: &str| -> Vec<String> {
        let keeps =
            |unit: &Unit| matches!(&unit.action, Action::Service { operation: ServiceOperation::Keep, .. });
        let plan = plan(body);
        plan.units().filter(|(_, unit)| keeps(unit)).map(|(_, unit)| unit.id.0.clone()).collect()
    };
    let edit = "```sh {#copy on=app}\ncp a b\n```\n";
    let of = |lines: &str| format!("```sh {{#serve on=app}}\n{lines}\n```\n");
    let [restart, stop, start] =
        ["restart", "stop", "start"].map(|verb| format!("windlass service {verb} booking"));
    assert_eq!(kept(&format!("{edit}{}", of(&restart))), ["keep-app/1"]);
    assert_eq!(kept(&format!("{edit}{}", of(&format!("{stop}\n{start}")))), ["keep-app/1"]);
    // What stands behind the stop is back before its undo starts the service.
    assert_eq!(kept(&of(&format!("{stop}\ncp a b\n{start}"))), [""; 0]);
    assert_eq!(kept(&format!("{}{edit}", of(&restart))), [""; 0]);
    assert_eq!(kept(&of(&restart)), [""; 0]);
}

const COPY: &str = "```sh {#copy on=app}\ncp a b\n```\n";
const UP: &str = "```sql {#up on=db}\nDELETE FROM record WHERE id = 1\n```\n";
const RESTART: &str = "```sh {#restart on=app}\nwindlass service restart booking\n```\n";

/// Ids of the units of the edited document, kept behind what has begun of the first one; and what is too late.
fn behind(old: &str, new: &str, begun: &[&str]) -> (Vec<String>, Option<(String, Option<String>)>) {
    let has_begun = |id: &UnitId| begun.contains(&id.0.as_str());
    let (old, new) = (plan(old), plan(new));
    let is_idle = |_: &UnitId| false;
    let (kept, unkept) = new.kept_behind(&old, has_begun, is_idle);
    if unkept.is_none() {
        assert_eq!(
            kept.kept_behind(&old, has_begun, is_idle),
            (kept.clone(), None),
            "once is as good as twice"
        );
        assert_eq!(new.kept_behind(&kept, has_begun, is_idle).0, kept, "and as good as the next time");
    }
    let ids = kept.units().map(|(_, unit)| unit.id.0.clone()).collect();
    (ids, unkept.map(|unkept| (unkept.restarts.0, unkept.edits.map(|edits| edits.0))))
}

#[test]
fn what_is_to_be_kept_since_an_edit_is_kept_behind_what_has_begun() {
    let edited = format!("{UP}{COPY}{RESTART}");
    let (old, ran) = (format!("{UP}{RESTART}"), ["up/1"]);
    assert_eq!(plan(&edited).steps[0].id.0, "keep-app", "as if nothing had run");
    assert_eq!(behind(&old, &edited, &[]).0, ["keep-app/1", "up/1", "copy/1", "restart/1"]);
    let moved = ["up/1", "keep-app/1", "copy/1", "restart/1"];
    assert_eq!(behind(&old, &edited, &ran), (moved.map(str::to_owned).to_vec(), None));
    // What nobody takes back is no reason.
    let by_nobody = "```sh {#up on=app irreversible}\n./up\n```\n";
    let ids = behind(by_nobody, &edited.replace(UP, by_nobody), &ran).0;
    assert_eq!(ids, moved);
    let more = format!("{edited}```sh {{#units on=app}}\nsystemctl restart web\n```\n");
    let begun = ["keep-app/1", "up/1"];
    let ids = ["keep-app/1", "up/1", "keep-app-/2", "copy/1", "restart/1", "units/1"];
    assert_eq!(behind(&edited, &more, &begun), (ids.map(str::to_owned).to_vec(), None));
    // What was kept stays, also when nothing needs it any more.
    assert_eq!(behind(&edited, UP, &begun).0, ["keep-app/1", "up/1"]);
    let kept = plan(UP).kept_behind(&plan(&edited), |id| begun.contains(&id.0.as_str()), |_| false).0;
    assert!(kept.services.contains_key("booking") && kept.targets.contains_key("app"));
}

/// What nobody edited is no edit, wherever the run stands.
#[test]
fn what_has_not_begun_is_kept_where_it_was_compiled_to() {
    let backup = "```sh {#backup on=app}\nsqlite3 app.db \".backup app.bak\"\n```\n";
    let units = "```sh {#units on=app}\nsystemctl daemon-reload\nsystemctl restart web\n```\n";
    let body = format!("{backup}- [ ] fine\n\n{COPY}{RESTART}{units}");
    let own = plan(&body);
    let ids: Vec<_> = own.steps.iter().map(|step| step.id.0.as_str()).collect();
    assert_eq!(ids, ["backup", "gate-1", "keep-app", "keep-units-app", "copy", "restart", "units"]);
    let all: Vec<_> = own.units().map(|(_, unit)| unit.id.0.clone()).collect();
    for begun in 0..=all.len() {
        let begun: Vec<_> = all[..begun].iter().map(String::as_str).collect();
        assert_eq!(behind(&body, &body, &begun), (all.clone(), None), "{begun:?}");
    }
    let added = format!("{backup}- [ ] fine\n\n{RESTART}");
    let kept = ["backup/1", "gate-1/1", "keep-app/1", "copy/1", "restart/1"].map(str::to_owned).to_vec();
    let edited = added.replace(RESTART, &format!("{COPY}{RESTART}"));
    assert_eq!(behind(&added, &edited, &["backup/1"]), (kept, None), "also what an edit adds");
}

#[test]
fn what_is_to_be_kept_from_before_what_has_begun_is_named() {
    let late = |old: &str, new: &str, begun: &[&str]| behind(old, new, begun).1;
    let named = |restarts: &str, edits: Option<&str>| Some((restarts.to_owned(), edits.map(str::to_owned)));
    let edited = format!("{COPY}{RESTART}");
    assert_eq!(late(COPY, &edited, &["copy/1"]), named("restart/1", Some("copy/1")));
    // What was left out, or found as wanted, has changed nothing.
    let idle = |id: &UnitId| id.0 == "copy/1";
    let (kept, unkept) = plan(&edited).kept_behind(&plan(COPY), idle, idle);
    let ids: Vec<_> = kept.units().map(|(_, unit)| unit.id.0.as_str()).collect();
    assert_eq!((ids, unkept), (vec!["copy/1", "keep-app/1", "restart/1"], None));
    let one = "```sh {#one on=app}\nsystemctl stop web\nwindlass service restart booking\n```\n";
    let begun = ["one/1"];
    let copied = one.replace("windlass", "cp a b\nwindlass");
    assert_eq!(late(one, &copied, &begun), named("one/3", Some("one/2")));
    let other = one.replace("windlass service restart booking", "systemctl restart api");
    assert_eq!(late(one, &other, &begun), named("one/2", None));
    assert_eq!(late(one, &format!("{one}{COPY}{RESTART}"), &begun), None);
}
