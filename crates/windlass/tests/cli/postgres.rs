//! The SQL of the example runbooks on PostgreSQL through the command: there and back, killed at each unit, on a server that is
//! killed, and what people get wrong.

use crate::sealed::Project;
use windlass_lab::{Database, Flavor, Server, server};

const WORLD: &str = "SELECT table_name, column_name, data_type, is_nullable, column_default FROM information_schema.columns \
    WHERE table_schema = 'public' ORDER BY table_name, ordinal_position; SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' \
    ORDER BY 1; SELECT conrelid::regclass, conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE connamespace = \
    'public'::regnamespace ORDER BY 1, 2; SELECT count(*), md5(string_agg(a::text, ',' ORDER BY id)) FROM associations a;";

const UNITS: usize = 8;

/// The first fence of runbook 003 and the UPDATE of runbook 001.
fn release() -> String {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/runbooks");
    let read = |name: &str| std::fs::read_to_string(format!("{folder}/{name}")).unwrap();
    let sop = read("003-postgresql-migration-sop.zh.md");
    let tables = sop.split("```sql\n").nth(1).unwrap().split("```").next().unwrap();
    let runbook = read("001-concurrent-migration.ja.md");
    let update = runbook.lines().find(|line| line.starts_with("update associations")).unwrap();
    format!(
        "---\nrelease: 0.3.0\nfrom: 0.2.9\n---\n# 0.3.0\n\n```sql {{#tables on=db}}\n{tables}```\n\n```sql {{#variants on=db \
         rows=115}}\n{update}\n```\n\n- [x] 確認\n"
    )
}

const SETUP: &str = "CREATE TABLE associations (id int PRIMARY KEY, schema text NOT NULL, variant text, payload jsonb);
    INSERT INTO associations SELECT g, CASE WHEN g % 200 = 0 AND g <= 23000 THEN \
    'https://raw.githubusercontent.com/totegamma/concurrent-schemas/master/associations/emoji/0.0.1.json' ELSE 'like' END, 'v', \
    jsonb_build_object('body', jsonb_build_object('imageUrl', 'https://x/' || g)) FROM generate_series(1, 40000) g; ANALYZE";

fn world(database: Database) -> (Project, Database) {
    database.run(SETUP);
    let project = Project::empty();
    project.write("windlass.toml", format!("[target.db]\nurl = \"{}\"\n", database.url()));
    project.write("release.md", release());
    (project, database)
}

/// Ids of the units, in order.
fn units(project: &Project) -> Vec<String> {
    let plan = project.run(&["plan", "--json", "release.md"]).code(0).json();
    let steps = plan["steps"].as_array().unwrap();
    let ids = steps
        .iter()
        .flat_map(|step| step["units"].as_array().unwrap())
        .map(|unit| unit["id"].as_str().unwrap().to_owned());
    ids.collect()
}

#[test]
fn killed_at_every_unit_it_resumes_and_goes_back() {
    let (project, _) = world(server(Flavor::Postgres15).database());
    let units = units(&project);
    assert!(units.len() >= UNITS - 2, "{units:?}");
    for (at, unit) in units.iter().enumerate() {
        let fault = format!("{}:{unit}", if at % 2 == 0 { "crash-after" } else { "crash-before" });
        let (project, database) = world(server(Flavor::Postgres15).database());
        let before = database.run(WORLD);
        let killed = project.run(&["apply", "release.md", "--yes", "--fault", &fault]);
        assert_eq!(killed.code, None, "{fault}: {}{}", killed.stdout, killed.stderr);
        project.run(&["resume"]).code(0);
        assert_eq!(
            database.run("SELECT count(*) FROM associations WHERE variant LIKE 'https://x/%'"),
            "115",
            "{fault}"
        );
        database.run("UPDATE associations SET variant = 'mine' WHERE id = 200");
        let back = project.run(&["rollback", "--yes", "--fault", &format!("crash-after:undo:{unit}")]);
        assert_eq!(back.code, None, "{fault}: {}{}", back.stdout, back.stderr);
        project.run(&["resume"]);
        assert_eq!(
            database.run("SELECT variant FROM associations WHERE id = 200"),
            "mine",
            "what others wrote stays"
        );
        database.run("UPDATE associations SET variant = 'v' WHERE id = 200");
        assert_eq!(database.run(WORLD), before, "{fault}");
    }
}

/// The password of a role as the server stores it: other than the password, it may stand in a document.
const VERIFIER: &str = "SCRAM-SHA-256$4096:c2FsdHNhbHRzYWx0c2FsdA==$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

/// All SQL of runbook 003 that goes forward: tables, the role of the application, its rights, and what it may not do. Roles
/// belong to the whole server, so it is one of its own.
#[test]
fn the_roles_of_the_runbook_go_with_its_tables() {
    let server = Server::start(Flavor::Postgres15);
    let database = server.database();
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/runbooks");
    let sop = std::fs::read_to_string(format!("{folder}/003-postgresql-migration-sop.zh.md")).unwrap();
    let fences = sop.split("```sql\n").skip(1).take(3).zip(1..).map(|(fence, at)| {
        let body = fence.split("```").next().unwrap();
        let body: String = body.lines().map(|line| line.trim_start().to_owned() + "\n").collect();
        let body = body.replace("orion_prod", database.name()).replace("<强密码>", VERIFIER);
        format!("```sql {{#fence-{at} on=db}}\n{body}```\n\n")
    });
    let fences: String = fences.collect();
    let project = Project::empty();
    project.write("windlass.toml", format!("[target.db]\nurl = \"{}\"\n", database.url()));
    project.write(
        "release.md",
        format!("---\nrelease: 0.3.0\nfrom: 0.2.9\n---\n# 0.3.0\n\n{fences}- [x] 確認\n"),
    );
    let plan = project.run(&["plan", "release.md"]).code(0).stdout;
    assert!(!plan.contains("problem"), "roles that earlier statements make are no problem: {plan}");
    let world = || {
        database.run(
            "SELECT rolname, rolcanlogin, rolsuper, rolcreatedb, rolcreaterole FROM pg_roles WHERE rolname !~ '^pg_' ORDER BY 1; \
             SELECT a::text FROM pg_database, unnest(COALESCE(datacl, acldefault('d', datdba))) a WHERE datname = current_database() ORDER BY 1; \
             SELECT tablename, tableowner FROM pg_tables WHERE schemaname = 'public' ORDER BY 1",
        )
    };
    let before = world();
    for fault in [None, Some("crash-after")] {
        let apply = |extra: &[&str]| project.run(&[&["apply", "release.md", "--yes"], extra].concat());
        match fault {
            None => drop(apply(&[]).code(0)),
            Some(fault) => {
                assert_eq!(apply(&["--fault", &format!("{fault}:fence-2/1")]).code, None);
                project.run(&["resume"]).code(0);
            }
        }
        let after = world();
        assert!(after.contains("orion_app") && after.contains("viewer_entries"), "{after}");
        project.run(&["rollback", "--yes"]).code(0);
        assert_eq!(world(), before);
    }
}

#[test]
fn what_exists_already_with_another_shape_is_said_by_plan() {
    for flavor in [Flavor::Postgres15, Flavor::Mariadb] {
        let database = server(flavor).database();
        database.run("CREATE TABLE coupons (id int PRIMARY KEY, code varchar(32) NOT NULL)");
        let project = Project::empty();
        project.write("windlass.toml", format!("[target.db]\nurl = \"{}\"\n", database.url()));
        let sql = "CREATE TABLE IF NOT EXISTS coupons (id bigint PRIMARY KEY, code varchar(64) NOT NULL);";
        project.write(
            "release.md",
            format!("---\nrelease: 1.0.0\n---\n\n```sql {{#make on=db}}\n{sql}\n```\n\n- [x] fine\n"),
        );
        let said = project.run(&["plan", "release.md"]).code(0);
        let told = [said.stdout.as_str(), said.stderr.as_str()].join(" ");
        let told = told.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(told.contains("exists-otherwise") && told.contains("not varchar(64)"), "{flavor:?}: {told}");
    }
}

#[test]
fn a_server_killed_in_the_middle_is_gone_on_with() {
    let server = Server::start(Flavor::Postgres15);
    let (project, database) = world(server.database());
    let before = database.run(WORLD);
    project.write(
        "release.md",
        release().replace("rows=115", "").replace(
            "update associations set",
            "update associations set id = id + 0 * length(pg_sleep(0.05)::text),",
        ),
    );
    let running = project.start(&["apply", "release.md", "--yes", "--on-failure", "stop"]);
    let active = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE '%pg_sleep(0.05)%' AND state = 'active' AND pid <> pg_backend_pid()";
    crate::sealed::wait_for("the statement", || database.try_run(active).is_ok_and(|count| count != "0"));
    server.kill();
    let said = running.end();
    assert_ne!(said.code, Some(0), "{}", said.stderr);
    server.restart();
    // It has tried three times and waits for a person.
    project.run(&["decide", "retry", "--reason", "the server is up again"]).code(0);
    assert_eq!(database.run("SELECT count(*) FROM associations WHERE variant LIKE 'https://x/%'"), "115");
    project.run(&["rollback", "--yes"]).code(0);
    assert_eq!(database.run(WORLD), before);
}

#[test]
fn statement_17_of_30_that_is_invalid_is_named_before_and_taken_back_after() {
    let database = server(Flavor::Postgres15).database();
    database.run("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)");
    let project = Project::empty();
    project.write("windlass.toml", format!("[target.db]\nurl = \"{}\"\n", database.url()));
    let statement = |n: usize| match n {
        17 => "ALTER TABLE t ADD COLUMN c17 no_such_type;\n".to_owned(),
        n if n % 2 == 0 => format!("ALTER TABLE t ADD COLUMN c{n} int DEFAULT {n};\n"),
        n => format!("UPDATE t SET id = id + {n} WHERE id > 0;\n"),
    };
    let script: String = (1..=30).map(statement).collect();
    project.write(
        "release.md",
        format!("---\nrelease: 1.0.0\n---\n\n```sql {{#all on=db}}\n{script}```\n\n- [x] fine\n"),
    );
    // The fence opens in line 5, so statement 17 stands in line 22.
    let place = "release.md:22:30: `ALTER TABLE t ADD COLUMN c17 no_such_type`: the server says: type \"no_such_type\" does not exist";
    let said = project.run(&["plan", "release.md"]).code(0);
    let shown = said.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(shown.contains("no_such_type") && shown.contains("release.md:22:30"), "{}", said.stdout);
    // What comes before may change it, so it is not certain: it starts, and goes back.
    let said = project.run(&["apply", "release.md", "--yes"]).code(1);
    let told = said.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(told.contains(place), "{}", said.stderr);
    assert_eq!(database.run("SELECT * FROM t"), "1", "the sixteen before it are taken back");
}

#[test]
fn no_right_in_the_middle_says_who_and_what_and_the_rest_is_taken_back() {
    // A server of its own, for it makes a role.
    let server = Server::start(Flavor::Postgres15);
    let database = server.database();
    database.run(&format!(
        "CREATE ROLE clerk LOGIN; GRANT CREATE ON DATABASE {} TO clerk; GRANT ALL ON SCHEMA public TO clerk; CREATE TABLE theirs (id int); \
         SET ROLE clerk; CREATE TABLE mine (id int PRIMARY KEY); INSERT INTO mine VALUES (1)",
        database.name()
    ));
    let project = Project::empty();
    project.write(
        "windlass.toml",
        format!("[target.db]\nurl = \"{}\"\n", database.url().replace("postgres@", "clerk@")),
    );
    let sql = "UPDATE mine SET id = 2;\nALTER TABLE theirs ADD COLUMN n int;\nUPDATE mine SET id = 3;\n";
    project.write(
        "release.md",
        format!("---\nrelease: 1.0.0\n---\n\n```sql {{#all on=db}}\n{sql}```\n\n- [x] fine\n"),
    );
    let said = project.run(&["apply", "release.md", "--yes", "--despite-problems"]).code(1);
    let told = said.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
    for words in
        ["release.md:7:1", "must be owner of table theirs", "the user of the URL may not do this; grant it"]
    {
        assert!(told.contains(words), "no {words:?} in {}", said.stderr);
    }
    assert_eq!(database.run("SELECT id FROM mine"), "1");
    // Rights on columns do not let it lock the table: said beforehand.
    database.run("CREATE TABLE part (id int PRIMARY KEY, n int); GRANT SELECT, UPDATE (n) ON part TO clerk");
    project.write(
        "part.md",
        "---\nrelease: 1.0.1\n---\n\n```sql {#all on=db}\nUPDATE part SET n = 3;\n```\n\n- [x] fine\n",
    );
    let said = project.run(&["plan", "part.md"]);
    let told = said.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(told.contains("GRANT UPDATE ON part TO clerk"), "{} {}", said.stdout, said.stderr);
}
