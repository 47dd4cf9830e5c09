//! Lines of `psql`, `mysql`, `sqlite3` and of the programs that write dumps, as typed steps on real servers: the same outcome
//! as the line itself has in a shell, and a way back.

use crate::sealed::{Project, Said};
use std::process::Command;
use windlass_lab::{Database, Flavor, Server, server};

const PG_FILE: &str = "-- 2.1.0
BEGIN;
SET search_path = public;
ALTER TABLE record ADD COLUMN s3_key text;
CREATE FUNCTION twice(n int) RETURNS int LANGUAGE sql AS $$ SELECT n * 2; $$;
UPDATE record SET s3_key = 'spec-v1/' || twice(id) || '; 数据' WHERE id > 1;
COMMIT;
";
const MY_FILE: &str = "SET NAMES utf8mb4;
ALTER TABLE record ADD COLUMN s3_key VARCHAR(50) COMMENT 's3的key' AFTER id;
UPDATE record SET s3_key = CONCAT('spec-v1/', id, '; 数据') WHERE id > 1;
";

/// A database with a table, and a project with it as the target `db`.
fn world(flavor: Flavor) -> (Project, Database) {
    let database = server(flavor).database();
    database.run(
        "CREATE TABLE record (id INT PRIMARY KEY, note VARCHAR(50)); INSERT INTO record VALUES (1, 'a'), (2, 'b'), (3, '数据')",
    );
    let project = Project::empty();
    project.write(
        "windlass.toml",
        format!("[target.app]\ndir = \".\"\n\n[target.db]\nurl = \"{}\"\n", database.url()),
    );
    project.write("up.sql", if flavor.is_postgres() { PG_FILE } else { MY_FILE });
    (project, database)
}

fn release(project: &Project, attributes: &str, lines: &str) {
    let text = format!(
        "---\nrelease: 2.1.0\nfrom: 2.0.9\n---\n# 2.1.0\n\n```sh {{#up {attributes}}}\n{lines}\n```\n"
    );
    project.write("release.md", text);
}

/// Runs a line in a shell, as a person would, in the folder of the project.
fn shell(project: &Project, line: &str) -> bool {
    let mut sh = Command::new("sh");
    sh.arg("-c").arg(line).current_dir(project.path("")).env("HOME", project.path(".home"));
    sh.env("LANG", "C.UTF-8").status().unwrap().success()
}

/// Definition and rows of the table.
fn state(database: &Database, flavor: Flavor) -> String {
    let columns = "SELECT column_name, data_type, ordinal_position FROM information_schema.columns WHERE table_name = \
                   'record' AND table_schema = ";
    let schema = if flavor.is_postgres() { "'public'" } else { "DATABASE()" };
    let columns = database.run(&format!("{columns}{schema} ORDER BY ordinal_position"));
    format!("{columns}\n{}", database.run("SELECT * FROM record ORDER BY id"))
}

/// The program with where the server is.
fn client(server: &Server, flavor: Flavor, program: &str) -> String {
    let port = server.port();
    match flavor.is_postgres() {
        true => format!("{program} -h 127.0.0.1 -p {port} -U postgres"),
        false => format!("{program} -h 127.0.0.1 -P {port} -u root"),
    }
}

#[test]
fn a_lifted_line_does_what_the_line_does_and_goes_back() {
    for flavor in [Flavor::Postgres15, Flavor::Mariadb] {
        let server = server(flavor);
        let lines: &[&str] = match flavor.is_postgres() {
            true => &[
                "-X -v ON_ERROR_STOP=1 -d DB -f up.sql",
                "-q DB -c \"DELETE FROM record WHERE id = 1\"",
                "-d DB <<'EOF'\nINSERT INTO record (id, note) VALUES (4, '$x');\nEOF",
            ],
            false => &[
                "--default-character-set=utf8mb4 DB < up.sql",
                "DB -e \"DELETE FROM record WHERE id = 1\"",
                "DB <<EOF\nINSERT INTO record (id, note) VALUES (4, 'x;y');\nEOF",
            ],
        };
        let program = client(server, flavor, if flavor.is_postgres() { "psql" } else { "mysql" });
        let script = |database: &Database| {
            let lines = lines.iter().map(|line| format!("{program} {}", line.replace("DB", database.name())));
            lines.collect::<Vec<_>>().join("\n")
        };
        let (by_hand, expected) = world(flavor);
        assert!(shell(&by_hand, &script(&expected)), "the lines themselves work");
        let (project, database) = world(flavor);
        let before = state(&database, flavor);
        release(&project, "on=app", &script(&database));
        let planned = project.run(&["plan", "release.md"]).code(0);
        assert!(planned.stdout.contains("db: ALTER TABLE record ADD COLUMN"), "{}", planned.stdout);
        assert!(planned.stdout.contains("undo: ALTER TABLE"), "{}", planned.stdout);
        project.run(&["apply", "release.md", "--yes"]).code(0);
        assert_eq!(state(&database, flavor), state(&expected, flavor), "{flavor:?}");
        project.run(&["rollback", "--yes"]).code(0);
        assert_eq!(state(&database, flavor), before, "{flavor:?}");
    }
}

#[test]
fn what_one_line_sets_is_not_so_for_the_next() {
    let (project, database) = world(Flavor::Postgres15);
    database.run("CREATE SCHEMA other; CREATE TABLE other.record (id INT PRIMARY KEY, note VARCHAR(50))");
    project.write("a.sql", "SET search_path = other;\nINSERT INTO record VALUES (10, 'a');\n");
    project.write("b.sql", "INSERT INTO record VALUES (11, 'b');\n");
    release(&project, "on=db", "psql -f a.sql\npsql -f b.sql");
    project.run(&["apply", "release.md", "--yes"]).code(0);
    assert_eq!(database.run("SELECT id FROM other.record"), "10");
    assert_eq!(database.run("SELECT id FROM public.record WHERE id > 9"), "11");
}

#[test]
fn statement_17_of_30_is_named_and_the_others_are_taken_back() {
    for flavor in [Flavor::Postgres15, Flavor::Mariadb] {
        let (project, database) = world(flavor);
        let statement = |n: u32| match n {
            17 => "INSERT INTO record VALUES (17, 'x', 5);\n".to_owned(),
            n => format!("  INSERT INTO record VALUES ({}, 'x');\n", n + 100),
        };
        project.write("thirty.sql", (1..=30).map(statement).collect::<String>());
        let line =
            if flavor.is_postgres() { "psql -v ON_ERROR_STOP=1 -f thirty.sql" } else { "mysql < thirty.sql" };
        release(&project, "on=db", line);
        let planned = project.run(&["plan", "release.md"]);
        let before = state(&database, flavor);
        let applied = project.run(&["apply", "release.md", "--yes"]);
        let told = format!("{}{}", applied.stderr, applied.stdout);
        assert!(told.contains("thirty.sql:17:"), "{told}");
        assert!(
            format!("{}{}", planned.stdout, planned.stderr).contains("thirty.sql:17:"),
            "{}",
            planned.stdout
        );
        assert!(matches!(applied.code, Some(1 | 4)), "{:?}: {told}", applied.code);
        assert_eq!(state(&database, flavor), before, "{flavor:?}: nothing is left");
    }
}

#[test]
fn files_that_cannot_be_read_are_errors_with_their_place() {
    let (project, _) = world(Flavor::Mariadb);
    release(&project, "on=db", "mysql < gone.sql");
    project.run(&["check", "release.md"]).code(2).says(&["gone.sql cannot be read", "release.md:8:9"]);
    project.write("gbk.sql", b"SELECT 1;\nUPDATE record SET note = '\xca\xfd\xbe\xdd';\n");
    release(&project, "on=db", "mysql < gbk.sql");
    let said = project.run(&["check", "release.md"]).code(2);
    said.says(&["gbk.sql:2:27: this is not UTF-8", "iconv -f GBK", "release.md:8:9"]);
    std::fs::File::create(project.path("big.sql")).unwrap().set_len(65 << 20).unwrap();
    release(&project, "on=db irreversible", "mysql < big.sql");
    project.run(&["check", "release.md"]).code(0).says(&["big.sql has 65 MiB", "left to its client"]);
}

/// With the URL of the target in the environment.
fn with_url(project: &Project, url: &str, args: &[&str]) -> Said {
    let mut command = project.command(args);
    let output = command.env("DATABASE_URL", url).output().unwrap();
    Said {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

#[test]
fn a_secret_url_has_to_lead_where_the_line_says() {
    let (project, database) = world(Flavor::Postgres15);
    let config = "[target.db]\nurl = { env = \"DATABASE_URL\" }\nkind = \"postgresql\"\n";
    project.write("windlass.toml", config);
    let line = format!("psql -h 127.0.0.1 -d {} -f up.sql", database.name());
    release(&project, "on=db", &line);
    let before = state(&database, Flavor::Postgres15);
    let apply = ["apply", "release.md", "--yes"];
    let other = server(Flavor::Postgres15).database();
    let said = with_url(&project, &other.url(), &apply);
    assert!(said.stderr.contains(&format!("goes to database `{}`", database.name())), "{}", said.stderr);
    assert_eq!(said.code, Some(4), "{}", said.stderr);
    let wrong = database.url_with_password().replace("k33p", "wrong");
    let said = with_url(&project, &wrong, &apply);
    assert!(said.code != Some(0) && said.stderr.contains("password"), "{}", said.stderr);
    assert!(!said.stderr.contains("wrong%26"), "{}", said.stderr);
    let said = with_url(&project, &database.url_at(1), &apply);
    assert!(said.code != Some(0) && said.stderr.contains("127.0.0.1:1"), "{}", said.stderr);
    assert_eq!(state(&database, Flavor::Postgres15), before);
    with_url(&project, &database.url_with_password(), &apply).code(0);
    assert_ne!(state(&database, Flavor::Postgres15), before);
    for file in project.state_files() {
        let bytes = std::fs::read(&file).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains("k33p"), "the password is in {}", file.display());
    }
}

#[test]
fn dumps_are_what_the_line_writes_and_failures_do_not_hide_behind_a_pipe() {
    for flavor in [Flavor::Postgres15, Flavor::Mariadb] {
        let server = server(flavor);
        let (project, database) = world(flavor);
        let (program, options) = match flavor.is_postgres() {
            true => ("pg_dump", ""),
            false => ("mysqldump", "--single-transaction --hex-blob --skip-dump-date"),
        };
        let program = client(server, flavor, program);
        let line = |file: &str| format!("{program} {options} {} | gzip > {file}", database.name());
        release(&project, "on=app", &line("lifted.gz"));
        project.run(&["plan", "release.md"]).code(0);
        project.run(&["apply", "release.md", "--yes"]).code(0);
        let shown = project.run(&["show", "--json"]).code(0).stdout;
        assert!(shown.contains("1 tables, 3 rows, SHA-256"), "{shown}");
        assert!(shell(&project, &line("by-hand.gz")));
        // The tokens of `\restrict` differ each time.
        let same =
            "for f in lifted by-hand; do gunzip -c $f.gz | grep -v restrict > $f; done; cmp lifted by-hand";
        assert!(shell(&project, same), "{flavor:?}");
        project.run(&["apply", "release.md", "--yes"]).code(4).says(&["lifted.gz exists"]);
        let wrong = line("wrong.gz").replace(database.name(), &format!("{} -t nosuchtable", database.name()));
        let wrong = if flavor.is_postgres() { wrong } else { wrong.replace("-t nosuch", "nosuch") };
        release(&project, "on=app", &wrong);
        let said = project.run(&["apply", "release.md", "--yes"]).code(1);
        assert!(said.stderr.contains("nosuchtable"), "{}", said.stderr);
        assert!(!project.path("wrong.gz").exists());
        let left = std::fs::read_dir(project.path(""))
            .unwrap()
            .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().contains(".tmp"));
        assert_eq!(left.count(), 0, "no half dump is left");
    }
}

#[test]
fn a_dump_that_was_killed_is_made_anew() {
    let (project, database) = world(Flavor::Postgres15);
    for fault in ["crash-before:up/1", "crash-after:up/1"] {
        let file = format!("{}.sql", fault.len());
        let line = format!("pg_dump {} > {file}", database.name());
        release(&project, "on=db", &line);
        let killed = project.run(&["apply", "release.md", "--yes", "--fault", fault]);
        assert_eq!(killed.code, None, "{}", killed.stderr);
        project.run(&["resume"]).code(0);
        assert!(project.read(&file).contains("database dump complete"), "{fault}");
    }
}

#[test]
fn sqlite_by_its_own_program() {
    let project = Project::new("");
    project.write(
        "up.sql",
        "BEGIN;\nALTER TABLE record ADD COLUMN n INTEGER;\nUPDATE record SET n = id;\nCOMMIT;\n",
    );
    release(
        &project,
        "on=app",
        "cp app.db app.bak\nsqlite3 app.db < up.sql\nsqlite3 app.db \"DELETE FROM record WHERE id = 1\"",
    );
    let before = project.world();
    project.run(&["apply", "release.md", "--yes"]).code(0);
    assert!(project.world().ends_with("Integer(2),乙,Integer(2)"), "{}", project.world());
    assert!(project.path("app.bak").exists());
    project.run(&["rollback", "--yes"]).code(0);
    assert_eq!(project.world(), before);
}

#[test]
fn a_password_in_a_line_is_an_error_and_appears_nowhere() {
    let (project, database) = world(Flavor::Mariadb);
    let url = database.url().replace("root@", "root:hunter2@");
    for line in [
        "mysql -uroot -phunter2 < up.sql",
        "MYSQL_PWD=hunter2 mysql < up.sql",
        "sudo mysqldump --password=hunter2 --single-transaction --hex-blob x | gzip > y",
        "docker compose exec -e MYSQL_PWD=hunter2 db mysql --wrong < up.sql",
        &format!("./migrate --to {url} > log"),
    ] {
        release(&project, "on=db irreversible", line);
        for args in
            [&["check", "release.md"][..], &["check", "release.md", "--json"], &["plan", "release.md"]]
        {
            let said = project.run(args).code(2);
            let told = format!("{}{}", said.stdout, said.stderr);
            assert!(told.contains("password-in-command"), "{line}: {told}");
            assert!(!told.contains("hunter2"), "{line}: {told}");
        }
    }
    release(&project, "on=db irreversible", "mysql -uroot -p\"$SECRET\" < up.sql");
    project.run(&["check", "release.md"]).code(0);
}
