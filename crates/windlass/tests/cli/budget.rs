//! Downtime as a user sees it: measured from outside while a release runs, and held to a budget.

use crate::{
    proxy::serve_service,
    sealed::{Project, Running, wait_for},
};
use rustix::process::Signal;
use serde_json::Value;
use std::net::TcpListener;

// Perl is part of every Debian. While the file `closed` is there, a new instance does not listen yet.
const SERVER: &str = r#"
use IO::Socket::INET;
select undef, undef, undef, 0.01 while -e "closed";
my $s = IO::Socket::INET->new(Listen => 50, LocalAddr => "127.0.0.1", LocalPort => $ARGV[0], ReuseAddr => 1) or die;
while (my $c = $s->accept) { <$c>; print $c "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"; close $c }
"#;

const RESTART: &str = "---
release: 2.0.0
---
# Booking

```sh {#restart on=app}
windlass service restart web
```
";

/// A service with a port of its own and nothing in front of it, in version 1, whose next instance will not listen yet.
fn plain(policy: &str) -> Project {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let project = configured(&format!(
        "run = [\"perl\", \"server.pl\", \"{port}\"]\nhealth = \"http://127.0.0.1:{port}/health\"\n{policy}"
    ));
    project.run(&["service", "start", "web", "--version", "1.0.0"]).code(0);
    project.write("closed", "");
    project
}

fn configured(service: &str) -> Project {
    let project = Project::empty();
    project.write("server.pl", SERVER);
    project.write("release.md", RESTART);
    project.write(
        "windlass.toml",
        format!("[target.app]\ndir = \".\"\n\n[service.web]\non = \"app\"\nstable = \"50ms\"\n{service}\n"),
    );
    project
}

fn open(project: &Project) {
    std::fs::remove_file(project.path("closed")).unwrap();
}

fn downtime(project: &Project) -> Value {
    let said = project.run(&["show", "--json"]);
    if said.code == Some(0) { said.json()["downtime"].clone() } else { Value::Null }
}

fn down_ms(project: &Project) -> u64 {
    downtime(project)["services"]["web"]["down_ms"].as_u64().unwrap_or(0)
}

fn down_for(project: &Project, ms: u64) {
    wait_for("downtime is recorded", || down_ms(project) >= ms);
}

fn record(project: &Project) -> String {
    project.run(&["record"]).code(0).stdout
}

/// The service is stopped at the end, whatever became of the test.
struct Web<'a>(&'a Project);

impl Drop for Web<'_> {
    fn drop(&mut self) {
        self.0.run(&["service", "stop", "web"]);
    }
}

fn apply(project: &Project) -> Running {
    project.start(&["apply", "release.md", "--yes"])
}

#[test]
fn downtime_is_measured_and_stands_in_show_and_record() {
    let project = plain("[policy]\nbudget = { downtime = \"60s\", rollback = \"60s\" }");
    let _web = Web(&project);
    let plan = project.run(&["plan", "release.md"]).code(0).stdout;
    assert!(plan.contains("Downtime: web is asked at http://127.0.0.1:"), "{plan}");
    assert!(plan.contains("Downtime budget: 1m"), "{plan}");
    let run = apply(&project);
    down_for(&project, 300);
    open(&project);
    run.end().code(0).says(&["web was down for", "budget 1m"]);
    let seen = downtime(&project);
    let web = &seen["services"]["web"];
    assert!(web["down_ms"].as_u64().unwrap() >= 300 && web["down_since_at_ms"].is_null(), "{seen}");
    assert_eq!((&web["down_before"], &seen["exceeded"]), (&Value::Bool(false), &Value::Null), "{seen}");
    assert!(web["why"].as_str().unwrap().contains("refused"), "{seen}");
    assert!(record(&project).contains("| Downtime seen | web was down for "), "{}", record(&project));
    let shown = project.run(&["show"]).code(0).stdout;
    assert!(shown.contains("Downtime") && shown.contains("web was down for"), "{shown}");
}

/// With no downtime allowed at all: what the proxy holds is none.
#[test]
fn a_held_request_is_no_downtime() {
    let project = configured(
        "run = [\"perl\", \"server.pl\", \"{port}\"]\nhealth = \"http://127.0.0.1:{port}/health\"\n\
         proxy = { listen = \"127.0.0.1:0\", hold = \"20s\", drain = \"1s\" }\n[policy]\nbudget = { downtime = \"0\" }",
    );
    let (proxy, _) = serve_service(&project, "web");
    let _web = Web(&project);
    project.run(&["service", "start", "web", "--version", "1.0.0"]).code(0);
    project.write("closed", "");
    let run = apply(&project);
    wait_for("requests are held", || {
        let status = project.run(&["proxy", "status", "web", "--json"]).json();
        status["holding_ms"].as_u64() > Some(300)
    });
    open(&project);
    run.end().code(0);
    let shown = project.run(&["show", "--json"]).code(0).json();
    assert!(shown["held"]["total_ms"].as_u64().unwrap() >= 300, "{shown}");
    assert_eq!(shown["held"]["requests"], 0, "what looks from outside is no user: {shown}");
    let web = &shown["downtime"]["services"]["web"];
    assert_eq!((&web["down_ms"], &web["down_before"]), (&0.into(), &false.into()), "{shown}");
    let record = record(&project);
    assert!(record.contains("web: no request failed") && record.contains("traffic was held for"), "{record}");
    project.run(&["proxy", "stop", "web"]).code(0);
    proxy.end().code(0);
}

#[test]
fn a_killed_controller_loses_little_and_the_next_one_adds_its_part() {
    let project = plain("");
    let _web = Web(&project);
    let run = apply(&project);
    down_for(&project, 300);
    run.signal(Signal::KILL);
    run.end();
    let before = down_ms(&project);
    let shown = project.run(&["show"]).code(0).stdout;
    assert!(shown.contains("not measured since"), "{shown}");
    let run = project.start(&["resume"]);
    down_for(&project, before + 200);
    open(&project);
    run.end().code(0);
    let seen = downtime(&project);
    assert!(seen["services"]["web"]["down_ms"].as_u64().unwrap() >= before + 200, "{seen}");
    assert!(seen["not_measured_ms"].as_u64().unwrap() > 0, "{seen}");
    assert!(record(&project).contains("in which no controller worked on it"), "{}", record(&project));
}

#[test]
fn what_was_down_before_the_release_is_told_and_not_counted() {
    let project = plain("[policy]\nbudget = { downtime = \"0\" }");
    project.run(&["service", "stop", "web"]).code(0);
    open(&project);
    let _web = Web(&project);
    apply(&project).end().code(0).says(&["web does not answer before the release"]);
    let seen = downtime(&project);
    assert_eq!(seen["services"]["web"]["down_ms"], 0, "{seen}");
    assert_eq!(seen["services"]["web"]["down_before"], true, "{seen}");
    assert!(record(&project).contains("it did not answer before the release"), "{}", record(&project));
}

#[test]
fn a_release_that_is_down_for_longer_than_its_budget_goes_back() {
    let project = plain("[policy]\nbudget = { downtime = \"1h\", rollback = \"1ms\" }");
    let _web = Web(&project);
    // The smaller of the two counts.
    project.write("release.md", RESTART.replacen("release:", "downtime: 300ms\nrelease:", 1));
    let run = apply(&project);
    wait_for("the budget is exceeded", || !downtime(&project)["exceeded"].is_null());
    open(&project);
    run.end().code(1).says(&[
        "going back",
        "failed and undone",
        "the downtime budget of 300ms was exceeded at restart/1",
        "more than the budget of 1ms",
    ]);
    let seen = downtime(&project);
    let exceeded = &seen["exceeded"];
    assert_eq!((&exceeded["service"], &exceeded["unit"]), (&"web".into(), &"restart/1".into()), "{seen}");
    assert!(exceeded["down_ms"].as_u64().unwrap() > 300 && exceeded["since_at_ms"].is_i64(), "{seen}");
    assert_eq!((&seen["budget_ms"], &seen["way_back"]["exceeded"]), (&300.into(), &true.into()), "{seen}");
    let instances = project.run(&["service", "status", "web", "--json"]).code(0).json();
    assert_eq!(instances["instances"][0]["version"], "1.0.0", "{instances}");
    let record = record(&project);
    assert!(record.contains("exceeded at restart/1: requests of web had failed for"), "{record}");
    assert!(record.contains("| Way back |"), "{record}");
}

/// A person who wanted to be asked decides; going on leaves what was done as it is, and the budget asks no second time.
#[test]
fn a_person_may_go_on_in_spite_of_the_budget() {
    let project = plain("[policy]\nbudget = { downtime = \"250ms\" }");
    let _web = Web(&project);
    project.write(
        "release.md",
        format!("{RESTART}```sh {{#mark on=app undo=mark}}\necho two > marker\n```\n")
            .replace("undo=mark", "irreversible"),
    );
    let run = project.start(&["apply", "release.md", "--yes", "--on-failure=stop"]);
    wait_for("the budget is exceeded", || !downtime(&project)["exceeded"].is_null());
    open(&project);
    run.end().code(3).says(&["the downtime budget is 250 ms", "windlass decide skip restart/1"]);
    assert!(!project.path("marker").exists());
    project.run(&["decide", "skip", "restart/1", "--reason", "users were told"]).code(0);
    assert_eq!(project.read("marker"), "two\n");
    let units = project.run(&["show", "--json"]).code(0).json()["units"].clone();
    assert_eq!(units[0]["state"], "applied", "{units}");
}
