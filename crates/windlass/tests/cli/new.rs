//! `windlass new`: documents from real repositories, which `check` accepts as they are written.

use crate::sealed::{CONFIG, Project, RELEASE, Said};
use std::process::Command;

const TOML: &str = "[target.app]\ndir = \".\"\n\n[target.db]\nurl = \"sqlite:app.db\"\n\n[service.shop]\non = \"app\"\n\
                    run = [\"./shop\"]\nhealth = \"http://127.0.0.1:8080/health\"\n\n[policy]\ntimezone = \"Asia/Shanghai\"\n";

fn git(project: &Project, args: &[&str]) {
    let mut command = Command::new("git");
    command.current_dir(project.path("")).args(["-c", "user.name=t", "-c", "user.email=t@t"]).args(args);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn commit(project: &Project, message: &str) {
    git(project, &["add", "-A"]);
    git(project, &["commit", "-q", "-m", message]);
}

/// A repository with a tag `v2.0.9` and a commit behind it.
fn shop() -> Project {
    let project = Project::empty();
    git(&project, &["init", "-q", "-b", "main"]);
    project.write("windlass.toml", TOML);
    project.write("app/main.py", "print(1)\n");
    project.write("requirements.txt", "fastapi==0.110.0\n");
    project.write(".env.example", "LIMIT=1\n");
    commit(&project, "one");
    git(&project, &["tag", "v2.0.9"]);
    project.write("app/main.py", "print(2)\n");
    project.write("requirements.txt", "fastapi==0.115.0\n");
    project.write(".env.example", "LIMIT=1\nSMTP_PASSWORD=hunter2\n");
    project.write("migrations/0007_mail.sql", "CREATE TABLE mail (id INTEGER PRIMARY KEY);\n");
    commit(&project, "two");
    project
}

fn new(project: &Project, more: &[&str]) -> Said {
    let args = ["new", "MAIL_LOGIN", "--date", "2026-11-27"];
    project.run(&args.into_iter().chain(more.iter().copied()).collect::<Vec<_>>())
}

const FILE: &str = "DEPLOY_MAIL_LOGIN_20261127.md";

#[test]
fn a_document_in_each_language_passes_check_and_holds_no_value() {
    for (lang, title, backs) in [
        ("en", "# MAIL_LOGIN: deployment\n", "## Way back"),
        ("zh", "# MAIL_LOGIN 线上部署方案\n", "## 回滚方案"),
        ("ja", "# MAIL_LOGIN デプロイ手順\n", "## 切り戻し"),
    ] {
        let project = shop();
        let said = new(&project, &["--lang", lang]).code(0).says(&[
            &format!("written: {FILE}"),
            "compared: v2.0.9 (the last tag) with ",
            "1 commit, 4 files",
            &format!("language: {lang} (--lang)"),
            &format!("next: windlass check {FILE}"),
        ]);
        assert!(said.stderr.lines().all(|line| line.chars().count() <= 80), "{}", said.stderr);
        let text = project.read(FILE);
        for part in [
            title,
            backs,
            "release: \"MAIL_LOGIN-20261127\"\nfrom: \"2.0.9\"\n",
            "`requirements.txt`: `fastapi` 0.110.0 → 0.115.0",
            "`SMTP_PASSWORD`",
            "sqlite3 app.db \".backup before-MAIL_LOGIN-20261127.db\"",
            "files=\"migrations/0007_mail.sql\"",
            "windlass service restart shop",
            "GET http://127.0.0.1:8080/health",
            "- [ ] TODO: ",
        ] {
            assert!(text.contains(part), "no {part:?} in\n{text}");
        }
        assert!(!text.contains("hunter2") && !said.stderr.contains("hunter2"), "{text}");
        project.run(&["check", FILE]).code(0);
    }
}

#[test]
fn a_file_that_is_there_is_kept() {
    let project = shop();
    project.write(FILE, "mine");
    new(&project, &[]).code(2).says(&[&format!("{FILE} exists; nothing was written"), "--out FILE"]);
    assert_eq!(project.read(FILE), "mine");
    new(&project, &["--out", "other.md"]).code(0).says(&["written: other.md"]);
    let printed = new(&project, &["--stdout"]).code(0);
    assert_eq!(printed.stdout, project.read("other.md"), "the same text, wherever it goes");
    let json = new(&project, &["--json"]).code(0).json();
    assert_eq!((&json["file"], &json["from"], &json["files"]), (&FILE.into(), &"v2.0.9".into(), &4.into()));
}

#[test]
fn without_a_repository_it_is_the_template() {
    let project = Project::empty();
    project.write("windlass.toml", CONFIG);
    new(&project, &["--from", "v1"]).code(2).says(&["cannot be compared", "leave `--from` and `--to` out"]);
    new(&project, &[]).code(0).says(&["nothing is filled in from git", "language: en (default)"]);
    project.run(&["check", FILE]).code(0);
    // Nor has a repository without a commit anything to say.
    git(&project, &["init", "-q"]);
    new(&project, &["--out", "b.md"]).code(0).says(&["there is no commit yet"]);
}

#[test]
fn names_that_are_no_names_are_refused() {
    let project = shop();
    for name in ["../MAIL", "a/b", ".hidden", "a b", "", "a\nb"] {
        project.run(&["new", name]).code(2).says(&["cannot be the name of a release"]);
    }
    project.run(&["new", "登录更新", "--date", "20261127"]).code(0).says(&["DEPLOY_登录更新_20261127.md"]);
    project.run(&["new", "A", "--date", "27.11.2026"]).code(2).says(&["write a day as 2026-11-27"]);
    project.run(&["new", "A", "--from", "--all"]).code(2);
    project.run(&["new", "A", "--from=-x"]).code(2).says(&["`-x` is no commit"]);
}

#[test]
fn the_revisions_are_named_or_found_and_said() {
    let project = shop();
    new(&project, &["--from", "v9"])
        .code(2)
        .says(&["`v9` is no commit of this repository; nothing was written"]);
    // The tag of what is released is its version, not what was before.
    git(&project, &["tag", "v2.1.0"]);
    project.write("app/main.py", "print(3)\n");
    new(&project, &[]).code(0).says(&["compared: v2.0.9 (the last tag) with v2.1.0", "1 file not committed"]);
    assert!(project.read(FILE).contains("release: \"2.1.0\"\nfrom: \"2.0.9\"\n"));
    new(&project, &["--from", "v2.0.9", "--to", "v2.1.0", "--out", "b.md"])
        .code(0)
        .says(&["compared: v2.0.9 (--from) with v2.1.0"]);
    // Without any tag nobody knows what serves.
    git(&project, &["tag", "-d", "v2.0.9", "v2.1.0"]);
    new(&project, &["--out", "c.md"]).code(2).says(&["says what serves now", "--from REV"]);
    assert!(!project.path("c.md").exists());
}

#[test]
fn the_newest_release_that_is_done_is_what_serves() {
    let project = Project::new(RELEASE);
    git(&project, &["init", "-q", "-b", "main"]);
    project.write(".gitignore", "*.db\n.windlass\nmarker.txt\n");
    commit(&project, "one");
    git(&project, &["tag", "v2.1.0"]);
    project.write("a.txt", "1");
    commit(&project, "two");
    git(&project, &["tag", "nightly"]);
    project.write("a.txt", "2");
    commit(&project, "three");
    project.run(&["apply", "release.md", "--yes"]).code(0);
    new(&project, &[]).code(0).says(&["compared: v2.1.0 (the newest release that is done)"]);
    project.run(&["check", FILE]).code(0);
}

#[test]
fn the_team_says_language_name_and_folder() {
    let project = shop();
    let more = "\n[documents]\nlang = \"zh\"\nname = \"{date}-{name}.md\"\nfolder = \"docs/releases\"\n";
    project.write("windlass.toml", format!("{TOML}{more}"));
    let file = "docs/releases/20261127-MAIL_LOGIN.md";
    new(&project, &["--severity", "critical"])
        .code(0)
        .says(&[&format!("written: {file}"), "language: zh (windlass.toml)"]);
    let text = project.read(file);
    assert!(text.contains("\nseverity: critical\n") && text.contains("## 部署步骤"), "{text}");
    project.run(&["check", file]).code(0);
}
