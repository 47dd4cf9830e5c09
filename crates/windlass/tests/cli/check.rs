//! `windlass check`, and the commands that need nothing.

use crate::sealed::{Project, RELEASE};

#[test]
fn steps_of_a_good_document_are_listed() {
    let project = Project::new(RELEASE);
    let said = project.run(&["check", "release.md"]).code(0);
    assert_eq!(
        said.stdout,
        "release.md: 4 steps, undo class restore\n  \
           step     line  driver  target  undo\n  \
           backup   8     sqlite  db      readonly\n  \
           migrate  13    sqlite  db      restore\n  \
           mark     17    shell   app     lossy\n  \
           verify   25    sqlite  db      readonly\n"
    );
    assert_eq!(said.stderr, "");
    assert!(!project.path(".windlass").exists(), "check touches nothing");
}

#[test]
fn every_problem_is_reported_at_once_with_place_and_fix() {
    let bad = RELEASE
        .replace("release: 2.1.0", "relase: 2.1.0")
        .replace("{#mark on=app}", "{#backup on=ap}")
        .replace("rows=2", "rows=两");
    let project = Project::new(&bad);
    let said = project.run(&["check", "release.md"]).code(2);
    assert_eq!(said.stdout, "");
    said.says(&["release.md:2:1", "release.md:17:", "release.md:25:", "error["]);
    let json = project.run(&["check", "--json", "release.md"]).code(2).json();
    let file = &json["files"][0];
    assert_eq!((&json["ok"], &file["ok"]), (&false.into(), &false.into()));
    let lines: Vec<_> =
        file["findings"].as_array().unwrap().iter().map(|f| f["line"].as_u64().unwrap()).collect();
    for line in [2, 17, 25] {
        assert!(lines.contains(&line), "{lines:?}");
    }
}

#[test]
fn json_of_a_good_document_has_steps_and_digest() {
    let project = Project::new(RELEASE);
    let json = project.run(&["check", "--json", "release.md"]).code(0).json();
    let file = &json["files"][0];
    assert_eq!(file["steps"][1]["id"], "migrate");
    assert_eq!(file["steps"][1]["class"], "restore");
    assert_eq!(file["digest"].as_str().unwrap().len(), 64);
}

#[test]
fn without_configuration_it_works_and_says_once_what_was_not_checked() {
    let project = Project::empty();
    project.write("a.md", RELEASE);
    project.write("b.md", RELEASE);
    let said = project.run(&["check", "a.md", "b.md"]).code(0);
    assert_eq!(said.stderr.matches("no windlass.toml").count(), 1, "{}", said.stderr);
    assert!(said.stdout.contains("b.md: 5 steps"), "{}", said.stdout);
}

#[test]
fn problems_of_the_configuration_have_their_own_places() {
    let project = Project::new(RELEASE);
    project.write("windlass.toml", "[target.app]\nhots = [\"a\"]\n[target.db]\nurl = \"sqlite:app.db\"\n");
    project.run(&["check", "release.md"]).code(2).says(&["windlass.toml:2:1", "hots", "hosts"]);
}

#[test]
fn what_cannot_be_read_is_told_in_words() {
    let project = Project::new(RELEASE);
    project.run(&["check", "nowhere.md"]).code(2).says(&["nowhere.md: there is no such file"]);
    project.run(&["check", "."]).code(2).says(&[". is a folder"]);
    // "# 发布" in GBK.
    project.write("gbk.md", b"# \xB7\xA2\xB2\xBC\n");
    project.run(&["check", "gbk.md"]).code(2).says(&["not UTF-8", "iconv"]);
    let huge = std::fs::File::create(project.path("huge.md")).unwrap();
    huge.set_len(100 * 1024 * 1024).unwrap();
    project.run(&["check", "huge.md"]).code(2).says(&["100 MiB", "right file"]);
    let json = project.run(&["check", "--json", "nowhere.md", "release.md"]).code(2).json();
    assert!(json["files"][0]["error"].as_str().unwrap().contains("no such file"));
    assert_eq!(json["files"][1]["ok"], true);
}

#[test]
fn no_runbook_makes_it_panic_and_all_are_checked() {
    let project = Project::empty();
    let examples = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/runbooks");
    for entry in std::fs::read_dir(examples).unwrap().map(Result::unwrap) {
        let said = project.run(&["check", &entry.path().to_string_lossy()]);
        assert!(matches!(said.code, Some(0 | 2)), "{}: {said:?}", entry.path().display());
    }
}

#[test]
fn usage_version_schema_and_completions() {
    let project = Project::empty();
    assert!(project.run(&["--version"]).code(0).stdout.starts_with("windlass "));
    assert!(project.run(&["apply", "--help"]).code(0).stdout.contains("--on-failure"));
    project.run(&["aply"]).code(2).says(&["apply"]);
    let schema = project.run(&["schema"]).code(0).json();
    assert!(schema["$defs"]["FrontMatter"].is_object());
    assert!(project.run(&["completions", "bash"]).code(0).stdout.contains("windlass"));
}

#[test]
fn nothing_but_plain_text_without_a_terminal() {
    let project = Project::new(&RELEASE.replace("rows=2", "rows=x"));
    let mut command = project.command(&["check", "release.md"]);
    command.env("TERM", "xterm-256color");
    let said = command.output().unwrap();
    assert!(!said.stderr.contains(&0x1b), "{}", String::from_utf8_lossy(&said.stderr));
}
