//! Targets: named, left out, unknown, not driven yet.

use super::*;

const TWO: &str = "[target.app]\n[target.web]\ndir = \"/srv/web\"\n";

#[test]
fn on_may_be_left_out_where_only_one_target_fits() {
    let plan = plan("```sh {#a}\nmkdir out\n```\n```sql {#b}\nDELETE FROM t WHERE id = 1;\n```\n");
    let on: Vec<_> = plan.steps.iter().map(|step| step.on.as_str()).collect();
    assert_eq!(on, ["app", "db"]);
}

#[test]
fn several_that_fit_are_listed() {
    let body = "```sh {#a}\nmkdir out\n```\n";
    assert_eq!(errors_with(body, TWO), [pair("target-missing", "```sh {#a}")]);
    let text = document(body);
    let (_, findings) = compiled_with(&text, &config(TWO), &NoFiles);
    assert_eq!(findings[0].help, "add one of `on=app`, `on=web`");
    let (_, findings) = compiled_with(&text, &config(""), &NoFiles);
    assert_eq!(findings[0].rule, "target-missing");
    assert!(findings[0].help.contains("[target.app]"), "{}", findings[0].help);
}

#[test]
fn an_unknown_target_is_an_error_with_a_guess() {
    let body = "```sh {on=wep}\nmkdir out\n```\n";
    assert_eq!(errors_with(body, TWO), [pair("unknown-target", "wep")]);
    let (_, findings) = compiled_with(&document(body), &config(TWO), &NoFiles);
    assert!(findings[0].help.starts_with("did you mean `web`?"), "{}", findings[0].help);
}

#[test]
fn a_fence_and_a_target_have_to_fit() {
    assert_eq!(errors("```sql {on=app}\nSELECT 1;\n```\n"), [pair("target-misfit", "app")]);
    assert_eq!(errors("```mysql {on=db}\nSELECT 1;\n```\n"), [pair("dialect-mismatch", "db")]);
    let plan = plan("```sh {#a on=db readonly}\n./look\n```\n");
    assert_eq!(plan.steps[0].on, "db", "a shell line may name a database; it runs beside windlass.toml");
}

#[test]
fn localhost_is_this_machine() {
    let toml = "[target.here]\nhosts = [\"localhost\"]\n";
    assert_eq!(errors_with("```sh {on=here readonly}\n./look\n```\n", toml), []);
}

/// Files, systemd and compose work on hosts as here; what else a line would be lifted to works on this machine only.
#[test]
fn lines_on_other_hosts_run_as_written_on_each() {
    let toml = "[target.app]\nhosts = [\"a@one\", \"b@two\"]\ndir = \"shop\"\nssh_config = \"deploy/ssh\"\n";
    let body = "```sh {#a on=app irreversible}\ncd sub\ncurl -f http://one/\n./go\n```\n";
    let (plan, findings) = compiled_with(&document(body), &config(toml), &NoFiles);
    assert!(findings.iter().all(|finding| finding.rule != "driver-missing"), "{findings:?}");
    let plan = plan.unwrap();
    let lines: Vec<_> = plan
        .units()
        .map(|(_, unit)| match &unit.action {
            Action::Shell { script, dir, .. } => (unit.host.as_str(), script.as_str(), dir.as_deref()),
            other => panic!("{other:?}"),
        })
        .collect();
    let of = |host| [(host, "curl -f http://one/", Some("shop/sub")), (host, "./go", Some("shop/sub"))];
    assert_eq!(lines, [of("a@one"), of("b@two")].concat());
    let Target::Hosts { ssh_config, .. } = &plan.targets["app"] else { panic!("hosts") };
    assert_eq!(ssh_config.as_deref(), Some("deploy/ssh"));
    let check = "```http {#c}\nGET http://one:8080/\nHTTP 200\n```\n";
    let hosts = |check: &str| -> Vec<String> {
        let plan = compiled_with(&document(check), &config(toml), &NoFiles).0.unwrap();
        plan.units().map(|(_, unit)| unit.host.clone()).collect()
    };
    assert_eq!(hosts(check), ["local"], "a check that names no target runs from this machine");
    assert_eq!(hosts(&check.replace("#c", "#c on=app")), ["a@one", "b@two"]);
    let typed = errors_with("```sh {on=app readonly}\nwindlass service stop shop\n```\n", toml);
    assert_eq!(typed[0].0, "driver-missing", "it is not typed there");
    let (_, findings) =
        compiled_with(&document("```sh {on=app readonly}\n./a; ./b\n```\n"), &config(toml), &NoFiles);
    let hidden = findings.iter().filter(|finding| finding.rule == "hidden-failure").count();
    assert_eq!(hidden, 1, "once, not for each host: {findings:?}");
}

#[test]
fn files_on_other_hosts_are_changed_as_here() {
    let toml = "[target.app]\nhosts = [\"a@one\", \"b@two\"]\ndir = \"shop\"\n";
    let body =
        "```sh {#a on=app}\nmkdir -p sub\ncp x.env sub/\n```\n```diff {#b on=app}\n--- x.env\n+X=1\n```\n";
    let (plan, findings) = compiled_with(&document(body), &config(toml), &NoFiles);
    assert!(findings.iter().all(|finding| finding.severity != Severity::Error), "{findings:?}");
    let plan = plan.unwrap();
    assert_eq!(plan.class, Class::Exact);
    let files: Vec<_> = plan
        .units()
        .map(|(_, unit)| match &unit.action {
            Action::MakeDir { dir, .. } | Action::Copy { dir, .. } | Action::Patch { dir, .. } => {
                assert_eq!(dir.as_deref(), Some("shop"));
                unit.id.0.as_str()
            }
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(files, ["a/1@a@one", "a/2@a@one", "a/1@b@two", "a/2@b@two", "b/1@a@one", "b/1@b@two"]);
}

#[test]
fn lines_of_compose_work_on_each_host() {
    let toml = "[target.app]\nhosts = [\"a@one\", \"b@two\"]\ndir = \"shop\"\n";
    let body = "```sh {#start on=app}\nsudo docker-compose pull\nsudo docker-compose up -d\nsudo docker ps -a\n```\n";
    let (plan, findings) = compiled_with(&document(body), &config(toml), &NoFiles);
    assert!(findings.iter().all(|finding| finding.severity != Severity::Error), "{findings:?}");
    let plan = plan.unwrap();
    let units: Vec<_> = plan.units().map(|(_, unit)| (unit.id.0.as_str(), unit.driver)).collect();
    let of = |host: &'static str| {
        use crate::DriverKind::{Compose, Shell};
        match host {
            "a@one" => [("start/1@a@one", Compose), ("start/2@a@one", Compose), ("start/3@a@one", Shell)],
            _ => [("start/1@b@two", Compose), ("start/2@b@two", Compose), ("start/3@b@two", Shell)],
        }
    };
    assert_eq!(units, [of("a@one"), of("b@two")].concat());
    let service = |more: &str| {
        format!(
            "{toml}[service.web]\non = \"app\"\ncompose = \"compose.yml\"\nhealth = \"http://127.0.0.1:81/\"\n{more}"
        )
    };
    assert_eq!(errors_with(body, &service("")), []);
    let (_, findings) = compiled_with(
        &document(body),
        &config(&service("proxy = { listen = \"127.0.0.1:80\" }\n")),
        &NoFiles,
    );
    let said: Vec<_> = findings.iter().filter(|finding| finding.severity == Severity::Error).collect();
    assert_eq!(said.len(), 2, "one for each line: {said:?}");
    for words in ["`web`", "on a@one, b@two", "cannot hold requests there"] {
        assert!(said[0].message.contains(words), "{said:?}");
    }
    assert!(said[0].help.starts_with("take `proxy` out of [service.web]"), "{said:?}");
}

#[test]
fn several_hosts_get_units_of_their_own() {
    let text = document("");
    let parsed = windlass_document::parse_str(&text).document;
    let config = config("");
    let compiler = Compiler::new(&parsed, DocumentMeta { name: "a", text: &text }, &config, &NoFiles);
    let drafts = ["one", "two"].map(|path| {
        let action = Action::MakeDir { path: path.into(), dir: None, parents: true };
        Draft::new(action, Span::default())
    });
    let hosts = ["a@one".to_owned(), "a@two".to_owned()];
    let units = compiler.units(&StepId("s".into()), &hosts, &drafts, None, |draft| WayBack::Own.of(draft));
    let ids: Vec<_> = units.iter().map(|unit| (unit.id.0.as_str(), unit.host.as_str())).collect();
    assert_eq!(
        ids,
        [("s/1@a@one", "a@one"), ("s/2@a@one", "a@one"), ("s/1@a@two", "a@two"), ("s/2@a@two", "a@two")]
    );
}
