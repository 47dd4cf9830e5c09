//! Secrets reach neither the journal nor the terminal.

use crate::sealed::Project;

/// A value that has to be escaped in URLs, and is long enough to be found again.
const VALUE: &str = "sqlite:s3cr3t+val=ue.db";
const ENCODED: &str = "sqlite%3As3cr3t%2Bval%3Due.db";

const RELEASE: &str = "---
release: 1.0.0
---
# 发布
```sql {#add on=db irreversible}
INSERT INTO record (id, name) VALUES (3, 'x');
```
```sh {#leak on=app readonly}
cat url.txt; cat url.txt >&2; printf 'ENCODED\\n'; exit 1
```
";

#[test]
fn a_secret_that_a_step_prints_is_in_no_file_and_in_no_output() {
    let project = Project::new(&RELEASE.replace("ENCODED", &ENCODED.replace('%', "%%")));
    std::fs::rename(project.path("app.db"), project.path("s3cr3t+val=ue.db")).unwrap();
    project.write("url.txt", format!("{VALUE}\n"));
    project.write(
        "windlass.toml",
        "[target.app]\ndir = \".\"\n[target.db]\nurl = { file = \"url.txt\" }\nkind = \"sqlite\"\n",
    );
    let said = project.run(&["apply", "release.md", "--yes", "--json"]).code(3).says(&["leak/1", "****"]);
    let record = project.run(&["record"]).code(0);
    assert!(record.stdout.contains("****"), "{}", record.stdout);
    for text in [&said.stdout, &said.stderr, &record.stdout] {
        assert!(!text.contains(VALUE) && !text.contains(ENCODED), "{text}");
    }
    for file in project.state_files() {
        let bytes = std::fs::read(&file).unwrap();
        for secret in [VALUE, ENCODED] {
            let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!found, "{} holds the secret", file.display());
        }
    }
}

#[test]
fn a_password_in_the_configuration_is_refused_and_not_shown() {
    for (line, place) in [
        ("url = \"postgres://app:hunter2@db/x\"", "windlass.toml:4:"),
        ("url = \"sqlite:app.db\"\npassword = \"hunter2\"", "windlass.toml:5:1"),
        ("url = \"sqlite:app.db\"\npassword = \"hunter2", "windlass.toml:5:"),
    ] {
        let project = Project::new(RELEASE);
        project.write("windlass.toml", format!("[target.app]\ndir = \".\"\n[target.db]\n{line}\n"));
        for args in
            [&["check", "release.md"][..], &["check", "--json", "release.md"], &["plan", "release.md"]]
        {
            let said = project.run(args).code(2);
            assert!(!said.stderr.contains("hunter2") && !said.stdout.contains("hunter2"), "{line}: {said:?}");
            let shown = args.contains(&"--json") || said.stderr.contains(place);
            assert!(shown, "{place}: {}", said.stderr);
        }
    }
}

#[test]
fn a_missing_secret_is_named() {
    let project = Project::new(RELEASE);
    project.write(
        "windlass.toml",
        "[target.app]\ndir = \".\"\n[target.db]\nurl = { env = \"APP_DB_URL\" }\nkind = \"sqlite\"\n",
    );
    let said = project.run(&["plan", "release.md"]).code(0);
    assert!(said.stdout.contains("APP_DB_URL is not set"), "{}", said.stdout);
}

#[test]
fn a_secret_in_a_pipe_that_nobody_writes_to_is_refused_at_once() {
    let project = Project::new(RELEASE);
    assert!(std::process::Command::new("mkfifo").arg(project.path("url.pipe")).status().unwrap().success());
    project.write(
        "windlass.toml",
        "[target.app]\ndir = \".\"\n[target.db]\nurl = { file = \"url.pipe\" }\nkind = \"sqlite\"\n",
    );
    let world = project.world();
    // Without the refusal both would wait for a writer until the test gives up.
    let said = project.run(&["plan", "release.md"]).code(0);
    assert!(said.stdout.contains("url.pipe is a pipe"), "{}", said.stdout);
    project.run(&["apply", "release.md", "--yes"]).says(&["url.pipe is a pipe"]);
    assert_eq!(project.world(), world);
}
