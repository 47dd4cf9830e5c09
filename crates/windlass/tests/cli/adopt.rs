//! `windlass adopt` and `windlass init`.

use crate::sealed::Project;

const RUNBOOK: &str = "# Release 2.1.0\n\n## Deploy\n\n```bash\nssh deploy@10.0.0.5\ncd /srv/shop\nmake deploy\nsudo systemctl restart shop\n```\n\n\
                       ## Check\n\n- Check the dashboard\n";

#[test]
fn a_runbook_becomes_a_document_that_check_reads_and_a_configuration() {
    let project = Project::empty();
    project.write("old.md", RUNBOOK);
    let said = project.run(&["adopt", "old.md", "-o", "new.md"]).code(0).says(&[
        "4 command lines: 2 in steps, 0 edits, 2 targets and folders, 0 left out",
        "written: new.md and windlass.toml",
        "1 question is open",
        "next: windlass check new.md",
        "old.md:1:1 warning[no-rollback-section]",
    ]);
    assert!(said.stderr.lines().all(|line| line.chars().count() <= 80), "{}", said.stderr);
    let draft = std::fs::read_to_string(project.path("new.md")).unwrap();
    assert!(draft.starts_with("---\nrelease: 2.1.0\n---\n# Release 2.1.0\n"), "{draft}");
    assert!(draft.contains("```sh {#restart on=app}\nsudo systemctl restart shop\n```"), "{draft}");
    assert!(draft.contains("- [ ] Check the dashboard\n"), "{draft}");
    let config = std::fs::read_to_string(project.path("windlass.toml")).unwrap();
    assert!(
        config.contains("hosts = [\"deploy@10.0.0.5\"]") && config.contains("dir = \"/srv/shop\""),
        "{config}"
    );
    // The open question is the one that check asks; answered, the document is accepted.
    project.run(&["check", "new.md"]).code(2).says(&["opaque-without-undo", "make deploy"]);
    project.write("new.md", draft.replace("{#make on=app}", "{#make on=app irreversible}"));
    project.run(&["check", "new.md"]).code(0);
}

#[test]
fn nothing_is_overwritten_and_the_runbook_stays_as_it_is() {
    let project = Project::empty();
    project.write("old.md", RUNBOOK);
    project.write("new.md", "mine");
    project.run(&["adopt", "old.md", "-o", "new.md"]).code(2).says(&["new.md exists; nothing was written"]);
    assert!(!project.path("windlass.toml").exists());
    project.run(&["adopt", "old.md"]).code(0).says(&["written: old.release.md and windlass.toml"]);
    // With a configuration there, the draft of one gets another name.
    project
        .run(&["adopt", "old.md", "-o", "two.md"])
        .code(0)
        .says(&["written: two.md and two.windlass.toml"]);
    assert_eq!(std::fs::read_to_string(project.path("old.md")).unwrap(), RUNBOOK);
    assert_eq!(std::fs::read_to_string(project.path("new.md")).unwrap(), "mine");
}

#[test]
fn it_can_be_printed_and_read_by_programs() {
    let project = Project::empty();
    project.write("old.md", RUNBOOK);
    let said = project.run(&["adopt", "old.md", "-o", "-"]).code(0);
    assert!(said.stdout.starts_with("---\nrelease: 2.1.0\n"), "{}", said.stdout);
    let json = project.run(&["adopt", "--json", "old.md"]).code(0).json();
    assert_eq!(json["commands"][0]["fate"], "target");
    assert_eq!(json["commands"][2]["text"], "make deploy");
    assert_eq!((&json["commands"][2]["line"], &json["commands"][2]["of"]), (&8.into(), &"make".into()));
    assert!(!project.path("windlass.toml").exists());
}

#[test]
fn what_is_no_text_is_refused_with_the_way_out() {
    let project = Project::empty();
    project.write("gbk.md", [b'#', b' ', 0xC9, 0xCF, 0xCF, 0xDF, b'\n']);
    project.run(&["adopt", "gbk.md"]).code(2).says(&["gbk.md is not UTF-8", "iconv -f GB18030"]);
    project.run(&["adopt", "missing.md"]).code(2).says(&["missing.md"]);
    project.write("empty.md", "");
    project.run(&["adopt", "empty.md"]).code(0).says(&["0 command lines"]);
}

#[test]
fn init_drafts_a_configuration_that_check_accepts_and_overwrites_none() {
    let project = Project::empty();
    project.write("compose.yml", "services:\n  web:\n    image: shop:1\n    ports:\n      - 8081:8000\n");
    project.write(".env", "DATABASE_URL=sqlite:shop.db\nTOKEN=hunter2\n");
    let said = project.run(&["init"]).code(0).says(&[
        "compose.yml: service `web`",
        "`DATABASE_URL` leads to a database (sqlite)",
        "written",
    ]);
    assert!(!said.stderr.contains("hunter2"), "{}", said.stderr);
    project.write(
        "a.md",
        "---\nrelease: 2.1.0\n---\n```sh {on=app}\ndocker compose pull\n```\n- [ ] it works\n",
    );
    project.run(&["check", "a.md"]).code(0);
    project.run(&["init"]).code(2).says(&["windlass.toml exists; nothing was written"]);
}
