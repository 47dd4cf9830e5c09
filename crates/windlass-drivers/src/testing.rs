//! What the tests of the drivers share: a context over a temporary folder, and a controller that can be killed.

use std::{
    collections::BTreeMap,
    path::Path,
    process::{Child, Command},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};
use windlass_driver::{Context, Secrets, Stopping};
use windlass_plan::{
    Action, Batch, Class, DocumentRef, PLAN_FORMAT, Plan, Release, Secret, Target, Throttle, Undo, UndoBy,
    Unit, UnitId,
};

/// Knows one secret: `hunter2`.
pub(crate) struct OneSecret;

impl Secrets for OneSecret {
    fn resolve(&self, secret: &Secret) -> Result<String, String> {
        match secret {
            Secret::Env(name) => Ok(name.clone()),
            _ => Err("not in this test".into()),
        }
    }

    fn mask(&self, text: &str) -> String {
        text.replace("hunter2", "****")
    }
}

/// A context with `folder` as base and `folder/.work/UNIT` as workspace, and what the driver put out.
pub(crate) fn context(folder: &Path, unit: &Unit) -> (Context, Arc<Mutex<String>>) {
    let seen = Arc::new(Mutex::new(String::new()));
    let sink = Arc::clone(&seen);
    let context = Context {
        plan: Arc::new(plan(std::slice::from_ref(unit), &[])),
        run: "20260102-030405-abcd".into(),
        base: folder.to_owned(),
        workspace: folder.join(".work").join(unit.id.0.replace('/', "-")),
        attempt: 1,
        timeout_ms: Some(60_000),
        stopping: Stopping::default(),
        on_conflict: windlass_driver::OnConflict::Keep,
        secrets: Arc::new(OneSecret),
        output: Arc::new(move |text| sink.lock().unwrap().push_str(text)),
        facts: Arc::new(BTreeMap::new()),
    };
    (context, seen)
}

/// The same for a unit on a host of a test's sshd, whose target is `app`.
pub(crate) fn context_on(
    sshd: &windlass_lab::Sshd,
    folder: &Path,
    unit: &Unit,
) -> (Context, Arc<Mutex<String>>) {
    let (mut cx, seen) = context(folder, unit);
    let ssh_config = Some(sshd.config().to_str().unwrap().to_owned());
    let target = Target::Hosts { hosts: vec![unit.host.clone()], dir: None, ssh_config };
    let mut plan = plan(std::slice::from_ref(unit), &[("app", target)]);
    plan.steps[0].on = "app".to_owned();
    cx.plan = Arc::new(plan);
    (cx, seen)
}

/// A plan of one step per `STEP` of the units' ids.
pub(crate) fn plan(units: &[Unit], targets: &[(&str, Target)]) -> Plan {
    let mut steps: Vec<windlass_plan::Step> = vec![];
    for unit in units {
        let id = unit.id.0.split('/').next().unwrap().to_owned();
        if steps.last().is_none_or(|step| step.id.0 != id) {
            steps.push(step(&id));
        }
        steps.last_mut().unwrap().units.push(unit.clone());
    }
    Plan {
        format: PLAN_FORMAT,
        tool: "test".into(),
        release: Release::default(),
        document: DocumentRef::default(),
        targets: targets.iter().map(|(name, target)| ((*name).to_owned(), target.clone())).collect(),
        claims: Default::default(),
        secrets: Default::default(),
        services: BTreeMap::new(),
        budget: Default::default(),
        steps,
        class: Class::None,
    }
}

fn step(id: &str) -> windlass_plan::Step {
    serde_json::from_value(serde_json::json!({
        "id": id, "stage": null, "gate": null, "line": 1, "on": "", "class": "none", "units": [],
        "undo": null, "serial": null, "after_ms": null, "online": false,
    }))
    .unwrap()
}

/// A unit on this machine, undone by its driver.
pub(crate) fn unit(id: &str, action: Action) -> Unit {
    let undo = Undo { class: Class::Exact, how: String::new(), by: UndoBy::Driver };
    serde_json::from_value(serde_json::json!({
        "id": UnitId(id.into()), "host": "local", "line": 10, "column": 1, "driver": "shell",
        "action": action, "effect": "", "undo": undo, "timeout_ms": null, "within_ms": null,
    }))
    .unwrap()
}

/// A statement on the target `db`.
pub(crate) fn sql(statement: &str, rows: Option<u64>) -> Action {
    let (target, statement) = ("db".to_owned(), statement.to_owned());
    Action::Sql { target, statement, rows, session: false, data: None, batch: None, from: None, client: None }
}

/// Runs the test `name` of this executable as a process of its own, with `WINDLASS_TEST` set to `argument`.
pub(crate) fn controller(name: &str, argument: &str) -> Child {
    controller_command(name, argument).spawn().unwrap()
}

/// The command of [`controller`].
pub(crate) fn controller_command(name: &str, argument: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", name, "--nocapture"]).env("WINDLASS_TEST", argument);
    command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
    command
}

/// The argument of a test that is run by [`controller`]; `None` in an ordinary run.
pub(crate) fn argument() -> Option<String> {
    std::env::var_os("WINDLASS_TEST").map(|text| text.into_string().unwrap())
}

/// What the variable says, if a person has set it: which generated programs to run.
#[expect(clippy::disallowed_methods, reason = "a test may be told what to run")]
pub(crate) fn chosen(variable: &str) -> Option<String> {
    std::env::var(variable).ok()
}

/// A temporary folder, in memory where there is such a place: durable writes then cost no time, and a test may make
/// thousands of them.
pub(crate) fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// A file system of 1 MiB, unmounted at the end.
pub(crate) struct SmallDisk(pub(crate) tempfile::TempDir);

impl SmallDisk {
    /// Only root can mount one; without it the test `name` says that it was skipped.
    pub(crate) fn mount(name: &str) -> Option<Self> {
        use std::io::Write as _;
        let folder = tempfile::tempdir().unwrap();
        let words = ["-t", "tmpfs", "-o", "size=1m", "none", folder.path().to_str().unwrap()];
        let status = Command::new("mount").args(words).stderr(std::process::Stdio::null()).status();
        if status.is_ok_and(|status| status.success()) {
            return Some(Self(folder));
        }
        writeln!(std::io::stderr(), "SKIPPED: {name} needs the right to mount a tmpfs").unwrap();
        None
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).status();
    }
}

/// Has the statement run in batches of so many rows.
pub(crate) fn in_batches(action: &mut Action, rows: u64, throttle: Throttle) {
    if let Action::Sql { batch, .. } = action {
        *batch = Some(Box::new(Batch { rows, throttle }));
    }
}

/// Batches without a pause.
pub(crate) fn hasty() -> Throttle {
    Throttle { share: 100, ..Throttle::default() }
}

/// Numbers by seed (SplitMix64).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `bound`, which is not 0.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % bound as u64) as usize
    }
}

/// Waits for a condition while other futures of the task go on.
pub(crate) async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < Duration::from_secs(60), "never came: {what}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Waits until `condition` holds.
pub(crate) fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < Duration::from_secs(60), "never came: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}
