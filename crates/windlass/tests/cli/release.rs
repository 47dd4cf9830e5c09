//! Releases for real: done, failed and undone, rolled back.

use crate::sealed::{Project, RELEASE, failing, gated};

#[test]
fn a_release_is_done_recorded_and_rolled_back() {
    let project = Project::new(RELEASE);
    let before = project.world();
    let said = project.run(&["apply", "release.md", "--yes", "--json"]).code(0);
    let json = said.json();
    assert_eq!((&json["state"], &json["stand"]), (&"done".into(), &"ended".into()));
    assert!(project.world().contains("spec-v1/2.txt"));
    assert_eq!(project.read("marker.txt"), "切换完成\n");
    assert!(!said.stderr.contains('\u{1b}'), "no control characters without a terminal: {}", said.stderr);

    let run = json["run"].as_str().unwrap();
    let record = project.run(&["record"]).code(0).stdout;
    for words in
        ["# Record of release 2.1.0 后端发布文档", "| Result | done |", run, "alice@", "+08:00", "migrate/2"]
    {
        assert!(record.contains(words), "no {words:?} in:\n{record}");
    }
    let shown = project.run(&["show", run]).code(0).stdout;
    assert!(shown.contains("migrate/2") && shown.contains("2 rows changed"), "{shown}");
    let runs = project.run(&["runs", "--json"]).code(0).json();
    assert_eq!((&runs[0]["run"], &runs[0]["ended"]), (&json["run"], &true.into()));

    project.run(&["rollback", "--yes", "--reason", "客户要求"]).code(0).says(&["Undone", "migrate/2"]);
    assert_eq!(project.world(), before);
    assert_eq!(project.read("marker.txt"), "已回退\n");
    assert!(project.run(&["record"]).code(0).stdout.contains("客户要求"));
    project.run(&["rollback", "--yes"]).code(4).says(&["has ended: undone"]);
}

#[test]
fn a_failing_release_goes_back_by_itself() {
    let project = Project::new(&failing());
    let before = project.world();
    let said = project.run(&["apply", "release.md", "--yes"]).code(1);
    assert_eq!(project.world(), before);
    assert_eq!(project.read("marker.txt"), "已回退\n");
    let said =
        said.says(&["failed and undone", "verify/1 on local at release.md:26:1", "Undone", "windlass show"]);
    assert!(!said.stderr.contains("Not undone"), "{}", said.stderr);
    let record = project.run(&["record"]).code(0).stdout;
    assert!(record.contains("| Result | undone |") && record.contains("Changes of direction"), "{record}");
}

#[test]
fn a_fault_by_name_fails_a_unit_and_unknown_names_start_nothing() {
    let project = Project::new(RELEASE);
    let before = project.world();
    project
        .run(&["apply", "release.md", "--yes", "--fault", "fail:migrate/2"])
        .code(1)
        .says(&["failed on demand"]);
    assert_eq!(project.world(), before);
    project
        .run(&["apply", "release.md", "--yes", "--fault", "crash-after:migrat/1"])
        .code(2)
        .says(&["no such unit", "the most similar first: migrate/1,"]);
    project.run(&["apply", "release.md", "--yes", "--confirm", "gate-9"]).code(2).says(&["no such gate"]);
    assert_eq!(project.run(&["runs", "--json"]).json().as_array().unwrap().len(), 1);
}

#[test]
fn nothing_starts_without_a_terminal_and_without_yes() {
    let project = Project::new(RELEASE);
    let before = project.world();
    project.run(&["apply", "release.md"]).code(2).says(&["nobody can be asked", "--yes"]);
    assert_eq!(project.world(), before);
    assert_eq!(project.run(&["runs", "--json"]).json(), serde_json::json!([]));
    project.run(&["apply", "release.md", "--yes"]).code(0);
    project.run(&["rollback"]).code(2).says(&["nobody can be asked"]);
    assert!(project.world().contains("spec-v1"), "nothing was taken back");
}

#[test]
fn the_newest_release_has_to_go_first() {
    let project = Project::new(&gated());
    let first = project.run(&["apply", "release.md", "--yes", "--confirm", "all", "--json"]).code(0).json();
    project.write("next.md", "---\nrelease: 2.2.0\n---\n# 2.2\n```sql {#add on=db irreversible}\nINSERT INTO record (id) VALUES (3);\n```\n");
    project.run(&["apply", "next.md", "--yes"]).code(0);
    let run = first["run"].as_str().unwrap();
    project.run(&["rollback", run, "--yes"]).code(4).says(&["came after", "windlass rollback"]);
}

#[test]
fn rollback_without_a_name_passes_over_what_was_taken_back() {
    let project = Project::new(RELEASE);
    let before = project.world();
    let first = project.run(&["apply", "release.md", "--yes", "--json"]).code(0).json();
    project.write("next.md", "---\nrelease: 2.2.0\n---\n# 2.2\n```sh {#x on=app}\ntouch x\n```\n```sh {#y undoes=x}\nrm x\n```\n```sh {#z on=app readonly}\nfalse\n```\n");
    project.run(&["apply", "next.md", "--yes"]).code(1);
    project.run(&["rollback", "--yes"]).code(0).says(&[first["run"].as_str().unwrap()]);
    assert_eq!(project.world(), before);
    project.run(&["rollback", "--yes"]).code(4).says(&["has ended: undone"]);
}

#[test]
fn files_are_edited_and_copied_and_come_back() {
    let document = "---\nrelease: 3.0.0\n---\n# 配置\n```diff {#config on=app}\n--- app.env\n-VERSION=2\n+VERSION=3\n\
                    ```\n```sh {#keep on=app}\ncp app.env app.env.new\n```\n\
                    ```sh {#look on=app readonly}\ntest -e missing\n```\n";
    let project = Project::new(document);
    project.write("app.env", "# 版本\nVERSION=2\n");
    let plan = project.run(&["plan", "release.md"]).code(0).stdout;
    assert!(plan.contains("Undo class exact") && plan.contains("app.env"), "{plan}");
    project.run(&["apply", "release.md", "--yes"]).code(1).says(&["look/1", "Undone      config/1, keep/1"]);
    assert_eq!(project.read("app.env"), "# 版本\nVERSION=2\n");
    assert!(!project.path("app.env.new").exists());
    project.write("missing", "");
    project.run(&["apply", "release.md", "--yes"]).code(0);
    assert_eq!(project.read("app.env.new"), "# 版本\nVERSION=3\n");
    // What somebody wrote since is never overwritten.
    project.write("app.env", "# 版本\nVERSION=3\nEXTRA=1\n");
    project.run(&["rollback", "--yes"]).code(3).says(&["config/1", "windlass decide"]);
    assert!(project.read("app.env").contains("EXTRA=1"));
}

/// `release.md` with this statement behind what changes something.
fn with_statement(before: &str, statement: &str) -> String {
    format!("{before}\n```sql {{#late on=db undo=backup}}\n{statement};\n```\n- [ ] fine\n")
}

#[test]
fn what_is_certain_to_stop_the_run_is_refused_before_it_starts() {
    let backup = &RELEASE[..RELEASE.find("## 停机发布").unwrap()];
    let project = Project::new(&with_statement(backup, "UPDATE recrd SET name = 'x'"));
    let world = project.world();
    let apply = ["apply", "--yes", "--confirm=all", "release.md"];
    let said = project.run(&apply).code(4);
    said.says(&["late/1: ", "no such table: recrd", "nothing was started", "--despite-problems"]);
    assert_eq!((project.world(), project.path("before.db").exists()), (world.clone(), false));
    assert!(project.run(&["status"]).code(0).stdout.contains("Nothing has been run"));
    // On demand it runs, and goes back.
    project.run(&[&apply[..], &["--despite-problems"]].concat()).code(1).says(&["recrd"]);
    assert_eq!(project.world(), world);
    // The backup of that run stays, and the next run would not overwrite it.
    project.write("release.md", with_statement(backup, "UPDATE record SET name = 'x'"));
    project.run(&apply).code(4).says(&["backup/1: ", "before.db exists"]);
    std::fs::remove_file(project.path("before.db")).unwrap();
    project.run(&apply).code(0);
}

#[test]
fn what_an_earlier_step_may_mend_is_no_reason_to_refuse() {
    let made = "```sh {#make on=app}\nmkdir -p new/deep\n```\n```sh {#copy on=app}\ncp windlass.toml new/deep/w\n```\n";
    let opaque = "```sh {#touch on=app irreversible}\n: > seen\n```\n\
                  ```sh {#again on=app}\ncp seen copy\n```\n- [ ] fine\n";
    let project = Project::new(&format!("---\nrelease: 2.1.0\n---\n{made}{opaque}"));
    project.run(&["plan", "release.md"]).code(0);
    project.run(&["apply", "--yes", "--confirm=all", "release.md"]).code(0);
    assert!(project.path("new/deep/w").exists() && project.path("copy").exists());
}

/// Lines of what a person sees that do not fit into 80 columns. The text of a failure is left as it is: its commands are
/// copied.
fn too_wide(said: &str) -> Vec<&str> {
    let copied = |line: &str| ["error: ", "  hint: ", "    "].iter().any(|start| line.starts_with(start));
    said.lines().filter(|line| windlass_report::width(line) > 80 && !copied(line)).collect()
}

#[test]
fn everything_that_is_shown_fits_into_80_columns() {
    let id = "数据库备份与迁移之后的验证步骤_v2";
    let long = "记录".repeat(60);
    let release = format!(
        "---\nrelease: 2.1.0\n---\n# {long}\n\n## {long}\n\
         ```sh {{#{id} on=app}}\nmkdir -p {}\nmkdir -p {}\n```\n\
         ```sh {{#say on=app readonly}}\necho '{long} {long}'\n```\n\
         ```sql {{#{id}2 on=db}}\nSELECT '{long}', name, id FROM record WHERE name <> '{long}';\n```\n\
         ```sh {{#fail on=app readonly}}\necho {long} >&2; exit 3\n```\n- [ ] {long}\n",
        "记录".repeat(40),
        "a/".repeat(60),
    );
    let project = Project::new(&release);
    for (args, code) in [
        (&["check", "release.md"][..], 0),
        (&["plan", "release.md"], 0),
        (&["apply", "--yes", "release.md"], 1),
        (&["status"], 0),
        (&["runs"], 0),
        (&["show"], 0),
    ] {
        let said = project.run(args).code(code);
        for text in [&said.stdout, &said.stderr] {
            assert_eq!(too_wide(text), [""; 0], "{args:?}:\n{text}");
        }
    }
}
