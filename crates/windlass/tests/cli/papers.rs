//! `windlass ticket` and `windlass record`.

use crate::sealed::{CONFIG, Project, RELEASE, Said, failing, gated};

/// The release with a reason, a number and an urgency.
fn release() -> String {
    let front = "kind: feature\nseverity: recommended\nticket: CHG-7\n---\n# 2.1.0 后端发布文档\n\n旧的键太长，换成新的。\n";
    RELEASE.replacen("---\n# 2.1.0 后端发布文档\n", front, 1)
}

#[track_caller]
fn has(text: &str, all: &[&str]) {
    for words in all {
        assert!(text.contains(words), "no {words:?} in:\n{text}");
    }
}

fn applied() -> Project {
    let project = Project::new(RELEASE);
    project.run(&["apply", "release.md", "--yes"]).code(0);
    project
}

#[test]
fn a_ticket_says_what_why_how_and_the_way_back_and_changes_nothing() {
    let project = Project::new(&release());
    let before = project.world();
    let ticket = project.run(&["ticket", "release.md", "--executor", "王芳"]).code(0).stdout;
    let digest = project.run(&["check", "--json", "release.md"]).json()["files"][0]["digest"].clone();
    has(
        &ticket,
        &[
            "# Change ticket: release 2.1.0 后端发布文档\n",
            "| Ticket | CHG-7 |\n",
            "| From version | 2.0.9 |\n",
            "| Kind | feature |\n",
            "| Urgency | recommended: within days |\n",
            "| Undo class | restore: back only from a backup |\n",
            "| Rehearsal | not rehearsed |\n",
            "| Window | at any time |\n",
            "| Approvals | none needed |\n",
            "| Executor | 王芳 |\n",
            " by alice@",
            "## What and why\n\n旧的键太长，换成新的。\n",
            "```sql\nALTER TABLE record ADD COLUMN s3_key TEXT;\n```\n",
            "- now: table record: 2 rows now",
            "```sh\necho 切换完成 > marker.txt\n```\n",
            " | by the hand-written #unmark: ",
            "| migrate | restore | ",
            digest.as_str().unwrap(),
        ],
    );
    let back = |step: &str| ticket.find(&format!("\n| {step} | ")).unwrap();
    let undo = ticket.find("## Way back").unwrap();
    assert!(ticket[undo..].find("| mark |") < ticket[undo..].find("| migrate |"), "newest first:\n{ticket}");
    assert!(back("backup") < back("migrate"), "steps in order:\n{ticket}");
    assert_eq!((project.world(), project.path(".windlass").exists()), (before, false));
}

#[test]
fn the_language_is_the_one_asked_for_then_the_teams_then_the_persons() {
    let project = Project::new(RELEASE);
    let first = |args: &[&str], locale: &str| {
        let mut command = project.command(&[&["ticket", "release.md", "--offline"], args].concat());
        let said = command.env("LC_ALL", locale).output().unwrap();
        String::from_utf8(said.stdout).unwrap().lines().next().unwrap_or_default().to_owned()
    };
    let (en, zh, ja) = ("# Change ticket:", "# 变更单：", "# 変更申請書：");
    for (locale, title) in [("", en), ("zh_CN.UTF-8", zh), ("ja_JP.UTF-8", ja), ("de_DE.UTF-8", en)] {
        assert!(first(&[], locale).starts_with(title), "{locale}: {}", first(&[], locale));
    }
    assert!(first(&["--lang", "en"], "zh_CN.UTF-8").starts_with(en));
    project.write("windlass.toml", format!("{CONFIG}\n[documents]\nlang = \"ja\"\n"));
    assert!(first(&[], "zh_CN.UTF-8").starts_with(ja), "a team has one language");
    assert!(first(&["--lang=zh"], "C.UTF-8").starts_with(zh));
    project.run(&["ticket", "release.md", "--lang", "de"]).code(2).says(&["en, zh, ja"]);
    project.write("windlass.toml", format!("{CONFIG}\n[documents]\nlang = \"jp\"\n"));
    project.run(&["ticket", "release.md"]).code(2).says(&["cannot be `jp`", "`zh`"]);
}

#[test]
fn a_page_goes_into_a_file_but_never_into_the_document() {
    let project = Project::new(RELEASE);
    let html = ["ticket", "release.md", "--format", "html", "--lang", "zh", "--out", "ticket.html"];
    let said = project.run(&html).code(0).says(&["written: ticket.html"]);
    assert_eq!(said.stdout, "");
    has(&project.read("ticket.html"), &["<html lang=\"zh\">", "回滚方案", "echo 切换完成 &gt; marker.txt"]);
    project.run(&html).code(0);
    let into = |out: &str| project.run(&["ticket", "release.md", "--out", out]);
    into("./release.md").code(2).says(&["is the release document; nothing was written", "--out"]);
    assert_eq!(project.read("release.md"), RELEASE);
    into("windlass.toml").code(2).says(&["windlass.toml is a configuration; nothing was written"]);
    into("no/ticket.md").code(2).says(&["cannot write no/ticket.md: there is no such file"]);
}

#[test]
fn a_ticket_as_json_is_the_same_for_both_words() {
    let project = Project::new(&release());
    let json = |args: &[&str]| {
        let mut json = project.run(&[&["ticket", "release.md"], args].concat()).code(0).json();
        json["made_at_ms"] = 0.into();
        json
    };
    let ticket = json(&["--json"]);
    assert_eq!(
        ticket,
        json(&["--format", "json", "--lang", "zh"]),
        "keys and words of JSON are in no language"
    );
    assert_eq!((&ticket["ticket"], &ticket["severity"]), (&"CHG-7".into(), &"recommended".into()));
    assert_eq!(ticket["about"], "旧的键太长，换成新的。");
    assert_eq!(ticket["steps"][1]["lines"][0]["language"], "sql");
    assert_eq!(ticket["rehearsal"], serde_json::Value::Null);
    project.run(&["ticket", "release.md", "--json", "--format", "md"]).code(2);
}

#[test]
fn window_freeze_budget_and_rehearsal_stand_in_the_ticket() {
    let project = Project::new(&RELEASE.replacen("---\n", "---\ndowntime: 5s\n", 1));
    let policy = "window = [\"Mon-Thu 02:00-04:00\"]\nfreeze = [\"Fri\", \"2026-11-09..2026-11-12\"]\n";
    project.write("windlass.toml", format!("{CONFIG}{policy}"));
    project.run(&["rehearse", "release.md"]);
    let ticket = project.run(&["ticket", "release.md", "--lang", "zh"]).code(0).stdout;
    has(
        &ticket,
        &[
            "| 时间窗口 | Mon-Thu 02:00-04:00（Asia/Shanghai） |\n",
            "| 禁止发布日 | Fri, 2026-11-09..2026-11-12 |\n",
            "上限 5.0s，超出则自动回滚",
            "## 演练\n",
            "| migrate/1 | ALTER TABLE record ADD COLUMN s3_key TEXT | ",
        ],
    );
    assert!(!ticket.contains("未演练 |"), "{ticket}");
}

#[test]
fn a_document_with_errors_has_no_ticket() {
    let project = Project::new(&RELEASE.replace("on=app", "on=ap"));
    let said = project.run(&["ticket", "release.md", "--out", "t.md"]).code(2);
    assert!(said.stderr.contains("`app`") && !project.path("t.md").exists(), "{}", said.stderr);
}

#[test]
fn a_record_is_written_in_every_form_and_language() {
    let project = applied();
    let record = |args: &[&str]| project.run(&[&["record"], args].concat()).code(0).stdout;
    has(&record(&[]), &["| Result | done |\n", "| Checks | 1 passed |\n", "2 rows changed"]);
    has(
        &record(&["--lang", "zh"]),
        &["# 更新记录：2.1.0 ", "| 更新结果 | 成功 |\n", "| 检查 | 通过 1 项 |\n"],
    );
    has(&record(&["--lang", "ja", "--format", "html"]), &["<html lang=\"ja\">", "<td>成功</td>"]);
    assert_eq!(record(&["--json"]), record(&["--format", "json", "--lang", "zh"]));
    project.run(&["record", "--out", "r.md"]).code(0);
    assert_eq!(project.read("r.md"), record(&[]));
}

#[test]
fn who_confirmed_stands_with_the_step() {
    let project = Project::new(&gated());
    project.run(&["apply", "release.md", "--yes"]).code(3);
    project.run(&["confirm", "gate-1", "--note", "看过了"]).code(0);
    let record = project.run(&["record", "--lang", "zh"]).code(0).stdout;
    let row = record.lines().find(|line| line.starts_with("| gate-1/1 |")).unwrap();
    assert!(row.contains("| 已确认 |") && row.contains("确认人：alice@") && row.contains("看过了"), "{row}");
    has(&record, &["通过 1 项；已确认 1 项"]);
}

const LOG: &str = "# 更新日志\n\n## 2020-01-02 2.0.9\n\n旧的\n\n## 2020-01-01 2.0.8\n\n更旧的\n";

fn append(project: &Project) -> Said {
    project.run(&["record", "--append", "UPDATE_LOG.md", "--lang", "zh"])
}

#[test]
fn a_log_gets_each_run_once_where_its_order_has_it() {
    let project = applied();
    project.write("UPDATE_LOG.md", LOG);
    append(&project).code(0).says(&["stands in UPDATE_LOG.md now"]);
    let log = project.read("UPDATE_LOG.md");
    let (before, behind) = LOG.split_at(LOG.find("## 2020-01-02").unwrap());
    assert!(log.starts_with(&format!("{before}<!-- windlass run ")) && log.ends_with(behind), "{log}");
    has(&log, &["| 更新结果 | 成功 |\n", "### 步骤\n", "| migrate/2 |"]);
    append(&project).code(0).says(&["stands in UPDATE_LOG.md:3 already; nothing was written"]);
    assert_eq!(project.read("UPDATE_LOG.md"), log);
    // What it says is no longer so; whose words stand around it, a person knows.
    project.run(&["rollback", "--yes"]).code(0);
    append(&project).code(4).says(&["as done, and is undone since", "take that entry out"]);
    assert_eq!(project.read("UPDATE_LOG.md"), log);
    project.write("UPDATE_LOG.md", LOG);
    append(&project).code(0);
    has(&project.read("UPDATE_LOG.md"), &["| 更新结果 | 已回滚 |\n"]);
}

#[test]
fn a_record_takes_the_place_of_no_document_and_no_configuration() {
    let project = applied();
    let before = [project.read("release.md"), project.read("windlass.toml")];
    for (file, what) in [("release.md", "the release document"), ("windlass.toml", "a configuration")] {
        for option in ["--out", "--append"] {
            let said = format!("{file} is {what}; nothing was written");
            project.run(&["record", option, file]).code(2).says(&[&said, option]);
        }
    }
    project.run(&["record", "--out", "/dev/null"]).code(2).says(&["it is not a regular file"]);
    assert_eq!(before, [project.read("release.md"), project.read("windlass.toml")]);
}

#[test]
fn a_log_that_is_not_there_is_begun_and_what_has_not_ended_is_not_logged() {
    let project = Project::new(&failing());
    project.run(&["apply", "release.md", "--yes", "--on-failure", "stop"]).code(3);
    append(&project).code(4).says(&["has not ended", "nothing was written", "windlass status"]);
    assert!(!project.path("UPDATE_LOG.md").exists());
    project.run(&["decide", "unwind", "--reason", "回退"]).code(0);
    append(&project).code(0);
    let log = project.read("UPDATE_LOG.md");
    assert!(log.starts_with("# 更新记录\n\n<!-- windlass run "), "{log}");
    has(&log, &["已回滚", "| 回滚 |", "回退"]);
    project.run(&["record", "--append", "x.md", "--format", "html"]).code(2);
    project.write("gbk.md", [0xB8, 0xFC]);
    project.run(&["record", "--append", "gbk.md"]).code(2).says(&["gbk.md is not UTF-8"]);
}
