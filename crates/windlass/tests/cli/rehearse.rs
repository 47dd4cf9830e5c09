//! `windlass rehearse` on real servers: histories of real projects, the runbooks, what reaches out, what goes wrong.

use crate::sealed::{Project, RELEASE, Said, skipped, wait_for};
use std::{collections::BTreeMap, path::Path, time::Duration};
use windlass_lab::{Database, Flavor, RUNBOOK_000, Setup, server};

/// A history of a hundred statements is run three times, there and back; on a busy machine that takes its time.
const LONG: Duration = Duration::from_secs(400);

/// A project with one database and one document.
fn project(database: &Database, document: &str) -> Project {
    let project = Project::empty();
    project.write(
        "windlass.toml",
        format!("[target.db]\nurl = \"{}\"\n[target.app]\ndir = \".\"\n", database.url()),
    );
    project.write("release.md", format!("---\nrelease: 2.1.0\nfrom: 2.0.9\n---\n# 2.1.0\n\n{document}"));
    project
}

/// The folder of a history, as a fence runs it.
fn history(project: &Project, engine: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/histories").join(engine);
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let name = format!("migrations/{}", entry.file_name().to_string_lossy());
        project.write(&name, std::fs::read(entry.path()).unwrap());
    }
}

const HISTORY: &str = "```sql {#history on=db files=\"migrations/*.sql\"}\n```\n";

fn rehearse(project: &Project, flavor: Flavor, more: &[&str]) -> Said {
    let tools = server(flavor).bin().unwrap();
    let words = ["rehearse", "release.md", "--tools", tools.to_str().unwrap()];
    project.start(&[&words, more].concat()).end_within(LONG)
}

/// How often each verdict was given.
fn verdicts(found: &serde_json::Value) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for statement in found["statements"].as_array().unwrap() {
        *counts.entry(statement["verdict"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    counts
}

/// At least 99 of 100 statements come back, and whatever does not is told; crashes and repeats lead to the same.
fn comes_back(said: Said, statements: usize) -> serde_json::Value {
    let found = said.json();
    let counts = verdicts(&found);
    let of = |word: &str| counts.get(word).copied().unwrap_or(0);
    let all = found["statements"].as_array().unwrap().len();
    let good = ["exact", "column-order", "readonly", "not-reached"];
    let odd = found["statements"].as_array().unwrap().iter();
    let odd: Vec<_> =
        odd.filter(|statement| !good.contains(&statement["verdict"].as_str().unwrap())).collect();
    let text = serde_json::to_string_pretty(&odd).unwrap();
    assert!(all >= statements, "{all} statements were rehearsed\n{text}");
    let back = of("exact") + of("column-order") + of("readonly");
    assert!(back * 100 >= all * 99, "{counts:?}\n{text}\n{}", said.stderr);
    for statement in found["statements"].as_array().unwrap() {
        assert_eq!(statement["disturbed"].as_array().unwrap().len(), 0, "{statement}");
    }
    for round in found["rounds"].as_array().unwrap() {
        assert_eq!(round["is_same"], true, "{round}");
    }
    found
}

#[test]
fn a_history_of_postgres_comes_back() {
    let database = server(Flavor::Postgres15).database();
    let project = project(&database, HISTORY);
    history(&project, "postgres");
    let found = comes_back(rehearse(&project, Flavor::Postgres15, &["--json"]), 90);
    // The dropped columns come back as the last ones; statements before them are not blamed for it.
    assert!((1..8).contains(&verdicts(&found)["column-order"]), "{:?}", verdicts(&found));
    assert_eq!(database.run("SELECT count(*) FROM pg_class WHERE relname = 'accounts'"), "0");
}

#[test]
fn a_history_of_mariadb_comes_back() {
    let database = server(Flavor::Mariadb).database();
    let project = project(&database, HISTORY);
    history(&project, "mysql");
    comes_back(rehearse(&project, Flavor::Mariadb, &["--json"]), 50);
    assert_eq!(database.run("SHOW TABLES"), "");
}

#[test]
fn a_history_of_mysql_comes_back() {
    if !Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/lab/sid/usr/sbin/mysqld").exists() {
        return skipped("a history of MySQL needs MySQL; lab/install brings it");
    }
    let database = server(Flavor::Mysql).database();
    let project = project(&database, HISTORY);
    history(&project, "mysql");
    let found = comes_back(rehearse(&project, Flavor::Mysql, &["--json"]), 50);
    assert!(found.to_string().contains("EXCLUSIVE (metadata)"), "{found}");
}

#[test]
fn a_history_of_sqlite_comes_back() {
    let project = Project::new(&format!("---\nrelease: 2.1.0\nfrom: 2.0.9\n---\n# x\n\n{HISTORY}"));
    history(&project, "sqlite");
    let before = project.world();
    comes_back(project.run(&["rehearse", "release.md", "--json"]), 35);
    assert_eq!(project.world(), before);
}

/// The SQL of a runbook, as fences that run.
fn runbook(name: &str, language: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/runbooks").join(name);
    let text = std::fs::read_to_string(path).unwrap();
    let opens = format!("```{language}");
    let fences = text.split(&opens).skip(1);
    let fence = |(at, fence): (usize, &str)| {
        let body = fence.split("```").next().unwrap();
        let lines: Vec<&str> = body.lines().map(|line| line.strip_prefix("  ").unwrap_or(line)).collect();
        format!("```sql {{#sql-{at} on=db}}{}\n```\n\n", lines.join("\n"))
    };
    fences.enumerate().map(fence).collect()
}

#[test]
fn the_sql_of_the_first_runbook_on_mariadb() {
    let database = server(Flavor::Mariadb).database();
    database.run(RUNBOOK_000);
    database.run("INSERT INTO record (record_id, user_id) VALUES (1, 2), (100000, 3), (100001, 4)");
    let stop = "```sh {#stop on=app irreversible}\nsudo docker-compose down\n```\n\n";
    let project =
        project(&database, &format!("{stop}{}", runbook("000-backend-release-2.1.0.zh.md", "mysql")));
    let before = database.run("CHECKSUM TABLE record, user_profile; SHOW CREATE TABLE user_profile");
    let found = comes_back(rehearse(&project, Flavor::Mariadb, &["--json"]), 30);
    assert_eq!(database.run("CHECKSUM TABLE record, user_profile; SHOW CREATE TABLE user_profile"), before);
    assert!(found["downtime_ms"].as_u64().unwrap() > 0);
    let text = found.to_string();
    assert!(text.contains("ALGORITHM=INSTANT"), "{text}");

    // `plan` knows it, until the document changes.
    let planned = project.run(&["plan", "release.md"]).code(0).stdout;
    assert!(planned.contains("Rehearsed well at") && planned.contains("Predicted downtime"), "{planned}");
    let document = project.read("release.md");
    project.write("release.md", document.replace("VARCHAR(50)", "VARCHAR(60)"));
    let planned = project.run(&["plan", "release.md"]).code(0).stdout;
    assert!(planned.contains("Stale: rehearsed at") && planned.contains("sql-"), "{planned}");
    project.write("release.md", document.replace("# 2.1.0", "# 2.1.0\n\nmore words\n"));
    let planned = project.run(&["plan", "release.md"]).code(0).stdout;
    assert!(planned.contains("Rehearsed well at"), "a step that only moved did not change: {planned}");
}

#[test]
fn the_sql_of_the_postgres_runbooks() {
    let database = server(Flavor::Postgres15).database();
    database.run(
        "CREATE TABLE associations (id int PRIMARY KEY, schema text, variant text, payload jsonb); \
         INSERT INTO associations SELECT g, CASE WHEN g % 3 = 0 THEN 'https://raw.githubusercontent.com/totegamma/concurrent-schemas/master/associations/emoji/0.0.1.json' ELSE 'like' END, \
         'v', jsonb_build_object('body', jsonb_build_object('imageUrl', 'https://x/' || g)) FROM generate_series(1, 2000) g",
    );
    let text = runbook("003-postgresql-migration-sop.zh.md", "sql");
    let update = "```sql {#variant on=db}\nupdate associations set variant = payload->'body'->>'imageUrl' where schema = \
                  'https://raw.githubusercontent.com/totegamma/concurrent-schemas/master/associations/emoji/0.0.1.json';\n```\n";
    let mut project = project(&database, &format!("{text}{update}"));
    // Its fences 1 and 2 change roles and grants of the whole server.
    let mut document = project.read("release.md");
    for fence in ["#sql-1 on=db", "#sql-2 on=db"] {
        document = document.replace(fence, &format!("{fence} irreversible"));
    }
    // As it stands it is no password: `check` says so.
    document = document.replace("<强密码>", "from the vault");
    project.write("release.md", &document);
    // Other tests have roles of their own on this server.
    let roles = "SELECT count(*) FROM pg_roles WHERE rolname = 'orion_app'";
    let before =
        (database.run(roles), database.run("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"));
    let found = comes_back(rehearse(&project, Flavor::Postgres15, &["--json"]), 7);
    let left: Vec<&str> =
        found["left_out"].as_array().unwrap().iter().map(|left| left["what"].as_str().unwrap()).collect();
    assert!(left.iter().any(|what| what.starts_with("CREATE ROLE")), "{left:?}");
    assert!(left.iter().any(|what| what.starts_with("GRANT ALL PRIVILEGES ON DATABASE")), "{left:?}");
    assert_eq!(
        (database.run(roles), database.run("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")),
        before
    );
    project = self::project(&database, update);
    let text = rehearse(&project, Flavor::Postgres15, &[]).code(0).stdout;
    assert!(text.contains("666 rows") && text.contains("exact"), "{text}");
    assert!(text.lines().all(|line| windlass_report::width(line) <= 80), "{text}");
}

#[test]
fn what_names_other_databases_is_not_run() {
    let database = server(Flavor::Mariadb).database();
    database.run("CREATE TABLE t (id INT PRIMARY KEY, a INT); INSERT INTO t VALUES (1, 1)");
    let name = database.name();
    let document = format!(
        "```sql {{#out on=db irreversible}}\nUPDATE `{name}`.t SET a = 2;\nUPDATE t SET a = 3;\nCREATE EVENT e ON SCHEDULE EVERY 1 SECOND DO UPDATE t SET a = 4;\n```\n"
    );
    let project = project(&database, &document);
    let found = rehearse(&project, Flavor::Mariadb, &["--json"]).code(0).json();
    assert_eq!(found["statements"].as_array().unwrap().len(), 1, "{found}");
    assert_eq!(found["left_out"].as_array().unwrap().len(), 2, "{found}");
    assert_eq!(database.run("SELECT a FROM t"), "1");
}

#[test]
fn beside_an_open_run_nothing_is_copied() {
    let project = Project::new(RELEASE);
    project.run(&["apply", "release.md", "--yes", "--fault", "crash-after:migrate/1"]);
    project.run(&["rehearse", "release.md"]).code(4).says(&["windlass resume"]);
    assert!(!project.path(".windlass/scratch").exists());
}

#[test]
fn a_statement_that_fails_is_told_with_its_place() {
    let project = Project::new(&RELEASE.replace("UPDATE record SET s3_key", "UPDATE record SET s3_kex"));
    let before = project.world();
    let said = project.run(&["rehearse", "release.md"]).code(1);
    assert!(said.stdout.contains("failed") && said.stdout.contains("s3_kex"), "{}", said.stdout);
    assert_eq!(project.world(), before);
    assert_eq!(std::fs::read_dir(project.path(".windlass/scratch")).unwrap().count(), 0);
}

#[test]
fn a_wrong_undo_is_caught() {
    // The hand-written undo puts the wrong text back in one row, and forgets an index.
    let document = "---\nrelease: 2.1.0\nfrom: 2.0.9\n---\n# x\n\n```sql {#up on=db}\nUPDATE record SET name = name || '!';\nCREATE INDEX i ON record (name);\n```\n\
                    ```sql {#down on=db undoes=up}\nUPDATE record SET name = CASE id WHEN 1 THEN '甲' ELSE 'wrong' END;\n```\n";
    let project = Project::new(document);
    let found = project.run(&["rehearse", "release.md", "--json"]).code(1).json();
    let text = found.to_string();
    assert_eq!(verdicts(&found), [("different".to_owned(), 2)].into(), "{text}");
    assert!(text.contains("index i was not there") && text.contains("is `'wrong'`, was `'乙'`"), "{text}");
}

#[test]
fn what_cannot_be_undone_is_told_and_the_rest_is_still_judged() {
    let document = "---\nrelease: 2.1.0\nfrom: 2.0.9\n---\n# x\n\n```sql {#a on=db}\nCREATE TABLE a (x);\nUPDATE record SET name = 'a';\n```\n\
                    ```sql {#b on=db irreversible}\nDELETE FROM record WHERE id = 2;\n```\n```sql {#c on=db}\nCREATE TABLE c (x);\n```\n";
    let project = Project::new(document);
    let before = project.world();
    let found = project.run(&["rehearse", "release.md", "--json"]).code(0).json();
    let verdicts: Vec<&str> =
        found["statements"].as_array().unwrap().iter().map(|s| s["verdict"].as_str().unwrap()).collect();
    assert_eq!(verdicts, ["exact", "exact", "cannot-undo", "exact"], "{found}");
    assert_eq!(project.world(), before);
}

#[test]
fn a_rehearsal_that_is_killed_leaves_the_live_database_and_no_copy() {
    let database = server(Flavor::Postgres15).database();
    database.run(
        "CREATE TABLE t (id int PRIMARY KEY, a int); INSERT INTO t SELECT i, i FROM generate_series(1, 50) i",
    );
    let project = project(
        &database,
        "```sql {#slow on=db}\nUPDATE t SET a = a + 1;\nSELECT pg_sleep(30);\nUPDATE t SET a = 0;\n```\n",
    );
    let tools = server(Flavor::Postgres15).bin().unwrap();
    let copies = "SELECT count(*) FROM pg_database d JOIN pg_stat_activity a ON a.datid = d.oid WHERE d.datname LIKE 'windlass\\_copy\\_%' AND query LIKE '%pg_sleep(30)%' AND a.state = 'active' AND a.pid <> pg_backend_pid()";
    let running = project.start(&["rehearse", "release.md", "--tools", tools.to_str().unwrap()]);
    wait_for("it works on the copy", || database.run(copies) != "0");
    let mine = "SELECT datname FROM pg_stat_activity WHERE datname LIKE 'windlass\\_copy\\_%' AND query LIKE '%pg_sleep(30)%' AND pid <> pg_backend_pid() LIMIT 1";
    let name = database.run(mine);
    running.signal(rustix::process::Signal::KILL);
    running.end();
    let left = format!("SELECT count(*) FROM pg_database WHERE datname = '{name}'");
    wait_for("the copy is dropped", || database.run(&left) == "0");
    assert_eq!(database.run("SELECT sum(a) FROM t"), "1275");
    assert!(!project.path(".windlass/journal.db").exists(), "no run was begun");
}

/// On each server of its own kind: what the options say is what is copied, there and nowhere else.
fn by_options(flavor: Flavor) {
    let database = server(flavor).database();
    database.run("CREATE TABLE t (id INT PRIMARY KEY, a INT)");
    database.run(
        "INSERT INTO t WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500) SELECT i, i FROM n",
    );
    let project = project(
        &database,
        "```sql {#up on=db}\nALTER TABLE t ADD COLUMN b VARCHAR(20);\nUPDATE t SET b = CONCAT(a, '');\n```\n",
    );
    let tools = server(flavor).bin().unwrap();
    project.run(&["backup", "create", "--tools", tools.to_str().unwrap()]).code(0);
    database.run("DELETE FROM t WHERE id > 100");
    let rows = |more: &[&str]| {
        let said = rehearse(&project, flavor, &[&["--json"], more].concat()).code(0);
        let found = comes_back(said, 2);
        let copy = &found["copies"][0];
        let counted = |value: &serde_json::Value| value.as_u64().unwrap();
        (counted(&copy["rows"]), counted(&found["statements"][1]["rows"]), copy["place"].clone())
    };
    let [beside, private, elsewhere] =
        ["the same server", "a private server", "another server"].map(serde_json::Value::from);
    assert_eq!(rows(&[]), (100, 100, beside.clone()), "{flavor:?}");
    assert_eq!(rows(&["--from", "latest"]), (500, 500, beside.clone()), "{flavor:?}");
    assert_eq!(rows(&["--private"]), (100, 100, private.clone()), "{flavor:?}");
    assert_eq!(rows(&["--private", "--from", "latest"]), (500, 500, private), "{flavor:?}");
    assert_eq!(rows(&["--sample", "7"]), (7, 7, beside), "{flavor:?}");
    rehearse(&project, flavor, &["--from", "nosuch"]).code(2).says(&["no whole backup `nosuch`"]);

    let other = Setup::new(flavor).start();
    let there = other.database();
    let names = match flavor.is_postgres() {
        true => "SELECT datname FROM pg_database ORDER BY 1",
        false => "SHOW DATABASES",
    };
    let before = other.run(names);
    assert_eq!(rows(&["--on", &there.url()]), (100, 100, elsewhere.clone()), "{flavor:?}");
    assert_eq!(rows(&["--on", &there.url(), "--from", "latest"]), (500, 500, elsewhere), "{flavor:?}");
    assert_eq!(other.run(names), before, "the copies there are gone");
    assert_eq!(database.run("SELECT COUNT(*) FROM t"), "100");
}

#[test]
fn on_a_backup_a_private_server_another_one_and_a_sample_of_postgres15() {
    by_options(Flavor::Postgres15);
}

#[test]
fn on_a_backup_a_private_server_another_one_and_a_sample_of_the_newer_postgres() {
    by_options(Flavor::PostgresNewer);
}

#[test]
fn on_a_backup_a_private_server_another_one_and_a_sample_of_mariadb() {
    by_options(Flavor::Mariadb);
}

#[test]
fn on_a_backup_a_private_server_another_one_and_a_sample_of_mysql() {
    by_options(Flavor::Mysql);
}

/// A subscription of a backup never connects from the copy, and does not keep the copy from going away.
#[test]
fn a_backup_with_a_subscription() {
    let database = server(Flavor::Postgres15).database();
    database.run("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)");
    // The publisher is nowhere: whoever connected to it would wait or fail.
    let name = format!("sub_{}", database.name());
    database.run(&format!(
        "CREATE SUBSCRIPTION {name} CONNECTION 'host=127.0.0.1 port=9 dbname=nowhere' PUBLICATION p WITH (connect = false)"
    ));
    let project = project(&database, "```sql {#s on=db}\nUPDATE t SET id = 2;\n```\n");
    let tools = server(Flavor::Postgres15).bin().unwrap();
    project.run(&["backup", "create", "db", "--tools", tools.to_str().unwrap()]).code(0);
    let said = rehearse(&project, Flavor::Postgres15, &["--from", "latest", "--json"]);
    let copies = database.run("SELECT count(*) FROM pg_database WHERE datname ~ '^windlass_copy_'");
    let left = database.run("SELECT count(*) FROM pg_subscription s JOIN pg_database d ON d.oid = s.subdbid WHERE datname ~ '^windlass_copy_'");
    let enabled = database.run("SELECT subname, subslotname FROM pg_subscription WHERE subenabled");
    database.run(&format!("ALTER SUBSCRIPTION {name} SET (slot_name = NONE)"));
    database.run(&format!("DROP SUBSCRIPTION {name}"));
    let found = said.code(0);
    assert!(
        found.stdout.contains(&format!("the subscription {name} of the backup is not in the copy")),
        "{}",
        found.stdout
    );
    assert_eq!((left.as_str(), enabled.as_str()), ("0", ""), "{copies} copies");
}
