//! The same choice as aws-cli's, compared with aws-cli itself: random trees, random lines, by seed.
//!
//! `WINDLASS_AWS_CASES="1000 500"` runs other cases (the first seed, how many), `WINDLASS_AWS_CASES="17 1"` one again.

#![expect(clippy::unwrap_used, reason = "a test that cannot read its own data has to fail")]
#![expect(clippy::disallowed_methods, reason = "the environment says which cases to run again")]

use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Command, Stdio},
};
use windlass_objects::{Entry, Object, Place, Scene, Verb, Work, read, select};

const CASES: u64 = 520;

/// SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % limit as u64) as usize
    }

    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.below(from.len())]
    }
}

const NAMES: &[&str] = &[
    "a", "b", "p", "q", "spec-v1", "1.txt", "2.txt", "1.TXT", "3.pbd", "x y", "a+b", "é", "表.txt", "[a]",
    "?", "*", "!", "a-b", "z", "%20", "'", "🌊", ".x",
];
const FOLDERS: &[&str] = &["", "p/", "p", "p/q/", "p/spec-v1/", "p/spec-v1", "[a]/", "a+b/x y/", "p//", "表"];
const PATTERNS: &[&str] = &[
    "*",
    "*.txt",
    "*.pbd",
    "p/*",
    "spec-v1",
    "spec-v1/*",
    "*/*",
    "?",
    "?.txt",
    "[ab]*",
    "*/[!a]*",
    "/p/*",
    "",
    "a/*",
    "*表*",
    "[",
    "*[?]*",
    "x y",
    "**/1.txt",
    "[z-a]*",
    "[!z-a]*",
    "*[a-]*",
    "*+*",
    "p",
    "[[]a]/*",
    "../*",
    "a//*",
    "*/",
    "1.txt",
];

/// Everything about one case: what both sides are given.
struct Case {
    words: Vec<String>,
    buckets: BTreeMap<String, Vec<Object>>,
    /// Absolute path, size, time.
    files: BTreeMap<String, (u64, i64)>,
    cwd: String,
}

fn name(random: &mut Random, local: bool) -> String {
    let mut parts: Vec<&str> = (0..1 + random.below(3)).map(|_| random.pick(NAMES)).collect();
    if !local && random.chance(6) {
        parts.insert(0, "..");
    }
    let mut name = parts.join("/");
    if !local && random.chance(8) {
        name = name.replacen('/', "//", 1);
    }
    if !local && random.chance(8) {
        name.push('/');
    }
    name
}

fn modified(random: &mut Random) -> i64 {
    1_700_000_000_000_000 + i64::try_from(random.below(3)).unwrap() * 1_000_000
}

/// What is below a prefix of a bucket, now and then what is beside it.
fn objects(random: &mut Random, below: &str) -> Vec<Object> {
    let mut found = BTreeMap::new();
    for _ in 0..random.below(14) {
        let start = if random.chance(85) { below } else { "p/" };
        let slash =
            if start.is_empty() || start.ends_with('/') { "" } else { random.pick(&["/", "/", "/", "x"]) };
        let key = format!("{start}{slash}{}", name(random, false));
        let class =
            random.chance(6).then(|| random.pick(&["GLACIER", "DEEP_ARCHIVE", "STANDARD_IA"]).to_owned());
        let size = random.below(3) as u64;
        let object = Object {
            key: key.clone(),
            size,
            modified_us: modified(random),
            etag: None,
            version: None,
            class,
        };
        found.insert(key, object);
    }
    found.into_values().collect()
}

fn files(random: &mut Random, folder: &str) -> BTreeMap<String, (u64, i64)> {
    let mut found: BTreeMap<String, (u64, i64)> = BTreeMap::new();
    for _ in 0..1 + random.below(9) {
        let path = format!("{folder}/{}", name(random, true));
        let clash =
            |other: &String| other.starts_with(&format!("{path}/")) || path.starts_with(&format!("{other}/"));
        if !found.keys().any(clash) {
            // Microseconds count here.
            let odd = if random.chance(20) { 1 } else { 0 };
            found.insert(path, (random.below(3) as u64, modified(random) + odd));
        }
    }
    found
}

impl Case {
    fn new(seed: u64, folder: &str) -> Self {
        let random = &mut Random(seed);
        let cwd = format!("{folder}/{seed}");
        let verb = random.pick(&["sync", "sync", "cp", "mv", "rm"]);
        let mut case = Self {
            words: vec!["s3".into(), verb.into()],
            buckets: BTreeMap::new(),
            files: BTreeMap::new(),
            cwd,
        };
        let single = verb != "sync" && random.chance(15);
        let kind = if verb == "rm" { 0 } else { random.below(4) };
        let places = case.places(random, seed, kind, verb == "rm");
        let one = if single { case.one_object(random, places.clone()) } else { None };
        if one.is_none() && verb != "sync" {
            case.words.push("--recursive".into());
        }
        case.words.extend(one.unwrap_or(places));
        case.options(random, verb);
        case
    }

    /// Source and destination; 0, 1: between buckets, 2: to a bucket, 3: to this machine.
    fn places(&mut self, random: &mut Random, seed: u64, kind: usize, alone: bool) -> Vec<String> {
        let (one, two) = (format!("one-{seed}"), format!("two-{seed}"));
        let (from, to) = (random.pick(FOLDERS), random.pick(FOLDERS));
        let local = random.pick(&["tree", "tree/", "./tree", "tree/p"]);
        let root = format!("{}/tree", self.cwd);
        if kind == 2 {
            self.files = files(random, &root);
            self.files.remove(&format!("{root}/p"));
            self.files.remove(&format!("{root}/p/1.txt"));
            self.files.retain(|path, _| !path.starts_with(&format!("{root}/p/1.txt/")));
            self.files.insert(format!("{root}/p/1.txt"), (1, modified(random)));
            self.buckets.insert(one.clone(), objects(random, to));
            return vec![local.to_owned(), format!("s3://{one}/{to}")];
        }
        self.buckets.insert(one.clone(), objects(random, from));
        if kind == 3 {
            self.files = files(random, &root);
            self.files.retain(|path, _| {
                !path.starts_with(&format!("{root}/p")) || path.starts_with(&format!("{root}/p/"))
            });
            return vec![format!("s3://{one}/{from}"), local.to_owned()];
        }
        // Overlaps too: with `--dryrun` both sides see a frozen listing.
        let other = if alone || random.chance(50) { one.clone() } else { two };
        let more = objects(random, to);
        let all = self.buckets.entry(other.clone()).or_default();
        for object in more {
            if !all.iter().any(|known| known.key == object.key) {
                all.push(object);
            }
        }
        all.sort_by(|a, b| a.key.cmp(&b.key));
        let from = format!("s3://{one}/{from}");
        if alone { vec![from] } else { vec![from, format!("s3://{other}/{to}")] }
    }

    /// The places of a line that means one object, if there is one.
    fn one_object(&self, random: &mut Random, places: Vec<String>) -> Option<Vec<String>> {
        let mut places = places.into_iter();
        let from = places.next()?;
        let from = match from.strip_prefix("s3://") {
            Some(rest) => {
                let bucket = rest.split('/').next()?;
                let objects = &self.buckets[bucket];
                let object = objects.get(random.below(objects.len().max(1)))?;
                format!("s3://{bucket}/{}", object.key)
            }
            None => {
                let paths: Vec<_> = self.files.keys().collect();
                let path = paths.get(random.below(paths.len().max(1)))?;
                if random.chance(50) {
                    (**path).clone()
                } else {
                    path.strip_prefix(&format!("{}/", self.cwd))?.to_owned()
                }
            }
        };
        Some([from].into_iter().chain(places).collect())
    }

    fn options(&mut self, random: &mut Random, verb: &str) {
        for _ in 0..random.below(5) {
            self.words.push(random.pick(&["--include", "--exclude"]).to_owned());
            let pattern = match random.below(10) {
                0 => format!("{}/tree/*", self.cwd),
                1 => name(random, false),
                _ => random.pick(PATTERNS).to_owned(),
            };
            self.words.push(pattern);
        }
        let more: &[&str] = match verb {
            "sync" => {
                &["--delete", "--delete", "--size-only", "--exact-timestamps", "--force-glacier-transfer"]
            }
            "rm" => &["--quiet"],
            _ => &["--force-glacier-transfer", "--quiet", "--no-progress"],
        };
        for option in more {
            if random.chance(30) {
                self.words.push((*option).to_owned());
            }
        }
    }

    fn json(&self) -> Value {
        let objects = |objects: &Vec<Object>| -> Vec<Value> {
            let one = |o: &Object| json!({"key": o.key, "size": o.size, "modified_us": o.modified_us, "class": o.class});
            objects.iter().map(one).collect()
        };
        let buckets: BTreeMap<_, _> = self.buckets.iter().map(|(name, all)| (name, objects(all))).collect();
        let files: Vec<_> = self.files.iter().map(|(path, (size, time))| json!([path, size, time])).collect();
        json!({"words": self.words, "buckets": buckets, "files": files, "cwd": self.cwd})
    }

    /// The listing below a place; of one object only that.
    fn listing(&self, place: &Place, start: &str, recursive: bool) -> Vec<Result<Object, String>> {
        let mut found: Vec<Object> = match place {
            Place::S3 { bucket, .. } => {
                let meant = |key: &str| if recursive { key.starts_with(start) } else { key == start };
                self.buckets[bucket].iter().filter(|o| meant(&o.key)).cloned().collect()
            }
            Place::Local { .. } => {
                let folder =
                    if recursive { start.to_owned() } else { start[..=start.rfind('/').unwrap()].to_owned() };
                let meant = |path: &str| if recursive { path.starts_with(start) } else { path == start };
                let object = |(path, (size, time)): (&String, &(u64, i64))| {
                    let key = path[folder.len()..].to_owned();
                    Object { key, size: *size, modified_us: *time, etag: None, version: None, class: None }
                };
                self.files.iter().filter(|(path, _)| meant(path)).map(object).collect()
            }
        };
        found.sort_by(|a, b| a.key.cmp(&b.key));
        found.into_iter().map(Ok).collect()
    }

    /// Our choice, as aws-cli would tell it.
    fn ours(&self) -> Result<Vec<Value>, String> {
        let words: Vec<_> = self.words.iter().map(String::as_str).collect();
        let line = read(&words).map_err(|refused| format!("refused: {refused:?}"))?;
        let recursive = line.is_recursive();
        let folder = |path: &str| {
            let path = format!("{}/{}/", self.cwd, path.trim_start_matches("./").trim_end_matches('/'));
            self.files.keys().any(|file| file.starts_with(&path))
        };
        let to_is_folder = matches!(&line.to, Some(Place::Local { path }) if folder(path));
        let scene = Scene { cwd: self.cwd.clone(), to_is_folder };
        let roots = windlass_objects::Roots::new(&line, &scene);
        let from = self.listing(&line.from, roots.from.start(), recursive);
        let to = match &line.to {
            Some(to) if recursive => self.listing(to, roots.to.start(), recursive),
            _ => Vec::new(),
        };
        let full = |place: &Place, key: &str| match place.bucket() {
            Some(bucket) => format!("{bucket}/{key}"),
            None if recursive => format!("{}{key}", roots.from.start()),
            None => roots.from.start().to_owned(),
        };
        let told = |entry: Entry| {
            let from = entry.from.map(|from| full(&line.from, &from.key));
            let end = line.to.as_ref().unwrap_or(&line.from);
            let to = end.bucket().map_or_else(|| entry.to.clone(), |bucket| format!("{bucket}/{}", entry.to));
            match entry.work {
                Work::Stay => None,
                Work::Skip(_) => Some(json!(["skip", from, null])),
                Work::Delete => Some(json!(["delete", to, null])),
                Work::Copy => Some(json!([operation(&line.from, end), from, to])),
            }
        };
        assert!(line.verb != Verb::Remove || line.to.is_none());
        select(&line, &scene, from, to)
            .filter_map(|entry| entry.map(told).map_err(|error| format!("{error:?}")).transpose())
            .collect()
    }
}

fn operation(from: &Place, to: &Place) -> &'static str {
    match (from.is_s3(), to.is_s3()) {
        (true, true) => "copy",
        (true, false) => "download",
        _ => "upload",
    }
}

/// What aws-cli refuses must be refused here, and the other way round; and the entries are the same, in the same order.
#[test]
fn the_choice_is_that_of_aws_cli() {
    let (first, count) = match std::env::var("WINDLASS_AWS_CASES") {
        Ok(text) => {
            let (first, count) = text.split_once(' ').unwrap();
            (first.parse().unwrap(), count.parse().unwrap())
        }
        Err(_) => (1, CASES),
    };
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = here.join("../../target/lab/venv/bin/python");
    assert!(python.exists(), "aws-cli is not there: run lab/install");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("aws-cli-{}", std::process::id()));
    let folder = folder.to_str().unwrap();
    let mut aws = Command::new(python)
        .arg(here.join("tests/aws_cli.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let (mut to_aws, mut from_aws) =
        (aws.stdin.take().unwrap(), BufReader::new(aws.stdout.take().unwrap()).lines());
    let (mut different, mut entries, mut refused) = (Vec::new(), 0, 0);
    for seed in first..first + count {
        let case = Case::new(seed, folder);
        writeln!(to_aws, "{}", case.json()).unwrap();
        let Some(Ok(theirs)) = from_aws.next() else {
            panic!("aws-cli ended at seed {seed}: {}", case.json())
        };
        let theirs: Value = serde_json::from_str(&theirs).unwrap();
        let ours = case.ours();
        let same = match &ours {
            Ok(ours) => json!(ours) == theirs["entries"],
            Err(_) => ["1", "2", "252", "255"].contains(&theirs["status"].to_string().as_str()),
        };
        entries += theirs["entries"].as_array().unwrap().len();
        refused += usize::from(ours.is_err());
        if !same {
            different.push(format!(
                "WINDLASS_AWS_CASES=\"{seed} 1\": {}\nours   {ours:?}\ntheirs {theirs}",
                case.json()
            ));
        }
    }
    drop(to_aws);
    aws.wait().unwrap();
    assert!(
        different.is_empty(),
        "{} of {count} differ:\n{}",
        different.len(),
        different[..different.len().min(5)].join("\n\n")
    );
    assert!(
        count < CASES || (entries > 1_500 && refused < 80),
        "{entries} entries, {refused} refused: hardly a test"
    );
}
