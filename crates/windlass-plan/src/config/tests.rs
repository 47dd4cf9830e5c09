use super::*;
use crate::{Canary, Class, ProxyFront, Requirement, Runner, Secret, Store, Strategy, UrlKind, Value};
use windlass_document::Urgency;

fn sources(texts: &[&str]) -> Vec<ConfigSource> {
    let names = ["windlass.toml", "windlass.production.toml"];
    texts
        .iter()
        .zip(names)
        .map(|(text, name)| ConfigSource { name: name.to_owned(), text: (*text).to_owned() })
        .collect()
}

fn good(texts: &[&str]) -> Config {
    let (config, findings) = parse_config(&sources(texts));
    assert_eq!(findings, [], "no findings expected");
    config
}

/// `rule line:column` and the marked text of each finding.
fn bad(text: &str) -> Vec<(String, String)> {
    let (_, findings) = parse_config(&sources(&[text]));
    let shown = |found: &ConfigFinding| {
        let span = found.finding.span;
        let Position { line, column, byte } = found.position;
        assert_eq!(byte, span.start);
        (format!("{} {line}:{column}", found.finding.rule), text[span.start..span.end].to_owned())
    };
    findings.iter().map(shown).collect()
}

/// One finding expected: its rule, the marked text and its words.
fn one(text: &str) -> (String, String, String) {
    let (_, findings) = parse_config(&sources(&[text]));
    let [found] = &findings[..] else { panic!("one finding expected: {findings:#?}") };
    let marked = &text[found.finding.span.start..found.finding.span.end];
    let words = format!("{} | {}", found.finding.message, found.finding.help);
    (found.finding.rule.clone(), marked.to_owned(), words)
}

const WHOLE: &str = r#"
[target.app]
hosts = ["deploy@10.0.0.1", "deploy@10.0.0.2"]
dir = "/srv/biz-core"

[target.db]
url = { env = "DATABASE_URL" }
kind = "mysql"

[target.measurement]
url = "s3://jm-measurement-data"

[service.biz-core]
on = "app"
compose = "docker-compose.yml"
health = "http://localhost:8080/health"
strategy = "recreate"
proxy = { listen = "0.0.0.0:8080", hold = "30s", drain = "20s" }

[service.worker]
on = "app"
run = ["./worker", "--port", "{port}"]
stable = "2s"
start_within = "1m"
stop_within = "500ms"
uses = ["db"]

[policy]
timezone = "Asia/Shanghai"
window = ["Mon-Thu 02:00-04:00", "Sun 23:00-01:00"]
freeze = ["Fri", "Sat", "holiday-eve:CN"]
approve = { count = 1, not = "author" }
budget = { downtime = "5s", rollback = "30s" }
keep = { backup = "7d", record = "90d" }
watch = { for = "15m", cpu = "<70%", memory = "<80%", disk = "<80%", p95 = "<500ms", errors = "<0.1%" }
"#;

#[test]
fn the_whole_configuration_of_the_design_is_read() {
    let config = good(&[WHOLE]);
    assert_eq!(
        config.targets["app"],
        Target::Hosts {
            hosts: vec!["deploy@10.0.0.1".into(), "deploy@10.0.0.2".into()],
            dir: Some("/srv/biz-core".into()),
            ssh_config: None,
        }
    );
    let url = Value::Secret(Secret::Env("DATABASE_URL".into()));
    assert_eq!(config.targets["db"], Target::Url { url, kind: UrlKind::Mysql });
    let store = Store { bucket: "jm-measurement-data".into(), ..Store::default() };
    assert_eq!(config.targets["measurement"], Target::Store(store));

    let core = &config.services["biz-core"];
    assert_eq!(core.runner, Runner::Compose("docker-compose.yml".into()));
    assert_eq!(core.strategy, Strategy::Recreate);
    let front = ProxyFront { listen: "0.0.0.0:8080".into(), hold_ms: 30_000, drain_ms: 20_000, server: None };
    assert_eq!(core.proxy, Some(front));
    assert_eq!(
        (core.stable_ms, core.start_within_ms, core.stop_within_ms),
        (1_000, 30_000, 10_000),
        "defaults"
    );
    let worker = &config.services["worker"];
    assert_eq!(worker.runner, Runner::Run(vec!["./worker".into(), "--port".into(), "{port}".into()]));
    assert_eq!((worker.stable_ms, worker.start_within_ms, worker.stop_within_ms), (2_000, 60_000, 500));
    assert!(core.may_use("db") && worker.may_use("db"));
    assert!(core.may_use("measurement") && !worker.may_use("measurement"), "absent: all");

    let policy = &config.policy;
    assert_eq!(policy.timezone.as_deref(), Some("Asia/Shanghai"));
    assert_eq!(policy.window.len(), 2);
    assert_eq!(policy.freeze[2], Freeze::HolidayEve("CN".into()));
    let approval = Approval { count: 1, not_author: true, signers: None, expire_ms: None };
    assert_eq!(policy.approve, Some(approval));
    assert_eq!(policy.budget, crate::Budget { downtime_ms: Some(5_000), rollback_ms: Some(30_000) });
    assert_eq!(policy.keep.backup_ms, Some(7 * 86_400_000));
    let watch = policy.watch.as_ref().unwrap();
    assert_eq!((watch.for_ms, watch.guards.len()), (900_000, 5));
    assert_eq!(watch.guards[4].below, Limit::Millipercent(100));
}

#[test]
fn nothing_is_a_configuration_too() {
    assert_eq!(good(&[]), Config::default());
    assert_eq!(good(&[""]), Config::default());
    assert_eq!(
        good(&["[target.here]"]).targets["here"],
        Target::Hosts { hosts: vec![], dir: None, ssh_config: None }
    );
}

#[test]
fn an_environment_is_laid_over_key_by_key() {
    let production = r#"
[target.app]
hosts = ["deploy@prod"]
[target.db]
url = { file = "/run/secrets/db" }
[service.biz-core]
systemd = "biz-core"
proxy = { hold = "5s" }
[policy]
freeze = []
"#;
    let config = good(&[WHOLE, production]);
    assert_eq!(
        config.targets["app"],
        Target::Hosts {
            hosts: vec!["deploy@prod".into()],
            dir: Some("/srv/biz-core".into()),
            ssh_config: None
        },
        "lists are replaced, other keys stay"
    );
    let url = Value::Secret(Secret::File("/run/secrets/db".into()));
    assert_eq!(
        config.targets["db"],
        Target::Url { url, kind: UrlKind::Mysql },
        "a secret is replaced as a whole"
    );
    let core = &config.services["biz-core"];
    assert_eq!(core.runner, Runner::Systemd("biz-core".into()), "another runner replaces the one before");
    let front = ProxyFront { listen: "0.0.0.0:8080".into(), hold_ms: 5_000, drain_ms: 20_000, server: None };
    assert_eq!(core.proxy, Some(front), "inline tables are merged too");
    assert_eq!(config.policy.freeze, []);
    assert_eq!(config.policy.window.len(), 2);
}

#[test]
fn how_backups_are_made() {
    let key = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p";
    let config = good(&[&format!(
        "[target.db]\nurl = \"sqlite:a.db\"\nbackup = {{ folder = \"s3://b/p\", recipients = [\"{key}\"], recipients_file = \"keys\", rate = \"2KiB/s\" }}"
    )]);
    let expected = BackupPolicy {
        folder: Some(super::BackupFolder::Bucket { bucket: "b".to_owned(), prefix: "p/".to_owned() }),
        recipients: vec![key.to_owned()],
        recipients_file: Some("keys".to_owned()),
        rate_bytes: Some(2048),
    };
    assert_eq!(config.backups["db"], expected);

    let secret = "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX";
    let text = format!(
        "[target.db]\nurl = \"sqlite:a.db\"\nbackup = {{ recipients = [\"{secret}\", \"ssh-rsa x\"], rate = \"fast\" }}\n\
         [target.app]\nbackup = {{}}"
    );
    let (_, findings) = parse_config(&sources(&[&text]));
    let rules: Vec<_> = findings.iter().map(|found| found.finding.rule.as_str()).collect();
    assert_eq!(rules, ["secret-literal", "config-value", "config-value", "config-conflict"]);
    assert!(!format!("{findings:?}").contains(secret), "a secret is not repeated");
}

#[test]
fn a_url_may_replace_hosts_in_an_environment() {
    let config = good(&["[target.x]\nhosts = [\"a\"]\ndir = \"/srv\"", "[target.x]\nurl = \"sqlite:x.db\""]);
    assert_eq!(
        config.targets["x"],
        Target::Url { url: Value::Plain("sqlite:x.db".into()), kind: UrlKind::Sqlite }
    );
}

#[test]
fn a_target_may_be_called_like_a_key() {
    let config =
        good(&["[target.env]\ndir = \"a\"\n[target.run]\ndir = \"b\"", "[target.file]\ndir = \"c\""]);
    assert_eq!(config.targets.len(), 3);
}

#[test]
fn what_a_service_uses_is_a_database() {
    let text = "[target.app]\ndir = \".\"\n[target.db]\nurl = \"sqlite:a.db\"\n[service.s]\non = \"app\"\nrun = [\"./s\"]\n\
                uses = [\"db\", \"bd\", \"app\"]\n";
    let (_, findings) = parse_config(&sources(&[text]));
    let shown: Vec<_> = findings
        .iter()
        .map(|f| (f.position.line, f.finding.rule.as_str(), f.finding.message.as_str()))
        .collect();
    assert_eq!(
        shown,
        [
            (8, "config-unknown-target", "there is no target `bd`"),
            (8, "config-conflict", "target `app` is no database")
        ]
    );
    assert!(findings[0].finding.help.contains("`db`"), "{}", findings[0].finding.help);
}

#[test]
fn all_problems_at_once_each_in_its_own_file() {
    let base = "[target.app]\nhots = [\"a\"]\n[service.s]\non = \"ap\"\nrun = \"./s\"\n";
    let over = "# 生产\n[policy]\nwindow = [\"Mon 2:00-04:00\"]\nzone = 1\n";
    let (_, findings) = parse_config(&sources(&[base, over]));
    let shown: Vec<_> = findings
        .iter()
        .map(|f| format!("{}:{}:{} {}", f.file, f.position.line, f.position.column, f.finding.rule))
        .collect();
    assert_eq!(
        shown,
        [
            "windlass.toml:2:1 config-unknown-key",
            "windlass.toml:4:6 config-unknown-target",
            "windlass.toml:5:7 config-type",
            "windlass.production.toml:3:11 config-value",
            "windlass.production.toml:4:1 config-unknown-key",
        ]
    );
    assert!(findings[0].finding.help.starts_with("did you mean `hosts`?"), "{}", findings[0].finding.help);
    assert!(findings[1].finding.help.starts_with("did you mean `app`?"), "{}", findings[1].finding.help);
}

#[test]
fn broken_toml_is_an_error_with_a_place_and_the_rest_is_still_read() {
    let found = bad("[target.app]\ndir = \n[target.app2]\ndri = \"x\"\n[service.s]\non = \"app2\"\n");
    let rules: Vec<_> = found.iter().map(|(rule, _)| rule.as_str()).collect();
    assert!(rules.contains(&"config-syntax 2:6") || rules.contains(&"config-syntax 2:7"), "{rules:?}");
    assert!(rules.contains(&"config-unknown-key 4:1"), "{rules:?}");
    assert!(rules.contains(&"config-missing 5:10"), "{rules:?}");
    let found = bad("[target.app]\ndir = \"a\"\ndir = \"b\"\n");
    assert_eq!(found[0].0, "config-syntax 3:1", "duplicate keys are refused");
}

#[test]
fn a_canary_has_the_limits_that_are_watched() {
    let text = "[target.app]\n[service.s]\non = \"app\"\nrun = [\"x\"]\nstrategy = \"canary\"\nproxy = { listen = \"0.0.0.0:80\" }\n\
                canary = { steps = [\"5%\", \"25%\"], watch = \"1m\", requests = 7 }\n\
                [policy]\nwatch = { for = \"15m\", p95 = \"<500ms\", errors = \"<0.1%\" }\n";
    let config = good(&[text]);
    let expected =
        Canary { steps: vec![5, 25], watch_ms: 60_000, requests: 7, p95_ms: Some(500), errors: Some(100) };
    assert_eq!(config.services["s"].canary.as_deref(), Some(&expected));
}

#[test]
fn secrets_have_names_for_statements() {
    let base = "[secret.app]\nfile = \"app.secret\"\n[secret.other]\nenv = \"OTHER\"\n";
    let config = good(&[base, "[secret.app]\nenv = \"APP\"\n"]);
    let wanted = [("app", "APP"), ("other", "OTHER")]
        .map(|(name, env)| (name.to_owned(), Secret::Env(env.to_owned())));
    assert_eq!(config.secrets, wanted.into(), "another place replaces the one of the layer before");
    let (rule, _, words) = one("[secret]\napp = \"hunter2\"\n");
    assert_eq!(rule, "secret-literal");
    assert!(!words.contains("hunter2"), "{words}");
    assert_eq!(one("[secret.app]\nenv = \"A\"\nfile = \"b\"\n").0, "config-conflict");
    assert_eq!(one("[secret.\"a b\"]\nenv = \"A\"\n").0, "config-value");
}

#[test]
fn a_password_in_a_url_is_refused_and_not_repeated() {
    let (rule, marked, words) = one("[target.db]\nurl = \"postgres://app:hunter2@db/orion\"\n");
    assert_eq!((rule.as_str(), marked.as_str()), ("secret-literal", "\"postgres://app:hunter2@db/orion\""));
    assert!(!words.contains("hunter2"), "{words}");
    assert!(words.contains("{ env = \"DATABASE_URL\" }"), "{words}");
}

/// Text (`@`: a right service), rule, marked text, words of the message or the help.
const WRONG: &[(&str, &str, &str, &str)] = &[
    ("[target.t]\nurl = 3\n", "config-type", "3", "a text in quotes"),
    ("[target.t]\nhosts = [\"a\", 4]\n", "config-type", "4", "a text in quotes"),
    ("target = 1\n", "config-type", "1", "a table"),
    ("[target.t]\nurl = \"ftp://x\"\n", "config-value", "\"ftp://x\"", "sqlite:"),
    ("[target.t]\nurl = \"sqlite:\"\n", "config-value", "\"sqlite:\"", "data/app.db"),
    ("[target.t]\nurl = { env = \"A\" }\n", "config-missing", "t", "kind = \"postgresql\""),
    (
        "[target.t]\nurl = { env = \"A\", file = \"b\" }\nkind=\"mysql\"\n",
        "config-conflict",
        "{ env = \"A\", file = \"b\" }",
        "exactly one",
    ),
    ("[target.t]\nurl = \"s3://b\"\ndir = \"x\"\n", "config-conflict", "\"x\"", "two targets"),
    ("[target.t]\nkind = \"mysql\"\n", "config-conflict", "\"mysql\"", "no `url`"),
    ("[target.t]\nurl = \"s3://b/p\"\n", "config-value", "\"s3://b/p\"", "write `s3://BUCKET`"),
    ("[target.t]\nurl = \"s3://\"\n", "config-value", "\"s3://\"", "write `s3://BUCKET`"),
    ("[target.t]\nurl = \"s3://b\"\nhold = \"aside\"\n", "config-value", "\"aside\"", "`/` at its end"),
    (
        "[target.t]\nurl = \"s3://b\"\nendpoint = \"minio:9000\"\n",
        "config-value",
        "\"minio:9000\"",
        "http://HOST",
    ),
    ("[target.t]\nurl = \"s3://b\"\npath_style = \"yes\"\n", "config-type", "\"yes\"", "`true` or `false`"),
    ("[target.t]\nurl = \"sqlite:a.db\"\nhold = \"h/\"\n", "config-conflict", "\"h/\"", "s3://BUCKET"),
    ("[target.t]\nregion = \"r\"\n", "config-conflict", "\"r\"", "s3://BUCKET"),
    ("[target.t]\nurl = \"s3://b\"\nkind = \"mysql\"\n", "config-conflict", "\"mysql\"", "another kind"),
    ("[target.t]\nhosts = [\"-oProxyCommand=x\"]\n", "config-value", "\"-oProxyCommand=x\"", "user@host"),
    ("[target.t]\nhosts = [\"a\", \"a\"]\n", "config-value", "\"a\"", "twice"),
    ("@stable = \"2\"\n", "config-value", "\"2\"", "`500ms`"),
    ("@strategy = \"blue-green\"\n", "config-value", "\"blue-green\"", "did you mean `bluegreen`?"),
    ("@strategy = \"bluegreen\"\n", "config-conflict", "\"bluegreen\"", "proxy"),
    ("@strategy = \"canary\"\n", "config-conflict", "\"canary\"", "proxy"),
    ("@canary = { watch = \"1m\" }\n", "config-conflict", "{ watch = \"1m\" }", "strategy = \"canary\""),
    (
        "@strategy = \"canary\"\nproxy = { listen = \"0.0.0.0:80\" }\ncanary = { steps = [\"50%\", \"10%\"] }\n",
        "config-value",
        "[\"50%\", \"10%\"]",
        "larger",
    ),
    (
        "@strategy = \"canary\"\nproxy = { listen = \"0.0.0.0:80\" }\ncanary = { steps = [\"100%\"] }\n",
        "config-value",
        "[\"100%\"]",
        "99%",
    ),
    (
        "@strategy = \"canary\"\nproxy = { listen = \"0.0.0.0:80\" }\ncanary = { watch = \"0s\" }\n",
        "config-value",
        "\"0s\"",
        "5m",
    ),
    ("@compose = \"c.yml\"\n", "config-conflict", "\"c.yml\"", "`run`, `compose`"),
    ("@health = \"/health\"\n", "config-value", "\"/health\"", "http://localhost"),
    (
        "[target.app]\n[service.s]\non = \"app\"\nrun = [\"x\", \"{port}\"]\nhealth = \"http://localhost:8080/\"\n",
        "config-conflict",
        "\"http://localhost:8080/\"",
        "{port}",
    ),
    ("@proxy = { hold = \"1s\" }\n", "config-missing", "proxy", "listen"),
    ("@proxy = { listen = \"8080\" }\n", "config-value", "\"8080\"", "0.0.0.0:8080"),
    ("@health=\"http://x/\"\nstable = \"1m\"\n", "config-conflict", "\"1m\"", "never get healthy"),
    ("[target.app]\n[service.s]\non = \"app\"\n", "config-missing", "s", "systemd"),
    ("[target.app]\n[service.s]\nrun = [\"x\"]\n", "config-missing", "s", "on = "),
    ("[target.app]\n[service.s]\non = \"app\"\nrun = []\n", "config-value", "[]", "the program"),
    (
        "[target.d]\nurl=\"s3://b\"\n[service.s]\non = \"d\"\nrun = [\"x\"]\n",
        "config-conflict",
        "\"d\"",
        "hosts",
    ),
    (
        "[policy]\ntimezone = \"Asia/Shangai\"\n",
        "config-value",
        "\"Asia/Shangai\"",
        "did you mean `Asia/Shanghai`?",
    ),
    ("[policy]\nfreeze = [\"Fri\"]\n", "config-missing", "policy", "by which clock"),
    (
        "[policy]\nfreeze = [\"2026-11-12..2026-11-09\"]\n",
        "config-value",
        "\"2026-11-12..2026-11-09\"",
        "dates",
    ),
    ("[policy]\nfreeze = [\"holiday:china\"]\n", "config-value", "\"holiday:china\"", "holiday:CN"),
    ("[documents]\nlang = \"de\"\n", "config-value", "\"de\"", "`en`"),
    ("[documents]\nname = \"RELEASE.md\"\n", "config-value", "\"RELEASE.md\"", "DEPLOY_{name}_{date}.md"),
    ("[documents]\nname = \"../{name}.md\"\n", "config-value", "\"../{name}.md\"", "no folder"),
    ("[documents]\nfolder = \"../docs\"\n", "config-value", "\"../docs\"", "without `..`"),
    ("[policy]\napprove = { count = 0 }\n", "config-value", "0", "from 1"),
    (
        "[policy]\nrequire = [\"backup-frist\"]\n",
        "config-value",
        "\"backup-frist\"",
        "did you mean `backup-first`?",
    ),
    ("[policy]\nrequire = [\"rollback:none\"]\n", "config-value", "\"rollback:none\"", "rollback:restore"),
    ("[policy]\nunattended = \"no\"\n", "config-type", "\"no\"", "`true` or `false`"),
    ("[policy]\nwatch = { cpu = \"<70%\" }\n", "config-missing", "watch", "for = "),
    ("[policy]\nwatch = { for = \"1m\", cpu = \"70%\" }\n", "config-value", "\"70%\"", "`<80%`"),
    ("[target.\"a b\"]\n", "config-value", "\"a b\"", "letters"),
];

#[test]
fn wrong_values_name_the_place_and_the_way_out() {
    let service = "[target.app]\n[service.s]\non = \"app\"\nrun = [\"./s\"]\n";
    for (text, rule, marked, words) in WRONG {
        let text = if let Some(rest) = text.strip_prefix('@') {
            format!("{service}{rest}")
        } else {
            (*text).to_owned()
        };
        let found = one(&text);
        assert_eq!((found.0.as_str(), found.1.as_str()), (*rule, *marked), "{text}");
        assert!(found.2.contains(words), "{text}: {}", found.2);
    }
}

/// What a target does not say of batches, the policy says, and then the defaults.
#[test]
fn batches_are_as_gentle_as_target_or_policy_say() {
    let config = good(&[
        "[target.a]\nurl = \"sqlite:a.db\"\nbatch = { share = \"20%\", sessions = 9 }\n[target.b]\nurl = \
                         \"sqlite:b.db\"\n[policy.batch]\ntime = \"2s\"\nwait_while = \"SELECT busy\"\n",
    ]);
    let policy = crate::Throttle {
        time_ms: 2_000,
        wait_while: Some("SELECT busy".into()),
        ..crate::Throttle::default()
    };
    let own = crate::Throttle { share: 20, sessions: Some(9), ..policy.clone() };
    assert_eq!((config.batches, config.policy.batch), ([("a".to_owned(), own)].into(), Some(policy)));
    let bad = one("[target.a]\nurl = \"sqlite:a.db\"\nbatch = { share = \"120%\" }\n");
    assert_eq!((bad.0.as_str(), bad.1.as_str()), ("config-value", "\"120%\""));
    assert_eq!(one("[target.a]\nbatch = { time = \"1s\" }\n").0, "config-conflict");
}

#[test]
fn who_starts_a_release_what_it_must_have_and_where_it_is_done_first() {
    let base = "[policy]\nrequire = [\"backup-first\", \"verify-last\", \"rollback:lossy\"]\n";
    let policy = good(&[base, "[policy]\nunattended = false\nafter = \"staging\"\n"]).policy;
    let required = [Requirement::BackupFirst, Requirement::VerifyLast, Requirement::Rollback(Class::Lossy)];
    assert_eq!(policy.require, required);
    assert_eq!((policy.unattended, policy.after.as_deref()), (Some(false), Some("staging")));
    let silent = good(&[""]).policy;
    assert_eq!((silent.unattended, silent.require, silent.after), (None, Vec::new(), None));
    let due = good(&["[policy]\ndue = { critical = \"4h\", recommended = \"3d\" }\n"]).policy.due;
    let within =
        [Urgency::Critical, Urgency::Recommended, Urgency::Optional].map(|severity| due.within_ms(severity));
    assert_eq!(within, [Some(14_400_000), Some(259_200_000), None]);
    assert_eq!(silent.due.within_ms(Urgency::Critical), None);
}

/// The schema and the reader know the same keys: a key added to one only fails here.
#[test]
fn the_schema_has_the_keys_that_are_read() {
    let schema: serde_json::Value = serde_json::from_str(&config_schema()).unwrap();
    let keys = |of: &str| -> Vec<String> {
        let object = if of.is_empty() { &schema } else { &schema["$defs"][of] };
        assert_eq!(object["additionalProperties"], false, "{of} is closed");
        object["properties"].as_object().unwrap().keys().cloned().collect()
    };
    let sorted = |keys: &[&str]| {
        let mut keys: Vec<_> = keys.iter().map(|key| (*key).to_owned()).collect();
        keys.sort();
        keys
    };
    assert_eq!(keys(""), sorted(&["target", "service", "policy", "documents", "notice", "secret"]));
    assert_eq!(keys("Target"), sorted(target::KEYS));
    assert_eq!(keys("Service"), sorted(service::KEYS));
    assert_eq!(keys("Proxy"), sorted(service::PROXY_KEYS));
    assert_eq!(keys("Canary"), sorted(canary::KEYS));
    assert_eq!(keys("Policy"), sorted(policy::KEYS));
    assert_eq!(keys("Approve"), sorted(policy::APPROVE_KEYS));
    assert_eq!(keys("Due"), sorted(policy::DUE_KEYS));
    assert_eq!(keys("Budget"), sorted(policy::BUDGET_KEYS));
    assert_eq!(keys("Keep"), sorted(policy::KEEP_KEYS));
    assert_eq!(keys("Watch"), sorted(policy::WATCH_KEYS));
    assert_eq!(keys("Batch"), sorted(batch::KEYS));
    assert_eq!(keys("Backup"), sorted(backup::KEYS));
    assert_eq!(keys("Documents"), sorted(documents::KEYS));
    assert_eq!(keys("Notice"), sorted(notice::KEYS));
    assert_eq!(schema["$defs"]["Lang"]["enum"].as_array().unwrap().len(), crate::Lang::ALL.len());
    assert_eq!(
        schema["$defs"]["UrlKind"]["enum"].as_array().unwrap().len(),
        target::KINDS.len(),
        "every kind of URL"
    );
    assert_eq!(schema["$defs"]["Strategy"]["enum"].as_array().unwrap().len(), service::STRATEGIES.len());
}

#[test]
fn this_machine_is_no_host_among_others() {
    let (rule, marked, words) = one("[target.app]\nhosts = [\"localhost\", \"two\"]\n");
    assert_eq!((rule.as_str(), marked.as_str()), ("config-value", "[\"localhost\", \"two\"]"));
    assert!(words.contains("mixes this machine with other hosts"), "{words}");
}

#[test]
fn a_server_of_the_teams_own_in_front() {
    let service = |proxy: &str| {
        format!(
            "[target.app]\n[service.web]\non = \"app\"\nrun = [\"./web\"]\nstrategy = \"bluegreen\"\nproxy = {proxy}\n"
        )
    };
    let config = good(&[&service(
        "{ nginx = \"web.conf\", drain = \"5s\", reload = [\"sudo\", \"x\"], page = \"p.html\" }",
    )]);
    let front = config.services["web"].proxy.clone().unwrap();
    assert_eq!((front.drain_ms, front.title().as_str()), (5_000, "nginx (web.conf)"));
    let server = front.server.unwrap();
    assert_eq!((server.command, server.reload), (vec!["nginx".to_owned()], vec!["sudo".into(), "x".into()]));
    for (proxy, marked) in [
        ("{ nginx = \"web.conf\", hold = \"5s\" }", "\"5s\""),
        ("{ nginx = \"web.conf\", listen = \"0.0.0.0:80\" }", "\"0.0.0.0:80\""),
        ("{ nginx = \"web.conf\", command = [] }", "[]"),
        ("{ nginx = \" \" }", "\" \""),
        ("{ haproxy = \"h.cfg\", hold = \"5s\" }", "\"5s\""),
        ("{ nginx = \"web.conf\", haproxy = \"h.cfg\" }", "\"h.cfg\""),
        ("{ listen = \"0.0.0.0:80\", page = \"p\" }", "\"p\""),
    ] {
        assert_eq!(one(&service(proxy)).1, marked, "{proxy}");
    }
    let config = good(&[&service("{ haproxy = \"h.cfg\" }")]);
    let front = config.services["web"].proxy.clone().unwrap();
    assert_eq!(
        (front.title(), front.server.unwrap().command),
        ("haproxy (h.cfg)".into(), vec!["haproxy".into()])
    );
    let canary = service("{ nginx = \"web.conf\" }").replace("bluegreen", "canary");
    assert_eq!(one(&canary).1, "\"canary\"");
}
