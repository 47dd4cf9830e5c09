//! `windlass proxy` and `windlass service` as commands; what they do is tested where it is done.

use crate::sealed::{Project, Running, wait_for};
use rustix::process::Signal;
use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
};

// Perl is part of every Debian; the service only has to accept connections.
const CONFIG: &str = r#"
[target.app]
dir = "."

[service.booking]
on = "app"
run = ["./server", "--port", "{port}"]
health = "http://127.0.0.1:{port}/health"
proxy = { listen = "127.0.0.1:0", hold = "20s", drain = "1s" }

[service.plain]
on = "app"
run = ["perl", "-MIO::Socket::INET", "-e", """
  my $s = IO::Socket::INET->new(Listen => 5, LocalAddr => "127.0.0.1", LocalPort => $ARGV[0]) or die;
  while (my $c = $s->accept) { close $c }
""", "{port}"]
stable = "100ms"
"#;

/// Answers every request with `body`.
fn upstream(body: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = [0; 4096];
            // A health check may only connect.
            if stream.read(&mut request).is_ok_and(|n| n > 0) {
                let answer = format!(
                    "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                    body.len()
                );
                let _ = stream.write_all(answer.as_bytes());
            }
        }
    });
    address
}

fn get(address: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn serve(project: &Project) -> (Running, String) {
    serve_service(project, "booking")
}

pub fn serve_service(project: &Project, service: &str) -> (Running, String) {
    let running = project.start(&["proxy", "run", service]);
    let mut listen = String::new();
    wait_for("the proxy answers", || {
        let said = project.run(&["proxy", "status", service, "--json"]);
        if said.code == Some(0) {
            listen = said.json()["listen"].as_str().unwrap().to_owned();
        }
        said.code == Some(0)
    });
    (running, listen)
}

#[test]
fn the_proxy_is_run_told_and_ended_by_commands() {
    let project = Project::empty();
    project.write("windlass.toml", CONFIG);
    let (running, listen) = serve(&project);
    let switch = format!("1.0={}", upstream("one"));
    project.run(&["proxy", "switch", "booking", &switch, "--resume"]).code(0);
    assert!(get(&listen).ends_with("one"));

    project.run(&["proxy", "hold", "booking"]).code(0);
    let held = std::thread::spawn({
        let listen = listen.clone();
        move || get(&listen)
    });
    wait_for("a request waits", || {
        project.run(&["proxy", "status", "booking", "--json"]).json()["waiting"] == 1
    });
    assert!(project.run(&["proxy", "status", "booking"]).code(0).stdout.contains("1 waiting"));
    project.run(&["proxy", "resume", "booking"]).code(0);
    assert!(held.join().unwrap().ends_with("one"));

    project.run(&["proxy", "switch", "booking", "no-address"]).code(2).says(&["VERSION=HOST:PORT"]);
    project.run(&["proxy", "stop", "booking"]).code(0);
    running.end().code(0);
    project.run(&["proxy", "status", "booking"]).code(4).says(&["no proxy runs", "windlass proxy run"]);
}

#[test]
fn a_second_proxy_is_refused_and_take_over_replaces_the_first() {
    let project = Project::empty();
    project.write("windlass.toml", CONFIG);
    let (first, listen) = serve(&project);
    project.run(&["proxy", "run", "booking"]).code(4).says(&["already runs", "take-over"]);
    let second = project.start(&["proxy", "run", "booking", "--take-over"]);
    first.end().code(0);
    let status = project.run(&["proxy", "status", "booking", "--json"]).code(0).json();
    assert_eq!(status["listen"], listen.as_str());
    second.signal(Signal::TERM);
    second.end().code(0);
}

#[test]
fn services_that_are_not_there_are_named() {
    let project = Project::empty();
    project.write("windlass.toml", CONFIG);
    project.run(&["service", "status", "bookin"]).code(2).says(&["no service `bookin`", "booking"]);
    project.run(&["proxy", "run", "plain"]).code(2).says(&["has no proxy", "listen"]);
}

#[test]
fn a_plain_service_is_started_shown_and_stopped() {
    let project = Project::empty();
    project.write("windlass.toml", CONFIG);
    project.run(&["service", "start", "plain"]).code(2).says(&["--version"]);
    project.run(&["service", "start", "plain", "--version", "1.0"]).code(0);
    let status = project.run(&["service", "status", "plain", "--json"]).code(0).json();
    assert_eq!(
        (&status["instances"][0]["version"], &status["instances"][0]["phase"]),
        (&"1.0".into(), &"running".into())
    );
    let stopped = project.run(&["service", "stop", "plain", "--json"]).code(0).json();
    assert_eq!(stopped["changed"], true);
    assert!(project.run(&["service", "stop", "plain"]).code(0).stdout.contains("nothing to do"));
}

/// The proxy died, which is when a person wants to stop what is behind it. A start would get no requests.
#[test]
fn a_service_whose_proxy_was_killed_can_be_stopped_by_hand() {
    let project = Project::empty();
    let proxied = "stable = \"100ms\"\nproxy = { listen = \"127.0.0.1:0\", drain = \"1s\" }";
    project.write("windlass.toml", CONFIG.replace("stable = \"100ms\"", proxied));
    let (proxy, _) = serve_service(&project, "plain");
    project.run(&["service", "start", "plain", "--version", "1.0"]).code(0);
    proxy.signal(Signal::KILL);
    proxy.end();

    let said = project.run(&["service", "restart", "plain"]).code(4).stderr;
    for words in ["does not run", "windlass proxy run", "plain: Connection refused"] {
        assert_eq!(said.matches(words).count(), 1, "{words} in:\n{said}");
    }
    let stopped = project.run(&["service", "stop", "plain"]).code(0).says(&["its proxy does not run"]);
    assert!(stopped.stdout.contains("plain stopped: instance"), "{}", stopped.stdout);
    let instances =
        || project.run(&["service", "status", "plain", "--json"]).code(0).json()["instances"].clone();
    assert_eq!(
        (&instances()[0]["phase"], &instances()[0]["pid"]),
        (&"stopped".into(), &serde_json::Value::Null)
    );

    project.run(&["service", "start", "plain"]).code(4).says(&["windlass proxy run plain"]);
    assert_eq!(instances()[0]["pid"], serde_json::Value::Null, "nothing was started");
    let (proxy, _) = serve_service(&project, "plain");
    project.run(&["service", "start", "plain"]).code(0);
    project.run(&["service", "stop", "plain"]).code(0).says(&["requests are held up to"]);
    proxy.signal(Signal::TERM);
    proxy.end().code(0);
}

#[test]
fn a_run_that_stopped_while_requests_are_held_says_so_and_its_rollback_lets_them_go() {
    let project = Project::empty();
    project.write("windlass.toml", CONFIG);
    let steps = "```sh {#stop on=app}\nwindlass service stop booking\n```\n\n```sh {#look on=app readonly}\nfalse\n```\n\n\
                 ```sh {#start on=app}\nwindlass service start booking\n```\n";
    project.write("release.md", format!("---\nrelease: 1.1\n---\n\n{steps}"));
    let (running, _) = serve(&project);
    let said = project.run(&["apply", "release.md", "--yes", "--on-failure=stop"]).code(3);
    let held = ["Held now    traffic to booking since", "windlass proxy resume booking"];
    said.says(&held);
    let shown = project.run(&["status"]).code(0).stdout;
    assert!(held.iter().all(|words| shown.contains(words)), "{shown}");
    let json = project.run(&["status", "--json"]).code(0).json();
    assert_eq!(
        (&json["holding"][0]["service"], &json["holding"][0]["waiting"]),
        (&"booking".into(), &0.into())
    );
    assert_eq!(json["holding"][0]["hold_ms"], 20_000);
    project.run(&["rollback", "--yes"]).code(0);
    let json = project.run(&["status", "--json"]).code(0).json();
    assert_eq!(json["holding"], serde_json::json!([]), "the way back let them go");
    running.signal(Signal::TERM);
    running.end().code(0);
    assert!(
        !project.run(&["status"]).code(0).stdout.contains("Held now"),
        "a proxy that is gone holds nothing"
    );
}

/// What the proxy says to a request of this method.
fn ask(listen: &str, method: &str) -> String {
    let mut stream = TcpStream::connect(listen).unwrap();
    let request = format!("{method} / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.lines().next().unwrap_or_default().to_owned()
}

/// Between `on` and `off` something fails, or the controller is killed: writes pass again.
#[test]
fn writes_are_refused_during_a_step_of_a_document_and_pass_again_whatever_becomes_of_it() {
    let project = Project::empty();
    project.write("windlass.toml", CONFIG);
    let (proxy, listen) = serve(&project);
    let switch = format!("1.0={}", upstream("one"));
    project.run(&["proxy", "switch", "booking", &switch, "--resume"]).code(0);
    let (ok, refused) = ("HTTP/1.1 200 OK", "HTTP/1.1 503 Service Unavailable");
    let both = |listen: &str| (ask(listen, "GET"), ask(listen, "POST"));
    let document = |last: &str| {
        format!(
            "---\nrelease: 2\n---\n```sh {{#quiet on=app}}\nwindlass service readonly booking on\n```\n\
             ```sh {{#migrate on=app}}\ncp windlass.toml copy\n```\n- [ ] looked at\n\n{last}"
        )
    };
    let open = "```sh {#open on=app}\nwindlass service readonly booking off\n```\n";
    project.write("release.md", document(open));
    let plan = project.run(&["plan", "release.md"]).code(0).stdout;
    assert!(plan.contains("reads pass") && plan.contains("what it was before"), "{plan}");
    // It waits for the person, and meanwhile nobody writes; also when the proxy is started anew.
    project.run(&["apply", "release.md", "--yes"]).code(3);
    assert_eq!(both(&listen), (ok.into(), refused.into()));
    assert!(
        project.run(&["service", "status", "booking"]).code(0).stdout.contains("writes are answered 503")
    );
    project.run(&["rollback", "--yes"]).code(0);
    assert_eq!(both(&listen), (ok.into(), ok.into()));

    for (last, fault, code) in [
        (open, None, 0),
        ("```sh {#look on=app readonly}\nfalse\n```\n", None, 1),
        (open, Some("crash-after:quiet/1"), 0),
        (open, Some("crash-before:open/1"), 0),
    ] {
        project.write("release.md", document(last));
        let apply = ["apply", "release.md", "--yes", "--confirm", "all"];
        match fault {
            None => drop(project.run(&apply).code(code)),
            Some(fault) => {
                assert_eq!(project.run(&[&apply[..], &["--fault", fault]].concat()).code, None);
                assert_eq!(both(&listen), (ok.into(), refused.into()), "{fault}");
                project.run(&["resume", "--confirm", "all"]).code(code);
            }
        }
        assert_eq!(both(&listen), (ok.into(), ok.into()), "{fault:?}");
        if code == 0 {
            project.run(&["rollback", "--yes"]).code(0);
        }
        assert_eq!(both(&listen), (ok.into(), ok.into()), "{fault:?}, taken back");
    }
    project.write("release.md", document(""));
    project.run(&["check", "release.md"]).says(&["mode-left-on"]);
    let said = project.run(&["service", "maintenance", "booking", "on"]).code(0).stdout;
    assert!(said.contains("all requests are answered 503"), "{said}");
    assert_eq!(both(&listen), (refused.into(), refused.into()));
    proxy.signal(Signal::TERM);
    proxy.end().code(0);
}
