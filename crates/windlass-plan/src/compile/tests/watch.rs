//! What is watched around the changes.

use super::*;
fn plan_with(body: &str, toml: &str) -> Plan {
    let (plan, findings) = compiled_with(&document(body), &config(toml), &NoFiles);
    plan.unwrap_or_else(|| panic!("a plan is expected: {findings:#?}"))
}

const WATCHED: &str = "[policy]\nwatch = { for = \"15m\", cpu = \"<70%\", p95 = \"<500ms\" }\n";

#[test]
fn a_watch_stands_around_the_changes_and_before_what_runs_days_later() {
    let toml = format!(
        "[target.app]\n[service.api]\non = \"app\"\nrun = [\"./api\", \"{{port}}\"]\nproxy = {{ listen = \"0.0.0.0:80\" }}\n{WATCHED}"
    );
    let body = "```sh {#look on=app readonly}\ntrue\n```\n\
                ```sh {#restart on=app}\nwindlass service restart api\n```\n\
                ```sh {#later on=app after=7d}\nrm -r old\n```\n";
    let plan = plan_with(body, &toml);
    let ids: Vec<_> = plan.steps.iter().map(|step| step.id.0.as_str()).collect();
    assert_eq!(ids, ["look", "measure", "restart", "watch", "later"]);
    let Action::Watch(what) = &plan.steps[3].units[0].action else { panic!("{:?}", plan.steps[3]) };
    assert_eq!((what.for_ms, what.limits.cpu, what.limits.p95_ms), (Some(900_000), Some(70_000), Some(500)));
    assert!(what.services.contains("api") && what.places["app"].contains("local"));
    assert_eq!(plan.steps[3].class, Class::Readonly);
    // Nothing changes, or nothing is said: nothing is watched.
    let quiet = plan_with("```sh {#look on=app readonly}\ntrue\n```\n", &toml);
    assert_eq!(quiet.steps.len(), 1);
    let plan = plan_with(body, &toml.replace(WATCHED, ""));
    assert_eq!(plan.steps.len(), 3);
    // Requests alone, and no service with a proxy: there is nothing to watch.
    let plan = plan_with(
        "```sh {on=app}\nmkdir x\n```\n",
        "[target.app]\n[policy]\nwatch = { for = \"1m\", errors = \"<1%\" }\n",
    );
    assert_eq!(plan.steps.len(), 1);
}
