//! Programs among the migrations: run once, by ledger, with what they changed recorded, and taken back where that can be.

use crate::sealed::Project;
use windlass_lab::{Database, Flavor, server};

/// A project on `database`, of this kind, with a table of two rows.
fn project(database: &Database, kind: &str) -> Project {
    let project = Project::empty();
    project.write("windlass.toml", format!("[target.db]\nurl = {{ file = \"url\" }}\nkind = \"{kind}\"\n"));
    project.write("url", database.url());
    project.write(
        "m/0001_t.sql",
        "CREATE TABLE t (id INT PRIMARY KEY, name VARCHAR(20));\nINSERT INTO t VALUES (1, 'Ann'), (2, 'Bob');\n",
    );
    project.write("m/0001_t.down.sql", "DROP TABLE t;\n");
    project
}

/// A program that runs statements, and says each time that it does.
fn program(statements: &str) -> String {
    let psql = server(Flavor::Postgres15).bin().unwrap().join("psql");
    format!(
        "#!/bin/sh\nset -e\necho ran >>ran\necho \"url $DATABASE_URL\"\n'{}' -qX -v ON_ERROR_STOP=1 \"$DATABASE_URL\" -c \"{statements}\"\n",
        psql.display()
    )
}

fn ran(project: &Project) -> usize {
    std::fs::read_to_string(project.path("ran")).unwrap_or_default().lines().count()
}

#[test]
fn runs_once_is_recorded_and_goes_back_by_its_script() {
    let database = server(Flavor::Postgres15).database();
    let project = project(&database, "postgresql");
    let up = program(
        "ALTER TABLE t ADD COLUMN up TEXT; UPDATE t SET up = upper(name); DELETE FROM t WHERE id = 2",
    );
    project.write("m/0002_backfill.sh", up);
    project.write("m/0002_backfill.down.sh", program("ALTER TABLE t DROP COLUMN up"));
    project.write("m/helper.sh", "exit 1\n");
    project.write("m/0003_after.sql", "CREATE INDEX i ON t (up);\n");
    project.write("m/0003_after.down.sql", "DROP INDEX i;\n");
    let said = project.run(&["migrate", "up", "m", "--yes"]).code(0);
    assert!(said.stderr.contains("(with DATABASE_URL"), "{}", said.stderr);
    assert_eq!(ran(&project), 1);
    assert_eq!(database.run("SELECT up FROM t"), "ANN");
    let run = project.run(&["show", "--json"]).code(0).json().to_string();
    assert!(
        run.contains("made column up of public.t") && run.contains("public.t has 1 rows, had 2"),
        "{run}"
    );
    for file in project.state_files() {
        let bytes = std::fs::read(&file).unwrap_or_default();
        assert!(
            !String::from_utf8_lossy(&bytes).contains(&database.url()),
            "the URL stands in {}",
            file.display()
        );
    }

    project.run(&["migrate", "up", "m", "--yes"]).code(0).says(&["Nothing is pending"]);
    project.run(&["migrate", "down", "m", "--yes"]).code(0);
    project.run(&["migrate", "down", "m", "--yes"]).code(0);
    assert_eq!(database.run("SELECT count(*) FROM migration_ledger"), "1");
    assert_eq!(ran(&project), 2);
    project.run(&["migrate", "up", "m", "--yes"]).code(0);
    assert_eq!(ran(&project), 3);
    // Edited since: its checksum says so.
    project.write("m/0002_backfill.sh", "exit 0\n");
    project.run(&["migrate", "verify", "m", "--try", "none"]).code(4).says(&["migration-edited"]);
}

#[test]
fn a_later_failure_takes_it_back_by_its_script() {
    let database = server(Flavor::Postgres15).database();
    let project = project(&database, "postgresql");
    project.write("m/0002_backfill.sh", program("ALTER TABLE t ADD COLUMN up TEXT"));
    project.write("m/0002_backfill.down.sql", "ALTER TABLE t DROP COLUMN up;\n");
    project.write("m/0003_wrong.sql", "SELEKT 1;\n");
    project.run(&["migrate", "up", "m", "--yes"]).code(1);
    assert_eq!(database.run("SELECT count(*) FROM pg_tables WHERE tablename = 't'"), "0");
    assert_eq!(ran(&project), 1);
}

#[test]
fn without_a_script_back_it_says_so_before_it_runs() {
    let database = server(Flavor::Postgres15).database();
    let project = project(&database, "postgresql");
    project.write("m/0002_more.sh", program("CREATE TABLE more (id INT); ALTER TABLE t ADD COLUMN b INT"));
    project.run(&["migrate", "up", "m", "--yes"]).code(4).says(&[
        "m/0002_more.sh: nobody knows how to undo this",
        "0007_backfill.down.py",
        "needs a person",
    ]);
    assert_eq!(ran(&project), 0);
    let irreversible = ["migrate", "up", "m", "--yes", "--irreversible", "0002_more"];
    project.run(&irreversible).code(0).says(&["no way back"]);
    // All that it made is new, so it is taken away again.
    project
        .run(&["migrate", "down", "m", "--yes"])
        .code(0)
        .says(&["as they were recorded", "DROP TABLE public.more"]);
    assert_eq!(
        database.run("SELECT count(*) FROM pg_tables WHERE schemaname = 'public' AND tablename = 'more'"),
        "0"
    );
    assert_eq!(database.run("SELECT count(*) FROM information_schema.columns WHERE table_name = 't'"), "2");
    // What it changed is for a person.
    project.write("m/0002_more.sh", program("ALTER TABLE t ALTER COLUMN name TYPE TEXT"));
    project.run(&irreversible).code(0);
    project
        .run(&["migrate", "down", "m", "--yes"])
        .code(4)
        .says(&["a person does it", "column name of public.t"]);
}

#[test]
fn a_crash_runs_it_once_and_a_killed_one_is_unknown() {
    let database = server(Flavor::Postgres15).database();
    let project = project(&database, "postgresql");
    project.write("m/0002_more.sh", program("CREATE TABLE more (id INT)"));
    let irreversible = ["migrate", "up", "m", "--yes", "--irreversible", "0002_more"];
    project.run(&[&irreversible[..], &["--fault", "crash-after:v0002_more/1"]].concat());
    project.run(&["resume"]).code(0);
    assert_eq!(ran(&project), 1);
    let run = project.run(&["show", "--json"]).code(0).json().to_string();
    assert!(run.contains("made table public.more"), "also by the controller that came after: {run}");

    project.write(
        "m/0003_killed.sh",
        "echo ran >>ran\n[ -e again ] || { kill -9 $(ps -o ppid= -p $PPID) $PPID $$; }\n",
    );
    let killed = ["migrate", "up", "m", "--yes", "--irreversible", "0003_killed"];
    project.run(&killed).code(3).says(&["how far it came is not known"]);
    project.run(&["decide", "abandon", "--reason", "seen"]);
    project.run(&killed).code(4).says(&["nobody knows how far it came", "--rerun 0003_killed"]);
    assert_eq!(ran(&project), 2);
    project.write("again", "");
    project.run(&[&killed[..], &["--rerun", "0003_killed"]].concat()).code(0);
    assert_eq!(ran(&project), 3);
    assert_eq!(database.run("SELECT count(*) FROM migration_ledger"), "3");
}

#[test]
fn one_that_ran_and_is_not_said_in_the_table_is_not_run_again() {
    let database = server(Flavor::Postgres15).database();
    let project = project(&database, "postgresql");
    project.write("m/0002_more.sh", program("CREATE TABLE more (id INT)"));
    let irreversible = ["migrate", "up", "m", "--yes", "--irreversible", "0002_more"];
    let fault = ["--on-failure", "stop", "--fault", "fail:v0002_more-row/1"];
    project.run(&[&irreversible[..], &fault].concat()).code(3);
    project.run(&["decide", "abandon", "--reason", "seen"]);
    assert_eq!(database.run("SELECT count(*) FROM migration_ledger"), "1");
    project.run(&["migrate", "up", "m", "--yes"]).code(0);
    assert_eq!(ran(&project), 1);
    assert_eq!(database.run("SELECT count(*) FROM migration_ledger"), "2");
}

#[test]
fn python_a_missing_program_and_other_tools() {
    let project = Project::empty();
    project.write("windlass.toml", "[target.db]\nurl = \"sqlite:app.db\"\n");
    project.write("m/0001_t.sql", "CREATE TABLE t (id INT);\n");
    project.write("m/0002_x.py", "import os\nopen('url', 'w').write(os.environ['DATABASE_URL'])\n");
    project.write("m/0002_x.down.py", "# nothing\n");
    rusqlite::Connection::open(project.path("app.db")).unwrap().execute_batch("VACUUM").unwrap();
    std::fs::create_dir(project.path("nothing")).unwrap();
    let mut command = project.command(&["migrate", "up", "m", "--yes", "--irreversible", "0002_x"]);
    let out = command.env("PATH", project.path("nothing")).output().unwrap();
    let said = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.code() == Some(4) && said.contains("needs the program python3"), "{said}");
    // An empty script back is none.
    project.run(&["migrate", "up", "m", "--yes"]).code(4).says(&["nobody knows how to undo this"]);
    project.run(&["migrate", "verify", "m"]).code(0).says(&["migration-not-tried", "python3"]);
    project.write("g/000001_t.up.sql", "CREATE TABLE g (id INT);\n");
    project.write("g/000002_x.py", "");
    project
        .run(&["migrate", "status", "g"])
        .code(0)
        .says(&["migration-script", "golang-migrate passes over"]);
    if std::process::Command::new("python3").arg("-V").output().is_err() {
        return crate::sealed::skipped("python3 is not installed");
    }
    project.run(&["migrate", "up", "m", "--yes", "--irreversible", "0002_x"]).code(0);
    let url = project.read("url");
    assert!(url.starts_with("sqlite:/") && url.ends_with("/app.db"), "{url}");
}

/// The same with the client of MySQL and MariaDB, from a shell script and from Python.
fn on_mysql(flavor: Flavor) {
    let database = server(flavor).database();
    let project = project(&database, "mysql");
    let name = if flavor == Flavor::Mariadb { "mariadb" } else { "mysql" };
    let client = server(flavor).bin().unwrap().join(name).display().to_string();
    let shell = |statements: &str| {
        format!(
            "set -e\necho ran >>ran\nat=${{DATABASE_URL#*@}}\nhost=${{at%%:*}} port=${{at#*:}}\n\
             '{client}' --no-defaults -u root -h \"$host\" -P \"${{port%%/*}}\" \"${{at##*/}}\" -e \"{statements}\"\n"
        )
    };
    let python = format!(
        "import os, subprocess, urllib.parse\nopen('ran', 'a').write('ran\\n')\nurl = urllib.parse.urlsplit(os.environ['DATABASE_URL'])\n\
         subprocess.check_call(['{client}', '--no-defaults', '-u', 'root', '-h', url.hostname, '-P', str(url.port), url.path[1:], '-e',\n\
         'CREATE TABLE more (id INT); INSERT INTO more VALUES (1)'])\n"
    );
    let up =
        "ALTER TABLE t ADD COLUMN up VARCHAR(20); UPDATE t SET up = UPPER(name); DELETE FROM t WHERE id = 2";
    project.write("m/0002_backfill.sh", shell(up));
    project.write("m/0002_backfill.down.sh", shell("ALTER TABLE t DROP COLUMN up"));
    project.run(&["migrate", "up", "m", "--yes"]).code(0);
    assert_eq!((ran(&project), database.run("SELECT up FROM t").trim()), (1, "ANN"));
    let run = project.run(&["show", "--json"]).code(0).json().to_string();
    assert!(run.contains("table t") && run.contains("t has 1 rows, had 2"), "{run}");
    project.run(&["migrate", "down", "m", "--yes"]).code(0);
    assert!(!database.run("SHOW CREATE TABLE t").contains("`up`"));
    project.run(&["migrate", "up", "m", "--yes"]).code(0);
    assert_eq!(ran(&project), 3);

    // Without a script back, and its controller dies behind it: it ran once, and what it made goes again.
    project.write("m/0003_more.py", python);
    let irreversible = ["migrate", "up", "m", "--yes", "--irreversible", "0003_more"];
    project.run(&["migrate", "up", "m", "--yes"]).code(4).says(&["nobody knows how to undo this"]);
    project.run(&[&irreversible[..], &["--fault", "crash-after:v0003_more/1"]].concat());
    project.run(&["resume"]).code(0);
    assert_eq!((ran(&project), database.run("SELECT COUNT(*) FROM more").trim()), (4, "1"));
    project
        .run(&["migrate", "down", "m", "--yes"])
        .code(0)
        .says(&["as they were recorded", "DROP TABLE more"]);
    assert_eq!(database.run("SHOW TABLES LIKE 'more'"), "");
    // One that fails midway: what it did is recorded, and a person decides.
    project.write("m/0003_more.py", "raise SystemExit(3)\n");
    project.run(&irreversible).code(3);
    assert_eq!(ran(&project), 4);
    assert_eq!(database.run("SELECT count(*) FROM migration_ledger").trim(), "2");
}

#[test]
fn on_mysql_9() {
    on_mysql(Flavor::Mysql);
}

#[test]
fn on_mariadb() {
    on_mysql(Flavor::Mariadb);
}
