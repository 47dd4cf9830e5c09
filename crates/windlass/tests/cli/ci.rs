//! Formats of CI systems, and the snippets of docs/ci.md as they stand there.

use crate::sealed::{Project, RELEASE, Running, Said};
use serde_json::Value;
use std::{os::unix::fs::PermissionsExt as _, path::Path, process::Command};

/// The project inside of a repository, in a folder that is not its root.
fn nested(release: &str) -> Project {
    let project = Project::new(release);
    std::fs::create_dir(project.path(".git")).unwrap();
    std::fs::create_dir_all(project.path("运维/docs")).unwrap();
    for name in ["windlass.toml", "release.md", "app.db"] {
        std::fs::rename(project.path(name), project.path(&format!("运维/{name}"))).unwrap();
    }
    project
}

/// `windlass`, given in a folder of the project.
fn inside(project: &Project, folder: &str, args: &[&str]) -> Said {
    let mut command = project.command(args);
    command.current_dir(project.path(folder));
    Running::start(command).end()
}

fn bad() -> String {
    RELEASE.replace("rows=2", "rows=两").replace("{#mark on=app}", "{#mark on=ap}")
}

#[test]
fn annotations_name_the_file_from_the_root_of_the_repository() {
    let project = nested(&bad());
    let said = inside(&project, "运维/docs", &["check", "--format", "github", "../release.md"]).code(2);
    let lines: Vec<_> = said.stdout.lines().collect();
    assert!(lines.iter().all(|line| line.starts_with("::")), "{}", said.stdout);
    let error = |line: &str, title: &str| {
        let file = format!("::error file=运维/release.md,line={line},");
        lines.iter().any(|said| said.starts_with(&file) && said.contains(&format!(",title={title}::")))
    };
    assert!(error("17", "unknown-target") && error("25", "attribute-value"), "{}", said.stdout);
    assert_eq!(said.stderr, "");
    let good = nested(RELEASE);
    let said = inside(&good, "运维", &["check", "--format", "github", "release.md"]).code(0);
    assert!(!said.stdout.contains("::error"), "{}", said.stdout);
}

#[test]
fn a_configuration_of_several_documents_and_a_file_that_is_not_there_are_told_once_each() {
    let project = nested(RELEASE);
    project.write("运维/two.md", RELEASE);
    project
        .write("运维/windlass.toml", "[target.app]\nhots = [\"a\"]\n[target.db]\nurl = \"sqlite:app.db\"\n");
    let args = ["check", "--format", "gitlab", "release.md", "two.md", "nowhere.md"];
    let report = inside(&project, "运维", &args).code(2).json();
    let issues = report.as_array().unwrap();
    let of = |rule: &str| issues.iter().filter(|issue| issue["check_name"] == rule).collect::<Vec<_>>();
    let config = of("config-unknown-key");
    assert_eq!(config.len(), 1, "{report}");
    assert_eq!(config[0]["location"]["path"], "运维/windlass.toml");
    assert_eq!(config[0]["location"]["lines"]["begin"], 2);
    assert_eq!(config[0]["severity"], "blocker");
    let unread = of("unreadable");
    assert_eq!(unread[0]["location"]["path"], "运维/nowhere.md");
    let prints: std::collections::BTreeSet<_> =
        issues.iter().map(|issue| issue["fingerprint"].as_str().unwrap()).collect();
    assert_eq!(prints.len(), issues.len(), "fingerprints differ");
}

#[test]
fn sarif_of_a_document_can_be_uploaded() {
    let project = nested(&bad());
    let log = inside(&project, "运维", &["check", "--format", "sarif", "release.md"]).code(2).json();
    let run = &log["runs"][0];
    let result = |rule: &str| {
        run["results"].as_array().unwrap().iter().find(|result| result["ruleId"] == rule).unwrap().clone()
    };
    let place = &result("attribute-value")["locations"][0]["physicalLocation"];
    assert_eq!(place["artifactLocation"]["uri"], "%E8%BF%90%E7%BB%B4/release.md");
    assert_eq!(place["region"]["startLine"], 25);
    // `plan` says the same of a document that has no plan.
    let planned = inside(&project, "运维", &["plan", "--format", "sarif", "release.md"]).code(2).json();
    assert_eq!(planned, log);
    let good = nested(RELEASE);
    let log = inside(&good, "运维", &["plan", "--format", "sarif", "release.md"]).code(0).json();
    assert!(log["runs"][0]["results"].is_array(), "{log}");
}

#[test]
fn a_plan_is_a_comment_and_its_findings_are_annotations_beside_it() {
    let good = nested(RELEASE);
    let said = inside(&good, "运维", &["plan", "--format", "github", "release.md"]).code(0);
    for words in [
        "<!-- windlass plan release.md -->\n## Release 2.1.0\n",
        "| Digest | `",
        "<details><summary><b>migrate</b> line 13 · sqlite on db · restore</summary>",
        "ALTER TABLE record ADD COLUMN s3_key TEXT",
        "table record: 2 rows now",
        "by the hand-written unmark",
    ] {
        assert!(said.stdout.contains(words), "no {words:?} in:\n{}", said.stdout);
    }
    assert!(said.stderr.lines().all(|line| line.starts_with("::")), "{}", said.stderr);
    let gitlab = inside(&good, "运维", &["plan", "--format", "gitlab", "release.md"]).code(0);
    assert_eq!(gitlab.stdout, said.stdout);

    let broken = nested(&bad());
    let said = inside(&broken, "运维", &["plan", "--format", "github", "release.md"]).code(2);
    assert!(said.stdout.contains("errors; nothing can be run from it"), "{}", said.stdout);
    assert!(said.stderr.contains("::error file=运维/release.md,line=25,"), "{}", said.stderr);
}

const SECRETS: &str = "---\nrelease: 1.2.0\n---\n# /merge\n\n```sql {#user on=db}\nCREATE USER 'x' IDENTIFIED BY 'hunter2-in-sql';\n```\n\n\
                       ```http {#look on=app}\nGET http://a:hunter2-in-url@127.0.0.1:1/\nHTTP 200\n```\n\n\
                       ```sql {#gone undoes=user on=db}\nALTER USER 'x' IDENTIFIED BY 'hunter2-in-undo';\n```\n";

#[test]
fn neither_a_comment_nor_a_ticket_has_a_password() {
    let project = nested(SECRETS);
    project
        .write("运维/windlass.toml", "[target.app]\n[target.db]\nurl = \"mysql://root@127.0.0.1:1/app\"\n");
    let plan = ["plan", "--offline", "release.md"];
    assert!(inside(&project, "运维", &plan).code(0).stdout.contains("CREATE USER"), "the terminal shows it");
    let pages = [
        [&plan[..], &["--format", "github"]].concat(),
        ["ticket", "--offline", "release.md"].to_vec(),
        ["ticket", "--offline", "--format", "json", "release.md"].to_vec(),
    ];
    for args in pages {
        let page = inside(&project, "运维", &args).code(0).stdout;
        assert!(page.contains("password, and is not shown"), "{args:?}\n{page}");
        assert!(!page.contains("hunter2") && !page.contains("CREATE USER"), "{args:?}\n{page}");
        assert!(!page.lines().any(|line| line.starts_with("/merge")), "GitLab runs it:\n{page}");
    }
    let zh = inside(&project, "运维", &["ticket", "--offline", "--lang", "zh", "release.md"]).code(0).stdout;
    assert!(zh.contains("由手写步骤 #gone 回滚：含有密码，此处不显示"), "{zh}");
}

#[test]
fn a_document_that_cannot_be_read_is_found_in_every_form() {
    let project = nested(RELEASE);
    let plan = |format: &str| inside(&project, "运维", &["plan", "--format", format, "nowhere.md"]).code(2);
    let sarif = plan("sarif").json();
    assert_eq!(sarif["runs"][0]["results"][0]["ruleId"], "unreadable");
    for format in ["github", "gitlab"] {
        let said = plan(format);
        assert!(said.stdout.contains("1 error; nothing can be run from it"), "{format}: {}", said.stdout);
    }
    assert!(plan("github").stderr.contains("::error file=运维/nowhere.md"));
}

/// A repository as a CI system checks it out: `main` with everything, a branch with one more document.
fn repository() -> Project {
    let project = Project::new(RELEASE);
    std::fs::remove_file(project.path("release.md")).unwrap();
    project.write("releases/2.1.0.md", RELEASE);
    git(&project, &["init", "-q", "-b", "main"]);
    commit(&project);
    git(&project, &["update-ref", "refs/remotes/origin/main", "HEAD"]);
    git(&project, &["checkout", "-q", "-b", "feature"]);
    for version in ["2.2.0", "2.3.0"] {
        project.write(&format!("releases/{version} 发布.md"), RELEASE.replace("2.1.0", version));
    }
    commit(&project);
    // What the snippets call beside `windlass`: they see to it that there is something to send, and `gh` that there is
    // one comment, which it keeps.
    program(&project, "curl", "test -s comment.md && echo \"$@\" >> curl.log\n");
    program(&project, "gh", GH);
    project
}

/// GitHub as `gh api` shows it: comments are listed with `--paginate`, else one is made or changed.
const GH: &str = r#"
echo "$*" >> gh.log
test ! -e gh.refuses || { echo "Resource not accessible by integration" >&2; exit 1; }
case "$*" in
  *--paginate*) if [ -e comment.md ]; then echo 41; fi ;;
  *) for last; do :; done; cp "${last#body=@}" comment.md ;;
esac
"#;

fn program(project: &Project, name: &str, lines: &str) {
    let name = format!("bin/{name}");
    project.write(&name, format!("#!/bin/sh\n{lines}"));
    std::fs::set_permissions(project.path(&name), std::fs::Permissions::from_mode(0o755)).unwrap();
}

fn git(project: &Project, args: &[&str]) {
    let mut command = Command::new("git");
    command.current_dir(project.path("")).args(["-c", "user.name=A", "-c", "user.email=a@example.com"]);
    assert!(command.args(args).status().unwrap().success(), "{args:?}");
}

fn commit(project: &Project) {
    git(project, &["add", "releases", "windlass.toml"]);
    git(project, &["commit", "-q", "-m", "release"]);
}

/// Runs lines of a snippet as a CI system does.
#[track_caller]
fn shell(project: &Project, script: &str) {
    let said = job(project, script, &[]);
    assert_eq!(said.code, Some(0), "{script}\n{}\n{}", said.stdout, said.stderr);
}

fn job(project: &Project, script: &str, variables: &[(&str, &str)]) -> Said {
    let windlass = Path::new(env!("CARGO_BIN_EXE_windlass")).parent().unwrap();
    let path =
        format!("{}:{}:/usr/local/bin:/usr/bin:/bin", project.path("bin").display(), windlass.display());
    let mut command = Command::new("bash");
    command.args(["-e", "-o", "pipefail", "-c", script]).current_dir(project.path("")).env_clear();
    let base =
        Command::new("git").args(["rev-parse", "main"]).current_dir(project.path("")).output().unwrap();
    let base = String::from_utf8(base.stdout).unwrap();
    for (name, value) in [
        ("PATH", path.as_str()),
        ("HOME", "/nonexistent"),
        ("LANG", "C.UTF-8"),
        ("CI", "true"),
        ("GITHUB_BASE_REF", "main"),
        ("GITHUB_REPOSITORY", "team/shop"),
        ("GITHUB_STEP_SUMMARY", "summary.md"),
        ("RUNNER_TEMP", "."),
        ("CI_MERGE_REQUEST_DIFF_BASE_SHA", base.trim()),
        ("COMMENT_TOKEN", "t"),
        ("CI_API_V4_URL", "https://gitlab.invalid/api/v4"),
        ("CI_PROJECT_ID", "1"),
        ("CI_MERGE_REQUEST_IID", "2"),
    ] {
        command.env(name, value);
    }
    command.envs(variables.iter().copied());
    command.stdin(std::process::Stdio::null());
    let out = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Said { code: out.status.code(), stdout: text(out.stdout), stderr: text(out.stderr) }
}

/// The fences of docs/ci.md in a language.
fn snippets(language: &str) -> Vec<String> {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/ci.md")).unwrap();
    let begin = format!("```{language}\n");
    page.split(&begin).skip(1).map(|rest| rest.split("```").next().unwrap().to_owned()).collect()
}

fn yaml(text: &str) -> Value {
    serde_saphyr::from_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn action() -> Value {
    yaml(&std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../action.yml")).unwrap())
}

/// What GitHub puts in the place of `${{ … }}`.
fn expand(value: &str, action: &Value, with: &[(&str, &str)]) -> String {
    let Some(words) = value.strip_prefix("${{ ").and_then(|value| value.strip_suffix(" }}")) else {
        assert!(!value.contains("${{"), "{value}");
        return value.to_owned();
    };
    match words.strip_prefix("inputs.") {
        Some(input) => {
            let given = with.iter().find(|(name, _)| *name == input).map(|(_, value)| *value);
            given.or(action["inputs"][input]["default"].as_str()).unwrap().to_owned()
        }
        None if words == "github.event.number" => "7".to_owned(),
        None if words == "github.token" => "t".to_owned(),
        None => panic!("what is {words}?"),
    }
}

/// Runs the action as GitHub does: the second step also where the first has failed. The worst exit code is its own.
fn act(project: &Project, with: &[(&str, &str)], variables: &[(&str, &str)]) -> Said {
    let action = action();
    let mut all = Said { code: Some(0), stdout: String::new(), stderr: String::new() };
    for step in action["runs"]["steps"].as_array().unwrap() {
        let env = step["env"].as_object().unwrap();
        let env: Vec<_> = env
            .iter()
            .map(|(name, value)| (name.as_str(), expand(value.as_str().unwrap(), &action, with)))
            .collect();
        let variables: Vec<_> = env
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .chain(variables.iter().copied())
            .collect();
        let said = job(project, step["run"].as_str().unwrap(), &variables);
        all.code = all.code.max(said.code);
        all.stdout.push_str(&said.stdout);
        all.stderr.push_str(&said.stderr);
    }
    all
}

/// What was sent to GitHub, without what was only asked.
fn sent(project: &Project) -> Vec<String> {
    let log = std::fs::read_to_string(project.path("gh.log")).unwrap_or_default();
    log.lines().filter(|line| !line.contains("--paginate")).map(str::to_owned).collect()
}

#[test]
fn the_snippet_for_github_is_yaml_and_does_what_it_says() {
    let project = repository();
    let workflow = yaml(&snippets("yaml")[0]);
    let steps = workflow["jobs"]["check"]["steps"].as_array().unwrap();
    let uses =
        |step: &&Value| step["uses"].as_str().is_some_and(|uses| uses.starts_with("windlass/windlass@"));
    let used = steps.iter().find(uses).unwrap();
    let with: Vec<_> = used["with"].as_object().unwrap().iter().collect();
    let with: Vec<_> = with.iter().map(|(name, value)| (name.as_str(), value.as_str().unwrap())).collect();
    let action = action();
    assert!(with.iter().all(|(name, _)| action["inputs"][name].is_object()), "{with:?}");
    act(&project, &with, &[]).code(0);
    let runs: Vec<_> = steps.iter().filter_map(|step| step["run"].as_str()).collect();
    assert_eq!(runs.len(), 1);
    shell(&project, runs[0]);
    let log: Value = serde_json::from_str(&project.read("windlass.sarif")).unwrap();
    assert_eq!(log["version"], "2.1.0");
}

#[test]
fn the_action_keeps_one_comment_with_the_plans_of_the_documents_that_changed() {
    let project = repository();
    act(&project, &[], &[]).code(0);
    for text in [project.read("summary.md"), project.read("comment.md")] {
        let has = |version: &str| text.contains(&format!("## Release {version}\n"));
        assert!(has("2.2.0") && has("2.3.0") && !has("2.1.0"), "{text}");
    }
    act(&project, &[], &[]).code(0);
    let sent = sent(&project);
    assert_eq!(sent.len(), 2, "{sent:?}");
    assert!(sent[0].contains("POST repos/team/shop/issues/7/comments "), "{sent:?}");
    assert!(sent[1].contains("PATCH repos/team/shop/issues/comments/41 "), "{sent:?}");
    assert!(project.read("comment.md").starts_with("<!-- windlass plans -->\n"), "by this it is found again");
    // A push that takes the documents back leaves no plan of them.
    git(&project, &["reset", "-q", "--hard", "main"]);
    act(&project, &[], &[]).code(0);
    assert!(project.read("comment.md").contains("No release document differs from `main`"));
    // Where there never was one, none is written to say so.
    std::fs::remove_file(project.path("comment.md")).unwrap();
    act(&project, &[], &[]).code(0);
    assert!(!project.path("comment.md").exists());
}

#[test]
fn the_action_takes_globs_and_a_program_by_its_path_and_writes_no_comment_where_it_is_told_so() {
    let project = repository();
    project.write("运维/深/a.md", RELEASE.replace("2.1.0", "3.0.0"));
    project.write("运维/深/windlass.toml", project.read("windlass.toml"));
    git(&project, &["add", "运维"]);
    git(&project, &["commit", "-q", "-m", "one more"]);
    let with = [
        ("documents", "releases/2.2*.md 运维/**/*.md"),
        ("comment", "false"),
        ("windlass", env!("CARGO_BIN_EXE_windlass")),
    ];
    act(&project, &with, &[]).code(0);
    let summary = project.read("summary.md");
    let has = |version: &str| summary.contains(&format!("## Release {version}\n"));
    assert!(has("2.2.0") && has("3.0.0") && !has("2.3.0"), "{summary}");
    assert!(!project.path("gh.log").exists(), "nobody asked for a comment");
}

#[test]
fn the_action_says_why_it_fails_and_what_it_could_not_do() {
    let project = repository();
    project.write("releases/2.2.0 发布.md", bad());
    commit(&project);
    let said = act(&project, &[], &[]);
    assert_eq!(said.code, Some(2), "a document with an error fails the job\n{}", said.stderr);
    assert!(said.stdout.contains("::error file=releases/2.2.0 发布.md,line=25,"), "{}", said.stdout);
    let comment = project.read("comment.md");
    assert!(comment.contains("nothing can be run from it") && comment.contains("Release 2.3.0"), "{comment}");

    let project = repository();
    project.write("gh.refuses", "");
    let said = act(&project, &[], &[]).code(0);
    assert!(
        said.stdout.contains("::warning title=windlass::The comment could not be written"),
        "{}",
        said.stdout
    );
    assert!(project.read("summary.md").contains("Release 2.2.0"));
    // Not a pull request: nothing to compare with.
    let said = act(&project, &[], &[("GITHUB_BASE_REF", "")]).code(0);
    assert!(said.stdout.contains("no pull request"), "{}", said.stdout);
    let shallow = act(&project, &[], &[("GITHUB_BASE_REF", "elsewhere")]).code(2);
    assert!(shallow.stdout.contains("`fetch-depth: 0`"), "{}", shallow.stdout);
    let nowhere = act(&project, &[("windlass", "./windlas")], &[]).code(2);
    assert!(nowhere.stdout.contains("::error title=windlass::./windlas is not there"), "{}", nowhere.stdout);
    let none = act(&project, &[("documents", "nothing/*.md")], &[]).code(2);
    assert!(none.stdout.contains("nothing/*.md"), "a glob that finds nothing is no success\n{}", none.stdout);
}

#[test]
fn inputs_of_the_action_reach_the_shell_as_variables_only() {
    let action = action();
    assert_eq!(action["runs"]["using"], "composite");
    for step in action["runs"]["steps"].as_array().unwrap() {
        assert!(!step["run"].as_str().unwrap().contains("${{"), "{step}");
    }
    let project = repository();
    let said = act(&project, &[("documents", "releases/*.md $(touch ran)`touch ran`;touch ran")], &[]);
    assert!(said.code != Some(0) && !project.path("ran").exists(), "{}", said.stderr);
}

#[test]
fn the_snippet_for_gitlab_is_yaml_and_does_what_it_says() {
    let project = repository();
    let jobs = yaml(&snippets("yaml")[1]);
    for job in ["release documents", "release plan"] {
        // The lines of a job are one script.
        let lines: Vec<_> =
            jobs[job]["script"].as_array().unwrap().iter().map(|line| line.as_str().unwrap()).collect();
        shell(&project, &lines.join("\n"));
    }
    let report: Value = serde_json::from_str(&project.read("gl-code-quality-report.json")).unwrap();
    assert!(report.is_array(), "{report}");
    assert!(project.read("comment.md").contains("## Release 2.3.0"));
    let notes = project.read("curl.log");
    let notes = notes.matches("https://gitlab.invalid/api/v4/projects/1/merge_requests/2/notes").count();
    assert_eq!(notes, 2, "one for each document");
}

#[test]
fn the_lines_for_jenkins_do_what_they_say() {
    let project = repository();
    let pipeline = snippets("groovy").remove(0);
    let lines: Vec<_> =
        pipeline.lines().filter_map(|line| line.trim().strip_prefix("sh '")?.strip_suffix('\'')).collect();
    assert_eq!(lines.len(), 2);
    lines.iter().for_each(|line| shell(&project, line));
    assert!(project.read("releases/2.2.0 发布.md.plan.txt").contains("Release 2.2.0"));
    assert!(project.read("windlass.sarif").contains("\"2.1.0\""));
}
