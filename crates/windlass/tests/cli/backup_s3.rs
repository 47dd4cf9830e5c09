//! `windlass backup` in a bucket: made, listed, proven, put back, pruned; cut off, changed, refused.

use crate::sealed::{CONFIG, Project, RELEASE, Running, Said, wait_for};
use age::secrecy::ExposeSecret as _;
use std::future::Future;
use windlass_lab::{Flavor, READER_KEY, READER_SECRET, Store, StoreKind, server, store};
use windlass_s3::{Client, Settings};

/// A project whose backups go to a bucket.
struct Scene {
    project: Project,
    store: &'static Store,
    bucket: String,
    client: Client,
    runtime: tokio::runtime::Runtime,
}

impl Scene {
    fn new(kind: StoreKind) -> Self {
        let (project, store) = (Project::new(RELEASE), store(kind));
        let variables = store.environment().into_iter().map(|(name, value)| (name.to_owned(), value));
        let settings = Settings {
            endpoint: Some(store.endpoint()),
            variables: variables.collect(),
            ..Settings::default()
        };
        let (client, bucket) = (Client::new(&settings).unwrap(), store.bucket_name());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let scene = Self { project, store, bucket, client, runtime };
        scene.asked(scene.client.make_bucket(&scene.bucket));
        scene.config("");
        scene
    }

    fn asked<T>(&self, answer: impl Future<Output = Result<T, windlass_s3::Error>>) -> T {
        self.runtime.block_on(answer).unwrap()
    }

    /// Writes windlass.toml; `more` stands in `[target.db.backup]`, or behind it.
    fn config(&self, more: &str) {
        let (bucket, endpoint) = (&self.bucket, self.store.endpoint());
        let text = format!(
            "{CONFIG}[target.safe]\nurl = \"s3://{bucket}\"\nendpoint = \"{endpoint}\"\nregion = \"us-east-1\"\n\n\
             [target.db.backup]\nfolder = \"s3://{bucket}/team/app\"\n{more}"
        );
        self.project.write("windlass.toml", text);
    }

    fn place(&self, key: &str) -> String {
        format!("s3://{}/{key}", self.bucket)
    }

    fn start(&self, args: &[&str]) -> Running {
        let mut command = self.project.command(args);
        command.envs(self.store.environment());
        Running::start(command)
    }

    fn run(&self, args: &[&str]) -> Said {
        self.start(args).end()
    }

    /// Makes a backup; its name.
    fn made(&self, more: &[&str]) -> String {
        let made = self.run(&[&["backup", "create", "--json"], more].concat()).code(0).json();
        made["name"].as_str().unwrap().to_owned()
    }

    /// State and name, or file, of each.
    fn listed(&self) -> Vec<(String, String)> {
        let listed = self.run(&["backup", "list", "--json"]).code(0).json();
        let text = |value: &serde_json::Value| value.as_str().map(str::to_owned);
        let each = listed.as_array().unwrap().iter().map(|entry| {
            let name = text(&entry["backup"]["name"]).or_else(|| text(&entry["file"]));
            (text(&entry["state"]).unwrap(), name.unwrap())
        });
        each.collect()
    }

    /// All objects.
    fn keys(&self) -> Vec<String> {
        let page = self.asked(self.client.page(&self.bucket, "", None, None, 100));
        page.objects.into_iter().map(|object| object.key).collect()
    }

    /// Objects that are begun and not ended.
    fn begun(&self) -> usize {
        self.asked(self.client.uploads(&self.bucket, "team/")).len()
    }

    fn put(&self, key: &str, bytes: &[u8]) {
        self.asked(self.client.put(&self.bucket, key, bytes.to_vec().into(), &[]));
    }

    fn get(&self, key: &str) -> Vec<u8> {
        self.asked(self.client.read(&self.bucket, key)).to_vec()
    }

    fn remove(&self, key: &str) {
        self.asked(self.client.delete(&self.bucket, key, None));
    }

    /// Rows that zstd makes hardly smaller, in a file with WAL so that a rate is kept.
    fn fill(&self) {
        let live = rusqlite::Connection::open(self.project.path("app.db")).unwrap();
        live.execute_batch(
            "PRAGMA journal_mode = WAL; CREATE TABLE noise (a); INSERT INTO noise WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL \
             SELECT i + 1 FROM n WHERE i < 36) SELECT randomblob(1000000) FROM n",
        )
        .unwrap();
    }
}

#[test]
fn made_listed_proven_and_put_back_from_a_bucket() {
    for kind in StoreKind::ALL {
        let scene = Scene::new(kind);
        let made = scene.run(&["backup", "create"]).code(0);
        assert!(made.stdout.contains(&scene.place("team/app/db-")), "{}", made.stdout);
        let [(state, name)] = &scene.listed()[..] else { panic!("one backup: {:?}", scene.listed()) };
        assert_eq!(state, "whole");
        let keys = [format!("team/app/{name}.db.zst"), format!("team/app/{name}.json")];
        assert_eq!(scene.keys(), keys);
        assert_eq!(scene.begun(), 0, "nothing is left of the parts");
        assert!(scene.get(&keys[0]).starts_with(&[0x28, 0xb5, 0x2f, 0xfd]), "the `zstd` command reads it");
        let proven = scene.run(&["backup", "verify", name]).code(0);
        assert!(proven.stdout.contains("restored, 2 rows"), "{}", proven.stdout);

        let before = scene.project.world();
        scene.project.sql("DELETE FROM record");
        scene.run(&["backup", "restore", "--into", "old.db"]).code(0);
        std::fs::copy(scene.project.path("old.db"), scene.project.path("app.db")).unwrap();
        assert_eq!(scene.project.world(), before);
        let found = scene.run(&["rehearse", "release.md", "--from", "latest", "--json"]).code(0).json();
        assert_eq!(found["copies"][0]["from"], name.as_str(), "{}", kind.name());
        // Nothing of it lies on this machine, and no secret anywhere.
        let left = scene.project.state_files();
        assert!(left.iter().all(|file| !file.display().to_string().contains("backups/")), "{left:?}");
        let secret = windlass_lab::SECRET_KEY.as_bytes();
        let has_it = |file: &std::path::PathBuf| {
            std::fs::read(file).unwrap().windows(secret.len()).any(|window| window == secret)
        };
        assert!(!left.iter().any(has_it));
    }
}

#[test]
fn the_command_line_goes_before_the_configuration_and_both_places_are_listed() {
    let scene = Scene::new(StoreKind::Seaweed);
    let here = scene.made(&["--folder", ".windlass/backups"]);
    let there = scene.made(&[]);
    let other = scene.made(&["--folder", &scene.place("other/")]);
    assert_eq!(scene.listed(), [("whole".into(), here.clone()), ("whole".into(), there.clone())]);
    let listed = scene.run(&["backup", "list"]).code(0);
    assert!(listed.stdout.contains(&scene.place("team/app/:")), "{}", listed.stdout);
    let listed = scene.run(&["backup", "list", "--folder", &scene.place("other")]).code(0);
    assert!(listed.stdout.contains(&other) && !listed.stdout.contains(&here), "{}", listed.stdout);
    // Without a name the newest of all places; by its name wherever it lies.
    let proven = scene.run(&["backup", "verify"]).code(0);
    assert!(proven.stdout.contains(&there), "{}", proven.stdout);
    scene.run(&["backup", "verify", &here]).code(0);
    scene.run(&["backup", "verify", &other]).code(2).says(&["no such backup", "team/app/"]);
    scene
        .run(&["backup", "list", "--folder", "s3://another/x"])
        .code(2)
        .says(&["no target", "[target.another]"]);
    scene.run(&["backup", "list", "--folder", "s3:/x"]).code(2).says(&["s3://BUCKET/FOLDER"]);
}

#[test]
fn a_backup_that_is_killed_is_in_no_list_and_its_parts_go() {
    // The only store of the lab that says when parts were begun, and it says: in 2010.
    let scene = Scene::new(StoreKind::Moto);
    scene.fill();
    let killed = scene.start(&["backup", "create", "--rate", "10MiB/s"]);
    wait_for("parts are begun", || scene.begun() > 0);
    killed.signal(rustix::process::Signal::KILL);
    assert_eq!(killed.end().code, None);
    assert_eq!((scene.listed(), scene.keys(), scene.begun()), (vec![], vec![], 1));
    scene.run(&["backup", "verify"]).code(2).says(&["no such backup"]);
    scene.run(&["backup", "prune", "--yes"]).code(0);
    assert_eq!(scene.begun(), 0);
}

#[test]
fn a_backup_that_is_stopped_takes_its_parts_away() {
    let scene = Scene::new(StoreKind::Seaweed);
    scene.fill();
    let stopped = scene.start(&["backup", "create", "--rate", "10MiB/s"]);
    wait_for("parts are begun", || scene.begun() > 0);
    stopped.signal(rustix::process::Signal::INT);
    stopped.end().code(130).says(&["stopped, as asked; nothing was kept"]);
    assert_eq!((scene.listed(), scene.keys(), scene.begun()), (vec![], vec![], 0));
}

#[test]
fn several_parts_are_one_object() {
    let scene = Scene::new(StoreKind::Seaweed);
    scene.fill();
    let made = scene.run(&["backup", "create", "--json"]).code(0).json();
    assert!(made["stored_bytes"].as_u64().unwrap() > 2 * (16 << 20), "{made}");
    let proven = scene.run(&["backup", "verify"]).code(0);
    assert!(proven.stdout.contains("restored, 38 rows"), "{}", proven.stdout);
}

#[test]
fn without_a_manifest_it_is_incomplete_and_other_bytes_are_refused() {
    let scene = Scene::new(StoreKind::Seaweed);
    let name = scene.made(&[]);
    let (data, manifest) = (format!("team/app/{name}.db.zst"), format!("team/app/{name}.json"));
    let (bytes, text) = (scene.get(&data), scene.get(&manifest));
    let mut flipped = bytes.clone();
    flipped[bytes.len() / 2] ^= 1;
    scene.put(&data, &flipped);
    for command in [&["backup", "verify"][..], &["backup", "restore", "--into", "old.db"]] {
        scene.run(command).code(4).says(&["its SHA-256 is", &scene.place(&data), "nothing was done"]);
    }
    scene.put(&data, &bytes[..bytes.len() - 5]);
    assert_eq!(scene.listed(), [("damaged".into(), name.clone())]);
    scene.run(&["backup", "restore", &name, "--into", "old.db"]).code(4).says(&["is damaged", "instead of"]);
    scene.remove(&data);
    scene.run(&["backup", "verify", &name]).code(4).says(&["is damaged", "is missing"]);
    scene.put(&data, &bytes);
    scene.remove(&manifest);
    assert_eq!(scene.listed(), [("incomplete".into(), format!("{name}.db.zst"))]);
    let listed = scene.run(&["backup", "list"]).code(0);
    assert!(listed.stdout.contains("incomplete"), "{}", listed.stdout);
    scene.run(&["backup", "verify", &name]).code(2).says(&["no such backup"]);
    assert!(!scene.project.path("old.db").exists());
    scene.put(&manifest, &text);
    scene.run(&["backup", "verify", &name]).code(0);
}

#[test]
fn a_manifest_that_the_store_does_not_give_stops_nothing_of_the_others() {
    let scene = Scene::new(StoreKind::Moto);
    let [old, new] = [scene.made(&[]), scene.made(&[])];
    let key = format!("team/app/{new}.json");
    let text = scene.get(&key);
    // As a rule of the bucket moves it; it is given only after it was asked for.
    let archived = [("x-amz-storage-class".to_owned(), "GLACIER".to_owned())];
    scene.asked(scene.client.put(&scene.bucket, &key, text.into(), &archived));
    let said = scene.run(&["backup", "list"]).code(0);
    assert!(said.stdout.contains(&format!("{new}.json: cannot be read: ")), "{}", said.stdout);
    assert!(said.stdout.contains(&format!("{old}  ")), "{}", said.stdout);
    scene.run(&["backup", "restore", &new, "--into", "new.db"]).code(4).says(&["this backup is damaged"]);
    let said = scene.run(&["backup", "restore", "--into", "old.db"]).code(0);
    said.says(&[&format!("{new} is newer and damaged"), &format!("{old} is taken")]);
    assert!(scene.project.path("old.db").exists());
    // None of what is there can be read: then the store is what is said.
    scene.remove(&format!("team/app/{old}.json"));
    let said = scene.run(&["backup", "list"]);
    assert_ne!(said.code, Some(0), "{}", said.stdout);
}

#[test]
fn prune_keeps_the_newest_and_what_a_run_may_need() {
    let scene = Scene::new(StoreKind::Seaweed);
    let config = scene.project.read("windlass.toml");
    let keep = "timezone = \"Asia/Shanghai\"\nkeep = { backup = \"1s\", record = \"1s\" }";
    scene.project.write("windlass.toml", config.replace("timezone = \"Asia/Shanghai\"", keep));
    let needed = scene.made(&[]);
    // The controller dies: its run stays open.
    scene.run(&["apply", "release.md", "--yes", "--fault", "crash-after:migrate/1"]);
    scene.run(&["backup", "create"]).code(4).says(&["is not finished"]);
    scene.put("team/app/notes.txt", b"somebody's");
    scene.put("team/app/deeper/x.json", b"somebody's");
    let first = scene.run(&["backup", "prune", "--yes", "--json"]).code(0).json();
    assert_eq!(first["backups"], serde_json::json!([]), "the newest, and of a run that is open");
    scene.run(&["resume"]).code(0);
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let newest = scene.made(&[]);
    let shown = scene.run(&["backup", "prune"]).code(0);
    assert!(shown.stdout.contains("1 would be deleted"), "{}", shown.stdout);
    let pruned = scene.run(&["backup", "prune", "--yes", "--json"]).code(0).json();
    assert_eq!(pruned["backups"], serde_json::json!([needed]));
    let wanted = [
        format!("team/app/{newest}.db.zst"),
        format!("team/app/{newest}.json"),
        "team/app/deeper/x.json".to_owned(),
        "team/app/notes.txt".to_owned(),
    ];
    let mut keys = scene.keys();
    keys.sort();
    assert_eq!(keys, wanted);
}

#[test]
fn an_encrypted_one_is_proven_only_with_its_key() {
    let scene = Scene::new(StoreKind::Seaweed);
    let identity = age::x25519::Identity::generate();
    scene.project.write("key", identity.to_string().expose_secret());
    scene.config(&format!("recipients = [\"{}\"]\n", identity.to_public()));
    let name = scene.made(&[]);
    let stored = scene.get(&format!("team/app/{name}.db.zst.age"));
    assert!(stored.starts_with(b"age-encryption.org/v1\n"));
    assert_eq!(scene.run(&["backup", "verify", "--json"]).code(3).json()["restored"], false);
    let whole = scene.run(&["backup", "verify", "--identity", "key"]).code(0);
    assert!(whole.stdout.contains("restored, 2 rows"), "{}", whole.stdout);
    scene
        .run(&["backup", "restore", "--into", "old.db"])
        .code(4)
        .says(&["is encrypted for", "--identity FILE"]);
    scene.run(&["backup", "restore", "--into", "old.db", "--identity", "key"]).code(0);
}

#[test]
fn what_the_store_refuses_is_said_and_nothing_is_kept() {
    let scene = Scene::new(StoreKind::Seaweed);
    let name = scene.made(&[]);
    let before = scene.keys();
    let reader = |args: &[&str]| {
        let mut command = scene.project.command(args);
        let keys = [("AWS_ACCESS_KEY_ID", READER_KEY), ("AWS_SECRET_ACCESS_KEY", READER_SECRET)];
        command.envs(scene.store.environment()).envs(keys);
        Running::start(command).end()
    };
    // An account that may only read proves and restores.
    reader(&["backup", "verify", &name]).code(0);
    let refused = reader(&["backup", "create"]).code(4);
    assert!(!refused.stderr.contains(READER_SECRET), "{}", refused.stderr);
    refused.says(&["team/app/db-", "nothing was done", "s3:PutObject"]);
    assert_eq!(scene.keys(), before);
    let config = scene.project.read("windlass.toml");
    scene.project.write("windlass.toml", config.replace("s3://lab-", "s3://lab-gone-"));
    scene.run(&["backup", "list"]).code(4).says(&["nothing was done", "aws s3 mb s3://lab-gone-"]);
}

#[test]
fn a_dump_of_a_server_goes_through_without_a_file() {
    let (scene, server) = (Scene::new(StoreKind::Seaweed), server(Flavor::Postgres15));
    let database = server.database();
    database.run("CREATE TABLE record (id INT PRIMARY KEY, note TEXT)");
    database.run("INSERT INTO record SELECT n, md5(n::text) FROM generate_series(1, 1000) n");
    let config = scene.project.read("windlass.toml");
    scene.project.write("windlass.toml", config.replace("sqlite:app.db", &database.url()));
    let tools = server.bin().unwrap().display().to_string();
    let name = scene.made(&["--tools", &tools]);
    assert_eq!(scene.keys().len(), 2);
    let proven = scene.run(&["backup", "verify", &name, "--tools", &tools]).code(0);
    assert!(proven.stdout.contains("restored, 1000 rows"), "{}", proven.stdout);
    let into = format!("{}_old", database.name());
    scene.run(&["backup", "restore", "--into", &into, "--tools", &tools]).code(0);
    server.run(&format!("DROP DATABASE {into}"));
}
