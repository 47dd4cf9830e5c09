//! Tables too large for ALTER, handed to tools that copy them beside those who write: as the findings say it.

use crate::sealed::{Project, skipped};
use windlass_lab::{Flavor, PASSWORD, server};

/// A document that hands `orders` over with `tool`'s line and takes it back with another.
fn document(try_it: &str, there: &str, back: &str) -> String {
    format!(
        "---\nrelease: 2.1.0\nfrom: 2.0.9\n---\n# 2.1.0\n\n\
         ```sh {{#try on=db readonly}}\n{try_it}\n```\n\n```sh {{#orders on=db}}\n{there}\n```\n\n\
         ```sh {{#orders-back on=db undoes=orders}}\n{back}\n```\n"
    )
}

fn project(document: &str) -> (Project, windlass_lab::Database) {
    let database = server(Flavor::Mariadb).database();
    database.run(
        "CREATE TABLE orders (id INT PRIMARY KEY AUTO_INCREMENT, shop INT) ENGINE=InnoDB; \
         INSERT INTO orders (shop) SELECT seq % 7 FROM seq_1_to_3000",
    );
    let project = Project::empty();
    let url = database.url_with_password();
    project.write("url", &url);
    project.write(
        "windlass.toml",
        "[target.db]\nurl = { file = \"url\" }\nkind = \"mysql\"\n[target.app]\ndir = \".\"\n",
    );
    let (user, rest) = url.trim_start_matches("mysql://").split_once(':').unwrap();
    let (host, rest) = rest.split_once('@').unwrap().1.split_once(':').unwrap();
    let port = rest.split('/').next().unwrap();
    project.write(
        "my.cnf",
        format!("[client]\nhost={host}\nport={port}\nuser={user}\npassword=\"{PASSWORD}\"\n"),
    );
    project.write("release.md", document.replace("DATABASE", database.name()));
    (project, database)
}

#[test]
fn a_table_is_handed_to_pt_online_schema_change_and_back() {
    if !std::path::Path::new("/usr/bin/pt-online-schema-change").exists() {
        assert!(
            std::env::var_os("WINDLASS_NEEDS_PEERS").is_none(),
            "pt-online-schema-change is not installed"
        );
        return skipped("pt-online-schema-change is not installed");
    }
    let found = windlass_sql::hand_over("ALTER TABLE orders ADD COLUMN note VARCHAR(50)").unwrap();
    let (project, database) = project(&document(
        &found.percona("--dry-run", None, false),
        &found.percona("--execute", None, false),
        &found.percona_back(None, false).unwrap(),
    ));
    let columns = || {
        database.run("SELECT GROUP_CONCAT(column_name ORDER BY ordinal_position) FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = 'orders'")
    };
    project.run(&["apply", "release.md", "--yes", "--fault", "crash-after:orders/1"]);
    project.run(&["resume"]).code(0);
    assert_eq!(columns(), "id,shop,note");
    assert_eq!(database.run("SELECT COUNT(*) FROM orders"), "3000");
    let run = project.run(&["show", "--json"]).code(0).json().to_string();
    assert!(run.contains("`note` varchar(50)"), "{run}");
    project.run(&["rollback", "--yes"]).code(0);
    assert_eq!(columns(), "id,shop");
    assert_eq!(database.run("SHOW TABLES"), "orders", "nothing of the tool is left");
}

/// The line that the finding about `VACUUM FULL` names; its controller is killed behind it.
#[test]
fn a_table_is_handed_to_pg_repack() {
    let server = server(Flavor::Postgres15);
    let database = server.database();
    database.run(
        "CREATE TABLE orders (id INT PRIMARY KEY, shop INT, note TEXT); CREATE INDEX shops ON orders (shop); \
         INSERT INTO orders SELECT g, g % 7, repeat('x', 200) FROM generate_series(1, 20000) g; DELETE FROM orders WHERE id % 4 <> 0",
    );
    let project = Project::empty();
    project.write("windlass.toml", format!("[target.db]\nurl = \"{}\"\n", database.url()));
    let head = "---\nrelease: 2.1.0\nfrom: 2.0.9\n---\n# 2.1.0\n\n";
    let vacuum = "```sql {#tidy on=db irreversible}\nVACUUM FULL orders;\n```\n";
    project.write("release.md", format!("{head}{vacuum}"));
    let said = project.run(&["check", "release.md"]).code(0);
    let said = format!("{}{}", said.stdout, said.stderr).split_whitespace().collect::<Vec<_>>().join(" ");
    let line = "pg_repack --no-order --dbname DATABASE --table orders";
    assert!(said.contains(line), "{said}");
    let line = line.replace("DATABASE", database.name());
    project.write(
        "release.md",
        format!(
            "{head}```sql {{#tool on=db}}\nCREATE EXTENSION IF NOT EXISTS pg_repack;\n```\n```sh {{#tidy on=db}}\n{line} -h 127.0.0.1 -p {} -U \
             postgres\n```\n```sh {{#tidy-back on=db undoes=tidy}}\n: # rows and definitions are the same\n```\n",
            server.port()
        ),
    );
    let world = "SELECT md5(string_agg(o::text, ',' ORDER BY id)) FROM orders o; SELECT indexdef FROM pg_indexes WHERE tablename = 'orders' ORDER BY \
                 1; SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'orders'::regclass; SELECT nspname FROM \
                 pg_namespace WHERE nspname !~ '^(pg_toast|windlass)' ORDER BY 1; SELECT count(*) FROM pg_trigger";
    let place = "SELECT relfilenode FROM pg_class WHERE oid = 'orders'::regclass";
    let pages = || database.run("SELECT pg_relation_size('orders')").parse::<u64>().unwrap();
    let (before, place_before, pages_before) = (database.run(world), database.run(place), pages());
    project.run(&["plan", "release.md"]).code(0);
    project.run(&["apply", "release.md", "--yes", "--fault", "crash-after:tidy/1"]);
    project.run(&["resume"]).code(0);
    assert_ne!(database.run(place), place_before, "the table is another file");
    assert!(pages() * 3 < pages_before, "{} of {pages_before} bytes", pages());
    let show = project.run(&["show"]).code(0).stdout;
    assert!(show.contains("tidy"), "{show}");
    project.run(&["rollback", "--yes"]).code(0);
    assert_eq!(database.run(world), before);
    assert_eq!(database.run("SELECT count(*) FROM pg_extension WHERE extname = 'pg_repack'"), "0");
}

#[test]
fn a_tool_that_is_missing_is_said_before_anything_runs() {
    let found = windlass_sql::hand_over("ALTER TABLE orders ADD COLUMN note VARCHAR(50)").unwrap();
    let (project, database) = project(&document(
        "true",
        &found.gh_ost(None).unwrap(),
        "gh-ost --execute --alter 'DROP COLUMN note'",
    ));
    let needs = "it needs gh-ost, which is not on this machine";
    let plan = project.run(&["plan", "release.md"]).stdout;
    assert!(plan.contains(needs), "{plan}");
    project.run(&["apply", "release.md", "--yes"]).code(4).says(&[needs]);
    assert!(!project.path(".windlass/runs").exists());
    assert_eq!(database.run("SHOW TABLES"), "orders");
}
