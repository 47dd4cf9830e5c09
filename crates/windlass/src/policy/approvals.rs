//! Approvals of a plan: a message that names its digest, signed with the approver's SSH key by `ssh-keygen -Y sign`
//! (ssh-keygen(1); the format of the signature is PROTOCOL.sshsig of OpenSSH).
//!
//! A message and its signature are two files under `.windlass/approvals`, so that `ssh-keygen -Y verify` proves them without Windlass. Who may
//! approve stands in a file of allowed signers, which the team keeps beside `windlass.toml`.

use crate::{
    exit::{self, Failure},
    git::Repository,
    project::{self, Place},
    wiring,
};
use std::{
    collections::BTreeSet,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};
use windlass_journal::Approved;
use windlass_plan::{Approval, Digest};

/// What a signature is for: one that was made for anything else does not count.
const NAMESPACE: &str = "windlass-approval";
/// Longest message, which is three lines.
const MESSAGE_BYTES_MAX: u64 = 4_096;
/// Files looked at for one plan.
const FILES_MAX: usize = 200;

/// Approvals of one plan, as far as they are good.
#[derive(Debug, Default)]
pub struct Approvals {
    /// One a person, by name.
    pub good: Vec<Approved>,
    /// Why there are not enough; nothing: there are.
    pub against: Vec<String>,
}

/// Says which approvals of a plan there are and what is missing.
pub fn read(
    approval: &Approval,
    place: &Place,
    document: &Path,
    digest: &Digest,
) -> Result<Approvals, Failure> {
    let mut found = Approvals::default();
    let mut passed_over = Vec::new();
    let authors = if approval.not_author { authors(document) } else { Ok(BTreeSet::new()) };
    for message in messages(place, digest)? {
        match approved(approval, place, digest, &message) {
            Ok(approved) if found.good.iter().any(|good| person(&good.by) == person(&approved.by)) => {}
            Ok(approved) if authors.as_ref().is_ok_and(|authors| authors.contains(&person(&approved.by))) => {
                passed_over.push(format!("{} wrote of the document and may not approve it", approved.by));
            }
            Ok(approved) => found.good.push(approved),
            Err(why) => passed_over.push(format!("{}: {why}", message.display())),
        }
    }
    let (have, need) = (found.good.len(), approval.count as usize);
    if have < need {
        let mut why = format!("{have} of {need} approvals of plan {}", digest.short());
        for passed in passed_over {
            why.push_str(&format!("; {passed}"));
        }
        found.against.push(why);
    }
    if let Err(why) = authors {
        found.against.push(why);
    }
    Ok(found)
}

/// Signs a plan with a key, and keeps message and signature.
pub fn sign(approval: &Approval, place: &Place, digest: &Digest, key: &Path) -> Result<Approved, Failure> {
    let now_ms = wiring::now_ms();
    let message = format!("windlass approval\nplan {digest}\nat {now_ms}\n");
    let key_text = key.display().to_string();
    let signed = keygen(&["-Y", "sign", "-q", "-n", NAMESPACE, "-f", &key_text], message.as_bytes())?;
    if !signed.status.success() {
        let why = String::from_utf8_lossy(&signed.stderr).trim().to_owned();
        return Err(Failure::refused(format!("ssh-keygen does not sign with {key_text}: {why}"))
            .hint("`--key FILE` names another key; with an agent it may be the public one"));
    }
    let folder = folder(place);
    crate::journal::make_state(place)?;
    let cannot = |error| exit::file("cannot write", &folder, &error);
    std::fs::create_dir_all(&folder).map_err(cannot)?;
    let path = folder.join(format!("{}-{now_ms}.txt", digest.short()));
    // The message last: one without its signature is never there.
    std::fs::write(signature(&path), &signed.stdout).map_err(cannot)?;
    std::fs::write(&path, message).map_err(cannot)?;
    approved(approval, place, digest, &path).map_err(|why| {
        for file in [&path, &signature(&path)] {
            // What does not count is not kept; a leftover would only be passed over.
            std::fs::remove_file(file).ok();
        }
        let public = std::fs::read_to_string(key.with_extension("pub")).unwrap_or_default();
        let line = public.split_whitespace().take(2).collect::<Vec<_>>().join(" ");
        Failure::refused(why).hint(format!(
            "who may approve stands in {}, one a line: `MAIL namespaces=\"{NAMESPACE}\" {}`",
            signers(approval, place).display(),
            if line.is_empty() { "KEYTYPE KEY" } else { &line }
        ))
    })
}

/// Reads one message and proves its signature.
fn approved(approval: &Approval, place: &Place, digest: &Digest, message: &Path) -> Result<Approved, String> {
    let words = |failure: Failure| failure.message;
    let bytes = project::read(message, MESSAGE_BYTES_MAX, "approval").map_err(words)?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let lines: Vec<&str> = text.lines().collect();
    let ["windlass approval", plan, at] = lines[..] else { return Err("it is no approval".to_owned()) };
    let plan = plan.strip_prefix("plan ").unwrap_or_default();
    let at_ms: i64 = at.strip_prefix("at ").and_then(|at| at.parse().ok()).ok_or("it names no time")?;
    if plan != digest.to_string() {
        return Err(format!("it is for plan {plan}"));
    }
    if let Some(expire) = approval.expire_ms {
        let age = wiring::now_ms().saturating_sub(at_ms);
        if age > i64::try_from(expire).unwrap_or(i64::MAX) {
            return Err("it has expired".to_owned());
        }
    }
    let (signers, signature) = (signers(approval, place), signature(message));
    let (signers, signature) = (signers.display().to_string(), signature.display().to_string());
    let time = format!("-Overify-time={}", verify_time(at_ms));
    let find = ["-Y", "find-principals", "-s", &signature, "-f", &signers, &time];
    let found = keygen(&find, b"").map_err(words)?;
    let principal =
        String::from_utf8_lossy(&found.stdout).lines().next().unwrap_or_default().trim().to_owned();
    if !found.status.success() || principal.is_empty() {
        return Err(format!("its key is none of {signers}"));
    }
    let verify = ["-Y", "verify", "-n", NAMESPACE, "-I", &principal, "-s", &signature, "-f", &signers, &time];
    let verified = keygen(&verify, &bytes).map_err(words)?;
    if !verified.status.success() {
        return Err("its signature is not that of its text".to_owned());
    }
    Ok(Approved { by: principal, at_ms })
}

/// ssh-keygen takes the time at which a key had to be valid in UTC, to the second.
fn verify_time(at_ms: i64) -> String {
    let time = jiff::Timestamp::from_millisecond(at_ms).unwrap_or_default();
    time.strftime("%Y%m%d%H%M%SZ").to_string()
}

fn folder(place: &Place) -> PathBuf {
    place.state().join("approvals")
}

fn signers(approval: &Approval, place: &Place) -> PathBuf {
    place.base.join(approval.signers.as_deref().unwrap_or("approvers"))
}

fn signature(message: &Path) -> PathBuf {
    message.with_extension("txt.sig")
}

/// Messages for a plan, in a stable order.
fn messages(place: &Place, digest: &Digest) -> Result<Vec<PathBuf>, Failure> {
    let folder = folder(place);
    let entries = match std::fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(exit::file("cannot read", &folder, &error)),
    };
    let begins = format!("{}-", digest.short());
    let ours = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with(&begins) && name.ends_with(".txt")
    };
    let mut paths: Vec<PathBuf> =
        entries.flatten().map(|entry| entry.path()).filter(ours).take(FILES_MAX).collect();
    paths.sort();
    Ok(paths)
}

/// Everybody who wrote of the document, by the mail addresses of git; an error says why nobody knows.
fn authors(document: &Path) -> Result<BTreeSet<String>, String> {
    let repository = Repository::at(&project::folder_of(document));
    let name = document.file_name().unwrap_or_default();
    let unknown = |why: &str| format!("who wrote the document is not known: {why}");
    let log = repository.history(name, &["--format=%ae"]).map_err(|why| unknown(&why))?;
    let authors: BTreeSet<String> = log.lines().map(person).collect();
    if authors.is_empty() {
        return Err(unknown("no commit has it; commit it to git"));
    }
    match repository.is_as_committed(name).map_err(|why| unknown(&why))? {
        true => Ok(authors),
        false => Err(unknown("it was changed since its last commit; commit it to git")),
    }
}

/// Who a mail address is: mail is delivered whatever the case of its letters.
fn person(mail: &str) -> String {
    mail.trim().to_lowercase()
}

/// The last thing that ssh-keygen is asked stands on its standard input.
fn keygen(args: &[&str], input: &[u8]) -> Result<Output, Failure> {
    let cannot = |error: std::io::Error| {
        Failure::refused(format!("cannot run ssh-keygen: {error}"))
            .hint("it comes with OpenSSH: apt-get install openssh-client")
    };
    let piped = || Stdio::piped();
    let mut child = Command::new("ssh-keygen")
        .args(args)
        .stdin(piped())
        .stdout(piped())
        .stderr(piped())
        .spawn()
        .map_err(cannot)?;
    // Of a program that ended without reading, its own words are better than ours.
    child.stdin.take().map(|mut stdin| stdin.write_all(input).ok());
    child.wait_with_output().map_err(cannot)
}
