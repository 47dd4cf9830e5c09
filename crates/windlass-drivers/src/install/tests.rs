//! With real environments, here and over a real sshd: packages are made by the tests and lie in a folder.

use super::InstallDriver;
use crate::testing;
use std::{fs, path::PathBuf, process::Command};
use windlass_driver::{Capsule, Context, Done, Driver as _, Effect, Failure, Found};
use windlass_lab::Sshd;
use windlass_plan::{Action, InstallLine, Installer, Unit, Way};

/// A wheel with a program `greet` that says its version.
const WHEEL: &str = r#"
import sys, zipfile
version, folder = sys.argv[1:]
info = f"greet-{version}.dist-info"
files = {
    "greet.py": f"def main():\n    print('greet {version}')\n",
    f"{info}/METADATA": f"Metadata-Version: 2.1\nName: greet\nVersion: {version}\n",
    f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    f"{info}/entry_points.txt": "[console_scripts]\ngreet = greet:main\n",
}
with zipfile.ZipFile(f"{folder}/greet-{version}-py3-none-any.whl", "w") as wheel:
    for name, text in files.items():
        wheel.writestr(name, text)
    record = "".join(f"{name},,\n" for name in files) + f"{info}/RECORD,,\n"
    wheel.writestr(f"{info}/RECORD", record)
"#;

struct World {
    folder: tempfile::TempDir,
}

fn run(program: &str, words: &[&str], dir: &PathBuf) -> String {
    let output = Command::new(program).args(words).current_dir(dir).output().unwrap();
    assert!(output.status.success(), "{program} {words:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

impl World {
    /// Version 1 of a package is installed in `app/venv`, by hand.
    fn new() -> Self {
        let world = Self { folder: testing::folder() };
        let app = world.app();
        fs::create_dir_all(app.join("wheels")).unwrap();
        for version in ["1.0", "2.0"] {
            run("python3", &["-c", WHEEL, version, "wheels"], &app);
        }
        world.want("greet==1.0\n");
        run("python3", &["-m", "venv", "venv"], &app);
        run("venv/bin/pip", &["install", "-q", "--no-index", "-f", "wheels", "-r", "requirements.txt"], &app);
        world
    }

    fn app(&self) -> PathBuf {
        self.folder.path().join("app")
    }

    fn want(&self, list: &str) {
        fs::write(self.app().join("requirements.txt"), list).unwrap();
    }

    fn unit(&self, name: &str) -> Unit {
        let words = ["install", "--no-index", "-f", "wheels", "-r", "requirements.txt"];
        let line = InstallLine {
            tool: Installer::Pip,
            into: "venv".into(),
            files: vec!["requirements.txt".into()],
            words: words.map(str::to_owned).to_vec(),
            dir: Some(self.app().to_str().unwrap().to_owned()),
        };
        testing::unit(&format!("{name}/1"), Action::Install(line))
    }

    fn context(&self, unit: &Unit) -> Context {
        testing::context(self.folder.path(), unit).0
    }

    async fn capture(&self, unit: &Unit) -> Capsule {
        InstallDriver::default().capture(&self.context(unit), unit).await.unwrap()
    }

    async fn apply(&self, unit: &Unit, capsule: &Capsule) -> Result<Done, Failure> {
        InstallDriver::default().apply(&self.context(unit), unit, capsule).await
    }

    async fn undo(&self, unit: &Unit, capsule: &Capsule) -> Result<Done, Failure> {
        InstallDriver::default().undo(&self.context(unit), unit, capsule, None).await
    }

    async fn inspect(&self, unit: &Unit, capsule: &Capsule, way: Way) -> Found {
        InstallDriver::default().inspect(&self.context(unit), unit, capsule, way).await
    }

    async fn effects(&self, unit: &Unit) -> String {
        let survey = InstallDriver::default().survey(&self.context(unit), unit).await.unwrap();
        [survey.effects, survey.problems].concat().join("; ")
    }

    /// What the program says that a service would start.
    fn greets(&self) -> String {
        run("venv/bin/greet", &[], &self.app())
    }

    fn aside(&self) -> PathBuf {
        self.app().join(".windlass-venv")
    }
}

/// One after another: to make an environment takes seconds.
#[tokio::test(flavor = "multi_thread")]
async fn environments_are_replaced_and_put_back() {
    let world = World::new();
    is_replaced_and_put_back(&world).await;
    is_not_stopped_by_a_cut_link(&world).await;
    is_gone_on_with_or_taken_back(&world).await;
}

async fn is_replaced_and_put_back(world: &World) {
    let first = world.unit("first");
    let capsule = world.capture(&first).await;
    world.apply(&first, &capsule).await.unwrap();
    assert_eq!(world.greets(), "greet 1.0");
    assert!(world.effects(&first).await.contains("nothing to do"));
    let again = world.apply(&first, &world.capture(&first).await).await.unwrap();
    assert!(!again.changed, "{again:?}");

    world.want("-r base.txt\n");
    fs::write(world.app().join("base.txt"), "greet==2.0 # 新\n").unwrap();
    let unit = world.unit("second");
    assert!(world.effects(&unit).await.contains("is installed anew: it needs about"));
    let capsule = world.capture(&unit).await;
    assert_eq!(world.inspect(&unit, &capsule, Way::Forward).await, Found::NotApplied);
    let done = world.apply(&unit, &capsule).await.unwrap();
    assert!(done.effects[0].ends_with("venv was replaced: -greet-1.0, +greet-2.0"), "{done:?}");
    assert_eq!(world.greets(), "greet 2.0");
    // Nothing in it knows where it was made.
    let app = world.app();
    let script = fs::read_to_string(app.join("venv/bin/greet")).unwrap();
    assert!(script.contains(&format!("{}/venv/bin/python", app.display())), "{script}");
    assert_eq!(run("venv/bin/pip", &["check"], &app), "No broken requirements found.");
    let prefix = run("venv/bin/python", &["-c", "import sys; print(sys.prefix)"], &app);
    assert_eq!(prefix, format!("{}/venv", app.display()));
    assert!(matches!(world.inspect(&unit, &capsule, Way::Forward).await, Found::Applied(_)));
    assert_eq!(world.inspect(&unit, &capsule, Way::Undo).await, Found::NotApplied);

    let module = run("venv/bin/python", &["-c", "import greet; print(greet.__file__)"], &app);
    let text = fs::read_to_string(&module).unwrap();
    fs::write(&module, format!("{text}# by hand\n")).unwrap();
    let failure = world.undo(&unit, &capsule).await.unwrap_err();
    assert_eq!(failure.effect, Effect::None);
    assert!(
        failure.message.contains("was changed since: ./lib/") && failure.message.contains("greet.py"),
        "{failure:?}"
    );
    assert_eq!(world.greets(), "greet 2.0");
    run("touch", &["-d", "2000-01-01", &module], &app);
    fs::write(&module, text).unwrap();
    run("touch", &["-d", "2000-01-01", &module], &app);
    world.undo(&unit, &capsule).await.unwrap();
    assert_eq!(world.greets(), "greet 1.0");
    assert!(matches!(world.inspect(&unit, &capsule, Way::Undo).await, Found::Applied(_)));
    world.want("greet==1.0\n");
    assert!(world.effects(&first).await.contains("nothing to do"), "it is what it was installed from then");

    // What cannot be installed leaves all as it is.
    world.want("greet==3.0\n");
    let failure = world.apply(&unit, &world.capture(&unit).await).await.unwrap_err();
    assert_eq!(failure.effect, Effect::None);
    assert!(failure.message.contains("No matching distribution found for greet==3.0"), "{failure:?}");
    assert_eq!(world.greets(), "greet 1.0");
    world.want("-r none.txt\n");
    assert!(world.effects(&unit).await.contains("there is no ./none.txt"), "{}", world.effects(&unit).await);
}

/// A change of places that was killed between its renames, and an installation that was killed.
async fn is_gone_on_with_or_taken_back(world: &World) {
    let (unit, app) = (world.unit("up"), world.app());
    world.want("greet==2.0\n");
    let capsule = world.capture(&unit).await;
    world.apply(&unit, &capsule).await.unwrap();
    let own =
        fs::read_dir(world.aside()).unwrap().flatten().find(|entry| entry.path().is_dir()).unwrap().path();
    // `venv` is the new one, `own/venv` the old: back to the middle.
    let (real, beside, was) = (app.join("venv"), own.join("venv"), own.join("was"));
    let half = |forward: bool| {
        if forward {
            fs::rename(&beside, &was).unwrap();
            fs::rename(&real, &beside).unwrap();
        } else {
            fs::rename(&beside, &was).unwrap();
        }
    };
    for forward in [true, false] {
        half(forward);
        for way in [Way::Forward, Way::Undo] {
            let found = world.inspect(&unit, &capsule, way).await;
            assert!(matches!(&found, Found::Failed(failure) if failure.retry), "{found:?}");
        }
        world.apply(&unit, &capsule).await.unwrap();
        assert_eq!(world.greets(), "greet 2.0");
    }
    half(true);
    world.undo(&unit, &capsule).await.unwrap();
    assert_eq!(world.greets(), "greet 1.0");
    assert!(!own.exists());

    fs::create_dir_all(own.join("venv/bin")).unwrap();
    assert_eq!(world.inspect(&unit, &capsule, Way::Forward).await, Found::NotApplied);
    world.apply(&unit, &capsule).await.unwrap();
    assert_eq!(world.greets(), "greet 2.0");
    // Somebody made another.
    fs::rename(&real, app.join("their")).unwrap();
    fs::create_dir(&real).unwrap();
    let Found::Unknown(why) = world.inspect(&unit, &capsule, Way::Undo).await else { panic!("a guess") };
    assert!(why.contains("somebody made another") && why.contains("ls -ld"), "{why}");
    assert!(world.undo(&unit, &capsule).await.is_err());
    assert!(real.exists() && beside.exists());
}

/// The link is cut while pip works there: it goes on, and whoever asks afterwards waits for it.
async fn is_not_stopped_by_a_cut_link(world: &World) {
    let sshd = Sshd::start(1);
    world.want("greet==2.0\n");
    let unit = Unit { host: sshd.host(1), ..world.unit("up") };
    let (cx, _) = testing::context_on(&sshd, world.folder.path(), &unit);
    let driver = InstallDriver::default();
    let capsule = driver.capture(&cx, &unit).await.unwrap();
    let cut = async {
        testing::until("the copy", || {
            let own = fs::read_dir(world.aside()).into_iter().flatten().flatten();
            own.filter(|entry| !entry.path().join("ino").exists()).any(|entry| entry.path().is_dir())
        })
        .await;
        sshd.kill();
        sshd.restart();
    };
    let (result, ()) = tokio::join!(driver.apply(&cx, &unit, &capsule), cut);
    assert_eq!(result.unwrap_err().effect, Effect::Unknown);
    let found = driver.inspect(&cx, &unit, &capsule, Way::Forward).await;
    let Found::Applied(done) = found else { panic!("it was not waited for: {found:?}") };
    assert!(done.effects[0].contains("venv on 127.0.0.1 was replaced"), "{done:?}");
    assert_eq!(world.greets(), "greet 2.0");
    driver.undo(&cx, &unit, &capsule, None).await.unwrap();
    assert_eq!(world.greets(), "greet 1.0");
}

/// Debian's npm brings four hundred packages along: where there is none, the test says so.
#[tokio::test(flavor = "multi_thread")]
async fn node_modules_are_replaced_and_put_back() {
    if Command::new("npm").arg("--version").output().is_err() {
        use std::io::Write as _;
        writeln!(std::io::stderr(), "SKIPPED: node_modules_are_replaced_and_put_back needs npm").unwrap();
        return;
    }
    let folder = testing::folder();
    let app = folder.path().to_owned();
    for version in ["1.0.0", "2.0.0"] {
        fs::create_dir_all(app.join("package")).unwrap();
        let text = format!("{{\"name\": \"greet\", \"version\": \"{version}\"}}");
        fs::write(app.join("package/package.json"), text).unwrap();
        run("tar", &["-czf", &format!("greet-{version}.tgz"), "package"], &app);
    }
    let want = |version: &str, scripts: &str| {
        let file = format!("file:greet-{version}.tgz");
        let project = format!(
            "{{\"name\": \"app\", \"version\": \"1.0.0\"{scripts}, \"dependencies\": {{\"greet\": \"{file}\"}}}}"
        );
        fs::write(app.join("package.json"), project).unwrap();
        let lock = format!(
            "{{\"name\": \"app\", \"version\": \"1.0.0\", \"lockfileVersion\": 3, \"packages\": {{\
             \"\": {{\"name\": \"app\", \"version\": \"1.0.0\", \"dependencies\": {{\"greet\": \"{file}\"}}}}, \
             \"node_modules/greet\": {{\"version\": \"{version}\", \"resolved\": \"{file}\"}}}}}}"
        );
        fs::write(app.join("package-lock.json"), lock).unwrap();
    };
    let installed = || fs::read_to_string(app.join("node_modules/greet/package.json")).unwrap_or_default();
    let line = InstallLine {
        tool: Installer::Npm,
        into: "node_modules".into(),
        files: vec!["package.json".into(), "package-lock.json".into()],
        words: ["ci", "--offline", "--no-audit"].map(str::to_owned).to_vec(),
        dir: None,
    };
    let driver = InstallDriver::default();
    let mut kept = vec![];
    for version in ["1.0.0", "2.0.0"] {
        want(version, "");
        let unit = testing::unit(&format!("v{version}/1"), Action::Install(line.clone()));
        let cx = testing::context(&app, &unit).0;
        let capsule = driver.capture(&cx, &unit).await.unwrap();
        let done = driver.apply(&cx, &unit, &capsule).await.unwrap();
        assert!(done.changed && installed().contains(version), "{done:?}");
        let again = driver.capture(&cx, &unit).await.unwrap();
        assert!(!driver.apply(&cx, &unit, &again).await.unwrap().changed);
        kept.push((unit, cx, capsule));
    }
    for (unit, cx, capsule) in kept.into_iter().rev() {
        driver.undo(&cx, &unit, &capsule, None).await.unwrap();
        let before = if unit.id.0.starts_with("v2") { "1.0.0" } else { "" };
        assert!(installed().contains(before), "{}", installed());
        let found = driver.inspect(&cx, &unit, &capsule, Way::Undo).await;
        assert!(matches!(found, Found::Applied(_)), "{found:?}");
    }
    assert!(!app.join("node_modules").exists());
    want("1.0.0", ", \"scripts\": {\"postinstall\": \"true\"}");
    let unit = testing::unit("s/1", Action::Install(line));
    let cx = testing::context(&app, &unit).0;
    let failure = driver.capture(&cx, &unit).await.unwrap_err();
    assert!(failure.message.contains("the script `postinstall`"), "{failure:?}");
}
