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
    documents: Option<Documents>,
    /// Who is told about releases, by name.
    notice: Option<BTreeMap<String, Notice>>,
    /// Where secrets are that statements refer to as `'${secret.NAME}'`, by name.
    secret: Option<BTreeMap<String, Secret>>,
}

/// Who is told about releases, and when. A notice never fails or delays a release.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Notice {
    kind: NoticeKind,
    /// Where: of a chat service or webhook the address with its token, as a secret; of mail `smtp://HOST` (STARTTLS),
    /// `smtps://HOST` (TLS) or `smtp://localhost` (neither).
    url: SecretOrText,
    /// What requests are signed with: dingtalk, feishu, webhook.
    secret: Option<Secret>,
    /// Account at the mail server.
    user: Option<Secret>,
    /// Its password.
    password: Option<Secret>,
    /// Address that mail comes from.
    from: Option<String>,
    /// Addresses that mail goes to.
    #[schemars(length(min = 1, max = 50))]
    to: Option<Vec<String>>,
    /// When it is told (default: always).
    #[schemars(length(min = 1))]
    on: Option<Vec<Moment>>,
    /// In which language (default: that of `[documents]`, else English).
    lang: Option<Lang>,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "lowercase")]
enum NoticeKind {
    Dingtalk,
    Feishu,
    Wecom,
    Slack,
    Webhook,
    Mail,
}

/// `before`: a run begins, goes on or is taken back. `done`: it is as it was wanted. `failed`: it is not. `waiting`: it
/// waits for a person or a time.
#[derive(JsonSchema)]
#[schemars(rename_all = "lowercase")]
enum Moment {
    Before,
    Done,
    Failed,
    Waiting,
}

/// How release documents, tickets and records are made.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Documents {
    /// Their language (default: that of LC_ALL, LC_MESSAGES or LANG, else English).
    lang: Option<Lang>,
    /// File name that `windlass new` gives a document (default: `DEPLOY_{name}_{date}.md`).
    #[schemars(regex(pattern = r"^[^./\\][^/\\]*\.md$"))]
    name: Option<String>,
    /// Where `windlass new` puts it, from the folder of windlass.toml (default: that folder).
    folder: Option<String>,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "lowercase")]
enum Lang {
    En,
    Zh,
    Ja,
}

/// Hosts with a folder, or a database or store by URL.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Target {
    /// `user@host`; absent: this machine.
    hosts: Option<Vec<String>>,
    /// Working folder; on other hosts relative to the home folder of the user there.
    dir: Option<String>,
    /// The file of `ssh -F` for the hosts, beside `windlass.toml`; absent: the configuration of who runs Windlass.
    ssh_config: Option<String>,
    /// `postgres://`, `mysql://`, `sqlite:`, `s3://`, or where the URL is. Never with a password in it.
    url: Option<SecretOrText>,
    /// What a secret `url` leads to.
    kind: Option<UrlKind>,
    batch: Option<Batch>,
    backup: Option<Backup>,
    /// Of `s3://BUCKET`: its region; absent: as AWS's SDKs find it.
    region: Option<String>,
    /// Of `s3://BUCKET`: the server, if it is not AWS.
    endpoint: Option<String>,
    /// Of `s3://BUCKET`: the profile of the AWS configuration that has the credentials.
    profile: Option<String>,
    /// Of `s3://BUCKET`: whether its name stands in the path of a URL; absent: it does with an `endpoint`.
    path_style: Option<bool>,
    /// Of `s3://BUCKET`: the prefix under which objects are kept that a step overwrites or deletes.
    #[schemars(regex(pattern = "^[^/].*/$"))]
    hold: Option<String>,
}

/// How `windlass backup` makes backups of a database.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Backup {
    /// Where they lie: a folder of this machine, from the folder of windlass.toml, or `s3://BUCKET/FOLDER` of a bucket that is a
    /// target (default: `.windlass/backups`).
    folder: Option<String>,
    /// Public keys of age (`age1…`): backups can be read only with the private key of one of them. Without any key
    /// they are not encrypted.
    recipients: Option<Vec<String>>,
    /// A file with more of them, one a line.
    recipients_file: Option<String>,
    /// Most that is taken from the database in a second, as `20MiB/s`.
    #[schemars(regex(pattern = r"^[0-9]+(KiB|MiB|GiB)/s$"))]
    rate: Option<String>,
}

/// How gently the batches of `batch=` run.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Batch {
    /// A batch should take this long; one that takes longer is followed by smaller ones (default: 500ms).
    time: Option<Duration>,
    /// Part of the time that batches may run in; the rest is pauses (default: 50%).
    #[schemars(regex(pattern = r"^([1-9][0-9]?|100)%$"))]
    share: Option<String>,
    /// Batches wait while a replica is this far behind, where it can be seen (default: 30s).
    lag: Option<Duration>,
    /// Batches wait while more sessions of others are at work.
    #[schemars(range(min = 1))]
    sessions: Option<u32>,
    /// Batches wait while more sessions wait for locks.
    #[schemars(range(min = 1))]
    lock_waits: Option<u32>,
    /// Batches wait while this query answers true, or a number that is not 0.
    wait_while: Option<String>,
    /// Longest wait at a time; then the run stops and asks a person (default: 30m).
    wait_max: Option<Duration>,
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
    canary: Option<Canary>,
    proxy: Option<Proxy>,
    /// Health has to stay green this long (default: 1s).
    stable: Option<Duration>,
    /// Health has to be green within this time (default: 30s).
    start_within: Option<Duration>,
    /// Time between SIGTERM and SIGKILL (default: 10s).
    stop_within: Option<Duration>,
    /// Databases that it works with, by target (default: all).
    uses: Option<Vec<String>>,
    /// URL that is asked every 100 ms during a run to see whether users reach the service (default: the address of the
    /// built-in proxy, or `health` where no proxy is in front, of a service on this machine).
    probe: Option<String>,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "lowercase")]
enum Strategy {
    Recreate,
    Rolling,
    Bluegreen,
    Canary,
}

/// The steps of the strategy `canary`; `p95` and `errors` of `policy.watch` are its limits.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Canary {
    /// Shares of the clients that the new version gets, one after another (default: 10%, 50%); then all.
    steps: Option<Vec<String>>,
    /// Each is watched this long (default: 5m).
    watch: Option<Duration>,
    /// The new version has to have answered so many requests at each (default: 100).
    requests: Option<u32>,
}

/// The proxy in front of a service: the built-in one with `listen`, or an nginx or HAProxy that is there already.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Proxy {
    /// Address and port of the built-in proxy that clients use.
    listen: Option<String>,
    /// The configuration file of an nginx that is there already, with the lines `# windlass begin NAME` and
    /// `# windlass end NAME` inside of an `upstream`. NAME is the service.
    nginx: Option<String>,
    /// The configuration file of an HAProxy that is there already, with the lines `# windlass begin NAME` and
    /// `# windlass end NAME` inside of a `backend`. NAME is the service.
    haproxy: Option<String>,
    /// Its program with the options that it was started with (default: `["nginx"]` or `["haproxy"]`).
    command: Option<Vec<String>>,
    /// What has it read its configuration again (default: `nginx -s reload`, or SIGUSR2 to the master of HAProxy).
    reload: Option<Vec<String>>,
    /// A file that is shown while the service is in maintenance.
    page: Option<String>,
    /// How long a request may be held (default: 30s).
    hold: Option<Duration>,
    /// How long old connections may finish (default: 30s).
    drain: Option<Duration>,
}

/// When and by whom a release may run.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Policy {
    /// IANA time zone of `window` and `freeze`, which need it.
    timezone: Option<String>,
    /// A release may start only in one of these: `Mon-Thu 02:00-04:00`, `Sun 23:00-01:00`.
    window: Option<Vec<String>>,
    /// Days on which none may start: `Fri`, `2026-11-09..2026-11-12`, `holiday:CN`, `holiday-eve:CN`.
    freeze: Option<Vec<String>>,
    /// A file with more public holidays, beside windlass.toml.
    holidays: Option<String>,
    approve: Option<Approve>,
    /// Whether CI jobs and timers may start a release (default: except where the environment is `production` or `prod`).
    unattended: Option<bool>,
    /// What each release must have: `backup-first` (a backup of each database before its first write), `verify-last` (a check
    /// behind the last change), `rollback:exact`, `rollback:lossy` or `rollback:restore` (an undo class no worse than that,
    /// unless its plan is approved).
    require: Option<Vec<String>>,
    /// The environment on which the same document has to be done before.
    after: Option<String>,
    due: Option<Due>,
    budget: Option<Budget>,
    keep: Option<Keep>,
    watch: Option<Watch>,
    batch: Option<Batch>,
}

/// Approvals that a plan needs.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Approve {
    /// How many people (default: 1).
    #[schemars(range(min = 1))]
    count: Option<u32>,
    /// Who does not count: everybody who wrote of the document, by the commits of git.
    not: Option<NotWho>,
    /// The file of allowed signers (ssh-keygen(1)), beside windlass.toml (default: `approvers`).
    signers: Option<String>,
    /// How long an approval counts (default: for ever).
    expire: Option<Duration>,
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
    /// Time in which requests of a service fail, as seen from outside; a release that takes more goes back. The smaller of
    /// this and the document's own counts.
    downtime: Option<Duration>,
    /// Time that a way back may take; one that takes more is only said.
    rollback: Option<Duration>,
}

/// How soon a release is to be done, by its `severity`, from the first commit of its document; said, and it holds up nothing.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Due {
    critical: Option<Duration>,
    recommended: Option<Duration>,
    optional: Option<Duration>,
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
    /// A service has to have answered so many requests for an answer (default: 100).
    requests: Option<u32>,
}
