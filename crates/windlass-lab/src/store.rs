//! Object stores that speak S3: SeaweedFS and moto.

use crate::process::{Running, Watchdog, command, free_port, spawn, wait_or};
use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Mutex, OnceLock, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

/// Which object store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StoreKind {
    /// SeaweedFS: checks signatures, keeps data on disk. No self-made answers: a store that teams run.
    Seaweed,
    /// moto, AWS's behaviour in memory: versions, delete markers, tags, ACLs, RDS. Slow; checks no signatures. A restart
    /// forgets everything.
    Moto,
}

impl StoreKind {
    /// Both, for tests that run once for each.
    pub const ALL: [Self; 2] = [Self::Seaweed, Self::Moto];

    /// Word for folders and messages.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Seaweed => "seaweedfs",
            Self::Moto => "moto",
        }
    }
}

/// Access key of the account that may do everything.
pub const ACCESS_KEY: &str = "AKIALABLABLABLABLAB1";
/// Its secret.
pub const SECRET_KEY: &str = "lab/secret+of/nobody";
/// Access key of an account of SeaweedFS that may only list and read.
pub const READER_KEY: &str = "AKIALABLABLABLABLAB2";
/// Its secret.
pub const READER_SECRET: &str = "lab/secret+of/reader";

/// A running object store. When it is dropped it is killed and its folder is removed; when the process ends in any way, too.
pub struct Store {
    kind: StoreKind,
    folder: tempfile::TempDir,
    ports: Vec<u16>,
    running: Mutex<Option<Running>>,
    _watchdog: Watchdog,
}

/// The store of this kind that all tests of this process share, started at first use. A test takes [`Store::bucket_name`]s of
/// its own and leaves the others alone.
pub fn store(kind: StoreKind) -> &'static Store {
    static STORES: [OnceLock<Store>; 2] = [const { OnceLock::new() }; 2];
    STORES[kind as usize].get_or_init(|| Store::start(kind))
}

/// Folder of the programs that `lab/install` put into a Python environment.
fn programs() -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/lab/venv/bin")).to_owned()
}

impl Store {
    /// An empty one. Panics with its log when it does not answer.
    #[must_use]
    pub fn start(kind: StoreKind) -> Self {
        let folder = tempfile::Builder::new().prefix("lab-store-").tempdir().expect("a temporary folder");
        let identity = |name: &str, key: &str, secret: &str, actions: &str| {
            format!(
                r#"{{"name":"{name}","credentials":[{{"accessKey":"{key}","secretKey":"{secret}"}}],"actions":[{actions}]}}"#
            )
        };
        let all = identity("lab", ACCESS_KEY, SECRET_KEY, r#""Admin","Read","Write","List","Tagging""#);
        let reader = identity("reader", READER_KEY, READER_SECRET, r#""Read","List""#);
        fs::write(folder.path().join("identities.json"), format!(r#"{{"identities":[{all},{reader}]}}"#))
            .expect("the folder can be written");
        let growth = "[master.volume_growth]\ncopy_1 = 1\n";
        fs::create_dir_all(folder.path().join(".seaweedfs")).expect("the folder can be written");
        fs::write(folder.path().join(".seaweedfs/master.toml"), growth).expect("the folder can be written");
        let watchdog = Watchdog::over(folder.path());
        let mut store =
            Self { kind, folder, ports: Vec::new(), running: Mutex::new(None), _watchdog: watchdog };
        // Between the choice of a port and its use somebody else may take it.
        for _ in 0..5 {
            store.ports = (0..8).map(|_| free_port()).collect();
            // SeaweedFS makes sockets outside of its folder.
            let sockets: String =
                store.ports.iter().map(|port| format!("rm -f /tmp/seaweedfs-*-grpc-{port}.sock\n")).collect();
            fs::write(store.folder.path().join("after"), sockets).expect("the folder can be written");
            if store.begin() {
                return store;
            }
        }
        panic!("lab: {} does not stay up:\n{}", kind.name(), store.log());
    }

    /// Where clients find it.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port())
    }

    /// Its port of 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.ports[0]
    }

    /// A name for a bucket that nobody else has.
    #[must_use]
    pub fn bucket_name(&self) -> String {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        format!("lab-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
    }

    /// `aws` of the Python environment with these arguments, as a person would type them against this store.
    #[must_use]
    pub fn aws(&self, args: &[&str]) -> Command {
        let mut aws = command(programs().join("aws"));
        aws.args(["--endpoint-url", &self.endpoint()]).args(args).envs(self.environment());
        aws
    }

    /// What AWS's tools read from their environment.
    #[must_use]
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        let config = self.folder.path().join("no-config").display().to_string();
        vec![
            ("AWS_ACCESS_KEY_ID", ACCESS_KEY.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", SECRET_KEY.to_owned()),
            ("AWS_REGION", "us-east-1".to_owned()),
            ("AWS_DEFAULT_REGION", "us-east-1".to_owned()),
            ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
            ("AWS_CONFIG_FILE", config.clone()),
            ("AWS_SHARED_CREDENTIALS_FILE", config),
        ]
    }

    /// SIGKILL.
    pub fn kill(&self) {
        if let Some(running) = self.running.lock().unwrap_or_else(PoisonError::into_inner).take() {
            running.kill();
        }
    }

    /// Starts it again at the same port, after [`Store::kill`].
    pub fn restart(&self) {
        assert!(self.begin(), "lab: {} does not start again:\n{}", self.kind.name(), self.log());
    }

    /// False: it ended before it answered.
    fn begin(&self) -> bool {
        let mut running = spawn(&self.program(), self.folder.path(), self.kind.name());
        let mut has_ended = false;
        let what = || format!("{} answers; its log:\n{}", self.kind.name(), self.log());
        wait_or(what, || {
            has_ended = running.has_ended();
            has_ended || self.answers()
        });
        if !has_ended {
            *self.running.lock().unwrap_or_else(PoisonError::into_inner) = Some(running);
        }
        !has_ended
    }

    /// SeaweedFS listens before it can store anything: the volume server has to be known to the master first.
    fn answers(&self) -> bool {
        match self.kind {
            StoreKind::Moto => ask(self.port(), "GET", "/moto-api/data.json").is_some(),
            StoreKind::Seaweed => {
                let at_master = ask(self.ports[1], "GET", "/dir/assign");
                let at_filer = ask(self.ports[3], "GET", "/?limit=1");
                let at_gateway = ask(self.port(), "GET", "/status");
                at_master.is_some_and(|text| text.contains("fid"))
                    && at_filer.is_some()
                    && at_gateway.is_some()
            }
        }
    }

    fn program(&self) -> Command {
        let folder = self.folder.path();
        match self.kind {
            StoreKind::Moto => {
                let mut moto = command(programs().join("moto_server"));
                moto.args(["-H", "127.0.0.1", "-p", &self.port().to_string()]);
                moto.envs([("AWS_ACCESS_KEY_ID", ACCESS_KEY), ("AWS_SECRET_ACCESS_KEY", SECRET_KEY)]);
                moto
            }
            StoreKind::Seaweed => {
                let data = folder.join("data");
                fs::create_dir_all(&data).expect("the folder can be written");
                let mut weed = command(programs().join("weed"));
                weed.args(["-logtostderr=true", "server", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-s3"]);
                // Each bucket has volumes of its own: many, but small, and one at a time (`master.toml`).
                weed.args(["-master.telemetry=false", "-master.volumeSizeLimitMB=128", "-volume.max=2000"]);
                weed.args(["-s3.port.iceberg=0", "-s3.port.lance=0", "-volume.minFreeSpace=1"]);
                weed.arg("-volume.preStopSeconds=0");
                let names = ["s3.port", "master.port", "volume.port", "filer.port"];
                for (name, port) in names.iter().zip(self.ports.chunks(1).map(|port| port[0])) {
                    weed.arg(format!("-{name}={port}"));
                }
                for (name, port) in names.iter().zip(&self.ports[4..]) {
                    weed.arg(format!("-{name}.grpc={port}"));
                }
                weed.arg(format!("-dir={}", data.display()));
                weed.arg(format!("-s3.config={}", folder.join("identities.json").display()));
                for name in ["filer", "s3"] {
                    weed.arg(format!(
                        "-{name}.localSocket={}",
                        folder.join(format!("{name}.sock")).display()
                    ));
                }
                weed.env("HOME", folder);
                weed
            }
        }
    }

    fn log(&self) -> String {
        let log = self.folder.path().join(format!("{}.log", self.kind.name()));
        let text = fs::read(log).unwrap_or_default();
        let tail = text.len().saturating_sub(4000);
        String::from_utf8_lossy(&text[tail..]).into_owned()
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The answer's text, where one came.
fn ask(port: u16, method: &str, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(2))).ok()?;
    write!(stream, "{method} {path} HTTP/1.0\r\nHost: 127.0.0.1\r\nAccept: application/json\r\n\r\n").ok()?;
    let mut text = Vec::new();
    // What came before a timeout counts.
    let _ = stream.take(64 * 1024).read_to_end(&mut text);
    Some(String::from_utf8_lossy(&text).into_owned()).filter(|text| text.starts_with("HTTP/"))
}
