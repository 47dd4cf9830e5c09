//! Resolves secret references, remembers the values, and masks them wherever text leaves.

use crate::{env, project, terminal};
use std::{
    collections::BTreeMap,
    io::Read as _,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, MutexGuard, OnceLock, mpsc},
    time::{Duration, Instant},
};
use windlass_driver::Secrets;
use windlass_plan::Secret;

/// A command that gives a secret may take this long.
const COMMAND_MAX: Duration = Duration::from_secs(30);
/// Longest value, bytes: a secret is a password, a URL or a key, not a dump.
const VALUE_BYTES_MAX: u64 = 64 * 1024;
/// Shorter values are masked too, but then a mask may hide more than the secret.
const SHORT: usize = 4;
const MASK: &str = "****";
/// So many characters of a value of at least twice as many are masked too, where a text is cut behind them.
const CUT_MIN: usize = 6;

/// The secrets of one process.
pub struct SecretStore {
    base: PathBuf,
    command_max: Duration,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    /// A cell for each secret, so that it is read once and nobody who only masks waits for a command.
    values: BTreeMap<Secret, Arc<OnceLock<Result<String, String>>>>,
    /// Longest first, so that a value inside another does not leave the rest of it standing.
    masks: Vec<String>,
    /// Those of which the beginning is masked too. No URLs: they begin with words that stand everywhere, and their passwords are values of their own.
    cuts: Vec<String>,
}

impl SecretStore {
    /// Files and commands are relative to `base`.
    pub fn new(base: &Path) -> Self {
        Self { base: base.to_owned(), command_max: COMMAND_MAX, known: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn read(&self, secret: &Secret) -> Result<String, String> {
        let value = match secret {
            Secret::Env(name) => {
                env::variable(name).ok_or_else(|| format!("the environment variable {name} is not set"))?
            }
            Secret::File(path) => {
                let path = self.base.join(path);
                let shown = path.display();
                let (file, _) =
                    project::open_regular(&path, "file with a secret").map_err(|why| why.message)?;
                bounded(file).map_err(|why| format!("{shown}: {why}"))?
            }
            Secret::Command(command) => {
                self.run(command).map_err(|why| format!("the command `{command}`: {why}"))?
            }
        };
        let value = value.strip_suffix('\n').map_or(value.as_str(), |v| v.strip_suffix('\r').unwrap_or(v));
        if value.is_empty() { Err(format!("{} gave nothing", name(secret))) } else { Ok(value.to_owned()) }
    }

    fn run(&self, command: &str) -> Result<String, String> {
        let mut child = Command::new("/bin/sh")
            .args(["-c", command])
            .current_dir(&self.base)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            // A group of its own, so that what it leaves behind can be ended with it.
            .process_group(0)
            .spawn()
            .map_err(|e| format!("cannot be started: {e}"))?;
        let stdout = child.stdout.take().expect("the pipe was asked for");
        let end = Instant::now() + self.command_max;
        // The output is read beside the wait: a full pipe would keep the command from ending. The thread is not
        // joined: a process that left the group may keep the pipe open for as long as it likes.
        let (sender, output) = mpsc::sync_channel(1);
        std::thread::spawn(move || sender.send(bounded(stdout)));
        let status = wait(&mut child, end)
            .map_err(|why| why.unwrap_or_else(|| format!("did not end within {} s", self.seconds())))?;
        if !status.success() {
            return Err(format!("failed ({status})"));
        }
        output.recv_timeout(end.saturating_duration_since(Instant::now())).unwrap_or_else(|_| {
            kill_group(&child);
            Err(format!(
                "ended, but something it started in the background kept its output open for {} s; \
                 send the output of that elsewhere, with `>/dev/null`",
                self.seconds()
            ))
        })
    }

    fn seconds(&self) -> f32 {
        self.command_max.as_secs_f32()
    }
}

/// Ends the command and what it started. Nobody may be left, which is as good.
fn kill_group(child: &Child) {
    let _ = rustix::process::kill_process_group(
        rustix::process::Pid::from_child(child),
        rustix::process::Signal::KILL,
    );
}

/// Waits, and kills the command at the end of its time, which is an error without words.
fn wait(child: &mut Child, end: Instant) -> Result<std::process::ExitStatus, Option<String>> {
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Ok(status),
            Ok(None) if Instant::now() < end => std::thread::sleep(Duration::from_millis(5)),
            Ok(None) => {
                // It may have ended in this instant, which is as good.
                kill_group(child);
                let _ = child.wait();
                return Err(None);
            }
            Err(error) => return Err(Some(format!("cannot be waited for: {error}"))),
        }
    }
}

fn bounded(source: impl std::io::Read) -> Result<String, String> {
    let mut bytes = Vec::new();
    source.take(VALUE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(|e| e.to_string())?;
    if bytes.len() as u64 > VALUE_BYTES_MAX {
        return Err(format!("is longer than {VALUE_BYTES_MAX} bytes"));
    }
    String::from_utf8(bytes).map_err(|_| "is not UTF-8".to_owned())
}

fn name(secret: &Secret) -> String {
    match secret {
        Secret::Env(name) => format!("the environment variable {name}"),
        Secret::File(path) => format!("the file {path}"),
        Secret::Command(command) => format!("the command `{command}`"),
    }
}

impl Known {
    fn remember(&mut self, value: &str) {
        for form in forms(value) {
            if !form.is_empty() && !self.masks.contains(&form) {
                self.masks.push(form);
            }
        }
        self.masks.sort_by_key(|mask| std::cmp::Reverse(mask.len()));
        let is_url = value.contains("://") || value.starts_with("sqlite:");
        let whole = url_password(value).map(decoded).or_else(|| (!is_url).then(|| value.to_owned()));
        for form in whole.iter().flat_map(|value| [vec![value.clone()], quoted(value)].concat()) {
            if form.chars().count() >= 2 * CUT_MIN && !self.cuts.contains(&form) {
                self.cuts.push(form);
            }
        }
    }
}

/// How a value may turn up in text: as it is, line by line, percent-encoded, with JSON's escapes, quoted for SQL; and of a URL its
/// password, both ways.
fn forms(value: &str) -> Vec<String> {
    let mut forms = vec![value.to_owned()];
    // Keys in PEM have many lines, and tools print them one at a time.
    forms.extend(value.lines().filter(|line| line.len() >= 8).map(str::to_owned));
    if let Some(password) = url_password(value) {
        forms.push(decoded(password));
        forms.push(password.to_owned());
    }
    let encoded: Vec<_> = forms
        .iter()
        .flat_map(|form| [vec![encoded(form, true), encoded(form, false), json(form)], quoted(form)].concat())
        .collect();
    forms.extend(encoded);
    forms
}

/// As it stands in literals of SQL.
fn quoted(value: &str) -> Vec<String> {
    let quoted = value.replace('\'', "''");
    vec![quoted.replace('\\', "\\\\"), quoted]
}

/// Without what is left of a value where a server cut its message (`… near 'BY 'beginn' at line 1`, `(1, beginn...)`).
fn without_cut(text: String, value: &str) -> String {
    let begin: String = value.chars().take(CUT_MIN).collect();
    if !text.contains(&begin) {
        return text;
    }
    let (mut masked, mut rest) = (String::with_capacity(text.len()), text.as_str());
    while let Some(at) = rest.find(&begin) {
        let same = rest[at..].chars().zip(value.chars()).take_while(|(one, other)| one == other);
        let end = at + same.map(|(one, _)| one.len_utf8()).sum::<usize>();
        let is_cut = ["...", "…", "'", "\""].iter().any(|mark| rest[end..].starts_with(mark));
        masked.push_str(&rest[..at]);
        masked.push_str(if is_cut { MASK } else { &rest[at..end] });
        rest = &rest[end..];
    }
    masked + rest
}

fn url_password(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let (user, _) = authority.rsplit_once('@')?;
    user.split_once(':').map(|(_, password)| password).filter(|password| !password.is_empty())
}

fn encoded(text: &str, upper: bool) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(char::from(byte)),
            _ if upper => out.push_str(&format!("%{byte:02X}")),
            _ => out.push_str(&format!("%{byte:02x}")),
        }
    }
    out
}

fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = text.get(at + 1..at + 3).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match (bytes[at], hex) {
            (b'%', Some(byte)) => {
                out.push(byte);
                at += 3;
            }
            (byte, _) => {
                out.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn json(text: &str) -> String {
    let quoted = serde_json::Value::String(text.to_owned()).to_string();
    quoted.trim_matches('"').to_owned()
}

impl Secrets for SecretStore {
    fn resolve(&self, secret: &Secret) -> Result<String, String> {
        let cell = self.lock().values.entry(secret.clone()).or_default().clone();
        // The lock is free again while the secret is read: output of other steps has to be masked meanwhile.
        let value = cell.get_or_init(|| {
            let value = self.read(secret)?;
            self.lock().remember(&value);
            if value.len() < SHORT {
                terminal::warn(&format!(
                    "the value of {} has fewer than {SHORT} characters: masking it may hide other text too",
                    name(secret)
                ));
            }
            Ok(value)
        });
        value.clone()
    }

    fn mask(&self, text: &str) -> String {
        let known = self.lock();
        let mut masked = text.to_owned();
        for value in &known.masks {
            if masked.contains(value.as_str()) {
                masked = masked.replace(value.as_str(), MASK);
            }
        }
        known.cuts.iter().fold(masked, |text, value| without_cut(text, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store() -> (tempfile::TempDir, SecretStore) {
        let dir = tempfile::tempdir().unwrap();
        let store = SecretStore::new(dir.path());
        (dir, store)
    }

    fn file(dir: &tempfile::TempDir, name: &str, text: &str) -> Secret {
        std::fs::write(dir.path().join(name), text).unwrap();
        Secret::File(name.into())
    }

    #[test]
    fn one_line_end_is_taken_off_and_the_value_is_masked() {
        let (dir, store) = store();
        let secret = file(&dir, "password", "hunter2 \n");
        assert_eq!(store.resolve(&secret).unwrap(), "hunter2 ");
        assert_eq!(store.mask("with hunter2 inside"), "with ****inside");
    }

    #[test]
    fn the_longest_value_goes_first() {
        let (dir, store) = store();
        store.resolve(&file(&dir, "a", "secret")).unwrap();
        store.resolve(&file(&dir, "b", "secret-and-more")).unwrap();
        assert_eq!(store.mask("x secret-and-more y secret z"), "x **** y **** z");
    }

    #[test]
    fn encoded_forms_and_the_password_of_a_url_are_masked() {
        let (dir, store) = store();
        store.resolve(&file(&dir, "url", "postgres://app:p%40ss+w/d@db:5432/x")).unwrap();
        assert_eq!(store.mask("user app"), "user app");
        store.resolve(&file(&dir, "url2", "postgres://app:p%40ss%2Fword@db:5432/x")).unwrap();
        assert_eq!(store.mask("password p@ss/word"), "password ****");
        assert_eq!(store.mask("p%40ss%2Fword p%40ss%2fword"), "**** ****");
        store.resolve(&file(&dir, "quoted", "a\"b\\c-long")).unwrap();
        assert_eq!(store.mask(r#"{"k":"a\"b\\c-long"}"#), r#"{"k":"****"}"#);
    }

    #[test]
    fn lines_of_a_key_are_masked_one_by_one() {
        let (dir, store) = store();
        store.resolve(&file(&dir, "key", "-----BEGIN-----\nAAAABBBBCCCC\n-----END-----\n")).unwrap();
        assert_eq!(store.mask("saw AAAABBBBCCCC"), "saw ****");
    }

    #[test]
    fn a_command_runs_once_and_its_time_is_bounded() {
        let (dir, store) = store();
        let secret = Secret::Command("echo x >> count; echo value-of-it".into());
        assert_eq!(store.resolve(&secret).unwrap(), "value-of-it");
        assert_eq!(store.resolve(&secret).unwrap(), "value-of-it");
        assert_eq!(std::fs::read_to_string(dir.path().join("count")).unwrap(), "x\n");

        let quick = SecretStore { command_max: Duration::from_millis(50), ..SecretStore::new(dir.path()) };
        let error = quick.resolve(&Secret::Command("exec sleep 60".into())).unwrap_err();
        assert!(error.contains("did not end within"), "{error}");
    }

    #[test]
    fn what_a_command_leaves_behind_is_not_waited_for_and_ended() {
        let (dir, store) = store();
        let quick = SecretStore { command_max: Duration::from_millis(300), ..store };
        let secret = Secret::Command("sleep 50 & echo $! > pid; echo x".into());
        let begun = Instant::now();
        let error = quick.resolve(&secret).unwrap_err();
        assert!(error.contains("in the background"), "{error}");
        assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
        let pid = std::fs::read_to_string(dir.path().join("pid")).unwrap();
        let stat = std::path::PathBuf::from(format!("/proc/{}/stat", pid.trim()));
        // Whoever adopts it may not have reaped it yet.
        let gone = || std::fs::read_to_string(&stat).map_or(true, |stat| stat.contains(") Z "));
        while !gone() {
            assert!(begun.elapsed() < Duration::from_secs(20), "sleep lives on");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    #[test]
    fn what_a_server_repeats_of_a_literal_is_masked() {
        let (dir, store) = store();
        store.resolve(&file(&dir, "password", "it's 4 long\\one")).unwrap();
        store.resolve(&file(&dir, "url", "sqlite:somewhere.db")).unwrap();
        for (text, masked) in [
            ("near ''it''s 4 long\\\\one'' at line 1", "near ''****'' at line 1"),
            ("near E'it''s 4 long\\\\one'", "near E'****'"),
            ("near 'BY 'it''s 4 lo' at line 1", "near 'BY '****' at line 1"),
            ("row (1, it's 4 l...)", "row (1, ****...)"),
            ("it's 4 o'clock", "it's 4 o'clock"),
            ("a database 'sqlite'", "a database 'sqlite'"),
        ] {
            assert_eq!(store.mask(text), masked);
        }
    }

    #[test]
    fn other_text_is_masked_while_a_command_runs() {
        let (dir, store) = store();
        store.resolve(&file(&dir, "password", "hunter2")).unwrap();
        let secret =
            Secret::Command("touch begun; while [ ! -e go ]; do sleep 0.01; done; echo value".into());
        std::thread::scope(|scope| {
            let reader = scope.spawn(|| store.resolve(&secret));
            while !dir.path().join("begun").exists() {
                std::thread::sleep(Duration::from_millis(5));
            }
            // It would wait for ever here: the command goes on only after it.
            assert_eq!(store.mask("hunter2"), "****");
            std::fs::write(dir.path().join("go"), "").unwrap();
            assert_eq!(reader.join().unwrap().unwrap(), "value");
        });
    }

    #[test]
    fn a_file_that_could_make_it_wait_for_ever_is_refused() {
        let (dir, store) = store();
        let pipe = dir.path().join("pipe");
        assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        std::os::unix::fs::symlink(&pipe, dir.path().join("link")).unwrap();
        for (path, word) in
            [("pipe", "a pipe"), ("link", "a pipe"), ("/dev/zero", "a device"), (".", "a folder")]
        {
            let error = store.resolve(&Secret::File(path.into())).unwrap_err();
            assert!(error.contains(&format!("is {word}, not a file with a secret")), "{error}");
        }
    }

    #[test]
    fn missing_values_say_where_they_were_looked_for() {
        let (_dir, store) = store();
        let error = store.resolve(&Secret::Env("WINDLASS_TEST_NOT_SET".into())).unwrap_err();
        assert!(error.contains("WINDLASS_TEST_NOT_SET is not set"), "{error}");
        let error = store.resolve(&Secret::File("nowhere".into())).unwrap_err();
        assert!(error.contains("nowhere"), "{error}");
        let error = store.resolve(&Secret::Command("echo oops; exit 3".into())).unwrap_err();
        assert!(error.contains("exit status: 3") && !error.contains("oops;\n"), "{error}");
    }
}
