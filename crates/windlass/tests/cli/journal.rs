//! Journals that cannot be used.

use crate::sealed::{Project, RELEASE};
use std::os::unix::fs::PermissionsExt as _;

fn edit(project: &Project, sql: &str) {
    let db = rusqlite::Connection::open(project.path(".windlass/journal.db")).unwrap();
    db.execute_batch(sql).unwrap();
}

#[test]
fn a_broken_chain_needs_a_person_and_nothing_is_written() {
    let project = Project::new(RELEASE);
    project.run(&["apply", "release.md", "--yes"]).code(0);
    edit(&project, "UPDATE entry SET actor = 'mallory@host' WHERE seq = 3");
    let world = project.world();
    project.run(&["rollback", "--yes"]).code(3).says(&["damaged at entry 3", "copy the folder"]);
    project.run(&["apply", "release.md", "--yes"]).code(3).says(&["damaged at entry 3"]);
    project.run(&["status"]).code(3).says(&["damaged at entry 3"]);
    assert_eq!(project.world(), world);
}

#[test]
fn a_journal_proves_that_it_is_whole_and_says_who_did_what() {
    let project = Project::new(RELEASE);
    project.run(&["verify-journal"]).code(2).says(&["nothing has been run"]);
    project.run(&["apply", "release.md", "--yes"]).code(0);
    let whole = project.run(&["verify-journal"]).code(0);
    assert!(whole.stdout.contains("of 1 run\n") && whole.stdout.contains("whole"), "{}", whole.stdout);
    assert!(whole.stdout.lines().all(|line| line.chars().count() <= 80), "{}", whole.stdout);
    let noted = whole.stdout.lines().last().unwrap().split_whitespace().last().unwrap().to_owned();
    assert_eq!(noted.len(), 64, "{}", whole.stdout);
    project.run(&["rollback", "--yes"]).code(0);
    // Everything up to the noted hash is as it was, and more came.
    let said = project.run(&["verify-journal", &noted[..12], "--table"]).code(0);
    for word in ["started 2.1.0", "turned back", "ended: undone", "everything up to it is as it was"] {
        assert!(said.stdout.contains(word), "{word}: {}", said.stdout);
    }
    let json = project.run(&["verify-journal", &noted, "--table", "--json"]).code(0);
    let json: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    let entries = json["entries"].as_u64().unwrap();
    assert!(
        json["found"].as_u64().unwrap() < entries && json["deeds"].as_array().unwrap().len() >= 4,
        "{json}"
    );
    project.run(&["verify-journal", "nohash"]).code(2).says(&["is no hash"]);
    project.run(&["verify-journal", "0123456789abcdef"]).code(4).says(&["no entry", "has the hash"]);
    // What is cut off at the end is no break of the chain: only the noted hash tells.
    let last = json["last"].as_str().unwrap();
    edit(&project, &format!("DELETE FROM entry WHERE seq = {entries}"));
    project.run(&["verify-journal", last]).code(4).says(&["no entry"]);
}

/// Another program follows the chain with what `--export` and docs/document.md say.
#[test]
fn the_exported_chain_can_be_checked_by_others() {
    let project = Project::new(RELEASE);
    project.run(&["apply", "release.md", "--yes"]).code(0);
    let export = project.run(&["verify-journal", "--export"]).code(0);
    let check = r#"
import hashlib, json, sys
previous, number = "", 0
for line in sys.stdin:
    entry = json.loads(line)
    sha = hashlib.sha256()
    for field in (previous, str(entry["seq"]), str(entry["time_ms"]), entry["run"], entry["actor"], str(entry["token"]), entry["event"]):
        data = field.encode()
        sha.update(len(data).to_bytes(8, "little") + data)
    number += 1
    assert entry["seq"] == number and entry["previous"] == previous and entry["hash"] == sha.hexdigest(), number
    previous = entry["hash"]
print(number)
"#;
    let mut python = std::process::Command::new("python3");
    let child =
        python.args(["-c", check]).stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
    let mut child = child.spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), export.stdout.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", export.stdout);
    let lines = export.stdout.lines().count();
    assert_eq!(String::from_utf8(output.stdout).unwrap().trim(), lines.to_string());
}

#[test]
fn the_folder_of_the_journal_is_closed_to_others_also_when_it_was_open() {
    let project = Project::new(RELEASE);
    let state = project.path(".windlass");
    let mode = || std::fs::metadata(&state).unwrap().permissions().mode() & 0o777;
    project.run(&["apply", "release.md", "--yes"]).code(0);
    assert_eq!(mode(), 0o700, "made");
    std::fs::set_permissions(&state, std::fs::Permissions::from_mode(0o755)).unwrap();
    project.write("next.md", RELEASE.replace("release: 2.1.0", "release: 2.2.0"));
    project.run(&["apply", "next.md", "--yes"]);
    assert_eq!(mode(), 0o700, "found open");
}

#[test]
fn a_newer_format_is_refused() {
    let project = Project::new(RELEASE);
    project.run(&["apply", "release.md", "--yes"]).code(0);
    edit(&project, "PRAGMA user_version = 99");
    for args in [&["apply", "release.md", "--yes"][..], &["resume"], &["runs"]] {
        project.run(args).code(4).says(&["format 99", "newer windlass"]);
    }
}

#[test]
fn another_file_is_not_taken_for_a_journal() {
    let project = Project::new(RELEASE);
    project.write(".windlass/journal.db", "this is not a database, it only has its name");
    project.run(&["apply", "release.md", "--yes"]).code(4).says(&["is not a windlass journal"]);
    assert!(project.read(".windlass/journal.db").starts_with("this is not"), "nothing was overwritten");
}

#[test]
fn where_nothing_can_be_written_nothing_starts() {
    let project = Project::new(RELEASE);
    let world = project.world();
    // A file in the place of the folder: root may write into a read-only folder.
    project.write(".windlass", "");
    project
        .run(&["apply", "release.md", "--yes"])
        .code(4)
        .says(&["cannot be written", "nothing was started"]);
    assert_eq!(project.world(), world);
}

#[test]
fn before_the_first_run_there_is_nothing_to_show() {
    let project = Project::new(RELEASE);
    assert!(project.run(&["status"]).code(0).stdout.contains("Nothing has been run here yet"));
    assert_eq!(project.run(&["runs", "--json"]).code(0).json(), serde_json::json!([]));
    project.run(&["resume"]).code(2).says(&["nothing has been run"]);
    project.run(&["show"]).code(2).says(&["nothing has been run"]);
    project.run(&["rollback", "--yes"]).code(2).says(&["nothing has been run"]);
    assert!(!project.path(".windlass").exists());
}

#[test]
fn commands_work_from_a_folder_below_and_unknown_runs_are_named() {
    let project = Project::new(RELEASE);
    project.run(&["apply", "release.md", "--yes"]).code(0);
    std::fs::create_dir(project.path("docs")).unwrap();
    let mut below = project.command(&["runs"]);
    let said = below.current_dir(project.path("docs")).output().unwrap();
    assert!(String::from_utf8_lossy(&said.stdout).contains("done"));
    project
        .run(&["show", "20200101-000000-0000"])
        .code(2)
        .says(&["no run 20200101-000000-0000", "windlass runs"]);
}
