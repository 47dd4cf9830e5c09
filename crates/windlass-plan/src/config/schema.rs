//! The JSON Schema of `windlass.toml` and of the front matter, generated from types that mirror what is read.
//!
//! The types exist for the schema only: reading by serde would stop at the first problem, so the reading is done by
//! hand beside them. A test holds the two together, key by key.

use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::Value;
use std::collections::BTreeMap;

/// The JSON Schema (draft 2020-12) of `windlass.toml`; `#/$defs/FrontMatter` is that of the header of a release
/// document.
#[must_use]
pub fn config_schema() -> String {
    let schema = SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<WindlassToml>();
    let mut schema = schema.to_value();
    let front = windlass_document::front_matter_schema();
    let mut front: Value = serde_json::from_str(&front).expect("the schema of the header is JSON");
    // With an id of its own, its references stay inside of it.
    front["$id"] = "windlass:front-matter".into();
    schema["$defs"]["FrontMatter"] = front;
    let mut text = serde_json::to_string_pretty(&schema).expect("a schema is plain JSON");
    text.push('\n');
    text
}

/// A duration: a whole number and a unit, or 0.
#[derive(JsonSchema)]
#[schemars(inline)]
struct Duration(#[schemars(regex(pattern = r"^(0|[0-9]+(ms|s|m|h|d))$"))] String);

/// Inventory and policy of a team; `windlass.<env>.toml` beside it overrides per environment.
#[derive(JsonSchema)]
#[schemars(title = "windlass.toml", deny_unknown_fields)]
struct WindlassToml {
    /// What steps run on, by name.
    target: Option<BTreeMap<String, Target>>,
    /// Services, by name.
    service: Option<BTreeMap<String, Service>>,
    policy: Option<Policy>,
}

/// Hosts with a folder, or a database or store by URL.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Target {
    /// `user@host`; absent: this machine.
    hosts: Option<Vec<String>>,
    /// Working folder.
    dir: Option<String>,
    /// `postgres://`, `mysql://`, `sqlite:`, `s3://`, or where the URL is. Never with a password in it.
    url: Option<SecretOrText>,
    /// What a secret `url` leads to.
    kind: Option<UrlKind>,
}

#[derive(JsonSchema)]
#[schemars(untagged)]
enum SecretOrText {
    Text(String),
    Secret(Secret),
}

/// Where a value comes from when it must not be written down: exactly one.
#[derive(JsonSchema)]
#[schemars(rename_all = "lowercase")]
enum Secret {
    /// An environment variable of the controller.
    Env(String),
    /// A file; one line end at its end is taken off.
    File(String),
    /// Standard output of a command; one line end at its end is taken off.
    Command(String),
}

#[derive(JsonSchema)]
#[schemars(rename_all = "lowercase")]
enum UrlKind {
    Sqlite,
    Postgresql,
    Mysql,
    S3,
}

/// A service; exactly one of `run`, `compose` and `systemd` says what runs it.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Service {
    /// Name of a target with hosts.
    on: String,
    /// A plain process: program and arguments; `{port}` stands for the port of the instance.
    run: Option<Vec<String>>,
    /// A compose file.
    compose: Option<String>,
    /// A systemd unit.
    systemd: Option<String>,
    /// URL that answers 2xx when the service is healthy; `{port}` stands for the port of the instance.
    health: Option<String>,
    /// How it is replaced (default: recreate).
    strategy: Option<Strategy>,
    proxy: Option<Proxy>,
    /// Health has to stay green this long (default: 1s).
    stable: Option<Duration>,
    /// Health has to be green within this time (default: 30s).
    start_within: Option<Duration>,
    /// Time between SIGTERM and SIGKILL (default: 10s).
    stop_within: Option<Duration>,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "lowercase")]
enum Strategy {
    Recreate,
    Rolling,
    Bluegreen,
    Canary,
}

/// The proxy in front of a service.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Proxy {
    /// Address and port that clients use.
    listen: String,
    /// How long a request may be held (default: 30s).
    hold: Option<Duration>,
    /// How long old connections may finish (default: 30s).
    drain: Option<Duration>,
}

/// When and by whom a release may run.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Policy {
    /// IANA time zone of `window` and `freeze`.
    timezone: Option<String>,
    /// A release may start only in one of these: `Mon-Thu 02:00-04:00`, `Sun 23:00-01:00`.
    window: Option<Vec<String>>,
    /// Days on which none may start: `Fri`, `holiday:CN`, `holiday-eve:CN`.
    freeze: Option<Vec<String>>,
    approve: Option<Approve>,
    budget: Option<Budget>,
    keep: Option<Keep>,
    watch: Option<Watch>,
}

/// Approvals that a plan needs.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Approve {
    /// How many people (default: 1).
    #[schemars(range(min = 1))]
    count: Option<u32>,
    /// Who does not count.
    not: Option<NotWho>,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "lowercase")]
enum NotWho {
    Author,
}

/// What a release may cost.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Budget {
    /// Time in which requests fail.
    downtime: Option<Duration>,
    /// Time that a rollback may take.
    rollback: Option<Duration>,
}

/// How long things are kept.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Keep {
    backup: Option<Duration>,
    record: Option<Duration>,
}

/// What is watched after a release.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Watch {
    /// How long.
    r#for: Duration,
    /// `<70%`
    cpu: Option<String>,
    /// `<80%`
    memory: Option<String>,
    /// `<80%`
    disk: Option<String>,
    /// `<500ms`
    p95: Option<String>,
    /// `<0.1%`
    errors: Option<String>,
}
