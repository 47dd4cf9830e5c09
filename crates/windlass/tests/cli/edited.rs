//! A document that is edited between two tries: what has begun stays what it was, what comes behind it may change.

use crate::sealed::{Project, RELEASE, Said, gated};

/// A release that was killed behind its first migration.
fn killed() -> Project {
    let project = Project::new(RELEASE);
    let killed = project.run(&["apply", "release.md", "--yes", "--fault", "crash-after:migrate/1"]);
    assert_eq!(killed.code, None, "{}", killed.stderr);
    project
}

impl Project {
    /// Replaces text that stands once in the document.
    #[track_caller]
    pub fn edit(&self, from: &str, to: &str) {
        let text = self.read("release.md");
        assert_eq!(text.matches(from).count(), 1, "{from}");
        self.write("release.md", text.replace(from, to));
    }

    /// Every entry of the journal.
    fn entries(&self) -> Vec<String> {
        let db = rusqlite::Connection::open(self.path(".windlass/journal.db")).unwrap();
        let mut query = db.prepare("SELECT event FROM entry ORDER BY seq").unwrap();
        query.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    }
}

/// Fails unless the command is refused with these words, the world has not changed, and nothing was journaled but what became
/// of what the dead controller had begun.
#[track_caller]
fn refused(project: &Project, args: &[&str], words: &[&str]) -> Said {
    let (world, before) = (project.world(), project.entries().len());
    let said = project.run(args).code(4).says(words);
    assert_eq!(project.world(), world);
    for entry in &project.entries()[before..] {
        let looked = [r#"{"event":"taken""#, r#"{"event":"settled""#];
        assert!(looked.iter().any(|event| entry.starts_with(event)), "{entry}");
    }
    said
}

#[test]
fn an_edit_of_what_is_applied_is_refused_with_a_diff() {
    let project = killed();
    project.edit("COLUMN s3_key TEXT;", "COLUMN s3_key VARCHAR(50);");
    let said = refused(
        &project,
        &["resume"],
        &[
            "migrate/1 is applied, and is not what it was",
            "--- release.md:14:1",
            "+++ release.md:14:1",
            "-ALTER TABLE record ADD COLUMN s3_key TEXT\n",
            "+ALTER TABLE record ADD COLUMN s3_key VARCHAR(50)\n",
            "Done        backup/1, migrate/1",
            "Not begun   3 units",
            "release.md was edited where run",
            "nothing was done",
            "windlass resume 2",
            "--as-planned` goes on with the plan that was started",
            "windlass rollback 2",
        ],
    );
    assert!(!said.stderr.contains("UPDATE record"), "only what was edited is shown: {}", said.stderr);
    project.run(&["resume", "--as-planned"]).code(0);
    assert!(project.world().contains("s3_key TEXT"), "{}", project.world());
}

#[test]
fn a_step_in_front_of_what_is_applied_is_refused() {
    for (from, to, words) in [
        (
            "## 停机发布\n",
            "```sql {#early on=db}\nCREATE TABLE early (id INTEGER);\n```\n## 停机发布\n",
            &["early/1 is new, and stands in front of what has begun", "+CREATE TABLE early (id INTEGER)"][..],
        ),
        (
            "ALTER TABLE",
            "CREATE TABLE early (id INTEGER);\nALTER TABLE",
            &["migrate/1 is new, and stands in front of what has begun", "+CREATE TABLE early (id INTEGER)"],
        ),
        (
            "ALTER TABLE record ADD COLUMN s3_key TEXT;\n",
            "",
            &["migrate/1 is applied, and is gone from the document", "-ALTER TABLE record"],
        ),
        (
            "```sh {#mark on=app}\n",
            "```sh {#unmigrate undoes=migrate}\ntrue\n```\n```sh {#mark on=app}\n",
            &["migrate", "undo"],
        ),
        ("release: 2.1.0\n", "release: 2.1.1\n", &["`release:` of the document is not what it was"]),
        ("on=db undo=backup", "on=other undo=backup", &["document of the run was edited is not known"]),
    ] {
        let project = killed();
        project.edit(from, to);
        refused(&project, &["resume"], words);
    }
}

/// Whoever restores a backup has to know each statement since, and those that ran before nobody wanted that were not recorded so.
#[test]
fn a_backup_from_before_what_has_run_is_no_way_back_for_what_is_new() {
    let backup = "```sql {#up on=db}";
    let text = MIGRATION.replace(
        backup,
        &format!("```sh {{#backup on=db}}\nsqlite3 app.db \".backup old.db\"\n```\n{backup}"),
    );
    let project = Project::new(&text);
    let args = ["apply", "release.md", "--yes", "--despite-problems", "--on-failure=stop"];
    project.run(&args).code(3);
    let world = project.world();
    project.edit("UPDATE recrod", "UPDATE record");
    let tail = |of: &str| {
        format!(
            "{}```sql {{#again on=db undo={of}}}\nUPDATE record SET name = 'z';\n```\n",
            project.read("release.md")
        )
    };
    let (made, own) = (tail("backup"), tail("fresh"));
    project.write("release.md", made);
    refused(
        &project,
        &["resume", "--yes"],
        &["again/1 would be taken back by a backup from before statements"],
    );
    let fresh = "```sh {#fresh on=db}\nsqlite3 app.db \".backup fresh.db\"\n```\n```sql {#again";
    project.write("release.md", own.replace("```sql {#again", fresh));
    project.run(&["resume", "--yes"]).code(0);
    assert!(project.world().contains("(2),z"), "{}", project.world());
    project.run(&["rollback", "--yes"]).code(0);
    assert_eq!(project.world(), Project::new("").world());
    assert_eq!(world, project.world(), "the statements before had not touched this table");
}

#[test]
fn a_target_that_was_used_stays_what_it_was() {
    let project = Project::new(
        &RELEASE
            .replace(" undo=backup", "")
            .replace("```sh {#backup on=db}\nsqlite3 app.db", "```sh {#backup on=db readonly}\necho"),
    );
    let killed = project.run(&["apply", "release.md", "--yes", "--fault", "crash-after:migrate/1"]);
    assert_eq!(killed.code, None, "{}", killed.stderr);
    let config = project.read("windlass.toml");
    project.write("windlass.toml", config.replace("sqlite:app.db", "sqlite:other.db"));
    let said = refused(&project, &["resume"], &["[target.db] is not what it was when steps ran on it"]);
    assert!(!said.stderr.contains("other.db"), "a URL may hold a password: {}", said.stderr);
    project.write("windlass.toml", config);
    project.run(&["resume"]).code(0);
}

#[test]
fn a_document_that_says_the_same_is_gone_on_with() {
    let project = killed();
    project.edit("## 停机发布\n", "## 停机\n\nNobody is to log in.\n\n");
    project.run(&["resume"]).code(0).says(&["was edited where it says nothing that runs"]);
}

#[test]
fn a_document_that_is_gone_or_broken_is_not_passed_over() {
    for (change, words) in
        [(None, "release.md: there is no such file"), (Some("on=db rows=2"), "release.md has errors now")]
    {
        let project = killed();
        match change {
            None => std::fs::remove_file(project.path("release.md")).unwrap(),
            Some(text) => project.edit(text, "on=nowhere"),
        }
        let words = [words, "is not known; nothing was done", "--as-planned", "windlass rollback"];
        refused(&project, &["resume"], &words);
        project.run(&["resume", "--as-planned"]).code(0);
    }
}

#[test]
fn the_way_back_is_that_of_what_ran() {
    let project = Project::new(RELEASE);
    let before = project.world();
    project.run(&["apply", "release.md", "--yes", "--fault", "crash-after:migrate/2"]);
    std::fs::remove_file(project.path("release.md")).unwrap();
    let killed = project.run(&["rollback", "--yes", "--fault", "crash-before:undo:migrate/1"]);
    assert_eq!(killed.code, None, "{}", killed.stderr);
    project.run(&["resume"]).code(0);
    assert_eq!(project.world(), before);
}

#[test]
fn a_gate_is_not_confirmed_for_an_edited_document() {
    let project = Project::new(&gated());
    project.run(&["apply", "release.md", "--yes"]).code(3);
    project.edit("两台机器", "三台机器");
    refused(&project, &["confirm", "gate-1"], &["release.md was edited since the run began", "+- [ ] 三台"]);
    project.run(&["confirm", "gate-1", "--as-planned"]).code(0);
}

/// 5 statements of which the third is wrong, and a line behind them that was never begun.
const MIGRATION: &str = "---
release: 3.0.0
---
# 3.0.0

```sql {#up on=db}
CREATE TABLE author (id INTEGER PRIMARY KEY, name TEXT);
INSERT INTO author VALUES (1, '甲');
UPDATE recrod SET name = 'x' WHERE id = 1;
ALTER TABLE record ADD COLUMN author INTEGER;
UPDATE record SET author = 1;
```

```sh {#mark on=app}
echo 3.0.0 > marker.txt
```
```sh {#unmark undoes=mark}
rm marker.txt
```
";

/// The run of it, stopped at the wrong statement.
fn stopped() -> Project {
    let project = Project::new(MIGRATION);
    let args = ["apply", "release.md", "--yes", "--despite-problems", "--on-failure=stop"];
    project.run(&args).code(3).says(&[
        "decide retry up/3",
        "no such table",
        "go on with the document as you have corrected it",
    ]);
    project
}

#[test]
fn a_statement_that_failed_is_corrected_and_the_run_goes_on_there() {
    let project = stopped();
    let before = project.run(&["show", "--json"]).json();
    project.edit("UPDATE recrod", "UPDATE record");
    let said = project.run(&["resume", "--yes"]).code(0).says(&[
        "release.md was edited where nothing has begun",
        "--- release.md:9:1",
        "-UPDATE recrod SET name = 'x' WHERE id = 1\n",
        "+UPDATE record SET name = 'x' WHERE id = 1\n",
        "2 units begun before, and not to be run again",
        "goes on with plan",
    ]);
    assert!(!said.stderr.contains("CREATE TABLE author ("), "only what is edited is shown: {}", said.stderr);
    assert!(project.world().contains("(1),x,Integer(1)"), "{}", project.world());
    assert_eq!(project.read("marker.txt"), "3.0.0\n");
    let after = project.run(&["show", "--json"]).code(0).json();
    for unit in 0..2 {
        assert_eq!(before["units"][unit], after["units"][unit], "what ran stays as it was");
    }
    assert_ne!(before["digest"], after["digest"]);
    assert_eq!(after["units"][2]["attempts"], 2);
    let record = project.run(&["record"]).code(0).stdout;
    assert!(record.contains("| edit |") && record.contains(before["digest"].as_str().unwrap()), "{record}");
    let show = project.run(&["show"]).code(0).stdout;
    assert!(show.contains("Edited") && show.contains(" by alice@"), "{show}");
}

#[test]
fn an_edited_run_goes_back_wholly() {
    let project = stopped();
    let fresh = Project::new(MIGRATION);
    project.edit(
        "UPDATE recrod SET name = 'x' WHERE id = 1;\n",
        "INSERT INTO author VALUES (2, '乙');\nUPDATE record SET name = 'x' WHERE id = 1;\n",
    );
    project
        .edit("rm marker.txt\n```\n", "rm marker.txt\n```\n```sql {#more on=db}\nDROP TABLE author;\n```\n");
    project.run(&["resume", "--yes"]).code(0);
    let show = project.run(&["show", "--json"]).json();
    assert_eq!(show["units"].as_array().unwrap().len(), 8);
    assert!(project.world().contains("x"), "{}", project.world());
    project.run(&["rollback", "--yes"]).code(0);
    assert_eq!(project.world(), fresh.world());
    assert!(!project.path("marker.txt").exists());
    let tables = rusqlite::Connection::open(project.path("app.db")).unwrap();
    let authors: i64 = tables
        .query_row("SELECT count(*) FROM sqlite_schema WHERE name = 'author'", [], |row| row.get(0))
        .unwrap();
    assert_eq!(authors, 0, "what ran before the edit is taken back too");
}

#[test]
fn what_is_applied_stays_and_what_failed_may_change() {
    let project = stopped();
    project.edit("INSERT INTO author VALUES (1, '甲')", "INSERT INTO author VALUES (1, '丙')");
    refused(
        &project,
        &["resume", "--yes"],
        &[
            "up/2 is applied, and is not what it was",
            "-INSERT INTO author VALUES (1, '甲')",
            "+INSERT INTO author VALUES (1, '丙')",
            "Done        up/1, up/2",
        ],
    );
    project.edit("INSERT INTO author VALUES (1, '丙')", "INSERT INTO author VALUES (1, '甲')");
    project.edit("INSERT INTO author", "DELETE FROM record;\nINSERT INTO author");
    refused(&project, &["resume", "--yes"], &["up/2 is new, and stands in front of what has begun"]);
}

#[test]
fn nothing_is_taken_over_unasked_or_by_a_decision() {
    let project = stopped();
    project.edit("UPDATE recrod", "UPDATE record");
    refused_wrong(&project, &["resume"], &["nobody can be asked here", "--as-planned"]);
    refused(
        &project,
        &["decide", "retry", "up/3", "--reason", "again"],
        &["+UPDATE record SET name", "windlass resume 2", "takes the edit over"],
    );
    project.run(&["decide", "retry", "up/3", "--reason", "again", "--as-planned"]).code(3);
    project.run(&["decide", "unwind", "--reason", "enough"]).code(0);
}

/// As [`refused`], with exit code 2.
#[track_caller]
fn refused_wrong(project: &Project, args: &[&str], words: &[&str]) {
    let (world, entries) = (project.world(), project.entries());
    project.run(args).code(2).says(words);
    assert_eq!((project.world(), project.entries()), (world, entries));
}

#[test]
fn an_edit_that_is_certain_to_fail_is_not_taken_over_with_yes() {
    let project = stopped();
    project.edit("UPDATE recrod", "UPDATE rekord");
    refused(&project, &["resume", "--yes"], &["certain to stop", "up/3", "rekord", "--despite-problems"]);
}

#[test]
fn an_edited_file_of_statements_counts_like_the_document() {
    let files = MIGRATION.replace("on=db}", "on=db files=\"m/*.sql\"}");
    let (head, rest) = files.split_once("CREATE").unwrap();
    let (sql, tail) = rest.split_once("```").unwrap();
    let project = Project::new(&format!("{head}```{tail}"));
    project.write("m/1.sql", format!("CREATE{sql}"));
    let args = ["apply", "release.md", "--yes", "--despite-problems", "--on-failure=stop"];
    project.run(&args).code(3);
    let text = project.read("m/1.sql");
    project.write("m/1.sql", text.replace("author VALUES (1", "author VALUES (3"));
    refused(
        &project,
        &["resume", "--yes"],
        &[
            "--- m/1.sql:2:1",
            "+++ m/1.sql:2:1",
            "-INSERT INTO author VALUES (1",
            "+INSERT INTO author VALUES (3",
        ],
    );
    project.write("m/1.sql", text.replace("recrod", "record"));
    project.write("m/2.sql", "UPDATE record SET name = 'y' WHERE id = 2;\n");
    project.run(&["resume", "--yes"]).code(0).says(&["--- m/1.sql:3:1", "+++ m/2.sql:1:1"]);
    assert!(project.world().contains("(2),y"), "{}", project.world());
}

#[test]
fn killed_behind_the_edit_it_goes_on_with_the_edited_plan() {
    for fault in ["crash-before:up/3", "crash-after:up/3", "crash-after:up/4"] {
        let project = stopped();
        project.edit("UPDATE recrod", "UPDATE record");
        let killed = project.run(&["resume", "--yes", "--fault", fault]);
        assert_eq!(killed.code, None, "{fault}: {}", killed.stderr);
        let edits =
            project.entries().iter().filter(|entry| entry.contains("\"event\":\"replanned\"")).count();
        assert_eq!(edits, 1, "{fault}");
        if fault == "crash-before:up/3" {
            // Nothing has happened yet but the edit: as if it had been killed right behind that entry.
            let db = rusqlite::Connection::open(project.path(".windlass/journal.db")).unwrap();
            let behind =
                "DELETE FROM entry WHERE seq > (SELECT seq FROM entry WHERE event LIKE '%\"replanned\"%')";
            assert_eq!(db.execute(behind, []).unwrap(), 1, "an intent");
        }
        let said = project.run(&["resume"]).code(0);
        assert!(!said.stderr.contains("was edited"), "{fault}: it is taken over once: {}", said.stderr);
        assert!(project.world().contains("(1),x,Integer(1)"), "{fault}: {}", project.world());
    }
}

#[test]
fn the_policy_is_asked_for_the_edited_plan() {
    let project = stopped();
    let config = project.read("windlass.toml");
    project.write("windlass.toml", format!("{config}approve = {{ count = 1 }}\n"));
    project.write("approvers", "");
    project.edit("UPDATE recrod", "UPDATE record");
    refused(
        &project,
        &["resume", "--yes"],
        &["0 of 1 approvals of plan", "windlass approve", "--as-planned"],
    );
    project.run(&["resume", "--yes", "--break-glass", "shop is down"]).code(0);
    let record = project.run(&["record", "--json"]).code(0).json();
    assert_eq!(record["break_glass"]["reason"], "shop is down");
}

#[test]
fn a_diff_shows_no_secret() {
    let far = "```sql {#far on=far readonly}\nSELECT 1;\n```\n";
    let project = Project::new(&format!("{}{far}", MIGRATION.replace("'甲'", "'hunter2hunter2'")));
    let config = project.read("windlass.toml");
    let far = "[target.far]\nurl = { file = \"url\" }\nkind = \"postgresql\"\n";
    project.write("windlass.toml", format!("{far}{config}"));
    project.write("url", "postgres://someone:hunter2hunter2@127.0.0.1:1/nowhere");
    let args = ["apply", "release.md", "--yes", "--despite-problems", "--on-failure=stop"];
    project.run(&args).code(3);
    project.edit("'hunter2hunter2'", "'hunter2hunter2!'");
    let words = ["-INSERT INTO author VALUES (1, '****')", "+INSERT INTO author VALUES (1, '****!')"];
    let said = refused(&project, &["resume"], &words);
    assert!(!said.stderr.contains("hunter2"), "{}", said.stderr);
}
