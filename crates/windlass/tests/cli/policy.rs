//! Windows and freezes of [policy]: refused before anything runs, or started for a reason that the record shows.

use crate::sealed::{Project, RELEASE, failing};
use std::process::Command;

/// Closed at whatever time the test runs.
const NEVER: &str = "[policy]\ntimezone = \"Asia/Tokyo\"\nfreeze = [\"2000-01-01..2099-12-31\"]\n";
/// Open at whatever time the test runs.
const OPEN: &str =
    "[policy]\ntimezone = \"Asia/Tokyo\"\nwindow = [\"Mon-Sun 00:00-24:00\"]\nfreeze = [\"2000-01-01\"]\n";

fn project(release: &str, policy: &str) -> Project {
    let project = Project::new(release);
    let config = project.read("windlass.toml");
    let config = config.split("[policy]").next().unwrap();
    project.write("windlass.toml", format!("{config}\n{policy}"));
    project
}

/// The page on standard output has these words.
#[track_caller]
fn shows(project: &Project, args: &[&str], words: &[&str]) {
    // Lines are folded at 80 columns.
    let page = project.run(args).code(0).stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    for word in words {
        assert!(page.contains(word), "no {word:?} in:\n{page}");
    }
}

#[test]
fn outside_of_the_hours_nothing_starts_and_a_reason_breaks_the_glass() {
    let project = project(RELEASE, NEVER);
    let before = project.world();
    shows(
        &project,
        &["plan", "release.md"],
        &["it may not start now", "2000-01-01 to 2099-12-31", "Asia/Tokyo"],
    );
    project.run(&["apply", "release.md", "--yes"]).code(4).says(&[
        "the policy is against a start now",
        "2000-01-01 to 2099-12-31 is frozen",
        "nothing was started",
        "no time is known within a year",
        "--break-glass",
    ]);
    project.run(&["apply", "release.md", "--yes", "--break-glass", "  "]).code(2).says(&["no reason"]);
    assert_eq!(project.world(), before);
    assert_eq!(project.run(&["runs", "--json"]).code(0).json().as_array().map_or(0, Vec::len), 0);

    project.run(&["apply", "release.md", "--yes", "--break-glass", "店铺打不开"]).code(0);
    let record = project.run(&["record"]).code(0).stdout;
    assert!(record.contains("| Against the policy | alice@") && record.contains("店铺打不开"), "{record}");
    assert!(record.contains("2000-01-01 to 2099-12-31 is frozen"), "{record}");
    let shown = project.run(&["show", "--json"]).code(0).json();
    assert_eq!(shown["break_glass"]["reason"], "店铺打不开");
    shows(&project, &["show"], &["Against the policy"]);
    // The way back is never closed.
    project.run(&["rollback", "--yes"]).code(0);
    assert_eq!(project.world(), before);
}

#[test]
fn a_critical_release_goes_at_once_and_the_way_back_is_never_closed() {
    let critical = failing().replacen("---\n", "---\nseverity: critical\n", 1);
    let project = project(&critical, NEVER);
    let before = project.world();
    shows(&project, &["plan", "release.md"], &["it is critical and may start now"]);
    project.run(&["apply", "release.md", "--yes"]).code(1);
    assert_eq!(project.world(), before);
}

#[test]
fn within_the_hours_a_reason_is_not_needed_and_not_recorded() {
    let project = project(RELEASE, OPEN);
    shows(&project, &["plan", "release.md"], &["it may start now"]);
    project.run(&["apply", "release.md", "--yes", "--break-glass", "in vain"]).code(0);
    assert!(!project.run(&["record"]).code(0).stdout.contains("Against the policy"));
}

#[test]
fn holidays_of_a_year_that_nobody_listed_are_said() {
    let policy = "[policy]\ntimezone = \"UTC\"\nfreeze = [\"holiday:SG\"]\nholidays = \"holidays.txt\"\n";
    let project = project(RELEASE, policy);
    project.run(&["apply", "release.md", "--yes"]).code(2).says(&["holidays.txt"]);
    project.write("holidays.txt", "SG 2026-01-01 New Year\n2027\n");
    project.run(&["apply", "release.md", "--yes"]).code(2).says(&["holidays.txt:2", "2027"]);
    project.write("holidays.txt", "SG 2000\n");
    project.run(&["apply", "release.md", "--yes"]).code(4).says(&["those of SG of", "are not known"]);
    let years: String = (2020..2100).map(|year| format!("SG {year}\n")).collect();
    project.write("holidays.txt", years);
    project.run(&["apply", "release.md", "--yes"]).code(0);
}

#[test]
fn a_release_is_due_from_the_first_commit_of_its_document_and_starts_late_all_the_same() {
    let release = RELEASE.replacen("---\n", "---\nseverity: recommended\n", 1);
    let policy = "[policy]\ntimezone = \"Asia/Tokyo\"\ndue = { critical = \"0\", recommended = \"3d\" }\n";
    let project = project(&release, policy);
    let unknown = "recommended: within 72h from the first commit of this document, which is not known";
    shows(&project, &["plan", "release.md"], &[unknown]);
    git(&project, &["init", "-q"]);
    shows(&project, &["plan", "release.md"], &["which is not known: your current branch"]);
    let commit_at = |date: &str| git(&project, &["commit", "-q", "-a", "-m", "release", "--date", date]);
    git(&project, &["add", "release.md"]);
    commit_at("2020-01-01T00:00:00Z");
    let late = "it was due by 2020-01-04 09:00:00 +09:00 (recommended: within 72h from the first commit)";
    shows(&project, &["plan", "release.md"], &[late]);
    // A change does not put it off, nor does another name.
    project.write("release.md", format!("{release}\n"));
    commit_at("2020-02-01T00:00:00Z");
    git(&project, &["mv", "release.md", "renamed [1].md"]);
    commit_at("2020-03-01T00:00:00Z");
    shows(&project, &["plan", "renamed [1].md"], &[late]);
    shows(&project, &["ticket", "renamed [1].md"], &["| Due by | 2020-01-04 09:00:00 +09:00 |"]);
    project.run(&["apply", "renamed [1].md", "--yes"]).code(0);
}

/// A project in git whose policy wants an approval; the keys of three people.
fn approved() -> Project {
    let project = project(RELEASE, "[policy]\napprove = { count = 1, not = \"author\", expire = \"7d\" }\n");
    let mut signers = String::new();
    for name in ["alice", "bob", "eve"] {
        let key = project.path(&format!("keys/{name}"));
        std::fs::create_dir_all(key.parent().unwrap()).unwrap();
        let made = Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-C", name, "-f"])
            .arg(&key)
            .status();
        assert!(made.unwrap().success());
        if name != "eve" {
            let public = project.read(&format!("keys/{name}.pub"));
            signers.push_str(&format!("{name}@example.com namespaces=\"windlass-approval\" {public}"));
        }
    }
    project.write("approvers", signers);
    git(&project, &["init", "-q"]);
    commit(&project);
    project
}

fn git(project: &Project, args: &[&str]) {
    let mut command = Command::new("git");
    command.current_dir(project.path("")).args([
        "-c",
        "user.name=Alice",
        "-c",
        "user.email=Alice@Example.com",
    ]);
    assert!(command.args(args).status().unwrap().success(), "{args:?}");
}

fn commit(project: &Project) {
    git(project, &["add", "release.md"]);
    git(project, &["commit", "-q", "-m", "release"]);
}

#[test]
fn a_plan_is_approved_by_somebody_else_and_only_this_plan() {
    let project = approved();
    let before = project.world();
    let approve = |name: &str| {
        let key = project.path(&format!("keys/{name}")).display().to_string();
        project.run(&["approve", "release.md", "--yes", "--key", &key])
    };
    project
        .run(&["apply", "release.md", "--yes"])
        .code(4)
        .says(&["0 of 1 approvals", "windlass approve release.md"]);
    // Who wrote it does not count, and who is not in the list may not sign.
    approve("alice").code(0).says(&["Not enough yet", "alice@example.com wrote of the document"]);
    approve("eve").code(4).says(&["its key is none of", "approvers", "ssh-ed25519"]);
    project
        .run(&["apply", "release.md", "--yes"])
        .code(4)
        .says(&["0 of 1", "alice@example.com wrote of the document"]);
    assert_eq!(project.world(), before);

    approve("bob").code(0).says(&["Approved by bob@example.com", "It may be applied"]);
    shows(&project, &["plan", "release.md"], &["approved by bob@example.com"]);
    // Another plan needs another approval, and a document that nobody committed has no known author.
    let document = project.read("release.md");
    project.write("release.md", document.replacen("2.1.0", "2.1.1", 1));
    project.run(&["apply", "release.md", "--yes"]).code(4).says(&["0 of 1", "changed since its last commit"]);
    project.write("release.md", document);
    project.run(&["apply", "release.md", "--yes"]).code(0);
    let record = project.run(&["record"]).code(0).stdout;
    assert!(record.contains("| Approved |") && record.contains("by bob@example.com"), "{record}");
}

#[test]
fn an_approval_that_was_tampered_with_or_is_for_something_else_does_not_count() {
    let project = approved();
    let key = project.path("keys/bob").display().to_string();
    project.run(&["approve", "release.md", "--yes", "--key", &key]).code(0);
    let folder = project.path(".windlass/approvals");
    let files = || std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let message = files().find(|path| path.extension().is_some_and(|end| end == "txt")).unwrap();
    let good = std::fs::read_to_string(&message).unwrap();
    let apply = || project.run(&["apply", "release.md", "--yes"]).code(4);
    // Made younger than it is.
    let (head, at) = good.trim_end().rsplit_once(' ').unwrap();
    std::fs::write(&message, format!("{head} {}\n", at.parse::<i64>().unwrap() + 1)).unwrap();
    apply().says(&["0 of 1", "its signature is not that of its text"]);
    std::fs::write(&message, "approved\n").unwrap();
    apply().says(&["it is no approval"]);
    // The same person's signature under another thing.
    std::fs::write(&message, &good).unwrap();
    let signature = message.with_extension("txt.sig");
    std::fs::remove_file(&signature).unwrap();
    let signed = Command::new("ssh-keygen")
        .args(["-q", "-Y", "sign", "-n", "file", "-f", &key])
        .arg(&message)
        .status();
    assert!(signed.unwrap().success() && signature.exists());
    apply().says(&["0 of 1"]);
    std::fs::remove_file(&signature).unwrap();
    apply().says(&["0 of 1"]);
    project.run(&["apply", "release.md", "--yes", "--break-glass", "nobody is awake"]).code(0);
    assert!(project.run(&["record"]).code(0).stdout.contains("nobody is awake"));
}

#[test]
fn of_a_shallow_clone_nobody_knows_all_authors() {
    let project = approved();
    project.write("release.md", format!("{RELEASE}\n"));
    git(&project, &["commit", "-q", "-a", "-m", "more"]);
    // As `git clone --depth 1` leaves it: all that is older is cut off.
    let head =
        Command::new("git").args(["rev-parse", "HEAD"]).current_dir(project.path("")).output().unwrap();
    project.write(".git/shallow", head.stdout);
    let key = project.path("keys/bob").display().to_string();
    let whole =
        "who wrote the document is not known: this clone has not all commits (`git fetch --unshallow`)";
    project.run(&["approve", "release.md", "--yes", "--key", &key]).code(0).says(&["Not enough yet", whole]);
    project.run(&["apply", "release.md", "--yes"]).code(4).says(&[whole]);
}
