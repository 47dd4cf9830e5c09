//! Who may start a release, what it must have, and where it has to be done before.

use crate::sealed::{Project, RELEASE, Running, Said};

fn with(project: &Project, args: &[&str], name: &str, value: &str) -> Said {
    let mut command = project.command(args);
    command.env(name, value);
    Running::start(command).end()
}

fn production() -> Project {
    Project::new(&RELEASE.replace("from: 2.0.9", "env: production"))
}

#[test]
fn jobs_start_nothing_in_production_unless_the_policy_lets_them() {
    let project = production();
    let before = project.world();
    let apply = ["apply", "release.md", "--yes"];
    for (name, value) in [
        ("GITHUB_ACTIONS", "true"),
        ("GITLAB_CI", "true"),
        ("JENKINS_URL", "https://ci.invalid/"),
        ("CI", "1"),
        ("INVOCATION_ID", "0123456789abcdef"),
    ] {
        with(&project, &apply, name, value).code(4).says(&[
            "releases to production are started by people",
            &format!("({name} is set)"),
            "nothing was started",
            "`unattended = true` under [policy] of windlass.production.toml",
            "--break-glass",
        ]);
    }
    assert_eq!(project.world(), before);
    let plan = with(&project, &["plan", "release.md"], "GITLAB_CI", "true").code(0).stdout;
    assert!(plan.contains("Policy: releases to production are started by people"), "{plan}");

    project.write("windlass.production.toml", "[policy]\nunattended = true\n");
    with(&project, &apply, "CI", "true").code(0);
    // The way back is never closed.
    project.write("windlass.production.toml", "[policy]\nunattended = false\n");
    with(&project, &["rollback", "--yes"], "CI", "true").code(0);
    assert_eq!(project.world(), before);

    let other = production();
    let args = [&apply[..], &["--break-glass", "停电"]].concat();
    with(&other, &args, "CI", "true").code(0);
    let record = other.run(&["record"]).code(0).stdout;
    assert!(record.contains("停电") && record.contains("a CI job (CI is set)"), "{record}");
}

#[test]
fn elsewhere_jobs_may_start_releases_unless_the_policy_forbids_it() {
    let project = Project::new(RELEASE);
    with(&project, &["apply", "release.md", "--yes"], "CI", "true").code(0);
    let other = Project::new(RELEASE);
    let config = other.read("windlass.toml");
    other.write("windlass.toml", format!("{config}unattended = false\n"));
    with(&other, &["apply", "release.md", "--yes"], "CI", "true")
        .code(4)
        .says(&["releases are started by people", "[policy] of windlass.toml"]);
    // A variable that says no is none.
    with(&other, &["apply", "release.md", "--yes"], "CI", "false").code(0);
}

/// The kernel names a process after the file that was run.
#[test]
fn a_job_of_cron_is_known_by_its_parents() {
    let project = production();
    std::os::unix::fs::symlink("/bin/sh", project.path("cron")).unwrap();
    let mut command = std::process::Command::new(project.path("cron"));
    command.args(["-c", "sh -c '\"$WINDLASS\" apply release.md --yes; exit $?'; exit $?"]);
    let sealed = project.command(&[]);
    command.current_dir(project.path("")).env_clear();
    command.envs(sealed.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.env("WINDLASS", env!("CARGO_BIN_EXE_windlass")).stdin(std::process::Stdio::null());
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    Running::start(command).end().code(4).says(&["this is a job of cron", "unattended = true"]);
}

/// No backup and no check.
const BARE: &str = "---
release: 2.1.0
---
# 只改表

```sql {#add on=db}
ALTER TABLE record ADD COLUMN s3_key TEXT;
```
";

fn requiring(release: &str, require: &str) -> Project {
    let project = Project::new(release);
    let config = project.read("windlass.toml");
    project.write("windlass.toml", format!("{config}require = {require}\n"));
    project
}

#[test]
fn what_the_policy_requires_is_found_by_check_and_refused_by_apply() {
    let project = requiring(BARE, "[\"backup-first\", \"verify-last\", \"rollback:lossy\"]");
    let before = project.world();
    let found = project.run(&["check", "--json", "release.md"]).code(0).json();
    let findings = found["files"][0]["findings"].as_array().unwrap();
    let own: Vec<_> = findings.iter().filter(|finding| finding["rule"] == "policy-require").collect();
    assert_eq!(own.len(), 2, "{found}");
    assert!(own.iter().all(|finding| finding["line"] == 7 && finding["severity"] == "warning"), "{found}");
    project.run(&["apply", "release.md", "--yes"]).code(4).says(&[
        "`backup-first` is required: `db` is changed before a backup of it was made (line 7)",
        "`verify-last` is required: nothing is checked behind the last change (line 7)",
        "nothing was started",
        "`windlass plan`",
    ]);
    assert_eq!(project.world(), before);
    project.run(&["apply", "release.md", "--yes", "--break-glass", "店铺打不开"]).code(0);
    assert!(project.run(&["record"]).code(0).stdout.contains("backup-first"));

    requiring(RELEASE, "[\"backup-first\", \"verify-last\", \"rollback:restore\"]")
        .run(&["apply", "release.md", "--yes"])
        .code(0);
    requiring(RELEASE, "[\"rollback:lossy\"]")
        .run(&["apply", "release.md", "--yes"])
        .code(4)
        .says(&["`rollback:lossy` is required: the undo class is restore because of step migrate (line 13)"]);
}

#[test]
fn production_comes_after_the_same_document_is_done_on_staging() {
    let project = Project::new(BARE);
    std::fs::copy(project.path("app.db"), project.path("staging.db")).unwrap();
    project.write("windlass.staging.toml", "[target.db]\nurl = \"sqlite:staging.db\"\n");
    project.write("windlass.production.toml", "[policy]\nafter = \"staging\"\n");
    let apply = |env: &str| project.run(&["apply", "release.md", "--yes", "--env", env]);
    let before = project.world();
    let refused = ["was not done on staging before", "`windlass apply release.md --env staging` first"];
    apply("production").code(4).says(&refused);
    apply("staging").code(0);
    assert_eq!(project.world(), before);
    let plan = project.run(&["plan", "release.md", "--env", "production"]).code(0).stdout;
    assert!(plan.contains("Policy: done on staging before, run "), "{plan}");
    // What was taken back there does not count.
    project.run(&["rollback", "--yes"]).code(0);
    apply("production").code(4).says(&refused);
    apply("staging").code(0);
    // Nor does another document.
    project.write("release.md", BARE.replace("s3_key", "s3_keys"));
    apply("production").code(4).says(&refused);
    project.write("release.md", BARE);
    apply("production").code(0);
    assert_ne!(project.world(), before);
    // Nor does one of which a person skipped what failed there.
    let failing = format!("{BARE}\n```sh {{#last on=app readonly}}\ntest -e go\n```\n");
    project.write("release.md", failing.replace("s3_key", "s3_other"));
    project.run(&["apply", "release.md", "--yes", "--env", "staging", "--on-failure", "stop"]).code(3);
    project.run(&["decide", "skip", "last/1", "--reason", "looked"]).code(0);
    apply("production").code(4).says(&["not without skipping units"]);
    // A document that is for one environment only can never be the same on another.
    project.write("other.md", BARE.replace("release: 2.1.0", "release: 2.2.0\nenv: production"));
    project
        .run(&["apply", "other.md", "--yes"])
        .code(4)
        .says(&["take `env: production` out of the front matter"]);
}
