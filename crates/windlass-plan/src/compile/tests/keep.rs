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
