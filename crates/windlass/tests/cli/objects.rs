//! Lines of aws s3 in a release: applied, failed, killed, resumed, gone back; the bucket is compared object by object.

use crate::sealed::{Project, Running, Said};
use windlass_lab::{Store, StoreKind, store};

const RELEASE: &str = "---
release: 2.1.0
from: 2.0.9
---
# 2.1.0

```sh {#sync on=data}
aws s3 sync s3://BUCKET/production/ s3://BUCKET/spec-v1/ --exclude \"*\" --include \"*.txt\"
```
```sh {#mv on=data}
aws s3 mv s3://BUCKET/production/ s3://BUCKET/discard/ --recursive --exclude \"*\" --include \"*.txt\"
```
```sh {#rm on=data}
aws s3 rm s3://BUCKET/old/ --recursive
```
";

struct Scene {
    project: Project,
    store: &'static Store,
    bucket: String,
}

impl Scene {
    fn new(kind: StoreKind, release: &str) -> Self {
        let store = store(kind);
        let scene = Self { project: Project::empty(), store, bucket: store.bucket_name() };
        scene.aws(&["s3", "mb", &format!("s3://{}", scene.bucket)]);
        for (key, text) in [
            ("production/1.txt", "one"),
            ("production/2 b.txt", "two"),
            ("production/日.txt", "three"),
            ("production/4.pbd", "stays"),
            ("spec-v1/1.txt", "an older one, of another size"),
            ("old/x", "goes"),
        ] {
            scene.project.write(&format!("bucket/{key}"), text);
        }
        let from = scene.project.path("bucket").display().to_string();
        scene.aws(&["s3", "cp", "--quiet", "--recursive", &from, &format!("s3://{}/", scene.bucket)]);
        let config = format!(
            "[target.app]\ndir = \".\"\n\n[target.data]\nurl = \"s3://{}\"\nendpoint = \"{}\"\nregion = \"us-east-1\"\nhold = \"windlass-hold/\"\n",
            scene.bucket,
            store.endpoint()
        );
        scene.project.write("windlass.toml", config);
        scene.project.write("release.md", release.replace("BUCKET", &scene.bucket));
        scene
    }

    fn aws(&self, args: &[&str]) -> String {
        let out = self.store.aws(args).output().unwrap();
        assert!(out.status.success(), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8_lossy(&out.stdout).into_owned()
    }

    fn run(&self, args: &[&str]) -> Said {
        let mut command = self.project.command(args);
        command.envs(self.store.environment());
        Running::start(command).end()
    }

    /// Key, ETag and size of each object.
    fn world(&self) -> String {
        let listed = self.run(&["objects", "list", "--json", &format!("s3://{}/", self.bucket)]).code(0);
        let lines = listed.stdout.lines().filter(|line| !line.contains("modified_us"));
        lines.map(|line| format!("{line}\n")).collect()
    }

    fn keys(&self) -> Vec<String> {
        let world = self.world();
        let keys = world.lines().filter_map(|line| line.trim().strip_prefix("\"key\": \""));
        keys.map(|line| line.trim_end_matches("\",").to_owned()).collect()
    }
}

const AFTER: [&str; 7] = [
    "discard/1.txt",
    "discard/2 b.txt",
    "discard/日.txt",
    "production/4.pbd",
    "spec-v1/1.txt",
    "spec-v1/2 b.txt",
    "spec-v1/日.txt",
];

#[test]
fn a_release_moves_objects_and_goes_back() {
    let scene = Scene::new(StoreKind::Seaweed, RELEASE);
    let before = scene.world();
    let plan = scene.run(&["plan", "release.md"]).code(0);
    assert!(
        plan.stdout.contains("copy 3 objects") && plan.stdout.contains("move 3 objects"),
        "{}",
        plan.stdout
    );
    assert_eq!(scene.world(), before, "a plan changes nothing");
    scene.run(&["apply", "release.md", "--yes"]).code(0);
    let seen: Vec<_> = scene.keys().into_iter().filter(|key| !key.starts_with("windlass-hold/")).collect();
    assert_eq!(seen, AFTER);
    scene.run(&["rollback", "--yes"]).code(0);
    assert_eq!(scene.world(), before);
    // No secret is anywhere.
    let journal = std::fs::read(scene.project.path(".windlass/journal.db")).unwrap();
    let secret = windlass_lab::SECRET_KEY.as_bytes();
    assert!(!journal.windows(secret.len()).any(|window| window == secret));
}

#[test]
fn killed_at_each_unit_it_resumes_and_goes_back() {
    let scene = Scene::new(StoreKind::Seaweed, RELEASE);
    let before = scene.world();
    for unit in ["sync/1", "mv/1", "rm/1"] {
        for fault in ["crash-before", "crash-after"] {
            let word = format!("{fault}:{unit}");
            let killed = scene.run(&["apply", "release.md", "--yes", "--fault", &word]);
            assert_eq!(killed.code, None, "{word}: {}{}", killed.stdout, killed.stderr);
            scene.run(&["resume"]).code(0);
            let seen: Vec<_> =
                scene.keys().into_iter().filter(|key| !key.starts_with("windlass-hold/")).collect();
            assert_eq!(seen, AFTER, "{word}");
            scene.run(&["rollback", "--yes"]).code(0);
            assert_eq!(scene.world(), before, "{word}");
        }
    }
}

#[test]
fn a_release_that_fails_goes_back_and_nothing_is_lost_without_hold() {
    let failing = format!("{RELEASE}```sh {{#check on=app readonly}}\nfalse\n```\n");
    let scene = Scene::new(StoreKind::Moto, &failing);
    let before = scene.world();
    scene.run(&["apply", "release.md", "--yes"]).code(1);
    assert_eq!(scene.world(), before);
    // Nothing keeps what would be overwritten: refused before anything runs.
    let config = scene.project.read("windlass.toml").replace("hold = \"windlass-hold/\"\n", "");
    scene.project.write("windlass.toml", config);
    let said = scene.run(&["apply", "release.md", "--yes"]);
    assert_ne!(said.code, Some(0));
    assert!(said.stderr.contains("nothing keeps them"), "{}", said.stderr);
    assert_eq!(scene.world(), before);
}

#[test]
fn objects_by_hand_are_shown_journaled_and_taken_back() {
    let scene = Scene::new(StoreKind::Seaweed, RELEASE);
    let before = scene.world();
    let place = |prefix: &str| format!("s3://{}/{prefix}", scene.bucket);
    let words = [
        "objects",
        "move",
        "--yes",
        &place("production/"),
        &place("b c/"),
        "--recursive",
        "--exclude",
        "*.pbd",
    ];
    scene.run(&words).code(0).says(&["move 3 objects", "windlass rollback"]);
    assert!(
        scene.keys().contains(&"b c/日.txt".to_owned())
            && !scene.keys().contains(&"production/1.txt".to_owned())
    );
    scene.run(&["rollback", "--yes"]).code(0);
    assert_eq!(scene.world(), before);
    // Nobody is there to be asked.
    scene.run(&["objects", "remove", &place("old/"), "--recursive"]).code(2).says(&["delete 1 object,"]);
    scene.run(&["objects", "sync", &place("old/"), "s3://another/"]).code(2).says(&["no target"]);
    scene.run(&["objects", "sync", &place("old/"), &place("x/"), "--bogus"]).code(2).says(&["--bogus"]);
    assert_eq!(scene.world(), before);
    // An option goes before the target, in the preview as in the run.
    let endpoint = scene.store.endpoint();
    let config = scene.project.read("windlass.toml").replace(&*endpoint, "http://127.0.0.1:9");
    scene.project.write("windlass.toml", config);
    let words = ["objects", "remove", &place("old/"), "--recursive", "--endpoint-url", &*endpoint];
    scene.run(&words).code(2).says(&["delete 1 object,"]);
}

const MISTYPED: &str = "---
release: 2.1.0
from: 2.0.9
---
# 2.1.0

```sh {#sync on=data}
aws s3 sync s3://BUCKET/prodcution/ s3://BUCKET/production/ --delete
```
";

#[test]
fn a_mistyped_source_deletes_nothing() {
    let scene = Scene::new(StoreKind::Seaweed, MISTYPED);
    let before = scene.world();
    let refused = ["delete 4 objects", "the source has no objects"];
    // The preview is shown with the reason: what would go is what a person looks for.
    let plan = scene.run(&["plan", "release.md"]);
    assert!(refused.iter().all(|word| plan.stdout.contains(word)), "{}", plan.stdout);
    assert!(plan.stdout.lines().all(|line| line.chars().count() <= 80), "{}", plan.stdout);
    scene.run(&["apply", "release.md", "--yes"]).code(4).says(&["the source has no objects"]);
    assert_eq!(scene.world(), before);
    // Who starts all the same learns it from the list that is frozen.
    let said = scene.run(&["apply", "release.md", "--yes", "--despite-problems"]).code(1);
    said.says(&["nothing was changed: the source has no objects", "aws s3 rm --recursive"]);
    assert_eq!(scene.world(), before);
    // A line that changes nothing is not refused, and says what would be.
    let release = scene.project.read("release.md").replace(" --delete", " --delete --dryrun");
    scene.project.write("dry.md", release);
    let plan = scene.run(&["plan", "dry.md"]).code(0);
    assert!(plan.stdout.contains("it is refused") && !plan.stdout.contains("problem"), "{}", plan.stdout);
    let place = |prefix: &str| format!("s3://{}/{prefix}", scene.bucket);
    let words = ["objects", "sync", "--yes", &place("prodcution/"), &place("production/"), "--delete"];
    scene.run(&words).code(4).says(&refused);
    assert_eq!(scene.world(), before);
}

#[test]
fn a_preview_shows_groups_and_what_filters_do() {
    let scene = Scene::new(StoreKind::Seaweed, RELEASE);
    let place = |prefix: &str| format!("s3://{}/{prefix}", scene.bucket);
    // Nobody is there to be asked: only shown.
    let shown =
        |words: &[&str]| scene.run(&[&["objects", "sync", &*place(""), &*place("x/")], words].concat());
    let all = shown(&[]);
    let lines = [
        "copy 6 objects, ",
        "below production/ 4, old/ 1, spec-v1/ 1",
        "named .txt 4, (none) 1, .pbd 1",
        "first old/x",
        "last spec-v1/1.txt",
        "note: a second run would take 6 objects once more",
    ];
    all.says(&lines);
    shown(&["--exclude", "*.tx"]).says(&["note: the filters leave out nothing of what is there"]);
    shown(&["--exclude", "*", "--include", "*.tx"])
        .says(&["no objects: nothing to do", "note: nothing is meant"]);
}

/// In front of a store: one that knows no conditions of writes.
fn without_conditions(port: u16) -> u16 {
    use std::{
        io::{Read as _, Write as _},
        net::{Shutdown, TcpListener, TcpStream},
    };
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let own = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut client in listener.incoming().map_while(Result::ok) {
            let mut server = TcpStream::connect(("127.0.0.1", port)).unwrap();
            let (mut back, mut answers) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            std::thread::spawn(move || std::io::copy(&mut answers, &mut back));
            std::thread::spawn(move || {
                let mut buffer = [0; 16 * 1024];
                while let Ok(count @ 1..) = client.read(&mut buffer) {
                    let head = String::from_utf8_lossy(&buffer[..count]);
                    if ["\r\nif-match: ", "\r\nif-none-match: "].iter().any(|name| head.contains(name)) {
                        let text = "<Error><Code>NotImplemented</Code></Error>";
                        let head = "HTTP/1.1 501 Not Implemented\r\nconnection: close";
                        let _ = write!(client, "{head}\r\ncontent-length: {}\r\n\r\n{text}", text.len());
                        break;
                    }
                    if server.write_all(&buffer[..count]).is_err() {
                        break;
                    }
                }
                let _ = (client.shutdown(Shutdown::Both), server.shutdown(Shutdown::Both));
            });
        }
    });
    own
}

#[test]
fn a_store_that_refuses_conditions_is_written_to_and_the_effects_say_so() {
    let scene = Scene::new(StoreKind::Seaweed, RELEASE);
    let port = scene.store.port().to_string();
    let config = scene.project.read("windlass.toml");
    let other = without_conditions(scene.store.port()).to_string();
    scene.project.write("windlass.toml", config.replace(&port, &other));
    let told = "note: the store takes no conditions with a copy: ";
    scene.run(&["apply", "release.md", "--yes"]).code(0);
    let shown = scene.run(&["show"]).code(0);
    assert_eq!(shown.stdout.matches(told).count(), 2, "of sync and mv: {}", shown.stdout);
    assert_eq!(scene.keys().iter().filter(|key| AFTER.contains(&key.as_str())).count(), AFTER.len());
}

#[test]
fn what_was_set_aside_in_a_bucket_goes_with_its_time() {
    let scene = Scene::new(StoreKind::Seaweed, RELEASE);
    scene.run(&["apply", "release.md", "--yes"]).code(0);
    let run = scene.run(&["runs", "--json"]).json()[0]["run"].as_str().unwrap().to_owned();
    let held = || {
        let keys = scene.keys().into_iter().filter(|key| key.starts_with("windlass-hold/"));
        keys.collect::<Vec<_>>()
    };
    let aside =
        [format!("windlass-hold/{run}/rm/1/old/x"), format!("windlass-hold/{run}/sync/1/spec-v1/1.txt")];
    assert_eq!(held(), aside);
    // Of somebody, and of a run of another machine.
    let (notes, others) = ("windlass-hold/notes/a.txt", "windlass-hold/20200101-000000-00ff/rm/k");
    let file = scene.project.path("release.md").display().to_string();
    for key in [notes, others] {
        scene.aws(&["s3", "cp", "--quiet", &file, &format!("s3://{}/{key}", scene.bucket)]);
    }
    let said = scene.run(&["prune", "--yes"]).code(0);
    let told = [
        format!("data: 2 objects of run {run}, "),
        format!("in s3://{}/windlass-hold/{run}/: kept for another 167h", scene.bucket),
        "data: 1 object of run 20200101-000000-00ff".to_owned(),
        "its run is not in this journal".to_owned(),
    ];
    assert!(told.iter().all(|told| said.stdout.contains(told.as_str())), "{}", said.stdout);
    assert!(!said.stdout.contains("notes"), "{}", said.stdout);
    let config = scene.project.read("windlass.toml");
    scene.project.write("windlass.toml", format!("{config}\n[policy]\nkeep = {{ backup = \"0s\" }}\n"));
    let said = scene.run(&["prune"]).code(0);
    assert!(said.stdout.contains("will be deleted for good"), "{}", said.stdout);
    assert_eq!(held().len(), 4, "only shown");
    // A large object was half set aside when its run was killed.
    let big = format!("windlass-hold/{run}/rm/1/old/big");
    scene.aws(&["s3api", "create-multipart-upload", "--bucket", &scene.bucket, "--key", &big]);
    let begun = || scene.aws(&["s3api", "list-multipart-uploads", "--bucket", &scene.bucket]);
    assert!(begun().contains(&big), "{}", begun());
    let gone = scene.run(&["prune", "--json", "--yes"]).code(0).json();
    assert!(!begun().contains(&big), "{}", begun());
    let fates: Vec<_> = gone["objects"].as_array().unwrap().iter().map(|held| held["fate"].clone()).collect();
    assert_eq!(fates, ["kept", "dropped"]);
    assert_eq!(held(), [others, notes]);
    // Of a run that is not in this journal nobody here knows who needs it.
    let config =
        scene.project.read("windlass.toml").replace("backup = \"0s\"", "backup = \"0s\", record = \"0s\"");
    scene.project.write("windlass.toml", config);
    let no_run = "windlass-hold/deadbeef-cafe00-00ff/a";
    scene.aws(&["s3", "cp", "--quiet", &file, &format!("s3://{}/{no_run}", scene.bucket)]);
    let said = scene.run(&["prune", "--yes"]).code(0);
    assert!(said.stdout.contains("data: 1 object of run 20200101-000000-00ff, "), "{}", said.stdout);
    assert!(said.stdout.contains("`--unknown-runs` deletes it"), "{}", said.stdout);
    assert_eq!(held(), [others, no_run, notes]);
    scene.run(&["prune", "--yes", "--unknown-runs"]).code(0);
    assert_eq!(held(), [no_run, notes]);
    // A store that does not answer is named; what others hold is done all the same.
    let config = scene.project.read("windlass.toml").replace(&scene.bucket, "lab-no-such-bucket");
    scene.project.write("windlass.toml", config);
    scene.run(&["prune", "--yes"]).code(4).says(&["target `data`: what lies under `hold` is not known"]);
}
