//! `windlass check`, and the commands that need nothing.

use crate::sealed::{CONFIG, Project, RELEASE};

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

/// Lines of all findings, by rule, and the words about what could not be read.
fn found(project: &Project, file: &str) -> (Vec<(String, u64)>, String) {
    let json = project.run(&["check", "--json", file]).code(2).json();
    let file = &json["files"][0];
    let findings = file["findings"].as_array().unwrap().iter();
    let findings = findings.map(|f| (f["rule"].as_str().unwrap().to_owned(), f["line"].as_u64().unwrap()));
    (findings.collect(), file["error"].as_str().unwrap_or_default().to_owned())
}

fn pair(rule: &str, line: u64) -> (String, u64) {
    (rule.to_owned(), line)
}

#[test]
fn errors_of_document_plan_and_configuration_are_told_together() {
    let bad = RELEASE.replace("rows=2", "rows=两").replace("{#mark on=app}", "{#mark on=ap}");
    let project = Project::new(&bad);
    let (document, plan) = (pair("attribute-value", 25), pair("unknown-target", 17));
    assert_eq!(found(&project, "release.md").0, [plan.clone(), document.clone()]);
    project.write("windlass.toml", CONFIG.replace("timezone = ", "timezon = "));
    assert_eq!(found(&project, "release.md").0, [pair("config-unknown-key", 9), plan, document.clone()]);
    let said = project.run(&["check", "release.md"]).code(2);
    said.says(&["windlass.toml:9:1", "release.md:17:", "release.md:25:", "3 errors"]);
    // A target with errors of its own is not called unknown as well.
    project.write("windlass.toml", CONFIG.replace("[target.app]\ndir", "[target.ap]\ndirr"));
    let rules: Vec<_> = found(&project, "release.md").0.into_iter().map(|(rule, _)| rule).collect();
    assert_eq!(rules, ["config-unknown-key", "attribute-value"]);
}

#[test]
fn a_configuration_that_cannot_be_read_hides_nothing_of_the_document() {
    let project = Project::new(&RELEASE.replace("rows=2", "rows=两"));
    let document = [pair("attribute-value", 25)];
    project.write("windlass.toml", b"[target.app]\ndir = \"\xB7\xA2\"\n");
    let (findings, error) = found(&project, "release.md");
    assert_eq!(findings, document);
    assert!(error.contains("not UTF-8"), "{error}");
    project.run(&["check", "release.md"]).code(2).says(&["release.md:25:", "not UTF-8", "2 errors"]);
    project.run(&["plan", "release.md"]).code(2).says(&["release.md:25:", "not UTF-8"]);

    project.write("windlass.toml", CONFIG);
    for (args, words) in [
        (["--env", "prod"], "there is no"),
        (["--config", "nowhere.toml"], "nowhere.toml: there is no such file"),
    ] {
        let args = [&["check", "release.md"], &args[..]].concat();
        project.run(&args).code(2).says(&["release.md:25:", words]);
    }
}

#[test]
fn an_environment_that_could_not_be_read_may_know_the_target() {
    let project = Project::new(&RELEASE.replace("from: 2.0.9", "env: [p]").replace("on=db}", "on=big}"));
    assert!(found(&project, "release.md").0.contains(&pair("unknown-target", 8)));
    project.write("windlass.p.toml", "[target.big]\nurl = \"sqlite:app.db\"\n");
    let rules: Vec<_> = found(&project, "release.md").0.into_iter().map(|(rule, _)| rule).collect();
    assert_eq!(rules, ["front-value"]);
}

/// What has no end, or none that is known, must not be waited for.
#[test]
fn pipes_devices_folders_and_nothing_are_refused_at_once() {
    let project = Project::new(RELEASE);
    std::fs::create_dir(project.path("folder")).unwrap();
    let pipe = project.path("pipe");
    rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RUSR).unwrap();
    let socket = std::os::unix::net::UnixListener::bind(project.path("socket")).unwrap();
    std::os::unix::fs::symlink("pipe", project.path("link.md")).unwrap();
    std::fs::File::create(project.path("huge.md")).unwrap().set_len(100 * 1024 * 1024).unwrap();
    for command in ["check", "plan", "apply"] {
        for (file, words) in [
            ("pipe", "pipe is a pipe, not a release document"),
            ("link.md", "link.md is a pipe"),
            ("folder", "folder is a folder"),
            ("socket", "socket is a socket"),
            ("/dev/zero", "/dev/zero is a device"),
            ("/dev/tty", "/dev/tty"),
            ("huge.md", "huge.md has 100 MiB; a release document has at most 16 MiB"),
            ("", "a value is required"),
        ] {
            project.run(&[command, file]).code(2).says(&[words]);
        }
        for (config, words) in
            [("pipe", "is a pipe, not a configuration"), ("huge.md", "huge.md has 100 MiB; a configuration")]
        {
            project.run(&[command, "release.md", "--config", config]).code(2).says(&[words]);
        }
    }
    drop(socket);
    assert!(!project.path(".windlass").exists());
}

#[test]
fn a_document_without_a_step_is_warned_about_and_not_applied() {
    let project = Project::new("---\nrelease: 2.1.0\n---\n# 2.1.0\n\nRestart it.\n- [x] agreed\n");
    let said = project.run(&["check", "release.md"]).code(0).says(&["warning[no-step]", "release.md:4:1"]);
    assert!(said.stdout.contains("release.md: 0 steps"), "{}", said.stdout);
    project.run(&["apply", "--yes", "release.md"]).code(2).says(&["no step", "nothing was started"]);
    assert!(!project.path(".windlass").exists(), "no run");
    std::fs::remove_file(project.path("windlass.toml")).unwrap();
    project.run(&["check", "release.md"]).code(0).says(&["warning", "release.md has no step"]);
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

/// Runbook 000 as its team wrote it, without front matter and braces. Told only of those, they would write them and lose their data.
#[test]
fn the_dangers_of_a_runbook_that_is_no_document_yet_are_reported_and_nothing_runs() {
    const RUNBOOK: &str = include_str!("../../../../examples/runbooks/000-backend-release-2.1.0.zh.md");
    let defects: [(&str, &[u64]); 15] = [
        // It destroys its own data.
        ("objects-into-themselves", &[5, 114, 115]),
        ("exclude-without-wildcard", &[5, 114, 115]),
        ("filter-without-effect", &[5, 114, 115]),
        ("objects-pointed-at", &[115]),
        ("irreversible-by-hand", &[118]),
        // Order.
        ("breaks-what-serves", &[23, 24, 41, 44, 46, 47, 53, 54, 55, 56, 57, 58]),
        ("copy-after-start", &[114]),
        ("pull-while-away", &[94]),
        ("setting-not-set-back", &[83]),
        // What is not there.
        ("no-rollback-section", &[1]),
        ("no-window", &[1]),
        ("no-operator", &[1]),
        ("no-health-check", &[1]),
        // What it is not.
        ("front-missing", &[1]),
        ("bare-fence", &[4, 16, 81, 113]),
    ];
    let project = Project::new(RUNBOOK);
    let world = project.world();
    for configured in [true, false] {
        if !configured {
            std::fs::remove_file(project.path("windlass.toml")).unwrap();
        }
        let json = project.run(&["check", "--json", "release.md"]).code(2).json();
        let found = json["files"][0]["findings"].as_array().unwrap();
        for (rule, lines) in defects {
            let at = found.iter().filter(|finding| finding["rule"] == rule);
            let at: Vec<u64> = at.map(|finding| finding["line"].as_u64().unwrap()).collect();
            assert_eq!(at, lines, "{rule}, configured: {configured}");
        }
        for command in [&["check"][..], &["plan"], &["apply", "--yes"]] {
            let said = project.run(&[command, &["release.md"]].concat()).code(2).says(&["adopt`"]);
            for (rule, _) in defects {
                assert!(said.stderr.contains(&format!("[{rule}]")), "{command:?}: {rule}\n{}", said.stderr);
            }
        }
    }
    assert!(!project.path(".windlass").exists(), "nothing was begun");
    assert_eq!(project.world(), world);
}

/// A text without commands is no runbook, and neither is a document whose front matter was forgotten.
#[test]
fn what_is_no_runbook_is_not_judged_as_one() {
    let project = Project::empty();
    project.write("text.md", "# Words\n\nNothing runs here.\n");
    project.write("steps.md", RELEASE.replacen("---\nrelease", "release", 1));
    for file in ["text.md", "steps.md"] {
        let said = project.run(&["check", file]).code(2).says(&["[front-missing]"]);
        assert!(!said.stderr.contains("no-operator"), "{}", said.stderr);
        assert!(!said.stderr.contains("adopt`"), "{}", said.stderr);
    }
}

/// The lines of `aws s3` of runbook 000, which lose its data, and the same in braces that say how they go back.
#[test]
fn objects_that_would_be_copied_into_themselves_are_refused_before_anything_runs() {
    let sync = "aws s3 sync s3://data/production/ s3://data/production/spec-v1/ --include \"*.txt\" --exclude \"spec-v1\"";
    let text = format!("---\nrelease: 2.1.0\n---\n\n```sh {{#copy on=data}}\n{sync}\n```\n\n- [ ] fine\n");
    let project = Project::new(&text);
    project.write("windlass.toml", "[target.data]\nurl = \"s3://data\"\nhold = \"windlass-hold/\"\n");
    let found = [
        "error[objects-into-themselves]",
        "warning[filter-without-effect]",
        "warning[exclude-without-wildcard]",
    ];
    project.run(&["check", "release.md"]).code(2).says(&found);
    project.run(&["apply", "release.md"]).code(2).says(&found);
    assert!(!project.path(".windlass").exists(), "nothing was begun");
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
