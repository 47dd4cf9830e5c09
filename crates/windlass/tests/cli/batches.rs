//! Steps with `batch=`: their controller is killed or asked to stop in the middle, and the run goes on or back.

use crate::sealed::{Project, Said, wait_for};
use rustix::process::Signal;
use windlass_lab::{Database, Flavor, server};

const ROWS: u32 = 2000;

fn release(flavor: Flavor) -> (Project, Database) {
    let database = server(flavor).database();
    let numbers = if flavor.is_postgres() {
        format!("SELECT g FROM generate_series(1, {ROWS}) g")
    } else {
        format!(
            "WITH RECURSIVE s(g) AS (SELECT 1 UNION ALL SELECT g + 1 FROM s WHERE g < {ROWS}) SELECT g FROM s"
        )
    };
    let more = if flavor.is_postgres() { "" } else { "SET SESSION max_recursive_iterations = 100000;" };
    let more = if flavor == Flavor::Mysql { "SET SESSION cte_max_recursion_depth = 100000;" } else { more };
    database.run(&format!(
        "{more} CREATE TABLE t (id INT PRIMARY KEY, n INT NOT NULL DEFAULT 0); INSERT INTO t (id) {numbers}"
    ));
    let project = Project::empty();
    // Slow enough to be met in the middle.
    project.write(
        "windlass.toml",
        format!("[target.db]\nurl = \"{}\"\nbatch = {{ share = \"20%\" }}\n", database.url()),
    );
    let body = "```sql {#fill on=db batch=50 rows=2000}\nUPDATE t SET n = n + 1;\n```\n";
    project.write("release.md", format!("---\nrelease: 2.1.0\nfrom: 2.0.9\n---\n# 2.1.0\n\n{body}"));
    (project, database)
}

/// Whether it says each of these, wherever its lines break.
fn shows(said: &Said, all: &[&str]) {
    let text = [said.stdout.as_str(), said.stderr.as_str()].concat();
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    all.iter().for_each(|words| assert!(text.contains(words), "no {words:?} in:\n{text}"));
}

/// Rows that hold each value.
fn sums(database: &Database) -> String {
    database.run("SELECT n, count(*) FROM t GROUP BY n ORDER BY n").replace('\t', "|")
}

/// More than one batch is done: what `status` says of the first is written before the second begins.
fn begun(database: &Database) -> bool {
    let done = database.try_run("SELECT count(*) FROM t WHERE n = 1");
    done.is_ok_and(|count| count.trim().parse().is_ok_and(|count: u32| count > 50))
}

fn killed_and_interrupted(flavor: Flavor) {
    let (project, database) = release(flavor);
    let apply = project.start(&["apply", "release.md", "--yes"]);
    wait_for("a batch", || begun(&database));
    apply.signal(Signal::KILL);
    apply.end();
    let middle = sums(&database);
    assert!(middle.contains("0|"), "it was met in the middle: {middle}");
    shows(&project.run(&["status"]).code(0), &["batches", "windlass resume"]);
    let progress = project.run(&["status", "--json"]).code(0).json()["progress"][0]["line"].to_string();
    assert!(progress.contains(" rows"), "{progress}");

    // Ctrl-C pauses, and another goes on.
    let resume = project.start(&["resume"]);
    resume.until_it_says("looking at what became of fill/1");
    wait_for("another batch", || sums(&database) != middle);
    resume.signal(Signal::INT);
    resume.end().code(130).says(&["paused", "are committed"]);
    assert!(sums(&database).contains("0|"), "it was paused in the middle");
    project.run(&["resume"]).code(0);
    assert_eq!(sums(&database).trim(), format!("1|{ROWS}"));

    // The way back, killed as well.
    let back = project.start(&["rollback", "--yes"]);
    wait_for("a batch that is back", || sums(&database).contains("0|"));
    back.signal(Signal::KILL);
    back.end();
    assert!(sums(&database).contains("1|"), "it was met in the middle");
    project.run(&["resume"]);
    assert_eq!(sums(&database).trim(), format!("0|{ROWS}"));

    // Half of it, and back.
    let apply = project.start(&["apply", "release.md", "--yes"]);
    wait_for("a batch", || begun(&database));
    apply.signal(Signal::KILL);
    apply.end();
    project.run(&["rollback", "--yes"]).code(0);
    assert_eq!(sums(&database).trim(), format!("0|{ROWS}"));
}

#[test]
fn killed_in_the_middle_on_postgresql() {
    killed_and_interrupted(Flavor::Postgres15);
}

#[test]
fn killed_in_the_middle_on_mariadb() {
    killed_and_interrupted(Flavor::Mariadb);
}

#[test]
fn plan_shows_batches_key_rows_and_undo() {
    let (project, database) = release(Flavor::Postgres15);
    database.run("ANALYZE t");
    let plan = project.run(&["plan", "release.md"]).code(0);
    shows(&plan, &["in batches of up to 50 rows by the key (id) of t", "2000 rows", "40 batches"]);
}
